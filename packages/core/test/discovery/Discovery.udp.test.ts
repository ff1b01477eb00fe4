/** The letter of protocol section 7, where it is about datagrams. */
import { assert, describe, it } from "@effect/vitest"
import {
  Advert,
  Crypto,
  Discovery,
  Network,
  NetworkKey,
  NodeOptions,
  Packet,
  Peers,
  PortableCrypto,
  type PublicKey,
  UdpDiscovery
} from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { advertPacket } from "@pnet/testing/DiscoverySuite"
import { Clock, Context, type Duration, Effect, Exit, Layer, Logger, Metric, Result, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"

interface Sent {
  readonly at: number
  readonly host: string
  readonly from: string
  readonly to: string
  readonly payload: Uint8Array
}

const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))

const hostOf = (text: string) => text.slice(0, text.lastIndexOf(":"))
const portOf = (text: string) => Number(text.slice(text.lastIndexOf(":") + 1))
const isBroadcast = ({ to }: Sent) => hostOf(to).endsWith(".255")
const isQuestion = ({ payload }: Sent) => new TextDecoder().decode(payload.subarray(0, 9)) === "pnet|who|"

const advertOf = ({ payload }: Sent) => {
  const packet = Result.getOrThrow(
    Packet.decode(payload, { types: ["adv"], maxLength: Packet.maxDatagramLength })
  )
  return Result.getOrThrow(Advert.decode(packet.content))
}

/** A network of which every datagram is seen, when it is sent. */
const setUp = (options?: SimNetwork.Options) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make(options)
    const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
    const clock = yield* Clock.Clock
    const sent: Array<Sent> = []
    yield* network.intercept(({ from, host, payload, protocol, to }) => {
      if (protocol === "udp") {
        sent.push({ at: clock.currentTimeMillisUnsafe(), host, from, to, payload: payload.slice() })
      }
      return "pass"
    })
    return {
      network,
      crypto,
      sent,
      /** What a host has broadcast since then, but its questions as it starts. */
      broadcasts: (host: string, since = 0) =>
        sent.filter((one) => one.host === host && one.at >= since && isBroadcast(one) && !isQuestion(one)),
      /** What a host has sent to single addresses. */
      unicasts: (host: string) => sent.filter((one) => one.host === host && !isBroadcast(one)),
      stranger: () => crypto.generateKeyPair().publicKey
    }
  })

/**
 * Lets time pass. A host hears its own broadcasts without latency, so at this very instant, and a TestClock does not wait for
 * what takes no time.
 */
const pass = (duration: Duration.Input) =>
  Effect.gen(function*() {
    for (let i = 0; i < 20; i++) yield* Effect.yieldNow
    yield* TestClock.adjust(duration)
    for (let i = 0; i < 20; i++) yield* Effect.yieldNow
  })

type World = Effect.Success<ReturnType<typeof setUp>>

/** Discovery by UDP on a host, where newcomers are answered as the table of peers has it: those that are new or have moved. */
const discover = (
  { network }: World,
  name: string,
  options?: Partial<NodeOptions.Input> & {
    readonly on?: SimNetwork.Host
    readonly over?: Layer.Layer<Network.Network, never, Network.Network>
    readonly answers?: boolean
  }
) =>
  Effect.gen(function*() {
    const { answers = true, on, over, ...input } = options ?? {}
    const host = on ?? (yield* network.host(name))
    const layer = UdpDiscovery.layer.pipe(
      Layer.provideMerge(NodeOptions.layer({ name, bindIp: "0.0.0.0", ...input })),
      Layer.provide(PortableCrypto.layer)
    )
    const process = yield* host.launch(over === undefined ? layer : Layer.provide(layer, over))
    const discovery = Context.get(process.context, Discovery.Discovery)
    const sighted: Array<Discovery.Sighting> = []
    const known = new Map<PublicKey.PublicKey, string>()
    yield* discovery.sightings.pipe(
      Stream.runForEach((sighting) =>
        Effect.suspend(() => {
          sighted.push(sighting)
          const { answer, endpoint, publicKey, source } = sighting
          const where = `${Advert.formatEndpoint(endpoint)} ${Advert.formatEndpoint(source)}`
          if (!answers || known.get(publicKey) === where) return Effect.void
          known.set(publicKey, where)
          return answer
        })
      ),
      (run) => Effect.forkScoped(process.run(run), { startImmediately: true })
    )
    return {
      host,
      process,
      sighted,
      names: () => sighted.map(({ name }) => name as string),
      publicKey: Context.get(process.context, NodeOptions.NodeConfig).identity.publicKey,
      advertise: process.run(discovery.advertise({ host: host.address, port: 4_000 }))
    }
  })

const counted = (outcome: string, id = "pnet_adverts_received"): Effect.Effect<number> =>
  Effect.map(
    Metric.snapshot,
    (all) =>
      all.reduce(
        (sum, metric) =>
          metric.type === "Counter" && metric.id === id &&
            (metric.attributes?.["outcome"] ?? metric.attributes?.["kind"]) === outcome
            ? sum + Number(metric.state.count)
            : sum,
        0
      )
  )

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () =>
    body.pipe(
      Effect.scoped,
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provide(Logger.layer([]))
    ))

/** An advert in clear that came from where it says. */
const forged = (world: World, host: string, port = 4_000, publicKey: PublicKey.PublicKey = world.stranger()) =>
  advertPacket(world.crypto, { networkId: "pnet", name: `at-${host}`, host, port, publicKey })

/** How many of these moments fall into the fullest second. */
const fullestSecond = (moments: ReadonlyArray<number>) =>
  Math.max(0, ...moments.map((start) => moments.filter((at) => at >= start && at < start + 1_000).length))

