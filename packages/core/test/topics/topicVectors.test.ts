/** The section "topics" of `docs/vectors.json`, read as it says. */
import { assert, describe, it } from "@effect/vitest"
import { hexOf, ofHex } from "@pnet/lab/vectors/bytes"
import * as Document from "@pnet/lab/vectors/document"
import * as Records from "../../src/internal/topics/records.ts"

const { records } = Document.load().topics

describe("vectors of topics", () => {
  for (const { by, description, name, record, says } of records) {
    it(`${name}: ${description}`, () => {
      const bytes = ofHex(record.map(({ hex, times }) => hex.repeat(times)).join(""))
      const reader = new Records.RecordReader()
      reader.add([bytes])
      const one = reader.next()
      const read = one === undefined
        ? "no record"
        : by === "publisher"
        ? Records.toSubscriber(one)
        : Records.toPublisher(one)
      assert.strictEqual(reader.isWrong, one === undefined)
      if (says === undefined) return assert.isString(read)
      if (says === null) return assert.isUndefined(read)
      assert.isObject(read)
      const said = Object.entries(read as Records.ToSubscriber | Records.ToPublisher)
        .filter(([, value]) => value !== undefined)
        .map(([field, value]) => [field, value instanceof Uint8Array ? hexOf(value) : value])
      assert.deepStrictEqual(Object.fromEntries(said), says)
      assert.isUndefined(reader.next())
    })
  }
})
