import { assert, describe, it } from "@effect/vitest"
import type { Frame } from "@pnet/core"
import { decode, encode } from "../../src/internal/wire/openText.ts"

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (text: string) => new TextEncoder().encode(text)
const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

describe("the text of OPEN", () => {
  const opens: ReadonlyArray<Frame.Open> = [
    { protocol: "rpc", name: "echo" },
    { protocol: "rpc", name: "echo", traceparent: trace },
    { protocol: "rpc", name: "echo", deadline: 1_500 },
    { protocol: "rpc", name: "echo", deadline: -3, traceparent: trace },
    { protocol: "command", name: "echo", traceparent: trace },
    { protocol: "rpc", name: "ächo \"x\"\n", traceparent: trace },
    { protocol: "rpc", name: "echo", traceparent: `${trace.slice(0, -1)}"` },
    { protocol: "rpc", name: "echo", traceparent: "" },
    { protocol: "rpc", name: "n".repeat(5_000), traceparent: trace }
  ]

  it("is the JSON of its fields, however often it is made and read", () => {
    for (let i = 0; i < 3; i++) {
      for (const open of opens) {
        const made = encode(open, 9)
        assert.deepStrictEqual([...made.subarray(0, 9)], Array(9).fill(0))
        assert.strictEqual(text(made.subarray(9)), JSON.stringify(open))
        assert.deepStrictEqual(decode(made.subarray(9)), open)
      }
    }
  })

  it("is read as others write it, and unknown fields are ignored", () => {
    const open = { protocol: "rpc", name: "echo", traceparent: trace }
    for (let i = 0; i < 2; i++) {
      assert.deepStrictEqual(
        decode(bytes(`{ "name": "echo", "protocol": "rpc", "traceparent": "${trace}", "x": 1 }`)),
        open
      )
      assert.deepStrictEqual(decode(bytes(`{"protocol":"rpc","name":"echo","x":[1],"traceparent":"${trace}"}`)), open)
    }
  })

  it("is nothing where it is malformed, also behind a beginning that is known", () => {
    decode(encode(opens[0]!, 0))
    for (
      const malformed of [
        "",
        "{",
        "[]",
        "null",
        `{"protocol":"rpc","name":"echo"`,
        `{"protocol":"rpc","name":"echo"}}`,
        `{"protocol":"rpc","name":"echo","deadline":1.5}`,
        `{"protocol":"rpc","name":"echo","traceparent":1}`,
        `{"protocol":"rpc","name":"echo","traceparent":"${trace}"`,
        `{"protocol":"rpc","name":"echo","traceparent":"${trace}`,
        `{"protocol":"rpc","name":1}`
      ]
    ) {
      assert.isUndefined(decode(bytes(malformed)), malformed)
    }
    assert.isUndefined(decode(Uint8Array.of(0x7b, 0xff, 0x7d)))
    // Not the characters of one, so that it is text like any other.
    const odd = { protocol: "rpc", name: "echo", traceparent: trace.toUpperCase() }
    assert.deepStrictEqual(decode(bytes(JSON.stringify(odd))), odd)
    const escaped = `{"protocol":"rpc","name":"echo","traceparent":"\\\\u0030${trace.slice(6)}"}`
    assert.deepStrictEqual(decode(bytes(escaped)), JSON.parse(escaped))
  })

  it("takes a deadline that is beyond all timers as the longest there is", () => {
    assert.strictEqual(decode(bytes(`{"protocol":"rpc","name":"echo","deadline":1e15}`))?.deadline, 2 ** 31 - 1)
  })
})
