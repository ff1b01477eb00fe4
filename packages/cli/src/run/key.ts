/** What `pnet key` does. */
import type * as Crypto from "@pnet/core/Crypto"
import { NodeName } from "@pnet/core/Packet"
import * as PublicKey from "@pnet/core/PublicKey"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as NodeIdentity from "@pnet/node/NodeIdentity"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { isAbsent } from "../absent.ts"
import type { keyFingerprint, keyList, keyMake, keyShow } from "../commands/key.ts"
import { Problem } from "../errors.ts"
import type { Handler } from "../handler.ts"
import { Output } from "../output/Output.ts"
import { quoted } from "../output/quoted.ts"
import type { Shape } from "../output/shapes.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"
import { systemSays } from "../systemSays.ts"

const nameOf = (text: string): Effect.Effect<NodeName, Problem> =>
  Effect.mapError(
    Schema.decodeUnknownEffect(NodeName)(text),
    () => new Problem({ exit: "usage", what: `${JSON.stringify(text)} is no name of a node` })
  )

/** The file with the key of a node's name, by default that of the settings. */
const fileOf = Effect.fnUntraced(function*(given: Option.Option<string>) {
  const { values } = yield* Settings
  const paths = yield* Path.Path
  const name = yield* nameOf(Option.getOrElse(given, () => values.name))
  return { name, file: paths.join(values.keys, NodeIdentity.fileName(name)) }
})

const shapeOf = (name: string, file: string, { publicKey }: Crypto.KeyPair): Shape<"identity"> => ({
  name,
  key: publicKey,
  fingerprint: PublicKey.fingerprint(publicKey),
  file
})

const read = (file: string, create: boolean) =>
  Effect.provide(NodeIdentity.fromFile(file, { create }), NodeCrypto.layer)

/** The key of a name, which has to be there. */
const known = Effect.fnUntraced(function*(given: Option.Option<string>) {
  const { file, name } = yield* fileOf(given)
  const missing = (
    error: NodeIdentity.IdentityFileError
  ): Effect.Effect<never, NodeIdentity.IdentityFileError | Problem> =>
    error.reason._tag !== "IdentityFileMissing" ? Effect.fail(error) : Effect.fail(
      new Problem({
        exit: "notFound",
        what: `the node ${JSON.stringify(name)} has no key yet; it would be in ${file}`,
        hint: `run: pnet key make ${quoted(name)}`
      })
    )
  const pair = yield* Effect.catchTag(read(file, false), "IdentityFileError", missing)
  return shapeOf(name, file, pair)
})

export const make: Handler<typeof keyMake> = {
  run: Effect.fnUntraced(function*({ name: given }: Input<typeof keyMake>) {
    const output = yield* Output
    const fs = yield* FileSystem.FileSystem
    const { file, name } = yield* fileOf(given)
    const there = yield* Effect.orElseSucceed(fs.exists(file), () => false)
    yield* output.value("identity", shapeOf(name, file, yield* read(file, true)))
    if (there) yield* output.note("it was there already")
  })
}

export const show: Handler<typeof keyShow> = {
  run: ({ name }) =>
    Effect.flatMap(known(name), (identity) => Output.use((output) => output.value("identity", identity)))
}

/** The name of a node, by its file's; `undefined` where the file is another's. */
const nameIn = (file: string): string | undefined => {
  const match = /^((?:[a-z0-9_-]|%[0-9a-f]{2})+)\.key$/.exec(file)
  try {
    return match === null ? undefined : decodeURIComponent(match[1]!)
  } catch {
    return undefined
  }
}

export const list: Handler<typeof keyList> = {
  run: Effect.fnUntraced(function*() {
    const output = yield* Output
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const { values } = yield* Settings
    const files = yield* Effect.catchTag(
      fs.readDirectory(values.keys),
      "PlatformError",
      (error) =>
        isAbsent(error) ? Effect.succeed([]) : Effect.fail(
          new Problem({ exit: "failed", what: `the keys in ${values.keys} could not be listed: ${systemSays(error)}` })
        )
    )
    const found: Array<Shape<"identity">> = []
    for (const file of files.toSorted()) {
      const name = nameIn(file)
      if (name === undefined) continue
      const path = paths.join(values.keys, file)
      yield* read(path, false).pipe(
        Effect.map((pair) => void found.push(shapeOf(name, path, pair))),
        // One that is wrong hides no other.
        Effect.catch((error) => output.warn(error.message))
      )
    }
    yield* output.rows("identity", found)
  })
}

export const fingerprint: Handler<typeof keyFingerprint> = {
  run: Effect.fnUntraced(function*({ of }: Input<typeof keyFingerprint>) {
    const output = yield* Output
    const given = Option.getOrUndefined(of)
    const key = (given === undefined ? undefined : PublicKey.fromText(given)) ??
      PublicKey.PublicKey.make((yield* known(of)).key)
    yield* output.value("fingerprint", { key, fingerprint: PublicKey.fingerprint(key) })
  })
}
