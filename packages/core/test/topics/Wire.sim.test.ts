/** Topics as their records have them: a peer that says what no node would, and one that keeps to the protocol by hand. */
import { assert, describe, it } from "@effect/vitest"
import { Allow, type CommandNode, type Peers, type Sessions } from "@pnet/core"
import { quietly } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { Cause, Effect, Exit, Scope } from "effect"
import * as Records from "../../src/internal/topics/records.ts"
import { collect, lastId, losses, Readings, start } from "./topicWorld.ts"

type Node = CommandNode.CommandNode["Service"]

const utf8 = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** A publisher that says by hand what it says. */
const publisher = (node: Node, peer: Peers.Peer) =>
  Effect.gen(function*() {
    const stream = yield* node.sessions.open(peer, { protocol: "topic", name: "" })
    const reader = new Records.RecordReader()
    const heard: Array<Records.ToPublisher> = []
    const reading = Effect.forever(Effect.tap(stream.pull, (parts) =>
      Effect.sync(() => {
        reader.add(parts)
        for (let bytes = reader.next(); bytes !== undefined; bytes = reader.next()) {
          const record = Records.toPublisher(bytes)
          if (typeof record === "object") heard.push(record)
        }
      })))
    const ended = yield* Effect.forkScoped(Effect.exit(reading))
    return { stream, heard, ended }
  })

/** A subscriber that asks for topics by what it offers, and keeps what is written to it. */
const subscriber = (node: Node) =>
  Effect.gen(function*() {
    const heard: Array<Records.ToSubscriber> = []
    const streams: Array<Sessions.SessionStream> = []
    yield* node.sessions.handle({ protocol: "topic", name: "" }, (stream) => {
      streams.push(stream)
      const reader = new Records.RecordReader()
      return Effect.ignore(Effect.forever(Effect.tap(stream.pull, (parts) =>
        Effect.sync(() => {
          reader.add(parts)
          for (let bytes = reader.next(); bytes !== undefined; bytes = reader.next()) {
            const record = Records.toSubscriber(bytes)
            if (typeof record === "object") {
              heard.push("body" in record ? { ...record, body: record.body.slice() } : record)
            }
          }
        }))))
    })
    return { heard, streams }
  })

const epoch = "0123456789abcdef"
/** Behind which the numbers of bob's subscriptions begin. */
let before = 0
const told = (seq: number, ids: ReadonlyArray<number>, more: Partial<Records.TopicRecord> = {}) =>
  Records.topic({
    index: 7,
    topic: "news",
    contract: undefined,
    epoch,
    seq,
    for: ids.map((id) => before + id),
    retained: false,
    ...more
  })
const value = (seq: number, body: string, key?: string) =>
  Records.value({ index: 7, seq, at: 1_000, key, body: utf8(body) })

const two = Effect.gen(function*() {
  const network = yield* SimNetwork.make()
  const alice = yield* start(network, "alice")
  const bob = yield* start(network, "bob")
  yield* alice.node.awaitPeers(["bob"])
  const peer = (yield* alice.node.peers.get("bob"))!
  before = yield* lastId(bob)
  return { network, alice, bob, peer }
})

const codeOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit)
    ? exit.cause.reasons.filter(Cause.isFailReason).map(({ error }) => (error as { code?: string }).code).join()
    : "none"

