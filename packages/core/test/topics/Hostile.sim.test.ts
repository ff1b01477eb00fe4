/** What a peer does that is to harm who publishes, or who subscribes: it says by hand what no node would. */
import { assert, describe, it } from "@effect/vitest"
import type { CommandNode, Offer, Peers } from "@pnet/core"
import { quietly } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { Cause, Effect, Exit, Scope } from "effect"
import { Feed } from "../../src/internal/topics/feed.ts"
import type { Hearing } from "../../src/internal/topics/hearing.ts"
import type { Listener } from "../../src/internal/topics/listener.ts"
import { openedOf } from "../../src/internal/topics/opened.ts"
import * as Records from "../../src/internal/topics/records.ts"
import type { Topic } from "../../src/internal/topics/route.ts"
import type { Heard } from "../../src/internal/topics/said.ts"
import { Source } from "../../src/internal/topics/source.ts"
import { Subscription } from "../../src/internal/topics/subscription.ts"
import { collect, lastId, Readings, start, type Started } from "./topicWorld.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)
const epoch = "0123456789abcdef"
const hearing = ({ node }: Started): Hearing => openedOf.get(node.streams)!.topics!.hearing

/** Behind which the numbers of bob's subscriptions begin. */
let before = 0
const told = (index: number, topic: string, ids: ReadonlyArray<number>, more: Partial<Records.TopicRecord> = {}) =>
  Records.topic({
    index,
    topic,
    contract: undefined,
    epoch,
    seq: 0,
    for: ids.map((id) => before + id),
    retained: false,
    ...more
  })
const value = (index: number, seq: number, body: string, key?: string) =>
  Records.value({ index, seq, at: 1, key, body: utf8(body) })

const two = (options: Parameters<typeof start>[2] = {}) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make()
    const alice = yield* start(network, "alice")
    const bob = yield* start(network, "bob", options)
    yield* alice.node.awaitPeers(["bob"])
    const peer = (yield* alice.node.peers.get("bob"))!
    before = yield* lastId(bob)
    return { network, alice, bob, peer }
  })

/** A stream of topics that is written by hand, and not read. */
const publisher = (node: CommandNode.CommandNode["Service"], peer: Peers.Peer) =>
  node.sessions.open(peer, { protocol: "topic", name: "" })

const codeOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit)
    ? exit.cause.reasons.filter(Cause.isFailReason).map(({ error }) => (error as { code?: string }).code).join()
    : "none"

