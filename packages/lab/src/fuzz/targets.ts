/**
 * What is fuzzed layer by layer: each target has a folder of `corpus/`, ways to alter what is in it, and the rules that hold for
 * whatever comes out. A rule that is broken throws.
 *
 * A file of the corpus is one case: `.txt` its bytes as they are, `.hex` in hexadecimal, with comments behind `#`, where `00*500` is
 * a byte 500 times. What a name begins with says what has to become of it: `ok-` is accepted, `bad-` is refused, and `found-` is
 * what broke a rule once.
 */
import { Advert, Crypto, Frame, Handshake, Packet, PortableCrypto, ProtocolError, Raw } from "@pnet/core"
import * as Framer from "@pnet/core/Framer"
import { Pieces } from "@pnet/core/internal/base/pieces"
import * as CommandWire from "@pnet/core/internal/call/commandWire"
import * as Compatible from "@pnet/core/internal/call/contractCompatible"
import * as Differences from "@pnet/core/internal/call/contractDifferences"
import * as RpcWire from "@pnet/core/internal/call/rpcWire"
import { Budget } from "@pnet/core/internal/session/budget"
import { MessageBox } from "@pnet/core/internal/session/messageBox"
import * as Metadata from "@pnet/core/internal/session/metadata"
import { Mux } from "@pnet/core/internal/session/mux"
import type { MuxStream } from "@pnet/core/internal/session/muxStream"
import { notJson } from "@pnet/core/internal/wire/json"
import * as NetworkCipher from "@pnet/core/internal/wire/networkCipher"
import { RecordFramer } from "@pnet/core/internal/wire/recordFramer"
import { Cause, Clock, Effect, Exit, Redacted, Result, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { range } from "../vectors/bytes.ts"
import * as Vectors from "../vectors/handshake.ts"
import { seeded } from "../worlds/sessionWorld.ts"
import * as Mutate from "./mutate.ts"

const { concat, readU32, utf8 } = Mutate

// ---------------------------------------------------------------------------------------------------------------------
// the corpus
// ---------------------------------------------------------------------------------------------------------------------

const corpusFolder = fileURLToPath(new URL("corpus/", import.meta.url))

export interface Item {
  readonly file: string
  readonly bytes: Uint8Array
  readonly expected: "accepted" | "refused" | undefined
}

const ofHex = (text: string): Uint8Array =>
  new Uint8Array(Buffer.concat(
    text.replaceAll(/#.*/g, "").split(/\s+/).map((token) => {
      const [byte = "", times] = token.split("*")
      return times === undefined ? Buffer.from(byte, "hex") : Buffer.alloc(Number(times), byte, "hex")
    })
  ))

const itemOf = (folder: string, file: string): Item => {
  const content = readFileSync(`${corpusFolder}${folder}/${file}`)
  return {
    file: `${folder}/${file}`,
    bytes: file.endsWith(".hex")
      ? ofHex(content.toString("latin1"))
      : new Uint8Array(content),
    expected: file.startsWith("ok-") ? "accepted" : file.startsWith("bad-") ? "refused" : undefined
  }
}

/** What a folder of the corpus holds. */
export const corpus = (folder: string): ReadonlyArray<Item> =>
  existsSync(corpusFolder + folder) ? readdirSync(corpusFolder + folder).sort().map((file) => itemOf(folder, file)) : []

/** Keeps a case that broke a rule, and gives the file that it is in. */
export const keep = (folder: string, bytes: Uint8Array, why: string): string => {
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 12)
  const file = `${corpusFolder}${folder}/found-${hash}.hex`
  const lines = Buffer.from(bytes).toString("hex").match(/.{1,100}/g) ?? []
  mkdirSync(corpusFolder + folder, { recursive: true })
  writeFileSync(file, [`# ${why.split("\n")[0]}`, ...lines, ""].join("\n"))
  return file
}

// ---------------------------------------------------------------------------------------------------------------------
// targets
// ---------------------------------------------------------------------------------------------------------------------

export interface Target {
  readonly name: string
  /** Folders whose items are altered; that of its own name first. */
  readonly folders: ReadonlyArray<string>
  readonly mutate: Mutate.Mutate
  /** Throws where a rule is broken; whether the bytes were accepted otherwise. `random` decides how they are cut. */
  readonly check: (bytes: Uint8Array, random: Mutate.Chance) => boolean
  /** How much more a case costs than those of other targets. */
  readonly cost: number
}

class Broken extends Error {}

