/**
 * Session streams as Effect sockets: whatever is written for `Socket` and `SocketServer`, such as Effect's own RPC, runs over pnet
 * unchanged, authenticated and encrypted, with the peer's name in place of an address.
 *
 * A dialled socket opens its stream when its reader is acquired, and closes with that scope. A clean end is a
 * `SocketCloseError` with code 1000, any other end one with 1006; releasing the writer half-closes.
 *
 * What bites: like any `Socket`, writes wait until the reader is acquired. And unlike TCP, when the side that was dialled releases its writer the
 * one that dialled sends no more: what is read on after that ends in order, and may not be all.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import type * as Allow from "./Allow.ts"
import * as Given from "./internal/base/given.ts"
import { utf8 } from "./internal/base/platform.ts"
import { quote } from "./internal/base/quote.ts"
import * as Seldom from "./internal/base/seldom.ts"
import * as Permission from "./internal/session/permission.ts"
import type { NodeName } from "./Packet.ts"
import { Peers } from "./Peers.ts"
import type { PublicKey } from "./PublicKey.ts"
import { Sessions, type SessionStream, type StreamError } from "./Sessions.ts"

const protocol = "socket"

/**
 * In the handler of a socket that a peer opened: who it is, as the handshake proved. `undefined` outside of one.
 *
 * @category services
 * @since 0.1.0
 */
export const Caller: Context.Reference<{ readonly name: NodeName; readonly publicKey: PublicKey } | undefined> = Context
  .Reference<{ readonly name: NodeName; readonly publicKey: PublicKey } | undefined>(
    "@pnet/core/PeerSocket/Caller",
    { defaultValue: () => undefined }
  )

const closed = (code: number, closeReason?: string) =>
  new Socket.SocketError({
    reason: new Socket.SocketCloseError(closeReason === undefined ? { code } : { code, closeReason })
  })

const readError = (error: StreamError) => closed(1006, error.message)
const writeError = (cause: StreamError) => new Socket.SocketError({ reason: new Socket.SocketWriteError({ cause }) })

/** A socket whose stream is opened by whoever acquires the reader. */
const fromStream = (open: Effect.Effect<SessionStream, Socket.SocketError, Scope.Scope>): Socket.Socket => {
  let current: SessionStream | undefined
  const ready = Latch.makeUnsafe(false)

  const write = (chunk: Uint8Array | string | Socket.CloseEvent): Effect.Effect<void, Socket.SocketError> =>
    Effect.suspend(() => {
      const stream = current
      if (stream === undefined) return ready.whenOpen(write(chunk))
      if (!Socket.isCloseEvent(chunk)) {
        return Effect.mapError(stream.write(typeof chunk === "string" ? utf8(chunk) : chunk), writeError)
      }
      return chunk.code === 1000 ? stream.end : stream.reset("cancelled", chunk.reason ?? `closed with ${chunk.code}`)
    })

  return Socket.make({
    reader: Effect.gen(function*() {
      const scope = yield* Effect.scope
      const stream = yield* open
      current = stream
      ready.openUnsafe()
      // Runs before the stream is given up, so that a pull which waits elsewhere finds it closed.
      yield* Scope.addFinalizer(
        scope,
        Effect.sync(() => {
          current = undefined
          ready.closeUnsafe()
        })
      )
      const pull = stream.pull.pipe(
        Pull.catchDone(() => Effect.fail(closed(1000))),
        Effect.mapError((error) => Socket.isSocketError(error) ? error : readError(error))
      )
      return { pull, upgrade: Socket.SocketUpgradeError.unsupported }
    }),
    writer: Effect.acquireRelease(
      Effect.succeed({
        write,
        writeAll: (chunks) => Effect.forEach(chunks, write, { discard: true })
      }),
      () => Effect.suspend(() => current === undefined ? Effect.void : current.end)
    )
  })
}

const openError = (cause: unknown) =>
  new Socket.SocketError({ reason: new Socket.SocketOpenError({ kind: "Unknown", cause }) })

/**
 * A socket to what a peer serves under a name. It opens when its reader is acquired; what goes wrong then is a
 * `SocketOpenError` whose cause is pnet's typed error.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (peer: string, name: string): Effect.Effect<Socket.Socket, never, Sessions | Peers> =>
  Effect.gen(function*() {
    const sessions = yield* Sessions
    const peers = yield* Peers
    return fromStream(
      Effect.mapError(
        Effect.flatMap(peers.resolveOne(peer), (found) => sessions.open(found, { protocol, name })),
        openError
      )
    )
  })

/**
 * `make` as the `Socket` service.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (peer: string, name: string): Layer.Layer<Socket.Socket, never, Sessions | Peers> =>
  Layer.effect(Socket.Socket, make(peer, name))

/**
 * A server of the sockets that peers open under a name. They are accepted while `run` runs; before and after they are reset
 * with `not_found`. Handlers find `Caller` in their context. A socket of a peer that may not open it, which `allow` and the trust
 * policy say, is reset with `not_allowed`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeServer = (
  name: string,
  options?: Allow.Options
): Effect.Effect<SocketServer.SocketServer["Service"], never, Sessions> =>
  Effect.gen(function*() {
    const sessions = yield* Sessions
    const lines = Seldom.lines(yield* Clock.Clock)
    const who = Given.titled("the handler of the socket", name)
    return SocketServer.SocketServer.of({
      // The seam wants an address; a path is the one that is free text.
      address: NetAddress.unixPathAddress(`pnet/${name}`),
      run: <R, E, _>(handler: (socket: Socket.Socket) => Effect.Effect<_, E, R>) =>
        Effect.scoped(
          Effect.andThen(
            sessions.handle({ protocol, name }, (stream) => {
              const run = Given.run(() => handler(fromStream(Effect.succeed(stream))), who).pipe(
                Effect.provideService(Caller, stream.peer),
                Effect.ignoreCause({ log: "Warn", message: `handling a socket of ${quote(name)} failed` })
              )
              const asked = Permission.ask(stream, name, options?.allow, lines)
              return asked === undefined
                ? run
                : Effect.flatMap(asked, (may) => may ? run : stream.reset("not_allowed", Permission.refusal))
            }),
            Effect.never
          )
        ) as Effect.Effect<never, never, R>
    })
  })

/**
 * `makeServer` as the `SocketServer` service.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (
  name: string,
  options?: Allow.Options
): Layer.Layer<SocketServer.SocketServer, never, Sessions> =>
  Layer.effect(SocketServer.SocketServer, makeServer(name, options))
