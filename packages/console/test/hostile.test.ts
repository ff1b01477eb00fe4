/** What peers may answer with that nobody would: streams and spans. */
import { assert, describe, it } from "@effect/vitest"
import type * as ConsoleApi from "@pnet/console/ConsoleApi"
import * as ConsoleSpans from "@pnet/console/ConsoleSpans"
import * as Elements from "@pnet/console/Elements"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import type { Peer } from "@pnet/core/Peers"
import { Cause, Context, Effect, Exit, Layer, Stream, type Tracer } from "effect"
import { TestClock } from "effect/testing"
import { describe as describeFunctions } from "../src/internal/server/describing.ts"
import { table, topics } from "../src/internal/server/topics.ts"
import { taken } from "../src/internal/server/traces.ts"

const encoder = new TextEncoder()

/** A node whose peer sends these pieces, whatever it is asked for. */
const sending = (pieces: Iterator<string>) => {
  const stream = {
    write: () => Effect.void,
    reset: () => Effect.void,
    pull: Effect.suspend(() => {
      const { done, value } = pieces.next()
      return done === true ? Cause.done() : Effect.succeed([encoder.encode(value)])
    })
  }
  return { streams: { sessions: { open: () => Effect.succeed(stream) } } } as unknown as CommandNodeService
}

const peer = { name: "bob" } as Peer
const failure = (pieces: Iterable<string>) =>
  Effect.flip(
    Elements.forEach(sending(pieces[Symbol.iterator]()), peer, "f", undefined, () =>
      Effect.die(new Error("it was taken")))
  )

describe("a stream of a peer", () => {
  it.effect("fails, and harms nothing, where its values are nested without end or are all brackets", () =>
    Effect.gen(function*() {
      const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)
      for (
        const values of [
          nested(600),
          nested(100_000),
          `${"[".repeat(100_000)}`,
          `[${"[],".repeat(600_000)}1]`,
          "[\"\\"
        ]
      ) {
        const error = yield* failure([`{"type":"chunk","values":${values}}\n`])
        assert.strictEqual(error._tag, "RemoteError")
      }
      let taken: unknown
      const text = `{"type":"chunk","values":[${nested(400)},${
        JSON.stringify("[{\\\"".repeat(1_000))
      }]}\n{"type":"success"}\n`
      yield* Elements.forEach(sending([text][Symbol.iterator]()), peer, "f", undefined, (value) =>
        Effect.sync(() => {
          taken = value
        }))
      assert.strictEqual(taken, "[{\\\"".repeat(1_000))
    }))

  it.effect("fails where a line does not end, and is not kept for longer", () =>
    Effect.gen(function*() {
      let sent = 0
      const pieces = function*() {
        yield `{"type":"chunk","values":["`
        for (; sent < 64; sent++) yield "x".repeat(1_048_576)
      }
      assert.match((yield* failure(pieces())).message, /a line of more than/)
      assert.isBelow(sent, 18)
    }))

  it.effect("takes time in proportion to what comes, however small its pieces are", () =>
    Effect.gen(function*() {
      const pieces = function*() {
        yield `{"type":"chunk","values":["`
        for (let i = 0; i < 20_000; i++) yield "x".repeat(50)
        yield `"]}\n{"type":"succ`
        yield `ess"}\n`
      }
      const before = process.cpuUsage()
      const elements = yield* Elements.elements(sending(pieces()), peer, "f", undefined, {
        items: 10,
        bytes: 10_000_000,
        timeout: "1 hour" as never
      })
      const { system, user } = process.cpuUsage(before)
      assert.deepStrictEqual(elements.values.map((value) => (value as string).length), [1_000_000])
      assert.isBelow((system + user) / 1e6, 3)
    }))
})

