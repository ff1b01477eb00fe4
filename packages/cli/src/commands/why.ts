/** `pnet why`: what messages point to. */
import * as Argument from "effect/cli/Argument"
import * as Spec from "../spec.ts"

export const why = Spec.make({
  name: "why",
  summary: "Explains why something does not work, and what to do",
  description:
    "Explains what a message is about, what leads to it and what to do: messages end with the topic. Without one it lists all topics; words that are none are " +
    "looked for in them. It needs no network.",
  examples: [
    { command: "pnet why peer-unknown", description: "A topic, as a message names it" },
    { command: "pnet why firewall", description: "Where a word is in" },
    { command: "pnet why", description: "What there is" }
  ],
  config: {
    words: Argument.String("topic").pipe(
      Argument.withDescription("A topic, or words to look for"),
      Argument.variadic()
    )
  },
  prints: ["explanation", "topic"]
})
