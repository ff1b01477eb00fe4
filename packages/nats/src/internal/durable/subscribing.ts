/** Subscriptions to what is kept: read, opened, looked at, and handed one after the other, with a position behind the last that was acknowledged. */
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream"
import type { KV } from "@nats-io/kv"
import type { Crypto, KeyPair } from "@pnet/core/Crypto"
import * as Rights from "@pnet/core/Rights"
import type * as Topic from "@pnet/core/Topic"
import type { Trust } from "@pnet/core/Trust"
import * as Why from "@pnet/core/Why"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { ReplayError } from "../../DurableTopicsError.ts"
import * as Subjects from "../../Subjects.ts"
import type { Back } from "../back.ts"
import * as Dropped from "../dropped.ts"
import { isId } from "../mail/letter.ts"
import { refusalOf } from "../refusal.ts"
import * as Acknowledging from "./acknowledging.ts"
import * as Items from "./item.ts"
import * as Names from "./names.ts"
import * as Positions from "./positions.ts"
import * as Replay from "./replay.ts"
import { Runs } from "./runs.ts"
import * as Values from "./values.ts"

export interface Parts {
  readonly js: JetStreamClient
  readonly manager: JetStreamManager
  readonly bucket: KV
  readonly crypto: Crypto["Service"]
  readonly identity: KeyPair
  readonly network: string
  readonly token: string
  readonly sealing: () => Items.Sealing
  readonly stream: string
  readonly trust: Trust["Service"]
  readonly back: Back
}

/** As `DurableTopics` has them, which says what each is. */
export interface SubscribeOptions {
  readonly from?: "beginning" | "new" | { readonly seq: number } | { readonly time: number } | undefined
  readonly position?: string | undefined
  readonly acknowledge?: "next" | "manual" | undefined
  readonly live?: boolean | undefined
}

/** As `DurableTopics` has it. */
export interface Item<out A> {
  readonly topic: string
  readonly from: Items.Item["from"]
  readonly id: string
  readonly at: number
  readonly key: string | undefined
  readonly value: A
  readonly seq: number
  readonly time: number
  readonly missed: number
  readonly acknowledge: Effect.Effect<void>
}

const isTime = (time: number) => Number.isFinite(time) && Math.abs(time) <= 8.64e15

const isStart = ({ from, position }: SubscribeOptions): boolean =>
  (position === undefined || isId(position)) &&
  (typeof from !== "object" || ("seq" in from ? Number.isSafeInteger(from.seq) && from.seq > 0 : isTime(from.time)))

// The server counts nanoseconds in 63 bits, and takes what is later for what is long ago: the beginning of 2262.
const lastTime = 9_214_646_400_000

/** Where it begins, where no position is known. */
const startOf = (from: SubscribeOptions["from"], { last }: Replay.Standing): Replay.Start => {
  if (typeof from === "object") return "seq" in from ? from : { time: Math.min(Math.max(0, from.time), lastTime) }
  return { seq: from === "new" ? last + 1 : 1 }
}

/** The token of the publisher and those of the topic, of a subject that the server has checked. */
const partsOf = (subject: string): { readonly from: string; readonly topic: string } => {
  const [, , from = "", , ...topic] = subject.split(".")
  return { from, topic: topic.join(".") }
}

/** What has come of one publisher, and is signed by him, on this topic, and may be. */
const admitted = ({ identity, sealing, trust }: Parts, kept: Replay.Kept, kind: Items.Kind, dropped: Dropped.Dropped) =>
  Effect.gen(function*() {
    const subject = partsOf(kept.subject)
    const drop = (why: string) =>
      Effect.as(
        dropped(why, `number ${kept.seq} of what is kept on topics, of the node ${subject.from}, was left out: ${why}`),
        undefined
      )
    const opened = Items.open(sealing(), kept.data, yield* Clock.currentTimeMillis)
    if (Result.isFailure(opened)) return yield* drop(opened.failure)
    const item = opened.success
    const { name, publicKey } = item.from
    if (Subjects.ofKey(publicKey) !== subject.from || Subjects.topic(item.topic) !== subject.topic) {
      return yield* drop("it was published elsewhere")
    }
    if (item.kind !== kind) return yield* drop(`its value is ${item.kind}, and ${kind} is subscribed to`)
    if (publicKey === identity.publicKey) return item
    if (Exit.isFailure(yield* Effect.exit(trust.check(name, publicKey)))) return yield* drop("its key is not trusted")
    const rights = trust.rights === undefined ? Rights.named : yield* trust.rights(name, publicKey)
    return Rights.allows(rights.publishes, item.topic) ? item : yield* drop("it may not publish that")
  })

