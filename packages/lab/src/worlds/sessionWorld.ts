/**
 * Nodes with sessions on a simulated network, and peers made by hand that say what no node would: for the tests of sessions.
 *
 * The cryptography is Node's, whose bytes are those of the portable one (`CryptoSuite` holds both to it), and which takes a tenth of the
 * time. The suites of whole nodes run over the portable one.
 */
import {
  AdvancedNode,
  Advert,
  Crypto,
  Frame,
  Handshake,
  Identity,
  Network,
  Packet,
  Raw,
  TcpTransport,
  TofuTrust,
  Transport,
  Trust
} from "@pnet/core"
import * as Framer from "@pnet/core/Framer"
import { type Flags, MessageBox } from "@pnet/core/internal/session/messageBox"
import { RecordFramer } from "@pnet/core/internal/wire/recordFramer"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { Cause, Context, Effect, Exit, Layer, Logger, Result, Scope } from "effect"

export type Net = SimNetwork.SimNetwork["Service"]
export type Node = AdvancedNode.AdvancedNode["Service"]
export const networkId = "sessions" as Packet.NetworkId

export interface Started {
  readonly node: Node
  readonly host: SimNetwork.Host
  readonly process: SimNetwork.Process<AdvancedNode.AdvancedNode>
}

/** The body of a test: in virtual time, without a word. */
export const quietly = <E>(
  body: Effect.Effect<void, E, Scope.Scope>,
  options?: Parameters<typeof SimWorld.passing>[0]
): Effect.Effect<void, E> => body.pipe(Effect.scoped, SimWorld.passing(options), Effect.provide(Logger.layer([])))

/** Starts a node on a host of its own. */
export const start = (
  network: Net,
  options: AdvancedNode.Options,
  overrides?: {
    readonly host?: SimNetwork.Host
    readonly crypto?: Layer.Layer<Crypto.Crypto>
    readonly trust?: Layer.Layer<Trust.Trust>
    readonly logger?: Layer.Layer<never>
  }
): Effect.Effect<Started> =>
  Effect.gen(function*() {
    const host = overrides?.host ?? (yield* network.host(options.name))
    const layer = AdvancedNode.layer({ networkId, bindIp: "0.0.0.0", ...options }).pipe(
      Layer.provide([
        overrides?.crypto ?? NodeCrypto.layer,
        overrides?.trust ?? TofuTrust.layer(),
        overrides?.logger ?? Logger.layer([])
      ])
    )
    const process = yield* Effect.orDie(host.launch(layer))
    return { node: Context.get(process.context, AdvancedNode.AdvancedNode), host, process }
  })

export const echo: AdvancedNode.Handler = ({ bytes }) => bytes

/** Two nodes that know each other. */
export const two = (
  network: Net,
  alice: Partial<AdvancedNode.Options> = {},
  bob: Partial<AdvancedNode.Options> = {}
) =>
  Effect.gen(function*() {
    const b = yield* start(network, { functions: { echo }, ...bob, name: "bob" })
    const a = yield* start(network, { functions: { echo }, ...alice, name: "alice" })
    yield* Effect.all([a.node.peers.awaitPeer("bob"), b.node.peers.awaitPeer("alice")], { concurrency: 2 })
    return { alice: a, bob: b }
  })

export const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) return Effect.die(new Error(`expected a failure, got ${String(exit.value)}`))
    const error = Cause.findError(exit.cause)
    return Result.isSuccess(error)
      ? Effect.succeed(error.success)
      : Effect.die(new Error(`expected a typed failure, got ${Cause.pretty(exit.cause)}`))
  })

export const bytes = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))
export const text = (data: Uint8Array): string => new TextDecoder().decode(data)

export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

export const frame = (kind: number, stream: number, payload: Uint8Array | string = ""): Uint8Array => {
  const body = typeof payload === "string" ? bytes(payload) : payload
  const header = new Uint8Array(Frame.headerLength)
  const view = new DataView(header.buffer)
  view.setUint8(0, kind)
  view.setUint32(1, stream)
  view.setUint32(5, body.length)
  return concat(header, body)
}

export const openFrame = (id: number, name = "echo") =>
  frame(Frame.Kind.open, id, JSON.stringify({ protocol: "command", name }))

