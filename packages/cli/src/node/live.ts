/**
 * The parts of a node on this machine.
 */
import type { Crypto, KeyPair } from "@pnet/core/Crypto"
import * as LanReach from "@pnet/core/LanReach"
import { NodeName } from "@pnet/core/Packet"
import type { Trust } from "@pnet/core/Trust"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as NodeIdentity from "@pnet/node/NodeIdentity"
import * as NodeNetwork from "@pnet/node/NodeNetwork"
import * as NodeTrust from "@pnet/node/NodeTrust"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import * as Stdio from "effect/Stdio"
import { Problem } from "../errors.ts"
import { Machine, placesOf } from "../machine.ts"
import type { Settings } from "../settings/Settings.ts"
import { makeFolder } from "./makeFolder.ts"
import * as NetworkKeys from "./networkKeys.ts"
import { KeyHeldError, NodeParts, type PartError } from "./NodeParts.ts"

const machine = Layer.mergeAll(Layer.provideMerge(LanReach.layer, NodeNetwork.layer), NodeCrypto.layer)

/** Who runs with a key: what a process leaves beside it, to be named by the next. */
const Holder = Schema.fromJsonString(Schema.Struct({ pid: Schema.Int, since: Schema.String }))

const usage = (what: string, hint: string) => new Problem({ exit: "usage", what, hint })

/** The trust policy of the settings. */
const trustOf = (
  { sources, values }: Settings["Service"]
): Layer.Layer<Trust, PartError, Crypto | FileSystem.FileSystem | Path.Path> => {
  const { allowList, authority, certificate, knownPeers, network } = values
  if (allowList !== undefined && authority !== undefined) {
    return Layer.unwrap(Effect.fail(usage(
      `there is one trust policy, and not both ${sources.allowList.where} and ${sources.authority.where}`,
      "leave one of them out"
    )))
  }
  if (authority !== undefined) {
    return NodeTrust.layerAuthority(authority, {
      networkId: network,
      ...(certificate === undefined ? {} : { certificateFile: certificate })
    })
  }
  return allowList === undefined ? NodeTrust.layerKnownPeers(knownPeers) : NodeTrust.layerAllowListFile(allowList)
}

/** The parts of a node on this machine. */
export const layer: Layer.Layer<
  NodeParts,
  never,
  FileSystem.FileSystem | Path.Path | Machine | Stdio.Stdio | ChildProcessSpawner
> = Layer.effect(
  NodeParts,
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const me = yield* Machine
    const context = yield* Effect.context<
      FileSystem.FileSystem | Path.Path | Machine | Stdio.Stdio | ChildProcessSpawner
    >()
    let keys: ReturnType<NodeParts["Service"]["networkKeys"]> | undefined
    const running = `${placesOf(me).state}/running`
    const fileOf = (key: string) => paths.join(running, `${paths.basename(key)}.json`)

    const holderOf = (key: string) =>
      fs.readFileString(fileOf(key)).pipe(
        Effect.flatMap(Schema.decodeUnknownEffect(Holder)),
        Effect.orElseSucceed(() => undefined)
      )
    // It only helps people: where it cannot be written, nothing else fails.
    const leave = Effect.fnUntraced(function*(key: string) {
      const since = DateTime.formatIso(yield* DateTime.now)
      yield* Effect.ignore(Effect.provideContext(makeFolder(running), context))
      const text = yield* Effect.orDie(Schema.encodeEffect(Holder)({ pid: me.pid, since }))
      yield* Effect.ignore(fs.writeFileString(fileOf(key), `${text}\n`, { mode: 0o600 }))
      yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(fileOf(key))))
    })

    return NodeParts.of({
      machine,
      hold: Effect.fnUntraced(function*(name, { values }, patience): Effect.fn.Return<KeyPair, PartError, Scope> {
        const key = paths.join(values.keys, NodeIdentity.fileName(NodeName.make(name)))
        const held = (error: NodeIdentity.IdentityFileError): Effect.Effect<never, PartError> =>
          error.reason._tag === "IdentityFileInUse"
            ? Effect.flatMap(
              holderOf(key),
              (holder) => Effect.fail(new KeyHeldError({ name, ...(holder === undefined ? {} : { holder }) }))
            )
            : Effect.fail(error)
        const pair = yield* NodeIdentity.holdFile(key, { patience }).pipe(
          Effect.provide(NodeCrypto.layer),
          Effect.provideContext(context),
          Effect.catchTag("IdentityFileError", held)
        )
        yield* leave(key)
        return pair
      }),
      // Standard input is read once, and so is everything else.
      networkKeys: (settings) =>
        Effect.suspend(() =>
          keys ??= Effect.provideContext(NetworkKeys.read(settings), context).pipe(
            Effect.cached,
            Effect.runSync
          )
        ),
      trust: (settings) => Layer.provide(trustOf(settings), Layer.succeedContext(context)),
      // Most commands have nothing to do with files.
      files: Layer.unwrap(
        Effect.map(
          Effect.promise(() => Promise.all([import("@pnet/files/FileBatches"), import("@pnet/files/LargeFiles")])),
          ([batches, large]) => Layer.merge(batches.layer(), large.layer())
        )
      )
    })
  })
)
