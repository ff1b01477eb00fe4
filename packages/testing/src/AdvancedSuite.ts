/**
 * What an AdvancedNode does, as one suite over any network, simulated or real, and over both framings. Import this module by
 * its own path: it needs `@effect/vitest`.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import type * as AdvancedNode from "@pnet/core/AdvancedNode"
import type * as BasicNode from "@pnet/core/BasicNode"
import type * as Packet from "@pnet/core/Packet"
import type * as Trust from "@pnet/core/Trust"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { decodeText, encodeText } from "./internal/platform.ts"

type Node = AdvancedNode.AdvancedNode["Service"]

/**
 * Where the nodes of one test live.
 *
 * @category models
 * @since 0.1.0
 */
export interface AdvancedWorld {
  /** Starts a node on a host of its own, until the scope closes. */
  readonly start: (
    options: AdvancedNode.Options,
    trust?: Layer.Layer<Trust.Trust>
  ) => Effect.Effect<Node, BasicNode.StartError, Scope.Scope>
}

/**
 * How the suite runs a test.
 *
 * @category models
 * @since 0.1.0
 */
export interface AdvancedSetup {
  readonly world: Effect.Effect<AdvancedWorld, never, Scope.Scope>
  /** Runs a test's effect while time passes. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Whether the tests run on the machine's own clock. */
  readonly live: boolean
  readonly framing: "binary" | "text"
}

class Overdrawn
  extends Schema.TaggedError<Overdrawn>()("Overdrawn", { by: Schema.Number, note: Schema.optionalKey(Schema.String) })
{}

const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) return Effect.die(new Error("expected a failure"))
    const error = Cause.findError(exit.cause)
    return Result.isSuccess(error)
      ? Effect.succeed(error.success)
      : Effect.die(new Error(`expected a typed failure, got ${Cause.pretty(exit.cause)}`))
  })

const networkId = "advanced" as Packet.NetworkId

/** Bytes that show at once when some are missing, doubled or out of order. */
const counted = (length: number, from = 0): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (from + i) % 251
  return bytes
}

type Test = (title: string, body: (world: AdvancedWorld) => Effect.Effect<void, unknown, Scope.Scope>) => void

type Functions = NonNullable<AdvancedNode.Options["functions"]>

const pair = (
  world: AdvancedWorld,
  framing: AdvancedSetup["framing"],
  functions: Functions
) =>
  Effect.gen(function*() {
    const bob = yield* world.start({ networkId, framing, name: "bob", functions })
    const alice = yield* world.start({ networkId, framing, name: "alice" })
    yield* Effect.all([alice.peers.awaitPeer("bob"), bob.peers.awaitPeer("alice")], { concurrency: 2 })
    return { alice, bob }
  })

const echo: AdvancedNode.Handler = ({ bytes }) => bytes

