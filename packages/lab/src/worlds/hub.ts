/**
 * A hub in the process by which nodes find each other and are connected: a `Transport` and a `Discovery` that have nothing to do with IP. Both
 * keep all that the compliance suites ask of them, so what is built over them is what can be built over a broker.
 */
import * as Adverts from "@pnet/core/Adverts"
import * as DerivedHost from "@pnet/core/DerivedHost"
import * as Discovery from "@pnet/core/Discovery"
import * as MessageLink from "@pnet/core/MessageLink"
import { type Endpoint, ListenError } from "@pnet/core/Network"
import * as NodeOptions from "@pnet/core/NodeOptions"
import * as Reach from "@pnet/core/Reach"
import * as Transport from "@pnet/core/Transport"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Channels from "./channels.ts"

const clean = new Transport.ConnectionClosedError({ clean: true })
const broken = new Transport.ConnectionClosedError({ clean: false })

/** Bytes in one direction, of which so many may wait for a reader. */
export const held = 262_144

class Pipe {
  #chunks: Array<Uint8Array> = []
  #size = 0
  /** How it ended, for who reads what is left; and for who would write more. */
  #ended: Transport.ConnectionClosedError | undefined
  readonly #news = Latch.makeUnsafe(false)
  readonly #room = Latch.makeUnsafe(true)

  readonly pull: Transport.Connection["pull"] = Effect.suspend((): Transport.Connection["pull"] => {
    const [first, ...rest] = this.#chunks
    if (first !== undefined) {
      this.#chunks = []
      this.#size = 0
      this.#room.openUnsafe()
      return Effect.succeed<NonEmptyReadonlyArray<Uint8Array>>([first, ...rest])
    }
    if (this.#ended !== undefined) return Effect.fail(this.#ended)
    this.#news.closeUnsafe()
    return Effect.andThen(this.#news.await, this.pull)
  })

  readonly write: Transport.Connection["write"] = (bytes) =>
    Effect.suspend(() => {
      if (this.#ended !== undefined) return Effect.fail(this.#ended)
      if (this.#size >= held) {
        this.#room.closeUnsafe()
        return Effect.andThen(this.#room.await, this.write(bytes))
      }
      if (bytes.length > 0) this.#chunks.push(bytes.slice())
      this.#size += bytes.length
      this.#news.openUnsafe()
      return Effect.void
    })

  end(how: Transport.ConnectionClosedError): void {
    this.#ended ??= how
    this.#news.openUnsafe()
    this.#room.openUnsafe()
  }

  /** Nobody reads it any more. */
  abandon(): void {
    this.#chunks = []
    this.#ended = broken
    this.end(broken)
  }
}

type Accept = (remote: Endpoint) => Effect.Effect<Transport.Connection, never, Scope.Scope>

interface Call {
  readonly from: Endpoint
  readonly accept: Accept
  /** Nobody accepts it. */
  readonly refuse: Effect.Effect<void>
  /** Breaks it off, without an end, once there is a byte. */
  readonly breakOff: Effect.Effect<void>
}

/** Where nodes meet. */
export class Hub {
  /** How its connections are made. */
  readonly wire: (hub: Hub) => Effect.Effect<readonly [dialled: Accept, Omit<Call, "from">]>
  readonly adverts = Effect.runSync(PubSub.unbounded<{ readonly from: Endpoint; readonly packet: Uint8Array }>({}))
  readonly doors = new Map<string, Queue.Queue<Call>>()
  /** Connections and listeners that are open, and connections that were made. */
  open = 0
  made = 0
  #port = 40_000

  constructor(wire: Hub["wire"] = pipes) {
    this.wire = wire
  }

  nextPort(): number {
    return ++this.#port
  }
}

const keyOf = ({ host, port }: Endpoint) => `${host} ${port}`

const side = (hub: Hub, read: Pipe, write: Pipe, remote: Endpoint): Effect.Effect<
  Transport.Connection,
  never,
  Scope.Scope
> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      hub.open++
      return { remote, pull: read.pull, write: write.write, end: Effect.sync(() => write.end(clean)) }
    }),
    () =>
      Effect.sync(() => {
        hub.open--
        // First: whoever hears the end may end the other direction at once.
        read.abandon()
        write.end(clean)
      })
  )

/** Connections that are pipes of bytes. */
const pipes: Hub["wire"] = (hub) =>
  Effect.sync(() => {
    const [there, back] = [new Pipe(), new Pipe()]
    const refuse = () => {
      there.abandon()
      back.end(broken)
    }
    return [(remote) => side(hub, back, there, remote), {
      accept: (remote) => side(hub, there, back, remote),
      refuse: Effect.sync(refuse),
      breakOff: Effect.andThen(Effect.exit(there.pull), Effect.sync(refuse))
    }]
  })

/** A hub whose connections are links over channels of messages, which bring some for as long as the scope is open. */
export const ofLinks = (
  options: Channels.Options & Omit<MessageLink.Options, "remote"> = {}
): Effect.Effect<Hub, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    const sideOf = (hub: Hub, channel: Channels.End): Accept => (remote) =>
      Effect.andThen(
        Effect.acquireRelease(Effect.sync(() => hub.open++), () => Effect.sync(() => hub.open--)),
        MessageLink.make(channel, { ...options, remote })
      )
    return new Hub((hub) =>
      Effect.map(Scope.provide(Channels.make(options), scope), ([near, far]) => [sideOf(hub, near), {
        accept: sideOf(hub, far),
        refuse: Effect.sync(() => far.kill()),
        breakOff: Effect.callback<void>((resume) => {
          far.open({
            message: () => {
              far.kill()
              resume(Effect.void)
            },
            room: () => {},
            closed: () => resume(Effect.void)
          })
        })
      }])
    )
  })

