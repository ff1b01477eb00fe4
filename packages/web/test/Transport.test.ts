import { DerivedHost } from "@pnet/core"
import { transportSuite, type TransportWorld } from "@pnet/testing/TransportSuite"
import { Duration, Effect, identity, type Scope } from "effect"
import * as Net from "node:net"
import * as World from "./world.ts"

const address = DerivedHost.ofUrl("ws", "ws://suite/")
const dialTimeout = Duration.seconds(2)

/** Where connections are taken, and something is done to them. */
const tcp = (onConnection: (connection: Net.Socket) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Net.Server>((resume) => {
        const server = Net.createServer((connection) => {
          connection.on("error", () => {})
          onConnection(connection)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
    ),
    (server) => ({ host: address, port: (server.address() as Net.AddressInfo).port })
  )

const world: Effect.Effect<TransportWorld, never, Scope.Scope> = Effect.gen(function*() {
  const silent = yield* tcp((connection) => connection.resume())
  const client = World.dialling(dialTimeout, ({ host }) => host === address)
  return {
    server: (port) => ({ ...client, listen: World.listen(address, port) }),
    client,
    address,
    clientAddress: "127.0.0.1",
    // Between the two, and passes on all until there is a message.
    breaking: Effect.gen(function*() {
      const listener = yield* Effect.orDie(World.listen(address, 0))
      yield* Effect.forkScoped(listener.run(() => Effect.never))
      return yield* tcp((connection) => {
        const onward = Net.connect(listener.endpoint.port, "127.0.0.1")
        onward.on("error", () => {})
        onward.pipe(connection)
        let heard = 0
        connection.on("data", (bytes) => {
          if (++heard === 1) return void onward.write(bytes)
          onward.destroy()
          connection.resetAndDestroy()
        })
      })
    }),
    silent: { endpoint: silent, dialTimeout },
    openSockets: Effect.sync(() => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length)
  }
})

transportSuite("WebSockets on loopback", { world, run: identity, live: true, held: 1_048_576 })
