/**
 * The arguments of a call, from the words of the command line, and whether they are what the peer says its function takes.
 */
import { type JsonObject, listOf, objectOf, own } from "@pnet/console/JsonSchema"
import { type Mistake, mistakes } from "@pnet/console/Mistakes"
import { argumentsOf, type Described, keywordsOf, signatureOf } from "@pnet/console/Signature"
import { displayWidth } from "effect/cli/CliOutput"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { Problem } from "../errors.ts"
import type { Open } from "../loose.ts"
import { didYouMean } from "../nearest.ts"
import { quoted } from "../output/quoted.ts"
import { Settings } from "../settings/Settings.ts"

/** A word: what it says, as it was written, and as text where it stood for standard input. */
interface Word {
  readonly written: string
  readonly text: string
  /** The name that it was given by, of an argument that has a place. */
  readonly named?: string
}

/** The words of a call. */
export interface Words {
  readonly args: ReadonlyArray<Word>
  readonly kwargs: ReadonlyArray<{ readonly name: string; readonly value: Word }>
  /** Flags without a value before the argument of that place, which may be it. */
  readonly loose: ReadonlyArray<{ readonly name: string; readonly at: number }>
  /** The flags that the command has itself. */
  readonly known: ReadonlyArray<string>
  /** Those of them that are settings, and are the function's where they stand. */
  readonly settings: ReadonlyArray<string>
}

const wrong = (what: string, hint?: string) =>
  new Problem({ exit: "usage", what, ...(hint === undefined ? {} : { hint }) })

/** What a flag without a value says. */
const on: Word = { written: "true", text: "true" }

const stdinText = Effect.gen(function*() {
  const stdio = yield* Stdio.Stdio
  const { values } = yield* Settings
  if (values.networkKeyStdin) {
    return yield* wrong("standard input has the network key, and cannot be an argument, too")
  }
  return yield* Effect.mapError(
    stdio.stdin.pipe(Stream.decodeText(), Stream.mkString),
    (error) => new Problem({ exit: "failed", what: `standard input could not be read: ${error.message}` })
  )
})

/** Reads the words: `-` is standard input, once, and keyword arguments are `KEY=VALUE`. */
export const read = Effect.fnUntraced(function*(
  args: ReadonlyArray<string>,
  kwargs: ReadonlyArray<string>,
  { flags, known, settings }: Open
): Effect.fn.Return<Words, Problem, Stdio.Stdio | Settings> {
  const named: Array<readonly [string, string]> = []
  // What stands before the peer and its function is the command's rather than theirs.
  for (const { at, name } of flags) {
    const meant = at < 0 ? didYouMean(`--${name}`, known) : undefined
    if (meant !== undefined) return yield* wrong(`call has no flag --${name}`, meant)
    if (at < 0) named.push([name, on.written])
  }
  for (const one of kwargs) {
    const at = one.indexOf("=")
    if (at < 1) return yield* wrong(`--arg ${JSON.stringify(one)} is not KEY=VALUE`)
    named.push([one.slice(0, at), one.slice(at + 1)])
  }
  const loose = flags.filter(({ at }) => at >= 0)
  const names = [...named.map(([name]) => name), ...loose.map(({ name }) => name)]
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined) return yield* wrong(`the argument ${JSON.stringify(twice)} is there twice`)
  const all = [...args, ...named.map(([, value]) => value)]
  if (all.filter((written) => written === "-").length > 1) {
    return yield* wrong("standard input is one argument, and - stands for several")
  }
  const stdin = all.includes("-") ? yield* stdinText : ""
  const word = (written: string): Word => ({ written, text: written === "-" ? stdin : written })
  return {
    args: args.map(word),
    kwargs: named.map(([name, value]) => ({ name, value: word(value) })),
    loose,
    known,
    settings
  }
})

const fromJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

interface Value {
  readonly value: Schema.Json
  readonly wrong: ReadonlyArray<Mistake>
}

