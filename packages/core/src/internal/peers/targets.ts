/** Whom a call is addressed to. */
import * as Effect from "effect/Effect"
import type { Peers, Target } from "../../Peers.ts"

/** The names of all peers that are known now, each once. */
export const namesOfAll = (peers: Peers["Service"]): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(peers.all, (all) => [...new Set<string>(all.map((peer) => peer.name))])

/** The names that a target means, each once; a list may name peers that are not there. */
export const namesOf = (peers: Peers["Service"], target: Target): Effect.Effect<ReadonlyArray<string>> =>
  target === "*"
    ? namesOfAll(peers)
    : typeof target === "string"
    ? Effect.succeed([target])
    : Array.isArray(target)
    ? Effect.succeed([...new Set<string>(target)])
    // A variable that is not set, which types do not see, would be a call of nobody that succeeds.
    : Effect.die(new TypeError(`a target is a name, a list of names, or "*" for all peers, and ${target} was given`))
