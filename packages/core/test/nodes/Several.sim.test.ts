/** Calls of several peers, in each kind of node and client: the same shape, the same order, the same end. */
import { assert, describe, it } from "@effect/vitest"
import { Command, CommandNode, Deadline, Outcomes, Peers } from "@pnet/core"
import { startCommand, type Started } from "@pnet/lab/worlds/commandWorld"
import { bytes, failureOf, quietly, text } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { Cause, Clock, Effect, Exit, Fiber, Layer, Schema, Stream } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"

const group = RpcGroup.make(
  Rpc.make("one", { success: Schema.String }),
  Rpc.make("many", { success: Schema.String, stream: true })
)
const say = Command.make("say", { success: Schema.String })

/** What a peer does when it is called, in whatever way. */
type Act = Effect.Effect<string, string>

const startPeer = (network: SimNetwork.SimNetwork["Service"], name: string, act: Act) =>
  Effect.gen(function*() {
    const started = yield* startCommand(network, {
      name,
      onMessage: () => act,
      streams: { bytes: ({ whole }) => Effect.andThen(whole, act) },
      functions: { tell: () => act },
      commands: [Command.implement(say, () => Effect.orDie(act))]
    })
    yield* Layer.build(
      CommandNode.serve(group).pipe(
        Layer.provide(group.toLayer({
          one: () => Effect.orDie(act),
          many: () => Stream.concat(Stream.make("first"), Stream.fromEffect(Effect.orDie(act)))
        })),
        Layer.provide(Layer.succeed(CommandNode.CommandNode, started.node))
      )
    )
    return started
  })

/** Alice, and others who do something. */
const world = (acts: Readonly<Record<string, Act>>) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make({ seed: 4 })
    for (const name of Object.keys(acts)) yield* startPeer(network, name, acts[name]!)
    const alice = yield* startCommand(network, { name: "alice" })
    yield* Effect.orDie(alice.node.awaitPeers("*", { atLeast: Object.keys(acts).length }))
    return alice
  })

interface Options {
  readonly timeout?: number
  readonly concurrency?: number
}

/** Every way to call several, with what answers as text. */
const ways = ({ node }: Started, target: "*" | ReadonlyArray<string>, options: Options = {}) =>
  Effect.gen(function*() {
    const client = yield* node.client(group, target, options)
    const timed = options.timeout === undefined ? {} : { timeout: options.timeout }
    const all: Record<string, Outcomes.Outcomes<string | Uint8Array | Schema.Json, { readonly _tag: string }>> = {
      message: node.raw.sendAll(target, "x", options),
      bytes: node.sendAll(target, "bytes", "x", options),
      "a stream of bytes": node.sendAll(target, "bytes", Stream.make(bytes("x")), timed),
      "by a name": node.target(target, options)("tell"),
      "by an interface": node.target<{ tell(): string }>(target, options).tell(),
      command: node.target(target, { commands: [say], ...options }).say(),
      typed: client.one()
    }
    return { all: Object.entries(all), many: client.many() }
  })

const shown = (exit: Exit.Exit<unknown, { readonly _tag: string }>): string =>
  Exit.isSuccess(exit)
    ? exit.value instanceof Uint8Array ? text(exit.value) : String(exit.value)
    : Cause.hasInterrupts(exit.cause)
    ? "interrupted"
    : exit.cause.reasons.map((reason) => reason._tag === "Fail" ? reason.error._tag : reason._tag).join()

