/**
 * How help, the version and mistakes of the command line are shown.
 */
import type * as CliOutput from "effect/cli/CliOutput"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { exits } from "./exit.ts"
import { helpText } from "./help.ts"
import { type FlagOwners, mistakesOf } from "./mistakes.ts"
import { harmless, jsonLine } from "./output/harmless.ts"
import { coloured, uncoloured } from "./output/style.ts"

// A line of text is for reading: where there is no terminal that says, it is as wide as terminals are.
const usual = 80

/** Shows them: for people, or mistakes as JSON. */
export const presenter = (
  json: boolean,
  owners: FlagOwners
): Effect.Effect<CliOutput.Presenter, never, Stdio.Stdio | Terminal.Terminal> =>
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
            const { hint, message, usage } = mistakesOf(event.errors, {
              commandPath: event.commandPath,
              doc: event.helpDoc,
              owners
            })
            const { code } = exits.usage
            return write(
              "stderr",
              json
                ? jsonLine({ type: "error", error: "usage", message, hint, exit: "usage", code })
                : [`pnet: ${message}`, ...(usage ? [`usage: ${event.helpDoc.usage}`] : []), hint].map(harmless).join(
                  "\n  "
                )
            )
          }
        }
      }
    }
  })