describe("adverts", () => {
  test(
    "go out in a burst at 0, 100 and 300 ms, then every interval, give or take a tenth",
    Effect.gen(function*() {
      const world = yield* setUp({ seed: 1, traceCapacity: 0 })
      const one = yield* discover(world, "one")
      const two = yield* discover(world, "two")
      yield* one.advertise
      yield* two.advertise
      yield* pass("10 minutes")
      const gaps = ["one", "two"].map((host) => {
        const times = world.broadcasts(host).map(({ at }) => at)
        assert.deepStrictEqual(times.slice(0, 3).map(Math.round), [0, 100, 300])
        const after = times.slice(2)
        return after.slice(1).map((at, i) => at - after[i]!)
      })
      for (const each of gaps) {
        assert.isAbove(each.length, 210)
        assert.isAtLeast(Math.min(...each), 2_249)
        assert.isAtMost(Math.max(...each), 2_751)
        // The whole range is used, evenly.
        assert.isBelow(Math.min(...each), 2_300)
        assert.isAbove(Math.max(...each), 2_700)
        assert.closeTo(each.reduce((a, b) => a + b) / each.length, 2_500, 40)
      }
      assert.notDeepEqual(gaps[0], gaps[1])
    })
  )

  test(
    "follow the interval of the options",
    Effect.gen(function*() {
      const world = yield* setUp({ seed: 2 })
      const one = yield* discover(world, "one", { broadcastInterval: "500 millis" })
      yield* one.advertise
      yield* pass("10300 millis")
      assert.closeTo(world.broadcasts("one").length, 23, 1)
    })
  )

  test(
    "go to the directed broadcast address of every interface that is up and not loopback, with its address as host",
    Effect.gen(function*() {
      const world = yield* setUp({
        lans: { a: {}, b: { subnet: "192.168.7.0/25" }, c: { subnet: "172.16.0.0/16" } }
      })
      const host = yield* world.network.host("one", {
        interfaces: [{ lan: "a" }, { lan: "b", address: "192.168.7.9" }, { lan: "c" }]
      })
      yield* host.setLinkUp("eth2", false)
      const one = yield* discover(world, "one", { on: host, advertisePort: 5_555 })
      yield* one.advertise
      yield* pass("1 minute")
      const rounds = world.sent.filter((one) => one.host === "one" && !isQuestion(one))
      const sockets = new Set(rounds.map(({ from }) => from))
      assert.deepStrictEqual([...sockets].map(hostOf).sort(), ["10.0.0.1", "192.168.7.9"])
      for (const datagram of rounds) {
        const from = hostOf(datagram.from)
        assert.strictEqual(datagram.to, from === "10.0.0.1" ? "10.0.0.255:5555" : "192.168.7.127:5555")
        assert.deepStrictEqual(advertOf(datagram) as unknown, { name: "one", host: from, port: 4_000 })
        // An ephemeral port, the same as long as the interface is there.
        assert.isAtLeast(portOf(datagram.from), 49_152)
      }
      const perInterface = rounds.filter(({ from }) => hostOf(from) === "10.0.0.1").length
      assert.strictEqual(rounds.length, 2 * perInterface)
      // And so does what it asks as it starts.
      assert.deepStrictEqual(
        world.sent.filter(isQuestion).map(({ from, to }) => [hostOf(from), to]),
        Array.from({ length: 3 }, () => [["10.0.0.1", "10.0.0.255:5555"], ["192.168.7.9", "192.168.7.127:5555"]]).flat()
      )
    })
  )

  test(
    "follow interfaces that come, go, or change their address, within a round",
    Effect.gen(function*() {
      const world = yield* setUp({ lans: { a: {}, b: {} } })
      const one = yield* discover(world, "one")
      yield* one.advertise
      yield* pass("5 seconds")
      const sources = (since: number) => new Set(world.broadcasts("one", since).map(({ from }) => hostOf(from)))
      const privates = () =>
        world.network.openSockets().filter(({ kind, local }) => kind === "datagram" && portOf(local) !== 3_334)
          .map(({ local }) => hostOf(local)).sort()
      /** The sources of the second round from now on: the first may have begun before. */
      const next = Effect.gen(function*() {
        yield* pass("2751 millis")
        const since = yield* Clock.currentTimeMillis
        yield* pass("2751 millis")
        return [...sources(since)].sort()
      })
      assert.deepStrictEqual(yield* next, ["10.0.0.1"])

      yield* one.host.addInterface({ lan: "b" })
      assert.deepStrictEqual(yield* next, ["10.0.0.1", "10.0.1.1"])
      assert.deepStrictEqual(privates(), ["10.0.0.1", "10.0.1.1"])

      yield* one.host.changeAddress("eth0", "10.0.0.77")
      assert.deepStrictEqual(yield* next, ["10.0.0.77", "10.0.1.1"])
      assert.deepStrictEqual(privates(), ["10.0.0.77", "10.0.1.1"])
      assert.strictEqual(
        advertOf(world.broadcasts("one").filter(({ to }) => to.startsWith("10.0.0.")).at(-1)!).host,
        "10.0.0.77"
      )

      yield* one.host.setLinkUp("eth1", false)
      assert.deepStrictEqual(yield* next, ["10.0.0.77"])
      assert.deepStrictEqual(privates(), ["10.0.0.77"])
      yield* one.host.setLinkUp("eth1", true)
      assert.deepStrictEqual(yield* next, ["10.0.0.77", "10.0.1.1"])

      yield* one.host.removeInterface("eth0")
      yield* one.host.removeInterface("eth1")
      assert.deepStrictEqual(yield* next, [])
      assert.deepStrictEqual(privates(), [])
      yield* one.host.addInterface({ lan: "a", address: "10.0.0.5" })
      assert.deepStrictEqual(yield* next, ["10.0.0.5"])
    })
  )

  test(
    "are not waited for by answers where they are gone since the advert came, so that the next adverts are heard",
    Effect.gen(function*() {
      const world = yield* setUp()
      const one = yield* discover(world, "one", { answers: false })
      const two = yield* discover(world, "two")
      yield* one.advertise
      yield* two.advertise
      yield* pass("4 seconds")
      assert.isAbove(one.sighted.length, 0)
      yield* one.host.removeInterface("eth0")
      yield* pass("6 seconds")
      const answered = yield* Effect.forkScoped(
        one.process.run(Effect.forEach(one.sighted, ({ answer }) => answer)),
        { startImmediately: true }
      )
      yield* pass("1 second")
      assert.isDefined(answered.pollUnsafe())
    })
  )

  test(
    "begin when an interface does, where there was none at the start",
    Effect.gen(function*() {
      const world = yield* setUp()
      const host = yield* world.network.host("one", { interfaces: [] })
      const one = yield* discover(world, "one", { on: host })
      const two = yield* discover(world, "two")
      yield* one.advertise
      yield* pass("10 seconds")
      assert.strictEqual(world.sent.length, 0)
      yield* host.addInterface()
      yield* pass("3 seconds")
      assert.include(two.names(), "one")
    })
  )

  test(
    "are heard by every node of a host, and by none as its own",
    Effect.gen(function*() {
      const world = yield* setUp()
      const host = yield* world.network.host("host")
      const one = yield* discover(world, "one", { on: host })
      const two = yield* discover(world, "two", { on: host })
      yield* one.advertise
      yield* two.advertise
      yield* pass("1 second")
      assert.deepStrictEqual(new Set(one.names()), new Set(["two"]))
      assert.deepStrictEqual(new Set(two.names()), new Set(["one"]))
    })
  )

  test(
    "say four times that a node leaves, with port 0",
    Effect.gen(function*() {
      const world = yield* setUp()
      const one = yield* discover(world, "one")
      const two = yield* discover(world, "two")
      const scope = yield* Scope.make()
      yield* Scope.provide(one.advertise, scope)
      yield* pass("4 seconds")
      const before = yield* Clock.currentTimeMillis
      const sent = world.broadcasts("one").length
      yield* Scope.close(scope, Exit.void)
      yield* pass("1 minute")
      const leaving = world.broadcasts("one").slice(sent)
      assert.strictEqual(leaving.length, 4)
      for (const datagram of leaving) {
        assert.strictEqual(datagram.at, before)
        assert.deepStrictEqual(advertOf(datagram) as unknown, { name: "one", host: one.host.address, port: 0 })
      }
      assert.strictEqual(two.sighted.filter(({ endpoint }) => endpoint.port === 0).length, 4)
    })
  )
})

