/** The loss of a peer before anything was asked of it. */
import { type Peer, PeerLostError } from "../../Peers.ts"

export const lostBefore = ({ endpoints: [endpoint], name, publicKey }: Peer, reason: PeerLostError["reason"]) =>
  new PeerLostError({
    peer: name,
    publicKey,
    ...(endpoint === undefined ? {} : { endpoint }),
    reason,
    mayHaveRun: false
  })
