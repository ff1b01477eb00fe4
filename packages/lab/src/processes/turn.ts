/** What `inTurn.ts` and who started it say to each other. It imports nothing, as that would be loaded with it. */

/** A program to run: a file, what it is started with, and what is in its environment besides. */
export interface Program {
  readonly file: string
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
}

// No program prints it.
const mark = "\u0001ended "

/** The line behind what a program has printed. */
export const endOf = (code: number) => `${mark}${code}\n`

/** What the first program printed, its exit code, and the text behind them; `undefined` where it has not ended. */
export const split = (text: string) => {
  const start = text.indexOf(mark)
  const end = start < 0 ? -1 : text.indexOf("\n", start)
  if (end < 0) return undefined
  return { output: text.slice(0, start), code: Number(text.slice(start + mark.length, end)), rest: text.slice(end + 1) }
}
