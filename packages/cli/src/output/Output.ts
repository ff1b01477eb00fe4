/**
 * All that the command prints, by what it is: commands say what there is to show, and which layer is there decides how it looks.
 *
 * - for people: tables, lines and colours, on a terminal or without one, and everything in a value made harmless first
 * - for programs (`--json`): one JSON value a line on standard output, and nothing else there
 *
 * Notes, warnings and progress go to standard error in both.
 */
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { LogLevel } from "effect/LogLevel"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import type { Failure } from "../errors.ts"
import { exits } from "../exit.ts"
import { harmless, harmlessLines, harmlessValue, jsonLine } from "./harmless.ts"
import type { Shape, ShapeName } from "./shapes.ts"
import { coloured, uncoloured } from "./style.ts"
import { cut, table } from "./table.ts"
import { type View, views } from "./views.ts"

/** What goes on for a while, shown on a terminal alone. */
export interface Progress {
  /** Says how far it is, at most some times a second. `done` of 0 to 1 draws a bar. */
  readonly update: (text: string, done?: number) => Effect.Effect<void>
}

/** What the command prints. */
export class Output extends Context.Service<Output, {
  /** Whether it is for programs. */
  readonly json: boolean
  /** One value. */
  readonly value: <Name extends ShapeName>(shape: Name, value: Shape<Name>) => Effect.Effect<void>
  /** Several values, which are there all at once. */
  readonly rows: <Name extends ShapeName>(shape: Name, values: ReadonlyArray<Shape<Name>>) => Effect.Effect<void>
  /** Something that helps people, and is no result. */
  readonly note: (text: string) => Effect.Effect<void>
  /** Something that people had better know. */
  readonly warn: (text: string) => Effect.Effect<void>
  /** A line of the log. */
  readonly log: (level: LogLevel, text: string) => Effect.Effect<void>
  /** Why it failed. */
  readonly failure: (failure: Failure) => Effect.Effect<void>
  /** Bytes as they are, for what a command is told to write so. */
  readonly bytes: (bytes: Uint8Array | string) => Effect.Effect<void>
  /** Shows what goes on, until the scope closes. */
  readonly progress: (text: string) => Effect.Effect<Progress, never, Scope.Scope>
  /** Shows what an effect does while it takes long. */
  readonly during: <A, E, R>(text: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}>()("@pnet/cli/output/Output") {}

/** A failure as a value to print. */
export const failed = (failure: Failure): Shape<"error"> => {
  const { detail, error, exit, hint, message, see } = failure
  return {
    error,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(see === undefined ? {} : { see }),
    exit,
    code: exits[exit].code,
    ...(detail === undefined ? {} : { detail })
  }
}

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]
const barWidth = 20

const bar = (done: number): string => {
  const full = Math.round(Math.min(1, Math.max(0, done)) * barWidth)
  return `${"█".repeat(full)}${"░".repeat(barWidth - full)} ${String(Math.floor(done * 100)).padStart(3)}%`
}

// What is done by then was not worth a word.
const patience = "200 millis"
const beat = "100 millis"

