/**
 * Calls an RPC group at whoever serves it: Effect's own client, whose calls go through the engine that balances them. Each attempt of a call is
 * a call of the peer that the engine has chosen; what it came to is the handler's, and ends it, and what it failed with is pnet's own, by which the engine
 * knows whether another peer may be asked.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import { type FromServer, type Request, RequestId } from "effect/rpc/RpcMessage"
import type * as Scope from "effect/Scope"
import * as Balance from "../../Balance.ts"
import { CurrentCaller } from "../../Caller.ts"
import { CurrentDeadline, within } from "../../Deadline.ts"
import { NodeClosedError } from "../../FunctionError.ts"
import { OptionsError } from "../../NodeOptions.ts"
import { Any, type Peer, Peers, type Where } from "../../Peers.ts"
import type * as Sessions from "../../Sessions.ts"
import type { Kind } from "../balance/kind.ts"
import * as Members from "../balance/members.ts"
import type { Looked, Verdict } from "../balance/run.ts"
import type { Service } from "../balance/service.ts"
import { verdictOf } from "../balance/verdicts.ts"
import { clientOf, type Options } from "./rpcClient.ts"
import type { Answer } from "./rpcClientAnswer.ts"
import { Call, type Client, type RpcError, tagOf } from "./rpcClientCall.ts"
import { streamed } from "./rpcClientStream.ts"
import { attempted, rest } from "./rpcClientUnary.ts"
import * as Codec from "./rpcCodec.ts"
import * as Payload from "./rpcPayload.ts"
import { Attempts } from "./rpcServiceUnary.ts"
import * as Wire from "./rpcWire.ts"

/** What a call may fail with, besides what its group declares. */
export type ServiceError = RpcError | Balance.OverloadedError | Balance.NobodyThereError

/** What a stream has given before it broke. */
interface Received {
  readonly count: number
  readonly last: unknown
}

type Resumes = { readonly [tag: string]: ((payload: any, received: any) => unknown) | undefined }

export interface ServiceOptions extends Options {
  readonly policy?: Balance.Policy<any, any> | undefined
  readonly settings?: typeof Balance.Settings.Encoded | undefined
  readonly hedge?: number | undefined
  readonly resume?: Resumes | undefined
}

/** A stream broke that had given elements: it is not begun again as if it had not, and goes on at another peer where it can. */
class Midway {
  readonly _tag = "Midway"
  readonly error: RpcError
  readonly resumes: boolean
  constructor(error: RpcError, resumes: boolean) {
    this.error = error
    this.resumes = resumes
  }
}

type Failure = RpcError | Midway

const classify = (error: Failure): Verdict => {
  if (error._tag !== "Midway") return verdictOf(error)
  const verdict = verdictOf(error.error)
  if (verdict === "final" || verdict === "broke" || verdict === "expired" || verdict === "unknown") return verdict
  return error.resumes ? "notRun" : "unknown"
}

/** 95, or what is no number at all, would be never, or each call. */
const hedgeOf = ({ hedge }: ServiceOptions): Effect.Effect<number | undefined> =>
  hedge === undefined || typeof hedge === "number" && hedge > 0 && hedge < 1
    ? Effect.succeed(hedge)
    : Effect.die(
      new OptionsError({
        issue: `hedge: expected a share of all calls above 0 and below 1, as 0.95, got ${String(hedge)}`
      })
    )

/** The functions of a group, as one text. */
const named = (group: RpcGroup.RpcGroup<any>): string => {
  const tags = [...group.requests.keys()]
  return tags.length <= 3 ? tags.join(", ") : `${tags.slice(0, 3).join(", ")}, …`
}

/** Counts a call when it has ended. */
const counted = (call: Call, effect: Effect.Effect<Answer, RpcError>): Effect.Effect<Answer, RpcError> =>
  Effect.onExitPrimitive(effect, (exit) => {
    const answer = exit._tag === "Failure" ? exit : exit.value.exit
    call.ended(answer._tag === "Failure" ? tagOf(answer.cause) : undefined)
    return undefined
  })

/** What is known of each function of the group. */
interface Function {
  readonly wire: Wire.Wire
  readonly kind: Kind
  readonly resume: ((payload: unknown, received: Received) => unknown) | undefined
}

