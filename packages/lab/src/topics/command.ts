/** `pnpm lab topics`: topics of simulated nodes in trouble, over many seeds. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Flags from "../harness/flags.ts"
import * as Seeds from "../harness/seeds.ts"
import * as VirtualTime from "../worlds/virtualTime.ts"
import { trouble } from "./trouble.ts"

/** Topics in trouble. */
export const topics = Command.make("topics", {
  ...Seeds.flags(5),
  nodes: Flags.positive("nodes", 50, "Nodes"),
  topics: Flags.positive("topics", 200, "Topics"),
  seconds: Flags.positive("seconds", 60, "Virtual seconds in which something happens"),
  calm: Flag.Boolean("calm").pipe(Flag.withDefault(false), Flag.withDescription("Nothing happens to anybody"))
}, ({ calm, nodes, seconds, topics, ...which }) =>
  Seeds.run(
    which,
    (seed) => VirtualTime.within(trouble({ seed, nodes, topics, seconds, faults: !calm }))
  )).pipe(
    Command.withDescription(
      "Topics in trouble: subscribers crash, stall and are cut off, and whatever is published is accounted for"
    )
  )
