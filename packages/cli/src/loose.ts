/**
 * What a command line leaves open where a command sends on whatever flag it does not know itself: whether the word behind such a flag is its value, which what the peer says
 * of its function decides.
 */
import * as Context from "effect/Context"

/** A flag without a value, and an argument right behind it. */
export interface LooseFlag {
  readonly name: string
  /** The place of that argument among those of the function; below 0 it is the command's own. */
  readonly at: number
}

/** What is open, and what is known. */
export interface Open {
  readonly flags: ReadonlyArray<LooseFlag>
  readonly known: ReadonlyArray<string>
  /** Those that are the function's where they stand, and would be settings before its name. */
  readonly settings: ReadonlyArray<string>
}

export const nothing: Open = { flags: [], known: [], settings: [] }

/** Such flags of this command line, and those of the command, one of which may have been meant. */
export const Loose: Context.Reference<Open> = Context.Reference<Open>("@pnet/cli/Loose", {
  defaultValue: () => nothing
})
