/** One message on its way, and the answer that somebody waits for. */
import type * as Effect from "effect/Effect"
import type { Endpoint } from "../../Network.ts"
import type { NodeName } from "../../Packet.ts"
import { PeerLostError } from "../../Peers.ts"
import type { ProtocolError } from "../../ProtocolError.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type { DialError } from "../../Transport.ts"
import { UntrustedPeerError } from "../../Trust.ts"

export type ExchangeError<Closed> = DialError | ProtocolError | PeerLostError | UntrustedPeerError | Closed

export class Exchange<Closed> {
  /** Whom it is for. */
  readonly name: NodeName
  readonly payload: Uint8Array
  /** By the monotonic clock, in milliseconds. */
  readonly deadline: number
  /**
   * Drawn when it is first sent, and kept when it is sent again: the receiver accepts a stamp once, so that a message cannot
   * be handled twice, whoever made it be sent twice.
   */
  stamp: number | undefined = undefined
  done = false
  /** Called when it is done. */
  onDone: (() => void) | undefined = undefined
  /** Whether it was sent before. */
  again = false
  readonly #resume: (effect: Effect.Effect<Uint8Array, ExchangeError<Closed>>) => void
  readonly #late: (mayHaveRun: boolean) => void

  constructor(
    message: { readonly name: NodeName; readonly payload: Uint8Array; readonly deadline: number },
    resume: (effect: Effect.Effect<Uint8Array, ExchangeError<Closed>>) => void,
    late: (mayHaveRun: boolean) => void
  ) {
    this.name = message.name
    this.payload = message.payload
    this.deadline = message.deadline
    this.#resume = resume
    this.#late = late
  }

  complete(effect: Effect.Effect<Uint8Array, ExchangeError<Closed>>): void {
    if (this.done) return
    this.abandon()
    this.#resume(effect)
  }

  /** Its time is up. */
  expire(): void {
    this.abandon()
    this.#late(this.stamp !== undefined)
  }

  /** Nobody waits for its answer any more, which is dropped, should one come; the peer may still handle it. */
  abandon(): void {
    this.done = true
    this.onDone?.()
  }

  /** The connection to its receiver ended. */
  disconnected(publicKey: PublicKey, endpoint: Endpoint | undefined, mayHaveRun: boolean): PeerLostError {
    return this.#lost(publicKey, endpoint, "Disconnected", mayHaveRun)
  }

  /** Its receiver is gone. */
  gone({ endpoint, publicKey, reason }: PeerLostError): PeerLostError {
    return this.#lost(publicKey, endpoint, reason, this.stamp !== undefined)
  }

  /** Its receiver has another name. */
  mismatch(publicKey: PublicKey, actualName: NodeName): UntrustedPeerError {
    return new UntrustedPeerError({ kind: "NameMismatch", peer: this.name, publicKey, actualName })
  }

  #lost(
    publicKey: PublicKey,
    endpoint: Endpoint | undefined,
    reason: PeerLostError["reason"],
    mayHaveRun: boolean
  ): PeerLostError {
    return new PeerLostError({
      peer: this.name,
      publicKey,
      ...(endpoint === undefined ? {} : { endpoint }),
      reason,
      mayHaveRun
    })
  }
}
