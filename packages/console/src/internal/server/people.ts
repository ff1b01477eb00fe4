/**
 * Who is there, and who sees whom, as it is now. Each change has a number of its own, so that whoever looks is given what has a later one than what it was given last: a
 * page that is slow skips states, and what is kept for it does not grow.
 */
import { formatEndpoint } from "@pnet/core/Advert"
import * as DerivedHost from "@pnet/core/DerivedHost"
import type { Endpoint } from "@pnet/core/Network"
import type * as Offer from "@pnet/core/Offer"
import * as PublicKey from "@pnet/core/PublicKey"
import type * as Api from "../../ConsoleApi.ts"
import { cut, cutAll } from "./cut.ts"
import { Waiting } from "./waiting.ts"

/** Peers that are shown. There may be more, which are counted. */
export const mostPeers = 2_000
/** Keys that are known by a number, those that are gone among them. */
const mostNumbers = 10_000
/** Peers, and numbers of peers in links, of one patch. */
export const mostOfPatch = 256
export const mostLinks = 20_000

const bounds = { addresses: 8, roles: 16, functions: 32, topics: 32 }

/** Kinds of transports whose addresses are derived from keys. */
const kinds = ["nats", "ws"]

/** By which way an address is dialled. */
export const wayOf = ({ host }: Endpoint, key: PublicKey.PublicKey): string =>
  DerivedHost.is(host) ? kinds.find((kind) => DerivedHost.ofKey(kind, key) === host) ?? "other" : "lan"

/** A name and a key, as pages have them. */
export const whoOf = (
  { name, publicKey }: { readonly name: string; readonly publicKey: PublicKey.PublicKey }
): Api.Who => ({
  name: cut(name),
  key: publicKey,
  fingerprint: PublicKey.fingerprint(publicKey)
})

/** Functions by which consoles see the spans of peers, which are nobody's to call. */
export const isAgents = (name: string): boolean => name.startsWith("pnet_console_")

/** What is shown of a peer besides what it is known by. */
export interface About {
  readonly name: string
  readonly publicKey: PublicKey.PublicKey
  readonly endpoints: ReadonlyArray<Endpoint>
  readonly status: "Online" | "Suspect"
  readonly proved: boolean
  readonly offer?: Offer.Offer | undefined
}

export class Entry {
  readonly id: number
  readonly since: number
  peer: About
  trust: Api.Trust
  /** Whether what it says that it serves counts. */
  heeded: boolean
  session: Api.Peer["session"]
  /** The numbers of its last changes: of itself, and of whom it sees. */
  version = 0
  linked = 0
  /** Whom it sees, how many others, and when it said so. */
  sees: Set<number> = new Set()
  others = 0
  saidAt = 0
  /** When it is asked next whom it sees. */
  askAt = 0
  #shown: Api.Peer | undefined

  constructor(id: number, since: number, peer: About, trust: Api.Trust, heeded = true) {
    this.id = id
    this.since = since
    this.peer = peer
    this.trust = trust
    this.heeded = heeded
  }

  touch(version: number): void {
    this.version = version
    this.#shown = undefined
  }

  /** As pages have it. */
  get shown(): Api.Peer {
    return this.#shown ??= this.#show()
  }

  #show(): Api.Peer {
    const { endpoints, offer, proved, publicKey, status } = this.peer
    const functions = Object.keys(offer?.functions ?? {}).filter((name) => !isAgents(name)).sort()
    const topics = [...new Set((offer?.topics ?? []).map(({ topic }) => topic))].sort()
    return {
      id: this.id,
      ...whoOf(this.peer),
      status: status === "Online" ? "online" : "suspect",
      proved,
      addresses: endpoints.slice(0, bounds.addresses).map(formatEndpoint),
      ways: [...new Set(endpoints.map((endpoint) => wayOf(endpoint, publicKey)))],
      ...(this.session === undefined ? {} : { session: this.session }),
      roles: cutAll(offer?.roles ?? [], bounds.roles),
      functions: cutAll(functions, bounds.functions),
      functionCount: functions.length,
      topics: cutAll(topics, bounds.topics),
      topicCount: topics.length,
      draining: offer?.draining ?? false,
      offered: offer !== undefined,
      heeded: this.heeded,
      trust: this.trust,
      since: this.since
    }
  }
}

const sameSession = (a: Api.Peer["session"], b: Api.Peer["session"]): boolean =>
  a?.by === b?.by && a?.streams === b?.streams && a?.draining === b?.draining

