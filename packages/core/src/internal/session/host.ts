/** What the parts of a node's sessions share: the node's services, its clock, its log, and the fibers nobody waits for. */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { Crypto } from "../../Crypto.ts"
import { type Limits, NodeConfig } from "../../NodeOptions.ts"
import { Peers } from "../../Peers.ts"
import { Transport } from "../../Transport.ts"
import { Trust } from "../../Trust.ts"
import * as Seldom from "../base/seldom.ts"
import type { Self } from "../wire/advertExchange.ts"
import { selfOf } from "../wire/self.ts"

export interface Host {
  readonly config: NodeConfig["Service"]
  readonly limits: Limits
  readonly self: Self
  readonly crypto: Crypto["Service"]
  readonly peers: Peers["Service"]
  readonly transport: Transport["Service"]
  readonly trust: Trust["Service"]
  readonly clock: Clock.Clock
  /** The node's, and not of whoever dials. */
  readonly random: Random.Random
  /** By the monotonic clock, in milliseconds. */
  readonly now: () => number
  /** Lines of the log that others can cause. */
  readonly lines: Seldom.Lines
  readonly context: Context.Context<never>
  /** The node's. */
  readonly scope: Scope.Scope
  /** Runs what nobody waits for, as long as the node does. */
  readonly fork: (effect: Effect.Effect<unknown>) => void
}

export const make: Effect.Effect<Host, never, Transport | Peers | Trust | Crypto | NodeConfig | Scope.Scope> = Effect
  .gen(
    function*() {
      const config = yield* NodeConfig
      const crypto = yield* Crypto
      const clock = yield* Clock.Clock
      const scope = yield* Effect.scope
      const context: Context.Context<never> = yield* Effect.context<never>()
      const runFork = Effect.runForkWith(context)
      return {
        config,
        limits: config.limits,
        self: selfOf(crypto, clock, config),
        crypto,
        peers: yield* Peers,
        transport: yield* Transport,
        trust: yield* Trust,
        clock,
        random: yield* Random.Random,
        now: () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n),
        lines: Seldom.lines(clock),
        context,
        scope,
        fork: (effect) => {
          runFork(Effect.forkIn(effect, scope))
        }
      }
    }
  )
