/**
 * What keeps a node from working over NATS, each with what to do. At the start such an error is the `cause` of a `ReachError`; later, when a
 * server is gone or takes a permission away, the log says it and the node goes on trying.
 *
 * @since 0.2.0
 */
import * as Why from "@pnet/core/Why"
import * as Schema from "effect/Schema"

const servers = Schema.Array(Schema.String)
const listed = (all: ReadonlyArray<string>) => all.join(", ")
const reason = (cause: unknown) =>
  cause instanceof Error && cause.message !== "" ? `: ${Why.escape(cause.message)}` : ""

/**
 * None of the servers answered.
 *
 * @category errors
 * @since 0.2.0
 */
export class NoServerError extends Schema.TaggedError<NoServerError>("@pnet/nats/NatsError/NoServerError")(
  "NoServerError",
  { servers, cause: Schema.optionalKey(Schema.Defect()) }
) {
  override get message() {
    return Why.see(
      `no NATS server answers at ${listed(this.servers)}${
        reason(this.cause)
      }; see that one runs there and that no firewall is between, or say wait: true for a node that starts without one`,
      "way"
    )
  }
}

/**
 * A server answered and does not let this user in.
 *
 * @category errors
 * @since 0.2.0
 */
export class NotAuthorizedError
  extends Schema.TaggedError<NotAuthorizedError>("@pnet/nats/NatsError/NotAuthorizedError")(
    "NotAuthorizedError",
    {
      servers,
      /** How the node said who it is: `creds`, `user`, `token`, `nkey`, or `nothing`. */
      by: Schema.String,
      cause: Schema.optionalKey(Schema.Defect())
    }
  )
{
  override get message() {
    return Why.see(
      `the NATS server at ${listed(this.servers)} does not let this node in with ${
        this.by === "nothing" ? "no credentials" : `these credentials (${this.by})`
      }${reason(this.cause)}; ${
        this.by === "nothing"
          ? "give credentials, or PNET_NATS_CREDS"
          : "see that the server's configuration has this user, and that it has not expired"
      }`,
      "way"
    )
  }
}

/**
 * No encrypted connection came about.
 *
 * @category errors
 * @since 0.2.0
 */
export class TlsError extends Schema.TaggedError<TlsError>("@pnet/nats/NatsError/TlsError")(
  "TlsError",
  { servers, cause: Schema.optionalKey(Schema.Defect()) }
) {
  override get message() {
    return Why.see(
      `no TLS connection to the NATS server at ${listed(this.servers)}${
        reason(this.cause)
      }; give the authority that signed its certificate as tls.ca, connect by a name that the certificate has, and say tls only where the server has it`,
      "way"
    )
  }
}

/**
 * The server does not permit this user what a node has to do.
 *
 * @category errors
 * @since 0.2.0
 */
export class NotPermittedError extends Schema.TaggedError<NotPermittedError>("@pnet/nats/NatsError/NotPermittedError")(
  "NotPermittedError",
  {
    operation: Schema.Literals(["publish", "subscribe"]),
    /** What it tried to publish to, or to subscribe to. */
    subject: Schema.String,
    /** What it has to be permitted: the subject, with what may stand in its place. */
    permission: Schema.String
  }
) {
  override get message() {
    return Why.see(
      `the NATS server does not permit this node to ${this.operation} to ${
        Why.escape(this.subject)
      }; permit its user to ${this.operation} to ${Why.escape(this.permission)}`,
      "way"
    )
  }
}

/**
 * Connections by TCP and by WebSocket at the same time in one process, which the client cannot keep apart when it reconnects.
 *
 * @category errors
 * @since 0.2.0
 */
export class MixedServersError extends Schema.TaggedError<MixedServersError>("@pnet/nats/NatsError/MixedServersError")(
  "MixedServersError",
  { servers }
) {
  override get message() {
    return Why.see(
      `cannot connect to ${
        listed(this.servers)
      }: a process has its NATS servers all by ws:// or wss://, or all by nats:// or tls://; use the other address of the server`,
      "way"
    )
  }
}

/**
 * Whatever can go wrong when a node connects.
 *
 * @category errors
 * @since 0.2.0
 */
export type NatsError = NoServerError | NotAuthorizedError | TlsError | NotPermittedError | MixedServersError
