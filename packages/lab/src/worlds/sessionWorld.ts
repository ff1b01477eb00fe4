/**
 * Nodes with sessions on a simulated network, for the tests of sessions. A peer that says what no node would is in `stranger.ts`.
 *
 * The cryptography is Node's, whose bytes are those of the portable one (`CryptoSuite` holds both to it), and which takes a tenth of the
 * time. The suites of whole nodes run over the portable one.
 */
import { AdvancedNode, Crypto, Frame, type Packet, TofuTrust, type Trust } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { type SimNetwork, SimWorld } from "@pnet/testing"
import { Cause, Context, Effect, Exit, Layer, Logger, Result, type Scope } from "effect"
import * as Instances from "../harness/instances.ts"

export type Net = SimNetwork.SimNetwork["Service"]
export type Node = AdvancedNode.AdvancedNode["Service"]
export const networkId = "sessions" as Packet.NetworkId

export interface Started {
  readonly node: Node
  readonly host: SimNetwork.Host
  readonly process: SimNetwork.Process<AdvancedNode.AdvancedNode>
}

/** The body of a test: in virtual time, without a word. */
export const quietly = <E>(
  body: Effect.Effect<void, E, Scope.Scope>,
  options?: Parameters<typeof SimWorld.passing>[0]
): Effect.Effect<void, E> => body.pipe(Effect.scoped, SimWorld.passing(options), Effect.provide(Logger.layer([])))

/** Starts a node on a host of its own. */
export const start = (
  network: Net,
  options: AdvancedNode.Options,
  overrides?: {
    readonly host?: SimNetwork.Host
    readonly crypto?: Layer.Layer<Crypto.Crypto>
    readonly trust?: Layer.Layer<Trust.Trust>
    readonly logger?: Layer.Layer<never>
  }
): Effect.Effect<Started> =>
  Effect.gen(function*() {
    const host = overrides?.host ?? (yield* network.host(options.name))
    const layer = AdvancedNode.layer({ networkId, bindIp: "0.0.0.0", ...options }).pipe(
      Layer.provide([
        overrides?.crypto ?? NodeCrypto.layer,
        overrides?.trust ?? TofuTrust.layer(),
        overrides?.logger ?? Logger.layer([])
      ])
    )
    const process = yield* Effect.orDie(host.launch(layer))
    return { node: Context.get(process.context, AdvancedNode.AdvancedNode), host, process }
  })

export const echo: AdvancedNode.Handler = ({ bytes }) => bytes

/** Two nodes that know each other. */
export const two = (
  network: Net,
  alice: Partial<AdvancedNode.Options> = {},
  bob: Partial<AdvancedNode.Options> = {}
) =>
  Effect.gen(function*() {
    const b = yield* start(network, { functions: { echo }, ...bob, name: "bob" })
    const a = yield* start(network, { functions: { echo }, ...alice, name: "alice" })
    yield* Effect.all([a.node.peers.awaitPeer("bob"), b.node.peers.awaitPeer("alice")], { concurrency: 2 })
    return { alice: a, bob: b }
  })

export const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) return Effect.die(new Error(`expected a failure, got ${String(exit.value)}`))
    const error = Cause.findError(exit.cause)
    return Result.isSuccess(error)
      ? Effect.succeed(error.success)
      : Effect.die(new Error(`expected a typed failure, got ${Cause.pretty(exit.cause)}`))
  })

export const bytes = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))
export const text = (data: Uint8Array): string => new TextDecoder().decode(data)

export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

export const frame = (kind: number, stream: number, payload: Uint8Array | string = ""): Uint8Array => {
  const body = typeof payload === "string" ? bytes(payload) : payload
  const header = new Uint8Array(Frame.headerLength)
  const view = new DataView(header.buffer)
  view.setUint8(0, kind)
  view.setUint32(1, stream)
  view.setUint32(5, body.length)
  return concat(header, body)
}

export const openFrame = (id: number, name = "echo") =>
  frame(Frame.Kind.open, id, JSON.stringify({ protocol: "command", name }))

/** The cryptography, with chance that is the same each time. */
export const seeded = (seed = Instances.next(), layer: Layer.Layer<Crypto.Crypto> = NodeCrypto.layer) =>
  Layer.build(Layer.fresh(layer)).pipe(
    Effect.map((context) => Context.get(context, Crypto.Crypto)),
    Effect.provideService(Crypto.Entropy, entropy(seed))
  )

const entropy = (seed: number) => {
  let state = seed >>> 0
  return (out: Uint8Array) => {
    for (let i = 0; i < out.length; i++) {
      state = state + 0x6d2b79f5 >>> 0
      let t = Math.imul(state ^ state >>> 15, 1 | state)
      t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
      out[i] = t >>> 11
    }
  }
}
