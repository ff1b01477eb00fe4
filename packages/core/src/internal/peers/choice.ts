/**
 * Peers by what they offer: which of those that are there qualify, and why the others do not. What counts is what the trust policy grants a peer; what it
 * says beyond that is told to whoever finds nobody.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { NodeClosedError } from "../../FunctionError.ts"
import type { Offer } from "../../Offer.ts"
import { type Any, type Peer, PeerUnknownError, type Target, type Where } from "../../Peers.ts"
import * as Rights from "../../Rights.ts"
import { rightsOf, type Trust } from "../../Trust.ts"
import * as Seldom from "../base/seldom.ts"
import { isMeant, isTaken } from "../values/topicNames.ts"
import type { Interest } from "./interest.ts"
import type { Lookup } from "./lookup.ts"
import type { Presence } from "./presence.ts"
import type { Table } from "./table.ts"
import { describe, type Named, type Wanted, wantedOf } from "./targets.ts"

// How many names an error has of each kind.
const namesTold = 10

interface Parts {
  readonly table: Table
  readonly presence: Presence
  readonly lookup: Lookup
  readonly interest: Interest
  readonly trust: Trust["Service"]
  /** The node's: a simulation that its seed replays draws the same, whoever asks. */
  readonly random: Random.Random
}

/** Why peers that are there do not qualify. */
interface Left {
  readonly notGranted: Array<string>
  readonly draining: Array<string>
  readonly suspect: Array<string>
}

const serves = ({ functions }: Offer, served: ReadonlyArray<Named>): boolean =>
  served.every(({ contract, name }) =>
    Object.hasOwn(functions, name) && (contract === undefined || functions[name] === contract)
  )

const subscribes = ({ topics }: Offer, wanted: ReadonlyArray<Named>): boolean =>
  wanted.every(({ contract, name }) =>
    topics.some((entry) => isMeant(entry, name) && (contract === undefined || isTaken(entry, contract)))
  )

/** Whether it is asked for something that peers say themselves. */
const isAsked = ({ role, serves, subscribes }: Wanted): boolean =>
  role !== undefined || serves.length > 0 || subscribes.length > 0

const offers = (offer: Offer | undefined, wanted: Wanted): boolean =>
  !isAsked(wanted) ||
  offer !== undefined && (wanted.role === undefined || offer.roles.includes(wanted.role)) &&
    serves(offer, wanted.serves) && subscribes(offer, wanted.subscribes)

/** Whether a policy lets a peer serve all of them, or says nothing about what peers may serve. */
const maySay = ({ serves: granted }: Rights.Rights, names: ReadonlyArray<string>): boolean =>
  granted === Rights.named.serves || names.every((name) => Rights.allows(granted, name))

export class Choice {
  readonly #parts: Parts
  readonly #lines: Seldom.Lines

  constructor(parts: Parts, clock: Clock.Clock) {
    this.#parts = parts
    this.#lines = Seldom.lines(clock)
  }

