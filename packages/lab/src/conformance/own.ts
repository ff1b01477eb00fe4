/** Our own nodes as peers to look at: what they serve, and a simulated network that they stand on. */
import type * as Core from "@pnet/core"
import { Network } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as NodeNetwork from "@pnet/node/NodeNetwork"
import { SimNetwork } from "@pnet/testing"
import { Context, Effect, Layer, Logger, Random, type Scope } from "effect"
import { freeAdvertisePort } from "../harness/ports.ts"
import type { Check, Level, Need } from "./check.ts"
import { all } from "./checks.ts"
import * as Orders from "./orders.ts"
import { placeOn } from "./place.ts"
import { type Done, run, type RunOptions } from "./run.ts"
import { functions, handlers, onMessage, streams, Typed } from "./served.ts"
import { unbase64 } from "./speech/bytes.ts"
import type { Called, Order, Subject } from "./subject.ts"

/** The nodes of the core, which may be one that a deviation was planted in. */
export type Nodes = Pick<typeof Core, "BasicNode" | "AdvancedNode" | "CommandNode" | "TofuTrust" | "LanReach" | "Trust">

/** Which node it is: each serves as much of the protocol as it can. */
export const kinds = ["BasicNode", "AdvancedNode", "CommandNode"] as const
export type Kind = (typeof kinds)[number]

export const levelOf: Record<Kind, Level> = { BasicNode: "raw", AdvancedNode: "sessions", CommandNode: "typed" }

interface Served {
  readonly publicKey: string
  readonly port: number
  readonly order: (order: Order) => Effect.Effect<Called>
}

/** What a node is told. */
interface Told {
  readonly name: string
  readonly networkId: string
  readonly bindIp: string
  readonly networkKeys?: readonly [string, ...Array<string>]
  readonly advertisePort?: number
  readonly framing?: "binary" | "text"
  readonly limits?: { readonly handshakes: number; readonly handshakesPerAddress: number }
}

/** Builds what a node is made of, where it is to stand. */
type Build = <A>(layer: Layer.Layer<A, any, any>) => Effect.Effect<Context.Context<A>>

/** Starts a node. */
const start = (
  nodes: Nodes,
  kind: Kind,
  told: Told,
  build: Build
): Effect.Effect<Served, never, Scope.Scope> => {
  // Anybody may publish and subscribe. What hears adverts is a part of the node, too.
  const trust = nodes.Trust.open(nodes.TofuTrust.layer()).pipe(Layer.provide(Logger.layer([])))
  const provided = Layer.mergeAll(NodeCrypto.layer, trust, nodes.LanReach.layer, Logger.layer([]))
  const launch = <A>(layer: Layer.Layer<A, any, any>) => build(Layer.provide(layer, provided))
  switch (kind) {
    case "BasicNode":
      return Effect.map(launch(nodes.BasicNode.layer({ ...told, onMessage })), (context) => {
        const node = Context.get(context, nodes.BasicNode.BasicNode)
        return { publicKey: node.publicKey, port: node.endpoint.port, order: Orders.carryOut(node) }
      })
    case "AdvancedNode":
      return Effect.flatMap(launch(nodes.AdvancedNode.layer({ ...told, onMessage, functions: streams })), (context) => {
        const node = Context.get(context, nodes.AdvancedNode.AdvancedNode)
        return ordered(node, Orders.carryOut(node.raw, node))
      })
    case "CommandNode":
      return Effect.flatMap(
        launch(
          nodes.CommandNode.serve(Typed).pipe(
            Layer.provide(handlers),
            Layer.provideMerge(nodes.CommandNode.layer({ ...told, onMessage, functions, streams }))
          )
        ),
        (context) => {
          const node = Context.get(context, nodes.CommandNode.CommandNode)
          return ordered(node.streams, Orders.carryOut(node.streams.raw, node.streams, node))
        }
      )
  }
}

/** Serves orders, too. */
const ordered = (
  node: Core.AdvancedNode.AdvancedNode["Service"],
  order: Served["order"]
): Effect.Effect<Served, never, Scope.Scope> =>
  Effect.as(Effect.orDie(node.register("order", Orders.serving(order))), {
    publicKey: node.publicKey,
    port: node.endpoint.port,
    order
  })

