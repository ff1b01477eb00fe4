/** Topics that somebody subscribes to, and the last values of those that a page looks at. */
import type { CommandNodeService } from "@pnet/core/CommandNode"
import type * as Topic from "@pnet/core/Topic"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Api from "../../ConsoleApi.ts"
import { cut, shown } from "./cut.ts"
import { whoOf } from "./people.ts"
import { paced, Waiting } from "./waiting.ts"

const mostTopics = 1_000
const mostSubscribers = 100

/** Topics, and patterns of topics, that peers subscribe to. */
export const topics = (node: CommandNodeService): Effect.Effect<ReadonlyArray<Api.Topic>> =>
  Effect.gen(function*() {
    const found = new Map<string, Array<Api.Topic["subscribers"][number]>>()
    const peers = yield* node.peers.all
    const own = yield* node.offer.current
    for (const { name, offer } of [...peers, { name: node.name, offer: own }]) {
      for (const { contract, group, mode, topic } of offer?.topics ?? []) {
        if (!found.has(topic) && found.size >= mostTopics) continue
        const subscribers = found.get(topic) ?? []
        found.set(topic, subscribers)
        subscribers.push({
          peer: cut(name),
          mode,
          ...(group === undefined ? {} : { group: cut(group) }),
          ...(contract === undefined ? {} : { contract: cut(contract) })
        })
      }
    }
    return [...found].sort(([a], [b]) => a < b ? -1 : 1).map(([topic, subscribers]) => ({
      topic: cut(topic, 255),
      pattern: /(?:^|\.)(?:\*|>)(?:\.|$)/.test(topic),
      subscribers: subscribers.slice(0, mostSubscribers),
      subscriberCount: subscribers.length
    }))
  })

/** Rows that are shown, rows that are counted, and characters of a value. */
const mostRows = 500
const mostCounted = 10_000
const mostValue = 4_096
const every = 250

const placeOf = (from: string, topic: string, key: string): string => `${from} ${topic} ${key}`

/** The last values of a topic, and what of them a page was not given yet. */
class Rows {
  readonly waiting = new Waiting()
  readonly #rows = new Map<string, Api.Row>()
  /** Places that have a new value, and those that have none any more. */
  readonly #changed = new Set<string>()
  readonly #gone = new Map<string, Api.Rows["gone"][number]>()
  /** Places that the page has. */
  readonly #known = new Set<string>()
  #published = 0
  #missed = 0
  #isFirst = true

  #remove(place: string): void {
    const row = this.#rows.get(place)
    this.#rows.delete(place)
    this.#changed.delete(place)
    if (row === undefined || !this.#known.delete(place)) return
    this.#gone.set(place, { from: row.from.key, topic: row.topic, key: row.key })
  }

  take(event: Topic.Event<Schema.Json>): void {
    switch (event._tag) {
      case "Published": {
        const { at, from, key = "", topic, value } = event.publication
        const place = placeOf(from.publicKey, topic, key)
        this.#published++
        if (!this.#rows.has(place) && this.#rows.size >= mostCounted) break
        const { bytes: _bytes, ...of } = shown(value, mostValue)
        this.#rows.set(place, { from: whoOf(from), topic, key: cut(key, 255), ...of, at })
        this.#changed.add(place)
        break
      }
      case "Removed":
        this.#remove(placeOf(event.from.publicKey, event.topic, event.key))
        break
      case "Missed":
        this.#missed += event.count
        break
      case "Gone":
        for (const [place, { from, topic }] of this.#rows) {
          if (from.key === event.from.publicKey && topic === event.topic) this.#remove(place)
        }
    }
    this.waiting.wake()
  }

  next(): Api.Rows | undefined {
    const rows: Array<Api.Row> = []
    for (const place of this.#changed) {
      if (!this.#known.has(place) && this.#known.size >= mostRows) continue
      this.#known.add(place)
      this.#gone.delete(place)
      rows.push(this.#rows.get(place)!)
    }
    const said: Api.Rows = {
      rows,
      gone: [...this.#gone.values()],
      count: this.#rows.size,
      published: this.#published,
      missed: this.#missed
    }
    const isNothing = rows.length === 0 && said.gone.length === 0 && said.published === 0 && said.missed === 0
    if (isNothing && !this.#isFirst) return undefined
    this.#isFirst = false
    this.#changed.clear()
    this.#gone.clear()
    this.#published = 0
    this.#missed = 0
    return said
  }
}

/** The last values of a topic, or of all that a pattern means, as they change. */
export const table = (node: CommandNodeService, topic: string) =>
  Effect.gen(function*() {
    const rows = new Rows()
    const changed = yield* rows.waiting.join
    const watching = yield* Effect.forkScoped(
      Stream.runForEach(node.watch(topic, { mode: "latest" }), (event) => Effect.sync(() => rows.take(event)))
    )
    // Where it cannot be subscribed to, whoever waits for a change is told.
    const next = Effect.raceFirst(changed, Effect.andThen(Fiber.join(watching), Effect.never))
    return Stream.fromEffectRepeat(paced(next, every, () => Effect.sync(() => rows.next())))
  })
