/**
 * What one peer gets of one topic of this node: what it is told first, what waits for it, and what it missed. A synchronous machine, which
 * its feed asks for the next record whenever there is room on the stream.
 *
 * What bites: order. A topic is told before anything of it, what was missed before what comes after it, and retained values before what was
 * published since.
 */
import type { Interest } from "../../Offer.ts"
import { Outlet, Window } from "./outlet.ts"
import * as Records from "./records.ts"
import type { Retained } from "./retained.ts"
import { bytesOf, type Origin, type Said } from "./said.ts"

/** What a route uses of the topic that it is of. */
export interface Topic {
  /** The same for all peers, so that all are sent the same bytes. */
  readonly index: number
  readonly name: string
  /** 16 hexadecimal digits, `"bytes"`, or none for JSON of any kind. */
  readonly contract: string | undefined
  readonly origin: Origin
  /** Publications so far. */
  readonly seq: number
  readonly retained: Retained<Said> | undefined
  /** Peers that get what is said. */
  readonly routes: Set<Route>
}

/** What a route uses of the feed that it belongs to. */
export interface Owner {
  /** It has something to say. */
  readonly ready: (route: Route) => void
  /** Whether there is room for so many more bytes, and so many for it and others together. */
  readonly has: (bytes: number, all: number) => boolean
  readonly take: (bytes: number) => boolean
  readonly give: (bytes: number) => void
  /** There may be room again for who waits for it. */
  readonly roomMade: () => void
}

type Mode = "buffer" | "latest" | "lossless"

/** How what waits for subscriptions that may miss something is kept. */
interface Loose {
  readonly mode: Exclude<Mode, "lossless">
  readonly size: number
  readonly drop: "oldest" | "newest"
}

/** How what waits for a peer is kept, by all of its subscriptions together: of each kind the one that misses least decides. */
interface Kept {
  /** So many that are not taken, where some are to lose nothing. */
  readonly window: number | undefined
  /** What there is no room for there, or all, where there are others. */
  readonly loose: Loose | undefined
}

const keptFor = (entries: ReadonlyArray<Interest>): Kept => {
  const all = entries.filter(({ group }) => group === undefined)
  const sizes = all.filter(({ mode }) => mode === "lossless").map(({ size }) => size)
  const mode = (["buffer", "latest"] as const).find((mode) => all.some((entry) => entry.mode === mode))
  const those = all.filter((entry) => entry.mode === mode)
  return {
    // A subscription that is to lose nothing takes no more at once than it has room for.
    window: sizes.length === 0 ? undefined : Math.min(...sizes),
    loose: mode === undefined ? undefined : {
      mode,
      size: Math.max(...those.map(({ size }) => size)),
      drop: those.every(({ drop }) => drop === "newest") ? "newest" : "oldest"
    }
  }
}

const isSame = (a: Loose | undefined, b: Loose | undefined): boolean =>
  a === b || a !== undefined && b !== undefined && a.mode === b.mode && a.size === b.size && a.drop === b.drop

const nothing: Kept = { window: undefined, loose: undefined }

const keyOf = ({ key }: Said): string => key ?? ""

export class Route {
  readonly topic: Topic
  readonly #owner: Owner
  /** Those of the peer's subscriptions that the topic is for. */
  #entries: ReadonlyArray<Interest> = []
  #kept = nothing
  #window: Window<Said> | undefined
  /** What the window has no room for comes in order: as long as something waits here all that comes does. */
  #outlet: Outlet<Said> | undefined
  /** Subscriptions that were told of the topic on this stream. */
  #told = new Set<number>()
  readonly #urgent: Array<Uint8Array> = []
  /** Last values that are still to be said, of those there were when the topic was told: without those that wait, as they come by themselves. */
  #snapshot: Array<Said> | undefined
  #snapshotAt = 0
  /** So many wait that were published before all was said that is retained: it is whole behind them. */
  #before = 0
  #isWhole = true
  /** Something was dropped that is the newest of its key: all of them are said again when there is room. */
  #isPatchy = false
  #missed = 0
  /** Whether the feed has it among those that have something to say. */
  isReady = false
  /** Whether the peer was told of it on this stream. */
  isTold = false
  isClosed = false

  constructor(topic: Topic, owner: Owner) {
    this.topic = topic
    this.#owner = owner
  }

  get entries(): ReadonlyArray<Interest> {
    return this.#entries
  }

  /** Whether the peer was told of it all, and has taken what it is to lose nothing of. */
  get isSettled(): boolean {
    return this.#told.size >= this.#entries.length && this.#urgent.length === 0 && this.#snapshot === undefined &&
      this.#isWhole && ((this.#window ?? this.#outlet)?.length ?? 0) === 0
  }

