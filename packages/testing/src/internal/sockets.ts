/** The simulated streams as Effect's `Socket` and `SocketServer`, with the behaviour of the Node adapters. */
import * as Network from "@pnet/core/Network"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import * as Address from "./address.ts"
import { connect, Listener, listenersOf } from "./handshake.ts"
import { failure } from "./pipe.ts"
import { encodeText } from "./platform.ts"
import type { ProcessState } from "./process.ts"
import { type End, type StreamEndpoint, streamsOf } from "./streams.ts"

const closeError = (code: number) => new Socket.SocketError({ reason: new Socket.SocketCloseError({ code }) })
// Each connection ends with one of these, and says no more than that: made once, since a schema looks at all that it is made of.
const endedInOrder = closeError(1000)
const closedHere = closeError(1006)
const readError = (cause: Error) => new Socket.SocketError({ reason: new Socket.SocketReadError({ cause }) })
const writeError = (cause: Error) => new Socket.SocketError({ reason: new Socket.SocketWriteError({ cause }) })
const openError = (cause: Error) =>
  new Socket.SocketError({ reason: new Socket.SocketOpenError({ kind: "Unknown", cause }) })

const endError = (end: End): Socket.SocketError =>
  end._tag === "Finished" ? endedInOrder : end._tag === "Closed" ? closedHere : readError(end.cause)

/** A program that is being killed closes nothing in order; the system does that for it, or the power is gone. */
const close = (process: ProcessState, endpoint: StreamEndpoint | undefined) => {
  if (process.alive) endpoint?.close()
}

/** What has arrived at once and was not read: the pieces from `next` on. */
interface Arrived {
  chunks: ReadonlyArray<Uint8Array>
  next: number
}

/**
 * What arrives, or the end, until `read` says with what that ends. It waits in no fiber: a packet wakes whoever reads as an event wakes a
 * program.
 */
const reading = <A>(
  process: ProcessState,
  endpoint: StreamEndpoint,
  arrived: Arrived,
  read: (isOver: () => boolean) => Effect.Effect<A> | undefined
) =>
  Effect.callback<A, Socket.SocketError>((resume) => {
    let cancel = () => {}
    // Interrupted, it must take nothing any more, also where its wake-up is already on the way.
    let interrupted = false
    const isOver = () => interrupted
    const arrives = (): boolean => {
      // A scope that is closed ends a pull whatever else there is.
      if (endpoint.closed || process.frozen) return false
      if (arrived.next < arrived.chunks.length) return true
      const chunks = endpoint.take()
      if (chunks === undefined) return false
      arrived.chunks = chunks
      arrived.next = 0
      return true
    }
    const attempt = (): boolean => {
      if (interrupted) return true
      while (arrives()) {
        const ended = read(isOver)
        if (ended !== undefined) {
          resume(ended)
          return true
        }
        if (interrupted) return true
      }
      if (endpoint.end !== undefined && !process.frozen) resume(Effect.fail(endError(endpoint.end)))
      else if (endpoint.closed) resume(Effect.fail(closedHere))
      else return false
      return true
    }
    const wait = () => {
      cancel = endpoint.wait(() => {
        if (!attempt()) wait()
      })
    }
    if (process.frozen && process.alive) process.whenThawed(() => attempt() || wait())
    else if (!attempt()) wait()
    return Effect.sync(() => {
      interrupted = true
      cancel()
    })
  })

/** Pulls, or gives each piece to a function, as the reader of a socket of Node's does. */
const readerOf = (process: ProcessState, endpoint: StreamEndpoint): Network.EachReader => {
  const arrived: Arrived = { chunks: [], next: 0 }
  return {
    pull: reading(process, endpoint, arrived, () => {
      const { chunks, next } = arrived
      arrived.chunks = []
      arrived.next = 0
      return Effect.succeed((next === 0 ? chunks : chunks.slice(next)) as NonEmptyReadonlyArray<Uint8Array>)
    }),
    each: (take) =>
      reading(process, endpoint, arrived, (isOver) => {
        while (arrived.next < arrived.chunks.length && !isOver() && !endpoint.closed) {
          const chunk = arrived.chunks[arrived.next++]!
          try {
            if (!take(chunk)) return Effect.void
          } catch (defect) {
            return Effect.die(defect)
          }
        }
        return undefined
      }),
    upgrade: Socket.SocketUpgradeError.unsupported
  }
}