describe("a peer that publishes", () => {
  it.effect("tells of a topic before anything of it, and again for who is new", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, peer } = yield* two
      const one = yield* collect(bob.node.subscribe("news"))
      const by = yield* publisher(alice.node, peer)
      yield* by.stream.write(value(1, "1"))
      yield* by.stream.write(told(1, [1]))
      yield* by.stream.write(value(2, "2"))
      yield* Effect.sleep("1 second")
      const other = yield* collect(bob.node.subscribe("news"))
      yield* by.stream.write(value(3, "3"))
      yield* by.stream.write(told(3, [2]))
      yield* by.stream.write(value(4, "4", "key"))
      yield* by.stream.write(Records.missed(7, 2))
      yield* by.stream.write(value(7, "7"))
      yield* by.stream.write(Records.forget(7))
      yield* by.stream.write(value(8, "8"))
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(one.map(({ missed, value }) => [value, missed]), [[2, 0], [3, 0], [4, 0], [7, 2]])
      assert.deepStrictEqual(other.map(({ missed, value }) => [value, missed]), [[4, 0], [7, 2]])
      assert.deepStrictEqual([one[0]!.key, one[2]!.key, one[0]!.at, one[0]!.epoch], [undefined, "key", 1_000, epoch])
      assert.strictEqual(one[3]!.id, `${alice.node.publicKey}/${epoch}/news/7`)
    })))

  it.effect("has what was lost with its stream counted by the next, in the same epoch alone", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, peer } = yield* two
      const heard = yield* collect(bob.node.subscribe("news"))
      const first = yield* publisher(alice.node, peer)
      yield* first.stream.write(told(10, [1]))
      yield* first.stream.write(value(11, "11"))
      yield* Effect.sleep("1 second")
      yield* first.stream.reset("cancelled", "")
      yield* Effect.sleep("1 second")
      const second = yield* publisher(alice.node, peer)
      yield* second.stream.write(told(15, [1]))
      yield* second.stream.write(value(16, "16"))
      yield* Effect.sleep("1 second")
      const third = yield* publisher(alice.node, peer)
      yield* third.stream.write(told(30, [1], { epoch: "f".repeat(16) }))
      yield* third.stream.write(value(31, "31"))
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ missed, value }) => [value, missed]), [[11, 0], [16, 4], [31, 0]])
    })))

  it.effect("says again what one that has ended has not taken, which nobody hears twice", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, peer } = yield* two
      const heard = yield* collect(bob.node.subscribe("news"))
      const ended = yield* Scope.make()
      yield* Scope.provide(collect(bob.node.subscribe("news", { mode: "lossless" })), ended)
      const first = yield* publisher(alice.node, peer)
      yield* first.stream.write(told(0, [1, 2]))
      yield* first.stream.write(value(1, "1"))
      yield* Effect.sleep("1 second")
      yield* Scope.close(ended, Exit.void)
      yield* first.stream.reset("cancelled", "")
      yield* Effect.sleep("1 second")
      const second = yield* publisher(alice.node, peer)
      yield* second.stream.write(told(0, [1, 2]))
      yield* second.stream.write(Records.missed(7, 1))
      for (const seq of [1, 3]) yield* second.stream.write(value(seq, `${seq}`))
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ missed, value }) => [value, missed]), [[1, 0], [3, 1]])
    })))

  it.effect("has one stream: another takes its place, and more than eight a second are refused", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, peer } = yield* two
      const heard = yield* collect(bob.node.subscribe("news"))
      const by = yield* publisher(alice.node, peer)
      yield* by.stream.write(told(0, [1]))
      yield* Effect.sleep("1 second")
      const all = yield* Effect.all(Array.from({ length: 10 }, () => publisher(alice.node, peer)))
      yield* Effect.sleep("1 second")
      yield* by.stream.write(value(1, "1"))
      yield* all[7]!.stream.write(told(1, [1]))
      yield* all[7]!.stream.write(value(2, "2"))
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ value }) => value), [2])
      assert.strictEqual(codeOf(yield* all[8]!.stream.failed.pipe(Effect.timeout("1 second"), Effect.exit)), "refused")
      assert.strictEqual(codeOf(yield* all[9]!.stream.failed.pipe(Effect.timeout("1 second"), Effect.exit)), "refused")
    })))

  it.effect("may say what is not known, and ends its stream by what is no record", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, peer } = yield* two
      const heard = yield* collect(bob.node.subscribe("news"))
      const wrongs: ReadonlyArray<ReadonlyArray<number>> = [
        // Longer than a record may be.
        [0, 0x10, 4, 1, 2],
        // Shorter than what its kind has.
        [0, 0, 0, 3, 4, 0, 0],
        // No JSON.
        [0, 0, 0, 6, 1, 0, 0, 0, 1, 0x7b],
        // Nothing at all.
        [0, 0, 0, 0]
      ]
      for (const [i, wrong] of wrongs.entries()) {
        const by = yield* publisher(alice.node, peer)
        yield* by.stream.write(told(0, [1]))
        yield* by.stream.write(Uint8Array.of(0, 0, 0, 4, 99, 1, 2, 3))
        // In one piece: what is wrong takes nothing with it that came before.
        yield* by.stream.write(Uint8Array.of(...value(1, "1"), ...wrong))
        assert.strictEqual(codeOf(yield* Effect.exit(by.stream.failed)), "cancelled", wrong.join())
        yield* Effect.sleep("1 second")
        assert.strictEqual(heard.length, i + 1)
      }
    })))

  it.effect("is refused what it may not publish, or by another contract, and what it says of it is dropped", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, peer } = yield* two
      const some = yield* collect(bob.node.subscribe("news", { allow: Allow.names("carol") }))
      const typed = yield* collect(bob.node.subscribe(Readings))
      const by = yield* publisher(alice.node, peer)
      const before = yield* losses("refused")
      yield* by.stream.write(told(0, [1]))
      yield* by.stream.write(value(1, "1"))
      yield* by.stream.write(told(0, [2], { index: 8, topic: "readings", contract: "f".repeat(16) }))
      yield* by.stream.write(told(0, [99], { index: 9 }))
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual([some, typed], [[], []])
      assert.deepStrictEqual(by.heard.map((record) => record.kind === "refused" ? [record.index, record.reason] : []), [
        [7, "it may not publish that"],
        [8, "its contract is another"]
      ])
      assert.strictEqual((yield* losses("refused")) - before, 2)
    })))

  it.effect("hands to one of a group, and is answered when that is done, or not wanted", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, peer } = yield* two
      const scope = yield* Scope.make()
      const got = yield* Scope.provide(
        collect(bob.node.subscribe("news", { group: "readers", size: 2, acknowledge: "manual" })),
        scope
      )
      const all = yield* collect(bob.node.subscribe("news"))
      const by = yield* publisher(alice.node, peer)
      yield* by.stream.write(told(0, [1, 2]))
      const deliver = (delivery: number, group = "readers") =>
        by.stream.write(Records.deliver({
          index: 7,
          seq: delivery,
          at: 1,
          key: "k",
          body: utf8("1"),
          delivery,
          group,
          again: delivery === 1
        }))
      const skipped = (delivery: number) => by.stream.write(Records.skipped({ index: 7, delivery, count: 4 }))
      yield* deliver(1)
      yield* skipped(2)
      yield* deliver(2)
      // Of another than the next.
      yield* skipped(9)
      // As many as it takes.
      yield* deliver(3)
      yield* deliver(4, "others")
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(got.map(({ key, missed, redelivered, seq }) => [seq, key, redelivered, missed]), [
        [1, "k", true, 0],
        [2, "k", false, 4]
      ])
      assert.deepStrictEqual(all, [])
      yield* got[0]!.acknowledge
      yield* got[0]!.acknowledge
      yield* deliver(5)
      yield* Effect.sleep("1 second")
      // What was not answered is given back when the subscription ends.
      yield* Scope.close(scope, Exit.void)
      yield* got[1]!.acknowledge
      yield* Effect.sleep("1 second")
      const answers = by.heard.map((record) => "delivery" in record ? `${record.kind} ${record.delivery}` : record.kind)
      assert.deepStrictEqual(answers.slice(0, 3), ["back 3", "back 4", "done 1"])
      assert.deepStrictEqual(answers.slice(3).sort(), ["back 2", "back 5"])
    })))
})

