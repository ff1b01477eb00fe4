/**
 * Reading what a stream keeps on a topic: by consumers that the server forgets when nobody asks, made anew from the last that came wherever one is gone,
 * gives anything twice, or leaves something out.
 */
import {
  AckPolicy,
  type Consumer,
  type ConsumerConfig,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg
} from "@nats-io/jetstream"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"

/** What one message is, as the server says. */
export interface Kept {
  readonly subject: string
  readonly data: Uint8Array
  readonly seq: number
  /** When the server took it, in milliseconds since the epoch. */
  readonly time: number
}

/** A stream, as it is to who reads it: another when it is made anew, and when it has lost what was read of it, since its numbers are given again. */
export interface Era {
  readonly made: string
}

/** Where to begin. */
export type Start = { readonly seq: number } | { readonly time: number }

export interface Parts {
  readonly js: JetStreamClient
  readonly manager: JetStreamManager
  readonly stream: string
  /** The subject of what is read. */
  readonly subject: string
  /** A name for a consumer, which nobody can guess. */
  readonly consumerName: () => string
}

// In milliseconds.
const askedFor = 5_000
const forgottenAfter = 60_000
const nanos = (millis: number) => millis * 1_000_000
// What one asks for at once.
const mostAtOnce = 256
const bytesAtOnce = 1_048_576
// How long the next ones are is guessed by those before, which a publisher can make short. So many bytes are held at the most, and one more.
const mostBytesAtOnce = 16 * bytesAtOnce

const step = <A>(run: () => Promise<A>) => Effect.tryPromise(run)

/** What a stream is, and its last number. */
export interface Standing {
  /** When it was made: one that is made anew counts anew. */
  readonly made: string
  readonly last: number
}

export const standing = ({ manager, stream }: Pick<Parts, "manager" | "stream">) =>
  step(() =>
    manager.streams.info(stream).then(({ created, state }): Standing => ({ made: created, last: state.last_seq }))
  )

const config = (
  { consumerName, subject }: Parts,
  start: Start
): Partial<ConsumerConfig> & { readonly name: string } => ({
  name: consumerName(),
  ack_policy: AckPolicy.None,
  filter_subject: subject,
  inactive_threshold: nanos(forgottenAfter),
  mem_storage: true,
  ...("seq" in start
    ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: start.seq }
    : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: DateTime.formatIso(DateTime.makeUnsafe(start.time)) })
})

/** A reader of one consumer: what it gave, and how much is behind that. */
interface Reading {
  readonly consumer: Consumer
  /** What it will count the next one as. */
  next: number
  pending: number
}

const begin = (parts: Parts, start: Start) => {
  const wanted = config(parts, start)
  return step(() =>
    parts.manager.consumers.add(parts.stream, wanted)
      .then((info) =>
        parts.js.consumers.get(parts.stream, wanted.name).then((consumer): Reading => ({
          consumer,
          next: 1,
          pending: info.num_pending
        }))
      )
  )
}

const forgotten = ({ consumer }: Reading) => Effect.ignore(Effect.timeout(step(() => consumer.delete()), "1 second"))

const collected = (consumer: Consumer, count: number) =>
  Effect.flatMap(
    step(() => consumer.fetch({ max_messages: count, expires: 1_000 })),
    (messages) => {
      let bytes = 0
      return Stream.fromAsyncIterable(messages, (cause) => cause).pipe(
        Stream.takeUntil(({ data }) => (bytes += data.length) > mostBytesAtOnce),
        Stream.runCollect,
        Effect.map((some) => ({ some, isCut: bytes > mostBytesAtOnce && some.length < count }))
      )
    }
  )

// It throws where there is nothing to read it from.
const isOfStream = (message: JsMsg): boolean => Result.isSuccess(Result.try(() => message.info))

interface Counted extends Kept {
  readonly number: number
  readonly pending: number
}

