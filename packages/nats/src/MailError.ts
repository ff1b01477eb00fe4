/**
 * What goes wrong with mail.
 *
 * @since 0.2.0
 */
import * as Why from "@pnet/core/Why"
import * as Schema from "effect/Schema"

/**
 * A letter was not taken. Nothing of it is kept.
 *
 * - `ReceiverUnknown`: no key is known of that name: say it with its key, or meet it once
 * - `MailboxFull`: as many letters of this sender wait for that receiver as may, or the server keeps no more of anybody's
 * - `InvalidId`: its id is none: 1 to 64 of letters, digits, `_` and `-`
 * - `TooLarge`: it is longer than the server takes
 * - `NoMailbox`: the server has no JetStream, or does not permit this user to use it
 * - `NoServer`: there is none at the moment
 * - `Unsure`: the server did not answer; it may have been taken, and may be posted again with its id
 *
 * @category errors
 * @since 0.2.0
 */
export class PostError extends Schema.TaggedError<PostError>("@pnet/nats/MailError/PostError")("PostError", {
  kind: Schema.Literals(["ReceiverUnknown", "InvalidId", "MailboxFull", "TooLarge", "NoMailbox", "NoServer", "Unsure"]),
  to: Schema.String,
  /** The letter's id. */
  id: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    const why = {
      ReceiverUnknown: "no key is known of that name; give its key, or have this node meet it once",
      InvalidId: "an id has 1 to 64 of letters, digits, _ and -",
      MailboxFull: "as many letters wait as may; post it again when some were read",
      TooLarge: "it is longer than the NATS server takes; send it as a file, or in parts",
      NoMailbox: "the NATS server keeps no mail for this user; it needs JetStream, and permissions for the stream",
      NoServer: "there is no NATS server at the moment",
      Unsure: "the NATS server did not say whether it has it; post it again with the same id"
    }[this.kind]
    return Why.see(`the letter ${this.id} to ${Why.quote(this.to)} was not taken: ${why}`, "not-posted")
  }
}

/**
 * A node cannot have mail: its stream cannot be made, or read.
 *
 * @category errors
 * @since 0.2.0
 */
export class MailboxError extends Schema.TaggedError<MailboxError>("@pnet/nats/MailError/MailboxError")(
  "MailboxError",
  { cause: Schema.Defect() }
) {
  override get message() {
    return Why.see(
      `there is no mailbox at the NATS server (${
        Why.escape(this.cause instanceof Error ? this.cause.message : String(this.cause))
      }); it needs JetStream, and this user the permissions that Subjects.mailPermissions gives`,
      "no-mailbox"
    )
  }
}
