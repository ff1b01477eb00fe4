import { afterAll, assert, beforeEach, describe, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { internals, modules, problems } from "../src/inspect.ts"
import type { Tarball } from "../src/pack.ts"
import type { Manifest } from "../src/workspace.ts"

const good: Manifest = {
  name: "@pnet/core",
  version: "1.0.0",
  description: "a package",
  keywords: ["a"],
  license: "MIT",
  engines: { node: ">=22.0.0" },
  files: [],
  exports: { ".": "./dist/index.js", "./*": "./dist/*.js", "./internal/*": null, "./index": null },
  dependencies: { there: "^1.0.0" },
  publishConfig: { provenance: true }
}

describe("a look into a tarball", () => {
  const top = mkdtempSync(join(tmpdir(), "pnet-inspect-"))
  const tarball = (manifest: Partial<Manifest> = {}): Tarball => ({
    id: "core",
    manifest: { ...good, ...manifest },
    file: "",
    folder: top
  })
  const write = (path: string, text = "") => {
    mkdirSync(dirname(join(top, path)), { recursive: true })
    writeFileSync(join(top, path), text)
  }
  const module = (name: string, code = "export {}\n") => {
    write(`src/${name}.ts`, code)
    for (const ending of [".js", ".d.ts"]) {
      write(`dist/${name}${ending}`, code)
      write(`dist/${name}${ending}.map`)
    }
  }
  const found = (manifest?: Partial<Manifest>, stale = false) =>
    problems([tarball(manifest)], { stale }).map((problem) => problem.replace("@pnet/core: ", ""))

  beforeEach(() => {
    rmSync(top, { recursive: true, force: true })
    for (const path of ["package.json", "README.md", "LICENSE", "CHANGELOG.md", "API.md", "AGENTS.md", "llms.txt"]) {
      write(path)
    }
    module("index")
    module("A", "import { b } from \"there/b\"\nimport \"./internal/c.js\"\n")
    module("internal/c")
  })
  afterAll(() => rmSync(top, { recursive: true, force: true }))

  it("finds nothing in a good one, and what may be imported", () => {
    assert.deepStrictEqual(found(), [])
    assert.deepStrictEqual(modules(tarball()), ["@pnet/core/A", "@pnet/core"])
    assert.deepStrictEqual(internals(tarball()), ["@pnet/core/index", "@pnet/core/internal/c"])
  })

  it("finds what is missing, and what should not be there", () => {
    rmSync(join(top, "CHANGELOG.md"))
    rmSync(join(top, "dist/A.d.ts"))
    write("test/A.test.ts")
    assert.deepStrictEqual(found(), [
      "CHANGELOG.md is missing",
      "test/A.test.ts does not belong there",
      "dist/A.d.ts is missing: pnpm build"
    ])
  })

  it("finds what a build of older sources left, unless it may be there", () => {
    write("dist/Gone.js")
    assert.deepStrictEqual(found(), ["dist/Gone.js has no source"])
    assert.deepStrictEqual(found({}, true), [])
  })

  it("finds imports of what is not there, not asked for, or of Node", () => {
    module(
      "A",
      "import \"./gone.js\"\nimport { c } from \"elsewhere\"\nawait import(\"node:fs\")\ntype Key = \"from\" | \"id\"\n// from \"a comment\"\n"
    )
    write("dist/A.d.ts", "/// <reference types=\"node\" />\nexport {}\n")
    assert.deepStrictEqual(found(), [
      "dist/A.d.ts refers to types that not everybody has",
      "dist/A.js imports ./gone.js",
      "dist/A.js imports elsewhere",
      "dist/A.js imports node:fs"
    ])
  })

  it("finds links that lead nowhere", () => {
    write("README.md", "[a](docs/a.md) [b](https://example.org) [c](LICENSE)")
    assert.deepStrictEqual(found(), ["README.md links to docs/a.md, which is not there"])
  })

  it("finds manifests that nobody can install, or that bring a second copy", () => {
    assert.deepStrictEqual(found({ dependencies: { there: "workspace:*", effect: "^4.0.0" } }), [
      "it depends on there@workspace:*, which nobody outside can install",
      "effect is a dependency, and has to be a peer"
    ])
    assert.deepStrictEqual(found({ publishConfig: {} }), ["it would be published without provenance"])
    assert.deepStrictEqual(found({ exports: { ".": "./dist/main.js" } }), [
      "package.json exports ./dist/main.js, which is not there"
    ])
    assert.deepStrictEqual(found({ browser: { "./dist/A.js": "./dist/B.js" } }), [
      "package.json has ./dist/B.js for browsers, which is not there"
    ])
  })
})
