/**
 * What one host offers to pnet: its interfaces, datagram sockets, and stream sockets. Nothing else in the project opens a
 * socket, so a whole network can run inside one test.
 *
 * `NodeNetwork.layer` in `@pnet/node` is the real one; `SimNetwork` in `@pnet/testing` is the simulated one. Both speak
 * Effect's own `DatagramSocket`, `Socket` and `SocketServer`, so what is written over this seam is ordinary Effect code.
 *
 * What an implementation guarantees, and its compliance suite tests:
 *
 * - a datagram socket opens when its reader is acquired and closes with that scope; writing to a broadcast address without
 *   `broadcast` fails with kind `PermissionDenied`; the port of two sockets may be the same only if both set `reuseAddress`
 * - a dialled socket connects when its reader is acquired; every end of a stream is an error, `SocketCloseError` with code
 *   1000 where the other side closed in order; releasing the writer half-closes; a suspended `pull` fails when its scope
 *   closes; `write` suspends while the other side does not read, and once it has succeeded its bytes may be overwritten
 * - stream sockets send at once (no Nagle delay)
 * - a name resolves to every address that it has now, each once and in its one form, or fails; an address stands for itself
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type * as Socket from "effect/socket/Socket"
import type * as SocketServer from "effect/socket/SocketServer"
import * as Why from "./Why.ts"

/**
 * One address of one network interface that is up.
 *
 * @category models
 * @since 0.1.0
 */
export interface NetworkInterface {
  /** The system's name for it, such as `eth0`. Interfaces with several addresses appear once for each. */
  readonly name: string
  readonly family: "IPv4" | "IPv6"
  /** The address as text, without a zone. */
  readonly address: string
  /** The IPv4 directed broadcast address, such as `192.168.1.255`; for IPv6, the address itself. */
  readonly broadcast: string
  /** The length of the network prefix in bits. */
  readonly prefixLength: number
  /** Whether it is a loopback interface. */
  readonly loopback: boolean
}

/**
 * How a datagram socket is to be opened.
 *
 * @category models
 * @since 0.1.0
 */
export interface DatagramOptions {
  /** The address to bind to, as text: an interface's, a broadcast address, or `0.0.0.0`. */
  readonly address: string
  /** The port to bind to; 0 is any free one. */
  readonly port: number
  /** Lets other sockets that say the same bind to the same port; each then hears every broadcast. Default `false`. */
  readonly reuseAddress?: boolean | undefined
  /** Allows sending to broadcast addresses. Default `false`. */
  readonly broadcast?: boolean | undefined
  /** Datagrams held until they are pulled; further ones are dropped and counted by the reader. Default 1,024. */
  readonly capacity?: number | undefined
  /**
   * For what comes often: each datagram of an IPv4 socket is given to this when it comes, with the address that it came from, and the reader gets those of
   * which it says `false`. An implementation that does not have it gives the reader all. It waits for nothing, and does not change the bytes, which may be those of others, too. One that throws has said `false`.
   */
  readonly take?: ((payload: Uint8Array, host: string, port: number) => boolean) | undefined
}

/**
 * Where a stream socket listens or dials.
 *
 * @category models
 * @since 0.1.0
 */
export interface Endpoint {
  /** An IPv4 or IPv6 address as text, without brackets. */
  readonly host: string
  readonly port: number
}

/**
 * The reader of a stream socket that can also give what comes to a function, which costs less than a fiber that pulls.
 *
 * @category models
 * @since 0.2.0
 */
export interface EachReader extends Socket.Reader {
  /**
   * Gives what comes to `take`, piece by piece, in the turn in which it comes: until `take` gives `false`, and then what came behind
   * that is there for `pull`, or until it fails as `pull` does. It is not used beside `pull`. What `take` throws is a defect.
   */
  readonly each?: ((take: (bytes: Uint8Array) => boolean) => Effect.Effect<void, Socket.SocketError>) | undefined
}

/**
 * The writer of a stream socket that can also write at once, which costs less than an effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface TryWriter extends Socket.Writer {
  /**
   * Hands the bytes to the system, where there is room for them and nothing waits before them: then they may be overwritten. `false`:
   * nothing was taken, and `write` waits, or says why it cannot.
   */
  readonly tryWrite?: ((bytes: Uint8Array) => boolean) | undefined
}

/**
 * Listening was not possible.
 *
 * @category errors
 * @since 0.1.0
 */
