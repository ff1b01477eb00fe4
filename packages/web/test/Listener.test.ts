/** Who may connect to a node by WebSocket, whom it takes them for, and what ends a connection. */
import * as NodeWS from "@effect/platform-node/NodeWS"
import { assert, describe, it } from "@effect/vitest"
import { DerivedHost, Reach } from "@pnet/core"
import type { Endpoint } from "@pnet/core/Network"
import type { Connection } from "@pnet/core/Transport"
import { keeping } from "@pnet/lab/web/keeping"
import { trickling } from "@pnet/lab/web/trickling"
import { upgrade } from "@pnet/lab/web/upgrade"
import { WebReach, WebSocketListener } from "@pnet/web"
import { Deferred, Effect, Fiber, Layer, Schedule, type Scope } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { type OutgoingHttpHeaders, request } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as World from "./world.ts"

const self: Endpoint = { host: DerivedHost.ofUrl("ws", "ws://listener/"), port: 1 }

/** The status with which a request is answered; 101 where its WebSocket was taken. */
const ask = (port: number, headers: Readonly<Record<string, string>>): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const asked = request({ host: "127.0.0.1", port, path: "/node", headers })
    asked.on("upgrade", (_, socket) => {
      socket.destroy()
      resume(Effect.succeed(101))
    })
    asked.on("response", (response) => {
      response.resume()
      resume(Effect.succeed(response.statusCode ?? 0))
    })
    asked.end()
  })

/** What a client sends that is no browser: a frame of a WebSocket, whose mask is of zeros. */
const frame = (first: number, payload: Uint8Array): Buffer => {
  const { length } = payload
  const head = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([first, ...head, 0, 0, 0, 0]), payload])
}

const binary = 0x82

/** A frame of a link without a payload, which says that the other end may send so many bytes. */
const granting = (bytes: number): Uint8Array => {
  const link = Buffer.alloc(9)
  link.writeUInt32BE(bytes, 5)
  return link
}

/** A connection whose WebSocket was taken, of which nothing is read. */
const unread = (port: number, headers: OutgoingHttpHeaders = upgrade) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly socket: Socket; readonly extensions: string | undefined }>((resume) => {
      const asked = request({ host: "127.0.0.1", port, path: "/node", headers })
      asked.on("upgrade", ({ headers }, socket) => {
        socket.pause()
        socket.on("error", () => {})
        resume(Effect.succeed({ socket: socket as Socket, extensions: headers["sec-websocket-extensions"] }))
      })
      asked.end()
    }),
    ({ socket }) => Effect.sync(() => void socket.destroy())
  )

/** A listener at a server of its own, whose connections are given to the handler. */
const listening = (
  options: WebSocketListener.Options | undefined,
  handler: (connection: Connection) => Effect.Effect<void, never, Scope.Scope>
) =>
  Effect.gen(function*() {
    const { handle, listen } = WebSocketListener.make(options)
    const port = yield* World.serve(HttpRouter.add("GET", "/node", handle), 0)
    const listener = yield* listen(self)
    const running = yield* Effect.forkScoped(listener.run(handler), { startImmediately: true })
    return { port, listen, running }
  })

/** Whether it ends clean, with nothing read before. */
const endOf = ({ pull }: Connection) => Effect.map(Effect.orDie(Effect.flip(pull)), ({ clean }) => clean)

type Server = InstanceType<typeof NodeWS.WebSocketServer>

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(title, () => Effect.scoped(body))

