/**
 * The handshake and MESSAGE against another implementation: libzmq 4.3, in npm `zeromq`. Its CURVE is RFC 26, spoken in
 * ZMTP 3.1's greeting and frames, which this file speaks for us over a plain TCP socket.
 *
 * libzmq knows none of pnet's properties. So the whole exchange is held with the CurveZMQ machine that `Handshake` is made
 * of, given libzmq's properties; and `Handshake` itself is held up to the point where it misses its own.
 */
import { assert, describe, layer } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import * as Handshake from "@pnet/core/Handshake"
import type * as InternalCurve from "@pnet/core/internal/session/curve"
import type * as InternalMessageBox from "@pnet/core/internal/session/messageBox"
import type * as InternalMetadata from "@pnet/core/internal/session/metadata"
import * as Packet from "@pnet/core/Packet"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import * as ProtocolError from "@pnet/core/ProtocolError"
import * as PublicKey from "@pnet/core/PublicKey"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Net from "node:net"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const internal = (name: string) => import(new URL(`../../core/src/internal/${name}.ts`, import.meta.url).href)
const Curve: typeof InternalCurve = await internal("session/curve")
const { MessageBox }: typeof InternalMessageBox = await internal("session/messageBox")
const Metadata: typeof InternalMetadata = await internal("session/metadata")

// The package brings binaries for the usual systems; on others there is nothing to test against.
const hasNone = process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)
const zmq = await import("zeromq").catch((cause: unknown) => {
  if (hasNone) return undefined
  throw cause
})

const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8))

const get = <A>(result: Result.Result<A, ProtocolError.ProtocolError>): A => {
  if (Result.isFailure(result)) assert.fail(result.failure.message)
  return result.success
}

// --- Z85, in which libzmq takes keys --------------------------------------------------------------------------------

const z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

const toZ85 = (bytes: Uint8Array): string => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let text = ""
  for (let i = 0; i < bytes.length; i += 4) {
    let value = view.getUint32(i)
    let group = ""
    for (let j = 0; j < 5; j++) {
      group = z85[value % 85]! + group
      value = Math.floor(value / 85)
    }
    text += group
  }
  return text
}

const publicZ85 = (pair: Crypto.KeyPair) => toZ85(PublicKey.toBytes(pair.publicKey))
const secretZ85 = (pair: Crypto.KeyPair) => toZ85(Redacted.value(pair.secretKey))

// --- ZMTP 3.1 -------------------------------------------------------------------------------------------------------

const more = 1
const long = 2
const command = 4

const greeting = (asServer: boolean): Uint8Array => {
  const bytes = new Uint8Array(64)
  bytes[0] = 0xff
  bytes[9] = 0x7f
  bytes[10] = 3
  bytes[11] = 1
  bytes.set(utf8("CURVE"), 12)
  bytes[32] = asServer ? 1 : 0
  return bytes
}

/** One connection to libzmq. */
const wireOf = (socket: Net.Socket) => {
  socket.on("error", () => {})
  const read = (length: number) =>
    Effect.callback<Uint8Array>((resume) => {
      const events = ["readable", "close"] as const
      const stop = () => events.forEach((event) => socket.off(event, attempt))
      const attempt = () => {
        const bytes: Buffer | null = length === 0 ? Buffer.alloc(0) : socket.read(length)
        if (bytes === null && !socket.closed) return
        stop()
        resume(
          bytes?.length === length
            ? Effect.succeed(new Uint8Array(bytes))
            : Effect.die(new Error("libzmq closed the connection"))
        )
      }
      events.forEach((event) => socket.on(event, attempt))
      attempt()
      return Effect.sync(stop)
    })
  const write = (bytes: Uint8Array) => Effect.sync(() => socket.write(bytes))

  return {
    greet: (asServer: boolean) =>
      Effect.gen(function*() {
        yield* write(greeting(asServer))
        const theirs = yield* read(64)
        assert.deepStrictEqual([theirs[0], theirs[9], theirs[10]], [0xff, 0x7f, 3])
        assert.strictEqual(textOf(theirs.subarray(12, 32)).replace(/\0+$/, ""), "CURVE")
      }),
    /** A command in a frame. libzmq sends MESSAGE in frames that are not marked as commands. */
    send: (body: Uint8Array, flags = command) => {
      const head = new Uint8Array(body.length < 256 ? 2 : 9)
      head[0] = body.length < 256 ? flags : flags | long
      if (body.length < 256) head[1] = body.length
      else new DataView(head.buffer).setUint32(5, body.length)
      return Effect.andThen(write(head), write(body))
    },
    receive: Effect.gen(function*() {
      const [flags] = yield* read(1)
      assert.strictEqual(flags! & more, 0)
      const size = yield* read((flags! & long) === 0 ? 1 : 8)
      const view = new DataView(size.buffer)
      return yield* read(size.length === 1 ? size[0]! : view.getUint32(4))
    })
  }
}

