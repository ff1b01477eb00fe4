/** How a peer is made to show what only sessions carry, where this node has sessions: what a message by itself cannot bring about. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Peer } from "../../Peers.ts"

export type Introduce = (peer: Peer) => Effect.Effect<void, unknown>

/** `undefined` in a node without sessions. */
export const Introducing: Context.Reference<Introduce | undefined> = Context.Reference<Introduce | undefined>(
  "@pnet/core/internal/Introducing",
  { defaultValue: () => undefined }
)
