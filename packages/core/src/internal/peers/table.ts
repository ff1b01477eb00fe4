/**
 * The peers by key and by name, as a pure structure that is bounded twice: those that have proved their key, or are pinned to it, and
 * those known by an advert alone, which anyone can make up, and of which one host has only its share. It changes at once and says
 * nothing to anybody: see `Membership`.
 */
import type { PublicKey } from "../../PublicKey.ts"
import { remember } from "../base/remember.ts"
import type { Entry, Saying } from "./entry.ts"

export interface Bounds {
  readonly provedPeers: number
  readonly unprovedPeers: number
}

export class Table {
  readonly #bounds: Bounds
  // Insertion order is age.
  readonly #proved = new Map<PublicKey, Entry>()
  readonly #unproved = new Map<PublicKey, Entry>()
  /** Whether peers with which something is held said that they leave, and not otherwise since: each advert takes its peer off. `Holds` sees to it. */
  isAnyLeaving = false
  /** Every entry, in no order: one is drawn without a look at the others. Each knows its place. */
  readonly #all: Array<Entry> = []
  /** A name has one key, and a set of them only where it is shared. */
  readonly #byName = new Map<string, PublicKey | Set<PublicKey>>()
  #shared = 0
  readonly #unprovedByHost = new Map<string, number>()
  /** Keys that were in the table before. */
  readonly #gone = new Map<PublicKey, true>()

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  find(key: PublicKey): Entry | undefined {
    return this.#proved.get(key) ?? this.#unproved.get(key)
  }

  /** Those of a name. */
  named(name: string): ReadonlyArray<Entry> {
    const keys = this.#byName.get(name)
    if (keys === undefined) return []
    return (typeof keys === "string" ? [keys] : [...keys]).flatMap((key) => {
      const entry = this.find(key)
      return entry === undefined ? [] : [entry]
    })
  }

  /** The one of a name; `undefined` also where several have it. */
  only(name: string): Entry | undefined {
    const key = this.#byName.get(name)
    return typeof key === "string" ? this.find(key) : undefined
  }

  /** Whether more than one peer has a name. */
  get isAnyShared(): boolean {
    return this.#shared > 0
  }

  /** A key of a name beside one that has it. */
  otherKeyOf(name: string, publicKey: PublicKey): PublicKey | undefined {
    const keys = this.#byName.get(name)
    if (keys === undefined || typeof keys === "string") return keys === publicKey ? undefined : keys
    for (const other of keys) if (other !== publicKey) return other
    return undefined
  }

  /** The names that more than one peer has. */
  *sharedNames(): Generator<string, void> {
    for (const [name, keys] of this.#byName) if (typeof keys !== "string") yield name
  }

  /** Every entry, while the table may change. */
  *entries(): Generator<Entry, void> {
    yield* this.#proved.values()
    yield* this.#unproved.values()
  }

  get size(): number {
    return this.#all.length
  }

  /** An entry, so that each has a place from 0 on; which one changes with the table. */
  at(place: number): Entry | undefined {
    return this.#all[place]
  }

  *keys(): Generator<PublicKey, void> {
    yield* this.#proved.keys()
    yield* this.#unproved.keys()
  }

  get hasRoomForProved(): boolean {
    return this.#proved.size < this.#bounds.provedPeers
  }

  /** How many that have proved nothing were first heard from a host. */
  unprovedFrom(host: string): number {
    return this.#unprovedByHost.get(host) ?? 0
  }

  /** Who has to make room before another one that has proved nothing enters. */
  get oldestToGo(): Entry | undefined {
    return this.#unproved.size >= this.#bounds.unprovedPeers ? this.#unproved.values().next().value : undefined
  }

  /** Enters a peer, `kept` from those who flood the unproved; and says whether it was in the table before. */
  enter(entry: Entry, kept: boolean): boolean {
    const { peer: { name, publicKey } } = entry
    entry.table = this
    entry.index = this.#all.push(entry) - 1
    if (kept) this.#proved.set(publicKey, entry)
    else {
      this.#unproved.set(publicKey, entry)
      this.#count(entry.host, 1)
    }
    this.#index(name, publicKey)
    return this.#gone.delete(publicKey)
  }

  /** Takes a peer off, and says whether it was still there. */
  remove(entry: Entry): boolean {
    const { publicKey } = entry.peer
    if (this.find(publicKey) !== entry) return false
    const last = this.#all.pop()!
    if (last !== entry) {
      last.index = entry.index
      this.#all[entry.index] = last
    }
    entry.table = undefined
    for (const { name } of entry.names) this.#unindex(name, publicKey)
    if (this.#unproved.delete(publicKey)) this.#count(entry.host, -1)
    else this.#proved.delete(publicKey)
    remember(this.#gone, publicKey, true, this.#bounds.unprovedPeers)
    return true
  }

  /** Moves a peer to those that have proved their key, where there is room, and says whether it is among them. */
  promote(entry: Entry): boolean {
    const { publicKey } = entry.peer
    if (this.hasRoomForProved && this.#unproved.delete(publicKey)) {
      this.#count(entry.host, -1)
      this.#proved.set(publicKey, entry)
    }
    return this.#proved.has(publicKey)
  }

  /** A peer has a name, which a host said at a time, and of the others those that are to be kept. */
  takeNames(entry: Entry, kept: (name: Saying) => boolean, added: Saying): void {
    const { publicKey } = entry.peer
    entry.touch()
    const { names } = entry
    const [only] = names
    if (only !== undefined && names.length === 1 && only.name === added.name) {
      // Nearly always.
      only.host = added.host
      only.at = added.at
      return
    }
    const others = names.filter((one) => one.name !== added.name && kept(one))
    for (const one of names) if (one.name !== added.name && !others.includes(one)) this.#unindex(one.name, publicKey)
    // There are many, so that they are made as long as they are.
    entry.names = others.length === 0 ? [added] : [...others, added]
    this.#index(added.name, publicKey)
    if (!entry.hasName(entry.peer.name)) entry.change({ name: added.name })
  }

  #count(host: string, by: number): void {
    const count = this.unprovedFrom(host) + by
    if (count === 0) this.#unprovedByHost.delete(host)
    else this.#unprovedByHost.set(host, count)
  }

  #index(name: string, key: PublicKey): void {
    const keys = this.#byName.get(name)
    if (keys === undefined) this.#byName.set(name, key)
    else if (typeof keys !== "string") keys.add(key)
    else if (keys !== key) {
      this.#byName.set(name, new Set([keys, key]))
      this.#shared++
    }
  }

  #unindex(name: string, key: PublicKey): void {
    const keys = this.#byName.get(name)
    if (keys === key) this.#byName.delete(name)
    if (keys === undefined || typeof keys === "string") return
    keys.delete(key)
    const [only] = keys
    if (keys.size > 1 || only === undefined) return
    this.#byName.set(name, only)
    this.#shared--
  }
}
