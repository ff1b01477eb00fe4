/** What `pnet subscribe` does. */
import * as PublicKey from "@pnet/core/PublicKey"
import * as Topic from "@pnet/core/Topic"
import type { Publication, SubscribeOptions } from "@pnet/core/Topic"
import * as Why from "@pnet/core/Why"
import type { Item, SubscribeOptions as SubscribeKept } from "@pnet/nats/DurableTopics"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { subscribe } from "../commands/subscribe.ts"
import { Problem } from "../errors.ts"
import { elsewhere } from "../node/elsewhere.ts"
import { durableTopicsOf, servers } from "../node/kept.ts"
import { open } from "../node/open.ts"
import { checkName, checkPattern } from "../node/topicNames.ts"
import { Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import type { Input } from "../spec.ts"

const usage = (what: string) => new Problem({ exit: "usage", what })

/** The last moment that has a date. */
const lastMoment = 8.64e15

/** What is printed, of what was heard and of what was kept. */
type Heard = Pick<
  Publication<Schema.Json | Uint8Array>,
  "at" | "from" | "id" | "key" | "missed" | "redelivered" | "retained" | "seq" | "topic" | "value" | "acknowledge"
>

const shapeOf = (
  { at, from, id, key, missed, redelivered, retained, seq, topic, value }: Heard
): Shape<"publication"> => ({
  topic,
  from: from.name,
  fingerprint: PublicKey.fingerprint(from.publicKey),
  ...(key === undefined ? {} : { key }),
  ...(value instanceof Uint8Array ? { bytes: Base64.encode(value) } : { value }),
  // The publisher's clock says what it likes.
  time: DateTime.formatIso(DateTime.makeUnsafe(Math.min(Math.max(at, 0), lastMoment))),
  seq,
  missed,
  retained,
  redelivered,
  id
})

const optionsOf = Effect.fnUntraced(
  function*(input: Input<typeof subscribe>): Effect.fn.Return<SubscribeOptions, Problem> {
    const { group, latest, lossless, retained } = input
    const size = Option.getOrUndefined(input.size)
    if (latest && lossless) return yield* usage("it cannot be both --latest and --lossless")
    if (Option.isSome(group) && (latest || lossless)) {
      return yield* usage("a member of a group is handed all it gets, and is neither --latest nor --lossless")
    }
    if (size !== undefined && (size < 1 || size > 65_536)) return yield* usage(`--size ${size} is not 1 to 65536`)
    return {
      size,
      retained,
      mode: latest ? "latest" : lossless ? "lossless" : undefined,
      group: Option.getOrUndefined(group),
      acknowledge: Option.isSome(group) ? "manual" : undefined
    }
  }
)

/** Where what is kept is read from. */
const startOf = (from: Input<typeof subscribe>["from"], now: number): SubscribeKept["from"] => {
  if (Option.isNone(from)) return undefined
  const where = from.value
  if (typeof where === "string") return where
  if (typeof where === "number") return { seq: where }
  return { time: Duration.isDuration(where) ? now - Duration.toMillis(where) : where.getTime() }
}

/** What the server keeps. */
const kept = Effect.fnUntraced(function*(input: Input<typeof subscribe>) {
  const { bytes, follow, group, latest, lossless, size, topic } = input
  if (latest || lossless || Option.isSome(size) || Option.isSome(group)) {
    return yield* usage("what is kept is read in full, and not --latest, --lossless, --size or --group")
  }
  yield* servers("durable topics are")
  if (bytes) yield* checkName(topic)
  const opened = yield* open(Option.isSome(input.position) ? { taken: "fail" } : {})
  const topics = yield* durableTopicsOf(opened)
  const options: SubscribeKept = {
    from: startOf(input.from, yield* Clock.currentTimeMillis),
    position: Option.getOrUndefined(input.position),
    acknowledge: "manual",
    live: follow
  }
  const items: Stream.Stream<Item<Schema.Json | Uint8Array>, unknown> = bytes
    ? topics.subscribe(Topic.bytes(topic), options)
    : topics.subscribe(topic, options)
  return {
    opened,
    items: Stream.map(items, (item): Heard => ({ ...item, retained: false, redelivered: false })),
    end: Effect.void
  }
})

/** What goes over the network now. */
const heard = Effect.fnUntraced(function*(input: Input<typeof subscribe>) {
  const options = yield* optionsOf(input)
  const opened = yield* open()
  const { node } = opened
  const publications: Stream.Stream<Heard, unknown> = input.bytes
    ? node.streams.subscribe(input.topic, options)
    : node.subscribe(input.topic, options)
  return {
    opened,
    items: publications,
    // Whoever handed it the last one is to hear that it was done.
    end: Option.isSome(input.group) ? node.flush({ within: "1 second" }) : Effect.void
  }
})

/** The words of a command that publishes what is subscribed to: on one topic, where it is to several. */
const publishingOn = ({ bytes, topic }: Input<typeof subscribe>, isKept: boolean): ReadonlyArray<string> => [
  "publish",
  topic.split(".").map((segment) => segment === "*" || segment === ">" ? "x" : segment).join("."),
  "hello",
  ...(bytes ? ["--bytes"] : []),
  ...(isKept ? ["--keep"] : [])
]

export const run = Effect.fnUntraced(function*(input: Input<typeof subscribe>) {
  const output = yield* Output
  const { topic } = input
  const count = Option.getOrUndefined(input.count)
  yield* checkPattern(topic)
  if (count !== undefined && count < 1) return yield* usage(`--count ${count} is not 1 or more`)
  const isKept = Option.isSome(input.from) || Option.isSome(input.position)
  if (!isKept && !input.follow) return yield* usage("--no-follow is for what is kept: say --from or --position")
  const { end, items, opened } = yield* isKept ? kept(input) : heard(input)
  yield* output.note(`listening on ${topic}`)

  let came = 0
  const listening = items.pipe(
    Stream.mapEffect((publication) => {
      came++
      const { acknowledge, from, missed, value } = publication
      const shape = shapeOf(publication)
      const shown = output.json || !(value instanceof Uint8Array)
        ? output.value("publication", shape)
        : Effect.andThen(
          missed > 0 ? output.warn(`${missed} of ${from.name} on ${publication.topic} were missed`) : Effect.void,
          output.bytes(value)
        )
      return Effect.andThen(shown, acknowledge)
    }),
    count === undefined ? (all) => all : Stream.take(count),
    Stream.runDrain,
    Effect.andThen(end)
  )
  const { timeout } = input
  if (Option.isNone(timeout)) return yield* listening
  const publishing = yield* elsewhere(publishingOn(input, isKept), opened)
  yield* Effect.timeoutOrElse(listening, {
    duration: timeout.value,
    orElse: () =>
      count === undefined ? Effect.void : Effect.fail(
        new Problem({
          exit: "timeout",
          // A publisher that does not grant it is as one that there is not.
          what: Why.see(`${came} of ${count} came on ${JSON.stringify(topic)} until the time was up`, "nothing-heard"),
          hint:
            `see who is there with pnet peers, publish in another terminal with ${publishing}, or wait longer with --timeout`
        })
      )
  })
})
