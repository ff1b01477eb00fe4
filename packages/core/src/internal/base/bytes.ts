/** Byte arrays: joined, compared in place, and made once where they recur, as those of ids, names and keys do. */

const capacity = 1_024

/** A function's last results, a bounded number of them. What it gives is shared: only to be copied from and compared with. */
export const remember = <K, A>(f: (key: K) => A): (key: K) => A => {
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

/** Whether `expected` stands in `bytes` from `start` to `end`, and nothing else. */
export const equalAt = (bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean => {
  if (end - start !== expected.length || end > bytes.length) return false
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false
  return true
}

/** Whether a text of ASCII stands in `bytes` from `at`. */
export const asciiAt = (bytes: Uint8Array, at: number, text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false
  return true
}

/** The parts joined; the part itself where there is only one. `length` is their sum. */
export const concat = (parts: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
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
