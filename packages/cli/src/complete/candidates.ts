/**
 * What may stand where somebody types the name of a peer or of a function.
 */
import type { Seen, SeenPeer } from "./seen.ts"

/** Flags that take no value, of all commands: what stands behind any other is its value. */
export const switches: ReadonlySet<string> = new Set([
  "bytes",
  "check",
  "follow",
  "help",
  "json",
  "keep",
  "latest",
  "lossless",
  "measure",
  "network-key-stdin",
  "offers",
  "once",
  "open",
  "retain",
  "retained",
  "version",
  "watch",
  "wizard"
])

const letters: ReadonlySet<string> = new Set(["f", "h", "v"])

type Kind = "peers" | "peer" | "function" | "functions"

/** What stands in which place behind a command. `functions`: as many as there are. */
export const places: Readonly<Record<string, ReadonlyArray<Kind>>> = {
  call: ["peers", "function"],
  functions: ["peer", "functions"],
  fns: ["peer", "functions"],
  ping: ["peers"],
  pipe: ["peer", "function"],
  measure: ["peer"],
  doctor: ["peer"],
  send: ["peers"],
  "mail post": ["peer"],
  "trust allow": ["peer"],
  "trust revoke": ["peer"],
  "trust forget": ["peer"],
  "trust resolve": ["peer"]
}

const groups: ReadonlySet<string> = new Set(["trust", "key", "mail"])

/** The words that are no flags and no values of flags, and the network that is asked for. `undefined`: the last one is a flag, or its value. */
const operands = (
  words: ReadonlyArray<string>
): { readonly all: ReadonlyArray<string>; readonly network?: string } | undefined => {
  const all: Array<string> = []
  let network: string | undefined
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    const isLast = i === words.length - 1
    if (!word.startsWith("-") || word === "-") {
      all.push(word)
      continue
    }
    if (isLast) return undefined
    const [, name = "", value] = /^-{1,2}(?:no-)?([^=]*)=?(.*)$/.exec(word)!
    if (word.includes("=")) {
      if (name === "network") network = value
      continue
    }
    // Bash takes them apart: --wait = 5s
    const isApart = words[i + 1] === "="
    if (!isApart && (switches.has(name) || !word.startsWith("--") && letters.has(name))) continue
    i += isApart ? 2 : 1
    if (i >= words.length - 1) return undefined
    if (name === "network") network = words[i]
  }
  return network === undefined ? { all } : { all, network }
}

/** What may stand in the place of the last of these words. */
export const candidates = (
  words: ReadonlyArray<string>,
  seen: Seen,
  networkOfEnv: string | undefined
): ReadonlyArray<string> => {
  const given = operands(words)
  if (given === undefined) return []
  const { all, network = networkOfEnv ?? seen.last } = given
  const [first = ""] = all
  const behind = groups.has(first) ? 2 : 1
  const kinds = Object.hasOwn(places, all.slice(0, behind).join(" ")) ? places[all.slice(0, behind).join(" ")]! : []
  const at = all.length - 1 - behind
  const kind = kinds[at] ?? (kinds.at(-1) === "functions" && at >= kinds.length ? "functions" : undefined)
  const last = all.at(-1) ?? ""
  if (at < 0 || kind === undefined) return []
  const peers: Readonly<Record<string, SeenPeer>> = Object.hasOwn(seen.networks, network) ? seen.networks[network]! : {}
  const fitting = (names: Iterable<string>, typed: string, before: string) =>
    [...new Set(names)].filter((name) => name.startsWith(typed)).toSorted().map((name) => before + name)
  if (kind === "function" || kind === "functions") {
    const targets = all[behind]!.split(",")
    const meant = targets.includes("*") ? Object.keys(peers) : targets
    return fitting(meant.flatMap((name) => Object.hasOwn(peers, name) ? peers[name]!.functions : []), last, "")
  }
  const comma = kind === "peers" ? last.lastIndexOf(",") + 1 : 0
  const before = last.slice(0, comma)
  const taken = new Set(before.split(","))
  return fitting(Object.keys(peers).filter((name) => !taken.has(name)), last.slice(comma), before)
}
