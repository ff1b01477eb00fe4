/** Mutations of calls of several peers, and of whom they are for. */
import type { Mutation } from "../mutation.ts"
import { of, suites } from "./of.ts"

const outcomes = of("outcomes", "packages/core/src/internal/peers/outcomes.ts", suites("Outcomes"), {
  "prototype": [`= Object.create(null)`, `= {}`, "what a peer is called is a method of the record"],
  "unordered": [`unordered: true }`, `unordered: false }`, "what is there waits for who was asked before"],
  "bound": [
    `exit(call(peer)), { concurrency }),`,
    `exit(call(peer)), { concurrency: "unbounded" }),`,
    "all are called at once, whatever was said"
  ],
  "until": [
    `return concurrency === "unbounded"`,
    `return true`,
    "peers that are called later have no time left"
  ],
  "search": [
    `return concurrency === "unbounded"`,
    `return false`,
    "what the search took is added to the time of a call"
  ]
})

const meant = of("meant", "packages/core/src/internal/peers/targets.ts", suites("Outcomes"), {
  "closed": [
    `Effect.as(peers.resolve([]), names)`,
    `Effect.succeed(names)`,
    "a closed node calls those it is given by name"
  ],
  "once": [`[...new Set<string>(names)]`, `[...names]`, "a name that is said twice is called twice"]
})

const calling = of("sendAll", "packages/core/src/internal/streams/calling.ts", suites("Several.sim"), {
  "bounded": [
    `: () => bounded`,
    `: (names) => this.#sharing(names, command, data, options)`,
    "a bound that is none is taken, and nobody told"
  ]
})

export const severalList: ReadonlyArray<Mutation> = [...outcomes, ...meant, ...calling]
