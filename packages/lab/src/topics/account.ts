/**
 * What was published on topics and what was heard of it, in a model that is told both: whatever a subscription gets was published so, in order and
 * once; what it did not get it is told to have missed; what a group is handed is done by a member; and tables have what publishers last said.
 */
import { isMeant, type Subject, type Value } from "./subjects.ts"

/** One run of a node, from its start to its end. */
export interface Run {
  /** Another one for each start. */
  readonly id: string
  readonly name: string
  /** It was there before anything was published. */
  readonly isEarly: boolean
  /** It holds little of what waits: what it is to lose none of it may have to lose. */
  readonly isSmall: boolean
  /** It has ended: what it says does not count any more. */
  hasEnded: boolean
  /** Peers that it lost, or that left it, by their names. */
  readonly lost: Set<string>
}

/** What one run says on one topic. */
export class Spoken {
  readonly by: Run
  readonly subject: Subject
  /** The last that it began to publish, and the last that it has. */
  tried = 0
  said = 0
  /** What it retains, in the order in which it was said. */
  readonly rows = new Map<string, { readonly n: number; readonly at: number }>()
  /** Numbers of the topic, by those of the values. */
  readonly seqs = new Map<number, number>()
  /** Those that a member of the group was handed, and those that one is done with. */
  readonly handed = new Set<number>()
  readonly done = new Set<number>()
  /** Those that one was handed as the first. */
  readonly first = new Set<number>()

  constructor(by: Run, subject: Subject) {
    this.by = by
    this.subject = subject
  }

  toString(): string {
    return `${this.by.id} on ${this.subject.name}`
  }
}

/** A subscription, as it was asked for. */
export interface Ear {
  readonly id: string
  readonly of: Run
  /** A name or a pattern. */
  readonly topic: string
  readonly mode: "buffer" | "latest" | "lossless"
  /** It is told of removals, too. */
  readonly isWatch: boolean
  readonly group: string | undefined
  /** It was there before anything was published. */
  readonly isEarly: boolean
  hasEnded: boolean
}

/** What a subscription was given, of one run on one topic. */
interface Told {
  readonly seen: Set<number>
  readonly lastOf: Map<string, number>
  last: number
  /** The number of the first value that was not retained, and what came and was missed from then on. */
  first: number
  got: number
  missed: number
  /** Missed before the first. */
  missedBefore: number
  removed: number
}

/** A publication, as it is given. */
export interface Given {
  readonly from: { readonly name: string }
  readonly topic: string
  readonly key: string | undefined
  readonly value: unknown
  readonly seq: number
  readonly missed: number
  readonly retained: boolean
  readonly redelivered: boolean
}

/** A row of a table. */
export interface Row {
  readonly topic: string
  readonly key: string
  readonly value: unknown
}

const most = 40

export class Account {
  readonly #counts: Record<string, number> = {}
  readonly #problems: Array<string> = []
  readonly #spoken = new Map<string, Spoken>()
  readonly #ears = new Map<Ear, Map<Spoken, Told>>()

