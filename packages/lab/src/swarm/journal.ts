/**
 * What happens in a run, in virtual time: each thing of note, hashed so that two runs can be told apart, how often each came about,
 * and what must not happen and did.
 */
import type { Clock } from "effect/Clock"

/** What must not happen, by what it breaks. */
export const invariants = [
  "an answer belongs to its call",
  "a function runs once for a call",
  "no function begins after its deadline",
  "no call goes on after its deadline",
  "every call ends",
  "every failure is a typed error",
  "nothing breaks but what is told to",
  "each known peer has one outcome",
  "bytes come whole, in order, once",
  "no session with a key that the policy refuses",
  "tables stay within their limits",
  "a stopped node leaves nothing behind",
  "those that may talk can talk"
] as const

export type Invariant = typeof invariants[number]

export interface Problem {
  readonly invariant: Invariant
  /** Virtual milliseconds. */
  readonly at: number
  readonly text: string
}

const mostProblems = 50

export class Journal {
  readonly problems: Array<Problem> = []
  /** Calls by kind and by what came of them, and faults by kind. */
  readonly counts: Record<string, number> = {}
  readonly #clock: Clock
  readonly #log: ((line: string) => void) | undefined
  #hash = 0x811c9dc5

  constructor(clock: Clock, log: ((line: string) => void) | undefined) {
    this.#clock = clock
    this.#log = log
  }

  /** Virtual milliseconds since the run began. */
  now(): number {
    return Number(this.#clock.monotonicTimeNanosUnsafe() / 1_000n) / 1_000
  }

  note(line: string): void {
    const dated = `${this.now().toFixed(3)} ${line}`
    for (let i = 0; i < dated.length; i++) this.#hash = Math.imul(this.#hash ^ dated.charCodeAt(i), 0x01000193)
    this.#log?.(dated)
  }

  problem(invariant: Invariant, text: string): void {
    if (this.problems.length < mostProblems) this.problems.push({ invariant, at: this.now(), text })
    this.note(`PROBLEM ${invariant}: ${text}`)
  }

  count(key: string): void {
    this.counts[key] = (this.counts[key] ?? 0) + 1
  }

  /** A hash of all that was noted. */
  get digest(): string {
    return (this.#hash >>> 0).toString(16)
  }
}
