/** The stream half of the network suite. */
import { assert, describe } from "@effect/vitest"
import { RemoteAddress } from "@pnet/core/Network"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { Test } from "./datagramSuite.ts"
import { pattern, portOf, reasonOf, sameBytes, textOf } from "./suiteHarness.ts"

class Marker extends Context.Service<Marker, string>()("@pnet/testing/NetworkSuite/Marker") {}

/** Everything until the stream ends, and how it ended. */
const readAll = (pull: Effect.Effect<ReadonlyArray<Uint8Array>, Socket.SocketError>) =>
  Effect.gen(function*() {
    const chunks: Array<Uint8Array> = []
    const reason = yield* reasonOf(
      Effect.forever(Effect.tap(pull, (batch) => Effect.sync(() => chunks.push(...batch))))
    )
    const bytes = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0))
    let offset = 0
    for (const chunk of chunks) {
      bytes.set(chunk, offset)
      offset += chunk.length
    }
    return { bytes, reason, end: reason._tag === "SocketCloseError" ? reason.code : reason._tag }
  })

const echo = (socket: Socket.Socket) =>
  Effect.scoped(Effect.gen(function*() {
    const pull = yield* Socket.readerBytes(socket)
    const writer = yield* socket.writer
    return yield* Effect.forever(Effect.flatMap(pull, writer.writeAll))
  })).pipe(Effect.ignore)

const listeningTests = (test: Test): void => {
  describe("listening", () => {
    test("on port 0 takes a free port and says which", (h) =>
      Effect.gen(function*() {
        const first = yield* h.listen(h.setup.server)
        const second = yield* h.listen(h.setup.server)
        assert.isAbove(portOf(first), 0)
        assert.notStrictEqual(portOf(first), portOf(second))
        assert.strictEqual(String(first.address), `${h.setup.server.address}:${portOf(first)}`)
      }))

    test("on a port in use fails with PortInUse", (h) =>
      Effect.gen(function*() {
        const { server } = h.setup
        const port = portOf(yield* h.listen(server))
        const error = yield* Effect.flip(h.listen(server, { port }))
        assert.deepInclude(error, { _tag: "ListenError", kind: "PortInUse", host: server.address, port })
      }))

    test("on an address of another machine fails with AddressNotAvailable", (h) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(h.listen(h.setup.server, { host: "203.0.113.77" }))
        assert.deepInclude(error, { _tag: "ListenError", kind: "AddressNotAvailable", host: "203.0.113.77" })
      }))

    test("ends with its scope, which frees the port", (h) =>
      Effect.gen(function*() {
        const port = yield* h.freePort
        const again = yield* h.listen(h.setup.server, { port })
        assert.strictEqual(portOf(again), port)
      }))

    test("keeps connections that come before run", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const listening = yield* h.listen(server)
        const socket = yield* h.dial(client, { host: server.address, port: portOf(listening) })
        const pull = yield* h.settle("a dial", Socket.readerBytes(socket))
        const writer = yield* socket.writer
        yield* h.settle("a write", writer.write("early"))
        yield* Effect.forkScoped(listening.run(echo))
        assert.strictEqual(textOf((yield* h.settle("an echo", pull))[0]).slice(0, 1), "e")
      }))

    test("gives handlers the services of run, and RemoteAddress", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const seen = yield* Deferred.make<readonly [string, NetAddress.InetAddress | undefined]>()
        const listening = yield* h.listen(server)
        yield* listening.run(() =>
          Effect.gen(function*() {
            yield* Deferred.succeed(seen, [yield* Marker, yield* RemoteAddress])
          })
        ).pipe(Effect.provideService(Marker, "marked"), Effect.forkScoped)
        const socket = yield* h.dial(client, { host: server.address, port: portOf(listening) })
        yield* h.settle("a dial", socket.reader)
        const [marker, remote] = yield* h.settle("the handler runs", Deferred.await(seen))
        assert.strictEqual(marker, "marked")
        assert.isTrue(NetAddress.isInetAddress(remote))
        assert.strictEqual(NetAddress.formatIp(remote!.address), client.address)
        assert.isAbove(remote!.port, 0)
        assert.isUndefined(yield* RemoteAddress)
      }))

    test("goes on when a handler fails", (h) =>
      Effect.gen(function*() {
        let connections = 0
        const to = yield* h.serve((socket) => ++connections === 1 ? Effect.fail("no") : echo(socket))
        const first = yield* h.dial(h.setup.client, to)
        yield* h.settle("a dial", first.reader)
        yield* h.until("the first is handled", () => connections === 1)
        const second = yield* h.dial(h.setup.client, to)
        const pull = yield* h.settle("a dial", Socket.readerBytes(second))
        yield* h.settle("a write", Effect.flatMap(second.writer, (writer) => writer.write("x")))
        assert.strictEqual(textOf((yield* h.settle("an echo", pull))[0]), "x")
        // What the server logs of it is not what is looked at.
      }).pipe(Effect.provide(Logger.layer([]))))

    test("closes the connection of a handler that has ended, even if it never read", (h) =>
      Effect.gen(function*() {
        const to = yield* h.serve(() => Effect.void)
        const socket = yield* h.dial(h.setup.client, to)
        const pull = yield* h.settle("a dial", Socket.readerBytes(socket))
        assert.strictEqual((yield* h.settle("the end", readAll(pull))).end, 1000)
      }))

    test("ends the connections of run when run is interrupted", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const listening = yield* h.listen(server)
        const run = yield* Effect.forkScoped(listening.run(echo), { startImmediately: true })
        const socket = yield* h.dial(client, { host: server.address, port: portOf(listening) })
        const pull = yield* h.settle("a dial", Socket.readerBytes(socket))
        yield* h.settle("a write", Effect.flatMap(socket.writer, (writer) => writer.write("x")))
        yield* h.settle("an echo", pull)
        yield* h.settle("run ends", Fiber.interrupt(run))
        yield* h.settle("the end", readAll(pull))
      }))
  })
}

