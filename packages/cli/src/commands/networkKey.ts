/** `pnet key network`: the keys of a network. */
import * as Argument from "effect/cli/Argument"
import * as Spec from "../spec.ts"

const under = ["key", "network"]

const key = Argument.String("key").pipe(
  Argument.withDescription("Its number, or its fingerprint, as pnet key network list has them")
)

export const networkMake = Spec.make({
  name: "make",
  under,
  summary: "Makes the key of a network that has none",
  description:
    "Makes a network key and keeps it in a file of this user's, from which all commands take it for that network. Whoever has it is on the network; others read " +
    "nothing. A network that has one gets another by add, promote and remove, without a pause.",
  examples: [
    { command: "pnet key network make", description: "Of the network of the settings" },
    { command: "pnet key network make --network home", description: "Of another" }
  ],
  config: {},
  prints: ["networkKey"]
})

export const networkAdd = Spec.make({
  name: "add",
  under,
  summary: "Adds a key, by which nodes read and do not write yet",
  description:
    "Adds a key behind those there are: a new one, or with - those that come on standard input. Nodes that run take it within two seconds. It is the first step of a " +
    "change of keys: add it on every machine, then promote it on every machine, then remove the old one.",
  examples: [
    { command: "pnet key network add", description: "A new one, on the first machine" },
    { command: "pnet key network export 2 | ssh carol pnet key network add -", description: "The same on another" }
  ],
  config: {
    from: Argument.String("from").pipe(
      Argument.withDescription("- reads keys from standard input; left out: a new one is made"),
      Argument.optional
    )
  },
  prints: ["networkKey"]
})

export const networkPromote = Spec.make({
  name: "promote",
  under,
  summary: "Has nodes write by a key",
  description:
    "Puts a key first: nodes write by it from then on, and read by all. Every machine has to have it before.",
  examples: [{ command: "pnet key network promote 2", description: "The second of the list" }],
  config: { key },
  prints: ["networkKey"]
})

export const networkRemove = Spec.make({
  name: "remove",
  under,
  summary: "Takes a key away",
  description:
    "Takes a key away, by which nodes read nothing any more. The one that they write by, and the last, stay.",
  examples: [{ command: "pnet key network remove 2", description: "The second of the list" }],
  config: { key },
  prints: ["networkKey"]
})

export const networkList = Spec.make({
  name: "list",
  alias: "show",
  under,
  summary: "Lists the keys of the network",
  description:
    "Lists the keys of the network by their fingerprints: the first encrypts, all of them decrypt. The keys themselves are not shown.",
  examples: [{ command: "pnet key network list", description: "All of them" }],
  config: {},
  prints: ["networkKey"]
})

export const networkExport = Spec.make({
  name: "export",
  under,
  summary: "Prints the keys themselves",
  description:
    "Prints the network's keys themselves, one a line, for another machine. Whoever has one is on the network.",
  examples: [
    { command: "pnet key network export | ssh carol pnet key network add -", description: "To another machine" },
    { command: "pnet key network export 1", description: "One of them" }
  ],
  config: { key: Argument.optional(key) },
  prints: ["networkSecret"]
})
