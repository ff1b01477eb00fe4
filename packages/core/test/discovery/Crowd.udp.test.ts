/** The letter of protocol section 7, "A crowd": what a node says on a LAN of many, where it knows so many as the test says. */
import { assert, describe, it } from "@effect/vitest"
import { Crypto, Discovery, NetworkKey, NodeOptions, Packet, PortableCrypto, PublicKey, UdpDiscovery } from "@pnet/core"
import { SimNetwork } from "@pnet/testing"
import { advertPacket } from "@pnet/testing/DiscoverySuite"
import { Clock, Context, Effect, Exit, Layer, Logger, Metric, Redacted, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as AdvertExchange from "../../src/internal/wire/advertExchange.ts"
import * as CrowdPackets from "../../src/internal/wire/crowdPackets.ts"
import * as NetworkCipher from "../../src/internal/wire/networkCipher.ts"

interface Sent {
  readonly at: number
  readonly host: string
  readonly from: string
  readonly to: string
  readonly type: string
  readonly payload: Uint8Array
}

const textOf = (payload: Uint8Array) => Buffer.from(payload).toString()
const isBroadcast = ({ to }: Sent) => to.endsWith(".255:3334")

const setUp = Effect.gen(function*() {
  const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
  const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
  const clock = yield* Clock.Clock
  const sent: Array<Sent> = []
  yield* network.intercept(({ from, host, payload, protocol, to }) => {
    if (protocol === "udp") {
      const type = textOf(payload).split("|")[1]!
      sent.push({ at: clock.currentTimeMillisUnsafe(), host, from, to, type, payload: payload.slice() })
    }
    return "pass"
  })
  const keys = Array.from({ length: 1_000 }, (_, i) => {
    const bytes = Uint8Array.from({ length: 32 }, (_, j) => j < 2 ? i >> 8 * j : (i * 7 + j * 31) % 256)
    bytes[31]! &= 0x3f
    return PublicKey.fromBytes(bytes)!
  })
  return {
    network,
    crypto,
    sent,
    /** Keys of others. */
    keys,
    clear: () => void sent.splice(0),
    of: (host: string, type: string) => sent.filter((one) => one.host === host && one.type === type)
  }
})

type World = Effect.Success<typeof setUp>

const pass = (millis: number) =>
  Effect.gen(function*() {
    for (let i = 0; i < 20; i++) yield* Effect.yieldNow
    yield* TestClock.adjust(millis)
    for (let i = 0; i < 20; i++) yield* Effect.yieldNow
  })

/** A node that knows so many others, by their keys; it answers adverts of others, which some do by chance, where the test says so. */
const nodeThatKnows = (world: World, name: string, count: number, options: Partial<NodeOptions.Input> = {}) =>
  Effect.gen(function*() {
    const host = yield* world.network.host(name)
    const layer = UdpDiscovery.layer.pipe(
      Layer.provideMerge(NodeOptions.layer({ name, bindIp: "0.0.0.0", ...options })),
      Layer.provide(PortableCrypto.layer)
    )
    const process = yield* host.launch(layer)
    const discovery = Context.get(process.context, Discovery.Discovery)
    const state = { count, answers: false }
    const doubted: Array<readonly [PublicKey.PublicKey, string | undefined]> = []
    discovery.crowd!.attend({
      size: () => state.count,
      keys: () => world.keys.slice(0, state.count),
      doubted: (key, host) => void doubted.push([key, host])
    })
    const sighted: Array<Discovery.Sighting> = []
    const known = new Set<string>()
    yield* process.run(discovery.forEach!((sighting) => {
      sighted.push(sighting)
      if (!state.answers || known.has(sighting.publicKey)) return
      known.add(sighting.publicKey)
      Effect.runFork(sighting.answer)
    }))
    const config = Context.get(process.context, NodeOptions.NodeConfig)
    return {
      host,
      process,
      crowd: discovery.crowd!,
      sighted,
      doubted,
      state,
      publicKey: config.identity.publicKey,
      advertise: process.run(discovery.advertise({ host: host.address, port: 4_000 }))
    }
  })

/** What a stranger says, in clear or under a key. */
const voiceOf = (world: World, name: string, networkKey?: Redacted.Redacted<Uint8Array>) =>
  Effect.gen(function*() {
    const host = yield* world.network.host(name)
    const clock = yield* Clock.Clock
    const networkId = Packet.NetworkId.make("pnet")
    const self: AdvertExchange.Self = {
      networkId,
      name: Packet.NodeName.make(name),
      identity: world.crypto.generateKeyPair(),
      cipher: NetworkCipher.make({
        crypto: world.crypto,
        clock,
        networkId,
        keys: networkKey === undefined ? [] : [networkKey]
      })
    }
    const endpoint = { host: host.address, port: 4_000 }
    return {
      host,
      self,
      send: (payload: Uint8Array, to = "10.0.0.255:3334", from = `${host.address}:6000`) =>
        world.network.inject(host, { from, to, payload }),
      who: (request?: CrowdPackets.Request) => CrowdPackets.who(self, endpoint, request),
      advert: AdvertExchange.packet(self, endpoint),
      packet: (type: Packet.PacketType, text: string) =>
        Packet.encode({
          networkId,
          type,
          content: self.cipher.seal(type, self.identity.publicKey, new TextEncoder().encode(text) as Uint8Array),
          publicKey: self.identity.publicKey
        })
    }
  })

/** A node that knows so many, whose first adverts are said, and a stranger that it has not heard. */
const heardBy = (count: number) =>
  Effect.gen(function*() {
    const world = yield* setUp
    const one = yield* nodeThatKnows(world, "one", count)
    yield* one.advertise
    yield* pass(1_000)
    return { one, stranger: yield* voiceOf(world, "stranger"), world }
  })

const counted = (outcome: string): Effect.Effect<number> =>
  Effect.map(
    Metric.snapshot,
    (all) =>
      all.reduce((sum, metric) =>
        metric.type === "Counter" && metric.id === "pnet_adverts_received" && metric.attributes?.["outcome"] === outcome
          ? sum + Number(metric.state.count)
          : sum, 0)
  )

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () =>
    body.pipe(
      Effect.scoped,
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provide(Logger.layer([]))
    ))

