/**
 * The bytes of typed calls, which are the contents of streams of the protocol `rpc` (the section "Typed calls" of the protocol).
 *
 *     request  = length:u32 version:u8 flags:u8 hash:8 window:u8 [length:u32 headers] payload
 *     grant    = chunks:u8
 *     answer   = *chunk (success / failure / broken / mismatch)
 *     success  = %x00 value                      ; to END; no value for a stream, or a call whose result is not wanted
 *     failure  = %x01 exit                       ; to END
 *     chunk    = %x02 length:u32 elements
 *     mismatch = %x03 hash:8 contract-JSON       ; to END; the hash was another's, and the call was not run
 *     broken   = %x06                            ; to END; the handler broke, and the log of its node has the cause
 *     raw      = %x05 length:u32 *(length:u32 bytes)   ; a chunk of a stream of byte arrays
 *
 * Values are encoded by `SchemaBinary` in its default mode, in which either side may have fields that the other does not know. Those
 * of calls that refer to themselves, or list nothings, are JSON: see `swells`.
 *
 * What bites: everything that is read here may be a peer's. Nothing throws, and lengths are checked before anything is held.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Headers from "effect/http/Headers"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import { allocate } from "../base/arena.ts"
import { concat, u32 } from "../base/bytes.ts"
import { perPiece, type Pieces } from "../base/pieces.ts"
import { strictTextOf, utf8 } from "../base/platform.ts"
import { isObject, parse, weigh } from "../wire/json.ts"
import * as Contract from "./contract.ts"
import { binarySchemaOf, keyword, numberedFields } from "./contractBinary.ts"
import * as Codec from "./rpcCodec.ts"
import { contractBy, schemasOf } from "./rpcContract.ts"
import { within } from "./rpcVarints.ts"

export const protocol = "rpc" as const
const version = 1

/** What a request says about itself. */
export const Flag = { headers: 1, discard: 2, raw: 4, stream: 8, form: 16 } as const

export const Kind = { success: 0, failure: 1, chunk: 2, mismatch: 3, raw: 5, broken: 6 } as const

/** Bytes of a request or an answer, unless the node says otherwise. */
export const defaultLimit = 8_388_608
/** Bytes of headers, as JSON. */
export const maxHeaders = 65_536
/** Bytes of a contract, as JSON. One that is larger is sent as an empty one. */
export const maxContract = 262_144
/** Several elements share a chunk up to so many bytes. */
export const chunkBytes = 262_144
/** Chunks that a caller takes before it has granted more, unless it says otherwise. */
export const defaultWindow = 16

/** Typed errors of one failure. An error is an object with the place where it was made: a few bytes of it take long. */
export const maxFailures = 64

/** From a value to another, or not. */
export type Coding<A, B> = (value: A) => Effect.Effect<B, Schema.SchemaError>

/** What a reader of answers has found: a kind, or one of these. */
export const Found = { more: -1, malformed: -2, tooLarge: -3 } as const

/** Finds the messages of an answer in what has come. */
export interface AnswerReader {
  /** What stood behind the kind that was found. */
  body: any
  /** The next message's kind, or why there is none; `ended` says that nothing more comes. */
  next(pieces: Pieces, ended: boolean): number
}

/** What the bytes of a call look like, whatever is in them. */
export interface Form {
  /** The protocol of its streams. */
  readonly protocol: "rpc" | "rpc-json"
  /** What an answer may have besides its value. */
  readonly room: number

  // Requests.
  /** The request in what came at once, if it is that and no more, and need not be weighed. */
  readonly atOnce: (bytes: Uint8Array) => Uint8Array | undefined
  /** Finds a request of up to so many bytes at the front of what has come. */
  readonly requests: (limit: number) => (pieces: Pieces, ended: boolean) => Uint8Array | "too large" | undefined
  /** What a request may be decoded to, where that is more than its bytes say: its payload is weighed by `admit` else. */
  readonly weigh: ((request: Uint8Array) => number) | undefined
  readonly decodeRequest: (bytes: Uint8Array) => Request | string
  /** What is said before the payload, the payload, and what is said behind it. */
  readonly request: (head: RequestHead, payload: Uint8Array) => ReadonlyArray<Uint8Array>
  readonly grant: (chunks: number) => Uint8Array
  /** How many chunks are granted by what has come; `undefined` where it is no grant. */
  readonly grants: () => (bytes: Uint8Array) => number | undefined

