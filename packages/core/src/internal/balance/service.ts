/**
 * A client's view of a service: the peers that serve it, as they come and go, and calls that go to one of them.
 *
 * It knows no node: it is told who is there (`pool.set`, `pool.remove`, `pool.replace`), how one attempt is made, and what an error of
 * one means.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Balance from "../../Balance.ts"
import type { Endpoint } from "./endpoint.ts"
import { Kind, type KindOptions } from "./kind.ts"
import * as Lease from "./lease.ts"
import { Pool, type PoolOptions } from "./pool.ts"
import { type Attempt, type CallOptions, Run, type Verdict } from "./run.ts"

export interface ServiceOptions<E> extends Omit<PoolOptions, "policy" | "closed" | "settings"> {
  readonly policy?: Balance.Policy<any, any> | undefined
  readonly settings?: Balance.Settings | undefined
  readonly classify: (error: E) => Verdict
  readonly closed: () => E
}

/** E: what attempts fail with, and what the pool is told to fail with. */
export class Service<P, E> {
  readonly pool: Pool<P>
  readonly #classify: (error: E) => Verdict

  constructor(pool: Pool<P>, classify: (error: E) => Verdict) {
    this.pool = pool
    this.#classify = classify
  }

  /** What is known of a function: made once, and given with each call of it. */
  function(name: string, options?: KindOptions): Kind {
    return new Kind(name, options)
  }

  /** Calls the function at one of the peers. */
  run<A, E1 extends E, R>(
    kind: Kind,
    attempt: Attempt<P, A, E1, R>,
    options?: CallOptions
  ): Effect.Effect<A, E1 | E | Balance.OverloadedError | Balance.NobodyThereError, R> {
    return Effect.suspend(() => this.runNow(kind, attempt, options))
  }

  /** The same, which is run once and at once. */
  runNow<A, E1 extends E, R>(
    kind: Kind,
    attempt: Attempt<P, A, E1, R>,
    options?: CallOptions
  ): Effect.Effect<A, E1 | E | Balance.OverloadedError | Balance.NobodyThereError, R> {
    return new Run<P, A, E, R>(this.pool, this.#classify, kind, attempt, options).effect
  }

  /**
   * A place for the first attempt of a call, where one is to be had at once and the attempt needs no more than to be sent. It is given back by `gave`,
   * or by what `rest` gives.
   */
  placeNow(kind: Kind, payload: unknown, nowMillis: number): Endpoint<P> | undefined {
    const { pool } = this
    return pool.isClosed ? undefined : pool.placeNow(kind, payload, nowMillis)
  }

  /** Gives such a place back: the peer has answered, or it says nothing of the peer what came, or it was not waited for any longer. */
  gave(
    endpoint: Endpoint<P>,
    outcome: "answered" | "expired" | "unknown",
    kind: Kind,
    since: number
  ): void {
    const nowMillis = this.pool.now()
    this.pool.release(endpoint, outcome, kind, kind.timed ? nowMillis - since : undefined, nowMillis)
  }

  /** What is done about a first attempt that was made in such a place: it has not come to an end, or has failed. It is run once and at once. */
  rest<A, E1 extends E, R>(
    endpoint: Endpoint<P>,
    since: number,
    first: Effect.Effect<A, E1, R>,
    kind: Kind,
    attempt: Attempt<P, A, E1, R>,
    options?: CallOptions
  ): Effect.Effect<A, E1 | E | Balance.OverloadedError | Balance.NobodyThereError, R> {
    return new Run<P, A, E, R>(this.pool, this.#classify, kind, attempt, options).rest(endpoint, since, first)
  }

  /** Streams of the function from one of the peers. */
  stream<A, E1 extends E, R>(
    kind: Kind,
    attempt: (peer: P, received: Lease.Received<A>, id: string) => Stream.Stream<A, E1, R>,
    options?: Lease.StreamOptions
  ): Stream.Stream<A, E1 | E | Balance.OverloadedError | Balance.NobodyThereError, R> {
    return Lease.stream<P, A, E, R>(this.pool, this.#classify, kind, attempt, options)
  }

  /** A place at one of the peers, until the scope closes. */
  lease(
    kind: Kind,
    options?: CallOptions
  ): Effect.Effect<Lease.Lease<P>, E | Balance.OverloadedError | Balance.NobodyThereError, Scope.Scope> {
    return Lease.lease(this.pool, kind, options, undefined) as Effect.Effect<
      Lease.Lease<P>,
      E | Balance.OverloadedError | Balance.NobodyThereError,
      Scope.Scope
    >
  }
}

/** Nobody is there at first. Calls fail with `closed` when the scope has closed. */
export const make = <P, E>(options: ServiceOptions<E>): Effect.Effect<Service<P, E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const random = yield* Random.Random
    const context = yield* Effect.context<never>()
    const settings = options.settings ?? (yield* Effect.orDie(Balance.settings()))
    const pool = new Pool<P>(
      { ...options, settings, policy: options.policy ?? Balance.leastPending },
      clock,
      random,
      context
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => pool.close()))
    return new Service(pool, options.classify)
  })
