/** Handlers as people write them on the first day: values, promises, throws, and what is none of these. */
// @effect-diagnostics asyncFunction:off
import { assert, describe, it } from "@effect/vitest"
import {
  type AdvancedNode,
  BasicNode,
  Command,
  CommandNode,
  Deadline,
  PeerSocket,
  PortableCrypto,
  Sessions,
  TofuTrust
} from "@pnet/core"
import { startCommand } from "@pnet/lab/worlds/commandWorld"
import { quietly, start } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import {
  Cause,
  Context,
  Deferred,
  type Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Option,
  Queue,
  Result,
  Schedule,
  Schema,
  type Scope,
  Stream
} from "effect"
import { Rpc, RpcGroup, RpcMiddleware } from "effect/rpc"
import { inspect } from "node:util"

class Missing extends Schema.TaggedError<Missing>()("Missing", { path: Schema.String }) {}

const test = <E>(title: string, body: Effect.Effect<void, E, Scope.Scope>) => it.effect(title, () => quietly(body))

/** What is logged as a warning or worse, with its cause. */
const recorded = () => {
  const lines: Array<string> = []
  const logger = Logger.layer([
    Logger.make(({ cause, logLevel, message }) => {
      if (logLevel !== "Warn" && logLevel !== "Error") return
      lines.push(`${[message].flat().join(" ")} ${cause.reasons.length === 0 ? "" : Cause.pretty(cause)}`)
    })
  ])
  return {
    lines,
    logger,
    has: (...parts: ReadonlyArray<string>) => lines.some((line) => parts.every((part) => line.includes(part)))
  }
}

const said = (exit: Exit.Exit<unknown, any>): string => {
  if (Exit.isSuccess(exit)) return `value ${JSON.stringify(exit.value)}`
  const error = Cause.findError(exit.cause)
  return Result.isSuccess(error)
    ? `${error.success._tag}${error.success.tag === undefined ? "" : ` ${error.success.tag}`}`
    : "defect"
}

/** Values that carry the marks of Effect's own, as JSON can. */
const branded = (name: string): any =>
  JSON.parse(JSON.stringify({ [name]: { _A: 1 }, _tag: "Success", value: 1, effect: 42 }))
const brands = [
  "~effect/Effect",
  "~effect/Exit",
  "~effect/Stream",
  "~effect/Deferred",
  "~effect/rpc/Rpc/Wrapper",
  "~effect/Effect/evaluate",
  "then"
]

/** What looks like the end of a stream, as JSON can, and is an error. */
const forgedEnd = branded("~effect/Cause/Done")
const failing = <A>(first: A): Stream.Stream<A, unknown> =>
  Stream.mapEffect(Stream.make(first, first), (value, i) => i === 0 ? Effect.succeed(value) : Effect.fail(forgedEnd))

const gives: Record<string, readonly [handler: () => any, outcome: string, ...log: ReadonlyArray<string>]> = {
  value: [() => 42, "value 42"],
  object: [() => ({ a: [1] }), `value {"a":[1]}`],
  nothing: [() => undefined, "value null"],
  later: [async () => 42, "value 42"],
  lateNothing: [async () => {}, "value null"],
  throws: [
    () => {
      throw new Error("boom")
    },
    "RemoteDefectError",
    "\"throws\"",
    "boom"
  ],
  throwsText: [
    () => {
      throw "boom"
    },
    "RemoteDefectError",
    "\"throwsText\"",
    "boom"
  ],
  rejects: [
    async () => {
      throw new Error("boom")
    },
    "RemoteDefectError",
    "\"rejects\"",
    "boom"
  ],
  throwsTagged: [() => {
    throw new Missing({ path: "/" })
  }, "RemoteError Missing"],
  rejectsTagged: [async () => {
    throw new Missing({ path: "/" })
  }, "RemoteError Missing"],
  stream: [() => Stream.make(1), "RemoteDefectError", "\"stream\"", "a Stream"],
  generator: [
    function*() {
      yield 1
    },
    "RemoteDefectError",
    "\"generator\"",
    "a generator"
  ],
  asyncGenerator: [
    async function*() {
      yield 1
    },
    "RemoteDefectError",
    "\"asyncGenerator\"",
    "a generator"
  ],
  function: [() => () => 42, "RemoteDefectError", "\"function\"", "a function"],
  lateEffect: [async () => Effect.succeed(1), "RemoteDefectError", "\"lateEffect\"", "a promise of an Effect"],
  option: [() => Option.some(1), "RemoteError NotJsonError"],
  // As JSON it would have 2^100 leaves.
  shared: [() => {
    let shared: object = {}
    for (let i = 0; i < 100; i++) shared = { a: shared, b: shared }
    return shared
  }, "CallTooLargeError"],
  sparse: [() => Object.assign([], { length: 4_000_000_000 }), "CallTooLargeError"],
  nested: [() => Effect.flatMap(Effect.void, () => 42 as any), "RemoteDefectError", "nested", "Not a valid effect"],
  nestedLater: [
    () => Effect.flatMap(Effect.sleep(10), () => Promise.resolve() as any),
    "RemoteDefectError",
    "nestedLater"
  ],
  // oxlint-disable-next-line no-thenable
  thenable: [() => ({ then: (resolve: (value: number) => void) => resolve(42) }), "value 42"],
  lateGetter: [
    async () => ({
      get "~effect/Effect"() {
        throw new Error("boom")
      }
    }),
    "RemoteDefectError",
    "\"lateGetter\"",
    "boom"
  ],
  rejectsProxy: [
    // oxlint-disable-next-line prefer-promise-reject-errors
    () => Promise.reject(new Proxy({}, { getPrototypeOf: () => assert.fail("boom") })),
    "RemoteDefectError",
    "\"rejectsProxy\"",
    "boom"
  ],
  fails: [() => Effect.failCause(Cause.empty), "RemoteDefectError", "\"fails\""],
  proxy: [
    () =>
      new Proxy({}, {
        has: () => {
          throw new Error("boom")
        }
      }),
    "RemoteDefectError",
    "\"proxy\"",
    "boom"
  ]
}

