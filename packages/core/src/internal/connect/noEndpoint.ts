/** Peers that cannot be dialled. */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type { Endpoint } from "../../Network.ts"
import type { Peer } from "../../Peers.ts"
import { DialError } from "../../Transport.ts"

/** What an address could not be dialled for: the peer that was looked for there. */
export const namedIn = (peer: string) => <E extends { readonly _tag: string }>(error: E): E | DialError => {
  if (!(error instanceof DialError) || error.peer !== undefined) return error
  const { cause, host, kind, port } = error
  return new DialError({ kind, host, port, peer, ...(cause === undefined ? {} : { cause }) })
}

/** The addresses of a peer, to be dialled; fails where there is none. */
export const dialable = ({ endpoints, name }: Peer): Effect.Effect<NonEmptyReadonlyArray<Endpoint>, DialError> => {
  const [first, ...rest] = endpoints
  return first === undefined
    ? Effect.fail(new DialError({ kind: "NoEndpoint", host: "", port: 0, peer: name }))
    : Effect.succeed([first, ...rest])
}
