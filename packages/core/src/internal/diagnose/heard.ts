/**
 * What was heard of nodes: those of this network, each once, and what keeps the others from being understood. Any number of strangers can
 * send, so all of it is bounded.
 */
import * as NetAddress from "effect/net/NetAddress"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Advert from "../../Advert.ts"
import type { Crypto } from "../../Crypto.ts"
import * as Finding from "../../Finding.ts"
import type { Endpoint } from "../../Network.ts"
import * as Packet from "../../Packet.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Interfaces from "../discovery/interfaces.ts"
import type { Self } from "../wire/advertExchange.ts"
import * as Mismatch from "../wire/mismatch.ts"
import * as NetworkCipher from "../wire/networkCipher.ts"

const peersKept = 2_048
export const othersKept = 16

/** A node of this network. */
export interface Node {
  readonly name: string
  readonly publicKey: PublicKey
  readonly endpoint: Endpoint
  readonly via: "broadcast" | "static"
  /** Where its advert came from, and whether that is this machine. */
  readonly source: string
  readonly local: boolean
  /** How far its clock is ahead, in seconds. */
  readonly skew: number | undefined
}

interface Parts {
  readonly crypto: Crypto["Service"]
  readonly self: Self
  readonly keys: ReadonlyArray<Redacted.Redacted<Uint8Array>>
  readonly checkAdvertSource: boolean
  readonly nowMillis: () => number
}

export class Heard {
  readonly #parts: Parts
  readonly #nodes = new Map<PublicKey, Node>()
  readonly otherNetworks = new Set<string>()
  /** Of this network, by where they are: those whose adverts do not open. */
  readonly mismatches = new Map<string, Finding.KeyMismatch>()
  /** Those whose adverts come from elsewhere than they say. */
  readonly elsewhere = new Map<PublicKey, Finding.SourceMismatch>()
  /** Addresses whose own broadcast came back. */
  readonly returned = new Set<string>()
  /** The addresses of this machine. */
  readonly ownAddresses = new Set<string>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  get nodes(): ReadonlyArray<Node> {
    return [...this.#nodes.values()]
  }

  enter(one: Node): void {
    if (this.#nodes.size >= peersKept || this.#nodes.has(one.publicKey)) return
    this.#nodes.set(one.publicKey, one)
  }

  /** Enters what a datagram says; of one from another subnet than a given one, nothing. */
  take(datagram: DatagramSocket.Datagram, subnet: Interfaces.Target | undefined): void {
    const { checkAdvertSource, self } = this.#parts
    const decoded = Packet.decode(datagram.payload, { types: ["adv"], maxLength: Packet.maxDatagramLength })
    if (Result.isFailure(decoded)) return
    const packet = decoded.success
    const source: Endpoint = { host: NetAddress.formatIp(datagram.address.address), port: datagram.address.port }
    if (packet.publicKey === self.identity.publicKey) return void this.returned.add(source.host)
    if (subnet !== undefined && !Interfaces.sameSubnet(subnet.address, source.host, subnet.prefixLength)) return
    if (packet.networkId !== self.networkId) {
      if (this.otherNetworks.size < othersKept) this.otherNetworks.add(packet.networkId)
      return
    }
    const opened = this.#open(packet, source.host)
    if (opened === undefined || packet.publicKey === null) return
    const advert = Advert.decode(opened.text)
    // Whoever leaves is no longer there to be asked.
    if (Result.isFailure(advert) || advert.success.port === 0) return
    const { host, name, port } = advert.success
    if (checkAdvertSource && host !== source.host) {
      if (this.elsewhere.size < othersKept) {
        this.elsewhere.set(
          packet.publicKey,
          new Finding.SourceMismatch({ peer: name, advertised: host, source: source.host })
        )
      }
      return
    }
    this.enter({
      name,
      publicKey: packet.publicKey,
      endpoint: { host, port },
      via: "broadcast",
      source: source.host,
      local: Interfaces.isLoopback(source.host) || this.ownAddresses.has(source.host),
      skew: opened.skew
    })
  }

  /** The text of an advert, whatever its age; `undefined` where there is none, which is noted. */
  #open(packet: Packet.Packet, source: string) {
    const { crypto, keys, nowMillis, self } = this.#parts
    const opened = self.cipher.open(packet)
    if (Result.isSuccess(opened)) {
      const { text, timestamp } = opened.success
      return { text, skew: timestamp === undefined ? undefined : Mismatch.skewOf(timestamp, nowMillis()) }
    }
    const mismatch = Mismatch.mismatchOf(crypto, keys, packet, nowMillis())
    if (mismatch === undefined) return undefined
    if (mismatch._tag !== "Clock") {
      if (this.mismatches.size < othersKept) {
        const { networkId } = self
        this.mismatches.set(source, new Finding.KeyMismatch({ kind: mismatch._tag, networkId, source }))
      }
      return undefined
    }
    // However old its token is: that is what is wanted. It was made for this packet.
    const aged = NetworkCipher.openAtAnyAge(crypto, keys, packet, nowMillis())
    return aged === undefined || aged === "moved" ? undefined : { text: aged.text, skew: mismatch.seconds }
  }
}
