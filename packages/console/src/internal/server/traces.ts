/** Traces, with the spans of peers that let this node see theirs. */
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { Agent } from "../../ConsoleAgent.ts"
import type * as Api from "../../ConsoleApi.ts"
import type { ConsoleSpans } from "../../ConsoleSpans.ts"
import { cut } from "./cut.ts"
import { failureOf } from "./said.ts"

const patience = 3_000
const mostPeers = 32
const mostSpans = 500
const recording = "pnet_console_record"

/** Has those peers that would let this node see their spans record them, until it is interrupted. */
export const following = (node: CommandNodeService): Effect.Effect<never> =>
  node.peers.wheneverOnline(
    { where: ({ offer }) => offer !== undefined && recording in offer.functions },
    ({ name }) =>
      Effect.scoped(
        // It says nothing for as long as it is open, and one that says something is not listened to any more.
        Effect.flatMap(node.client(Agent, name), (client) => Stream.runDrain(Stream.take(client[recording](), 1)))
      ).pipe(Effect.withTracerEnabled(false)),
    { onFailure: () => Effect.void }
  )

const mostId = 64
const isId = (id: string | undefined): boolean => id === undefined || id.length <= mostId

/** Spans of a peer, as they are shown. Whom it says that it called is asked as well. */
export const taken = (spans: ReadonlyArray<Omit<Api.Span, "at">>, at: string): ReadonlyArray<Api.Span> =>
  spans.slice(0, mostSpans).filter(({ parent, span }) => isId(span) && isId(parent)).map((span) => ({
    ...span,
    name: cut(span.name),
    ...(span.peer === undefined ? {} : { peer: cut(span.peer) }),
    ...(span.function === undefined ? {} : { function: cut(span.function) }),
    ...(span.tag === undefined ? {} : { tag: cut(span.tag) }),
    at
  }))

const spansOf = (node: CommandNodeService, trace: string, name: string) =>
  Effect.scoped(
    Effect.flatMap(node.client(Agent, name, { timeout: patience }), (client) => client.pnet_console_spans({ trace }))
  ).pipe(
    Effect.withTracerEnabled(false),
    Effect.map((spans) => taken(spans, name)),
    Effect.result
  )

/** By their beginning; what began at once, from the outside in. Clocks of nodes differ, and so may what they say of it. */
const inOrder = (spans: ReadonlyArray<Api.Span>): ReadonlyArray<Api.Span> => {
  const parents = new Map(spans.map(({ parent, span }) => [span, parent]))
  const depth = ({ span }: Api.Span): number => {
    let depth = 0
    for (let at = parents.get(span); at !== undefined && depth < mostSpans; at = parents.get(at)) depth++
    return depth
  }
  return spans.map((span) => ({ span, depth: depth(span) }))
    .sort((a, b) => a.span.start - b.span.start || a.depth - b.depth).map(({ span }) => span)
}

/** All that is known of a trace: whoever was called in it is asked, and whom those called. */
export const traceOf = (node: CommandNodeService, spans: ConsoleSpans["Service"], trace: string) =>
  Effect.gen(function*() {
    const found = new Map<string, Api.Span>()
    const without: Array<Api.Trace["without"][number]> = []
    const asked = new Set<string>([node.name])
    const take = (more: ReadonlyArray<Api.Span>) => {
      for (const span of more) {
        if (found.size < mostSpans && span.trace === trace) found.set(`${span.at} ${span.span}`, span)
      }
    }
    take(spans.of(trace).map((span) => ({ ...span, at: node.name })))
    for (;;) {
      const next = [...new Set([...found.values()].flatMap(({ peer }) => peer === undefined ? [] : [peer]))]
        .filter((peer) => !asked.has(peer)).slice(0, mostPeers - asked.size)
      if (next.length === 0) break
      for (const peer of next) asked.add(peer)
      const answers = yield* Effect.forEach(
        next,
        (peer) => Effect.map(spansOf(node, trace, peer), (answer) => ({ peer, answer })),
        { concurrency: 8 }
      )
      for (const { answer, peer } of answers) {
        if (Result.isSuccess(answer)) take(answer.success)
        else without.push({ peer, why: failureOf(answer.failure).message })
      }
    }
    return { spans: inOrder([...found.values()]), without } satisfies Api.Trace
  })
