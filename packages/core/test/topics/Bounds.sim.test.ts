/** What bounds topics, and who may publish and subscribe. */
import { assert, describe, it } from "@effect/vitest"
import { Allow, AllowListTrust, Identity, type Rights, TofuTrust, Topic, Trust } from "@pnet/core"
import { failureOf, quietly } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Effect, Exit, Fiber, Layer, Logger, Schema, Scope, Stream } from "effect"
import { openedOf } from "../../src/internal/topics/opened.ts"
import { collect, losses, Readings, start, type Started, two } from "./topicWorld.ts"

const Big = Topic.bytes("big")
const Kept = Topic.bytes("kept", { key: (bytes) => String(bytes[0]), retain: { keys: 65_536, bytes: 1_000_000 } })
const kilo = (first = 0) => Uint8Array.from({ length: 1_000 }, (_, i) => i === 0 ? first : 1)

const waiting = ({ node }: Started) => openedOf.get(node.streams)!.topics!.waiting

/** Lines of the log. */
const logging = () => {
  const lines: Array<string> = []
  return { lines, logger: Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))]) }
}

describe("bounds of topics", () => {
  it.effect("limits.topics: a topic of which nothing is held gives way to another, and one of which something is does not", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two({ limits: { topics: 3 } })
      const heard = yield* collect(bob.node.subscribe(">"))
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 20; i++) {
        yield* alice.node.publish(`news.${i}`, i)
        yield* Effect.sleep("10 millis")
      }
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ value }) => value), Array.from({ length: 20 }, (_, i) => i))
      for (let i = 0; i < 3; i++) yield* alice.node.publish(`kept.${i}`, i, { retain: true })
      const error = yield* failureOf(alice.node.publish("one more", 1))
      assert.strictEqual(error._tag, "InvalidPublicationError")
      assert.deepInclude(yield* failureOf(alice.node.publish("more", 1)), { _tag: "TopicLimitError", limit: "topics" })
      yield* alice.node.retract("kept.1")
      yield* alice.node.publish("more", 1)
    })))

  it.effect("limits.subscriptions: one more fails, and there is room again when one ends", () =>
    quietly(Effect.gen(function*() {
      const { alice } = yield* two({ limits: { subscriptions: 2 } })
      const scope = yield* Scope.make()
      yield* Scope.provide(collect(alice.node.subscribe("a")), scope)
      yield* Scope.provide(alice.node.table("b"), scope)
      const error = yield* failureOf(Stream.runDrain(alice.node.subscribe("c")))
      assert.deepInclude(error, { _tag: "TopicLimitError", limit: "subscriptions" })
      yield* Scope.close(scope, yield* Effect.exit(Effect.void))
      yield* collect(alice.node.subscribe("c"))
    })))

  it.effect("limits.topicMemory: what waits for one peer takes a quarter of it, and for nobody more than all of it", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const limits = { topicMemory: 400_000 }
      const alice = yield* start(network, "alice", { limits })
      const slow: Array<Started> = []
      for (let i = 0; i < 6; i++) slow.push(yield* start(network, `slow-${i}`))
      yield* alice.node.awaitPeers({ where: () => true }, { atLeast: 6 })
      for (const { node } of slow) yield* collect(node.subscribe(Big, { size: 65_536 }))
      yield* Effect.sleep("1 second")
      for (const { process } of slow.slice(0, 1)) yield* process.pause
      let most = 0
      const flood = (times: number) =>
        Effect.gen(function*() {
          for (let i = 0; i < times; i++) {
            yield* alice.node.publish(Big, kilo())
            most = Math.max(most, waiting(alice).held)
            if (i % 20 === 0) yield* Effect.sleep("1 milli")
          }
        })
      yield* flood(2_000)
      assert.isAtMost(most, 100_000)
      assert.isAbove(most, 90_000)
      for (const { process } of slow.slice(1)) yield* process.pause
      yield* flood(2_000)
      assert.isAtMost(most, 400_000)
      assert.isAbove(most, 390_000)
      for (const { process } of slow) yield* process.resume
      yield* Effect.sleep("30 seconds")
      assert.strictEqual(waiting(alice).held, 0)
    })))

  it.effect("limits.topicRetained: a value beyond it is not retained, here or in a table", () =>
    quietly(Effect.gen(function*() {
      const { lines, logger } = logging()
      const network = yield* SimNetwork.make()
      // A quarter of it is one topic's, and one peer's.
      const alice = yield* start(network, "alice", { limits: { topicRetained: 110_000 } }, { logger })
      const bob = yield* start(network, "bob", { limits: { topicRetained: 56_000 } }, { logger })
      yield* alice.node.awaitPeers(["bob"])
      const table = yield* bob.node.table(Kept)
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 40; i++) yield* alice.node.publish(Kept, kilo(i))
      yield* Effect.sleep("1 second")
      assert.isAtMost(table.value.size, 10)
      assert.isAbove(table.value.size, 7)
      assert.include(lines.join("\n"), "limits.topicRetained is reached")
      const late = yield* start(network, "late")
      const heard = yield* collect(late.node.subscribe(Kept))
      yield* Effect.sleep("5 seconds")
      assert.isAtMost(heard.length, 20)
      assert.isAbove(heard.length, 15)
    })))

  it.effect("limits.topicRetained counts in a table what values are made to, whose JSON holds many times its bytes", () =>
    quietly(Effect.gen(function*() {
      const { lines, logger } = logging()
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice")
      const bob = yield* start(network, "bob", { limits: { topicRetained: 8_000_000 } }, { logger })
      yield* alice.node.awaitPeers(["bob"])
      const table = yield* bob.node.table("lists.*")
      yield* Effect.sleep("1 second")
      // Of 30 KB each, which are 600 KB of empty arrays: three are a quarter of what there is.
      for (let i = 0; i < 10; i++) {
        yield* alice.node.publish(`lists.${i}`, Array.from({ length: 10_000 }, () => []), { retain: true })
      }
      yield* Effect.sleep("1 second")
      assert.strictEqual(table.value.size, 3)
      assert.include(lines.join("\n"), "limits.topicRetained is reached")
      // All of it is given back.
      for (let i = 0; i < 3; i++) yield* alice.node.retract(`lists.${i}`)
      for (let i = 10; i < 13; i++) {
        yield* alice.node.publish(`lists.${i}`, Array.from({ length: 10_000 }, () => []), { retain: true })
      }
      yield* Effect.sleep("1 second")
      assert.strictEqual(table.value.size, 3)
      // Bytes and short values count as they did.
      const small = yield* bob.node.table("short.*")
      for (let i = 0; i < 100; i++) yield* alice.node.publish(`short.${i}`, { value: i }, { retain: true })
      yield* Effect.sleep("1 second")
      assert.strictEqual(small.value.size, 100)
    })))

  it.effect("limits.topicDeliveries: of a group so many wait, and more is given up for it alone, as it is told", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two({ limits: { topicDeliveries: 5 } })
      const before = yield* losses("skipped")
      const all = yield* collect(bob.node.subscribe("mail"))
      const mail = yield* collect(bob.node.subscribe("mail", { group: "mailers", acknowledge: "manual" }))
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 8; i++) yield* alice.node.publish("mail", i)
      yield* Effect.sleep("1 second")
      assert.strictEqual(all.length, 8)
      assert.strictEqual((yield* losses("skipped")) - before, 3)
      for (const one of mail.splice(0)) yield* one.acknowledge
      yield* Effect.sleep("1 second")
      for (let i = 8; i < 10; i++) yield* alice.node.publish("mail", i)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(mail.map(({ missed, value }) => [value, missed]), [[8, 3], [9, 0]])
    })))

  it.effect("a group is waited for where that is asked for, by its name or with all, and then nothing is given up for it", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two({ limits: { topicDeliveries: 2 } })
      const all = yield* collect(bob.node.subscribe("mail"))
      const mail = yield* collect(bob.node.subscribe("mail", { group: "mailers", acknowledge: "manual" }))
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 2; i++) yield* alice.node.publish("mail", i)
      for (
        const wait of [{ groups: "mailers" }, { for: "*" }, { for: ["bob"], groups: ["mailers"] }] as const
      ) {
        const error = yield* failureOf(alice.node.publish("mail", 2, { wait: { ...wait, within: "1 second" } }))
        assert.deepInclude(error, { _tag: "TopicFullError", waitedFor: ["mailers"], absent: [] })
      }
      for (const wait of [{ for: "bob" }, { for: "*", groups: [] }, { groups: [] }] as const) {
        yield* alice.node.publish("mail", 3, { wait: { ...wait, within: "1 second" } })
      }
      const waiting = yield* Effect.forkScoped(
        alice.node.publish("mail", 4, { wait: { groups: "*", within: "10 seconds" } })
      )
      yield* Effect.sleep("1 second")
      for (const one of mail.splice(0)) yield* one.acknowledge
      yield* Fiber.join(waiting)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(mail.map(({ missed, value }) => [value, missed]), [[4, 3]])
      assert.deepStrictEqual(all.map(({ value }) => value), [0, 1, 3, 3, 3, 4])
    })))

  it.effect("limits.topicGroupMemory: what waits for a peer's groups takes a quarter of it, and nothing of anybody else's", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice", { limits: { topicGroupMemory: 400_000 } })
      const mallory = yield* start(network, "mallory")
      const bob = yield* start(network, "bob")
      yield* alice.node.awaitPeers(["mallory", "bob"])
      // Some are its own; it was the first in others, and acknowledges nothing there either.
      for (const group of ["a", "b", "c", "d", "e"]) {
        yield* collect(mallory.node.subscribe(Big, { group, acknowledge: "manual", size: group === "a" ? 8 : 65_536 }))
      }
      yield* Effect.sleep("1 second")
      yield* alice.node.publish(Big, kilo())
      const all = yield* collect(bob.node.subscribe(Big))
      const own = yield* collect(bob.node.subscribe(Big, { group: "bob's" }))
      const both = yield* collect(bob.node.subscribe(Big, { group: "a" }))
      yield* Effect.sleep("1 second")
      const { held } = openedOf.get(alice.node.streams)!.topics!
      assert.isAbove(held.grouped, 5_000)
      let most = 0
      let waits = 0
      for (let i = 0; i < 400; i++) {
        yield* alice.node.publish(Big, kilo(i % 200))
        yield* Effect.sleep("10 millis")
        const { grouped, waiting } = openedOf.get(alice.node.streams)!.topics!.held
        most = Math.max(most, grouped)
        waits = Math.max(waits, waiting)
      }
      assert.strictEqual(all.length, 400)
      assert.strictEqual(own.length, 400)
      assert.deepStrictEqual(own.filter(({ missed }) => missed > 0), [])
      // What its other member has not acknowledged is charged to the group, which bob answers for as well.
      assert.isAbove(both.length, 300)
      assert.deepStrictEqual(both.filter(({ missed }) => missed > 0), [])
      assert.isAtMost(most, 200_000)
      assert.isAbove(most, 95_000)
      assert.isAtMost(waits, 20_000)
    })))

  it.effect("limits.topicGroups: one peer's are a quarter, of a topic and of all, and there is room for others' when some have ended", () =>
    quietly(Effect.gen(function*() {
      const { lines, logger } = logging()
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice", { limits: { topicGroups: 400 } }, { logger })
      const mallory = yield* start(network, "mallory")
      const bob = yield* start(network, "bob")
      yield* alice.node.awaitPeers(["mallory", "bob"])
      const { publishing } = openedOf.get(alice.node.streams)!.topics!
      const scope = yield* Scope.make()
      for (let i = 0; i < 100; i++) {
        yield* Scope.provide(collect(mallory.node.subscribe(">", { group: `m.${i}` })), scope)
      }
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("one", 1)
      yield* Effect.sleep("1 second")
      assert.strictEqual(publishing.groups, 64)
      yield* alice.node.publish("two", 1)
      yield* Effect.sleep("1 second")
      assert.strictEqual(publishing.groups, 100)
      assert.include(lines.join("\n"), "as many groups of subscribers as there may be")
      const heard = yield* collect(bob.node.subscribe(">", { group: "bob's" }))
      yield* Effect.sleep("1 second")
      assert.strictEqual(publishing.groups, 102)
      for (const name of ["one", "two"]) yield* alice.node.publish(name, 2)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard.map(({ topic }) => topic), ["one", "two"])
      // Its groups end a minute after it has left them, and those that had no room begin.
      yield* Scope.close(scope, Exit.void)
      for (let i = 0; i < 60; i++) yield* collect(mallory.node.subscribe("two", { group: `n.${i}` }))
      yield* Effect.sleep("1 second")
      assert.isAtMost(publishing.groups, 102)
      for (let i = 0; i < 8; i++) {
        for (const name of ["one", "two"]) yield* alice.node.publish(name, 3)
        yield* Effect.sleep("10 seconds")
      }
      assert.strictEqual(publishing.groups, 62)
    })))

  it.effect("limits.topicPatience: a member that acknowledges nothing for so long has what it was handed go to another as well", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice", { limits: { topicPatience: "1 minute" } })
      const mallory = yield* start(network, "mallory")
      const bob = yield* start(network, "bob")
      yield* alice.node.awaitPeers(["mallory", "bob"])
      const silent = yield* collect(
        mallory.node.subscribe("mail", { group: "mailers", acknowledge: "manual", size: 65_536 })
      )
      const handled = yield* collect(bob.node.subscribe("mail", { group: "mailers" }))
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 50; i++) yield* alice.node.publish("mail", i)
      yield* Effect.sleep("30 seconds")
      assert.isAbove(silent.length, 0)
      assert.strictEqual(handled.length, 50 - silent.length)
      yield* Effect.sleep("40 seconds")
      assert.deepStrictEqual(
        handled.map(({ value }) => Number(value)).sort((a, b) => a - b),
        Array.from(Array(50).keys())
      )
      assert.deepStrictEqual(handled.slice(50 - silent.length).filter(({ redelivered }) => !redelivered), [])
      assert.strictEqual(openedOf.get(alice.node.streams)!.topics!.held.grouped, 0)
    })))

  it.effect("limits.topicRate: of a peer so many records a second are read, and the rest when that is over", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice")
      const bob = yield* start(network, "bob", { limits: { topicRate: 10 } })
      yield* alice.node.awaitPeers(["bob"])
      const heard = yield* collect(bob.node.subscribe("news"))
      yield* Effect.sleep("2 seconds")
      for (let i = 0; i < 50; i++) yield* alice.node.publish("news", i)
      yield* Effect.sleep("2500 millis")
      assert.isAtMost(heard.length, 30)
      assert.isAbove(heard.length, 10)
      yield* Effect.sleep("5 seconds")
      assert.strictEqual(heard.length, 50)
    })))
})

