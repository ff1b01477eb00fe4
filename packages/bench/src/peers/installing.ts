/**
 * Installs what the programs of other libraries need, outside the workspace: into a folder that is not kept, at the versions of `peers/package-lock.json`,
 * without running any of their scripts. Once installed it stays until those change.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ofBench } from "./places.ts"

const sources = ofBench("peers")

/** Where things are installed unless another folder is named. */
export const cache = ofBench("node_modules/.cache/pnet-peers")

/** Runs a program and gives what it printed, or, where it failed, the line that says why. */
export const execute = (
  program: string,
  args: ReadonlyArray<string>,
  cwd: string
): Effect.Effect<{ readonly out: string } | { readonly reason: string }> =>
  Effect.callback((resume) => {
    const child = execFile(program, args, { cwd, timeout: 600_000 }, (error, out, err) => {
      if (error === null) return resume(Effect.succeed({ out }))
      const lines = `${err}\n${error.message}`.split("\n").map((line) => line.trim()).filter((line) => line !== "")
      const reason = lines.find((line) => /err|fail|not found/i.test(line)) ?? lines[0] ?? "it failed"
      resume(Effect.succeed({ reason }))
    })
    return Effect.sync(() => void child.kill())
  })

const manifests = ["package.json", "package-lock.json"]

/** Where it is installed in a folder, by what is to be installed. */
export const folderIn = (into: string): string => {
  const hash = createHash("sha256")
  for (const name of manifests) hash.update(readFileSync(join(sources, name)))
  return join(into, hash.digest("hex").slice(0, 16))
}

/** The folder in which the programs can be run, or why there is none. */
export const install = (
  into: string
): Effect.Effect<{ readonly folder: string } | { readonly reason: string }> =>
  Effect.gen(function*() {
    const folder = folderIn(into)
    const done = join(folder, ".installed")
    if (!existsSync(done)) {
      mkdirSync(folder, { recursive: true })
      for (const name of manifests) cpSync(join(sources, name), join(folder, name))
      yield* Console.log(`Installing what pnet is measured beside into ${folder}`)
      const npm = yield* execute("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
      if ("reason" in npm) return npm
      writeFileSync(done, "")
    }
    // Beside what is installed, where the programs find it.
    cpSync(join(sources, "programs"), join(folder, "programs"), { recursive: true })
    return { folder: join(folder, "programs") }
  })
