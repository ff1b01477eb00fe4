/**
 * Whether the peer of a session still lives, by what has come and what it takes: a peer that is silent is asked, and one that
 * does not answer, or does not read what is sent to it, is dead. Time comes from outside, in milliseconds.
 */

/** What is due: to ask the peer, or to give it up. */
export type Due = "ask" | "silent" | "blocked" | undefined

export class Liveness {
  heardAt: number
  /** Its peer has made another session, and nothing was heard over this one since: it may have no other end. */
  doubtful = false
  #askedAt: number | undefined
  #writingSince: number | undefined

  constructor(now: number) {
    this.heardAt = now
  }

  /** Something came that only the peer can have sent. */
  heard(now: number): void {
    this.heardAt = now
    this.doubtful = false
    this.#askedAt = undefined
  }

  /** Whether it has been asked, and has not answered. */
  get asked(): boolean {
    return this.#askedAt !== undefined
  }

  ask(now: number): void {
    this.#askedAt = now
  }

  /** Whether a write waits for the connection to take it. */
  get writing(): boolean {
    return this.#writingSince !== undefined
  }

  write(now: number): void {
    this.#writingSince = now
  }

  written(): void {
    this.#writingSince = undefined
  }

  /**
   * `pardon` is time in which this process was frozen, and which is not the peer's silence. `deaf` is whether this side does not
   * read: the other's silence is its own doing then, and an answer may lie there.
   */
  due(now: number, pardon: number, deaf: boolean, silence: number, writeTimeout: number): Due {
    // No later than now, or what was heard first after the freeze would count for longer.
    this.heardAt = Math.min(now, this.heardAt + pardon)
    if (this.#askedAt !== undefined) this.#askedAt = Math.min(now, this.#askedAt + pardon)
    if (this.#writingSince !== undefined) {
      this.#writingSince = Math.min(now, this.#writingSince + pardon)
      if (now - this.#writingSince >= writeTimeout) return "blocked"
    }
    if (deaf) {
      this.heardAt = now
      if (this.#askedAt !== undefined) this.#askedAt = now
    }
    if (this.#askedAt !== undefined && now - this.#askedAt >= silence) return "silent"
    return now - this.heardAt >= silence ? "ask" : undefined
  }
}
