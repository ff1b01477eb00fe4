/** Typed calls of several peers at once: of each one the client of one, and of all what comes of each. */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSchema from "effect/rpc/RpcSchema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Item } from "../../Outcomes.ts"
import { Peers, type Target } from "../../Peers.ts"
import type { Sessions } from "../../Sessions.ts"
import * as Several from "../peers/outcomes.ts"
import { serving } from "../peers/targets.ts"
import * as Client from "./rpcClient.ts"

interface CallOptions {
  readonly context?: Context.Context<never> | undefined
}

export interface Options extends Client.Options {
  readonly concurrency?: number | "unbounded" | undefined
  readonly timeout?: Duration.Input | undefined
}

export const make = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  target: Target,
  options?: Options
): Effect.Effect<Record<string, unknown>, never, Rpc.MiddlewareClient<Rpcs> | Sessions | Peers | Scope.Scope> =>
  Effect.gen(function*() {
    const peers = yield* Peers
    const one = (yield* Client.make(group, undefined, options)) as Record<string, (...args: any) => any>
    const { concurrency = "unbounded", timeout } = options ?? {}
    const tags = [...group.requests.keys()]
    const several = { peers, target: serving(tags, target), concurrency, timeout }

    const methods: Array<[string, unknown]> = []
    for (const rpc of group.requests.values() as Iterable<unknown> as Iterable<Rpc.AnyWithProps>) {
      const call = one[rpc._tag]!
      const at = (peer: string, input: unknown, given: CallOptions | undefined) =>
        call(input, { ...given, context: Client.addressed(peer, given?.context) })
      methods.push([
        rpc._tag,
        RpcSchema.isStreamSchema(rpc.successSchema)
          ? (input: unknown, given?: CallOptions) =>
            Several.streamOf(several, (names) =>
              Stream.flatMap(
                Stream.fromIterable(names),
                (peer): Stream.Stream<Item<unknown, unknown>> => {
                  const values = at(peer, input, given) as Stream.Stream<unknown, unknown>
                  return values.pipe(
                    Stream.map((value) => ({ _tag: "Value" as const, peer, value })),
                    Stream.concat(Stream.succeed({ _tag: "Exit" as const, peer, exit: Exit.void })),
                    Stream.catchCause((cause) =>
                      Stream.succeed({ _tag: "Exit" as const, peer, exit: Exit.failCause(cause) })
                    )
                  )
                },
                { concurrency }
              ))
          : (input: unknown, given?: CallOptions) =>
            Several.make(
              several,
              () => Effect.succeed((peer) => at(peer, input, given) as Effect.Effect<unknown, unknown>)
            )
      ])
    }
    return Object.fromEntries(methods)
  })
