/** Reading from a server that lies about what it gives. */
import { assert, describe, it } from "@effect/vitest"
import type { JetStreamClient, JetStreamManager, JsMsg } from "@nats-io/jetstream"
import { Effect, Fiber, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Acknowledging from "../src/internal/durable/acknowledging.ts"
import type { Item } from "../src/internal/durable/item.ts"
import * as Replay from "../src/internal/durable/replay.ts"
import { Runs } from "../src/internal/durable/runs.ts"

interface Said {
  readonly seq: number
  readonly number: number
  readonly nanos?: number
  readonly length?: number
  /** It is of nobody's stream. */
  readonly forged?: boolean
}

/** A server that gives what it is told to, to one consumer after the other. */
const lying = (consumers: ReadonlyArray<ReadonlyArray<Said>>) => {
  const made: Array<{ readonly opt_start_seq?: number; readonly deliver_policy?: string }> = []
  let deleted = 0
  const messageOf = ({ forged, length = 1, nanos = 1_000_000, number, seq }: Said, left: number): JsMsg =>
    ({
      subject: "pnet.n.from.topic.t",
      data: new Uint8Array(length),
      seq,
      get info() {
        if (forged) throw new Error("unable to parse delivery info - not a jetstream message")
        return { deliverySequence: number, timestampNanos: nanos, pending: left }
      }
    }) as unknown as JsMsg
  const parts = {
    stream: "s",
    subject: "pnet.n.*.topic.t",
    consumerName: () => `c${made.length}`,
    manager: {
      consumers: {
        add: (_: string, config: object) => {
          made.push(config)
          return Promise.resolve({ num_pending: consumers[made.length - 1]?.length ?? 0 })
        }
      }
    } as unknown as JetStreamManager,
    js: {
      consumers: {
        get: () => {
          const all = consumers[made.length - 1] ?? []
          const left = all.map((said, i) => messageOf(said, all.length - i - 1))
          return Promise.resolve({
            next: () => Promise.resolve(left.shift() ?? null),
            fetch: ({ max_messages }: { readonly max_messages: number }) =>
              Promise.resolve(
                Stream.toAsyncIterable(Stream.fromIterable(left.splice(0, max_messages)))
              ),
            delete: () => Promise.resolve(++deleted > 0)
          })
        }
      }
    } as unknown as JetStreamClient
  }
  return { parts, made, deleted: () => deleted }
}

describe("Replay", () => {
  it.effect("gives nothing that is before what it gave, or that has no number or no time", () =>
    Effect.gen(function*() {
      const { parts } = lying([[
        { seq: 5, number: 1 },
        { seq: 5, number: 2 },
        { seq: 3, number: 3 },
        { seq: NaN, number: 4 },
        { seq: 2 ** 60, number: 5 },
        { seq: 7, number: 6, nanos: NaN },
        { seq: -1, number: 7 },
        { seq: 9, number: 8 }
      ]])
      const replay = new Replay.Replay(parts, { seq: 4 })
      const { isAll, isBroken, kept } = yield* replay.next
      assert.deepStrictEqual(kept.map(({ seq }) => seq), [5, 9])
      assert.deepStrictEqual([isAll, isBroken], [true, false])
    }))

  it.effect("asks anew, behind the last that came, where the server left something out or gave it twice", () =>
    Effect.gen(function*() {
      const { deleted, made, parts } = lying([
        [{ seq: 1, number: 1 }, { seq: 3, number: 3 }],
        [{ seq: 2, number: 1 }, { seq: 3, number: 1 }],
        [{ seq: 3, number: 1 }]
      ])
      const replay = new Replay.Replay(parts, { seq: 1 })
      const seen: Array<ReadonlyArray<number>> = []
      for (let i = 0; i < 3; i++) {
        const { isBroken, kept } = yield* replay.next
        assert.strictEqual(isBroken, i < 2)
        seen.push(kept.map(({ seq }) => seq))
      }
      assert.deepStrictEqual(seen, [[1], [2], [3]])
      assert.deepStrictEqual(made.map(({ opt_start_seq }) => opt_start_seq), [1, 2, 3])
      // None of them is left at the server.
      assert.strictEqual(deleted(), 2)
      yield* replay.close
      assert.strictEqual(deleted(), 3)
    }))

  it.effect("asks anew where somebody sends what is of no stream to where the answers are awaited", () =>
    Effect.gen(function*() {
      const [none, second] = [{ seq: 0, number: 0, forged: true }, { seq: 2, number: 1 }]
      const { parts } = lying([[none], [{ seq: 1, number: 1 }, none, second], [second]])
      const replay = new Replay.Replay(parts, { seq: 1 })
      const seen: Array<readonly [boolean, ReadonlyArray<number>]> = []
      for (let i = 0; i < 3; i++) {
        const { isBroken, kept } = yield* replay.next
        seen.push([isBroken, kept.map(({ seq }) => seq)])
      }
      assert.deepStrictEqual(seen, [[true, []], [true, [1]], [false, [2]]])
    }))
})

describe("what is read at once", () => {
  it.effect("is no more than 16 MiB, though what came before was short, and nothing of the rest is left out", () =>
    Effect.gen(function*() {
      const short = Array.from({ length: 257 }, (_, i) => i + 1)
      const long = Array.from({ length: 12 }, (_, i) => 258 + i)
      const { deleted, made, parts } = lying([
        [
          ...short.map((seq) => ({ seq, number: seq })),
          ...long.map((seq) => ({ seq, number: seq, length: 5 * 1_048_576 }))
        ],
        long.slice(5).map((seq, i) => ({ seq, number: i + 1 }))
      ])
      const replay = new Replay.Replay(parts, { seq: 1 })
      const read = Effect.map(replay.next, ({ isAll, isBroken, kept }) => {
        assert.isFalse(isBroken)
        return { isAll, seqs: kept.map(({ seq }) => seq) }
      })
      assert.deepStrictEqual(yield* read, { isAll: false, seqs: short })
      assert.deepStrictEqual(yield* read, { isAll: false, seqs: long.slice(0, 5) })
      assert.strictEqual(deleted(), 1)
      assert.deepStrictEqual((yield* read).seqs[0], long[5])
      assert.strictEqual(made.at(-1)!.opt_start_seq, long[5])
    }))
})

describe("what is not acknowledged", () => {
  const item = (number: number, run = "a", payload = new Uint8Array(0)): Item => ({
    topic: "t",
    from: { name: "ann" as Item["from"]["name"], publicKey: "ann" as Item["from"]["publicKey"] },
    id: `${number}`,
    at: 0,
    run,
    number,
    key: "",
    kind: "json",
    payload
  })

  it("holds nothing of values, nor of as many as a publisher likes that are none, and goes on behind these", () => {
    const moved: Array<readonly [number, Runs]> = []
    const acknowledged = Acknowledging.make(
      { moved: (_, seq, runs) => moved.push([seq, new Runs(runs.entries(1_000))]) },
      []
    )
    const era = { made: "made" }
    acknowledged.of(era)
    acknowledged.handed(1, item(1))
    for (let number = 2; number <= 5_000; number++) acknowledged.skipped(number, item(number))
    for (let run = 1; run <= 100; run++) acknowledged.skipped(5_000 + run, item(1, `${run}`))
    acknowledged.handed(5_101, item(5_001))
    acknowledged.upTo(era, 1)
    assert.strictEqual(moved.length, 1)
    const [seq, runs] = moved[0]!
    assert.strictEqual(seq, 5_100)
    // Of those behind it no more runs are remembered than with a position.
    assert.strictEqual(runs.entries(1_000).length, 65)
    assert.isUndefined(runs.take(item(1, "100")))
  })

  it.effect("is a thousand items at the most, and of another stream nothing is acknowledged", () =>
    Effect.gen(function*() {
      const moved: Array<number> = []
      const acknowledged = Acknowledging.make({ moved: (_, seq) => moved.push(seq) }, [])
      const hasRoom = Effect.map(Effect.timeoutOption(acknowledged.room, 1), Option.isSome)
      const era = { made: "made" }
      acknowledged.of(era)
      for (let number = 1; number <= 999; number++) acknowledged.handed(number, item(number))
      assert.isTrue(yield* hasRoom)
      acknowledged.handed(1_000, item(1_000))
      const waiting = yield* Effect.forkChild(hasRoom, { startImmediately: true })
      yield* TestClock.adjust(2)
      assert.isFalse(yield* Fiber.join(waiting))
      acknowledged.upTo({ made: "before" }, 1_000)
      assert.deepStrictEqual(moved, [])
      acknowledged.upTo(era, 1)
      assert.deepStrictEqual(moved, [1])
      assert.isTrue(yield* hasRoom)
    }))

  it("holds none of the values that were handed, or left out", () => {
    setFlagsFromString("--expose-gc")
    const collect = runInNewContext("gc") as () => void
    const held = () => {
      collect()
      return process.memoryUsage().arrayBuffers
    }
    const acknowledged = Acknowledging.make({ moved: () => {} }, [])
    const before = held()
    for (let number = 1; number <= 64; number += 2) {
      acknowledged.handed(number, item(number, "a", new Uint8Array(131_072)))
      acknowledged.skipped(number + 1, item(number + 1, "a", new Uint8Array(131_072)))
    }
    assert.isBelow(held() - before, 4 * 131_072)
    acknowledged.upTo({ made: "" }, 64)
  })
})
