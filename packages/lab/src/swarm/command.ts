/**
 * `pnpm lab swarm`: swarms of nodes, one for each seed. A seed that fails is printed with what went wrong and the shortest list of
 * steps found that still does.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { availableParallelism } from "node:os"
import * as Flags from "../harness/flags.ts"
import * as Seeds from "../harness/seeds.ts"
import { makeJob, start } from "./jobs.ts"
import type { Invariant } from "./journal.ts"
import { format } from "./plan.ts"
import { makeRun, type Run, type Told, type Which } from "./seed.ts"
import { shrink } from "./shrink.ts"
import { begin } from "./sofar.ts"
import { makeSums } from "./sums.ts"

// Errors are made by the thousand, and most of what one costs is its stack. They have one where they are looked at.
const stacks = (on: boolean) => {
  Error.stackTraceLimit = on ? 10 : 0
}

/** What a run may leave in memory, in bytes. It grows by caches at first; after that by nothing. */
const leftBehind = 20_000

/** Seeds of a process after which it looks at what it holds. */
const each = 25

const flags = {
  ...Seeds.flags(100),
  nodes: Flags.optional(Flag.Int("nodes"), "So many nodes in each (default: each draws its own number)"),
  seconds: Flags.optional(Flag.Finite("seconds"), "Virtual seconds of work and faults in each (default 180)"),
  shrink: Flags.count("shrink", 60, "Seconds to look for a shorter list of steps with"),
  jobs: Flags.count(
    "jobs",
    availableParallelism(),
    "Processes, which run a seed each at a time: one for each core; one alone with --seed or --verbose"
  ),
  stop: Flags.count("stop", 5, "Ends after so many failures"),
  verbose: Flag.Boolean("verbose").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Says what happens, as it happens")
  )
}

type Values = Command.Command.Config.Infer<typeof flags>

const whichOf = ({ nodes, seconds }: Values, seed: number): Which => ({ seed, nodes, seconds })

const report = (seed: number, { nodes, passed, problems, steps, took }: Told) =>
  Console.log(
    `seed ${seed}: ${nodes} nodes, ${steps} steps, ${(passed / 1_000).toFixed(0)} s in ${
      (took / 1_000).toFixed(2)
    } s, ${problems.length === 0 ? "well" : `${problems.length} problems`}`
  )

const again = ({ nodes, seconds }: Values, seed: number) =>
  `  again: pnpm lab swarm --seed ${seed}${nodes === undefined ? "" : ` --nodes ${nodes}`}${
    seconds === undefined ? "" : ` --seconds ${seconds}`
  }\n`

const failed = (values: Values, seed: number, outcome: Told, isEnough: boolean) =>
  Effect.gen(function*() {
    yield* Console.log(`\nseed ${seed} FAILED`)
    for (const { at, invariant, text } of outcome.problems.slice(0, 10)) {
      yield* Console.log(`  at ${(at / 1_000).toFixed(3)} s: ${invariant}: ${text}`)
    }
    // What ended one process would end this one.
    if (isEnough || outcome.ended === true) return yield* Console.log(again(values, seed))
    const invariants = new Set<Invariant>(outcome.problems.map(({ invariant }) => invariant))
    const found = yield* shrink(whichOf(values, seed), invariants, values.shrink * 1_000)
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
    yield* Console.log(again(values, seed))
  })

/** Who runs them: this process where there is one job, or where somebody wants to see what happens as it happens. */
const makeRuns = (values: Values, seeds: number): Effect.Effect<ReadonlyArray<Run>, never, Scope.Scope> => {
  const jobs = Math.min(values.jobs, seeds)
  if (jobs === 1 || values.seed !== undefined || values.verbose) return Effect.succeed([makeRun(each)])
  return Effect.forEach(Array.from({ length: jobs }), () => makeJob(start(each)), { concurrency: "unbounded" })
}

/** Swarms. */
export const swarm = Command.make("swarm", flags, (values) =>
  Effect.gen(function*() {
    const limit = Error.stackTraceLimit
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        Error.stackTraceLimit = limit
      })
    )
    stacks(values.seed !== undefined)
    const { first, last } = yield* Seeds.range(values)
    const output = yield* Console.Console
    const log = values.verbose ? (line: string) => output.log(line) : undefined
    const sums = makeSums()
    // What is said of one seed is said in one piece.
    const saying = yield* Semaphore.make(1)
    const say = (seed: number, told: Told) =>
      Effect.gen(function*() {
        // Those that ran when it was reached are told of, and no more.
        const isEnough = sums.failures() >= values.stop
        sums.add(told)
        if (values.seed !== undefined) yield* report(seed, told)
        if (told.problems.length > 0) {
          stacks(true)
          yield* failed(values, seed, told, isEnough)
          stacks(values.seed !== undefined)
        }
        const progress = sums.progress()
        if (progress !== undefined) yield* Console.log(progress)
      })
    const runs = yield* makeRuns(values, last - first + 1)
    let next = first
    const work = (run: Run) =>
      Effect.gen(function*() {
        while (next <= last && sums.failures() < values.stop) {
          const seed = next++
          const told = yield* run(whichOf(values, seed), log)
          yield* saying.withPermits(1)(say(seed, told))
          // A swarm in this process lets nothing else in while it runs: no timer, and no Ctrl-C.
          yield* Effect.sleep(0)
        }
      })
    const { during, total } = yield* begin(sums, runs.length)
    yield* during(Effect.forEach(runs, work, { concurrency: "unbounded", discard: true }))
    const growth = yield* total
    const grows = growth !== undefined && growth > leftBehind
    if (grows) yield* Console.log(`memory grows with the seeds: by ${growth.toFixed(0)} bytes each, over ${leftBehind}`)
    yield* Seeds.foundIf(grows || sums.failures() > 0)
  }).pipe(Effect.scoped)).pipe(
    Command.withDescription("Random networks under random work and faults; a failure is shrunk to a short trace"),
    Command.withExamples([
      { command: "pnpm lab swarm --seeds 1000", description: "A thousand of them" },
      { command: "pnpm lab swarm --seed 17 --verbose", description: "One again, with what happens in it" }
    ])
  )
