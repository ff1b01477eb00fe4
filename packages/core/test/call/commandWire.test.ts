/** The JSON of commands as most write it, of which only what differs is parsed: it says what all of it says, parsed whole, and is written alike. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as v8 from "node:v8"
import { runInNewContext } from "node:vm"
import { allocate, textBytes } from "../../src/internal/base/arena.ts"
import * as Wire from "../../src/internal/call/commandWire.ts"
import { parse } from "../../src/internal/wire/json.ts"

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

/** A request, read whole. */
const whole = (text: string): Wire.Request | string => {
  const parsed = parse(bytes(text))
  return typeof parsed === "string" ? parsed : Wire.decodeRequest(bytes(` ${text}`))
}

const reply = (bytes: Uint8Array) =>
  Effect.runSync(Effect.result(Wire.decodeReply(bytes, "bob" as never, "f", 1_000_000)))

const values = [
  "null",
  "1",
  "1e400",
  "\"\"",
  "\"a\\\"b\"",
  "\"\\u0000\"",
  "\"é\u{1f600}\"",
  "\"],\\\"kwargs\\\":{}}\"",
  "[]",
  "[1,[2]]",
  "{}",
  "{\"__proto__\":1}",
  "{\"a\":{\"b\":[]}}",
  " 1 ",
  "",
  "1,2",
  "\"a\nb\"",
  "01",
  "undefined"
]

describe("A request", () => {
  it("is read like any other JSON, however close it is to the usual form", () => {
    const names = ["f", "", "a b", "é", "a\\\"b", "a\\u0062", "a\nb", "a\",\"args\":[1],\"x\":\"b"]
    const args = [
      ...values.map((value) => `[${value}]`),
      ...values,
      "[1],\"kwargs\":{\"a\":1},\"args\":[2]",
      "[1],\"kwargs\":{}},{\"x\":[2]",
      "[\"x\"],\"absent\":[0]"
    ]
    const tails = [
      ",\"kwargs\":{}}",
      ", \"kwargs\":{}}",
      ",\"kwargs\":{\"a\":1}}",
      ",\"kwargs\":{}} ",
      ",\"kwargs\":{}}}",
      "}",
      ""
    ]
    for (const name of names) {
      for (const arg of args) {
        for (const tail of tails) {
          const text = `{"function":"${name}","args":${arg}${tail}`
          assert.deepStrictEqual(Wire.decodeRequest(bytes(text)), whole(text), text)
        }
      }
    }
    for (
      const middle of [",\"argz\":", " ,\"args\":", ",\"args\" :", ",\"\":[],\"args\":", ",\"args\":[1],\"args\":"]
    ) {
      const text = `{"function":"f"${middle}[2],"kwargs":{}}`
      assert.deepStrictEqual(Wire.decodeRequest(bytes(text)), whole(text), text)
    }
  })

  it("has arguments by name of its own, which a handler may change", () => {
    const request = bytes("{\"function\":\"f\",\"args\":[],\"kwargs\":{}}")
    const first = Wire.decodeRequest(request) as Wire.Request
    Object.assign(first.kwargs, { left: "behind" })
    assert.deepStrictEqual((Wire.decodeRequest(request) as Wire.Request).kwargs, {})
    const without = bytes("{\"function\":\"f\"}")
    Object.assign((Wire.decodeRequest(without) as Wire.Request).kwargs, { left: "behind" })
    assert.deepStrictEqual((Wire.decodeRequest(without) as Wire.Request).kwargs, {})
  })

  it("is written as JSON.stringify would", () => {
    const cases: ReadonlyArray<Wire.Request> = [
      { function: "f", args: [], kwargs: {} },
      { function: "a\"b\\c\n", args: ["\"", 1, null, [undefined], { a: undefined }], kwargs: {} },
      { function: "f", args: [1], kwargs: { b: 2 } },
      { function: "f", args: [1], kwargs: { b: undefined } }
    ]
    for (const request of cases) {
      const { args, function: name, kwargs } = request
      const encoded = Wire.encodeRequest(request, 1_000)
      assert.instanceOf(encoded, Uint8Array)
      assert.strictEqual(textOf(encoded as Uint8Array), JSON.stringify({ function: name, args, kwargs }))
    }
  })

  it("leaves nothing behind of a name that is long", () => {
    v8.setFlagsFromString("--expose-gc")
    const collect = runInNewContext("gc") as () => void
    const held = () => {
      collect()
      return process.memoryUsage().heapUsed
    }
    const before = held()
    // Of 13 MB, and as much again of what is made of them.
    for (let i = 0; i < 100; i++) {
      const request = { function: `${i}${"n".repeat(131_072)}`, args: [], kwargs: {} }
      assert.instanceOf(Wire.encodeRequest(request, 1_000_000), Uint8Array)
    }
    assert.isBelow(held() - before, 6_000_000)
  })
})

describe("The name of a function that is called", () => {
  it("holds nothing else of the call", () => {
    v8.setFlagsFromString("--expose-gc")
    const collect = runInNewContext("gc") as () => void
    const heap = () => {
      collect()
      return process.memoryUsage().heapUsed
    }
    const read = (i: number) => {
      const args = ["x".repeat(1_000_000)]
      const bytes = new TextEncoder().encode(
        JSON.stringify({ function: `a function with a name ${i}`, args, kwargs: {} })
      )
      return (Wire.decodeRequest(bytes) as Wire.Request).function
    }
    read(0)
    const before = heap()
    const names = Array.from({ length: 32 }, (_, i) => read(i))
    assert.isBelow((heap() - before) / 1_000_000, 8)
    assert.strictEqual(new Set(names).size, 32)
  })
})

describe("An answer", () => {
  it("is read like any other JSON, however close it is to the usual form", () => {
    for (const value of [...values, "1},{\"type\":\"error\"", "1,\"value\":2", "1,\"type\":\"error\""]) {
      for (const tail of ["}", "} ", "}}", ""]) {
        const text = `{"type":"success","value":${value}${tail}`
        assert.deepStrictEqual(reply(bytes(text)), reply(bytes(` ${text}`)), text)
      }
    }
  })
})

describe("Texts of calls", () => {
  it("have bytes that nothing else is written over", () => {
    const texts = Array.from({ length: 2_000 }, (_, i) => `${i}${"é€\u{1f600}x".repeat(i % 40)}`)
    const made = texts.flatMap((text) => {
      allocate(text.length % 50).fill(255)
      return [textBytes(text)]
    })
    assert.deepStrictEqual(made.map(textOf), texts)
    const long = "€".repeat(5_000)
    assert.strictEqual(textOf(textBytes(long)), long)
  })
})
