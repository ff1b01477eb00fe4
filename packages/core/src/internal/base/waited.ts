/** How long a call was waited for, which is reckoned where it is told that its time was up, and nowhere else. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import { nowUnsafe } from "../../Deadline.ts"

/** The field of an error; none where it is not known when it began. */
export interface Waited {
  readonly waited?: Duration.Duration
}

/** How long was waited since a moment of the monotonic clock, in milliseconds. */
export const waitedSince = (clock: Clock.Clock, begun: number | undefined): Waited =>
  begun === undefined ? {} : { waited: Duration.millis(nowUnsafe(clock) - begun) }

/** As it is said: of seconds a tenth is enough. */
export const waitedText = (waited: Duration.Duration): string => {
  const millis = Duration.toMillis(waited)
  return millis < 1_000 ? `${Math.round(millis)}ms` : Duration.format(Duration.millis(100 * Math.round(millis / 100)))
}
