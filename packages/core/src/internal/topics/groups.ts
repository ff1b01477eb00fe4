/**
 * A group of a topic: each delivery is handed to one of the members, and to another one where that is lost or gives it back, until one has
 * acknowledged it: at least once.
 *
 * It knows no node: it is told who the members are, and how one attempt is made. Who of them gets a delivery is the engine's of services, which is
 * told to wait for as long as it takes and to send nothing again by itself.
 *
 * What bites: only one delivery at a time looks for a place. The others that wait are entries of a list, so that thousands of them cost little and
 * are handed out in order; whoever is given up or is done has to see to it that the next one looks.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as Balance from "../../Balance.ts"
import { CurrentDeadline, nowUnsafe } from "../../Deadline.ts"
import type { Kind } from "../balance/kind.ts"
import type { PoolEvent } from "../balance/pool.ts"
import * as Service from "../balance/service.ts"
import { quote } from "../base/quote.ts"
import * as Seldom from "../base/seldom.ts"

/** One that deliveries may be handed to. */
export interface Member<P> {
  readonly id: string
  readonly peer: P
  /** Deliveries that are out at it at once. */
  readonly capacity: number
  /** It finishes what it has, and is handed nothing new. */
  readonly draining: boolean
}

export interface Delivery {
  /** What it takes of the node's memory until it is done. */
  readonly bytes: number
  /** What a policy sees of it. */
  readonly payload: unknown
}

/** The member is lost, or cannot be reached. */
export class Lost extends Data.TaggedError("Lost") {}

/** The member gave it back, and has not handled it. */
export class Returned extends Data.TaggedError("Returned") {}

export interface Options<P, D extends Delivery> {
  /** What it is called in errors and the log. */
  readonly name: string
  /** Default: `Balance.leastPending`. */
  readonly policy: Balance.Policy<any, any> | undefined
  /** Deliveries that are not done, at most. */
  readonly pending: number
  /** Takes so many bytes of the node's memory, where there are so many. */
  readonly take: (bytes: number) => boolean
  readonly give: (bytes: number) => void
  /** Waits until the node's memory may have room. Default: it is looked at again some milliseconds later. */
  readonly memory?: Effect.Effect<void> | undefined
  /**
   * One attempt: succeeds when the member has acknowledged it. `again`: somebody may have been handed it before. To interrupt it is to give it up,
   * as is done where the member is none any more.
   */
  readonly attempt: (peer: P, delivery: D, again: boolean) => Effect.Effect<void, Lost | Returned>
}

/** Milliseconds between attempts at one delivery: nothing before the second, then this, and twice as long each time. */
const pauseFirst = 100
const pauseMost = 15_000
/** The longest that a member is left out, which is as long as a delivery waits. */
const leaveOutMost = Duration.millis(pauseMost)
/** Members that one delivery remembers to have failed at. */
const mostAvoided = 16
/** Milliseconds until a full memory is looked at again, where nobody says when it has room. */
const memoryAgain = 50

const never = () => false

/** What a group has of a delivery that is not done. */
class Entry<D> {
  readonly delivery: D
  readonly bytes: number
  /** Attempts that came to nothing. */
  failures = 0
  /** Members that it failed at. */
  avoids: Array<string> | undefined
  /** Who has it now. */
  holder: Holder<D> | undefined
  /** What it does: it looks for a place, is out at a member, or pauses. */
  fiber: Fiber.Fiber<void, unknown> | undefined

  constructor(delivery: D, bytes: number) {
    this.delivery = delivery
    this.bytes = bytes
  }
}

/** What a member has. */
interface Holder<D> {
  readonly id: string
  readonly out: Set<Entry<D>>
}

interface Known<P, D> extends Holder<D> {
  member: Member<P>
}

const isSame = <P>(one: Member<P>, other: Member<P>): boolean =>
  one.peer === other.peer && one.capacity === other.capacity && one.draining === other.draining

const firstOf = <A>(all: Set<A>): A | undefined => {
  for (const one of all) return one
  return undefined
}

/** What attempts fail with as the engine sees it: `Lost` as well where the scope has closed. */
type Failure = Lost | Returned

/** What a group needs to run. */
interface Runtime {
  readonly clock: Clock.Clock
  readonly context: Context.Context<never>
  readonly dispatcher: Scheduler.SchedulerDispatcher
}

export class Group<P, D extends Delivery> {
  readonly #options: Options<P, D>
  readonly #service: Service.Service<P, Failure>
  readonly #clock: Clock.Clock
  readonly #dispatcher: Scheduler.SchedulerDispatcher
  readonly #fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  readonly #lines: Seldom.Lines
  readonly #kind: Kind

  readonly #members = new Map<string, Known<P, D>>()
  /** All that is not done. */
  readonly #entries = new Set<Entry<D>>()
  /** Those that wait for their turn, in order: those that failed before, and the others. */
  readonly #again = new Set<Entry<D>>()
  readonly #fresh = new Set<Entry<D>>()
  /** The one whose turn it is. */
  #looking: Entry<D> | undefined
  #isTurning = false
  #isTurningLater = false
  #isClosed = false
  /** The last one was refused for the node's memory. */
  #lacksMemory = false
  readonly #waiting = new Set<() => void>()
  /** Since when it has no members, in milliseconds of the monotonic clock (`Deadline.nowUnsafe`); `undefined` where it has some. */
  aloneSince: number | undefined

