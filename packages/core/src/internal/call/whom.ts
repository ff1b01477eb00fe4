/**
 * Whom a call is addressed to, where that may be said by the groups and commands that peers serve, and by topics: these are names and the hashes of
 * contracts, which is what peers tell of.
 */
import type * as Rpc from "effect/rpc/Rpc"
import * as Command from "../../Command.ts"
import { Any, type One, type Target, type Where } from "../../Peers.ts"
import type * as Topic from "../../Topic.ts"
import * as Contract from "./contract.ts"
import { jsonContractOf } from "./rpcContract.ts"
import { codingOf } from "./topicCoding.ts"

interface Served {
  readonly name: string
  readonly contract: string
}

const known = new WeakMap<object, ReadonlyArray<Served>>()

/** Hashed once, however often it is a target. */
const once = (of: object, make: () => ReadonlyArray<Served>): ReadonlyArray<Served> => {
  const found = known.get(of) ?? make()
  known.set(of, found)
  return found
}

/** The functions of a group, each by its very contract. */
const ofGroup = (requests: ReadonlyMap<string, unknown>): ReadonlyArray<Served> =>
  Array.from(requests.values(), (rpc) => ({
    name: (rpc as Rpc.AnyWithProps)._tag,
    contract: Contract.hashOf(jsonContractOf(rpc as Rpc.AnyWithProps))
  }))

/** The functions that are meant by what peers may be chosen by. */
export const servedOf = (one: unknown): ReadonlyArray<unknown> => {
  if (Command.isCommand(one)) return once(one, () => [{ name: one.name, contract: Contract.ofCommand(one).contract }])
  // A group is a class.
  if ((typeof one === "function" || typeof one === "object" && one !== null) && "requests" in one) {
    const { requests } = one
    if (requests instanceof Map) return once(one, () => ofGroup(requests))
  }
  return [one]
}

const isTopic = (one: unknown): one is Topic.Any =>
  typeof one === "object" && one !== null && "_tag" in one && one._tag === "Topic"

/** A topic, by its very contract. */
const subscribedOf = (one: unknown): unknown =>
  isTopic(one) ? { name: one.name, contract: codingOf(one).contract } : one

const list = (given: unknown): ReadonlyArray<unknown> => Array.isArray(given) ? given : [given]

const whereOf = (where: unknown): Where => {
  // What is none is told by whoever reads it.
  if (typeof where !== "object" || where === null) return where as Where
  return {
    ...where,
    ...("serves" in where ? { serves: list(where.serves).flatMap(servedOf) } : {}),
    ...("subscribes" in where ? { subscribes: list(where.subscribes).map(subscribedOf) } : {})
  } as Where
}

/** A target, with names and contracts in the place of groups and commands. */
export const targetOf = (target: unknown): Target =>
  typeof target === "string" || Array.isArray(target) ? target as Target : whereOf(target)

/** One peer, in the same way. */
export const oneOf = (one: string | Any<unknown>): One => typeof one === "string" ? one : new Any(whereOf(one.where))

const whereKeys = ["role", "serves", "subscribes", "where"]

/** Whether it is said what peers offer, and not how they are called. */
export const isWhere = (given: unknown): boolean =>
  typeof given === "object" && given !== null && whereKeys.some((key) => key in given)
