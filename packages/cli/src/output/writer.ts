/**
 * Writes to both outputs of the process, one after another, and draws what goes on below what was written, on a terminal alone.
 */
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { harmless } from "./harmless.ts"
import { coloured, type Style, uncoloured } from "./style.ts"
import { cut } from "./table.ts"

/** What goes on for a while, shown on a terminal alone. */
export interface Progress {
  /** Says how far it is. `done` of 0 to 1 draws a bar. */
  readonly update: (text: string, done?: number) => Effect.Effect<void>
}

/** One of the two outputs. */
export type To = "stdout" | "stderr"

/** Where the command writes. */
export interface Writer {
  /** The looks of either output. */
  readonly style: Style
  readonly errStyle: Style
  /** The columns of the terminal that standard output is; `undefined`: it is none. */
  readonly width: Effect.Effect<number | undefined>
  /** Whether standard output is a terminal whose whole screen may be drawn on. */
  readonly canScreen: boolean
  readonly print: (to: To, text: string | Uint8Array) => Effect.Effect<void>
  readonly lines: (to: To, lines: ReadonlyArray<string>) => Effect.Effect<void>
  readonly progress: (text: string) => Effect.Effect<Progress, never, Scope.Scope>
}

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]
const barWidth = 20

const bar = (done: number): string => {
  const part = Math.min(1, Math.max(0, done))
  const full = Math.round(part * barWidth)
  return `${"█".repeat(full)}${"░".repeat(barWidth - full)} ${String(Math.floor(part * 100)).padStart(3)}%`
}

// What is done by then was not worth a word.
const patience = "200 millis"
const beat = "100 millis"
const usual = 80

/** Says over and over what goes on, until the scope closes. */
const animate = (
  text: string,
  draw: (text: string) => Effect.Effect<void>,
  clear: Effect.Effect<void>
): Effect.Effect<Progress, never, Scope.Scope> =>
  Effect.gen(function*() {
    const state: { text: string; done: number | undefined; frame: number } = { text, done: undefined, frame: 0 }
    const step = Effect.suspend(() =>
      draw(
        state.done === undefined
          ? `${frames[state.frame++ % frames.length]} ${state.text}`
          : `${bar(state.done)} ${state.text}`
      )
    )
    const fiber = yield* Effect.forkScoped(
      Effect.andThen(Effect.sleep(patience), Effect.forever(Effect.andThen(step, Effect.sleep(beat))))
    )
    yield* Effect.addFinalizer(() => Effect.andThen(Fiber.interrupt(fiber), clear))
    return {
      update: (next, done) =>
        Effect.sync(() => {
          state.text = next
          state.done = done
        })
    }
  })

/** Writes for people, or for programs, without any looks. */
export const make = (json: boolean): Effect.Effect<Writer, never, Stdio.Stdio | Terminal.Terminal> =>
  Effect.gen(function*() {
    const stdio = yield* Stdio.Stdio
    const terminal = yield* Terminal.Terminal
    const { canAnimate, canColor } = yield* TerminalCapabilities
    const outIsTerminal = yield* stdio.stdoutIsTerminal
    const errIsTerminal = yield* stdio.stderrIsTerminal
    const errStyle = canColor && errIsTerminal ? coloured : uncoloured
    const one = yield* Semaphore.make(1)
    let drawn = false

    // Whoever reads it may have gone; that ends the command elsewhere.
    const write = (to: To, text: string | Uint8Array) => Effect.ignore(Stream.run(Stream.succeed(text), stdio[to]()))
    const wipe = Effect.suspend(() => {
      if (!drawn) return Effect.void
      drawn = false
      return write("stderr", "\r\u001b[2K")
    })
    const columns = Effect.map(terminal.columns, (columns) => columns > 0 ? columns : usual)
    const print = (to: To, text: string | Uint8Array) => one.withPermits(1)(Effect.andThen(wipe, write(to, text)))
    const draw = (text: string) =>
      one.withPermits(1)(Effect.gen(function*() {
        drawn = true
        yield* write("stderr", `\r\u001b[2K${errStyle.dim(cut(harmless(text), (yield* columns) - 1))}`)
      }))
    // Neither moves where standard error is no terminal, or one that cannot go back to the beginning of a line.
    const still: Progress = { update: () => Effect.void }
    const moves = errIsTerminal && canAnimate

    return {
      style: canColor && !json ? coloured : uncoloured,
      errStyle,
      width: outIsTerminal ? columns : Effect.undefined,
      canScreen: outIsTerminal && canAnimate && !json,
      print,
      lines: (to, all) => all.length === 0 ? Effect.void : print(to, `${all.join("\n")}\n`),
      progress: (text) => moves ? animate(text, draw, one.withPermits(1)(wipe)) : Effect.succeed(still)
    }
  })
