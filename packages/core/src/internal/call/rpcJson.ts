/**
 * Typed calls as lines of JSON, which are the contents of streams of the protocol `rpc-json` (the section "Typed calls as JSON" of the
 * protocol): what any language can speak. Each line is an object; LF ends it, or END the last.
 *
 *     {"payload"?: value, "hash"?: "16 hex digits", "headers"?: [["n","v"], …], "stream"?: true, "discard"?: true, "window"?: chunks}
 *     {"grant": chunks}
 *     {"type": "chunk", "values": [value, …]}
 *     {"type": "success", "value"?: value}
 *     {"type": "error", "code": "failed", "error": value, "others"?: [value, …], "description"?: text}
 *     {"type": "error", "code": "internal"}
 *     {"type": "mismatch", "hash": "16 hex digits", "contract": {…}, "description"?: text}
 *
 * What bites: everything that is read here may be a peer's. Nothing throws, lines are weighed before they are parsed, and one that is
 * too long is not waited for.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Headers from "effect/http/Headers"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import { concat } from "../base/bytes.ts"
import { Pieces } from "../base/pieces.ts"
import { utf8 } from "../base/platform.ts"
import { escapeText } from "../base/quote.ts"
import { isObject, parse, weigh } from "../wire/json.ts"
import * as Contract from "./contract.ts"
import { jsonContractOf, schemasOf } from "./rpcContract.ts"
import * as Wire from "./rpcWire.ts"

const lineFeed = 0x0a

/** Bytes of a line besides its value, its headers and its contract. */
const slack = 1_024
/** Bytes of a grant. */
const maxGrant = 256
/** Chunks that may be granted at once: as many as nobody sends. */
const maxChunks = 0xffff_ffff
/** Characters of a description. It may speak of what a peer sent, and is no longer for that. */
const maxDescription = 1_024
/** What is made of fewer bytes is not weighed where it is read, but by its depth. */
const few = 1_024
/** How much the arrays, objects and fields of an answer may hold, as so many times the bytes that it may have. */
const maxWeight = 8
const shortAnswer = 65_536

// --- lines -----------------------------------------------------------------------------------------------------------------

