/** Answers commands: reads a call, runs its function, and replies. */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Json } from "effect/Schema"
import type { Span } from "effect/Tracer"
import type { Call } from "../../Command.ts"
import { CurrentDeadline, nowUnsafe } from "../../Deadline.ts"
import { RunError } from "../../FunctionError.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { Peers } from "../../Peers.ts"
import type { Entry, RpcRegistry } from "../../RpcRegistry.ts"
import type { SessionStream } from "../../Sessions.ts"
import { full, type Limiter, limiters } from "../balance/limiter.ts"
import { Interruptible } from "../base/given.ts"
import { quote } from "../base/quote.ts"
import * as Seldom from "../base/seldom.ts"
import { keepWith } from "../base/shapes.ts"
import { fromTraceparent, watching } from "../base/trace.ts"
import { namesOfAll } from "../peers/targets.ts"
import * as Permission from "../session/permission.ts"
import { sample, type SessionStream as InternalStream } from "../session/sessionStream.ts"
import type { CallMemory } from "../streams/callMemory.ts"
import { weigh } from "../wire/json.ts"
import { beginOf } from "./begin.ts"
import { meterOf } from "./callMetrics.ts"
import * as Wire from "./commandWire.ts"
import { inTime } from "./inTime.ts"

interface Dependencies {
  readonly node: Call["node"]
  readonly registry: RpcRegistry["Service"]
  readonly peers: Peers["Service"]
  readonly clock: Clock.Clock
  readonly limits: NodeConfig["Service"]["limits"]
  readonly memory: CallMemory
  /** What its functions run in, and whether anybody sees the spans that are made there. */
  readonly context: Context.Context<never>
  readonly watched: () => boolean
}

/** Characters of a name that is not known here. */
const maxShown = 100

class IncomingCall extends Interruptible implements Call {
  readonly #stream: SessionStream
  readonly #answering: { readonly span: Span }
  readonly function: string
  readonly kwargs: Call["kwargs"]
  readonly node: Call["node"]
  constructor(
    stream: SessionStream,
    request: Wire.Request,
    answering: { readonly span: Span },
    node: Call["node"]
  ) {
    super()
    this.#stream = stream
    this.#answering = answering
    this.function = request.function
    this.kwargs = request.kwargs
    this.node = node
  }
  get from() {
    return this.#stream.peer
  }
  get deadline() {
    return this.#stream.deadline
  }
  get span() {
    return this.#answering.span
  }
}

const parentOf = (stream: SessionStream) => {
  const parent = fromTraceparent(stream.traceparent)
  return parent === undefined ? { root: true } : { parent }
}

