/**
 * The topics of a node: what it publishes, and what it subscribes to. One for each node, over its sessions and over what it and its peers offer.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import type { Allow } from "../../Allow.ts"
import { Crypto } from "../../Crypto.ts"
import { nowUnsafe } from "../../Deadline.ts"
import { NodeClosedError } from "../../FunctionError.ts"
import { NodeConfig } from "../../NodeOptions.ts"
import * as Offer from "../../Offer.ts"
import type { Interest } from "../../Offer.ts"
import { Peers } from "../../Peers.ts"
import * as Topic from "../../Topic.ts"
import { Trust } from "../../Trust.ts"
import * as Metrics from "../base/metrics.ts"
import * as Seldom from "../base/seldom.ts"
import type { Own } from "../offers/own.ts"
import { whileHolds } from "../session/serving.ts"
import { SessionInside } from "../session/sessions.ts"
import { Hearing } from "./hearing.ts"
import type { Listener } from "./listener.ts"
import { Memory } from "./memory.ts"
import { type Publication, Publishing, type Waited } from "./publishing.ts"
import { maxPayload } from "./records.ts"
import { type Options as RowsOptions, Rows } from "./rows.ts"
import { Subscription } from "./subscription.ts"

/** Whom a publication waits for, and how long. */
export interface Waits {
  readonly for?: "*" | string | ReadonlyArray<string> | undefined
  readonly groups?: "*" | string | ReadonlyArray<string> | undefined
  readonly within: Duration.Input
}

/** What a subscription asks for; what is left out is as the protocol has it. */
export interface Asked {
  readonly topic: string
  readonly contract: string | undefined
  readonly mode?: Interest["mode"] | undefined
  readonly size?: number | undefined
  readonly drop?: Interest["drop"] | undefined
  readonly retained?: boolean | undefined
  readonly group?: string | undefined
  readonly allow?: Allow | undefined
}

export type PublishError =
  | Topic.TopicFullError
  | Topic.TopicTooLargeError
  | Topic.TopicLimitError
  | Topic.InvalidPublicationError
  | NodeClosedError

const interestOf = (id: number, { allow: _allow, ...asked }: Asked): Interest => {
  const given = Object.entries(asked).filter(([, value]) => value !== undefined)
  return Offer.interest({ ...Object.fromEntries(given) as Omit<Offer.InterestInput, "id">, id })
}

const namesOf = (target: Waits["for"]): ReadonlyArray<string> =>
  target === undefined || target === "*" ? [] : typeof target === "string" ? [target] : target

const isMeantBy = (target: Waits["for"]) => (name: string): boolean =>
  target === "*" || target === name || Array.isArray(target) && target.includes(name)

/** Whoever waits for all waits for groups, too, where nothing else is said. */
const waitedOf = ({ for: target, groups = target === "*" ? "*" : undefined }: Waits): Waited => {
  const isPeer = isMeantBy(target)
  return {
    peer: ({ name }) => isPeer(name),
    group: isMeantBy(groups),
    peers: namesOf(target),
    groups: namesOf(groups)
  }
}

export class Topics {
  readonly publishing: Publishing
  readonly hearing: Hearing
  /** What waits for peers, and in subscriptions. */
  readonly waiting: Memory
  readonly #grouped: Memory
  readonly #rows: Memory
  readonly #clock: Clock.Clock
  readonly #closed: NodeClosedError
  readonly #onMissed: (count: number) => void
  readonly #open = new Set<Subscription>()
  #isClosed = false

  constructor(parts: {
    readonly publishing: Publishing
    readonly hearing: Hearing
    readonly waiting: Memory
    readonly grouped: Memory
    readonly rows: Memory
    readonly clock: Clock.Clock
    readonly closed: NodeClosedError
    readonly onMissed: (count: number) => void
  }) {
    this.#onMissed = parts.onMissed
    this.publishing = parts.publishing
    this.hearing = parts.hearing
    this.waiting = parts.waiting
    this.#grouped = parts.grouped
    this.#rows = parts.rows
    this.#clock = parts.clock
    this.#closed = parts.closed
  }

  /** Bytes that are held: of what waits for peers and subscriptions, and for groups, of what is retained of its own topics, and of what its tables hold. */
  get held(): Record<"waiting" | "grouped" | "retained" | "rows", number> {
    return {
      waiting: this.waiting.held,
      grouped: this.#grouped.held,
      retained: this.publishing.retainedBytes,
      rows: this.#rows.held
    }
  }

  // --- publishing ------------------------------------------------------------------------------------------------------

