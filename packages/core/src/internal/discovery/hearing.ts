/**
 * What a datagram on the advertise port says: a sighting, or an obstacle, or nothing that this node minds. Anybody can send one, so each is
 * judged by what costs least first.
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type { Advert } from "../../Advert.ts"
import type { Crypto } from "../../Crypto.ts"
import type { Outlet } from "../../Discovery.ts"
import type { Endpoint } from "../../Network.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import * as Packet from "../../Packet.ts"
import type { ProtocolError } from "../../ProtocolError.ts"
import * as PublicKey from "../../PublicKey.ts"
import * as Metrics from "../base/metrics.ts"
import { quote } from "../base/quote.ts"
import type * as AdvertExchange from "../wire/advertExchange.ts"
import * as CrowdPackets from "../wire/crowdPackets.ts"
import * as Mismatch from "../wire/mismatch.ts"
import type { Opened as OpenedContent } from "../wire/networkCipher.ts"
import * as ReadOnce from "../wire/readOnce.ts"
import * as SameAdvert from "../wire/sameAdvert.ts"
import type { Answers } from "./answers.ts"
import type { Crowd } from "./crowd.ts"
import { Freshness } from "./freshness.ts"
import { type Ear, Heard, HeardAsking } from "./heard.ts"
import { sameSubnet } from "./interfaces.ts"
import { LastHeard } from "./lastHeard.ts"
import type { Newcomer } from "./newcomer.ts"
import type { Sockets } from "./sockets.ts"

type Opened = Result.Result<OpenedContent, ProtocolError>

// After so many datagrams others have their turn, so that a flood leaves them some.
const turn = 16

const heardTypes: ReadonlyArray<Packet.PacketType> = ["adv", "who", "ask"]

interface Parts {
  readonly config: NodeConfig["Service"]
  readonly self: AdvertExchange.Self
  readonly crypto: Crypto["Service"]
  readonly clock: Clock.Clock
  readonly context: Context.Context<never>
  readonly sockets: Sockets
  readonly answers: Answers
  readonly crowd: Crowd
  readonly newcomer: Newcomer
  readonly outlet: Outlet
  readonly now: () => number
  /** Runs what is not waited for. */
  readonly run: (effect: Effect.Effect<void>) => void
}

/** Where a datagram came from. What a platform's own have as text is not parsed to be written again. */
const sourceOf = (datagram: DatagramSocket.Datagram & Partial<DatagramSocket.BackingAddress>): Endpoint => {
  const { host, port } = datagram
  return typeof host === "string" && typeof port === "number" && !host.includes(":")
    ? { host, port }
    : { host: NetAddress.formatIp(datagram.address.address), port: datagram.address.port }
}

const isSame = (last: Heard, { host, name, port }: Advert, publicKey: PublicKey.PublicKey): boolean =>
  last.publicKey === publicKey && last.name === name && last.endpoint.host === host && last.endpoint.port === port

export class Hearing {
  readonly #parts: Parts
  // What is looked at for each advert, which is most of what a node does: one behind the other in memory, and not each in an object elsewhere.
  readonly #sockets: Sockets
  readonly #crowd: Crowd
  readonly #outlet: Outlet
  readonly #answers: Answers
  readonly #newcomer: Newcomer
  readonly #self: AdvertExchange.Self
  readonly #checksSource: boolean
  readonly #context: Context.Context<never>
  readonly #encrypted: boolean
  readonly #own: PublicKey.PublicKey
  readonly #freshness: Freshness
  readonly #head: Uint8Array
  readonly #ownKey: Uint8Array
  readonly #last: LastHeard
  #taken = 0
  /** A datagram of a source that was heard before, of which it did not come to what that said then, and what came of its content. */
  #other: { readonly payload: Uint8Array; readonly opened: Opened } | undefined

  constructor(parts: Parts) {
    const { config: { limits }, self } = parts
    this.#parts = parts
    this.#sockets = parts.sockets
    this.#crowd = parts.crowd
    this.#outlet = parts.outlet
    this.#answers = parts.answers
    this.#newcomer = parts.newcomer
    this.#self = self
    this.#checksSource = parts.config.checkAdvertSource
    this.#context = parts.context
    this.#encrypted = self.cipher.encrypted
    this.#own = self.identity.publicKey
    this.#freshness = new Freshness(parts.clock, limits.advertStamps)
    this.#head = SameAdvert.headOf(self.networkId)
    this.#ownKey = PublicKey.toBytes(self.identity.publicKey)
    this.#last = new LastHeard(limits.provedPeers + limits.unprovedPeers, limits.unprovedPerOwnAddress)
  }

