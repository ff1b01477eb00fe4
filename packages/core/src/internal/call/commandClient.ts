/** Calls of commands: one or several, behind the names that a program writes. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { Span } from "effect/Tracer"
import type { Policy } from "../../Balance.ts"
import type * as Command from "../../Command.ts"
import { CurrentDeadline, nowUnsafe, within } from "../../Deadline.ts"
import {
  CallTooLargeError,
  DeadlineError,
  NotAllowedError,
  RemoteDefectError,
  RemoteError,
  UnknownFunctionError
} from "../../FunctionError.ts"
import type { NodeName } from "../../Packet.ts"
import { Any, type Peer, type Peers, type Where } from "../../Peers.ts"
import { StreamResetError } from "../../Sessions.ts"
import type * as Sessions from "../../Sessions.ts"
import type { Engines } from "../balance/engines.ts"
import { Way } from "../balance/way.ts"
import * as AtOnce from "../base/atOnce.ts"
import { keepWith } from "../base/shapes.ts"
import { isUnseen, toTraceparent, traceOf } from "../base/trace.ts"
import { waitedSince } from "../base/waited.ts"
import { type KnownNow, knownNow } from "../peers/knownNow.ts"
import * as Outcomes from "../peers/outcomes.ts"
import { describe } from "../peers/targets.ts"
import { isRefused, late, refusedRetries } from "../session/refused.ts"
import { meterOf } from "./callMetrics.ts"
import { type Coder, coderOf, type CommandError, type Encoded, isEncoded, untyped } from "./commandCoder.ts"
import { proxyOf } from "./commandProxy.ts"
import * as Wire from "./commandWire.ts"
import { oneOf, targetOf } from "./whom.ts"

export type { CommandError } from "./commandCoder.ts"

interface Dependencies {
  readonly sessions: Sessions.Sessions["Service"]
  readonly peers: Peers["Service"]
  readonly clock: Clock.Clock
  /** Bytes of a call, and of an answer. */
  readonly limit: number
  /** The engines of calls of one of several peers. */
  readonly engines: Pick<Engines, "run" | "stream">
  readonly knownNow: KnownNow
}

/** What a call says of its trace. A class, as what lives as long as a call had better be: see `Exchange` of streams. */
class Trace {
  /** Its span, where it has one. */
  readonly span: Span | undefined
  readonly parent: string | undefined

  constructor(span: Span | undefined, parent: string | undefined) {
    this.span = span
    this.parent = parent
  }
}

interface CallOptions {
  readonly policy?: Policy<any, any> | undefined
  readonly timeout?: Duration.Input | undefined
  readonly concurrency?: number | "unbounded" | undefined
}

