/**
 * The figures as a picture: a row for each subject, a column for each concurrency and for bulk. Light or dark as its reader's system is.
 *
 * In each column the longest bar is that of the fastest but for the raw sockets, whose bars are cut where they would be longer.
 */
import { count } from "@pnet/lab/harness/table"
import type { Figures } from "./figures.ts"
import { about, type SubjectName, subjects } from "./subjects.ts"

const labelWidth = 190
const columnWidth = 170
const barWidth = 100
const rowHeight = 24
const headHeight = 64
const footHeight = 46

const style = `
  .page { fill: #ffffff } .text { fill: #1f2328 } .dim { fill: #59636e } .rule { stroke: #d1d9e0 } .cut { stroke: #ffffff }
  .pnet { fill: #0969da } .sealed { fill: #6e7781 } .clear { fill: #c8d1da }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .text { fill: #f0f6fc } .dim { fill: #9198a1 } .rule { stroke: #3d444d } .cut { stroke: #0d1117 }
    .pnet { fill: #4493f8 } .sealed { fill: #9198a1 } .clear { fill: #3d444d }
  }
  text { font: 12px ui-sans-serif, system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
  .title { font-size: 14px; font-weight: 600 } .bold { font-weight: 600 }`

interface Column {
  readonly title: string
  readonly values: ReadonlyMap<SubjectName, number>
}

const columnsOf = ({ bulk, calls }: Figures): ReadonlyArray<Column> => [
  ...[...new Set(calls.map(({ atOnce }) => atOnce))].map((atOnce) => ({
    title: `calls/s, ${atOnce} at once`,
    values: new Map(calls.filter((cell) => cell.atOnce === atOnce).map((cell) => [cell.subject, cell.perSecond]))
  })),
  ...bulk.length === 0 ? [] : [{
    title: "MB/s in one stream",
    values: new Map(bulk.map((cell) => [cell.subject, cell.megabytes]))
  }]
]

const isRaw = (name: SubjectName): boolean => name === "raw" || name === "tls"

const classOf = (name: SubjectName): string =>
  name.startsWith("pnet") ? "pnet" : about[name].encrypted === null ? "clear" : "sealed"

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const text = (x: number, y: number, style: string, value: string): string =>
  `<text x="${x}" y="${y}" class="${style}">${escape(value)}</text>`

const bar = (column: Column, name: SubjectName, x: number, y: number): string => {
  const value = column.values.get(name)
  if (value === undefined) return text(x, y + 13, "dim", "–")
  const most = Math.max(...[...column.values].filter(([name]) => !isRaw(name)).map(([, value]) => value), 1)
  const width = Math.max(1, Math.min(value / most, 1.05) * barWidth)
  const cut = value / most > 1.05
    ? `<path d="M${x + width - 8} ${y + 17}l5 -18" class="cut" stroke-width="3"/>`
    : ""
  return [
    `<rect x="${x}" y="${y + 2}" width="${width.toFixed(1)}" height="12" rx="2" class="${classOf(name)}"/>`,
    cut,
    text(x + width + 5, y + 12, name.startsWith("pnet") ? "text bold" : "text", count(value))
  ].join("")
}

/** Draws them. */
export const draw = (figures: Figures): string => {
  const columns = columnsOf(figures)
  const rows = subjects.filter((name) => columns.some(({ values }) => values.has(name)))
  const width = labelWidth + columns.length * columnWidth + 10
  const height = headHeight + rows.length * rowHeight + footHeight
  const xOf = (column: number) => labelWidth + column * columnWidth
  const foot = headHeight + rows.length * rowHeight + 24
  const legend = [["pnet", "pnet, encrypted"], ["sealed", "encrypted"], ["clear", "in clear"]] as const
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Calls and bytes a second of pnet beside other libraries">`,
    `<style>${style}\n</style>`,
    `<rect width="${width}" height="${height}" rx="6" class="page"/>`,
    text(12, 24, "text title", "Calls of 128 bytes and one stream of 64 KiB chunks, between two processes on loopback"),
    ...columns.map(({ title }, i) => text(xOf(i), 52, "dim", title)),
    ...rows.flatMap((name, row) => {
      const y = headHeight + row * rowHeight
      return [
        `<line x1="12" x2="${width - 12}" y1="${y - 2}" y2="${y - 2}" class="rule" stroke-width="1"/>`,
        text(12, y + 12, name.startsWith("pnet") ? "text bold" : "text", about[name].title),
        ...columns.map((column, i) => bar(column, name, xOf(i), y))
      ]
    }),
    ...legend.flatMap(([style, title], i) => [
      `<rect x="${12 + i * 130}" y="${foot - 10}" width="12" height="12" rx="2" class="${style}"/>`,
      text(30 + i * 130, foot, "dim", title)
    ]),
    text(
      30 + legend.length * 130,
      foot,
      "dim",
      `${figures.machine.cpu}, Node ${figures.machine.node.slice(1)}; bars of raw sockets are cut`
    ),
    "</svg>",
    ""
  ].join("\n")
}
