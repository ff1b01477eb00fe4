/** Where the kit stands: its sockets and its cryptography. */
import { Crypto, type Network, TcpTransport } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { Context, Effect, Layer, type Scope } from "effect"
import type { Place } from "./subject.ts"

export interface PlaceOptions extends Pick<Place, "host" | "lan" | "order"> {
  readonly bindIp: string
  /** The port to listen on; any where it is left out. */
  readonly port?: number
}

/** A place on a network. */
export const placeOn = (
  network: Network.Network["Service"],
  { bindIp, port = 0, ...rest }: PlaceOptions
): Effect.Effect<Place, never, Scope.Scope> =>
  Effect.map(Layer.build(NodeCrypto.layer), (context) => ({
    network,
    transport: TcpTransport.make(network, { bindIp, serverPort: port, dialTimeout: "5 seconds" }),
    crypto: Context.get(context, Crypto.Crypto),
    ...rest
  }))
