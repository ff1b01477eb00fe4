/**
 * The figures as a picture: a row for each subject, a column for each concurrency and for bulk; and beneath, where there are figures of it, a row for
 * each way from one to many and a column for each number of subscribers. Light or dark as its reader's system is.
 *
 * In each column the longest bar is that of the fastest but for the raw sockets, whose bars are cut where they would be longer.
 */
import { count } from "@pnet/lab/harness/table"
import { about as aboutMany, subjects as manySubjects } from "../many/subjects.ts"
import type { Figures } from "./figures.ts"
import { about, subjects } from "./subjects.ts"

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

interface Row {
  readonly name: string
  readonly title: string
  readonly encrypted: string | null
}

interface Column {
  readonly title: string
  readonly values: ReadonlyMap<string, number>
}

/** Rows and columns under a title. */
interface Panel {
  readonly title: string
  readonly rows: ReadonlyArray<Row>
  readonly columns: ReadonlyArray<Column>
}

const panel = (title: string, rows: ReadonlyArray<Row>, columns: ReadonlyArray<Column>): Panel => ({
  title,
  rows: rows.filter(({ name }) => columns.some(({ values }) => values.has(name))),
  columns
})

const ofTwo = ({ bulk, calls }: Figures): Panel =>
  panel(
    "Calls of 128 bytes and one stream of 64 KiB chunks, between two processes on loopback",
    subjects.map((name) => ({ name, ...about[name] })),
    [
      ...[...new Set(calls.map(({ atOnce }) => atOnce))].map((atOnce) => ({
        title: `calls/s, ${atOnce} at once`,
        values: new Map(calls.filter((cell) => cell.atOnce === atOnce).map((cell) => [cell.subject, cell.perSecond]))
      })),
      ...bulk.length === 0 ? [] : [{
        title: "MB/s in one stream",
        values: new Map(bulk.map((cell) => [cell.subject, cell.megabytes]))
      }]
    ]
  )

const ofMany = ({ many: { cells } }: Figures): Panel =>
  panel(
    "Messages of 128 bytes from one to many, delivered in a second to all together",
    manySubjects.map((name) => ({ name, ...aboutMany[name] })),
    [...new Set(cells.map(({ subscribers }) => subscribers))].map((subscribers) => ({
      title: `to ${count(subscribers)}`,
      values: new Map(
        cells.filter((cell) => cell.subscribers === subscribers).map((cell) => [cell.subject, cell.perSecond])
      )
    }))
  )

const isRaw = (name: string): boolean => name === "raw" || name === "tls"

const classOf = ({ encrypted, name }: Row): string =>
  name.startsWith("pnet") ? "pnet" : encrypted === null ? "clear" : "sealed"

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const text = (x: number, y: number, style: string, value: string): string =>
  `<text x="${x}" y="${y}" class="${style}">${escape(value)}</text>`

const bar = (column: Column, row: Row, x: number, y: number): string => {
  const { name } = row
  const value = column.values.get(name)
  if (value === undefined) return text(x, y + 13, "dim", "–")
  const most = Math.max(...[...column.values].filter(([name]) => !isRaw(name)).map(([, value]) => value), 1)
  const width = Math.max(1, Math.min(value / most, 1.05) * barWidth)
  const cut = value / most > 1.05
    ? `<path d="M${x + width - 8} ${y + 17}l5 -18" class="cut" stroke-width="3"/>`
    : ""
  return [
    `<rect x="${x}" y="${y + 2}" width="${width.toFixed(1)}" height="12" rx="2" class="${classOf(row)}"/>`,
    cut,
    text(x + width + 5, y + 12, name.startsWith("pnet") ? "text bold" : "text", count(value))
  ].join("")
}

const heightOf = ({ rows }: Panel): number => rows.length === 0 ? 0 : headHeight + rows.length * rowHeight

const widthOf = ({ columns }: Panel): number => labelWidth + columns.length * columnWidth + 10

const drawPanel = ({ columns, rows, title }: Panel, top: number, width: number): ReadonlyArray<string> =>
  rows.length === 0 ? [] : [
    text(12, top + 24, "text title", title),
    ...columns.map(({ title }, i) => text(labelWidth + i * columnWidth, top + 52, "dim", title)),
    ...rows.flatMap((row, i) => {
      const y = top + headHeight + i * rowHeight
      return [
        `<line x1="12" x2="${width - 12}" y1="${y - 2}" y2="${y - 2}" class="rule" stroke-width="1"/>`,
        text(12, y + 12, row.name.startsWith("pnet") ? "text bold" : "text", row.title),
        ...columns.map((column, i) => bar(column, row, labelWidth + i * columnWidth, y))
      ]
    })
  ]

/** Draws them. */
export const draw = (figures: Figures): string => {
  const two = ofTwo(figures)
  const many = ofMany(figures)
  const width = Math.max(widthOf(two), widthOf(many))
  const end = heightOf(two) + heightOf(many)
  const height = end + footHeight
  const foot = end + 24
  const legend = [["pnet", "pnet, encrypted"], ["sealed", "encrypted"], ["clear", "in clear"]] as const
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Calls and bytes a second of pnet beside other libraries">`,
    `<style>${style}\n</style>`,
    `<rect width="${width}" height="${height}" rx="6" class="page"/>`,
    ...drawPanel(two, 0, width),
    ...drawPanel(many, heightOf(two), width),
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
