/**
 * The engines of a node's calls of one of several peers: one for each target and policy, made when it is called first, and kept while calls of it are
 * out and for a minute after.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Balance from "../../Balance.ts"
import { CurrentCaller } from "../../Caller.ts"
import { nowUnsafe } from "../../Deadline.ts"
import { NodeClosedError } from "../../FunctionError.ts"
import { Any, type Peer, type Peers, PeerUnknownError } from "../../Peers.ts"
import { describe } from "../peers/targets.ts"
import type { Kind } from "./kind.ts"
import * as Members from "./members.ts"
import type { Attempt, Verdict } from "./run.ts"

/** Engines that are kept though nothing calls them, and functions that one knows. */
const most = 64
const mostKinds = 256
/** How long one is kept, in milliseconds. */
const lingering = 60_000

type Policy = Balance.Policy<any, any>

interface Engine<E> {
  readonly members: Members.Followed<E>
  readonly scope: Scope.Closeable
  readonly kinds: Map<string, Kind>
  uses: number
  usedAt: number
}

/** What of a call the engine is told. */
export interface Called {
  readonly any: Any
  readonly policy: Policy | undefined
  readonly function: string
  readonly idempotent: boolean
  readonly payload: unknown
}

let ids = 0
const known = new WeakMap<object, number>()

/** Which function or policy it is. */
const idOf = (one: object | undefined): number => {
  if (one === undefined) return -1
  const id = known.get(one) ?? ids++
  known.set(one, id)
  return id
}

const keyOf = ({ any, policy }: Called): string => {
  const { role, serves, where } = any.where
  return JSON.stringify([role, serves, idOf(where), idOf(policy)])
}

export class Engines<E> {
  readonly #peers: Peers["Service"]
  readonly #scope: Scope.Scope
  readonly #clock: Clock.Clock
  readonly #classify: (error: E) => Verdict
  readonly #all = new Map<string, Engine<E>>()

  constructor(
    peers: Peers["Service"],
    scope: Scope.Scope,
    clock: Clock.Clock,
    classify: (error: E) => Verdict
  ) {
    this.#peers = peers
    this.#scope = scope
    this.#clock = clock
    this.#classify = classify
  }

  /** Engines that there are. */
  get size(): number {
    return this.#all.size
  }

  /** Makes a call of one of the peers that it is for. */
  run<A, R>(
    called: Called,
    attempt: Attempt<Peer, A, E, R>
  ): Effect.Effect<A, E | PeerUnknownError | NodeClosedError | Balance.OverloadedError, R> {
    return Effect.flatMap(this.#of(called), (engine) => {
      let isUsed = false
      return Effect.onExitPrimitive(
        Effect.suspend(() => {
          isUsed = true
          engine.uses++
          return this.#call(engine, called, attempt)
        }),
        () => {
          if (isUsed) engine.uses--
          engine.usedAt = nowUnsafe(this.#clock)
          return undefined
        }
      )
    })
  }

  #call<A, R>(engine: Engine<E>, called: Called, attempt: Attempt<Peer, A, E, R>) {
    const { members, kinds } = engine
    const { service } = members
    let kind = kinds.get(called.function)
    if (kind === undefined) {
      if (kinds.size >= mostKinds) kinds.clear()
      kinds.set(called.function, kind = service.function(called.function, { idempotent: called.idempotent }))
    }
    const run = Effect.withFiber((fiber) =>
      service.runNow(kind, attempt, { payload: called.payload, caller: fiber.getRef(CurrentCaller)?.publicKey })
    )
    const ready = service.pool.isAbandoned ? Effect.andThen(this.#someone(engine, called.any), run) : run
    return Effect.catch(
      ready,
      (error): Effect.Effect<never, E | PeerUnknownError | NodeClosedError | Balance.OverloadedError> =>
        error instanceof Balance.NobodyThereError ? this.#nobody(called.any) : Effect.fail(error)
    )
  }

  /** Peers are asked what they offer when it is first wanted to know: that is waited for, before nobody is there. */
  #someone({ members }: Engine<E>, any: Any) {
    return Effect.flatMap(
      Effect.mapError(this.#peers.resolve(any.where), (error) => error as PeerUnknownError | NodeClosedError),
      (found) => found.length === 0 ? this.#nobody(any) : Effect.sync(() => members.enter(found))
    )
  }

  #nobody(any: Any): Effect.Effect<never, PeerUnknownError | NodeClosedError> {
    return Effect.matchEffect(this.#peers.resolveOne(any), {
      onFailure: (error) => Effect.fail(error as PeerUnknownError | NodeClosedError),
      onSuccess: () => Effect.fail(new PeerUnknownError({ peer: describe(any.where), known: [] }))
    })
  }

  // --- which there are ---------------------------------------------------------------------------------------------------

  #of(called: Called): Effect.Effect<Engine<E>> {
    return Effect.suspend(() => {
      const key = keyOf(called)
      const found = this.#all.get(key)
      return found === undefined ? this.#make(key, called) : Effect.succeed(found)
    })
  }

  #make(key: string, { any, policy }: Called): Effect.Effect<Engine<E>> {
    return Effect.uninterruptible(Effect.gen({ self: this }, function*() {
      const scope = yield* Scope.fork(this.#scope)
      const members = yield* Scope.provide(scope)(Members.follow<E>({
        peers: this.#peers,
        where: any.where,
        service: `peers ${describe(any.where)}`,
        policy,
        settings: yield* Effect.orDie(Balance.settings({ whenNobody: "1 second" })),
        classify: this.#classify,
        closed: () => new NodeClosedError({ node: this.#peers.name }) as E
      }))
      const engine: Engine<E> = {
        members,
        scope,
        kinds: new Map(),
        uses: 0,
        usedAt: nowUnsafe(this.#clock)
      }
      // Somebody else may have made one meanwhile: his is closed when it is not used.
      this.#all.set(key, engine)
      yield* Effect.forkIn(this.#keeping(key, engine), this.#scope)
      yield* this.#makeRoom
      return engine
    }))
  }

  /** Closes one that was not used for long. */
  #keeping(key: string, engine: Engine<E>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const left = engine.usedAt + lingering - nowUnsafe(this.#clock)
      if (engine.uses === 0 && left <= 0) return this.#close(key, engine)
      return Effect.andThen(
        Effect.sleep(engine.uses > 0 ? lingering : left),
        this.#keeping(key, engine)
      )
    })
  }

  #close(key: string, engine: Engine<E>): Effect.Effect<void> {
    if (this.#all.get(key) === engine) this.#all.delete(key)
    return Scope.close(engine.scope, Exit.void)
  }

  /** Of more than may be kept those go that were not used the longest. */
  get #makeRoom(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const over = this.#all.size - most
      if (over <= 0) return Effect.void
      const idle = [...this.#all].filter(([, { uses }]) => uses === 0).sort(([, a], [, b]) => a.usedAt - b.usedAt)
      // The newest is about to be used.
      return Effect.forEach(
        idle.slice(0, Math.min(over, idle.length - 1)),
        ([key, engine]) => this.#close(key, engine),
        {
          discard: true
        }
      )
    })
  }
}
