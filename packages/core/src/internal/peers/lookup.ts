/** Names to peers: the one of a name, or the error that says why there is none. Nothing is made for an error that nobody gets. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { NodeClosedError } from "../../FunctionError.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { NodeName } from "../../Packet.ts"
import { NameConflictError, type Peer, PeerUnknownError } from "../../Peers.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type { Conflicts } from "./conflicts.ts"
import type { LeftOut } from "./leftOut.ts"
import type { Presence } from "./presence.ts"
import type { Table } from "./table.ts"

// How many obstacles and known names an error has.
const obstaclesTold = 5
const namesTold = 10

interface Parts {
  readonly config: NodeConfig["Service"]
  readonly table: Table
  readonly presence: Presence
  readonly conflicts: Conflicts
  readonly leftOut: LeftOut
  readonly now: () => number
}

export class Lookup {
  readonly #parts: Parts
  #closed = false

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** The node is closed, and knows nobody any more. Who waits for somebody learns of it at once. */
  close(): void {
    this.#closed = true
    this.#parts.presence.wake()
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The one peer of a name, where there is no doubt about it. */
  now(name: string): Peer | undefined {
    return this.#closed ? undefined : this.#parts.table.only(name)?.as(name)
  }

  /** The one peer of a name. Who waits for it looks at each change, so that nothing is made here for an error. */
  get(name: string): Effect.Effect<Peer | undefined> {
    const { conflicts, table } = this.#parts
    return Effect.suspend(() => {
      // Nearly always, and on the way of every call.
      const only = this.now(name)
      if (only !== undefined) return Effect.succeed(only)
      const entries = table.named(name)
      const [first] = entries
      if (first === undefined || this.#closed) return Effect.undefined
      if (entries.length === 1) return Effect.succeed(first.as(name))
      // Of several, the one that the name is known to belong to.
      return Effect.map(
        conflicts.expected(name as NodeName),
        (expected) => entries.find(({ peer }) => peer.publicKey === expected)?.as(name)
      )
    })
  }

  /** Something at once, and again after each event; fails when the node is closed. For who waits for somebody. */
  get news(): Stream.Stream<void, NodeClosedError> {
    return Stream.mapEffect(
      this.#parts.presence.news,
      () => this.#closed ? Effect.fail(this.closedError) : Effect.void
    )
  }

  /** Of some names, or of all, the peers that are there. */
  those(target: string | ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Peer>> {
    return target === "*"
      ? Effect.sync(() => this.#parts.presence.all)
      : Effect.map(
        Effect.forEach(typeof target === "string" ? [target] : [...new Set(target)], (name) => this.get(name)),
        (peers) => peers.filter((peer) => peer !== undefined)
      )
  }

  resolve(
    target: string | ReadonlyArray<string>
  ): Effect.Effect<ReadonlyArray<Peer>, PeerUnknownError | NameConflictError | NodeClosedError> {
    return Effect.suspend((): ReturnType<Lookup["resolve"]> =>
      this.#closed
        ? Effect.fail(this.closedError)
        : target === "*"
        ? Effect.succeed(this.#parts.presence.all)
        : typeof target === "string"
        ? Effect.map(this.resolveOne(target), (peer) => [peer])
        : Effect.forEach([...new Set(target)], (name) => this.resolveOne(name))
    )
  }

  /** Of a node that is closed, which is what whoever calls has to know. */
  get closedError(): NodeClosedError {
    return new NodeClosedError({ node: this.#parts.config.name })
  }

  resolveOne(name: string): Effect.Effect<Peer, PeerUnknownError | NameConflictError | NodeClosedError> {
    return Effect.flatMap(this.get(name), (
      peer
    ): Effect.Effect<Peer, PeerUnknownError | NameConflictError | NodeClosedError> => {
      if (peer !== undefined) return Effect.succeed(peer)
      if (this.#closed) return Effect.fail(this.closedError)
      const publicKeys = this.#sharing(name)
      return publicKeys.length < 2
        ? this.unknown(name)
        : Effect.fail(new NameConflictError({ peer: name as NodeName, publicKeys }))
    })
  }

  /** The peer of a name as it is now, and after each change. */
  presenceOf(name: string): Stream.Stream<Peer | undefined> {
    return this.#parts.presence.news.pipe(
      Stream.mapEffect(() => this.get(name)),
      Stream.changes
    )
  }

  /** The peer of a name, however long it takes to come. */
  there(name: string): Effect.Effect<Peer> {
    return this.#comes(name, this.#parts.presence.news)
  }

  awaitPeer(name: string, timeout: Duration.Input): Effect.Effect<Peer, PeerUnknownError | NodeClosedError> {
    return Effect.suspend((): Effect.Effect<Peer, PeerUnknownError | NodeClosedError> => {
      if (this.#closed) return Effect.fail(this.closedError)
      // This node does not come to itself, however long it waits.
      if (name === this.#parts.config.name) return this.unknown(name)
      return Effect.timeoutOrElse(this.#comes(name, this.news), {
        duration: timeout,
        orElse: () => this.unknown(name, Duration.fromInputUnsafe(timeout))
      })
    })
  }

  #comes<E>(name: string, news: Stream.Stream<void, E>): Effect.Effect<Peer, E> {
    return news.pipe(
      Stream.mapEffect(() => this.get(name)),
      Stream.filter((peer) => peer !== undefined),
      Stream.runHead,
      // The stream does not end.
      Effect.flatMap((head) => Effect.orDie(Effect.fromOption(head)))
    )
  }

  /** Why nobody is known under a name, or of those whom `target` says more of. */
  unknown(
    name: string,
    waited?: Duration.Duration,
    target?: PeerUnknownError["target"]
  ): Effect.Effect<never, PeerUnknownError> {
    const { config, conflicts, leftOut, now } = this.#parts
    if (target !== undefined) {
      return Effect.suspend(() =>
        Effect.fail(
          new PeerUnknownError({
            peer: name,
            known: this.#knownNames(),
            ...(waited === undefined ? {} : { waited }),
            target
          })
        )
      )
    }
    return Effect.flatMap(conflicts.expected(name as NodeName), (expected) => {
      const claim = conflicts.lastClaim(name)
      const known = this.#knownNames()
      const sharedBy = this.#sharing(name)
      const left = leftOut.why(name)
      // Where somebody is known, other networks are as they should be. Where the bound that left this name out is known, no other did.
      const others = config.obstacles.now(now()).filter(({ kind }) =>
        kind === "Limit" ? left === undefined : kind !== "NetworkId" || known.length === 0
      )
      const obstacles = [...left === undefined ? [] : [left], ...others].slice(0, obstaclesTold)
      return Effect.fail(
        new PeerUnknownError({
          peer: name,
          known,
          ...(waited === undefined ? {} : { waited }),
          ...(obstacles.length === 0 ? {} : { obstacles }),
          ...(name === config.name ? { self: true } : {}),
          ...(sharedBy.length < 2 ? {} : { sharedBy }),
          ...(claim === undefined || expected === undefined ? {} : {
            conflict: { expected, publicKey: claim.publicKey, source: claim.source }
          })
        })
      )
    })
  }

  /** The first names that are known. */
  #knownNames(): ReadonlyArray<string> {
    const known = new Set<string>()
    for (const { name } of this.#parts.presence.all) if (known.add(name).size === namesTold) break
    return [...known]
  }

  /** The keys of those who use a name that belongs to none of them. */
  #sharing(name: string): ReadonlyArray<PublicKey> {
    return this.#closed ? [] : this.#parts.table.named(name).map(({ peer }) => peer.publicKey)
  }
}
