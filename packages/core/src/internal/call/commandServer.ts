/** Answers commands: reads a call, runs its function, and replies. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Json } from "effect/Schema"
import type { Span } from "effect/Tracer"
import type { Call } from "../../Command.ts"
import { CurrentDeadline, nowUnsafe } from "../../Deadline.ts"
import { RunError } from "../../FunctionError.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { Peers } from "../../Peers.ts"
import type { RpcRegistry } from "../../RpcRegistry.ts"
import type { SessionStream } from "../../Sessions.ts"
import { Interruptible } from "../base/given.ts"
import { quote } from "../base/quote.ts"
import * as Seldom from "../base/seldom.ts"
import { fromTraceparent } from "../base/trace.ts"
import { namesOfAll } from "../peers/targets.ts"
import type { SessionStream as InternalStream } from "../session/sessionStream.ts"
import type { CallMemory } from "../streams/callMemory.ts"
import { weigh } from "../wire/json.ts"
import { meterOf } from "./callMetrics.ts"
import * as Wire from "./commandWire.ts"

interface Dependencies {
  readonly node: Call["node"]
  readonly registry: RpcRegistry["Service"]
  readonly peers: Peers["Service"]
  readonly clock: Clock.Clock
  readonly limits: NodeConfig["Service"]["limits"]
  readonly memory: CallMemory
}

/** Characters of a name that is not known here. */
const maxShown = 100

class IncomingCall extends Interruptible implements Call {
  readonly #stream: SessionStream
  readonly function: string
  readonly kwargs: Call["kwargs"]
  readonly span: Span
  readonly node: Call["node"]
  constructor(stream: SessionStream, request: Wire.Request, span: Span, node: Call["node"]) {
    super()
    this.#stream = stream
    this.function = request.function
    this.kwargs = request.kwargs
    this.span = span
    this.node = node
  }
  get from() {
    return this.#stream.peer
  }
  get deadline() {
    return this.#stream.deadline
  }
}

const parentOf = (stream: SessionStream) => {
  const parent = fromTraceparent(stream.traceparent)
  return parent === undefined ? { root: true } : { parent }
}

