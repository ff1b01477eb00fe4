/** CommandNode over a simulated network: calls, values, errors, deadlines, interruption, several peers, traces, bounds. */
import { assert, describe, it } from "@effect/vitest"
import { Caller, Command, CommandNode, Deadline, PortableCrypto, RpcRegistry, TofuTrust, Why } from "@pnet/core"
import { startAll, startCommand } from "@pnet/lab/worlds/commandWorld"
import { bytes, failureOf, quietly, text } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import {
  Cause,
  Clock,
  Context,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Metric,
  Option,
  Schema,
  Scope,
  Stream,
  Tracer
} from "effect"

interface Api {
  add(a: number, b: number): number
  echo(value: unknown): Schema.Json
  run(): void
}

class Missing extends Schema.TaggedError<Missing>()("Missing", { path: Schema.String }) {}

// As code that knows nothing of Effect would throw.
class Plain {
  readonly message = "a reason"
}

const Greet = Command.make("greet", {
  args: [Schema.String],
  kwargs: { loud: Schema.optionalKey(Schema.Boolean) },
  success: Schema.String,
  description: "Says hello"
})
const Read = Command.make("read", {
  args: [Schema.String, Schema.optionalKey(Schema.Int)],
  success: Schema.Struct({ data: Schema.Uint8Array, at: Schema.Date }),
  error: Missing
})
const Sum = Command.make("sum", { args: Schema.Array(Schema.Finite), success: Schema.Finite })

const quietCrypto = [PortableCrypto.layer, TofuTrust.layer(), Logger.layer([])] as const

const failureTag = (exit: Exit.Exit<unknown, { readonly _tag: string }>): string | undefined =>
  Exit.isFailure(exit)
    ? exit.cause.reasons.map((reason) => reason._tag === "Fail" ? reason.error._tag : reason._tag).join()
    : undefined

const two = (options?: Parameters<typeof startAll>[2]) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make()
    const nodes = yield* startAll(network, ["alice", "bob"], options)
    return { network, ...nodes }
  })

/** Records spans as they end. */
const recorder = () => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
}

