/** Peers that cannot be dialled, since they have no address. */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type { Endpoint } from "../../Network.ts"
import type { Peer } from "../../Peers.ts"
import { DialError } from "../../Transport.ts"

/** The addresses of a peer, to be dialled; fails where there is none. */
export const dialable = ({ endpoints, name }: Peer): Effect.Effect<NonEmptyReadonlyArray<Endpoint>, DialError> => {
  const [first, ...rest] = endpoints
  return first === undefined
    ? Effect.fail(new DialError({ kind: "NoEndpoint", host: "", port: 0, peer: name }))
    : Effect.succeed([first, ...rest])
}
