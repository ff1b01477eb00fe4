/** What peers may answer with that nobody would: streams and spans. */
import { assert, describe, it } from "@effect/vitest"
import * as ConsoleSpans from "@pnet/console/ConsoleSpans"
import * as Elements from "@pnet/console/Elements"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import type { Peer } from "@pnet/core/Peers"
import { Cause, Context, Effect, Exit, Layer, type Tracer } from "effect"
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
