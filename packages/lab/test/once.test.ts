/** What several processes want is made by one of them. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { once } from "../src/harness/once.ts"

const nothing = () => undefined

/** A lock in a folder that is made with it. */
const lock = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "pnet-once-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  ),
  (folder) => join(folder, "in", "lock")
)

it.effect("is taken where it is there, and made where it is not, by who has the lock meanwhile", () =>
  Effect.gen(function*() {
    const path = yield* lock
    assert.strictEqual(once(path, () => 1, () => assert.fail("made")), 1)
    assert.strictEqual(once(path, nothing, () => existsSync(path)), true)
    assert.isFalse(existsSync(path))
    assert.throws(() => once(path, nothing, () => assert.fail("it broke")), "it broke")
    assert.isFalse(existsSync(path))
    // Another may have made it before the lock was there.
    let looked = 0
    assert.strictEqual(once(path, () => looked++ === 0 ? undefined : 2, () => assert.fail("made")), 2)
    assert.isFalse(existsSync(path))
  }).pipe(Effect.scoped))

it.effect("is waited for while another makes it, and for no one who is gone or takes for ever", () =>
  Effect.gen(function*() {
    const path = yield* lock
    once(path, nothing, () => true)
    // Of a process that lives.
    writeFileSync(path, String(process.pid))
    let looked = 0
    assert.strictEqual(once(path, () => looked++ < 3 ? undefined : 3, () => assert.fail("made")), 3)
    assert.isTrue(existsSync(path))
    utimesSync(path, 1, 1)
    assert.strictEqual(once(path, nothing, () => 4), 4)
    const gone = spawnSync(process.execPath, ["--version"]).pid
    writeFileSync(path, String(gone))
    assert.strictEqual(once(path, nothing, () => 5), 5)
    assert.isFalse(existsSync(path))
  }).pipe(Effect.scoped))
