/**
 * The generator behind every random choice of the simulation: xoshiro128** seeded through splitmix32.
 *
 * A generator is named, and its seed is the hash of the network's seed and that name, so each purpose (a LAN's losses, a
 * host's entropy, a connection's chunking) draws from a stream of its own and adding a host does not reshuffle the others.
 */

/** 32-bit FNV-1a over UTF-16 units, finished with murmur3's mixer; also the payload hash of the trace. */
const hashString = (text: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return mix(h)
}

/** 32-bit FNV-1a over bytes, finished with murmur3's mixer. */
export const hashBytes = (bytes: Uint8Array): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193)
  return mix(h)
}

const mix = (h: number): number => {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

export class Prng {
  readonly name: string
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(name: string) {
    this.name = name
    let state = hashString(name)
    const next = () => {
      state = (state + 0x9e3779b9) | 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
      return z ^ (z >>> 16)
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next() | 1
  }

  /** An independent stream; the same name gives the same stream whatever was drawn from this one. */
  fork(name: string): Prng {
    return new Prng(`${this.name}/${name}`)
  }

  uint32(): number {
    const s = Math.imul(this.#b, 5)
    const result = Math.imul((s << 7) | (s >>> 25), 9)
    const t = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= t
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result >>> 0
  }

  /** In [0, 1), with 53 bits. */
  double(): number {
    return ((this.uint32() >>> 5) * 67108864 + (this.uint32() >>> 6)) / 9007199254740992
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.double() * bound)
  }

  /** Approximately standard normal: the sum of twelve uniforms, so never beyond six deviations. */
  normal(): number {
    let sum = -6
    for (let i = 0; i < 12; i++) sum += this.double()
    return sum
  }

  /** Draws only if the outcome is open, so that a fault switched off costs nothing and shifts nothing. */
  chance(probability: number): boolean {
    return probability > 0 && (probability >= 1 || this.double() < probability)
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 4) {
      const word = this.uint32()
      for (let j = i; j < i + 4 && j < bytes.length; j++) bytes[j] = (word >>> (8 * (j - i))) & 0xff
    }
  }
}
