/** Bytes of which each sender takes a part, so that whoever reads them knows what comes next. */

/** How long a part may be. */
export const longest = 600_000

const keys = 256
// Without a short period, so that bytes that are missing, doubled or out of order show.
const pattern = Uint8Array.from({ length: longest + keys }, (_, i) => i * 3 + (i >>> 8) ^ i >>> 16)

/** The bytes of a key, from 0 to 255, from one place on. */
export const expected = (key: number, from: number, length: number): Uint8Array =>
  pattern.subarray(key + from, key + from + length)
