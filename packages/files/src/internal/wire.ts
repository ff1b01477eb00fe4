/**
 * What goes over between the two nodes of a transfer, as bytes: plain synchronous coding. Whatever the bytes are, nothing here throws, and a
 * decoder holds no more than the record that it is in the middle of.
 *
 * Numbers are LEB128 of at most 8 bytes, up to 2^53 - 1; times are 8 bytes of an IEEE double, milliseconds; texts are their length and UTF-8.
 */
import { textOf, utf8 } from "./platform.ts"

export const version = 1
export const idLength = 16
export const digestLength = 32

/** Of a link's target, a note, a reason: bytes. */
export const longestText = 4_096
/** One part of a file. */
export const largestChunk = 8 * 1_048_576

// --- writing -------------------------------------------------------------------------------------------------------------------

/** Bytes put together, in a buffer that grows. */
export class Writer {
  #bytes: Uint8Array
  #view: DataView
  length = 0
  constructor(room = 256) {
    this.#bytes = new Uint8Array(room)
    this.#view = new DataView(this.#bytes.buffer)
  }
  /** Makes room for so many more, and gives where they begin. */
  #grow(more: number): number {
    const at = this.length
    this.length += more
    if (this.length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.length, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    return at
  }
  u8(value: number): this {
    const at = this.#grow(1)
    this.#bytes[at] = value
    return this
  }
  u32(value: number): this {
    const at = this.#grow(4)
    this.#view.setUint32(at, value)
    return this
  }
  varint(value: number): this {
    let rest = value
    while (rest >= 0x80) {
      this.u8(rest % 0x80 + 0x80)
      rest = Math.floor(rest / 0x80)
    }
    return this.u8(rest)
  }
  time(millis: number): this {
    const at = this.#grow(8)
    this.#view.setFloat64(at, millis)
    return this
  }
  raw(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length)
    this.#bytes.set(bytes, at)
    return this
  }
  text(text: string): this {
    const bytes = utf8(text)
    return this.varint(bytes.length).raw(bytes)
  }
  /** What was written, which is the caller's from now on. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.length)
    this.#bytes = new Uint8Array(256)
    this.#view = new DataView(this.#bytes.buffer)
    this.length = 0
    return taken
  }
}

// --- reading -------------------------------------------------------------------------------------------------------------------

/**
 * Reads values from bytes, one after another. What is missing or wrong is noted once, and whatever is read then is empty: look at `fault` behind a
 * record, and not behind each value.
 */
export class Cursor {
  /** `short`: there is more to come; otherwise what is wrong. */
  fault: "short" | "malformed" | undefined
  bytes: Uint8Array
  at: number
  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes
    this.at = at
  }
  get left(): number {
    return this.bytes.length - this.at
  }
  /** One of what is left, and of more behind it. */
  before(more: Uint8Array): Cursor {
    const { left } = this
    if (left === 0) return new Cursor(more)
    const joined = new Uint8Array(left + more.length)
    joined.set(this.bytes.subarray(this.at))
    joined.set(more, left)
    return new Cursor(joined)
  }
  #take(length: number): number {
    if (this.fault !== undefined) return -1
    if (this.left < length) {
      this.fault = "short"
      return -1
    }
    const at = this.at
    this.at += length
    return at
  }
  malformed(): void {
    this.fault ??= "malformed"
  }
  u8(): number {
    const at = this.#take(1)
    return at < 0 ? 0 : this.bytes[at]!
  }
  u32(): number {
    const at = this.#take(4)
    if (at < 0) return 0
    const { bytes } = this
    return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0
  }
  varint(largest = Number.MAX_SAFE_INTEGER): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.u8()
      if (this.fault !== undefined) return 0
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        // One form for each number, and none that a double rounds.
        if (i > 0 && byte === 0 || value > largest) break
        return value
      }
      scale *= 0x80
    }
    this.malformed()
    return 0
  }
  time(): number {
    const at = this.#take(8)
    if (at < 0) return 0
    const value = new DataView(this.bytes.buffer, this.bytes.byteOffset + at, 8).getFloat64(0)
    if (Number.isFinite(value) && Math.abs(value) <= 8.64e15) return value
    this.malformed()
    return 0
  }
  raw(length: number): Uint8Array {
    const at = this.#take(length)
    return at < 0 ? new Uint8Array(0) : this.bytes.subarray(at, at + length)
  }
  text(longest: number): string {
    const length = this.varint()
    if (this.fault !== undefined) return ""
    if (length > longest) {
      this.malformed()
      return ""
    }
    const bytes = this.raw(length)
    if (this.fault !== undefined) return ""
    const text = textOf(bytes)
    if (text === undefined) this.malformed()
    return text ?? ""
  }
}

