/**
 * How nodes find each other (protocol section 7). `UdpDiscovery` broadcasts adverts and hears those of others; `StaticDiscovery`
 * asks at addresses it is given; `layerMerged` is two ways at once. Another way of finding nodes is another layer.
 *
 * Discovery tells what it saw and judges nothing: a `Sighting` is a hint, and `Peers` decides what becomes of it.
 *
 * What bites: whoever enters a sighting that is new or has changed must run its `answer`, which is how the newcomer learns
 * of this node at once and not an interval later.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { allTo, together } from "./internal/base/together.ts"
import type { Endpoint } from "./Network.ts"
import type { NodeName } from "./Packet.ts"
import type { PublicKey } from "./PublicKey.ts"
import * as Why from "./Why.ts"

/**
 * A node was heard of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sighting {
  readonly name: NodeName
  readonly publicKey: PublicKey
  /** Where it says it listens. Port 0: it is leaving. */
  readonly endpoint: Endpoint
  /** Where the advert came from. */
  readonly source: Endpoint
  /** How it was heard of: `broadcast`, `static` (its address is listed, so that the operator vouches for it), or what another way calls itself. */
  readonly via: string
  /** Whether it came from this very machine. Default `false`. */
  readonly local?: boolean | undefined
  /**
   * Whether it came with a question, which somebody may have kept and sent again: it is a sign of life, and does not change where a known peer
   * is asked. Default `false`.
   */
  readonly asks?: boolean | undefined
  /**
   * Until when the node is known to have been there, in milliseconds of `Deadline.nowUnsafe`: now, as long as it is; `-Infinity` when it has left. A discovery
   * that keeps who is there says so with it, and need not sight it again and again. Whoever entered the sighting looks at it at least every three broadcast
   * intervals. One that is not looked at has to be given again. Default: it was there when it was sighted.
   */
  readonly thereUntil?: (() => number) | undefined
  /**
   * Tells the node of this one, at most as often as the protocol allows. To be run when the sighting is new or changed. It may be made when
   * it is read: a sighting is passed on as it is, not as a copy of its fields.
   */
  readonly answer: Effect.Effect<void>
}

/**
 * What is told of the peers of a node to a discovery whose nodes all hear each other.
 *
 * @category models
 * @since 0.2.0
 */
export interface Known {
  /** How many there are. */
  readonly size: () => number
  /** Their keys. */
  readonly keys: () => Iterable<PublicKey>
  /**
   * Another node says that it is in doubt about a key, which proves nothing: the peer is asked, at a bounded rate, of which each host that
   * says so has its share.
   */
  readonly doubted: (publicKey: PublicKey, host?: string) => void
}

/**
 * What a discovery whose nodes all hear each other has for many of them (protocol section 7, "A crowd"), where adverts become so seldom that
 * silence tells little: their peers are asked. Of few only those are asked that were not heard for 2.25 intervals.
 *
 * @category models
 * @since 0.2.0
 */
export interface Crowd {
  /** Is told of the peers, once, by who keeps them. */
  readonly attend: (known: Known) => void
  /** How long a node is silent between its adverts at the moment, in milliseconds: with few of them `broadcastInterval`. */
  readonly interval: () => number
  /** Asks the node at the source of an advert to say its advert, and says whether it could be asked at all. */
  readonly who: (source: Endpoint) => Effect.Effect<boolean>
  /** Tells the other nodes, in a while, that a peer may be gone; unless it is not in doubt `still`. */
  readonly doubt: (publicKey: PublicKey, still: () => boolean) => Effect.Effect<void>
}

/**
 * When a peer that is at an endpoint was heard last, by whatever way, in milliseconds of `Deadline.nowUnsafe`; `undefined` where no peer with this
 * key is known to be there.
 *
 * @category models
 * @since 0.2.0
 */
export type HeardAt = (publicKey: PublicKey, endpoint: Endpoint) => number | undefined

/**
 * Discovery cannot work here.
 *
 * - `PortInUse`: a program that does not share the advertise port holds it
 * - `AddressNotAvailable`: no interface that is up has the address of `bindIp`
 * - `BroadcastImpossible`: the system forbids broadcasts on every interface
 *
 * @category errors
 * @since 0.1.0
 */