/** The private socket of a node. */
const socketOf = (world: World, host: string) => world.sent.find((one) => one.host === host && isBroadcast(one))!.from

describe("a crowd", () => {
  test(
    "begins where adverts every interval would be more than the budget: 100 nodes with the usual options are none",
    Effect.gen(function*() {
      const world = yield* setUp
      const one = yield* nodeThatKnows(world, "one", 99)
      yield* one.advertise
      assert.strictEqual(one.crowd.interval(), 2_500)
      yield* pass(60_000)
      const few = world.of("one", "adv").length
      assert.closeTo(few, 27, 2)
      one.state.count = 399
      assert.strictEqual(one.crowd.interval(), 10_000)
      yield* pass(10_000)
      world.clear()
      yield* pass(100_000)
      const times = world.of("one", "adv").map(({ at }) => at)
      const gaps = times.slice(1).map((at, i) => at - times[i]!)
      assert.isAtLeast(Math.min(...gaps), 8_999)
      assert.isAtMost(Math.max(...gaps), 11_001)
    })
  )

  test(
    "has its bound from broadcastBudget",
    Effect.gen(function*() {
      const world = yield* setUp
      const one = yield* nodeThatKnows(world, "one", 99, { broadcastBudget: 10 })
      assert.strictEqual(one.crowd.interval(), 10_000)
    })
  )

  test(
    "of few nodes is none: each says what it always said, and asks all thrice when it starts, and newcomers are answered by all",
    Effect.gen(function*() {
      const world = yield* setUp
      const one = yield* nodeThatKnows(world, "one", 99)
      const two = yield* nodeThatKnows(world, "two", 99)
      one.state.answers = two.state.answers = true
      yield* one.advertise
      yield* two.advertise
      yield* one.crowd.doubt(world.keys[0]!, () => true)
      for (let i = 0; i < 8; i++) {
        const newcomer = yield* voiceOf(world, `new${i}`)
        yield* newcomer.send(newcomer.advert)
        yield* pass(400)
      }
      yield* pass(20_000)
      assert.deepStrictEqual([...new Set(world.sent.map(({ type }) => type))], ["adv", "who"])
      for (const host of ["one", "two"]) {
        const questions = world.of(host, "who")
        assert.isTrue(questions.every(isBroadcast))
        // Soon, and those that start where so many are heard not all at the same time.
        assert.strictEqual(questions.length, 3)
        assert.isAtMost(questions[2]!.at - world.of(host, "adv")[0]!.at, 2_500)
        // The eight, and the other one, whose table is made up, so that it does not know this one when it asks.
        assert.strictEqual(world.of(host, "adv").filter((one) => !isBroadcast(one)).length, 8 + 1 + 3)
      }
    })
  )

  test(
    "answers a newcomer with sixteen on average, who ask it with that, and nobody broadcasts for it",
    Effect.gen(function*() {
      const world = yield* setUp
      const one = yield* nodeThatKnows(world, "one", 159)
      one.state.answers = true
      yield* one.advertise
      yield* pass(5_000)
      world.clear()
      for (let i = 0; i < 200; i++) {
        const newcomer = yield* voiceOf(world, `new${i}`)
        yield* newcomer.send(newcomer.advert)
        yield* pass(20)
      }
      const answers = world.of("one", "adv").filter((one) => !isBroadcast(one))
      assert.isAtLeast(answers.length, 8)
      assert.isAtMost(answers.length, 36)
      assert.deepStrictEqual(world.of("one", "who").map(({ to }) => to), answers.map(({ to }) => to))
      assert.isAtMost(world.of("one", "adv").filter(isBroadcast).length, 1)
    })
  )

  test(
    "says eight times that a node leaves",
    Effect.gen(function*() {
      const world = yield* setUp
      const one = yield* nodeThatKnows(world, "one", 399)
      const scope = yield* Scope.make()
      yield* Scope.provide(one.advertise, scope)
      yield* pass(1_000)
      world.clear()
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(world.of("one", "adv").length, 8)
    })
  )
})