describe("answers", () => {
  test(
    "go from a private socket to the datagram's source, who does not answer them, and nothing is ever sent to the shared port by unicast",
    Effect.gen(function*() {
      const world = yield* setUp({ seed: 3, link: { latency: { min: "1 millis", max: "5 millis" } } })
      const first = yield* discover(world, "first")
      yield* first.advertise
      yield* pass("1 second")
      const second = yield* discover(world, "second")
      yield* second.advertise
      yield* pass("20 millis")
      const [answer] = world.unicasts("first")
      assert.isDefined(answer)
      assert.strictEqual(answer!.to, world.broadcasts("second")[0]!.from)
      assert.strictEqual(answer!.from, world.broadcasts("first")[0]!.from)
      assert.deepStrictEqual(advertOf(answer!) as unknown, { name: "first", host: first.host.address, port: 4_000 })
      assert.deepStrictEqual([...new Set(second.names())], ["first"])
      yield* pass("100 millis")
      assert.deepStrictEqual(world.unicasts("second"), [])
      yield* pass("1 minute")
      for (const { from, to } of world.sent) {
        assert.notStrictEqual(portOf(from), 3_334)
        assert.isTrue(portOf(to) !== 3_334 || hostOf(to) === "10.0.0.255", to)
      }
    })
  )

  test(
    "come from the interface that the newcomer is on",
    Effect.gen(function*() {
      const world = yield* setUp({ lans: { a: {}, b: {} } })
      const host = yield* world.network.host("first", { interfaces: [{ lan: "a" }, { lan: "b" }] })
      const first = yield* discover(world, "first", { on: host, broadcastInterval: "1 minute" })
      yield* first.advertise
      yield* pass("1 second")
      const other = yield* world.network.host("second", { interfaces: [{ lan: "b" }] })
      const second = yield* discover(world, "second", { on: other, answers: false })
      yield* second.advertise
      yield* pass("10 millis")
      const [answer] = world.unicasts("first")
      assert.strictEqual(hostOf(answer!.from), "10.0.1.1")
      assert.strictEqual(advertOf(answer!).host, "10.0.1.1")
    })
  )

  test(
    "are at most ten in any second, whoever asks",
    Effect.gen(function*() {
      const world = yield* setUp({ traceCapacity: 0 })
      const one = yield* discover(world, "one", { broadcastInterval: "1 minute" })
      const attacker = yield* world.network.host("attacker")
      yield* one.advertise
      yield* pass("2 seconds")
      for (let i = 0; i < 500; i++) {
        const host = `10.0.0.${100 + i % 50}`
        yield* world.network.inject(attacker, {
          from: `${host}:${6_000 + i}`,
          to: "10.0.0.255:3334",
          payload: forged(world, host)
        })
        yield* pass("20 millis")
      }
      assert.strictEqual(one.sighted.length, 500)
      const moments = world.unicasts("one").map(({ at }) => at)
      assert.isAtMost(fullestSecond(moments), 10)
      // And that many are given.
      assert.isAtLeast(moments.length, 85)
      assert.strictEqual(yield* counted("answer", "pnet_adverts_sent"), moments.length)
    })
  )

  test(
    "are at most five in any second to one source address",
    Effect.gen(function*() {
      const world = yield* setUp({ traceCapacity: 0 })
      const one = yield* discover(world, "one", { broadcastInterval: "1 minute" })
      const attacker = yield* world.network.host("attacker")
      yield* one.advertise
      yield* pass("2 seconds")
      for (let i = 0; i < 250; i++) {
        yield* world.network.inject(attacker, {
          from: `10.0.0.100:${6_000 + i}`,
          to: "10.0.0.255:3334",
          payload: forged(world, "10.0.0.100")
        })
        yield* pass("20 millis")
      }
      const moments = world.unicasts("one").map(({ at }) => at)
      assert.isAtMost(fullestSecond(moments), 5)
      assert.isAtLeast(moments.length, 20)
    })
  )

  test(
    "are not given to who leaves, to a broadcast address, or to the shared port",
    Effect.gen(function*() {
      const world = yield* setUp()
      // With its table, which is what runs the answers.
      const { node } = yield* SimWorld.startNode(world.network, { name: "one", broadcastInterval: "1 minute" })
      const attacker = yield* world.network.host("attacker")
      yield* pass("2 seconds")
      const before = world.sent.length
      const tell = (from: string, payload: Uint8Array) =>
        Effect.andThen(world.network.inject(attacker, { from, to: "10.0.0.255:3334", payload }), pass("500 millis"))
      yield* tell("10.0.0.100:6000", forged(world, "10.0.0.100", 0))
      yield* tell("10.0.0.255:6000", forged(world, "10.0.0.255"))
      yield* tell("255.255.255.255:6000", forged(world, "255.255.255.255"))
      yield* tell("10.0.0.101:3334", forged(world, "10.0.0.101"))
      yield* pass("2 seconds")
      assert.strictEqual(yield* counted("accepted"), 4)
      assert.deepStrictEqual(world.sent.slice(before).map(({ to }) => to), [])
      yield* tell("10.0.0.102:6000", forged(world, "10.0.0.102"))
      assert.deepStrictEqual(world.sent.slice(before).map(({ to }) => to), ["10.0.0.102:6000"])
      assert.isDefined(yield* node.peers.get("at-10.0.0.102"))
    })
  )

  test(
    "that the limit held back are made up for by two broadcasts, one pair at a time",
    Effect.gen(function*() {
      const world = yield* setUp({ seed: 5 })
      const one = yield* discover(world, "one", { broadcastInterval: "10 minutes" })
      const attacker = yield* world.network.host("attacker")
      yield* one.advertise
      yield* pass("2 seconds")
      const flood = (count: number) =>
        Effect.forEach(
          Array.from({ length: count }, (_, i) => `10.0.0.${100 + i}`),
          (host) =>
            world.network.inject(attacker, {
              from: `${host}:6000`,
              to: "10.0.0.255:3334",
              payload: forged(world, host)
            })
        )
      const since = yield* Clock.currentTimeMillis

      // All of these get their answer.
      yield* flood(10)
      yield* pass("2 seconds")
      assert.strictEqual(world.unicasts("one").length, 10)
      assert.strictEqual(world.broadcasts("one", since).length, 0)

      const start = yield* Clock.currentTimeMillis
      yield* flood(30)
      yield* pass("200 millis")
      // More of them while a pair is due change nothing.
      yield* flood(30)
      yield* pass("5 seconds")
      const pair = world.broadcasts("one", start).map(({ at }) => at - start)
      assert.strictEqual(pair.length, 2)
      assert.isTrue(pair[0]! >= 359 && pair[0]! <= 442, `first after ${pair[0]}`)
      assert.isTrue(pair[1]! - pair[0]! >= 539 && pair[1]! - pair[0]! <= 661, `second ${pair[1]! - pair[0]!} later`)

      // When it is over there may be another.
      const again = yield* Clock.currentTimeMillis
      yield* flood(30)
      yield* pass("5 seconds")
      assert.strictEqual(world.broadcasts("one", again).length, 2)
    })
  )

  test(
    "are not given before the node advertises itself, nor after it has left",
    Effect.gen(function*() {
      const world = yield* setUp()
      const one = yield* discover(world, "one", { broadcastInterval: "1 minute" })
      const attacker = yield* world.network.host("attacker")
      const ask = (host: string) =>
        Effect.andThen(
          world.network.inject(attacker, { from: `${host}:6000`, to: "10.0.0.255:3334", payload: forged(world, host) }),
          pass("1 second")
        )
      yield* ask("10.0.0.100")
      assert.strictEqual(one.sighted.length, 1)
      assert.strictEqual(world.sent.length, 0)
      yield* Effect.scoped(Effect.andThen(one.advertise, ask("10.0.0.101")))
      assert.strictEqual(world.unicasts("one").length, 1)
      yield* ask("10.0.0.102")
      assert.strictEqual(one.sighted.length, 3)
      assert.strictEqual(world.unicasts("one").length, 1)
    })
  )
})

