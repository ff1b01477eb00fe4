import { assert, describe, it } from "@effect/vitest"
import * as ProtocolError from "@pnet/core/ProtocolError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const all: ReadonlyArray<ProtocolError.Code> = [
  "ERR_SECTION_COUNT",
  "ERR_PACKET_INCOMPLETE",
  "ERR_PACKET_TOO_LARGE",
  "ERR_NETWORK_INCORRECT",
  "ERR_PACKET_TYPE",
  "ERR_NET_DECRYPTION_FAILED",
  "ERR_NODE_DECRYPTION_FAILED",
  "ERR_PUBLIC_KEY",
  "ERR_ADV_FORMAT",
  "ERR_REPLAY",
  "ERR_HANDSHAKE",
  "ERR_UNTRUSTED",
  "ERR_BUSY",
  "ERR_INTERNAL"
]

describe("ProtocolError", () => {
  it("has the codes of the protocol, and no others", () => {
    assert.deepStrictEqual([...ProtocolError.codes].sort(), [...all].sort())
  })

  it("is one typed reason for each code", () => {
    const tags = new Set<string>()
    for (const code of all) {
      const local = ProtocolError.local(code)
      assert.strictEqual(local._tag, "ProtocolError")
      assert.strictEqual(local.code, code)
      assert.strictEqual(local.origin, "local")
      const remote = ProtocolError.remote(code)
      assert.strictEqual(remote.code, code)
      assert.strictEqual(remote.origin, "remote")
      assert.strictEqual(remote.reason._tag, local.reason._tag)
      tags.add(local.reason._tag)
    }
    assert.strictEqual(tags.size, all.length)
  })

  it("keeps no stack of what a peer sent, and leaves those of other errors alone", () => {
    const error = ProtocolError.local("ERR_BUSY", "here")
    assert.notInclude(error.stack ?? "", "ProtocolError.test")
    assert.include(error.message, "here")
    assert.include(new Error("another").stack, "ProtocolError.test")
  })

  it("reads codes that it does not know as ERR_INTERNAL", () => {
    for (
      const content of [
        "",
        "ERR_NEW",
        "err_busy",
        " ERR_BUSY",
        "ERR_BUSY\n",
        "constructor",
        "hasOwnProperty",
        "__proto__",
        "ERR_",
        "x".repeat(100_000)
      ]
    ) {
      const error = ProtocolError.remote(content)
      assert.strictEqual(error.code, "ERR_INTERNAL", content.slice(0, 20))
      // A peer's text goes no further.
      if (content.length > 4) assert.notInclude(JSON.stringify(error), content)
    }
  })

  it("says who found what, and the detail where there is one", () => {
    const message = ProtocolError.local("ERR_PACKET_TOO_LARGE", "1401 bytes").message
    assert.match(message, /^ERR_PACKET_TOO_LARGE: /)
    assert.include(message, "(1401 bytes)")
    assert.notInclude(ProtocolError.local("ERR_PACKET_TOO_LARGE").message, "undefined")
    assert.match(ProtocolError.remote("ERR_UNTRUSTED").message, /^the peer answered ERR_UNTRUSTED: /)
    assert.include(ProtocolError.local("ERR_NET_DECRYPTION_FAILED").message, "networkKey")
    assert.include(ProtocolError.local("ERR_REPLAY").message, "clocks")
    for (const code of all) assert.isAbove(ProtocolError.local(code).message.length, code.length + 10)
  })

  it.effect("can be caught by its reason", () =>
    Effect.gen(function*() {
      const caught = yield* Effect.fail(ProtocolError.remote("ERR_BUSY")).pipe(
        Effect.catchReason("ProtocolError", "Busy", (reason) => Effect.succeed(reason.code))
      )
      assert.strictEqual(caught, "ERR_BUSY")
    }))

  it.effect("survives its schema", () =>
    Effect.gen(function*() {
      const codec = Schema.toCodecJson(ProtocolError.ProtocolError)
      for (const code of all) {
        const error = ProtocolError.local(code, "detail")
        const json = JSON.stringify(yield* Schema.encodeEffect(codec)(error))
        const back = yield* Schema.decodeUnknownEffect(codec)(JSON.parse(json))
        assert.strictEqual(back.message, error.message)
        assert.strictEqual(back.code, code)
      }
    }))
})
