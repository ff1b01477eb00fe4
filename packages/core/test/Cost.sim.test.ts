/** What the calls of one peer cost a node: every reply is bounded before it is built, and nothing is held that is not counted. */
import { assert, describe, it } from "@effect/vitest"
import { Command, PeerRpc, RpcRegistry, Sessions } from "@pnet/core"
import { SimNetwork } from "@pnet/testing"
import { Deferred, Effect, Fiber, Schema } from "effect"
import type { Scope } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { startAll } from "./commandWorld.ts"
import { failureOf, quietly, text } from "./sessionWorld.ts"

const test = (title: string, body: Effect.Effect<void, any, Scope.Scope>) => it.effect(title, () => quietly(body))

/** Two nodes that know each other, and a way to ask bob by JSON of one's own. */
const world = (seed: number, limits: Record<string, number> = {}) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make({ seed, traceCapacity: 0 })
    const nodes = yield* startAll(network, ["alice", "bob", "carol"], (name) => name === "bob" ? { limits } : {})
    const ask = (document: string, by = nodes.alice) =>
      Effect.map(by.node.streams.request("bob", "handle", document), (answer) => ({
        length: answer.length,
        ...JSON.parse(text(answer))
      }))
    return { ...nodes, ask }
  })

describe("a refusal", () => {
  test(
    "says the first thing that is wrong, and is short however much is",
    Effect.gen(function*() {
      const { ask, bob } = yield* world(1)
      yield* bob.node.register(
        Command.make("sum", {
          args: [Schema.Array(Schema.Number)],
          kwargs: { more: Schema.optionalKey(Schema.Record(Schema.String, Schema.Number)) },
          success: Schema.Number
        }),
        (_, numbers) => Effect.succeed(numbers.length)
      )
      const one = yield* ask(`{"function":"sum","args":[[1,"",2,""]]}`)
      assert.strictEqual(one.code, "invalid_arguments")
      assert.include(one.description, "[0][1]")
      assert.notInclude(one.description, "[0][3]")
      const many = yield* ask(`{"function":"sum","args":[[${`"",`.repeat(50_000)}""]]}`)
      assert.isBelow(many.length, 500)
      // Nor is it as long as what it speaks of.
      const key = yield* ask(`{"function":"sum","args":[[]],"kwargs":{"more":{"${"k".repeat(200_000)}":""}}}`)
      assert.strictEqual(key.code, "invalid_arguments")
      assert.isBelow(key.length, 2_000)
    })
  )

  test(
    "and a typed error that is too large is not sent, nor made",
    Effect.gen(function*() {
      const { alice, bob } = yield* world(2, { callSize: 100_000 })
      yield* bob.node.register(
        Command.make("fail", { error: Schema.Array(Schema.String) }),
        () => Effect.fail(Array.from({ length: 1_000 }, () => "x".repeat(1_000)))
      )
      assert.strictEqual((yield* failureOf(alice.node.target("bob")("fail")))._tag, "CallTooLargeError")
      // A result of many places for one value: a hundred million characters, if they were written.
      const many = (value: unknown) => Array.from({ length: 100 }, () => value)
      yield* bob.node.register("laughs", () => Effect.succeed(many(many(many("x".repeat(100))))))
      assert.strictEqual((yield* failureOf(alice.node.target("bob")("laughs")))._tag, "CallTooLargeError")
    })
  )
})

describe("a call by JSON", () => {
  test(
    "is counted with what it is parsed to, and not parsed where there is no room for that",
    Effect.gen(function*() {
      const { alice, ask, bob, carol } = yield* world(3, { callMemory: 4_000_000 })
      const gate = yield* Deferred.make<void>()
      yield* bob.node.register("keep", () => Effect.as(Deferred.await(gate), 1))
      yield* bob.node.register("size", (_, list: ReadonlyArray<unknown>) => Effect.succeed(list.length))
      // 100,000 bytes of arrays hold two million: more than the million that one peer may have.
      const heavy = (name: string, n: number) => `{"function":"${name}","args":[[${"[],".repeat(n)}0]]}`
      const never = yield* ask(heavy("size", 33_000))
      assert.strictEqual(never.code, "too_large")
      // Two thirds of it are held while the call runs, and there is no room for another until then.
      const kept = yield* Effect.forkChild(ask(heavy("keep", 11_000)))
      yield* Effect.sleep("200 millis")
      const refused = yield* failureOf(ask(heavy("size", 11_000)))
      assert.strictEqual(refused._tag === "StreamResetError" && refused.code, "refused")
      assert.strictEqual(yield* alice.node.target("bob")("size", [1]), 1)
      assert.strictEqual((yield* ask(heavy("size", 11_000), carol)).value, 11_001)
      yield* Deferred.succeed(gate, void 0)
      yield* Fiber.join(kept)
      assert.strictEqual((yield* ask(heavy("size", 11_000))).value, 11_001)
    })
  )

  test(
    "and its answer of more than its caller may have is not parsed either",
    Effect.gen(function*() {
      const { alice, bob } = yield* world(4)
      yield* bob.node.sessions.handle({ protocol: "command", name: "handle" }, (stream) =>
        Effect.ignore(
          stream.write(new TextEncoder().encode(`{"type":"success","value":[${"[],".repeat(1_500_000)}0]}`))
        ))
      assert.strictEqual((yield* failureOf(alice.node.target("bob")("any")))._tag, "CallTooLargeError")
    })
  )
})

describe("a description", () => {
  test(
    "of a command or a typed call is made once, however often a peer asks",
    Effect.gen(function*() {
      const { alice, bob } = yield* world(5)
      let hashed = 0
      const counted = Schema.String.annotate({
        get description() {
          hashed++
          return "counted"
        }
      } as { readonly description: string })
      yield* bob.node.register(Command.make("counted", { args: [counted] }), () => Effect.void)
      const group = RpcGroup.make(Rpc.make("typed", { payload: { a: Schema.String } }))
      yield* Effect.provide(
        PeerRpc.serve(group),
        group.toLayer({ typed: () => Effect.void })
      ).pipe(
        Effect.provideService(Sessions.Sessions, bob.node.sessions),
        Effect.provideService(RpcRegistry.RpcRegistry, bob.node.registry)
      )
      const before = yield* bob.node.registry.describe()
      const once = hashed
      assert.deepStrictEqual(yield* alice.node.target("bob")("describe", "counted", "typed"), before as any)
      const again = yield* bob.node.registry.describe()
      assert.strictEqual(hashed, once)
      again.forEach((description, i) => assert.strictEqual(description, before[i]))
    })
  )
})
