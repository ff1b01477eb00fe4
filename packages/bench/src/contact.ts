/**
 * First contact: how long after a node starts it and a node that was there before know each other.
 *
 * Node A runs in one process. A second one, warm, starts a node with a fresh name and key again and again: from just before
 * its layer is built, until it knows A (`awaitPeer`) and A knows it (`Joined`). Instants are the system's monotonic clock,
 * which all processes of a machine share.
 *
 * What bites: a node answers at most five adverts a second to one address, and on loopback every node has the same one. So a
 * start follows the last at a distance, which is drawn, since A's own adverts must fall anywhere.
 */
import { millis, table } from "@pnet/lab/harness/table"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Machine from "./harness/machine.ts"
import type { Cryptography } from "./harness/nodes.ts"
import * as Reports from "./harness/report.ts"
import * as Samples from "./harness/samples.ts"
import * as Workers from "./harness/workers.ts"

/** One first contact, in milliseconds since just before B's layer was built. */
export const Contact = Schema.Struct({
  /** B's layer is built: it listens and has advertised itself once. */
  built: Schema.Number,
  /** B knows A. */
  bKnowsA: Schema.Number,
  /** A knows B. */
  aKnowsB: Schema.Number,
  /** Both know each other: the later of the two. */
  both: Schema.Number
})

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("contact"),
  machine: Machine.Machine,
  cryptography: Schema.Literals(["native", "portable"]),
  networkKey: Schema.Boolean,
  contacts: Schema.Array(Contact)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options {
  /** How many first contacts. */
  readonly times: number
  readonly cryptography: Cryptography
  /** Whether the network has a key. */
  readonly networkKey: boolean
  readonly pin: boolean
}

// Not counted: the first nodes of a process find nothing compiled.
const warmUps = 2

const host = "a"

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const network = yield* Machine.network(options.networkKey)
    const { cryptography } = options
    const a = yield* Workers.start("A", machine.pinned?.[0])
    const b = yield* Workers.start("B", machine.pinned?.[1])
    yield* a.call("Host", { name: host, cryptography, network })

    const contacts: Array<typeof Contact.Type> = []
    for (let i = -warmUps; i < options.times; i++) {
      const name = `b${i + warmUps}`
      yield* Effect.sleep(500 + (yield* Random.next) * 250)
      const { built, knows, started } = yield* b.call("Meet", { name, host, cryptography, network })
      const joined = yield* a.call("JoinedAt", { name })
      yield* b.call("Part", null)
      if (i >= 0) {
        contacts.push({
          built: built - started,
          bKnowsA: knows - started,
          aKnowsB: joined - started,
          both: Math.max(knows, joined) - started
        })
      }
    }
    return { benchmark: "contact" as const, machine, cryptography, networkKey: options.networkKey, contacts }
  }).pipe(Effect.scoped)

/** A report for people. */
export const format = (report: Report): string => {
  const row = (title: string, field: keyof typeof Contact.Type) => {
    const samples = Samples.from(report.contacts.map((contact) => contact[field]))
    return [title, millis(samples.percentile(0.5)), millis(samples.percentile(0.9)), millis(samples.percentile(1))]
  }
  return [
    `First contact of a node B with a node A that runs, ${report.contacts.length} times, ${report.cryptography} crypto, ${
      report.networkKey ? "with" : "without"
    } a network key`,
    Machine.describe(report.machine),
    "",
    table(["since just before B's layer is built", "p50", "p90", "max"], [
      row("B is built", "built"),
      row("A knows B", "aKnowsB"),
      row("B knows A", "bKnowsA"),
      row("both know each other", "both")
    ])
  ].join("\n")
}

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
