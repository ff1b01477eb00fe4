/**
 * The metadata of a CurveZMQ handshake (RFC 26, ZMTP 3.1): properties, each one a name and a value.
 *
 *     property = name-size:u8 name value-size:u32 value          ; big-endian
 *
 * Names compare without case (ASCII's), and a name that comes twice makes the whole malformed.
 */
import { asciiOf, utf8 } from "../base/platform.ts"

/** Values by name; after `decode` the names are in lower case. */
export type Properties = ReadonlyMap<string, Uint8Array>

// Not toLowerCase: a name may hold any bytes, and only ASCII's letters have two forms.
const lower = (name: string): string => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

/** The bytes of properties, in the order in which they were set. Names are ASCII, of 1 to 255 characters. */
export const encode = (properties: Properties): Uint8Array => {
  const parts = [...properties].map(([name, value]) => ({ name: utf8(name), value }))
  const out = new Uint8Array(parts.reduce((sum, { name, value }) => sum + 1 + name.length + 4 + value.length, 0))
  const view = new DataView(out.buffer)
  let o = 0
  for (const { name, value } of parts) {
    out[o] = name.length
    out.set(name, o + 1)
    o += 1 + name.length
    view.setUint32(o, value.length)
    out.set(value, o + 4)
    o += 4 + value.length
  }
  return out
}

/** The properties of bytes, values as views into them; `undefined` where they are malformed or a name comes twice. */
export const decode = (bytes: Uint8Array): Properties | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const properties = new Map<string, Uint8Array>()
  let o = 0
  while (o < bytes.length) {
    const nameEnd = o + 1 + bytes[o]!
    if (nameEnd + 4 > bytes.length) return undefined
    const valueEnd = nameEnd + 4 + view.getUint32(nameEnd)
    if (valueEnd > bytes.length) return undefined
    const name = lower(asciiOf(bytes.subarray(o + 1, nameEnd)))
    if (properties.has(name)) return undefined
    properties.set(name, bytes.subarray(nameEnd + 4, valueEnd))
    o = valueEnd
  }
  return properties
}
