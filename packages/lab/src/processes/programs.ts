/**
 * Programs that tests start in processes of their own, each made one file with all that it loads: finding, reading and linking some
 * 800 modules is most of what a short program costs, and a test may start fifty.
 *
 * Making one takes more than a second of processor time, so what was made is kept with when each of its sources was changed, and taken again, by every process,
 * until one of them was.
 *
 * What bites: `import.meta.url` is that of the bundle, and where a mutation is to be made (`PNET_MUTATION`) or `PNET_PROGRAMS=sources`
 * asks for it, programs run from their sources, as the mutation is made where those are loaded.
 */
import { buildSync } from "esbuild"
import { createHash } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { basename, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { once } from "../harness/once.ts"
import { variable as mutation } from "../mutants/mutation.ts"

// Here `sodium-native` is found, which is an addon and stays outside.
const cache = fileURLToPath(new URL("../../../node/node_modules/.cache/pnet-programs/", import.meta.url))

const fromSources = process.env[mutation] !== undefined || process.env["PNET_PROGRAMS"] === "sources"

// Modules that are CommonJS inside require what Node has.
const require = `import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);`

const root = fileURLToPath(new URL("../../../../", import.meta.url))

/** What programs are made of besides their sources: how they are made, the packages that they load, and where those of the workspace are. */
const common = () => [
  // Asked where one is made alone: this file may be a part of one, which is elsewhere.
  fileURLToPath(import.meta.url),
  join(root, "pnpm-lock.yaml"),
  join(root, "tsconfig.base.json"),
  ...readdirSync(join(root, "packages")).map((name) => join(root, "packages", name, "package.json"))
]

const now = () => performance.timeOrigin + performance.now()

/** Gives what was written its name; where another process was faster, what it has made stays. */
const put = (making: string, path: string) => {
  try {
    renameSync(making, path)
  } catch {
    rmSync(making, { recursive: true, force: true })
  }
}

/** What was made: its folder, and each of its sources with its size and when it was changed. */
interface Note {
  readonly folder: string
  readonly sources: ReadonlyArray<readonly [path: string, changed: number, size: number]>
}

/** The folder with what was made, where its sources are what they were. */
const again = (note: string): string | undefined => {
  try {
    const { folder, sources }: Note = JSON.parse(readFileSync(note, "utf8"))
    for (const [path, changed, size] of sources) {
      const found = statSync(path)
      if (found.mtimeMs !== changed || found.size !== size) return undefined
    }
    // Of today, so that nobody sweeps them up.
    for (const kept of [folder, note]) utimesSync(kept, now() / 1_000, now() / 1_000)
    return folder
  } catch {
    return undefined
  }
}

/** Notes what was made, unless a source was changed since shortly before: it may have been read as it was. */
const keep = (note: string, folder: string, paths: ReadonlyArray<string>, begun: number) => {
  const sources = paths.map((path) => {
    const { mtimeMs, size } = statSync(path)
    return [path, mtimeMs, size] as const
  })
  if (sources.some(([, changed]) => changed > begun - 1_000)) return
  const making = `${note}.${process.pid}`
  writeFileSync(making, JSON.stringify({ folder, sources } satisfies Note))
  put(making, note)
}

/** What was made by sources of another day. */
const sweep = () => {
  const yesterday = performance.timeOrigin - 86_400_000
  for (const name of readdirSync(cache)) {
    const found = statSync(join(cache, name), { throwIfNoEntry: false })
    if (found !== undefined && found.mtimeMs < yesterday) rmSync(join(cache, name), { recursive: true, force: true })
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
  const key = createHash("sha256").update(JSON.stringify([sources, without])).digest("hex").slice(0, 16)
  const note = join(cache, `${key}.json`)
  const folder = once(`${note}.lock`, () => again(note), () => make(sources, without, note))
  return sources.map((source, i) => join(folder, `${i}-${basename(source, ".ts")}.mjs`))
}

/** Makes the programs, and notes what of: the folder that they are in. */
const make = (sources: ReadonlyArray<string>, without: ReadonlyArray<string>, note: string): string => {
  const begun = now()
  const { metafile, outputFiles } = buildSync({
    entryPoints: sources.map((source, i) => ({ in: source, out: `${i}-${basename(source, ".ts")}` })),
    outdir: cache,
    write: false,
    metafile: true,
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
    put(making, folder)
    sweep()
  }
  // What is installed changes with the lockfile.
  const own = Object.keys(metafile.inputs).filter((path) => !path.includes("node_modules/"))
  keep(note, folder, [...common(), ...own.map((path) => resolve(path))], begun)
  return folder
}

/** The programs of several files of tests. Making all of them takes little longer than making one, and what they share is compiled once. */
const together = [
  ...["attacker", "commandNode"].map((name) => `lab/src/processes/${name}`),
  "lab/src/crowd/hostNode",
  "lab/src/services/server",
  "lab/src/swarm/job",
  "lab/src/web/server",
  "bench/src/main",
  "bench/src/harness/worker",
  "console/test/harness/node",
  ...["cluster", "flood", "identity", "networkNode"].map((name) => `node/test/fixtures/${name}`),
  "node/test/sessionProcess",
  ...["copy", "demo", "demo-node", "diagnose", "gateway", "pipe", "sensors", "two-sites", "work-queue"]
    .map((name) => `examples/src/${name}`)
].map((name) => join(root, "packages", `${name}.ts`))

const made = new Map<string, string>()

/** The file to run for one program. It is made once, with the others of `together` where it is one of them. */
export const file = (program: URL, without: ReadonlyArray<string> = []): string => {
  const path = fileURLToPath(program)
  const known = made.get(path)
  if (known !== undefined) return known
  const sources = without.length === 0 && together.includes(path) ? together : [path]
  files(sources, without).forEach((file, i) => made.set(sources[i]!, file))
  return made.get(path)!
}
