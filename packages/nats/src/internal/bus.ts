/**
 * The connection of one node to its NATS servers, as the transport, the discovery and mail use it: messages from this node to another or to
 * all, of a kind each, and those that come, by their kind. Three subscriptions are all there are, however many links a node has.
 *
 * What it gives to whoever builds on it:
 *
 * - `publish` sends at once or says that it did not, and keeps nothing for later: while there is no server it says `false`. `isFull` says that
 *   the server has not taken what was sent; who has more to say waits for `room`. Beyond `mostOutstanding` nothing is sent.
 * - `on(kind, …)` is called for each message of a kind, in the order in which a sender said them; what is for all has `say.` or `any.` before its
 *   kind, so that nobody has all nodes answer what is asked of one. Its `from` is a node's token, or `_`, and what the server permitted the sender
 *   to call itself, if the operator wrote permissions. `data` is a view of what came: it keeps up to 64 KiB alive.
 * - With a `reply`, the server answers `status` 503, as `from` `_` and of the kind of the reply, when nobody hears the receiver: its connection
 *   is gone. It says nothing where the receiver is there and does not listen to the kind.
 * - `request` is one question with one answer: of that node and of nobody else, by its `from`.
 * - `watch` is called when the server is gone, when it is back, and when it forbids something. Nothing that was sent before is to be relied on.
 *
 * What bites: a message is at most once. The server drops what it cannot deliver, and says nothing of it.
 */
import type { Msg, NatsConnection, Status } from "@nats-io/nats-core"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { NatsError, NotPermittedError } from "../NatsError.ts"
import { type NatsOptions, serversOf } from "../NatsOptions.ts"
import * as Subjects from "../Subjects.ts"
import * as Client from "./client.ts"
import * as Tokens from "./tokens.ts"

/** A message that came, of one kind. */
export interface Message {
  /** The token of the node that sent it; `_` is the server. */
  readonly from: string
  /** What the subject has behind the kind; empty where there is nothing. */
  readonly rest: string
  readonly data: Uint8Array
  /** Where an answer is to go: what `publish` takes as `what`, to `from`. Empty where none is expected. */
  readonly reply: string
  /** 0, or what the server says of one that this node sent: 503 is that nobody is there. */
  readonly status: number
}

/**
 * - `Down`: there is no server; what was sent last may not have come anywhere
 * - `Up`: there is one again
 * - `Denied`: it does not permit something
 * - `Twin`: another connection speaks as this node; once
 */
export type Event =
  | { readonly _tag: "Down" }
  | { readonly _tag: "Up" }
  | { readonly _tag: "Denied"; readonly error: NotPermittedError }
  | { readonly _tag: "Twin" }

export interface Answer {
  readonly from: string
  readonly data: Uint8Array
}

/** Nobody answered a request: nobody is there (`Gone`), in time (`Timeout`), or it was not asked, without a server or among too many (`Down`). */
export type Unanswered = "Gone" | "Timeout" | "Down"

/** What the rest of this package needs of NATS. */
export interface Bus {
  /** The token of the network. */
  readonly network: string
  /** The token of this node. */
  readonly own: string
  readonly isUp: () => boolean
  /** The most bytes of a message, as the server says. */
  readonly maxPayload: () => number
  /** The subject from this node to another, or `all`. */
  readonly subject: (to: string, what: string) => string
  /** Where what the server says of it comes: as a message of the kind that `what` begins with. */
  readonly statusTo: (what: string) => string
  readonly publish: (subject: string, data: Uint8Array, reply?: string) => boolean
  readonly isFull: () => boolean
  /** What was sent by this connection, in bytes, and what of it the server has taken: what was sent before may be used again. */
  readonly sent: () => number
  readonly taken: () => number
  /** Waits until the server has taken most of what was sent, or there is none. */
  readonly room: Effect.Effect<void>
  /** One handler for each kind, as `ask`, `say.adv` or `any.list`. Gives what takes it away again. */
  readonly on: (kind: string, handle: (message: Message) => void) => () => void
  readonly watch: (listen: (event: Event) => void) => () => void
  readonly request: (
    to: string,
    what: string,
    data: Uint8Array,
    millis: number
  ) => Effect.Effect<Answer, Unanswered>
  /** The client itself, for JetStream. `undefined` where there is no server, or it has no JetStream. */
  readonly jetStream: () => NatsConnection | undefined
}

