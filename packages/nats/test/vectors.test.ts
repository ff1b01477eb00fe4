/** The section "nats" of `docs/vectors.json`. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Crypto, type Packet, type PublicKey } from "@pnet/core"
import * as Document from "@pnet/lab/vectors/document"
import { Subjects } from "@pnet/nats"
import { NodeCrypto } from "@pnet/node"
import { Effect, Redacted, Result } from "effect"
import { NatsBus } from "../src/internal/bus.ts"
import { concat } from "../src/internal/bytes.ts"
import * as Items from "../src/internal/durable/item.ts"
import * as Signature from "../src/internal/durable/signature.ts"
import * as Letters from "../src/internal/mail/letter.ts"
import * as Tokens from "../src/internal/tokens.ts"

const { lists, networks, nodes, subjects } = Document.load().nats
const { kept, mail, networkKeys, nodes: parties } = Document.load()

describe("vectors of NATS", () => {
  for (const { name, networkId, token } of networks) {
    it(name, () => assert.strictEqual(Subjects.network(networkId), token))
  }

  for (const { key, name, token } of nodes) {
    it(name, () => assert.strictEqual(Subjects.ofKey(key as PublicKey.PublicKey), token))
  }

  it("subjects", () => {
    const [alpha, beta] = ["alpha", "beta"].map((of) => nodes.find(({ name }) => name === `nats-node-${of}`)!.token)
    const [from, to] = [new NatsBus("home", alpha!), new NatsBus("home", beta!)]
    assert.deepStrictEqual(
      subjects.map(({ reply, subject }) => [subject, reply]),
      [
        [from.subject("all", "say.adv"), undefined],
        [from.subject(beta!, "ask"), from.statusTo("r.1")],
        [to.subject(alpha!, "r.1"), undefined],
        [from.subject("all", "any.list"), from.statusTo("r.2")]
      ]
    )
  })

  for (const { bytes, name, tokens } of lists) {
    it(name, () => {
      const read = Document.bytesOf(bytes)
      assert.deepStrictEqual(Tokens.decode(read, 100), tokens)
      assert.deepStrictEqual(Tokens.encode(tokens), read.slice(0, 12 * tokens.length))
      assert.deepStrictEqual(Tokens.decode(read, 1), tokens.slice(0, 1))
    })
  }
})

describe("vectors of mail", () => {
  layer(NodeCrypto.layer)((it) => {
    for (const { description, fault, letter, name, networkKeys: held, reads } of mail.entries) {
      it.effect(`${name}: ${description}`, () =>
        Effect.gen(function*() {
          const crypto = yield* Crypto.Crypto
          const identity = crypto.keyPair(
            Redacted.make(new Uint8Array(Buffer.from(parties["beta"]!["secret"]!, "hex")))
          )
          const keys = held.map((key) => Redacted.make(new Uint8Array(Buffer.from(networkKeys[key]!, "base64url"))))
          const opened = Letters.open(
            { crypto, identity, networkId: "lab" as Packet.NetworkId, networkKeys: keys },
            new Uint8Array(Buffer.from(letter, "hex")),
            mail.clock,
            mail.maxAge
          )
          if (Result.isFailure(opened)) return assert.strictEqual(opened.failure, fault)
          const { from, id, payload, postedAt } = opened.success
          assert.deepStrictEqual(
            {
              id,
              name: from.name as string,
              publicKey: from.publicKey as string,
              postedAt,
              payload: Buffer.from(payload).toString()
            },
            reads
          )
        }))
    }

    it.effect("mail-plain, mail-keyed: are sealed so", () =>
      Effect.gen(function*() {
        const crypto = yield* Crypto.Crypto
        const secret = (node: string) => Redacted.make(new Uint8Array(Buffer.from(parties[node]!["secret"]!, "hex")))
        const [identity, to] = [crypto.keyPair(secret("alpha")), crypto.keyPair(secret("beta")).publicKey]
        for (const { letter, name, networkKeys: held, reads } of mail.entries.slice(0, 2)) {
          const sealed = Letters.seal(
            {
              crypto,
              identity,
              networkId: "lab" as Packet.NetworkId,
              networkKeys: held.map((key) => Redacted.make(new Uint8Array(Buffer.from(networkKeys[key]!, "base64url"))))
            },
            to,
            {
              id: reads!.id,
              from: { name: "alpha" as Packet.NodeName, publicKey: identity.publicKey },
              postedAt: mail.clock,
              payload: new Uint8Array(Buffer.from("hello"))
            },
            Uint8Array.from({ length: 16 }, (_, i) => 0xc0 + i),
            Uint8Array.from({ length: 16 }, (_, i) => 0xd0 + i)
          )
          assert.strictEqual(Buffer.from(sealed).toString("hex"), letter, name)
        }
      }))
  })
})

const bytesOfHex = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"))
const keysOf = (held: ReadonlyArray<string>) =>
  held.map((key) => Redacted.make(new Uint8Array(Buffer.from(networkKeys[key]!, "base64url"))))

describe("vectors of what is kept", () => {
  for (const { name, tokens, topic } of kept.topics) it(name, () => assert.strictEqual(Subjects.topic(topic), tokens))

  for (const { ed25519, name, publicKey } of kept.signingKeys) {
    it(name, () => assert.deepStrictEqual(Signature.edwardsOf(publicKey as PublicKey.PublicKey), bytesOfHex(ed25519)))
  }

  layer(NodeCrypto.layer)((it) => {
    for (const { description, fault, item, name, networkKeys: held, reads } of kept.entries) {
      it.effect(`${name}: ${description}`, () =>
        Effect.gen(function*() {
          const crypto = yield* Crypto.Crypto
          const sealing = { crypto, networkId: "lab" as Packet.NetworkId, networkKeys: keysOf(held) }
          const opened = Items.open(sealing, bytesOfHex(item), kept.clock)
          if (Result.isFailure(opened)) return assert.strictEqual(opened.failure, fault)
          const { from, payload, ...rest } = opened.success
          assert.deepStrictEqual(
            {
              ...rest,
              name: from.name as string,
              publicKey: from.publicKey as string,
              payload: Buffer.from(payload).toString()
            },
            reads
          )
          // The first key is the one that encrypts.
          if (held.length > 1 || rest.at !== kept.clock) return
          const identity = crypto.keyPair(Redacted.make(bytesOfHex(parties["alpha"]!["secret"]!)))
          const random = Uint8Array.from({ length: 64 }, (_, i) => i)
          const iv = Uint8Array.from({ length: 16 }, (_, i) => 0xd0 + i)
          assert.strictEqual(
            Buffer.from(Items.seal(sealing, identity, opened.success, random, iv)).toString("hex"),
            item
          )
        }))
    }
  })
})

describe("what is sealed or signed by somebody who means it badly", () => {
  layer(NodeCrypto.layer)((it) => {
    const secretOf = (node: string) => Redacted.make(bytesOfHex(parties[node]!["secret"]!))
    /** Each shorter one, and each with a byte that is another. */
    const changed = (body: Uint8Array) =>
      Array.from({ length: 2 * body.length }, (_, i) => {
        if (i < body.length) return body.slice(0, i)
        const other = body.slice()
        other[i - body.length]! ^= 0xff
        return other
      })

    it.effect("is an item or none, whatever it is", () =>
      Effect.gen(function*() {
        const crypto = yield* Crypto.Crypto
        const sealing = { crypto, networkId: "lab" as Packet.NetworkId, networkKeys: [] }
        const item = bytesOfHex(kept.entries[0]!.item)
        const [head, body] = [item.slice(0, 41), item.slice(105)]
        const identity = crypto.keyPair(secretOf("alpha"))
        const random = new Uint8Array(64)
        let read = 0
        for (const bytes of changed(body)) {
          const signature = Signature.sign(crypto, identity, concat(head, bytes), random)
          const opened = Items.open(sealing, concat(head, signature, bytes), kept.clock)
          if (Result.isFailure(opened)) {
            assert.include(["Malformed", "OtherNetwork"], opened.failure)
            continue
          }
          read++
          assert.isTrue(Number.isSafeInteger(opened.success.number))
        }
        assert.isAbove(read, 0)
      }))

    it.effect("is a letter or none, whatever it is", () =>
      Effect.gen(function*() {
        const crypto = yield* Crypto.Crypto
        const [alpha, beta] = [crypto.keyPair(secretOf("alpha")), crypto.keyPair(secretOf("beta"))]
        const sealing = { crypto, identity: beta, networkId: "lab" as Packet.NetworkId, networkKeys: [] }
        const letter = bytesOfHex(mail.entries[0]!.letter)
        const [head, nonce] = [letter.slice(0, 57), concat(letter.slice(0, 8), letter.slice(41, 57))]
        const key = crypto.sharedKey(beta.publicKey, alpha.secretKey)
        const body = crypto.open(key, nonce, letter.slice(57))!
        const faults = new Set<string>()
        for (const bytes of changed(body)) {
          const opened = Letters.open(sealing, concat(head, crypto.seal(key, nonce, bytes)), mail.clock, mail.maxAge)
          faults.add(Result.isFailure(opened) ? opened.failure : "none")
        }
        assert.deepStrictEqual([...faults].sort(), ["FromTheFuture", "Malformed", "NotForThisNode", "TooOld", "none"])
      }))
  })
})
