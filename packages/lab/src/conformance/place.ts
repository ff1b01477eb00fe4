/** Where the kit stands: its sockets and its cryptography. */
import { Crypto, type Network, TcpTransport } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { Context, Effect, Layer, type Scope, Semaphore } from "effect"
import type { Place } from "./subject.ts"

export interface PlaceOptions extends Pick<Place, "host" | "lan" | "order"> {
  readonly bindIp: string
  /** The port to listen on; any where it is left out. */
  readonly port?: number
  /** Milliseconds between two dials, as a node takes 64 (c) handshakes in a second from one address. */
  readonly pace?: number
}

/** A place on a network. */
export const placeOn = (
  network: Network.Network["Service"],
  { bindIp, pace = 20, port = 0, ...rest }: PlaceOptions
): Effect.Effect<Place, never, Scope.Scope> =>
  Effect.map(Layer.build(NodeCrypto.layer), (context) => {
    const transport = TcpTransport.make(network, { bindIp, serverPort: port, dialTimeout: "5 seconds" })
    const gate = Semaphore.makeUnsafe(1)
    const wait = gate.withPermits(1)(Effect.sleep(pace))
    return {
      network,
      transport: pace === 0
        ? transport
        : { ...transport, dial: (endpoint) => Effect.andThen(wait, transport.dial(endpoint)) },
      crypto: Context.get(context, Crypto.Crypto),
      adverts: { turn: Semaphore.makeUnsafe(1), sent: [] },
      ...rest
    }
  })
