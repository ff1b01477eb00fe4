import { assert, layer } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import * as ProtocolError from "@pnet/core/ProtocolError"
import * as Document from "@pnet/lab/vectors/document"
import * as Receiver from "@pnet/lab/vectors/receiver"
import * as Vectors from "@pnet/lab/vectors/vectors"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"

layer(PortableCrypto.layer)("docs/vectors.json", (it) => {
  it.effect("is what the generator makes; pnpm lab vectors writes it anew", () =>
    Effect.gen(function*() {
      const text = Document.print(Vectors.generate(yield* Crypto.Crypto))
      assert.isTrue(readFileSync(Document.path, "utf8") === text, "run pnpm lab vectors")
    }))

  it.effect("has a name of its own for each vector, and one for every code that a packet can lead to", () =>
    Effect.sync(() => {
      const { invalid, valid } = Document.load()
      const names = [...valid, ...invalid].map(({ name }) => name)
      assert.strictEqual(new Set(names).size, names.length)
      // These three depend on more than bytes: a policy, room, and a handler.
      const apart = new Set<string>(["ERR_UNTRUSTED", "ERR_BUSY", "ERR_INTERNAL"])
      assert.deepStrictEqual(
        [...new Set(invalid.map(({ error }) => error))].sort(),
        ProtocolError.codes.filter((code) => !apart.has(code)).sort()
      )
    }))

  it.effect("is read by the library as it says", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto.Crypto
      const document = Document.load()
      for (const vector of document.valid) {
        const result = yield* Receiver.read(crypto, document, vector)
        if (Result.isFailure(result)) assert.fail(`${vector.name}: ${result.failure.message}`)
        assert.deepStrictEqual(result.success, vector.result, vector.name)
      }
      for (const vector of document.invalid) {
        const result = yield* Receiver.read(crypto, document, vector)
        if (Result.isSuccess(result)) assert.fail(`${vector.name} was accepted`)
        assert.strictEqual(result.failure.code, vector.error, vector.name)
      }
    }))

  it.effect("is written by the library, where the steps are given", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto.Crypto
      const document = Document.load()
      const given = document.valid.filter(({ steps }) => steps !== undefined)
      assert.isAtLeast(given.length, 6)
      for (const vector of given) {
        assert.deepStrictEqual(Receiver.write(crypto, document, vector), Document.bytesOf(vector.packet), vector.name)
      }
    }))
})
