/**
 * The peers of a node as a table in memory, which adverts fill and which asks those that fall silent.
 *
 * @since 0.2.0
 */
import * as Layer from "effect/Layer"
import type { Crypto } from "./Crypto.ts"
import type { Discovery } from "./Discovery.ts"
import * as peerTable from "./internal/peers/peerTable.ts"
import type { NodeConfig } from "./NodeOptions.ts"
import { Peers } from "./Peers.ts"
import type { Transport } from "./Transport.ts"
import type { Trust } from "./Trust.ts"

/**
 * The table over whatever `Discovery` sees, judged by `Trust`. Silent peers are asked through `Transport`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Peers, never, Discovery | Transport | Trust | Crypto | NodeConfig> = Layer.effect(
  Peers,
  peerTable.make()
)
