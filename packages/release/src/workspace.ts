/**
 * The packages of this workspace that are published.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../../", import.meta.url))

/** A program of this package's own dependencies. */
export const tool = (name: string): string => join(root, "packages/release/node_modules/.bin", name)

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly license?: string
  readonly description?: string
  readonly keywords?: ReadonlyArray<string>
  readonly engines?: { readonly node?: string }
  readonly repository?: unknown
  /** Left out by a package that is a command. */
  readonly exports?: Readonly<Record<string, string | null>>
  /** What bundlers for browsers take in the place of a module. */
  readonly browser?: Readonly<Record<string, string>>
  readonly bin?: Readonly<Record<string, string>>
  readonly files: ReadonlyArray<string>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly publishConfig?: {
    readonly access?: string
    readonly provenance?: boolean
    readonly bin?: Readonly<Record<string, string>>
  }
}

export const manifestIn = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))

export interface Package {
  /** The name of its folder in `packages`, which is what follows the scope in its own name. */
  readonly id: string
  readonly folder: string
  readonly manifest: Manifest
}

const published: ReadonlyArray<Package> = readdirSync(join(root, "packages"))
  .map((id) => ({ id, folder: join(root, "packages", id) }))
  .map(({ folder, id }) => ({ id, folder, manifest: manifestIn(folder) }))
  .filter(({ manifest }) => manifest.private !== true)

/** The libraries. */
export const publicPackages: ReadonlyArray<Package> = published.filter(({ manifest }) => manifest.bin === undefined)

/** The commands, each of which is published as one bundle, with all that it uses in it. */
export const commandPackages: ReadonlyArray<Package> = published.filter(({ manifest }) => manifest.bin !== undefined)

/** A version that the workspace pins, so that what is checked is what is developed with. */
export const pinned = (dependency: string): string => {
  for (
    const manifest of [
      manifestIn(root),
      ...publicPackages.map(({ manifest }) => manifest),
      manifestIn(
        join(root, "packages/release")
      )
    ]
  ) {
    const version = manifest.devDependencies?.[dependency]
    if (version !== undefined && !version.startsWith("workspace:")) return version
  }
  throw new Error(`nothing in the workspace pins ${dependency}`)
}
