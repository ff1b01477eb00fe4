/** What `pnet measure` does. */
import { formatEndpoint } from "@pnet/core/Advert"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { measure } from "../commands/measure.ts"
import { Problem } from "../errors.ts"
import { awaitOne, parseTarget } from "../node/find.ts"
import { open } from "../node/open.ts"
import { Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import * as Measure from "../serve/measure.ts"
import type { Input } from "../spec.ts"

type Rate = NonNullable<Shape<"measured">["there"]>

const hundredths = (ms: number): number => Math.round(ms * 100) / 100

const rateOf = ({ bytes, ms }: { readonly bytes: number; readonly ms: number }): Rate => ({
  bytes,
  ms: hundredths(ms),
  ...(ms > 0 ? { bytesPerSecond: Math.round(bytes / ms * 1_000) } : {})
})

/** The time that a share of all stays under. */
const quantile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]!

const size = 16

/** Small pieces there and back, one after another. */
const latency = Effect.fnUntraced(function*(node: CommandNodeService, peer: string, count: number, ms: number) {
  const queue = yield* Queue.bounded<Uint8Array, Cause.Done>(1)
  const pull = yield* Stream.toPull(
    node.streams.send(peer, Measure.name, Stream.fromQueue(queue), { headers: { what: "echo", ms } })
  )
  const once = Effect.gen(function*() {
    const began = yield* Clock.currentTimeNanos
    yield* Queue.offer(queue, new Uint8Array(size))
    for (let left = size; left > 0;) {
      for (const part of yield* pull) left -= part.length
    }
    return Number((yield* Clock.currentTimeNanos) - began) / 1e6
  })
  const times: Array<number> = []
  // The first opens the stream, and the session where there is none.
  yield* once
  const began = yield* Clock.currentTimeMillis
  while (times.length < count && (yield* Clock.currentTimeMillis) - began < ms) times.push(yield* once)
  times.sort((a, b) => a - b)
  return times
}, Effect.scoped)

const there = Effect.fnUntraced(function*(node: CommandNodeService, peer: string, ms: number) {
  let sent = 0
  const bytes = Stream.tap(Measure.bytesFor(ms), (part) =>
    Effect.sync(() => {
      sent += part.length
    }))
  const answer = yield* node.streams.request(peer, Measure.name, bytes, { headers: { what: "take", ms }, limit: 1_024 })
  const taken = yield* Effect.mapError(
    Schema.decodeUnknownEffect(Measure.Taken)(new TextDecoder().decode(answer)),
    () =>
      new Problem({ exit: "theirs", what: `what ${JSON.stringify(peer)} says that it took is not to be understood` })
  )
  return rateOf({ ...taken, bytes: Math.min(taken.bytes, sent) })
})

export const run = Effect.fnUntraced(function*(input: Input<typeof measure>) {
  const output = yield* Output
  const target = yield* parseTarget(input.target)
  const ms = Math.round(Duration.toMillis(input.time))
  if (target._tag !== "One") {
    return yield* new Problem({
      exit: "usage",
      what: `one peer is measured at a time, and ${JSON.stringify(input.target)} is several`
    })
  }
  if (ms < 1 || ms > Measure.longest || input.count < 1) {
    return yield* new Problem({
      exit: "usage",
      what: ms < 1 || ms > Measure.longest
        ? `--time is 1 ms to ${Measure.longest / 1_000} s, and not ${ms} ms`
        : `--count is 1 or more, and not ${input.count}`
    })
  }
  const { name } = target
  const opened = yield* open()
  const { node } = opened
  yield* awaitOne(opened, name)
  const measuring = Effect.gen(function*() {
    const progress = yield* output.progress(`measuring the time to ${name}`)
    const times = yield* latency(node, name, input.count, ms)
    yield* progress.update(`measuring bytes to ${name}`)
    const to = yield* there(node, name, ms)
    yield* progress.update(`measuring bytes from ${name}`)
    const from = node.streams.send(name, Measure.name, "", { headers: { what: "give", ms } })
    return { times, there: to, back: rateOf(yield* Measure.counted(from)) }
  })
  const { times, ...rates } = yield* Effect.scoped(measuring).pipe(
    Effect.catchIf(
      (error) => error._tag === "StreamResetError" && error.code === "not_found",
      () =>
        new Problem({
          exit: "notFound",
          what: `${JSON.stringify(name)} serves no measurements`,
          hint: "measure a node that runs pnet up, without --no-measure"
        })
    )
  )
  const session = (yield* node.sessions.all).find((one) => one.peer.name === name && !one.draining)
  const endpoint = (yield* node.peers.get(name))?.endpoints[0]
  yield* output.value("measured", {
    peer: name,
    ...(endpoint === undefined ? {} : { address: formatEndpoint(endpoint) }),
    ...(session === undefined ? {} : { dialled: session.dialled, framing: session.binary ? "binary" : "text" }),
    roundTrips: times.length,
    ...(times.length === 0 ? {} : {
      minMs: hundredths(times[0]!),
      p50Ms: hundredths(quantile(times, 0.5)),
      p99Ms: hundredths(quantile(times, 0.99)),
      maxMs: hundredths(times.at(-1)!)
    }),
    ...rates
  })
})
