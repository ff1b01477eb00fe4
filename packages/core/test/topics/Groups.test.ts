/** Deliveries of a group: who gets each, that one is handed out until somebody has acknowledged it, and what they take. In virtual time. */
import { assert, describe, it } from "@effect/vitest"
import { Balance, Deadline } from "@pnet/core"
import { Deferred, Effect, Exit, Layer, Logger, Random, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Groups from "../../src/internal/topics/groups.ts"
import { randomOf } from "../balance/model.ts"

interface Item {
  readonly bytes: number
  readonly payload: { readonly n: number; readonly key: string }
}

const item = (n: number, bytes = 1, key = `${n}`): Item => ({ bytes, payload: { n, key } })

/** An attempt that was made, and how it ends. */
interface Made {
  readonly id: string
  readonly n: number
  readonly again: boolean
  readonly skipped: number
  readonly end: Deferred.Deferred<void, Groups.Lost | Groups.Returned>
  /** How it ended, where it did. */
  exit: Exit.Exit<void, unknown> | undefined
}

interface Setting {
  readonly members?: ReadonlyArray<string>
  readonly capacity?: number
  readonly policy?: Balance.Policy<any, any>
  readonly pending?: number
  readonly bytes?: number
  readonly patience?: number
  /** What it does at once. */
  readonly answer?: (made: Made) => Effect.Effect<void, Groups.Lost | Groups.Returned>
}

const member = (id: string, capacity = 1, draining = false): Groups.Member<string> => ({
  id,
  peer: id,
  capacity,
  draining
})

const make = (setting: Setting = {}) =>
  Effect.gen(function*() {
    const { answer, bytes = 1_000, capacity = 1, patience = Infinity, pending = 100 } = setting
    const made: Array<Made> = []
    const memory = { used: 0, most: bytes }
    const group = yield* Groups.make<string, Item>({
      name: "mailers",
      policy: setting.policy,
      pending,
      patience,
      has: (_, all) => memory.used + all <= memory.most,
      take: (bytes) => {
        if (memory.used + bytes > memory.most) return false
        memory.used += bytes
        return true
      },
      give: (bytes) => {
        memory.used -= bytes
      },
      attempt: (id, { payload: { n } }, again, skipped) => {
        const one: Made = { id, n, again, skipped, end: Deferred.makeUnsafe(), exit: undefined }
        made.push(one)
        return Effect.onExit(answer?.(one) ?? Deferred.await(one.end), (exit) =>
          Effect.sync(() => {
            one.exit = exit
          }))
      }
    })
    group.enter((setting.members ?? []).map((id) => member(id, capacity)))
    const out = () => made.filter(({ exit }) => exit === undefined)
    const settle = (one: Made, exit: Exit.Exit<void, Groups.Lost | Groups.Returned>) =>
      Effect.andThen(Deferred.done(one.end, exit), TestClock.adjust(0))
    const whom = () => made.map(({ id }) => id)
    return { group, made, memory, out, settle, whom }
  })

const lost = Exit.fail(new Groups.Lost())
const returned = Exit.fail(new Groups.Returned())
const seeds = Array.from({ length: 6 }, (_, seed) => seed)
const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkScoped(effect, { startImmediately: true })

describe("a delivery of a group", () => {
  it.effect("is handed to one member at once, and is done when that has acknowledged it", () =>
    Effect.gen(function*() {
      const it = yield* make({ members: ["a", "b"] })
      assert.isTrue(it.group.deliver(item(1, 7)))
      assert.strictEqual(it.out().length, 1)
      assert.isFalse(it.made[0]!.again)
      assert.deepStrictEqual([it.group.pending, it.memory.used], [1, 7])
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(it.made.length, 1)
      yield* it.settle(it.made[0]!, Exit.void)
      assert.deepStrictEqual([it.group.pending, it.memory.used], [0, 0])
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(it.made.length, 1)
    }))

  it.effect("waits for a member where there is none, and is handed out in order", () =>
    Effect.gen(function*() {
      const it = yield* make()
      for (let n = 0; n < 50; n++) assert.isTrue(it.group.deliver(item(n)))
      yield* TestClock.adjust("1 day")
      assert.strictEqual(it.made.length, 0)
      it.group.enter([member("a", 20)])
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(it.made.map(({ n }) => n), Array.from({ length: 20 }, (_, n) => n))
      for (let n = 0; n < 50; n++) yield* it.settle(it.made[n]!, Exit.void)
      assert.deepStrictEqual(it.made.map(({ n }) => n), Array.from({ length: 50 }, (_, n) => n))
      assert.deepStrictEqual([it.group.pending, it.memory.used], [0, 0])
    }))

  it.effect("goes to another member at once where its own is lost, and says that somebody had it", () =>
    Effect.gen(function*() {
      const it = yield* make({ members: ["a", "b", "c"], policy: Balance.consistentHash({ by: () => "same" }) })
      it.group.deliver(item(1))
      yield* it.settle(it.made[0]!, lost)
      assert.strictEqual(it.made.length, 2)
      assert.isTrue(it.made[1]!.again)
      assert.notStrictEqual(it.made[1]!.id, it.made[0]!.id)
      // The third time it waits, and goes where it has not been.
      yield* it.settle(it.made[1]!, returned)
      yield* TestClock.adjust(99)
      assert.strictEqual(it.made.length, 2)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(it.whom().sort(), ["a", "b", "c"])
      yield* it.settle(it.made[2]!, Exit.void)
      assert.strictEqual(it.group.pending, 0)
    }))

  it.effect("goes to another member at once where its own is none any more, and is given up there", () =>
    Effect.gen(function*() {
      const it = yield* make({ members: ["a", "b"] })
      it.group.deliver(item(1))
      const [first] = it.made
      const other = first!.id === "a" ? "b" : "a"
      it.group.enter([member(other)])
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(it.whom(), [first!.id, other])
      assert.isTrue(first!.exit !== undefined && Exit.hasInterrupts(first!.exit))
      assert.isTrue(it.made[1]!.again)
      // What its own member says now is about nothing.
      yield* it.settle(first!, Exit.void)
      assert.strictEqual(it.group.pending, 1)
      yield* it.settle(it.made[1]!, Exit.void)
      assert.strictEqual(it.group.pending, 0)
    }))

  it.effect("stays with a member that drains or is said to be another, and nothing new goes to one that drains", () =>
    Effect.gen(function*() {
      const it = yield* make({ members: ["a"], capacity: 2 })
      it.group.deliver(item(1))
      it.group.enter([member("a", 2, true)])
      it.group.deliver(item(2))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(it.made.length, 1)
      assert.isUndefined(it.made[0]!.exit)
      it.group.enter([{ ...member("a", 2, false), peer: "a, anew" }])
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(it.whom(), ["a", "a, anew"])
      assert.isUndefined(it.made[0]!.exit)
      it.group.enter([{ ...member("a", 3), peer: "a, anew" }])
      it.group.deliver(item(3))
      assert.strictEqual(it.out().length, 3)
    }))

  it.effect("that failed comes before those that were not handed out yet", () =>
    Effect.gen(function*() {
      const it = yield* make({ members: ["a", "b"] })
      for (let n = 1; n <= 5; n++) it.group.deliver(item(n))
      // The third has its turn already.
      it.group.enter([member(it.made[1]!.id)])
      yield* it.settle(it.made[1]!, Exit.void)
      yield* it.settle(it.made[2]!, Exit.void)
      yield* it.settle(it.made[3]!, Exit.void)
      assert.deepStrictEqual(it.made.map(({ n }) => n), [1, 2, 3, 1, 4])
    }))

  it.effect("that nobody can handle is tried again later and later, at most every 15 s, and stops nobody", () =>
    Effect.gen(function*() {
      const at: Array<number> = []
      const it = yield* make({
        members: ["a"],
        answer: ({ n }) =>
          n > 0 ? Effect.void : Effect.andThen(
            Effect.clockWith((clock) => Effect.sync(() => at.push(clock.currentTimeMillisUnsafe()))),
            Effect.fail(new Groups.Returned())
          )
      })
      it.group.deliver(item(0))
      yield* TestClock.adjust("1 minute")
      const pauses = at.slice(1).map((one, i) => one - at[i]!)
      assert.deepStrictEqual(pauses, [0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000])
      for (let n = 1; n < 10; n++) it.group.deliver(item(n))
      assert.strictEqual(it.group.pending, 1)
      it.group.enter([member("a")])
      assert.strictEqual(it.group.pending, 1)
    }))

  it.effect("goes to the one member that can handle it, whatever the policy prefers", () =>
    Effect.gen(function*() {
      // All others are well for all else, so that nobody is left out.
      for (const able of ["a", "b", "c", "d"]) {
        const it = yield* make({
          members: ["a", "b", "c", "d"],
          policy: Balance.consistentHash({ by: () => "same" }),
          answer: ({ id, n }) => n > 0 || id === able ? Effect.void : Effect.fail(new Groups.Returned())
        })
        it.group.deliver(item(0))
        for (let n = 1; n < 20; n++) {
          it.group.deliver(item(n))
          yield* TestClock.adjust(20)
        }
        assert.strictEqual(it.group.pending, 0, able)
      }
    }))

  it.effect("is made again where the attempt breaks or interrupts itself, and the log says so once", () => {
    const lines: Array<unknown> = []
    return Effect.gen(function*() {
      const ends = [
        Effect.die(new Error("broken")),
        Effect.interrupt,
        Effect.sync(() => {
          throw new Error("broken")
        })
      ]
      const it = yield* make({ members: ["a"], answer: () => ends.shift() ?? Effect.void })
      it.group.deliver(item(1))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(it.made.length, 4)
      assert.deepStrictEqual([it.group.pending, it.memory.used], [0, 0])
      assert.strictEqual(lines.length, 1)
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void lines.push(message))])))
  })

  it.effect("has no deadline, whatever time the one has that made the group", () =>
    Effect.gen(function*() {
      const deadlines: Array<number | undefined> = []
      const it = yield* Deadline.within("1 second")(make({
        answer: () =>
          Effect.withFiber((fiber) => Effect.sync(() => void deadlines.push(fiber.getRef(Deadline.CurrentDeadline))))
      }))
      it.group.deliver(item(1))
      yield* TestClock.adjust("1 hour")
      it.group.enter([member("a")])
      yield* TestClock.adjust(0)
      assert.strictEqual(it.group.pending, 0)
      assert.deepStrictEqual(deadlines, [undefined])
      assert.isFalse(it.made[0]!.again)
    }))
})

