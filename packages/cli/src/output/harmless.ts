/**
 * Text of others, made harmless for a terminal: whatever it would act on, or that turns or hides text, is written out.
 */

// Control characters with escape and the eight-bit ones, line and paragraph separators, what changes the direction, what is not to be seen, and halves of
// characters; and letters and marks that are blank, with which two names look like one.
const acted =
  // oxlint-disable-next-line no-misleading-character-class
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}\p{Co}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\u{e0100}-\u{e01ef}]/gu

// They join letters of some scripts, and pictures, and are nothing but hidden anywhere else.
const joiners = new Set(["\u200c", "\u200d"])
const joined = /^(?!\p{Script=Latin})[\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}]/u
const joins = /(?!\p{Script=Latin})[\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}]$/u

const escaped = (character: string, at: number, text: string): string => {
  if (
    joiners.has(character) && joins.test(text.slice(Math.max(0, at - 2), at)) && joined.test(text.slice(at + 1, at + 3))
  ) return character
  if (character === "\n") return "\\n"
  if (character === "\t") return "\\t"
  if (character === "\r") return "\\r"
  return `\\u${character.codePointAt(0)!.toString(16).padStart(4, "0")}`
}

/** One line of text that only shows. */
export const harmless = (text: string): string => text.replace(acted, escaped)

/** Text of several lines that only shows: line ends and tabs stay. */
export const harmlessLines = (text: string): string =>
  text.replace(/\r\n/g, "\n").replace(
    acted,
    (character, at: number, all: string) =>
      character === "\n" || character === "\t" ? character : escaped(character, at, all)
  )

/** A value in which every text is harmless, the names of fields too. */
export const harmlessValue = <A>(value: A, make: (text: string) => string): A => {
  if (typeof value === "string") return make(value) as A
  if (Array.isArray(value)) return value.map((one) => harmlessValue(one, make)) as A
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [make(name), harmlessValue(one, make)])
  ) as A
}

/** A value as JSON on one line. What a terminal would act on is escaped, which leaves the value as it is. */
export const jsonLine = (value: unknown): string =>
  String(JSON.stringify(value)).replace(
    acted,
    (character) =>
      Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`)
        .join("")
  )
