/**
 * Lines of the log that somebody else can cause: about the same subject seldom, and of one kind only so many a minute, whatever
 * is sent. How many were kept back is said in the next one that is written.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { nowUnsafe } from "../../Deadline.ts"
import * as Rate from "./rate.ts"

export interface Seldom {
  /**
   * What to write behind a line about this subject, which is most often nothing; `undefined` where nothing is to be written now.
   * The time is of a clock in milliseconds; the kind is one of few that the caller has.
   */
  readonly take: (subject: string, nowMillis: number, kind?: string) => string | undefined
  /** Lets the next line about the subject be written. */
  readonly forget: (subject: string) => void
}

const perMinute = 10
const subjects = 256

/** About the same subject once in so many milliseconds. */
export const make = (everyMillis = 60_000): Seldom => {
  const kinds = new Map<string, { readonly rate: Rate.Rate; kept: number }>()
  // Insertion order is age.
  const written = new Map<string, number>()
  const ofKind = (name: string) => {
    const kind = kinds.get(name) ?? { rate: Rate.make(perMinute, 60_000), kept: 0 }
    kinds.set(name, kind)
    return kind
  }
  return {
    take: (subject, now, name = "") => {
      const last = written.get(subject)
      if (last !== undefined && now - last < everyMillis) return undefined
      const kind = ofKind(name)
      if (!kind.rate.take(now)) {
        kind.kept++
        return undefined
      }
      written.delete(subject)
      written.set(subject, now)
      if (written.size > subjects) {
        const oldest = written.keys().next()
        if (oldest.done !== true) written.delete(oldest.value)
      }
      const { kept } = kind
      kind.kept = 0
      return kept === 0 ? "" : ` (${kept} more of this kind were not written)`
    },
    forget: (subject) => void written.delete(subject)
  }
}

/** Writes a line about a subject, of a kind, where one is to be written now; `more` is what it says behind it. */
export type Lines = (subject: string, kind: string, log: (more: string) => Effect.Effect<void>) => Effect.Effect<void>

/** For one part of a node. */
export const lines = (clock: Clock.Clock): Lines => {
  const seldom = make()
  return (subject, kind, log) =>
    Effect.suspend(() => {
      const more = seldom.take(subject, nowUnsafe(clock), kind)
      return more === undefined ? Effect.void : log(more)
    })
}

/** What a defect is, as a subject: the same one of the same function is one. */
export const defect = (what: string, cause: Cause.Cause<unknown>): string => {
  const thrown = Cause.squash(cause)
  return `${what} ${thrown instanceof Error ? `${thrown.name} ${thrown.message.slice(0, 200)}` : typeof thrown}`
}
