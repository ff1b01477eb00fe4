/** `pnet measure`: how quick the way to a peer is, and how wide. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import { Span } from "../settings/declare.ts"
import * as Spec from "../spec.ts"

export const measure = Spec.make({
  name: "measure",
  summary: "How quick the way to a peer is, and how wide",
  description:
    "Measures how long bytes take to a peer and back, and how many of them go in a second in either direction, over the session that calls would use. The " +
    "peer has to be one that runs pnet up, without --no-measure.",
  examples: [
    { command: "pnet measure bob", description: "In some five seconds" },
    { command: "pnet measure bob --time 10s --json", description: "Longer, as JSON" }
  ],
  config: {
    target: Argument.String("target").pipe(Argument.withDescription("The peer's name")),
    time: Flag.String("time").pipe(
      Flag.withMetavar("TIME"),
      Flag.withSchema(Span),
      Flag.withDefault(Duration.seconds(2)),
      Flag.withDescription("How long each direction is measured, 10s at the most; default: 2s")
    ),
    count: Flag.Int("count").pipe(
      Flag.withAlias("c"),
      Flag.withMetavar("N"),
      Flag.withDefault(200),
      Flag.withDescription("How many round trips there are at the most; default: 200")
    )
  },
  prints: ["measured"]
})
