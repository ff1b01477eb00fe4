/**
 * The compliance suite of the `Discovery` seam: what any way of finding nodes guarantees, and, where adverts are broadcast,
 * what answering and leaving mean. Over a simulated network or real sockets.
 *
 * A `DiscoveryWorld` says how the discovery of one node is built; the tests know nothing else. What nodes answer to a TCP
 * connection is given here too (`answerAdverts`), since discovery at known addresses asks there.
 *
 * What bites: it registers vitest tests when called, so it belongs at the top level of a test file; and it is not part of
 * the package's index, since importing it imports vitest.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import * as Advert from "@pnet/core/Advert"
import { Crypto, type KeyPair } from "@pnet/core/Crypto"
import type { Discovery, DiscoveryError, Sighting } from "@pnet/core/Discovery"
import * as Framer from "@pnet/core/Framer"
import type { Endpoint } from "@pnet/core/Network"
import * as NetworkKey from "@pnet/core/NetworkKey"
import type * as NodeOptions from "@pnet/core/NodeOptions"
import * as Packet from "@pnet/core/Packet"
import type { PublicKey } from "@pnet/core/PublicKey"
import type { Connection } from "@pnet/core/Transport"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { encodeText } from "./internal/platform.ts"

/**
 * The discovery of one node.
 *
 * @category models
 * @since 0.1.0
 */
export interface Party {
  readonly name: string
  readonly publicKey: PublicKey
  /** Where its adverts are to say that it listens. */
  readonly endpoint: Endpoint
  readonly discovery: Discovery["Service"]
  /** Advertises it, and answers adverts at its endpoint, until the scope closes. */
  readonly advertise: Effect.Effect<void, DiscoveryError, Scope.Scope>
}

/**
 * Where the nodes of one test live. At most three are started.
 *
 * @category models
 * @since 0.1.0
 */
export interface DiscoveryWorld {
  /** Builds the discovery of a node that lives until the scope closes. It does not advertise yet. */
  readonly start: (options: NodeOptions.Input) => Effect.Effect<Party, DiscoveryError, Scope.Scope>
  readonly crypto: Crypto["Service"]
  /** How many sockets are open that the tests may have opened, to see that nothing is left. */
  readonly openSockets: Effect.Effect<number>
}

/**
 * How the suite runs a test.
 *
 * @category models
 * @since 0.1.0
 */
export interface DiscoverySetup {
  readonly world: Effect.Effect<DiscoveryWorld, never, Scope.Scope>
  /** Runs a test's effect while time passes. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Whether the tests run on the machine's own clock. */
  readonly live: boolean
  /** How nodes are found: one way, or both. */
  readonly via: ReadonlyArray<Sighting["via"]>
}

const utf8 = encodeText

/**
 * An `adv` packet made by hand, from the protocol's text: with a network key its content is a token of the time `at`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const advertPacket = (crypto: Crypto["Service"], advert: {
  readonly networkId: string
  readonly name: string
  readonly host: string
  readonly port: number
  readonly publicKey: PublicKey
  readonly networkKey?: NetworkKey.NetworkKey | undefined
  /** Milliseconds since the epoch. */
  readonly at?: number | undefined
}): Uint8Array => {
  const text = `${advert.name}@${Advert.formatEndpoint(advert)}`
  const { networkId, publicKey } = advert
  return Packet.encode({
    networkId: networkId as Packet.NetworkId,
    type: "adv",
    content: advert.networkKey === undefined
      ? utf8(text)
      : crypto.fernetEncrypt(
        NetworkKey.toBytes(advert.networkKey),
        utf8(`${networkId}|adv|${publicKey}|${text}`),
        advert.at ?? 0
      ),
    publicKey
  })
}

/**
 * What a node does with a connection, as far as discovery goes: reads a packet and answers with its own `adv`. It does so
 * whatever network the packet was of, since who is sighted is for the asker to judge.
 *
 * @category combinators
 * @since 0.1.0
 */
