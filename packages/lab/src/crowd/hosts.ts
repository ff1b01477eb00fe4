/**
 * A crowd of real processes on several hosts, which are network namespaces on one bridge: how soon its nodes know, miss and lose each
 * other. Each process has a node on each of some networks, which differ in how much may be broadcast, so that one run measures all.
 *
 * A newcomer comes on a host of its own. It crashes with it, as when its power fails; another is killed by its system, which goes on and says that
 * nobody listens any more.
 */
import { Effect } from "effect"
import { type Host, makeHosts, type Program } from "../processes/namespaces.ts"

/** A network, as options of its nodes. */
export interface CrowdNetwork {
  readonly networkId: string
  readonly advertisePort: number
  readonly broadcastBudget: number
  /** Milliseconds. */
  readonly broadcastInterval: number
}

/** What a process is started with. */
export interface Start {
  readonly name: string
  readonly networks: ReadonlyArray<CrowdNetwork>
}

/** What a node saw happen to another; the instant is the system's monotonic clock, in milliseconds. */
export interface Seen {
  readonly event: "Joined" | "Left" | "Lost"
  readonly name: string
  readonly why: string
  readonly at: number
}

/** What a process is told to do. */
export type Order =
  | { readonly do: "known" | "broadcasts" | "leave" }
  | { readonly do: "seen"; readonly since: number }
  | { readonly do: "listen"; readonly address: string }

/** How many, and on what networks. */
export interface Scenario {
  readonly processes: number
  /** Adverts a second on a whole LAN, one network each. */
  readonly budgets: ReadonlyArray<number>
  /** Seconds. */
  readonly interval: number
  /** Seconds before that, in which what newcomers say in bursts has been said. Default: none. */
  readonly settle?: number | undefined
  /** Seconds for which it is left alone, and broadcasts are counted. */
  readonly quiet: number
  readonly log?: (line: string) => void
}

/** What was measured of one network. Times are milliseconds, one for each node that noticed, in order. */
export interface Measured {
  readonly budget: number
  /** After the last of them had started: when all knew each other. */
  readonly together: number
  /** Broadcasts a second on the LAN when it was left alone. */
  readonly broadcasts: number
  readonly known: ReadonlyArray<number>
  readonly knows: ReadonlyArray<number>
  readonly left: ReadonlyArray<number>
  /** Killed, on a host that goes on. */
  readonly killed: ReadonlyArray<number>
  /** Gone with its host. */
  readonly crashed: ReadonlyArray<number>
  /** Who lost whom that was there. */
  readonly falseLosses: ReadonlyArray<string>
}

const instant = () => Number(process.hrtime.bigint()) / 1e6

const hostNode = new URL("hostNode.ts", import.meta.url)

interface Member {
  readonly name: string
  readonly program: Program
}

/** What an order came to. */
const order = ({ program }: Member, order: Order): Effect.Effect<any> =>
  Effect.flatMap(
    program.ask({ ...order }),
    (answer) => answer["failed"] === undefined ? Effect.succeed(answer) : Effect.die(answer["failed"])
  )

const each = <A>(members: ReadonlyArray<Member>, use: (member: Member) => Effect.Effect<A>) =>
  Effect.forEach(members, use, { concurrency: "unbounded" })

/**
 * Looks again and again, until it is so or the time is up; whether it is so. Seldom, since what looks takes the processors of those that are
 * looked at; when something happened they say themselves.
 */
const until = (is: Effect.Effect<boolean>, seconds: number) =>
  Effect.gen(function*() {
    const begin = instant()
    while (!(yield* is)) {
      if (instant() - begin > seconds * 1_000) return false
      yield* Effect.sleep(1_000)
    }
    return true
  })

/** How many each node knows, and when it was there itself, by network. */
const known = (members: ReadonlyArray<Member>): Effect.Effect<
  ReadonlyArray<{ readonly started: ReadonlyArray<number>; readonly known: ReadonlyArray<number> }>
> => each(members, (member) => order(member, { do: "known" }))

const allKnow = (members: ReadonlyArray<Member>, size: number, seconds: number) =>
  until(
    Effect.map(known(members), (all) => all.every(({ known }) => known.every((one) => one === size))),
    seconds
  )

type SeenBy = Seen & { readonly by: string }

/** What all saw since an instant, by network. */
const seenBy = (members: ReadonlyArray<Member>, since: number): Effect.Effect<ReadonlyArray<ReadonlyArray<SeenBy>>> =>
  Effect.map(
    each(
      members,
      (member) =>
        Effect.map(
          order(member, { do: "seen", since }),
          ({ seen }) =>
            (seen as ReadonlyArray<ReadonlyArray<Seen>>).map((all) => all.map((one) => ({ ...one, by: member.name })))
        )
    ),
    (all) => all[0]!.map((_, i) => all.flatMap((networks) => networks[i]!))
  )

/** When some of it happened, by network, in order. */
const timesOf = (
  all: ReadonlyArray<ReadonlyArray<SeenBy>>,
  is: (one: SeenBy) => boolean,
  since: number | ReadonlyArray<number>
): ReadonlyArray<ReadonlyArray<number>> =>
  all.map((seen, i) =>
    seen.filter(is).map(({ at }) => at - (typeof since === "number" ? since : since[i]!)).sort((one, other) =>
      one - other
    )
  )

const isGone = (name: string) => (one: SeenBy) => one.event !== "Joined" && one.name === name

