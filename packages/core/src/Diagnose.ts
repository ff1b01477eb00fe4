/**
 * Why nodes do not find each other: tests of this machine and of its network, each with a typed finding that says what to do.
 *
 * It can be run before a node starts, and beside one that runs. It opens what a node would open, broadcasts an advert that says
 * "leaving" under a key of its own, which no node enters in its table, listens for a while to the adverts of others, and asks
 * those it heard, and the addresses of `peers`, for theirs over TCP. It ends by itself, by default within six seconds, and eight
 * where no name server answers.
 *
 * ```ts
 * const findings = yield* Diagnose.run({ name: "alice", bindIp: "0.0.0.0" })
 * yield* Console.log(Diagnose.format(findings))
 * ```
 *
 * What bites: what a firewall or an access point between two machines drops cannot be told from a machine that is off. Run it
 * on both. Clocks can be compared on a network with a key only, where adverts carry the time, in whole seconds.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Advert from "./Advert.ts"
import { Crypto, type KeyPair } from "./Crypto.ts"
import { quote } from "./internal/base/quote.ts"
import * as Udp from "./internal/discovery/udpDiscovery.ts"
import { isNamed, parseListed } from "./internal/values/hostName.ts"
import * as AdvertExchange from "./internal/wire/advertExchange.ts"
import * as Mismatch from "./internal/wire/mismatch.ts"
import * as NetworkCipher from "./internal/wire/networkCipher.ts"
import { type Endpoint, type InterfacesError, Network, ResolveError } from "./Network.ts"
import * as NodeOptions from "./NodeOptions.ts"
import * as Packet from "./Packet.ts"
import * as PublicKey from "./PublicKey.ts"
import * as TcpTransport from "./TcpTransport.ts"
import * as Transport from "./Transport.ts"

/**
 * How bad a finding is. `error`: nodes cannot find or reach each other until it is mended. `warning`: some cannot, or soon.
 * `info`: worth knowing. `ok`: this was tested, and works.
 *
 * @category models
 * @since 0.1.0
 */
export type Severity = "ok" | "info" | "warning" | "error"

/**
 * What every finding has besides its own fields.
 *
 * @category models
 * @since 0.1.0
 */
export interface Described {
  readonly severity: Severity
  /** What was found. */
  readonly message: string
  /** What to do about it; empty where there is nothing to do. */
  readonly remedy: string
}

const transportProtocol = Schema.Literals(["UDP", "TCP"])
const seconds = (value: number) => `${value} second${value === 1 ? "" : "s"}`

/**
 * An interface that adverts go out on.
 *
 * @category findings
 * @since 0.1.0
 */
export class InterfaceFound extends Schema.TaggedClass<InterfaceFound>("@pnet/core/Diagnose/InterfaceFound")(
  "InterfaceFound",
  { interface: Schema.String, address: Schema.String, broadcast: Schema.String }
) implements Described {
  get severity(): Severity {
    return "ok"
  }
  get message() {
    return `${this.interface} has the address ${this.address} and broadcasts to ${this.broadcast}`
  }
  get remedy() {
    return ""
  }
}

/**
 * No interface that is up is the one that `bindIp` asks for.
 *
 * @category findings
 * @since 0.1.0
 */
export class NoInterface extends Schema.TaggedClass<NoInterface>("@pnet/core/Diagnose/NoInterface")("NoInterface", {
  bindIp: Schema.String,
  /** The addresses this machine has. */
  available: Schema.Array(Schema.String)
}) implements Described {
  get severity(): Severity {
    return "error"
  }
  get message() {
    return this.bindIp === "0.0.0.0"
      ? "no network interface but loopback is up"
      : `no network interface that is up has the address ${this.bindIp}`
  }
  get remedy() {
    const [first] = this.available
    return first === undefined
      ? "connect this machine to a network, or set bindIp to 127.0.0.1 for nodes on this machine alone"
      : `set bindIp to 0.0.0.0 for every interface, or to an address of this machine: ${this.available.join(", ")}`
  }
}

/**
 * The system did not tell its interfaces.
 *
 * @category findings
 * @since 0.1.0
 */
export class InterfacesUnreadable
  extends Schema.TaggedClass<InterfacesUnreadable>("@pnet/core/Diagnose/InterfacesUnreadable")(
    "InterfacesUnreadable",
    { detail: Schema.String }
  )
  implements Described
{
  get severity(): Severity {
    return "error"
  }
  get message() {
    return this.detail
  }
  get remedy() {
    return "let the process read network interfaces (a sandbox may forbid netlink sockets), or set bindIp to 127.0.0.1"
  }
}

/**
 * An interface whose network has no broadcast address, such as a tunnel's.
 *
 * @category findings
 * @since 0.1.0
 */
export class NoBroadcastAddress
  extends Schema.TaggedClass<NoBroadcastAddress>("@pnet/core/Diagnose/NoBroadcastAddress")(
    "NoBroadcastAddress",
    { interface: Schema.String, address: Schema.String, prefixLength: Schema.Number }
  )
  implements Described
{
  get severity(): Severity {
    return "warning"
  }
  get message() {
    return `${this.interface} (${this.address}/${this.prefixLength}) is a network of ${
      this.prefixLength === 32 ? "one address" : "two addresses"
    }, as tunnels are, and carries no broadcasts`
  }
  get remedy() {
    return "list the addresses of the nodes behind it in peers"
  }
}

/**
 * Nodes bound to IPv6 do not broadcast.
 *
 * @category findings
 * @since 0.1.0
 */
