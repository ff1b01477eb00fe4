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

// Numbers of 32 bits that a generator's state is made of.
const words = 4

export class Prng {
  readonly name: string
  protected state: Int32Array = new Int32Array(words)
  /** Where in `state` its own begins. */
  protected at = 0

  constructor(name: string) {
    this.name = name
    this.seed(name)
  }

  protected seed(name: string): void {
    let state = hashString(name)
    const next = () => {
      state = (state + 0x9e3779b9) | 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
      return z ^ (z >>> 16)
    }
    for (let i = 0; i < words; i++) this.state[this.at + i] = next()
    this.state[this.at + words - 1]! |= 1
  }

  /** An independent stream; the same name gives the same stream whatever was drawn from this one. */
  fork(name: string): Prng {
    return new Prng(this.nameOf(name))
  }

  /** The name of the stream that `fork` gives. */
  nameOf(name: string): string {
    return `${this.name}/${name}`
  }

  uint32(): number {
    const { at, state } = this
    let a = state[at]!
    let b = state[at + 1]!
    let c = state[at + 2]!
    let d = state[at + 3]!
    const s = Math.imul(b, 5)
    const result = Math.imul((s << 7) | (s >>> 25), 9)
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    state[at] = a
    state[at + 1] = b
    state[at + 2] = c ^ t
    state[at + 3] = (d << 11) | (d >>> 21)
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

/**
 * Many generators in little room, such as one for each pair of hosts: sixteen bytes each, and one object, which is the generator that was
 * asked for last.
 */
export class Prngs extends Prng {
  constructor() {
    super("")
  }

  /** Becomes the generator of an index in a field, and says whether that was made already; if not, `begin` makes it. */
  isOf(field: Field, index: number): boolean {
    const at = index * words
    if (at >= field.state.length) {
      const more = new Int32Array(Math.max(2 * field.state.length, at + words))
      more.set(field.state)
      field.state = more
    }
    const { state } = field
    this.state = state
    this.at = at
    // No generator's state is ever all zeros.
    return state[at] !== 0 || state[at + 1] !== 0 || state[at + 2] !== 0 || state[at + 3] !== 0
  }

  begin(name: string): void {
    this.seed(name)
  }
}

/** The states of generators by their indices. */
export interface Field {
  state: Int32Array
}

export const field = (): Field => ({ state: new Int32Array(0) })
