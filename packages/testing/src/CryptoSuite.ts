/**
 * The compliance suite of the `Crypto` seam: what every implementation must do, with the vectors published for Fernet
 * (github.com/fernet/spec) and NaCl (its `tests/box.c`, RFC 7748 section 6.1), and what two implementations must do
 * to each other's output.
 *
 * ```ts
 * cryptoSuite("NodeCrypto", NodeCrypto.layer)
 * cryptoCrossSuite("portable and native", PortableCrypto.layer, NodeCrypto.layer)
 * ```
 *
 * Both register vitest tests when called, so they belong at the top level of a test file.
 *
 * @since 0.1.0
 */
import { assert, layer, type Vitest } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import * as NetworkKey from "@pnet/core/NetworkKey"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

type Service = Crypto.Crypto["Service"]
type Key = Redacted.Redacted<Uint8Array>

const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.replace(/\s/g, "").match(/../g) ?? [], (pair) => parseInt(pair, 16))

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

const redact = (text: string): Key => Redacted.make(hex(text))

/** Bytes that depend on the length and the salt alone. */
const pattern = (length: number, salt = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 167 + salt * 31 + (i >> 8)) & 0xff)

/** A small deterministic generator, for tests only. */
const seeded = (seed: number) => {
  let state = seed
  return (bytes: Uint8Array): void => {
    for (let i = 0; i < bytes.length; i++) {
      state = Math.imul(state, 1_664_525) + 1_013_904_223 | 0
      bytes[i] = state >>> 24
    }
  }
}

const withSeed = (implementation: Layer.Layer<Crypto.Crypto>, seed: number): Effect.Effect<Service> =>
  Crypto.Crypto.pipe(
    Effect.provide(
      Layer.fresh(implementation).pipe(Layer.provide(Layer.succeed(Crypto.Entropy, seeded(seed)))),
      { local: true }
    )
  )

// ---------------------------------------------------------------------------------------------------------------------
// Published vectors
// ---------------------------------------------------------------------------------------------------------------------

// RFC 7748 section 6.1, which NaCl's tests use too.
const rfc7748 = {
  aliceSecret: "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
  alicePublic: "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
  bobSecret: "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
  bobPublic: "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
}

// RFC 8032 section 7.1: tests 1, 2 and 3.
const rfc8032 = [
  {
    secret: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    message: "",
    signature:
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
  },
  {
    secret: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    message: "72",
    signature:
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
  },
  {
    secret: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    message: "af82",
    signature:
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
  }
] as const

// The points of Ed25519 whose order divides 8, in all their forms.
const smallPoints = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000080",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
]

// NaCl: tests/core1.c (the key that HSalsa20 makes of the product) and tests/box.c.
const nacl = {
  firstKey: "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389",
  nonce: "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37",
  message: `
    be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c6129
    6cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde
    048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705`,
  box: `
    f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a
    c0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae
    90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74
    e355a5`
}

// github.com/fernet/spec: all its vectors have this key. 1985-10-26T01:20:00-07:00 is 499162800.
const fernetSecret = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
const fernetGenerate = {
  token: "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==",
  nowSeconds: 499_162_800,
  iv: "000102030405060708090a0b0c0d0e0f",
  text: "hello"
}
const fernetVerifySeconds = 499_162_801
const fernetInvalid: ReadonlyArray<readonly [string, Crypto.FernetError["kind"], number, string]> = [
  // invalid.json
  [
    "incorrect mac",
    "Unauthentic",
    499_162_801,
    "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ=="
  ],
  [
    "too short",
    "Malformed",
    499_162_801,
    "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA=="
  ],
  [
    "invalid base64",
    "Malformed",
    499_162_801,
    "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q=="
  ],
  [
    "payload size not multiple of block size",
    "Malformed",
    499_162_801,
    "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm"
  ],
  [
    "payload padding error",
    "Padding",
    499_162_801,
    "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw=="
  ],
  [
    "far-future TS (unacceptable clock skew)",
    "Future",
    499_162_801,
    "gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2Xc2a6kBd-iX9b_qXQcw=="
  ],
  [
    "expired TTL",
    "Expired",
    499_162_891,
    "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q=="
  ],
  [
    "incorrect IV (causes padding error)",
    "Padding",
    499_162_801,
    "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ=="
  ],
  // Our own, all with a MAC that fits.
  [
    "the timestamp 2^64-1",
    "Future",
    499_162_801,
    "gP__________AAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLKzZbl-yQSBnTVqvaMmzCAMSONBGqIRpqe8qU2JUFw0iw=="
  ],
  [
    "the timestamp 2^53",
    "Future",
    499_162_801,
    "gAAgAAAAAAAAAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLJKfZTvrUS53cRiVQjKJ0EVLDpnGm22D_Ujn0cio--uZQ=="
  ],
  [
    "the timestamp 2^32",
    "Future",
    499_162_801,
    "gAAAAAEAAAAAAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLAnZlQL3Qbn2WuPTpHDYFPccx7B63ByIXB1-6LBpWcBQ=="
  ],
  [
    "version 129",
    "Malformed",
    499_162_801,
    "gQAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLKY7covSkDHw9ma-418Z5yfJ0bAi-R_TUVpW6VSXlO8JA=="
  ],
  [
    "no block at all",
    "Malformed",
    499_162_801,
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0OD2IXeW0FYyXiuAJk_zX-E-FTBOpoVs4HED35KbDYabN0"
  ],
  [
    "half a block",
    "Malformed",
    499_162_801,
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZsww6YVSYH6Vn5pT7581V24jC3tELAZDq1YBw7RMzFfs="
  ]
]