export class BroadcastNotUsed extends Schema.TaggedClass<BroadcastNotUsed>("@pnet/core/Diagnose/BroadcastNotUsed")(
  "BroadcastNotUsed",
  { bindIp: Schema.String, peers: Schema.Number }
) implements Described {
  get severity(): Severity {
    return this.peers === 0 ? "error" : "info"
  }
  get message() {
    return `bindIp ${this.bindIp} is IPv6, which has no broadcasts: only the ${this.peers} addresses in peers are asked`
  }
  get remedy() {
    return this.peers === 0 ? "list the addresses of the other nodes in peers" : ""
  }
}

/**
 * A socket could be opened where a node would open it.
 *
 * @category findings
 * @since 0.1.0
 */
export class BindSucceeded extends Schema.TaggedClass<BindSucceeded>("@pnet/core/Diagnose/BindSucceeded")(
  "BindSucceeded",
  { protocol: transportProtocol, address: Schema.String, port: Schema.Number }
) implements Described {
  get severity(): Severity {
    return "ok"
  }
  get message() {
    return this.port === 0
      ? `any free ${this.protocol} port on ${this.address} can be opened`
      : `${this.protocol} port ${this.port} on ${this.address} can be opened`
  }
  get remedy() {
    return ""
  }
}

/**
 * Another program holds a port.
 *
 * @category findings
 * @since 0.1.0
 */
export class PortInUse extends Schema.TaggedClass<PortInUse>("@pnet/core/Diagnose/PortInUse")("PortInUse", {
  protocol: transportProtocol,
  address: Schema.String,
  port: Schema.Number
}) implements Described {
  get severity(): Severity {
    return "error"
  }
  get message() {
    return `${this.protocol} port ${this.port} on ${this.address} is in use`
  }
  get remedy() {
    return this.protocol === "TCP"
      ? "stop the program that holds it (it may be this node, already running), or choose another serverPort; 0 takes any free one"
      : "stop the program that holds it without sharing it, or use another advertisePort on the whole network"
  }
}

/**
 * A socket could not be opened where a node would open it.
 *
 * @category findings
 * @since 0.1.0
 */
export class BindFailed extends Schema.TaggedClass<BindFailed>("@pnet/core/Diagnose/BindFailed")("BindFailed", {
  protocol: transportProtocol,
  address: Schema.String,
  port: Schema.Number,
  kind: Schema.Literals(["AddressNotAvailable", "PermissionDenied", "Unknown"]),
  detail: Schema.String
}) implements Described {
  get severity(): Severity {
    return "error"
  }
  get message() {
    return `${
      this.port === 0 ? `any ${this.protocol} port` : `${this.protocol} port ${this.port}`
    } on ${this.address} cannot be opened: ${this.detail}`
  }
  get remedy() {
    switch (this.kind) {
      case "AddressNotAvailable":
        return "set bindIp to an address that this machine has, or to 0.0.0.0"
      case "PermissionDenied":
        return "use a port above 1023, or let the process open it (a sandbox or a security policy may forbid it)"
      case "Unknown":
        return "see the system's own message"
    }
  }
}

/**
 * The system refuses to send broadcasts.
 *
 * @category findings
 * @since 0.1.0
 */
export class BroadcastForbidden
  extends Schema.TaggedClass<BroadcastForbidden>("@pnet/core/Diagnose/BroadcastForbidden")(
    "BroadcastForbidden",
    { address: Schema.String, broadcast: Schema.String, port: Schema.Number }
  )
  implements Described
{
  get severity(): Severity {
    return "error"
  }
  get message() {
    return `the system forbids broadcasts from ${this.address} to ${this.broadcast}`
  }
  get remedy() {
    return `allow outgoing UDP to port ${this.port} (a firewall rule, a container or a VPN forbids it), or list the other nodes' addresses in peers`
  }
}

/**
 * A broadcast could not be sent, for another reason than that it is forbidden.
 *
 * @category findings
 * @since 0.1.0
 */
export class BroadcastFailed extends Schema.TaggedClass<BroadcastFailed>("@pnet/core/Diagnose/BroadcastFailed")(
  "BroadcastFailed",
  { address: Schema.String, broadcast: Schema.String, detail: Schema.String }
) implements Described {
  get severity(): Severity {
    return "error"
  }
  get message() {
    return `a broadcast from ${this.address} to ${this.broadcast} failed: ${this.detail}`
  }
  get remedy() {
    return "see whether the interface is connected and has a route to its own network, or list the other nodes' addresses in peers"
  }
}

/**
 * This machine heard its own broadcast.
 *
 * @category findings
 * @since 0.1.0
 */
export class BroadcastHeard extends Schema.TaggedClass<BroadcastHeard>("@pnet/core/Diagnose/BroadcastHeard")(
  "BroadcastHeard",
  { address: Schema.String, broadcast: Schema.String }
) implements Described {
  get severity(): Severity {
    return "ok"
  }
  get message() {
    return `a broadcast from ${this.address} to ${this.broadcast} came back to this machine`
  }
  get remedy() {
    return ""
  }
}

/**
 * This machine sent a broadcast and did not hear it itself.
 *
 * @category findings
 * @since 0.1.0
 */
export class BroadcastNotHeard extends Schema.TaggedClass<BroadcastNotHeard>("@pnet/core/Diagnose/BroadcastNotHeard")(
  "BroadcastNotHeard",
  { address: Schema.String, broadcast: Schema.String, port: Schema.Number }
) implements Described {
  get severity(): Severity {
    return "warning"
  }
  get message() {
    return `a broadcast from ${this.address} to ${this.broadcast} was sent and not heard by this machine itself`
  }
  get remedy() {
    return `allow incoming UDP to port ${this.port} in this machine's firewall, or list the other nodes' addresses in peers`
  }
}

