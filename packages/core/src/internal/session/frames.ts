/**
 * The bytes of frames (protocol section 5): the header of each, and what RESET and GOAWAY carry. The texts of an OPEN are
 * `wire/openText`'s.
 */
import * as Frame from "../../Frame.ts"
import { strictTextOf, utf8 } from "../base/platform.ts"
import { isDeep } from "../wire/json.ts"

/** The types of messages: the sender's own streams, the receiver's streams, and resets of the receiver's streams. */
export const Type = { msg: 0, rsp: 1, err: 2 } as const
export type Type = 0 | 1 | 2

/** The largest number of a stream, and the most credit it can have. */
export const maxField = 0xffff_ffff

/** A control frame has to fit in a message, whatever its texts are. */
export const maxControl = Frame.maxDataLength

/** Writes a header, and gives where the payload begins. */
export const writeHeader = (view: DataView, at: number, kind: number, stream: number, length: number): number => {
  view.setUint8(at, kind)
  view.setUint32(at + 1, stream)
  view.setUint32(at + 5, length)
  return at + Frame.headerLength
}

/** `writeHeader` at the beginning, without a view. */
export const putHeader = (out: Uint8Array, kind: number, stream: number, length: number): void => {
  out[0] = kind
  for (let i = 0; i < 4; i++) {
    out[1 + i] = stream >>> 24 - 8 * i
    out[5 + i] = length >>> 24 - 8 * i
  }
}

/** A whole frame. */
export const frame = (kind: number, stream: number, payload: Uint8Array): Uint8Array => {
  const out = new Uint8Array(Frame.headerLength + payload.length)
  writeHeader(new DataView(out.buffer), 0, kind, stream, payload.length)
  out.set(payload, Frame.headerLength)
  return out
}

/** Codes that older nodes do not have. */
const reasons: ReadonlySet<unknown> = new Set(["not_allowed", "invalid_arguments"])

/**
 * A code as it is written. Who does not know it would read that it may have run, so that it is written as what says that nothing
 * did.
 */
const written = ({ code, ...rest }: Frame.Reset): Frame.Reset =>
  reasons.has(code) ? { ...rest, code: "not_found", reason: code } : { ...rest, code }

/** The payload of a RESET. What is too large, or no JSON, is left out: the code matters the most. */
export const resetPayload = (reset: Frame.Reset): Uint8Array => {
  try {
    const payload = utf8(JSON.stringify(written(reset)))
    if (payload.length <= maxControl) return payload
  } catch {
    // Not JSON.
  }
  return utf8(JSON.stringify(written({ code: reset.code, message: reset.message.slice(0, 1_000) })))
}

/** The JSON object of a payload, or `undefined`. By hand, since a peer can make many of them. */
const json = (payload: Uint8Array): Readonly<Record<string, unknown>> | undefined => {
  const text = strictTextOf(payload)
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : undefined
  } catch {
    return undefined
  }
}

/** What a RESET says, or `undefined`. */
export const resetOf = (payload: Uint8Array): Frame.Reset | undefined => {
  const { code: said, message, reason, ...rest } = json(payload) ?? {}
  if (typeof said !== "string" || typeof message !== "string") return undefined
  const code = said === "not_found" && reasons.has(reason) ? reason as string : reasons.has(said) ? "internal" : said
  // An error that nobody could walk through is left out, as one that does not fit is.
  const hasError = "error" in rest && !isDeep(payload)
  return { code, message, ...(hasError ? { error: rest.error } : {}) }
}

/** What a GOAWAY says, or `undefined`. */
export const goAwayOf = (payload: Uint8Array): Frame.GoAway | undefined => {
  const { code, last, message } = json(payload) ?? {}
  if (typeof code !== "string" || typeof message !== "string") return undefined
  return Number.isInteger(last) ? { code, message, last: last as number } : { code, message }
}
