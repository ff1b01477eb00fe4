/**
 * Feeds nodes arbitrary bytes for a while and watches what they hold: `pnpm fuzz`, or with a number of seconds `pnpm fuzz 600`.
 * A failing seed is printed, and fails again. Memory is measured after collecting garbage.
 */
import { Clock, Console, Effect } from "effect"
import { TestClock } from "effect/testing"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { fuzz } from "./fuzzing.ts"

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")
const heap = () => {
  collect()
  return process.memoryUsage().heapUsed / 1_048_576
}

const seconds = Number(process.argv[2] ?? 60)

const program = Effect.gen(function*() {
  const end = (yield* Clock.currentTimeMillis) + seconds * 1_000
  let cases = 0
  let failures = 0
  let base = 0
  let most = 0
  let seed = 1
  for (; (yield* Clock.currentTimeMillis) < end; seed++) {
    const result = yield* Effect.provide(fuzz({ seed, cases: 1_000, encrypted: seed % 2 === 0 }), TestClock.layer())
    cases += result.cases
    if (result.defects.length > 0 || !result.served || result.left > 0) {
      failures++
      yield* Console.log(`seed ${seed} failed:`, result)
    }
    const held = heap()
    // The first runs warm up caches and compiled code.
    if (seed === 3) base = held
    if (seed > 3) most = Math.max(most, held)
  }
  yield* Console.log(`${cases} cases from ${seed - 1} seeds in ${seconds} s: ${failures} failures`)
  yield* Console.log(
    `heap after the third seed ${base.toFixed(1)} MiB, at most ${most.toFixed(1)} MiB after any later one`
  )
  if (failures > 0 || most > base + 16) process.exitCode = 1
})

await Effect.runPromise(program)
