/** BasicNodes on loopback, and the same measurement as the raw echo's over them. */
import * as BasicNode from "@pnet/core/BasicNode"
import * as Crypto from "@pnet/core/Crypto"
import * as Trust from "@pnet/core/Trust"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as NodeNetwork from "@pnet/node/NodeNetwork"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Samples } from "./samples.ts"

/** Which implementation of the cryptography. */
export type Cryptography = "native" | "portable"

/** Its layer. */
export const cryptoLayer = (cryptography: Cryptography): Layer.Layer<Crypto.Crypto> =>
  cryptography === "native" ? NodeCrypto.layer : Crypto.layerPortable

/** Everything that a node needs of this machine. */
export const platform = (cryptography: Cryptography) =>
  Layer.mergeAll(NodeNetwork.layer, cryptoLayer(cryptography), Trust.layerTofu())

/** A node's network: its own, so that benchmarks and whatever else runs on this machine do not hear each other. */
export interface NodeNetworkOptions {
  readonly networkId: string
  readonly networkKey: string | null
  readonly advertisePort: number
}

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

/**
 * Sends to a peer in `atOnce` fibers, each of which waits for its answer before it sends again, and gives the latencies of
 * the messages that were answered within so many seconds.
 */
export const measure = (node: BasicNode.BasicNode["Service"], to: string, options: {
  readonly message: Uint8Array
  readonly atOnce: number
  readonly seconds: number
}): Effect.Effect<Samples, BasicNode.SendError> =>
  Effect.suspend(() => {
    const { atOnce, message, seconds } = options
    const samples = new Samples()
    const deadline = performance.now() + seconds * 1_000
    const asker = Effect.gen(function*() {
      let at = performance.now()
      while (at < deadline) {
        const sent = at
        const answer = yield* node.send(to, message)
        if (answer.length !== message.length) return yield* Effect.die(`the echo has ${answer.length} bytes`)
        at = performance.now()
        if (at < deadline) samples.push(at - sent)
      }
    })
    return Effect.as(
      Effect.forEach(Array.from({ length: atOnce }), () => asker, { concurrency: "unbounded", discard: true }),
      samples
    )
  })
