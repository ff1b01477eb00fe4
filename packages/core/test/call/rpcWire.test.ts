/** The bytes of typed calls, as somebody makes them who follows no rules. */
import { assert, describe, it } from "@effect/vitest"
import { bytes, concat } from "@pnet/lab/worlds/sessionWorld"
import { Cause, Effect, Exit, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { jsonWireOf } from "../../src/internal/call/rpcJson.ts"
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
    assert.lengthOf(Wire.rawElements(concat(one, one), 2) as Array<Uint8Array>, 2)
    assert.isUndefined(Wire.rawElements(one.subarray(0, 6), 2))
    assert.isUndefined(Wire.rawElements(new Uint8Array(), 2))
    assert.strictEqual(Wire.rawElements(concat(one, one), 1), "too many")
    // As many as this side sends in one, whatever the limit.
    assert.strictEqual(Wire.mostRaw(1_000), 65_536)
  })
})

describe("the errors of a typed call", () => {
  let message: () => unknown = () => ""
  class Failed extends Schema.TaggedError<Failed>()("Failed", { path: Schema.String }) {
    override get message() {
      return message() as string
    }
  }
  const rpc = Rpc.make("call", { success: Schema.String, error: Failed }) as never
  const failing = (count: number) =>
    Cause.fromReasons(Array.from({ length: count }, () => Cause.makeFailReason(new Failed({ path: "a" }))))
  const count = (exit: Exit.Exit<any, unknown>) => Exit.isFailure(exit) ? exit.cause.reasons.length : 0

  it("are as many as are read, in either form", () => {
    const wire = Wire.wireOf(rpc)
    const json = jsonWireOf(rpc)
    for (const errors of [1, 2, Wire.maxFailures]) {
      assert.strictEqual(Wire.failuresOf(failing(errors))?.reasons.length, errors)
      const bytes = Effect.runSync(wire.encodeExit(Exit.failCause(failing(errors))))
      assert.strictEqual(count(Effect.runSync(wire.decodeExit(bytes))), errors)
    }
    for (const errors of [Wire.maxFailures + 1, 150, 20_000]) {
      assert.strictEqual(Wire.failuresOf(failing(errors))?.reasons.length, Wire.maxFailures)
      const bytes = Effect.runSync(wire.encodeExit(Exit.failCause(failing(errors))))
      assert.isTrue(Exit.isFailure(Effect.runSyncExit(wire.decodeExit(bytes))))
      const others = Array.from({ length: errors }, () => ({ _tag: "Failed", path: "a" }))
      const exit = Effect.runSync(json.decodeExit({ error: { _tag: "Failed", path: "a" }, others }))
      assert.strictEqual(count(exit), Wire.maxFailures)
    }
  })

  it("are sent as JSON whatever they say of themselves, and with no half characters", () => {
    const text = (given: () => unknown) => {
      message = given
      return new TextDecoder().decode(Effect.runSync(jsonWireOf(rpc).encodeExit(Exit.failCause(failing(1)))))
    }
    const error = `,"error":{"_tag":"Failed","path":"a"}`
    assert.strictEqual(text(() => ""), error)
    assert.strictEqual(text(() => "no"), `${error},"description":"no"`)
    for (const odd of [7, null, undefined, {}, Symbol("x")]) assert.strictEqual(text(() => odd), error)
    assert.strictEqual(
      text(() => {
        throw new Error("no")
      }),
      error
    )
    assert.strictEqual(text(() => `${"x".repeat(1_023)}😀`), `${error},"description":"${"x".repeat(1_023)}"`)
    assert.strictEqual(text(() => `${"x".repeat(1_022)}😀y`), `${error},"description":"${"x".repeat(1_022)}😀"`)
  })
})
