/** `pnet receive`: files and folders of peers. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import { List } from "../settings/declare.ts"
import * as Spec from "../spec.ts"
import { landing } from "./landing.ts"

export const receive = Spec.make({
  name: "receive",
  summary: "Receives files and folders",
  description:
    "Waits for files and folders that peers send with pnet send, until Ctrl-C, and puts them into a folder. Each offer is asked about: the answer is a line " +
    "of standard input that begins with y; when that has ended nobody can be asked, and offers are declined. With --from the peers of these names are not asked about, and with --yes nobody is, for which the network has to " +
    "have a key, or there has to be an allow list or an authority, or --open. Nothing arrives outside of the folder, and no file is replaced unless --collisions says so.",
  examples: [
    { command: "pnet receive", description: "Asks about each offer, and puts it into this folder" },
    {
      command: "pnet receive inbox --from alice,carol --once",
      description: "Takes what alice or carol sends, and ends with it"
    },
    {
      command: "pnet receive inbox --yes --max-bytes 2GB",
      description: "Takes what anybody sends who has the network's key"
    }
  ],
  config: {
    folder: Argument.String("folder").pipe(
      Argument.withDescription("Where files arrive; default: this folder"),
      Argument.withDefault(".")
    ),
    from: Flag.String("from").pipe(
      Flag.withMetavar("NAMES"),
      Flag.withSchema(List),
      Flag.withDefault([]),
      Flag.withDescription("Peers that are not asked about, with commas between their names")
    ),
    yes: Flag.Boolean("yes").pipe(
      Flag.withAlias("y"),
      Flag.withDefault(false),
      Flag.withDescription("Takes everything, without a question")
    ),
    once: Flag.Boolean("once").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Ends when something has arrived")
    ),
    ...landing
  },
  prints: ["offer", "transfer"]
})
