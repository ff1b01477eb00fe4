import { assert, layer } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import * as Document from "@pnet/lab/vectors/document"
import * as Receiver from "@pnet/lab/vectors/receiver"
import * as Vectors from "@pnet/lab/vectors/vectors"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

layer(NodeCrypto.layer)("docs/vectors.json over NodeCrypto", (it) => {
  it.effect("is what the generator makes here too", () =>
    Effect.gen(function*() {
      const document = Document.load()
      assert.deepStrictEqual(Vectors.generate(yield* Crypto.Crypto), document)
    }))

  it.effect("is read as it says", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto.Crypto
      const document = Document.load()
      for (const vector of [...document.valid, ...document.invalid]) {
        const result = yield* Receiver.read(crypto, document, vector)
        if (Result.isSuccess(result)) assert.deepStrictEqual(result.success, vector.result, vector.name)
        else assert.strictEqual(result.failure.code, vector.error, vector.name)
      }
    }))

  it.effect("is written, where the steps are given", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto.Crypto
      const document = Document.load()
      for (const vector of document.valid) {
        if (vector.steps === undefined) continue
        assert.deepStrictEqual(Receiver.write(crypto, document, vector), Document.bytesOf(vector.packet), vector.name)
      }
    }))
})
