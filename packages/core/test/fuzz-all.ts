/**
 * Feeds every layer, and whole nodes, with altered bytes for a while, and watches what they hold:
 *
 *     pnpm fuzz                      for a minute
 *     pnpm fuzz 600                  for so many seconds
 *     pnpm fuzz 600 frames           one target alone: a layer's, or `nodes`, or `sessions`
 *     pnpm fuzz case frames/7/113    one case again, or one seed: `sessions/7`
 *
 * It begins where no run began before, unless the environment has a seed (FUZZ_SEED). What breaks a rule is printed with what makes
 * it again; a layer's case is kept in the corpus, too, for the tests. Memory is measured after collecting garbage.
 */
import { Clock, Console, Effect } from "effect"
import { TestClock } from "effect/testing"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { fuzz } from "./fuzzing.ts"
import { fuzzSessions } from "./fuzzSessions.ts"
import * as Fuzz from "./fuzzTargets.ts"

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")
const heap = () => {
  collect()
  return process.memoryUsage().heapUsed / 1_048_576
}

interface Round {
  readonly cases: number
  readonly failures: ReadonlyArray<string>
}

const inVirtualTime = <A, E>(effect: Effect.Effect<A, E>) => Effect.provide(effect, TestClock.layer(), { local: true })

const nodes = (seed: number): Effect.Effect<Round, unknown> =>
  Effect.map(inVirtualTime(fuzz({ seed, cases: 1_000, encrypted: seed % 2 === 0 })), (result) => ({
    cases: result.cases,
    failures: result.defects.length > 0 || !result.served || result.left > 0
      ? [`case nodes/${seed}: ${JSON.stringify(result)}`]
      : []
  }))

const sessions = (seed: number): Effect.Effect<Round> =>
  Effect.map(inVirtualTime(fuzzSessions({ seed, cases: 200 })), ({ cases, problems }) => ({
    cases,
    failures: problems.map((problem) => `case sessions/${seed}: ${problem}`)
  }))

const layer = (target: Fuzz.Target) => (seed: number): Effect.Effect<Round> =>
  Effect.sync(() => {
    const { cases, failures } = Fuzz.run(target, { seed, cases: Math.ceil(4_000 / target.cost) })
    return {
      cases,
      failures: failures.map(({ bytes, folder, seed, why }) =>
        `case ${seed}: ${why}\n  kept in ${Fuzz.keep(folder, bytes, why)}`
      )
    }
  })

const all = Effect.map(Fuzz.targets, (targets) =>
  new Map<string, (seed: number) => Effect.Effect<Round, unknown>>([
    ...targets.map((target) => [target.name, layer(target)] as const),
    ["nodes", nodes],
    ["sessions", sessions]
  ]))

const once = (name: string) =>
  Effect.gen(function*() {
    const [target, seed, index] = name.split("/")
    const layers = yield* Fuzz.targets
    const found = layers.find(({ name }) => name === target)
    if (found !== undefined && index !== undefined) {
      const { bytes, why } = Fuzz.again(found, name)
      yield* Console.log(`${bytes.length} bytes: ${Buffer.from(bytes.subarray(0, 4_000)).toString("hex")}`)
      yield* Console.log(why ?? "no rule is broken")
      return why === undefined
    }
    const { failures } = yield* (yield* all).get(target!)!(Number(seed))
    for (const failure of failures) yield* Console.log(failure)
    return failures.length === 0
  })

const forSeconds = (seconds: number, only: string | undefined) =>
  Effect.gen(function*() {
    const begin = yield* Clock.currentTimeMillis
    const end = begin + seconds * 1_000
    const chosen = [...yield* all].filter(([name]) => only === undefined || name === only)
    if (chosen.length === 0) return yield* Effect.die(new Error(`no target is called ${only}`))
    const counts = new Map(chosen.map(([name]) => [name, { cases: 0, failures: 0, millis: 0 }]))
    const first = Number(process.env.FUZZ_SEED ?? Math.floor(begin / 1_000) % 100_000_000)
    let base = 0
    let most = 0
    let rounds = 0
    yield* Console.log(`seeds from ${first} on`)
    const broken = (yield* Fuzz.targets).flatMap(Fuzz.replay)
    for (const { item, problem } of broken) yield* Console.log(`the corpus's ${item.file}: ${problem}`)
    for (let seed = first; (yield* Clock.currentTimeMillis) < end; seed++) {
      for (const [name, target] of chosen) {
        const began = yield* Clock.currentTimeMillis
        if (began >= end) break
        const { cases, failures } = yield* target(seed)
        const count = counts.get(name)!
        count.cases += cases
        count.failures += failures.length
        count.millis += (yield* Clock.currentTimeMillis) - began
        for (const failure of failures) yield* Console.log(failure)
      }
      const held = heap()
      // The first rounds warm up caches and compiled code.
      if (++rounds === 2) base = held
      if (rounds > 2) most = Math.max(most, held)
    }
    for (const [name, { cases, failures, millis }] of counts) {
      yield* Console.log(
        `${name.padEnd(20)} ${String(cases).padStart(9)} cases, ${
          String(Math.round(cases / Math.max(millis, 1) * 1_000)).padStart(6)
        } a second, ${failures} failures`
      )
    }
    if (rounds > 2) {
      yield* Console.log(
        `heap after the second round ${base.toFixed(1)} MiB, at most ${most.toFixed(1)} MiB after any later one`
      )
    }
    return broken.length === 0 && [...counts.values()].every(({ failures }) => failures === 0) &&
      (rounds <= 2 || most <= base + 16)
  })

const [first = "60", second] = process.argv.slice(2)
if (!await Effect.runPromise(first === "case" ? once(second!) : forSeconds(Number(first), second))) process.exitCode = 1
