/** Byte arrays: joined, compared in place, and made once where they recur, as those of ids, names and keys do. */

const capacity = 1_024

/** A function whose last results are kept, a bounded number of them. What it gives is shared: only to be copied from and compared with. */
export const memoized = <K, A>(f: (key: K) => A): (key: K) => A => {
  const known = new Map<K, A>()
  return (key) => {
    const found = known.get(key)
    if (found !== undefined) return found
    if (known.size >= capacity) known.clear()
    const made = f(key)
    known.set(key, made)
    return made
  }
}

/** A limit of bytes as somebody gives it, or another: a whole number that an error can say. What is no number is none. */
export const limitOf = (given: number | undefined, otherwise: number): number =>
  given === undefined || Number.isNaN(given)
    ? otherwise
    : Math.min(Math.max(0, Math.floor(given)), Number.MAX_SAFE_INTEGER)

/** Whether `expected` stands in `bytes` from `start` to `end`, and nothing else. */
export const equalAt = (bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean => {
  if (end - start !== expected.length || end > bytes.length) return false
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false
  return true
}

/** Whether two are the same bytes. */
export const equal = (a: Uint8Array, b: Uint8Array): boolean => equalAt(a, 0, a.length, b)

/** Whether bytes begin with others. */
export const startsWith = (bytes: Uint8Array, head: Uint8Array): boolean => equalAt(bytes, 0, head.length, head)

/** The number that stands in four bytes, big-endian. */
export const u32 = (bytes: Uint8Array, at: number): number =>
  bytes[at]! * 0x100_0000 + (bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!)

/** The same bytes as what the language itself has for them: views of views of a Buffer cost several times as much. */
export const plain = (bytes: Uint8Array): Uint8Array =>
  bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)

/** Which of two comes first, byte by byte; what the other begins with comes before it. */
export const compare = (a: Uint8Array, b: Uint8Array): -1 | 0 | 1 => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! < b[i]! ? -1 : 1
  return a.length === b.length ? 0 : a.length < b.length ? -1 : 1
}

/** Whether a text of ASCII stands in `bytes` from `at`. */
export const asciiAt = (bytes: Uint8Array, at: number, text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false
  return true
}

const lengthOf = (parts: ReadonlyArray<Uint8Array>): number => {
  let length = 0
  for (const part of parts) length += part.length
  return length
}

/** The parts joined; the part itself where there is only one. `length` is their sum, for who knows it. */
export const concat = (parts: ReadonlyArray<Uint8Array>, length: number = lengthOf(parts)): Uint8Array => {
  const [first] = parts
  if (first !== undefined && parts.length === 1) return first
  const out = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

/** Whether a value is a byte array, of this realm or another. */
export const isBytes = (value: unknown): value is Uint8Array =>
  value instanceof Uint8Array ||
  (ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === "[object Uint8Array]")