describe("a function that gives what it likes", () => {
  const functions = Object.fromEntries(Object.entries(gives).map(([name, [handler]]) => [name, handler]))

  test(
    "is answered at once, leaves the calls of others alone, and keeps no place",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      const log = recorded()
      const bob = yield* startCommand(
        network,
        {
          name: "bob",
          functions: { ...functions, slow: () => Effect.as(Effect.sleep("2 minutes"), "slow") },
          limits: { calls: 8 }
        },
        { logger: log.logger }
      )
      const alice = yield* startCommand(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const slow = yield* Effect.forkChild(alice.node.target("bob")("slow"))
      for (const [name, [, outcome, ...parts]] of Object.entries(gives)) {
        for (const timeout of [undefined, "5 seconds"] as const) {
          // Twice as many as have room at once.
          for (let i = 0; i < 4; i++) {
            const exit = yield* Effect.exit(
              Effect.timeout(alice.node.target("bob", { timeout })(name), "10 seconds")
            )
            assert.strictEqual(said(exit), outcome, name)
          }
        }
        if (parts.length > 0) assert.isTrue(log.has(...parts), `${name}: ${log.lines.join("\n")}`)
      }
      assert.strictEqual(yield* Fiber.join(slow), "slow")
      const [session] = yield* bob.node.sessions.all
      assert.strictEqual(session!.streams, 0)
    })
  )

  test(
    "gives values for what they are, whatever marks they carry",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      yield* startCommand(network, {
        name: "bob",
        functions: {
          same: (_call, value: any) => value,
          async: async (_call, value: any) => value,
          effect: (_call, value: unknown) => Effect.succeed(value),
          merged: (_call, value: object) => Object.assign({}, value)
        },
        commands: [
          Command.implement(
            Command.make("typed", { args: [Schema.Json], success: Schema.Json }),
            (_call, value) => value
          )
        ]
      })
      const alice = yield* startCommand(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      for (const brand of brands) {
        const value = branded(brand)
        for (const name of ["same", "async", "effect", "typed", "merged"]) {
          const given = yield* Effect.timeout(alice.node.target("bob")(name, value), "5 seconds")
          assert.deepStrictEqual(given, value, `${name} ${brand}`)
        }
      }
      // An object whose prototype is a peer's JSON, as a careless merge makes one, is neither.
      const evil = JSON.parse(`{"__proto__":{"~effect/Effect":{"_A":1},"then":1,"next":1}}`)
      const exit = yield* Effect.exit(Effect.timeout(alice.node.target("bob")("merged", evil), "5 seconds"))
      assert.notStrictEqual(said(exit), "TimeoutError")
    })
  )

  test(
    "takes its errors and its results to the Schemas of a command",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      const Half = Command.make("half", {
        args: [Schema.Finite],
        success: Schema.Option(Schema.Finite),
        error: Missing
      })
      yield* startCommand(network, {
        name: "bob",
        commands: [
          Command.implement(Half, async (_call, n) => {
            if (n < 0) throw new Missing({ path: String(n) })
            return n % 2 === 0 ? Option.some(n / 2) : Option.none()
          })
        ]
      })
      const alice = yield* startCommand(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const bob = alice.node.target("bob", { commands: [Half] })
      assert.deepStrictEqual(yield* bob.half(4), Option.some(2))
      assert.deepStrictEqual(yield* bob.half(3), Option.none())
      assert.deepStrictEqual(yield* Effect.flip(bob.half(-1)), new Missing({ path: "-1" }))
    })
  )

  test(
    "is told of its end by a signal, and of nothing once it is done",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      const signals: Record<string, AbortSignal> = {}
      const wait = (name: string) => async (call: { readonly signal: AbortSignal }) => {
        signals[name] = call.signal
        await new Promise(() => {})
      }
      const bob = yield* startCommand(network, {
        name: "bob",
        functions: {
          given: wait("given"),
          late: wait("late"),
          done: async ({ signal }) => {
            signals["done"] = signal
          },
          effect: (call) => {
            signals["effect"] = call.signal
            return Effect.never
          },
          // Asked for after it was given up.
          asked: async (call) => {
            await Promise.resolve()
            yesterday = () => call.signal
            await new Promise(() => {})
          }
        },
        streams: { stream: wait("stream") },
        onMessage: wait("message")
      })
      let yesterday: (() => AbortSignal) | undefined
      const alice = yield* startCommand(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      for (const name of ["given", "effect", "asked"]) {
        const fiber = yield* Effect.forkChild(alice.node.target("bob")(name))
        yield* Effect.sleep("1 second")
        if (name !== "asked") assert.isFalse(signals[name]!.aborted)
        yield* Fiber.interrupt(fiber)
        yield* Effect.sleep("1 second")
        assert.isTrue(name === "asked" ? yesterday!().aborted : signals[name]!.aborted, name)
      }
      yield* Effect.exit(alice.node.target("bob", { timeout: "1 second" })("late"))
      yield* Effect.sleep("1 second")
      assert.isTrue(signals["late"]!.aborted)
      yield* alice.node.target("bob")("done")
      yield* Effect.sleep("1 second")
      assert.isFalse(signals["done"]!.aborted)
      const stream = yield* Effect.forkChild(alice.node.request("bob", "stream", ""))
      const message = yield* Effect.forkChild(Effect.exit(alice.node.raw.sendText("bob", "")))
      yield* Effect.sleep("1 second")
      yield* Fiber.interrupt(stream)
      yield* bob.process.stop
      yield* Fiber.join(message)
      assert.isTrue(signals["stream"]!.aborted && signals["message"]!.aborted)
    })
  )
})

