/** What the calls of one peer cost a node: every reply is bounded before it is built, and nothing is held that is not counted. */
import { assert, describe, it } from "@effect/vitest"
import type { AdvancedNode } from "@pnet/core"
import { Command, CommandNode, Deadline, Frame, PeerRpc, RpcRegistry, Sessions } from "@pnet/core"
import { startAll, startCommand } from "@pnet/lab/worlds/commandWorld"
import { bytes, echo, failureOf, frame, networkId, quietly, seeded, start, text } from "@pnet/lab/worlds/sessionWorld"
import { stranger } from "@pnet/lab/worlds/stranger"
import { SimNetwork } from "@pnet/testing"
import { Cause, Clock, Deferred, Duration, Effect, Exit, Fiber, Layer, Logger, Schema, Stream } from "effect"
import type { Scope } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import * as CommandWire from "../../src/internal/call/commandWire.ts"
import { compatible } from "../../src/internal/call/contractCompatible.ts"
import { differences } from "../../src/internal/call/contractDifferences.ts"
import * as Wire from "../../src/internal/call/rpcWire.ts"

const { Kind } = Frame

const failureTag = (exit: Exit.Exit<unknown, { readonly _tag: string }>) =>
  Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error._tag : undefined

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
      // Of letters that take two bytes each there are fewer than the limit, and more bytes.
      const text = "ä".repeat(60_000)
      yield* bob.node.register("umlauts", () => Effect.succeed(text))
      yield* bob.node.register(Command.make("wrong", { error: Schema.String }), () => Effect.fail(text))
      for (const name of ["umlauts", "wrong"]) {
        assert.strictEqual((yield* failureOf(alice.node.target("bob")(name)))._tag, "CallTooLargeError", name)
      }
    })
  )

  test(
    "of a function that broke says that it did, and not how",
    Effect.gen(function*() {
      const { ask, bob } = yield* world(17)
      yield* bob.node.register("breaks", () => Effect.die(new Error("a secret")))
      const answer = yield* ask(`{"function":"breaks"}`)
      assert.deepInclude(answer, { type: "error", code: "internal" })
      assert.notInclude(JSON.stringify(answer), "secret")
    })
  )

  it("looks at no more of a result than is needed to know that it is too large", () => {
    let looked = 0
    const list = Array.from({ length: 1_000 }, () => 1)
    Object.defineProperty(list, 900, { enumerable: true, get: () => ++looked })
    assert.isUndefined(CommandWire.encodeSuccessUpTo(list, 100))
    assert.strictEqual(looked, 0)
    assert.isDefined(CommandWire.encodeSuccessUpTo(list, 10_000))
    assert.isAbove(looked, 0)
  })
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

