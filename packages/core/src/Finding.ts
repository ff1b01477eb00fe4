/**
 * What is wrong with a machine or its network, or right, as `Diagnose` finds it: each kind has its fields, how bad it is, a message, and what
 * to do about it.
 *
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { quote } from "./internal/base/quote.ts"
import * as Mismatch from "./internal/wire/mismatch.ts"
import * as NetworkCipher from "./internal/wire/networkCipher.ts"
import * as PublicKey from "./PublicKey.ts"
import * as Why from "./Why.ts"

/**
 * How bad a finding is. `error`: nodes cannot find or reach each other until it is mended. `warning`: some cannot, or soon.
 * `info`: worth knowing. `ok`: this was tested, and works.
 *
 * @category models
 * @since 0.2.0
 */
export type Severity = "ok" | "info" | "warning" | "error"

/**
 * What every finding has besides its own fields.
 *
 * @category models
 * @since 0.2.0
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
 * @since 0.2.0
 */
export class InterfaceFound extends Schema.TaggedClass<InterfaceFound>("@pnet/core/Finding/InterfaceFound")(
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
 * @since 0.2.0
 */
export class NoInterface extends Schema.TaggedClass<NoInterface>("@pnet/core/Finding/NoInterface")("NoInterface", {
  bindIp: Schema.String,
  /** The addresses this machine has. */
  available: Schema.Array(Schema.String),
  /** `false` where no loopback interface is up either, and programs of this machine do not reach each other. */
  loopback: Schema.optionalKey(Schema.Boolean)
}) implements Described {
  get severity(): Severity {
    return "error"
  }
  get message() {
    if (this.loopback === false && this.bindIp.startsWith("127.")) {
      return `the loopback interface is not up, and nothing can be sent from or to ${this.bindIp}`
    }
    return this.bindIp === "0.0.0.0"
      ? this.loopback === false
        ? "no network interface is up, not even loopback"
        : "no network interface but loopback is up"
      : `no network interface that is up has the address ${this.bindIp}`
  }
  get remedy() {
    const [first] = this.available
    if (this.loopback === false && (first === undefined || this.bindIp.startsWith("127."))) {
      return this.bindIp === "0.0.0.0"
        ? "connect this machine to a network, or bring loopback up (on Linux: ip link set lo up) for nodes on this machine alone"
        : "bring it up (on Linux: ip link set lo up)"
    }
    return first === undefined
      ? "connect this machine to a network, or set bindIp to 127.0.0.1 for nodes on this machine alone"
      : `set bindIp to 0.0.0.0 for every interface, or to an address of this machine: ${this.available.join(", ")}`
  }
}

/**
 * The system did not tell its interfaces.
 *
 * @category findings
 * @since 0.2.0
 */
export class InterfacesUnreadable
  extends Schema.TaggedClass<InterfacesUnreadable>("@pnet/core/Finding/InterfacesUnreadable")(
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
 * @since 0.2.0
 */
export class NoBroadcastAddress extends Schema.TaggedClass<NoBroadcastAddress>("@pnet/core/Finding/NoBroadcastAddress")(
  "NoBroadcastAddress",
  { interface: Schema.String, address: Schema.String, prefixLength: Schema.Number }
) implements Described {
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
 * @since 0.2.0
 */
export class BroadcastNotUsed extends Schema.TaggedClass<BroadcastNotUsed>("@pnet/core/Finding/BroadcastNotUsed")(
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
 * @since 0.2.0
 */
export class BindSucceeded extends Schema.TaggedClass<BindSucceeded>("@pnet/core/Finding/BindSucceeded")(
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
 * @since 0.2.0
 */
export class PortInUse extends Schema.TaggedClass<PortInUse>("@pnet/core/Finding/PortInUse")("PortInUse", {
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
 * @since 0.2.0
 */
export class BindFailed extends Schema.TaggedClass<BindFailed>("@pnet/core/Finding/BindFailed")("BindFailed", {
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
 * @since 0.2.0
 */
export class BroadcastForbidden extends Schema.TaggedClass<BroadcastForbidden>("@pnet/core/Finding/BroadcastForbidden")(
  "BroadcastForbidden",
  { address: Schema.String, broadcast: Schema.String, port: Schema.Number }
) implements Described {
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
 * @since 0.2.0
 */
export class BroadcastFailed extends Schema.TaggedClass<BroadcastFailed>("@pnet/core/Finding/BroadcastFailed")(
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
 * @since 0.2.0
 */
export class BroadcastHeard extends Schema.TaggedClass<BroadcastHeard>("@pnet/core/Finding/BroadcastHeard")(
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
 * @since 0.2.0
 */
export class BroadcastNotHeard extends Schema.TaggedClass<BroadcastNotHeard>("@pnet/core/Finding/BroadcastNotHeard")(
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
    return this.broadcast === "127.255.255.255"
      ? "this system does not carry broadcasts on loopback, as macOS is not expected to: give the nodes of this machine a serverPort each " +
        "and list them in peers, as 127.0.0.1 and that port, or bind them to 0.0.0.0"
      : `allow incoming UDP to port ${this.port} in this machine's firewall, or list the other nodes' addresses in peers`
  }
}

/**
 * A node of this network.
 *
 * @category findings
 * @since 0.2.0
 */
export class PeerFound extends Schema.TaggedClass<PeerFound>("@pnet/core/Finding/PeerFound")("PeerFound", {
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
 * @since 0.2.0
 */
export class NoPeerFound extends Schema.TaggedClass<NoPeerFound>("@pnet/core/Finding/NoPeerFound")("NoPeerFound", {
  networkId: Schema.String,
  port: Schema.Number,
  listenedFor: Schema.Duration
}) implements Described {
  get severity(): Severity {
    return "info"
  }
  get message() {
    return `no node of network ${quote(this.networkId)} was heard within ${
      Number(Duration.toSeconds(this.listenedFor).toFixed(1))
    } s on UDP port ${this.port}`
  }
  get remedy() {
    return "if one is running: compare networkId and advertisePort, run this on its machine, and see whether the network carries broadcasts (guest Wi-Fi, clouds, containers and VPNs do not, and no route leads them to another subnet: list addresses in peers there)"
  }
}

/**
 * Nodes of other networks use the same advertise port. They do not disturb each other.
 *
 * @category findings
 * @since 0.2.0
 */
export class OtherNetworks extends Schema.TaggedClass<OtherNetworks>("@pnet/core/Finding/OtherNetworks")(
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
 * @since 0.2.0
 */
export class KeyMismatch extends Schema.TaggedClass<KeyMismatch>("@pnet/core/Finding/KeyMismatch")("KeyMismatch", {
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
 * @since 0.2.0
 */
export class SourceMismatch extends Schema.TaggedClass<SourceMismatch>("@pnet/core/Finding/SourceMismatch")(
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
 * @since 0.2.0
 */
export class PeerUnreachable extends Schema.TaggedClass<PeerUnreachable>("@pnet/core/Finding/PeerUnreachable")(
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
    const is = `${who} is ${this.peer === undefined ? "listed" : "heard"}`
    switch (this.kind) {
      case "Refused":
        return Why.see(`${is}, and no node listens there`, "cannot-connect")
      case "Timeout":
        return Why.see(`${is}, and does not answer over TCP`, "cannot-connect")
      default:
        return `${is} and not reached over TCP: ${this.detail}`
    }
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
 * @since 0.2.0
 */
export class HostNameResolved extends Schema.TaggedClass<HostNameResolved>("@pnet/core/Finding/HostNameResolved")(
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
 * @since 0.2.0
 */
export class HostNameUnresolved extends Schema.TaggedClass<HostNameUnresolved>("@pnet/core/Finding/HostNameUnresolved")(
  "HostNameUnresolved",
  { name: Schema.String, detail: Schema.String }
) implements Described {
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
 * @since 0.2.0
 */
export class NameShared extends Schema.TaggedClass<NameShared>("@pnet/core/Finding/NameShared")("NameShared", {
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
 * @since 0.2.0
 */
export class PeersHidden extends Schema.TaggedClass<PeersHidden>("@pnet/core/Finding/PeersHidden")("PeersHidden", {
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
 * @since 0.2.0
 */
export class NameTaken extends Schema.TaggedClass<NameTaken>("@pnet/core/Finding/NameTaken")("NameTaken", {
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
 * @since 0.2.0
 */
export class ClockAgrees extends Schema.TaggedClass<ClockAgrees>("@pnet/core/Finding/ClockAgrees")("ClockAgrees", {
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
 * @since 0.2.0
 */
export class ClockSkew extends Schema.TaggedClass<ClockSkew>("@pnet/core/Finding/ClockSkew")("ClockSkew", {
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
 * @since 0.2.0
 */
export class ClockNotCompared extends Schema.TaggedClass<ClockNotCompared>("@pnet/core/Finding/ClockNotCompared")(
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
 * @since 0.2.0
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
 * @since 0.2.0
 */
export type Finding = typeof Finding.Type
