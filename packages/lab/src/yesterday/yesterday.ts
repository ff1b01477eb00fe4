/**
 * The peers of yesterday, in processes of their own: each of `peers` is the nodes of a version, packed into one file with all that they
 * load. They are told what to do as those of today are.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gunzipSync } from "node:zlib"
import { child } from "../processes/child.ts"
import * as Nodes from "./nodes.ts"
import type { Ask } from "./orders.ts"

/** The versions that there are. */
export const versions = ["0.1.0"] as const

const cache = fileURLToPath(new URL("../../node_modules/.cache/pnet-yesterday/", import.meta.url))

/** Unpacks the peer of a version, once. */
const unpacked = (version: typeof versions[number]): string => {
  const packed = readFileSync(new URL(`peers/${version}.mjs.gz`, import.meta.url))
  const file = join(cache, `${version}-${createHash("sha256").update(packed).digest("hex").slice(0, 16)}.mjs`)
  if (!existsSync(file)) {
    mkdirSync(cache, { recursive: true })
    // Another process may be at it, too.
    writeFileSync(`${file}.${process.pid}`, gunzipSync(packed))
    renameSync(`${file}.${process.pid}`, file)
  }
  return file
}

/** A process with nodes of a peer that was packed and is unpacked again, until the scope closes. */
export const run = (file: string): Effect.Effect<Ask, never, Scope.Scope> =>
  Effect.gen(function*() {
    const process = yield* child(file)
    yield* process.ready
    return (name, order) => process.ask({ ...order, do: name }) as Effect.Effect<any>
  })

/** A process with nodes of yesterday, until the scope closes. */
export const yesterday = (version: typeof versions[number]): Effect.Effect<Ask, never, Scope.Scope> =>
  Effect.suspend(() => run(unpacked(version)))

/** Nodes of today, in this process, until the scope closes. */
export const today: Effect.Effect<Ask, never, Scope.Scope> = Effect.map(
  Nodes.make,
  (orders): Ask => (name, order) => Effect.orDie((orders[name] as (order: any) => Effect.Effect<any, unknown>)(order))
)