const rule: (holds: boolean, what: string) => asserts holds = (holds, what) => {
  if (!holds) throw new Broken(what)
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

const codes: ReadonlySet<string> = new Set(ProtocolError.codes)

const succeeded = <A>(result: Result.Result<A, ProtocolError.ProtocolError>, where: string): A | undefined => {
  if (Result.isSuccess(result)) return result.success
  rule(codes.has(result.failure.code), `${where}: ${result.failure.code} is no code`)
  rule(result.failure.message.length < 2_000, `${where}: a message of ${result.failure.message.length} characters`)
  return undefined
}

/** The value of an effect that needs nothing: it succeeds or fails with a typed error, and never breaks. */
const settled = <A, E>(effect: Effect.Effect<A, E>, where: string): A | undefined => {
  const exit = Effect.runSyncExit(effect)
  if (Exit.isSuccess(exit)) return exit.value
  rule(exit.cause.reasons.every(Cause.isFailReason), `${where}: ${Cause.pretty(exit.cause)}`)
  return undefined
}

/** The bytes in pieces. */
const cut = (bytes: Uint8Array, random: Mutate.Chance): ReadonlyArray<Uint8Array> => {
  const out: Array<Uint8Array> = []
  const longest = random.pick([1, 5, 100, 5_000, 70_000])
  // Byte by byte only where that is soon done.
  const step = bytes.length > 3_000 ? Math.max(longest, 500) : longest
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + random.below(step))
    out.push(bytes.slice(at, end))
    at = end
  }
  return out
}

/** Cryptography whose products are computed once: each case of a handshake computes the same. */
const remembering = (crypto: Crypto.Crypto["Service"]): Crypto.Crypto["Service"] => {
  const shared = new Map<string, Uint8Array>()
  const pairs = new Map<string, Crypto.KeyPair>()
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
  const forget = (map: Map<string, unknown>) => {
    if (map.size > 2_000) map.clear()
  }
  return {
    ...crypto,
    sharedKey: (publicKey, secretKey) => {
      const id = `${publicKey} ${hex(Redacted.value(secretKey))}`
      let bytes = shared.get(id)
      if (bytes === undefined) {
        forget(shared)
        bytes = Redacted.value(crypto.sharedKey(publicKey, secretKey)).slice()
        shared.set(id, bytes)
      }
      // A copy, since whoever has it wipes it in the end.
      return Redacted.make(bytes.slice())
    },
    keyPair: (secretKey) => {
      const id = hex(Redacted.value(secretKey))
      let pair = pairs.get(id)
      if (pair === undefined) {
        forget(pairs)
        pair = crypto.keyPair(Redacted.make(Redacted.value(secretKey).slice()))
        pairs.set(id, pair)
      }
      return { publicKey: pair.publicKey, secretKey: Redacted.make(Redacted.value(secretKey).slice()) }
    }
  }
}

/** When the vectors were made, in milliseconds since the epoch. */
const vectorTime = 1_767_225_600_250

const lab = "lab" as Packet.NetworkId

// --- packets -----------------------------------------------------------------------------------------------------------

const carriers: ReadonlyArray<Packet.Expected> = [
  { types: ["adv"], maxLength: Packet.maxDatagramLength },
  { networkId: lab, types: ["adv"], maxLength: Packet.maxDatagramLength },
  { networkId: lab, types: ["adv", "msg", "err"], maxLength: Packet.maxStreamLength },
  { types: Packet.PacketType.literals, maxLength: Packet.maxStreamLength }
]

const checkAdvert = (content: Uint8Array): boolean => {
  const advert = succeeded(Advert.decode(content), "an advert")
  if (advert === undefined) return false
  const again = Advert.encode(advert)
  const twice = succeeded(Advert.decode(again), "an advert that was encoded")
  rule(twice !== undefined && JSON.stringify(twice) === JSON.stringify(advert), "decode(encode(advert)) is another")
  // IPv6 has many forms, and one that is written.
  if (!advert.host.includes(":")) rule(same(again, content), "encode(decode(advert)) is another")
  return true
}

const packetTarget = (crypto: Crypto.Crypto["Service"], clock: Clock.Clock): Target => {
  // The receiver of the vectors, and the newer of its network keys.
  const beta = crypto.keyPair(Redacted.make(range(0x21, 32)))
  const key = Redacted.make(range(0x61, 32))
  const open = NetworkCipher.make({ crypto, clock, networkId: lab, keys: [] })
  const closed = NetworkCipher.make({ crypto, clock, networkId: lab, keys: [key] })
  const separators = /([|@:\n])/
  return {
    name: "packet",
    folders: ["packet"],
    cost: 1,
    mutate: Mutate.any(Mutate.blind, Mutate.fields(separators), Mutate.fields(separators)),
    check: (bytes, random) => {
      let accepted = false
      for (const expected of carriers) {
        const packet = succeeded(Packet.decode(bytes, expected), "a packet")
        if (packet === undefined) continue
        accepted = true
        rule(same(Packet.encode(packet), bytes), "encode(decode(packet)) is another")
        rule(expected.types.includes(packet.type), "a type that was not expected")
        if (packet.type === "adv") checkAdvert(packet.content)
        if (packet.type === "err") rule(codes.has(Packet.errorOf(packet).code), "an err of no code")
        // A node's order: the network's encryption, the text, the command.
        for (const cipher of [open, closed]) {
          const opened = succeeded(cipher.open(packet), "a content")
          if (opened === undefined) continue
          const command = Raw.fromText(opened.text)
          if (command === undefined) continue
          rule(same(Raw.toText(command), opened.text), "base64url is not canonical")
          if (!Raw.isRaw(command) || packet.publicKey === null) continue
          const shared = crypto.sharedKey(packet.publicKey, beta.secretKey)
          succeeded(
            Raw.open(crypto, shared, command, { kind: "request", to: beta.publicKey, networkId: lab }),
            "a command"
          )
        }
      }
      // However the bytes come, the same packets come of them.
      const split = (pieces: ReadonlyArray<Uint8Array>) => {
        const framer = Framer.make(Packet.maxStreamLength)
        const out: Array<string> = []
        for (const piece of pieces) {
          framer.push(piece)
          for (let packet = framer.next(); packet !== undefined; packet = framer.next()) {
            out.push(Buffer.from(packet).toString("latin1"))
          }
          rule(framer.pending <= Packet.maxStreamLength, "a framer holds more than a packet")
        }
        return { out, pending: framer.pending, tooLarge: framer.tooLarge }
      }
      rule(
        JSON.stringify(split([bytes.slice()])) === JSON.stringify(split(cut(bytes, random))),
        "packets depend on how the bytes came"
      )
      return accepted
    }
  }
}