describe("who", () => {
  test(
    "is answered with an advert, to the socket it came from, and is its sender's sign of life",
    Effect.gen(function*() {
      const { one, stranger, world } = yield* heardBy(399)
      const socket = socketOf(world, "one")
      world.clear()
      yield* stranger.send(stranger.who(), socket)
      yield* pass(100)
      const [answer] = world.of("one", "adv")
      assert.strictEqual(answer!.to, `${stranger.host.address}:6000`)
      assert.include(textOf(answer!.payload), `one@${one.host.address}:4000`)
      assert.deepStrictEqual(one.sighted.map(({ name }) => name as string), ["stranger"])
    })
  )

  test(
    "is asked by the private socket, and answered by it",
    Effect.gen(function*() {
      const world = yield* setUp
      const one = yield* nodeThatKnows(world, "one", 399)
      const two = yield* nodeThatKnows(world, "two", 399)
      yield* one.advertise
      yield* two.advertise
      yield* pass(8_000)
      const before = two.sighted.length
      const from = socketOf(world, "two")
      const [host, port] = socketOf(world, "one").split(":")
      world.clear()
      assert.isTrue(yield* two.process.run(two.crowd.who({ host: host!, port: Number(port) })))
      yield* pass(100)
      assert.deepStrictEqual(world.of("two", "who").map((one) => [one.from, one.to]), [[from, `${host}:${port}`]])
      assert.deepStrictEqual(world.of("one", "adv").filter((one) => !isBroadcast(one)).map(({ to }) => to), [from])
      assert.isAbove(two.sighted.length, before)
    })
  )

  test(
    "is answered at most five times a second to one socket, 32 times in all, and never to the shared port or a broadcast address",
    Effect.gen(function*() {
      const { stranger, world } = yield* heardBy(399)
      const socket = socketOf(world, "one")
      const unicasts = () => world.of("one", "adv").filter((one) => !isBroadcast(one)).length
      world.clear()
      for (let i = 0; i < 20; i++) yield* stranger.send(stranger.who(), socket)
      yield* pass(100)
      assert.strictEqual(unicasts(), 5)
      for (let i = 0; i < 100; i++) {
        yield* stranger.send(stranger.who(), socket, `${stranger.host.address}:${7_000 + i}`)
      }
      yield* pass(100)
      assert.strictEqual(unicasts(), 32)
      yield* pass(2_000)
      world.clear()
      yield* stranger.send(stranger.who(), socket, `${stranger.host.address}:3334`)
      const claimed = CrowdPackets.who(stranger.self, { host: "10.0.0.255", port: 4_000 }, undefined)
      yield* stranger.send(claimed, socket, "10.0.0.255:6000")
      yield* pass(100)
      assert.strictEqual(unicasts(), 0)
    })
  )

  test(
    "is answered as one with a request where it is broadcast, since all hear it: five times a second to one source, whatever the socket",
    Effect.gen(function*() {
      const { stranger, world } = yield* heardBy(149)
      world.clear()
      for (let i = 0; i < 40; i++) {
        yield* stranger.send(stranger.who(), "10.0.0.255:3334", `${stranger.host.address}:${6_000 + i}`)
      }
      yield* pass(500)
      const answers = world.of("one", "adv").filter((one) => !isBroadcast(one))
      assert.strictEqual(answers.length, 5)
      // Each at a time that it draws.
      assert.isAbove(new Set(answers.map(({ at }) => at)).size, 3)
    })
  )

  test(
    "is asked of one socket of one node alone: not of a broadcast address, the shared port, or port 0, whoever said to be there",
    Effect.gen(function*() {
      const world = yield* setUp
      const one = yield* nodeThatKnows(world, "one", 399)
      yield* one.advertise
      yield* pass(1_000)
      world.clear()
      const asked = (host: string, port: number) => one.process.run(one.crowd.who({ host, port }))
      assert.isFalse(yield* asked("10.0.0.255", 6_000))
      assert.isFalse(yield* asked("255.255.255.255", 6_000))
      assert.isFalse(yield* asked("10.0.0.77", 3_334))
      assert.isFalse(yield* asked("10.0.0.77", 0))
      assert.deepStrictEqual(world.of("one", "who"), [])
      assert.isTrue(yield* asked("10.0.0.77", 6_000))
    })
  )

  test(
    "of more nodes than are answered in a second has it broadcast its advert, twice, at most every two seconds, however much is said",
    Effect.gen(function*() {
      const world = yield* setUp
      const one = yield* nodeThatKnows(world, "one", 3_999)
      yield* one.advertise
      yield* pass(5_000)
      const stranger = yield* voiceOf(world, "stranger")
      const socket = socketOf(world, "one")
      const others = (count: number, from: number) =>
        Effect.forEach(
          Array.from({ length: count }, (_, i) => from + i),
          (port) => stranger.send(stranger.who(), socket, `${stranger.host.address}:${port}`)
        )
      const broadcasts = () => world.of("one", "adv").filter(isBroadcast).length
      for (let i = 0; i < 90; i++) yield* stranger.send(stranger.advert)
      world.clear()
      yield* others(32, 7_000)
      yield* pass(700)
      assert.strictEqual(broadcasts(), 0)
      yield* pass(1_000)
      for (let i = 0; i < 90; i++) yield* stranger.send(stranger.advert)
      yield* others(90, 8_000)
      yield* pass(700)
      assert.strictEqual(broadcasts(), 2)
      yield* others(90, 9_000)
      yield* pass(700)
      assert.strictEqual(broadcasts(), 2)
    })
  )

  test(
    "of a node that listens nowhere is answered, and enters and takes off nobody; one from another address than it says is dropped",
    Effect.gen(function*() {
      const { one, stranger, world } = yield* heardBy(399)
      const socket = socketOf(world, "one")
      world.clear()
      const { self } = stranger
      yield* stranger.send(CrowdPackets.who(self, { host: stranger.host.address, port: 0 }, undefined), socket)
      yield* stranger.send(CrowdPackets.who(self, { host: "10.0.0.77", port: 4_000 }, undefined), socket)
      yield* pass(100)
      assert.strictEqual(world.of("one", "adv").length, 1)
      assert.deepStrictEqual(one.sighted, [])
      assert.strictEqual(yield* counted("source_mismatch"), 1)
    })
  )

  test(
    "that asks all is answered by those it does not know, of the slice it names, and later the more there are",
    Effect.gen(function*() {
      const { one, stranger, world } = yield* heardBy(399)
      const unicasts = () => world.of("one", "adv").filter((one) => !isBroadcast(one))
      const slice = CrowdPackets.sliceOf(PublicKey.toBytes(one.publicKey), 3)
      const bits = new Uint8Array(64)
      world.clear()
      // Known to it.
      const [known] = CrowdPackets.requests([one.publicKey], 1, 7)
      yield* stranger.send(stranger.who(known))
      // Another slice.
      yield* stranger.send(stranger.who({ slices: 3, slice: (slice + 1) % 3, salt: 7, bits }))
      yield* pass(1_000)
      assert.deepStrictEqual(unicasts(), [])
      assert.strictEqual(yield* counted("not_asked"), 2)
      const asked = yield* Clock.currentTimeMillis
      yield* stranger.send(stranger.who({ slices: 3, slice, salt: 7, bits }))
      yield* pass(1_000)
      const [answer, ...more] = unicasts()
      assert.deepStrictEqual(more, [])
      // 400 nodes, of which a third answers, four in a millisecond.
      assert.isAtMost(answer!.at - asked, 34)
      // At most five in a second to one source, as to any newcomer.
      one.state.count = 149
      yield* pass(10_000)
      world.clear()
      for (let i = 0; i < 20; i++) yield* stranger.send(stranger.who({ slices: 1, slice: 0, salt: i, bits }))
      yield* pass(900)
      assert.strictEqual(unicasts().length, 5)
    })
  )

  test(
    "that asks all, again and again, has all of them together answer one address 500 times a second, and all addresses 10,000 times",
    Effect.gen(function*() {
      const { one, stranger, world } = yield* heardBy(1_999)
      const answers = () => world.of("one", "adv").filter((sent) => !isBroadcast(sent)).length
      /** Nobody knows who wrote its source. */
      const ask = (host: string, request?: CrowdPackets.Request) =>
        stranger.send(
          CrowdPackets.who(stranger.self, { host, port: 4_000 }, request),
          "10.0.0.255:3334",
          `${host}:6000`
        )
      const all = { slices: 1, slice: 0, salt: 1, bits: new Uint8Array(64) }
      world.clear()
      // As much as two newcomers need, and a quarter of a question a second then.
      for (let i = 0; i < 200; i++) {
        yield* ask("10.0.0.77", i % 2 === 0 ? all : undefined)
        yield* pass(50)
      }
      assert.isAtLeast(answers(), 2)
      assert.isAtMost(answers(), 9)
      // Those for others count as well, and those that name many slices, or let hardly anything through by their filter, more than they say.
      world.clear()
      const other = CrowdPackets.sliceOf(PublicKey.toBytes(one.publicKey), 2) === 0 ? 1 : 0
      for (let i = 0; i < 6; i++) yield* ask("10.0.0.78", { ...all, slices: 2, slice: other })
      for (let i = 0; i < 4; i++) yield* ask("10.0.0.78", all)
      yield* pass(700)
      assert.isAtMost(answers(), 2)
      // To many addresses: five each of two thousand in a second.
      yield* pass(10_000)
      world.clear()
      for (let i = 0; i < 1_000; i++) {
        yield* ask(`10.0.0.${i % 200 + 1}`, all)
        yield* pass(5)
      }
      assert.isAtLeast(answers(), 15)
      assert.isAtMost(answers(), 42)
    })
  )

  test(
    "that asks all again for those few whose answers were lost is answered by them: it counts as many as the peers that are known tell, 64 times a second",
    Effect.gen(function*() {
      const { stranger, world } = yield* heardBy(1_999)
      const other = yield* voiceOf(world, "other")
      const known = world.keys.slice(0, 1_990)
      const forNobody = { slices: 1, slice: 0, salt: 1, bits: new Uint8Array(64).fill(0xff) }
      /** How often one answers that is asked six times within a second, each time by four slices, while others ask. */
      const answered = (others: number) =>
        Effect.gen(function*() {
          world.clear()
          for (let salt = 0; salt < 6; salt++) {
            const requests = CrowdPackets.requests(known, known.length, salt)
            for (let i = 0; i < others; i++) yield* other.send(other.who(forNobody))
            for (const request of requests) yield* stranger.send(stranger.who(request))
            yield* pass(150)
          }
          yield* pass(700)
          return world.of("one", "adv").filter(({ to }) => to.startsWith(`${stranger.host.address}:`)).length
        })
      // As far as each answers one source.
      assert.strictEqual(yield* answered(0), 5)
      yield* pass(60_000)
      // By their bits alone two are all that is answered; and some by chance.
      assert.isAtMost(yield* answered(70), 3)
    })
  )

  test(
    "says where its sender is to be asked of nobody that is known already",
    Effect.gen(function*() {
      const { one, stranger, world } = yield* heardBy(399)
      yield* stranger.send(stranger.who(), socketOf(world, "one"))
      yield* stranger.send(stranger.advert)
      yield* stranger.send(stranger.advert)
      yield* stranger.send(stranger.who(), socketOf(world, "one"))
      yield* pass(100)
      // From where it broadcast the same before, that is what it says again.
      assert.deepStrictEqual(one.sighted.map(({ asks }) => asks === true), [true, false, false, false])
      assert.strictEqual(one.sighted[3], one.sighted[2])
      yield* stranger.send(stranger.who(), socketOf(world, "one"), `${stranger.host.address}:6001`)
      yield* pass(100)
      assert.isTrue(one.sighted.at(-1)!.asks)
    })
  )

  test(
    "to all is asked by a newcomer, again until it knows all: until three rounds brought nobody, by requests in slices of those that it knows meanwhile",
    Effect.gen(function*() {
      const world = yield* setUp
      const stranger = yield* voiceOf(world, "stranger")
      const alone = yield* nodeThatKnows(world, "alone", 3)
      const asked = yield* nodeThatKnows(world, "asked", 3)
      yield* alone.advertise
      yield* asked.advertise
      yield* stranger.send(stranger.who(), socketOf(world, "asked"))
      yield* pass(100)
      assert.strictEqual(world.of("asked", "who").length, 1)
      // It learns of many, and the questions leave those out.
      asked.state.count = 600
      yield* pass(500)
      const [, ...second] = world.of("asked", "who").filter(isBroadcast)
      assert.strictEqual(second.length % 2, 0)
      const requests = second.slice(0, 2).map(({ payload }) => {
        const packet = Result.getOrThrow(
          Packet.decode(payload, { types: ["who"], maxLength: Packet.maxDatagramLength })
        )
        return Result.getOrThrow(CrowdPackets.readWho(stranger.self, packet)).request!
      })
      assert.deepStrictEqual(requests.map(({ slice, slices }) => [slice, slices]), [[0, 2], [1, 2]])
      assert.isTrue(
        world.keys.slice(0, 600).every((key) =>
          requests.every((one) => !CrowdPackets.isFor(one, PublicKey.toBytes(key)))
        )
      )
      const others = world.keys.slice(600)
      const missed = others.filter((key) =>
        !requests.some((one) => CrowdPackets.isFor(one, PublicKey.toBytes(key)))
      ).length
      assert.isAtMost(missed, 20)
      yield* pass(20_000)
      // Three rounds that brought nobody.
      assert.strictEqual(world.of("asked", "who").length, 1 + 2 + 2)
      assert.strictEqual(world.of("alone", "who").length, 3)
      // Whoever asks it later changes nothing.
      yield* stranger.send(stranger.who(), socketOf(world, "alone"))
      world.clear()
      yield* pass(5_000)
      assert.strictEqual(world.of("alone", "who").length, 0)
    })
  )

  test(
    "to all is asked by a newcomer that is asked later, when of few it had asked enough, and not by one that is none any more",
    Effect.gen(function*() {
      const world = yield* setUp
      const stranger = yield* voiceOf(world, "stranger")
      const one = yield* nodeThatKnows(world, "one", 3)
      yield* one.advertise
      yield* pass(2_500)
      assert.strictEqual(world.of("one", "who").length, 3)
      const socket = socketOf(world, "one")
      for (const more of [3, 0]) {
        world.clear()
        yield* stranger.send(stranger.who(), socket)
        yield* pass(3_000)
        assert.strictEqual(world.of("one", "who").length, more)
      }
      // Of few the third question that brings nobody comes later, behind one that the other node answered; and at once where there are many after all.
      const two = yield* nodeThatKnows(world, "two", 3)
      yield* two.advertise
      yield* pass(900)
      assert.strictEqual(world.of("two", "who").length, 3)
      yield* stranger.send(stranger.who(), socketOf(world, "two"))
      yield* pass(100)
      assert.strictEqual(world.of("two", "who").length, 4)
      // Another interface: nobody is known there, and it is a newcomer again.
      const { address } = yield* one.host.addInterface()
      yield* pass(10_000)
      assert.strictEqual(world.of("one", "who").filter(({ from }) => from.startsWith(`${address}:`)).length, 3)
    })
  )

  test(
    "to all is asked in a crowd till three rounds brought nobody by a newcomer that hears others ask, or that the first brought few, the last one later",
    Effect.gen(function*() {
      const world = yield* setUp
      const stranger = yield* voiceOf(world, "stranger")
      const forNobody = { slices: 1, slice: 0, salt: 1, bits: new Uint8Array(64).fill(0xff) }
      /** When a newcomer asks whose first round so many answer, and the second so many, since the first. */
      const rounds = Effect.fnUntraced(
        function*(name: string, asks: "nobody" | "another", answers = 16, answersLater = 0) {
          const one = yield* nodeThatKnows(world, name, 3)
          yield* one.advertise
          yield* stranger.send(stranger.who(), socketOf(world, name))
          for (let i = 0; i < answers; i++) {
            yield* stranger.send(stranger.advert, socketOf(world, name), `${stranger.host.address}:${6_000 + i}`)
          }
          if (asks === "another") {
            const { address } = stranger.host
            yield* world.network.inject(stranger.host, {
              from: `${address}:7000`,
              to: "10.0.0.255:3334",
              payload: CrowdPackets.who(stranger.self, { host: address, port: 4_000 }, forNobody)
            })
          }
          yield* pass(200)
          for (let i = 0; i < answersLater; i++) {
            yield* stranger.send(stranger.advert, socketOf(world, name), `${stranger.host.address}:${7_000 + i}`)
          }
          yield* pass(5_000)
          const times = world.of(name, "who").map(({ at }) => at)
          return times.map((at) => at - times[0]!)
        }
      )
      assert.strictEqual((yield* rounds("a", "nobody")).length, 2)
      for (const times of [yield* rounds("b", "another"), yield* rounds("c", "nobody", 8)]) {
        assert.strictEqual(times.length, 4)
        assert.isAtMost(times[2]!, 2 * 165)
        assert.isAtLeast(times[3]! - times[2]!, 135 + 630)
      }
      // Who is answered by many after all has as many rounds, and waits for none.
      const times = yield* rounds("d", "nobody", 8, 16)
      assert.strictEqual(times.length, 5)
      assert.isAtMost(times[4]!, 4 * 165)
    })
  )

  test(
    "to all is asked in a while by a newcomer that nearly a hundred have answered, later by one of so many that start together, and at once where it is asked and has heard few others",
    Effect.gen(function*() {
      const world = yield* setUp
      const stranger = yield* voiceOf(world, "stranger")
      /** When newcomers ask that hear of so many, by answers or by what these broadcast. */
      const firstAsked = (how: "answered" | "together") =>
        Effect.forEach([1, 2, 3, 4], (i) =>
          Effect.gen(function*() {
            const name = `${how} ${i}`
            const newcomer = yield* nodeThatKnows(world, name, 90)
            yield* newcomer.advertise
            const to = how === "answered" ? socketOf(world, name) : undefined
            for (let i = 0; i < 90; i++) {
              yield* stranger.send(stranger.advert, to, `${stranger.host.address}:${6_000 + i}`)
            }
            yield* pass(5_000)
            yield* newcomer.process.kill
            return world.of(name, "who")[0]!.at - world.of(name, "adv")[0]!.at
          }))
      assert.isAtMost(Math.max(...yield* firstAsked("answered")), 450)
      assert.isAbove(Math.max(...yield* firstAsked("together")), 450)
      const atOnce = Effect.fnUntraced(function*(others: number) {
        const name = `asked ${others}`
        const newcomer = yield* nodeThatKnows(world, name, others)
        yield* newcomer.advertise
        yield* stranger.send(stranger.who(), socketOf(world, name))
        yield* pass(1_000)
        return world.of(name, "who")[0]!.at - world.of(name, "adv")[0]!.at
      })
      assert.isAtMost(yield* atOnce(8), 5)
      const later = yield* atOnce(9)
      assert.isAtLeast(later, 360)
      assert.isAtMost(later, 450)
    })
  )

  test(
    "to all is asked on while others answer that were not heard before, and not for those that start meanwhile",
    Effect.gen(function*() {
      const world = yield* setUp
      const stranger = yield* voiceOf(world, "stranger")
      /** How often a newcomer asks that hears something, of another one each time or of the same. */
      const rounds = (name: string, how: "answers" | "starts" | "repeats") =>
        Effect.gen(function*() {
          const newcomer = yield* nodeThatKnows(world, name, 3)
          yield* newcomer.advertise
          yield* stranger.send(stranger.who(), socketOf(world, name))
          let voice = yield* voiceOf(world, `${name} 0`)
          for (let i = 1; i <= 40; i++) {
            if (how !== "repeats") voice = yield* voiceOf(world, `${name} ${i}`)
            newcomer.state.count++
            // Each time something else, so that it is read.
            const advert = voice.packet("adv", `${voice.self.name}@${voice.host.address}:${4_000 + i}`)
            yield* voice.send(advert, how === "starts" ? "10.0.0.255:3334" : socketOf(world, name))
            yield* pass(100)
          }
          return world.of(name, "who").filter(isBroadcast).length
        })
      assert.strictEqual(yield* rounds("a", "answers"), 12)
      assert.strictEqual(yield* rounds("b", "starts"), 4)
      assert.isAtMost(yield* rounds("c", "repeats"), 4)
    })
  )
})