/** The transport of who has an address at a hub. */
export const transport = (hub: Hub, own: Endpoint): Transport.Listening => ({
  listen: Effect.gen(function*() {
    const endpoint = own.port === 0 ? { ...own, port: hub.nextPort() } : own
    const key = keyOf(endpoint)
    if (hub.doors.has(key)) return yield* new ListenError({ kind: "PortInUse", ...endpoint })
    const door = yield* Queue.unbounded<Call>()
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        hub.open++
        hub.doors.set(key, door)
      }),
      () =>
        Effect.gen(function*() {
          hub.open--
          hub.doors.delete(key)
          for (const { refuse } of yield* Queue.clear(door)) yield* refuse
        })
    )
    const run: Transport.Listener["run"] = (handler) =>
      Queue.take(door).pipe(
        Effect.flatMap(({ accept, from }) => Effect.forkScoped(Effect.scoped(Effect.flatMap(accept(from), handler)))),
        Effect.forever,
        Effect.scoped
      ) as Effect.Effect<never>
    return { endpoint, run }
  }),
  dials: ({ host }) => DerivedHost.is(host),
  dial: (to) =>
    Effect.gen(function*() {
      if (!DerivedHost.is(to.host)) {
        return yield* new Transport.DialError({ kind: "Unreachable", host: to.host, port: to.port })
      }
      const door = hub.doors.get(keyOf(to))
      if (door === undefined) return yield* new Transport.DialError({ kind: "Refused", host: to.host, port: to.port })
      const [dialled, call] = yield* hub.wire(hub)
      hub.made++
      yield* Queue.offer(door, { ...call, from: { host: own.host, port: hub.nextPort() } })
      return yield* dialled({ host: to.host, port: to.port })
    })
})

/** Breaks off, without an end, every connection to an endpoint once it was sent a byte, until the scope closes. */
export const breaking = (hub: Hub, own: Endpoint): Effect.Effect<Endpoint, never, Scope.Scope> =>
  Effect.gen(function*() {
    const endpoint = { ...own, port: hub.nextPort() }
    const door = yield* Queue.unbounded<Call>()
    hub.doors.set(keyOf(endpoint), door)
    yield* Effect.addFinalizer(() => Effect.sync(() => hub.doors.delete(keyOf(endpoint))))
    yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(door), ({ breakOff }) => breakOff)))
    return endpoint
  })

/** The address of a node at every hub. */
const ownHost = Effect.map(NodeOptions.NodeConfig, ({ identity }) => DerivedHost.ofKey("hub", identity.publicKey))

/** Connections by a hub, for who listens there or only dials. */
export const layerTransport = (hub: Hub, listens = true) =>
  Layer.effect(
    Transport.Transport,
    Effect.map(ownHost, (host): Transport.Transport["Service"] => {
      const listening = transport(hub, { host, port: 1 })
      return listens ? listening : { ...listening, listen: undefined }
    })
  )

/** Nodes that are heard of at a hub. */
export const layerDiscovery = (hub: Hub) =>
  Layer.effect(
    Discovery.Discovery,
    Effect.gen(function*() {
      const { broadcastInterval, identity } = yield* NodeOptions.NodeConfig
      const adverts = yield* Adverts.make
      const heard = yield* PubSub.subscribe(hub.adverts)
      let listening: Endpoint | undefined
      const say = (endpoint: Endpoint) =>
        Effect.suspend(() =>
          PubSub.publish(hub.adverts, { from: listening ?? endpoint, packet: adverts.packet(endpoint) })
        )
      return {
        advertise: (own) =>
          own === undefined ? Effect.void : Effect.gen(function*() {
            listening = own
            // Who leaves answers nobody any more.
            yield* Effect.addFinalizer(() => {
              listening = undefined
              return PubSub.publish(hub.adverts, { from: own, packet: adverts.packet({ ...own, port: 0 }) })
            })
            yield* Effect.forkScoped(Effect.repeat(say(own), Schedule.spaced(broadcastInterval)))
          }),
        sightings: Stream.fromSubscription(heard).pipe(
          Stream.flatMap(({ from, packet }) => {
            const read = adverts.read(packet)
            if (Result.isFailure(read) || read.success.publicKey === identity.publicKey) return Stream.empty
            const { advert: { host, name, port }, publicKey } = read.success
            const answer = Effect.suspend(() => listening === undefined ? Effect.void : Effect.asVoid(say(listening)))
            return Stream.succeed<Discovery.Sighting>({
              name,
              publicKey,
              endpoint: { host, port },
              source: from,
              via: "hub",
              answer
            })
          })
        )
      }
    })
  )

/** A hub as a way to reach peers. */
export const reach = (hub: Hub, options: { readonly listens: boolean } = { listens: true }) =>
  Reach.layer("hub", { transport: layerTransport(hub, options.listens), discovery: layerDiscovery(hub) })