const advertTarget: Target = {
  name: "advert",
  folders: ["advert"],
  cost: 1,
  mutate: Mutate.any(Mutate.blind, Mutate.fields(/([@:.[\]])/)),
  check: checkAdvert
}

/** What stands in a token, and in a RAW command: with the key, so that what is behind is reached. */
const sealedTargets = (crypto: Crypto.Crypto["Service"], clock: Clock.Clock): ReadonlyArray<Target> => {
  const alpha = crypto.keyPair(Redacted.make(range(0x01, 32)))
  const beta = crypto.keyPair(Redacted.make(range(0x21, 32)))
  const key = Redacted.make(range(0x61, 32))
  const cipher = NetworkCipher.make({ crypto, clock, networkId: lab, keys: [key] })
  const shared = crypto.sharedKey(beta.publicKey, alpha.secretKey)
  const nonce = concat(utf8("PnetRAW-"), new Uint8Array(16))
  return [
    {
      name: "token",
      folders: ["token"],
      // JavaScript's Fernet.
      cost: 8,
      mutate: Mutate.any(Mutate.blind, Mutate.fields(/([|@:])/)),
      check: (plaintext) => {
        if (plaintext.length > 70_000) return false
        const content = crypto.fernetEncrypt(key, plaintext, vectorTime)
        const opened = succeeded(
          cipher.open({ networkId: lab, type: "adv", publicKey: alpha.publicKey, content }),
          "a token"
        )
        if (opened === undefined) return false
        const head = utf8(`lab|adv|${alpha.publicKey}|`)
        rule(same(concat(head, opened.text), plaintext), "a token of another packet opened")
        checkAdvert(opened.text)
        return true
      }
    },
    {
      name: "raw",
      folders: ["raw"],
      cost: 1,
      mutate: Mutate.any(Mutate.blind, Mutate.fields(/([|@:])/)),
      check: (body) => {
        if (body.length > 98_000) return false
        const command = concat(utf8("\u0003RAW"), nonce, crypto.seal(shared, nonce, body))
        rule(same(Raw.fromText(Raw.toText(command)) ?? nonce, command), "fromText(toText(command)) is another")
        const message = succeeded(
          Raw.open(crypto, shared, command, { kind: "request", to: beta.publicKey, networkId: lab }),
          "a RAW command"
        )
        if (message === undefined) return false
        rule(
          same(Raw.seal(crypto, shared, message, new Uint8Array(16)), command),
          "seal(open(command)) is another"
        )
        return true
      }
    }
  ]
}

// --- handshakes --------------------------------------------------------------------------------------------------------

