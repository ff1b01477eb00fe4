/** What the layers for Node give, need and can fail with, exactly. The compiler checks it: nothing here is run. */
// What must not compile is expected to be TypeScript's own error; the Effect diagnostics would report it a second time.
// @effect-diagnostics missingEffectContext:off floatingEffect:off
import {
  AnyTrust,
  BasicNode,
  type Crypto,
  type Identity,
  type Network,
  type Peers,
  type Reach,
  Trust
} from "@pnet/core"
import { NodeCrypto, NodeIdentity, NodeNetwork, NodePnet, NodeTrust } from "@pnet/node"
import { Effect, type FileSystem, Layer, type Path, type Scope } from "effect"
import { expectTypeOf } from "vitest"

expectTypeOf<NodePnet.Platform>().toEqualTypeOf<
  Network.Network | Reach.Reach | Crypto.Crypto | FileSystem.FileSystem | Path.Path
>()
expectTypeOf(NodePnet.layer).toEqualTypeOf<Layer.Layer<NodePnet.Platform | Trust.Trust>>()
expectTypeOf(NodeNetwork.layer).toEqualTypeOf<Layer.Layer<Network.Network>>()
expectTypeOf(NodeCrypto.layer).toEqualTypeOf<Layer.Layer<Crypto.Crypto>>()

// A trust policy with an error and a need of its own keeps them, but for what Node supplies.
declare const trust: Layer.Layer<Trust.Trust, "no known peers", FileSystem.FileSystem | "a database">
expectTypeOf(NodePnet.layerWithTrust(trust)).toEqualTypeOf<
  Layer.Layer<NodePnet.Platform | Trust.Trust, "no known peers", "a database">
>()
expectTypeOf(NodePnet.layerWithTrust(AnyTrust.layer)).toEqualTypeOf<
  Layer.Layer<NodePnet.Platform | Trust.Trust>
>()

// Nothing is left to provide, and starting is all that can go wrong.
expectTypeOf(BasicNode.layer({ name: "alice" }).pipe(Layer.provide(NodePnet.layer))).toEqualTypeOf<
  Layer.Layer<BasicNode.BasicNode | Peers.Peers, BasicNode.StartError>
>()

expectTypeOf(NodeIdentity.fromFile("alice.key")).toEqualTypeOf<
  Effect.Effect<
    Crypto.KeyPair,
    NodeIdentity.IdentityFileError,
    Crypto.Crypto | FileSystem.FileSystem | Path.Path
  >
>()
expectTypeOf(NodeIdentity.holdFile("alice.key")).toEqualTypeOf<
  Effect.Effect<
    Crypto.KeyPair,
    NodeIdentity.IdentityFileError,
    Crypto.Crypto | FileSystem.FileSystem | Path.Path | Scope.Scope
  >
>()
expectTypeOf(NodePnet.layerKeys("keys")).toEqualTypeOf<
  Layer.Layer<NodePnet.Platform | Trust.Trust | Identity.IdentityStore>
>()
const byList = NodeTrust.layerAllowListFile("peers")
expectTypeOf(NodePnet.layerKeys("keys", { trust: byList })).toEqualTypeOf<
  Layer.Layer<NodePnet.Platform | Trust.Trust | Identity.IdentityStore, Layer.Error<typeof byList>>
>()
expectTypeOf(BasicNode.layer({ name: "alice" }).pipe(Layer.provide(NodePnet.layerKeys("keys")))).toEqualTypeOf<
  Layer.Layer<BasicNode.BasicNode | Peers.Peers, BasicNode.StartError>
>()
expectTypeOf(NodeIdentity.layerFile("alice.key")).toEqualTypeOf<
  Layer.Layer<
    Identity.Identity,
    NodeIdentity.IdentityFileError,
    Crypto.Crypto | FileSystem.FileSystem | Path.Path
  >
>()
expectTypeOf<NodeIdentity.IdentityFileError["reason"]["_tag"]>().toEqualTypeOf<
  | "IdentityFileExposed"
  | "IdentityFileInUse"
  | "IdentityFileMalformed"
  | "IdentityFileMissing"
  | "IdentityFileUnusable"
>()

expectTypeOf(NodeTrust.layerKnownPeers("known_peers")).toEqualTypeOf<
  Layer.Layer<Trust.Trust, NodeTrust.TrustFileError, FileSystem.FileSystem | Path.Path>
>()
expectTypeOf(NodeTrust.layerAllowListFile("allowed")).toEqualTypeOf<
  Layer.Layer<Trust.Trust, NodeTrust.TrustFileError, FileSystem.FileSystem>
>()
expectTypeOf<NodeTrust.TrustFileError["reason"]["_tag"]>().toEqualTypeOf<
  "TrustFileMalformed" | "TrustFileExposed" | "TrustFileMissing" | "TrustFileUnusable"
>()

// @ts-expect-error: the path is a text
NodeIdentity.fromFile(new URL("file:///alice.key"))

// What the modules of this package need, its layer brings.
Effect.runFork(NodeIdentity.fromFile("alice.key").pipe(Effect.scoped, Effect.provide(NodePnet.layer)))
const withTrustInFiles = NodePnet.layerWithTrust(NodeTrust.layerKnownPeers("known_peers"))
expectTypeOf(withTrustInFiles).toEqualTypeOf<Layer.Layer<NodePnet.Platform | Trust.Trust, NodeTrust.TrustFileError>>()