describe("a function over bytes that gives what it likes", () => {
  const functions: Record<string, readonly [handler: () => any, outcome: string, ...log: ReadonlyArray<string>]> = {
    text: [() => "text", "value text"],
    bytes: [() => new TextEncoder().encode("bytes"), "value bytes"],
    nothing: [() => {}, "value "],
    later: [async () => "later", "value later"],
    lateStream: [async () => Stream.make("a", "b"), "value ab"],
    object: [() => ({}), "internal", "\"object\"", "an object"],
    number: [() => Effect.succeed(42), "internal", "\"number\"", "a number"],
    objects: [() => Stream.make("a", {}), "internal", "\"objects\"", "an object"],
    forged: [() => branded("~effect/Stream"), "internal", "\"forged\"", "an object"],
    throws: [
      () => {
        throw new Error("boom")
      },
      "internal",
      "\"throws\"",
      "boom"
    ],
    rejects: [
      async () => {
        throw new Error("boom")
      },
      "internal",
      "\"rejects\"",
      "boom"
    ],
    rejectsTagged: [async () => {
      throw new Missing({ path: "/" })
    }, "failed Missing"],
    nested: [() => Effect.flatMap(Effect.void, () => 42 as any), "internal", "\"nested\""],
    endsAsFailed: [() => failing("a"), "failed Success"]
  }

  test(
    "is answered at once, leaves the calls of others alone, and keeps no place",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      const log = recorded()
      const bob = yield* start(network, {
        name: "bob",
        functions: Object.fromEntries(Object.entries(functions).map(([name, [handler]]) => [name, handler])),
        limits: { calls: 8 }
      }, { logger: log.logger })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      for (const [name, [, outcome, ...parts]] of Object.entries(functions)) {
        for (let i = 0; i < 4; i++) {
          const exit = yield* Effect.exit(Effect.timeout(alice.node.request("bob", name, ""), "5 seconds"))
          const error = Exit.isFailure(exit) ? (exit.cause.reasons[0] as Cause.Fail<any>).error : undefined
          assert.strictEqual(
            error === undefined
              ? `value ${new TextDecoder().decode(Exit.isSuccess(exit) ? exit.value : undefined)}`
              : error._tag === "RemoteError"
              ? `failed ${error.tag}`
              : error.code,
            outcome,
            name
          )
        }
        if (parts.length > 0) assert.isTrue(log.has(...parts), `${name}: ${log.lines.join("\n")}`)
      }
      assert.strictEqual((yield* bob.node.sessions.all)[0]!.streams, 0)
    })
  )

  test(
    "runs in a scope of its own, under the span of its caller",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      const bob = yield* start(network, { name: "bob" })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const parents = new Set<string>()
      let open = 0
      // An answer is whole when all is given back, however long that takes.
      const giveBack = Effect.andThen(Effect.sleep("50 millis"), Effect.sync(() => void open--))
      const held = () => Effect.as(Effect.acquireRelease(Effect.sync(() => void open++), () => giveBack), "x")
      yield* bob.node.register("f", () =>
        Effect.gen(function*() {
          const span = yield* Effect.exit(Effect.currentParentSpan)
          parents.add(Exit.isSuccess(span) ? span.value.spanId : "none")
          return yield* held()
        })).pipe(Effect.withSpan("setup"))
      for (let i = 0; i < 3; i++) yield* alice.node.request("bob", "f", "x")
      assert.deepStrictEqual([...parents], ["none"])
      assert.strictEqual(open, 0)
      // So it is for what serves streams by itself.
      yield* bob.node.sessions.handle({ protocol: "rpc", name: "f" }, (stream) =>
        Effect.gen(function*() {
          const span = yield* Effect.exit(Effect.currentParentSpan)
          parents.add(Exit.isSuccess(span) ? span.value.spanId : "none")
          yield* stream.end
        })).pipe(Effect.withSpan("setup"))
      const peer = yield* alice.node.peers.resolveOne("bob")
      yield* alice.node.sessions.exchange(peer, { protocol: "rpc", name: "f" }, new Uint8Array(1))
      assert.deepStrictEqual([...parents], ["none"])
      const own = yield* Effect.withSpan(
        Effect.gen(function*() {
          yield* alice.node.request("bob", "f", "x")
          yield* Stream.runDrain(alice.node.send("bob", "f", Stream.empty))
          return (yield* Effect.currentSpan).spanId
        }),
        "caller"
      )
      assert.deepStrictEqual([...parents], ["none", own])
      assert.strictEqual(open, 0)
      // And a command's, and a message's.
      const carol = yield* startCommand(network, {
        name: "carol",
        functions: { held },
        onMessage: held as any,
        networkId: "sessions"
      })
      yield* alice.node.peers.awaitPeer("carol")
      const dora = yield* startCommand(network, { name: "dora", networkId: "sessions" })
      yield* dora.node.peers.awaitPeer("carol")
      yield* dora.node.target("carol")("held")
      yield* dora.node.raw.sendText("carol", "x")
      assert.strictEqual(open, 0)
      void carol
    })
  )
})

