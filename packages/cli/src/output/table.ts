/**
 * Tables, aligned by the cells of the terminal that text takes, and narrowed to its width.
 */
import { displayWidth } from "effect/cli/CliOutput"
import type { Style } from "./style.ts"

/** A column of a table of `A`. */
export interface Column<A> {
  readonly title: string
  /** The text of a row. */
  readonly cell: (value: A) => string
  /** Numbers stand at the right. */
  readonly right?: boolean
  /** Whether the column gives way where the table is too wide. */
  readonly gives?: boolean
  /** What it looks like. The text is the cell's, cut and padded. */
  readonly look?: (style: Style, text: string, value: A) => string
}

// A column gives way no further.
const narrowest = 6

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** The text cut to a width, with an ellipsis where something is missing. */
export const cut = (text: string, width: number): string => {
  if (displayWidth(text) <= width) return text
  let taken = ""
  let used = 0
  for (const { segment } of segmenter.segment(text)) {
    const more = displayWidth(segment)
    if (used + more > width - 1) break
    taken += segment
    used += more
  }
  return width < 1 ? "" : `${taken}…`
}

/** A line broken between words where it is wider than the terminal; what follows is indented. A word that is longer is broken by the terminal. */
export const hung = (line: string, width: number, indent: number): string => {
  if (displayWidth(line) <= width) return line
  const lines: Array<string> = []
  let now = ""
  for (const word of line.split(/(?<=\S)(?= )/)) {
    if (now === "" || displayWidth(now) + displayWidth(word) <= width) now += word
    else {
      lines.push(now)
      now = " ".repeat(indent) + word.trimStart()
    }
  }
  return [...lines, now].join("\n")
}

const pad = (text: string, width: number, right: boolean | undefined): string => {
  const blanks = " ".repeat(Math.max(0, width - displayWidth(text)))
  return right === true ? blanks + text : text + blanks
}

/** The widths of columns, made narrower until they fit, the widest first. */
const fit = (wanted: ReadonlyArray<number>, gives: ReadonlyArray<boolean>, room: number): ReadonlyArray<number> => {
  const widths = [...wanted]
  for (let over = widths.reduce((sum, width) => sum + width, 0) - room; over > 0;) {
    let widest = -1
    widths.forEach((width, i) => {
      if (gives[i] === true && width > narrowest && (widest < 0 || width > widths[widest]!)) widest = i
    })
    if (widest < 0) break
    widths[widest]! -= 1
    over -= 1
  }
  return widths
}

/**
 * The lines of a table, the titles first. `width` is that of the terminal; `undefined`: there is none, and nothing is cut.
 */
export const table = <A>(
  columns: ReadonlyArray<Column<A>>,
  rows: ReadonlyArray<A>,
  style: Style,
  width: number | undefined
): ReadonlyArray<string> => {
  // Two blanks are what is between columns, and no cell is to look like several.
  const texts = rows.map((row) => columns.map((column) => column.cell(row).replace(/(?<= ) /g, "\\u0020")))
  // A column that says nothing of any row is left out.
  const shown = columns.flatMap((column, i) => texts.some((cells) => cells[i] !== "") ? [{ column, i }] : [])
  const wanted = shown.map(({ column, i }) =>
    Math.max(displayWidth(column.title), ...texts.map((cells) => displayWidth(cells[i]!)))
  )
  const gap = 2
  const room = width === undefined ? Number.POSITIVE_INFINITY : width - gap * (shown.length - 1)
  const widths = fit(wanted, shown.map(({ column }) => column.gives ?? false), room)
  const line = (cells: ReadonlyArray<string>, look: (text: string, at: number) => string) =>
    cells.map((cell, at) => {
      const text = cut(cell, widths[at]!)
      const last = at === cells.length - 1 && shown[at]!.column.right !== true
      return look(last ? text : pad(text, widths[at]!, shown[at]!.column.right), at)
    }).join(" ".repeat(gap))
  return [
    line(shown.map(({ column }) => column.title), style.dim),
    ...rows.map((row, at) =>
      line(shown.map(({ i }) => texts[at]![i]!), (text, i) => shown[i]!.column.look?.(style, text, row) ?? text)
    )
  ].map((text) => text.trimEnd())
}
