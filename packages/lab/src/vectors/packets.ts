/** Vectors of packets that need no box to be opened: adverts, refusals, the envelope and its sections. */
import * as Packet from "@pnet/core/Packet"
import { base64url, concat, ofHex, range, utf8 } from "./bytes.ts"
import { advert, answer, datagram, longAdvert, said as saidBy, type Scene } from "./scene.ts"

/** Adverts in clear. */
export const adverts = (scene: Scene): void => {
  const { accept, sections } = scene
  const said = saidBy(scene)
  accept("adv-ipv4", "an advert", sections("adv", advert), said, datagram)
  accept("adv-by-tcp", "the same, as the first packet of a connection", sections("adv", advert), said)
  accept("adv-leaving", "port 0: the node leaves", sections("adv", "alpha@10.0.0.1:0"), { ...said, port: 0 }, datagram)
  accept(
    "adv-ipv6",
    "an IPv6 address in brackets; all forms of RFC 4291 are the same 16 bytes",
    sections("adv", "alpha@[2001:DB8:0:0::0001]:65535"),
    { ...said, host: "2001:db8::1", port: 65_535 },
    datagram
  )
  accept(
    "adv-utf8",
    "a network id and a name beyond ASCII, the latter of 64 bytes",
    sections("adv", `${"zoë".repeat(16)}@10.0.0.1:4000`, { network: "réseau" }),
    { ...said, name: "zoë".repeat(16) },
    { ...datagram, networkId: "réseau" }
  )
}

/** Adverts that are none. */
export const wrongAdverts = (scene: Scene): void => {
  const { refuse, sections } = scene
  for (
    const [name, description, content] of [
      ["no-at", "no @", "alpha:10.0.0.1:4000"],
      ["two-at", "two @", "al@pha@10.0.0.1:4000"],
      ["empty-name", "no name", "@10.0.0.1:4000"],
      ["name-star", "the name *, which addresses everybody", "*@10.0.0.1:4000"],
      ["name-65", "a name of 65 bytes", `${"zoë".repeat(16)}!@10.0.0.1:4000`],
      ["name-control", "a control character in the name", "al\u0085pha@10.0.0.1:4000"],
      ["line-feed", "a line feed inside", "alpha\n@10.0.0.1:4000"],
      ["host-name", "a host name", "alpha@localhost:4000"],
      ["ipv4-zero", "a leading zero in the address", "alpha@10.0.0.01:4000"],
      ["ipv4-256", "a decimal above 255", "alpha@10.0.0.256:4000"],
      ["ipv4-short", "three decimals", "alpha@10.0.1:4000"],
      ["ipv4-brackets", "brackets around IPv4", "alpha@[10.0.0.1]:4000"],
      ["ipv6-bare", "IPv6 without brackets", "alpha@::1:4000"],
      ["ipv6-zone", "a zone", "alpha@[fe80::1%eth0]:4000"],
      ["ipv6-long", "nine groups", "alpha@[1:2:3:4:5:6:7:8:9]:4000"],
      ["no-port", "no port", "alpha@10.0.0.1"],
      ["port-zero", "a leading zero in the port", "alpha@10.0.0.1:04000"],
      ["port-large", "a port above 65535", "alpha@10.0.0.1:65536"],
      ["empty", "nothing", ""]
    ] as const
  ) refuse(`adv-${name}`, "ERR_ADV_FORMAT", `an advert with ${description}`, sections("adv", content), datagram)
  refuse(
    "adv-bad-utf8",
    "ERR_ADV_FORMAT",
    "an advert whose name is not UTF-8",
    sections("adv", concat(Uint8Array.of(0xc0, 0xaf), utf8("@10.0.0.1:4000"))),
    datagram
  )
}

