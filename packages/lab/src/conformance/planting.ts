/** Makes nodes with a deviation in them, and looks at each with the kit. */
import { Effect } from "effect"
import { buildSync, transformSync } from "esbuild"
import { readdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Script } from "node:vm"
import { apply, type Mutation } from "../mutants/mutation.ts"
import * as VirtualTime from "../worlds/virtualTime.ts"
import { type Look, look, type Nodes } from "./own.ts"
import type { Deviation } from "./planted.ts"
import type { Done } from "./run.ts"

const core = fileURLToPath(new URL("../../../core/src/", import.meta.url))
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

/** The files of the core as CommonJS, which can be run as often as there are nodes to make. */
const transpiled = (files: ReadonlyArray<string>) =>
  buildSync({
    entryPoints: [...files],
    outdir: core,
    outbase: core,
    write: false,
    format: "cjs",
    platform: "node",
    target: "node24",
    logLevel: "error"
  }).outputFiles

const script = (path: string, text: string) =>
  // All that is loaded are ES modules: what esbuild would make of others, a copy for each who imports them, takes most of the time.
  new Script(
    `(require, exports, module) => {${text.replace(/^var __toESM = [^]*?\);$/m, "var __toESM = (made) => made;")}\n}`,
    { filename: path }
  )

/** The core as it is. Compiled once: making it by bundles took a fourth of a second of processor time for each deviation. */
let sound: ReadonlyMap<string, Script> | undefined

const sources = () => {
  if (sound !== undefined) return sound
  const files = readdirSync(core, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(core, name))
  return sound = new Map(
    transpiled(files).map(({ path, text }) => [path.replace(/\.js$/, ".ts"), script(path, text)])
  )
}

// `effect` is found from here, and is the same for all of them.
const outside = createRequire(join(core, "index.ts"))

/** The nodes of the core with a deviation in them: modules of their own, all of them, as what deviates may be anywhere below. */
export const nodesWith = (deviation: Deviation): Effect.Effect<Nodes> =>
  Effect.sync(() => {
    const file = join(core, deviation.file)
    const { code } = transformSync(planted(deviation), {
      loader: "ts",
      format: "cjs",
      platform: "node",
      target: "node24",
      logLevel: "error"
    })
    const scripts = new Map(sources()).set(file, script(file, code))
    const modules = new Map<string, { readonly exports: object }>()
    const load = (path: string): object => {
      const known = modules.get(path)
      if (known !== undefined) return known.exports
      const module = { exports: {} }
      modules.set(path, module)
      const require = (name: string) => name.startsWith(".") ? load(join(dirname(path), name)) : outside(name)
      scripts.get(path)!.runInThisContext()(require, module.exports, module)
      return module.exports
    }
    return load(join(core, "index.ts")) as Nodes
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