export interface Look extends Partial<Omit<RunOptions, "level" | "has">> {
  readonly nodes: Nodes
  readonly kind: Kind
  /** The network key, as its text; none, where it is left out. */
  readonly networkKey?: string | undefined
  readonly checks?: ReadonlyArray<Check>
  /** The port that the kit listens on; any where it is left out. */
  readonly listen?: number
  /** How its sessions are sent; `binary`, where it is left out. */
  readonly framing?: "binary" | "text"
  /** Whether orders are given as to a peer of somebody else's: by its function `order`. */
  readonly asked?: boolean
}

const networkId = "conformance"

/** All that a check may need, where it is a node of ours. */
const everything = (networkKey: string | undefined) =>
  new Set<Need>([
    networkKey === undefined ? "no network key" : "a network key",
    "a LAN",
    "orders",
    "topics",
    "pins",
    "a fresh start"
  ])

const keysOf = (networkKey: string | undefined) =>
  networkKey === undefined ? {} : { networkKeys: [networkKey] as const }

/** Looks at a node of ours on a simulated network. To be run in virtual time. */
export const look = (
  { asked = false, checks = all, framing = "binary", kind, listen = 0, networkKey, nodes, ...rest }: Look
): Effect.Effect<ReadonlyArray<Done>> =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make({ seed: kind, traceCapacity: 0, streams: { chunking: "joined" } })
    const at = yield* network.host("subject")
    const build: Build = (layer) => Effect.map(Effect.orDie(at.launch(layer as never)), ({ context }) => context)
    const told = { name: "subject", networkId, bindIp: "0.0.0.0", framing, ...keysOf(networkKey) }
    const served = yield* start(nodes, kind, told, build)
    const host = yield* network.host("kit")
    const process = yield* host.process
    const subject: Subject = {
      key: served.publicKey,
      endpoint: { host: at.address, port: served.port },
      networkId,
      networkKeys: networkKey === undefined ? [] : [unbase64(networkKey)!]
    }
    const lan = { host: "10.0.0.255", port: 3334 }
    const base = yield* placeOn(Context.get(process.context, Network.Network), {
      host: host.address,
      bindIp: "0.0.0.0",
      port: listen,
      lan
    })
    const place = { ...base, order: asked ? Orders.over(subject, base, "orders") : served.order }
    const options = { patience: Infinity, ...rest, level: levelOf[kind], has: everything(networkKey) }
    return yield* process.run(run(checks, subject, place, options))
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

/** A node of ours on this machine's loopback, until the scope closes. */
export const standHere = (
  { kind, networkKey, nodes }: Pick<Look, "kind" | "networkKey" | "nodes">
): Effect.Effect<Here, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const build: Build = (layer) =>
      Effect.orDie(Layer.buildWithScope(Layer.provide(layer, NodeNetwork.layer) as never, scope))
    const advertisePort = yield* freeAdvertisePort
    const id = `${networkId}-${yield* Random.nextIntBetween(0, 1_000_000)}`
    const told = {
      name: "subject",
      networkId: id,
      bindIp: "127.0.0.1",
      advertisePort,
      // So that the kit need not take its time.
      limits: { handshakes: 10_000, handshakesPerAddress: 10_000 },
      ...keysOf(networkKey)
    }
    const { order, port, publicKey } = yield* start(nodes, kind, told, build)
    const subject: Subject = {
      key: publicKey,
      endpoint: { host: "127.0.0.1", port },
      networkId: id,
      networkKeys: networkKey === undefined ? [] : [unbase64(networkKey)!]
    }
    return { subject, order, lan: { host: "127.255.255.255", port: advertisePort } }
  })

interface Here {
  readonly subject: Subject
  readonly lan: Network.Endpoint
  readonly order: (order: Order) => Effect.Effect<Called>
}

/** Looks at a node of ours on this machine's loopback, with real sockets. */
export const lookHere = (
  { checks = all, kind, networkKey, nodes, ...rest }: Look
): Effect.Effect<ReadonlyArray<Done>> =>
  Effect.gen(function*() {
    const { lan, order, subject } = yield* standHere({ kind, networkKey, nodes })
    const network = Context.get(yield* Layer.build(NodeNetwork.layer), Network.Network)
    const place = yield* placeOn(network, { host: "127.0.0.1", bindIp: "127.0.0.1", lan, pace: 0, order })
    const options = { patience: 2, concurrency: 8, ...rest, level: levelOf[kind], has: everything(networkKey) }
    return yield* run(checks, subject, place, options)
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
