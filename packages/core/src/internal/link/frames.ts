/**
 * The frames of a message link (protocol section 18): each message of the channel is one.
 *
 * ```text
 * u8 kind   u32 number   u32 limit   payload
 * ```
 */
import { u32 } from "../base/bytes.ts"
import { textOf, utf8 } from "../base/platform.ts"

export const headerLength = 9

export const Kind = { data: 0, end: 1, ping: 2, pong: 3, close: 4, reset: 5 } as const

/** Kinds from here on may come to be, and are passed over by those who do not know them. */
export const firstUnknown = 128

/** What either side may send before it has heard from the other, which is the least that a window has. */
export const initialWindow = 65_536
/** The most that one side may let the other send. */
export const maxWindow = 2 ** 30
/** A limit that is this much further on, or more, is one that was taken back. */
export const backwards = 2 ** 31

/** Bytes of the reason of CLOSE and RESET. */
export const maxReason = 200
/** A channel carries so much at least: a frame with the longest reason. */
export const leastMessage = headerLength + maxReason

const setU32 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** A frame with room for so much payload, from `headerLength` on; in the memory that is given for it, or in its own. */
export const make = (
  kind: number,
  number: number,
  limit: number,
  payload: number,
  message: Uint8Array = new Uint8Array(headerLength + payload)
): Uint8Array => {
  message[0] = kind
  setU32(message, 1, number)
  setU32(message, 5, limit)
  return message
}

/** The number of a message that is long enough to be a frame. */
export const numberOf = (message: Uint8Array): number => u32(message, 1)

/** Its limit. */
export const limitOf = (message: Uint8Array): number => u32(message, 5)

/** The bytes of a reason, of which what is too long is left out. */
export const reasonBytes = (reason: string): Uint8Array => utf8(reason.slice(0, maxReason)).subarray(0, maxReason)

/** The reason in a CLOSE or RESET, which may be any bytes. */
export const reasonOf = (message: Uint8Array): string =>
  textOf(message.subarray(headerLength, headerLength + maxReason))
