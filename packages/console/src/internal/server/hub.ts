/**
 * What watches the node for the pages: it begins with the first that is open and ends with the last. While none is there is no fiber, no timer and no subscription of it, and
 * nothing is recorded.
 */
import { formatEndpoint } from "@pnet/core/Advert"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import type * as Peers from "@pnet/core/Peers"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as RcRef from "effect/RcRef"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Api from "../../ConsoleApi.ts"
import type { ConsoleSpans } from "../../ConsoleSpans.ts"
import type { ConsoleTrust } from "../../ConsoleTrust.ts"
import * as KeyWords from "../../KeyWords.ts"
import { cut } from "./cut.ts"
import * as Happened from "./happened.ts"
import { type About, type Entry, People } from "./people.ts"
import * as Traces from "./traces.ts"

/** Says how far a peer is trusted, and whether what it says that it serves counts. */
export type Judge = Pick<ConsoleTrust, "judge" | "heeds">

/** Milliseconds from one look at what says nothing of its changes to the next. */
const times = { sessions: 1_000, health: 5_000, asking: 250 }

// Peers are asked in turn whom they see: so many a second, each at most so often, and one that does not say much more seldom.
const asksEach = 3
const asksAtOnce = 8
const askAgain = 5_000
const askLater = 60_000
const patience = 5_000
/** Names that a peer may say it sees. */
const mostNames = 4_096

/** What is watched. */
export class Watched {
  readonly people: People
  readonly events = new Happened.Ring<Api.Event>(Happened.kept)

  constructor(people: People) {
    this.people = people
  }

  say(said: Omit<Api.Event, "id" | "at">, at: number): void {
    this.events.add({ id: this.events.next, at, ...said, text: cut(said.text, 1_000) })
  }
}

const selfOf = (node: CommandNodeService): Effect.Effect<About> =>
  Effect.gen(function*() {
    const { functions, roles, ...offer } = yield* node.offer.current
    return {
      name: node.name,
      publicKey: node.publicKey,
      endpoints: node.endpoints,
      status: "Online",
      proved: true,
      offer: { ...offer, roles, functions }
    }
  })

const namesOf = (said: unknown): ReadonlyArray<string> | undefined =>
  Array.isArray(said)
    ? said.slice(0, mostNames).filter((one): one is string => typeof one === "string" && one.length <= 256)
    : undefined

/** Asks peers in turn whom they see. */
const asking = (node: CommandNodeService, { people }: Watched) =>
  Effect.gen(function*() {
    let running = 0
    const ask = (entry: Entry) =>
      Effect.gen(function*() {
        const said = yield* Effect.result(node.target(entry.peer.name, { timeout: patience })("get_peers"))
        const names = Result.isSuccess(said) ? namesOf(said.success) : undefined
        const now = yield* Clock.currentTimeMillis
        if (people.byId.get(entry.id) !== entry) return
        if (names === undefined) entry.askAt = now + askLater
        else people.saw(entry, names, now)
      }).pipe(Effect.ensuring(Effect.sync(() => running--)))
    for (;;) {
      yield* Effect.sleep(times.asking)
      const now = yield* Clock.currentTimeMillis
      const due = [...people.byId.values()]
        .filter(({ askAt, id, peer }) => id !== 0 && askAt <= now && peer.status === "Online")
        .sort((a, b) => a.askAt - b.askAt)
        .slice(0, Math.min(asksEach, asksAtOnce - running))
      for (const entry of due) {
        running++
        entry.askAt = now + askAgain
        yield* Effect.forkScoped(ask(entry))
      }
    }
  })

/** Enters a peer, or what is known of it now. */
const put = ({ people }: Watched, { heeds, judge }: Judge, peer: Peers.Peer, at: number) =>
  Effect.gen(function*() {
    const { name, publicKey } = peer
    const trust = yield* judge(name, publicKey)
    people.put(peer, trust, at, heeds === undefined || (yield* heeds(name, publicKey)))
  })

/** Follows what happens to peers. */
const following = (node: CommandNodeService, watched: Watched, judge: Judge) =>
  Stream.runForEach(node.peers.changes, (event) =>
    Effect.gen(function*() {
      const at = yield* Clock.currentTimeMillis
      const said = Happened.say(event)
      if (said !== undefined) watched.say(said, at)
      if (event._tag === "KeyConflict") return yield* health(node, watched)
      const { peer } = event
      if (event._tag === "Left" || event._tag === "Lost") return watched.people.remove(peer.publicKey)
      yield* put(watched, judge, peer, at)
    }))

