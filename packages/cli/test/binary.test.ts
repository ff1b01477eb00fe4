/** The real command in processes: pipes, terminals, signals, keys in files. */
import { assert, describe, it } from "@effect/vitest"
import { displayWidth } from "effect/cli/CliOutput"
import * as Effect from "effect/Effect"
import { existsSync, writeFileSync } from "node:fs"
import { userInfo } from "node:os"
import { afterAll } from "vitest"
import { version } from "../src/version.ts"
import { home, type Process, terminals } from "./harness/binary.ts"
import { values } from "./harness/desk.ts"

const place = home(40_851)
afterAll(() => place.close())

const run = (words: ReadonlyArray<string>, how: Parameters<typeof place.run>[1] = {}) =>
  Effect.promise(() => place.run(words, how))
const says = (running: Process, text: string | RegExp) => Effect.promise(() => running.says(text))
const ended = (running: Process) => Effect.promise(() => running.ended)

// oxlint-disable-next-line no-control-regex
const colours = /\u001b\[\d+m/

// It does not end when it is asked to.
const stay = "stay=trap '' TERM; echo $$; exec sleep 60"

describe("the command in processes", () => {
  it.live(
    "serves a command of the shell, is called, keeps its key to itself, and says that it leaves on Ctrl-C",
    () =>
      Effect.gen(function*() {
        const up = place.start(
          ["up", "--name", "bob", "--fn", "add(a: int, b: int)=echo $(($1 + $2))", "--fn", stay, "--open"],
          terminals ? { columns: 60 } : {}
        )
        yield* says(up, "bob is up")
        assert.deepEqual(yield* run(["call", "bob", "add", "1", "2"]), { code: 0, stdout: "3\n", stderr: "" })
        yield* says(up, "called add: ok")

        const second = yield* run(["up", "--name", "bob", "--json"])
        assert.deepInclude(second, { code: 8, stdout: "" })
        assert.match(
          values(second.stderr)[0]!["message"],
          /"bob" runs already on this machine: process \d+ has its key since 20/
        )

        // Whoever reads the output has read enough: it ends, and leaves.
        const watching = place.start(["peers", "--watch", "--json"], {
          env: { PNET_NAME: "eve", PNET_NETWORK_KEY: undefined }
        })
        yield* says(watching, "\"joined\"")
        yield* says(up, "eve is there")
        watching.child.stdout?.destroy()

        if (terminals) {
          assert.match(up.stdout(), colours)
          const people = yield* run(["peers"], { columns: 60, env: { NO_COLOR: "1" } })
          assert.strictEqual(people.code, 0)
          assert.include(people.stdout, "bob")
          assert.notMatch(people.stdout, colours)
          for (const line of people.stdout.split("\n")) {
            // What was drawn and wiped is no line of the table.
            assert.isAtMost(displayWidth(line.split("\u001b[2K").at(-1)!.trimEnd()), 60)
          }

          // Ctrl-C while it looks for somebody: what was drawn is wiped, and the key is free again.
          const looking = place.start(["call", "--name", "carol", "nobody", "x", "--wait", "1m"], { columns: 60 })
          yield* says(looking, "looking for nobody")
          looking.type("\u0003")
          const { code, stdout } = yield* ended(looking)
          assert.strictEqual(code, 130)
          assert.notMatch(stdout.split("\r\u001b[2K").at(-1)!, /[⠀-⣿]/)
          yield* says(up, "carol left")
          yield* ended(watching)
        }

        // It leaves at the first Ctrl-C, and waits for what it runs; at the second it waits for nothing.
        const staying = place.start(["pipe", "bob", "stay"])
        staying.eof()
        yield* says(staying, /\d\n/)
        const press = () => terminals ? up.type("\u0003") : void up.child.kill("SIGINT")
        press()
        yield* says(up, "bob leaves")
        press()
        const { code } = yield* ended(up)
        assert.strictEqual(code, 130)
        assert.isTrue(process.kill(Number(staying.stdout()), "SIGKILL"))
      }),
    90_000
  )

  it.live.skipIf(!existsSync("/dev/full"))(
    "says so, and has failed, where what it prints cannot be written",
    () =>
      Effect.gen(function*() {
        const stdout = "/dev/full"
        const people = yield* run(["config"], { stdout })
        assert.strictEqual(people.code, 1)
        assert.match(people.stderr, /^pnet: what it printed could not be written: ENOSPC.*\n$/)
        const programs = yield* run(["config", "--json"], { stdout })
        assert.strictEqual(programs.code, 1)
        assert.deepInclude(values(programs.stderr)[0], { type: "error", exit: "failed", code: 1 })
      })
  )

  it.live("has no settings and no keys where its user's home is no folder, as that of some is /dev/null", () =>
    Effect.gen(function*() {
      const noFolder = `${place.folder}/file`
      writeFileSync(noFolder, "")
      const env = {
        HOME: noFolder,
        XDG_CONFIG_HOME: undefined,
        XDG_DATA_HOME: undefined,
        XDG_STATE_HOME: undefined
      }
      assert.strictEqual((yield* run(["config"], { env })).code, 0)
      assert.deepInclude(yield* run(["key", "list", "--json"], { env }), { code: 0, stderr: "", stdout: "" })
      const show = yield* run(["key", "show", "ann"], { env })
      assert.strictEqual(show.code, 3)
      assert.include(show.stderr, "\"ann\" has no key yet")
      assert.include((yield* run(["key", "make", "ann"], { env })).stderr, "could not be created")
      const trust = yield* run(["trust", "list"], { env })
      assert.strictEqual(trust.code, 2)
      assert.include(trust.stderr, "could not be written")
    }))

  it.live("takes the home that the system has for its user where HOME is empty, or no absolute path", () =>
    Effect.gen(function*() {
      for (const home of ["", "."]) {
        const env = { HOME: home, XDG_CONFIG_HOME: "", XDG_DATA_HOME: undefined, XDG_STATE_HOME: undefined }
        const said = (yield* run(["config", "--json"], { env })).stdout
        assert.include(said, `${userInfo().homedir}/.config/pnet/config.json`)
        assert.include(said, `${userInfo().homedir}/.local/share/pnet/keys`)
      }
    }))

  it.live.skipIf(process.platform !== "linux")(
    "says where it cannot make a folder, or needs none",
    () =>
      Effect.gen(function*() {
        const nowhere = "/proc/none"
        const env = { HOME: nowhere, XDG_CONFIG_HOME: undefined, XDG_DATA_HOME: undefined, XDG_STATE_HOME: undefined }
        const said = [
          [["key", "network", "make"], 1, "--network-key-file"],
          [["peers"], 2, "--keys"],
          [["trust", "list"], 2, "--known-peers"]
        ] as const
        for (const [words, code, flag] of said) {
          const ran = yield* run(words, { env })
          assert.strictEqual(ran.code, code, ran.stderr)
          assert.match(ran.stderr, /^pnet: .* could not be (written|created): .*\/proc\/none.*\n {2}name a f/)
          assert.include(ran.stderr, flag)
        }
        // The system's own words, where Effect has none for it: a disk that may only be read, or is full, or here a name too long.
        const long = ["key", "network", "make", "--network-key-file", `/tmp/${"x".repeat(300)}/keys`]
        const ran = yield* run(long, { env })
        assert.match(ran.stderr, /could not be (?:read|written): ENAMETOOLONG/)
        // What may be thrown away is kept nowhere.
        const up = place.start(["up", "--name", "dora"], { env: { XDG_STATE_HOME: nowhere } })
        yield* says(up, "dora is up")
        up.child.kill("SIGINT")
        assert.strictEqual((yield* ended(up)).code, 130)
      }),
    30_000
  )

  it.live("says its version without loading the rest", () =>
    Effect.gen(function*() {
      assert.deepEqual(yield* run(["--version"]), { code: 0, stdout: `pnet ${version}\n`, stderr: "" })
    }))
})
