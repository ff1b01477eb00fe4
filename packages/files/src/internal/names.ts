/**
 * The names that a sender says, and what may be made of them here. A name is one segment of a path: whoever says a path says its segments, and a
 * segment that could be two, or none, or lead upwards, is no name. So there is nothing to normalise, and nothing that leads outside.
 *
 * What bites: what is refused differs between systems. On Windows a name is refused that is fine elsewhere, with a reason, and never changed into
 * another one: two names would become the same.
 */
import type { Make } from "../FileHash.ts"
import { hexOfHash, utf8 } from "./platform.ts"

/** How names are on the system that they are made on. */
export type Rules = "posix" | "windows"

/** What keeps a name from being one, for an error. */
export type NameFault =
  /** `""`, `.` or `..`. */
  | "NoName"
  /** A character that no name can have: `/`, NUL, a surrogate that stands alone; on Windows also `\ : * ? " < > |` and control characters. */
  | "Character"
  /** On Windows: a device such as `CON` or `nul.txt`, or a name that ends in a space or a period. */
  | "Reserved"
  /** Over 255 bytes of UTF-8. */
  | "Long"
  /** The folder that what is not whole yet is kept in. */
  | "Own"

/** The folder, in that which is received into, where what is not whole yet is kept. */
export const partialFolder = ".pnet-partial"

export const longestName = 255

const devices = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$)$/i
// oxlint-disable-next-line no-control-regex
const never = /[\0/\p{Surrogate}]/u
// oxlint-disable-next-line no-control-regex
const neverOnWindows = /[\x01-\x1f\\:*?"<>|]/
const plain = /^[ -~]*$/
// Some file systems take no notice of these in a name, so that two texts are one name.
const ignorable = /[\p{Default_Ignorable_Code_Point}]/gu

/** What names have in common that may be the same file on a file system that folds case, or knows one form of a character. */
export const folded = (name: string): string =>
  // Most names are of these letters, of which none is like another.
  plain.test(name) ?
    name.toLowerCase() :
    // By way of capitals, of which some letters have one: both kinds of a small sigma, and of s.
    name.replace(ignorable, "").normalize("NFC").toUpperCase().toLowerCase().normalize("NFC")

/** What keeps a text from being a name under these rules, if anything does. */
export const faultOf = (name: string, rules: Rules): NameFault | undefined => {
  if (name === "" || name === "." || name === "..") return "NoName"
  if (never.test(name)) return "Character"
  if (name.length > longestName || name.length * 3 > longestName && utf8(name).length > longestName) return "Long"
  // Windows has it a second time, by the short names that it makes of long ones.
  const own = folded(name)
  if (own === partialFolder || rules === "windows" && /^pn[^.]{0,4}~[0-9]/.test(own)) return "Own"
  if (rules === "posix") return undefined
  if (neverOnWindows.test(name)) return "Character"
  if (/[ .]$/.test(name)) return "Reserved"
  // A device is one with any ending, and with spaces before it.
  return devices.test(name.split(".", 1)[0]!.trimEnd()) ? "Reserved" : undefined
}

/** Why, in words that end a sentence. */
export const faultText: Record<NameFault, string> = {
  NoName: "it is no name",
  Character: "it has a character that a name cannot have here",
  Reserved: "this system keeps that name for itself",
  Long: `it has over ${longestName} bytes`,
  Own: `what is not whole yet is kept in a folder of that name`
}

/**
 * Whether a symbolic link, in a folder of so many names below the one that is received into, leads to something below it: upwards first, not beyond
 * that folder, and then only downwards. Upwards behind a name is refused, since the name may be a link itself, which leads elsewhere.
 */
export const leadsInside = (target: string, depth: number, rules: Rules): boolean => {
  // oxlint-disable-next-line no-control-regex
  if (target === "" || target.startsWith("/") || /[\0\p{Surrogate}]/u.test(target)) return false
  if (rules === "windows" && /[\\:]/.test(target)) return false
  let up = 0
  let down = 0
  for (const segment of target.split("/")) {
    if (segment === "" || segment === ".") continue
    if (segment === "..") {
      if (down > 0 || ++up > depth) return false
    } else {
      down++
      // Nor into what is kept there for other transfers.
      if (faultOf(segment, rules) !== undefined) return false
    }
  }
  return true
}

/** A name beside the one that is taken: `a.txt`, `a (1).txt`, `a (2).txt`, of at most 255 bytes. */
export const beside = (name: string, count: number): string => {
  const dot = name.lastIndexOf(".")
  const [stem, end] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""]
  const mark = ` (${count})`
  let kept = Array.from(stem)
  // What does not fit loses the end of what stands before the number, by whole characters.
  while (kept.length > 0 && utf8(kept.join("") + mark + end).length > longestName) kept = kept.slice(0, -1)
  return kept.length > 0 ? kept.join("") + mark + end : Array.from(name).slice(0, 60).join("") + mark
}

/**
 * The name of a node as that of a folder: one that every system takes, and another for each name. It is the name itself where no disk takes that for
 * another node's, whether that folds case or not; any other is told apart by a hash, so long that nobody finds a second name that has it.
 */
export const folderOf = (name: string, hash: Make): string => {
  const plain = name.replace(/[^\p{L}\p{N}_-]/gu, "_").slice(0, 60)
  // Those with a hash begin with a low line, and no others do.
  const isItself = plain === name && folded(name) === name && !name.startsWith("_")
  return isItself && faultOf(name, "windows") === undefined ? name : `_${plain}-${hexOfHash(name, hash).slice(0, 32)}`
}
