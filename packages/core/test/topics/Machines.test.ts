/** The machines that topics are made of, without a network: what one peer is told of a topic, what is heard of one, and a table's rows. */
import { assert, describe, it } from "@effect/vitest"
import type { Offer } from "@pnet/core"
import type { Listener } from "../../src/internal/topics/listener.ts"
import * as Records from "../../src/internal/topics/records.ts"
import { Retained } from "../../src/internal/topics/retained.ts"
import { type Owner, Route, type Topic } from "../../src/internal/topics/route.ts"
import { Rows } from "../../src/internal/topics/rows.ts"
import { bytesOf, handedOf, type Heard, type Origin, type Said } from "../../src/internal/topics/said.ts"
import { Source } from "../../src/internal/topics/source.ts"
import { Subscription } from "../../src/internal/topics/subscription.ts"

const epoch = "0123456789abcdef"
const from = { name: "alice", publicKey: "a key" } as unknown as Origin["from"]
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const entry = (id: number, more: Partial<Offer.Interest> = {}): Offer.Interest => ({
  id,
  topic: "news",
  mode: "buffer",
  size: 8,
  drop: "oldest",
  retained: true,
  ...more
})

/** Memory, with what is held of it. */
const memory = (most = Infinity) => {
  const held = {
    most,
    bytes: 0,
    has: (bytes: number, all: number) => held.bytes + Math.max(bytes, all) <= held.most,
    take: (bytes: number) => {
      if (held.bytes + bytes > held.most) return false
      held.bytes += bytes
      return true
    },
    give: (bytes: number) => {
      held.bytes -= bytes
      assert.isAtLeast(held.bytes, 0)
    }
  }
  return held
}

/** A topic of a publisher, and one peer's route of it. */
const published = ({ most, retains = false }: { readonly most?: number; readonly retains?: boolean } = {}) => {
  const held = memory(most)
  const origin: Origin = { from, topic: "news", epoch, took: () => {} }
  const topic = {
    index: 7,
    name: "news",
    contract: undefined,
    origin,
    seq: 0,
    retained: retains
      ? new Retained<Said>({ keys: 9, bytes: 10_000, timeToLive: undefined, bytesOf, take: () => true, give: () => {} })
      : undefined,
    routes: new Set<Route>()
  } satisfies Topic & { seq: number }
  const events: Array<string> = []
  const owner: Owner = {
    ready: () => events.push("ready"),
    has: held.has,
    take: held.take,
    give: held.give,
    roomMade: () => events.push("room")
  }
  const route = new Route(topic, owner)
  const say = (key: string | undefined, isOffered = true) => {
    const seq = ++topic.seq
    const body = new TextEncoder().encode(`${seq}`)
    const record = Records.value({ index: 7, seq, at: 1, key, body })
    const said: Said = { index: 7, origin, seq, at: 1, key, body, record }
    topic.retained?.put(key ?? "", said, 0)
    if (isOffered) route.offer(said)
    return said
  }
  /** The next records, as texts. */
  const next = (most = 100) => {
    const all: Array<string> = []
    for (let parts = route.next(); parts !== undefined; parts = route.next()) {
      const bytes = Uint8Array.from(parts.flatMap((part) => [...part]))
      const record = Records.toSubscriber(bytes.subarray(4))
      if (typeof record !== "object") all.push("wrong")
      else if (record.kind === "topic") {
        all.push(`topic ${record.seq} for ${record.for.join()}${record.retained ? " retained" : ""}`)
      } else if (record.kind === "value") {
        all.push(`${record.retained ? "retained" : "value"} ${text(record.body)}${record.key ?? ""}`)
      } else all.push(record.kind === "missed" ? `missed ${record.count}` : record.kind)
      if (all.length >= most) break
    }
    return all
  }
  return { events, held, next, route, say, topic }
}