describe("bytes that are held whole", () => {
  const chunk = new Uint8Array(16_384)
  const endless = Stream.forever(Stream.succeed(chunk))

  test(
    "have a limit at the caller, its own where it says one",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 6, traceCapacity: 0 })
      let stopped = 0
      const functions = {
        endless: () => Stream.ensuring(endless, Effect.sync(() => stopped++)),
        some: () => Stream.take(endless, 8)
      }
      yield* start(network, { name: "bob", functions })
      const alice = yield* start(network, { name: "alice", limits: { callSize: 200_000 } })
      yield* alice.node.peers.awaitPeer("bob")
      for (const data of ["", Stream.make(chunk)]) {
        const error = yield* failureOf(alice.node.request("bob", "endless", data))
        assert.strictEqual(error._tag === "CallTooLargeError" && error.limit, 200_000)
        assert.strictEqual((yield* alice.node.request("bob", "some", data)).length, 131_072)
        const small = yield* failureOf(alice.node.request("bob", "some", data, { limit: 100_000 }))
        assert.strictEqual(small._tag === "CallTooLargeError" && small.limit, 100_000)
        const outcomes = yield* alice.node.sendAll("*", "endless", data)
        assert.strictEqual(failureTag(outcomes["bob"]!), "CallTooLargeError")
      }
      yield* Effect.sleep("1 second")
      assert.strictEqual(stopped, 4)
      // And for layers of their own.
      const bob = yield* alice.node.peers.resolveOne("bob")
      const whole = Effect.scoped(Effect.flatMap(
        alice.node.sessions.open(bob, { protocol: "command", name: "endless" }),
        (stream) => Effect.andThen(stream.end, stream.whole)
      ))
      const options = { protocol: "command", name: "endless" } as const
      for (const effect of [whole, alice.node.sessions.exchange(bob, options, new Uint8Array(0))]) {
        const error = yield* failureOf(effect)
        assert.strictEqual(error._tag === "StreamResetError" && error.code, "too_large")
      }
      // As a stream it has no end.
      const taken = yield* Stream.runCollect(Stream.take(alice.node.send("bob", "endless", ""), 40))
      assert.strictEqual(taken.length, 40)
    })
  )

  test(
    "and at the function, where they count as a call does",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 7, traceCapacity: 0 })
      const gate = yield* Deferred.make<void>()
      const read: AdvancedNode.Handler = ({ text, whole }) => Effect.map(Effect.andThen(whole, text), () => "read")
      const bob = yield* start(network, {
        name: "bob",
        limits: { callSize: 200_000, callMemory: 1_048_576 },
        functions: {
          read,
          keep: ({ whole }) => Effect.andThen(whole, Effect.as(Deferred.await(gate), "kept"))
        }
      })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const ask = (name: string, chunks: number) => alice.node.request("bob", name, Stream.take(endless, chunks))
      assert.strictEqual((yield* failureOf(ask("read", 100)))._tag, "CallTooLargeError")
      const kept = yield* Effect.forkChild(ask("keep", 10))
      yield* Effect.sleep("200 millis")
      // A quarter of a mebibyte is what one peer may have.
      const refused = yield* failureOf(ask("keep", 10))
      assert.strictEqual(refused._tag === "StreamResetError" && refused.code, "refused")
      yield* Deferred.succeed(gate, void 0)
      assert.strictEqual(text(yield* Fiber.join(kept)), "kept")
      assert.strictEqual(text(yield* ask("keep", 10)), "kept")
      void bob
    })
  )

  test(
    "are bytes or text, and what is neither is a defect at once",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 8, traceCapacity: 0 })
      yield* start(network, { name: "bob", functions: { echo } })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const brand = JSON.parse(`{"~effect/Stream":{"_A":1}}`)
      for (const what of [{ a: 1 }, brand, 7, null, Stream.make({ a: 1 } as any), Stream.make(1 as any)]) {
        for (
          const effect of [
            alice.node.request("bob", "echo", what as any),
            Stream.runDrain(alice.node.send("bob", "echo", what as any))
          ]
        ) {
          const exit = yield* Effect.exit(effect)
          assert.isTrue(Exit.hasDies(exit))
          assert.include(String(Exit.isFailure(exit) && Cause.squash(exit.cause)), "bytes")
        }
      }
      assert.strictEqual(text(yield* alice.node.request("bob", "echo", Stream.make("hi" as any))), "hi")
    })
  )
})

