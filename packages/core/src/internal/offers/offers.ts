/** What this node offers, told to its peers. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { NodeConfig, OptionsError } from "../../NodeOptions.ts"
import * as Offer from "../../Offer.ts"
import { SessionHandlers } from "../session/sessions.ts"
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

/** Tells it for as long as the layer lives. */
export const layer: Layer.Layer<OwnOffer, never, SessionHandlers | NodeConfig> = Layer.effect(
  OwnOffer,
  Effect.gen(function*() {
    const { meta, roles } = yield* NodeConfig
    const own = new Own({ meta, roles })
    yield* Telling.run(own, yield* SessionHandlers)
    return own
  })
)
