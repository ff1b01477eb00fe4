/**
 * Effects that are bound to a peer, and end when it is gone. What they are bound to is the peer under the name that it was asked for by: who
 * takes the name later, or the same key under another name, is somebody else.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { NodeClosedError } from "../../FunctionError.ts"
import type { Endpoint } from "../../Network.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import {
  type NameConflictError,
  type Peer,
  PeerLostError,
  type PeerScope,
  type PeerUnknownError,
  type Target,
  type WheneverOnline,
  type WheneverOptions,
  type Where
} from "../../Peers.ts"
import type { PublicKey } from "../../PublicKey.ts"
import { quote } from "../base/quote.ts"
import { remember } from "../base/remember.ts"
import type { Choice } from "./choice.ts"
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

/**
 * What a failure of a call to a peer is that shows that it is gone before that is known; `undefined` where it is something else, or a
 * `PeerLostError` already.
 */
const goneBy = (error: unknown, peer: Peer, endpoints: ReadonlyArray<Endpoint>): PeerLostError | undefined => {
  if (!isFaultOf(error, peer, endpoints)) return undefined
  const { _tag: tag, code, kind } = error as Error & Readonly<Record<string, unknown>>
  const reason = tag === "DialError"
    ? kind === "Refused" ? "Refused" : kind === "NoEndpoint" ? "SessionEnded" : "NoAnswer"
    : tag === "StreamResetError" && code === "going_away"
    ? "Disconnected"
    : undefined
  if (reason === undefined) return undefined
  const [endpoint] = endpoints
  return new PeerLostError({
    peer: peer.name,
    publicKey: peer.publicKey,
    ...(endpoint === undefined ? {} : { endpoint }),
    reason,
    mayHaveRun: tag !== "DialError"
  })
}

const failed = (peer: Peer, cause: Cause.Cause<unknown>) =>
  Effect.logError(
    `what runs while ${quote(peer.name)} is there has failed, and is not run again before it is started anew`,
    cause
  )

const everybody = (presence: Presence) => ({ look: Effect.sync(() => presence.all), fits: () => true })

interface Parts {
  readonly config: NodeConfig["Service"]
  readonly table: Table
  readonly presence: Presence
  readonly watchers: Watchers
  readonly lookup: Lookup
  readonly choice: Choice
}