/** Calls and their answers. */
const calls = (test: Test, setup: AdvancedSetup): void => {
  test("a function answers with bytes, text, nothing, a stream, or an effect of these", (world) =>
    Effect.gen(function*() {
      const { alice } = yield* pair(world, setup.framing, {
        bytes: () => Effect.succeed(Uint8Array.of(1, 2, 3)),
        text: ({ from }) => Effect.succeed(`hello ${from.name}`),
        nothing: () => Effect.void,
        stream: ({ bytes }) => Stream.map(bytes, (part) => decodeText(part).toUpperCase()),
        later: ({ text }) => Effect.map(text, (all) => Stream.make(all, "!"))
      })
      const ask = (command: string) => Effect.map(alice.request("bob", command, "abc"), decodeText)
      assert.deepStrictEqual(yield* alice.request("bob", "bytes", "abc"), Uint8Array.of(1, 2, 3))
      assert.strictEqual(yield* ask("text"), "hello alice")
      assert.strictEqual(yield* ask("nothing"), "")
      assert.strictEqual(yield* ask("stream"), "ABC")
      assert.strictEqual(yield* ask("later"), "abc!")
      const sessions = yield* alice.sessions.all
      assert.deepStrictEqual(sessions.map(({ binary, streams }) => ({ binary, streams })), [
        { binary: setup.framing === "binary", streams: 0 }
      ])
    }))

  test("a large stream comes whole and in order, both ways at once", (world) =>
    Effect.gen(function*() {
      const { alice } = yield* pair(world, setup.framing, { echo })
      const size = setup.live ? 4 * 1_048_576 : 1_048_576
      const piece = 40_000
      const source = Stream.range(0, Math.ceil(size / piece) - 1).pipe(
        Stream.map((i) => counted(Math.min(piece, size - i * piece), i * piece)),
        Stream.rechunk(1)
      )
      let at = 0
      yield* Stream.runForEach(alice.send("bob", "echo", source), (part) =>
        Effect.sync(() => {
          for (let i = 0; i < part.length; i++) {
            if (part[i] !== at++ % 251) throw new Error(`wrong byte at ${at - 1}`)
          }
        }))
      assert.strictEqual(at, size)
    }))

  test("many calls at once share one session, each with its own answer", (world) =>
    Effect.gen(function*() {
      const { alice } = yield* pair(world, setup.framing, { echo })
      const texts = Array.from({ length: 200 }, (_, i) => `call ${i}`)
      const answers = yield* Effect.forEach(
        texts,
        (text) => Effect.map(alice.request("bob", "echo", text), decodeText),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers, texts)
      assert.strictEqual((yield* alice.sessions.all).length, 1)
    }))

  test("a slow reader stalls its own stream and no other, and its writer waits", (world) =>
    Effect.gen(function*() {
      let taken = 0
      const { alice } = yield* pair(world, setup.framing, { echo, stall: () => Effect.never })
      const endless = Stream.forever(Stream.sync(() => {
        taken++
        return new Uint8Array(16_384)
      })).pipe(Stream.rechunk(1))
      const stalled = yield* Effect.forkChild(Stream.runDrain(alice.send("bob", "stall", endless)))
      for (let i = 0; i < 20; i++) {
        assert.strictEqual(decodeText(yield* alice.request("bob", "echo", `${i}`)), `${i}`)
      }
      // Its credit, what may wait to be sent, and no more.
      assert.isAtMost(taken * 16_384, 262_144 + 65_536 + 5 * 16_384)
      yield* Fiber.interrupt(stalled)
    }))
}

/** Functions that fail, or are not there. */
const functions = (test: Test, setup: AdvancedSetup): void => {
  test("a typed failure reaches the caller with its fields, a defect as internal", (world) =>
    Effect.gen(function*() {
      const { alice } = yield* pair(world, setup.framing, {
        typed: () => Effect.fail(new Overdrawn({ by: 12 })),
        plain: () => Effect.fail("just text"),
        midway: () => Stream.concat(Stream.make("some"), Stream.fail(new Overdrawn({ by: 1 }))),
        defect: () => Effect.die(new Error("secret detail"))
      })
      const typed = yield* failureOf(alice.request("bob", "typed", ""))
      assert.strictEqual(typed._tag, "RemoteError")
      if (typed._tag === "RemoteError") {
        assert.strictEqual(typed.tag, "Overdrawn")
        const decoded = yield* Schema.decodeUnknownEffect(Schema.toCodecJson(Overdrawn))(typed.error)
        assert.strictEqual(decoded.by, 12)
      }
      assert.strictEqual((yield* failureOf(alice.request("bob", "plain", "")))._tag, "RemoteError")
      assert.strictEqual((yield* failureOf(alice.request("bob", "midway", "")))._tag, "RemoteError")
      const defect = yield* failureOf(alice.request("bob", "defect", ""))
      assert.strictEqual(defect._tag === "StreamResetError" && defect.code, "internal")
      assert.notInclude(JSON.stringify(defect), "secret detail")
    }))

  test("a function that is not there is not_found", (world) =>
    Effect.gen(function*() {
      const { alice } = yield* pair(world, setup.framing, {})
      const error = yield* failureOf(alice.request("bob", "nothing", "x"))
      assert.strictEqual(error._tag === "StreamResetError" && error.code, "not_found")
    }))

  test("functions are registered and taken off at run time, and not twice", (world) =>
    Effect.gen(function*() {
      const { alice, bob } = yield* pair(world, setup.framing, { one: () => Effect.succeed("1") })
      const duplicate = yield* failureOf(bob.register("one", () => Effect.void))
      assert.strictEqual(duplicate._tag, "DuplicateFunctionError")
      yield* Effect.scoped(Effect.gen(function*() {
        yield* bob.register("two", () => Effect.succeed("2"))
        assert.deepStrictEqual(yield* bob.functions, ["one", "two"])
        assert.strictEqual(decodeText(yield* alice.request("bob", "two", "")), "2")
      }))
      assert.deepStrictEqual(yield* bob.functions, ["one"])
      const gone = yield* failureOf(alice.request("bob", "two", ""))
      assert.strictEqual(gone._tag === "StreamResetError" && gone.code, "not_found")
    }))
}