export const answerAdverts =
  (crypto: Crypto["Service"], node: NodeOptions.NodeOptions & { readonly identity: KeyPair }, listening: Endpoint) =>
  (connection: Connection): Effect.Effect<void> =>
    Effect.gen(function*() {
      const framer = Framer.make(Packet.maxStreamLength)
      let bytes: Uint8Array | undefined
      while (bytes === undefined) {
        for (const chunk of yield* connection.pull) {
          framer.push(chunk)
          bytes ??= framer.next()
        }
      }
      const { networkId, networkKey } = node
      const keys: ReadonlyArray<NetworkKey.NetworkKey> = networkKey === undefined
        ? []
        : Array.isArray(networkKey)
        ? networkKey
        : [networkKey as NetworkKey.NetworkKey]
      yield* connection.write(advertPacket(crypto, {
        networkId,
        name: node.name,
        ...listening,
        publicKey: node.identity.publicKey,
        networkKey: keys[0],
        at: yield* Clock.currentTimeMillis
      }))
      yield* connection.end
      return yield* Effect.forever(connection.pull)
    }).pipe(Effect.ignore)

const networkId = "suite"

const generateKey = (world: DiscoveryWorld) => NetworkKey.generate.pipe(Effect.provideService(Crypto, world.crypto))

/** Waits until there is something; for ever is twenty seconds without it. */
const until = <A>(what: string, find: () => A | undefined): Effect.Effect<A> =>
  Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    while (true) {
      const found = find()
      if (found !== undefined) return found
      if ((yield* Clock.currentTimeMillis) - start > 20_000) return yield* Effect.die(new Error(`in vain: ${what}`))
      yield* Effect.sleep("5 millis")
    }
  })

/** How often an outcome of a received advert was counted, in this test. */
const counted = (outcome: string): Effect.Effect<number> =>
  Effect.map(
    Metric.snapshot,
    (all) =>
      all.reduce(
        (sum, metric) =>
          metric.type === "Counter" && metric.id === "pnet_adverts_received" &&
            metric.attributes?.["outcome"] === outcome
            ? sum + Number(metric.state.count)
            : sum,
        0
      )
  )

/** Waits until it was counted so often: a busy machine says and hears adverts late. */
const countedAtLeast = (outcome: string, least: number, interval: Duration.Duration): Effect.Effect<void> =>
  Effect.gen(function*() {
    for (let i = 0; i < 100 && (yield* counted(outcome)) < least; i++) yield* Effect.sleep(interval)
    assert.isAtLeast(yield* counted(outcome), least, outcome)
  })

/** What the tests are given: `start` gives a node's discovery, and everything that it sights. */
interface Suite {
  readonly setup: DiscoverySetup
  readonly broadcast: boolean
  readonly interval: Duration.Duration
  readonly test: (
    title: string,
    body: (world: DiscoveryWorld) => Effect.Effect<void, unknown, Scope.Scope>
  ) => void
  readonly start: (
    world: DiscoveryWorld,
    options: NodeOptions.Input
  ) => Effect.Effect<Started, Effect.Error<ReturnType<DiscoveryWorld["start"]>>, Scope.Scope>
}

type Started = Effect.Success<ReturnType<DiscoveryWorld["start"]>> & {
  readonly sighted: ReadonlyArray<Sighting>
  readonly ofKey: (publicKey: PublicKey) => ReadonlyArray<Sighting>
}

const testsOf = (setup: DiscoverySetup): Suite["test"] => (title, body) => {
  const effect = () =>
    setup.run(
      Effect.scoped(Effect.gen(function*() {
        const world = yield* setup.world
        const before = yield* world.openSockets
        yield* Effect.scoped(body(world))
        // What a closing connection still says to the other side takes its time.
        yield* Effect.gen(function*() {
          while ((yield* world.openSockets) > before) yield* Effect.sleep("5 millis")
        }).pipe(Effect.timeoutOrElse({
          duration: "20 seconds",
          orElse: () => Effect.die(new Error("sockets are left open"))
        }))
      })).pipe(
        Effect.provideService(Metric.MetricRegistry, new Map()),
        Effect.provide(Logger.layer([]))
      )
    )
  if (setup.live) it.live(title, effect, 60_000)
  else it.effect(title, effect, 60_000)
}

const startsOf = (interval: Duration.Duration): Suite["start"] => (world, options) =>
  Effect.gen(function*() {
    const party = yield* world.start({ networkId, broadcastInterval: interval, ...options })
    const sighted: Array<Sighting> = []
    yield* party.discovery.sightings.pipe(
      Stream.runForEach((sighting) => Effect.sync(() => void sighted.push(sighting))),
      Effect.forkScoped({ startImmediately: true })
    )
    return {
      ...party,
      sighted,
      ofKey: (publicKey: PublicKey) => sighted.filter((sighting) => sighting.publicKey === publicKey)
    }
  })

