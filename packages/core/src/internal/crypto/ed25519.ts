/**
 * What a signature of Ed25519 (RFC 8032) must be before any implementation looks at it, so that all of them accept the same ones: a
 * key that is canonical and not of low order, and a scalar below the order of the group.
 */
const hex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16))

// Little-endian: 2^255-19; and 2^252 + 27742317777372353535851937790883648493.
const prime = hex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")
const order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")

// The y of the eight points of low order that are below 2^255-19.
const lowOrder = [
  hex("0000000000000000000000000000000000000000000000000000000000000000"),
  hex("0100000000000000000000000000000000000000000000000000000000000000"),
  hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
  hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
  hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
]

const isBelow = (bytes: Uint8Array, bound: Uint8Array): boolean => {
  for (let i = 31; i >= 0; i--) {
    if (bytes[i] !== bound[i]) return bytes[i]! < bound[i]!
  }
  return false
}

/** Whether 32 bytes may be a key to verify with. Whether they are a point at all is found out when they are used. */
export const isKey = (bytes: Uint8Array): boolean => {
  if (bytes.length !== 32) return false
  const y = bytes.slice()
  y[31]! &= 0x7f
  return isBelow(y, prime) && !lowOrder.some((point) => point.every((byte, i) => byte === y[i]))
}

/** Whether 64 bytes have the one form of the signature that they are. */
export const isSignature = (bytes: Uint8Array): boolean => bytes.length === 64 && isBelow(bytes.subarray(32), order)
