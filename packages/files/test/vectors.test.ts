/** The section "files" of `docs/vectors.json`, read as it says, in one piece and byte by byte. */
import { assert, describe, it } from "@effect/vitest"
import { hexOf, ofHex } from "@pnet/lab/vectors/bytes"
import * as Document from "@pnet/lab/vectors/document"
import * as Wire from "../src/internal/wire.ts"

const section = Document.load().files

type Read = { readonly says: ReadonlyArray<unknown>; readonly wrong: boolean }

const shown = (value: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(value).filter(([, each]) => each !== undefined).map(([name, each]) => [
      name,
      each instanceof Uint8Array ? hexOf(each) : each
    ])
  )

interface Reader {
  readonly malformed: boolean
  readonly push: (bytes: Uint8Array) => void
  readonly next: () => object | undefined
}

const pieces = (bytes: Uint8Array, size: number): Array<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.slice(index * size, (index + 1) * size))

/** Bytes of files that follow each other as one. */
const joined = (says: ReadonlyArray<Record<string, unknown>>): ReadonlyArray<Record<string, unknown>> =>
  says.reduce<Array<Record<string, unknown>>>((all, one) => {
    const last = all.at(-1)
    if (last?.["_tag"] !== "Data" || one["_tag"] !== "Data") return [...all, one]
    return [...all.slice(0, -1), { ...last, bytes: `${String(last["bytes"])}${String(one["bytes"])}` }]
  }, [])

const readAll = (reader: Reader, bytes: Uint8Array, size: number): Read => {
  const says: Array<Record<string, unknown>> = []
  for (const piece of pieces(bytes, size)) {
    reader.push(piece)
    for (let one = reader.next(); one !== undefined; one = reader.next()) says.push(shown(one))
  }
  return { says: joined(says), wrong: reader.malformed }
}

const offer = (bytes: Uint8Array): Read => {
  const read = Wire.readOffer(bytes)
  return { says: read === undefined ? [] : [shown(read)], wrong: read === undefined }
}

describe("vectors of files", () => {
  const kinds = [
    ["offers", offer],
    ["said", (bytes: Uint8Array, size: number) => readAll(Wire.saids(), bytes, size)],
    ["lists", (bytes: Uint8Array, size: number) => readAll(Wire.entries(), bytes, size)],
    ["wants", (bytes: Uint8Array, size: number) => readAll(Wire.wants(), bytes, size)],
    ["answers", (bytes: Uint8Array, size: number) => readAll(new Wire.Answers(), bytes, size)]
  ] as const
  for (const [kind, read] of kinds) {
    for (const { bytes, description, name, says, wrong } of section[kind]) {
      it(`${name}: ${description}`, () => {
        const all = ofHex(bytes.map(({ hex, times }) => hex.repeat(times)).join(""))
        const expected = { says: joined(says), wrong }
        assert.deepStrictEqual(read(all, Math.max(1, all.length)), expected)
        if (all.length < 1_000) assert.deepStrictEqual(read(all, 1), expected)
      })
    }
  }
})
