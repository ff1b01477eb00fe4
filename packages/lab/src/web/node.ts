// A node in a page, which tests tell what to do by `globalThis.pnet`; what it does by itself, at the start, is said in the page's address.
import * as CommandNode from "@pnet/core/CommandNode"
import * as Peers from "@pnet/core/Peers"
import * as Trust from "@pnet/core/Trust"
import * as WebPnet from "@pnet/web/WebPnet"
import * as WebTrust from "@pnet/web/WebTrust"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { networkId, Numbers, Page } from "./groups.ts"

declare const location: { readonly search: string }
declare const document: { title: string }
declare const performance: { now(): number; readonly memory?: { readonly usedJSHeapSize: number } }
declare const TextDecoder: new() => { decode(bytes: Uint8Array): string }
declare const URLSearchParams: new(
  text: string
) => { get(name: string): string | null; getAll(name: string): Array<string> }

const began = performance.now()
const said = new URLSearchParams(location.search)
const log: Array<string> = []

const live = CommandNode.serve(Page).pipe(
  Layer.provide(Page.toLayer({ title: () => Effect.succeed(document.title) })),
  Layer.provideMerge(CommandNode.layer({
    name: said.get("name") ?? "page",
    networkId,
    streams: { echo: ({ bytes }) => bytes }
  })),
  Layer.provide(WebPnet.layerWithTrust(
    { peers: said.getAll("peer"), tabs: said.get("tabs") === "one" ? "one" : "numbered" },
    Trust.open(WebTrust.layer())
  )),
  Layer.provide(Logger.layer([Logger.make(({ message }) => void log.push(String(message)))]))
)

const scope = Scope.makeUnsafe()
const started = Effect.runPromise(
  Scope.provide(Layer.build(live), scope).pipe(
    Effect.map((context) => Context.get(context, CommandNode.CommandNode)),
    Effect.provideService(Scope.Scope, scope)
  )
)

const withNode = <A, E>(use: (node: CommandNode.CommandNode["Service"]) => Effect.Effect<A, E, Scope.Scope>) =>
  started.then((node) => Effect.runPromise(Effect.scoped(use(node))))

const zeros = new Uint8Array(65_536)

export const pnet = {
  log,
  node: () =>
    withNode((node) => Effect.succeed({ name: node.name, publicKey: node.publicKey, endpoint: node.endpoint })),
  peers: () => withNode((node) => Effect.map(node.peers.all, (peers) => peers.map(({ name }) => name))),
  awaitPeer: (name: string) => withNode((node) => Effect.map(node.peers.awaitPeer(name), ({ publicKey }) => publicKey)),
  endpoints: (name: string) => withNode((node) => Effect.map(node.peers.awaitPeer(name), ({ endpoints }) => endpoints)),
  obstacles: () => withNode((node) => Effect.map(node.peers.obstacles, (all) => all.map(({ kind }) => kind))),
  double: (peer: string, n: number) =>
    withNode((node) => Effect.flatMap(node.client(Numbers, peer), (client) => client.double({ n }))),
  callBack: (peer: string) =>
    withNode((node) => Effect.flatMap(node.client(Numbers, peer), (client) => client.callBack())),
  count: (peer: string, to: number) =>
    withNode((node) =>
      Effect.flatMap(
        node.client(Numbers, peer),
        (client) => Stream.runFold(client.count({ to }), () => 0, (sum, n) => sum + n)
      )
    ),
  /** So many calls, so many at once: the milliseconds that they take. */
  calls: (peer: string, calls: number, atOnce: number) =>
    withNode((node) =>
      Effect.flatMap(node.client(Numbers, peer), (client) => {
        const start = performance.now()
        return Effect.map(
          Effect.forEach(Array.from({ length: calls }, (_, n) => n), (n) => client.double({ n }), {
            concurrency: atOnce,
            discard: true
          }),
          () => performance.now() - start
        )
      })
    ),
  /** So many bytes there, and back again at the same time: the milliseconds, what came, and the most that the page's heap had. */
  echo: (peer: string, size: number) =>
    withNode((node) =>
      Effect.gen(function*() {
        const start = performance.now()
        const input = Stream.range(1, size / zeros.length).pipe(Stream.map(() => zeros), Stream.rechunk(1))
        let most = 0
        const came = yield* Stream.runFold(node.streams.send(peer, "echo", input), () => 0, (sum, part) => {
          most = Math.max(most, performance.memory?.usedJSHeapSize ?? 0)
          return sum + part.length
        })
        return { came, most, millis: performance.now() - start }
      })
    ),
  /** A text there and back, of whichever peer serves that. */
  any: (text: string) =>
    withNode((node) =>
      Effect.map(
        node.streams.request(Peers.any({ serves: "echo" }), "echo", text),
        (bytes) => new TextDecoder().decode(bytes)
      )
    ),
  /** Keeps a value on a topic, for who subscribes later, too. */
  publish: (topic: string, value: unknown) => withNode((node) => node.publish(topic, value, { retain: true })),
  /** The first that is heard on a topic. */
  hear: (topic: string) =>
    withNode((node) => Effect.map(Stream.runHead(node.subscribe(topic)), (heard) => Option.getOrThrow(heard).value)),
  stop: () => Effect.runPromise(Scope.close(scope, Exit.void)),
  /** The milliseconds from the beginning of the script to the first typed answer. */
  first: said.get("first") === null
    ? undefined
    : withNode((node) =>
      Effect.gen(function*() {
        const peer = said.get("first")!
        yield* node.peers.awaitPeer(peer)
        const client = yield* node.client(Numbers, peer)
        yield* client.double({ n: 1 })
        return performance.now() - began
      })
    )
}

Object.assign(globalThis, { pnet })
started.then(undefined, (error) => Object.assign(globalThis, { failed: String(error) }))
