/**
 * Nodes find each other by UDP broadcasts (protocol section 7), without a word of configuration, within one subnet.
 *
 * @since 0.2.0
 */
import * as Layer from "effect/Layer"
import type { Crypto } from "./Crypto.ts"
import { Discovery, type DiscoveryError } from "./Discovery.ts"
import * as udpDiscovery from "./internal/discovery/udpDiscovery.ts"
import type { Network } from "./Network.ts"
import type { NodeConfig } from "./NodeOptions.ts"

/**
 * Adverts by UDP broadcast, on the interfaces that `bindIp` names.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Discovery, DiscoveryError, Network | Crypto | NodeConfig> = Layer.effect(
  Discovery,
  udpDiscovery.make()
)
