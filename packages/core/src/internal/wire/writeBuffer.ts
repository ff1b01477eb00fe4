/**
 * What waits to be written to a connection. Everything offered in one turn leaves as one write; an idle connection sends at
 * once. Bounded by its user, who stops offering while it is `full`.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { type Connection, ConnectionClosedError } from "../../Transport.ts"
import { concat } from "../base/bytes.ts"
import { perPiece } from "../base/pieces.ts"

const highWater = 262_144
// One write's size: enough to make the system call cheap, small enough not to delay what comes behind.
const batchBytes = 65_536

export interface WriteBuffer {
  /** Adds bytes to be written. */
  readonly offer: (bytes: Uint8Array) => void
  /** Whether so much waits that nothing more should be offered. */
  readonly full: () => boolean
  /** Waits until it is not full. */
  readonly room: Effect.Effect<void>
  /** Waits until everything that was offered has been written, or never will be because `run` has ended. */
  readonly flushed: Effect.Effect<void>
  /** Whether `run` has ended. What is offered then is dropped. */
  readonly ended: () => boolean
  /** Writes what is offered, for ever. To be run by one fiber. */
  readonly run: Effect.Effect<never, ConnectionClosedError>
}

export const make = (connection: Connection, options: {
  readonly clock: Clock.Clock
  /** Time that one write may take. */
  readonly writeTimeout: Duration.Duration
}): WriteBuffer => {
  const timeoutMillis = Duration.toMillis(options.writeTimeout)
  let waiting: Array<Uint8Array> = []
  // What they hold, which is more than their bytes where they are short.
  let bytes = 0
  let ended = false
  // When the write that is under way began.
  let began: number | undefined
  const work = Latch.makeUnsafe(false)
  const room = Latch.makeUnsafe(true)
  const empty = Latch.makeUnsafe(true)

  const now = () => Number(options.clock.monotonicTimeNanosUnsafe()) / 1e6

  const take = () => {
    const parts: Array<Uint8Array> = []
    let length = 0
    while (parts.length < waiting.length && length < batchBytes) {
      const part = waiting[parts.length]!
      parts.push(part)
      length += part.length
    }
    waiting = parts.length === waiting.length ? [] : waiting.slice(parts.length)
    return { batch: concat(parts, length), held: length + parts.length * perPiece }
  }

  const blocked = Effect.fail(
    new ConnectionClosedError({ clean: false, cause: new Error("the other side does not read") })
  )

  const writeOnce = Effect.suspend(() => {
    const { batch, held } = take()
    began = now()
    return Effect.map(connection.write(batch), () => {
      began = undefined
      bytes -= held
      if (bytes < highWater) room.openUnsafe()
      if (bytes === 0) {
        empty.openUnsafe()
        work.closeUnsafe()
      }
    })
  })

  // One fiber that looks now and then, in place of a timer for each write. While nothing is written it sleeps.
  const watch: Effect.Effect<never, ConnectionClosedError> = Effect.suspend(() => {
    const left = (began === undefined ? 0 : began - now()) + timeoutMillis
    return left <= 0
      ? blocked
      : Effect.andThen(options.clock.sleep(Duration.millis(Math.ceil(left))), Effect.andThen(work.await, watch))
  })

  return {
    offer: (part) => {
      if (ended) return
      waiting.push(part)
      bytes += part.length + perPiece
      empty.closeUnsafe()
      if (bytes >= highWater) room.closeUnsafe()
      work.openUnsafe()
    },
    full: () => bytes >= highWater,
    room: room.await,
    flushed: empty.await,
    ended: () => ended,
    run: Effect.onExit(
      Effect.raceFirst(
        Effect.forever(Effect.andThen(work.await, writeOnce)),
        Effect.andThen(work.await, watch)
      ),
      () =>
        Effect.sync(() => {
          // Nothing more will be written: whoever waits for it need not.
          ended = true
          bytes = 0
          waiting = []
          room.openUnsafe()
          empty.openUnsafe()
        })
    )
  }
}
