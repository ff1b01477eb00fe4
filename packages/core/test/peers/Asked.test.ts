/** What is remembered of peers of a crowd, so that they can be asked. */
import { assert, describe, it } from "@effect/vitest"
import type { Discovery, NodeOptions, Packet, PublicKey } from "@pnet/core"
import { Effect } from "effect"
import { Addresses } from "../../src/internal/peers/addresses.ts"
import { Asking } from "../../src/internal/peers/asking.ts"
import { Doubts } from "../../src/internal/peers/doubts.ts"
import { Entry } from "../../src/internal/peers/entry.ts"
import { GuardedCrowd } from "../../src/internal/peers/guardedCrowd.ts"
import { Places } from "../../src/internal/peers/places.ts"
import { Table } from "../../src/internal/peers/table.ts"

/** One peer, which was heard at 0, and how often it was asked. */
const onePeer = (interval: number) => {
  const publicKey = "bob's" as PublicKey.PublicKey
  const seen = { name: "bob" as Packet.NodeName, publicKey }
  const entry = new Entry(seen, "10.0.0.1", new Addresses(4, undefined), undefined, 0)
  entry.places = new Places({ host: "10.0.0.1", port: 50_000 })
  const state = { at: 3_000, asked: 0, interval }
  let known: Discovery.Known | undefined
  const asking = new Asking({
    config: {
      broadcastInterval: "2500 millis",
      limits: { doubts: 8, unprovedPeers: 8 }
    } as unknown as NodeOptions.NodeConfig["Service"],
    crowd: {
      attend: (told) => {
        known = told
      },
      interval: () => state.interval,
      who: () =>
        Effect.sync(() => {
          state.asked++
          return true
        }),
      doubt: () => Effect.void
    },
    table: {
      size: 1,
      keys: () => [publicKey],
      entries: () => [entry],
      find: () => entry,
      at: () => entry
    } as unknown as Table,
    // In each slice one is drawn.
    random: { nextDoubleUnsafe: () => 0, nextIntUnsafe: () => 0 },
    now: () => state.at,
    run: Effect.runFork
  })
  const round = (frozen: boolean) =>
    Effect.sync(() => {
      state.at += 500
      return asking.round(state.at, frozen).length
    })
  return { asking, entry, state, round, doubted: () => known!.doubted(publicKey, "10.0.0.2") }
}