/** Reads the stream on, also where its server was gone, its consumer is, or it was made anew. */
const reading = (parts: Parts, called: string, begun: Replay.Standing, start: Replay.Start, had: number) =>
  Effect.gen(function*() {
    const { back, crypto, js, manager, network, stream, token } = parts
    let era: Replay.Era = begun
    let renewed = (_era: Replay.Era): void => {}
    const replay = new Replay.Replay(
      {
        js,
        manager,
        stream,
        subject: Subjects.make(network, "*", "topic", Subjects.topic(called)),
        consumerName: () => `${token}_${Base64Url.encode(crypto.randomBytes(12))}`
      },
      start,
      had
    )
    yield* Effect.addFinalizer(() => replay.close)
    // A stream that was made anew counts from 1. One that has lost its last, as after a power cut, or by an older backup, gives their numbers again.
    const look = Effect.map(
      Effect.suspend(() => replay.isOpen ? Effect.succeed(undefined) : Replay.standing(parts)),
      (now) => {
        if (now === undefined || now.made === era.made && now.last >= replay.had) return
        era = now
        renewed(era)
        replay.restart({ seq: 1 })
      }
    )
    const read = Effect.andThen(look, replay.next).pipe(
      // What was asked for over a connection that is gone is asked for again by the next.
      Effect.raceFirst(Effect.andThen(back, Effect.fail("the connection is another"))),
      Effect.catch((error) =>
        Effect.logDebug(`what is kept on ${Why.quote(called)} is read again in a moment`, error).pipe(
          Effect.andThen(replay.close),
          Effect.as<Replay.Read>({ kept: [], isAll: false, isBroken: true })
        )
      ),
      Effect.tap(({ isBroken }) => isBroken ? Effect.sleep("500 millis") : Effect.void)
    )
    return {
      read,
      era: () => era,
      onRenewed: (listener: (era: Replay.Era) => void) => {
        renewed = listener
      }
    }
  })

/** What of it is handed: what is admitted, for the first time, and is a value. */
const handing = (
  parts: Parts,
  coding: Values.Coding,
  runs: Runs,
  acknowledged: Acknowledging.Acknowledging,
  isManual: boolean
) => {
  const dropped = Dropped.make()
  return (kept: Replay.Kept, era: Replay.Era): Effect.Effect<Item<unknown> | undefined, never, any> =>
    Effect.gen(function*() {
      const opened = yield* admitted(parts, kept, coding.kind, dropped)
      if (opened === undefined) return undefined
      const { at, from, id, key, payload, topic } = opened
      const missed = runs.take(opened)
      if (missed === undefined) {
        yield* dropped("again", `number ${kept.seq} of what is kept on ${Why.quote(topic)} came before`)
        return undefined
      }
      const decoded = yield* Effect.exit(coding.decode(payload))
      if (Exit.isFailure(decoded)) {
        acknowledged.skipped(kept.seq, opened)
        const what = `number ${kept.seq} of what is kept on ${Why.quote(topic)}, of ${Why.quote(from.name)},`
        yield* dropped("value", `${what} is no value of it`)
        return undefined
      }
      acknowledged.handed(kept.seq, opened)
      return {
        topic,
        from,
        key: key === "" ? undefined : key,
        value: decoded.value,
        id,
        at,
        seq: kept.seq,
        time: kept.time,
        missed,
        acknowledge: isManual ? Effect.sync(() => acknowledged.upTo(era, kept.seq)) : Effect.void
      }
    })
}

const subscription = (parts: Parts, topic: string | Topic.Any, options: SubscribeOptions) =>
  Effect.gen(function*() {
    const called = typeof topic === "string" ? topic : topic.name
    const failed = (cause: unknown) =>
      new ReplayError({ kind: refusalOf(cause) === "NoStream" ? "NoStream" : "NoServer", topic: called, cause })
    if (Names.wrongWith(called, typeof topic === "string") !== undefined || !isStart(options)) {
      return yield* new ReplayError({ kind: "InvalidStart", topic: called })
    }
    const standing = yield* Effect.mapError(Replay.standing(parts), ({ cause }) => failed(cause))
    const position = options.position === undefined
      ? undefined
      : yield* Positions.take(parts, called, options.position, standing.made)
    const known = position?.begun?.stream === standing.made && position.begun.seq > 0 ? position.begun : undefined
    const start = known === undefined ? startOf(options.from, standing) : { seq: known.seq + 1 }
    const { era, onRenewed, read } = yield* reading(parts, called, standing, start, known?.seq ?? 0)
    const acknowledged = Acknowledging.make(position, known?.runs ?? [])
    acknowledged.of(standing)
    onRenewed(acknowledged.of)
    const isManual = options.acknowledge === "manual"
    const itemOf = handing(parts, Values.codingOf(topic), new Runs(known?.runs), acknowledged, isManual)
    const unlessLost = <A>(effect: Effect.Effect<A>): Effect.Effect<A, ReplayError> =>
      position === undefined ? effect : Effect.raceFirst(position.lost, effect)

    const isLive = options.live !== false
    const isBehind = ({ seq }: Replay.Kept) => isLive || era().made === standing.made && seq <= standing.last
    let waiting: Array<Replay.Kept> = []
    let isAll = !isLive && standing.last === 0
    let last: { readonly era: Replay.Era; readonly seq: number } | undefined
    const pull: Effect.Effect<[Item<unknown>], ReplayError | Cause.Done, any> = Effect.gen(function*() {
      if (last !== undefined && !isManual) acknowledged.upTo(last.era, last.seq)
      for (;;) {
        yield* unlessLost(acknowledged.room)
        const kept = waiting.shift()
        if (kept !== undefined) {
          const item = isBehind(kept) ? yield* itemOf(kept, era()) : undefined
          if (item === undefined) continue
          last = { era: era(), seq: item.seq }
          return [item] as [Item<unknown>]
        }
        if (isAll) return yield* Cause.done()
        const next = yield* unlessLost(read)
        waiting = [...next.kept]
        isAll = !isLive && next.isAll
      }
    })
    return Stream.fromPull(Effect.succeed(pull))
  })

/** Subscribes to what is kept. */
export const make =
  (parts: Parts) =>
  (topic: string | Topic.Any, options: SubscribeOptions = {}): Stream.Stream<Item<unknown>, ReplayError, any> =>
    Stream.unwrap(subscription(parts, topic, options))