/** A word as JSON, and otherwise as text: of both, as what the schema takes. */
const valueOf = ({ text }: Word, schema: unknown, within: unknown): Value => {
  const made = (value: Schema.Json): Value => ({ value, wrong: mistakes(schema, value, within) })
  const json = Option.map(fromJson(text), made)
  if (Option.isNone(json)) return made(text)
  // A number with more digits than JSON keeps is another one: where text is taken it is text.
  const isExact = typeof json.value.value !== "number" || !Number.isInteger(json.value.value) ||
    Number.isSafeInteger(json.value.value)
  if (json.value.wrong.length === 0 && isExact || typeof json.value.value === "string") return json.value
  const asText = made(text)
  return asText.wrong.length === 0 ? asText : json.value
}

/** Where something is wrong: for people, and which of the words it is. */
interface Place {
  readonly where: string
  readonly expected: string
  readonly found?: string
  /** The place of the word among the words of the call; -1 where it is none of them. */
  readonly at: number
}

const inside = (path: ReadonlyArray<string | number>): string =>
  path.map((part) => typeof part === "number" ? `[${part}]` : `.${part}`).join("")

const foundAt = (value: unknown, path: ReadonlyArray<string | number>): string | undefined => {
  let now = value
  for (const part of path) {
    now = typeof now === "object" && now !== null
      ? (now as Record<string, unknown>)[part]
      : undefined
  }
  return now === undefined ? undefined : JSON.stringify(now).slice(0, 60)
}

const place = (where: string, at: number, value: unknown, { expected, path }: Mistake): Place => {
  const found = foundAt(value, path)
  return { where: `${where}${inside(path)}`, expected, at, ...(found === undefined ? {} : { found }) }
}

/** A function of a peer. */
export interface Callee {
  readonly peer: string
  readonly name: string
  readonly described: Described | undefined
}

// A longer command line is not written out again.
const longest = 200

/** The call as it was written, and a line under it with marks at what is wrong. */
const pointed = (words: Words, { name, peer }: Callee, places: ReadonlyArray<Place>): ReadonlyArray<string> => {
  const written = [
    ...words.args.map(({ named, written }) => quoted(named === undefined ? written : `--${named}=${written}`)),
    ...words.kwargs.map(({ name, value }) => quoted(`--${name}=${value.written}`))
  ]
  const head = `pnet call ${quoted(peer)} ${quoted(name)}`
  const bad = new Set(places.map(({ at }) => at))
  const line = [head, ...written].join(" ")
  if (displayWidth(line) > longest || places.every(({ at }) => at < 0)) return []
  const marks = [
    " ".repeat(displayWidth(head)),
    ...written.map((word, i) => (bad.has(i) ? "^" : " ").repeat(displayWidth(word)))
  ]
  return [line, marks.join(" ").trimEnd()]
}

const labelOf = (schema: unknown, i: number): string => {
  const title = own(objectOf(schema), "title")
  return typeof title === "string" ? `argument ${i + 1} (${title})` : `argument ${i + 1}`
}

/**
 * The words with those by name in the places of arguments that are called so, where the function has no keyword argument of that name. One behind a place that
 * nothing fills stays where it is: what is wrong is said of it there.
 */
const placed = (words: Words, args: unknown, kwargs: unknown): Words => {
  const titles = listOf(own(objectOf(args), "prefixItems")).map((one) => own(objectOf(one), "title"))
  const keywords = new Set(keywordsOf(kwargs).map(({ name }) => name))
  const positional = [...words.args]
  const byName = new Map(words.kwargs.map((one) => [one.name, one]))
  for (let i = positional.length; i < titles.length; i++) {
    const title = titles[i]
    const one = typeof title === "string" && !keywords.has(title) ? byName.get(title) : undefined
    if (one === undefined) break
    positional.push({ ...one.value, named: one.name })
    byName.delete(one.name)
  }
  return { ...words, args: positional, kwargs: [...byName.values()] }
}

