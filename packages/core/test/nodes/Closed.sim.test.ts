/** What the calls of a node come to that is closed, and those to itself: the same in all node types. */
import { assert, describe, it } from "@effect/vitest"
import { CommandNode, type Outcomes, PeerRpc, Peers, Sessions, TofuTrust } from "@pnet/core"
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
      const all = yield* PeerRpc.clientAll(Files, [to]).pipe(
        Effect.provideService(Sessions.Sessions, node.sessions),
        Effect.provideService(Peers.Peers, node.peers)
      )
      const both = <A, E, R>(kind: string, outcomes: Outcomes.Outcomes<A, E, R>) => ({
        [`${kind} to several`]: Effect.flatMap(outcomes, (all) => all[to]!),
        [`${kind} to several, as they come`]: Effect.flatMap(Stream.runCollect(outcomes.stream), ([one]) => one!.exit)
      })
      return {
        raw: node.raw.send(to, "x"),
        ...both("raw", node.raw.sendAll([to], "x")),
        request: node.request(to, "f", "x"),
        "request of a stream": node.request(to, "f", Stream.empty),
        stream: Stream.runDrain(node.send(to, "f", "x")),
        ...both("bytes", node.sendAll([to], "f", "x")),
        ...both("a stream", node.sendAll([to], "f", Stream.empty)),
        command: node.target(to)("f"),
        ...both("command", node.target([to])("f")),
        ...both("typed", all.one()),
        "typed stream to several": Effect.flatMap(
          Stream.runCollect(all.many()),
          ([item]) => item?._tag === "Exit" ? item.exit : Effect.void
        ),
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

  it.effect("fail so as a whole where they are to several, whoever these are", () =>
    quietly(Effect.gen(function*() {
      const { alice } = yield* Effect.orDie(world)
      const { node } = alice
      const scope = yield* Scope.make()
      const targets = ["*", { role: "worker" }, ["bob"], []] as const
      const all = yield* Effect.forEach(targets, (target) =>
        Effect.map(Scope.provide(node.client(Files, target), scope), (files) => ({ target, files })))
      yield* alice.process.stop
      for (const { files, target } of all) {
        const calls: Record<string, Outcomes.Outcomes<unknown, unknown>> = {
          message: node.raw.sendAll(target, "x"),
          bytes: node.sendAll(target, "f", "x"),
          "a stream": node.sendAll(target, "f", Stream.empty),
          command: node.target(target)("f"),
          typed: files.one()
        }
        for (const [kind, call] of Object.entries(calls)) {
          for (const run of [call, Stream.runDrain(call.stream)] as ReadonlyArray<Effect.Effect<unknown, unknown>>) {
            const error = yield* failureOf(run)
            assert.deepInclude(error as object, { _tag: "NodeClosedError", node: "alice" }, `${kind} to ${target}`)
          }
        }
        assert.strictEqual((yield* failureOf(Stream.runDrain(files.many())))._tag, "NodeClosedError")
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
