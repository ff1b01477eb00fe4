/**
 * Byte connections between nodes. `TcpTransport` is one implementation, over the `Network` seam; a broker or a relay would be
 * another layer, and nothing above would notice.
 *
 * A `Connection` is open when you get it and closed when its scope closes. Reading is pulled: bytes that nobody pulls stay
 * with the system, which makes the sender wait. What the two guarantee is tested by one suite over every implementation.
 *
 * What bites: the transport proves nothing about who is at the other end.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type * as SocketServer from "effect/socket/SocketServer"
import { formatEndpoint } from "./Advert.ts"
import { quote } from "./internal/base/quote.ts"
import { type EachReader, type Endpoint, type ListenError, RemoteAddress, type TryWriter } from "./Network.ts"
import * as Why from "./Why.ts"

/**
 * A connection could not be made.
 *
 * - `Refused`: nobody listens there
 * - `Timeout`: nobody answered in time
 * - `Unreachable`: there is no way there, or no transport that dials such an endpoint
 * - `NoEndpoint`: the peer has no address that could be dialled, and there is no session that it made
 *
 * @category errors
 * @since 0.1.0
 */
export class DialError extends Schema.TaggedError<DialError>("@pnet/core/Transport/DialError")("DialError", {
  kind: Schema.Literals(["Refused", "Timeout", "Unreachable", "NoEndpoint", "Unknown"]),
  host: Schema.String,
  port: Schema.Number,
  /** The peer that was to be reached, where it was one. With `NoEndpoint` there is no `host` and no `port`. */
  peer: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    const why = {
      Refused: "refused; no node listens there",
      Timeout: "no answer in time; the machine is off, or a firewall drops the connection",
      Unreachable: "there is no way to that address from here",
      NoEndpoint:
        "it listens nowhere that is known; calls and streams reach it while a session lives that it made itself, and RAW messages do not",
      Unknown: this.cause instanceof Error ? this.cause.message : "unknown cause"
    }[this.kind]
    const who = quote(this.peer ?? "")
    const at = formatEndpoint(this)
    const where = this.kind === "NoEndpoint" ? who : this.peer === undefined ? at : `${who} at ${at}`
    const remedy = this.kind === "NoEndpoint"
      ? "wait until it has connected"
      : this.peer === undefined
      ? undefined
      : "nothing was sent, so that trying again is safe"
    return Why.see(`cannot connect to ${where}: ${why}${remedy === undefined ? "" : `; ${remedy}`}`, "cannot-connect")
  }
}

/**
 * A connection ended. `clean`: the other side ended it in order, between two of its bytes and with nothing lost.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConnectionClosedError
  extends Schema.TaggedError<ConnectionClosedError>("@pnet/core/Transport/ConnectionClosedError")(
    "ConnectionClosedError",
    { clean: Schema.Boolean, cause: Schema.optionalKey(Schema.Defect()) }
  )
{
  override get message() {
    return Why.see(
      this.clean
        ? "the connection was closed by the other side"
        : `the connection broke: ${this.cause instanceof Error ? this.cause.message : "reset"}`,
      "connection-closed"
    )
  }
}

/**
 * An open connection. It closes with its scope.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  /**
   * The other end's address; `undefined` where the transport has none. Of one that was accepted it is what a node's limits by address
   * count by, and those without share what one address may have; so it must be nothing that the other end can choose.
   */
  readonly remote: Endpoint | undefined
  /** The bytes that have come, at least one; waits for them. Fails when there are none to come. */
  readonly pull: Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, ConnectionClosedError>
  /**
   * Hands the bytes to the system, and waits while it has no room for more. Once it has succeeded the caller may overwrite
   * them; after a failure or an interruption they may still be on their way.
   */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, ConnectionClosedError>
  /**
   * Where a transport has it, and then sessions use it in the place of `pull`: gives what comes to `take`, piece by piece, in the turn in
   * which it comes, until `take` gives `false`, and then what came behind that is there for `pull`, or until it fails as `pull` does. What `take`
   * throws is a defect.
   */
  readonly each?: ((take: (bytes: Uint8Array) => boolean) => Effect.Effect<void, ConnectionClosedError>) | undefined
  /**
   * Where a transport has it: hands the bytes to the system, if there is room for them and nothing waits before them, and then they may be
   * overwritten. `false`: nothing was taken, and `write` waits, or says why it cannot.
   */
  readonly tryWrite?: ((bytes: Uint8Array) => boolean) | undefined
  /** Says that no more bytes will be written. Reading goes on. */
  readonly end: Effect.Effect<void>
  /**
   * Whether what is written goes by somebody who passes it on, such as a broker, so that each write costs three programs something. Sessions then put more of what
   * is called at once into one. Default `false`.
   */
  readonly relayed?: boolean | undefined
}

