/** The section "offers" of `docs/vectors.json`, read as it says. */
import { assert, describe, it } from "@effect/vitest"
import type { Offer } from "@pnet/core"
import { textOf } from "@pnet/lab/vectors/bytes"
import * as Document from "@pnet/lab/vectors/document"
import { decode, encode } from "../../src/internal/offers/offerText.ts"

const { lines } = Document.load().offers

describe("vectors of what nodes offer", () => {
  for (const { description, line, name, offer } of lines) {
    it(`${name}: ${description}`, () => {
      const read = decode(Document.bytesOf(line))
      if (offer === undefined) assert.isString(read)
      else {
        const said: Offer.Offer = { topics: [], ...offer }
        assert.deepStrictEqual(read, said)
        const written = encode(said)
        assert.strictEqual(written.at(-1), 0x0a)
        assert.deepStrictEqual(decode(written.subarray(0, -1)), said)
        assert.isDefined(textOf(written))
      }
    })
  }
})