describe("who may", () => {
  it.effect("subscribe: those to whom the publisher's policy grants it, which by trust on first use alone is nobody", () =>
    quietly(Effect.gen(function*() {
      const { lines, logger } = logging()
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice", {}, { trust: TofuTrust.layer().pipe(Layer.provide(logger)), logger })
      const bob = yield* start(network, "bob")
      yield* alice.node.awaitPeers(["bob"])
      const heard = yield* collect(bob.node.subscribe("news"))
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("news", 1)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard, [])
      assert.include(lines.join("\n"), `"bob"`)
      assert.match(lines.join("\n"), /does not grant/)
    })))

  it.effect("subscribe, and publish, by an allow list, which may change", () =>
    quietly(
      Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const [a, b] = yield* Effect.all([Identity.generate, Identity.generate])
        const list = (rights: Rights.Input) =>
          AllowListTrust.layer([
            ["alice", a.publicKey, rights],
            ["bob", b.publicKey, { subscribes: ["build.*"] }]
          ])
        const alice = yield* start(network, "alice", { identity: a }, { trust: list({}) as never })
        const bob = yield* start(network, "bob", { identity: b }, {
          trust: list({ publishes: ["build.1", "news"] }) as never
        })
        yield* alice.node.awaitPeers(["bob"])
        const heard = yield* collect(bob.node.subscribe("build.>"))
        const news = yield* collect(bob.node.subscribe("news"))
        yield* Effect.sleep("1 second")
        for (const topic of ["build.1", "build.2", "news"]) yield* alice.node.publish(topic, topic)
        yield* Effect.sleep("1 second")
        // It may publish build.1 alone of what it is asked for, and news is not granted to bob.
        assert.deepStrictEqual(heard.map(({ value }) => value), ["build.1"])
        assert.deepStrictEqual(news, [])
      }).pipe(Effect.provide(NodeCrypto.layer))
    ))

  it.effect("publish, as the policy has it now, whatever it said when they began", () =>
    quietly(
      Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const [a, b] = yield* Effect.all([Identity.generate, Identity.generate])
        const subscribes = ["bob", b.publicKey, { subscribes: ["*"] }] as const
        const list = yield* AllowListTrust.make([["alice", a.publicKey, { publishes: ["*"] }], subscribes])
        const alice = yield* start(network, "alice", { identity: a }, {
          trust: AllowListTrust.layer([["alice", a.publicKey], subscribes]) as never
        })
        const bob = yield* start(network, "bob", { identity: b }, { trust: Layer.succeed(Trust.Trust, list) })
        yield* alice.node.awaitPeers(["bob"])
        const heard = yield* collect(bob.node.subscribe(">"))
        yield* Effect.sleep("1 second")
        const say = Effect.gen(function*() {
          for (const topic of ["one", "two"]) yield* alice.node.publish(topic, topic)
          yield* Effect.sleep("1 second")
          return heard.splice(0).map(({ topic }) => topic)
        })
        assert.deepStrictEqual(yield* say, ["one", "two"])
        yield* list.add("alice", a.publicKey, { publishes: ["one", "three"] })
        yield* Effect.sleep("1 second")
        assert.deepStrictEqual(yield* say, ["one"])
        for (const topic of ["three", "four"]) yield* alice.node.publish(topic, topic)
        yield* Effect.sleep("1 second")
        assert.deepStrictEqual(heard.map(({ topic }) => topic), ["three"])
      }).pipe(Effect.provide(NodeCrypto.layer))
    ))

  it.effect("by topic: publishers say who may subscribe, subscriptions who may publish", () =>
    quietly(Effect.gen(function*() {
      const { lines, logger } = logging()
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice", {}, { logger })
      const bob = yield* start(network, "bob", {}, { logger })
      const carol = yield* start(network, "carol", {}, { logger })
      yield* alice.node.awaitPeers(["bob", "carol"])
      const ofBob = yield* collect(bob.node.subscribe(Readings))
      const ofCarol = yield* collect(carol.node.subscribe(Readings))
      yield* Effect.sleep("1 second")
      yield* alice.node.publish(Readings, { sensor: "a", value: 1 }, { allow: Allow.names("bob") })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual([ofBob.length, ofCarol.length], [1, 0])
      yield* alice.node.publish(Readings, { sensor: "a", value: 2 }, {
        allow: ({ name }) => Effect.succeed(name === "carol")
      })
      yield* Effect.sleep("1 second")
      yield* alice.node.publish(Readings, { sensor: "a", value: 3 })
      yield* Effect.sleep("1 second")
      assert.strictEqual(ofBob.at(-1)!.value.value, 1)
      // What was retained before, too: it may subscribe now.
      assert.deepStrictEqual(ofCarol.map(({ value }) => value.value), [1, 2, 3])
      yield* alice.node.publish("other", 1, {
        allow: () => {
          throw new Error("broken")
        }
      })
      const other = yield* collect(bob.node.subscribe("other"))
      yield* Effect.sleep("1 second")
      yield* alice.node.publish("other", 2)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(other, [])
      assert.include(lines.join("\n"), "could not be decided")
      assert.match(lines.join("\n"), /does not let this node subscribe to "[^"]+"; see .*#nothing-heard/)
    })))

  it.effect("is told who subscribes, or publishes, by another Schema", () =>
    quietly(Effect.gen(function*() {
      const { lines, logger } = logging()
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice", {}, { logger })
      const bob = yield* start(network, "bob", {}, { logger })
      yield* alice.node.awaitPeers(["bob"])
      const Others = Topic.make("readings", { payload: Schema.String })
      const heard = yield* collect(bob.node.subscribe(Others))
      const json = yield* collect(bob.node.subscribe("readings"))
      yield* Effect.sleep("1 second")
      yield* alice.node.publish(Readings, { sensor: "a", value: 1 })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(heard, [])
      assert.deepStrictEqual(json.map(({ value }) => value), [{ sensor: "a", value: 1 }])
      assert.match(lines.join("\n"), /subscribes to "readings" by another contract [^;]+; see .*#nothing-heard/)
      assert.match(lines.join("\n"), /publishes "readings" by another contract [^;]+; see .*#nothing-heard/)
      assert.deepInclude(yield* failureOf(alice.node.publish(Others, "a")), { _tag: "InvalidPublicationError" })
    })))

  it.effect("is told of a subscription of its own by another Schema, whichever is first", () =>
    quietly(Effect.gen(function*() {
      const { lines, logger } = logging()
      const network = yield* SimNetwork.make()
      const { node } = yield* start(network, "alice", {}, { logger })
      const told = () =>
        lines.join("\n").match(/this node subscribes to "\w+" by another contract [^;]+; see .*#nothing-heard/g)
      const Others = Topic.make("readings", { payload: Schema.String })
      const heard = yield* collect(node.subscribe(Others))
      yield* node.publish(Readings, { sensor: "a", value: 1 })
      yield* Effect.sleep("1 second")
      assert.strictEqual(told()?.length, 1)
      yield* node.publish("bytes", 1)
      yield* Effect.sleep("1 second")
      assert.strictEqual(told()?.length, 1)
      const none = yield* collect(node.subscribe(Topic.bytes("bytes")))
      const some = yield* collect(node.subscribe(Topic.make("bytes", { payload: Schema.Int })))
      yield* node.publish("bytes", 2)
      yield* Effect.sleep("1 second")
      assert.strictEqual(told()?.length, 2)
      assert.deepStrictEqual([heard.length, none.length, some.length], [0, 1, 0])
    })))
})
