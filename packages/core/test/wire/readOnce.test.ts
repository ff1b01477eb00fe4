import { assert, describe, it } from "@effect/vitest"
import * as AdvertExchange from "@pnet/core/internal/wire/advertExchange"
import * as CrowdPackets from "@pnet/core/internal/wire/crowdPackets"
import * as ReadOnce from "@pnet/core/internal/wire/readOnce"
import * as Packet from "@pnet/core/Packet"
import type { PublicKey } from "@pnet/core/PublicKey"
import { Result } from "effect"

const publicKey = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=" as PublicKey
const networkId = "pnet" as Packet.NetworkId
const expected = { networkId, types: ["adv", "who"] as const, maxLength: Packet.maxDatagramLength }

/** A node in clear, or one whose network has a key, to which nothing opens here. */
const selfOf = (encrypted: boolean) =>
  ({
    networkId,
    name: "alice",
    identity: { publicKey },
    cipher: {
      encrypted,
      seal: (_type: string, _key: string, text: Uint8Array) => text,
      open: ({ content }: Packet.Packet) =>
        encrypted
          ? Result.fail("does not open")
          : Result.succeed({ text: content, timestamp: undefined, key: undefined })
    }
  }) as unknown as AdvertExchange.Self

const clear = selfOf(false)
const keyed = selfOf(true)

const decoded = (bytes: Uint8Array, of = expected): Packet.Packet => Result.getOrThrow(ReadOnce.decode(bytes, of))

describe("reading once", () => {
  it("gives nodes that hear the same one packet, and what stands in it", () => {
    const bytes = AdvertExchange.packet(clear, { host: "10.0.0.1", port: 4000 })
    const first = decoded(bytes)
    const again = decoded(bytes.slice())
    assert.strictEqual(again, first)
    const heard = ReadOnce.advert(clear, first, undefined, undefined)
    assert.strictEqual(ReadOnce.advert(clear, again, undefined, undefined), heard)
    assert.deepStrictEqual(Result.getOrThrow(heard).advert, { name: "alice" as never, host: "10.0.0.1", port: 4000 })
  })

  it("reads anew what stands in memory that was used before, and what another network hears", () => {
    const bytes = AdvertExchange.packet(clear, { host: "10.0.0.1", port: 4000 })
    const first = decoded(bytes)
    assert.strictEqual(Result.getOrThrow(ReadOnce.advert(clear, first, undefined, undefined)).advert.port, 4000)
    bytes.set(AdvertExchange.packet(clear, { host: "10.0.0.1", port: 5000 }))
    const second = decoded(bytes)
    assert.strictEqual(Result.getOrThrow(ReadOnce.advert(clear, second, undefined, undefined)).advert.port, 5000)
    bytes.fill(0)
    assert.deepStrictEqual(Packet.encode(second), AdvertExchange.packet(clear, { host: "10.0.0.1", port: 5000 }))
    const other = { ...expected, networkId: "other" as Packet.NetworkId }
    assert.isTrue(Result.isFailure(ReadOnce.decode(Packet.encode(second), other)))
    assert.isTrue(Result.isSuccess(ReadOnce.decode(Packet.encode(second), expected)))
  })

  it("gives a node with a key nothing that one in clear has read", () => {
    const advert = decoded(AdvertExchange.packet(clear, { host: "10.0.0.1", port: 4000 }))
    assert.isTrue(Result.isSuccess(ReadOnce.advert(clear, advert, undefined, undefined)))
    assert.isTrue(Result.isFailure(ReadOnce.advert(keyed, advert, undefined, undefined)))
    const who = decoded(CrowdPackets.who(clear, { host: "10.0.0.1", port: 4000 }, undefined))
    const read = ReadOnce.who(clear, who)
    assert.strictEqual(ReadOnce.who(clear, who), read)
    assert.isTrue(Result.isSuccess(read))
    assert.isTrue(Result.isFailure(ReadOnce.who(keyed, who)))
  })
})