describe("what is heard", () => {
  test(
    "is of this machine where it is an address of it, or loopback",
    Effect.gen(function*() {
      const world = yield* setUp()
      const here = yield* discover(world, "here")
      const beside = yield* discover(world, "beside", { on: here.host })
      const far = yield* discover(world, "far")
      const loop = yield* discover(world, "loop", { on: here.host, bindIp: "127.0.0.1" })
      const other = yield* discover(world, "other", { on: here.host, bindIp: "127.0.0.1" })
      for (const one of [here, beside, far, loop, other]) yield* one.advertise
      yield* pass("3 seconds")
      const seen = (one: typeof here) => new Map(one.sighted.map(({ local, name }) => [name as string, local]))
      // Bound to everything it hears loopback too.
      const all = { beside: true, far: false, loop: true, other: true }
      assert.deepStrictEqual(Object.fromEntries(seen(here)), all)
      assert.deepStrictEqual(Object.fromEntries(seen(loop)), { other: true })
    })
  )

  test(
    "is dropped where an advert's host is not its source, unless the options say otherwise",
    Effect.gen(function*() {
      const world = yield* setUp()
      const strict = yield* discover(world, "strict")
      const lenient = yield* discover(world, "lenient", { checkAdvertSource: false })
      const attacker = yield* world.network.host("attacker")
      yield* world.network.inject(attacker, {
        from: `${attacker.address}:6000`,
        to: "10.0.0.255:3334",
        payload: forged(world, "10.0.0.200")
      })
      yield* pass("1 second")
      assert.deepStrictEqual(strict.sighted, [])
      assert.strictEqual(yield* counted("source_mismatch"), 1)
      assert.strictEqual(lenient.sighted.length, 1)
      assert.deepStrictEqual(lenient.sighted[0]!.endpoint, { host: "10.0.0.200", port: 4_000 })
      assert.deepStrictEqual(lenient.sighted[0]!.source, { host: attacker.address, port: 6_000 })
    })
  )

  test(
    "is counted by what is wrong with it, and never answered",
    Effect.gen(function*() {
      const world = yield* setUp()
      const one = yield* discover(world, "one", { broadcastInterval: "1 minute" })
      const attacker = yield* world.network.host("attacker")
      yield* one.advertise
      yield* pass("2 seconds")
      const before = world.sent.length
      const from = `${attacker.address}:6000`
      const good = new TextDecoder().decode(forged(world, attacker.address))
      const cases: ReadonlyArray<readonly [string, string]> = [
        ["ERR_PACKET_TOO_LARGE", good.padStart(1_401, "x")],
        ["ERR_PACKET_TOO_LARGE", "x".repeat(60_000)],
        ["ERR_NETWORK_INCORRECT", good.padStart(1_400, "x")],
        ["ERR_NETWORK_INCORRECT", good.replace("pnet|", "pnut|")],
        ["ERR_PACKET_INCOMPLETE", good.slice(0, -1)],
        ["ERR_PACKET_INCOMPLETE", good.replace("|END", "|EN")],
        ["ERR_PACKET_INCOMPLETE", ""],
        ["ERR_SECTION_COUNT", "hello\n"],
        ["ERR_PACKET_TYPE", good.replace("|adv|", "|msg|")],
        ["ERR_PACKET_TYPE", good.replace("|adv|", "|rsp|")],
        ["ERR_PACKET_TYPE", good.replace("|adv|", "|err|")],
        ["ERR_PACKET_TYPE", good.replace("|adv|", "|xyz|")],
        ["ERR_PUBLIC_KEY", good.replace(/\|[^|]*\|END/, `|${"A".repeat(43)}=|END`)],
        ["ERR_PUBLIC_KEY", good.replace(/\|[^|]*\|END/, "||END")],
        ["ERR_ADV_FORMAT", good.replace(":4000", ":04000")],
        ["ERR_ADV_FORMAT", good.replace(":4000", ":65536")],
        ["ERR_ADV_FORMAT", good.replace("@", "@@")],
        ["ERR_NET_DECRYPTION_FAILED", good.replace(/\|adv\|[^|]*\|/, `|adv|gAAAA${"A".repeat(95)}|`)]
      ]
      for (const [, text] of cases) {
        yield* world.network.inject(attacker, { from, to: "10.0.0.255:3334", payload: utf8(text) })
        // Answers come to the private socket, which is as strict.
        yield* world.network.inject(attacker, { from, to: world.broadcasts("one")[0]!.from, payload: utf8(text) })
      }
      yield* pass("10 seconds")
      assert.deepStrictEqual(one.sighted, [])
      assert.strictEqual(world.sent.length, before)
      for (const code of new Set(cases.map(([code]) => code))) {
        const expected = cases.filter((each) => each[0] === code).length * 2
        assert.strictEqual(yield* counted(code), expected, code)
      }
      // Nor does any of it keep it from hearing.
      yield* world.network.inject(attacker, { from, to: "10.0.0.255:3334", payload: utf8(good) })
      yield* pass("1 second")
      assert.strictEqual(one.sighted.length, 1)
      // Nor is any of it taken for what the same source has said before.
      for (const [, text] of cases) {
        yield* world.network.inject(attacker, { from, to: "10.0.0.255:3334", payload: utf8(text) })
      }
      yield* pass("1 second")
      assert.strictEqual(one.sighted.length, 1)
      for (const code of new Set(cases.map(([code]) => code))) {
        const expected = cases.filter((each) => each[0] === code).length * 3
        assert.strictEqual(yield* counted(code), expected, code)
      }
    })
  )

  for (const secret of [false, true]) {
    test(
      `that says nothing new is one sighting, given on again; whatever is another is read${
        secret ? ", with a network key too" : ""
      }`,
      Effect.gen(function*() {
        const world = yield* setUp()
        yield* pass("1000 seconds")
        const networkKey = secret
          ? yield* NetworkKey.generate.pipe(Effect.provideService(Crypto.Crypto, world.crypto))
          : undefined
        const limits = { provedPeers: 1, unprovedPeers: 2 }
        const one = yield* discover(world, "one", { limits, ...(networkKey === undefined ? {} : { networkKey }) })
        const attacker = yield* world.network.host("attacker")
        const publicKey = world.stranger()
        let second = 1_000
        const say = (
          change: { readonly name?: string; readonly port?: number; readonly key?: PublicKey.PublicKey },
          from = 6_000
        ) =>
          Effect.gen(function*() {
            const { key = publicKey, name = "Zo\u00eb", port = 4_000 } = change
            yield* world.network.inject(attacker, {
              from: `${attacker.address}:${from}`,
              to: "10.0.0.255:3334",
              payload: advertPacket(world.crypto, {
                networkId: "pnet",
                name,
                host: attacker.address,
                port,
                publicKey: key,
                ...(networkKey === undefined ? {} : { networkKey, at: second++ * 1_000 })
              })
            })
            yield* pass("1 millis")
            return one.sighted.at(-1)!
          })
        const first = yield* say({})
        assert.strictEqual(yield* say({}), first)
        const changes = [{ name: "Zo\u00e8" }, { name: "Zo" }, { port: 4_001 }, { port: 400 }, {
          key: world.stranger()
        }]
        let last = first
        for (const change of changes) {
          const other = yield* say(change)
          assert.notStrictEqual(other, last)
          assert.strictEqual(other.name as string, change.name ?? "Zo\u00eb")
          assert.strictEqual(other.endpoint.port, change.port ?? 4_000)
          assert.strictEqual(other.publicKey, change.key ?? publicKey)
          assert.strictEqual(yield* say(change), other)
          last = other
        }
        assert.strictEqual((yield* say({ port: 0 })).endpoint.port, 0)
        assert.strictEqual((yield* say({ port: 0 })).endpoint.port, 0)
        assert.strictEqual(yield* counted("accepted"), one.sighted.length)
        // Of so many sources: a peer's own, and as many more as may be known.
        const kept = yield* say({})
        assert.strictEqual(yield* say({}), kept)
        for (const from of [6_001, 6_002, 6_003]) yield* say({}, from)
        assert.notStrictEqual(yield* say({}), kept)
        // From where it does not say it comes from nobody hears it.
        const before = one.sighted.length
        const elsewhere = yield* world.network.host("elsewhere")
        yield* world.network.inject(elsewhere, {
          from: `${elsewhere.address}:6000`,
          to: "10.0.0.255:3334",
          payload: forged(world, attacker.address)
        })
        yield* pass("1 millis")
        assert.strictEqual(one.sighted.length, before)
      })
    )
  }

  test(
    "that says nothing new is still judged by where it is heard, and by what this machine's addresses are now",
    Effect.gen(function*() {
      const { host, world } = yield* twoLans
      const bound = yield* discover(world, "bound", { on: host, bindIp: "10.0.1.1", over: withoutBroadcastBinding })
      yield* bound.advertise
      yield* pass("5 seconds")
      const far = yield* world.network.host("far", { interfaces: [{ lan: "a", address: "10.0.0.77" }] })
      const payload = forged(world, "10.0.0.77")
      const from = "10.0.0.77:6000"
      const own = world.network.openSockets().find(({ local }) => local.startsWith("10.0.1.1:"))!.local
      const seen = () => bound.sighted.filter(({ source }) => source.host === "10.0.0.77").length
      // Its private socket hears whoever sends to it, from wherever.
      const before = yield* counted("other_subnet")
      yield* world.network.inject(host, { from, to: own, payload })
      yield* pass("1 millis")
      assert.strictEqual(seen(), 1)
      yield* world.network.inject(far, { from, to: "10.0.0.255:3334", payload })
      yield* pass("10 millis")
      assert.strictEqual(seen(), 1)
      assert.isAbove(yield* counted("other_subnet"), before)
    })
  )

  test(
    "that says nothing new is this machine's own as soon as its address is",
    Effect.gen(function*() {
      const world = yield* setUp()
      const one = yield* discover(world, "one")
      yield* one.advertise
      const attacker = yield* world.network.host("attacker")
      const payload = forged(world, "10.0.0.99")
      const say = Effect.andThen(
        world.network.inject(attacker, { from: "10.0.0.99:6000", to: "10.0.0.255:3334", payload }),
        pass("10 millis")
      )
      yield* say
      yield* one.host.changeAddress("eth0", "10.0.0.99")
      yield* pass("3 seconds")
      yield* say
      assert.deepStrictEqual(one.sighted.map(({ local }) => local), [false, true])
    })
  )

  test(
    "that says nothing new is this machine's own as soon as it has one more address",
    Effect.gen(function*() {
      const world = yield* setUp()
      const one = yield* discover(world, "one")
      yield* one.advertise
      const attacker = yield* world.network.host("attacker")
      const payload = forged(world, "10.0.0.99")
      const say = Effect.andThen(
        world.network.inject(attacker, { from: "10.0.0.99:6000", to: "10.0.0.255:3334", payload }),
        pass("10 millis")
      )
      yield* say
      yield* one.host.addInterface({ address: "10.0.0.99" })
      yield* pass("3 seconds")
      yield* say
      // At both of its interfaces.
      assert.deepStrictEqual(one.sighted.map(({ local }) => local), [false, true, true])
    })
  )

  test(
    "with a network key: tokens more than sixty seconds from this clock are dropped",
    Effect.gen(function*() {
      const world = yield* setUp()
      yield* pass("1000 seconds")
      const networkKey = yield* NetworkKey.generate.pipe(Effect.provideService(Crypto.Crypto, world.crypto))
      const one = yield* discover(world, "one", { networkKey })
      const attacker = yield* world.network.host("attacker")
      const host = attacker.address
      for (const at of [939, 940, 1_000, 1_060, 1_061]) {
        yield* world.network.inject(attacker, {
          from: `${host}:6000`,
          to: "10.0.0.255:3334",
          payload: advertPacket(world.crypto, {
            networkId: "pnet",
            name: `at${at}`,
            host,
            port: 4_000,
            publicKey: world.stranger(),
            networkKey,
            at: at * 1_000
          })
        })
      }
      yield* pass("10 millis")
      assert.deepStrictEqual(one.names(), ["at940", "at1000", "at1060"])
      assert.strictEqual(yield* counted("ERR_NET_DECRYPTION_FAILED"), 2)
    })
  )

  test(
    "with a network key: a recorded advert is dropped, also within its second, and however many there are",
    Effect.gen(function*() {
      const world = yield* setUp()
      yield* pass("1000 seconds")
      const networkKey = yield* NetworkKey.generate.pipe(Effect.provideService(Crypto.Crypto, world.crypto))
      const one = yield* discover(world, "one", { networkKey })
      const attacker = yield* world.network.host("attacker")
      const host = attacker.address
      const publicKey = world.stranger()
      const advert = (name: string, at: number) =>
        advertPacket(world.crypto, {
          networkId: "pnet",
          name,
          host,
          port: 4_000,
          publicKey,
          networkKey,
          at: at * 1_000
        })
      const say = (payload: Uint8Array) =>
        Effect.andThen(
          world.network.inject(attacker, { from: `${host}:6000`, to: "10.0.0.255:3334", payload }),
          pass("1 millis")
        )
      // Of a clock that is ahead of this one all are newer than what is kept.
      const adverts = Array.from({ length: 40 }, (_, i) => advert(`a${i}`, 1_010 + Math.floor(i / 4)))
      for (const each of adverts) yield* say(each)
      const heard = one.names().length
      assert.strictEqual(heard, 40)
      for (let round = 0; round < 2; round++) {
        for (const each of adverts) yield* say(each)
      }
      assert.strictEqual(one.names().length, heard)
      yield* say(advert("later", 1_020))
      assert.strictEqual(one.names().at(-1), "later")
      // A key that says more within a second than is kept of it is not heard any more in that second.
      for (let i = 0; i < 17; i++) yield* say(advert(`s${i}`, 1_030))
      assert.strictEqual(one.names().at(-1), "s16")
      yield* say(advert("more", 1_030))
      assert.strictEqual(one.names().at(-1), "s16")
      yield* say(advert("next", 1_031))
      assert.strictEqual(one.names().at(-1), "next")
    })
  )

  test(
    "with a network key: adverts of somebody else's key that are dated ahead outdate none of its own",
    Effect.gen(function*() {
      const world = yield* setUp()
      yield* pass("1000 seconds")
      const networkKey = yield* NetworkKey.generate.pipe(Effect.provideService(Crypto.Crypto, world.crypto))
      const one = yield* discover(world, "one", { networkKey })
      const publicKey = world.stranger()
      const [bob, mallory] = [yield* world.network.host("bob"), yield* world.network.host("mallory")]
      const say = ({ address: host }: typeof bob, name: string, at: number, port = 4_000) => {
        const fields = { networkId: "pnet", name, host, port, publicKey, networkKey, at: at * 1_000 }
        const payload = advertPacket(world.crypto, fields)
        return Effect.andThen(
          world.network.inject(host === bob.address ? bob : mallory, {
            from: `${host}:6000`,
            to: "10.0.0.255:3334",
            payload
          }),
          pass("1 millis")
        )
      }
      for (let i = 0; i < 40; i++) yield* say(mallory, `m${i}`, 1_059)
      yield* say(mallory, "m", 1_059, 0)
      yield* say(bob, "bob", 1_000)
      assert.strictEqual(one.names().at(-1), "bob")
    })
  )

  test(
    "with a network key: of each key an older advert than the newest is dropped, and after leaving only a later one counts",
    Effect.gen(function*() {
      const world = yield* setUp()
      yield* pass("1000 seconds")
      const networkKey = yield* NetworkKey.generate.pipe(Effect.provideService(Crypto.Crypto, world.crypto))
      const one = yield* discover(world, "one", { networkKey })
      const attacker = yield* world.network.host("attacker")
      const host = attacker.address
      const [alice, bob] = [world.stranger(), world.stranger()]
      const say = (publicKey: PublicKey.PublicKey, name: string, at: number, port = 4_000) =>
        Effect.andThen(
          world.network.inject(attacker, {
            from: `${host}:6000`,
            to: "10.0.0.255:3334",
            payload: advertPacket(world.crypto, {
              networkId: "pnet",
              name,
              host,
              port,
              publicKey,
              networkKey,
              at: at * 1_000
            })
          }),
          pass("1 millis")
        )
      yield* say(alice, "a1", 990)
      // Repeated within its second: heard, as a burst is.
      yield* say(alice, "a2", 990)
      yield* say(alice, "a-older", 989)
      yield* say(bob, "b-older-than-alice", 980)
      yield* say(alice, "a3", 995)
      yield* say(alice, "a-back", 994)
      assert.deepStrictEqual(one.names(), ["a1", "a2", "b-older-than-alice", "a3"])
      assert.strictEqual(yield* counted("stale"), 2)

      yield* say(alice, "a-leaves", 996, 0)
      yield* say(alice, "a-leaves", 996, 0)
      yield* say(alice, "a-replayed", 996)
      yield* say(alice, "a-replayed", 990)
      yield* say(alice, "a-again", 997)
      assert.deepStrictEqual(one.names().slice(4), ["a-leaves", "a-again"])

      // A clock ahead of this one does not lock its owner out: what is kept is this node's own time at most.
      yield* say(bob, "b-ahead", 1_050)
      yield* say(bob, "b-corrected", 1_000)
      assert.deepStrictEqual(one.names().slice(6), ["b-ahead", "b-corrected"])
      yield* say(bob, "b-recorded", 999)
      assert.strictEqual(one.names().length, 8)

      // Nor does this one, once it was set back: what it kept is from a time that no token is accepted of.
      yield* one.host.setSkew("-10 minutes")
      yield* say(bob, "b-set-back", 400)
      yield* say(bob, "b-recorded", 399)
      assert.deepStrictEqual(one.names().slice(8), ["b-set-back"])
    })
  )

  test(
    "of this node's own key from elsewhere is a KeyConflict event, once a minute",
    Effect.gen(function*() {
      const world = yield* setUp()
      const { node } = yield* SimWorld.startNode(world.network, { name: "one" })
      const attacker = yield* world.network.host("attacker")
      const conflicts: Array<Peers.PeerEvent> = []
      yield* node.peers.changes.pipe(
        Stream.runForEach((event) => Effect.sync(() => void conflicts.push(event))),
        Effect.forkScoped({ startImmediately: true })
      )
      // Its own adverts, which it hears too, are none.
      yield* pass("30 seconds")
      assert.deepStrictEqual(conflicts, [])
      const from = `${attacker.address}:6000`
      const payload = forged(world, attacker.address, 4_000, node.publicKey)
      for (let i = 0; i < 50; i++) {
        yield* world.network.inject(attacker, { from, to: "10.0.0.255:3334", payload })
        yield* pass("1 second")
      }
      assert.deepStrictEqual(conflicts as unknown, [{
        _tag: "KeyConflict",
        reason: "OwnKey",
        name: "one",
        expected: node.publicKey,
        publicKey: node.publicKey,
        source: { host: attacker.address, port: 6_000 }
      }])
      assert.deepStrictEqual(yield* node.peers.all, [])
      yield* pass("20 seconds")
      yield* world.network.inject(attacker, { from, to: "10.0.0.255:3334", payload })
      yield* pass("1 second")
      assert.strictEqual(conflicts.length, 2)
    })
  )
})