const diallingTests = (test: Test): void => {
  describe("dialling", () => {
    test("a port where nobody listens fails with SocketOpenError", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const socket = yield* h.dial(client, { host: server.address, port: yield* h.freePort })
        const reason = yield* reasonOf(h.settle("a dial", Effect.scoped(socket.reader)))
        assert.strictEqual(reason._tag, "SocketOpenError")
      }))

    test("happens when the reader is acquired, and again when it is acquired again", (h) =>
      Effect.gen(function*() {
        let connections = 0
        const to = yield* h.serve((socket) => Effect.suspend(() => (connections++, echo(socket))))
        const socket = yield* h.dial(h.setup.client, to)
        assert.strictEqual(yield* h.stable(() => connections, 5), 0)
        for (const expected of [1, 2]) {
          yield* h.settle("a dial", Effect.scoped(socket.reader))
          yield* h.until("it is accepted", () => connections === expected)
        }
      }))

    test("lets writes wait until it is connected", (h) =>
      Effect.gen(function*() {
        const to = yield* h.serve(echo)
        const socket = yield* h.dial(h.setup.client, to)
        const writer = yield* socket.writer
        const write = yield* Effect.forkChild(writer.write("early"), { startImmediately: true })
        yield* h.stable(() => 0, 3)
        assert.isUndefined(write.pollUnsafe())
        const pull = yield* h.settle("a dial", Socket.readerBytes(socket))
        yield* h.settle("the write", Fiber.join(write))
        assert.strictEqual(textOf((yield* h.settle("an echo", pull))[0]).slice(0, 1), "e")
      }))

    test("can be interrupted", (h) =>
      Effect.gen(function*() {
        const to = yield* h.serve(echo)
        const socket = yield* h.dial(h.setup.client, to)
        const fiber = yield* Effect.forkChild(Effect.scoped(socket.reader), { startImmediately: true })
        yield* h.settle("an interruption", Fiber.interrupt(fiber))
      }))
  })
}