const make = (json: boolean) =>
  Effect.gen(function*() {
    const stdio = yield* Stdio.Stdio
    const terminal = yield* Terminal.Terminal
    const { canAnimate, canColor } = yield* TerminalCapabilities
    const outIsTerminal = yield* stdio.stdoutIsTerminal
    const errIsTerminal = yield* stdio.stderrIsTerminal
    const style = canColor && !json ? coloured : uncoloured
    const errStyle = canColor && errIsTerminal ? coloured : uncoloured
    const moves = errIsTerminal && (canAnimate || !outIsTerminal) && canColor
    const one = yield* Semaphore.make(1)
    let drawn = false

    // Whoever reads it may have gone; that ends the command elsewhere.
    const write = (to: "stdout" | "stderr", text: string | Uint8Array) =>
      Effect.ignore(Stream.run(Stream.succeed(text), stdio[to]()))
    const clear = Effect.suspend(() => {
      if (!drawn) return Effect.void
      drawn = false
      return write("stderr", "\r\u001b[2K")
    })
    const print = (to: "stdout" | "stderr", text: string | Uint8Array) =>
      one.withPermits(1)(Effect.andThen(clear, write(to, text)))
    const lines = (to: "stdout" | "stderr", all: ReadonlyArray<string>) =>
      all.length === 0 ? Effect.void : print(to, `${all.join("\n")}\n`)
    const width = outIsTerminal
      ? Effect.map(terminal.columns, (columns) => columns > 0 ? columns : 80)
      : Effect.undefined

    const forPeople = <Name extends ShapeName>(shape: Name, values: ReadonlyArray<Shape<Name>>, single: boolean) =>
      Effect.gen(function*() {
        const view = views[shape] as View<Shape<Name>>
        const safe = harmlessValue(values, view.lines === true && single ? harmlessLines : harmless)
        if (single && view.one !== undefined) {
          return yield* lines(
            "stdout",
            safe.map((value) => view.one!(value, style))
          )
        }
        if (safe.length === 0) return yield* lines("stderr", [view.none ?? "there are none"])
        if (view.columns === undefined) return yield* lines("stdout", safe.map((value) => view.one!(value, style)))
        yield* lines("stdout", table(view.columns, safe, style, yield* width))
      })
    const forPrograms = (shape: ShapeName, values: ReadonlyArray<object>) =>
      lines("stdout", values.map((value) => jsonLine({ type: shape, ...value })))

    const draw = (text: string) =>
      one.withPermits(1)(Effect.gen(function*() {
        const columns = yield* terminal.columns
        drawn = true
        yield* write("stderr", `\r\u001b[2K${errStyle.dim(cut(harmless(text), (columns || 80) - 1))}`)
      }))
    const progress = (text: string): Effect.Effect<Progress, never, Scope.Scope> => {
      if (!moves) return Effect.succeed({ update: () => Effect.void })
      let state = { text, done: undefined as number | undefined }
      let frame = 0
      const step = Effect.suspend(() =>
        draw(
          state.done === undefined
            ? `${frames[frame++ % frames.length]} ${state.text}`
            : `${bar(state.done)} ${state.text}`
        )
      )
      return Effect.gen(function*() {
        const scope = yield* Effect.scope
        const fiber = yield* Effect.forkIn(
          Effect.andThen(Effect.sleep(patience), Effect.forever(Effect.andThen(step, Effect.sleep(beat)))),
          scope
        )
        yield* Effect.addFinalizer(() => Effect.andThen(Fiber.interrupt(fiber), one.withPermits(1)(clear)))
        return {
          update: (next, done) =>
            Effect.sync(() => {
              state = { text: next, done }
            })
        }
      })
    }

    return Output.of({
      json,
      value: (shape, value) => json ? forPrograms(shape, [value]) : forPeople(shape, [value], true),
      rows: (shape, values) => json ? forPrograms(shape, values) : forPeople(shape, values, false),
      note: (text) => lines("stderr", [errStyle.dim(harmless(text))]),
      warn: (text) => lines("stderr", [`${errStyle.yellow("pnet: warning:")} ${harmless(text)}`]),
      log: (level, text) => {
        const serious = level === "Error" || level === "Fatal"
        return lines("stderr", [
          `${errStyle[serious ? "red" : level === "Warn" ? "yellow" : "dim"](level.toLowerCase())} ${harmless(text)}`
        ])
      },
      failure: (failure) =>
        json
          ? lines("stderr", [jsonLine({ type: "error", ...failed(failure) })])
          : lines("stderr", [views.error.one!(harmlessValue(failed(failure), harmless), errStyle)]),
      bytes: (bytes) => print("stdout", bytes),
      progress,
      during: (text, effect) => Effect.scoped(Effect.andThen(progress(text), effect))
    })
  })

/** For people, or with `json` for programs. */
export const layer = (json: boolean): Layer.Layer<Output, never, Stdio.Stdio | Terminal.Terminal> =>
  Layer.effect(Output, make(json))
