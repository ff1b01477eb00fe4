import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, layer } from "@effect/vitest"
import * as Identity from "@pnet/core/Identity"
import type { NodeName } from "@pnet/core/Packet"
import * as Programs from "@pnet/lab/processes/programs"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as NodeIdentity from "@pnet/node/NodeIdentity"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process"

// RFC 7748 section 6.1
const secret = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
const publicKey = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo="

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped({ prefix: "pnet-identity-" }))

const write = Effect.fnUntraced(function*(text: string, mode = 0o600) {
  const fs = yield* FileSystem.FileSystem
  const path = `${yield* folder}/identity`
  yield* fs.writeFileString(path, text)
  yield* fs.chmod(path, mode)
  return path
})

const systemError = (code: string, words: string) =>
  PlatformError.systemError({
    _tag: "Unknown",
    module: "FileSystem",
    method: "test",
    cause: Object.assign(new Error(`${code}: ${words}`), { code })
  })

const asRoot = process.geteuid?.() === 0

const refusal = (path: string, options?: NodeIdentity.Options) => Effect.flip(NodeIdentity.fromFile(path, options))

layer(Layer.mergeAll(NodeCrypto.layer, NodeServices.layer))("NodeIdentity", (it) => {
  it.effect("makes a file that only its owner can use, and reads it back", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const parent = yield* folder
      const path = `${parent}/deep/down/identity`
      const made = yield* NodeIdentity.fromFile(path)
      assert.strictEqual((yield* fs.stat(path)).mode & 0o7777, 0o600)
      assert.strictEqual((yield* fs.stat(`${parent}/deep/down`)).mode & 0o7777, 0o700)
      assert.deepStrictEqual(yield* fs.readDirectory(`${parent}/deep/down`), ["identity"])
      const again = yield* NodeIdentity.fromFile(path, { create: false })
      assert.strictEqual(again.publicKey, made.publicKey)
      const text = yield* fs.readFileString(path)
      const lines = text.split("\n")
      assert.strictEqual(lines.length, 4)
      assert.match(lines[0]!, /^# The secret key of a pnet node/)
      assert.strictEqual(lines[1], `# Public key: ${made.publicKey}`)
      assert.strictEqual(lines[2], Redacted.value(Identity.exportSecret(made)))
      assert.strictEqual(lines[3], "")
    }))

  it.effect("is a layer", () =>
    Effect.gen(function*() {
      const path = `${yield* folder}/identity`
      const read = Identity.Identity.pipe(Effect.provide(NodeIdentity.layerFile(path), { local: true }))
      assert.strictEqual((yield* read).publicKey, (yield* read).publicKey)
    }))

  it.effect("reads a secret with or without comments, blank lines and a last line feed", () =>
    Effect.gen(function*() {
      for (
        const text of [
          secret,
          `${secret}\n`,
          `${secret}\r\n`,
          `# comment\r\n\r\n${secret}\r\n`,
          `\n\n#\n# é\n${secret}\n# after\n`,
          `\uFEFF# comment\r\n${secret}\r\n`,
          `\uFEFF${secret}`
        ]
      ) assert.strictEqual((yield* NodeIdentity.fromFile(yield* write(text))).publicKey, publicKey)
    }))

  it.effect("does not create where it is told not to", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* folder}/identity`
      const error = yield* refusal(path, { create: false })
      assert.strictEqual(error.reason._tag, "IdentityFileMissing")
      assert.include(error.message, path)
      assert.isFalse(yield* fs.exists(path))
    }))

  for (const mode of [0o644, 0o640, 0o604, 0o660, 0o620, 0o602, 0o601, 0o777, 0o440]) {
    it.effect(`refuses mode ${mode.toString(8)}, and says how to mend it`, () =>
      Effect.gen(function*() {
        const path = yield* write(secret, mode)
        const error = yield* refusal(path)
        assert.strictEqual(error._tag, "IdentityFileError")
        assert.strictEqual(error.path, path)
        assert.strictEqual(error.reason._tag, "IdentityFileExposed")
        assert.include(error.message, `mode 0${mode.toString(8)}`)
        assert.include(error.message, `chmod 600 ${path}`)
        assert.notInclude(`${error.message}${JSON.stringify(error)}`, secret)
        const fs = yield* FileSystem.FileSystem
        yield* fs.chmod(path, 0o600)
        assert.strictEqual((yield* NodeIdentity.fromFile(path)).publicKey, publicKey)
      }))
  }

  it.effect("accepts a file that its owner can only read", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* NodeIdentity.fromFile(yield* write(secret, 0o400))).publicKey, publicKey)
    }))

  it.effect("refuses other content, leaves it as it is, and does not show it", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      for (
        const [text, problem] of [
          ["", "holds no secret"],
          ["# only a comment\n", "holds no secret"],
          [secret.slice(0, 20), "its secret is 15 bytes"],
          [secret.slice(0, 21), "not canonical"],
          [` ${secret}`, "not canonical"],
          [`${secret} `, "not canonical"],
          [secret.replace("Co=", "Cp="), "not canonical"],
          [`${secret}\n${secret}\n`, "2 lines"],
          ["-----BEGIN PRIVATE KEY-----", "not canonical"],
          [`${"#\n".repeat(3_000)}${secret}`, "over 4096"]
        ] as const
      ) {
        const path = yield* write(text)
        const error = yield* refusal(path)
        assert.strictEqual(error.reason._tag, "IdentityFileMalformed")
        assert.include(error.message, problem)
        assert.include(error.message, path)
        assert.notInclude(`${error.message}${JSON.stringify(error)}`, secret.slice(0, 12))
        assert.strictEqual(yield* fs.readFileString(path), text)
      }
    }))

  it.effect("refuses a folder, and a folder that cannot be made", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const asFolder = yield* refusal(path)
      assert.include(asFolder.message, "not a file but a Directory")
      const inFile = yield* refusal(`${yield* write(secret)}/identity`)
      assert.strictEqual(inFile.reason._tag, "IdentityFileUnusable")
      // Nothing is there, and nothing can be.
      assert.include(inFile.message, "could not be created")
    }))

  // Where Node's own way of making folders tries for ever.
  it.effect.skipIf(process.platform !== "linux")(
    "refuses a folder in a file system that has none to make",
    () =>
      Effect.gen(function*() {
        const error = yield* refusal("/proc/pnet-no-such-folder/keys/identity")
        assert.strictEqual(error.reason._tag, "IdentityFileUnusable")
        assert.include(error.message, "could not be created: ENOENT")
      })
  )

  it.effect("refuses a symbolic link to nothing, and follows others", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* folder}/identity`
      yield* fs.symlink(`${path}.nothing`, path)
      const error = yield* refusal(path)
      assert.strictEqual(error.reason._tag, "IdentityFileUnusable")
      assert.include(error.message, "link to nothing")
      const link = `${yield* folder}/link`
      yield* fs.symlink(yield* write(secret), link)
      assert.strictEqual((yield* NodeIdentity.fromFile(link)).publicKey, publicKey)
    }))

  it.effect("makes the file where files cannot be linked, once, and leaves nothing else behind", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const parent = yield* folder
      const path = `${parent}/identity`
      const linkless: FileSystem.FileSystem = { ...fs, link: () => Effect.fail(systemError("EPERM", "link")) }
      const keys = yield* Effect.all(
        Array.from({ length: 12 }, () => NodeIdentity.fromFile(path)),
        { concurrency: "unbounded" }
      ).pipe(Effect.provideService(FileSystem.FileSystem, linkless), TestClock.withLive)
      assert.strictEqual(new Set(keys.map((pair) => pair.publicKey)).size, 1)
      assert.strictEqual((yield* fs.stat(path)).mode & 0o7777, 0o600)
      assert.deepStrictEqual(yield* fs.readDirectory(parent), ["identity"])
    }))

  it.effect("makes one key where files cannot be linked, by whatever path it is asked for", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const parent = yield* folder
      yield* fs.makeDirectory(`${parent}/keys`)
      yield* fs.symlink(`${parent}/keys`, `${parent}/link`)
      let renames = 0
      const linkless: FileSystem.FileSystem = {
        ...fs,
        link: () => Effect.fail(systemError("EPERM", "link")),
        // Time for the others to come in between, and for each to read what it has put there.
        rename: (from, to) => Effect.delay(fs.rename(from, to), `${++renames * 60} millis`)
      }
      const keys = yield* Effect.all(
        ["keys/identity", "link/identity", "link/../keys/identity"].map((path) =>
          NodeIdentity.fromFile(`${parent}/${path}`)
        ),
        { concurrency: "unbounded" }
      ).pipe(Effect.provideService(FileSystem.FileSystem, linkless), TestClock.withLive)
      assert.strictEqual(new Set(keys.map((pair) => pair.publicKey)).size, 1)
      assert.strictEqual((yield* NodeIdentity.fromFile(`${parent}/keys/identity`)).publicKey, keys[0]!.publicKey)
    }))

  it.effect("says what it was given in place of a path", () =>
    Effect.gen(function*() {
      const error = yield* refusal(process.env.PNET_NO_SUCH_VARIABLE!)
      assert.include(error.message, "the identity file undefined could not be read")
    }))

  it.effect("says with the system's own words and the path why a file cannot be made, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      for (
        const [code, words] of [["EROFS", "read-only file system"], ["ENOSPC", "no space left on device"]] as const
      ) {
        const parent = yield* folder
        const path = `${parent}/identity`
        const refuse = () => Effect.fail(systemError(code, `${words}, open '${parent}'`))
        for (
          const broken of [
            { ...fs, open: refuse },
            { ...fs, link: () => Effect.fail(systemError("EPERM", "link")), rename: refuse }
          ]
        ) {
          const error = yield* refusal(path).pipe(Effect.provideService(FileSystem.FileSystem, broken))
          assert.strictEqual(error.reason._tag, "IdentityFileUnusable")
          for (const said of [path, `could not be created: ${code}: ${words}`, parent]) {
            assert.include(error.message, said)
          }
          assert.deepStrictEqual(yield* fs.readDirectory(parent), [])
        }
      }
    }))

  it.effect("says that the file system keeps no modes, where a file that it made is not its owner's alone", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* folder}/identity`
      const loose: FileSystem.FileSystem = {
        ...fs,
        stat: (path) => Effect.map(fs.stat(path), (info) => ({ ...info, mode: 0o100755 }))
      }
      const error = yield* refusal(path).pipe(Effect.provideService(FileSystem.FileSystem, loose))
      assert.deepInclude(error.reason, { _tag: "IdentityFileExposed", created: true })
      assert.include(error.message, "does not keep modes")
      assert.notInclude(error.message, "chmod")
    }))

  it.effect.skipIf(process.platform === "win32")(
    "refuses a pipe at once, which would wait for a writer",
    () =>
      Effect.gen(function*() {
        const path = `${yield* folder}/identity`
        yield* Effect.sync(() => execFileSync("mkfifo", ["-m", "600", path]))
        const error = yield* refusal(path)
        assert.include(error.message, "not a file but a FIFO")
      })
  )

  it.effect("judges what it has opened, and not what was there before", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const [good, path] = [yield* write(secret), yield* write(secret, 0o644)]
      const swapped: FileSystem.FileSystem = { ...fs, stat: () => fs.stat(good) }
      const error = yield* refusal(path).pipe(Effect.provideService(FileSystem.FileSystem, swapped))
      assert.deepInclude(error.reason, { _tag: "IdentityFileExposed", mode: 0o644 })
    }))

  it.effect.skipIf(!asRoot)(
    "refuses a file of another user, also as root, and takes root's own",
    () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* write(secret)
        yield* fs.chown(path, 12_345, 12_345)
        const error = yield* refusal(path)
        assert.deepInclude(error.reason, { _tag: "IdentityFileExposed", owner: 12_345 })
        assert.include(error.message, "belongs to user 12345")
        assert.include(error.message, `chown 0 ${path}`)
        yield* fs.chown(path, 0, 0)
        assert.strictEqual((yield* NodeIdentity.fromFile(path)).publicKey, publicKey)
      })
  )

  const fixture = Programs.file(new URL("fixtures/identity.ts", import.meta.url))

  describe("held", () => {
    const at = { patience: "0 millis" } as const

    it.effect("by one at a time, also of a copy, until its scope closes", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* write(secret)
        const copy = yield* write(secret)
        const scope = yield* Scope.make()
        yield* Scope.provide(NodeIdentity.holdFile(path, at), scope)
        for (const taken of [path, copy]) {
          const error = yield* Effect.flip(NodeIdentity.holdFile(taken, at))
          assert.strictEqual(error.reason._tag, "IdentityFileInUse")
          assert.include(error.message, taken)
          assert.include(error.message, "NodePnet.layerKeys")
        }
        // To read is allowed.
        assert.strictEqual((yield* NodeIdentity.fromFile(path)).publicKey, publicKey)
        // Another key is another matter.
        yield* NodeIdentity.holdFile(`${path}.another`, at)
        yield* Scope.close(scope, Exit.void)
        for (const free of [path, copy]) yield* Effect.scoped(NodeIdentity.holdFile(free, at))
        yield* fs.remove(path)
      }))

    it.effect("waits for one that is about to end", () =>
      Effect.gen(function*() {
        const path = yield* write(secret)
        const scope = yield* Scope.make()
        yield* Scope.provide(NodeIdentity.holdFile(path), scope)
        const waiting = yield* Effect.forkScoped(NodeIdentity.holdFile(path))
        yield* Effect.sleep("200 millis")
        assert.isUndefined(waiting.pollUnsafe())
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual((yield* Fiber.join(waiting)).publicKey, publicKey)
      }).pipe(TestClock.withLive))

    it.effect("by a process, and by nobody when that is killed", () =>
      Effect.gen(function*() {
        const path = yield* write(secret)
        const child = yield* Effect.acquireRelease(
          Effect.callback<ChildProcess>((resume) => {
            const child = spawn(process.execPath, [fixture, path, "hold"], { stdio: ["ignore", "pipe", "inherit"] })
            child.stdout.once("data", () => resume(Effect.succeed(child)))
          }),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        assert.strictEqual((yield* Effect.flip(NodeIdentity.holdFile(path, at))).reason._tag, "IdentityFileInUse")
        yield* Effect.callback<void>((resume) => {
          child.once("exit", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
        assert.strictEqual((yield* NodeIdentity.holdFile(path, at)).publicKey, publicKey)
      }), 60_000)

    it.effect("keeps no process alive", () =>
      Effect.gen(function*() {
        const path = yield* write(secret)
        const output = yield* Effect.callback<string>((resume) => {
          const child = execFile(process.execPath, [fixture, path, "leave"], (error, stdout) => {
            resume(error === null ? Effect.succeed(stdout) : Effect.die(error))
          })
          return Effect.sync(() => child.kill("SIGKILL"))
        })
        assert.strictEqual(output, publicKey)
      }), 60_000)

    it.effect("is a layer, which gives it back", () =>
      Effect.gen(function*() {
        const path = yield* write(secret)
        const read = Identity.Identity.pipe(Effect.provide(NodeIdentity.layerFile(path, at), { local: true }))
        assert.strictEqual((yield* read).publicKey, publicKey)
        const both = Effect.provide(Effect.flip(read), NodeIdentity.layerFile(path, at), { local: true })
        assert.strictEqual((yield* both).reason._tag, "IdentityFileInUse")
      }))
  })

  it("has a file name for every name, which stays in the folder and is no other name's", () => {
    const names = [
      "alice",
      "Alice",
      "living room",
      "..",
      "../alice",
      "a/b",
      "a\\b",
      "a%2fb",
      ".",
      "é",
      "alice.key",
      "con:",
      "\u202e",
      "n".repeat(64),
      "é".repeat(32)
    ].map((name) => NodeIdentity.fileName(name as NodeName))
    assert.strictEqual(names[0], "alice.key")
    assert.strictEqual(names[1], "%41lice.key")
    assert.strictEqual(new Set(names.map((name) => name.toLowerCase())).size, names.length)
    for (const name of names) assert.match(name, /^[a-z0-9_%-]{1,192}\.key$/)
  })

  describe("started many times at once", () => {
    it.effect("makes one key, in one process", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        for (let round = 0; round < 5; round++) {
          const parent = yield* folder
          const path = `${parent}/identity`
          const keys = yield* Effect.all(
            Array.from({ length: 24 }, () => NodeIdentity.fromFile(path)),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(new Set(keys.map((pair) => pair.publicKey)).size, 1)
          assert.deepStrictEqual(yield* fs.readDirectory(parent), ["identity"])
        }
      }))

    it.effect("makes one key, in several processes", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const parent = yield* folder
        const path = `${parent}/identity`
        const run = Effect.callback<string>((resume) => {
          execFile(process.execPath, [fixture, path], (error, stdout) => {
            resume(error === null ? Effect.succeed(stdout) : Effect.die(error))
          })
        })
        const keys = yield* Effect.all(Array.from({ length: 5 }, () => run), { concurrency: "unbounded" })
        assert.strictEqual(new Set(keys).size, 1)
        assert.strictEqual(keys[0], (yield* NodeIdentity.fromFile(path)).publicKey)
        assert.deepStrictEqual(yield* fs.readDirectory(parent), ["identity"])
      }))
  })
})
