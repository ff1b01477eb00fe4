/**
 * Small byte arrays, cut from larger buffers. An array of its own beyond 64 bytes costs an allocation outside of the heap, which
 * the garbage collector has to visit, and ten times as much as writing a text into it; frames and texts of that size are made for
 * every call.
 *
 * What bites: an array keeps its buffer alive, so that it is for what is sent soon and let go, and never for what is kept.
 */
import { utf8, utf8Into } from "./platform.ts"

// Where a peer does not take what it is sent, each array of it may be the last of its buffer.
const size = 16_384
/** What is larger has a buffer of its own. */
const largest = 2_048

let buffer = new Uint8Array(size)
let offset = 0

/** Bytes that nobody else has. What stands in them is to be written over. */
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

/** The UTF-8 bytes of a text. */
export const textBytes = (text: string): Uint8Array => {
  // What it takes at the most, so that no part of it is left out.
  const most = 3 * text.length
  if (most > largest) return utf8(text)
  const room = allocate(most)
  const length = utf8Into(text, room)
  offset -= most - length
  return room.subarray(0, length)
}
