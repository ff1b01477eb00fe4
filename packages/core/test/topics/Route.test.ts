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
import { dice } from "./dice.ts"

const origin: Origin = {
  from: { name: "alice" as never, publicKey: "key" as never },
  topic: "news",
  epoch: "0000000000000001",
  took: () => {}
}

const entry = (id: number, options: Partial<Interest> = {}): Interest =>
  Offer.interest({ topic: "news", ...options, id } as never)

const make = (roomMade = () => {}) => {
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
    roomMade
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
  /** The next record that is written. */
  const next = () => {
    const parts = route.next()
    if (parts === undefined) return undefined
    const reader = new Records.RecordReader()
    reader.add([new Uint8Array(parts.flatMap((part) => [...part]))])
    const record = Records.toSubscriber(reader.next()!)
    if (record === undefined || typeof record === "string") throw new Error(String(record))
    return record
  }
  /** What is written, in words. */
  const written = (most = 100): ReadonlyArray<string> => {
    const all: Array<string> = []
    for (let record = next(); record !== undefined; record = all.length < most ? next() : undefined) {
      if (record.kind === "value") all.push(`${record.key}${record.seq}${record.retained ? "r" : ""}`)
      else if (record.kind === "topic") all.push(`topic ${record.for.join()} ${record.seq}`)
      else if (record.kind === "missed") all.push(`missed ${record.count}`)
      else all.push(record.kind)
    }
    return all
  }
  return { next, route, say, take, written }
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

  it("is in order what those that lose nothing have no room for, and then what they have", () => {
    for (const mode of ["buffer", "latest"] as const) {
      let rooms = 0
      const { route, say, written } = make(() => rooms++)
      const lossless = entry(1, { mode: "lossless", size: 1, retained: false })
      route.enter([lossless, entry(2, { mode, size: 4, retained: false })])
      for (const key of ["a", "b", "c", "b"]) say(key)
      assert.isFalse(route.hasRoom(1, 1))
      const isLatest = mode === "latest"
      assert.deepStrictEqual(written(isLatest ? 3 : 2), ["topic 1,2 0", ...(isLatest ? ["missed 1"] : []), "a1"])
      route.taken(1)
      // As long as others wait.
      assert.isFalse(route.hasRoom(1, 1))
      say("d")
      rooms = 0
      assert.deepStrictEqual(written(), isLatest ? ["c3", "b4", "d5"] : ["b2", "c3", "b4", "d5"])
      assert.strictEqual(rooms, 1)
      assert.isTrue(route.hasRoom(1, 1))
      for (const key of ["e", "f", "g"]) say(key)
      route.enter([
        lossless,
        entry(2, { mode, size: 8, retained: false }),
        entry(3, { mode: "latest", retained: false })
      ])
      say("h")
      assert.deepStrictEqual(written(), ["topic 3 5", "e6", "f7", "g8", "h9"])
      // Those that are not taken come again, and no others.
      route.begin()
      assert.deepStrictEqual(written(), ["topic 1,2,3 5", "missed 3", "e6"])
    }
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

  it("is told all that is retained once more, where others heard that what comes again is no longer", () => {
    const { route, say, take, written } = make()
    route.enter([entry(1, { mode: "lossless", size: 1 }), entry(2, { mode: "latest" })])
    say("a")
    take("a")
    assert.deepStrictEqual(written(), ["topic 1,2 0", "a1", "removed", "current"])
    route.begin()
    assert.deepStrictEqual(written(), ["topic 1,2 0", "a1", "current", "topic 1,2 1", "current"])
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

/** A subscription that remembers what it is told. */
const listening = (interest: Interest) => {
  const ear = {
    got: [] as Array<number>,
    missed: 0,
    listener: {
      interest,
      allow: undefined,
      hear: ({ body, seq }: Heard) => {
        if (body !== undefined) ear.got.push(seq)
      },
      miss: (_: Origin, count: number) => ear.missed += count,
      begin: () => {},
      whole: () => {},
      gone: () => {},
      again: () => {},
      news: () => {},
      hasRoom: () => true,
      unanswered: 0
    }
  }
  return ear
}

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
    const ear = listening(entry(1, { mode: "lossless" }))
    source.tell(0, [ear.listener])
    for (const seq of [1, 2, 3]) source.hear(heard(seq), new Set())
    for (const seq of [1, 1]) {
      source.begin(true)
      source.tell(seq, [])
    }
    for (const seq of [2, 3, 4]) source.hear(heard(seq), new Set())
    assert.deepStrictEqual([ear.got, ear.missed], [[1, 2, 3, 4], 0])
  })

  it("is all that was said since, heard or missed, however streams end and whatever waits", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const die = dice(seed)
      const pick = <A>(all: ReadonlyArray<A>): A => all[die(all.length)]!
      const modes = ["lossless", "buffer", "latest"] as const
      const mode = pick(modes)
      const isMixed = die(2) === 0
      const options = { mode, size: 1 + die(3), drop: pick(["newest", "oldest"] as const), retained: false }
      const { next, route, say, take } = make()
      const source = new Source(origin.from, "news", undefined, origin.epoch)
      source.onTaken = (seq) => taken.push(seq)
      const taken: Array<number> = []
      let ids = 1
      const entries = [entry(ids, options)]
      const keepers = new Set(mode === "lossless" ? [ids] : [])
      let isNew = true
      const ears = new Map([[1, { ear: listening(entries[0]!), first: 0 }]])
      route.enter(entries)
      let said = 0
      // What is on the way is read, some of it at a time, or lost with the stream.
      const read = (most: number) => {
        for (
          let record = most > 0 ? next() : undefined;
          record !== undefined;
          record = --most > 0 ? next() : undefined
        ) {
          if (record.kind === "topic") {
            if (isNew) source.begin(record.for.some((id) => keepers.has(id)))
            isNew = false
            source.tell(record.seq, record.for.flatMap((id) => ears.get(id)?.ear.listener ?? []))
          } else if (record.kind === "missed") source.missed(record.count)
          else if (record.kind === "value" || record.kind === "removed") {
            const { at, key, seq } = record
            const body = record.kind === "value" ? record.body : undefined
            source.hear({ origin, seq, at, key, body, retained: false, again: false, answer: undefined }, new Set())
          }
        }
      }
      const step = () => {
        switch (die(10)) {
          case 0:
            while (die(2) === 0) next()
            isNew = true
            return route.begin()
          case 1:
            for (const seq of taken.splice(0, die(taken.length + 1))) route.taken(seq)
            return
          case 2:
            for (const { ear } of ears.values()) {
              if (ear.listener.interest.mode !== "lossless") continue
              for (const seq of ear.got.slice(-4)) if (die(2) === 0) source.took(seq)
            }
            return
          case 3:
            return said === 0 ? undefined : take(pick(["a", "b"]))
          case 4: {
            if (entries.length === 3) return
            const added = entry(++ids, isMixed ? { ...options, mode: pick(modes) } : options)
            entries.push(added)
            if (added.mode === "lossless") keepers.add(added.id)
            ears.set(added.id, { ear: listening(added), first: said })
            return route.enter([...entries])
          }
          case 5:
            return read(1 + die(4))
          // One ends, and the publisher knows it only later.
          case 6: {
            const last = ears.get(entries.at(-1)!.id)
            if (entries.length === 1 || last === undefined) return
            ears.delete(entries.at(-1)!.id)
            return source.leave(last.ear.listener)
          }
          case 7: {
            const left = entries.filter(({ id }) => ears.has(id))
            if (left.length < entries.length) {
              entries.splice(0, entries.length, ...left)
              route.enter(left)
            }
            return
          }
          default:
            said++
            return say(pick(["a", "b", "c"]))
        }
      }
      read(1)
      for (let i = 0; i < 60; i++) step()
      isNew = true
      route.begin()
      for (let i = 0; i < 40; i++) {
        read(100)
        for (const { ear } of ears.values()) {
          if (ear.listener.interest.mode === "lossless") { for (const seq of ear.got) source.took(seq) }
        }
        for (const seq of taken.splice(0)) route.taken(seq)
      }
      said++
      say("a")
      read(100)
      const { ear } = ears.get(1)!
      assert.strictEqual(
        ear.got.length + ear.missed,
        said,
        `seed ${seed}, ${JSON.stringify(options)}, got ${ear.got.join()}, missed ${ear.missed}`
      )
      assert.strictEqual(new Set(ear.got).size, ear.got.length, `seed ${seed}`)
      for (const { ear: { got, missed }, first } of ears.values()) {
        const least = said - Math.max(first, (got[0] ?? said + 1) - 1)
        assert.isAtLeast(got.length + missed, least, `seed ${seed}: one that came after ${first}`)
      }
    }
  })
})
