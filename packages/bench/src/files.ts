/**
 * Files between two nodes: a large one beside a plain stream of as many bytes between the same two processes, and many small ones beside a call for each,
 * whose function writes, syncs and renames it. Both sides hash, and the receiver writes, reads back and syncs: that is in it.
 *
 * The folder matters as much as the code: on a disk it is the disk that is measured, with what else the machine writes; `--folder /dev/shm` leaves it out.
 * What of others is here, or can be had, is measured in turns with it: `rsync` by its daemon, and `scp` by a server of its own. Neither hashes what it has
 * written, or syncs it, and the daemon's rsync does not encrypt.
 *
 * What bites: what has arrived is put aside, and taken away at the end. ext4 looks at each file that was taken away within the last minutes when it makes one,
 * so that a run after another, or beside whatever takes away many files, measures that. With `--pin` each process has one core for its thread and
 * for those that the system's calls for files run on.
 */
import { count, mebibytes, percent, table } from "@pnet/lab/harness/table"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomFillSync } from "node:crypto"
import { closeSync, mkdirSync, mkdtempSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Beside from "./files/beside.ts"
import * as Effort from "./harness/effort.ts"
import { type Goal, goal, GoalSchema } from "./harness/goal.ts"
import * as Machine from "./harness/machine.ts"
import * as Pairs from "./harness/pairs.ts"
import * as Reports from "./harness/report.ts"
import * as Workers from "./harness/workers.ts"

/** Bytes of a small file. */
const smallBytes = 4_096

/** What is measured: of the large file, and of the small ones. */
export const subjects = ["stream", "file", "files", "calls"] as const

/** One subject. */
export const Cell = Schema.Struct({
  subject: Schema.Literals(subjects),
  /** MiB, or files. */
  units: Schema.Number,
  /** MiB or files a second, of the fastest round. */
  perSecond: Schema.Number,
  spread: Effort.Spread,
  /** What each side spent on a MiB, or on a file, in the fastest round. */
  client: Effort.Effort,
  server: Effort.Effort,
  /** The most that was resident at each side when a round of it was over. */
  clientBytes: Schema.Number,
  serverBytes: Schema.Number
})

/** One subject. */
export type Cell = typeof Cell.Type

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("files"),
  machine: Machine.Machine,
  folder: Schema.String,
  mebibytes: Schema.Number,
  files: Schema.Number,
  rounds: Schema.Number,
  cells: Schema.Array(Cell),
  /** Medians of the ratios of a round. */
  ofStream: Schema.NullOr(Schema.Number),
  ofCalls: Schema.NullOr(Schema.Number),
  beside: Schema.Array(Beside.Cell),
  leftOut: Schema.Array(Beside.LeftOut),
  goals: Schema.Array(GoalSchema)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options {
  /** Of the large file; 0: none. */
  readonly mib: number
  /** Small files; 0: none. */
  readonly files: number
  /** How many of them have a call for each: it is what takes longest. */
  readonly calls: number
  readonly rounds: number
  /** Whether others are measured, too. */
  readonly beside: boolean
  /** Where files are. */
  readonly folder?: string | undefined
  /** Where what is not here of others goes. */
  readonly into?: string | undefined
  readonly pin: boolean
  readonly profile?: string | undefined
}

type Subject = typeof subjects[number]
type Rounds = Map<Subject, Array<Measurement>>

interface Measurement {
  readonly units: number
  readonly perSecond: number
  readonly client: Effort.Effort
  readonly server: Effort.Effort
  readonly clientBytes: number
  readonly serverBytes: number
}

const temporary = (above: string) =>
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(above, "pnet-files-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )

/** Makes what is sent. */
const makeSources = (folder: string, { calls, files, mib }: Options) =>
  Effect.sync(() => {
    mkdirSync(join(folder, "in"))
    if (mib > 0) {
      const file = openSync(join(folder, "large"), "w")
      const part = new Uint8Array(1_048_576)
      for (let i = 0; i < mib; i++) writeSync(file, randomFillSync(part))
      closeSync(file)
    }
    for (const [name, count] of [["files", files], ["calls", Math.min(files, calls)]] as const) {
      if (count === 0) continue
      mkdirSync(join(folder, name))
      for (let i = 0; i < count; i++) {
        writeFileSync(join(folder, name, `${i}`), randomFillSync(new Uint8Array(smallBytes)))
      }
    }
  })

/** Has nothing in the folder that they arrive in. Only what is large is taken away at once. */
const emptied = (folder: string) =>
  Effect.sync(() => {
    rmSync(join(folder, "in", "large"), { force: true })
    renameSync(join(folder, "in"), mkdtempSync(join(folder, "aside-")))
    mkdirSync(join(folder, "in"))
  })

/** One measurement of a subject. */
const measure = (pair: Pairs.Pair, subject: Subject, folder: string, options: Options) =>
  Effect.gen(function*() {
    const { client } = pair
    const work: Effect.Effect<{ readonly millis: number; readonly units: number }, Workers.WorkerError> =
      subject === "stream"
        ? Effect.map(
          client.call("Transfer", { bytes: options.mib * 1_048_576, streams: 1 }, "5 minutes"),
          ({ millis }) => ({ millis, units: options.mib })
        )
        : Effect.map(
          client.call("SendFiles", {
            path: join(folder, subject === "file" ? "large" : subject),
            how: subject === "calls" ? "call" : "transfer"
          }, "10 minutes"),
          ({ files, millis }) => ({ millis, units: subject === "file" ? options.mib : files })
        )
    const profile = options.profile === undefined ? undefined : join(options.profile, subject)
    const seen = yield* Pairs.observe(pair, work, profile)
    yield* emptied(folder)
    const { millis, units } = seen.result
    return {
      units,
      perSecond: units * 1_000 / millis,
      client: Effort.between(...seen.client, units),
      server: Effort.between(...seen.server, units),
      clientBytes: seen.client[1].rssBytes,
      serverBytes: seen.server[1].rssBytes
    }
  })

const cellOf = (subject: Subject, measured: ReadonlyArray<Measurement>): Cell => ({
  subject,
  ...Pairs.fastest(measured),
  spread: Effort.spreadOf(measured.map(({ perSecond }) => perSecond)),
  clientBytes: Math.max(...measured.map(({ clientBytes }) => clientBytes)),
  serverBytes: Math.max(...measured.map(({ serverBytes }) => serverBytes))
})

/** The median of what one is of the other in the same round. */
const ratio = (rounds: Rounds, one: Subject, other: Subject): number | null => {
  const ofOne = rounds.get(one)
  const ofOther = rounds.get(other)
  if (ofOne === undefined || ofOther === undefined) return null
  return Effort.spreadOf(ofOne.map(({ perSecond }, round) => perSecond / ofOther[round]!.perSecond)).median
}

const goalsOf = (ofStream: number | null, ofCalls: number | null): ReadonlyArray<Goal> => [
  ...ofStream === null ? [] : [goal("one large file: of a stream's speed", ofStream, "at least", 0.6)],
  ...ofCalls === null ? [] : [goal("small files: of the files a second by a call each", ofCalls, "at least", 20)]
]

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const folder = yield* temporary(options.folder ?? tmpdir())
    yield* makeSources(folder, options)
    const { profile } = options
    if (profile !== undefined) mkdirSync(profile, { recursive: true })
    const network = yield* Machine.network(false)
    const pair = yield* Pairs.start(
      "files",
      { _tag: "Files", cryptography: "native", network, folder: join(folder, "in") },
      machine
    )
    const others = options.beside
      ? yield* Beside.start(folder, options)
      : { found: [], leftOut: [] }
    const measured: ReadonlyArray<Subject> = [
      ...(options.mib > 0 ? ["stream", "file"] as const : []),
      ...options.files > 0 ? ["files"] as const : [],
      ...options.files > 0 && options.calls > 0 ? ["calls"] as const : []
    ]
    const rounds: Rounds = new Map(measured.map((subject) => [subject, []]))
    const beside: Array<Beside.Round> = []
    // The first is not counted: nothing is compiled.
    for (let round = -1; round < options.rounds; round++) {
      for (const subject of measured) {
        const one = yield* measure(pair, subject, folder, options)
        if (round >= 0) rounds.get(subject)!.push(one)
      }
      if (round < 0) continue
      for (const other of others.found) {
        beside.push(yield* Beside.measure(other, folder, options))
        yield* emptied(folder)
      }
    }
    const ofStream = ratio(rounds, "file", "stream")
    const ofCalls = ratio(rounds, "files", "calls")
    return {
      benchmark: "files" as const,
      machine,
      folder: options.folder ?? tmpdir(),
      mebibytes: options.mib,
      files: options.files,
      rounds: options.rounds,
      cells: measured.map((subject) => cellOf(subject, rounds.get(subject)!)),
      ofStream,
      ofCalls,
      beside: Beside.cells(beside),
      leftOut: others.leftOut,
      goals: goalsOf(ofStream, ofCalls)
    }
  }).pipe(Effect.scoped)

