/** A picture of a key, of all of its bytes: to recognise it by, beside the words by which it is compared. */

export interface Picture {
  /** Rows of cells, each one of four: nothing, or one of three colours. */
  readonly rows: ReadonlyArray<ReadonlyArray<number>>
  /** Degrees on the colour wheel. */
  readonly hues: readonly [number, number]
}

const size = 7

const bytesOf = (key: string): ReadonlyArray<number> => {
  try {
    return Array.from(atob(key.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0))
  } catch {
    return Array.from(key.slice(0, 256), (one) => one.charCodeAt(0) & 255)
  }
}

/** Mixes all bytes into as many as are needed, so that keys that begin alike look unlike. */
const mixed = (key: string): () => number => {
  let state = 0x811c9dc5
  for (const byte of bytesOf(key)) state = Math.imul(state ^ byte, 0x01000193)
  return () => {
    state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d)
    state = Math.imul(state ^ state >>> 12, 0x297a2d39)
    state = (state ^ state >>> 15) + 0x9e3779b9 | 0
    return state >>> 8 & 255
  }
}

/** The picture of a key: the right half mirrors the left. */
export const pictureOf = (key: string): Picture => {
  const next = mixed(key)
  const first = next() * 360 / 256
  const second = (first + 80 + next() * 200 / 256) % 360
  const half = Math.ceil(size / 2)
  const rows = Array.from({ length: size }, () => {
    const left = Array.from({ length: half }, () => {
      const byte = next()
      return byte < 112 ? 0 : byte < 176 ? 1 : byte < 226 ? 2 : 3
    })
    return [...left, ...left.slice(0, size - half).reverse()]
  })
  return { rows, hues: [first, second] }
}
