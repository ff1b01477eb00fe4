/**
 * The engine of a service among this node's peers: those that offer it are in it as they come and go, with what they say of their room, and
 * what happens to them is in the log.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Balance from "../../Balance.ts"
import type { Peer, Peers, Where } from "../../Peers.ts"
import { quote } from "../base/quote.ts"
import * as Seldom from "../base/seldom.ts"
import type { Pool, PoolEvent } from "./pool.ts"
import type { Verdict } from "./run.ts"
import * as Service from "./service.ts"

export interface Options<E> {
  readonly peers: Peers["Service"]
  readonly where: Where
  /** What it is called in errors and the log. */
  readonly service: string
  readonly policy: Balance.Policy<any, any> | undefined
  readonly settings: Balance.Settings
  readonly classify: (error: E) => Verdict
  readonly closed: () => E
}

/** Who is in the engine, by their keys. */
class Members {
  readonly #known = new Map<string, Peer>()

  nameOf(id: string): string {
    return this.#known.get(id)?.name ?? id
  }

  /** Tells the engine of those who are others than before. */
  enter(pool: Pool<Peer>, found: ReadonlyArray<Peer>): void {
    const known = this.#known
    const there = new Set<string>()
    for (const peer of found) there.add(peer.publicKey)
    for (const id of known.keys()) {
      if (there.has(id)) continue
      pool.remove(id)
      known.delete(id)
    }
    for (const peer of found) {
      if (known.get(peer.publicKey) === peer) continue
      known.set(peer.publicKey, peer)
      const { capacity, draining } = peer.offer ?? {}
      pool.set({ id: peer.publicKey, peer, capacity, draining: draining === true })
    }
  }
}

const line = (service: string, name: string, event: PoolEvent): Effect.Effect<void> =>
  event._tag === "BackIn"
    ? Effect.logInfo(`${quote(name)} answers calls of ${quote(service)} again, and is given them`)
    : Effect.logWarning(
      `${quote(name)} is left out of ${quote(service)} for ${
        Math.round(event.forMillis)
      } ms: ${event.failures} calls in a row failed there`
    )

/** An engine, and how it is told at once who is there. */
export interface Followed<E> {
  /** What it is called in errors. */
  readonly name: string
  readonly service: Service.Service<Peer, E>
  readonly enter: (found: ReadonlyArray<Peer>) => void
}

/** Asks peers what they offer, and keeps up with it, until the scope closes. */
export const follow = <E>(options: Options<E>): Effect.Effect<Followed<E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { peers, service: name, where } = options
    const lines = Seldom.lines(yield* Clock.Clock)
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const members = new Members()
    const service = yield* Service.make<Peer, E>({
      ...options,
      report: (event) => {
        const peer = members.nameOf(event.id)
        fork(
          lines(
            `${event._tag} ${event.id}`,
            event._tag,
            (more) => Effect.suspend(() => line(name, `${peer}${more}`, event))
          )
        )
      }
    })
    yield* peers.interested
    yield* Effect.forkScoped(
      Stream.runForEach(peers.matching(where), (found) => Effect.sync(() => members.enter(service.pool, found))),
      { startImmediately: true }
    )
    return { name, service, enter: (found) => members.enter(service.pool, found) }
  })

/** The engine alone. */
export const make = <E>(options: Options<E>): Effect.Effect<Service.Service<Peer, E>, never, Scope.Scope> =>
  Effect.map(follow(options), ({ service }) => service)
