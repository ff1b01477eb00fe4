/** Handshakes, their metadata and the first MESSAGE, against machines that are right. */
import { type Crypto, Handshake, type Packet, ProtocolError } from "@pnet/core"
import { MessageBox } from "@pnet/core/internal/session/messageBox"
import * as Metadata from "@pnet/core/internal/session/metadata"
import { Redacted, Result } from "effect"
import { range } from "../../vectors/bytes.ts"
import * as Vectors from "../../vectors/handshake.ts"
import { corpus } from "../corpus.ts"
import * as Mutate from "../mutate.ts"
import { lab, rule, same, succeeded, type Target } from "../target.ts"

const { readU32 } = Mutate

/** Both sides, as far as they are when each command comes: what each makes of it. */
const makeMachines = (crypto: Crypto.Crypto["Service"]) => {
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
  return { build, steps }
}

type Machines = ReturnType<typeof makeMachines>

const names = ["hello", "welcome", "initiate", "ready", "message"] as const
const folders = names.map((name) => `handshake-${name}`)

const commandTargets = ({ steps }: Machines): ReadonlyArray<Target> =>
  names.map((name, i): Target => {
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
  })

/** Names with their lengths, and values with theirs. */
const splitProperties = (bytes: Uint8Array) => {
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

/** Metadata alone, and in commands that are sealed right. */
const metadataTarget = ({ build, steps }: Machines): Target => ({
  name: "metadata",
  folders: ["metadata"],
  cost: 3,
  mutate: Mutate.any(
    Mutate.blind,
    Mutate.parts({
      lengthAt: 0,
      lengthBytes: 1,
      split: splitProperties
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
})

export const handshakeTargets = (crypto: Crypto.Crypto["Service"]): ReadonlyArray<Target> => {
  const machines = makeMachines(crypto)
  return [...commandTargets(machines), metadataTarget(machines)]
}