describe("a deadline", () => {
  const run = () => {
    const ran: Array<string> = []
    return { ran, function: (name: string) => () => Effect.sync(() => (ran.push(name), 1)) }
  }

  test(
    "counts from the OPEN, however slowly the question comes",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 9, traceCapacity: 0 })
      const group = RpcGroup.make(Rpc.make("typed", { payload: { a: Schema.String }, success: Schema.Number }))
      const { function: handler, ran } = run()
      const bob = yield* startCommand(network, {
        name: "bob",
        networkId,
        functions: { f: handler("f") }
      })
      yield* Effect.provide(PeerRpc.serve(group), group.toLayer({ typed: handler("typed") })).pipe(
        Effect.provideService(Sessions.Sessions, bob.node.sessions),
        Effect.provideService(RpcRegistry.RpcRegistry, bob.node.registry)
      )
      const mallory = yield* stranger(network, yield* seeded(), { host: yield* network.host("mallory") })
      const session = yield* mallory.connect(bob as unknown as Parameters<typeof mallory.connect>[0])
      const wire = Wire.wireOf(group.requests.get("typed") as any)
      const payload = yield* wire.encodePayload({ a: "x" })
      const request = Wire.encodeRequest({
        hash: wire.hash(),
        window: 0,
        discard: false,
        raw: false,
        stream: false,
        headers: undefined,
        payload
      })
      const question = bytes(JSON.stringify({ function: "f" }))
      const calls = [
        { id: 1, protocol: "command", name: "handle", question },
        { id: 3, protocol: "rpc", name: "typed", question: request },
        { id: 5, protocol: "rpc-json", name: "typed", question: bytes(`{"payload":{"a":"x"}}\n`) }
      ]
      for (const { id, name, protocol, question } of calls) {
        const open = (id: number, deadline: number) =>
          frame(Kind.open, id, JSON.stringify({ protocol, name, deadline }))
        const late = id * 100 + 1
        yield* session.send(0, open(late, 1_000), frame(Kind.data, late, question.subarray(0, 5)))
        yield* Effect.sleep("1500 millis")
        yield* session.send(0, frame(Kind.data, late, question.subarray(5)), frame(Kind.end, late))
        // One that has time for it is run.
        const good = id * 100 + 3
        yield* session.send(0, open(good, 5_000), frame(Kind.data, good, question.subarray(0, 5)))
        yield* Effect.sleep("1500 millis")
        yield* session.send(0, frame(Kind.data, good, question.subarray(5)), frame(Kind.end, good))
        yield* Effect.sleep("100 millis")
      }
      assert.deepStrictEqual(ran, ["f", "typed", "typed"])
    })
  )

  /** Nodes whose handlers are called by mallory's own OPENs, with or without the time for them. */
  const asked = (seed: number, clock?: Clock.Clock, work: Effect.Effect<unknown> = Effect.void) =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed, traceCapacity: 0 })
      const group = RpcGroup.make(Rpc.make("typed", { success: Schema.Number }))
      const { function: note, ran } = run()
      const handler = (name: string) => () => Effect.tap(note(name)(), () => work)
      const bob = yield* startCommand(network, {
        name: "bob",
        networkId,
        functions: { f: handler("f") },
        streams: { bytes: () => Effect.asVoid(handler("bytes")()) }
      }, clock === undefined ? {} : { clock })
      yield* Effect.provide(PeerRpc.serve(group), group.toLayer({ typed: handler("typed") })).pipe(
        Effect.provideService(Sessions.Sessions, bob.node.sessions),
        Effect.provideService(RpcRegistry.RpcRegistry, bob.node.registry),
        clock === undefined ? (effect) => effect : Effect.provideService(Clock.Clock, clock)
      )
      const mallory = yield* stranger(network, yield* seeded(), { host: yield* network.host("mallory") })
      const session = yield* mallory.connect(bob as unknown as Parameters<typeof mallory.connect>[0])
      const wire = Wire.wireOf(group.requests.get("typed") as any)
      const request = Wire.encodeRequest({
        hash: wire.hash(),
        window: 0,
        discard: false,
        raw: false,
        stream: false,
        headers: undefined,
        payload: yield* wire.encodePayload(undefined)
      })
      const calls = [
        { protocol: "command", name: "bytes", question: bytes("x"), runs: "bytes" },
        { protocol: "command", name: "handle", question: bytes(JSON.stringify({ function: "f" })), runs: "f" },
        { protocol: "rpc", name: "typed", question: request, runs: "typed" }
      ]
      let id = -1
      /** What ran, of one call. */
      const ask = ({ name, protocol, question }: typeof calls[number], deadline: number) =>
        Effect.gen(function*() {
          id += 2
          yield* session.send(
            0,
            frame(Kind.open, id, JSON.stringify({ protocol, name, deadline })),
            frame(Kind.data, id, question),
            frame(Kind.end, id)
          )
          yield* Effect.sleep("100 millis")
          return ran.splice(0)
        })
      return { ask, calls, session }
    })

  test(
    "of no time at all runs nothing, and leaves the session as it is",
    Effect.gen(function*() {
      const { ask, calls } = yield* asked(14)
      for (const call of calls) {
        assert.deepStrictEqual(yield* ask(call, 0), [], call.runs)
        assert.deepStrictEqual(yield* ask(call, 5_000), [call.runs])
      }
    })
  )

  test(
    "that passes between a call and its turn, as in a process that was frozen there, runs nothing and is told",
    Effect.gen(function*() {
      const steady = yield* Clock.Clock
      let ahead = 0n
      let step = 0n
      // Two looks at it are never of the same moment, where it is to be so.
      const clock: Clock.Clock = {
        ...steady,
        monotonicTimeNanosUnsafe: () => steady.monotonicTimeNanosUnsafe() + (ahead += step)
      }
      const { ask, calls, session } = yield* asked(15, clock)
      for (const call of calls) {
        step = 6_000_000_000n
        assert.deepStrictEqual(yield* ask(call, 5_000), [], call.runs)
        step = 0n
        assert.strictEqual(JSON.parse(text((yield* session.expect(Kind.reset)).payload)).code, "deadline", call.runs)
        assert.deepStrictEqual(yield* ask(call, 5_000), [call.runs])
      }
    })
  )

  test(
    "that passes while a function runs interrupts it and is told, whatever its caller does",
    Effect.gen(function*() {
      let interrupted = 0
      const hang = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
      const { ask, calls, session } = yield* asked(16, undefined, hang)
      for (const [i, call] of calls.entries()) {
        assert.deepStrictEqual(yield* ask(call, 1_000), [call.runs])
        assert.strictEqual(interrupted, i)
        assert.strictEqual(JSON.parse(text((yield* session.expect(Kind.reset)).payload)).code, "deadline", call.runs)
        yield* Effect.sleep("100 millis")
        assert.strictEqual(interrupted, i + 1, call.runs)
      }
    })
  )

  test(
    "of the work at hand bounds the calls of an AdvancedNode, and goes along to the calls that they make",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 10, traceCapacity: 0 })
      const seen: Array<number | undefined> = []
      const slow: AdvancedNode.Handler = ({ deadline }) => {
        seen.push(deadline === undefined ? undefined : Duration.toMillis(deadline))
        return Effect.as(Effect.sleep("30 seconds"), "late")
      }
      yield* start(network, { name: "carol", functions: { slow } })
      const bob = yield* start(network, {
        name: "bob",
        functions: { slow, pass: ({ node }) => node.request("carol", "slow", "") }
      })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      yield* bob.node.peers.awaitPeer("carol")
      const calls: ReadonlyArray<Effect.Effect<unknown, any>> = [
        alice.node.request("bob", "slow", ""),
        alice.node.request("bob", "slow", Stream.empty),
        Stream.runDrain(alice.node.send("bob", "slow", "")),
        alice.node.request("bob", "slow", "", { timeout: "1 minute" }),
        alice.node.request("bob", "pass", "")
      ]
      for (const call of calls) {
        const begun = yield* Clock.currentTimeMillis
        const error = yield* failureOf(Deadline.within("2 seconds")(call))
        assert.strictEqual(error._tag, "DeadlineError")
        assert.isBelow((yield* Clock.currentTimeMillis) - begun, 2_200)
      }
      assert.strictEqual(seen.length, calls.length)
      for (const left of seen) assert.isAtMost(left!, 2_000)
      // Its own, where that is the earlier one; and what is over is not begun.
      yield* failureOf(Deadline.within("1 minute")(alice.node.request("bob", "slow", "", { timeout: "1 second" })))
      assert.isAtMost(seen.pop()!, 1_000)
      const before = seen.length
      const over = yield* failureOf(Deadline.within(0)(alice.node.request("bob", "slow", "")))
      assert.strictEqual(over._tag, "DeadlineError")
      assert.strictEqual(seen.length, before)
    })
  )
})

