/**
 * The section "nats" of `docs/vectors.json`: what the subjects of nodes are, and lists of nodes. Built from the text of protocol section 19, and
 * shares no code with the library.
 */
import { createHash } from "node:crypto"
import { type Bytes, hexOf } from "./bytes.ts"
import type { Rule } from "./rules.ts"

export interface Network {
  readonly name: string
  readonly rule: Rule
  readonly networkId: string
  readonly token: string
}

export interface Node {
  readonly name: string
  readonly rule: Rule
  readonly key: string
  readonly token: string
}

export interface Subject {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly subject: string
  /** Where the server says what it has to say of it. */
  readonly reply?: string
}

export interface List {
  readonly name: string
  readonly rule: Rule
  readonly bytes: Bytes
  readonly tokens: ReadonlyArray<string>
}

export interface Section {
  readonly description: ReadonlyArray<string>
  readonly networks: ReadonlyArray<Network>
  readonly nodes: ReadonlyArray<Node>
  readonly subjects: ReadonlyArray<Subject>
  readonly lists: ReadonlyArray<List>
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url")

const plain = (networkId: string): Network => ({
  name: `nats-network-${networkId}`,
  rule: "nats-network",
  networkId,
  token: networkId
})

const encoded = (name: string, networkId: string): Network => ({
  name: `nats-network-${name}`,
  rule: "nats-network",
  networkId,
  token: `-${base64url(Buffer.from(networkId))}`
})

const hashOf = (key: string): Uint8Array => createHash("sha256").update(`pnet nats key ${key}`).digest().subarray(0, 12)

/** `keys` are the texts of nodes' public keys, the names those of the nodes. */
export const generate = (keys: Readonly<Record<string, string>>): Section => {
  const [alpha, beta] = [keys["alpha"]!, keys["beta"]!].map((key) => base64url(hashOf(key))) as [string, string]
  return {
    description: ["The tokens of network ids and of nodes, the subjects of what alpha says, and lists of nodes."],
    networks: [
      plain("home"),
      plain("site_2-b"),
      encoded("space", "my home"),
      encoded("dot", "home.office"),
      encoded("dash", "-home"),
      encoded("utf8", "zuhause-süd"),
      encoded("long", "a".repeat(65))
    ],
    nodes: Object.entries(keys).map(([name, key]) => ({
      name: `nats-node-${name}`,
      rule: "nats-node",
      key,
      token: base64url(hashOf(key))
    })),
    subjects: [
      {
        name: "nats-subject-advert",
        description: "alpha says its advert to all nodes of the network home",
        rule: ["nats-subject", "nats-all"],
        subject: `pnet.home.${alpha}.all.say.adv`
      },
      {
        name: "nats-subject-ask",
        description: "alpha asks beta for its advert, as its first question",
        rule: ["nats-subject", "nats-reply"],
        subject: `pnet.home.${alpha}.${beta}.ask`,
        reply: `pnet.home._.${alpha}.r.1`
      },
      {
        name: "nats-subject-answer",
        description: "and beta answers it",
        rule: ["nats-subject", "nats-answer"],
        subject: `pnet.home.${beta}.${alpha}.r.1`
      },
      {
        name: "nats-subject-list",
        description: "alpha asks any node for a list, as its second question",
        rule: ["nats-all", "nats-reply"],
        subject: `pnet.home.${alpha}.all.any.list`,
        reply: `pnet.home._.${alpha}.r.2`
      }
    ],
    lists: [
      {
        name: "nats-list",
        rule: "nats-list",
        bytes: { hex: hexOf(Buffer.concat([hashOf(keys["alpha"]!), hashOf(keys["beta"]!)])) },
        tokens: [alpha, beta]
      },
      {
        name: "nats-list-rest",
        rule: "nats-list",
        bytes: { hex: hexOf(Buffer.concat([hashOf(keys["alpha"]!), Buffer.from([1, 2, 3])])) },
        tokens: [alpha]
      },
      { name: "nats-list-empty", rule: "nats-list", bytes: { hex: "" }, tokens: [] }
    ]
  }
}