const sighting = (by: Started, of: Started) =>
  until(`${by.name} sights ${of.name}`, () => by.ofKey(of.publicKey).find(({ endpoint }) => endpoint.port !== 0))

/** Who is sighted, and how often. */
const sightings = ({ broadcast, interval, setup, start, test }: Suite): void => {
  test("nobody is sighted before anybody advertises", (world) =>
    Effect.gen(function*() {
      const [a, b] = [yield* start(world, { name: "a" }), yield* start(world, { name: "b" })]
      yield* Effect.sleep(Duration.times(interval, 3))
      assert.deepStrictEqual([...a.sighted, ...b.sighted], [])
    }))

  test("who advertises is sighted, by name, key and address, and again every interval", (world) =>
    Effect.gen(function*() {
      const [a, b] = [yield* start(world, { name: "a" }), yield* start(world, { name: "b" })]
      yield* b.advertise
      yield* a.advertise
      for (const [by, of] of [[a, b], [b, a]] as const) {
        const first = yield* sighting(by, of)
        assert.strictEqual(first.name as string, of.name)
        assert.deepStrictEqual(first.endpoint, of.endpoint)
        assert.strictEqual(first.source.host, of.endpoint.host)
        assert.include(setup.via, first.via)
      }
      for (const via of setup.via) {
        yield* until(`it is sighted again, ${via}`, () => {
          const again = a.ofKey(b.publicKey).filter((one) => one.via === via)
          return again.length >= 6 ? again : undefined
        })
      }
      assert.deepStrictEqual(new Set(a.sighted.map((one) => one.publicKey)), new Set([b.publicKey]))
    }))

  test("who can take sightings at once is given them, those that wait first, until he has enough", (world) =>
    Effect.gen(function*() {
      const a = yield* world.start({ networkId, broadcastInterval: interval, name: "a" })
      const { forEach } = a.discovery
      if (forEach === undefined) return
      const b = yield* start(world, { name: "b" })
      yield* b.advertise
      yield* a.advertise
      yield* Effect.sleep(Duration.times(interval, 2))
      const given: Array<Sighting> = []
      const scope = yield* Scope.make()
      yield* Scope.provide(forEach((one) => void given.push(one)), scope)
      yield* until("one that has waited", () => given[0])
      const waited = given.length
      yield* until("further ones", () => given[waited + 2])
      for (const one of given) assert.strictEqual(one.publicKey, b.publicKey)
      yield* Scope.close(scope, Exit.void)
      const length = given.length
      yield* Effect.sleep(Duration.times(interval, 3))
      assert.strictEqual(given.length, length)
    }))

  test("who listens nowhere sights others, and is sighted by nobody", (world) =>
    Effect.gen(function*() {
      const [a, b] = [yield* start(world, { name: "a" }), yield* start(world, { name: "b" })]
      yield* a.discovery.advertise(undefined)
      yield* b.advertise
      yield* sighting(a, b)
      yield* Effect.sleep(Duration.times(interval, 3))
      assert.deepStrictEqual(b.sighted, [])
    }))

  test("a node does not sight itself", (world) =>
    Effect.gen(function*() {
      const a = yield* start(world, { name: "a" })
      yield* a.advertise
      yield* Effect.sleep(Duration.times(interval, 3))
      if (broadcast) yield* countedAtLeast("own", 4, interval)
      assert.deepStrictEqual(a.sighted, [])
    }))
}

