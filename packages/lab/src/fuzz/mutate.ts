/**
 * Ways to alter bytes so that parsers are led astray: as wires and attackers alter any bytes, and by the fields of packets, JSON,
 * frames and whatever has a length in front. All chance comes from a seed.
 */

export interface Chance {
  readonly next: () => number
  /** An integer from 0 to below `n`. */
  readonly below: (n: number) => number
  readonly chance: (p: number) => boolean
  readonly pick: <A>(items: ReadonlyArray<A>) => A
  readonly bytes: (length: number) => Uint8Array
}

/** Chance from a seed, which may be a text. */
export const chance = (seed: string | number): Chance => {
  let state = 0x811c9dc5
  for (const letter of String(seed)) state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193) >>> 0
  const next = () => {
    state = state + 0x6d2b79f5 >>> 0
    let t = Math.imul(state ^ state >>> 15, 1 | state)
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
    return ((t ^ t >>> 14) >>> 0) / 4_294_967_296
  }
  return chanceOf(next)
}

/** No chance at all: always the first of what there is to choose from. */
export const still: Chance = chanceOf(() => 0)

function chanceOf(next: () => number): Chance {
  const below = (n: number) => Math.floor(next() * n)
  return {
    next,
    below,
    chance: (p) => next() < p,
    pick: (items) => items[below(items.length)]!,
    bytes: (length) => Uint8Array.from({ length }, () => below(256))
  }
}

export const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))
const textOf = (bytes: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)

export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

export const u32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
export const readU32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0

/** Numbers at which something begins, ends or overflows. */
export const limits: ReadonlyArray<number> = [
  0,
  1,
  2,
  7,
  8,
  9,
  16,
  63,
  64,
  65,
  127,
  128,
  255,
  256,
  1_399,
  1_400,
  1_401,
  16_383,
  16_384,
  65_535,
  65_536,
  98_000,
  131_071,
  131_072,
  131_073,
  262_144,
  262_145,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 2,
  2 ** 32 - 1
]

export type Mutate = (random: Chance, input: Uint8Array, pool: ReadonlyArray<Uint8Array>) => Uint8Array

/** Nothing grows beyond this, so that a case stays fast: twice the largest packet. */
export const longest = 300_000

const byteValues = [
  0x00,
  0x0a,
  0x0d,
  0x20,
  0x22,
  0x2d,
  0x30,
  0x3a,
  0x3d,
  0x40,
  0x5b,
  0x7b,
  0x7c,
  0x7f,
  0x80,
  0xc0,
  0xff
]

/** One change that knows nothing of what the bytes mean. */
export const blind: Mutate = (random, input, pool) => {
  const at = random.below(input.length + 1)
  const put = (part: Uint8Array, over: number) => concat(input.subarray(0, at), part, input.subarray(at + over))
  switch (random.below(13)) {
    case 0: {
      if (input.length === 0) return random.bytes(1)
      const out = input.slice()
      out[random.below(out.length)]! ^= 1 << random.below(8)
      return out
    }
    case 1:
      return input.slice(0, at)
    case 2:
      return input.slice(at)
    case 3:
      return put(random.bytes(random.below(40)), 0)
    case 4:
      return put(new Uint8Array(0), random.below(20))
    case 5:
      return put(Uint8Array.of(random.pick(byteValues)), random.below(2))
    case 6:
      return put(u32(random.pick(limits)), 4)
    case 7:
      return put(Uint8Array.of(random.pick(limits)), 1)
    case 8:
      return input.length * 2 > longest ? input : concat(input, input)
    case 9: {
      // A part of it, many times.
      const part = input.subarray(at, at + 1 + random.below(30))
      const times = Math.min(
        1 + random.below(random.chance(0.05) ? 20_000 : 20),
        Math.floor(longest / (part.length + 1))
      )
      return put(concat(...Array.from({ length: times }, () => part)), 0)
    }
    case 10: {
      // The beginning of one, the end of another.
      const other = random.pick(pool)
      return concat(input.subarray(0, at), other.subarray(random.below(other.length + 1)))
    }
    case 11: {
      const other = random.pick(pool)
      const from = random.below(other.length + 1)
      return put(other.subarray(from, from + random.below(64)), random.below(64))
    }
    default:
      return concat(input.subarray(at), input.subarray(0, at))
  }
}

