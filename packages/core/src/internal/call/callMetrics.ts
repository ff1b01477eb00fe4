/**
 * What calls cost, by direction, kind, peer and function, readable with Effect's `Metric.snapshot`.
 *
 * The labels are peers' names, so there is a bound: beyond it calls are counted under the peer and the function `other`.
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"

const maxSeries = 2_048
const other = "other"

/**
 * Each series is a metric of its own. One metric for all, with other attributes each time, remembers one series and makes the name of another anew when it is
 * that one's turn: of calls of two peers by turns, that took thirty times as long as the counting.
 */
type Labels = Record<string, string>

const calls = (attributes: Labels) =>
  Metric.counter("pnet_calls", { description: "Calls that ended", incremental: true, attributes })
const failures = (attributes: Labels) =>
  Metric.counter("pnet_call_failures", { description: "Calls that failed", incremental: true, attributes })
const boundaries = Metric.exponentialBoundaries({ start: 0.25, factor: 2, count: 18 })
const millis = (attributes: Labels) =>
  Metric.histogram("pnet_call_milliseconds", {
    description: "Time from a call's beginning to its end",
    boundaries,
    attributes
  })
const sent = (attributes: Labels) =>
  Metric.counter("pnet_call_bytes_sent", {
    description: "Bytes of calls or answers sent",
    incremental: true,
    attributes
  })
const received = (attributes: Labels) =>
  Metric.counter("pnet_call_bytes_received", {
    description: "Bytes of calls or answers received",
    incremental: true,
    attributes
  })

const empty = Context.empty()

/** Counts the calls of one function, to or from one peer. */
export class CallMeter {
  readonly #labels: Labels
  readonly #calls: Metric.Metric<number, any>
  readonly #millis: Metric.Metric<number, any>
  readonly #sent: Metric.Metric<number, any>
  readonly #received: Metric.Metric<number, any>
  readonly #failures = new Map<string, Metric.Metric<number, any>>()

  constructor(labels: Labels) {
    this.#labels = labels
    this.#calls = calls(labels)
    this.#millis = millis(labels)
    this.#sent = sent(labels)
    this.#received = received(labels)
  }

  /** One call ended. `tag` is that of its error, one of pnet's own. */
  ended(elapsed: number, sentBytes: number, receivedBytes: number, tag: string | undefined): void {
    this.#calls.updateUnsafe(1, empty)
    this.#millis.updateUnsafe(elapsed, empty)
    if (sentBytes > 0) this.#sent.updateUnsafe(sentBytes, empty)
    if (receivedBytes > 0) this.#received.updateUnsafe(receivedBytes, empty)
    if (tag === undefined) return
    let metric = this.#failures.get(tag)
    if (metric === undefined) {
      metric = failures({ ...this.#labels, tag })
      this.#failures.set(tag, metric)
    }
    metric.updateUnsafe(1, empty)
  }
}

/** All of them: they are the process's, as its metrics are. */
export const meters = new Map<string, CallMeter>()

type Direction = "in" | "out"
type Kind = "command" | "rpc"
type Index = Map<string, Map<string, CallMeter>>

/** The same, by peer and function: a call looks for its meter, and makes no text for that. */
const index: Record<Direction, Record<Kind, Index>> = {
  in: { command: new Map(), rpc: new Map() },
  out: { command: new Map(), rpc: new Map() }
}

const make = (direction: Direction, kind: Kind, peer: string, name: string): CallMeter => {
  const key = `${direction}\n${kind}\n${peer}\n${name}`
  let meter = meters.get(key)
  if (meter !== undefined) return meter
  if (meters.size >= maxSeries && peer !== other) return meterOf(direction, kind, other, other)
  meter = new CallMeter({ direction, kind, peer, function: name })
  meters.set(key, meter)
  const ofKind = index[direction][kind]
  ofKind.set(peer, (ofKind.get(peer) ?? new Map<string, CallMeter>()).set(name, meter))
  return meter
}

/** The meter of a function, made when it is first asked for. */
export const meterOf = (direction: Direction, kind: Kind, peer: string, name: string): CallMeter =>
  index[direction][kind].get(peer)?.get(name) ?? make(direction, kind, peer, name)
