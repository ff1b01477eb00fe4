/**
 * Whole nodes on a LAN of many, protocol section 7, "A crowd". The budget is small here, so that few nodes are many; the usual one is
 * `pnpm lab membership crowd`'s.
 */
import { assert, describe, it } from "@effect/vitest"
import type { PublicKey } from "@pnet/core"
import * as Crowd from "@pnet/lab/membership/crowd"
import { advertPacket } from "@pnet/testing/DiscoverySuite"
import { Clock, Effect, type Scope } from "effect"
import * as CrowdPackets from "../../src/internal/wire/crowdPackets.ts"

const test = (title: string, body: Effect.Effect<void, never, Scope.Scope>) =>
  it.effect(title, () => Crowd.alone(body), 60_000)

type Opened = Effect.Success<ReturnType<typeof Crowd.open>>

const keyOf = ({ node }: Opened["nodes"][number]): PublicKey.PublicKey => node.publicKey

/** Forty nodes, each of which broadcasts every ten seconds. */
const forty = { seed: 1, nodes: 40, loss: 0, broadcastBudget: 4 }

const quick = (times: ReadonlyArray<number>) => times.at(-1) ?? Infinity

describe("a crowd", () => {
  // With losses it is `pnpm lab membership`.
  it.effect(
    "of 40 nodes at 0 % loss keeps to its budget, knows a newcomer within 1 s and is known to it within 2, misses a leaver within 1 and a crashed node within 15",
    () =>
      Effect.gen(function*() {
        const measured = yield* Crowd.measure({
          seed: 2,
          nodes: 40,
          loss: 0,
          broadcastBudget: 4,
          startWithin: 5,
          settle: 15
        })
        // A tenth of an interval either way, and what asks and their answers take.
        assert.isAtMost(measured.broadcasts, 4 * 1.4)
        assert.isAtLeast(measured.broadcasts, 4 * 0.8)
        // Each asks 1.2 others a second, by chance, and is answered; no silence is long enough for more.
        assert.isAtMost(measured.unicasts, 40 * 1.2 * 2 * 1.4)
        assert.strictEqual(measured.known.length, 40)
        assert.isAtMost(quick(measured.known), 1_000)
        assert.strictEqual(measured.knows.length, 40)
        assert.isAtMost(quick(measured.knows), 2_000)
        assert.strictEqual(measured.left.length, 39)
        assert.isAtMost(quick(measured.left), 1_000)
        assert.strictEqual(measured.lost.length, 39)
        assert.isAtMost(quick(measured.lost), 15_000)
        assert.deepStrictEqual(measured.falseLosses, [])
        // The crashed one, by each. Who answers is no suspect.
        assert.isAtMost(measured.suspicions, 39)
      }),
    60_000
  )

  test(
    "of several versions gets along: nodes that broadcast always, and are never asked, are known and missed as the others",
    Effect.gen(function*() {
      const { network, nodes, start } = yield* Crowd.open({ ...forty, nodes: 30 })
      const old = yield* Effect.forEach(["old1", "old2", "old3"], (name) => start(name, { broadcastBudget: 10_000 }))
      const hosts = new Set(old.map(({ host }) => host.address))
      yield* network.intercept(({ host, payload, to }) => {
        const type = Buffer.from(payload.subarray(5, 8)).toString()
        const concerns = hosts.has(to.slice(0, to.lastIndexOf(":"))) || host.startsWith("old")
        return concerns && (type === "who" || type === "ask") ? "drop" : "pass"
      })
      yield* Effect.sleep("15 seconds")
      for (const one of [...nodes, ...old]) assert.strictEqual(yield* Crowd.knownTo(one), 32)
      const lost: Array<string> = []
      const suspected: Array<string> = []
      yield* Crowd.watch([...nodes, ...old], (by, event) => {
        if (event._tag === "Lost") lost.push(`${by.node.name} lost ${event.peer.name}`)
        if (event._tag === "Suspected") suspected.push(by.node.name)
      })
      yield* Effect.sleep("40 seconds")
      assert.deepStrictEqual(lost, [])
      // Old ones ask by a connection whoever is silent for three of their intervals. The others have heard old ones, or ask before.
      assert.isNotEmpty(suspected)
      assert.deepStrictEqual(suspected.filter((name) => !name.startsWith("old")), [])
      yield* old[0]!.host.crash
      yield* nodes[0]!.host.crash
      yield* Effect.sleep("15 seconds")
      // Two old ones and 29 others have lost both, and only them.
      assert.strictEqual(lost.length, 2 * 31)
      assert.isTrue(lost.every((line) => / lost (old1|node0)$/.test(line)))
    })
  )
})

