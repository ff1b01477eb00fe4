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
import * as Diagnose from "@pnet/core/Diagnose"
import type { Network } from "@pnet/core/Network"
import type { OptionsError } from "@pnet/core/NodeOptions"
import * as Trust from "@pnet/core/Trust"
import * as Effect from "effect/Effect"
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

/**
 * Tests this machine and its network with the options that a node is to have, and says what is wrong and what to do about it: see
 * `Diagnose` of `@pnet/core`. It can be run before a node starts and beside one that runs, and ends by itself, by default within
 * six seconds.
 *
 * ```ts
 * const findings = yield* NodePnet.diagnose({ name: "alice", bindIp: "0.0.0.0" })
 * yield* Console.log(Diagnose.format(findings))
 * ```
 *
 * @category diagnosis
 * @since 0.1.0
 */
export const diagnose = (
  options?: Diagnose.Options
): Effect.Effect<ReadonlyArray<Diagnose.Finding>, OptionsError> => Effect.provide(Diagnose.run(options), diagnoseLayer)

const diagnoseLayer: Layer.Layer<Network | Crypto> = Layer.mergeAll(NodeNetwork.layer, NodeCrypto.layer)
