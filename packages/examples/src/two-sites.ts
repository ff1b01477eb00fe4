/**
 * Two sites that talk over NATS servers, and one that is cut off and comes back.
 *
 * `node packages/examples/src/two-sites.ts HUB SITE` takes the addresses of two servers, of which the second is a leaf node of the first (see
 * `docs/nats.md`), or one address for both. `alice` is at the hub and `bob` at the site; each advertises on a UDP port of its own, so that
 * neither hears the other on the LAN. Stop the site's server, and start it again: the program ends when it has seen both.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { CommandNode, LanReach, Reach } from "@pnet/core"
import { NatsPnet } from "@pnet/nats"
import { NodePnet } from "@pnet/node"
import { Config, Console, Context, Effect, Exit, Layer, Stream } from "effect"

interface Site {
  report(of: string): string
}

/** A node of a site: the LAN first, and its server for whoever is not on it. */
const node = (name: string, servers: string, networkId: string, advertisePort: number) =>
  CommandNode.layer({
    name,
    networkId,
    advertisePort,
    broadcastInterval: "250 millis",
    functions: { report: (_call, of: string) => `all is well at ${name}'s site, ${of}` }
  }).pipe(
    Layer.provide(Reach.merge(LanReach.layer, NatsPnet.layer({ servers, reconnectWait: "250 millis" }))),
    Layer.provide(NodePnet.layer),
    Layer.fresh,
    Layer.build,
    Effect.map((context) => Context.get(context, CommandNode.CommandNode))
  )

const program = Effect.gen(function*() {
  const [hub = "127.0.0.1:4222", site = hub] = process.argv.slice(2)
  const networkId = yield* Config.String("PNET_NETWORK_ID").pipe(Config.withDefault("two-sites"))
  const alice = yield* node("alice", hub, networkId, 33_401)
  yield* alice.peers.changes.pipe(
    Stream.runForEach((event) => {
      if (event._tag === "Joined") return Console.log(`alice: ${event.peer.name} is there`)
      return event._tag === "Lost" ? Console.log(`alice: ${event.peer.name} is lost`) : Effect.void
    }),
    Effect.forkScoped({ startImmediately: true })
  )
  yield* node("bob", site, networkId, 33_402)
  yield* alice.peers.awaitPeer("bob")
  const ask = (of: string) => Effect.exit(alice.target<Site>("bob", { timeout: "2 seconds" }).report(of))

  yield* Console.log(yield* alice.target<Site>("bob").report("at first"))
  yield* Console.log("now stop the site's server …")
  while (Exit.isSuccess(yield* ask("still"))) yield* Effect.sleep("100 millis")
  yield* Console.log("alice cannot ask; now start it again …")
  let answer = yield* ask("again")
  while (Exit.isFailure(answer)) {
    yield* Effect.sleep("100 millis")
    answer = yield* ask("again")
  }
  yield* Console.log(answer.value)
})

program.pipe(Effect.scoped, NodeRuntime.runMain)
