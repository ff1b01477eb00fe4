/** Calls of commands: the proxies that name them, and the one or several calls behind each. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { Span } from "effect/Tracer"
import * as Command from "../../Command.ts"
import { CurrentDeadline, nowUnsafe } from "../../Deadline.ts"
import {
  CallTooLargeError,
  ContractError,
  DeadlineError,
  InvalidArgumentsError,
  type NotJsonError,
  RemoteDefectError,
  RemoteError,
  UnknownFunctionError
} from "../../FunctionError.ts"
import type { NodeName } from "../../Packet.ts"
import type { Peer, Peers } from "../../Peers.ts"
import { StreamResetError } from "../../Sessions.ts"
import type * as Sessions from "../../Sessions.ts"
import { toTraceparent } from "../base/trace.ts"
import { namesOf } from "../peers/targets.ts"
import { isRefused, refusedRetries, unsent } from "../session/refused.ts"
import type { CallError } from "../streams/failures.ts"
import { meterOf } from "./callMetrics.ts"
import * as Wire from "./commandWire.ts"

interface Dependencies {
  readonly sessions: Sessions.Sessions["Service"]
  readonly peers: Peers["Service"]
  readonly clock: Clock.Clock
  /** Bytes of a call, and of an answer. */
  readonly limit: number
}

type Args = ReadonlyArray<unknown>

/** Why a call got no value. */
export type CommandError =
  | CallError
  | CallTooLargeError
  | ContractError
  | DeadlineError
  | InvalidArgumentsError
  | NotJsonError
  | RemoteDefectError
  | UnknownFunctionError

interface CallOptions {
  readonly timeout?: Duration.Input | undefined
  readonly concurrency?: number | "unbounded" | undefined
}

/** How the values of one function travel. */
interface Coder {
  readonly request: (
    name: string,
    args: Args,
    limit: number
  ) => Effect.Effect<Uint8Array, (peer: NodeName) => CommandError>
  readonly reply: (peer: NodeName, name: string, value: Schema.Json) => Effect.Effect<unknown, CommandError>
  readonly failure: (error: CommandError) => Effect.Effect<never, unknown>
}

const split = (args: Args): { readonly args: Args; readonly kwargs: Readonly<Record<string, unknown>> } => {
  const last = args[args.length - 1]
  return last instanceof Command.Kwargs
    ? { args: args.slice(0, -1), kwargs: last.values as Readonly<Record<string, unknown>> }
    : { args, kwargs: {} }
}

const encode = (request: Wire.Request, limit: number): Effect.Effect<Uint8Array, (peer: NodeName) => CommandError> => {
  const bytes = Wire.encodeRequest(request, limit)
  return bytes instanceof Uint8Array ?
    Effect.succeed(bytes) :
    Effect.fail((peer) =>
      bytes === "too large" ? new CallTooLargeError({ peer, function: request.function, limit }) : bytes
    )
}

type Encoded = Effect.Effect<Uint8Array, (peer: NodeName) => CommandError>

/** Nearly always, what is to be sent is there at once. */
const isEncoded = (request: Encoded): request is Exit.Success<Uint8Array, (peer: NodeName) => CommandError> =>
  Exit.isExit(request) && Exit.isSuccess(request)

const untyped: Coder = {
  request: (name, args, limit) => encode({ function: name, ...split(args) }, limit),
  reply: (_peer, _name, value) => Effect.succeed(value),
  failure: Effect.fail
}

const coders = new WeakMap<Command.Any, Coder>()

const coderOf = (command: Command.Any): Coder => {
  const known = coders.get(command)
  if (known !== undefined) return known
  const encodeArgs = Schema.encodeUnknownEffect(Schema.toCodecJson(command.args))
  const encodeKwargs = Schema.encodeUnknownEffect(Schema.toCodecJson(command.kwargs))
  const decodeSuccess = Schema.decodeUnknownEffect(Schema.toCodecJson(command.success))
  const decodeError = Schema.decodeUnknownEffect(Schema.toCodecJson(command.error))
  const invalid = (where: string) => (error: Schema.SchemaError) => (peer: NodeName) =>
    new InvalidArgumentsError({ peer, function: command.name, issue: `${where}: ${error.message}` })
  const coder: Coder = {
    request: (name, given, limit) =>
      Effect.gen(function*() {
        const { args, kwargs } = split(given)
        return yield* encode({
          function: name,
          args: (yield* Effect.mapError(encodeArgs(args), invalid("args"))) as Args,
          kwargs: (yield* Effect.mapError(encodeKwargs(kwargs), invalid("kwargs"))) as Wire.Request["kwargs"]
        }, limit)
      }),
    reply: (peer, name, value) =>
      Effect.mapError(decodeSuccess(value), (error) =>
        new ContractError({
          peer,
          function: name,
          mayHaveRun: true,
          differences: [`its result is not what the command says: ${error.message}`]
        })),
    failure: (error) =>
      error._tag === "RemoteError"
        ? Effect.flatMap(
          Effect.catch(decodeError(error.error), () => Effect.succeed(error)),
          Effect.fail
        )
        : Effect.fail(error)
  }
  coders.set(command, coder)
  return coder
}

