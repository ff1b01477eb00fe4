/**
 * The peers of one service, and who of them may be called: places are taken and given back here, and who finds none waits here.
 *
 * All of it is plain synchronous code that knows no effect but the alarm: whoever takes a place has to give it back, which `run` does
 * whatever becomes of the call. Only those that may be called are looked at when a call is made, so that a choice costs what the policy costs.
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Random from "effect/Random"
import * as Balance from "../../Balance.ts"
import { quote } from "../base/quote.ts"
import { Budget } from "./budget.ts"
import { type Absence, Endpoint, type Server } from "./endpoint.ts"
import { FairQueue, type Ticket } from "./fairQueue.ts"
import type { Kind } from "./kind.ts"

/** So many times as slow as the median is slow. */
const slowAt = 3
/** Policies that are known to do no more than look at the list that they are given, which is the engine's own. */
const onlyLooking: ReadonlySet<unknown> = new Set([
  Balance.leastPending,
  Balance.random,
  Balance.roundRobin,
  Balance.nearest
])
/** Answers after which the median is looked up again. */
const medianEvery = 64
/** Milliseconds for which a peer that said it leaves is left out, where nothing else is heard of it. */
const leavesMillis = 10_000

/**
 * What became of a call to a peer.
 *
 * - `answered`: with a value; `final`: with an error that is an answer; `broke`: as the handler is broken
 * - `notRun`, `mayHaveRun`: it failed, before or after it may have run
 * - `busy`, `leaves`: it did not run, as the peer takes no more now, or at all
 * - `expired`: its time was up, or nobody waited for it any longer
 * - `unknown`: something else, which says nothing of the peer
 */
export type Outcome =
  | "answered"
  | "final"
  | "broke"
  | "notRun"
  | "mayHaveRun"
  | "busy"
  | "leaves"
  | "expired"
  | "unknown"

/** A call that looks for a place. */
export interface Caller<P> {
  readonly kind: Kind
  readonly payload: unknown
  /** Peers that it was sent to in vain. */
  readonly tried: ReadonlyArray<Endpoint<P>> | undefined
  /** Peers, by their ids, that it goes to only where it cannot go to another now. */
  readonly avoids?: ReadonlyArray<string> | undefined
}

/** A call that waits for one. */
export interface Waiter<P> extends Caller<P> {
  /** In milliseconds of the monotonic clock: since when it waits, and when its own time is up. */
  readonly since: number
  readonly deadline: number
  /** It has the place now, and is to give it back. */
  granted(endpoint: Endpoint<P>, nowMillis: number): void
  refused(error: unknown): void
}

/** What happened to a peer, for the log. */
export type PoolEvent =
  | { readonly _tag: "LeftOut"; readonly id: string; readonly failures: number; readonly forMillis: number }
  | { readonly _tag: "BackIn"; readonly id: string }

export interface PoolOptions {
  readonly service: string
  readonly policy: Balance.Policy<any, any>
  readonly settings: Balance.Settings
  /** What calls fail with where nobody is there; `NobodyThereError` by default. */
  readonly nobody?: ((error: Balance.NobodyThereError) => unknown) | undefined
  /** What calls fail with after the pool was closed. */
  readonly closed: () => unknown
  readonly report?: ((event: PoolEvent) => void) | undefined
}

export class Pool<P> {
  readonly options: PoolOptions
  readonly budget: Budget
  readonly #settings: Balance.Settings
  readonly #clock: Clock.Clock
  readonly #context: Context.Context<never>
  readonly #random: () => number
  readonly #pick: Balance.Pick<any, P>
  readonly #onlyLooks: boolean
  readonly #instead: Balance.Pick<any, P> = Balance.leastPending.start() as Balance.Pick<any, P>
  readonly #whenFull: number
  readonly #whenNobody: number
  readonly #leaveOut: number
  readonly #leaveOutMax: number

