/**
 * Who a name is, without an Effect: for calls, of which there are thousands a second. `undefined` where that is not sure at once, and `resolveOne` has to
 * be asked; so it is of a service that is somebody else's.
 */
import type { Peer, Peers } from "../../Peers.ts"

export type KnownNow = (name: string) => Peer | undefined

type ResolveOne = Peers["Service"]["resolveOne"]

/** By `resolveOne`, which it goes before. */
const known = new WeakMap<ResolveOne, KnownNow>()

const nobody: KnownNow = () => undefined

export const withKnownNow = (resolveOne: ResolveOne, knownNow: KnownNow): ResolveOne => {
  known.set(resolveOne, knownNow)
  return resolveOne
}

export const knownNow = ({ resolveOne }: Pick<Peers["Service"], "resolveOne">): KnownNow =>
  known.get(resolveOne) ?? nobody
