/** Vectors of RAW messages: a request of alpha to beta, its answer, and what is wrong with others. */
import * as PublicKey from "@pnet/core/PublicKey"
import { base64url, concat, hexOf, range, utf8 } from "./bytes.ts"
import { answer, clock, flipped, minute, type NodeId, type Scene, stamp } from "./scene.ts"

const node = "ERR_NODE_DECRYPTION_FAILED"
// The last stamp that a number holds exactly, in the year 2255.
const latest = Math.floor(Number.MAX_SAFE_INTEGER / 1_000)

const stampBytes = (micros: number | bigint): Uint8Array => {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(micros))
  return out
}

/** RAW messages that may say anything, and the two that most vectors are about. */
export const makeRaw = (scene: Scene) => {
  const { sections, text } = scene
  const body = (fields: {
    readonly version?: number
    readonly kind?: number
    readonly to?: NodeId
    readonly network?: string
    readonly networkSize?: number
    readonly name?: Uint8Array | string
    readonly nameSize?: number
    readonly stamp?: number | bigint
    readonly payload?: Uint8Array
  }): Uint8Array => {
    const network = utf8(fields.network ?? "lab")
    const name = typeof fields.name === "object" ? fields.name : utf8(fields.name ?? "alpha")
    return concat(
      Uint8Array.of(fields.version ?? 1, fields.kind ?? 0),
      PublicKey.toBytes(scene.pairs[fields.to ?? "beta"].publicKey),
      Uint8Array.of(fields.networkSize ?? network.length),
      network,
      Uint8Array.of(fields.nameSize ?? name.length),
      name,
      stampBytes(fields.stamp ?? stamp),
      fields.payload ?? utf8("hello")
    )
  }
  const nonce = concat(utf8("PnetRAW-"), range(0xa0, 16))
  const answerNonce = concat(utf8("PnetRAW-"), range(0xb0, 16))
  const command = (between: readonly [NodeId, NodeId], plain: Uint8Array, with_ = nonce): Uint8Array =>
    concat(utf8("\u0003RAW"), with_, scene.crypto.seal(scene.shared(...between), with_, plain))
  const content = (command: Uint8Array) => base64url(command)
  const stepsOf = (plain: Uint8Array, sealed: Uint8Array) => ({
    nonce: hexOf(sealed.subarray(4, 28)),
    body: hexOf(plain),
    box: hexOf(sealed.subarray(28)),
    command: hexOf(sealed)
  })

  const hello = body({})
  const request = command(["alpha", "beta"], hello)
  const asked = { type: "msg", publicKey: text("alpha"), name: "alpha", stamp, payload: hexOf(utf8("hello")) } as const
  const betaAnswers = { kind: 1, to: "alpha", name: "beta", payload: utf8("world") } as const
  const answerBody = body(betaAnswers)
  const answered = command(["beta", "alpha"], answerBody, answerNonce)
  const rsp = (sealed: Uint8Array, key: NodeId = "beta") => sections("rsp", content(sealed), { key: text(key) })
  const answeredResult = {
    type: "rsp",
    publicKey: text("beta"),
    name: "beta",
    stamp,
    payload: hexOf(utf8("world"))
  } as const
  const rawMsg = (sealed: Uint8Array) => sections("msg", content(sealed))
  return {
    body,
    command,
    content,
    stepsOf,
    hello,
    request,
    asked,
    betaAnswers,
    answerBody,
    answerNonce,
    answered,
    answeredResult,
    rsp,
    rawMsg
  }
}

export type RawScene = ReturnType<typeof makeRaw>

