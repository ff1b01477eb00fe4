/**
 * The sessions of a node, dialled and accepted, each shared by everything that talks to its peer.
 *
 * @since 0.2.0
 */
import type * as Layer from "effect/Layer"
import type { Crypto } from "./Crypto.ts"
import * as sessions from "./internal/session/sessions.ts"
import type { NodeConfig } from "./NodeOptions.ts"
import type { Peers } from "./Peers.ts"
import type { Sessions } from "./Sessions.ts"
import type { Transport } from "./Transport.ts"
import type { Trust } from "./Trust.ts"

/**
 * Sessions over `Transport`, with the peers and the trust of the node.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Sessions, never, Transport | Peers | Trust | Crypto | NodeConfig> = sessions.layer
