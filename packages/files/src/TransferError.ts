/**
 * What goes wrong in a transfer: with one file (`FileError`), which is listed while the rest goes on, or with all of it.
 *
 * @since 0.2.0
 */
import * as Why from "@pnet/core/Why"
import * as Schema from "effect/Schema"

const { escape, quote } = Why

/**
 * What kept one file, folder or link from arriving.
 *
 * - `DiskFull`: there is no room, or the quota is used up
 * - `PermissionDenied`: the system does not let this user
 * - `PathTooLong`: the path is longer than the system takes
 * - `NameRefused`: the name cannot be one here: it leads elsewhere, is a device, has a character that names do not have
 * - `InTheWay`: something else is where it belongs, such as a file where a folder is to be
 * - `LinkRefused`: a symbolic link that leads out of what is received, or is not wanted
 * - `NotAFile`: a socket, a device or the like, which is not sent
 * - `TooLarge`: it is larger than the receiver takes
 * - `SourceFailed`: the sender could not read it
 * - `SourceChanged`: it was another one each time that it was begun
 * - `Corrupt`: what is on the disk is not what was sent, twice
 * - `SystemError`: the system refused for another reason
 *
 * @category models
 * @since 0.2.0
 */
export const FileErrorKind = Schema.Literals([
  "DiskFull",
  "PermissionDenied",
  "PathTooLong",
  "NameRefused",
  "InTheWay",
  "LinkRefused",
  "NotAFile",
  "TooLarge",
  "SourceFailed",
  "SourceChanged",
  "Corrupt",
  "SystemError"
])

/**
 * What kept one file, folder or link from arriving.
 *
 * @category models
 * @since 0.2.0
 */
export type FileErrorKind = typeof FileErrorKind.Type

/**
 * One file, folder or link that did not arrive.
 *
 * @category errors
 * @since 0.2.0
 */
export class FileError extends Schema.TaggedError<FileError>("@pnet/files/FileError")("FileError", {
  /** Its path below what was sent, its names with `/` between them. It is a peer's word: make it harmless before a terminal sees it. */
  path: Schema.String,
  kind: FileErrorKind,
  /** What the system said, or why it was refused. */
  detail: Schema.String
}) {
  override get message() {
    return `${quote(this.path)} did not arrive (${this.kind}): ${escape(this.detail)}`
  }
}

/**
 * What was to be sent cannot be offered.
 *
 * @category errors
 * @since 0.2.0
 */
export class SourceError extends Schema.TaggedError<SourceError>("@pnet/files/SourceError")("SourceError", {
  path: Schema.String,
  kind: Schema.Literals(["Missing", "Unreadable", "SameName", "NoName", "TooMany", "Nothing"]),
  detail: Schema.String
}) {
  override get message() {
    const what = {
      Missing: "there is nothing of that name; correct the path",
      Unreadable: "it cannot be read",
      SameName: "two of the paths end in the same name; send them one after another",
      NoName: "it has no name that it could arrive under; send the folder by its name",
      TooMany:
        "there is more in it than one transfer takes; send its folders one after another, or raise limits.entries",
      Nothing: "no path was given"
    }[this.kind]
    return `cannot send ${quote(this.path)}: ${what}${this.detail === "" ? "" : ` (${escape(this.detail)})`}`
  }
}

/**
 * The peer does not want it.
 *
 * @category errors
 * @since 0.2.0
 */
export class DeclinedError extends Schema.TaggedError<DeclinedError>("@pnet/files/DeclinedError")("DeclinedError", {
  peer: Schema.String,
  /** Why, in the peer's words. */
  reason: Schema.String
}) {
  override get message() {
    return `${quote(this.peer)} declined the offer: ${escape(this.reason)}`
  }
}

/**
 * The peer does not receive files: nothing there takes offers.
 *
 * @category errors
 * @since 0.2.0
 */
export class NotReceivingError
  extends Schema.TaggedError<NotReceivingError>("@pnet/files/NotReceivingError")("NotReceivingError", {
    peer: Schema.String,
    /** Whether it would take offers from others. */
    kind: Schema.Literals(["NoReceiver", "NotAllowed"])
  })
{
  override get message() {
    return this.kind === "NotAllowed"
      ? `${
        quote(this.peer)
      } does not let this node offer files: its trust policy has to grant it the function pnet.files.offer`
      : `${
        quote(this.peer)
      } does not receive files: start it with FileTransfer.layer({ receive: { folder } }), or pnet up --receive`
  }
}

/**
 * The peer was away for longer than it was waited for, or refuses this node. What has arrived is kept there: sending the same again goes on with it.
 *
 * @category errors
 * @since 0.2.0
 */
export class PeerAwayError extends Schema.TaggedError<PeerAwayError>("@pnet/files/PeerAwayError")("PeerAwayError", {
  peer: Schema.String,
  /** How long it was waited for since it was last there. */
  waited: Schema.Duration,
  /** What the last attempt failed with. */
  cause: Schema.Defect()
}) {
  override get message() {
    const why = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `${quote(this.peer)} is away, and the transfer is not complete: ${
      escape(why)
    }. Sending the same again goes on where it was`
  }
}

/**
 * What the peer said makes no sense.
 *
 * @category errors
 * @since 0.2.0
 */
export class TransferProtocolError
  extends Schema.TaggedError<TransferProtocolError>("@pnet/files/TransferProtocolError")("TransferProtocolError", {
    peer: Schema.String,
    detail: Schema.String
  })
{
  override get message() {
    return `the transfer with ${quote(this.peer)} was ended, since it does not keep to the protocol: ${
      escape(this.detail)
    }`
  }
}

/**
 * The sender has not, or no longer, what was asked for.
 *
 * @category errors
 * @since 0.2.0
 */
export class OfferGoneError
  extends Schema.TaggedError<OfferGoneError>("@pnet/files/OfferGoneError")("OfferGoneError", {})
{
  override get message() {
    return "there is no such offer, or it is not made to this node"
  }
}

/**
 * The folder that is to be received into cannot be.
 *
 * @category errors
 * @since 0.2.0
 */
export class FolderError extends Schema.TaggedError<FolderError>("@pnet/files/FolderError")("FolderError", {
  folder: Schema.String,
  /** What the system said. */
  detail: Schema.String
}) {
  override get message() {
    return `cannot receive into ${quote(this.folder)}: ${
      escape(this.detail)
    }; choose a folder that this user may write into`
  }
}
