/** Spans across peers, as W3C's `traceparent` text. */
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"

const parts = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** A span's `traceparent`, where it has ids of the right length: where tracing is off it has none. */
export const toTraceparent = (span: Tracer.AnySpan): string | undefined =>
  span.spanId.length === 16 && span.traceId.length === 32
    ? `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`
    : undefined

/** The span that a peer's `traceparent` names. What is malformed is no span. */
export const fromTraceparent = (text: string | undefined): Tracer.ExternalSpan | undefined => {
  const found = text === undefined ? null : parts.exec(text)
  return found === null ? undefined : Tracer.externalSpan({
    traceId: found[1]!,
    spanId: found[2]!,
    sampled: (Number.parseInt(found[3]!, 16) & 1) === 1
  })
}

/** A tracer that records nothing for now says so: then it is as none. */
const isAsleep = (tracer: Tracer.Tracer): boolean => (tracer as { readonly asleep?: boolean }).asleep === true

const never = () => false

/** Says whether there is somebody who would see the spans that are made in a context: the tracer that stands in for one records nothing. */
export const watching = (context: Context.Context<never>): () => boolean => {
  if (!context.mapUnsafe.has(Tracer.TracerKey) || !Context.get(context, References.TracerEnabled)) return never
  const tracer = Context.get(context, Tracer.Tracer)
  return () => !isAsleep(tracer)
}

/**
 * Whether nobody would see a span that is made in a fiber now. Then it need not be made: whatever is inside of it is a part of the span around it as
 * well.
 */
export const isUnseen = ({ cache }: Fiber.Fiber<any, any>): boolean =>
  !cache.tracerEnabled ||
  (cache.tracer === undefined || isAsleep(cache.tracer)) &&
    (cache.span === undefined || !Context.get(cache.span.annotations, Tracer.DisablePropagation))

/** The trace that a fiber's work is a part of, as it travels; `undefined` where there is none, or none is wanted. */
export const traceOf = ({ cache }: Fiber.Fiber<any, any>): string | undefined =>
  cache.span === undefined || !cache.tracerEnabled ? undefined : toTraceparent(cache.span)
