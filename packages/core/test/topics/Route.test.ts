/** What one peer gets of a topic, record by record, and what it makes of that from one stream to the next. */
import { assert, describe, it } from "@effect/vitest"
import { Offer } from "@pnet/core"
import { OwnTopic } from "@pnet/core/internal/topics/ownTopic"
import * as Records from "@pnet/core/internal/topics/records"
import { Retained } from "@pnet/core/internal/topics/retained"
import { Route } from "@pnet/core/internal/topics/route"
import { bytesOf, type Heard, type Origin, type Said } from "@pnet/core/internal/topics/said"
import { Source } from "@pnet/core/internal/topics/source"
import type { Interest } from "@pnet/core/Offer"

const origin: Origin = {
  from: { name: "alice" as never, publicKey: "key" as never },
  topic: "news",
  epoch: "0000000000000001",
  took: () => {}
}

const entry = (id: number, options: Partial<Interest> = {}): Interest =>
  Offer.interest({ topic: "news", ...options, id } as never)

const make = () => {
  const topic = new OwnTopic(1, undefined, origin, 0)
  topic.retained = new Retained<Said>({
    keys: 8,
    bytes: 10_000,
    timeToLive: undefined,
    bytesOf,
    take: () => true,
    give: () => {},
    onDrop: () => {}
  })
  const route = new Route(topic, {
    ready: () => {},
    has: () => true,
    take: () => true,
    give: () => {},
    roomMade: () => {}
  })
  const say = (key: string) => {
    const seq = ++topic.seq
    const body = new Uint8Array(1)
    const said: Said = {
      index: 1,
      origin,
      seq,
      at: 0,
      key,
      body,
      record: Records.value({ index: 1, seq, at: 0, key, body })
    }
    topic.retained!.put(key, said, 0)
    route.offer(said)
  }
  const take = (key: string) => {
    const { seq } = topic
    topic.retained!.remove(key)
    route.offer({
      index: 1,
      origin,
      seq,
      at: 0,
      key,
      body: undefined,
      record: Records.removed({ index: 1, seq, at: 0, key })
    })
  }
  /** What is written, in words. */
  const written = (most = 100): ReadonlyArray<string> => {
    const all: Array<string> = []
    for (let parts = route.next(); parts !== undefined; parts = all.length < most ? route.next() : undefined) {
      const bytes = new Uint8Array(parts.flatMap((part) => [...part]))
      const reader = new Records.RecordReader()
      reader.add([bytes])
      const record = Records.toSubscriber(reader.next()!)
      if (record === undefined || typeof record === "string") throw new Error(String(record))
      if (record.kind === "value") all.push(`${record.key}${record.seq}${record.retained ? "r" : ""}`)
      else if (record.kind === "topic") all.push(`topic ${record.for.join()} ${record.seq}`)
      else if (record.kind === "missed") all.push(`missed ${record.count}`)
      else all.push(record.kind)
    }
    return all
  }
  return { route, say, take, written }
}

describe("what a peer gets of a topic", () => {
  it("has nothing twice that waits and is retained, where another subscription is told of it", () => {
    const { route, say, written } = make()
    route.enter([entry(1)])
    written()
    say("a")
    say("b")
    route.enter([entry(1), entry(2)])
    assert.deepStrictEqual(written(), ["topic 2 0", "a1", "b2", "current"])
  })

  it("keeps what was sent and is not taken, where the subscriptions that lose nothing are others", () => {
    const { route, say, written } = make()
    route.enter([entry(1, { mode: "lossless", size: 4 })])
    say("a")
    say("b")
    written()
    route.enter([entry(1, { mode: "lossless", size: 4 }), entry(2, { mode: "lossless", size: 2 })])
    assert.isFalse(route.hasRoom(1, 1))
    written()
    route.begin()
    assert.deepStrictEqual(written(), ["topic 1,2 0", "a1", "b2", "current"])
  })

  it("has nothing that waited for subscriptions that are gone", () => {
    const { route, say, written } = make()
    route.enter([entry(1, { retained: false })])
    say("a")
    route.enter([entry(7, { retained: false })])
    assert.deepStrictEqual(written(), ["topic 7 1"])
  })

  it("is told all that is retained once more, where what waited was older than what was dropped", () => {
    const { route, say, take, written } = make()
    const lossless = entry(1, { mode: "lossless", size: 1 })
    route.enter([lossless])
    written()
    say("a")
    take("a")
    route.begin()
    written()
    route.taken(1)
    assert.deepStrictEqual(written(), ["topic 1 1", "current"])
  })

  it("is told what was dropped behind those that wait, whoever is told of the topic only then", () => {
    for (const options of [{ mode: "lossless", size: 2 }, { mode: "buffer", size: 2, drop: "newest" }] as const) {
      const { route, say, written } = make()
      route.enter([entry(1, { ...options, retained: false })])
      say("a")
      written()
      route.begin()
      for (const key of ["b", "c", "d", "e"]) say(key)
      assert.deepStrictEqual(
        written(),
        options.mode === "lossless"
          ? ["topic 1 0", "missed 3", "a1", "b2"]
          : ["topic 1 1", "missed 2", "b2", "c3"]
      )
    }
  })
})

describe("what is heard of a topic", () => {
  const heard = (seq: number): Heard => ({
    origin,
    seq,
    at: 0,
    key: undefined,
    body: new Uint8Array(1),
    retained: false,
    again: false,
    answer: undefined
  })

  it("is counted once, where two streams in a row end before what comes again has come", () => {
    const source = new Source(origin.from, "news", undefined, origin.epoch)
    let missed = 0
    const got: Array<number> = []
    source.tell(0, [{
      interest: entry(1, { mode: "lossless" }),
      allow: undefined,
      hear: ({ seq }: Heard) => got.push(seq),
      miss: (_: Origin, count: number) => missed += count,
      begin: () => {},
      whole: () => {},
      gone: () => {},
      again: () => {},
      news: () => {},
      hasRoom: () => true,
      unanswered: 0
    }])
    for (const seq of [1, 2, 3]) source.hear(heard(seq), new Set())
    source.tell(1, [])
    source.tell(1, [])
    for (const seq of [2, 3, 4]) source.hear(heard(seq), new Set())
    assert.deepStrictEqual([got, missed], [[1, 2, 3, 4], 0])
  })
})
