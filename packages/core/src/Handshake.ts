/**
 * The handshake of a session (protocol section 4): CurveZMQ with pnet's metadata, as two pure state machines. Bytes go in,
 * bytes and results come out; the only thing outside is the `Crypto` that is given, so a seeded `Entropy` fixes every byte.
 * Packets, deadlines and trust are the caller's.
 *
 * ```ts
 * const client = Handshake.client(options, serverKey)      const server = Handshake.server(options)
 * client.hello()                            // HELLO    ->  server.hello(command)
 * client.welcome(command)                   // <- WELCOME
 *                                           // INITIATE ->  server.initiate(command, packetKey), then ask trust
 * client.ready(command), then ask trust     // <- READY     server.ready()
 * ```
 *
 * What bites: a machine is for one connection, and each of its steps is taken once. Whatever fails ends it: all that comes
 * after is `ERR_HANDSHAKE`. A connection that is given up before `ready` has to `close` its machine, which wipes the
 * secrets. The server's `hello` costs two products of the curve, so with a network key it is called only once a token has
 * verified. Who the other side is, is known from `initiate` and `ready` on, never from a packet.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Crypto, KeyPair, SharedKey } from "./Crypto.ts"
import { strictTextOf, utf8 } from "./internal/base/platform.ts"
import * as Curve from "./internal/session/curve.ts"
import * as Metadata from "./internal/session/metadata.ts"
import { type NetworkId, NodeName } from "./Packet.ts"
import * as ProtocolError from "./ProtocolError.ts"
import type { PublicKey } from "./PublicKey.ts"

/**
 * Something that a node reads and that older ones ignore, so that whoever needs it looks whether it is said. What is said and not
 * among these is left out.
 *
 * - `headers`: `headers` of OPEN, which a function is given
 *
 * @category models
 * @since 0.2.0
 */
export type Feature = "headers"

/**
 * What both machines need to know about this node.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly crypto: Crypto["Service"]
  /** This node's key pair. */
  readonly identity: KeyPair
  /** This node's name. */
  readonly name: NodeName
  readonly networkId: NetworkId
  /** Whether to offer binary records (protocol section 4.1). */
  readonly binary: boolean
  /** What this node says that it reads. Default: nothing. */
  readonly features?: ReadonlyArray<Feature> | undefined
  /** What the trust policy shows (the property `Credentials`): at most 4,096 bytes. Default: nothing. */
  readonly credentials?: Uint8Array | undefined
}

/**
 * A peer that proved, in this handshake, to hold the secret of `publicKey`, and calls itself `name`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Peer {
  readonly name: NodeName
  readonly publicKey: PublicKey
}

/**
 * A peer with what it has shown to the trust policy.
 *
 * @category models
 * @since 0.2.0
 */
export interface Introduced extends Peer {
  /** The property `Credentials`, where it has one of at most 4,096 bytes. */
  readonly credentials?: Uint8Array
}

/**
 * What a completed handshake leaves: everything that a session needs to seal and open its MESSAGEs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Established {
  /** Which side this one is: the client is the one that dialled. */
  readonly role: "client" | "server"
  readonly peer: Peer
  /** What the peer has shown to the trust policy, where it has. */
  readonly credentials?: Uint8Array
  /** Whether both sides offered binary records: then everything after READY travels in them. */
  readonly binary: boolean
  /** What the peer says that it reads, of what is known here. */
  readonly features: ReadonlySet<Feature>
  /** The box key between the short-term keys of this connection. Whoever has it can read and forge the session. */
  readonly sharedKey: SharedKey
  /** The short nonce of the next command that this side sends; the handshake's are counted. */
  readonly sendNonce: number
  /** The short nonce that the peer's next command has to have. */
  readonly recvNonce: number
}

/**
 * The side that dialled. The methods are called once each, in this order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Client {
  /** HELLO, for a `msg`. Throws where it is called a second time. */
  readonly hello: () => Uint8Array
  /**
   * Reads WELCOME and gives INITIATE, for a `msg`. Everything but this connection's WELCOME is `ERR_HANDSHAKE`. That the
   * packet carries the server's key is the caller's to check.
   */
  readonly welcome: (command: Uint8Array) => Result.Result<Uint8Array, ProtocolError.ProtocolError>
  /**
   * Reads READY. `ERR_NETWORK_INCORRECT` where the server is in another network, everything else is `ERR_HANDSHAKE`. The
   * trust policy is to be asked about the peer before anything is sent to it.
   */
  readonly ready: (command: Uint8Array) => Result.Result<Established, ProtocolError.ProtocolError>
  /** Wipes the secrets of an unfinished handshake; after it everything is `ERR_HANDSHAKE`. */
  readonly close: () => void
}

/**
 * The side that accepted the connection. The methods are called once each, in this order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Server {
  /** Reads HELLO and gives WELCOME, for an `rsp`. Everything but a HELLO to this node's key is `ERR_HANDSHAKE`. */
  readonly hello: (command: Uint8Array) => Result.Result<Uint8Array, ProtocolError.ProtocolError>
  /**
   * Reads INITIATE, whose packet carried `packetKey`, and gives the peer that it proved, about whom the trust policy is to
   * be asked before `ready`. `ERR_PUBLIC_KEY` where it proved another key, `ERR_NETWORK_INCORRECT` where the client is in
   * another network, everything else is `ERR_HANDSHAKE`. That HELLO's packet carried the same key is the caller's to check.
   */
  readonly initiate: (
    command: Uint8Array,
    packetKey: PublicKey
  ) => Result.Result<Introduced, ProtocolError.ProtocolError>
  /** READY, for an `rsp`, to a peer that is trusted. Throws unless `initiate` has succeeded, and the second time. */
  readonly ready: () => { readonly command: Uint8Array; readonly established: Established }
  /** Wipes the secrets of an unfinished handshake; after it everything is `ERR_HANDSHAKE`. */
  readonly close: () => void
}