const networkKeyBytes = (text: string): Key => NetworkKey.toBytes(Result.getOrThrow(NetworkKey.parse(text)))

// RFC 7748's field and the points of low order, as 32 bytes little-endian: section 1 of the protocol refuses all of them.
const refusedKeys: ReadonlyArray<readonly [string, string]> = [
  ["0", "0000000000000000000000000000000000000000000000000000000000000000"],
  ["1", "0100000000000000000000000000000000000000000000000000000000000000"],
  ["an order 8 point", "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"],
  ["the other order 8 point", "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"],
  ["p - 1", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"],
  ["p, which is 0 again", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"],
  ["p + 1, which is 1 again", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"],
  ["p + 9, which is 9 again", "f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"],
  ["9 with the top bit set", "0900000000000000000000000000000000000000000000000000000000000080"],
  ["all ones", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"]
]

const sizes = [...Array.from({ length: 71 }, (_, i) => i), 1_000, 16_384, 100_000, 140_000]

const kindOf = (result: Result.Result<Crypto.FernetOpened, Crypto.FernetError>): string =>
  Result.isFailure(result) ? result.failure.kind : "opened"

const opened = (result: Result.Result<Crypto.FernetOpened, Crypto.FernetError>): Crypto.FernetOpened =>
  Result.getOrThrow(result)

const now = 1_700_000_000_000

// ---------------------------------------------------------------------------------------------------------------------
// One implementation
// ---------------------------------------------------------------------------------------------------------------------

type It = Vitest.MethodsNonLive<Crypto.Crypto>

/** Key pairs, and what is given to make them. */
const keyPairs = (it: It): void => {
  it.effect("makes the key pairs of RFC 7748 section 6.1", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const alice = crypto.keyPair(redact(rfc7748.aliceSecret))
      const bob = crypto.keyPair(redact(rfc7748.bobSecret))
      assert.deepStrictEqual(PublicKey.toBytes(alice.publicKey), hex(rfc7748.alicePublic))
      assert.deepStrictEqual(PublicKey.toBytes(bob.publicKey), hex(rfc7748.bobPublic))
      assert.deepStrictEqual(Redacted.value(alice.secretKey), hex(rfc7748.aliceSecret))
    }))

  it.effect("copies a secret, and leaves it as it was", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const secret = hex(rfc7748.aliceSecret)
      const pair = crypto.keyPair(Redacted.make(secret))
      assert.deepStrictEqual(secret, hex(rfc7748.aliceSecret))
      secret.fill(0)
      assert.deepStrictEqual(Redacted.value(pair.secretKey), hex(rfc7748.aliceSecret))
    }))

  it.effect("generates different key pairs, whose public keys belong to their secrets", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const a = crypto.generateKeyPair()
      const b = crypto.generateKeyPair()
      assert.notStrictEqual(a.publicKey, b.publicKey)
      assert.strictEqual(crypto.keyPair(a.secretKey).publicKey, a.publicKey)
    }))

  it.effect("shows no secret", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const pair = crypto.keyPair(redact(rfc7748.aliceSecret))
      const shared = crypto.sharedKey(pair.publicKey, pair.secretKey)
      assert.strictEqual(
        JSON.stringify([pair.secretKey, shared]),
        "[\"<redacted:secret key>\",\"<redacted:shared key>\"]"
      )
    }))

  it.effect("throws for secrets, shared keys, nonces, Fernet keys and IVs of a wrong length", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const pair = crypto.generateKeyPair()
      const shared = crypto.sharedKey(pair.publicKey, pair.secretKey)
      const nonce = new Uint8Array(24)
      for (const length of [0, 16, 31, 33, 64]) {
        const wrong = Redacted.make(new Uint8Array(length))
        assert.throws(() => crypto.keyPair(wrong), RangeError)
        assert.throws(() => crypto.sharedKey(pair.publicKey, wrong), RangeError)
        assert.throws(() => crypto.seal(wrong, nonce, pattern(3)), RangeError)
        assert.throws(() => crypto.open(wrong, nonce, pattern(30)), RangeError)
        assert.throws(() => crypto.fernetEncrypt(wrong, pattern(3), now), RangeError)
        assert.throws(() => crypto.fernetDecrypt([wrong], pattern(3), now, 60), RangeError)
      }
      for (const length of [0, 12, 23, 25, 32]) {
        assert.throws(() => crypto.seal(shared, new Uint8Array(length), pattern(3)), RangeError)
        assert.throws(() => crypto.open(shared, new Uint8Array(length), pattern(30)), RangeError)
        assert.throws(() => crypto.open(shared, new Uint8Array(length), pattern(3)), RangeError)
      }
      const key = Redacted.make(pattern(32))
      assert.throws(() => crypto.fernetEncrypt(key, pattern(3), now, new Uint8Array(15)), RangeError)
      for (const time of [NaN, Infinity, -1, 2 ** 70]) {
        assert.throws(() => crypto.fernetEncrypt(key, pattern(3), time), RangeError)
      }
      for (const time of [NaN, Infinity]) {
        assert.throws(() => crypto.fernetDecrypt([key], pattern(3), time, 60), RangeError)
      }
      for (const ttl of [NaN, -1]) assert.throws(() => crypto.fernetDecrypt([key], pattern(3), now, ttl), RangeError)
    }))

  for (const [what, bytes] of refusedKeys) {
    it.effect(`never multiplies with ${what}`, () =>
      Effect.map(Crypto.Crypto, (crypto) => {
        const { secretKey } = crypto.generateKeyPair()
        assert.isUndefined(PublicKey.fromBytes(hex(bytes)))
        // A brand can be forged by a cast: what the bytes would be as text.
        const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        const bits = [...hex(bytes), 0].map((byte) => byte.toString(2).padStart(8, "0")).join("")
        const text = (bits.match(/.{6}/g) ?? []).slice(0, 43).map((six) => alphabet[parseInt(six, 2)]).join("") + "="
        assert.throws(() => crypto.sharedKey(text as PublicKey.PublicKey, secretKey), TypeError)
      }))
  }

  it.effect("throws for a forged public key that is no key at all", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const { publicKey, secretKey } = crypto.generateKeyPair()
      for (const text of ["", "x", publicKey.slice(1), `${publicKey}AAAA`, ` ${publicKey}`]) {
        assert.throws(() => crypto.sharedKey(text as PublicKey.PublicKey, secretKey), TypeError)
      }
    }))
}

