/** `pnet mail`: letters to peers that are not there. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Spec from "../spec.ts"

const under = ["mail"]

export const mailPost = Spec.make({
  name: "post",
  under,
  summary: "Writes a letter to a peer that may not be there",
  description:
    "Seals a letter for a peer, and has the NATS server of --nats keep it until that one reads it. The peer's key has to be known: this user's nodes have " +
    "met it, it is there now, or --key says it. The letter is the words, or standard input where they are -, or a file.",
  examples: [
    { command: "pnet mail post bob 'look at the pumps' --nats nats.example.com", description: "A text" },
    {
      command: "pnet mail post bob --file report.pdf",
      description: "A file of at most 700 kB, with PNET_NATS_SERVERS set"
    },
    {
      command: "date | pnet mail post bob - --id today",
      description: "Its input, under an id: again it is the same letter"
    }
  ],
  config: {
    peer: Argument.String("peer").pipe(Argument.withDescription("The name of the peer")),
    text: Argument.String("text").pipe(
      Argument.withDescription("What it says; - is standard input"),
      Argument.variadic()
    ),
    file: Flag.String("file").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("A file that is the letter"),
      Flag.optional
    ),
    key: Flag.String("key").pipe(
      Flag.withMetavar("KEY"),
      Flag.withDescription(
        "The public key of the peer; default: the one that is known"
      ),
      Flag.optional
    ),
    id: Flag.String("id").pipe(
      Flag.withMetavar("ID"),
      Flag.withDescription("What the letter is known by, 1 to 64 of letters, digits, _ and -; default: drawn"),
      Flag.optional
    )
  },
  prints: ["posted"]
})

export const mailRead = Spec.make({
  name: "read",
  under,
  summary: "Reads the letters of this node",
  description:
    "Prints the letters to the node of --name that wait at the NATS server of --nats, each of which is gone then, and ends when there are no more. A letter is for the key " +
    "of that name, so a node of the name must not be running here. It can be printed twice where this is killed in the midst.",
  examples: [
    { command: "pnet mail read --nats nats.example.com", description: "All that wait" },
    { command: "pnet mail read --name bob --follow --json", description: "And those that come, as JSON, until Ctrl-C" },
    { command: "pnet mail read --once > letter.txt", description: "Waits for one, for a script" }
  ],
  config: {
    once: Flag.Boolean("once").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Waits for one letter, and ends with it")
    ),
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDefault(false),
      Flag.withDescription("Goes on with letters that come, until Ctrl-C")
    )
  },
  prints: ["letter"]
})

export const mailDead = Spec.make({
  name: "dead",
  under,
  summary: "Lists the letters that nobody could handle",
  description:
    "Prints the letters to the node of --name whose handler in a program has failed too often, or that were too old when they came. They stay where they are. " +
    "A node of the name must not be running here.",
  examples: [{ command: "pnet mail dead --name bob --nats nats.example.com", description: "Those of bob" }],
  config: {},
  prints: ["letter"]
})
