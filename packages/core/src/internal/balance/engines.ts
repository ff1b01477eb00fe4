/**
 * The engines of a node's calls of one of several peers: one for each target and policy, made when it is called first, and kept while calls of it are
 * out and for a minute after.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Balance from "../../Balance.ts"
import { CurrentCaller } from "../../Caller.ts"
import { CurrentDeadline, nowUnsafe } from "../../Deadline.ts"
import { type DeadlineError, NodeClosedError } from "../../FunctionError.ts"
import { type Peer, type Peers, PeerUnknownError } from "../../Peers.ts"
import { describe, noneInTime } from "../peers/targets.ts"
import type { Kind } from "./kind.ts"
import * as Members from "./members.ts"
import type { Attempt } from "./run.ts"
import { verdictOf } from "./verdicts.ts"
import { type Called, type Engine, type EngineError, type Failure, Way } from "./way.ts"

export { Way }

/** Engines that are kept though nothing calls them, and functions that one knows. */
const most = 64
const mostKinds = 256
/** How long one is kept, in milliseconds. */
const lingering = 60_000

/** Stands for the functions beyond those that an engine knows one by one. */
const others = "(others)"

const kindOf = ({ kinds, members }: Engine, { function: name, idempotent = false, stream = false }: Called): Kind => {
  const more = `${idempotent ? "!" : ""}${stream ? "~" : ""}`
  const kind = kinds.get(more + name)
  if (kind !== undefined) return kind
  const known = kinds.size < mostKinds ? name : others
  const made = kinds.get(more + known) ?? members.service.function(known, { idempotent, timed: !stream })
  kinds.set(more + known, made)
  return made
}

const isUsed = ({ members: { service: { pool } }, uses }: Engine): boolean =>
  uses > 0 || pool.pending > 0 || pool.waiting > 0

/** The engines of a node, by its peers. */
const all = new WeakMap<Peers["Service"], Engines>()

export class Engines {
  readonly #peers: Peers["Service"]
  readonly #scope: Scope.Scope
  /** The node's, since whoever calls first makes what others use. */
  readonly #context: Context.Context<never>
  readonly #clock: Clock.Clock
  readonly #all = new Map<string, Engine>()
  #calls = 0

  constructor(peers: Peers["Service"], scope: Scope.Scope, context: Context.Context<never>) {
    this.#peers = peers
    this.#scope = scope
    this.#context = context
    this.#clock = Context.get(context, Clock.Clock)
  }

  /** Engines that there are. */
  get size(): number {
    return this.#all.size
  }

  /** Makes a call of one of the peers that are meant, of the fiber that runs, and gives what it fails with to `failed`. It is run at once. */
  run<A, E extends Failure, R, B, E2, R2>(
    fiber: Fiber.Fiber<unknown, unknown>,
    way: Way,
    called: Called,
    attempt: Attempt<Peer, A, E, R>,
    failed: (error: NoInfer<E> | EngineError) => Effect.Effect<B, E2, R2>
  ): Effect.Effect<A | B, E2, R | R2> {
    const { function: name, payload, repeats } = called
    const caller = fiber.getRef(CurrentCaller)?.publicKey
    const call = (engine: Engine) =>
      engine.members.service.runNow(kindOf(engine, called), attempt as Attempt<Peer, A, Failure, R>, {
        payload,
        caller,
        repeats
      })
    const engine = this.#ready(way)
    return Effect.catch(
      engine === undefined
        ? Effect.flatMap(this.#of(way), (made) => this.#using(made, () => this.#someone(made, way, call(made))))
        : call(this.#called(engine)),
      (error) =>
        error instanceof Balance.NobodyThereError
          ? Effect.catch(this.#nobody(way, name), failed)
          : failed(error as E | EngineError)
    )
  }

  /** Streams of one of the peers that are meant. */
  stream<A, E extends Failure, R>(
    way: Way,
    called: Called,
    attempt: (peer: Peer) => Stream.Stream<A, E, R>
  ): Stream.Stream<A, E | EngineError, R> {
    return Stream.unwrap(Effect.withFiber((fiber) => {
      const { function: name, payload, repeats } = called
      const caller = fiber.getRef(CurrentCaller)?.publicKey
      return Effect.map(this.#of(way), (engine) => {
        const stream = engine.members.service.stream(
          kindOf(engine, called),
          attempt as (peer: Peer) => Stream.Stream<A, Failure, R>,
          { payload, caller, repeats }
        )
        return Stream.unwrap(Effect.as(
          Effect.andThen(
            Effect.acquireRelease(
              Effect.sync(() => void this.#called(engine).uses++),
              () => Effect.sync(() => void engine.uses--)
            ),
            this.#someone(engine, way, Effect.void)
          ),
          stream
        )).pipe(
          Stream.catch((error) =>
            Stream.fromEffect<A, E | EngineError, never>(
              error instanceof Balance.NobodyThereError
                ? this.#nobody(way, name)
                : Effect.fail(error as E | EngineError)
            )
          )
        )
      })
    }))
  }

  /** The engine, where it may be called at once. */
  #ready(way: Way): Engine | undefined {
    const { engine } = way
    return engine === undefined || engine.isClosed || engine.members.service.pool.isAbandoned ? undefined : engine
  }

  #using<A, E, R>(engine: Engine, run: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    let isUsed = false
    return Effect.onExitPrimitive(
      Effect.suspend(() => {
        isUsed = true
        this.#called(engine).uses++
        return run()
      }),
      () => {
        if (isUsed) engine.uses--
        return undefined
      }
    )
  }

  #called(engine: Engine): Engine {
    engine.isIdle = false
    engine.usedAt = this.#calls++
    return engine
  }

