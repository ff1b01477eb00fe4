/** Mutations of links over NATS. */
import type { Mutation } from "../mutation.ts"
import { of, suites } from "./of.ts"

const tests = suites("nats/links.sim")

const links = of("nats-links", "packages/nats/src/internal/links.ts", tests, {
  "window": [
    `Math.floor(inAll / (this.#links.size + 1))`,
    `largestWindow`,
    "many links let more come than the server holds"
  ],
  "peer": [
    `link !== undefined && link.peer === from) link.receive`,
    `link !== undefined) link.receive`,
    "anybody writes into a link"
  ],
  "over-peer": [`if (link?.peer === from) link.lose`, `link?.lose`, "anybody ends a link"],
  "unknown": [
    `else if (reply.startsWith("link.") && !this.bus.isFull()) {`,
    `else if (false) {`,
    "who writes to a link that is gone is told nothing"
  ],
  "gone": [
    `if (status === 503) link?.lose`,
    `if (false) link?.lose`,
    "who writes to a node that is gone is told nothing"
  ],
  "down": [`if (_tag !== "Down") return`, `return`, "links outlive their server"],
  "early": [
    `if (this.#earlyBytes > mostEarly) this.lose`,
    `if (false) this.lose`,
    "what comes before a link is accepted has no bound"
  ]
})

const transport = of("nats-transport", "packages/nats/src/internal/transport.ts", tests, {
  "version": [`|| data[0] !== version)`, `)`, "a dial of another version is accepted"],
  "relayed": [`relayed: true`, `relayed: false`, "sessions over a server write as often as over a wire"],
  "remote": [`options.trustSenders ? {`, `true ? {`, "a user of the broker chooses his address"],
  "backlog": [
    `if (!Queue.offerUnsafe(door, link)) link.close()`,
    `if (!Queue.offerUnsafe(door, link)) link.room()`,
    "connections that nobody accepts have no bound"
  ]
})

export const natsLinksList: ReadonlyArray<Mutation> = [...links, ...transport]
