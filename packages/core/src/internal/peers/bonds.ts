/**
 * Effects that are bound to a peer, and end when it is gone. What they are bound to is the peer under the name that it was asked for by: who
 * takes the name later, or the same key under another name, is somebody else.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Endpoint } from "../../Network.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import { type NameConflictError, type Peer, PeerLostError, type PeerScope, type PeerUnknownError } from "../../Peers.ts"
import type { PublicKey } from "../../PublicKey.ts"
import { quote } from "../base/quote.ts"
import { remember } from "../base/remember.ts"
import type { Lookup } from "./lookup.ts"
import type { Presence } from "./presence.ts"
import type { Table } from "./table.ts"
import type { Watcher, Watchers } from "./watchers.ts"

/** A peer, and how it is known that it is gone. */
interface Bound {
  readonly peer: Peer
  readonly watcher: Watcher
}

/** Says what keeps an effect from being run for a peer. */
type Tell = (publicKey: PublicKey, error: Error) => Effect.Effect<void>

/**
 * Whether a failure is that the peer could not be reached, or refused this node: a fault of its own, which ends nothing but
 * what is run for it. An error that names another peer, or none, is somebody else's.
 */
const isFaultOf = (error: unknown, { name, publicKey }: Peer, endpoints: ReadonlyArray<Endpoint>): error is Error => {
  if (!(error instanceof Error)) return false
  if (error instanceof PeerLostError) return error.publicKey === publicKey
  const named = error as Error & Readonly<Record<string, unknown>>
  switch (named["_tag"]) {
    case "DialError":
      return named["peer"] === name ||
        endpoints.some(({ host, port }) => host === named["host"] && port === named["port"])
    case "UntrustedPeerError":
      return named["publicKey"] === publicKey
    case "ProtocolError":
      return named["peer"] === name
    case "StreamResetError":
      return named["peer"] === name && (named["code"] === "going_away" || named["code"] === "refused") &&
        named["remote"] === true
    default:
      return false
  }
}

interface Parts {
  readonly config: NodeConfig["Service"]
  readonly table: Table
  readonly presence: Presence
  readonly watchers: Watchers
  readonly lookup: Lookup
}

export class Bonds {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  whileOnline<A, E, R>(
    name: string,
    use: (peer: Peer) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | PeerLostError | PeerUnknownError | NameConflictError, R> {
    return Effect.acquireUseRelease(
      this.#bind(name),
      (bound) => this.#guard(bound, Effect.suspend(() => use(bound.peer))),
      (bound) => this.#release(bound)
    )
  }

  wheneverOnline<A, E, R>(name: string, use: (peer: Peer) => Effect.Effect<A, E, R>): Effect.Effect<never, E, R> {
    return name === "*" ? this.#forEach(use) : Effect.suspend(() => {
      const tell = this.#telling()
      return Effect.forever(
        Effect.flatMap(this.#parts.lookup.there(name), (peer) => this.#untilGone(peer, use, tell))
      )
    })
  }

  scoped(name: string): Effect.Effect<PeerScope, PeerUnknownError | NameConflictError, Scope.Scope> {
    return Effect.gen({ self: this }, function*() {
      const outer = yield* Effect.scope
      const bound = yield* Effect.acquireRelease(this.#bind(name), (bound) => this.#release(bound))
      const { peer, watcher } = bound
      const scope = yield* Scope.fork(outer)
      yield* Effect.forkIn(
        Effect.catch(
          Deferred.await(watcher.lost),
          (error) => Effect.uninterruptible(Scope.close(scope, Exit.fail(error)))
        ),
        outer
      )
      return { peer, scope, lost: Deferred.await(watcher.lost), run: (effect) => this.#guard(bound, effect) }
    })
  }

  /** Fails when the peer of a key is gone, whatever its name. */
  lost(publicKey: PublicKey): Effect.Effect<never, PeerLostError> {
    const { watchers } = this.#parts
    return Effect.suspend(() => {
      const watcher = watchers.watch(publicKey, "")
      return Effect.ensuring(Deferred.await(watcher.lost), watchers.unwatch(publicKey, "", watcher))
    })
  }

  /** Whether a key is there that has not proved another name. */
  #isThere({ name, publicKey }: Peer): boolean {
    const entry = this.#parts.table.find(publicKey)
    return entry !== undefined && (entry.fixed !== "proved" || entry.peer.name === name)
  }

  #bind(name: string): Effect.Effect<Bound, PeerUnknownError | NameConflictError> {
    const { lookup } = this.#parts
    return Effect.flatMap(lookup.resolveOne(name), (peer) =>
      Effect.suspend(() => {
        const bound = this.#bindPeer(peer)
        return bound === undefined ? lookup.unknown(name) : Effect.succeed(bound)
      }))
  }