/** Why nobody is there, as far as it is known. */
type Explain = (error: Balance.NobodyThereError) => Effect.Effect<never, Balance.NobodyThereError | NodeClosedError>

class Calls {
  readonly attempts: Attempts
  readonly #client: Client
  readonly #service: Service<Peer, Failure>
  readonly #functions = new Map<string, Function>()
  readonly #explain: Explain
  /** Milliseconds that a call may take; Infinity for no end. */
  readonly #timeout: number

  constructor(
    client: Client,
    service: Service<Peer, Failure>,
    group: RpcGroup.RpcGroup<any>,
    codec: Codec.Codec,
    options: ServiceOptions,
    explain: Explain
  ) {
    this.attempts = new Attempts(client, service)
    this.#client = client
    this.#service = service
    this.#explain = explain
    this.#timeout = options.timeout === undefined
      ? Infinity
      : Duration.toMillis(Duration.fromInputUnsafe(options.timeout))
    for (const rpc of group.requests.values() as Iterable<unknown> as Iterable<Rpc.AnyWithProps>) {
      const wire = Wire.wireOf(rpc, codec)
      const idempotent = Context.get(rpc.annotations as Context.Context<never>, Balance.Idempotent)
      this.#functions.set(rpc._tag, {
        wire,
        kind: service.function(rpc._tag, { idempotent, hedge: options.hedge, timed: !wire.isStream }),
        resume: wire.isStream ? options.resume?.[rpc._tag] : undefined
      })
    }
  }

  /** Calls one of the peers, and gives the caller what comes of it. */
  run(message: Request<Rpc.Any>): Effect.Effect<void, ServiceError> {
    const known = this.#functions.get(message.tag)!
    const { kind, wire } = known
    return Effect.withFiber((fiber) => {
      const { context } = fiber
      const isPlain = !wire.isStream && message.discard !== true && this.#timeout === Infinity &&
        kind.delay === undefined && fiber.getRef(CurrentDeadline) === undefined
      if (!isPlain) return this.#slow(known, message, context)
      const { span } = fiber.cache
      const began = this.attempts.begin(wire, kind, message, span, (waiting, exit) => {
        const { call, endpoint, peer, since } = waiting
        const first = counted(call, rest(call, peer, exit))
        const all = this.#service.rest(endpoint, since, first, ...this.#callOf(known, message, context))
        return Effect.runForkWith(context)(
          Effect.catchCause(this.#answered(message, all), (cause) => this.#give(message, Exit.failCause(cause)))
        )
      })
      if (began === "sent") return Effect.void
      return this.#slow(known, message, context, began === "unencoded" ? undefined : began)
    })
  }

  /** With a fiber, which is the caller's. */
  #slow(known: Function, message: Request<Rpc.Any>, context: Context.Context<never>, looked?: Looked) {
    const run = this.#service.runNow(...this.#callOf(known, message, context, looked))
    return this.#answered(message, this.#timeout === Infinity ? run : within(this.#timeout)(run))
  }

  /** What the engine is told of a call. */
  #callOf(known: Function, message: Request<Rpc.Any>, context: Context.Context<never>, looked?: Looked) {
    const attempt = known.wire.isStream
      ? this.#streaming(known, message)
      : (peer: Peer) => this.#attempt(known, message, peer, attempted)
    const caller = Context.get(context, CurrentCaller)?.publicKey
    return [known.kind, attempt, { payload: message.payload, caller, looked }] as const
  }

  #answered(
    message: Request<Rpc.Any>,
    run: Effect.Effect<Answer, Failure | Balance.OverloadedError | Balance.NobodyThereError>
  ): Effect.Effect<void, ServiceError> {
    return Effect.matchEffect(run, {
      onSuccess: ({ exit }) => this.#give(message, exit),
      onFailure: (error): Effect.Effect<void, ServiceError> =>
        error._tag === "NobodyThereError"
          ? this.#explain(error)
          : Effect.fail(error._tag === "Midway" ? error.error : error)
    })
  }

  #give(message: Request<Rpc.Any>, exit: Exit.Exit<any, any>): Effect.Effect<void> {
    return this.#client.write({ _tag: "Exit", clientId: 0, requestId: message.id, exit } as FromServer<any>)
  }

  #attempt(
    { wire }: Function,
    message: Request<Rpc.Any>,
    peer: Peer,
    make: (call: Call, peer: Peer) => Effect.Effect<Answer, RpcError>
  ): Effect.Effect<Answer, RpcError> {
    const call = new Call(this.#client, peer.name, wire, message)
    call.at = peer
    return counted(call, make(call, peer))
  }

  /** Attempts of a call whose answer is a stream, all of which give their elements to the one caller. */
  #streaming(known: Function, first: Request<Rpc.Any>): (peer: Peer) => Effect.Effect<Answer, Failure> {
    let count = 0
    let last: unknown
    return (peer) => {
      const { resume } = known
      const message = count === 0 || resume === undefined
        ? first
        : { ...first, payload: resume(first.payload, { count, last }) } as Request<Rpc.Any>
      return Effect.mapError(
        this.#attempt(known, message, peer, (call) => {
          const seen = (values: ReadonlyArray<unknown>) => {
            count += values.length
            last = values[values.length - 1]
          }
          call.onElements = seen
          return Effect.andThen(Effect.annotateCurrentSpan("pnet.peer", peer.name), streamed(call))
        }),
        (error): Failure => count === 0 ? error : new Midway(error, resume !== undefined)
      )
    }
  }
}

