import { assert, describe, it } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import * as NetworkKey from "@pnet/core/NetworkKey"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const text = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="

const key = Result.getOrThrow(NetworkKey.parse(text))

const parseError = (input: string): NetworkKey.NetworkKeyError => {
  const result = NetworkKey.parse(input)
  assert.isTrue(Result.isFailure(result), JSON.stringify(input))
  return Result.getOrThrow(Result.flip(result))
}

describe("NetworkKey", () => {
  it("is canonical base64url text of 32 bytes, redacted", () => {
    assert.strictEqual(Redacted.value(key), text)
    assert.strictEqual(Redacted.value(NetworkKey.toBytes(key)).length, 32)
    assert.strictEqual(Redacted.value(NetworkKey.toBytes(key))[0], 0x73)
    assert.strictEqual(String(key), "<redacted:network key>")
    assert.strictEqual(JSON.stringify([key, NetworkKey.toBytes(key)]).match(/redacted/g)?.length, 2)
    const fromRedacted = Result.getOrThrow(NetworkKey.parse(Redacted.make(text)))
    assert.strictEqual(Redacted.value(fromRedacted), text)
  })

  it("is refused in any other form, with a reason and without the text", () => {
    for (
      const input of [
        text.slice(0, -1),
        ` ${text}`,
        `${text}\n`,
        text.replace("_", "/"),
        text.replace("-", "+"),
        text.replace("e4=", "e5="),
        "hunter2"
      ]
    ) {
      const error = parseError(input)
      assert.strictEqual(error.kind, "Encoding")
      assert.include(error.message, "44 characters")
      assert.notInclude(`${error.message} ${JSON.stringify(error)} ${error.stack}`, input.trim().slice(0, 6))
    }
    for (const [input, length] of [["", 0], ["AAAA", 3], [text.slice(4), 29], [`AAAA${text}`, 35]] as const) {
      const error = parseError(input)
      assert.strictEqual(error.kind, "Length")
      assert.strictEqual(error.length, length)
      assert.include(error.message, `${length} bytes`)
    }
  })

  it("says what is wrong with a text that people take for one, by what it looks like", () => {
    const base64 = Buffer.alloc(32, 255).toString("base64")
    for (
      const [input, problem] of [
        ["", "it is empty"],
        ["short", "it is 5 characters long"],
        [base64, "base64 with + and /"],
        [text.slice(0, -1), "the = at its end is missing"],
        [`${text}\n`, "blanks or a line end"],
        [` ${text}`, "blanks or a line end"],
        ["ab".repeat(32), "64 hexadecimal digits"],
        ["AAAA", "3 bytes"],
        ["hunter2!", "not canonical base64url"]
      ] as const
    ) {
      const { message } = parseError(input)
      assert.include(message, problem)
      assert.include(message, "openssl rand -base64 32")
    }
  })

  it.effect("is generated from the randomness of Crypto", () =>
    Effect.gen(function*() {
      const a = yield* NetworkKey.generate
      const b = yield* NetworkKey.generate
      assert.isTrue(NetworkKey.isNetworkKey(a))
      assert.notStrictEqual(Redacted.value(a), Redacted.value(b))
      const crypto = yield* Crypto.Crypto
      const token = crypto.fernetEncrypt(NetworkKey.toBytes(a), Uint8Array.of(1, 2), 0)
      assert.isTrue(
        Result.isSuccess(crypto.fernetDecrypt([NetworkKey.toBytes(b), NetworkKey.toBytes(a)], token, 0, 60))
      )
      const seeded = yield* NetworkKey.generate.pipe(
        Effect.provide(
          Layer.fresh(PortableCrypto.layer).pipe(
            Layer.provide(Layer.succeed(Crypto.Entropy, (bytes) => void bytes.fill(0)))
          ),
          { local: true }
        )
      )
      assert.strictEqual(Redacted.value(seeded), "A".repeat(43) + "=")
    }).pipe(Effect.provide(PortableCrypto.layer)))

  it("throws for a value whose brand was forged", () => {
    // Of no bytes, of fewer, and of more than a key has: one half of what is short would be a key that anybody guesses.
    for (const forged of ["secret", "", "AAAA", text.slice(0, 40), `${text.slice(0, 40)}AAAAAAAA`]) {
      assert.throws(() => NetworkKey.toBytes(Redacted.make(forged) as NetworkKey.NetworkKey), /no network key/)
    }
    assert.isFalse(NetworkKey.isNetworkKey(Redacted.make("secret")))
    assert.isFalse(NetworkKey.isNetworkKey(Redacted.make(7)))
    assert.isFalse(NetworkKey.isNetworkKey(text))
  })

  it.effect("has a schema from redacted text", () =>
    Effect.gen(function*() {
      const decode = Schema.decodeUnknownEffect(NetworkKey.NetworkKey)
      const decoded = yield* decode(Redacted.make(text))
      assert.strictEqual(Redacted.value(decoded), text)
      const encoded = yield* Schema.encodeEffect(NetworkKey.NetworkKey)(decoded)
      assert.strictEqual(Redacted.value(encoded), text)
      const error = yield* Effect.flip(decode(Redacted.make("hunter2")))
      assert.include(error.message, "44 characters")
      assert.notInclude(error.message, "hunter2")
      yield* Effect.flip(decode(text))
    }))

  it.effect("has a schema from text, which Config can use", () =>
    Effect.gen(function*() {
      const config = Config.schema(NetworkKey.NetworkKeyFromString, "PNET_NETWORK_KEY")
      const read = (value: string) =>
        config.pipe(
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({ PNET_NETWORK_KEY: value })))
        )
      assert.strictEqual(Redacted.value(yield* read(text)), text)
      const error = yield* Effect.flip(read("hunter2"))
      assert.include(String(error), "44 characters")
      assert.notInclude(String(error), "hunter2")
    }))
})
