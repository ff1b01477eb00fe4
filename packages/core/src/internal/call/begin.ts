/**
 * How a function is begun before there is a fiber for it: what it gives may be its result already, and most calls then need none. An entry of somebody
 * else's has no such way, and is run.
 */
import type * as Effect from "effect/Effect"
import type { Json } from "effect/Schema"
import type { Call } from "../../Command.ts"
import type { RunError } from "../../FunctionError.ts"

/** The key of an entry under which that stands: spreading an entry keeps it. */
const begin = Symbol("@pnet/core/internal/call/begin")

/** Runs a function as far as it goes by itself: an Exit where that is to its end. To be called once for a call, as its effect is to be run once. */
export type Begin = (call: Call, args: ReadonlyArray<unknown>) => Effect.Effect<Json, RunError>

export const beginning = <E extends object>(entry: E, by: Begin): E => ({ ...entry, [begin]: by })

export const beginOf = (entry: object): Begin | undefined => (entry as { readonly [begin]?: Begin })[begin]
