/** One topic that this node publishes: its count, its last values, and who gets what is said on it. */
import type * as Scope from "effect/Scope"
import type { Allow } from "../../Allow.ts"
import type { Group } from "./groups.ts"
import type { Handed, To } from "./handed.ts"
import type { Listener } from "./listener.ts"
import type { Retained } from "./retained.ts"
import type { Route, Topic } from "./route.ts"
import type { Origin, Said } from "./said.ts"

/** A group of subscriptions, one of which gets each publication. */
export interface Grouped {
  readonly topic: OwnTopic
  readonly name: string
  readonly group: Group<To, Handed>
  readonly scope: Scope.Closeable
  /** The member that answers for it, there or gone. */
  owner: string
  /** Whether that one came to answer for it: then half of what it may hold is left for those that it answered for from the first. */
  isAdopted: boolean
  /** What it holds. */
  bytes: number
  members: ReadonlyArray<string>
  /** Which of them is asked next to answer for it. */
  turn: number
}

export class OwnTopic implements Topic {
  readonly index: number
  readonly name: string
  readonly contract: string | undefined
  readonly origin: Origin
  seq = 0
  /** When it was published on last, in milliseconds of the monotonic clock. */
  usedAt: number
  retained: Retained<Said> | undefined
  allow: Allow | undefined
  policy: unknown
  readonly routes = new Set<Route>()
  /** Subscriptions of this node itself. */
  readonly listeners = new Set<Listener>()
  readonly groups = new Map<string, Grouped>()
  /** How many groups had ended when there was no room for one more; none: all that there are to be are there. */
  lacksGroups: number | undefined

  constructor(index: number, contract: string | undefined, origin: Origin, usedAt: number) {
    this.index = index
    this.name = origin.topic
    this.contract = contract
    this.origin = origin
    this.usedAt = usedAt
  }

  /** Whether it may be forgotten: nothing of it is held for anybody. */
  get isEmpty(): boolean {
    if ((this.retained?.size ?? 0) > 0) return false
    for (const { group } of this.groups.values()) if (group.pending > 0) return false
    return true
  }
}
