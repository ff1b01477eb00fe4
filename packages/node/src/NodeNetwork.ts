/**
 * The `Network` of the machine that this process runs on: Node's datagram and stream sockets.
 *
 * Made of Effect's Node adapters, plus what they leave open: writing to a connection that is gone fails (Node alone waits
 * for a drain that never comes); half-close works in both directions; a handler that ends closes its connection even if it
 * never read; and a connection whose scope has closed, but whose peer takes none of the remaining bytes, is cut after
 * `LINGER`, so that nothing keeps the process alive.
 *
 * Sockets are the process's own also in the workers of Node's cluster and of `pm2 -i`, which share those of their primary otherwise:
 * each worker is a node.
 *
 * What bites: a socket whose scope closes sends what was written before and then ends in order; bytes that arrive after
 * that are answered with a reset, as TCP does.
 *
 * @since 0.1.0
 */
import * as NodeDatagramSocket from "@effect/platform-node/NodeDatagramSocket"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { canonicalHost } from "@pnet/core/Advert"
import * as Network from "@pnet/core/Network"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import * as Dgram from "node:dgram"
import * as Dns from "node:dns"
import * as Net from "node:net"
import * as Os from "node:os"
import { Lingering } from "./internal/lingering.ts"
import { readerOf, released } from "./internal/reading.ts"

/**
 * How long, in milliseconds, a closed connection may make no progress with the bytes that were written to it. Node looks
 * once in this time, so it may be twice as long. None takes more than ten times as long in all, and those of a process no more than 64 MiB, and
 * 1,024 places: beyond that the oldest is cut.
 *
 * @category constants
 * @since 0.1.0
 */
export const LINGER = 3_000

/**
 * The network of this machine.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Network.Network> = Layer.sync(Network.Network, () => ({
  interfaces: Effect.try({
    try: () => interfacesOf(Os.networkInterfaces()),
    catch: (cause) => new Network.InterfacesError({ cause })
  }),
  datagram,
  listen,
  dial,
  resolve
}))

const datagram: Network.Network["Service"]["datagram"] = (options) => {
  const { capacity, take } = options
  const receiveBuffer = { capacity }
  if (take === undefined) return NodeDatagramSocket.fromSocket(bound(options), { receiveBuffer })
  return Effect.suspend(() => {
    let opened: Dgram.Socket | undefined
    const open = Effect.tap(bound(options), (socket) =>
      Effect.sync(() => {
        opened = socket
      }))
    return Effect.map(NodeDatagramSocket.fromSocket(open, { receiveBuffer }), (socket) =>
      DatagramSocket.make({
        writer: socket.writer,
        reader: Effect.tap(socket.reader, () => Effect.sync(() => tapped(opened!, take)))
      }))
  })
}

/** Has a socket give each datagram first to a function, and then to those who listened until now. */
const tapped = (socket: Dgram.Socket, take: NonNullable<Network.DatagramOptions["take"]>): void => {
  const listeners = socket.listeners("message") as unknown as ReadonlyArray<
    (payload: Buffer, from: Dgram.RemoteInfo) => void
  >
  socket.removeAllListeners("message")
  socket.on("message", (payload, from) => {
    try {
      if (from.family === "IPv4" && take(payload, from.address, from.port)) return
    } catch {
      // Whoever reads it finds the same, and says so.
    }
    for (const listener of listeners) listener(payload, from)
  })
}

const openKind = (cause: unknown): DatagramSocket.DatagramSocketOpenError["kind"] => {
  const kind = listenKind(cause)
  return kind === "PortInUse" ? "AddressInUse" : kind
}

const openError = (cause: unknown) =>
  new DatagramSocket.DatagramSocketError({
    reason: new DatagramSocket.DatagramSocketOpenError({ kind: openKind(cause), cause })
  })

/**
 * A bound socket of Node, which the adapter adopts. It is bound exclusively, which the adapter's own are not: in a worker of
 * Node's cluster (and of `pm2 -i`) they would be the primary's, one for all workers, and each datagram would reach any one of
 * them.
 */