// oxlint-disable-next-line max-lines-per-function -- a list of targets over the same keys, each of which is read by itself
const handshakeTargets = (plain: Crypto.Crypto["Service"]): ReadonlyArray<Target> => {
  const crypto = remembering(plain)
  const pair = (from: number) => crypto.keyPair(Redacted.make(range(from, 32)))
  const optionsOf = (side: "alpha" | "beta", draws: Readonly<Record<string, Uint8Array>>): Handshake.Options => ({
    crypto: Vectors.scripted(crypto, draws),
    // Each machine has secrets of its own to wipe.
    identity: pair(side === "alpha" ? 0x01 : 0x21),
    name: side as Packet.NodeName,
    networkId: lab,
    binary: true
  })
  const alpha = pair(0x01)
  const beta = pair(0x21)
  const build = (overrides: Vectors.Overrides = {}) =>
    Vectors.build(crypto, pair(0x01), pair(0x21), Vectors.draws, overrides)
  const right = build()
  const client = () => {
    const machine = Handshake.client(optionsOf("alpha", Vectors.draws.client), beta.publicKey)
    machine.hello()
    return machine
  }
  const server = () => Handshake.server(optionsOf("beta", Vectors.draws.server))
  const steps = {
    hello: (command: Uint8Array) => server().hello(command),
    welcome: (command: Uint8Array) => client().welcome(command),
    initiate: (command: Uint8Array) => {
      const machine = server()
      rule(Result.isSuccess(machine.hello(right.hello)), "the server refuses HELLO")
      return machine.initiate(command, alpha.publicKey)
    },
    ready: (command: Uint8Array) => {
      const machine = client()
      rule(Result.isSuccess(machine.welcome(right.welcome)), "the client refuses WELCOME")
      return machine.ready(command)
    },
    message: (command: Uint8Array): Result.Result<unknown, ProtocolError.ProtocolError> => {
      const box = new MessageBox(crypto, {
        role: "server",
        sharedKey: Redacted.make(Redacted.value(right.sessionKey).slice()),
        sendNonce: 2,
        recvNonce: 3
      })
      const opened = box.open(command)
      const inPlace = new MessageBox(crypto, {
        role: "server",
        sharedKey: Redacted.make(Redacted.value(right.sessionKey).slice()),
        sendNonce: 2,
        recvNonce: 3
      }).openInPlace(command.slice())
      if (typeof opened === "string") {
        rule(opened === inPlace, "open and openInPlace differ")
        return Result.fail(ProtocolError.local("ERR_HANDSHAKE", opened))
      }
      rule(typeof inPlace === "object" && same(inPlace.payload, opened.payload), "open and openInPlace differ")
      return Result.succeed(opened)
    }
  }
  const names = ["hello", "welcome", "initiate", "ready", "message"] as const
  const folders = names.map((name) => `handshake-${name}`)
  return [
    ...names.map((name, i): Target => {
      const made = new Set<string>()
      return {
        name: `handshake-${name}`,
        folders: [folders[i]!, ...folders.filter((_, other) => other !== i)],
        cost: 3,
        mutate: Mutate.any(Mutate.blind),
        check: (command) => {
          if (made.size === 0) {
            for (const { bytes } of corpus(folders[i]!)) made.add(Buffer.from(bytes).toString("hex"))
          }
          const result = succeeded(steps[name](command.slice()) as Result.Result<unknown, any>, name)
          // Nobody without the secrets makes one that is accepted.
          rule(
            result === undefined || made.has(Buffer.from(command).toString("hex")),
            `${name}: an altered one is accepted`
          )
          return result !== undefined
        }
      }
    }),
    {
      name: "metadata",
      folders: ["metadata"],
      cost: 3,
      mutate: Mutate.any(
        Mutate.blind,
        Mutate.parts({
          lengthAt: 0,
          lengthBytes: 1,
          // A name with its length, and a value with its own.
          split: (bytes) => {
            const out: Array<{ head: Uint8Array; body: Uint8Array }> = []
            for (let at = 0; at < bytes.length;) {
              const end = at + 1 + bytes[at]!
              const value = end + 4 > bytes.length ? bytes.length : end + 4 + readU32(bytes, end)
              out.push({ head: bytes.slice(at, at + 1), body: bytes.slice(at + 1, end) })
              if (value > bytes.length || end > bytes.length) break
              out.push({ head: bytes.slice(end, end + 4), body: bytes.slice(end + 4, value) })
              at = value
            }
            return out
          }
        }),
        Mutate.fields(/(Pnet|Node|Network|Framing)/)
      ),
      check: (bytes) => {
        const properties = Metadata.decode(bytes)
        if (properties !== undefined) {
          const length = [...properties].reduce((sum, [name, value]) => sum + 5 + name.length + value.length, 0)
          rule(length === bytes.length, "metadata of another length than its properties")
          const ascii = [...properties.keys()].every((name) => [...name].every((letter) => letter.charCodeAt(0) < 128))
          if (ascii) {
            const again = Metadata.decode(Metadata.encode(properties))
            rule(
              again !== undefined && JSON.stringify([...again]) === JSON.stringify([...properties]),
              "decode(encode(metadata)) is another"
            )
          }
        }
        // Sealed as the holder of the keys would, it reaches the checks behind.
        const sealed = bytes.length > 70_000 ? undefined : build({ clientMetadata: bytes, serverMetadata: bytes })
        const initiated = sealed === undefined ? undefined : succeeded(steps.initiate(sealed.initiate), "INITIATE")
        const readied = sealed === undefined ? undefined : succeeded(steps.ready(sealed.ready), "READY")
        rule((initiated === undefined) === (readied === undefined), "client and server differ about metadata")
        if (initiated === undefined) return false
        const text = (name: string) => Buffer.from(properties?.get(name) ?? []).toString()
        rule(text("pnet") === "1" && text("network") === "lab", "metadata of another version or network")
        rule(initiated.name === text("node"), "another name than the metadata has")
        return true
      }
    }
  ]
}

// --- frames ------------------------------------------------------------------------------------------------------------

/** A file of frames: messages, each `type:u8 length:u32` and so many bytes of frames. */
const splitMessages = (bytes: Uint8Array) => {
  const out: Array<{ head: Uint8Array; body: Uint8Array }> = []
  for (let at = 0; at + 5 <= bytes.length;) {
    const end = at + 5 + readU32(bytes, at + 1)
    out.push({ head: bytes.slice(at, at + 5), body: bytes.slice(at + 5, end) })
    at = end
  }
  return out
}

const splitFrames = (bytes: Uint8Array) => {
  const out: Array<{ head: Uint8Array; body: Uint8Array }> = []
  for (let at = 0; at + Frame.headerLength <= bytes.length;) {
    const end = at + Frame.headerLength + readU32(bytes, at + 5)
    out.push({ head: bytes.slice(at, at + Frame.headerLength), body: bytes.slice(at + Frame.headerLength, end) })
    at = end
  }
  return out
}

