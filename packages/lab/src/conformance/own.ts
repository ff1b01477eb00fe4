/** Our own nodes as peers to look at: what they serve, and a simulated network that they stand on. */
import type * as Core from "@pnet/core"
import { Network } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as NodeNetwork from "@pnet/node/NodeNetwork"
import { SimNetwork } from "@pnet/testing"
import { Cause, Context, Effect, Exit, Layer, Logger, Random } from "effect"
import { freeAdvertisePort } from "../harness/ports.ts"
import type { Check, Level, Need } from "./check.ts"
import { all } from "./checks.ts"
import { placeOn } from "./place.ts"
import { type Done, run, type RunOptions } from "./run.ts"
import { functions, handlers, onMessage, streams, Typed } from "./served.ts"
import { unbase64, utf8 } from "./speech/bytes.ts"
import type { Called, Order, Subject } from "./subject.ts"

/** The nodes of the core, which may be one that a deviation was planted in. */
export type Nodes = Pick<typeof Core, "BasicNode" | "AdvancedNode" | "CommandNode" | "TofuTrust" | "LanReach">

/** Which node it is: each serves as much of the protocol as it can. */
export const kinds = ["BasicNode", "AdvancedNode", "CommandNode"] as const
export type Kind = (typeof kinds)[number]

export const levelOf: Record<Kind, Level> = { BasicNode: "raw", AdvancedNode: "sessions", CommandNode: "typed" }

interface Served {
  readonly publicKey: string
  readonly port: number
  readonly order: (order: Order) => Effect.Effect<Called>
}

const calledOf = (call: Effect.Effect<Uint8Array, unknown>): Effect.Effect<Called> =>
  Effect.map(Effect.exit(call), (exit): Called => {
    if (Exit.isSuccess(exit)) return { _tag: "Answered", bytes: exit.value }
    const error = Cause.squash(exit.cause) as { readonly _tag?: string; readonly code?: string }
    return { _tag: "Failed", error: error._tag ?? String(error), code: error.code }
  })

/** Makes a node carry out orders. */
const orders = (
  raw: Core.BasicNode.BasicNode["Service"],
  advanced?: Core.AdvancedNode.AdvancedNode["Service"],
  command?: Core.CommandNode.CommandNode["Service"]
) =>
(order: Order): Effect.Effect<Called> => {
  const payload = utf8(order.payload ?? "")
  const timeout = order.timeoutMillis === undefined ? {} : { timeout: order.timeoutMillis }
  const known = <A, E>(call: Effect.Effect<A, E>) =>
    Effect.andThen(Effect.ignore(raw.peers.awaitPeer(order.peer)), call)
  switch (order.how) {
    case "message":
      return calledOf(known(raw.send(order.peer, payload, timeout)))
    case "function":
      return calledOf(
        known(advanced?.request(order.peer, order.name ?? "", payload, timeout) ?? Effect.die("no streams"))
      )
    case "call":
      return calledOf(known(Effect.map(
        command?.target(order.peer, timeout)(order.name ?? "", order.payload) ?? Effect.die("no commands"),
        (value) => utf8(JSON.stringify(value))
      )))
    case "twice":
      return calledOf(known(Effect.scoped(Effect.gen(function*() {
        const client = yield* command?.client(Typed, order.peer) ?? Effect.die("no typed calls")
        return utf8(JSON.stringify(yield* client["typed.twice"]({ n: Number(order.payload) })))
      }))))
  }
}

/** What a node is told. */
interface Told {
  readonly name: string
  readonly networkId: string
  readonly bindIp: string
  readonly networkKeys?: readonly [string, ...Array<string>]
  readonly advertisePort?: number
  readonly limits?: { readonly handshakes: number; readonly handshakesPerAddress: number }
}

/** Builds what a node is made of, where it is to stand. */
type Build = <A>(layer: Layer.Layer<A, any, any>) => Effect.Effect<Context.Context<A>>

