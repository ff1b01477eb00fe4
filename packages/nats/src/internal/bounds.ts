/** What is wrong with numbers and times that are given as options, if anything is. */
import { OptionsError } from "@pnet/core/NodeOptions"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

// A hundred years: what is counted in nanoseconds fits into 63 bits.
const longest = 36_525 * 86_400_000

/** Counts are whole and at least 1, times are from a millisecond to a hundred years. */
export const checked = (
  of: string,
  counts: Readonly<Record<string, number | undefined>>,
  times: Readonly<Record<string, Duration.Input | undefined>>
): Effect.Effect<void, OptionsError> => {
  const wrong = [
    ...Object.entries(counts).flatMap(([name, count]) =>
      count === undefined || Number.isSafeInteger(count) && count >= 1
        ? []
        : [`${name} has to be a whole number from 1 on`]
    ),
    ...Object.entries(times).flatMap(([name, time]) => {
      const millis = time === undefined
        ? 1
        : Option.match(Duration.fromInput(time), { onNone: () => 0, onSome: Duration.toMillis })
      return millis >= 1 && millis <= longest ? [] : [`${name} has to be a time from a millisecond to a hundred years`]
    })
  ]
  return wrong.length === 0 ? Effect.void : Effect.fail(new OptionsError({ of, issue: wrong.join("; ") }))
}
