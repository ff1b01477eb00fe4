/** Records of topics: section 16 of the text. */
import { type Bytes, bytesOf, concat, number, numberAt, textOf } from "./bytes.ts"

export const Kind = {
  topic: 1,
  value: 2,
  removed: 3,
  current: 4,
  deliver: 5,
  forget: 6,
  denied: 7,
  missed: 8,
  skipped: 9,
  taken: 17,
  done: 18,
  back: 19,
  refused: 20
} as const
const names = new Map<number, string>(Object.entries(Kind).map(([name, kind]) => [kind, name]))

/** A record of any kind. */
export const record = (kind: number, ...parts: ReadonlyArray<Bytes>): Bytes => {
  const body = concat(Uint8Array.of(kind), ...parts)
  return concat(number(body.length, 4), body)
}

/** What a publisher says of a topic. */
export interface Told {
  readonly topic: string
  readonly contract?: string
  readonly epoch: string
  readonly seq: number
  readonly for: ReadonlyArray<number>
  readonly retained?: boolean
}

export const topic = (index: number, told: Told): Bytes =>
  record(Kind.topic, number(index, 4), bytesOf(JSON.stringify(told)))

const keyed = (key: string | undefined): ReadonlyArray<Bytes> =>
  key === undefined ? [] : [number(bytesOf(key).length, 2), bytesOf(key)]

export interface ValueOptions {
  readonly key?: string
  readonly retained?: boolean
  readonly at?: number
}

const flagsOf = (key: string | undefined, retained = false, again = false): number =>
  (retained ? 1 : 0) | (key === undefined ? 0 : 2) | (again ? 4 : 0)

export const value = (index: number, seq: number, text: string, { at = 1_000, key, retained }: ValueOptions = {}) =>
  record(
    Kind.value,
    number(index, 4),
    number(seq, 8),
    number(at, 8),
    Uint8Array.of(flagsOf(key, retained)),
    ...keyed(key),
    bytesOf(text)
  )

export const deliver = (index: number, seq: number, delivery: number, group: string, text: string): Bytes =>
  record(
    Kind.deliver,
    number(index, 4),
    number(seq, 8),
    number(1_000, 8),
    Uint8Array.of(0),
    number(delivery, 4),
    Uint8Array.of(bytesOf(group).length),
    bytesOf(group),
    bytesOf(text)
  )

export const current = (index: number): Bytes => record(Kind.current, number(index, 4))
export const forget = (index: number): Bytes => record(Kind.forget, number(index, 4))
export const missed = (index: number, count: number): Bytes => record(Kind.missed, number(index, 4), number(count, 4))
export const skipped = (index: number, delivery: number, count: number): Bytes =>
  record(Kind.skipped, number(index, 4), number(delivery, 4), number(count, 4))
export const taken = (index: number, seq: number): Bytes => record(Kind.taken, number(index, 4), number(seq, 8))
export const done = (delivery: number): Bytes => record(Kind.done, number(delivery, 4))
export const back = (delivery: number): Bytes => record(Kind.back, number(delivery, 4))
export const refused = (index: number, reason: string): Bytes => record(Kind.refused, number(index, 4), bytesOf(reason))

/** A record that came. What its kind has not is left out. */
export interface Record {
  readonly kind: string
  readonly index?: number
  readonly seq?: number
  readonly at?: number
  readonly flags?: number
  readonly delivery?: number
  readonly count?: number
  readonly group?: string
  readonly key?: string
  readonly text?: string
  readonly json?: any
}

const parseJson = (bytes: Bytes): unknown => {
  try {
    return JSON.parse(textOf(bytes))
  } catch {
    return undefined
  }
}

/** Reads numbers and texts one after another. */
class Body {
  readonly #bytes: Bytes
  #at = 0

  constructor(bytes: Bytes) {
    this.#bytes = bytes
  }

  number(size: number): number {
    this.#at += size
    return Number(numberAt(this.#bytes, this.#at - size, size))
  }

  text(size = this.#bytes.length - this.#at): string {
    return textOf(this.bytes(size))
  }

  bytes(size = this.#bytes.length - this.#at): Bytes {
    this.#at += size
    return this.#bytes.subarray(this.#at - size, this.#at)
  }

  /** Whether it has been read to its end, and no further. */
  get isWhole(): boolean {
    return this.#at === this.#bytes.length
  }
}

const ofKind = (kind: string, body: Body): Record => {
  switch (kind) {
    case "topic":
      return { kind, index: body.number(4), json: parseJson(body.bytes()) }
    case "denied":
      return { kind, json: parseJson(body.bytes()) }
    case "current":
    case "forget":
      return { kind, index: body.number(4) }
    case "missed":
      return { kind, index: body.number(4), count: body.number(4) }
    case "skipped":
      return { kind, index: body.number(4), delivery: body.number(4), count: body.number(4) }
    case "taken":
      return { kind, index: body.number(4), seq: body.number(8) }
    case "done":
    case "back":
      return { kind, delivery: body.number(4) }
    case "refused":
      return { kind, index: body.number(4), text: body.text() }
    case "removed":
      return { kind, index: body.number(4), seq: body.number(8), at: body.number(8), key: body.text(body.number(2)) }
  }
  const said = { kind, index: body.number(4), seq: body.number(8), at: body.number(8), flags: body.number(1) }
  const handed = kind === "deliver" ? { delivery: body.number(4), group: body.text(body.number(1)) } : {}
  const key = (said.flags & 2) === 0 ? {} : { key: body.text(body.number(2)) }
  return { ...said, ...handed, ...key, text: body.text() }
}

/** Cuts what comes into records. */
export class Reader {
  #buffer: Bytes = new Uint8Array(0)

  add(bytes: Bytes): void {
    this.#buffer = concat(this.#buffer, bytes)
  }

  /** The next, where it is whole; or what is wrong with it. */
  next(): Record | string | undefined {
    if (this.#buffer.length < 4) return undefined
    const length = Number(numberAt(this.#buffer, 0, 4))
    if (length < 1 || length > 1_049_600) return `a record of the length ${length}`
    if (this.#buffer.length < 4 + length) return undefined
    const said = this.#buffer[4]!
    const kind = names.get(said)
    const body = new Body(this.#buffer.slice(5, 4 + length))
    this.#buffer = this.#buffer.slice(4 + length)
    if (kind === undefined) return `a record of the kind ${said}`
    const found = ofKind(kind, body)
    if (!body.isWhole) return `a ${kind} that is not as long as it says`
    return "json" in found && (typeof found.json !== "object" || found.json === null) ? `a ${kind} of no JSON` : found
  }
}
