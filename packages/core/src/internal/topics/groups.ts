/**
 * A group of a topic: each delivery is handed to one of the members, and to another one where that is lost or gives it back, until one has
 * acknowledged it: at least once.
 *
 * It knows no node: it is told who the members are, and how one attempt is made. Who of them gets a delivery is the engine's of services, which is
 * told to wait for as long as it takes and to send nothing again by itself.
 *
 * What bites: only one delivery at a time looks for a place. The others that wait are entries of a list, so that thousands of them cost little and
 * are handed out in order; whoever is given up or is done has to see to it that the next one looks. And who was slow may still acknowledge what
 * others were handed meanwhile: so a delivery may be out at several, and is done when the first of them has acknowledged it.
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
  /** Milliseconds in which a member has to acknowledge something of what it has: what it has not is handed to others as well. */
  readonly patience: number
  /** Whether there is memory for so many bytes, and for so many that it and others are to take in the same step. */
  readonly has: (bytes: number, all: number) => boolean
  /** Takes so many bytes of the memory, where there are so many. */
  readonly take: (bytes: number) => boolean
  readonly give: (bytes: number) => void
  /**
   * One attempt: succeeds when the member has acknowledged it. `again`: somebody may have been handed it before. `skipped`: so many were given up just
   * before it, as there was no room for them. To interrupt it is to give it up, as is done where the member is none any more.
   */
  readonly attempt: (peer: P, delivery: D, again: boolean, skipped: number) => Effect.Effect<void, Lost | Returned>
}

/** Milliseconds between attempts at one delivery: nothing before the second, then this, and twice as long each time. */
const pauseFirst = 100
const pauseMost = 15_000
/** The longest that a member is left out, which is as long as a delivery waits. */
const leaveOutMost = Duration.millis(pauseMost)
/** Members that one delivery remembers to have failed at. */
const mostAvoided = 16
/** Members that are known to have acknowledged nothing in time, and are handed one at a time. Of more the one that was so first is forgotten. */
const mostUnproven = 1_024

const never = () => false

/** One time that a delivery is handed out: it looks for a place, is out at a member, or pauses. */
class Try<D> {
  readonly entry: Entry<D>
  /** Who has it. */
  holder: Holder<D> | undefined
  fiber: Fiber.Fiber<void, unknown> | undefined

  constructor(entry: Entry<D>) {
    this.entry = entry
  }
}

/** What a group has of a delivery that is not done. */
class Entry<D> {
  readonly delivery: D
  readonly bytes: number
  /** So many were given up just before it. */
  readonly skipped: number
  /** Attempts that came to nothing. */
  failures = 0
  /** Members that it failed at. */
  avoids: Array<string> | undefined
  /** By which it is handed out now; none: it waits for its turn. */
  last: Try<D> | undefined
  /** Those at members that were too slow, which may acknowledge it all the same. */
  readonly others = new Set<Try<D>>()

  constructor(delivery: D, bytes: number, skipped: number) {
    this.delivery = delivery
    this.bytes = bytes
    this.skipped = skipped
  }
}

/** What a member has. */
interface Holder<D> {
  readonly id: string
  /** What it alone was handed, in order. */
  readonly out: Set<Try<D>>
  /** What others are handed as well, as it was too slow. */
  readonly late: Set<Try<D>>
  /** When it acknowledged something last, or began to have something. */
  progressAt: number
  /** What it has had for the longest, as it was when it was looked at last, and since when that is so. */
  first: Try<D> | undefined
  firstSince: number
}

interface Known<P, D> extends Holder<D> {
  member: Member<P>
}

const isSame = <P>(one: Member<P>, other: Member<P>): boolean =>
  one.peer === other.peer && one.capacity === other.capacity && one.draining === other.draining

const begun = <P, D>(member: Member<P>): Known<P, D> => ({
  id: member.id,
  member,
  out: new Set(),
  late: new Set(),
  progressAt: 0,
  first: undefined,
  firstSince: 0
})

const firstOf = <A>(all: Set<A>): A | undefined => {
  for (const one of all) return one
  return undefined
}

/** The member had it already. */
class Kept extends Data.TaggedError("Kept") {}

