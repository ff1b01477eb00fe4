/**
 * One topic of one peer, as this node hears it, from one stream of the peer to the next: what came of it and what was missed, so that what was lost
 * with a stream is known when the next one begins.
 */
import type { NodeName } from "../../Packet.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type { Listener } from "./listener.ts"
import type { Heard, Origin } from "./said.ts"

/** A value that each of those who lose none has to take. */
interface Untaken {
  readonly seq: number
  left: number
}

/** Values are said to be taken together, a part of those that may wait at a time, while more wait. */
const parts = 4

export class Source implements Origin {
  readonly from: { readonly name: NodeName; readonly publicKey: PublicKey }
  readonly topic: string
  readonly contract: string | undefined
  readonly epoch: string
  /** The number that the peer gave it last. */
  index = 0
  /** Those that were told of it by the peer. */
  readonly listeners = new Set<Listener>()
  /** Publications that are accounted for: they came, were said to be missed, or were before the first that was to come. */
  #accounted: number | undefined
  /** More than were accounted for have come, by what the peer says: they come again. */
  #ahead = 0
  #highest = 0
  /** Up to this they come a second time on this stream. */
  #again = 0
  /** In their order, those that are to be taken. */
  readonly #untaken: Array<Untaken> = []
  #untold = 0
  /** Subscriptions that lose none, and how many are said to be taken at once. */
  #keepers = 0
  #together = 1
  /** Says to the peer that all up to this have been taken; where there is a stream of it. */
  onTaken: ((seq: number) => void) | undefined
  /** When its stream ended, by the monotonic clock in milliseconds; `undefined` while there is one. */
  endedAt: number | undefined
  /** Its peer is gone, as far as is known: what it retained is. */
  isGone = false

  constructor(from: Source["from"], topic: string, contract: string | undefined, epoch: string) {
    this.from = from
    this.topic = topic
    this.contract = contract
    this.epoch = epoch
  }

  /** Values that are to be taken. */
  get waiting(): number {
    return this.#untaken.length
  }

  /** It comes on a stream that is new. Where the peer takes one for it that is to lose none, what that has not taken comes again first. */
  begin(isKept: boolean): void {
    this.#again = isKept ? this.#highest : 0
  }

  /** The peer tells of it, on a stream that is new, or for subscriptions that are: what was lost is missed by those that there were before. */
  tell(seq: number, listeners: Iterable<Listener>): void {
    // What was to come again and has not is accounted for all the same.
    const lost = this.#accounted === undefined ? 0 : seq - (this.#accounted - this.#ahead)
    this.#accounted = seq
    this.#ahead = Math.min(0, lost)
    if (lost > 0) this.#miss(lost)
    for (const listener of listeners) this.listeners.add(listener)
    this.#look()
  }

  /** So many were dropped on the way. Those that were accounted for before are said once more, as others come again. */
  missed(count: number): void {
    this.#accounted = (this.#accounted ?? 0) + count
    const known = Math.min(count, -this.#ahead)
    this.#ahead += known
    if (count > known) this.#miss(count - known)
  }

  #miss(count: number): void {
    for (const listener of this.listeners) if (listener.interest.group === undefined) listener.miss(this, count)
  }

  /**
   * A publication has come, of which the listeners are to be told that there are news. Where values are to be lost by nobody they come in order, and some
   * of them a second time. What takes a value back is none.
   */
  hear(heard: Heard, fresh: Set<Listener>): void {
    if (heard.body !== undefined) {
      this.#accounted = (this.#accounted ?? 0) + 1
      if (heard.seq <= this.#again) return this.#repeated(heard)
      if (this.#keepers > 0) this.#untaken.push({ seq: heard.seq, left: this.#keepers })
    }
    if (heard.seq > this.#highest) this.#highest = heard.seq
    for (const listener of this.listeners) {
      if (listener.interest.group !== undefined) continue
      listener.hear(heard)
      fresh.add(listener)
    }
    // What none of them had room for is not waited for.
    if (this.#untaken.at(-1)?.left === 0) this.#untaken.pop()
    // Nobody takes it.
    if (heard.body === undefined && this.#keepers > 0) this.#settle()
  }

  /** Looks who loses none. */
  #look(): void {
    this.#keepers = 0
    let least = Infinity
    for (const { interest: { group, mode, size } } of this.listeners) {
      if (mode !== "lossless" || group !== undefined) continue
      this.#keepers++
      least = Math.min(least, size)
    }
    this.#together = Math.ceil(least / parts)
  }

  /** What comes again was accounted for: so one more was lost than it seemed, or it was not taken yet when the stream ended. */
  #repeated(heard: Heard): void {
    for (const listener of this.listeners) listener.again(heard)
    if (this.#ahead < 0) this.#ahead++
    else this.#miss(1)
    this.#settle()
  }

  /** One that loses none has taken it. */
  took(seq: number): void {
    const untaken = this.#untaken
    const last = untaken.at(-1)
    // Nearly always the first, or one that there was no room for.
    const at = untaken[0]?.seq === seq ? untaken[0] : last?.seq === seq ? last : untaken.find((one) => one.seq === seq)
    if (at === undefined) return
    at.left--
    let until = 0
    while (untaken.length > 0 && untaken[0]!.left <= 0) until = untaken.shift()!.seq
    if (until === 0) return
    if (++this.#untold >= this.#together || untaken.length === 0) this.#settle()
  }

  /** Says what has been taken. */
  #settle(): void {
    this.#untold = 0
    const first = this.#untaken[0]
    this.onTaken?.(first === undefined ? this.#highest : first.seq - 1)
  }

  /** A subscription is no more. */
  leave(listener: Listener): void {
    this.listeners.delete(listener)
    this.#look()
  }
}
