import * as NodeDatagramSocket from "@effect/platform-node/NodeDatagramSocket"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, layer } from "@effect/vitest"
import * as AdvancedNode from "@pnet/core/AdvancedNode"
import * as Authority from "@pnet/core/Authority"
import * as Crypto from "@pnet/core/Crypto"
import type { NodeName } from "@pnet/core/Packet"
import type * as PublicKey from "@pnet/core/PublicKey"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as Trust from "@pnet/core/Trust"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as NodePnet from "@pnet/node/NodePnet"
import * as NodeTrust from "@pnet/node/NodeTrust"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as PlatformError from "effect/PlatformError"
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as Hold from "../src/internal/hold.ts"

const nameOf = (name: string) => name as NodeName
const [alice, bob] = [nameOf("alice"), nameOf("bob")]
const interval = "10 millis"

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped({ prefix: "pnet-trust-" }))
const fileSystem = FileSystem.FileSystem
const newKey = Effect.map(Crypto.Crypto, (crypto) => crypto.generateKeyPair().publicKey)

/** Waits until something holds: files are looked at in real time. */
const until = <E, R>(what: string, holds: Effect.Effect<boolean, E, R>) =>
  Effect.gen(function*() {
    while (!(yield* holds)) yield* Effect.sleep("5 millis")
  }).pipe(Effect.timeoutOrElse({ duration: "30 seconds", orElse: () => Effect.die(new Error(`not yet: ${what}`)) }))

const logged = () => {
  const logs: Array<string> = []
  return {
    logs,
    layer: Logger.layer([Logger.make(({ logLevel, message }) => void logs.push(`${logLevel} ${String(message)}`))])
  }
}

/** Puts a file in the place of another, as editors do. */
const replace = (path: string, text: string) =>
  Effect.gen(function*() {
    const fs = yield* fileSystem
    yield* fs.writeFileString(`${path}.new`, text)
    yield* fs.rename(`${path}.new`, path)
  })

const write = (path: string, text: string) => Effect.flatMap(fileSystem, (fs) => fs.writeFileString(path, text))
const read = (path: string) => Effect.flatMap(fileSystem, (fs) => fs.readFileString(path))
const linesOf = (path: string) =>
  Effect.map(read(path), (text) => text.split("\n").filter((line) => line !== "" && !line.startsWith("#")))

const known = (path: string) =>
  Effect.flatMap(NodeTrust.knownPeersStore(path), (store) => TofuTrust.makeStored(store, { interval }))

const expects = (trust: Trust.Trust["Service"], name: NodeName, key: PublicKey.PublicKey | undefined) =>
  until(`${name} has the key`, Effect.map(trust.expected(name), (found) => found === key))

const freePort = Effect.gen(function*() {
  const socket = yield* NodeDatagramSocket.make({ bind: { address: "127.0.0.1", port: 0 } })
  return (yield* socket.reader).address.port
}).pipe(Effect.scoped, Effect.orDie)

