/** Makes nodes with a deviation in them, and looks at each with the kit. */
import { Effect } from "effect"
import { build, type Plugin } from "esbuild"
import { createHash } from "node:crypto"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { apply, type Mutation } from "../mutants/mutation.ts"
import * as VirtualTime from "../worlds/virtualTime.ts"
import { type Look, look, type Nodes } from "./own.ts"
import type { Deviation } from "./planted.ts"
import type { Done } from "./run.ts"

const core = fileURLToPath(new URL("../../../core/src/", import.meta.url))
// Here `effect` is found, which is the same for all of them.
const cache = fileURLToPath(new URL("../../node_modules/.cache/pnet-planted/", import.meta.url))

const networkKey = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1-f4A="

const mutationOf = ({ does, file, find, replace, rule }: Deviation): Mutation => ({
  id: rule,
  file: `packages/core/src/${file}`,
  find,
  replace,
  breaks: does,
  tests: []
})

/** The file of a deviation with the deviation in it; dies where what it replaces does not stand there once. */
export const planted = (deviation: Deviation): string =>
  apply(mutationOf(deviation), readFileSync(join(core, deviation.file), "utf8"))

/** The deviation, made where its file is loaded. */
const planting = (deviation: Deviation): Plugin => {
  const file = join(core, deviation.file)
  return {
    name: "planting",
    // Asked for this file alone: what esbuild asks for goes from its process to this one and back.
    setup: ({ onLoad }) =>
      onLoad(
        { filter: new RegExp(`/${basename(file).replaceAll(".", "\\.")}$`) },
        ({ path }) => path === file ? { contents: planted(deviation), loader: "ts" } : undefined
      )
  }
}

/** The nodes of the core with a deviation in them. */
export const nodesWith = (deviation: Deviation): Effect.Effect<Nodes> =>
  Effect.gen(function*() {
    const { outputFiles } = yield* Effect.promise(() =>
      build({
        entryPoints: [join(core, "index.ts")],
        write: false,
        bundle: true,
        format: "esm",
        platform: "node",
        target: "node24",
        external: ["effect", "effect/*"],
        plugins: [planting(deviation)],
        logLevel: "error"
      })
    )
    const { contents } = outputFiles[0]!
    const file = join(cache, `${createHash("sha256").update(contents).digest("hex").slice(0, 16)}.${process.pid}.mjs`)
    mkdirSync(cache, { recursive: true })
    writeFileSync(file, contents)
    const load: Effect.Effect<Nodes> = Effect.promise(() => import(/* @vite-ignore */ pathToFileURL(file).href))
    return yield* Effect.ensuring(load, Effect.sync(() => rmSync(file, { force: true })))
  })

/** What the kit says of a node with a deviation in it. Of rules that begin so alone, where that is said. */
export const lookAtPlanted = (
  deviation: Deviation,
  options: Partial<Pick<Look, "asked" | "concurrency" | "listen" | "only" | "patience">> = {}
): Effect.Effect<ReadonlyArray<Done>> =>
  Effect.flatMap(nodesWith(deviation), (nodes) =>
    VirtualTime.within(look({
      nodes,
      kind: deviation.kind ?? "AdvancedNode",
      networkKey: deviation.keyed === true ? networkKey : undefined,
      patience: 20,
      ...options
    })))

/** Whether the kit found it, and said of which rule it is. */
export const isFound = ({ rule }: Deviation, done: ReadonlyArray<Done>): boolean =>
  done.some(({ check, outcome }) => outcome._tag === "Failed" && check.rule === rule)
