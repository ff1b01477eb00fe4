/** Nodes on loopback, and the same measurements over them as over raw connections. */
import * as AdvancedNode from "@pnet/core/AdvancedNode"
import * as BasicNode from "@pnet/core/BasicNode"
import * as Crypto from "@pnet/core/Crypto"
import * as LanReach from "@pnet/core/LanReach"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as Trust from "@pnet/core/Trust"
import * as NatsPnet from "@pnet/nats/NatsPnet"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as NodeNetwork from "@pnet/node/NodeNetwork"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Pull from "effect/Pull"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { chunkBytes } from "./bulk.ts"
import { Samples } from "./samples.ts"

/** Which implementation of the cryptography. */
export type Cryptography = "native" | "portable"

/** Its layer. */
export const cryptoLayer = (cryptography: Cryptography): Layer.Layer<Crypto.Crypto> =>
  cryptography === "native" ? NodeCrypto.layer : PortableCrypto.layer

/** Trust on first use of however many nodes, all of which are on one address here, and each of which may subscribe to anything. */
const trust = Trust.open(Layer.sync(Trust.Trust, () => TofuTrust.make({ capacity: 65_536, perAddress: 32_768 })))

/** Everything that a node needs of this machine. */
export const platform = (cryptography: Cryptography) =>
  Layer.mergeAll(Layer.provideMerge(LanReach.layer, NodeNetwork.layer), cryptoLayer(cryptography), trust)

/** A node's network: its own, so that benchmarks and whatever else runs on this machine do not hear each other. */
export interface NodeNetworkOptions {
  readonly networkId: string
  readonly networkKey: string | null
  readonly advertisePort: number
  /** The NATS server over which nodes reach each other, and by nothing else. Default: they do by the LAN. */
  readonly nats?: string
}

/** What starts a node, by the way that its network says. */
export const over = <A, E, R>(
  { nats }: NodeNetworkOptions,
  start: Effect.Effect<A, E, R>
): Effect.Effect<A, unknown, R> => nats === undefined ? start : Effect.provide(start, NatsPnet.layer({ servers: nats }))

/** The options of a node of that network on 127.0.0.1, which advertises itself to 127.255.255.255 alone. */
export const options = (name: string, network: NodeNetworkOptions) => ({
  name,
  networkId: network.networkId,
  advertisePort: network.advertisePort,
  bindIp: "127.0.0.1",
  ...(network.networkKey === null ? {} : { networkKey: Redacted.make(network.networkKey) })
})

/** A node that answers every message with itself. */
export const echo = (name: string, network: NodeNetworkOptions) =>
  BasicNode.make({ ...options(name, network), onMessage: ({ data }) => Effect.succeed(data) })

/** How an AdvancedNode frames its sessions. */
export type Framing = "binary" | "text"

/** A function that answers with how many bytes it was sent. */
export const sink = ({ bytes }: AdvancedNode.Call) =>
  Effect.suspend(() => {
    let count = 0
    return Stream.runForEachArray(bytes, (parts) =>
      Effect.sync(() => {
        for (const part of parts) count += part.length
      })).pipe(Effect.map(() => `${count}`))
  })

/**
 * An AdvancedNode with three functions: `echo` answers with what it is sent once it has all of it, `echo-stream` as it comes,
 * and `sink` with how many bytes it was.
 */
export const advanced = (name: string, network: NodeNetworkOptions, framing: Framing) =>
  AdvancedNode.make({
    ...options(name, network),
    framing,
    // A crowd may be larger than the default lets in.
    limits: { sessions: 8_192 },
    functions: {
      echo: ({ whole }) => whole,
      "echo-stream": ({ bytes }) => bytes,
      sink
    }
  })

/** Sends so many bytes to `sink`, in so many streams at once, and waits for their counts. */
export const transfer = (
  node: AdvancedNode.AdvancedNode["Service"],
  to: string,
  { bytes, streams }: { readonly bytes: number; readonly streams: number }
): Effect.Effect<void, AdvancedNode.CallError> => {
  const chunk = new Uint8Array(chunkBytes).fill(7)
  const one = Effect.suspend(() => {
    let left = Math.ceil(bytes / streams / chunkBytes)
    const expected = left * chunkBytes
    const parts: NonEmptyReadonlyArray<Uint8Array> = [chunk]
    const pull: Pull.Pull<NonEmptyReadonlyArray<Uint8Array>> = Effect.suspend(() =>
      left-- > 0 ? Effect.succeed(parts) : Cause.done()
    )
    const source = Stream.fromPull(Effect.succeed(pull))
    return Effect.flatMap(node.request(to, "sink", source), (answer) => {
      const counted = new TextDecoder().decode(answer)
      return counted === `${expected}` ? Effect.void : Effect.die(`${counted} bytes came of ${expected}`)
    })
  })
  return Effect.forEach(Array.from({ length: streams }), () => one, { concurrency: "unbounded", discard: true })
}

/**
 * Asks in `atOnce` fibers, each of which waits for its answer before it sends again, and gives the latencies of
 * the messages that were answered within so many seconds, or of the first, however long it took.
 */
export const measure = <E>(ask: (message: Uint8Array) => Effect.Effect<Uint8Array, E>, options: {
  readonly message: Uint8Array
  readonly atOnce: number
  readonly seconds: number
}): Effect.Effect<Samples, E> =>
  Effect.suspend(() => {
    const { atOnce, message, seconds } = options
    const samples = new Samples()
    const deadline = performance.now() + seconds * 1_000
    const asker = Effect.gen(function*() {
      let at = performance.now()
      // Once at least: where many begin the time may be up before the first has.
      do {
        const sent = at
        const answer = yield* ask(message)
        if (answer.length !== message.length) return yield* Effect.die(`the echo has ${answer.length} bytes`)
        at = performance.now()
        if (at < deadline || samples.size === 0) samples.push(at - sent)
      } while (at < deadline)
    })
    return Effect.as(
      Effect.forEach(Array.from({ length: atOnce }), () => asker, { concurrency: "unbounded", discard: true }),
      samples
    )
  })
