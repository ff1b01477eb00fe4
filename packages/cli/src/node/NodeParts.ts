/**
 * What a node of the command is made of: sockets and cryptography of the machine, the key of a name, and whom it trusts. Tests have others, of a
 * simulated network.
 */
import type { Authority } from "@pnet/core"
import type { Crypto, KeyPair } from "@pnet/core/Crypto"
import type { Network } from "@pnet/core/Network"
import type { NetworkKey } from "@pnet/core/NetworkKey"
import type { Reach } from "@pnet/core/Reach"
import type { Trust } from "@pnet/core/Trust"
import type { NodeIdentity, NodeTrust } from "@pnet/node"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Problem } from "../errors.ts"
import type { Settings } from "../settings/Settings.ts"

/** The key of a name is in use, by another process of this machine. */
export class KeyHeldError
  extends Schema.TaggedError<KeyHeldError>("@pnet/cli/node/NodeParts/KeyHeldError")("KeyHeldError", {
    name: Schema.String,
    /** The process that has it, and since when, as ISO 8601 in UTC, where that is known. */
    holder: Schema.optionalKey(Schema.Struct({ pid: Schema.Int, since: Schema.String }))
  })
{
  override get message() {
    return `the node ${JSON.stringify(this.name)} runs already on this machine${
      this.holder === undefined ? "" : `: process ${this.holder.pid} has its key since ${this.holder.since}`
    }; two processes must not run with one key`
  }
}

/** Why a part of a node cannot be had. */
export type PartError =
  | Problem
  | KeyHeldError
  | NodeIdentity.IdentityFileError
  | NodeTrust.TrustFileError
  | Authority.AuthorityError

/** The parts of a node. */
export class NodeParts extends Context.Service<NodeParts, {
  /** Sockets, ways to reach peers, and cryptography. */
  readonly machine: Layer.Layer<Network | Reach | Crypto>
  /** The key of a name, held until the scope closes. It waits `patience` for another process to let go of it. */
  readonly hold: (
    name: string,
    settings: Settings["Service"],
    patience: Duration.Input
  ) => Effect.Effect<KeyPair, PartError, Scope.Scope>
  /** The network's keys, as the settings say. */
  readonly networkKeys: (settings: Settings["Service"]) => Effect.Effect<ReadonlyArray<NetworkKey>, PartError>
  /** The trust policy. */
  readonly trust: (settings: Settings["Service"]) => Layer.Layer<Trust, PartError, Crypto>
  /** How many small files are read and written at once, where the files are those of the system. */
  readonly files: Layer.Layer<never>
}>()("@pnet/cli/node/NodeParts") {}
