/** The crowd of `docs/vectors.json` is read and written by the library as it says. */
import { assert, layer } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import * as Packet from "@pnet/core/Packet"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import type * as ProtocolError from "@pnet/core/ProtocolError"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Document from "@pnet/lab/vectors/document"
import { Clock, Effect, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import * as CrowdPackets from "../src/internal/wire/crowdPackets.ts"
import * as NetworkCipher from "../src/internal/wire/networkCipher.ts"

const document = Document.load()
const { invalid, requests, valid } = document.crowd
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

layer(PortableCrypto.layer)("the crowd of docs/vectors.json", (it) => {
  const read = (vector: typeof valid[number]) =>
    Effect.gen(function*() {
      const crypto = yield* Crypto.Crypto
      yield* TestClock.setTime(1_767_225_600_250)
      const networkId = Packet.NetworkId.make("lab")
      const self = {
        networkId,
        name: Packet.NodeName.make("alpha"),
        identity: crypto.keyPair(Redacted.make(Buffer.from(document.nodes["alpha"]!["secret"]!, "hex"))),
        cipher: NetworkCipher.make({
          crypto,
          clock: yield* Clock.Clock,
          networkId,
          keys: vector.networkKeys.map((id) => Redacted.make(Buffer.from(document.networkKeys[id]!, "base64url")))
        })
      }
      const decoded = Packet.decode(Document.bytesOf(vector.packet), {
        networkId,
        types: ["adv", "who", "ask"],
        maxLength: Packet.maxDatagramLength
      })
      return { self, decoded }
    })

  it.effect("is read by the library as it says", () =>
    Effect.gen(function*() {
      assert.isAtLeast(valid.length, 8)
      for (const vector of [...valid, ...invalid]) {
        const { decoded, self } = yield* read(vector)
        const packet = Result.getOrThrow(decoded)
        const said: Result.Result<object, ProtocolError.ProtocolError> = packet.type === "who"
          ? Result.map(CrowdPackets.readWho(self, packet), ({ advert, publicKey, request, timestamp }) => ({
            type: "who",
            publicKey,
            ...advert,
            ...(request === undefined ? {} : { request: hex(CrowdPackets.requestBytes(request)) }),
            ...(timestamp === undefined ? {} : { timestamp })
          }))
          : Result.flatMap(
            self.cipher.open(packet),
            ({ text }) =>
              Result.map(CrowdPackets.decodeAsk(text), (keys) => ({ type: "ask", publicKey: packet.publicKey, keys }))
          )
        if (vector.error !== undefined) {
          assert.strictEqual(Result.isFailure(said) ? said.failure.code : "accepted", vector.error, vector.name)
        } else assert.deepStrictEqual(Result.getOrThrow(said) as unknown, vector.result, vector.name)
      }
    }))

  it.effect("is written by the library, in clear", () =>
    Effect.gen(function*() {
      const clear = valid.filter(({ name, networkKeys }) => networkKeys.length === 0 && name !== "who-comma")
      for (const vector of clear) {
        const { self } = yield* read(vector)
        const result = vector.result!
        const written = result.type === "ask"
          ? CrowdPackets.ask(self, result.keys.map((key) => PublicKey.fromText(key)!))
          : CrowdPackets.who(
            self,
            result,
            result.request === undefined
              ? undefined
              : CrowdPackets.requestOf(Uint8Array.from(Buffer.from(result.request, "hex")))
          )
        assert.strictEqual(
          Buffer.from(written).toString(),
          Buffer.from(Document.bytesOf(vector.packet)).toString(),
          vector.name
        )
      }
    }))

  it.effect("has requests for the keys that the library takes them to be for", () =>
    Effect.sync(() => {
      for (const { isFor, keys, name, request } of requests) {
        const read = CrowdPackets.requestOf(Uint8Array.from(Buffer.from(request, "hex")))!
        assert.deepStrictEqual(
          keys.filter((key) => CrowdPackets.isFor(read, PublicKey.toBytes(PublicKey.fromText(key)!))),
          isFor,
          name
        )
      }
      assert.deepStrictEqual(requests.find(({ name }) => name === "crowd-known")!.isFor, [])
      assert.strictEqual(requests.find(({ name }) => name === "crowd-unknown")!.isFor.length, 24)
    }))

  it.effect("of whole LANs leaves out all that are known, and few others", () =>
    Effect.sync(() => {
      let state = 1
      const byte = () => (state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0) >>> 24
      const keyOf = () => {
        const bytes = Uint8Array.from({ length: 32 }, byte)
        bytes[31]! &= 0x3f
        return PublicKey.fromBytes(bytes)!
      }
      for (const count of [1, 500, 1_000, 3_000]) {
        const all = Array.from({ length: 2 * count }, keyOf)
        const made = CrowdPackets.requests(all.slice(0, count), count, 77)
        assert.strictEqual(made.length, Math.ceil(count / 500))
        const asked = (key: PublicKey.PublicKey) =>
          made.filter((one) => CrowdPackets.isFor(one, PublicKey.toBytes(key))).length
        assert.isTrue(all.slice(0, count).every((key) => asked(key) === 0))
        const missed = all.slice(count).filter((key) => asked(key) !== 1).length
        assert.isAtMost(missed, Math.ceil(count / 25))
      }
    }))
})
