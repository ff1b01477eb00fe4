/** `pnet doctor`: why nodes do not find each other. */
import * as Argument from "effect/cli/Argument"
import * as Spec from "../spec.ts"

export const doctor = Spec.make({
  name: "doctor",
  summary: "Finds out why nodes do not find each other",
  description:
    "Tests this machine, its files and its network with the settings that hold, and says of whatever is wrong what to do about it. With a peer's name it " +
    "also tries to reach that peer, and ends with the exit code of why it cannot be reached; where it answers, what else is wrong is no more than a doubt. It may be run beside nodes that run; run it on both machines where two do not find each other.",
  examples: [
    { command: "pnet doctor", description: "All of it, in some six seconds" },
    { command: "pnet doctor bob", description: "And whether bob can be reached" },
    { command: "pnet doctor --json | jq -r 'select(.severity == \"error\").remedy'", description: "What to do" }
  ],
  config: {
    peer: Argument.String("peer").pipe(Argument.withDescription("A peer that is to be reached"), Argument.optional)
  },
  prints: ["finding"]
})