/** A host on two LANs, and an advertiser on each. */
const twoLans = Effect.gen(function*() {
  const world = yield* setUp({ lans: { a: {}, b: {} } })
  const host = yield* world.network.host("one", { interfaces: [{ lan: "a" }, { lan: "b" }] })
  for (const lan of ["a", "b"]) {
    const other = yield* world.network.host(`on-${lan}`, { interfaces: [{ lan }] })
    const each = yield* discover(world, `on-${lan}`, { on: other })
    yield* each.advertise
  }
  const sharedSocket = () =>
    world.network.openSockets().filter((socket) => socket.host === "one" && portOf(socket.local) === 3_334)
      .map(({ local }) => local)
  return { world, host, sharedSocket }
})

/** The host's network with its datagram sockets opened otherwise. */
const reopened = (change: (options: Network.DatagramOptions) => Network.DatagramOptions) =>
  Layer.effect(
    Network.Network,
    Effect.map(Network.Network, (network) => ({
      ...network,
      datagram: (options: Network.DatagramOptions) => network.datagram(change(options))
    }))
  )

// An address that the simulated host does not have, so that binding fails as it does where broadcast addresses cannot be bound.
const withoutBroadcastBinding = reopened((options) =>
  options.address.endsWith(".255") ? { ...options, address: "203.0.113.255" } : options
)