/** Records that come in pieces: those that are whole are given, one after another, and the rest is kept. */
export class Records<A> {
  /** What is wrong: nothing more comes. */
  malformed = false
  readonly #read: (cursor: Cursor) => A
  readonly #longest: number
  #cursor = new Cursor(new Uint8Array(0))
  constructor(read: (cursor: Cursor) => A, longest: number) {
    this.#read = read
    this.#longest = longest
  }
  /** Bytes of a record that is not whole. */
  get pending(): number {
    return this.#cursor.left
  }
  push(bytes: Uint8Array): void {
    this.#cursor = this.#cursor.before(bytes)
  }
  next(): A | undefined {
    const cursor = this.#cursor
    if (this.malformed || cursor.left === 0) return undefined
    const start = cursor.at
    const value = this.#read(cursor)
    if (cursor.fault === undefined) return value
    if (cursor.fault === "malformed" || cursor.left + cursor.at - start > this.#longest) {
      this.malformed = true
      return undefined
    }
    cursor.fault = undefined
    cursor.at = start
    return undefined
  }
}

// --- an offer ------------------------------------------------------------------------------------------------------------------

/** What is offered, as it is said first. */
export interface OfferHead {
  /** The same each time the same sender offers the same paths. */
  readonly id: Uint8Array
  /** The hash of the list: what changes with each name, size and time in it. */
  readonly digest: Uint8Array
  readonly files: number
  readonly folders: number
  readonly links: number
  readonly bytes: number
  /** The names at the top, of which the first are said. */
  readonly names: ReadonlyArray<string>
  readonly note: string
}

export const longestOffer = 65_536
/** Names at the top that an offer says. */
export const mostNames = 64

export const writeOffer = (offer: OfferHead): Uint8Array => {
  const names = offer.names.slice(0, mostNames)
  const out = new Writer().u8(version).raw(offer.id).raw(offer.digest)
  out.varint(offer.files).varint(offer.folders).varint(offer.links).varint(offer.bytes).varint(names.length)
  for (const name of names) out.text(name)
  return out.text(offer.note).take()
}

const offerAt = (cursor: Cursor): OfferHead | undefined => {
  if (cursor.u8() !== version) return undefined
  const id = cursor.raw(idLength).slice()
  const digest = cursor.raw(digestLength).slice()
  const files = cursor.varint()
  const folders = cursor.varint()
  const links = cursor.varint()
  const total = cursor.varint()
  const names = Array.from({ length: cursor.varint(mostNames) }, () => cursor.text(longestText))
  const note = cursor.text(longestText)
  return cursor.fault === undefined ? { id, digest, files, folders, links, bytes: total, names, note } : undefined
}

/** What stands behind it is of a later version, and nothing to this one. */
export const readOffer = (bytes: Uint8Array): OfferHead | undefined =>
  bytes.length > longestOffer ? undefined : offerAt(new Cursor(bytes))

/** What has been written for an offer, each time that it went on. */
export interface Brought {
  readonly bytes: number
  /** Files, folders and links. */
  readonly entries: number
}

/** What the receiver keeps of an offer that was accepted: as it was then, and what it has brought since. */
export interface KeptOffer {
  readonly offer: OfferHead
  readonly brought: Brought
}

