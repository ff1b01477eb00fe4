/** The stream to one peer that subscribes: what it is told of what it does not get, and that it gives way to another. In virtual time. */
import { assert, describe, it } from "@effect/vitest"
import type { Offer, Peers } from "@pnet/core"
import { Cause, Deferred, Effect } from "effect"
import { TestClock } from "effect/testing"
import { Feed } from "../../src/internal/topics/feed.ts"
import * as Records from "../../src/internal/topics/records.ts"
import type { Topic } from "../../src/internal/topics/route.ts"

/** A stream to a peer that is not there. */
const streamOf = () => {
  const over = Deferred.makeUnsafe<void>()
  let writable = () => {}
  const made = {
    written: [] as Array<Uint8Array>,
    buffered: 0,
    isEnded: false,
    isLeftBehind: false,
    over: Effect.andThen(Deferred.succeed(over, undefined), TestClock.adjust(0)),
    /** There is room on it again. */
    drain: () => {
      made.buffered = 0
      writable()
    },
    easeUnsafe: () => {},
    get bufferedUnsafe() {
      return made.buffered
    },
    writeUnsafe: (bytes: Uint8Array) => void made.written.push(bytes),
    onWritableUnsafe: (listener: () => void) => {
      writable = listener
    },
    pull: Effect.andThen(Deferred.await(over), Cause.done()),
    end: Effect.sync(() => {
      made.isEnded = true
    })
  }
  return made
}

const feeding = Effect.gen(function*() {
  const streams: Array<ReturnType<typeof streamOf>> = []
  const feed = new Feed({} as Peers.Peer, {
    open: (() =>
      Effect.sync(() => {
        const stream = streamOf()
        streams.push(stream)
        return stream
      })) as never,
    has: () => true,
    take: () => true,
    give: () => {},
    roomMade: () => {},
    refused: () => {}
  })
  yield* Effect.forkScoped(feed.run, { startImmediately: true })
  const denied = (at: number) =>
    streams[at]!.written.map((bytes) => Records.toSubscriber(bytes.subarray(4)) as { id: number; kind: string })
      .filter(({ kind }) => kind === "denied").map(({ id }) => id)
  return { feed, streams, denied }
})

const topic = {
  index: 1,
  name: "news",
  contract: undefined,
  origin: { epoch: "0123456789abcdef" },
  seq: 0,
  retained: undefined,
  routes: new Set()
} as unknown as Topic
const interest = { id: 1, topic: "news", mode: "buffer", size: 9, drop: "oldest", retained: true } as Offer.Interest

describe("what a peer does not get", () => {
  it.effect("is told it once on each stream, of 256 subscriptions, and of none that it does not say any more", () =>
    Effect.gen(function*() {
      const { denied, feed, streams } = yield* feeding
      feed.deny("a", 1, "contract")
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(denied(0), [1])
      feed.deny("a", 1, "contract")
      feed.deny("b", 1, "not_allowed")
      assert.deepStrictEqual(denied(0), [1, 1])
      for (let id = 2; id < 400; id++) feed.deny("a", id, "contract")
      assert.strictEqual(denied(0).length, 256)
      yield* streams[0]!.over
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(denied(1), denied(0))
      streams[1]!.buffered = Infinity
      feed.forgetDenials()
      feed.deny("c", 500, "contract")
      feed.forgetDenials()
      feed.deny("c", 501, "contract")
      streams[1]!.drain()
      assert.deepStrictEqual(denied(1).slice(256), [501])
      feed.close()
    }))
})

describe("a stream on a session that has given way to another", () => {
  it.effect("is ended, read to its end for some seconds at the most, and followed by another at once", () =>
    Effect.gen(function*() {
      for (const isRead of [true, false]) {
        const { feed, streams } = yield* feeding
        feed.route(topic, [interest])
        yield* TestClock.adjust(0)
        feed.moveIfLeftBehind()
        yield* TestClock.adjust(0)
        assert.deepStrictEqual([streams.length, streams[0]!.isEnded], [1, false])
        streams[0]!.isLeftBehind = true
        feed.moveIfLeftBehind()
        yield* TestClock.adjust("4900 millis")
        assert.deepStrictEqual([streams.length, streams[0]!.isEnded], [1, true])
        if (isRead) yield* streams[0]!.over
        else yield* TestClock.adjust("100 millis")
        assert.strictEqual(streams.length, 2)
        // The topic is told anew.
        assert.strictEqual(streams[1]!.written.length, 1)
        feed.close()
      }
    }))
})