/**
 * A node of this network.
 *
 * @category findings
 * @since 0.1.0
 */
export class PeerFound extends Schema.TaggedClass<PeerFound>("@pnet/core/Diagnose/PeerFound")("PeerFound", {
  peer: Schema.String,
  publicKey: PublicKey.PublicKey,
  /** Where it listens, as `host:port`. */
  address: Schema.String,
  via: Schema.Literals(["broadcast", "static"])
}) implements Described {
  get severity(): Severity {
    return "ok"
  }
  get message() {
    return `${quote(this.peer)} (${PublicKey.fingerprint(this.publicKey)}) answers at ${this.address}${
      this.via === "broadcast" ? ", and its adverts are heard" : ""
    }`
  }
  get remedy() {
    return ""
  }
}

/**
 * No node of this network was found.
 *
 * @category findings
 * @since 0.1.0
 */
export class NoPeerFound extends Schema.TaggedClass<NoPeerFound>("@pnet/core/Diagnose/NoPeerFound")("NoPeerFound", {
  networkId: Schema.String,
  port: Schema.Number,
  listenedFor: Schema.Duration
}) implements Described {
  get severity(): Severity {
    return "info"
  }
  get message() {
    return `no node of network ${quote(this.networkId)} was heard within ${
      Duration.format(this.listenedFor)
    } on UDP port ${this.port}`
  }
  get remedy() {
    return "if one is running: compare networkId and advertisePort, run this on its machine, and see whether the network carries broadcasts (guest Wi-Fi, clouds, containers and VPNs do not, and no route leads them to another subnet: list addresses in peers there)"
  }
}

/**
 * Nodes of other networks use the same advertise port. They do not disturb each other.
 *
 * @category findings
 * @since 0.1.0
 */
export class OtherNetworks extends Schema.TaggedClass<OtherNetworks>("@pnet/core/Diagnose/OtherNetworks")(
  "OtherNetworks",
  { networkId: Schema.String, others: Schema.Array(Schema.String) }
) implements Described {
  get severity(): Severity {
    return "info"
  }
  get message() {
    return `adverts of other networks are heard: ${this.others.map(quote).join(", ")}`
  }
  get remedy() {
    return `a node that is missing may have another networkId than ${quote(this.networkId)}; they are compared as bytes`
  }
}

/**
 * A node of this network and this node cannot read each other.
 *
 * - `OtherKey`: it uses a network key that is not among those given here
 * - `PeerEncrypts`: it uses a network key, and none is given here
 * - `PeerInClear`: it uses none, and one is given here
 *
 * @category findings
 * @since 0.1.0
 */
export class KeyMismatch extends Schema.TaggedClass<KeyMismatch>("@pnet/core/Diagnose/KeyMismatch")("KeyMismatch", {
  kind: Schema.Literals(["OtherKey", "PeerEncrypts", "PeerInClear"]),
  networkId: Schema.String,
  source: Schema.String
}) implements Described {
  get severity(): Severity {
    return "error"
  }
  get message() {
    return `a node of network ${quote(this.networkId)} at ${this.source} ${Mismatch.keyText(this.kind)}`
  }
  get remedy() {
    return Mismatch.sameKeyRemedy
  }
}

/**
 * A node advertises another address than its adverts come from, and is not entered for that.
 *
 * @category findings
 * @since 0.1.0
 */
export class SourceMismatch extends Schema.TaggedClass<SourceMismatch>("@pnet/core/Diagnose/SourceMismatch")(
  "SourceMismatch",
  { peer: Schema.String, advertised: Schema.String, source: Schema.String }
) implements Described {
  get severity(): Severity {
    return "warning"
  }
  get message() {
    return `${
      quote(this.peer)
    } advertises ${this.advertised}, and its adverts come from ${this.source}: they are dropped`
  }
  get remedy() {
    return Mismatch.translatedRemedy
  }
}

/**
 * A node that was heard, or is listed in `peers`, could not be asked over TCP, or answered that it cannot talk to this one.
 *
 * - `Refused`, `Timeout`, `Unreachable`, `Unknown`: there was no connection
 * - `NoAnswer`: what is there does not answer as nodes do
 * - `AnotherNode`: another node than the one that was heard answers
 * - `OtherNetwork`: it belongs to another network
 * - `OtherKey`: it has another network key, or one of the two has none, or the clocks differ by over a minute
 *
 * @category findings
 * @since 0.1.0
 */
export class PeerUnreachable extends Schema.TaggedClass<PeerUnreachable>("@pnet/core/Diagnose/PeerUnreachable")(
  "PeerUnreachable",
  {
    /** Its name; absent where only its address is known. */
    peer: Schema.optionalKey(Schema.String),
    address: Schema.String,
    /** The host name in `peers` that has this address, if it is one. */
    listedAs: Schema.optionalKey(Schema.String),
    kind: Schema.Literals([
      "Refused",
      "Timeout",
      "Unreachable",
      "NoAnswer",
      "AnotherNode",
      "OtherNetwork",
      "OtherKey",
      "Unknown"
    ]),
    detail: Schema.String,
    /** Whether a node answers at another address of the same host name. Default `false`. */
    othersAnswer: Schema.optionalKey(Schema.Boolean)
  }
) implements Described {
  get severity(): Severity {
    return this.othersAnswer === true && this.kind !== "OtherKey" && this.kind !== "OtherNetwork" ? "warning" : "error"
  }
  get message() {
    const place = this.listedAs === undefined ? this.address : `${this.address} (${this.listedAs})`
    const who = this.peer === undefined ? `the peer at ${place}` : `${quote(this.peer)} at ${place}`
    if (this.kind === "OtherNetwork") return `${who} belongs to another network`
    if (this.kind === "OtherKey") return `${who} and a node with these options cannot read each other`
    return `${who} is ${this.peer === undefined ? "listed" : "heard"} and not reached over TCP: ${this.detail}`
  }
  get remedy() {
    switch (this.kind) {
      case "NoAnswer":
        return "see what listens there: it is no node, or one that is too busy or closing"
      case "AnotherNode":
        return "another node has taken that address and port since"
      case "OtherNetwork":
        return Mismatch.sameIdRemedy
      case "OtherKey":
        return `${Mismatch.sameKeyRemedy}; and ${Mismatch.clockRemedy}`
      default:
        return Mismatch.dialRemedy(this.kind)
    }
  }
}