/** Requests and answers. */
export const messages = (scene: Scene, raw: RawScene): void => {
  const { accept, sections } = scene
  const { answerBody, answered, answeredResult, asked, body, command, content, hello, request, rsp, stepsOf } = raw
  accept("raw-request", "a RAW request of alpha to beta", sections("msg", content(request)), asked, {
    steps: stepsOf(hello, request)
  })
  accept("raw-answer", "its answer: the same layout, kind 1, the request's stamp", rsp(answered), answeredResult, {
    ...answer,
    steps: stepsOf(answerBody, answered)
  })
  const emptyBody = body({ payload: new Uint8Array(0) })
  const emptyRequest = command(["alpha", "beta"], emptyBody)
  accept(
    "raw-request-empty",
    "a RAW request without payload",
    sections("msg", content(emptyRequest)),
    { ...asked, payload: "" },
    { steps: stepsOf(emptyBody, emptyRequest) }
  )
  for (const [name, offset] of [["oldest", -minute], ["newest", minute]] as const) {
    const at = clock * 1_000 + offset
    accept(
      `raw-request-${name}`,
      `a stamp exactly 60 s ${offset < 0 ? "behind" : "ahead of"} the receiver's clock`,
      sections("msg", content(command(["alpha", "beta"], body({ stamp: at })))),
      { ...asked, stamp: at }
    )
  }
  accept(
    "raw-request-latest",
    "a stamp of 2^53-1, within 60 s of the receiver's clock",
    sections("msg", content(command(["alpha", "beta"], body({ stamp: Number.MAX_SAFE_INTEGER })))),
    { ...asked, stamp: Number.MAX_SAFE_INTEGER },
    { clock: latest }
  )
  accept(
    "raw-request-next",
    "a stamp one microsecond later than the last one",
    sections("msg", content(request)),
    asked,
    { last: stamp - 1 }
  )
}

/** Boxes that open, around what is no request. */
export const wrongBodies = (scene: Scene, raw: RawScene): void => {
  const { refuse, sections } = scene
  const { body, command, content } = raw
  const bodies: ReadonlyArray<readonly [string, string, Uint8Array]> = [
    ["version", "its body begins with 2", body({ version: 2 })],
    ["kind", "it is an answer", body({ kind: 1 })],
    ["kind-2", "its kind is 2", body({ kind: 2 })],
    ["to", "it is made for gamma", body({ to: "gamma" })],
    ["reflected", "it is made for its sender", body({ to: "alpha" })],
    ["network", "it is made for another network", body({ network: "LAB" })],
    ["network-size", "its network size is above what there is", body({ networkSize: 255 })],
    ["name-size", "its name size is above what there is", body({ nameSize: 255 })],
    ["name-empty", "it has no name", body({ name: "" })],
    ["name-star", "its name is *", body({ name: "*" })],
    ["name-65", "its name has 65 bytes", body({ name: "n".repeat(65) })],
    ["name-bad-utf8", "its name is not UTF-8", body({ name: Uint8Array.of(0x61, 0xff) })],
    ["short", "its body ends inside the stamp", body({ payload: new Uint8Array(0) }).slice(0, -1)],
    ["empty", "its body is empty", new Uint8Array(0)]
  ]
  for (const [name, description, plain] of bodies) {
    refuse(
      `raw-${name}`,
      node,
      `a RAW request whose box opens, but ${description}`,
      sections("msg", content(command(["alpha", "beta"], plain)))
    )
  }
}

/** Commands that do not open, or are no RAW. */
export const wrongCommands = (scene: Scene, raw: RawScene): void => {
  const { refuse, sections, text } = scene
  const { command, content, hello, rawMsg, request } = raw
  refuse("raw-flipped-tag", node, "a bit of the box's tag is flipped", rawMsg(flipped(request, 28)))
  refuse("raw-flipped-text", node, "a bit of the box's last byte is flipped", rawMsg(flipped(request, -1)))
  refuse("raw-flipped-nonce", node, "a bit of the nonce's last byte is flipped", rawMsg(flipped(request, 27)))
  refuse(
    "raw-nonce-prefix",
    node,
    "the box opens, but its nonce has another prefix",
    rawMsg(command(["alpha", "beta"], hello, concat(utf8("PnetRAW+"), range(0xa0, 16))))
  )
  refuse("raw-no-nonce", node, "a command that ends inside the nonce", rawMsg(request.slice(0, 20)))
  refuse("raw-no-box", node, "a command that ends after the nonce", rawMsg(request.slice(0, 28)))
  refuse(
    "raw-other-key",
    node,
    "the packet has gamma's key, and alpha sealed it",
    sections("msg", content(request), { key: text("gamma") })
  )
  refuse("msg-not-base64url", "ERR_HANDSHAKE", "the content is not base64url", sections("msg", "hello world!"))
  refuse(
    "msg-not-canonical",
    "ERR_HANDSHAKE",
    "the content is a RAW request without its padding",
    sections("msg", content(request).replace(/=+$/, ""))
  )
  refuse("msg-bad-utf8", "ERR_HANDSHAKE", "the content is not UTF-8", sections("msg", Uint8Array.of(0xff, 0xfe)))
  refuse("msg-empty", "ERR_HANDSHAKE", "an empty command", sections("msg", ""))
  refuse(
    "msg-other-command",
    "ERR_HANDSHAKE",
    "a command that is not RAW, by its first four bytes",
    sections("msg", content(utf8("\u0003raw")))
  )
  refuse(
    "msg-own-key",
    "ERR_PUBLIC_KEY",
    "a msg that carries the receiver's own key",
    sections("msg", content(request), { key: text("beta") })
  )
}

