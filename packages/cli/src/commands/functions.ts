/** `pnet functions`: what a peer serves. */
import * as Argument from "effect/cli/Argument"
import * as Spec from "../spec.ts"

export const functions = Spec.make({
  name: "functions",
  alias: "fns",
  summary: "What a peer serves",
  description:
    "Lists the functions of a peer: what each takes, what it gives, and what it does, as far as the peer says it.",
  examples: [
    { command: "pnet functions bob", description: "All of them, a line each" },
    { command: "pnet functions bob add", description: "One of them, with its arguments" },
    { command: "pnet functions bob --json | jq -r .name", description: "Their names alone" }
  ],
  config: {
    peer: Argument.String("peer").pipe(Argument.withDescription("The peer's name")),
    names: Argument.String("function").pipe(
      Argument.withDescription("Some of them alone"),
      Argument.variadic()
    )
  },
  prints: ["function"]
})
