import { assert, describe, it } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { cryptoCrossSuite, cryptoSuite } from "@pnet/testing/CryptoSuite"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { execFile } from "node:child_process"
import { createCipheriv, createHmac } from "node:crypto"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"

const sodium: NodeCrypto.Sodium = createRequire(import.meta.url)("sodium-native")

const without = NodeCrypto.layerWith({
  loadSodium: () => {
    throw new Error("cannot open shared object file\nRequire stack:\n- somewhere")
  }
})
const half = NodeCrypto.layerWith({
  loadSodium: () => ({ ...sodium, crypto_secretbox_easy: undefined as never, crypto_scalarmult: () => undefined })
})

cryptoSuite("native", NodeCrypto.layer)
cryptoSuite("without sodium-native", without)
cryptoSuite("with half of sodium-native", half)
cryptoCrossSuite("portable and native", PortableCrypto.layer, NodeCrypto.layer)
cryptoCrossSuite("native and the fallback", NodeCrypto.layer, without)

/** The name and the log lines of a layer that is built. */
const build = (layer: typeof NodeCrypto.layer) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel}: ${String(message)}`))
    return Crypto.Crypto.pipe(
      Effect.map((crypto) => ({ lines, name: crypto.name })),
      Effect.provide(layer, { local: true }),
      Effect.provide(Logger.layer([logger]))
    )
  })

describe("NodeCrypto", () => {
  it.effect("says nothing where the addon loads", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* build(NodeCrypto.layer), { lines: [], name: "sodium-native + node:crypto" })
    }))

  it.effect("says in one line that the addon did not load, why, and what that means", () =>
    Effect.gen(function*() {
      const { lines, name } = yield* build(without)
      assert.strictEqual(name, "stablelib + node:crypto")
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /^Warn: sodium-native failed \(loading it: cannot open shared object file\)/)
      assert.include(lines[0]!, "boxes are computed in JavaScript")
      assert.include(lines[0]!, "slower")
      assert.notInclude(lines[0]!, "\n")
    }))

  it.effect("replaces only what does not work, and names it", () =>
    Effect.gen(function*() {
      const { lines, name } = yield* build(half)
      assert.strictEqual(name, "sodium-native + stablelib + node:crypto")
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /crypto_scalarmult: computed a wrong result/)
      assert.match(lines[0]!, /crypto_secretbox_easy: sodium.crypto_secretbox_easy is not a function/)
      assert.notInclude(lines[0]!, "crypto_secretbox_open_easy")
      assert.notInclude(lines[0]!, "crypto_scalarmult_base")
    }))

  it.effect("uses JavaScript altogether where nothing works", () =>
    Effect.gen(function*() {
      const { lines, name } = yield* build(NodeCrypto.layerWith({ loadSodium: () => ({}) }))
      assert.strictEqual(name, "stablelib + node:crypto")
      assert.strictEqual(lines.length, 1)
      const opensAll = { ...sodium, crypto_secretbox_open_easy: () => true }
      assert.strictEqual((yield* build(NodeCrypto.layerWith({ loadSodium: () => opensAll }))).lines.length, 1)
    }))

  it.effect("takes no padding but that of PKCS #7, as the one in JavaScript does", () =>
    Effect.gen(function*() {
      const native = yield* Crypto.Crypto.pipe(Effect.provide(NodeCrypto.layer))
      const portable = yield* Crypto.Crypto.pipe(Effect.provide(PortableCrypto.layer))
      const secret = new Uint8Array(32).fill(3)
      const now = 1_700_000_000_000
      const tokenOf = (padded: Uint8Array) => {
        const cipher = createCipheriv("aes-128-cbc", secret.subarray(16), Buffer.alloc(16, 9)).setAutoPadding(false)
        const head = Buffer.alloc(9, 0x80)
        head.writeBigUInt64BE(BigInt(now / 1_000), 1)
        const signed = Buffer.concat([head, Buffer.alloc(16, 9), cipher.update(padded), cipher.final()])
        const mac = createHmac("sha256", secret.subarray(0, 16)).update(signed).digest()
        const text = Buffer.concat([signed, mac]).toString("base64url")
        return new Uint8Array(Buffer.from(text.padEnd(Math.ceil(text.length / 4) * 4, "=")))
      }
      const open = (crypto: Crypto.Crypto["Service"], token: Uint8Array) => {
        const result = crypto.fernetDecrypt([Redacted.make(secret)], token, now, 60)
        return Result.isSuccess(result) ? Array.from(result.success.plaintext) : result.failure.kind
      }
      const refused: Array<number> = []
      for (const last of [...Array.from({ length: 18 }, (_, i) => i), 32, 33, 128, 255]) {
        const good = new Uint8Array(32).fill(0x41).fill(last, 32 - Math.min(32, last))
        assert.deepStrictEqual(open(native, tokenOf(good)), open(portable, tokenOf(good)), `padding of ${last}`)
        if (open(native, tokenOf(good)) === "Padding") refused.push(last)
        for (let i = 2; i <= last && last <= 16; i++) {
          const bad = good.slice()
          bad[32 - i]! ^= 1
          assert.strictEqual(open(native, tokenOf(bad)), "Padding", `padding of ${last}, its byte ${i}`)
        }
      }
      assert.deepStrictEqual(refused, [0, 17, 32, 33, 128, 255])
    }))

  it.effect("wipes the product of the curve that a key is made of", () =>
    Effect.gen(function*() {
      const products: Array<Uint8Array> = []
      const crypto = yield* Crypto.Crypto.pipe(Effect.provide(NodeCrypto.layerWith({
        loadSodium: () => ({
          ...sodium,
          crypto_scalarmult: (out, secretKey, publicKey) => {
            sodium.crypto_scalarmult(out, secretKey, publicKey)
            assert.isTrue(out.some((byte) => byte !== 0))
            products.push(out)
          }
        })
      })))
      const [one, other] = [crypto.generateKeyPair(), crypto.generateKeyPair()]
      crypto.sharedKey(one.publicKey, other.secretKey)
      assert.isAtLeast(products.length, 1)
      assert.isTrue(products.every((product) => product.every((byte) => byte === 0)))
    }))

  it.effect("survives an addon that refuses a product later on", () =>
    Effect.gen(function*() {
      let broken = false
      const layer = NodeCrypto.layerWith({
        loadSodium: () => ({
          ...sodium,
          crypto_scalarmult: (product, secretKey, publicKey) => {
            if (broken) throw new Error("status: -1")
            sodium.crypto_scalarmult(product, secretKey, publicKey)
          }
        })
      })
      yield* Effect.gen(function*() {
        const crypto = yield* Crypto.Crypto
        const a = crypto.generateKeyPair()
        const b = crypto.generateKeyPair()
        const nonce = crypto.randomBytes(24)
        const box = crypto.seal(crypto.sharedKey(b.publicKey, a.secretKey), nonce, Uint8Array.of(5))
        broken = true
        assert.deepStrictEqual(crypto.open(crypto.sharedKey(a.publicKey, b.secretKey), nonce, box), Uint8Array.of(5))
      }).pipe(Effect.provide(layer))
    }))

  const loadedBy = (layer: string) =>
    Effect.callback<{ readonly tokenLength: number; readonly loaded: ReadonlyArray<string> }>(
      (resume) => {
        const fixture = fileURLToPath(new URL("fixtures/loaded.ts", import.meta.url))
        execFile(process.execPath, [fixture, layer], (error, stdout) => {
          resume(
            error === null ?
              Effect.succeed(JSON.parse(stdout.slice(stdout.lastIndexOf("{\"tokenLength\"")))) :
              Effect.die(error)
          )
        })
      }
    )

  it.live("never loads the AES in JavaScript, with or without the addon", () =>
    Effect.gen(function*() {
      const [portable, native, fallback] = yield* Effect.all([
        loadedBy("portable"),
        loadedBy("native"),
        loadedBy("fallback")
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual(portable, { tokenLength: 100, loaded: ["@noble/ciphers", "@stablelib/nacl"] })
      assert.deepStrictEqual(native, { tokenLength: 100, loaded: ["@stablelib/nacl", "sodium-native"] })
      assert.deepStrictEqual(fallback, { tokenLength: 100, loaded: ["@stablelib/nacl"] })
    }))
})
