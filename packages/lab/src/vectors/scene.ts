/**
 * Who takes part in the vectors, when they were made, and how one is noted: the fixed keys and times, packets of any sections, and the
 * two lists of what is accepted and refused.
 */
import type { Crypto, KeyPair } from "@pnet/core/Crypto"
import type * as ProtocolError from "@pnet/core/ProtocolError"
import * as Redacted from "effect/Redacted"
import { concat, range, utf8 } from "./bytes.ts"
import { type Bytes, type Content, type Receiver, shown, type Vector } from "./document.ts"
import { ruleOf } from "./rules.ts"

export const secrets = { alpha: range(0x01, 32), beta: range(0x21, 32), gamma: range(0x41, 32) }
export const networkSecrets = { new: range(0x61, 32), old: range(0x81, 32) }
export type NodeId = keyof typeof secrets
export type NetworkKeyId = keyof typeof networkSecrets

// 2026-01-01T00:00:00.250Z
export const clock = 1_767_225_600_250
export const seconds = Math.floor(clock / 1_000)
export const stamp = clock * 1_000 + 123
export const start = stamp - 3_600_000_000
export const minute = 60_000_000

/** The state of the receiver, where it is not that of most vectors; and the steps of a packet. */
export interface Options extends Partial<Omit<Receiver, "node">> {
  readonly to?: NodeId
  readonly steps?: Vector["steps"] | undefined
}

export const makeScene = (crypto: Crypto["Service"]) => {
  const pairs: Record<NodeId, KeyPair> = {
    alpha: crypto.keyPair(Redacted.make(secrets.alpha)),
    beta: crypto.keyPair(Redacted.make(secrets.beta)),
    gamma: crypto.keyPair(Redacted.make(secrets.gamma))
  }
  const text = (node: NodeId): string => pairs[node].publicKey
  const shared = (a: NodeId, b: NodeId) => crypto.sharedKey(pairs[b].publicKey, pairs[a].secretKey)

  const valid: Array<Vector> = []
  const invalid: Array<Vector> = []

  const vector = (
    name: string,
    description: string,
    packet: Uint8Array | Bytes,
    { steps, to = "beta", ...state }: Options
  ): Omit<Vector, "result" | "error"> => ({
    name,
    description,
    rule: ruleOf("packets", name),
    receiver: { node: to, networkId: "lab", networkKeys: [], carrier: "firstPacket", clock, start, ...state },
    ...(steps === undefined ? {} : { steps }),
    packet: packet instanceof Uint8Array ? shown(packet) : packet
  })
  /** A packet that its receiver accepts. */
  const accept = (
    name: string,
    description: string,
    packet: Uint8Array | Bytes,
    result: Content,
    options: Options = {}
  ) => {
    valid.push({ ...vector(name, description, packet, options), result })
  }
  /** A packet that its receiver refuses. */
  const refuse = (
    name: string,
    error: ProtocolError.Code,
    description: string,
    packet: Uint8Array | Bytes,
    options: Options = {}
  ) => {
    invalid.push({ ...vector(name, description, packet, options), error })
  }

  /** A packet of sections that may be anything. */
  const sections = (type: string, content: Uint8Array | string, fields: {
    readonly network?: Uint8Array | string
    readonly key?: Uint8Array | string
    readonly end?: string
  } = {}): Uint8Array => {
    const bytes = (part: Uint8Array | string) => typeof part === "string" ? utf8(part) : part
    return concat(
      bytes(fields.network ?? "lab"),
      utf8(`|${type}|`),
      bytes(content),
      utf8("|"),
      bytes(fields.key ?? text("alpha")),
      utf8(fields.end ?? "|END\n")
    )
  }

  return { crypto, pairs, text, shared, valid, invalid, accept, refuse, sections }
}

export type Scene = ReturnType<typeof makeScene>

// --- what many vectors share -----------------------------------------------------------------------------------------------

export const datagram = { carrier: "datagram" } as const
/** On a network with a key, and a datagram there. */
export const keyed = { networkKeys: ["new"] } as const
export const hears = { ...datagram, ...keyed }
export const answer = { carrier: "answer", to: "alpha", asked: { node: "beta", stamp } } as const

/** The text of alpha's advert, and what it says. */
export const advert = "alpha@10.0.0.1:4000"
export const said = ({ text }: Scene) =>
  ({ type: "adv", publicKey: text("alpha"), name: "alpha", host: "10.0.0.1", port: 4000 }) as const

/** A packet with an advert of so many bytes, which is none. */
export const longAdvert = ({ sections }: Scene, length: number): Uint8Array => {
  const empty = sections("adv", "").length
  return sections("adv", "x".repeat(length - empty))
}

export const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const out = bytes.slice()
  out[at < 0 ? out.length + at : at]! ^= 1
  return out
}
