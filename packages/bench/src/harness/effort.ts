/**
 * What processes spent between two moments, besides processor time: on collecting garbage, on pages that were not there, on being switched off, and on
 * waiting. Where the numbers of a run differ from another's, these say why.
 */
import { count, percent, table } from "@pnet/lab/harness/table"
import * as Schema from "effect/Schema"
import type { Usage } from "./calls.ts"

/** What one process spent on messages. */
export const Effort = Schema.Struct({
  /** Processor time a message, in microseconds. */
  micros: Schema.Number,
  /** Pauses for collecting garbage, as a share of the processor time. */
  gcShare: Schema.Number,
  /** The share of the time in which its event loop had nothing to do. */
  idleShare: Schema.Number,
  /** Page faults, and switches to another thread or process, in a thousand messages. */
  pageFaults: Schema.Number,
  switches: Schema.Number
})

/** What one process spent on messages. */
export type Effort = typeof Effort.Type

const share = (part: number, of: number): number => of <= 0 ? 0 : Math.min(1, Math.max(0, part / of))

/** What a process spent on so many messages, of what it had used before and after them. */
export const between = (before: Usage, after: Usage, messages: number): Effort => {
  const cpu = after.cpuMillis - before.cpuMillis
  const idle = after.idleMillis - before.idleMillis
  const each = (total: number, of: number) => messages === 0 ? 0 : total * of / messages
  return {
    micros: each(cpu, 1_000),
    gcShare: share(after.gcMillis - before.gcMillis, cpu),
    idleShare: share(idle, idle + after.activeMillis - before.activeMillis),
    pageFaults: each(after.pageFaults - before.pageFaults, 1_000),
    switches: each(after.switches - before.switches, 1_000)
  }
}

/** The least, the median and the most of what rounds gave. */
export const Spread = Schema.Struct({ min: Schema.Number, median: Schema.Number, max: Schema.Number })

/** The least, the median and the most of what rounds gave. */
export type Spread = typeof Spread.Type

/** The spread of some values. */
export const spreadOf = (values: ReadonlyArray<number>): Spread => {
  const sorted = values.toSorted((a, b) => a - b)
  return { min: sorted[0]!, median: sorted[(sorted.length - 1) >> 1]!, max: sorted.at(-1)! }
}

/** A spread for people. */
export const formatSpread = ({ max, median, min }: Spread): string => `${count(min)} / ${count(median)} / ${count(max)}`

/** A row of the table of efforts. */
export interface Row {
  readonly title: string
  readonly atOnce: string
  readonly spread: Spread
  readonly client: Effort
  readonly server: Effort
}

const both = (row: Row, format: (effort: Effort) => string): string => `${format(row.client)} / ${format(row.server)}`

/** What both processes spent, for people; `undefined` is a rule. */
export const format = (
  rows: ReadonlyArray<Row | undefined>,
  what: "calls" | "messages" | "MiB",
  rate: string
): string =>
  table(
    [
      "asking / answering",
      "at once",
      `${rate}, min / median / max`,
      "CPU, us",
      "of it garbage",
      "idle",
      `page faults/1,000 ${what}`,
      "switches/1,000"
    ],
    rows.map((row) =>
      row === undefined ? undefined : [
        row.title,
        row.atOnce,
        formatSpread(row.spread),
        both(row, ({ micros }) => micros.toFixed(1)),
        both(row, ({ gcShare }) => percent(gcShare)),
        both(row, ({ idleShare }) => percent(idleShare)),
        both(row, ({ pageFaults }) => count(pageFaults)),
        both(row, ({ switches }) => count(switches))
      ]
    )
  )