describe("members of a group", () => {
  it.effect("have no more out at one than it says", () =>
    Effect.gen(function*() {
      const it = yield* make({ members: ["a"], capacity: 3 })
      for (let n = 0; n < 10; n++) it.group.deliver(item(n))
      assert.strictEqual(it.out().length, 3)
      yield* TestClock.adjust("1 hour")
      it.group.enter([member("a", 3), member("none", 0), member("b", 2)])
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(it.whom(), ["a", "a", "a", "b", "b"])
      it.group.enter([member("a", 1), member("b", 2)])
      yield* it.settle(it.made[0]!, Exit.void)
      yield* it.settle(it.made[1]!, Exit.void)
      assert.strictEqual(it.made.length, 5)
      yield* it.settle(it.made[2]!, Exit.void)
      assert.strictEqual(it.made.length, 6)
      // Who waited for long was handed to nobody.
      assert.deepStrictEqual(it.made.filter(({ again }) => again), [])
    }))

  it.effect("that say many take as many, by and by", () =>
    Effect.gen(function*() {
      const it = yield* make({ members: ["a"], capacity: 200, pending: 4_096, bytes: 4_096 })
      for (let n = 0; n < 4_096; n++) assert.isTrue(it.group.deliver(item(n)))
      let most = 0
      while (it.group.pending > 0) {
        const out = it.out()
        most = Math.max(most, out.length)
        for (const one of out) Deferred.doneUnsafe(one.end, Exit.void)
        yield* TestClock.adjust(1)
      }
      assert.strictEqual(most, 200)
    }))

  it.effect("that give back again and again are left out, and come back", () =>
    Effect.gen(function*() {
      let isWell = false
      const it = yield* make({
        members: ["a", "b", "c"],
        capacity: 10,
        policy: Balance.roundRobin,
        answer: ({ id }) => id === "a" && !isWell ? Effect.fail(new Groups.Returned()) : Effect.void
      })
      let sent = 0
      const send = (count: number, every = 1) =>
        Effect.gen(function*() {
          const from = it.made.length
          for (let n = 0; n < count; n++) {
            it.group.deliver(item(sent++))
            yield* TestClock.adjust(every)
          }
          return it.made.slice(from).filter(({ id }) => id === "a").length
        })
      assert.strictEqual(yield* send(30), 3)
      assert.strictEqual(yield* send(300), 0)
      // For as long as it does that it is tried every 15 seconds at the least, and seldom.
      const tried = yield* send(400, 500)
      assert.isAbove(tried, 12)
      assert.isBelow(tried, 20)
      isWell = true
      yield* TestClock.adjust("17 seconds")
      assert.isAbove(yield* send(300), 80)
      assert.deepStrictEqual([it.group.pending, it.memory.used], [0, 0])
    }))

  it.effect("that come back at once are all handed something at once", () =>
    Effect.gen(function*() {
      let isWell = false
      const it = yield* make({
        members: ["a", "b", "c", "d"],
        policy: Balance.make("c and d first", () => (all) =>
          all.find(({ id }) => id > "b") ?? all.find(({ id }) => id === "a") ?? all[0]),
        answer: ({ end, id }) =>
          id > "b" || isWell ? Deferred.await(end) : Effect.fail(new Groups.Returned())
      })
      for (let n = 0; n < 7; n++) it.group.deliver(item(n))
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(it.out().map(({ id }) => id), ["c", "d"])
      isWell = true
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(it.out().map(({ id }) => id).sort(), ["a", "b", "c", "d"])
    }).pipe(Effect.provideService(Random.Random, { nextDoubleUnsafe: () => 0.5, nextIntUnsafe: () => 0 })))

  it.effect("are chosen by the policy, which sees the payload", () =>
    Effect.gen(function*() {
      const members = ["a", "b", "c"]
      const turns = yield* make({ members, policy: Balance.roundRobin, answer: () => Effect.void })
      for (let n = 0; n < 9; n++) turns.group.deliver(item(n))
      assert.deepStrictEqual(turns.whom(), [...members, ...members, ...members])
      const hashed = yield* make({
        members,
        policy: Balance.consistentHash<Item["payload"]>({ by: ({ key }) => key }),
        answer: () => Effect.void
      })
      const homes = new Map<number, Set<string>>()
      for (let n = 0; n < 300; n++) hashed.group.deliver(item(n, 1, `key ${n % 20}`))
      for (const { id, n } of hashed.made) homes.set(n % 20, (homes.get(n % 20) ?? new Set()).add(id))
      for (const home of homes.values()) assert.strictEqual(home.size, 1)
      assert.deepStrictEqual([...new Set(hashed.whom())].sort(), members)
    }))

  it.effect("are chosen whatever becomes of the policy", () =>
    Effect.gen(function*() {
      const broken = Balance.make("broken", () => () => {
        throw new Error("broken")
      })
      const it = yield* make({ members: ["a", "b"], policy: broken, answer: () => Effect.void })
      for (let n = 0; n < 100; n++) assert.isTrue(it.group.deliver(item(n)))
      assert.strictEqual(it.group.pending, 0)
      assert.deepStrictEqual([...new Set(it.whom())].sort(), ["a", "b"])
    }).pipe(Effect.provide(Logger.layer([]))))

  it.effect("are told of by the log where one is left out", () => {
    const lines: Array<unknown> = []
    return Effect.gen(function*() {
      const it = yield* make({
        members: ["a", "b"],
        policy: Balance.roundRobin,
        answer: ({ id }) => id === "a" ? Effect.fail(new Groups.Lost()) : Effect.void
      })
      for (let n = 0; n < 20; n++) it.group.deliver(item(n))
      assert.match(
        String(lines),
        /"a" is left out of "mailers" for \d+ ms: 3 deliveries in a row came to nothing there/
      )
      assert.strictEqual(lines.length, 1)
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void lines.push(message))])))
  })

  it.effect("are counted, and it is known since when a group has none, whatever waits", () =>
    Effect.gen(function*() {
      const { group } = yield* make()
      assert.deepStrictEqual([group.members, group.aloneSince], [0, 0])
      yield* TestClock.adjust("1 second")
      group.enter([])
      assert.strictEqual(group.aloneSince, 0)
      group.enter([member("a"), member("b"), member("b")])
      assert.deepStrictEqual([group.members, group.aloneSince], [2, undefined])
      group.deliver(item(1))
      group.enter([])
      assert.deepStrictEqual([group.members, group.pending, group.aloneSince], [0, 1, 1_000])
      group.enter([member("c")])
      assert.strictEqual(group.aloneSince, undefined)
    }))
})

