/** A target of calls of one of several peers, and what of a call the engine that makes it is told. */
import type * as Scope from "effect/Scope"
import type * as Balance from "../../Balance.ts"
import type { DeadlineError, NodeClosedError } from "../../FunctionError.ts"
import type { Any, PeerUnknownError } from "../../Peers.ts"
import type { Kind } from "./kind.ts"
import type * as Members from "./members.ts"
import type { verdictOf } from "./verdicts.ts"

type Policy = Balance.Policy<any, any>

/** What attempts fail with: errors of pnet's own, or what stands for another. */
export type Failure = Parameters<typeof verdictOf>[0]

/** What calls fail with besides what their attempts do. */
export type EngineError = PeerUnknownError | NodeClosedError | DeadlineError | Balance.OverloadedError

export interface Engine {
  readonly members: Members.Followed<Failure>
  readonly scope: Scope.Closeable
  readonly kinds: Map<string, Kind>
  /** Calls for which it is found out first who is there, and streams. */
  uses: number
  /** Of two the one that was called later has more of it. */
  usedAt: number
  /** Nothing was called for a while. */
  isIdle: boolean
  isClosed: boolean
}

let ids = 0
const known = new WeakMap<object, number>()

/** Which function or policy it is. */
const idOf = (one: object | undefined): number => {
  if (one === undefined) return -1
  const id = known.get(one) ?? ids++
  known.set(one, id)
  return id
}

/** A target, and a policy for calls of it. Where it is kept, its engine is found at once. */
export class Way {
  readonly any: Any
  readonly policy: Policy | undefined
  readonly key: string
  engine: Engine | undefined

  constructor(any: Any, policy?: Policy) {
    this.any = any
    this.policy = policy
    const { role, serves, subscribes, where } = any.where
    this.key = JSON.stringify([role, serves, subscribes, idOf(where), idOf(policy)])
  }
}

/** What of a call the engine is told. */
export interface Called {
  readonly function: string
  readonly payload: unknown
  readonly idempotent?: boolean
  /** Its answer is a stream: how long it takes says nothing. */
  readonly stream?: boolean
  /** Whether it may still be sent to another peer, were it sound. Default: yes. */
  readonly repeats?: (() => boolean) | undefined
}