const mutateFrames = Mutate.parts({
  lengthAt: 5,
  lengthBytes: 4,
  split: splitFrames,
  body: Mutate.any(Mutate.json, Mutate.blind)
})

/** Changes the frames of one message. */
export const frameMutator: Mutate.Mutate = Mutate.any(mutateFrames, mutateFrames, Mutate.blind)

const framesTarget: Target = {
  name: "frames",
  folders: ["frames"],
  cost: 2,
  mutate: Mutate.any(
    Mutate.parts({ lengthAt: 1, lengthBytes: 4, split: splitMessages, body: frameMutator }),
    Mutate.parts({ lengthAt: 1, lengthBytes: 4, split: splitMessages, body: frameMutator }),
    Mutate.blind
  ),
  check: (bytes, random) => {
    // Either may be what there is less of.
    const maxStreams = random.pick([3, 8])
    const credit = random.pick([6, 20]) * Frame.initialCredit
    const budget = new Budget(credit)
    const opened: Array<MuxStream> = []
    const mux: Mux = new Mux({
      chunkSize: 16_384,
      maxStreams,
      budget,
      onOpen: (stream) => opened.push(stream),
      onWork: () => {},
      onPong: (payload) => rule(payload.length === 8, "a PONG of another length"),
      onGoAway: ({ code, message }) =>
        rule(typeof code === "string" && typeof message === "string", "a GOAWAY of no text"),
      onClosed: () => {}
    })
    // Two of its own, so that what is said about them means something.
    const own = [1, 2].map(() => {
      const stream = mux.openStream({ protocol: "command", name: "own" })
      rule(typeof stream === "object", "no stream of its own")
      stream.write(new Uint8Array(40_000))
      return stream
    })
    const page = new Uint8Array(Packet.maxStreamLength)
    const view = new DataView(page.buffer)
    const send = () => {
      for (
        let filled = mux.outgoing.fill(page, view, 0, page.length);
        filled !== undefined;
        filled = mux.outgoing.fill(page, view, 0, page.length)
      ) {
        const sent = page.subarray(0, filled.end)
        const frames = splitFrames(sent)
        rule(
          frames.reduce((sum, { body, head }) => sum + head.length + body.length, 0) === sent.length,
          "a message that is no frames"
        )
        for (const { body, head } of frames) {
          rule(readU32(head, 5) === body.length && head[0]! <= Frame.Kind.goaway, "a frame that is none")
        }
        mux.outgoing.wake()
      }
      rule(mux.outgoing.controlBytes === 0, "frames of control that are not sent")
    }
    let taken = true
    for (const { body, head } of splitMessages(bytes)) {
      const type = head[0]!
      // The box lets no other through.
      if (type > 2 || body.length > Packet.maxStreamLength) continue
      const broken = mux.receive(type as 0 | 1 | 2, body.slice())
      if (broken !== undefined) {
        rule(broken.length > 0 && broken.length < 200, "a violation without a reason")
        taken = false
        break
      }
      mux.begin()
      rule(mux.theirs.size <= maxStreams, `${mux.theirs.size} streams`)
      rule(budget.used <= credit, `${budget.used} bytes of credit`)
      // A RESET for each frame that could not be an OPEN of a stream, at most.
      rule(
        mux.outgoing.controlBytes <= body.length * 20 + 1_000,
        `${mux.outgoing.controlBytes} bytes wait for ${body.length}`
      )
      for (const stream of [...own, ...opened]) {
        if (stream.closed || random.chance(0.5)) continue
        switch (random.below(5)) {
          case 0: {
            const read = stream.read().reduce((sum, part) => sum + part.length, 0)
            rule(read <= Frame.initialCredit, `${read} bytes came without credit`)
            break
          }
          case 1:
            if (!stream.localEnded) stream.write(new Uint8Array(1 + random.below(50_000)))
            break
          case 2:
            stream.end()
            break
          case 3:
            stream.reset("cancelled", "")
            break
          default:
        }
      }
      if (random.chance(0.7)) send()
    }
    for (const stream of [...own, ...opened]) {
      const left = stream.read().reduce((sum, part) => sum + part.length, 0)
      rule(left <= Frame.initialCredit, `${left} bytes wait to be read`)
    }
    send()
    mux.failAll({ code: "lost", message: "", remote: false })
    for (const stream of [...own, ...opened]) stream.abandon()
    rule(mux.streams === 0, `${mux.streams} streams are left`)
    rule(budget.used === 0, `${budget.used} bytes of credit are left`)
    return taken
  }
}

