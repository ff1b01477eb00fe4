/**
 * Programs that tests start in processes of their own, each made one file with all that it loads: finding, reading and linking some
 * 800 modules is most of what a short program costs, and a test may start fifty.
 *
 * What bites: `import.meta.url` is that of the bundle, and where a mutation is to be made (`PNET_MUTATION`) or `PNET_PROGRAMS=sources`
 * asks for it, programs run from their sources, as the mutation is made where those are loaded.
 */
import { buildSync } from "esbuild"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { variable as mutation } from "../mutants/mutation.ts"

// Here `sodium-native` is found, which is an addon and stays outside.
const cache = fileURLToPath(new URL("../../../node/node_modules/.cache/pnet-programs/", import.meta.url))

const fromSources = process.env[mutation] !== undefined || process.env["PNET_PROGRAMS"] === "sources"

// Modules that are CommonJS inside require what Node has.
const require = `import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);`

/** What was made by sources of another day. */
const sweep = () => {
  const yesterday = performance.timeOrigin - 86_400_000
  for (const name of readdirSync(cache)) {
    if (statSync(join(cache, name)).mtimeMs < yesterday) rmSync(join(cache, name), { recursive: true, force: true })
  }
}

/**
 * The files to run for programs, in their order. What they share is made once. `without` are modules, as they are imported, that are left out, and missed where
 * they are loaded: what whole packages are asked of would have all that others share with it be whole, too.
 */
export const files = (
  programs: ReadonlyArray<string | URL>,
  without: ReadonlyArray<string> = []
): ReadonlyArray<string> => {
  const sources = programs.map((program) => typeof program === "string" ? program : fileURLToPath(program))
  if (fromSources) return sources
  const { outputFiles } = buildSync({
    entryPoints: sources.map((source, i) => ({ in: source, out: `${i}-${basename(source, ".ts")}` })),
    outdir: cache,
    write: false,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node22",
    // What drives browsers and what bundles for them is no part of a program that tests start.
    external: ["sodium-native", "playwright-core", "rolldown", ...without],
    outExtension: { ".js": ".mjs" },
    banner: { js: require },
    logLevel: "error"
  })
  const hash = createHash("sha256")
  for (const { path, contents } of outputFiles) hash.update(path).update(contents)
  // The same sources make the same folder, so that what Node has compiled of it stays compiled.
  const folder = join(cache, hash.digest("hex").slice(0, 16))
  if (!existsSync(folder)) {
    const making = `${folder}.${process.pid}`
    mkdirSync(making, { recursive: true })
    for (const { path, contents } of outputFiles) writeFileSync(join(making, basename(path)), contents)
    try {
      renameSync(making, folder)
    } catch {
      // Another process was faster.
      rmSync(making, { recursive: true, force: true })
    }
    sweep()
  }
  return sources.map((source, i) => join(folder, `${i}-${basename(source, ".ts")}.mjs`))
}

const made = new Map<string, string>()

/** The file to run for one program. It is made once. */
export const file = (program: URL, without: ReadonlyArray<string> = []): string => {
  const known = made.get(program.href)
  if (known !== undefined) return known
  const [file] = files([program], without)
  made.set(program.href, file!)
  return file!
}