/** What `console.log` of Node, Bun and Deno asks a value for. */
const inspected = Symbol.for("nodejs.util.inspect.custom")

/** Characters of the names in what a target says of itself. */
const maxShown = 200

/** A function for every name that is asked for. */
const proxyOf = (to: string | ReadonlyArray<string>, invoke: (name: string, args: Args) => unknown): unknown => {
  const say = () => {
    const names = JSON.stringify(to) ?? String(to)
    return `target(${names.length > maxShown ? `${names.slice(0, maxShown)}…` : names})`
  }
  // Node looks behind a proxy, and everybody else at it.
  const behind: { (): void; [inspected]?: () => string } = () => {}
  behind[inspected] = say
  return new Proxy(behind, {
    // A target is no promise and no iterable, whatever looks at it; as a text it says whom it means.
    get: (_target, name) =>
      typeof name !== "string"
        ? name === Symbol.toPrimitive || name === inspected ? say : undefined
        : name === "then" || name === "toJSON"
        ? undefined
        : (...args: Args) => invoke(name, args),
    apply: (_target, _this, [name, ...args]: [string, ...Args]) => invoke(name, args)
  })
}

const mapError = (peer: NodeName, name: string, limit: number) =>
(
  error: Sessions.OpenError | Sessions.StreamError
): CommandError => {
  if (error._tag !== "StreamResetError") return error
  switch (error.code) {
    case "deadline":
      return new DeadlineError({ peer, function: name, ...unsent(error) })
    case "too_large":
      return new CallTooLargeError({ peer, function: name, limit })
    case "not_found":
    case "unsupported":
      return new UnknownFunctionError({ peer, function: name })
    case "internal":
      return error.remote ? new RemoteDefectError({ peer, function: name }) : error
    case "failed":
      return new RemoteError({ peer, command: name, error: error.error ?? { message: error.detail } })
    default:
      // The stream of every command has the same name.
      return new StreamResetError({
        peer: error.peer,
        stream: name,
        code: error.code,
        detail: error.detail,
        remote: error.remote
      })
  }
}

/** One call of one peer: in its time, in its span, and measured. */
class Call {
  readonly #client: Dependencies
  readonly #name: string
  readonly #to: NodeName
  readonly #coder: Coder
  readonly #span: Span
  readonly #begun: number
  /** When its time is up, in monotonic milliseconds: its own, or that of the work that it is a part of. */
  readonly #deadline: number | undefined
  #sent = 0
  #received = 0