/**
 * An open listener. It closes with its scope.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listener {
  /** Where it listens, with the port that was chosen. */
  readonly endpoint: Endpoint
  /**
   * Runs the handler for each connection that comes, each in a fiber of its own, for ever. A connection closes when its
   * handler ends; interrupting `run` interrupts all of them.
   */
  readonly run: <R>(handler: (connection: Connection) => Effect.Effect<void, never, R>) => Effect.Effect<
    never,
    never,
    Exclude<R, Scope.Scope>
  >
}

/**
 * How connections are made and accepted.
 *
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<Transport, {
  /** Listens where the node's options say. `undefined` where this transport can only dial. */
  readonly listen: Effect.Effect<Listener, ListenError, Scope.Scope> | undefined
  /**
   * Whether an endpoint is one of this transport's, to be dialled by it. An endpoint may belong to another way of reaching
   * peers, and several transports of a node share its peers' endpoints among themselves by this.
   */
  readonly dials: (endpoint: Endpoint) => boolean
  /** Connects to an endpoint. One that it does not dial is `Unreachable`, and nothing was tried. */
  readonly dial: (endpoint: Endpoint) => Effect.Effect<Connection, DialError, Scope.Scope>
}>()("@pnet/core/Transport") {}

/**
 * A transport that can listen.
 *
 * @category models
 * @since 0.2.0
 */
export type Listening = Transport["Service"] & {
  readonly listen: Effect.Effect<Listener, ListenError, Scope.Scope>
}

const closedError = (error: Socket.SocketError): ConnectionClosedError =>
  error.reason._tag === "SocketCloseError" && error.reason.code === 1000
    ? new ConnectionClosedError({ clean: true })
    : new ConnectionClosedError({ clean: false, cause: "cause" in error.reason ? error.reason.cause : error.reason })

// Once, and not in the function that is called for each connection: a generator's code that is made anew has a map of its own among the old, which
// keeps all it reaches until all is collected.
const connect = Effect.fnUntraced(function*(
  socket: Socket.Socket,
  remote: Endpoint | undefined,
  takesBytes: boolean
): Effect.fn.Return<Connection, Socket.SocketError, Scope.Scope> {
  const reader: EachReader = yield* socket.reader
  const pull = yield* Socket.readerBytes(Socket.make({ reader: Effect.succeed(reader), writer: socket.writer }))
  // The writer has a scope of its own: closing it is how a socket is told to half-close.
  const writing = yield* Scope.fork(yield* Effect.scope)
  const writer: TryWriter = yield* Scope.provide(socket.writer, writing)
  const { each } = reader
  return {
    remote,
    pull: Effect.mapError(pull, closedError),
    write: (bytes: Uint8Array) => Effect.mapError(writer.write(takesBytes ? bytes : bytes.slice()), closedError),
    each: each === undefined ? undefined : (take) => Effect.mapError(each(take), closedError),
    tryWrite: writer.tryWrite,
    end: Effect.exit(Effect.void).pipe(Effect.flatMap((exit) => Scope.close(writing, exit)))
  }
})

/**
 * A connection over an Effect socket: opens it now, closes it with the scope. For writing transports.
 *
 * What is written is copied, since a socket may hold on to it. `takesBytes` says that this one does not once a write has
 * succeeded, as those of `Network` do not; it defaults to `false`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromSocket = (
  socket: Socket.Socket,
  remote?: Endpoint,
  options?: { readonly takesBytes?: boolean | undefined }
): Effect.Effect<Connection, Socket.SocketError, Scope.Scope> => connect(socket, remote, options?.takesBytes === true)

const endpointOf = ({ address, port }: NetAddress.InetAddress): Endpoint => ({
  host: NetAddress.formatIp(address),
  port
})

/**
 * A listener over a server of sockets. For writing transports.
 *
 * Where a connection came from is what the server says by `RemoteAddress`, and what a node's limits by address count by. So a server that
 * is reached through others (a proxy that ends TLS, an HTTP server in front of WebSockets) puts there whom those name, if it trusts them:
 * otherwise all of its connections come from one address, and share what one address may have.
 *
 * @category constructors
 * @since 0.2.0
 */
export const fromServer = (
  server: SocketServer.SocketServer["Service"],
  endpoint: Endpoint,
  options?: { readonly takesBytes?: boolean | undefined }
): Listener => ({
  endpoint,
  run: (handler) =>
    server.run((socket) =>
      Effect.flatMap(RemoteAddress, (address) => {
        // One address in two forms would have two shares.
        const remote = address && endpointOf(NetAddress.toCanonical(address))
        return Effect.flatMap(fromSocket(socket, remote, options), handler)
      }).pipe(
        // A connection that was gone before it could be read has nobody left to tell.
        Effect.catchTag("SocketError", () => Effect.void),
        Effect.scoped
      )
    ).pipe(Effect.catch(Effect.die)) as Effect.Effect<never, never, never>
})