describe("room in a group", () => {
  it.effect("is what is said of it, by number and by memory", () =>
    Effect.gen(function*() {
      const it = yield* make({ pending: 3, bytes: 10 })
      assert.isTrue(it.group.hasRoom(10))
      assert.isFalse(it.group.hasRoom(11))
      assert.isFalse(it.group.hasRoom(1, 11))
      assert.strictEqual(it.memory.used, 0)
      assert.isFalse(it.group.deliver(item(0, 11)))
      assert.deepStrictEqual([it.group.pending, it.memory.used], [0, 0])
      for (let n = 0; n < 3; n++) assert.isTrue(it.group.deliver(item(n, 2)))
      assert.isFalse(it.group.hasRoom(1))
      assert.isFalse(it.group.deliver(item(4, 1)))
      assert.deepStrictEqual([it.group.pending, it.memory.used], [3, 6])
    }))

  it.effect("that lacks is told to who is handed the next, however often that is handed out", () =>
    Effect.gen(function*() {
      const it = yield* make({ members: ["a", "b"], pending: 2 })
      for (let n = 0; n < 5; n++) it.group.deliver(item(n))
      for (const one of it.out()) yield* it.settle(one, Exit.void)
      it.group.deliver(item(5))
      it.group.deliver(item(6))
      assert.deepStrictEqual(it.made.map(({ n, skipped }) => [n, skipped]), [[0, 0], [1, 0], [5, 3], [6, 0]])
      yield* it.settle(it.made[2]!, lost)
      yield* it.settle(it.made[3]!, Exit.void)
      assert.deepStrictEqual(it.made.slice(4).map(({ again, n, skipped }) => [n, skipped, again]), [[5, 3, true]])
    }))
})

