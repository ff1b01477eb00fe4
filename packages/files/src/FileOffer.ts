/**
 * An offer of files as its receiver has it, and what becomes of it.
 *
 * @since 0.2.0
 */
import type { NodeName } from "@pnet/core/Packet"
import type { PublicKey } from "@pnet/core/PublicKey"
import * as Why from "@pnet/core/Why"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { Progress, Summary } from "./Progress.ts"
import type { FileError, TransferProtocolError } from "./TransferError.ts"

/**
 * What is offered, in the words of who offers it: names, the note and the counts are a peer's. More than the counts say does not arrive.
 *
 * @category models
 * @since 0.2.0
 */
export interface FileOffer {
  /** Who offers it, as the handshake proved it. */
  readonly from: { readonly name: NodeName; readonly publicKey: PublicKey }
  /** The names at the top, of which the first 64 are said. Make them harmless before a terminal sees them. */
  readonly names: ReadonlyArray<string>
  readonly files: number
  readonly folders: number
  readonly links: number
  readonly bytes: number
  /** What the sender has to say about it; often nothing. */
  readonly note: string
}

/**
 * An offer that waits for a decision.
 *
 * @category models
 * @since 0.2.0
 */
export interface IncomingOffer extends FileOffer {
  /** Takes it. `false` where it does not wait any more: decided, taken back, or too late. */
  readonly accept: Effect.Effect<boolean>
  /** Declines it, with a reason that the sender is told. */
  readonly decline: (reason?: string) => Effect.Effect<boolean>
}

/**
 * The sender is gone, or has taken the offer back, before all was there. What has arrived is kept for when it is offered again.
 *
 * @category errors
 * @since 0.2.0
 */
export class SenderGone extends Schema.TaggedError<SenderGone>("@pnet/files/SenderGone")("SenderGone", {
  peer: Schema.String,
  /** What a call to it failed with, where one did. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    const why = this.cause === undefined
      ? ""
      : `: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
    return `${Why.quote(this.peer)} is gone, or has taken its offer back${
      Why.escape(why)
    }; what has arrived is kept for when it is offered again`
  }
}

/**
 * Why a transfer that has been accepted came to an end without being complete: the sender is gone, or has ended it, or what it says makes no sense. What
 * has arrived is kept for when it is offered again.
 *
 * @category errors
 * @since 0.2.0
 */
export type ReceiveError = TransferProtocolError | FileError | SenderGone

/**
 * A transfer that arrives here.
 *
 * @category models
 * @since 0.2.0
 */
export interface Receiving {
  readonly offer: FileOffer
  /** The folder that it arrives in. */
  readonly folder: string
  /** How far it is, some times a second as long as it goes on; it begins with how far it is now. */
  readonly progress: Stream.Stream<Progress>
  /** What comes of it. The sender hears of it a moment later: a program that ends then drains its node first (`node.drain`). */
  readonly outcome: Effect.Effect<Summary, ReceiveError>
}
