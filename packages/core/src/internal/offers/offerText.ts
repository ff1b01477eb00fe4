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

const isEmpty = (record: object): boolean => Object.keys(record).length === 0

/** The line, its line feed with it. */
export const encode = ({ capacity, draining, functions, meta, roles }: Offer.Offer): Uint8Array =>
  utf8(`${
    JSON.stringify({
      ...(roles.length === 0 ? {} : { roles }),
      ...(isEmpty(meta) ? {} : { meta }),
      ...(isEmpty(functions) ? {} : { functions }),
      ...(draining ? { draining } : {}),
      ...(capacity === undefined ? {} : { capacity })
    })
  }\n`)

/** What a line without its line feed says; a text is what is wrong with it. */
export const decode = (line: Uint8Array): Offer.Offer | string => {
  if (line.length > Offer.maxLength) return "it is too long"
  const parsed = parse(line)
  if (typeof parsed === "string") return parsed
  if (!isObject(parsed.value)) return "it is no object"
  const { capacity, draining = false, functions = {}, meta = {}, roles = [] } = parsed.value
  if (!isRoles(roles)) return "its roles are none"
  if (!isMeta(meta)) return "its meta is none"
  if (!isFunctions(functions)) return "its functions are none"
  if (typeof draining !== "boolean") return "its draining is neither true nor false"
  if (capacity !== undefined && !isCapacity(capacity)) return "its capacity is none"
  return {
    roles: [...new Set(roles)],
    meta,
    functions,
    draining,
    ...(capacity === undefined ? {} : { capacity })
  }
}
