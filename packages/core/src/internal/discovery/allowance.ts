/**
 * How much all nodes of a crowd together send to one who asks all of them by one datagram. Its source may be made up, and then what they send hits
 * somebody who asked nothing. All hear the same questions, so each can count for all how many would answer, and answers with the
 * chance by which no more do than there is room for.
 */
import type { Known } from "../../Discovery.ts"
import * as PublicKey from "../../PublicKey.ts"
import { Keyed } from "../base/keyed.ts"
import * as CrowdPackets from "../wire/crowdPackets.ts"

// To one address: so many at once, or as many as two newcomers need, and so many a second. A hundred nodes that are no crowd do the same.
const togetherToOne = 1_000
const newcomers = 2
const perSecondToOne = 500
// To all addresses, at once and a second: ten of each of a thousand nodes.
const perSecond = 10_000
// Of more addresses the one that asked the longest time ago begins anew.
const hostsKept = 1_024
// A question counts for as many at least, whatever its filter lets through by how it was made.
const leastAnswers = 16
// So many of its peers tell a node for how many of all a request is, which it draws anew so often, in milliseconds. Nobody can know which.
const peersDrawn = 64
const drawnFor = 1_000

interface Bucket {
  level: number
  at: number
}

const fill = (bucket: Bucket, capacity: number, rate: number, at: number): void => {
  bucket.level = Math.min(capacity, bucket.level + (at - bucket.at) / 1_000 * rate)
  bucket.at = at
}

export class Allowance {
  /** The one that asked the longest time ago is the first. */
  readonly #byHost = new Keyed<Bucket>()
  readonly #all: Bucket = { level: perSecond, at: -Infinity }
  /** Milliseconds after which one is as full as a new one, whatever was taken. */
  #full = Infinity
  /** Before that there is none to let go of, so that the first one is not looked at. */
  #kept = -Infinity

  /** Lets go of addresses that have all that there is again: they are as those of which nothing is known. */
  forget(at: number): void {
    if (at < this.#kept) return
    const byHost = this.#byHost
    for (let oldest = byHost.first; oldest !== undefined; oldest = byHost.first) {
      if (at - oldest.value.at < this.#full) {
        this.#kept = oldest.value.at + this.#full
        return
      }
      byHost.remove(oldest)
    }
  }

  /** Addresses of which something is known. */
  get size(): number {
    return this.#byHost.size
  }

  /** The chance with which each is to answer an address, where so many of `nodes` would. Counts that they do; by a clock in milliseconds. */
  chance(host: string, answers: number, nodes: number, at: number): number {
    const capacity = Math.max(togetherToOne, newcomers * nodes)
    const full = capacity / perSecondToOne * 1_000
    if (full < this.#full) this.#kept = -Infinity
    this.#full = full
    this.forget(at)
    const one = this.#of(host) ?? this.#begin(host, { level: capacity, at })
    fill(one, capacity, perSecondToOne, at)
    fill(this.#all, perSecond, perSecond, at)
    const counted = Math.max(leastAnswers, answers)
    const granted = Math.min(counted, one.level, this.#all.level)
    one.level -= granted
    this.#all.level -= granted
    return granted / counted
  }

  #of(host: string): Bucket | undefined {
    const place = this.#byHost.get(host)
    if (place !== undefined) this.#byHost.renew(place)
    return place?.value
  }

  #begin(host: string, bucket: Bucket): Bucket {
    const byHost = this.#byHost
    byHost.push(host, bucket)
    if (byHost.size > hostsKept) byHost.remove(byHost.first!)
    return bucket
  }
}

/**
 * How many of so many nodes a question may be for: all of its slice. The number of its filter's bits does not tell: whoever writes a victim's address may set all
 * but one bit of each node that is to answer.
 */
export const askedBy = (request: CrowdPackets.Request | undefined, nodes: number): number =>
  nodes / (request?.slices ?? 1)

/**
 * For how many of so many nodes a request is, as far as some of the peers tell that are known. Who asks again for those whose answers were lost asks
 * few, though his filter has room for all. One more than was seen counts, as the node itself may be one: else those that by chance see none would
 * answer more often than the others answer more seldom.
 */
export class Drawn {
  readonly #random: () => number
  #keys: ReadonlyArray<Uint8Array> = []
  #at = -Infinity

  /** `random` gives evenly what is from 0 to below 1. */
  constructor(random: () => number) {
    this.#random = random
  }

  missing(request: CrowdPackets.Request, known: Known, nodes: number, at: number): number {
    if (at - this.#at >= drawnFor) {
      this.#at = at
      this.#keys = draw(known, this.#random())
    }
    const keys = this.#keys
    let missing = 0
    for (let i = 0; i < keys.length; i++) if (CrowdPackets.isFor(request, keys[i]!)) missing++
    return nodes * (missing + 1) / (keys.length + 1)
  }
}

/** Some of those that are known, evenly apart, from one on that is drawn. */
const draw = (known: Known, drawn: number): ReadonlyArray<Uint8Array> => {
  const step = Math.max(1, known.size() / peersDrawn)
  const keys: Array<Uint8Array> = []
  let next = drawn * step
  let at = 0
  for (const key of known.keys()) {
    // Not rounded, so that each is as likely as any other.
    if (++at <= next) continue
    next += step
    keys.push(PublicKey.toBytes(key))
  }
  return keys
}
