/**
 * Spans, recorded while somebody looks at them, and otherwise not made at all: the tracer that this installs says of itself when it is asleep, and pnet then takes it for
 * none. A tracer that the program has, such as OpenTelemetry's, goes on as it did, and what it is given is recorded here as well.
 *
 * ```ts
 * program.pipe(Effect.provide(Console.layer({ act: true }).pipe(Layer.provideMerge(NodeLayer), Layer.provideMerge(ConsoleSpans.layer))))
 * ```
 *
 * What bites: it has to be under the node, and under what calls, since both take the tracer of the context that they are made in.
 *
 * @since 0.2.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { Span } from "./ConsoleApi.ts"
import { cut } from "./internal/server/cut.ts"
import { Ring } from "./internal/server/happened.ts"

/**
 * A span without the node that it is of.
 *
 * @category models
 * @since 0.2.0
 */
export type Recorded = Omit<Span, "at">

/** Spans that have ended, and spans that have not, that are kept. */
const mostEnded = 2_000
const mostRunning = 1_000

const attribute = (span: Tracer.Span, name: string): string | undefined => {
  const value = span.attributes.get(name)
  return typeof value === "string" ? cut(value) : undefined
}

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): Pick<Recorded, "status" | "tag"> => {
  if (Exit.isSuccess(exit)) return { status: "ok" }
  if (Cause.hasInterruptsOnly(exit.cause)) return { status: "interrupted" }
  const error: unknown = Cause.squash(exit.cause)
  const tag = typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string"
    ? error._tag
    : error instanceof Error
    ? error.name
    : "Error"
  return { status: "failed", tag: cut(tag) }
}

const recordedOf = (span: Tracer.Span): Recorded => {
  const { kind, name, parent, spanId, status, traceId } = span
  const [peer, called] = [attribute(span, "pnet.peer"), attribute(span, "pnet.function")]
  return {
    trace: traceId,
    span: spanId,
    ...(Option.isNone(parent) ? {} : { parent: parent.value.spanId }),
    name: cut(name),
    kind,
    ...(peer === undefined ? {} : { peer }),
    ...(called === undefined ? {} : { function: called }),
    start: Number(status.startTime) / 1e6,
    ...(status._tag === "Started"
      ? { status: "running" as const }
      : { ms: Number(status.endTime - status.startTime) / 1e6, ...outcomeOf(status.exit) })
  }
}

const hasEnded = ({ status }: Tracer.Span): boolean => status._tag === "Ended"

class Recording implements Tracer.Tracer {
  readonly ended = new Ring<Recorded>(mostEnded)
  readonly running = new Set<Tracer.Span>()
  readonly context: Tracer.Tracer["context"]
  readonly #inner: Tracer.Tracer | undefined
  #watchers = 0
  /** Whether nobody looks, which pnet asks a tracer before it makes a span. */
  asleep: boolean

  constructor(inner: Tracer.Tracer | undefined) {
    this.#inner = inner
    this.asleep = inner === undefined
    this.context = inner?.context?.bind(inner)
  }

  readonly watch = Effect.acquireRelease(
    Effect.sync(() => {
      this.#watchers++
      this.asleep = false
    }),
    () =>
      Effect.sync(() => {
        if (--this.#watchers > 0) return
        this.asleep = this.#inner === undefined
        this.ended.clear()
        this.running.clear()
      })
  )

  span(options: Parameters<Tracer.Tracer["span"]>[0]): Tracer.Span {
    const span = this.#inner === undefined ? new Tracer.NativeSpan(options) : this.#inner.span(options)
    if (this.#watchers === 0 || !span.sampled) return span
    if (this.running.size < mostRunning) this.running.add(span)
    const end = span.end
    span.end = (time, exit) => {
      const isFirst = !hasEnded(span)
      end.call(span, time, exit)
      this.running.delete(span)
      if (isFirst && this.#watchers > 0 && hasEnded(span)) this.ended.add(recordedOf(span))
    }
    return span
  }
}

/**
 * The spans of this program.
 *
 * @category services
 * @since 0.2.0
 */
export class ConsoleSpans extends Context.Service<ConsoleSpans, {
  /** Records until the scope closes. Spans that have begun before are not recorded. */
  readonly watch: Effect.Effect<void, never, Scope.Scope>
  /** Waits until spans have ended since it was last waited, until the scope closes. */
  readonly changed: Effect.Effect<Effect.Effect<unknown>, never, Scope.Scope>
  /** How many have ended, ever. */
  readonly count: () => number
  /** Those that ended after so many had, at most as many as that: 2,000 are kept. */
  readonly since: (count: number, most: number) => ReadonlyArray<Recorded>
  /** Those of a trace that are kept, those that go on among them. */
  readonly of: (trace: string) => ReadonlyArray<Recorded>
}>()("@pnet/console/ConsoleSpans") {}

/**
 * Installs the tracer that records while somebody looks, around the one that there is.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<ConsoleSpans> = Layer.effectContext(
  Effect.contextWith((context: Context.Context<never>) => {
    const inner = context.mapUnsafe.has(Tracer.TracerKey) ? Context.get(context, Tracer.Tracer) : undefined
    const recording = new Recording(inner)
    const spans = ConsoleSpans.of({
      watch: recording.watch,
      changed: recording.ended.waiting.join,
      count: () => recording.ended.next,
      since: (count, most) => recording.ended.from(count, most).items,
      of: (trace) => [
        ...recording.ended.from(0, mostEnded).items.filter((one) => one.trace === trace),
        ...[...recording.running].filter(({ traceId }) => traceId === trace).map(recordedOf)
      ]
    })
    return Effect.succeed(Context.make(ConsoleSpans, spans).pipe(Context.add(Tracer.Tracer, recording)))
  })
)