export class DiscoveryError extends Schema.TaggedError<DiscoveryError>("@pnet/core/Discovery/DiscoveryError")(
  "DiscoveryError",
  {
    kind: Schema.Literals(["PortInUse", "AddressNotAvailable", "PermissionDenied", "BroadcastImpossible", "Unknown"]),
    /** The address of the socket that failed. */
    address: Schema.String,
    /** The advertise port. */
    port: Schema.Number,
    cause: Schema.optionalKey(Schema.Defect())
  }
) {
  override get message() {
    switch (this.kind) {
      case "PortInUse":
        return Why.see(
          `cannot hear adverts: UDP port ${this.port} is held by a program that does not share it; stop that program, or use another advertisePort on the whole network`,
          "port-in-use"
        )
      case "AddressNotAvailable":
        return Why.see(
          `cannot advertise from ${this.address}: no network interface that is up has this IPv4 address; bind to one that has, or to 0.0.0.0`,
          "no-such-address"
        )
      case "PermissionDenied":
        return Why.see(
          `cannot hear adverts on ${this.address}, UDP port ${this.port}: the system does not permit it, by a policy, or, on Windows, since a program holds the port for itself; stop that program, or use another advertisePort on the whole network`,
          "permission-denied"
        )
      case "BroadcastImpossible":
        return Why.see(
          `cannot advertise from ${this.address}: the system forbids broadcasts (a firewall rule, a container or a VPN); allow UDP to port ${this.port}, or list the other nodes' addresses in peers`,
          "broadcast-forbidden"
        )
      case "Unknown":
        return Why.see(
          `cannot advertise from ${this.address}, UDP port ${this.port}: ${
            this.cause instanceof Error ? this.cause.message : "unknown cause"
          }`,
          "system-error"
        )
    }
  }
}

/**
 * How nodes find each other.
 *
 * @category services
 * @since 0.1.0
 */
export class Discovery extends Context.Service<Discovery, {
  /**
   * Tells the network that this node listens at the endpoint, again and again until the scope closes, and then that it leaves.
   * `undefined` is a node that listens nowhere: it looks for others and tells nobody.
   */
  readonly advertise: (self: Endpoint | undefined) => Effect.Effect<void, DiscoveryError, Scope.Scope>
  /** The nodes that are heard of, this one excepted. Has one reader. */
  readonly sightings: Stream.Stream<Sighting, DiscoveryError>
  /**
   * The same without a stream in between, where an implementation has it: each sighting is given to `take` at once, those that nobody has
   * read yet first, until the scope closes. `take` waits for nothing. `sightings` has none meanwhile.
   */
  readonly forEach?: ((take: (sighting: Sighting) => void) => Effect.Effect<void, never, Scope.Scope>) | undefined
  /** Where it asks for each node by itself: is told, once, by who keeps the peers, when each was heard last, and asks less for those that are heard by other ways. */
  readonly attend?: ((heardAt: HeardAt) => void) | undefined
  /** Where its nodes all hear each other, so that there can be too many. Sightings of theirs are those `via` `"broadcast"`. */
  readonly crowd?: Crowd | undefined
}>()("@pnet/core/Discovery") {}

/**
 * Where an implementation's sightings leave it: to whoever takes them at once, and else to a queue, of which the oldest are dropped where it is
 * full. What it has are `sightings` and `forEach` of a `Discovery`. For writing discoveries.
 *
 * @category models
 * @since 0.2.0
 */
export class Outlet {
  readonly #queue: Queue.Queue<Sighting>
  #take: ((sighting: Sighting) => void) | undefined

  private constructor(queue: Queue.Queue<Sighting>) {
    this.#queue = queue
  }

  /** At most `capacity` wait that nobody has taken. */
  static make(capacity: number): Effect.Effect<Outlet> {
    return Effect.map(Queue.sliding<Sighting>(capacity), (queue) => new Outlet(queue))
  }

  /** Hands a sighting on. It waits for nothing. */
  give(sighting: Sighting): void {
    if (this.#take === undefined) Queue.offerUnsafe(this.#queue, sighting)
    else this.#take(sighting)
  }

  /** `sightings` of a `Discovery`. */
  get stream(): Stream.Stream<Sighting> {
    return Stream.fromQueue(this.#queue)
  }

  /** `forEach` of a `Discovery`. */
  forEach(take: (sighting: Sighting) => void): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.map(Queue.clear(this.#queue), (waiting) => {
        this.#take = take
        for (const sighting of waiting) take(sighting)
      }),
      () =>
        Effect.sync(() => {
          if (this.#take === take) this.#take = undefined
        })
    )
  }
}

/**
 * Two ways of finding nodes as one. Where what one sees fails, the log says so, and the other goes on.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMerged = <E1, R1, E2, R2>(
  first: Layer.Layer<Discovery, E1, R1>,
  second: Layer.Layer<Discovery, E2, R2>
): Layer.Layer<Discovery, E1 | E2, R1 | R2> =>
  Layer.effect(
    Discovery,
    Effect.gen(function*() {
      const a = Context.get(yield* Layer.build(first), Discovery)
      const b = Context.get(yield* Layer.build(second), Discovery)
      const both = [a, b].map(({ forEach, sightings }) => ({
        what: "one of several discoveries",
        stream: sightings,
        forEach
      }))
      return {
        advertise: (self) => Effect.andThen(a.advertise(self), b.advertise(self)),
        sightings: together(both),
        forEach: (take) => allTo(both, take),
        attend: (heardAt) => {
          a.attend?.(heardAt)
          b.attend?.(heardAt)
        },
        crowd: a.crowd ?? b.crowd
      }
    })
  )
