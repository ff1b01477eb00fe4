/**
 * Everything a pnet node needs of Node, composed: real sockets, native cryptography, and trust on first use.
 *
 * ```ts
 * import { BasicNode } from "@pnet/core"
 * import { NodePnet } from "@pnet/node"
 * import { Layer } from "effect"
 *
 * const Alice = BasicNode.layer({ name: "alice" }).pipe(Layer.provide(NodePnet.layer))
 * ```
 *
 * What bites: trust is remembered as long as the layer lives. Nodes that are given this one layer in one process share it, as
 * programs of one user share a known-hosts file.
 *
 * @since 0.1.0
 */
import type { Crypto } from "@pnet/core/Crypto"
import type { Network } from "@pnet/core/Network"
import * as Trust from "@pnet/core/Trust"
import * as Layer from "effect/Layer"
import * as NodeCrypto from "./NodeCrypto.ts"
import * as NodeNetwork from "./NodeNetwork.ts"

/**
 * Sockets, cryptography and trust on first use.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Network | Crypto | Trust.Trust> = Layer.mergeAll(
  NodeNetwork.layer,
  NodeCrypto.layer,
  Trust.layerTofu()
)

/**
 * Sockets and cryptography, with a trust policy of your own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithTrust = <E, R>(
  trust: Layer.Layer<Trust.Trust, E, R>
): Layer.Layer<Network | Crypto | Trust.Trust, E, R> => Layer.mergeAll(NodeNetwork.layer, NodeCrypto.layer, trust)
