/** What a node, and each peer of it, may be owed in credit. What one reserves is counted at all above it, too. */
export class Budget {
  readonly limit: number
  readonly parent: Budget | undefined
  used = 0
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
  release(bytes: number): void {
    this.used -= bytes
    this.parent?.release(bytes)
  }
}
