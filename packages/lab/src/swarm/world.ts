/**
 * The world of one run: its plan, the network that it runs over, the places for nodes, and what is known of all that happens. It is
 * handed to whatever acts in it or looks at it.
 */
import type { Crypto } from "@pnet/core"
import { SimNetwork } from "@pnet/testing"
import { Clock, Effect, type Scope } from "effect"
import { Identities } from "./identities.ts"
import { Journal } from "./journal.ts"
import { Ledger } from "./ledger.ts"
import { makePlan, type Plan, type PlanOptions } from "./plan.ts"
import { type Planted, Planting } from "./planted.ts"
import type { Slot } from "./slot.ts"
import { Weather } from "./weather.ts"

export interface Options extends PlanOptions {
  /** Steps to leave out. */
  readonly without?: ReadonlySet<number> | undefined
  readonly planted?: Planted | undefined
  /** Says what happens, as it happens. */
  readonly log?: ((line: string) => void) | undefined
}

export interface World {
  readonly plan: Plan
  readonly planted: Planting
  readonly crypto: Crypto.Crypto["Service"]
  readonly journal: Journal
  readonly network: SimNetwork.SimNetwork["Service"]
  readonly weather: Weather
  readonly ledger: Ledger
  readonly identities: Identities
  /** The places of the plan's nodes, in its order. */
  readonly slots: Array<Slot>
  /** Ends with the run. */
  readonly scope: Scope.Scope
}

const makeNetwork = ({ lans, seed, streams }: Plan) =>
  SimNetwork.make({
    seed,
    traceCapacity: 0,
    lans: Object.fromEntries(lans.map((lan, i) => [`lan${i}`, {
      link: {
        latency: { min: `${lan.latency[0]} millis`, max: `${lan.latency[1]} millis` },
        loss: lan.loss,
        duplicate: lan.duplicate,
        reorder: lan.reorder,
        bandwidth: lan.bandwidth
      }
    }])),
    streams
  })

/** A world without a node. */
export const makeWorld = (
  options: Options,
  crypto: Crypto.Crypto["Service"]
): Effect.Effect<World, never, Scope.Scope> =>
  Effect.gen(function*() {
    const planted = new Planting(options.planted)
    const plan = planted.plan(makePlan(options))
    const journal = new Journal(yield* Clock.Clock, options.log)
    const weather = new Weather(plan, journal)
    return {
      plan,
      planted,
      crypto,
      journal,
      network: yield* makeNetwork(plan),
      weather,
      ledger: new Ledger(plan.seed, journal, weather, planted),
      identities: new Identities(crypto, plan),
      slots: [],
      scope: yield* Effect.scope
    }
  })
