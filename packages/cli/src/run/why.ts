/** What `pnet why` does. */
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import type { why } from "../commands/why.ts"
import { Problem } from "../errors.ts"
import { explanations, find } from "../explanations.ts"
import { wrap } from "../help.ts"
import { didYouMean } from "../nearest.ts"
import { Output } from "../output/Output.ts"
import type { Input } from "../spec.ts"

// Longer lines are harder to read.
const widest = 100
const usual = 80

/** Text as it fits into a terminal; items of lists are indented. */
const wrapped = Effect.fnUntraced(function*(text: string) {
  const stdio = yield* Stdio.Stdio
  const terminal = yield* Terminal.Terminal
  const columns = (yield* stdio.stdoutIsTerminal) ? (yield* terminal.columns) || usual : usual
  const width = Math.min(columns, widest) - 2
  return text.split("\n").flatMap((line) => {
    const indent = line.startsWith("- ") ? "  " : ""
    return wrap(line, width - indent.length).map((part, i) => (i > 0 ? indent : "") + part)
  }).join("\n")
})

export const run = Effect.fnUntraced(function*({ words }: Input<typeof why>) {
  const output = yield* Output
  const all = explanations()
  const found = words.length === 0 ? all : find(all, words)
  const [first] = found
  if (first === undefined) {
    return yield* new Problem({
      exit: "notFound",
      what: `nothing is said of ${JSON.stringify(words.join(" "))}`,
      hint: didYouMean(words.join("-"), all.map(({ topic }) => topic)) ?? "run pnet why, which lists what there is"
    })
  }
  if (found.length > 1) return yield* output.rows("topic", found.map(({ title, topic }) => ({ topic, title })))
  yield* output.value("explanation", { ...first, text: output.json ? first.text : yield* wrapped(first.text) })
})