  // Answers.
  readonly answer: (kind: number, body: Uint8Array) => ReadonlyArray<Uint8Array>
  readonly chunk: (elements: Uint8Array) => ReadonlyArray<Uint8Array>
  readonly answers: (limit: number) => AnswerReader
  /** What a mismatch says; `undefined` where it is none. */
  readonly mismatch: (body: any) => Mismatch | undefined
}

/** What the other side says of a call that it has not run. */
export interface Mismatch {
  readonly hash: Uint8Array | undefined
  readonly contract: unknown
  readonly description?: string
}

/** What a request says before its payload. */
export interface RequestHead {
  readonly hash: Uint8Array
  readonly window: number
  readonly discard: boolean
  readonly raw: boolean
  readonly stream: boolean
  readonly foreign?: boolean
  readonly headers: Uint8Array | undefined
}

/** How the values of one call travel. */
export interface Wire {
  readonly rpc: Rpc.AnyWithProps
  readonly form: Form
  readonly isStream: boolean
  /** Whether it is a stream of byte arrays, which need no codec. */
  readonly isRaw: boolean
  /** Whether its payload has lists, of which many elements may stand in few bytes. */
  readonly hasLists: boolean
  readonly encodePayload: Coding<unknown, Uint8Array>
  readonly decodePayload: Coding<any, unknown>
  readonly encodeSuccess: Coding<unknown, Uint8Array>
  readonly decodeSuccess: Coding<any, unknown>
  readonly encodeChunk: Coding<ReadonlyArray<unknown>, Uint8Array>
  readonly decodeChunk: Coding<any, NonEmptyReadonlyArray<unknown>>
  readonly encodeExit: Coding<Exit.Exit<unknown, unknown>, Uint8Array>
  readonly decodeExit: Coding<any, Exit.Exit<unknown, unknown>>
  /** What is answered to a call that is not run. */
  readonly mismatch: (description?: string) => Uint8Array
  /** What two sides have to have in common, which is what `hash` is of. */
  readonly contract: () => Contract.Contract
  readonly hash: () => Uint8Array
  /** Whether its values are not the bytes of pnet/1's encoder, which both sides have to have said. Known with the hash. */
  readonly foreign: boolean
  /** This side's contract as it can be compared with a peer's. */
  readonly contractFor: (theirs: unknown) => Contract.Contract
}

/** What a schema is encoded as. */
const encodedOf = (ast: SchemaAST.AST): SchemaAST.AST => {
  let at = ast
  while (at.encoding !== undefined) at = at.encoding[at.encoding.length - 1]!.to
  return at
}

const isNothing = (ast: SchemaAST.AST): boolean => ["Null", "Undefined", "Void"].includes(encodedOf(ast)._tag)

/** Whether a schema, or what it is encoded as, has such a part. What a `Suspend` stands for is not looked at. */
const has = (schema: Schema.Constraint, is: (ast: SchemaAST.AST) => boolean): boolean => {
  const seen = new Set<SchemaAST.AST>()
  const go = (ast: SchemaAST.AST): boolean => {
    if (seen.has(ast)) return false
    seen.add(ast)
    if (is(ast) || ast.encoding?.some(({ to }) => go(to)) === true) return true
    switch (ast._tag) {
      case "Arrays":
        return ast.elements.some(go) || ast.rest.some(go)
      case "Objects":
        return ast.propertySignatures.some(({ type }) => go(type)) || ast.indexSignatures.some(({ type }) => go(type))
      case "Union":
        return ast.types.some(go)
      case "Declaration":
        return ast.typeParameters.some(go)
    }
    return false
  }
  return go(schema.ast)
}

