/** What is made of a packet whose sender said something before: the same as without that, whatever the packet is. */
import { assert, describe, it } from "@effect/vitest"
import { Adverts, NetworkKey, NodeOptions, PortableCrypto } from "@pnet/core"
import { Context, Effect, Layer, Result } from "effect"

const made = (name: string, options: Partial<NodeOptions.Input> = {}) =>
  Effect.gen(function*() {
    const context = yield* Layer.build(
      Layer.fresh(NodeOptions.layer({ name, networkId: "net", ...options })).pipe(
        Layer.provideMerge(PortableCrypto.layer)
      )
    )
    const config = Context.get(context, NodeOptions.NodeConfig)
    const adverts = yield* Effect.provide(Adverts.make, context)
    return { name: config.name, publicKey: config.identity.publicKey, adverts }
  })

/** The packet, and all that differ from it by a byte that is another, too much, or missing, or by their end. */
function* around(packet: Uint8Array): Generator<Uint8Array> {
  yield packet
  for (let at = 0; at < packet.length; at++) {
    for (const by of [1, 0x20]) yield packet.map((byte, i) => i === at ? byte ^ by : byte)
    yield packet.filter((_, i) => i !== at)
    yield packet.subarray(0, at)
  }
  yield Uint8Array.of(...packet, 0)
}

describe("an advert", () => {
  for (const encrypted of [false, true]) {
    it.effect(`of a sender who said the like of it before is read as one of a stranger, ${encrypted ? "with" : "without"} a network key`, () =>
      Effect.gen(function*() {
        const options = encrypted ? { networkKey: yield* NetworkKey.generate } : {}
        const reader = (yield* made("reader", options)).adverts
        const [bob, carol] = [yield* made("bób", options), yield* made("carol", options)]
        let again = 0
        for (const host of ["10.0.0.7", "fd70:6e74::7"]) {
          const last = { name: bob.name, publicKey: bob.publicKey, endpoint: { host, port: 700 } }
          const said = bob.adverts.packet(last.endpoint)
          const others = [{ host, port: 70 }, { host: "10.0.0.70", port: 700 }, { host: "fd70:6e74::", port: 700 }, {
            host,
            port: 0
          }]
          const packets = [
            ...encrypted ? [said, said.subarray(1), said.subarray(0, -1)] : around(said),
            ...others.map((endpoint) => bob.adverts.packet(endpoint)),
            carol.adverts.packet(last.endpoint)
          ]
          for (const packet of packets) {
            const heard = reader.read(packet, last)
            assert.deepStrictEqual(heard, reader.read(packet))
            if (
              Result.isSuccess(heard) && heard.success.advert.port === 700 && heard.success.publicKey === bob.publicKey
            ) again++
          }
        }
        assert.isAtLeast(again, 4)
      }).pipe(Effect.provide(PortableCrypto.layer)))
  }
})
