/** Vectors of packets that break several rules at once: the first of the order of checks is told. */
import { concat, utf8 } from "./bytes.ts"
import type { RawScene } from "./raw.ts"
import { hears, keyed, longAdvert, type Scene } from "./scene.ts"

/** What is wrong with a packet that breaks several rules. */
export const order = (scene: Scene, raw: RawScene): void => {
  const { invalid, refuse, sections, text } = scene
  const { body, command, rawMsg } = raw
  const end = "|end\n"
  const other = { network: "lab2", key: "AAAA" }
  for (
    const [error, description, packet] of [
      ["ERR_PACKET_TOO_LARGE", "all rules", concat(longAdvert(scene, 1_400), utf8("|"))],
      ["ERR_PACKET_INCOMPLETE", "all but the length", sections("foo", "a|b", { ...other, end: "|end" })],
      ["ERR_SECTION_COUNT", "all from the section count on", sections("foo", "a|b", { ...other, end })],
      ["ERR_PACKET_INCOMPLETE", "all from END on", sections("foo", "", { ...other, end })],
      ["ERR_NETWORK_INCORRECT", "all from the network id on", sections("foo", "", other)],
      ["ERR_PACKET_TYPE", "all from the type on", sections("foo", "", { key: "AAAA" })],
      ["ERR_PUBLIC_KEY", "all from the key on", sections("adv", "", { key: "AAAA" })],
      ["ERR_NET_DECRYPTION_FAILED", "the network-level encryption and the content", sections("adv", "")]
    ] as const
  ) {
    const order = invalid.filter(({ name }) => name.startsWith("order-")).length + 1
    refuse(`order-${order}`, error, `a packet that breaks ${description}`, packet, hears)
  }
  refuse(
    "order-own-key",
    "ERR_PUBLIC_KEY",
    "a msg with the receiver's own key, whose token does not open either",
    sections("msg", "A1JBVw==", { key: text("beta") }),
    keyed
  )
  refuse(
    "order-replay-after-box",
    "ERR_NODE_DECRYPTION_FAILED",
    "a RAW request with a stamp that is too old, and a name that is none",
    rawMsg(command(["alpha", "beta"], body({ stamp: 0, name: "*" })))
  )
}
