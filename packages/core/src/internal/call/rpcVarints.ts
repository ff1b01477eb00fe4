/**
 * Integers that are longer than there is time to read. `SchemaBinary` reads an integer of any length, in time that grows with its
 * square: 100 kilobytes of one field take seconds, in which the process does nothing else.
 *
 * Each byte of an integer but its last has its highest bit set, as have those of many texts and other bytes. So what has few such
 * bytes in a row, which is nearly everything, is read as it is; the rest is watched while it is read.
 */
import * as Effect from "effect/Effect"

/** Bytes in a row that count: fewer take no time worth a thought, and one of so many bytes is looked at. */
const stride = 256
/** From so many squares of bytes in a row on, what is read is watched. */
const suspicious = 2 ** 27
/** And so many may be read as integers: one of 16,384 bytes, or many shorter ones. */
const most = 2 ** 28

/** Whether bytes may hold integers that take long to read. */
export const isSuspicious = (bytes: Uint8Array): boolean => {
  const { length } = bytes
  let squares = 0
  for (let at = stride - 1; at < length; at += stride) {
    if (bytes[at]! < 0x80) continue
    let from = at
    while (from > 0 && bytes[from - 1]! >= 0x80) from--
    let to = at + 1
    while (to < length && bytes[to]! >= 0x80) to++
    if (to - from >= stride) squares += (to - from) ** 2
    if (squares > suspicious) return true
    // Nothing is looked at twice.
    at = to - 1
  }
  return false
}

class TooLong {
  readonly _tag = "TooLong"
}

/** Bytes that break off whoever reads too many of them one by one, as parts of integers. */
const watched = (bytes: Uint8Array): Uint8Array => {
  let squares = 0
  let run = 0
  let last = -2
  return new Proxy(bytes, {
    get: (target, key) => {
      const index = typeof key === "string" ? Number(key) : Number.NaN
      if (!Number.isInteger(index)) {
        const value: unknown = Reflect.get(target, key, target)
        return typeof value === "function" ? value.bind(target) : value
      }
      const byte = target[index]
      if (byte !== undefined && byte >= 0x80) {
        run = index === last + 1 ? run + 1 : 1
        last = index
        squares += 2 * run - 1
        if (squares > most) throw new TooLong()
      }
      return byte
    }
  })
}

/** Reads bytes, and fails with what is given where they hold integers that would take long. */
export const within = <A, E>(
  bytes: Uint8Array,
  read: (bytes: Uint8Array) => Effect.Effect<A, E>,
  tooLong: () => E
): Effect.Effect<A, E> =>
  isSuspicious(bytes)
    ? Effect.catchDefect(
      Effect.suspend(() => read(watched(bytes))),
      (defect) => defect instanceof TooLong ? Effect.fail(tooLong()) : Effect.die(defect)
    )
    : read(bytes)
