/** A first hour: two shells in terminals, in which somebody types. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll } from "vitest"
import { home, terminals } from "./harness/binary.ts"

const place = home(40_867)
afterAll(() => place.close())

/** A shell, and what it says to what is typed. */
const shell = () => {
  const process = place.shell()
  let typed = 0
  /** Types a line, and waits for what was said until it was done, with its exit code. */
  const type = (line: string) =>
    Effect.suspend(() => {
      const mark = `done ${++typed}:`
      const before = process.stdout().length
      process.type(`${line}; echo "${mark} $?"\n`)
      return Effect.map(
        Effect.promise(() => process.says(new RegExp(`${mark} \\d`))),
        () => process.stdout().slice(before)
      )
    })
  return {
    type,
    /** Types a line that goes on until something else is typed. */
    begin: (line: string) => process.type(`${line}\n`),
    press: (key: string) => process.type(key),
    says: (text: string | RegExp) => Effect.promise(() => process.says(text)),
    said: process.stdout
  }
}

// A terminal kills with it what runs: it says nothing, and cleans nothing up.
const quit = "\u001c"

describe.skipIf(!terminals)("a first hour", () => {
  it.live(
    "makes a key, serves, calls, sends, is killed and goes on, publishes, watches and asks what is wrong, in two terminals",
    () =>
      Effect.gen(function*() {
        const [one, two] = [shell(), shell()]

        // A network of one's own, whose key every command finds.
        assert.match(yield* one.type("pnet key network make"), /done 1: 0/)
        one.begin("pnet up --name bob --receive inbox --fn 'add(a: int, b: int)=echo $(($1 + $2))'")
        yield* one.says(/bob is up on network .*, which has a key/)

        // What was drawn while it took long is wiped.
        assert.match(yield* two.type("pnet call bob add 1 2"), /[\nK]3\r\n.*done 1: 0/s)
        yield* one.says("called add: ok")

        assert.match(yield* two.type("pnet peers"), /bob .*online.* 127\.0\.0\.1:\d+.*done 2: 0/s)

        // A folder is on its way when the command is killed; the same command goes on with it, and all of it arrives.
        yield* two.type("ulimit -c 0; mkdir photos; echo sea > photos/one.jpg; echo shore > photos/two.jpg")
        yield* two.type("head -c 134217728 /dev/zero > photos/three.raw")
        two.begin("pnet send bob photos; echo \"sent: $?\"")
        yield* two.says(/% bob: \d of 3 files/)
        two.press(quit)
        yield* two.says(/sent: 131/)
        assert.match(yield* two.type("ls inbox/photos/three.raw"), /done 5: [12]/)
        assert.match(yield* two.type("pnet send bob photos"), /: 3 files, 134 MB.*done 6: 0/s)
        assert.match(yield* two.type("cat inbox/photos/*.jpg"), /sea\r\nshore\r\ndone 7: 0/)
        assert.match(yield* two.type("cmp photos/three.raw inbox/photos/three.raw; ls inbox"), /photos\r\ndone 8: 0/)

        // In the background of one shell it is heard what is said in it.
        two.begin("pnet subscribe news --count 1 --name ann &")
        yield* one.says("ann is there")
        assert.match(yield* two.type("pnet publish news 'the build is green'"), /done 9: 0/)
        yield* two.says(/ann.*the build is green|the build is green\r\n/)

        // The screen is there, follows the terminal, and is gone as if it had not been.
        two.begin("(until [ -e narrow ]; do sleep 0.05; done; stty cols 50) & pnet top --every 200ms")
        yield* two.says("\u001b[?1049h")
        yield* two.says(/bob .*online.*127\.0\.0\.1/)
        yield* Effect.sync(() => writeFileSync(join(place.folder, "narrow"), ""))
        yield* two.says(/calls [^\r]*…/)
        two.press("q")
        yield* two.says(/\?1049l[^]*\$ $/)
        assert.match(yield* two.type("stty -a | grep -c ' -icanon'"), /\b0\r\ndone 10/)

        assert.match(yield* two.type("pnet doctor bob"), /"bob" answers at 127\.0\.0\.1:\d+.*done 11: 0/s)

        one.press("\u0003")
        yield* one.says("bob leaves")
        assert.match(yield* one.type("true"), /done 2: 0/)
      }),
    60_000
  )
})