const recordsTarget: Target = {
  name: "records",
  folders: ["records"],
  cost: 1,
  mutate: Mutate.any(
    Mutate.blind,
    Mutate.parts({
      lengthAt: 0,
      lengthBytes: 4,
      split: (bytes) => {
        const out: Array<{ head: Uint8Array; body: Uint8Array }> = []
        for (let at = 0; at + 4 <= bytes.length;) {
          const end = at + 4 + readU32(bytes, at)
          out.push({ head: bytes.slice(at, at + 4), body: bytes.slice(at + 4, end) })
          at = end
        }
        return out
      }
    })
  ),
  check: (bytes, random) => {
    const split = (pieces: ReadonlyArray<Uint8Array>) => {
      const framer = new RecordFramer()
      const out: Array<Uint8Array> = []
      for (const piece of pieces) {
        framer.push(piece.slice())
        for (let record = framer.next(); record !== undefined; record = framer.next()) {
          rule(record.length > 0 && record.length <= Packet.maxStreamLength, `a record of ${record.length} bytes`)
          const { homes } = framer
          rule(
            homes === undefined || homes.reduce((sum, home) => sum + home.length, 0) === record.length,
            "homes of another length"
          )
          out.push(record.slice())
          framer.release()
        }
        if (framer.malformed) break
        rule(framer.pending <= Packet.maxStreamLength + 4, `${framer.pending} bytes wait`)
      }
      return { out, malformed: framer.malformed }
    }
    const whole = split([bytes])
    const pieces = split(cut(bytes, random))
    rule(
      whole.malformed === pieces.malformed && same(concat(...whole.out), concat(...pieces.out)) &&
        whole.out.length === pieces.out.length,
      "records depend on how the bytes came"
    )
    const again = concat(...whole.out.flatMap((record) => [Mutate.u32(record.length), record]))
    rule(same(again, bytes.subarray(0, again.length)), "records are other bytes than those that came")
    return !whole.malformed
  }
}

// --- commands ----------------------------------------------------------------------------------------------------------

const commandTargets: ReadonlyArray<Target> = [
  {
    name: "command-request",
    folders: ["command-request"],
    cost: 1,
    mutate: Mutate.any(Mutate.json),
    check: (bytes) => {
      const request = CommandWire.decodeRequest(bytes)
      if (typeof request === "string") {
        rule(request.length < 100, "a long text about what is wrong")
        return false
      }
      rule(({} as any).polluted === undefined, "the prototype of all objects was changed")
      const encoded = CommandWire.encodeRequest(request, Infinity)
      if (!(encoded instanceof Uint8Array)) {
        // JSON has numbers that are too large for a number here, and nothing else that it has no form for.
        rule(
          encoded !== "too large" && encoded.found.includes("Infinity"),
          `a request that cannot be sent on: ${String(encoded)}`
        )
        return true
      }
      const twice = CommandWire.decodeRequest(encoded)
      rule(typeof twice === "object", "decode(encode(request)) is none")
      const again = CommandWire.encodeRequest(twice, Infinity)
      rule(again instanceof Uint8Array && same(again, encoded), "encode(decode(request)) is another")
      return true
    }
  },
  {
    name: "command-reply",
    folders: ["command-reply"],
    cost: 1,
    mutate: Mutate.any(Mutate.json),
    check: (bytes) => {
      const value = settled(
        CommandWire.decodeReply(bytes, "bob" as Packet.NodeName, "f", 1_000),
        "a reply"
      )
      if (value === undefined) return false
      const fault = notJson(value, "$", Infinity)
      if (fault !== undefined) {
        rule(
          fault !== "too large" && fault.found.includes("Infinity"),
          `a value that cannot be sent on: ${String(fault)}`
        )
        return true
      }
      const encoded = CommandWire.encodeSuccess(value)
      const twice = settled(CommandWire.decodeReply(encoded, "bob" as Packet.NodeName, "f", 1_000), "a reply")
      rule(twice !== undefined && same(CommandWire.encodeSuccess(twice), encoded), "encode(decode(reply)) is another")
      return true
    }
  }
]

// --- typed calls -------------------------------------------------------------------------------------------------------

class Missing extends Schema.TaggedError<Missing>()("Missing", { path: Schema.String, code: Schema.Int }) {}

interface Tree {
  readonly name: string
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Codec<Tree> = Schema.Struct({
  name: Schema.String,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
})

/** Calls with something of everything that Schemas describe. */
export const calls = {
  plain: Rpc.make("plain", {
    payload: { name: Schema.String, age: Schema.Int, note: Schema.optionalKey(Schema.String) },
    success: Schema.String,
    error: Missing
  }),
  rich: Rpc.make("rich", {
    payload: {
      id: Schema.BigInt,
      at: Schema.Date,
      data: Schema.Uint8Array,
      list: Schema.Array(Schema.NullOr(Schema.Finite)),
      record: Schema.Record(Schema.String, Schema.Boolean),
      either: Schema.Union([Schema.String, Schema.Int, Schema.Struct({ _tag: Schema.Literal("x"), y: Schema.Int })])
    },
    success: Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.Unknown })),
    error: Schema.Union([Missing, Schema.String])
  }),
  tree: Rpc.make("tree", { payload: Tree, success: Tree }),
  bytes: Rpc.make("bytes", { payload: Schema.Uint8Array, success: Schema.Uint8Array, stream: true })
}

