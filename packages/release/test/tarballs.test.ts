/**
 * The fast half of `pnpm release:check`: the tarballs are packed and looked at, but neither installed nor run.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { publint } from "publint"
import { internals, modules, problems } from "../src/inspect.ts"
import { pack, relinked, type Tarball } from "../src/pack.ts"
import { done } from "../src/run.ts"
import { publicPackages, root, tool } from "../src/workspace.ts"

const tsc = join(root, "node_modules/typescript/bin/tsc")
const alone = join(root, "packages/lab/src/harness/alone.ts")

describe("the tarballs", () => {
  const folder = mkdtempSync(join(tmpdir(), "pnet-tarballs-"))
  let tarballs: ReadonlyArray<Tarball> = []

  beforeAll(() =>
    // What is packed is what the compiler makes, which may be at it.
    Effect.runPromise(
      done(process.execPath, [alone, "tsc", process.execPath, tsc, "-b", "tsconfig.packages.json"], {
        cwd: root,
        limit: 900_000
      }).pipe(
        Effect.andThen(pack(folder)),
        Effect.map((packed) => {
          tarballs = packed
        })
      )
    ), 960_000)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("have what they need and nothing else, and all in them leads somewhere", () => {
    assert.deepStrictEqual(problems(tarballs, { stale: true }), [])
  })

  it.live("please publint", () =>
    Effect.forEach(tarballs, ({ file, id }) =>
      Effect.map(
        // Here, which saves starting its command for each; `pnpm release:check` does that.
        Effect.promise(() => publint({ strict: true, pack: { tarball: new Uint8Array(readFileSync(file)).buffer } })),
        ({ messages }) => assert.deepStrictEqual(messages.filter(({ type }) => type === "error"), [], id)
      )))

  /** What the packages need besides themselves, from where the workspace has it. */
  const furnished = Effect.sync(() => {
    for (const { folder: source, manifest } of publicPackages) {
      for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
        const target = join(folder, "node_modules", name)
        if (name.startsWith("@pnet/") || existsSync(target)) continue
        mkdirSync(dirname(target), { recursive: true })
        symlinkSync(realpathSync(join(source, "node_modules", name)), target, "dir")
      }
    }
  })

  it.live("export every public module, and no other", () =>
    Effect.gen(function*() {
      yield* furnished
      const program = join(folder, "all.mjs")
      // The suites need vitest's own process.
      const suites = /Suite$/
      writeFileSync(
        program,
        `
          for (const name of ${JSON.stringify(tarballs.flatMap(modules).filter((name) => !suites.test(name)))}) {
            if (Object.keys(await import(name)).length === 0) throw new Error(name + " exports nothing")
          }
          for (const name of ${JSON.stringify(tarballs.flatMap(internals))}) {
            let code
            try { import.meta.resolve(name) } catch (error) { code = error.code }
            if (code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") throw new Error(name + " can be imported")
          }
        `
      )
      yield* done(process.execPath, [program], { cwd: folder })
    }), 60_000)

  it.live(
    "become bundles: one for browsers, and one for Node that loads its cryptography",
    () =>
      Effect.gen(function*() {
        yield* furnished
        const bundle = (name: string, code: string, platform: string) => {
          writeFileSync(join(folder, `${name}.js`), code)
          const out = join(folder, `${name}.mjs`)
          const options = [
            "--bundle",
            "--format=esm",
            `--platform=${platform}`,
            "--log-level=warning",
            `--outfile=${out}`
          ]
          return Effect.as(done(tool("esbuild"), [`${name}.js`, ...options], { cwd: folder }), out)
        }
        // A module of Node in it would be an error.
        yield* bundle("page", `export * from "@pnet/core"; export * from "@pnet/testing"`, "browser")
        const program = yield* bundle(
          "program",
          `
          import { Crypto, PortableCrypto } from "@pnet/core"
          import { NodePnet } from "@pnet/node"
          import { Effect } from "effect"
          const name = Effect.map(Crypto.Crypto, ({ name }) => name)
          Effect.runPromise(Effect.zip(Effect.provide(name, NodePnet.layer), Effect.provide(name, PortableCrypto.layer)))
            .then((names) => console.log(names.join(", ")))
        `,
          "node"
        )
        assert.strictEqual(
          yield* done(process.execPath, [program], { cwd: folder }),
          "sodium-native + node:crypto, portable"
        )
      }),
    60_000
  )
})

describe("links", () => {
  const written = (document: string, text: string) => relinked(document, text).written

  it("lead to the documents in core", () => {
    assert.strictEqual(written("packages/core/README.md", "[a](../../docs/a.md#b)"), "[a](docs/a.md#b)")
    assert.strictEqual(written("packages/node/README.md", "[a](../../docs/a.md)"), "[a](../core/docs/a.md)")
  })

  it("from documents lead to packages", () => {
    assert.strictEqual(
      written("docs/a.md", "[a](b.md) [c](../packages/node/README.md)"),
      "[a](b.md) [c](../../node/README.md)"
    )
  })

  it("to other places stay", () => {
    const text = "[a](https://example.org/a) [b](#c)"
    assert.deepStrictEqual(relinked("docs/a.md", text), { written: text, lost: [] })
  })

  it("to what is in no package are told", () => {
    assert.strictEqual(
      relinked("packages/node/README.md", "[a](../../README.md) [b](../bench/README.md)").lost.length,
      2
    )
  })
})