describe("ask", () => {
  test(
    "names who is in doubt, twice, unless it is not in doubt any more, or others name it",
    Effect.gen(function*() {
      const { one, stranger, world } = yield* heardBy(399)
      const [first, second, third, fourth] = world.keys as [
        PublicKey.PublicKey,
        PublicKey.PublicKey,
        PublicKey.PublicKey,
        PublicKey.PublicKey
      ]
      world.clear()
      let still = true
      yield* one.process.run(one.crowd.doubt(first, () => true))
      yield* one.process.run(one.crowd.doubt(second, () => still))
      yield* one.process.run(one.crowd.doubt(third, () => false))
      yield* pass(300)
      still = false
      yield* pass(5_000)
      const named = world.of("one", "ask").map(({ payload }) => textOf(payload).split("|")[2])
      assert.deepStrictEqual(named, [`${first},${second}`, first])
      assert.isTrue(world.of("one", "ask").every(isBroadcast))

      world.clear()
      const others = [stranger, yield* voiceOf(world, "second"), yield* voiceOf(world, "third")]
      for (const other of others) yield* other.send(CrowdPackets.ask(other.self, [fourth]))
      yield* pass(10)
      assert.deepStrictEqual(one.doubted, others.map(({ host }) => [fourth, host.address]))
      yield* one.process.run(one.crowd.doubt(fourth, () => true))
      yield* pass(2_000)
      assert.deepStrictEqual(world.of("one", "ask"), [])
      // One that says so three times is one.
      yield* pass(3_000)
      for (let i = 0; i < 5; i++) yield* stranger.send(CrowdPackets.ask(stranger.self, [fourth]))
      yield* one.process.run(one.crowd.doubt(fourth, () => true))
      yield* pass(2_000)
      assert.strictEqual(world.of("one", "ask").length, 2)
    })
  )

  test(
    "waits while others ask as often as the budget says",
    Effect.gen(function*() {
      const { one, stranger, world } = yield* heardBy(399)
      const others = yield* Effect.forEach(["a", "b", "c", "d"], (name) => voiceOf(world, name))
      const sayAll = (keys: ReadonlyArray<PublicKey.PublicKey>) =>
        Effect.forEach(others, ({ self, send }) => send(CrowdPackets.ask(self, keys)), { discard: true })
      // One address takes no more than its share.
      for (let i = 0; i < 200; i++) yield* stranger.send(CrowdPackets.ask(stranger.self, [world.keys[600]!]))
      yield* one.process.run(one.crowd.doubt(world.keys[0]!, () => true))
      yield* pass(200)
      assert.strictEqual(world.of("one", "ask").length, 1)
      yield* pass(3_000)
      for (let i = 0; i < 20; i++) {
        yield* sayAll([world.keys[600 + i]!])
        yield* pass(10)
      }
      const since = yield* Clock.currentTimeMillis
      yield* one.process.run(one.crowd.doubt(world.keys[0]!, () => true))
      world.clear()
      for (let i = 0; i < 200; i++) {
        yield* sayAll([world.keys[1 + i]!])
        yield* pass(10)
      }
      // What has to wait finds room now and then, as whoever else does.
      assert.isAtMost(world.of("one", "ask").length, 2)
      assert.isTrue(world.of("one", "ask").every(({ at }) => at - since > 700))
      yield* pass(3_000)
      assert.isAtLeast(world.of("one", "ask").length, 1)
    })
  )

  test(
    "is refuted by who is named, twice, at most every two seconds; and not while so much is said already",
    Effect.gen(function*() {
      const world = yield* setUp
      const one = yield* nodeThatKnows(world, "one", 3_999)
      yield* one.advertise
      yield* pass(5_000)
      const stranger = yield* voiceOf(world, "liar")
      const ask = stranger.send(CrowdPackets.ask(stranger.self, [world.keys[0]!, one.publicKey]))
      world.clear()
      for (let i = 0; i < 10; i++) {
        yield* ask
        yield* pass(150)
      }
      assert.strictEqual(world.of("one", "adv").filter(isBroadcast).length, 2)
      yield* pass(1_000)
      world.clear()
      for (let i = 0; i < 90; i++) {
        const payload = advertPacket(world.crypto, {
          networkId: "pnet",
          name: `n${i}`,
          host: stranger.host.address,
          port: 4_000,
          publicKey: world.keys[i]!
        })
        yield* stranger.send(payload)
      }
      yield* pass(10)
      yield* ask
      yield* pass(1_500)
      assert.strictEqual(world.of("one", "adv").filter(isBroadcast).length, 0)
    })
  )
})

