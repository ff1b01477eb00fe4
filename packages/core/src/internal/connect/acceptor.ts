/**
 * The first packets of an accepted connection (protocol sections 1 and 7): who may connect at all, the exchange of adverts, and
 * which of the node's services the first `msg` is for. From then on the connection is that service's.
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Crypto } from "../../Crypto.ts"
import type { Endpoint } from "../../Network.ts"
import type { Limits } from "../../NodeOptions.ts"
import * as Packet from "../../Packet.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Raw from "../../Raw.ts"
import type { Connection } from "../../Transport.ts"
import * as Metrics from "../base/metrics.ts"
import type { Obstacles } from "../values/obstacles.ts"
import * as AdvertExchange from "../wire/advertExchange.ts"
import * as Mismatch from "../wire/mismatch.ts"
import type * as NetworkCipher from "../wire/networkCipher.ts"
import * as PacketStream from "../wire/packetStream.ts"

/** A `msg` whose network-level encryption opened. */
export interface Command {
  readonly publicKey: PublicKey
  readonly bytes: Uint8Array
  /** The network key that it opened under; `undefined` on a network without one. */
  readonly networkKey: NetworkCipher.Opened["key"]
}

/** An accepted connection that has sent its first `msg`. */
export interface Accepted {
  readonly connection: Connection
  readonly stream: PacketStream.PacketStream
  /** To be called when the peer has proved itself: frees its place among those that have not. */
  readonly proved: () => void
}

/** Refused with a code; `keyed` is whether the packet had got as far as a valid key. */
export class Refusal {
  readonly _tag = "Refusal"
  readonly error: ProtocolError.ProtocolError
  readonly keyed: boolean
  constructor(error: ProtocolError.ProtocolError, keyed: boolean) {
    this.error = error
    this.keyed = keyed
  }
}

/** What serves connections whose first command it recognises. */
export interface Service {
  readonly accepts: (command: Uint8Array) => boolean
  readonly serve: (accepted: Accepted, first: Command) => Effect.Effect<void, Refusal>
}

/** What a node serves besides what it serves by itself. */
export const Services: Context.Reference<ReadonlyArray<Service>> = Context.Reference<ReadonlyArray<Service>>(
  "@pnet/core/internal/Services",
  {
    defaultValue: () => []
  }
)

const keyless: ReadonlySet<ProtocolError.Code> = new Set<ProtocolError.Code>([
  "ERR_PACKET_TOO_LARGE",
  "ERR_PACKET_INCOMPLETE",
  "ERR_SECTION_COUNT",
  "ERR_NETWORK_INCORRECT",
  "ERR_PACKET_TYPE",
  "ERR_PUBLIC_KEY"
])

/** The error of a packet's envelope as a refusal. */
export const refusal = (error: ProtocolError.ProtocolError) => new Refusal(error, !keyless.has(error.code))

/** The command of a `msg`: its network-level encryption opened, its text decoded. */
export const commandOf = (
  self: AdvertExchange.Self,
  packet: Packet.Packet
): Result.Result<Command, ProtocolError.ProtocolError> => {
  const { publicKey } = packet
  if (publicKey === null || publicKey === self.identity.publicKey) {
    return Result.fail(ProtocolError.local("ERR_PUBLIC_KEY", "the receiver's own"))
  }
  const opened = self.cipher.open(packet)
  if (Result.isFailure(opened)) return Result.fail(opened.failure)
  const bytes = Raw.fromText(opened.success.text)
  return bytes === undefined
    ? Result.fail(ProtocolError.local("ERR_HANDSHAKE", "not base64url"))
    : Result.succeed({ publicKey, bytes, networkKey: opened.success.key })
}

interface Options {
  readonly self: AdvertExchange.Self
  readonly clock: Clock.Clock
  readonly limits: Limits
  readonly services: ReadonlyArray<Service>
  readonly context: Context.Context<never>
  readonly crypto: Crypto["Service"]
  readonly obstacles: Obstacles
}