/**
 * A host name in `peers` has addresses.
 *
 * @category findings
 * @since 0.1.0
 */
export class HostNameResolved extends Schema.TaggedClass<HostNameResolved>("@pnet/core/Diagnose/HostNameResolved")(
  "HostNameResolved",
  { name: Schema.String, addresses: Schema.Array(Schema.String) }
) implements Described {
  get severity(): Severity {
    return "ok"
  }
  get message() {
    const [first, ...more] = this.addresses
    return `the host name ${this.name} has ${
      more.length === 0 ? `the address ${first}` : `${this.addresses.length} addresses: ${this.addresses.join(", ")}`
    }`
  }
  get remedy() {
    return ""
  }
}

/**
 * A host name in `peers` has no address, as far as this machine can find out.
 *
 * @category findings
 * @since 0.1.0
 */
export class HostNameUnresolved
  extends Schema.TaggedClass<HostNameUnresolved>("@pnet/core/Diagnose/HostNameUnresolved")(
    "HostNameUnresolved",
    { name: Schema.String, detail: Schema.String }
  )
  implements Described
{
  get severity(): Severity {
    return "error"
  }
  get message() {
    return this.detail
  }
  get remedy() {
    return Mismatch.nameRemedy
  }
}

/**
 * Several nodes of this network have one name, and nobody chooses between them.
 *
 * @category findings
 * @since 0.1.0
 */
export class NameShared extends Schema.TaggedClass<NameShared>("@pnet/core/Diagnose/NameShared")("NameShared", {
  name: Schema.String,
  /** How many they are. */
  count: Schema.Number,
  /** The first eight of them, each with its key and address. */
  nodes: Schema.Array(Schema.Struct({ publicKey: PublicKey.PublicKey, address: Schema.String }))
}) implements Described {
  get severity(): Severity {
    return "error"
  }
  get message() {
    return `${this.count} nodes are called ${quote(this.name)}: ${
      this.nodes.map(({ address, publicKey }) => `${PublicKey.fingerprint(publicKey)} at ${address}`).join(", ")
    }`
  }
  get remedy() {
    return "give each a name of its own; where it is one node that was started anew, let it keep its key (NodeIdentity.layerFile), and stop the old one"
  }
}

/**
 * More nodes are heard from one address than a node with these options enters in its table.
 *
 * @category findings
 * @since 0.1.0
 */
export class PeersHidden extends Schema.TaggedClass<PeersHidden>("@pnet/core/Diagnose/PeersHidden")("PeersHidden", {
  address: Schema.String,
  /** How many were heard. */
  heard: Schema.Number,
  /** The bound, by its name in `limits`, and what it is. */
  limit: Schema.Literals(["unprovedPerAddress", "unprovedPerOwnAddress", "unprovedPeers"]),
  bound: Schema.Number
}) implements Described {
  get severity(): Severity {
    return "warning"
  }
  get message() {
    const where = this.limit === "unprovedPeers" ? "" : ` at ${this.address}`
    return `${this.heard} nodes${where} are heard, and a node knows ${this.bound}${where} that have proved nothing: the others are hidden from it`
  }
  get remedy() {
    return `raise limits.${this.limit} on every node`
  }
}

/**
 * Another node of this network has the name.
 *
 * @category findings
 * @since 0.1.0
 */
export class NameTaken extends Schema.TaggedClass<NameTaken>("@pnet/core/Diagnose/NameTaken")("NameTaken", {
  name: Schema.String,
  publicKey: PublicKey.PublicKey,
  address: Schema.String,
  /** Whether it also has the key of the `identity` that was given. */
  sameKey: Schema.Boolean
}) implements Described {
  get severity(): Severity {
    return "error"
  }
  get message() {
    return `the name ${quote(this.name)} is in use at ${this.address}, by ${
      this.sameKey ? "a node with this very key" : PublicKey.fingerprint(this.publicKey)
    }`
  }
  get remedy() {
    return this.sameKey
      ? "this node is running already; or its identity file was copied, and each machine needs one of its own"
      : "choose another name, or stop the node that has it; if it is this node, already running, all is well"
  }
}

/**
 * The clocks of the nodes that were found and of this machine agree.
 *
 * @category findings
 * @since 0.1.0
 */
export class ClockAgrees extends Schema.TaggedClass<ClockAgrees>("@pnet/core/Diagnose/ClockAgrees")("ClockAgrees", {
  /** How many nodes it was compared with. */
  peers: Schema.Number,
  /** The largest difference, in seconds. */
  seconds: Schema.Number
}) implements Described {
  get severity(): Severity {
    return "ok"
  }
  get message() {
    return `this machine's clock is within ${seconds(Math.max(1, this.seconds))} of ${this.peers} other node${
      this.peers === 1 ? "'s" : "s'"
    }`
  }
  get remedy() {
    return ""
  }
}

