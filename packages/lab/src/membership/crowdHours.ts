/** A crowd in which nobody fails, for a long time: packets are lost, and each node is frozen now and then. Who is called lost all the same? */
import { Effect } from "effect"
import { alone, knownTo, open, type Scenario, watch } from "./crowd.ts"
import { freezing } from "./membership.ts"

export interface Found {
  readonly lost: ReadonlyArray<string>
  readonly suspicions: number
  readonly answered: number
  readonly paused: number
  /** Of all pairs, those who do not know the other at the end. */
  readonly unknown: number
}

export const falseAlarms = (
  scenario: Scenario & {
    readonly minutes: number
    /** How long each is frozen, about once a minute, in milliseconds. */
    readonly pause: number
    readonly onMinute?: (minute: number, found: { readonly suspicions: number; readonly lost: number }) => void
  }
): Effect.Effect<Found> =>
  alone(Effect.gen(function*() {
    const { minutes, nodes: count, pause, seed, settle = 23 } = scenario
    const { light, nodes } = yield* open(scenario)
    const all = count + (light?.size ?? 0)
    yield* Effect.sleep(settle * 1_000)
    const lost: Array<string> = []
    let [suspicions, answered, paused] = [0, 0, 0]
    yield* watch(nodes, (by, event) => {
      if (event._tag === "Suspected") suspicions++
      if (event._tag === "Probed" && event.reason === "Answered") answered++
      if (event._tag === "Lost") lost.push(`${by.node.name} lost ${event.peer.name}: ${event.reason}`)
    })
    light?.freeze(pause)
    for (const [i, one] of nodes.entries()) {
      yield* Effect.forkScoped(freezing(one, seed * 1_000 + i, pause, () => paused++))
    }
    for (let minute = 1; minute <= minutes; minute++) {
      yield* Effect.sleep("1 minute")
      scenario.onMinute?.(minute, { suspicions, lost: lost.length })
    }
    let unknown = 0
    for (const one of nodes) unknown += all - 1 - (yield* knownTo(one))
    return { lost, suspicions, answered, paused: paused + (light?.did.pauses ?? 0), unknown }
  }))
