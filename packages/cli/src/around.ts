/**
 * What is around every command: the settings, what it prints with, and how its failure is shown.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { failureOf, Told } from "./errors.ts"
import { exits } from "./exit.ts"
import { logger } from "./log.ts"
import * as Output from "./output/Output.ts"
import { flagsOf, root } from "./root.ts"
import { resolve, Settings } from "./settings/Settings.ts"

/** Shows why an effect failed, and has it fail with the exit code. */
const shown = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, Told, R | Output.Output> =>
  Effect.catchCause(effect, (cause) => {
    if (cause.reasons.length > 0 && Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
    const error = Cause.squash(cause)
    if (error instanceof Told) return Effect.fail(error)
    const failure = failureOf(error)
    return Effect.andThen(
      // Of what is a fault of the program's `--log-level debug` shows where.
      Effect.andThen(Effect.logDebug(cause), Output.Output.use((output) => output.failure(failure))),
      Effect.fail(new Told({ code: exits[failure.exit].code }))
    )
  })

/** Runs a command's handler with the settings that its flags and everything else make. */
export const around = <A, E, R>(handler: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const flags = flagsOf(yield* root)
    const settings = yield* resolve(flags).pipe(shown, Effect.provide(Output.layer(flags.json === "true")))
    return yield* Effect.scoped(handler).pipe(
      shown,
      Effect.provideService(Settings, settings),
      Effect.provide(
        Logger.layer([logger]).pipe(Layer.provideMerge(Output.layer(settings.values.json)))
      )
    )
  })