/** What comes of what was written. */
const bytesTests = (test: Test): void => {
  test("keep the order of bytes, in both directions at once", (h) =>
    Effect.gen(function*() {
      const bytes = pattern(700_000)
      const to = yield* h.serve(echo)
      const socket = yield* h.dial(h.setup.client, to)
      const pull = yield* h.settle("a dial", Socket.readerBytes(socket))
      const writer = yield* socket.writer
      yield* Effect.gen(function*() {
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = 1 + (i * 7919) % 40_000
          yield* writer.write(bytes.slice(at, at += size))
        }
      }).pipe(Effect.forkScoped)
      const back = new Uint8Array(bytes.length)
      let length = 0
      yield* h.settle(
        "everything comes back",
        Effect.gen(function*() {
          while (length < bytes.length) {
            for (const chunk of yield* pull) {
              assert.isAbove(chunk.length, 0)
              back.set(chunk, length)
              length += chunk.length
            }
          }
        })
      )
      assert.isTrue(sameBytes(back, bytes))
    }))

  test("take strings as UTF-8, and writeAll in order", (h) =>
    Effect.gen(function*() {
      const to = yield* h.serve(echo)
      const socket = yield* h.dial(h.setup.client, to)
      const pull = yield* h.settle("a dial", Socket.readerBytes(socket))
      const writer = yield* socket.writer
      yield* h.settle("a write", writer.writeAll(["a", Uint8Array.of(98), "é"]))
      const got: Array<number> = []
      yield* h.settle(
        "the echo",
        Effect.gen(function*() {
          while (got.length < 4) for (const chunk of yield* pull) got.push(...chunk)
        })
      )
      assert.deepStrictEqual(got, [97, 98, 0xc3, 0xa9])
    }))
}

/** How streams end. */
const endTests = (test: Test): void => {
  test("end with 1000 after all bytes where the other side closes in order", (h) =>
    Effect.gen(function*() {
      const bytes = pattern(100_000)
      const to = yield* h.serve((socket) =>
        Effect.scoped(Effect.gen(function*() {
          yield* socket.reader
          yield* (yield* socket.writer).write(bytes)
        }))
      )
      const socket = yield* h.dial(h.setup.client, to)
      const pull = yield* h.settle("a dial", Socket.readerBytes(socket))
      const all = yield* h.settle("the end", readAll(pull))
      assert.isTrue(sameBytes(all.bytes, bytes))
      assert.strictEqual(all.end, 1000)
      // The end stays the end.
      assert.strictEqual((yield* h.settle("the end", readAll(pull))).end, 1000)
    }))

  test("half-close: the dialler ends its side and still hears the answer", (h) =>
    Effect.gen(function*() {
      const to = yield* h.serve((socket) =>
        Effect.scoped(Effect.gen(function*() {
          const { bytes, end } = yield* readAll(yield* Socket.readerBytes(socket))
          yield* (yield* socket.writer).write(`${textOf(bytes)} ${end}`)
        }))
      )
      const socket = yield* h.dial(h.setup.client, to)
      const pull = yield* h.settle("a dial", Socket.readerBytes(socket))
      yield* h.settle("a write", Effect.scoped(Effect.flatMap(socket.writer, (writer) => writer.write("question"))))
      const answer = yield* h.settle("the answer", readAll(pull))
      assert.strictEqual(textOf(answer.bytes), "question 1000")
      assert.strictEqual(answer.end, 1000)
    }))

  test("half-close: the listener ends its side and still hears the dialler", (h) =>
    Effect.gen(function*() {
      const heard = yield* Deferred.make<string>()
      const to = yield* h.serve((socket) =>
        Effect.scoped(Effect.gen(function*() {
          const pull = yield* Socket.readerBytes(socket)
          yield* Effect.scoped(Effect.flatMap(socket.writer, (writer) => writer.write("greeting")))
          const { bytes, end } = yield* readAll(pull)
          yield* Deferred.succeed(heard, `${textOf(bytes)} ${end}`)
        }))
      )
      const socket = yield* h.dial(h.setup.client, to)
      const pull = yield* h.settle("a dial", Socket.readerBytes(socket))
      const writerScope = yield* Scope.make()
      const writer = yield* Scope.provide(socket.writer, writerScope)
      const greeting = yield* h.settle("the end", readAll(pull))
      assert.strictEqual(`${textOf(greeting.bytes)} ${greeting.end}`, "greeting 1000")
      // Some time after the end of the other direction.
      yield* h.stable(() => 0, 5)
      yield* h.settle("a write", writer.write("late "))
      yield* h.settle("a write", writer.write("answer"))
      yield* Scope.close(writerScope, Exit.void)
      assert.strictEqual(yield* h.settle("it is heard", Deferred.await(heard)), "late answer 1000")
    }))
}

