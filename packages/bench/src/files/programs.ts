/**
 * Programs that files are sent by elsewhere: those of this system, else those of its Debian packages, unpacked into a folder that is not kept and never
 * installed.
 */
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, readdirSync } from "node:fs"
import { delimiter, join } from "node:path"
import { execute } from "../peers/installing.ts"
import { ofBench } from "../peers/places.ts"

/** Where things are unpacked unless another folder is named. */
export const cache = ofBench("node_modules/.cache/pnet-files")

/** A program, and what it is run with. */
export interface Program {
  readonly path: string
  readonly env: NodeJS.ProcessEnv
}

const inPath = (name: string): string | undefined =>
  [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"].map((folder) => join(folder, name)).find(existsSync)

/** Finds a program, or has its packages unpacked. */
export const find = (
  name: string,
  packages: ReadonlyArray<string>,
  into = cache
): Effect.Effect<Program | { readonly reason: string }> =>
  Effect.gen(function*() {
    const here = inPath(name)
    if (here !== undefined) return { path: here, env: process.env }
    const folder = join(into, name)
    const unpacked = join(folder, "unpacked")
    const places = ["usr/bin", "usr/sbin"].map((place) => join(unpacked, place, name))
    if (!places.some(existsSync)) {
      mkdirSync(folder, { recursive: true })
      const fetched = yield* execute("apt-get", ["download", ...packages], folder)
      if ("reason" in fetched) return { reason: `not here, and not to be had: ${fetched.reason}` }
      for (const file of readdirSync(folder).filter((file) => file.endsWith(".deb"))) {
        const done = yield* execute("dpkg", ["-x", file, unpacked], folder)
        if ("reason" in done) return done
      }
    }
    const path = places.find(existsSync)
    if (path === undefined) return { reason: `${packages.join(", ")} do not have it` }
    const libraries = ["usr/lib", "lib"].flatMap((place) => {
      const above = join(unpacked, place)
      return existsSync(above)
        ? readdirSync(above).filter((name) => name.includes("linux")).map((name) => join(above, name))
        : []
    })
    return { path, env: { ...process.env, LD_LIBRARY_PATH: libraries.join(delimiter) } }
  })
