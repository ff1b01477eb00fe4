/**
 * What an assistant may call: `FUNCTION@PEER`, where `*` stands for any text. No peer's name has an `@`, so that the last one is the one between them.
 */
import * as Effect from "effect/Effect"
import { Problem } from "../errors.ts"

/** Whether a function of a peer is meant. */
export type Pattern = (peer: string, name: string) => boolean

/** Whether a text is what a pattern says. It takes no longer than the two are long, multiplied. */
const matches = (pattern: string): (text: string) => boolean => {
  const parts = pattern.split("*")
  const first = parts[0]!
  const last = parts.at(-1)!
  const middle = parts.slice(1, -1)
  return (text) => {
    if (parts.length === 1) return text === pattern
    if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false
    let at = first.length
    for (const part of middle) {
      const found = text.indexOf(part, at)
      if (found < 0) return false
      at = found + part.length
    }
    return at <= text.length - last.length
  }
}

const wrong = (flag: string, text: string) =>
  new Problem({
    exit: "usage",
    what: `${flag} ${JSON.stringify(text)} is not FUNCTION@PEER`,
    hint: "such as add@bob, 'get_*@bob' or '*@*'"
  })

/** Reads patterns, and gives one that is any of them. */
export const parsePatterns = (flag: string, texts: ReadonlyArray<string>): Effect.Effect<Pattern, Problem> =>
  Effect.map(
    Effect.forEach(texts, (text) => {
      const at = text.lastIndexOf("@")
      if (at < 1 || at === text.length - 1) return Effect.fail(wrong(flag, text))
      const ofName = matches(text.slice(0, at))
      const ofPeer = matches(text.slice(at + 1))
      return Effect.succeed<Pattern>((peer, name) => ofPeer(peer) && ofName(name))
    }),
    (all): Pattern => (peer, name) => all.some((one) => one(peer, name))
  )