  /** Who hears at a socket. */
  earOf(via: Ear["via"], subnet: Ear["subnet"]): Ear {
    // Until it is read, what comes is held by it.
    return { via, subnet, answers: this.#parts.answers, behind: true }
  }

  /** What takes the datagrams of a socket when they come, and what reads the others. */
  hearer(ear: Ear) {
    return {
      take: (payload: Uint8Array, host: string, port: number) => this.take(ear, payload, host, port),
      hear: (reader: DatagramSocket.Reader) => this.hear(reader, ear)
    }
  }

  /** Reads a socket, for ever. Its errors end with its scope; while it lives there is nothing to read but datagrams. */
  hear(reader: DatagramSocket.Reader, ear: Ear) {
    const ready = Effect.sync(() => {
      ear.behind = false
    })
    const read = Effect.forever(
      Effect.flatMap(reader.pull, (datagrams) => {
        let said: Effect.Effect<void> = Effect.void
        for (const datagram of datagrams) {
          const { host, port } = sourceOf(datagram)
          const line = this.#take(ear, datagram.payload, host, port)
          if (line !== undefined) said = Effect.andThen(said, line)
        }
        this.#taken += datagrams.length
        if (this.#taken >= turn) {
          this.#taken = 0
          said = Effect.andThen(said, Effect.yieldNow)
        }
        if (said === Effect.void) return said
        ear.behind = true
        return Effect.andThen(said, ready)
      }),
      { disableYield: true }
    )
    const end = Effect.sync(() => {
      ear.behind = true
    })
    return Effect.ensuring(Effect.andThen(ready, read), end)
  }

  /**
   * Takes a datagram when it comes, without a fiber, and says whether it did: of a node that was heard there before, and as long as nothing that came before has
   * to be waited for. Those of strangers wait for the reader, which gives others their turn.
   */
  take(ear: Ear, payload: Uint8Array, host: string, port: number): boolean {
    if (ear.behind) return false
    const last = this.#last.get(host, port)
    if (last === undefined) return false
    if (this.#takeAgain(ear, payload, last)) return true
    if (!SameAdvert.isOfKey(payload, last)) return false
    const line = this.#readOn(ear, payload, host, port, last)
    if (line !== undefined) {
      ear.behind = true
      this.#parts.run(Effect.andThen(
        line,
        Effect.sync(() => {
          ear.behind = false
        })
      ))
    }
    return true
  }

  /** Enters a datagram that says what its source said last, as most do, and says whether it is one. Anything else is to be read. */
  #takeAgain(ear: Ear, payload: Uint8Array, last: Heard): boolean {
    if (!this.#isSame(last, ear)) return false
    if (this.#encrypted) {
      const { place } = last
      const content = this.#sameContent(payload, last)
      if (content === undefined) return false
      const { timestamp, token } = content
      if (place === undefined || !this.#freshness.take(place, last.endpoint.port, timestamp, token)) {
        this.#count("stale")
        return true
      }
    } else if (!SameAdvert.isPacket(payload, this.#head, last)) return false
    this.#count("accepted")
    if (ear.via === undefined) this.#crowd.counted()
    this.#outlet.give(last)
    return true
  }

  /**
   * Whether the socket, the interfaces and the keys have to do with it what they had: that may have changed since. At a private socket nothing is minded that the shared
   * one does not mind, so what was heard there is the same here; and it outlives this one.
   */
  #isSame(last: Heard, ear: Ear): boolean {
    return (last.ear === ear || last.ear.via === undefined && ear.via !== undefined) &&
      (last.localAt === this.#sockets.changes || this.#isAsLocal(last))
  }

  #isAsLocal(last: Heard): boolean {
    if (last.local !== this.#sockets.isLocal(last.source)) return false
    last.localAt = this.#sockets.changes
    return true
  }

  /** Opens the token of an advert that says what was said before. */
  #sameContent(payload: Uint8Array, last: Heard) {
    const { self: { cipher, networkId } } = this.#parts
    // It was opened already, when it came.
    if (this.#other?.payload === payload) return undefined
    const token = SameAdvert.contentOf(payload, this.#head, last)
    if (token === undefined) return undefined
    const opened = cipher.open({ networkId, type: "adv", content: token, publicKey: last.publicKey })
    if (Result.isSuccess(opened) && opened.success.timestamp !== undefined) {
      const { text, timestamp } = opened.success
      if (SameAdvert.isText(text, last)) return { token, timestamp }
    }
    this.#other = { payload, opened }
    return undefined
  }

  /** Enters what a datagram says; what is to be said about it in the log, if anything. */
  #take(ear: Ear, payload: Uint8Array, host: string, port: number): Effect.Effect<void> | void {
    const last = this.#last.get(host, port)
    return last !== undefined && this.#takeAgain(ear, payload, last)
      ? undefined
      : this.#readOn(ear, payload, host, port, last)
  }

  #readOn(
    ear: Ear,
    payload: Uint8Array,
    host: string,
    port: number,
    last: Heard | undefined
  ): Effect.Effect<void> | void {
    const line = this.#read(
      payload,
      last?.source ?? { host, port },
      ear,
      last,
      last !== undefined && this.#isSame(last, ear) ? last : undefined
    )
    this.#other = undefined
    return line
  }