type Wire = ReturnType<typeof wireOf>

const connect = (endpoint: string) =>
  Effect.acquireRelease(
    Effect.callback<Net.Socket>((resume) => {
      const socket = Net.connect(Number(endpoint.split(":").at(-1)), "127.0.0.1", () => resume(Effect.succeed(socket)))
      socket.on("error", (cause) => resume(Effect.die(cause)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(Effect.map(wireOf))

/** Listens, and gives the port and the first connection. */
const listen = Effect.gen(function*() {
  const server = yield* Effect.acquireRelease(
    Effect.callback<Net.Server>((resume) => {
      const server = Net.createServer()
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  const accepted = new Promise<Net.Socket>((resolve) => server.once("connection", resolve))
  return {
    endpoint: `tcp://127.0.0.1:${(server.address() as Net.AddressInfo).port}`,
    accept: Effect.acquireRelease(
      Effect.promise(() => accepted),
      (socket) => Effect.sync(() => socket.destroy())
    ).pipe(Effect.map(wireOf))
  }
})

// --- libzmq ---------------------------------------------------------------------------------------------------------

const pairSocket = (options: {
  readonly curveServer?: boolean
  readonly curvePublicKey?: string
  readonly curveSecretKey: string
  readonly curveServerKey?: string
}) =>
  Effect.acquireRelease(
    Effect.sync(() => new zmq!.Pair({ linger: 0, receiveTimeout: 5_000, sendTimeout: 5_000, ...options })),
    (socket) => Effect.sync(() => socket.close())
  )

type PairSocket = Effect.Success<ReturnType<typeof pairSocket>>

const libzmqServer = (identity: Crypto.KeyPair) =>
  Effect.gen(function*() {
    const socket = yield* pairSocket({ curveServer: true, curveSecretKey: secretZ85(identity) })
    yield* Effect.promise(() => socket.bind("tcp://127.0.0.1:*"))
    return { socket, endpoint: socket.lastEndpoint! }
  })

const libzmqClient = (endpoint: string, identity: Crypto.KeyPair, serverKey: Crypto.KeyPair) =>
  Effect.map(
    pairSocket({
      curvePublicKey: publicZ85(identity),
      curveSecretKey: secretZ85(identity),
      curveServerKey: publicZ85(serverKey)
    }),
    (socket) => {
      socket.connect(endpoint)
      return socket
    }
  )

// --- the test -------------------------------------------------------------------------------------------------------

const setUp = Effect.map(Crypto.Crypto, (crypto) => {
  const ours = crypto.generateKeyPair()
  const theirs = crypto.generateKeyPair()
  return {
    crypto,
    ours,
    theirs,
    zmqOptions: {
      crypto,
      identity: ours,
      metadata: Metadata.encode(new Map([["Socket-Type", utf8("PAIR")]])),
      readMetadata: (bytes) => {
        const properties = Metadata.decode(bytes)
        return properties === undefined
          ? Result.fail(ProtocolError.local("ERR_HANDSHAKE", "malformed metadata"))
          : Result.succeed([...properties].map(([name, value]) => `${name}=${textOf(value)}`))
      }
    } satisfies InternalCurve.Options<ReadonlyArray<string>>,
    pnetOptions: {
      crypto,
      identity: ours,
      name: Packet.NodeName.make("alpha"),
      networkId: Packet.NetworkId.make("lab"),
      binary: true
    } satisfies Handshake.Options
  }
})

/** Messages both ways, small and large, and in parts, which libzmq marks with flags 1. */
const converse = (
  crypto: Crypto.Crypto["Service"],
  secured: InternalCurve.Secured<unknown>,
  wire: Wire,
  socket: PairSocket
) =>
  Effect.gen(function*() {
    const box = new MessageBox(crypto, secured)
    const receive = Effect.map(wire.receive, (bytes) => {
      const opened = box.open(bytes)
      if (typeof opened === "string") return assert.fail(opened)
      return { flags: opened.flags, payload: opened.payload.slice() }
    })
    for (const length of [0, 1, 5, 255, 256, 98_000]) {
      const payload = pattern(length)
      yield* wire.send(box.seal(0, [payload.subarray(0, length >> 1), payload.subarray(length >> 1)]), 0)
      const heard = yield* Effect.promise(() => socket.receive())
      assert.deepStrictEqual(heard.map((part) => new Uint8Array(part)), [payload])

      yield* Effect.promise(() => socket.send(Buffer.from(payload)))
      assert.deepStrictEqual(yield* receive, { flags: 0, payload })
    }
    yield* wire.send(box.seal(1, [utf8("first")]), 0)
    yield* wire.send(box.seal(0, [utf8("last")]), 0)
    const parts = yield* Effect.promise(() => socket.receive())
    assert.deepStrictEqual(parts.map((part) => textOf(part)), ["first", "last"])
    yield* Effect.promise(() => socket.send(["first", "last"]))
    assert.deepStrictEqual([yield* receive, yield* receive], [
      { flags: 1, payload: utf8("first") },
      { flags: 0, payload: utf8("last") }
    ])
    assert.deepStrictEqual([box.sent, box.received], secured.role === "client" ? [10, 9] : [9, 10])
  })

for (const [name, implementation] of [["native", NodeCrypto.layer], ["portable", PortableCrypto.layer]] as const) {
  describe.skipIf(zmq === undefined)(`libzmq, with ${name} cryptography`, () => {
    layer(implementation)((it) => {
      it.effect("as the server: takes our handshake and our messages", () =>
        Effect.gen(function*() {
          const { crypto, theirs, zmqOptions } = yield* setUp
          const { endpoint, socket } = yield* libzmqServer(theirs)
          const wire = yield* connect(endpoint)
          yield* wire.greet(false)
          const client = Curve.client(zmqOptions, theirs.publicKey)
          yield* wire.send(client.hello())
          yield* wire.send(get(client.welcome(yield* wire.receive)))
          const secured = get(client.ready(yield* wire.receive))
          assert.deepStrictEqual(secured.peer, { publicKey: theirs.publicKey, metadata: ["socket-type=PAIR"] })
          yield* converse(crypto, secured, wire, socket)
        }))

      it.effect("as the client: is taken by our handshake, and takes our messages", () =>
        Effect.gen(function*() {
          const { crypto, ours, theirs, zmqOptions } = yield* setUp
          const { accept, endpoint } = yield* listen
          const socket = yield* libzmqClient(endpoint, theirs, ours)
          const wire = yield* accept
          yield* wire.greet(true)
          const server = Curve.server(zmqOptions)
          yield* wire.send(get(server.hello(yield* wire.receive)))
          const peer = get(server.initiate(yield* wire.receive, theirs.publicKey))
          assert.deepStrictEqual(peer, { publicKey: theirs.publicKey, metadata: ["socket-type=PAIR"] })
          const { command, secured } = server.ready()
          yield* wire.send(command)
          yield* converse(crypto, secured, wire, socket)
        }))

      it.effect("as the server: answers Handshake itself, which then misses its own properties", () =>
        Effect.gen(function*() {
          const { pnetOptions, theirs } = yield* setUp
          const { endpoint } = yield* libzmqServer(theirs)
          const wire = yield* connect(endpoint)
          yield* wire.greet(false)
          const client = Handshake.client(pnetOptions, theirs.publicKey)
          yield* wire.send(client.hello())
          // libzmq asks for no property, so it goes on to READY.
          yield* wire.send(get(client.welcome(yield* wire.receive)))
          const refused = Result.getOrThrow(Result.flip(client.ready(yield* wire.receive)))
          assert.strictEqual(refused.code, "ERR_HANDSHAKE")
          assert.strictEqual(refused.reason.detail, "no property Network")
        }))

      it.effect("as the client: is read by Handshake itself, which then misses its own properties", () =>
        Effect.gen(function*() {
          const { ours, pnetOptions, theirs } = yield* setUp
          const { accept, endpoint } = yield* listen
          yield* libzmqClient(endpoint, theirs, ours)
          const wire = yield* accept
          yield* wire.greet(true)
          const server = Handshake.server(pnetOptions)
          yield* wire.send(get(server.hello(yield* wire.receive)))
          const refused = Result.getOrThrow(Result.flip(server.initiate(yield* wire.receive, theirs.publicKey)))
          assert.strictEqual(refused.code, "ERR_HANDSHAKE")
          assert.strictEqual(refused.reason.detail, "no property Network")
        }))

      it.effect("as the server: hangs up on a HELLO that is for another key, as we do", () =>
        Effect.gen(function*() {
          const { crypto, ours, theirs, zmqOptions } = yield* setUp
          const other = crypto.generateKeyPair()
          const { endpoint } = yield* libzmqServer(theirs)
          const wire = yield* connect(endpoint)
          yield* wire.greet(false)
          const hello = Curve.client(zmqOptions, other.publicKey).hello()
          yield* wire.send(hello)
          assert.strictEqual((yield* Effect.exit(wire.receive))._tag, "Failure")
          const server = Curve.server({ ...zmqOptions, identity: ours })
          assert.isTrue(Result.isFailure(server.hello(hello)))
        }))
    })
  })
}
