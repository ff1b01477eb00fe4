/**
 * How help, the version and mistakes of the command line are shown.
 */
import type * as CliError from "effect/cli/CliError"
import type * as CliOutput from "effect/cli/CliOutput"
import type * as HelpDoc from "effect/cli/HelpDoc"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { exits } from "./exit.ts"
import { helpText } from "./help.ts"
import { nearest } from "./nearest.ts"
import { harmless, jsonLine } from "./output/harmless.ts"
import { coloured, uncoloured } from "./output/style.ts"

/** Flags of every command that may have been meant; the command's own are in the message. */
const meantBy = (error: CliError.CliError, doc: HelpDoc.HelpDoc): ReadonlyArray<string> => {
  if (error._tag !== "UnrecognizedOption" || error.suggestions.length > 0) return []
  const flags = [...doc.inheritedFlags ?? [], ...doc.globalFlags ?? []]
  const near = nearest(error.option, flags.map(({ name }) => `--${name}`))
  return near.length === 0 ? [] : ["Did you mean this?", ...near]
}

/** Mistakes of the command line as lines: what is wrong, and what may have been meant. */
const linesOf = (errors: ReadonlyArray<CliError.CliError>, doc: HelpDoc.HelpDoc): ReadonlyArray<string> =>
  errors.flatMap((error) => [
    ...error.message.replace(/Expected: Schema validation failed: (expected )?/g, "Expected: ").split("\n").map((
      line
    ) => harmless(line.trim())).filter((line) => line !== ""),
    ...meantBy(error, doc)
  ])

// A line of text is for reading: where there is no terminal that says, it is as wide as terminals are.
const usual = 80

/** Shows them: for people, or mistakes as JSON. */
export const presenter = (json: boolean): Effect.Effect<CliOutput.Presenter, never, Stdio.Stdio | Terminal.Terminal> =>
  Effect.gen(function*() {
    const stdio = yield* Stdio.Stdio
    const terminal = yield* Terminal.Terminal
    const { canColor } = yield* TerminalCapabilities
    const write = (to: "stdout" | "stderr", text: string) =>
      Effect.ignore(Stream.run(Stream.succeed(`${text}\n`), stdio[to]()))
    return {
      present: (event) => {
        switch (event._tag) {
          case "Help":
            return Effect.gen(function*() {
              const columns = (yield* stdio.stdoutIsTerminal) ? yield* terminal.columns : usual
              yield* write("stdout", helpText(event.helpDoc, canColor ? coloured : uncoloured, columns || usual))
            })
          case "Version":
            return write("stdout", `${event.name} ${event.version}`)
          case "InvalidInvocation": {
            const lines = linesOf(event.errors, event.helpDoc)
            const hint = `run: ${event.commandPath.join(" ")} --help`
            const { code } = exits.usage
            return write(
              "stderr",
              json
                ? jsonLine({ type: "error", error: "usage", message: lines.join(" "), hint, exit: "usage", code })
                : [`pnet: ${lines[0]}`, ...lines.slice(1), `usage: ${event.helpDoc.usage}`, hint].join("\n  ")
            )
          }
        }
      }
    }
  })