const bound = (options: Network.DatagramOptions): Effect.Effect<Dgram.Socket, DatagramSocket.DatagramSocketError> =>
  Effect.callback((resume) => {
    let socket: Dgram.Socket | undefined
    const close = () => {
      socket?.close()
      socket = undefined
    }
    const fail = (cause: unknown) => {
      close()
      resume(Effect.fail(openError(cause)))
    }
    try {
      const opening = Dgram.createSocket({
        type: Net.isIPv6(options.address) ? "udp6" : "udp4",
        reuseAddr: options.reuseAddress ?? false,
        lookup: addressItself
      })
      socket = opening
      opening.once("error", fail)
      opening.bind({ address: options.address, port: options.port, exclusive: true }, () => {
        try {
          opening.setBroadcast(options.broadcast ?? false)
          opening.off("error", fail)
          resume(Effect.succeed(opening))
        } catch (cause) {
          fail(cause)
        }
      })
    } catch (cause) {
      fail(cause)
    }
    return Effect.sync(close)
  })

// All that reaches a datagram socket is an address already: Node's own lookup would put off each datagram by a tick. It is called
// with the family in the place of the options that its type speaks of.
const addressItself: NonNullable<Dgram.SocketOptions["lookup"]> = (host, family, resume) =>
  resume(null, host, (family as unknown) === 6 ? 6 : 4)

/**
 * The network interfaces as Node reports them, one entry an address, with what follows from the netmask.
 *
 * @category conversions
 * @since 0.1.0
 */
export const interfacesOf = (
  interfaces: NodeJS.Dict<Array<Os.NetworkInterfaceInfo>>
): ReadonlyArray<Network.NetworkInterface> =>
  Object.entries(interfaces).flatMap(([name, infos]) =>
    (infos ?? []).map((info) => {
      const address = info.address.split("%")[0]!
      return {
        name,
        family: info.family,
        address,
        broadcast: info.family === "IPv4" ? directedBroadcast(address, info.netmask) : address,
        prefixLength: prefixLength(info),
        loopback: info.internal
      }
    })
  )

const octets = (address: string) => address.split(".").map(Number)

const directedBroadcast = (address: string, netmask: string): string => {
  const mask = octets(netmask)
  return octets(address).map((octet, i) => octet | (~mask[i]! & 255)).join(".")
}

const prefixLength = (info: Os.NetworkInterfaceInfo): number => {
  // The system's own answer where it gives one; Node derives it from the netmask.
  const fromCidr = info.cidr === null ? undefined : Number(info.cidr.split("/")[1])
  if (fromCidr !== undefined || info.family === "IPv6") return fromCidr ?? 128
  return octets(info.netmask).reduce((bits, octet) => bits + octet.toString(2).replaceAll("0", "").length, 0)
}

const canonical = (host: string, port: number): NetAddress.InetAddress | undefined =>
  Result.match(NetAddress.inetAddressFromIpString(host.split("%")[0]!, port), {
    onFailure: () => undefined,
    onSuccess: (address) => NetAddress.toCanonical(address)
  })

const writeError = (cause: Error) => new Socket.SocketError({ reason: new Socket.SocketWriteError({ cause }) })

const nothing = new Uint8Array(0)

/**
 * Waits until the system has taken all that was written. Node says so by itself only where that went beyond the high-water mark; else
 * it says when nothing has been written behind it.
 */
const taken = (connection: Net.Socket, says: boolean): Effect.Effect<void, Socket.SocketError> =>
  Effect.callback((resume) => {
    const done = (result: Effect.Effect<void, Socket.SocketError>) => {
      cleanup()
      resume(result)
    }
    const onDrain = () => done(Effect.void)
    const onError = (cause: Error) => done(Effect.fail(writeError(cause)))
    const onGone = () => done(Effect.fail(writeError(new Error("socket closed"))))
    const cleanup = () => {
      connection.off("drain", onDrain).off("error", onError).off("close", onGone).off(released, onGone)
    }
    connection.on("error", onError).on("close", onGone).on(released, onGone)
    if (says) connection.on("drain", onDrain)
    else connection.write(nothing, (error) => error ? onError(error) : onDrain())
    return Effect.sync(cleanup)
  })

