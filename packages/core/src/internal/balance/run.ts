/**
 * One call of a service: it gets a place at a peer, is sent there, and is sent to another one where that is sound.
 *
 * What bites: a place is taken inside of what gives it back, never before: between two steps of an Effect its fiber may be interrupted.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { CurrentDeadline } from "../../Deadline.ts"
import type { Endpoint } from "./endpoint.ts"
import type { Ticket } from "./fairQueue.ts"
import type { Kind } from "./kind.ts"
import type { Outcome, Pool, Waiter } from "./pool.ts"

/**
 * What an error of an attempt means.
 *
 * - `final`: it is an answer, of the function or of the peer, that another peer would give as well
 * - `broke`: it is an answer, too, and what runs there is broken: a peer that breaks at once would be taken for a quick one
 * - `notRun`, `mayHaveRun`: the peer could not be reached, or was lost; the function surely did not run, or may have
 * - `busy`: it did not run as the peer takes no more now; `leaves`: as the peer drains
 * - `expired`: the call's time was up
 * - `unknown`: it says nothing of the peer, and the call is not sent to another
 */
export type Verdict = "final" | "broke" | "notRun" | "mayHaveRun" | "busy" | "leaves" | "expired" | "unknown"

export type Attempt<P, A, E, R> = (peer: P, id: string) => Effect.Effect<A, E, R>

/** What a call is told besides its function. */
export interface CallOptions {
  /** What the policy sees of it. */
  readonly payload?: unknown
  /** Whom it is for: where calls wait, these have their turn one after another. */
  readonly caller?: string | undefined
  /** A place for it was looked for already. */
  readonly looked?: Looked | undefined
  /** Whether it may still be sent to another peer, were it sound. Default: it may. */
  readonly repeats?: (() => boolean) | undefined
  /** Ids of peers that it goes to only where it cannot go to another now. */
  readonly avoids?: ReadonlyArray<string> | undefined
}

/** What was found where a place was looked for before there was more to do than to send the call: nothing, or a peer that it could not be sent to at once. */
export interface Looked {
  readonly at: Endpoint<any> | undefined
}

/** What became of an attempt. */
export const outcomeOf = <E>(exit: Exit.Exit<unknown, E>, classify: (error: E) => Verdict): Outcome => {
  if (Exit.isSuccess(exit)) return "answered"
  const { reasons } = exit.cause
  for (const reason of reasons) {
    if (reason._tag !== "Fail") continue
    try {
      return classify(reason.error)
    } catch {
      // Nobody knows, so that it is not run twice.
      return "unknown"
    }
  }
  return reasons.some(({ _tag }) => _tag === "Die") ? "unknown" : "expired"
}

export class Run<P, A, E, R> implements Waiter<P> {
  readonly kind: Kind
  readonly payload: unknown
  readonly avoids: ReadonlyArray<string> | undefined
  readonly #pool: Pool<P>
  readonly #classify: (error: E) => Verdict
  readonly #attempt: Attempt<P, A, E, R>
  readonly #caller: string
  readonly #repeats: (() => boolean) | undefined

  /** The place that it has. */
  #held: Endpoint<P> | undefined
  #heldSince = 0
  /** Where it was sent last. */
  #at: Endpoint<P> | undefined
  #outcome: Outcome | "noPlace" = "unknown"
  tried: Array<Endpoint<P>> | undefined
  /** A call is counted once, whatever it takes. */
  isCounted = false
  /** The failure of an attempt that may have run. */
  #mayHaveRun: Cause.Cause<E> | undefined
  /** The failure of an attempt that did not. */
  #last: Cause.Cause<E> | undefined

  // Waiting.
  /** Since when; Infinity where it never did. */
  since = Infinity
  deadline = Infinity
  #ticket: Ticket<Waiter<P>> | undefined
  #resume: ((effect: Effect.Effect<void, E>) => void) | undefined
  /** Whom its first attempt is for, where that may still be. */
  #first: Endpoint<P> | undefined

  constructor(
    pool: Pool<P>,
    classify: (error: E) => Verdict,
    kind: Kind,
    attempt: Attempt<P, A, E, R>,
    options: CallOptions | undefined
  ) {
    this.#pool = pool
    this.#classify = classify
    this.kind = kind
    this.#attempt = attempt
    this.payload = options?.payload
    this.avoids = options?.avoids
    this.#caller = options?.caller ?? ""
    this.#repeats = options?.repeats
    const looked = options?.looked
    if (looked === undefined) return
    this.isCounted = true
    this.#first = looked.at
  }

