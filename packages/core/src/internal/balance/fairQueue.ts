/**
 * Those who wait, in order, and fair between callers: each caller has a lane, the lanes are served in turn, and where all places are
 * taken it is the longest lane that gives one up. So a caller who asks for a thousand things waits for his own, and nobody else does.
 */

class Lane<T> {
  readonly caller: string
  first: Ticket<T> | undefined
  last: Ticket<T> | undefined
  size = 0
  // In the ring of lanes.
  next: Lane<T>
  previous: Lane<T>

  constructor(caller: string) {
    this.caller = caller
    this.next = this
    this.previous = this
  }
}

/** A place in the queue, to be given back. */
export class Ticket<T> {
  readonly value: T
  lane: Lane<T> | undefined
  next: Ticket<T> | undefined
  previous: Ticket<T> | undefined

  constructor(value: T) {
    this.value = value
  }
}

export class FairQueue<T> {
  readonly #capacity: number
  readonly #lanes = new Map<string, Lane<T>>()
  /** The lane whose turn it is. */
  #turn: Lane<T> | undefined
  #size = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#size
  }

  /**
   * Puts one last among those of its caller, or first where it has waited before. `undefined` where there is no room for it; where there
   * is none, and another caller has more than this one, `pushOut` is given the last of the longest lane, which is not in it any more.
   */
  add(caller: string, value: T, pushOut: (value: T) => void, first = false): Ticket<T> | undefined {
    const known = this.#lanes.get(caller)
    let pushedOut: Ticket<T> | undefined
    if (this.#size >= this.#capacity) {
      const own = known?.size ?? 0
      pushedOut = this.#toPushOut(own, known === undefined)
      if (pushedOut === undefined) return undefined
      this.remove(pushedOut)
    }
    const lane = this.#lanes.get(caller) ?? this.#open(caller)
    const ticket = new Ticket(value)
    ticket.lane = lane
    if (lane.first === undefined) lane.first = lane.last = ticket
    else if (first) {
      ticket.next = lane.first
      lane.first = lane.first.previous = ticket
    } else {
      ticket.previous = lane.last
      lane.last = lane.last!.next = ticket
    }
    lane.size++
    this.#size++
    if (pushedOut !== undefined) pushOut(pushedOut.value)
    return ticket
  }

  /** Takes one out that waits; nothing where it does not any more. */
  remove(ticket: Ticket<T>): void {
    const { lane } = ticket
    if (lane === undefined) return
    ticket.lane = undefined
    if (ticket.previous === undefined) lane.first = ticket.next
    else ticket.previous.next = ticket.next
    if (ticket.next === undefined) lane.last = ticket.previous
    else ticket.next.previous = ticket.previous
    ticket.next = ticket.previous = undefined
    lane.size--
    this.#size--
    if (lane.size === 0) this.#close(lane)
  }

  /** Takes the next one in turn that is wanted, most often the very next. */
  take(isWanted: (value: T) => boolean): T | undefined {
    const begin = this.#turn
    if (begin === undefined) return undefined
    let lane = begin
    do {
      for (let ticket = lane.first; ticket !== undefined; ticket = ticket.next) {
        if (!isWanted(ticket.value)) continue
        this.#turn = lane.next
        this.remove(ticket)
        return ticket.value
      }
      lane = lane.next
    } while (lane !== begin)
    return undefined
  }

  /** Each that waits, while nobody is taken or added. */
  forEach(f: (ticket: Ticket<T>) => void): void {
    for (const lane of this.#lanes.values()) {
      for (let ticket = lane.first; ticket !== undefined; ticket = ticket.next) f(ticket)
    }
  }

  #open(caller: string): Lane<T> {
    const lane = new Lane<T>(caller)
    const turn = this.#turn
    if (turn === undefined) this.#turn = lane
    else {
      // The end of the round.
      lane.next = turn
      lane.previous = turn.previous
      turn.previous.next = lane
      turn.previous = lane
    }
    this.#lanes.set(caller, lane)
    return lane
  }

  #close(lane: Lane<T>): void {
    this.#lanes.delete(lane.caller)
    if (this.#turn === lane) this.#turn = lane.next === lane ? undefined : lane.next
    lane.previous.next = lane.next
    lane.next.previous = lane.previous
  }

  /** The one that gives its place to one more of a caller who has so many. */
  #toPushOut(own: number, isNew: boolean): Ticket<T> | undefined {
    // Who has his share is refused without a look at the others, so that asking too much costs little.
    if ((own + 1) * (this.#lanes.size + (isNew ? 1 : 0)) > this.#size) return undefined
    let longest: Lane<T> | undefined
    for (const lane of this.#lanes.values()) if (longest === undefined || lane.size > longest.size) longest = lane
    return longest !== undefined && longest.size > own + 1 ? longest.last : undefined
  }
}