/** Stamps that are too old, too new, or not the first. */
export const wrongStamps = (scene: Scene, raw: RawScene): void => {
  const { refuse } = scene
  const { body, command, rawMsg, request } = raw
  const at = (micros: number | bigint) => rawMsg(command(["alpha", "beta"], body({ stamp: micros })))
  refuse("raw-too-old", "ERR_REPLAY", "a stamp 60 s and 1 µs behind the clock", at(clock * 1_000 - minute - 1))
  refuse("raw-too-new", "ERR_REPLAY", "a stamp 60 s and 1 µs ahead of the clock", at(clock * 1_000 + minute + 1))
  refuse("raw-far-future", "ERR_REPLAY", "a stamp of 2^53-1", at(Number.MAX_SAFE_INTEGER))
  for (const [name, micros] of [["2^53", 2n ** 53n], ["2^53+1", 2n ** 53n + 1n]] as const) {
    refuse(
      `raw-stamp-${name}`,
      "ERR_REPLAY",
      `a stamp of ${name}, within 60 s of the receiver's clock`,
      at(micros),
      { clock: latest }
    )
  }
  refuse("raw-before-start", "ERR_REPLAY", "a stamp that is the receiver's start", rawMsg(request), { start: stamp })
  refuse("raw-replayed", "ERR_REPLAY", "the stamp of the last request again", rawMsg(request), { last: stamp })
  refuse("raw-earlier", "ERR_REPLAY", "a stamp earlier than the last request's", rawMsg(request), { last: stamp + 1 })
}

/** Answers to somebody else, or to something else. */
export const wrongAnswers = (scene: Scene, raw: RawScene): void => {
  const { refuse, sections, text } = scene
  const { answerNonce, answered, betaAnswers, body, command, request, rsp } = raw
  refuse(
    "answer-other-key",
    "ERR_PUBLIC_KEY",
    "an answer with another key than was asked",
    rsp(answered, "gamma"),
    answer
  )
  refuse(
    "answer-own-key",
    "ERR_PUBLIC_KEY",
    "the request, sent back as its answer, with the asker's key",
    rsp(request, "alpha"),
    answer
  )
  refuse("answer-reflected", node, "the request, sent back as its answer, with the other's key", rsp(request), answer)
  refuse("answer-not-raw", node, "an answer that is not RAW", rsp(utf8("\u0003raw")), answer)
  refuse(
    "answer-not-base64url",
    node,
    "an answer that is not base64url",
    sections("rsp", "!", { key: text("beta") }),
    answer
  )
  refuse(
    "answer-other-stamp",
    "ERR_REPLAY",
    "the answer to another request",
    rsp(command(["beta", "alpha"], body({ ...betaAnswers, stamp: stamp - 1 }), answerNonce)),
    answer
  )
  refuse(
    "answer-other-network",
    node,
    "an answer made for another network",
    rsp(command(["beta", "alpha"], body({ ...betaAnswers, network: "LAB" }), answerNonce)),
    answer
  )
}
