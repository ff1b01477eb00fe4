/**
 * The payload of OPEN, which is JSON. It is the same for each call of a function, but for a deadline and a trace: the part that
 * recurs is kept, since making and reading JSON is a good part of what a short call costs.
 */
import * as Frame from "../../Frame.ts"
import { allocate } from "../base/arena.ts"
import { equalAt, memoized } from "../base/bytes.ts"
import { asciiOf, strictTextOf, utf8 } from "../base/platform.ts"
import { isObject, lengthUpTo } from "./json.ts"

const longestDeadline = 2 ** 31 - 1
/** Longer beginnings are not kept. */
const longestHead = 256
const maxHeads = 16

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

const head = memoized((place: string) => {
  const [protocol, name] = JSON.parse(place) as [string, string]
  return utf8(`{"protocol":${JSON.stringify(protocol)},"name":${JSON.stringify(name)}`)
})

const deadlineKey = ascii(`,"deadline":`)
const traceKey = ascii(`,"traceparent":"`)
const headersKey = ascii(`,"headers":`)
const quote = 0x22
const brace = 0x7d
/** `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits. */
const traceLength = 55

/** Whether it is one of the characters of a `traceparent`: `0-9`, `a-f`, `-`. */
const isTraceByte = (code: number): boolean =>
  code >= 0x30 && code <= 0x39 || code >= 0x61 && code <= 0x66 || code === 0x2d

const isTrace = (text: string): boolean => {
  if (text.length !== traceLength) return false
  for (let i = 0; i < traceLength; i++) if (!isTraceByte(text.charCodeAt(i))) return false
  return true
}

// The last one that was made: most calls in a row are of one function.
let lastProtocol: string | undefined
let lastName: string | undefined
let lastHead: Uint8Array = new Uint8Array(0)

const headOf = (open: Frame.Open): Uint8Array => {
  if (open.name === lastName && open.protocol === lastProtocol) return lastHead
  const made = open.name.length > longestHead
    ? utf8(`{"protocol":${JSON.stringify(open.protocol)},"name":${JSON.stringify(open.name)}`)
    : head(JSON.stringify([open.protocol, open.name]))
  lastProtocol = open.protocol
  lastName = open.name
  lastHead = made
  return made
}

/** The payload, behind `offset` bytes of room. Not to be kept for long. */
export const encode = (open: Frame.Open, offset: number): Uint8Array => {
  const { deadline, headers, traceparent } = open
  if (traceparent !== undefined && !isTrace(traceparent)) {
    const { headers: _, ...fields } = open
    const text = JSON.stringify(fields)
    const payload = utf8(headers === undefined ? text : `${text.slice(0, -1)},"headers":${headers}}`)
    const out = new Uint8Array(offset + payload.length)
    out.set(payload, offset)
    return out
  }
  const begin = headOf(open)
  const said = headers === undefined ? undefined : utf8(headers)
  const digits = deadline === undefined ? "" : String(deadline)
  const out = allocate(
    offset + begin.length + (deadline === undefined ? 0 : deadlineKey.length + digits.length) +
      (traceparent === undefined ? 0 : traceKey.length + traceLength + 1) +
      (said === undefined ? 0 : headersKey.length + said.length) + 1
  )
  let at = offset
  out.set(begin, at)
  at += begin.length
  if (deadline !== undefined) {
    out.set(deadlineKey, at)
    at += deadlineKey.length
    for (let i = 0; i < digits.length; i++) out[at++] = digits.charCodeAt(i)
  }
  if (traceparent !== undefined) {
    out.set(traceKey, at)
    at += traceKey.length
    for (let i = 0; i < traceLength; i++) out[at++] = traceparent.charCodeAt(i)
    out[at++] = quote
  }
  if (said !== undefined) {
    out.set(headersKey, at)
    at += headersKey.length
    out.set(said, at)
    at += said.length
  }
  out[at] = brace
  return out
}

/** A beginning that was read, and what it says. */
interface Heard {
  readonly head: Uint8Array
  readonly open: Frame.Open
}
const heard: Array<Heard> = []
let turn = 0

const learn = ({ name, protocol }: Frame.Open, payload: Uint8Array): void => {
  if (protocol.length + name.length > longestHead) return
  const head = utf8(`{"protocol":${JSON.stringify(protocol)},"name":${JSON.stringify(name)}`)
  // Others may write the same in another way, which is read as it is.
  if (payload.length <= head.length || !equalAt(payload, 0, head.length, head)) return
  if (heard.some((known) => equalAt(head, 0, head.length, known.head))) return
  heard[turn] = { head, open: { protocol, name } }
  turn = (turn + 1) % maxHeads
}

/**
 * What a payload says, which stands in `bytes` from `start` to `stop`; `undefined` where it is no OPEN's. Headers that are longer than they may be are
 * spaces, one more than may be.
 */
export const decode = (bytes: Uint8Array, start = 0, stop = bytes.length): Frame.Open | undefined => {
  for (const { head, open } of heard) {
    const end = start + head.length
    if (stop <= end || !equalAt(bytes, start, end, head)) continue
    if (stop === end + 1 && bytes[end] === brace) return open
    const from = end + traceKey.length
    const to = from + traceLength
    if (stop === to + 2 && bytes[to] === quote && bytes[to + 1] === brace && equalAt(bytes, end, from, traceKey)) {
      let valid = true
      for (let i = from; i < to; i++) if (!isTraceByte(bytes[i]!)) valid = false
      if (valid) {
        return { protocol: open.protocol, name: open.name, traceparent: asciiOf(bytes.subarray(from, to)) }
      }
    }
    break
  }
  const payload = bytes.subarray(start, stop)
  const open = read(payload)
  if (open !== undefined) learn(open, payload)
  return open
}

// More than there may be, whatever it said.
const tooLong = " ".repeat(Frame.maxHeaders + 1)

/** Kept as text: what a peer makes of few bytes may be large, and most of them are never looked at. */
const textOfHeaders = (headers: object): string =>
  // It ends no deeper than it is long.
  lengthUpTo(headers, Frame.maxHeaders) > Frame.maxHeaders ? tooLong : JSON.stringify(headers)

const read = (payload: Uint8Array): Frame.Open | undefined => {
  const text = strictTextOf(payload)
  if (text === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== "object" || value === null) return undefined
  const { deadline, headers, name, protocol, traceparent } = value as Readonly<Record<string, unknown>>
  if (typeof protocol !== "string" || typeof name !== "string") return undefined
  if (deadline !== undefined && !Number.isInteger(deadline)) return undefined
  if (traceparent !== undefined && typeof traceparent !== "string") return undefined
  if (headers !== undefined && !isObject(headers)) return undefined
  return {
    protocol,
    name,
    ...(deadline === undefined ? {} : { deadline: Math.min(deadline as number, longestDeadline) }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(headers === undefined ? {} : { headers: textOfHeaders(headers) })
  }
}
