/** What CommandNodes do for each other, over WebSockets: commands, typed calls and the sessions under them, of either side. */
import { assert, layer } from "@effect/vitest"
import { Command, CommandNode, Outcomes } from "@pnet/core"
import {
  Cause,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Result,
  Schedule,
  Schema,
  type Scope,
  Stream
} from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import * as World from "./world.ts"

const networkId = "calls"

class Broke extends Schema.TaggedError<Broke>("@pnet/web/test/Broke")("Broke", { at: Schema.Int }) {}

const divide = Command.make("divide", {
  args: [Schema.Int, Schema.Int],
  kwargs: { round: Schema.optionalKey(Schema.Boolean) },
  success: Schema.Finite,
  error: Broke
})

class Numbers extends RpcGroup.make(
  Rpc.make("double", { payload: { n: Schema.Int }, success: Schema.Int, error: Broke }),
  Rpc.make("reversed", { payload: { bytes: Schema.Uint8Array }, success: Schema.Uint8Array }),
  Rpc.make("count", { payload: { to: Schema.Int }, success: Schema.Int, error: Broke, stream: true }),
  Rpc.make("forever", { success: Schema.Uint8Array, stream: true })
) {}

/** The same call, which takes something else. */
class Others extends RpcGroup.make(Rpc.make("double", { payload: { n: Schema.String }, success: Schema.Int })) {}

/** What happened to what was left to run. */
interface Seen {
  sent: number
  began: Deferred.Deferred<void>
  ended: Deferred.Deferred<void>
}

const nothing = (): Seen => ({ sent: 0, began: Deferred.makeUnsafe(), ended: Deferred.makeUnsafe() })

const handlers = (seen: Seen) =>
  Numbers.toLayer({
    double: ({ n }) => n < 0 ? Effect.fail(new Broke({ at: n })) : Effect.succeed(2 * n),
    reversed: ({ bytes }) => Effect.succeed(bytes.toReversed()),
    count: ({ to }) => Stream.concat(Stream.range(1, to), Stream.fail(new Broke({ at: to }))),
    forever: () =>
      Stream.fromEffectRepeat(Effect.sync(() => {
        seen.sent += 65_536
        return new Uint8Array(65_536)
      })).pipe(Stream.ensuring(Deferred.succeed(seen.ended, undefined)))
  })

const node = (name: "page" | "server", seen: Seen) =>
  Effect.gen(function*() {
    const made = yield* CommandNode.make({
      name,
      networkId,
      functions: {
        add: (_, a: number, b: number) => a + b,
        whoami: ({ from }) => from.name,
        breaks: () => Effect.fail(new Broke({ at: 7 })),
        dies: () => Effect.die("secret"),
        hangs: () =>
          Deferred.succeed(seen.began, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(seen.ended, undefined))
          )
      },
      commands: [Command.implement(
        divide,
        ({ kwargs }, a, b) =>
          b === 0 ? Effect.fail(new Broke({ at: a })) : Effect.succeed(kwargs.round ? Math.round(a / b) : a / b)
      )],
      streams: { echo: ({ bytes }) => bytes }
    })
    yield* Layer.build(
      CommandNode.serve(Numbers).pipe(
        Layer.provide(handlers(seen)),
        Layer.provide(Layer.succeed(CommandNode.CommandNode, made))
      )
    )
    return made
  })

const errorOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) throw new Error("it succeeded")
    const found = Cause.findError(exit.cause)
    if (Result.isFailure(found)) throw new Error(`no typed error: ${Cause.pretty(exit.cause)}`)
    return found.success as unknown as Readonly<Record<string, unknown>>
  })

type Node = CommandNode.CommandNode["Service"]

interface Side {
  readonly from: Node
  readonly to: "page" | "server"
  /** What was seen at the other end. */
  readonly seen: Seen
}

/** The side that dialled, and the side that was dialled and has no other way to call: one pair for all tests. */
class Sides extends Context.Service<Sides, ReadonlyArray<Side>>()("@pnet/web/test/Sides") {}

const sides = Layer.effect(
  Sides,
  Effect.gen(function*() {
    const seen = { page: nothing(), server: nothing() }
    const { page, server } = yield* World.pair((name) => node(name, seen[name]))
    return [{ from: page, to: "server", seen: seen.server }, { from: server, to: "page", seen: seen.page }]
  })
)

