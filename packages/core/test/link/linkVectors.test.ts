/** The section "links" of `docs/vectors.json`, read as it says. */
import { assert, describe, it } from "@effect/vitest"
import * as Document from "@pnet/lab/vectors/document"
import { concat } from "../../src/internal/base/bytes.ts"
import { Kind } from "../../src/internal/link/frames.ts"
import { Link } from "../../src/internal/link/link.ts"

const { received, sent } = Document.load().links

const begin = () => {
  const out: Array<Uint8Array> = []
  let closed = false
  const link = new Link({
    maxMessage: 65_536,
    send: (message) => {
      out.push(message)
      return true
    },
    close: () => {
      closed = true
    }
  }, { window: 65_536, patience: 3 })
  return { link, out, closed: () => closed }
}

describe("vectors of message links", () => {
  for (const { bytes, description, messages, name, over, reading } of received) {
    it(`${name}: ${description}`, () => {
      const { closed, link, out } = begin()
      for (const message of messages) link.receive(Document.bytesOf(message))
      assert.deepStrictEqual(concat(link.take() ?? []), Document.bytesOf(bytes))
      assert.strictEqual(
        link.readEnd === undefined ? "open" : link.readEnd.clean ? "ended" : "broken",
        reading
      )
      assert.strictEqual(link.over, over)
      assert.strictEqual(closed(), over)
      const last = Document.bytesOf(messages.at(-1)!)[0]
      const told = over && last !== Kind.reset && !messages.some((each) => Document.bytesOf(each)[0] === Kind.close)
      assert.strictEqual(out.at(-1)?.[0] === Kind.reset, told)
    })
  }

  for (const { description, does, messages, name } of sent) {
    it(`${name}: ${description}`, () => {
      const { link, out } = begin()
      for (const each of does) {
        if (each === "end") link.end()
        else if (each === "close") link.close()
        else assert.isUndefined(link.write(new TextEncoder().encode(each.write)))
      }
      assert.deepStrictEqual(out, messages.map(Document.bytesOf))
    })
  }
})
