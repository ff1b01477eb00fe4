/** How a publisher retains the last values of a topic, as programs say it. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** At most so many keys, of so many bytes together, and for so many milliseconds. */
export interface Retaining {
  readonly keys?: number | undefined
  readonly bytes?: number | undefined
  readonly timeToLive?: number | undefined
}

const isCount = (given: unknown): given is number | undefined =>
  given === undefined || Number.isSafeInteger(given) && (given as number) >= 0

const millisOf = (given: unknown): number | undefined | "none" => {
  if (given === undefined) return undefined
  if (given === null || Number.isNaN(given)) return "none"
  const duration = Option.getOrUndefined(Duration.fromInput(given as Duration.Input))
  return duration === undefined || Duration.isNegative(duration) ? "none" : Duration.toMillis(duration)
}

/** What is asked for; `undefined`: nothing is retained. A text says what is wrong with it. */
export const retaining = (given: unknown): Retaining | undefined | string => {
  if (given === undefined || given === false) return undefined
  if (given === true) return {}
  if (typeof given !== "object" || given === null) return "retain is neither true nor false, nor how much is retained"
  const { bytes, keys, timeToLive } = given as Record<keyof Retaining, unknown>
  if (!isCount(keys)) return "retain.keys is no whole number from 0 on"
  if (!isCount(bytes)) return "retain.bytes is no whole number from 0 on"
  const millis = millisOf(timeToLive)
  if (millis === "none") return "retain.timeToLive is no duration from 0 on"
  return { keys, bytes, timeToLive: millis }
}
