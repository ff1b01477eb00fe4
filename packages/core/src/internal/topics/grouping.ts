/**
 * The groups of this node's topics: who their members are, that they begin and end, and who answers for what they take.
 *
 * What bites: whoever may subscribe forms groups, and what waits for a group waits until somebody has acknowledged it. So each group is charged to
 * one of its members, what it holds and that it is there, and one peer has a quarter of what there is. Where another member has room, that one answers for it
 * from then on, up to a half of what that one may hold: nobody's group lacks room as somebody else has used up what is his, or does not acknowledge what
 * another group of both has handed to him.
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
import type { Grouped, OwnTopic } from "./ownTopic.ts"
import { hereOf, type Said } from "./said.ts"

/** Groups of subscribers that one topic has, and of those the ones that one member answers for. */
const mostGroups = 256
const mostOfOne = mostGroups / 4
/** Members of a group that are asked at once to answer for it. */
const mostAsked = 8
/** A group is known so long without members, in milliseconds. */
const lingering = 60_000
/** The member that this node itself is. */
const here = "here"

export interface Parts {
  readonly clock: Clock.Clock
  readonly lines: Seldom.Lines
  /** What waits for groups, by the member that answers for it. */
  readonly grouped: Memory
  readonly limits: {
    readonly topicDeliveries: number
    readonly topicGroups: number
    /** In milliseconds. */
    readonly topicPatience: number
  }
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  readonly scope: Scope.Scope
  /** The node's: its time and its chance. */
  readonly context: Context.Context<never>
  readonly feeds: () => Iterable<Feed>
  /** There may be room again for who waits for it. */
  readonly roomMade: () => void
  /** For who counts what groups had no room for. */
  readonly skipped: () => void
}

/** What one member answers for. */
interface Account {
  groups: number
  /** Of those the ones without members, the oldest first. */
  readonly alone: Set<Grouped>
}

/** Whether a member of a group is handed nothing new: it drains, or is silent. */
export const isResting = ({ offer, status }: Peer): boolean => offer?.draining === true || status !== "Online"

export class Grouping {
  readonly #parts: Parts
  readonly #accounts = new Map<string, Account>()
  /** All that have no members, the oldest first. */
  readonly #alone = new Set<Grouped>()
  /** How many there are, and how many have ended. */
  #count = 0
  #ended = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** All groups. */
  get count(): number {
    return this.#count
  }

