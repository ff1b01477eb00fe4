/** Ways to reach peers besides the LAN: nodes that only dial, peers without an address, and several ways at once. */
import { assert, describe, it } from "@effect/vitest"
import { CommandNode, DerivedHost, Discovery, NodeOptions, Reach, Transport } from "@pnet/core"
import type { Network } from "@pnet/core"
import { TestNetwork } from "@pnet/testing"
import { Effect, Layer, PubSub, Queue, Schedule, Schema, type Scope, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

// --- a hub in the process, by which nodes find each other and are connected ---------------------------------------------

type Half = Queue.Queue<Uint8Array, Transport.ConnectionClosedError>
type Caller = Effect.Effect<Transport.Connection, never, Scope.Scope>

class Hub {
  readonly adverts = Effect.runSync(PubSub.unbounded<Discovery.Sighting>({ replay: 100 }))
  readonly doors = new Map<string, Queue.Queue<Caller>>()
}

const closed = new Transport.ConnectionClosedError({ clean: true })

const connection = (inbox: Half, outbox: Half, remote: Network.Endpoint): Caller =>
  Effect.acquireRelease(
    Effect.succeed({
      remote,
      pull: Queue.takeAll(inbox),
      write: (bytes: Uint8Array) =>
        Effect.flatMap(Queue.offer(outbox, bytes.slice()), (open) => open ? Effect.void : Effect.fail(closed)),
      end: Effect.asVoid(Queue.fail(outbox, closed))
    }),
    ({ end }) => Effect.andThen(end, Queue.shutdown(inbox))
  )

const layerTransport = (hub: Hub, listens: boolean) =>
  Layer.effect(
    Transport.Transport,
    Effect.map(NodeOptions.NodeConfig, ({ identity }) => {
      const own = { host: DerivedHost.ofKey("hub", identity.publicKey), port: 1 }
      const listen = Effect.gen(function*() {
        const door = yield* Queue.unbounded<Caller>()
        yield* Effect.acquireRelease(
          Effect.sync(() => hub.doors.set(own.host, door)),
          () => Effect.sync(() => hub.doors.delete(own.host))
        )
        const run: Transport.Listener["run"] = (handler) =>
          Queue.take(door).pipe(
            Effect.flatMap((caller) => Effect.forkScoped(Effect.scoped(Effect.flatMap(caller, handler)))),
            Effect.forever,
            Effect.scoped
          ) as never
        return { endpoint: own, run }
      })
      return {
        listen: listens ? listen : undefined,
        dials: ({ host }) => DerivedHost.is(host),
        dial: (to) =>
          Effect.gen(function*() {
            const door = hub.doors.get(to.host)
            if (door === undefined) return yield* new Transport.DialError({ kind: "Refused", ...to })
            const there = yield* Queue.bounded<Uint8Array, Transport.ConnectionClosedError>(16)
            const back = yield* Queue.bounded<Uint8Array, Transport.ConnectionClosedError>(16)
            yield* Queue.offer(door, connection(there, back, own))
            return yield* connection(back, there, to)
          })
      }
    })
  )

const layerDiscovery = (hub: Hub) =>
  Layer.effect(
    Discovery.Discovery,
    Effect.map(NodeOptions.NodeConfig, ({ broadcastInterval, identity: { publicKey }, name }) => {
      const say = (endpoint: Network.Endpoint) =>
        PubSub.publish(hub.adverts, { name, publicKey, endpoint, source: endpoint, via: "hub", answer: Effect.void })
      return {
        advertise: (own) =>
          own === undefined ? Effect.void : Effect.andThen(
            Effect.addFinalizer(() => say({ ...own, port: 0 })),
            Effect.forkScoped(Effect.repeat(say(own), Schedule.spaced(broadcastInterval)))
          ),
        sightings: Stream.filter(Stream.fromPubSub(hub.adverts), (seen) => seen.publicKey !== publicKey)
      }
    })
  )

const reach = (hub: Hub, options = { listens: true }) =>
  Reach.layer("hub", { transport: layerTransport(hub, options.listens), discovery: layerDiscovery(hub) })

// --- nodes over it ------------------------------------------------------------------------------------------------------

class Greeter extends RpcGroup.make(
  Rpc.make("greet", { payload: { name: Schema.String }, success: Schema.String })
) {}

const greeter = (from: string) =>
  CommandNode.serve(Greeter).pipe(
    Layer.provide(Greeter.toLayer({ greet: ({ name }) => Effect.succeed(`${from} greets ${name}`) }))
  )

describe("two nodes over a hub, one of which only dials", () => {
  it.effect("are peers of each other, and call each other by typed functions", () =>
    Effect.gen(function*() {
      const hub = new Hub()
      const { nodes: { browser, server } } = yield* TestNetwork.make({
        seed: 1,
        nodes: {
          server: TestNetwork.node({ reach: reach(hub), beside: greeter("the server") }),
          browser: TestNetwork.node({ reach: reach(hub, { listens: false }), beside: greeter("the browser") })
        }
      })
      assert.deepStrictEqual([server.node.endpoints.length, browser.node.endpoints], [1, []])
      const [peer] = yield* server.node.peers.all
      assert.deepEqual(peer as unknown, {
        name: "browser",
        publicKey: browser.node.publicKey,
        endpoints: [],
        proved: true,
        status: "Online"
      })
      const atServer = yield* browser.node.client(Greeter, "server")
      assert.strictEqual(yield* atServer.greet({ name: "browser" }), "the server greets browser")
      const atBrowser = yield* server.node.client(Greeter, "browser")
      assert.strictEqual(yield* atBrowser.greet({ name: "server" }), "the browser greets server")
      const all = yield* server.node.client(Greeter, "*")
      const answers = yield* all.greet({ name: "all" })
      assert.deepStrictEqual([...Object.keys(answers)], ["browser"])
    }).pipe(Effect.scoped))
})