describe("a peer that subscribes", () => {
  it.effect("is told what it gets, of what was published before and since", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two
      const { heard } = yield* subscriber(alice.node)
      void bob
      yield* collect(alice.node.subscribe(Readings, { size: 3 }))
      yield* bob.node.publish(Readings, { sensor: "a", value: 1 })
      yield* bob.node.publish(Readings, { sensor: "a", value: 2 })
      yield* Effect.sleep("1 second")
      yield* bob.node.publish(Readings, { sensor: "b", value: 3 })
      yield* bob.node.retract(Readings, "a")
      yield* Effect.sleep("1 second")
      const kinds = heard.map((record) =>
        record.kind === "value"
          ? `${record.retained ? "retained" : "value"} ${record.seq} ${record.key} ${text(record.body)}`
          : record.kind === "topic"
          ? `topic ${record.topic} ${record.seq} ${record.for.join()} ${record.retained}`
          : record.kind
      )
      assert.deepStrictEqual(kinds.slice(-4), [
        `retained 2 a {"sensor":"a","value":2}`,
        "current",
        `value 3 b {"sensor":"b","value":3}`,
        "removed"
      ])
      assert.match(kinds[0]!, /^topic readings \d \d+ (true|false)$/)
    })))

  it.effect("is handed anew, as somebody had it, what it was handed on a stream that broke", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two
      const { heard, streams } = yield* subscriber(alice.node)
      yield* collect(alice.node.subscribe("news", { group: "readers" }))
      yield* Effect.sleep("2 seconds")
      yield* bob.node.publish("news", 1)
      yield* Effect.sleep("1 second")
      yield* streams[0]!.reset("cancelled", "")
      yield* Effect.sleep("5 seconds")
      assert.deepStrictEqual(
        heard.flatMap((record) => record.kind === "deliver" ? [[record.seq, record.again]] : []),
        [[1, false], [1, true]]
      )
    })))
})
