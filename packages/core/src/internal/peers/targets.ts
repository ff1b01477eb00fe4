/** Whom a call is addressed to: by names, or by what peers offer. */
import * as Effect from "effect/Effect"
import { DeadlineError, type NodeClosedError } from "../../FunctionError.ts"
import type { NodeName } from "../../Packet.ts"
import type { Peer, Peers, Target, Where } from "../../Peers.ts"
import { quote } from "../base/quote.ts"

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
  const { [ofGroup]: group, role, serves, where } = target as Record<string, unknown> & { readonly [ofGroup]?: OfGroup }
  const everybody = group?.everybody === true
  if (given.length === 0 && !everybody || given.some((key) => !keys.has(key))) return mistaken(target)
  const served = "serves" in target ? servedOf(serves) : []
  if (
    served === undefined || "role" in target && typeof role !== "string" ||
    "where" in target && typeof where !== "function"
  ) return mistaken(target)
  return Effect.succeed({
    role: role as string | undefined,
    serves: served,
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
  const served = target.serves === undefined ? [] : servedOf(target.serves) ?? []
  const names = served.slice(0, someNames).map(({ name }) => quote(name)).join(", ")
  return [
    ...(target.role === undefined ? [] : [`with the role ${quote(target.role)}`]),
    ...(served.length === 0 ? [] : [`serving ${names}${served.length > someNames ? ", …" : ""}`]),
    ...(target.where === undefined ? [] : ["for which its predicate holds"])
  ].join(" and ")
}

/** The time of a call, or of a message, was up before it was known who is there. */
export const noneInTime = (where: Where, called: { readonly function?: string } = {}): DeadlineError =>
  new DeadlineError({
    peer: "any" as NodeName,
    ...called,
    mayHaveRun: false,
    detail: `nobody was known by then of peers ${describe(where)}`
  })
