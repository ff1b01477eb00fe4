/**
 * What a subscription has handed and was not told of, with what it left out behind each. Of all of them it holds the numbers, and no values: of what a
 * publisher keeps that is no value there may be as much as he likes, and of values, which may be long, as many as wait.
 */
import * as Latch from "effect/Latch"
import type { Item } from "./item.ts"
import { mostRuns, type Position } from "./positions.ts"
import type { Era } from "./replay.ts"
import { type Entry, type Numbered, Runs } from "./runs.ts"

/** The most that wait to be acknowledged. */
const mostOpen = 1_000

interface Handed {
  readonly seq: number
  readonly item: Numbered
  /** Up to where everything behind it was left out, and of which runs that was. */
  behind: { seq: number; readonly runs: Runs } | undefined
}

/** What a subscription has acknowledged, and has not. */
export type Acknowledging = ReturnType<typeof make>

const numbered = ({ from: { publicKey }, number, run, topic }: Item): Numbered => ({
  from: { publicKey },
  number,
  run,
  topic
})

/** Begins with the runs of the position. */
export const make = (position: Pick<Position, "moved"> | undefined, begun: ReadonlyArray<Entry>) => {
  const runs = new Runs(begun)
  const room = Latch.makeUnsafe(true)
  let handed: Array<Handed> = []
  let stream: Era | undefined
  return {
    room: room.await,
    of: (era: Era) => {
      stream = era
      handed = []
      room.openUnsafe()
    },
    handed: (seq: number, item: Item) => {
      if (position === undefined) return
      handed.push({ seq, item: numbered(item), behind: undefined })
      if (handed.length >= mostOpen) room.closeUnsafe()
    },
    /** One that nobody is handed: it is done with when those before it are. */
    skipped: (seq: number, item: Item) => {
      if (position === undefined) return
      const before = handed.at(-1)
      if (before === undefined) return void runs.take(item)
      const behind = before.behind ??= { seq, runs: new Runs([], mostRuns) }
      behind.seq = seq
      behind.runs.take(numbered(item))
    },
    /** All up to this number of this stream were handled. */
    upTo: (era: Era, seq: number) => {
      if (position === undefined || era !== stream || (handed[0]?.seq ?? Infinity) > seq) return
      const next = handed.findIndex((one) => one.seq > seq)
      const done = handed.splice(0, next < 0 ? handed.length : next)
      for (const { behind, item } of done) {
        runs.take(item)
        if (behind !== undefined) runs.takeAll(behind.runs)
      }
      room.openUnsafe()
      const last = done.at(-1)!
      position.moved(era.made, last.behind?.seq ?? last.seq, runs)
    }
  }
}