describe("a member that is slow", () => {
  const look = (group: { readonly look: () => void }, seconds: number) =>
    Effect.forEach(
      Array.from({ length: seconds }),
      () => Effect.andThen(TestClock.adjust("1 second"), Effect.sync(() => group.look()))
    )

  it.effect("has what it does not acknowledge in time handed to others as well, and gets nothing more", () => {
    const lines: Array<unknown> = []
    return Effect.gen(function*() {
      const it = yield* make({ members: ["slow"], capacity: 3, patience: 10_000 })
      for (let n = 0; n < 3; n++) it.group.deliver(item(n, 7))
      // Nobody else is there.
      yield* look(it.group, 60)
      assert.strictEqual(it.made.length, 3)
      it.group.enter([member("slow", 3), member("well", 9)])
      yield* look(it.group, 1)
      assert.deepStrictEqual(it.made.slice(3).map(({ again, id, n }) => [id, n, again]), [
        ["well", 0, true],
        ["well", 1, true],
        ["well", 2, true]
      ])
      assert.match(String(lines), /"slow" has acknowledged nothing of "mailers" for 10 s/)
      for (let n = 3; n < 9; n++) it.group.deliver(item(n, 7))
      assert.deepStrictEqual([...new Set(it.whom().slice(3))], ["well"])
      // What one of them has acknowledged is done with, at the other as well.
      for (const one of it.out().filter(({ id }) => id === "well")) yield* it.settle(one, Exit.void)
      assert.deepStrictEqual([it.group.pending, it.memory.used, it.out().length], [0, 0, 0])
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void lines.push(message))])))
  })

  it.effect("may acknowledge it all the same, and is then handed one, and as many as it says after another", () =>
    Effect.gen(function*() {
      const it = yield* make({ members: ["slow", "well"], policy: Balance.roundRobin, capacity: 4, patience: 10_000 })
      for (let n = 0; n < 4; n++) it.group.deliver(item(n))
      const at = (id: string) => it.out().filter((one) => one.id === id)
      for (const one of at("well")) yield* it.settle(one, Exit.void)
      yield* look(it.group, 11)
      assert.strictEqual(at("well").length, 2)
      // The other one is interrupted, and not handed out again.
      const late = at("slow")
      for (const one of late) yield* it.settle(one, Exit.void)
      assert.deepStrictEqual([it.group.pending, it.out().length], [0, 0])
      for (let n = 4; n < 12; n++) it.group.deliver(item(n))
      assert.deepStrictEqual([at("slow").length, at("well").length], [4, 4])
    }))

  it.effect("may do so, or give it back, before it is handed to another, and keeps what it has where nobody else had it since", () =>
    Effect.gen(function*() {
      for (const first of [1, 3]) {
        const it = yield* make({ members: ["slow"], capacity: 4, patience: 10_000 })
        for (let n = 0; n < 4; n++) it.group.deliver(item(n))
        it.group.enter([member("slow", 4), member("well", 1)])
        yield* look(it.group, 11)
        const at = (id: string) => it.out().filter((one) => one.id === id).map(({ n }) => n)
        // One is out, one looks for a place, and two wait for their turn.
        assert.deepStrictEqual(at("well"), [0])
        yield* it.settle(it.made[0]!, returned)
        yield* TestClock.adjust("1 second")
        yield* it.settle(it.made[first]!, Exit.void)
        assert.deepStrictEqual([it.group.pending, at("slow")], [3, [1, 2, 3].filter((n) => n !== first)])
        for (let n = 4; n < 6; n++) it.group.deliver(item(n))
        assert.deepStrictEqual(at("slow").slice(2), [4, 5])
        yield* it.settle(it.made[4]!, Exit.void)
        assert.strictEqual(it.made.length, 7)
        // It is slow again with what it kept.
        yield* look(it.group, 11)
        assert.strictEqual(at("well").length, 1)
        // What was given back is out at the other, and goes to nobody else.
        assert.strictEqual(it.made.filter(({ n }) => n === 0).length, 2)
        for (let i = 0; i < 4; i++) {
          for (const one of it.out().filter(({ id }) => id === "well")) yield* it.settle(one, Exit.void)
        }
        assert.deepStrictEqual([it.group.pending, it.out().length, it.memory.used], [0, 0, 0])
      }
    }).pipe(Effect.provide(Logger.layer([]))))

  it.effect("that has acknowledged nothing since is handed one at a time, whether it gave all back or came anew", () =>
    Effect.gen(function*() {
      for (const isAnew of [false, true]) {
        const it = yield* make({ members: ["slow", "well"], policy: Balance.roundRobin, capacity: 4, patience: 10_000 })
        const at = (id: string) => it.out().filter((one) => one.id === id)
        const both = [member("slow", 4), member("well", 4)]
        for (let n = 0; n < 2; n++) it.group.deliver(item(n))
        for (const one of at("well")) yield* it.settle(one, Exit.void)
        yield* look(it.group, 11)
        if (isAnew) {
          it.group.enter([member("well", 4)])
          it.group.enter(both)
        } else yield* it.settle(at("slow")[0]!, returned)
        for (const one of at("well")) yield* it.settle(one, Exit.void)
        for (let n = 2; n < 6; n++) it.group.deliver(item(n))
        assert.deepStrictEqual([at("slow").length, at("well").length], [1, 3])
        yield* it.settle(at("slow")[0]!, Exit.void)
        for (let n = 6; n < 12; n++) it.group.deliver(item(n))
        assert.deepStrictEqual([at("slow").length, at("well").length], [4, 4])
      }
    }).pipe(Effect.provide(Logger.layer([]))))

  it.effect("with one alone, of those that it takes its time for, has that one handed to others, and goes on", () =>
    Effect.gen(function*() {
      const it = yield* make({ members: ["a"], capacity: 3, patience: 10_000 })
      it.group.deliver(item(0))
      it.group.enter([member("a", 3), member("b", 0), member("c", 3, true)])
      for (let n = 1; n < 8; n++) {
        it.group.deliver(item(n))
        yield* look(it.group, 3)
        yield* it.settle(it.out().find((one) => one.n === n)!, Exit.void)
      }
      // None of the others takes anything.
      assert.strictEqual(it.made.length, 8)
      it.group.enter([member("a", 3), member("d", 3)])
      yield* look(it.group, 1)
      assert.deepStrictEqual(it.out().map(({ id, n }) => [id, n]), [["a", 0], ["d", 0]])
      for (let n = 8; n < 12; n++) it.group.deliver(item(n))
      assert.isAbove(it.out().filter(({ id, n }) => id === "a" && n > 0).length, 0)
    }))

  it.effect("keeps what it has where all others are as slow, and whoever has worked for long on one after another is not slow", () =>
    Effect.gen(function*() {
      const it = yield* make({ members: ["a", "b"], policy: Balance.roundRobin, capacity: 3, patience: 10_000 })
      for (let n = 0; n < 4; n++) it.group.deliver(item(n))
      yield* look(it.group, 60)
      assert.strictEqual(it.made.length, 4)
      // One that comes has all of it, and one of those that were slow does not count as another for it.
      it.group.enter([member("a", 3), member("b", 3), member("c", 9)])
      yield* look(it.group, 1)
      assert.deepStrictEqual(it.whom().slice(4), ["c", "c", "c", "c"])
      yield* look(it.group, 60)
      assert.strictEqual(it.made.length, 8)
      // Nobody is left out for those who do nothing.
      it.group.deliver(item(4))
      assert.strictEqual(it.whom().at(8), "c")
      const one = yield* make({ members: ["a", "b"], capacity: 8, patience: 10_000 })
      one.group.enter([member("a", 8)])
      for (let n = 0; n < 8; n++) one.group.deliver(item(n))
      one.group.enter([member("a", 8), member("b", 8)])
      for (let n = 0; n < 8; n++) {
        yield* look(one.group, 9)
        yield* one.settle(one.made[n]!, Exit.void)
      }
      assert.deepStrictEqual([one.made.length, one.group.pending], [8, 0])
    }))

  it.effect("is given up with what others have of it, where the group ends", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const it = yield* Scope.provide(make({ members: ["a", "b"], policy: Balance.roundRobin, patience: 1_000 }), scope)
      it.group.deliver(item(0, 5))
      yield* look(it.group, 2)
      assert.deepStrictEqual(it.out().map(({ id }) => id), ["a", "b"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual([it.out().length, it.memory.used], [0, 0])
    }))
})

