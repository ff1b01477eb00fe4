/** Nodes that drain: what their peers are told, what of their calls is refused, and what is finished. */
import { assert, describe, it } from "@effect/vitest"
import { CommandNode, type Sessions, TofuTrust, Trust } from "@pnet/core"
import { failureOf, type Net, quietly, text } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Logger, Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { TestClock } from "effect/testing"

const group = RpcGroup.make(Rpc.make("who", { payload: { wait: Schema.Boolean }, success: Schema.String }))

type Options = Partial<CommandNode.Options<any, never, any, never>>

class Gate {
  readonly open = Deferred.makeUnsafe<void>()
  begun = 0
  get pass() {
    return Effect.suspend(() => {
      this.begun++
      return Deferred.await(this.open)
    })
  }
}

/** A node that answers at once, or when its gate opens: by bytes, by JSON, and by a group that a layer above it serves. */
const start = (network: Net, name: string, gate = new Gate(), options: Options = {}) =>
  Effect.gen(function*() {
    const host = yield* network.host(name)
    const node = CommandNode.layer({
      networkId: "drains",
      bindIp: "0.0.0.0",
      functions: { slow: () => Effect.as(gate.pass, name) },
      streams: { slowly: () => Effect.as(gate.pass, name) },
      ...options,
      name
    })
    const layer = CommandNode.serve(group).pipe(
      Layer.provide(group.toLayer({ who: ({ wait }) => wait ? Effect.as(gate.pass, name) : Effect.succeed(name) })),
      Layer.provideMerge(node),
      Layer.provide([
        NodeCrypto.layer,
        Trust.open(TofuTrust.layer()).pipe(Layer.provide(Logger.layer([]))),
        Logger.layer([])
      ])
    )
    const process = yield* Effect.orDie(host.launch(layer as never)) as Effect.Effect<
      SimNetwork.Process<CommandNode.CommandNode>
    >
    return { process, node: Context.get(process.context, CommandNode.CommandNode), gate }
  })

const world = (options: Options = {}) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make()
    const alice = yield* start(network, "alice")
    const w1 = yield* start(network, "w1", new Gate(), options)
    const w2 = yield* start(network, "w2", new Gate(), options)
    yield* alice.node.awaitPeers({ serves: group }, { atLeast: 2 })
    return { alice: alice.node, w1, w2 }
  })

const forked = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

