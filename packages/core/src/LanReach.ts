/**
 * The usual way to reach peers: UDP adverts, and the addresses of the option `peers`, over TCP (protocol sections 1 and 7).
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Crypto } from "./Crypto.ts"
import * as Discovery from "./Discovery.ts"
import { parseListed } from "./internal/values/hostName.ts"
import { Network } from "./Network.ts"
import { NodeConfig } from "./NodeOptions.ts"
import * as Reach from "./Reach.ts"
import * as StaticDiscovery from "./StaticDiscovery.ts"
import * as TcpTransport from "./TcpTransport.ts"
import type { Transport } from "./Transport.ts"
import * as UdpDiscovery from "./UdpDiscovery.ts"

type Needs = Network | Transport | Crypto | NodeConfig

/** As the options ask for it: by UDP, unless `bindIp` is IPv6, and at the addresses of `peers`. */
const discovery: Layer.Layer<Discovery.Discovery, Discovery.DiscoveryError, Needs> = Layer.unwrap(
  Effect.map(NodeConfig, ({ bindIp, peers }): Layer.Layer<Discovery.Discovery, Discovery.DiscoveryError, Needs> => {
    const endpoints = peers.flatMap((text) => parseListed(text) ?? [])
    // Broadcasts are IPv4's.
    const byUdp = bindIp.includes(":") ? undefined : UdpDiscovery.layer
    const byAddress = StaticDiscovery.layer(endpoints)
    return byUdp === undefined ? byAddress : endpoints.length === 0 ? byUdp : Discovery.layerMerged(byUdp, byAddress)
  })
)

const parts = { transport: TcpTransport.layer, discovery }

/**
 * The LAN over a network.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (network: Network["Service"]): Reach.Reach["Service"] =>
  Reach.make("lan", parts, Context.make(Network, network))

/**
 * TCP on the options' `bindIp` and `serverPort`, with adverts by UDP broadcast where `bindIp` is an IPv4 address, and nodes at the
 * addresses and host names of `peers`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Reach.Reach, never, Network> = Layer.effect(Reach.Reach, Effect.map(Network, make))