/**
 * A node's clock and this machine's differ. Beyond 60 seconds nodes do not understand each other.
 *
 * @category findings
 * @since 0.1.0
 */
export class ClockSkew extends Schema.TaggedClass<ClockSkew>("@pnet/core/Diagnose/ClockSkew")("ClockSkew", {
  peer: Schema.String,
  address: Schema.String,
  /** How far its clock is ahead of this machine's, in seconds; below zero where it is behind. Give or take one. */
  seconds: Schema.Number
}) implements Described {
  get severity(): Severity {
    return Math.abs(this.seconds) >= NetworkCipher.timeToLive ? "error" : "warning"
  }
  get message() {
    return Mismatch.clockText(this.peer, this.address, this.seconds)
  }
  get remedy() {
    return Mismatch.clockRemedy
  }
}

/**
 * Clocks could not be compared.
 *
 * @category findings
 * @since 0.1.0
 */
export class ClockNotCompared extends Schema.TaggedClass<ClockNotCompared>("@pnet/core/Diagnose/ClockNotCompared")(
  "ClockNotCompared",
  { reason: Schema.Literals(["NoNetworkKey", "NoPeer"]) }
) implements Described {
  get severity(): Severity {
    return "info"
  }
  get message() {
    return this.reason === "NoPeer"
      ? "clocks were not compared: no node was heard"
      : "clocks were not compared: without a network key adverts carry no time. Messages of a BasicNode need clocks within 60 seconds all the same"
  }
  get remedy() {
    return ""
  }
}

/**
 * Everything that can be found.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Finding = Schema.Union([
  InterfaceFound,
  NoInterface,
  InterfacesUnreadable,
  NoBroadcastAddress,
  BroadcastNotUsed,
  BindSucceeded,
  PortInUse,
  BindFailed,
  BroadcastForbidden,
  BroadcastFailed,
  BroadcastHeard,
  BroadcastNotHeard,
  PeerFound,
  NoPeerFound,
  OtherNetworks,
  KeyMismatch,
  SourceMismatch,
  PeerUnreachable,
  HostNameResolved,
  HostNameUnresolved,
  NameTaken,
  NameShared,
  PeersHidden,
  ClockAgrees,
  ClockSkew,
  ClockNotCompared
])

/**
 * Something that was found.
 *
 * @category models
 * @since 0.1.0
 */
export type Finding = typeof Finding.Type

/**
 * What is tested: the options that the node is to have, of which `name` may be left out, and then is not looked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<NodeOptions.Input, "name"> {
  readonly name?: string | undefined
  /** How long adverts are listened for. Default: a broadcast interval and a quarter of one, which is when each node has spoken. */
  readonly listenFor?: Duration.Input | undefined
}

// Nobody waits longer than this for one node's answer.
const askTimeout = Duration.seconds(2)
// A name that does not resolve is no reason to wait for ever.
const resolveTimeout = Duration.seconds(2)
const addressesShown = 16
// What any number of strangers can make this remember, and of them ask; and how many nodes of one name are shown.
const peersKept = 2_048
const peersAsked = 64
const sharingShown = 8
const othersKept = 16
// Beyond this much the minute that is allowed is soon used up. Timestamps are whole seconds.
const skewNoted = 10
// A node says the same when it starts: one that is lost does not matter then.
const sends = [0, 100, 300]

interface Heard {
  readonly name: string
  readonly publicKey: PublicKey.PublicKey
  readonly endpoint: Endpoint
  readonly via: "broadcast" | "static"
  /** Where its advert came from, and whether that is this machine. */
  readonly source: string
  readonly local: boolean
  /** How far its clock is ahead, in seconds. */
  readonly skew: number | undefined
}

/**
 * Tests this machine and its network with the options of a node. What is wrong with them is an `OptionsError`; everything
 * else is a finding, in the order in which it was tested.
 *
 * @category combinators
 * @since 0.1.0
 */
