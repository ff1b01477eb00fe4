/** The documents of the section "commands" of `docs/vectors.json`: asked of a CommandNode, and answered to one. */
import { assert, describe, it } from "@effect/vitest"
import * as Document from "@pnet/lab/vectors/document"
import { startAll } from "@pnet/lab/worlds/commandWorld"
import { failureOf, quietly, start, text } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { Effect, type Schema } from "effect"

const { answers, requests } = Document.load().commands

/** The code that an error of a call stands for. */
const codes: Readonly<Record<string, string>> = {
  UnknownFunctionError: "unknown_function",
  InvalidArgumentsError: "invalid_arguments",
  RemoteError: "failed",
  RemoteDefectError: "internal",
  CallTooLargeError: "too_large"
}

interface Failure {
  readonly _tag: string
  readonly error?: { readonly _tag?: string }
}

const codeOf = ({ _tag, error }: Failure) => error?._tag === "NotJsonError" ? "not_json" : codes[_tag]

describe("the documents of the vectors", () => {
  it.effect("are answered as they say", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice, bob } = yield* startAll(network, ["alice", "bob"])
      yield* bob.node.register("same", (_call, value) => Effect.succeed(value as Schema.Json))
      yield* bob.node.register("nothing", () => Effect.void)
      assert.isAbove(requests.length, 15)
      for (const { code, document, name, success, ...rest } of requests) {
        const answer = JSON.parse(text(yield* alice.node.request("bob", "handle", Document.bytesOf(document))))
        assert.strictEqual(answer.type, success ? "success" : "error", name)
        assert.strictEqual(answer.code, code, name)
        if ("value" in rest) assert.deepStrictEqual(answer.value, rest.value, name)
      }
    })))

  it.effect("are read as answers as they say", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      let answer = new Uint8Array(0)
      yield* start(network, {
        name: "bob",
        networkId: "commands",
        functions: { handle: () => Effect.sync(() => answer) }
      })
      const { alice } = yield* startAll(network, ["alice"])
      yield* alice.node.peers.awaitPeer("bob")
      const call = alice.node.target<{ f(): Schema.Json }>("bob").f()
      assert.isAbove(answers.length, 15)
      for (const { code, document, name, reads, ...rest } of answers) {
        answer = new Uint8Array(Document.bytesOf(document))
        if (reads === "value") {
          const value = yield* call
          if ("value" in rest) assert.deepStrictEqual(value, rest.value as Schema.Json, name)
          continue
        }
        const failure = (yield* failureOf(call)) as Failure
        if (reads === "error") assert.strictEqual(codeOf(failure), code, name)
        else assert.strictEqual(failure._tag, "ContractError", name)
      }
    })))
})