  /** The rest of a call whose first attempt was made in a place that was had at once: what becomes of it, and what is done then. */
  rest(endpoint: Endpoint<P>, since: number, attempt: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    this.isCounted = true
    this.#held = this.#at = endpoint
    this.#heldSince = since
    return Effect.catchCause(Effect.onExitPrimitive(attempt, this.#left), this.#failed)
  }

  /** The call. */
  get effect(): Effect.Effect<A, E, R> {
    return Effect.catchCause(
      this.kind.delay === undefined ? this.once : this.#hedged,
      this.#failed
    )
  }

  // --- one attempt ---------------------------------------------------------------------------------------------------------------

  /** A place, one attempt, and the place given back. */
  get once(): Effect.Effect<A, E, R> {
    return Effect.onExitPrimitive(Effect.withFiber(this.#begin), this.#left)
  }

  readonly #begin = (fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<A, E, R> => {
    const pool = this.#pool
    if (pool.isClosed) return Effect.fail(pool.options.closed() as E)
    const now = pool.now()
    if (!this.isCounted) {
      this.isCounted = true
      pool.budget.call(now)
    }
    const first = this.#first
    this.#first = undefined
    const endpoint = first?.mayBeCalled === true ? first : pool.choose(this, now)
    if (endpoint === undefined) return this.#wait(fiber, now)
    pool.take(endpoint)
    this.#has(endpoint, now)
    return this.#attempt(endpoint.peer, endpoint.id)
  }

  /** A place alone, which is had when this succeeds, and given back with `leave`. */
  get placed(): Effect.Effect<Endpoint<P>, E> {
    return Effect.onExitPrimitive(
      Effect.withFiber((fiber: Fiber.Fiber<unknown, unknown>) => {
        const begun = this.#begin(fiber)
        return Effect.map(begun as Effect.Effect<unknown, E>, () => this.#held!)
      }),
      (exit) => Exit.isSuccess(exit) ? undefined : this.#left(exit as Exit.Exit<A, E>)
    )
  }

  /** Gives back the place that `placed` gave. How long it was had says nothing. */
  leave(outcome: Outcome): void {
    const endpoint = this.#held
    if (endpoint === undefined) return
    this.#held = undefined
    this.#pool.release(endpoint, outcome, this.kind, undefined, this.#pool.now())
  }

  readonly #left = (exit: Exit.Exit<A, E>): undefined => {
    const endpoint = this.#held
    if (endpoint === undefined) {
      if (this.#ticket !== undefined) this.#pool.leave(this.#ticket)
      this.#outcome = "noPlace"
      return
    }
    this.#held = undefined
    const pool = this.#pool
    const now = pool.now()
    const outcome = this.#outcome = outcomeOf(exit, this.#classify)
    pool.release(endpoint, outcome, this.kind, this.kind.timed ? now - this.#heldSince : undefined, now)
  }

  // --- waiting for a place -------------------------------------------------------------------------------------------------------

  #wait(fiber: Fiber.Fiber<unknown, unknown>, now: number): Effect.Effect<A, E, R> {
    const isFirst = this.since === Infinity
    if (isFirst) this.since = now
    this.deadline = fiber.getRef(CurrentDeadline) ?? Infinity
    return Effect.flatMap(
      Effect.callback<void, E>((resume) => {
        this.#resume = resume
        // One that was sent to a peer in vain has waited before.
        this.#ticket = this.#pool.wait(this, this.#caller, !isFirst || this.#last !== undefined)
      }),
      () => {
        const endpoint = this.#held!
        return this.#attempt(endpoint.peer, endpoint.id)
      }
    )
  }

  granted(endpoint: Endpoint<P>, now: number): void {
    this.#has(endpoint, now)
    this.#goOn(Effect.void)
  }

  refused(error: unknown): void {
    this.#goOn(Effect.fail(error as E))
  }

  #has(endpoint: Endpoint<P>, now: number): void {
    this.#held = this.#at = endpoint
    this.#heldSince = now
  }

  /** What goes on may come to wait again before this returns. */
  #goOn(effect: Effect.Effect<void, E>): void {
    const resume = this.#resume
    this.#ticket = undefined
    this.#resume = undefined
    resume?.(effect)
  }

  // --- another attempt -----------------------------------------------------------------------------------------------------------

  /** What the call fails with: where an attempt may have run, it says so, whatever came after. */
  #end(cause: Cause.Cause<E>): Effect.Effect<never, E> {
    return Effect.failCause(this.#mayHaveRun ?? cause)
  }

  readonly #failed = (cause: Cause.Cause<E>): Effect.Effect<A, E, R> => {
    const outcome = this.#outcome
    switch (outcome) {
      case "noPlace":
        return this.#end(this.#last !== undefined && this.#pool.isAbandoned ? this.#last : cause)
      // An answer, or something else than the peer.
      case "answered":
      case "final":
      case "broke":
      case "unknown":
        return Effect.failCause(cause)
      case "expired":
        return this.#end(cause)
      case "mayHaveRun":
        this.#mayHaveRun = cause
        if (!this.kind.idempotent) return Effect.failCause(cause)
        break
      default:
        this.#last = cause
    }
    return Effect.withFiber((fiber) => this.#mayGoOn(fiber, outcome) ? this.effect : this.#end(cause))
  }

  /** Whether a call that failed may be sent once more. */
  #mayGoOn(fiber: Fiber.Fiber<unknown, unknown>, outcome: Outcome): boolean {
    const pool = this.#pool
    const at = this.#at
    const now = pool.now()
    if (this.#repeats?.() === false) return false
    if (at === undefined || (fiber.getRef(CurrentDeadline) ?? Infinity) <= now) return false
    // A busy one may be tried again when it is not.
    if (outcome === "busy") return true
    if (this.tried === undefined) this.tried = [at]
    else if (!this.tried.includes(at)) this.tried.push(at)
    return (pool.hasOthers(this.tried) || pool.isAbandoned) && (outcome === "leaves" || pool.budget.retry(now))
  }

  // --- a second attempt beside the first ------------------------------------------------------------------------------------------

  /** Whether an attempt's exit is what the call ends with. */
  get #isAnswered(): boolean {
    return this.#outcome === "answered" || this.#outcome === "final" || this.#outcome === "broke"
  }

  get #hedged(): Effect.Effect<A, E, R> {
    const delay = this.kind.delay
    if (delay === undefined) return this.once
    return Effect.flatMap(Effect.forkChild(this.once, { startImmediately: true }), (first) => {
      let second: Fiber.Fiber<A, E> | undefined
      return Effect.onExit(
        Effect.flatMap(
          Effect.timeoutOption(Fiber.await(first), delay),
          (exit) =>
            exit._tag === "Some"
              ? exit.value
              : Effect.suspend(() => {
                const other = this.#other()
                if (other === undefined) return Effect.flatten(Fiber.await(first))
                return Effect.flatMap(Effect.forkChild(other.once, { startImmediately: true }), (fiber) => {
                  second = fiber
                  return this.#firstOf(first, other, fiber)
                })
              })
        ),
        // Nobody waits for the end of the one that was not waited for.
        () =>
          Effect.sync(() => {
            first.interruptUnsafe()
            second?.interruptUnsafe()
          })
      )
    })
  }

