/**
 * What goes wrong with durable topics.
 *
 * @since 0.2.0
 */
import * as Why from "@pnet/core/Why"
import * as Schema from "effect/Schema"

const { quote } = Why

/** What a cause says, in brackets. */
const causeOf = (cause: unknown) => cause instanceof Error ? ` (${Why.escape(cause.message)})` : ""

/**
 * Something was not kept on a topic.
 *
 * - `TooLarge`: it is longer than the server takes
 * - `Full`: the server's account keeps no more
 * - `NoStream`: the server has no JetStream, no stream for the network, or does not permit this user to use it
 * - `NoServer`: there is none at the moment
 * - `Unsure`: the server did not answer; it may have been kept, and may be published again with its id
 *
 * @category errors
 * @since 0.2.0
 */
export class KeepError extends Schema.TaggedError<KeepError>("@pnet/nats/DurableTopicsError/KeepError")("KeepError", {
  kind: Schema.Literals(["TooLarge", "Full", "NoStream", "NoServer", "Unsure"]),
  topic: Schema.String,
  /** The item's id. */
  id: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    const why = {
      TooLarge: "it is longer than the NATS server takes; publish where it is to be had, and send it as a file",
      Full: "the NATS server's account keeps no more; give it more room, or keep less",
      NoStream: "the NATS server keeps no topics for this user; it needs JetStream, and permissions for the stream",
      NoServer: "there is no NATS server at the moment; publish it again when there is",
      Unsure: "the NATS server did not say whether it has it; publish it again with the same id"
    }[this.kind]
    return Why.see(
      `${quote(this.id)} was not kept on the topic ${quote(this.topic)}: ${why}${causeOf(this.cause)}`,
      "not-kept"
    )
  }
}

/**
 * What is kept on a topic cannot be read, or no further.
 *
 * - `InvalidStart`: there is no such place to begin at, no such topic, or no such name of a position
 * - `PositionTaken`: another subscription reads by this position since, and goes on where this one was
 * - `NoStream`: the server has no JetStream, no stream for the network, or does not permit this user to use it
 * - `NoServer`: the server did not answer when the subscription began
 *
 * Once it has begun, a subscription waits for a server that is gone, and does not fail with that.
 *
 * @category errors
 * @since 0.2.0
 */
export class ReplayError
  extends Schema.TaggedError<ReplayError>("@pnet/nats/DurableTopicsError/ReplayError")("ReplayError", {
    kind: Schema.Literals(["InvalidStart", "PositionTaken", "NoStream", "NoServer"]),
    topic: Schema.String,
    cause: Schema.optionalKey(Schema.Defect())
  })
{
  override get message() {
    const why = {
      InvalidStart:
        "there is no such place to begin at; give a sequence from 1 on, a time, or a name of up to 64 letters",
      PositionTaken: "another subscription goes on from this position; give each a position of its own",
      NoStream: "the NATS server keeps no topics for this user; it needs JetStream, and permissions for the stream",
      NoServer: "the NATS server did not answer; subscribe again when it does"
    }[this.kind]
    return Why.see(
      `what is kept on the topic ${quote(this.topic)} cannot be read: ${why}${causeOf(this.cause)}`,
      "not-replayed"
    )
  }
}

/**
 * A node cannot have durable topics: their stream cannot be made, or looked at.
 *
 * @category errors
 * @since 0.2.0
 */
export class DurableTopicsError
  extends Schema.TaggedError<DurableTopicsError>("@pnet/nats/DurableTopicsError/DurableTopicsError")(
    "DurableTopicsError",
    { cause: Schema.Defect() }
  )
{
  override get message() {
    return Why.see(
      `the NATS server keeps no topics for this node${causeOf(this.cause)}; it needs JetStream, and this user the ` +
        "permissions that Subjects.durablePermissions gives",
      "not-kept"
    )
  }
}
