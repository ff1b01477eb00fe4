/** Spans of calls: the last of them, by trace, and one trace as a waterfall. */
import type { Span } from "@pnet/console/ConsoleApi"

const mostTraces = 300
const mostSpans = 200

export interface Call {
  readonly trace: string
  readonly spans: ReadonlyMap<string, Span>
  /** The one that the others are in, as far as they are here. */
  readonly root: Span
}

/** Calls, the last first. */
export type Calls = ReadonlyArray<Call>

const rootOf = (spans: ReadonlyMap<string, Span>): Span => {
  let root: Span | undefined
  for (const span of spans.values()) {
    if (span.parent !== undefined && spans.has(span.parent)) continue
    if (root === undefined || span.start < root.start) root = span
  }
  return root ?? spans.values().next().value!
}

/** Calls with spans that have come. */
export const withSpans = (before: Calls, spans: ReadonlyArray<Span>): Calls => {
  if (spans.length === 0) return before
  const byTrace = new Map(before.map((call) => [call.trace, call]))
  const changed = new Map<string, Map<string, Span>>()
  for (const span of spans) {
    let known = changed.get(span.trace)
    if (known === undefined) changed.set(span.trace, known = new Map(byTrace.get(span.trace)?.spans))
    if (known.size < mostSpans || known.has(span.span)) known.set(span.span, span)
  }
  for (const [trace, known] of changed) byTrace.set(trace, { trace, spans: known, root: rootOf(known) })
  return [...byTrace.values()].sort((a, b) => b.root.start - a.root.start).slice(0, mostTraces)
}

// --- one trace -------------------------------------------------------------------------------------------------------------------

export interface Bar {
  readonly span: Span
  readonly depth: number
  /** From the beginning of the trace, in milliseconds. */
  readonly from: number
  readonly ms: number
  /** Whether another node's clock was set right, so that it lies in what asked for it. */
  readonly moved: boolean
}

export interface Waterfall {
  readonly bars: ReadonlyArray<Bar>
  readonly ms: number
}

/**
 * A trace as bars, each under what it is in. Clocks of nodes differ: a span of another node that does not lie in the one that asked for it is put into the
 * middle of that, with all of its node that is in it.
 */
export const waterfall = (spans: ReadonlyArray<Span>, now: number): Waterfall => {
  const known = new Map(spans.map((span) => [span.span, span]))
  const inside = new Map<string | undefined, Array<Span>>()
  for (const span of known.values()) {
    const parent = span.parent !== undefined && span.parent !== span.span && known.has(span.parent)
      ? span.parent
      : undefined
    const list = inside.get(parent)
    if (list === undefined) inside.set(parent, [span])
    else list.push(span)
  }
  const bars: Array<Bar> = []
  const lengthOf = (span: Span, shift: number) => span.ms ?? Math.max(0, now - span.start - shift)
  const seen = new Set<string>()
  const go = (
    span: Span,
    depth: number,
    shift: number,
    above: { start: number; ms: number; at: string } | undefined
  ) => {
    if (seen.has(span.span)) return
    seen.add(span.span)
    const ms = lengthOf(span, shift)
    let start = span.start + shift
    let own = shift
    if (above !== undefined && above.at !== span.at && (start < above.start || start + ms > above.start + above.ms)) {
      own = above.start + Math.max(0, above.ms - ms) / 2 - span.start
      start = span.start + own
    }
    bars.push({ span, depth, from: start, ms, moved: own !== 0 })
    for (const one of (inside.get(span.span) ?? []).sort((a, b) => a.start - b.start)) {
      go(one, depth + 1, one.at === span.at ? own : 0, { start, ms, at: span.at })
    }
  }
  for (const span of (inside.get(undefined) ?? []).sort((a, b) => a.start - b.start)) go(span, 0, 0, undefined)
  // Spans that are in each other, in a circle, have no beginning: one of them is made one.
  for (const span of known.values()) go(span, 0, 0, undefined)
  const first = bars.reduce((least, bar) => Math.min(least, bar.from), Infinity)
  const last = bars.reduce((most, bar) => Math.max(most, bar.from + bar.ms), -Infinity)
  return {
    bars: bars.map((bar) => ({ ...bar, from: bar.from - first })),
    ms: bars.length === 0 ? 0 : Math.max(last - first, 0.001)
  }
}
