/** Subscriptions to what a server keeps that loses what it has said to have: the last items of a stream, and positions. */
import { assert, describe, it } from "@effect/vitest"
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream"
import type { KV } from "@nats-io/kv"
import { AnyTrust, Crypto, type Packet, Trust } from "@pnet/core"
import { NodeCrypto } from "@pnet/node"
import { Context, Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Items from "../src/internal/durable/item.ts"
import * as Subscribing from "../src/internal/durable/subscribing.ts"
import * as Subjects from "../src/Subjects.ts"

/** A server with one stream and a bucket, and a node that reads there what it has published itself. */
const world = Effect.gen(function*() {
  const context = yield* Layer.build(AnyTrust.layer.pipe(Layer.provideMerge(NodeCrypto.layer)))
  const [crypto, trust] = [Context.get(context, Crypto.Crypto), Context.get(context, Trust.Trust)]
  const identity = crypto.generateKeyPair()
  const token = Subjects.ofKey(identity.publicKey)
  const sealing = (): Items.Sealing => ({ crypto, networkId: "lab" as Packet.NetworkId, networkKeys: [] })

  /** The numbers that its publisher gave them: the first is the stream's first, and so on. */
  let kept: Array<number> = []
  const itemOf = (number: number) =>
    Items.seal(sealing(), identity, {
      topic: "t",
      from: { name: "ann" as Packet.NodeName, publicKey: identity.publicKey },
      id: `${number}`,
      at: 0,
      run: "0".repeat(2 * Items.runLength),
      number,
      key: "",
      kind: "json",
      payload: new TextEncoder().encode(`${number}`)
    })
  const waiting = new Set<(cause: Error) => void>()
  let start = 1
  const consumer = () => {
    const left = kept.slice(start - 1).map((number, i, all) => ({
      subject: Subjects.make("lab", token, "topic", "t"),
      data: itemOf(number),
      seq: start + i,
      info: { deliverySequence: i + 1, timestampNanos: 1_000_000, pending: all.length - i - 1 }
    }))
    return {
      next: () => left.length > 0 ? Promise.resolve(left.shift()) : new Promise((_, reject) => waiting.add(reject)),
      fetch: () => Promise.resolve(Stream.toAsyncIterable(Stream.fromIterable(left.splice(0)))),
      delete: () => Promise.resolve(true)
    }
  }
  const manager = {
    streams: { info: () => Promise.resolve({ created: "once", state: { last_seq: kept.length } }) },
    consumers: {
      add: (_: string, config: { readonly opt_start_seq: number }) => {
        start = config.opt_start_seq
        return Promise.resolve({ num_pending: Math.max(0, kept.length - start + 1) })
      }
    }
  } as unknown as JetStreamManager
  const js = { consumers: { get: () => Promise.resolve(consumer()) } } as unknown as JetStreamClient

  const positions = new Map<
    string,
    { readonly value: Uint8Array; readonly revision: number; readonly length: number }
  >()
  let revisions = 0
  const bucket = {
    get: (place: string) => Promise.resolve(positions.get(place) ?? null),
    put: (place: string, value: Uint8Array, { previousSeq }: { readonly previousSeq: number }) => {
      if ((positions.get(place)?.revision ?? 0) !== previousSeq) return Promise.reject(new Error("wrong last sequence"))
      positions.set(place, { value, revision: ++revisions, length: value.length })
      return Promise.resolve(revisions)
    }
  } as unknown as KV

  const subscribe = Subscribing.make({
    js,
    manager,
    bucket,
    crypto,
    identity,
    network: "lab",
    token,
    sealing,
    stream: "s",
    trust,
    back: Effect.never
  })
  const got: Array<readonly [unknown, number]> = []
  return {
    got,
    keeps: (...numbers: ReadonlyArray<number>) => {
      kept = [...numbers]
      for (const fail of waiting) fail(new Error("its consumer is gone"))
      waiting.clear()
    },
    positions,
    /** Reads on, and acknowledges what comes when the next is asked for. */
    reading: (options?: Subscribing.SubscribeOptions) =>
      subscribe("t", { position: "p", ...options }).pipe(
        Stream.runForEach(({ missed, value }) => Effect.sync(() => void got.push([value, missed])))
      )
  }
})

/** Whatever is on its way by promises, and what waits for a while. */
const settled = Effect.andThen(
  Effect.repeat(Effect.promise(() => new Promise((resume) => setImmediate(resume))), { times: 5 }),
  TestClock.adjust("1 second")
).pipe(Effect.repeat({ times: 3 }))

describe("a stream that has lost its last items, and gives their numbers again", () => {
  it.effect("is read from its beginning by who has read them, and what came before is handed to nobody", () =>
    Effect.gen(function*() {
      const { got, keeps, reading } = yield* world
      keeps(1, 2, 3)
      yield* Effect.forkScoped(reading())
      yield* settled
      keeps(1, 4)
      yield* settled
      assert.deepStrictEqual(got, [[1, 0], [2, 0], [3, 0], [4, 0]])
    }).pipe(Effect.scoped))

  it.effect("is read from its beginning by whose position is behind its end, once", () =>
    Effect.gen(function*() {
      const { got, keeps, reading } = yield* world
      keeps(1, 2, 3)
      yield* reading({ live: false })
      keeps(1, 4)
      yield* reading({ live: false })
      assert.deepStrictEqual(got.splice(0), [[1, 0], [2, 0], [3, 0], [4, 0]])
      // The position is that of the stream as it is now.
      keeps(1, 4, 5)
      yield* reading({ live: false })
      assert.deepStrictEqual(got, [[5, 0]])
    }).pipe(Effect.scoped))
})

describe("a position that the server has kept for as long as it does", () => {
  for (const [how, lose] of [["is there no more", undefined], ["is marked as gone", new Uint8Array(0)]] as const) {
    it.effect(`and ${how} is written anew by who has it, and is nobody else's`, () =>
      Effect.gen(function*() {
        const { got, keeps, positions, reading } = yield* world
        keeps(1)
        const fiber = yield* Effect.forkScoped(reading())
        yield* settled
        const [place, { revision }] = [...positions][0]!
        if (lose === undefined) positions.delete(place)
        else positions.set(place, { value: lose, revision: revision + 100, length: 0 })
        keeps(1, 2)
        yield* settled
        assert.deepStrictEqual(got, [[1, 0], [2, 0]])
        assert.isUndefined(fiber.pollUnsafe())
        yield* Fiber.interrupt(fiber)
        yield* reading({ live: false })
        assert.strictEqual(got.length, 2)
      }).pipe(Effect.scoped))
  }
})
