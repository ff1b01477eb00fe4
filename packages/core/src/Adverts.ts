/**
 * Adverts as packets (protocol section 7), for whoever writes a way of finding nodes: what a node says of itself, under its network key,
 * and what it makes of the packets of others. How packets travel is the way's own affair.
 *
 * What bites: an advert is a hint that anybody could have sent; with a network key, anybody who has recorded it within the last minute. What
 * was read is to be given on as a `Sighting`, and to be believed by nobody.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Advert } from "./Advert.ts"
import { Crypto } from "./Crypto.ts"
import type { Sighting } from "./Discovery.ts"
import * as AdvertExchange from "./internal/wire/advertExchange.ts"
import * as SameAdvert from "./internal/wire/sameAdvert.ts"
import { selfOf } from "./internal/wire/self.ts"
import type { Endpoint } from "./Network.ts"
import { NodeConfig } from "./NodeOptions.ts"
import * as Packet from "./Packet.ts"
import type { ProtocolError } from "./ProtocolError.ts"
import type { PublicKey } from "./PublicKey.ts"
import type { ConnectionClosedError, DialError, Transport } from "./Transport.ts"

/**
 * An advert of another node, as it was read.
 *
 * @category models
 * @since 0.2.0
 */
export interface Heard {
  readonly advert: Advert
  readonly publicKey: PublicKey
  /** The second, since the epoch, at which its token was made; `undefined` on a network without a key. Older ones than the last are replays. */
  readonly timestamp: number | undefined
}

/**
 * What an advert said, as a `Sighting` has it.
 *
 * @category models
 * @since 0.2.0
 */
export type Said = Pick<Sighting, "name" | "publicKey" | "endpoint">

/**
 * The adverts of one node.
 *
 * @category models
 * @since 0.2.0
 */
export interface Adverts {
  /** The packet that says that this node listens at an endpoint; port 0 says that it leaves. Made anew for each time it is sent. */
  readonly packet: (endpoint: Endpoint) => Uint8Array
  /**
   * Reads one whole packet of another node, at most 1,400 bytes. Fails with why it is none: it is malformed, of another network, under
   * another network key, or over a minute old. `last` is what was heard before, if anything, where the packet came from: most say the same again, which costs less.
   */
  readonly read: (packet: Uint8Array, last?: Said) => Result.Result<Heard, ProtocolError>
  /**
   * Asks the node at an address by a connection of its own: says that this node listens at `own` (port 0: nowhere), and reads what it says of
   * itself. What it answers with in place of an advert is the `ProtocolError`.
   */
  readonly ask: (
    transport: Transport["Service"],
    own: Endpoint,
    to: Endpoint
  ) => Effect.Effect<Heard, DialError | ProtocolError | ConnectionClosedError>
}

/**
 * The adverts of the node that a discovery is made for.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make: Effect.Effect<Adverts, never, NodeConfig | Crypto> = Effect.gen(function*() {
  const config = yield* NodeConfig
  const clock = yield* Clock.Clock
  const self = selfOf(yield* Crypto, clock, config)
  const options = { clock, timeout: config.limits.firstPacketTimeout }
  const head = SameAdvert.headOf(self.networkId)
  return {
    packet: (endpoint) => AdvertExchange.packet(self, endpoint),
    read: (packet, last) => {
      if (last !== undefined && !self.cipher.encrypted && SameAdvert.isPacket(packet, head, last)) {
        const { endpoint: { host, port }, name, publicKey } = last
        return Result.succeed({ advert: { name, host, port }, publicKey, timestamp: undefined })
      }
      const decoded = Packet.decode(packet, {
        networkId: self.networkId,
        types: ["adv"],
        maxLength: Packet.maxDatagramLength,
        likelyKey: last?.publicKey
      })
      return Result.isFailure(decoded)
        ? Result.fail(decoded.failure)
        : AdvertExchange.read(self, decoded.success, last)
    },
    ask: (transport, own, to) => AdvertExchange.exchange(transport, self, own, to, options)
  }
})