  count(what: string, by = 1): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + by
  }

  problem(text: string): void {
    this.count("problems")
    if (this.#problems.length < most) this.#problems.push(text)
  }

  get counts(): Readonly<Record<string, number>> {
    return this.#counts
  }

  get problems(): ReadonlyArray<string> {
    return this.#problems
  }

  // --- what is said ----------------------------------------------------------------------------------------------------

  speaks(by: Run, subject: Subject): Spoken {
    const spoken = new Spoken(by, subject)
    this.#spoken.set(`${by.id} ${subject.name}`, spoken)
    return spoken
  }

  said(spoken: Spoken, key: string, now: number): void {
    this.count("published")
    const { rows, subject: { retain } } = spoken
    const n = ++spoken.said
    if (retain === undefined) return
    rows.delete(key)
    rows.set(key, { n, at: now })
    for (const [other] of rows) if (rows.size > (retain.keys ?? Infinity)) rows.delete(other)
  }

  retracted(spoken: Spoken, key: string): void {
    this.count("retracted")
    spoken.rows.delete(key)
  }

  // --- what is heard ---------------------------------------------------------------------------------------------------

  listens(ear: Ear): void {
    this.count(ear.group === undefined ? `subscribed: ${ear.mode}` : "subscribed: group")
    this.#ears.set(ear, new Map())
  }

  /** What somebody was given is what was published. */
  #known(who: string, { from, key, retained, seq, topic, value }: Given): Spoken | undefined {
    const { by, key: of, n } = value as Value
    const spoken = this.#spoken.get(`${by} ${topic}`)
    const what = `${who} heard ${n} (seq ${seq}${retained ? ", retained" : ""}) of ${by} on ${topic}`
    if (spoken === undefined || n > spoken.tried || spoken.by.name !== from.name) {
      this.problem(`${what} from ${from.name}, which was never published`)
      return undefined
    }
    const isKeyed = spoken.subject.isKeyed
    if (key !== (isKeyed ? of : undefined) || of !== spoken.subject.keyOf(n)) {
      this.problem(`${what} with the key ${key}`)
    }
    const known = spoken.seqs.get(n)
    if (known !== undefined && known !== seq) this.problem(`${what}, and it was ${known} elsewhere`)
    spoken.seqs.set(n, seq)
    if (seq !== n) this.problem(`${what}, which has another number`)
    return spoken
  }

  #told(ear: Ear, spoken: Spoken): Told {
    const all = this.#ears.get(ear)!
    const known = all.get(spoken)
    if (known !== undefined) return known
    const told: Told = {
      seen: new Set(),
      lastOf: new Map(),
      last: 0,
      first: 0,
      got: 0,
      missed: 0,
      missedBefore: 0,
      removed: 0
    }
    all.set(spoken, told)
    return told
  }

  heard(ear: Ear, given: Given): void {
    this.count("heard")
    const spoken = this.#known(ear.id, given)
    if (spoken === undefined) return
    const { key, missed, retained, seq } = given
    const { n } = given.value as Value
    const told = this.#told(ear, spoken)
    const what = `${ear.id} (${ear.mode}) got ${n} (seq ${seq}${retained ? ", retained" : ""}) of ${spoken}`
    if (ear.group !== undefined) return this.#handed(what, spoken, given)
    if (told.seen.has(seq)) this.problem(`${what} twice`)
    told.seen.add(seq)
    if (missed > 0) this.missed(ear, spoken, missed)
    if (retained) return this.count("heard: retained")
    const of = ear.mode === "latest" ? key ?? "" : ""
    const last = told.lastOf.get(of) ?? 0
    if (seq < last) this.problem(`${what} after seq ${last}`)
    told.lastOf.set(of, seq)
    if (told.first === 0) told.first = n
    told.got++
    told.last = Math.max(told.last, n)
  }

  #handed(what: string, spoken: Spoken, { redelivered, value }: Given): void {
    const { n } = value as Value
    if (spoken.handed.has(n)) this.count("handed again")
    spoken.handed.add(n)
    if (redelivered) return
    // The others are told that somebody was handed it before, whoever reads it first.
    if (spoken.first.has(n)) this.problem(`${what} as the first, as another was`)
    spoken.first.add(n)
  }

  /** A member of a group is done with it. */
  done(given: Given): void {
    const { by, n } = given.value as Value
    this.#spoken.get(`${by} ${given.topic}`)?.done.add(n)
  }

  missed(ear: Ear, spoken: Spoken, count: number): void {
    this.count("missed", count)
    const told = this.#told(ear, spoken)
    if (told.first === 0) told.missedBefore += count
    else told.missed += count
  }

  /** What a watch is told besides, which says from whom by the name alone: of its runs it is the last that was heard. */
  event(ear: Ear, name: string, topic: string, what: "missed" | "removed", count: number): void {
    let found: Spoken | undefined
    for (const spoken of this.#spoken.values()) {
      if (spoken.subject.name === topic && spoken.by.name === name && !spoken.by.hasEnded) found = spoken
    }
    if (found === undefined) return
    if (what === "missed") return this.missed(ear, found, count)
    this.count("removed")
    this.#told(ear, found).removed += count
  }

  // --- tables ----------------------------------------------------------------------------------------------------------

  /** Whether a table has what those who live last said, at a time in milliseconds. */
  table(who: string, topic: string, rows: ReadonlyArray<Row>, now: number): void {
    this.count("tables looked at")
    const found = new Map<string, number>()
    for (const { key, value } of rows) found.set(`${(value as Value).by} ${key}`, (value as Value).n)
    for (const spoken of this.#spoken.values()) {
      if (spoken.by.hasEnded || spoken.subject.name !== topic) continue
      const lasts = spoken.subject.retain?.timeToLive ?? Infinity
      for (const [key, { at, n }] of spoken.rows) {
        const place = `${spoken.by.id} ${key}`
        const left = at + lasts - now
        const has = found.get(place)
        found.delete(place)
        if (Math.abs(left) < 500) continue
        this.count("rows looked at")
        if (left < 0) {
          if (has !== undefined) this.problem(`${who} has ${key} of ${spoken}, which has outlived its time`)
        } else if (has !== n) this.problem(`${who} has ${has} of ${key} of ${spoken}, which is ${n}`)
      }
    }
    for (const [place, n] of found) this.problem(`${who} of ${topic} has ${n} of ${place}, which is not retained`)
  }

  /** Whether a table has what was said a second before, unless something else was said since. */
  row(who: string, spoken: Spoken, key: string, n: number, rows: ReadonlyArray<Row>): void {
    if (spoken.rows.get(key)?.n !== n) return
    this.count("rows looked at")
    if (
      rows.some((row) => row.key === key && (row.value as Value).by === spoken.by.id && (row.value as Value).n === n)
    ) return
    this.problem(`${who} has not ${n} of ${key} of ${spoken}, a second later`)
  }

  // --- when nothing goes on any more -----------------------------------------------------------------------------------

  settle(groups: ReadonlyMap<string, boolean>): void {
    for (const spoken of this.#spoken.values()) {
      if (!spoken.by.hasEnded && groups.has(spoken.subject.name)) this.#settleGroup(spoken)
    }
    for (const [ear, all] of this.#ears) {
      if (ear.group !== undefined) continue
      for (const spoken of this.#spoken.values()) {
        if (!isMeant(ear.topic, spoken.subject.name)) continue
        if (ear.mode === "lossless") this.#settleLossless(ear, spoken, all.get(spoken))
        if (!ear.hasEnded && !ear.of.hasEnded && !spoken.by.hasEnded) this.#settleCounts(ear, spoken, all.get(spoken))
      }
    }
  }

  #settleGroup(spoken: Spoken): void {
    const { by, done, said } = spoken
    // Who is started later knows the group from when it has handed it something.
    const first = by.isEarly ? 1 : Math.min(...done)
    for (let n = first; n <= said; n++) {
      this.count("for a group")
      if (!done.has(n)) {
        this.problem(`${n} of ${spoken} is done by no member${spoken.handed.has(n) ? ", though one had it" : ""}`)
      }
    }
  }

  #settleLossless(ear: Ear, spoken: Spoken, told: Told | undefined): void {
    if (!spoken.subject.isWaitedFor || ear.of.isSmall || spoken.by.lost.has(ear.of.name) || told === undefined) return
    this.count("lossless, waited for and never lost")
    if (told.missed + told.missedBefore > 0) {
      this.problem(`${ear.id} of ${spoken} was to miss nothing, and missed ${told.missed + told.missedBefore}`)
    }
  }

  #settleCounts(ear: Ear, spoken: Spoken, told: Told | undefined): void {
    const what = `${ear.id} (${ear.mode}, ${ear.topic}) of ${spoken}`
    if (told === undefined) {
      return spoken.said === 0
        ? undefined
        : this.problem(`${what} heard nothing of ${spoken.said}`)
    }
    const { first, got, missed, missedBefore } = told
    if (got === 0) {
      // What it has no room for it is told that it missed.
      return missedBefore > 0 ? undefined : this.problem(`${what} heard no more than retained values`)
    }
    this.count("subscriptions accounted for")
    const isWhole = ear.isEarly && ear.of.isEarly && spoken.by.isEarly
    // One that came later is held to what it heard from its first, where that comes in order and is told by whom.
    if (!isWhole && (ear.mode === "latest" || ear.isWatch)) return
    const all = isWhole ? spoken.said : spoken.said - first + 1
    // What is taken back is none of them. Of one that came later it is not known what of that which was missed before its first was before it, too.
    const most = got + missed + missedBefore
    if (all > most || all < (isWhole ? most : got + missed)) {
      this.problem(`${what} got ${got}, missed ${missedBefore} + ${missed}, of ${all}`)
    }
  }
}
