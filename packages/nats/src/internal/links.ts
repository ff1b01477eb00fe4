/**
 * The links of a node over its one connection to NATS (protocol section 19): a channel of messages for each, with an id at either end.
 *
 * - `link.<id>` at the receiver carries a frame of a message link. Its reply is where the server says that the receiver is gone.
 * - `over.<id>` says that nobody has the link that a message came for: its node was started again, or gave it up.
 *
 * What bites: when the server is gone every link is over at once, since nobody knows what came through.
 */
import type { Channel, Receiver } from "@pnet/core/MessageLink"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import type * as Scope from "effect/Scope"
import * as Subjects from "../Subjects.ts"
import type { Bus, Event, Message } from "./bus.ts"
import { Pages } from "./pages.ts"

/** Bytes of a message. The client puts larger ones together of several reads, and copies them, which costs more than there being more of them. */
const chunk = 16_384

/** What all links together let others send at first: the server gives up a node that is behind by 64 MiB. */
const inAll = 16_777_216
const largestWindow = 524_288
const smallestWindow = 65_536

/** What may come before a link is taken. */
const mostEarly = 2 * smallestWindow
const perMessage = 128

const idLength = 9
const nothing = new Uint8Array(0)

/** Whether a text is the id of a link. */
export const isId = (text: string): boolean => /^[A-Za-z0-9_-]{12}$/.test(text)

/** One end of a link. */
export class NatsLink implements Channel {
  readonly id: string
  readonly maxMessage: number
  /** The token of the node at the other end. */
  readonly peer: string
  readonly #links: Links
  readonly #reply: string
  /** Where the other end hears of it, once that is known. */
  #subject = ""
  #receiver: Receiver | undefined
  #early: Array<Uint8Array> = []
  #earlyBytes = 0
  #lost: { readonly cause: unknown } | undefined
  #closed = false

  constructor(links: Links, id: string, peer: string) {
    this.id = id
    this.peer = peer
    this.#links = links
    this.maxMessage = Math.min(chunk, links.bus.maxPayload())
    this.#reply = links.bus.statusTo(`link.${id}`)
  }

  /** The other end has this id there. */
  meet(id: string): void {
    this.#subject = this.#links.bus.subject(this.peer, `link.${id}`)
  }

  open(receiver: Receiver): void {
    this.#receiver = receiver
    const early = this.#early
    this.#early = []
    for (const message of early) receiver.message(message)
    if (this.#lost !== undefined) receiver.closed(this.#lost.cause)
  }

  memory(length: number): Uint8Array {
    return this.#links.pages.take(length)
  }

  send(message: Uint8Array): boolean {
    const { bus, pages } = this.#links
    if (this.#closed) return true
    if (!bus.publish(this.#subject, message, this.#reply)) {
      this.lose(new Error(bus.isUp() ? "the NATS server takes no more" : "there is no NATS server"))
      return false
    }
    pages.sent(message)
    if (!bus.isFull()) return true
    this.#links.awaitRoom(this)
    return false
  }

  close(): void {
    this.#closed = true
    this.#early = []
    this.#links.remove(this)
  }

  receive(message: Uint8Array): void {
    if (this.#receiver !== undefined) return this.#receiver.message(message)
    this.#earlyBytes += message.length + perMessage
    if (this.#earlyBytes > mostEarly) this.lose(new Error("too much came before it was accepted"))
    else this.#early.push(message)
  }

  room(): void {
    this.#receiver?.room()
  }

  lose(cause: unknown): void {
    this.#links.remove(this)
    this.#lost ??= { cause }
    this.#receiver?.closed(cause)
  }
}

export class Links {
  readonly bus: Bus
  readonly pages: Pages
  readonly #entropy: (bytes: Uint8Array) => void
  readonly #run: (effect: Effect.Effect<void>) => void
  readonly #links = new Map<string, NatsLink>()
  /** Those that have more to send, in turn. */
  readonly #waiting = new Set<NatsLink>()
  #awaiting = false

  constructor(bus: Bus, entropy: (bytes: Uint8Array) => void, run: (effect: Effect.Effect<void>) => void) {
    this.bus = bus
    this.pages = new Pages(bus, chunk)
    this.#entropy = entropy
    this.#run = run
  }

  /** How many there are. */
  get size(): number {
    return this.#links.size
  }

  /** Bytes that a link lets its other end send: less where there are many. */
  get window(): number {
    return Math.max(smallestWindow, Math.min(largestWindow, Math.floor(inAll / (this.#links.size + 1))))
  }

  /** A link to a node, with an id that nobody can guess. */
  add(peer: string): NatsLink {
    const bytes = new Uint8Array(idLength)
    this.#entropy(bytes)
    const link = new NatsLink(this, Base64Url.encode(bytes), peer)
    this.#links.set(link.id, link)
    return link
  }

  remove(link: NatsLink): void {
    this.#links.delete(link.id)
    this.#waiting.delete(link)
  }

  /** Something came for a link, or what the server says of one. */
  receive({ data, from, reply, rest, status }: Message): void {
    const link = this.#links.get(rest)
    if (from === Subjects.server) {
      if (status === 503) link?.lose(new Error("its node is gone from the NATS server"))
    } else if (link !== undefined && link.peer === from) link.receive(data)
    else if (reply.startsWith("link.") && !this.bus.isFull()) {
      // What it says to this node is heard by nobody, and it would find out by silence.
      this.bus.publish(this.bus.subject(from, `over.${reply.slice(5)}`), nothing)
    }
  }

  over({ from, rest }: Message): void {
    const link = this.#links.get(rest)
    if (link?.peer === from) link.lose(new Error("its node does not know this connection any more"))
  }

  event({ _tag }: Event): void {
    if (_tag !== "Down") return
    this.pages.forget()
    for (const link of this.#links.values()) link.lose(new Error("the NATS server is gone"))
  }

  /** Tells a link when the server has taken what was sent. Each sends until there is no room again, so they have their turns. */
  awaitRoom(link: NatsLink): void {
    this.#waiting.delete(link)
    this.#waiting.add(link)
    if (this.#awaiting) return
    this.#awaiting = true
    this.#run(Effect.andThen(this.bus.room, Effect.sync(() => this.#tell())))
  }

  #tell(): void {
    this.#awaiting = false
    for (const link of this.#waiting) {
      if (this.bus.isFull()) break
      this.#waiting.delete(link)
      link.room()
    }
    const [next] = this.#waiting
    if (next !== undefined) this.awaitRoom(next)
  }
}

/** The links of a connection, until the scope closes. */
export const make = (
  bus: Bus,
  entropy: (bytes: Uint8Array) => void
): Effect.Effect<Links, never, Scope.Scope> =>
  Effect.gen(function*() {
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const links = new Links(bus, entropy, (effect) => void run(effect))
    const off = [
      bus.on("link", (message) => links.receive(message)),
      bus.on("over", (message) => links.over(message)),
      bus.watch((event) => links.event(event))
    ]
    yield* Effect.addFinalizer(() => Effect.sync(() => off.forEach((each) => each())))
    return links
  })
