/** What the calls of a node come to that is closed, and those to itself: the same in all node types. */
import { assert, describe, it } from "@effect/vitest"
import { CommandNode, PeerRpc, Peers, Sessions, TofuTrust } from "@pnet/core"
import { failureOf, quietly } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Clock, Context, Effect, Fiber, Layer, Scope, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

class Files extends RpcGroup.make(Rpc.make("one"), Rpc.make("many", { stream: true })) {}

/** Alice, and each kind of call that she can make of a peer. */
const world = Effect.gen(function*() {
  const network = yield* SimNetwork.make({ seed: 3 })
  const start = (name: string) =>
    Effect.gen(function*() {
      const host = yield* network.host(name)
      const process = yield* host.launch(
        CommandNode.layer({ networkId: "closed", bindIp: "0.0.0.0", name }).pipe(
          Layer.provide([NodeCrypto.layer, TofuTrust.layer()])
        )
      )
      return { process, context: process.context, node: Context.get(process.context, CommandNode.CommandNode) }
    })
  yield* start("bob")
  const alice = yield* start("alice")
  yield* alice.node.peers.awaitPeer("bob")
  const calls = (to: string) =>
    Effect.gen(function*() {
      const { node } = alice
      const files = yield* PeerRpc.client(Files, to).pipe(
        Effect.provideService(Sessions.Sessions, node.sessions),
        Effect.provideService(Peers.Peers, node.peers)
      )
      const service = yield* PeerRpc.service(Files).pipe(
        Effect.provideService(Sessions.Sessions, node.sessions),
        Effect.provideService(Peers.Peers, node.peers)
      )
      const one = (exit: ReadonlyArray<{ readonly exit: import("effect").Exit.Exit<unknown, unknown> }>) =>
        exit[0]!.exit
      return {
        raw: node.raw.send(to, "x"),
        "raw to several": Effect.flatMap(node.raw.sendAll([to], "x"), (all) => all.get(to)!),
        request: node.request(to, "f", "x"),
        "request of a stream": node.request(to, "f", Stream.empty),
        stream: Stream.runDrain(node.send(to, "f", "x")),
        "to several": Effect.flatMap(Stream.runCollect(node.sendAll([to], "f", "x")), (all) => one(all)),
        "a stream to several": Effect.flatMap(
          Stream.runCollect(node.sendAll([to], "f", Stream.empty)),
          (all) => one(all)
        ),
        command: node.target(to)("f"),
        "command to several": Effect.flatMap(node.target([to])("f"), (all) => all[to]!),
        ...(to === "bob" ? { service: service.one() } : {}),
        typed: files.one(),
        "typed stream": Stream.runDrain(files.many())
      } as Record<string, Effect.Effect<unknown, { readonly _tag: string; readonly self?: boolean }>>
    })
  return { alice, calls }
})

describe("calls, whatever kind of node makes them,", () => {
  it.effect("fail with a NodeClosedError where it is closed", () =>
    quietly(Effect.gen(function*() {
      const { alice, calls } = yield* Effect.orDie(world)
      const scope = yield* Scope.make()
      const all = yield* Scope.provide(calls("bob"), scope)
      yield* alice.process.stop
      for (const [kind, call] of Object.entries(all)) {
        const error = yield* failureOf(call)
        assert.deepInclude(error as object, { _tag: "NodeClosedError", node: "alice" }, kind)
      }
    })))

  it.effect("fail so where it is waited for peers, or asked who is there, of one that is closed or closes meanwhile", () =>
    quietly(Effect.gen(function*() {
      const { alice } = yield* Effect.orDie(world)
      const { awaitPeers, peers } = alice.node
      const waiting: Record<string, Effect.Effect<unknown, { readonly _tag: string }>> = {
        awaitPeer: peers.awaitPeer("carol", "1 minute"),
        "awaitPeers of a name": peers.awaitPeers("carol", { within: "1 minute" }),
        "awaitPeers of names": awaitPeers(["bob", "carol"], { within: "1 minute", atLeast: 2 }),
        "awaitPeers of all": awaitPeers("*", { within: "1 minute", atLeast: 9 }),
        "awaitPeers by what they offer": awaitPeers({ role: "worker" }, { within: "1 minute" })
      }
      const fibers = yield* Effect.forEach(
        Object.values(waiting),
        (wait) => Effect.forkChild(failureOf(wait), { startImmediately: true })
      )
      yield* Effect.sleep("5 seconds")
      const closing = yield* Clock.currentTimeMillis
      yield* alice.process.stop
      for (const fiber of fibers) {
        assert.deepInclude((yield* Fiber.join(fiber)) as object, { _tag: "NodeClosedError", node: "alice" })
      }
      assert.isBelow((yield* Clock.currentTimeMillis) - closing, 10_000)

      const asked: typeof waiting = {
        ...waiting,
        "resolve all": peers.resolve("*"),
        "resolve nobody": peers.resolve([]),
        "resolve one": peers.resolveOne("bob"),
        "resolve by what they offer": peers.resolve({ role: "worker" })
      }
      for (const [kind, ask] of Object.entries(asked)) {
        const error = yield* failureOf(ask)
        assert.deepInclude(error as object, { _tag: "NodeClosedError", node: "alice" }, kind)
      }
    })))

  it.effect("say so where they are to itself", () =>
    quietly(Effect.gen(function*() {
      const { calls } = yield* Effect.orDie(world)
      for (const [kind, call] of Object.entries(yield* calls("alice"))) {
        const error = yield* failureOf(call)
        assert.deepInclude(error as object, { _tag: "PeerUnknownError", self: true }, kind)
      }
    })))
})
