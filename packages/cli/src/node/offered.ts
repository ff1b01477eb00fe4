/**
 * What is known of what a peer offers: what it says, as far as this node's trust policy grants it. That a peer has no role is something else than that it is not known whether it has
 * one, so what is not known is left out, with the reason.
 */
import type { Peer } from "@pnet/core/Peers"
import * as Trust from "@pnet/core/Trust"
import * as Effect from "effect/Effect"

/** Why something is not known: it was not asked for, the peer has not said it, or nothing of the kind is granted to the peer. */
export type Unsaid = "notAsked" | "noAnswer" | "notGranted"

/** What a peer offers. */
export interface Offered {
  readonly roles?: ReadonlyArray<string>
  readonly functions?: ReadonlyArray<string>
  readonly topics?: ReadonlyArray<string>
  readonly unsaid?: Unsaid
}

/** What is known of a peer. `asked` says whether peers were asked. */
export const offered = Effect.fnUntraced(
  function*(
    trust: Trust.Trust["Service"],
    { name, offer, publicKey }: Peer,
    asked: boolean
  ): Effect.fn.Return<Offered> {
    if (!asked) return { unsaid: "notAsked" }
    if (offer === undefined) return { unsaid: "noAnswer" }
    const { roles, serves, subscribes } = yield* Trust.rightsOf(trust, name, publicKey)
    const known = {
      ...(roles.length === 0 ? {} : { roles: offer.roles }),
      ...(serves.length === 0 ? {} : { functions: Object.keys(offer.functions).sort() }),
      ...(subscribes.length === 0 ? {} : { topics: offer.topics.map(({ topic }) => topic) })
    }
    return { ...known, ...(Object.keys(known).length === 3 ? {} : { unsaid: "notGranted" as const }) }
  }
)
