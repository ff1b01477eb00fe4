/**
 * A service in trouble, by seeds, over real nodes: servers are killed, started again, drained, frozen and slow, and callers are cut off from some
 * of them, in one direction or both. Each call is accounted for: it ran, once; it may have run; or it surely has not, and then it never does.
 */
import { CommandNode, Crypto, TofuTrust, Trust } from "@pnet/core"
import { SimNetwork } from "@pnet/testing"
import { Clock, Context, Effect, Fiber, Layer, Logger, Random } from "effect"
import { type Chance, chance } from "../harness/chance.ts"
import { seeded } from "../worlds/sessionWorld.ts"
import { Account } from "./account.ts"
import { Work } from "./contract.ts"

export interface Options {
  readonly seed: number
  readonly servers: number
  readonly callers: number
  /** Seconds for which calls are made, and something happens. */
  readonly seconds: number
  /** Milliseconds after which who joins has work. Default 1,000. */
  readonly soon?: number
}

/** Milliseconds between two calls of a caller. */
const every = 250
/** Milliseconds that a call takes: long enough that whatever happens to a server happens to calls. */
const quick = 250
const slow = 10 * quick
/** When all is well again: what was on its way has come by then, or never does. */
const settling = "40 seconds"

type Node = CommandNode.CommandNode["Service"]
type Process = SimNetwork.Process<CommandNode.CommandNode>

interface Server {
  readonly name: string
  readonly host: SimNetwork.Host
  process: Process
  /** Milliseconds that a call takes. */
  millis: number
  /** When it was started anew, until it has run its first call. `undefined` where somebody could not see it, too. */
  joinedAt: number | undefined
  /** Whether some callers are cut off from it. */
  isCut: boolean
}

interface World {
  readonly options: Options
  readonly network: SimNetwork.SimNetwork["Service"]
  readonly crypto: Crypto.Crypto["Service"]
  readonly random: Chance
  readonly account: Account
  readonly servers: Array<Server>
  /** Those of callers. */
  readonly hosts: Array<SimNetwork.Host>
  /** When nothing is begun any more. */
  until: number
}

const now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

const quiet = Logger.layer([])
const shared = { networkId: "trouble", bindIp: "0.0.0.0", broadcastInterval: "2 seconds" } as const

const launch = (
  { crypto }: World,
  host: SimNetwork.Host,
  layer: Layer.Layer<CommandNode.CommandNode, any, any>
): Effect.Effect<Process> => {
  const parts = Layer.provideMerge(
    Layer.provide(Trust.open(TofuTrust.layer()), quiet),
    Layer.merge(Layer.succeed(Crypto.Crypto, crypto), quiet)
  )
  return Effect.orDie(host.launch(Layer.provide(layer, parts) as never)) as Effect.Effect<Process>
}

// --- servers -----------------------------------------------------------------------------------------------------------------

const handlers = ({ account }: World, server: () => Server) => {
  const run = ({ id }: { readonly id: number }) =>
    Effect.gen(function*() {
      const { joinedAt, name } = server()
      account.ran(id)
      if (joinedAt !== undefined) {
        server().joinedAt = undefined
        account.joined(name, (yield* now) - joinedAt)
      }
      yield* Effect.sleep(server().millis)
      return name
    })
  return Work.toLayer({ work: run, look: run })
}

/** Each start is another node, as that of a deployment is. */
const serve = (world: World, host: SimNetwork.Host, name: string, server: () => Server) =>
  launch(
    world,
    host,
    CommandNode.serve(Work, { concurrency: { running: 16, waiting: 16 } }).pipe(
      Layer.provide(handlers(world, server)),
      Layer.provideMerge(CommandNode.layer({ ...shared, grace: "2 seconds", name }))
    )
  )

const restart = (world: World, server: Server, generation: number) =>
  Effect.gen(function*() {
    const at = yield* now
    // Of calls that are not made any more it gets none.
    server.joinedAt = server.isCut || at > world.until - 2_000 ? undefined : at
    server.process = yield* serve(world, server.host, `${server.name}-${generation}`, () => server)
  })

// --- callers -----------------------------------------------------------------------------------------------------------------

/** Milliseconds that a call may take. */
const timeout = 10_000

const makeCalls = ({ account, until }: World, node: Node, ids: Iterator<number>) =>
  Effect.gen(function*() {
    const client = yield* node.client(Work, { timeout })
    const made: Array<Fiber.Fiber<void>> = []
    while ((yield* now) < until) {
      const id: number = ids.next().value
      const kind = id % 3 === 0 ? "look" : "work"
      account.made(id, kind)
      const at = yield* now
      const call = Effect.flatMap(
        Effect.exit(client[kind]({ id })),
        (exit) => Effect.map(now, (ended) => account.ended(id, exit, ended - at >= timeout))
      )
      made.push(yield* Effect.forkChild(call))
      yield* Effect.sleep(every)
    }
    yield* Fiber.joinAll(made)
  }).pipe(Effect.scoped)

