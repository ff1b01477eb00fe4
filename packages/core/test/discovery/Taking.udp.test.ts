/** Adverts on a network that hands each datagram on when it comes, as that of Node does. */
import { assert, describe, it } from "@effect/vitest"
import { Crypto, Discovery, Network, NetworkKey, NodeOptions, PortableCrypto, UdpDiscovery } from "@pnet/core"
import { SimNetwork } from "@pnet/testing"
import { advertPacket } from "@pnet/testing/DiscoverySuite"
import { Clock, Context, Effect, Layer, Logger, Metric, Result, type Scope, Stream } from "effect"
import { DatagramSocket } from "effect/socket"
import { TestClock } from "effect/testing"

const source = { host: "10.0.0.77", port: 6_000 }
const networkKey = Result.getOrThrow(NetworkKey.parse(`${"A".repeat(43)}=`))

/** A node whose shared socket hears what it is given, and how: taken when it came, or read. */
const listening = (options: Partial<NodeOptions.Input> = {}) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make()
    const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
    const clock = yield* Clock.Clock
    let give: ((payload: Uint8Array, port: number) => "taken" | "read") | undefined
    const over = Layer.effect(
      Network.Network,
      Effect.map(Network.Network, (network) => ({
        ...network,
        datagram: (options: Network.DatagramOptions) =>
          options.reuseAddress !== true
            ? network.datagram(options)
            : DatagramSocket.makeFromBackingSocket((events) =>
              Effect.sync((): DatagramSocket.BackingSocket => {
                give = (payload, port) => {
                  if (options.take!(payload, source.host, port)) return "taken"
                  events.onPacket(payload, source.host, port)
                  return "read"
                }
                return {
                  address: { host: options.address, port: options.port },
                  send: (_payload, _to, done) => done(),
                  sendMany: (_payloads, _to, done) => done(),
                  joinMulticast: () => Effect.die("nobody joins"),
                  close: () => {}
                }
              })
            )
      }))
    )
    const host = yield* network.host("one")
    const process = yield* host.launch(
      UdpDiscovery.layer.pipe(
        Layer.provideMerge(NodeOptions.layer({ name: "one", bindIp: "0.0.0.0", ...options })),
        Layer.provide(PortableCrypto.layer),
        Layer.provide(over)
      )
    )
    const sighted: Array<Discovery.Sighting> = []
    yield* Context.get(process.context, Discovery.Discovery).sightings.pipe(
      Stream.runForEach((sighting) => Effect.sync(() => void sighted.push(sighting))),
      (run) => Effect.forkScoped(process.run(run), { startImmediately: true })
    )
    yield* settle
    const { publicKey } = crypto.generateKeyPair()
    return {
      sighted,
      stop: process.stop,
      give: (payload: Uint8Array) => give!(payload, source.port),
      /** As from a socket that was not heard before. */
      giveOfStranger: (payload: Uint8Array) => give!(payload, 7_000),
      advert: (name = "bob", port = 4_000) =>
        advertPacket(crypto, {
          networkId: "pnet",
          name,
          host: source.host,
          port,
          publicKey,
          networkKey: options.networkKey === undefined ? undefined : networkKey,
          at: clock.currentTimeMillisUnsafe()
        })
    }
  })

const settle = Effect.gen(function*() {
  for (let i = 0; i < 20; i++) yield* Effect.yieldNow
})

const counted = Effect.map(
  Metric.snapshot,
  (all) =>
    Object.fromEntries(
      all.flatMap(({ attributes, id, state }) =>
        id === "pnet_adverts_received" ? [[attributes!["outcome"]!, (state as { readonly count: number }).count]] : []
      )
    )
)

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () =>
    body.pipe(
      Effect.scoped,
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provide(Logger.layer([]))
    ))

describe("adverts that are handed on when they come", () => {
  test(
    "are taken at once where their source was heard before, whatever they say, and read otherwise",
    Effect.gen(function*() {
      const one = yield* listening()
      const [bob, bobby] = [one.advert(), one.advert("bobby")]
      assert.deepStrictEqual([bob, bob, bobby, bobby, bob].map(one.give), ["read", "taken", "taken", "taken", "taken"])
      yield* settle
      assert.deepStrictEqual(one.sighted.map(({ name }) => name as string), ["bob", "bob", "bobby", "bobby", "bob"])
      assert.strictEqual(one.sighted[0], one.sighted[1])
      assert.deepStrictEqual(yield* counted, { accepted: 5 })
    })
  )

  test(
    "are each news once on a network with a key, whether taken or read, and nothing that does not open counts",
    Effect.gen(function*() {
      const one = yield* listening({ networkKey })
      const [first, second, third] = [one.advert(), one.advert(), one.advert()]
      assert.deepStrictEqual([first, second, second, first].map(one.give), ["read", "taken", "taken", "taken"])
      const forged = third.slice()
      // A character of the token's ciphertext.
      forged[80] = forged[80] === 0x41 ? 0x42 : 0x41
      assert.deepStrictEqual([forged, one.advert("bobby"), third].map(one.give), ["taken", "taken", "taken"])
      yield* TestClock.adjust("1 second")
      const late = one.advert()
      assert.deepStrictEqual([late, late, second].map(one.give), ["taken", "taken", "taken"])
      yield* settle
      assert.deepStrictEqual(one.sighted.map(({ name }) => name as string), ["bob", "bob", "bobby", "bob", "bob"])
      assert.deepStrictEqual(yield* counted, { accepted: 5, stale: 4, ERR_NET_DECRYPTION_FAILED: 1 })
    })
  )

  test(
    "have to wait where something that came before them is still to be looked at, and for ever at the end",
    Effect.gen(function*() {
      const one = yield* listening()
      const [bob, leaving] = [one.advert(), one.advert("bob", 0)]
      assert.deepStrictEqual([bob, bob].map(one.give), ["read", "taken"])
      // After so many others have their turn.
      for (let i = 0; i < 16; i++) assert.strictEqual(one.giveOfStranger(new Uint8Array(3)), "read")
      assert.deepStrictEqual([leaving, bob].map(one.give), ["read", "read"])
      yield* settle
      assert.deepStrictEqual(one.sighted.map(({ endpoint }) => endpoint.port), [4_000, 4_000, 0, 4_000])
      assert.strictEqual(one.give(bob), "taken")
      yield* one.stop
      assert.strictEqual(one.give(bob), "read")
    })
  )
})
