/** Who is told of the calls of groups, around all else that a call comes to. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import { type Caller, CurrentCaller } from "../../Caller.ts"

export type OnCall = (call: {
  readonly function: string
  readonly from: Caller["Service"]
}) => (exit: Exit.Exit<unknown, unknown>) => void

export const onCall: Context.Reference<OnCall | undefined> = Context.Reference<OnCall | undefined>(
  "@pnet/core/PeerRpc/OnCall",
  { defaultValue: () => undefined }
)

/** As a middleware, of which there is none where nobody is told: calls are as quick as they were. */
export const telling = (told: OnCall): RpcMiddleware.Any => (effect, { rpc }) =>
  Effect.flatMap(CurrentCaller, (from) => {
    // Every call of a group that peers are served has one.
    if (from === undefined) return effect
    const ended = told({ function: rpc._tag, from })
    return Effect.onExit(effect, (exit) => Effect.sync(() => ended(exit)))
  })
