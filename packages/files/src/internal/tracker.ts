/** How far the transfer with one peer is, for whoever looks. */
import * as Duration from "effect/Duration"
import type { Progress } from "../Progress.ts"
import { Meter } from "./meter.ts"
import type * as Wire from "./wire.ts"

export const noCounts: Wire.Counts = { files: 0, bytes: 0, hadFiles: 0, hadBytes: 0, failed: 0, changed: 0 }

export class Tracker {
  readonly #peer: string
  readonly #meter = new Meter()
  #totals: { readonly files: number; readonly bytes: number }
  #rate = 0
  state: Progress["state"] = "Waiting"
  counts: Wire.Counts = noCounts
  constructor(peer: string, totals: { readonly files: number; readonly bytes: number }) {
    this.#peer = peer
    this.#totals = totals
  }

  /** What there is to be had is another by now. */
  totals(totals: { readonly files: number; readonly bytes: number }): void {
    this.#totals = totals
  }

  /** Takes counts, and says whether they are others. */
  count(nowMillis: number, counts: Wire.Counts): boolean {
    const { bytes, files, failed } = this.counts
    const isNew = counts.bytes !== bytes || counts.files !== files || counts.failed !== failed
    this.counts = { ...counts }
    this.#rate = this.#meter.update(nowMillis, Math.max(0, counts.bytes - counts.hadBytes))
    return isNew
  }

  enter(state: Progress["state"]): void {
    if (state !== "Running") {
      this.#meter.reset()
      this.#rate = 0
    }
    this.state = state
  }

  get progress(): Progress {
    const { bytes, files } = this.counts
    const left = this.#totals.bytes - bytes
    return {
      peer: this.#peer,
      state: this.state,
      files,
      totalFiles: this.#totals.files,
      bytes,
      totalBytes: this.#totals.bytes,
      rate: this.#rate,
      timeLeft: this.#rate > 0 && left >= 0 ? Duration.millis(left * 1_000 / this.#rate) : undefined
    }
  }
}
