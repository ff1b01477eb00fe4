/** What the nodes serve each other over streams, and the bytes that go there and come back. */
import type { AdvancedNode } from "@pnet/core"
import { Cause, Effect, Stream } from "effect"
import { type Chance, chance } from "../harness/chance.ts"
import { expected } from "../harness/pattern.ts"
import type { Tally } from "./tally.ts"

/** Bytes in pieces of random lengths, with pauses between them where they are to be slow. */
export const source = (random: Chance, key: number, size: number, slow: boolean): Stream.Stream<Uint8Array> => {
  let at = 0
  const piece = random.pick(slow ? [10_000, 70_000] : [100, 10_000, 70_000])
  return Stream.fromEffectRepeat(Effect.suspend(() => {
    if (at >= size) return Cause.done()
    const length = Math.min(size - at, 1 + random.below(piece))
    const part = expected(key, at, length)
    at += length
    return slow ? Effect.as(Effect.sleep(random.below(40)), part) : Effect.succeed(part)
  })).pipe(Stream.rechunk(1))
}

class Wrong extends Error {}

/** Whether bytes go on where those before ended. */
export class Check {
  readonly #tally: Tally
  readonly #key: number
  readonly #where: string
  #at = 0

  constructor(tally: Tally, key: number, where: string) {
    this.#tally = tally
    this.#key = key
    this.#where = where
  }

  /** Throws where they do not, which ends whatever reads them. */
  take(part: Uint8Array): void {
    if (Buffer.compare(part, expected(this.#key, this.#at, part.length)) !== 0) {
      this.#tally.problem(`${this.#where}: wrong bytes after ${this.#at}`)
      throw new Wrong(`wrong bytes after ${this.#at}`)
    }
    this.#at += part.length
  }

  /** How many there were. */
  get length(): number {
    return this.#at
  }
}

/** The functions of every node. */
export const makeFunctions = (tally: Tally): Record<string, AdvancedNode.Handler> => ({
  echo: ({ bytes }) => bytes,
  slow: ({ bytes }) => Stream.mapEffect(bytes, (part) => Effect.as(Effect.sleep("20 millis"), part)),
  // The first byte is the key.
  upload: ({ bytes, command, from }) =>
    Effect.suspend(() => {
      let check: Check | undefined
      return Effect.map(
        Stream.runForEach(bytes, (part) =>
          Effect.sync(() => {
            if (check !== undefined) return check.take(part)
            check = new Check(tally, part[0]!, `${command} from ${from.name}`)
            check.take(part.subarray(1))
          })),
        () => `${check?.length ?? 0}`
      )
    }),
  download: ({ text }) =>
    Effect.map(text, (order) => {
      const [key, size] = order.split(" ").map(Number)
      return source(chance(key!, order), key!, size!, false)
    }),
  fail: ({ bytes }) => Effect.andThen(Stream.runDrain(Stream.take(bytes, 1)), Effect.fail("as ordered")),
  ignore: () => Effect.succeed("ignored"),
  hang: () => Effect.never
})