describe("a hostile publisher", () => {
  it.effect("has no more topics known than limits.topics, by whatever numbers and on however many streams it tells of them", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, peer } = yield* two({ limits: { topics: 8 } })
      yield* collect(bob.node.subscribe(">"))
      yield* Effect.sleep("1 second")
      let n = 0
      const by = yield* publisher(alice.node, peer)
      for (let i = 0; i < 50; i++) yield* by.write(told(7, `one.${n++}`, [1]))
      yield* Effect.sleep("1 second")
      assert.isAtMost(hearing(bob).topics, 8)
      for (let stream = 0; stream < 6; stream++) {
        const by = yield* publisher(alice.node, peer)
        for (let i = 0; i < 8; i++) yield* by.write(told(i, `many.${n++}`, [1]))
        yield* Effect.sleep("1 second")
        assert.isAtMost(hearing(bob).topics, 8)
      }
    })))

  it.effect("has no rows left by a second number of a topic when it is gone", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, peer } = yield* two()
      const table = yield* bob.node.table(Readings)
      yield* Effect.sleep("1 second")
      const contract = hearing(bob).interests[Symbol.iterator]().next().value!.contract
      const by = yield* publisher(alice.node, peer)
      const say = (index: number) => told(index, "readings", [1], { contract, retained: true })
      yield* by.write(say(1))
      yield* by.write(say(2))
      yield* by.write(Records.forget(1))
      yield* by.write(value(2, 1, `{"sensor":"a","value":1}`, "a"))
      yield* by.write(Records.forget(1))
      yield* by.write(value(1, 2, `{"sensor":"b","value":1}`, "b"))
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(table.value.rows.map(({ key }) => key), ["a"])
      yield* by.write(say(1))
      yield* by.write(say(2))
      yield* by.write(Records.forget(2))
      yield* by.write(value(1, 3, `{"sensor":"c","value":1}`, "c"))
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(table.value.rows, [])
      yield* alice.process.kill
      yield* Effect.sleep("1 minute")
      assert.deepStrictEqual(table.value.rows, [])
    })))

  it.effect("that does not read what it is answered loses its stream, before the answers are many", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, peer } = yield* two()
      yield* collect(bob.node.subscribe("news"))
      yield* Effect.sleep("1 second")
      const by = yield* publisher(alice.node, peer)
      const one = Records.deliver({
        index: 9,
        seq: 1,
        at: 1,
        key: undefined,
        body: utf8(""),
        delivery: 1,
        group: "g",
        again: false
      })
      const many = new Uint8Array(one.length * 2_000)
      for (let i = 0; i < 2_000; i++) many.set(one, i * one.length)
      const writing = Effect.gen(function*() {
        for (let i = 0; i < 90; i++) yield* by.write(many)
        yield* Effect.sleep("5 seconds")
      })
      const exit = yield* Effect.exit(Effect.raceFirst(writing, by.failed))
      assert.strictEqual(codeOf(exit), "cancelled")
    })))
})

describe("a publisher whose stream has ended", () => {
  it.effect("is taken at its word for thirty seconds, as long as it is there, and for good where it tells it again", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, peer } = yield* two()
      const table = yield* bob.node.table(Readings)
      yield* Effect.sleep("1 second")
      const contract = hearing(bob).interests[Symbol.iterator]().next().value!.contract
      const tell = Effect.gen(function*() {
        const by = yield* publisher(alice.node, peer)
        yield* by.write(told(1, "readings", [1], { contract, retained: true }))
        yield* by.write(Records.retainedParts(value(1, 1, `{"sensor":"a","value":1}`, "a"))[0])
        yield* by.write(Records.retainedParts(value(1, 1, `{"sensor":"a","value":1}`, "a"))[1])
        yield* by.write(Records.current(1))
        return by
      })
      const rows = Effect.map(Effect.sleep("20 seconds"), () => table.value.size)
      yield* (yield* tell).end
      assert.strictEqual(yield* rows, 1)
      const by = yield* tell
      assert.strictEqual(yield* rows, 1)
      assert.strictEqual(yield* rows, 1)
      yield* by.end
      assert.strictEqual(yield* rows, 1)
      assert.strictEqual(yield* rows, 0)
    })))
})

describe("a hostile subscriber", () => {
  it.effect("that changes what it subscribes to, and does not read, has no more told to it than there is to be told", () =>
    Effect.gen(function*() {
      const written: Array<Uint8Array> = []
      let buffered = 0
      let writable = () => {}
      const stream = {
        easeUnsafe: () => {},
        get bufferedUnsafe() {
          return buffered
        },
        writeUnsafe: (bytes: Uint8Array) => void written.push(bytes),
        onWritableUnsafe: (listener: () => void) => {
          writable = listener
        },
        pull: Effect.never
      }
      const feed = new Feed({} as Peers.Peer, {
        open: (() => Effect.succeed(stream)) as never,
        has: () => true,
        take: () => true,
        give: () => {},
        roomMade: () => {},
        refused: () => {}
      })
      yield* Effect.forkScoped(feed.run, { startImmediately: true })
      const topicOf = (index: number) =>
        ({
          index,
          name: `t.${index}`,
          contract: undefined,
          origin: { epoch },
          seq: 0,
          retained: undefined,
          routes: new Set()
        }) as unknown as Topic
      const interest = { id: 1, topic: ">", mode: "buffer", size: 1, drop: "oldest", retained: true } as Offer.Interest
      const topics = Array.from({ length: 8 }, (_, i) => topicOf(i))
      for (const topic of topics) feed.route(topic, [interest])
      yield* Effect.yieldNow
      buffered = Infinity
      for (let round = 0; round < 1_000; round++) {
        feed.forgetDenials()
        for (let id = 1; id < 64; id++) feed.deny(`d.${id}`, id, "not_allowed")
        for (const topic of topics) feed.route(topic, [])
        const other = topicOf(100 + round)
        feed.route(other, [interest])
        feed.route(other, [])
        for (const topic of topics) feed.route(topic, [{ ...interest, id: round + 2 }])
      }
      written.length = 0
      buffered = 0
      writable()
      assert.isAtMost(written.length, 63 + 2 * 8)
      feed.close()
    }))
})

