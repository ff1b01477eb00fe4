// A server to which pages connect, in a process of its own: what it is told comes as JSON in the environment (SERVER), orders as lines of JSON
// on its input, and what came of them goes out the same way. It ends with its input.
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Caller, CommandNode, Identity, type Peers, TofuTrust, Trust } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { WebPnet, WebSocketListener } from "@pnet/web"
import { Cause, Deferred, Effect, Layer, Logger, Option, Redacted, Stream } from "effect"
import { HttpRouter } from "effect/http"
import { createServer } from "node:http"
import { createInterface } from "node:readline"
import { networkId, Numbers, Page } from "./groups.ts"

export interface Told {
  readonly name: string
  readonly port: number
  readonly secret: string
}

const { name, port, secret } = JSON.parse(process.env["SERVER"]!) as Told

const listening = Deferred.makeUnsafe<void>()
const over = Deferred.makeUnsafe<void>()

const say = (answer: object) => Effect.sync(() => void process.stdout.write(`${JSON.stringify(answer)}\n`))

type Node = CommandNode.CommandNode["Service"]

const zeros = new Uint8Array(65_536)

const orders = (node: Node, events: Array<string>): Record<string, (order: any) => Effect.Effect<object, unknown>> => ({
  peers: () =>
    Effect.map(node.peers.all, (peers) => ({ peers: peers.map(({ endpoints, name }) => [name, endpoints.length]) })),
  events: () => Effect.sync(() => ({ events: [...events] })),
  awaitPeer: ({ peer }) => Effect.map(node.peers.awaitPeer(peer), ({ publicKey }) => ({ publicKey })),
  title: ({ peer }) =>
    Effect.scoped(
      Effect.flatMap(node.client(Page, peer), (client) => Effect.map(client.title(), (title) => ({ title })))
    ),
  /** Answers when a peer is gone. */
  untilLost: ({ peer }) =>
    Effect.map(Effect.exit(node.peers.whileOnline(peer, () => Effect.never)), () => ({ lost: true })),
  echo: ({ peer, size }) =>
    Stream.runFold(
      // One at a time: all that a range maps to is there at once otherwise, and is what the process weighs.
      node.streams.send(
        peer,
        "echo",
        Stream.range(1, size / zeros.length).pipe(Stream.map(() => zeros), Stream.rechunk(1))
      ),
      () => 0,
      (sum, part: Uint8Array) => sum + part.length
    ).pipe(Effect.map((came) => ({ came, rss: process.memoryUsage().rss }))),
  publish: ({ topic, value }) => Effect.as(node.publish(topic, value, { retain: true }), {}),
  hear: ({ topic }) =>
    Effect.map(Stream.runHead(node.subscribe(topic)), (heard) => ({ value: Option.getOrThrow(heard).value })),
  memory: () => Effect.sync(() => ({ rss: process.memoryUsage().rss }))
})

const program = Effect.gen(function*() {
  const node = yield* CommandNode.CommandNode
  const events: Array<string> = []
  yield* Effect.forkScoped(
    Stream.runForEach(node.peers.changes, (event: Peers.PeerEvent) => Effect.sync(() => void events.push(event._tag)))
  )
  const all = orders(node, events)
  const services = yield* Effect.context<never>()
  yield* Deferred.await(listening)
  yield* say({ id: 0, publicKey: node.publicKey })
  yield* Effect.callback<void>((resume) => {
    const lines = createInterface({ input: process.stdin })
    lines.on("line", (line) => {
      const order = JSON.parse(line) as { readonly id: number; readonly do: string }
      Effect.runForkWith(services)(Effect.matchCauseEffect(Effect.suspend(() => all[order.do]!(order)), {
        onSuccess: (answer) => say({ id: order.id, ...answer }),
        onFailure: (cause) => say({ id: order.id, failed: Cause.pretty(cause) })
      }))
    })
    lines.on("close", () => resume(Effect.void))
  })
})

const Handlers = Numbers.toLayer(Effect.gen(function*() {
  const node = yield* CommandNode.CommandNode
  return Numbers.of({
    double: ({ n }) => Effect.succeed(2 * n),
    count: ({ to }) => Stream.range(1, to),
    callBack: Effect.fnUntraced(function*() {
      const caller = yield* Caller.CurrentCaller
      return yield* Effect.orDie(Effect.scoped(
        Effect.flatMap(node.client(Page, caller!.name), (client) => client.title())
      ))
    })
  })
}))

const Live = Layer.effectDiscard(Effect.forkScoped(Effect.ensuring(program, Deferred.succeed(over, undefined)))).pipe(
  Layer.provide(CommandNode.serve(Numbers)),
  Layer.provide(Handlers),
  Layer.provide(CommandNode.layer({ name, networkId, streams: { echo: ({ bytes }) => bytes } })),
  Layer.provide(WebPnet.layerServer({ path: "/pnet", origins: "all" })),
  Layer.provide(Layer.effect(Identity.Identity, Identity.fromSecret(Redacted.make(secret)))),
  Layer.provide(NodePnet.layerWithTrust(Trust.open(TofuTrust.layer()))),
  Layer.provide(Logger.layer([]))
)

const Served = HttpRouter.serve(Live, { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provide(NodeHttpServer.layer(createServer, {
    host: "127.0.0.1",
    port,
    websocket: WebSocketListener.serverOptions
  }))
)

Layer.build(Served).pipe(
  Effect.andThen(Deferred.succeed(listening, undefined)),
  Effect.andThen(Deferred.await(over)),
  Effect.scoped,
  NodeRuntime.runMain
)