describe("what a peer is told of a topic", () => {
  it("is the topic, then what was published since, and whoever is new is told of alone", () => {
    const { next, route, say, topic } = published()
    say(undefined, false)
    route.enter([entry(1), entry(2)])
    assert.deepStrictEqual(next(), ["topic 1 for 1,2"])
    say(undefined)
    route.enter([entry(1), entry(3)])
    say(undefined)
    assert.deepStrictEqual(next(), ["topic 1 for 3", "value 2", "value 3"])
    // One that went and came again is told again.
    route.enter([entry(1)])
    route.enter([entry(1), entry(3)])
    assert.deepStrictEqual(next(), ["topic 3 for 3"])
    assert.strictEqual(topic.seq, 3)
  })

  it("says what was dropped before what comes behind it, and counts it once", () => {
    const { held, next, route, say } = published()
    route.enter([entry(1, { size: 2 })])
    next()
    for (let i = 0; i < 5; i++) say(undefined)
    assert.deepStrictEqual(next(1), ["missed 3"])
    assert.deepStrictEqual(next(), ["value 4", "value 5"])
    for (let i = 0; i < 5; i++) say(undefined)
    // Who is told anew knows by the number how many were lost.
    route.begin()
    assert.deepStrictEqual(next(), ["topic 8 for 1", "value 9", "value 10"])
    assert.strictEqual(held.bytes, 0)
  })

  it("is as those of its subscriptions have it that miss the least", () => {
    const waiting = (...entries: ReadonlyArray<Partial<Offer.Interest>>) => {
      const { next, route, say } = published()
      route.enter(entries.map((more, i) => entry(i + 1, more)))
      next()
      for (let i = 0; i < 6; i++) say("ab"[i % 2])
      return next().join()
    }
    assert.strictEqual(waiting({ mode: "latest" }), "missed 4,value 5a,value 6b")
    assert.strictEqual(waiting({ mode: "latest" }, { size: 3 }), "missed 3,value 4b,value 5a,value 6b")
    assert.strictEqual(waiting({ size: 2 }, { size: 4 }), "missed 2,value 3a,value 4b,value 5a,value 6b")
    assert.strictEqual(
      waiting({ size: 3, drop: "newest" }, { size: 2, drop: "newest" }),
      "missed 3,value 1a,value 2b,value 3a"
    )
    assert.strictEqual(waiting({ size: 3, drop: "newest" }, { size: 2 }), "missed 3,value 4b,value 5a,value 6b")
    assert.strictEqual(
      waiting({ size: 8 }, { mode: "lossless", size: 4 }, { mode: "lossless", size: 2 }),
      "value 1a,value 2b,value 3a,value 4b,value 5a,value 6b"
    )
    assert.strictEqual(waiting({ group: "g", mode: "lossless", size: 1 }, { size: 2 }), "missed 4,value 5a,value 6b")
    assert.strictEqual(waiting({ group: "g" }), "")
  })

  it("waits until it is taken where nothing is to be lost, and is sent again on the next stream", () => {
    const { events, held, next, route, say } = published()
    route.enter([entry(1, { mode: "lossless", size: 3 })])
    next()
    assert.isTrue(route.isLossless && route.hasRoom(1, 1))
    const bytes = bytesOf(say(undefined))
    say(undefined)
    say(undefined)
    assert.isFalse(route.hasRoom(1, 1))
    assert.strictEqual(held.bytes, 3 * bytes)
    assert.deepStrictEqual(next(), ["value 1", "value 2", "value 3"])
    assert.strictEqual(held.bytes, 3 * bytes)
    events.length = 0
    route.taken(1)
    assert.deepStrictEqual(events, ["room"])
    assert.strictEqual(held.bytes, 2 * bytes)
    assert.isTrue(route.hasRoom(1, 1))
    route.begin()
    assert.deepStrictEqual(next(), ["topic 1 for 1", "value 2", "value 3"])
    // By another mode those that were not sent are kept.
    say(undefined)
    events.length = 0
    route.enter([entry(1)])
    assert.deepStrictEqual(events, ["room", "ready"])
    assert.strictEqual(held.bytes, bytes)
    assert.deepStrictEqual(next(), ["value 4"])
    say(undefined)
    route.close()
    assert.strictEqual(held.bytes, 0)
    assert.deepStrictEqual(next(), [])
    assert.isTrue(route.isClosed)
  })

  it("is all that is retained, in the order in which it was put, and `current` behind what was published meanwhile", () => {
    const { next, route, say, topic } = published({ retains: true })
    for (const key of ["a", "b", "a", "c"]) say(key, false)
    route.enter([entry(1)])
    assert.deepStrictEqual(next(1), ["topic 4 for 1 retained"])
    say("b")
    topic.retained!.remove("c")
    assert.deepStrictEqual(next(1), ["retained 3a"])
    say("d")
    assert.deepStrictEqual(next(1), ["value 5b"])
    say("e")
    assert.deepStrictEqual(next(), ["value 6d", "current", "value 7e"])
    // Who does not want them is told none.
    route.enter([entry(1), entry(2, { retained: false })])
    assert.deepStrictEqual(next(), ["topic 7 for 2"])
    route.enter([entry(1), entry(2, { retained: false }), entry(3, { group: "g" })])
    assert.deepStrictEqual(next(), ["topic 7 for 3"])
  })

  it("is `current` where all that was published meanwhile was dropped or conflated", () => {
    const { next, route, say } = published({ retains: true })
    route.enter([entry(1, { mode: "latest" })])
    assert.deepStrictEqual(next(1), ["topic 0 for 1 retained"])
    for (let i = 0; i < 3; i++) say("a")
    assert.deepStrictEqual(next(), ["missed 2", "value 3a", "current"])
    const other = published({ retains: true })
    other.route.enter([entry(1)])
    other.next(1)
    for (let i = 0; i < 3; i++) other.say("a")
    assert.deepStrictEqual(other.next(1), ["value 1a"])
    other.route.enter([entry(1, { mode: "latest" })])
    assert.deepStrictEqual(other.next(), ["missed 1", "value 3a", "current"])
  })

  it("is told whole again where the newest of a key was dropped, once there is room", () => {
    const { held, next, route, say } = published({ retains: true })
    route.enter([entry(1, { size: 2, drop: "newest" }), entry(2, { retained: false, drop: "newest", size: 2 })])
    next()
    for (const key of ["a", "b", "c", "d"]) say(key)
    assert.deepStrictEqual(next(), [
      "missed 2",
      "value 1a",
      "value 2b",
      "topic 4 for 1 retained",
      "retained 1a",
      "retained 2b",
      "retained 3c",
      "retained 4d",
      "current"
    ])
    assert.deepStrictEqual(next(), [])
    // What a newer one has followed is not to be said again.
    const other = published({ retains: true })
    other.route.enter([entry(1, { size: 1 })])
    other.next()
    other.say("a")
    other.say("a")
    assert.deepStrictEqual(other.next(), ["missed 1", "value 2a"])
    assert.strictEqual(held.bytes, 0)
    // Who is to lose nothing is told again when it has taken something.
    const full = published({ retains: true })
    full.route.enter([entry(1, { mode: "lossless", size: 1 })])
    full.next()
    full.say("a")
    full.say("b")
    assert.deepStrictEqual(full.next(), ["missed 1", "value 1a"])
    full.events.length = 0
    full.route.taken(1)
    assert.deepStrictEqual(full.events, ["ready", "room"])
    assert.deepStrictEqual(full.next(), ["topic 2 for 1 retained", "retained 1a", "retained 2b", "current"])
  })

  it("has what is urgent before what waits, unless that is not wanted any more", () => {
    const { next, route, say } = published()
    route.enter([entry(1)])
    say(undefined)
    const one = Records.deliver({
      index: 7,
      seq: 1,
      at: 1,
      key: undefined,
      body: Uint8Array.of(1),
      delivery: 1,
      group: "g",
      again: false
    })
    const other = one.slice()
    route.urge(one)
    route.urge(other)
    route.withdraw(one)
    route.withdraw(one)
    assert.deepStrictEqual(next(), ["topic 0 for 1", "deliver", "value 1"])
    const retains = published({ retains: true })
    retains.say("a", false)
    retains.route.enter([entry(1)])
    retains.next(1)
    retains.route.urge(one)
    assert.deepStrictEqual(retains.next(), ["deliver", "retained 1a", "current"])
    route.urge(other)
    route.over()
    route.begin()
    assert.deepStrictEqual(next(), ["topic 1 for 1"])
  })

  it("takes no memory that is not there", () => {
    const { held, next, route, say } = published({ most: 1_100 })
    route.enter([entry(1)])
    next()
    for (let i = 0; i < 4; i++) say(undefined)
    assert.isAtMost(held.bytes, 1_100)
    assert.deepStrictEqual(next(), ["missed 2", "value 3", "value 4"])
  })
})

