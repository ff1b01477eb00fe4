/** Whom a call is addressed to: by names, or by what peers offer. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { DeadlineError, type NodeClosedError } from "../../FunctionError.ts"
import type { NodeName } from "../../Packet.ts"
import type { AwaitOptions, Peer, Peers, Target, Where } from "../../Peers.ts"
import { quote } from "../base/quote.ts"
import type { Waited } from "../base/waited.ts"
import { isTopicName } from "../values/topicNames.ts"

/** The names of all peers that are known now, each once. */
export const namesOfAll = (peers: Peers["Service"]): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(peers.all, (all) => [...new Set<string>(all.map((peer) => peer.name))])

/** The names of a target that is made of names. */
const named = (target: Target): ReadonlyArray<string> | undefined =>
  typeof target === "string" ? target === "*" ? undefined : [target] : Array.isArray(target) ? target : undefined

/**
 * The names that a target means, each once; a list may name peers that are not there. Fails where the node is closed, whoever is meant.
 */
export const namesOf = (
  peers: Peers["Service"],
  target: Target
): Effect.Effect<ReadonlyArray<string>, NodeClosedError> => {
  const names = named(target)
  const found = names === undefined
    ? Effect.map(peers.resolve(target), (found) => found.map(({ name }) => name))
    // Each is looked up when it is called.
    : Effect.as(peers.resolve([]), names)
  return Effect.matchEffect(found, {
    onSuccess: (names) => Effect.succeed([...new Set<string>(names)]),
    // A node that cannot know whom it means would call nobody, and succeed.
    onFailure: (error) => error._tag === "NodeClosedError" ? Effect.fail(error) : Effect.die(error)
  })
}

/** A function that a peer has to serve, or a topic that it has to subscribe to; without a contract whatever it takes and gives. */
export interface Named {
  readonly name: string
  readonly contract: string | undefined
}

/** A target by what peers offer, checked. */
export interface Wanted {
  readonly role: string | undefined
  readonly serves: ReadonlyArray<Named>
  readonly subscribes: ReadonlyArray<Named>
  readonly where: ((peer: Peer) => boolean) | undefined
  /**
   * The functions of a client of several peers, by name: those are left out that do not say that they serve them though they say what they offer, and those that
   * the trust policy does not grant it to where it says anything about that.
   */
  readonly group: ReadonlyArray<string> | undefined
  /** Whether a client's `"*"` is meant: every known peer, but those. */
  readonly everybody: boolean
}

const ofGroup = Symbol("@pnet/core/internal/targets/ofGroup")

interface OfGroup {
  readonly names: ReadonlyArray<string>
  readonly everybody: boolean
}

/** What a target is to a client of some functions; names are whom they name. */
export const serving = (names: ReadonlyArray<string>, target: Target): Target => {
  const everybody = target === "*"
  const isOffered = typeof target === "object" && target !== null && !Array.isArray(target)
  if (names.length === 0 || !everybody && !isOffered) return target
  const group: OfGroup = { names, everybody }
  return { ...(isOffered ? target as Where : {}), [ofGroup]: group } as Where
}

/** The fields of a time that is an object. Without one of them it would be no time at all. */
const units: ReadonlySet<string> = new Set([
  "weeks",
  "days",
  "hours",
  "minutes",
  "seconds",
  "milliseconds",
  "microseconds",
  "nanoseconds"
])

const shownOf = (given: unknown): string =>
  typeof given === "string"
    ? quote(given.slice(0, 100))
    : typeof given === "object" && given !== null
    ? `an object of ${Object.keys(given).slice(0, 5).join(", ") || "nothing"}`
    : String(given)

/** What a program without types may say for a time in the place of one: refused, as it would wait for no time, or for another. */
const isTime = (given: unknown): given is Duration.Input => {
  if (Option.isNone(Duration.fromInput(given as Duration.Input))) return false
  if (typeof given !== "object" || given === null || Duration.isDuration(given) || Array.isArray(given)) return true
  // Others may have their fields from a class, as Temporal has.
  if (Object.getPrototypeOf(given) !== Object.prototype) return true
  const fields = Object.keys(given)
  return fields.length > 0 && fields.every((field) => units.has(field))
}