export const writeKept = ({ brought, offer }: KeptOffer): Uint8Array =>
  new Writer().raw(writeOffer(offer)).varint(brought.bytes).varint(brought.entries).take()

export const readKept = (bytes: Uint8Array): KeptOffer | undefined => {
  const cursor = new Cursor(bytes)
  const offer = offerAt(cursor)
  if (offer === undefined) return undefined
  const brought = { bytes: cursor.varint(), entries: cursor.varint() }
  return cursor.fault === undefined ? { offer, brought } : undefined
}

// --- what the receiver says ----------------------------------------------------------------------------------------------------

/** What became of the files of a transfer, as a count. */
export interface Counts {
  /** Files that are there now, with those that were there. */
  readonly files: number
  /** Their bytes. */
  readonly bytes: number
  /** Of these: files that were there and were not asked for. */
  readonly hadFiles: number
  readonly hadBytes: number
  readonly failed: number
  readonly changed: number
}

/** What the receiver says of an offer, one after another. */
export type Said =
  | { readonly _tag: "Waiting" }
  | { readonly _tag: "Accepted" }
  | { readonly _tag: "Declined"; readonly reason: string }
  | { readonly _tag: "Progress"; readonly counts: Counts }
  | { readonly _tag: "Problem"; readonly path: string; readonly kind: string; readonly detail: string }
  | { readonly _tag: "Done"; readonly counts: Counts }
  /** Something of a later version. */
  | { readonly _tag: "Other" }

const saidTypes = { Waiting: 1, Accepted: 2, Declined: 3, Progress: 4, Problem: 5, Done: 6 } as const
export const longestSaid = 16_384

const writeCounts = (out: Writer, counts: Counts) =>
  out.varint(counts.files).varint(counts.bytes).varint(counts.hadFiles).varint(counts.hadBytes).varint(counts.failed)
    .varint(counts.changed)

const readCounts = (cursor: Cursor): Counts => ({
  files: cursor.varint(),
  bytes: cursor.varint(),
  hadFiles: cursor.varint(),
  hadBytes: cursor.varint(),
  failed: cursor.varint(),
  changed: cursor.varint()
})

/** A text of at most so many bytes of UTF-8, cut where it is longer. */
export const cut = (text: string, longest: number): string => {
  if (utf8(text).length <= longest) return text.replace(/\p{Surrogate}/gu, "\ufffd")
  let kept = text.slice(0, longest)
  while (utf8(kept).length > longest - 3) kept = kept.slice(0, -1)
  return `${kept.replace(/\p{Surrogate}/gu, "")}…`
}

export const writeSaid = (said: Exclude<Said, { readonly _tag: "Other" }>): Uint8Array => {
  const body = new Writer()
  if (said._tag === "Declined") body.text(cut(said.reason, longestText))
  if (said._tag === "Problem") {
    body.text(cut(said.path, longestText)).text(cut(said.kind, 64)).text(cut(said.detail, longestText))
  }
  if (said._tag === "Progress" || said._tag === "Done") writeCounts(body, said.counts)
  const bytes = body.take()
  return new Writer().u8(saidTypes[said._tag]).varint(bytes.length).raw(bytes).take()
}

const saidOf = (type: number, body: Cursor): Said => {
  switch (type) {
    case saidTypes.Waiting:
      return { _tag: "Waiting" }
    case saidTypes.Accepted:
      return { _tag: "Accepted" }
    case saidTypes.Declined:
      return { _tag: "Declined", reason: body.text(longestText) }
    case saidTypes.Progress:
      return { _tag: "Progress", counts: readCounts(body) }
    case saidTypes.Problem:
      return { _tag: "Problem", path: body.text(longestText), kind: body.text(64), detail: body.text(longestText) }
    case saidTypes.Done:
      return { _tag: "Done", counts: readCounts(body) }
    default:
      return { _tag: "Other" }
  }
}

