/**
 * Who is still there. A peer that is silent for three intervals is suspected and asked at its addresses, and is lost when it does not answer,
 * or is silent for six. `Asking` asks before by datagrams, where there are any; in a crowd intervals are long, and who does not answer that is suspected. Where a
 * discovery keeps who is there, it is looked at, and silence counts from when it did not know so any more.
 *
 * What bites: time in which this process was frozen or starved is nobody's silence, so it is pardoned, and a probe counts the slices that
 * it slept.
 */
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Endpoint } from "../../Network.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type { Transport } from "../../Transport.ts"
import * as Rate from "../base/rate.ts"
import { Turns } from "../base/turns.ts"
import { isLoopback } from "../discovery/interfaces.ts"
import * as AdvertExchange from "../wire/advertExchange.ts"
import { type Asking, quietAfter } from "./asking.ts"
import type { Entry, Verdict } from "./entry.ts"
import type { Membership } from "./membership.ts"
import type { Presence } from "./presence.ts"
import type { Table } from "./table.ts"

// In broadcast intervals.
const suspectAfter = 3
/** How long a peer may be silent at most, in the intervals in which it is to be heard. */
export const lostAfter = 6
const slicesPerInterval = 5
// Where those that may be silent soon are as many as one of so many, all are looked at and not they alone.
const manyMore = 8
// A probe tries this often, this far apart, and is given up after so much time, all in fifths of an interval: seven of
// them, so that a crash is noticed between 11 and 11.5 seconds after the last sign of life. A single lost SYN costs a second,
// and who is asked may be frozen for two.
const probeTries = 6
const probeSlices = 7
// Of those that adverts alone place at one host so many are asked at once, and fewer where many nodes do so: whoever makes nodes up
// can have all of them ask at a host that has no part in it. The others wait for their turn, or are lost by their silence.
const mostAtHost = 8
const leastAtHost = 2
const atHostOfAll = 128
// In a second, all together: a made-up peer may have one address of its own and three of others.
const questionsAtHost = 16
// In a crowd: who did not answer by then is named to all.
const toldAfterSlices = 3

const intervalMillis = (config: NodeConfig["Service"]) => Duration.toMillis(config.broadcastInterval)

interface Parts {
  readonly config: NodeConfig["Service"]
  readonly self: AdvertExchange.Self
  readonly transport: Transport["Service"]
  readonly clock: Clock.Clock
  readonly table: Table
  readonly presence: Presence
  readonly membership: Membership
  readonly asking: Asking
  readonly now: () => number
}

class Liveness {
  readonly #parts: Parts
  readonly #probes: FiberMap.FiberMap<PublicKey>
  readonly #room: Semaphore.Semaphore
  readonly #interval: number
  readonly #slice: number
  readonly #askedAt = Rate.bySource(questionsAtHost)
  readonly #suspectedAt = new WeakMap<Entry, number>()
  /** By hosts. */
  readonly #turns: Turns