const titles: Record<Subject, string> = {
  stream: "a stream of as many bytes",
  file: "a large file",
  files: "small files, one transfer",
  calls: "small files, a call each"
}

const isLarge = (subject: Subject): boolean => subject === "stream" || subject === "file"
const unitOf = (subject: Subject): string => isLarge(subject) ? "MiB" : "files"

const besideTable = (report: Report): string =>
  table(
    ["beside it", "MiB/s", "small files/s", ""],
    report.beside.map(({ filesPerSecond, mibPerSecond, note, title }) => [
      title,
      mibPerSecond === null ? "" : mibPerSecond.toFixed(0),
      filesPerSecond === null ? "" : count(filesPerSecond),
      note
    ])
  )

/** A report for people. */
export const format = (report: Report): string =>
  [
    `A file of ${report.mebibytes} MiB, and ${
      count(report.files)
    } of 4 KiB; two processes on 127.0.0.1; files in ${report.folder}${Reports.ofRounds(report.rounds)}`,
    Machine.describe(report.machine),
    ...report.leftOut.map(({ reason, title }) => `Left out: ${title}: ${reason}`),
    "",
    table(
      [
        "sending / receiving",
        "units",
        "a second",
        "min / median / max",
        "CPU, us a unit",
        "of it garbage",
        "idle",
        "resident"
      ],
      report.cells.map((cell) => [
        titles[cell.subject],
        unitOf(cell.subject),
        count(cell.perSecond),
        Effort.formatSpread(cell.spread),
        `${cell.client.micros.toFixed(0)} / ${cell.server.micros.toFixed(0)}`,
        `${percent(cell.client.gcShare)} / ${percent(cell.server.gcShare)}`,
        `${percent(cell.client.idleShare)} / ${percent(cell.server.idleShare)}`,
        `${mebibytes(cell.clientBytes)} / ${mebibytes(cell.serverBytes)}`
      ])
    ),
    ...report.beside.length === 0 ? [] : ["", besideTable(report)],
    "",
    ...report.goals.map(({ text }) => text)
  ].join("\n")

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