describe("the end of a group", () => {
  it.effect("ends all that is out, waits or pauses, and gives back their memory, whenever it is", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const it = yield* Scope.provide(make({ members: ["a", "b"], pending: 10 }), scope)
      for (let n = 0; n < 10; n++) it.group.deliver(item(n, n))
      yield* it.settle(it.made[0]!, returned)
      yield* it.settle(it.out()[0]!, returned)
      yield* it.settle(it.out()[0]!, returned)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual([it.group.pending, it.memory.used, it.out().length], [0, 0, 0])
      const { length } = it.made
      yield* TestClock.adjust("1 hour")
      assert.isFalse(it.group.deliver(item(1)))
      assert.isFalse(it.group.hasRoom(1))
      it.group.enter([member("c")])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual([it.made.length, it.memory.used], [length, 0])
    }))

  it.effect("waits for what cannot be given up at once, and counts nothing twice that is done meanwhile", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const slow = yield* Deferred.make<void>()
      const it = yield* Scope.provide(
        make({
          members: ["a"],
          capacity: 2,
          // What is done is known as another one is given up.
          answer: ({ end, n }) =>
            n === 2 ? Deferred.await(end) : Effect.onInterrupt(Effect.never, () => {
              Deferred.doneUnsafe(it.made[1]!.end, Exit.void)
              return Deferred.await(slow)
            })
        }),
        scope
      )
      it.group.deliver(item(1, 7))
      it.group.deliver(item(2, 7))
      const closing = yield* fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(it.made[1]!.exit, Exit.void)
      assert.deepStrictEqual([it.memory.used, it.group.pending, closing.pollUnsafe()], [0, 0, undefined])
      yield* Deferred.succeed(slow, undefined)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual([it.memory.used, closing.pollUnsafe()], [0, Exit.void])
    }))
})