/**
 * Whether a few bytes of a schema may be decoded to very much. `SchemaBinary` makes room for as many elements as a list says it has,
 * up to a million more than there are bytes: where lists nest as deep as a peer likes, 2,400 bytes take four gigabytes. And of
 * nothings, which have no bytes, it makes four million. JSON has what it says, and is weighed before it is parsed.
 */
export const swells = (schema: Schema.Constraint): boolean =>
  has(schema, (ast) => ast._tag === "Suspend" || (ast._tag === "Arrays" && ast.rest.some(isNothing)))

/** Whether a schema has lists or records, of which many may stand in few bytes. */
const lists = (schema: Schema.Constraint): boolean =>
  has(schema, (ast) =>
    ast._tag === "Suspend" || (ast._tag === "Arrays" && ast.rest.length > 0) ||
    (ast._tag === "Objects" && ast.indexSignatures.length > 0))

/** What the arrays, objects and fields of a value in JSON may hold. */
const maxWeight = 8 * defaultLimit

/** Whether an exit of `SchemaBinary` has more errors than that: their number is behind its length, its envelope and its kind. */
const hasManyFailures = (exit: Uint8Array): boolean => {
  let at = 0
  while (exit[at]! >= 0x80) at++
  const count = exit[at + 3]
  return exit[at + 2] === 1 && count !== undefined && count > maxFailures
}

const tooLong = () => wrong("integers of fewer bytes")

const wrong = (expected: string) => new Schema.SchemaError(new SchemaIssue.InvalidValue({ expected }, undefined, {}))

export const jsonEncoder = (schema: Schema.Top, options: SchemaAST.ParseOptions): Coding<any, Uint8Array> => {
  const encode = Schema.encodeUnknownEffect(Schema.toCodecJson(schema), options) as Coding<any, unknown>
  return (value) => Effect.map(encode(value), (json) => utf8(JSON.stringify(json) ?? "null"))
}

const jsonDecoder = (schema: Schema.Top, options: SchemaAST.ParseOptions): Coding<Uint8Array, any> => {
  const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(schema), options) as Coding<unknown, any>
  return (bytes) => {
    const parsed = weigh(bytes) > maxWeight ? "a value that holds less" : parse(bytes)
    return typeof parsed === "string" ? Effect.fail(wrong(parsed)) : decode(parsed.value)
  }
}

/** The fields of a call that bytes do not tell by their names, if any. */
const fieldsOf = (rpc: Rpc.AnyWithProps): Contract.Contract => {
  const { exit, success } = schemasOf(rpc)
  const fields = [
    ...numberedFields("payload", rpc.payloadSchema),
    ...numberedFields("success", success),
    ...numberedFields("error", exit.error)
  ]
  return fields.length === 0 ? {} : { fields }
}