/** Boxes. */
const boxes = (it: It): void => {
  it.effect("makes and opens NaCl's published box", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const alice = crypto.keyPair(redact(rfc7748.aliceSecret))
      const bob = crypto.keyPair(redact(rfc7748.bobSecret))
      const there = crypto.sharedKey(bob.publicKey, alice.secretKey)
      const back = crypto.sharedKey(alice.publicKey, bob.secretKey)
      assert.deepStrictEqual(new Uint8Array(Redacted.value(there)), hex(nacl.firstKey))
      assert.deepStrictEqual(new Uint8Array(Redacted.value(back)), hex(nacl.firstKey))
      assert.deepStrictEqual(crypto.seal(there, hex(nacl.nonce), hex(nacl.message)), hex(nacl.box))
      assert.deepStrictEqual(crypto.open(back, hex(nacl.nonce), hex(nacl.box)), hex(nacl.message))
    }))

  it.effect("seals and opens messages of every size, and changes no input", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const key = redact(nacl.firstKey)
      const nonce = hex(nacl.nonce)
      for (const size of sizes) {
        const message = pattern(size)
        const box = crypto.seal(key, nonce, message)
        const copy = box.slice()
        assert.strictEqual(box.length, size + Crypto.boxOverhead)
        assert.deepStrictEqual(crypto.open(key, nonce, box), message)
        assert.deepStrictEqual(message, pattern(size))
        assert.deepStrictEqual(box, copy)
      }
      assert.deepStrictEqual(nonce, hex(nacl.nonce))
      assert.deepStrictEqual(Redacted.value(key), hex(nacl.firstKey))
    }))

  it.effect("seals and opens views into larger buffers, and returns memory that is nobody else's", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const key = redact(nacl.firstKey)
      const around = new Uint8Array(300)
      around.set(pattern(100), 50)
      around.set(hex(nacl.nonce), 7)
      const nonce = around.subarray(7, 31)
      const box = crypto.seal(key, nonce, around.subarray(50, 150))
      assert.deepStrictEqual(box, crypto.seal(key, hex(nacl.nonce), pattern(100)))
      around.set(box, 155)
      const message = crypto.open(key, nonce, around.subarray(155, 155 + box.length))
      assert.deepStrictEqual(message, pattern(100))
      around.fill(0)
      crypto.seal(key, hex(nacl.nonce), pattern(100, 9))
      assert.deepStrictEqual(message, pattern(100))
      assert.deepStrictEqual(crypto.open(key, hex(nacl.nonce), box), pattern(100))
    }))

  it.effect("opens no box of which any byte differs, or that is longer or shorter", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const key = redact(nacl.firstKey)
      const nonce = hex(nacl.nonce)
      const box = crypto.seal(key, nonce, pattern(100))
      for (let i = 0; i < box.length; i++) {
        for (const bit of [1, 0x80]) {
          const tampered = box.slice()
          tampered[i]! ^= bit
          assert.isUndefined(crypto.open(key, nonce, tampered), `byte ${i}`)
        }
        assert.isUndefined(crypto.open(key, nonce, box.subarray(0, i)), `cut to ${i}`)
      }
      assert.isUndefined(crypto.open(key, nonce, Uint8Array.from([...box, 0])))
    }))

  it.effect("opens no box with another nonce or another key", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const key = redact(nacl.firstKey)
      const nonce = hex(nacl.nonce)
      const box = crypto.seal(key, nonce, pattern(10))
      for (let i = 0; i < 24; i++) {
        const other = nonce.slice()
        other[i]! ^= 1
        assert.isUndefined(crypto.open(key, other, box))
      }
      for (let i = 0; i < 32; i++) {
        const other = hex(nacl.firstKey)
        other[i]! ^= 1
        assert.isUndefined(crypto.open(Redacted.make(other), nonce, box))
      }
    }))

  it.effect.prop(
    "what one side seals the other opens",
    { message: Schema.Uint8Array },
    ({ message }) =>
      Effect.map(Crypto.Crypto, (crypto) => {
        const a = crypto.generateKeyPair()
        const b = crypto.generateKeyPair()
        const nonce = crypto.randomBytes(Crypto.nonceLength)
        const box = crypto.seal(crypto.sharedKey(b.publicKey, a.secretKey), nonce, message)
        assert.deepStrictEqual(crypto.open(crypto.sharedKey(a.publicKey, b.secretKey), nonce, box), message.slice())
      }),
    { arbitrary: { runs: 25 } }
  )

  it.effect.prop(
    "bytes that nobody sealed do not open, and never throw",
    { bytes: Schema.Uint8Array },
    ({ bytes }) =>
      Effect.map(Crypto.Crypto, (crypto) => {
        assert.isUndefined(crypto.open(redact(nacl.firstKey), hex(nacl.nonce), bytes))
      })
  )
}