  /**
   * Reads a datagram, of a source that said something else before, or nothing, or whose adverts have to be opened. What it said `last` is the `same`
   * sighting where it says that again.
   */
  #read(
    payload: Uint8Array,
    source: Endpoint,
    ear: Ear,
    last: Heard | undefined,
    same: Heard | undefined
  ): Effect.Effect<void> | void {
    const self = this.#self
    const sockets = this.#sockets
    const answers = this.#answers
    const newcomer = this.#newcomer
    const { subnet } = ear
    const decoded = ReadOnce.decode(payload, {
      networkId: self.networkId,
      types: heardTypes,
      maxLength: Packet.maxDatagramLength,
      likelyKey: last?.publicKey
    })
    if (Result.isFailure(decoded)) {
      const { code } = decoded.failure
      this.#count(code)
      return code === "ERR_NETWORK_INCORRECT" ? this.#otherNetwork(payload, source) : undefined
    }
    if (decoded.success.publicKey === this.#own && sockets.isOwn(source)) return this.#count("own")
    if (subnet !== undefined && !sameSubnet(subnet.address, source.host, subnet.prefixLength)) {
      return this.#count("other_subnet")
    }
    const { type } = decoded.success
    if (type === "ask") return this.#asked(decoded.success, source)
    const heard: Result.Result<CrowdPackets.Who, ProtocolError> = type === "who"
      ? ReadOnce.who(self, decoded.success)
      : ReadOnce.advert(
        self,
        decoded.success,
        last,
        this.#other?.payload === payload ? this.#other.opened : undefined
      )
    if (Result.isFailure(heard)) {
      const { code } = heard.failure
      this.#count(code)
      return type === "adv" && code === "ERR_NET_DECRYPTION_FAILED"
        ? this.#unreadable(decoded.success, source)
        : undefined
    }
    const { advert, publicKey, request, timestamp } = heard.success
    if (this.#checksSource && advert.host !== source.host) {
      this.#count("source_mismatch")
      return this.#translated(advert, source)
    }
    const asks = type === "who"
    const place = timestamp === undefined
      ? undefined
      : last?.publicKey === publicKey && last.endpoint.host === advert.host
      ? last.place
      : Freshness.placeOf(publicKey, advert.host)
    // Port 0 of who asks is not "leaving".
    const stated = asks ? 1 : advert.port
    if (timestamp !== undefined && !this.#freshness.take(place!, stated, timestamp, decoded.success.content)) {
      return this.#count("stale")
    }
    const chance = asks ? answers.asked(source, ear.via, request) : 0
    if (request !== undefined) {
      newcomer.heardQuestion()
      // It knows this node, or asks others first.
      if (!CrowdPackets.isFor(request, this.#ownKey)) return this.#count("not_asked")
    }
    this.#count("accepted")
    if (ear.via === undefined) this.#crowd.counted()
    else if (!asks && last === undefined) newcomer.wasTold()
    if (asks) answers.tell(source, ear.via, request, chance)
    if (asks && request === undefined) newcomer.wasAsked()
    // Of who asks and listens nowhere there is nothing to enter, and it does not leave.
    if (asks && advert.port === 0) return
    if (same !== undefined && isSame(same, advert, publicKey)) return this.#outlet.give(same)
    const endpoint = { host: advert.host === source.host ? source.host : advert.host, port: advert.port }
    const said = { name: advert.name, publicKey, endpoint }
    const from = { source, local: sockets.isLocal(source), localAt: sockets.changes, ear, place }
    if (asks) return this.#outlet.give(new HeardAsking(said, from))
    const sighting = new Heard(said, from)
    // Whether it is this node's own advert, or another's, depends on more than what it says.
    if (publicKey === this.#own || advert.port === 0) this.#last.delete(source)
    else this.#last.set(sighting)
    this.#outlet.give(sighting)
  }

  /** Other nodes are in doubt whether some are there. */
  #asked(packet: Packet.Packet, { host }: Endpoint): void {
    const { crowd, self } = this.#parts
    const read = CrowdPackets.readAsk(self, packet)
    if (Result.isFailure(read)) return this.#count(read.failure.code)
    const { keys, publicKey, timestamp } = read.success
    // What a key asks is told apart from what it advertises, by what is no host, and does not leave.
    const asked = Freshness.placeOf(publicKey, "ask")
    if (timestamp !== undefined && !this.#freshness.take(asked, 1, timestamp, packet.content)) {
      return this.#count("stale")
    }
    this.#count("asked")
    crowd.asked(keys, host)
  }

  #count(outcome: string): void {
    Metrics.adverts(outcome, this.#context)
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
