/** The ring of what happened, and its counters. Records hold numbers; text is made when somebody looks. */
import { format } from "./address.ts"
import type { Stats, TraceEvent } from "./model.ts"
import { hashBytes } from "./prng.ts"

interface Record_ {
  readonly at: number
  readonly kind: string
  readonly from: string
  readonly fromAddress: number
  readonly fromPort: number
  readonly to: string | undefined
  readonly toAddress: number
  readonly toPort: number
  readonly bytes: number
  readonly hash: number
  readonly detail: string | undefined
}

export class Trace {
  readonly enabled: boolean
  readonly capacity: number
  readonly stats = {
    sent: 0,
    sentBytes: 0,
    delivered: 0,
    deliveredBytes: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    dropped: {} as Record<string, number>,
    connects: 0,
    connections: 0,
    refused: 0,
    resets: 0,
    streamBytes: 0,
    retransmitted: 0
  }
  readonly #now: () => number
  readonly #ring: Array<Record_> = []
  #count = 0

  constructor(capacity: number, now: () => number) {
    this.capacity = capacity
    this.enabled = capacity > 0
    this.#now = now
  }

  verb(kind: string, from: string, detail?: string): void {
    if (!this.enabled) return
    this.#add(kind, from, -1, 0, undefined, -1, 0, -1, 0, detail)
  }

  /** `to` is the receiving host's name, unknown while a packet is on its way. */
  packet(
    kind: string,
    from: string,
    fromAddress: number,
    fromPort: number,
    to: string | undefined,
    toAddress: number,
    toPort: number,
    bytes: number,
    hash: number,
    detail?: string
  ): void {
    if (!this.enabled) return
    this.#add(kind, from, fromAddress, fromPort, to, toAddress, toPort, bytes, hash, detail)
  }

  hash(payload: Uint8Array): number {
    return this.enabled ? hashBytes(payload) : 0
  }

  #add(
    kind: string,
    from: string,
    fromAddress: number,
    fromPort: number,
    to: string | undefined,
    toAddress: number,
    toPort: number,
    bytes: number,
    hash: number,
    detail: string | undefined
  ): void {
    this.#ring[this.#count++ % this.capacity] = {
      at: this.#now(),
      kind,
      from,
      fromAddress,
      fromPort,
      to,
      toAddress,
      toPort,
      bytes,
      hash,
      detail
    }
  }

  dropped(reason: string): void {
    this.stats.dropped[reason] = (this.stats.dropped[reason] ?? 0) + 1
  }

  events(): ReadonlyArray<TraceEvent> {
    const length = this.#ring.length
    const first = this.#count - length
    return Array.from({ length }, (_, i): TraceEvent => {
      const record = this.#ring[(first + i) % this.capacity]!
      return {
        sequence: first + i + 1,
        at: record.at,
        kind: record.kind,
        from: record.fromAddress < 0 ? record.from : party(record.from, record.fromAddress, record.fromPort),
        to: record.toAddress < 0 ? "" : party(record.to, record.toAddress, record.toPort),
        bytes: record.bytes < 0 ? undefined : record.bytes,
        hash: record.bytes < 0 ? undefined : record.hash.toString(16).padStart(8, "0"),
        detail: record.detail
      }
    })
  }

  snapshot(): Stats {
    return { ...this.stats, dropped: { ...this.stats.dropped } }
  }
}

const party = (host: string | undefined, address: number, port: number): string =>
  `${host === undefined ? "" : `${host} `}${format(address)}:${port}`

/** One line an event, the same for the same event. */
export const formatEvent = (event: TraceEvent): string => {
  const parts = [
    `#${event.sequence}`.padEnd(6),
    `${event.at.toFixed(3)}ms`.padStart(14),
    event.kind.padEnd(13),
    event.from
  ]
  if (event.to !== "") parts.push(">", event.to)
  if (event.bytes !== undefined) parts.push(`${event.bytes}B`, event.hash!)
  if (event.detail !== undefined) parts.push(event.detail)
  return parts.join(" ")
}
