/**
 * A peer of its own for each check, with a name and a key that nobody else has: it dials, is dialled, speaks RAW and sessions, and says
 * whatever a check wants it to. Nothing here is a node's code but NaCl, Fernet and the sockets, so that what a node does wrong the
 * kit does not do wrong with it.
 */
import { type Crypto, PublicKey } from "@pnet/core"
import { Clock, Effect, type Scope } from "effect"
import { Session, type SessionOptions } from "./session.ts"
import { base64, type Bytes, bytesOf, shown, textOf, unbase64, utf8 } from "./speech/bytes.ts"
import * as Curve from "./speech/curve.ts"
import * as Packets from "./speech/packets.ts"
import * as Raw from "./speech/raw.ts"
import { Mismatch, NotThere, type Place, type Subject } from "./subject.ts"
import { type Came, describe, Wire } from "./wire.ts"

/** What of a packet is otherwise than it would be. */
export interface PacketOptions {
  readonly networkId?: string | Bytes
  readonly key?: string | Bytes
  readonly tail?: string
  /** Without a token, also where there is a network key. */
  readonly clear?: boolean
  /** Milliseconds that the token's clock is ahead. */
  readonly ahead?: number
  readonly networkKey?: Bytes
  /** What the token repeats of the packet. */
  readonly envelope?: string
  readonly damage?: (content: Bytes) => Bytes
}

/** What of a RAW request is otherwise than it would be. */
export interface RequestOptions extends Omit<Partial<Raw.Body>, "networkId">, PacketOptions {
  /** The network id inside of the box. */
  readonly boxedNetworkId?: string
  readonly nonceBegins?: Bytes
  readonly damageCommand?: (command: Bytes) => Bytes
  /** Micros that its stamp is ahead. */
  readonly stampAhead?: bigint
  readonly shared?: Crypto.SharedKey
}

export class Kit {
  readonly subject: Subject
  readonly place: Place
  readonly crypto: Crypto.Crypto["Service"]
  readonly identity: Curve.Pair
  /** Its key, as it stands in packets. */
  readonly key: string
  readonly name: string
  /** The key of boxes between it and the peer. */
  readonly shared: Crypto.SharedKey
  /** The peer's key. */
  readonly server: Bytes
  #stamp = 0n
  readonly #sent: Array<string> = []

  constructor(subject: Subject, place: Place, name: string, identity?: Curve.Pair) {
    this.subject = subject
    this.place = place
    this.crypto = place.crypto
    this.name = name
    this.identity = identity ?? Curve.pairOf(place.crypto.generateKeyPair())
    this.key = base64(this.identity.public)
    const server = unbase64(subject.key)
    if (server === undefined || PublicKey.fromBytes(server) === undefined) {
      throw new Error(`${subject.key} is no public key`)
    }
    this.server = server
    this.shared = Curve.between(this.crypto, server, this.identity.secret)!
  }

  /** Another peer in the same check. */
  another(name = `${this.name}x`, identity?: Curve.Pair): Kit {
    return new Kit(this.subject, this.place, name, identity)
  }