describe("peers of a crowd", () => {
  it("that wait to be asked take room of the oldest host where many name some, and 32 of one", () => {
    const doubts = new Doubts()
    const key = (i: number) => String(i) as PublicKey.PublicKey
    for (let i = 0; i < 100; i++) doubts.add({ publicKey: key(i), host: "one" })
    for (let i = 0; i < 100; i++) doubts.add({ publicKey: key(i), host: `host${i}` })
    const hosts: Array<string> = []
    while (doubts.takeIf(({ host }) => hosts.push(host) > 0 ? "taken" : "full"));
    assert.deepStrictEqual(hosts, Array.from({ length: 64 }, (_, i) => `host${36 + i}`))
    for (let i = 0; i < 100; i++) doubts.add({ publicKey: key(i), host: "one" })
    let count = 0
    while (doubts.takeIf(() => ++count > 0 ? "taken" : "full"));
    assert.strictEqual(count, 32)
    assert.isTrue(doubts.isEmpty)
  })

  it("have four places at most: whoever makes some up pushes out what he made up, and what was not heard for long goes", () => {
    const of = (port: number, host = "10.0.0.1") => ({ host, port })
    const places = new Places(of(1))
    places.hear(of(1, "10.0.1.1"), 1_000, 10_000)
    for (let port = 2; port < 50; port++) places.hear(of(port), 1_000 + port, 10_000)
    const all = () => Array.from({ length: places.count }, (_, i) => places.at(i))
    assert.deepStrictEqual(all(), [of(49), of(1), of(1, "10.0.1.1"), of(2)])
    assert.deepStrictEqual(places.at(4), of(49))
    places.hear(of(1), 15_000, 10_000)
    assert.deepStrictEqual(all(), [of(1), of(49)])
  })

  it("stand each at one place of the table, so that one can be drawn, also when others have left", () => {
    const table = new Table({ provedPeers: 10, unprovedPeers: 10 })
    const entries = Array.from({ length: 6 }, (_, i) => {
      const seen = { name: `node${i}` as Packet.NodeName, publicKey: String(i) as PublicKey.PublicKey }
      return new Entry(seen, "10.0.0.1", new Addresses(4, undefined), undefined, 0)
    })
    for (const entry of entries) table.enter(entry, false)
    const all = () => Array.from({ length: table.size }, (_, i) => table.at(i)?.peer.name as string).sort()
    assert.deepStrictEqual(all(), entries.map(({ peer: { name } }) => name))
    for (const gone of [2, 5, 0]) table.remove(entries[gone]!)
    assert.deepStrictEqual(all(), ["node1", "node3", "node4"])
    assert.isUndefined(table.at(3))
  })

  it.effect("that others named are no suspects for a question of a time in which this process was frozen", () =>
    Effect.gen(function*() {
      const { doubted, round, state } = onePeer(2_500)
      doubted()
      const silent = yield* Effect.forEach([false, true, true, false], round)
      assert.deepStrictEqual([silent, state.asked], [[0, 0, 0, 0], 3])
      assert.strictEqual(yield* round(false), 1)
      assert.strictEqual(state.asked, 3)
    }))

  it.effect("that are drawn are suspects when they have not answered three questions", () =>
    Effect.gen(function*() {
      const { round, state } = onePeer(10_000)
      let rounds = 0
      while ((yield* round(false)) === 0 && rounds < 100) rounds++
      assert.isBelow(rounds, 100)
      assert.strictEqual(state.asked, 3)
    }))

  it.effect("that are named while they are asked are asked on, and not anew", () =>
    Effect.gen(function*() {
      const { doubted, round, state } = onePeer(10_000)
      let rounds = 0
      while (state.asked === 0 && rounds++ < 100) yield* round(false)
      doubted()
      while ((yield* round(false)) === 0 && rounds++ < 100);
      assert.isBelow(rounds, 100)
      assert.strictEqual(state.asked, 3)
    }))

  it.effect("that are quiet, of few, are asked three times, a slice apart, and are no suspects for that they do not answer", () =>
    Effect.gen(function*() {
      const { asking, entry, round, state } = onePeer(2_500)
      assert.strictEqual(asking.quietAt(entry), 5_625)
      state.at = 6_000
      asking.askQuiet(entry, state.at)
      const asked = [state.asked]
      let silent = 0
      for (let i = 0; i < 6; i++) {
        silent += yield* round(false)
        asked.push(state.asked)
      }
      assert.deepStrictEqual([asked, silent], [[1, 2, 3, 3, 3, 3, 3], 0])
      // Not asked again for the same silence, and for the next.
      assert.isUndefined(asking.quietAt(entry))
      entry.heardAt = state.at + 1
      yield* round(false)
      assert.strictEqual(asking.quietAt(entry), entry.heardAt + 5_625)
    }))

  it.effect("that are quiet and that others name then are asked once more, and are suspects", () =>
    Effect.gen(function*() {
      const { asking, doubted, entry, round, state } = onePeer(2_500)
      asking.askQuiet(entry, state.at)
      doubted()
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* round(false), 0)
      assert.strictEqual(state.asked, 3)
      state.at += 10_000
      doubted()
      const silent = yield* Effect.forEach([1, 2, 3], () => round(false))
      assert.deepStrictEqual([silent, state.asked], [[0, 0, 1], 4])
    }))

  it.effect("that were quiet before there was a crowd are drawn as any there, and are suspects when they do not answer then", () =>
    Effect.gen(function*() {
      const { asking, entry, round, state } = onePeer(2_500)
      asking.askQuiet(entry, state.at)
      for (let i = 0; i < 4; i++) assert.strictEqual(yield* round(false), 0)
      assert.strictEqual(state.asked, 3)
      state.interval = 25_000
      const silent = yield* Effect.forEach([1, 2, 3, 4], () => round(false))
      assert.deepStrictEqual([silent, state.asked], [[0, 0, 0, 1], 6])
    }))

  it.effect("that were quiet before there was a crowd are suspects as any that are silent there", () =>
    Effect.gen(function*() {
      const { asking, entry, round, state } = onePeer(2_500)
      asking.askQuiet(entry, state.at)
      for (let i = 0; i < 4; i++) assert.strictEqual(yield* round(false), 0)
      state.interval = 5_000
      assert.isTrue(asking.asksFirst(entry, state.at))
      assert.strictEqual(yield* round(false), 1)
    }))

  for (
    const [how, fault] of [
      ["throws", () => {
        throw new Error("no socket")
      }],
      ["gives what is no effect", () => undefined as never],
      ["gives one that dies", () => Effect.die(new Error("no socket"))]
    ] as const
  ) {
    it.effect(`are asked, and named, as nobody where a discovery ${how} for that`, () =>
      Effect.gen(function*() {
        const crowd = new GuardedCrowd({ attend: fault, interval: fault, who: fault, doubt: fault } as never, 2_500)
        assert.isFalse(yield* crowd.who({ host: "10.0.0.1", port: 50_000 }))
        yield* crowd.doubt("bob's" as PublicKey.PublicKey, () => true)
      }))
  }
})
