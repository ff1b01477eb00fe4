/** Calls over time, from what the node says each second: kept for a quarter of an hour, put together into the points of a plot, and percentiles of them. */
import type { Rate, Rates } from "@pnet/console/ConsoleApi"

/** So many seconds are kept, and so many lines about single functions within them. */
const longest = 900
const mostSeries = 40_000

export interface Kept {
  readonly frames: ReadonlyArray<Rates>
  readonly series: number
}

export const none: Kept = { frames: [], series: 0 }

/** One second more. The oldest are left out, and of long ones what is about single functions is. */
export const keep = ({ frames, series }: Kept, frame: Rates): Kept => {
  const now = [...frames, frame]
  let count = series + frame.series.length
  while (now.length > longest) count -= now.shift()!.series.length
  for (let i = 0; count > mostSeries && i < now.length - 1; i++) {
    const old = now[i]!
    if (old.series.length === 0) continue
    count -= old.series.length
    now[i] = { ...old, series: [] }
  }
  return { frames: now, series: count }
}

export interface Which {
  readonly direction: "in" | "out" | ""
  readonly peer: string
  readonly function: string
}

/** What is put together. */
export interface Sum {
  calls: number
  failed: number
  sent: number
  received: number
  readonly tags: Map<string, number>
  readonly latency: Array<number>
}

export const zero = (): Sum => ({ calls: 0, failed: 0, sent: 0, received: 0, tags: new Map(), latency: [] })

const add = (sum: Sum, rate: Rate): void => {
  sum.calls += rate.calls
  sum.sent += rate.sent
  sum.received += rate.received
  for (const { count, tag } of rate.failures) {
    sum.failed += count
    sum.tags.set(tag, (sum.tags.get(tag) ?? 0) + count)
  }
  rate.latency.forEach((count, i) => {
    sum.latency[i] = (sum.latency[i] ?? 0) + count
  })
}

const addFrame = (sum: Sum, frame: Rates, { direction, function: name, peer }: Which): void => {
  if (name === "" && peer === "") {
    if (direction !== "in") add(sum, frame.out)
    if (direction !== "out") add(sum, frame.in)
    return
  }
  for (const one of frame.series) {
    if (
      (direction === "" || one.direction === direction) && (peer === "" || one.peer === peer) &&
      (name === "" || one.function === name)
    ) add(sum, one)
  }
}

export interface Point extends Sum {
  /** The end of the time it is about, in milliseconds. */
  readonly at: number
  /** How long that is. */
  readonly span: number
}

/** The points of a window up to now, each of `step` milliseconds. Where nothing is known there is none. */
export const points = (
  frames: ReadonlyArray<Rates>,
  which: Which,
  now: number,
  window: number,
  step: number
): ReadonlyArray<Point> => {
  const made: Array<Point & { span: number }> = []
  for (const frame of frames) {
    if (frame.at <= now - window || frame.at > now + step) continue
    const at = Math.ceil(frame.at / step) * step
    let last = made.at(-1)
    if (last === undefined || last.at < at) made.push(last = { at, span: 0, ...zero() })
    last.span += frame.span
    addFrame(last, frame, which)
  }
  return made
}

/** All of a window. */
export const total = (points: ReadonlyArray<Point>): Point => {
  const sum = { at: points.at(-1)?.at ?? 0, span: 0, ...zero() }
  for (const point of points) {
    sum.span += point.span
    add(sum, {
      calls: point.calls,
      sent: point.sent,
      received: point.received,
      latency: point.latency,
      failures: [...point.tags].map(([tag, count]) => ({ tag, count }))
    })
  }
  return sum
}

/** How long the fastest `share` of calls took at most, within its bucket in a straight line. `undefined`: there were none. Of what is beyond all buckets only the last border is known. */
export const percentile = (
  latency: ReadonlyArray<number>,
  buckets: ReadonlyArray<number>,
  share: number
): number | undefined => {
  let all = 0
  for (let i = 0; i < latency.length; i++) all += latency[i] ?? 0
  if (all === 0) return undefined
  let left = all * share
  for (let i = 0; i < latency.length; i++) {
    const here = latency[i] ?? 0
    if (here > 0 && left <= here) {
      const low = i === 0 ? 0 : buckets[i - 1]!
      const high = buckets[i]
      return high === undefined ? low : low + (high - low) * (left / here)
    }
    left -= here
  }
  return buckets.at(-1)
}

export interface Line extends Sum {
  readonly id: string
  readonly peer: string
  readonly function: string
  readonly direction: "in" | "out"
  readonly kind: string
}

/** What was called, by peer and function and direction, those with most calls first. */
export const lines = (
  frames: ReadonlyArray<Rates>,
  which: Which,
  now: number,
  window: number
): ReadonlyArray<Line> => {
  const found = new Map<string, Line>()
  for (const frame of frames) {
    if (frame.at <= now - window) continue
    for (const one of frame.series) {
      if (which.direction !== "" && one.direction !== which.direction) continue
      if (which.peer !== "" && one.peer !== which.peer) continue
      if (which.function !== "" && one.function !== which.function) continue
      const id = JSON.stringify([one.direction, one.peer, one.function])
      let line = found.get(id)
      if (line === undefined) {
        line = { id, peer: one.peer, function: one.function, direction: one.direction, kind: one.kind, ...zero() }
        found.set(id, line)
      }
      add(line, one)
    }
  }
  return [...found.values()].sort((a, b) => b.calls - a.calls || (a.id < b.id ? -1 : 1))
}
