/** Where the kit is dialled, and what it answers as the side that accepted. */
import { Effect, Fiber, Option, Queue, type Scope } from "effect"
import { air } from "./air.ts"
import type { Kit, PacketOptions } from "./kit.ts"
import { Session } from "./session.ts"
import { type Bytes, equal, unbase64 } from "./speech/bytes.ts"
import * as Curve from "./speech/curve.ts"
import * as Raw from "./speech/raw.ts"
import type { Called, Mismatch, Order } from "./subject.ts"
import { type Came, Wire } from "./wire.ts"

/** A call that the peer was made to make. */
export interface Calling {
  /** What became of it. */
  readonly called: Effect.Effect<Called, Mismatch>
}

export class Door {
  readonly #kit: Kit
  readonly #wires: Queue.Queue<Wire>
  readonly #scope: Scope.Scope
  readonly port: number

  constructor(kit: Kit, wires: Queue.Queue<Wire>, scope: Scope.Scope, port: number) {
    this.#kit = kit
    this.#wires = wires
    this.#scope = scope
    this.port = port
  }

  /** The next connection on which the peer says more than its advert, and what it says. */
  next(millis = 5_000): Effect.Effect<{ readonly wire: Wire; readonly came: Came }, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      while (true) {
        const wire = yield* Effect.timeoutOption(Queue.take(this.#wires), millis)
        if (Option.isNone(wire)) return yield* this.#kit.mismatch("a connection of the peer's", `none in ${millis} ms`)
        let came = yield* wire.value.packet()
        if (came._tag === "Packet" && came.packet.type === "adv") {
          yield* wire.value.write(yield* this.#kit.packet("adv", this.#kit.advert(this.port)), "its advert")
          came = yield* wire.value.packet()
        }
        if (came._tag !== "Ended") return { wire: wire.value, came }
      }
    })
  }

  /** The advert of a peer that dials to ask whether this one is there. */
  probed(millis: number): Effect.Effect<Bytes, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      const wire = yield* Effect.timeoutOption(Queue.take(this.#wires), millis)
      if (Option.isNone(wire)) return yield* this.#kit.mismatch("a connection of the peer's", `none in ${millis} ms`)
      const advert = yield* this.#kit.content(yield* wire.value.packet(), "adv")
      yield* wire.value.write(yield* this.#kit.packet("adv", this.#kit.advert(this.port)), "its advert")
      const last = yield* wire.value.packet()
      yield* this.#kit.holds(last._tag === "Ended", "the end behind the answer", last)
      return advert
    })
  }

