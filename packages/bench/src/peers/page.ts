/** The figures as tables of a page, between two marks, and as a picture beside it. */
import { count, millis, percent } from "@pnet/lab/harness/table"
import { readFileSync, writeFileSync } from "node:fs"
import type { Cell, Many } from "../many/figures.ts"
import { about as aboutMany, subjects as manySubjects } from "../many/subjects.ts"
import type { Calls, Figures } from "./figures.ts"
import { draw } from "./picture.ts"
import { ofBench, ofWorkspace } from "./places.ts"
import { about, type SubjectName, subjects } from "./subjects.ts"

/** Where the figures are kept, and what is made of them. */
export const files = {
  figures: ofBench("peers/figures.json"),
  page: ofWorkspace("docs/performance.md"),
  picture: ofWorkspace("docs/performance.svg")
}

const begin = "<!-- figures: pnpm bench peers --write -->"
const end = "<!-- end -->"

/** Markdown's table, padded like the formatter does it. */
const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, i) => Math.max(3, title.length, ...rows.map((row) => row[i]!.length)))
  const line = (cells: ReadonlyArray<string>) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)].join("\n")
}

const leftOutList = (all: ReadonlyArray<{ readonly title: string; readonly reason: string }>): ReadonlyArray<string> =>
  all.length === 0 ? [] : [
    "",
    "Left out, as they could not be had:",
    "",
    ...all.map(({ reason, title }) => `- ${title}: ${reason}`)
  ]

/** Tables of what goes from one to many: none of nothing. */
export const manyTables = ({ cells, leftOut, pace, rounds, seconds }: Many): ReadonlyArray<string> => {
  if (cells.length === 0) return []
  const numbers = [...new Set(cells.map(({ subscribers }) => subscribers))]
  const names = manySubjects.filter((name) => cells.some(({ subject }) => subject === name))
  const of = (numbers: ReadonlyArray<number>, format: (cell: Cell) => ReadonlyArray<string>, width: number) =>
    names.map((name) => [
      aboutMany[name].title,
      ...numbers.flatMap((subscribers) => {
        const found = cells.find((cell) => cell.subject === name && cell.subscribers === subscribers)
        return found === undefined ? Array.from({ length: width }, () => "–") : format(found)
      })
    ])
  const several = numbers.filter((subscribers) => subscribers > 1)
  return [
    "",
    `From one to many: messages delivered in a second to all subscribers together, ${seconds} s a cell, the fastest of ${rounds} rounds; and the processor time of each at the publisher and at the subscriber:`,
    "",
    table(
      ["", ...numbers.flatMap((n) => [`delivered/s, ${n} subscriber${n === 1 ? "" : "s"}`, "us of CPU"])],
      of(
        numbers,
        ({ perSecond, publisherMicros, subscriberMicros }) => [
          count(perSecond),
          `${publisherMicros.toFixed(1)} + ${subscriberMicros.toFixed(1)}`
        ],
        2
      )
    ),
    "",
    `How long they took at ${count(pace)} published in a second, or as many as go, the median of the rounds:`,
    "",
    table(
      ["", ...numbers.flatMap((n) => [`${n} subscriber${n === 1 ? "" : "s"}: p50, p99`, "published/s"])],
      of(numbers, ({ paced }) => [`${millis(paced.p50)}, ${millis(paced.p99)}`, count(paced.perSecond)], 2)
    ),
    ...several.length === 0 ? [] : [
      "",
      "And what the others had of it while one subscriber was frozen: the rate as a share of that before, p50 and p99:",
      "",
      table(
        ["", ...several.flatMap((n) => [`${n} subscribers: rate`, "p50, p99"])],
        of(
          several,
          ({ frozen }) =>
            frozen === null ? ["–", "–"] : [percent(frozen.ofRate), `${millis(frozen.p50)}, ${millis(frozen.p99)}`],
          2
        )
      )
    ],
    ...leftOutList(leftOut.map(({ reason, subject }) => ({ reason, title: aboutMany[subject].title })))
  ]
}

/** What stands between the marks. */
export const tables = (figures: Figures): string => {
  const { bulk, calls, leftOut, machine, many, mebibytes, messageBytes, rounds, seconds } = figures
  const concurrencies = [...new Set(calls.map(({ atOnce }) => atOnce))]
  const names = subjects.filter((name) => [...calls, ...bulk].some(({ subject }) => subject === name))
  const cell = (name: SubjectName, atOnce: number, format: (cell: Calls) => string): string => {
    const found = calls.find((cell) => cell.subject === name && cell.atOnce === atOnce)
    return found === undefined ? "–" : format(found)
  }
  const bulkOf = (name: SubjectName) => bulk.find(({ subject }) => subject === name)
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node.slice(1)}, ${machine.platform}${
      machine.congestion === undefined ? "" : `, TCP with ${machine.congestion}`
    }; load ${
      machine.loadBefore.toFixed(2)
    } before. Messages of ${messageBytes} bytes, ${seconds} s a cell; bulk of ${mebibytes} MiB; the fastest of ${rounds} rounds in turns.`,
    "",
    table(
      ["", "encrypted", ...concurrencies.map((atOnce) => `calls/s, ${atOnce} at once`), "MB/s in one stream"],
      names.map((name) => [
        about[name].title,
        about[name].encrypted ?? "no",
        ...concurrencies.map((atOnce) => cell(name, atOnce, ({ perSecond }) => count(perSecond))),
        bulkOf(name)?.megabytes.toFixed(0) ?? "–"
      ])
    ),
    "",
    "Half of the calls were answered within the first time and 99 of 100 within the second; the processor time is that of a call at the asking and the answering side:",
    "",
    table(
      ["", ...concurrencies.flatMap((atOnce) => [`${atOnce} at once: p50, p99`, "us of CPU"])],
      names.map((name) => [
        about[name].title,
        ...concurrencies.flatMap((atOnce) => [
          cell(name, atOnce, ({ p50, p99 }) => `${millis(p50)}, ${millis(p99)}`),
          cell(
            name,
            atOnce,
            ({ clientMicros, serverMicros }) => `${clientMicros.toFixed(1)} + ${serverMicros.toFixed(1)}`
          )
        ])
      ])
    ),
    ...leftOutList(leftOut.map(({ reason, subject }) => ({ reason, title: about[subject].title }))),
    ...manyTables(many)
  ].join("\n")
}

/** A page with the figures between its marks. */
export const withFigures = (page: string, figures: Figures): string => {
  const from = page.indexOf(begin)
  const to = page.indexOf(end, from)
  if (from < 0 || to < 0) throw new Error(`${files.page} has no place for figures between ${begin} and ${end}`)
  return `${page.slice(0, from)}${begin}\n\n${tables(figures)}\n\n${page.slice(to)}`
}

/** Writes the figures and what is made of them. */
export const write = (figures: Figures): void => {
  writeFileSync(files.figures, `${JSON.stringify(figures, null, 2)}\n`)
  writeFileSync(files.page, withFigures(readFileSync(files.page, "utf8"), figures))
  writeFileSync(files.picture, draw(figures))
}
