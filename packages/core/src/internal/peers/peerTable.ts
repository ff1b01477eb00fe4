/** The membership table behind `Peers` (protocol section 7). */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberMap from "effect/FiberMap"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { formatEndpoint } from "../../Advert.ts"
import { Crypto } from "../../Crypto.ts"
import { Discovery, type Sighting } from "../../Discovery.ts"
import type { Endpoint } from "../../Network.ts"
import { NodeConfig } from "../../NodeOptions.ts"
import type { Obstacle } from "../../Obstacle.ts"
import type { NodeName } from "../../Packet.ts"
import * as Peers from "../../Peers.ts"
import * as PublicKey from "../../PublicKey.ts"
import { Transport } from "../../Transport.ts"
import { Trust } from "../../Trust.ts"
import * as Metrics from "../base/metrics.ts"
import { quote } from "../base/quote.ts"
import * as Seldom from "../base/seldom.ts"
import * as AdvertExchange from "../wire/advertExchange.ts"
import { selfOf } from "../wire/self.ts"

/** An address of a peer. */
interface Address {
  readonly endpoint: Endpoint
  /** The socket that its adverts come from. A node has one for each of its interfaces. */
  source: string | undefined
  /** The host that adverts of it come from: whose share of the peer's addresses it takes. */
  readonly host: string
  /** Whether the key proved itself there. Adverts neither move nor drop such an address. */
  proved: boolean
  /** Whether whoever is there did not prove the key when it was last dialled. */
  failed: boolean
}

interface Entry {
  /** Its name is one of `names`, and its endpoints are those of `addresses`. */
  peer: Peers.Peer
  /** Where it was first heard from, which is whose share of the unproved it takes. */
  readonly host: string
  /** In the order in which they are tried: those that were proved, the last one first; those of adverts; those that failed. */
  readonly addresses: Array<Address>
  /**
   * The names that adverts give it, and the host that says so: anybody can make one up, so none takes the place of what another
   * host says. Only one where it is fixed.
   */
  readonly names: Map<NodeName, { readonly host: string; readonly at: number }>
  /** Why adverts do not change its name: its key proved it, or it is pinned to its key. */
  fixed: "proved" | "pinned" | undefined
  /** By the monotonic clock, in milliseconds. */
  heardAt: number
  /** While it is being asked: what ends that. */
  probe: Deferred.Deferred<Verdict> | undefined
}

/** What asking a peer came to; `Moot` where it was heard otherwise, or was taken off. */
type Verdict = Extract<Peers.PeerEvent, { readonly _tag: "Probed" }>["reason"] | "Moot"

type Returned = Extract<Peers.PeerEvent, { readonly _tag: "Returned" }>["reason"]
type Conflicting = Extract<Peers.PeerEvent, { readonly _tag: "KeyConflict" }>["reason"]

type Doubt = Parameters<Parameters<Peers.Peers["Service"]["holdUnsafe"]>[1]>[0]

/** Those who wait for a peer to be gone. */
interface Watcher {
  readonly lost: Deferred.Deferred<never, Peers.PeerLostError>
  waiting: number
}

// In broadcast intervals.
const suspectAfter = 3
const lostAfter = 6
// A probe tries this often, this far apart, and is given up after so much time, all in fifths of an interval: seven of
// them, so that a crash is noticed between 11 and 11.5 seconds after the last sign of life. A single lost SYN costs a second,
// and who is asked may be frozen for two.
const probeTries = 6
const probeSlices = 7

// An operator reads about a conflict this long after it was last seen, in milliseconds.
const conflictMemory = 60_000
const claimsPerName = 4
// Hosts that may each say another name for a key that has proved none.
const namesPerKey = 4

// Names that were left out, and for how long, in milliseconds; and how many obstacles and known names an error has.
const hiddenKept = 256
const hiddenMemory = 60_000
const obstaclesTold = 5
const namesTold = 10

const byName = (a: Peers.Peer, b: Peers.Peer) =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : a.publicKey < b.publicKey ? -1 : a.publicKey > b.publicKey ? 1 : 0

/** A `SubscriptionRef` whose slow readers skip states, where the usual one keeps every state for them. */
const makeLatest = <A>(value: A) =>
  Effect.gen(function*() {
    const ref = yield* SubscriptionRef.make(value)
    const pubsub = yield* PubSub.sliding<A>({ capacity: 1, replay: 1 })
    PubSub.publishUnsafe(pubsub, value)
    return Object.assign(ref, { pubsub })
  })

/** Publishes at once. That leaves it to its caller to make room. */
const publishUnsafe = <A>(pubsub: PubSub.PubSub<A>, value: A) => {
  if (PubSub.publishUnsafe(pubsub, value)) return
  pubsub.pubsub.slide()
  PubSub.publishUnsafe(pubsub, value)
}

const sameEndpoint = (a: Endpoint, b: Endpoint) => a.port === b.port && a.host === b.host

export const make = (): Effect.Effect<
  Peers.Peers["Service"],
  never,
  Discovery | Transport | Trust | Crypto | NodeConfig | Scope.Scope