export const saids = (): Records<Said> =>
  new Records((cursor) => {
    const type = cursor.u8()
    const length = cursor.varint(longestSaid)
    const bytes = cursor.raw(length)
    if (cursor.fault !== undefined) return { _tag: "Other" }
    const body = new Cursor(bytes)
    const said = saidOf(type, body)
    if (body.fault !== undefined) cursor.malformed()
    return said
  }, longestSaid + 16)

// --- the list ------------------------------------------------------------------------------------------------------------------

/**
 * What there is, in the order of a walk: a folder, what is in it, and its end. Files are counted from 0 in this order, and asked for by their number.
 */
export type Entry =
  | { readonly _tag: "Folder"; readonly name: string; readonly mode: number; readonly mtime: number }
  | { readonly _tag: "Leave" }
  | {
    readonly _tag: "File"
    readonly name: string
    readonly size: number
    readonly mode: number
    readonly mtime: number
  }
  | { readonly _tag: "Link"; readonly name: string; readonly target: string }
  | { readonly _tag: "End" }

export type FileEntry = Extract<Entry, { readonly _tag: "File" }>

const entryTypes = { End: 0, Folder: 1, Leave: 2, File: 3, Link: 4 } as const
/** Of a name as it is said; one that is longer than names can be is refused by name, and not with the list. */
const longestSaidName = 1_024
export const longestEntry = 16 + longestSaidName + longestText

export const writeEntry = (out: Writer, entry: Entry): Writer => {
  out.u8(entryTypes[entry._tag])
  switch (entry._tag) {
    case "Folder":
      return out.text(entry.name).varint(entry.mode).time(entry.mtime)
    case "File":
      return out.text(entry.name).varint(entry.size).varint(entry.mode).time(entry.mtime)
    case "Link":
      return out.text(entry.name).text(entry.target)
    default:
      return out
  }
}

export const readEntry = (cursor: Cursor): Entry => {
  switch (cursor.u8()) {
    case entryTypes.End:
      return { _tag: "End" }
    case entryTypes.Folder:
      return { _tag: "Folder", name: cursor.text(longestSaidName), mode: cursor.varint(0xffff), mtime: cursor.time() }
    case entryTypes.Leave:
      return { _tag: "Leave" }
    case entryTypes.File:
      return {
        _tag: "File",
        name: cursor.text(longestSaidName),
        size: cursor.varint(),
        mode: cursor.varint(0xffff),
        mtime: cursor.time()
      }
    case entryTypes.Link:
      return { _tag: "Link", name: cursor.text(longestSaidName), target: cursor.text(longestText) }
    default:
      cursor.malformed()
      return { _tag: "End" }
  }
}

export const entries = (): Records<Entry> => new Records(readEntry, longestEntry)

// --- asking for files ----------------------------------------------------------------------------------------------------------

/** The list of an offer, or the files of it, are asked for by its id and the digest of the list. */
export const writeOf = (id: Uint8Array, digest: Uint8Array): Uint8Array => new Writer().raw(id).raw(digest).take()
export const ofLength = idLength + digestLength
export const readOf = (bytes: Uint8Array): { readonly id: Uint8Array; readonly digest: Uint8Array } | undefined =>
  bytes.length === ofLength
    ? { id: bytes.slice(0, idLength), digest: bytes.slice(idLength) }
    : undefined

/** A file that is wanted: from an offset, or only where it is not what is there already, by its hash. */
export interface Want {
  readonly file: number
  readonly offset: number
  readonly unless?: Uint8Array | undefined
}

export const writeWant = (out: Writer, { file, offset, unless }: Want): Writer => {
  out.varint(file).varint(offset).u8(unless === undefined ? 0 : 1)
  return unless === undefined ? out : out.raw(unless)
}

export const wants = (): Records<Want> =>
  new Records((cursor) => {
    const file = cursor.varint()
    const offset = cursor.varint()
    const flag = cursor.u8()
    if (flag > 1) cursor.malformed()
    return flag === 1 ? { file, offset, unless: cursor.raw(digestLength).slice() } : { file, offset }
  }, 64)

