/**
 * A command as it is published: everything that it uses in a few files, so that it starts fast, and nothing to install but the compiled addon.
 */
import * as Effect from "effect/Effect"
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import { join } from "node:path"
import { rolldown } from "rolldown"
import { done, fail, Failed } from "./run.ts"
import { manifestIn, type Package, root } from "./workspace.ts"

/** What no bundle can have in it: it is compiled for each machine. */
const addons = ["sodium-native"]

const addonVersions = Object.fromEntries(
  Object.entries(manifestIn(join(root, "packages/node")).dependencies ?? {}).filter(([name]) => addons.includes(name))
)

// What a command starts with instead where it needs whole packages, and not what it uses of them itself: a bundle of its own beside the other, so
// that it alone is larger.
const whole = "whole"

const build = (name: string, folder: string, input: Record<string, string>, dir: string) =>
  Effect.gen(function*() {
    const warnings: Array<string> = []
    const write = () =>
      rolldown({
        input,
        cwd: folder,
        platform: "node",
        external: addons,
        plugins: [{
          name: whole,
          resolveId: (source) =>
            source === `./${whole}.ts` ? { id: `./${whole}.js`, external: "absolute" as const } : null
        }],
        onLog: (level, log) => {
          if (level === "warn") warnings.push(log.message)
        }
      }).then((bundle) =>
        bundle.write({ dir, format: "esm", minify: true, chunkFileNames: "[name]-[hash].js" })
          .then(({ output }) => bundle.close().then(() => output))
      )
    const output = yield* Effect.tryPromise({
      try: write,
      catch: (error) => new Failed({ problem: `${name} could not be bundled: ${String(error)}` })
    })
    if (warnings.length > 0) return yield* fail(`the bundle of ${name} warned:\n${warnings.join("\n")}`)
    const files = new Set(output.map(({ fileName }) => fileName))
    const outside = output.flatMap((file) => file.type === "chunk" ? [...file.imports, ...file.dynamicImports] : [])
      .filter((specifier) =>
        !files.has(specifier) && !isBuiltin(specifier) && !addons.includes(specifier) &&
        specifier !== `./${whole}.js`
      )
    if (outside.length > 0) return yield* fail(`the bundle of ${name} imports ${[...new Set(outside)].join(", ")}`)
    return [...files]
  })

/** Writes the files of a command into a folder: what is loaded at once, and what is loaded when it is needed. */
export const bundled = ({ folder, manifest }: Package, out: string): Effect.Effect<ReadonlyArray<string>, Failed> =>
  Effect.gen(function*() {
    const input = Object.fromEntries(
      Object.entries(manifest.bin ?? {}).map(([name, path]) => [name, join(folder, path)])
    )
    rmSync(out, { recursive: true, force: true })
    const files = yield* build(manifest.name, folder, input, out)
    const entry = join(folder, "src", `${whole}.ts`)
    if (!existsSync(entry)) return files
    const more = yield* build(manifest.name, folder, { [whole]: entry }, out)
    return [...new Set([...files, ...more])]
  })

/** Builds the page of the console into a folder: what serves it finds it beside itself. */
export const pageIn = (folder: string): Effect.Effect<void, Failed> =>
  Effect.asVoid(done(process.execPath, [join(root, "packages/console/buildPage.ts"), folder], { cwd: root }))

/** The folder of a command's package, as it is published. */
export const staged = (command: Package, top: string): Effect.Effect<void, Failed> =>
  Effect.gen(function*() {
    mkdirSync(top, { recursive: true })
    yield* bundled(command, join(top, "dist"))
    yield* pageIn(join(top, "dist/page"))
    const { bin: _bin, devDependencies: _dev, publishConfig, ...manifest } = command.manifest
    writeFileSync(
      join(top, "package.json"),
      `${
        JSON.stringify(
          { ...manifest, bin: publishConfig?.bin, dependencies: addonVersions, publishConfig },
          undefined,
          2
        )
      }\n`
    )
    for (const name of ["README.md", "CHANGELOG.md"]) cpSync(join(command.folder, name), join(top, name))
    for (const page of manifest.files?.filter((file) => file.startsWith("docs/")) ?? []) {
      cpSync(join(root, page), join(top, page))
    }
    cpSync(join(root, "LICENSE"), join(top, "LICENSE"))
  })

/** Packs what is in `stage/package` into a file. */
export const packedFrom = (stage: string, file: string): Effect.Effect<string, Failed> =>
  Effect.as(done("tar", ["-czf", file, "-C", stage, "package"], { cwd: stage }), file)
