/** The topics of nodes as they are used, whether what is behind them is there yet or not. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { NodeTopics } from "./nodeTopics.ts"
import type { Topics } from "./topics.ts"
import type { CodingOf } from "./values.ts"

/** Topics whose values are read and written in one way. */
export type Used = Pick<NodeTopics, "publish" | "publisher" | "retract" | "subscribe" | "table" | "watch">

export interface Opened {
  readonly of: (codingOf: CodingOf) => Used
  /** As `Topics.flush`. */
  readonly flush: (within?: Duration.Input) => Effect.Effect<number>
  /** What is behind them, where it was there from the beginning. */
  readonly topics?: Topics
}

/** Those of each node, by its services. */
export const openedOf = new WeakMap<object, Opened>()
