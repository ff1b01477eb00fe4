/** The order of events, whichever way they are held. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect } from "effect"
import { TestClock } from "effect/testing"
import { Engine, type Timer } from "../src/internal/engine.ts"
import { Prng } from "../src/internal/prng.ts"

describe("Engine", () => {
  it.effect("runs events by their time, those of one time in the order in which they were scheduled", () =>
    Effect.gen(function*() {
      const engine = new Engine(yield* Clock.Clock, Context.empty())
      const prng = new Prng("order")
      const ran: Array<{ readonly time: number; readonly order: number }> = []
      const timers: Array<Timer> = []
      let order = 0
      let cancelled = 0
      const add = (time: number) => {
        const mine = order++
        timers.push(engine.schedule(time, () => {
          ran.push({ time, order: mine })
          // For this very instant too, and for one that shares its place with others.
          if (prng.chance(0.2)) add(prng.chance(0.5) ? time : time + 64)
        }))
      }
      for (let i = 0; i < 3_000; i++) {
        add(prng.chance(0.8) ? 1 + prng.below(300) : prng.double() * 300)
        if (prng.chance(0.3)) {
          const timer = timers[prng.below(timers.length)]!
          if (timer.run !== undefined) cancelled++
          engine.cancel(timer)
        }
      }
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(ran.length, order - cancelled)
      for (let i = 1; i < ran.length; i++) {
        const [before, after] = [ran[i - 1]!, ran[i]!]
        assert.isTrue(before.time < after.time || before.time === after.time && before.order < after.order)
      }
      engine.close()
    }))

  it.effect("lets others in where events of one instant go on and on", () =>
    Effect.gen(function*() {
      const engine = new Engine(yield* Clock.Clock, Context.empty())
      let ran = 0
      const again = () => {
        if (++ran < 25_000) engine.schedule(1, again)
      }
      for (let i = 0; i < 3; i++) engine.schedule(1, again)
      yield* TestClock.adjust("1 millis")
      for (let i = 0; i < 10 && ran < 25_000; i++) yield* Effect.yieldNow
      assert.isAtLeast(ran, 25_000)
      engine.close()
    }))

  it("is woken by a clock that can call, and by nothing that it took back", () => {
    let now = 0
    const alarms: Array<{ readonly at: number; ring: (() => void) | undefined }> = []
    const clock = {
      monotonicTimeNanosUnsafe: () => BigInt(Math.round(now * 1e6)),
      sleep: () => Effect.die(new Error("nobody sleeps")),
      alarm: (millis: number, ring: () => void) => {
        const alarm: typeof alarms[number] = { at: now + millis, ring }
        alarms.push(alarm)
        return () => {
          alarm.ring = undefined
        }
      }
    } as unknown as Clock.Clock
    const waiting = () => alarms.filter(({ ring }) => ring !== undefined)
    const until = (time: number) => {
      for (now = 0.5; now <= time; now += 0.5) {
        for (const alarm of waiting()) {
          if (alarm.at > now) continue
          const { ring } = alarm
          alarm.ring = undefined
          ring!()
        }
      }
    }
    const engine = new Engine(clock, Context.empty())
    const ran: Array<string> = []
    engine.schedule(5, () => ran.push("late"))
    engine.schedule(2.5, () => {
      ran.push("soon")
      engine.schedule(4, () => ran.push("next"))
    })
    engine.schedule(50, () => ran.push("never"))
    assert.deepStrictEqual(waiting().map(({ at }) => at), [2.5])
    until(10)
    assert.deepStrictEqual(ran, ["soon", "next", "late"])
    assert.strictEqual(waiting().length, 1)
    engine.close()
    assert.strictEqual(waiting().length, 0)
  })
})
