/**
 * Answering a call with what its function has given, where that has to be run: an Effect, a promise, or a Stream. Thousands of them are made a
 * second, so that each is one object that takes as few steps as it can: what has come is read, and the answer is written and ended, in the turn
 * in which the call came in, unless the function waits for something.
 */
import * as Channel from "effect/Channel"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { CurrentDeadline } from "../../Deadline.ts"
import * as Given from "../base/given.ts"
import { keep } from "../base/shapes.ts"
import { fromTraceparent } from "../base/trace.ts"
import { sample, type SessionStream, type Work } from "../session/sessionStream.ts"
import { bytesOf, isWhole } from "./sendable.ts"

/** A call, as far as answering it has to do with it. */
interface Call extends Given.Interruptible {
  /** It is over. */
  free(): void
}

/** A function, likewise. */
interface Function {
  /** What it was registered with. */
  readonly context: Context.Context<never>
  readonly who: () => string
}

type Parts = ReadonlyArray<unknown>

const none: Parts = []

export class Answering implements Work {
  readonly #function: Function
  readonly #stream: SessionStream
  readonly #call: Call
  readonly #given: Effect.Effect<unknown, unknown>
  /** Of the call, and of the Stream that it is answered with. */
  readonly #scope: Scope.Closeable
  #source: Stream.Stream<unknown, unknown> | undefined
  #pull: Pull.Pull<Parts, unknown> | undefined
  /** What the Stream gave last, from the first part on that is not written. */
  #parts: Parts
  #next: number
  /** Whether the step that runs is one that gives something. */
  #asks: boolean

  constructor(of: Function, stream: SessionStream, call: Call, given: Effect.Effect<unknown, unknown>) {
    this.#function = of
    this.#stream = stream
    this.#call = call
    this.#given = given
    this.#scope = Scope.makeUnsafe()
    this.#source = undefined
    this.#pull = undefined
    this.#parts = none
    this.#next = 0
    this.#asks = false
  }

  // --- how it runs -----------------------------------------------------------------------------------------------------

  /** A scope for the call, its caller's span, and the time that it has. */
  get context(): Context.Context<never> {
    const { expires, traceparent } = this.#stream
    const parent = fromTraceparent(traceparent)
    const scoped = Context.add(this.#function.context, Scope.Scope, this.#scope)
    // The calls that it makes in turn have no more time than it has.
    const own = expires === undefined ? scoped : Context.add(scoped, CurrentDeadline, expires)
    return parent === undefined ? own : Context.add(own, Tracer.ParentSpan, parent)
  }

  /** Runs what the function has given, in the context of this, and writes what comes of it. Whoever runs it ends the stream. */
  get effect(): Effect.Effect<void, unknown> {
    const given = this.#given
    return Effect.onExitPrimitive(
      Exit.isExit(given) && Exit.isSuccess(given)
        ? this.#answer(given.value)
        : Effect.flatMap(given, (value) => this.#answer(value)),
      (exit) => Scope.closeUnsafe(this.#scope, exit) as Effect.Effect<void> | undefined
    )
  }

  /** `effect`, inside of a fiber that has something else to do besides. */
  get within(): Effect.Effect<void, unknown> {
    return Effect.withFiber((fiber) => {
      this.runIn(fiber)
      fiber.addObserver((exit) => this.ended(exit))
      return Effect.updateContext(this.effect, () => this.context)
    })
  }

  runIn(fiber: Fiber.Fiber<unknown, unknown>): void {
    this.#call.runIn(fiber)
  }

  ended(exit: Exit.Exit<unknown, unknown>): void {
    this.#call.free()
    // What is no effect deep inside of one ends a fiber without its finalizers.
    if (this.#scope.state._tag === "Closed") return
    const closing = Scope.closeUnsafe(this.#scope, exit)
    if (closing !== undefined) Effect.runForkWith(this.#function.context)(closing)
  }

  // --- what it answers with --------------------------------------------------------------------------------------------

  #answer(value: unknown): Effect.Effect<void, unknown> {
    if (!Given.isStream(value)) return Effect.suspend(() => this.#give(value))
    this.#source = value
    // With itself for what the loop is told to do, so that none of it is a function of its own.
    return Given.orEnd(Effect.whileLoop<unknown, unknown, never>(this))
  }

  /** Writes something that it answers with; `Effect.void` where nothing has to be waited for. */
  #give(part: unknown): Effect.Effect<void, unknown> {
    return part === undefined
      ? Effect.void
      : isWhole(part)
      ? this.#stream.writeNow(bytesOf(part))
      : Given.mistaken(this.#function.who(), Given.describe(part), "bytes or text")
  }

  /** There is always more: the end of a Stream is a failure of its pull. */
  while(): boolean {
    return true
  }

  /** The next step: what came is written, or more comes. */
  body(): Effect.Effect<unknown, unknown> {
    const parts = this.#parts
    while (this.#next < parts.length) {
      const given = this.#give(parts[this.#next++])
      if (given === Effect.void) continue
      this.#asks = false
      return given
    }
    // Nothing of it is held while the next is waited for.
    this.#parts = none
    this.#asks = true
    return this.#pull ?? Channel.toPullScoped(Stream.toChannel(this.#source!), this.#scope)
  }

  /** What the step gave. */
  step(value: unknown): void {
    if (!this.#asks) return
    if (this.#pull === undefined) this.#pull = value as Pull.Pull<Parts, unknown>
    else {
      this.#parts = value as Parts
      this.#next = 0
    }
  }
}

keep(new Answering({ context: Context.empty(), who: () => "" }, sample, undefined as never, Exit.void))
