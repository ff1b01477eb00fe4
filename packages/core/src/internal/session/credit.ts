/**
 * The two directions of a stream, each with its credit: how many bytes of DATA one side may still send, which the other grants
 * as it reads: more of it to whoever is read as soon as it has come, so that neither distance nor the messages that grant it hold
 * many bytes up. What waits takes no more memory than twice its credit, however it was cut.
 *
 * Each is the bytes themselves, so that a stream is no more objects than it has to be.
 */
import * as Frame from "../../Frame.ts"
import { Pieces } from "../base/pieces.ts"
import { maxField, writeHeader } from "./frames.ts"
import type { Homes } from "./homes.ts"

// What waits to be read, or to be sent, keeps at most so much alive, whatever little of it is wanted.
const slack = 2 * Frame.initialCredit

/** Where more than a stream begins with is reserved. */
export interface Room {
  readonly widen: (bytes: number) => boolean
}

/** What has come and was not read: views into messages. This side grants the credit for it. */
export class Inbox extends Pieces {
  /** DATA bytes that the other side may still send. */
  #granted = Frame.initialCredit
  /** Read since the last CREDIT. */
  #consumed = 0
  /** What is granted and what waits are together so many bytes at most. */
  #window = Frame.initialCredit
  /** What came since the last CREDIT was not read as it came. */
  #behind = false

  constructor() {
    super(slack)
  }

  /** Counts DATA that has come; `false` where it exceeds the credit. */
  spend(bytes: number): boolean {
    if (bytes > this.#granted) return false
    this.#granted -= bytes
    return true
  }

  /** Keeps DATA: as it is, or in the memory of its message where it is only lent. */
  keep(payload: Uint8Array, homes: Homes | undefined): void {
    if (homes === undefined) return this.add(payload)
    for (let at = 0; at < payload.length;) {
      const placed = homes.place(at === 0 ? payload : payload.subarray(at))
      this.add(placed)
      at += placed.length
    }
  }

  /**
   * Counts bytes as read, all that had come, and gives what is to be granted for them now. In halves: often enough to keep the
   * other side going, seldom enough to cost nothing. Where they were read as they came it is twice as much each time, up to
   * `largest`, as long as there is `room` for that.
   */
  grant(read: number, largest: number, room: Room): number {
    const half = this.#window / 2
    this.#consumed += read
    if (read > half) this.#behind = true
    if (this.#consumed < half) return 0
    let bytes = this.#consumed
    const more = Math.min(this.#window, largest - this.#window)
    if (more > 0 && !this.#behind && room.widen(more)) {
      this.#window += more
      bytes += more
    }
    this.#granted += bytes
    this.#consumed = 0
    this.#behind = false
    return bytes
  }
}

/** What was written and not sent. The other side grants the credit for it. */
export class Outbox extends Pieces {
  #credit = Frame.initialCredit

  constructor() {
    super(slack)
  }

  /** Takes a CREDIT; `false` where there would be more than its field holds. */
  credit(bytes: number): boolean {
    if (this.#credit + bytes > maxField) return false
    this.#credit += bytes
    return true
  }

  /** Whether there is credit for any of it. */
  get sendable(): boolean {
    return this.#credit > 0
  }

  /** Writes one DATA frame of at most so many bytes into `out` up to `limit`; where it ends, which is `at` for want of room. */
  fill(out: Uint8Array, view: DataView, at: number, limit: number, stream: number, chunkSize: number): number {
    const length = Math.min(chunkSize, this.length, this.#credit, limit - at - Frame.headerLength)
    if (length <= 0) return at
    const from = writeHeader(view, at, Frame.Kind.data, stream, length)
    this.copy(out, from, length)
    this.#credit -= length
    return from + length
  }
}
