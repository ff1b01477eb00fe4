/** Two nodes with a LAN, of real sockets, and a real server: the LAN is taken from one of them, and it comes back. */
import { NodeDatagramSocket } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { connect } from "@nats-io/transport-node"
import { AdvancedNode, DerivedHost, LanReach, Network, Reach, TofuTrust } from "@pnet/core"
import * as Server from "@pnet/lab/nats/server"
import { NodeCrypto, NodeNetwork } from "@pnet/node"
import { Context, Deferred, Effect, Exit, Layer, Logger, Stream } from "effect"
import * as Socket from "effect/socket/Socket"
import * as Nodes from "./nodes.ts"
import { until } from "./world.ts"

/** A UDP port that nobody on this machine uses now. */
const freePort = Effect.gen(function*() {
  const socket = yield* NodeDatagramSocket.make({ bind: { address: "127.0.0.1", port: 0 } })
  return (yield* socket.reader).address.port
}).pipe(Effect.scoped, Effect.orDie)

const broken = Effect.fail(
  new Socket.SocketError({ reason: new Socket.SocketReadError({ cause: new Error("the cable was pulled") }) })
)

/** This machine's network with a cable that can be pulled: nothing that comes is heard, and connections break. */
class Cable {
  dialled = 0
  #pulled: Deferred.Deferred<void> | undefined = undefined
  #in = Deferred.makeUnsafe<void>()

  get pull(): Effect.Effect<void> {
    return Effect.suspend(() => Deferred.succeed(this.#pulled = this.#in, undefined))
  }

  get plug(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.#pulled = undefined
      this.#in = Deferred.makeUnsafe()
    })
  }

  readonly layer: Layer.Layer<Network.Network> = Layer.effect(
    Network.Network,
    Effect.gen({ self: this }, function*() {
      const network = Context.get(yield* Layer.build(Layer.fresh(NodeNetwork.layer)), Network.Network)
      return {
        ...network,
        datagram: (options) =>
          network.datagram({
            ...options,
            take: (...datagram) => this.#pulled !== undefined || (options.take?.(...datagram) ?? false)
          }),
        dial: (endpoint) =>
          Effect.map(network.dial(endpoint), (socket) => {
            const pulled = Effect.andThen(Effect.suspend(() => Deferred.await(this.#in)), broken)
            // Nothing of it goes by another way than this.
            const reader = Effect.map(socket.reader, ({ pull, upgrade }) => ({
              pull: Effect.raceFirst(pull, pulled),
              upgrade
            }))
            return Socket.make({
              reader: Effect.suspend(() => {
                if (this.#pulled !== undefined) return broken
                this.dialled++
                return reader
              }),
              writer: socket.writer
            })
          })
      }
    })
  )
}

it.live.skipIf(Server.skipped)(
  "a node that is taken from the LAN is called over NATS after one retry at most, and over the LAN when it is back, and is lost to nobody",
  () =>
    Effect.gen(function*() {
      const server = yield* Server.start()
      const cable = new Cable()
      const advertisePort = yield* freePort
      const node = (name: string) =>
        Effect.map(
          Layer.build(
            Layer.fresh(
              AdvancedNode.layer({
                name,
                networkId: "laptop",
                bindIp: "127.0.0.1",
                broadcastInterval: "100 millis",
                advertisePort,
                functions: { hello: () => Effect.succeed(`hello from ${name}`) }
              }).pipe(
                Layer.provide(Reach.merge(LanReach.layer, Nodes.reach({ servers: server.url }))),
                Layer.provide([cable.layer, NodeCrypto.layer, TofuTrust.layer(), Logger.layer([])])
              )
            )
          ),
          (context) => Context.get(context, AdvancedNode.AdvancedNode)
        )
      const [alice, bob] = [yield* node("alice"), yield* node("bob")]
      // What goes over the server of connections.
      let links = 0
      const listener = yield* Effect.acquireRelease(
        Effect.promise(() => connect({ servers: server.url })),
        (client) => Effect.promise(() => client.close())
      )
      listener.subscribe("pnet.*.*.*.link.>", { callback: () => void links++ })
      yield* Effect.promise(() => listener.flush())
      const events: Array<string> = []
      for (const { peers } of [alice, bob]) {
        yield* peers.changes.pipe(
          Stream.runForEach((event) => Effect.sync(() => void events.push(event._tag))),
          Effect.forkScoped({ startImmediately: true })
        )
      }
      const ways = ({ peers }: typeof alice, name: string) =>
        Effect.runSync(peers.all).find((peer) => peer.name === name)?.endpoints.map(({ host }) =>
          DerivedHost.is(host) ? "nats" : "lan"
        ) ?? []
      const knows = (is: () => ReadonlyArray<string>, ...expected: ReadonlyArray<string>) =>
        until(`ways ${expected.join()}`, () => expected.every((way) => is().includes(way)))
      yield* knows(() => ways(alice, "bob"), "lan", "nats")
      yield* knows(() => ways(bob, "alice"), "lan", "nats")
      const hello = Effect.map(alice.request("bob", "hello", ""), (bytes) => new TextDecoder().decode(bytes))
      const retried = Effect.gen(function*() {
        const first = yield* Effect.exit(hello)
        assert.strictEqual(Exit.isSuccess(first) ? first.value : yield* hello, "hello from bob")
      })

      const calls = Effect.gen(function*() {
        const before = links
        for (let i = 0; i < 20; i++) assert.strictEqual(yield* hello, "hello from bob")
        yield* Effect.promise(() => listener.flush())
        return links - before
      })
      // A session stays where it is, and a new one goes over the LAN, unless that is slow to answer, as it is where this machine is. One over
      // NATS may say its last word meanwhile.
      const overLan = Effect.gen(function*() {
        const before = cable.dialled
        yield* alice.sessions.closeAll
        yield* retried
        if ((yield* calls) > 4 || cable.dialled === before) return yield* Effect.fail("not yet")
      }).pipe(Effect.retry({ times: 20 }))

      yield* overLan
      yield* cable.pull
      yield* retried
      assert.isAtLeast(yield* calls, 20)
      yield* cable.plug
      yield* overLan
      for (const event of events) assert.notInclude(["Lost", "Left"], event)
    }).pipe(Effect.scoped),
  30_000
)
