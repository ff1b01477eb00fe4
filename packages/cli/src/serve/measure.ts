/**
 * What `up` serves for `measure`: bytes sent back, taken, or given, so long and no longer, and for few at once.
 */
import type * as AdvancedNode from "@pnet/core/AdvancedNode"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"

/** The function's name. */
export const name = "pnet.measure"

/** The longest that is measured, in milliseconds. */
export const longest = 10_000

/** So many are served at once; others wait. */
export const atOnce = 2

/** What is asked for: `echo` sends back what comes, `take` takes what comes and says how much that was, `give` gives for so long. */
export const Asked = Schema.Struct({
  what: Schema.Literals(["echo", "take", "give"]),
  ms: Schema.Int.check(Schema.makeFilter((ms: number) => ms >= 1 && ms <= longest || `expected 1 to ${longest}`))
})

/** What was taken, from the first byte to the last. */
export const Taken = Schema.fromJsonString(Schema.Struct({ bytes: Schema.Natural, ms: Schema.Natural }))

const piece = new Uint8Array(65_536)

/** Bytes for so long. */
export const bytesFor = (ms: number): Stream.Stream<Uint8Array> =>
  Stream.haltWhen(Stream.forever(Stream.succeed(piece)), Effect.sleep(ms))

/** Counts bytes, and the time from the first to the last of them. */
export const counted = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) =>
  Effect.gen(function*() {
    let sum = 0
    let first: bigint | undefined
    let last = 0n
    yield* Stream.runForEach(bytes, (part) =>
      Effect.map(Clock.currentTimeNanos, (now) => {
        // The time of the first is when it began to be counted.
        if (first === undefined) first = now
        else sum += part.length
        last = now
      }))
    return { bytes: sum, ms: first === undefined ? 0 : Number(last - first) / 1e6 }
  })

/**
 * Serves it, for few at a time: others wait, as long as they like. Whoever asks for longer than it may take is stopped. It is no work that a service would be
 * chosen by, so the node does not count it as such.
 */
export const make: Effect.Effect<AdvancedNode.Handler<unknown, never, typeof Asked.Type>> = Effect.map(
  Semaphore.make(atOnce),
  (turns) => ({ bytes, headers: { ms, what } }) => {
    // Both sides have the same time, and this one a little more.
    const isOver = Effect.sleep(ms + 1_000)
    const turn = Effect.gen(function*() {
      let taken = true
      const back = Effect.suspend(() => {
        if (!taken) return Effect.void
        taken = false
        return turns.release(1)
      })
      yield* Effect.acquireRelease(turns.take(1), () => back)
      // Whoever does not read what it is given keeps nobody else from it.
      yield* Effect.forkScoped(Effect.andThen(isOver, back))
    })
    const bounded = Stream.interruptWhen(bytes, isOver)
    switch (what) {
      case "echo":
        return Stream.unwrap(Effect.as(turn, bounded))
      case "give":
        return Stream.unwrap(Effect.as(turn, bytesFor(ms)))
      case "take":
        return turn.pipe(
          Effect.andThen(counted(bounded)),
          Effect.flatMap(({ bytes, ms }) => Schema.encodeEffect(Taken)({ bytes, ms: Math.round(ms) })),
          Effect.scoped
        )
    }
  }
)
