/**
 * What a node is told: its name, its network, where it listens, and how much it may be made to hold.
 *
 * All three node types take the same options, as a plain object or from Effect `Config` (`PNET_NAME`, `PNET_NETWORK_ID`, …). They
 * are checked by a Schema before anything starts; what is wrong is an `OptionsError` that names the option.
 *
 * What bites: `bindIp` is `127.0.0.1` by default, so a node is heard by its own machine only until you say `0.0.0.0` or an
 * interface's address. Without `networkKey` adverts travel in clear and anyone on the network can join it; messages are
 * encrypted to their receiver either way.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Advert from "./Advert.ts"
import { Crypto, type KeyPair } from "./Crypto.ts"
import { Identity, IdentityStore } from "./Identity.ts"
import { KeyList, OneOrMoreKeys } from "./internal/values/keyInput.ts"
import { Obstacles } from "./internal/values/obstacles.ts"
import { count, duration, durationOrNone, Endpoint, IsKeyPair, issueOf } from "./internal/values/optionSchemas.ts"
import * as Variables from "./internal/values/variables.ts"
import * as NetworkKey from "./NetworkKey.ts"
import * as NetworkKeys from "./NetworkKeys.ts"
import * as Offer from "./Offer.ts"
import { NetworkId, NodeName } from "./Packet.ts"
import * as PublicKey from "./PublicKey.ts"
import * as Why from "./Why.ts"

/**
 * Every bound of a node, with its default. What is full says so in a typed error or drops what the protocol lets it drop,
 * and nothing a peer sends makes anything grow past these.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Limits = Schema.Struct({
  pendingConnections: count(
    256,
    "Accepted connections that have not proved themselves yet. One more is answered ERR_BUSY."
  ),
  pendingPerAddress: count(16, "Of those, from one source address. One more is answered ERR_BUSY."),
  rawConnections: count(1_024, "Accepted connections that carry RAW messages. One more is answered ERR_BUSY."),
  refusals: count(64, "ERR_BUSY answers being given at once. Beyond, connections are closed without a word."),
  firstPacketTimeout: duration(
    "5 seconds",
    "Time for the first packet of a connection, and for a packet that has begun."
  ),
  rawIdleTimeout: duration("60 seconds", "Idle time after which an accepted RAW connection is closed."),
  writeTimeout: duration("10 seconds", "Time that a write may block before its connection is closed."),
  replayEntries: count(
    65_536,
    "Senders of RAW messages whose last stamp is remembered; those without a proved name share half.",
    2
  ),
  dialTimeout: duration("5 seconds", "Time to connect to one address of a peer."),
  sendTimeout: duration("30 seconds", "Time for the answer to a message, unless the call says otherwise."),
  dialledConnections: count(
    1_024,
    "Peers that messages are being sent to, one connection each. The longest idle one is closed for a new one."
  ),
  dialledIdleTimeout: duration(
    "45 seconds",
    "Idle time after which a connection to a peer is closed; less than rawIdleTimeout, so that the sender closes first."
  ),
  pendingSends: count(1_024, "Messages to one peer that wait for their answer. Further senders wait."),
  provedPeers: count(
    4_096,
    "Peers that have proved their key, or are pinned to it. When full, one more stays among the unproved, and one without an address is no peer."
  ),
  unprovedPeers: count(4_096, "Peers known by an advert alone. When full, the oldest is dropped."),
  unprovedPerAddress: count(
    64,
    "Of those, from one source address. Further adverts are dropped, which the log says."
  ),
  unprovedPerOwnAddress: count(
    512,
    "The same for an address of this machine, loopback included, and for one that is listed in peers. Further adverts are dropped, which the log says."
  ),
  addressesPerPeer: count(
    4,
    "Addresses kept for a peer, the last proved first, of which one place at least is for adverts."
  ),
  addressesPerName: count(
    256,
    "Addresses of a host name in peers that are asked. Those that come last as text are not, which the log says."
  ),
  peerEvents: count(1_024, "Events that a slow reader of Peers.changes may be behind. Older ones are dropped."),
  probes: count(64, "Silent peers that are asked at once whether they still live."),
  doubts: count(
    8,
    "Peers that others are in doubt about and that are asked for it in any one second. Further ones wait, 32 of each host that names some, the hosts in turn."
  ),
  datagrams: count(1_024, "Datagrams received and not yet read, for each socket. Further ones are dropped."),
  sightings: count(4_096, "Adverts read and not yet entered. The oldest are dropped."),
  advertStamps: count(
    8_192,
    "Keys whose newest advert timestamp is remembered, of each host that adverts name, on a network with a key. The oldest are dropped."
  ),
  sessions: count(
    1_024,
    "Sessions with peers. The longest idle one is closed for a new one; where none is idle, a new one is answered ERR_BUSY."
  ),
  sessionsPerPeer: count(
    8,
    "Of those, with one key. One more takes the place of one that is idle, or that was silent the longest."
  ),
  handshakes: count(
    256,
    "Handshakes of sessions begun in any one second, by whomever. One more is answered ERR_BUSY, before any curve product."
  ),
  handshakesPerAddress: count(
    64,
    "Of those, from one source address. One more is answered ERR_BUSY, before any curve product."
  ),
  sessionSilence: duration(
    "5 seconds",
    "Silence after which a session's peer is asked for a sign of life. After as much again the session is dead."
  ),
  sessionIdle: duration(
    "5 minutes",
    "Time without a stream after which a session is closed by the side that opened it. The next stream makes a new one."
  ),
  sessionAge: duration(
    "1 hour",
    "Age of a session. It is replaced by a new one, with new keys, and open streams go on."
  ),
  shutdownDrain: duration(
    "30 seconds",
    "Time for open streams to finish when their session closes for good. Then they are reset with going_away."
  ),
  renewDrain: duration(
    "1 hour",
    "Time for open streams to finish when their session was replaced. Then they are reset with going_away."
  ),
  streams: count(
    1_024,
    "Streams that either side of a session may have open, beside the one that tells what the other offers. One more is reset with refused."
  ),
  calls: count(
    4_096,
    "Streams of peers whose handlers run at once, a quarter of them for one peer. One more is reset with refused."
  ),
  callSize: count(
    8_388_608,
    "Bytes of a command or a typed call, of its answer, and of what request, whole and text hold; of a streamed one, of each element. A longer one is reset with too_large."
  ),
  callMemory: count(
    134_217_728,
    "Bytes held of calls over 64 KiB that are coming in or being handled, with what their JSON and lists are made to, a quarter of them for one peer. One more is reset with refused."
  ),
  credit: count(
    268_435_456,
    "Bytes that all peers together may send before they are read, 262,144 a stream and a quarter of it for one peer. A stream beyond it is reset with refused.",
    // With less no peer would have room for a stream.
    1_048_576
  ),
  streamCredit: count(
    1_048_576,
    "Bytes of one stream that a peer may send before they are read, where they are read as they come. It begins with 262,144, and a quarter of credit is for what is more."
  ),
  offers: count(
    512,
    "Peers that are asked what they offer, a session and a stream each. Of further ones it is not known, which the log says."
  ),
  offerMemory: count(
    16_777_216,
    "Bytes held of what peers offer, as they say it. What one more offers is not known, which the log says."
  ),
  topics: count(
    1_024,
    "Topics that a node publishes, and that any one peer publishes to it. One more is a TopicLimitError, and of a peer refused."
  ),
  subscriptions: count(256, "Subscriptions of a node at once, 256 at most. One more is a TopicLimitError.", 1, 256),
  topicMemory: count(
    67_108_864,
    "Bytes of publications that wait for peers and for subscriptions, and 512 for each of them, a quarter of them for one peer. Of what is beyond it what the subscription's mode says is dropped, and counted as missed."
  ),
  topicRetained: count(
    67_108_864,
    "Bytes of the values that a node retains of its own topics, and as many that its tables hold of peers, with what their JSON is made to, a quarter of them of one peer. A value beyond it is not retained, which the log says."
  ),
  topicDeliveries: count(
    4_096,
    "Publications that one group of a topic has not acknowledged. One more is given up for the group, which its members are told, or waits where it is asked to."
  ),
  topicGroups: count(
    4_096,
    "Groups of a node's topics, 256 of one topic, a quarter of either answered for by one peer. Nothing goes to one more, which the log says, until another has ended."
  ),
  topicGroupMemory: count(
    67_108_864,
    "Bytes of publications that groups have not acknowledged, a quarter of them for groups that one peer answers for. What is beyond it is given up for the group, as beyond topicDeliveries."
  ),
  topicPatience: duration(
    "5 minutes",
    "Time in which a member of a group acknowledges something of what it has. Then that goes to another member as well, and the slow one gets one at a time until it does."
  ),
  topicRate: count(
    200_000,
    "Records of topics that one peer sends in any one second. Further ones are not read until that is over."
  ),
  sharedKeys: count(
    1_024,
    "Precomputed box keys kept, one a peer. The least recently used is dropped and computed again when needed."
  )
})

/**
 * Every bound of a node.
 *
 * @category models
 * @since 0.1.0
 */
