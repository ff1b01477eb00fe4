import { assert, describe, it } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import { cryptoSuite } from "@pnet/testing/CryptoSuite"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

cryptoSuite("portable", Crypto.layerPortable)

describe("layerPortable", () => {
  it.effect("leaves String.prototype as it was", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto.Crypto
      const key = Redacted.make(crypto.randomBytes(32))
      const token = crypto.fernetEncrypt(key, crypto.randomBytes(50), 0)
      assert.strictEqual(crypto.fernetDecrypt([key], token, 0, 60)._tag, "Success")
      assert.isFalse("lpad" in String.prototype)
    }).pipe(Effect.provide(Crypto.layerPortable)))

  it.effect("is called portable", () =>
    Effect.map(Crypto.Crypto, (crypto) => assert.strictEqual(crypto.name, "portable")).pipe(
      Effect.provide(Crypto.layerPortable)
    ))
})

describe("FernetError", () => {
  it("says what happened and what to compare", () => {
    const message = (kind: Crypto.FernetError["kind"], ageSeconds?: number) =>
      new Crypto.FernetError(ageSeconds === undefined ? { kind } : { kind, ageSeconds }).message
    assert.include(message("Expired", 61), "61 s old")
    assert.include(message("Future", -61), "61 s ahead")
    assert.include(message("Unauthentic"), "network keys")
  })
})