/** Fernet tokens: what is made, and which open. */
const fernetTokens = (it: It): void => {
  it.effect("makes the Fernet token of generate.json", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const { iv, nowSeconds, text, token } = fernetGenerate
      const key = networkKeyBytes(fernetSecret)
      for (const millis of [0, 1, 999, 999.9]) {
        assert.strictEqual(textOf(crypto.fernetEncrypt(key, ascii(text), nowSeconds * 1000 + millis, hex(iv))), token)
      }
    }))

  it.effect("opens the Fernet token of verify.json", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const key = networkKeyBytes(fernetSecret)
      const result = crypto.fernetDecrypt([key], ascii(fernetGenerate.token), fernetVerifySeconds * 1000, 60)
      assert.deepStrictEqual(opened(result), {
        plaintext: ascii(fernetGenerate.text),
        timestamp: fernetGenerate.nowSeconds,
        keyIndex: 0
      })
    }))

  for (const [what, kind, nowSeconds, token] of fernetInvalid) {
    it.effect(`refuses the Fernet token with ${what}: ${kind}`, () =>
      Effect.map(Crypto.Crypto, (crypto) => {
        const key = networkKeyBytes(fernetSecret)
        assert.strictEqual(kindOf(crypto.fernetDecrypt([key], ascii(token), nowSeconds * 1000, 60)), kind)
      }))
  }

  it.effect("refuses timestamps of 2^53 and above however long tokens live", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const key = networkKeyBytes(fernetSecret)
      const kindAt = (what: string) =>
        fernetInvalid.flatMap(([name, , , token]) =>
          name === what ? [kindOf(crypto.fernetDecrypt([key], ascii(token), now, Infinity))] : []
        )
      assert.deepStrictEqual(kindAt("the timestamp 2^64-1"), ["Future"])
      assert.deepStrictEqual(kindAt("the timestamp 2^53"), ["Future"])
      assert.deepStrictEqual(kindAt("the timestamp 2^32"), ["opened"])
    }))

  it.effect("accepts tokens up to the time to live on either side of now, in whole seconds", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const key = Redacted.make(pattern(32))
      const token = crypto.fernetEncrypt(key, pattern(5), now + 500)
      const at = (millis: number, ttl = 60) => crypto.fernetDecrypt([key], token, now + millis, ttl)
      const ageAt = (millis: number) => {
        const result = at(millis)
        return Result.isFailure(result) ? [result.failure.kind, result.failure.ageSeconds] : "opened"
      }
      for (const millis of [0, 999, 59_999, 60_000, 60_999, -1, -60_000, -59_001]) {
        assert.strictEqual(ageAt(millis), "opened", `${millis} ms`)
      }
      assert.deepStrictEqual(ageAt(61_000), ["Expired", 61])
      assert.deepStrictEqual(ageAt(61_999), ["Expired", 61])
      assert.deepStrictEqual(ageAt(-60_001), ["Future", -61])
      assert.deepStrictEqual(ageAt(-61_000), ["Future", -61])
      assert.deepStrictEqual(ageAt(-now), ["Future", -now / 1000])
      assert.strictEqual(kindOf(at(999, 0)), "opened")
      assert.strictEqual(kindOf(at(1_000, 0)), "Expired")
      assert.strictEqual(kindOf(at(-1, 0)), "Future")
      assert.strictEqual(opened(at(0)).timestamp, now / 1000)
    }))

  it.effect("looks at the MAC before the age", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const token = crypto.fernetEncrypt(Redacted.make(pattern(32)), pattern(5), now)
      const other = Redacted.make(pattern(32, 1))
      assert.strictEqual(kindOf(crypto.fernetDecrypt([other], token, now + 3_600_000, 60)), "Unauthentic")
    }))

  it.effect("opens with whichever of several keys fits, and says which", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const keys = [0, 1, 2].map((salt) => Redacted.make(pattern(32, salt)))
      keys.forEach((key, index) => {
        const token = crypto.fernetEncrypt(key, pattern(40, index), now)
        const result = opened(crypto.fernetDecrypt(keys, token, now, 60))
        assert.strictEqual(result.keyIndex, index)
        assert.deepStrictEqual(result.plaintext, pattern(40, index))
        const others = keys.filter((other) => other !== key)
        assert.strictEqual(kindOf(crypto.fernetDecrypt(others, token, now, 60)), "Unauthentic")
        assert.strictEqual(opened(crypto.fernetDecrypt([key, key], token, now, 60)).keyIndex, 0)
      })
      assert.strictEqual(
        kindOf(crypto.fernetDecrypt([], crypto.fernetEncrypt(Redacted.make(pattern(32)), pattern(1), now), now, 60)),
        "Unauthentic"
      )
    }))
}

