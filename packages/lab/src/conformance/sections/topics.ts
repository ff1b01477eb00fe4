/** Section 16: topics, as the peer publishes and subscribes. */
import { Effect } from "effect"
import { checksOf } from "../check.ts"
import type { Kit } from "../kit.ts"
import { json } from "../speech/frames.ts"
import * as Topics from "../speech/topics.ts"
import { NotThere } from "../subject.ts"
import { type Entry, publish, publisher, retract, subscribe } from "../topics.ts"

const check = checksOf("sessions", "orders", "a LAN", "topics")
const hears = checksOf("sessions", "orders", "topics")
// A peer that publishes asks others what they offer, which no other check expects.
const alone = { seconds: 2, alone: true } as const

const plain = (kit: Kit, name = "a") => `plain.${kit.name}.${name}`
const kept = (kit: Kit) => `kept.${kit.name}`
const closed = (kit: Kit) => `closed.${kit.name}`

const entry = (id: number, topic: string, more: Partial<Entry> = {}): Entry => ({
  id,
  topic,
  contract: "bytes",
  ...more
})

/** Kinds, numbers and texts of records, for people and to be compared. */
const brief = (records: ReadonlyArray<Topics.Record>) =>
  records.map(({ flags = 0, key, kind, seq, text }) =>
    [
      kind,
      ...seq === undefined ? [] : [seq],
      ...key === undefined ? [] : [key],
      ...text === undefined ? [] : [text],
      ...(flags & 1) === 0 ? [] : ["retained"],
      ...(flags & 4) === 0 ? [] : ["again"]
    ].join(" ")
  )

const same = (kit: Kit, records: ReadonlyArray<Topics.Record>, wanted: ReadonlyArray<string>) => {
  const came = json(brief(records))
  return kit.holds(came === json(wanted), json(wanted), came)
}