describe("the log", () => {
  test(
    "has a defect once, and of each function only so many a minute, however often peers call it",
    Effect.gen(function*() {
      const logs: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void logs.push(String(message)))])
      const network = yield* SimNetwork.make({ seed: 11, traceCapacity: 0 })
      const group = RpcGroup.make(Rpc.make("typed"))
      let n = 0
      const breaks = () => Effect.die(new Error(`defect ${n++ % 100}`))
      class Large extends Schema.TaggedError<Large>()("Large", { text: Schema.String }) {}
      const bob = yield* startCommand(network, {
        name: "bob",
        functions: {
          command: breaks,
          same: () => Effect.die(new Error("same")),
          large: () => Effect.fail(new Large({ text: "x".repeat(70_000) }))
        },
        streams: { stream: breaks }
      } as any, { logger })
      yield* Effect.provide(PeerRpc.serve(group), [group.toLayer({ typed: breaks }), logger]).pipe(
        Effect.provideService(Sessions.Sessions, bob.node.sessions),
        Effect.provideService(RpcRegistry.RpcRegistry, bob.node.registry)
      )
      const alice = yield* startCommand(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const client = yield* alice.node.client(group, "bob")
      const calls: Record<string, Effect.Effect<unknown, unknown>> = {
        command: alice.node.target("bob")("command"),
        same: alice.node.target("bob")("same"),
        large: alice.node.target("bob")("large"),
        stream: alice.node.request("bob", "stream", ""),
        typed: client.typed()
      }
      for (const [name, call] of Object.entries(calls)) {
        logs.length = 0
        for (let i = 0; i < 50; i++) yield* Effect.exit(call)
        const most = name === "same" || name === "large" ? 1 : 10
        assert.isAtLeast(logs.length, 1, name)
        assert.isAtMost(logs.length, most, `${name}: ${logs.join("; ")}`)
      }
    })
  )
})

