/**
 * One peer of a service, as a client of the service sees it: what is out to it, how many it takes, how fast it answers, and how it has
 * done of late. It decides nothing about the others.
 */
import type { Candidate } from "../../Balance.ts"
import type { Kind } from "./kind.ts"

/** What is said of a peer, by itself or by those who look after peers. */
export interface Server<P> {
  readonly id: string
  readonly peer: P
  /** Calls that it takes at once, from whomever; 0 where it takes none now. `undefined` where it does not say. */
  readonly capacity?: number | undefined
  /** It finishes what it has, and takes nothing new. */
  readonly draining?: boolean | undefined
}

/** Why a peer is left out for a time: it `failed`; it `leaves`; it is `busy`. */
export type Absence = "failed" | "leaves" | "busy"

/** Calls that are out to a peer before anything is known of how many it takes. */
const pendingAtFirst = 64

/** Samples that a mean is over: that of its latency, and, where it was slow, that by which it is seen to have recovered. */
const meanOver = 20
const recoverOver = 2
/** As if it had answered so many like the others before, so that one answer is no proof. */
const priorSamples = 4
/** So many times as long as the others is the most that one answer counts for. */
const maxRatio = 10
/** Milliseconds that are added to what is compared: below, differences say little of a peer. */
const grain = 1
const fineGrain = 0.01

/** Milliseconds that a busy peer is left alone at first, and at most. */
const busyMillis = 50
const busyMaxMillis = 1_000

export class Endpoint<P> implements Candidate<P> {
  readonly id: string
  readonly slot: number
  peer: P
  pending = 0
  /** What it says it takes at once. */
  told: number | undefined
  /** The same where it says nothing: set by the pool. */
  capacity = 1
  latency: number | undefined
  relative: number | undefined
  slowness = 1
  /** How long it takes against the others, for what is slow: coarser, and capped. */
  ratio = 1
  #samples = 0
  /** How long the last one took that was unusual, where it was the last. */
  #far = 0

  // How many it takes from here: more by and by while it does not say that it is busy.
  readonly #most: number
  #window: number
  #grownTo = Infinity
  #cutAt = -Infinity
  #busies = 0

  /** It is not on the list any more. Its calls go on. */
  isGone = false
  isDraining = false
  absence: Absence | undefined
  absentUntil = Infinity
  /** It is let back in, by one call at a time until one is answered. */
  onTrial = false
  failures = 0
  #leftOut = 0
  #wellSince = 0
  /** Its place among those that may be called, -1 where it is not. */
  at = -1

  constructor(server: Server<P>, slot: number, most: number) {
    this.id = server.id
    this.slot = slot
    this.peer = server.peer
    this.#most = most
    this.#window = Math.min(most, pendingAtFirst)
    this.isSaid(server)
  }

  /** What is said of it now. It may have said anything. */
  isSaid({ capacity, draining, peer }: Server<P>): void {
    this.peer = peer
    this.isDraining = draining === true
    this.told = typeof capacity === "number" && capacity >= 0 ? Math.floor(Math.min(capacity, this.#most)) : undefined
  }

  /** Calls that may be out to it now. */
  get limit(): number {
    const window = this.onTrial ? 1 : Math.floor(this.#window)
    return this.told !== undefined && this.told < window ? this.told : window
  }

  get mayBeCalled(): boolean {
    return this.absence === undefined && !this.isDraining && !this.isGone && this.pending < this.limit
  }

  // --- how fast it is ------------------------------------------------------------------------------------------------------------

  /** It answered, after so many milliseconds. */
  answered(millis: number, kind: Kind): void {
    if (kind.isMeasured) {
      const relative = (millis + fineGrain) / (kind.mean + fineGrain)
      this.relative = this.relative === undefined ? relative : this.relative + (relative - this.relative) / meanOver
      this.#compare(millis, kind)
    }
    this.latency = this.latency === undefined ? millis : this.latency + (millis - this.latency) / meanOver
    kind.took(millis)
  }

  /** It did not answer for so long, and was not waited for any longer. */
  gaveNothing(millis: number, kind: Kind): void {
    if (!kind.isMeasured || millis <= kind.mean) return
    this.#compare(millis, kind)
    kind.tookOver(millis)
  }

  #compare(millis: number, kind: Kind): void {
    const ratio = Math.min(maxRatio, (millis + grain) / (kind.mean + grain))
    if (this.#samples < meanOver) this.#samples++
    const over = this.slowness > 1 ? recoverOver : Math.min(meanOver, this.#samples + priorSamples)
    this.ratio += (ratio - this.ratio) / over
    // Two unusual ones one after another are seen at once: it would take five by the mean, of each client.
    const far = kind.isFar(millis) ? ratio : 0
    this.ratio = Math.max(this.ratio, Math.min(far, this.#far))
    this.#far = far
  }

  // --- how many it takes ---------------------------------------------------------------------------------------------------------

  /** It took a call. Where it was the limit that kept more from it, it may have more. */
  #took(): void {
    this.#busies = 0
    if (this.pending + 1 < this.#window || this.#window >= this.#most) return
    // At first one more for each, and after it said that it was busy, one more for each round.
    this.#window += this.#window < this.#grownTo ? 1 : 1 / this.#window
  }

  /** It took no more. It is left alone until then. */
  busy(nowMillis: number, draw: number): number {
    if (nowMillis >= this.#cutAt) {
      this.#window = this.#grownTo = Math.max(1, (Math.min(this.#window, this.pending + 1)) / 2)
    }
    const wait = Math.min(busyMaxMillis, busyMillis * 2 ** this.#busies++) * (0.75 + draw / 2)
    this.#cutAt = nowMillis + wait
    return this.#cutAt
  }

  // --- how it does ---------------------------------------------------------------------------------------------------------------

  /** It answered, whatever it said. */
  well(nowMillis: number): void {
    this.failures = 0
    this.#took()
    if (this.onTrial) {
      this.onTrial = false
      this.#wellSince = nowMillis
    }
  }

  /** How long it is left out, after it failed: twice as long as last time, unless it was well for long. */
  leaveOutFor(nowMillis: number, first: number, most: number, draw: number): number {
    if (!this.onTrial && nowMillis - this.#wellSince > most) this.#leftOut = 0
    return Math.min(most, first * 2 ** Math.min(this.#leftOut++, 30)) * (0.9 + draw / 5)
  }
}