const builtIn = (
  { node, peers }: Dependencies,
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

/** Runs a function for a peer that may call it, when it is its turn. */
const allowed = (
  stream: SessionStream,
  { allow, name }: Pick<Entry, "name" | "allow">,
  lines: Seldom.Lines,
  run: Effect.Effect<Json, RunError>,
  limiter?: Limiter
): Effect.Effect<Json, RunError> => {
  const asked = Permission.ask(stream, name, allow, lines)
  const checked = (run: Effect.Effect<Json, RunError>) =>
    asked === undefined ? run : Effect.flatMap(asked, (may) =>
      may
        ? run
        : Effect.fail(
          new RunError({ code: "not_allowed", description: `${quote(name)} was not run: ${Permission.refusal}` })
        ))
  return checked(
    limiter === undefined
      ? run
      // What neither runs nor waits is refused, and answered by nothing else. Who has waited has to be allowed still.
      : limiter.run(
        stream.peer.publicKey,
        run,
        Effect.andThen(stream.reset("refused", full), Effect.interrupt),
        checked(run)
      )
  )
}

/** Answers what no entry is for. */
const runBuiltIn = (
  server: Dependencies,
  lines: Seldom.Lines,
  stream: SessionStream,
  request: Wire.Request
): Effect.Effect<Json, RunError> => {
  const given = builtIn(server, request.function, request.args)
  // They are functions as others are.
  return given !== undefined
    ? allowed(stream, { name: request.function }, lines, given as Effect.Effect<Json, RunError>)
    : Effect.fail(
      new RunError({
        code: "unknown_function",
        description: `there is no function ${
          quote(request.function.slice(0, maxShown))
        }; get_funcs gives those there are`
      })
    )
}

/** An answer that is so short is said in one step. */
const short = 65_536

/** One command, from its question to its answer: in its time, in its span, and measured. */
export class Answering {
  readonly #server: Dependencies
  readonly #lines: Seldom.Lines
  readonly #stream: InternalStream
  readonly #request: Wire.Request
  readonly #size: number
  readonly #entry: Entry | undefined
  /** A caller may ask for any name: those that are not there share one series, and one name for their spans. */
  readonly #name: string
  readonly #begun: number
  #sent = 0
  #span: Span | undefined

  constructor(server: Dependencies, lines: Seldom.Lines, stream: InternalStream, request: Wire.Request, size: number) {
    this.#server = server
    this.#lines = lines
    this.#stream = stream
    this.#request = request
    this.#size = size
    this.#begun = nowUnsafe(server.clock)
    this.#entry = server.registry.getUnsafe(request.function)
    this.#name = this.#entry === undefined ? "unknown or built in" : request.function
    stream.title = request.function
  }

  /** Its span. Where nobody sees those it is made when it is asked for. */
  get span(): Span {
    return this.#span ??= Effect.runSyncWith(this.#server.context)(Effect.makeSpan(this.#name, this.#spanOptions))
  }

  get #spanOptions() {
    return {
      kind: "server" as const,
      ...parentOf(this.#stream),
      attributes: { "pnet.peer": this.#stream.peer.name, "pnet.function": this.#name }
    }
  }

  /** What is left to be done to answer it; an Exit where nothing is. */
  get answer(): Effect.Effect<void> {
    const begun = this.#begin()
    if (begun !== undefined && Exit.isExit(begun) && Exit.isSuccess(begun) && this.#say(begun.value as Json)) {
      this.#ended(undefined)
      this.#endSpan(begun)
      return Exit.void
    }
    const answered = () =>
      Effect.matchCauseEffect(this.#inTime(this.#work(begun ?? this.#run)), {
        onSuccess: (tag) => {
          this.#ended(tag)
          return Effect.void
        },
        onFailure: (cause) => this.#fail(cause)
      })
    return this.#span !== undefined
      ? Effect.onExit(answered(), (exit) => Effect.sync(() => this.#endSpan(exit)))
      : Effect.useSpan(this.#name, this.#spanOptions, (span) => {
        this.#span = span
        return answered()
      })
  }

  /** Begins the function, where it may be called at once and nobody would see its span: it may be done with that. */
  #begin(): Effect.Effect<Json, RunError> | undefined {
    const { clock, watched } = this.#server
    const entry = this.#entry
    const { expires } = this.#stream
    if (watched() || entry === undefined || expires !== undefined && expires <= nowUnsafe(clock)) return undefined
    const begin = beginOf(entry)
    if (begin === undefined || limiters.has(entry)) return undefined
    if (!Permission.granted(this.#stream, entry.name, entry.allow)) return undefined
    try {
      return begin(this.#call, this.#request.args)
    } catch (defect) {
      return Effect.die(defect)
    }
  }

  /** Runs the function that is asked for. */
  get #run(): Effect.Effect<Json, RunError> {
    const entry = this.#entry
    return entry === undefined
      ? runBuiltIn(this.#server, this.#lines, this.#stream, this.#request)
      : allowed(
        this.#stream,
        entry,
        this.#lines,
        Effect.suspend(() => entry.run(this.#call, this.#request.args)),
        limiters.get(entry)
      )
  }

  get #call(): Call {
    return new IncomingCall(this.#stream, this.#request, this, this.#server.node)
  }

  /** Answers with a value that is short; `false` where it is not. */
  #say(value: Json): boolean {
    const bytes = Wire.encodeSuccessUpTo(value, Math.min(short, this.#server.limits.callSize))
    if (bytes === undefined) return false
    this.#sent = bytes.length
    this.#stream.answerWholeUnsafe(bytes)
    return true
  }

  #endSpan(exit: Exit.Exit<unknown, unknown>): void {
    if (this.#span?.status._tag === "Started") this.#span.end(this.#server.clock.currentTimeNanosUnsafe(), exit)
  }

  #work(run: Effect.Effect<Json, RunError>): Effect.Effect<undefined, RunError> {
    const { callSize } = this.#server.limits
    return Effect.flatMap(run, (value) => {
      const bytes = Wire.encodeSuccessUpTo(value, callSize)
      return bytes === undefined
        ? Effect.fail(new RunError({ code: "too_large", description: `its result is over ${callSize} bytes` }))
        : Effect.as(this.#reply(bytes), undefined)
    })
  }

  /** Gives the tag of what ended it, where that was its time. */
  #inTime(work: Effect.Effect<undefined, RunError>): Effect.Effect<string | undefined, RunError> {
    const stream = this.#stream
    const { expires } = stream
    if (expires === undefined) return work
    const late = () => Effect.as(stream.reset("deadline", "its time was up"), "DeadlineError")
    return Effect.suspend(() => {
      // Counted from the OPEN: the question may have taken all of it to come, or this process have been frozen since.
      const left = expires - nowUnsafe(this.#server.clock)
      return left <= 0
        ? late()
        : Effect.provideService(
          Effect.timeoutOrElse(work, { duration: left, orElse: late }),
          CurrentDeadline,
          expires
        )
    })
  }

  #fail(cause: Cause.Cause<RunError>): Effect.Effect<void> {
    const { span } = this
    const failure = cause.reasons.find((reason) => reason._tag === "Fail")
    if (failure !== undefined) {
      const { code, description } = failure.error
      span.attribute("error.type", code)
      const answered = Effect.map(
        this.#reply(Wire.encodeError(failure.error, this.#server.limits.callSize)),
        () => this.#ended(code)
      )
      // It is a slip of this node's program, of which others see no more than that it failed.
      return code !== "not_json" ? answered : Effect.andThen(
        this.#lines(`${this.#name} ${description.slice(0, 200)}`, this.#name, (more) =>
          Effect.logError(
            `the function ${quote(this.#request.function)} gave nothing that ${
              quote(this.#stream.peer.name)
            } can be answered with: ${description}${more}`
          )),
        answered
      )
    }
    if (Cause.hasInterruptsOnly(cause)) {
      this.#ended("Interrupted")
      return this.#stream.reset("going_away", "")
    }
    this.#ended("internal")
    span.attribute("error.type", "internal")
    return Effect.andThen(
      // Those that are not there have no log of their own.
      this.#lines(Seldom.defect(this.#name, cause), this.#name, (more) =>
        Effect.logError(
          `the function ${quote(this.#request.function)} broke for ${quote(this.#stream.peer.name)}${more}`,
          cause
        )),
      this.#reply(Wire.encodeError({ code: "internal", description: "it broke; the log of its node has the cause" }))
    )
  }

  #reply(bytes: Uint8Array): Effect.Effect<void> {
    this.#sent = bytes.length
    // The stream may be reset already, which nobody here needs to hear of.
    return Effect.ignore(this.#stream.write(bytes))
  }

  #ended(tag: string | undefined): void {
    meterOf("in", "command", this.#stream.peer.name, this.#name).ended(
      nowUnsafe(this.#server.clock) - this.#begun,
      this.#sent,
      this.#size,
      tag
    )
  }
}

/** What so few bytes are parsed to need not be counted: none of them makes sixty, and a call has more than that of its own. */
const few = 1_024

/** Serves the stream of one command. */
export const make = (dependencies: Omit<Dependencies, "watched">) => {
  const server: Dependencies = { ...dependencies, watched: watching(dependencies.context) }
  const { clock, limits, memory } = server
  const lines = Seldom.lines(clock)
  const nothing: Wire.Request = { function: "", args: [], kwargs: {} }
  const answering = new Answering(server, lines, sample, nothing, 0)
  keepWith(server, answering, new IncomingCall(sample, nothing, answering, server.node))
  const refuse = (stream: SessionStream, code: "invalid_arguments" | "too_large", description: string) =>
    Effect.ignore(stream.write(Wire.encodeError({ code, description })))

  const answered = (stream: SessionStream, bytes: Uint8Array): Effect.Effect<void> => {
    const request = Wire.decodeRequest(bytes)
    return typeof request === "string"
      ? refuse(stream, "invalid_arguments", `the call is malformed: ${request}`)
      : new Answering(server, lines, stream as InternalStream, request, bytes.length).answer
  }

  /** A question that is not all there yet, or long. */
  const readSlowly = (stream: SessionStream): Effect.Effect<void> =>
    Effect.withFiber((fiber) => {
      const held = memory(stream.peer.publicKey)
      // Of the fiber and not in it: what is no effect deep inside of a handler's ends it without its finalizers.
      fiber.addObserver(held.free)
      const question = stream.wholeUpTo(limits.callSize, held.room)
      return Effect.matchEffect(inTime(stream as InternalStream, clock, question), {
        // The stream is over; there is nobody to answer.
        onFailure: () => Effect.void,
        onSuccess: (bytes) => {
          const weight = weigh(bytes)
          // What is too deep is not parsed, and has its answer below.
          if (weight < Infinity) {
            if (!held.fits(weight)) {
              return refuse(stream, "too_large", "its arrays, objects and fields take more memory than a call may have")
            }
            if (!held.room(weight)) return stream.reset("refused", "no room for so much at once")
          }
          return answered(stream, bytes)
        }
      })
    })

  return (stream: SessionStream): Effect.Effect<void> => {
    const bytes = (stream as InternalStream).takeWholeUnsafe(Math.min(few, limits.callSize))
    return bytes === undefined ? readSlowly(stream) : answered(stream, bytes)
  }
}
