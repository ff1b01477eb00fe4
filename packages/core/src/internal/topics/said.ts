/** What is said on topics, at both ends: by this node to whoever wants to hear it, and by a peer, or this node itself, to a subscription. */
import type { NodeName } from "../../Packet.ts"
import type { PublicKey } from "../../PublicKey.ts"

/** What this node has published: encoded once, whoever gets it. */
export interface Said {
  /** The number of its topic. */
  readonly index: number
  readonly origin: Origin
  readonly seq: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly key: string | undefined
  /** A part of the record; `undefined`: the value of the key is no longer retained. */
  readonly body: Uint8Array | undefined
  /** The whole record, which all streams share. */
  readonly record: Uint8Array
}

/** Who says something on a topic. */
export interface Origin {
  readonly from: { readonly name: NodeName; readonly publicKey: PublicKey }
  readonly topic: string
  /** 16 hexadecimal digits: the publisher counts from 1 in each. */
  readonly epoch: string
  /** A value that was to be taken by each of those who lose none has been taken by one of them. */
  readonly took: (seq: number) => void
}

/** What a subscription is given. */
export interface Heard {
  readonly origin: Origin
  readonly seq: number
  readonly at: number
  readonly key: string | undefined
  /** `undefined`: the value of the key is no longer retained. */
  readonly body: Uint8Array | undefined
  /** It was said before the subscription was there. */
  readonly retained: boolean
  /** It was handed to somebody of the group before. */
  readonly again: boolean
  /** Says what became of it, where it was handed to this member of a group alone. */
  readonly answer: ((how: "done" | "back") => void) | undefined
}

/**
 * Bytes that are held for one that waits, besides those of the body and the key: what it is kept as, here or at a peer, its place in a queue, what is remembered of
 * it until it is taken, and what each array of bytes takes by itself. Measured, and rounded up.
 */
export const perItem = 512

/** Bytes of the value and its key. */
export const payloadOf = ({ body, key }: Pick<Heard, "body" | "key">): number =>
  (body?.length ?? 0) + (key?.length ?? 0)

/** Bytes that are held for one that waits. */
export const bytesOf = (heard: Pick<Heard, "body" | "key">): number => perItem + payloadOf(heard)

/** The same for one that waits for a group: a member that has it was written a record of its own. */
export const handedOf = (heard: Pick<Heard, "body" | "key">): number => bytesOf(heard) + (heard.body?.length ?? 0)

/** What this node's own subscriptions are given of what it says. The bytes are theirs, as they may write to them. */
export const hereOf = ({ at, body, key, origin, seq }: Said, retained: boolean): Heard => ({
  origin,
  seq,
  at,
  key,
  body: body?.slice(),
  retained,
  again: false,
  answer: undefined
})
