import { assert, describe, it } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import { cryptoSuite } from "@pnet/testing/CryptoSuite"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { createRequire } from "node:module"
import nacl from "tweetnacl"

// It has no types of its own.
const fernet = createRequire(import.meta.url)("fernet")

cryptoSuite("portable", PortableCrypto.layer)

describe("PortableCrypto.layer", () => {
  it.effect("is called portable", () =>
    Effect.map(Crypto.Crypto, (crypto) => assert.strictEqual(crypto.name, "portable")).pipe(
      Effect.provide(PortableCrypto.layer)
    ))

  it.effect("wipes the product of the curve that a key is made of", () =>
    Effect.gen(function*() {
      const box = yield* PortableCrypto.box
      const theirs = box.scalarMultBase(new Uint8Array(32).fill(3))
      const product = Buffer.from(nacl.scalarMult(new Uint8Array(32).fill(5), theirs)).toString("hex")
      const wiped: Array<string> = []
      const { fill } = Uint8Array.prototype
      Uint8Array.prototype.fill = function(value, ...range) {
        if (this.length === 32 && value === 0) wiped.push(Buffer.from(this).toString("hex"))
        return fill.call(this, value, ...range)
      }
      try {
        box.boxBefore(theirs, new Uint8Array(32).map(() => 5))
      } finally {
        Uint8Array.prototype.fill = fill
      }
      assert.include(wiped, product)
    }))
})

describe("programs that use the packages of old", () => {
  const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i * 7 & 255)
  const buffer = (text: string) => new Uint8Array(Buffer.from(text))

  it.effect("box what we open, and open what we box", () =>
    Effect.gen(function*() {
      const box = yield* PortableCrypto.box
      const ours = bytes(32)
      const theirs = nacl.box.keyPair.fromSecretKey(bytes(32).reverse())
      assert.deepStrictEqual(box.scalarMultBase(theirs.secretKey), theirs.publicKey)
      const key = box.boxBefore(theirs.publicKey, ours)
      assert.deepStrictEqual(key, nacl.box.before(box.scalarMultBase(ours), theirs.secretKey))
      const nonce = bytes(24)
      for (const length of [0, 1, 31, 32, 33, 64, 1_000, 65_536]) {
        const sealed = new Uint8Array(length + 16)
        box.secretbox(sealed, bytes(length), nonce, key)
        assert.deepStrictEqual(sealed, nacl.secretbox(bytes(length), nonce, key))
        const opened = new Uint8Array(length)
        assert.isTrue(box.secretboxOpen(opened, sealed, nonce, key))
        assert.deepStrictEqual(opened, bytes(length))
      }
    }))

  it.effect("make tokens that we open, and open tokens of ours", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto.Crypto
      const key = Redacted.make(bytes(32))
      const secret = new fernet.Secret(Buffer.from(bytes(32)).toString("base64url") + "=")
      for (const text of ["a", "fifteen letters", "sixteen letters!", "x".repeat(1_000)]) {
        const ours = crypto.fernetEncrypt(key, buffer(text), 0)
        assert.strictEqual(new fernet.Token({ secret, token: Buffer.from(ours).toString(), ttl: 0 }).decode(), text)
        const theirs = new fernet.Token({ secret, time: "1970-01-01T00:00:01Z" }).encode(text)
        const result = crypto.fernetDecrypt([key], buffer(theirs), 1_000, 60)
        assert.deepStrictEqual(Result.getOrThrow(result).plaintext, buffer(text))
      }
    }).pipe(Effect.provide(PortableCrypto.layer)))
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