/** Waits for as long as is said, or says that this is no time. */
export const inTime = <A, E>(
  what: string,
  given: unknown,
  wait: (time: Duration.Input) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  isTime(given)
    ? wait(given)
    : Effect.die(new TypeError(`${what} is a time, as "10 seconds", and ${shownOf(given)} was given`))

const awaitOptions: ReadonlySet<string> = new Set(["atLeast", "within"])

/** What `awaitPeers` is told beside the target. */
export const awaiting = <A, E>(
  given: unknown,
  wait: (atLeast: number, within: Duration.Input) => Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  const options = given ?? {}
  if (typeof options !== "object" || !Object.keys(options).every((key) => awaitOptions.has(key))) {
    return Effect.die(
      new TypeError(`awaitPeers takes { atLeast, within } behind the target, and ${shownOf(options)} was given`)
    )
  }
  const { atLeast, within } = options as AwaitOptions
  return inTime("within, of awaitPeers,", within ?? "10 seconds", (within) => wait(atLeast ?? 1, within))
}

export const mistaken = (target: unknown): Effect.Effect<never> =>
  Effect.die(
    new TypeError(
      `a target is a name, a list of names, "*" for all peers, or what peers offer, { role, serves, subscribes, where } with at least one of them, and ${
        target !== null && typeof target === "object" ? "an object without or with others" : String(target)
      } was given`
    )
  )

/** One or several, by name or by name and contract; `undefined` where it is something else, or none. */
const listed = (given: unknown): ReadonlyArray<Named> | undefined => {
  const list: ReadonlyArray<unknown> = Array.isArray(given) ? given : [given]
  const all: Array<Named> = []
  for (const one of list) {
    if (typeof one === "string") all.push({ name: one, contract: undefined })
    else if (typeof one === "object" && one !== null && "name" in one && typeof one.name === "string") {
      const contract = "contract" in one ? one.contract : undefined
      if (contract !== undefined && typeof contract !== "string") return undefined
      all.push({ name: one.name, contract })
    } else return undefined
  }
  return all.length === 0 ? undefined : all
}

const keys: ReadonlySet<string> = new Set(["role", "serves", "subscribes", "where"])

/**
 * What a target asks for. Types do not see a variable that is not set: what is there and is nothing would stand for every peer, and a key that
 * is misspelt, too.
 */
export const wantedOf = (target: unknown): Effect.Effect<Wanted> => {
  if (typeof target !== "object" || target === null || Array.isArray(target)) return mistaken(target)
  const given = Object.keys(target)
  const { [ofGroup]: group, role, serves, subscribes, where } = target as Record<string, unknown> & {
    readonly [ofGroup]?: OfGroup
  }
  const everybody = group?.everybody === true
  if (given.length === 0 && !everybody || given.some((key) => !keys.has(key))) return mistaken(target)
  const served = "serves" in target ? listed(serves) : []
  const topics = "subscribes" in target ? listed(subscribes) : []
  if (
    served === undefined || topics === undefined || "role" in target && typeof role !== "string" ||
    "where" in target && typeof where !== "function"
  ) return mistaken(target)
  for (const { name } of topics) {
    const wrong = isTopicName(name)
    if (wrong !== true) {
      return Effect.die(new TypeError(`a target by topics has their names, and ${quote(name)} is none: ${wrong}`))
    }
  }
  return Effect.succeed({
    role: role as string | undefined,
    serves: served,
    subscribes: topics,
    where: where as Wanted["where"],
    group: group?.names,
    everybody
  })
}

const someNames = 4

/** What a target asks for, in words: behind "peer" or "peers". */
export const describe = (target: Where | Wanted): string => {
  // Whoever calls is told what is wrong with it.
  if (typeof target !== "object" || target === null) return String(target)
  const said = (verb: string, given: unknown): ReadonlyArray<string> => {
    const all = given === undefined ? [] : listed(given) ?? []
    const names = all.slice(0, someNames).map(({ name }) => quote(name)).join(", ")
    return all.length === 0 ? [] : [`${verb} ${names}${all.length > someNames ? ", …" : ""}`]
  }
  return [
    ...(target.role === undefined ? [] : [`with the role ${quote(target.role)}`]),
    ...said("serving", target.serves),
    ...said("subscribing to", target.subscribes),
    ...(target.where === undefined ? [] : ["for which its predicate holds"])
  ].join(" and ")
}

/** The time of a call, or of a message, was up before it was known who is there. */
export const noneInTime = (
  where: Where,
  called: Waited & { readonly function?: string } = {}
): DeadlineError =>
  new DeadlineError({
    peer: "any" as NodeName,
    ...called,
    mayHaveRun: false,
    detail: `nobody was known by then of peers ${describe(where)}`
  })
