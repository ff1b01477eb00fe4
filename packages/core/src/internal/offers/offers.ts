/** What this node offers, told to its peers; and what they offer, asked of them. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
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
import { SessionInside } from "../session/sessions.ts"
import { Following } from "./following.ts"
import { Own } from "./own.ts"
import * as Telling from "./telling.ts"

/** What this node offers. */
export class OwnOffer extends Context.Service<OwnOffer, Own>()("@pnet/core/internal/OwnOffer") {}

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
    const { handlers, openUnasked } = yield* SessionInside
    const peers = yield* Peers
    const clock = yield* Clock.Clock
    const scope = yield* Effect.scope
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    const own = new Own({ meta, roles })
    yield* Telling.run(own, handlers)
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
