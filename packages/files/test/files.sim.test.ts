/** Files between nodes on a simulated network, in virtual time. */
import { assert, describe, it } from "@effect/vitest"
import * as Outcomes from "@pnet/core/Outcomes"
import { NodeCrypto } from "@pnet/node"
import { TestNetwork } from "@pnet/testing"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as FileHash from "../src/FileHash.ts"
import type * as FileTransfer from "../src/FileTransfer.ts"
import * as Wire from "../src/internal/wire.ts"
import * as TransferError from "../src/TransferError.ts"
import { bytesOf } from "./engine.ts"
import { filesOf, machine, node } from "./world.ts"

describe("files", () => {
  it.effect("are sent to a peer that takes them, and those it has are not sent again", () =>
    Effect.gen(function*() {
      const [a, b] = [machine(), machine()]
      a.disk.put("/home/photos/one.jpg", bytesOf(700_000, 1))
      a.disk.put("/home/photos/two.jpg", bytesOf(20_000, 2))
      a.disk.put("/home/notes.txt", "hello")
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 1,
        nodes: { alice: node(a), bob: node(b, { receive: { folder: "/in", accept: { names: ["alice"] } } }) }
      })
      const { send } = filesOf(nodes.alice)
      const summary = yield* send("bob", ["/home/photos", "/home/notes.txt"])
      assert.deepStrictEqual(summary, {
        peer: "bob",
        files: 3,
        bytes: 720_005,
        hadFiles: 0,
        hadBytes: 0,
        failed: 0,
        problems: []
      })
      assert.strictEqual(b.disk.text("/in/notes.txt"), "hello")
      assert.deepStrictEqual(
        [...b.disk.tree("/in").keys()],
        ["notes.txt", "photos", "photos/one.jpg", "photos/two.jpg"]
      )
      const again = yield* send("bob", ["/home/photos", "/home/notes.txt"])
      assert.strictEqual(again.hadFiles, 3)
      assert.strictEqual(again.hadBytes, 720_005)
    }))

  it.effect("wait for somebody to decide, who sees what is offered", () =>
    Effect.gen(function*() {
      const [a, b] = [machine(), machine()]
      a.disk.put("/home/a.txt", "a")
      a.disk.put("/home/b.txt", "b")
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 2,
        nodes: { alice: node(a), bob: node(b, { receive: { folder: "/in" } }) }
      })
      const decided = yield* Effect.forkScoped(Stream.runForEach(filesOf(nodes.bob).offers, (offer) =>
        offer.names[0] === "a.txt" ? offer.accept : offer.decline("not today")))
      const first = yield* filesOf(nodes.alice).send("bob", ["/home/a.txt"], { note: "for you" })
      assert.strictEqual(first.files, 1)
      const declined = yield* Effect.flip(filesOf(nodes.alice).send("bob", ["/home/b.txt"]))
      assert.strictEqual(declined._tag, "DeclinedError")
      assert.include(declined.message, "not today")
      yield* Fiber.interrupt(decided)
      const late = yield* Effect.flip(filesOf(nodes.alice).send("bob", ["/home/b.txt"]))
      assert.include(late.message, "in time")
      assert.isUndefined(b.disk.text("/in/b.txt"))
    }))

  it.effect("go on by themselves when the receiver is killed and back, and ask only for what is missing", () =>
    Effect.gen(function*() {
      const [a, b] = [machine(), machine()]
      const large = bytesOf(6_000_000, 3)
      a.disk.put("/home/large.bin", large)
      let options: FileTransfer.Options = { receive: { folder: "/in", accept: "all" } }
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 3,
        nodes: { alice: node(a), bob: node(b, () => options) }
      })
      const fiber = yield* Effect.forkScoped(filesOf(nodes.alice).send("bob", ["/home/large.bin"]))
      // Killed behind the third megabyte.
      const part = () => [...b.disk.tree("/in")].find(([path]) => path.endsWith(".part"))?.[1].size ?? 0
      yield* Effect.repeat(Effect.sleep("1 millis"), { until: () => b.disk.used > 2_500_000 })
      b.mount.kill()
      yield* nodes.bob.kill
      const there = part()
      assert.isBelow(there, 6_000_000)
      yield* Effect.sleep("20 seconds")
      const before = a.disk.bytesRead.get("/home/large.bin")!
      // It is back before it receives.
      const receives = options
      options = {}
      yield* nodes.bob.restart
      yield* Effect.sleep("20 seconds")
      yield* nodes.bob.kill
      options = receives
      yield* nodes.bob.restart
      const summary = yield* Fiber.join(fiber)
      assert.strictEqual(summary.failed, 0)
      assert.isTrue(Buffer.compare(b.disk.tree("/in").get("large.bin")!.bytes, large) === 0)
      // All of it is read once more, for its hash.
      assert.isAtMost(a.disk.bytesRead.get("/home/large.bin")! - before, 6_000_000)
    }))

  it.effect("go on when the sender is killed and sends the same again, nobody being asked anew", () =>
    Effect.gen(function*() {
      const [a, b] = [machine(), machine()]
      const large = bytesOf(4_000_000, 4)
      a.disk.put("/home/large.bin", large)
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 4,
        nodes: { alice: node(a), bob: node(b, { receive: { folder: "/in" } }) }
      })
      let asked = 0
      yield* Effect.forkScoped(Stream.runForEach(filesOf(nodes.bob).offers, (offer) => {
        asked++
        return offer.accept
      }))
      yield* Effect.forkScoped(filesOf(nodes.alice).send("bob", ["/home/large.bin"]))
      const part = () => [...b.disk.tree("/in")].find(([path]) => path.endsWith(".part"))?.[1].size ?? 0
      yield* Effect.repeat(Effect.sleep("1 millis"), { until: () => b.disk.used > 1_500_000 })
      a.mount.kill()
      yield* nodes.alice.kill
      yield* Effect.sleep("1 second")
      const there = part()
      yield* nodes.alice.restart
      yield* nodes.alice.node.peers.awaitPeer("bob")
      const received = yield* Effect.forkScoped(Stream.runHead(filesOf(nodes.bob).transfers), {
        startImmediately: true
      })
      const offering = yield* filesOf(nodes.alice).offer("bob", ["/home/large.bin"])
      const seen = yield* Effect.forkScoped(Stream.runCollect(offering.progress))
      const outcome = yield* offering.outcome
      assert.isTrue(Exit.isSuccess(outcome.bob!))
      assert.strictEqual(asked, 1)
      assert.isTrue(Buffer.compare(b.disk.tree("/in").get("large.bin")!.bytes, large) === 0)
      const progress = yield* Fiber.join(seen)
      assert.strictEqual(progress[progress.length - 1]?.[0]?.state, "Done")
      assert.strictEqual(progress[progress.length - 1]?.[0]?.bytes, 4_000_000)
      const receiving = Option.getOrThrow(yield* Fiber.join(received))
      assert.strictEqual((yield* receiving.outcome).files, 1)
      // What was there was not fetched once more: it was written by the process before.
      assert.isAtLeast(there, 1_000_000)
      assert.isAtMost(b.disk.counts.writeBytes!, 4_000_000 + 10_000)
    }))

  it.effect("are sent to all peers at once, and each has an outcome of its own", () =>
    Effect.gen(function*() {
      const [a, b, c, d] = [machine(), machine(), machine({ capacity: 1_000 }), machine()]
      a.disk.put("/home/x/one", bytesOf(100_000, 1))
      a.disk.put("/home/x/two", "two")
      const { nodes, partition, heal } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 5,
        nodes: {
          alice: node(a),
          bob: node(b, { receive: { folder: "/in", accept: "all", perPeer: true } }),
          carol: node(c, { receive: { folder: "/in", accept: (offer) => offer.files < 10 } }),
          dave: node(d)
        }
      })
      const { sendAll } = filesOf(nodes.alice)
      const exits = yield* sendAll("*", ["/home/x"])
      assert.deepStrictEqual(Object.keys(exits), ["bob", "carol", "dave"])
      assert.strictEqual(Outcomes.succeeded(exits).bob?.failed, 0)
      assert.strictEqual(b.disk.text("/in/alice/x/two"), "two")
      const carol = Outcomes.succeeded(exits).carol!
      assert.deepStrictEqual([carol.files, carol.failed, carol.problems[0]?.kind], [1, 1, "DiskFull"])
      const dave = Cause.squash(Outcomes.failed(exits).dave!)
      assert.strictEqual(dave instanceof TransferError.NotReceivingError && dave.kind, "NoReceiver")
      // A partition in the midst is waited out.
      a.disk.put("/home/y", bytesOf(3_000_000, 2))
      const fiber = yield* Effect.forkScoped(filesOf(nodes.alice).send("bob", ["/home/y"]))
      yield* Effect.repeat(Effect.sleep("1 millis"), {
        until: () => [...b.disk.tree("/in")].some(([path]) => path.endsWith(".part"))
      })
      yield* partition("alice", "bob")
      yield* Effect.sleep("2 minutes")
      yield* heal()
      assert.strictEqual((yield* Fiber.join(fiber)).failed, 0)
    }))

  it.effect("that change while they are sent are looked at anew, and those gone for too long are given up", () =>
    Effect.gen(function*() {
      const [a, b] = [machine(), machine()]
      a.disk.put("/home/w/log", bytesOf(600_000, 1), { mtime: 1 })
      a.disk.put("/home/w/rest", "rest", { mtime: 1 })
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 6,
        nodes: { alice: node(a), bob: node(b, { receive: { folder: "/in", accept: "all", maxBytes: 1_000_000 } }) }
      })
      let changes = 0
      a.disk.intercept = ({ method, offset, path }) => {
        if (method === "read" && path.endsWith("log") && offset > 0 && changes < 2) {
          changes++
          a.disk.put("/home/w/log", bytesOf(600_000 + changes, changes), { mtime: 1 + changes })
        }
        return undefined
      }
      const summary = yield* filesOf(nodes.alice).send("bob", ["/home/w"])
      assert.deepStrictEqual([summary.files, summary.failed, changes], [2, 0, 2])
      assert.strictEqual(b.disk.tree("/in").get("w/log")!.size, 600_002)
      a.disk.intercept = undefined
      a.disk.put("/home/too-large", bytesOf(1_000_001, 1))
      const declined = yield* Effect.flip(filesOf(nodes.alice).send("bob", ["/home/too-large"]))
      assert.include(declined.message, "1000001 bytes")
      const fiber = yield* Effect.forkScoped(
        Effect.flip(filesOf(nodes.alice).send("bob", ["/home/w"], { patience: "30 seconds" }))
      )
      a.disk.put("/home/w/more", bytesOf(900_000, 7))
      a.disk.remove("/home/w/log")
      yield* Effect.repeat(Effect.sleep("1 millis"), {
        until: () => [...b.disk.tree("/in")].some(([path]) => path.endsWith(".part"))
      })
      yield* nodes.bob.stop
      const away = yield* Fiber.join(fiber)
      assert.strictEqual(away._tag, "PeerAwayError")
    }))

  it.effect("that were accepted are asked about again where they grow, by however little each time, or are others", () =>
    Effect.gen(function*() {
      const b = machine()
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 8,
        nodes: {
          // It says that each offer has a file, and ends its list before that, so that it goes on another time.
          alice: TestNetwork.node({ streams: { "pnet.files.list": () => Stream.empty } }),
          bob: node(b, { receive: { folder: "/in" } })
        }
      })
      yield* nodes.alice.node.peers.awaitPeer("bob")
      const asked: Array<string> = []
      yield* Effect.forkScoped(Stream.runForEach(filesOf(nodes.bob).offers, (offer) => {
        asked.push(`${offer.names.join(" ")}: ${offer.bytes}`)
        return offer.accept
      }))
      const head = { id: new Uint8Array(16), digest: new Uint8Array(32), files: 1, folders: 0, links: 0, note: "" }
      const say = (more: Partial<Wire.OfferHead>) =>
        Effect.ignore(Stream.runDrain(
          nodes.alice.node.send(
            "bob",
            "pnet.files.offer",
            Wire.writeOffer({ ...head, bytes: 1_000, names: ["a.jpg"], ...more })
          )
        ))
      for (const bytes of [1_000, 900_000, 1_800_000, 2_700_000, 3_600_000]) yield* say({ bytes })
      assert.deepStrictEqual(asked, ["a.jpg: 1000", "a.jpg: 1800000", "a.jpg: 3600000"])
      yield* say({ names: [".bashrc"] })
      yield* say({ names: [".bashrc"], folders: 100 })
      assert.deepStrictEqual(asked.slice(3), [".bashrc: 1000", ".bashrc: 1000"])
    }))

  it.effect("that were accepted, and are never whole, bring no more than that without being asked about again, and nothing when their sender is declined", () =>
    Effect.gen(function*() {
      const b = machine()
      let receive: FileTransfer.ReceiveOptions = { folder: "/in" }
      let [goes, size] = [0, 0]
      const content = () => bytesOf(size, goes)
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 10,
        nodes: {
          // In a folder that somebody has said yes to it has another file each time, and one that has always changed meanwhile.
          alice: TestNetwork.node({
            streams: {
              "pnet.files.list": () => {
                const entry = (name: string): Wire.Entry => ({ _tag: "File", name, size, mode: 0o644, mtime: 1 })
                const out = new Wire.Writer()
                Wire.writeEntry(out, { _tag: "Folder", name: "photos", mode: 0o755, mtime: 1 })
                Wire.writeEntry(Wire.writeEntry(out, entry(`${goes}.jpg`)), entry("last"))
                return Stream.succeed(Wire.writeEntry(Wire.writeEntry(out, { _tag: "Leave" }), { _tag: "End" }).take())
              },
              "pnet.files.read": ({ bytes }) => {
                const hash = FileHash.portable()
                hash.update(content())
                const whole = Wire.writeChunkHead(Wire.writeBegin(new Wire.Writer()), size).raw(content())
                Wire.writeEnd(whole, hash.digest())
                const answers = [whole.take(), Wire.writeBroken(new Wire.Writer(), "Changed", false).take()]
                const wants = Wire.wants()
                let heading = Wire.ofLength
                return Stream.flatMap(bytes, (part) => {
                  wants.push(part.subarray(heading))
                  heading = Math.max(0, heading - part.length)
                  const wanted: Array<Uint8Array> = []
                  for (let want = wants.next(); want !== undefined; want = wants.next()) {
                    wanted.push(answers[want.file]!)
                  }
                  return Stream.fromIterable(wanted)
                })
              }
            }
          }),
          bob: node(b, () => ({ receive }))
        }
      })
      const says = (id: number) =>
        Effect.gen(function*() {
          goes++
          const head = { digest: new Uint8Array(32), files: 2, folders: 1, links: 0, names: ["photos"], note: "" }
          const offer = Wire.writeOffer({ ...head, id: new Uint8Array(16).fill(id), bytes: 2 * size })
          const said = Wire.saids()
          yield* Stream.runForEach(
            nodes.alice.node.send("bob", "pnet.files.offer", offer),
            (bytes) => Effect.sync(() => said.push(bytes))
          )
          return said.next()?._tag
        })
      /** In which of so many goes somebody was asked. */
      const askedIn = (id: number, count: number) =>
        Effect.gen(function*() {
          const asked: Array<number> = []
          for (let go = 1; go <= count; go++) if ((yield* says(id)) === "Waiting") asked.push(go)
          return asked
        })
      yield* nodes.alice.node.peers.awaitPeer("bob")
      yield* Effect.forkScoped(Stream.runForEach(filesOf(nodes.bob).offers, ({ accept }) => accept))
      size = 600_000
      assert.deepStrictEqual(yield* askedIn(1, 9), [1, 5, 9])
      size = 1
      assert.deepStrictEqual(yield* askedIn(2, 23), [1, 21])
      // It is known still when the receiver is back, and of no use where the sender's offers are not taken any more.
      const again = (more: Partial<FileTransfer.ReceiveOptions>) =>
        Effect.gen(function*() {
          receive = { folder: "/in", accept: { names: ["carol"] }, ...more }
          yield* nodes.bob.restart
          // Until the session with the one before is over.
          yield* Effect.sleep("20 seconds")
          return yield* says(2)
        })
      assert.strictEqual(yield* again({}), "Accepted")
      assert.strictEqual(yield* again({ otherwise: "decline" }), "Declined")
    }))

  it.effect("that are more than a receiver takes, or that may wait for a decision, four of one peer, are declined at once", () =>
    Effect.gen(function*() {
      const b = machine()
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 11,
        nodes: {
          alice: TestNetwork.node(),
          carol: TestNetwork.node(),
          bob: node(b, {
            receive: { folder: "/in", maxFiles: 3, maxBytes: 1_000 },
            limits: { waiting: 6, entries: 10 }
          })
        }
      })
      yield* nodes.bob.node.peers.awaitPeer("alice")
      yield* nodes.bob.node.peers.awaitPeer("carol")
      const head = { digest: new Uint8Array(32), files: 1, folders: 0, links: 0, bytes: 1, names: ["a"], note: "" }
      let id = 0
      /** What is said first of an offer, which waits on. */
      const says = (from: "alice" | "carol", more: Partial<Wire.OfferHead>) =>
        Effect.gen(function*() {
          const offer = Wire.writeOffer({ ...head, id: new Uint8Array(16).fill(++id), ...more })
          const said = Wire.saids()
          const first = yield* Deferred.make<string>()
          yield* Effect.forkScoped(
            Stream.runForEach(nodes[from].node.send("bob", "pnet.files.offer", offer), (bytes) => {
              said.push(bytes)
              const one = said.next()!
              return Deferred.succeed(first, one._tag === "Declined" ? one.reason : one._tag)
            })
          )
          return yield* Deferred.await(first)
        })
      assert.include(yield* says("alice", { files: 4 }), "at most 3 are taken")
      assert.include(yield* says("alice", { bytes: 1_001 }), "at most 1000 are taken")
      // A folder is one for its end, too.
      assert.include(yield* says("alice", { folders: 4, links: 2 }), "it has 11 entries")
      assert.strictEqual(yield* says("alice", { files: 3, folders: 3, links: 1, bytes: 1_000 }), "Waiting")
      for (let more = 0; more < 3; more++) assert.strictEqual(yield* says("alice", {}), "Waiting")
      const tooMany = "too many offers wait for a decision; try again later"
      assert.strictEqual(yield* says("alice", {}), tooMany)
      for (let more = 0; more < 2; more++) assert.strictEqual(yield* says("carol", {}), "Waiting")
      assert.strictEqual(yield* says("carol", {}), tooMany)
    }))

  it.effect("are read by nobody but whom they are offered to, and by that one in a few calls at once", () =>
    Effect.gen(function*() {
      const a = machine()
      a.disk.put("/home/secret", "for bob")
      let offered: Wire.OfferHead | undefined
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 9,
        nodes: {
          alice: node(a),
          bob: TestNetwork.node({
            streams: {
              "pnet.files.offer": ({ whole }) =>
                Effect.map(whole, (bytes) => {
                  offered = Wire.readOffer(bytes)
                  return Stream.concat(Stream.succeed(Wire.writeSaid({ _tag: "Accepted" })), Stream.never)
                })
            }
          }),
          carol: TestNetwork.node()
        }
      })
      yield* Effect.forkScoped(filesOf(nodes.alice).send("bob", ["/home/secret"]))
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => offered !== undefined })
      const of = Wire.writeOf(offered!.id, offered!.digest)
      const want = Wire.writeWant(new Wire.Writer(), { file: 0, offset: 0 }).take()
      const call = (by: typeof nodes.bob | typeof nodes.carol, name: string, asked: Stream.Stream<Uint8Array>) =>
        by.node.streams.send("alice", name, asked)
      const tagOf = (stream: ReturnType<typeof call>) =>
        Effect.map(
          Effect.flip(Stream.runDrain(stream)),
          (error) => error._tag === "RemoteError" ? error.tag : error._tag
        )
      // Carol knows what to ask for, and is somebody else.
      assert.strictEqual(yield* tagOf(call(nodes.carol, "pnet.files.list", Stream.make(of))), "OfferGoneError")
      assert.strictEqual(yield* tagOf(call(nodes.carol, "pnet.files.read", Stream.make(of, want))), "OfferGoneError")
      const got = yield* Stream.runCollect(call(nodes.bob, "pnet.files.read", Stream.make(of, want)))
      assert.include(Buffer.concat([...got]).toString("latin1"), "for bob")
      // Calls that stay open.
      const open = Stream.concat(Stream.make(of), Stream.never)
      for (let i = 0; i < 4; i++) yield* Effect.forkScoped(Stream.runDrain(call(nodes.bob, "pnet.files.read", open)))
      yield* Effect.sleep("1 second")
      assert.strictEqual(yield* tagOf(call(nodes.bob, "pnet.files.read", open)), "TransferProtocolError")
    }))

  it.effect("of a peer that sends nothing hold up those of nobody else", () =>
    Effect.gen(function*() {
      const [a, b] = [machine(), machine()]
      a.disk.put("/home/a.txt", "a")
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 9,
        nodes: {
          alice: node(a),
          bob: node(b, { receive: { folder: "/in", accept: "all" }, limits: { transfers: 4 } }),
          mallory: TestNetwork.node({
            streams: { "pnet.files.list": () => Stream.never, "pnet.files.read": () => Stream.never }
          })
        }
      })
      yield* nodes.mallory.node.peers.awaitPeer("bob")
      const head = { digest: new Uint8Array(32), files: 1, folders: 0, links: 0, bytes: 1, names: ["a"], note: "" }
      for (let one = 0; one < 6; one++) {
        const bytes = Wire.writeOffer({ ...head, id: new Uint8Array(16).fill(one) })
        yield* Effect.forkScoped(
          Effect.ignore(Stream.runDrain(nodes.mallory.node.send("bob", "pnet.files.offer", bytes)))
        )
      }
      yield* Effect.sleep("1 second")
      const sent = yield* Effect.timeoutOption(filesOf(nodes.alice).send("bob", ["/home/a.txt"]), "1 minute")
      assert.strictEqual(Option.getOrUndefined(sent)?.files, 1)
    }))

  it.effect("of a sender that has fallen silent are broken off, whether that is its list or a file, and make room", () =>
    Effect.gen(function*() {
      const b = machine()
      const file = Wire.writeEntry(new Wire.Writer(), { _tag: "File", name: "a", size: 1, mode: 0o644, mtime: 1 })
      const list = Stream.succeed(Wire.writeEntry(file, { _tag: "End" }).take())
      for (const silent of ["list", "read"] as const) {
        const { nodes } = yield* TestNetwork.make({
          crypto: NodeCrypto.layer,
          seed: 10,
          nodes: {
            bob: node(b, { receive: { folder: "/in", accept: "all", silence: "1 minute" } }),
            mallory: TestNetwork.node({
              streams: {
                "pnet.files.list": () => silent === "list" ? Stream.never : list,
                "pnet.files.read": () => Stream.never
              }
            })
          }
        })
        yield* nodes.mallory.node.peers.awaitPeer("bob")
        const outcome = yield* Effect.forkScoped(
          Effect.flatMap(
            Effect.map(Stream.runHead(filesOf(nodes.bob).transfers), Option.getOrThrow),
            (one) => Effect.flip(one.outcome)
          )
        )
        yield* Effect.yieldNow
        const head = { digest: new Uint8Array(32), files: 1, folders: 0, links: 0, bytes: 1, names: ["a"], note: "" }
        const bytes = Wire.writeOffer({ ...head, id: new Uint8Array(16) })
        yield* Effect.forkScoped(
          Effect.ignore(Stream.runDrain(nodes.mallory.node.send("bob", "pnet.files.offer", bytes)))
        )
        yield* Effect.sleep("48 seconds")
        assert.isUndefined(outcome.pollUnsafe())
        yield* Effect.sleep("48 seconds")
        const exit = outcome.pollUnsafe()
        assert.isTrue(exit !== undefined && Exit.isSuccess(exit) && exit.value._tag === "SenderGone", silent)
      }
    }).pipe(Effect.scoped))

  it.effect("that never went on are forgotten when they are old, and nothing else is", () =>
    Effect.gen(function*() {
      const [a, b] = [machine(), machine()]
      const partial = "/in/.pnet-partial"
      const [old, young, other] = ["0".repeat(32), "1".repeat(32), "notes"]
      const now = yield* Clock.currentTimeMillis
      const minute = 60_000
      for (const key of [old, young, other]) b.disk.put(`${partial}/${key}/journal`, "", { mtime: now - 60 * minute })
      b.disk.put(`${partial}/${young}/a.part`, "a", { mtime: now - minute })
      for (const key of [old, young, other]) b.disk.makeFolder(`${partial}/${key}`, { mtime: now - 30 * minute })
      b.disk.put("/etc/journal", "", { mtime: 0 })
      b.disk.link(`${partial}/${"2".repeat(32)}`, "/etc")
      a.disk.put("/home/large", bytesOf(3_000_000, 1))
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 11,
        nodes: {
          alice: node(a),
          bob: node(b, { receive: { folder: "/in", accept: "all", keepPartial: "2 minutes" } }),
          silent: TestNetwork.node({
            streams: { "pnet.files.list": () => Stream.never, "pnet.files.read": () => Stream.never }
          })
        }
      })
      const kept = () => new Set([...b.disk.tree(partial).keys()].map((path) => path.split("/")[0]))
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(kept(), new Set([young, "2".repeat(32), other]))
      // One that goes on is not old, however long ago it began.
      const fiber = yield* Effect.forkScoped(filesOf(nodes.alice).send("bob", ["/home/large"]))
      yield* Effect.repeat(Effect.sleep("1 millis"), { until: () => kept().size > 3 })
      yield* nodes.alice.kill
      yield* Fiber.interrupt(fiber)
      yield* Effect.sleep("1 minute")
      assert.strictEqual(kept().size, 4)
      yield* Effect.sleep("5 minutes")
      assert.deepStrictEqual(kept(), new Set(["2".repeat(32), other]))
      assert.strictEqual(b.disk.text("/etc/journal"), "")
      // Nor is one that is being received, though nothing comes.
      const head = { digest: new Uint8Array(32), files: 1, folders: 0, links: 0, bytes: 1, names: ["a"], note: "" }
      const bytes = Wire.writeOffer({ ...head, id: new Uint8Array(16) })
      yield* Effect.forkScoped(
        Effect.ignore(Stream.runDrain(nodes.silent.node.send("bob", "pnet.files.offer", bytes)))
      )
      yield* Effect.sleep("6 minutes")
      assert.strictEqual(kept().size, 3)
    }))
})
