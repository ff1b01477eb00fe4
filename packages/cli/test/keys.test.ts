/** `key` and `trust` over files; and `trust` where several nodes go by one name. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as PublicKey from "@pnet/core/PublicKey"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { Effect, FileSystem } from "effect"
import { pathOf } from "../src/spec.ts"
import { specs } from "../src/tree.ts"
import { desk, values } from "./harness/desk.ts"
import { disk } from "./harness/disk.ts"
import { interruptedAfter, points } from "./harness/interrupt.ts"

const onDisk = <A, E, R>(
  use: (user: Effect.Success<typeof disk>, fs: FileSystem.FileSystem) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    return yield* use(yield* disk, yield* FileSystem.FileSystem)
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const key = (last: string) => `hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbT${last}=`
const [first, second] = [key("mo"), key("ms")]

describe("key", () => {
  it.live("makes the key of a node once, and shows it by its name and by its fingerprint", () =>
    onDisk(Effect.fnUntraced(function*({ home, run }) {
      assert.deepInclude(yield* run("key", "show"), { code: 3, stdout: "" })
      const made = values((yield* run("key", "make", "--json")).stdout)[0]!
      assert.deepInclude(made, { type: "identity", name: "desk", file: `${home}/.local/share/pnet/keys/desk.key` })
      assert.deepStrictEqual(values((yield* run("key", "make", "--json")).stdout), [made])
      assert.deepStrictEqual(values((yield* run("key", "show", "--json")).stdout), [made])
      yield* run("key", "make", "Ann Ö")
      const list = values((yield* run("key", "list", "--json")).stdout)
      assert.deepStrictEqual(list.map(({ name }) => name), ["Ann Ö", "desk"])
      assert.match((yield* run("key", "show")).stdout, /^desk\n {2}fingerprint {2}\S{19}\n {2}key {10}\S{44}\n/)
      for (const words of [[], ["desk"], [made["key"]]]) {
        assert.strictEqual((yield* run("key", "fingerprint", ...words)).stdout, `${made["fingerprint"]}\n`)
      }
    })))
})

describe("key network", () => {
  it.live("makes a key, and changes it on two machines by adding, promoting and removing", () =>
    onDisk(Effect.fnUntraced(function*(alice, fs) {
      const bob = yield* disk
      const listed = (ran: { readonly stdout: string }) =>
        values(ran.stdout).map(({ fingerprint, use }) => `${use} ${fingerprint}`)
      assert.deepInclude(yield* alice.run("key", "network", "export"), { code: 3, stdout: "" })
      assert.deepInclude(yield* alice.run("key", "network", "add"), { code: 2, stdout: "" })
      const making = yield* alice.run("key", "network", "make")
      assert.include(making.stderr, "pnet key network export | ssh MACHINE pnet key network add -")
      const made = values((yield* alice.run("key", "network", "list", "--json")).stdout)[0]!
      assert.deepInclude(made, { number: 1, network: "pnet", use: "encrypts" })
      assert.strictEqual((yield* fs.stat(made["file"])).mode & 0o777, 0o600)
      assert.deepInclude(yield* alice.run("key", "network", "make"), { code: 8, stdout: "" })

      const exported = (yield* alice.run("key", "network", "export")).stdout
      assert.match(exported, /^\S{43}=\n$/)
      assert.notInclude((yield* alice.run("key", "network", "list")).stdout, exported.trim())
      assert.notInclude(made["fingerprint"].replaceAll("-", ""), exported.slice(0, 4).toLowerCase())
      assert.deepStrictEqual(listed(yield* bob.piped(exported, "key", "network", "add", "-", "--json")), [
        `encrypts ${made["fingerprint"]}`
      ])
      assert.deepInclude(yield* bob.run("key", "network", "add", exported.trim()), { code: 2, stdout: "" })

      const [, added] = values((yield* alice.run("key", "network", "add", "--json")).stdout)
      yield* bob.piped((yield* alice.run("key", "network", "export", "2")).stdout, "key", "network", "add", "-")
      for (const { run } of [alice, bob]) yield* run("key", "network", "promote", added!["fingerprint"])
      assert.deepInclude(yield* bob.run("key", "network", "remove", "1"), { code: 2, stdout: "" })
      for (const { run } of [alice, bob]) yield* run("key", "network", "remove", "2")
      for (const { run } of [alice, bob]) {
        assert.deepStrictEqual(listed(yield* run("key", "network", "list", "--json")), [
          `encrypts ${added!["fingerprint"]}`
        ])
      }
      assert.deepInclude(yield* bob.run("key", "network", "remove", "1"), { code: 2, stdout: "" })
      assert.deepInclude(yield* bob.run("key", "network", "promote", "7"), { code: 3, stdout: "" })
      // The key is in the file of its network, and of no other.
      assert.deepStrictEqual(listed(yield* bob.run("key", "network", "show", "--json", "--network", "home")), [])
    })))
})

describe("the file of a network's keys", () => {
  it.live("is changed by one command at a time, and by none where another seems to", () =>
    onDisk(Effect.fnUntraced(function*(alice, fs) {
      const [made] = values((yield* alice.run("key", "network", "make", "--json")).stdout)
      const add = () => alice.run("key", "network", "add", "--json")
      const adding = yield* Effect.all([add(), add(), add()], { concurrency: 3 })
      assert.deepStrictEqual(adding.map(({ code }) => code), [0, 0, 0])
      assert.strictEqual(values((yield* alice.run("key", "network", "list", "--json")).stdout).length, 4)
      const folder = made!["file"].replace(/[^/\\]*$/, "")
      assert.deepStrictEqual(yield* fs.readDirectory(folder), ["pnet.keys"])
      yield* fs.writeFileString(`${made!["file"]}.lock`, "")
      const held = yield* alice.run("key", "network", "promote", "2")
      assert.strictEqual(held.code, 8)
      assert.include(held.stderr, `take away ${made!["file"]}.lock`)
    })))
})

describe("Ctrl-C", () => {
  it.live("at any point of a change of keys leaves them as they were or as they are to be, and no lock", () =>
    onDisk(Effect.fnUntraced(function*(alice, fs) {
      const [made] = values((yield* alice.run("key", "network", "make", "--json")).stdout)
      const folder = made!["file"].replace(/[^/\\]*$/, "")
      const add = alice.run("key", "network", "add", "--json")
      const { steps } = yield* interruptedAfter(Number.POSITIVE_INFINITY, add)
      for (const point of points(steps, 12, 1)) {
        yield* interruptedAfter(point, add)
        assert.deepStrictEqual(yield* fs.readDirectory(folder), ["pnet.keys"], `after ${point} of ${steps} steps`)
        const { code, stdout } = yield* alice.run("key", "network", "list", "--json")
        assert.strictEqual(code, 0)
        if (values(stdout).length > 10) yield* alice.run("key", "network", "remove", "2")
      }
    })))
})

describe("trust", () => {
  it.live("says who is known, and trusts, forgets and refuses them in the file of known peers", () =>
    onDisk(Effect.fnUntraced(function*({ run }) {
      const listed = Effect.map(
        run("trust", "list", "--json"),
        ({ stdout }) => values(stdout).map(({ key, name, status }) => [name, key, status])
      )
      assert.deepStrictEqual(yield* listed, [])
      const [allowed] = values((yield* run("trust", "allow", "bob", first, "--json")).stdout)
      assert.deepInclude(allowed, { type: "trustChange", change: "allowed", name: "bob", key: first })
      yield* run("trust", "allow", "carol", second)
      assert.deepStrictEqual(yield* listed, [["bob", first, "known"], ["carol", second, "known"]])
      yield* run("trust", "forget", "carol")
      yield* run("trust", "revoke", "bob")
      assert.deepStrictEqual(yield* listed, [[undefined, first, "revoked"]])
      assert.deepInclude(yield* run("trust", "forget", "carol"), { code: 3, stdout: "" })
      assert.deepInclude(yield* run("trust", "allow", "bob", "nonsense"), { code: 2, stdout: "" })
      assert.deepInclude(yield* run("trust", "allow", "bob", first, "--calls", "status"), { code: 2, stdout: "" })
    })))

  it.live("puts peers on an allow list with what they may do, and takes them off", () =>
    onDisk(Effect.fnUntraced(function*({ home, run }, fs) {
      const file = `${home}/lists/friends`
      const list = ["--allow-list", file, "--json"]
      yield* run("trust", "allow", "bob", first, "--roles", "worker,gpu", "--calls", "status.*", ...list)
      yield* run("trust", "allow", "living room", second, ...list)
      yield* fs.writeFileString(file, `${yield* fs.readFileString(file)}# the end\n`)
      yield* run("trust", "allow", "bob", second, "--calls", "", ...list)
      assert.deepStrictEqual(
        values((yield* run("trust", "list", ...list)).stdout).map(({ name, rights, status }) => [name, status, rights]),
        [["bob", "listed", { calls: [] }], ["living room", "listed", undefined]]
      )
      assert.match(yield* fs.readFileString(file), /\n# the end\n$/)
      yield* run("trust", "revoke", "bob", ...list)
      yield* run("trust", "forget", "living room", ...list)
      assert.deepStrictEqual(values((yield* run("trust", "list", ...list)).stdout), [])
      assert.deepInclude(yield* run("trust", "revoke", "bob", ...list), { code: 3, stdout: "" })
      assert.deepInclude(yield* run("trust", "list", "--authority", "ed25519:x"), { code: 2, stdout: "" })
    })))
})

/** What each of these commands is run with to see what it prints, one after another. */
const printing: ReadonlyArray<readonly [path: string, ...words: ReadonlyArray<string>]> = [
  ["key make"],
  ["key show"],
  ["key list"],
  ["key fingerprint"],
  ["key network make"],
  ["key network add"],
  ["key network promote", "2"],
  ["key network remove", "2"],
  ["key network list"],
  ["key network export"],
  ["trust allow", "bob", first],
  ["trust list"],
  ["trust forget", "bob"],
  ["trust revoke", second]
]