  /** Peers are asked what they offer when it is first wanted to know: that is waited for, before nobody is there. */
  #someone<A, E, R>(
    { members }: Engine,
    { any }: Way,
    run: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | Balance.NobodyThereError, R> {
    if (!members.service.pool.isAbandoned) return run
    // Why it fails is found out where it is told that nobody is there.
    const found = Effect.orElseSucceed(this.#peers.resolve(any.where), () => [])
    return Effect.flatMap(found, (peers): Effect.Effect<A, E | Balance.NobodyThereError, R> => {
      if (peers.length === 0) return Effect.fail(new Balance.NobodyThereError({ service: members.name, draining: 0 }))
      members.enter(peers)
      return run
    })
  }

  /** Why nobody is there. It may be that there was no time to find out. */
  #nobody(
    { any }: Way,
    name: string
  ): Effect.Effect<never, PeerUnknownError | NodeClosedError | DeadlineError> {
    return Effect.withFiber((fiber) =>
      Effect.matchEffect(this.#peers.resolveOne(any), {
        onFailure: (error): Effect.Effect<never, PeerUnknownError | NodeClosedError | DeadlineError> => {
          const deadline = fiber.getRef(CurrentDeadline)
          return error._tag !== "NodeClosedError" && deadline !== undefined && nowUnsafe(this.#clock) >= deadline
            ? Effect.fail(noneInTime(any.where, { function: name }))
            : Effect.fail(error as PeerUnknownError | NodeClosedError)
        },
        onSuccess: () => Effect.fail(new PeerUnknownError({ peer: describe(any.where), known: [] }))
      })
    )
  }

  // --- which there are ---------------------------------------------------------------------------------------------------

  #of(way: Way): Effect.Effect<Engine> {
    return Effect.suspend(() => {
      if (way.engine?.isClosed === false) return Effect.succeed(this.#called(way.engine))
      const found = this.#all.get(way.key)
      return found === undefined ? this.#make(way) : Effect.succeed(this.#called(way.engine = found))
    })
  }

  #make(way: Way): Effect.Effect<Engine> {
    const { any, key, policy } = way
    return Effect.uninterruptible(
      Effect.gen({ self: this }, function*() {
        const scope = yield* Scope.fork(this.#scope)
        const members = yield* Scope.provide(scope)(Members.follow<Failure>({
          peers: this.#peers,
          where: any.where,
          service: `peers ${describe(any.where)}`,
          policy,
          settings: yield* Effect.orDie(Balance.settings({ whenNobody: "1 second" })),
          classify: verdictOf,
          closed: () => new NodeClosedError({ node: this.#peers.name })
        }))
        const engine: Engine = {
          members,
          scope,
          kinds: new Map(),
          uses: 0,
          usedAt: this.#calls++,
          isIdle: false,
          isClosed: false
        }
        // Somebody else may have made one meanwhile: his is closed when it is not used.
        this.#all.set(key, engine)
        way.engine = engine
        // Ends with it, or those of engines that made room for others would pile up.
        yield* Effect.forkIn(this.#keeping(key, engine), scope)
        yield* this.#makeRoom
        return engine
      }).pipe(Effect.updateContext((): Context.Context<never> => this.#context))
    )
  }

  /** Closes one that was not used from one look to the next. */
  #keeping(key: string, engine: Engine): Effect.Effect<void> {
    return Effect.andThen(
      Effect.sleep(lingering),
      Effect.suspend(() => {
        if (engine.isIdle && !isUsed(engine)) return this.#close(key, engine)
        engine.isIdle = !isUsed(engine)
        return this.#keeping(key, engine)
      })
    )
  }

  #close(key: string, engine: Engine): Effect.Effect<void> {
    engine.isClosed = true
    if (this.#all.get(key) === engine) this.#all.delete(key)
    return Scope.close(engine.scope, Exit.void)
  }

  /** Of more than may be kept those go that were not used the longest. */
  get #makeRoom(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const over = this.#all.size - most
      if (over <= 0) return Effect.void
      const idle = [...this.#all].filter(([, engine]) => !isUsed(engine)).sort(([, a], [, b]) => a.usedAt - b.usedAt)
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

/** The engines of the node whose peers these are, which live as long as the scope of who asks first. */
export const enginesOf = (peers: Peers["Service"]): Effect.Effect<Engines, never, Scope.Scope> =>
  Effect.gen(function*() {
    const known = all.get(peers)
    if (known !== undefined) return known
    const made = new Engines(peers, yield* Effect.scope, yield* Effect.context<never>())
    all.set(peers, made)
    return made
  })