/** Waits until all have noticed that some are gone, and gives what they saw. */
const whenGone = (members: ReadonlyArray<Member>, names: ReadonlyArray<string>, since: number, seconds: number) =>
  Effect.andThen(
    until(
      Effect.map(
        seenBy(members, since),
        (all) =>
          names.every((name) => timesOf(all, isGone(name), since).every((times) => times.length >= members.length))
      ),
      seconds
    ),
    seenBy(members, since)
  )

const networksOf = ({ budgets, interval }: Scenario) =>
  budgets.map((broadcastBudget, i): CrowdNetwork => ({
    networkId: `crowd${i}`,
    advertisePort: 3334 + i,
    broadcastBudget,
    broadcastInterval: interval * 1_000
  }))

const run = (host: Host, name: string, networks: ReadonlyArray<CrowdNetwork>) =>
  Effect.map(
    host.run(hostNode, { CROWD: JSON.stringify({ name, networks } satisfies Start) }),
    (program): Member => ({ name, program })
  )

/** Starts all of them, and waits until they know each other; how long that took after the last start, by network. */
const gather = (hosts: ReadonlyArray<Host>, scenario: Scenario) =>
  Effect.gen(function*() {
    const { log = () => {}, processes } = scenario
    const begin = instant()
    const members = yield* Effect.forEach(
      Array.from({ length: processes }, (_, i) => i),
      (i) => run(hosts[i % hosts.length]!, `node${i}`, networksOf(scenario)),
      { concurrency: 8 }
    )
    const last = Math.max(...(yield* known(members)).flatMap(({ started }) => started))
    log(`${processes} processes started in ${Math.round(last - begin)} ms`)
    yield* allKnow(members, processes - 1, 60)
    const all = timesOf(yield* seenBy(members, begin), ({ event }) => event === "Joined", last)
    return {
      begin,
      members,
      together: all.map((times) => times.length < processes * (processes - 1) ? Infinity : Math.max(0, times.at(-1)!))
    }
  })

/** Whether it was this that was seen of one: who leaves is to be missed as one who said so, and who is killed as one who did not. */
const isA = (what: Seen["event"], who: string) => ({ event, name }: SeenBy) => event === what && name === who

/** Starts one more: when it was known to each, and knew each, since its nodes were there. */
const welcome = (members: ReadonlyArray<Member>, host: Host, scenario: Scenario) =>
  Effect.gen(function*() {
    const begin = instant()
    const newcomer = yield* run(host, "newcomer", networksOf(scenario))
    const started = (yield* known([newcomer]))[0]!.started
    yield* allKnow([newcomer, ...members], members.length, 10)
    const isNews = ({ event, name }: SeenBy) => event === "Joined" && name === newcomer.name
    return {
      newcomer,
      known: timesOf(yield* seenBy(members, begin), isNews, started),
      knows: timesOf(yield* seenBy([newcomer], begin), ({ event }) => event === "Joined", started)
    }
  })

/** Runs it, on three hosts and one that comes later. At least three processes. */
export const measure = (scenario: Scenario): Effect.Effect<ReadonlyArray<Measured>> =>
  Effect.gen(function*() {
    const { log = () => {}, quiet } = scenario
    const hosts = yield* makeHosts(["one", "two", "three", "four"])
    const { begin, members, together } = yield* gather([hosts.one, hosts.two, hosts.three], scenario)
    yield* order(members[0]!, { do: "listen", address: "10.77.0.255" })
    yield* Effect.sleep((scenario.settle ?? 0) * 1_000)
    const before: ReadonlyArray<number> = (yield* order(members[0]!, { do: "broadcasts" })).broadcasts
    yield* Effect.sleep(quiet * 1_000)
    const after: ReadonlyArray<number> = (yield* order(members[0]!, { do: "broadcasts" })).broadcasts
    const broadcasts = after.map((count, i) => count - before[i]!)
    log("all knew each other, and were left alone")
    const { known, knows, newcomer } = yield* welcome(members, hosts.four, scenario)
    log("a newcomer was known, and knew all")

    const leaver = members[0]!
    const victim = members[1]!
    const others = members.slice(2)
    const leftAt = instant()
    yield* order(leaver, { do: "leave" })
    const left = timesOf(
      yield* whenGone([victim, ...others], [leaver.name], leftAt, 10),
      isA("Left", leaver.name),
      leftAt
    )
    yield* leaver.program.end
    log("one left")

    const crashedAt = instant()
    // A command that takes a moment, after which the link is down.
    yield* hosts.four.ip("link set eth0 down")
    const downAt = instant()
    yield* victim.program.kill
    log(`the link was down after ${Math.round(downAt - crashedAt)} ms`)
    const seen = yield* whenGone(others, [victim.name, newcomer.name], crashedAt, 30)
    log("one was killed, and one crashed with its host")
    const gone = new Map([[leaver.name, leftAt], [victim.name, crashedAt], [newcomer.name, crashedAt]])
    const isFalse = ({ at, event, name }: Seen) => event === "Lost" && at < (gone.get(name) ?? Infinity)
    const falseLosses = (yield* seenBy(others, begin)).map((all) =>
      all.filter(isFalse).map(({ by, name, why }) => `${by} lost ${name}: ${why}`)
    )
    const killed = timesOf(seen, isA("Lost", victim.name), downAt)
    const crashed = timesOf(seen, isA("Lost", newcomer.name), downAt)
    return scenario.budgets.map((budget, i) => ({
      budget,
      together: together[i]!,
      broadcasts: broadcasts[i]! / quiet,
      known: known[i]!,
      knows: knows[i]!,
      left: left[i]!,
      killed: killed[i]!,
      crashed: crashed[i]!,
      falseLosses: falseLosses[i]!
    }))
  }).pipe(Effect.scoped)