describe("what a peer says of its functions and topics", () => {
  it.effect("has a bound in all, of functions, of each schema, and of all schemas", () =>
    Effect.gen(function*() {
      const described = (functions: ReadonlyArray<unknown>) =>
        describeFunctions(
          { target: () => () => Effect.succeed(functions) } as unknown as CommandNodeService,
          "bob"
        )
      const one = (name: string, characters: number) => ({
        name,
        kind: "command",
        args: { description: "x".repeat(characters) }
      })
      const many = yield* described(Array.from({ length: 5_000 }, (_, i) => one(`f${i}`, 0)))
      assert.isAtMost(many.length, 1_027)
      const [short, long] = yield* described([one("short", 60_000), one("long", 66_000)])
      assert.isDefined(short!.args)
      assert.isUndefined(long!.args)
      const all = yield* described(Array.from({ length: 200 }, (_, i) => one(`f${i}`, 60_000)))
      assert.strictEqual(all.length, 200)
      assert.isAbove(JSON.stringify(all).length, 4_000_000)
      assert.isBelow(JSON.stringify(all).length, 4_400_000)
    }))

  it.effect("is so many topics, with so many who subscribe to each, and how many there are", () =>
    Effect.gen(function*() {
      const subscribing = (name: string, topics: ReadonlyArray<string>) => ({
        name,
        offer: { topics: topics.map((topic) => ({ topic, mode: "latest", contract: "c".repeat(10_000) })) }
      })
      const all = [
        subscribing("bob", Array.from({ length: 1_500 }, (_, i) => `t${i}`)),
        ...Array.from({ length: 150 }, (_, i) => subscribing(`n${i}`, ["t0"]))
      ]
      const node = {
        name: "alice",
        peers: { all: Effect.succeed(all) },
        offer: { current: Effect.succeed(undefined) }
      } as unknown as CommandNodeService
      const listed = yield* topics(node)
      assert.strictEqual(listed.length, 1_000)
      const most = listed.find(({ topic }) => topic === "t0")!
      assert.deepStrictEqual([most.subscribers.length, most.subscriberCount], [100, 151])
      assert.isBelow(most.subscribers[0]!.contract!.length, 300)
    }))

  it.effect("is so many rows of a table, and so many that are counted", () =>
    Effect.gen(function*() {
      const from = { name: "bob", publicKey: "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo=" }
      const published = (i: number) => ({
        _tag: "Published",
        publication: { at: 0, from, key: `k${i}`, topic: "t", value: "x".repeat(100) }
      })
      const node = {
        watch: () =>
          Stream.concat(Stream.fromIterable(Array.from({ length: 12_000 }, (_, i) => published(i))), Stream.never)
      } as unknown as CommandNodeService
      const said: Array<ConsoleApi.Rows> = []
      const given = yield* table(node, "t")
      yield* Effect.forkScoped(Stream.runForEach(given, (rows) => Effect.sync(() => void said.push(rows))))
      yield* TestClock.adjust("10 seconds")
      const sum = (of: (rows: ConsoleApi.Rows) => number) => said.reduce((sum, rows) => sum + of(rows), 0)
      assert.strictEqual(sum(({ published }) => published), 12_000)
      assert.strictEqual(sum(({ rows }) => rows.length), 500)
      assert.strictEqual(said.at(-1)!.count, 10_000)
    }).pipe(Effect.scoped))
})

describe("spans of a peer", () => {
  it("are cut, and left out where they have no ids", () => {
    const long = "x".repeat(100_000)
    const span = { trace: "t", span: "s", name: long, kind: "client", start: 0, status: "ok" } as const
    const spans = [
      { ...span, peer: long, function: long, tag: long },
      { ...span, span: long },
      { ...span, parent: long },
      ...Array.from({ length: 1_000 }, () => span)
    ]
    const found = taken(spans, "bob")
    assert.strictEqual(found.length, 498)
    assert.isBelow(JSON.stringify(found[0]).length, 1_200)
  })
})

describe("spans that are recorded", () => {
  it.effect("are so many, those that go on and those that have ended", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(ConsoleSpans.layer)
      const spans = Context.get(context, ConsoleSpans.ConsoleSpans)
      yield* spans.watch
      const make = (parent?: Tracer.Span) =>
        Effect.provideContext(Effect.makeSpan("work", parent === undefined ? { root: true } : { parent }), context)
      const root = yield* make()
      const inside = yield* Effect.forEach(Array.from({ length: 4_999 }), () => make(root))
      assert.strictEqual(spans.of(root.traceId).length, 1_000)
      for (const span of [root, ...inside]) span.end(1n, Exit.void)
      assert.strictEqual(spans.count(), 5_000)
      assert.strictEqual(spans.since(0, 10_000).length, 2_000)
    }).pipe(Effect.scoped))
})
