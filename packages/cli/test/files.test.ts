/** `send` and `receive`, and `up --receive`: over a simulated network, with disks in memory. */
import { assert, describe, it } from "@effect/vitest"
import { FileTransfer } from "@pnet/files"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as SimFileSystem from "@pnet/testing/SimFileSystem"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { Effect, Stream } from "effect"
import { receive } from "../src/commands/receive.ts"
import { send } from "../src/commands/send.ts"
import { desk, values } from "./harness/desk.ts"

const disks = () => {
  const [own, bobs] = [SimFileSystem.make(), SimFileSystem.make()]
  own.put("/home/photos/one.jpg", "one")
  own.put("/home/photos/two.jpg", "two!")
  own.put("/home/evil\u001b[2J.txt", "x")
  return { own, bobs }
}

/** Alice's desk, with bob who receives what alice sends, and carol who receives nothing. */
const home = Effect.gen(function*() {
  const { bobs, own } = disks()
  const { network, nodes } = yield* TestNetwork.make({
    crypto: NodeCrypto.layer,
    seed: 7,
    nodes: {
      bob: TestNetwork.node({
        beside: FileTransfer.layer({ receive: { folder: "/in", accept: { names: ["alice"] }, otherwise: "decline" } }),
        services: bobs.mount().layer
      }),
      carol: TestNetwork.node()
    }
  })
  return { alice: yield* desk(network, "alice", own.mount().layer), bobs, network, nodes, own }
})

describe("send", () => {
  it.effect("says what arrived, for people and as JSON, and sends nothing twice", () =>
    Effect.gen(function*() {
      const { alice, bobs } = yield* home
      const first = yield* alice.run("send", "bob", "/home/photos")
      assert.deepInclude(first, { code: 0, stderr: "" })
      assert.match(first.stdout, /^sent to bob: 2 files, 7 B(, \d+.*\/s)?\n$/)
      assert.strictEqual(bobs.text("/in/photos/two.jpg"), "two!")
      const again = yield* alice.run("send", "bob", "/home/photos", "--json")
      const [sent] = values(again.stdout)
      assert.deepStrictEqual([sent?.type], [...send.prints])
      assert.deepInclude(sent, { type: "transfer", peer: "bob", files: 2, hadFiles: 2, failed: 0 })
    }))

  it.effect("has a code and a row for each peer where it goes wrong with some, and for what is wrong with one", () =>
    Effect.gen(function*() {
      const { alice, bobs, own } = yield* home
      const some = yield* alice.run("send", "*", "/home/photos", "--json")
      assert.strictEqual(some.code, 9)
      assert.deepStrictEqual(values(some.stdout).map(({ failure, peer }) => [peer, failure?.error]), [
        ["bob", undefined],
        ["carol", "NotReceivingError"]
      ])
      const closed = yield* alice.run("send", "carol", "/home/photos")
      assert.strictEqual(closed.code, 3)
      assert.include(closed.stderr, "run there: pnet receive")
      assert.strictEqual((yield* alice.run("send", "bob", "/none")).code, 2)
      // Of that and a peer that is not there it is what can be said at once.
      assert.include((yield* alice.run("send", "dave", "/none")).stderr, "cannot send \"/none\"")
      assert.strictEqual((yield* alice.run("send", "dave", "/home/photos", "--wait", "1s")).code, 3)
      assert.strictEqual((yield* alice.run("send", "bob", "/home/photos", "--name", "eve")).code, 4)
      own.link("/home/photos/away", "/etc")
      assert.include((yield* alice.run("send", "bob", "/home/photos")).stderr, "--links skip")
      bobs.capacity = bobs.used
      const full = yield* alice.run("send", "bob", "/home/evil\u001b[2J.txt")
      assert.strictEqual(full.code, 1)
      assert.include(full.stdout, "evil\\u001b[2J.txt: DiskFull")
    }))
})