  /** Those that a target means which are there now. */
  all(target: Where): Effect.Effect<ReadonlyArray<Peer>, PeerUnknownError | NodeClosedError> {
    return Effect.flatMap(wantedOf(target), (wanted) => this.#found(wanted))
  }

  /** One of them, by chance. */
  one({ where }: Any): Effect.Effect<Peer, PeerUnknownError | NodeClosedError> {
    return Effect.flatMap(wantedOf(where), (wanted) =>
      Effect.flatMap(this.#found(wanted), (found) => {
        const [first] = found
        if (first === undefined) return this.#nobody(wanted, { found: 0, atLeast: 1 })
        return Effect.sync(() => found[Math.floor(this.#parts.random.nextDoubleUnsafe() * found.length)]!)
      }))
  }

  /** Who follows those that a target means: how to look for them, and whether one of them still offers what is asked for. */
  following(target: Where): Effect.Effect<
    { readonly look: Effect.Effect<ReadonlyArray<Peer>>; readonly fits: (peer: Peer) => boolean },
    never,
    Scope.Scope
  > {
    return Effect.flatMap(wantedOf(target), (wanted) =>
      Effect.as(this.#parts.interest.held, {
        look: this.#look(wanted),
        fits: (peer) => offers(peer.offer, wanted)
      }))
  }

  /** Waits until at least so many of those that a target means are there. */
  await(
    target: Target,
    least: number,
    within: Duration.Input
  ): Effect.Effect<ReadonlyArray<Peer>, PeerUnknownError | NodeClosedError> {
    const { interest, lookup } = this.#parts
    // A half of five is no number of peers, and an error says how many they had to be.
    const atLeast = Math.min(Math.ceil(least), Number.MAX_SAFE_INTEGER)
    const offered = typeof target === "object" && !Array.isArray(target)
    return Effect.gen({ self: this }, function*() {
      const wanted = offered ? yield* wantedOf(target) : undefined
      if (lookup.closed) return yield* lookup.closedError
      if (wanted !== undefined && this.#isBlind(wanted)) return yield* this.#nobody(wanted, { found: 0, atLeast })
      if (wanted !== undefined) yield* interest.held
      const look = wanted === undefined ? lookup.those(target as string | ReadonlyArray<string>) : this.#look(wanted)
      const waited = Duration.fromInputUnsafe(within)
      let last: ReadonlyArray<Peer> = []
      const there = lookup.news.pipe(
        Stream.mapEffect(() => Effect.tap(look, (found) => Effect.sync(() => void (last = found)))),
        Stream.filter((found) => found.length >= atLeast),
        Stream.runHead,
        // The stream does not end.
        Effect.flatMap((head) => Effect.orDie(Effect.fromOption(head)))
      )
      return yield* Effect.timeoutOrElse(there, {
        duration: waited,
        orElse: (): Effect.Effect<never, PeerUnknownError> =>
          wanted === undefined
            ? lookup.unknown(
              typeof target === "string" ? target : this.#missing(target as ReadonlyArray<string>, last),
              waited
            )
            : this.#nobody(wanted, { found: last.length, atLeast }, waited)
      })
    }).pipe(Effect.scoped)
  }

  /** Those that a target means and those of them that drain, now and whenever they are others. */
  matching(target: Where): Stream.Stream<ReadonlyArray<Peer>> {
    return Stream.unwrap(
      Effect.map(
        wantedOf(target),
        (wanted) => Stream.mapEffect(this.#parts.presence.news, () => this.#look(wanted, true))
      )
    )
  }

  #missing(names: ReadonlyArray<string>, found: ReadonlyArray<Peer>): string {
    return names.find((name) => !found.some((peer) => peer.name === name)) ?? names[0] ?? ""
  }

  /** Whether this node has no way to learn what a target asks for. */
  #isBlind(wanted: Wanted): boolean {
    return !this.#parts.interest.isFollowed && isAsked(wanted)
  }

  #found(wanted: Wanted): Effect.Effect<ReadonlyArray<Peer>, PeerUnknownError | NodeClosedError> {
    const { interest, lookup } = this.#parts
    if (lookup.closed) return Effect.fail(lookup.closedError)
    if (this.#isBlind(wanted)) return this.#nobody(wanted, { found: 0, atLeast: 1 })
    return Effect.andThen(interest.known, this.#look(wanted))
  }

  #look(wanted: Wanted, drained = false): Effect.Effect<ReadonlyArray<Peer>> {
    const { lookup, presence, table } = this.#parts
    return Effect.suspend(() => {
      let failure: { readonly defect: unknown } | undefined
      const holds = (peer: Peer): boolean => {
        try {
          // What is no answer, such as a promise, is no.
          return wanted.where === undefined || wanted.where(peer) === true
        } catch (defect) {
          failure ??= { defect }
          return false
        }
      }
      // Everybody are those who are suspected, too, as for names.
      const there = presence.all.filter((peer) =>
        (wanted.everybody || peer.status === "Online") && (drained || peer.offer?.draining !== true) &&
        offers(peer.offer, wanted)
      )
      const { group } = wanted
      const able = group === undefined
        ? Effect.succeed(there)
        : Effect.filter(there, (peer) => this.#maySay(peer, group))
      return Effect.flatMap(able, (able) => {
        const found = able.filter(holds)
        // Of several of one name, the one that it is known to belong to.
        const named = table.isAnyShared
          ? Effect.filter(
            found,
            ({ name, publicKey }) => Effect.map(lookup.get(name), (peer) => peer?.publicKey === publicKey)
          )
          : Effect.succeed(found)
        return failure === undefined ? named : Effect.andThen(this.#broke(failure.defect), named)
      })
    })
  }

  /** Whether a peer may be one of those that a client of these functions means. */
  #maySay({ name, publicKey }: Peer, names: ReadonlyArray<string>): Effect.Effect<boolean> {
    const claimed = this.#parts.table.find(publicKey)?.claimed
    if (claimed !== undefined && !names.every((name) => Object.hasOwn(claimed.functions, name))) {
      return Effect.succeed(false)
    }
    return Effect.map(
      Effect.catchCause(rightsOf(this.#parts.trust, name, publicKey), () => Effect.succeed(Rights.none)),
      (rights) => maySay(rights, names)
    )
  }

  #broke(defect: unknown): Effect.Effect<void> {
    return this.#lines(
      defect instanceof Error ? `${defect.name} ${defect.message.slice(0, 200)}` : typeof defect,
      "predicate",
      (more) => Effect.logError(`the predicate of a target threw, which is no${more}`, defect)
    )
  }

  /** Why there are not enough. */
  #nobody(
    wanted: Wanted,
    count: { readonly found: number; readonly atLeast: number },
    waited?: Duration.Duration
  ): Effect.Effect<never, PeerUnknownError> {
    return Effect.suspend(() => {
      const { interest, lookup, presence, table } = this.#parts
      const left: Left = { notGranted: [], draining: [], suspect: [] }
      for (const peer of presence.all) {
        const claimed = table.find(peer.publicKey)?.claimed
        if (!offers(claimed, wanted)) continue
        const why = !offers(peer.offer, wanted)
          ? left.notGranted
          : peer.offer?.draining === true
          ? left.draining
          : peer.status === "Suspect"
          ? left.suspect
          : undefined
        if (why !== undefined && why.length < namesTold) why.push(peer.name)
      }
      return lookup.unknown(describe(wanted), waited, { ...count, ...left, asks: interest.isFollowed })
    })
  }
}
