/**
 * The membership table behind `Peers` (protocol section 7), put together from its parts: what discovery sees goes through `Sightings`, the
 * layers that verify, `Arrivals` and `Liveness` beside it, into `Membership`, which changes the `Table` and tells `Presence` and `Watchers`; `Lookup` and
 * `Bonds` are what users ask.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { Crypto } from "../../Crypto.ts"
import * as Deadline from "../../Deadline.ts"
import { Discovery } from "../../Discovery.ts"
import type { Endpoint } from "../../Network.ts"
import { NodeConfig } from "../../NodeOptions.ts"
import { Any, type Peers, type Where } from "../../Peers.ts"
import * as Reach from "../../Reach.ts"
import { Transport } from "../../Transport.ts"
import { Trust } from "../../Trust.ts"
import * as Seldom from "../base/seldom.ts"
import { allTo } from "../base/together.ts"
import { selfOf } from "../wire/self.ts"
import { Arrivals } from "./arrivals.ts"
import { Asking } from "./asking.ts"
import { Bonds } from "./bonds.ts"
import { Choice } from "./choice.ts"
import { Conflicts } from "./conflicts.ts"
import { Holds } from "./holds.ts"
import { Inbox } from "./inbox.ts"
import { Interest } from "./interest.ts"
import { withKnownNow } from "./knownNow.ts"
import { LeftOut } from "./leftOut.ts"
import * as Liveness from "./liveness.ts"
import { Lookup } from "./lookup.ts"
import { Membership } from "./membership.ts"
import * as Presence from "./presence.ts"
import { Sightings } from "./sightings.ts"
import { Table } from "./table.ts"
import { awaiting, inTime, mistaken } from "./targets.ts"
import { Watchers } from "./watchers.ts"

/** Takes what discovery sees, one after another. A policy of one's own may die: that is the end of one advert. */
const intake = (
  { forEach, sightings: stream }: Discovery["Service"],
  sightings: Sightings,
  options: {
    readonly clock: Clock.Clock
    readonly capacity: number
    readonly fork: (effect: Effect.Effect<void>) => void
  }
): Effect.Effect<void, never, Scope.Scope> => {
  const lines = Seldom.lines(options.clock)
  const failed = (cause: Cause.Cause<unknown>) =>
    lines(
      Seldom.defect("advert", cause),
      "advert",
      (more) => Effect.logError(`taking an advert failed${more}`, cause)
    )
  const inbox = new Inbox(sightings, { ...options, failed })
  return allTo([{ what: "discovery", stream, forEach }], (sighting) => inbox.offer(sighting))
}

/** What is asked for by name, or by what peers offer. */
const choosing = (lookup: Lookup, choice: Choice, interest: Interest) => ({
  awaitPeers: (target, options) => awaiting(options, (atLeast, within) => choice.await(target, atLeast, within)),
  resolve: (target) =>
    typeof target === "string" || Array.isArray(target)
      ? lookup.resolve(target as string | ReadonlyArray<string>)
      : choice.all(target as Where),
  resolveOne: withKnownNow(
    (one) => typeof one === "string" ? lookup.resolveOne(one) : one instanceof Any ? choice.one(one) : mistaken(one),
    (name) => lookup.now(name)
  ),
  matching: (where) => choice.matching(where),
  interested: interest.held,
  followUnsafe: (follower) => interest.follow(follower)
} satisfies Partial<Peers["Service"]>)

/** What the layers say that verify who a peer is, and ask what it offers. */
const verifying = ({ conflicts, leftOut, membership, table }: {
  readonly table: Table
  readonly membership: Membership
  readonly conflicts: Conflicts
  readonly leftOut: LeftOut
}) => ({
  offeredUnsafe: (publicKey, known) => {
    const entry = table.find(publicKey)
    if (entry !== undefined) membership.offered(entry, known)
  },
  claimedUnsafe: (publicKey) => table.find(publicKey)?.claimed,
  heardUnsafe: (publicKey) => {
    const entry = table.find(publicKey)
    if (entry !== undefined) membership.heard(entry, "Traffic")
  },
  proved: ({ endpoint, name, publicKey }) =>
    Effect.suspend(() => {
      const entry = table.find(publicKey)
      if (!conflicts.mayProve(name, publicKey)) return Effect.void
      if (entry !== undefined) membership.prove(entry, name, endpoint)
      return entry !== undefined || table.hasRoomForProved ? Effect.void : leftOut.full(name) ?? Effect.void
    }),
  failedUnsafe: (publicKey, endpoint) => {
    const entry = table.find(publicKey)
    if (entry !== undefined) membership.fail(entry, endpoint)
  },
  provedAtUnsafe: (publicKey) => table.find(publicKey)?.addresses.proved
} satisfies Partial<Peers["Service"]>)

