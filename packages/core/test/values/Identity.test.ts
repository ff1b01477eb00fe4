import { assert, describe, layer } from "@effect/vitest"
import * as Identity from "@pnet/core/Identity"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

// RFC 7748 section 6.1
const secret = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
const publicKey = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo="

layer(PortableCrypto.layer)("Identity", (it) => {
  it.effect("comes from the text or the bytes of its secret", () =>
    Effect.gen(function*() {
      const fromText = yield* Identity.fromSecret(Redacted.make(secret))
      assert.strictEqual(fromText.publicKey, publicKey)
      const bytes = Redacted.value(fromText.secretKey).slice()
      const fromBytes = yield* Identity.fromSecret(Redacted.make(bytes))
      bytes.fill(0)
      assert.strictEqual(fromBytes.publicKey, publicKey)
      assert.strictEqual(Redacted.value(Identity.exportSecret(fromBytes)), secret)
    }))

  it.effect("shows no secret", () =>
    Effect.gen(function*() {
      const pair = yield* Identity.fromSecret(Redacted.make(secret))
      assert.strictEqual(JSON.stringify(pair), `{"publicKey":"${publicKey}","secretKey":"<redacted:secret key>"}`)
      assert.strictEqual(String(Identity.exportSecret(pair)), "<redacted:secret key>")
    }))

  it.effect("refuses other texts and lengths, without showing them", () =>
    Effect.gen(function*() {
      for (const input of ["hunter2", secret.slice(0, -1), ` ${secret}`, `${secret}\n`, secret.replace("Co=", "Cp=")]) {
        const error = yield* Effect.flip(Identity.fromSecret(Redacted.make(input)))
        assert.strictEqual(error._tag, "IdentityError")
        assert.strictEqual(error.kind, "Encoding")
        assert.notInclude(`${error.message}${JSON.stringify(error)}${error.stack}`, input.trim().slice(0, 7))
      }
      for (const input of ["", "AAAA", `AAAA${secret}`, new Uint8Array(31), new Uint8Array(64)]) {
        const error = yield* Effect.flip(Identity.fromSecret(Redacted.make(input)))
        assert.strictEqual(error.kind, "Length")
        assert.include(error.message, `${error.length} bytes`)
        assert.include(error.message, "expected 32 bytes")
      }
    }))

  it.effect("is generated anew each time that its layer is built", () =>
    Effect.gen(function*() {
      const build = Identity.Identity.pipe(Effect.provide(Identity.layerGenerate, { local: true }))
      const a = yield* build
      const b = yield* build
      assert.notStrictEqual(a.publicKey, b.publicKey)
      assert.isDefined(PublicKey.fromText(a.publicKey))
    }))

  it.effect("is a service", () =>
    Effect.gen(function*() {
      const pair = yield* Identity.generate
      const identity = yield* Identity.Identity.pipe(Effect.provide(Identity.layer(pair)))
      assert.strictEqual(identity, pair)
    }))

  describe("exportSecret", () => {
    it.effect.prop("is read back by fromSecret", { input: Schema.Uint8Array }, ({ input }) =>
      Effect.gen(function*() {
        const bytes = Uint8Array.from({ length: 32 }, (_, i) => input[i] ?? i)
        const pair = yield* Identity.fromSecret(Redacted.make(bytes))
        const again = yield* Identity.fromSecret(Identity.exportSecret(pair))
        assert.strictEqual(again.publicKey, pair.publicKey)
        assert.deepStrictEqual(Redacted.value(again.secretKey), bytes)
      }), { arbitrary: { runs: 20 } })
  })

  it.effect("comes from any layer", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(Identity.layerGenerate)
      assert.isDefined(context)
    }))
})
