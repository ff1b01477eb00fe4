/**
 * Text of others, made harmless for a terminal: whatever it would act on, or that turns or hides text, is written out.
 */

// Control characters with escape and the eight-bit ones, line and paragraph separators, what changes the direction, what is not to be seen, and halves of
// characters; letters and marks that are blank, and blanks that are none of the keyboard's, with which two names look like one; and marks behind the eighth
// over one letter, which cover the lines around.
const acted =
  // oxlint-disable-next-line no-misleading-character-class
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\p{Cs}\p{Co}\u2800]|(?![ \u3000])\p{Zs}|(?<!\S)\u3000|\u3000(?!\S)|(?<=\p{M}{8})\p{M}/gu

// They join letters of some scripts, and pictures, and are nothing but hidden anywhere else; and so it is with what chooses how a picture looks.
const joiners = new Set(["\u200c", "\u200d"])
const selectors = new Set(["\ufe0e", "\ufe0f"])
const unjoined =
  "(?![\\p{Script=Latin}\\p{Script=Greek}\\p{Script=Cyrillic}\\p{Script=Armenian}\\p{Script=Georgian}\\p{Script=Hebrew}\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}\\p{Script=Inherited}])"
const joined = new RegExp(`^${unjoined}[\\p{L}\\p{M}\\p{Extended_Pictographic}\\p{Emoji_Modifier}]`, "u")
const joins = new RegExp(`${unjoined}[\\p{L}\\p{Extended_Pictographic}\\p{Emoji_Modifier}]\\p{M}*$`, "u")
const pictured = /[\p{Extended_Pictographic}\p{Emoji_Modifier}]$/u
const key = /[0-9#*]$/

const isShown = (character: string, at: number, text: string): boolean => {
  const before = text.slice(Math.max(0, at - 16), at)
  const after = text.slice(at + 1, at + 3)
  return joiners.has(character)
    ? joins.test(before) && joined.test(after)
    : selectors.has(character) && (pictured.test(before) || key.test(before) && after.startsWith("\u20e3"))
}

const escaped = (character: string, at: number, text: string): string => {
  if (isShown(character, at, text)) return character
  if (character === "\n") return "\\n"
  if (character === "\t") return "\\t"
  if (character === "\r") return "\\r"
  return codes(character)
}

const codes = (character: string): string => `\\u${character.codePointAt(0)!.toString(16).padStart(4, "0")}`

/** One line of text that only shows. */
export const harmless = (text: string): string => text.replace(acted, escaped)

/** A value that is one line of text: blanks at its ends show, too, as no name is to look like another. */
export const harmlessWhole = (text: string): string => harmless(text).replace(/^ | $/g, codes)

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