/** What ends a call, and what ends with it. */
const endings = (test: Test, setup: AdvancedSetup): void => {
  test("interrupting the caller interrupts the function", (world) =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const { alice } = yield* pair(world, setup.framing, {
        hang: () =>
          Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
      })
      const fiber = yield* Effect.forkChild(alice.request("bob", "hang", "x"))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(interrupted)
    }))

  test("a deadline ends the call on both sides, and one that is over is never run", (world) =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      let runs = 0
      const { alice } = yield* pair(world, setup.framing, {
        hang: () => Effect.never.pipe(Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))),
        count: () => Effect.sync(() => void runs++)
      })
      const error = yield* failureOf(alice.request("bob", "hang", "x", { timeout: "300 millis" }))
      assert.deepInclude(error, { _tag: "DeadlineError", function: "hang", mayHaveRun: true })
      // Of a machine's clock and its timers each has its own idea of a moment.
      const waited = (error: AdvancedNode.CallError) =>
        assert.isAtLeast(error._tag === "DeadlineError" ? Duration.toMillis(error.waited ?? 0) : 0, 290)
      waited(error)
      waited(yield* failureOf(alice.request("bob", "hang", Stream.empty, { timeout: "300 millis" })))
      waited(yield* failureOf(Stream.runDrain(alice.send("bob", "hang", "x", { timeout: "300 millis" }))))
      yield* Deferred.await(interrupted)
      const late = yield* failureOf(alice.request("bob", "count", "x", { timeout: 0 }))
      assert.deepInclude(late, { _tag: "DeadlineError", function: "count", mayHaveRun: false })
      assert.strictEqual(runs, 0)
    }))

  test("an input that fails, fails the call and interrupts the function", (world) =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const outcome = yield* Deferred.make<Exit.Exit<void, unknown>>()
      const { alice } = yield* pair(world, setup.framing, {
        drain: ({ bytes }) =>
          Stream.runForEach(bytes, () => Deferred.succeed(begun, undefined)).pipe(
            Effect.onExit((exit) => Deferred.succeed(outcome, exit))
          )
      })
      const input = Stream.concat(
        Stream.make(encodeText("some")),
        Stream.fromEffect(Effect.andThen(Deferred.await(begun), Effect.fail("no more" as const)))
      )
      const error = yield* failureOf(Stream.runDrain(alice.send("bob", "drain", input)))
      assert.strictEqual(error, "no more")
      assert.isTrue(Exit.isFailure(yield* Deferred.await(outcome)))
    }))

  test("an answer that is complete ends the input", (world) =>
    Effect.gen(function*() {
      const { alice } = yield* pair(world, setup.framing, { first: ({ bytes }) => Stream.take(bytes, 1) })
      const endless = Stream.forever(Stream.succeed(new Uint8Array(1_000))).pipe(Stream.rechunk(1))
      const answer = yield* alice.request("bob", "first", endless)
      assert.isAbove(answer.length, 0)
    }))
}

