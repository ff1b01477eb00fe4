/**
 * Runs swarms of nodes, one for each seed: `pnpm swarm --seeds 1000`. A seed that fails is printed with what went wrong and the
 * shortest list of steps found that still does. `pnpm swarm --seed 17` runs it again.
 *
 * - `--seeds N`: how many, 100 by default; `--from N`: the first, 1 by default
 * - `--seed N`: this one alone; `--verbose`: says what happens, as it happens
 * - `--nodes N`: so many nodes in each; `--seconds N`: virtual seconds of work and faults in each, 180 by default
 * - `--shrink N`: seconds to look for a shorter list of steps with, 60 by default
 * - `--stop N`: ends after so many failures, 5 by default
 */
import { Console, Effect } from "effect"
import { parseArgs } from "node:util"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { type Invariant, type Options, type Outcome, run } from "./swarm.ts"
import { format } from "./swarmPlan.ts"
import { shrink } from "./swarmShrink.ts"

const { values } = parseArgs({
  // pnpm hands on a `--` of its own.
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: {
    seeds: { type: "string", default: "100" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    nodes: { type: "string" },
    seconds: { type: "string" },
    shrink: { type: "string", default: "60" },
    stop: { type: "string", default: "5" },
    verbose: { type: "boolean", default: false }
  }
})

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void
const heap = () => {
  collect()
  return process.memoryUsage().heapUsed
}
// Errors are made by the thousand, and most of what one costs is its stack. They have one where they are looked at.
const stacks = (on: boolean) => {
  Error.stackTraceLimit = on ? 10 : 0
}
stacks(values.seed !== undefined)

/** What a run may leave in memory, in bytes. It grows by caches at first; after that by nothing. */
const leftBehind = 20_000

const optionsOf = (seed: number): Options => ({
  seed,
  nodes: values.nodes === undefined ? undefined : Number(values.nodes),
  seconds: values.seconds === undefined ? undefined : Number(values.seconds)
})

const busy = () => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1_000
}

const report = (seed: number, { passed, plan, problems }: Outcome, took: number) =>
  Console.log(
    `seed ${seed}: ${plan.nodes.length} nodes, ${plan.steps.length} steps, ${(passed / 1_000).toFixed(0)} s in ${
      (took / 1_000).toFixed(2)
    } s, ${problems.length === 0 ? "well" : `${problems.length} problems`}`
  )

const failed = (seed: number, outcome: Outcome) =>
  Effect.gen(function*() {
    yield* Console.log(`\nseed ${seed} FAILED`)
    for (const { at, invariant, text } of outcome.problems.slice(0, 10)) {
      yield* Console.log(`  at ${(at / 1_000).toFixed(3)} s: ${invariant}: ${text}`)
    }
    const invariants = new Set<Invariant>(outcome.problems.map(({ invariant }) => invariant))
    const found = yield* shrink(optionsOf(seed), invariants, Number(values.shrink) * 1_000)
    const { nodes, steps, ...world } = found.outcome.plan
    yield* Console.log(
      `  the shortest trace of ${found.runs} runs has ${found.kept.length} of ${steps.length} steps${
        found.complete ? "" : ", and there was no time to look for shorter ones"
      }:`
    )
    yield* Console.log(`  ${JSON.stringify(world)}`)
    for (const node of nodes) yield* Console.log(`  ${JSON.stringify(node)}`)
    for (const step of steps) {
      if (found.kept.includes(step.id)) yield* Console.log(`  ${format(step)}`)
    }
    for (const { at, invariant, text } of found.outcome.problems.slice(0, 3)) {
      yield* Console.log(`  at ${(at / 1_000).toFixed(3)} s: ${invariant}: ${text}`)
    }
    yield* Console.log(
      `  again: pnpm swarm --seed ${seed}${values.nodes === undefined ? "" : ` --nodes ${values.nodes}`}${
        values.seconds === undefined ? "" : ` --seconds ${values.seconds}`
      }\n`
    )
  })

const program = Effect.gen(function*() {
  const first = Number(values.seed ?? values.from)
  const last = values.seed === undefined ? first + Number(values.seeds) - 1 : first
  const begun = performance.now()
  const worked = busy()
  const totals: Record<string, number> = {}
  let seeds = 0
  let passed = 0
  let took = 0
  let failures = 0
  let shrinking = 0
  const heaps: Array<number> = []
  for (let seed = first; seed <= last && failures < Number(values.stop); seed++) {
    const before = busy()
    const outcome = yield* run({
      ...optionsOf(seed),
      log: values.verbose ? (line) => console.log(line) : undefined
    })
    const used = busy() - before
    seeds++
    passed += outcome.passed
    took += used
    for (const [key, count] of Object.entries(outcome.counts)) totals[key] = (totals[key] ?? 0) + count
    if (values.seed !== undefined) yield* report(seed, outcome, used)
    if (outcome.problems.length > 0) {
      failures++
      const before = busy()
      stacks(true)
      yield* failed(seed, outcome)
      stacks(values.seed !== undefined)
      shrinking += busy() - before
    }
    if (seeds % 50 === 0) {
      heaps.push(heap())
      yield* Console.log(
        `${seeds} seeds, ${failures} failed, ${(seeds / (took / 1_000)).toFixed(2)} seeds/s, ${
          (passed / took).toFixed(0)
        } times real time, ${(heaps[heaps.length - 1]! / 1e6).toFixed(1)} MB`
      )
    }
  }
  yield* Console.log("")
  for (const key of Object.keys(totals).sort()) yield* Console.log(`${String(totals[key]).padStart(8)} ${key}`)
  // Of the second half, when all caches are full.
  const later = heaps.slice(heaps.length >> 1)
  const growth = later.length < 3 ? 0 : (later[later.length - 1]! - later[0]!) / (50 * (later.length - 1))
  yield* Console.log(
    `\n${seeds} seeds, ${failures} failed: ${(passed / 1_000).toFixed(0)} virtual seconds in ${
      (took / 1_000).toFixed(1)
    } s of one core, ${(passed / took).toFixed(0)} times real time, ${(seeds / (took / 1_000)).toFixed(2)} seeds/s`
      + ` (${((performance.now() - begun) / 1_000).toFixed(0)} s by the clock, ${
        ((busy() - worked - shrinking) / 1_000).toFixed(0)
      } s of work)`
      + (later.length < 3 ? "" : `; a seed leaves ${growth.toFixed(0)} bytes`)
  )
  if (growth > leftBehind) {
    failures++
    yield* Console.log(`memory grows with the seeds: by ${growth.toFixed(0)} bytes each, over ${leftBehind}`)
  }
  if (failures > 0) process.exitCode = 1
})

await Effect.runPromise(program)
