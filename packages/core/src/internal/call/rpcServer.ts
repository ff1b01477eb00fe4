/**
 * Runs the handlers of RPC groups for peers: one stream, one fiber, one scope a call.
 *
 * It does what Effect's `RpcServer.makeNoSerialization` does, without its tables of clients and requests: a stream already says
 * whose call it is and when it is given up. A request is read by `rpcRequests`, run by `rpcExecute`, and answered by
 * `rpcStreamCall`; commands reach the same handlers by `rpcEntry`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSchema from "effect/rpc/RpcSchema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Tracer from "effect/Tracer"
import type { Authenticated } from "../../Caller.ts"
import type { DuplicateFunctionError } from "../../FunctionError.ts"
import { type Entry, RpcRegistry } from "../../RpcRegistry.ts"
import { Sessions } from "../../Sessions.ts"
import { limiterOf, limiters } from "../balance/limiter.ts"
import { limitOf } from "../base/bytes.ts"
import * as Seldom from "../base/seldom.ts"
import { owns } from "../offers/own.ts"
import { entryOf } from "./rpcEntry.ts"
import { jsonWireOf } from "./rpcJson.ts"
import { onStream } from "./rpcRequests.ts"
import * as Served from "./rpcServed.ts"
import * as Wire from "./rpcWire.ts"

export type { Memory, Options } from "./rpcServed.ts"

const plenty: Served.Memory = () => ({ room: () => true, free: () => {} })

export const serve = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: Served.Options = {}
): Effect.Effect<
  void,
  DuplicateFunctionError,
  | Rpc.ToHandler<Rpcs>
  | Exclude<Rpc.Middleware<Rpcs>, Authenticated>
  | Rpc.ServicesServer<Rpcs>
  | Sessions
  | RpcRegistry
  | Scope.Scope
> =>
  Effect.gen(function*() {
    const sessions = yield* Sessions
    const registry = yield* RpcRegistry
    const clock = yield* Clock.Clock
    const { concurrency = "unbounded" } = options
    const shared: Served.Shared = {
      clock,
      services: Context.omit(Tracer.ParentSpan)(yield* Effect.context<never>()) as Context.Context<never>,
      lines: Seldom.lines(clock),
      semaphore: typeof concurrency === "number" ? yield* Semaphore.make(concurrency) : undefined,
      limiter: typeof concurrency === "object" ? limiterOf(concurrency) : undefined,
      limit: limitOf(options.limit, Wire.defaultLimit),
      memory: options.memory ?? plenty
    }
    const entries: Array<Entry> = []
    for (const rpc of group.requests.values()) {
      const served = Served.make(rpc as unknown as Rpc.AnyWithProps, shared, options)
      const entry = entryOf(served)
      if (shared.limiter !== undefined) limiters.set(entry, shared.limiter)
      entries.push(entry)
      yield* registry.add(entry)
      for (const wire of [served.wire, jsonWireOf(served.rpc)]) {
        yield* sessions.handle(
          { protocol: wire.form.protocol, name: served.rpc._tag },
          onStream(wire === served.wire ? served : { ...served, wire }),
          { cancelled: RpcSchema.ClientAbort.annotation as Context.Context<never>, scoped: false }
        )
      }
    }
    const own = owns.get(sessions)
    if (own === undefined) return
    yield* Effect.acquireRelease(
      Effect.sync(() => own.serves(() => entries.map((entry) => [entry.name, entry.describe().contract ?? ""]))),
      (off) => Effect.sync(off)
    )
  }) as Effect.Effect<void, any, any>
