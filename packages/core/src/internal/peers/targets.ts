/** Whom a call is addressed to: by names, or by what peers offer. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { CurrentDeadline, nowUnsafe } from "../../Deadline.ts"
import type { Peer, Peers, Target, Where } from "../../Peers.ts"
import { quote } from "../base/quote.ts"

/** The names of all peers that are known now, each once. */
export const namesOfAll = (peers: Peers["Service"]): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(peers.all, (all) => [...new Set<string>(all.map((peer) => peer.name))])

/** The names that a target means, each once; a list may name peers that are not there. */
export const namesOf = (peers: Peers["Service"], target: Target): Effect.Effect<ReadonlyArray<string>> =>
  target === "*"
    ? namesOfAll(peers)
    : typeof target === "string"
    ? Effect.succeed([target])
    : Array.isArray(target)
    ? Effect.succeed([...new Set<string>(target)])
    // A node that cannot know whom it means would call nobody, and succeed.
    : Effect.map(Effect.orDie(peers.resolve(target as Where)), (found) => found.map(({ name }) => name))

/** How several are called. */
interface Several {
  /** The time for each call. */
  readonly timeout?: Duration.Input | undefined
  readonly concurrency?: number | "unbounded" | undefined
}

/** Whom a call is for, found in its time; and when that is up, where all are called at once and what the search took is a part of it. */
const found = (names: Effect.Effect<ReadonlyArray<string>>, { concurrency = "unbounded", timeout }: Several) =>
  Effect.gen(function*() {
    const inherited = yield* CurrentDeadline
    if (timeout === undefined) return { names: yield* names, until: inherited }
    const own = nowUnsafe(yield* Clock.Clock) + Duration.toMillis(Duration.fromInputUnsafe(timeout))
    const earliest = Math.min(inherited ?? Infinity, own)
    const until = earliest === Infinity ? undefined : earliest
    return {
      names: yield* Effect.provideService(names, CurrentDeadline, until),
      until: concurrency === "unbounded" ? until : inherited
    }
  })

/** Calls all of a target. */
export const withNamesOf = <A, E, R>(
  peers: Peers["Service"],
  target: Target,
  several: Several,
  use: (names: ReadonlyArray<string>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    found(namesOf(peers, target), several),
    ({ names, until }) => Effect.provideService(use(names), CurrentDeadline, until)
  )

/** `withNamesOf`, for a stream. */
export const streamOfNames = <A, E, R>(
  peers: Peers["Service"],
  target: Target,
  several: Several,
  use: (names: ReadonlyArray<string>) => Stream.Stream<A, E, R>
): Stream.Stream<A, E, R> =>
  Stream.unwrap(
    Effect.map(
      found(namesOf(peers, target), several),
      ({ names, until }) => Stream.provideService(use(names), CurrentDeadline, until)
    )
  )

/** A function that a peer has to serve; without a contract whatever it takes and gives. */
export interface Served {
  readonly name: string
  readonly contract: string | undefined
}

/** A target by what peers offer, checked. */
export interface Wanted {
  readonly role: string | undefined
  readonly serves: ReadonlyArray<Served>
  readonly where: ((peer: Peer) => boolean) | undefined
  /**
   * Whether `"*"` was said to a client of the functions: then it is every known peer, but those that do not say that they serve them though they say what they
   * offer, and those that the trust policy does not grant it to where it says anything about that.
   */
  readonly everybody: boolean
}

const everybodyServing = Symbol("@pnet/core/internal/targets/everybodyServing")

/** What `"*"` is to a client of some functions. */
export const serving = (names: ReadonlyArray<string>): Where =>
  ({ serves: names, [everybodyServing]: true }) as unknown as Where

export const mistaken = (target: unknown): Effect.Effect<never> =>
  Effect.die(
    new TypeError(
      `a target is a name, a list of names, "*" for all peers, or what peers offer, { role, serves, where } with at least one of them, and ${
        target !== null && typeof target === "object" ? "an object without or with others" : String(target)
      } was given`
    )
  )

const servedOf = (serves: unknown): ReadonlyArray<Served> | undefined => {
  const list: ReadonlyArray<unknown> = Array.isArray(serves) ? serves : [serves]
  const served: Array<Served> = []
  for (const one of list) {
    if (typeof one === "string") served.push({ name: one, contract: undefined })
    else if (typeof one === "object" && one !== null && "name" in one && typeof one.name === "string") {
      const contract = "contract" in one ? one.contract : undefined
      if (contract !== undefined && typeof contract !== "string") return undefined
      served.push({ name: one.name, contract })
    } else return undefined
  }
  return served.length === 0 ? undefined : served
}

const keys: ReadonlySet<string> = new Set(["role", "serves", "where"])

/**
 * What a target asks for. Types do not see a variable that is not set: what is there and is nothing would stand for every peer, and a key that
 * is misspelt, too.
 */
export const wantedOf = (target: unknown): Effect.Effect<Wanted> => {
  if (typeof target !== "object" || target === null || Array.isArray(target)) return mistaken(target)
  const given = Object.keys(target)
  if (given.length === 0 || given.some((key) => !keys.has(key))) return mistaken(target)
  const { role, serves, where } = target as Record<string, unknown>
  const served = "serves" in target ? servedOf(serves) : []
  if (
    served === undefined || "role" in target && typeof role !== "string" ||
    "where" in target && typeof where !== "function"
  ) return mistaken(target)
  return Effect.succeed({
    role: role as string | undefined,
    serves: served,
    where: where as Wanted["where"],
    everybody: everybodyServing in target
  })
}

const someNames = 4

/** What a target asks for, in words: behind "peer" or "peers". */
export const describe = (target: Where | Wanted): string => {
  // Whoever calls is told what is wrong with it.
  if (typeof target !== "object" || target === null) return String(target)
  const served = target.serves === undefined ? [] : servedOf(target.serves) ?? []
  const names = served.slice(0, someNames).map(({ name }) => quote(name)).join(", ")
  return [
    ...(target.role === undefined ? [] : [`with the role ${quote(target.role)}`]),
    ...(served.length === 0 ? [] : [`serving ${names}${served.length > someNames ? ", …" : ""}`]),
    ...(target.where === undefined ? [] : ["for which its predicate holds"])
  ].join(" and ")
}
