/**
 * What a node serves so that the console of another one can show its part of a trace. It is off unless a program adds this layer, and says whom it is for: spans say who called
 * what, and how long it took.
 *
 * ```ts
 * const Agent = ConsoleAgent.layer({ allow: { roles: ["operator"] } })
 * program.pipe(Effect.provide(Agent.pipe(Layer.provideMerge(NodeLayer), Layer.provideMerge(ConsoleSpans.layer))))
 * ```
 *
 * Spans are recorded while a console elsewhere has a page open, and not otherwise.
 *
 * @since 0.2.0
 */
import type { Allow } from "@pnet/core/Allow"
import * as CommandNode from "@pnet/core/CommandNode"
import type { DuplicateFunctionError } from "@pnet/core/FunctionError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Struct from "effect/Struct"
import { Span } from "./ConsoleApi.ts"
import { ConsoleSpans } from "./ConsoleSpans.ts"

/** Spans of one answer. */
const mostSpans = 200

/**
 * What the agent serves. `pnet_console_record`: spans are recorded while this stream, which says nothing, is open. `pnet_console_spans`: those of a trace, 200 at the
 * most.
 *
 * @category groups
 * @since 0.2.0
 */
export const Agent = RpcGroup.make(
  Rpc.make("pnet_console_record", { success: Schema.Void, stream: true }),
  Rpc.make("pnet_console_spans", {
    payload: { trace: Schema.String.check(Schema.isMaxLength(32)) },
    success: Schema.Array(Span.mapFields(Struct.omit(["at"])))
  })
)

const handlers = Agent.toLayer(
  Effect.gen(function*() {
    const spans = yield* ConsoleSpans
    return {
      pnet_console_record: () => Stream.unwrap(Effect.as(spans.watch, Stream.never)),
      pnet_console_spans: ({ trace }) => Effect.sync(() => spans.of(trace).slice(0, mostSpans))
    }
  })
)

/**
 * Serves the agent to those whom it is for.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  options: {
    /** Whose consoles may see this node's spans. */
    readonly allow: Allow
  }
): Layer.Layer<never, DuplicateFunctionError, CommandNode.CommandNode | ConsoleSpans> =>
  CommandNode.serve(Agent, { allow: options.allow }).pipe(Layer.provide(handlers))
