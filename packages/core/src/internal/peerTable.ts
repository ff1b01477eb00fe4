/** The membership table behind `Peers` (protocol section 7). */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { formatEndpoint } from "../Advert.ts"
import { Crypto } from "../Crypto.ts"
import { Discovery, type Sighting } from "../Discovery.ts"
import type { Endpoint } from "../Network.ts"
import { NodeConfig } from "../NodeOptions.ts"
import type { NodeName } from "../Packet.ts"
import type * as Peers from "../Peers.ts"
import * as PublicKey from "../PublicKey.ts"
import { Transport } from "../Transport.ts"
import { Trust } from "../Trust.ts"
import * as AdvertExchange from "./advertExchange.ts"
import * as Metrics from "./metrics.ts"
import { selfOf } from "./self.ts"

interface Entry {
  peer: Peers.Peer
  /** Where it was first heard from, which is whose share of the unproved it takes. */
  readonly host: string
  /** Where the adverts of each of its addresses come from. A node has a socket for each of its interfaces. */
  readonly sources: Map<string, string>
  /** By the monotonic clock, in milliseconds. */
  heardAt: number
}

/** Those who wait for a peer to be lost. */
interface Watcher {
  readonly lost: Deferred.Deferred<never, Peers.PeerLostError>
  waiting: number
}

// In broadcast intervals.
const suspectAfter = 3
const lostAfter = 6
// A probe tries this often, this far apart, and is given up after so much time, all in fifths of an interval: six of
// them, so that a crash is noticed between 10 and 11 seconds after the last sign of life. A single lost SYN costs a second.
const probeTries = 5
const probeSlices = 6

const sameEndpoint = (a: Endpoint, b: Endpoint) => a.port === b.port && a.host === b.host