export class ListenError extends Schema.TaggedError<ListenError>("@pnet/core/Network/ListenError")("ListenError", {
  kind: Schema.Literals(["PortInUse", "AddressNotAvailable", "PermissionDenied", "Unknown"]),
  host: Schema.String,
  port: Schema.Number,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    const where = `${this.host.includes(":") ? `[${this.host}]` : this.host}:${this.port}`
    switch (this.kind) {
      case "PortInUse":
        return Why.see(
          `cannot listen on ${where}: port ${this.port} is in use; stop the program that holds it or choose another port (0 takes any free one)`,
          "port-in-use"
        )
      case "AddressNotAvailable":
        return Why.see(
          `cannot listen on ${where}: this machine has no address ${this.host}; bind to one it has, or to 0.0.0.0`,
          "no-such-address"
        )
      case "PermissionDenied":
        return Why.see(
          `cannot listen on ${where}: permission denied; ports below 1024 need privileges`,
          "permission-denied"
        )
      case "Unknown":
        return Why.see(
          `cannot listen on ${where}: ${this.cause instanceof Error ? this.cause.message : "unknown cause"}`,
          "system-error"
        )
    }
  }
}

/**
 * The interfaces of this host could not be read.
 *
 * @category errors
 * @since 0.1.0
 */
export class InterfacesError extends Schema.TaggedError<InterfacesError>("@pnet/core/Network/InterfacesError")(
  "InterfacesError",
  { cause: Schema.Defect() }
) {
  override get message() {
    return Why.see(
      `cannot read the network interfaces of this machine: ${
        this.cause instanceof Error ? this.cause.message : String(this.cause)
      }`,
      "system-error"
    )
  }
}

/**
 * A name has no addresses, as far as this host can find out.
 *
 * - `NotFound`: there is no such name, or it has no address
 * - `Unavailable`: nobody could be asked just now
 *
 * @category errors
 * @since 0.1.0
 */
export class ResolveError extends Schema.TaggedError<ResolveError>("@pnet/core/Network/ResolveError")("ResolveError", {
  kind: Schema.Literals(["NotFound", "Unavailable"]),
  name: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return Why.see(
      this.kind === "NotFound"
        ? `the host name ${this.name} has no address`
        : `the host name ${this.name} could not be resolved: ${
          this.cause instanceof Error ? this.cause.message : "no name server answered"
        }`,
      "host-name"
    )
  }
}

/**
 * In the handler of an accepted connection: where it came from. `undefined` outside of one. A server that is reached through others, such
 * as one of WebSockets behind a proxy, gives here whom they name, if it trusts them: see `Transport.fromServer`.
 *
 * @category services
 * @since 0.1.0
 */
export const RemoteAddress: Context.Reference<NetAddress.InetAddress | undefined> = Context.Reference<
  NetAddress.InetAddress | undefined
>(
  "@pnet/core/Network/RemoteAddress",
  { defaultValue: () => undefined }
)

/**
 * One host's network.
 *
 * @category services
 * @since 0.1.0
 */
export class Network extends Context.Service<Network, {
  /** The interface addresses that are up now. Read afresh each time. */
  readonly interfaces: Effect.Effect<ReadonlyArray<NetworkInterface>, InterfacesError>
  /** A datagram socket. Nothing is opened until its reader is acquired, whose errors have the kinds of `DatagramSocket`. */
  readonly datagram: (options: DatagramOptions) => Effect.Effect<DatagramSocket.DatagramSocket>
  /** Listens at once, until the scope closes. Handlers given to `run` find `RemoteAddress` in their context. */
  readonly listen: (
    endpoint: Endpoint
  ) => Effect.Effect<SocketServer.SocketServer["Service"], ListenError, Scope.Scope>
  /**
   * A stream socket that connects when its reader is acquired. It has no timeout of its own. Here, and of those that are accepted, reader and
   * writer may be an `EachReader` and a `TryWriter`.
   */
  readonly dial: (endpoint: Endpoint) => Effect.Effect<Socket.Socket>
  /**
   * Every address that a host name has now, IPv4 and IPv6, as `Endpoint.host` has them, without link-local ones, which need a
   * zone. Asked afresh each time. It has no timeout of its own.
   */
  readonly resolve: (name: string) => Effect.Effect<ReadonlyArray<string>, ResolveError>
}>()("@pnet/core/Network") {}
