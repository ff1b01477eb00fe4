/** Two ends of a message link over a channel that a test moves by hand, and may lose, repeat and reorder messages on. */
import { equal } from "../../src/internal/base/bytes.ts"
import { Link } from "../../src/internal/link/link.ts"

const window = 65_536

/** Bytes that tell one place from another, twice, so that a piece is never cut. */
const patternOf = (salt: number): Uint8Array => {
  const once = Uint8Array.from({ length: period }, (_, at) => Math.imul(at + 1, 0x9e37_79b1) >>> 13 ^ salt)
  const twice = new Uint8Array(2 * period)
  twice.set(once)
  twice.set(once, period)
  return twice
}
const period = 65_521
const patterns = [patternOf(0), patternOf(0xa5)] as const

/** What one end has said and heard. */
export class Side {
  readonly link: Link
  /** Messages on their way to the other end. */
  readonly sent: Array<Uint8Array> = []
  /** So many may be on their way; then there is no room. */
  room = Infinity
  closed = false
  /** Bytes that were handed to the link, and those that were taken of it; each is told from its neighbours. */
  wrote = 0
  got = 0
  waiting = 0
  readonly #pattern: Uint8Array
  other!: Side

  constructor(pattern: Uint8Array, options: { readonly maxMessage: number; readonly counted?: number | undefined }) {
    this.#pattern = pattern
    this.link = new Link({
      maxMessage: options.maxMessage,
      send: (message) => {
        this.sent.push(message)
        return this.sent.length < this.room
      },
      close: () => {
        this.closed = true
      }
    }, { window, patience: 3, counted: options.counted })
  }

  /** What is written from a place on. */
  bytes(at: number, length: number): Uint8Array {
    return this.#pattern.subarray(at % period, at % period + length)
  }

  get writable(): boolean {
    return this.link.writeEnd === undefined && !this.link.ending
  }

  write(length: number): void {
    const bytes = this.bytes(this.wrote, length)
    this.wrote += length
    const waiting = this.link.write(bytes)
    if (waiting === undefined) return
    this.waiting++
    waiting.done = () => {
      this.waiting--
    }
  }

  /** Takes what has come, and says whether it is what the other end wrote. */
  take(): boolean {
    for (const chunk of this.link.take() ?? []) {
      if (!equal(chunk, this.other.bytes(this.got, chunk.length))) return false
      this.got += chunk.length
    }
    return this.got <= this.other.wrote
  }

  /** Brings the next message to the other end. */
  deliver(): void {
    const message = this.sent.shift()
    if (message !== undefined) this.other.link.receive(message)
    if (this.sent.length < this.room) this.link.room()
  }
}

export const pair = (maxMessage = 4_000, counted?: number): readonly [Side, Side] => {
  const [a, b] = [new Side(patterns[0], { maxMessage, counted }), new Side(patterns[1], { maxMessage, counted })]
  a.other = b
  b.other = a
  return [a, b]
}

/** Brings all messages to their ends, until there are none. */
export const settle = (sides: readonly [Side, Side]): void => {
  while (sides.some(({ sent }) => sent.length > 0)) for (const side of sides) side.deliver()
}
