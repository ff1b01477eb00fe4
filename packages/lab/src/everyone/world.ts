/** The caller, those whom it calls, the network between them, and what came of it all so far. */
import { CommandNode, TofuTrust } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Context, Effect, Layer } from "effect"
import { type Chance, draws } from "../harness/chance.ts"
import { Runs } from "./runs.ts"
import { Tally } from "./tally.ts"

/** A node, and its host, which stays when it does not. */
export interface Member {
  readonly name: string
  readonly host: SimNetwork.Host
  process: SimNetwork.Process<CommandNode.CommandNode>
}

export interface World {
  readonly random: Chance
  readonly tally: Tally
  readonly runs: Runs
  readonly network: SimNetwork.SimNetwork["Service"]
  readonly caller: Member
  readonly node: CommandNode.CommandNode["Service"]
  /** All but the caller. */
  readonly members: Array<Member>
  /** Starts a node on a host. */
  readonly start: (name: string, host: SimNetwork.Host) => Effect.Effect<Member["process"]>
  /** A node on a host of its own. */
  readonly join: (name: string) => Effect.Effect<Member>
}

/** So many nodes, of which the caller knows the others. */
export const makeWorld = (seed: number, nodes: number) =>
  Effect.gen(function*() {
    const random = draws(Math.imul(seed, 0x9e3779b1))
    const tally = new Tally()
    const runs = new Runs(random, tally)
    const network = yield* SimNetwork.make({
      seed,
      traceCapacity: 0,
      link: {
        latency: { min: "1 millis", max: `${random.pick([2, 20, 80])} millis` },
        loss: random.pick([0, 0.01, 0.05])
      }
    })
    const start: World["start"] = (name, host) => {
      const options = { name, networkId: "everyone", bindIp: "0.0.0.0", functions: { work: runs.work(name) } }
      const layer = Layer.provide(CommandNode.layer(options), [NodeCrypto.layer, TofuTrust.layer()])
      return Effect.orDie(host.launch(layer))
    }
    const join: World["join"] = (name) =>
      Effect.gen(function*() {
        const host = yield* network.host(name)
        return { name, host, process: yield* start(name, host) }
      })
    const caller = yield* join("caller")
    // One after another: a test clock waits a second of real time for what is due at one instant, and no longer.
    const members = yield* Effect.forEach(
      Array.from({ length: nodes - 1 }, (_, i) => `peer${i + 1}`),
      (name) => Effect.andThen(Effect.sleep("5 millis"), join(name))
    )
    const node = Context.get(caller.process.context, CommandNode.CommandNode)
    yield* Effect.forEach(members, ({ name }) => Effect.orDie(node.peers.awaitPeer(name)), { concurrency: "unbounded" })
    const world: World = { random, tally, runs, network, caller, node, members, start, join }
    return world
  })
