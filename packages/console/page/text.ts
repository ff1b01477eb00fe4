// @effect-diagnostics globalDate:off
/**
 * Text to show. What others wrote may hold characters that act, that turn the text around, or that are not to be seen: they are shown as what they are,
 * and a long text is cut.
 */

/** A piece of a text: as it is, or a character that is shown by its name. */
export type Piece = string | { readonly control: string }

/** A text as it is shown: its pieces, and how many characters of it are left out. */
export interface Shown {
  readonly pieces: ReadonlyArray<Piece>
  readonly left: number
}

// As in the output of the command: what acts, what changes the direction, what is not to be seen, halves of characters, and blank letters.
const acted =
  // oxlint-disable-next-line no-misleading-character-class
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}\p{Co}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\u{e0100}-\u{e01ef}]/gu

// They join letters of some scripts, and pictures, and are nothing but hidden anywhere else.
const joiners = new Set(["\u200c", "\u200d"])
const joins = /(?!\p{Script=Latin})[\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}]$/u
const joined = /^(?!\p{Script=Latin})[\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}]/u

const named = (character: string): string => {
  const code = character.codePointAt(0)!
  if (code < 0x20) return String.fromCodePoint(0x2400 + code)
  return code === 0x7f ? "\u2421" : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`
}

/** So many characters of a text of others are shown where nothing else is said. */
export const longest = 240

/** A text as it is shown. With `lines`, line ends and tabs are what they are. */
export const shown = (text: string, most = longest, lines = false): Shown => {
  const isCut = text.length > most
  // Not within a pair that is one character.
  const end = isCut && /[\ud800-\udbff]/.test(text[most - 1] ?? "") ? most - 1 : most
  const part = isCut ? text.slice(0, end) : text
  const pieces: Array<Piece> = []
  let from = 0
  for (const { 0: character, index } of part.matchAll(acted)) {
    if (lines && (character === "\n" || character === "\t")) continue
    if (
      joiners.has(character) && joins.test(part.slice(Math.max(0, index - 2), index)) &&
      joined.test(part.slice(index + 1, index + 3))
    ) continue
    if (index > from) pieces.push(part.slice(from, index))
    pieces.push({ control: named(character) })
    from = index + character.length
  }
  if (from < part.length) pieces.push(part.slice(from))
  return { pieces, left: text.length - part.length }
}

/** The same as plain text, for attributes, canvases and the clipboard's labels. */
export const plain = (text: string, most = longest): string => {
  const { left, pieces } = shown(text, most)
  return pieces.map((piece) => typeof piece === "string" ? piece : piece.control).join("") + (left > 0 ? "…" : "")
}

/** `1`, `12`, `1,234`. */
export const count = (n: number): string => Math.round(n).toLocaleString("en-US")

/** A number with as many digits as say something: `0.42`, `3.1`, `120`. */
export const short = (n: number): string => {
  if (n === 0) return "0"
  if (n >= 1_000_000) return `${trimmed(n / 1_000_000)}M`
  if (n >= 10_000) return `${trimmed(n / 1_000)}k`
  return n >= 100 ? count(n) : n >= 10 ? n.toFixed(n % 1 === 0 ? 0 : 1) : trimmed(n, n < 1 ? 2 : 1)
}

const trimmed = (n: number, digits = 1): string => String(Number(n.toFixed(digits)))

/** `840 µs`, `1.2 ms`, `3.4 s`, `2 m 5 s`. */
export const duration = (ms: number): string => {
  if (ms < 0.001) return "0 ms"
  if (ms < 1) return `${Math.round(ms * 1_000)} µs`
  if (ms < 1_000) return `${ms < 10 ? trimmed(ms) : Math.round(ms)} ms`
  const seconds = ms / 1_000
  if (seconds < 60) return `${seconds < 10 ? trimmed(seconds) : Math.round(seconds)} s`
  return lasting(ms)
}

/** How long something lasts already, in two units: `12 s`, `3 m`, `2 h 5 m`, `4 d 1 h`. */
export const lasting = (ms: number): string => {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return minutes < 5 && seconds % 60 > 0 ? `${minutes} m ${seconds % 60} s` : `${minutes} m`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 > 0 ? `${hours} h ${minutes % 60} m` : `${hours} h`
  return hours % 24 > 0 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours / 24} d`
}

/** `0 B`, `1.2 kB`, `34 MB`. */
export const bytes = (n: number): string => {
  if (n < 1_000) return `${Math.round(n)} B`
  const unit = n < 1e6 ? 1 : n < 1e9 ? 2 : n < 1e12 ? 3 : 4
  const of = n / 1_000 ** unit
  return `${of < 10 ? trimmed(of) : Math.round(of)} ${["", "kB", "MB", "GB", "TB"][unit]}`
}

const two = (n: number): string => String(n).padStart(2, "0")

/** The time of the day, `14:03:59`. */
export const clock = (at: number): string => {
  const date = new Date(at)
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** One or several: `1 peer`, `3 peers`. */
export const several = (n: number, one: string, more = `${one}s`): string => `${count(n)} ${n === 1 ? one : more}`

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" })

/** The order of names. Of one that is a megabyte its beginning decides. */
export const compareNames = (a: string, b: string): number => collator.compare(a.slice(0, longest), b.slice(0, longest))

/** Why it is not known at once what a peer serves. */
export const unheeded =
  "Under this trust policy what a peer says that it serves does not count, so it is not listed. Its own page asks it."
