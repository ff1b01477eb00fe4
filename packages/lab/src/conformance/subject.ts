/** Who is looked at, from where, and how a check says what it saw. */
import type { Crypto, Network, Transport } from "@pnet/core"
import { type Effect, Schema, type Semaphore } from "effect"
import type { Bytes } from "./speech/bytes.ts"

/** The peer whose conformance is in question. */
export interface Subject {
  /** Its key, as it stands in packets. */
  readonly key: string
  readonly endpoint: Network.Endpoint
  readonly networkId: string
  /** The first encrypts; none where the network is in clear. */
  readonly networkKeys: ReadonlyArray<Bytes>
}

/** What became of a call that the peer was made to make: what it got, or how it failed. */
export type Called =
  | { readonly _tag: "Answered"; readonly bytes: Bytes }
  | { readonly _tag: "Failed"; readonly error: string; readonly code?: string | undefined }

/** What the peer is made to do, so that it comes to the kit. */
export interface Order {
  /**
   * `message` is RAW, `function` a stream of `command`, `call` one of `handle`, `twice` the typed call `typed.twice`. What is published is bytes; what
   * is retracted is the last value of a key; `subscribe` is until so many publications came, or the time is up.
   */
  readonly how: "message" | "function" | "call" | "twice" | "publish" | "retract" | "subscribe"
  /** The name of whom it calls: the kit's own, of this check. */
  readonly peer: string
  readonly name?: string
  readonly payload?: string
  readonly timeoutMillis?: number
}

/** What all checks say by UDP together. */
export interface Adverts {
  /** One at a time; who has it holds up the others. */
  readonly turn: Semaphore.Semaphore
  /** When datagrams were sent, in milliseconds: those of the last second at least. */
  sent: ReadonlyArray<number>
}

/** Where the kit stands. */
export interface Place {
  readonly network: Network.Network["Service"]
  readonly transport: Transport.Listening
  readonly crypto: Crypto.Crypto["Service"]
  /** Its own address, as its adverts have it. */
  readonly host: string
  /** Where adverts go; without it what is said by UDP is left out. */
  readonly lan?: Network.Endpoint | undefined
  /** The adverts that are sent from here, of which a node answers so many in a second. */
  readonly adverts: Adverts
  /** Makes the peer call somebody; without it what it says by itself is left out. */
  readonly order?: ((order: Order) => Effect.Effect<Called>) | undefined
}

/** The peer has not what a check is about, and need not have it: the check is left out. */
export class NotThere extends Schema.TaggedError<NotThere>("@pnet/lab/conformance/NotThere")("NotThere", {
  why: Schema.String
}) {}

/** The peer did otherwise than the text says. */
export class Mismatch extends Schema.TaggedError<Mismatch>("@pnet/lab/conformance/Mismatch")("Mismatch", {
  sent: Schema.String,
  expected: Schema.String,
  came: Schema.String
}) {
  override get message() {
    return `sent ${this.sent}; expected ${this.expected}; came ${this.came}`
  }
}
