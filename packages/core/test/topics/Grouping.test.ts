/** The groups of a node's topics: that they begin and end, who answers for them, and who is waited for. Without nodes, in virtual time. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import * as Seldom from "../../src/internal/base/seldom.ts"
import type { Feed } from "../../src/internal/topics/feed.ts"
import { Grouping } from "../../src/internal/topics/grouping.ts"
import { Memory } from "../../src/internal/topics/memory.ts"
import { OwnTopic } from "../../src/internal/topics/ownTopic.ts"
import type { Said } from "../../src/internal/topics/said.ts"

/** What a member of a group was handed. */
interface Handed {
  readonly id: string
  readonly group: string
  readonly skipped: number
  readonly answer: (exit: Exit.Exit<void, never>) => void
}

const world = (setting: { readonly bytes?: number; readonly groups?: number; readonly deliveries?: number } = {}) =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const scope = yield* Effect.scope
    const context = yield* Effect.context<never>()
    const memory = new Memory(setting.bytes ?? 1_000_000)
    const handed: Array<Handed> = []
    const topics: Array<OwnTopic> = []
    const members = new Map<string, Map<OwnTopic, ReadonlyArray<string>>>()
    const feedOf = (id: string): Feed =>
      ({
        peer: { publicKey: id, status: "Online" },
        routes: new Map(
          Array.from(
            members.get(id) ?? [],
            ([topic, groups]) => [topic, { entries: groups.map((group) => ({ group, size: 1 })) }]
          )
        ),
        deliver: (_route: unknown, _said: unknown, group: string, _again: boolean, skipped: number) =>
          Effect.callback<void>((resume) => void handed.push({ id, group, skipped, answer: resume }))
      }) as unknown as Feed
    let feeds = new Map<string, Feed>()
    let skipped = 0
    const grouping = new Grouping({
      clock,
      lines: Seldom.lines(clock),
      grouped: memory,
      limits: {
        topicDeliveries: setting.deliveries ?? 100,
        topicGroups: setting.groups ?? 1_000,
        topicPatience: 10_000
      },
      fork: (effect) => Fiber.runIn(Effect.runForkWith(context)(effect), scope),
      scope,
      context,
      feeds: () => feeds.values(),
      roomMade: () => {},
      skipped: () => skipped++
    })
    const topic = (name: string) => {
      const from = { name, publicKey: name } as never
      const made = new OwnTopic(topics.length, undefined, { from, topic: name, epoch: "", took: () => {} }, 0)
      topics.push(made)
      return made
    }
    /** A peer is a member of these groups of a topic from now on, in this order. */
    const join = (id: string, topic: OwnTopic, ...groups: ReadonlyArray<string>) => {
      members.set(id, (members.get(id) ?? new Map()).set(topic, groups))
      feeds = new Map(Array.from(members.keys(), (one) => [one, feedOf(one)]))
      grouping.enter(topic)
    }
    const deliver = (topic: OwnTopic, bytes: number, isWaitedFor?: (name: string) => boolean) =>
      grouping.deliver(topic, { bytes, payload: undefined, said: { origin: topic.origin } as Said }, isWaitedFor)
    const owner = (topic: OwnTopic, name: string) => topic.groups.get(name)?.owner
    const look = Effect.sync(() => topics.forEach((topic) => grouping.look(topic)))
    return { grouping, memory, handed, topic, join, deliver, owner, look, skips: () => skipped }
  })

const names = (count: number, first = "g") => Array.from({ length: count }, (_, i) => `${first}${i}`)
const quietly = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(Effect.provide(Layer.merge(TestClock.layer(), Logger.layer([]))))

