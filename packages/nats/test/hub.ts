/**
 * A NATS server of a test: what its clients publish comes to those who hear it, one message behind the other, in virtual time. A client may be
 * cut off or gone without a word; whoever asks for one that is gone is told so, as by a server.
 */
import type { Msg, NatsConnection } from "@nats-io/nats-core"
import * as Effect from "effect/Effect"
import { NatsBus } from "../src/internal/bus.ts"
import * as Subjects from "../src/Subjects.ts"

interface Client {
  readonly bus: NatsBus
  readonly own: string
}

export class Hub {
  readonly #clients = new Map<string, Client>()
  readonly #waiting: Array<() => void> = []
  #isDelivering = false
  /** How many were delivered, by their kind. */
  readonly delivered = new Map<string, number>()
  /** Those that are connected, and hear and say nothing. */
  readonly stuck = new Set<string>()
  /** Of which one client's alone are counted. */
  counts: string | undefined
  #turn = 0

  /** Connects a node. */
  connect(token: string): NatsBus {
    const bus = new NatsBus("sim", token)
    this.#clients.set(token, { bus, own: token })
    bus.attach(this.#client(token))
    return bus
  }

  /** A node is gone, and says nothing. */
  gone(token: string): void {
    this.#clients.delete(token)
  }

  /** And is there again, as where a part of the servers was cut off: its own connection never broke. */
  back(bus: NatsBus): void {
    this.#clients.set(bus.own, { bus, own: bus.own })
  }

  /** A node's connection breaks, and is there again. */
  cut(bus: NatsBus): void {
    this.#clients.delete(bus.own)
    bus.status({ type: "disconnect", server: "hub" })
  }

  mend(bus: NatsBus): void {
    this.#clients.set(bus.own, { bus, own: bus.own })
    bus.status({ type: "reconnect", server: "hub" })
  }

  #client(own: string): NatsConnection {
    return {
      info: { max_payload: 1_048_576, jetstream: false },
      flush: () => Promise.resolve(),
      publish: (subject: string, data: Uint8Array, options?: { readonly reply?: string }) =>
        this.say(own, subject, data, options?.reply)
    } as unknown as NatsConnection
  }

  /** What a client publishes. */
  say(from: string, subject: string, data: Uint8Array, reply?: string): void {
    if (!this.#clients.has(from) || this.stuck.has(from)) return
    const to = subject.split(".")[3]!
    if (to !== Subjects.everyone) return this.#to(to, from, subject, data, reply)
    if (subject.split(".")[4] === "say") {
      for (const { own } of this.#clients.values()) if (own !== from) this.#deliver(own, subject, data, reply)
      return
    }
    const others = [...this.#clients.keys()].filter((own) => own !== from)
    this.#turn = (this.#turn * 48_271 + 7) % 2_147_483_647
    const drawn = others[this.#turn % others.length]
    if (drawn === undefined) this.#nobody(from, reply)
    else this.#deliver(drawn, subject, data, reply)
  }

  #to(to: string, from: string, subject: string, data: Uint8Array, reply: string | undefined): void {
    if (this.#clients.has(to)) this.#deliver(to, subject, data, reply)
    else this.#nobody(from, reply)
  }

  #nobody(from: string, reply: string | undefined): void {
    if (reply !== undefined) this.#deliver(from, reply, new Uint8Array(0), undefined, 503)
  }

  #deliver(to: string, subject: string, data: Uint8Array, reply: string | undefined, code?: number): void {
    this.#waiting.push(() => {
      const client = this.#clients.get(to)
      if (client === undefined || this.stuck.has(to)) return
      if (this.counts === undefined || this.counts === to) {
        const what = subject.split(".").slice(subject.includes(".all.") ? 5 : 4)[0]!
        this.delivered.set(what, (this.delivered.get(what) ?? 0) + 1)
      }
      const headers = code === undefined ? undefined : { code }
      client.bus.receive({ subject, data, reply: reply ?? "", headers } as unknown as Msg)
    })
    if (this.#isDelivering) return
    this.#isDelivering = true
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) next()
    this.#isDelivering = false
  }
}

export const hub: Effect.Effect<Hub> = Effect.sync(() => new Hub())