/** Calls to several peers, and sessions from both sides. */
const several = (test: Test, setup: AdvancedSetup): void => {
  test("to several: every outcome, none hides another", (world) =>
    Effect.gen(function*() {
      const { alice } = yield* pair(world, setup.framing, { name: () => Effect.succeed("bob") })
      const { framing } = setup
      yield* world.start({ networkId, framing, name: "carol", functions: { name: () => Effect.fail("no") } })
      yield* world.start({ networkId, framing, name: "dave" })
      yield* Effect.all([alice.peers.awaitPeer("carol"), alice.peers.awaitPeer("dave")], { concurrency: 2 })
      const all = alice.sendAll("*", "name", "x")
      const outcomes = yield* all
      assert.deepStrictEqual(Object.keys(outcomes), ["bob", "carol", "dave"])
      assert.deepStrictEqual(outcomes["bob"], Exit.succeed(encodeText("bob")))
      for (const [peer, tag] of [["carol", "RemoteError"], ["dave", "StreamResetError"]] as const) {
        assert.strictEqual((yield* failureOf(Effect.suspend(() => outcomes[peer]!)))._tag, tag)
      }
      const streamed = yield* Stream.runCollect(all.stream)
      assert.deepStrictEqual(streamed.map(({ peer }) => peer).sort(), ["bob", "carol", "dave"])
      for (const { exit, peer } of streamed) assert.strictEqual(exit._tag, outcomes[peer]!._tag)
      assert.deepStrictEqual(Object.keys(yield* alice.sendAll(["erin", "bob", "erin"], "name", "x")), ["erin", "bob"])
    }))

  test("a streamed input to several is read once, and one that fails is left out", (world) =>
    Effect.gen(function*() {
      const length: AdvancedNode.Handler = ({ bytes }) =>
        Effect.map(Stream.runFold(bytes, () => 0, (sum, part) => sum + part.length), String)
      const { alice } = yield* pair(world, setup.framing, { length })
      const { framing } = setup
      yield* world.start({ networkId, framing, name: "carol", functions: { length } })
      yield* world.start({ networkId, framing, name: "dave", functions: { length: () => Effect.fail("at once") } })
      yield* Effect.all([alice.peers.awaitPeer("carol"), alice.peers.awaitPeer("dave")], { concurrency: 2 })
      let reads = 0
      const input = Stream.range(1, 100).pipe(
        Stream.map(() => {
          reads++
          return new Uint8Array(10_000)
        }),
        Stream.rechunk(1)
      )
      const all = alice.sendAll("*", "length", input)
      const outcomes = yield* all
      assert.deepStrictEqual(outcomes["bob"], Exit.succeed(encodeText("1000000")))
      assert.deepStrictEqual(outcomes["carol"], Exit.succeed(encodeText("1000000")))
      assert.isTrue(Exit.isFailure(outcomes["dave"]!))
      assert.strictEqual(reads, 100)
      const streamed = yield* Stream.runCollect(all.stream)
      for (const { exit, peer } of streamed) assert.strictEqual(exit._tag, outcomes[peer]!._tag)
      assert.strictEqual(reads, 200)
    }))

  test("both call each other at once: of two sessions one stays", (world) =>
    Effect.gen(function*() {
      const { framing } = setup
      const both = { networkId, framing, functions: { echo } }
      const alice = yield* world.start({ ...both, name: "alice" })
      const bob = yield* world.start({ ...both, name: "bob" })
      yield* Effect.all([alice.peers.awaitPeer("bob"), bob.peers.awaitPeer("alice")], { concurrency: 2 })
      const calls = (from: Node, to: string) =>
        Effect.forEach(
          Array.from({ length: 30 }, (_, i) => String(i)),
          (i) => Effect.map(from.request(to, "echo", i), (answer) => assert.strictEqual(decodeText(answer), i)),
          { concurrency: 5, discard: true }
        )
      yield* Effect.all([calls(alice, "bob"), calls(bob, "alice")], { concurrency: 2 })
      yield* Effect.all([calls(alice, "bob"), calls(bob, "alice")], { concurrency: 2 })
    }))

  test("a peer that closes ends its streams with a typed error", (world) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { framing } = setup
      const begun = yield* Queue.unbounded<void>()
      yield* Scope.provide(
        world.start({
          networkId,
          framing,
          name: "bob",
          functions: { hang: () => Effect.andThen(Queue.offer(begun, undefined), Effect.never) }
        }),
        scope
      )
      const alice = yield* world.start({ networkId, framing, name: "alice" })
      yield* alice.peers.awaitPeer("bob")
      const call = yield* Effect.forkChild(failureOf(alice.request("bob", "hang", "x")))
      yield* Queue.take(begun)
      yield* Scope.close(scope, Exit.void)
      const error = yield* Fiber.join(call)
      assert.include(["StreamResetError", "PeerLostError"], error._tag)
    }))

  test("everything a BasicNode has, it has", (world) =>
    Effect.gen(function*() {
      const { alice, bob } = yield* pair(world, setup.framing, { echo })
      yield* bob.onMessage(({ text }) => Effect.succeed(`raw ${text}`))
      assert.strictEqual(yield* alice.raw.sendText("bob", "x"), "raw x")
      assert.strictEqual(decodeText(yield* alice.request("bob", "echo", "framed")), "framed")
    }))
}

/**
 * Runs the suite.
 *
 * @category suites
 * @since 0.1.0
 */
export const advancedSuite = (name: string, setup: AdvancedSetup): void => {
  const test: Test = (title, body) => {
    const effect = () => setup.run(Effect.scoped(Effect.flatMap(setup.world, body)))
    if (setup.live) it.live(title, effect)
    else it.effect(title, effect)
  }

  describe(`AdvancedNode: ${name}, ${setup.framing}`, () => {
    calls(test, setup)
    functions(test, setup)
    endings(test, setup)
    several(test, setup)
  })
}
