/**
 * Streams that peers open, each served by a fiber of its own unless its handler is done when it returns: as many as may run at once,
 * interrupted when their stream fails, and their stream ended when they have.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { PublicKey } from "../../PublicKey.ts"
import type * as Sessions from "../../Sessions.ts"
import * as Given from "../base/given.ts"
import { quote } from "../base/quote.ts"
import * as Seldom from "../base/seldom.ts"
import { fromTraceparent } from "../base/trace.ts"
import type { Handlers, Where } from "./handlers.ts"
import type { Host } from "./host.ts"
import type { MuxStream } from "./muxStream.ts"
import type { Session } from "./session.ts"
import { SessionStream } from "./sessionStream.ts"

/** Handlers that run, in all and for each peer that has any; a peer has a quarter of the places. */
class Running {
  readonly #limit: number
  #count = 0
  readonly #forPeer = new Map<PublicKey, number>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Whether there is a place for one more. */
  hasRoom(key: PublicKey): boolean {
    if (this.#count >= this.#limit) return false
    return this.#count === 0 || (this.#forPeer.get(key) ?? 0) < Math.max(1, this.#limit / 4)
  }

  /** Takes a place that there is. */
  enter(key: PublicKey): void {
    this.#count++
    this.#forPeer.set(key, (this.#forPeer.get(key) ?? 0) + 1)
  }

  leave(key: PublicKey): void {
    this.#count--
    const left = this.#forPeer.get(key)! - 1
    if (left === 0) this.#forPeer.delete(key)
    else this.#forPeer.set(key, left)
  }
}

/** Looks so often whether what was waited for is over, in milliseconds. */
export const lookEvery = 20

/** Waits, so long at the most, for as long as something holds. */
export const whileHolds = (holds: () => boolean, millis: number, now: () => number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const until = now() + millis
    const waiting: Effect.Effect<void> = Effect.suspend(() =>
      holds() && now() < until
        ? Effect.andThen(Effect.sleep(Math.min(lookEvery, until - now())), waiting)
        : Effect.void
    )
    return waiting
  })

/** Has what runs finish when its handlers are taken away: in the time that the node's options give, for all of one scope together. */
class Grace {
  readonly #host: Host
  readonly #until = new WeakMap<Scope.Scope, number>()

  constructor(host: Host) {
    this.#host = host
  }

  of(scope: Scope.Scope, runs: () => boolean): Effect.Effect<void> {
    const { config, now } = this.#host
    const millis = Duration.toMillis(config.grace)
    return millis === 0 ? Effect.void : Effect.suspend(() => {
      const until = this.#until.get(scope) ?? now() + millis
      this.#until.set(scope, until)
      return whileHolds(runs, until - now(), now)
    })
  }
}

type Handler<R> = (stream: Sessions.SessionStream) => Effect.Effect<void, never, R> | PromiseLike<void> | void

type Fork = (effect: Effect.Effect<unknown, unknown>) => Fiber.Fiber<unknown, unknown>

export const make = (host: Host, handlers: Handlers): Sessions.Sessions["Service"]["handle"] => {
  const running = new Running(host.limits.calls)
  const grace = new Grace(host)

  /** What becomes of a stream, and of the log, when its handler has ended. */
  const settle = (stream: MuxStream, given: SessionStream, fork: Fork, exit: Exit.Exit<unknown, unknown>) => {
    if (Exit.isSuccess(exit)) stream.end()
    else if (Exit.hasInterrupts(exit)) stream.reset("going_away", "")
    else {
      stream.reset("internal", "")
      const what = given.title ?? given.name
      fork(
        host.lines(
          Seldom.defect(what, exit.cause),
          "broke",
          (more) =>
            Effect.logError(`the handler of ${quote(what)} broke for ${quote(given.peer.name)}${more}`, exit.cause)
        )
      )
    }
    // Nobody reads what it did not.
    stream.abandon()
  }

  return <R>(
    where: Where,
    handler: Handler<R>,
    options?: Sessions.HandleOptions
  ): Effect.Effect<void, never, Exclude<R, Scope.Scope> | Scope.Scope> =>
    Effect.gen(function*() {
      const services: Context.Context<never> = yield* Effect.context<never>()
      const fork: Fork = Effect.runForkWith(services)
      // The span of whoever sets the handler is nobody's who opens a stream.
      const base = Context.omit(Tracer.ParentSpan)(services) as Context.Context<never>
      const who = Given.titled("the handler of", typeof where === "string" ? where : where.name)
      const scope = yield* Scope.Scope
      // Closes after what is set below has waited for what runs in it.
      const fibers = yield* Scope.fork(scope)
      let ran = 0

      const serve = (stream: MuxStream, session: Session) => {
        if (!running.hasRoom(session.peer.publicKey)) {
          return stream.reset("refused", "as many calls run here as may at once")
        }
        const given = new SessionStream(stream, session)
        const begun = Given.begun(handler, given, who)
        // Done before it has returned: nothing runs, and takes a place.
        if (Exit.isExit(begun)) return settle(stream, given, fork, begun)
        const { work } = given
        const fiber = work === undefined ? run(stream, begun) : Effect.runForkWith(work.context)(begun)
        work?.runIn(fiber)
        const exit = fiber.pollUnsafe()
        if (exit === undefined) return watch(stream, given, fiber)
        // Likewise, as it waited for nothing.
        work?.ended(exit)
        settle(stream, given, fork, exit)
      }

      const run = (stream: MuxStream, begun: Effect.Effect<unknown, unknown>) =>
        fork(
          options?.scoped === false ? begun : Given.scoped(begun, (scope) => {
            const own = Context.add(base, Scope.Scope, scope)
            const parent = fromTraceparent(stream.open.traceparent)
            return parent === undefined ? own : Context.add(own, Tracer.ParentSpan, parent)
          })
        )

      /** Has what runs for a stream end with it, and the stream with what runs for it. */
      const watch = (stream: MuxStream, given: SessionStream, fiber: Fiber.Fiber<unknown, unknown>) => {
        const key = given.peer.publicKey
        running.enter(key)
        ran++
        // A handler is of no use any more when its stream has failed.
        const off = stream.onFailure(() => {
          const { failure } = stream
          const cancelled = failure !== undefined && failure.remote && failure.code === "cancelled"
          fiber.interruptUnsafe(undefined, cancelled ? options?.cancelled : undefined)
        })
        // Of the fiber and not in it: what is no effect deep inside of one ends a fiber without its finalizers.
        fiber.addObserver((exit) => {
          ran--
          off()
          running.leave(key)
          given.work?.ended(exit)
          settle(stream, given, fork, exit)
        })
        Fiber.runIn(fiber, fibers)
      }

      const finishing = grace.of(scope, () => ran > 0)
      yield* Effect.acquireRelease(
        Effect.sync(() => handlers.add(where, serve)),
        (remove) => Effect.andThen(Effect.sync(remove), finishing)
      )
    }) as Effect.Effect<void, never, Exclude<R, Scope.Scope> | Scope.Scope>
}