/** Texts that a field of a text may be replaced with. */
const fieldTexts = [
  "",
  " ",
  "*",
  "END",
  "adv",
  "msg",
  "rsp",
  "err",
  "ERR_BUSY",
  "lab",
  "LAB",
  "0",
  "00",
  "-1",
  "1e3",
  "65535",
  "65536",
  "99999999999999999999",
  "NaN",
  "127.0.0.1",
  "0.0.0.0",
  "255.255.255.255",
  "256.1.1.1",
  "127.1",
  "[::1]",
  "[::ffff:1.2.3.4]",
  "[fe80::1%eth0]",
  "::",
  "n".repeat(64),
  "n".repeat(65),
  "é".repeat(32),
  "é".repeat(33),
  "e\u0301",
  "\u0000",
  "\u0085",
  "\u202e",
  "\ufeff",
  "😀",
  "__proto__",
  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  "gAAAAA".padEnd(140, "A")
]

/** Changes the fields of a text with separators. */
export const fields = (separators: RegExp): Mutate => (random, input, pool) => {
  // Kept as Latin-1, so that bytes which are no UTF-8 stay as they are.
  const latin = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")
  const parts = latin(input.length > 20_000 ? input.subarray(0, 20_000) : input).split(separators)
  const spots = parts.flatMap((part, i) => i % 2 === 0 ? [i] : part === "" ? [] : [i])
  const at = random.pick(spots)
  const other = latin(random.pick(pool).subarray(0, 20_000)).split(separators)
  switch (random.below(7)) {
    case 0:
      parts[at] = latin(utf8(random.pick(fieldTexts)))
      break
    case 1:
      parts[at] = other[random.below(other.length)]!
      break
    case 2:
      parts.splice(at, 1)
      break
    case 3:
      parts.splice(at, 0, parts[at]!)
      break
    case 4: {
      const with_ = random.pick(spots)
      const kept = parts[at]!
      parts[at] = parts[with_]!
      parts[with_] = kept
      break
    }
    case 5:
      parts[at] = latin(blind(random, Uint8Array.from(parts[at]!, (c) => c.charCodeAt(0)), pool)).slice(0, 140_000)
      break
    default:
      parts[at] = random.chance(0.5) ? parts[at]!.toUpperCase() : parts[at]!.toLowerCase()
  }
  return Uint8Array.from(parts.join(""), (c) => c.charCodeAt(0))
}

const jsonValues: ReadonlyArray<unknown> = [
  null,
  true,
  false,
  0,
  -0,
  1,
  -1,
  0.5,
  1e308,
  5e-324,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 53,
  -(2 ** 53),
  "",
  "x",
  "success",
  "error",
  "__proto__",
  "constructor",
  "\u0000",
  "\ud800",
  "😀".repeat(40),
  "x".repeat(70_000),
  [],
  [[]],
  {},
  { a: 1 },
  { toString: 1, valueOf: 2, toJSON: 3 },
  { length: 4_294_967_295 },
  { _tag: "Error", message: "m", stack: "s" }
]

const jsonNames = [
  "__proto__",
  "constructor",
  "prototype",
  "toJSON",
  "then",
  "",
  "0",
  "function",
  "args",
  "kwargs",
  "type",
  "value",
  "code",
  "description",
  "error",
  "protocol",
  "name",
  "deadline",
  "traceparent",
  "message"
]

const texts = [
  "{\"__proto__\":{\"polluted\":1}}",
  "1e999",
  "-0",
  "0x10",
  "NaN",
  "\"\\ud800\"",
  "\"\\u0000\"",
  "[1,]",
  "{\"a\":1,\"a\":2}",
  "\u00a0 null",
  "null null"
]