export type Limits = typeof Limits.Type

/**
 * The options of a node.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NodeOptions = Schema.Struct({
  /** The node's name, unique on its network. Required. */
  name: NodeName,
  /** The network it belongs to. Default `"pnet"`. */
  networkId: NetworkId.pipe(Schema.withDecodingDefaultKey(Effect.succeed("pnet"))),
  /**
   * The network key: its text, 44 characters of base64url, redacted or not (it is at once). Default: none, and adverts travel in
   * clear. With one, only those who hold it can join, or see names and addresses. A list is taken as `networkKeys`.
   */
  networkKey: Schema.optionalKey(OneOrMoreKeys),
  /**
   * Several network keys, 1 to 16, in place of `networkKey`: the first encrypts, all decrypt. They are what the node begins
   * with; its `networkKeys` change them while it runs. Default: those of the `NetworkKeys` service, where there is one.
   */
  networkKeys: Schema.optionalKey(KeyList),
  /** The TCP port to listen on. Default 0, any free one. */
  serverPort: Schema.Port.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /** The UDP port that adverts are sent to, the same on the whole network. Default 3334. */
  advertisePort: Schema.Port.check(Schema.isGreaterThan(0)).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(3334))
  ),
  /** How often the node advertises itself, give or take a tenth. Default 2.5 seconds. */
  broadcastInterval: duration("2.5 seconds", "How often the node advertises itself."),
  /**
   * Adverts a second on the whole LAN, by all of its nodes: with more nodes than would keep to that at `broadcastInterval` each advertises
   * itself more seldom, and they ask each other instead. Default 40, which is 100 nodes at 2.5 seconds. The same on the whole network.
   */
  broadcastBudget: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(40))
  ),
  /**
   * `127.0.0.1` (default): this machine only. `0.0.0.0`: every IPv4 interface that is up and not loopback. Or the address
   * of one interface.
   */
  bindIp: Advert.Host.pipe(Schema.withDecodingDefaultKey(Effect.succeed("127.0.0.1"))),
  /**
   * Addresses (`host:port`, `[host]:port`) of nodes to look for besides those that advertise themselves, and host names
   * (`name:port`), which stand for every address they have, as time goes. Default: none.
   */
  peers: Schema.Array(Endpoint).pipe(Schema.withDecodingDefaultKey(Effect.succeed<ReadonlyArray<string>>([]))),
  /** Whether an advert is dropped whose host is not the address it came from. Default `true`. */
  checkAdvertSource: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(true))),
  /** The most bytes of a stream that travel in one frame, 98,000 at most. Default 16 KiB. */
  chunkSize: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 98_000 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(16_384))
  ),
  /** `binary` (default) sends sessions as bytes, `text` as packets that can be read on the wire, at a fifth less speed. */
  framing: Schema.Literals(["binary", "text"]).pipe(Schema.withDecodingDefaultKey(Effect.succeed("binary" as const))),
  /**
   * The node's key pair, which is its identity. Default: the `Identity` service's; without one, what the `IdentityStore` has for the
   * name; and without either a fresh pair each time.
   */
  identity: Schema.optionalKey(IsKeyPair),
  /** The roles of the node, such as `worker`, at most 16; peers choose it by them where their trust policy grants them. Default: none. */
  roles: Offer.Roles.pipe(Schema.withDecodingDefaultKey(Effect.succeed<ReadonlyArray<string>>([]))),
  /** Small facts that peers are told of the node, such as `{ zone: "a" }`: at most 512 bytes as JSON. Default: none. */
  meta: Offer.Meta.pipe(Schema.withDecodingDefaultKey(Effect.succeed<Offer.Meta>({}))),
  /**
   * When the node asks its peers what they offer, over a session with each: while something on it wants to know (`asked`, the default), or
   * `all` the time.
   */
  offers: Schema.Literals(["asked", "all"]).pipe(Schema.withDecodingDefaultKey(Effect.succeed("asked" as const))),
  /**
   * How long a node that is closed first drains: it says so to its peers, takes no more calls, and lets those finish that run. Functions that are
   * taken away let theirs finish for as long. Default: 0, whoever is closed interrupts what runs.
   */
  grace: durationOrNone("0 millis", "How long a node that is closed lets calls finish. 0: it interrupts them."),
  /** The bounds, each with a default. */
  limits: Limits.pipe(Schema.withDecodingDefaultKey(Effect.succeed({})))
}).check(
  Schema.makeFilter(({ networkKey, networkKeys }) =>
    networkKey === undefined || networkKeys === undefined ||
    { path: ["networkKeys"], issue: "expected only one of networkKey and networkKeys" }
  )
)