describe("what waits for groups", () => {
  it.effect("is charged to a member, all of whose groups have a quarter, and is known before it is taken", () =>
    quietly(Effect.gen(function*() {
      const { deliver, grouping, handed, join, memory, skips, topic } = yield* world({ bytes: 400 })
      const news = topic("news")
      join("a", news, "one", "two")
      join("b", news, "three")
      assert.deepStrictEqual(grouping.full(news, 50, () => true), [])
      assert.deepStrictEqual(grouping.full(news, 60, () => true), ["two"])
      assert.deepStrictEqual(grouping.full(news, 60, (name) => name !== "one"), [])
      assert.deepStrictEqual(grouping.full(news, 101, (name) => name === "three"), ["three"])
      deliver(news, 60)
      assert.deepStrictEqual(handed.map(({ group }) => group), ["one", "three"])
      assert.deepStrictEqual([skips(), memory.held], [1, 120])
      handed[0]!.answer(Exit.void)
      yield* TestClock.adjust(0)
      deliver(news, 60, (name) => name === "two")
      assert.deepStrictEqual(handed.slice(2).map(({ group, skipped }) => [group, skipped]), [["two", 1]])
      // Those for whom there was none.
      assert.strictEqual(skips(), 3)
    })))

  it.effect("is answered for by another member, where there is one with room, or its own has left", () =>
    quietly(Effect.gen(function*() {
      const { deliver, handed, join, memory, owner, skips, topic } = yield* world({ bytes: 400 })
      const news = topic("news")
      const others = topic("others")
      join("a", news, "shared")
      join("b", news, "shared")
      join("a", others, "full")
      deliver(others, 90)
      assert.strictEqual(owner(news, "shared"), "a")
      deliver(news, 20)
      assert.strictEqual(skips(), 0)
      assert.strictEqual(owner(news, "shared"), "b")
      deliver(news, 20)
      assert.deepStrictEqual([memory.held, memory.has("b", 60, 0), memory.has("b", 61, 0)], [130, true, false])
      // Half of what it may hold is left for those that were its own from the first.
      deliver(news, 20)
      assert.strictEqual(skips(), 1)
      join("b", others, "own")
      deliver(others, 60)
      assert.deepStrictEqual([skips(), owner(others, "own")], [2, "b"])
      handed.at(-1)!.answer(Exit.void)
      join("b", others)
      join("b", news)
      yield* TestClock.adjust(0)
      // It holds more than is left of what its other member may hold, and stays where it was.
      assert.strictEqual(owner(news, "shared"), "b")
      handed[0]!.answer(Exit.void)
      yield* TestClock.adjust(0)
      join("a", news, "shared")
      assert.deepStrictEqual([owner(news, "shared"), memory.held], ["a", 40])
      assert.isTrue(memory.has("b", 100, 0))
    })))

  it.effect("goes to a node with several subscriptions of a group as to as many", () =>
    quietly(Effect.gen(function*() {
      const { deliver, handed, join, topic } = yield* world()
      const news = topic("news")
      join("a", news, "one", "one", "two")
      for (let i = 0; i < 3; i++) deliver(news, 1)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(handed.map(({ group }) => group).sort(), ["one", "one", "two"])
    })))

  it.effect("goes to another where the first is too slow", () =>
    quietly(Effect.gen(function*() {
      const { deliver, handed, join, look, topic } = yield* world()
      const news = topic("news")
      join("a", news, "one")
      deliver(news, 1)
      join("b", news, "one")
      for (let i = 0; i < 12; i++) yield* Effect.andThen(TestClock.adjust("1 second"), look)
      assert.deepStrictEqual(handed.map(({ id }) => id), ["a", "b"])
    })))
})

describe("groups", () => {
  it.effect("of a topic are so many, a quarter of one peer's, and those without members give way, the oldest first", () =>
    quietly(Effect.gen(function*() {
      const { grouping, join, topic } = yield* world()
      const news = topic("news")
      for (const id of ["a", "b", "c", "d"]) join(id, news, ...names(80, id))
      assert.strictEqual(news.groups.size, 256)
      assert.deepStrictEqual([news.groups.has("a63"), news.groups.has("a64")], [true, false])
      join("e", news, "e0")
      assert.isFalse(news.groups.has("e0"))
      join("e", news)
      join("a", news, ...names(62, "a"))
      yield* TestClock.adjust(1)
      join("a", news, ...names(60, "a"))
      join("e", news, "e0", "e1", "e2")
      assert.deepStrictEqual(["a63", "a62", "a61", "a60", "e0"].map((name) => news.groups.has(name)), [
        false,
        false,
        true,
        false,
        true
      ])
      // Those of the peer itself, where it has as many as it may.
      join("b", news, ...names(63, "b"), "new")
      assert.deepStrictEqual(["b63", "new", "a61"].map((name) => news.groups.has(name)), [false, true, true])
      assert.strictEqual(grouping.count, 256)
    })))

  it.effect("of all topics are so many, a quarter of one peer's, and there is room for who lacks it when some have ended", () =>
    quietly(Effect.gen(function*() {
      const { grouping, join, look, topic } = yield* world({ groups: 8 })
      const [news, mail, more] = [topic("news"), topic("mail"), topic("more")]
      join("a", news, "a0", "a8", "a9")
      assert.strictEqual(grouping.count, 2)
      grouping.end(news)
      for (const id of ["a", "b", "c", "d"]) join(id, news, `${id}0`)
      for (const id of ["a", "b", "c", "d"]) join(id, mail, `${id}1`)
      assert.strictEqual(grouping.count, 8)
      join("e", more, "e0")
      assert.deepStrictEqual([grouping.count, more.groups.size], [8, 0])
      // Those whose members are back do not give way.
      join("b", news)
      join("b", news, "b0")
      join("a", news)
      join("e", more, "e0")
      assert.deepStrictEqual(["b0", "a0"].map((name) => news.groups.has(name)), [true, false])
      assert.strictEqual(more.groups.size, 1)
      join("a", more, "a3")
      assert.deepStrictEqual([grouping.count, more.groups.has("a3")], [8, false])
      join("c", mail)
      yield* Effect.andThen(TestClock.adjust("59 seconds"), look)
      assert.strictEqual(mail.groups.has("c1"), true)
      yield* Effect.andThen(TestClock.adjust("1 second"), look)
      assert.deepStrictEqual([mail.groups.has("c1"), more.groups.has("a3")], [false, true])
      yield* TestClock.adjust(0)
      for (const topic of [news, mail, more]) grouping.end(topic)
      assert.strictEqual(grouping.count, 0)
      for (const id of ["a", "b", "c", "d"]) join(id, news, `${id}0`, `${id}1`)
      assert.strictEqual(grouping.count, 8)
    })))
})