/** How the values of a call travel; compiled once for each encoder. */
export const wireOf = (rpc: Rpc.AnyWithProps, codec: Codec.Codec = Codec.effects): Wire => {
  const { codecFor, wires } = codec
  const known = wires.get(rpc)
  if (known !== undefined) return known as Wire
  const options = Context.get(rpc.annotations, Rpc.ParseOptions)
  const { exit, stream } = schemasOf(rpc)
  const success = stream === undefined ? rpc.successSchema : Schema.Void
  const json = swells(rpc.payloadSchema) || swells(exit.error) ||
    (stream === undefined ? swells(success) : swells(stream.success) || isNothing(stream.success.ast))
  // Compiled when first needed: who only calls has no use for half of them.
  const encoder = (schema: () => Schema.Top): Coding<any, Uint8Array> => {
    let encode: Coding<any, Uint8Array> | undefined
    return (value) =>
      (encode ??= json
        ? jsonEncoder(schema(), options)
        : Schema.encodeUnknownEffect(codecFor(schema()), options) as Coding<any, Uint8Array>)(value)
  }
  const decoder = (schema: () => Schema.Top): Coding<Uint8Array, any> => {
    let decode: Coding<Uint8Array, any> | undefined
    const compiled = (bytes: Uint8Array) =>
      (decode ??= json
        ? jsonDecoder(schema(), options)
        : Schema.decodeUnknownEffect(codecFor(schema()), options) as Coding<Uint8Array, any>)(bytes)
    return json ? compiled : (bytes) => within(bytes, compiled, tooLong)
  }
  const chunk = () => Schema.NonEmptyArray(stream === undefined ? Schema.Any : stream.success) as Schema.Top
  const exitOf = () => exit as unknown as Schema.Top
  const decodeExit = decoder(exitOf)
  const make = (schemaOf: (schema: Schema.Constraint) => Schema.Json): Contract.Contract => {
    const form = json ? "json" : codec.form
    return { ...contractBy(rpc, schemaOf), ...(form === undefined ? {} : { form }) }
  }
  let contract: Contract.Contract | undefined
  let older: Contract.Contract | undefined
  let hash: Uint8Array | undefined
  let foreign = false
  // A date is a text in JSON, whatever bytes it would have been, and its fields have names.
  const contractOf = (): Contract.Contract =>
    contract ??= json ? make(Contract.jsonSchemaOf) : { ...make(binarySchemaOf), ...fieldsOf(rpc) }
  let mismatch: Uint8Array | undefined
  const hashOf = (): Uint8Array => {
    if (hash !== undefined) return hash
    foreign = json || codec.form !== undefined
    return hash = Contract.hashBytesOf(contractOf())
  }
  const wire: Wire = {
    rpc,
    form: binary,
    isStream: stream !== undefined,
    isRaw: stream !== undefined && stream.success.ast === Schema.Uint8Array.ast,
    hasLists: lists(rpc.payloadSchema),
    encodePayload: encoder(() => rpc.payloadSchema),
    decodePayload: decoder(() => rpc.payloadSchema),
    encodeSuccess: encoder(() => success),
    decodeSuccess: decoder(() => success),
    encodeChunk: encoder(chunk),
    decodeChunk: decoder(chunk),
    encodeExit: encoder(exitOf),
    // Where another encoder writes the number is not known.
    decodeExit: (bytes: Uint8Array) =>
      !json && codec.form === undefined && hasManyFailures(bytes)
        ? Effect.fail(wrong(`at most ${maxFailures} errors`))
        : decodeExit(bytes),
    mismatch: () => mismatch ??= mismatchBody(contractOf(), hashOf()),
    contract: contractOf,
    hash: hashOf,
    get foreign() {
      return foreign
    },
    contractFor: (theirs) => tellsForms(theirs) ? contractOf() : older ??= make(Contract.jsonSchemaOf)
  }
  wires.set(rpc, wire)
  return wire
}

/** The value of an effect that has one already: most codecs need neither services nor time. */
export const valueOf = <A, E>(effect: Effect.Effect<A, E>): Exit.Exit<A, E> | undefined =>
  Exit.isExit(effect) ? effect as Exit.Exit<A, E> : undefined

// --- integers --------------------------------------------------------------------------------------------------------------

const putU32 = (out: Uint8Array, at: number, value: number): void => {
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
}

// --- requests --------------------------------------------------------------------------------------------------------------

/** What stands between a request's length and its headers or payload. */
const fixedLength = 11

export interface Request {
  readonly flags: number
  /** Of the contract that the caller has; without one, its payload is all that there is to go by. */
  readonly hash: Uint8Array | undefined
  readonly window: number
  readonly headers: Headers.Headers
  readonly payload: any
  /** Bytes of the payload. */
  readonly size: number
}

interface BinaryRequest extends Request {
  readonly hash: Uint8Array
  readonly payload: Uint8Array
}

/** The headers as JSON; `undefined` where there are none. */
export const headersText = (headers: Headers.Headers): Uint8Array | undefined => {
  for (const _ in headers) return utf8(JSON.stringify(Object.entries(headers)))
  return undefined
}

