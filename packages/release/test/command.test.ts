/** The fast half of what `pnpm release:check` does with the command: it is bundled, looked at and started, but not installed. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { packed } from "../src/commandSteps.ts"
import { done, run } from "../src/run.ts"
import { root } from "../src/workspace.ts"

describe("the command as it is published", () => {
  const folder = mkdtempSync(join(tmpdir(), "pnet-command-"))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.live(
    "is a bundle with nothing in it that is not to be there, which says its version, its help and its mistakes",
    () =>
      Effect.gen(function*() {
        const [, [command]] = yield* packed(folder)
        const { bin, version } = command!.manifest
        const main = join(command!.folder, bin!["pnet"]!)
        assert.strictEqual(yield* done(process.execPath, [main, "--version"], { cwd: folder }), `pnet ${version}`)
        assert.include(
          yield* done(process.execPath, [main, "call", "--help"], { cwd: folder }),
          "pnet call bob add 1 2"
        )
        assert.include(
          yield* done(process.execPath, [main, "why", "peer-unknown"], { cwd: folder }),
          "Why can't I find a peer by its name?"
        )
        // A Node that is too old is told so, and nothing that it has not is imported before that.
        const older = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.9.0' } })"
        const old = yield* run(process.execPath, [`--import=data:text/javascript,${older}`, main, "peers"], {
          cwd: folder
        })
        assert.strictEqual(old.code, 1)
        assert.include(old.output, "it needs Node 22.19 or later, and this is 20.9.0")
        assert.notMatch(readFileSync(main, "utf8"), /import\s*\{[^}]*\}\s*from\s*["']node:module["']/)
        const wrong = yield* run(process.execPath, [main, "call"], { cwd: folder })
        assert.strictEqual(wrong.code, 2)
      }),
    120_000
  )

  it.live("is what pnpm runs in the workspace, by the Node that is installed there, whatever the machine has", () =>
    Effect.gen(function*() {
      const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
      // What pnpm does with a script: the programs of the workspace come first.
      const path = [join(root, "node_modules/.bin"), "/usr/bin", "/bin"].join(delimiter)
      const said = yield* done("/bin/sh", ["-c", `${scripts.pnet} --version`], { cwd: root, env: { PATH: path } })
      assert.match(said, /^pnet \d/)
      const node = yield* done("/bin/sh", ["-c", "node --version"], { cwd: root, env: { PATH: path } })
      assert.match(node, /^v2[4-9]\./)
    }))
})
