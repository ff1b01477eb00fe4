/** The figures as tables of a page, between two marks, and as a picture beside it. */
import { count, millis } from "@pnet/lab/harness/table"
import { readFileSync, writeFileSync } from "node:fs"
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

/** What stands between the marks. */
export const tables = (figures: Figures): string => {
  const { bulk, calls, leftOut, machine, mebibytes, messageBytes, rounds, seconds } = figures
  const concurrencies = [...new Set(calls.map(({ atOnce }) => atOnce))]
  const names = subjects.filter((name) => [...calls, ...bulk].some(({ subject }) => subject === name))
  const cell = (name: SubjectName, atOnce: number, format: (cell: Calls) => string): string => {
    const found = calls.find((cell) => cell.subject === name && cell.atOnce === atOnce)
    return found === undefined ? "–" : format(found)
  }
  const bulkOf = (name: SubjectName) => bulk.find(({ subject }) => subject === name)
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node.slice(1)}, ${machine.platform}; load ${
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
    ...leftOut.length === 0 ? [] : [
      "",
      "Left out, as they could not be had:",
      "",
      ...leftOut.map(({ reason, subject }) => `- ${about[subject].title}: ${reason}`)
    ]
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