/** The places of those who have connected and proved nothing yet: so many, and so many from one address. */
class Strangers {
  readonly #limits: Limits
  #pending = 0
  readonly #byAddress = new Map<string, number>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Why one more has no place. */
  full(address: string): string | undefined {
    const limits = this.#limits
    if (this.#pending >= limits.pendingConnections) return "connections"
    if ((this.#byAddress.get(address) ?? 0) >= limits.pendingPerAddress) return "connections from there"
    return undefined
  }

  /** Takes a place, and gives what gives it back. */
  take(address: string): () => void {
    this.#count(address, 1)
    let waiting = true
    return () => {
      if (waiting) this.#count(address, -1)
      waiting = false
    }
  }

  #count(address: string, by: 1 | -1): void {
    this.#pending += by
    const now = (this.#byAddress.get(address) ?? 0) + by
    if (now === 0) this.#byAddress.delete(address)
    else this.#byAddress.set(address, now)
  }
}

export class Acceptor {
  readonly #options: Options
  readonly #strangers: Strangers
  #refusing = 0

  constructor(options: Options) {
    this.#options = options
    this.#strangers = new Strangers(options.limits)
  }

  /** Serves one connection that was accepted at an endpoint, to its end. */
  handle(connection: Connection, listening: Endpoint): Effect.Effect<void> {
    return Effect.suspend(() => {
      const address = connection.remote?.host ?? ""
      const full = this.#strangers.full(address)
      if (full !== undefined) return this.#busy(connection, full)
      const proved = this.#strangers.take(address)
      return this.#greet(connection, listening, proved).pipe(
        Effect.catchTag("Refusal", (error) => this.#refuse(connection, error)),
        Effect.catchTag("ConnectionClosedError", () => Effect.void),
        Effect.ensuring(Effect.sync(proved))
      )
    })
  }

  /** Reads the first packets, and hands the connection to the service that the first message is for. */
  #greet(connection: Connection, listening: Endpoint, proved: () => void) {
    // Behind the generator, so that it keeps none of the packets for as long as the connection lives.
    return Effect.flatMap(
      Effect.gen(() => this.#first(connection, listening, proved)),
      (served) => served ?? Effect.void
    )
  }

  *#first(connection: Connection, listening: Endpoint, proved: () => void) {
    const { clock, context, limits, self, services } = this.#options
    const stream = PacketStream.make(connection, { clock, packetTimeout: limits.firstPacketTimeout })
    let expected: ReadonlyArray<Packet.PacketType> = ["adv", "msg", "err"]
    while (true) {
      const bytes = yield* this.#read(stream)
      const decoded = Packet.decode(bytes, {
        networkId: self.networkId,
        types: expected,
        maxLength: Packet.maxStreamLength
      })
      if (Result.isFailure(decoded)) {
        if (PacketStream.saysErr(bytes)) return
        yield* this.#note(connection, bytes, decoded.failure)
        return yield* Effect.fail(refusal(decoded.failure))
      }
      const packet = decoded.success
      if (packet.type === "err") return
      if (packet.type === "adv") {
        const heard = AdvertExchange.read(self, packet)
        if (Result.isFailure(heard)) {
          yield* this.#note(connection, bytes, heard.failure)
          return yield* Effect.fail(refusal(heard.failure))
        }
        yield* connection.write(AdvertExchange.packet(self, listening))
        expected = ["msg", "err"]
        continue
      }
      const command = commandOf(self, packet)
      if (Result.isFailure(command)) {
        yield* this.#note(connection, bytes, command.failure)
        return yield* Effect.fail(refusal(command.failure))
      }
      const service = services.find((service) => service.accepts(command.success.bytes))
      if (service === undefined) {
        return yield* Effect.fail(new Refusal(ProtocolError.local("ERR_HANDSHAKE", "not served here"), true))
      }
      Metrics.connections("accepted", context)
      return service.serve({ connection, stream, proved }, command.success)
    }
  }

  #read(stream: PacketStream.PacketStream) {
    const { limits } = this.#options
    return stream.read(limits.firstPacketTimeout).pipe(
      Effect.mapError((error) =>
        // Without a word about a connection that is gone: there is nobody to tell.
        error._tag === "ConnectionClosedError"
          ? error
          : refusal(error._tag === "Idle" ? ProtocolError.local("ERR_PACKET_INCOMPLETE", "no packet came") : error)
      )
    )
  }

  /** Who connects means this node, and cannot talk to it: an operator has to know, on this side too. */
  #note({ remote }: Connection, bytes: Uint8Array, { code }: ProtocolError.ProtocolError): Effect.Effect<void> {
    const { clock, crypto, obstacles, self } = this.#options
    const host = remote?.host
    if (host === undefined || code !== "ERR_NETWORK_INCORRECT" && code !== "ERR_NET_DECRYPTION_FAILED") {
      return Effect.void
    }
    // The key of its network key is that of its broadcasts, which say the same.
    const key = code === "ERR_NETWORK_INCORRECT" ? `connection ${host}` : `key ${host}`
    const now = Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
    return obstacles.met(key, now, () => {
      const decoded = Packet.decode(bytes, { types: ["adv", "msg"], maxLength: Packet.maxStreamLength })
      if (Result.isFailure(decoded)) return undefined
      return code === "ERR_NETWORK_INCORRECT"
        ? Mismatch.otherNetwork(decoded.success.networkId, self.networkId, host)
        : Mismatch.obstacleOf(crypto, self.cipher.keys(), decoded.success, host, clock.currentTimeMillisUnsafe())
    }) ?? Effect.void
  }

  #refuse(connection: Connection, { error, keyed }: Refusal): Effect.Effect<void> {
    const { context, self } = this.#options
    Metrics.connections(error.code, context)
    return PacketStream.refuse(connection, self.networkId, error.code, keyed ? self.identity.publicKey : null)
  }

  /** Says that there is no room, to so many at once. */
  #busy(connection: Connection, detail: string): Effect.Effect<void> {
    const { context, limits } = this.#options
    return Effect.suspend(() => {
      if (this.#refusing >= limits.refusals) {
        Metrics.connections("dropped", context)
        return Effect.void
      }
      this.#refusing++
      return Effect.ensuring(
        this.#refuse(connection, new Refusal(ProtocolError.local("ERR_BUSY", detail), false)),
        Effect.sync(() => {
          this.#refusing--
        })
      )
    })
  }
}

export const make = (options: Options): Acceptor => new Acceptor(options)
