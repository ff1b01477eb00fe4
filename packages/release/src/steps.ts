/**
 * What is done with the packages once they are packed: everything that a user would do with them.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import { join } from "node:path"
import { type Block, blocks } from "./blocks.ts"
import { converse } from "./conversation.ts"
import { modules, problems } from "./inspect.ts"
import { contents, pack, type Tarball } from "./pack.ts"
import { done, fail, type Failed, none, run } from "./run.ts"
import { type Runtime, typescripts } from "./versions.ts"
import { pinned, publicPackages, root, tool } from "./workspace.ts"

/** Where everything is put: a folder that no workspace is above. */
export interface Place {
  readonly folder: string
  readonly tarballs: ReadonlyArray<Tarball>
}

const text = (bytes: number) => `${Math.round(bytes / 1024)} KiB`

// --- the tarballs ----------------------------------------------------------------------------------------------------------

/** Builds from nothing, so that no file of a former build is in it. */
export const build: Effect.Effect<string, Failed> = Effect.gen(function*() {
  for (const { folder } of publicPackages) rmSync(join(folder, "dist"), { recursive: true, force: true })
  yield* done(join(root, "node_modules/.bin/tsc"), ["-b", ...publicPackages.map(({ folder }) => folder)], { cwd: root })
  return publicPackages.map(({ manifest }) => `${manifest.name} ${manifest.version}`).join(", ")
})

export const packed = (folder: string): Effect.Effect<readonly [string, Place], Failed> =>
  Effect.map(pack(join(folder, "tarballs")), (tarballs) => [
    tarballs.map((tarball) =>
      `${tarball.id} ${contents(tarball).length} files, ${text(readFileSync(tarball.file).length)}`
    )
      .join("; "),
    { folder, tarballs }
  ])

export const inspected = ({ tarballs }: Place): Effect.Effect<string, Failed> =>
  Effect.as(none(problems(tarballs, { stale: false })), "files, manifests, imports, links")

export const publint = ({ folder, tarballs }: Place): Effect.Effect<string, Failed> =>
  Effect.as(
    Effect.forEach(tarballs, ({ file }) => done(tool("publint"), ["run", file, "--strict"], { cwd: folder })),
    "strict"
  )

export const attw = ({ folder, tarballs }: Place): Effect.Effect<string, Failed> =>
  Effect.map(
    Effect.forEach(tarballs, (tarball) => {
      const paths = modules(tarball).map((name) => `.${name.slice(tarball.manifest.name.length)}`)
      return Effect.as(
        done(
          tool("attw"),
          [tarball.file, "--profile", "esm-only", "--format", "ascii", "--entrypoints", ...paths],
          { cwd: folder }
        ),
        paths.length
      )
    }),
    (counts) => `${counts.reduce((sum, count) => sum + count, 0)} entry points, from ESM and bundlers`
  )

// --- installed -------------------------------------------------------------------------------------------------------------

const json = (path: string, value: unknown) => writeFileSync(path, JSON.stringify(value, undefined, 2))

