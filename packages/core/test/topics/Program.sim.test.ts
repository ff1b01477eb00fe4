/** Topics as a program has them: sinks, times to live, what is not published, and what ends. */
import { assert, describe, it } from "@effect/vitest"
import { Topic } from "@pnet/core"
import { failureOf, quietly } from "@pnet/lab/worlds/sessionWorld"
import { Deferred, Effect, Schema, Scope, Stream } from "effect"
import { openedOf } from "../../src/internal/topics/opened.ts"
import { collect, Readings, two } from "./topicWorld.ts"

describe("a program", () => {
  it.effect("publishes what goes into a sink, which fails as publishing does", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const heard = yield* collect(bob.node.subscribe(Readings))
      yield* Effect.sleep("1 second")
      const values = Array.from({ length: 5 }, (_, value) => ({ sensor: "a", value }))
      yield* Stream.run(Stream.fromIterable(values), alice.node.publisher(Readings))
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ value }) => value), values)
      const wrong = Stream.make({ sensor: "a", value: "b" } as never)
      const error = yield* failureOf(Stream.run(wrong, alice.node.publisher(Readings)))
      assert.strictEqual(error._tag, "InvalidPublicationError")
      assert.include(error.message, "value")
    })))

  it.effect("has values go whose time is up, here, in tables, and for who comes later", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const Short = Topic.make("short", {
        payload: Schema.String,
        key: (text) => text[0]!,
        retain: { timeToLive: "10 seconds" }
      })
      const events = yield* collect(bob.node.watch(Short))
      const table = yield* bob.node.table(Short)
      yield* Effect.sleep("1 second")
      yield* alice.node.publish(Short, "a1")
      yield* Effect.sleep("6 seconds")
      yield* alice.node.publish(Short, "b1")
      yield* alice.node.publish(Short, "a2")
      yield* Effect.sleep("6 seconds")
      assert.deepStrictEqual(table.value.rows.map(({ value }) => value).sort(), ["a2", "b1"])
      yield* Effect.sleep("5 seconds")
      assert.deepStrictEqual(table.value.rows, [])
      const late = yield* collect(bob.node.subscribe(Short))
      yield* Effect.sleep("2 seconds")
      assert.deepStrictEqual(late, [])
      assert.deepStrictEqual(
        events.map((event) => event._tag === "Published" ? event.publication.value : event._tag),
        ["a1", "b1", "a2", "Removed", "Removed"]
      )
    })))

  it.effect("asks peers what they subscribe to for a minute after it has published, and for as long as something is retained or is to come", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const { publishing } = openedOf.get(alice.node.streams)!.topics!
      const awake = Effect.map(Effect.sleep("70 seconds"), () => publishing.isAwake)
      const heard = yield* collect(bob.node.subscribe(">"))
      yield* alice.node.publish("news", 1)
      assert.isTrue(publishing.isAwake)
      assert.isFalse(yield* awake)
      // Who subscribes is known when it is published on again.
      yield* alice.node.publish("news", 2)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ value }) => value), [1, 2])
      assert.isFalse(yield* awake)
      yield* alice.node.publish("news", 3, { retain: true })
      assert.isTrue(yield* awake)
      yield* alice.node.retract("news")
      assert.isFalse(yield* awake)
      const end = yield* Deferred.make<void>()
      const values = Stream.concat(Stream.make(4), Stream.drain(Stream.fromEffect(Deferred.await(end))))
      yield* Effect.forkScoped(Stream.run(values, alice.node.publisher("other")))
      assert.isTrue(yield* awake)
      yield* Deferred.succeed(end, undefined)
      assert.isFalse(yield* awake)
    })))

  it.effect("has a value go when its time is up, though that of another was up later", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const table = yield* bob.node.table("*")
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("long", 1, { retain: { timeToLive: "1 hour" } })
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("short", 1, { retain: { timeToLive: "10 seconds" } })
      yield* Effect.sleep("9 seconds")
      assert.strictEqual(table.value.size, 2)
      yield* Effect.sleep("2 seconds")
      assert.deepStrictEqual(table.value.rows.map(({ topic }) => topic), ["long"])
    })))

  it.effect("is told of what is no value, no key and no name, and of what is too long", () =>
    quietly(Effect.gen(function*() {
      const { alice } = yield* two()
      const tag = (effect: Effect.Effect<void, { readonly _tag: string }>) =>
        Effect.map(failureOf(effect), ({ _tag }) => _tag)
      const { node } = alice
      assert.strictEqual(yield* tag(node.publish("a", undefined)), "InvalidPublicationError")
      assert.strictEqual(yield* tag(node.publish("a", { of: new Map() })), "InvalidPublicationError")
      assert.strictEqual(yield* tag(node.publish("a.*", 1)), "InvalidPublicationError")
      assert.strictEqual(yield* tag(node.publish("", 1)), "InvalidPublicationError")
      assert.strictEqual(yield* tag(node.publish("a", 1, { key: "k".repeat(256) })), "InvalidPublicationError")
      assert.strictEqual(yield* tag(node.publish("a", "x".repeat(1_048_576))), "TopicTooLargeError")
      assert.strictEqual(yield* tag(node.streams.publish("b", new Uint8Array(1_048_577))), "TopicTooLargeError")
      yield* node.streams.publish("b", new Uint8Array(1_048_576))
      const Broken = Topic.make("broken", {
        payload: Schema.String,
        key: () => {
          throw new Error("no key")
        }
      })
      assert.strictEqual(yield* tag(node.publish(Broken, "a")), "InvalidPublicationError")
      assert.throws(() => Topic.make("a b", { payload: Schema.String }), /no name of a topic/)
      const defect = yield* Effect.exit(Stream.runDrain(node.subscribe("a..b")))
      assert.include(String(defect), "is no topic to subscribe to")
    })))

  it.effect("may change the bytes that it has published", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const heard = yield* collect(bob.node.streams.subscribe("bytes"))
      yield* Effect.sleep("1 second")
      const bytes = Uint8Array.of(1, 2, 3)
      yield* alice.node.streams.publish("bytes", bytes)
      bytes.fill(9)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ value }) => [...value]), [[1, 2, 3]])
    })))

  it.effect("acknowledges by itself what it was handed, in any order, and what it does not goes to another", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(
        collect(bob.node.subscribe("mail", { group: "mailers", acknowledge: "manual" })),
        scope
      )
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 5; i++) yield* alice.node.publish("mail", i)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(first.map(({ value }) => value), [0, 1, 2, 3, 4])
      yield* first[3]!.acknowledge
      yield* first[1]!.acknowledge
      yield* Effect.sleep("1 second")
      yield* Scope.close(scope, yield* Effect.exit(Effect.void))
      const second = yield* collect(bob.node.subscribe("mail", { group: "mailers" }))
      yield* Effect.sleep("30 seconds")
      assert.deepStrictEqual(second.map(({ redelivered, value }) => [value, redelivered]), [[0, true], [2, true], [
        4,
        true
      ]])
      assert.deepStrictEqual(second.map(({ id }) => id), [0, 2, 4].map((i) => first[i]!.id))
    })))

  it.effect("watches as nobody's member, whatever it says, so that nothing waits for what is never acknowledged", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const options: Topic.WatchOptions & { readonly group: string } = { group: "mailers" }
      const watched = yield* collect(bob.node.watch("mail", options))
      const mail = yield* collect(bob.node.subscribe("mail", { group: "mailers" }))
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 20; i++) yield* alice.node.publish("mail", i)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual([watched.length, mail.length], [20, 20])
    })))

  it.effect("is told by NodeClosedError that its node is closed, and hears of nobody's values any more", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const table = yield* bob.node.table(Readings)
      const ended = yield* Effect.forkScoped(Effect.exit(Stream.runDrain(alice.node.subscribe(Readings))), {
        startImmediately: true
      })
      yield* alice.node.publish(Readings, { sensor: "a", value: 1 })
      yield* Effect.sleep("2 seconds")
      assert.strictEqual(table.value.size, 1)
      yield* alice.process.stop
      yield* Effect.sleep("1 second")
      assert.strictEqual(table.value.size, 0)
      assert.include(String(ended.pollUnsafe()), "NodeClosedError")
      assert.strictEqual(
        (yield* failureOf(alice.node.publish(Readings, { sensor: "a", value: 2 })))._tag,
        "NodeClosedError"
      )
      assert.strictEqual((yield* failureOf(Stream.runDrain(alice.node.subscribe("a"))))._tag, "NodeClosedError")
    })))
})
