/** `pnet top`: peers and how quickly they answer, live. */
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { Count, Span } from "../settings/declare.ts"
import * as Spec from "../spec.ts"

export const top = Spec.make({
  name: "top",
  summary: "Peers and how quickly they answer, live",
  description:
    "Shows who is there, how quickly they answer, how many questions they did not answer, what they serve, and this node's own calls, until q or Ctrl-C. " +
    "Without a terminal, or with --json, it prints a snapshot at a time.",
  examples: [
    { command: "pnet top", description: "The screen" },
    { command: "pnet top --every 500ms", description: "Asks them twice a second" },
    { command: "pnet top --json --count 1", description: "One snapshot, for programs" }
  ],
  config: {
    every: Flag.String("every").pipe(
      Flag.withMetavar("TIME"),
      Flag.withSchema(Span),
      Flag.optional,
      Flag.withDescription("How often peers are asked; default: 2s")
    ),
    count: Flag.String("count").pipe(
      Flag.withAlias("c"),
      Flag.withMetavar("COUNT"),
      Flag.withSchema(Count),
      Flag.optional,
      Flag.map(Option.getOrUndefined),
      Flag.withDescription(
        "Ends after so many snapshots, the last of which is printed where there was a screen; default: never"
      )
    )
  },
  prints: ["snapshot"]
})
