/** Nodes that are listed by their URLs. */
import { assert, describe, it } from "@effect/vitest"
import { CommandNode, type Identity, PublicKey, TofuTrust } from "@pnet/core"
import { NodeCrypto } from "@pnet/node"
import { WebReach, WebSocketTransport } from "@pnet/web"
import { Effect, Layer, Logger, Schedule, type Scope } from "effect"
import { HttpRouter } from "effect/http"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import * as World from "./world.ts"

const networkId = "reach"
const key = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo="

const quiet = Layer.mergeAll(NodeCrypto.layer, TofuTrust.layer(), Logger.layer([]))

const dialling = (...peers: ReadonlyArray<string>) =>
  CommandNode.make({ name: "dialling", networkId }).pipe(Effect.provide([WebReach.layer({ peers }), quiet]))

/** A node that listens at a path of a server on a port. */
const listening = (port: number, identity?: Identity.Identity["Service"]) =>
  Effect.gen(function*() {
    const node = CommandNode.layer({ name: "listening", networkId, ...(identity === undefined ? {} : { identity }) })
    return yield* World.serve(
      Layer.provide(node, [Layer.orDie(WebReach.layerServer({ path: "/a/node" })), quiet]).pipe(Layer.orDie) as never,
      port
    )
  })

const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(title, () => Effect.scoped(body))

describe("a node at a URL", () => {
  test(
    "is asked for at once, and again ever more seldom until it is there",
    Effect.gen(function*() {
      let asked = 0
      const server = yield* Effect.acquireRelease(
        Effect.sync(() => createServer((socket) => void (asked++, socket.destroy())).listen(0, "127.0.0.1")),
        (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      yield* Effect.callback<void>((resume) => void server.once("listening", () => resume(Effect.void)))
      const { port } = server.address() as AddressInfo
      const node = yield* dialling(`ws://127.0.0.1:${port}/a/node`)
      yield* Effect.repeat(node.peers.obstacles, {
        until: (all) => all.some(({ kind }) => kind === "NoAnswer"),
        schedule: Schedule.spaced("10 millis")
      })
      assert.isAtLeast(asked, 2)
      yield* Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      yield* listening(port)
      yield* node.peers.awaitPeer("listening")
    })
  )

  test(
    "is no peer where it has another key than its URL says",
    Effect.gen(function*() {
      const port = yield* listening(yield* freePort)
      const node = yield* dialling(`ws://127.0.0.1:${port}/a/node#${key}`)
      yield* Effect.repeat(node.peers.obstacles, {
        until: (all) => all.some(({ kind }) => kind === "PinnedKey"),
        schedule: Schedule.spaced("10 millis")
      })
      assert.deepStrictEqual(yield* node.peers.all, [])
    })
  )

  it.effect("takes URLs of WebSockets with a key behind them or none, and says of others what is wrong", () =>
    Effect.gen(function*() {
      const wrong = (peer: string) =>
        Effect.map(Effect.flip(Effect.scoped(Layer.build(WebReach.layer({ peers: [peer] })))), ({ message }) => message)
      yield* Effect.scoped(Layer.build(WebReach.layer({
        peers: ["wss://example.org", "ws://[::1]:8080/a?b", `wss://example.org/a#${key}`]
      })))
      assert.include(yield* wrong("example.org/pnet"), "it is no URL")
      assert.include(yield* wrong("https://example.org/pnet"), "neither wss: nor ws:")
      assert.include(yield* wrong("wss://me:secret@example.org/pnet"), "a name or a password")
      assert.include(yield* wrong("wss://example.org/pnet#abc"), "no public key")
      const server = (options: WebReach.ServerOptions) =>
        Effect.scoped(Layer.build(Layer.provide(WebReach.layerServer(options), HttpRouter.layer)))
      assert.include((yield* Effect.flip(server({ trustedProxies: ["proxy"] }))).message, "trustedProxies")
      yield* server({ origins: ["https://example.org", "http://127.0.0.1:8080", "chrome-extension://abc", "null"] })
      for (const origin of ["https://example.org/", "https://example.org:443", "https://Example.org", "example.org"]) {
        assert.include((yield* Effect.flip(server({ origins: [origin] }))).message, `and got ${origin}`)
      }
      const endpointOf = (url: string) => WebSocketTransport.endpointOf(new URL(url))
      assert.strictEqual(endpointOf("wss://example.org/").port, 443)
      assert.strictEqual(endpointOf("ws://example.org/").port, 80)
      assert.strictEqual(endpointOf("ws://example.org:8080/").port, 8080)
      assert.deepStrictEqual(endpointOf("WSS://Example.org#a"), endpointOf("wss://example.org/"))
      assert.isDefined(PublicKey.fromText(key))
    }))
})
