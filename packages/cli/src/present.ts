/**
 * How help, the version and mistakes of the command line are shown.
 */
import type * as CliOutput from "effect/cli/CliOutput"
import { defaultFormatter } from "effect/cli/CliOutput"
import type { HelpDoc } from "effect/cli/HelpDoc"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { exits } from "./exit.ts"
import { harmless, jsonLine } from "./output/harmless.ts"

/** Mistakes of the command line as one message. */
const messageOf = (errors: ReadonlyArray<{ readonly message: string }>): string => {
  const [first, ...others] = errors.map(({ message }) => harmless(message.trim()))
  return [first ?? "the command line is wrong", ...others.map((message) => `  ${message}`)].join("\n")
}

/** What the formatter of effect/cli has, without the flags that every command has, but where they belong. */
const helpText = (doc: HelpDoc, colors: boolean): string =>
  defaultFormatter({ colors, inheritedFlags: "summary", globalFlags: "summary" }).formatHelpDoc(doc)

/** Shows them: for people, or mistakes as JSON. */
export const presenter = (json: boolean): Effect.Effect<CliOutput.Presenter, never, Stdio.Stdio> =>
  Effect.gen(function*() {
    const stdio = yield* Stdio.Stdio
    const { canColor } = yield* TerminalCapabilities
    const write = (to: "stdout" | "stderr", text: string) =>
      Effect.ignore(Stream.run(Stream.succeed(`${text}\n`), stdio[to]()))
    return {
      present: (event) => {
        switch (event._tag) {
          case "Help":
            return write("stdout", helpText(event.helpDoc, canColor))
          case "Version":
            return write("stdout", `${event.name} ${event.version}`)
          case "InvalidInvocation": {
            const message = messageOf(event.errors)
            const hint = `run: ${event.commandPath.join(" ")} --help`
            const { code } = exits.usage
            return write(
              "stderr",
              json
                ? jsonLine({ type: "error", error: "usage", message, hint, exit: "usage", code })
                : `pnet: ${message}\n  usage: ${event.helpDoc.usage}\n  ${hint}`
            )
          }
        }
      }
    }
  })
