/** The nodes of one run, the network between them, and what came of it all so far. */
import { type AdvancedNode, Crypto, Identity } from "@pnet/core"
import { SimNetwork } from "@pnet/testing"
import { Cause, Effect, Logger } from "effect"
import { type Chance, chance } from "../harness/chance.ts"
import { seeded, start, type Started } from "../worlds/sessionWorld.ts"
import { makeFunctions } from "./functions.ts"
import { Tally } from "./tally.ts"

export interface World {
  readonly seed: number
  readonly tally: Tally
  readonly network: SimNetwork.SimNetwork["Service"]
  readonly names: ReadonlyArray<string>
  /** By name; one that was ended stays until it is started anew. */
  readonly nodes: ReadonlyMap<string, Started>
  /** Starts a node, on a host that is there or on one of its own. */
  readonly launch: (name: string, host?: SimNetwork.Host) => Effect.Effect<void>
  /** Whether no more calls and faults begin. */
  over: boolean
}

const makeNetwork = (seed: number, random: Chance) =>
  SimNetwork.make({
    seed,
    traceCapacity: 0,
    link: {
      latency: { min: "1 millis", max: `${1 + random.below(random.pick([5, 50]))} millis` },
      loss: random.pick([0, 0.01, 0.05]),
      bandwidth: random.pick([Infinity, Infinity, 2_000_000])
    },
    streams: { chunking: random.pick(["random", "joined"]), window: random.pick([262_144, 262_144, 20_000]) }
  })

/** What all nodes of a run have in common. */
const drawOptions = (random: Chance) =>
  ({
    framing: random.pick(["binary", "binary", "text"] as const),
    limits: {
      sessionAge: random.pick(["1 hour", "7 seconds"] as const),
      sessionIdle: random.pick(["5 minutes", "1 second"] as const),
      streams: random.pick([1_024, 4]),
      credit: random.pick([1 << 28, 16 * 262_144])
    }
  }) satisfies Partial<AdvancedNode.Options>

const noticing = (tally: Tally) =>
  Logger.layer([Logger.make<unknown, void>(({ cause, message }) => {
    if (Cause.hasDies(cause) || String(message).includes("Unhandled")) {
      tally.problem(`logged: ${String(message)} ${Cause.pretty(cause)}`)
    }
  })])

/** A few nodes that know each other. */
export const makeWorld = (seed: number) =>
  Effect.gen(function*() {
    const random = chance(seed, "world")
    const tally = new Tally()
    const network = yield* makeNetwork(seed, random)
    const options = { ...drawOptions(random), functions: makeFunctions(tally) }
    const names = Array.from({ length: 2 + random.below(3) }, (_, i) => `node${i}`)
    const crypto = yield* seeded(seed)
    const logger = noticing(tally)
    const nodes = new Map<string, Started>()
    const identities = new Map<string, Crypto.KeyPair>()
    const launch = (name: string, host?: SimNetwork.Host) =>
      Effect.map(
        start(network, { ...options, name, identity: identities.get(name)! }, {
          logger,
          ...(host === undefined ? {} : { host })
        }),
        (node) => void nodes.set(name, node)
      )
    for (const name of names) {
      identities.set(name, yield* Identity.generate.pipe(Effect.provideService(Crypto.Crypto, crypto)))
      yield* launch(name)
    }
    yield* Effect.sleep("1 second")
    const world: World = { seed, tally, network, names, nodes, launch, over: false }
    return world
  })
