/**
 * What a benchmark can be run under besides a quiet machine: little memory, one core, latency, a busy neighbour. All of it is of the worker processes,
 * and what cannot be had on a machine is said and left out.
 */
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { spawn, spawnSync } from "node:child_process"

/** What a benchmark is run under. */
export interface Conditions {
  /** MiB of each process's heap. */
  readonly memory?: number | undefined
  /** 1 where both processes have one core together. */
  readonly cores?: number | undefined
  /** What every packet takes one way, as `tc` writes it: `1ms`. */
  readonly latency?: string | undefined
  /** Whether a process that does not belong to the benchmark keeps the machine busy. */
  readonly neighbour?: boolean | undefined
}

/** The conditions of this run. */
export const Current: Context.Reference<Conditions> = Context.Reference("@pnet/bench/Conditions", {
  defaultValue: (): Conditions => ({})
})

/**
 * What V8 is told of so much memory. The young generation, which is not part of the old space, gets a thirty-second of it for each of its halves: that is
 * where calls allocate, and a small one is collected often.
 */
export const flagsOf = ({ memory }: Conditions): ReadonlyArray<string> =>
  memory === undefined
    ? []
    : [`--max-old-space-size=${memory}`, `--max-semi-space-size=${Math.max(1, Math.floor(memory / 32))}`]

/** What differs from a quiet machine, for people. */
export const describe = ({ latency, memory, neighbour }: Conditions): ReadonlyArray<string> => [
  ...memory === undefined ? [] : [`${memory} MiB of heap for each process`],
  // The process that is in the network with latency has it in its environment; its parent may not have been able to make one.
  ...latency === undefined || process.env[variable] === undefined ? [] : [`${latency} more latency each way`],
  ...neighbour === true ? ["a busy neighbour"] : []
]

const variable = "PNET_BENCH_LATENCY"

const setup = `ip link set lo up && tc qdisc add dev lo root netem delay "$0"`

// As root, or as a user who is root in a user namespace of its own.
const ways = [["-n"], ["-U", "-r", "-n"]] as const

/** Which way there is to a network with so much latency, or why there is none. */
const wayTo = (latency: string): { readonly way: ReadonlyArray<string> } | { readonly reason: string } => {
  let reason = ""
  for (const way of ways) {
    const { error, status, stderr } = spawnSync("unshare", [...way, "sh", "-c", setup, latency], {
      encoding: "utf8",
      timeout: 5_000
    })
    if (status === 0) return { way }
    reason = error === undefined ? stderr.trim().split("\n")[0]! : "there is no unshare"
  }
  return { reason }
}

/** This very command again, in a network of its own; its exit code is ours. */
const again = (way: ReadonlyArray<string>, latency: string): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const child = spawn(
      "unshare",
      [
        ...way,
        "sh",
        "-c",
        `${setup} && exec "$@"`,
        latency,
        process.execPath,
        ...process.execArgv,
        ...process.argv.slice(1)
      ],
      { stdio: "inherit", env: { ...process.env, [variable]: latency } }
    )
    child.once("error", (error) => resume(Effect.die(error)))
    child.once("exit", (code) => {
      process.exitCode = code ?? 1
      resume(Effect.void)
    })
    return Effect.sync(() => void child.kill())
  })

/** Runs a benchmark under conditions: in a network with latency where one is asked for and can be made, else here. */
export const under = <E>(conditions: Conditions, run: Effect.Effect<void, E>): Effect.Effect<void, E> =>
  Effect.gen(function*() {
    const { latency } = conditions
    const here = Effect.provideService(run, Current, conditions)
    if (latency === undefined || process.env[variable] !== undefined) return yield* here
    const found = wayTo(latency)
    if ("way" in found) return yield* again(found.way, latency)
    yield* Console.log(`Latency may not be had here, so there is none: ${found.reason}\n`)
    return yield* here
  })
