/** The memory that what waits takes, counted as it is held: so much in all, and a quarter of that for one owner. */
export class Memory {
  readonly #total: number
  /** What one owner may hold. */
  readonly share: number
  readonly #owners = new Map<string, number>()
  #held = 0

  constructor(total: number) {
    this.#total = total
    this.share = Math.floor(total / 4)
  }

  /** Bytes that are held, by all. */
  get held(): number {
    return this.#held
  }

  /** Has an owner hold so many more bytes; `false` where there are not as many, and then it holds what it held. */
  take(owner: string, bytes: number): boolean {
    if (this.#held + bytes > this.#total) return false
    const own = (this.#owners.get(owner) ?? 0) + bytes
    if (own > this.share) return false
    if (own > 0) this.#owners.set(owner, own)
    this.#held += bytes
    return true
  }

  /** Whether an owner could hold so many bytes more, and all so many. */
  has(owner: string, bytes: number, all: number): boolean {
    return this.#held + all <= this.#total && (this.#owners.get(owner) ?? 0) + bytes <= this.share
  }

  /** Has another owner hold so many bytes of what one holds; `false` where that would be more than one may, and then nothing is done. */
  move(from: string, to: string, bytes: number): boolean {
    const own = (this.#owners.get(to) ?? 0) + bytes
    if (own > this.share) return false
    this.give(from, bytes)
    if (own > 0) this.#owners.set(to, own)
    this.#held += bytes
    return true
  }

  /** Has an owner hold so many bytes less. One that holds none is forgotten. */
  give(owner: string, bytes: number): void {
    const own = this.#owners.get(owner) ?? 0
    const given = Math.min(own, bytes)
    if (own > given) this.#owners.set(owner, own - given)
    else this.#owners.delete(owner)
    this.#held -= given
  }
}