describe("receive", () => {
  it.effect("asks about each offer, and takes what it is told to", () =>
    Effect.gen(function*() {
      const { alice, network, nodes } = yield* home
      const inbox = SimFileSystem.make()
      const carol = yield* desk(network, "dora", inbox.mount().layer)
      const waiting = yield* carol.startWith({ stdin: "no\nyes\n" }, "receive", "/box", "--once", "--json")
      yield* waiting.says("waits for files")
      yield* nodes.bob.node.peers.awaitPeer("dora")
      const declined = yield* alice.run("send", "dora", "/home/photos", "--note", "for you")
      assert.deepInclude(declined, { code: 4, stdout: "" })
      assert.include(declined.stderr, "declined")
      assert.strictEqual((yield* alice.run("send", "dora", "/home/photos")).code, 0)
      const { code, stdout } = yield* waiting.end
      assert.strictEqual(code, 0)
      assert.strictEqual(inbox.text("/box/photos/one.jpg"), "one")
      assert.deepStrictEqual([...new Set(values(stdout).map(({ type }) => type))], [...receive.prints])
      assert.deepStrictEqual(values(stdout).map(({ files, note, type }) => [type, files, note]), [
        ["offer", 2, "for you"],
        ["offer", 2, undefined],
        ["transfer", 2, undefined]
      ])
    }))

  it.effect("takes nothing for what was typed before it was asked about", () =>
    Effect.gen(function*() {
      const { alice, network, nodes } = yield* home
      const inbox = SimFileSystem.make()
      const dora = yield* desk(network, "dora", inbox.mount().layer)
      const line = (text: string) => new TextEncoder().encode(`${text}\n`)
      const stdin = Stream.concat(
        Stream.make(line("yes\nyes")),
        Stream.fromEffect(Effect.delay(Effect.succeed(line("no")), "1 minute"))
      )
      const waiting = yield* dora.startWith({ stdin, typed: true }, "receive", "/box")
      yield* waiting.says("waits for files")
      yield* nodes.bob.node.peers.awaitPeer("dora")
      assert.strictEqual((yield* alice.run("send", "dora", "/home/photos")).code, 4)
      yield* waiting.interrupt
      assert.deepStrictEqual([...inbox.tree("/box").keys()], [])
    }))

  it.effect("says that nobody can be asked where standard input has ended, and ends where nothing would be taken", () =>
    Effect.gen(function*() {
      const { alice, network, nodes } = yield* home
      const box = SimFileSystem.make()
      const dora = yield* desk(network, "dora", box.mount().layer)
      const refused = yield* dora.runWith({ stdin: "" }, "receive", "/box")
      assert.strictEqual(refused.code, 2)
      assert.match(
        refused.stderr,
        /nobody can be asked what is taken: standard input has ended\n .*--from NAMES or --yes/
      )
      // Those who are named are taken all the same; but who that is nobody has said.
      const given = ["--umask", "077", "--keep", "2d", "--silence", "1m"]
      const waiting = yield* dora.startWith({ stdin: "" }, "receive", "/box", "--from", "alice", ...given)
      yield* waiting.says("what comes from others than alice is declined")
      yield* waiting.says("alice was never met here: whoever comes first by that name is taken for it")
      yield* nodes.bob.node.peers.awaitPeer("dora")
      assert.strictEqual((yield* alice.run("send", "dora", "/home/photos")).code, 0)
      assert.strictEqual((yield* alice.run("send", "dora", "/home/photos", "--name", "eve")).code, 4)
      assert.strictEqual(box.tree("/box").get("photos/two.jpg")!.mode & 0o077, 0)
      yield* waiting.interrupt
      const wrong = yield* dora.runWith({ stdin: "" }, "receive", "/box", "--umask", "9")
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.stderr, "expected permissions in octal, such as 022 or 077")
      // So are those that were answered for before it ended.
      const piped = yield* dora.startWith({ stdin: "y\n" }, "receive", "/box")
      yield* nodes.bob.node.peers.awaitPeer("dora")
      assert.strictEqual((yield* alice.run("send", "dora", "/home/photos")).code, 0)
      yield* piped.says("what comes now is declined")
      assert.strictEqual((yield* alice.run("send", "dora", "/home/photos")).code, 4)
      yield* piped.interrupt
    }))

  it.effect("takes from everybody only where somebody has said who that is", () =>
    Effect.gen(function*() {
      const { alice, network, nodes, own } = yield* home
      const box = SimFileSystem.make()
      const dora = yield* desk(network, "dora", box.mount().layer)
      for (const words of [["receive", "/box", "--yes"], ["up", "--receive", "/box"]]) {
        const refused = yield* dora.run(...words)
        assert.strictEqual(refused.code, 2)
        assert.include(refused.stderr, "everybody on the network")
      }
      const alone = yield* dora.run("up", "--max-bytes", "1MB")
      assert.strictEqual(alone.code, 2)
      assert.match(alone.stderr, /--max-bytes is for files that arrive, and none are taken\n .*--receive/)
      const how = ["--umask", "077", "--keep", "2d", "--silence", "1m", "--collisions", "skip", "--max-bytes", "1kB"]
      const up = yield* dora.start("up", "--receive", "/box", "--open", "--json", ...how)
      yield* up.says("started")
      yield* nodes.bob.node.peers.awaitPeer("dora")
      assert.strictEqual((yield* alice.run("send", "dora", "/home/photos")).code, 0)
      yield* up.says("received")
      assert.strictEqual((yield* alice.run("send", "dora", "/home/photos")).code, 0)
      yield* up.says("of which 2 were there")
      assert.strictEqual(box.tree("/box").get("photos/two.jpg")!.mode & 0o077, 0)
      own.put("/home/photos/two.jpg", "another")
      own.put("/home/large", new Uint8Array(1_001))
      assert.strictEqual((yield* alice.run("send", "dora", "/home/photos")).code, 0)
      assert.strictEqual((yield* alice.run("send", "dora", "/home/large")).code, 4)
      assert.deepStrictEqual([...box.tree("/box").keys()].filter((path) => !path.startsWith(".")), [
        "photos",
        "photos/one.jpg",
        "photos/two.jpg"
      ])
      assert.strictEqual(box.text("/box/photos/two.jpg"), "two!")
      const { stdout } = yield* up.interrupt
      assert.include(
        values(stdout).filter(({ event }) => event === "received").map(({ text }) => text),
        "2 files of alice, 7 B, arrived"
      )
    }))
})
