/**
 * What a datagram of a peer costs a whole node, from the socket to the table, counted and not timed: fibers that are started, texts that are made of
 * bytes, tokens that are opened. What is counted here is what a slower way would have more of, on any machine.
 */
import { assert, describe, it } from "@effect/vitest"
import { BasicNode, Crypto, LanReach, NetworkKey, Packet, PortableCrypto, TofuTrust } from "@pnet/core"
import { SimNetwork } from "@pnet/testing"
import { Clock, Context, Effect, Layer, Logger, Metric, Result, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as AdvertExchange from "../../src/internal/wire/advertExchange.ts"
import * as CrowdPackets from "../../src/internal/wire/crowdPackets.ts"
import * as NetworkCipher from "../../src/internal/wire/networkCipher.ts"

const networkKey = Result.getOrThrow(NetworkKey.parse(`${"A".repeat(43)}=`))
const settle = Effect.gen(function*() {
  for (let i = 0; i < 20; i++) yield* Effect.yieldNow
})

/** A node, and so many others that are voices alone, which it has heard several times. */
const heardOf = (peers: number, encrypted: boolean) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0, link: { latency: 0 } })
    const portable = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
    const clock = yield* Clock.Clock
    const counts = { fibers: 0, texts: 0, opened: 0 }
    const crypto = Layer.succeed(Crypto.Crypto, {
      ...portable,
      fernetDecrypt: (...args) => {
        counts.opened++
        return portable.fernetDecrypt(...args)
      }
    })
    const host = yield* network.host("one")
    const process = yield* host.launch(
      BasicNode.layer({ name: "one", bindIp: "0.0.0.0", ...encrypted ? { networkKey } : {} }).pipe(
        Layer.provide(LanReach.layer),
        Layer.provide(Layer.mergeAll(crypto, TofuTrust.layer())),
        Layer.provide(Layer.succeed(Metric.FiberRuntimeMetrics, {
          recordFiberStart: () => void counts.fibers++,
          recordFiberEnd: () => {}
        }))
      )
    )
    const networkId = Packet.NetworkId.make("pnet")
    let privatePort = ""
    yield* network.intercept(({ from, host, protocol }) => {
      if (host === "one" && protocol === "udp") privatePort = from
      return "pass"
    })
    const voices = yield* Effect.forEach(Array.from({ length: peers }, (_, i) => i), (i) =>
      Effect.gen(function*() {
        const host = yield* network.host(`voice${i}`)
        const keys = encrypted ? [NetworkKey.toBytes(networkKey)] : []
        const self: AdvertExchange.Self = {
          networkId,
          name: Packet.NodeName.make(`voice${i}`),
          identity: portable.generateKeyPair(),
          cipher: NetworkCipher.make({ crypto: portable, clock, networkId, keys })
        }
        const endpoint = { host: host.address, port: 4_000 }
        const from = `${host.address}:6000`
        return {
          advertise: (to = "10.0.0.255:3334") =>
            network.inject(host, { from, to, payload: AdvertExchange.packet(self, endpoint) }),
          ask: () =>
            network.inject(host, { from, to: privatePort, payload: CrowdPackets.who(self, endpoint, undefined) })
        }
      }))
    // Until its own first adverts are said.
    yield* TestClock.adjust("2 seconds")
    for (let i = 0; i < 3; i++) {
      for (const voice of voices) yield* voice.advertise()
      yield* settle
      yield* TestClock.adjust("1 second")
    }
    const node = Context.get(process.context, BasicNode.BasicNode)
    assert.strictEqual((yield* node.peers.all).length, peers)
    /** What something costs in which no time passes. */
    const costOf = (effect: Effect.Effect<void>) =>
      Effect.gen(function*() {
        const { decode } = TextDecoder.prototype
        const before = { ...counts }
        // Whoever runs the tests has texts to make, too, in the turns in which what is asked for settles.
        TextDecoder.prototype.decode = function(...args) {
          if (new Error().stack?.includes("/core/src/") === true) counts.texts++
          return decode.apply(this, args)
        }
        yield* Effect.ensuring(
          Effect.andThen(effect, settle),
          Effect.sync(() => {
            TextDecoder.prototype.decode = decode
          })
        )
        return {
          fibers: counts.fibers - before.fibers,
          texts: counts.texts - before.texts,
          opened: counts.opened - before.opened
        }
      })
    return {
      voices,
      costOf,
      privatePort: () => privatePort
    }
  })

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () =>
    body.pipe(
      Effect.scoped,
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provide(Logger.layer([]))
    ))

describe("an advert of a peer that says nothing new", () => {
  for (const encrypted of [false, true]) {
    test(
      `starts no fiber and makes no text, ${encrypted ? "and its token is opened once" : "on a network without a key"}`,
      Effect.gen(function*() {
        const { costOf, privatePort, voices } = yield* heardOf(20, encrypted)
        const again = Effect.forEach([1, 2, 3], () => Effect.forEach(voices, (voice) => voice.advertise()), {
          discard: true
        })
        assert.deepStrictEqual(yield* costOf(again), { fibers: 0, texts: 0, opened: encrypted ? 60 : 0 })
        // Nor where it is an answer, to the socket that asked, and broadcast again.
        const answers = Effect.forEach(voices, (voice) => voice.advertise(privatePort()), { discard: true })
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* costOf(Effect.andThen(answers, again)), {
          fibers: 0,
          texts: 0,
          opened: encrypted ? 80 : 0
        })
      })
    )
  }
})

describe("a question of a peer", () => {
  test(
    "starts the fiber that answers it, and no other",
    Effect.gen(function*() {
      const { costOf, voices } = yield* heardOf(20, false)
      const { fibers } = yield* costOf(Effect.forEach(voices, (voice) => voice.ask(), { discard: true }))
      assert.isAtMost(fibers, 20)
    })
  )
})