describe("a liar in a crowd", () => {
  test(
    "who names everybody again and again makes nobody lose anybody, and each ask few",
    Effect.gen(function*() {
      const opened = yield* Crowd.open(forty)
      const { clear, connects, crypto, network, nodes, sent } = opened
      yield* Effect.sleep("15 seconds")
      let suspected = 0
      let lost = 0
      yield* Crowd.watch(nodes, (_, event) => {
        if (event._tag === "Suspected") suspected++
        if (event._tag === "Lost") lost++
      })
      const liar = yield* network.host("liar")
      const keys = nodes.map(keyOf)
      const from = `${liar.address}:6000`
      const publicKey = crypto.generateKeyPair().publicKey
      clear()
      for (let i = 0; i < 40; i++) {
        for (let at = 0; at < keys.length; at += CrowdPackets.keysPerAsk) {
          const named = keys.slice(at, at + CrowdPackets.keysPerAsk).join(",")
          const payload = new TextEncoder().encode(`pnet|ask|${named}|${publicKey}|END\n`) as Uint8Array
          yield* network.inject(liar, { from, to: "10.0.255.255:3334", payload })
        }
        yield* Effect.sleep(100)
      }
      assert.strictEqual(lost, 0)
      // Who is named says that it is there, or is asked by a datagram. Few of those that are asked by all at once are asked by a connection.
      assert.isAtMost(suspected, 40 * 4 / 5)
      assert.isAtMost(connects(), 2 * suspected)
      // What was said for it, the liar's own not counted: at most twice the budget a second, and what was under way.
      assert.isAtMost(sent.broadcasts, 2 * 4 * 4 + 40)
    })
  )

  test(
    "who names everybody at once, now and then, has few broadcast, whoever hears first that there is no room for more",
    Effect.gen(function*() {
      const { clear, crypto, network, nodes, sent } = yield* Crowd.open({ ...forty, nodes: 60, broadcastBudget: 6 })
      yield* Effect.sleep("15 seconds")
      const liar = yield* network.host("liar")
      const keys = nodes.map(keyOf)
      const { publicKey } = crypto.generateKeyPair()
      clear()
      for (let i = 0; i < 3; i++) {
        for (let at = 0; at < keys.length; at += CrowdPackets.keysPerAsk) {
          const named = keys.slice(at, at + CrowdPackets.keysPerAsk).join(",")
          const payload = new TextEncoder().encode(`pnet|ask|${named}|${publicKey}|END\n`) as Uint8Array
          yield* network.inject(liar, { from: `${liar.address}:6000`, to: "10.0.255.255:3334", payload })
        }
        yield* Effect.sleep(2_100)
      }
      // Twice the budget each time, what is under way when that is reached, and what they say anyway. All, twice, were 120.
      assert.isAtMost(sent.broadcasts, 3 * 6 * 6)
    })
  )

  test(
    "with adverts from a broadcast address has nobody ask there",
    Effect.gen(function*() {
      const { clear, crypto, network, nodes, sent } = yield* Crowd.open({ ...forty, broadcastBudget: 4 })
      yield* Effect.sleep("15 seconds")
      const liar = yield* network.host("liar")
      const keys: Array<PublicKey.PublicKey> = []
      for (let i = 0; i < 64; i++) {
        const { publicKey } = crypto.generateKeyPair()
        keys.push(publicKey)
        const advert = { networkId: "pnet", name: `made-up-${i}`, host: "10.0.255.255", port: 4_000 + i, publicKey }
        const payload = advertPacket(crypto, advert)
        yield* network.inject(liar, { from: "10.0.255.255:3334", to: "10.0.255.255:3334", payload })
      }
      yield* Effect.sleep("3 seconds")
      assert.strictEqual(yield* Crowd.knownTo(nodes[0]!), 39 + 64)
      clear()
      for (let i = 0; i < 4; i++) {
        const named = keys.slice(8 * i, 8 * i + 8).join(",")
        const payload = new TextEncoder().encode(`pnet|ask|${named}|${keys[0]}|END\n`) as Uint8Array
        yield* network.inject(liar, { from: `${liar.address}:6000`, to: "10.0.255.255:3334", payload })
        yield* Effect.sleep("1 second")
      }
      // Each would have asked all of 8 a second, and been answered by all: 1,280 broadcasts.
      assert.isAtMost(sent.broadcasts, 100)
    })
  )

  test(
    "who names those that do not say that they are there makes each node ask at most limits.doubts of them a second",
    Effect.gen(function*() {
      const { clear, crypto, network, nodes, sent } = yield* Crowd.open({ ...forty, nodes: 60, broadcastBudget: 6 })
      yield* Effect.sleep("15 seconds")
      const liar = yield* network.host("liar")
      const { publicKey } = crypto.generateKeyPair()
      const payloads = [nodes.slice(0, 16), nodes.slice(16, 32)].map((named) =>
        new TextEncoder().encode(`pnet|ask|${named.map(keyOf).join(",")}|${publicKey}|END\n`) as Uint8Array
      )
      // No word of theirs comes out, as if their switch dropped it. Questions do.
      const silent = new Set(nodes.slice(0, 32).map(({ host }) => host.name))
      yield* network.intercept(({ host, protocol }) => silent.has(host) && protocol === "udp" ? "drop" : "pass")
      const doubted: Array<number> = []
      yield* Crowd.watch(nodes.slice(32, 33), (_, event, at) => {
        if (event._tag === "Suspected") doubted.push(at)
      })
      clear()
      for (let i = 0; i < 20; i++) {
        const payload = payloads[i % 2]!
        yield* network.inject(liar, { from: `${liar.address}:6000`, to: "10.0.255.255:3334", payload })
        yield* Effect.sleep(50)
      }
      yield* Effect.sleep("3 seconds")
      // Eight a second by that, and what it asks of itself.
      assert.isAtLeast(doubted.length, 14)
      for (const from of doubted) assert.isAtMost(doubted.filter((at) => at >= from && at < from + 1_000).length, 14)
      assert.isAbove(sent.connections, 0)
    })
  )

  test(
    "with made-up nodes of keys next to a victim's, who answers for them, keeps nobody from missing the victim",
    Effect.gen(function*() {
      const { crypto, network, nodes } = yield* Crowd.open(forty)
      yield* Effect.sleep("5 seconds")
      const victim = nodes[0]!
      const liar = yield* network.host("liar")
      const stays = yield* Effect.forkScoped(Effect.forever(Effect.gen(function*() {
        for (let i = 0; i < 60; i++) {
          const { publicKey } = made[i] ??= crypto.generateKeyPair()
          const payload = advertPacket(crypto, {
            networkId: "pnet",
            name: `made-up-${i}`,
            host: liar.address,
            port: 4_000 + i,
            publicKey
          })
          yield* network.inject(liar, { from: `${liar.address}:${6_000 + i}`, to: "10.0.255.255:3334", payload })
        }
        yield* Effect.sleep(1_000)
      })))
      yield* Effect.sleep("10 seconds")
      assert.strictEqual(yield* Crowd.knownTo(nodes[1]!), 99)
      const lost: Array<number> = []
      const crashedAt = yield* Clock.currentTimeMillis
      yield* Crowd.watch(nodes.slice(1), (_, event, at) => {
        if (event._tag === "Lost" && event.peer.name === victim.node.name) lost.push(at - crashedAt)
      })
      yield* victim.host.crash
      yield* Effect.sleep("15 seconds")
      assert.strictEqual(lost.length, 39)
      assert.isUndefined(stays.pollUnsafe())
    })
  )

  test(
    "with adverts of made-up nodes at a host that says nothing has few ask there, of all of them together",
    Effect.gen(function*() {
      const { clear, connects, crypto, network, nodes } = yield* Crowd.open({ ...forty, broadcastBudget: 1_000 })
      yield* Effect.sleep("5 seconds")
      const victim = yield* network.host("victim")
      const from = (i: number) => `${victim.address}:${6_000 + i}`
      for (let i = 0; i < 64; i++) {
        const { publicKey } = crypto.generateKeyPair()
        const payload = advertPacket(crypto, {
          networkId: "pnet",
          name: `made-up-${i}`,
          host: victim.address,
          port: 4_000 + i,
          publicKey
        })
        yield* network.inject(victim, { from: from(i), to: "10.0.255.255:3334", payload })
      }
      yield* Effect.sleep("1 second")
      assert.strictEqual(yield* Crowd.knownTo(nodes[1]!), 103)
      yield* victim.crash
      clear()
      const perSecond: Array<number> = []
      for (let i = 0; i < 20; i++) {
        const before = connects()
        yield* Effect.sleep("1 second")
        perSecond.push(connects() - before)
      }
      // Two at a time at each node, six tries in three and a half seconds, each of which a system repeats. Without that they were 10,000.
      assert.isAtMost(Math.max(...perSecond), 40 * 12)
      assert.isAtMost(perSecond.reduce((sum, one) => sum + one), 40 * 90)
      // And they are gone by their silence.
      assert.strictEqual(yield* Crowd.knownTo(nodes[1]!), 39)
    })
  )
})