layer(Layer.mergeAll(NodeCrypto.layer, NodeServices.layer), { excludeTestServices: true })("NodeTrust", (it) => {
  describe("known peers", () => {
    it.effect("makes a file that only its owner can use, keeps pins in it, and reads them at the next start", () =>
      Effect.gen(function*() {
        const fs = yield* fileSystem
        const parent = yield* folder
        const path = `${parent}/deep/down/known_peers`
        const [one, two] = [yield* newKey, yield* newKey]
        const awkward = [
          "with blanks",
          " leads",
          "#hash",
          "\"quoted\"",
          "back\\slash",
          "é\u2028ü",
          `evil ${two} # from`,
          "__proto__"
        ].map(nameOf)
        yield* Effect.scoped(Effect.gen(function*() {
          const trust = yield* known(path)
          assert.strictEqual((yield* fs.stat(path)).mode & 0o7777, 0o600)
          assert.strictEqual((yield* fs.stat(`${parent}/deep/down`)).mode & 0o7777, 0o700)
          assert.deepStrictEqual(yield* linesOf(path), [])
          yield* trust.proved(alice, one)
          yield* trust.proved(bob, two, "10.0.0.7")
          yield* until("both are in the file", Effect.map(linesOf(path), ({ length }) => length === 2))
          assert.deepStrictEqual(yield* linesOf(path), [`alice ${one}`, `bob ${two} # from 10.0.0.7`])
          for (const name of awkward) yield* trust.proved(name, one, "fe80::1")
          // The last of them are saved at the end.
        }))
        assert.strictEqual((yield* fs.stat(path)).mode & 0o7777, 0o600)
        assert.deepStrictEqual(yield* fs.readDirectory(`${parent}/deep/down`), ["known_peers"])
        const again = yield* known(path)
        const { pins } = yield* again.known
        assert.deepStrictEqual(pins.map(({ name }) => name), [alice, bob, ...awkward])
        assert.deepStrictEqual(pins.slice(1).map(({ from }) => from), ["10.0.0.7", ...awkward.map(() => "fe80::1")])
        assert.isTrue(pins.every(({ name, publicKey }) => publicKey === (name === "bob" ? two : one)))
        assert.strictEqual((yield* Effect.flip(again.check(alice, two))).kind, "KeyChanged")
      }).pipe(Effect.scoped))

    it.effect("follows the file, whether it is written to or replaced, and keeps its comments", () =>
      Effect.gen(function*() {
        const path = `${yield* folder}/known_peers`
        const [one, two, three] = [yield* newKey, yield* newKey, yield* newKey]
        yield* write(path, `# mine\r\nalice ${one}   # the laptop\n\n`)
        const trust = yield* known(path)
        assert.strictEqual(yield* trust.expected(alice), one)
        yield* write(path, `# mine\nalice ${two} # the laptop\n`)
        yield* expects(trust, alice, two)
        // Of the same length, within the same moment, in the same place.
        yield* write(path, `# mine\nalice ${three} # the laptop\n`)
        yield* expects(trust, alice, three)
        yield* trust.proved(bob, one)
        yield* until("bob is in the file", Effect.map(linesOf(path), ({ length }) => length === 2))
        assert.strictEqual(yield* read(path), `# mine\nalice ${three} # the laptop\nbob ${one}\n`)
        yield* replace(path, `bob ${one}\n@revoked ${two}\n`)
        yield* expects(trust, alice, undefined)
        assert.strictEqual((yield* Effect.flip(trust.check(nameOf("x"), two))).kind, "Revoked")
        yield* trust.revoke(three)
        yield* trust.forget(bob)
        yield* until("both are in the file", Effect.map(linesOf(path), (lines) => !lines.join().includes("bob")))
        assert.deepStrictEqual(yield* linesOf(path), [`@revoked ${two}`, `@revoked ${three}`])
        yield* write(path, "")
        yield* until("nobody is known", Effect.map(trust.known, ({ revoked }) => revoked.length === 0))
      }).pipe(Effect.scoped))

    it.effect("keeps the last good contents when those that follow are malformed, or the file is taken away", () =>
      Effect.gen(function*() {
        const fs = yield* fileSystem
        const path = `${yield* folder}/known_peers`
        const [one, two] = [yield* newKey, yield* newKey]
        yield* write(path, `alice ${one}\n`)
        const { layer: logger, logs } = logged()
        const trust = yield* known(path).pipe(Effect.provide(logger))
        yield* replace(path, `alice ${one}\nbob hunter2\n`)
        yield* until("it is said", Effect.sync(() => logs.length > 0))
        assert.include(logs[0], `Warn`)
        assert.include(logs[0], `${path}, line 2: "hunter2" is no public key`)
        assert.strictEqual(yield* trust.expected(alice), one)
        // What is being edited is not overwritten; the pin waits.
        yield* trust.proved(bob, two)
        for (let i = 0; i < 50; i++) {
          assert.strictEqual(yield* read(path), `alice ${one}\nbob hunter2\n`)
          yield* Effect.sleep("1 millis")
        }
        yield* replace(path, `alice ${one}\n`)
        yield* until("bob is in the file", Effect.map(linesOf(path), ({ length }) => length === 2))
        assert.strictEqual(logs.filter((line) => line.startsWith("Warn")).length, 1, logs.join("\n"))
        yield* fs.remove(path)
        const lines = Effect.orElseSucceed(linesOf(path), () => [])
        yield* until("it is there again", Effect.map(lines, ({ length }) => length === 2))
        assert.deepStrictEqual(yield* linesOf(path), [`alice ${one}`, `bob ${two}`])
        assert.strictEqual(yield* trust.expected(bob), two)
      }).pipe(Effect.scoped))

    it.effect("takes no file for whole that is being written", () =>
      Effect.gen(function*() {
        const fs = yield* fileSystem
        const path = `${yield* folder}/known_peers`
        const [one, two] = [yield* newKey, yield* newKey]
        // Between the two looks at what has changed, its writer goes on.
        let looks = -1
        const open: FileSystem.FileSystem["open"] = (file, options) =>
          Effect.suspend(() =>
            looks >= 0 && ++looks === 2
              ? Effect.andThen(fs.writeFileString(path, `alice ${two}\nbob ${two}\n`), fs.open(file, options))
              : fs.open(file, options)
          )
        yield* write(path, `alice ${one}\nbob ${one}\n`)
        const store = yield* Effect.provideService(NodeTrust.knownPeersStore(path), fileSystem, { ...fs, open })
        yield* store.load
        yield* write(path, `alice ${two}\n`)
        looks = 0
        assert.isUndefined(yield* store.reload)
        assert.strictEqual(looks, 2)
        const kept = yield* store.reload
        assert.deepStrictEqual(kept?.pins.map(({ name }) => name), [alice, bob])
      }))

    it.effect("is shared by several programs, and none loses what another pins", () =>
      Effect.gen(function*() {
        const path = `${yield* folder}/known_peers`
        const trusts = yield* Effect.forEach([0, 1, 2, 3], () => known(path))
        const keys = yield* Effect.forEach(Array.from({ length: 40 }), () => newKey)
        yield* Effect.forEach(keys, (key, i) =>
          Effect.andThen(trusts[i % 4]!.proved(nameOf(`peer-${i}`), key), Effect.sleep("3 millis")))
        for (const [i, key] of keys.entries()) {
          for (const trust of trusts) {
            yield* expects(trust, nameOf(`peer-${i}`), key)
          }
        }
        assert.strictEqual((yield* linesOf(path)).length, 40)
      }).pipe(Effect.scoped))

    it.effect("what a stranger made one program pin does not replace what another has saved", () =>
      Effect.gen(function*() {
        const path = `${yield* folder}/known_peers`
        const [real, evil] = [yield* newKey, yield* newKey]
        const { layer: logger, logs } = logged()
        const a = yield* known(path)
        const b = yield* Effect.flatMap(
          NodeTrust.knownPeersStore(path),
          (store) => TofuTrust.makeStored(store, { interval: "300 millis" })
        ).pipe(Effect.provide(logger))
        yield* a.proved(bob, real)
        yield* until("a has saved", Effect.map(linesOf(path), ({ length }) => length === 1))
        yield* b.proved(bob, evil, "10.0.0.66")
        yield* expects(b, bob, real)
        assert.deepStrictEqual(yield* linesOf(path), [`bob ${real}`])
        assert.strictEqual(yield* a.expected(bob), real)
        assert.strictEqual(logs.filter((line) => line.startsWith("Warn \"bob\" proved itself")).length, 1)
      }).pipe(Effect.scoped))

    it.effect("of two that find a lock left behind one breaks it, however slow they are, and no pin is lost", () =>
      Effect.gen(function*() {
        const fs = yield* fileSystem
        const path = `${yield* folder}/known_peers`
        const [one, two] = [yield* newKey, yield* newKey]
        yield* write(path, "# known\n")
        yield* write(`${path}.lock`, "")
        yield* fs.utimes(`${path}.lock`, 1, 1)
        // What the scheduler of a busy machine may do: b is held up between its look at the lock and taking it away, and a in
        // the middle of its save.
        let removed = 0
        const slowB: FileSystem.FileSystem = {
          ...fs,
          remove: (p, options) =>
            p.endsWith(".lock") && removed++ === 0
              ? Effect.delay(fs.remove(p, options), "120 millis")
              : fs.remove(p, options)
        }
        const slowA: FileSystem.FileSystem = {
          ...fs,
          rename: (from, to) => Effect.delay(fs.rename(from, to), "300 millis")
        }
        const over = (fs: FileSystem.FileSystem, interval: "100 millis" | "140 millis") =>
          Effect.flatMap(NodeTrust.knownPeersStore(path), (store) => TofuTrust.makeStored(store, { interval })).pipe(
            Effect.provideService(fileSystem, fs)
          )
        const b = yield* over(slowB, "100 millis")
        const a = yield* over(slowA, "140 millis")
        yield* a.proved(alice, one)
        yield* b.proved(bob, two)
        for (const trust of [a, b]) {
          yield* expects(trust, alice, one)
          yield* expects(trust, bob, two)
        }
        yield* until("both are in the file", Effect.map(linesOf(path), ({ length }) => length === 2))
        yield* Effect.sleep("500 millis")
        assert.strictEqual((yield* linesOf(path)).length, 2)
        assert.isAbove(removed, 0)
      }).pipe(Effect.scoped))

    it.effect("makes and keeps the file where files cannot be linked, and says why where it cannot be made", () =>
      Effect.gen(function*() {
        const fs = yield* fileSystem
        const parent = yield* folder
        const path = `${parent}/known_peers`
        const refuse = (code: string) => () =>
          Effect.fail(PlatformError.systemError({
            _tag: "Unknown",
            module: "FileSystem",
            method: "test",
            cause: Object.assign(new Error(`${code}: no, '${parent}'`), { code })
          }))
        const one = yield* newKey
        yield* Effect.scoped(Effect.gen(function*() {
          const trust = yield* known(path)
          assert.strictEqual((yield* fs.stat(path)).mode & 0o7777, 0o600)
          assert.include(yield* read(path), "# The peers that this node knows")
          yield* trust.proved(alice, one)
        })).pipe(Effect.provideService(fileSystem, { ...fs, link: refuse("EPERM") }))
        assert.deepStrictEqual(yield* linesOf(path), [`alice ${one}`])
        assert.deepStrictEqual(yield* fs.readDirectory(parent), ["known_peers"])
        for (const code of ["EROFS", "ENOSPC"]) {
          const error = yield* Effect.flip(known(`${path}.${code}`)).pipe(
            Effect.provideService(fileSystem, { ...fs, open: refuse(code) })
          )
          assert.include(error.message, `${path}.${code} could not be written: ${code}: no, '${parent}'`)
        }
      }).pipe(Effect.scoped))

    it.effect("gives back no lock that is another's by now", () =>
      Effect.gen(function*() {
        const fs = yield* fileSystem
        const path = `${yield* folder}/known_peers`
        const one = yield* newKey
        yield* write(path, "# known\n")
        yield* write(`${path}.other`, "another's")
        // In the middle of the save somebody takes the lock for left behind, as after a freeze.
        const overtaken: FileSystem.FileSystem = {
          ...fs,
          rename: (from, to) => Effect.andThen(fs.rename(`${path}.other`, `${path}.lock`), fs.rename(from, to))
        }
        yield* Effect.scoped(Effect.flatMap(known(path), (trust) => trust.proved(alice, one))).pipe(
          Effect.provideService(fileSystem, overtaken)
        )
        assert.deepStrictEqual(yield* linesOf(path), [`alice ${one}`])
        assert.strictEqual(yield* read(`${path}.lock`), "another's")
      }).pipe(Effect.scoped))

    it.effect(
      "breaks no lock while another program may be about to, and saves once that is gone",
      () =>
        Effect.gen(function*() {
          const fs = yield* fileSystem
          const path = yield* fs.realPath(yield* folder).pipe(Effect.map((parent) => `${parent}/known_peers`))
          const one = yield* newKey
          yield* write(path, "# known\n")
          yield* write(`${path}.lock`, "")
          yield* fs.utimes(`${path}.lock`, 1, 1)
          const { layer: logger, logs } = logged()
          yield* Effect.scoped(Effect.gen(function*() {
            yield* Hold.hold(`known-peers-${createHash("sha256").update(path).digest("base64url")}`)
            yield* Effect.scoped(Effect.flatMap(known(path), (trust) => trust.proved(alice, one))).pipe(
              Effect.provide(logger)
            )
          }))
          assert.isTrue(yield* fs.exists(`${path}.lock`))
          assert.include(logs.join(), "could not be written: EEXIST")
          yield* Effect.scoped(Effect.flatMap(known(path), (trust) => trust.proved(alice, one)))
          assert.deepStrictEqual(yield* linesOf(path), [`alice ${one}`])
          assert.isFalse(yield* fs.exists(`${path}.lock`))
        }).pipe(Effect.scoped)
    )

    it.effect("waits for a lock that is held, and breaks one that was left behind", () =>
      Effect.gen(function*() {
        const fs = yield* fileSystem
        const path = `${yield* folder}/known_peers`
        const one = yield* newKey
        const trust = yield* known(path)
        yield* write(`${path}.lock`, "")
        yield* trust.proved(alice, one)
        for (let i = 0; i < 50; i++) {
          assert.deepStrictEqual(yield* linesOf(path), [])
          yield* Effect.sleep("1 millis")
        }
        yield* fs.utimes(`${path}.lock`, 1, 1)
        yield* until("alice is in the file", Effect.map(linesOf(path), ({ length }) => length === 1))
        yield* until("the lock is gone", Effect.map(fs.exists(`${path}.lock`), (exists) => !exists))
      }).pipe(Effect.scoped))

    it.effect("through a link is locked and written where the file is, and a link to nothing is refused", () =>
      Effect.gen(function*() {
        const fs = yield* fileSystem
        const parent = yield* folder
        yield* fs.makeDirectory(`${parent}/real`)
        const [link, path] = [`${parent}/known_peers`, `${parent}/real/known_peers`]
        yield* fs.symlink(path, link)
        const lost = yield* Effect.flip(known(link))
        assert.include(lost.message, `${link} could not be written: `)
        assert.include(lost.message, "a symbolic link to nothing")
        yield* write(path, "# known\n")
        yield* write(`${path}.lock`, "")
        const one = yield* newKey
        const trust = yield* known(link)
        yield* trust.proved(alice, one)
        for (let i = 0; i < 50; i++) {
          assert.deepStrictEqual(yield* linesOf(path), [])
          yield* Effect.sleep("1 millis")
        }
        yield* fs.remove(`${path}.lock`)
        yield* until("alice is in the file", Effect.map(linesOf(path), ({ length }) => length === 1))
        assert.strictEqual(yield* fs.readLink(link), path)
        assert.include(
          (yield* Effect.flip(known(process.env.PNET_NO_SUCH_VARIABLE!))).message,
          "undefined could not be read"
        )
      }).pipe(Effect.scoped))

    it.effect("refuses what it cannot understand, naming the file and the line", () =>
      Effect.gen(function*() {
        const fs = yield* fileSystem
        const parent = yield* folder
        const path = `${parent}/known_peers`
        const one = yield* newKey
        for (
          const [line, text] of [
            [1, "alice"],
            [1, `alice ${one} ${one}`],
            [2, `alice ${one}\nalice ${one}`],
            [3, `#\n\nliving room ${one}`],
            [1, `a@b ${one}`],
            [1, `"" ${one}`],
            [1, `"open ${one}`],
            [1, `"\\q" ${one}`],
            [1, `alice ${one.slice(0, -1)}`],
            [1, `alice AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=`],
            [1, `${one}`],
            [2, `#\n@revoked`],
            [1, `@revoked alice ${one}`],
            [1, `@trusted ${one}`]
          ] as const
        ) {
          yield* write(path, text)
          const error = yield* Effect.flip(known(path))
          assert(error.reason._tag === "TrustFileMalformed", text)
          assert.strictEqual(error.reason.line, line, text)
          assert.include(error.message, `${path}, line ${line}: `)
        }
        yield* fs.writeFile(path, Uint8Array.of(0x23, 0x0a, 0xff, 0x0a))
        assert.include((yield* Effect.flip(known(path))).message, "line 2: it is not UTF-8")
        yield* fs.writeFile(path, new Uint8Array(1_048_577).fill(0x0a))
        assert.include((yield* Effect.flip(known(path))).message, "longer than")
        assert.include((yield* Effect.flip(known(parent))).message, "not a file but a Directory")
        if (process.platform !== "win32") {
          yield* Effect.sync(() => execFileSync("mkfifo", [`${path}.pipe`]))
          assert.include((yield* Effect.flip(known(`${path}.pipe`))).message, "not a file but a FIFO")
          yield* write(path, `alice ${one}\n`)
          if (process.geteuid?.() === 0) {
            yield* fs.chown(path, 12_345, 12_345)
            const strange = yield* Effect.flip(known(path))
            assert.deepInclude(strange.reason, { _tag: "TrustFileExposed", owner: 12_345 })
            assert.include(strange.message, "belongs to user 12345")
            yield* fs.chown(path, 0, 0)
          }
          yield* fs.chmod(path, 0o666)
          const exposed = yield* Effect.flip(known(path))
          assert.strictEqual(exposed.reason._tag, "TrustFileExposed")
          assert.include(exposed.message, "0666")
          // It is what was opened that is judged, and not what was there before.
          yield* write(`${path}.good`, `alice ${one}\n`)
          const swapped = yield* Effect.flip(known(path)).pipe(
            Effect.provideService(fileSystem, { ...fs, stat: () => fs.stat(`${path}.good`) })
          )
          assert.strictEqual(swapped.reason._tag, "TrustFileExposed")
        }
      }).pipe(Effect.scoped))
  })

  describe("allow lists", () => {
    it.effect("are read at the start, where they have to be, and followed", () =>
      Effect.gen(function*() {
        const fs = yield* fileSystem
        const path = `${yield* folder}/allowed`
        const [one, two] = [yield* newKey, yield* newKey]
        const missing = yield* Effect.flip(NodeTrust.makeAllowListFile(path))
        assert.strictEqual(missing.reason._tag, "TrustFileMissing")
        assert.include(missing.message, path)
        yield* write(path, `# ours\nalice ${one}\n@revoked ${two}\n`)
        const revoking = yield* Effect.flip(NodeTrust.makeAllowListFile(path))
        assert.include(revoking.message, `${path}, line 3`)

        yield* write(path, `# ours\nalice ${one}\n`)
        const { layer: logger, logs } = logged()
        const trust = yield* NodeTrust.makeAllowListFile(path, { interval }).pipe(Effect.provide(logger))
        yield* trust.check(alice, one)
        assert.strictEqual((yield* Effect.flip(trust.check(bob, two))).kind, "NotListed")
        yield* replace(path, `bob ${two}`)
        yield* expects(trust, bob, two)
        assert.strictEqual((yield* Effect.flip(trust.check(alice, one))).kind, "NotListed")
        yield* replace(path, `bob ${two}\n@revoked ${one}`)
        yield* until("it is said", Effect.sync(() => logs.some((line) => line.includes("line 2"))))
        yield* fs.remove(path)
        yield* until("it is said", Effect.sync(() => logs.some((line) => line.includes("does not exist"))))
        yield* trust.check(bob, two)
        yield* write(path, `alice ${one}`)
        yield* expects(trust, alice, one)
        assert.deepStrictEqual(logs.map((line) => line.split(" ")[0]), ["Warn", "Warn", "Info"])
        assert.strictEqual(yield* read(path), `alice ${one}`, "it is never written to")
      }).pipe(Effect.scoped))

    it.effect("are changed by programs, which keep comments and the order, and write nothing that would be refused", () =>
      Effect.gen(function*() {
        const fs = yield* fileSystem
        const file = `${yield* folder}/new/list`
        const store = yield* NodeTrust.allowListStore(file)
        const [one, other] = [yield* newKey, yield* newKey]
        assert.strictEqual((yield* Effect.flip(store.load)).reason._tag, "TrustFileMissing")
        yield* store.save({ allowed: [["bob", one, { roles: ["a b", "c,d"], calls: [] }], ["living room", other]] })
        assert.strictEqual((yield* fs.stat(file)).mode & 0o777, 0o600)
        yield* write(file, `${yield* read(file)}\n# Who comes next:\n`)
        const entries = yield* store.save({ allowed: [["carol", one]], removed: ["living room"] })
        assert.deepStrictEqual(entries, [["bob", one, { roles: ["a b", "c,d"], calls: [] }], ["carol", one, undefined]])
        assert.deepStrictEqual(yield* store.load, entries)
        const text = yield* read(file)
        assert.match(text, /bob .* roles="a b","c,d" calls=\n\n# Who comes next:\ncarol /)
        const error = yield* Effect.flip(store.save({ allowed: [["dave", "no key"]] }))
        assert.strictEqual(error._tag, "AllowListError")
        assert.strictEqual(yield* read(file), text)
      }).pipe(Effect.scoped))

    it.effect("say what a peer may do, behind its key", () =>
      Effect.gen(function*() {
        const path = `${yield* folder}/allowed`
        const [one, two, three] = [yield* newKey, yield* newKey, yield* newKey]
        const lines = [
          `alice ${one} roles=worker,"night, shift" serves=resize.* calls=  # ours`,
          `bob ${two} calls=get_funcs publishes=build.*,"a b"`,
          `"a b" ${three} subscribes=*`
        ]
        yield* write(path, lines.join("\n"))
        const trust = yield* NodeTrust.makeAllowListFile(path, { interval })
        const rights = (name: NodeName, key: PublicKey.PublicKey) => Trust.rightsOf(trust, name, key)
        assert.deepStrictEqual(yield* rights(alice, one), {
          roles: ["worker", "night, shift"],
          serves: ["resize.*"],
          calls: [],
          publishes: ["*"],
          subscribes: []
        })
        assert.deepStrictEqual(yield* rights(bob, two), {
          roles: [],
          serves: [],
          calls: ["get_funcs"],
          publishes: ["build.*", "a b"],
          subscribes: []
        })
        assert.deepStrictEqual(yield* rights(nameOf("a b"), three), {
          roles: [],
          serves: [],
          calls: ["*"],
          publishes: ["*"],
          subscribes: ["*"]
        })
        // The right goes with the line.
        yield* replace(path, `alice ${one}`)
        yield* until("it is read", Effect.map(rights(alice, one), ({ calls }) => calls.length === 1))
        for (
          const [text, problem] of [
            [`alice ${one} owns=all`, "owns"],
            [`alice ${one} constructor=all`, "constructor"],
            [`alice ${one} subscribes=a.*.b`, "a.*.b"],
            [`alice ${one} publishes=a.>`, "without >"],
            [`alice ${one} roles=a roles=b`, "twice"],
            [`alice ${one} roles=a,,b`, "list of names"],
            [`alice ${one} roles=,`, "list of names"],
            [`alice ${one} roles="a`, "no entry"],
            [`alice ${one} roles="a"b`, "list of names"],
            [`alice ${one} roles=a*b`, "a*b"],
            [`alice ${one} roles="\\q"`, "roles"],
            [`alice ${one} roles a`, "no entry"],
            [`alice ${one} roles=${"x".repeat(256)}`, "255"]
          ] as const
        ) {
          yield* write(path, text)
          const error = yield* Effect.flip(NodeTrust.makeAllowListFile(path))
          assert.include(error.message, `${path}, line 1: `, text)
          assert.include(error.message, problem, text)
        }
        yield* write(path, `alice ${one} roles=worker`)
        assert.include((yield* Effect.flip(known(path))).message, "allow list")
      }).pipe(Effect.scoped))
  })

  describe("authorities", () => {
    it.effect("are gone by from files, whose certificate and list are followed, and a newer list of peers is kept", () =>
      Effect.gen(function*() {
        const fs = yield* fileSystem
        const parent = yield* folder
        const networkId = "files"
        const authority = yield* Authority.generate
        const [own, peer] = [yield* newKey, yield* newKey]
        const certificate = (publicKey: PublicKey.PublicKey, name: string, calls: ReadonlyArray<string>) =>
          authority.issue({ networkId, name, publicKey, rights: { calls }, lifetime: "1 hour" })
        const paths = {
          key: `${parent}/authority.pub`,
          certificateFile: `${parent}/certificate`,
          revocationsFile: `${parent}/revocations`
        }
        const start = Effect.suspend(() =>
          NodeTrust.makeAuthority(paths.key, {
            networkId,
            certificateFile: paths.certificateFile,
            revocationsFile: paths.revocationsFile,
            interval
          })
        )
        assert.include((yield* Effect.flip(start)).message, `${paths.key} does not exist`)
        yield* write(paths.key, `# ours\n${authority.publicKey}\n`)
        assert.include((yield* Effect.flip(start)).message, `${paths.certificateFile} does not exist`)
        const first = yield* certificate(own, "alice", [])
        yield* write(paths.certificateFile, "# nothing yet\n")
        assert.include((yield* Effect.flip(start)).message, "nothing in it but comments")
        yield* write(paths.certificateFile, `${Authority.toText(first)}\n`)
        const { layer: logger, logs } = logged()
        const policy = yield* start.pipe(Effect.provide(logger))
        const shown = Effect.map(policy.credentials!.shown, (bytes) => Buffer.from(bytes!.subarray(8)))
        assert.isTrue((yield* shown).equals(first))

        const renewed = yield* certificate(own, "alice", ["add"])
        yield* replace(paths.certificateFile, "not a certificate")
        yield* until("it is said", Effect.sync(() => logs.some((line) => line.includes("stays as it was"))))
        assert.isTrue((yield* shown).equals(first))
        yield* replace(paths.certificateFile, Authority.toText(renewed))
        yield* until("it is shown", Effect.map(shown, (bytes) => bytes.equals(renewed)))

        // A list that peers have is written, and holds at the next start.
        const theirs = yield* authority.revoke({ networkId, version: 5, publicKeys: [peer] })
        assert.isTrue(yield* policy.credentials!.take("revocations", theirs))
        yield* until("it is there", fs.exists(paths.revocationsFile))
        if (process.platform !== "win32") {
          assert.strictEqual((yield* fs.stat(paths.revocationsFile)).mode & 0o777, 0o600)
        }
        const again = yield* Effect.scoped(Effect.flatMap(start, (policy) => Effect.flip(policy.check(bob, peer))))
        assert.strictEqual(again.kind, "Revoked")

        // And one that the operator puts there goes on from this node.
        const newer = yield* authority.revoke({ networkId, version: 6 })
        yield* replace(paths.revocationsFile, Authority.toText(newer))
        yield* until(
          "it holds",
          Effect.map(policy.revocations, (bytes) => Buffer.from(bytes!).equals(newer))
        )
        yield* replace(paths.revocationsFile, Authority.toText(theirs))
        // An older one changes nothing, and what holds takes its place.
        yield* until(
          "it is there again",
          Effect.map(read(paths.revocationsFile), (text) => text.includes(Authority.toText(newer)))
        )
        assert.strictEqual((yield* Effect.flip(policy.check(bob, peer))).kind, "NoCertificate")
      }).pipe(Effect.scoped))
  })

  it.effect("a node whose peer is taken off the file ends its sessions, over real sockets", () =>
    Effect.gen(function*() {
      const path = `${yield* folder}/allowed`
      yield* write(path, "")
      const advertisePort = yield* freePort
      const begun = yield* Deferred.make<void>()
      const start = <E>(name: string, trust: Layer.Layer<Trust.Trust, E>) =>
        Effect.map(
          Layer.build(Layer.fresh(
            AdvancedNode.layer({
              name,
              advertisePort,
              broadcastInterval: "200 millis",
              functions: { stuck: () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never) }
            }).pipe(Layer.provide([NodePnet.layerWithTrust(trust), Logger.layer([])]))
          )),
          (built) => Context.get(built, AdvancedNode.AdvancedNode)
        )
      const files = Layer.succeed(fileSystem, yield* fileSystem)
      const a = yield* start("alice", NodeTrust.layerAllowListFile(path, { interval }).pipe(Layer.provide(files)))
      const b = yield* start("bob", TofuTrust.layer())
      yield* replace(path, `bob ${b.publicKey}\n`)
      yield* a.peers.awaitPeer("bob")
      yield* b.peers.awaitPeer("alice")
      yield* until("bob is let in", Effect.map(Effect.exit(b.raw.peers.get("alice")), Exit.isSuccess))
      const call = yield* Effect.forkChild(
        Effect.flip(
          Effect.retry(b.request("alice", "stuck", "x"), { while: (e) => e._tag === "ProtocolError", times: 50 })
        )
      )
      yield* Deferred.await(begun)
      yield* replace(path, "# nobody\n")
      const error = yield* Fiber.join(call)
      assert(error._tag === "PeerLostError", error.message)
      assert.strictEqual(error.reason, "UntrustedByPeer")
      yield* until("no session is left", Effect.map(a.sessions.all, ({ length }) => length === 0))
      const refused = yield* Effect.flip(b.request("alice", "stuck", "x"))
      assert.strictEqual(refused._tag === "ProtocolError" && refused.code, "ERR_UNTRUSTED")
    }).pipe(Effect.scoped))
})
