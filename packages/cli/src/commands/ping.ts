/** `pnet ping`: whether a peer answers, and how quickly. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import { Span } from "../settings/declare.ts"
import * as Spec from "../spec.ts"

export const ping = Spec.make({
  name: "ping",
  summary: "Whether a peer answers, and how quickly",
  description:
    "Asks a peer something small, again and again, over one session, and says how long each answer took. What the session itself took comes first.",
  examples: [
    { command: "pnet ping bob", description: "Five times, a second apart" },
    { command: "pnet ping bob --count 0", description: "Until Ctrl-C, with a summary at the end" },
    { command: "pnet ping '*' --count 1", description: "Everybody once" }
  ],
  config: {
    target: Argument.String("target").pipe(
      Argument.withDescription("The name of a peer, several with commas, or * for all that are there")
    ),
    count: Flag.Int("count").pipe(
      Flag.withAlias("c"),
      Flag.withDefault(5),
      Flag.withMetavar("N"),
      Flag.withDescription("How often; 0: until it is interrupted; default: 5")
    ),
    interval: Flag.String("interval").pipe(
      Flag.withAlias("i"),
      Flag.withMetavar("TIME"),
      Flag.withSchema(Span),
      Flag.withDefault(Duration.seconds(1)),
      Flag.withDescription("The time between two; default: 1s")
    ),
    timeout: Flag.String("timeout").pipe(
      Flag.withAlias("t"),
      Flag.withMetavar("TIME"),
      Flag.withSchema(Span),
      Flag.withDefault(Duration.seconds(5)),
      Flag.withDescription("How long it is waited for an answer; default: 5s")
    )
  },
  prints: ["pong", "pings"]
})