/** Refusals, and how long a packet of a stream may be. */
export const errors = (scene: Scene): void => {
  const { accept, refuse, sections, text } = scene
  accept(
    "err-with-key",
    "a refusal by beta of a packet that had passed the key check",
    sections("err", "ERR_REPLAY", { key: text("beta") }),
    { type: "err", publicKey: text("beta"), code: "ERR_REPLAY" },
    answer
  )
  accept(
    "err-without-key",
    "a refusal before the key check: the key is empty",
    sections("err", "ERR_BUSY", { key: "" }),
    { type: "err", publicKey: null, code: "ERR_BUSY" },
    answer
  )
  accept(
    "err-unknown",
    "a code that is not known reads as ERR_INTERNAL",
    sections("err", "ERR_FROM_THE_FUTURE", { key: "" }),
    { type: "err", publicKey: null, code: "ERR_INTERNAL" },
    answer
  )
  const room = Packet.maxStreamLength - "lab|err||".length - "|END\n".length
  accept(
    "stream-131072",
    "a packet of exactly 131,072 bytes, which no receiver may refuse as too large",
    { parts: [{ text: "lab|err|", times: 1 }, { text: "X", times: room }, { text: "||END\n", times: 1 }] },
    { type: "err", publicKey: null, code: "ERR_INTERNAL" },
    answer
  )
  refuse(
    "stream-131073",
    "ERR_PACKET_TOO_LARGE",
    "one byte more",
    { parts: [{ text: "lab|err|", times: 1 }, { text: "X", times: room + 1 }, { text: "||END\n", times: 1 }] },
    answer
  )
  refuse(
    "stream-131072-no-line-feed",
    "ERR_PACKET_TOO_LARGE",
    "131,072 bytes without a line feed: whatever comes next, the packet is too large; nothing may wait for more",
    { parts: [{ text: "X", times: Packet.maxStreamLength }] },
    answer
  )
}

/** Where a packet ends, and of how many sections it is. */
export const envelopes = (scene: Scene): void => {
  const { refuse, sections } = scene
  refuse(
    "datagram-1400",
    "ERR_ADV_FORMAT",
    "a datagram of exactly 1,400 bytes is not too large; its content is wrong",
    longAdvert(scene, 1_400),
    datagram
  )
  refuse("datagram-1401", "ERR_PACKET_TOO_LARGE", "a datagram of 1,401 bytes", longAdvert(scene, 1_401), datagram)
  refuse("no-line-feed", "ERR_PACKET_INCOMPLETE", "no line feed", sections("adv", advert, { end: "|END" }), datagram)
  refuse("stream-ended", "ERR_PACKET_INCOMPLETE", "a stream that ends inside a packet", utf8("lab|msg|A1JB"))
  refuse(
    "cr-lf",
    "ERR_PACKET_INCOMPLETE",
    "CR before the line feed: the last section is not END",
    sections("adv", advert, { end: "|END\r\n" }),
    datagram
  )
  refuse("not-end", "ERR_PACKET_INCOMPLETE", "the last section is end", sections("adv", advert, { end: "|end\n" }))
  refuse("four-sections", "ERR_SECTION_COUNT", "four sections", sections("adv", advert, { end: "\n" }), datagram)
  refuse("six-sections", "ERR_SECTION_COUNT", "a | in the content", sections("adv", `al|${advert}`), datagram)
  refuse(
    "two-in-one-datagram",
    "ERR_SECTION_COUNT",
    "two packets in one datagram",
    concat(sections("adv", advert), sections("adv", advert)),
    datagram
  )
}