const mapError = (peer: NodeName, name: string, { clock, limit }: Dependencies, begun: number) =>
(
  error: Sessions.OpenError | Sessions.StreamError
): CommandError => {
  if (error._tag !== "StreamResetError") return error
  switch (error.code) {
    case "deadline":
      return new DeadlineError({ peer, function: name, ...late(error), ...waitedSince(clock, begun) })
    case "too_large":
      return new CallTooLargeError({ peer, function: name, limit })
    case "not_found":
    case "unsupported":
      return new UnknownFunctionError({ peer, function: name })
    case "not_allowed":
      return error.remote ? new NotAllowedError({ peer, function: name }) : error
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
export class Call {
  readonly #client: Dependencies
  readonly #name: string
  readonly #to: NodeName
  readonly #coder: Coder
  readonly #trace: Trace
  readonly #begun: number
  /** When its time is up, in monotonic milliseconds: its own, or that of the work that it is a part of. */
  readonly #deadline: number | undefined
  #sent = 0
  #received = 0

  /** The peer that was chosen for it, where it is for no name: that one is not asked again where it has no room. */
  readonly #at: Peer | undefined

  constructor(client: Dependencies, name: string, to: string, coder: Coder, trace: Trace, time: {
    readonly inherited: number | undefined
    /** Milliseconds. */
    readonly own: number
  }, at: Peer | undefined) {
    this.#at = at
    this.#client = client
    this.#name = name
    this.#to = to as NodeName
    this.#coder = coder
    this.#trace = trace
    this.#begun = nowUnsafe(client.clock)
    const earliest = Math.min(time.inherited ?? Infinity, this.#begun + time.own)
    this.#deadline = earliest === Infinity ? undefined : earliest
  }

  run(request: Encoded): Effect.Effect<unknown, unknown> {
    if (!isEncoded(request)) {
      return this.#settled(
        Effect.flatMap(Effect.mapError(request, (error) => error(this.#to)), (bytes) => this.#send(bytes))
      )
    }
    const bytes = request.value
    const peer = this.#deadline === undefined ? this.#at ?? this.#client.knownNow(this.#to) : undefined
    return peer === undefined ? this.#settled(this.#send(bytes)) : this.#atOnce(peer, bytes)
  }

  /** One step from the call to its answer, where there is a session and the answer is a value. */
  #atOnce(peer: Peer, bytes: Uint8Array): Effect.Effect<unknown, unknown> {
    const { limit, sessions } = this.#client
    this.#sent = bytes.length
    return Effect.callback((resume) => {
      const cancel = sessions.exchangeUnsafe(
        peer,
        { protocol: "command", name: Wire.streamName, limit, traceparent: this.#trace.parent },
        [bytes],
        (exit) => resume(this.#answered(peer, bytes, exit))
      )
      if (cancel === undefined) return resume(this.#settled(this.#send(bytes)))
      return Effect.andThen(Effect.sync(() => this.#ended("Interrupted")), cancel)
    })
  }

  /** What came of an exchange; an Exit where that is a value. */
  #answered(
    peer: Peer,
    bytes: Uint8Array,
    exit: Exit.Exit<Uint8Array, Sessions.StreamError>
  ): Effect.Effect<unknown, unknown> {
    if (Exit.isFailure(exit)) return this.#settled(this.#outcome(peer, bytes, exit))
    const value = this.#receive(exit.value)
    if (!Exit.isExit(value) || Exit.isFailure(value)) return this.#settled(value)
    this.#ended(undefined)
    return value
  }

  /** What its caller gets of what it came to, counted. */
  #settled(outcome: Effect.Effect<unknown, CommandError>): Effect.Effect<unknown, unknown> {
    return Effect.matchCauseEffect(
      outcome,
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
    const { peers } = this.#client
    this.#sent = bytes.length
    return Effect.flatMap(
      this.#at === undefined ? peers.resolveOne(this.#to) : Effect.succeed(this.#at),
      (peer) => this.#outcome(peer, bytes, this.#exchange(peer, bytes))
    )
  }

  /** What an exchange comes to; where the peer had no room, another one that it has room for. */
  #outcome(
    peer: Peer,
    bytes: Uint8Array,
    exchange: Effect.Effect<Uint8Array, Sessions.OpenError | Sessions.StreamError>
  ): Effect.Effect<unknown, CommandError> {
    const receive = (reply: Uint8Array) => this.#receive(reply)
    return Effect.matchEffect(exchange, {
      onFailure: (error) =>
        isRefused(error) && this.#at === undefined
          ? Effect.flatMap(this.#again(peer, bytes), receive)
          : Effect.fail(mapError(this.#to, this.#name, this.#client, this.#begun)(error)),
      onSuccess: receive
    })
  }

  #exchange(peer: Peer, bytes: Uint8Array) {
    const { clock, limit, sessions } = this.#client
    const deadline = this.#deadline
    return sessions.exchange(peer, {
      protocol: "command",
      name: Wire.streamName,
      limit,
      span: this.#trace.span,
      deadline: deadline === undefined ? undefined : Duration.millis(deadline - nowUnsafe(clock)),
      traceparent: this.#trace.parent
    }, bytes)
  }

  /** Each exchange keeps to the deadline by itself, and the waits between them have to. */
  #again(peer: Peer, bytes: Uint8Array): Effect.Effect<Uint8Array, CommandError> {
    const { clock } = this.#client
    const deadline = this.#deadline
    const again = Effect.mapError(
      Effect.retry(Effect.suspend(() => this.#exchange(peer, bytes)), { while: isRefused, schedule: refusedRetries }),
      mapError(this.#to, this.#name, this.#client, this.#begun)
    )
    return deadline === undefined ? again : Effect.suspend(() =>
      Effect.timeoutOrElse(again, {
        duration: Math.max(0, deadline - nowUnsafe(clock)),
        orElse: () =>
          Effect.fail(
            new DeadlineError({
              peer: this.#to,
              function: this.#name,
              mayHaveRun: true,
              ...waitedSince(clock, this.#begun)
            })
          )
      })
    )
  }

  #receive(reply: Uint8Array): Effect.Effect<unknown, CommandError> {
    this.#received = reply.length
    const decoded = Wire.decodeReply(reply, this.#to, this.#name, this.#client.limit)
    return this.#coder === untyped
      ? decoded
      : AtOnce.match(decoded, (value) => this.#coder.reply(this.#to, this.#name, value), Effect.fail)
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

export const make = (given: Omit<Dependencies, "knownNow">) => {
  const client: Dependencies = { ...given, knownNow: knownNow(given.peers) }
  const { limit, peers } = client
  const untraced = new Trace(undefined, undefined)
  keepWith(
    client,
    untraced,
    new Call(client, "", "", untyped, untraced, { inherited: undefined, own: Infinity }, undefined)
  )

  /** One call of one peer, in a fiber. Its span is made where somebody may see it. */
  const callIn = (
    fiber: Fiber.Fiber<unknown, unknown>,
    name: string,
    to: string,
    coder: Coder,
    request: Encoded,
    options: CallOptions | undefined,
    at?: Peer
  ): Effect.Effect<unknown, unknown> => {
    const own = options?.timeout === undefined
      ? Infinity
      : Duration.toMillis(Duration.fromInputUnsafe(options.timeout))
    const run = (trace: Trace) =>
      new Call(client, name, to, coder, trace, { inherited: fiber.getRef(CurrentDeadline), own }, at).run(request)
    return isUnseen(fiber) ? run(new Trace(undefined, traceOf(fiber))) : Effect.useSpan(
      `call ${name}`,
      { kind: "client", attributes: { "pnet.peer": to, "pnet.function": name } },
      (span) => run(new Trace(span, toTraceparent(span)))
    )
  }

  const call = (
    name: string,
    to: string,
    coder: Coder,
    request: Encoded,
    options: CallOptions | undefined,
    at?: Peer
  ): Effect.Effect<unknown, unknown> =>
    Effect.withFiber((fiber) => callIn(fiber, name, to, coder, request, options, at))

  const target = (
    to: unknown,
    options?: CallOptions & { readonly commands?: ReadonlyArray<Command.Any> }
  ): unknown => {
    const byName = options?.commands === undefined
      ? undefined
      : new Map(options.commands.map((command) => [command.name, command]))
    const coder = (name: string): Coder => {
      const command = byName?.get(name)
      return command === undefined ? untyped : coderOf(command)
    }
    if (typeof to === "string" && to !== "*") {
      return proxyOf(to, (name, args) =>
        Effect.withFiber((fiber) => {
          const by = coder(name)
          return callIn(fiber, name, to, by, by.request(name, args, limit), options)
        }))
    }
    if (to instanceof Any) {
      const any = oneOf(to) as Any
      const way = new Way(any, options?.policy)
      const calling = (name: string, args: ReadonlyArray<unknown>) =>
        Effect.withFiber((fiber) => {
          const by = coder(name)
          const request = by.request(name, args, limit)
          // What a handler failed with is decoded when the engine has seen that it is an answer.
          const raw: Coder = by === untyped ? by : { ...by, failure: Effect.fail }
          const idempotent = byName?.get(name)?.idempotent === true
          return client.engines.run<unknown, CommandError, never, never, unknown, never>(
            fiber,
            way,
            { function: name, idempotent, payload: args },
            (peer) => call(name, peer.name, raw, request, options, peer) as Effect.Effect<unknown, CommandError>,
            by.failure
          )
        })
      const inTime = options?.timeout === undefined ? undefined : within(options.timeout)
      return proxyOf(
        `any ${describe(any.where)}`,
        inTime === undefined ? calling : (name, args) => inTime(calling(name, args))
      )
    }
    const whom = targetOf(to)
    const several = { peers, target: whom, timeout: options?.timeout, concurrency: options?.concurrency }
    return proxyOf(
      typeof whom === "string" || Array.isArray(whom)
        ? whom as string | ReadonlyArray<string>
        : `all ${describe(whom as Where)}`,
      (name, args) =>
        Outcomes.make(several, () =>
          Effect.suspend(() => {
            const by = coder(name)
            // Made once for all of them.
            return Effect.map(Effect.result(by.request(name, args, limit)), (made) => {
              const request = Effect.fromResult(made)
              return (peer) => call(name, peer, by, request, options)
            })
          }))
    )
  }

  return { target }
}