  constructor(options: Options<P, D>, service: Service.Service<P, Failure>, runtime: Runtime, lines: Seldom.Lines) {
    this.#options = options
    this.#service = service
    this.#clock = runtime.clock
    this.#dispatcher = runtime.dispatcher
    this.#fork = Effect.runForkWith(runtime.context)
    this.#lines = lines
    // It is handed out again by this module, which knows how long to wait.
    this.#kind = service.function(options.name, { idempotent: true })
    this.#noteIdle()
  }

  /** Deliveries that are not done. */
  get pending(): number {
    return this.#entries.size
  }
  get members(): number {
    return this.#members.size
  }
  #noteIdle(): void {
    if (this.#members.size > 0) this.aloneSince = undefined
    else this.aloneSince ??= nowUnsafe(this.#clock)
  }

  // --- who is there --------------------------------------------------------------------------------------------------------------

  /**
   * Who the members are now. What is out at one that is none any more goes to another at once, as nobody says whether it still handles it.
   */
  enter(members: ReadonlyArray<Member<P>>): void {
    if (this.#isClosed) return
    const { pool } = this.#service
    const now = new Map<string, Member<P>>()
    for (const member of members) now.set(member.id, member)
    const gone: Array<Known<P, D>> = []
    for (const known of this.#members.values()) if (!now.has(known.id)) gone.push(known)
    for (const { id } of gone) {
      this.#members.delete(id)
      pool.remove(id)
    }
    for (const member of now.values()) {
      const { capacity, draining, id, peer } = member
      const known = this.#members.get(id)
      if (known === undefined) this.#members.set(id, { id, out: new Set(), member })
      else if (isSame(known.member, member)) continue
      else known.member = member
      pool.set({ id, peer, capacity, draining })
    }
    for (const { out } of gone) for (const entry of out) entry.fiber?.interruptUnsafe()
    this.#noteIdle()
    this.#turn()
  }

  // --- what comes in -------------------------------------------------------------------------------------------------------------

  /** Whether a delivery of so many bytes would be taken now. */
  readonly hasRoom = (bytes: number): boolean => {
    if (!this.#takes(bytes)) return false
    this.#options.give(bytes)
    return true
  }

  #takes(bytes: number): boolean {
    if (this.#isClosed || this.#entries.size >= this.#options.pending) return false
    this.#lacksMemory = !this.#options.take(bytes)
    return !this.#lacksMemory
  }

  /** Hands out a delivery to one of the members, now or as soon as one has room. `false`: there was no room for it, and nothing was done. */
  deliver(delivery: D): boolean {
    const { bytes } = delivery
    if (!this.#takes(bytes)) return false
    const entry = new Entry(delivery, bytes)
    this.#entries.add(entry)
    this.#fresh.add(entry)
    this.#noteIdle()
    this.#turn()
    return true
  }

  /**
   * Waits until there may be room: until a delivery is done, where as many are not as may be, and where the node's memory was full until one is or
   * the memory has room. It waits in vain where the scope has closed.
   */
  readonly room: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#isClosed) return Effect.never
    if (this.#entries.size >= this.#options.pending) return this.#oneDone
    if (!this.#lacksMemory) return Effect.void
    const memory = this.#options.memory ?? Effect.sleep(memoryAgain)
    return this.#entries.size === 0 ? memory : Effect.raceFirst(this.#oneDone, memory)
  })

  readonly #oneDone: Effect.Effect<void> = Effect.callback((resume) => {
    const wake = () => resume(Effect.void)
    this.#waiting.add(wake)
    return Effect.sync(() => void this.#waiting.delete(wake))
  })

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  // --- one after another -----------------------------------------------------------------------------------------------------------

  /** Has the next one look for a place, where none does. What it does at once may come back here, and is then done by the one that is at it. */
  #turn(): void {
    if (this.#isTurning) return
    this.#isTurning = true
    while (this.#looking === undefined && !this.#isClosed) {
      const entry = firstOf(this.#again) ?? firstOf(this.#fresh)
      if (entry === undefined) break
      this.#again.delete(entry)
      this.#fresh.delete(entry)
      this.#looking = entry
      this.#run(entry)
    }
    this.#isTurning = false
  }

  /** The same, after what is being done. */
  #turnLater(): void {
    if (this.#isTurning || this.#isTurningLater) return
    this.#isTurningLater = true
    this.#dispatcher.scheduleTask(() => {
      this.#isTurningLater = false
      this.#turn()
    }, 0)
  }

  #run(entry: Entry<D>): void {
    const run = this.#service.run(this.#kind, (peer, id) => this.#attempt(entry, peer, id), {
      payload: entry.delivery.payload,
      avoids: entry.avoids,
      repeats: never
    })
    this.#follow(entry, run, (exit) => this.#ended(entry, exit))
  }

