/**
 * Connections between nodes over NATS (protocol section 19). Who dials asks the node, `dial.<port>`, with the id of a link; who accepts answers
 * with his. Where the node has no connection to NATS the server says so at once; where nobody listens there, the node does.
 */
import * as Crypto from "@pnet/core/Crypto"
import * as DerivedHost from "@pnet/core/DerivedHost"
import * as MessageLink from "@pnet/core/MessageLink"
import { type Endpoint, ListenError } from "@pnet/core/Network"
import { NodeConfig } from "@pnet/core/NodeOptions"
import { type Connection, DialError, type Listener, type Listening, Transport } from "@pnet/core/Transport"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Subjects from "../Subjects.ts"
import { type Bus, type Message, Nats, type Unanswered } from "./bus.ts"
import * as Links from "./links.ts"
import { utf8 } from "./platform.ts"

const version = 1
const refused = Uint8Array.of(0)

/** A node has one address, so that one listener of it needs no port of its own. */
export const port = 1

/** Connections that wait to be accepted. More are not answered. */
const backlog = 1_024

/** The byte that says what it is, and an id. */
const withId = (first: number, id: string): Uint8Array => {
  const bytes = new Uint8Array(1 + id.length)
  bytes[0] = first
  bytes.set(utf8(id), 1)
  return bytes
}

const idIn = (bytes: Uint8Array): string | undefined => {
  if (bytes.length > 64) return undefined
  let id = ""
  for (let i = 1; i < bytes.length; i++) id += String.fromCharCode(bytes[i]!)
  return Links.isId(id) ? id : undefined
}

/** Who listens, at one connection to NATS. */
export class Doors {
  readonly links: Links.Links
  readonly #doors = new Map<number, Queue.Queue<Links.NatsLink>>()
  #ports = 40_000

  constructor(links: Links.Links) {
    this.links = links
  }

  /** Listeners that are open. */
  get size(): number {
    return this.#doors.size
  }