describe("a function over bytes that has answered", () => {
  test(
    "does not take what it reads on for all that was said",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      const outcomes: Array<string> = []
      const note = (exit: Exit.Exit<Uint8Array, Sessions.StreamError>) => {
        const error = Exit.isFailure(exit)
          ? (exit.cause.reasons[0] as Cause.Fail<Sessions.StreamError>).error
          : undefined
        outcomes.push(
          error === undefined
            ? `all ${Exit.isSuccess(exit) ? exit.value.length : 0}`
            : error._tag === "StreamResetError"
            ? `${error.code} ${error.remote}`
            : error._tag
        )
      }
      type Call = Parameters<AdvancedNode.Handler>[0]
      const aside =
        (read: (call: Call) => Effect.Effect<Uint8Array, Sessions.StreamError>, wait?: number) => (call: Call) => {
          const reading = Effect.map(Effect.exit(read(call)), note)
          return Effect.as(
            Effect.forkDetach(wait === undefined ? reading : Effect.delay(reading, wait), { startImmediately: true }),
            "done"
          )
        }
      const whole = ({ whole }: Call) => whole
      const collected = ({ bytes }: Call) =>
        Effect.map(
          Stream.runCollect(bytes),
          (parts) => new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
        )
      const bob = yield* start(network, {
        name: "bob",
        functions: {
          whole: aside(whole),
          bytes: aside(collected),
          late: aside(whole, 100),
          lateBytes: aside(collected, 100)
        }
      })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const ask = (name: string, length: number) =>
        Effect.gen(function*() {
          outcomes.length = 0
          yield* alice.node.request("bob", name, new Uint8Array(length))
          yield* Effect.sleep("1 second")
          return outcomes.join(" ")
        })
      for (const name of ["whole", "bytes"]) {
        assert.strictEqual(yield* ask(name, 1_000), "all 1000", name)
        assert.strictEqual(yield* ask(name, 900_000), "cancelled false", name)
      }
      for (const name of ["late", "lateBytes"]) {
        for (const length of [1_000, 900_000]) assert.strictEqual(yield* ask(name, length), "cancelled false", name)
      }
      assert.strictEqual((yield* bob.node.sessions.all)[0]!.streams, 0)
    })
  )
})

describe("a function over bytes that takes all that was said", () => {
  test(
    "is given no more than a call may be, also of what has come at once and is short",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      const limits = { callSize: 1_000 }
      yield* start(network, { name: "bob", limits, functions: { all: ({ whole }) => whole } })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const ask = (length: number) => alice.node.request("bob", "all", new Uint8Array(length))
      assert.lengthOf(yield* ask(1_000), 1_000)
      assert.strictEqual((yield* Effect.flip(ask(1_001)))._tag, "CallTooLargeError")
    })
  )
})

describe("what is read of a call that is over", () => {
  test(
    "fails where it is not all, but for a handler that ends first and reads on: what its peer gives up to send then ends in order",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      const bob = yield* start(network, { name: "bob" })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const endless = Stream.schedule(
        Stream.forever(Stream.succeed(new Uint8Array(1_000))),
        Schedule.spaced("10 millis")
      )
      const three = Stream.take(endless, 3)
      const slowly = Stream.schedule(Stream.make("a", "b", "c"), Schedule.spaced("100 millis"))
      const failing = Stream.concat(slowly, Stream.fail(new Missing({ path: "/x" })))
      /** Reads all that it can, and says how that ended. */
      const read = (bytes: Stream.Stream<Uint8Array, Sessions.StreamError>) =>
        Stream.runFold(bytes, () => 0, (length, part) => length + part.length).pipe(
          Effect.match({
            onFailure: (error) => error._tag === "StreamResetError" ? `${error.code} ${error.remote}` : error._tag,
            onSuccess: (length) => `all ${length}`
          })
        )
      /** What a function hears that is sent bytes, and answers with a Stream while something else reads them. */
      const heard = Effect.fnUntraced(function*(
        sent: Stream.Stream<Uint8Array>,
        answer: Stream.Stream<string, Missing>,
        patience = "1 minute" as Duration.Input
      ) {
        const outcome = yield* Deferred.make<string>()
        yield* bob.node.register("f", ({ bytes }) =>
          Effect.as(
            Effect.forkDetach(Deferred.complete(outcome, read(bytes)), { startImmediately: true }),
            answer
          ))
        yield* Effect.exit(Effect.timeoutOption(Stream.runDrain(alice.node.send("bob", "f", sent)), patience))
        return yield* Deferred.await(outcome)
      }, Effect.scoped)
      assert.deepStrictEqual({
        ended: [yield* heard(endless, slowly), yield* heard(three, slowly)],
        failed: [yield* heard(endless, failing), yield* heard(three, failing)],
        givenUp: [yield* heard(endless, Stream.never, "100 millis"), yield* heard(three, Stream.never, "100 millis")]
      }, {
        ended: ["cancelled false", "all 3000"],
        failed: ["failed false", "all 3000"],
        givenUp: ["cancelled true", "all 3000"]
      })

      // Of a stream that is handled by hand.
      const outcome = yield* Deferred.make<string>()
      yield* bob.node.sessions.handle({ protocol: "socket", name: "s" }, (stream) =>
        Effect.gen(function*() {
          yield* Effect.sleep("100 millis")
          yield* stream.end
          yield* Deferred.complete(outcome, read(Stream.fromPull(Effect.succeed(stream.pull))))
        }))
      const peer = yield* alice.node.peers.awaitPeer("bob")
      const stream = yield* alice.node.sessions.open(peer, { protocol: "socket", name: "s" })
      yield* Effect.forkScoped(Stream.runForEach(endless, (part) => stream.write(part)))
      assert.match(yield* Deferred.await(outcome), /^all [1-9]/)
    })
  )
})

