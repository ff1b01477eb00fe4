/** Runs checks against a peer, and says what came of each. */
import { Cause, Clock, Effect } from "effect"
import { type Check, type Level, levels, type Need } from "./check.ts"
import { Kit } from "./kit.ts"
import { Mismatch, NotThere, type Place, type Subject } from "./subject.ts"

export type Outcome =
  | { readonly _tag: "Passed" }
  | { readonly _tag: "Failed"; readonly sent: string; readonly expected: string; readonly came: string }
  | { readonly _tag: "LeftOut"; readonly why: string }

export interface Done {
  readonly check: Check
  readonly outcome: Outcome
  /** By the clock that the kit has. */
  readonly millis: number
}

export interface RunOptions {
  readonly level: Level
  /** What of a check's needs there is. */
  readonly has: ReadonlySet<Need>
  /** Checks that take longer than so many seconds are left out. */
  readonly patience: number
  /** Only those whose rule begins so. */
  readonly only?: ReadonlyArray<string>
  /** How many at once. */
  readonly concurrency?: number
  /** Sets the names of the kit's peers apart from those of another run. */
  readonly run?: string
}

/** How it is said that there is what a check needs. */
const flagOf: Readonly<Record<Need, string>> = {
  "a network key": " (--network-key)",
  "no network key": "",
  "a LAN": " (--lan)",
  orders: " (--orders)",
  topics: " (--topics)",
  pins: " (--pins)",
  "a fresh start": " (--fresh)"
}

const leftOut = ({ level, needs, seconds }: Check, options: RunOptions): string | undefined => {
  if (levels.indexOf(level) > levels.indexOf(options.level)) return `it is of the level ${level} (--level)`
  const missing = needs.find((need) => !options.has.has(need))
  if (missing !== undefined) return `it needs ${missing}${flagOf[missing]}`
  if (seconds > options.patience) return `it takes ${seconds} s (--patience ${seconds})`
  return undefined
}

const outcomeOf = (check: Check, kit: Kit): Effect.Effect<Outcome> =>
  Effect.scoped(check.run(kit)).pipe(
    Effect.timeoutOrElse({
      duration: `${check.seconds + 30} seconds`,
      orElse: () =>
        Effect.fail(
          new Mismatch({ sent: check.title, expected: "an end of it", came: `none in ${check.seconds + 30} s` })
        )
    }),
    Effect.matchCause({
      onSuccess: (): Outcome => ({ _tag: "Passed" }),
      onFailure: (cause): Outcome => {
        const error = Cause.squash(cause)
        if (error instanceof NotThere) return { _tag: "LeftOut", why: error.why }
        return error instanceof Mismatch
          ? { _tag: "Failed", sent: error.sent, expected: error.expected, came: error.came }
          : { _tag: "Failed", sent: check.title, expected: "a check that works", came: Cause.pretty(cause) }
      }
    })
  )

const isMeant = ({ rule }: Check, only: ReadonlyArray<string> | undefined) =>
  only === undefined || only.length === 0 || only.some((text) => rule.startsWith(text))

/** When a check has its turn: what has to be soon comes first, and what must be alone last. */
const turnOf = ({ alone, needs }: Check): number => needs.includes("a fresh start") ? 0 : alone ? 2 : 1

/** Runs all checks that are meant, each with a peer of its own. */
export const run = (
  checks: ReadonlyArray<Check>,
  subject: Subject,
  place: Place,
  options: RunOptions
): Effect.Effect<ReadonlyArray<Done>> =>
  Effect.gen(function*() {
    const meant = checks.filter((check) => isMeant(check, options.only)).map((check, i) => [check, i] as const)
    const one = ([check, i]: readonly [Check, number]) =>
      Effect.gen(function*() {
        const why = leftOut(check, options)
        if (why !== undefined) return [i, { check, outcome: { _tag: "LeftOut", why } as const, millis: 0 }] as const
        const began = yield* Clock.currentTimeMillis
        const kit = new Kit(subject, place, `kit${options.run ?? ""}-${i + 1}`)
        const outcome = yield* outcomeOf(check, kit)
        return [i, { check, outcome, millis: (yield* Clock.currentTimeMillis) - began }] as const
      })
    const done: Array<readonly [number, Done]> = []
    for (const turn of [0, 1, 2]) {
      const now = meant.filter(([check]) => turnOf(check) === turn)
      done.push(...(yield* Effect.forEach(now, one, { concurrency: turn === 2 ? 1 : options.concurrency ?? 1 })))
    }
    return done.sort(([a], [b]) => a - b).map(([, each]) => each)
  })
