/**
 * One honest node calls another while a process floods both: what calls take then, and what the nodes hold. Shared by a test and the
 * script that prints it all.
 */
import { Effect, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import type { Flooded, Kind } from "../processes/attacker.ts"
import * as Harness from "../processes/harness.ts"
import type { Held } from "../processes/orders.ts"

/** The floods, in the order in which they are let loose. */
export const kinds: ReadonlyArray<Kind> = [
  "datagrams",
  "adverts",
  "handshakesOutside",
  "handshakesCut",
  "handshakesWhole",
  "halfOpen",
  "halfOpenSpread"
]

export interface Calls {
  readonly made: number
  readonly failures: ReadonlyArray<string>
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly most: number
}

export interface Row {
  readonly kind: Kind
  readonly flooded: Flooded
  readonly calls: Calls
  readonly before: ReadonlyArray<Held>
  readonly after: ReadonlyArray<Held>
}

const quantile = (sorted: ReadonlyArray<number>, q: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN

/** Two honest nodes of a network with a key. */
export const pair: Effect.Effect<
  { readonly harness: Harness.Harness; readonly alice: Harness.NodeProcess; readonly bob: Harness.NodeProcess },
  never,
  Scope.Scope
> = Effect.gen(function*() {
  const harness = yield* Harness.make({ networkKey: `${randomBytes(32).toString("base64url")}=` })
  const [alice, bob] = yield* Effect.all([harness.start("alice"), harness.start("bob")], { concurrency: 2 })
  yield* alice.ask("await", { peers: ["bob"] })
  yield* bob.ask("await", { peers: ["alice"] })
  return { harness, alice, bob }
})

/** Alice calls bob, 50 times a second. */
export const calls = (alice: Harness.NodeProcess, seconds: number): Effect.Effect<Calls> =>
  Effect.map(alice.ask("load", { peer: "bob", rate: 50, seconds }), ({ failures, times }) => {
    const sorted = times.toSorted((a, b) => a - b)
    return {
      made: times.length + failures.length,
      failures,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      most: quantile(sorted, 1)
    }
  })

/** What both hold now. */
export const memory = ({ alice, bob }: Effect.Success<typeof pair>): Effect.Effect<ReadonlyArray<Held>> =>
  Effect.all([alice.ask("memory", {}), bob.ask("memory", {})], { concurrency: 2 })

/** Lets a flood loose on both, for as long as alice calls, and measures what they hold while it still goes on. */
export const measure = (
  both: Effect.Success<typeof pair>,
  kind: Kind,
  seconds: number,
  before: ReadonlyArray<Held>
): Effect.Effect<Row> =>
  Effect.gen(function*() {
    const { alice, bob, harness } = both
    const [[measured, after], flooded] = yield* harness.flood(
      kind,
      [alice, bob],
      Effect.all([calls(alice, seconds), memory(both)])
    )
    return { kind, flooded, calls: measured, before, after }
  })

/** By how much a node grew, in bytes, collected garbage left out. */
export const growth = ({ after, before }: Row): ReadonlyArray<number> =>
  after.map(({ external, heap }, i) => external + heap - before[i]!.external - before[i]!.heap)

/** How often a node counted something while a flood went on, of both nodes together. */
export const counted = ({ after, before }: Row): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  after.forEach((held, i) => {
    for (const [name, count] of Object.entries(held.counts)) {
      const more = count - (before[i]!.counts[name] ?? 0)
      if (more > 0) counts[name] = (counts[name] ?? 0) + more
    }
  })
  return counts
}
