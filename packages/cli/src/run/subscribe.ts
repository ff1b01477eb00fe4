/** What `pnet subscribe` does. */
import * as PublicKey from "@pnet/core/PublicKey"
import type { Publication, SubscribeOptions } from "@pnet/core/Topic"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { subscribe } from "../commands/subscribe.ts"
import { Problem } from "../errors.ts"
import { open } from "../node/open.ts"
import { checkPattern } from "../node/topicNames.ts"
import { Output } from "../output/Output.ts"
import { quoted } from "../output/quoted.ts"
import type { Shape } from "../output/shapes.ts"
import type { Input } from "../spec.ts"

const usage = (what: string) => new Problem({ exit: "usage", what })

/** The last moment that has a date. */
const lastMoment = 8.64e15

const shapeOf = (
  { at, from, id, key, missed, redelivered, retained, seq, topic, value }: Publication<Schema.Json | Uint8Array>
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

export const run = Effect.fnUntraced(function*(input: Input<typeof subscribe>) {
  const output = yield* Output
  const { bytes, topic } = input
  const count = Option.getOrUndefined(input.count)
  yield* checkPattern(topic)
  if (count !== undefined && count < 1) return yield* usage(`--count ${count} is not 1 or more`)
  const options = yield* optionsOf(input)
  const { node } = yield* open()
  yield* output.note(`listening on ${topic}`)

  let heard = 0
  const publications: Stream.Stream<Publication<Schema.Json | Uint8Array>, unknown> = bytes
    ? node.streams.subscribe(topic, options)
    : node.subscribe(topic, options)
  const listening = publications.pipe(
    Stream.mapEffect((publication) => {
      heard++
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
    // Whoever handed it the last one is to hear that it was done.
    Effect.andThen(Option.isSome(input.group) ? node.flush({ within: "1 second" }) : Effect.void)
  )
  const { timeout } = input
  if (Option.isNone(timeout)) return yield* listening
  yield* Effect.timeoutOrElse(listening, {
    duration: timeout.value,
    orElse: () =>
      count === undefined ? Effect.void : Effect.fail(
        new Problem({
          exit: "timeout",
          what: `${heard} of ${count} came on ${JSON.stringify(topic)} until the time was up`,
          hint: "see who is there with pnet peers, publish with pnet publish " +
            `${quoted(topic)}, or wait longer with --timeout`
        })
      )
  })
})