const valueTargets = (): ReadonlyArray<Target> => {
  // The first byte of a file says which call.
  const all = Object.values(calls).map((rpc) => RpcWire.wireOf(rpc as never))
  const target = (
    name: string,
    coding: (wire: RpcWire.Wire) => {
      readonly decode: (bytes: Uint8Array) => Effect.Effect<unknown, unknown>
      readonly encode: (value: any) => Effect.Effect<Uint8Array, unknown>
    }
  ): Target => ({
    name,
    folders: [name],
    cost: 2,
    mutate: (random, input, pool) =>
      concat(
        input.subarray(0, 1),
        Mutate.any(Mutate.blind)(random, input.subarray(1), pool.map((each) => each.subarray(1)))
      ),
    check: (bytes) => {
      if (bytes.length === 0) return false
      const { decode, encode } = coding(all[bytes[0]! % all.length]!)
      const exit = Effect.runSyncExit(decode(bytes.subarray(1)))
      if (Exit.isFailure(exit)) {
        rule(exit.cause.reasons.every(Cause.isFailReason), `${name}: ${Cause.pretty(exit.cause)}`)
        return false
      }
      const encoded = settled(encode(exit.value), `${name} encoded`)
      rule(encoded !== undefined, `${name}: what was decoded cannot be encoded`)
      const twice = Effect.runSyncExit(decode(encoded))
      rule(Exit.isSuccess(twice), `${name}: what was encoded cannot be decoded`)
      const again = settled(encode(twice.value), `${name} encoded again`)
      rule(again !== undefined && same(again, encoded), `encode(decode(${name})) is another`)
      return true
    }
  })
  return [
    target("rpc-payload", (wire) => ({ decode: wire.decodePayload, encode: wire.encodePayload })),
    target("rpc-success", (wire) => ({ decode: wire.decodeSuccess, encode: wire.encodeSuccess })),
    target("rpc-chunk", (wire) => ({ decode: wire.decodeChunk, encode: wire.encodeChunk })),
    target("rpc-exit", (wire) => ({ decode: wire.decodeExit, encode: wire.encodeExit }))
  ]
}

/** A request of a typed call by hand, as the protocol has it, without its length. */
const rpcRequest = (request: {
  readonly flags?: number
  readonly hash: Uint8Array
  readonly window?: number
  readonly headers?: ReadonlyArray<readonly [string, string]>
  readonly payload: Uint8Array
}): Uint8Array => {
  const { headers = [] } = request
  const text = utf8(JSON.stringify(headers))
  // The lowest bit says that there are headers.
  const flags = (request.flags ?? 0) & 0xfe | (headers.length > 0 ? 1 : 0)
  return concat(
    Uint8Array.of(1, flags),
    request.hash,
    Uint8Array.of(request.window ?? 16),
    ...headers.length > 0 ? [Mutate.u32(text.length), text] : [],
    request.payload
  )
}

const requestTarget: Target = {
  name: "rpc-request",
  folders: ["rpc-request"],
  cost: 1,
  mutate: Mutate.any(Mutate.blind, (random, input, pool) => {
    // The headers, which are JSON with a length.
    if (input.length < 15 || (input[1]! & RpcWire.Flag.headers) === 0) return Mutate.blind(random, input, pool)
    const length = readU32(input, 11)
    const headers = Mutate.json(random, input.subarray(15, 15 + length), pool)
    const says = random.chance(0.8) ? headers.length : random.pick(Mutate.limits)
    return concat(input.subarray(0, 11), Mutate.u32(says), headers, input.subarray(15 + length))
  }),
  check: (bytes, random) => {
    // What is read in pieces is what came.
    const pieces = new Pieces(1_024)
    pieces.addAll(cut(bytes, random))
    const out: Array<Uint8Array> = []
    while (pieces.length > 0) {
      const length = Math.min(pieces.length, 1 + random.below(random.pick([2, 20, 70_000])))
      if (pieces.length >= 4 && random.chance(0.2)) {
        const at = bytes.length - pieces.length
        rule(pieces.u32(0) === readU32(bytes, at), "a number in pieces is another")
      }
      if (random.chance(0.2)) {
        out.push(bytes.slice(bytes.length - pieces.length, bytes.length - pieces.length + length))
        pieces.skip(length)
      } else out.push(pieces.take(length))
    }
    rule(same(concat(...out), bytes), "what was read in pieces is not what came")

    const elements = RpcWire.rawElements(bytes)
    if (elements !== undefined) {
      const again = concat(...elements.flatMap((element) => [RpcWire.lengthOf(element.length), element]))
      rule(same(again, bytes), "raw elements are other bytes")
    }

    const request = RpcWire.decodeRequest(bytes)
    if (typeof request === "string") {
      rule(request.length < 100, "a long text about what is wrong")
      return false
    }
    rule(({} as any).polluted === undefined, "the prototype of all objects was changed")
    const encoded = rpcRequest({ ...request, headers: Object.entries(request.headers) })
    const twice = RpcWire.decodeRequest(encoded)
    rule(typeof twice === "object", "decode(encode(request)) is none")
    rule(
      JSON.stringify([twice.headers, twice.window]) === JSON.stringify([request.headers, request.window]) &&
        same(twice.payload, request.payload) && same(twice.hash, request.hash),
      "decode(encode(request)) is another"
    )
    return true
  }
}

