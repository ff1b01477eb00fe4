/**
 * What would be for everybody on the network is for nobody, unless it was said to whom.
 */
import * as Effect from "effect/Effect"
import { Problem } from "../errors.ts"
import { Settings } from "../settings/Settings.ts"
import { NodeParts } from "./NodeParts.ts"

/** Fails unless there is a network key, a list, an authority, or `--open`. `what` says it, such as `--fn would serve everybody on the network`. */
export const guarded = Effect.fnUntraced(function*(what: string) {
  const settings = yield* Settings
  const parts = yield* NodeParts
  const { allowList, authority, open } = settings.values
  if (open || allowList !== undefined || authority !== undefined) return
  if ((yield* parts.networkKeys(settings)).length > 0) return
  return yield* new Problem({
    exit: "usage",
    what,
    hint:
      "make a network key with pnet key network make, or give --allow-list or --authority; or say --open, if everybody may"
  })
})
