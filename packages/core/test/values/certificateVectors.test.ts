/** The section "certificates" of `docs/vectors.json`, read and made as it says. */
import { assert, describe, it } from "@effect/vitest"
import { Authority, Crypto, PublicKey } from "@pnet/core"
import { ofHex } from "@pnet/lab/vectors/bytes"
import { load } from "@pnet/lab/vectors/document"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { Effect, Redacted, Result } from "effect"

const { authority, entries } = load().certificates
const keyOf = (hex: string) => PublicKey.fromBytes(ofHex(hex))!

describe("the vectors of certificates", () => {
  it.effect("are read as they say, and made to the byte", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto.Crypto
      const made = yield* Authority.make(Redacted.make(ofHex(authority.secret)))
      assert.strictEqual(made.publicKey, authority.text)
      for (const { bytes, certificate, kind, name, revocations, signed } of entries) {
        const given = ofHex(bytes)
        assert.strictEqual(Authority.verify(crypto, made.publicKey, given), signed, name)
        if (kind === "certificate") {
          const read = Authority.readCertificate(given)
          assert.strictEqual(Result.isSuccess(read), certificate !== undefined, name)
          if (certificate === undefined) continue
          const { calls, publicKey, publishes, roles, serves, subscribes, ...rest } = certificate
          const rights = { roles, serves, calls, publishes, subscribes }
          assert.deepStrictEqual(
            Result.getOrThrow(read) as object,
            { ...rest, publicKey: keyOf(publicKey), rights },
            name
          )
          if (!signed) continue
          const { expires, notBefore } = certificate
          const again = yield* made.issue({
            ...rest,
            publicKey: keyOf(publicKey),
            rights,
            lifetime: expires - notBefore
          })
          assert.deepStrictEqual(again, given, name)
        } else {
          const read = Authority.readRevocations(given)
          assert.strictEqual(Result.isSuccess(read), revocations !== undefined, name)
          if (revocations === undefined) continue
          const publicKeys = revocations.publicKeys.map(keyOf)
          assert.deepStrictEqual(Result.getOrThrow(read) as object, { ...revocations, publicKeys }, name)
          assert.deepStrictEqual(yield* made.revoke({ ...revocations, publicKeys }), given, name)
        }
      }
    }).pipe(Effect.provide(NodeCrypto.layer)))
})