describe("sockets", () => {
  test(
    "bound to every address hear every interface",
    Effect.gen(function*() {
      const { host, sharedSocket, world } = yield* twoLans
      const one = yield* discover(world, "one", { on: host })
      yield* pass("5 seconds")
      assert.deepStrictEqual(new Set(one.names()), new Set(["on-a", "on-b"]))
      assert.deepStrictEqual(sharedSocket(), ["0.0.0.0:3334"])
    })
  )

  test(
    "bound to one address are heard and hear there alone, on the interface's broadcast address",
    Effect.gen(function*() {
      const { host, sharedSocket, world } = yield* twoLans
      const one = yield* discover(world, "one", { on: host, bindIp: "10.0.1.1" })
      yield* one.advertise
      yield* pass("5 seconds")
      assert.deepStrictEqual(new Set(one.names()), new Set(["on-b"]))
      assert.deepStrictEqual(sharedSocket(), ["10.0.1.255:3334"])
      assert.deepStrictEqual(new Set(world.broadcasts("one").map(({ to }) => to)), new Set(["10.0.1.255:3334"]))
      assert.strictEqual(yield* counted("other_subnet"), 0)
    })
  )

  test(
    "where broadcast addresses cannot be bound hear everything, and drop other subnets",
    Effect.gen(function*() {
      const { host, sharedSocket, world } = yield* twoLans
      const one = yield* discover(world, "one", { on: host, bindIp: "10.0.1.1", over: withoutBroadcastBinding })
      yield* one.advertise
      yield* pass("5 seconds")
      assert.deepStrictEqual(sharedSocket(), ["0.0.0.0:3334"])
      assert.deepStrictEqual(new Set(one.names()), new Set(["on-b"]))
      assert.isAbove(yield* counted("other_subnet"), 2)
      assert.deepStrictEqual(new Set(world.broadcasts("one").map(({ to }) => to)), new Set(["10.0.1.255:3334"]))
    })
  )

  test(
    "bound to loopback advertise to 127.255.255.255, to this machine alone",
    Effect.gen(function*() {
      const world = yield* setUp()
      const host = yield* world.network.host("host")
      const one = yield* discover(world, "one", { on: host, bindIp: "127.0.0.1" })
      const two = yield* discover(world, "two", { on: host, bindIp: "127.0.0.1" })
      const far = yield* discover(world, "far")
      yield* one.advertise
      yield* pass("5 seconds")
      assert.deepStrictEqual(new Set(two.names()), new Set(["one"]))
      assert.strictEqual(far.sighted.length, 0)
      assert.deepStrictEqual(new Set(world.broadcasts("host").map(({ to }) => to)), new Set(["127.255.255.255:3334"]))
      assert.strictEqual(advertOf(world.broadcasts("host")[0]!).host, "127.0.0.1")
    })
  )

  test(
    "are all closed with the scope, and a node that is built again finds the port free",
    Effect.gen(function*() {
      const world = yield* setUp({ lans: { a: {}, b: {} } })
      const host = yield* world.network.host("one", { interfaces: [{ lan: "a" }, { lan: "b" }] })
      const one = yield* discover(world, "one", { on: host })
      yield* Effect.scoped(Effect.andThen(one.advertise, pass("5 seconds")))
      assert.strictEqual(world.network.openSockets().length, 3)
      yield* one.process.stop
      assert.deepStrictEqual(world.network.openSockets(), [])
      // Without sharing it with anybody.
      const process = yield* host.process
      const socket = yield* process.run(
        Network.Network.use((network) => network.datagram({ address: "0.0.0.0", port: 3_334 }))
      )
      yield* socket.reader
    })
  )
})

