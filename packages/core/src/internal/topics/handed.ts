/** A publication that is handed to one of a group, and who its members are. */
import type { Feed } from "./feed.ts"
import type { Listener } from "./listener.ts"
import type { Route } from "./route.ts"
import type { Said } from "./said.ts"

/** A member of a group: a peer, or the subscriptions of this node. */
export type To =
  | { readonly _tag: "Peer"; readonly feed: Feed; readonly route: Route }
  | { readonly _tag: "Here"; readonly listeners: ReadonlyArray<Listener> }

export interface Handed {
  readonly bytes: number
  /** The value, for policies. */
  readonly payload: unknown
  readonly said: Said
}
