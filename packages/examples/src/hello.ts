/**
 * The shortest useful program: two nodes find each other and exchange a message.
 *
 * They run in one process here; each could as well be on a machine of its own, with `bindIp: "0.0.0.0"`.
 */
import { NodeRuntime } from "@effect/platform-node"
import { BasicNode } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Console, Effect } from "effect"

// Nodes of another network id are not there, as far as these two can tell.
const networkId = process.env.PNET_NETWORK_ID ?? "hello"

const program = Effect.gen(function*() {
  yield* BasicNode.make({
    name: "alice",
    networkId,
    onMessage: ({ from, text }) => Effect.succeed(`hello ${from.name}, you said: ${text}`)
  })
  const bob = yield* BasicNode.make({ name: "bob", networkId })

  yield* bob.peers.awaitPeer("alice")
  yield* Console.log(yield* bob.sendText("alice", "good morning"))
})

program.pipe(Effect.scoped, Effect.provide(NodePnet.layer), NodeRuntime.runMain)