  readonly #endpoints = new Map<string, Endpoint<P>>()
  readonly #freeSlots: Array<number> = []
  /** Those that may be called now, in any order. */
  readonly #open: Array<Endpoint<P>> = []
  readonly #absent = new Set<Endpoint<P>>()
  /** When the first of those is let back in. */
  #due = Infinity
  readonly #queue: FairQueue<Waiter<P>>
  #isGranting = false
  #alarm: Fiber.Fiber<void> | undefined
  #alarmAt = Infinity
  readonly #call: { -readonly [K in keyof Balance.Call]: Balance.Call[K] } = {
    function: "",
    payload: undefined,
    pending: 0,
    capacity: 0,
    largest: 1
  }
  #median = 1
  #untilMedian = medianEvery
  #hasComplained = false
  /** Those that are not draining. */
  #present = 0
  isClosed = false

  constructor(options: PoolOptions, clock: Clock.Clock, random: Random.Random, context: Context.Context<never>) {
    const { policy, settings } = options
    this.options = options
    this.#settings = settings
    this.#clock = clock
    this.#context = context
    const draw = () => random.nextDoubleUnsafe()
    this.#random = draw
    this.#pick = policy.start()
    this.#onlyLooks = onlyLooking.has(policy)
    this.budget = new Budget(settings)
    this.#queue = new FairQueue(settings.waiting)
    this.#whenFull = Duration.toMillis(settings.whenFull)
    this.#whenNobody = Duration.toMillis(settings.whenNobody)
    this.#leaveOut = Duration.toMillis(settings.leaveOut)
    this.#leaveOutMax = Duration.toMillis(settings.leaveOutMax)
  }

  /** Milliseconds of the monotonic clock, and parts of them: what is near answers in less than one. */
  now(): number {
    return Number(this.#clock.monotonicTimeNanosUnsafe()) / 1e6
  }

  /** Calls that are out, and calls that wait. */
  get pending(): number {
    return this.#call.pending
  }
  get waiting(): number {
    return this.#queue.size
  }

  /** Nobody is there who takes calls. */
  get isAbandoned(): boolean {
    return this.#present === 0
  }

  get endpoints(): Iterable<Endpoint<P>> {
    return this.#endpoints.values()
  }

  // --- who is there --------------------------------------------------------------------------------------------------------------

  /** Somebody is there, or something else is known of somebody who is. */
  set(server: Server<P>): void {
    if (this.isClosed) return
    const known = this.#endpoints.get(server.id)
    if (known === undefined) {
      const slot = this.#freeSlots.pop() ?? this.#endpoints.size
      this.#endpoints.set(server.id, new Endpoint(server, slot, this.#settings.pending))
    } else {
      known.isSaid(server)
      // Who says that it takes calls again is back.
      if (known.absence === "leaves" && server.draining === false) this.#return(known)
    }
    this.#changed()
  }

  /** Somebody is gone. What was sent there goes on until it fails. */
  remove(id: string): void {
    const endpoint = this.#endpoints.get(id)
    if (endpoint === undefined) return
    this.#endpoints.delete(id)
    this.#freeSlots.push(endpoint.slot)
    endpoint.isGone = true
    this.#forgetAbsence(endpoint)
    this.#refresh(endpoint)
    this.#changed()
  }

  /** Puts those who are there in the place of those who were. */
  replace(servers: Iterable<Server<P>>): void {
    const all = new Map<string, Server<P>>()
    for (const server of servers) all.set(server.id, server)
    for (const id of this.#endpoints.keys()) if (!all.has(id)) this.remove(id)
    for (const server of all.values()) this.set(server)
  }

  /** Nobody is called any more, and who waits is told. */
  close(): void {
    this.isClosed = true
    this.#alarm?.interruptUnsafe()
    this.#alarm = undefined
    this.#refuse(() => this.options.closed())
  }

  /** What depends on all of them together. */
  #changed(): void {
    let sum = 0
    let telling = 0
    for (const { told } of this.#endpoints.values()) {
      if (told === undefined || told <= 0) continue
      sum += told
      telling++
    }
    const typical = telling === 0 ? 1 : sum / telling
    const call = this.#call
    call.capacity = 0
    call.largest = 0
    this.#present = 0
    for (const endpoint of this.#endpoints.values()) {
      const { told } = endpoint
      endpoint.capacity = told !== undefined && told > 0 ? told : typical
      call.capacity += endpoint.capacity
      call.largest = Math.max(call.largest, endpoint.capacity)
      if (!endpoint.isDraining) this.#present++
      this.#refresh(endpoint)
    }
    this.#leaveEnough()
    this.#ring()
  }

  /** Puts one among those that may be called, or takes it off. */
  #refresh(endpoint: Endpoint<P>): void {
    const { at } = endpoint
    if (endpoint.mayBeCalled) {
      if (at >= 0) return
      endpoint.at = this.#open.length
      this.#open.push(endpoint)
    } else if (at >= 0) {
      const last = this.#open.pop()!
      if (last !== endpoint) {
        this.#open[at] = last
        last.at = at
      }
      endpoint.at = -1
    }
  }

  // --- places --------------------------------------------------------------------------------------------------------------------

  /** The peer that a call may go to now. `undefined` where it has to wait: those who wait already come first. */
  choose(caller: Caller<P>, nowMillis: number): Endpoint<P> | undefined {
    if (nowMillis >= this.#due) this.#letIn(nowMillis)
    return this.#isGranting && this.#queue.size > 0
      ? undefined
      : this.#chooseNow(caller.kind, caller.payload, caller.tried, caller.avoids)
  }

  /** A place for the first attempt of a call, which is counted. `undefined` where none is to be had at once. */
  placeNow(kind: Kind, payload: unknown, nowMillis: number): Endpoint<P> | undefined {
    this.budget.call(nowMillis)
    if (nowMillis >= this.#due) this.#letIn(nowMillis)
    if (this.#isGranting && this.#queue.size > 0) return undefined
    const endpoint = this.#chooseNow(kind, payload, undefined, undefined)
    if (endpoint !== undefined) this.take(endpoint)
    return endpoint
  }

  #chooseNow(
    kind: Kind,
    payload: unknown,
    tried: ReadonlyArray<Endpoint<P>> | undefined,
    avoids: ReadonlyArray<string> | undefined
  ): Endpoint<P> | undefined {
    let open = tried === undefined ? this.#open : this.#open.filter((one) => !tried.includes(one))
    if (avoids !== undefined) {
      const others = open.filter(({ id }) => !avoids.includes(id))
      if (others.length > 0) open = others
    }
    if (open.length <= 1) return open[0]
    const call = this.#call
    call.function = kind.name
    call.payload = payload
    let chosen: Balance.Candidate | undefined
    try {
      // One of a program's own may sort it, or take one out.
      chosen = this.#pick(this.#onlyLooks ? open : open.slice(), call, this.#random)
    } catch (error) {
      this.#complain(error)
    }
    if (chosen instanceof Endpoint && (open === this.#open ? open[chosen.at] === chosen : open.includes(chosen))) {
      return chosen
    }
    this.#complain("it chose none of them")
    return this.#instead(open, call, this.#random) as Endpoint<P>
  }

  /** Whether there is anybody that a call was not sent to yet, now or as soon as there is room. */
  hasOthers(tried: ReadonlyArray<Endpoint<P>>): boolean {
    for (const endpoint of this.#endpoints.values()) {
      const { absence } = endpoint
      if (!endpoint.isDraining && (absence === undefined || absence === "busy") && !tried.includes(endpoint)) {
        return true
      }
    }
    return false
  }

  take(endpoint: Endpoint<P>): void {
    endpoint.pending++
    this.#call.pending++
    if (endpoint.pending >= endpoint.limit) this.#refresh(endpoint)
  }

  /** Gives a place back, and takes note of what became of the call. */
  release(endpoint: Endpoint<P>, outcome: Outcome, kind: Kind, millis: number | undefined, nowMillis: number): void {
    endpoint.pending--
    this.#call.pending--
    if (!endpoint.isGone) this.#note(endpoint, outcome, kind, millis, nowMillis)
    this.#refresh(endpoint)
    if (this.#queue.size > 0) this.#grant(nowMillis)
  }

  #note(endpoint: Endpoint<P>, outcome: Outcome, kind: Kind, millis: number | undefined, nowMillis: number): void {
    switch (outcome) {
      case "answered":
        if (millis !== undefined) {
          endpoint.answered(millis, kind)
          this.#judge(endpoint)
        }
        return this.#well(endpoint, nowMillis)
      case "final":
        return this.#well(endpoint, nowMillis)
      case "broke":
      case "notRun":
      case "mayHaveRun":
        endpoint.failures++
        if (endpoint.onTrial || endpoint.failures >= this.#settings.failures) this.#leave(endpoint, nowMillis)
        return
      case "busy":
        return this.#absentUntil(endpoint, "busy", endpoint.busy(nowMillis, this.#random()))
      case "leaves":
        return this.#absentUntil(endpoint, "leaves", nowMillis + leavesMillis)
      case "expired":
        if (millis !== undefined) {
          endpoint.gaveNothing(millis, kind)
          this.#judge(endpoint)
        }
    }
  }

  #well(endpoint: Endpoint<P>, nowMillis: number): void {
    const wasOnTrial = endpoint.onTrial
    endpoint.well(nowMillis)
    // Who has answered one has room for one.
    if (endpoint.absence === "busy") this.#return(endpoint)
    if (wasOnTrial) this.options.report?.({ _tag: "BackIn", id: endpoint.id })
  }

  /** Who is slow, against the median of all. */
  #judge(endpoint: Endpoint<P>): void {
    if (--this.#untilMedian <= 0) {
      this.#untilMedian = medianEvery
      const ratios: Array<number> = []
      for (const { latency, ratio } of this.#endpoints.values()) if (latency !== undefined) ratios.push(ratio)
      ratios.sort((a, b) => a - b)
      this.#median = ratios.length === 0 ? 1 : ratios[(ratios.length - 1) >> 1]!
      for (const one of this.#endpoints.values()) if (one !== endpoint) this.#judgeBy(one)
    }
    this.#judgeBy(endpoint)
  }

  #judgeBy(endpoint: Endpoint<P>): void {
    const slowness = endpoint.ratio / this.#median
    endpoint.slowness = slowness >= slowAt ? slowness : 1
  }

  // --- leaving out, and letting in -----------------------------------------------------------------------------------------------

  #absentUntil(endpoint: Endpoint<P>, absence: Absence, until: number): void {
    // What failed has to show that it is back, whatever it says to calls that it had already.
    if (endpoint.absence === "failed") return
    endpoint.absence = absence
    endpoint.absentUntil = until
    this.#absent.add(endpoint)
    this.#due = Math.min(this.#due, until)
    if (this.#queue.size > 0) this.#wakeAt(until)
  }

  #forgetAbsence(endpoint: Endpoint<P>): void {
    endpoint.absence = undefined
    endpoint.absentUntil = Infinity
    this.#absent.delete(endpoint)
  }

  #return(endpoint: Endpoint<P>): void {
    // One that failed, or was leaving, has to show that it is back.
    endpoint.onTrial ||= endpoint.absence !== "busy"
    this.#forgetAbsence(endpoint)
    this.#refresh(endpoint)
  }

  /** How many may be left out because they failed: half of them, and so never the last. */
  get #mayBeLeftOut(): number {
    return this.#present >> 1
  }

  get #leftOut(): Array<Endpoint<P>> {
    return [...this.#absent].filter((one) => one.absence === "failed" && !one.isDraining)
  }

  #leave(endpoint: Endpoint<P>, nowMillis: number): void {
    if (endpoint.absence === "failed" || this.#leftOut.length >= this.#mayBeLeftOut) return
    const forMillis = endpoint.leaveOutFor(nowMillis, this.#leaveOut, this.#leaveOutMax, this.#random())
    endpoint.onTrial = false
    this.#absentUntil(endpoint, "failed", nowMillis + forMillis)
    this.options.report?.({ _tag: "LeftOut", id: endpoint.id, failures: endpoint.failures, forMillis })
  }

  /** Where there are fewer now, those who have been left out the longest come back. */
  #leaveEnough(): void {
    const leftOut = this.#leftOut
    const tooMany = leftOut.length - this.#mayBeLeftOut
    if (tooMany <= 0) return
    leftOut.sort((a, b) => a.absentUntil - b.absentUntil)
    for (const endpoint of leftOut.slice(0, tooMany)) this.#return(endpoint)
  }

  #letIn(nowMillis: number): void {
    this.#due = Infinity
    for (const endpoint of this.#absent) {
      if (endpoint.absentUntil <= nowMillis) this.#return(endpoint)
      else this.#due = Math.min(this.#due, endpoint.absentUntil)
    }
  }

  // --- waiting -------------------------------------------------------------------------------------------------------------------

  /** When a call that waits is not to wait any longer. */
  #expiry({ deadline, since }: Waiter<P>): number {
    return Math.min(deadline, since + (this.#present === 0 ? this.#whenNobody : this.#whenFull))
  }

  /** What a call fails with that found no place. */
  refusal(since: number, nowMillis: number, reason: Balance.OverloadedError["reason"]): unknown {
    const { service } = this.options
    const waited = nowMillis > since ? { waited: Duration.millis(Math.round(nowMillis - since)) } : {}
    const present = this.#present
    if (present > 0) {
      return new Balance.OverloadedError({
        service,
        reason,
        peers: present,
        pending: this.#call.pending,
        waiting: this.#queue.size,
        ...waited
      })
    }
    const error = new Balance.NobodyThereError({ service, draining: this.#endpoints.size, ...waited })
    return this.options.nobody?.(error) ?? error
  }

  /** Has a call wait for a place. It is told at once where it may not. */
  wait(waiter: Waiter<P>, caller: string, first: boolean): Ticket<Waiter<P>> | undefined {
    const now = this.now()
    if (this.isClosed) {
      waiter.refused(this.options.closed())
      return undefined
    }
    const until = this.#expiry(waiter)
    const ticket = until <= now ? undefined : this.#queue.add(caller, waiter, (other) => {
      other.refused(this.refusal(other.since, now, "PushedOut"))
    }, first)
    if (ticket === undefined) {
      waiter.refused(this.refusal(waiter.since, now, until <= now ? "TimeUp" : "QueueFull"))
      return undefined
    }
    this.#wakeAt(Math.min(until, this.#due))
    return ticket
  }

  leave(ticket: Ticket<Waiter<P>>): void {
    this.#queue.remove(ticket)
  }

  /** Gives places to those who wait. What they do at once may come back here, and is then done by the one that is at it. */
  #grant(nowMillis: number): void {
    if (this.#isGranting) return
    this.#isGranting = true
    while (this.#queue.size > 0 && this.#open.length > 0) {
      let chosen: Endpoint<P> | undefined
      const waiter = this.#queue.take((one) =>
        (chosen = this.#chooseNow(one.kind, one.payload, one.tried, one.avoids)) !== undefined
      )
      if (waiter === undefined || chosen === undefined) break
      this.take(chosen)
      waiter.granted(chosen, nowMillis)
    }
    this.#isGranting = false
  }

  /** Tells those who wait what they wait for in vain. */
  #refuse(why: (waiter: Waiter<P>) => unknown): void {
    const refused: Array<readonly [Ticket<Waiter<P>>, unknown]> = []
    this.#queue.forEach((ticket) => {
      const error = why(ticket.value)
      if (error !== undefined) refused.push([ticket, error])
    })
    for (const [ticket, error] of refused) {
      this.#queue.remove(ticket)
      ticket.value.refused(error)
    }
  }

  #ring(): void {
    if (this.#queue.size === 0) return
    const now = this.now()
    if (now >= this.#due) this.#letIn(now)
    this.#grant(now)
    this.#refuse((waiter) => this.#expiry(waiter) <= now ? this.refusal(waiter.since, now, "TimeUp") : undefined)
    let next = this.#due
    this.#queue.forEach((ticket) => {
      next = Math.min(next, this.#expiry(ticket.value))
    })
    this.#wakeAt(next)
  }

  /** Looks again at that time, while somebody waits. */
  #wakeAt(at: number): void {
    if (at >= this.#alarmAt || this.isClosed || at === Infinity) return
    this.#alarm?.interruptUnsafe()
    this.#alarmAt = at
    // A whole millisecond later, as a sleep knows no parts of one.
    const millis = Math.max(0, Math.ceil(at - this.now()))
    this.#alarm = Effect.runForkWith(this.#context)(
      Effect.andThen(
        this.#clock.sleep(Duration.millis(millis)),
        Effect.sync(() => {
          this.#alarm = undefined
          this.#alarmAt = Infinity
          this.#ring()
        })
      )
    )
  }

  // --- the policy ----------------------------------------------------------------------------------------------------------------

  /** Says once in the log what is wrong with the policy. */
  #complain(why: unknown): void {
    if (this.#hasComplained) return
    this.#hasComplained = true
    Effect.runForkWith(this.#context)(Effect.logWarning(
      `the policy ${quote(this.options.policy.name)} of ${
        quote(this.options.service)
      } failed, and is answered for by leastPending where it does`,
      why
    ))
  }
}