/** Looks at all there are: an event may have been missed, and nothing says that somebody is trusted otherwise now. */
const lookingAtAll = (node: CommandNodeService, watched: Watched, judge: Judge) =>
  Effect.gen(function*() {
    const { people } = watched
    const all = yield* node.peers.all
    const at = yield* Clock.currentTimeMillis
    const there = new Set<string>(all.map(({ publicKey }) => publicKey))
    for (const key of [...people.byKey.keys(), ...people.unshown]) {
      if (!there.has(key) && key !== node.publicKey) people.remove(key)
    }
    for (const peer of all) yield* put(watched, judge, peer, at)
    const self = yield* selfOf(node)
    const own = people.byId.get(0)!
    if (JSON.stringify(own.peer) !== JSON.stringify(self)) people.put(self, "pinned", at)
  })

const conflictOf = ({ claims, expected, name }: Peers.Conflict): Api.Conflict => ({
  name: cut(name),
  ...(expected === undefined ? {} : { expected: { key: expected, fingerprint: PublicKey.fingerprint(expected) } }),
  claims: claims.map(({ publicKey, source }) => ({
    key: publicKey,
    fingerprint: PublicKey.fingerprint(publicKey),
    words: KeyWords.of(publicKey),
    address: formatEndpoint(source)
  }))
})

const mostConflicts = 100

const health = (node: CommandNodeService, { people }: Watched) =>
  Effect.gen(function*() {
    const conflicts = yield* node.peers.conflicts
    people.setConflicts(conflicts.slice(0, mostConflicts).map(conflictOf))
    people.setFindings((yield* node.peers.obstacles).length)
  })

const sessions = (node: CommandNodeService, { people }: Watched) =>
  Effect.map(node.sessions.all, (all) =>
    people.sessions(
      new Map(all.map(({ dialled, draining, peer, streams }) => [
        peer.publicKey,
        { by: dialled ? "dialled" as const : "accepted" as const, streams, draining }
      ]))
    ))

const each = <A>(every: number, look: Effect.Effect<A>) => Effect.forever(Effect.andThen(look, Effect.sleep(every)))

/** Watches a node, until the scope closes. */
const watch = Effect.fnUntraced(function*(
  node: CommandNodeService,
  judge: Judge,
  spans: ConsoleSpans["Service"] | undefined
) {
  const watched = new Watched(new People(yield* selfOf(node), yield* Clock.currentTimeMillis))
  yield* node.peers.interested
  if (spans !== undefined) {
    yield* spans.watch
    yield* Effect.forkScoped(Traces.following(node))
  }
  yield* lookingAtAll(node, watched, judge)
  for (
    const running of [
      following(node, watched, judge),
      asking(node, watched),
      each(times.health, Effect.andThen(lookingAtAll(node, watched, judge), health(node, watched))),
      each(times.sessions, sessions(node, watched))
    ]
  ) yield* Effect.forkScoped(running)
  return watched
})

/** What watches a node while somebody looks. */
export interface Hub {
  /** What is watched, which goes on until the scope closes. */
  readonly get: Effect.Effect<Watched, never, Scope.Scope>
  /** Says what somebody did with the console, where somebody looks, and looks at what came of it. */
  readonly acted: (text: string) => Effect.Effect<void>
}

/** What watches a node while somebody looks. */
export const make = (
  node: CommandNodeService,
  judge: Judge,
  spans: ConsoleSpans["Service"] | undefined
): Effect.Effect<Hub, never, Scope.Scope> => {
  let current: Watched | undefined
  const acquire = Effect.tap(watch(node, judge, spans), (watched) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        current = watched
      }),
      () =>
        Effect.sync(() => {
          current = undefined
        })
    )).pipe(Effect.withTracerEnabled(false))
  const acted = (text: string) =>
    Effect.gen(function*() {
      const watched = current
      if (watched === undefined) return
      watched.say({ kind: "acted", text }, yield* Clock.currentTimeMillis)
      yield* lookingAtAll(node, watched, judge)
      yield* health(node, watched)
    })
  return Effect.map(RcRef.make({ acquire }), (watching) => ({ get: RcRef.get(watching), acted }))
}
