/**
 * A subscription whose program reads what it hears: what waits to be read, in the mode that was asked for, and what was missed. A synchronous machine
 * of which a stream is made.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Allow } from "../../Allow.ts"
import type { NodeClosedError } from "../../FunctionError.ts"
import type { Interest } from "../../Offer.ts"
import type { Listener } from "./listener.ts"
import { Outlet } from "./outlet.ts"
import { bytesOf, type Heard, type Origin } from "./said.ts"

/** What waits to be read: something that was heard, with what was missed just before it; or that a publisher is gone. */
type Item = { readonly heard: Heard; readonly missed: number } | { readonly gone: Origin }

/** What is read next: something that was heard, with what was missed before it; or, where that is asked for, what happens besides. */
export type Read =
  | { readonly _tag: "Heard"; readonly heard: Heard; readonly missed: number }
  | { readonly _tag: "Missed"; readonly origin: Origin; readonly count: number }
  | { readonly _tag: "Gone"; readonly origin: Origin }

export interface Options {
  readonly interest: Interest
  readonly allow: Allow | undefined
  /** Whether it is told what is no longer retained, what was missed, and who is gone, as well. */
  readonly events: boolean
  readonly has: (bytes: number, all: number) => boolean
  readonly take: (bytes: number) => boolean
  readonly give: (bytes: number) => void
  /** So many were missed, which whoever reads is told now. */
  readonly onMissed: (count: number) => void
}

const sizeOf = (item: Item): number => "gone" in item ? 64 : bytesOf(item.heard)

const keyOf = (item: Item): string => {
  const { epoch, from, topic } = "gone" in item ? item.gone : item.heard.origin
  return `${from.publicKey} ${epoch} ${topic} ${"gone" in item ? "" : item.heard.key ?? ""}`
}

/** Of so many publishers and topics is known at once how much was missed; of more the one that missed something first is forgotten. */
const mostMissed = 4_096

const add = (all: Map<Origin, number>, origin: Origin, count: number): void => {
  all.set(origin, (all.get(origin) ?? 0) + count)
  if (all.size <= mostMissed) return
  const oldest = all.keys().next()
  if (oldest.done !== true) all.delete(oldest.value)
}

const taken = (all: Map<Origin, number>, origin: Origin): number => {
  if (all.size === 0) return 0
  const count = all.get(origin) ?? 0
  all.delete(origin)
  return count
}

export class Subscription implements Listener {
  readonly #onMissed: (count: number) => void
  readonly interest: Interest
  readonly allow: Allow | undefined
  readonly #events: boolean
  readonly #outlet: Outlet<Item>
  /** What was missed before all that waits, and behind it. */
  readonly #before = new Map<Origin, number>()
  readonly #behind = new Map<Origin, number>()
  #offered: Item | undefined
  /** The next to be read, of which is told already what was missed before it. */
  #held: Item | undefined
  /** The greatest number of a value that it was given. */
  readonly #seen = new WeakMap<Origin, number>()
  /** So many wait of each publisher and topic, where none is to be lost: each of them knows of its own alone. */
  readonly #of: Map<Origin, number> | undefined
  readonly #has: Options["has"]
  #resume: (() => void) | undefined
  unanswered = 0
  isClosed = false
  /** Why nothing more comes. */
  failure: NodeClosedError | undefined

