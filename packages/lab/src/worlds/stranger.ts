/**
 * A peer made by hand, on a host without a node, that says what no node would: packets, handshakes and frames of any kind, each byte
 * as the test wants it.
 */
import { Advert, Crypto, Handshake, Identity, Network, Packet, Raw, TcpTransport, type Transport } from "@pnet/core"
import * as Framer from "@pnet/core/Framer"
import { type Flags, MessageBox } from "@pnet/core/internal/session/messageBox"
import { RecordFramer } from "@pnet/core/internal/wire/recordFramer"
import { type SimNetwork, SimWorld } from "@pnet/testing"
import { Context, Effect, Result, type Scope } from "effect"
import { concat, type Net, networkId, type Started, text } from "./sessionWorld.ts"

// --- packets -----------------------------------------------------------------------------------------------------------------

/** Packets of a connection, one after another. */
class Packets {
  /** The next; `undefined` when the connection has ended. */
  readonly next: Effect.Effect<Packet.Packet | undefined>
  readonly #framer = Framer.make(Packet.maxStreamLength)
  readonly #chunks: Array<Uint8Array> = []

  constructor(connection: Transport.Connection) {
    this.next = Effect.suspend(() => {
      const found = this.#found()
      return found !== undefined ? Effect.succeed(found) : Effect.matchEffect(connection.pull, {
        onFailure: () => Effect.undefined,
        onSuccess: (more) => {
          this.#chunks.push(...more)
          return this.next
        }
      })
    })
  }

  /** What was received after the last of them. */
  rest(): ReadonlyArray<Uint8Array> {
    return [this.#framer.rest(), ...this.#chunks]
  }

  #found(): Packet.Packet | undefined {
    while (true) {
      const found = this.#framer.next()
      if (found !== undefined) {
        return Result.getOrThrow(
          Packet.decode(found.slice(), { types: Packet.PacketType.literals, maxLength: Packet.maxStreamLength })
        )
      }
      const chunk = this.#chunks.shift()
      if (chunk === undefined) return undefined
      this.#framer.push(chunk)
    }
  }
}

// --- sessions ----------------------------------------------------------------------------------------------------------------

export interface Heard {
  readonly type: Flags
  readonly kind: number
  readonly id: number
  readonly payload: Uint8Array
}

/** The types of the packets that messages are in, where they are text. */
const types = ["msg", "rsp", "err"] as const

/** What comes after the handshake: frames in, frames out. */
class Conversation {
  readonly connection: Transport.Connection
  readonly established: Handshake.Established
  /** The next frame; `undefined` when the connection has ended. */
  readonly next: Effect.Effect<Heard | undefined>
  readonly #stranger: Stranger
  readonly #box: MessageBox
  readonly #records = new RecordFramer()
  readonly #packets = Framer.make(Packet.maxStreamLength)
  readonly #chunks: Array<Uint8Array>
  readonly #heard: Array<Heard> = []

  constructor(
    stranger: Stranger,
    connection: Transport.Connection,
    established: Handshake.Established,
    rest: ReadonlyArray<Uint8Array>
  ) {
    this.connection = connection
    this.established = established
    this.#stranger = stranger
    this.#box = new MessageBox(stranger.handshakeOptions.crypto, established)
    this.#chunks = [...rest]
    this.next = Effect.suspend(() => {
      const heard = this.#next()
      return heard !== undefined ? Effect.succeed(heard) : Effect.matchEffect(connection.pull, {
        onFailure: () => Effect.undefined,
        onSuccess: (more) => {
          this.#chunks.push(...more.map((each) => each.slice()))
          return this.next
        }
      })
    })
  }

  /** A message as it goes over the connection. */
  seal(type: Flags, payload: Uint8Array): Uint8Array {
    if (!this.established.binary) {
      return this.#stranger.packet(types[type], Raw.toText(this.#box.seal(type, [payload])))
    }
    const record = this.#box.seal(type, [payload], 4)
    new DataView(record.buffer).setUint32(0, record.length - 4)
    return record
  }

  /** Sends frames in one message. */
  send(type: Flags, ...frames: ReadonlyArray<Uint8Array>) {
    return Effect.suspend(() => this.connection.write(this.seal(type, concat(...frames))))
  }

  /** The next frame of a kind. */
  expect(kind: number): Effect.Effect<Heard> {
    return Effect.flatMap(this.next, (one) =>
      one === undefined
        ? Effect.die(new Error(`ended before a frame of kind ${kind}`))
        : one.kind === kind
        ? Effect.succeed(one)
        : this.expect(kind))
  }

  #next(): Heard | undefined {
    while (this.#heard.length === 0) {
      const sealed = this.#sealed()
      if (sealed !== undefined) {
        this.#open(sealed)
        continue
      }
      const chunk = this.#chunks.shift()
      if (chunk === undefined) return undefined
      if (this.established.binary) this.#records.push(chunk)
      else this.#packets.push(chunk)
    }
    return this.#heard.shift()
  }

  /** The next message that is there whole. */
  #sealed(): Uint8Array | undefined {
    if (this.established.binary) return this.#records.next()?.slice()
    const found = this.#packets.next()
    return found === undefined
      ? undefined
      : Raw.fromText(Result.getOrThrow(Packet.decode(found, { types, maxLength: Packet.maxStreamLength })).content)
  }

  /** Takes the frames out of a message. */
  #open(sealed: Uint8Array): void {
    const opened = this.#box.open(sealed)
    if (typeof opened === "string") throw new Error(`the node sent what does not open: ${opened}`)
    const { flags, payload } = opened
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
    for (let at = 0; at < payload.length;) {
      const length = view.getUint32(at + 5)
      this.#heard.push({
        type: flags,
        kind: payload[at]!,
        id: view.getUint32(at + 1),
        payload: payload.slice(at + 9, at + 9 + length)
      })
      at += 9 + length
    }
  }
}