const made: Array<{ readonly publicKey: PublicKey.PublicKey }> = []

describe("a crowd whose network fails", () => {
  test(
    "that was in two parts is one again within two intervals, and nothing storms",
    Effect.gen(function*() {
      const { clear, connects, network, nodes, sent } = yield* Crowd.open(forty)
      yield* Effect.sleep("10 seconds")
      const [one, two] = [nodes.slice(0, 20), nodes.slice(20)]
      yield* network.partition(one.map(({ host }) => host), two.map(({ host }) => host))
      yield* Effect.sleep("25 seconds")
      for (const node of nodes) assert.strictEqual(yield* Crowd.knownTo(node), 19)
      yield* network.heal()
      const lost: Array<string> = []
      yield* Crowd.watch(nodes, (by, event) => {
        if (event._tag === "Lost") lost.push(`${by.node.name} lost ${event.peer.name}`)
      })
      const most = { broadcasts: 0, unicasts: 0 }
      const all = { unicasts: 0, asks: 0, connects: 0 }
      for (let second = 0; second < 12; second++) {
        clear()
        yield* Effect.sleep("1 second")
        most.broadcasts = Math.max(most.broadcasts, sent.broadcasts)
        most.unicasts = Math.max(most.unicasts, sent.unicasts)
        all.unicasts += sent.unicasts
        all.asks += sent.asks
        all.connects += connects()
      }
      for (const node of nodes) assert.strictEqual(yield* Crowd.knownTo(node), 39)
      clear()
      yield* Effect.sleep("18 seconds")
      assert.deepStrictEqual(lost, [])
      assert.deepStrictEqual([all.asks + sent.asks, all.connects + connects()], [0, 0])
      // Each is new to twenty, or to those that have not met it meanwhile: of these some answer, and ask, and are answered. And 1.2 questions
      // a second of each, and their answers. If all of them answered it were 2,800.
      assert.isAtMost(all.unicasts, 2_600)
      // Twenty nodes a side say their adverts every five seconds each, and all started at once: of some seeds half do within one second.
      assert.isAtMost(most.broadcasts, 40 / 2 + 5)
      // Ten answers of each at most, with the questions behind them, and some answers to those.
      assert.isAtMost(most.unicasts, 40 * 25)
    })
  )

  test(
    "by a switch that drops half of all broadcasts loses nobody, and misses a crashed node",
    Effect.gen(function*() {
      const { clear, connects, network, nodes, sent } = yield* Crowd.open(forty)
      yield* Effect.sleep("3 seconds")
      let state = 1
      yield* network.intercept(({ to }) => {
        state = Math.imul(state, 1_103_515_245) + 12_345 >>> 0
        return to.endsWith(".255:3334") && state >>> 31 === 1 ? "drop" : "pass"
      })
      const lost: Array<string> = []
      yield* Crowd.watch(nodes, (by, event) => {
        if (event._tag === "Lost") lost.push(`${by.node.name} ${event.peer.name}`)
      })
      yield* Effect.sleep("20 seconds")
      clear()
      yield* Effect.sleep("20 seconds")
      assert.deepStrictEqual(lost, [])
      // Who missed three of its adverts asks a node by a datagram first: by connections they were over a hundred.
      assert.isAtMost(connects(), 10)
      // Whatever was heard each asks 1.2 others a second, and is answered.
      assert.isAtLeast(sent.unicasts / 20, 40 * 1.2 * 2 * 0.9)
      assert.isAtMost(sent.unicasts / 20, 40 * 1.2 * 2 * 1.2)
      yield* nodes[0]!.host.crash
      yield* Effect.sleep("15 seconds")
      assert.strictEqual(lost.filter((line) => line.endsWith(" node0")).length, 39)
      assert.strictEqual(lost.length, 39)
    })
  )

  test(
    "loses nobody at 10 % loss where each is frozen for 2 s again and again",
    Effect.gen(function*() {
      const { nodes } = yield* Crowd.open({ ...forty, loss: 0.1 })
      yield* Effect.sleep("10 seconds")
      const lost: Array<string> = []
      let suspected = 0
      yield* Crowd.watch(nodes, (by, event) => {
        if (event._tag === "Lost") lost.push(`${by.node.name} lost ${event.peer.name}: ${event.reason}`)
        if (event._tag === "Suspected") suspected++
      })
      for (const [i, { process }] of nodes.entries()) {
        yield* Effect.forkScoped(Effect.forever(Effect.gen(function*() {
          yield* Effect.sleep(3_000 + (i * 7_919) % 20_000)
          yield* process.pause
          yield* Effect.ensuring(Effect.sleep("2 seconds"), process.resume)
          yield* Effect.sleep("10 seconds")
        })))
      }
      yield* Effect.sleep("35 seconds")
      assert.deepStrictEqual(lost, [])
      assert.isAbove(suspected, 0)
    })
  )

  test(
    "of which most leave at once loses none of the others: who was silent for long by then has time to answer, where packets are lost",
    Effect.gen(function*() {
      // They broadcast every 15 seconds, and as few every 2.5, by which six intervals are as long.
      const { nodes } = yield* Crowd.open({ ...forty, nodes: 60, loss: 0.1 })
      yield* Effect.sleep("25 seconds")
      const [others, leavers] = [nodes.slice(0, 10), nodes.slice(10)]
      const lost: Array<string> = []
      let suspected = 0
      yield* Crowd.watch(others, (by, event) => {
        const isThere = "peer" in event && others.some(({ node }) => node.publicKey === event.peer.publicKey)
        if (event._tag === "Lost" && isThere) lost.push(`${by.node.name} lost ${event.peer.name}: ${event.reason}`)
        if (event._tag === "Suspected") suspected++
      })
      yield* Effect.forEach(leavers, ({ process }) => process.stop, { concurrency: "unbounded" })
      yield* Effect.sleep("10 seconds")
      assert.isAbove(suspected, 0)
      assert.deepStrictEqual(lost, [])
    })
  )
})

