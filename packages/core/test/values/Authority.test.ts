import { assert, describe, it } from "@effect/vitest"
import { Authority, Crypto, PublicKey } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { Effect, Redacted, Result } from "effect"
import * as TestClock from "effect/testing/TestClock"
import * as Credentials from "../../src/internal/values/credentials.ts"

const nodeKey = PublicKey.fromBytes(new Uint8Array(32).fill(9))!
const otherKey = PublicKey.fromBytes(new Uint8Array(32).fill(8))!
const now = 1_800_000_000_000

const issue: Authority.Issue = {
  networkId: "home",
  name: "worker-1",
  publicKey: nodeKey,
  rights: {
    roles: ["worker", "night"],
    serves: ["resize.*", "resize"],
    calls: [],
    subscribes: ["readings", "build.*"]
  },
  lifetime: "30 days",
  serial: 7,
  notBefore: now
}

const authority = Authority.make(Redacted.make(new Uint8Array(32).fill(1)))
const provide = <A, E>(effect: Effect.Effect<A, E, Crypto.Crypto>) => Effect.provide(effect, NodeCrypto.layer)

describe("a certificate", () => {
  it.effect("says what was issued, and is its authority's and nobody else's", () =>
    provide(Effect.gen(function*() {
      const crypto = yield* Crypto.Crypto
      const { issue: sign, publicKey } = yield* authority
      const bytes = yield* sign(issue)
      assert.deepStrictEqual(yield* sign(issue), bytes, "the same each time")
      const read = Result.getOrThrow(Authority.readCertificate(bytes))
      assert.deepStrictEqual(read as object, {
        networkId: "home",
        name: "worker-1",
        publicKey: nodeKey,
        serial: 7,
        notBefore: now,
        expires: now + 30 * 86_400_000,
        // In the order of their bytes.
        rights: {
          roles: ["night", "worker"],
          serves: ["resize", "resize.*"],
          calls: [],
          // What is left out is as in Rights.named.
          publishes: ["*"],
          subscribes: ["build.*", "readings"]
        }
      })
      assert.isTrue(Authority.verify(crypto, publicKey, bytes))
      const other = yield* Authority.generate
      assert.isFalse(Authority.verify(crypto, other.publicKey, bytes))
      assert.deepStrictEqual(Authority.fromText(` ${Authority.toText(bytes)}\n`), bytes)
    })))

  it.effect("of which any byte differs, or that is cut short or goes on, is none, or is not signed", () =>
    provide(Effect.gen(function*() {
      const crypto = yield* Crypto.Crypto
      const { issue: sign, publicKey } = yield* authority
      const bytes = yield* sign(issue)
      const isNone = (candidate: Uint8Array, what: string) =>
        assert.isTrue(
          Result.isFailure(Authority.readCertificate(candidate)) || !Authority.verify(crypto, publicKey, candidate),
          what
        )
      for (let i = 0; i < bytes.length; i++) {
        const other = bytes.slice()
        other[i]! ^= 1 << i % 8
        isNone(other, `byte ${i}`)
        isNone(bytes.subarray(0, i), `${i} bytes`)
      }
      isNone(Uint8Array.of(...bytes, 0), "a byte more")
      isNone(Uint8Array.of(...bytes.subarray(0, -64), 0, ...bytes.subarray(-64)), "a byte more before its signature")
      // A list is signed by the same key, and is no certificate.
      const list = yield* (yield* authority).revoke({ networkId: "home", publicKeys: [nodeKey] })
      assert.isTrue(Authority.verify(crypto, publicKey, list))
      assert.isTrue(Result.isFailure(Authority.readCertificate(list)))
      assert.isTrue(Result.isFailure(Authority.readRevocations(bytes)))
    })))

  it("has one form: what its authority signed in another is none", () => {
    const text = (value: string) => [value.length, ...new TextEncoder().encode(value)]
    const form = (parts: {
      readonly network?: ReadonlyArray<number>
      readonly name?: ReadonlyArray<number>
      readonly key?: Uint8Array
      readonly serial?: ReadonlyArray<number>
      readonly expires?: ReadonlyArray<number>
      readonly roles?: ReadonlyArray<number>
      readonly tail?: ReadonlyArray<number>
    }) =>
      Uint8Array.from([
        ...new TextEncoder().encode("pnet-certificate-1\n"),
        ...parts.network ?? text("home"),
        ...parts.key ?? PublicKey.toBytes(nodeKey),
        ...parts.name ?? text("bob"),
        ...parts.serial ?? [0, 0, 0, 0, 0, 0, 0, 1],
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        1,
        ...parts.expires ?? [0, 0, 0, 0, 0, 0, 0, 2],
        ...parts.roles ?? [0],
        // The other four lists.
        0,
        0,
        0,
        0,
        ...parts.tail ?? [],
        ...new Uint8Array(64)
      ])
    assert.isTrue(Result.isSuccess(Authority.readCertificate(form({ roles: [2, ...text("a"), ...text("b")] }))))
    for (
      const [what, bytes] of Object.entries({
        "roles out of order": form({ roles: [2, ...text("b"), ...text("a")] }),
        "a role twice": form({ roles: [2, ...text("a"), ...text("a")] }),
        "an empty role": form({ roles: [1, 0] }),
        "a role that is no pattern": form({ roles: [1, ...text("a*b")] }),
        "a role that is not UTF-8": form({ roles: [1, 1, 0xff] }),
        "a role with a mark of order before it": form({ roles: [1, 4, 0xef, 0xbb, 0xbf, 0x61] }).subarray(0, -1),
        "fewer roles than it says": form({ roles: [9, ...text("a")] }),
        "no name": form({ name: [0] }),
        "a name that is none": form({ name: text("a@b") }),
        "a network that is none": form({ network: text("a|b") }),
        "a key of low order": form({ key: new Uint8Array(32) }),
        "a serial over 2^53": form({ serial: [0, 0x20, 0, 0, 0, 0, 0, 1] }),
        "a serial over 2^63": form({ serial: [0xff, 0, 0, 0, 0, 0, 0, 1] }),
        "expiring when it begins": form({ expires: [0, 0, 0, 0, 0, 0, 0, 1] }),
        "bytes behind": form({ tail: [0] }),
        "over 2,048 bytes": form({
          roles: [8, ...["a", "b", "c", "d", "e", "f", "g", "h"].flatMap((c) => text(c.repeat(255)))]
        })
      })
    ) assert.isTrue(Result.isFailure(Authority.readCertificate(bytes)), what)
  })

  it.effect("is not made of what is none", () =>
    provide(Effect.gen(function*() {
      const { issue: sign } = yield* authority
      for (
        const wrong of [
          { networkId: "a|b" },
          { name: "*" },
          { publicKey: nodeKey.slice(1) },
          { lifetime: 0 },
          { lifetime: "10000 weeks", notBefore: Number.MAX_SAFE_INTEGER },
          { serial: -1 },
          { serial: 0.5 },
          { notBefore: Number.NaN },
          { rights: { calls: ["a*b"] } },
          { rights: { publishes: ["a.>"] } },
          { rights: { subscribes: ["a.*.b"] } },
          { rights: { calls: Array.from({ length: 256 }, (_, i) => `f${i}`) } },
          { rights: { serves: Array.from({ length: 9 }, (_, i) => `${i}`.repeat(250)) } }
        ] as ReadonlyArray<Partial<Authority.Issue>>
      ) {
        const error = yield* Effect.flip(sign({ ...issue, ...wrong }))
        assert.strictEqual(error.kind, "Certificate", JSON.stringify(wrong))
      }
    })))

  it.effect("is issued up to 2,048 bytes, and no byte more", () =>
    provide(Effect.gen(function*() {
      const { issue: sign } = yield* authority
      const lengths: Array<number | undefined> = []
      for (let length = 80; length < 110; length++) {
        const serves = [..."abcdefg"].map((c) => c.repeat(255)).concat("h".repeat(length))
        const made = yield* Effect.result(sign({ ...issue, rights: { serves } }))
        lengths.push(Result.isSuccess(made) ? made.success.length : undefined)
      }
      assert.strictEqual(Math.max(...lengths.filter((length) => length !== undefined)), 2_048)
      assert.isUndefined(lengths.at(-1))
    })))

  it.effect("that is issued later is newer, and lists as well", () =>
    provide(Effect.gen(function*() {
      const made = yield* Authority.generate
      const { notBefore: _notBefore, serial: _serial, ...bare } = issue
      const serials: Array<number> = []
      const versions: Array<number> = []
      yield* TestClock.setTime(now)
      for (let i = 0; i < 5; i++) {
        serials.push(Result.getOrThrow(Authority.readCertificate(yield* made.issue(bare))).serial)
        versions.push(Result.getOrThrow(Authority.readRevocations(yield* made.revoke({ networkId: "home" }))).version)
        yield* TestClock.adjust("1 milli")
      }
      for (const list of [serials, versions]) {
        assert.deepStrictEqual(list, list.toSorted((a, b) => a - b))
        assert.strictEqual(new Set(list).size, 5)
        assert.isTrue(list.every(Number.isSafeInteger))
      }
    })))
})

