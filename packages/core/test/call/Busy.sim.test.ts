/** Limits of how many calls of a function run at a node, over real nodes: who waits, who is refused, and what clients of a service make of it. */
import { assert, describe, it, vi } from "@effect/vitest"
import { type Allow, Balance, Command, CommandNode, type Sessions, TofuTrust, Trust } from "@pnet/core"
import { failureOf, type Net, quietly } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Context, Effect, Fiber, Layer, Logger, Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { TestClock } from "effect/testing"
import { Pending } from "../../src/internal/call/rpcClientUnary.ts"

const group = RpcGroup.make(Rpc.make("work", { payload: { of: Schema.String }, success: Schema.String }))
const act = Command.make("act", { args: [Schema.String], success: Schema.String })

type Concurrency = typeof Balance.Concurrency.Encoded | undefined

/** What a server runs: everything takes 100 ms. */
class Work {
  running = 0
  most = 0
  readonly order: Array<string> = []
  run(of: string, name: string) {
    return Effect.suspend(() => {
      this.most = Math.max(this.most, ++this.running)
      this.order.push(of)
      return Effect.as(Effect.sleep("100 millis"), name).pipe(Effect.ensuring(Effect.sync(() => this.running--)))
    })
  }
}

const start = (network: Net, name: string, concurrency?: Concurrency, allow?: Allow.Allow) =>
  Effect.gen(function*() {
    const work = new Work()
    const host = yield* network.host(name)
    const node = CommandNode.layer({
      networkId: "busy",
      bindIp: "0.0.0.0",
      commands: [Command.implement(act, (_, of) => work.run(of, name), { allow, concurrency })],
      name
    })
    const layer = CommandNode.serve(group, { allow, concurrency }).pipe(
      Layer.provide(group.toLayer({ work: ({ of }) => work.run(of, name) })),
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
    const made = Context.get(process.context, CommandNode.CommandNode)
    yield* made.streams.register("plain", ({ text }) => Effect.flatMap(text, (of) => work.run(of, name)), {
      allow,
      concurrency
    })
    return { node: made, work }
  })

const all = <A, E, R>(times: number, effect: (i: number) => Effect.Effect<A, E, R>) =>
  Effect.forkChild(
    Effect.forEach(Array.from({ length: times }, (_, i) => i), (i) => Effect.exit(effect(i)), {
      concurrency: "unbounded"
    }),
    { startImmediately: true }
  )

const kinds = ["rpc", "command", "bytes", "rpc by JSON"] as const

/** Calls of the one function of bob's, as each kind of function is called. */
const callsOf = (alice: CommandNode.CommandNode["Service"], kind: (typeof kinds)[number]) =>
  Effect.gen(function*() {
    yield* alice.awaitPeers({ serves: group })
    const client = yield* alice.client(group, "bob")
    const target = alice.target("bob", { commands: [act] })
    return (of: string): Effect.Effect<unknown, { readonly _tag: string }> =>
      kind === "rpc"
        ? client.work({ of })
        : kind === "command"
        ? target.act(of)
        : kind === "bytes"
        ? alice.request("bob", "plain", of)
        : alice.target("bob")("work", { of })
  })

describe("a function that is limited", () => {
  for (const kind of kinds) {
    it.effect(`asks anew whether a caller may call it that has waited: ${kind}`, () =>
      quietly(Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const { node: alice } = yield* start(network, "alice")
        let asked = 0
        let may = true
        const { work } = yield* start(network, "bob", { running: 1, waiting: 3 }, () => (asked++, may))
        const call = yield* callsOf(alice, kind)
        const calls = yield* all(3, (i) => call(`${i}`))
        yield* TestClock.adjust("50 millis")
        assert.deepStrictEqual([work.order.length, asked], [1, 3])
        may = false
        yield* TestClock.adjust("5 seconds")
        const exits = yield* Fiber.join(calls)
        assert.deepStrictEqual([work.order.length, asked], [1, 5])
        const tags = yield* Effect.forEach(exits, (exit) =>
          exit._tag === "Success" ? Effect.succeed("ran") : Effect.map(Effect.flip(exit), ({ _tag }) => _tag))
        assert.deepStrictEqual(tags, ["ran", "NotAllowedError", "NotAllowedError"])
      })))

    it.effect(`runs so many calls, has so many wait, and refuses more as not run: ${kind}`, () =>
      quietly(Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const { node: alice } = yield* start(network, "alice")
        const { work } = yield* start(network, "bob", { running: 2, waiting: 3 })
        const call = yield* callsOf(alice, kind)
        const calls = yield* all(8, (i) => call(`${i}`))
        yield* TestClock.adjust("50 millis")
        assert.strictEqual(work.order.length, 2)
        yield* TestClock.adjust("5 seconds")
        const exits = yield* Fiber.join(calls)
        assert.strictEqual(work.most, 2)
        // Who was refused has tried again by itself, and nothing ran twice.
        assert.isTrue(exits.every(({ _tag }) => _tag === "Success"))
        assert.deepStrictEqual([...work.order].sort(), ["0", "1", "2", "3", "4", "5", "6", "7"])
      })))
  }

  it.effect("leaves nothing at its callers of calls that were refused and sent again", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { node: alice } = yield* start(network, "alice")
      yield* start(network, "bob", { running: 1, waiting: 0 })
      yield* alice.awaitPeers({ serves: group })
      const clients = [yield* alice.client(group), yield* alice.client(group, "bob")]
      for (const client of clients) yield* client.work({ of: "first" })
      const follow = vi.spyOn(Pending.prototype, "follow")
      yield* Effect.addFinalizer(() => Effect.sync(() => follow.mockRestore()))
      const calls = yield* Effect.forEach(clients, (client) => all(10, (i) => client.work({ of: `${i}` })))
      yield* TestClock.adjust("10 seconds")
      yield* Effect.forEach(calls, Fiber.join)
      const followed = new Set(follow.mock.contexts as ReadonlyArray<Pending<never>>)
      assert.strictEqual(followed.size, 2)
      for (const pending of followed) assert.strictEqual(pending.size, 0)
    })))

  it.effect("tells its peers what it takes, and is left alone by clients while it is busy, for those that are not", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { node: alice } = yield* start(network, "alice")
      const small = yield* start(network, "small", { running: 1, waiting: 0 })
      const large = yield* start(network, "large", { running: 6, waiting: 0 })
      yield* alice.awaitPeers({ serves: group }, { atLeast: 3 }).pipe(Effect.flip)
      // Alice serves it, too, and is no peer of her own.
      assert.strictEqual((yield* alice.peers.get("large"))?.offer?.capacity, 18)
      const client = yield* alice.client(group)
      const calls = yield* all(200, (i) => client.work({ of: `${i}` }))
      yield* TestClock.adjust("10 seconds")
      const exits = yield* Fiber.join(calls)
      assert.strictEqual(exits.filter(({ _tag }) => _tag === "Success").length, 200)
      assert.deepStrictEqual([small.work.most, large.work.most], [1, 6])
      assert.strictEqual(small.work.order.length + large.work.order.length, 200)
      assert.isAbove(large.work.order.length, 4 * small.work.order.length)
    })))

  it.effect("that takes nothing for good gives its callers OverloadedError, in the time they have", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { node: alice } = yield* start(network, "alice")
      yield* start(network, "bob", { running: 1, waiting: 0 })
      yield* alice.awaitPeers({ serves: group })
      // Bob is kept busy by others, and what he says he takes is nonsense.
      const named = yield* alice.client(group, "bob")
      yield* Effect.forkChild(Effect.forever(Effect.ignore(named.work({ of: "other" }))))
      const client = yield* alice.client(group, { settings: { whenFull: "1 second", waiting: 4 } })
      const calls = yield* all(20, (i) => client.work({ of: `mine ${i}` }))
      yield* TestClock.adjust("3 seconds")
      const errors = (yield* Fiber.join(calls)).filter(({ _tag }) => _tag === "Failure")
      assert.isAbove(errors.length, 10)
      for (const exit of errors) {
        const error = (yield* failureOf(exit)) as Balance.OverloadedError | Sessions.StreamResetError
        assert.strictEqual(error._tag, "OverloadedError")
      }
    })))
})