/** What attempts fail with as the engine sees it: `Lost` as well where the scope has closed. */
type Failure = Lost | Returned | Kept

const verdicts = { Lost: "mayHaveRun", Returned: "notRun", Kept: "unknown" } as const

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
  /** Given up since the last that was taken. */
  #skipped = 0
  /** Members that have acknowledged nothing in time, and nothing since. */
  readonly #unproven = new Set<string>()
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
      const { id } = member
      let known = this.#members.get(id)
      if (known === undefined) this.#members.set(id, known = begun(member))
      else if (isSame(known.member, member)) continue
      else known.member = member
      this.#tell(known)
    }
    for (const { late, out } of gone) for (const tried of [...out, ...late]) tried.fiber?.interruptUnsafe()
    this.#noteIdle()
    this.#turn()
  }

  /** Whom deliveries go to is told of a member. */
  #tell({ id, member: { capacity, draining, peer } }: Known<P, D>): void {
    this.#service.pool.set({
      id,
      peer,
      capacity: this.#unproven.has(id) ? Math.min(1, capacity) : capacity,
      draining
    })
  }

  // --- what comes in -------------------------------------------------------------------------------------------------------------

  /** Whether a delivery of so many bytes would be taken now, and so many with those that others are to take. */
  hasRoom(bytes: number, all: number = bytes): boolean {
    return !this.#isClosed && this.#entries.size < this.#options.pending && this.#options.has(bytes, all)
  }

  /**
   * Hands out a delivery to one of the members, now or as soon as one has room. `false`: there was no room for it, it is given up, and whoever is handed
   * the next is told so.
   */
  deliver(delivery: D): boolean {
    if (this.#isClosed) return false
    const { bytes } = delivery
    if (this.#entries.size >= this.#options.pending || !this.#options.take(bytes)) {
      this.#skipped++
      return false
    }
    const entry = new Entry(delivery, bytes, this.#skipped)
    this.#skipped = 0
    this.#entries.add(entry)
    this.#fresh.add(entry)
    this.#turn()
    return true
  }

  // --- who is slow -----------------------------------------------------------------------------------------------------------------

  /** Has what members have had for too long be handed to others, where there are some that are not slow. */
  look(): void {
    if (this.#entries.size === 0) return
    const now = nowUnsafe(this.#clock)
    for (const known of this.#members.values()) {
      const first = firstOf(known.out)
      if (first !== known.first) {
        known.first = first
        known.firstSince = now
      }
      if (first === undefined || !this.#hasAnother(known, now)) continue
      if (this.#isLate(known, now)) this.#leaveOut(known)
      else if (now - known.firstSince >= this.#options.patience) this.#pass(first, known)
    }
    this.#turn()
  }

  /** It has acknowledged nothing in time. */
  #isLate({ out, progressAt }: Known<P, D>, now: number): boolean {
    return out.size > 0 && now - progressAt >= this.#options.patience
  }

  #hasAnother(known: Known<P, D>, now: number): boolean {
    for (const other of this.#members.values()) {
      const { id, late, member: { capacity, draining } } = other
      if (other === known || draining || capacity < 1 || this.#isLate(other, now)) continue
      if (late.size === 0 || !this.#unproven.has(id)) return true
    }
    return false
  }

  /** It keeps what it has, others are handed it as well, and it gets one at a time, when it has nothing, until it has acknowledged something. */
  #leaveOut(known: Known<P, D>): void {
    const { id, out } = known
    this.#unproven.delete(id)
    this.#unproven.add(id)
    if (this.#unproven.size > mostUnproven) this.#unproven.delete(firstOf(this.#unproven)!)
    for (const tried of out) this.#pass(tried, known)
    this.#tell(known)
    const { name, patience } = this.#options
    this.#fork(this.#lines(
      `late ${id}`,
      "late",
      (more) =>
        Effect.logWarning(
          `${quote(id)} has acknowledged nothing of ${quote(name)} for ${
            Math.round(patience / 1_000)
          } s: what it has goes to others as well, and it gets one at a time until it does${more}`
        )
    ))
  }

  /** Another one is handed it as well. */
  #pass(tried: Try<D>, { id, late, out }: Known<P, D>): void {
    const { entry } = tried
    out.delete(tried)
    late.add(tried)
    entry.last = undefined
    entry.others.add(tried)
    entry.failures++
    this.#avoid(entry, id)
    this.#again.add(entry)
  }

  /** It has acknowledged something. */
  #acknowledged(holder: Holder<D>): void {
    holder.progressAt = nowUnsafe(this.#clock)
    if (!this.#unproven.delete(holder.id)) return
    const known = this.#members.get(holder.id)
    if (known !== undefined) this.#tell(known)
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
    const tried = new Try(entry)
    const run = this.#service.run(this.#kind, (peer, id) => this.#attempt(tried, peer, id), {
      payload: entry.delivery.payload,
      avoids: entry.avoids,
      repeats: never
    })
    this.#follow(tried, run, (exit) => this.#ended(tried, exit))
  }

  /** Runs what a delivery does now. */
  #follow<E>(tried: Try<D>, effect: Effect.Effect<void, E>, ended: (exit: Exit.Exit<void, E>) => void): void {
    tried.entry.last = tried
    const fiber = this.#fork(effect)
    tried.fiber = fiber
    fiber.addObserver((exit) => {
      tried.fiber = undefined
      ended(exit)
    })
  }

  /** It has a place. */
  #attempt(tried: Try<D>, peer: P, id: string): Effect.Effect<void, Failure> {
    const { entry } = tried
    this.#looking = undefined
    // The next one is handed out after this one is.
    this.#turnLater()
    const holder = this.#members.get(id)
    if (holder === undefined) return Effect.fail(new Lost())
    for (const other of entry.others) if (other.holder === holder) return this.#keep(other, holder)
    tried.holder = holder
    this.#give(tried, holder)
    return this.#options.attempt(peer, entry.delivery, entry.failures > 0, entry.skipped)
  }

  #give(tried: Try<D>, holder: Holder<D>): void {
    if (holder.out.size === 0) holder.progressAt = nowUnsafe(this.#clock)
    holder.out.add(tried)
  }

  /** It has it already, and has acknowledged something since it was slow: it stays with it. */
  #keep(tried: Try<D>, holder: Holder<D>): Effect.Effect<void, Failure> {
    const { entry } = tried
    holder.late.delete(tried)
    this.#give(tried, holder)
    entry.others.delete(tried)
    entry.last = tried
    return Effect.fail(new Kept())
  }

  #ended(tried: Try<D>, exit: Exit.Exit<void, unknown>): void {
    const { entry, holder } = tried
    const isLast = entry.last === tried
    // It found no place.
    if (isLast && this.#looking === entry) this.#looking = undefined
    if (isLast) entry.last = undefined
    entry.others.delete(tried)
    holder?.out.delete(tried)
    holder?.late.delete(tried)
    const isDone = exit._tag === "Success"
    // Nothing comes of it where another has acknowledged it before.
    if (this.#entries.has(entry)) {
      if (isDone) this.#done(entry)
      else {
        const defect = exit.cause.reasons.find(({ _tag }) => _tag === "Die")
        if (defect !== undefined) this.#complain(exit)
        if (isLast) this.#failed(entry, holder?.id)
      }
    }
    if (holder !== undefined && isDone) this.#acknowledged(holder)
    this.#turn()
  }

  #done(entry: Entry<D>): void {
    this.#entries.delete(entry)
    this.#again.delete(entry)
    this.#options.give(entry.bytes)
    // Whoever else has it need not handle it any more.
    entry.last?.fiber?.interruptUnsafe()
    for (const { fiber } of entry.others) fiber?.interruptUnsafe()
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
    this.#follow(new Try(entry), pause, () => {
      if (this.#entries.has(entry)) this.#again.add(entry)
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
      for (const { bytes, last, others } of entries) {
        for (const { fiber } of last === undefined ? others : [last, ...others]) {
          if (fiber !== undefined) fibers.push(fiber)
        }
        this.#options.give(bytes)
      }
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
      classify: ({ _tag }) => verdicts[_tag],
      closed: () => new Lost(),
      report: (event) => void fork(lines(`${event._tag} ${event.id}`, event._tag, () => line(name, event)))
    })
    const group = new Group(options, service, { clock, context, dispatcher }, lines)
    yield* Effect.addFinalizer(() => group.close)
    return group
  })