describe("errors", () => {
  const errorOf = <A, R>(effect: Effect.Effect<A, Discovery.DiscoveryError | NodeOptions.OptionsError, R>) =>
    Effect.map(Effect.flip(effect), (error) => {
      if (error._tag !== "DiscoveryError") throw error
      return error
    })

  test(
    "an address of no interface is AddressNotAvailable",
    Effect.gen(function*() {
      const world = yield* setUp()
      const error = yield* errorOf(discover(world, "one", { bindIp: "10.9.9.9" }))
      assert.deepInclude(error, { kind: "AddressNotAvailable", address: "10.9.9.9", port: 3_334 })
      assert.match(
        error.message,
        /^cannot advertise from 10\.9\.9\.9: no network interface that is up has this IPv4 address/
      )
      assert.deepStrictEqual(world.network.openSockets(), [])
    })
  )

  test(
    "a shared port that somebody does not share is PortInUse, bound to all addresses or to one",
    Effect.gen(function*() {
      const world = yield* setUp()
      const host = yield* world.network.host("one")
      const greedy = yield* host.process
      const socket = yield* greedy.run(
        Network.Network.use((network) => network.datagram({ address: "0.0.0.0", port: 3_334 }))
      )
      yield* socket.reader
      for (const bindIp of ["0.0.0.0", host.address, "127.0.0.1"]) {
        const error = yield* errorOf(discover(world, "one", { on: host, bindIp }))
        assert.deepInclude(error, { kind: "PortInUse", port: 3_334 })
        assert.match(error.message, /^cannot hear adverts: UDP port 3334 is held by a program that does not share it/)
      }
      assert.strictEqual(world.network.openSockets().length, 1)
      // Another port is another network.
      yield* discover(world, "one", { on: host, advertisePort: 3_335 })
    })
  )

  test(
    "broadcasts that the system forbids are BroadcastImpossible when the node begins to advertise",
    Effect.gen(function*() {
      const world = yield* setUp()
      const one = yield* discover(world, "one", { over: reopened((options) => ({ ...options, broadcast: false })) })
      const error = yield* errorOf(one.advertise)
      assert.deepInclude(error, { kind: "BroadcastImpossible", address: "0.0.0.0", port: 3_334 })
      assert.match(
        error.message,
        /the system forbids broadcasts .*allow UDP to port 3334, or list the other nodes' addresses/
      )
      assert.strictEqual(world.sent.length, 0)
    })
  )

  test(
    "and none where one interface of several still broadcasts",
    Effect.gen(function*() {
      const world = yield* setUp({ lans: { a: {}, b: {} } })
      const host = yield* world.network.host("one", { interfaces: [{ lan: "a" }, { lan: "b" }] })
      const one = yield* discover(world, "one", {
        on: host,
        over: reopened((options) => options.address === "10.0.0.1" ? { ...options, broadcast: false } : options)
      })
      yield* one.advertise
      yield* pass("5 seconds")
      assert.deepStrictEqual(new Set(world.broadcasts("one").map(({ to }) => to)), new Set(["10.0.1.255:3334"]))
    })
  )

  test(
    "interfaces that cannot be read are waited for",
    Effect.gen(function*() {
      const world = yield* setUp()
      let broken = true
      const over = Layer.effect(
        Network.Network,
        Effect.map(Network.Network, (network) => ({
          ...network,
          interfaces: Effect.suspend(() =>
            broken ? Effect.fail(new Network.InterfacesError({ cause: new Error("no netlink") })) : network.interfaces
          )
        }))
      )
      const one = yield* discover(world, "one", { over })
      yield* one.advertise
      yield* pass("5 seconds")
      assert.strictEqual(world.sent.length, 0)
      broken = false
      yield* pass("3 seconds")
      assert.isAbove(world.broadcasts("one").length, 0)
    })
  )
})