const publishers = [
  check(
    "topic-stream",
    "who publishes opens one stream to who subscribes, and sends it what is published there",
    (kit) =>
      Effect.gen(function*() {
        const topic = plain(kit)
        const by = yield* subscribe(kit, topic, [entry(1, topic)])
        yield* by.told(topic, 1)
        yield* publish(kit, plain(kit, "b"), "elsewhere")
        yield* publish(kit, topic, "one")
        yield* same(kit, yield* by.all(), ["value 2 one"])
        yield* kit.holds(by.opened === 1, "one stream", `${by.opened}`)
      }),
    alone
  ),

  check("topic-stream", "nothing more comes when the entry has gone", (kit) =>
    Effect.gen(function*() {
      const topic = plain(kit)
      const by = yield* subscribe(kit, topic, [entry(1, topic)])
      yield* by.told(topic, 1)
      yield* by.say()
      const last = yield* by.all(1_500)
      yield* kit.holds(
        by.isOver || json(brief(last)) === json(["forget"]),
        "forget, or the end of the stream",
        json(brief(last))
      )
      yield* publish(kit, topic, "one")
      yield* same(kit, yield* by.all(), [])
    }), alone),

  check(
    "topic-first",
    "a topic is told of before anything of it, and again for an entry that is new",
    (kit) =>
      Effect.gen(function*() {
        const topic = plain(kit)
        const by = yield* subscribe(kit, topic, [entry(1, topic)])
        const first = yield* by.told(topic, 1)
        yield* by.say(entry(1, topic), entry(5, topic))
        const again = yield* by.expect("topic")
        yield* kit.holds(
          again.index === first.index && again.json.epoch === first.json.epoch && again.json.for?.includes(5) === true,
          `the number ${first.index} and the epoch ${first.json.epoch} again, for 5`,
          json(again)
        )
        yield* publish(kit, topic, "one")
        const one = yield* by.expect("value")
        yield* kit.holds(one.index === first.index, `a value of the number ${first.index}`, json(one))
      }),
    alone
  ),

  check(
    "topic-seq",
    "publications are numbered one by one, behind the number that is told, and in their order",
    (kit) =>
      Effect.gen(function*() {
        const topic = plain(kit)
        const by = yield* subscribe(kit, topic, [entry(1, topic)], "x=1", "x=2")
        const { json: told } = yield* by.told(topic, 1)
        yield* kit.holds(told.seq === 2, "the number 2, of what is not sent any more", json(told))
        yield* publish(kit, topic, "three", "four", "five")
        yield* same(kit, yield* by.all(), ["value 3 three", "value 4 four", "value 5 five"])
      }),
    alone
  ),

  check("topic-once", "what two entries mean comes once", (kit) =>
    Effect.gen(function*() {
      const topic = plain(kit)
      const by = yield* subscribe(kit, topic, [entry(1, topic), entry(2, `plain.${kit.name}.*`)])
      yield* by.told(topic, 1, 2)
      yield* publish(kit, topic, "one", "two")
      yield* same(kit, yield* by.all(), ["value 2 one", "value 3 two"])
    }), alone),

  check(
    "topic-contract",
    "bytes are not sent to who subscribes to JSON, nor to a contract",
    (kit) =>
      Effect.gen(function*() {
        const topic = plain(kit)
        const { contract: _contract, ...any } = entry(1, topic)
        const by = yield* subscribe(kit, topic, [any, entry(2, topic, { contract: "0123456789abcdef" })])
        const first = yield* by.all(1_500)
        yield* publish(kit, topic, "one")
        const denied = [...first, ...yield* by.all()]
        const isRight = denied.every(({ json: said, kind }) =>
          kind === "denied" && said.topic === topic && [1, 2].includes(said.id) && said.reason === "contract"
        )
        yield* kit.holds(isRight, "nothing, or denied by the contract", json(denied))
        yield* by.say(entry(3, topic))
        yield* by.told(topic, 3)
        yield* publish(kit, topic, "two")
        yield* same(kit, [yield* by.expect("value")], ["value 3 two"])
      }),
    alone
  ),

  check(
    "topic-denied",
    "what the peer may not subscribe to is not sent, and said by no other than its reason",
    (kit) =>
      Effect.gen(function*() {
        const topic = closed(kit)
        const by = yield* subscribe(kit, topic, [entry(1, topic)])
        const first = yield* by.all(1_500)
        yield* publish(kit, topic, "one")
        const denied = [...first, ...yield* by.all()]
        const isRight = denied.every(({ json: said, kind }) =>
          kind === "denied" && said.topic === topic && said.id === 1 && said.reason === "not_allowed"
        )
        yield* kit.holds(isRight, "nothing, or denied as not_allowed", json(denied))
        const other = plain(kit)
        yield* publish(kit, other, "before=0")
        yield* by.say(entry(2, other))
        yield* by.told(other, 2)
      }),
    alone
  ),

  check(
    "topic-modes",
    "of a buffer that is full the oldest go, and how many is said before the next",
    (kit) =>
      Effect.gen(function*() {
        const topic = plain(kit)
        const by = yield* subscribe(kit, topic, [entry(1, topic, { size: 2 })])
        yield* by.told(topic, 1)
        by.granting = false
        const long = (n: number) => `${n}${"-".repeat(99_999)}`
        yield* publish(kit, topic, ...[1, 2, 3, 4, 5, 6, 7, 8].map(long))
        const some = yield* by.all()
        by.granting = true
        yield* by.grant(2_000_000)
        const all = [...some, ...yield* by.all()]
        const came = json(all.map(({ count, kind, seq }) => [kind, seq ?? count]))
        // The number of the next, as who counts knows it.
        let next = 2
        for (const { count = 0, kind, seq } of all) {
          if (kind === "missed") next += count
          else if (kind === "value") yield* kit.holds(seq === next++, `missed, or a value ${next - 1}`, came)
        }
        yield* kit.holds(all.some(({ kind }) => kind === "missed"), "missed", came)
        yield* kit.holds(came.endsWith("[\"value\",8],[\"value\",9]]"), "the newest two, 8 and 9, at the end", came)
      }),
    alone
  ),

  check(
    "topic-lossless",
    "what is not taken is sent again by the next stream, in the same epoch",
    (kit) =>
      Effect.gen(function*() {
        const topic = plain(kit)
        const by = yield* subscribe(kit, topic, [entry(1, topic, { mode: "lossless", size: 4 })])
        const first = yield* by.told(topic, 1)
        yield* publish(kit, topic, "one", "two", "three")
        yield* same(kit, yield* by.all(), ["value 2 one", "value 3 two", "value 4 three"])
        yield* by.answer(Topics.taken(first.index!, 2))
        yield* by.break
        const again = yield* by.told(topic, 1)
        yield* kit.holds(again.json.epoch === first.json.epoch, `the epoch ${first.json.epoch}`, json(again.json))
        yield* same(kit, yield* by.all(), ["value 3 two", "value 4 three"])
        yield* kit.holds(by.opened === 2, "a second stream", `${by.opened}`)
      }),
    { ...alone, seconds: 5 }
  ),

  check(
    "topic-retained",
    "last values come first, flagged, and behind them current",
    (kit) =>
      Effect.gen(function*() {
        const topic = kept(kit)
        const by = yield* subscribe(kit, topic, [entry(1, topic)], "x=1", "y=2", "x=3")
        const { json: told } = yield* by.told(topic, 1)
        yield* kit.holds(told.retained === true, "\"retained\": true", json(told))
        const some = yield* by.all()
        yield* same(kit, some.slice(0, 2).sort((a, b) => a.seq! - b.seq!), [
          "value 2 y y=2 retained",
          "value 3 x x=3 retained"
        ])
        yield* same(kit, some.slice(2), ["current"])
      }),
    alone
  ),

  check("topic-retained", "who wants none gets no last values", (kit) =>
    Effect.gen(function*() {
      const topic = kept(kit)
      const by = yield* subscribe(kit, topic, [entry(1, topic, { retained: false })], "x=1")
      const { json: told } = yield* by.told(topic, 1)
      yield* kit.holds(told.retained !== true, "no \"retained\"", json(told))
      yield* publish(kit, topic, "x=2")
      yield* same(kit, yield* by.all(), ["value 2 x x=2"])
    }), alone),

  {
    ...check(
      "topic-retained",
      "removed takes a key back, with the number of the newest before it",
      (kit) =>
        Effect.gen(function*() {
          const topic = kept(kit)
          const by = yield* subscribe(kit, topic, [entry(1, topic)], "x=1", "y=2")
          yield* by.told(topic, 1)
          yield* by.all()
          yield* retract(kit, topic, "x")
          yield* publish(kit, topic, "y=3")
          yield* same(kit, yield* by.all(), ["removed 2 x", "value 3 y y=3"])
        }),
      alone
    ),
    level: "commands" as const
  },

  check(
    "topic-group",
    "a group's member is handed as many as its size, the next when one is done, and one again whose stream has ended",
    (kit) =>
      Effect.gen(function*() {
        const topic = plain(kit)
        const by = yield* subscribe(kit, topic, [entry(1, topic, { group: "readers", size: 1 })])
        yield* by.told(topic, 1)
        yield* publish(kit, topic, "one", "two")
        const first = yield* by.all()
        yield* same(kit, first, ["deliver 2 one"])
        yield* kit.holds(first[0]!.group === "readers", "the group readers", json(first[0]))
        yield* by.answer(Topics.done(first[0]!.delivery!))
        yield* same(kit, [yield* by.expect("deliver")], ["deliver 3 two"])
        yield* by.break
        yield* by.told(topic, 1)
        yield* same(kit, [yield* by.expect("deliver", 8_000)], ["deliver 3 two again"])
      }),
    { ...alone, seconds: 5 }
  ),

  check(
    "topic-refused",
    "of a topic that was refused nothing more comes, until the entries are others",
    (kit) =>
      Effect.gen(function*() {
        const topic = plain(kit)
        const by = yield* subscribe(kit, topic, [entry(1, topic)])
        const { index } = yield* by.told(topic, 1)
        yield* by.answer(Topics.refused(index!, "not from you"))
        yield* by.all()
        yield* publish(kit, topic, "one")
        yield* same(kit, yield* by.all(), [])
        yield* by.say(entry(2, topic))
        yield* by.told(topic, 2)
        yield* publish(kit, topic, "two")
        yield* same(kit, [yield* by.expect("value")], ["value 3 two"])
      }),
    alone
  ),

  check("topic-kinds", "a record of the subscriber's of another day is skipped", (kit) =>
    Effect.gen(function*() {
      const topic = plain(kit)
      const by = yield* subscribe(kit, topic, [entry(1, topic)])
      yield* by.told(topic, 1)
      yield* by.answer(Topics.record(99, Uint8Array.of(1, 2, 3)))
      yield* publish(kit, topic, "one")
      yield* same(kit, yield* by.all(), ["value 2 one"])
    }), alone),

  check(
    "topic-wrong",
    "a record of the subscriber's that is none ends the stream with RESET cancelled",
    (kit) =>
      Effect.gen(function*() {
        const topic = plain(kit)
        const by = yield* subscribe(kit, topic, [entry(1, topic)])
        yield* by.told(topic, 1)
        yield* by.answer(Topics.record(Topics.Kind.taken, Uint8Array.of(0, 0)))
        yield* by.all()
        yield* kit.holds(by.reset === "cancelled", "RESET cancelled", String(by.reset))
      }),
    alone
  )
]

