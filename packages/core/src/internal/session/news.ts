/**
 * What the message that is being taken says to those who wait. Whoever is told runs at once, and may read, write and open on
 * this session or another: so nobody is told of anything until all of the message has been taken, and nobody at all where it
 * broke a rule.
 */

/** A stream, as one that has news. */
export interface Reader {
  /** Whether the message that is being taken has something for it. */
  news: boolean
  /** What the message says to those who wait for the stream. */
  tell(): void
  /** The message broke the rules: what it brought is not read, and its END, or its RESET, is none. Whether it had one. */
  takeBack(): boolean
}

export class News<Stream extends Reader> {
  readonly #onRoom: () => void
  #taking = false
  #heard: Array<Stream> | undefined
  #signals: Array<() => void> | undefined
  #roomMade = 0
  #filling = false

  /** `onRoom` is called for each stream that has closed, or holds nothing any more. */
  constructor(onRoom: () => void) {
    this.#onRoom = onRoom
  }

  /** A message is being taken: from here on everything waits for its end. */
  begin(): void {
    this.#taking = true
  }

  /** To be called by a stream that has something for those who wait. */
  heard(stream: Stream): void {
    if (stream.news) return
    stream.news = true
    const heard = this.#heard ??= []
    heard.push(stream)
  }

  /** What is to be called that concerns no stream. */
  signal(signal: () => void): void {
    const signals = this.#signals ??= []
    signals.push(signal)
  }

  /** A stream has closed, or holds nothing any more. */
  roomMade(): void {
    if (this.#taking || this.#filling) this.#roomMade++
    else this.#onRoom()
  }

  /**
   * A stream may close while a message is filled: who is told of the room opens another at once, whose bytes would go into what is
   * left of the message, ahead of its OPEN. Whether `filled` is still to be called, when the message has been.
   */
  fills(): boolean {
    if (this.#filling) return false
    this.#filling = true
    return true
  }

  readonly filled = (): void => {
    this.#filling = false
    if (!this.#taking) this.#tellRoom()
  }

  /** All of the message has been taken: tells whoever waits. */
  tell(): void {
    this.#taking = false
    const heard = this.#heard
    const signals = this.#signals
    this.#heard = undefined
    this.#signals = undefined
    this.#tellRoom()
    if (heard !== undefined) { for (const stream of heard) stream.tell() }
    if (signals !== undefined) { for (const signal of signals) signal() }
  }

  /** The message broke a rule: takes back what it brought, and gives the streams that had ended with it. */
  takeBack(open: Iterable<Stream>): ReadonlyArray<Stream> {
    this.#taking = false
    // Whoever is told of one stream may read any other.
    const all = new Set([...this.#heard ?? [], ...open])
    this.#heard = undefined
    this.#signals = undefined
    const broken = [...all].filter((stream) => stream.takeBack())
    this.#tellRoom()
    return broken
  }

  #tellRoom(): void {
    if (this.#filling) return
    for (; this.#roomMade > 0; this.#roomMade--) this.#onRoom()
  }
}