> =>
  Effect.gen(function*() {
    const discovery = yield* Discovery
    const transport = yield* Transport
    const trust = yield* Trust
    const clock = yield* Clock.Clock
    const config = yield* NodeConfig
    const context: Context.Context<never> = yield* Effect.context<never>()
    const self = selfOf(yield* Crypto, clock, config)
    const { limits } = config
    const own = self.identity.publicKey
    const intervalMillis = Duration.toMillis(config.broadcastInterval)
    const slice = intervalMillis / 5

    const now = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

    // Insertion order is age.
    const proved = new Map<PublicKey.PublicKey, Entry>()
    const unproved = new Map<PublicKey.PublicKey, Entry>()
    const names = new Map<string, Set<PublicKey.PublicKey>>()
    const unprovedByHost = new Map<string, number>()
    // By the name that they know the peer by; "": whatever it is.
    const watchers = new Map<PublicKey.PublicKey, Map<NodeName | "", Watcher>>()
    // What is held with peers, and those of them that said they leave and have not said otherwise since.
    const held = new Map<PublicKey.PublicKey, Set<(doubt: Doubt) => void>>()
    const leaving = new Set<PublicKey.PublicKey>()
    const conflictsTold = Seldom.make()
    // Adverts that were kept out because their name belongs to another key.
    const claims = new Map<
      string,
      Map<PublicKey.PublicKey, { readonly sighting: Sighting; readonly at: number }>
    >()
    // The operator's decisions that the trust policy has no place for.
    const decided = new Map<string, PublicKey.PublicKey>()
    // Names that a bound left out.
    const hidden = new Map<string, { readonly at: number; readonly obstacle: Obstacle }>()
    // Keys that were in the table before.
    const gone = new Set<PublicKey.PublicKey>()

    const remember = <K, V>(map: Map<K, V>, key: K, value: V, capacity: number) => {
      map.delete(key)
      map.set(key, value)
      if (map.size <= capacity) return
      const oldest = map.keys().next()
      if (oldest.done !== true) map.delete(oldest.value)
    }

    const events = yield* PubSub.sliding<Peers.PeerEvent>(limits.peerEvents)
    const presence = yield* makeLatest<ReadonlyArray<Peers.Peer>>([])

    const show = (publicKey: PublicKey.PublicKey, peer: Peers.Peer | undefined) => {
      const next = presence.value.filter((other) => other.publicKey !== publicKey)
      if (peer !== undefined) {
        let [low, high] = [0, next.length]
        while (low < high) {
          const middle = (low + high) >> 1
          if (byName(next[middle]!, peer) < 0) low = middle + 1
          else high = middle
        }
        next.splice(low, 0, peer)
      }
      presence.value = next
    }

    const publish = (event: Peers.PeerEvent) => {
      Metrics.peerEvents(event._tag, context)
      // Readers run at once, and may change the table. So who reads the event has to find what it led to, who is woken by the
      // new state must not get the event again, and what is published is the newest.
      if (event._tag === "Left" || event._tag === "Lost") show(event.peer.publicKey, undefined)
      else if (event._tag !== "KeyConflict" && event._tag !== "Probed") show(event.peer.publicKey, event.peer)
      publishUnsafe(events, event)
      publishUnsafe(presence.pubsub, presence.value)
    }

    const find = (key: PublicKey.PublicKey): Entry | undefined => proved.get(key) ?? unproved.get(key)

    // --- the table -----------------------------------------------------------------------------------------------------

    const countHost = (host: string, by: number) => {
      const count = (unprovedByHost.get(host) ?? 0) + by
      if (count === 0) unprovedByHost.delete(host)
      else unprovedByHost.set(host, count)
    }

    const indexName = (name: string, key: PublicKey.PublicKey) => {
      const keys = names.get(name)
      if (keys === undefined) names.set(name, new Set([key]))
      else keys.add(key)
    }

    const unindexName = (name: string, key: PublicKey.PublicKey) => {
      const keys = names.get(name)
      keys?.delete(key)
      if (keys?.size === 0) names.delete(name)
    }

    const remove = (entry: Entry): boolean => {
      const { publicKey } = entry.peer
      if (find(publicKey) !== entry) return false
      for (const name of entry.names.keys()) unindexName(name, publicKey)
      if (unproved.delete(publicKey)) countHost(entry.host, -1)
      else proved.delete(publicKey)
      gone.delete(publicKey)
      gone.add(publicKey)
      if (gone.size > limits.unprovedPeers) {
        const oldest = gone.values().next()
        if (oldest.done !== true) gone.delete(oldest.value)
      }
      settleProbe(entry)
      return true
    }

    const settleProbe = (entry: Entry) => {
      if (entry.probe !== undefined) Deferred.doneUnsafe(entry.probe, Exit.succeed("Moot" as const))
    }

    /** Ends what is bound to a peer, or of that what knows it by some names. */
    const wake = (
      peer: Peers.Peer,
      reason: Peers.PeerLostError["reason"],
      by: (name: NodeName | "") => boolean = () => true
    ) => {
      const { publicKey } = peer
      for (const [name, watcher] of [...watchers.get(publicKey) ?? []].filter(([name]) => by(name))) {
        dropWatcher(publicKey, name)
        wakeOne(watcher, name === "" ? peer.name : name, peer, reason)
      }
    }

    const dropWatcher = (publicKey: PublicKey.PublicKey, name: NodeName | "") => {
      const byName = watchers.get(publicKey)
      byName?.delete(name)
      if (byName?.size === 0) watchers.delete(publicKey)
    }

    const wakeOne = (watcher: Watcher, name: NodeName, peer: Peers.Peer, reason: Peers.PeerLostError["reason"]) =>
      Deferred.doneUnsafe(
        watcher.lost,
        Effect.fail(
          new Peers.PeerLostError({
            peer: name,
            publicKey: peer.publicKey,
            endpoint: peer.endpoints[0],
            reason,
            mayHaveRun: true
          })
        )
      )

    /** A peer has a name, and of the others those that are to be kept. */
    const takeNames = (entry: Entry, kept: (name: NodeName) => boolean, added: NodeName, from: string) => {
      const { publicKey } = entry.peer
      for (const name of entry.names.keys()) {
        if (name === added || kept(name)) continue
        entry.names.delete(name)
        unindexName(name, publicKey)
      }
      entry.names.delete(added)
      entry.names.set(added, { host: from, at: now() })
      indexName(added, publicKey)
      if (!entry.names.has(entry.peer.name)) entry.peer = { ...entry.peer, name: added }
    }

    const lose = (entry: Entry, reason: Peers.LostReason) => {
      if (!remove(entry)) return
      publish({ _tag: "Lost", peer: entry.peer, reason })
      wake(entry.peer, reason)
    }

    /** Takes a name from a peer that it does not belong to. */
    const loseName = (entry: Entry, name: NodeName) => {
      const other = [...entry.names].find(([other]) => other !== name)
      if (other === undefined) return lose(entry, "Conflict")
      takeNames(entry, (kept) => kept !== name, other[0], other[1].host)
      publish({ _tag: "Updated", peer: entry.peer, reason: "name" })
      wake(entry.peer, "Conflict", (bound) => bound === name)
    }

    const left = (entry: Entry, reason: "SaidSo" | "ConnectionsEnded") => {
      if (!remove(entry)) return
      publish({ _tag: "Left", peer: entry.peer, reason })
      wake(entry.peer, "Left")
    }

    const heard = (entry: Entry, reason: Returned) => {
      // Not by traffic: what it sent before it left may come behind its "leaving".
      if (reason !== "Traffic") leaving.delete(entry.peer.publicKey)
      const silentFor = Duration.millis(now() - entry.heardAt)
      entry.heardAt = now()
      if (entry.peer.status === "Suspect") {
        entry.peer = { ...entry.peer, status: "Online" }
        settleProbe(entry)
        publish({ _tag: "Returned", peer: entry.peer, reason, silentFor })
      }
    }

    const tellConflict = (
      name: NodeName,
      expected: PublicKey.PublicKey,
      publicKey: PublicKey.PublicKey,
      source: Endpoint,
      reason: Conflicting
    ) =>
      Effect.suspend(() => {
        // Anybody can make up names and keys. So each reason has a rate of its own: what is made up must not hide what concerns
        // a name that belongs to somebody.
        const more = conflictsTold.take(reason === "OwnKey" ? "" : name, now(), reason)
        if (more === undefined) return Effect.void
        publish({ _tag: "KeyConflict", name, expected, publicKey, source, reason })
        const place = formatEndpoint(source)
        const appeared = `${quote(name)} appeared at ${place} with key ${PublicKey.fingerprint(publicKey)}`
        return Effect.logWarning(
          {
            OwnKey: `this node's key (${PublicKey.fingerprint(own)}) is in use by another node at ${place}`,
            OwnName: `another node at ${place} uses this node's name ${quote(name)}`,
            KeyChanged: `${appeared}, but that name belongs to ${PublicKey.fingerprint(expected)}`,
            SharedName: `${appeared}, and ${PublicKey.fingerprint(expected)} uses that name too`
          }[reason] + more
        )
      })

    const claim = (sighting: Sighting) => {
      const { name, publicKey } = sighting
      const keys = claims.get(name) ?? new Map()
      remember(keys, publicKey, { sighting, at: now() }, claimsPerName)
      remember(claims, name, keys, limits.unprovedPeers)
    }

    /** The key that a name belongs to. */
    const expectedFor = (name: NodeName) =>
      Effect.suspend(() => {
        const key = decided.get(name)
        return key === undefined ? trust.expected(name) : Effect.succeed(key)
      })

    const place = (entry: Entry): Peers.Peer["endpoints"] => {
      const [first, ...rest] = entry.addresses
      return first === undefined ? entry.peer.endpoints : [first.endpoint, ...rest.map(({ endpoint }) => endpoint)]
    }

    const addressAt = (entry: Entry, endpoint: Endpoint) =>
      entry.addresses.find((address) => sameEndpoint(address.endpoint, endpoint))

    /**
     * Makes room for an address that was added. What one host says pushes out what it has said itself, so that whoever makes
     * adverts up leaves the address that the peer says of itself where it is.
     */
    const trim = (entry: Entry, added: Address) => {
      const { addresses } = entry
      if (addresses.length <= limits.addressesPerPeer) return
      const share = new Map<string, number>()
      for (const { host, proved } of addresses) if (!proved) share.set(host, (share.get(host) ?? 0) + 1)
      // Those that were proved stay, unless nobody proves anything there any more and there is no other.
      const cost = ({ failed, host, proved }: Address) =>
        proved ? failed ? 0 : -1 : 2 * share.get(host)! + (failed ? 1 : 0)
      let [least, most] = [added, -1]
      for (const address of addresses) {
        if (address === added || cost(address) < Math.max(0, most)) continue
        least = address
        most = cost(address)
      }
      addresses.splice(addresses.indexOf(least), 1)
    }

    /** Enters an address from an advert, which may be made up: behind those that were proved. */
    const addAddress = (entry: Entry, { endpoint, source }: Sighting) => {
      const { addresses } = entry
      const added = { endpoint, source: formatEndpoint(source), host: source.host, proved: false, failed: false }
      const behind = addresses.findIndex(({ failed, proved }) => !proved || failed)
      addresses.splice(behind < 0 ? addresses.length : behind, 0, added)
      trim(entry, added)
      entry.peer = { ...entry.peer, endpoints: place(entry) }
    }

    /** Puts an address at which the key proved itself first. One place is left for adverts, in which a peer says that it moved. */
    const proveAddress = (entry: Entry, endpoint: Endpoint) => {
      const { addresses } = entry
      const known = addressAt(entry, endpoint)
      const address = known ?? { endpoint, source: undefined, host: endpoint.host, proved: true, failed: false }
      if (known !== undefined) addresses.splice(addresses.indexOf(known), 1)
      address.proved = true
      address.failed = false
      addresses.unshift(address)
      let room = Math.max(1, limits.addressesPerPeer - 1)
      for (const other of addresses) if (other.proved && --room < 0) other.proved = false
      trim(entry, address)
      entry.peer = { ...entry.peer, endpoints: place(entry) }
    }

    /**
     * A host says that a peer leaves, which anybody can say of anybody. So it takes back what it has said itself; and whether that
     * was all there is of the peer, or its key has proved itself there.
     */
    const withdraw = (entry: Entry, host: string): boolean => {
      const others = entry.addresses.filter((address) => address.host !== host && address.endpoint.host !== host)
      const taken = entry.addresses.filter((address) => !others.includes(address))
      if (others.length === 0 || taken.some(({ proved }) => proved)) return true
      if (taken.length === 0) return false
      entry.addresses.splice(0, entry.addresses.length, ...others)
      entry.peer = { ...entry.peer, endpoints: place(entry) }
      publish({ _tag: "Updated", peer: entry.peer, reason: "address" })
      return false
    }

    /** How many of the unproved may come from where this one does: the operator vouches for this machine, and for what is listed. */
    const boundOf = ({ local, source: { host }, via }: Sighting) =>
      local === true || via === "static" || host === "::1" || host.startsWith("127.")
        ? "unprovedPerOwnAddress" as const
        : "unprovedPerAddress" as const

    /** Notes that a bound left a node out. */
    const leftOut = (name: string, where: string, what: string, remedy: string) => {
      remember(
        hidden,
        name,
        { at: now(), obstacle: { kind: "Limit", where, what: `${quote(name)} ${what}`, remedy } },
        hiddenKept
      )
      return config.obstacles.met(`limit ${where}`, now(), () => ({
        kind: "Limit",
        where,
        what: `a node, ${quote(name)}, ${what}`,
        remedy
      })) ?? Effect.void
    }

    const tooMany = (sighting: Sighting) => {
      const { name, source: { host } } = sighting
      const bound = boundOf(sighting)
      return leftOut(
        name,
        host,
        `is left out: ${limits[bound]} nodes at ${host} are known that have proved nothing yet`,
        `raise limits.${bound}; who has proved its key, or has it listed, does not count`
      )
    }

    // Who was pushed out of the full table and is not said yet.
    let evicted: Peers.Peer | undefined
    const pushedOut = Effect.suspend(() => {
      if (evicted === undefined) return Effect.void
      const { endpoints: [{ host }], name } = evicted
      evicted = undefined
      return leftOut(
        name,
        "unprovedPeers",
        `at ${host} is left out: ${limits.unprovedPeers} nodes are known that have proved nothing yet, and the oldest makes room`,
        "raise limits.unprovedPeers, or see who sends so many adverts"
      )
    })

    const insert = (sighting: Sighting, pinned: boolean): Entry | undefined => {
      const room = pinned && proved.size < limits.provedPeers
      if (!room && (unprovedByHost.get(sighting.source.host) ?? 0) >= limits[boundOf(sighting)]) {
        Metrics.adverts("too_many_from_address", context)
        return undefined
      }
      const entry: Entry = {
        peer: {
          name: sighting.name,
          publicKey: sighting.publicKey,
          endpoints: [sighting.endpoint],
          status: "Online",
          proved: false
        },
        host: sighting.source.host,
        addresses: [],
        names: new Map([[sighting.name, { host: sighting.source.host, at: now() }]]),
        fixed: pinned ? "pinned" : undefined,
        heardAt: now(),
        probe: undefined
      }
      addAddress(entry, sighting)
      // Kept from those who flood the unproved, and still to be proved: an advert of a pinned key can be made up, too.
      if (room) proved.set(sighting.publicKey, entry)
      else {
        if (unproved.size >= limits.unprovedPeers) {
          const oldest = unproved.values().next()
          if (oldest.done !== true) {
            lose(oldest.value, "Evicted")
            evicted = oldest.value.peer
          }
        }
        unproved.set(sighting.publicKey, entry)
        countHost(sighting.source.host, 1)
      }
      indexName(sighting.name, sighting.publicKey)
      const { publicKey } = sighting
      publish({ _tag: "Joined", peer: entry.peer, reason: gone.delete(publicKey) ? "Returned" : "New" })
      return entry
    }

    /**
     * Whether an advert may speak for a peer. Not where it says another name than the one that was proved, or is pinned: whoever
     * made it up can be anybody, and a peer that has another name now proves it when it is called, or goes silent under the old.
     */
    const speaksFor = (entry: Entry, name: NodeName, pinned: boolean): boolean =>
      entry.fixed === undefined || name === entry.peer.name || pinned && entry.fixed === "pinned"

    /** Enters a repeated sighting and says whether its source or address had changed. */
    const update = (entry: Entry, sighting: Sighting, pinned: boolean): boolean => {
      heard(entry, "Advert")
      const { name, publicKey, source } = sighting
      const fixes = pinned && entry.fixed === undefined
      if (fixes) entry.fixed = "pinned"
      const { host } = source
      const isNew = !entry.names.has(name)
      const longAgo = now() - lostAfter * intervalMillis
      // Of several names none is the peer's before it is proved, so all lead to it that are said still; of each host one.
      takeNames(
        entry,
        (other) => {
          const said = entry.names.get(other)!
          return !fixes && said.host !== host && said.at > longAgo && (!isNew || entry.names.size < namesPerKey)
        },
        name,
        host
      )
      if (isNew) publish({ _tag: "Updated", peer: entry.peer, reason: "name" })
      const address = addressAt(entry, sighting.endpoint)
      const from = formatEndpoint(source)
      if (address === undefined) {
        addAddress(entry, sighting)
        publish({ _tag: "Updated", peer: entry.peer, reason: "address" })
      } else if (address.source === from) return false
      else address.source = from
      // Perhaps it was started anew, and what is held with it is a ghost.
      doubt(publicKey, "restarted")
      return true
    }

    const doubt = (publicKey: PublicKey.PublicKey, why: Doubt) => {
      const listeners = held.get(publicKey)
      if (listeners !== undefined) { for (const onDoubt of listeners) onDoubt(why) }
    }

    const onSighting = (sighting: Sighting): Effect.Effect<void> =>
      Effect.gen(function*() {
        const { name, publicKey, source } = sighting
        if (publicKey === own) return yield* tellConflict(self.name, own, publicKey, source, "OwnKey")
        if (sighting.endpoint.port === 0) {
          const entry = find(publicKey)
          if (entry === undefined || !withdraw(entry, source.host)) return
          if (!held.has(publicKey)) return left(entry, "SaidSo")
          leaving.add(publicKey)
          doubt(publicKey, "leaving")
          return
        }
        if (name === self.name) return yield* tellConflict(name, own, publicKey, source, "OwnName")
        const expected = yield* expectedFor(name)
        // Deciding may have taken time.
        const entry = find(publicKey)
        if (expected !== undefined && expected !== publicKey) {
          if (entry !== undefined && entry.names.has(name)) loseName(entry, name)
          claim(sighting)
          return yield* tellConflict(name, expected, publicKey, source, "KeyChanged")
        }
        const pinned = expected === publicKey
        if (entry !== undefined && !speaksFor(entry, name, pinned)) return Metrics.adverts("other_name", context)
        const changed = entry === undefined
          ? insert(sighting, pinned) !== undefined
          : update(entry, sighting, pinned)
        if (entry === undefined && !changed) return yield* tooMany(sighting)
        hidden.delete(name)
        yield* pushedOut
        if (changed) yield* sighting.answer
        if (expected !== undefined || find(publicKey) === undefined) return
        for (const other of names.get(name) ?? []) {
          if (other !== publicKey) return yield* tellConflict(name, other, publicKey, source, "SharedName")
        }
      })

    // --- liveness ------------------------------------------------------------------------------------------------------

    const probes = yield* FiberMap.make<PublicKey.PublicKey>()
    const room = yield* Semaphore.make(limits.probes)

    const ask = (entry: Entry, endpoint: Endpoint) =>
      AdvertExchange.exchange(transport, self, { host: config.bindIp, port: 0 }, endpoint, {
        clock,
        timeout: limits.firstPacketTimeout
      }).pipe(Effect.match({
        onFailure: (error) =>
          error._tag === "DialError" && error.kind === "Refused"
            ? "Refused" as const
            // Somebody too busy to answer is there.
            : error._tag === "ProtocolError" && error.origin === "remote" && error.code === "ERR_BUSY"
            ? "Busy" as const
            : "NoAnswer" as const,
        // One that has another name now is not the one that proved this name.
        onSuccess: ({ advert, publicKey }) =>
          publicKey === entry.peer.publicKey && (entry.fixed === undefined || advert.name === entry.peer.name)
            ? "Answered" as const
            : "Refused" as const
      }))

    const probe = (entry: Entry) =>
      Effect.gen(function*() {
        // It was heard, or taken off, before its turn came.
        if (entry.peer.status !== "Suspect" || find(entry.peer.publicKey) !== entry) return
        const { endpoints } = entry.peer
        const started = now()
        const decided = Deferred.makeUnsafe<Verdict>()
        entry.probe = decided
        const refused = new Set<Endpoint>()
        let tries = 0
        const attempt = (endpoint: Endpoint) =>
          Effect.flatMap(ask(entry, endpoint), (answer) => {
            if (answer === "Answered" || answer === "Busy") return Deferred.succeed(decided, answer)
            if (answer === "Refused") refused.add(endpoint)
            return refused.size === endpoints.length ? Deferred.succeed(decided, "Refused") : Effect.void
          })
        // Counted in slices slept, not in time passed: a process that was frozen meanwhile finds its answers waiting, and
        // must read them before it blames anybody.
        const watch = Effect.gen(function*() {
          for (let i = 0; i < probeSlices; i++) {
            if (i < probeTries) {
              tries++
              yield* Effect.forkScoped(attempt(endpoints[i % endpoints.length]!))
            }
            yield* Effect.sleep(slice)
          }
          if (now() - started > (probeSlices + 1) * slice) yield* Effect.sleep(slice)
          yield* Deferred.succeed(decided, "NoAnswer")
        })
        yield* Effect.forkScoped(watch)
        const verdict = yield* Deferred.await(decided)
        entry.probe = undefined
        if (verdict === "Moot" || entry.peer.status !== "Suspect") return
        publish({ _tag: "Probed", peer: entry.peer, reason: verdict, tries })
        // An err is in clear: on a network with a key anybody could keep a peer alive by it that has no key any more. So it
        // only leaves it the time that its silence may last.
        if (verdict === "Busy" && self.cipher.encrypted) return
        if (verdict === "Answered" || verdict === "Busy") heard(entry, "Probe")
        else lose(entry, verdict)
      }).pipe(Effect.scoped, room.withPermit)

    const watchAll = Effect.gen(function*() {
      let last = now()
      while (true) {
        yield* Effect.sleep(slice)
        const at = now()
        // This process was frozen or starved: that time is nobody's silence.
        const late = at - last - slice
        const pardon = late > slice ? late : 0
        last = at
        for (const table of [proved, unproved]) {
          for (const entry of table.values()) {
            entry.heardAt = Math.min(at, entry.heardAt + pardon)
            const silent = at - entry.heardAt
            if (entry.peer.status === "Online") {
              if (silent < suspectAfter * intervalMillis) continue
              entry.peer = { ...entry.peer, status: "Suspect" }
              publish({ _tag: "Suspected", peer: entry.peer, silentFor: Duration.millis(silent) })
              yield* FiberMap.run(probes, entry.peer.publicKey, probe(entry))
            } else if (silent >= lostAfter * intervalMillis) {
              lose(entry, "Silent")
            }
          }
        }
      }
    })

    // --- the service ---------------------------------------------------------------------------------------------------

    const entriesOf = (name: string): ReadonlyArray<Entry> =>
      [...names.get(name) ?? []].flatMap((key) => {
        const entry = find(key)
        return entry === undefined ? [] : [entry]
      })

    /** The first names that are known. */
    const knownNames = (): ReadonlyArray<string> => {
      const known = new Set<string>()
      for (const { name } of presence.value) if (known.add(name).size === namesTold) break
      return [...known]
    }

    let closed = false
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        closed = true
      })
    )

    /** A peer under the name that it was asked for by: of one that has proved none, each that adverts give it. */
    const named = ({ names, peer }: Entry, name: string): Peers.Peer =>
      peer.name === name || !names.has(name as NodeName) ? peer : { ...peer, name: name as NodeName }

    /** Why nobody is known under a name. */
    const unknown = (name: string, waited?: Duration.Duration): Effect.Effect<never, Peers.PeerUnknownError> =>
      Effect.flatMap(expectedFor(name as NodeName), (expected) => {
        // The last one, whose advert is news still.
        const claim = [...claims.get(name)?.values() ?? []].findLast(({ at }) => now() - at < conflictMemory)
        const known = knownNames()
        const sharedBy = sharing(name)
        const left = hidden.get(name)
        const leftOut = left !== undefined && now() - left.at < hiddenMemory ? [left.obstacle] : []
        // Where somebody is known, other networks are as they should be. Where the bound that left this name out is known, no other did.
        const others = config.obstacles.now(now()).filter(({ kind }) =>
          kind === "Limit" ? leftOut.length === 0 : kind !== "NetworkId" || known.length === 0
        )
        const obstacles = [...leftOut, ...others].slice(0, obstaclesTold)
        return Effect.fail(
          new Peers.PeerUnknownError({
            peer: name,
            known,
            ...(waited === undefined ? {} : { waited }),
            ...(obstacles.length === 0 ? {} : { obstacles }),
            ...(closed ? { closed } : {}),
            ...(name === self.name ? { self: true } : {}),
            ...(sharedBy.length < 2 ? {} : { sharedBy }),
            ...(claim === undefined || expected === undefined ? {} : {
              conflict: { expected, publicKey: claim.sighting.publicKey, source: claim.sighting.source }
            })
          })
        )
      })

    /** The one peer of a name. Who waits for it looks at each change, so that nothing is made here for an error. */
    const current = (name: string): Effect.Effect<Peers.Peer | undefined> =>
      Effect.suspend(() => {
        const entries = entriesOf(name)
        const [first] = entries
        if (first === undefined || closed) return Effect.undefined
        if (entries.length === 1) return Effect.succeed(named(first, name))
        // Of several, the one that the name is known to belong to.
        return Effect.map(expectedFor(name as NodeName), (expected) => {
          const rightful = entries.find(({ peer }) => peer.publicKey === expected)
          return rightful === undefined ? undefined : named(rightful, name)
        })
      })

    /** The keys of those who use a name that belongs to none of them. */
    const sharing = (name: string) => closed ? [] : entriesOf(name).map(({ peer }) => peer.publicKey)

    const resolveOne = (name: string): Effect.Effect<Peers.Peer, Peers.PeerUnknownError | Peers.NameConflictError> =>
      Effect.flatMap(
        current(name),
        (peer): Effect.Effect<Peers.Peer, Peers.PeerUnknownError | Peers.NameConflictError> => {
          if (peer !== undefined) return Effect.succeed(peer)
          const publicKeys = sharing(name)
          return publicKeys.length < 2
            ? unknown(name)
            : Effect.fail(new Peers.NameConflictError({ peer: name as NodeName, publicKeys }))
        }
      )

    const snapshot = () => presence.value

    const changes: Stream.Stream<Peers.PeerEvent> = Stream.unwrap(
      Effect.map(PubSub.subscribe(events), (subscription) =>
        Stream.concat(
          Stream.fromIterable(snapshot().map((peer): Peers.PeerEvent => ({ _tag: "Joined", peer, reason: "Known" }))),
          Stream.fromSubscription(subscription)
        ))
    )

    const presenceOf = (name: string): Stream.Stream<Peers.Peer | undefined> =>
      SubscriptionRef.changes(presence).pipe(Stream.mapEffect(() => current(name)), Stream.changes)

    /** The peer of a name, however long it takes to come. */
    const there = (name: string): Effect.Effect<Peers.Peer> =>
      presenceOf(name).pipe(
        Stream.filter((peer) => peer !== undefined),
        Stream.runHead,
        // The stream does not end.
        Effect.flatMap((head) => Effect.orDie(Effect.fromOption(head)))
      )

    // --- what is bound to a peer ---------------------------------------------------------------------------------------

    const watch = (publicKey: PublicKey.PublicKey, name: NodeName | ""): Watcher => {
      const byName = watchers.get(publicKey) ?? new Map<NodeName | "", Watcher>()
      watchers.set(publicKey, byName)
      const watcher = byName.get(name) ?? { lost: Deferred.makeUnsafe(), waiting: 0 }
      byName.set(name, watcher)
      watcher.waiting++
      return watcher
    }

    const unwatch = (publicKey: PublicKey.PublicKey, name: NodeName | "", watcher: Watcher) =>
      Effect.sync(() => {
        if (--watcher.waiting === 0 && watchers.get(publicKey)?.get(name) === watcher) dropWatcher(publicKey, name)
      })

    interface Bound {
      readonly peer: Peers.Peer
      readonly watcher: Watcher
    }

    /** Whether a key is there that has not proved another name. */
    const isThere = ({ name, publicKey }: Peers.Peer): boolean => {
      const entry = find(publicKey)
      return entry !== undefined && (entry.fixed !== "proved" || entry.peer.name === name)
    }

    /** In one step with the look at the table, so that nothing that happens to the peer is missed. */
    const bindPeer = (peer: Peers.Peer): Bound | undefined =>
      isThere(peer) ? { peer, watcher: watch(peer.publicKey, peer.name) } : undefined

    const bind = (name: string): Effect.Effect<Bound, Peers.PeerUnknownError | Peers.NameConflictError> =>
      Effect.flatMap(resolveOne(name), (peer) =>
        Effect.suspend(() => {
          const bound = bindPeer(peer)
          return bound === undefined ? unknown(name) : Effect.succeed(bound)
        }))

    const release = ({ peer, watcher }: Bound) => unwatch(peer.publicKey, peer.name, watcher)

    /** Runs an effect until the peer is gone. What fails in it because of that fails with that. */
    const guard = <A, E, R>(
      { peer, watcher: { lost } }: Bound,
      effect: Effect.Effect<A, E, R>
    ): Effect.Effect<A, E | Peers.PeerLostError, R> =>
      Effect.catchCause(
        Effect.raceFirst(Deferred.await(lost), effect),
        (cause): Effect.Effect<never, E | Peers.PeerLostError> =>
          // Taken off the table: the others are told in the same turn.
          (Deferred.isDoneUnsafe(lost) || !isThere(peer)) && !Cause.hasDies(cause)
            ? Deferred.await(lost)
            : Effect.failCause(cause)
      )

    /**
     * Whether a failure is that the peer could not be reached, or refused this node: a fault of its own, which ends nothing but
     * what is run for it. An error that names another peer, or none, is somebody else's.
     */
    const isFaultOf = (error: unknown, { endpoints, name, publicKey }: Peers.Peer): error is Error => {
      if (!(error instanceof Error)) return false
      if (error instanceof Peers.PeerLostError) return error.publicKey === publicKey
      const named = error as Error & Readonly<Record<string, unknown>>
      switch (named["_tag"]) {
        case "DialError":
          return [...endpoints, ...find(publicKey)?.peer.endpoints ?? []]
            .some(({ host, port }) => host === named["host"] && port === named["port"])
        case "UntrustedPeerError":
          return named["publicKey"] === publicKey
        case "ProtocolError":
          return named["peer"] === name
        case "StreamResetError":
          return named["peer"] === name && (named["code"] === "going_away" || named["code"] === "refused") &&
            named["remote"] === true
        default:
          return false
      }
    }

    type Tell = (publicKey: PublicKey.PublicKey, error: Error) => Effect.Effect<void>

    /** Says what keeps an effect from being run for a peer: once for each reason, and not what every lost connection says. */
    const telling = (): Tell => {
      const told = new Map<PublicKey.PublicKey, string>()
      return (publicKey, error) =>
        Effect.suspend(() => {
          const { message } = error
          if (error instanceof Peers.PeerLostError || told.get(publicKey) === message) return Effect.void
          remember(told, publicKey, message, limits.provedPeers)
          return Effect.logWarning(
            `what runs while ${quote(find(publicKey)?.peer.name ?? "a peer")} is there has failed, and begins anew in ${
              Duration.format(config.broadcastInterval)
            }: ${message}`
          )
        })
    }

    /** Runs an effect while a peer is there under its name, and waits until it is gone. */
    const untilGone = <A, E, R>(
      peer: Peers.Peer,
      use: (peer: Peers.Peer) => Effect.Effect<A, E, R>,
      tell: Tell
    ): Effect.Effect<void, E, R> =>
      Effect.acquireUseRelease(
        Effect.sync(() => bindPeer(peer)),
        (bound): Effect.Effect<void, E, R> => {
          if (bound === undefined) return Effect.void
          const { lost } = bound.watcher
          return Effect.catch(
            guard(bound, Effect.andThen(use(bound.peer), Effect.never)),
            (error: E | Peers.PeerLostError) =>
              isFaultOf(error, bound.peer)
                ? Deferred.isDoneUnsafe(lost)
                  ? Effect.void
                  // It could not be reached, or only a connection was lost.
                  : Effect.andThen(
                    tell(peer.publicKey, error),
                    Effect.raceFirst(Effect.sleep(config.broadcastInterval), Effect.ignore(Deferred.await(lost)))
                  )
                : Effect.fail(error as E)
          )
        },
        (bound) => bound === undefined ? Effect.void : release(bound)
      )

    /** Runs an effect for each peer while it is there. */
    const forEach = <A, E, R>(use: (peer: Peers.Peer) => Effect.Effect<A, E, R>): Effect.Effect<never, E, R> =>
      Effect.scoped(Effect.gen(function*() {
        const failed = Deferred.makeUnsafe<never, E>()
        const following = new Set<PublicKey.PublicKey>()
        const tell = telling()
        const follow = (publicKey: PublicKey.PublicKey): Effect.Effect<void, E, R> =>
          Effect.suspend(() => {
            // It may be back, or there under another name, before this one had ended.
            const entry = find(publicKey)
            if (entry !== undefined) return Effect.flatMap(untilGone(entry.peer, use, tell), () => follow(publicKey))
            following.delete(publicKey)
            return Effect.void
          })
        const all = Stream.runForEach(SubscriptionRef.changes(presence), (peers) =>
          Effect.forEach(peers, ({ publicKey }) => {
            if (following.has(publicKey)) {
              return Effect.void
            }
            following.add(publicKey)
            return Effect.forkScoped(
              Effect.catchCause(follow(publicKey), (cause) =>
                Deferred.failCause(failed, cause))
            )
          }, { discard: true }))
        return yield* Effect.raceFirst(Deferred.await(failed), Effect.andThen(all, Effect.never))
      }))

    const scoped = (name: string) =>
      Effect.gen(function*() {
        const outer = yield* Effect.scope
        const bound = yield* Effect.acquireRelease(bind(name), release)
        const { peer, watcher } = bound
        const scope = yield* Scope.fork(outer)
        yield* Effect.forkIn(
          Effect.catch(
            Deferred.await(watcher.lost),
            (error) =>
              Effect.uninterruptible(Scope.close(scope, Exit.fail(error)))
          ),
          outer
        )
        return {
          peer,
          scope,
          lost: Deferred.await(watcher.lost),
          run: (effect) => guard(bound, effect)
        } satisfies Peers.PeerScope as Peers.PeerScope
      })

    // --- conflicts -----------------------------------------------------------------------------------------------------

    const conflicts = Effect.gen(function*() {
      const all: Array<Peers.Conflict> = []
      const contested = new Set<string>(claims.keys())
      for (const [name, keys] of names) if (keys.size > 1) contested.add(name)
      for (const text of [...contested].sort()) {
        const name = text as NodeName
        const expected = yield* expectedFor(name)
        const found = new Map<PublicKey.PublicKey, Endpoint>()
        for (const { peer } of entriesOf(name)) found.set(peer.publicKey, peer.endpoints[0])
        for (const [key, { at, sighting }] of claims.get(name) ?? []) {
          if (now() - at < conflictMemory) found.set(key, sighting.source)
        }
        if (expected !== undefined) found.delete(expected)
        if (found.size < (expected === undefined ? 2 : 1)) continue
        const keys = [...found].slice(0, claimsPerName).map(([publicKey, source]) => ({ publicKey, source }))
        all.push({ name, expected, claims: keys })
      }
      return all
    })

    const resolveConflict = (name: NodeName, publicKey: PublicKey.PublicKey) =>
      Effect.gen(function*() {
        if (name === self.name) return
        yield* trust.pin(name, publicKey)
        decided.delete(name)
        if ((yield* trust.expected(name)) !== publicKey) remember(decided, name, publicKey, limits.provedPeers)
        for (const entry of entriesOf(name)) if (entry.peer.publicKey !== publicKey) loseName(entry, name)
        const waiting = claims.get(name)?.get(publicKey)
        claims.delete(name)
        conflictsTold.forget(name)
        if (waiting !== undefined && now() - waiting.at < conflictMemory) yield* onSighting(waiting.sighting)
      })

    yield* Effect.forkScoped(
      Stream.runForEach(discovery.sightings, onSighting).pipe(
        Effect.catch((error) => Effect.logError(`discovery ended: ${error.message}`))
      )
    )
    yield* Effect.forkScoped(watchAll)

    return {
      get: current,
      all: Effect.sync(snapshot),
      presence,
      presenceOf,
      awaitPeer: (name, timeout = "10 seconds") =>
        // This node does not come to itself, however long it waits, and to a closed one nobody does.
        Effect.suspend(() =>
          name === self.name || closed ? unknown(name) : Effect.timeoutOrElse(there(name), {
            duration: timeout,
            orElse: () => unknown(name, Duration.fromInputUnsafe(timeout))
          })
        ),
      whileOnline: (name, use) =>
        Effect.acquireUseRelease(
          bind(name),
          (bound) => guard(bound, Effect.suspend(() => use(bound.peer))),
          release
        ),
      wheneverOnline: (name, use) =>
        name === "*"
          ? forEach(use)
          : Effect.suspend(() => {
            const tell = telling()
            return Effect.forever(Effect.flatMap(there(name), (peer) => untilGone(peer, use, tell)))
          }),
      scoped,
      obstacles: Effect.sync(() => config.obstacles.now(now())),
      conflicts,
      resolveConflict,
      changes,
      resolve: (target) =>
        target === "*"
          ? Effect.sync(snapshot)
          : typeof target === "string"
          ? Effect.map(resolveOne(target), (peer) => [peer])
          : Effect.forEach([...new Set(target)], resolveOne),
      resolveOne,
      lost: (publicKey) =>
        Effect.suspend(() => {
          const watcher = watch(publicKey, "")
          return Effect.ensuring(Deferred.await(watcher.lost), unwatch(publicKey, "", watcher))
        }),
      holdUnsafe: (publicKey, onDoubt) => {
        const listeners = held.get(publicKey) ?? new Set()
        held.set(publicKey, listeners)
        listeners.add(onDoubt)
        return () => {
          if (!listeners.delete(onDoubt) || listeners.size > 0) return
          held.delete(publicKey)
          const entry = find(publicKey)
          if (leaving.delete(publicKey) && entry !== undefined) left(entry, "ConnectionsEnded")
        }
      },
      heardUnsafe: (publicKey) => {
        const entry = find(publicKey)
        if (entry !== undefined) heard(entry, "Traffic")
      },
      proved: ({ endpoint, name, publicKey }) =>
        Effect.sync(() => {
          const entry = find(publicKey)
          if (entry === undefined) return
          heard(entry, "Traffic")
          const [first] = entry.addresses
          const isFirst = endpoint === undefined ||
            first !== undefined && first.proved && sameEndpoint(first.endpoint, endpoint)
          const isProved = entry.fixed === "proved" && entry.peer.name === name
          if (entry.peer.proved && isFirst && isProved) return
          if (proved.size < limits.provedPeers && unproved.delete(publicKey)) {
            countHost(entry.host, -1)
            proved.set(publicKey, entry)
          }
          entry.fixed = "proved"
          takeNames(entry, () => false, name, entry.host)
          if (endpoint !== undefined) proveAddress(entry, endpoint)
          entry.peer = { ...entry.peer, proved: proved.has(publicKey) }
          publish({ _tag: "Updated", peer: entry.peer, reason: "proved" })
          // What knew it by a name that adverts gave it, or by one that it had.
          wake(entry.peer, "Renamed", (bound) => bound !== "" && bound !== name)
        }),
      failedUnsafe: (publicKey, endpoint) => {
        const entry = find(publicKey)
        const address = entry === undefined ? undefined : addressAt(entry, endpoint)
        if (entry === undefined || address === undefined) return
        address.failed = true
        entry.addresses.splice(entry.addresses.indexOf(address), 1)
        entry.addresses.push(address)
        entry.peer = { ...entry.peer, endpoints: place(entry) }
        show(publicKey, entry.peer)
      },
      provedAtUnsafe: (publicKey) =>
        find(publicKey)?.addresses.find(({ failed, proved }) => proved && !failed)?.endpoint
    }
  })