describe("members of groups", () => {
  it.effect("that join one group after another, and leave what they were to handle, do not keep anybody from publishing", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice", { limits: { topicDeliveries: 4 } })
      const bob = yield* start(network, "bob")
      yield* alice.node.awaitPeers(["bob"])
      const heard = yield* collect(bob.node.subscribe("news"))
      const scope = yield* Scope.make()
      for (let i = 0; i < 60; i++) {
        yield* Scope.provide(collect(bob.node.subscribe("news", { group: `a.${i}`, acknowledge: "manual" })), scope)
      }
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 4; i++) yield* alice.node.publish("news", i)
      yield* Effect.sleep("1 second")
      yield* Scope.close(scope, Exit.void)
      for (let i = 0; i < 60; i++) yield* collect(bob.node.subscribe("news", { group: `b.${i}` }))
      yield* Effect.sleep("1 second")
      // As many as there may be of one peer, of which the oldest gave way.
      assert.strictEqual(openedOf.get(alice.node.streams)!.topics!.publishing.groups, 64)
      for (let i = 4; i < 20; i++) {
        yield* alice.node.publish("news", i)
        yield* Effect.sleep("100 millis")
      }
      assert.strictEqual(heard.length, 20)
      yield* Effect.sleep("2 minutes")
      assert.strictEqual(openedOf.get(alice.node.streams)!.topics!.publishing.groups, 60)
    })))
})

describe("a subscription", () => {
  const subscription = (size: number) =>
    new Subscription({
      interest: { id: 1, topic: ">", mode: "lossless", size, drop: "oldest", retained: true },
      allow: undefined,
      events: false,
      has: () => true,
      take: () => true,
      give: () => {},
      onMissed: () => {}
    })
  const from = { name: "mallory", publicKey: "k" } as unknown as Source["from"]
  const heardOf = (origin: Source, seq: number): Heard => ({
    origin,
    seq,
    at: 1,
    key: undefined,
    body: utf8("1"),
    retained: false,
    again: false,
    answer: undefined
  })

  it("that loses none waits for none of what there was no room for, however much more is published than it takes", () => {
    const listener = subscription(4)
    const source = new Source(from, "news", undefined, epoch)
    source.tell(0, [listener])
    const taken: Array<number> = []
    source.onTaken = (seq) => taken.push(seq)
    const fresh = new Set<Listener>()
    for (let seq = 1; seq <= 10_000; seq++) source.hear(heardOf(source, seq), fresh)
    assert.strictEqual(source.waiting, 4)
    for (let i = 0; i < 4; i++) listener.read()
    assert.strictEqual(source.waiting, 0)
    assert.strictEqual(taken.at(-1), 10_000)
  })

  it("remembers of so many epochs what it missed, and of no more", () => {
    const listener = subscription(4)
    for (let i = 0; i < 20_000; i++) listener.miss(new Source(from, "news", undefined, epoch), 1)
    assert.isAtMost(listener.missing, 8_192)
  })
})