const npm = (cwd: string) =>
  done("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], { cwd, limit: 600_000 })

const compilers = Object.fromEntries(
  typescripts.map((version) => [`typescript-${version}`, `npm:typescript@${version}`])
)

/** A folder of a user's, with an `install` of what is given besides the packages named. */
const project = (place: Place, name: string, ids: ReadonlyArray<string>, others: Readonly<Record<string, string>>) => {
  const folder = join(place.folder, name)
  mkdirSync(join(folder, "src"), { recursive: true })
  json(join(folder, "package.json"), {
    private: true,
    type: "module",
    dependencies: {
      ...Object.fromEntries(
        place.tarballs.filter(({ id }) => ids.includes(id)).map(({ file, manifest }) => [manifest.name, `file:${file}`])
      ),
      ...others
    },
    devDependencies: compilers
  })
  writeFileSync(
    join(folder, "src/modules.ts"),
    place.tarballs.filter(({ id }) => ids.includes(id)).flatMap(modules)
      .map((specifier, index) => `import * as m${index} from "${specifier}"\nexport { m${index} }\n`).join("")
  )
  return folder
}

const everything = (place: Place) => join(place.folder, "everything")
const alone = (place: Place) => join(place.folder, "core alone")

/** The programs of a README, written into the project. */
const programs = (folder: string, document: string, name: string): ReadonlyArray<Block & { readonly path: string }> =>
  blocks(readFileSync(document, "utf8"), `release-${process.pid}-${name}`).map((block, index) => {
    const path = `${name}-${index + 1}${block.test ? ".test" : ""}`
    writeFileSync(join(folder, "src", `${path}.ts`), block.code)
    return { ...block, path }
  })

const readmes = (place: Place) => [
  ...programs(everything(place), join(root, "README.md"), "workspace"),
  ...place.tarballs.flatMap((tarball) =>
    programs(everything(place), join(tarball.folder, "README.md"), tarball.manifest.name.split("/")[1]!)
  )
]

export const installed = (place: Place): Effect.Effect<string, Failed> =>
  Effect.gen(function*() {
    const folder = project(place, "everything", place.tarballs.map(({ id }) => id), {
      "@effect/platform-node": pinned("@effect/platform-node"),
      "@effect/vitest": pinned("@effect/vitest"),
      "@types/node": pinned("@types/node"),
      effect: pinned("effect"),
      vitest: pinned("vitest")
    })
    copyFileSync(join(root, "packages/examples/src/demo-node.ts"), join(folder, "src/demo-node.ts"))
    readmes(place)
    yield* npm(folder)
    // One who uses no Node has none of its types either.
    const other = project(place, "core alone", ["core"], { effect: pinned("effect") })
    programs(other, join(place.tarballs.find(({ id }) => id === "core")!.folder, "README.md"), "core")
    yield* npm(other)
    for (const name of ["effect", "@effect/platform-node", "@pnet/core"]) {
      const { output } = yield* run("npm", ["ls", name, "--all", "--parseable"], { cwd: folder })
      const copies = new Set(output.split("\n").filter((line) => line.endsWith(`node_modules/${name}`)))
      if (copies.size !== 1) {
        return yield* fail(`${copies.size} copies of ${name} were installed:\n${[...copies].join("\n")}`)
      }
    }
    return "npm, into folders outside of the workspace; one copy of each peer"
  })

// --- compiled --------------------------------------------------------------------------------------------------------------

const resolutions = {
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler" }
} as const

const compile = (
  folder: string,
  version: string,
  resolution: keyof typeof resolutions,
  types: ReadonlyArray<string>
) => {
  const name = `tsconfig.${version}.${resolution}.json`
  json(join(folder, name), {
    include: ["src"],
    compilerOptions: {
      ...resolutions[resolution],
      target: "es2023",
      strict: true,
      skipLibCheck: false,
      types,
      rootDir: "src",
      outDir: `out-${resolution}`
    }
  })
  return done(
    process.execPath,
    [join(folder, `node_modules/typescript-${version}/bin/tsc`), "-p", name, "--pretty", "false"],
    { cwd: folder }
  )
}

/** Leaves what the compiler makes of the programs in `out-nodenext` and `out-bundler`. */
export const compiled = (
  place: Place,
  version: string,
  resolution: keyof typeof resolutions
): Effect.Effect<string, Failed> =>
  Effect.gen(function*() {
    yield* compile(everything(place), version, resolution, ["node"])
    yield* compile(alone(place), version, resolution, [])
    return "every module and the programs of the READMEs; core without types of Node; skipLibCheck false"
  })

// --- run -------------------------------------------------------------------------------------------------------------------

/** Fails unless a program ends well and prints what it says. Nobody else's warnings are in it. */
const prints = (
  block: { readonly path: string; readonly prints: ReadonlyArray<string> },
  command: ReadonlyArray<string>,
  cwd: string
) =>
  Effect.gen(function*() {
    const output = yield* done(command[0]!, command.slice(1), { cwd, limit: 60_000 })
    // Which quotes a text in an array gets depends on who prints it.
    const quoted = (text: string) => text.replaceAll("\"", "'")
    for (const line of block.prints) {
      if (!quoted(output).includes(quoted(line))) {
        return yield* fail(`${block.path} did not print ${line}, but:\n${output}`)
      }
    }
    if (/\bWARN\b|Warning:/.test(output)) return yield* fail(`${block.path} warned:\n${output}`)
  })

/** A runtime, from the registry. */
export const runtime = (place: Place, one: Runtime): Effect.Effect<ReadonlyArray<string>, Failed> =>
  Effect.gen(function*() {
    const folder = join(place.folder, "runtimes", one.name)
    mkdirSync(folder, { recursive: true })
    json(join(folder, "package.json"), {
      private: true,
      dependencies: { [one.package]: one.version },
      // A newer npm asks before it lets a package put its binary in place.
      allowScripts: { [one.package]: true }
    })
    yield* npm(folder)
    const command = [join(folder, one.command[0]!), ...one.command.slice(1)]
    const version = yield* done(command[0]!, ["--version"], { cwd: folder })
    if (!version.includes(one.version)) return yield* fail(`${one.name} says that it is ${version}`)
    return command
  })

/** The programs of the READMEs run there, and a node there talks to one on the Node of the workspace. */
export const ran = (place: Place, one: Runtime): Effect.Effect<string, Failed> =>
  Effect.gen(function*() {
    const folder = everything(place)
    const got = yield* Effect.result(runtime(place, one))
    if (Result.isFailure(got)) {
      // Not every machine has a build of it.
      if (one.package === "node" || process.env.CI === "true") return yield* got.failure
      return `skipped: it is not to be had here (${got.failure.problem.split("\n")[0]})`
    }
    const command = got.success
    const all = readmes(place).filter(({ test }) => !test)
    for (const block of all) yield* prints(block, [...command, `out-nodenext/${block.path}.js`], folder)
    const demo = "out-nodenext/demo-node.js"
    yield* converse(
      { name: one.name, command: [...command, demo], cwd: folder },
      { name: "the Node of the workspace", command: [process.execPath, demo], cwd: folder }
    )
    return `${all.length} programs, and a conversation with Node ${process.versions.node}`
  })

export const tested = (place: Place): Effect.Effect<string, Failed> =>
  Effect.gen(function*() {
    const folder = everything(place)
    yield* done(process.execPath, [join(folder, "node_modules/vitest/vitest.mjs"), "run", "--root", folder, "src"], {
      cwd: folder
    })
    return "the test in the README of @pnet/testing passes"
  })

// --- bundled ---------------------------------------------------------------------------------------------------------------

/**
 * What asks for a module of Node in a bundle for browsers, or is what vite puts in the place of one. It is a classic script, which has no
 * static imports; and `process.getBuiltinModule`, which Effect calls where there is one, is none.
 */
const nodeIn = (code: string) =>
  [...code.matchAll(/\b(?:import|require)\(\s*["'`]([^"'`\n]+)["'`]\s*\)|__vite-browser-external/g)]
    .filter(([, specifier]) => specifier === undefined || isBuiltin(specifier))
    .map(([found]) => found)

/** Runs a script where there is what a browser has, and nothing of Node. */
const browser = (folder: string) => {
  const path = join(folder, "browser.mjs")
  writeFileSync(
    path,
    `
      import { readFileSync } from "node:fs"
      import { createContext, runInContext } from "node:vm"
      const names = ["AbortController", "AbortSignal", "Blob", "Event", "EventTarget", "MessageChannel", "ReadableStream", "TextDecoder",
        "TextEncoder", "TransformStream", "URL", "URLSearchParams", "WritableStream", "atob", "btoa", "clearInterval", "clearTimeout",
        "console", "crypto", "fetch", "performance", "queueMicrotask", "setInterval", "setTimeout", "structuredClone"]
      const context = createContext(Object.fromEntries(names.map((name) => [name, globalThis[name]])))
      runInContext("globalThis.self = globalThis.window = globalThis", context)
      runInContext(readFileSync(process.argv[2], "utf8"), context)
    `
  )
  return path
}

/** The programs of core's README, and every module of what needs no Node. */
const page = (place: Place) => {
  const folder = everything(place)
  const shipped = place.tarballs.filter(({ id }) => ["core", "files", "testing", "web"].includes(id))
  writeFileSync(
    join(folder, "page.js"),
    shipped.map(({ manifest }, index) => `import * as m${index} from "${manifest.name}"\n`).join("") +
      `globalThis.pnet = [${shipped.map((_, index) => `m${index}`).join()}]\n` +
      programs(folder, join(shipped[0]!.folder, "README.md"), "core").map(({ path }) =>
        `import "./out-bundler/${path}.js"\n`
      ).join("")
  )
  return {
    entry: join(folder, "page.js"),
    prints: blocks(readFileSync(join(shipped[0]!.folder, "README.md"), "utf8"), "page").flatMap((block) => block.prints)
  }
}

const inBrowser = (place: Place, bundle: string, expected: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const code = readFileSync(bundle, "utf8")
    const found = nodeIn(code)
    if (found.length > 0) return yield* fail(`the bundle for browsers asks for ${[...new Set(found)].join(", ")}`)
    yield* prints(
      { path: "the bundle for browsers", prints: expected },
      [process.execPath, browser(place.folder), bundle],
      place.folder
    )
    return `core and testing, ${text(code.length)}; no Node in it, and it runs without one`
  })

const esbuild = (place: Place, entry: string, out: string, options: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const output = yield* done(
      tool("esbuild"),
      [entry, "--bundle", "--log-level=warning", `--outfile=${out}`, ...options],
      { cwd: everything(place) }
    )
    if (output !== "") return yield* fail(`esbuild warned:\n${output}`)
  })

export const esbuildBrowser = (place: Place): Effect.Effect<string, Failed> =>
  Effect.gen(function*() {
    const { entry, prints } = page(place)
    const out = join(place.folder, "page.esbuild.js")
    yield* esbuild(place, entry, out, ["--platform=browser", "--format=iife", "--minify"])
    return yield* inBrowser(place, out, prints)
  })

const vite = (place: Place, name: string, config: unknown) => {
  const folder = everything(place)
  const path = join(folder, `vite.${name}.json`)
  json(path, config)
  const script = join(folder, `vite.${name}.mjs`)
  // As a program, so that the one that is pinned is used, and no configuration of a user's.
  writeFileSync(
    script,
    `
      import { readFileSync } from "node:fs"
      import { build } from ${JSON.stringify(join(root, "packages/release/node_modules/vite/dist/node/index.js"))}
      await build({ configFile: false, logLevel: "warn", ...JSON.parse(readFileSync(${JSON.stringify(path)}, "utf8")) })
    `
  )
  return Effect.flatMap(
    done(process.execPath, [script], { cwd: folder }),
    (output) => /externalized for browser/.test(output) ? fail(`vite warned:\n${output}`) : Effect.void
  )
}

export const viteBrowser = (place: Place): Effect.Effect<string, Failed> =>
  Effect.gen(function*() {
    const { entry, prints } = page(place)
    const out = join(place.folder, "page.vite")
    yield* vite(place, "browser", {
      root: everything(place),
      build: {
        outDir: out,
        emptyOutDir: true,
        lib: { entry, formats: ["iife"], name: "page", fileName: "page" }
      }
    })
    const [file] = readdirSync(out).filter((name) => name.endsWith(".js"))
    return yield* inBrowser(place, join(out, file!), prints)
  })

/** Bundles every program of the READMEs and runs what comes out, with the addon at hand. */
const nodeBundles = (
  place: Place,
  bundle: (entry: string, out: string, path: string) => Effect.Effect<string, Failed>,
  isBundled: (path: string) => boolean = () => true
) =>
  Effect.gen(function*() {
    const folder = everything(place)
    const all = readmes(place).filter(({ path, test }) => !test && isBundled(path))
    let size = 0
    for (const block of all) {
      const file = yield* bundle(join(folder, `out-bundler/${block.path}.js`), join(folder, "bundles"), block.path)
      size = Math.max(size, readFileSync(file).length)
      yield* prints(block, [process.execPath, file], folder)
    }
    return `${all.length} programs, up to ${text(size)}; each runs, with sodium-native`
  })

/** Programs that stand on CommonJS which requires modules of Node: NATS' client, and the WebSockets under Effect's HTTP server. */
const onCommonJs = /^(?:console|nats|web)-/

/** What those need in a bundle that is ESM, which has no `require` by itself. */
const require = `const require = process.getBuiltinModule("module").createRequire(import.meta.url);`

export const esbuildNode = (place: Place, format: "esm" | "cjs"): Effect.Effect<string, Failed> =>
  nodeBundles(
    place,
    (entry, out, path) => {
      const file = join(out, `${path}.${format === "esm" ? "mjs" : "cjs"}`)
      const banner = format === "esm" && onCommonJs.test(path) ? [`--banner:js=${require}`] : []
      return Effect.as(esbuild(place, entry, file, ["--platform=node", `--format=${format}`, ...banner]), file)
    },
    // The console has files beside it, and CommonJS does not know where it is itself.
    (path) => format === "esm" || !path.startsWith("console-")
  )

export const viteNode = (place: Place): Effect.Effect<string, Failed> =>
  nodeBundles(place, (entry, out, path) =>
    Effect.as(
      vite(place, path, {
        root: everything(place),
        ssr: { noExternal: true },
        build: { ssr: entry, outDir: join(out, path), emptyOutDir: true, target: "node22" }
      }),
      join(out, path, `${path}.js`)
    ))