/**
 * Options with every default filled in.
 *
 * @category models
 * @since 0.1.0
 */
export type NodeOptions = typeof NodeOptions.Type

/**
 * Options as they are written: only `name` is required.
 *
 * @category models
 * @since 0.1.0
 */
export type Input = typeof NodeOptions.Encoded

/**
 * An option is wrong. Nothing was started.
 *
 * @category errors
 * @since 0.1.0
 */
export class OptionsError
  extends Schema.TaggedError<OptionsError>("@pnet/core/NodeOptions/OptionsError")("OptionsError", {
    /** What is wrong, with the path of the option. */
    issue: Schema.String,
    /** Whose options they are, where not the node's. */
    of: Schema.optionalKey(Schema.String),
    /** What the store of identities failed with, where it is that. */
    cause: Schema.optionalKey(Schema.Defect())
  })
{
  override get message() {
    return Why.see(
      this.cause === undefined
        ? `the ${this.of ?? "node's options"} are wrong: ${this.issue}`
        : `the node did not start: ${this.issue}`,
      "options"
    )
  }
}

const decode = Schema.decodeUnknownEffect(NodeOptions, { errors: "all", onExcessProperty: "error" })

/**
 * Checks options and fills in defaults.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (input: Input): Effect.Effect<NodeOptions, OptionsError> =>
  Effect.mapError(decode(input), (error) => new OptionsError({ issue: issueOf(error, input) }))

/**
 * A node's options with its key pair, as the layers of a node read them.
 *
 * @category services
 * @since 0.1.0
 */