/** What was done with the same keys before changes nothing. */
const fernetInTurn = (it: It): void => {
  it.effect("opens each token for itself, whatever it opened or refused before, under whichever key", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const known = networkKeyBytes(fernetSecret)
      const wrongPadding = ascii(fernetInvalid.find(([, kind]) => kind === "Padding")![3])
      const keys = [known, Redacted.make(pattern(32, 1)), Redacted.make(pattern(32, 2))]
      // The same clock for all, which is that of the published token.
      const at = fernetVerifySeconds * 1_000
      const tokens = [0, 1, 15, 16, 17, 40, 980, 1_000, 16_384].map((size, i) => ({
        size,
        token: crypto.fernetEncrypt(keys[i % 3]!, pattern(size), at)
      }))
      for (const { size, token } of [...tokens, ...tokens.toReversed()]) {
        assert.strictEqual(kindOf(crypto.fernetDecrypt([known], wrongPadding, at, 60)), "Padding")
        const first = opened(crypto.fernetDecrypt(keys, token, at, 60)).plaintext
        assert.deepStrictEqual(first, pattern(size))
        assert.deepStrictEqual(opened(crypto.fernetDecrypt(keys, token, at, 60)).plaintext, pattern(size))
        assert.deepStrictEqual(first, pattern(size), "what was given before is not written to")
      }
    }))
}

