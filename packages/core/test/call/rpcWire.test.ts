/** The bytes of typed calls, as somebody makes them who follows no rules. */
import { assert, describe, it } from "@effect/vitest"
import { bytes, concat } from "@pnet/lab/worlds/sessionWorld"
import * as Wire from "../../src/internal/call/rpcWire.ts"

const request = (flags: number, ...parts: ReadonlyArray<Uint8Array>) =>
  concat(Uint8Array.of(1, flags), new Uint8Array(8), Uint8Array.of(16), ...parts)

const headers = (length: number) => bytes(`[["a","${"x".repeat(length - 10)}"]]`)

describe("a request of a typed call", () => {
  it("has headers of so many bytes, which end within it", () => {
    const most = headers(Wire.maxHeaders)
    assert.strictEqual(most.length, Wire.maxHeaders)
    assert.isObject(Wire.decodeRequest(request(Wire.Flag.headers, Wire.lengthOf(most.length), most)))
    const more = headers(Wire.maxHeaders + 1)
    assert.strictEqual(
      Wire.decodeRequest(request(Wire.Flag.headers, Wire.lengthOf(more.length), more)),
      "headers that are too long"
    )
    const few = headers(20)
    assert.strictEqual(
      Wire.decodeRequest(request(Wire.Flag.headers, Wire.lengthOf(few.length + 1), few)),
      "headers that are too long"
    )
  })

  it("is of this version", () => {
    const right = request(0, bytes("x"))
    assert.isObject(Wire.decodeRequest(right))
    right[0] = 2
    assert.strictEqual(Wire.decodeRequest(right), "a request of another version")
  })
})

describe("what answers a typed call", () => {
  it("has a contract of so many bytes", () => {
    const contract = (length: number) => concat(new Uint8Array(8), bytes(`"${"x".repeat(length - 2)}"`))
    assert.isDefined(Wire.contractOf(contract(Wire.maxContract)))
    assert.isUndefined(Wire.contractOf(contract(Wire.maxContract + 1)))
  })

  it("has raw elements that fill their chunk, and one at least", () => {
    const one = concat(Wire.lengthOf(3), bytes("abc"))
    assert.lengthOf(Wire.rawElements(concat(one, one))!, 2)
    assert.isUndefined(Wire.rawElements(one.subarray(0, 6)))
    assert.isUndefined(Wire.rawElements(new Uint8Array()))
  })
})