describe("what is no who and no ask", () => {
  test(
    "is dropped and counted, and leads to nothing",
    Effect.gen(function*() {
      const { one, stranger, world } = yield* heardBy(399)
      const socket = socketOf(world, "one")
      world.clear()
      const advert = `stranger@${stranger.host.address}:4000`
      const request = (bytes: ReadonlyArray<number>) => `${Buffer.from(bytes).toString("base64url")}`
      const pad = (text: string) => text + "=".repeat((4 - text.length % 4) % 4)
      const wrong = [
        stranger.packet("who", advert),
        stranger.packet("who", ",nobody"),
        stranger.packet("who", `!,${advert}`),
        // No bits, no slice, and slices that are none.
        stranger.packet("who", `${pad(request([1, 0, 0, 0, 0, 0]))},${advert}`),
        stranger.packet("who", `${pad(request([1, 1, 0, 0, 0, 0, 0]))},${advert}`),
        stranger.packet("who", `${pad(request([0, 0, 0, 0, 0, 0, 0]))},${advert}`),
        stranger.packet("ask", ""),
        stranger.packet("ask", "nobody"),
        stranger.packet("ask", `${one.publicKey},`),
        stranger.packet("ask", Array.from({ length: 17 }, (_, i) => world.keys[i]!).join(","))
      ]
      for (const payload of wrong) yield* stranger.send(payload, socket)
      yield* pass(1_000)
      assert.strictEqual(yield* counted("ERR_ADV_FORMAT"), wrong.length)
      assert.deepStrictEqual([world.of("one", "adv"), one.sighted, one.doubted] as ReadonlyArray<unknown>, [[], [], []])
    })
  )

  test(
    "on a network with a key is all that is in clear, or a token of another type, or was heard before",
    Effect.gen(function*() {
      const world = yield* setUp
      const text = NetworkKey.NetworkKey.make(Redacted.make(`${Buffer.alloc(32, 7).toString("base64url")}=`))
      const one = yield* nodeThatKnows(world, "one", 399, { networkKey: text })
      yield* one.advertise
      yield* pass(2_000)
      const outsider = yield* voiceOf(world, "outsider")
      const member = yield* voiceOf(world, "member", NetworkKey.toBytes(text))
      const socket = socketOf(world, "one")
      world.clear()
      yield* outsider.send(outsider.who(), socket)
      yield* outsider.send(CrowdPackets.ask(outsider.self, [world.keys[0]!]))
      const moved = textOf(member.who()).replace("|who|", "|ask|")
      yield* outsider.send(new TextEncoder().encode(moved) as Uint8Array)
      yield* pass(100)
      assert.strictEqual(yield* counted("ERR_NET_DECRYPTION_FAILED"), 3)
      assert.deepStrictEqual([world.of("one", "adv"), one.sighted, one.doubted] as ReadonlyArray<unknown>, [[], [], []])
      const recorded = member.who()
      yield* member.send(recorded, socket)
      yield* member.send(recorded, socket)
      const asked = CrowdPackets.ask(member.self, [world.keys[0]!])
      yield* member.send(asked)
      yield* member.send(asked)
      yield* member.send(asked, "10.0.0.255:3334", "10.0.0.99:6000")
      yield* pass(100)
      assert.strictEqual(world.of("one", "adv").length, 1)
      assert.strictEqual(yield* counted("stale"), 3)
      assert.deepStrictEqual(one.doubted, [[world.keys[0]!, member.host.address]])
    })
  )

  test(
    "on a network with a key is a who of port 0: it outdates no advert of its second, as leaving would",
    Effect.gen(function*() {
      const world = yield* setUp
      const text = NetworkKey.NetworkKey.make(Redacted.make(`${Buffer.alloc(32, 7).toString("base64url")}=`))
      const one = yield* nodeThatKnows(world, "one", 399, { networkKey: text })
      yield* one.advertise
      yield* pass(2_000)
      const member = yield* voiceOf(world, "member", NetworkKey.toBytes(text))
      const { host, self } = member
      yield* member.send(CrowdPackets.who(self, { host: host.address, port: 0 }, undefined), socketOf(world, "one"))
      yield* member.send(AdvertExchange.packet(self, { host: host.address, port: 4_000 }))
      yield* pass(10)
      assert.deepStrictEqual(one.sighted.map(({ endpoint }) => endpoint.port), [4_000])
      assert.strictEqual(yield* counted("stale"), 0)
    })
  )
})