/** Fernet tokens, byte by byte. */
const fernetBytes = (it: It): void => {
  it.effect("encrypts and decrypts plaintexts of every size, and changes no input", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const key = Redacted.make(pattern(32))
      for (const size of sizes) {
        const plaintext = pattern(size)
        const token = crypto.fernetEncrypt(key, plaintext, now)
        const copy = token.slice()
        // 57 bytes of header and MAC, whole blocks with at least one byte of padding, then base64
        assert.strictEqual(token.length, Math.ceil((57 + (Math.floor(size / 16) + 1) * 16) / 3) * 4)
        assert.deepStrictEqual(opened(crypto.fernetDecrypt([key], token, now, 60)).plaintext, plaintext)
        assert.deepStrictEqual(plaintext, pattern(size))
        assert.deepStrictEqual(token, copy)
      }
      assert.deepStrictEqual(Redacted.value(key), pattern(32))
    }))

  it.effect("draws a fresh IV for each token", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const key = Redacted.make(pattern(32))
      const tokens = Array.from({ length: 20 }, () => textOf(crypto.fernetEncrypt(key, pattern(5), now)))
      assert.strictEqual(new Set(tokens).size, 20)
    }))

  it.effect("opens no token of which any character differs, or that is longer or shorter", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const key = Redacted.make(pattern(32))
      const token = crypto.fernetEncrypt(key, pattern(40), now)
      for (let i = 0; i < token.length; i++) {
        for (const bit of [1, 2, 0x80]) {
          const tampered = token.slice()
          tampered[i]! ^= bit
          assert.notStrictEqual(kindOf(crypto.fernetDecrypt([key], tampered, now, 60)), "opened", `byte ${i}`)
        }
        const cut = kindOf(crypto.fernetDecrypt([key], token.subarray(0, i), now, 60))
        assert.include(["Malformed", "Unauthentic"], cut, `cut to ${i}`)
      }
      for (const more of ["A", "=", "AAAA", "\n"]) {
        const longer = Uint8Array.from([...token, ...ascii(more)])
        assert.strictEqual(kindOf(crypto.fernetDecrypt([key], longer, now, 60)), "Malformed")
      }
    }))

  it.effect("takes base64url to the letter: no missing padding, no + and /, no blanks, no unused bits", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const key = networkKeyBytes(fernetSecret)
      const { token } = fernetGenerate
      const at = fernetVerifySeconds * 1000
      const kindOfText = (text: string) => kindOf(crypto.fernetDecrypt([key], ascii(text), at, 60))
      assert.strictEqual(kindOfText(token), "opened")
      // The token contains _ and ends in DA==, whose last character has four unused bits.
      assert.include(token, "_")
      assert.isTrue(token.endsWith("DA=="))
      for (
        const text of [
          token.slice(0, -1),
          token.slice(0, -2),
          `${token}=`,
          token.replaceAll("_", "/"),
          token.replaceAll("-", "+").replaceAll("_", "/"),
          ` ${token}`,
          `${token}\n`,
          `${token.slice(0, 40)}\n${token.slice(40)}`,
          `${token.slice(0, 40)}    ${token.slice(40)}`,
          token.replace("DA==", "DB=="),
          token.replace("DA==", "DP=="),
          token.replace("DA==", "DA=A"),
          `${token}${token}`,
          ""
        ]
      ) assert.strictEqual(kindOfText(text), "Malformed", text)
    }))

  it.effect.prop(
    "round trip of any bytes under Fernet",
    { plaintext: Schema.Uint8Array },
    ({ plaintext }) =>
      Effect.map(Crypto.Crypto, (crypto) => {
        const key = Redacted.make(crypto.randomBytes(32))
        const token = crypto.fernetEncrypt(key, plaintext, now)
        assert.deepStrictEqual(opened(crypto.fernetDecrypt([key], token, now, 60)).plaintext, plaintext.slice())
      })
  )

  it.effect.prop(
    "bytes that are no token are refused, and never throw",
    { bytes: Schema.Uint8Array },
    ({ bytes }) =>
      Effect.map(Crypto.Crypto, (crypto) => {
        const key = Redacted.make(pattern(32))
        assert.strictEqual(kindOf(crypto.fernetDecrypt([key], bytes, now, 60)), "Malformed")
      })
  )
}

/** Signatures. */
const signatures = (it: It): void => {
  it.effect("signs as RFC 8032 says, and takes no other signature and no other message", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      for (const { message, publicKey, secret, signature } of rfc8032) {
        const [key, signed] = [hex(publicKey), hex(signature)]
        assert.deepStrictEqual(crypto.signingKey(redact(secret)), key)
        assert.deepStrictEqual(crypto.sign(redact(secret), hex(message)), signed)
        assert.isTrue(crypto.verify(key, hex(message), signed))
        for (let i = 0; i < 64; i += 21) {
          const other = signed.slice()
          other[i]! ^= 1 << i % 8
          assert.isFalse(crypto.verify(key, hex(message), other), `byte ${i}`)
        }
        assert.isFalse(crypto.verify(key, Uint8Array.of(...hex(message), 0), signed))
        assert.isFalse(crypto.verify(hex(rfc8032[key[0] === 0xd7 ? 1 : 0]!.publicKey), hex(message), signed))
        assert.isFalse(crypto.verify(key, hex(message), signed.subarray(1)))
        assert.isFalse(crypto.verify(key.subarray(1), hex(message), signed))
      }
      assert.throws(() => crypto.sign(Redacted.make(new Uint8Array(31)), new Uint8Array(1)), RangeError)
      assert.throws(() => crypto.signingKey(Redacted.make(new Uint8Array(33))), RangeError)
    }))

  it.effect("takes no second form of a signature, and no key of low order or out of form", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      const { message, publicKey, signature } = rfc8032[1]!
      // The scalar, and the order of the group added to it: of the same signature, and not the one form.
      const order = 2n ** 252n + 27742317777372353535851937790883648493n
      const signed = hex(signature)
      let scalar = signed.subarray(32).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n) + order
      for (let i = 32; i < 64; i++) {
        signed[i] = Number(scalar & 255n)
        scalar >>= 8n
      }
      assert.strictEqual(scalar, 0n)
      assert.isFalse(crypto.verify(hex(publicKey), hex(message), signed))
      // Of a key of low order some signatures are every message's: R is the point, and the scalar 0.
      for (const point of smallPoints) {
        for (const r of smallPoints) {
          for (const text of ["", "01", "02", "03"]) {
            assert.isFalse(crypto.verify(hex(point), hex(text), Uint8Array.of(...hex(r), ...new Uint8Array(32))), point)
          }
        }
      }
      // 2 is the y of no point.
      assert.isFalse(crypto.verify(Uint8Array.of(2, ...new Uint8Array(31)), hex(message), hex(signature)))
    }))
}

