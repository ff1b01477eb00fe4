/** IPv4 addresses as unsigned 32-bit numbers, which is how the simulation compares and masks them. */

const pattern = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/

/** `undefined` unless it is four decimals without leading zeros. */
export const parse = (text: string): number | undefined => {
  const cached = parsed.get(text)
  if (cached !== undefined) return cached
  const match = pattern.exec(text)
  if (match === null) return undefined
  let value = 0
  for (let i = 1; i <= 4; i++) {
    const octet = Number(match[i])
    if (octet > 255) return undefined
    value = value * 256 + octet
  }
  remember(text, value)
  return value
}

export const format = (address: number): string => {
  const cached = formatted.get(address)
  if (cached !== undefined) return cached
  const text = `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`
  remember(text, address)
  return text
}

// Every packet formats its source and parses its destination; a run has few distinct ones, and the cap keeps a scan small.
const parsed = new Map<string, number>()
const formatted = new Map<number, string>()
const remember = (text: string, address: number) => {
  if (parsed.size >= 4096) {
    parsed.clear()
    formatted.clear()
  }
  parsed.set(text, address)
  formatted.set(address, text)
}

const maskOf = (prefixLength: number): number => prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0
export const networkOf = (address: number, prefixLength: number): number => (address & maskOf(prefixLength)) >>> 0
export const broadcastOf = (address: number, prefixLength: number): number => (address | ~maskOf(prefixLength)) >>> 0

export const any = 0
export const loopback = 0x7f000001
export const loopbackBroadcast = 0x7fffffff
export const limitedBroadcast = 0xffffffff
export const isLoopback = (address: number): boolean => address >>> 24 === 127