  #log(subject: string, kind: string, log: (more: string) => Effect.Effect<void>): void {
    this.#parts.fork(this.#parts.lines(subject, kind, log))
  }

  // --- what is handed out ----------------------------------------------------------------------------------------------

  /** Those of the groups that are waited for which have no room for so many bytes. */
  full(topic: OwnTopic, bytes: number, isWaitedFor: (name: string) => boolean): ReadonlyArray<string> {
    const full: Array<string> = []
    // All of them take it in the same step.
    const owners = new Map<string, number>()
    let all = 0
    for (const [name, grouped] of topic.groups) {
      if (!isWaitedFor(name)) continue
      all += bytes
      const own = (owners.get(grouped.owner) ?? 0) + bytes
      owners.set(grouped.owner, own)
      if (!grouped.group.hasRoom(own, all)) full.push(name)
    }
    return full
  }

  /** Hands it to one of each group. Those that have no room for it give it up. */
  deliver(topic: OwnTopic, handed: Handed, isWaitedFor: ((name: string) => boolean) | undefined): void {
    if (isWaitedFor === undefined) {
      for (const grouped of topic.groups.values()) this.#deliver(grouped, handed)
      return
    }
    // For these there is room now.
    const others: Array<Grouped> = []
    for (const grouped of topic.groups.values()) {
      if (isWaitedFor(grouped.name)) this.#deliver(grouped, handed)
      else others.push(grouped)
    }
    for (const grouped of others) this.#deliver(grouped, handed)
  }

  #deliver({ group, name, topic }: Grouped, handed: Handed): void {
    if (group.deliver(handed)) return
    this.#parts.skipped()
    this.#log(`skipped ${topic.name} ${name}`, "topic group", (more) =>
      Effect.logWarning(
        `the group ${quote(name)} of ${
          quote(topic.name)
        } has as much waiting as there may be, and what is published is given up for it${more}`
      ))
  }

  // --- who the members are ---------------------------------------------------------------------------------------------

  /** Tells each group of a topic who its members are. */
  enter(topic: OwnTopic): void {
    const members = new Map<string, Array<Groups.Member<To>>>()
    const add = (name: string, member: Groups.Member<To>) => {
      const all = members.get(name)
      if (all === undefined) members.set(name, [member])
      else all.push(member)
    }
    for (const feed of this.#parts.feeds()) {
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
    for (const [name, grouped] of topic.groups) if (!members.has(name)) this.#leave(grouped)
    for (const [name, all] of members) this.#enter(topic, name, all)
  }

  #leave(grouped: Grouped): void {
    grouped.members = []
    grouped.group.enter([])
    this.#alone.add(grouped)
    this.#account(grouped.owner).alone.add(grouped)
  }

  #enter(topic: OwnTopic, name: string, all: ReadonlyArray<Groups.Member<To>>): void {
    const ids = all.map(({ id }) => id)
    const grouped = topic.groups.get(name) ?? this.#begin(topic, name, ids)
    if (grouped === undefined) return
    this.#alone.delete(grouped)
    this.#accounts.get(grouped.owner)?.alone.delete(grouped)
    grouped.members = ids
    if (!ids.includes(grouped.owner)) this.#answer(grouped, this.#leastCharged(ids))
    grouped.group.enter(all)
  }

  // --- who answers for them --------------------------------------------------------------------------------------------

  #account(owner: string): Account {
    const known = this.#accounts.get(owner)
    if (known !== undefined) return known
    const account: Account = { groups: 0, alone: new Set() }
    this.#accounts.set(owner, account)
    return account
  }

  /** One more or less that a member answers for. */
  #charge(owner: string, more: 1 | -1): void {
    const account = this.#account(owner)
    account.groups += more
    if (account.groups === 0) this.#accounts.delete(owner)
  }

  #leastCharged(ids: ReadonlyArray<string>): string {
    const charged = (id: string) => this.#accounts.get(id)?.groups ?? 0
    return ids.reduce((least, id) => charged(id) < charged(least) ? id : least)
  }

  /** Has another member answer for a group, where that has room for what the group holds. */
  #answer(grouped: Grouped, owner: string): boolean {
    const { bytes, owner: before } = grouped
    if (owner === before || !this.#parts.grouped.move(before, owner, bytes)) return false
    this.#charge(before, -1)
    this.#charge(owner, 1)
    grouped.owner = owner
    grouped.isAdopted = true
    return true
  }

  /** Whether there is room for so many bytes, and so many in all, or is where another member answers for the group. */
  #has(grouped: Grouped, bytes: number, all: number): boolean {
    const { grouped: memory } = this.#parts
    const half = Math.floor(memory.share / 2)
    if (memory.has(grouped.owner, grouped.isAdopted ? bytes + half : bytes, all)) return true
    const { members } = grouped
    for (let asked = Math.min(members.length, mostAsked); asked > 0; asked--) {
      const next = members[grouped.turn++ % members.length]!
      if (memory.has(next, grouped.bytes + bytes + half, all) && this.#answer(grouped, next)) return true
    }
    return false
  }

  // --- that they begin and end -----------------------------------------------------------------------------------------

  #begin(topic: OwnTopic, name: string, ids: ReadonlyArray<string>): Grouped | undefined {
    const owner = this.#leastCharged(ids)
    if (!this.#makeRoom(topic, owner)) {
      topic.lacksGroups = this.#ended
      this.#log(`groups ${topic.name} ${owner}`, "topic group", (more) =>
        Effect.logWarning(
          `${quote(topic.name)} has as many groups of subscribers as there may be, and nothing goes to the group ${
            quote(name)
          }${more}`
        ))
      return undefined
    }
    const scope = Scope.forkUnsafe(this.#parts.scope)
    const group = this.#make(topic, name, scope, () => grouped)
    if (group === undefined) return undefined
    const grouped: Grouped = { topic, name, group, scope, owner, isAdopted: false, bytes: 0, members: ids, turn: 0 }
    topic.groups.set(name, grouped)
    this.#count++
    this.#charge(owner, 1)
    return grouped
  }

  #make(
    topic: OwnTopic,
    name: string,
    scope: Scope.Scope,
    grouped: () => Grouped
  ): Groups.Group<To, Handed> | undefined {
    const { context, grouped: memory, limits } = this.#parts
    const make = (policy: Balance.Policy<any, any> | undefined) =>
      Effect.runSyncExitWith(context)(Scope.provide(
        Groups.make<To, Handed>({
          name: `${name} of ${topic.name}`,
          policy,
          pending: limits.topicDeliveries,
          patience: limits.topicPatience,
          has: (bytes, all) => this.#has(grouped(), bytes, all),
          take: (bytes) => {
            const of = grouped()
            if (!this.#has(of, bytes, bytes) || !memory.take(of.owner, bytes)) return false
            of.bytes += bytes
            return true
          },
          give: (bytes) => {
            const of = grouped()
            of.bytes -= bytes
            memory.give(of.owner, bytes)
            this.#parts.roomMade()
          },
          attempt: (to, { said }, again, skipped) =>
            to._tag === "Peer"
              ? to.feed.deliver(to.route, said, name, again, skipped)
              : deliverHere(to.listeners, said, again, skipped)
        }),
        scope
      ))
    const made = make(topic.policy as Balance.Policy<any, any> | undefined)
    if (Exit.isSuccess(made)) return made.value
    this.#log(`policy ${topic.name}`, "topic policy", (more) =>
      Effect.logError(
        `the policy of ${quote(topic.name)} is none, and members of groups are chosen by the default one${more}`,
        made.cause
      ))
    const fit = make(undefined)
    return Exit.isSuccess(fit) ? fit.value : undefined
  }

  /** Whether there may be one more of a topic, by a member: of those that are one too many then the one goes that has been without members for the longest. */
  #makeRoom(topic: OwnTopic, owner: string): boolean {
    const { topicGroups } = this.#parts.limits
    const account = this.#accounts.get(owner)
    if (account !== undefined && account.groups >= Math.ceil(topicGroups / 4) && !this.#endOne(account.alone)) {
      return false
    }
    if (this.#count >= topicGroups && !this.#endOne(this.#alone)) return false
    if (topic.groups.size < mostOfOne) return true
    const all = [...topic.groups.values()]
    const own = all.filter((grouped) => grouped.owner === owner)
    if (own.length >= mostOfOne && !this.#endOne(this.#aloneOf(own))) return false
    return topic.groups.size < mostGroups || this.#endOne(this.#aloneOf(all))
  }

  #aloneOf(all: ReadonlyArray<Grouped>): ReadonlyArray<Grouped> {
    const since = ({ group }: Grouped) => group.aloneSince ?? Infinity
    return all.filter((grouped) => since(grouped) < Infinity).sort((a, b) => since(a) - since(b))
  }

  #endOne(all: Iterable<Grouped>): boolean {
    for (const grouped of all) {
      this.#end(grouped)
      return true
    }
    return false
  }

  /** Ends a group, with what waits in it for members that it does not have. */
  #end(grouped: Grouped): void {
    const { group: { pending }, name, owner, scope, topic } = grouped
    topic.groups.delete(name)
    this.#alone.delete(grouped)
    this.#accounts.get(owner)?.alone.delete(grouped)
    this.#charge(owner, -1)
    this.#count--
    this.#ended++
    if (pending > 0) {
      this.#log(`group ${topic.name}`, "topic group", (more) =>
        Effect.logWarning(
          `${pending} publications on ${quote(topic.name)} were handled by nobody of the group ${
            quote(name)
          }, which has no members any more${more}`
        ))
    }
    this.#parts.fork(Effect.andThen(
      Scope.close(scope, Exit.void),
      // What it held is there for others.
      Effect.sync(() => this.#parts.roomMade())
    ))
  }

  /** Ends all groups of a topic. */
  end(topic: OwnTopic): void {
    for (const grouped of topic.groups.values()) this.#end(grouped)
  }

  /** Ends the groups of a topic that have had no members for long, looks for members that are too slow, and for room for groups that had none. */
  look(topic: OwnTopic): void {
    const now = nowUnsafe(this.#parts.clock)
    for (const grouped of topic.groups.values()) {
      const { group } = grouped
      if (group.aloneSince !== undefined && now - group.aloneSince >= lingering) this.#end(grouped)
      else group.look()
    }
    if (topic.lacksGroups === undefined || topic.lacksGroups === this.#ended) return
    topic.lacksGroups = undefined
    this.enter(topic)
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
  again: boolean,
  skipped: number
): Effect.Effect<void, Groups.Lost | Groups.Returned> =>
  Effect.callback((resume) => {
    const listener = leastOf(listeners)
    if (listener === undefined) return resume(Effect.fail(new Groups.Lost()))
    if (skipped > 0) listener.miss(said.origin, skipped)
    listener.hear({
      ...hereOf(said, false),
      again,
      answer: (how) => resume(how === "done" ? Effect.void : Effect.fail(new Groups.Returned()))
    })
    listener.news()
  })