  constructor(parts: Parts, probes: FiberMap.FiberMap<PublicKey>, room: Semaphore.Semaphore) {
    this.#parts = parts
    this.#probes = probes
    this.#room = room
    this.#interval = intervalMillis(parts.config)
    this.#slice = this.#interval / slicesPerInterval
    this.#turns = new Turns(() =>
      Math.max(leastAtHost, Math.min(mostAtHost, Math.floor(atHostOfAll / parts.table.size)))
    )
  }

  /** Looks after every peer, five times an interval. */
  get watch(): Effect.Effect<never> {
    const { asking, membership, now, table } = this.#parts
    return Effect.gen({ self: this }, function*() {
      let last = now()
      // Before that nobody can have been silent for too long, whoever comes or is heard meanwhile.
      let next = last
      // When all are looked at, and who alone can have been silent for too long before that: of many those are few.
      let nextOfAll = last
      let few = new Set<Entry>()
      while (true) {
        yield* Effect.sleep(this.#slice)
        const at = now()
        // This process was frozen or starved: that time is nobody's silence.
        const late = at - last - this.#slice
        const pardon = late > this.#slice ? late : 0
        last = at
        for (const entry of asking.round(at, pardon > 0)) {
          this.#look(entry)
          // Whoever read that another one is a suspect may have heard of this one, or taken it off.
          if (entry.peer.status !== "Online" || entry.heardAt >= at) continue
          next = at
          few.add(entry)
          yield* this.#suspect(entry, at - entry.heardAt)
        }
        if (at < next && pardon === 0) continue
        const isOfAll = at >= nextOfAll || pardon > 0 || few.size > table.size / manyMore
        // Those that broadcast are to be heard as often as each other, however many they are.
        const byBroadcast = asking.interval(undefined)
        const isCrowd = byBroadcast > this.#interval
        // Who comes after this look, and is silent then, is to be asked in time.
        if (isOfAll) nextOfAll = at + (isCrowd ? suspectAfter : quietAfter) * this.#interval
        next = nextOfAll
        const soon = new Set<Entry>()
        for (const entry of isOfAll ? table.entries() : few) {
          if (entry.table !== table) continue
          if (pardon > 0) entry.heardAt = Math.min(at, entry.heardAt + pardon)
          this.#look(entry)
          const { heardAt } = entry
          const interval = entry.places === undefined ? this.#interval : byBroadcast
          const due = heardAt + suspectAfter * interval
          const asksAt = isCrowd ? undefined : asking.quietAt(entry)
          // Most were heard, and there is nothing else to look at.
          if ((asksAt ?? due) >= nextOfAll) continue
          soon.add(entry)
          // Nobody can ask where there is no address, and the session that makes it a peer notices silence itself.
          if (entry.addresses.isEmpty) continue
          if (entry.peer.status === "Online") {
            if (asksAt !== undefined && asksAt <= at && due > at) asking.askQuiet(entry, at)
            else if (asksAt !== undefined) next = Math.min(next, Math.max(at, asksAt))
            next = Math.min(next, Math.max(at, due))
            if (due <= at && !asking.asksFirst(entry, at)) yield* this.#suspect(entry, at - heardAt)
          } else {
            const lost = Math.max(heardAt + lostAfter * interval, this.#answersBy(entry))
            next = Math.min(next, lost)
            if (lost <= at) membership.lose(entry, "Silent")
          }
        }
        few = soon
      }
    })
  }

  /** Hears of a peer what a discovery knows that keeps who is there. */
  #look(entry: Entry): void {
    const until = entry.thereUntil()
    if (until > entry.heardAt) this.#parts.membership.heard(entry, "Advert", until)
  }

  /** Until when a suspect has time to answer. Where most of a crowd have left at once it was silent for long already when it was suspected. */
  #answersBy(entry: Entry): number {
    return (this.#suspectedAt.get(entry) ?? -Infinity) + (probeSlices + 1) * this.#slice
  }

  #suspect(entry: Entry, silentMillis: number): Effect.Effect<unknown> {
    this.#parts.membership.suspect(entry, silentMillis)
    this.#suspectedAt.set(entry, this.#parts.now())
    return FiberMap.run(this.#probes, entry.peer.publicKey, this.#inTurn(entry, this.#probe(entry)))
  }

  /** Has those that adverts alone place at a host asked one after another. Whose key has proved itself there, and who is on this machine, waits for nobody. */
  #inTurn(entry: Entry, probe: Effect.Effect<void>): Effect.Effect<void> {
    const host = entry.peer.endpoints[0]?.host
    if (host === undefined || entry.addresses.proved !== undefined || isLoopback(host)) return probe
    return this.#turns.run(host, probe)
  }

  /** Asks a suspect, and acts on what that comes to. */
  #probe(entry: Entry): Effect.Effect<void> {
    return Effect.gen(() => this.#probing(entry)).pipe(Effect.scoped, this.#room.withPermit)
  }

  *#probing(entry: Entry) {
    const { asking, membership, presence, self, table } = this.#parts
    // It was heard, or taken off, before its turn came.
    if (entry.peer.status !== "Suspect" || table.find(entry.peer.publicKey) !== entry) return
    const decided = Deferred.makeUnsafe<Verdict>()
    entry.probe = decided
    const tries = yield* this.#tryAll(entry, decided)
    yield* Effect.forkScoped(Effect.andThen(
      Effect.sleep(toldAfterSlices * this.#slice),
      Effect.suspend(() => asking.isDoubted(entry) ? Effect.void : asking.tell(entry))
    ))
    const verdict = yield* Deferred.await(decided)
    entry.probe = undefined
    if (verdict === "Moot" || entry.peer.status !== "Suspect") return
    presence.publish({ _tag: "Probed", peer: entry.peer, reason: verdict, tries: tries.count })
    // An err is in clear: on a network with a key anybody could keep a peer alive by it that has no key any more. So it
    // only leaves it the time that its silence may last.
    if (verdict === "Busy" && self.cipher.encrypted) return
    if (verdict === "Answered" || verdict === "Busy") membership.heard(entry, "Probe")
    else {
      membership.lose(entry, verdict)
      yield* asking.tell(entry)
    }
  }

  /** Asks at one address after another, without waiting for the answers, until it is decided; counts how often. */
  #tryAll(entry: Entry, decided: Deferred.Deferred<Verdict>) {
    const { now } = this.#parts
    const { endpoints } = entry.peer
    const started = now()
    const tries = { count: 0 }
    const refused = new Set<Endpoint>()
    const attempt = (endpoint: Endpoint) =>
      Effect.flatMap(this.#ask(entry, endpoint), (answer) => {
        if (answer === "Answered" || answer === "Busy") return Deferred.succeed(decided, answer)
        if (answer === "Refused") refused.add(endpoint)
        return refused.size === endpoints.length ? Deferred.succeed(decided, "Refused") : Effect.void
      })
    // Counted in slices slept, not in time passed: a process that was frozen meanwhile finds its answers waiting, and
    // must read them before it blames anybody.
    const all = Effect.gen({ self: this }, function*() {
      for (let i = 0; i < probeSlices; i++) {
        const endpoint = endpoints[i % endpoints.length]!
        if (i < probeTries && this.#mayAsk(entry, endpoint)) {
          tries.count++
          yield* Effect.forkScoped(attempt(endpoint))
        }
        yield* Effect.sleep(this.#slice)
      }
      if (now() - started > (probeSlices + 1) * this.#slice) yield* Effect.sleep(this.#slice)
      // Who was not asked has not failed to answer: only its silence tells.
      yield* Deferred.succeed(decided, tries.count === 0 ? "Moot" : "NoAnswer")
    })
    return Effect.as(Effect.forkScoped(all), tries)
  }

  /** Whether there is room for one more question at a host, of all that adverts place there beside others. */
  #mayAsk(entry: Entry, endpoint: Endpoint): boolean {
    return entry.addresses.proved === endpoint || isLoopback(endpoint.host) ||
      this.#askedAt.take(endpoint.host, this.#parts.now())
  }

  #ask(entry: Entry, endpoint: Endpoint): Effect.Effect<"Answered" | "Busy" | "Refused" | "NoAnswer"> {
    const { clock, config: { bindIp, limits }, self, transport } = this.#parts
    return AdvertExchange.exchange(transport, self, { host: bindIp, port: 0 }, endpoint, {
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
  }
}

/** Watches every peer of the table, as long as it is run. Probes end with the scope. */
export const make = (parts: Parts): Effect.Effect<Effect.Effect<never>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const probes = yield* FiberMap.make<PublicKey>()
    const room = yield* Semaphore.make(parts.config.limits.probes)
    return new Liveness(parts, probes, room).watch
  })
