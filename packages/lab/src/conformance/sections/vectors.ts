/**
 * What docs/vectors.json says of packets that are refused: each that a peer with another key and another clock can be sent, which are
 * those that fail before anything is opened.
 */
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { type Check, checksOf } from "../check.ts"
import { type Bytes, concat, textOf, utf8 } from "../speech/bytes.ts"

interface Entry {
  readonly name: string
  readonly description: string
  readonly rule?: string | ReadonlyArray<string>
  readonly receiver: { readonly node: string; readonly networkKeys: ReadonlyArray<string>; readonly carrier: string }
  readonly packet: Packet
  readonly error: string
}

type Packet =
  | { readonly text: string }
  | { readonly hex: string }
  | { readonly parts: ReadonlyArray<{ readonly text: string; readonly times: number }> }

const read = (): ReadonlyArray<Entry> =>
  JSON.parse(readFileSync(new URL("../../../../../docs/vectors.json", import.meta.url), "utf8")).invalid

const bytesOf = (packet: Packet): Bytes | undefined =>
  "text" in packet ? utf8(packet.text) : "hex" in packet ? new Uint8Array(Buffer.from(packet.hex, "hex")) : undefined

/** The rule of an entry that names none. */
const ruleOf = (error: string): string =>
  ({
    ERR_SECTION_COUNT: "order-sections",
    ERR_PACKET_INCOMPLETE: "order-end",
    ERR_NETWORK_INCORRECT: "order-network",
    ERR_PACKET_TYPE: "order-type",
    ERR_PUBLIC_KEY: "order-key",
    ERR_NET_DECRYPTION_FAILED: "token-required",
    ERR_ADV_FORMAT: "order-advert",
    ERR_HANDSHAKE: "order-command"
  })[error] ?? "order-first"

/** What only a datagram is. */
const ofDatagrams = /datagram|^order-1$/
/** What depends on whom it was made for. */
const ofReceiver = /own-key|^net-(?!in-clear$|no-key$)/

/** Whether a stream can carry it, as one packet. */
const isOnePacket = (bytes: Bytes) => bytes.indexOf(0x0a) === bytes.length - 1 || !bytes.includes(0x0a)

const sendable = ({ error, name, packet, receiver }: Entry): boolean => {
  const bytes = bytesOf(packet)
  return receiver.node === "beta" && receiver.carrier !== "answer" &&
    error !== "ERR_NODE_DECRYPTION_FAILED" && error !== "ERR_REPLAY" &&
    !ofDatagrams.test(name) && !ofReceiver.test(name) &&
    bytes !== undefined && isOnePacket(bytes)
}

/** Whose error comes before a token is opened, and those whose content is inside of one where there is a key. */
const inToken = new Set(["ERR_ADV_FORMAT", "ERR_HANDSHAKE"])

const lab = utf8("lab|")

const checkOf = (entry: Entry): Check => {
  const { description, error, name, receiver } = entry
  const rule = typeof entry.rule === "string" ? entry.rule : entry.rule?.[0] ?? ruleOf(error)
  return checksOf("raw")(rule, `[${name}] ${description}`, (kit) =>
    Effect.gen(function*() {
      const given = bytesOf(entry.packet)!
      const ours = textOf(given.subarray(0, 4)) === "lab|"
        ? concat(utf8(`${kit.subject.networkId}|`), given.subarray(lab.length))
        : given
      const wire = yield* kit.dial
      if (receiver.carrier === "afterAdvert") {
        yield* wire.write(yield* kit.packet("adv", kit.advert(4000)))
        yield* kit.content(yield* wire.packet(), "adv")
      }
      const bars = [...ours.keys()].filter((at) => ours[at] === 0x7c)
      const sealed = kit.subject.networkKeys.length > 0 && inToken.has(error) && receiver.networkKeys.length === 0
        ? yield* kit.packet(
          textOf(ours.subarray(bars[0]! + 1, bars[1])),
          ours.slice(bars[1]! + 1, bars[2]),
          { key: textOf(ours.subarray(bars[2]! + 1, bars[3])) }
        )
        : ours
      yield* wire.write(sealed)
      if (!ours.includes(0x0a)) yield* wire.end
      yield* kit.err(wire, error)
    }), {
    needs: name === "net-no-key"
      ? ["no network key"]
      : error === "ERR_NET_DECRYPTION_FAILED"
      ? ["a network key"]
      : []
  })
}

export const vectors: ReadonlyArray<Check> = read().filter(sendable).map(checkOf)