export class People {
  readonly #numbers = new Map<string, number>()
  readonly #byName = new Map<string, Set<Entry>>()
  readonly byKey = new Map<string, Entry>()
  readonly byId = new Map<number, Entry>()
  /** Wakes whoever shows them. */
  readonly waiting = new Waiting()
  version = 0
  /** Those that are there and are not shown, since there are too many. */
  readonly unshown = new Set<string>()
  conflicts: ReadonlyArray<Api.Conflict> = []
  conflictsAt = 0
  findings = 0
  findingsAt = 0
  #next = 1

  constructor(self: About, at: number) {
    const own = new Entry(0, at, self, "pinned")
    this.#numbers.set(self.publicKey, 0)
    this.#enter(own)
  }

  /** Changes something. Whoever is woken looks before this is over, and so has to find all of it. */
  #change(make: (version: number) => void): void {
    make(++this.version)
    this.waiting.wake()
  }

  #enter(entry: Entry): void {
    this.byKey.set(entry.peer.publicKey, entry)
    this.byId.set(entry.id, entry)
    this.#named(entry)
    this.#change((version) => entry.touch(version))
  }

  #named(entry: Entry): void {
    const named = this.#byName.get(entry.peer.name) ?? new Set()
    this.#byName.set(entry.peer.name, named.add(entry))
  }

  #unnamed(entry: Entry): void {
    const named = this.#byName.get(entry.peer.name)
    named?.delete(entry)
    if (named?.size === 0) this.#byName.delete(entry.peer.name)
  }

  #numberOf(key: string): number {
    let number = this.#numbers.get(key)
    if (number === undefined) {
      number = this.#next++
      this.#numbers.set(key, number)
      for (const known of this.#numbers.keys()) {
        if (this.#numbers.size <= mostNumbers) break
        if (!this.byKey.has(known)) this.#numbers.delete(known)
      }
    }
    return number
  }

  /** How many there are besides this node, shown or not. */
  get count(): number {
    return this.byKey.size - 1 + this.unshown.size
  }

  /** Enters a peer, or what is known of it now. */
  put(peer: About, trust: Api.Trust, at: number, heeded = true): void {
    const known = this.byKey.get(peer.publicKey)
    if (known === undefined) {
      if (this.byKey.size > mostPeers) {
        return this.#change(() => {
          if (this.unshown.size < mostNumbers) this.unshown.add(peer.publicKey)
        })
      }
      this.unshown.delete(peer.publicKey)
      return this.#enter(new Entry(this.#numberOf(peer.publicKey), at, peer, trust, heeded))
    }
    if (known.peer === peer && known.trust === trust && known.heeded === heeded) return
    if (known.peer.name !== peer.name) {
      this.#unnamed(known)
      known.peer = peer
      this.#named(known)
    }
    known.peer = peer
    known.trust = trust
    known.heeded = heeded
    this.#change((version) => known.touch(version))
  }

  /** Takes a peer off. */
  remove(key: string): void {
    if (this.unshown.delete(key)) return this.#change(() => {})
    const entry = this.byKey.get(key)
    if (entry === undefined || entry.id === 0) return
    this.#change(() => {
      this.byKey.delete(key)
      this.byId.delete(entry.id)
      this.#unnamed(entry)
      for (const other of this.byId.values()) other.sees.delete(entry.id)
    })
  }

  /** Says which sessions there are now. */
  sessions(now: ReadonlyMap<string, NonNullable<Api.Peer["session"]>>): void {
    for (const entry of this.byKey.values()) {
      const session = now.get(entry.peer.publicKey)
      if (sameSession(entry.session, session)) continue
      entry.session = session
      this.#change((version) => entry.touch(version))
    }
  }

  /** Says whom a peer sees, by the names that it gave. */
  saw(entry: Entry, names: ReadonlyArray<string>, at: number): void {
    const sees = new Set<number>()
    let others = 0
    for (const name of names) {
      const named = this.#byName.get(name)
      const [one] = named ?? []
      if (one === undefined || named!.size > 1 || one === entry) others++
      else sees.add(one.id)
    }
    const isSame = others === entry.others && sees.size === entry.sees.size &&
      [...sees].every((id) => entry.sees.has(id))
    entry.saidAt = at
    if (isSame) return
    entry.sees = sees
    entry.others = others
    this.#change((version) => {
      entry.linked = version
    })
  }

  setConflicts(conflicts: ReadonlyArray<Api.Conflict>): void {
    if (JSON.stringify(conflicts) === JSON.stringify(this.conflicts)) return
    this.conflicts = conflicts
    this.#change((version) => {
      this.conflictsAt = version
    })
  }

  setFindings(count: number): void {
    if (count === this.findings) return
    this.findings = count
    this.#change((version) => {
      this.findingsAt = version
    })
  }
}