export class Bonds {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  whileOnline<A, E, R>(
    name: string,
    use: (peer: Peer) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | PeerLostError | PeerUnknownError | NameConflictError | NodeClosedError, R> {
    return Effect.acquireUseRelease(
      this.#bind(name),
      (bound) =>
        Effect.catch(
          this.#guard(bound, Effect.suspend(() => use(bound.peer))),
          (error) => Effect.fail(goneBy(error, bound.peer, this.#endpointsOf(bound.peer)) ?? error)
        ),
      (bound) => this.#release(bound)
    )
  }

  readonly wheneverOnline: WheneverOnline = <E, R, R2>(
    target: Target,
    use: (peer: Peer) => Effect.Effect<unknown, E, R>,
    options: WheneverOptions<E, R2> = {}
  ): Effect.Effect<never, never, R | R2> => {
    if (typeof target !== "string" || target === "*") return this.#forEach(target, use, options)
    return Effect.suspend(() => {
      const tell = this.#telling()
      // It fails as the effect does: the type says so to whoever calls.
      return Effect.forever(
        Effect.flatMap(this.#parts.lookup.there(target), (peer) => this.#untilGone(peer, use, tell))
      ) as Effect.Effect<never, never, R>
    })
  }

  scoped(name: string): Effect.Effect<PeerScope, PeerUnknownError | NameConflictError | NodeClosedError, Scope.Scope> {
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
      const run: PeerScope["run"] = (effect) =>
        Effect.catch(
          this.#guard(bound, effect),
          (error) => Effect.fail(goneBy(error, peer, this.#endpointsOf(peer)) ?? error)
        )
      return { peer, scope, lost: Deferred.await(watcher.lost), run }
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

  #bind(name: string): Effect.Effect<Bound, PeerUnknownError | NameConflictError | NodeClosedError> {
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

  #endpointsOf(peer: Peer): ReadonlyArray<Endpoint> {
    return [...peer.endpoints, ...this.#parts.table.find(peer.publicKey)?.peer.endpoints ?? []]
  }

  /**
   * Runs an effect while a peer is there under its name, and waits until it is gone, or was started anew since it began. What it fails
   * with ends it where there is nobody to give it to.
   */
  #untilGone<E, R, R2 = never>(
    peer: Peer,
    use: (peer: Peer) => Effect.Effect<unknown, E, R>,
    tell: Tell,
    onFailure?: (peer: Peer, cause: Cause.Cause<E>) => Effect.Effect<unknown, never, R2>
  ): Effect.Effect<void, E, R | R2> {
    const { config } = this.#parts
    return Effect.acquireUseRelease(
      Effect.sync(() => this.#bindPeer(peer)),
      (bound): Effect.Effect<void, E, R | R2> => {
        if (bound === undefined) return Effect.void
        const { anew, lost } = bound.watcher
        const gone = Effect.ignore(Deferred.await(lost))
        const after = Effect.raceFirst(Deferred.await(anew), gone)
        return Effect.catchCause(
          Effect.andThen(this.#guard(bound, Effect.suspend(() => use(bound.peer))), after),
          (cause): Effect.Effect<void, E, R | R2> => {
            const failure = Cause.findError(cause)
            const error = Result.isSuccess(failure) && !Cause.hasDies(cause) ? failure.success : undefined
            if (isFaultOf(error, peer, this.#endpointsOf(peer))) {
              return Deferred.isDoneUnsafe(lost)
                ? Effect.void
                // It could not be reached, or only a connection was lost.
                : Effect.andThen(
                  tell(peer.publicKey, error),
                  Effect.raceFirst(Effect.sleep(config.broadcastInterval), gone)
                )
            }
            return onFailure === undefined
              ? Effect.failCause(cause as Cause.Cause<E>)
              : Effect.andThen(onFailure(peer, cause as Cause.Cause<E>), after)
          }
        )
      },
      (bound) => bound === undefined ? Effect.void : this.#release(bound)
    )
  }

  /** Runs an effect for each peer while it is there, and offers what is asked for. */
  #forEach<E, R, R2>(
    target: Target,
    use: (peer: Peer) => Effect.Effect<unknown, E, R>,
    options: WheneverOptions<E, R2>
  ): Effect.Effect<never, never, R | R2> {
    const { choice, presence, table } = this.#parts
    return Effect.scoped(Effect.gen({ self: this }, function*() {
      const followed = new Map<PublicKey, Deferred.Deferred<void>>()
      const tell = this.#telling()
      const onFailure = (peer: Peer, cause: Cause.Cause<E>) =>
        Effect.catchCause(options.onFailure?.(peer, cause) ?? failed(peer, cause), (cause) => failed(peer, cause))
      const { fits, look } = target === "*" ? everybody(presence) : yield* choice.following(target as Where)
      const follow = (publicKey: PublicKey, unfit: Deferred.Deferred<void>): Effect.Effect<void, never, R | R2> =>
        Effect.suspend(() => {
          // It may be back, or there under another name, before this one had ended.
          const entry = table.find(publicKey)
          if (entry !== undefined && !Deferred.isDoneUnsafe(unfit)) {
            return Effect.flatMap(
              Effect.raceFirst(
                // Whatever it fails with is given to `onFailure`.
                Effect.orDie(this.#untilGone(entry.peer, use, tell, onFailure)),
                Deferred.await(unfit)
              ),
              () => follow(publicKey, unfit)
            )
          }
          followed.delete(publicKey)
          return Effect.void
        })
      const all = Stream.runForEach(
        presence.news,
        () =>
          Effect.flatMap(look, (peers) => {
            for (const [publicKey, unfit] of followed) {
              const peer = table.find(publicKey)?.peer
              if (peer !== undefined && !fits(peer)) Deferred.doneUnsafe(unfit, Effect.void)
            }
            return Effect.forEach(peers, ({ publicKey }) => {
              if (followed.has(publicKey)) return Effect.void
              const unfit = Deferred.makeUnsafe<void>()
              followed.set(publicKey, unfit)
              return Effect.forkScoped(follow(publicKey, unfit))
            }, { discard: true })
          })
      )
      return yield* Effect.andThen(all, Effect.never)
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