describe("a node that drains", () => {
  it.effect("tells its peers, refuses what is new unrun, and finishes what runs", () =>
    quietly(Effect.gen(function*() {
      const { alice, w1 } = yield* world()
      const client = yield* alice.client(group)
      const named = yield* alice.client(group, "w1")
      const running = [
        yield* forked(alice.target("w1")("slow")),
        yield* forked(Effect.map(alice.request("w1", "slowly", ""), text)),
        yield* forked(named.who({ wait: true }))
      ]
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(w1.gate.begun, 3)

      const drained = yield* forked(w1.node.drain({ within: "30 seconds" }))
      yield* TestClock.adjust("500 millis")
      assert.isTrue((yield* alice.peers.get("w1"))?.offer?.draining)
      assert.deepStrictEqual((yield* alice.peers.resolve({ serves: ["who"] })).map(({ name }) => String(name)), ["w2"])
      for (let i = 0; i < 5; i++) assert.strictEqual(yield* client.who({ wait: false }), "w2")
      for (
        const call of [
          alice.target("w1")("slow"),
          alice.request("w1", "slowly", ""),
          named.who({ wait: true })
        ] as ReadonlyArray<Effect.Effect<unknown, unknown>>
      ) {
        const error = (yield* failureOf(call)) as Sessions.StreamResetError
        assert.deepStrictEqual([error.code, error.detail, error.retryable], ["refused", "draining", true])
      }
      assert.isUndefined(drained.pollUnsafe())
      assert.strictEqual(w1.gate.begun, 3)

      Deferred.doneUnsafe(w1.gate.open, Effect.void)
      for (const call of running) assert.strictEqual(yield* Fiber.join(call as Fiber.Fiber<unknown, unknown>), "w1")
      assert.strictEqual(yield* Fiber.join(drained), 0)
      // It may come back.
      yield* w1.node.offer.update({ draining: false })
      assert.strictEqual(yield* named.who({ wait: false }), "w1")
    })))

  it.effect("has drained at once where nothing runs and nobody asks what it offers, and otherwise when they have been told", () =>
    quietly(Effect.gen(function*() {
      const { alice, w1 } = yield* world()
      const [alone] = yield* Effect.timed(alice.drain())
      assert.strictEqual(Duration.toMillis(alone), 0)
      yield* alice.offer.update({ draining: false })
      yield* alice.peers.resolve({ serves: ["who"] })
      const [told] = yield* Effect.timed(w1.node.drain())
      assert.isTrue((yield* alice.peers.get("w1"))?.offer?.draining)
      assert.isAtLeast(Duration.toMillis(told), 250)
      assert.isBelow(Duration.toMillis(told), 300)
    })))

  it.effect("takes what nodes tell each other and publish all the same, and does not wait for it", () =>
    quietly(Effect.gen(function*() {
      const { alice, w1 } = yield* world()
      const protocols = ["credentials", "offer", "topic"] as const
      for (const protocol of protocols) yield* w1.node.sessions.handle({ protocol, name: "x" }, () => Effect.never)
      const [peer] = yield* alice.peers.resolve("w1")
      const opened = (protocol: typeof protocols[number]) => alice.sessions.open(peer!, { protocol, name: "x" })
      const before = yield* Effect.forEach(protocols, opened)
      yield* TestClock.adjust("100 millis")
      const [took, left] = yield* Effect.timed(w1.node.drain({ within: "10 seconds" }))
      assert.strictEqual(left, 0)
      assert.isBelow(Duration.toMillis(took), 1_000)
      const streams = [...before, ...yield* Effect.forEach(protocols, opened)]
      const failures = yield* Effect.forEach(streams, (stream) => forked(Effect.exit(stream.failed)))
      yield* TestClock.adjust("1 second")
      for (const failed of failures) assert.isUndefined(failed.pollUnsafe())
    })))

  it.effect("waits so long and no longer, and says how many calls are left", () =>
    quietly(Effect.gen(function*() {
      const { alice, w1 } = yield* world()
      const call = yield* forked(Effect.exit(alice.target("w1")("slow")))
      yield* TestClock.adjust("100 millis")
      const drained = yield* forked(w1.node.drain({ within: "1 second" }))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(drained), 1)
      assert.isUndefined(call.pollUnsafe())
    })))

  it.effect("is what one does first that is closed with a grace, whatever layer serves the call", () =>
    quietly(Effect.gen(function*() {
      const { alice, w1 } = yield* world({ grace: "5 seconds" })
      const client = yield* alice.client(group)
      const named = yield* alice.client(group, "w1")
      const running = [yield* forked(alice.target("w1")("slow")), yield* forked(named.who({ wait: true }))]
      yield* TestClock.adjust("100 millis")
      const closed = yield* forked(w1.process.stop)
      const answers: Array<string> = []
      for (let i = 0; i < 20; i++) {
        answers.push(yield* client.who({ wait: false }))
        yield* TestClock.adjust("50 millis")
      }
      assert.include(answers, "w2")
      assert.isUndefined(closed.pollUnsafe())
      Deferred.doneUnsafe(w1.gate.open, Effect.void)
      for (const call of running) assert.strictEqual(yield* Fiber.join(call as Fiber.Fiber<unknown, unknown>), "w1")
      yield* Fiber.join(closed)
      for (let i = 0; i < 5; i++) assert.strictEqual(yield* client.who({ wait: false }), "w2")
    })))
})