  /** Whether the peer dials within so long. */
  dialled(millis: number): Effect.Effect<boolean> {
    return Effect.map(Effect.timeoutOption(Queue.peek(this.#wires), millis), Option.isSome)
  }

  /** Makes the peer call. */
  order(order: Omit<Order, "peer">): Effect.Effect<Calling> {
    const place = this.#kit.place.order
    if (place === undefined) return Effect.die(new Error("there is nobody to order"))
    return Effect.map(
      Effect.forkIn(place({ ...order, peer: this.#kit.name }), this.#scope),
      (fiber): Calling => ({
        called: Effect.flatMap(
          Effect.timeoutOption(Fiber.join(fiber), "20 seconds"),
          Option.match({
            onNone: () => this.#kit.mismatch("an end of the peer's call", "none in 20 s"),
            onSome: (called) => Effect.succeed(called)
          })
        )
      })
    )
  }

  // --- RAW -------------------------------------------------------------------------------------------------------------------

  /** The request of the peer that came. */
  request(came: Came): Effect.Effect<Raw.Opened, Mismatch> {
    return Effect.flatMap(this.#kit.commandOf(came, "msg"), (command) => {
      const opened = Raw.open(this.#kit.crypto, this.#kit.shared, command)
      return typeof opened === "string" ? this.#kit.mismatch("a RAW request", opened) : Effect.succeed(opened)
    })
  }

  /** The packet of an answer to it. */
  answer(
    request: Raw.Opened,
    payload: Bytes,
    options: Partial<Raw.Body> & { readonly packet?: PacketOptions; readonly damage?: (command: Bytes) => Bytes } = {}
  ): Effect.Effect<Bytes> {
    const { damage = (same: Bytes) => same, packet, ...changed } = options
    const body = Raw.body({
      kind: 1,
      to: this.#kit.server,
      networkId: this.#kit.subject.networkId,
      name: this.#kit.name,
      stamp: request.stamp,
      payload,
      ...changed
    })
    return this.#kit.command("rsp", damage(Raw.seal(this.#kit.crypto, this.#kit.shared, body)), packet)
  }

  // --- sessions --------------------------------------------------------------------------------------------------------------

  /** HELLO, as it came. */
  hello(millis?: number): Effect.Effect<Greeting, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      const { came, wire } = yield* this.next(millis)
      const command = yield* this.#kit.commandOf(came, "msg")
      const client = Curve.openHello(this.#kit.crypto, this.#kit.identity, command)
      if (typeof client === "string") return yield* this.#kit.mismatch("HELLO", client)
      return {
        wire,
        client,
        mine: Curve.pairOf(this.#kit.crypto.generateKeyPair()),
        cookie: this.#kit.crypto.randomBytes(96)
      }
    })
  }

  /** Sends WELCOME, and gives what INITIATE proves. */
  initiated(greeting: Greeting): Effect.Effect<Curve.Initiated & { readonly said: Map<string, string> }, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      const { client, cookie, mine, wire } = greeting
      const kit = this.#kit
      yield* wire.write(yield* kit.command("rsp", this.welcome(greeting)), "WELCOME")
      const command = yield* kit.commandOf(yield* wire.packet(), "msg")
      const proved = Curve.openInitiate(kit.crypto, mine, kit.identity.public, client, command)
      if (typeof proved === "string") return yield* kit.mismatch("INITIATE", proved)
      yield* kit.holds(equal(proved.cookie, cookie), "the cookie as it was", "another cookie")
      yield* kit.holds(equal(proved.client, unbase64(kit.subject.key)!), "the peer's key as C", "another key")
      const said = Curve.readMetadata(proved.metadata)
      if (typeof said === "string") return yield* kit.mismatch("metadata", said)
      return { ...proved, said }
    })
  }

  /** The WELCOME to a HELLO. */
  welcome({ client, cookie, mine }: Greeting, options?: Curve.WelcomeOptions): Bytes {
    return Curve.welcome(this.#kit.crypto, mine, this.#kit.identity, client, cookie, options)
  }

  /** Completes the handshake of a connection that the peer made. */
  session(
    options: {
      readonly binary?: boolean
      readonly metadata?: ReadonlyArray<Curve.Property>
      readonly millis?: number
    } = {}
  ): Effect.Effect<Session, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      const { binary = true, metadata, millis } = options
      const kit = this.#kit
      const greeting = yield* this.hello(millis)
      const { said } = yield* this.initiated(greeting)
      const shared = Curve.between(kit.crypto, greeting.client, greeting.mine.secret)!
      const ready = Curve.ready(kit.crypto, shared, metadata ?? kit.properties(binary))
      yield* greeting.wire.write(yield* kit.command("rsp", ready), "READY")
      return new Session(kit, greeting.wire, {
        role: "server",
        shared,
        binary: binary && said.get("framing") === "binary",
        properties: said
      })
    })
  }
}

/** A HELLO that came, and what this side draws for it. */
export interface Greeting {
  readonly wire: Wire
  /** C' */
  readonly client: Bytes
  /** S' */
  readonly mine: Curve.Pair
  readonly cookie: Bytes
}

/** Listens, and tells the LAN where. */
export const open = (kit: Kit): Effect.Effect<Door, Mismatch, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const listener = yield* Effect.orDie(kit.place.transport.listen)
    const wires = yield* Queue.unbounded<Wire>()
    yield* Effect.forkScoped(
      listener.run((connection) => Effect.andThen(Queue.offer(wires, new Wire(connection, kit.note)), Effect.never))
    )
    const { port } = listener.endpoint
    const on = yield* air(kit)
    yield* on.tell(yield* kit.packet("adv", kit.advert(port)), "an advert")
    // The peer answers when it has entered it; or not, where it has answered many.
    yield* on.hear(400)
    return new Door(kit, wires, scope, port)
  })
