/**
 * Small byte arrays, cut from larger buffers. An array of its own beyond 64 bytes costs an allocation outside of the heap, which
 * the garbage collector has to visit; frames of that size are made for every call.
 *
 * What bites: an array keeps its buffer alive, so that it is for what is sent soon and let go, and never for what is kept.
 */

const size = 65_536
/** What is larger has a buffer of its own. */
const largest = 4_096

let buffer = new Uint8Array(size)
let offset = 0

/** Bytes that nobody else has, all of them zero. */
export const allocate = (length: number): Uint8Array => {
  if (length > largest) return new Uint8Array(length)
  if (offset + length > size) {
    buffer = new Uint8Array(size)
    offset = 0
  }
  const out = buffer.subarray(offset, offset + length)
  offset += length
  return out
}
