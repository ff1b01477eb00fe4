/** Calls of several peers, whatever they are: one record, one stream, and both of the same calls. */
import { assert, describe, it } from "@effect/vitest"
import { Deadline, FunctionError, Outcomes, type Peers } from "@pnet/core"
import { Cause, Clock, Duration, Effect, Exit, Fiber, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Several from "../../src/internal/peers/outcomes.ts"

const closed = new FunctionError.NodeClosedError({ node: "alice" })

/** Peers of these names are there, or the node is closed. */
const peersOf = (names: ReadonlyArray<string> | undefined) =>
  ({
    resolve: (target: Peers.Target) =>
      names === undefined
        ? Effect.fail(closed)
        : Effect.succeed((target === "*" ? names : []).map((name) => ({ name })))
  }) as unknown as Peers.Peers["Service"]

type How = "answers" | "fails" | "breaks" | "never"

interface Plan {
  readonly name: string
  readonly millis: number
  readonly how: How
}

/** Calls that go as planned, and what became of them. */
const planned = (plans: ReadonlyArray<Plan>, options: Partial<Several.Several> = {}) => {
  const byName = new Map(plans.map((plan) => [plan.name, plan]))
  const calls = { begun: 0, interrupted: 0, running: 0, most: 0 }
  const outcomes = Several.make<string, string, never>({
    peers: peersOf([...byName.keys()]),
    target: "*",
    timeout: undefined,
    concurrency: undefined,
    ...options
  }, () =>
    Effect.succeed((name) =>
      Effect.suspend(() => {
        calls.begun++
        calls.most = Math.max(calls.most, ++calls.running)
        const { how, millis } = byName.get(name)!
        const end = how === "answers"
          ? Effect.succeed(`I am ${name}`)
          : how === "fails"
          ? Effect.fail(`not ${name}`)
          : how === "breaks"
          ? Effect.die(name)
          : Effect.never
        return Effect.andThen(Effect.sleep(millis), end)
      }).pipe(
        Effect.onInterrupt(() => Effect.sync(() => calls.interrupted++)),
        Effect.ensuring(Effect.sync(() => calls.running--))
      )
    ))
  return { calls, outcomes, names: [...byName.keys()] }
}

const passing = <A, E>(effect: Effect.Effect<A, E>, time: Duration.Input = "1 hour") =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    yield* TestClock.adjust(time)
    return yield* Fiber.join(fiber)
  })

// Names that mean something else to an object, an array, a promise, or this module.
const hostile = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "then",
  "stream",
  "length",
  "10",
  "2",
  "-1",
  "ü",
  " "
]
const names = [...hostile, "bob", "carol", "dave", "erin"]
const isWhole = (name: string) => /^(0|[1-9][0-9]*)$/.test(name)

