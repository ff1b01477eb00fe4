/**
 * What is done to the words of the command line before they are parsed: for commands that send on whatever flag they do not know themselves, and
 * for public keys that begin with a hyphen.
 */
import { type LooseFlag, nothing, type Open } from "./loose.ts"
import type { Setting } from "./settings/declare.ts"
import { settingNames, settings } from "./settings/declared.ts"
import type { Spec } from "./spec.ts"

const known = new Map<string, Setting<any>>(settingNames.flatMap((name) => {
  const setting: Setting<any> = settings[name]
  return [
    [`--${setting.flag}`, setting],
    ...(setting.kind === "text" ? [] : [[`--no-${setting.flag}`, setting] as const]),
    ...(setting.alias === undefined ? [] : [[`-${setting.alias}`, setting] as const])
  ] as const
}))

// Of effect/cli itself.
const builtIn = new Set(["--help", "-h", "--version", "-v"])
const builtInWithValue = new Set(["--log-level", "--completions"])

interface Own {
  readonly switches: ReadonlySet<string>
  readonly texts: ReadonlySet<string>
}

// Settings that are meant wherever they stand: how the answer is shown, and how long it is waited.
const anywhere = new Set(["--json", "--no-json", "--wait"])

/** One of 64 begins with a hyphen, and is no flags for that. */
const isKey = (word: string): boolean => /^-[\w-]{42}=$/.test(word)

/** The words with such keys as what they are: the value of the flag before, or an argument. */
const withKeys = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = words.includes("--") ? words.indexOf("--") : words.length
  const before: Array<string> = []
  const keys: Array<string> = []
  for (const word of words.slice(0, end)) {
    if (!isKey(word)) before.push(word)
    else if (before.at(-1) === "--key") before.push(`${before.pop()}=${word}`)
    else keys.push(word)
  }
  return keys.length === 0 ? [...before, ...words.slice(end)] : [...before, "--", ...keys, ...words.slice(end + 1)]
}

/** The words of a command line as they are parsed, and what they leave open. */
export interface Prepared extends Open {
  readonly words: ReadonlyArray<string>
}

const asTheyAre = (words: ReadonlyArray<string>): Prepared => ({ words, ...nothing })

/** Whether a word is no flag: an argument, a number below zero, or a key. */
const isOperand = (word: string): boolean => !/^-./.test(word) || /^-[\d.]/.test(word) || isKey(word)

/**
 * The words with flags first and arguments behind `--`, so that none is taken for the other, and `--key=value` of an unknown key as
 * `--arg key=value`; whether `--key value` is one, too, is left open. `own` are the command's own flags. Behind `after` arguments those of settings are nothing special: a
 * function may have a `name`, too.
 */
const rewrite = (words: ReadonlyArray<string>, own: Own, after: number): Prepared => {
  const flags: Array<string> = []
  const operands: Array<string> = []
  const loose: Array<LooseFlag> = []
  const settings: Array<string> = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (word === "--") {
      operands.push(...words.slice(i + 1))
      break
    }
    if (isOperand(word)) {
      operands.push(word)
      continue
    }
    const [name, ...rest] = word.split("=") as [string, ...Array<string>]
    const theirs = operands.length >= after && name.startsWith("--") && !anywhere.has(name)
    const setting = theirs ? undefined : known.get(name)
    if (theirs && known.has(name)) settings.push(name)
    const takesValue = setting?.kind === "text" || own.texts.has(name) || builtInWithValue.has(name)
    if (setting !== undefined || takesValue || own.switches.has(name) || builtIn.has(name)) {
      flags.push(word)
      if (takesValue && rest.length === 0 && i + 1 < words.length) flags.push(words[++i]!)
    } else if (word.startsWith("--") && rest.length === 0 && i + 1 < words.length && isOperand(words[i + 1]!)) {
      loose.push({ name: name.slice(2), at: operands.length - after })
    } else if (word.startsWith("--")) {
      flags.push(`--arg=${rest.length > 0 ? word.slice(2) : `${name.slice(2)}=true`}`)
    } else flags.push(word)
  }
  return {
    words: [...flags, "--", ...operands],
    flags: loose,
    known: [...known.keys(), ...own.texts, ...own.switches].filter((flag) => flag.startsWith("--") && flag !== "--arg"),
    settings
  }
}

/** The words as they are parsed. `ownOf` says which flags a command has besides the settings. */
export const prepare = (
  words: ReadonlyArray<string>,
  specs: ReadonlyArray<Spec>,
  ownOf: (spec: Spec) => Own
): Prepared => {
  // The command is the first word that is no flag and no flag's value.
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (word === "--") return asTheyAre(words)
    if (word.startsWith("-")) {
      if ((known.get(word)?.kind === "text" || builtInWithValue.has(word)) && !word.includes("=")) i++
      continue
    }
    const spec = specs.find(({ alias, name, under }) => under === undefined && (name === word || alias === word))
    if (spec?.open === undefined) return asTheyAre(withKeys(words))
    const prepared = rewrite(words.slice(i + 1), ownOf(spec), spec.open)
    return { ...prepared, words: [word, ...words.slice(0, i), ...prepared.words] }
  }
  return asTheyAre(words)
}