/** How many arguments there may be. */
const countWrong = (args: unknown, given: number): Place | undefined => {
  const schema = objectOf(args)
  const least = own(schema, "minItems")
  const most = own(schema, "maxItems")
  const hasRest = objectOf(own(schema, "items")) !== undefined
  const expected = typeof least === "number" && given < least
    ? least === most ? `${least}` : `at least ${least}`
    : typeof most === "number" && given > most && !hasRest
    ? least === most ? `${most}` : `at most ${most}`
    : undefined
  return expected === undefined ? undefined : { where: "arguments", expected, found: String(given), at: -1 }
}

/** Keyword arguments that have to be there and are not. */
const missingOf = (kwargs: unknown, given: JsonObject): ReadonlyArray<Place> =>
  keywordsOf(kwargs).filter(({ name, required }) => required && !Object.hasOwn(given, name)).map(({ name, type }) => ({
    where: `--${name}`,
    expected: `${type}, and it is missing`,
    at: -1
  }))

/** What there is in place of a keyword argument that the function does not know, and would not look at. */
const unknownOf = (kwargs: unknown, name: string): string | undefined => {
  const schema = objectOf(kwargs)
  // Something else than an object with fields, or one with names that are values: whoever is called knows.
  if (
    schema === undefined || objectOf(own(schema, "additionalProperties")) !== undefined ||
    own(schema, "$ref") !== undefined
  ) return undefined
  if (listOf(own(schema, "anyOf")).length > 0 || listOf(own(schema, "oneOf")).length > 0) return undefined
  const names = keywordsOf(kwargs).map((one) => one.name)
  if (names.includes(name)) return undefined
  return names.length === 0 ? "no arguments by name" : `one of ${names.map((one) => `--${one}`).join(", ")}`
}

/** What is said of an argument by name that has a place, and is not there: it was given before, or one before it is missing. */
const atItsPlace = (args: unknown, name: string, given: number): string | undefined => {
  const first = listOf(own(objectOf(args), "prefixItems"))
  const at = first.findIndex((one) => own(objectOf(one), "title") === name)
  if (at < 0) return undefined
  return at < given ? `it once, and it is there as argument ${at + 1}` : `${labelOf(first[given], given)} before it`
}

/** Where flags stand that are to be settings. */
const ownBefore = (flags: ReadonlyArray<string>): string =>
  `for this node's own ${flags.join(", ")} put ${flags.length === 1 ? "it" : "them"} before the function's name`

/** What is said of a call that failed where settings were given to the function, and may have been meant for this node. */
export const misplaced = ({ settings }: Words): string | undefined =>
  settings.length === 0 ? undefined : `${settings.join(", ")} went to the function; ${ownBefore(settings)}`

/** The question after what was meant by a name that the function has not: an argument of its own, or a flag of the command. */
const meantBy = (
  { known, settings }: Words,
  name: string,
  described: Described | undefined
): ReadonlyArray<string> => {
  if (settings.includes(`--${name}`)) return [`${ownBefore([`--${name}`])};`]
  const theirs = [...keywordsOf(described?.kwargs), ...argumentsOf(described?.args) ?? []].map((one) => `--${one.name}`)
  return Option.toArray(Option.fromNullishOr(didYouMean(`--${name}`, [...theirs, ...known])))
}

/** What may have been meant for the command and is sent, as the function does not say what it takes by name. */
export const doubts = (words: Words, { described }: Callee): ReadonlyArray<string> =>
  described?.kwargs === undefined
    ? words.kwargs.filter(({ name }) => !words.settings.includes(`--${name}`)).flatMap(({ name, value }) =>
      meantBy(words, name, described).map((meant) =>
        `${quoted(`--${name}=${value.written}`)} is sent to the function; ${meant}`
      )
    )
    : []

/** Whether the argument behind a flag is its value, by what the function takes under that name; `undefined` where it may be both. */
const isValue = (described: Described | undefined, name: string, word: Word): boolean | undefined => {
  const { args, kwargs } = described ?? {}
  const fields = objectOf(own(objectOf(kwargs), "properties"))
  const place = listOf(own(objectOf(args), "prefixItems")).find((one) => own(objectOf(one), "title") === name)
  const schema = own(fields, name) ?? place
  // What the function has not is wrong either way, which is said with it.
  if (schema === undefined) return unknownOf(kwargs, name) === undefined ? undefined : true
  const within = own(fields, name) === undefined ? args : kwargs
  if (mistakes(schema, true, within).length > 0 || /^(true|false)$/.test(word.text)) return true
  return valueOf(word, schema, within).wrong.length > 0 ? false : undefined
}

