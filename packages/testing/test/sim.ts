/** Small programs that the tests of SimNetwork run on its hosts. */
import { Network } from "@pnet/core/Network"
import type { SimNetwork } from "@pnet/testing"
import { Effect, Fiber, Scope } from "effect"
import { NetAddress } from "effect/net"
import { Socket } from "effect/socket"
import { TestClock } from "effect/testing"

export const inet = (address: string, port: number) => NetAddress.inetAddressFromIpStringUnsafe(address, port)

export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

export interface Heard {
  readonly at: number
  readonly text: string
  readonly from: string
}

/** A process that listens on a shared UDP port, and says things from it. */
export const station = (host: SimNetwork.Host, options?: { readonly address?: string; readonly port?: number }) =>
  Effect.gen(function*() {
    const process = yield* host.process
    const network = yield* process.run(Network)
    const heard: Array<Heard> = []
    const start = yield* process.run(Effect.clockWith((clock) => clock.currentTimeMillis))
    // The sockets belong to the process, whoever closes his scope.
    const scope = yield* Scope.make()
    const port = options?.port ?? 3334
    const { reader, writer } = yield* Effect.gen(function*() {
      const socket = yield* network.datagram({
        address: options?.address ?? "0.0.0.0",
        port,
        reuseAddress: true,
        broadcast: true
      })
      return { reader: yield* socket.reader, writer: yield* socket.writer }
    }).pipe(process.run, Scope.provide(scope))
    yield* process.run(
      Effect.forever(Effect.gen(function*() {
        const datagrams = yield* reader.pull
        const at = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        for (const datagram of datagrams) {
          heard.push({ at: at - start, text: text(datagram.payload), from: String(datagram.address) })
        }
      }))
    ).pipe(Effect.ignore, Effect.forkDetach({ startImmediately: true }))
    const say = (message: string, to = "10.0.0.255", toPort = port) =>
      process.run(writer.write({ payload: message, address: inet(to, toPort) }))
    return { host, process, heard, say, reader, texts: () => heard.map((one) => one.text) }
  })

/** A process that echoes on a port. */
export const echoServer = (host: SimNetwork.Host, port = 9000) =>
  Effect.gen(function*() {
    const process = yield* host.process
    const network = yield* process.run(Network)
    const ends: Array<string> = []
    yield* Effect.gen(function*() {
      const server = yield* network.listen({ host: "0.0.0.0", port })
      return yield* server.run((socket) =>
        Effect.scoped(Effect.gen(function*() {
          const pull = yield* Socket.readerBytes(socket)
          const writer = yield* socket.writer
          return yield* Effect.forever(Effect.flatMap(pull, writer.writeAll))
        })).pipe(Effect.catch((error) => Effect.sync(() => ends.push(describe(error)))))
      )
    }).pipe(Effect.scoped, process.run, Effect.ignore, Effect.forkDetach({ startImmediately: true }))
    return { process, ends }
  })

export const describe = (error: Socket.SocketError) =>
  error.reason._tag === "SocketCloseError" ? `${error.reason.code}` : error.reason._tag

/** A connection that a process of `host` dials; what comes is collected. */
export const caller = (host: SimNetwork.Host, to: string, port = 9000) =>
  Effect.gen(function*() {
    const process = yield* host.process
    const network = yield* process.run(Network)
    const state = { opened: false, text: "", end: undefined as string | undefined }
    const socket = yield* network.dial({ host: to, port })
    const writer = yield* socket.writer.pipe(Scope.provide(yield* Scope.make()))
    const fiber = yield* Effect.gen(function*() {
      const pull = yield* Socket.readerBytes(socket)
      state.opened = true
      return yield* Effect.forever(Effect.tap(pull, (chunks) =>
        Effect.sync(() => {
          for (const chunk of chunks) state.text += text(chunk)
        })))
    }).pipe(
      Effect.scoped,
      process.run,
      Effect.catch((error) => Effect.sync(() => void (state.end = describe(error)))),
      Effect.forkDetach({ startImmediately: true })
    )
    return {
      process,
      state,
      write: (message: string | Uint8Array) => process.run(writer.write(message)),
      close: Fiber.interrupt(fiber)
    }
  })

/** Lets virtual time pass while an effect runs. */
export const during = <A, E, R>(effect: Effect.Effect<A, E, R>, step = 10, limit = 1_000_000) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    for (let passed = 0; fiber.pollUnsafe() === undefined && passed < limit; passed += step) {
      yield* TestClock.adjust(step)
    }
    return yield* Fiber.join(fiber)
  })
