/**
 * `pnpm lab swarm`: swarms of nodes, one for each seed. A seed that fails is printed with what went wrong and the shortest list of
 * steps found that still does.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Flags from "../harness/flags.ts"
import { heap } from "../harness/memory.ts"
import * as Seeds from "../harness/seeds.ts"
import type { Invariant } from "./journal.ts"
import { format } from "./plan.ts"
import { shrink } from "./shrink.ts"
import { type Outcome, run } from "./swarm.ts"
import type { Options } from "./world.ts"

// Errors are made by the thousand, and most of what one costs is its stack. They have one where they are looked at.
const stacks = (on: boolean) => {
  Error.stackTraceLimit = on ? 10 : 0
}

/** What a run may leave in memory, in bytes. It grows by caches at first; after that by nothing. */
const leftBehind = 20_000

const busy = () => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1_000
}

const flags = {
  ...Seeds.flags(100),
  nodes: Flags.optional(Flag.Int("nodes"), "So many nodes in each (default: each draws its own number)"),
  seconds: Flags.optional(Flag.Finite("seconds"), "Virtual seconds of work and faults in each (default 180)"),
  shrink: Flags.count("shrink", 60, "Seconds to look for a shorter list of steps with"),
  stop: Flags.count("stop", 5, "Ends after so many failures"),
  verbose: Flag.Boolean("verbose").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Says what happens, as it happens")
  )
}

type Values = Command.Command.Config.Infer<typeof flags>

const optionsOf = ({ nodes, seconds }: Values, seed: number): Options => ({ seed, nodes, seconds })

const report = (seed: number, { passed, plan, problems }: Outcome, took: number) =>
  Console.log(
    `seed ${seed}: ${plan.nodes.length} nodes, ${plan.steps.length} steps, ${(passed / 1_000).toFixed(0)} s in ${
      (took / 1_000).toFixed(2)
    } s, ${problems.length === 0 ? "well" : `${problems.length} problems`}`
  )

const failed = (values: Values, seed: number, outcome: Outcome) =>
  Effect.gen(function*() {
    yield* Console.log(`\nseed ${seed} FAILED`)
    for (const { at, invariant, text } of outcome.problems.slice(0, 10)) {
      yield* Console.log(`  at ${(at / 1_000).toFixed(3)} s: ${invariant}: ${text}`)
    }
    const invariants = new Set<Invariant>(outcome.problems.map(({ invariant }) => invariant))
    const found = yield* shrink(optionsOf(values, seed), invariants, values.shrink * 1_000)
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
      `  again: pnpm lab swarm --seed ${seed}${values.nodes === undefined ? "" : ` --nodes ${values.nodes}`}${
        values.seconds === undefined ? "" : ` --seconds ${values.seconds}`
      }\n`
    )
  })

/** Swarms. */
export const swarm = Command.make("swarm", flags, (values) =>
  Effect.gen(function*() {
    stacks(values.seed !== undefined)
    const { first, last } = Seeds.range(values)
    const output = yield* Console.Console
    const begun = performance.now()
    const worked = busy()
    const totals: Record<string, number> = {}
    let seeds = 0
    let passed = 0
    let took = 0
    let failures = 0
    let shrinking = 0
    const heaps: Array<number> = []
    for (let seed = first; seed <= last && failures < values.stop; seed++) {
      const before = busy()
      const outcome = yield* run({
        ...optionsOf(values, seed),
        log: values.verbose ? (line) => output.log(line) : undefined
      })
      const used = busy() - before
      seeds++
      passed += outcome.passed
      took += used
      Seeds.add(totals, outcome.counts)
      if (values.seed !== undefined) yield* report(seed, outcome, used)
      if (outcome.problems.length > 0) {
        failures++
        const before = busy()
        stacks(true)
        yield* failed(values, seed, outcome)
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
    yield* Seeds.printTotals(totals)
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
    yield* Seeds.foundIf(failures > 0)
  })).pipe(
    Command.withDescription("Random networks under random work and faults; a failure is shrunk to a short trace"),
    Command.withExamples([
      { command: "pnpm lab swarm --seeds 1000", description: "A thousand of them" },
      { command: "pnpm lab swarm --seed 17 --verbose", description: "One again, with what happens in it" }
    ])
  )
