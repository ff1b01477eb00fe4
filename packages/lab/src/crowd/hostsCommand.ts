/** `pnpm lab crowd hosts`: real processes on several hosts, and whether they do what the simulation says. */
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Flags from "../harness/flags.ts"
import * as Seeds from "../harness/seeds.ts"
import { table } from "../harness/table.ts"
import { forbidden } from "../processes/namespaces.ts"
import { measure, type Measured } from "./hosts.ts"

/** In milliseconds, at the usual interval: what the simulation says of a LAN on which nothing is lost. */
const soon = { known: 1_000, knows: 2_000, left: 1_000, gone: 12_000, goneOfCrowd: 15_000 }
// More than that, where so many processes share few processors.
const share = 1_000

const shown = (times: ReadonlyArray<number>) =>
  times.length === 0
    ? "never"
    : `${Math.round(times[times.length >> 1]!)}, ${Math.round(times.at(-1)!)} (${times.length})`

/** What took longer than the simulation says. */
const problemsOf = (one: Measured, processes: number, interval: number) => {
  const gone = (processes / interval > one.budget ? soon.goneOfCrowd : soon.gone) * interval / 2.5
  const late = (what: string, times: ReadonlyArray<number>, count: number, limit: number) =>
    times.length === count && times.at(-1)! <= limit + share
      ? []
      : [
        `budget ${one.budget}: ${what}: ${
          shown(times)
        } of ${count}, at most ${limit} ms and ${share} for shared processors`
      ]
  return [
    ...(one.together === Infinity ? [`budget ${one.budget}: not all knew each other`] : []),
    ...late("known", one.known, processes, soon.known),
    ...late("knows", one.knows, processes, soon.knows),
    ...late("left", one.left, processes - 1, soon.left),
    ...late("killed", one.killed, processes - 2, gone),
    ...late("crashed", one.crashed, processes - 2, gone),
    ...one.falseLosses.map((text) => `budget ${one.budget}: ${text}`)
  ]
}

/** Hosts of a crowd. */
export const hosts = Command.make("hosts", {
  processes: Flags.count("processes", 60, "How many processes, on three hosts", 192),
  budgets: Flags.counts("budget", [40, 8], "Adverts a second on a whole LAN, each a network of its own", 10_000),
  interval: Flags.positive("interval", 2.5, "Seconds between a node's adverts where there are few"),
  quiet: Flags.positive("quiet", 10, "Seconds for which broadcasts are counted")
}, ({ budgets, interval, processes, quiet }) =>
  Effect.gen(function*() {
    if (forbidden !== undefined) return yield* Console.log(`nothing was run: ${forbidden}`)
    const { log } = yield* Console.Console
    const found = yield* measure({ processes, budgets, interval, quiet, log })
    yield* Console.log(table(
      ["budget", "start", "broadcasts/s", "known", "knows", "leaver", "killed", "crashed host", "false losses"],
      found.map((one) => [
        `${one.budget}`,
        `${Math.round(one.together)}`,
        one.broadcasts.toFixed(1),
        shown(one.known),
        shown(one.knows),
        shown(one.left),
        shown(one.killed),
        shown(one.crashed),
        `${one.falseLosses.length}`
      ])
    ))
    yield* Console.log("in milliseconds: the median, the last, and of how many nodes")
    const problems = found.flatMap((one) => problemsOf(one, processes, interval))
    for (const problem of problems) yield* Console.log(problem)
    yield* Seeds.foundIf(problems.length > 0)
  })).pipe(
    Command.withDescription(
      "Processes on three hosts that are network namespaces: how soon their nodes know, miss and lose each other, as the simulation says"
    )
  )