  /** Whether the peer takes publications, and not only as a member of groups. */
  get isLossless(): boolean {
    return this.#window !== undefined
  }

  /** Whether one more would be kept for a peer that is to lose none. */
  hasRoom(bytes: number, all: number): boolean {
    return this.#window === undefined || this.#takes(this.#window) && this.#owner.has(bytes, all)
  }

  /** The peer's subscriptions are others than before. */
  enter(entries: ReadonlyArray<Interest>): void {
    const ids = new Set(entries.map(({ id }) => id))
    // What waits was for others, as of a run of the peer that is over.
    if (!this.#entries.some(({ id }) => ids.has(id))) this.#keep(nothing)
    this.#entries = entries
    for (const id of this.#told) if (!ids.has(id)) this.#told.delete(id)
    const kept = keptFor(entries)
    if (kept.window !== this.#kept.window || !isSame(kept.loose, this.#kept.loose)) this.#keep(kept)
    this.#owner.ready(this)
  }

  /** Keeps what waits another way: what there is no room for is missed. */
  #keep(kept: Kept): void {
    const { loose, window } = kept
    const before = this.#kept
    this.#kept = kept
    const waiting: Array<Said> = []
    const isKept = window !== undefined && this.#window !== undefined
    // What was sent and is not taken stays so.
    if (isKept) this.#window!.resize(window)
    else {
      // For whom it was to come again is gone.
      this.#window?.skip()
      for (let said = this.#window?.next(); said !== undefined; said = this.#window?.next()) waiting.push(said)
      this.#window?.clear()
    }
    const isSpilled = isSame(loose, before.loose) && (window === undefined) === (before.window === undefined)
    if (!isSpilled) {
      for (let said = this.#outlet?.take(); said !== undefined; said = this.#outlet?.take()) waiting.push(said)
    }
    const owner = this.#owner
    const give = (bytes: number) => owner.give(bytes)
    const take = (bytes: number) => owner.take(bytes)
    if (!isKept) {
      this.#window = window === undefined
        ? undefined
        : new Window<Said>({ size: window, seqOf: ({ seq }) => seq, bytesOf, take, give })
    }
    if (!isSpilled) {
      this.#outlet = loose === undefined
        ? undefined
        : new Outlet<Said>({
          ...loose,
          inOrder: window !== undefined,
          bytesOf,
          keyOf,
          take,
          give,
          onDrop: this.#dropped
        })
      if (window !== undefined || loose !== undefined) { for (const said of waiting) this.#add(said) }
    }
    owner.roomMade()
  }

  /** The next that goes to the peer. */
  #next(): Said | undefined {
    const said = this.#window?.next()
    if (said !== undefined || this.#outlet === undefined) return said
    const loose = this.#outlet.take()
    // One that is waited for may come behind it.
    if (loose !== undefined && this.#window !== undefined && this.#outlet.length === 0) this.#owner.roomMade()
    return loose
  }

  /** Whether the window is where what comes is kept, as far as its size goes. */
  #takes(window: Window<Said>): boolean {
    return window.hasRoom && (this.#outlet === undefined || this.#outlet.length === 0)
  }

  readonly #dropped = (said: Said): void => {
    if (said.body !== undefined) this.#missed++
    const { retained } = this.topic
    if (retained === undefined) return
    const kept = retained.get(keyOf(said))
    if (kept === said || kept === undefined) this.#isPatchy = true
  }

  #add(said: Said): void {
    const outlet = this.#outlet
    const { loose } = this.#kept
    if (this.#window !== undefined && this.#takes(this.#window) && this.#window.offer(said)) return
    if (outlet === undefined || loose === undefined) return this.#dropped(said)
    // What takes a value back takes no value's place: all that is retained is told again.
    if (said.body === undefined && loose.mode === "buffer" && outlet.length >= loose.size) return this.#dropped(said)
    outlet.offer(said)
  }

  /** Something was published. */
  offer(said: Said): void {
    if (this.#window === undefined && this.#outlet === undefined) return
    this.#add(said)
    if (!this.isReady) this.#owner.ready(this)
  }

  /** A record that does not wait behind what was published. */
  urge(record: Uint8Array): void {
    this.#urgent.push(record)
    this.#owner.ready(this)
  }

  /** Says that a delivery is not wanted any more, where it has not left. */
  withdraw(record: Uint8Array): void {
    const at = this.#urgent.indexOf(record)
    if (at >= 0) this.#urgent.splice(at, 1)
  }

  /** What was to be handed to it goes to others. */
  over(): void {
    this.#urgent.length = 0
  }

  /** The peer has taken all up to this. */
  taken(seq: number): void {
    if (this.#window === undefined) return
    this.#window.taken(seq)
    if (this.#isPatchy) this.#owner.ready(this)
    this.#owner.roomMade()
  }

  /** A new stream begins, on which nothing was told yet. */
  begin(): void {
    this.#told.clear()
    this.isTold = false
    this.#snapshot = undefined
    this.#isWhole = true
    this.#window?.again()
    // That one of those is no longer retained may have been said behind them to the peer's other subscriptions, and does not come again.
    const { length } = this.#window ?? { length: 0 }
    if (length > 0 && this.#outlet !== undefined && this.topic.retained !== undefined) this.#isPatchy = true
    this.#owner.ready(this)
  }

  close(): void {
    this.isClosed = true
    this.#entries = []
    this.#urgent.length = 0
    this.#snapshot = undefined
    this.#keep(nothing)
  }

  /** The next record to be written, in parts; `undefined` where there is none for now. */
  next(): ReadonlyArray<Uint8Array> | undefined {
    if (this.#told.size < this.#entries.length) return this.#tell(this.#entries.filter(({ id }) => !this.#told.has(id)))
    const urgent = this.#urgent.shift()
    if (urgent !== undefined) return [urgent]
    if (this.#snapshot !== undefined) return this.#ofSnapshot(this.#snapshot)
    if (this.#missed > 0 && this.#waiting > 0) {
      const record = Records.missed(this.topic.index, this.#missed)
      this.#missed = 0
      return [record]
    }
    if (!this.#isWhole && this.#before <= 0) {
      this.#isWhole = true
      return [Records.current(this.topic.index)]
    }
    const said = this.#next()
    if (said !== undefined) {
      this.#before--
      return [said.record]
    }
    if (!this.#isWhole) {
      this.#before = 0
      return this.next()
    }
    if (!this.#isPatchy || this.#outlet === undefined && this.#window?.hasRoom === false) return undefined
    this.#isPatchy = false
    // All of them are told again, with all that is retained.
    const retaining = this.#entries.filter(({ group, retained }) => group === undefined && retained)
    return retaining.length === 0 ? undefined : this.#tell(retaining)
  }

  #tell(entries: ReadonlyArray<Interest>): ReadonlyArray<Uint8Array> {
    const { contract, index, name, origin, retained, seq } = this.topic
    for (const { id } of entries) this.#told.add(id)
    this.isTold = true
    const retains = retained !== undefined && entries.some(({ group, retained }) => group === undefined && retained)
    if (retains) {
      const waiting = new Set(this.#all())
      this.#snapshot = []
      this.#snapshotAt = 0
      for (const key of retained.keys()) {
        const said = retained.get(key)
        if (said !== undefined && !waiting.has(said)) this.#snapshot.push(said)
      }
      this.#isWhole = false
      // What waits may be older than what was dropped, and comes after these.
      if (waiting.size === 0) this.#isPatchy = false
    }
    // Some of those that wait may be older than some that were dropped, which is said besides.
    const { first, values } = this.#valuesWaiting
    this.#missed = seq + 1 - first - values
    return [Records.topic({
      index,
      topic: name,
      contract,
      epoch: origin.epoch,
      seq: first - 1,
      for: entries.map(({ id }) => id),
      retained: retains
    })]
  }

  #ofSnapshot(all: ReadonlyArray<Said>): ReadonlyArray<Uint8Array> | undefined {
    const { retained } = this.topic
    while (this.#snapshotAt < all.length) {
      const said = all[this.#snapshotAt++]!
      // What took its place since then waits behind these.
      if (retained?.get(keyOf(said)) === said) return Records.retainedParts(said.record)
    }
    this.#snapshot = undefined
    this.#before = this.#waiting
    return this.next()
  }

  /** How many publications wait to be sent, without what takes values back, and the number of the first of them, or of the next that there will be. */
  get #valuesWaiting(): { readonly first: number; readonly values: number } {
    let first = this.topic.seq + 1
    let values = 0
    for (const { body, seq } of this.#all()) {
      if (body === undefined) continue
      values++
      first = Math.min(first, seq)
    }
    return { first, values }
  }

  /** All that waits to be sent. */
  get #waiting(): number {
    return (this.#window?.toSend ?? 0) + (this.#outlet?.length ?? 0)
  }

  *#all(): Generator<Said> {
    if (this.#window !== undefined) yield* this.#window.all()
    if (this.#outlet !== undefined) yield* this.#outlet.all()
  }
}