/** Who waits, and for what. */
const waitingTests = (test: Test): void => {
  test("fail a suspended pull when its scope closes", (h) =>
    Effect.gen(function*() {
      const to = yield* h.serve(echo)
      const socket = yield* h.dial(h.setup.client, to)
      const scope = yield* Scope.make()
      const pull = yield* h.settle("a dial", Scope.provide(Socket.readerBytes(socket), scope))
      const waiting = yield* Effect.forkChild(reasonOf(pull), { startImmediately: true })
      yield* h.stable(() => 0, 3)
      assert.isUndefined(waiting.pollUnsafe())
      yield* Scope.close(scope, Exit.void)
      const reason = yield* h.settle("the pull ends", Fiber.join(waiting))
      assert.strictEqual(reason._tag, "SocketCloseError")
    }))

  test("lose no bytes when a suspended pull is interrupted", (h) =>
    Effect.gen(function*() {
      const to = yield* h.serve(echo)
      const socket = yield* h.dial(h.setup.client, to)
      const pull = yield* h.settle("a dial", Socket.readerBytes(socket))
      const writer = yield* socket.writer
      const waiting = yield* Effect.forkChild(pull, { startImmediately: true })
      yield* h.settle("an interruption", Fiber.interrupt(waiting))
      yield* h.settle("a write", writer.write("kept"))
      let text = ""
      yield* h.settle(
        "the echo",
        Effect.gen(function*() {
          while (text.length < 4) for (const chunk of yield* pull) text += textOf(chunk)
        })
      )
      assert.strictEqual(text, "kept")
    }))

  test("make write suspend while the other side does not read", (h) =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      let read = 0
      const to = yield* h.serve((socket) =>
        Effect.scoped(Effect.gen(function*() {
          const pull = yield* Socket.readerBytes(socket)
          yield* Deferred.await(go)
          while (true) for (const chunk of yield* pull) read += chunk.length
        }))
      )
      const socket = yield* h.dial(h.setup.client, to)
      yield* h.settle("a dial", socket.reader)
      const writer = yield* socket.writer
      const total = 512
      let written = 0
      yield* Effect.gen(function*() {
        for (; written < total; written++) yield* writer.write(new Uint8Array(65_536))
      }).pipe(Effect.forkScoped)
      const stalled = yield* h.stable(() => written)
      // 32 MiB were to be written; what the systems on the way hold is far less.
      assert.isBelow(stalled, 256)
      yield* Deferred.succeed(go, undefined)
      yield* h.until("all of it is read", () => read === total * 65_536)
      assert.strictEqual(written, total)
    }))
}