export interface Heard {
  readonly type: Flags
  readonly kind: number
  readonly id: number
  readonly payload: Uint8Array
}

/** A peer made by hand, on a host without a node. */
export const stranger = (
  network: Net,
  crypto: Crypto.Crypto["Service"],
  options: { readonly host: SimNetwork.Host; readonly name?: string; readonly binary?: boolean }
) =>
  Effect.gen(function*() {
    const identity = yield* Identity.generate.pipe(Effect.provideService(Crypto.Crypto, crypto))
    const name = (options.name ?? "mallory") as Packet.NodeName
    const { host } = options
    const handshakeOptions: Handshake.Options = { crypto, identity, name, networkId, binary: options.binary ?? true }
    const types = ["msg", "rsp", "err"] as const

    const packet = (type: Packet.PacketType, content: Uint8Array, publicKey = identity.publicKey) =>
      Packet.encode({ networkId, type, content, publicKey })
    const command = (type: "msg" | "rsp", bytes: Uint8Array) => packet(type, Raw.toText(bytes))

    /** Packets of a connection, one after another. */
    const reader = (connection: Transport.Connection) => {
      const framer = Framer.make(Packet.maxStreamLength)
      const chunks: Array<Uint8Array> = []
      const next: Effect.Effect<Packet.Packet | undefined> = Effect.suspend(() => {
        while (true) {
          const found = framer.next()
          if (found !== undefined) {
            return Effect.succeed(
              Result.getOrThrow(Packet.decode(found.slice(), {
                types: Packet.PacketType.literals,
                maxLength: Packet.maxStreamLength
              }))
            )
          }
          const chunk = chunks.shift()
          if (chunk === undefined) break
          framer.push(chunk)
        }
        return Effect.matchEffect(connection.pull, {
          onFailure: () => Effect.undefined,
          onSuccess: (more) => {
            chunks.push(...more)
            return next
          }
        })
      })
      return { next, rest: () => [framer.rest(), ...chunks] }
    }

    const dial = (node: Started) => SimWorld.dial(host, { host: node.host.address, port: node.node.endpoint.port })

    /** What comes after the handshake: frames in, frames out. */
    const session = (
      connection: Transport.Connection,
      established: Handshake.Established,
      rest: ReadonlyArray<Uint8Array>
    ) => {
      const box = new MessageBox(crypto, established)
      const records = new RecordFramer()
      const packets = Framer.make(Packet.maxStreamLength)
      const chunks = [...rest]
      const heard: Array<Heard> = []
      const seal = (type: Flags, payload: Uint8Array): Uint8Array => {
        if (!established.binary) return packet(types[type], Raw.toText(box.seal(type, [payload])))
        const record = box.seal(type, [payload], 4)
        new DataView(record.buffer).setUint32(0, record.length - 4)
        return record
      }
      const poll = (): boolean => {
        const sealed = established.binary ? records.next()?.slice() : (() => {
          const found = packets.next()
          return found === undefined
            ? undefined
            : Raw.fromText(
              Result.getOrThrow(Packet.decode(found, { types, maxLength: Packet.maxStreamLength })).content
            )
        })()
        if (sealed === undefined) return false
        const opened = box.open(sealed)
        if (typeof opened === "string") throw new Error(`the node sent what does not open: ${opened}`)
        const { flags, payload } = opened
        const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
        for (let at = 0; at < payload.length;) {
          const length = view.getUint32(at + 5)
          heard.push({
            type: flags,
            kind: payload[at]!,
            id: view.getUint32(at + 1),
            payload: payload.slice(at + 9, at + 9 + length)
          })
          at += 9 + length
        }
        return true
      }
      /** The next frame; `undefined` when the connection has ended. */
      const next: Effect.Effect<Heard | undefined> = Effect.suspend(() => {
        while (heard.length === 0) {
          if (poll()) continue
          const chunk = chunks.shift()
          if (chunk === undefined) {
            return Effect.matchEffect(connection.pull, {
              onFailure: () => Effect.undefined,
              onSuccess: (more) => {
                chunks.push(...more.map((each) => each.slice()))
                return next
              }
            })
          }
          if (established.binary) records.push(chunk)
          else packets.push(chunk)
        }
        return Effect.succeed(heard.shift())
      })
      return {
        connection,
        established,
        seal,
        send: (type: Flags, ...frames: ReadonlyArray<Uint8Array>) =>
          Effect.suspend(() => connection.write(seal(type, concat(...frames)))),
        next,
        /** The next frame of a kind. */
        expect: (kind: number): Effect.Effect<Heard> =>
          Effect.gen(function*() {
            while (true) {
              const one = yield* next
              if (one === undefined) return yield* Effect.die(new Error(`ended before a frame of kind ${kind}`))
              if (one.kind === kind) return one
            }
          })
      }
    }

    /** Completes the handshake with a node, as the side that dials. */
    const connect = (node: Started, overrides?: Partial<Handshake.Options>) =>
      Effect.gen(function*() {
        const connection = yield* dial(node)
        const client = Handshake.client({ ...handshakeOptions, ...overrides }, node.node.publicKey)
        const packets = reader(connection)
        const read = Effect.map(packets.next, (one) => {
          if (one === undefined || one.type === "err") {
            throw new Error(`refused: ${one === undefined ? "closed" : text(one.content)}`)
          }
          return Raw.fromText(one.content)!
        })
        yield* connection.write(command("msg", client.hello()))
        yield* connection.write(command("msg", Result.getOrThrow(client.welcome(yield* read))))
        const established = Result.getOrThrow(client.ready(yield* read))
        return session(connection, established, packets.rest())
      })

    /** Answers the next dial, as the side that is dialled; `before` may say what it likes. */
    const listen = Effect.gen(function*() {
      const process = yield* host.process
      const transport = TcpTransport.make(Context.get(process.context, Network.Network), {
        bindIp: "0.0.0.0",
        serverPort: 0,
        dialTimeout: "5 seconds"
      })
      const listener = yield* process.run(transport.listen)
      const advert = packet(
        "adv",
        Advert.encode({ name, host: host.address, port: listener.endpoint.port })
      )
      return {
        /** Tells the LAN where it is. */
        advertise: network.inject(host, { from: `${host.address}:4001`, to: `10.0.0.255:3334`, payload: advert }),
        run: (handler: (connection: Transport.Connection) => Effect.Effect<void, unknown, Scope.Scope>) =>
          Effect.forkScoped(
            process.run(listener.run((connection) => Effect.ignore(Effect.scoped(handler(connection)))))
          ),
        /** The server's side of a handshake; an advert in front is answered. */
        accept: (connection: Transport.Connection, overrides?: Partial<Handshake.Options>) =>
          Effect.gen(function*() {
            const server = Handshake.server({ ...handshakeOptions, ...overrides })
            const packets = reader(connection)
            const read = Effect.gen(function*() {
              while (true) {
                const one = yield* packets.next
                if (one === undefined) return yield* Effect.fail("closed")
                if (one.type !== "adv") return one
                yield* connection.write(advert)
              }
            })
            const first = yield* read
            yield* connection.write(command("rsp", Result.getOrThrow(server.hello(Raw.fromText(first.content)!))))
            const second = yield* read
            Result.getOrThrow(server.initiate(Raw.fromText(second.content)!, second.publicKey!))
            const ready = server.ready()
            yield* connection.write(command("rsp", ready.command))
            return session(connection, ready.established, packets.rest())
          })
      }
    })

    return { identity, name, handshakeOptions, packet, command, reader, dial, connect, listen, session }
  })

let instances = 0

/** The cryptography, with chance that is the same each time. */
export const seeded = (seed = ++instances, layer: Layer.Layer<Crypto.Crypto> = NodeCrypto.layer) =>
  Layer.build(Layer.fresh(layer)).pipe(
    Effect.map((context) => Context.get(context, Crypto.Crypto)),
    Effect.provideService(Crypto.Entropy, entropy(seed))
  )

const entropy = (seed: number) => {
  let state = seed >>> 0
  return (out: Uint8Array) => {
    for (let i = 0; i < out.length; i++) {
      state = state + 0x6d2b79f5 >>> 0
      let t = Math.imul(state ^ state >>> 15, 1 | state)
      t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
      out[i] = t >>> 11
    }
  }
}
