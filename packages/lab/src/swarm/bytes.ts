/**
 * The bytes that streams carry: of one pattern, which each begins somewhere of its own, so that whoever reads them knows what comes
 * next.
 */
import { Cause, Effect, Schema, Stream } from "effect"
import type { Chance } from "../harness/chance.ts"
import { expected } from "../harness/pattern.ts"
import type { Journal } from "./journal.ts"
import type { Planting } from "./planted.ts"

class WrongBytes extends Schema.TaggedError<WrongBytes>()("WrongBytes", {}) {}

/** Bytes in pieces of random lengths, with so many milliseconds between them. */
export const source = (random: Chance, key: number, size: number, slow: number): Stream.Stream<Uint8Array> => {
  let at = 0
  const piece = random.pick(slow > 0 ? [30_000, 70_000] : [1_000, 10_000, 70_000])
  return Stream.fromEffectRepeat(Effect.suspend(() => {
    if (at >= size) return Cause.done()
    const length = Math.min(size - at, 1 + random.below(piece))
    const part = expected(key, at, length)
    at += length
    return slow > 0 ? Effect.as(Effect.sleep(slow), part) : Effect.succeed(part)
  })).pipe(Stream.rechunk(1))
}

/** Whether bytes go on where those before ended. */
export class Check {
  readonly #journal: Journal
  readonly #planted: Planting
  readonly #key: number
  readonly #where: string
  #at = 0

  constructor(world: { readonly journal: Journal; readonly planted: Planting }, key: number, where: string) {
    this.#journal = world.journal
    this.#planted = world.planted
    this.#key = key
    this.#where = where
  }

  take(part: Uint8Array): Effect.Effect<void, WrongBytes> {
    return Effect.suspend(() => {
      if (part.length > 0 && this.#planted.sow("wrong bytes")) this.#at++
      if (Buffer.compare(part, expected(this.#key, this.#at, part.length)) !== 0) {
        this.#journal.problem("bytes come whole, in order, once", `${this.#where}: wrong bytes after ${this.#at}`)
        return Effect.fail(new WrongBytes())
      }
      this.#at += part.length
      return Effect.void
    })
  }

  /** How many there were. */
  get length(): number {
    return this.#at
  }
}

/** Ends the first line of what is sent to a function over streams, which says what for. */
export const separator = 10

/** What follows the first line, whose words are given apart. */
export const headed = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  onHead: (words: ReadonlyArray<string>) => void
): Stream.Stream<Uint8Array, E, R> => {
  let head: Array<number> | undefined = []
  return Stream.flatMap(bytes, (part) => {
    if (head === undefined) return Stream.make(part)
    const end = part.indexOf(separator)
    for (const byte of end === -1 ? part : part.subarray(0, end)) head.push(byte)
    if (end === -1) return Stream.empty
    const words = String.fromCharCode(...head).split(" ")
    head = undefined
    onHead(words)
    return end + 1 < part.length ? Stream.make(part.subarray(end + 1)) : Stream.empty
  })
}
