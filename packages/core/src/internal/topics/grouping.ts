/**
 * The groups of this node's topics: who their members are, and that they begin and end.
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type * as Balance from "../../Balance.ts"
import { nowUnsafe } from "../../Deadline.ts"
import type { Interest } from "../../Offer.ts"
import type { Peer } from "../../Peers.ts"
import { quote } from "../base/quote.ts"
import type * as Seldom from "../base/seldom.ts"
import type { Feed } from "./feed.ts"
import * as Groups from "./groups.ts"
import type { Handed, To } from "./handed.ts"
import { leastOf, type Listener } from "./listener.ts"
import type { Memory } from "./memory.ts"
import type { OwnTopic } from "./ownTopic.ts"
import { hereOf, type Said } from "./said.ts"

/** Groups of subscribers that one topic has. */
const mostGroups = 256
/** A group is known so long without members, in milliseconds. */
const lingering = 60_000
/** Deliveries that are out at one member, where the group is of this node's own. */
const here = "here"

export interface Parts {
  readonly clock: Clock.Clock
  readonly lines: Seldom.Lines
  readonly waiting: Memory
  readonly limits: { readonly topicDeliveries: number }
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  readonly scope: Scope.Scope
  /** The node's: its time and its chance. */
  readonly context: Context.Context<never>
  /** There may be room again for who waits for it. */
  readonly roomMade: () => void
}

/** Whether a member of a group is handed nothing new: it drains, or is silent. */
export const isResting = ({ offer, status }: Peer): boolean => offer?.draining === true || status !== "Online"

export class Grouping {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  #log(subject: string, kind: string, log: (more: string) => Effect.Effect<void>): void {
    this.#parts.fork(this.#parts.lines(subject, kind, log))
  }

  /** Tells each group of a topic who its members are. */
  enter(topic: OwnTopic, feeds: Iterable<Feed>): void {
    const members = new Map<string, Array<Groups.Member<To>>>()
    const add = (name: string, member: Groups.Member<To>) => {
      const all = members.get(name)
      if (all === undefined) members.set(name, [member])
      else all.push(member)
    }
    for (const feed of feeds) {
      const route = feed.routes.get(topic)
      if (route === undefined) continue
      for (const [name, capacity] of capacities(route.entries)) {
        const draining = isResting(feed.peer)
        add(name, { id: feed.peer.publicKey, peer: { _tag: "Peer", feed, route }, capacity, draining })
      }
    }
    for (const [name, capacity] of capacities([...topic.listeners].map(({ interest }) => interest))) {
      const listeners = [...topic.listeners].filter(({ interest }) => interest.group === name)
      add(name, { id: here, peer: { _tag: "Here", listeners }, capacity, draining: false })
    }
    for (const [name, { group }] of topic.groups) if (!members.has(name)) group.enter([])
    for (const [name, all] of members) this.#group(topic, name)?.enter(all)
  }

  #group(topic: OwnTopic, name: string): Groups.Group<To, Handed> | undefined {
    const known = topic.groups.get(name)
    if (known !== undefined) return known.group
    if (topic.groups.size >= mostGroups && !this.#endOneGroup(topic)) {
      this.#log(`groups ${topic.name}`, "topic group", (more) =>
        Effect.logWarning(
          `${quote(topic.name)} has ${mostGroups} groups of subscribers, and nothing goes to one more${more}`
        ))
      return undefined
    }
    const { context, limits, scope: outer, waiting } = this.#parts
    const scope = Scope.forkUnsafe(outer)
    const owner = `group ${topic.index} ${name}`
    const make = (policy: Balance.Policy<any, any> | undefined) =>
      Effect.runSyncExitWith(context)(Scope.provide(
        Groups.make<To, Handed>({
          name: `${name} of ${topic.name}`,
          policy,
          pending: limits.topicDeliveries,
          take: (bytes) => waiting.take(owner, bytes),
          give: (bytes) => {
            waiting.give(owner, bytes)
            this.#parts.roomMade()
          },
          attempt: (to, { said }, again) =>
            to._tag === "Peer" ? to.feed.deliver(to.route, said, name, again) : deliverHere(to.listeners, said, again)
        }),
        scope
      ))
    const made = make(topic.policy as Balance.Policy<any, any> | undefined)
    if (Exit.isFailure(made)) {
      this.#log(`policy ${topic.name}`, "topic policy", (more) =>
        Effect.logError(
          `the policy of ${quote(topic.name)} is none, and members of groups are chosen by the default one${more}`,
          made.cause
        ))
    }
    const fit = Exit.isSuccess(made) ? made : make(undefined)
    if (Exit.isFailure(fit)) return undefined
    const group = fit.value
    topic.groups.set(name, { group, scope })
    return group
  }

  /** Ends a group, with what waits in it for members that it does not have. */
  #endGroup(topic: OwnTopic, name: string): void {
    const known = topic.groups.get(name)
    if (known === undefined) return
    topic.groups.delete(name)
    const { pending } = known.group
    if (pending > 0) {
      this.#log(`group ${topic.name}`, "topic group", (more) =>
        Effect.logWarning(
          `${pending} publications on ${quote(topic.name)} were handled by nobody of the group ${
            quote(name)
          }, which has no members any more${more}`
        ))
    }
    this.#parts.fork(Effect.andThen(
      Scope.close(known.scope, Exit.void),
      // What it held is there for others.
      Effect.sync(() => this.#parts.roomMade())
    ))
  }

  /** Ends the group that has been without members for the longest; `false` where all have some. */
  #endOneGroup(topic: OwnTopic): boolean {
    let oldest: string | undefined
    let since = Infinity
    for (const [name, { group: { aloneSince } }] of topic.groups) {
      if (aloneSince === undefined || aloneSince >= since) continue
      oldest = name
      since = aloneSince
    }
    if (oldest === undefined) return false
    this.#endGroup(topic, oldest)
    return true
  }

  end(topic: OwnTopic): void {
    for (const name of topic.groups.keys()) this.#endGroup(topic, name)
  }

  /** Ends the groups of a topic that have had no members for long. */
  look(topic: OwnTopic): void {
    const now = nowUnsafe(this.#parts.clock)
    for (const [name, { group }] of topic.groups) {
      if (group.aloneSince !== undefined && now - group.aloneSince >= lingering) this.#endGroup(topic, name)
    }
  }
}

/** Deliveries that a node takes at once, by the groups that it is a member of. */
const capacities = (entries: ReadonlyArray<Interest>): Map<string, number> => {
  const capacities = new Map<string, number>()
  for (const { group, size } of entries) {
    if (group !== undefined) capacities.set(group, (capacities.get(group) ?? 0) + size)
  }
  return capacities
}

/** Hands it to the subscription that has the least to do. */
const deliverHere = (
  listeners: ReadonlyArray<Listener>,
  said: Said,
  again: boolean
): Effect.Effect<void, Groups.Lost | Groups.Returned> =>
  Effect.callback((resume) => {
    const listener = leastOf(listeners)
    if (listener === undefined) return resume(Effect.fail(new Groups.Lost()))
    listener.hear({
      ...hereOf(said, false),
      again,
      answer: (how) => resume(how === "done" ? Effect.void : Effect.fail(new Groups.Returned()))
    })
    listener.news()
  })