const subscribers = [
  hears("topic-first", "what comes of a topic before it is told of is dropped", (kit) =>
    Effect.gen(function*() {
      const by = yield* publisher(kit, plain(kit), { count: 2 })
      yield* by.write(Topics.value(7, 1, "early"))
      yield* by.write(
        by.tell(1),
        Topics.value(7, 2, "two"),
        Topics.value(8, 3, "of another"),
        Topics.value(7, 3, "three")
      )
      yield* by.gets([[2, "two"], [3, "three"]])
    }), alone),

  hears("topic-first", "and what comes behind forget", (kit) =>
    Effect.gen(function*() {
      const by = yield* publisher(kit, plain(kit), { count: 2 })
      yield* by.write(by.tell(0), Topics.value(7, 1, "one"), Topics.forget(7), Topics.value(7, 2, "two"))
      yield* by.write(by.tell(2), Topics.value(7, 3, "three"))
      yield* by.gets([[1, "one"], [3, "three"]])
    }), alone),

  hears(
    "topic-early",
    "who subscribes by a number that it was told of before gives the stream up",
    (kit) =>
      Effect.gen(function*() {
        const by = yield* publisher(kit, plain(kit), { count: 2 })
        const { id } = by.entry
        // As to one that was started again, and counts on from where it began.
        yield* by.write(by.tell(0, { for: Array.from({ length: 20 }, (_, i) => id + i) }), Topics.value(7, 1, "one"))
        // Until that has come.
        yield* Effect.sleep("200 millis")
        const again = yield* by.subscribesAgain({ count: 1 })
        if (again.id <= id || again.id >= id + 20) {
          return yield* new NotThere({ why: "the peer numbers its subscriptions otherwise" })
        }
        yield* by.givenUp
        yield* by.open
        yield* by.write(by.tell(1, { for: [id, again.id] }), Topics.value(7, 2, "two"))
        yield* by.gets([[1, "one"], [2, "two"]])
      }),
    alone
  ),

  hears(
    "topic-seq",
    "what was lost with a stream is counted by the next, of the same epoch, and missed as it is said",
    (kit) =>
      Effect.gen(function*() {
        const by = yield* publisher(kit, plain(kit), { count: 4 })
        yield* by.write(by.tell(10), Topics.value(7, 11, "a"))
        yield* by.write(Topics.missed(7, 2), Topics.value(7, 14, "b"))
        yield* by.open
        yield* by.write(by.tell(18), Topics.value(7, 19, "c"))
        yield* by.open
        yield* by.write(by.tell(30, { epoch: "f".repeat(16) }), Topics.value(7, 31, "d"))
        yield* by.gets([[11, "a", 0], [14, "b", 2], [19, "c", 4], [31, "d", 0]], "missed")
      }),
    alone
  ),

  hears("topic-one", "another stream takes the place of the one before", (kit) =>
    Effect.gen(function*() {
      const by = yield* publisher(kit, plain(kit), { count: 2 })
      yield* by.write(by.tell(0), Topics.value(7, 1, "one"))
      const before = by.stream
      yield* by.open
      yield* by.writeOn(before, Topics.value(7, 2, "on the old one"))
      yield* by.write(by.tell(2), Topics.value(7, 3, "three"))
      yield* by.gets([[1, "one"], [3, "three"]])
    }), alone),

  hears(
    "topic-often",
    "of more than eight streams within a second the further ones are RESET refused",
    (kit) =>
      Effect.gen(function*() {
        const by = yield* publisher(kit, plain(kit), { count: 1 })
        const eighth = by.stream + 7
        for (let i = 0; i < 8; i++) yield* by.open
        yield* by.reset(eighth + 1, "refused")
        yield* by.writeOn(eighth, by.tell(0), Topics.value(7, 1, "one"))
        yield* by.gets([[1, "one"]])
      }),
    alone
  ),

  hears("topic-kinds", "a record of the publisher's of another day is skipped", (kit) =>
    Effect.gen(function*() {
      const by = yield* publisher(kit, plain(kit), { count: 1 })
      yield* by.write(Topics.record(99, Uint8Array.of(1, 2, 3)), by.tell(0), Topics.record(200))
      yield* by.write(Topics.value(7, 1, "one"))
      yield* by.gets([[1, "one"]])
    }), alone),

  hears(
    "topic-wrong",
    "a record of the publisher's that is none, or too long, ends the stream with RESET cancelled",
    (kit) =>
      Effect.gen(function*() {
        const by = yield* publisher(kit, plain(kit), { count: 4 })
        const wrongs = [
          Uint8Array.of(0, 0, 0, 0),
          Uint8Array.of(0, 0x10, 4, 1, 2),
          Topics.record(Topics.Kind.current, Uint8Array.of(0, 0)),
          Topics.record(Topics.Kind.topic, Uint8Array.of(0, 0, 0, 1, 0x7b))
        ]
        for (const [i, wrong] of wrongs.entries()) {
          if (i > 0) yield* by.open
          yield* by.write(by.tell(i), Topics.value(7, i + 1, `${i}`), wrong)
          yield* by.reset(by.stream, "cancelled")
        }
        yield* by.gets(wrongs.map((_, i) => [i + 1, `${i}`]))
      }),
    alone
  ),

  hears(
    "topic-refused",
    "what the peer does not let others publish it refuses, and drops what comes of it",
    (kit) =>
      Effect.gen(function*() {
        const by = yield* publisher(kit, closed(kit), { count: 1, millis: 2_500 })
        yield* by.write(by.tell(0), Topics.value(7, 1, "one"))
        const { index } = yield* by.expect("refused")
        yield* kit.holds(index === 7, "the number 7", `${index}`)
        yield* by.write(Topics.value(7, 2, "two"))
        yield* by.gets([])
      }),
    alone
  ),

  hears(
    "topic-lossless",
    "the peer says up to which number its program has taken them",
    (kit) =>
      Effect.gen(function*() {
        const by = yield* publisher(kit, plain(kit), { mode: "lossless", size: 4, count: 3 })
        yield* by.write(by.tell(0), ...[1, 2, 3].map((seq) => Topics.value(7, seq, `${seq}`)))
        for (let seq = 0; seq < 2;) {
          const taken = yield* by.expect("taken")
          yield* kit.holds(taken.index === 7 && taken.seq! > seq && taken.seq! <= 3, `more than ${seq}`, json(taken))
          seq = taken.seq!
        }
        yield* by.gets([[1, "1"], [2, "2"], [3, "3"]])
      }),
    alone
  ),

  hears(
    "topic-retained",
    "last values that come flagged, in front of current, were there before",
    (kit) =>
      Effect.gen(function*() {
        const by = yield* publisher(kit, plain(kit), { count: 3 })
        yield* by.write(
          by.tell(9, { retained: true }),
          Topics.value(7, 4, "x", { key: "a", retained: true }),
          Topics.value(7, 9, "y", { key: "b", retained: true }),
          Topics.current(7),
          Topics.value(7, 10, "z", { key: "a" })
        )
        yield* by.gets([[4, "x", "a", true], [9, "y", "b", true], [10, "z", "a", false]], "key", "retained")
      }),
    alone
  ),

  hears(
    "topic-group",
    "what a member of a group is handed it answers done; of another group, or more than it takes, back",
    (kit) =>
      Effect.gen(function*() {
        const by = yield* publisher(kit, plain(kit), { group: "readers", size: 2, count: 2 })
        yield* by.write(by.tell(0), Topics.deliver(7, 1, 11, "others", "not mine"))
        const back = yield* by.expect("back")
        yield* kit.holds(back.delivery === 11, "back 11", json(back))
        yield* by.write(Topics.deliver(7, 2, 12, "readers", "mine"))
        const done = yield* by.expect("done")
        yield* kit.holds(done.delivery === 12, "done 12", json(done))
        yield* by.write(Topics.deliver(7, 3, 13, "readers", "mine, too"))
        yield* by.gets([[2, "mine"], [3, "mine, too"]])
      }),
    alone
  ),

  hears(
    "topic-skipped",
    "what was given up for the whole group its member is told with the delivery that was meant",
    (kit) =>
      Effect.gen(function*() {
        const by = yield* publisher(kit, plain(kit), { group: "readers", size: 4, count: 2 })
        yield* by.write(
          by.tell(0),
          Topics.deliver(7, 1, 11, "readers", "one"),
          Topics.skipped(7, 12, 4),
          Topics.deliver(7, 6, 12, "readers", "six")
        )
        yield* by.gets([[1, "one", 0], [6, "six", 4]], "missed")
      }),
    alone
  )
]

export const topics = [...publishers, ...subscribers]