/** What comes of one file that was asked for. `Data` is a view into the bytes that were pushed. */
export type Answer =
  /** Its bytes follow. */
  | { readonly _tag: "Begin" }
  | { readonly _tag: "Data"; readonly bytes: Uint8Array }
  /** All bytes have come; this is the hash of the whole file, with what came before the offset. */
  | { readonly _tag: "End"; readonly digest: Uint8Array }
  /** It is what is there already. */
  | { readonly _tag: "Same" }
  /** It is another file than the list says: by now, or since its bytes began to come. */
  | { readonly _tag: "Changed" }
  | { readonly _tag: "Failed"; readonly detail: string }

const answerTypes = { Begin: 1, Same: 2, Changed: 3, Failed: 4 } as const
const endOfFile = 0
const brokenOff = 0xffff_ffff

export const writeBegin = (out: Writer): Writer => out.u8(answerTypes.Begin)
export const writeChunkHead = (out: Writer, length: number): Writer => out.u32(length)
export const writeEnd = (out: Writer, digest: Uint8Array): Writer => out.u32(endOfFile).raw(digest)
/** `began`: bytes of the file were sent already. */
export const writeBroken = (out: Writer, broken: "Same" | "Changed" | { readonly failed: string }, began: boolean) => {
  if (began) out.u32(brokenOff)
  return typeof broken === "string"
    ? out.u8(answerTypes[broken])
    : out.u8(answerTypes.Failed).text(cut(broken.failed, longestText))
}

/** Cuts the answers out of what comes. Bytes of files are given as they come, whatever the pieces are. */
export class Answers {
  malformed = false
  #cursor = new Cursor(new Uint8Array(0))
  #inFile = false
  /** Bytes of the part of a file that are still to come. */
  #chunk = 0

  /** Whether nothing has begun that is not at its end. */
  get isBetween(): boolean {
    return !this.#inFile && this.#chunk === 0 && this.#cursor.left === 0
  }

  push(bytes: Uint8Array): void {
    this.#cursor = this.#cursor.before(bytes)
  }

  next(): Answer | undefined {
    const cursor = this.#cursor
    if (this.malformed || cursor.left === 0) return undefined
    if (this.#chunk > 0) return this.#data(cursor)
    const start = cursor.at
    const answer = this.#inFile ? this.#inside(cursor) : this.#outside(cursor)
    if (cursor.fault === undefined) return answer ?? this.next()
    if (cursor.fault === "malformed") this.malformed = true
    cursor.fault = undefined
    cursor.at = start
    return undefined
  }

  #data(cursor: Cursor): Answer {
    const length = Math.min(this.#chunk, cursor.left)
    this.#chunk -= length
    return { _tag: "Data", bytes: cursor.raw(length) }
  }

  #inside(cursor: Cursor): Answer | undefined {
    const length = cursor.u32()
    if (cursor.fault !== undefined) return undefined
    if (length === endOfFile) {
      const digest = cursor.raw(digestLength).slice()
      if (cursor.fault === undefined) this.#inFile = false
      return { _tag: "End", digest }
    }
    if (length === brokenOff) {
      const answer = this.#outside(cursor)
      if (answer._tag === "Begin" || answer._tag === "Same") cursor.malformed()
      if (cursor.fault === undefined) this.#inFile = false
      return answer
    }
    if (length > largestChunk) {
      cursor.malformed()
      return undefined
    }
    this.#chunk = length
    return undefined
  }

  #outside(cursor: Cursor): Answer {
    switch (cursor.u8()) {
      case answerTypes.Begin:
        this.#inFile = true
        return { _tag: "Begin" }
      case answerTypes.Same:
        return { _tag: "Same" }
      case answerTypes.Changed:
        return { _tag: "Changed" }
      case answerTypes.Failed:
        return { _tag: "Failed", detail: cursor.text(longestText) }
      default:
        cursor.malformed()
        return { _tag: "Same" }
    }
  }
}
