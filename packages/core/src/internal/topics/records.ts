/**
 * The records that publishers and subscribers write to each other in the stream of topics (protocol section 16): made, cut out of a
 * stream's bytes, and read.
 *
 * What bites: `RecordReader` gives views of what came, and so does `body` of what was read: who keeps one keeps the whole read that it
 * is a part of, and copies it where that matters.
 */
import { strictTextOf, utf8 } from "../base/platform.ts"
import { isGroup, isTopicName, maxKey } from "../values/topicNames.ts"
import { isObject, parse } from "../wire/json.ts"

/** The most bytes of a value. */
export const maxPayload = 1_048_576

/** The most bytes of a record's kind and body. */
export const maxRecord = maxPayload + 1_024

/** The most bytes of the JSON of a record, names written with escapes included. */
export const maxJson = 16_384

/** The most entries that a record names. */
const maxIds = 256

/** The largest number of an entry. */
const maxId = 0x7fff_ffff

const Kind = {
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

const isRetained = 1
const hasKey = 2
const isAgain = 4

// --- made ------------------------------------------------------------------------------------------------------------------------

/** Where the body begins. */
const start = 5
const u32 = 0x1_0000_0000

const put32 = (out: Uint8Array, at: number, value: number): void => {
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
}

const put64 = (out: Uint8Array, at: number, value: number): void => {
  put32(out, at, Math.floor(value / u32))
  put32(out, at + 4, value >>> 0)
}

/** A record whose body is so long, with its length and its kind. */
const record = (kind: number, length: number): Uint8Array => {
  const out = new Uint8Array(start + length)
  put32(out, 0, length + 1)
  out[4] = kind
  return out
}

/** A record of one or two numbers of four bytes. */
const numbers = (kind: number, first: number, second?: number): Uint8Array => {
  const out = record(kind, second === undefined ? 4 : 8)
  put32(out, start, first)
  if (second !== undefined) put32(out, start + 4, second)
  return out
}

/** A key with its length; gives where it ends. */
const putKey = (out: Uint8Array, at: number, key: Uint8Array): number => {
  out[at] = key.length >>> 8
  out[at + 1] = key.length
  out.set(key, at + 2)
  return at + 2 + key.length
}

/** What every publication begins with. */
const putPublication = (
  out: Uint8Array,
  { at, index, seq }: { readonly index: number; readonly seq: number; readonly at: number }
): void => {
  put32(out, start, index)
  put64(out, start + 4, seq)
  put64(out, start + 12, at)
}

const publicationEnd = start + 20

/** A topic, as it begins or begins anew for a peer. */
export interface TopicRecord {
  /** The number that the publisher's other records of it have. */
  readonly index: number
  readonly topic: string
  /** 16 hexadecimal digits, or `bytes`; none: any JSON. */
  readonly contract: string | undefined
  /** The publisher's run, 16 hexadecimal digits. */
  readonly epoch: string
  /** The number of the newest publication before. */
  readonly seq: number
  /** The entries of the subscriber that it is for. */
  readonly for: ReadonlyArray<number>
  /** Whether retained values follow, and `current`. */
  readonly retained: boolean
}

export const topic = ({ contract, epoch, for: ids, index, retained, seq, topic }: TopicRecord): Uint8Array => {
  const json = utf8(
    JSON.stringify({
      topic,
      ...(contract === undefined ? {} : { contract }),
      epoch,
      seq,
      for: ids,
      ...(retained ? { retained } : {})
    })
  )
  const out = record(Kind.topic, 4 + json.length)
  put32(out, start, index)
  out.set(json, start + 4)
  return out
}

/** A publication. */
export interface ValueRecord {
  readonly index: number
  readonly seq: number
  /** Milliseconds since the epoch, by the publisher's clock. */
  readonly at: number
  readonly key: string | undefined
  readonly body: Uint8Array
}

export const value = (publication: ValueRecord): Uint8Array => {
  const { body } = publication
  const key = publication.key === undefined ? undefined : utf8(publication.key)
  const out = record(Kind.value, 21 + (key === undefined ? 0 : 2 + key.length) + body.length)
  putPublication(out, publication)
  out[publicationEnd] = key === undefined ? 0 : hasKey
  out.set(body, key === undefined ? publicationEnd + 1 : putKey(out, publicationEnd + 1, key))
  return out
}

/** The value of a key is no longer retained. */
export interface RemovedRecord {
  readonly index: number
  readonly seq: number
  readonly at: number
  /** `""` where values have no keys. */
  readonly key: string
}

export const removed = (publication: RemovedRecord): Uint8Array => {
  const key = utf8(publication.key)
  const out = record(Kind.removed, 22 + key.length)
  putPublication(out, publication)
  putKey(out, publicationEnd, key)
  return out
}

/** All that is retained has been said. */
export const current = (index: number): Uint8Array => numbers(Kind.current, index)

/** A publication for one member of a group. */
export interface DeliverRecord extends ValueRecord {
  /** The number that the member answers by. */
  readonly delivery: number
  readonly group: string
  /** Whether it was handed to somebody before. */
  readonly again: boolean
}

export const deliver = (publication: DeliverRecord): Uint8Array => {
  const { body, delivery } = publication
  const key = publication.key === undefined ? undefined : utf8(publication.key)
  const group = utf8(publication.group)
  const out = record(Kind.deliver, 26 + group.length + (key === undefined ? 0 : 2 + key.length) + body.length)
  putPublication(out, publication)
  out[publicationEnd] = (key === undefined ? 0 : hasKey) | (publication.again ? isAgain : 0)
  put32(out, publicationEnd + 1, delivery)
  out[publicationEnd + 5] = group.length
  out.set(group, publicationEnd + 6)
  const end = publicationEnd + 6 + group.length
  out.set(body, key === undefined ? end : putKey(out, end, key))
  return out
}

/** Nothing more comes of a topic. */
export const forget = (index: number): Uint8Array => numbers(Kind.forget, index)

/** So many publications were not written. */
export const missed = (index: number, count: number): Uint8Array => numbers(Kind.missed, index, count)

/** So many publications were given up by a group just before that of a delivery, which follows. */
export interface SkippedRecord {
  readonly index: number
  readonly delivery: number
  readonly count: number
}

export const skipped = ({ count, delivery, index }: SkippedRecord): Uint8Array => {
  const out = record(Kind.skipped, 12)
  put32(out, start, index)
  put32(out, start + 4, delivery)
  put32(out, start + 8, count)
  return out
}

/** An entry gets nothing of a topic that it stands for. */
export interface DeniedRecord {
  readonly id: number
  readonly topic: string
  readonly reason: "not_allowed" | "contract"
}

export const denied = ({ id, reason, topic }: DeniedRecord): Uint8Array => {
  const json = utf8(JSON.stringify({ id, topic, reason }))
  const out = record(Kind.denied, json.length)
  out.set(json, start)
  return out
}

/** All up to this publication has been taken. */
export const taken = (index: number, seq: number): Uint8Array => {
  const out = record(Kind.taken, 12)
  put32(out, start, index)
  put64(out, start + 4, seq)
  return out
}

/** A delivery has been handled. */
export const done = (delivery: number): Uint8Array => numbers(Kind.done, delivery)

/** A delivery was not handled, and goes to another one. */
export const back = (delivery: number): Uint8Array => numbers(Kind.back, delivery)

/** The most bytes of a reason. */
const maxReason = 255

/** Nothing more of a topic is taken from the publisher. A longer reason is cut off. */
export const refused = (index: number, reason: string): Uint8Array => {
  let text = utf8(reason.slice(0, maxReason))
  if (text.length > maxReason) {
    let end = maxReason
    // Not within a character.
    while ((text[end]! & 0xc0) === 0x80) end--
    text = text.subarray(0, end)
  }
  const out = record(Kind.refused, 4 + text.length)
  put32(out, start, index)
  out.set(text, start + 4)
  return out
}

/**
 * The record of a value as that of a retained one, in two parts to be written one after the other: the head is its own, and the body
 * a view of the record, which others share.
 */
export const retainedParts = (record: Uint8Array): [head: Uint8Array, body: Uint8Array] => {
  const flags = record[publicationEnd]!
  const end = (flags & hasKey) === 0
    ? publicationEnd + 1
    : publicationEnd + 3 + (record[publicationEnd + 1]! << 8 | record[publicationEnd + 2]!)
  const head = record.slice(0, end)
  head[publicationEnd] = flags | isRetained
  return [head, record.subarray(end)]
}

// --- cut -------------------------------------------------------------------------------------------------------------------------

const none: Uint8Array = new Uint8Array(0)

/** What is kept of a long record grows from this, twice as large each time, so that a length alone takes no memory. */
const firstRoom = 65_536

/**
 * Cuts the bytes of a stream into records. All bytes are looked at once, and copied at most a few times, however they were cut; a
 * record that lies in one part is a view of it.
 */
export class RecordReader {
  #parts: ReadonlyArray<Uint8Array> = []
  #next = 0
  #part = none
  #offset = 0
  /** The length of the record that has begun in what has been read to its end, as far as it has come. */
  readonly #head = new Uint8Array(4)
  #headLength = 0
  /** What has come of that record, in `#begun`, which is its own and is given to whoever reads it. */
  #begun: Uint8Array = none
  #begunLength = 0
  #isWrong = false

  /** Whether a record has no kind or is too long. There is nothing behind it. */
  get isWrong(): boolean {
    return this.#isWrong
  }

  /** The memory that a record takes that has begun. */
  get held(): number {
    return this.#begun.length
  }

  /** What comes next. The parts are not to be changed. */
  add(parts: ReadonlyArray<Uint8Array>): void {
    this.#parts = this.#next === this.#parts.length ? parts : [...this.#parts.slice(this.#next), ...parts]
    this.#next = 0
  }

  /** The kind and the body of the next record, as soon as all of it is there. */
  next(): Uint8Array | undefined {
    while (!this.#isWrong) {
      const part = this.#part
      const at = this.#offset
      const left = part.length - at
      if (left === 0) {
        if (this.#next === this.#parts.length) {
          this.#parts = []
          this.#next = 0
          this.#part = none
          this.#offset = 0
          return undefined
        }
        this.#part = this.#parts[this.#next++]!
        this.#offset = 0
      } else if (this.#headLength === 0 && left > 4) {
        const length = get32(part, at)
        if (!this.#isLength(length)) return undefined
        if (left - 4 >= length) {
          this.#offset = at + 4 + length
          return part.subarray(at + 4, at + 4 + length)
        }
        this.#head.set(part.subarray(at, at + 4))
        this.#headLength = 4
        this.#offset = at + 4
      } else if (this.#headLength < 4) {
        this.#head[this.#headLength++] = part[at]!
        this.#offset = at + 1
        if (this.#headLength === 4) this.#isLength(get32(this.#head, 0))
      } else {
        const whole = this.#go(part, at, left)
        if (whole !== undefined) return whole
      }
    }
    return undefined
  }

  #isLength(length: number): boolean {
    if (length >= 1 && length <= maxRecord) return true
    this.#isWrong = true
    this.#parts = []
    this.#part = none
    this.#offset = 0
    this.#next = 0
    return false
  }

  /** Adds what there is to the record that has begun; gives it where that is all of it. */
  #go(part: Uint8Array, at: number, left: number): Uint8Array | undefined {
    const length = get32(this.#head, 0)
    const have = this.#begunLength
    const take = Math.min(left, length - have)
    const end = have + take
    this.#offset = at + take
    if (take === length) {
      this.#headLength = 0
      return part.subarray(at, at + take)
    }
    if (end > this.#begun.length) {
      const grown = new Uint8Array(Math.min(length, Math.max(end, 2 * this.#begun.length, firstRoom)))
      grown.set(this.#begun.subarray(0, have))
      this.#begun = grown
    }
    const begun = this.#begun
    begun.set(take === part.length ? part : part.subarray(at, at + take), have)
    this.#begunLength = end
    if (end < length) return undefined
    this.#headLength = 0
    this.#begun = none
    this.#begunLength = 0
    return begun
  }
}

// --- read ------------------------------------------------------------------------------------------------------------------------

const get32 = (bytes: Uint8Array, at: number): number =>
  bytes[at]! * 0x100_0000 + (bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!)

/** A number of eight bytes; it is no safe integer where it is too large. */
const get64 = (bytes: Uint8Array, at: number): number => get32(bytes, at) * u32 + get32(bytes, at + 4)

/** So much ASCII is read without a decoder. */
const short = 64

/** The text of bytes, or `undefined` where they are not UTF-8. Most keys are short ASCII. */
const textAt = (bytes: Uint8Array, from: number, to: number): string | undefined => {
  const length = to - from
  if (length > short) return strictTextOf(bytes.subarray(from, to))
  let text = ""
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!
    if (byte >= 0x80) return strictTextOf(bytes.subarray(from, to))
    text += String.fromCharCode(byte)
  }
  return text
}

/** What a publisher says. */
export type ToSubscriber =
  | { readonly kind: "topic" } & TopicRecord
  | { readonly kind: "value"; readonly retained: boolean } & ValueRecord
  | { readonly kind: "removed" } & RemovedRecord
  | { readonly kind: "current"; readonly index: number }
  | { readonly kind: "deliver" } & DeliverRecord
  | { readonly kind: "forget"; readonly index: number }
  | { readonly kind: "missed"; readonly index: number; readonly count: number }
  | { readonly kind: "skipped" } & SkippedRecord
  | { readonly kind: "denied" } & DeniedRecord

/** What a subscriber says. */
export type ToPublisher =
  | { readonly kind: "taken"; readonly index: number; readonly seq: number }
  | { readonly kind: "done"; readonly delivery: number }
  | { readonly kind: "back"; readonly delivery: number }
  | { readonly kind: "refused"; readonly index: number; readonly reason: string }

const badLength = "a record of another length than its kind has"
const badNumber = "a number that is too large"
const badKey = "a key that is no UTF-8 or too long"

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const isEntry = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= maxId

const epochs = /^[0-9a-f]{16}$/

/** Whether it is what a topic's values are said to be. */
const isContract = (value: unknown): value is string | undefined =>
  value === undefined || value === "bytes" || (typeof value === "string" && epochs.test(value))

/** The JSON object of a record. */
const jsonAt = (record: Uint8Array, from: number): Readonly<Record<string, unknown>> | string => {
  if (record.length - from > maxJson) return `JSON of more than ${maxJson} bytes`
  const parsed = parse(record.subarray(from))
  if (typeof parsed === "string") return parsed
  return isObject(parsed.value) ? parsed.value : "JSON that is no object"
}

const readTopic = (record: Uint8Array): ToSubscriber | string => {
  if (record.length < 5) return badLength
  const json = jsonAt(record, 5)
  if (typeof json === "string") return json
  const { contract, epoch, for: ids, retained, seq, topic } = json
  if (typeof topic !== "string" || isTopicName(topic) !== true) return "a topic that is none"
  if (!isContract(contract)) return "a contract that is none"
  if (typeof epoch !== "string" || !epochs.test(epoch)) return "an epoch that is none"
  if (!isCount(seq)) return badNumber
  if (!Array.isArray(ids) || ids.length > maxIds || !ids.every(isEntry)) return "entries that are none"
  return { kind: "topic", index: get32(record, 1), topic, contract, epoch, seq, for: ids, retained: retained === true }
}

const readDenied = (record: Uint8Array): ToSubscriber | undefined | string => {
  const json = jsonAt(record, 1)
  if (typeof json === "string") return json
  const { id, reason, topic } = json
  if (!isEntry(id)) return "an entry that is none"
  if (typeof topic !== "string" || isTopicName(topic) !== true) return "a topic that is none"
  if (typeof reason !== "string") return "a reason that is none"
  // One that is known to newer nodes alone.
  return reason === "not_allowed" || reason === "contract" ? { kind: "denied", id, topic, reason } : undefined
}

/** Where a publication's own begins: behind the kind, its index, its number and its time. */
const own = 21

const isPublication = (seq: number, at: number): boolean =>
  seq >= 1 && seq <= Number.MAX_SAFE_INTEGER && at <= Number.MAX_SAFE_INTEGER

/** Where a key ends that begins here, or -1 where it is too long or not all there. */
const keyEnd = (record: Uint8Array, at: number): number => {
  if (record.length < at + 2) return -1
  const length = record[at]! << 8 | record[at + 1]!
  const end = at + 2 + length
  return length > maxKey || end > record.length ? -1 : end
}

const readValue = (record: Uint8Array): ToSubscriber | string => {
  if (record.length <= own) return badLength
  const seq = get64(record, 5)
  const at = get64(record, 13)
  if (!isPublication(seq, at)) return badNumber
  const flags = record[own]!
  let key: string | undefined
  let end = own + 1
  if ((flags & hasKey) !== 0) {
    end = keyEnd(record, own + 1)
    if (end < 0) return badKey
    key = textAt(record, own + 3, end)
    if (key === undefined) return badKey
  }
  if (record.length - end > maxPayload) return badLength
  return {
    kind: "value",
    index: get32(record, 1),
    seq,
    at,
    key,
    retained: (flags & isRetained) !== 0,
    body: record.subarray(end)
  }
}

const readRemoved = (record: Uint8Array): ToSubscriber | string => {
  if (record.length < own + 2) return badLength
  const seq = get64(record, 5)
  const at = get64(record, 13)
  if (!isPublication(seq, at)) return badNumber
  const end = keyEnd(record, own)
  if (end < 0) return badKey
  if (end !== record.length) return badLength
  const key = textAt(record, own + 2, end)
  return key === undefined ? badKey : { kind: "removed", index: get32(record, 1), seq, at, key }
}

const readDeliver = (record: Uint8Array): ToSubscriber | string => {
  const groupAt = own + 6
  if (record.length < groupAt) return badLength
  const seq = get64(record, 5)
  const at = get64(record, 13)
  if (!isPublication(seq, at)) return badNumber
  const flags = record[own]!
  const groupEnd = groupAt + record[groupAt - 1]!
  if (groupEnd > record.length) return badLength
  const group = textAt(record, groupAt, groupEnd)
  if (group === undefined || isGroup(group) !== true) return "a group that is none"
  let key: string | undefined
  let end = groupEnd
  if ((flags & hasKey) !== 0) {
    end = keyEnd(record, groupEnd)
    if (end < 0) return badKey
    key = textAt(record, groupEnd + 2, end)
    if (key === undefined) return badKey
  }
  if (record.length - end > maxPayload) return badLength
  return {
    kind: "deliver",
    index: get32(record, 1),
    seq,
    at,
    key,
    delivery: get32(record, own + 1),
    group,
    again: (flags & isAgain) !== 0,
    body: record.subarray(end)
  }
}

/**
 * What a publisher's record says, kind and body; `undefined` where its kind is unknown, and a text where something is wrong with it.
 * A value's `body` is a view of the record.
 */
export const toSubscriber = (record: Uint8Array): ToSubscriber | undefined | string => {
  switch (record[0]) {
    case Kind.value:
      return readValue(record)
    case Kind.deliver:
      return readDeliver(record)
    case Kind.missed:
      return record.length === 9 ? { kind: "missed", index: get32(record, 1), count: get32(record, 5) } : badLength
    case Kind.removed:
      return readRemoved(record)
    case Kind.topic:
      return readTopic(record)
    case Kind.current:
      return record.length === 5 ? { kind: "current", index: get32(record, 1) } : badLength
    case Kind.forget:
      return record.length === 5 ? { kind: "forget", index: get32(record, 1) } : badLength
    case Kind.skipped:
      return record.length === 13
        ? { kind: "skipped", index: get32(record, 1), delivery: get32(record, 5), count: get32(record, 9) }
        : badLength
    case Kind.denied:
      return readDenied(record)
    default:
      return undefined
  }
}

const readRefused = (record: Uint8Array): ToPublisher | string => {
  if (record.length < 5 || record.length > 5 + maxReason) return badLength
  const reason = strictTextOf(record.subarray(5))
  return reason === undefined ? "a reason that is no UTF-8" : { kind: "refused", index: get32(record, 1), reason }
}

/** What a subscriber's record says, kind and body; `undefined` where its kind is unknown, and a text where something is wrong with it. */
export const toPublisher = (record: Uint8Array): ToPublisher | undefined | string => {
  switch (record[0]) {
    case Kind.taken: {
      if (record.length !== 13) return badLength
      const seq = get64(record, 5)
      return isCount(seq) ? { kind: "taken", index: get32(record, 1), seq } : badNumber
    }
    case Kind.done:
      return record.length === 5 ? { kind: "done", delivery: get32(record, 1) } : badLength
    case Kind.back:
      return record.length === 5 ? { kind: "back", delivery: get32(record, 1) } : badLength
    case Kind.refused:
      return readRefused(record)
    default:
      return undefined
  }
}
