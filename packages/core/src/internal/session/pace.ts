/**
 * When a session sends what it has to say: soon enough that its peer is never idle while there is work for it, and so much together
 * that a message is worth what it costs. Synchronous, and without a clock: it is told what happens, and says when.
 *
 * - What is said while what has come is taken, as the answers to it are, leaves when that has been done, without a turn of the event
 *   loop in between.
 * - Of many calls that are made, or answered, in one go a share leaves before the rest is there: the other side works on it meanwhile.
 * - A call that is alone on its session leaves as it is made: nothing else is to come that could go with it.
 * - All else waits for the end of the turn, in which whoever else is ready to run may have more to say.
 *
 * Where somebody passes messages on, each costs three programs so much that a crowd goes in one.
 */

/**
 * The parts in which a crowd of calls goes: one is made, or read, here while the other is answered there. All at once, and both sides
 * take turns; in more parts, and messages cost more than they carry. The other side sees one part as its crowd, and answers it in parts.
 */
const parts = 2

/** As many streams leave together at the most, however many there are. */
const most = 48

const relayedParts = 1
const relayedMost = 256

export interface Handlers {
  /** Whether there is anything to send. */
  readonly waits: () => boolean
  /** Streams that are open. */
  readonly streams: () => number
  /** Calls a function when the turn is over. */
  readonly later: (task: () => void) => void
}

export class Pace {
  readonly #handlers: Handlers
  readonly #parts: number
  readonly #most: number
  /** Has the writer go on, where it waits. */
  #go: (() => void) | undefined
  #taking = false
  #scheduled = false
  /** How many streams there were lately, as far as they have to do with it. */
  #crowd = 0
  /** So many streams that have something to say do not wait for more. */
  #enough = 1

  constructor(handlers: Handlers, relayed = false) {
    this.#handlers = handlers
    this.#parts = relayed ? relayedParts : parts
    this.#most = relayed ? relayedMost : most
  }

  /** Whether what has come is being taken. */
  get taking(): boolean {
    return this.#taking
  }

  /** The writer has nothing to do until it is called. What this gives takes that back. */
  park(go: () => void): () => void {
    this.#go = go
    if (this.#handlers.waits()) this.work(false)
    return () => {
      if (this.#go === go) this.#go = undefined
    }
  }

  /** What has come is taken from here on, until `taken`: who waits for it runs, and is answered. */
  take(): void {
    this.#taking = true
  }

  /** All that has come was taken. */
  taken(): void {
    this.#taking = false
    this.#send()
  }

  /** There is something to say where there was nothing. What is `urgent` waits for nothing. */
  work(urgent: boolean): void {
    if (this.#go === undefined) return
    if (urgent) return this.#send()
    const streams = this.#handlers.streams()
    this.#crowd = Math.max(streams, this.#crowd - (this.#crowd >> 3) - 1)
    this.#enough = Math.min(this.#most, Math.ceil(this.#crowd / this.#parts))
    if (this.#taking || this.#scheduled) return
    this.#scheduled = true
    this.#handlers.later(this.#atEnd)
  }

  /** One more stream has begun to say something, or has said all; so many of them wait. */
  more(waiting: number, whole: boolean): void {
    if (this.#go === undefined) return
    if (whole ? waiting >= this.#enough || this.#handlers.streams() === 1 : waiting > this.#enough) this.#send()
  }

  readonly #atEnd = () => {
    this.#scheduled = false
    this.#send()
  }

  #send(): void {
    const go = this.#go
    if (go === undefined || !this.#handlers.waits()) return
    this.#go = undefined
    go()
  }
}