/**
 * Has a scope do something at its end. Effect's own ways keep the context for it, and provide it again, which is a copy of all services: more than the
 * rest of a short connection costs.
 */
const atEnd = (end: () => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizer(scope, Effect.sync(end)))

const makeSocket = (
  process: ProcessState,
  open: Effect.Effect<StreamEndpoint, Socket.SocketError, Scope.Scope>,
  /** An accepted connection, which will not be opened again. */
  accepted?: StreamEndpoint
): Socket.Socket => {
  // Made for who has to wait until it is connected, which hardly anybody does.
  let latch: Latch.Latch | undefined
  const whenOpen = <A, E>(then: Effect.Effect<A, E>) =>
    Effect.suspend(() => (latch ??= Latch.makeUnsafe(false)).whenOpen(then))
  let current: StreamEndpoint | undefined

  const reader: Socket.Socket["reader"] = Effect.flatMap(open, (endpoint) => {
    current = endpoint
    const waiting = latch
    latch = undefined
    waiting?.openUnsafe()
    const forget = atEnd(() => {
      if (current === endpoint) current = undefined
    })
    return Effect.as(forget, readerOf(process, endpoint))
  })

  const send = (bytes: Uint8Array, retry: () => Effect.Effect<void, Socket.SocketError>) =>
    Effect.suspend((): Effect.Effect<void, Socket.SocketError> => {
      // What a dying program still writes goes nowhere.
      if (!process.alive) return Effect.void
      const endpoint = current ?? (accepted?.closed === true || accepted?.gone === true ? accepted : undefined)
      if (endpoint === undefined) return whenOpen(Effect.suspend(retry))
      if (process.frozen) return Effect.andThen(process.gate, Effect.suspend(retry))
      if (endpoint.gone) return Effect.fail(writeError(endpoint.failed ?? failure("EPIPE", "the connection is gone")))
      if (endpoint.closed || endpoint.out.finishing) {
        return Effect.fail(writeError(failure("EPIPE", "this side has ended the stream")))
      }
      let resume: ((effect: Effect.Effect<void, Socket.SocketError>) => void) | undefined
      let settled: Effect.Effect<void, Socket.SocketError> | undefined
      // Copied, since the caller may use its buffer again.
      const all = endpoint.out.write(bytes.slice(), (error) => {
        settled = error === undefined ? Effect.void : Effect.fail(writeError(error))
        process.whenThawed(() => resume?.(settled!))
      })
      if (all) return Effect.void
      // Interrupted, the bytes still go out: half a write would break the stream for whoever writes next.
      return Effect.callback((callback) => {
        if (settled !== undefined) return callback(settled)
        resume = callback
        return Effect.sync(() => {
          resume = undefined
        })
      })
    })

  const write = (chunk: Uint8Array | string | Socket.CloseEvent): Effect.Effect<void, Socket.SocketError> => {
    if (!Socket.isCloseEvent(chunk)) {
      return send(typeof chunk === "string" ? encodeText(chunk) : chunk, () => write(chunk))
    }
    return Effect.suspend(() => {
      const endpoint = current
      if (!process.alive) return Effect.void
      if (endpoint === undefined) return whenOpen(write(chunk))
      endpoint.destroy(chunk.code > 1000 ? new Error(`closed with code ${chunk.code}`) : undefined)
      return Effect.void
    })
  }
  const writeAll = (chunks: NonEmptyReadonlyArray<Uint8Array | string>): Effect.Effect<void, Socket.SocketError> => {
    const parts = chunks.map((chunk) => typeof chunk === "string" ? encodeText(chunk) : chunk)
    if (parts.length === 1) return send(parts[0]!, () => writeAll(chunks))
    const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
    let offset = 0
    for (const part of parts) {
      all.set(part, offset)
      offset += part.length
    }
    return send(all, () => writeAll(chunks))
  }
  const tryWrite = (bytes: Uint8Array): boolean => {
    const endpoint = current
    if (endpoint === undefined || !process.alive || process.frozen || endpoint.gone || endpoint.closed) return false
    if (!endpoint.out.hasRoom(bytes.length)) return false
    // It goes out from now on, also where an interceptor puts so much between that a part of it has to wait.
    endpoint.out.write(bytes.slice(), () => {})
    return true
  }
  const writer: Effect.Effect<Network.TryWriter, never, Scope.Scope> = Effect.as(
    atEnd(() => {
      const endpoint = current
      if (endpoint !== undefined && process.alive && !endpoint.gone) endpoint.out.finish()
    }),
    { write, writeAll, tryWrite }
  )
  return Socket.make({ reader, writer })
}

