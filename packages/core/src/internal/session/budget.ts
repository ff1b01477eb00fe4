/**
 * What a node, and each peer of it, may be owed in credit. What one reserves is counted at all above it, too.
 *
 * What bites: streams of both sides share it. If this side's took all of it, and the other side's too, both would refuse each other
 * everything again and again. So this side's keep to half of it, as the other side's do there.
 */
export class Budget {
  readonly limit: number
  readonly parent: Budget | undefined
  used = 0
  /** Of it what is reserved for this side's own streams. */
  #own = 0
  /** What is reserved beyond what every stream begins with. */
  #extra = 0
  constructor(limit: number, parent?: Budget) {
    this.limit = limit
    this.parent = parent
  }
  reserve(bytes: number, own = false): boolean {
    if (this.used + bytes > this.limit) return false
    // One has room, however little there is.
    if (own && this.#own > 0 && this.#own + bytes > this.limit / 2) return false
    if (this.parent !== undefined && !this.parent.reserve(bytes, own)) return false
    this.used += bytes
    if (own) this.#own += bytes
    return true
  }
  /** Reserves more for a stream that makes use of it: of all that there is a quarter, so that others can still begin. */
  widen(bytes: number): boolean {
    if (this.#extra + bytes > this.limit / 4 || this.used + bytes > this.limit) return false
    if (this.parent !== undefined && !this.parent.widen(bytes)) return false
    this.used += bytes
    this.#extra += bytes
    return true
  }
  /** Gives back what `widen` reserved. */
  narrow(bytes: number): void {
    this.used -= bytes
    this.#extra -= bytes
    this.parent?.narrow(bytes)
  }
  release(bytes: number, own = false): void {
    this.used -= bytes
    if (own) this.#own -= bytes
    this.parent?.release(bytes, own)
  }
}