  constructor(client: Dependencies, name: string, to: string, coder: Coder, span: Span, time: {
    readonly inherited: number | undefined
    /** Milliseconds. */
    readonly own: number
  }) {
    this.#client = client
    this.#name = name
    this.#to = to as NodeName
    this.#coder = coder
    this.#span = span
    this.#begun = nowUnsafe(client.clock)
    const earliest = Math.min(time.inherited ?? Infinity, this.#begun + time.own)
    this.#deadline = earliest === Infinity ? undefined : earliest
  }

  run(request: Encoded): Effect.Effect<unknown, unknown> {
    return Effect.matchCauseEffect(
      isEncoded(request)
        ? this.#send(request.value)
        : Effect.flatMap(
          Effect.mapError(request, (error) => error(this.#to)),
          (bytes) => this.#send(bytes)
        ),
      {
        onSuccess: (value) => {
          this.#ended(undefined)
          return Effect.succeed(value)
        },
        onFailure: (cause) => {
          const reason = cause.reasons.find((reason) => reason._tag === "Fail")
          this.#ended(reason?.error._tag ?? "Interrupted")
          return reason === undefined ? Effect.failCause(cause) : this.#coder.failure(reason.error)
        }
      }
    )
  }

  #send(bytes: Uint8Array): Effect.Effect<unknown, CommandError> {
    const { limit, peers } = this.#client
    this.#sent = bytes.length
    const receive = (reply: Uint8Array) => this.#receive(reply)
    return Effect.flatMap(peers.resolveOne(this.#to), (peer) =>
      Effect.matchEffect(this.#exchange(peer, bytes), {
        onFailure: (error) =>
          isRefused(error)
            ? Effect.flatMap(this.#again(peer, bytes), receive)
            : Effect.fail(mapError(this.#to, this.#name, limit)(error)),
        onSuccess: receive
      }))
  }

  #exchange(peer: Peer, bytes: Uint8Array) {
    const { clock, limit, sessions } = this.#client
    const deadline = this.#deadline
    return sessions.exchange(peer, {
      protocol: "command",
      name: Wire.streamName,
      limit,
      span: this.#span,
      deadline: deadline === undefined ? undefined : Duration.millis(deadline - nowUnsafe(clock)),
      traceparent: toTraceparent(this.#span)
    }, bytes)
  }

  /** Each exchange keeps to the deadline by itself, and the waits between them have to. */
  #again(peer: Peer, bytes: Uint8Array): Effect.Effect<Uint8Array, CommandError> {
    const { clock, limit } = this.#client
    const deadline = this.#deadline
    const again = Effect.mapError(
      Effect.retry(Effect.suspend(() => this.#exchange(peer, bytes)), { while: isRefused, schedule: refusedRetries }),
      mapError(this.#to, this.#name, limit)
    )
    return deadline === undefined ? again : Effect.suspend(() =>
      Effect.timeoutOrElse(again, {
        duration: Math.max(0, deadline - nowUnsafe(clock)),
        orElse: () => Effect.fail(new DeadlineError({ peer: this.#to, function: this.#name }))
      })
    )
  }

  #receive(reply: Uint8Array): Effect.Effect<unknown, CommandError> {
    this.#received = reply.length
    const decoded = Wire.decodeReply(reply, this.#to, this.#name, this.#client.limit)
    return this.#coder === untyped
      ? decoded
      : Effect.flatMap(decoded, (value) => this.#coder.reply(this.#to, this.#name, value))
  }

  #ended(tag: string | undefined): void {
    const { clock } = this.#client
    meterOf("out", "command", this.#to, this.#name).ended(
      nowUnsafe(clock) - this.#begun,
      this.#sent,
      this.#received,
      tag
    )
  }
}

export const make = (client: Dependencies) => {
  const { limit, peers } = client

  /** One call of one peer. */
  const call = (
    name: string,
    to: string,
    coder: Coder,
    request: Encoded,
    options: CallOptions | undefined
  ): Effect.Effect<unknown, unknown> => {
    const own = options?.timeout === undefined
      ? Infinity
      : Duration.toMillis(Duration.fromInputUnsafe(options.timeout))
    return Effect.useSpan(
      `call ${name}`,
      { kind: "client", attributes: { "pnet.peer": to, "pnet.function": name } },
      (span) =>
        Effect.withFiber((fiber) =>
          new Call(client, name, to, coder, span, { inherited: fiber.getRef(CurrentDeadline), own }).run(request)
        )
    )
  }

  const target = (
    to: string | ReadonlyArray<string>,
    options?: CallOptions & { readonly commands?: ReadonlyArray<Command.Any> }
  ): unknown => {
    const byName = options?.commands === undefined
      ? undefined
      : new Map(options.commands.map((command) => [command.name, command]))
    const coder = (name: string): Coder => {
      const command = byName?.get(name)
      return command === undefined ? untyped : coderOf(command)
    }
    return typeof to === "string" && to !== "*"
      ? proxyOf(to, (name, args) =>
        Effect.suspend(() => {
          const by = coder(name)
          return call(name, to, by, by.request(name, args, limit), options)
        }))
      : proxyOf(to, (name, args) =>
        Effect.gen(function*() {
          const by = coder(name)
          // Made once for all of them.
          const request = Effect.fromResult(yield* Effect.result(by.request(name, args, limit)))
          const names = yield* namesOf(peers, to)
          const exits = yield* Effect.forEach(
            names,
            (peer) => Effect.exit(call(name, peer, by, request, options)),
            { concurrency: options?.concurrency ?? "unbounded" }
          )
          return Object.fromEntries(names.map((peer, i): [string, Exit.Exit<unknown, unknown>] => [peer, exits[i]!]))
        }))
  }

  return { target }
}
