/** What a channel over a WebSocket takes to be sent, while the system keeps it. */
import { assert, describe, it } from "@effect/vitest"
import type { Channel } from "@pnet/core/MessageLink"
import { Effect, Queue, type Scope } from "effect"
import * as Socket from "effect/socket/Socket"
import { TestClock } from "effect/testing"
import { ofSocket, ofWebSocket } from "../src/internal/channel.ts"
import type { BrowserSocket } from "../src/internal/platform.ts"

/** What a system holds, of which nothing is sent until it is let go. */
class System {
  held = 0
  messages = 0
  take(bytes: number): void {
    this.held += bytes
    this.messages++
  }
  release(messages: number, bytes: number): void {
    this.messages -= messages
    this.held -= bytes
  }
}

const dialled = (system: System): Effect.Effect<Channel, never, Scope.Scope> =>
  ofWebSocket({
    readyState: 1,
    get bufferedAmount() {
      return system.held
    },
    addEventListener: () => {},
    removeEventListener: () => {},
    close: () => {},
    send: (message: Uint8Array) => system.take(message.length)
  } as unknown as BrowserSocket)

const taken = (system: System): Effect.Effect<Channel, Socket.SocketError, Scope.Scope> =>
  ofSocket(
    Socket.make({
      reader: Effect.succeed({ pull: Effect.never, upgrade: Socket.SocketUpgradeError.unsupported }),
      writer: Effect.succeed({
        write: () => Effect.void,
        writeAll: (chunks) => Effect.sync(() => chunks.forEach((chunk) => system.take(chunk.length)))
      })
    }),
    () => system.held
  )

const fills = (open: typeof taken) =>
  Effect.scoped(Effect.gen(function*() {
    const system = new System()
    const channel = yield* open(system)
    let told = 0
    channel.open({ message: () => {}, room: () => void told++, closed: () => {} })
    const fill = (length: number) =>
      Effect.gen(function*() {
        let sent = 0
        while (sent++ < 100_000 && channel.send(new Uint8Array(length)));
        // The server's are handed on by a fiber.
        yield* Effect.yieldNow
        yield* TestClock.adjust("10 millis")
        return system.messages
      })
    // A message that the system holds takes hundreds of bytes besides its own.
    assert.isBelow(yield* fill(9), 4_096)
    assert.strictEqual(told, 0)
    system.release(system.messages, system.held)
    yield* TestClock.adjust("10 millis")
    assert.strictEqual(told, 1)
    // Of long ones the bytes count.
    assert.approximately(yield* fill(65_536), 17, 1)
    // Those that were sent do not count, though some are held at all times.
    system.release(system.messages - 1, system.held - 65_536)
    yield* TestClock.adjust("10 millis")
    assert.strictEqual(told, 2)
    for (let i = 0; i < 10_000; i++) {
      assert.isTrue(channel.send(new Uint8Array(100)))
      yield* Effect.yieldNow
      system.release(1, system.held - 65_536)
    }
  }))

/** What comes over a channel: some before anybody has opened it, and as much again behind that. */
const comes = [Uint8Array.of(1), "text", Uint8Array.of(2)] as const

const tells = (
  open: (come: (listener: (data: string | Uint8Array) => void) => void) => Effect.Effect<
    Channel,
    Socket.SocketError,
    Scope.Scope
  >
) =>
  Effect.scoped(Effect.gen(function*() {
    let come: (data: string | Uint8Array) => void = () => {}
    const channel = yield* open((listener) => come = listener)
    const told: Array<number | string> = []
    const all = Effect.gen(function*() {
      for (const data of comes) {
        come(data)
        yield* TestClock.adjust("1 millis")
      }
    })
    yield* all
    channel.open({ message: ([byte]) => told.push(byte!), room: () => {}, closed: (cause) => told.push(String(cause)) })
    yield* all
    assert.deepStrictEqual(told, [1, "Error: a message of text came, and pnet sends bytes"])
  }))

describe("a channel over a WebSocket", () => {
  it.effect("takes nothing that comes behind a message that may not come, though nobody has opened it yet", () =>
    Effect.gen(function*() {
      yield* tells((told) =>
        ofWebSocket({
          readyState: 1,
          addEventListener: (event: string, listener: (event: { readonly data: unknown }) => void) => {
            if (event === "message") told((data) => listener({ data }))
          },
          removeEventListener: () => {},
          close: () => {},
          send: () => {}
        } as unknown as BrowserSocket)
      )
      yield* tells((told) =>
        Effect.gen(function*() {
          const queue = yield* Queue.unbounded<string | Uint8Array>()
          told((data) => Queue.offerUnsafe(queue, data))
          return yield* ofSocket(
            Socket.make({
              reader: Effect.succeed({
                pull: Effect.map(Queue.take(queue), (data) => [data] as const),
                upgrade: Socket.SocketUpgradeError.unsupported
              }),
              writer: Effect.succeed({ write: () => Effect.void, writeAll: () => Effect.void })
            }),
            () => 0
          )
        })
      )
    }))

  it.effect("has no room while the system holds very many messages, however short, and has it again then", () =>
    fills(dialled))

  it.effect("that a server took has no room while very many messages are held, however short, and has it again then", () =>
    fills(taken))
})
