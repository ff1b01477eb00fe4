import { assert, layer } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import type { PublicKey } from "@pnet/core/PublicKey"
import * as SharedKeys from "@pnet/core/SharedKeys"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

/** A Crypto that writes down for whom it computed a shared key. */
const counting = Effect.map(Crypto.Crypto, (crypto) => {
  const computed: Array<PublicKey> = []
  return {
    computed,
    crypto: {
      ...crypto,
      sharedKey: (publicKey, secretKey) => {
        computed.push(publicKey)
        return crypto.sharedKey(publicKey, secretKey)
      }
    } satisfies Crypto.Crypto["Service"]
  }
})

layer(PortableCrypto.layer)("SharedKeys", (it) => {
  it.effect("computes a key once, and the right one", () =>
    Effect.map(counting, ({ computed, crypto }) => {
      const [me, a, b] = [crypto.generateKeyPair(), crypto.generateKeyPair(), crypto.generateKeyPair()]
      const keys = SharedKeys.make(crypto, me)
      assert.strictEqual(keys.size, 0)
      const first = keys.get(a.publicKey)
      assert.strictEqual(keys.get(a.publicKey), first)
      keys.get(b.publicKey)
      assert.strictEqual(keys.size, 2)
      assert.deepStrictEqual(computed, [a.publicKey, b.publicKey])
      assert.deepStrictEqual(
        Redacted.value(first),
        Redacted.value(crypto.sharedKey(me.publicKey, a.secretKey))
      )
    }))

  it.effect("holds no more than its capacity, and drops the least recently used", () =>
    Effect.map(counting, ({ computed, crypto }) => {
      const me = crypto.generateKeyPair()
      const peers = Array.from({ length: 5 }, () => crypto.generateKeyPair().publicKey)
      const [p0, p1, p2, p3] = peers as [PublicKey, PublicKey, PublicKey, PublicKey, PublicKey]
      const keys = SharedKeys.make(crypto, me, { capacity: 3 })
      keys.get(p0)
      keys.get(p1)
      keys.get(p2)
      keys.get(p0)
      keys.get(p3)
      assert.strictEqual(keys.size, 3)
      computed.length = 0
      keys.get(p0)
      keys.get(p2)
      keys.get(p3)
      assert.deepStrictEqual(computed, [])
      keys.get(p1)
      assert.deepStrictEqual(computed, [p1])
      assert.strictEqual(keys.size, 3)
      for (let round = 0; round < 3; round++) {
        for (const peer of peers) keys.get(peer)
        assert.strictEqual(keys.size, 3)
      }
    }))

  it.effect("works with a capacity of 1, and refuses capacities that are none", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const me = crypto.generateKeyPair()
      const keys = SharedKeys.make(crypto, me, { capacity: 1 })
      keys.get(me.publicKey)
      keys.get(crypto.generateKeyPair().publicKey)
      assert.strictEqual(keys.size, 1)
      for (const capacity of [0, -1, 1.5, NaN, Infinity]) {
        assert.throws(() => SharedKeys.make(crypto, me, { capacity }), RangeError)
      }
      assert.strictEqual(SharedKeys.defaultCapacity, 1_024)
    }))

  it.effect("keeps nothing of a key that cannot be computed", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const keys = SharedKeys.make(crypto, crypto.generateKeyPair())
      assert.throws(() => keys.get("A" as PublicKey), TypeError)
      assert.strictEqual(keys.size, 0)
    }))
})
