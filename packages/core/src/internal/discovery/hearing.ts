/**
 * What a datagram on the advertise port says: a sighting, or an obstacle, or nothing that this node minds. Anybody can send one, so each is
 * judged by what costs least first.
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type { Advert } from "../../Advert.ts"
import type { Crypto } from "../../Crypto.ts"
import type { Sighting } from "../../Discovery.ts"
import type { Endpoint } from "../../Network.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import * as Packet from "../../Packet.ts"
import * as Metrics from "../base/metrics.ts"
import { quote } from "../base/quote.ts"
import * as AdvertExchange from "../wire/advertExchange.ts"
import * as Mismatch from "../wire/mismatch.ts"
import type { Answers } from "./answers.ts"
import { Freshness } from "./freshness.ts"
import { sameSubnet, type Target } from "./interfaces.ts"
import type { Private, Sockets } from "./sockets.ts"

interface Parts {
  readonly config: NodeConfig["Service"]
  readonly self: AdvertExchange.Self
  readonly crypto: Crypto["Service"]
  readonly clock: Clock.Clock
  readonly context: Context.Context<never>
  readonly sockets: Sockets
  readonly answers: Answers
  readonly sightings: Queue.Queue<Sighting>
  readonly now: () => number
}

export class Hearing {
  readonly #parts: Parts
  readonly #freshness: Freshness

  constructor(parts: Parts) {
    this.#parts = parts
    this.#freshness = new Freshness(parts.clock, parts.config.limits.advertStamps)
  }

  /** Reads a socket, for ever. Its errors end with its scope; while it lives there is nothing to read but datagrams. */
  hear(reader: DatagramSocket.Reader, via: Private | undefined, subnet?: Target) {
    return Effect.forever(
      Effect.flatMap(reader.pull, (datagrams) => {
        let said: Effect.Effect<void> = Effect.void
        for (const datagram of datagrams) {
          const line = this.#take(datagram, via, subnet)
          if (line !== undefined) said = Effect.andThen(said, line)
        }
        return said
      })
    )
  }

  /** Enters what a datagram says; what is to be said about it in the log, if anything. */
  #take(
    datagram: DatagramSocket.Datagram,
    via: Private | undefined,
    subnet: Target | undefined
  ): Effect.Effect<void> | void {
    const { answers, config, self, sightings, sockets } = this.#parts
    const decoded = Packet.decode(datagram.payload, {
      networkId: self.networkId,
      types: ["adv"],
      maxLength: Packet.maxDatagramLength
    })
    const source: Endpoint = { host: NetAddress.formatIp(datagram.address.address), port: datagram.address.port }
    if (Result.isFailure(decoded)) {
      const { code } = decoded.failure
      this.#count(code)
      return code === "ERR_NETWORK_INCORRECT" ? this.#otherNetwork(datagram.payload, source) : undefined
    }
    if (decoded.success.publicKey === self.identity.publicKey && sockets.isOwn(source)) return this.#count("own")
    if (subnet !== undefined && !sameSubnet(subnet.address, source.host, subnet.prefixLength)) {
      return this.#count("other_subnet")
    }
    const heard = AdvertExchange.read(self, decoded.success)
    if (Result.isFailure(heard)) {
      const { code } = heard.failure
      this.#count(code)
      return code === "ERR_NET_DECRYPTION_FAILED" ? this.#unreadable(decoded.success, source) : undefined
    }
    const { advert, publicKey, timestamp } = heard.success
    if (config.checkAdvertSource && advert.host !== source.host) {
      this.#count("source_mismatch")
      return this.#translated(advert, source)
    }
    if (timestamp !== undefined && !this.#freshness.take(publicKey, advert, timestamp, decoded.success.content)) {
      return this.#count("stale")
    }
    this.#count("accepted")
    Queue.offerUnsafe(sightings, {
      name: advert.name,
      publicKey,
      endpoint: { host: advert.host, port: advert.port },
      source,
      via: "broadcast",
      local: sockets.isLocal(source),
      answer: answers.answer(datagram, source, via)
    })
  }

  #count(outcome: string): void {
    Metrics.adverts(outcome, this.#parts.context)
  }

  /** A node of another network: most often as it should be. */
  #otherNetwork(payload: Uint8Array, { host }: Endpoint) {
    const { config: { obstacles }, now, self } = this.#parts
    return obstacles.met(`network ${host}`, now(), () => {
      const other = Packet.decode(payload, { types: ["adv"], maxLength: Packet.maxDatagramLength })
      return Result.isFailure(other)
        ? undefined
        : Mismatch.otherNetwork(other.success.networkId, self.networkId, host)
    }, { level: "Info" })
  }

  /** A node of this network whose adverts do not open. */
  #unreadable(packet: Packet.Packet, { host }: Endpoint) {
    const { clock, config: { obstacles }, crypto, now, self } = this.#parts
    return obstacles.met(
      `key ${host}`,
      now(),
      () => Mismatch.obstacleOf(crypto, self.cipher.keys(), packet, host, clock.currentTimeMillisUnsafe())
    )
  }

  /** A node whose adverts come from elsewhere than it says. */
  #translated(advert: Advert, { host }: Endpoint) {
    const { config: { obstacles }, now } = this.#parts
    return obstacles.met(`source ${host}`, now(), () => ({
      kind: "Source",
      where: host,
      what: `${quote(advert.name)} advertises ${advert.host}, and its adverts come from ${host}: they are dropped`,
      remedy: Mismatch.translatedRemedy
    }))
  }
}