const explained = (
  peers: Peers["Service"],
  where: Where,
  error: Balance.NobodyThereError
): Effect.Effect<never, Balance.NobodyThereError | NodeClosedError> =>
  Effect.matchEffect(peers.resolveOne(new Any(where)), {
    onFailure: (why): Effect.Effect<never, Balance.NobodyThereError | NodeClosedError> => {
      if (why._tag === "NodeClosedError") return Effect.fail(why)
      const target = why._tag === "PeerUnknownError" ? why.target : undefined
      return Effect.fail(
        target === undefined || target.notGranted.length === 0
          ? error
          : new Balance.NobodyThereError({ ...error, notGranted: target.notGranted })
      )
    },
    onSuccess: () => Effect.fail(error)
  })

export const make = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  where: Where,
  options: ServiceOptions = {}
): Effect.Effect<
  RpcClient.RpcClient<Rpcs, ServiceError>,
  never,
  Rpc.MiddlewareClient<Rpcs> | Sessions.Sessions | Peers | Scope.Scope
> =>
  Effect.gen(function*() {
    const peers = yield* Peers
    const name = named(group)
    const client: Client = yield* clientOf(
      { ...options, timeout: undefined },
      (message): Effect.Effect<void> => made.write(message as FromServer<Rpcs>)
    )
    const service = yield* Members.make<Failure>({
      peers,
      where,
      service: name,
      policy: options.policy,
      // A slip of the program, as in a target.
      settings: yield* Effect.orDie(Balance.settings(options.settings)),
      classify,
      closed: () => new NodeClosedError({ node: peers.name })
    })
    const calls = new Calls(
      client,
      service,
      group,
      yield* Codec.Current,
      { ...options, hedge: yield* hedgeOf(options) },
      (error) => explained(peers, where, error)
    )
    yield* Effect.addFinalizer(() => calls.attempts.close)
    let lastRequest = 0

    const made = yield* RpcClient.makeNoSerialization<Rpcs, ServiceError>(Payload.forMade(group), {
      supportsAck: false,
      generateRequestId: () => RequestId(++lastRequest),
      spanPrefix: options.spanPrefix,
      ...(options.spanAttributes === undefined ? {} : { spanAttributes: { ...options.spanAttributes } }),
      onFromClient: ({ message }) => {
        if (message._tag === "Request") return calls.run(message as unknown as Request<Rpc.Any>)
        // Where it has a fiber that is the caller's, that gives it up.
        return message._tag === "Interrupt" ? calls.attempts.interrupt(Number(message.requestId)) : Effect.void
      }
    })
    Payload.making(group, made.client, () => undefined)
    return made.client as RpcClient.RpcClient<Rpcs, ServiceError>
  }) as Effect.Effect<RpcClient.RpcClient<Rpcs, ServiceError>, never, any>
