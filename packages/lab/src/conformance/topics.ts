/** The two sides of topics, as the kit speaks them: who subscribes to what the peer publishes, and who publishes to the peer. */
import { Clock, Effect, Fiber, Option, type Scope } from "effect"
import * as Door from "./door.ts"
import type { Kit } from "./kit.ts"
import { parseJson, type Session } from "./session.ts"
import { concat, textOf, utf8 } from "./speech/bytes.ts"
import { credit, describe, err, type Frame, frame, json, Kind, msg, rsp } from "./speech/frames.ts"
import * as Topics from "./speech/topics.ts"
import type { Called, Mismatch, Order } from "./subject.ts"

type Bytes = Uint8Array

/** An entry of `topics`. */
export interface Entry {
  readonly id: number
  readonly topic: string
  readonly contract?: string
  readonly mode?: "buffer" | "latest" | "lossless"
  readonly size?: number
  readonly drop?: "oldest" | "newest"
  readonly retained?: boolean
  readonly group?: string
}

/** Makes the peer do something, and gives what became of it when that is asked for. */
const ordered = (kit: Kit, order: Omit<Order, "peer">): Effect.Effect<Fiber.Fiber<Called>, never, Scope.Scope> =>
  Effect.forkScoped(kit.place.order!({ ...order, peer: kit.name }), { startImmediately: true })

/** What an order came to, which has to be carried out. */
const carriedOut = (kit: Kit, order: Omit<Order, "peer">, fiber: Fiber.Fiber<Called>): Effect.Effect<Bytes, Mismatch> =>
  Effect.flatMap(Effect.timeoutOption(Fiber.join(fiber), "20 seconds"), (called) => {
    const what = `the order to ${order.how} on ${order.name} carried out`
    if (Option.isNone(called)) return kit.mismatch(what, "no end of it in 20 s")
    return called.value._tag === "Answered"
      ? Effect.succeed(called.value.bytes)
      : kit.mismatch(what, `${called.value.error} ${called.value.code ?? ""}`)
  })

const carryOut = (kit: Kit, order: Omit<Order, "peer">): Effect.Effect<Bytes, Mismatch, Scope.Scope> =>
  Effect.flatMap(ordered(kit, order), (fiber) => carriedOut(kit, order, fiber))

/** Makes the peer publish texts on a topic, one after another. */
export const publish = (kit: Kit, topic: string, ...texts: ReadonlyArray<string>) =>
  Effect.forEach(texts, (payload) => carryOut(kit, { how: "publish", name: topic, payload }), { discard: true })

/** Makes the peer take a last value back. */
export const retract = (kit: Kit, topic: string, key: string) =>
  carryOut(kit, { how: "retract", name: topic, payload: key })

// --- the peer publishes ------------------------------------------------------------------------------------------------------------

/** Who subscribes: what it offers is asked by the peer, which then opens a stream to it. */
export class Subscriber {
  readonly #kit: Kit
  readonly #session: Session
  #entries: ReadonlyArray<Entry>
  #offer: number | undefined
  #reader = new Topics.Reader()
  /** The stream that the peer writes records into, and how many it opened. */
  stream = 0
  opened = 0
  /** Whether the stream has ended. */
  isOver = false
  /** Whether more is granted for what comes. */
  granting = true
  /** With what code the peer has reset the stream. */
  reset: string | undefined

  constructor(kit: Kit, session: Session, entries: ReadonlyArray<Entry>) {
    this.#kit = kit
    this.#session = session
    this.#entries = entries
  }

  /** Offers other entries. */
  say(...entries: ReadonlyArray<Entry>): Effect.Effect<void> {
    this.#entries = entries
    return this.#tell
  }

