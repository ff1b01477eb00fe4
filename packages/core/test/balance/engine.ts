/** An engine by itself: its peers are texts, and what an attempt comes to is said by each test. */
import { assert } from "@effect/vitest"
import { Balance } from "@pnet/core"
import { Effect } from "effect"
import type { Kind, KindOptions } from "../../src/internal/balance/kind.ts"
import type { Verdict } from "../../src/internal/balance/run.ts"
import * as Service from "../../src/internal/balance/service.ts"

/** What an attempt of these tests fails with: it says itself what it means. */
export class Failed {
  readonly verdict: Verdict
  readonly peer: string
  constructor(verdict: Verdict, peer: string) {
    this.verdict = verdict
    this.peer = peer
  }
}

export const closed = new Failed("final", "closed")

export interface Options {
  readonly peers?: ReadonlyArray<string>
  readonly capacity?: number
  readonly policy?: Balance.Policy<any, any>
  readonly settings?: Parameters<typeof Balance.settings>[0]
  readonly nobody?: (error: Balance.NobodyThereError) => unknown
  readonly classify?: (error: Failed) => Verdict
}

export const make = (options: Options = {}) =>
  Effect.gen(function*() {
    const events: Array<string> = []
    const service = yield* Service.make<string, Failed>({
      service: "work",
      policy: options.policy ?? Balance.roundRobin,
      settings: yield* Balance.settings(options.settings),
      classify: options.classify ?? (({ verdict }) => verdict),
      closed: () => closed,
      nobody: options.nobody,
      report: ({ _tag, id }) => events.push(`${_tag} ${id}`)
    })
    for (const id of options.peers ?? ["a", "b", "c"]) {
      service.pool.set({ id, peer: id, capacity: options.capacity, draining: false })
    }
    const tried: Array<string> = []
    const call = (
      kind: Kind,
      attempt: (peer: string) => Effect.Effect<string, Failed>,
      caller?: string
    ) =>
      service.run(kind, (peer) => {
        tried.push(peer)
        return attempt(peer)
      }, { caller })
    const kind = (kindOptions?: KindOptions) => service.function("work", kindOptions)
    return {
      service,
      pool: service.pool,
      call,
      kind,
      plain: kind(),
      idempotent: kind({ idempotent: true }),
      tried,
      events
    }
  })

export type Made = Effect.Success<ReturnType<typeof make>>

export const fail = (verdict: Verdict) => (peer: string) => Effect.fail(new Failed(verdict, peer))
export const ok = (peer: string) => Effect.succeed(peer)
export const isIdle = ({ pool }: { readonly pool: Service.Service<string, Failed>["pool"] }) => {
  assert.strictEqual(pool.pending, 0)
  assert.strictEqual(pool.waiting, 0)
  for (const endpoint of pool.endpoints) assert.strictEqual(endpoint.pending, 0, endpoint.id)
}
export const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkScoped(effect, { startImmediately: true })