/** The section of the network. */
export const networks = (scene: Scene): void => {
  const { refuse, sections } = scene
  for (
    const [name, description, network] of [
      ["other", "another network", "lab2"],
      ["case", "another case", "LAB"],
      ["empty", "none", ""]
    ] as const
  ) {
    refuse(
      `network-${name}`,
      "ERR_NETWORK_INCORRECT",
      `the network id: ${description}`,
      sections("adv", advert, { network }),
      datagram
    )
  }
  refuse(
    "network-normalised",
    "ERR_NETWORK_INCORRECT",
    "the same letters in another normal form are another network",
    sections("adv", advert, { network: "re\u0301seau" }),
    { ...datagram, networkId: "réseau" }
  )
  refuse(
    "network-bad-utf8",
    "ERR_NETWORK_INCORRECT",
    "a network id that is not UTF-8",
    sections("adv", advert, { network: Uint8Array.of(0xff) }),
    { ...datagram, networkId: "\ufffd" }
  )
}

/** The section of the type. */
export const types = (scene: Scene): void => {
  const { refuse, sections } = scene
  refuse("type-unknown", "ERR_PACKET_TYPE", "an unknown type", sections("foo", advert))
  refuse("type-case", "ERR_PACKET_TYPE", "another case", sections("ADV", advert))
  refuse(
    "type-msg-in-datagram",
    "ERR_PACKET_TYPE",
    "nothing but adv comes by UDP",
    sections("msg", "A1JBVw=="),
    datagram
  )
  refuse("type-err-in-datagram", "ERR_PACKET_TYPE", "not even err", sections("err", "ERR_BUSY"), datagram)
  refuse("type-rsp-first", "ERR_PACKET_TYPE", "rsp where nothing was asked", sections("rsp", "A1JBVw=="))
  refuse("type-second-adv", "ERR_PACKET_TYPE", "a second adv on one connection", sections("adv", advert), {
    carrier: "afterAdvert"
  })
  refuse("type-msg-as-answer", "ERR_PACKET_TYPE", "msg where an answer is due", sections("msg", "A1JBVw=="), answer)
}

/** A letter whose unused bits are not zero, for one whose two last are. */
const nextOf = (letter: string): string => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  return alphabet[alphabet.indexOf(letter) + 1]!
}

/** The section of the key. */
export const keys = (scene: Scene): void => {
  const { refuse, sections, text } = scene
  const alphaKey = text("alpha")
  const wrongKeys: ReadonlyArray<readonly [string, string, string]> = [
    ["empty", "is empty, which only an err's may be", ""],
    ["unpadded", "has no padding", alphaKey.slice(0, -1)],
    ["31-bytes", "stands for 31 bytes", base64url(range(1, 31))],
    ["33-bytes", "stands for 33 bytes", base64url(range(1, 33))],
    ["blank", "begins with a blank", ` ${alphaKey.slice(1)}`],
    ["plus", "has a + for a -", base64url(ofHex(`f8${"00".repeat(31)}`)).replace("-", "+")],
    ["unused-bits", "has unused bits that are not zero", `${alphaKey.slice(0, -2)}${nextOf(alphaKey.at(-2)!)}=`],
    ["order-0", "is 0", base64url(new Uint8Array(32))],
    ["order-1", "is 1", base64url(ofHex(`01${"00".repeat(31)}`))],
    ["order-minus-1", "is 2^255-20", base64url(ofHex(`ec${"ff".repeat(30)}7f`))],
    [
      "order-8a",
      "is of order 8",
      base64url(ofHex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"))
    ],
    [
      "order-8b",
      "is of order 8",
      base64url(ofHex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"))
    ],
    ["prime", "is 2^255-19", base64url(ofHex(`ed${"ff".repeat(30)}7f`))],
    ["high-bit", "has its highest bit set", base64url(ofHex(`09${"00".repeat(30)}80`))]
  ]
  for (const [name, description, key] of wrongKeys) {
    refuse(`key-${name}`, "ERR_PUBLIC_KEY", `the key ${description}`, sections("adv", advert, { key }), datagram)
  }
  refuse(
    "key-bad-utf8",
    "ERR_PUBLIC_KEY",
    "the key is not UTF-8",
    sections("adv", advert, { key: concat(utf8(alphaKey.slice(0, -1)), Uint8Array.of(0xff)) }),
    datagram
  )
}
