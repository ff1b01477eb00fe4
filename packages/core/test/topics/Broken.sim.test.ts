/** What a program's own functions do that throw, hang or give nonsense, and what of it others can cause. */
import { assert, describe, it } from "@effect/vitest"
import { Topic } from "@pnet/core"
import { failureOf, quietly } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { Effect, Exit, Logger, Schema, SchemaGetter, Stream } from "effect"
import { collect, start } from "./topicWorld.ts"

/** Reads what is negative by throwing. */
const Positive = Schema.Finite.pipe(Schema.decodeTo(Schema.Finite, {
  decode: SchemaGetter.transform((n: number) => {
    if (n < 0) throw new Error("negative")
    return n
  }),
  encode: SchemaGetter.transform((n: number) => n)
}))

const two = Effect.gen(function*() {
  const lines: Array<string> = []
  const logger = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
  const network = yield* SimNetwork.make()
  const alice = yield* start(network, "alice")
  const bob = yield* start(network, "bob", {}, { logger })
  yield* alice.node.awaitPeers(["bob"])
  return { alice, bob, lines }
})

describe("a program", () => {
  it.effect("whose Schema throws at what a peer publishes goes on without it", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, lines } = yield* two
      const Numbers = Topic.make("numbers", { payload: Positive, key: String, retain: true })
      const heard = yield* collect(bob.node.subscribe(Numbers))
      const grouped = yield* collect(bob.node.subscribe(Numbers, { group: "g" }))
      const watched = yield* collect(bob.node.watch(Numbers))
      const table = yield* bob.node.table(Numbers)
      yield* Effect.sleep("1 second")
      for (const n of [1, -1, 2]) yield* alice.node.publish(Numbers, n)
      yield* Effect.sleep("5 seconds")
      assert.deepStrictEqual(heard.map(({ value }) => value), [1, 2])
      assert.deepStrictEqual(grouped.map(({ value }) => value).sort(), [1, 2])
      assert.strictEqual(watched.length, 2)
      assert.strictEqual(table.value.size, 2)
      assert.match(lines.join("\n"), /left out/)
    })))

  it.effect("whose Schema throws at what it publishes itself dies of that, as in a call, and publishes nothing", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two
      const Broken = Topic.make("broken", {
        payload: Schema.Int.pipe(
          Schema.decodeTo(Schema.Int, {
            decode: SchemaGetter.transform((n: number) => n),
            encode: SchemaGetter.transform((n: number) => {
              if (n < 0) throw new Error("below zero")
              return n
            })
          })
        ),
        retain: true
      })
      const heard = yield* collect(bob.node.subscribe(Broken))
      yield* Effect.sleep("1 second")
      const exit = yield* Effect.exit(alice.node.publish(Broken, -1))
      assert.isTrue(Exit.hasDies(exit))
      assert.include(String(exit), "below zero")
      assert.isTrue(Exit.hasDies(yield* Effect.exit(Stream.run(Stream.make(-1), alice.node.publisher(Broken)))))
      yield* alice.node.publish(Broken, 1)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ missed, seq, value }) => [value, seq, missed]), [[1, 1, 0]])
    })))

  it.effect("that asks for what cannot be retained is told so", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two
      const wrong: ReadonlyArray<readonly [unknown, string]> = [
        [{ keys: -1 }, "retain.keys"],
        [{ keys: Number.NaN }, "retain.keys"],
        [{ keys: 1.5 }, "retain.keys"],
        [{ bytes: -1 }, "retain.bytes"],
        [{ bytes: Infinity }, "retain.bytes"],
        [{ bytes: "1" }, "retain.bytes"],
        [{ timeToLive: -1 }, "retain.timeToLive"],
        [{ timeToLive: Number.NaN }, "retain.timeToLive"],
        [{ timeToLive: "soon" }, "retain.timeToLive"],
        [{ timeToLive: null }, "retain.timeToLive"],
        [null, "retain is neither"],
        [5, "retain is neither"]
      ]
      for (const [retain, text] of wrong) {
        const error = yield* failureOf(alice.node.publish("news", 1, { retain: retain as Topic.Retain }))
        assert.strictEqual(error._tag, "InvalidPublicationError")
        assert.include(error.message, text)
        const bytes = yield* failureOf(alice.node.streams.publish("bytes", "1", { retain: retain as Topic.Retain }))
        assert.include(bytes.message, text)
        assert.throws(() => Topic.make("news", { payload: Schema.Int, retain: retain as Topic.Retain }), text)
        assert.throws(() => Topic.bytes("news", { retain: retain as Topic.Retain }), text)
        // One that was made by hand.
        const made = { ...Topic.make("made", { payload: Schema.Int }), retain: retain as Topic.Retain }
        assert.include((yield* failureOf(alice.node.publish(made, 1))).message, text)
      }
      const right: ReadonlyArray<Topic.Retain> = [
        { keys: 0 },
        { bytes: 0 },
        { timeToLive: 0 },
        { timeToLive: "1 hour", keys: 2, bytes: 1_000 },
        true,
        false
      ]
      for (const [i, retain] of right.entries()) yield* alice.node.publish(`right.${i}`, i, { retain })
      const heard = yield* collect(bob.node.subscribe("right.*"))
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ value }) => value), [3, 4])
    })))

  it.effect("whose allow does not answer is asked once at a time for a peer and a topic, and gives the topic to nobody", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two
      let asked = 0
      let most = 0
      let total = 0
      const allow = () =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            total++
            most = Math.max(most, ++asked)
          }),
          () => Effect.never,
          () => Effect.sync(() => asked--)
        )
      yield* alice.node.publish("news", 0, { allow })
      const heard = yield* collect(bob.node.subscribe("news"))
      for (let i = 0; i < 20; i++) {
        yield* collect(bob.node.subscribe(`other.${i}`))
        yield* Effect.sleep("400 millis")
      }
      yield* alice.node.publish("news", 1)
      yield* Effect.sleep("1 minute")
      assert.deepStrictEqual([most, asked, heard], [1, 0, []])
      assert.isAtLeast(total, 2)
    })))

  it.effect("that allows a topic to fewer has them lose it, however often they change what they subscribe to meanwhile", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two
      const heard = yield* collect(bob.node.subscribe("news"))
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("news", 0)
      yield* alice.node.publish("news", 1, { allow: () => Effect.delay(Effect.succeed(false), "2 seconds") })
      for (let i = 0; i < 20; i++) {
        yield* collect(bob.node.subscribe(`other.${i}`))
        yield* Effect.sleep("400 millis")
      }
      const before = heard.length
      yield* alice.node.publish("news", "secret")
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual([before, heard.map(({ value }) => value)], [2, [0, 1]])
    })))

  it.effect("whose policy is none, or that retains no key, publishes all the same", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two
      const grouped = yield* collect(bob.node.subscribe("news", { group: "g" }))
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("news", 1, { policy: { name: "none" } as never, retain: { keys: 0 } })
      // Others are followed as before.
      const late = yield* collect(bob.node.subscribe("news"))
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("news", 2)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual([grouped.map(({ value }) => value), late.map(({ value }) => value)], [[1, 2], [2]])
    })))

  it.effect("that takes back what is no topic, or was never published, makes no topic of it", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two
      const heard = yield* collect(bob.node.subscribe(">"))
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("news", 1)
      for (const name of ["a b", "", "a..b", "x".repeat(300)]) yield* Effect.exit(alice.node.retract(name))
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("news", 2)
      yield* Effect.sleep("10 seconds")
      assert.deepStrictEqual(heard.map(({ value }) => value), [1, 2])
      // A last value stays, however many are taken back that there are none of.
      yield* alice.node.publish("last", 1, { retain: true })
      for (let i = 0; i < 2_000; i++) yield* alice.node.retract(`never.${i}`, "x".repeat(70_000))
      yield* alice.node.retract("last")
      assert.deepStrictEqual([...new Set(heard.map(({ missed }) => missed))], [0])
    })))

  it.effect("publishes by names that objects have of their own, and by keys that are whole characters", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two
      const names = ["__proto__", "constructor", "toString", "hasOwnProperty"]
      const table = yield* bob.node.table("*")
      const heard = yield* collect(bob.node.subscribe("*"))
      for (const name of names) yield* collect(bob.node.subscribe(name, { group: name }))
      yield* Effect.sleep("1 second")
      for (const name of names) for (const key of names) yield* alice.node.publish(name, key, { key, retain: true })
      for (const key of ["\ud800", "\udfff"]) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(alice.node.publish("news", 1, { key }))), escape(key))
      }
      yield* Effect.sleep("1 second")
      assert.strictEqual(heard.length, 16)
      assert.strictEqual(table.value.size, 16)
      assert.strictEqual(table.value.get(alice.node.publicKey, "__proto__", "constructor")?.value, "constructor")
    })))
})