export const make = (errors: {
  readonly PeerUnknownError: typeof Peers.PeerUnknownError
  readonly NameConflictError: typeof Peers.NameConflictError
  readonly PeerLostError: typeof Peers.PeerLostError
}): Effect.Effect<
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
    const watchers = new Map<PublicKey.PublicKey, Watcher>()
    // What is held with peers, and those of them that said they leave and gave no sign of life since.
    const held = new Map<PublicKey.PublicKey, Set<() => void>>()
    const leaving = new Set<PublicKey.PublicKey>()
    const conflictsTold = new Map<string, number>()

    const events = yield* PubSub.sliding<Peers.PeerEvent>(limits.peerEvents)
    const publish = (event: Peers.PeerEvent) => {
      Metrics.peerEvents(event._tag, context)
      // Synchronous publishing leaves it to its caller to make room, and readers that keep up must not miss what is new
      // because another does not.
      if (PubSub.publishUnsafe(events, event)) return
      events.pubsub.slide()
      PubSub.publishUnsafe(events, event)
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
      const { name, publicKey } = entry.peer
      unindexName(name, publicKey)
      if (unproved.delete(publicKey)) {
        countHost(entry.host, -1)
        return true
      }
      return proved.delete(publicKey)
    }

    const lose = (entry: Entry, reason: Peers.LostReason) => {
      if (!remove(entry)) return
      const { peer } = entry
      publish({ _tag: "Lost", peer, reason })
      const watcher = watchers.get(peer.publicKey)
      if (watcher !== undefined) {
        watchers.delete(peer.publicKey)
        Deferred.doneUnsafe(
          watcher.lost,
          Effect.fail(
            new errors.PeerLostError({
              peer: peer.name,
              publicKey: peer.publicKey,
              endpoint: peer.endpoints[0],
              reason,
              mayHaveRun: true
            })
          )
        )
      }
    }

    const left = (entry: Entry) => {
      if (remove(entry)) publish({ _tag: "Left", peer: entry.peer })
    }

    const heard = (entry: Entry) => {
      leaving.delete(entry.peer.publicKey)
      entry.heardAt = now()
      if (entry.peer.status === "Suspect") {
        entry.peer = { ...entry.peer, status: "Online" }
        publish({ _tag: "Updated", peer: entry.peer, reason: "heard" })
      }
    }

    const tellConflict = (
      name: NodeName,
      expected: PublicKey.PublicKey,
      publicKey: PublicKey.PublicKey,
      source: Endpoint
    ) =>
      Effect.suspend(() => {
        const at = now()
        const last = conflictsTold.get(name)
        if (last !== undefined && at - last < 60_000) return Effect.void
        if (conflictsTold.size >= limits.unprovedPeers) conflictsTold.clear()
        conflictsTold.set(name, at)
        publish({ _tag: "KeyConflict", name, expected, publicKey, source })
        return Effect.logWarning(
          publicKey === own
            ? `this node's key (${PublicKey.fingerprint(own)}) is in use by another node at ${formatEndpoint(source)}`
            : name === self.name
            ? `another node at ${formatEndpoint(source)} uses this node's name ${JSON.stringify(name)}`
            : `${JSON.stringify(name)} appeared at ${formatEndpoint(source)} with key ${
              PublicKey.fingerprint(publicKey)
            }, but that name belongs to ${PublicKey.fingerprint(expected)}`
        )
      })

    // A new address stands behind those that were proved: an advert may be made up.
    const withEndpoint = (peer: Peers.Peer, endpoint: Endpoint, first: boolean): Peers.Peer["endpoints"] => {
      const others = peer.endpoints.filter((other) => !sameEndpoint(other, endpoint))
      const head = first || !peer.proved ? 0 : 1
      const [start, ...rest] = [...others.slice(0, head), endpoint, ...others.slice(head)]
      return [start ?? endpoint, ...rest.slice(0, limits.addressesPerPeer - 1)]
    }

    const insert = (sighting: Sighting, pinned: boolean): Entry | undefined => {
      const room = pinned && proved.size < limits.provedPeers
      if (!room && (unprovedByHost.get(sighting.source.host) ?? 0) >= limits.unprovedPerAddress) {
        Metrics.adverts("too_many_from_address", context)
        return undefined
      }
      const entry: Entry = {
        peer: {
          name: sighting.name,
          publicKey: sighting.publicKey,
          endpoints: [sighting.endpoint],
          status: "Online",
          proved: room
        },
        host: sighting.source.host,
        sources: new Map([[formatEndpoint(sighting.endpoint), formatEndpoint(sighting.source)]]),
        heardAt: now()
      }
      if (room) proved.set(sighting.publicKey, entry)
      else {
        if (unproved.size >= limits.unprovedPeers) {
          const oldest = unproved.values().next()
          if (oldest.done !== true) lose(oldest.value, "Evicted")
        }
        unproved.set(sighting.publicKey, entry)
        countHost(sighting.source.host, 1)
      }
      indexName(sighting.name, sighting.publicKey)
      publish({ _tag: "Joined", peer: entry.peer })
      return entry
    }

    /** Enters a repeated sighting and says whether its source or address had changed. */
    const update = (entry: Entry, sighting: Sighting): boolean => {
      heard(entry)
      const { publicKey } = sighting
      if (entry.peer.name !== sighting.name) {
        unindexName(entry.peer.name, publicKey)
        indexName(sighting.name, publicKey)
        entry.peer = { ...entry.peer, name: sighting.name }
        publish({ _tag: "Updated", peer: entry.peer, reason: "name" })
      }
      const address = formatEndpoint(sighting.endpoint)
      const source = formatEndpoint(sighting.source)
      const moved = entry.sources.get(address) !== source
      if (moved) {
        entry.sources.set(address, source)
        if (entry.sources.size > limits.addressesPerPeer) {
          const oldest = entry.sources.keys().next()
          if (oldest.done !== true) entry.sources.delete(oldest.value)
        }
      }
      const known = entry.peer.endpoints.some((endpoint) => sameEndpoint(endpoint, sighting.endpoint))
      if (!known) {
        entry.peer = { ...entry.peer, endpoints: withEndpoint(entry.peer, sighting.endpoint, false) }
        publish({ _tag: "Updated", peer: entry.peer, reason: "address" })
      }
      return moved || !known
    }

    const onSighting = (sighting: Sighting): Effect.Effect<void> =>
      Effect.gen(function*() {
        const { name, publicKey, source } = sighting
        if (publicKey === own) return yield* tellConflict(self.name, own, publicKey, source)
        const entry = find(publicKey)
        if (sighting.endpoint.port === 0) {
          if (entry === undefined) return
          const listeners = held.get(publicKey)
          if (listeners === undefined) return left(entry)
          leaving.add(publicKey)
          for (const onLeaving of listeners) onLeaving()
          return
        }
        if (name === self.name) return yield* tellConflict(name, own, publicKey, source)
        const expected = yield* trust.expected(name)
        if (expected !== undefined && expected !== publicKey) {
          if (entry !== undefined && entry.peer.name === name) lose(entry, "Conflict")
          return yield* tellConflict(name, expected, publicKey, source)
        }
        const changed = entry === undefined
          ? insert(sighting, expected === publicKey) !== undefined
          : update(entry, sighting)
        if (changed) yield* sighting.answer
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
            ? "refused" as const
            // Somebody too busy to answer is there.
            : error._tag === "ProtocolError" && error.origin === "remote" && error.code === "ERR_BUSY"
            ? "alive" as const
            : "unanswered" as const,
        onSuccess: ({ publicKey }) => publicKey === entry.peer.publicKey ? "alive" as const : "refused" as const
      }))

    const probe = (entry: Entry) =>
      Effect.gen(function*() {
        const { endpoints } = entry.peer
        const started = now()
        const decided = yield* Deferred.make<Peers.LostReason | "Alive">()
        const refused = new Set<Endpoint>()
        const attempt = (endpoint: Endpoint) =>
          Effect.flatMap(ask(entry, endpoint), (answer) => {
            if (answer === "alive") return Deferred.succeed(decided, "Alive")
            if (answer === "refused") refused.add(endpoint)
            return refused.size === endpoints.length ? Deferred.succeed(decided, "Refused") : Effect.void
          })
        // Counted in slices slept, not in time passed: a process that was frozen meanwhile finds its answers waiting, and
        // must read them before it blames anybody.
        const watch = Effect.gen(function*() {
          for (let i = 0; i < probeSlices; i++) {
            if (i < probeTries) yield* Effect.forkScoped(attempt(endpoints[i % endpoints.length]!))
            yield* Effect.sleep(slice)
          }
          if (now() - started > (probeSlices + 1) * slice) yield* Effect.sleep(slice)
          yield* Deferred.succeed(decided, "NoAnswer" as const)
        })
        yield* Effect.forkScoped(watch)
        const verdict = yield* Deferred.await(decided)
        if (verdict === "Alive") heard(entry)
        // Unless it was heard in some other way while it was being asked.
        else if (entry.peer.status === "Suspect") lose(entry, verdict)
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
              publish({ _tag: "Suspect", peer: entry.peer, silentFor: Duration.millis(silent) })
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

    const knownNames = () => [...names.keys()].sort().slice(0, 10)

    const resolveOne = (
      name: string
    ): Effect.Effect<Peers.Peer, Peers.PeerUnknownError | Peers.NameConflictError> =>
      Effect.suspend((): Effect.Effect<Peers.Peer, Peers.PeerUnknownError | Peers.NameConflictError> => {
        const entries = entriesOf(name)
        const [first] = entries
        if (first === undefined) return Effect.fail(new errors.PeerUnknownError({ peer: name, known: knownNames() }))
        if (entries.length === 1) return Effect.succeed(first.peer)
        // Of several, the one that the name is known to belong to.
        return Effect.flatMap(trust.expected(first.peer.name), (expected) => {
          const rightful = entries.find(({ peer }) => peer.publicKey === expected)
          return rightful !== undefined
            ? Effect.succeed(rightful.peer)
            : Effect.fail(
              new errors.NameConflictError({
                peer: first.peer.name,
                publicKeys: entries.map(({ peer }) => peer.publicKey)
              })
            )
        })
      })

    const snapshot = () =>
      [...proved.values(), ...unproved.values()].map(({ peer }) => peer)
        .sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : a.publicKey < b.publicKey ? -1 : 1)

    const changes: Stream.Stream<Peers.PeerEvent> = Stream.unwrap(
      Effect.map(PubSub.subscribe(events), (subscription) =>
        Stream.concat(
          Stream.fromIterable(snapshot().map((peer): Peers.PeerEvent => ({ _tag: "Joined", peer }))),
          Stream.fromSubscription(subscription)
        ))
    )

    yield* Effect.forkScoped(
      Stream.runForEach(discovery.sightings, onSighting).pipe(
        Effect.catch((error) => Effect.logError(`discovery ended: ${error.message}`))
      )
    )
    yield* Effect.forkScoped(watchAll)

    return {
      get: (name) => Effect.orElseSucceed(resolveOne(name), () => undefined),
      all: Effect.sync(snapshot),
      awaitPeer: (name, timeout = "10 seconds") =>
        changes.pipe(
          Stream.mapEffect(() => Effect.orElseSucceed(resolveOne(name), () => undefined)),
          Stream.filter((peer) => peer !== undefined),
          Stream.runHead,
          Effect.flatMap((head) => Effect.fromOption(head)),
          Effect.orDie,
          Effect.timeoutOrElse({
            duration: timeout,
            orElse: () =>
              Effect.fail(
                new errors.PeerUnknownError({
                  peer: name,
                  known: knownNames(),
                  waited: Duration.fromInputUnsafe(timeout)
                })
              )
          })
        ),
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
          const watcher = watchers.get(publicKey) ?? { lost: Deferred.makeUnsafe(), waiting: 0 }
          watchers.set(publicKey, watcher)
          watcher.waiting++
          return Effect.ensuring(
            Deferred.await(watcher.lost),
            Effect.sync(() => {
              if (--watcher.waiting === 0 && watchers.get(publicKey) === watcher) watchers.delete(publicKey)
            })
          )
        }),
      holdUnsafe: (publicKey, onLeaving) => {
        const listeners = held.get(publicKey) ?? new Set()
        held.set(publicKey, listeners)
        listeners.add(onLeaving)
        return () => {
          if (!listeners.delete(onLeaving) || listeners.size > 0) return
          held.delete(publicKey)
          const entry = find(publicKey)
          if (leaving.delete(publicKey) && entry !== undefined) left(entry)
        }
      },
      heardUnsafe: (publicKey) => {
        const entry = find(publicKey)
        if (entry !== undefined) heard(entry)
      },
      proved: ({ endpoint, name, publicKey }) =>
        Effect.sync(() => {
          const entry = find(publicKey)
          if (entry === undefined) return
          heard(entry)
          const first = endpoint === undefined || sameEndpoint(entry.peer.endpoints[0], endpoint)
          if (entry.peer.proved && first && entry.peer.name === name) return
          if (!entry.peer.proved && proved.size < limits.provedPeers) {
            unproved.delete(publicKey)
            countHost(entry.host, -1)
            proved.set(publicKey, entry)
          }
          if (entry.peer.name !== name) {
            unindexName(entry.peer.name, publicKey)
            indexName(name, publicKey)
          }
          const isProved = proved.has(publicKey)
          entry.peer = {
            ...entry.peer,
            name,
            proved: isProved,
            endpoints: endpoint === undefined ? entry.peer.endpoints : withEndpoint(entry.peer, endpoint, true)
          }
          publish({ _tag: "Updated", peer: entry.peer, reason: "proved" })
        })
    }
  })