/** What stands before a payload of so many bytes. */
const requestHead = (request: RequestHead, payloadLength: number): Uint8Array => {
  const { hash, headers } = request
  const length = fixedLength + (headers === undefined ? 0 : 4 + headers.length)
  const out = new Uint8Array(4 + length)
  putU32(out, 0, length + payloadLength)
  out[4] = version
  out[5] = (headers === undefined ? 0 : Flag.headers) | (request.discard ? Flag.discard : 0) |
    (request.raw ? Flag.raw : 0) | (request.stream ? Flag.stream : 0) | (request.foreign === true ? Flag.form : 0)
  for (let i = 0; i < 8; i++) out[6 + i] = hash[i]!
  out[14] = request.window
  if (headers !== undefined) {
    putU32(out, 4 + fixedLength, headers.length)
    out.set(headers, 8 + fixedLength)
  }
  return out
}

export const encodeRequest = (
  request: RequestHead & { readonly payload: Uint8Array }
): Uint8Array => {
  const { payload } = request
  const head = requestHead(request, payload.length)
  const out = allocate(head.length + payload.length)
  out.set(head)
  out.set(payload, head.length)
  return out
}

/** Headers of pairs; `undefined` where they are none. */
export const headersOfPairs = (pairs: unknown): Headers.Headers | undefined => {
  if (!Array.isArray(pairs)) return undefined
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2 || pair.some((text) => typeof text !== "string")) return undefined
  }
  return Headers.fromInput(pairs as Array<[string, string]>)
}