describe("CommandNode", () => {
  it.effect("calls a function by name, with arguments, keyword arguments and any JSON", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      yield* bob.node.register("add", (_call, a: number, b: number) => Effect.succeed(a + b))
      yield* bob.node.register(
        "who",
        ({ from, function: name, kwargs, node }, ...rest) =>
          Effect.succeed({ from: from.name, name, kwargs, node: node.name, rest })
      )
      yield* bob.node.register("echo", (_call, value: unknown) => Effect.succeed(value))
      yield* bob.node.register("nothing", () => Effect.void)

      const peer = alice.node.target<Api>("bob")
      assert.strictEqual(yield* peer.add(1, 2), 3)
      assert.deepStrictEqual(
        yield* alice.node.target("bob")("who", 1, "two", [3], Command.kwargs({ loud: true })),
        { from: "alice", name: "who", kwargs: { loud: true }, node: "bob", rest: [1, "two", [3]] }
      )
      const values = [null, true, -0.5, "ä\u0000😀", [], {}, { a: [{ b: null }] }, "x".repeat(300_000)]
      for (const value of values) assert.deepStrictEqual(yield* peer.echo(value), value as Schema.Json)
      // As everybody who writes JSON expects.
      assert.deepStrictEqual(yield* peer.echo({ a: undefined, b: [undefined] }), { b: [null] })
      assert.strictEqual(yield* alice.node.target("bob")("nothing"), null)
      // A name that an object has anyway is a function like any other.
      yield* bob.node.register("constructor", () => Effect.succeed("mine"))
      yield* bob.node.register("__proto__", () => Effect.succeed("too"))
      assert.strictEqual(yield* alice.node.target("bob")("constructor"), "mine")
      assert.strictEqual(yield* alice.node.target("bob")("__proto__"), "too")
    })))

  it.effect("has get_funcs, get_peers and describe built in, and no other may take their names", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      yield* bob.node.register("add", (_call, a: number, b: number) => Effect.succeed(a + b))
      yield* bob.node.register(Greet, (_call, name) => Effect.succeed(name))
      const peer = alice.node.target("bob")
      assert.deepStrictEqual(yield* peer("get_funcs"), ["add", "describe", "get_funcs", "get_peers", "greet"])
      assert.deepStrictEqual(yield* peer("get_peers"), ["alice"])
      const described = (yield* peer("describe", "greet")) as unknown as ReadonlyArray<RpcRegistry.Description>
      assert.strictEqual(described.length, 1)
      const [greet] = described
      assert.strictEqual(greet!.name, "greet")
      assert.strictEqual(greet!.kind, "command")
      assert.strictEqual(greet!.description, "Says hello")
      assert.match(greet!.contract!, /^[0-9a-f]{16}$/)
      assert.include(JSON.stringify(greet!.kwargs), "loud")
      const everything = (yield* peer("describe")) as unknown as ReadonlyArray<RpcRegistry.Description>
      assert.deepStrictEqual(everything.map(({ name }) => name), ["add", "greet"])
      for (const name of ["get_funcs", "get_peers", "describe", "add"]) {
        const error = yield* failureOf(Effect.scoped(bob.node.register(name, () => Effect.void)))
        assert.strictEqual(error._tag, "DuplicateFunctionError")
        assert.include((error as Error).message, name === "add" ? "registered already" : "is built in")
      }
      // The stream that commands travel in is taken, too.
      const taken = yield* failureOf(Effect.scoped(bob.node.streams.register("handle", () => Effect.void)))
      assert.strictEqual(taken._tag, "DuplicateFunctionError")
    })))

  it.effect("a command's handler is told of the call as any other is", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const Who = Command.make("who", { kwargs: { loud: Schema.Boolean }, success: Schema.Json })
      yield* bob.node.register(Who, ({ deadline, from, function: name, kwargs, node, span }) =>
        Effect.succeed({
          from: from.name,
          name,
          loud: kwargs.loud,
          node: node.name,
          timed: deadline !== undefined,
          span: span.name
        }))
      assert.deepStrictEqual(
        yield* alice.node.target("bob", { commands: [Who], timeout: "5 seconds" }).who(Command.kwargs({ loud: true })),
        { from: "alice", name: "who", loud: true, node: "bob", timed: true, span: "who" }
      )
    })))

  it.effect("a function lives as long as its scope", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const scope = yield* Scope.make()
      yield* Scope.provide(bob.node.register("here", () => Effect.succeed(1)), scope)
      assert.strictEqual(yield* alice.node.target("bob")("here"), 1)
      yield* Scope.close(scope, Exit.void)
      const gone = yield* failureOf(alice.node.target("bob")("here"))
      assert.strictEqual(gone._tag, "UnknownFunctionError")
      assert.include(gone.message, "get_funcs")
    })))

  it.effect("a command's arguments are checked before its handler runs, with the path to what is wrong", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      let ran = 0
      yield* bob.node.register(Greet, ({ kwargs }, name) => {
        ran++
        return Effect.succeed(kwargs.loud === true ? `${name}!` : name)
      })
      yield* bob.node.register(Sum, (_call, ...numbers) => Effect.succeed(numbers.reduce((a, b) => a + b, 0)))
      const untyped = alice.node.target("bob")
      const typed = alice.node.target("bob", { commands: [Greet, Sum] })
      assert.strictEqual(yield* typed.greet("Ann"), "Ann")
      assert.strictEqual(yield* typed.greet("Ann", Command.kwargs({ loud: true })), "Ann!")
      assert.strictEqual(yield* typed.sum(1, 2, 3), 6)
      assert.strictEqual(ran, 2)

      const wrong = yield* failureOf(untyped("greet", 7, Command.kwargs({ loud: "yes" })))
      assert.strictEqual(wrong._tag, "InvalidArgumentsError")
      assert.include(wrong._tag === "InvalidArgumentsError" ? wrong.issue : "", "[0]")
      const kwargs = yield* failureOf(untyped("greet", "Ann", Command.kwargs({ loud: "yes" })))
      assert.include(kwargs._tag === "InvalidArgumentsError" ? kwargs.issue : "", "loud")
      for (const args of [[], ["a", "b"]]) {
        assert.strictEqual((yield* failureOf(untyped("greet", ...args)))._tag, "InvalidArgumentsError")
      }
      assert.strictEqual(ran, 2)
      // The caller's side checks what it encodes: nothing is sent.
      const nan = yield* failureOf(typed.sum(1, Number.NaN))
      assert.strictEqual(nan._tag, "InvalidArgumentsError")
    })))

  it.effect("values travel in the JSON form of their Schemas, and a declared error arrives as itself", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const at = DateTime.toDate(DateTime.makeUnsafe(86_400_000))
      yield* bob.node.register(Read, (_call, path, size = 3) =>
        path === "/there"
          ? Effect.succeed({ data: new Uint8Array(size).fill(7), at })
          : Effect.fail(new Missing({ path })))
      const files = alice.node.target("bob", { commands: [Read] })
      assert.deepStrictEqual(yield* files.read("/there", 2), { data: Uint8Array.of(7, 7), at })
      const error = yield* failureOf(files.read("/gone"))
      assert.instanceOf(error, Missing)
      // Without the command, the same error is a RemoteError with it as JSON.
      const remote = yield* failureOf(alice.node.target("bob")("read", "/gone"))
      assert.strictEqual(remote._tag, "RemoteError")
      if (remote._tag === "RemoteError") {
        assert.strictEqual(remote.tag, "Missing")
        assert.deepStrictEqual(remote.error, { _tag: "Missing", path: "/gone" })
      }
      assert.deepStrictEqual(yield* alice.node.target("bob")("read", "/there", 1), {
        data: "Bw==",
        at: "1970-01-02T00:00:00.000Z"
      })
    })))

  it.effect("an undeclared failure arrives as its tag and message, a defect as nothing but itself", () =>
    quietly(Effect.gen(function*() {
      const logged: Array<unknown> = []
      const network = yield* SimNetwork.make()
      const bob = yield* startCommand(network, { name: "bob" }, {
        logger: Logger.layer([Logger.make(({ logLevel, message }) => {
          if (logLevel === "Error") logged.push(message)
        })])
      })
      const alice = yield* startCommand(network, { name: "alice" })
      yield* Effect.orDie(alice.node.peers.awaitPeer("bob"))
      yield* bob.node.register("plain", () => Effect.fail(new Plain()))
      yield* bob.node.register("text", () => Effect.fail("just text"))
      yield* bob.node.register("defect", () => Effect.die(new Error("secret at /home/bob/x.ts:1")))
      yield* bob.node.register("throws", () => {
        throw new Error("secret")
      })
      yield* bob.node.register("nan", () => Effect.succeed({ list: [1, Number.NaN] }))
      const call = alice.node.target("bob")
      const plain = yield* failureOf(call("plain"))
      assert.deepStrictEqual(plain._tag === "RemoteError" && plain.error, { message: "a reason" })
      const bare = yield* failureOf(call("text"))
      assert.deepStrictEqual(bare._tag === "RemoteError" && bare.error, { message: "just text" })
      for (const name of ["defect", "throws"]) {
        const defect = yield* failureOf(call(name))
        assert.strictEqual(defect._tag, "RemoteDefectError")
        assert.notInclude(JSON.stringify(defect) + defect.message, "secret")
      }
      assert.strictEqual(logged.length, 2)
      const nan = yield* failureOf(call("nan"))
      assert.strictEqual(nan._tag === "RemoteError" && nan.tag, "NotJsonError")
      assert.include(JSON.stringify(nan._tag === "RemoteError" ? nan.error : ""), "$.list[1]")
      // What the peer says of it stands in what this side shows of it.
      assert.strictEqual(
        plain.message,
        Why.see("\"plain\" failed at \"bob\": \"a reason\"", "failed-there")
      )
      assert.include(nan.message, "$.list[1] is NaN")
      // It is a slip of the program there, which is told so.
      assert.lengthOf(logged, 3)
      const unanswered = (name: string) =>
        `the function "${name}" gave nothing that "alice" can be answered with: its result is not `
      assert.include(String(logged[2]), `${unanswered("nan")}JSON: $.list[1] is NaN`)
      yield* bob.node.register(Command.make("half", { success: Schema.Int }), () => Effect.succeed(0.5))
      const half = yield* failureOf(call("half"))
      assert.strictEqual(half._tag === "RemoteError" && half.tag, "NotJsonError")
      assert.include(String(logged[3]), `${unanswered("half")}what its Schema says: Expected an integer`)
      yield* bob.node.register("query", () => Effect.tryPromise(() => Promise.reject(new Error("db down"))))
      assert.strictEqual(
        (yield* failureOf(call("query"))).message,
        Why.see("\"query\" failed at \"bob\" with \"UnknownError\": \"db down\"", "failed-there")
      )
    })))

  it.effect("what is not JSON fails on the side that made it, with the path, and nothing is sent", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      let ran = 0
      yield* bob.node.register("echo", (_call, value) => Effect.sync(() => (ran++, value)))
      const loop: Record<string, unknown> = {}
      loop.self = loop
      const cases: ReadonlyArray<readonly [unknown, string, string]> = [
        [{ a: { "b c": [1, Infinity] } }, "$.args[0].a[\"b c\"][1]", "Infinity"],
        [1n, "$.args[0]", "a bigint"],
        [() => 1, "$.args[0]", "a function"],
        [{ x: Symbol("s") }, "$.args[0].x", "a symbol"],
        [DateTime.toDate(DateTime.makeUnsafe(0)), "$.args[0]", "an instance of Date"],
        [[new Map()], "$.args[0][0]", "an instance of Map"],
        [Uint8Array.of(1), "$.args[0]", "an instance of Uint8Array"],
        [loop, "$.args[0].self", "the same as $.args[0], so that it is in itself"]
      ]
      for (const [value, path, found] of cases) {
        const error = yield* failureOf(alice.node.target("bob")("echo", value))
        assert.strictEqual(error._tag, "NotJsonError")
        if (error._tag === "NotJsonError") {
          assert.strictEqual(error.found, found)
          assert.strictEqual(error.path, path)
        }
      }
      const kwargs = yield* failureOf(alice.node.target("bob")("echo", Command.kwargs({ n: Number.NaN })))
      assert.strictEqual(kwargs._tag === "NotJsonError" && kwargs.path, "$.kwargs.n")
      // As JSON it would have 2^100 leaves.
      let shared: object = {}
      for (let i = 0; i < 100; i++) shared = { a: shared, b: shared }
      for (const large of [shared, Object.assign([], { length: 4_000_000_000 }), "x".repeat(8_388_600)]) {
        const error = yield* failureOf(alice.node.target("bob")("echo", large))
        assert.strictEqual(error._tag === "CallTooLargeError" && error.limit, 8_388_608)
      }
      assert.strictEqual(ran, 0)
    })))

  it.effect("a call over this node's own limit is not sent, whatever its peer takes", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice, bob } = yield* startAll(
        network,
        ["alice", "bob"],
        (name) => name === "alice" ? { limits: { callSize: 10_000 } } : {}
      )
      let ran = 0
      yield* bob.node.register("count", () => Effect.sync(() => ++ran))
      // Of letters that take two bytes each there are fewer than the limit, and more bytes.
      for (const large of ["x".repeat(10_000), "ä".repeat(6_000)]) {
        const error = yield* failureOf(alice.node.target("bob")("count", large))
        assert.strictEqual(error._tag === "CallTooLargeError" && error.limit, 10_000)
      }
      assert.strictEqual(yield* alice.node.target("bob")("count", "x".repeat(9_000)), 1)
    })))

  it.effect("an argument that is undefined is so at the function, whose defaults apply, and null to a Schema", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      yield* bob.node.register(
        "of",
        (_call, a: unknown = "default", b: unknown = "other", ...rest) => Effect.succeed([a, b, rest.length])
      )
      yield* bob.node.register(
        Command.make("typed", {
          args: [Schema.NullOr(Schema.String), Schema.UndefinedOr(Schema.String)],
          success: Schema.Json
        }),
        (_call, a, b) => Effect.succeed([a, b === undefined ? "nothing" : b])
      )
      const call = alice.node.target("bob")
      assert.deepStrictEqual(yield* call("of", undefined), ["default", "other", 0])
      assert.deepStrictEqual(yield* call("of", undefined, 1), ["default", 1, 0])
      assert.deepStrictEqual(yield* call("of", null, undefined, undefined), [null, "other", 1])
      assert.deepStrictEqual(yield* call("typed", undefined, undefined), [null, "nothing"])
      // Whoever knows nothing of that reads null, and what is no list of places changes nothing.
      const ask = (absent: unknown) =>
        Effect.map(
          alice.node.request("bob", "handle", JSON.stringify({ function: "of", args: [null, 2], absent })),
          (answer) => JSON.parse(text(answer)).value
        )
      for (const absent of [undefined, 1, {}, ["0x0"], [1, 7, -1, "length", "__proto__", null]]) {
        assert.deepStrictEqual(yield* ask(absent), [null, 2, 0])
      }
      assert.deepStrictEqual(yield* ask([0]), ["default", 2, 0])
    })))

  it.effect("several peers give a record with one Exit for each, and no failure hides another's answer", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const nodes = yield* startAll(network, ["alice", "bob", "carol", "dan"])
      yield* nodes.bob.node.register("add", (_call, a: number, b: number) => Effect.succeed(a + b))
      yield* nodes.carol.node.register("add", () => Effect.fail(new Missing({ path: "carol" })))
      const all = yield* nodes.alice.node.target<Api>("*").add(1, 2)
      assert.deepStrictEqual(Object.keys(all).sort(), ["bob", "carol", "dan"])
      assert.deepStrictEqual(all.bob, Exit.succeed(3))
      assert.strictEqual(failureTag(all.carol!), "RemoteError")
      assert.strictEqual(failureTag(all.dan!), "UnknownFunctionError")
      const some = yield* nodes.alice.node.target<Api>(["bob", "erin", "bob"]).add(2, 2)
      assert.deepStrictEqual(Object.keys(some).sort(), ["bob", "erin"])
      assert.deepStrictEqual(some.bob, Exit.succeed(4))
      assert.strictEqual(failureTag(some.erin!), "PeerUnknownError")
      const typed = yield* nodes.alice.node.target("*", { commands: [Greet], concurrency: 1 }).greet("Ann")
      assert.deepStrictEqual(Object.values(typed).map(failureTag), [
        "UnknownFunctionError",
        "UnknownFunctionError",
        "UnknownFunctionError"
      ])
      // What cannot be sent fails for each of them.
      const broken = yield* nodes.alice.node.target("*")("add", 1n)
      assert.deepStrictEqual(Object.values(broken).map(failureTag), ["NotJsonError", "NotJsonError", "NotJsonError"])
      assert.deepStrictEqual(yield* nodes.alice.node.target([])("add"), {})
      // A variable that is not set is no list of nobody.
      const unset = process.env.PNET_NO_SUCH_VARIABLE!
      const nobody = Cause.squash(yield* Effect.flip(Effect.sandbox(nodes.alice.node.target(unset)("add"))))
      assert.include(String(nobody), "a name, a list of names, \"*\" for all peers, or what peers offer")
    })))

  it.effect("a call whose time is up fails on both sides, and one that is late is never run", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const interrupted = yield* Deferred.make<void>()
      let ran = 0
      yield* bob.node.register("run", ({ deadline }) => {
        ran++
        assert.isDefined(deadline)
        return Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, void 0))
      })
      const late = yield* failureOf(alice.node.target<Api>("bob", { timeout: "2 seconds" }).run())
      assert(late._tag === "DeadlineError", late._tag)
      assert.closeTo(Duration.toMillis(late.waited ?? -1), 2_000, 10)
      assert.include(
        late.message,
        "\"run\" at \"bob\" did not answer in its time, given up after 2s; give it more time"
      )
      yield* Deferred.await(interrupted)
      // Time that was up before: nothing is sent.
      const never = yield* failureOf(alice.node.target<Api>("bob", { timeout: 0 }).run())
      assert(never._tag === "DeadlineError", never._tag)
      assert.include(never.message, "did not answer in its time, given up after 0ms; it was not sent")
      // The peer is frozen for longer than the call has: it finds the call and its end together.
      yield* bob.process.pause
      const fiber = yield* Effect.forkChild(failureOf(alice.node.target<Api>("bob", { timeout: "1 second" }).run()))
      yield* Effect.sleep("2 seconds")
      yield* bob.process.resume
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "DeadlineError")
      yield* Effect.sleep("5 seconds")
      assert.strictEqual(ran, 1)
    })))

  it.effect("a deadline goes along: the calls that a handler makes have what is left of it", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice, bob, carol } = yield* startAll(network, ["alice", "bob", "carol"])
      const seen = yield* Deferred.make<number>()
      const gone = yield* Deferred.make<void>()
      yield* carol.node.register("slow", ({ deadline }) =>
        Effect.andThen(
          Deferred.succeed(seen, deadline === undefined ? Infinity : Duration.toMillis(deadline)),
          Effect.onInterrupt(Effect.never, () => Deferred.succeed(gone, void 0))
        ))
      const left = yield* Deferred.make<number>()
      yield* bob.node.register("relay", ({ node }) =>
        Effect.gen(function*() {
          yield* Effect.sleep("1 second")
          const rest = yield* Deadline.remaining
          yield* Deferred.succeed(left, rest === undefined ? Infinity : Duration.toMillis(rest))
          return yield* node.target("carol")("slow")
        }))
      const error = yield* failureOf(
        alice.node.target("bob")("relay").pipe(Deadline.within("3 seconds"))
      )
      assert.strictEqual(error._tag, "DeadlineError")
      const [atBob, atCarol] = yield* Effect.all([Deferred.await(left), Deferred.await(seen)])
      assert.isAtMost(atBob, 2_000)
      assert.isAbove(atBob, 1_500)
      // One inside another gives no more time, and one that is shorter gives less.
      const inside = (millis: number) =>
        Effect.map(
          Deadline.remaining.pipe(Deadline.within(millis), Deadline.within("2 seconds")),
          (left) => left === undefined ? Infinity : Duration.toMillis(left)
        )
      assert.deepStrictEqual([yield* inside(60_000), yield* inside(500)], [2_000, 500])
      assert.isAtMost(atCarol, atBob)
      assert.isAbove(atCarol, 1_000)
      yield* Deferred.await(gone)
    })))

  it.effect("interrupting the caller interrupts the handler; losing the peer fails the call with PeerLostError", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const started = yield* Deferred.make<void>()
      const stopped = yield* Deferred.make<void>()
      yield* bob.node.register("run", () =>
        Effect.andThen(
          Deferred.succeed(started, void 0),
          Effect.onInterrupt(Effect.never, () => Deferred.succeed(stopped, void 0))
        ))
      const fiber = yield* Effect.forkChild(alice.node.target<Api>("bob").run())
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(stopped)
      const lost = yield* Effect.forkChild(failureOf(alice.node.target<Api>("bob").run()))
      yield* Effect.sleep("1 second")
      yield* bob.process.kill
      const error = yield* Fiber.join(lost)
      assert.strictEqual(error._tag, "PeerLostError")
      assert.isTrue(error._tag === "PeerLostError" && error.mayHaveRun)
    })))

  it.effect("the trace is one tree: caller, session, handler, and what the handler calls", () =>
    quietly(Effect.gen(function*() {
      const { spans, tracer } = recorder()
      const network = yield* SimNetwork.make()
      const { alice, bob, carol } = yield* Effect.provideService(
        startAll(network, ["alice", "bob", "carol"]),
        Tracer.Tracer,
        tracer
      )
      yield* carol.node.register("leaf", () => Effect.succeed(1))
      yield* bob.node.register(
        "relay",
        ({ node, span }) =>
          Effect.map(Effect.all([node.target("carol")("leaf"), Effect.currentSpan]), ([, current]) => {
            assert.strictEqual(current.spanId, span.spanId)
          })
      )
      spans.length = 0
      yield* alice.node.target("bob")("relay").pipe(
        Effect.withSpan("work"),
        Effect.provideService(Tracer.Tracer, tracer)
      )
      const byName = (name: string) => spans.filter((span) => span.name === name)
      const parentOf = (span: Tracer.Span) => Option.getOrUndefined(span.parent)?.spanId
      const [work] = byName("work")
      const [call] = byName("call relay")
      const [handler] = byName("relay")
      const [next] = byName("call leaf")
      const [leaf] = byName("leaf")
      assert.strictEqual(parentOf(call!), work!.spanId)
      assert.strictEqual(parentOf(handler!), call!.spanId)
      assert.strictEqual(parentOf(next!), handler!.spanId)
      assert.strictEqual(parentOf(leaf!), next!.spanId)
      // Each first call made its session, as a part of it.
      const dials = byName("pnet.session")
      assert.deepStrictEqual(dials.map(parentOf), [call!.spanId, next!.spanId])
      for (const span of [call, handler, next, leaf, ...dials]) assert.strictEqual(span!.traceId, work!.traceId)
      assert.strictEqual(handler!.attributes.get("pnet.peer"), "alice")
      assert.strictEqual(call!.kind, "client")
      assert.strictEqual(handler!.kind, "server")
    })))

  it.effect("counts calls, failures by tag, time and bytes, by peer and function", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      yield* bob.node.register("counted", (_call, value) => Effect.succeed(value))
      yield* alice.node.target("bob")("counted", "x".repeat(100))
      yield* failureOf(alice.node.target("bob")("uncounted"))
      const snapshot = yield* Metric.snapshot
      const find = (id: string, attributes: Record<string, string>) =>
        snapshot.find((metric) =>
          metric.id === id
          && Object.entries(attributes).every(([key, value]) => metric.attributes?.[key] === value)
        )?.state as { readonly count: number } | undefined
      const out = { direction: "out", kind: "command", peer: "bob", function: "counted" }
      assert.strictEqual(find("pnet_calls", out)?.count, 1)
      assert.strictEqual(find("pnet_call_milliseconds", out)?.count, 1)
      assert.isAbove(find("pnet_call_bytes_sent", out)!.count, 100)
      assert.isAbove(find("pnet_call_bytes_received", out)!.count, 100)
      assert.strictEqual(find("pnet_calls", { ...out, direction: "in", peer: "alice" })?.count, 1)
      assert.strictEqual(
        find("pnet_call_failures", { ...out, function: "uncounted", tag: "UnknownFunctionError" })?.count,
        1
      )
      // Names that a peer makes up have no series of their own.
      assert.isUndefined(find("pnet_calls", { direction: "in", function: "uncounted" }))
    })))

  it.effect("a registry is shared by several nodes, and what a node starts with is served from its first moment", () =>
    quietly(Effect.gen(function*() {
      class Database extends Context.Service<Database, { readonly rows: number }>()("test/Database") {}
      const network = yield* SimNetwork.make()
      const registry = yield* RpcRegistry.make
      yield* registry.register("shared", ({ node }) => Effect.succeed(node.name))
      const alice = yield* startCommand(network, { name: "alice" })
      const start = (name: string) =>
        Effect.gen(function*() {
          const host = yield* network.host(name)
          return yield* host.launch(
            CommandNode.layer({
              name,
              networkId: "commands",
              bindIp: "0.0.0.0",
              functions: {
                [`rows_${name}`]: () => Effect.map(Database, ({ rows }) => rows),
                [`caller_${name}`]: () => Effect.map(Caller.CurrentCaller, (caller) => caller?.name)
              },
              commands: [],
              streams: { [`upper_${name}`]: ({ bytes }) => Stream.map(bytes, (part) => text(part).toUpperCase()) }
            }).pipe(
              Layer.provide(Layer.succeed(Database, { rows: 5 })),
              Layer.provide(Layer.succeed(RpcRegistry.RpcRegistry, registry)),
              Layer.provide([...quietCrypto])
            )
          )
        })
      yield* start("bob")
      yield* start("carol")
      yield* Effect.orDie(Effect.forEach(["bob", "carol"], (name) => alice.node.peers.awaitPeer(name)))
      const names = yield* alice.node.target("*")("shared")
      assert.deepStrictEqual(names, { bob: Exit.succeed("bob"), carol: Exit.succeed("carol") })
      // Functions of one are functions of both: it is one registry.
      assert.strictEqual(yield* alice.node.target("carol")("rows_bob"), 5)
      assert.strictEqual(yield* alice.node.target("bob")("caller_bob"), "alice")
      const upper = yield* alice.node.request("bob", "upper_bob", bytes("loud"))
      assert.strictEqual(text(upper), "LOUD")
    })))

  it.effect("calls beyond the limits are refused, and neighbours go on", () =>
    quietly(Effect.gen(function*() {
      const limits = { callSize: 200_000, callMemory: 1_048_576, calls: 8 }
      const network = yield* SimNetwork.make()
      const { alice, bob, carol } = yield* startAll(network, ["alice", "bob", "carol"], (name) =>
        name === "bob" ? { limits } : {})
      yield* bob.node.register("size", (_call, value: string) =>
        Effect.succeed(value.length))
      yield* bob.node.register("large", () =>
        Effect.succeed("x".repeat(300_000)))
      const gate = yield* Deferred.make<void>()
      yield* bob.node.register("wait", () => Effect.as(Deferred.await(gate), 1))
      const peer = alice.node.target("bob")
      assert.strictEqual(yield* peer("size", "x".repeat(150_000)), 150_000)
      assert.strictEqual((yield* failureOf(peer("size", "x".repeat(300_000))))._tag, "CallTooLargeError")
      assert.strictEqual((yield* failureOf(peer("large")))._tag, "CallTooLargeError")
      // A quarter of the handlers, two, are all that one peer may have; the third waits its turn in retries, then fails.
      const waiting = yield* Effect.forEach([1, 2], () => Effect.forkChild(peer("wait")))
      yield* Effect.sleep("100 millis")
      const third = yield* failureOf(peer("wait"))
      assert.strictEqual(third._tag === "StreamResetError" && third.code, "refused")
      // And no longer than it has time.
      const begun = yield* Clock.currentTimeMillis
      const hasty = yield* failureOf(alice.node.target("bob", { timeout: "100 millis" })("wait"))
      assert(hasty._tag === "DeadlineError", hasty._tag)
      assert.closeTo(Duration.toMillis(hasty.waited ?? -1), 100, 10)
      assert.isAtMost((yield* Clock.currentTimeMillis) - begun, 110)
      assert.strictEqual(yield* carol.node.target("bob")("size", "abc"), 3)
      yield* Deferred.succeed(gate, void 0)
      assert.deepStrictEqual(yield* Effect.forEach(waiting, Fiber.join), [1, 1])
      assert.strictEqual(yield* peer("size", "abc"), 3)
    })))

  it.effect("a call that was refused is made again, and not once more where it may have run", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      let opened = 0
      for (const name of ["handle", "bytes"]) {
        yield* bob.node.sessions.handle(
          { protocol: "command", name },
          (stream) => stream.reset(opened++ === 0 ? "refused" : "internal", "")
        )
      }
      const calls: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        alice.node.target("bob")("f"),
        alice.node.request("bob", "bytes", "x")
      ]
      for (const call of calls) {
        opened = 0
        const { _tag } = yield* failureOf(call)
        assert.include(["RemoteDefectError", "StreamResetError"], _tag)
        assert.strictEqual(opened, 2)
      }
    })))

  it.effect("what is no call is answered, and harms nobody", () =>
    quietly(Effect.gen(function*() {
      const { alice } = yield* two()
      const ask = (data: string | Uint8Array) =>
        Effect.map(alice.node.request("bob", "handle", data), (answer) => JSON.parse(text(answer)) as any)
      for (
        const [data, what] of [
          ["", "not JSON"],
          ["nonsense", "not JSON"],
          [Uint8Array.of(0xff, 0xfe), "not UTF-8"],
          ["[]", "not an object"],
          ["null", "not an object"],
          ["{\"args\":[]}", "\"function\" is not a string"],
          ["{\"function\":\"f\",\"args\":{}}", "\"args\" is not an array"],
          ["{\"function\":\"f\",\"kwargs\":[]}", "\"kwargs\" is not an object"],
          // More than an argument list of JavaScript has room for.
          [`{"function":"get_peers","args":[${"0,".repeat(10_000)}0]}`, "\"args\" has more than 10000 elements"],
          ["[".repeat(100_000), "nested deeper than 512"],
          ["{\"function\":\"f\",\"args\":[[1,{\"a\":-1e400}]]}", "a number that is not finite"],
          [`{"function":"f","kwargs":{"a":${"9".repeat(309)}}}`, "a number that is not finite"],
          ["{\"function\":\"describe\",\"args\":[7]}", "takes names of functions"]
        ] as const
      ) {
        const answer = yield* ask(data)
        assert.deepStrictEqual(answer.type, "error")
        assert.strictEqual(answer.code, "invalid_arguments")
        assert.include(answer.description, what)
      }
      // Unknown fields are ignored, and args and kwargs have defaults.
      const names = yield* ask("{\"function\":\"get_peers\",\"later\":1}")
      assert.deepStrictEqual(names, { type: "success", value: ["alice"] })
      // Null is what many languages write for what is not there.
      assert.deepStrictEqual(
        yield* ask("{\"function\":\"get_peers\",\"args\":null,\"kwargs\":null,\"absent\":null}"),
        names
      )
    })))

  it.effect("a document has 514 levels at most: an argument 512, a result 513", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      yield* bob.node.register("same", (_call, value) => Effect.succeed(value))
      yield* bob.node.register("deep", (_call, levels: number) => Effect.succeed(nested(levels)))
      const peer = alice.node.target<{ same(value: Schema.Json): Schema.Json; deep(levels: number): Schema.Json }>(
        "bob"
      )
      assert.deepStrictEqual(yield* peer.same(nested(512)), nested(512))
      assert.strictEqual((yield* failureOf(peer.same(nested(513))))._tag, "NotJsonError")
      assert.deepStrictEqual(yield* peer.deep(513), nested(513))
      assert.strictEqual((yield* failureOf(peer.deep(514)))._tag, "RemoteError")
      const levels = (n: number) => `{"function":"same","args":[${"[".repeat(n)}${"]".repeat(n)}]}`
      const ask = (data: string) => Effect.map(alice.node.request("bob", "handle", data), (answer) => text(answer))
      assert.include(yield* ask(levels(512)), "\"success\"")
      assert.include(yield* ask(levels(513)), "nested deeper than 512")
    })))
})

/** So many arrays, one in another. */
const nested = (levels: number): Schema.Json => {
  let value: Schema.Json = []
  for (let i = 1; i < levels; i++) value = [value]
  return value
}