/** The connection of a node. */
export class Nats extends Context.Service<Nats, Bus>()("@pnet/nats/Nats") {}

// In bytes. The client holds what the socket has not taken, without a bound of its own.
const askedAfter = 262_144
const full = 1_048_576
const mostOutstanding = 33_554_432
// What a message costs beside its bytes.
const overhead = 128
const mostRequests = 16_384

const none = new Uint8Array(0)
const toAll = `${Subjects.everyone}.`

interface Pending {
  readonly to: string
  readonly done: (answer: Exit.Exit<Answer, Unanswered>) => void
}

export class NatsBus implements Bus {
  readonly network: string
  readonly own: string
  readonly #prefix: string
  readonly #mine: string
  readonly #replies: string
  readonly #handlers = new Map<string, (message: Message) => void>()
  readonly #listeners = new Set<(event: Event) => void>()
  readonly #pending = new Map<string, Pending>()
  #client: NatsConnection | undefined
  #up = false
  #hasTwin = false
  #sent = 0
  #marked = 0
  #taken = 0
  #asking = false
  #waiting: Deferred.Deferred<void> | undefined
  #requests = 0

  constructor(network: string, own: string) {
    this.network = network
    this.own = own
    this.#prefix = `pnet.${network}.`
    this.#mine = `${this.#prefix}${own}.`
    this.#replies = `${this.#prefix}${Subjects.server}.${own}.`
    this.on("r", (message) => this.#answered(message))
  }

  /** The subjects that it hears: what is for this node, what is for all, and of that what one of them takes. */
  get heard(): ReadonlyArray<{ readonly subject: string; readonly queue?: string }> {
    const all = `${this.#prefix}*.${Subjects.everyone}`
    return [
      { subject: `${this.#prefix}*.${this.own}.>` },
      { subject: `${all}.say.*` },
      { subject: `${all}.any.*`, queue: "any" }
    ]
  }

  /** Whether it is a subject of the node's network. */
  isOfNetwork(subject: string): boolean {
    return subject.startsWith(this.#prefix)
  }

  /** What has to be permitted, for something that was not. */
  permission(subject: string): string {
    if (!this.isOfNetwork(subject)) return subject
    const [from, to] = subject.slice(this.#prefix.length).split(".")
    return from === this.own
      ? `${this.#mine}>`
      : to === Subjects.everyone
      ? `${this.#prefix}*.${to}.>`
      : `${this.#prefix}*.${this.own}.>`
  }

  get heardAll(): ReadonlyArray<string> {
    return this.heard.map(({ subject }) => subject)
  }

  isUp(): boolean {
    return this.#up
  }

  maxPayload(): number {
    return this.#client?.info?.max_payload ?? 1_048_576
  }

  subject(to: string, what: string): string {
    return `${this.#mine}${to}.${what}`
  }

  statusTo(what: string): string {
    return this.#replies + what
  }

  publish(subject: string, data: Uint8Array, reply?: string): boolean {
    if (!this.#up || this.#sent - this.#taken > mostOutstanding) return false
    try {
      this.#client!.publish(subject, data, reply === undefined ? undefined : { reply })
    } catch {
      // It was closed a moment ago, or the message is longer than the server takes.
      return false
    }
    this.#sent += data.length + overhead
    if (!this.#asking && this.#sent - this.#marked >= askedAfter) this.#ask()
    return true
  }

  isFull(): boolean {
    return this.#sent - this.#taken > full
  }

  sent(): number {
    return this.#sent
  }

  taken(): number {
    return this.#taken
  }

  get room(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.#up || !this.isFull()) return Effect.void
      return Deferred.await(this.#waiting ??= Deferred.makeUnsafe<void>())
    })
  }

  on(kind: string, handle: (message: Message) => void): () => void {
    this.#handlers.set(kind, handle)
    return () => {
      if (this.#handlers.get(kind) === handle) this.#handlers.delete(kind)
    }
  }

  watch(listen: (event: Event) => void): () => void {
    this.#listeners.add(listen)
    return () => void this.#listeners.delete(listen)
  }

  request(to: string, what: string, data: Uint8Array, millis: number): Effect.Effect<Answer, Unanswered> {
    return Effect.callback<Answer, Unanswered>((resume) => {
      if (this.#pending.size >= mostRequests) return resume(Effect.fail("Down"))
      const id = String(++this.#requests)
      const done = (answer: Exit.Exit<Answer, Unanswered>) => {
        this.#pending.delete(id)
        resume(answer)
      }
      this.#pending.set(id, { to, done })
      if (!this.publish(this.subject(to, what), data, this.statusTo(`r.${id}`))) done(Exit.fail("Down"))
      return Effect.sync(() => this.#pending.delete(id))
    }).pipe(
      Effect.timeoutOrElse({ duration: millis, orElse: () => Effect.fail("Timeout" as const) })
    )
  }

  jetStream(): NatsConnection | undefined {
    return this.#up && this.#client?.info?.jetstream === true ? this.#client : undefined
  }

  /** A message of the client. */
  receive(message: Msg): void {
    const { subject } = message
    const fromAt = this.#prefix.length
    const toAt = subject.indexOf(".", fromAt) + 1
    const from = subject.slice(fromAt, toAt - 1)
    const status = from === Subjects.server ? message.headers?.code ?? 0 : 0
    // Whoever else there is in its place is nobody, and an answer to it might be for all.
    if (status === 0 && from.length !== Tokens.characters) return
    // The server sends nobody what he said himself.
    if (from === this.own) return this.#meetTwin()
    const kindAt = subject.indexOf(".", toAt) + 1
    const end = subject.startsWith(toAll, toAt) ? -1 : subject.indexOf(".", kindAt)
    const kind = end < 0 ? subject.slice(kindAt) : subject.slice(kindAt, end)
    const handle = this.#handlers.get(kind)
    if (handle === undefined) return
    handle({
      from,
      rest: end < 0 ? "" : subject.slice(end + 1),
      data: message.data ?? none,
      reply: this.#replyOf(message, from),
      status
    })
  }

  #replyOf(message: Msg, from: string): string {
    const { reply } = message
    if (reply === undefined || reply === "") return ""
    const expected = `${this.#prefix}${Subjects.server}.${from}.`
    return reply.startsWith(expected) ? reply.slice(expected.length) : ""
  }

  attach(client: NatsConnection): void {
    this.#client = client
    this.#reset(true)
  }

  /** What the client says of itself. */
  status(status: Status): void {
    if (status.type === "disconnect" || status.type === "close") this.#reset(false)
    else if (status.type === "reconnect") this.#reset(true)
    else if (status.type === "error") {
      const error = Client.deniedBy(status.error, (subject) => this.permission(subject))
      if (error !== undefined) this.#tell({ _tag: "Denied", error })
    }
  }

  detach(): void {
    this.#reset(false)
    this.#handlers.clear()
    this.#listeners.clear()
  }

  #reset(up: boolean): void {
    this.#sent = this.#marked = this.#taken = 0
    this.#asking = false
    if (this.#up === up) return
    this.#up = up
    this.#wake()
    if (!up) { for (const { done } of this.#pending.values()) done(Exit.fail("Down")) }
    this.#tell(up ? { _tag: "Up" } : { _tag: "Down" })
  }

  #meetTwin(): void {
    if (this.#hasTwin) return
    this.#hasTwin = true
    this.#tell({ _tag: "Twin" })
  }

  #tell(event: Event): void {
    for (const listen of this.#listeners) listen(event)
  }

  #wake(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    // Whoever goes on at once may fill it again, and wait for the next.
    this.#waiting = undefined
    Deferred.doneUnsafe(waiting, Effect.void)
  }

  /** Asks the server for a sign that it has taken what was sent. */
  #ask(): void {
    const client = this.#client!
    this.#asking = true
    const mark = this.#marked = this.#sent
    const taken = () => {
      // A connection later, it is about what nobody waits for.
      if (mark > this.#sent) return
      this.#asking = false
      this.#taken = mark
      if (this.#sent - this.#marked >= askedAfter) this.#ask()
      if (!this.isFull()) this.#wake()
    }
    client.flush().then(taken, () => undefined)
  }

  #answered({ data, from, rest, status }: Message): void {
    const pending = this.#pending.get(rest)
    if (pending === undefined) return
    if (from === Subjects.server) {
      if (status === 503) pending.done(Exit.fail("Gone"))
    } else if (pending.to === from || pending.to === Subjects.everyone) pending.done(Exit.succeed({ from, data }))
  }
}

/** Subscribes, and sees that the server permits what a node does. */
const open = (bus: NatsBus, client: NatsConnection): Effect.Effect<void, NotPermittedError | NatsError> =>
  Effect.gen(function*() {
    let denied: NotPermittedError | undefined
    const permission = (subject: string) => bus.permission(subject)
    for (const { queue, subject } of bus.heard) {
      client.subscribe(subject, {
        ...(queue === undefined ? {} : { queue }),
        callback: (error, message) => {
          if (error === null) bus.receive(message)
          else denied ??= Client.deniedBy(error, permission)
        }
      })
    }
    // Nobody listens to these. The server says what it forbids before it answers the flush, and the client tells of it in a while.
    const unwatch = bus.watch((event) => {
      if (event._tag === "Denied") denied ??= event.error
    })
    bus.attach(client)
    client.publish(bus.subject(Subjects.everyone, "say.hi"), none)
    client.publish(bus.subject(bus.own, "hi"), none)
    for (let i = 0; i < 2; i++) yield* Effect.ignore(Effect.tryPromise(() => client.flush()))
    unwatch()
    if (denied !== undefined) return yield* denied
  })

/** What the log says of a connection. */
export const logged = (bus: NatsBus, servers: ReadonlyArray<string>, run: (effect: Effect.Effect<void>) => void) => {
  const said = new Set<string>()
  return bus.watch((event) => {
    if (event._tag === "Denied") {
      // What JetStream forbids is a help that is not there. What is permitted of the own network has three forms, and whatever else a server says has any number.
      if (!bus.isOfNetwork(event.error.subject) || said.has(event.error.permission)) return
      said.add(event.error.permission)
      run(Effect.logError(event.error.message))
    } else if (event._tag === "Down") {
      run(Effect.logWarning(`the NATS server at ${servers.join(", ")} is gone; the node goes on trying to connect`))
    } else if (event._tag === "Twin") {
      run(Effect.logError(
        "another node speaks with this node's key at the NATS servers: connections of both of them break; give each node a key of its own"
      ))
    } else run(Effect.logInfo(`connected to a NATS server of ${servers.join(", ")}`))
  })
}

/** Connects a node, until the scope closes. With `wait` it goes on without a server, until there is one. */
export const make = (
  options: NatsOptions,
  networkToken: string,
  own: string
): Effect.Effect<Bus, NatsError, Scope.Scope> =>
  Effect.gen(function*() {
    const bus = new NatsBus(networkToken, own)
    const run = Effect.runForkWith(yield* Effect.context<never>())
    yield* Effect.addFinalizer(() => Effect.sync(() => bus.detach()))
    const scope = yield* Effect.scope
    const attempt = Effect.gen(function*() {
      const client = yield* Client.connect(options, {
        name: `pnet ${own}`,
        inboxPrefix: Subjects.inboxOf(networkToken, own)
      })
      yield* Stream.fromAsyncIterable(client.status(), () => undefined).pipe(
        Stream.runForEach((status) => Effect.sync(() => bus.status(status))),
        Effect.ignore,
        Effect.forkScoped({ startImmediately: true })
      )
      yield* open(bus, client)
    })
    // What one that failed has begun ends with it.
    const connected = Effect.gen(function*() {
      const own = yield* Scope.fork(scope)
      return yield* Scope.provide(attempt, own).pipe(
        Effect.onExit((exit) => Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void)
      )
    })
    const first = yield* Effect.exit(connected)
    if (Exit.isFailure(first)) {
      const error = Exit.findErrorOption(first)
      const isAbsent = error._tag === "Some" && error.value._tag === "NoServerError"
      if (!options.wait || !isAbsent) return yield* Effect.failCause(first.cause)
      yield* Effect.logWarning(error.value.message)
      yield* connected.pipe(
        Effect.tapError((error) => error._tag === "NoServerError" ? Effect.void : Effect.logError(error.message)),
        Effect.retry(Schedule.spaced(options.reconnectWait)),
        Effect.forkScoped
      )
    }
    const unwatch = logged(bus, serversOf(options), run)
    yield* Effect.addFinalizer(() => Effect.sync(unwatch))
    return bus
  })
