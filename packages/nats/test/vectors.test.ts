/** The section "nats" of `docs/vectors.json`. */
import { assert, describe, it } from "@effect/vitest"
import type { PublicKey } from "@pnet/core"
import * as Document from "@pnet/lab/vectors/document"
import { Subjects } from "@pnet/nats"
import { NatsBus } from "../src/internal/bus.ts"
import * as Tokens from "../src/internal/tokens.ts"

const { lists, networks, nodes, subjects } = Document.load().nats

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
