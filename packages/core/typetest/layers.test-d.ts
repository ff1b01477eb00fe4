/**
 * What each public layer gives, needs and can fail with, exactly. The compiler checks it: nothing here is run. A change of a
 * requirement or an error is then a change of this file.
 */
import {
  AllowListTrust,
  AnyTrust,
  type Authority,
  AuthorityTrust,
  BasicNode,
  type Crypto,
  Discovery,
  Identity,
  LanReach,
  type Network,
  NetworkKey,
  NodeOptions,
  Peers,
  PeerTable,
  Reach,
  StaticDiscovery,
  TcpTransport,
  TofuTrust,
  type Transport,
  Trust,
  UdpDiscovery
} from "@pnet/core"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import { type Effect, Layer, type Scope } from "effect"
import { expectTypeOf } from "vitest"

type Out<L> = L extends Layer.Layer<infer A, infer _E, infer _R> ? A : never
type Err<L> = L extends Layer.Layer<infer _A, infer E, infer _R> ? E : never
type In<L> = L extends Layer.Layer<infer _A, infer _E, infer R> ? R : never

/** The services that every host supplies: `NodePnet.layer`, or a simulated host with cryptography and trust. */
type Host = Reach.Reach | Crypto.Crypto | Trust.Trust

// --- BasicNode -------------------------------------------------------------------------------------------------------

const node = BasicNode.layer({ name: "alice" })
expectTypeOf<Out<typeof node>>().toEqualTypeOf<BasicNode.BasicNode | Peers.Peers>()
expectTypeOf<Err<typeof node>>().toEqualTypeOf<
  NodeOptions.OptionsError | Network.ListenError | Discovery.DiscoveryError | Reach.ReachError
>()
expectTypeOf<Err<typeof node>>().toEqualTypeOf<BasicNode.StartError>()
expectTypeOf<In<typeof node>>().toEqualTypeOf<Host>()

const made = BasicNode.make({ name: "alice" })
expectTypeOf(made).toEqualTypeOf<
  Effect.Effect<BasicNode.BasicNode["Service"], BasicNode.StartError, Host | Scope.Scope>
>()

// --- how nodes reach each other --------------------------------------------------------------------------------------

expectTypeOf(LanReach.layer).toEqualTypeOf<Layer.Layer<Reach.Reach, never, Network.Network>>()

declare const hubTransport: Layer.Layer<
  Transport.Transport,
  "no hub",
  "a hub" | NodeOptions.NodeConfig | Crypto.Crypto
>
declare const hubDiscovery: Layer.Layer<Discovery.Discovery, "no registry", "a registry" | Transport.Transport>

// What each node has itself, and what one part is to the other, nobody else has to give. How it fails shows when a node opens it.
const hub = Reach.layer("hub", { transport: hubTransport, discovery: hubDiscovery })
expectTypeOf(hub).toEqualTypeOf<Layer.Layer<Reach.Reach, never, "a hub" | "a registry">>()

declare const broker: Layer.Layer<Reach.Reach, "not authorised", "credentials">
expectTypeOf(Reach.merge(LanReach.layer, hub, broker)).toEqualTypeOf<
  Layer.Layer<Reach.Reach, "not authorised", Network.Network | "a hub" | "a registry" | "credentials">
>()
expectTypeOf(node.pipe(Layer.provide(Reach.merge(LanReach.layer, broker)))).toEqualTypeOf<
  Layer.Layer<
    BasicNode.BasicNode | Peers.Peers,
    BasicNode.StartError | "not authorised",
    Network.Network | "credentials" | Crypto.Crypto | Trust.Trust
  >
>()

expectTypeOf(Reach.layerOpen).toEqualTypeOf<
  Layer.Layer<
    Reach.Ways | Transport.Transport | Discovery.Discovery,
    Discovery.DiscoveryError | Reach.ReachError,
    Reach.Reach | NodeOptions.NodeConfig | Crypto.Crypto
  >
>()

// @ts-expect-error: ways are at least one
Reach.merge()

// --- the layers under it ---------------------------------------------------------------------------------------------

expectTypeOf(PeerTable.layer).toEqualTypeOf<
  Layer.Layer<
    Peers.Peers,
    never,
    Discovery.Discovery | Transport.Transport | Trust.Trust | Crypto.Crypto | NodeOptions.NodeConfig
  >
>()

expectTypeOf(UdpDiscovery.layer).toEqualTypeOf<
  Layer.Layer<
    Discovery.Discovery,
    Discovery.DiscoveryError,
    Network.Network | Crypto.Crypto | NodeOptions.NodeConfig
  >
>()

const byAddress = StaticDiscovery.layer([{ host: "127.0.0.1", port: 4000 }])
expectTypeOf(byAddress).toEqualTypeOf<
  Layer.Layer<
    Discovery.Discovery,
    never,
    Network.Network | Transport.Transport | Crypto.Crypto | NodeOptions.NodeConfig
  >
>()

// Merged: the errors and needs of both, and nothing else.
const merged = Discovery.layerMerged(UdpDiscovery.layer, byAddress)
expectTypeOf(merged).toEqualTypeOf<
  Layer.Layer<
    Discovery.Discovery,
    Discovery.DiscoveryError,
    Network.Network | Crypto.Crypto | NodeOptions.NodeConfig | Transport.Transport
  >
>()

expectTypeOf(TcpTransport.layer).toEqualTypeOf<
  Layer.Layer<Transport.Transport, never, Network.Network | NodeOptions.NodeConfig>
>()

expectTypeOf(NodeOptions.layer({ name: "alice" })).toEqualTypeOf<
  Layer.Layer<NodeOptions.NodeConfig, NodeOptions.OptionsError, Crypto.Crypto>
>()

expectTypeOf(AnyTrust.layer).toEqualTypeOf<Layer.Layer<Trust.Trust>>()
expectTypeOf(TofuTrust.layer()).toEqualTypeOf<Layer.Layer<Trust.Trust>>()
expectTypeOf(AllowListTrust.layer([])).toEqualTypeOf<Layer.Layer<Trust.Trust>>()
expectTypeOf(AuthorityTrust.layer("ed25519:", { networkId: "home" })).toEqualTypeOf<
  Layer.Layer<Trust.Trust | AuthorityTrust.AuthorityTrust, Authority.AuthorityError, Crypto.Crypto>
>()
// What a policy gives besides is there still, where it grants everything.
expectTypeOf(Trust.open(AuthorityTrust.layer("ed25519:", { networkId: "home" }))).toEqualTypeOf<
  Layer.Layer<Trust.Trust | AuthorityTrust.AuthorityTrust, Authority.AuthorityError, Crypto.Crypto>
>()
expectTypeOf(PortableCrypto.layer).toEqualTypeOf<Layer.Layer<Crypto.Crypto>>()
expectTypeOf(Identity.layerGenerate).toEqualTypeOf<Layer.Layer<Identity.Identity, never, Crypto.Crypto>>()
expectTypeOf(NetworkKey.generate).toEqualTypeOf<Effect.Effect<NetworkKey.NetworkKey, never, Crypto.Crypto>>()
