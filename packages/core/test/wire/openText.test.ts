import { assert, describe, it } from "@effect/vitest"
import { Frame } from "@pnet/core"
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
    { protocol: "rpc", name: "n".repeat(5_000), traceparent: trace },
    { protocol: "command", name: "echo", headers: `{"a":{"b":["é"]},"__proto__":1}` },
    { protocol: "command", name: "echo", deadline: 7, traceparent: trace, headers: "{}" },
    { protocol: "command", name: "echo", traceparent: "", headers: `{"a":1}` }
  ]

  it("is the JSON of its fields, however often it is made and read", () => {
    for (let i = 0; i < 3; i++) {
      for (const open of opens) {
        const made = encode(open, 9)
        assert.deepStrictEqual([...made.subarray(0, 9)], Array(9).fill(0))
        const { headers, ...rest } = open
        const fields = JSON.stringify(rest)
        assert.strictEqual(
          text(made.subarray(9)),
          headers === undefined ? fields : `${fields.slice(0, -1)},"headers":${headers}}`
        )
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

  it("keeps no more of headers than there may be, however long or deep they are", () => {
    const heard = (headers: string) => decode(bytes(`{"protocol":"command","name":"x","headers":${headers}}`))?.headers
    assert.strictEqual(heard(` { "a" : 1.0 } `), `{"a":1}`)
    const most = `{"a":"${"x".repeat(Frame.maxHeaders - 8)}"}`
    assert.strictEqual(heard(most), most)
    for (
      const long of [
        `{"a":"${"x".repeat(Frame.maxHeaders - 7)}"}`,
        `{"a":${"[".repeat(40_000)}${"]".repeat(40_000)}}`,
        `{"a":${"{\"a\":".repeat(10_000)}1${"}".repeat(10_000)}}`
      ]
    ) assert.isAbove(heard(long)!.length, Frame.maxHeaders)
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
        `{"protocol":"rpc","name":1}`,
        `{"protocol":"rpc","name":"echo","headers":null}`,
        `{"protocol":"rpc","name":"echo","headers":[]}`,
        `{"protocol":"rpc","name":"echo","headers":"{}"}`
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

  it("is read where it stands, by nothing of what stands before it and behind it", () => {
    for (const open of opens.filter(({ name }) => name.length < 256)) {
      const said = text(encode(open, 0))
      const around = bytes(`${said}${said}"}}`)
      const length = bytes(said).length
      assert.deepStrictEqual(decode(around, length, 2 * length), open)
      // What it would take to be whole stands behind it.
      for (let stop = length; stop < 2 * length; stop++) assert.isUndefined(decode(around, length, stop), said)
      for (let stop = 2 * length + 1; stop <= around.length; stop++) {
        assert.isUndefined(decode(around, length, stop), said)
      }
    }
  })

  it("is the same object each time that a place is all it says, wherever it stands", () => {
    const open = { protocol: "rpc", name: "again" }
    const made = encode(open, 9)
    const first = decode(made, 9)
    assert.deepStrictEqual(first, open)
    assert.strictEqual(decode(made, 9), decode(made.slice(9)))
  })

  it("takes a deadline that is beyond all timers as the longest there is", () => {
    assert.strictEqual(decode(bytes(`{"protocol":"rpc","name":"echo","deadline":1e15}`))?.deadline, 2 ** 31 - 1)
  })
})