export const make = (): Effect.Effect<
  Peers["Service"],
  never,
  Discovery | Transport | Trust | Crypto | NodeConfig | Scope.Scope
> =>
  Effect.gen(function*() {
    const discovery = yield* Discovery
    const transport = yield* Transport
    const trust = yield* Trust
    const clock = yield* Clock.Clock
    const config = yield* NodeConfig
    const context = yield* Effect.context<never>()
    const scope = yield* Effect.scope
    const self = selfOf(yield* Crypto, clock, config)
    const { limits } = config
    const now = () => Deadline.nowUnsafe(clock)

    const ways = Option.getOrElse(yield* Effect.serviceOption(Reach.Ways), () => [])
    const rank = ways.length < 2 ? undefined : (endpoint: Endpoint) => Reach.rank(ways, endpoint)

    const run = Effect.runForkWith(context)
    const fork = <A>(effect: Effect.Effect<A>) => Fiber.runIn(run(effect), scope)
    const presence = yield* Presence.make(limits.peerEvents)
    const table = new Table(limits)
    const watchers = new Watchers()
    const holds = new Holds(table)
    const leftOut = new LeftOut(config, now)
    const membership = new Membership({
      table,
      presence,
      watchers,
      holds,
      now,
      broadcastInterval: config.broadcastInterval
    })
    const conflicts = new Conflicts({
      table,
      presence,
      trust,
      own: self.identity.publicKey,
      ownName: self.name,
      limits,
      now,
      run
    })
    const random = yield* Random.Random
    const asking = new Asking({ config, crowd: discovery.crowd, table, random, now, run: fork })
    const parts = { config, context, table, membership, holds, conflicts, leftOut, asking, rank, clock, now, fork }
    const sightings = new Sightings(parts)
    const arrivals = new Arrivals({ config, table, membership, holds, conflicts, rank, now })
    const lookup = new Lookup({ config, table, presence, conflicts, leftOut, now })
    const interest = new Interest()
    const choice = new Choice({ table, presence, lookup, interest, trust, random }, clock)
    const bonds = new Bonds({ config, table, presence, watchers, lookup, choice })
    const watch = yield* Liveness.make({ config, self, transport, clock, table, presence, membership, asking, now })

    yield* Effect.addFinalizer(() => Effect.sync(() => lookup.close()))
    discovery.attend?.((publicKey, endpoint) => table.find(publicKey)?.heardAtWhere(endpoint))
    yield* intake(discovery, sightings, { clock, capacity: limits.sightings, fork })
    yield* Effect.forkScoped(watch)

    return {
      name: self.name,
      get: (name) => lookup.get(name),
      all: Effect.sync(() => presence.all),
      presence: presence.latest,
      presenceOf: (name) => lookup.presenceOf(name),
      awaitPeer: (name, timeout = "10 seconds") =>
        inTime("what awaitPeer takes behind the name", timeout, (timeout) => lookup.awaitPeer(name, timeout)),
      whileOnline: (name, use) => bonds.whileOnline(name, use),
      wheneverOnline: bonds.wheneverOnline,
      scoped: (name) => bonds.scoped(name),
      obstacles: Effect.sync(() => config.obstacles.now(now())),
      conflicts: conflicts.all,
      resolveConflict: (name, publicKey) =>
        Effect.gen(function*() {
          if (name === self.name) return
          yield* conflicts.decide(name, publicKey)
          for (const entry of table.named(name)) {
            if (entry.peer.publicKey !== publicKey) membership.loseName(entry, name)
          }
          const waiting = conflicts.settle(name, publicKey)
          if (waiting !== undefined) yield* sightings.take(waiting) ?? Effect.void
        }),
      changes: presence.changes,
      ...choosing(lookup, choice, interest),
      lost: (publicKey) => bonds.lost(publicKey),
      holdUnsafe: (publicKey, onDoubt, accepted) => {
        const known = table.find(publicKey)
        if (known !== undefined && !holds.isHeld(publicKey)) membership.heldAnew(known)
        holds.add(publicKey, onDoubt)
        if (accepted !== undefined) arrivals.enter({ name: accepted.name, publicKey }, accepted.from)
        return (broke) => {
          const leaves = holds.remove(publicKey, onDoubt)
          const entry = table.find(publicKey)
          if (entry === undefined) return
          if (broke === true && !leaves) membership.broke(entry)
          if (leaves) membership.left(entry, "ConnectionsEnded")
          else arrivals.leave(entry.peer)
        }
      },
      ...verifying({ table, membership, conflicts, leftOut })
    }
  })