/** Random bytes, and comparing bytes. */
const randomBytes = (it: It, implementation: Layer.Layer<Crypto.Crypto>): void => {
  it.effect("draws everything from Entropy: one seed, one output", () =>
    Effect.gen(function*() {
      const output = (crypto: Service) => {
        const a = crypto.generateKeyPair()
        const b = crypto.generateKeyPair()
        const nonce = crypto.randomBytes(Crypto.nonceLength)
        return {
          publicKeys: [a.publicKey, b.publicKey],
          nonce,
          token: textOf(crypto.fernetEncrypt(Redacted.make(pattern(32)), pattern(20), now)),
          box: crypto.seal(crypto.sharedKey(b.publicKey, a.secretKey), nonce, pattern(20))
        }
      }
      const first = output(yield* withSeed(implementation, 1))
      const again = output(yield* withSeed(implementation, 1))
      const other = output(yield* withSeed(implementation, 2))
      assert.deepStrictEqual(again, first)
      assert.notDeepEqual(other, first)
      const expected = new Uint8Array(32)
      seeded(1)(expected)
      const crypto = yield* withSeed(implementation, 1)
      assert.deepStrictEqual(Redacted.value(crypto.generateKeyPair().secretKey), expected)
    }))

  it.effect("keeps no random bytes that it has handed out", () =>
    Effect.gen(function*() {
      const given: Array<Uint8Array> = []
      const crypto = yield* Crypto.Crypto.pipe(
        Effect.provide(
          Layer.fresh(implementation).pipe(
            Layer.provide(Layer.succeed(Crypto.Entropy, (bytes: Uint8Array) => {
              bytes.fill(7)
              given.push(bytes)
            }))
          ),
          { local: true }
        )
      )
      // What is drawn in advance has no more of it than what was not asked for yet.
      const secret = Redacted.value(crypto.generateKeyPair().secretKey)
      assert.deepStrictEqual(secret, new Uint8Array(32).fill(7))
      const drawn = given.filter((bytes) => bytes !== secret)
      for (const bytes of drawn) {
        assert.strictEqual(bytes.filter((byte) => byte === 0).length, bytes.length === 32 ? 0 : 32)
      }
    }))

  it.effect("gives as many random bytes as asked for, also more than 65,536", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      for (const length of [0, 1, 24, 65_537, 200_000]) {
        const bytes = crypto.randomBytes(length)
        assert.strictEqual(bytes.length, length)
        if (length > 1_000) assert.isTrue(bytes.subarray(-200).some((byte) => byte !== 0))
      }
      assert.notDeepEqual(crypto.randomBytes(16), crypto.randomBytes(16))
    }))

  it.effect("compares bytes", () =>
    Effect.map(Crypto.Crypto, (crypto) => {
      for (const length of [0, 1, 32, 100]) {
        assert.isTrue(crypto.equal(pattern(length), pattern(length)))
        assert.isFalse(crypto.equal(pattern(length), pattern(length + 1)))
        assert.isFalse(crypto.equal(pattern(length + 1), pattern(length)))
        for (let i = 0; i < length; i++) {
          const other = pattern(length)
          other[i]! ^= 0x80
          assert.isFalse(crypto.equal(pattern(length), other))
        }
      }
    }))
}

/**
 * Registers the tests that every implementation of `Crypto` must pass.
 *
 * The layer must draw its random bytes from `Crypto.Entropy` as it is when the layer is built.
 *
 * @category suites
 * @since 0.1.0
 */
