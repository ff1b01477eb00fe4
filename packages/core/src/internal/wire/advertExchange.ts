/**
 * The exchange of adverts over a fresh connection (protocol section 7): how the name and key behind an address are learned,
 * and how a silent peer is asked whether it still lives.
 */
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Advert from "../../Advert.ts"
import type { KeyPair } from "../../Crypto.ts"
import type { Endpoint } from "../../Network.ts"
import * as Packet from "../../Packet.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type { ConnectionClosedError, DialError, Transport } from "../../Transport.ts"
import type { NetworkCipher } from "./networkCipher.ts"
import * as PacketStream from "./packetStream.ts"
import * as SameAdvert from "./sameAdvert.ts"

export interface Self {
  readonly networkId: Packet.NetworkId
  readonly name: Packet.NodeName
  readonly identity: KeyPair
  readonly cipher: NetworkCipher
}

/** The `adv` packet of a node that listens at the endpoint; port 0 says that it leaves. */
export const packet = (self: Self, endpoint: Endpoint): Uint8Array => {
  const { publicKey } = self.identity
  return Packet.encode({
    networkId: self.networkId,
    type: "adv",
    content: self.cipher.seal("adv", publicKey, Advert.encode({ name: self.name, ...endpoint })),
    publicKey
  })
}

/** An `adv` that was read: who it names, where, and the time in its token. */
export interface Heard {
  readonly advert: Advert.Advert
  readonly publicKey: PublicKey
  readonly timestamp: number | undefined
}

/** Opens the content of an `adv` packet. `last` is what the same source said before; `opened` what came of its content, where it was opened. */
export const read = (
  self: Self,
  decoded: Packet.Packet,
  last?: SameAdvert.Said,
  opened = self.cipher.open(decoded)
): Result.Result<Heard, ProtocolError.ProtocolError> => {
  if (Result.isFailure(opened)) return Result.fail(opened.failure)
  const advert = last !== undefined && SameAdvert.isText(opened.success.text, last)
    ? Result.succeed({ name: last.name, host: last.endpoint.host, port: last.endpoint.port })
    : Advert.decode(opened.success.text)
  if (Result.isFailure(advert)) return Result.fail(advert.failure)
  // Only an err may come without a key.
  if (decoded.publicKey === null) return Result.fail(ProtocolError.local("ERR_PUBLIC_KEY"))
  return Result.succeed({
    advert: advert.success,
    publicKey: decoded.publicKey,
    timestamp: opened.success.timestamp
  })
}

/** Sends one's own advert to an address and reads the one that is there. */
export const exchange: (
  transport: Transport["Service"],
  self: Self,
  own: Endpoint,
  to: Endpoint,
  options: { readonly clock: Clock.Clock; readonly timeout: Duration.Duration }
) => Effect.Effect<Heard, DialError | ProtocolError.ProtocolError | ConnectionClosedError> = Effect.fnUntraced(
  function*(
    transport,
    self,
    own,
    to,
    options
  ) {
    const connection = yield* transport.dial(to)
    yield* connection.write(packet(self, own))
    const stream = PacketStream.make(connection, { clock: options.clock, packetTimeout: options.timeout })
    const bytes = yield* stream.read(options.timeout).pipe(
      Effect.catchTag("Idle", () => Effect.fail(ProtocolError.local("ERR_PACKET_INCOMPLETE", "no advert came")))
    )
    const decoded = yield* Effect.fromResult(Packet.decode(bytes, {
      networkId: self.networkId,
      types: ["adv", "err"],
      maxLength: Packet.maxStreamLength
    }))
    if (decoded.type === "err") return yield* Packet.errorOf(decoded)
    return yield* Effect.fromResult(read(self, decoded))
  },
  Effect.scoped
)