describe("a listener for WebSockets", () => {
  test(
    "takes pages of its own host, or of those origins that it is told, and whoever is no page",
    Effect.gen(function*() {
      const { port } = yield* listening(undefined, () => Effect.void)
      const asPage = (origin: string, at = port) => ask(at, { ...upgrade, origin })
      assert.strictEqual(yield* ask(port, upgrade), 101)
      assert.strictEqual(yield* asPage(`http://127.0.0.1:${port}`), 101)
      for (const origin of ["https://example.org", "null", `http://127.0.0.1:${port + 1}`, "http://127.0.0.1", ""]) {
        assert.strictEqual(yield* asPage(origin), 403, origin)
      }
      const told = yield* listening({ origins: ["https://example.org"] }, () => Effect.void)
      assert.strictEqual(yield* asPage("https://example.org", told.port), 101)
      assert.strictEqual(yield* asPage(`http://127.0.0.1:${told.port}`, told.port), 403)
      const all = yield* listening({ origins: "all" }, () => Effect.void)
      assert.strictEqual(yield* asPage("https://example.com", all.port), 101)
    })
  )

  test(
    "says by the status why it takes none, and listens for one node at a time",
    Effect.gen(function*() {
      const { listen, port, running } = yield* listening(undefined, () => Effect.void)
      assert.strictEqual(yield* ask(port, {}), 426)
      const error = yield* Effect.flip(Effect.scoped(listen(self)))
      assert.deepInclude(error, { _tag: "ListenError", kind: "PortInUse" })
      yield* Fiber.interrupt(running)
      assert.strictEqual(yield* ask(port, upgrade), 503)
    })
  )

  test(
    "lets go of the connection of whoever asked for a WebSocket and got none, whether he does so or not",
    Effect.gen(function*() {
      const { port } = yield* listening(undefined, () => Effect.void)
      assert.strictEqual(yield* keeping(port, "/node", { ...upgrade, origin: "https://example.org" }), 403)
      assert.strictEqual(yield* keeping(port, "/node", { connection: "upgrade", upgrade: "other" }), 426)
      const { "sec-websocket-key": _, ...without } = upgrade
      assert.strictEqual(yield* keeping(port, "/node", without), 400)
      // Of the other routes of its server, too, and where there is none.
      const other = yield* World.serve(
        Layer.merge(
          HttpRouter.add("GET", "/page", HttpServerResponse.text("a page")),
          Layer.provide(Layer.effectDiscard(Reach.Reach), WebReach.layerServer()).pipe(Layer.orDie)
        ),
        0
      )
      assert.strictEqual(yield* keeping(other, "/page", upgrade), 200)
      assert.strictEqual(yield* keeping(other, "/none", upgrade), 404)
    })
  )

  test(
    "takes a proxy's word for who connects only where it is told of the proxy",
    Effect.gen(function*() {
      const seenBy = (options: WebSocketListener.Options | undefined) =>
        Effect.gen(function*() {
          const seen = yield* Deferred.make<string | undefined>()
          const { port } = yield* listening(
            options,
            ({ remote }) => Effect.asVoid(Deferred.succeed(seen, remote?.host))
          )
          yield* ask(port, { ...upgrade, "x-forwarded-for": "203.0.113.9, 198.51.100.7" })
          return yield* Deferred.await(seen)
        })
      assert.strictEqual(yield* seenBy(undefined), "127.0.0.1")
      assert.strictEqual(yield* seenBy({ trustedProxies: ["10.0.0.0/8"] }), "127.0.0.1")
      assert.strictEqual(yield* seenBy({ trustedProxies: ["127.0.0.1"] }), "198.51.100.7")
      assert.strictEqual(yield* seenBy({ trustedProxies: ["127.0.0.0/8", "198.51.100.0/24"] }), "203.0.113.9")
    })
  )

  test(
    "ends a connection at a message of text, and at one that is too long, at either end",
    Effect.gen(function*() {
      // The second would be a frame of a link, whose payload the other end may send.
      for (const message of ["text", Buffer.concat([granting(65_536), new Uint8Array(65_528)])]) {
        const ended = yield* Deferred.make<boolean>()
        const { port } = yield* listening(
          undefined,
          (connection) => Effect.flatMap(endOf(connection), (clean) => Effect.asVoid(Deferred.succeed(ended, clean)))
        )
        const socket = World.webSocket(`ws://127.0.0.1:${port}/node`)
        socket.addEventListener("open", () => socket.send(message as Uint8Array<ArrayBuffer>))
        assert.isFalse(yield* Deferred.await(ended))

        const server = yield* Effect.acquireRelease(
          Effect.callback<Server>((resume) => {
            const server: Server = new NodeWS.WebSocketServer(
              { host: "127.0.0.1", port: 0 },
              () => resume(Effect.succeed(server))
            )
            server.on("connection", (connection) => connection.send(message))
          }),
          (server) =>
            Effect.callback<void>((resume) => {
              for (const client of server.clients) client.terminate()
              server.close(() => resume(Effect.void))
            })
        )
        const to = { ...self, port: (server.address() as AddressInfo).port }
        const connection = yield* World.dialDerived.dial(to)
        assert.isFalse(yield* endOf(connection))
      }
    })
  )

  test(
    "holds little of what is not read, however much the other end says that it may be sent, and goes on when it is",
    Effect.gen(function*() {
      let written = 0
      const { port } = yield* listening(
        undefined,
        ({ write }) =>
          Effect.ignore(Effect.forever(Effect.map(write(new Uint8Array(65_536)), () => {
            written += 65_536
          })))
      )
      const { socket } = yield* unread(port)
      socket.write(frame(binary, granting(2 ** 29)))
      const stuck = Effect.gen(function*() {
        let last = -1
        while (last !== written && written < 2 ** 26) {
          last = written
          yield* Effect.sleep("50 millis")
        }
        return written
      })
      // What the system holds of a connection is some of it.
      const before = yield* stuck
      assert.isAbove(before, 1_048_576)
      assert.isBelow(before, 2 ** 25)
      const more = Effect.suspend(() => written > before ? Effect.void : Effect.fail("not yet"))
      socket.resume()
      yield* Effect.retry(more, Schedule.spaced("2 millis"))
    })
  )

  /** The code that a connection is ended with, when it is over; none where something else was said before. */
  const codeOf = (socket: Socket) =>
    Effect.callback<number | undefined>((resume) => {
      const parts: Array<Buffer> = []
      socket.on("data", (bytes) => parts.push(bytes))
      socket.on("close", () => {
        const told = Buffer.concat(parts)
        resume(Effect.succeed(told[0] === 0x88 ? told.readUInt16BE(2) : undefined))
      })
      socket.resume()
    })

  test(
    "ends a connection at the beginning of a message that is too long, and at one in very many pieces, and compresses nothing",
    Effect.gen(function*() {
      const { port } = yield* listening(undefined, () => Effect.never)
      const asked = { ...upgrade, "sec-websocket-extensions": "permessage-deflate" }
      const { extensions, socket } = yield* unread(port, asked)
      assert.isUndefined(extensions)
      const piece = (first: number) => frame(first, Uint8Array.of(0))
      socket.write(Buffer.concat([piece(0x02), ...Array.from({ length: 256 }, () => piece(0x00))]))
      assert.strictEqual(yield* codeOf(socket), 1008)
      const { socket: long } = yield* unread(port)
      // Of 65,537 bytes, of which none comes.
      long.write(Buffer.from([binary, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]))
      assert.strictEqual(yield* codeOf(long), 1009)
    })
  )

  test(
    "ends a connection whose message comes byte by byte, and is not kept until it is whole",
    Effect.gen(function*() {
      const { port } = yield* listening(undefined, () => Effect.never)
      assert.strictEqual(yield* trickling(port, "/node"), 1008)
    })
  )

  test(
    "waits a second for the end of who was told that it has ended, and no longer",
    Effect.gen(function*() {
      const { port } = yield* listening(undefined, () => Effect.void)
      // It says first that its link has ended, too, which is not answered either.
      assert.isUndefined(yield* codeOf((yield* unread(port)).socket))
    })
  )
})