describe("what is printed as JSON of files", () => {
  it.live("has the shapes that the help of each command names, and all of them", () =>
    onDisk(Effect.fnUntraced(function*({ run }) {
      for (const [path, ...words] of printing) {
        const { code, stderr, stdout } = yield* run(...path.split(" "), ...words, "--json")
        assert.deepStrictEqual([code, stderr], [0, ""], path)
        const spec = specs.find((one) => pathOf(one) === path)!
        assert.deepStrictEqual([...new Set(values(stdout).map(({ type }) => type))], spec.prints, path)
      }
      // Those of mail need a server: `kept.test.ts`.
      const shown = new Set([...printing.map(([path]) => path), "trust resolve", "mail post", "mail read", "mail dead"])
      assert.deepStrictEqual(
        specs.filter(({ under }) => under !== undefined).map(pathOf).filter((path) => !shown.has(path)),
        []
      )
    })))
})

class Home extends TestNetwork.Service<Home>()("test/cli/keys", {
  crypto: NodeCrypto.layer,
  seed: 1,
  nodes: { bob: TestNetwork.node({ functions: { who: () => "the first" } }) }
}) {}

describe("trust on a network", () => {
  it.effect("says whose a name is that two nodes claim, by a fingerprint that was compared", () =>
    Effect.gen(function*() {
      const { network, nodes } = yield* Home
      const alice = yield* desk(network, "alice")
      const other = yield* desk(network, "other")
      const up = yield* other.start("up", "--name", "bob", "--json")
      yield* up.says("is up")
      const second = values(up.stdout())[0]!["fingerprint"]
      const first = PublicKey.fingerprint(nodes.bob.node.publicKey)

      const claims = values((yield* alice.run("trust", "resolve", "bob", "--json", "--wait", "2s")).stdout)
      assert.deepStrictEqual(claims.map(({ fingerprint }) => fingerprint).sort(), [first, second].sort())
      const wrong = yield* alice.run("trust", "resolve", "bob", "0000-0000-0000-0000", "--wait", "2s")
      assert.deepInclude(wrong, { code: 3, stdout: "" })
      assert.include(wrong.stderr, first)
      assert.deepInclude(yield* alice.run("trust", "resolve", "dave", first, "--wait", "1s"), { code: 3, stdout: "" })

      const [resolved] = values((yield* alice.run("trust", "resolve", "bob", first, "--json")).stdout)
      assert.deepInclude(resolved, { type: "trustChange", change: "resolved", name: "bob", fingerprint: first })
      assert.deepInclude(yield* alice.run("call", "bob", "who"), { code: 0, stdout: "the first\n" })
      // It was bought by another since then.
      const [moved] = values((yield* alice.run("trust", "allow", "bob", second, "--json")).stdout)
      assert.deepInclude(moved, { change: "allowed", fingerprint: second })
      assert.deepInclude(yield* alice.run("call", "bob", "who", "--wait", "2s"), { code: 3, stdout: "" })
    }).pipe(Effect.scoped, Effect.provide(Home.layer)))
})
