/** `pnet peers`: who is there. */
import * as Flag from "effect/cli/Flag"
import * as Spec from "../spec.ts"

export const peers = Spec.make({
  name: "peers",
  alias: "ls",
  summary: "Who is there",
  description:
    "Lists the peers that are on the network now. It ends when nobody new was heard of for a moment, or after --wait. That nobody is there is no failure: it prints nothing then, and ends with 0; where nobody can be asked it ends with 6.",
  examples: [
    { command: "pnet peers", description: "Who is there now" },
    { command: "pnet peers --watch", description: "Who comes and goes, until Ctrl-C" },
    { command: "pnet peers --offers", description: "With their roles and functions, as far as they are granted" },
    { command: "pnet peers --json | jq -r .name", description: "Their names alone" }
  ],
  config: {
    watch: Flag.Boolean("watch").pipe(
      Flag.withAlias("f"),
      Flag.withDefault(false),
      Flag.withDescription("Goes on, and prints what happens to them")
    ),
    offers: Flag.Boolean("offers").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Asks them for their roles and functions")
    )
  },
  prints: ["peer", "event"]
})
