/** The addresses that stand for what has none: as docs/protocol.md has them, for another implementation to get the same. */
import { assert, describe, it } from "@effect/vitest"
import { Advert, DerivedHost, type PublicKey } from "@pnet/core"
import * as Document from "@pnet/lab/vectors/document"
import { createHash } from "node:crypto"

const { derivedHosts } = Document.load()

describe("a derived address", () => {
  it("is the prefix and 96 bits of a hash, as the vectors have it", () => {
    assert.isAtLeast(derivedHosts.length, 5)
    assert.strictEqual(new Set(derivedHosts.map(({ host }) => host)).size, derivedHosts.length)
    for (const { host, key, kind, text, url } of derivedHosts) {
      const derived = key === undefined
        ? DerivedHost.ofUrl(kind, url!)
        : DerivedHost.ofKey(kind, key as PublicKey.PublicKey)
      assert.strictEqual(derived, host)
      // By the words of the document alone.
      const hash = createHash("sha256").update(text).digest("hex").slice(0, 24)
      assert.strictEqual(Advert.canonicalHost(`fd70:6e74:${hash.match(/..../g)!.join(":")}`), host)
    }
  })

  it("is an address that an advert can have, and is known as one, however it is written", () => {
    for (const { host } of derivedHosts) {
      const advert = `alice@[${host}]:1`
      const [, endpoint] = advert.split("@")
      assert.deepStrictEqual(Advert.parseEndpoint(endpoint!), { host, port: 1 })
      assert.isTrue(DerivedHost.is(host))
      assert.isTrue(DerivedHost.is(host.toUpperCase()))
    }
    for (const other of ["10.0.0.1", "::1", "fd70:6e75::1", "fd00::1", "fd70:6e7:4::1"]) {
      assert.isFalse(DerivedHost.is(other), other)
    }
  })

  it("is of a kind of transport that is written in small letters", () => {
    for (const kind of ["", "NATS", "a b", "n".repeat(33)]) assert.throws(() => DerivedHost.ofUrl(kind, "x"), TypeError)
  })
})
