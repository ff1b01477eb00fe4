/** Vectors of packets on a network with a key: tokens, and what is wrong with others. */
import * as Redacted from "effect/Redacted"
import { base64url, hexOf, range, textOf, utf8 } from "./bytes.ts"
import type { RawScene } from "./raw.ts"
import {
  advert,
  answer,
  clock,
  datagram,
  flipped,
  hears,
  keyed,
  type NetworkKeyId,
  networkSecrets,
  type NodeId,
  said,
  type Scene,
  seconds
} from "./scene.ts"

const net = "ERR_NET_DECRYPTION_FAILED"
const iv = range(0xc0, 16)

/** Packets whose content is in a token, that may say anything. */
const makeSealed = (scene: Scene) => {
  const { sections, text } = scene
  return (type: string, text_: string, options: {
    readonly key?: NetworkKeyId
    readonly at?: number
    readonly envelope?: string
    readonly from?: NodeId
  } = {}) => {
    const plaintext = `${options.envelope ?? `lab|${type}|${text(options.from ?? "alpha")}|`}${text_}`
    const millis = options.at ?? clock
    const token = scene.crypto.fernetEncrypt(
      Redacted.make(networkSecrets[options.key ?? "new"]),
      utf8(plaintext),
      millis,
      iv
    )
    return {
      packet: sections(type, token, { key: text(options.from ?? "alpha") }),
      token,
      steps: {
        text: hexOf(utf8(text_)),
        plaintext: hexOf(utf8(plaintext)),
        timestamp: Math.floor(millis / 1_000),
        iv: hexOf(iv)
      }
    }
  }
}

/** Tokens that open. */
export const tokens = (scene: Scene, raw: RawScene): void => {
  const { accept } = scene
  const { answerBody, answered, answeredResult, asked, content, hello, request, stepsOf } = raw
  const sealed = makeSealed(scene)
  const sealedAdvert = sealed("adv", advert)
  const heard = { ...said(scene), timestamp: seconds } as const
  accept("adv-encrypted", "an advert on a network with a key", sealedAdvert.packet, heard, {
    ...datagram,
    ...keyed,
    steps: sealedAdvert.steps
  })
  accept(
    "adv-encrypted-second-key",
    "a receiver that holds several keys opens with any of them",
    sealed("adv", advert, { key: "old" }).packet,
    heard,
    { ...datagram, networkKeys: ["new", "old"] }
  )
  for (
    const [name, description, millis] of [
      ["oldest", "a token that is 60 whole seconds old", (seconds + 60) * 1_000 + 999],
      ["newest", "a token that is 60 whole seconds ahead", (seconds - 60) * 1_000]
    ] as const
  ) accept(`adv-encrypted-${name}`, description, sealedAdvert.packet, heard, { ...datagram, ...keyed, clock: millis })
  const sealedRequest = sealed("msg", content(request))
  accept("raw-request-encrypted", "the RAW request, on a network with a key", sealedRequest.packet, asked, {
    ...keyed,
    steps: { ...stepsOf(hello, request), ...sealedRequest.steps }
  })
  const sealedAnswer = sealed("rsp", content(answered), { from: "beta" })
  accept("raw-answer-encrypted", "its answer, on a network with a key", sealedAnswer.packet, answeredResult, {
    ...answer,
    ...keyed,
    steps: { ...stepsOf(answerBody, answered), ...sealedAnswer.steps }
  })
}

/** Tokens that do not, or around nothing that can be read. */
export const wrongTokens = (scene: Scene): void => {
  const { refuse, sections, text } = scene
  const sealed = makeSealed(scene)
  const sealedAdvert = sealed("adv", advert)
  refuse("net-in-clear", net, "an advert in clear to a receiver with a network key", sections("adv", advert), hears)
  refuse("net-no-key", net, "a token to a receiver without a network key", sealedAdvert.packet, datagram)
  refuse("net-other-key", net, "a token under another key", sealed("adv", advert, { key: "old" }).packet, hears)
  refuse("net-too-old", net, "a token that is 61 whole seconds old", sealedAdvert.packet, {
    ...hears,
    clock: (seconds + 61) * 1_000
  })
  refuse("net-too-new", net, "a token that is 61 whole seconds ahead", sealedAdvert.packet, {
    ...hears,
    clock: (seconds - 60) * 1_000 - 1
  })
  refuse(
    "net-moved-key",
    net,
    "a token moved to another key",
    sections("adv", sealedAdvert.token, { key: text("gamma") }),
    hears
  )
  refuse("net-moved-type", net, "a token moved to another type", sections("msg", sealedAdvert.token), keyed)
  refuse(
    "net-moved-network",
    net,
    "a token moved to another network",
    sections("adv", sealedAdvert.token, { network: "lab2" }),
    { ...hears, networkId: "lab2" }
  )
  refuse("net-no-envelope", net, "a token around the text alone", sealed("adv", advert, { envelope: "" }).packet, hears)
  refuse(
    "net-flipped",
    net,
    "a bit of the token's HMAC is flipped",
    sections("adv", base64url(flipped(new Uint8Array(Buffer.from(textOf(sealedAdvert.token)!, "base64url")), -1))),
    hears
  )
  refuse(
    "net-unpadded",
    net,
    "a token without its padding",
    sections("adv", textOf(sealedAdvert.token)!.replace(/=+$/, "")),
    hears
  )
  refuse("net-adv-format", "ERR_ADV_FORMAT", "a token around no advert", sealed("adv", "alpha").packet, hears)
  refuse("net-handshake", "ERR_HANDSHAKE", "a token around no command", sealed("msg", "!").packet, keyed)
}