describe("a function over bytes that two of its fibers read", () => {
  test(
    "gives each byte to one of them, and has neither wait for ever, nor whoever reads on when another has given up",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      type Call = Parameters<AdvancedNode.Handler>[0]
      const whole = ({ whole }: Call) => Effect.map(whole, ({ length }) => length)
      const bytes = ({ bytes }: Call) => Stream.runFold(bytes, () => 0, (sum, { length }) => sum + length)
      type Read = typeof whole
      const both = (...readers: ReadonlyArray<Read>) => (call: Call) =>
        Effect.map(
          Effect.all(readers.map((read) => read(call)), { concurrency: "unbounded" }),
          (read) => String(read.reduce((sum, length) => sum + length, 0))
        )
      yield* start(network, {
        name: "bob",
        functions: {
          wholes: both(whole, whole, whole),
          bytes: both(bytes, bytes, bytes),
          mixed: both(bytes, whole, bytes),
          // The first is interrupted when the second waits already.
          turns: (call) =>
            Effect.gen(function*() {
              const first = yield* Effect.forkChild(Effect.exit(bytes(call)), { startImmediately: true })
              const second = yield* Effect.forkChild(bytes(call), { startImmediately: true })
              yield* Fiber.interrupt(first)
              return String(yield* Fiber.join(second))
            })
        }
      })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const parts = Array.from({ length: 9 }, () => new Uint8Array(100_000))
      for (const name of ["wholes", "bytes", "mixed", "turns"]) {
        const input = Stream.mapEffect(Stream.fromIterable(parts), (part) => Effect.as(Effect.sleep("10 millis"), part))
        const answer = yield* alice.node.request("bob", name, input, { timeout: "1 minute" })
        assert.strictEqual(new TextDecoder().decode(answer), "900000", name)
      }
    })
  )
})

describe("a Stream that a function over bytes answers with", () => {
  test(
    "runs while its caller reads, and in the scope and the time of the call",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      let open = 0
      let poured = 0
      const given: Array<string> = []
      const back = (name: string) => Effect.sync(() => void given.push(name))
      const pour = Stream.take(Stream.forever(Stream.succeed(new Uint8Array(10_000))), 1_000)
      const bob = yield* start(network, { name: "bob" })
      const held = Effect.acquireRelease(Effect.sync(() => void open++), () => Effect.sync(() => void open--))
      yield* bob.node.register("pour", () => Stream.tap(pour, () => Effect.sync(() => void poured++)))
      // As many parts as that in one go, too.
      yield* bob.node.register(
        "parts",
        () => Stream.fromArray(Array.from({ length: 200 }, (_, i) => new Uint8Array(10_000).fill(i)))
      )
      yield* bob.node.register(
        "held",
        () =>
          Effect.as(
            Effect.addFinalizer(() => back("call")),
            Stream.make("a", "b").pipe(
              Stream.mapEffect((part) => Effect.as(held, part)),
              Stream.tap(() =>
                Effect.map(Effect.withFiber((fiber) => Effect.succeed(fiber.getRef(Deadline.CurrentDeadline))), (at) =>
                  assert.isDefined(at))
              ),
              Stream.ensuring(back("stream"))
            )
          )
      )
      const broken = (): Effect.Effect<string, never, Scope.Scope> => Effect.flatMap(held, () => 42 as any)
      yield* bob.node.register("broken", () => Stream.fromEffect(broken()))
      yield* bob.node.register("brokenLater", () => Effect.andThen(Effect.sleep("50 millis"), broken()))
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const { node } = alice
      let read = 0
      yield* Stream.runForEach(node.send("bob", "pour", ""), (bytes) => {
        const first = read === 0
        read += bytes.length
        return first ? Effect.map(Effect.sleep("1 second"), () => assert.isBelow(poured, 300)) : Effect.void
      })
      assert.strictEqual(read, 1_000 * 10_000)
      const parts = yield* Effect.forkChild(node.request("bob", "parts", ""))
      const bytes = yield* Fiber.join(parts)
      assert.deepStrictEqual(
        Array.from({ length: 200 }, (_, i) => bytes[i * 10_000 + 9_999]),
        Array.from({ length: 200 }, (_, i) => i)
      )
      const answer = yield* node.request("bob", "held", "", { timeout: "1 minute" })
      assert.strictEqual(new TextDecoder().decode(answer), "ab")
      assert.deepStrictEqual(given, ["stream", "call"])
      // What is no effect deep inside of one ends its fiber without its finalizers.
      for (const name of ["broken", "brokenLater"]) {
        const error = yield* Effect.flip(node.request("bob", name, ""))
        assert.strictEqual(error._tag === "StreamResetError" && error.code, "internal", name)
      }
      assert.strictEqual(open, 0)
    })
  )
})

// --- typed calls -------------------------------------------------------------------------------------------------------------

