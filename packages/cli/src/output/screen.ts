/**
 * The whole screen of a terminal, for what goes on and on: the alternate one, which gives back what was there before when it ends, however it ends.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import type { Writer } from "./writer.ts"

/** The size of a terminal. */
export interface Size {
  readonly columns: number
  readonly rows: number
}

/** The screen, as long as it is there. */
export interface Screen {
  /** Draws lines from the top on. What does not fit is cut off below. */
  readonly draw: (lines: (size: Size) => ReadonlyArray<string>) => Effect.Effect<void>
  /** Waits until somebody wants no more of it: by `q`, or by Ctrl-C. */
  readonly quit: Effect.Effect<"quit" | "interrupted">
  /** Waits until the terminal has another size. */
  readonly resized: Effect.Effect<void>
}

// The alternate screen, without its cursor, and lines that end at the edge.
const enter = "\u001b[?1049h\u001b[?25l\u001b[?7l"
const leave = "\u001b[?7h\u001b[?25h\u001b[?1049l"

/** The text that draws lines over what was there: nothing is wiped first, so that nothing flickers. */
export const frame = (lines: ReadonlyArray<string>, { rows }: Size): string =>
  `\u001b[H${lines.slice(0, rows).map((line) => `${line}\u001b[K`).join("\r\n")}\u001b[J`

/** Takes the screen, until the scope closes. */
export const open = (
  { print }: Writer
): Effect.Effect<Screen, never, Scope.Scope | Stdio.Stdio | Terminal.Terminal> =>
  Effect.gen(function*() {
    const terminal = yield* Terminal.Terminal
    const stdio = yield* Stdio.Stdio
    yield* Effect.acquireRelease(print("stdout", enter), () => print("stdout", leave))
    const sizes = yield* terminal.size
    // Without a keyboard it ends by a signal alone.
    const keys = (yield* stdio.stdinIsTerminal) ? yield* terminal.readInput : undefined
    const size = Effect.map(Effect.all([terminal.columns, terminal.rows]), ([columns, rows]): Size => ({
      columns: columns > 0 ? columns : 80,
      rows: rows > 0 ? rows : 24
    }))
    const pressed = (queue: NonNullable<typeof keys>): Effect.Effect<"quit" | "interrupted"> =>
      Effect.flatMap(Effect.option(Queue.take(queue)), (taken) => {
        if (Option.isNone(taken)) return Effect.succeed("interrupted")
        const { input, key } = taken.value
        if (key.ctrl && key.name === "c") return Effect.succeed("interrupted")
        return key.name === "escape" || Option.getOrElse(input, () => "").toLowerCase() === "q"
          ? Effect.succeed("quit")
          : pressed(queue)
      })
    return {
      draw: (lines) => Effect.flatMap(size, (now) => print("stdout", frame(lines(now), now))),
      quit: keys === undefined ? Effect.never : pressed(keys),
      resized: Effect.ignore(Queue.take(sizes))
    }
  })