const headersOf = (bytes: Uint8Array): Headers.Headers | undefined => {
  const text = strictTextOf(bytes)
  if (text === undefined) return undefined
  try {
    return headersOfPairs(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** A request without its length; a text says what is wrong with it. */
export const decodeRequest = (bytes: Uint8Array): BinaryRequest | string => {
  if (bytes.length < fixedLength) return "a request that is too short"
  if (bytes[0] !== version) return "a request of another version"
  const flags = bytes[1]!
  let at = fixedLength
  let headers: Headers.Headers | undefined = Headers.empty
  if ((flags & Flag.headers) !== 0) {
    if (bytes.length < at + 4) return "a request that is too short"
    const length = u32(bytes, at)
    at += 4
    if (length > maxHeaders || length > bytes.length - at) return "headers that are too long"
    headers = headersOf(bytes.subarray(at, at + length))
    if (headers === undefined) return "malformed headers"
    at += length
  }
  const payload = bytes.subarray(at)
  return { flags, hash: bytes.subarray(2, 10), window: bytes[10]!, headers, payload, size: payload.length }
}

export const sameHash = (a: Uint8Array, b: Uint8Array): boolean => {
  for (let i = 0; i < 8; i++) if (a[i] !== b[i]) return false
  return true
}

// --- answers ---------------------------------------------------------------------------------------------------------------

const kinds = Array.from({ length: 7 }, (_, kind) => Uint8Array.of(kind))

/** A kind, in front of a body that is sent as it is. Shared: not to be changed. */
export const kindOnly = (kind: number): Uint8Array => kinds[kind]!

/** A kind and a length, in front of a body that is sent as it is. */
export const header = (kind: number, length: number): Uint8Array => {
  const out = new Uint8Array(5)
  out[0] = kind
  putU32(out, 1, length)
  return out
}

export const lengthOf = (length: number): Uint8Array => {
  const out = new Uint8Array(4)
  putU32(out, 0, length)
  return out
}

/** Whether a peer's contract says where values have a binary form of their own. Those of older nodes do not. */
const tellsForms = (contract: unknown): boolean => isObject(contract) && contract[keyword] === true

const contractText = (contract: Contract.Contract): Uint8Array => {
  const text = utf8(JSON.stringify({ ...contract, [keyword]: true }))
  return text.length <= maxContract ? text : utf8("{}")
}

const mismatchBody = (contract: Contract.Contract, hash: Uint8Array): Uint8Array => {
  const text = contractText(contract)
  return concat([hash, text], 8 + text.length)
}

/** The other side's contract and its hash, which is what the caller has to know to call it. */
export const mismatchOf = (contract: Contract.Contract, hash: Uint8Array): Uint8Array => {
  const body = mismatchBody(contract, hash)
  return concat([kindOnly(Kind.mismatch), body], 1 + body.length)
}

/** What a mismatch says; `undefined` where it is none. */
export const contractOf = (body: Uint8Array): { readonly hash: Uint8Array; readonly contract: unknown } | undefined => {
  if (body.length < 8 || body.length > 8 + maxContract) return undefined
  const parsed = parse(body.subarray(8))
  return typeof parsed === "string" ? undefined : { hash: body.slice(0, 8), contract: parsed.value }
}

/** The elements that a caller with this limit takes in one raw chunk: as many as fill one, and beyond that by what they hold, as of JSON. */
export const mostRaw = (limit: number): number => Math.max(chunkBytes / 4, 8 * limit / perPiece)

/** The elements of a raw chunk; `undefined` where they do not fill it. Views, of `bytes`, of which each takes a hundred. */
export const rawElements = (bytes: Uint8Array, most: number): Array<Uint8Array> | "too many" | undefined => {
  const out: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length;) {
    if (out.length >= most) return "too many"
    if (bytes.length - at < 4) return undefined
    const length = u32(bytes, at)
    at += 4
    if (length > bytes.length - at) return undefined
    out.push(bytes.subarray(at, at + length))
    at += length
  }
  return out.length === 0 ? undefined : out
}

/**
 * The typed failures of a cause, without its defects and interruptions, which do not travel, and as many as a reader takes;
 * `undefined` where there is none.
 */
export const failuresOf = <E>(cause: Cause.Cause<E>): Cause.Cause<E> | undefined => {
  const { reasons } = cause
  if (reasons.length <= maxFailures && reasons.every(Cause.isFailReason)) {
    return reasons.length === 0
      ? undefined
      : cause
  }
  const failures = reasons.filter(Cause.isFailReason).slice(0, maxFailures)
  return failures.length === 0 ? undefined : Cause.fromReasons(failures)
}

// --- the form --------------------------------------------------------------------------------------------------------------

class BinaryAnswers implements AnswerReader {
  body: any
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  next(pieces: Pieces, ended: boolean): number {
    if (pieces.length === 0) return ended ? Found.malformed : Found.more
    const kind = pieces.byte(0)
    switch (kind) {
      case Kind.chunk:
      case Kind.raw: {
        // No whole message yet.
        const waits = ended ? Found.malformed : Found.more
        if (pieces.length < 5) return waits
        const length = pieces.u32(1)
        if (length > this.#limit) return Found.tooLarge
        if (pieces.length < 5 + length) return waits
        pieces.skip(5)
        this.body = pieces.take(length)
        return kind
      }
      case Kind.success:
      case Kind.failure:
      case Kind.broken:
      case Kind.mismatch: {
        // All that comes behind the kind.
        if (pieces.length > this.#limit + maxContract) return Found.tooLarge
        if (!ended) return Found.more
        pieces.skip(1)
        this.body = pieces.take(pieces.length)
        return kind
      }
    }
    return Found.malformed
  }
}

/** The bytes of a request of so many, behind its length. */
const framed = (limit: number) => {
  let length: number | undefined
  return (pieces: Pieces): Uint8Array | "too large" | undefined => {
    if (length === undefined && pieces.length >= 4) {
      length = pieces.u32(0)
      if (length > limit + maxHeaders + 64) return "too large"
    }
    if (length === undefined || pieces.length < 4 + length) return undefined
    pieces.skip(4)
    return pieces.take(length)
  }
}

const grantsOf = (bytes: Uint8Array): number => {
  let granted = 0
  for (const chunks of bytes) granted += chunks
  return granted
}

/** What is so short is read in one step. */
const short = 65_536

export const binary: Form = {
  protocol,
  room: maxContract + 6,
  atOnce: (bytes) =>
    bytes.length <= short && bytes.length > 4 && u32(bytes, 0) === bytes.length - 4 ? bytes.subarray(4) : undefined,
  requests: framed,
  weigh: undefined,
  decodeRequest,
  request: (head, payload) => [requestHead(head, payload.length), payload],
  grant: (chunks) => Uint8Array.of(chunks),
  grants: () => grantsOf,
  answer: (kind, body) => [kindOnly(kind), body],
  chunk: (elements) => [header(Kind.chunk, elements.length), elements],
  answers: (limit) => new BinaryAnswers(limit),
  mismatch: contractOf
}