layer(Layer.orDie(sides), { excludeTestServices: true })("over WebSockets", (it) => {
  const test = (title: string, body: (side: Side) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(title, () =>
      Effect.flatMap(Sides, (both) =>
        Effect.forEach(both, (side) => {
          Object.assign(side.seen, nothing())
          return Effect.scoped(body(side))
        }, { discard: true })))

  test("functions are called by their names, with values, errors and defects, and by commands with Schemas", ({ from, to }) =>
    Effect.gen(function*() {
      interface Api {
        add(a: number, b: number): number
        whoami(): string
        breaks(): void
        dies(): void
        nobody(): void
      }
      const api = from.target<Api>(to)
      assert.strictEqual(yield* api.add(1, 2), 3)
      assert.strictEqual(yield* api.whoami(), from.name)
      assert.deepInclude(yield* errorOf(api.breaks()), { _tag: "RemoteError", peer: to })
      assert.strictEqual((yield* errorOf(api.dies()))["_tag"], "RemoteDefectError")
      assert.strictEqual((yield* errorOf(api.nobody()))["_tag"], "UnknownFunctionError")
      const many = yield* Effect.forEach(Array.from({ length: 200 }, (_, n) => n), (n) => api.add(n, n), {
        concurrency: "unbounded"
      })
      assert.strictEqual(many.reduce((sum, n) => sum + n, 0), 39_800)
      const all = yield* from.target<Api>("*").add(2, 3)
      assert.deepStrictEqual(Outcomes.values(all), [5])
      const typed = from.target(to, { commands: [divide] })
      assert.strictEqual(yield* typed.divide(7, 2), 3.5)
      assert.strictEqual(yield* typed.divide(7, 2, Command.kwargs({ round: true })), 4)
      assert.deepInclude(yield* errorOf(typed.divide(7, 0)), { _tag: "Broke", at: 7 })
      // One session, whatever was called.
      assert.lengthOf(yield* from.sessions.all, 1)
    }))

  test("typed calls have answers, errors and streams, and are refused where they are others", ({ from, to }) =>
    Effect.gen(function*() {
      const numbers = yield* from.client(Numbers, to)
      assert.strictEqual(yield* numbers.double({ n: 21 }), 42)
      assert.deepStrictEqual([...yield* numbers.reversed({ bytes: Uint8Array.of(1, 2, 3) })], [3, 2, 1])
      assert.deepInclude(yield* errorOf(numbers.double({ n: -1 })), { _tag: "Broke", at: -1 })
      let sum = 0
      const error = yield* errorOf(Stream.runForEach(numbers.count({ to: 1_000 }), (n) =>
        Effect.sync(() => {
          sum += n
        })))
      assert.deepInclude(error, { _tag: "Broke", at: 1_000 })
      assert.strictEqual(sum, 500_500)
      const others = yield* from.client(Others, to)
      assert.strictEqual((yield* errorOf(others.double({ n: "21" })))["_tag"], "ContractError")
      const all = yield* from.client(Numbers, "*")
      assert.deepStrictEqual(Outcomes.values(yield* all.double({ n: 3 })), [6])
      const any = yield* from.client(Numbers)
      assert.strictEqual(yield* any.double({ n: 4 }), 8)
    }))

  test("a stream that is read slowly waits, and ends at its source when it is read no more", ({ from, seen, to }) =>
    Effect.gen(function*() {
      const numbers = yield* from.client(Numbers, to)
      const stuck = Effect.gen(function*() {
        let last = -1
        while (last !== seen.sent || last === 0) {
          last = seen.sent
          yield* Effect.sleep("30 millis")
        }
        return last
      })
      const taken = yield* Stream.runHead(Stream.mapEffect(numbers.forever(), () => stuck).pipe(Stream.take(1)))
      // A window of chunks, and what is on its way.
      assert.isBelow(taken._tag === "Some" ? taken.value : Infinity, 16 * 1_048_576)
      yield* Deferred.await(seen.ended)
    }))

  test("a call that is interrupted, or whose time is up, is interrupted where it runs", ({ from, seen, to }) =>
    Effect.gen(function*() {
      interface Api {
        hangs(): void
      }
      const calling = yield* Effect.forkChild(from.target<Api>(to).hangs())
      yield* Deferred.await(seen.began)
      yield* Fiber.interrupt(calling)
      yield* Deferred.await(seen.ended)
      const error = yield* errorOf(from.target<Api>(to, { timeout: "50 millis" }).hangs())
      assert.deepInclude(error, { _tag: "DeadlineError", mayHaveRun: true })
    }))

  test("bytes go both ways at once, and a session that has ended is followed by another", ({ from, to }) =>
    Effect.gen(function*() {
      const sent = Array.from({ length: 64 }, (_, i) => new Uint8Array(10_000).fill(i))
      const came = yield* Stream.runCollect(from.streams.send(to, "echo", Stream.fromIterable(sent)))
      assert.deepStrictEqual(Buffer.concat(came), Buffer.concat(sent))
      yield* from.sessions.closeAll
      const again = from.streams.request(to, "echo", "again").pipe(Effect.retry(Schedule.spaced("5 millis")))
      assert.strictEqual(new TextDecoder().decode(yield* again), "again")
    }))
})