/** Streams apart from each other, and when writing fails. */
const failingTests = (test: Test): void => {
  test("do not wait for each other", (h) =>
    Effect.gen(function*() {
      let connections = 0
      const to = yield* h.serve((socket) =>
        ++connections === 1 ? Effect.scoped(Effect.andThen(socket.reader, Effect.never)) : echo(socket)
      )
      const stuck = yield* h.dial(h.setup.client, to)
      yield* h.settle("a dial", stuck.reader)
      yield* h.until("it is accepted", () => connections === 1)
      const stuckWriter = yield* stuck.writer
      yield* Effect.forkScoped(Effect.forever(Effect.ignore(stuckWriter.write(new Uint8Array(1 << 20)))))
      yield* h.stable(() => 0, 3)
      const other = yield* h.dial(h.setup.client, to)
      const pull = yield* h.settle("a dial", Socket.readerBytes(other))
      yield* h.settle("a write", Effect.flatMap(other.writer, (writer) => writer.write("y")))
      assert.strictEqual(textOf((yield* h.settle("an echo", pull))[0]), "y")
    }))

  test("fail writes, in the end, when the other side is gone", (h) =>
    Effect.gen(function*() {
      const to = yield* h.serve((socket) => Effect.scoped(socket.reader))
      const socket = yield* h.dial(h.setup.client, to)
      const pull = yield* h.settle("a dial", Socket.readerBytes(socket))
      const writer = yield* socket.writer
      yield* h.settle("the end", Effect.ignore(readAll(pull)))
      const chunk = new Uint8Array(1_024)
      let failure: Socket.SocketError | undefined
      yield* Effect.forever(Effect.andThen(writer.write(chunk), Effect.yieldNow)).pipe(
        Effect.catch((error) => Effect.sync(() => void (failure = error))),
        Effect.forkScoped
      )
      yield* h.until("a write fails", () => failure !== undefined)
      assert.strictEqual(failure!.reason._tag, "SocketWriteError")
      // And every one after it, instead of waiting for something that cannot come.
      const reason = yield* reasonOf(h.settle("a write", writer.write(chunk)))
      assert.strictEqual(reason._tag, "SocketWriteError")
      // The other direction has failed as well.
      yield* h.settle("the pull fails", Effect.flip(pull))
    }))

  test("fail writes on an accepted connection whose reader's scope has closed", (h) =>
    Effect.gen(function*() {
      const reason = yield* Deferred.make<string>()
      const to = yield* h.serve((socket) =>
        Effect.scoped(Effect.gen(function*() {
          const writer = yield* socket.writer
          yield* Effect.scoped(socket.reader)
          const { _tag } = yield* reasonOf(writer.write("late"))
          yield* Deferred.succeed(reason, _tag)
        }))
      )
      const socket = yield* h.dial(h.setup.client, to)
      yield* h.settle("a dial", socket.reader)
      assert.strictEqual(yield* h.settle("the write fails", Deferred.await(reason)), "SocketWriteError")
    }))

  test("fail writes after this side has ended its own", (h) =>
    Effect.gen(function*() {
      const to = yield* h.serve((socket) => Effect.scoped(Effect.andThen(socket.reader, Effect.never)))
      const socket = yield* h.dial(h.setup.client, to)
      yield* h.settle("a dial", socket.reader)
      const writer = yield* Effect.scoped(socket.writer)
      const reason = yield* reasonOf(h.settle("a write", writer.write("late")))
      assert.strictEqual(reason._tag, "SocketWriteError")
    }))

  test("end by a CloseEvent on both sides", (h) =>
    Effect.gen(function*() {
      const ended = yield* Deferred.make<number | string>()
      const to = yield* h.serve((socket) =>
        Effect.scoped(Effect.gen(function*() {
          const { end } = yield* readAll(yield* Socket.readerBytes(socket))
          yield* Deferred.succeed(ended, end)
        }))
      )
      const socket = yield* h.dial(h.setup.client, to)
      const pull = yield* h.settle("a dial", Socket.readerBytes(socket))
      const writer = yield* socket.writer
      yield* h.settle("a close", writer.write(new Socket.CloseEvent(1000)))
      assert.strictEqual((yield* h.settle("the end here", readAll(pull))).end, 1000)
      assert.strictEqual(yield* h.settle("the end there", Deferred.await(ended)), 1000)
    }))

  test("fail a suspended write when the scope of the reader closes", (h) =>
    Effect.gen(function*() {
      const to = yield* h.serve((socket) => Effect.scoped(Effect.andThen(socket.reader, Effect.never)))
      const socket = yield* h.dial(h.setup.client, to)
      const scope = yield* Scope.make()
      yield* h.settle("a dial", Scope.provide(socket.reader, scope))
      const writer = yield* socket.writer
      let written = 0
      const writing = yield* Effect.gen(function*() {
        for (; written < 64; written++) yield* writer.write(new Uint8Array(1 << 20))
      }).pipe(Effect.flip, Effect.forkScoped)
      assert.isBelow(yield* h.stable(() => written), 64)
      yield* Scope.close(scope, Exit.void)
      const error = yield* h.settle("the write ends", Fiber.join(writing))
      assert.strictEqual(error.reason._tag, "SocketWriteError")
    }))
}

export const streamTests = (test: Test): void => {
  listeningTests(test)
  diallingTests(test)
  describe("streams", () => {
    bytesTests(test)
    endTests(test)
    waitingTests(test)
    failingTests(test)
  })
}