class Guard extends RpcMiddleware.Service<Guard>()("test/Guard", {}) {}
class Group extends RpcGroup.make(
  Rpc.make("value", { success: Schema.Json }),
  Rpc.make("later", { success: Schema.Json }),
  Rpc.make("throws", { success: Schema.Json }),
  Rpc.make("tagged", { success: Schema.Json, error: Missing }),
  Rpc.make("rejects", { success: Schema.Json }),
  Rpc.make("stream", { success: Schema.Json }),
  Rpc.make("nested", { success: Schema.Json }),
  Rpc.make("nothing", {}),
  Rpc.make("same", { payload: { value: Schema.Json }, success: Schema.Json }),
  Rpc.make("sameAsEffect", { payload: { value: Schema.Json }, success: Schema.Json }),
  Rpc.make("deferred", { success: Schema.Json }),
  Rpc.make("guarded", { success: Schema.Json }).middleware(Guard),
  Rpc.make("streamThrows", { success: Schema.Json, stream: true }),
  Rpc.make("streamValue", { success: Schema.Json, stream: true }),
  Rpc.make("streamFails", { success: Schema.Json, error: Schema.Json, stream: true }),
  Rpc.make("streamQueue", { success: Schema.Json, error: Schema.Json, stream: true }),
  Rpc.make("slow", { success: Schema.Json })
) {}

const typed: Record<string, readonly [outcome: string, ...log: ReadonlyArray<string>]> = {
  value: ["value 42"],
  later: ["value 42"],
  nothing: ["value undefined"],
  throws: ["RemoteDefectError", "\"throws\"", "boom"],
  tagged: ["Missing"],
  rejects: ["RemoteDefectError", "\"rejects\"", "boom"],
  stream: ["RemoteDefectError", "\"stream\"", "a Stream"],
  nested: ["RemoteDefectError", "\"nested\"", "Not a valid effect"],
  deferred: ["value 1"],
  guarded: ["RemoteDefectError", "\"guarded\""],
  streamThrows: ["RemoteDefectError", "\"streamThrows\"", "boom"],
  streamValue: ["RemoteDefectError", "\"streamValue\"", "a number"],
  streamFails: ["RemoteDefectError"],
  streamQueue: ["RemoteDefectError"]
}

describe("an input that fails with what looks like its end", () => {
  test(
    "has not ended",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      let ended = 0
      const read: AdvancedNode.Handler = ({ whole }) =>
        Effect.as(Effect.tap(whole, () => Effect.sync(() => ended++)), "read")
      yield* start(network, { name: "bob", functions: { read } })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const input = failing("some") as Stream.Stream<any, unknown>
      assert.strictEqual(yield* Effect.flip(alice.node.request("bob", "read", input)), forgedEnd)
      const outcomes = yield* alice.node.sendAll("*", "read", input)
      assert.strictEqual(yield* Effect.flip(outcomes["bob"]!), forgedEnd)
      assert.isTrue(Exit.hasDies(yield* Effect.exit(Stream.runDrain(alice.node.send("bob", "read", input)))))
      assert.strictEqual(ended, 0)
    })
  )
})

describe("a typed handler that gives what it likes", () => {
  const serving = (middleware: unknown) =>
    CommandNode.serve(Group, { concurrency: 2 }).pipe(
      Layer.provide(Group.toLayer({
        value: () => 42 as any,
        later: (async () => 42) as any,
        throws: () => {
          throw new Error("boom")
        },
        tagged: () => {
          throw new Missing({ path: "/" })
        },
        rejects: (async () => {
          throw new Error("boom")
        }) as any,
        stream: () => Stream.make(1) as any,
        nested: () => Effect.flatMap(Effect.void, () => 42 as any),
        nothing: (() => {}) as any,
        same: (({ value }: any) => value) as any,
        sameAsEffect: ({ value }: any) => Effect.succeed(value),
        deferred: () =>
          Effect.gen(function*() {
            const deferred = yield* Deferred.make<any>()
            yield* Deferred.succeed(deferred, 1)
            return deferred as any
          }),
        guarded: () => Effect.succeed(1),
        streamThrows: () => {
          throw new Error("boom")
        },
        streamValue: () => 42 as any,
        streamFails: () => failing(1),
        streamQueue: () =>
          Effect.tap(Queue.make<number, any>(), (queue) =>
            Effect.andThen(Queue.offer(queue, 1), Queue.fail(queue, forgedEnd))),
        slow: () =>
          Rpc.fork(Effect.as(Effect.sleep("1 minute"), "slow"))
      } as any)),
      Layer.provide(Layer.succeed(Guard, middleware as any))
    ) as unknown as Layer.Layer<never, never, CommandNode.CommandNode>

  test(
    "is answered at once, leaves the calls of others alone, and keeps no place",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      const log = recorded()
      const middlewares: ReadonlyArray<unknown> = [
        () => {
          throw new Error("boom")
        },
        () => JSON.parse(`{"~effect/Effect":1}`),
        async (effect: unknown) => effect,
        () => undefined
      ]
      for (const [i, middleware] of middlewares.entries()) {
        const bob = yield* startCommand(network, { name: `bob${i}`, limits: { calls: 8 } }, { logger: log.logger })
        yield* Layer.build(serving(middleware)).pipe(
          Effect.provideContext(Context.make(CommandNode.CommandNode, bob.node)),
          Effect.provide(log.logger)
        )
        const alice = yield* startCommand(network, { name: `alice${i}` })
        yield* alice.node.peers.awaitPeer(`bob${i}`)
        const client: any = yield* alice.node.client(Group, `bob${i}`)
        const slow = yield* Effect.forkChild(client.slow(undefined) as Effect.Effect<unknown>)
        for (const [name, [outcome, ...parts]] of Object.entries(typed)) {
          const call: Effect.Effect<unknown, any> = name.startsWith("stream") && name !== "stream"
            ? Stream.runCollect(client[name](undefined))
            : client[name](undefined)
          for (let i = 0; i < 4; i++) {
            assert.strictEqual(said(yield* Effect.exit(Effect.timeout(call, "5 seconds"))), outcome, name)
          }
          if (parts.length > 0) assert.isTrue(log.has(...parts), `${name}: ${log.lines.join("\n")}`)
          const byJson = yield* Effect.exit(Effect.timeout(alice.node.target(`bob${i}`)(name), "5 seconds"))
          assert.notInclude(["TimeoutError", "StreamResetError"], said(byJson), name)
          if (name === "streamFails" || name === "streamQueue") assert.strictEqual(said(byJson), "RemoteError Success")
        }
        const why = i === 0 ? "boom" : "a middleware of \"guarded\" gave"
        assert.isTrue(log.has("the call \"guarded\" broke", why), log.lines.join("\n"))
        for (const brand of brands) {
          const value = branded(brand)
          for (const name of ["same", "sameAsEffect"]) {
            assert.deepStrictEqual(
              yield* Effect.timeout(client[name]({ value }) as Effect.Effect<unknown>, "5 seconds"),
              value,
              `${name} ${brand}`
            )
            assert.deepStrictEqual(
              yield* Effect.timeout(alice.node.target(`bob${i}`)(name, { value }), "5 seconds"),
              value,
              `${name} ${brand}`
            )
          }
        }
        assert.strictEqual(yield* Fiber.join(slow), "slow")
        assert.strictEqual((yield* bob.node.sessions.all)[0]!.streams, 0)
      }
    })
  )
})

