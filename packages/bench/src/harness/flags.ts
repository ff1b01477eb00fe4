/** The flags that several benchmarks have. */
import { count, counts, optional, positive } from "@pnet/lab/harness/flags"
import * as Flag from "effect/cli/Flag"

/** How long each measurement takes. */
export const seconds = (value: number) => positive("seconds", value, "Seconds of each measurement", 60)

/** How many MiB a transfer has. */
export const mib = (value: number, of: string) => count("mib", value, `MiB of each ${of}`, 8_192)

/** How often everything is measured. */
export const rounds = (value: number) =>
  count("rounds", value, "How often to measure everything; the fastest is reported", 1_000)

/** Some of the subjects. */
export const only = <const Names extends ReadonlyArray<string>>(subjects: Names, what: string) =>
  Flag.Literals("only", subjects).pipe(
    Flag.atLeast(0),
    Flag.withDescription(`What to measure${what}; may be repeated (default: everything)`)
  )

/** How many messages are on their way at once. */
export const atOnce = counts("at-once", [1, 16, 128], "Messages on their way at once", 1_000)

/** Where what is installed on demand goes. */
export const into = optional(
  Flag.String("into"),
  "A folder to install the others into (default: a cache of the workspace)"
)

/** How many hear a publisher. */
export const subscribers = counts("subscribers", [1, 10, 50], "Subscribers of the publisher", 1_000)

/** How fast it publishes where latency is measured. */
export const pace = count("pace", 1_000, "Messages a second where latency is measured", 100_000)

/** How many processes those who hear it have. */
export const processes = count(
  "processes",
  4,
  "Processes that subscribers have, at most; the first of them has one",
  64
)

/** A file for the numbers. */
export const json = optional(Flag.String("json"), "A file to write the numbers to")

/** Whether processes are pinned to cores. */
export const pin = Flag.Boolean("pin").pipe(
  Flag.withDefault(true),
  Flag.withDescription("Pin the two processes to different cores, where taskset can (default)")
)

/** What a benchmark is run under besides a quiet machine. */
export const conditions = {
  memory: optional(
    Flag.Int("memory").pipe(Flag.filter((n) => n >= 16 && n <= 65_536, (n) => `--memory is 16 to 65536, not ${n}`)),
    "MiB of heap of each process (default: as much as the engine likes)"
  ),
  cores: optional(
    Flag.Int("cores").pipe(Flag.filter((n) => n === 1, (n) => `--cores is 1 or left out, not ${n}`)),
    "1: both processes on one core, by taskset"
  ),
  latency: optional(
    Flag.String("latency").pipe(
      Flag.filter((text) => /^\d+(\.\d+)?(us|ms|s)$/.test(text), (text) => `--latency is like 1ms, not ${text}`)
    ),
    "What each packet takes longer, each way, in a network namespace with netem, where that may be had"
  ),
  neighbour: Flag.Boolean("neighbour").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Keep a core busy with something else")
  )
}

/** A folder for profiles. */
export const profile = optional(
  Flag.String("profile"),
  "A folder for a CPU profile of each process in each measurement"
)