/** Writes from this length on are not copied: memory made anew for each is what much of them would spend most of its time on. */
const lent = 16_384

/**
 * Writes in one go, and waits where Node asks for it, or holds what was lent because the system has not taken it yet, as it mostly
 * does at once. Of what is shorter it holds a copy.
 */
const writeAll = (
  connection: Net.Socket,
  chunks: NonEmptyReadonlyArray<Uint8Array | string>
): Effect.Effect<void, Socket.SocketError> => {
  let room = true
  let lends = false
  connection.cork()
  for (const chunk of chunks) {
    const large = chunk.length >= lent
    lends ||= large
    room = connection.write(large || typeof chunk === "string" ? chunk : Buffer.from(chunk))
  }
  connection.uncork()
  if (connection.writableLength === 0) return Effect.void
  return room && !lends ? Effect.void : taken(connection, !room)
}

/**
 * Where what is written at once is copied to, since the system mostly has it when the write returns, and a copy of its own for each is memory
 * outside of the heap, which every collection of the young has to look through. A connection whose system has not taken all of it keeps this one.
 */
let copies: Buffer | undefined = Buffer.allocUnsafeSlow(lent)

/** Writes bytes, fewer than `lent`, that may be overwritten when it returns. */
const writeCopy = (connection: Net.Socket, bytes: Uint8Array): void => {
  if (copies === undefined) {
    connection.write(Buffer.from(bytes))
    // Only then, so that where writes are never done at once none is made in vain.
    if (connection.writableLength === 0) copies = Buffer.allocUnsafeSlow(lent)
    return
  }
  copies.set(bytes)
  connection.write(copies.subarray(0, bytes.length))
  if (connection.writableLength > 0) copies = undefined
}

/**
 * The adapter's socket with writes of its own while connected: Node answers a write to a connection that is gone with
 * `false`, and the drain for which the adapter would then wait never comes.
 */
const guardWrites = (socket: Socket.Socket, current: () => Net.Socket | undefined): Socket.Socket =>
  Socket.make({
    reader: Effect.map(socket.reader, (reader): Network.EachReader => {
      const connection = current()
      return connection === undefined ? reader : { ...reader, ...readerOf(connection, reader.pull) }
    }),
    writer: Effect.map(socket.writer, (writer): Network.TryWriter => {
      const send = (
        chunks: NonEmptyReadonlyArray<Uint8Array | string>,
        unconnected: Effect.Effect<void, Socket.SocketError>
      ) =>
        Effect.suspend(() => {
          const connection = current()
          if (connection === undefined) return unconnected
          if (!connection.writable) {
            const what = connection.destroyed ? "the connection is gone" : "this side has ended the stream"
            return Effect.fail(writeError(new Error(what)))
          }
          return writeAll(connection, chunks)
        })
      return {
        write: (chunk) => Socket.isCloseEvent(chunk) ? writer.write(chunk) : send([chunk], writer.write(chunk)),
        writeAll: (chunks) => send(chunks, writer.writeAll(chunks)),
        tryWrite: (bytes) => {
          const connection = current()
          if (connection === undefined || !connection.writable || connection.writableLength > 0) return false
          if (bytes.length >= lent) return false
          writeCopy(connection, bytes)
          return true
        }
      }
    })
  })

const lingering = new Lingering({ connections: 1_024, bytes: 67_108_864, millis: 10 * LINGER })

/** Ends a connection in order, and cuts it where the peer takes nothing more. */
const release = (connection: Net.Socket) => {
  connection.emit(released)
  if (connection.destroyed) return
  // Node's own timer: it is restarted by progress and does not keep the process alive.
  connection.setTimeout(LINGER, () => connection.destroy())
  connection.destroySoon()
  lingering.add(connection)
}

