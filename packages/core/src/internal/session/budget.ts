/** What a node, and each peer of it, may be owed in credit. What one reserves is counted at all above it, too. */
export class Budget {
  readonly limit: number
  readonly parent: Budget | undefined
  used = 0
  /** What is reserved beyond what every stream begins with. */
  #extra = 0
  constructor(limit: number, parent?: Budget) {
    this.limit = limit
    this.parent = parent
  }
  reserve(bytes: number): boolean {
    if (this.used + bytes > this.limit) return false
    if (this.parent !== undefined && !this.parent.reserve(bytes)) return false
    this.used += bytes
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
  release(bytes: number): void {
    this.used -= bytes
    this.parent?.release(bytes)
  }
}
