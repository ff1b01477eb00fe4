/**
 * What keeps nodes that were heard, or are listed, from being found: noted where it is seen, said in the log, and part of the
 * error of who waits for a peer.
 */
import * as Effect from "effect/Effect"
import type { LogLevel } from "effect/LogLevel"
import type { Obstacle } from "../../Obstacle.ts"
import * as Why from "../../Why.ts"
import * as Rate from "../base/rate.ts"
import * as Seldom from "../base/seldom.ts"

export type Severity = "Info" | "Warn"

const explained = {
  NetworkKey: "network-key-differs",
  Clock: "clocks-differ",
  NetworkId: "other-network",
  Source: "translated-address",
  Limit: "peers-hidden",
  HostName: "host-name",
  PinnedKey: "key-changed",
  NoAnswer: "cannot-connect",
  NothingListed: "nothing-listed",
  NotSent: "no-broadcasts"
} as const

interface Noted {
  obstacle: Obstacle | undefined
  subject: string
  /** When it was last met, and when it was last looked into, in milliseconds. */
  at: number
  lookedAt: number
}

// What strangers can make a node remember; what is listed is as many as the options say.
const heardKept = 64
// What is met is forgotten when it is not met again, and looked into again while it is.
const memory = 60_000
const memoryIntervals = 3
// Looking into a datagram may take as long as opening it did.
const looksPerSecond = 20
const saidAgain = 3_600_000

/** What is noted, in the order of its age, and what was said of it. */
class Notes {
  readonly noted = new Map<string, Noted>()
  readonly told = Seldom.make(saidAgain)
}

export class Obstacles {
  // Apart, so that no number of strangers keeps back a line about what the operator listed.
  private readonly heard = new Notes()
  private readonly listed = new Notes()
  private readonly looks = Rate.make(looksPerSecond)
  private readonly memory: number

  constructor(intervalMillis: number) {
    this.memory = Math.max(memory, memoryIntervals * intervalMillis)
  }

  /**
   * Something was met, at a time of the monotonic clock in milliseconds. `look` says what it is and is run seldom. `key` is what
   * makes it the same again; `listed` means that the operator named the place, so that there are only so many.
   */
  met(
    key: string,
    now: number,
    look: () => Obstacle | undefined,
    options?: { readonly listed?: boolean; readonly level?: Severity }
  ): Effect.Effect<void> | undefined {
    const { noted: table, told } = options?.listed === true ? this.listed : this.heard
    const { noted: heard } = this.heard
    let noted = table.get(key)
    if (noted !== undefined && now - noted.lookedAt < this.memory) {
      noted.at = now
      return undefined
    }
    if (table === heard && !this.looks.take(now)) return undefined
    const obstacle = look()
    const level: LogLevel = options?.level ?? "Warn"
    const subject = `${level} ${obstacle?.what}`
    noted = { obstacle, subject, at: now, lookedAt: now }
    table.delete(key)
    table.set(key, noted)
    // Addresses that a name had once.
    for (const [other, { at }] of this.listed.noted) if (now - at >= this.memory) this.listed.noted.delete(other)
    if (heard.size > heardKept) {
      const oldest = heard.keys().next()
      if (oldest.done !== true) heard.delete(oldest.value)
    }
    if (obstacle === undefined) return undefined
    const more = told.take(subject, now, obstacle.kind)
    if (more === undefined) return undefined
    return Effect.logWithLevel(level)(
      `${Why.see(`${obstacle.what}; ${obstacle.remedy}`, explained[obstacle.kind])}${more}`
    )
  }

  /** Something of this machine's own was met, which whoever met it has said already. */
  note(key: string, at: number, obstacle: Obstacle): void {
    this.listed.noted.set(key, { obstacle, subject: "", at, lookedAt: at })
  }

  /** It is over: it may be said again when it comes back, or only after its hour. */
  over(key: string, again: "at once" | "later" = "at once"): void {
    for (const { noted, told } of [this.listed, this.heard]) {
      const one = noted.get(key)
      if (one === undefined) continue
      noted.delete(key)
      if (again === "at once") told.forget(one.subject)
    }
  }

  /** What was met in the last minute, each once: what is listed first, then the newest. */
  now(now: number): ReadonlyArray<Obstacle> {
    const met = new Map<string, Obstacle>()
    for (const { at, obstacle } of [...this.listed.noted.values(), ...[...this.heard.noted.values()].reverse()]) {
      if (obstacle !== undefined && now - at < this.memory && !met.has(obstacle.what)) met.set(obstacle.what, obstacle)
    }
    return [...met.values()]
  }
}