  /** The second attempt, where there is a peer and it may be. */
  #other(): Run<P, A, E, R> | undefined {
    const pool = this.#pool
    const held = this.#held
    if (held === undefined) return undefined
    const other = new Run(pool, this.#classify, this.kind, this.#attempt, {
      payload: this.payload,
      caller: this.#caller
    })
    other.tried = [...(this.tried ?? []), held]
    other.isCounted = true
    const now = pool.now()
    return pool.choose(other, now) !== undefined && pool.budget.hedge(now) ? other : undefined
  }

  /** What the first of two gives that is an answer. Where neither is, the call fails as if both had been tried one after another. */
  #firstOf(
    first: Fiber.Fiber<A, E>,
    other: Run<P, A, E, R>,
    second: Fiber.Fiber<A, E>
  ): Effect.Effect<A, E, R> {
    const settle = (run: Run<P, A, E, R>, exit: Exit.Exit<A, E>, rest: Fiber.Fiber<A, E>, restOf: Run<P, A, E, R>) => {
      if (run.#isAnswered) return this.#adopt(run, exit)
      return Effect.flatMap(Fiber.await(rest), (last) => {
        for (const one of [run, restOf]) if (one.#at !== undefined) (this.tried ??= []).push(one.#at)
        if (run.#outcome === "mayHaveRun" && Exit.isFailure(exit)) this.#mayHaveRun = exit.cause
        return this.#adopt(restOf, last)
      })
    }
    return Effect.flatten(Effect.raceFirst(
      Effect.map(Fiber.await(first), (exit) => settle(this, exit, second, other)),
      Effect.map(Fiber.await(second), (exit) => settle(other, exit, first, this))
    ))
  }

  #adopt(run: Run<P, A, E, R>, exit: Exit.Exit<A, E>): Exit.Exit<A, E> {
    this.#outcome = run.#outcome
    this.#at = run.#at
    return exit
  }
}
