/** The memory that calls of a node take while they come in and are handled, commands and typed calls together. */
import type { PublicKey } from "../../PublicKey.ts"
import { Budget } from "../session/budget.ts"

/**
 * For each call of a peer: `room` as what it holds grows, or shrinks where that is below zero, and for what is made of it, and
 * `free` when it is over, which gives all of it back. What does not `fit` beside what the call has already has no room at any time.
 */
export type CallMemory = (peer: PublicKey) => {
  readonly fits: (bytes: number) => boolean
  readonly room: (bytes: number) => boolean
  readonly free: () => void
}

/** Calls that hold no more than this are not counted: there are at most `limits.calls` of them. 64 KiB, and a little for pieces. */
const smallCall = 69_632

/** The memory that calls take, counted for each peer while it has any, in `budgets`. */
export const makeCallMemory = (limit: number, budgets = new Map<PublicKey, Budget>()): CallMemory => {
  const all = new Budget(limit)
  /** What one call takes: `room` as it comes, all of it given back by `free`. */
  return (peer) => {
    let length = 0
    let held = 0
    return {
      fits: (bytes: number): boolean => length + bytes <= Math.max(smallCall, limit / 4),
      room: (bytes: number): boolean => {
        length += bytes
        if (length <= smallCall && held === 0) return true
        let budget = budgets.get(peer)
        if (budget === undefined) {
          budget = new Budget(limit / 4, all)
          budgets.set(peer, budget)
        }
        if (!budget.reserve(length - held)) {
          if (budget.used === 0) budgets.delete(peer)
          return false
        }
        held = length
        return true
      },
      free: (): void => {
        if (held === 0) return
        const budget = budgets.get(peer)!
        budget.release(held)
        held = 0
        if (budget.used === 0) budgets.delete(peer)
      }
    }
  }
}

/** What is shared by everything that serves calls of one node, by the node's service. */
export const resources = new WeakMap<object, { readonly memory: CallMemory; readonly limit: number }>()
