/**
 * All that the command prints, by what it is: commands say what there is to show, and which layer is there decides how it looks.
 *
 * - for people: tables, lines and colours, on a terminal or without one, and everything in a value made harmless first
 * - for programs (`--json`): one JSON value a line on standard output, and nothing else there
 *
 * Notes, warnings and progress go to standard error in both.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { LogLevel } from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import type { Failure } from "../errors.ts"
import { exits } from "../exit.ts"
import { Machine } from "../machine.ts"
import { harmless, harmlessLines, harmlessValue, harmlessWhole, jsonLine } from "./harmless.ts"
import * as Moments from "./moments.ts"
import * as Screen from "./screen.ts"
import type { Shape, ShapeName } from "./shapes.ts"
import { hung, table } from "./table.ts"
import { type View, views } from "./views.ts"
import * as Writer from "./writer.ts"

/** What the command prints. */
export class Output extends Context.Service<Output, {
  /** Whether it is for programs. */
  readonly json: boolean
  /** One value. */
  readonly value: <Name extends ShapeName>(shape: Name, value: Shape<Name>) => Effect.Effect<void>
  /** Several values, which are there all at once. */
  readonly rows: <Name extends ShapeName>(shape: Name, values: ReadonlyArray<Shape<Name>>) => Effect.Effect<void>
  /** Several values as they come: for programs each at once, for people when all are there. It gives them all. */
  readonly each: <Name extends ShapeName, E, R>(
    shape: Name,
    values: Stream.Stream<Shape<Name>, E, R>
  ) => Effect.Effect<ReadonlyArray<Shape<Name>>, E, R>
  /** Something that helps people, and is no result. */
  readonly note: (text: string) => Effect.Effect<void>
  /** Something that people had better know. */
  readonly warn: (text: string) => Effect.Effect<void>
  /** Whether a warning, or a line of the log, has told people so already. */
  readonly said: (what: string) => boolean
  /** Leaves lines of the log out from now on, where people see at this terminal what says the same, and more. */
  readonly leaveOut: (isShown: (line: string) => boolean) => Effect.Effect<void>
  /** A line of the log. */
  readonly log: (level: LogLevel, text: string) => Effect.Effect<void>
  /** Why it failed. */
  readonly failure: (failure: Failure) => Effect.Effect<void>
  /**
   * The whole screen of the terminal, on which the values of a shape are drawn, each over the one before, until the scope closes. `undefined`: there is no
   * terminal, or it is for programs.
   */
  readonly screen: Effect.Effect<Screen.Screen | undefined, never, Scope.Scope>
  /** How a value looks on a screen of a size. */
  readonly drawn: <Name extends ShapeName>(
    shape: Name,
    value: Shape<Name>
  ) => (size: Screen.Size) => ReadonlyArray<string>
  /** Bytes as they are, for what a command is told to write so; on a terminal as text that only shows. */
  readonly bytes: (bytes: Uint8Array | string) => Effect.Effect<void>
  /** Shows what goes on, until the scope closes. */
  readonly progress: (text: string) => Effect.Effect<Writer.Progress, never, Scope.Scope>
  /** Shows what an effect does while it takes long. */
  readonly during: <A, E, R>(text: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}>()("@pnet/cli/output/Output") {}

/** A failure as a value to print. */
export const failed = (failure: Failure): Shape<"error"> => {
  const { detail, error, exit, hint, message, mistakes, see } = failure
  return {
    error,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(see === undefined ? {} : { see }),
    exit,
    code: exits[exit].code,
    ...(mistakes === undefined ? {} : { mistakes }),
    ...(detail === undefined ? {} : { detail })
  }
}

// So many of the last warnings are known: what is said again was said a moment ago.
const mostKnown = 32

/** The failure without the reasons that people have just been told: what is left says what came of them. */
const unsaid = (failure: Failure, said: (what: string) => boolean): Failure => {
  const told = (failure.because ?? []).filter(({ what }) => said(what))
  return {
    ...failure,
    message: told.reduce((message, { sentence }) => message.replace(sentence, () => ""), failure.message)
  }
}

const make = (json: boolean) =>
  Effect.gen(function*() {
    const writer = yield* Writer.make(json)
    const { errStyle, lines, print, progress, style, width } = writer
    // And not the scope, which is that of whoever takes the screen.
    const context = Context.pick(Stdio.Stdio, Terminal.Terminal)(
      yield* Effect.context<Stdio.Stdio | Terminal.Terminal>()
    )
    const toTerminal = (yield* width) !== undefined
    const decoder = new TextDecoder()
    const clock = yield* Clock.Clock
    const { zone } = yield* Machine
    const moments = toTerminal ? Moments.local(zone, () => clock.currentTimeMillisUnsafe()) : Moments.full

    const warnings: Array<string> = []
    const said = (what: string) => warnings.some((warning) => warning.includes(what))
    const warned = (text: string) => {
      warnings.push(text)
      if (warnings.length > mostKnown) warnings.shift()
    }

    let isShown: (line: string) => boolean = () => false

    const byClock = (failure: Failure): Failure => {
      const { message, moment } = failure
      return moment === undefined ? failure : { ...failure, message: message.replace(moment, () => moments.at(moment)) }
    }

    const forPeople = <Name extends ShapeName>(shape: Name, values: ReadonlyArray<Shape<Name>>, single: boolean) =>
      Effect.gen(function*() {
        const view = views[shape] as View<Shape<Name>>
        const columns = yield* width
        const broken = (text: string) =>
          view.hang === undefined || columns === undefined
            ? text
            : text.split("\n").map((line) => hung(line, columns, view.hang!)).join("\n")
        const safe = harmlessValue(values, view.lines === true && single ? harmlessLines : harmlessWhole)
        if (single && view.one !== undefined) {
          return yield* lines(
            "stdout",
            safe.map((value) => broken(view.one!(value, style, moments)))
          )
        }
        if (safe.length === 0) return yield* lines("stderr", [view.none ?? "there are none"])
        if (view.columns === undefined) {
          return yield* lines(
            "stdout",
            safe.map((value) => broken(view.one!(value, style, moments)))
          )
        }
        yield* lines("stdout", table(view.columns, safe, style, columns))
      })
    const forPrograms = (shape: ShapeName, values: ReadonlyArray<object>) =>
      lines("stdout", values.map((value) => jsonLine({ type: shape, ...value })))

    return Output.of({
      json,
      value: (shape, value) => json ? forPrograms(shape, [value]) : forPeople(shape, [value], true),
      rows: (shape, values) => json ? forPrograms(shape, values) : forPeople(shape, values, false),
      each: (shape, values) =>
        json
          ? Stream.runCollect(Stream.tap(values, (value) => forPrograms(shape, [value])))
          : Effect.tap(Stream.runCollect(values), (all) => forPeople(shape, all, false)),
      note: (text) => lines("stderr", [errStyle.dim(harmless(text))]),
      said,
      warn: (text) =>
        Effect.suspend(() => {
          warned(text)
          return lines("stderr", [`${errStyle.yellow("pnet: warning:")} ${harmless(text)}`])
        }),
      leaveOut: (lines) =>
        Effect.sync(() => {
          // Elsewhere the two outputs may have two readers.
          if (toTerminal && !json) isShown = lines
        }),
      log: (level, text) => {
        if (isShown(text)) return Effect.void
        warned(text)
        const look = level === "Error" || level === "Fatal" ? "red" : level === "Warn" ? "yellow" : "dim"
        const word = level === "Warn" ? "warning" : level.toLowerCase()
        return lines("stderr", [`${errStyle[look](`pnet: ${word}:`)} ${harmless(text)}`])
      },
      failure: (failure) =>
        json
          ? lines("stderr", [jsonLine({ type: "error", ...failed(failure) })])
          : lines("stderr", [
            views.error.one!(harmlessValue(failed(byClock(unsaid(failure, said))), harmless), errStyle, moments),
            ...(failure.pointed ?? []).map((line) => `  ${harmless(line)}`)
          ]),
      screen: writer.canScreen ? Effect.provideContext(Screen.open(writer), context) : Effect.undefined,
      drawn: (shape, value) => (size) =>
        (views[shape] as View<typeof value>).screen?.(harmlessValue(value, harmlessWhole), style, size, moments) ?? [],
      bytes: (bytes) =>
        print(
          "stdout",
          toTerminal
            ? harmlessLines(typeof bytes === "string" ? bytes : decoder.decode(bytes, { stream: true }))
            : bytes
        ),
      progress,
      during: (text, effect) => Effect.scoped(Effect.andThen(progress(text), effect))
    })
  })

/** For people, or with `json` for programs. */
export const layer = (json: boolean): Layer.Layer<Output, never, Machine | Stdio.Stdio | Terminal.Terminal> =>
  Layer.effect(Output, make(json))
