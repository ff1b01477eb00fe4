/** Where a network's keys come from. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { Machine } from "../src/machine.ts"
import { keyFileOf, read } from "../src/node/networkKeys.ts"
import { type Flags, resolve } from "../src/settings/Settings.ts"

const one = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo="
const two = "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08="

/** The keys, with a folder of its own for everything and what is piped in. */
const keys = (flags: Flags, env: Record<string, string> = {}, stdin: string | undefined = undefined) =>
  Effect.gen(function*() {
    const found = yield* read(yield* resolve(flags))
    return found.map((key) => Redacted.value(key))
  }).pipe(
    Effect.provide(Stdio.layerTest({
      stdin: stdin === undefined ? Stream.empty : Stream.encodeText(Stream.succeed(stdin)),
      stdinIsTerminal: Effect.succeed(stdin === undefined)
    })),
    (effect) =>
      Effect.gen(function*() {
        const machine = yield* Machine
        return yield* Effect.provideService(effect, Machine, { ...machine, env })
      })
  )

const place = Layer.effect(
  Machine,
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const home = yield* fs.makeTempDirectoryScoped({ prefix: "pnet-keys-" })
    return {
      env: {},
      hostname: "desk",
      user: "ann",
      home,
      pid: 1,
      windows: false,
      zone: () => DateTime.zoneMakeOffset(0)
    }
  })
)

const refused = (effect: ReturnType<typeof keys>, pattern: RegExp) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.match(error.message, pattern)
    assert.notInclude(JSON.stringify(error), two)
    return (error as { readonly exit?: string }).exit
  })

describe("the network's keys", () => {
  it.live("come from a file of their user's alone, from standard input, a command, or the file that is kept for the network", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const machine = yield* Machine
      assert.deepStrictEqual(yield* keys({}), [])
      const file = `${machine.home}/keys`
      yield* fs.writeFileString(file, `# the network at home\n${one}  # now\n${two}\n`, { mode: 0o600 })
      assert.deepStrictEqual(yield* keys({ networkKeyFile: file }), [one, two])
      assert.deepStrictEqual(yield* keys({}, { PNET_NETWORK_KEY_FILE: file }), [one, two])
      assert.deepStrictEqual(yield* keys({ networkKeyStdin: "true" }, {}, `${one}\n`), [one])
      assert.deepStrictEqual(yield* keys({ networkKeyCommand: `echo ${two}` }), [two])
      assert.deepStrictEqual(yield* keys({ networkKey: `${one},${two}` }), [one, two])
      // What is nearer to the command line holds.
      assert.deepStrictEqual(yield* keys({ networkKeyFile: file }, { PNET_NETWORK_KEY: two }), [one, two])
      const kept = keyFileOf(machine, "home/office")
      yield* fs.makeDirectory(kept.slice(0, kept.lastIndexOf("/")), { recursive: true })
      yield* fs.writeFileString(kept, two, { mode: 0o600 })
      assert.deepStrictEqual(yield* keys({ network: "home/office" }), [two])
      assert.deepStrictEqual(yield* keys({ network: "home" }), [])

      yield* fs.chmod(file, 0o640)
      assert.strictEqual(yield* refused(keys({ networkKeyFile: file }), /others than you may read .*keys/), "usage")
      yield* refused(keys({ networkKeyFile: `${file}.not` }), /could not be read: ENOENT: no such file/)
      yield* refused(keys({ networkKeyStdin: "true" }), /which is a terminal/)
      yield* refused(keys({ networkKeyStdin: "true" }, {}, "\n"), /standard input has no network key/)
      yield* refused(keys({ networkKeyCommand: "exit 3" }), /failed with exit code 3/)
      yield* refused(
        keys({ networkKey: two.slice(1) }),
        /--network-key was refused: .*; expected the base64url text of 32 bytes, 44 characters/
      )
      yield* refused(keys({ networkKey: one, networkKeyStdin: "true" }, {}, two), /one place, and not from/)
      yield* refused(keys({}, { PNET_NETWORK_KEY: "" }), /PNET_NETWORK_KEY/)
    }).pipe(Effect.provide(Layer.provideMerge(place, NodeServices.layer))))
})

describe("the config file", () => {
  it.effect("is nobody's but the user's, since it names commands that are run", () => {
    const found = (info: { readonly mode: number; readonly uid?: number; readonly type?: string }) =>
      resolve({}).pipe(
        Effect.map(({ values }) => values.networkKeyCommand),
        Effect.catchTag("Problem", ({ hint, what }) => Effect.succeed(`${what}; ${hint}`)),
        Effect.provideService(Machine, {
          env: {},
          hostname: "desk",
          user: "ann",
          home: "/home/ann",
          pid: 1,
          windows: false,
          zone: () => DateTime.zoneMakeOffset(0),
          uid: 1000
        }),
        Effect.provide(FileSystem.layerNoop({
          readFileString: () => Effect.succeed(JSON.stringify({ networkKeyCommand: "pass network" })),
          stat: () =>
            Effect.succeed(
              { type: "File", ...info, uid: Option.fromNullishOr(info.uid) } as unknown as FileSystem.File.Info
            )
        }))
      )
    return Effect.gen(function*() {
      for (const fine of [{ mode: 0o644 }, { mode: 0o664, uid: 1000 }, { mode: 0o600, uid: 0 }]) {
        assert.strictEqual(yield* found(fine), "pass network")
      }
      assert.strictEqual(yield* found({ mode: 0o666, type: "CharacterDevice" }), "pass network")
      const path = "/home/ann/.config/pnet/config.json"
      assert.strictEqual(
        yield* found({ mode: 0o646, uid: 1000 }),
        `the config file ${path} was refused: anybody may write it; run: chmod o-w ${path}`
      )
      assert.strictEqual(
        yield* found({ mode: 0o600, uid: 1001 }),
        `the config file ${path} was refused: it belongs to user 1001, who may write it; run: chown 1000 ${path}`
      )
    })
  })
})
