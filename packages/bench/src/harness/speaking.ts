/**
 * Many nodes as one who hears them sees them: each has an address of loopback and a socket of its own, says its advert by broadcast when it is its turn,
 * says it to who asks for it by `who`, and asks. There is nothing more to them, so that a thousand cost little.
 */
import * as Advert from "@pnet/core/Advert"
import { Crypto } from "@pnet/core/Crypto"
import * as Packet from "@pnet/core/Packet"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createSocket, type RemoteInfo, type Socket } from "node:dgram"
import type { Handlers } from "./calls.ts"
import type { Platform } from "./sides.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)

/** The bytes of a network key. */
export const keyOf = (base64url: string) => Redacted.make(new Uint8Array(Buffer.from(base64url, "base64url")))

/** A text under a network's key, as nodes of it make it. */
export const tokenOf = (
  crypto: Crypto["Service"],
  key: Redacted.Redacted<Uint8Array>,
  networkId: string,
  type: string,
  publicKey: string,
  text: string,
  now: number
): Uint8Array => crypto.fernetEncrypt(key, utf8(`${networkId}|${type}|${publicKey}|${text}`), now)

interface Speaker {
  readonly socket: Socket
  /** Its packet of a type, made anew each time where the network has a key. */
  readonly packet: (type: "adv" | "who") => Uint8Array
}

const broadcast = "127.255.255.255"

// Each an address of its own, which is what nodes share places in a table by.
const addressOf = (i: number) => `127.1.${Math.floor(i / 250)}.${i % 250 + 1}`

// What is sent is an address already.
const addressItself = (host: string, family: unknown, resume: (error: null, host: string, family: number) => void) =>
  resume(null, host, family === 6 ? 6 : 4)

/** Handles what is asked of those who speak. */
export const makeSpeakers = ({ contextOf }: Platform): Handlers<"Speakers" | "Speak"> => {
  let speakers: ReadonlyArray<Speaker> = []
  let advertisePort = 0
  // The private socket of who hears them, from which he answers and asks.
  let listener: RemoteInfo | undefined
  let turn = 0
  return {
    Speakers: ({ network, size }) =>
      Effect.gen(function*() {
        advertisePort = network.advertisePort
        const crypto = Context.get(yield* contextOf("native"), Crypto)
        const clock = yield* Clock.Clock
        const networkId = network.networkId as Packet.NetworkId
        const key = network.networkKey === null ? undefined : keyOf(network.networkKey)
        const question = Buffer.from(`${networkId}|who|`)
        speakers = yield* Effect.forEach(Array.from({ length: size }, (_, i) => i), (i) =>
          Effect.callback<Speaker>((resume) => {
            const address = addressOf(i)
            const { publicKey } = crypto.generateKeyPair()
            const advert = Buffer.from(
              Advert.encode({ name: `speaker${i}` as Packet.NodeName, host: address, port: 4_000 })
            ).toString()
            const make = (type: "adv" | "who") => {
              const text = type === "adv" ? advert : `,${advert}`
              return Packet.encode({
                networkId,
                type,
                publicKey,
                content: key === undefined
                  ? utf8(text)
                  : tokenOf(crypto, key, networkId, type, publicKey, text, clock.currentTimeMillisUnsafe())
              })
            }
            const made = { adv: make("adv"), who: make("who") }
            const packet: Speaker["packet"] = (type) =>
              key === undefined ? made[type] : make(type)
            const socket = createSocket({ type: "udp4", lookup: addressItself as never })
            socket.on("message", (bytes, from) => {
              listener = from
              if (bytes.subarray(0, question.length).equals(question)) {
                socket.send(packet("adv"), from.port, from.address, () => {})
              }
            })
            socket.bind({ address, port: 0, exclusive: true }, () => {
              socket.setBroadcast(true)
              resume(Effect.succeed({ socket, packet }))
            })
          }))
        return null
      }),

    Speak: ({ asksPerSecond, perSecond, seconds, size }) =>
      Effect.gen(function*() {
        const clock = yield* Clock.Clock
        const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e9
        const began = now()
        let sent = 0
        let asked = 0
        while (true) {
          const passed = Math.min(seconds, now() - began)
          for (const due = Math.floor(passed * perSecond); sent < due; sent++) {
            const { packet, socket } = speakers[turn++ % size]!
            socket.send(packet("adv"), advertisePort, broadcast, () => {})
          }
          for (const due = Math.floor(passed * asksPerSecond); listener !== undefined && asked < due; asked++) {
            const { packet, socket } = speakers[(turn + asked) % size]!
            socket.send(packet("who"), listener.port, listener.address, () => {})
          }
          if (passed >= seconds) return { sent }
          yield* Effect.sleep(2)
        }
      })
  }
}