// --- dialled by others -------------------------------------------------------------------------------------------------------

/** Where a stranger can be dialled, and how it answers. */
class Listening {
  /** Tells the LAN where it is. */
  readonly advertise: Effect.Effect<void>
  readonly #stranger: Stranger
  readonly #process: SimNetwork.Process<never>
  readonly #listener: Transport.Listener
  readonly #advert: Uint8Array

  constructor(stranger: Stranger, network: Net, process: SimNetwork.Process<never>, listener: Transport.Listener) {
    const { host, name } = stranger
    this.#stranger = stranger
    this.#process = process
    this.#listener = listener
    this.#advert = stranger.packet(
      "adv",
      Advert.encode({ name, host: host.address, port: listener.endpoint.port })
    )
    this.advertise = network.inject(host, {
      from: `${host.address}:4001`,
      to: `10.0.0.255:3334`,
      payload: this.#advert
    })
  }

  /** What is done with each connection. */
  run(handler: (connection: Transport.Connection) => Effect.Effect<void, unknown, Scope.Scope>) {
    return Effect.forkScoped(
      this.#process.run(this.#listener.run((connection) => Effect.ignore(Effect.scoped(handler(connection)))))
    )
  }

  /** The server's side of a handshake; an advert in front is answered. */
  accept(connection: Transport.Connection, overrides?: Partial<Handshake.Options>) {
    const stranger = this.#stranger
    const advert = this.#advert
    return Effect.gen(function*() {
      const server = Handshake.server({ ...stranger.handshakeOptions, ...overrides })
      const packets = stranger.reader(connection)
      const read = Effect.gen(function*() {
        while (true) {
          const one = yield* packets.next
          if (one === undefined) return yield* Effect.fail("closed")
          if (one.type !== "adv") return one
          yield* connection.write(advert)
        }
      })
      const first = yield* read
      yield* connection.write(
        stranger.command("rsp", Result.getOrThrow(server.hello(Raw.fromText(first.content)!)))
      )
      const second = yield* read
      Result.getOrThrow(server.initiate(Raw.fromText(second.content)!, second.publicKey!))
      const ready = server.ready()
      yield* connection.write(stranger.command("rsp", ready.command))
      return stranger.session(connection, ready.established, packets.rest())
    })
  }
}

// --- the peer ----------------------------------------------------------------------------------------------------------------

export interface Options {
  readonly host: SimNetwork.Host
  readonly name?: string
  readonly binary?: boolean
}

export class Stranger {
  readonly identity: Identity.Identity["Service"]
  readonly name: Packet.NodeName
  readonly host: SimNetwork.Host
  readonly handshakeOptions: Handshake.Options
  readonly #network: Net

  constructor(
    network: Net,
    crypto: Crypto.Crypto["Service"],
    identity: Identity.Identity["Service"],
    { binary = true, host, name = "mallory" }: Options
  ) {
    this.#network = network
    this.identity = identity
    this.name = name as Packet.NodeName
    this.host = host
    this.handshakeOptions = { crypto, identity, name: this.name, networkId, binary }
  }

  packet(type: Packet.PacketType, content: Uint8Array, publicKey = this.identity.publicKey): Uint8Array {
    return Packet.encode({ networkId, type, content, publicKey })
  }

  command(type: "msg" | "rsp", bytes: Uint8Array): Uint8Array {
    return this.packet(type, Raw.toText(bytes))
  }

  /** The packets of a connection. */
  reader(connection: Transport.Connection): Packets {
    return new Packets(connection)
  }

  dial(node: Started) {
    return SimWorld.dial(this.host, { host: node.host.address, port: node.node.endpoint.port })
  }

  /** A session over a connection whose handshake is done, and of which this was received already. */
  session(
    connection: Transport.Connection,
    established: Handshake.Established,
    rest: ReadonlyArray<Uint8Array>
  ): Conversation {
    return new Conversation(this, connection, established, rest)
  }

  /** Completes the handshake with a node, as the side that dials. */
  connect(node: Started, overrides?: Partial<Handshake.Options>) {
    return Effect.gen({ self: this }, function*() {
      const connection = yield* this.dial(node)
      const client = Handshake.client({ ...this.handshakeOptions, ...overrides }, node.node.publicKey)
      const packets = this.reader(connection)
      const read = Effect.map(packets.next, (one) => {
        if (one === undefined || one.type === "err") {
          throw new Error(`refused: ${one === undefined ? "closed" : text(one.content)}`)
        }
        return Raw.fromText(one.content)!
      })
      yield* connection.write(this.command("msg", client.hello()))
      yield* connection.write(this.command("msg", Result.getOrThrow(client.welcome(yield* read))))
      const established = Result.getOrThrow(client.ready(yield* read))
      return this.session(connection, established, packets.rest())
    })
  }

  /** Answers those who dial, as the side that is dialled. */
  get listen() {
    return Effect.gen({ self: this }, function*() {
      const process = yield* this.host.process
      const transport = TcpTransport.make(Context.get(process.context, Network.Network), {
        bindIp: "0.0.0.0",
        serverPort: 0,
        dialTimeout: "5 seconds"
      })
      return new Listening(this, this.#network, process, yield* process.run(transport.listen))
    })
  }
}

/** A peer with a key of its own. */
export const stranger = (network: Net, crypto: Crypto.Crypto["Service"], options: Options): Effect.Effect<Stranger> =>
  Effect.map(
    Effect.provideService(Identity.generate, Crypto.Crypto, crypto),
    (identity) => new Stranger(network, crypto, identity, options)
  )