  /** Runs what a delivery does now. Nothing comes of it once the scope has closed. */
  #follow<E>(entry: Entry<D>, effect: Effect.Effect<void, E>, ended: (exit: Exit.Exit<void, E>) => void): void {
    const fiber = this.#fork(effect)
    entry.fiber = fiber
    fiber.addObserver((exit) => {
      entry.fiber = undefined
      if (!this.#isClosed) ended(exit)
    })
  }

  /** It has a place. */
  #attempt(entry: Entry<D>, peer: P, id: string): Effect.Effect<void, Failure> {
    this.#looking = undefined
    // The next one is handed out after this one is.
    this.#turnLater()
    const holder = this.#members.get(id)
    if (holder === undefined) return Effect.fail(new Lost())
    entry.holder = holder
    holder.out.add(entry)
    return this.#options.attempt(peer, entry.delivery, entry.failures > 0)
  }

  #ended(entry: Entry<D>, exit: Exit.Exit<void, unknown>): void {
    // It found no place.
    if (this.#looking === entry) this.#looking = undefined
    const { holder } = entry
    entry.holder = undefined
    holder?.out.delete(entry)
    if (exit._tag === "Success") this.#done(entry)
    else {
      const defect = exit.cause.reasons.find(({ _tag }) => _tag === "Die")
      if (defect !== undefined) this.#complain(exit)
      this.#failed(entry, holder?.id)
    }
    this.#turn()
  }

  #done(entry: Entry<D>): void {
    this.#entries.delete(entry)
    this.#options.give(entry.bytes)
    this.#noteIdle()
    this.#wake()
  }

  /** It is handed out again: at once the first time, and later and later, so that one that nobody can handle costs little. */
  #failed(entry: Entry<D>, id: string | undefined): void {
    if (id !== undefined) this.#avoid(entry, id)
    const failures = ++entry.failures
    if (failures === 1) {
      this.#again.add(entry)
      return
    }
    const pause = Effect.sleep(Math.min(pauseMost, pauseFirst * 2 ** Math.min(failures - 2, 30)))
    this.#follow(entry, pause, () => {
      this.#again.add(entry)
      this.#turn()
    })
  }

  /** Has it go to one where it did not fail yet, where there is one; to another one where there is none. */
  #avoid(entry: Entry<D>, id: string): void {
    const avoids = (entry.avoids ?? []).filter((one) => one !== id && this.#members.has(one)).slice(1 - mostAvoided)
    avoids.push(id)
    const known = avoids.filter((one) => this.#members.has(one)).length
    entry.avoids = known >= this.#members.size ? [id] : avoids
  }

  #complain(exit: Exit.Exit<void, unknown>): void {
    if (exit._tag === "Success") return
    const { name } = this.#options
    this.#fork(
      this.#lines(
        Seldom.defect(name, exit.cause),
        "defect",
        (more) => Effect.logError(`an attempt to deliver to ${quote(name)} broke, and is made again${more}`, exit.cause)
      )
    )
  }

  /** Ends all that it does, and gives back the memory of what is not done. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#isClosed = true
      const fibers: Array<Fiber.Fiber<void, unknown>> = []
      const entries = [...this.#entries]
      this.#entries.clear()
      this.#again.clear()
      this.#fresh.clear()
      for (const { bytes, fiber } of entries) {
        if (fiber !== undefined) fibers.push(fiber)
        this.#options.give(bytes)
      }
      this.#wake()
      return Fiber.interruptAll(fibers)
    })
  }
}

const line = (group: string, event: PoolEvent): Effect.Effect<void> =>
  event._tag === "BackIn"
    ? Effect.logInfo(`${quote(event.id)} takes what is delivered to ${quote(group)} again`)
    : Effect.logWarning(
      `${quote(event.id)} is left out of ${quote(group)} for ${
        Math.round(event.forMillis)
      } ms: ${event.failures} deliveries in a row came to nothing there`
    )

/** A group without members. When the scope closes all that it does ends, and nothing is delivered any more. */
export const make = <P, D extends Delivery>(
  options: Options<P, D>
): Effect.Effect<Group<P, D>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const dispatcher = yield* Effect.withFiber((fiber) => Effect.succeed(fiber.currentDispatcher))
    // Whatever time the work has that made it is not that of what is delivered.
    const context = Context.add(yield* Effect.context<never>(), CurrentDeadline, undefined)
    const lines = Seldom.lines(clock)
    const fork = Effect.runForkWith(context)
    const { name, pending, policy } = options
    const service = yield* Service.make<P, Failure>({
      service: name,
      policy,
      settings: {
        ...(yield* Effect.orDie(Balance.settings())),
        whenFull: Duration.infinity,
        whenNobody: Duration.infinity,
        pending,
        leaveOutMax: leaveOutMost
      },
      classify: ({ _tag }) => _tag === "Lost" ? "mayHaveRun" : "notRun",
      closed: () => new Lost(),
      report: (event) => void fork(lines(`${event._tag} ${event.id}`, event._tag, () => line(name, event)))
    })
    const group = new Group(options, service, { clock, context, dispatcher }, lines)
    yield* Effect.addFinalizer(() => group.close)
    return group
  })