// --- messages and streams ----------------------------------------------------------------------------------------------------

describe("onMessage that gives what it likes", () => {
  const handlers: Record<string, readonly [handler: () => any, outcome: string, ...log: ReadonlyArray<string>]> = {
    text: [() => "text", "text"],
    bytes: [() => new TextEncoder().encode("bytes"), "bytes"],
    nothing: [() => {}, ""],
    later: [async () => "later", "later"],
    throws: [
      () => {
        throw new Error("boom")
      },
      "ERR_INTERNAL",
      "boom"
    ],
    rejects: [
      async () => {
        throw new Error("boom")
      },
      "ERR_INTERNAL",
      "boom"
    ],
    value: [() => 42, "ERR_INTERNAL", "onMessage", "a number"],
    object: [() => Effect.succeed({ ok: true }), "ERR_INTERNAL", "onMessage", "an object"],
    stream: [() => Stream.make("a"), "ERR_INTERNAL", "onMessage", "a Stream"],
    nested: [() => Effect.flatMap(Effect.void, () => 42 as any), "ERR_INTERNAL", "Not a valid effect"]
  }

  test(
    "is answered at once, and the other messages of the connection have their answers",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      const log = recorded()
      const launch = (name: string, onMessage?: BasicNode.MessageHandler) =>
        Effect.gen(function*() {
          const host = yield* network.host(name)
          const process = yield* host.launch(
            BasicNode.layer({
              name,
              networkId: "raw",
              bindIp: "0.0.0.0",
              ...(onMessage === undefined ? {} : { onMessage })
            }).pipe(
              Layer.provide([PortableCrypto.layer, TofuTrust.layer(), log.logger])
            )
          )
          return Context.get(process.context, BasicNode.BasicNode)
        })
      yield* launch("bob", ({ text }) => {
        const found = handlers[text]
        return found === undefined ? Effect.succeed(`good ${text}`) : found[0]()
      })
      const alice = yield* launch("alice")
      yield* alice.peers.awaitPeer("bob")
      const send = (text: string) =>
        Effect.map(
          Effect.exit(alice.sendText("bob", text, { timeout: "10 seconds" })),
          (exit) => Exit.isSuccess(exit) ? exit.value : (exit.cause.reasons[0] as Cause.Fail<any>).error.code
        )
      for (const [name, [, outcome, ...parts]] of Object.entries(handlers)) {
        const all = yield* Effect.forEach(["1", name, "2", name, "3"], send, { concurrency: "unbounded" })
        assert.deepStrictEqual(all, ["good 1", outcome, "good 2", outcome, "good 3"], name)
        if (parts.length > 0) assert.isTrue(log.has(...parts), `${name}: ${log.lines.join("\n")}`)
      }
    })
  )
})

