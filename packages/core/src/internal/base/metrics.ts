/** Counters of what pnet receives, drops and answers, readable with Effect's `Metric.snapshot`. */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"

const empty = Context.empty()

/** Of a context what counters are found by and nothing else, since that is looked up for each thing that is counted. Most have none of it. */
export const contextOf = (context: Context.Context<never>): Context.Context<never> => {
  const attributes = Context.get(context, Metric.CurrentMetricAttributes)
  const registry = Context.get(context, Metric.MetricRegistry)
  return attributes === Context.get(empty, Metric.CurrentMetricAttributes) &&
      registry === Context.get(empty, Metric.MetricRegistry)
    ? empty
    : Context.make(Metric.CurrentMetricAttributes, attributes).pipe(Context.add(Metric.MetricRegistry, registry))
}

const counters = (name: string, description: string, label: string) => {
  const byLabel = new Map<string, Metric.Counter<number>>()
  /** Adds one, or as many as there are, under the label's value. The values are pnet's own, never a peer's text, so there are few of them. */
  return (value: string, context: Context.Context<never> = empty, count = 1): void => {
    let metric = byLabel.get(value)
    if (metric === undefined) {
      // One of its own: one for all would make the name of its series anew whenever it is another's turn.
      metric = Metric.counter(name, { description, incremental: true, attributes: { [label]: value } })
      byLabel.set(value, metric)
    }
    metric.updateUnsafe(count, context)
  }
}

/** Advert datagrams by outcome: `accepted`, `own`, or the code or reason for which one was dropped. */
export const adverts = counters("pnet_adverts_received", "Advert datagrams received", "outcome")

/** Advert datagrams sent: `broadcast`, `answer`, or `failed`. */
export const advertsSent = counters("pnet_adverts_sent", "Advert datagrams sent", "kind")

/** RAW requests received, by outcome: `answered`, or the code that was sent. */
export const rawRequests = counters("pnet_raw_requests", "RAW requests received", "outcome")

/** Connections accepted, by outcome: `accepted`, or the reason for refusing. */
export const connections = counters("pnet_connections_accepted", "Connections accepted", "outcome")

/** Events of the membership table, by kind. */
export const peerEvents = counters("pnet_peer_events", "Membership events", "kind")

/**
 * What subscriptions did not get of topics, by reason: `missed`, `unreadable`, or a topic of a peer that was `refused`; and by a publisher what it gave up
 * for groups that had no room for it, `skipped`. What they got is not counted, which would be a counter's update for each value.
 */
export const topicLosses = counters("pnet_topic_losses", "What subscriptions did not get of topics", "reason")