/** `undefined`: it is none of the consumer's. Whoever may publish there can send something to where the answers are awaited. */
const keptOf = (message: JsMsg): Counted | undefined => {
  if (!isOfStream(message)) return undefined
  const { deliverySequence, pending, timestampNanos } = message.info
  return {
    subject: message.subject,
    data: message.data,
    seq: message.seq,
    time: Math.floor(timestampNanos / 1_000_000),
    number: deliverySequence,
    pending
  }
}

/** What was read at once. */
export interface Read {
  readonly kept: ReadonlyArray<Kept>
  /** Nothing is behind it now. */
  readonly isAll: boolean
  /** The next begins with another consumer. */
  readonly isBroken: boolean
}

/** Reads on, from where it is. One of it is read at a time. */
export class Replay {
  readonly #parts: Parts
  #start: Start
  #reading: Reading | undefined
  #size = bytesAtOnce / mostAtOnce
  #had: number

  /** `had` is the last that came before, of another replay. */
  constructor(parts: Parts, start: Start, had = 0) {
    this.#parts = parts
    this.#start = start
    this.#had = had
  }

  /** The last number that came; 0: none. */
  get had(): number {
    return this.#had
  }

  /** Whether it has a consumer. */
  get isOpen(): boolean {
    return this.#reading !== undefined
  }

  /** Begins at another place. */
  restart(start: Start): void {
    this.#start = start
    this.#had = 0
    this.#reading = undefined
  }

  /** What there is, or none in a while. */
  get next(): Effect.Effect<Read, unknown> {
    return Effect.gen({ self: this }, function*() {
      const reading = this.#reading ??= yield* begin(this.#parts, this.#start)
      if (reading.pending === 0 && reading.next === 1) {
        // Nothing was there when it began: this says so, once.
        reading.next = -1
        return { kept: [], isAll: true, isBroken: false }
      }
      if (reading.next === -1) reading.next = 1
      const first = yield* Effect.timeout(
        step(() => reading.consumer.next({ expires: askedFor })),
        // The server says when the time is up. Where it does not, it has forgotten who asked.
        askedFor + 1_000
      )
      if (first === null) return { kept: [], isAll: false, isBroken: false }
      const pending = keptOf(first)?.pending ?? 0
      const more = Math.min(pending, mostAtOnce, Math.max(1, Math.floor(bytesAtOnce / this.#size)))
      const { isCut, some } = more > 0 ? yield* collected(reading.consumer, more) : { isCut: false, some: [] }
      const read = this.#take(reading, [first, ...some])
      // The server takes what was not waited for as given.
      if (isCut) this.#reading = undefined
      if (!this.isOpen) yield* forgotten(reading)
      return read
    })
  }

  #take(reading: Reading, messages: ReadonlyArray<JsMsg>): Read {
    const kept: Array<Kept> = []
    for (const message of messages) {
      const one = keptOf(message)
      // Somebody else was given what is missing, or it came twice: from the last that came on, all of it comes again.
      if (one?.number !== reading.next) {
        this.#reading = undefined
        break
      }
      reading.next++
      reading.pending = one.pending
      if (!this.#isNext(one)) continue
      this.#size = Math.max(64, (this.#size + one.data.length) / 2)
      this.#start = { seq: one.seq + 1 }
      this.#had = one.seq
      kept.push(one)
    }
    const isBroken = this.#reading === undefined
    return { kept, isAll: !isBroken && reading.pending === 0, isBroken }
  }

  /** A server that gives what is before it gives nothing new. */
  #isNext({ seq, time }: Kept): boolean {
    return Number.isSafeInteger(seq) && Number.isSafeInteger(time) && seq > 0 &&
      (!("seq" in this.#start) || seq >= this.#start.seq)
  }

  /** Has the server forget the consumer. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const reading = this.#reading
      this.#reading = undefined
      return reading === undefined ? Effect.void : forgotten(reading)
    })
  }
}