  get #tell(): Effect.Effect<void> {
    return this.#offer === undefined
      ? Effect.void
      : this.#session.send(rsp, frame(Kind.data, this.#offer, `${json({ topics: this.#entries })}\n`))
  }

  /** Answers the stream with records. */
  answer(...records: ReadonlyArray<Bytes>): Effect.Effect<void> {
    return this.#session.send(rsp, frame(Kind.data, this.stream, concat(...records)))
  }

  /** Grants so much of the stream. */
  grant(bytes: number): Effect.Effect<void> {
    return this.#session.send(rsp, credit(this.stream, bytes))
  }

  /** Ends the stream. */
  get break(): Effect.Effect<void> {
    return this.#session.send(err, frame(Kind.reset, this.stream, json({ code: "cancelled", message: "" })))
  }

  #take(one: Frame): Effect.Effect<void, Mismatch> {
    if (one.type !== msg && one.kind !== Kind.reset) return Effect.void
    if (one.kind === Kind.open) {
      const said = parseJson(one.payload)
      if (said?.protocol === "offer") {
        this.#offer = one.stream
        return this.#tell
      }
      if (said?.protocol !== "topic" || said.name !== "") {
        return this.#kit.mismatch("OPEN of the protocol topic, with an empty name", describe(one))
      }
      this.stream = one.stream
      this.opened++
      this.isOver = false
      this.#reader = new Topics.Reader()
      return Effect.void
    }
    if (one.stream !== this.stream) return Effect.void
    if (one.kind === Kind.reset) this.reset = parseJson(one.payload)?.code
    if (one.kind === Kind.reset || one.kind === Kind.end) this.isOver = true
    if (one.kind !== Kind.data) return Effect.void
    this.#reader.add(one.payload)
    return this.granting ? this.grant(one.payload.length) : Effect.void
  }

  /** The next record; `undefined` where none comes within so long. */
  next(millis = 4_000): Effect.Effect<Topics.Record | undefined, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      const until = (yield* Clock.currentTimeMillis) + millis
      while (true) {
        const record = this.#reader.next()
        if (typeof record === "string") return yield* this.#kit.mismatch("a record", record)
        if (record !== undefined) return record
        const came = yield* this.#session.next(Math.max(0, until - (yield* Clock.currentTimeMillis)))
        if (!("_tag" in came)) yield* this.#take(came)
        else if (came._tag === "Silence") return undefined
        else return yield* this.#kit.mismatch("records", came)
      }
    })
  }

  /** The next record, which has to be of a kind. */
  expect(kind: string, millis?: number): Effect.Effect<Topics.Record, Mismatch> {
    return Effect.flatMap(
      this.next(millis),
      (record) =>
        record?.kind === kind
          ? Effect.succeed(record)
          : this.#kit.mismatch(`a record ${kind}`, record === undefined ? "nothing" : json(record))
    )
  }

  /** All that comes until nothing does for so long. */
  all(millis = 400): Effect.Effect<ReadonlyArray<Topics.Record>, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      const records: Array<Topics.Record> = []
      for (let one = yield* this.next(millis); one !== undefined; one = yield* this.next(millis)) records.push(one)
      return records
    })
  }

  /** What the peer tells of a topic, which has to mean these entries. */
  told(topic: string, ...ids: ReadonlyArray<number>): Effect.Effect<Topics.Record, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      const record = yield* this.expect("topic", 8_000)
      const { contract, epoch, for: meant, retained = false, seq, topic: name } = record.json
      const isRight = name === topic && contract === "bytes" && /^[0-9a-f]{16}$/.test(epoch) &&
        Number.isInteger(seq) && typeof retained === "boolean" && Array.isArray(meant) &&
        json([...meant].sort()) === json([...ids].sort())
      yield* this.#kit.holds(
        isRight,
        `topic ${topic} of bytes for ${ids}, with an epoch and a seq`,
        json(record.json)
      )
      return record
    })
  }
}

/** Has the peer publish once, and be heard by who subscribes then. */
export const subscribe = (
  kit: Kit,
  topic: string,
  entries: ReadonlyArray<Entry>,
  ...before: ReadonlyArray<string>
): Effect.Effect<Subscriber, Mismatch, Scope.Scope> =>
  Effect.gen(function*() {
    const door = yield* Door.open(kit)
    yield* publish(kit, topic, ...before.length === 0 ? ["before=0"] : before)
    // Where all listen on one port the peer looks there for those that were there before, too.
    const session = yield* Effect.retry(door.session({ millis: 10_000 }), {
      times: 100,
      while: ({ expected }) => expected === "HELLO"
    })
    return new Subscriber(kit, session, entries)
  })

// --- the peer subscribes -----------------------------------------------------------------------------------------------------------

const isEnd = (kind: number) => kind === Kind.reset || kind === Kind.end

/** Who publishes to the peer. */
export class Publisher {
  readonly #kit: Kit
  readonly #session: Session
  readonly #came: Effect.Effect<Bytes, Mismatch>
  #reader = new Topics.Reader()
  #isGivenUp = false
  readonly entry: Entry
  readonly topic: string
  /** Its newest stream. */
  stream: number

  constructor(kit: Kit, session: Session, entry: Entry, stream: number, came: Effect.Effect<Bytes, Mismatch>) {
    this.#kit = kit
    this.#session = session
    this.#came = came
    this.entry = entry
    this.topic = entry.topic
    this.stream = stream
  }

  /** Has the peer subscribe to the topic once more; by what entry. */
  subscribesAgain(asked: Asked): Effect.Effect<Entry, Mismatch, Scope.Scope> {
    const { millis: timeoutMillis, ...rest } = asked
    const order = {
      how: "subscribe",
      name: this.topic,
      payload: json(rest),
      timeoutMillis: timeoutMillis ?? 10_000
    } as const
    return Effect.andThen(
      ordered(this.#kit, order),
      subscription(this.#kit, this.#session, this.topic, ({ id }) => id !== this.entry.id, ({ kind, stream }) => {
        if (isEnd(kind) && stream === this.stream) this.#isGivenUp = true
      })
    )
  }

