/** Calls RPC groups of peers: Effect's own client, over one stream a call. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Headers } from "effect/http/Headers"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import { type FromServer, type Request, RequestId } from "effect/rpc/RpcMessage"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import { CurrentDeadline, nowUnsafe } from "../../Deadline.ts"
import * as Frame from "../../Frame.ts"
import {
  CallTooLargeError,
  ContractError,
  DeadlineError,
  RemoteDefectError,
  UnknownFunctionError
} from "../../FunctionError.ts"
import type { NodeName } from "../../Packet.ts"
import { type NameConflictError, type Peer, type PeerLostError, Peers, type PeerUnknownError } from "../../Peers.ts"
import * as Sessions from "../../Sessions.ts"
import type { DialError } from "../../Transport.ts"
import { concat } from "../base/bytes.ts"
import { IntMap } from "../base/intMap.ts"
import { Pieces } from "../base/pieces.ts"
import { toTraceparent } from "../base/trace.ts"
import { lostBefore } from "../peers/lostBefore.ts"
import { isRefused, refusedRetries, unsent } from "../session/refused.ts"
import { type CallMeter, meterOf } from "./callMetrics.ts"
import { compatible, differences } from "./contract.ts"
import * as Wire from "./rpcWire.ts"

/** How a peer that was called before is lost to who calls it again, where it cannot be dialled. */
const lossOf: Record<DialError["kind"], PeerLostError["reason"]> = {
  Refused: "Refused",
  Timeout: "NoAnswer",
  Unreachable: "NoAnswer",
  Unknown: "NoAnswer",
  NoEndpoint: "SessionEnded"
}

export type RpcError =
  | PeerUnknownError
  | NameConflictError
  | Sessions.OpenError
  | Sessions.StreamError
  | DeadlineError
  | ContractError
  | UnknownFunctionError
  | CallTooLargeError
  | RemoteDefectError

export interface Options {
  readonly timeout?: Duration.Input | undefined
  readonly window?: number | undefined
  readonly limit?: number | undefined
  readonly spanPrefix?: string | undefined
  readonly spanAttributes?: Readonly<Record<string, unknown>> | undefined
}

/** Which peer a call is for, where a client has several. */
const To: Context.Reference<string | undefined> = Context.Reference("@pnet/core/internal/rpcClient/To", {
  defaultValue: (): string | undefined => undefined
})

/** The context of a call that is for this peer. */
export const addressed = (peer: string, context: Context.Context<never> = Context.empty()): Context.Context<never> =>
  Context.add(context, To, peer)

/** What was refused for want of room was not run. */
/** The tags of pnet's own errors. A handler's may be a peer's text, which is no label. */
const ownTags: ReadonlySet<unknown> = new Set<RpcError["_tag"]>([
  "PeerUnknownError",
  "NameConflictError",
  "PeerLostError",
  "DialError",
  "ProtocolError",
  "UntrustedPeerError",
  "StreamResetError",
  "DeadlineError",
  "ContractError",
  "UnknownFunctionError",
  "CallTooLargeError",
  "RemoteDefectError"
])

const tagOf = (cause: Cause.Cause<any>): string => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure === undefined) return "Interrupted"
  const tag: unknown = typeof failure.error === "object" && failure.error !== null ? failure.error._tag : undefined
  return ownTags.has(tag) ? tag as string : "failed"
}

/** The peer has another contract that goes with this one: the call is made again, by that one's hash. */
class Again {
  readonly _tag = "Again"
}
const isAgain = (error: unknown): boolean => error instanceof Again
const again = (): Effect.Effect<never> => Effect.fail(new Again() as never)

/** Names of peers that a client remembers. */
const maxMet = 4_096

/** An answer, and what the peer's contract is where it has another. */
interface Answer {
  readonly exit: Exit.Exit<any, any>
}

export const make = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  only: string | undefined,
  options: Options = {}
): Effect.Effect<
  RpcClient.RpcClient<Rpcs, RpcError>,
  never,
  Rpc.MiddlewareClient<Rpcs> | Sessions.Sessions | Peers | Scope.Scope