/** A member as it is, whatever the group is told of it. */
class Server {
  readonly id: string
  readonly capacity: number
  state: "well" | "frozen" | "returns" | "unreachable" = "well"
  out = 0
  lost = Deferred.makeUnsafe<never, Groups.Lost>()

  constructor(id: string, capacity: number) {
    this.id = id
    this.capacity = capacity
  }

  crash(): void {
    Deferred.doneUnsafe(this.lost, Exit.fail(new Groups.Lost()))
    this.lost = Deferred.makeUnsafe()
  }
}

describe("members that come, go, freeze, crash and give back", () => {
  const run = (seed: number, isCutShort: boolean, patience = Infinity) =>
    Effect.gen(function*() {
      const { next } = randomOf(seed)
      const below = (most: number) => Math.floor(next() * most)
      const pending = 64
      const memory = { used: 0, most: 2_000 }
      // Who is slow has it as well as who was handed it then.
      const isLate = patience < Infinity
      const holders = new Map<number, Server>()
      const handed = new Set<number>()
      const done = new Map<number, number>()
      const scope = yield* Scope.make()
      const group = yield* Scope.provide(
        Groups.make<Server, Item>({
          name: "mailers",
          policy: [undefined, Balance.roundRobin, Balance.consistentHash<any>({ by: ({ key }) => key })][seed % 3],
          pending,
          patience,
          has: (_, all) => memory.used + all <= memory.most,
          take: (bytes) => {
            if (memory.used + bytes > memory.most) return false
            memory.used += bytes
            return true
          },
          give: (bytes) => {
            memory.used -= bytes
          },
          attempt: (server, { payload: { n } }, again) =>
            Effect.suspend(() => {
              const holder = holders.get(n)
              if (holder !== undefined && !isLate) {
                assert.fail(`${n} is handed to ${server.id} while ${holder.id} has it`)
              }
              assert.strictEqual(again, handed.has(n), `${n}`)
              assert.isUndefined(done.get(n))
              handed.add(n)
              holders.set(n, server)
              assert.isAtMost(++server.out, server.capacity, server.id)
              const work = Effect.flatMap(
                Effect.sleep(1 + below(40)),
                (): Effect.Effect<void, Groups.Lost | Groups.Returned> => {
                  switch (server.state) {
                    case "well":
                      return Effect.sync(() => void done.set(n, (done.get(n) ?? 0) + 1))
                    case "frozen":
                      return Effect.never
                    case "returns":
                      return Effect.fail(new Groups.Returned())
                    case "unreachable":
                      return Effect.fail(new Groups.Lost())
                  }
                }
              )
              return Effect.onExit(Effect.raceFirst(work, Deferred.await(server.lost)), () =>
                Effect.sync(() => {
                  server.out--
                  if (holders.get(n) === server) holders.delete(n)
                }))
            })
        }),
        scope
      )
      let servers: Array<Server> = []
      const tell = () =>
        group.enter(
          servers.map((server) => ({ id: server.id, peer: server, capacity: server.capacity, draining: false }))
        )
      const states = ["well", "well", "frozen", "returns", "unreachable"] as const
      let sent = 0
      let refused = 0
      for (let step = 0; step < 100; step++) {
        const one = servers[below(servers.length)]
        switch (below(8)) {
          case 0:
            // What has left and comes back is another.
            if (servers.length < 5) servers.push(new Server(`s${below(5)}-${step}`, 1 + below(6)))
            tell()
            break
          case 1:
            if (one === undefined) break
            servers = servers.filter((other) => other !== one)
            // It is told before or after it is lost.
            if (next() < 0.5) one.crash()
            if (next() < 0.5) yield* TestClock.adjust(below(30))
            tell()
            break
          case 2:
            if (one !== undefined) one.state = states[below(states.length)]!
            break
          case 3:
            one?.crash()
        }
        for (let count = below(12); count > 0; count--) {
          const bytes = below(100)
          const hasRoom = group.hasRoom(bytes)
          assert.strictEqual(group.deliver(item(sent, bytes, `${sent % 7}`)), hasRoom)
          if (hasRoom) sent++
          else refused++
          assert.isAtMost(group.pending, pending)
        }
        yield* TestClock.adjust(below(3) === 0 ? below(2_000) : below(20))
        group.look()
      }
      if (isCutShort) {
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual([memory.used, group.pending, holders.size], [0, 0, 0])
        return { sent, refused }
      }
      for (const server of servers) {
        server.state = "well"
        server.crash()
      }
      servers.push(new Server("last", 2))
      tell()
      yield* TestClock.adjust("1 minute")
      if (!isLate) assert.deepStrictEqual([...done.values()].filter((count) => count !== 1), [])
      assert.deepStrictEqual([done.size, group.pending, memory.used, holders.size], [sent, 0, 0, 0])
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(memory.used, 0)
      return { sent, refused }
    }).pipe(
      Effect.provideService(Random.Random, randomOf(seed)),
      Effect.provide(Layer.merge(TestClock.layer(), Logger.layer([])))
    )

  it.effect("lose nothing, have each once at a time and no more than they take, and leave nothing behind", () =>
    Effect.gen(function*() {
      let refused = 0
      for (const seed of seeds) refused += (yield* run(seed, false)).refused
      assert.isAbove(refused, 0)
    }))

  it.effect("lose nothing where what is slow goes to others as well", () =>
    Effect.gen(function*() {
      for (const seed of seeds) yield* run(seed, false, 300)
    }))

  it.effect("take nothing of the memory with them where it ends meanwhile", () =>
    Effect.gen(function*() {
      for (const seed of seeds) yield* run(seed, true, seed % 2 === 0 ? Infinity : 300)
    }))
})