export class NodeConfig extends Context.Service<
  NodeConfig,
  NodeOptions & {
    readonly identity: KeyPair
    /** The network keys as they are now: those of the options are what it began with. */
    readonly keyRing: NetworkKeys.NetworkKeys["Service"]
    /** Where the layers note what keeps nodes from being found. It is read as `peers.obstacles`. */
    readonly obstacles: Obstacles
  }
>()("@pnet/core/NodeOptions/NodeConfig") {}

/**
 * Checks the options. Where they have no key pair it is that of the `Identity` service, such as `NodeIdentity.layerFile` gives; where
 * there is none, that of the node's name in the `IdentityStore`, which is held as long as the layer lives, and may come with another name; and where there is neither, a
 * fresh one, which the log says. Where they have no network key, the keys are those of the
 * `NetworkKeys` service; where there is none either, the network is in clear.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (input: Input): Layer.Layer<NodeConfig, OptionsError, Crypto> =>
  Layer.effect(
    NodeConfig,
    Effect.gen(function*() {
      const options = yield* make(input)
      const crypto = yield* Crypto
      const provided = Option.getOrUndefined(yield* Effect.serviceOption(Identity))
      const store = Option.getOrUndefined(yield* Effect.serviceOption(IdentityStore))
      const given = options.identity ?? provided
      const stored = given !== undefined || store === undefined ? undefined : yield* Effect.mapError(
        store.keyPair(options.name),
        (error) => new OptionsError({ issue: error.message, cause: error.cause })
      )
      const kept = given ?? stored
      const identity = kept ?? crypto.generateKeyPair()
      if (kept === undefined) {
        yield* Effect.logInfo(
          Why.see(
            `${options.name} has a throwaway identity (${
              PublicKey.fingerprint(identity.publicKey)
            }): after a restart its ` +
              "peers will not know it, and those that pinned its name will refuse it; NodePnet.layerKeys(folder), in the place of " +
              "NodePnet.layer, keeps one for each node by its name, and has an option for a trust policy of yours",
            "throwaway-identity"
          )
        )
      }
      const keys = keysOf(options)
      const shared = keys.length > 0 ? Option.none() : yield* Effect.serviceOption(NetworkKeys.NetworkKeys)
      return {
        ...options,
        name: stored?.name ?? options.name,
        identity,
        obstacles: new Obstacles(Duration.toMillis(options.broadcastInterval)),
        // The options have been checked to have no more keys than there may be.
        keyRing: Option.isSome(shared) ? shared.value : yield* Effect.orDie(NetworkKeys.make(keys))
      }
    })
  )

const keysOf = ({ networkKey, networkKeys }: NodeOptions): ReadonlyArray<NetworkKey.NetworkKey> =>
  networkKeys ?? (networkKey === undefined ? [] : Array.isArray(networkKey) ? networkKey : [
    networkKey as NetworkKey.NetworkKey
  ])

/**
 * The network keys of the options as bytes, the one that encrypts first.
 *
 * @category conversions
 * @since 0.1.0
 */
