/** What is made of the programs that tests start: once, and anew when a source was changed. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Programs from "../src/processes/programs.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "pnet-programs-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

it.effect("is taken again until a source of theirs is changed, or was while they were made", () =>
  Effect.gen(function*() {
    const cwd = yield* folder
    const [program, part] = [join(cwd, "program.ts"), join(cwd, "part.ts")]
    const long = statSync(new URL("../package.json", import.meta.url)).mtimeMs / 1_000 - 60
    const write = (text: string, changed: number) => {
      writeFileSync(part, `export const text: string = "${text}"`)
      utimesSync(part, changed, changed)
    }
    writeFileSync(program, `import { text } from "./part.ts"\nconsole.log(text)`)
    utimesSync(program, long, long)
    const made = () => readFileSync(Programs.files([program])[0]!, "utf8")
    write("first", long)
    assert.include(made(), "first")
    // As nobody would change it: it shows that nothing was made.
    write("other", long)
    assert.include(made(), "first")
    write("third", long + 1)
    assert.include(made(), "third")
    write("longer", long + 1)
    assert.include(made(), "longer")
    // What is so young may have been read before it was written.
    const now = (performance.timeOrigin + performance.now()) / 1_000
    write("fourth", now + 60)
    assert.include(made(), "fourth")
    write("fifth!", now + 60)
    assert.include(made(), "fifth!")
    // Others are made of other sources.
    const [other] = Programs.files([program, part])
    assert.notStrictEqual(other, Programs.files([program])[0])
  }).pipe(Effect.scoped))