  constructor({ allow, events, give, has, interest, onMissed, take }: Options) {
    this.interest = interest
    this.allow = allow
    this.#events = events
    this.#onMissed = onMissed
    this.#has = has
    this.#of = interest.mode === "lossless" ? new Map() : undefined
    this.#outlet = new Outlet<Item>({
      mode: interest.mode === "latest" ? "latest" : "buffer",
      size: interest.mode === "lossless" ? Infinity : interest.size,
      drop: interest.mode === "lossless" ? "newest" : interest.drop,
      // Where the newest of each key is looked for, its key is kept as well.
      bytesOf: interest.mode === "latest" ? (item) => sizeOf(item) + keyOf(item).length : sizeOf,
      keyOf,
      take,
      give,
      onDrop: (item) => this.#dropped(item)
    })
  }

  hasRoom(origin: Origin, bytes: number, all: number): boolean {
    if (this.#of === undefined) return true
    return (this.#of.get(origin) ?? 0) < this.interest.size && this.#has(bytes, all)
  }

  // --- what is heard ---------------------------------------------------------------------------------------------------

  hear(heard: Heard): void {
    if (this.isClosed) return void heard.answer?.("back")
    const { answer, body, origin, retained, seq } = heard
    if (answer !== undefined) this.unanswered++
    else {
      const seen = this.#seen.get(origin) ?? 0
      // Retained values come again with each stream of their publisher: those that are new here are given.
      if (retained && seq <= seen) return
      if (seq > seen) this.#seen.set(origin, seq)
      if (body === undefined && !this.#events) return
    }
    const item = { heard, missed: taken(this.#behind, origin) }
    if (this.#of !== undefined && answer === undefined && !retained && body !== undefined) {
      const of = (this.#of.get(origin) ?? 0) + 1
      this.#of.set(origin, of)
      // Its publisher says more than it may.
      if (of > this.interest.size) return this.#refuse(item)
    }
    this.#offer(item)
  }

  #refuse(item: Item): void {
    this.#offered = item
    this.#dropped(item)
    this.#offered = undefined
  }

  /** One that was not to be lost does not wait any more. */
  #took({ answer, body, origin, retained, seq }: Heard): void {
    if (this.#of === undefined || answer !== undefined || retained || body === undefined) return
    const left = (this.#of.get(origin) ?? 0) - 1
    if (left > 0) this.#of.set(origin, left)
    else this.#of.delete(origin)
    origin.took(seq)
  }

  #offer(item: Item): void {
    this.#offered = item
    this.#outlet.offer(item)
    this.#offered = undefined
  }

  miss(origin: Origin, count: number): void {
    if (this.isClosed) return
    add(this.#behind, origin, count)
  }

  again(): void {}

  begin(): void {}

  whole(): void {}

  gone(origin: Origin): void {
    if (this.#events && !this.isClosed) this.#offer({ gone: origin })
  }

  #dropped(item: Item): void {
    if ("gone" in item) return
    const { heard, missed } = item
    const { answer, body, origin, retained } = heard
    if (answer !== undefined) return this.#answer(heard, "back")
    this.#took(heard)
    const count = missed + (retained || body === undefined ? 0 : 1)
    if (count > 0) add(item === this.#offered ? this.#behind : this.#before, origin, count)
  }

  #answer({ answer }: Heard, how: "done" | "back"): void {
    this.unanswered--
    answer!(how)
  }

  news(): void {
    if (this.#isEmpty) return
    this.#wake()
  }

  /** Publishers and topics of which it knows that something was missed. */
  get missing(): number {
    return this.#before.size + this.#behind.size
  }

  /** Whether there is nothing to be read. */
  get #isEmpty(): boolean {
    return this.#held === undefined && this.#outlet.length === 0 &&
      !(this.#events && (this.#before.size > 0 || this.#behind.size > 0))
  }

  #wake(): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
  }

  // --- what is read ----------------------------------------------------------------------------------------------------

  /** The next, which counts as taken. */
  read(): Read | undefined {
    const read = this.#read()
    if (read === undefined || read._tag === "Gone") return read
    const missed = read._tag === "Missed" ? read.count : read.missed
    if (missed > 0) this.#onMissed(missed)
    return read
  }

  #read(): Read | undefined {
    if (this.#events && this.#before.size > 0) return this.#missing(this.#before)
    const item = this.#held ?? this.#outlet.take()
    this.#held = undefined
    if (item === undefined) return this.#events && this.#behind.size > 0 ? this.#missing(this.#behind) : undefined
    if ("gone" in item) return { _tag: "Gone", origin: item.gone }
    const { heard, missed } = item
    if (this.#events && missed > 0) {
      // That is an event by itself, before what came then.
      this.#held = { heard, missed: 0 }
      return { _tag: "Missed", origin: heard.origin, count: missed }
    }
    this.#took(heard)
    return { _tag: "Heard", heard, missed: missed + taken(this.#before, heard.origin) }
  }

  #missing(all: Map<Origin, number>): Read | undefined {
    for (const [origin, count] of all) {
      all.delete(origin)
      return { _tag: "Missed", origin, count }
    }
    return undefined
  }

  /** Says once that a delivery is done with, or that it is not. */
  answering(heard: Heard): (how: "done" | "back") => void {
    let isAnswered = false
    return (how) => {
      if (isAnswered) return
      isAnswered = true
      this.#answer(heard, how)
    }
  }

  /** Waits until there is something to read. */
  get readable(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.#held !== undefined || this.#outlet.length > 0 || this.isClosed || this.failure !== undefined) {
        return resume(Effect.void)
      }
      if (this.#events && (this.#before.size > 0 || this.#behind.size > 0)) return resume(Effect.void)
      const wake = () => resume(Effect.void)
      this.#resume = wake
      return Effect.sync(() => {
        this.#resume = undefined
      })
    })
  }

  /** The node is closed. */
  fail(error: NodeClosedError): void {
    this.failure = error
    this.#wake()
  }

  /** What was not read goes to others, where it was handed to it alone. */
  close(): void {
    this.isClosed = true
    for (let item = this.#held ?? this.#outlet.take(); item !== undefined; item = this.#outlet.take()) {
      if ("gone" in item) continue
      const { heard } = item
      if (heard.answer !== undefined) this.#answer(heard, "back")
      else this.#took(heard)
    }
    this.#held = undefined
    this.#before.clear()
    this.#behind.clear()
    this.#wake()
  }
}

/** So many are read at once where that is no harm. */
const atOnce = 64

/** What a stream makes of what is read. */
export interface Reading<A, E, R> {
  /** Gives nothing for what is left out. */
  readonly make: (read: Read, subscription: Subscription) => Effect.Effect<A | undefined, E, R>
  /** More is asked for: what was given before is done with. */
  readonly asked: () => void
  /** Nothing more is asked for. */
  readonly left: () => void
}

/** Reads a subscription for as long as the stream runs. */
export const stream = <A, E, R, E2>(
  subscribe: Effect.Effect<Subscription, E2, Scope.Scope>,
  { asked, left, make }: Reading<A, E, R>
): Stream.Stream<A, E | E2 | NodeClosedError, R> =>
  Stream.unwrap(Effect.map(subscribe, (subscription) => {
    const { group, mode } = subscription.interest
    // What is read is old at once, where the newest is wanted; and is done with when the next is asked for.
    const most = group === undefined && mode === "buffer" ? atOnce : 1
    // Nearly always what is made of it is there at once.
    const batch = (first: Read, all: Array<A>): Effect.Effect<Array<A>, E, R> => {
      for (let next: Read | undefined = first; next !== undefined; next = subscription.read()) {
        const made = make(next, subscription)
        if (!Exit.isExit(made) || Exit.isFailure(made)) {
          return Effect.flatMap(made, (value) => {
            if (value !== undefined) all.push(value)
            const more = all.length < most ? subscription.read() : undefined
            return more === undefined ? Effect.succeed(all) : batch(more, all)
          })
        }
        if (made.value !== undefined) all.push(made.value as A)
        if (all.length >= most) break
      }
      return Effect.succeed(all)
    }
    const next: Pull.Pull<readonly [A, ...Array<A>], E | NodeClosedError, void, R> = Effect.suspend(() => {
      const first = subscription.read()
      if (first !== undefined) {
        return Effect.flatMap(
          batch(first, []),
          (all) => all.length > 0 ? Effect.succeed(all as [A, ...Array<A>]) : next
        )
      }
      if (subscription.failure !== undefined) return Effect.fail(subscription.failure)
      return subscription.isClosed ? Cause.done() : Effect.andThen(subscription.readable, next)
    })
    const pull = Effect.suspend(() => {
      asked()
      return next
    })
    return Stream.ensuring(Stream.fromPull(Effect.succeed(pull)), Effect.sync(left))
  }))