describe("a typed call", () => {
  interface List extends ReadonlyArray<List> {}
  const List: Schema.Codec<List> = Schema.Array(Schema.suspend((): Schema.Codec<List> => List))
  const group = RpcGroup.make(
    Rpc.make("deep", { payload: { list: List }, success: List }),
    Rpc.make("nothings", { payload: { list: Schema.Array(Schema.Void) }, success: Schema.Number }),
    Rpc.make("ticks", { success: Schema.Void, stream: true })
  )
  const served = (seed: number) =>
    Effect.gen(function*() {
      const nodes = yield* world(seed)
      const handlers = group.toLayer({
        deep: ({ list }) => Effect.succeed(list),
        nothings: ({ list }) => Effect.succeed(list.length),
        ticks: () => Stream.fromIterable([undefined, undefined, undefined])
      })
      yield* Effect.provide(PeerRpc.serve(group), handlers).pipe(
        Effect.provideService(Sessions.Sessions, nodes.bob.node.sessions),
        Effect.provideService(RpcRegistry.RpcRegistry, nodes.bob.node.registry)
      )
      return { ...nodes, client: yield* nodes.alice.node.client(group, "bob") }
    })

  test(
    "of what refers to itself, or lists nothings, is JSON, of which as much is made as there is",
    Effect.gen(function*() {
      const { client } = yield* served(12)
      assert.deepStrictEqual(yield* client.deep({ list: [[[]], []] }), [[[]], []])
      assert.strictEqual(yield* client.nothings({ list: [undefined, undefined] }), 2)
      assert.strictEqual((yield* Stream.runCollect(client.ticks())).length, 3)
      const wire = (tag: string) => Wire.wireOf(group.requests.get(tag) as any)
      // As the binary form has them: a list of a million lists, of which the first is one of a million, and so on.
      const varint = (n: number): Array<number> => n < 128 ? [n] : [n & 127 | 128, ...varint(n >>> 7)]
      let body = [0]
      for (let i = 0; i < 100; i++) body = [...varint(1_000_000), ...varint(body.length), ...body]
      const lists = Uint8Array.from([...varint(body.length + 1), 32, ...body])
      const nothings = Uint8Array.from([...varint(5), 32, ...varint(1_000_000).concat(0).slice(0, 4)])
      for (const bytes of [lists, nothings, new TextEncoder().encode("[".repeat(100_000))]) {
        for (const tag of ["deep", "nothings", "ticks"]) {
          const { decodeChunk, decodePayload, decodeSuccess, isStream } = wire(tag)
          const decodes: ReadonlyArray<(bytes: Uint8Array) => Effect.Effect<unknown, Schema.SchemaError>> = isStream
            ? [decodeChunk]
            : [decodePayload, decodeSuccess]
          for (const decode of decodes) assert.isTrue(Exit.isFailure(yield* Effect.exit(decode(bytes))))
        }
      }
      assert.strictEqual(yield* client.nothings({ list: [] }), 0)
    })
  )

  test(
    "of lists of what takes no bytes counts as what it is decoded to, and gives it back",
    Effect.gen(function*() {
      const { alice, bob } = yield* world(13, { callMemory: 4_194_304 })
      const gate = yield* Deferred.make<void>()
      const Maybe = Schema.Struct({ a: Schema.optionalKey(Schema.Number) })
      const group = RpcGroup.make(
        Rpc.make("keep", { payload: { list: Schema.Array(Maybe) }, success: Schema.Number }),
        Rpc.make("bytes", { payload: { list: Schema.Array(Schema.Uint8Array) }, success: Schema.Number })
      )
      const keep = ({ list }: { readonly list: ReadonlyArray<unknown> }) =>
        Effect.as(list.length > 1_000 ? Deferred.await(gate) : Effect.void, list.length)
      yield* Layer.build(CommandNode.serve(group).pipe(Layer.provide(group.toLayer({ keep, bytes: keep })))).pipe(
        Effect.provideService(CommandNode.CommandNode, bob.node)
      )
      const client = yield* alice.node.client(group, "bob")
      const nothings = (length: number) => ({ list: Array.from({ length }, () => ({})) })
      const views = (length: number) => ({ list: Array.from({ length }, () => new Uint8Array(0)) })
      // A mebibyte is what one peer may have: of 20 KB more is made.
      for (const call of [client.keep(nothings(20_000)), client.bytes(views(20_000))]) {
        assert.strictEqual((yield* failureOf(call))._tag, "CallTooLargeError")
      }
      const kept = yield* Effect.forkChild(client.keep(nothings(10_000)))
      yield* Effect.sleep("100 millis")
      const refused = yield* failureOf(client.bytes(views(6_000)))
      assert.strictEqual(refused._tag === "StreamResetError" && refused.code, "refused")
      assert.strictEqual(yield* client.keep(nothings(500)), 500)
      // One that is given up gives all of it back, as does one that ends.
      yield* Fiber.interrupt(kept)
      const again = yield* Effect.forkChild(client.bytes(views(6_000)))
      yield* Effect.sleep("100 millis")
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(again), 6_000)
      assert.strictEqual(yield* client.keep(nothings(10_000)), 10_000)
      // As lines of JSON it is the same memory, counted before they are parsed.
      const peer = yield* alice.node.peers.resolveOne("bob")
      const line = (length: number) =>
        alice.node.sessions.exchange(
          peer,
          { protocol: "rpc-json", name: "keep" },
          bytes(`${JSON.stringify({ payload: nothings(length) })}\n`)
        ).pipe(
          Effect.map(text),
          Effect.catch((error) => Effect.succeed(error._tag === "StreamResetError" ? error.code : error._tag))
        )
      assert.strictEqual(yield* line(20_000), "too_large")
      assert.strictEqual(yield* line(10_000), `{"type":"success","value":10000}\n`)
      const both = yield* Effect.all([line(10_000), line(10_000)], { concurrency: 2 })
      assert.include(both, `{"type":"success","value":10000}\n`)
      assert.strictEqual(yield* line(10_000), both.find((each) => each !== "refused"))
    })
  )

  test(
    "of anything else is binary as before, and one whose form differs is of another contract",
    Effect.gen(function*() {
      class Plain extends Schema.Class<Plain>("Plain")({
        texts: Schema.Array(Schema.String),
        maybe: Schema.Option(Schema.Number),
        at: Schema.Date,
        bytes: Schema.Uint8Array,
        more: Schema.Record(Schema.String, Schema.NullOr(Schema.Number))
      }) {}
      assert.isFalse(Wire.swells(Plain))
      assert.isFalse(Wire.swells(Schema.Json))
      assert.isTrue(Wire.swells(Schema.Struct({ a: Schema.Option(Schema.Array(Schema.Null)) })))
      assert.isTrue(Wire.swells(Schema.Array(Schema.Undefined)))
      const { form, ...rest } = Wire.wireOf(group.requests.get("deep") as any).contract()
      assert.strictEqual(form, "json")
      assert.isFalse(compatible({ ...rest, form: form! }, rest))
      assert.include(differences({ ...rest, form: form! }, rest).join(), "form")
      yield* Effect.void
    })
  )
})
