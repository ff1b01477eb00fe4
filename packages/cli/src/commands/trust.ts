/** `pnet trust`: who is trusted. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Spec from "../spec.ts"

const under = ["trust"]

const nameOrKey = Argument.String("name-or-key").pipe(Argument.withDescription("The peer's name, or its public key"))

const right = (flag: string, what: string) =>
  Flag.String(flag).pipe(
    Flag.withMetavar("NAME,…"),
    Flag.withDescription(`In an allow list: ${what}; * at the end stands for all that begin so`),
    Flag.optional
  )

export const trustList = Spec.make({
  name: "list",
  under,
  summary: "Lists who is trusted, and who is refused",
  description:
    "Lists the peers that are known by their keys, or with an allow list those that are on it. `connected` are those of whom nothing is known but that they " +
    "connected first under their name: compare their fingerprints.",
  examples: [
    { command: "pnet trust list", description: "Known peers" },
    { command: "pnet trust list --allow-list friends", description: "Those on a list" }
  ],
  config: {},
  prints: ["trusted"]
})

export const trustAllow = Spec.make({
  name: "allow",
  under,
  summary: "Trusts a peer by its key",
  description:
    "Says that a name belongs to a key: in the allow list, where there is one, and otherwise among the known peers. The key is given whole, or by its " +
    "fingerprint, where the peer is on the network now. Nodes that run go by it within two seconds.",
  examples: [
    {
      command: "pnet trust allow bob 3p7b-fxt9-wbtt-w2hc",
      description: "bob is there, and its owner has read out the fingerprint"
    },
    {
      command:
        "pnet trust allow worker hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo= --allow-list workers --roles worker --calls 'status.*'",
      description: "On an allow list, with what it may do"
    }
  ],
  config: {
    name: Argument.String("name").pipe(Argument.withDescription("The peer's name")),
    key: Argument.String("key-or-fingerprint").pipe(
      Argument.withDescription("Its public key, or the fingerprint of it")
    ),
    roles: right("roles", "the roles that it may hold"),
    serves: right("serves", "the functions that it may be chosen for"),
    calls: right("calls", "the functions that it may call; default: all"),
    publishes: right("publishes", "the topics on which it is heard; default: all"),
    subscribes: right("subscribes", "the topics of which it is sent what is published")
  },
  prints: ["trustChange"]
})

export const trustRevoke = Spec.make({
  name: "revoke",
  under,
  summary: "Refuses a peer from now on",
  description:
    "Refuses a key under whatever name, and forgets the name that it had; with an allow list it takes the peer off. Sessions with it end within two seconds.",
  examples: [{ command: "pnet trust revoke laptop", description: "It was lost" }],
  config: { of: nameOrKey },
  prints: ["trustChange"]
})

export const trustForget = Spec.make({
  name: "forget",
  under,
  summary: "Forgets a peer, whose name is then anybody's",
  description:
    "Forgets the key of a name: the next key that proves itself under it has it. With an allow list it takes the peer off.",
  examples: [{
    command: "pnet trust forget bob",
    description: "It was set up anew, and nobody else can have the name meanwhile"
  }],
  config: { name: Argument.String("name").pipe(Argument.withDescription("The peer's name")) },
  prints: ["trustChange"]
})

export const trustResolve = Spec.make({
  name: "resolve",
  under,
  summary: "Says whose a name is that several claim",
  description:
    "Where several nodes claim one name, or one came with another key than before, it says which of them has it: the one whose key has this fingerprint, " +
    "which its owner has read out. Without a fingerprint it shows who claims it.",
  examples: [
    { command: "pnet trust resolve bob", description: "Who claims the name" },
    { command: "pnet trust resolve bob 3p7b-fxt9-wbtt-w2hc", description: "It is this one's" }
  ],
  config: {
    name: Argument.String("name").pipe(Argument.withDescription("The name")),
    fingerprint: Argument.String("fingerprint").pipe(
      Argument.withDescription("The fingerprint of the key that it belongs to"),
      Argument.optional
    )
  },
  prints: ["claim", "trustChange"]
})