const value = (origin: Origin, seq: number, more: Partial<Heard> = {}): Heard => ({
  origin,
  seq,
  at: 1,
  key: undefined,
  body: Uint8Array.of(seq),
  retained: false,
  again: false,
  answer: undefined,
  ...more
})

describe("what is heard of a topic", () => {
  const listening = (...interests: ReadonlyArray<Partial<Offer.Interest>>) => {
    const source = new Source(from, "news", undefined, epoch)
    const heard: Array<ReadonlyArray<string>> = []
    const listeners = interests.map((more, i): Listener => {
      const all: Array<string> = []
      heard.push(all)
      return {
        interest: entry(i + 1, more),
        allow: undefined,
        hear: ({ seq }) => void all.push(`${seq}`),
        miss: (_, count) => void all.push(`missed ${count}`),
        begin: () => {},
        whole: () => {},
        gone: () => {},
        again: ({ seq }) => void (interests[i]!.retained === true && all.push(`again ${seq}`)),
        news: () => {},
        hasRoom: () => true,
        unanswered: 0
      }
    })
    const fresh = new Set<Listener>()
    const said: Array<number> = []
    source.onTaken = (seq) => said.push(seq)
    return { fresh, heard, listeners, said, source, hear: (seq: number) => source.hear(value(source, seq), fresh) }
  }

  it("is known to be lost by those that there were before, by the number that the next stream begins with", () => {
    const { fresh, hear, heard, listeners: [one, other, member], source } = listening({}, {}, { group: "g" })
    source.tell(10, [one!, member!])
    hear(11)
    assert.deepStrictEqual([...fresh], [one])
    source.tell(15, [one!, other!])
    hear(16)
    source.missed(2)
    hear(19)
    source.tell(19, [one!])
    source.leave(other!)
    source.tell(21, [one!])
    assert.deepStrictEqual(heard, [
      ["11", "missed 4", "16", "missed 2", "19", "missed 2"],
      ["16", "missed 2", "19"],
      []
    ])
  })

  it("comes once where nothing is to be lost, though it is sent again", () => {
    const { hear, heard, listeners, said, source } = listening({ mode: "lossless", size: 2 })
    source.tell(0, listeners)
    for (const seq of [1, 2, 3]) hear(seq)
    source.took(1)
    assert.deepStrictEqual(said, [1])
    // Two come again that were heard, and 4 is new.
    source.begin(true)
    source.tell(1, listeners)
    for (const seq of [2, 3, 4]) hear(seq)
    source.took(2)
    source.took(3)
    source.took(4)
    assert.deepStrictEqual(heard, [["1", "2", "3", "4"]])
    assert.strictEqual(said.at(-1), 4)
    // One of those that come again was lost before, by what the publisher says.
    source.tell(6, listeners)
    hear(7)
    assert.deepStrictEqual(heard[0]!.slice(4), ["missed 2", "7"])
  })

  it("is said to be taken when all who lose none have taken it, some together while more wait", () => {
    const { hear, listeners, said, source } = listening(
      { mode: "lossless", size: 8 },
      { mode: "lossless", size: 80 },
      {},
      { mode: "lossless", group: "g" }
    )
    source.tell(0, listeners)
    for (let seq = 1; seq <= 6; seq++) hear(seq)
    for (let seq = 1; seq <= 6; seq++) source.took(seq)
    assert.deepStrictEqual(said, [])
    // In another order.
    for (const seq of [2, 1, 3, 4, 5, 6]) source.took(seq)
    assert.deepStrictEqual(said, [3, 5, 6])
    // What is no longer retained is taken by itself.
    source.hear(value(source, 7, { body: undefined }), new Set())
    assert.strictEqual(said.at(-1), 7)
    source.took(99)
    assert.strictEqual(said.at(-1), 7)
  })

  it("is said a second time to who holds last values, and what takes one back is no publication", () => {
    const { fresh, heard, listeners, said, source } = listening({ mode: "lossless" }, {
      mode: "latest",
      retained: true
    })
    source.tell(0, listeners)
    source.hear(value(source, 1), fresh)
    source.took(1)
    source.begin(true)
    source.tell(0, [])
    source.hear(value(source, 1), fresh)
    assert.deepStrictEqual(heard, [["1"], ["1", "again 1"]])
    // After three that were dropped: who loses nothing has taken all up to that.
    source.missed(3)
    source.hear(value(source, 4, { body: undefined }), fresh)
    assert.strictEqual(said.at(-1), 4)
    source.hear(value(source, 5), fresh)
    source.tell(5, [])
    assert.deepStrictEqual(heard[0], ["1", "missed 3", "4", "5"])
  })

  it("is waited for by nobody whose subscription has ended", () => {
    const { hear, listeners, said, source } = listening({ mode: "lossless", size: 2 }, { mode: "lossless", size: 2 })
    source.tell(0, listeners)
    hear(1)
    source.leave(listeners[1]!)
    hear(2)
    source.took(1)
    source.took(1)
    source.took(2)
    assert.deepStrictEqual(said, [1, 2])
  })
})

