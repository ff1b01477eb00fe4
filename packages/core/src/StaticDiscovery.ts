/**
 * Nodes find each other at addresses and host names that they are given (protocol section 7), across subnets and where nothing may
 * be broadcast.
 *
 * @since 0.2.0
 */
import * as Layer from "effect/Layer"
import type { Crypto } from "./Crypto.ts"
import { Discovery } from "./Discovery.ts"
import * as staticDiscovery from "./internal/discovery/staticDiscovery.ts"
import type { Endpoint, Network } from "./Network.ts"
import type { NodeConfig } from "./NodeOptions.ts"
import type { Transport } from "./Transport.ts"

/**
 * Nodes at known addresses: each is asked for its name and key over TCP, at once and then every broadcast interval, or every fourth where
 * its node is heard anyhow, by broadcasts or a session that is used. A `host` may be
 * a host name: it stands for every address that it has, at most `limits.addressesPerName`, and is resolved again every four intervals,
 * or every interval while it does not resolve. What it had last is asked until there is a new answer.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  addresses: ReadonlyArray<Endpoint>
): Layer.Layer<Discovery, never, Network | Transport | Crypto | NodeConfig> =>
  Layer.effect(Discovery, staticDiscovery.make(addresses))
