/**
 * Why something does not work: the sections of the page that messages of the library point to, which is a part of the published command.
 */
import { readFileSync } from "node:fs"

/** A section of the page. */
export interface Explanation {
  /** What messages call it. */
  readonly topic: string
  /** The question that it answers. */
  readonly title: string
  /** The answer, without the looks of the page: paragraphs with empty lines between them. */
  readonly text: string
}

// Beside the command where it is published, and in the folder for documents of the sources.
const places = ["../docs/why-cant-i.md", "../../../docs/why-cant-i.md"]

const page = (): string => {
  for (const place of places) {
    try {
      return readFileSync(new URL(place, import.meta.url), "utf8")
    } catch {
      // It is at the other one.
    }
  }
  return ""
}

/** What programs call options and functions of the library, and what there is of them at a command line. */
const spoken: ReadonlyArray<readonly [inPrograms: RegExp, here: string]> = [
  [/`peers\.awaitPeers?(?:\([^`]*\))?`(?:, `peers\.whileOnline`)?/g, "`--wait`"],
  [/`peers\.resolveConflict(?:\([^`]*\))?`/g, "`pnet trust resolve`"],
  [/`node\.target\("bob"\)\("get_funcs"\)`/g, "`pnet functions bob`"],
  [
    /`node\.target\("bob"\)\("describe", "buy"\)` gives the JSON Schemas of `buy`/g,
    "`pnet functions bob` shows what `buy` takes"
  ],
  [/`Trust\.open(?:\(…\))?`/g, "`--open`"],
  [/`AllowListTrust\.layer`/g, "`--allow-list`"],
  // What is beside other fields of an error is one of them.
  [/\bin `peers`(?!, and what)/g, "in `--peers`"],
  [/`networkKey`/g, "network key"],
  [/`networkId`/g, "`--network`"],
  [/`advertisePort`/g, "`--advertise-port`"],
  [/`serverPort`/g, "`--port`"],
  [/`bindIp`/g, "`--bind`"]
]

/** What leads to another section says which, what leads to another page is its words alone, and a program's `diagnose` is this command's doctor. */
const plain = (text: string): string =>
  spoken.reduce((said, [inPrograms, here]) => said.replace(inPrograms, here), text).replace(
    /\[([^\]]+)\]\(#([a-z-]+)\)/g,
    "$1 (pnet why $2)"
  ).replace(/\[([^\]]+)\]\([^)]*\)/g, "$1")
    .replaceAll("**", "").replaceAll("`diagnose`", "`pnet doctor`")

/** Lines that are one paragraph as one line. */
const unwrapped = (text: string): string =>
  text.split("\n").reduce<ReadonlyArray<string>>((lines, line) => {
    const last = lines.at(-1)
    const goesOn = line !== "" && !/^\s*(?:- |\d+\. |```|\|)/.test(line) && last !== undefined && last !== ""
    return goesOn ? [...lines.slice(0, -1), `${last} ${line.trim()}`] : [...lines, line]
  }, []).join("\n").trim()

const section = /<a id="([a-z-]+)"><\/a>\n\n### ([^\n]+)\n([^]*?)(?=\n<a id=|\n## |$)/g

/** All sections, in the order of the page. */
export const explanations = (): ReadonlyArray<Explanation> =>
  [...page().matchAll(section)].map(([, topic = "", title = "", text = ""]) => ({
    topic,
    title,
    text: unwrapped(plain(text))
  }))

/** The sections that words mean: the one of that topic, or else those that have all of the words in what they are called, or else anywhere. */
export const find = (all: ReadonlyArray<Explanation>, words: ReadonlyArray<string>): ReadonlyArray<Explanation> => {
  const one = all.filter(({ topic }) => topic === words.join("-").toLowerCase())
  if (one.length > 0) return one
  const having = (textOf: (one: Explanation) => string) =>
    all.filter((one) => words.every((word) => textOf(one).toLowerCase().includes(word.toLowerCase())))
  const called = having(({ title, topic }) => `${topic} ${title}`)
  return called.length > 0 ? called : having(({ text, title }) => `${title} ${text}`)
}
