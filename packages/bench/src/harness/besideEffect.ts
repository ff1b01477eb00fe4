/** Calls of pnet beside Effect's own RPC over plain TCP, each with tracing and without: what `typed` and `commands` share. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Subject } from "./calls.ts"
import { type Goal, goal } from "./goal.ts"
import * as Machine from "./machine.ts"
import type { NodeNetworkOptions } from "./nodes.ts"
import * as Turns from "./turns.ts"

/** What is measured. */
export const subjects = ["effect", "pnet", "effect-untraced", "pnet-untraced"] as const

/** The name of something that is measured. */
export type SubjectName = typeof subjects[number]

/** What a subject is compared with: Effect's, with tracing or without like itself. */
export const comparisonOf = (name: SubjectName): SubjectName =>
  name.endsWith("-untraced") ? "effect-untraced" : "effect"

/** One subject at one concurrency. */
export const Cell = Schema.Struct({
  subject: Schema.Literals(subjects),
  ...Turns.fields,
  /** `perSecond` as a share of that of Effect over TCP with or without tracing, like this one. */
  ofEffect: Schema.Number
})

/** One subject at one concurrency. */
export type Cell = typeof Cell.Type

/** A subject by its name: Effect's own, or what `pnet` makes of a network of its own. */
export const subjectOf = (
  name: SubjectName,
  pnet: (network: NodeNetworkOptions, tracing: boolean) => Subject
): Effect.Effect<Subject> =>
  Effect.gen(function*() {
    const tracing = !name.endsWith("-untraced")
    if (name.startsWith("effect")) return { _tag: "Typed" as const, cryptography: "native", tracing, network: null }
    return pnet(yield* Machine.network(false), tracing)
  })

/** Starts the pairs of processes of subjects, and measures their calls. */
export const measure = (
  machine: Machine.Machine,
  names: ReadonlyArray<SubjectName>,
  pnet: (network: NodeNetworkOptions, tracing: boolean) => Subject,
  options: Turns.Options
) =>
  Effect.gen(function*() {
    const pairs = yield* Turns.start(machine, names, (name) => subjectOf(name, pnet), options.profile)
    const cells = yield* Turns.measure(pairs, options, (name, of) => ({ ofEffect: of(comparisonOf(name)) }))
    return { pairs, cells }
  })

const microsOf = ({ clientMicros, serverMicros }: Cell): number => clientMicros + serverMicros

// What the calls of pnet are meant to reach as a multiple of Effect's, in calls and in what they cost.
const multiples = new Map([[1, 1], [16, 1.3], [128, 2]])

/** What the calls of pnet are meant to reach beside Effect's, and whether they did. */
export const goalsOf = (
  cells: ReadonlyArray<Cell>,
  titles: Readonly<Record<SubjectName, string>>
): ReadonlyArray<Goal> =>
  cells.flatMap((cell) => {
    const limit = multiples.get(cell.atOnce)
    const other = cells.find(({ atOnce, subject }) => atOnce === cell.atOnce && subject === comparisonOf(cell.subject))
    if (limit === undefined || other === undefined || !cell.subject.startsWith("pnet")) return []
    const what = `${titles[cell.subject]}, ${cell.atOnce} at once`
    return [
      goal(`${what}: calls/s of Effect's over TCP`, cell.ofEffect, "at least", limit),
      goal(
        `${what}: calls for the processor time of one of Effect's`,
        microsOf(other) / microsOf(cell),
        "at least",
        limit
      )
    ]
  })

/** The cells, for people. */
export const format = (cells: ReadonlyArray<Cell>, titles: Readonly<Record<SubjectName, string>>): string =>
  Turns.format(cells, titles, "call", [["of Effect's", ({ ofEffect }) => ofEffect]])
