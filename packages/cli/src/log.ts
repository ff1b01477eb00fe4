/**
 * The log of the library on standard error, a line each: warnings and worse, unless `--log-level` says otherwise.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { atCommandLine } from "./atCommandLine.ts"
import { Output } from "./output/Output.ts"

const textOf = (message: unknown): string =>
  (Array.isArray(message) ? message : [message]).map((one) => typeof one === "string" ? one : JSON.stringify(one)).join(
    " "
  )

/** Writes the log where the command writes its notes. */
export const logger: Effect.Effect<Logger.Logger<unknown, void>, never, Output> = Effect.gen(function*() {
  const output = yield* Output
  const run = Effect.runForkWith(yield* Effect.context<never>())
  return Logger.make(({ cause, logLevel, message }) => {
    const text = atCommandLine(textOf(message))
    // Effect's reader of standard input logs it so where what it read comes when all ends.
    if (text === "" && cause.reasons.length > 0 && Cause.hasInterruptsOnly(cause)) return
    const parts = [text, cause.reasons.length === 0 ? "" : Cause.pretty(cause)]
    run(output.log(logLevel, parts.filter((part) => part !== "").join(": ")))
  })
})