const dial = (endpoint: Network.Endpoint): Effect.Effect<Socket.Socket> => {
  let current: Net.Socket | undefined
  const open = Effect.gen(function*() {
    let connection: Net.Socket | undefined
    let connected = false
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        if (current === connection) current = undefined
        if (connection === undefined) return
        if (connected) release(connection)
        else connection.destroy()
      })
    )
    return yield* Effect.callback<Net.Socket, Socket.SocketError>((resume) => {
      connection = Net.createConnection({
        host: endpoint.host,
        port: endpoint.port,
        noDelay: true,
        allowHalfOpen: true
      })
      connection.once("connect", () => {
        connected = true
        current = connection
        resume(Effect.succeed(connection!))
      })
      // Stays for the connection's whole life: an `error` that nobody listens to ends the process.
      connection.on("error", (cause) =>
        resume(Effect.fail(
          new Socket.SocketError({ reason: new Socket.SocketOpenError({ kind: "Unknown", cause }) })
        )))
    })
  })
  return Effect.map(NodeSocket.fromDuplex(open), (socket) => guardWrites(socket, () => current))
}

const listenKind = (cause: unknown): Network.ListenError["kind"] => {
  switch (cause instanceof Error && "code" in cause ? cause.code : undefined) {
    case "EADDRINUSE":
      return "PortInUse"
    case "EADDRNOTAVAIL":
      return "AddressNotAvailable"
    case "EACCES":
    case "EPERM":
      return "PermissionDenied"
    default:
      return "Unknown"
  }
}

const listen = Effect.fnUntraced(function*(endpoint: Network.Endpoint) {
  // The adapter waits, when it closes, until every connection has ended, which is their handlers' to decide. The port is
  // free at once, so the wait goes on in the background.
  const scope = yield* Effect.acquireRelease(
    Scope.make(),
    (scope) => Effect.forkDetach(Scope.close(scope, Exit.void), { startImmediately: true })
  )
  const server = yield* NodeSocketServer.make({
    host: endpoint.host,
    port: endpoint.port,
    // A worker of Node's cluster (and of pm2 -i) has a port of its own, and not the primary's with all other workers.
    exclusive: true,
    noDelay: true,
    allowHalfOpen: true
  }).pipe(
    Scope.provide(scope),
    Effect.mapError(({ reason }) =>
      new Network.ListenError({
        kind: listenKind(reason.cause),
        host: endpoint.host,
        port: endpoint.port,
        cause: reason.cause
      })
    )
  )
  const run: SocketServer.SocketServer["Service"]["run"] = (handler) =>
    server.run((socket) =>
      Effect.flatMap(Effect.serviceOption(NodeSocket.NetSocket), (found) => {
        const connection = Option.getOrThrow(found)
        const { remoteAddress, remotePort } = connection
        let opened = false
        const accepted = Socket.make({
          reader: Effect.tap(socket.reader, () => Effect.sync(() => opened = true)),
          writer: socket.writer
        })
        // Writes wait for the reader as on a dialled socket; there is no second connection to wait for.
        const current = () => opened || !connection.writable ? connection : undefined
        return handler(guardWrites(accepted, current)).pipe(
          Effect.provideService(
            Network.RemoteAddress,
            remoteAddress === undefined || remotePort === undefined ? undefined : canonical(remoteAddress, remotePort)
          ),
          // Also where the handler never acquired the reader, which is what owns the connection.
          Effect.ensuring(Effect.sync(() => release(connection)))
        )
      })
    )
  return SocketServer.SocketServer.of({ address: server.address, run })
})

/**
 * By the system's own resolver, and so by its hosts file, its search domains and whatever else it asks, such as mDNS. An
 * interruption only stops waiting for it.
 */
const resolve: Network.Network["Service"]["resolve"] = (name) =>
  Effect.callback((resume) => {
    Dns.lookup(name, { all: true }, (cause, found) => {
      if (cause !== null) {
        const kind = cause.code === "ENOTFOUND" || cause.code === "ENODATA" ? "NotFound" : "Unavailable"
        return resume(Effect.fail(new Network.ResolveError({ kind, name, cause })))
      }
      const addresses = new Set(found.flatMap(({ address }) => canonicalHost(address) ?? []))
      for (const address of addresses) if (/^fe[89ab]/.test(address)) addresses.delete(address)
      resume(
        addresses.size === 0
          ? Effect.fail(new Network.ResolveError({ kind: "NotFound", name }))
          : Effect.succeed([...addresses])
      )
    })
  })
