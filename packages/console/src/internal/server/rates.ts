/** Calls each second, as the metrics of the process count them. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as PubSub from "effect/PubSub"
import * as RcRef from "effect/RcRef"
import * as Schedule from "effect/Schedule"
import type * as Api from "../../ConsoleApi.ts"
import { cut } from "./cut.ts"
import { isAgents } from "./people.ts"

/** The upper ends of the buckets of latency, as pnet counts it. */
export const buckets: ReadonlyArray<number> = Array.from({ length: 18 }, (_, i) => 0.25 * 2 ** i)

const every = 1_000
/** Series of one second. */
const mostSeries = 256
const mostTags = 32

interface Counts {
  calls: number
  readonly failures: Map<string, number>
  sent: number
  received: number
  latency: ReadonlyArray<number>
}

interface Series extends Counts {
  readonly peer: string
  readonly function: string
  readonly direction: "in" | "out"
  readonly kind: string
}

/** What the console itself asks for, all the time and where a peer is looked at. */
const asks = new Set(["describe", "get_peers"])
const isOwn = ({ direction, function: name }: { readonly direction: string; readonly function: string }): boolean =>
  direction === "out" && asks.has(name) || isAgents(name)

/** What was counted of calls by now, by series. */
const counted = Effect.map(Metric.snapshot, (metrics) => {
  const all = new Map<string, Series>()
  for (const metric of metrics) {
    if (!metric.id.startsWith("pnet_call")) continue
    const labels = metric.attributes ?? {}
    const direction = labels["direction"] === "in" ? "in" : "out"
    const [peer = "", name = "", kind = ""] = [labels["peer"], labels["function"], labels["kind"]]
    if (isOwn({ direction, function: name })) continue
    const key = `${direction}\n${kind}\n${peer}\n${name}`
    let one = all.get(key)
    if (one === undefined) {
      one = { peer, function: name, direction, kind, calls: 0, failures: new Map(), sent: 0, received: 0, latency: [] }
      all.set(key, one)
    }
    if (metric.type === "Histogram") {
      // Each bucket counts those below it as well.
      const { buckets, count } = metric.state
      const sums = [...buckets.map(([, sum]) => sum), count]
      one.latency = sums.map((sum, i) => sum - (sums[i - 1] ?? 0))
      continue
    }
    if (metric.type !== "Counter") continue
    const count = Number(metric.state.count)
    if (metric.id === "pnet_calls") one.calls = count
    else if (metric.id === "pnet_call_failures") one.failures.set(labels["tag"] ?? "", count)
    else if (metric.id === "pnet_call_bytes_sent") one.sent = count
    else if (metric.id === "pnet_call_bytes_received") one.received = count
  }
  return all
})

const trimmed = (list: ReadonlyArray<number>): ReadonlyArray<number> =>
  list.slice(0, list.findLastIndex((one) => one > 0) + 1)

const rateOf = ({ calls, failures, latency, received, sent }: Counts): Api.Rate => ({
  calls,
  failures: [...failures].slice(0, mostTags).map(([tag, count]) => ({ tag: cut(tag), count })),
  sent,
  received,
  latency: trimmed(latency)
})

const difference = (now: Series, before: Series | undefined): Counts => ({
  calls: now.calls - (before?.calls ?? 0),
  failures: new Map(
    [...now.failures].map(([tag, count]) => [tag, count - (before?.failures.get(tag) ?? 0)] as const).filter((
      [, count]
    ) => count > 0)
  ),
  sent: now.sent - (before?.sent ?? 0),
  received: now.received - (before?.received ?? 0),
  latency: now.latency.map((count, i) => count - (before?.latency[i] ?? 0))
})

const add = (sum: Counts, one: Counts): void => {
  sum.calls += one.calls
  sum.sent += one.sent
  sum.received += one.received
  for (const [tag, count] of one.failures) sum.failures.set(tag, (sum.failures.get(tag) ?? 0) + count)
  sum.latency = Array.from(
    { length: Math.max(sum.latency.length, one.latency.length) },
    (_, i) => (sum.latency[i] ?? 0) + (one.latency[i] ?? 0)
  )
}

const nothing = (): Counts => ({ calls: 0, failures: new Map(), sent: 0, received: 0, latency: [] })

const between = (before: ReadonlyMap<string, Series>, now: ReadonlyMap<string, Series>) => {
  const sums = { in: nothing(), out: nothing() }
  const series: Array<Api.Rates["series"][number]> = []
  for (const [key, one] of now) {
    const change = difference(one, before.get(key))
    if (change.calls === 0) continue
    add(sums[one.direction], change)
    const { direction, function: name, kind, peer } = one
    series.push({ peer: cut(peer), function: cut(name), direction, kind, ...rateOf(change) })
  }
  series.sort((a, b) => b.calls - a.calls)
  return {
    in: rateOf(sums.in),
    out: rateOf(sums.out),
    series: series.slice(0, mostSeries),
    seriesCount: series.length
  }
}

/** Counts each second, for all pages that want it together, while there is one. */
export const make = RcRef.make({
  acquire: Effect.gen(function*() {
    const rates = yield* Effect.acquireRelease(PubSub.sliding<Api.Rates>(4), PubSub.shutdown)
    let before = yield* counted
    let last = yield* Clock.currentTimeMillis
    const count = Effect.gen(function*() {
      const now = yield* counted
      const at = yield* Clock.currentTimeMillis
      yield* PubSub.publish(rates, { at, span: at - last, ...between(before, now) })
      before = now
      last = at
    })
    yield* Effect.forkScoped(Effect.delay(Effect.repeat(count, Schedule.spaced(every)), every))
    return rates
  })
})
