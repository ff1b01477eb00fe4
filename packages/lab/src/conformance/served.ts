/** What a peer serves so that all can be looked at; docs/implementing.md says it, and our own nodes do it. */
import type * as Core from "@pnet/core"
import { Effect, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

const refuse = Effect.fail(new Refused({ why: "asked to" }))
const broken = Effect.die(new Error("a secret of the handler's"))

/** RAW echoes. */
export const onMessage = ({ data }: { readonly data: Uint8Array }) => data

/** Functions of streams, of the protocol `command`. */
export const streams = {
  /** Answers what it is sent, as it comes. */
  echo: ({ bytes }: Core.AdvancedNode.Call) => bytes,
  /** Reads nothing, and never answers. */
  hold: () => Effect.never,
  fail: () => refuse,
  break: () => broken
}

/** Functions by name. */
export const functions = {
  echo: (_call: Core.Command.Call, value: any) => value,
  add: (_call: Core.Command.Call, a: number, b: number) => a + b,
  keywords: ({ kwargs }: Core.Command.Call) => kwargs,
  nothing: () => undefined,
  /** JSON has no form for it. */
  nonsense: () => ({ n: NaN }),
  hold: () => Effect.never,
  fail: () => refuse,
  break: () => broken
}

/** Typed calls. */
export class Typed extends RpcGroup.make(
  Rpc.make("typed.twice", { payload: { n: Schema.Finite }, success: Schema.Finite }),
  Rpc.make("typed.count", { payload: { to: Schema.Finite }, success: Schema.Finite, stream: true }),
  Rpc.make("typed.nothing"),
  Rpc.make("typed.fail", { error: Refused }),
  Rpc.make("typed.break"),
  Rpc.make("typed.hold")
) {}

/** Their handlers. */
export const handlers = Typed.toLayer({
  "typed.twice": ({ n }) => Effect.succeed(2 * n),
  "typed.count": ({ to }) => Stream.rechunk(Stream.range(1, to), 1),
  "typed.nothing": () => Effect.void,
  "typed.fail": () => refuse,
  "typed.break": () => broken,
  "typed.hold": () => Effect.never
})