/** Finds lines of up to so many bytes, without their LF. What has been looked through is not looked through again. */
class Lines {
  #seen = 0
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  next(pieces: Pieces, ended: boolean): Uint8Array | "too large" | undefined {
    const at = pieces.indexOf(lineFeed, this.#seen)
    const length = at === -1 ? pieces.length : at
    if (length > this.#most) return "too large"
    if (at === -1 && !(ended && length > 0)) {
      this.#seen = length
      return undefined
    }
    this.#seen = 0
    const line = pieces.take(length)
    if (at !== -1) pieces.skip(1)
    return line
  }
}

/** A text that a peer, or an error, has for a description. No character is cut in two: not everybody reads half a one. */
const shortened = (text: string): string => text.slice(0, maxDescription).replace(/[\ud800-\udbff]$/, "")

/** What an error of a handler says of itself, which may be anything, or throw. */
const messageOfError = (error: unknown): string => {
  try {
    const message: unknown = error instanceof Error ? error.message : ""
    return typeof message === "string" ? message : ""
  } catch {
    return ""
  }
}

const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** The eight bytes of 16 hexadecimal digits. */
const bytesOfHex = (text: unknown): Uint8Array | undefined =>
  typeof text === "string" && /^[0-9a-f]{16}$/.test(text)
    ? Uint8Array.from({ length: 8 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16))
    : undefined

const isChunks = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= maxChunks

// --- requests --------------------------------------------------------------------------------------------------------------

/** A request's line, or what is wrong with it. A field that is null is none, as many languages write it. */
const decodeRequest = (bytes: Uint8Array): Wire.Request | string => {
  const parsed = parse(bytes)
  if (typeof parsed === "string") return `a request that is ${parsed}`
  const request: unknown = parsed.value
  if (!isObject(request)) return "a request that is no object"
  const { discard, hash, headers, payload = null, stream, window } = request
  const hashed = hash === undefined || hash === null ? undefined : bytesOfHex(hash)
  if (hashed === undefined && hash !== undefined && hash !== null) return "a hash that is none"
  for (const flag of [discard, stream]) {
    if (flag !== undefined && flag !== null && typeof flag !== "boolean") return "a flag that is neither true nor false"
  }
  if (window !== undefined && window !== null && !isChunks(window)) return "a window that is no number of chunks"
  const pairs = headers === undefined || headers === null ? Headers.empty : Wire.headersOfPairs(headers)
  if (pairs === undefined) return "malformed headers"
  let size = 0
  for (const name in pairs) size += name.length + pairs[name]!.length + 8
  if (size > Wire.maxHeaders) return "headers that are too long"
  return {
    flags: (discard === true ? Wire.Flag.discard : 0) | (stream === true ? Wire.Flag.stream : 0),
    hash: hashed,
    window: window ?? Wire.defaultWindow,
    headers: pairs,
    payload,
    size: bytes.length
  }
}

const begins = utf8("{\"payload\":")

const requestLine = (head: Wire.RequestHead, payload: Uint8Array): ReadonlyArray<Uint8Array> => [
  begins,
  payload,
  utf8(
    `,"hash":"${hexOf(head.hash)}"${head.stream ? `,"stream":true,"window":${head.window}` : ""}${
      head.discard ? ",\"discard\":true" : ""
    }`
  ),
  ...(head.headers === undefined ? [] : [utf8(",\"headers\":"), head.headers]),
  ends
]

const ends = utf8("}\n")

/** Chunks that are granted by lines, as they come; `undefined` where one is no grant. */
const grants = () => {
  const pieces = new Pieces(maxGrant)
  const lines = new Lines(maxGrant)
  return (bytes: Uint8Array): number | undefined => {
    pieces.add(bytes)
    let granted = 0
    while (true) {
      const line = lines.next(pieces, false)
      if (line === undefined) return granted
      const parsed = line === "too large" ? "a long one" : parse(line)
      const grant: unknown = typeof parsed === "string" || !isObject(parsed.value) ? undefined : parsed.value["grant"]
      if (!isChunks(grant)) return undefined
      granted += grant
    }
  }
}

// --- answers ---------------------------------------------------------------------------------------------------------------

const heads = {
  [Wire.Kind.success]: utf8("{\"type\":\"success\",\"value\":"),
  [Wire.Kind.failure]: utf8("{\"type\":\"error\",\"code\":\"failed\""),
  [Wire.Kind.mismatch]: utf8("{\"type\":\"mismatch\""),
  [Wire.Kind.chunk]: utf8("{\"type\":\"chunk\",\"values\":")
}
const nothing = [utf8("{\"type\":\"success\"}\n")]
const broke = [utf8("{\"type\":\"error\",\"code\":\"internal\"}\n")]

const answer = (kind: number, body: Uint8Array): ReadonlyArray<Uint8Array> => {
  if (kind === Wire.Kind.success) return body.length === 0 ? nothing : [heads[Wire.Kind.success], body, ends]
  if (kind === Wire.Kind.broken) return broke
  return [heads[kind === Wire.Kind.failure ? Wire.Kind.failure : Wire.Kind.mismatch], body, ends]
}

/** What a line of an answer says: a kind and what is behind it; `undefined` where it is none. Of what is not known, that it broke. */
const messageOf = (line: Uint8Array): { readonly kind: number; readonly body?: unknown } | undefined => {
  const parsed = parse(line)
  if (typeof parsed === "string" || !isObject(parsed.value)) return undefined
  const message = parsed.value
  if (typeof message["type"] !== "string") return undefined
  switch (message["type"]) {
    case "chunk":
      return { kind: Wire.Kind.chunk, body: message["values"] }
    case "success":
      return { kind: Wire.Kind.success, body: message["value"] ?? null }
    case "mismatch":
      return { kind: Wire.Kind.mismatch, body: message }
    case "error":
      return message["code"] === "failed" ? { kind: Wire.Kind.failure, body: message } : { kind: Wire.Kind.broken }
  }
  return { kind: Wire.Kind.broken }
}

class JsonAnswers implements Wire.AnswerReader {
  body: any
  readonly #limit: number
  readonly #lines: Lines
  /** The kind of the last line, behind which is nothing. */
  #last: number | undefined

  constructor(limit: number) {
    this.#limit = limit
    this.#lines = new Lines(limit + Wire.maxContract + slack)
  }

  next(pieces: Pieces, ended: boolean): number {
    if (this.#last === undefined) {
      const line = this.#lines.next(pieces, ended)
      if (line === undefined) return ended ? Wire.Found.malformed : Wire.Found.more
      if (line === "too large") return Wire.Found.tooLarge
      if (line.length > shortAnswer) {
        const weight = weigh(line)
        if (weight < Infinity && weight > maxWeight * this.#limit) return Wire.Found.tooLarge
      }
      const message = messageOf(line)
      if (message === undefined) return Wire.Found.malformed
      this.body = message.body
      const { kind } = message
      // Of an error or a contract there may be more.
      if (line.length > this.#limit + slack && kind !== Wire.Kind.failure && kind !== Wire.Kind.mismatch) {
        return Wire.Found.tooLarge
      }
      if (kind === Wire.Kind.chunk) return kind
      this.#last = kind
    }
    if (pieces.length > 0) return Wire.Found.malformed
    return ended ? this.#last : Wire.Found.more
  }
}

const mismatch = (body: Readonly<Record<string, unknown>>): Wire.Mismatch | undefined => {
  const { contract, description, hash } = body
  if (!isObject(contract)) return undefined
  const said = typeof description === "string" ? { description: escapeText(shortened(description)) } : {}
  return { hash: bytesOfHex(hash), contract, ...said }
}

const json: Wire.Form = {
  protocol: "rpc-json",
  room: Wire.maxContract + slack,
  atOnce: (bytes) =>
    bytes.length <= few && bytes.indexOf(lineFeed) === bytes.length - 1 && bytes.length > 0
      ? bytes.subarray(0, bytes.length - 1)
      : undefined,
  requests: (limit) => {
    const lines = new Lines(limit + Wire.maxHeaders + slack)
    return (pieces, ended) => lines.next(pieces, ended)
  },
  weigh,
  decodeRequest,
  request: requestLine,
  grant: (chunks) => utf8(`{"grant":${chunks}}\n`),
  grants,
  answer,
  chunk: (elements) => [heads[Wire.Kind.chunk], elements, ends],
  answers: (limit) => new JsonAnswers(limit),
  mismatch
}

// --- values ----------------------------------------------------------------------------------------------------------------

/** The typed failures of an exit: the first is its error, and others stand behind it. */
const exits = (
  error: Schema.Top,
  options: Parameters<typeof Wire.jsonEncoder>[1]
): Pick<Wire.Wire, "encodeExit" | "decodeExit"> => {
  const encode = Wire.jsonEncoder(error, options)
  const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(error), options) as Wire.Coding<unknown, unknown>
  return {
    encodeExit: (exit) => {
      const errors = Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isFailReason).map(({ error }) => error) : []
      const [first] = errors
      return Effect.map(
        Effect.forEach(errors, (each) => encode(each)),
        ([one, ...others]) => {
          const message = messageOfError(first)
          const said = message === "" ? "" : `,"description":${JSON.stringify(shortened(message))}`
          const parts = [
            utf8(",\"error\":"),
            one!,
            ...others.flatMap((each, i) => [utf8(i === 0 ? ",\"others\":[" : ","), each]),
            utf8(others.length === 0 ? said : `]${said}`)
          ]
          return concat(parts, parts.reduce((sum, part) => sum + part.length, 0))
        }
      )
    },
    decodeExit: (body: Readonly<Record<string, unknown>>) => {
      const { error: first = null, others } = body
      const all: ReadonlyArray<unknown> = Array.isArray(others)
        ? [first, ...others.slice(0, Wire.maxFailures - 1) as ReadonlyArray<unknown>]
        : [first]
      return Effect.map(
        Effect.forEach(all, (each) => decode(each)),
        (errors) => Exit.failCause(Cause.fromReasons(errors.map(Cause.makeFailReason)))
      )
    }
  }
}

const wires = new WeakMap<Rpc.AnyWithProps, Wire.Wire>()

/** How the values of a call travel as JSON; compiled once. */
export const jsonWireOf = (rpc: Rpc.AnyWithProps): Wire.Wire => {
  const known = wires.get(rpc)
  if (known !== undefined) return known
  const options = Context.get(rpc.annotations, Rpc.ParseOptions)
  const { exit, stream, success } = schemasOf(rpc)
  // Compiled when first needed: who only calls has no use for half of them.
  const encoder = (schema: () => Schema.Top): Wire.Coding<any, Uint8Array> => {
    let encode: Wire.Coding<any, Uint8Array> | undefined
    return (value) => (encode ??= Wire.jsonEncoder(schema(), options))(value)
  }
  const decoder = (schema: () => Schema.Top): Wire.Coding<any, any> => {
    let decode: Wire.Coding<unknown, unknown> | undefined
    return (value) =>
      (decode ??= Schema.decodeUnknownEffect(Schema.toCodecJson(schema()), options) as Wire.Coding<unknown, unknown>)(
        value
      )
  }
  let failures: ReturnType<typeof exits> | undefined
  const exitsOf = () => failures ??= exits(exit.error as Schema.Top, options)
  const one = () => stream === undefined ? success : Schema.Void
  const chunk = () => Schema.NonEmptyArray(success)
  const contract = () => jsonContractOf(rpc)
  let hash: Uint8Array | undefined
  let told: string | undefined
  const hashOf = () => hash ??= Contract.hashBytesOf(contract())
  const tell = (): string => {
    const text = JSON.stringify(contract())
    return `,"hash":"${hexOf(hashOf())}","contract":${utf8(text).length <= Wire.maxContract ? text : "{}"}`
  }
  const wire: Wire.Wire = {
    rpc,
    form: json,
    isStream: stream !== undefined,
    isRaw: false,
    // A line is weighed before it is parsed.
    hasLists: false,
    encodePayload: encoder(() => rpc.payloadSchema),
    decodePayload: decoder(() => rpc.payloadSchema),
    encodeSuccess: encoder(one),
    decodeSuccess: decoder(one),
    encodeChunk: encoder(chunk),
    decodeChunk: decoder(chunk) as Wire.Coding<any, NonEmptyReadonlyArray<unknown>>,
    encodeExit: (value) => exitsOf().encodeExit(value),
    decodeExit: (body) => exitsOf().decodeExit(body),
    mismatch: (description) =>
      utf8(
        (told ??= tell()) +
          (description === undefined ? "" : `,"description":${JSON.stringify(shortened(description))}`)
      ),
    contract,
    hash: hashOf,
    foreign: false,
    contractFor: contract
  }
  wires.set(rpc, wire)
  return wire
}