/** What a peer says its contract is: a hash, and JSON, which is compared with each contract here. */
const contractTarget = (): Target => {
  const mine = Object.values(calls).map((rpc) => RpcWire.wireOf(rpc as never).contract())
  for (const contract of mine) {
    rule(Differences.differences(contract, contract).length === 0, "a contract differs from itself")
    rule(Compatible.compatible(contract, contract), "a contract does not go together with itself")
  }
  return {
    name: "rpc-contract",
    folders: ["rpc-contract"],
    cost: 3,
    mutate: Mutate.any(
      Mutate.blind,
      ...Array.from({ length: 4 }, (): Mutate.Mutate => (random, input, pool) =>
        concat(
          input.subarray(0, 8),
          Mutate.json(
            random,
            input.subarray(8),
            pool.map((each) => each.subarray(8))
          )
        ))
    ),
    check: (bytes) => {
      const said = RpcWire.contractOf(bytes)
      if (said === undefined) return false
      rule(said.hash.length === 8, "a hash of another length")
      for (const contract of mine) {
        const differences = Differences.differences(contract, said.contract)
        rule(JSON.stringify(differences).length < 20_000, "what differs is told at length")
        Compatible.compatible(contract, said.contract)
      }
      rule(({} as any).polluted === undefined, "the prototype of all objects was changed")
      return true
    }
  }
}

/** All of them. */
export const targets: Effect.Effect<ReadonlyArray<Target>> = Effect.scoped(Effect.gen(function*() {
  const crypto = yield* seeded(1, PortableCrypto.layer)
  const clock: Clock.Clock = { ...yield* Clock.Clock, currentTimeMillisUnsafe: () => vectorTime }
  return [
    packetTarget(remembering(crypto), clock),
    advertTarget,
    ...sealedTargets(crypto, clock),
    ...handshakeTargets(crypto),
    framesTarget,
    recordsTarget,
    ...commandTargets,
    requestTarget,
    ...valueTargets(),
    contractTarget()
  ]
}))

// ---------------------------------------------------------------------------------------------------------------------
// running them
// ---------------------------------------------------------------------------------------------------------------------

export interface Failure {
  /** The folder that a case of this kind is kept in. */
  readonly folder: string
  /** What makes the same case again. */
  readonly seed: string
  readonly bytes: Uint8Array
  readonly why: string
}

export interface Outcome {
  readonly cases: number
  readonly accepted: number
  readonly failures: ReadonlyArray<Failure>
  /** Milliseconds of the slowest case, and its seed. */
  readonly slowest: { readonly millis: number; readonly seed: string }
}

const attempt = (target: Target, bytes: Uint8Array, random: Mutate.Chance) => {
  const begin = performance.now()
  let accepted = false
  let why: string | undefined
  // What is checked must not alter what it is given, or the case that is kept would be another.
  const given = bytes.slice()
  try {
    accepted = target.check(given, random)
  } catch (error) {
    why = error instanceof Broken
      ? error.message
      : error instanceof Error
      ? error.stack ?? error.message
      : String(error)
  }
  return { accepted, why, millis: performance.now() - begin }
}

/** Checks what is in the corpus, as it is. */
export const replay = (target: Target): ReadonlyArray<{ readonly item: Item; readonly problem: string }> =>
  corpus(target.folders[0]!).flatMap((item) => {
    const { accepted, why } = attempt(target, item.bytes, Mutate.still)
    const wrong = item.expected !== undefined && (item.expected === "accepted") !== accepted
    const problem = why ?? (wrong ? `it should be ${item.expected}` : undefined)
    return problem === undefined ? [] : [{ item, problem }]
  })

const poolsOf = (target: Target) => {
  const [first = [], ...others] = target.folders.map((folder) => corpus(folder).map(({ bytes }) => bytes))
  return { first, pool: [...first, ...others.flat()] }
}

const make = (target: Target, { first, pool }: ReturnType<typeof poolsOf>, seed: string): Uint8Array => {
  const random = Mutate.chance(seed)
  return target.mutate(random, random.pick(random.chance(0.9) ? first : pool), pool)
}

/** One case again, by its seed. */
export const again = (target: Target, seed: string) => {
  const bytes = make(target, poolsOf(target), seed)
  return { bytes, why: attempt(target, bytes, Mutate.chance(`check ${seed}`)).why }
}

/** Alters items of the corpus so many times. */
export const run = (target: Target, options: { readonly seed: number; readonly cases: number }): Outcome => {
  const pools = poolsOf(target)
  const failures: Array<Failure> = []
  let accepted = 0
  let slowest = { millis: 0, seed: "" }
  for (let i = 0; i < options.cases; i++) {
    const seed = `${target.name}/${options.seed}/${i}`
    const bytes = make(target, pools, seed)
    const result = attempt(target, bytes, Mutate.chance(`check ${seed}`))
    if (result.accepted) accepted++
    if (result.millis > slowest.millis) slowest = { millis: result.millis, seed }
    if (result.why !== undefined) {
      failures.push({ folder: target.folders[0]!, seed, bytes, why: result.why })
      if (failures.length >= 5) break
    }
  }
  return { cases: options.cases, accepted, failures, slowest }
}