function* counting(): Generator<number, never> {
  for (let id = 0;; id++) yield id
}

// --- what happens ------------------------------------------------------------------------------------------------------------

const harm = (world: World, server: Server, generation: number): Effect.Effect<void> => {
  const { account, random } = world
  const { process } = server
  const again = Effect.suspend(() => restart(world, server, generation))
  const what = random.pick(["kill", "stop", "pause", "slow"])
  account.count(what)
  switch (what) {
    case "kill":
      return Effect.andThen(process.kill, Effect.andThen(Effect.sleep(500 + random.below(3_000)), again))
    case "stop":
      return Effect.andThen(process.stop, Effect.andThen(Effect.sleep(random.below(1_000)), again))
    case "pause":
      return Effect.andThen(process.pause, Effect.andThen(Effect.sleep(500 + random.below(4_000)), process.resume))
    default:
      server.millis = slow
      return Effect.andThen(Effect.sleep("3 seconds"), Effect.sync(() => void (server.millis = quick)))
  }
}

/** One of those whose number is that modulo `of`, so that never more than `of` are in trouble at once. */
const harming = (world: World, which: number, of: number): Effect.Effect<void> =>
  Effect.gen(function*() {
    const own = world.servers.filter((_, i) => i % of === which)
    for (let generation = 1; (yield* now) < world.until; generation++) {
      yield* Effect.sleep(500 + world.random.below(2_000))
      yield* harm(world, world.random.pick(own), of * generation + which)
    }
  })

/** Cuts some callers off from some servers, or from all of them, for a while. */
const cutting = ({ account, hosts, network, random, servers, until }: World): Effect.Effect<void> =>
  Effect.gen(function*() {
    while ((yield* now) < until) {
      yield* Effect.sleep(500 + random.below(2_000))
      const callers = hosts.filter(() => random.chance(0.4))
      const all = random.chance(0.15)
      const cut = servers.filter(() => all || random.chance(0.3))
      const what = random.pick(["both ways", "there", "back"])
      const lasting = 500 + random.below(random.pick([2_000, 12_000]))
      if (callers.length === 0 || cut.length === 0) continue
      const side = cut.map(({ host }) => host)
      const [from, to] = what === "back" ? [side, callers] : [callers, side]
      account.count(`cut off ${what}`)
      for (const server of cut) {
        server.isCut = true
        server.joinedAt = undefined
      }
      yield* network.partition(from, to, { oneWay: what !== "both ways" })
      yield* Effect.sleep(lasting)
      yield* network.heal(from, to)
      for (const server of cut) server.isCut = false
    }
  })

const live = (options: Options, crypto: Crypto.Crypto["Service"]) =>
  Effect.gen(function*() {
    const { callers, seed, servers, soon = 1_000 } = options
    const network = yield* SimNetwork.make({ seed, traceCapacity: 0 })
    const account = new Account(soon)
    const world: World = {
      options,
      network,
      crypto,
      random: chance(seed, "trouble"),
      account,
      servers: [],
      hosts: [],
      until: Infinity
    }
    for (let i = 0; i < servers; i++) {
      const host = yield* network.host(`s${i}`)
      const process = yield* serve(world, host, `s${i}-0`, () => world.servers[i]!)
      world.servers.push({ name: `s${i}`, host, process, millis: quick, joinedAt: undefined, isCut: false })
    }
    const nodes: Array<Node> = []
    for (let i = 0; i < callers; i++) {
      const host = yield* network.host(`c${i}`)
      world.hosts.push(host)
      const process = yield* launch(world, host, CommandNode.layer({ ...shared, name: `c${i}` }))
      nodes.push(Context.get(process.context, CommandNode.CommandNode))
    }
    for (const node of nodes) yield* node.awaitPeers({ serves: Work }, { atLeast: servers })

    world.until = (yield* now) + options.seconds * 1_000
    const ids = counting()
    const calling = yield* Effect.forkChild(
      Effect.forEach(nodes, (node) => makeCalls(world, node, ids), { concurrency: "unbounded", discard: true })
    )
    const of = Math.max(2, Math.floor(servers / 4))
    // Each puts right what it did before it ends.
    yield* Effect.all([
      cutting(world),
      ...Array.from({ length: of }, (_, which) => harming(world, which, of))
    ], { concurrency: "unbounded" })
    yield* Fiber.join(calling)
    yield* Effect.sleep(settling)
    return account.settled()
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

/** What came of it, and whatever must not be. Time has to pass by a TestClock. */
export const trouble = (options: Options) =>
  Effect.scoped(Effect.flatMap(seeded(options.seed), (crypto) => Effect.orDie(live(options, crypto)))).pipe(
    // Of the callers' clients, which are made outside of the processes of their nodes.
    Random.withSeed(options.seed)
  )