/** Starts a node. */
const start = (nodes: Nodes, kind: Kind, told: Told, build: Build): Effect.Effect<Served> => {
  // What hears adverts is a part of the node, too.
  const provided = Layer.mergeAll(NodeCrypto.layer, nodes.TofuTrust.layer(), nodes.LanReach.layer, Logger.layer([]))
  const launch = <A>(layer: Layer.Layer<A, any, any>) => build(Layer.provide(layer, provided))
  switch (kind) {
    case "BasicNode":
      return Effect.map(launch(nodes.BasicNode.layer({ ...told, onMessage })), (context) => {
        const node = Context.get(context, nodes.BasicNode.BasicNode)
        return { publicKey: node.publicKey, port: node.endpoint.port, order: orders(node) }
      })
    case "AdvancedNode":
      return Effect.map(launch(nodes.AdvancedNode.layer({ ...told, onMessage, functions: streams })), (context) => {
        const node = Context.get(context, nodes.AdvancedNode.AdvancedNode)
        return { publicKey: node.publicKey, port: node.endpoint.port, order: orders(node.raw, node) }
      })
    case "CommandNode":
      return Effect.map(
        launch(
          nodes.CommandNode.serve(Typed).pipe(
            Layer.provide(handlers),
            Layer.provideMerge(nodes.CommandNode.layer({ ...told, onMessage, functions, streams }))
          )
        ),
        (context) => {
          const node = Context.get(context, nodes.CommandNode.CommandNode)
          return {
            publicKey: node.publicKey,
            port: node.endpoint.port,
            order: orders(node.streams.raw, node.streams, node)
          }
        }
      )
  }
}

export interface Look extends Partial<Omit<RunOptions, "level" | "has">> {
  readonly nodes: Nodes
  readonly kind: Kind
  /** The network key, as its text; none, where it is left out. */
  readonly networkKey?: string | undefined
  readonly checks?: ReadonlyArray<Check>
}

const networkId = "conformance"

/** All that a check may need, where it is a node of ours. */
const everything = (networkKey: string | undefined) =>
  new Set<Need>([
    networkKey === undefined ? "no network key" : "a network key",
    "a LAN",
    "orders",
    "pins",
    "a fresh start"
  ])

const keysOf = (networkKey: string | undefined) =>
  networkKey === undefined ? {} : { networkKeys: [networkKey] as const }

/** Looks at a node of ours on a simulated network. To be run in virtual time. */
export const look = ({ checks = all, kind, networkKey, nodes, ...rest }: Look): Effect.Effect<ReadonlyArray<Done>> =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make({ seed: kind, traceCapacity: 0, streams: { chunking: "joined" } })
    const at = yield* network.host("subject")
    const build: Build = (layer) => Effect.map(Effect.orDie(at.launch(layer as never)), ({ context }) => context)
    const told = { name: "subject", networkId, bindIp: "0.0.0.0", ...keysOf(networkKey) }
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
    const place = yield* placeOn(Context.get(process.context, Network.Network), {
      host: host.address,
      bindIp: "0.0.0.0",
      lan,
      order: served.order
    })
    const options = { patience: Infinity, ...rest, level: levelOf[kind], has: everything(networkKey) }
    return yield* process.run(run(checks, subject, place, options))
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

/** Looks at a node of ours on this machine's loopback, with real sockets. */
export const lookHere = (
  { checks = all, kind, networkKey, nodes, ...rest }: Look
): Effect.Effect<ReadonlyArray<Done>> =>
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
    const served = yield* start(nodes, kind, told, build)
    const network = Context.get(yield* Layer.build(NodeNetwork.layer), Network.Network)
    const place = yield* placeOn(network, {
      host: "127.0.0.1",
      bindIp: "127.0.0.1",
      lan: { host: "127.255.255.255", port: advertisePort },
      pace: 0,
      order: served.order
    })
    const subject: Subject = {
      key: served.publicKey,
      endpoint: { host: "127.0.0.1", port: served.port },
      networkId: id,
      networkKeys: networkKey === undefined ? [] : [unbase64(networkKey)!]
    }
    const options = { patience: 2, concurrency: 4, ...rest, level: levelOf[kind], has: everything(networkKey) }
    return yield* run(checks, subject, place, options)
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
