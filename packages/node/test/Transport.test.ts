import { Network, TcpTransport } from "@pnet/core"
import { NodeNetwork } from "@pnet/node"
import { transportSuite, type TransportWorld } from "@pnet/testing/TransportSuite"
import { Context, Effect, identity, Layer, type Scope } from "effect"
import * as Net from "node:net"

const world: Effect.Effect<TransportWorld, never, Scope.Scope> = Effect.gen(function*() {
  const network = Context.get(yield* Layer.build(NodeNetwork.layer), Network.Network)
  const at = (bindIp: string) => (serverPort: number) =>
    TcpTransport.make(network, { bindIp, serverPort, dialTimeout: "5 seconds" })
  return {
    server: at("127.0.0.1"),
    client: at("127.0.0.1")(0),
    address: "127.0.0.1",
    clientAddress: "127.0.0.1",
    breaking: Effect.map(
      Effect.acquireRelease(
        Effect.callback<Net.Server>((resume) => {
          const server = Net.createServer((connection) => {
            connection.on("error", () => {})
            connection.once("data", () => connection.resetAndDestroy())
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      ),
      (server) => ({ host: "127.0.0.1", port: (server.address() as Net.AddressInfo).port })
    ),
    // What keeps Node's event loop alive and is a socket of ours.
    openSockets: Effect.sync(() => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length)
  }
})

transportSuite("TCP on loopback", { world, run: identity, live: true })
