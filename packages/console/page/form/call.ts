/** A call as it is made in a form, and the same call as text to copy: for a shell, and for a program. */
import { type JsonObject, listOf, objectOf, own } from "@pnet/console/JsonSchema"
import type { Json } from "effect/Schema"

export interface Taken {
  /** The schema of the list of arguments. */
  readonly args: JsonObject
  /** The schema of keyword arguments; left out where there are none. */
  readonly kwargs: JsonObject | undefined
  /** Whether nothing is known, and anything goes. */
  readonly free: boolean
}

/** What a function takes. A typed call takes its payload, whose fields are not asked for twice. */
export const takenOf = (
  described: { readonly kind: string; readonly args?: unknown; readonly kwargs?: unknown }
): Taken => {
  const args = objectOf(described.args)
  if (args === undefined) {
    return { args: { type: "array", items: {} }, kwargs: { type: "object", additionalProperties: {} }, free: true }
  }
  if (described.kind === "rpc" && listOf(own(args, "prefixItems")).length > 0) {
    return { args: { ...args, minItems: 1 }, kwargs: undefined, free: false }
  }
  const kwargs = objectOf(described.kwargs)
  const isEmpty = Object.keys(objectOf(own(kwargs, "properties")) ?? {}).length === 0 &&
    objectOf(own(kwargs, "additionalProperties")) === undefined
  return { args, kwargs: isEmpty ? undefined : kwargs, free: false }
}

export interface Call {
  readonly target: "*" | ReadonlyArray<string>
  readonly function: string
  readonly args: ReadonlyArray<Json>
  readonly kwargs: Readonly<Record<string, Json>>
  readonly timeoutMs: number | undefined
  /** Whether the answer is a stream of elements. */
  readonly stream: boolean
}

/** What stands for what is not filled in yet: a call without it, or with something in its place, would be another one. */
const missing = "…"

/** What a terminal would act on, or nobody sees, in text that is copied into one. */
// oxlint-disable-next-line no-control-regex
const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu

const units = (character: string): string =>
  Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`)
    .join("")

/** JSON in which everything is to be seen. */
export const json = (value: unknown): string => JSON.stringify(value).replace(hidden, units)

/** A word of a shell. Characters that act are written as escapes. */
export const quoted = (text: string): string => {
  if (/^[A-Za-z0-9_./:=,@%+-]+$/.test(text)) return text
  if (!new RegExp(hidden.source, "u").test(text)) return `'${text.replaceAll("'", "'\\''")}'`
  const escaped = text.replace(/[\\']/g, "\\$&").replace(
    hidden,
    (character) =>
      [...new TextEncoder().encode(character)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")
  )
  return `$'${escaped}'`
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** A value as the command reads it: JSON, or text that is none. */
const word = (value: Json): string =>
  typeof value === "string" && value !== "" && value !== "-" && !isJson(value) && json(value) === `"${value}"`
    ? value
    : json(value)

// Names that the command has flags of, or may have.
const taken = new Set([
  "arg",
  "check",
  "no-check",
  "timeout",
  "help",
  "version",
  "json",
  "name",
  "network",
  "completions",
  "wizard"
])

/** Names that the command reads as several, or as another. */
const isUnsayable = (name: string): boolean => name.includes(",") || name.trim() !== name

/** The call for a shell, `whole` or as far as it goes; none of a peer whose name the command cannot be told. */
export const asCommand = (
  { args, function: name, kwargs, target, timeoutMs }: Call,
  whole = true
): string | undefined => {
  if (target !== "*" && target.some(isUnsayable)) return undefined
  const whom = target === "*" ? "*" : target.join(",")
  const limit = timeoutMs === undefined
    ? []
    : [`--timeout ${timeoutMs % 1_000 === 0 ? `${timeoutMs / 1_000}s` : `${timeoutMs}ms`}`]
  const words = whole ? args.map(word) : []
  const named = whole
    ? Object.entries(kwargs).map(([key, value]) =>
      /^[a-z][A-Za-z0-9_]+$/.test(key) && !taken.has(key)
        ? quoted(`--${key}=${word(value)}`)
        : `--arg ${quoted(`${key}=${word(value)}`)}`
    )
    : []
  const said = [whom, name, ...words]
  const isLikeFlag = said.some((one) => one.startsWith("-"))
  return [
    "pnet call",
    ...limit,
    ...(isLikeFlag ? [...named, "--"] : []),
    ...said.map(quoted),
    ...(isLikeFlag ? [] : named),
    ...(whole ? [] : [missing])
  ].join(" ")
}

const code = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(code).join(", ")}]`
  const object = objectOf(value)
  if (object === undefined) return json(value)
  const fields = Object.entries(object)
  return fields.length === 0 ? "{}" : `{ ${
    fields.map(([name, one]) =>
      // In a literal that name would set what the object is made on.
      `${name === "__proto__" ? "[\"__proto__\"]" : /^[A-Za-z_$][\w$]*$/.test(name) ? name : json(name)}: ${code(one)}`
    ).join(", ")
  } }`
}

const streaming = ({ args, function: name, kwargs, target, timeoutMs }: Call, whole: boolean): string => {
  // A typed call has one payload.
  const payload = args[0] ?? (Object.keys(kwargs).length === 0 ? undefined : kwargs)
  const list = [json(name), whole ? payload === undefined ? "undefined" : code(payload) : missing].join(", ")
  const each = `Elements.forEach(node, peer, ${list}, (value) => Effect.log(value))`
  const call = timeoutMs === undefined ? each : `${each}.pipe(Effect.timeout(${timeoutMs}))`
  return target === "*" || target.length > 1
    ? `const peers = yield* node.peers.resolve(${code(target)})\n` +
      `yield* Effect.forEach(peers, (peer) => Effect.exit(${call}), { concurrency: "unbounded" })`
    : `const peer = yield* node.peers.resolveOne(${json(target[0])})\nyield* ${call}`
}

/** The call for a program, `whole` or as far as it goes. */
export const asTypeScript = (call: Call, whole = true): string => {
  if (call.stream) return streaming(call, whole)
  const { args, function: name, kwargs, target, timeoutMs } = call
  const whom = target === "*" ? "\"*\"" : target.length === 1 ? json(target[0]) : code(target)
  const options = timeoutMs === undefined ? "" : `, { timeout: ${timeoutMs} }`
  const named = Object.keys(kwargs).length === 0 ? [] : [`Command.kwargs(${code(kwargs)})`]
  const list = [json(name), ...(whole ? [...args.map(code), ...named] : [missing])].join(", ")
  const several = target === "*" || target.length > 1
  return `const ${several ? "outcomes" : "answer"} = yield* node.target(${whom}${options})(${list})`
}