/** Changes one value of a JSON document, or its text. */
export const json: Mutate = (random, input, pool) => {
  let root: unknown
  try {
    root = JSON.parse(textOf(input))
    // What is nested too deeply cannot be written again.
    JSON.stringify(root)
  } catch {
    return blind(random, input, pool)
  }
  switch (random.below(10)) {
    case 0:
      return blind(random, input, pool)
    case 1: {
      const depth = random.pick([10, 100, 513, 1_000, 20_000])
      const [open, close] = random.pick([["[", "]"], ["{\"a\":", "}"]])
      const inner = `${open.repeat(depth)}${random.chance(0.5) ? "1" : "[]"}${close.repeat(depth)}`
      const text = textOf(input)
      const colon = text.indexOf(":", random.below(text.length))
      return utf8(
        colon < 0 ? inner : `${text.slice(0, colon + 1)}${inner}${text.slice(colon + 1).replace(/^[^,}]*/, "")}`
      )
    }
    case 2: {
      const text = textOf(input)
      const colon = text.indexOf(":", random.below(text.length))
      return utf8(`${text.slice(0, colon + 1)}${random.pick(texts)}${text.slice(colon + 1).replace(/^[^,}]*/, "")}`)
    }
    default: {
      const holder = { root }
      const places: Array<readonly [any, string | number]> = [[holder, "root"]]
      const walk = (value: unknown, depth: number) => {
        if (typeof value !== "object" || value === null || depth > 6 || places.length > 200) return
        for (const key of Object.keys(value)) {
          places.push([value, Array.isArray(value) ? Number(key) : key])
          walk((value as any)[key], depth + 1)
        }
      }
      walk(root, 0)
      const [parent, key] = random.pick(places)
      const define = (name: string | number, value: unknown) =>
        Object.defineProperty(parent, name, { value, enumerable: true, configurable: true, writable: true })
      switch (random.below(5)) {
        case 0:
          delete parent[key]
          break
        case 1:
          define(random.pick(jsonNames), random.pick(jsonValues))
          break
        case 2: {
          const kept = parent[key]
          delete parent[key]
          define(random.pick(jsonNames), kept)
          break
        }
        case 3: {
          const [other, name] = random.pick(places)
          // Not into itself.
          define(key, JSON.parse(JSON.stringify(other[name]) ?? "null"))
          break
        }
        default:
          define(key, random.pick(jsonValues))
      }
      return utf8(JSON.stringify(holder.root) ?? "")
    }
  }
}

/** A part of a byte format: a head of a fixed length, and what it says the length of. */
export interface Parts {
  readonly split: (bytes: Uint8Array) => Array<{ head: Uint8Array; body: Uint8Array }>
  /** Where the length stands in the head: an offset of four bytes, or of one byte. */
  readonly lengthAt: number
  readonly lengthBytes: 1 | 4
  /** Changes a body by what it means. */
  readonly body?: Mutate
}

const setLength = (head: Uint8Array, { lengthAt, lengthBytes }: Parts, value: number): Uint8Array => {
  const out = head.slice()
  if (lengthBytes === 1) out[lengthAt] = value
  else out.set(u32(value), lengthAt)
  return out
}

/** Changes a sequence of parts with lengths: leaves out, repeats, exchanges, and lies about lengths. */
export const parts = (format: Parts): Mutate => (random, input, pool) => {
  const items = format.split(input)
  if (items.length === 0) return blind(random, input, pool)
  const at = random.below(items.length)
  const item = items[at]!
  let lie: number | undefined
  switch (random.below(8)) {
    case 0:
      items.splice(at, 1)
      break
    case 1:
      items.splice(at, 0, ...Array.from({ length: 1 + random.below(random.chance(0.1) ? 300 : 3) }, () => item))
      break
    case 2: {
      const with_ = random.below(items.length)
      items[at] = items[with_]!
      items[with_] = item
      break
    }
    case 3: {
      const others = format.split(random.pick(pool))
      if (others.length > 0) items.splice(at, random.below(2), random.pick(others))
      break
    }
    case 4:
      // One that is right is as long as it says; this one is not.
      lie = random.chance(0.5) ? random.pick(limits) : item.body.length + random.pick([-1, 1, -4, 4])
      break
    case 5: {
      const head = item.head.slice()
      head[random.below(head.length)] = random.pick(limits)
      items[at] = { head, body: item.body }
      break
    }
    default: {
      const body = (format.body !== undefined && random.chance(0.6) ? format.body : blind)(random, item.body, pool)
      items[at] = { head: item.head, body: body.subarray(0, 140_000) }
    }
  }
  let total = 0
  return concat(...items.flatMap(({ body, head }, i) => {
    total += head.length + body.length
    if (total > longest) return []
    return [setLength(head, format, i === at && lie !== undefined ? lie : body.length), body]
  }))
}

/** One of several ways, and now and then several, one after another. */
export const any = (...ways: ReadonlyArray<Mutate>): Mutate => (random, input, pool) => {
  let out = input
  for (let i = random.pick([1, 1, 1, 1, 2, 2, 3, 6]); i > 0; i--) {
    out = random.pick(ways)(random, out, pool)
    if (out.length > longest) out = out.slice(0, longest)
  }
  return out
}