  /** Where it is known what peers subscribe to it is one step. */
  publish(publication: Publication, waits: Waits | undefined): Effect.Effect<void, PublishError> {
    if (this.publishing.isAwake) return this.#publish(publication, waits)
    return Effect.andThen(this.publishing.wake, Effect.suspend(() => this.#publish(publication, waits)))
  }

  #publish(publication: Publication, waits: Waits | undefined): Effect.Effect<void, PublishError> {
    if (this.#isClosed) return Effect.fail(this.#closed)
    const { body, contract, topic: name } = publication
    if (body.length > maxPayload) return Effect.fail(new Topic.TopicTooLargeError({ topic: name, limit: maxPayload }))
    const { publishing } = this
    const topic = publishing.topic(name, contract, publication)
    if (topic === "full") return Effect.fail(new Topic.TopicLimitError({ topic: name, limit: "topics" }))
    if (topic === "contract") {
      return Effect.fail(
        new Topic.InvalidPublicationError({ topic: name, issue: "this node publishes it by another contract" })
      )
    }
    const waited = waits === undefined ? undefined : waitedOf(waits)
    if (waits !== undefined && waited !== undefined) {
      const full = publishing.full(topic, publication, waited)
      if (full.length > 0 || !publishing.hasAll(topic, waited)) {
        return this.#publishWhenThereIsRoom(publication, waits, waited)
      }
    }
    publishing.say(topic, this.#clock.currentTimeMillisUnsafe(), publication, waited)
    return Effect.void
  }

  #publishWhenThereIsRoom(
    publication: Publication,
    waits: Waits,
    waited: Waited
  ): Effect.Effect<void, PublishError> {
    const { contract, topic: name } = publication
    const hasRoom = Effect.suspend((): Effect.Effect<void> => {
      const topic = this.publishing.topic(name, contract, {})
      // Why there is none any more is found where it is published.
      if (typeof topic === "string" || this.#isClosed) return Effect.void
      const { rooms } = this.publishing
      return this.publishing.full(topic, publication, waited).length === 0 && this.publishing.hasAll(topic, waited)
        ? Effect.void
        : Effect.andThen(this.publishing.room(rooms), hasRoom)
    })
    const publish = Effect.suspend(() => this.#publish(publication, waits))
    const late = Effect.suspend((): Effect.Effect<void, PublishError> => {
      const topic = this.publishing.topic(name, contract, {})
      if (typeof topic === "string" || this.#isClosed) return publish
      const waitedFor = [...this.publishing.full(topic, publication, waited)]
      const absent = [...this.publishing.absent(topic, waited)]
      // It came to be in the last moment.
      if (waitedFor.length === 0 && absent.length === 0) return publish
      return Effect.fail(new Topic.TopicFullError({ topic: name, waitedFor, absent }))
    })
    return Effect.scoped(Effect.andThen(
      // Who comes is seen for as long as somebody waits.
      this.publishing.used,
      Effect.timeoutOrElse(
        // In the step in which there is room.
        Effect.andThen(hasRoom, publish),
        { duration: waits.within, orElse: () => late }
      )
    ))
  }

  /** Has what is retained of a key go. */
  retract(name: string, contract: string | undefined, key: string): Effect.Effect<void, NodeClosedError> {
    return Effect.suspend(() => {
      if (this.#isClosed) return Effect.fail(this.#closed)
      this.publishing.retract(name, contract, key, this.#clock.currentTimeMillisUnsafe())
      return Effect.void
    })
  }

  /**
   * Waits until what was published has come to those it is for, and what publishers are answered is on its way; gives how many of them are left when
   * the time is up.
   */
  flush(within: Duration.Input = "10 seconds"): Effect.Effect<number> {
    return Effect.suspend(() => {
      const millis = Duration.toMillis(Duration.fromInputUnsafe(within))
      const { hearing, publishing } = this
      const answered = whileHolds(() => hearing.unsettled > 0, millis, () => nowUnsafe(this.#clock))
      return Effect.map(
        Effect.all([publishing.flush(millis), answered], { concurrency: 2 }),
        ([left]) => left + hearing.unsettled
      )
    })
  }

  // --- subscribing -----------------------------------------------------------------------------------------------------

  /** A subscription, until the scope closes. */
  subscribe(
    asked: Asked,
    events: boolean
  ): Effect.Effect<Subscription, Topic.TopicLimitError | NodeClosedError, Scope.Scope> {
    return this.#listen((id) => {
      const owner = `subscription ${id}`
      return new Subscription({
        interest: interestOf(id, asked),
        allow: asked.allow,
        events,
        has: (bytes, all) => this.waiting.has(owner, bytes, all),
        take: (bytes) => this.waiting.take(owner, bytes),
        give: (bytes) => {
          this.waiting.give(owner, bytes)
          this.publishing.roomMade()
        },
        onMissed: this.#onMissed
      })
    }, asked.topic)
  }

  /** Holds last values, until the scope closes. */
  table(
    asked: Asked,
    options: Pick<RowsOptions, "full" | "put" | "remove" | "weigh">
  ): Effect.Effect<Rows, Topic.TopicLimitError | NodeClosedError, Scope.Scope> {
    return this.#listen((id) =>
      new Rows({
        ...options,
        interest: interestOf(id, asked),
        allow: asked.allow,
        take: (owner, bytes) => this.#rows.take(owner, bytes),
        give: (owner, bytes) => this.#rows.give(owner, bytes)
      }), asked.topic)
  }

  #listen<L extends Listener & { readonly close: () => void }>(
    make: (id: number) => L,
    topic: string
  ): Effect.Effect<L, Topic.TopicLimitError | NodeClosedError, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.suspend((): Effect.Effect<L, Topic.TopicLimitError | NodeClosedError> => {
        if (this.#isClosed) return Effect.fail(this.#closed)
        if (!this.hearing.hasRoom) return Effect.fail(new Topic.TopicLimitError({ topic, limit: "subscriptions" }))
        const listener = make(this.hearing.nextId())
        this.hearing.listen(listener)
        this.publishing.listen(listener)
        if (listener instanceof Subscription) this.#open.add(listener)
        return Effect.succeed(listener)
      }),
      (listener) =>
        Effect.sync(() => {
          if (listener instanceof Subscription) this.#open.delete(listener)
          listener.close()
          this.hearing.unlisten(listener)
          this.publishing.unlisten(listener)
        })
    )
  }

  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#isClosed = true
      for (const subscription of this.#open) subscription.fail(this.#closed)
      return this.publishing.close
    })
  }
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** Until the scope closes. */
export const make = (own: Own) =>
  Effect.gen(function*() {
    const { identity, limits, name } = yield* NodeConfig
    const { handlers, openUnasked } = yield* SessionInside
    const peers = yield* Peers
    const trust = yield* Trust
    const crypto = yield* Crypto
    const clock = yield* Clock.Clock
    const scope = yield* Effect.scope
    const context = yield* Effect.context<never>()
    const runFork = Effect.runForkWith(context)
    const fork = (effect: Effect.Effect<void>) => Fiber.runIn(runFork(effect), scope)
    const lines = Seldom.lines(clock)
    // Drawn when it is needed, and nothing runs before: most nodes have no topics.
    let run: string | undefined
    let epochs = 0
    const used = Latch.makeUnsafe(false)
    const start = () => void used.openUnsafe()
    const metrics = Metrics.contextOf(yield* Effect.context<never>())
    const hearing = new Hearing({
      draw: () => crypto.randomBytes(4).reduce((drawn, byte) => drawn * 256 + byte, 0),
      peers,
      trust,
      clock,
      lines,
      limits,
      fork,
      start,
      changed: () => own.changed(),
      lost: (reason) => Metrics.topicLosses(reason, metrics)
    })
    const waiting = new Memory(limits.topicMemory)
    const grouped = new Memory(limits.topicGroupMemory)
    const publishing = new Publishing({
      self: { name, publicKey: identity.publicKey },
      peers,
      trust,
      open: openUnasked,
      clock,
      lines,
      waiting,
      retaining: new Memory(limits.topicRetained),
      grouped,
      skipped: () => Metrics.topicLosses("skipped", metrics),
      limits: { ...limits, topicPatience: Duration.toMillis(limits.topicPatience) },
      start,
      epoch: () => (run ??= hex(crypto.randomBytes(5))) + (epochs++ % 0x100_0000).toString(16).padStart(6, "0"),
      fork,
      scope,
      context
    })
    const topics = new Topics({
      publishing,
      hearing,
      waiting,
      grouped,
      rows: new Memory(limits.topicRetained),
      clock,
      closed: new NodeClosedError({ node: name }),
      onMissed: (count) => Metrics.topicLosses("missed", metrics, count)
    })
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const offs = [
          handlers.add({ protocol: "topic", name: "" }, hearing.onOpen),
          own.subscribes(() => hearing.interests)
        ]
        return () => offs.forEach((off) => off())
      }),
      (off) => Effect.sync(off)
    )
    for (const effect of [hearing.run, publishing.looking, publishing.expiring]) {
      yield* Effect.forkScoped(Effect.andThen(used.await, effect))
    }
    yield* Effect.addFinalizer(() => topics.close)
    return topics
  })