  open(at: number): { readonly port: number; readonly door: Queue.Queue<Links.NatsLink> } | undefined {
    let chosen = at
    while (chosen === 0 || at === 0 && this.#doors.has(chosen)) chosen = ++this.#ports
    if (this.#doors.has(chosen)) return undefined
    const door = Effect.runSync(Queue.dropping<Links.NatsLink>(backlog))
    this.#doors.set(chosen, door)
    return { port: chosen, door }
  }

  close(at: number): void {
    this.#doors.delete(at)
  }

  /** Somebody wants a connection. */
  receive({ data, from, reply, rest, status }: Message): void {
    const { bus } = this.links
    if (status !== 0 || reply === "" || !Subjects.isNode(from)) return
    const door = this.#doors.get(Number(rest))
    const id = idIn(data)
    const answer = (bytes: Uint8Array) => bus.publish(bus.subject(from, reply), bytes)
    // Another version says so by the first byte; it is refused, since there is only this one.
    if (door === undefined || id === undefined || data[0] !== version) return void answer(refused)
    const link = this.links.add(from)
    link.meet(id)
    if (!Queue.offerUnsafe(door, link)) link.close()
    else if (!answer(withId(1, link.id))) link.lose(new Error("there is no NATS server"))
  }
}

const dialError = (endpoint: Endpoint, why: Unanswered | "Refused"): DialError =>
  new DialError({
    kind: why === "Timeout" ? "Timeout" : why === "Down" ? "Unreachable" : "Refused",
    host: endpoint.host,
    port: endpoint.port
  })

const connect = (
  links: Links.Links,
  link: Links.NatsLink,
  remote: Endpoint | undefined,
  { pingInterval }: Options
): Effect.Effect<Connection, never, Scope.Scope> =>
  Effect.suspend(() => MessageLink.make(link, { remote, window: links.window, pingInterval, relayed: true }))

const dial = (
  { links }: Doors,
  endpoint: Endpoint,
  options: Options
): Effect.Effect<Connection, DialError, Scope.Scope> =>
  Effect.gen(function*() {
    const peer = Subjects.ofHost(endpoint.host)
    const timeout = Duration.toMillis(Duration.fromInputUnsafe(options.dialTimeout))
    const link = yield* Effect.acquireRelease(Effect.sync(() => links.add(peer)), (link) =>
      Effect.sync(() => link.close()))
    const { data } = yield* links.bus.request(peer, `dial.${endpoint.port}`, withId(version, link.id), timeout).pipe(
      Effect.mapError((why) =>
        dialError(endpoint, why)
      )
    )
    const id = data[0] === 1 ? idIn(data) : undefined
    if (id === undefined) return yield* dialError(endpoint, "Refused")
    link.meet(id)
    return yield* connect(links, link, endpoint, options)
  })

const listen = (
  doors: Doors,
  options: Options
): Effect.Effect<Listener, ListenError, Scope.Scope> =>
  Effect.gen(function*() {
    const opened = yield* Effect.acquireRelease(
      Effect.sync(() => doors.open(options.port)),
      (opened) => {
        if (opened === undefined) return Effect.void
        doors.close(opened.port)
        return Effect.map(Queue.clear(opened.door), (waiting) => {
          for (const link of waiting) link.close()
        })
      }
    )
    if (opened === undefined) {
      return yield* new ListenError({ kind: "PortInUse", host: options.host, port: options.port })
    }
    const { links } = doors
    const remoteOf = ({ peer }: Links.NatsLink): Endpoint | undefined =>
      options.trustSenders ? { host: Subjects.hostOf(peer), port } : undefined
    const run: Listener["run"] = (handler) =>
      Effect.gen(function*() {
        const handlers = yield* Effect.scope
        while (true) {
          const link = yield* Queue.take(opened.door)
          yield* connect(links, link, remoteOf(link), options).pipe(
            Effect.flatMap(handler),
            Effect.scoped,
            Effect.catchCause((cause) =>
              Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : Effect.logError("a handler died", cause)
            ),
            Effect.forkIn(handlers)
          )
        }
      }).pipe(Effect.scoped) as Effect.Effect<never, never, never>
    return { endpoint: { host: options.host, port: opened.port }, run }
  })

export interface Options {
  /** The address of this node. */
  readonly host: string
  /** 0 is any free one. */
  readonly port: number
  readonly dialTimeout: Duration.Input
  /** Whether the server lets a node publish as itself alone: then a connection comes from the address of its node, and else from none. */
  readonly trustSenders: boolean
  /** How often a link looks whether anything came, as `MessageLink` says. */
  readonly pingInterval?: Duration.Input | undefined
}

/** What listens and dials at one connection to NATS, until the scope closes. */
export const doors = (bus: Bus): Effect.Effect<Doors, never, Scope.Scope> =>
  Effect.gen(function*() {
    const doors = new Doors(yield* Links.make(bus, yield* Crypto.Entropy))
    const off = bus.on("dial", (message) => doors.receive(message))
    yield* Effect.addFinalizer(() => Effect.sync(off))
    return doors
  })

export const make = (doors: Doors, options: Options): Listening => {
  const dials = ({ host }: Endpoint) => DerivedHost.is(host)
  return {
    listen: listen(doors, options),
    dials,
    dial: (endpoint) =>
      dials(endpoint)
        ? dial(doors, endpoint, options)
        : Effect.fail(new DialError({ kind: "Unreachable", host: endpoint.host, port: endpoint.port }))
  }
}

/** The transport of a node. */
export const layer = (
  options: { readonly trustSenders: boolean }
): Layer.Layer<Transport, never, Nats | NodeConfig> =>
  Layer.effect(
    Transport,
    Effect.gen(function*() {
      const { identity, limits } = yield* NodeConfig
      return make(yield* doors(yield* Nats), {
        host: DerivedHost.ofKey(Subjects.kind, identity.publicKey),
        port,
        dialTimeout: limits.dialTimeout,
        trustSenders: options.trustSenders
      })
    })
  )
