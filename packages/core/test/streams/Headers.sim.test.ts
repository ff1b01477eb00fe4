/** Headers: what a function is told about a call besides its bytes. */
import { assert, describe, it } from "@effect/vitest"
import { AdvancedNode, Frame, Outcomes } from "@pnet/core"
import { failureOf, frame, quietly, seeded, text, two } from "@pnet/lab/worlds/sessionWorld"
import { stranger } from "@pnet/lab/worlds/stranger"
import { SimNetwork } from "@pnet/testing"
import { Effect, Fiber, Schema, Stream } from "effect"
import * as Frames from "../../src/internal/session/frames.ts"

const Upload = Schema.Struct({ path: Schema.NonEmptyString, size: Schema.optionalKey(Schema.BigInt) })

/** Alice, and bob, who serves functions. */
const pair = (functions: AdvancedNode.Functions<Record<string, never>>) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make()
    const { alice, bob } = yield* two(network, {}, { functions })
    return { network, alice: alice.node, bob: bob.node, startedBob: bob }
  })

describe("headers of a call", () => {
  it.effect("come to the function as they were sent, with a stream, whole bytes and to several", () =>
    quietly(Effect.gen(function*() {
      const tell = (call: AdvancedNode.Call) => Effect.map(call.text, (body) => JSON.stringify([call.headers, body]))
      const { alice } = yield* pair({ tell })
      const headers = { path: "a/b", deep: { list: [1, null, "é"] }, ["__proto__"]: 1 }
      const wanted = JSON.stringify([headers, "hi"])
      assert.strictEqual(text(yield* alice.request("bob", "tell", "hi", { headers })), wanted)
      const input = Stream.make(new TextEncoder().encode("hi"))
      assert.strictEqual(text(yield* alice.request("bob", "tell", input, { headers })), wanted)
      const parts = yield* Stream.runCollect(alice.send("bob", "tell", "hi", { headers }))
      assert.strictEqual(parts.map(text).join(""), wanted)
      for (const data of ["hi", input]) {
        const outcomes = yield* alice.sendAll("*", "tell", data, { headers })
        assert.deepStrictEqual(Outcomes.values(outcomes).map(text), [wanted])
      }
      // Without any, an empty object; and an empty one is none.
      assert.strictEqual(text(yield* alice.request("bob", "tell", "hi")), `[{},"hi"]`)
      assert.strictEqual(text(yield* alice.request("bob", "tell", "hi", { headers: {} })), `[{},"hi"]`)
    })))

  it.effect("are of the type of the function's Schema; those that are not are an InvalidArgumentsError, and nothing is run", () =>
    quietly(Effect.gen(function*() {
      let runs = 0
      const { alice, bob } = yield* pair({
        upload: AdvancedNode.withHeaders(Upload, ({ headers }) => {
          runs++
          return `${headers.path} ${typeof headers.size}`
        })
      })
      yield* bob.register("later", ({ headers }) => {
        runs++
        return headers.path
      }, { headers: Upload })
      const ask = (name: string, headers?: AdvancedNode.Headers) => alice.request("bob", name, "", { headers })
      assert.strictEqual(text(yield* ask("upload", { path: "a", size: "36893488147419103232" })), "a bigint")
      assert.strictEqual(text(yield* ask("later", { path: "a", more: 1 })), "a")
      runs = 0
      for (const name of ["upload", "later"]) {
        for (const headers of [undefined, {}, { path: "" }, { path: 7 }, { path: "a", size: "many" }]) {
          const error = yield* failureOf(ask(name, headers))
          assert.strictEqual(error._tag, "InvalidArgumentsError")
          assert.include((error as { readonly issue: string }).issue, "headers: ")
        }
      }
      assert.strictEqual(runs, 0)
    })))

  it.effect("that JSON has no form for, or that are too long, are sent to nobody", () =>
    quietly(Effect.gen(function*() {
      const { alice } = yield* pair({ tell: ({ headers }) => JSON.stringify(headers).length.toString() })
      const ask = (headers: unknown) => alice.request("bob", "tell", "", { headers: headers as {} })
      const long = yield* failureOf(ask({ a: "x".repeat(Frame.maxHeaders - 7) }))
      assert.deepInclude(long, { _tag: "CallTooLargeError", limit: Frame.maxHeaders })
      assert.strictEqual((yield* failureOf(ask({ a: "é".repeat(2_045) })))._tag, "CallTooLargeError")
      const odd = yield* failureOf(ask({ a: { b: Number.NaN } }))
      assert.deepInclude(odd, { _tag: "NotJsonError", path: "headers.a.b" })
      assert.strictEqual(text(yield* ask({ a: "x".repeat(Frame.maxHeaders - 8) })), "4096")
    })))

  it.effect("are sent to none that does not say it reads them, which nothing runs for", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, network, startedBob } = yield* pair({ tell: () => "ran" })
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, yield* seeded(), { host })
      // As a node of 0.1: it says of no feature that it has it.
      const session = yield* mallory.connect(startedBob)
      yield* bob.peers.awaitPeer("mallory")
      const headers = { a: 1 }
      for (const data of ["", Stream.empty]) {
        const error = yield* failureOf(bob.request("mallory", "x", data, { headers }))
        assert.strictEqual(error._tag, "HeadersUnsupportedError")
        assert.include(error.message, `"mallory" reads no headers`)
      }
      const plain = yield* Effect.forkScoped(bob.request("mallory", "y", "", { headers: {} }))
      const { payload } = yield* session.expect(Frame.Kind.open)
      assert.deepStrictEqual(JSON.parse(text(payload)), { protocol: "command", name: "y" })
      yield* session.send(1, frame(Frame.Kind.end, 1))
      yield* Fiber.join(plain)
      // One that says it is sent them.
      const sure = yield* mallory.connect(startedBob, { features: ["headers"] })
      yield* Effect.forkScoped(bob.request("mallory", "z", "", { headers }))
      const opened = yield* sure.expect(Frame.Kind.open)
      assert.deepStrictEqual(JSON.parse(text(opened.payload)), { protocol: "command", name: "z", headers })
      assert.strictEqual(text(yield* alice.request("bob", "tell", "", { headers })), "ran")
    })))

  it("that a function does not take are a RESET that older nodes read as not_found, which nothing ran for", () => {
    const json = (value: Uint8Array): unknown => JSON.parse(text(value))
    const written = Frames.resetPayload({ code: "invalid_arguments", message: "no" })
    assert.deepStrictEqual(json(written), { code: "not_found", message: "no", reason: "invalid_arguments" })
    assert.deepStrictEqual(Frames.resetOf(written), { code: "invalid_arguments", message: "no" })
    const bare = new TextEncoder().encode(JSON.stringify({ code: "invalid_arguments", message: "" }))
    assert.strictEqual(Frames.resetOf(bare)?.code, "internal")
  })
})
