/** Frames: section 5 of the text. */
import { type Bytes, bytesOf, concat, number, numberAt, shown } from "./bytes.ts"

export const Kind = { open: 0, data: 1, end: 2, reset: 3, credit: 4, ping: 5, pong: 6, goaway: 7 } as const
export const kindNames = ["OPEN", "DATA", "END", "RESET", "CREDIT", "PING", "PONG", "GOAWAY"] as const

export const types = ["msg", "rsp", "err"] as const
export const [msg, rsp, err] = [0, 1, 2] as const

/** What each side of a stream may send before there is CREDIT for it. */
export const initialCredit = 262_144

export interface Frame {
  readonly type: number
  readonly kind: number
  readonly stream: number
  readonly payload: Bytes
}

/** A frame; `length` may be another than it is. */
export const frame = (kind: number, stream: number, payload: string | Bytes = "", length?: number): Bytes => {
  const bytes = bytesOf(payload)
  return concat(Uint8Array.of(kind), number(stream, 4), number(length ?? bytes.length, 4), bytes)
}

export const json = (value: unknown): string => JSON.stringify(value)

export const openFrame = (stream: number, name: string, more: Record<string, unknown> = {}): Bytes =>
  frame(Kind.open, stream, json({ protocol: "command", name, ...more }))

export const credit = (stream: number, bytes: number): Bytes => frame(Kind.credit, stream, number(bytes, 4))

/** The frames of a message; or why they are none. */
export const parse = (type: number, payload: Bytes): ReadonlyArray<Frame> | string => {
  const frames: Array<Frame> = []
  for (let at = 0; at < payload.length;) {
    if (payload.length - at < 9) return "a message with trailing bytes"
    const length = Number(numberAt(payload, at + 5, 4))
    const end = at + 9 + length
    if (end > payload.length) return "a frame that is longer than its message"
    frames.push({
      type,
      kind: payload[at]!,
      stream: Number(numberAt(payload, at + 1, 4)),
      payload: payload.slice(at + 9, end)
    })
    at = end
  }
  return frames.length === 0 ? "a message without a frame" : frames
}

/** The payload of a frame, for people. */
const saying = ({ kind, payload }: Frame): string =>
  kind === Kind.data
    ? `(${payload.length} bytes)`
    : kind === Kind.credit && payload.length === 4
    ? String(numberAt(payload, 0, 4))
    : payload.length === 0
    ? ""
    : shown(payload)

/** A frame, for people. */
export const describe = (frame: Frame): string =>
  `${types[frame.type] ?? frame.type} ${kindNames[frame.kind] ?? frame.kind} ${frame.stream} ${saying(frame)}`.trim()
