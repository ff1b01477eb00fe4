import { assert, describe, it } from "@effect/vitest"
import { DerivedHost, Network, NodeOptions, PortableCrypto, TcpTransport, Transport } from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { transportSuite, type TransportWorld, withoutFibers } from "@pnet/testing/TransportSuite"
import { Clock, Context, Deferred, Duration, Effect, Layer, type Scope } from "effect"

const dialTimeout = Duration.seconds(5)

const world = (options?: SimNetwork.Options, fibers = true): Effect.Effect<TransportWorld, never, Scope.Scope> =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make(options)
    const [server, client, silent, broken] = yield* Effect.forEach(
      ["server", "client", "silent", "broken"],
      (name) => network.host(name)
    )
    yield* network.partition("silent")
    const over = (host: SimNetwork.Host) =>
      Effect.map(
        host.process,
        ({ context }) => (serverPort: number) =>
          TcpTransport.make(Context.get(context, Network.Network), { bindIp: "0.0.0.0", serverPort, dialTimeout })
      )
    const onServer = yield* over(server!)
    const onClient = yield* over(client!)
    return {
      server: onServer,
      client: fibers
        ? onClient(0)
        : { ...onClient(0), dial: (endpoint) => Effect.map(onClient(0).dial(endpoint), withoutFibers) },
      address: server!.address,
      clientAddress: client!.address,
      breaking: Effect.gen(function*() {
        const process = yield* broken!.process
        const transport = TcpTransport.make(Context.get(process.context, Network.Network), {
          bindIp: "0.0.0.0",
          serverPort: 7_000,
          dialTimeout
        })
        const listener = yield* Effect.orDie(transport.listen)
        // Nobody pulls, and a program that is killed with bytes unread resets.
        yield* Effect.forkScoped(listener.run(() => Effect.never))
        yield* Effect.forkScoped(Effect.andThen(Effect.sleep("1 second"), process.kill))
        return { host: broken!.address, port: listener.endpoint.port }
      }),
      silent: { endpoint: { host: silent!.address, port: 7_000 }, dialTimeout },
      openSockets: Effect.sync(() => network.openSockets().length)
    }
  })

transportSuite("TCP on a simulated network", {
  world: world({ seed: 1 }),
  run: SimWorld.passing(),
  live: false,
  held: 1_048_576
})
// Who dials does without fibers what it can, as sessions do; who listens pulls and writes.
transportSuite("TCP on a simulated network without latency, and without fibers where one dials", {
  world: world({ seed: 2, link: { latency: 0 }, streams: { chunking: "joined" } }, false),
  run: SimWorld.passing(),
  live: false,
  held: 1_048_576
})
transportSuite("TCP on a simulated network with delays, loss and small windows", {
  world: world(
    {
      seed: 3,
      link: { latency: { min: "1 millis", max: "20 millis" }, loss: 0.02 },
      streams: { window: 50_000, chunking: "random" }
    },
    false
  ),
  run: SimWorld.passing({ step: "10 millis" }),
  live: false,
  held: 262_144
})
transportSuite("TCP on a simulated network where bytes arrive one by one", {
  world: world({ seed: 4, streams: { chunking: "bytes" } }),
  run: SimWorld.passing(),
  live: false,
  held: 1_048_576
})

describe("Transport", () => {
  it.effect("TcpTransport.layer listens and gives up dialling as the options say", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [server, client] = [yield* network.host("server"), yield* network.host("client")]
      const layer = (input: Partial<NodeOptions.Input>) =>
        TcpTransport.layer.pipe(
          Layer.provide(NodeOptions.layer({ name: "x", bindIp: "0.0.0.0", ...input })),
          Layer.provide(PortableCrypto.layer)
        )
      const process = yield* server.launch(layer({ serverPort: 4_242 }))
      const listener = yield* Context.get(process.context, Transport.Transport).listen!
      assert.deepStrictEqual(listener.endpoint, { host: "0.0.0.0", port: 4_242 })
      const accepted = yield* Deferred.make<void>()
      yield* Effect.forkScoped(listener.run(() => Effect.asVoid(Deferred.succeed(accepted, undefined))))
      const dialling = yield* client.launch(layer({ limits: { dialTimeout: "700 millis" } }))
      const transport = Context.get(dialling.context, Transport.Transport)
      yield* transport.dial({ host: server.address, port: 4_242 })
      yield* Deferred.await(accepted)
      yield* network.partition(server, client)
      const before = yield* Clock.currentTimeMillis
      const error = yield* Effect.flip(transport.dial({ host: server.address, port: 4_242 }))
      assert.strictEqual(error.kind, "Timeout")
      const took = (yield* Clock.currentTimeMillis) - before
      assert.isAtLeast(took, 700)
      assert.isBelow(took, 720)
    }).pipe(SimWorld.passing()))

  it.effect("TCP dials no derived address, however it is written, and everything else", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("alice")
      const { context } = yield* host.process
      const transport = TcpTransport.make(Context.get(context, Network.Network), {
        bindIp: "0.0.0.0",
        serverPort: 0,
        dialTimeout
      })
      const derived = DerivedHost.ofUrl("ws", "wss://hub.example/pnet")
      for (const host of [derived, derived.toUpperCase(), "fd70:6e74::1"]) {
        assert.isFalse(transport.dials({ host, port: 1 }), host)
        assert.strictEqual((yield* Effect.flip(transport.dial({ host, port: 1 }))).kind, "Unreachable")
      }
      for (const host of ["10.0.0.1", "::1", "fd00::1"]) assert.isTrue(transport.dials({ host, port: 1 }), host)
      assert.deepStrictEqual(network.openSockets(), [])
    }).pipe(Effect.scoped, SimWorld.passing()))

  it.effect("an address to which there is no way is DialError Unreachable", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("alone", { interfaces: [] })
      const error = yield* Effect.flip(SimWorld.dial(host, { host: "10.0.0.9", port: 1 }))
      assert.strictEqual(error.kind, "Unreachable")
      assert.include(error.message, "10.0.0.9:1")
    }).pipe(Effect.scoped, SimWorld.passing()))
})
