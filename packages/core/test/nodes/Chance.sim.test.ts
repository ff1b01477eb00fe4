/** What a node draws by chance is drawn by the chance of the node, which a simulated network's seed says, and not by that of whoever calls it. */
import { assert, it } from "@effect/vitest"
import { Peers } from "@pnet/core"
import { startCommand } from "@pnet/lab/worlds/commandWorld"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { Effect, Random } from "effect"

it.effect("a caller's own chance decides nothing of a call of one of several, nor of when a peer is dialled again", () =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make({ seed: 4 })
    const serving = (name: string) =>
      startCommand(network, {
        name,
        onMessage: () => Effect.succeed(name),
        functions: { tell: () => Effect.succeed(name) }
      })
    const alice = yield* startCommand(network, { name: "alice" })
    const [bob, carol] = [yield* serving("bob"), yield* serving("carol")]
    yield* Effect.orDie(alice.node.awaitPeers("*", { atLeast: 2 }))
    let drawn = 0
    const counting: Random.Random = {
      nextIntUnsafe: () => drawn++,
      nextDoubleUnsafe: () => drawn++ && 0
    }
    yield* Effect.gen(function*() {
      assert.strictEqual(yield* Random.next, 0)
      assert.strictEqual(drawn, 1)
      const any = Peers.any({ where: () => true })
      for (let i = 0; i < 10; i++) {
        yield* alice.node.peers.resolveOne(any)
        yield* alice.node.raw.send(any, "x")
        yield* alice.node.target(any)("tell")
      }
      // Nobody is there for a while, and each call dials anew.
      yield* bob.process.kill
      yield* carol.process.kill
      for (let i = 0; i < 4; i++) {
        yield* Effect.exit(alice.node.target("bob", { timeout: "1 second" })("tell"))
        yield* Effect.exit(alice.node.raw.send("carol", "x", { timeout: "1 second" }))
      }
      assert.strictEqual(drawn, 1)
    }).pipe(Effect.provideService(Random.Random, counting))
  }).pipe(SimWorld.passing()))
