/**
 * `pnpm lab fuzz`: every layer, and whole nodes, are fed with altered bytes for a while, and what they hold is watched.
 *
 * What breaks a rule is printed with what makes it again; a layer's case is kept in the corpus, too, for the tests. Memory is
 * measured after collecting garbage.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Flags from "../harness/flags.ts"
import * as Memory from "../harness/memory.ts"
import * as Seeds from "../harness/seeds.ts"
import { keep } from "./corpus.ts"
import { fuzz as fuzzNodes } from "./nodes.ts"
import * as Run from "./run.ts"
import { fuzzSessions } from "./sessions.ts"
import type { Target } from "./target.ts"
import { targets } from "./targets.ts"

const heap = () => Memory.heap() / 1_048_576

interface Round {
  readonly cases: number
  readonly failures: ReadonlyArray<string>
}

const inVirtualTime = <A, E>(effect: Effect.Effect<A, E>) => Effect.provide(effect, TestClock.layer(), { local: true })

const nodes = (seed: number): Effect.Effect<Round, unknown> =>
  Effect.map(inVirtualTime(fuzzNodes({ seed, cases: 1_000, encrypted: seed % 2 === 0 })), (result) => ({
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

const layer = (target: Target) => (seed: number): Effect.Effect<Round> =>
  Effect.sync(() => {
    const { cases, failures } = Run.run(target, { seed, cases: Math.ceil(4_000 / target.cost) })
    return {
      cases,
      failures: failures.map(({ bytes, folder, seed, why }) =>
        `case ${seed}: ${why}\n  kept in ${keep(folder, bytes, why)}`
      )
    }
  })

const all = Effect.map(targets, (targets) =>
  new Map<string, (seed: number) => Effect.Effect<Round, unknown>>([
    ...targets.map((target) => [target.name, layer(target)] as const),
    ["nodes", nodes],
    ["sessions", sessions]
  ]))

const once = (name: string) =>
  Effect.gen(function*() {
    const [target, seed, index] = name.split("/")
    const layers = yield* targets
    const found = layers.find(({ name }) => name === target)
    if (found !== undefined && index !== undefined) {
      const { bytes, why } = Run.again(found, name)
      yield* Console.log(`${bytes.length} bytes: ${Buffer.from(bytes.subarray(0, 4_000)).toString("hex")}`)
      yield* Console.log(why ?? "no rule is broken")
      return why === undefined
    }
    const round = (yield* all).get(target!)
    if (round === undefined) return yield* Effect.die(new Error(`no target is called ${target}`))
    const { failures } = yield* round(Number(seed))
    for (const failure of failures) yield* Console.log(failure)
    return failures.length === 0
  })

const forSeconds = (seconds: number, only: string | undefined, seed: number | undefined) =>
  Effect.gen(function*() {
    const begin = yield* Clock.currentTimeMillis
    const end = begin + seconds * 1_000
    const chosen = [...yield* all].filter(([name]) => only === undefined || name === only)
    if (chosen.length === 0) return yield* Effect.die(new Error(`no target is called ${only}`))
    const counts = new Map(chosen.map(([name]) => [name, { cases: 0, failures: 0, millis: 0 }]))
    const first = seed ?? Math.floor(begin / 1_000) % 100_000_000
    let base = 0
    let most = 0
    let rounds = 0
    yield* Console.log(`seeds from ${first} on`)
    const broken = (yield* targets).flatMap(Run.replay)
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

const again = Command.make("case", {
  name: Argument.String("name").pipe(Argument.withDescription("A case, as frames/7/113, or a seed, as sessions/7"))
}, ({ name }) => Effect.flatMap(once(name), (well) => Seeds.foundIf(!well))).pipe(
  Command.withDescription("One case again, or all of one seed")
)

/** Altered bytes. */
export const fuzz = Command.make("fuzz", {
  seconds: Flags.positive("seconds", 60, "For so long"),
  only: Flags.optional(Flag.String("only"), "One target alone: a layer's, or `nodes`, or `sessions`"),
  seed: Flags.optional(Flag.Int("seed"), "The first seed (default: where no run began before)")
}, ({ only, seconds, seed }) => Effect.flatMap(forSeconds(seconds, only, seed), (well) => Seeds.foundIf(!well))).pipe(
  Command.withDescription("Every decoder from a corpus, and nodes whose peer holds a key and lies"),
  Command.withExamples([
    { command: "pnpm lab fuzz --seconds 600 --only frames", description: "One target for ten minutes" },
    { command: "pnpm lab fuzz case frames/7/113", description: "A case again" }
  ]),
  Command.withSubcommands([again])
)
