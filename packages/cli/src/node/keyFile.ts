/**
 * The file with the keys of a network, as it is read and changed: one key a line, of which the first encrypts.
 */
import * as NetworkKey from "@pnet/core/NetworkKey"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { createHash, randomUUID } from "node:crypto"
import { Problem } from "../errors.ts"
import { Machine } from "../machine.ts"
import { Settings } from "../settings/Settings.ts"
import { systemSays } from "../systemSays.ts"
import { makeFolder } from "./makeFolder.ts"
import { keyFileOf, parse, readFile } from "./networkKeys.ts"

const failed = (what: string, hint?: string) =>
  new Problem({ exit: "usage", what, ...(hint === undefined ? {} : { hint }) })

/** The file whose keys hold by the settings. Where they come from somewhere else there is none to change. */
export const path = Effect.gen(function*() {
  const { sources, values } = yield* Settings
  const machine = yield* Machine
  for (const name of ["networkKeyCommand", "networkKeyStdin", "networkKey"] as const) {
    if (values[name] !== undefined && values[name] !== false) {
      return yield* failed(
        `the network's keys come from ${sources[name].where}, and not from a file that could be changed`,
        "change them there, or leave it out"
      )
    }
  }
  return values.networkKeyFile ?? keyFileOf(machine, values.network)
})

/** The keys in the file; none where there is no file. */
export const load = Effect.fnUntraced(function*(file: string) {
  const text = yield* readFile(file, false)
  return text === undefined ? [] : yield* parse(text, file)
})

const header = [
  "# The keys of a pnet network, one a line: the first encrypts, all of them decrypt.",
  "# Whoever reads them is on the network. They are changed by: pnet key network"
]

const notWritten = (file: string, error: PlatformError) =>
  new Problem({
    exit: "failed",
    what: `${file} could not be written: ${systemSays(error)}`,
    hint: "name a file in a folder that you may write with --network-key-file"
  })

/** Puts keys into the file, whole, for this user alone. */
export const save = Effect.fnUntraced(function*(file: string, keys: ReadonlyArray<NetworkKey.NetworkKey>) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const text = [...header, ...keys.map(Redacted.value), ""].join("\n")
  yield* Effect.gen(function*() {
    yield* makeFolder(paths.dirname(file))
    // A link stays a link to the same place.
    const target = yield* Effect.orElseSucceed(fs.realPath(file), () => file)
    const temporary = `${target}.${randomUUID()}.tmp`
    yield* Effect.scoped(Effect.gen(function*() {
      const made = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
      yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(temporary, { force: true })))
      yield* made.writeAll(new TextEncoder().encode(text))
      yield* made.sync
      yield* fs.rename(temporary, target)
    }))
  }).pipe(
    Effect.mapError((error) => notWritten(file, error))
  )
})

const patiently = Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 50 }))

/**
 * Changes the file, while no other command does: of two that read it at once the later would undo what the earlier wrote. The lock is a file beside it, which is
 * there for as long as the change takes; one that a killed command left is for whoever sees it to take away, who knows that none runs.
 */
export const change = <E, R>(
  to: (file: string, keys: ReadonlyArray<NetworkKey.NetworkKey>) => Effect.Effect<
    ReadonlyArray<NetworkKey.NetworkKey>,
    E,
    R
  >
) =>
  Effect.scoped(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const file = yield* path
    yield* Effect.mapError(makeFolder(paths.dirname(file)), (error) => notWritten(file, error))
    const lock = `${yield* Effect.orElseSucceed(fs.realPath(file), () => file)}.lock`
    const taken = Effect.scoped(fs.open(lock, { flag: "wx", mode: 0o600 })).pipe(
      Effect.retry({ while: ({ reason }) => reason._tag === "AlreadyExists", schedule: patiently }),
      Effect.mapError((error) =>
        error.reason._tag === "AlreadyExists"
          ? new Problem({
            exit: "conflict",
            what: `another command changes ${file}`,
            hint: `run it again; where none does, take away ${lock}`
          })
          : notWritten(file, error)
      )
    )
    yield* Effect.acquireRelease(taken, () => Effect.ignore(fs.remove(lock, { force: true })))
    const keys = yield* to(file, yield* load(file))
    yield* save(file, keys)
    return { file, keys }
  }))

// Those of the fingerprints of nodes.
const symbols = "0123456789abcdefghjkmnpqrstvwxyz"

/** Whether two keys are one. */
export const isSame = (one: NetworkKey.NetworkKey, other: NetworkKey.NetworkKey): boolean =>
  Redacted.value(one) === Redacted.value(other)

/** What people tell a network key by. It says nothing of the key. */
export const fingerprint = (key: NetworkKey.NetworkKey): string => {
  const digest = createHash("sha256").update("pnet: which network key it is\n").update(Redacted.value(key)).digest()
  const letters = Array.from(digest.subarray(0, 16), (byte) => symbols[byte & 31]!).join("")
  return letters.match(/.{4}/g)!.join("-")
}

/** The place of a key that was named by its number or its fingerprint. */
export const find = (
  keys: ReadonlyArray<NetworkKey.NetworkKey>,
  named: string
): Effect.Effect<number, Problem> => {
  const at = /^\d+$/.test(named)
    ? Number(named) - 1
    : keys.findIndex((key) => fingerprint(key) === named.toLowerCase())
  return at >= 0 && at < keys.length ? Effect.succeed(at) : Effect.fail(
    new Problem({
      exit: "notFound",
      what: `the network has no key ${JSON.stringify(named)}; it has ${keys.length}`,
      hint: "run: pnet key network list"
    })
  )
}
