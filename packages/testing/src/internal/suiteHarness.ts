/** What the tests of the network suite share: two sides, time that has to be told to pass, and waiting for conditions. */
import { type DatagramOptions, type Endpoint, type ListenError, Network } from "@pnet/core/Network"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type * as Socket from "effect/socket/Socket"
import type * as SocketServer from "effect/socket/SocketServer"

/** One side of a test. */
export interface Side {
  readonly context: Context.Context<Network>
  readonly address: string
}

export interface Setup {
  readonly server: Side
  readonly client: Side
  readonly broadcast: string
  readonly names: { readonly known: string; readonly addresses: ReadonlyArray<string>; readonly unknown: string }
  readonly advance: (duration: Duration.Input) => Effect.Effect<void>
  readonly openSockets: Effect.Effect<number>
}

const step: Duration.Input = "10 millis"
const patience = 1_500

const on = <A, E, R>(side: Side, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Network>> =>
  Effect.provideContext(effect, side.context) as Effect.Effect<A, E, Exclude<R, Network>>

export const makeHarness = (setup: Setup) => {
  /** Lets time pass until the condition holds. */
  const until = (what: string, condition: () => boolean): Effect.Effect<void> =>
    Effect.gen(function*() {
      for (let i = 0; i < patience; i++) {
        if (condition()) return
        yield* setup.advance(step)
      }
      return yield* Effect.die(new Error(`waited in vain: ${what}`))
    })

  /** Lets time pass until the effect has ended. */
  const settle = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
      yield* until(what, () => fiber.pollUnsafe() !== undefined)
      return yield* Fiber.join(fiber)
    })

  /** Lets a good deal of time pass and gives the value that did not change for `rounds` steps. */
  const stable = (read: () => number, rounds = 30): Effect.Effect<number> =>
    Effect.gen(function*() {
      let last = read()
      for (let same = 0, i = 0; same < rounds && i < patience; i++) {
        yield* setup.advance(step)
        const now = read()
        same = now === last ? same + 1 : 0
        last = now
      }
      return last
    })

  const datagram = (side: Side, options: DatagramOptions): Effect.Effect<DatagramSocket.DatagramSocket> =>
    on(side, Network.use((network) => network.datagram(options)))

  /** A bound datagram socket: both of its halves. */
  const bound = (
    side: Side,
    options: DatagramOptions
  ): Effect.Effect<
    { readonly reader: DatagramSocket.Reader; readonly writer: DatagramSocket.Writer },
    DatagramSocket.DatagramSocketError,
    Scope.Scope
  > =>
    Effect.gen(function*() {
      const socket = yield* datagram(side, options)
      const reader = yield* settle("a datagram socket opens", socket.reader)
      const writer = yield* socket.writer
      return { reader, writer }
    })

  const listen = (
    side: Side,
    endpoint?: Partial<Endpoint>
  ): Effect.Effect<SocketServer.SocketServer["Service"], ListenError, Scope.Scope> =>
    on(side, Network.use((network) => network.listen({ host: side.address, port: 0, ...endpoint })))

  const dial = (side: Side, endpoint: Endpoint): Effect.Effect<Socket.Socket> =>
    on(side, Network.use((network) => network.dial(endpoint)))

  /** A server with its handler running, and where it listens. */
  const serve = <R>(
    handler: (socket: Socket.Socket) => Effect.Effect<unknown, unknown, R>
  ): Effect.Effect<Endpoint, ListenError, Scope.Scope | R> =>
    Effect.gen(function*() {
      const listening = yield* listen(setup.server)
      yield* Effect.forkScoped(listening.run(handler), { startImmediately: true })
      return { host: setup.server.address, port: portOf(listening) }
    })

  /** A free stream port of the server's side: one that was given out and returned. */
  const freePort: Effect.Effect<number, ListenError> = Effect.suspend(() =>
    Effect.scoped(Effect.map(listen(setup.server), portOf))
  )

  return { setup, until, settle, stable, on, datagram, bound, listen, dial, serve, freePort }
}

export type Harness = ReturnType<typeof makeHarness>

export const portOf = (server: SocketServer.SocketServer["Service"]): number =>
  server.address._tag === "UnixPathAddress" ? 0 : server.address.port

export const inet = (address: string, port: number): NetAddress.InetAddress =>
  NetAddress.inetAddressFromIpStringUnsafe(address, port)

export const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

/** Bytes that show any reordering, loss or repetition. */
export const pattern = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = 0x2545f491
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** The reason with which an operation of a socket fails. */
export const reasonOf = <A, X extends { readonly _tag: string }, R>(
  effect: Effect.Effect<A, { readonly reason: X }, R>
): Effect.Effect<X, A, R> => Effect.map(Effect.flip(effect), (error) => error.reason)