export const networkKeys = (options: NodeOptions): ReadonlyArray<Redacted.Redacted<Uint8Array>> =>
  keysOf(options).map(NetworkKey.toBytes)

const listOf = (text: Redacted.Redacted<string>) =>
  Redacted.value(text).split(",").map((key) => Redacted.make(key.trim()))

/**
 * A variable that is set or not, and that may not be set to nothing: a secret that was not injected leaves its variable empty, and
 * taking that for "not set" would turn off what it is for. Nor may it be missing beside a longer name, such as one with `_FILE`, which
 * is meant to be read and is not. `unset` says what leaving it out means.
 *
 * @category config
 * @since 0.1.0
 */
export const variable: (name: string, unset: string) => Config.Config<Option.Option<Redacted.Redacted<string>>> =
  Variables.variable

/**
 * A variable that is set or not, and is read from its text, without spaces at its ends: what `read` gives `none` for is refused by a `ConfigError` that names the variable, what it is
 * set to, and what was `expected`. It is not for secrets.
 *
 * @category config
 * @since 0.2.0
 */
export const checkedVariable: <A>(
  name: string,
  expected: string,
  read: (text: string) => Option.Option<A>
) => Config.Config<Option.Option<A>> = Variables.checked

const optional = <A>(config: Config.Config<A>) => Config.option(config)

/**
 * The options from Effect `Config`: `PNET_NAME` (required), `PNET_NETWORK_ID`, `PNET_NETWORK_KEY` (one, or several
 * with commas), `PNET_NETWORK_KEYS` (in its place; several with commas, the first encrypts), `PNET_SERVER_PORT`, `PNET_ADVERTISE_PORT`, `PNET_BROADCAST_INTERVAL` (such as `2.5 seconds`), `PNET_BIND_IP`,
 * `PNET_PEERS` (`host:port` or `name:port`, with commas) and `PNET_ROLES` (with commas). What is not set has the option's default; what is set to
 * something else is a `ConfigError` that names the variable, its value, and what was expected. A network key that is set and
 * empty is an error: an empty variable is a secret that did not arrive. Give the result to a node's `layer`, with what else it should
 * have.
 *
 * @category config
 * @since 0.1.0
 */
export const config: Config.Config<Input> = Variables.seesSource(Config.map(
  Config.all({
    name: Config.mapEffect(
      optional(Config.String("PNET_NAME")),
      Option.match({
        onNone: () => Variables.refused("PNET_NAME", "PNET_NAME is not set, or empty, and every node needs a name"),
        onSome: Effect.succeed
      })
    ),
    networkId: optional(Config.String("PNET_NETWORK_ID")),
    networkKey: variable("PNET_NETWORK_KEY", "a network in clear"),
    networkKeys: variable("PNET_NETWORK_KEYS", "a network in clear"),
    serverPort: Variables.port("PNET_SERVER_PORT", 0),
    advertisePort: Variables.port("PNET_ADVERTISE_PORT", 1),
    broadcastInterval: Variables.span("PNET_BROADCAST_INTERVAL"),
    bindIp: optional(Config.String("PNET_BIND_IP")),
    peers: optional(Config.String("PNET_PEERS")),
    roles: optional(Config.String("PNET_ROLES"))
  }),
  ({ name, networkKey, networkKeys, peers, roles, ...rest }): Input => ({
    name,
    ...Object.fromEntries(
      Object.entries(rest).flatMap(([key, value]) => Option.isSome<unknown>(value) ? [[key, value.value]] : [])
    ),
    ...(Option.isSome(networkKey) ? { networkKey: listOf(networkKey.value) } : {}),
    ...(Option.isSome(networkKeys) ? { networkKeys: listOf(networkKeys.value) } : {}),
    ...(Option.isSome(peers) ? { peers: peers.value.split(",").map((peer) => peer.trim()) } : {}),
    ...(Option.isSome(roles) ? { roles: roles.value.split(",").map((role) => role.trim()) } : {})
  })
))
