/**
 * What a peer says, for a language model to read: on one line, cut short, and of nothing that hides or acts. It is quoted wherever it stands, so that it is seen
 * where it ends.
 */
import { harmless, harmlessLines, jsonLine } from "../output/harmless.ts"

const cutAt = (text: string, most: number): string => {
  const cut = text.slice(0, most).replace(/[\ud800-\udbff]$/, "")
  return cut.length < text.length ? `${cut}…` : cut
}

/** A text on one line, of at most so many characters. */
export const said = (text: string, most: number): string => cutAt(harmless(text.slice(0, 2 * most)), most)

/** A text of several lines, of at most so many characters, and whether something is missing. */
export const saidLines = (text: string, most: number): string => cutAt(harmlessLines(text.slice(0, most + 1)), most)

/** A value as an assistant reads it: texts as they are, everything else as JSON. */
export const saidValue = (value: unknown, most: number): string =>
  typeof value === "string" ? saidLines(value, most) : cutAt(jsonLine(value ?? null), most)

/** The name of a peer or a function. */
export const saidName = (name: string): string => said(name, 128)