> =>
  Effect.gen(function*() {
    const sessions = yield* Sessions.Sessions
    const peers = yield* Peers
    const clock = yield* Clock.Clock
    const limit = options.limit ?? Wire.defaultLimit
    // An answer, its kind, and a contract before it.
    const answerLimit = limit + 1 + Wire.maxContract + 5
    const window = Math.min(255, Math.max(1, options.window ?? Wire.defaultWindow))
    const timeout = options.timeout === undefined
      ? Infinity
      : Duration.toMillis(Duration.fromInputUnsafe(options.timeout))
    // Hashes of other contracts that were found to go with this side's, by peer and call.
    const adopted = new Map<string, Uint8Array>()
    const placeOf = (call: Call, peer: Peer) => `${peer.publicKey}\n${call.name}`
    // The peers that this client has had to do with, of which the one that is gone is lost, not unknown.
    const met = new Map<string, Peer>()

    // Calls that wait for their answer without a fiber, and what gives each up.
    const pending = new IntMap<{ readonly call: Call; readonly cancel: Effect.Effect<void> }>()
    let lastRequest = 0
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        const waiting = pending.values()
        pending.clear()
        return Effect.forEach(waiting, ({ call, cancel }) => {
          call.ended("Interrupted")
          return cancel
        }, { discard: true })
      })
    )

    const { client, write } = yield* RpcClient.makeNoSerialization<Rpcs, RpcError>(group, {
      supportsAck: false,
      generateRequestId: () => RequestId(++lastRequest),
      spanPrefix: options.spanPrefix,
      spanAttributes: { ...(only === undefined ? {} : { "pnet.peer": only }), ...options.spanAttributes },
      onFromClient: ({ context, message }) => {
        if (message._tag !== "Request") {
          if (message._tag !== "Interrupt") return Effect.void
          // Where it is none of these, its fiber has closed its stream already.
          const waiting = pending.get(Number(message.requestId))
          pending.delete(Number(message.requestId))
          if (waiting === undefined) return Effect.void
          waiting.call.ended("Interrupted")
          return waiting.cancel
        }
        const rpc = group.requests.get(message.tag)! as unknown as Rpc.AnyWithProps
        const wire = Wire.wireOf(rpc)
        const to = only ?? Context.get(context, To)!
        const call = new Call(to as NodeName, wire, message)
        return only === undefined
          ? Effect.andThen(
            Effect.annotateCurrentSpan("pnet.peer", to),
            wire.isStream ? counted(call, streaming(call)) : unary(call)
          )
          : wire.isStream
          ? counted(call, streaming(call))
          : unary(call)
      }
    })

    // Of a client of one peer, the meter of each rpc.
    const meters = new Map<Wire.Wire, CallMeter>()
    const meterFor = ({ name, to, wire }: Call): CallMeter => {
      const known = only === undefined ? undefined : meters.get(wire)
      if (known !== undefined) return known
      const meter = meterOf("out", "rpc", to, name)
      if (only !== undefined) meters.set(wire, meter)
      return meter
    }

    /** One call of one peer. */
    class Call {
      readonly to: NodeName
      readonly wire: Wire.Wire
      readonly message: Request<Rpcs>
      /** By which contract it was made. */
      hash: Uint8Array | undefined
      /** Whether any of the answer has come. */
      heard = false
      readonly begun = nowUnsafe(clock)
      /** Bytes, for the metrics. */
      sent = 0
      received = 0
      #counted = false
      constructor(to: NodeName, wire: Wire.Wire, message: Request<Rpcs>) {
        this.to = to
        this.wire = wire
        this.message = message
      }
      /** Counts it, once. */
      ended(tag: string | undefined): void {
        if (this.#counted) return
        this.#counted = true
        meterFor(this).ended(nowUnsafe(clock) - this.begun, this.sent, this.received, tag)
      }
      get id() {
        return Number(this.message.id)
      }
      get name() {
        return this.wire.rpc._tag
      }
      exit(exit: Exit.Exit<any, any>): Effect.Effect<void> {
        this.ended(Exit.isSuccess(exit) ? undefined : tagOf(exit.cause))
        return write({ _tag: "Exit", clientId: 0, requestId: this.message.id, exit } as FromServer<Rpcs>)
      }
      get late() {
        return new DeadlineError({ peer: this.to, function: this.name })
      }
      get broken() {
        return new RemoteDefectError({ peer: this.to, function: this.name })
      }
      get tooLarge() {
        return new CallTooLargeError({ peer: this.to, function: this.name, limit })
      }
      /** The peer's answer is not what this side's schemas say. */
      disagree(theirs: unknown, mayHaveRun: boolean, detail?: string) {
        const found = theirs === undefined ? [] : differences(this.wire.contract(), theirs)
        return new ContractError({
          peer: this.to,
          function: this.name,
          mayHaveRun,
          differences: found.length === 0 && detail !== undefined ? [detail] : found
        })
      }
      /** A stream's failure, as what became of the call. */
      mapError(error: Sessions.OpenError | Sessions.StreamError): RpcError {
        if (error._tag === "DialError") {
          const peer = met.get(this.to)
          return peer === undefined ? error : lostBefore(peer, lossOf[error.kind])
        }
        if (error._tag !== "StreamResetError") return error
        switch (error.code) {
          case "deadline":
            return new DeadlineError({ peer: this.to, function: this.name, ...unsent(error) })
          case "too_large":
            return this.tooLarge
          case "not_found":
          case "unsupported":
            return new UnknownFunctionError({ peer: this.to, function: this.name })
          case "internal":
          case "failed":
            return error.remote ? this.broken : error
          default:
            return error
        }
      }
    }

    const meet = (peer: Peer) => {
      if (met.get(peer.name) !== peer && (met.size < maxMet || met.has(peer.name))) met.set(peer.name, peer)
    }

    const resolve = (call: Call): Effect.Effect<Peer, RpcError> => {
      const { to } = call
      return Effect.mapError(peers.resolveOne(to), (error) => {
        // Where it is known why nobody is there, that says more than that somebody was.
        const told = error._tag !== "PeerUnknownError" || error.conflict !== undefined || error.self === true
        const known = told ? undefined : met.get(to)
        return known === undefined ? error : lostBefore(known, "Disconnected")
      })
    }

    /** What is left of the time that the call may take: its client's and that of the work it is part of. */
    const millisOf = (inherited: number | undefined, begun: number): number =>
      Math.min(timeout, inherited === undefined ? Infinity : inherited - nowUnsafe(clock)) -
      (timeout === Infinity ? 0 : nowUnsafe(clock) - begun)

    const openOptions = (call: Call, millis: number): Sessions.OpenOptions & { readonly limit: number } => {
      const { message } = call
      const traceparent = message.spanId === undefined ? undefined : toTraceparent(message as unknown as Tracer.AnySpan)
      return {
        protocol: Wire.protocol,
        name: call.name,
        deadline: millis === Infinity ? undefined : Duration.millis(millis),
        traceparent,
        limit: answerLimit
      }
    }

    /** What is said before the payload, and the payload; `undefined` where it is too much. */
    const requestOf = (call: Call, payload: Uint8Array, peer: Peer): ReadonlyArray<Uint8Array> | undefined => {
      const { message, wire } = call
      const hash = adopted.size === 0 ? wire.hash() : adopted.get(placeOf(call, peer)) ?? wire.hash()
      call.hash = hash
      const headers = Wire.headersText(message.headers as Headers)
      call.sent = payload.length
      if (payload.length > limit || headers !== undefined && headers.length > Wire.maxHeaders) return undefined
      return [
        Wire.requestHead(
          {
            hash,
            window: wire.isStream ? window : 0,
            discard: message.discard === true,
            raw: wire.isRaw,
            stream: wire.isStream,
            headers
          },
          payload.length
        ),
        payload
      ]
    }

    /**
     * Does it again while the peer has no room, which is known not to have run it. `left` is the time that there is for it: what is
     * done keeps to that by itself, and the waits in between have to.
     */
    const patiently = <A>(
      call: Call,
      left: () => number,
      once: Effect.Effect<A, RpcError>
    ): Effect.Effect<A, RpcError> => {
      const refused = (error: RpcError) => !call.heard && isRefused(error)
      return Effect.catch(once, (error) => {
        if (!refused(error)) return Effect.fail(error)
        const retried = Effect.retry(once, { while: refused, schedule: refusedRetries })
        const duration = left()
        return duration === Infinity
          ? retried
          : Effect.timeoutOrElse(retried, { duration: Math.max(0, duration), orElse: () => Effect.fail(call.late) })
      })
    }

    /** Calls with the peer and the time that is left. */
    const begin = <A>(
      call: Call,
      run: (
        peer: Peer,
        options: Sessions.OpenOptions & { readonly limit: number },
        request: Uint8Array
      ) => Effect.Effect<A, RpcError>
    ): Effect.Effect<A, RpcError> =>
      Effect.withFiber((fiber) => {
        const inherited = fiber.getRef(CurrentDeadline)
        const begun = timeout === Infinity ? 0 : nowUnsafe(clock)
        return Effect.flatMap(Effect.orDie(call.wire.encodePayload(call.message.payload)), (payload) => {
          const once = Effect.flatMap(resolve(call), (peer) => {
            const millis = millisOf(inherited, begun)
            const parts = requestOf(call, payload, peer)
            return parts === undefined
              ? Effect.fail(call.tooLarge)
              : run(peer, openOptions(call, millis), concat(parts, parts[0]!.length + payload.length))
          })
          // Not for ever, should the peer have another contract each time.
          const onceMore = <B>(other: Effect.Effect<B, RpcError>) =>
            Effect.catch(once, (error) => isAgain(error) ? other : Effect.fail(error))
          const agreed = onceMore(
            onceMore(Effect.fail(call.disagree(undefined, false, "the peer's contract changes with every call")))
          )
          return patiently(call, () => millisOf(inherited, begun), agreed)
        })
      })

    /** What a mismatch comes to: the call is made again, or the two sides do not go together. */
    const disagreement = (call: Call, peer: Peer, body: Uint8Array): Effect.Effect<never, RpcError> => {
      const theirs = Wire.contractOf(body)
      if (theirs === undefined) return Effect.fail(call.disagree(undefined, false, "the peer's answer is malformed"))
      if (Wire.sameHash(theirs.hash, call.hash!) || !compatible(call.wire.contract(), theirs.contract)) {
        return Effect.fail(call.disagree(theirs.contract, false))
      }
      if (adopted.size >= maxMet) adopted.clear()
      adopted.set(placeOf(call, peer), theirs.hash)
      return again()
    }

    // --- unary calls -----------------------------------------------------------------------------------------------------

    const failureOf = (call: Call, body: Uint8Array): Effect.Effect<Answer, RpcError> =>
      Effect.matchEffect(call.wire.decodeExit(body), {
        onSuccess: (exit) => {
          const failures = Exit.isFailure(exit) ? Wire.failuresOf(exit.cause) : undefined
          // An error that has the key of a stream's end, which JSON can carry, would be taken for one.
          const ends = call.wire.isStream && failures !== undefined &&
            failures.reasons.some((reason) => Cause.isFailReason(reason) && Cause.isDone(reason.error))
          return failures === undefined || ends
            // Defects and interruptions do not travel, whatever a peer says.
            ? Effect.fail<RpcError>(call.broken)
            : Effect.succeed<Answer>({ exit: Exit.failCause(failures) })
        },
        onFailure: () => Effect.fail<RpcError>(call.disagree(undefined, true))
      })

    const answerOf = (call: Call, bytes: Uint8Array): Effect.Effect<Answer, RpcError> => {
      const body = bytes.subarray(1)
      switch (bytes[0]) {
        case Wire.Kind.success: {
          if (call.message.discard === true) return Effect.succeed({ exit: Exit.void })
          const decoded = call.wire.decodeSuccess(body)
          const exit = Wire.valueOf(decoded)
          return exit !== undefined && Exit.isSuccess(exit) ? Effect.succeed({ exit }) : Effect.matchEffect(decoded, {
            onSuccess: (value) => Effect.succeed<Answer>({ exit: Exit.succeed(value) }),
            onFailure: () => Effect.fail<RpcError>(call.disagree(undefined, true))
          })
        }
        case Wire.Kind.failure:
          return failureOf(call, body)
        case Wire.Kind.broken:
          return Effect.fail(call.broken)
      }
      return Effect.fail(call.disagree(undefined, true, "the peer's answer is malformed"))
    }

    /** What fails, or is interrupted, before the caller was told anything. */
    const counted = (call: Call, effect: Effect.Effect<void, RpcError>): Effect.Effect<void, RpcError> =>
      Effect.onError(effect, (cause) => Effect.sync(() => call.ended(tagOf(cause))))

    const slow = (call: Call): Effect.Effect<void, RpcError> =>
      counted(
        call,
        Effect.flatMap(
          begin(call, (peer, options, request) =>
            Effect.matchEffect(sessions.exchange(peer, options, request), {
              onSuccess: (bytes) => {
                meet(peer)
                return bytes[0] === Wire.Kind.mismatch
                  ? disagreement(call, peer, bytes.subarray(1))
                  : Effect.succeed(bytes)
              },
              onFailure: (error) => Effect.fail(call.mapError(error))
            })),
          (bytes) => {
            call.received = bytes.length
            return Effect.flatMap(answerOf(call, bytes), ({ exit }) => call.exit(exit))
          }
        )
      )

    /** Gives the caller what came of its call; in one step, where the answer can be decoded in one. */
    const settle = (call: Call, exit: Exit.Exit<any, any>): void => {
      const written = call.exit(exit)
      // It is done already, unless Effect's client has more to do than to wake its caller.
      if (written !== Effect.void) Effect.runFork(written)
    }

    const onAnswer = (
      call: Call,
      peer: Peer,
      context: Context.Context<never>,
      exit: Exit.Exit<Uint8Array, Sessions.StreamError>
    ) => {
      if (Exit.isSuccess(exit)) {
        meet(peer)
        const bytes = exit.value
        call.received = bytes.length
        if (bytes[0] === Wire.Kind.success) {
          const decoded = Wire.valueOf(call.wire.decodeSuccess(bytes.subarray(1)))
          if (decoded !== undefined && Exit.isSuccess(decoded)) {
            pending.delete(call.id)
            return settle(call, decoded)
          }
        }
      }
      // With a fiber, which is what gives it up from now on.
      const rest = exit._tag === "Success"
        ? exit.value[0] === Wire.Kind.mismatch
          ? Effect.catch(
            disagreement(call, peer, exit.value.subarray(1)),
            (error) => isAgain(error) ? slow(call) : Effect.fail(error)
          )
          : Effect.flatMap(answerOf(call, exit.value), (answer) => call.exit(answer.exit))
        : Effect.suspend(() => {
          const error = call.mapError(exit.cause.reasons.find(Cause.isFailReason)!.error)
          return isRefused(error) ? slow(call) : Effect.fail(error)
        })
      const fiber = Effect.runForkWith(context)(
        Effect.catchCause(rest, (cause) => {
          pending.delete(call.id)
          return call.exit(Exit.failCause(cause))
        })
      )
      if (fiber.pollUnsafe() === undefined) pending.set(call.id, { call, cancel: Fiber.interrupt(fiber) })
      else pending.delete(call.id)
    }

    /**
     * One call of one peer. Nearly always there is a session, the payload can be encoded at once, and nobody asked for more than
     * the answer: then nothing waits for it but an entry in a table.
     */
    const unary = (call: Call): Effect.Effect<void, RpcError> =>
      Effect.withFiber((fiber) => {
        const { message, wire } = call
        // As it is now: a fiber that has ended has none.
        const { context } = fiber
        if (timeout !== Infinity || message.discard === true || fiber.getRef(CurrentDeadline) !== undefined) {
          return slow(call)
        }
        const payload = Wire.valueOf(wire.encodePayload(message.payload))
        if (payload === undefined || Exit.isFailure(payload)) return slow(call)
        return Effect.matchEffect(peers.resolveOne(call.to), {
          onFailure: () => slow(call),
          onSuccess: (peer) => {
            const parts = requestOf(call, payload.value, peer)
            if (parts === undefined) return counted(call, Effect.fail(call.tooLarge))
            let answered = false
            const cancel = sessions.exchangeUnsafe(peer, openOptions(call, Infinity), parts, (exit) => {
              answered = true
              onAnswer(call, peer, context, exit)
            })
            if (cancel === undefined) return slow(call)
            if (!answered) pending.set(call.id, { call, cancel })
            return Effect.void
          }
        })
      })

    // --- streams -------------------------------------------------------------------------------------------------------------

    const chunk = (call: Call, kind: number, body: Uint8Array) => {
      const { message, wire } = call
      const give = (values: ReadonlyArray<unknown>) =>
        write({ _tag: "Chunk", clientId: 0, requestId: message.id, values } as unknown as FromServer<Rpcs>)
      if (kind === Wire.Kind.raw) {
        const elements = wire.isRaw ? Wire.rawElements(body) : undefined
        return elements === undefined
          ? Effect.fail<RpcError>(call.disagree(undefined, true, "the peer's answer is malformed"))
          : give(elements)
      }
      return Effect.flatMap(
        Effect.mapError(wire.decodeChunk(body), (): RpcError => call.disagree(undefined, true)),
        give
      )
    }

    const listen = (call: Call, peer: Peer, stream: Sessions.SessionStream): Effect.Effect<Answer, RpcError> =>
      Effect.gen(function*() {
        const pieces = new Pieces(2 * Frame.initialCredit)
        // Chunks that were taken and not granted again.
        let taken = 0
        const malformed = Effect.suspend(() =>
          Effect.fail<RpcError>(call.disagree(undefined, true, "the peer's answer is malformed"))
        )
        const pull = Effect.map(
          Effect.catch(stream.pull, (error) =>
            Cause.isDone(error)
              ? Effect.succeed(undefined)
              : Effect.fail<RpcError>(call.mapError(error))),
          (parts) => {
            if (parts !== undefined) {
              call.heard = true
              for (const part of parts) call.received += part.length
              pieces.addAll(parts)
            }
            return parts !== undefined
          }
        )
        while (true) {
          if (pieces.length === 0) {
            if (!(yield* pull)) return yield* malformed
            continue
          }
          const kind = pieces.byte(0)
          switch (kind) {
            case Wire.Kind.chunk:
            case Wire.Kind.raw: {
              if (pieces.length < 5) break
              const length = pieces.u32(1)
              if (length > limit) return yield* call.tooLarge
              if (pieces.length < 5 + length) break
              pieces.skip(5)
              const body = pieces.take(length)
              // Waits while the caller has enough, which stalls this stream and no other.
              yield* chunk(call, kind, body)
              taken++
              if (taken * 2 >= window) {
                yield* Effect.mapError(stream.write(Uint8Array.of(taken)), (error) => call.mapError(error))
                taken = 0
              }
              continue
            }
            case Wire.Kind.success:
            case Wire.Kind.failure:
            case Wire.Kind.broken:
            case Wire.Kind.mismatch: {
              while (yield* pull) {
                if (pieces.length > limit + Wire.maxContract) return yield* call.tooLarge
              }
              pieces.skip(1)
              const body = pieces.take(pieces.length)
              if (kind === Wire.Kind.success) return { exit: Exit.void }
              if (kind === Wire.Kind.broken) return yield* call.broken
              return kind === Wire.Kind.failure
                ? yield* failureOf(call, body)
                : yield* disagreement(call, peer, body)
            }
            default:
              return yield* malformed
          }
          // No whole message yet.
          if (!(yield* pull)) return yield* malformed
        }
      })

    const streaming = (call: Call): Effect.Effect<void, RpcError> =>
      Effect.flatMap(
        begin(call, (peer, options, request) =>
          Effect.scoped(Effect.gen(function*() {
            const stream = yield* Effect.mapError(sessions.open(peer, options), (error) => call.mapError(error))
            meet(peer)
            yield* Effect.mapError(stream.write(request), (error) => call.mapError(error))
            return yield* listen(call, peer, stream)
          }))),
        ({ exit }) => call.exit(exit)
      )

    return client as RpcClient.RpcClient<Rpcs, RpcError>
  }) as Effect.Effect<RpcClient.RpcClient<Rpcs, RpcError>, never, any>
