/**
 * Moments as people read them: on a terminal by the clock of whoever sits there, with the date where it is not today's; in a file or a pipe, which are read later
 * and elsewhere, in full and in UTC.
 */
import * as DateTime from "effect/DateTime"

/** How moments are shown, each of which is given as ISO 8601 in UTC. */
export interface Moments {
  /** One that is in a line of its own: its time, and its date where that is not today's, or today is another day than at the line before. */
  readonly at: (time: string) => string
  /** One of a list: its date and its time. */
  readonly dated: (time: string) => string
  /** One that is now: its time. */
  readonly clock: (time: string) => string
}

/** To the second. */
const inFull = (time: string): string => time.replace(/\.\d+Z$/, "Z")

/** In a file or a pipe. */
export const full: Moments = { at: inFull, dated: inFull, clock: inFull }

// A peer may say any moment, and the first and the last that have a date have none in every zone.
const utmost = 8.64e15 - 86_400_000

interface Parts {
  readonly date: string
  readonly clock: string
}

/** On a terminal. `zone` is asked for where there is something to show, as it takes a while. */
export const local = (zone: () => DateTime.TimeZone, now: () => number): Moments => {
  let known: DateTime.TimeZone | undefined
  let day: string | undefined
  const partsOf = (millis: number): Parts => {
    const bounded = DateTime.makeUnsafe(Math.min(Math.max(millis, -utmost), utmost))
    const text = DateTime.formatIsoOffset(DateTime.setZone(bounded, known ??= zone()))
    const at = text.indexOf("T")
    return { date: text.slice(0, at), clock: text.slice(at + 1, at + 9) }
  }
  const of = (time: string): Parts => partsOf(DateTime.toEpochMillis(DateTime.makeUnsafe(time)))
  return {
    at: (time) => {
      const { clock, date } = of(time)
      const today = partsOf(now()).date
      const isPlain = date === today && (day === undefined || day === today)
      day = today
      return isPlain ? clock : `${date} ${clock}`
    },
    dated: (time) => {
      const { clock, date } = of(time)
      return `${date} ${clock.slice(0, 5)}`
    },
    clock: (time) => of(time).clock
  }
}
