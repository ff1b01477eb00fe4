/** `pnet key`: the keys of this user's nodes. */
import * as Argument from "effect/cli/Argument"
import * as Spec from "../spec.ts"

const under = ["key"]

const name = Argument.String("name").pipe(
  Argument.withDescription("The node's name; default: that of the settings"),
  Argument.optional
)

export const keyMake = Spec.make({
  name: "make",
  under,
  summary: "Makes the key of a node",
  description:
    "Makes the key of a node, where there is none, and shows it. Nodes make theirs at their first start by themselves.",
  examples: [{ command: "pnet key make bob", description: "So that its key may be given to others before it runs" }],
  config: { name },
  prints: ["identity"]
})

export const keyShow = Spec.make({
  name: "show",
  under,
  summary: "Shows the public key of a node",
  description: "Shows the public key of a node of this user, its fingerprint, and the file that has its secret.",
  examples: [
    { command: "pnet key show", description: "Of this machine's own name" },
    { command: "pnet key show bob --json | jq -r .key", description: "The key alone, as an allow list has it" }
  ],
  config: { name },
  prints: ["identity"]
})

export const keyList = Spec.make({
  name: "list",
  under,
  summary: "Lists the keys of this user's nodes",
  description: "Lists the keys in the folder for keys, with the names of their nodes.",
  examples: [{ command: "pnet key list", description: "All of them" }],
  config: {},
  prints: ["identity"]
})

export const keyFingerprint = Spec.make({
  name: "fingerprint",
  under,
  summary: "Prints the fingerprint of a key",
  description:
    "Prints the fingerprint of a public key, or of the key of a node of this user: 16 letters and digits that people can compare, on the telephone too.",
  examples: [
    { command: "pnet key fingerprint", description: "Of this machine's own name" },
    {
      command: "pnet key fingerprint hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo=",
      description: "Of a key that somebody sent"
    }
  ],
  config: {
    of: Argument.String("name-or-key").pipe(
      Argument.withDescription("A public key, or the name of a node of this user"),
      Argument.optional
    )
  },
  prints: ["fingerprint"]
})