describe("calls of several peers", () => {
  it.effect("give what comes of each, by whatever name: a record in the order of the target, and a stream as they come", () =>
    quietly(Effect.gen(function*() {
      const acts: Record<string, Act> = Object.create(null)
      const wanted: Record<string, string> = Object.create(null)
      // The last one is the first to answer.
      for (const [i, name] of ["__proto__", "constructor", "then", "toString"].entries()) {
        acts[name] = Effect.delay(Effect.succeed(`I am ${name}`), `${900 - 200 * i} millis`)
        wanted[name] = `I am ${name}`
      }
      const alice = yield* world(acts)
      const sorted = Object.keys(acts).sort()
      const backwards = ["toString", "nobody", "then", "constructor", "__proto__", "then"]
      for (const [kind, outcomes] of (yield* ways(alice, "*")).all) {
        const record = yield* outcomes
        assert.deepStrictEqual(Object.keys(record), sorted, kind)
        assert.isNull(Object.getPrototypeOf(record), kind)
        for (const name of sorted) assert.strictEqual(shown(record[name]!), wanted[name], kind)
        const streamed = yield* Stream.runCollect(outcomes.stream)
        assert.deepStrictEqual(
          streamed.map(({ exit, peer }) => [peer, shown(exit)]),
          Object.keys(acts).reverse().map((name) => [name, wanted[name]]),
          kind
        )
      }
      for (const [kind, outcomes] of (yield* ways(alice, backwards)).all) {
        const record = yield* outcomes
        assert.deepStrictEqual(Object.keys(record), [...new Set(backwards)], kind)
        assert.strictEqual(shown(record["nobody"]!), "PeerUnknownError", kind)
      }
      const items = yield* Stream.runCollect((yield* ways(alice, "*")).many)
      for (const name of sorted) {
        const own = items.filter(({ peer }) => peer === name)
        assert.deepStrictEqual(own.map((item) => item._tag === "Value" ? item.value : item.exit._tag), [
          "first",
          wanted[name],
          "Success"
        ])
      }
      assert.strictEqual(items.length, 3 * sorted.length)
    })))

  it.effect("end when nobody wants more of them: the functions of the others are interrupted", () =>
    quietly(Effect.gen(function*() {
      const counts = { begun: 0, interrupted: 0 }
      const never: Act = Effect.suspend(() => {
        counts.begun++
        return Effect.never
      }).pipe(Effect.onInterrupt(() => Effect.sync(() => counts.interrupted++)))
      const alice = yield* world({ bob: Effect.succeed("bob"), carol: never, dave: never })
      const { all, many } = yield* ways(alice, "*")
      for (const [kind, { stream }] of all) {
        const [first] = yield* Stream.runCollect(Stream.take(stream, 1))
        assert.strictEqual(shown(first!.exit), "bob", kind)
        yield* Effect.sleep("1 second")
        // A message is handled to its end, whoever waits for that.
        if (kind === "message") counts.begun = 0
        assert.strictEqual(counts.begun, kind === "message" ? 0 : 2, kind)
        assert.strictEqual(counts.interrupted, counts.begun, kind)
        Object.assign(counts, { begun: 0, interrupted: 0 })
      }
      yield* Stream.runDrain(Stream.takeUntil(many, ({ _tag }) => _tag === "Exit"))
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(counts, { begun: 2, interrupted: 2 })
    })))

  it.effect("have the time that each is given: one that never answers has a DeadlineError, and the others what they have", () =>
    quietly(Effect.gen(function*() {
      const alice = yield* world({ bob: Effect.succeed("bob"), carol: Effect.never, dave: Effect.never })
      const wanted = [["bob", "bob"], ["carol", "DeadlineError"], ["dave", "DeadlineError"]]
      const took = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.gen(function*() {
          const begun = yield* Clock.currentTimeMillis
          const value = yield* effect
          return [value, (yield* Clock.currentTimeMillis) - begun] as const
        })
      const byName = (record: Outcomes.Exits<unknown, { readonly _tag: string }>) =>
        Object.entries(record).map(([name, exit]) => [name, shown(exit)])
      for (const [kind, outcomes] of (yield* ways(alice, "*", { timeout: 2_000 })).all) {
        const [record, millis] = yield* took(outcomes)
        assert.deepStrictEqual(byName(record), wanted, kind)
        assert.approximately(millis, 2_000, 100, kind)
        const streamed = yield* Stream.runCollect(outcomes.stream)
        assert.deepStrictEqual(streamed.map(({ exit, peer }) => [peer, shown(exit)]).sort(), wanted, kind)
      }
      // Each has the whole of it.
      for (const [kind, outcomes] of (yield* ways(alice, "*", { timeout: 2_000, concurrency: 1 })).all) {
        if (kind === "a stream of bytes") continue
        const [record, millis] = yield* took(outcomes)
        assert.deepStrictEqual(byName(record), wanted, kind)
        assert.approximately(millis, 4_000, 100, kind)
      }
      // And so has what they are a part of.
      for (const [kind, outcomes] of (yield* ways(alice, "*")).all) {
        const [record, millis] = yield* took(Deadline.within("3 seconds")(outcomes))
        assert.deepStrictEqual(byName(record), wanted, kind)
        assert.approximately(millis, 3_000, 100, kind)
      }
    })))

  it.effect("of a node that closes meanwhile have an end each, and the whole has none of its own", () =>
    quietly(Effect.gen(function*() {
      const alice = yield* world({ bob: Effect.succeed("bob"), carol: Effect.never })
      const { all, many } = yield* ways(alice, "*")
      const fork = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })
      const running = yield* Effect.forEach(all, ([kind, outcomes]) =>
        Effect.gen(function*() {
          return { kind, whole: yield* fork(outcomes), stream: yield* fork(Stream.runCollect(outcomes.stream)) }
        }))
      const items = yield* fork(Stream.runCollect(many))
      yield* Effect.sleep("1 second")
      yield* alice.process.stop
      for (const { kind, stream, whole } of running) {
        const record = yield* Fiber.join(whole)
        assert.strictEqual(shown(record["bob"]!), "bob", kind)
        assert.strictEqual(shown(record["carol"]!), kind === "message" ? "NodeClosedError" : "StreamResetError", kind)
        assert.deepStrictEqual((yield* Fiber.join(stream)).map(({ exit, peer }) => [peer, exit._tag]), [
          ["bob", "Success"],
          ["carol", "Failure"]
        ], kind)
      }
      const last = (yield* Fiber.join(items)).at(-1)
      assert.strictEqual(last?._tag === "Exit" && shown(last.exit), "StreamResetError")
    })))

  it.effect("of an input that is a stream are made at once, and to bound them is a slip that is told", () =>
    quietly(Effect.gen(function*() {
      const { node } = yield* world({ bob: Effect.succeed("bob") })
      const outcomes = node.sendAll("*", "bytes", Stream.make(bytes("x")), { concurrency: 1 })
      for (const run of [outcomes, Stream.runDrain(outcomes.stream)]) {
        const exit = yield* Effect.exit(run as Effect.Effect<unknown>)
        assert.include(Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "", "leave concurrency out")
      }
      const all = yield* node.sendAll("*", "bytes", Stream.make(bytes("x")), { concurrency: "unbounded" })
      assert.deepStrictEqual(Object.values(all).map(shown), ["bob"])
    })))
})