  /** That the peer gives its stream up, or has. */
  get givenUp(): Effect.Effect<unknown, Mismatch> {
    return this.#isGivenUp
      ? Effect.void
      : this.#session.until("END or RESET", ({ kind, stream }) => isEnd(kind) && stream === this.stream)
  }

  /** Opens another stream. */
  get open(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#reader = new Topics.Reader()
      this.#isGivenUp = false
      return this.#session.send(msg, frame(Kind.open, ++this.stream, json({ protocol: "topic", name: "" })))
    })
  }

  /** Tells of the topic by the number 7, with what is told otherwise. */
  tell(seq: number, more: Partial<Topics.Told> = {}): Bytes {
    return Topics.topic(7, {
      topic: this.topic,
      contract: "bytes",
      epoch: "0123456789abcdef",
      seq,
      for: [this.entry.id],
      ...more
    })
  }

  write(...records: ReadonlyArray<Bytes>): Effect.Effect<void> {
    return this.writeOn(this.stream, ...records)
  }

  writeOn(stream: number, ...records: ReadonlyArray<Bytes>): Effect.Effect<void> {
    return this.#session.send(msg, frame(Kind.data, stream, concat(...records)))
  }

  /** That a stream is reset by the peer. */
  reset(stream: number, code: string): Effect.Effect<unknown, Mismatch> {
    return this.#session.reset(stream, code)
  }

  /** The next record that the peer answers with. */
  expect(kind: string): Effect.Effect<Topics.Record, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      while (true) {
        const record = this.#reader.next()
        if (typeof record === "object" && record.kind === kind) return record
        if (record !== undefined) return yield* this.#kit.mismatch(`a record ${kind}`, json(record))
        const { payload } = yield* this.#session.until(
          `a record ${kind}`,
          (one) => one.type === rsp && one.stream === this.stream && one.kind === Kind.data
        )
        this.#reader.add(payload)
      }
    })
  }

  /** What the peer's program got: the number and the text of each, and the `more` of it. */
  got(...more: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, Mismatch> {
    return Effect.flatMap(this.#came, (bytes) => {
      const all = parseJson(bytes)
      return Array.isArray(all)
        ? Effect.succeed(all.map((one) => [one.seq, one.value, ...more.map((name) => one[name])]))
        : this.#kit.mismatch("a list of what came", textOf(bytes))
    })
  }

  /** That this is what the peer's program got. */
  gets(
    wanted: ReadonlyArray<ReadonlyArray<unknown>>,
    ...more: ReadonlyArray<string>
  ): Effect.Effect<void, Mismatch> {
    return Effect.flatMap(
      this.got(...more),
      (all) => this.#kit.holds(json(all) === json(wanted), json(wanted), json(all))
    )
  }
}

/** The next line on the stream of what the peer offers that has a subscription as is wanted. */
const subscription = (
  kit: Kit,
  session: Session,
  topic: string,
  isWanted: (entry: Entry) => boolean,
  see: (frame: Frame) => void = () => {}
) =>
  Effect.gen(function*() {
    let line = ""
    while (true) {
      const { payload } = yield* session.until(
        `a line with a subscription to ${topic}`,
        (frame) => {
          see(frame)
          return frame.stream === 1 && frame.kind === Kind.data
        }
      )
      yield* session.send(msg, credit(1, payload.length))
      line += textOf(payload)
      for (const text of line.split("\n").slice(0, -1)) {
        const said = parseJson(utf8(text))
        // Left out where there is none yet.
        const topics = said === undefined ? undefined : said?.topics ?? []
        if (!Array.isArray(topics)) return yield* kit.mismatch("topics", text)
        const found = (topics as ReadonlyArray<Entry>).find((one) => one.topic === topic && isWanted(one))
        if (found !== undefined) return found
      }
      line = line.slice(line.lastIndexOf("\n") + 1)
    }
  })

/** What is asked of the peer's subscription. */
export interface Asked extends Omit<Entry, "id" | "topic" | "contract"> {
  /** How many publications it is to wait for. */
  readonly count: number
  readonly millis?: number
}

/** Has the peer subscribe, and opens a stream to it. */
export const publisher = (
  kit: Kit,
  topic: string,
  { millis = 10_000, ...asked }: Asked
): Effect.Effect<Publisher, Mismatch, Scope.Scope> =>
  Effect.gen(function*() {
    const session = yield* kit.session()
    const order = { how: "subscribe", name: topic, payload: json(asked), timeoutMillis: millis } as const
    const fiber = yield* ordered(kit, order)
    yield* session.send(
      msg,
      frame(Kind.open, 1, json({ protocol: "offer", name: "" })),
      frame(Kind.end, 1)
    )
    const entry = yield* subscription(kit, session, topic, () => true)
    const made = new Publisher(kit, session, entry, 1, carriedOut(kit, order, fiber))
    yield* made.open
    return made
  })
