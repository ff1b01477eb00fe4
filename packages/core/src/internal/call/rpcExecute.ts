/**
 * Running the handler of a function for one call, from wherever the call came: what the handler gave, the middlewares around it,
 * the time it has, the turn it waits for, and the scope that closes with it.
 *
 * What bites: nothing that a handler or a middleware gives is trusted for its shape (`base/given`).
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Headers from "effect/http/Headers"
import * as Queue from "effect/Queue"
import * as Rpc from "effect/rpc/Rpc"
import { RequestId } from "effect/rpc/RpcMessage"
import type * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as Scope from "effect/Scope"
import { Caller } from "../../Caller.ts"
import { CurrentDeadline, nowUnsafe } from "../../Deadline.ts"
import * as Given from "../base/given.ts"
import { quote } from "../base/quote.ts"
import type { From, Metadata, Served } from "./rpcServed.ts"

/** One call, from wherever it came. */
export interface Incoming {
  readonly payload: unknown
  readonly headers: Headers.Headers
  readonly from: From
  /** By the monotonic clock. */
  readonly deadline: number | undefined
  /** Whether the caller waits for no more than that the call runs. */
  readonly discard: boolean
  /** Runs the handler's effect in a span. */
  span(effect: Effect.Effect<unknown, unknown>): Effect.Effect<unknown, unknown>
  /** Says that its time was up before it could run. */
  expired(): Effect.Effect<void>
  /** Says that it runs, to a caller who waits for no more. */
  acknowledge(): Effect.Effect<void>
  /** Takes the elements of a stream. */
  onChunk(values: NonEmptyReadonlyArray<unknown>): Effect.Effect<void>
  /** Takes the result, in the handler's span. */
  onExit(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void>
}

let requests = 0

// --- what the handler gave -----------------------------------------------------------------------------------------------

/** The effect that feeds the elements of what a streaming handler gave to `onChunk`. */
const drain = (
  given: unknown,
  onChunk: (values: NonEmptyReadonlyArray<unknown>) => Effect.Effect<void>,
  who: () => string
): Effect.Effect<unknown, unknown> =>
  Given.isEffect(given)
    ? Effect.scoped(
      Effect.flatMap(
        given as Effect.Effect<Queue.Dequeue<unknown, unknown>, unknown>,
        (queue) => Given.untilEnd(Queue.takeAll(queue), onChunk)
      )
    )
    : Given.isStream(given)
    ? Given.forEachArray(given, onChunk)
    : Given.mistaken(who(), Given.describe(given), "a Stream, or an Effect of a queue")

/** What a handler gave with options of Effect's own. Its mark is a key that JSON can carry, and what is inside of it is not. */
const wrapperOf = (given: unknown): Rpc.Wrapper<unknown> | undefined => {
  if (typeof given !== "object" || given === null || !Rpc.isWrapper(given)) return undefined
  const { value } = given
  return Given.isEffect(value) || Given.isStream(value) ? given : undefined
}

// --- what is around it ---------------------------------------------------------------------------------------------------

const ownMiddleware = (caller: Caller["Service"]): RpcMiddleware.Any => (effect) =>
  Effect.provideService(effect, Caller, caller)

const withMiddlewares = (
  { middlewares, rpc }: Served,
  handler: Effect.Effect<unknown, unknown>,
  caller: Caller["Service"],
  metadata: Metadata
): Effect.Effect<unknown, unknown> => {
  let whole = handler as Effect.Effect<any, any>
  for (const middleware of middlewares) {
    try {
      const given: unknown = (middleware ?? ownMiddleware(caller))(whole, metadata)
      // Not a value either: what it gives in place of the handler's Effect might let a call through that it should not.
      whole = Given.isEffect(given)
        ? given
        : Given.mistaken(`a middleware of ${quote(rpc._tag)}`, Given.describe(given), "an Effect")
    } catch (defect) {
      whole = Effect.die(defect)
    }
  }
  return whole as Effect.Effect<unknown, unknown>
}

/** Does not begin what has no time left: it may have waited for its turn, or for a busy process. */
const inTime = (
  { clock }: Served,
  call: Incoming,
  deadline: number,
  handler: Effect.Effect<unknown, unknown>
): Effect.Effect<unknown, unknown> =>
  Effect.suspend(() => nowUnsafe(clock) < deadline ? handler : Effect.andThen(call.expired(), Effect.interrupt))

/** What a handler gave, with what comes before it and the middlewares around it. `broken` is whether it threw instead. */
const handling = (
  served: Served,
  call: Incoming,
  value: unknown,
  broken: boolean,
  metadata: Metadata
): Effect.Effect<unknown, unknown> => {
  const { middlewares, who, wire } = served
  let failedWrite: Cause.Cause<never> | undefined
  // What throws while it is made is neither streamed nor acknowledged.
  let handler = (wire.isStream && !broken
    ? drain(value, (values) =>
      Effect.onError(call.onChunk(values), (cause) => {
        failedWrite = cause
        return Effect.void
      }), who)
    : Given.effectOf(value, who)) as Effect.Effect<unknown, unknown>
  if (call.discard && !broken) handler = Effect.andThen(Effect.suspend(() => call.acknowledge()), handler)
  if (middlewares.length === 0) return handler
  const whole = withMiddlewares(served, handler, call.from.caller, metadata)
  // A middleware may have made something else of it.
  return wire.isStream
    ? Effect.flatMap(Effect.exit(whole), (exit) => failedWrite === undefined ? exit : Effect.failCause(failedWrite))
    : whole
}

// --- the call ------------------------------------------------------------------------------------------------------------

/** What a handler gave that is an answer already, where nothing is around it that would have to run first, and nobody sees its span. */
const answerOf = (served: Served, call: Incoming, given: unknown): Exit.Exit<unknown, unknown> | undefined => {
  const { clock, middlewares, semaphore, watched, who, wire } = served
  if (wire.isStream || watched() || call.discard || middlewares.length > 0 || semaphore !== undefined) return undefined
  const exit = Given.effectOf(given, who)
  if (!Exit.isExit(exit) || Exit.isSuccess(exit) && Given.isDeferred(exit.value)) return undefined
  return call.deadline === undefined || nowUnsafe(clock) < call.deadline ? exit : undefined
}

/** The effect that a call comes to; an Exit where all is done. */
export const execute = (served: Served, call: Incoming): Effect.Effect<unknown, unknown> => {
  const { semaphore } = served
  const { deadline, from } = call
  const metadata: Metadata = {
    rpc: served.rpc,
    client: from.client,
    requestId: RequestId(requests++),
    headers: call.headers,
    payload: call.payload
  }
  let given: unknown
  let broken = false
  try {
    given = served.handler(call.payload, metadata)
  } catch (defect) {
    given = Given.thrown(defect)
    broken = true
  }
  const wrapper = wrapperOf(given)
  const answer = broken || wrapper !== undefined ? undefined : answerOf(served, call, given)
  if (answer !== undefined) {
    const told = call.onExit(answer)
    return Exit.isExit(told) ? answer : Effect.andThen(told, answer)
  }
  let handler = handling(served, call, wrapper === undefined ? given : wrapper.value, broken, metadata)
  if (deadline !== undefined) handler = inTime(served, call, deadline, handler)
  const scope = Scope.makeUnsafe()
  let deferred: Deferred.Deferred<unknown, unknown> | undefined
  const handled = call.span(Effect.onExit(handler, (exit) => {
    let answered: Effect.Effect<void>
    if (exit._tag === "Success" && Given.isDeferred(exit.value)) {
      deferred = exit.value as Deferred.Deferred<unknown, unknown>
      answered = Effect.void
    } else {
      answered = call.onExit(exit)
    }
    const close = Scope.closeUnsafe(scope, exit)
    return close === undefined ? answered : Effect.ensuring(answered, close)
  }))
  let effect = handled
  if (semaphore !== undefined && wrapper?.fork !== true) {
    // Given back with the scope, which closes whatever becomes of the handler.
    effect = Effect.flatMap(semaphore.takeScoped(1).pipe(Scope.provide(scope)), () => handled)
  }
  if (wrapper?.uninterruptible === true) effect = Effect.uninterruptible(effect)
  let context: Context.Context<any> = Context.add(from.context, Scope.Scope, scope)
  if (deadline !== undefined) context = Context.add(context, CurrentDeadline, deadline)
  const settled = Effect.flatMap(effect, (result) =>
    deferred === undefined
      ? Effect.succeed(result)
      : Effect.onExit(Deferred.await(deferred), (exit) => call.onExit(exit)))
  return Effect.withFiber((fiber) => {
    Given.closeWith(fiber, scope)
    return Effect.updateContext(settled, () => context as Context.Context<never>)
  })
}