/** The words with what each flag without a value is: one with the argument behind it, or a switch. */
const settled = (words: Words, { described }: Callee): Words | Problem => {
  const taken = new Set<number>()
  const kwargs = [...words.kwargs]
  for (const { at, name } of words.loose) {
    const word = words.args[at]!
    const value = isValue(described, name, word)
    if (value === undefined) {
      const [flag, argument] = [quoted(`--${name}`), quoted(word.written)]
      return wrong(
        `${flag} ${argument} may be one argument by name, or two arguments`,
        [
          ...meantBy(words, name, described),
          `write ${quoted(`--${name}=${word.written}`)}, or ${quoted(`--${name}=true`)} ${argument}`
        ].join(" ")
      )
    }
    if (value) taken.add(at)
    kwargs.push({ name, value: value ? word : on })
  }
  return { ...words, args: words.args.filter((_, i) => !taken.has(i)), kwargs, loose: [] }
}

/** Arguments and keyword arguments as they are sent, or what is wrong with them. */
export const checked = (
  read: Words,
  callee: Callee
): Effect.Effect<
  { readonly args: ReadonlyArray<Schema.Json>; readonly kwargs: Record<string, Schema.Json> },
  Problem
> =>
  Effect.suspend(() => {
    const { args, kind, kwargs } = callee.described ?? {}
    const given = settled(read, callee)
    if (given instanceof Problem) return Effect.fail(given)
    const words = kind === undefined || kind === "rpc" ? given : placed(given, args, kwargs)
    const schema = objectOf(args)
    const first = listOf(own(schema, "prefixItems"))
    const places: Array<Place> = []
    const meant: Array<string> = []
    // A typed call has one payload: in flags, or as one value.
    const byFlags = kind === "rpc" && words.args.length === 0
    const count = schema === undefined || byFlags ? undefined : countWrong(schema, words.args.length)
    if (count !== undefined) places.push(count)
    const sent = words.args.map((word, i) => {
      const of = i < first.length ? first[i] : own(schema, "items")
      const { value, wrong } = valueOf(word, of, schema)
      places.push(...wrong.map((one) => place(labelOf(of, i), i, value, one)))
      return value
    })
    const fields = objectOf(own(objectOf(kwargs), "properties"))
    const named = words.kwargs.map(({ name, value: word }, i) => {
      const { value, wrong } = valueOf(word, own(fields, name), kwargs)
      places.push(...wrong.map((one) => place(`--${name}`, words.args.length + i, value, one)))
      return [name, value] as const
    })
    const whole = Object.fromEntries(named)
    // Of a typed call whose payload is an argument all fields are in that.
    if (kind !== undefined && (kind !== "rpc" || byFlags)) {
      places.push(...missingOf(kwargs, whole))
      named.forEach(([name], i) => {
        const unknown = unknownOf(kwargs, name)
        if (unknown === undefined) return
        const expected = atItsPlace(schema, name, sent.length) ?? unknown
        places.push({ where: `--${name}`, expected, at: words.args.length + i })
        if (expected === unknown) meant.push(...meantBy(words, name, callee.described))
      })
    }
    if (places.length === 0) return Effect.succeed({ args: sent, kwargs: whole })
    return Effect.fail(
      new Problem({
        exit: "usage",
        what: `${JSON.stringify(callee.name)} at ${JSON.stringify(callee.peer)} does not take these arguments`,
        mistakes: places.map(({ expected, found, where }) => ({
          where,
          expected,
          ...(found === undefined ? {} : { found })
        })),
        pointed: pointed(words, callee, places),
        hint: [...meant, `it takes ${signatureOf(callee.described!)}; --no-check sends them all the same`].join(" ")
      })
    )
  })