describe("a list of revocations", () => {
  it.effect("says what was revoked, once each and in order, up to 4,096", () =>
    provide(Effect.gen(function*() {
      const { revoke } = yield* authority
      const bytes = yield* revoke({
        networkId: "home",
        version: 3,
        serials: [300, 7, 7],
        publicKeys: [nodeKey, otherKey, nodeKey]
      })
      assert.deepStrictEqual(Result.getOrThrow(Authority.readRevocations(bytes)) as object, {
        networkId: "home",
        version: 3,
        serials: [7, 300],
        publicKeys: [otherKey, nodeKey]
      })
      const full = yield* revoke({ networkId: "home", version: 3, serials: Array.from({ length: 4_096 }, (_, i) => i) })
      assert.strictEqual(Result.getOrThrow(Authority.readRevocations(full)).serials.length, 4_096)
      assert.isAtMost(full.length, Credentials.maxRevocations)
      for (
        const wrong of [
          { serials: Array.from({ length: 4_097 }, (_, i) => i) },
          { serials: [-1] },
          { publicKeys: ["x"] },
          { version: 0 },
          { networkId: "" }
        ]
      ) {
        assert.strictEqual(
          (yield* Effect.flip(revoke({ networkId: "home", ...wrong }))).kind,
          "Revocations",
          JSON.stringify(wrong).slice(0, 99)
        )
      }
      for (let i = 0; i < bytes.length - 64; i++) {
        assert.isTrue(Result.isFailure(Authority.readRevocations(bytes.subarray(0, i))), String(i))
      }
    })))
})

describe("the key of an authority", () => {
  it.effect("is no key of a node, and the other way round; its secret is not shown", () =>
    provide(Effect.gen(function*() {
      const made = yield* Authority.generate
      assert.strictEqual(Authority.keyFromText(made.publicKey), made.publicKey)
      assert.isUndefined(PublicKey.fromText(made.publicKey))
      for (
        const wrong of [
          nodeKey,
          `ed25519:${"A".repeat(43)}=`,
          "ed25519:",
          made.publicKey.slice(0, -1),
          `${made.publicKey} `,
          ""
        ]
      ) {
        assert.isUndefined(Authority.keyFromText(wrong), wrong)
      }
      const secret = Authority.exportSecret(made)
      assert.strictEqual((yield* Authority.make(secret)).publicKey, made.publicKey)
      assert.notInclude(JSON.stringify(made), Redacted.value(secret).slice(0, 20))
      assert.strictEqual((yield* Effect.flip(Authority.make(Redacted.make("short")))).kind, "Secret")
    })))
})