describe("a subscription", () => {
  const origin: Origin & { readonly tookAll: Array<number> } = {
    from,
    topic: "news",
    epoch,
    tookAll: [],
    took: (seq) => void origin.tookAll.push(seq)
  }
  const subscribed = (more: Partial<Offer.Interest> = {}, events = false) => {
    const held = memory()
    origin.tookAll.length = 0
    const counted: Array<number> = []
    const subscription = new Subscription({
      interest: entry(1, more),
      allow: undefined,
      events,
      has: held.has,
      take: held.take,
      give: held.give,
      onMissed: (count) => void counted.push(count)
    })
    const read = () => {
      const all: Array<string> = []
      for (let one = subscription.read(); one !== undefined; one = subscription.read()) {
        all.push(
          one._tag === "Heard"
            ? `${one.heard.seq} ${one.missed}`
            : one._tag === "Missed"
            ? `missed ${one.count}`
            : "gone"
        )
      }
      return all
    }
    return {
      counted,
      held,
      read,
      subscription,
      hear: (seq: number, by: Partial<Heard> = {}) => subscription.hear(value(origin, seq, by))
    }
  }

  it("says what was missed with what comes behind it, whoever dropped it", () => {
    const { hear, held, read, subscription } = subscribed({ size: 2 })
    hear(1)
    subscription.miss(origin, 2)
    hear(4)
    hear(5)
    hear(6)
    assert.deepStrictEqual(read(), ["5 4", "6 0"])
    assert.strictEqual(held.bytes, 0)
    const newest = subscribed({ size: 1, drop: "newest" })
    newest.hear(1)
    newest.hear(2)
    newest.subscription.miss(origin, 3)
    newest.hear(6)
    assert.deepStrictEqual(newest.read(), ["1 0"])
    newest.hear(7)
    assert.deepStrictEqual(newest.read(), ["7 5"])
    assert.deepStrictEqual(newest.counted, [5])
  })

  it("is given retained values that it has not seen, and counts none of them as missed", () => {
    const { hear, read } = subscribed({ size: 2 })
    hear(2, { retained: true })
    hear(1, { retained: true })
    hear(3)
    assert.deepStrictEqual(read(), ["2 0", "3 0"])
    hear(3, { retained: true })
    hear(4, { retained: true })
    hear(5)
    hear(6)
    assert.deepStrictEqual(read(), ["5 0", "6 0"])
    hear(7, { body: undefined })
    assert.deepStrictEqual(read(), [])
  })

  it("has the newest of each key, of each publisher", () => {
    const { hear, read, subscription } = subscribed({ mode: "latest" })
    const other: Origin = { ...origin, epoch: "f".repeat(16) }
    hear(1, { key: "a" })
    hear(2, { key: "b" })
    subscription.hear(value(other, 9, { key: "a" }))
    hear(3, { key: "a" })
    assert.deepStrictEqual(read(), ["3 1", "2 0", "9 0"])
  })

  it("says of what it is to lose nothing of what it has taken, or has no room for", () => {
    const { hear, read, subscription } = subscribed({ mode: "lossless", size: 2, drop: "oldest" })
    hear(1)
    assert.isTrue(subscription.hasRoom(origin, 1, 1))
    hear(2)
    assert.isFalse(subscription.hasRoom(origin, 1, 1))
    hear(3)
    assert.deepStrictEqual(origin.tookAll, [3])
    assert.strictEqual(subscription.read()?._tag, "Heard")
    assert.deepStrictEqual(origin.tookAll, [3, 1])
    subscription.close()
    assert.deepStrictEqual(origin.tookAll, [3, 1, 2])
    assert.deepStrictEqual(read(), [])
    subscription.hear(value(origin, 4))
    assert.deepStrictEqual(read(), [])
  })

  it("tells what happens besides, where it is asked for", () => {
    const { hear, held, read, subscription } = subscribed({ size: 2 }, true)
    hear(1)
    hear(2, { body: undefined })
    subscription.gone(origin)
    assert.deepStrictEqual(read(), ["missed 1", "2 0", "gone"])
    subscription.miss(origin, 4)
    assert.deepStrictEqual(read(), ["missed 4"])
    hear(7)
    subscription.miss(origin, 2)
    hear(10)
    assert.deepStrictEqual(read(), ["7 0", "missed 2", "10 0"])
    assert.strictEqual(held.bytes, 0)
  })

  it("answers each delivery once: what it drops, or has when it ends, goes back", () => {
    const { hear, subscription } = subscribed({ group: "g", size: 2 })
    const answers: Array<string> = []
    const deliver = (seq: number) => hear(seq, { answer: (how) => void answers.push(`${how} ${seq}`) })
    deliver(1)
    deliver(2)
    deliver(3)
    assert.deepStrictEqual([answers, subscription.unanswered], [["back 1"], 2])
    const read = subscription.read()
    assert.isTrue(read?._tag === "Heard" && read.missed === 0)
    const answer = subscription.answering((read as { readonly heard: Heard }).heard)
    answer("done")
    answer("back")
    assert.strictEqual(subscription.unanswered, 1)
    subscription.close()
    deliver(4)
    assert.deepStrictEqual([answers, subscription.unanswered], [["back 1", "done 2", "back 3", "back 4"], 0])
  })
})