/** Which nodes do not sight each other. */
const networks = ({ broadcast, interval, start, test }: Suite): void => {
  test("nodes with one network key sight each other", (world) =>
    Effect.gen(function*() {
      const [first, second] = [yield* generateKey(world), yield* generateKey(world)]
      const a = yield* start(world, { name: "a", networkKey: first })
      const b = yield* start(world, { name: "b", networkKey: [first, second] })
      yield* a.advertise
      yield* b.advertise
      assert.strictEqual((yield* sighting(a, b)).name as string, "b")
      assert.strictEqual((yield* sighting(b, a)).name as string, "a")
    }))

  test("nodes of another network, or with another key or none, are not sighted but counted", (world) =>
    Effect.gen(function*() {
      const networkKey = yield* generateKey(world)
      const a = yield* start(world, { name: "a" })
      const b = yield* start(world, { name: "b", networkId: "other" })
      const c = yield* start(world, { name: "c", networkKey })
      for (const one of [a, b, c]) yield* one.advertise
      yield* Effect.sleep(Duration.times(interval, 3))
      if (broadcast) {
        // Of each one's adverts: b's by a and c, a's and c's by b; c's by a and a's by c.
        yield* countedAtLeast("ERR_NETWORK_INCORRECT", 8, interval)
        yield* countedAtLeast("ERR_NET_DECRYPTION_FAILED", 4, interval)
        assert.strictEqual(yield* counted("accepted"), 0)
      }
      assert.deepStrictEqual([...a.sighted, ...b.sighted, ...c.sighted], [])
    }))

  test("and with another key each, neither", (world) =>
    Effect.gen(function*() {
      const a = yield* start(world, { name: "a", networkKey: yield* generateKey(world) })
      const b = yield* start(world, { name: "b", networkKey: yield* generateKey(world) })
      yield* a.advertise
      yield* b.advertise
      yield* Effect.sleep(Duration.times(interval, 3))
      assert.deepStrictEqual([...a.sighted, ...b.sighted], [])
      if (broadcast) yield* countedAtLeast("ERR_NET_DECRYPTION_FAILED", 4, interval)
    }))

  test("nothing is sighted after the scope has closed", (world) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const a = yield* Scope.provide(start(world, { name: "a" }), scope)
      const b = yield* start(world, { name: "b" })
      yield* Scope.provide(a.advertise, scope)
      yield* b.advertise
      yield* sighting(a, b)
      yield* sighting(b, a)
      yield* Scope.close(scope, Exit.void)
      // What it said last is still on its way.
      yield* Effect.sleep("50 millis")
      const [byA, ofA] = [a.sighted.length, b.ofKey(a.publicKey).length]
      yield* Effect.sleep(Duration.times(interval, 3))
      assert.strictEqual(a.sighted.length, byA)
      assert.strictEqual(b.ofKey(a.publicKey).length, ofA)
    }))

  if (broadcast) {
    test("an answer tells the newcomer at once, and nothing but an answer does", (world) =>
      Effect.gen(function*() {
        const long = { broadcastInterval: "10 seconds" as const }
        const a = yield* start(world, { name: "a", ...long })
        yield* a.advertise
        // Until its burst is over, and what it may ask as it starts, and before its first interval is.
        yield* Effect.sleep("1500 millis")
        const b = yield* start(world, { name: "b", ...long })
        const since = yield* Clock.currentTimeMillis
        yield* b.advertise
        const { answer } = yield* until(
          "a hears b",
          () => a.ofKey(b.publicKey).find((one) => one.via === "broadcast")
        )
        yield* Effect.sleep("200 millis")
        // Later b may ask itself, and is told then. What a asks itself, on a machine that is slow, is no answer.
        if ((yield* Clock.currentTimeMillis) - since < 350) {
          assert.deepStrictEqual(
            b.ofKey(a.publicKey).filter((one) => one.via === "broadcast" && one.asks !== true),
            []
          )
        }
        yield* answer
        const told = yield* until("b hears a", () => b.ofKey(a.publicKey).find((one) => one.via === "broadcast"))
        assert.strictEqual(told.name as string, "a")
        assert.deepStrictEqual(told.endpoint, a.endpoint)
      }))

    test("who stops advertising is sighted as leaving, with port 0", (world) =>
      Effect.gen(function*() {
        const [a, b] = [yield* start(world, { name: "a" }), yield* start(world, { name: "b" })]
        const scope = yield* Scope.make()
        yield* Scope.provide(b.advertise, scope)
        yield* until("a hears b", () => a.ofKey(b.publicKey).find((one) => one.via === "broadcast"))
        assert.isTrue(a.sighted.every(({ endpoint }) => endpoint.port !== 0))
        yield* Scope.close(scope, Exit.void)
        const last = yield* until("b leaves", () => a.ofKey(b.publicKey).find(({ endpoint }) => endpoint.port === 0))
        assert.strictEqual(last.name as string, "b")
        assert.strictEqual(last.endpoint.host, b.endpoint.host)
      }))
  }
}

/**
 * Registers the suite.
 *
 * @category suites
 * @since 0.1.0
 */
export const discoverySuite = (name: string, setup: DiscoverySetup): void => {
  // A real interval is short, so that the suite is; what must happen within one is then told by nothing else happening.
  const interval = Duration.millis(setup.live ? 200 : 2_500)
  const suite: Suite = {
    setup,
    broadcast: setup.via.includes("broadcast"),
    interval,
    test: testsOf(setup),
    start: startsOf(interval)
  }
  describe(`Discovery: ${name}`, () => {
    sightings(suite)
    networks(suite)
  })
}
