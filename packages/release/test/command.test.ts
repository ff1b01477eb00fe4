/** The fast half of what `pnpm release:check` does with the command: it is bundled, looked at and started, but not installed. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { packed } from "../src/commandSteps.ts"
import { done, run } from "../src/run.ts"

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
        const wrong = yield* run(process.execPath, [main, "call"], { cwd: folder })
        assert.strictEqual(wrong.code, 2)
      }),
    60_000
  )
})