  readonly note = (what: string): void => {
    this.#sent.push(what)
    if (this.#sent.length > 3) this.#sent.shift()
  }

  /** Fails the check. */
  mismatch(expected: string, came: Came | string): Effect.Effect<never, Mismatch> {
    return Effect.suspend(() =>
      Effect.fail(
        new Mismatch({
          sent: this.#sent.length === 0 ? "nothing" : this.#sent.join(", then "),
          expected,
          came: typeof came === "string" ? came : describe(came)
        })
      )
    )
  }

  /** Fails the check unless a condition holds. */
  holds(condition: boolean, expected: string, came: Came | string): Effect.Effect<void, Mismatch> {
    return condition ? Effect.void : this.mismatch(expected, came)
  }

  // --- packets ---------------------------------------------------------------------------------------------------------------

  /** A packet, inside a token where the network has a key. */
  packet(type: string, content: string | Bytes, options: PacketOptions = {}): Effect.Effect<Bytes> {
    return Effect.map(Clock.currentTimeMillis, (now) => {
      const networkId = options.networkId ?? this.subject.networkId
      const key = options.key ?? this.key
      const networkKey = options.networkKey ?? this.subject.networkKeys[0]
      const plain = bytesOf(content)
      const text = (value: string | Bytes) => typeof value === "string" ? value : textOf(value)
      const sealed = networkKey === undefined || options.clear === true || type === "err"
        ? plain
        : Packets.token(
          this.crypto,
          networkKey,
          options.envelope ?? `${text(networkId)}|${type}|${text(key)}|`,
          plain,
          now + (options.ahead ?? 0)
        )
      return Packets.packet(networkId, type, (options.damage ?? ((same) => same))(sealed), key, options.tail)
    })
  }

  /** A packet of a command. */
  command(type: "msg" | "rsp", command: Bytes, options: PacketOptions = {}): Effect.Effect<Bytes> {
    return this.packet(type, Packets.commandText(command), options)
  }

  /** A connection to the peer. */
  get dial(): Effect.Effect<Wire, Mismatch, Scope.Scope> {
    return Effect.matchEffect(this.place.transport.dial(this.subject.endpoint), {
      onSuccess: (connection) => Effect.succeed(new Wire(connection, this.note)),
      onFailure: (error) => this.mismatch("a connection", error.message)
    })
  }

  /** The content of a packet that came, out of its token, where it is of this type and this key. */
  content(came: Came, type: string, key = this.subject.key): Effect.Effect<Bytes, Mismatch> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (came._tag !== "Packet" || came.packet.type !== type) return this.mismatch(`a packet ${type}`, came)
      const { packet } = came
      if (packet.networkId !== this.subject.networkId) {
        return this.mismatch(`the network ${this.subject.networkId}`, came)
      }
      if (packet.key !== key) return this.mismatch(`the key ${key}`, came)
      if (this.subject.networkKeys.length === 0) return Effect.succeed(packet.content)
      const opened = Packets.untoken(this.crypto, this.subject.networkKeys, packet, now)
      return typeof opened === "string" ? this.mismatch("a token", opened) : Effect.succeed(opened)
    })
  }

  /** The command of such a packet. */
  commandOf(came: Came, type: "msg" | "rsp", key = this.subject.key): Effect.Effect<Bytes, Mismatch> {
    return Effect.flatMap(this.content(came, type, key), (content) => {
      const command = unbase64(textOf(content))
      return command === undefined ? this.mismatch("base64url", shown(content)) : Effect.succeed(command)
    })
  }

  /** That the next packet is an `err` with a code. */
  err(wire: Wire, code: string, millis?: number): Effect.Effect<Packets.Packet, Mismatch> {
    return Effect.flatMap(
      wire.packet(millis),
      (came) =>
        came._tag === "Packet" && came.packet.type === "err" && textOf(came.packet.content) === code
          ? Effect.succeed(came.packet)
          : this.mismatch(`an err ${code}`, came)
    )
  }

  /** That bytes, sent over a connection of their own, are refused with a code. */
  refused(code: string, bytes: Effect.Effect<Bytes>, what?: string): Effect.Effect<Packets.Packet, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      const wire = yield* this.dial
      const sent = yield* bytes
      yield* wire.write(sent, what === undefined ? shown(sent) : `${what}: ${shown(sent)}`)
      return yield* this.err(wire, code)
      // A node takes so many connections that prove nothing.
    }).pipe(Effect.scoped)
  }

  // --- RAW -------------------------------------------------------------------------------------------------------------------

  /** A stamp: the clock, and later than the last. */
  get stamp(): Effect.Effect<bigint> {
    return Effect.map(Clock.currentTimeNanos, (now) => {
      const micros = now / 1_000n
      return this.#stamp = micros > this.#stamp ? micros : this.#stamp + 1n
    })
  }

  /** The command of a RAW request. */
  raw(
    payload: string | Bytes,
    options: RequestOptions = {}
  ): Effect.Effect<{ readonly command: Bytes; readonly stamp: bigint }> {
    return Effect.map(this.stamp, (now) => {
      const stamp = options.stamp ?? now + (options.stampAhead ?? 0n)
      const body = Raw.body({
        kind: 0,
        to: this.server,
        name: this.name,
        ...options,
        networkId: options.boxedNetworkId ?? this.subject.networkId,
        stamp,
        payload: bytesOf(payload)
      })
      const command = Raw.seal(this.crypto, options.shared ?? this.shared, body, options.nonceBegins)
      return { command: (options.damageCommand ?? ((same) => same))(command), stamp }
    })
  }

  /** The packet of a RAW request. */
  request(payload: string | Bytes, options: RequestOptions = {}): Effect.Effect<Bytes> {
    return Effect.flatMap(this.raw(payload, options), ({ command }) => this.command("msg", command, options))
  }

  /** What an answer to RAW says. */
  answer(came: Came): Effect.Effect<Raw.Opened, Mismatch> {
    return Effect.flatMap(this.commandOf(came, "rsp"), (command) => {
      const opened = Raw.open(this.crypto, this.shared, command)
      return typeof opened === "string" ? this.mismatch("an answer of RAW", opened) : Effect.succeed(opened)
    })
  }

  /** Sends a RAW request over a connection, and gives its answer. */
  exchange(wire: Wire, payload: string | Bytes, options: RequestOptions = {}): Effect.Effect<Raw.Opened, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      yield* wire.write(yield* this.request(payload, options), `a RAW request ${shown(bytesOf(payload))}`)
      return yield* this.answer(yield* wire.packet())
    })
  }

  /** That the peer still does its work, over a new connection. */
  get alive(): Effect.Effect<void, Mismatch, Scope.Scope> {
    return Effect.gen({ self: this }, function*() {
      const other = this.another(`${this.name}-alive`)
      const { payload } = yield* other.exchange(yield* other.dial, "alive")
      yield* this.holds(textOf(payload) === "alive", "the echo of \"alive\"", shown(payload))
    })
  }

  // --- sessions --------------------------------------------------------------------------------------------------------------

  /** The properties that it says of itself. */
  properties(binary = true): ReadonlyArray<Curve.Property> {
    return [
      ["Pnet", "1"],
      ["Node", this.name],
      ["Network", this.subject.networkId],
      ...(binary ? [["Framing", "binary"] as const] : [])
    ]
  }

  /** A handshake with the peer, as far as WELCOME. */
  greeted(wire?: Wire): Effect.Effect<Greeted, Mismatch, Scope.Scope> {
    return Effect.gen({ self: this }, function*() {
      const on = wire ?? (yield* this.dial)
      const short = Curve.pairOf(this.crypto.generateKeyPair())
      yield* on.write(yield* this.command("msg", Curve.hello(this.crypto, short, this.server)), "HELLO")
      const command = yield* this.commandOf(yield* on.packet(), "rsp")
      const welcome = Curve.openWelcome(this.crypto, short, this.server, command)
      if (typeof welcome === "string") return yield* this.mismatch("WELCOME", welcome)
      const shared = Curve.between(this.crypto, welcome.server, short.secret)
      if (shared === undefined) return yield* this.mismatch("a short-term key", shown(welcome.server))
      return { wire: on, short, welcome, shared }
    })
  }

  /** INITIATE, as it should be unless told otherwise. */
  initiate(greeted: Greeted, options: Curve.InitiateOptions = {}, binary = true): Bytes {
    return Curve.initiate(
      this.crypto,
      greeted.short,
      this.identity,
      this.server,
      greeted.welcome,
      this.properties(binary),
      options
    )
  }

  /** That an INITIATE is refused with a code. */
  initiateRefused(code: string, options: Curve.InitiateOptions, packet: PacketOptions = {}) {
    return Effect.gen({ self: this }, function*() {
      const greeted = yield* this.greeted()
      yield* greeted.wire.write(yield* this.command("msg", this.initiate(greeted, options), packet), "INITIATE")
      return yield* this.err(greeted.wire, code)
    }).pipe(Effect.scoped)
  }

  /** A session that it dialled. */
  session(options: SessionOptions = {}): Effect.Effect<Session, Mismatch, Scope.Scope> {
    return Effect.gen({ self: this }, function*() {
      const greeted = yield* this.greeted()
      const { binary = true } = options
      const initiate = this.initiate(
        greeted,
        options.metadata === undefined ? {} : { metadata: Curve.metadata(options.metadata) },
        binary
      )
      yield* greeted.wire.write(yield* this.command("msg", initiate), "INITIATE")
      const command = yield* this.commandOf(yield* greeted.wire.packet(), "rsp")
      const metadata = Curve.openReady(this.crypto, greeted.shared, command)
      if (typeof metadata === "string") return yield* this.mismatch("READY", metadata)
      const said = Curve.readMetadata(metadata)
      if (typeof said === "string") return yield* this.mismatch("metadata", said)
      return new Session(this, greeted.wire, {
        role: "client",
        shared: greeted.shared,
        binary: binary && said.get("framing") === "binary",
        properties: said
      })
    })
  }

  /** A session of binary records, which it dialled. */
  get records(): Effect.Effect<Session, Mismatch | NotThere, Scope.Scope> {
    return Effect.filterOrFail(
      this.session(),
      ({ agreed }) => agreed.binary,
      () => new NotThere({ why: "the peer offers no binary records" })
    )
  }

  /** Its advert. */
  advert(port: number, host = this.place.host, name = this.name): Bytes {
    return utf8(`${name}@${host.includes(":") ? `[${host}]` : host}:${port}`)
  }
}

/** A handshake after WELCOME. */
export interface Greeted {
  readonly wire: Wire
  readonly short: Curve.Pair
  readonly welcome: Curve.Welcome
  readonly shared: Crypto.SharedKey
}
