/**
 * `pnpm release:pack FOLDER`: the tarballs of all packages as they are published, for who wants to try them elsewhere. What `pnpm pack` makes of a package
 * lacks what is the workspace's: the documents that messages point to, and links that lead there.
 */
import * as Effect from "effect/Effect"
import { copyFileSync, mkdirSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { scratch } from "./check.ts"
import { pack, packCommands } from "./pack.ts"
import * as Steps from "./steps.ts"

/** Builds and packs all of it, and gives the tarballs that are in the folder then. */
const tarballs = (folder: string) =>
  Effect.gen(function*() {
    const made = yield* scratch(false)
    yield* Steps.build
    const all = [...yield* pack(made), ...yield* packCommands(made)]
    mkdirSync(folder, { recursive: true })
    return all.map(({ file }) => {
      const path = join(folder, basename(file))
      copyFileSync(file, path)
      return path
    })
  })

const [folder, ...more] = process.argv.slice(2)
if (folder === undefined || folder.startsWith("-") || more.length > 0) {
  process.stderr.write("pnpm release:pack FOLDER: the tarballs of all packages, as they are published\n")
  process.exitCode = 1
} else {
  Effect.runPromise(Effect.scoped(tarballs(resolve(folder)))).then(
    (paths) => process.stdout.write(paths.map((path) => `${path}\n`).join("")),
    (error) => {
      process.stderr.write(`${String(error)}\n`)
      process.exitCode = 1
    }
  )
}
