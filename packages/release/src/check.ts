/**
 * `pnpm release:check`: does with the packages, packed as they are published, all that a user would do with them, outside of the
 * workspace. `--keep` leaves the folder in which it was done; `--only TEXT` does only those steps whose names have the text, and
 * what they need; `--help` says so.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as CommandSteps from "./commandSteps.ts"
import type { Tarball } from "./pack.ts"
import type { Failed } from "./run.ts"
import * as Steps from "./steps.ts"
import { runtimes, typescripts } from "./versions.ts"

/** What is done with the packages once they are installed, by the names that `--only` chooses by. */
const later: ReadonlyArray<readonly [string, (place: Steps.Place) => Effect.Effect<string, Failed>]> = [
  ...typescripts.flatMap((version) =>
    (["nodenext", "bundler"] as const).map((resolution) =>
      [
        `TypeScript ${version} ${resolution}`,
        (at: Steps.Place) => Steps.compiled(at, version, resolution)
      ] as const
    )
  ),
  ...runtimes.map((runtime) => [runtime.name, (at: Steps.Place) => Steps.ran(at, runtime)] as const),
  ["vitest", Steps.tested],
  ["esbuild, browser", Steps.esbuildBrowser],
  ["vite, browser", Steps.viteBrowser],
  ["esbuild, Node, ESM", (at) => Steps.esbuildNode(at, "esm")],
  ["esbuild, Node, CJS", (at) => Steps.esbuildNode(at, "cjs")],
  ["vite, Node, ESM", Steps.viteNode]
]

/** Does every step that can be done, prints a line for each, and gives the tarballs if all went well. */
export const check = (
  options: { readonly only: string; readonly folder: string }
): Effect.Effect<ReadonlyArray<Tarball> | undefined> =>
  Effect.gen(function*() {
    const say = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))
    const problems: Array<string> = []
    let count = 0
    const step = <A>(name: string, effect: Effect.Effect<A, Failed>, detail: (value: A) => string) =>
      Effect.gen(function*() {
        count++
        yield* say(`begins            ${name}`)
        const started = yield* Clock.currentTimeMillis
        const exit = yield* Effect.result(effect)
        const seconds = (((yield* Clock.currentTimeMillis) - started) / 1000).toFixed(1).padStart(6)
        if (exit._tag === "Failure") {
          problems.push(`${name}: ${exit.failure.problem}`)
          yield* say(`FAILED  ${seconds} s  ${name}`)
          return undefined
        }
        yield* say(`passed  ${seconds} s  ${name.padEnd(24)}  ${detail(exit.success)}`)
        return exit.success
      })
    const same = (detail: string) => detail

    yield* say(`in ${options.folder}`)
    const built = yield* step("build", Steps.build, same)
    const packed = built === undefined
      ? undefined
      : yield* step("pack", Steps.packed(options.folder), ([detail]) => detail)
    if (packed !== undefined) {
      const [, place] = packed
      yield* step("inspect", Steps.inspected(place), same)
      yield* step("publint", Steps.publint(place), same)
      yield* step("are the types wrong", Steps.attw(place), same)
      if ((yield* step("install", Steps.installed(place), same)) !== undefined) {
        for (const [name, make] of later) {
          if (name.startsWith("TypeScript") || name.includes(options.only)) yield* step(name, make(place), same)
        }
      }
    }
    const commands = yield* step("pack the command", CommandSteps.packed(options.folder), ([detail]) => detail)
    for (const tarball of commands?.[1] ?? []) {
      yield* step(`npx ${tarball.manifest.name}`, CommandSteps.byNpx(tarball), same)
    }
    for (const problem of problems) yield* say(`\n${problem}`)
    yield* say(`\n${count - problems.length} passed, ${problems.length} failed`)
    return problems.length === 0 && packed !== undefined && commands !== undefined
      ? [...packed[1].tarballs, ...commands[1]]
      : undefined
  })

/** A folder for it, that is removed at the end. */
export const scratch = (keep: boolean): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "pnet-release-")))),
    (folder) =>
      Effect.sync(() => {
        if (keep) process.stdout.write(`it was done in ${folder}\n`)
        else rmSync(folder, { recursive: true, force: true })
      })
  )

const usage = `pnpm release:check [--only TEXT] [--keep] [--help]

Does with the packages, packed as they are published, what users do with them: some minutes.

  --only TEXT  of what is done once they are installed, do only that whose name has the text, and what it needs:
               ${later.map(([name]) => name).filter((name) => !name.startsWith("TypeScript")).join("; ")}
  --keep       leave the folder in which it is done
`

/** What a command line asks for, or what is to be said of it and with which exit code. */
export const asked = (
  args: ReadonlyArray<string>
): { readonly keep: boolean; readonly only: string } | { readonly said: string; readonly code: number } => {
  const options = {
    keep: { type: "boolean" },
    only: { type: "string" },
    help: { type: "boolean", short: "h" }
  } as const
  try {
    const { help, keep = false, only = "" } = parseArgs({ args: [...args], options }).values
    if (help === true) return { said: usage, code: 0 }
    return later.some(([name]) => name.includes(only))
      ? { keep, only }
      : { said: `no step has ${JSON.stringify(only)} in its name\n\n${usage}`, code: 1 }
  } catch (error) {
    return { said: `${(error as Error).message}\n\n${usage}`, code: 1 }
  }
}

const main = (args: ReadonlyArray<string>) => {
  const wanted = asked(args)
  if ("said" in wanted) {
    process[wanted.code === 0 ? "stdout" : "stderr"].write(wanted.said)
    process.exitCode = wanted.code
    return
  }
  const program = Effect.flatMap(scratch(wanted.keep), (folder) => check({ only: wanted.only, folder }))
  Effect.runPromise(Effect.scoped(program)).then((tarballs) => {
    process.exitCode = tarballs === undefined ? 1 : 0
  })
}

if (import.meta.main) main(process.argv.slice(2))