  /** In one step with the look at the table, so that nothing that happens to the peer is missed. */
  #bindPeer(peer: Peer): Bound | undefined {
    return this.#isThere(peer) ? { peer, watcher: this.#parts.watchers.watch(peer.publicKey, peer.name) } : undefined
  }

  #release({ peer, watcher }: Bound): Effect.Effect<void> {
    return this.#parts.watchers.unwatch(peer.publicKey, peer.name, watcher)
  }

  /** Runs an effect until the peer is gone. What fails in it because of that fails with that. */
  #guard<A, E, R>(
    { peer, watcher: { lost } }: Bound,
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | PeerLostError, R> {
    return Effect.catchCause(
      Effect.raceFirst(Deferred.await(lost), effect),
      (cause): Effect.Effect<never, E | PeerLostError> =>
        // Taken off the table: the others are told in the same turn.
        (Deferred.isDoneUnsafe(lost) || !this.#isThere(peer)) && !Cause.hasDies(cause)
          ? Deferred.await(lost)
          : Effect.failCause(cause)
    )
  }

  /** Runs an effect while a peer is there under its name, and waits until it is gone. */
  #untilGone<A, E, R>(
    peer: Peer,
    use: (peer: Peer) => Effect.Effect<A, E, R>,
    tell: Tell
  ): Effect.Effect<void, E, R> {
    const { config, table } = this.#parts
    const endpoints = () => [...peer.endpoints, ...table.find(peer.publicKey)?.peer.endpoints ?? []]
    return Effect.acquireUseRelease(
      Effect.sync(() => this.#bindPeer(peer)),
      (bound): Effect.Effect<void, E, R> => {
        if (bound === undefined) return Effect.void
        const { lost } = bound.watcher
        return Effect.catch(
          this.#guard(bound, Effect.andThen(use(bound.peer), Effect.never)),
          (error: E | PeerLostError) =>
            isFaultOf(error, peer, endpoints())
              ? Deferred.isDoneUnsafe(lost)
                ? Effect.void
                // It could not be reached, or only a connection was lost.
                : Effect.andThen(
                  tell(peer.publicKey, error),
                  Effect.raceFirst(Effect.sleep(config.broadcastInterval), Effect.ignore(Deferred.await(lost)))
                )
              : Effect.fail(error as E)
        )
      },
      (bound) => bound === undefined ? Effect.void : this.#release(bound)
    )
  }

  /** Runs an effect for each peer while it is there. */
  #forEach<A, E, R>(use: (peer: Peer) => Effect.Effect<A, E, R>): Effect.Effect<never, E, R> {
    const { presence, table } = this.#parts
    return Effect.scoped(Effect.gen({ self: this }, function*() {
      const failed = Deferred.makeUnsafe<never, E>()
      const following = new Set<PublicKey>()
      const tell = this.#telling()
      const follow = (publicKey: PublicKey): Effect.Effect<void, E, R> =>
        Effect.suspend(() => {
          // It may be back, or there under another name, before this one had ended.
          const entry = table.find(publicKey)
          if (entry !== undefined) {
            return Effect.flatMap(this.#untilGone(entry.peer, use, tell), () => follow(publicKey))
          }
          following.delete(publicKey)
          return Effect.void
        })
      const all = Stream.runForEach(
        SubscriptionRef.changes(presence.latest),
        (peers) =>
          Effect.forEach(peers, ({ publicKey }) => {
            if (following.has(publicKey)) return Effect.void
            following.add(publicKey)
            return Effect.forkScoped(
              Effect.catchCause(follow(publicKey), (cause) => Deferred.failCause(failed, cause))
            )
          }, { discard: true })
      )
      return yield* Effect.raceFirst(Deferred.await(failed), Effect.andThen(all, Effect.never))
    }))
  }

  /** Once for each reason, and not what every lost connection says. */
  #telling(): Tell {
    const { config: { broadcastInterval, limits }, table } = this.#parts
    const told = new Map<PublicKey, string>()
    return (publicKey, error) =>
      Effect.suspend(() => {
        const { message } = error
        if (error instanceof PeerLostError || told.get(publicKey) === message) return Effect.void
        remember(told, publicKey, message, limits.provedPeers)
        return Effect.logWarning(
          `what runs while ${
            quote(table.find(publicKey)?.peer.name ?? "a peer")
          } is there has failed, and begins anew in ${Duration.format(broadcastInterval)}: ${message}`
        )
      })
  }
}
