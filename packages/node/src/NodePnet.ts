/**
 * Everything a pnet node needs of Node, composed: real sockets, the LAN as the way to reach peers, native cryptography, and trust on
 * first use.
 *
 * ```ts
 * import { BasicNode } from "@pnet/core"
 * import { NodePnet } from "@pnet/node"
 * import { Layer } from "effect"
 *
 * const Alice = BasicNode.layer({ name: "alice" }).pipe(Layer.provide(NodePnet.layer))
 * ```
 *
 * What bites: with `layer` trust is remembered as long as the layer lives, and the node is another one at each start: peers that have
 * pinned its name refuse the next. `layerKeys(folder)` keeps a key for each node by its name, and `layerConfig` keys and trust in
 * files. Nodes that are given one layer in one process share its trust, as programs of one user share a known-hosts
 * file.
 *
 * @since 0.1.0
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import type { Crypto } from "@pnet/core/Crypto"
import * as Diagnose from "@pnet/core/Diagnose"
import type { Finding } from "@pnet/core/Finding"
import type { IdentityStore } from "@pnet/core/Identity"
import * as LanReach from "@pnet/core/LanReach"
import type { Network } from "@pnet/core/Network"
import * as NodeOptions from "@pnet/core/NodeOptions"
import type { Reach } from "@pnet/core/Reach"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as Trust from "@pnet/core/Trust"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Path } from "effect/Path"
import * as Redacted from "effect/Redacted"
import * as NodeCrypto from "./NodeCrypto.ts"
import * as NodeIdentity from "./NodeIdentity.ts"
import * as NodeNetwork from "./NodeNetwork.ts"
import * as NodeTrust from "./NodeTrust.ts"

/**
 * What Node supplies: sockets, the LAN over them as the way to reach peers, cryptography, and the files and paths that the modules of this package work with.
 *
 * @category models
 * @since 0.2.0
 */
export type Platform = Network | Reach | Crypto | FileSystem | Path

const platform: Layer.Layer<Platform> = Layer.mergeAll(
  Layer.provideMerge(LanReach.layer, NodeNetwork.layer),
  NodeCrypto.layer,
  NodeFileSystem.layer,
  NodePath.layer
)

/**
 * Sockets, cryptography, files and trust on first use.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Platform | Trust.Trust> = Layer.merge(platform, TofuTrust.layer())

/**
 * Sockets, cryptography and files, with a trust policy of your own, which may need them. Its nodes have new keys at every start: the option `trust` of `layerKeys` is the same
 * with keys that are kept.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithTrust = <E, R>(
  trust: Layer.Layer<Trust.Trust, E, R>
): Layer.Layer<Platform | Trust.Trust, E, Exclude<R, Platform>> => Layer.provideMerge(trust, platform)

/**
 * Options of `layerKeys`.
 *
 * @category models
 * @since 0.2.0
 */
export interface KeysOptions<E = never, R = never> extends NodeIdentity.HoldOptions {
  /** Whom its nodes trust, by a policy that may need what `layerWithTrust` gives it. Default: trust on first use. */
  readonly trust?: Layer.Layer<Trust.Trust, E, R> | undefined
}

/**
 * `layer`, with the identities of nodes kept in a folder, which is made where there is none: the node `alice` has the key in
 * `alice.key` there, is the same node at its next start, and is the only one that runs with that key; see `NodeIdentity.layerFolder`.
 *
 * ```ts
 * import { BasicNode } from "@pnet/core"
 * import { NodePnet } from "@pnet/node"
 * import { Layer } from "effect"
 *
 * const Alice = BasicNode.layer({ name: "alice" }).pipe(Layer.provide(NodePnet.layerKeys("keys")))
 * ```
 *
 * With `trust` it is `layerWithTrust` with kept keys: `NodePnet.layerKeys("keys", { trust: Trust.open(TofuTrust.layer()) })`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerKeys = <E = never, R = never>(
  folder: string,
  options?: KeysOptions<E, R>
): Layer.Layer<Platform | Trust.Trust | IdentityStore, E, Exclude<R, Platform>> => {
  const trust: Layer.Layer<Trust.Trust, E, R> = options?.trust ?? TofuTrust.layer()
  return Layer.provideMerge(NodeIdentity.layerFolder(folder, options), layerWithTrust(trust))
}

/**
 * `layer`, with what the environment says about files: `PNET_IDENTITY_FILE` has the node's identity and is made where there is none; or in
 * its place `PNET_IDENTITY_FOLDER` has one for each node by its name, see `NodeIdentity.layerFolder`;
 * `PNET_KNOWN_PEERS` has the peers that it has pinned, see `NodeTrust.layerKnownPeers`; or in its place `PNET_ALLOW_LIST` has those
 * that it trusts at all, see `NodeTrust.layerAllowListFile`. What is not set is as in `layer`; what is set and empty is an error.
 * Nodes that run at the same time need an identity each.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig: Layer.Layer<
  Platform | Trust.Trust,
  Config.ConfigError | NodeOptions.OptionsError | NodeIdentity.IdentityFileError | NodeTrust.TrustFileError
> = Layer.unwrap(
  Effect.gen(function*() {
    const file = (name: string, unset: string) =>
      Config.map(NodeOptions.variable(name, unset), Option.map(Redacted.value))
    const { allowList, folder, identity, knownPeers } = yield* Config.all({
      folder: file("PNET_IDENTITY_FOLDER", "an identity that ends with the process"),
      identity: file("PNET_IDENTITY_FILE", "an identity that ends with the process"),
      knownPeers: file("PNET_KNOWN_PEERS", "pins that end with the process"),
      allowList: file("PNET_ALLOW_LIST", "trust on first use")
    })
    if (Option.isSome(knownPeers) && Option.isSome(allowList)) {
      return yield* new NodeOptions.OptionsError({ issue: "expected only one of PNET_KNOWN_PEERS and PNET_ALLOW_LIST" })
    }
    if (Option.isSome(identity) && Option.isSome(folder)) {
      return yield* new NodeOptions.OptionsError({
        issue: "expected only one of PNET_IDENTITY_FILE and PNET_IDENTITY_FOLDER"
      })
    }
    const trust = Option.isSome(allowList)
      ? NodeTrust.layerAllowListFile(allowList.value)
      : Option.isSome(knownPeers)
      ? NodeTrust.layerKnownPeers(knownPeers.value)
      : TofuTrust.layer()
    // A node takes the identity that is in its context, if there is one.
    const who = Option.isSome(identity)
      ? NodeIdentity.layerFile(identity.value)
      : Option.isSome(folder)
      ? NodeIdentity.layerFolder(folder.value)
      : Layer.empty
    return Layer.provideMerge(Layer.merge(trust, who), platform)
  })
)

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
): Effect.Effect<ReadonlyArray<Finding>, NodeOptions.OptionsError> =>
  Effect.provide(Diagnose.run(options), diagnoseLayer)

const diagnoseLayer: Layer.Layer<Network | Crypto> = Layer.mergeAll(NodeNetwork.layer, NodeCrypto.layer)