export const run = (
  options: Options = {}
): Effect.Effect<ReadonlyArray<Finding>, NodeOptions.OptionsError, Network | Crypto> =>
  Effect.gen(function*() {
    const { listenFor, name, ...rest } = options
    const config = yield* NodeOptions.make({ ...rest, name: name ?? "diagnose" })
    const network = yield* Network
    const crypto = yield* Crypto
    const clock = yield* Clock.Clock
    const { advertisePort, bindIp, limits, networkId } = config
    const listening = listenFor === undefined
      ? Duration.times(config.broadcastInterval, 1.25)
      : Duration.fromInputUnsafe(listenFor)
    const keys = NodeOptions.networkKeys(config)
    // A key of its own, so that no node takes it for one that it knows.
    const identity: KeyPair = crypto.generateKeyPair()
    const self: AdvertExchange.Self = {
      networkId,
      name: config.name,
      identity,
      cipher: NetworkCipher.make({ crypto, clock, networkId, keys })
    }
    const findings: Array<Finding> = []
    const find = (finding: Finding) => void findings.push(finding)
    const nowMillis = () => clock.currentTimeMillisUnsafe()

    // --- what was heard ------------------------------------------------------------------------------------------------

    const heard = new Map<PublicKey.PublicKey, Heard>()
    const otherNetworks = new Set<string>()
    const mismatches = new Map<string, KeyMismatch>()
    const elsewhere = new Map<PublicKey.PublicKey, SourceMismatch>()
    const ownAddresses = new Set<string>()
    let listened = false
    /** Addresses whose own broadcast came back. */
    const returned = new Set<string>()

    const enter = (one: Heard) => {
      if (heard.size >= peersKept || heard.has(one.publicKey)) return
      heard.set(one.publicKey, one)
    }

    /** The text of an advert, whatever its age; `undefined` after a finding that says why there is none. */
    const open = (packet: Packet.Packet, source: string) => {
      const opened = self.cipher.open(packet)
      if (Result.isSuccess(opened)) {
        const { text, timestamp } = opened.success
        return { text, skew: timestamp === undefined ? undefined : Mismatch.skewOf(timestamp, nowMillis()) }
      }
      const mismatch = Mismatch.mismatchOf(crypto, keys, packet, nowMillis())
      if (mismatch === undefined) return undefined
      if (mismatch._tag !== "Clock") {
        if (mismatches.size < othersKept) {
          mismatches.set(source, new KeyMismatch({ kind: mismatch._tag, networkId, source }))
        }
        return undefined
      }
      // However old its token is: that is what is wanted. It was made for this packet.
      const aged = NetworkCipher.openAtAnyAge(crypto, keys, packet, nowMillis())
      return aged === undefined || aged === "moved" ? undefined : { text: aged.text, skew: mismatch.seconds }
    }

    const onDatagram = (datagram: DatagramSocket.Datagram, subnet: Udp.Target | undefined) => {
      const decoded = Packet.decode(datagram.payload, { types: ["adv"], maxLength: Packet.maxDatagramLength })
      if (Result.isFailure(decoded)) return
      const packet = decoded.success
      const source: Endpoint = { host: NetAddress.formatIp(datagram.address.address), port: datagram.address.port }
      if (packet.publicKey === identity.publicKey) return void returned.add(source.host)
      if (subnet !== undefined && !Udp.sameSubnet(subnet.address, source.host, subnet.prefixLength)) return
      if (packet.networkId !== networkId) {
        if (otherNetworks.size < othersKept) otherNetworks.add(packet.networkId)
        return
      }
      const opened = open(packet, source.host)
      if (opened === undefined || packet.publicKey === null) return
      const advert = Advert.decode(opened.text)
      // Whoever leaves is no longer there to be asked.
      if (Result.isFailure(advert) || advert.success.port === 0) return
      const { host, name, port } = advert.success
      if (config.checkAdvertSource && host !== source.host) {
        if (elsewhere.size < othersKept) {
          elsewhere.set(
            packet.publicKey,
            new SourceMismatch({ peer: name, advertised: host, source: source.host })
          )
        }
        return
      }
      enter({
        name,
        publicKey: packet.publicKey,
        endpoint: { host, port },
        via: "broadcast",
        source: source.host,
        local: Udp.isLoopback(source.host) || ownAddresses.has(source.host),
        skew: opened.skew
      })
    }

    const hear = (reader: DatagramSocket.Reader, subnet: Udp.Target | undefined) =>
      Effect.forever(
        Effect.map(reader.pull, (datagrams) => {
          for (const datagram of datagrams) onDatagram(datagram, subnet)
        })
      ).pipe(Effect.ignore)

    // --- opening -------------------------------------------------------------------------------------------------------

    const cannotOpen = (protocol: "UDP" | "TCP", address: string, port: number, kind: string, cause: unknown) =>
      find(
        kind === "AddressInUse" || kind === "PortInUse"
          ? new PortInUse({ protocol, address, port })
          : new BindFailed({
            protocol,
            address,
            port,
            kind: kind === "AddressNotAvailable" || kind === "PermissionDenied" ? kind : "Unknown",
            detail: cause instanceof Error ? cause.message : kind
          })
      )

    const openFailed = (address: string, port: number) => (failure: DatagramSocket.DatagramSocketError) =>
      Effect.sync(() => {
        const { reason } = failure
        cannotOpen(
          "UDP",
          address,
          port,
          reason._tag === "DatagramSocketOpenError" ? reason.kind : "Unknown",
          "cause" in reason ? reason.cause : failure
        )
        return undefined
      })

    const findTargets = Effect.gen(function*(): Effect.fn.Return<ReadonlyArray<Udp.Target>, InterfacesError> {
      if (Udp.isLoopback(bindIp)) {
        const target = Udp.loopbackTarget(bindIp)
        find(new InterfaceFound({ interface: "loopback", address: bindIp, broadcast: target.broadcast }))
        return [target]
      }
      const all = yield* network.interfaces
      for (const { address } of all) ownAddresses.add(address)
      const chosen = Udp.selected(bindIp, all)
      if (chosen.length === 0) {
        find(
          new NoInterface({
            bindIp,
            available: all.filter((one) => one.family === "IPv4" && !one.loopback).map(({ address }) => address)
          })
        )
      }
      for (const one of chosen) {
        find(
          Udp.hasBroadcast(one)
            ? new InterfaceFound({ interface: one.name, address: one.address, broadcast: one.broadcast })
            : new NoBroadcastAddress({
              interface: one.name,
              address: one.address,
              prefixLength: one.prefixLength
            })
        )
      }
      return chosen.filter(Udp.hasBroadcast)
    }).pipe(
      Effect.catch((error) =>
        Effect.sync((): ReadonlyArray<Udp.Target> => {
          find(new InterfacesUnreadable({ detail: error.message }))
          return []
        })
      )
    )

    /** Broadcasts from an interface; whether it could. */
    const broadcast = (target: Udp.Target) =>
      Effect.gen(function*() {
        const socket = yield* network.datagram({
          address: target.address,
          port: 0,
          broadcast: true,
          capacity: limits.datagrams
        })
        const reader = yield* socket.reader
        const writer = yield* socket.writer
        yield* Effect.forkScoped(hear(reader, undefined))
        const payload = AdvertExchange.packet(self, { host: target.address, port: 0 })
        const address = NetAddress.inetAddressFromIpStringUnsafe(target.broadcast, advertisePort)
        for (const [i, at] of sends.entries()) {
          yield* Effect.sleep(at - (sends[i - 1] ?? 0))
          yield* writer.write({ payload, address })
        }
        return true
      }).pipe(
        Effect.catch((failure) =>
          Effect.sync(() => {
            const { reason } = failure
            const { address, broadcast } = target
            const cause = "cause" in reason ? reason.cause : failure
            if (reason._tag === "DatagramSocketOpenError") cannotOpen("UDP", address, 0, reason.kind, cause)
            else if (reason._tag === "DatagramSocketWriteError" && reason.kind === "PermissionDenied") {
              find(new BroadcastForbidden({ address, broadcast, port: advertisePort }))
            } else {
              find(
                new BroadcastFailed({
                  address,
                  broadcast,
                  detail: cause instanceof Error ? cause.message : failure.message
                })
              )
            }
            return false
          })
        )
      )

    const byBroadcast = Effect.gen(function*() {
      const targets = yield* findTargets
      const [first] = targets
      if (first === undefined) return
      const target = bindIp === "0.0.0.0" ? undefined : first
      const where = target?.broadcast ?? "0.0.0.0"
      const shared = yield* Effect.catch(
        Udp.openShared(network, { target, port: advertisePort, capacity: limits.datagrams }),
        openFailed(where, advertisePort)
      )
      if (shared !== undefined) {
        find(new BindSucceeded({ protocol: "UDP", address: where, port: advertisePort }))
        listened = true
        yield* Effect.forkScoped(hear(shared.reader, shared.subnet), { startImmediately: true })
      }
      const [sent] = yield* Effect.all([
        Effect.forEach(targets, (target) => Effect.map(broadcast(target), (could) => could ? [target] : []), {
          concurrency: "unbounded"
        }),
        listened ? Effect.sleep(listening) : Effect.void
      ], { concurrency: 2 })
      if (!listened) return
      for (const { address, broadcast } of sent.flat()) {
        find(
          returned.has(address)
            ? new BroadcastHeard({ address, broadcast })
            : new BroadcastNotHeard({ address, broadcast, port: advertisePort })
        )
      }
    }).pipe(Effect.scoped)

    // --- asking --------------------------------------------------------------------------------------------------------

    const transport = TcpTransport.make(network, { bindIp, serverPort: config.serverPort, dialTimeout: askTimeout })

    const listen = Effect.scoped(transport.listen).pipe(
      Effect.match({
        onFailure: (error) => cannotOpen("TCP", error.host, error.port, error.kind, error.cause),
        onSuccess: () => find(new BindSucceeded({ protocol: "TCP", address: bindIp, port: config.serverPort }))
      })
    )

    /** Asks an address for its advert, under a port that says that nobody is to be entered for it. */
    const ask = (to: Endpoint) =>
      AdvertExchange.exchange(transport, self, { host: bindIp, port: 0 }, to, { clock, timeout: askTimeout }).pipe(
        Effect.timeoutOrElse({
          duration: Duration.times(askTimeout, 1.25),
          orElse: () => Effect.fail(new Transport.DialError({ kind: "Timeout", ...to }))
        }),
        Effect.mapError((error): { readonly kind: PeerUnreachable["kind"]; readonly detail: string } => ({
          kind: error._tag === "DialError"
            ? error.kind
            : error._tag === "ProtocolError" && error.code === "ERR_NETWORK_INCORRECT"
            ? "OtherNetwork"
            : error._tag === "ProtocolError" && error.code === "ERR_NET_DECRYPTION_FAILED"
            ? "OtherKey"
            : "NoAnswer",
          detail: error.message
        }))
      )

    const unreachable = (
      one: { readonly peer?: string; readonly listedAs?: string; readonly othersAnswer?: boolean },
      to: Endpoint,
      failure: { readonly kind: PeerUnreachable["kind"]; readonly detail: string }
    ) => find(new PeerUnreachable({ ...one, address: Advert.formatEndpoint(to), ...failure }))

    /** The addresses of what is listed: its own, or those of its name. */
    const addressesOf = ({ host, port }: Endpoint) =>
      !isNamed({ host, port }) ? Effect.succeed([{ host, port }]) : network.resolve(host).pipe(
        Effect.timeoutOrElse({
          duration: resolveTimeout,
          orElse: () => Effect.fail(new ResolveError({ kind: "Unavailable", name: host }))
        }),
        Effect.match({
          onFailure: (error) => {
            find(new HostNameUnresolved({ name: host, detail: error.message }))
            return []
          },
          onSuccess: (found) => {
            const addresses = [...new Set(found)].sort().slice(0, limits.addressesPerName)
            find(new HostNameResolved({ name: host, addresses: addresses.slice(0, addressesShown) }))
            return addresses.map((address): Endpoint => ({ host: address, port }))
          }
        })
      )

    const askListed = Effect.forEach(
      config.peers.flatMap((text) => parseListed(text) ?? []),
      (listed) =>
        Effect.gen(function*() {
          const endpoints = yield* addressesOf(listed)
          const answers = yield* Effect.forEach(
            endpoints,
            (to) => Effect.map(Effect.result(ask(to)), (answer) => [to, answer] as const),
            { concurrency: peersAsked }
          )
          const othersAnswer = answers.some(([, answer]) => Result.isSuccess(answer))
          return () => {
            for (const [to, answer] of answers) {
              if (Result.isFailure(answer)) {
                unreachable(isNamed(listed) ? { listedAs: listed.host, othersAnswer } : {}, to, answer.failure)
                continue
              }
              const { advert, publicKey, timestamp } = answer.success
              const skew = timestamp === undefined ? undefined : Mismatch.skewOf(timestamp, nowMillis())
              enter({ name: advert.name, publicKey, endpoint: to, via: "static", source: to.host, local: true, skew })
            }
          }
        }),
      { concurrency: "unbounded" }
    )

    const askHeard = Effect.suspend(() =>
      Effect.forEach([...heard.values()].slice(0, peersAsked), (one) => {
        const found = () =>
          find(
            new PeerFound({
              peer: one.name,
              publicKey: one.publicKey,
              address: Advert.formatEndpoint(one.endpoint),
              via: one.via
            })
          )
        // It has just been asked; or its clock is off, and then it would not answer.
        if (one.via === "static" || Math.abs(one.skew ?? 0) >= NetworkCipher.timeToLive) {
          return Effect.succeed(one.via === "static" ? found : () => {})
        }
        return Effect.map(Effect.result(ask(one.endpoint)), (answer) => () => {
          if (Result.isFailure(answer)) unreachable({ peer: one.name }, one.endpoint, answer.failure)
          else if (answer.success.publicKey !== one.publicKey) {
            unreachable({ peer: one.name }, one.endpoint, {
              kind: "AnotherNode",
              detail: `${quote(answer.success.advert.name)} answers there`
            })
          } else found()
        })
      }, { concurrency: "unbounded" })
    )

    // --- in order ------------------------------------------------------------------------------------------------------

    yield* listen
    const ipv6 = bindIp.includes(":")
    if (ipv6) find(new BroadcastNotUsed({ bindIp, peers: config.peers.length }))
    const [listed] = yield* Effect.all([askListed, ipv6 ? Effect.void : byBroadcast], { concurrency: 2 })
    for (const tell of listed) tell()
    for (const tell of yield* askHeard) tell()
    if (heard.size === 0 && listened) {
      find(new NoPeerFound({ networkId, port: advertisePort, listenedFor: listening }))
    }
    for (const finding of [...mismatches.values(), ...elsewhere.values()]) find(finding)
    if (otherNetworks.size > 0) find(new OtherNetworks({ networkId, others: [...otherNetworks].sort() }))
    const taken = [...heard.values()].filter((one) =>
      name !== undefined && one.name === name || one.publicKey === config.identity?.publicKey
    )
    for (const one of taken.slice(0, othersKept)) {
      find(
        new NameTaken({
          name: one.name,
          publicKey: one.publicKey,
          address: Advert.formatEndpoint(one.endpoint),
          sameKey: one.publicKey === config.identity?.publicKey
        })
      )
    }
    const byName = new Map<string, Array<Heard>>()
    const bySource = new Map<string, Array<Heard>>()
    for (const one of heard.values()) {
      byName.set(one.name, [...byName.get(one.name) ?? [], one])
      // What is listed is found whatever the bounds.
      if (one.via === "broadcast") bySource.set(one.source, [...bySource.get(one.source) ?? [], one])
    }
    for (const [name, sharing] of [...byName].filter(([, all]) => all.length > 1).slice(0, othersKept)) {
      const nodes = sharing.slice(0, sharingShown).map(({ endpoint, publicKey }) => ({
        publicKey,
        address: Advert.formatEndpoint(endpoint)
      }))
      find(new NameShared({ name, count: sharing.length, nodes }))
    }
    for (const [address, there] of [...bySource].sort(([, a], [, b]) => b.length - a.length).slice(0, othersKept)) {
      const limit = there[0]!.local ? "unprovedPerOwnAddress" as const : "unprovedPerAddress" as const
      if (there.length > limits[limit]) {
        find(new PeersHidden({ address, heard: there.length, limit, bound: limits[limit] }))
      }
    }
    if (heard.size > limits.unprovedPeers) {
      find(new PeersHidden({ address: "", heard: heard.size, limit: "unprovedPeers", bound: limits.unprovedPeers }))
    }
    const compared = [...heard.values()].filter((one) => one.skew !== undefined)
    const apart = compared.filter(({ skew = 0 }) => Math.abs(skew) >= skewNoted)
    for (const { endpoint, name, skew = 0 } of apart.slice(0, peersAsked)) {
      find(new ClockSkew({ peer: name, address: Advert.formatEndpoint(endpoint), seconds: skew }))
    }
    const agreeing = compared.map(({ skew = 0 }) => Math.abs(skew)).filter((skew) => skew < skewNoted)
    if (agreeing.length > 0) find(new ClockAgrees({ peers: agreeing.length, seconds: Math.max(...agreeing) }))
    if (compared.length === 0) {
      find(new ClockNotCompared({ reason: keys.length === 0 ? "NoNetworkKey" : "NoPeer" }))
    }
    return findings
  })

const order: ReadonlyArray<Severity> = ["ok", "info", "warning", "error"]

/**
 * The worst severity among findings; `ok` where there are none.
 *
 * @category combinators
 * @since 0.1.0
 */
export const worst = (findings: ReadonlyArray<Finding>): Severity =>
  findings.reduce<Severity>(
    (worst, { severity }) => order.indexOf(severity) > order.indexOf(worst) ? severity : worst,
    "ok"
  )

/**
 * Findings as text, a line each, and under it what to do.
 *
 * @category conversions
 * @since 0.1.0
 */
export const format = (findings: ReadonlyArray<Finding>): string =>
  findings.flatMap(({ message, remedy, severity }) => [
    `${severity.padEnd(7)}  ${message}`,
    ...(remedy === "" ? [] : [`${" ".repeat(7)}  > ${remedy}`])
  ]).join("\n")