/** A socket that connects when its reader is acquired. */
export const dial = (process: ProcessState, endpoint: Network.Endpoint): Socket.Socket =>
  makeSocket(
    process,
    Effect.suspend(() => {
      let opened: StreamEndpoint | undefined
      // Registered before connecting, so that no interruption falls between the connection and its release.
      const release = atEnd(() => close(process, opened))
      const connected = Effect.callback<StreamEndpoint, Socket.SocketError>((resume) => {
        const address = Address.parse(endpoint.host)
        if (address === undefined) {
          return resume(Effect.fail(openError(failure("ENETUNREACH", `${endpoint.host} is not an IPv4 address`))))
        }
        const cancel = connect(process, address, endpoint.port, (result) => {
          if (result instanceof Error) return resume(Effect.fail(openError(result)))
          opened = result
          resume(Effect.succeed(result))
        })
        return Effect.sync(cancel)
      })
      return Effect.andThen(release, Effect.andThen(process.gate, connected))
    })
  )

/** Listens until the scope closes. */
export const listen = Effect.fnUntraced(function*(process: ProcessState, endpoint: Network.Endpoint) {
  yield* process.gate
  const { host } = process
  const refuse = (kind: Network.ListenError["kind"]) =>
    new Network.ListenError({ kind, host: endpoint.host, port: endpoint.port })
  if (!process.alive) return yield* refuse("Unknown")
  const address = Address.parse(endpoint.host)
  if (address === undefined || (address !== Address.any && !host.owns(address))) {
    return yield* refuse("AddressNotAvailable")
  }
  const taken = (port: number) =>
    (listenersOf(host).get(port) ?? []).some((other) =>
      other.localAddress === address || other.localAddress === Address.any || address === Address.any
    )
  const port = endpoint.port === 0
    ? host.ephemeral((p) => listenersOf(host).has(p) || [...streamsOf(host)].some((s) => s.localPort === p))
    : endpoint.port
  if (port === undefined || taken(port)) return yield* refuse("PortInUse")
  const listener = yield* Effect.acquireRelease(
    Effect.sync(() => new Listener(process, address, port)),
    (listener) => Effect.sync(() => process.alive && listener.close())
  )

  const run = Effect.fnUntraced(function*<R, E, _>(handler: (socket: Socket.Socket) => Effect.Effect<_, E, R>) {
    const scope = yield* Scope.make()
    const services = Context.omit(Scope.Scope)(yield* Effect.context<R>()) as Context.Context<R>
    const track = Fiber.runIn(scope)
    const accept = (accepted: StreamEndpoint) => {
      let taken = false
      const socket = makeSocket(
        process,
        Effect.suspend(() => {
          if (taken) return Effect.fail(closedHere)
          taken = true
          return accepted.failed === undefined
            ? Effect.as(atEnd(() => close(process, accepted)), accepted)
            : Effect.fail(openError(accepted.failed))
        }),
        accepted
      )
      const remote = NetAddress.inetAddressFromNativeUnsafe(
        Address.format(accepted.remote.address),
        accepted.remote.port
      )
      handler(socket).pipe(
        Effect.ensuring(Effect.sync(() => close(process, accepted))),
        Effect.ignoreCause({ log: "Unhandled", message: "Unhandled error in SocketServer" }),
        Effect.runForkWith(Context.add(services, Network.RemoteAddress, remote)),
        track
      )
    }
    const previous = listener.accept(accept)
    return yield* Effect.callback<never>(() =>
      Effect.suspend(() => {
        listener.accept(previous)
        return Scope.close(scope, Exit.void)
      })
    )
  })

  return SocketServer.SocketServer.of({
    address: NetAddress.inetAddressFromNativeUnsafe(Address.format(address), port),
    run
  })
})
