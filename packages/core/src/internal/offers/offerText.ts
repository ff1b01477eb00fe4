/**
 * What a node offers, as one line of JSON (protocol section 14). What is not said is not there: no roles, no functions, not draining.
 *
 * What bites: it is a peer's text, and taken only where each part has its form and keeps to its bound.
 */
import * as Schema from "effect/Schema"
import * as Offer from "../../Offer.ts"
import { utf8 } from "../base/platform.ts"
import { isObject, parse } from "../wire/json.ts"

const isRoles = Schema.is(Offer.Roles)
const isMeta = Schema.is(Offer.Meta)
const isCapacity = Schema.is(Offer.Capacity)

/** The hash of a contract, or none. */
const isContract = (value: unknown): boolean => typeof value === "string" && /^(?:[0-9a-f]{16})?$/.test(value)

const isFunctions = (value: unknown): value is Offer.Offer["functions"] => {
  if (!isObject(value)) return false
  const functions = Object.entries(value)
  return functions.length <= Offer.maxFunctions &&
    functions.every(([name, contract]) => Offer.isFunctionName(name) && isContract(contract))
}

const isInterest = Schema.is(Offer.Interest)

/** A subscription, where each of its fields is as it has to be; those that are not known are ignored. */
const interestOf = (value: unknown): Offer.Interest | undefined => {
  if (!isObject(value)) return undefined
  const said: Record<string, unknown> = {}
  for (const field in Offer.Interest.fields) if (value[field] !== undefined) said[field] = value[field]
  const interest = Offer.interest(said as Offer.InterestInput)
  return isInterest(interest) ? interest : undefined
}

/** Subscriptions, none with the id of another. */
const topicsOf = (value: unknown): ReadonlyArray<Offer.Interest> | undefined => {
  if (!Array.isArray(value) || value.length > Offer.maxTopics) return undefined
  const topics = new Map<number, Offer.Interest>()
  for (const each of value) {
    const interest = interestOf(each)
    if (interest === undefined || topics.has(interest.id)) return undefined
    topics.set(interest.id, interest)
  }
  return [...topics.values()]
}

/** A subscription without what is filled in. */
export const shortest = (interest: Offer.Interest): Offer.InterestInput => {
  const { contract, drop, group, id, mode, retained, size, topic } = interest
  const said = {
    id,
    topic,
    ...(contract === undefined ? {} : { contract }),
    ...(mode === "buffer" ? {} : { mode }),
    ...(drop === "oldest" ? {} : { drop }),
    ...(retained ? {} : { retained }),
    ...(group === undefined ? {} : { group })
  }
  return Offer.interest(said).size === size ? said : { ...said, size }
}

const isEmpty = (record: object): boolean => Object.keys(record).length === 0

/** The line, its line feed with it. */
export const encode = ({ capacity, draining, functions, meta, roles, topics }: Offer.Offer): Uint8Array =>
  utf8(`${
    JSON.stringify({
      ...(roles.length === 0 ? {} : { roles }),
      ...(isEmpty(meta) ? {} : { meta }),
      ...(isEmpty(functions) ? {} : { functions }),
      ...(draining ? { draining } : {}),
      ...(topics.length === 0 ? {} : { topics: topics.map(shortest) }),
      ...(capacity === undefined ? {} : { capacity })
    })
  }\n`)

/** What a line without its line feed says; a text is what is wrong with it. */
export const decode = (line: Uint8Array): Offer.Offer | string => {
  if (line.length > Offer.maxLength) return "it is too long"
  const parsed = parse(line)
  if (typeof parsed === "string") return parsed
  if (!isObject(parsed.value)) return "it is no object"
  const { capacity, draining = false, functions = {}, meta = {}, roles = [], topics: said = [] } = parsed.value
  if (!isRoles(roles)) return "its roles are none"
  if (!isMeta(meta)) return "its meta is none"
  if (!isFunctions(functions)) return "its functions are none"
  if (typeof draining !== "boolean") return "its draining is neither true nor false"
  if (capacity !== undefined && !isCapacity(capacity)) return "its capacity is none"
  const topics = topicsOf(said)
  if (topics === undefined) return "its topics are none"
  return {
    roles: [...new Set(roles)],
    meta,
    functions,
    draining,
    topics,
    ...(capacity === undefined ? {} : { capacity })
  }
}