/**
 * Whether a command is a HELLO by its name; the machine checks the rest.
 *
 * @category guards
 * @since 0.1.0
 */
export const isHello: (command: Uint8Array) => boolean = Curve.isHello

/**
 * What tells a HELLO from every other: its short-term key, C', as text. Empty where the command is too short to have one.
 *
 * @category accessors
 * @since 0.1.0
 */
export const helloId: (command: Uint8Array) => string = Curve.helloId

/**
 * Whether a command is a WELCOME by its name; the machine checks the rest.
 *
 * @category guards
 * @since 0.1.0
 */
export const isWelcome: (command: Uint8Array) => boolean = Curve.isWelcome

/**
 * Whether a command is an INITIATE by its name; the machine checks the rest.
 *
 * @category guards
 * @since 0.1.0
 */
export const isInitiate: (command: Uint8Array) => boolean = Curve.isInitiate

/**
 * Whether a command is a READY by its name; the machine checks the rest.
 *
 * @category guards
 * @since 0.1.0
 */
export const isReady: (command: Uint8Array) => boolean = Curve.isReady

/**
 * The client's machine, for one connection to the node with `serverKey`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const client = (options: Options, serverKey: PublicKey): Client => {
  const machine = Curve.client(curveOptions(options), serverKey)
  return {
    hello: machine.hello,
    welcome: machine.welcome,
    ready: (command) => Result.map(machine.ready(command), (secured) => establishedOf(options, secured)),
    close: machine.close
  }
}

/**
 * The server's machine, for one connection that was accepted.
 *
 * @category constructors
 * @since 0.1.0
 */
export const server = (options: Options): Server => {
  const machine = Curve.server(curveOptions(options))
  return {
    hello: machine.hello,
    initiate: (command, packetKey) => Result.map(machine.initiate(command, packetKey), introducedOf),
    ready: () => {
      const { command, secured } = machine.ready()
      return { command, established: establishedOf(options, secured) }
    },
    close: machine.close
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// metadata
// ---------------------------------------------------------------------------------------------------------------------

interface Said {
  readonly name: NodeName
  readonly binary: boolean
  readonly features: ReadonlySet<Feature>
  readonly credentials: Uint8Array | undefined
}

const nothing: ReadonlySet<Feature> = new Set()
const everything: ReadonlySet<Feature> = new Set(["headers"])

/** Those that are known, of names that commas part. They compare as they are. */
const featuresOf = (value: string | undefined): ReadonlySet<Feature> => {
  if (value === undefined || value === "") return nothing
  return value.split(",").includes("headers") ? everything : nothing
}

/** The bytes of the property `Credentials` at the most: what is longer is as if it were not there. */
const maxCredentials = 4_096

const isNodeName = Schema.is(NodeName)

const refused = (detail: string) => Result.fail(ProtocolError.local("ERR_HANDSHAKE", detail))

/** What the peer's properties say. Their values are checked in the order of the protocol's list, the network last. */
const readMetadata =
  (networkId: NetworkId) => (bytes: Uint8Array): Result.Result<Said, ProtocolError.ProtocolError> => {
    const properties = Metadata.decode(bytes)
    if (properties === undefined) return refused("malformed metadata")
    const text = (name: string): string | undefined => {
      const value = properties.get(name)
      return value === undefined ? undefined : strictTextOf(value)
    }
    if (!properties.has("network")) return refused("no property Network")
    if (text("pnet") !== "1") return refused("the property Pnet is not 1")
    const name = text("node")
    if (name === undefined || !isNodeName(name)) return refused("the property Node is not a name")
    if (text("network") !== networkId) return Result.fail(ProtocolError.local("ERR_NETWORK_INCORRECT", "Network"))
    const shown = properties.get("credentials")
    return Result.succeed({
      name,
      binary: text("framing") === "binary",
      features: featuresOf(text("features")),
      // What was read is a view into a buffer that is not kept.
      credentials: shown === undefined || shown.length > maxCredentials ? undefined : shown.slice()
    })
  }

const writeMetadata = (options: Options): Uint8Array => {
  const properties = new Map<string, Uint8Array>([
    ["Pnet", utf8("1")],
    ["Node", utf8(options.name)],
    ["Network", utf8(options.networkId)]
  ])
  if (options.binary) properties.set("Framing", utf8("binary"))
  const { features = [] } = options
  if (features.length > 0) properties.set("Features", utf8(features.join(",")))
  if (options.credentials !== undefined) properties.set("Credentials", options.credentials)
  return Metadata.encode(properties)
}

const curveOptions = (options: Options): Curve.Options<Said> => ({
  crypto: options.crypto,
  identity: options.identity,
  metadata: writeMetadata(options),
  readMetadata: readMetadata(options.networkId)
})

const peerOf = ({ metadata, publicKey }: Curve.Proved<Said>): Peer => ({ name: metadata.name, publicKey })

const shownOf = ({ credentials }: Said) => credentials === undefined ? {} : { credentials }

const introducedOf = ({ metadata, publicKey }: Curve.Proved<Said>): Introduced => ({
  name: metadata.name,
  publicKey,
  ...shownOf(metadata)
})

const establishedOf = (options: Options, { peer, ...secured }: Curve.Secured<Said>): Established => ({
  ...secured,
  peer: peerOf(peer),
  ...shownOf(peer.metadata),
  binary: options.binary && peer.metadata.binary,
  features: peer.metadata.features
})