describe("a handler of Sessions.handle, or of a PeerSocket, that gives what it likes", () => {
  const handlers: Record<string, readonly [handler: () => any, code: string | undefined]> = {
    fine: [() => Effect.void, undefined],
    later: [async () => {}, undefined],
    nothing: [() => {}, undefined],
    throws: [() => {
      throw new Error("boom")
    }, "internal"],
    rejects: [async () => {
      throw new Error("boom")
    }, "internal"],
    stream: [() => Stream.make(1), "internal"],
    dies: [() => Effect.die("boom"), "internal"],
    nested: [() => Effect.flatMap(Effect.void, () => 42 as any), "internal"]
  }

  test(
    "ends its own stream, and nothing else",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      const log = recorded()
      const bob = yield* start(network, {
        name: "bob",
        functions: { echo: ({ bytes }) => bytes, slow: () => Effect.as(Effect.sleep("5 minutes"), "slow") },
        limits: { calls: 8 }
      }, {
        logger: log.logger
      })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      let open = 0
      for (const [name, [handler]] of Object.entries(handlers)) {
        yield* bob.node.sessions.handle({ protocol: "test", name } as any, handler as () => Effect.Effect<void>).pipe(
          Effect.provide(log.logger)
        )
      }
      yield* bob.node.sessions.handle(
        { protocol: "test", name: "scope" } as any,
        () => Effect.acquireRelease(Effect.sync(() => void open++), () => Effect.sync(() => void open--))
      )
      for (const name of ["throws", "nested"]) {
        const server = yield* PeerSocket.makeServer(name).pipe(
          Effect.provideService(Sessions.Sessions, bob.node.sessions)
        )
        yield* Effect.forkScoped(server.run(handlers[name]![0] as () => Effect.Effect<void>))
      }
      const peer = (yield* alice.node.peers.get("bob"))!
      const slow = yield* Effect.forkChild(alice.node.request("bob", "slow", ""))
      const code = (protocol: string, name: string) =>
        Effect.map(
          Effect.exit(
            Effect.timeout(
              alice.node.sessions.exchange(peer, { protocol, name } as any, new Uint8Array(0)),
              "5 seconds"
            )
          ),
          (exit) => Exit.isSuccess(exit) ? undefined : (exit.cause.reasons[0] as Cause.Fail<any>).error.code ?? "none"
        )
      for (const [name, [, expected]] of Object.entries(handlers)) {
        for (let i = 0; i < 4; i++) assert.strictEqual(yield* code("test", name), expected, name)
        if (expected !== undefined) assert.isTrue(log.has(name), name)
      }
      for (let i = 0; i < 4; i++) {
        assert.strictEqual(yield* code("test", "scope"), undefined)
        assert.strictEqual(open, 0)
        yield* code("socket", "throws")
        yield* code("socket", "nested")
      }
      assert.strictEqual(new TextDecoder().decode(yield* Fiber.join(slow)), "slow")
      assert.strictEqual((yield* bob.node.sessions.all)[0]!.streams, 0)
    })
  )
})

// --- what callers meet -------------------------------------------------------------------------------------------------------

describe("what a caller is told", () => {
  test(
    "a target says whom it means, and stays a target",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      const bob = yield* startCommand(network, {
        name: "bob",
        functions: { toString: () => "called", inspect: () => "called" }
      })
      const alice = yield* startCommand(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const one: any = alice.node.target("bob")
      const several: any = alice.node.target(["bob", "carol"])
      const all: any = alice.node.target("*")
      assert.strictEqual(`${one}`, "target(\"bob\")")
      assert.strictEqual(String(several), "target([\"bob\",\"carol\"])")
      assert.strictEqual([all].join(), "target(\"*\")")
      assert.strictEqual(one + "", "target(\"bob\")")
      assert.isFalse(one == 1)
      assert.strictEqual(inspect(one), "target(\"bob\")")
      assert.strictEqual(inspect({ all }), "{ all: target(\"*\") }")
      assert.isBelow(String(alice.node.target(Array.from({ length: 1_000 }, (_, i) => `peer ${i}`))).length, 250)
      // Functions of these names are functions still.
      assert.strictEqual(yield* one.toString() as Effect.Effect<unknown>, "called")
      assert.strictEqual(yield* one.inspect() as Effect.Effect<unknown>, "called")
      assert.isFalse(Effect.isEffect(one))
      assert.isUndefined(one.then)
      void bob
    })
  )

  test(
    "a BasicNode that is called is named, with the reason",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      const host = yield* network.host("bob")
      yield* host.launch(
        BasicNode.layer({ name: "bob", networkId: "commands", bindIp: "0.0.0.0" }).pipe(
          Layer.provide([PortableCrypto.layer, TofuTrust.layer(), Logger.layer([])])
        )
      )
      const alice = yield* startCommand(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      for (const call of [alice.node.target("bob")("f"), alice.node.request("bob", "f", "")]) {
        const { message } = yield* Effect.flip(call as Effect.Effect<unknown, Error>)
        assert.include(message, "\"bob\" answered ERR_HANDSHAKE")
        assert.include(message, "a BasicNode takes single messages and no calls")
      }
      const message = (yield* Effect.flip(alice.node.raw.send("bob", "x"))).message
      assert.include(message, "\"bob\" answered ERR_INTERNAL")
    })
  )

  test(
    "what is no data is not sent, and holds no message up",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      yield* startCommand(network, { name: "bob", onMessage: () => "fine" })
      const alice = yield* startCommand(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const exit = yield* Effect.exit(Effect.timeout(alice.node.raw.send("bob", { hello: 1 } as any), "5 seconds"))
      assert.include(
        Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "",
        "an object was to be sent, which is neither bytes nor text"
      )
      assert.strictEqual(yield* Effect.timeout(alice.node.raw.sendText("bob", "x"), "5 seconds"), "fine")
    })
  )

  test(
    "the closing of one's own node is not blamed on the peer, and no function but the one that was called is named",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
      yield* startCommand(network, { name: "bob", functions: { f: () => Effect.never } })
      const alice = yield* startCommand(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const call = yield* Effect.forkChild(Effect.flip(alice.node.target("bob")("f")))
      yield* Effect.sleep("1 second")
      yield* alice.process.stop
      const { message } = yield* Fiber.join(call)
      assert.include(message, "this node ended its session with \"bob\" while \"f\" was running")
      const after = [
        alice.node.target("bob")("f"),
        alice.node.request("bob", "f", ""),
        alice.node.raw.send("bob", ""),
        alice.node.peers.awaitPeer("bob", "1 second")
      ]
      for (const call of after) {
        const { message } = yield* Effect.flip(call as Effect.Effect<unknown, Error>)
        assert.match(message, /node (is|"alice" is) closed/)
        assert.notInclude(message, "networkId")
      }
    })
  )
})