export const make = ({ clock, limits, memory, node, peers, registry }: Dependencies) => {
  const lines = Seldom.lines(clock)

  const builtIn = (
    name: string,
    args: ReadonlyArray<unknown>
  ): Effect.Effect<unknown, RunError> | undefined => {
    switch (name) {
      case "get_funcs":
        return node.functions
      case "get_peers":
        return Effect.map(namesOfAll(peers), (names) => names.toSorted())
      case "describe": {
        const names = args.filter((arg) => typeof arg === "string")
        if (names.length < args.length) {
          return Effect.fail(
            new RunError({ code: "invalid_arguments", description: "\"describe\" takes names of functions, or none" })
          )
        }
        return node.describe(names.length === 0 ? undefined : names)
      }
      default:
        return undefined
    }
  }

  const run = (stream: SessionStream, request: Wire.Request, span: Span): Effect.Effect<Json, RunError> => {
    const entry = registry.getUnsafe(request.function)
    if (entry !== undefined) return entry.run(new IncomingCall(stream, request, span, node), request.args)
    const given = builtIn(request.function, request.args)
    return given === undefined
      ? Effect.fail(
        new RunError({
          code: "unknown_function",
          description: `there is no function ${
            quote(request.function.slice(0, maxShown))
          }; get_funcs gives those there are`
        })
      )
      : given as Effect.Effect<Json, RunError>
  }

  const answer = (stream: InternalStream, request: Wire.Request, size: number): Effect.Effect<void> => {
    const begun = nowUnsafe(clock)
    const known = registry.getUnsafe(request.function) !== undefined
    // A caller may ask for any name: those that are not there share one series, and one name for their spans.
    const name = known ? request.function : "unknown or built in"
    const meter = meterOf("in", "command", stream.peer.name, name)
    let sent = 0
    stream.title = request.function
    const reply = (bytes: Uint8Array) => {
      sent = bytes.length
      // The stream may be reset already, which nobody here needs to hear of.
      return Effect.ignore(stream.write(bytes))
    }
    return Effect.useSpan(
      name,
      {
        kind: "server",
        ...parentOf(stream),
        attributes: { "pnet.peer": stream.peer.name, "pnet.function": name }
      },
      (span) => {
        const work = Effect.flatMap(run(stream, request, span), (value) => {
          const bytes = Wire.encodeSuccessUpTo(value, limits.callSize)
          if (bytes !== undefined) return Effect.as(reply(bytes), undefined)
          return Effect.fail(
            new RunError({ code: "too_large", description: `its result is over ${limits.callSize} bytes` })
          )
        })
        const { expires } = stream
        const late = () => Effect.as(stream.reset("deadline", "its time was up"), "DeadlineError")
        const within = expires === undefined ? work : Effect.suspend(() => {
          // Counted from the OPEN: the question may have taken all of it to come, or this process have been frozen since.
          const left = expires - nowUnsafe(clock)
          return left <= 0
            ? late()
            : Effect.provideService(
              Effect.timeoutOrElse(work, { duration: left, orElse: late }),
              CurrentDeadline,
              expires
            )
        })
        return Effect.matchCauseEffect(within, {
          onSuccess: (tag) => {
            meter.ended(nowUnsafe(clock) - begun, sent, size, tag)
            return Effect.void
          },
          onFailure: (cause) => {
            const failure = cause.reasons.find((reason) => reason._tag === "Fail")
            if (failure !== undefined) {
              span.attribute("error.type", failure.error.code)
              return Effect.map(
                reply(Wire.encodeError(failure.error, limits.callSize)),
                () => meter.ended(nowUnsafe(clock) - begun, sent, size, failure.error.code)
              )
            }
            if (cause.reasons.every((reason) => reason._tag === "Interrupt")) {
              meter.ended(nowUnsafe(clock) - begun, sent, size, "Interrupted")
              return stream.reset("going_away", "")
            }
            meter.ended(nowUnsafe(clock) - begun, sent, size, "internal")
            span.attribute("error.type", "internal")
            return Effect.andThen(
              // Those that are not there have no log of their own.
              lines(Seldom.defect(name, cause), name, (more) =>
                Effect.logError(
                  `the function ${quote(request.function)} broke for ${quote(stream.peer.name)}${more}`,
                  cause
                )),
              reply(Wire.encodeError({ code: "internal", description: "it broke; the log of its node has the cause" }))
            )
          }
        })
      }
    )
  }

  return (stream: SessionStream): Effect.Effect<void> =>
    Effect.withFiber((fiber) => {
      const held = memory(stream.peer.publicKey)
      // Of the fiber and not in it: what is no effect deep inside of a handler's ends it without its finalizers.
      fiber.addObserver(held.free)
      return Effect.matchEffect(stream.wholeUpTo(limits.callSize, held.room), {
        // The stream is over; there is nobody to answer.
        onFailure: () => Effect.void,
        onSuccess: (bytes) => {
          const refuse = (code: "invalid_arguments" | "too_large", description: string) =>
            Effect.ignore(stream.write(Wire.encodeError({ code, description })))
          const weight = weigh(bytes)
          // What is too deep is not parsed, and has its answer below.
          if (weight < Infinity) {
            if (!held.fits(weight)) {
              return refuse("too_large", "its arrays, objects and fields take more memory than a call may have")
            }
            if (!held.room(weight)) return stream.reset("refused", "no room for so much at once")
          }
          const request = Wire.decodeRequest(bytes)
          return typeof request === "string"
            ? refuse("invalid_arguments", `the call is malformed: ${request}`)
            : answer(stream as InternalStream, request, bytes.length)
        }
      })
    })
}