describe("newcomers in a crowd", () => {
  test(
    "that are not heard when they ask first ask again, and know all within two seconds",
    Effect.gen(function*() {
      const { network, start } = yield* Crowd.open(forty)
      yield* Effect.sleep("10 seconds")
      let asked = 0
      yield* network.intercept(({ host, payload, to }) => {
        const isQuestion = host === "newcomer" && to.endsWith(".255:3334") &&
          Buffer.from(payload.subarray(5, 8)).toString() === "who"
        return isQuestion && asked++ === 0 ? "drop" : "pass"
      })
      const newcomer = yield* start("newcomer")
      yield* Effect.sleep("2 seconds")
      assert.strictEqual(yield* Crowd.knownTo(newcomer), 40)
      // One that was dropped, and two that brought nobody.
      assert.isAtMost(asked, 5)
    })
  )

  test(
    "on one machine know all within four seconds, though each node answers five of them in a second",
    Effect.gen(function*() {
      const { network, nodes, start } = yield* Crowd.open({ seed: 1, nodes: 20, loss: 0, broadcastBudget: 1 })
      yield* Effect.sleep("10 seconds")
      const host = yield* network.host("newcomers")
      const names = Array.from({ length: 10 }, (_, i) => `newcomer${i}`)
      const newcomers = yield* Effect.forEach(names, (name) => start(name, {}, host), { concurrency: "unbounded" })
      yield* Effect.sleep("4 seconds")
      const known = yield* Effect.forEach(newcomers, Crowd.knownTo)
      assert.deepStrictEqual(known, newcomers.map(() => nodes.length + newcomers.length - 1))
    })
  )

  test(
    "of which only a few are whole, and the others light, live as among whole ones",
    Effect.gen(function*() {
      const measured = yield* Crowd.measuring({
        seed: 1,
        nodes: 6,
        light: 114,
        loss: 0.05,
        broadcastBudget: 12,
        startWithin: 2,
        settle: 10
      })
      assert.isAtMost(measured.broadcasts, 12 * 1.4)
      // Each asks 1.2 a second, most of whom answer.
      assert.isAtLeast(measured.unicasts, 120 * 2)
      assert.isAtMost(measured.unicasts, 120 * 4)
      assert.strictEqual(measured.known.length, 6)
      assert.isAtMost(quick(measured.known), 1_000)
      assert.strictEqual(measured.knows.length, 120)
      assert.isAtMost(quick(measured.knows), 2_000)
      assert.strictEqual(measured.left.length, 5)
      assert.strictEqual(measured.lost.length, 5)
      assert.isAtMost(quick(measured.lost), 15_000)
      assert.deepStrictEqual(measured.falseLosses, [])
    })
  )

  test(
    "that are made up, and ask all, are answered by each node at a bounded rate, and fill no more than their address's share",
    Effect.gen(function*() {
      const { clear, crypto, network, nodes, sent } = yield* Crowd.open(forty)
      yield* Effect.sleep("10 seconds")
      const attacker = yield* network.host("attacker")
      const bits = Buffer.alloc(70, 0)
      bits[0] = 1
      const request = bits.toString("base64url") + "=".repeat((4 - bits.toString("base64url").length % 4) % 4)
      clear()
      for (let i = 0; i < 250; i++) {
        const { publicKey } = many[i] ??= crypto.generateKeyPair()
        const text = `pnet|who|${request},made-up-${i}@${attacker.address}:4000|${publicKey}|END\n`
        yield* network.inject(attacker, {
          from: `${attacker.address}:${6_000 + i}`,
          to: "10.0.255.255:3334",
          payload: new TextEncoder().encode(text) as Uint8Array
        })
        yield* Effect.sleep(10)
      }
      // Five a second of each node to that address, and what they ask each other and those that they have entered.
      assert.isAtMost(sent.unicasts / 2.5, 40 * (5 + 6))
      for (const one of nodes) assert.isAtMost(yield* Crowd.knownTo(one), 39 + 64)
    })
  )
})

const many: Array<{ readonly publicKey: PublicKey.PublicKey }> = []
