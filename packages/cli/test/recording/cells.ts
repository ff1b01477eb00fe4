/** What a terminal shows of the bytes that a command writes to it: lines of text with looks. Of a command that goes from line to line; none that draws a screen. */

import { displayWidth } from "effect/cli/CliOutput"

/** How text looks. */
export interface Look {
  readonly bold: boolean
  readonly dim: boolean
  /** A colour by its name; `undefined`: that of all text. */
  readonly colour: string | undefined
}

/** Text of one look. */
export interface Piece {
  readonly text: string
  readonly look: Look
}

const plain: Look = { bold: false, dim: false, colour: undefined }

const colours: Record<number, string> = { 31: "red", 32: "green", 33: "yellow", 36: "cyan" }

const changed = (look: Look, code: number): Look =>
  code === 0
    ? plain
    : code === 1
    ? { ...look, bold: true }
    : code === 2
    ? { ...look, dim: true }
    : code === 22
    ? { ...look, bold: false, dim: false }
    : code === 39
    ? { ...look, colour: undefined }
    : colours[code] === undefined
    ? look
    : { ...look, colour: colours[code] }

const sameLook = (a: Look, b: Look): boolean => a.bold === b.bold && a.dim === b.dim && a.colour === b.colour

// oxlint-disable-next-line no-control-regex
const part = /\u001b\[(\??[\d;]*)([A-Za-z])|\r|\n|[^\u001b\r\n]+/g

/** The lines that stand there in the end. What was drawn and wiped, as spinners are, is in none. */
export const linesOf = (written: string): ReadonlyArray<ReadonlyArray<Piece>> => {
  const lines: Array<Array<Piece>> = [[]]
  let look = plain
  // Whoever goes back to the beginning of a line writes over it.
  let isOver = false
  for (const [text, codes, command] of written.matchAll(part)) {
    const line = lines.at(-1)!
    if (command === "m") look = (codes === "" ? [0] : codes!.split(";").map(Number)).reduce(changed, look)
    else if (command === "K") line.length = 0
    else if (text === "\r") isOver = true
    else if (text === "\n") {
      lines.push([])
      isOver = false
    } else if (command === undefined) {
      if (isOver) line.length = 0
      isOver = false
      const last = line.at(-1)
      if (last !== undefined && sameLook(last.look, look)) line[line.length - 1] = { text: last.text + text, look }
      else line.push({ text, look })
    }
  }
  return lines.at(-1)!.length === 0 ? lines.slice(0, -1) : lines
}

/** The lines as a terminal of so many columns has them: what is longer goes on below. */
export const wrapped = (
  lines: ReadonlyArray<ReadonlyArray<Piece>>,
  columns: number
): ReadonlyArray<ReadonlyArray<Piece>> =>
  lines.flatMap((line) => {
    const rows: Array<Array<Piece>> = [[]]
    let used = 0
    for (const { look, text } of line) {
      for (const character of text) {
        const width = displayWidth(character)
        if (used + width > columns) {
          rows.push([])
          used = 0
        }
        used += width
        const row = rows.at(-1)!
        const last = row.at(-1)
        if (last?.look === look) row[row.length - 1] = { text: last.text + character, look }
        else row.push({ text: character, look })
      }
    }
    return rows
  })