describe("rows of a table", () => {
  const table = (most?: number) => {
    const held = memory(most)
    const rows = new Map<string, number>()
    const full: Array<string> = []
    let isReadable = true
    const origin: Origin = { from, topic: "news", epoch, took: () => {} }
    const listener = new Rows({
      interest: entry(1),
      allow: undefined,
      take: (owner, bytes) => owner === "a key" && held.take(bytes),
      give: (owner, bytes) => void (owner === "a key" && held.give(bytes)),
      weigh: () => 0,
      put: ({ seq }, key) => {
        if (isReadable) rows.set(key, seq)
        return isReadable
      },
      remove: (_, key) => void assert.isTrue(rows.delete(key)),
      full: ({ topic }) => void full.push(topic)
    })
    return {
      full,
      held,
      listener,
      origin,
      hear: (seq: number, key?: string, more: Partial<Heard> = {}) =>
        listener.hear(value(origin, seq, { key, ...more })),
      readable: (is: boolean) => void (isReadable = is),
      all: () => [...rows].map(([key, seq]) => `${key}${seq}`).join()
    }
  }

  it("are the newest of each key, whatever comes late or twice, and their memory is theirs", () => {
    const { all, hear, held } = table()
    hear(1, "a")
    hear(3, "b")
    hear(2, "b")
    hear(4, "a", { body: new Uint8Array(10) })
    hear(5)
    assert.strictEqual(all(), "a4,b3,5")
    assert.strictEqual(held.bytes, 3 * 512 + 2 + 10 + 2)
    hear(3, "a", { body: undefined })
    hear(6, "a", { body: undefined })
    hear(7, "x", { body: undefined })
    assert.strictEqual(all(), "b3,5")
    assert.strictEqual(held.bytes, 2 * 512 + 2 + 1)
  })

  it("go where they are not said again with all that is retained, and when the publisher is gone", () => {
    const { all, hear, held, listener, origin } = table()
    for (const [i, key] of ["a", "b", "c"].entries()) hear(i + 1, key)
    listener.begin(origin)
    hear(2, "b", { retained: true })
    hear(4, "c")
    assert.strictEqual(all(), "a1,b2,c4")
    listener.whole(origin)
    assert.strictEqual(all(), "b2,c4")
    listener.whole(origin)
    assert.strictEqual(all(), "b2,c4")
    listener.gone(origin)
    assert.strictEqual(all(), "")
    assert.strictEqual(held.bytes, 0)
    listener.gone(origin)
    hear(1, "a")
    assert.strictEqual(all(), "a1")
    listener.close()
    assert.strictEqual(held.bytes, 0)
    hear(2, "a")
    assert.strictEqual(held.bytes, 0)
  })

  it("are gone, and not old ones, where the new one has no room or cannot be read", () => {
    const { all, full, hear, held, readable } = table(1_100)
    hear(1, "a")
    hear(2, "b")
    hear(3, "a", { body: new Uint8Array(600) })
    assert.deepStrictEqual([all(), full], ["b2", ["news"]])
    assert.strictEqual(held.bytes, 514)
    readable(false)
    hear(4, "b")
    hear(5, "c")
    assert.deepStrictEqual([all(), held.bytes], ["", 0])
    hear(6, "c", { body: new Uint8Array(900) })
    assert.deepStrictEqual([all(), held.bytes, full.length], ["", 0, 2])
  })
})

describe("the memory of what waits", () => {
  it("counts with each what it is kept as, and where the newest of each key is looked for the key", () => {
    const taken: Array<number> = []
    const own: Origin = {
      from: { name: "alice" as never, publicKey: "k" as never },
      topic: "news",
      epoch: "e",
      took: () => {}
    }
    for (const mode of ["buffer", "latest"] as const) {
      const subscription = new Subscription({
        interest: entry(1, { mode }),
        allow: undefined,
        events: false,
        has: () => true,
        take: (bytes) => taken.push(bytes) > 0,
        give: (bytes) => taken.push(-bytes),
        onMissed: () => {}
      })
      const body = new Uint8Array(100)
      subscription.hear({
        origin: own,
        seq: 1,
        at: 1,
        key: "key",
        body,
        retained: false,
        again: false,
        answer: undefined
      })
      subscription.read()
    }
    assert.deepStrictEqual(taken, [615, -615, 615 + 12, -615 - 12])
    assert.strictEqual(handedOf({ body: new Uint8Array(100), key: "key" }), 715)
  })
})