describe("messages", () => {
  it.effect("keep to the time of the work that they are a part of, with what the search for peers takes", () =>
    quietly(Effect.gen(function*() {
      const { node } = yield* world({ bob: Effect.never })
      const begun = yield* Clock.currentTimeMillis
      const error = yield* failureOf(Deadline.within("1 second")(node.raw.send("bob", "x")))
      assert.deepInclude(error as object, { _tag: "DeadlineError", mayHaveRun: true })
      assert.approximately((yield* Clock.currentTimeMillis) - begun, 1_000, 50)
      // Its own time counts where that is less, and what has none is not sent.
      const shorter = yield* failureOf(Deadline.within("1 hour")(node.raw.send("bob", "x", { timeout: "2 seconds" })))
      assert.strictEqual(shorter._tag, "DeadlineError")
      assert.approximately((yield* Clock.currentTimeMillis) - begun, 3_000, 50)
      const late = yield* failureOf(Deadline.within(0)(node.raw.send("bob", "x")))
      assert.deepInclude(late as object, { _tag: "DeadlineError", mayHaveRun: false })
      const any = yield* failureOf(node.raw.send(Peers.any({ where: () => true }), "x", { timeout: "1 second" }))
      assert.strictEqual(any._tag, "DeadlineError")
      assert.approximately((yield* Clock.currentTimeMillis) - begun, 4_000, 50)
    })))
})