describe("what comes of calls to several peers", () => {
  it.effect.prop(
    "is the same as a record and as a stream, in order, whatever they are called and however many at once",
    {
      plans: Schema.Array(Schema.Struct({
        name: Schema.Literals(names),
        millis: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })),
        how: Schema.Literals(["answers", "fails", "breaks"])
      })),
      concurrency: Schema.Literals([1, 2, 3, 7]),
      isUnbounded: Schema.Boolean
    },
    ({ concurrency, isUnbounded, plans: some }) =>
      Effect.gen(function*() {
        const plans = [...new Map(some.map((plan) => [plan.name, plan])).values()]
        const { calls, outcomes, names } = planned(plans, isUnbounded ? {} : { concurrency })
        const record = yield* passing(outcomes)
        assert.strictEqual(calls.begun, names.length)
        assert.isAtMost(calls.most, isUnbounded ? Infinity : concurrency)
        assert.isNull(Object.getPrototypeOf(record))
        // An object has whole numbers first, and everything else as it was put there.
        const isText = (name: string) => !isWhole(name)
        assert.deepStrictEqual(Object.keys(record).filter(isText), names.filter(isText))
        assert.sameMembers(Object.keys(record), names)

        const begin = yield* Clock.currentTimeMillis
        const streamed = yield* passing(Stream.runCollect(Stream.mapEffect(
          outcomes.stream,
          (outcome) => Effect.map(Clock.currentTimeMillis, (now) => ({ ...outcome, after: now - begin }))
        )))
        assert.strictEqual(calls.begun, 2 * names.length)
        assert.strictEqual(streamed.length, names.length)
        for (const { exit, peer } of streamed) assert.deepStrictEqual(exit, record[peer]!)
        for (const { how, millis, name } of plans) {
          const { after, exit } = streamed.find(({ peer }) => peer === name)!
          if (isUnbounded) assert.strictEqual(after, millis)
          assert.deepStrictEqual<unknown>(
            Exit.isSuccess(exit) ? exit.value : exit.cause,
            how === "answers" ? `I am ${name}` : how === "fails" ? Cause.fail(`not ${name}`) : Cause.die(name)
          )
        }

        // The helpers give the parts of it.
        const of = (how: How) => plans.filter((plan) => plan.how === how).map(({ name }) => name)
        assert.sameMembers(Object.keys(Outcomes.succeeded(record)), of("answers"))
        assert.sameMembers(Object.keys(Outcomes.failed(record)), [...of("fails"), ...of("breaks")])
        assert.sameMembers([...Outcomes.values(record)], of("answers").map((name) => `I am ${name}`))
        for (const part of [Outcomes.succeeded(record), Outcomes.failed(record)]) {
          assert.isNull(Object.getPrototypeOf(part))
        }
      }),
    { arbitrary: { runs: 60 } }
  )

  it.effect("comes as it is there, of two hundred at once, and the rest is interrupted when nobody wants it", () =>
    Effect.gen(function*() {
      const plans = Array.from({ length: 200 }, (_, i): Plan => ({
        name: `peer-${i}`,
        millis: 200 - i,
        how: i === 0 ? "never" : "answers"
      }))
      const { calls, outcomes } = planned(plans)
      const first = yield* passing(Stream.runCollect(Stream.take(outcomes.stream, 50)), "50 millis")
      assert.deepStrictEqual(first.map(({ peer }) => peer), Array.from({ length: 50 }, (_, i) => `peer-${199 - i}`))
      assert.deepStrictEqual(calls, { begun: 200, interrupted: 150, running: 0, most: 200 })

      // One never answers: all others are there, and the whole is not.
      let seen = 0
      const streaming = yield* Effect.forkChild(
        Stream.runForEach(outcomes.stream, () => Effect.sync(() => void seen++)),
        { startImmediately: true }
      )
      const waiting = yield* Effect.forkChild(outcomes, { startImmediately: true })
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(seen, 199)
      assert.isUndefined(waiting.pollUnsafe())
      yield* Fiber.interrupt(streaming)
      assert.strictEqual(calls.interrupted, 151)
      yield* Fiber.interrupt(waiting)
      assert.deepStrictEqual([calls.interrupted, calls.running], [152, 0])
    }))

  it.effect("of a target of nobody is nothing, and of a closed node a NodeClosedError, whoever is meant", () =>
    Effect.gen(function*() {
      const { outcomes } = planned([])
      assert.deepStrictEqual(Object.keys(yield* outcomes), [])
      assert.deepStrictEqual(yield* Stream.runCollect(outcomes.stream), [])
      for (const target of ["*", [], ["bob"], "bob", { role: "worker" }] satisfies ReadonlyArray<Peers.Target>) {
        const { calls, outcomes } = planned([], { peers: peersOf(undefined), target })
        assert.strictEqual(yield* Effect.flip(outcomes), closed)
        assert.strictEqual(yield* Effect.flip(Stream.runDrain(outcomes.stream)), closed)
        assert.strictEqual(calls.begun, 0)
      }
    }))

  it.effect("is that of each once, in the order of a list", () =>
    Effect.gen(function*() {
      const plans = ["carol", "bob", "dave"].map((name): Plan => ({ name, millis: 0, how: "answers" }))
      const { calls, outcomes } = planned(plans, { target: ["dave", "carol", "dave"] })
      assert.deepStrictEqual(Object.keys(yield* passing(outcomes)), ["dave", "carol"])
      assert.strictEqual(calls.begun, 2)
    }))

  it.effect("is an Effect as any other", () =>
    Effect.gen(function*() {
      const { calls, outcomes } = planned([{ name: "bob", millis: 0, how: "answers" }])
      assert.isTrue(Effect.isEffect(outcomes))
      const [one, two] = yield* passing(
        Effect.all([outcomes.pipe(Effect.map(Outcomes.values)), Effect.map(outcomes, Object.keys)], { concurrency: 2 })
      )
      assert.deepStrictEqual([one, two], [["I am bob"], ["bob"]])
      assert.deepStrictEqual(yield* passing(Effect.timeout(outcomes, "1 second")), { bob: Exit.succeed("I am bob") })
      assert.strictEqual(calls.begun, 3)
    }))

  it.effect("has the time of each call, and with all at once that of the search, too", () =>
    Effect.gen(function*() {
      const search = {
        resolve: () => Effect.delay(Effect.succeed([{ name: "bob" }, { name: "carol" }]), "300 millis")
      } as unknown as Peers.Peers["Service"]
      const left = (concurrency: number | undefined) =>
        Several.make(
          { peers: search, target: "*", timeout: "1 second", concurrency },
          () => Effect.succeed(() => Effect.andThen(Effect.sleep("100 millis"), Deadline.remaining))
        )
      const millis = (all: Outcomes.Exits<Duration.Duration | undefined>) =>
        Outcomes.values(all).map((left) => left && Duration.toMillis(left))
      assert.deepStrictEqual(millis(yield* passing(left(undefined))), [600, 600])
      // The time of each begins with it, which is for whoever calls to see to.
      assert.deepStrictEqual(millis(yield* passing(left(1))), [undefined, undefined])
      const within = left(1).pipe(Deadline.within("2 seconds"))
      assert.deepStrictEqual(millis(yield* passing(within)), [1_600, 1_500])
      const streamed = yield* passing(Stream.runCollect(left(undefined).stream))
      assert.deepStrictEqual(streamed.map(({ exit }) => Exit.isSuccess(exit) && Duration.toMillis(exit.value!)), [
        600,
        600
      ])
    }))
})
