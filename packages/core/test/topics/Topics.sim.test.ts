/** Topics between nodes: who gets what, in which order, and what is known of what was missed. */
import { assert, describe, it } from "@effect/vitest"
import { Rights, TofuTrust, Topic, Trust } from "@pnet/core"
import { failureOf, quietly, seeded } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { Deferred, Effect, Fiber, Layer, Logger, Schema, Stream } from "effect"
import { collect, losses, Reading, Readings, start, two } from "./topicWorld.ts"

describe("a topic", () => {
  it.effect("gives what is published to whoever subscribes, in order, and to nobody else", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice")
      const bob = yield* start(network, "bob")
      const carol = yield* start(network, "carol")
      yield* alice.node.awaitPeers(["bob", "carol"])
      const heard = yield* collect(bob.node.subscribe(Readings))
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 10; i++) yield* alice.node.publish(Readings, { sensor: "a", value: i })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ value }) => value.value), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      assert.deepStrictEqual(heard.map(({ missed, seq }) => [missed, seq]), heard.map((_, i) => [0, i + 1]))
      assert.strictEqual(heard[0]!.from.name, "alice")
      assert.strictEqual(heard[0]!.key, "a")
      assert.strictEqual((yield* carol.node.sessions.all).length, 1)
    })))

  it.effect("tells who comes later the last value of each key, and then what comes", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      yield* alice.node.publish(Readings, { sensor: "a", value: 1 })
      yield* alice.node.publish(Readings, { sensor: "b", value: 2 })
      yield* alice.node.publish(Readings, { sensor: "a", value: 3 })
      const heard = yield* collect(bob.node.subscribe(Readings))
      const table = yield* bob.node.table(Readings)
      yield* Effect.sleep("1 second")
      yield* alice.node.publish(Readings, { sensor: "c", value: 4 })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ retained, value }) => [value.sensor, value.value, retained]).sort(), [
        ["a", 3, true],
        ["b", 2, true],
        ["c", 4, false]
      ])
      assert.deepStrictEqual(table.value.rows.map(({ key, value }) => [key, value.value]).sort(), [
        ["a", 3],
        ["b", 2],
        ["c", 4]
      ])
      yield* alice.node.retract(Readings, "b")
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(table.value.rows.map(({ key }) => key).sort(), ["a", "c"])
      yield* alice.process.kill
      yield* Effect.sleep("15 seconds")
      assert.deepStrictEqual(table.value.rows, [])
    })))

  it.effect("is heard by subscriptions of its own node, too", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice")
      yield* alice.node.publish(Readings, { sensor: "a", value: 1 })
      const heard = yield* collect(alice.node.subscribe(Readings))
      const table = yield* alice.node.table(Readings)
      yield* alice.node.publish(Readings, { sensor: "a", value: 2 })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ from, retained, value }) => [from.name, value.value, retained]), [
        ["alice", 1, true],
        ["alice", 2, false]
      ])
      assert.deepStrictEqual(table.value.rows.map(({ value }) => value.value), [2])
      yield* alice.node.retract(Readings, "a")
      assert.deepStrictEqual(table.value.rows, [])
    })))

  it.effect("of a plain name is JSON, and a pattern means several", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const failed = yield* collect(bob.node.subscribe("build.*.failed"))
      const all = yield* collect(bob.node.subscribe("build.>"))
      const bytes = yield* collect(bob.node.streams.subscribe("build.1.failed"))
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("build.1.failed", { why: "tests" })
      yield* alice.node.publish("build.2.passed", [1, null])
      yield* alice.node.publish("other", 1)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(failed.map(({ topic, value }) => [topic, value]), [["build.1.failed", { why: "tests" }]])
      assert.deepStrictEqual(all.map(({ topic, value }) => [topic, value]), [
        ["build.1.failed", { why: "tests" }],
        ["build.2.passed", [1, null]]
      ])
      assert.deepStrictEqual(bytes.map(({ value }) => new TextDecoder().decode(value)), [`{"why":"tests"}`])
    })))

  it.effect("keeps the newest of each key for one that is slow, and says what it missed", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const before = yield* losses("missed")
      const slowly = <A, E>(stream: Stream.Stream<A, E>) => stream.pipe(Stream.tap(() => Effect.sleep("1 second")))
      const latest = yield* collect(slowly(bob.node.subscribe(Readings, { mode: "latest" })))
      const few = yield* collect(slowly(bob.node.subscribe(Readings, { size: 2 })))
      const first = yield* collect(slowly(bob.node.subscribe(Readings, { size: 2, drop: "newest" })))
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 100; i++) {
        yield* alice.node.publish(Readings, { sensor: i % 2 === 0 ? "a" : "b", value: i })
        yield* Effect.sleep("10 millis")
      }
      yield* Effect.sleep("100 seconds")
      yield* alice.node.publish(Readings, { sensor: "c", value: 100 })
      yield* Effect.sleep("10 seconds")
      const sum = (all: ReadonlyArray<{ readonly missed: number }>) => all.reduce((sum, { missed }) => sum + missed, 0)
      for (const all of [latest, few, first]) assert.strictEqual(all.length + sum(all), 101)
      assert.strictEqual((yield* losses("missed")) - before, sum(latest) + sum(few) + sum(first))
      // By the keys' places in the queue.
      assert.deepStrictEqual(latest.slice(-3, -1).map(({ value }) => value.value).sort(), [98, 99])
      assert.deepStrictEqual(few.slice(-3).map(({ value }) => value.value), [98, 99, 100])
    })))

  it.effect("waits for those that are to lose nothing, where it is asked to, and for nobody else", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice")
      const bob = yield* start(network, "bob")
      const carol = yield* start(network, "carol")
      yield* alice.node.awaitPeers(["bob", "carol"])
      const slow = yield* collect(
        bob.node.subscribe(Readings, { mode: "lossless", size: 4 }).pipe(Stream.tap(() => Effect.sleep("100 millis")))
      )
      const quick = yield* collect(carol.node.subscribe(Readings))
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 50; i++) {
        yield* alice.node.publish(Readings, { sensor: "a", value: i }, { wait: { for: "bob", within: "1 second" } })
      }
      yield* Effect.sleep("10 seconds")
      assert.deepStrictEqual(slow.map(({ value }) => value.value), Array.from({ length: 50 }, (_, i) => i))
      assert.deepStrictEqual(quick.map(({ value }) => value.value), Array.from({ length: 50 }, (_, i) => i))
      yield* bob.process.pause
      const sent = yield* Effect.exit(Effect.forEach(
        Array.from({ length: 10 }, (_, i) => i),
        (i) => alice.node.publish(Readings, { sensor: "b", value: i }, { wait: { for: ["bob"], within: "1 second" } })
      ))
      assert.include(String(sent), "TopicFullError")
      for (let i = 0; i < 5; i++) yield* alice.node.publish(Readings, { sensor: "c", value: i })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(quick.slice(50).map(({ value }) => value.sensor).join(""), "bbbbccccc")
      yield* bob.process.resume
      yield* Effect.sleep("10 seconds")
      // The last value of what it missed comes, as it is retained.
      assert.deepStrictEqual(
        slow.slice(50).map(({ missed, retained, value }) => [value.sensor, retained, missed]),
        [["b", false, 0], ["b", false, 0], ["b", false, 0], ["b", false, 0], ["c", true, 5]]
      )
      yield* alice.node.publish(Readings, { sensor: "d", value: 1 })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(slow.slice(55).map(({ missed, value }) => [value.sensor, missed]), [["d", 0]])
    })))

  it.effect("is published to those that are named to be waited for, or to nobody, and the error says who is not there, and why", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const some = Layer.effect(
        Trust.Trust,
        Effect.map(Trust.Trust, (trust) =>
          Trust.Trust.of({
            ...trust,
            rights: (name) => Effect.succeed(name === "carol" ? Rights.none : Rights.all)
          }))
      ).pipe(Layer.provide(TofuTrust.layer()), Layer.provide(Logger.layer([])))
      const alice = yield* start(network, "alice", {}, { trust: some })
      const bob = yield* start(network, "bob")
      const carol = yield* start(network, "carol")
      const dave = yield* start(network, "dave")
      yield* alice.node.awaitPeers(["bob", "carol", "dave"])
      const whole = yield* collect(bob.node.subscribe(Readings))
      yield* collect(carol.node.subscribe(Readings))
      yield* collect(carol.node.subscribe(Readings, { group: "hidden" }))
      yield* collect(dave.node.subscribe(Readings, { group: "drawn" }))
      yield* collect(dave.node.subscribe(Topic.make("others", { payload: Schema.Int })))
      yield* Effect.sleep("1 second")
      const say = (wait: Omit<Topic.Wait, "within">, topic: typeof Readings = Readings) =>
        alice.node.publish(topic, { sensor: "a", value: 1 }, { wait: { ...wait, within: "1 second" } })
      const whyNot = (wait: Omit<Topic.Wait, "within">, topic?: typeof Readings) =>
        Effect.map(failureOf(say(wait, topic)), (error) => {
          assert.deepInclude(error, { _tag: "TopicFullError", waitedFor: [] })
          return (error as Topic.TopicFullError).absent.map(({ name, what, why }) => `${what} ${name} ${why}`)
        })
      assert.deepStrictEqual(yield* whyNot({ for: ["bob", "bop", "carol", "dave", "alice"] }), [
        "peer bop Unknown",
        "peer carol NotGranted",
        "peer dave InGroup",
        "peer alice NotSubscribed"
      ])
      assert.deepStrictEqual(yield* whyNot({ for: "bob", groups: ["drawn", "hidden", "none"] }), [
        "group hidden NotGranted",
        "group none NotSubscribed"
      ])
      const Others = Topic.make("others", { payload: Reading })
      assert.deepStrictEqual(yield* whyNot({ for: "dave" }, Others), ["peer dave OtherContract"])
      const error = yield* failureOf(say({ for: ["bop", "carol"], groups: "none" }))
      assert.strictEqual(
        error.message.split("; see ")[0],
        `nothing was published on "readings": "bop" is no peer that is known, "carol" subscribes to it, which this node does not grant, ` +
          `the group "none" does not subscribe to it; name those who subscribe, or "*" for all of them, or wait longer`
      )
      assert.deepStrictEqual(whole, [])
      yield* say({ for: "bob", groups: "drawn" })
      // All that there are may be nobody.
      yield* alice.node.publish("news", 1, { wait: { for: "*", within: "1 second" } })
      yield* Effect.sleep("1 second")
      assert.strictEqual(whole.length, 1)
    })))

  it.effect("waits for one that is named until it subscribes, as for room, and so of this node itself", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const wait = { for: ["alice", "bob"], groups: "drawn", within: "5 minutes" } as const
      const said = yield* Effect.forkScoped(alice.node.publish(Readings, { sensor: "a", value: 1 }, { wait }))
      yield* Effect.sleep("2 minutes")
      const own = yield* collect(alice.node.subscribe(Readings, { retained: false }))
      yield* Effect.sleep("2 minutes")
      const group = yield* collect(alice.node.subscribe(Readings, { group: "drawn" }))
      yield* Effect.sleep("1 second")
      assert.strictEqual(said.pollUnsafe(), undefined)
      const heard = yield* collect(bob.node.subscribe(Readings, { retained: false }))
      yield* Effect.sleep("2 seconds")
      assert.isDefined(said.pollUnsafe())
      yield* Fiber.join(said)
      for (const all of [own, group, heard]) assert.deepStrictEqual(all.map(({ value }) => value.value), [1])
      const saidHere = yield* Effect.forkScoped(
        alice.node.publish("news", 1, { wait: { for: "alice", within: "5 minutes" } })
      )
      yield* Effect.sleep("1 second")
      const news = yield* collect(alice.node.subscribe("news"))
      yield* Effect.sleep("1 second")
      assert.isDefined(saidHere.pollUnsafe())
      yield* Fiber.join(saidHere)
      assert.strictEqual(news.length, 1)
    })))

  it.effect("comes to a subscription that keeps up, whatever another one of its node that is to lose nothing has not taken", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const buffered = yield* collect(bob.node.subscribe("news"))
      const latest = yield* collect(bob.node.subscribe("news", { mode: "latest" }))
      const gate = yield* Deferred.make<void>()
      const kept = yield* collect(
        bob.node.subscribe("news", { mode: "lossless", size: 8 }).pipe(
          Stream.mapEffect((publication) => Effect.as(Deferred.await(gate), publication))
        )
      )
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 100; i++) {
        yield* alice.node.publish("news", i, { key: `${i % 3}` })
        yield* Effect.sleep("10 millis")
      }
      yield* Effect.sleep("1 second")
      const all = Array.from(Array(100).keys())
      assert.deepStrictEqual(buffered.map(({ value }) => value), all)
      assert.deepStrictEqual(latest.map(({ value }) => value), all)
      assert.deepStrictEqual(kept, [])
      const waits = { for: "bob", within: "5 seconds" } as const
      assert.deepInclude(yield* failureOf(alice.node.publish("news", 100, { wait: waits })), { _tag: "TopicFullError" })
      yield* Deferred.succeed(gate, undefined)
      for (let i = 100; i < 200; i++) yield* alice.node.publish("news", i, { wait: waits })
      yield* Effect.sleep("1 second")
      // What was published without waiting for it is what it missed.
      assert.strictEqual(kept.reduce((sum, { missed }) => sum + missed + 1, 0), 200)
      assert.deepStrictEqual(kept.slice(-100).map(({ value }) => value), Array.from(Array(100).keys(), (i) => i + 100))
      assert.strictEqual(buffered.length, 200)
    })))

  it.effect("tells who was away how much was missed", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, network } = yield* two()
      const events = yield* collect(bob.node.watch("news"))
      const heard = yield* collect(bob.node.subscribe("news"))
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("news", 1)
      yield* Effect.sleep("1 second")
      yield* network.partition(alice.host, bob.host)
      for (let i = 0; i < 7; i++) {
        yield* alice.node.publish("news", i)
        yield* Effect.sleep("5 seconds")
      }
      yield* network.heal()
      yield* Effect.sleep("10 seconds")
      yield* alice.node.publish("news", "back")
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ missed, value }) => [value, missed]), [[1, 0], ["back", 7]])
      assert.deepStrictEqual(events.map((event) => event._tag === "Missed" ? event.count : event._tag), [
        "Published",
        "Gone",
        7,
        "Published"
      ])
    })))

  it.effect("waits for one that is silent as for one that is not, until it is known to be gone", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, network } = yield* two()
      const heard = yield* collect(bob.node.subscribe("news", { mode: "lossless" }))
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("news", 0)
      yield* Effect.sleep("1 second")
      yield* network.partition(alice.host, bob.host)
      while (alice.node.peers.presence.value[0]?.status === "Online") yield* Effect.sleep("50 millis")
      for (let i = 1; i <= 9; i++) yield* alice.node.publish("news", i)
      yield* network.heal()
      yield* Effect.sleep("10 seconds")
      assert.deepStrictEqual(heard.map(({ missed, value }) => [value, missed]), heard.map((_, i) => [i, 0]))
      assert.strictEqual(heard.length, 10)
    })))

  it.effect("loses nothing of several publishers for one that is to lose nothing, whatever it has room for", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice", { limits: { topicMemory: 32_768 } })
      const bob = yield* start(network, "bob")
      const carol = yield* start(network, "carol")
      yield* alice.node.awaitPeers(["bob", "carol"])
      yield* carol.node.awaitPeers(["bob"])
      const heard = yield* collect(
        bob.node.subscribe("news", { mode: "lossless", size: 4 }).pipe(Stream.tap(() => Effect.sleep("100 millis")))
      )
      yield* Effect.sleep("1 second")
      const text = "x".repeat(600)
      for (const { node } of [alice, carol]) {
        yield* Effect.forkScoped(Effect.forEach(
          Array.from({ length: 10 }),
          () => node.publish("news", text, { wait: { for: "bob", within: "10 seconds" } })
        ))
      }
      yield* Effect.sleep("10 seconds")
      assert.deepStrictEqual([heard.length, heard.filter(({ missed }) => missed > 0)], [20, []])
    })))

  it.effect("tells who watches of all that was missed, whatever comes next", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const events = yield* collect(
        bob.node.watch(Readings, { size: 1, drop: "newest" }).pipe(Stream.tap(() => Effect.sleep("1 second")))
      )
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 5; i++) yield* alice.node.publish(Readings, { sensor: "a", value: i })
      yield* Effect.sleep("3 seconds")
      yield* alice.node.retract(Readings, "a")
      yield* Effect.sleep("10 seconds")
      let sum = 0
      for (const event of events) sum += event._tag === "Missed" ? event.count : 1
      assert.strictEqual(sum, 6)
    })))

  it.effect("is told anew to a node that is started again before it subscribes", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice")
      const crypto = yield* seeded()
      const options = { identity: crypto.generateKeyPair() }
      const before = yield* start(network, "bob", options)
      yield* alice.node.awaitPeers(["bob"])
      yield* collect(before.node.subscribe("news"))
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("news", 1)
      yield* Effect.sleep("1 second")
      yield* before.process.kill
      const bob = yield* start(network, "bob", options, { host: before.host })
      yield* bob.node.awaitPeers(["alice"])
      yield* Effect.sleep("1 second")
      const heard = yield* collect(bob.node.subscribe("news"))
      yield* Effect.sleep("2 seconds")
      yield* alice.node.publish("news", 2)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ value }) => value), [2])
    })))

  it.effect("is given to one of a group, and to another where that one is gone", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice")
      const bob = yield* start(network, "bob")
      const carol = yield* start(network, "carol")
      yield* alice.node.awaitPeers(["bob", "carol"])
      const work = <A, E>(stream: Stream.Stream<A, E>) => stream.pipe(Stream.tap(() => Effect.sleep("20 millis")))
      const one = yield* collect(work(bob.node.subscribe("mail", { group: "mailers" })))
      const other = yield* collect(work(carol.node.subscribe("mail", { group: "mailers" })))
      const all = yield* collect(carol.node.subscribe("mail"))
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 100; i++) {
        yield* alice.node.publish("mail", i)
        yield* Effect.sleep("10 millis")
        if (i === 50) yield* bob.process.kill
      }
      yield* Effect.sleep("30 seconds")
      assert.strictEqual(all.length, 100)
      assert.isAbove(one.length, 15)
      assert.isAbove(other.length, 60)
      assert.deepStrictEqual(
        [...new Set([...one, ...other].map(({ value }) => value as number))].sort((a, b) => a - b),
        Array.from({ length: 100 }, (_, i) => i)
      )
    })))

  it.effect("has come to everybody it is for when it was flushed, so that its publisher may end", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make({ link: { latency: "50 millis" } })
      const alice = yield* start(network, "alice")
      const bob = yield* start(network, "bob")
      yield* alice.node.awaitPeers(["bob"])
      const slow = <A, E>(stream: Stream.Stream<A, E>) => stream.pipe(Stream.tap(() => Effect.sleep("100 millis")))
      const heard = yield* collect(bob.node.subscribe("news", { size: 1_000 }))
      const taken = yield* collect(slow(bob.node.subscribe("orders", { mode: "lossless" })))
      const worked = yield* collect(slow(bob.node.subscribe("mail", { group: "mailers" })))
      assert.strictEqual(yield* alice.node.flush(), 0)
      yield* alice.node.awaitPeers({ subscribes: ["news", "orders", "mail"] })
      for (let i = 0; i < 600; i++) yield* alice.node.publish("news", "x".repeat(1_000))
      for (let i = 0; i < 20; i++) yield* Effect.andThen(alice.node.publish("orders", i), alice.node.publish("mail", i))
      // Two seconds are what bob works at it.
      assert.strictEqual(yield* alice.node.flush({ within: "1 second" }), 2)
      assert.strictEqual(yield* alice.node.flush(), 0)
      // One who is to lose nothing is waited for until it has taken it.
      for (let i = 20; i < 23; i++) yield* alice.node.publish("orders", i)
      assert.strictEqual(yield* alice.node.flush({ within: "200 millis" }), 1)
      assert.strictEqual(yield* alice.node.flush(), 0)
      yield* alice.process.stop
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual([heard.length, taken.length, worked.length], [600, 23, 20])
      assert.isTrue([...heard, ...taken, ...worked].every(({ missed }) => missed === 0))
    })))

  it.effect("goes on behind what was flushed, and what is retained stays", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const heard = yield* collect(bob.node.subscribe(Readings))
      yield* alice.node.awaitPeers({ subscribes: "readings" })
      for (let i = 0; i < 3; i++) {
        yield* alice.node.publish(Readings, { sensor: "a", value: i })
        assert.strictEqual(yield* alice.node.flush(), 0)
        assert.strictEqual(heard.length, i + 1)
        yield* Effect.sleep("20 seconds")
      }
      assert.deepStrictEqual(heard.map(({ missed, retained, value }) => [value.value, missed, retained]), [
        [0, 0, false],
        [1, 0, false],
        [2, 0, false]
      ])
    })))
})
