/** What this node offers, told to its peers; and what they offer, asked of them. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { nowUnsafe } from "../../Deadline.ts"
import { NodeConfig, OptionsError } from "../../NodeOptions.ts"
import * as Offer from "../../Offer.ts"
import { Peers } from "../../Peers.ts"
import { Trust } from "../../Trust.ts"
import * as Seldom from "../base/seldom.ts"
import { whileHolds } from "../session/serving.ts"
import { SessionInside } from "../session/sessions.ts"
import { Following } from "./following.ts"
import { Own } from "./own.ts"
import * as Telling from "./telling.ts"
import { lineEvery } from "./telling.ts"

/** What this node offers. */
export class OwnOffer extends Context.Service<OwnOffer, Own>()("@pnet/core/internal/OwnOffer") {}

/** How nodes drain, by what they offer. */
const drains = new WeakMap<Own, (within: Duration.Duration) => Effect.Effect<number>>()

/** Says that no more calls are taken, and waits for those there are. Gives how many are left. */
const drainOf =
  (own: Own, telling: Telling.Telling, calls: () => number, clock: Clock.Clock) => (within: Duration.Duration) =>
    Effect.suspend(() => {
      const now = () => nowUnsafe(clock)
      const told = now()
      const millis = Duration.toMillis(within)
      const tells = !own.drains
      if (tells) own.update({ draining: true })
      // Those who follow what it offers hear of it meanwhile, and call somebody else before its sessions end.
      const isDue = () => calls() > 0 || tells && !telling.isTold && now() - told < 2 * lineEvery
      return Effect.map(whileHolds(isDue, millis, now), calls)
    })

/** Drains the node that offers it. */
export const drain = (own: Own, within: Duration.Input = "10 seconds"): Effect.Effect<number> =>
  Effect.suspend(() => drains.get(own)!(Duration.fromInputUnsafe(within)))

const Change = Schema.Struct({
  roles: Schema.optional(Offer.Roles),
  meta: Schema.optional(Offer.Meta),
  draining: Schema.optional(Schema.Boolean),
  capacity: Schema.optional(Schema.NullOr(Offer.Capacity))
})

const decode = Schema.decodeUnknownEffect(Change, { errors: "all", onExcessProperty: "error" })

/** What a program reads and changes. */
export const serviceOf = (own: Own) => ({
  current: Effect.sync(() => own.offer),
  update: (change: Offer.Change): Effect.Effect<void, OptionsError> =>
    Effect.matchEffect(decode(change), {
      onFailure: (error) => Effect.fail(new OptionsError({ issue: `offer.update: ${error.message}` })),
      onSuccess: (checked) => Effect.sync(() => own.update(checked as Offer.Change))
    })
})

/** Tells it, and asks peers what they offer, for as long as the layer lives. */
export const layer: Layer.Layer<OwnOffer, never, SessionInside | NodeConfig | Peers | Trust> = Layer.effect(
  OwnOffer,
  Effect.gen(function*() {
    const { limits, meta, offers, roles } = yield* NodeConfig
    const { calls, handlers, openUnasked } = yield* SessionInside
    const peers = yield* Peers
    const clock = yield* Clock.Clock
    const scope = yield* Effect.scope
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    const own = new Own({ meta, roles })
    const isDraining = () => own.drains
    handlers.drains = isDraining
    drains.set(own, drainOf(own, yield* Telling.run(own, handlers), calls, clock))
    const following = new Following({
      peers,
      trust: yield* Trust,
      open: openUnasked,
      lines: Seldom.lines(clock),
      limits,
      now: () => nowUnsafe(clock),
      fork: (effect) => Fiber.runIn(runFork(effect), scope)
    })
    yield* Effect.forkScoped(following.run)
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        peers.followUnsafe({
          wanted: (isWanted) => following.wanted(isWanted),
          settled: () => following.settled()
        })
      ),
      (off) => Effect.sync(off)
    )
    if (offers === "all") yield* peers.interested
    return own
  })
)
