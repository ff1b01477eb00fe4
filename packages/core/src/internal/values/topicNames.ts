/**
 * Names of topics, and patterns that stand for several. A name has segments between dots; in a pattern `*` is any one segment, and
 * `>` at the end one or more.
 */
import { isName } from "../base/names.ts"
import { utf8 } from "../base/platform.ts"

/** The most segments of a name. */
const maxSegments = 16

const dot = 0x2e
const one = 0x2a // *
const more = 0x3e // >

const space = /\s/

/** What is wrong with the whole, whatever its segments are. */
const isText = (text: string): true | string => {
  const name = isName(text, 255)
  return name !== true ? name : !space.test(text) || "expected no whitespace"
}

const isSegments = (segments: ReadonlyArray<string>): true | string =>
  segments.length > maxSegments
    ? `expected at most ${maxSegments} segments between dots`
    : !segments.includes("") || "expected no empty segment: a dot stands between two segments"

/** Whether it is the name of a topic; what was expected otherwise. */
export const isTopicName = (text: string): true | string => {
  const whole = isText(text)
  if (whole !== true) return whole
  const segments = isSegments(text.split("."))
  return segments !== true ? segments : !/[*>]/.test(text) || "expected a name without * and >, which stand for several"
}

/** Whether it is the name of a topic or a pattern of names; what was expected otherwise. */
export const isPattern = (text: string): true | string => {
  const whole = isText(text)
  if (whole !== true) return whole
  const segments = text.split(".")
  const form = isSegments(segments)
  if (form !== true) return form
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i]!
    if (segment === "*" || (segment === ">" && i === segments.length - 1)) continue
    if (segment.includes(">")) return "expected > as the last segment alone, for one or more"
    if (segment.includes("*")) return "expected * as a whole segment"
  }
  return true
}

/** Whether a pattern stands for several names. */
export const hasWildcard = (pattern: string): boolean => pattern.includes("*") || pattern.includes(">")

/** Whether a pattern stands for a name. Both are what `isPattern` and `isTopicName` let through. It looks at each character once. */
export const matches = (pattern: string, name: string): boolean => {
  const { length } = name
  let at = 0
  for (let i = 0; i < pattern.length; i++) {
    const code = pattern.charCodeAt(i)
    if (code === more) return at < length
    if (code === one) {
      while (at < length && name.charCodeAt(at) !== dot) at++
    } else if (at < length && name.charCodeAt(at) === code) at++
    else return false
  }
  return at === length
}

/** Whether a subscription means a topic, were it not for what its values are. */
export const isMeant = ({ topic: meant }: { readonly topic: string }, name: string): boolean =>
  hasWildcard(meant) ? matches(meant, name) : meant === name

/** Whether a subscription takes what a topic's values are: a contract, `bytes`, or `undefined` for JSON of any kind. */
export const isTaken = (
  { contract }: { readonly contract?: string | undefined },
  of: string | undefined
): boolean => contract === "bytes" || (contract === undefined ? of !== "bytes" : contract === of)

/** The most bytes of a key. */
export const maxKey = 255

/** Whether it may be the key of a value: at most 255 bytes of UTF-8, of any characters; what was expected otherwise. */
export const isKey = (text: string): true | string =>
  text.length <= maxKey && !/\p{Surrogate}/u.test(text) && utf8(text).length <= maxKey ||
  `expected at most ${maxKey} bytes of UTF-8, and whole Unicode characters`

/** Whether it may be the name of a group: 1 to 64 bytes of UTF-8 without `*` and control characters; what was expected otherwise. */
export const isGroup = (text: string): true | string => {
  const name = isName(text, 64)
  return name !== true ? name : !text.includes("*") || "expected a group without *"
}