/** What a page was given, and what it is given next. */
export class Page {
  readonly #people: People
  readonly #known = new Set<number>()
  readonly #links = new Map<number, { readonly to: Set<number>; others: number }>()
  #seq = 0
  #count = -1
  #seen = 0
  #linked = 0
  #told = -1

  constructor(people: People) {
    this.#people = people
  }

  /** Peers that have changed, as many as one patch has. */
  #changed(): ReadonlyArray<Entry> {
    const changed: Array<Entry> = []
    for (const entry of this.#people.byId.values()) if (entry.version > this.#seen) changed.push(entry)
    changed.sort((a, b) => a.version - b.version)
    return changed.slice(0, mostOfPatch)
  }

  #linkOf(entry: Entry, room: number): Api.Links | undefined {
    const known = this.#links.get(entry.id) ?? { to: new Set<number>(), others: 0 }
    const to: Array<number> = []
    // This node sees all that are there.
    const now = entry.id === 0 ? this.#known : entry.sees
    for (const id of now) {
      if (id !== entry.id && !known.to.has(id) && this.#known.has(id) && to.length < room) to.push(id)
    }
    const gone = [...known.to].filter((id) => !now.has(id))
    if (to.length === 0 && gone.length === 0 && known.others === entry.others) return undefined
    for (const id of to) known.to.add(id)
    for (const id of gone) known.to.delete(id)
    known.others = entry.others
    this.#links.set(entry.id, known)
    return { from: entry.id, to, gone, others: entry.others, at: entry.saidAt }
  }

  #linksNow(isNews: boolean, isMore: boolean): ReadonlyArray<Api.Links> {
    const links: Array<Api.Links> = []
    let room = mostLinks
    let linked = this.#linked
    const entries = [...this.#people.byId.values()].filter(({ id, linked }) =>
      this.#known.has(id) && (linked > this.#linked || id === 0 && isNews)
    ).sort((a, b) => a.linked - b.linked)
    for (const entry of entries) {
      if (room <= 0) break
      const link = this.#linkOf(entry, room)
      if (link !== undefined) {
        links.push(link)
        room -= link.to.length + link.gone.length
      }
      if (room > 0) linked = Math.max(linked, entry.linked)
    }
    // Some may see a peer that has not been shown yet.
    this.#linked = isMore ? 0 : linked
    return links
  }

  /** What has changed since the one before; `undefined` where nothing has. */
  next(at: number): Api.Patch | undefined {
    const people = this.#people
    const told = this.#told
    const gone = [...this.#known].filter((id) => !people.byId.has(id))
    for (const id of gone) {
      this.#known.delete(id)
      this.#links.delete(id)
      for (const { to } of this.#links.values()) to.delete(id)
    }
    const changed = this.#changed()
    let isNews = false
    for (const { id } of changed) {
      isNews ||= !this.#known.has(id)
      this.#known.add(id)
    }
    const isMore = changed.length === mostOfPatch
    this.#seen = isMore ? changed.at(-1)!.version : people.version
    const links = this.#linksNow(isNews || gone.length > 0, isMore)
    const isCounted = people.count !== this.#count
    const conflicts = people.conflictsAt > told || told < 0 ? people.conflicts : undefined
    const findings = people.findingsAt > told || told < 0 ? people.findings : undefined
    this.#told = people.version
    this.#count = people.count
    // There is more to say than one patch has: whoever waits for a change need not.
    if (isMore || this.#linked < people.version && links.length > 0) people.waiting.wake()
    const isNothing = changed.length === 0 && gone.length === 0 && links.length === 0 && !isCounted &&
      conflicts === undefined && findings === undefined
    if (isNothing && this.#seq > 0) return undefined
    return {
      seq: this.#seq++,
      at,
      peers: changed.map(({ shown }) => shown),
      gone,
      links,
      ...(conflicts === undefined ? {} : { conflicts }),
      count: people.count,
      ...(findings === undefined ? {} : { findings })
    }
  }
}