export const cryptoSuite = (name: string, implementation: Layer.Layer<Crypto.Crypto>): void => {
  layer(implementation)(`Crypto: ${name}`, (it) => {
    keyPairs(it)
    boxes(it)
    fernetTokens(it)
    fernetInTurn(it)
    fernetBytes(it)
    signatures(it)
    randomBytes(it, implementation)
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Two implementations
// ---------------------------------------------------------------------------------------------------------------------

class Both extends Context.Service<Both, { readonly a: Service; readonly b: Service }>()(
  "@pnet/testing/CryptoSuite/Both"
) {}

/** Of the same secrets and messages, and of each damage to them. */
const sameSignatures = (one: Service, two: Service): void => {
  for (const length of [0, 1, 200]) {
    const secret = Redacted.make(one.randomBytes(32))
    const message = pattern(length, length)
    const key = one.signingKey(secret)
    assert.deepStrictEqual(two.signingKey(secret), key)
    const signature = one.sign(secret, message)
    assert.deepStrictEqual(two.sign(secret, message), signature)
    for (let i = 0; i < 64; i += 31) {
      const damaged = signature.slice()
      damaged[i]! ^= 0x80
      const other = key.slice()
      other[i % 32]! ^= 1
      for (const [k, s] of [[key, damaged], [other, signature], [damaged.subarray(0, 32), signature]] as const) {
        assert.strictEqual(one.verify(k, message, s), two.verify(k, message, s))
      }
    }
  }
}

/**
 * Registers the tests that two implementations of `Crypto` must pass with each other: whatever the one makes, the other
 * makes too (given the same randomness) and opens.
 *
 * @category suites
 * @since 0.1.0
 */
export const cryptoCrossSuite = (
  name: string,
  a: Layer.Layer<Crypto.Crypto>,
  b: Layer.Layer<Crypto.Crypto>
): void => {
  const both = Layer.effect(
    Both,
    Effect.all({
      a: Crypto.Crypto.pipe(Effect.provide(a)),
      b: Crypto.Crypto.pipe(Effect.provide(b))
    })
  )
  const eachWay = (check: (from: Service, to: Service) => void) =>
    Effect.map(Both, ({ a, b }) => {
      check(a, b)
      check(b, a)
    })

  layer(both)(`Crypto across: ${name}`, (it) => {
    it.effect("are two implementations", () =>
      Effect.map(Both, ({ a, b }) => {
        assert.notStrictEqual(a.name, b.name)
      }))

    it.effect("open each other's boxes and tokens of every size", () =>
      eachWay((from, to) => {
        const alice = from.generateKeyPair()
        const bob = to.generateKeyPair()
        const there = from.sharedKey(bob.publicKey, alice.secretKey)
        const back = to.sharedKey(alice.publicKey, bob.secretKey)
        assert.isTrue(to.equal(Redacted.value(there), Redacted.value(back)))
        const fernetKey = Redacted.make(from.randomBytes(32))
        for (const size of sizes) {
          const message = pattern(size)
          const nonce = from.randomBytes(Crypto.nonceLength)
          assert.deepStrictEqual(to.open(back, nonce, from.seal(there, nonce, message)), message)
          const token = from.fernetEncrypt(fernetKey, message, now)
          assert.deepStrictEqual(opened(to.fernetDecrypt([fernetKey], token, now, 60)).plaintext, message)
        }
      }))

    it.effect("refuse the same of each other's damaged tokens, for the same reasons", () =>
      eachWay((from, to) => {
        const key = Redacted.make(pattern(32))
        const token = from.fernetEncrypt(key, pattern(30), now)
        for (let i = 0; i < token.length; i++) {
          const tampered = token.slice()
          tampered[i]! ^= 3
          assert.strictEqual(
            kindOf(from.fernetDecrypt([key], tampered, now, 60)),
            kindOf(to.fernetDecrypt([key], tampered, now, 60))
          )
        }
        for (const [, kind, nowSeconds, text] of fernetInvalid) {
          const result = to.fernetDecrypt([networkKeyBytes(fernetSecret)], ascii(text), nowSeconds * 1000, 60)
          assert.strictEqual(kindOf(result), kind)
        }
      }))

    it.effect.prop(
      "make the same key pairs, boxes and tokens of the same input",
      {
        secret: Schema.Uint8Array,
        message: Schema.Uint8Array
      },
      ({ message, secret }) =>
        Effect.map(Both, ({ a, b }) => {
          const secretKey = Redacted.make(Uint8Array.from({ length: 32 }, (_, i) => (secret[i] ?? i) ^ i))
          const output = (crypto: Service) => {
            const pair = crypto.keyPair(secretKey)
            const shared = crypto.sharedKey(PublicKey.fromBytes(hex(rfc7748.bobPublic))!, pair.secretKey)
            return {
              publicKey: pair.publicKey,
              shared: new Uint8Array(Redacted.value(shared)),
              box: crypto.seal(shared, hex(nacl.nonce), message),
              token: textOf(crypto.fernetEncrypt(secretKey, message, now, hex(fernetGenerate.iv)))
            }
          }
          assert.deepStrictEqual(output(a), output(b))
        }),
      { arbitrary: { runs: 25 } }
    )

    it.effect("make the same signatures, and refuse the same damaged ones", () =>
      Effect.gen(function*() {
        sameSignatures(yield* withSeed(a, 9), yield* withSeed(b, 9))
      }))

    it.effect("turn one seed into one output", () =>
      Effect.gen(function*() {
        const one = (yield* withSeed(a, 7)).generateKeyPair()
        const two = (yield* withSeed(b, 7)).generateKeyPair()
        assert.strictEqual(one.publicKey, two.publicKey)
      }))
  })
}
