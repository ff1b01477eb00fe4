/** Clients of a service over real nodes: whom calls go to, what is tried again, and what calls fail with. */
import { assert, describe, it } from "@effect/vitest"
import { Balance, Command, CommandNode, type PeerRpc, Peers, TofuTrust, Trust } from "@pnet/core"
import { failureOf, type Net, quietly } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Schema, Scope, Stream } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { TestClock } from "effect/testing"

const open = Trust.open(TofuTrust.layer()).pipe(Layer.provide(Logger.layer([])))

class Broken extends Schema.TaggedError<Broken>("test/Broken")("PeerLostError", { mayHaveRun: Schema.Boolean }) {}

const group = RpcGroup.make(
  Rpc.make("who", { payload: { of: Schema.String }, success: Schema.String, error: Broken }),
  Rpc.make("look", { payload: { of: Schema.String }, success: Schema.String }).annotate(Balance.Idempotent, true),
  Rpc.make("count", { payload: { from: Schema.Int }, success: Schema.Int, stream: true })
)
const older = RpcGroup.make(Rpc.make("who", { payload: { of: Schema.String }, success: Schema.Int }))

type Node = CommandNode.CommandNode["Service"]

const start = (network: Net, name: string, trust: Layer.Layer<Trust.Trust> = open) =>
  Effect.gen(function*() {
    const host = yield* network.host(name)
    const layer = CommandNode.layer({ networkId: "services", bindIp: "0.0.0.0", name }).pipe(
      Layer.provide([NodeCrypto.layer, trust, Logger.layer([])])
    )
    const process = yield* Effect.orDie(host.launch(layer as never)) as Effect.Effect<
      SimNetwork.Process<CommandNode.CommandNode>
    >
    return { process, node: Context.get(process.context, CommandNode.CommandNode) }
  })

/** Runs of calls, by what they were for, and a gate that those for "wait" wait at. */
class Runs {
  readonly of = new Map<string, Array<string>>()
  gate = Deferred.makeUnsafe<void>()
  /** Those that were given up while they ran. */
  readonly givenUp: Array<string> = []
  /** Whose handlers are broken. */
  broken = ""
  note(of: string, at: string) {
    this.of.set(of, [...this.of.get(of) ?? [], at])
  }
}

const serve = (node: Node, runs: Runs, options?: PeerRpc.ServeOptions) => {
  const run = (of: string) =>
    Effect.suspend(() => {
      runs.note(of, node.name)
      if (runs.broken === node.name) return Effect.die("broken")
      if (!of.startsWith("wait")) return Effect.succeed(node.name as string)
      return Effect.onInterrupt(
        Effect.as(Deferred.await(runs.gate), node.name as string),
        () => Effect.sync(() => void runs.givenUp.push(of))
      )
    })
  return Layer.build(
    CommandNode.serve(group, options).pipe(
      Layer.provide(group.toLayer({
        who: ({ of }) => of === "fail" ? Effect.andThen(run(of), new Broken({ mayHaveRun: false })) : run(of),
        look: ({ of }) => run(of),
        count: ({ from }) =>
          Stream.concat(
            Stream.tap(Stream.range(from, 3), () => Effect.sync(() => runs.note("count", node.name))),
            Stream.fromEffect(Effect.as(run("wait count"), 4))
          )
      })),
      Layer.provide(Layer.succeed(CommandNode.CommandNode, node))
    )
  )
}

const world = Effect.gen(function*() {
  const network = yield* SimNetwork.make()
  const runs = new Runs()
  const { node: gateway } = yield* start(network, "gateway")
  const w1 = yield* start(network, "w1")
  const w2 = yield* start(network, "w2")
  const idle = yield* start(network, "idle")
  yield* serve(w1.node, runs)
  yield* serve(w2.node, runs)
  yield* gateway.awaitPeers({ serves: group }, { atLeast: 2 })
  const workers: Record<string, typeof w1> = { w1, w2 }
  return { network, gateway, idle, runs, workers }
})

const often = <A, E, R>(times: number, effect: Effect.Effect<A, E, R>) =>
  Effect.forEach(Array.from({ length: times }), () => effect, { concurrency: "unbounded" })

describe("a client of a service", () => {
  it.effect("calls whoever serves the very contract, evenly, and follows those who come and go", () =>
    quietly(Effect.gen(function*() {
      const { gateway, network, runs, workers } = yield* world
      const client = yield* gateway.client(group, { policy: Balance.roundRobin })
      const first = yield* often(10, client.who({ of: "x" }))
      assert.deepStrictEqual(first.sort(), [...Array(5).fill("w1"), ...Array(5).fill("w2")])
      assert.deepStrictEqual(
        yield* Stream.runCollect(Stream.take(client.count({ from: 1 }), 3)),
        [1, 2, 3]
      )
      const w3 = yield* start(network, "w3")
      yield* serve(w3.node, runs)
      yield* gateway.awaitPeers({ serves: group }, { atLeast: 3 })
      assert.strictEqual(new Set(yield* often(9, client.who({ of: "x" }))).size, 3)
      yield* workers["w1"]!.process.stop
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([...new Set(yield* often(8, client.who({ of: "x" })))].sort(), ["w2", "w3"])
      // Another contract of the same name is another service.
      const nobody = yield* gateway.client(older, { settings: { whenNobody: 0 } })
      const error = yield* failureOf(nobody.who({ of: "x" }))
      assert.strictEqual(error._tag, "NobodyThereError")
    })))

  it.effect("of those with a role calls nobody with the role who does not serve the group", () =>
    quietly(Effect.gen(function*() {
      const { gateway, idle, workers } = yield* world
      for (const { node } of [idle, workers["w1"]!]) yield* node.offer.update({ roles: ["gpu"] })
      yield* gateway.awaitPeers({ role: "gpu" }, { atLeast: 2 })
      const settings = { retries: 0, retriesPerSecond: 0 }
      const client = yield* gateway.client(group, Peers.any({ role: "gpu" }), { policy: Balance.roundRobin, settings })
      assert.deepStrictEqual(yield* often(4, client.who({ of: "x" })), Array(4).fill("w1"))
    })))

  it.effect("sends what may have run to another peer only where that does no harm", () =>
    quietly(Effect.gen(function*() {
      const { gateway, network, runs, workers } = yield* world
      const client = yield* gateway.client(group)
      const look = yield* Effect.forkChild(client.look({ of: "wait idempotent" }))
      yield* TestClock.adjust("1 second")
      const [first] = runs.of.get("wait idempotent")!
      yield* workers[first!]!.process.kill
      yield* TestClock.adjust("15 seconds")
      const [, second] = runs.of.get("wait idempotent")!
      assert.deepStrictEqual([first, second].sort(), ["w1", "w2"])

      const call = yield* Effect.forkChild(Effect.flip(client.who({ of: "wait once" })))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(runs.of.get("wait once"), [second])
      // There is somebody who could run it.
      const w3 = yield* start(network, "w3")
      yield* serve(w3.node, runs)
      yield* gateway.awaitPeers({ serves: group }, { atLeast: 2 })
      yield* workers[second!]!.process.kill
      yield* TestClock.adjust("15 seconds")
      const error = yield* Fiber.join(call)
      assert(error._tag === "PeerLostError")
      assert.isTrue(error.mayHaveRun)
      assert.deepStrictEqual(runs.of.get("wait once"), [second])
      assert.deepStrictEqual(runs.of.get("wait idempotent"), [first, second, "w3"])
      Deferred.doneUnsafe(runs.gate, Effect.void)
      assert.strictEqual(yield* Fiber.join(look), "w3")
    })))

  it.effect("goes past a peer that does not let it, and fails as such where none does", () =>
    quietly(Effect.gen(function*() {
      const { gateway, network, runs } = yield* world
      const w3 = yield* start(network, "w3")
      yield* serve(w3.node, runs, { allow: () => false })
      yield* gateway.awaitPeers({ serves: group }, { atLeast: 3 })
      const client = yield* gateway.client(group)
      const answers = yield* Effect.forEach(
        Array.from({ length: 40 }),
        () => Effect.andThen(Effect.sleep("50 millis"), client.who({ of: "x" }))
      )
      assert.deepStrictEqual([...new Set(answers)].sort(), ["w1", "w2"])
      const only = yield* gateway.client(group, Peers.any({ where: ({ name }) => name === "w3" }))
      for (let i = 0; i < 5; i++) {
        assert.strictEqual((yield* failureOf(only.who({ of: "x" })))._tag, "NotAllowedError")
      }
    })))

  it.effect("is not drawn to a peer that answers at once since its handlers are broken", () =>
    quietly(Effect.gen(function*() {
      const { gateway, runs } = yield* world
      const client = yield* gateway.client(group)
      runs.broken = "w1"
      const tags: Array<string> = []
      for (let i = 0; i < 60; i++) {
        yield* Effect.sleep("20 millis")
        const exit = yield* Effect.exit(client.look({ of: "x" }))
        if (Exit.isFailure(exit)) tags.push((yield* failureOf(exit))._tag)
      }
      // Three, and one each time that it is tried anew.
      assert.deepStrictEqual([...new Set(tags)], ["RemoteDefectError"])
      assert.isAtLeast(tags.length, 3)
      assert.isAtMost(tags.length, 6)
      assert.strictEqual(runs.of.get("x")!.length, 60)
      runs.broken = ""
      yield* Effect.sleep("1 minute")
      const after = yield* Effect.forEach(
        Array.from({ length: 40 }),
        () => Effect.andThen(Effect.sleep("50 millis"), client.who({ of: "y" }))
      )
      assert.deepStrictEqual([...new Set(after)].sort(), ["w1", "w2"])
    })))

  it.effect("gives the place of a call back that is given up, at its first peer and at a later one", () =>
    quietly(Effect.gen(function*() {
      const { gateway, runs, workers } = yield* world
      const scope = yield* Scope.make()
      const settings = { pending: 1, whenFull: 0 }
      const client = yield* Scope.provide(scope)(gateway.client(group, { settings }))
      const out = yield* Effect.forkChild(often(2, client.who({ of: "wait" })))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(runs.of.get("wait")!.toSorted(), ["w1", "w2"])
      assert.strictEqual((yield* failureOf(client.who({ of: "x" })))._tag, "OverloadedError")
      yield* Fiber.interrupt(out)
      assert.deepStrictEqual((yield* often(2, client.who({ of: "x" }))).sort(), ["w1", "w2"])

      // One that goes on at the peer that is left is given up there.
      const look = yield* Effect.forkChild(client.look({ of: "wait first" }))
      yield* TestClock.adjust("1 second")
      const [first] = runs.of.get("wait first")!
      yield* workers[first!]!.process.kill
      yield* TestClock.adjust("15 seconds")
      assert.lengthOf(runs.of.get("wait first")!, 2)
      assert.strictEqual((yield* failureOf(client.who({ of: "x" })))._tag, "OverloadedError")
      yield* Fiber.interrupt(look)
      assert.notStrictEqual(yield* client.who({ of: "x" }), first)

      // Those that are out when its scope closes are given up.
      const last = yield* Effect.forkChild(client.who({ of: "wait last" }))
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(last)))
      // At the peer that was killed, too.
      assert.deepStrictEqual(runs.givenUp, ["wait", "wait", "wait first", "wait first", "wait last"])
    })))

  it.effect("is not made with a share to hedge at that is none", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { node } = yield* start(network, "gateway")
      for (const hedge of [95, 1, 0, -1, NaN, "0.95" as unknown as number]) {
        const exit = yield* Effect.exit(node.client(group, { hedge }))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause), String(hedge))
        if (Exit.isFailure(exit)) assert.include(Cause.pretty(exit.cause), "hedge")
      }
      yield* node.client(group, { hedge: 0.95 })
    })))

  it.effect("takes what a handler fails with for its answer, whatever it looks like", () =>
    quietly(Effect.gen(function*() {
      const { gateway, runs } = yield* world
      const client = yield* gateway.client(group)
      const error = yield* failureOf(client.who({ of: "fail" }))
      assert.instanceOf(error, Broken)
      assert.strictEqual(runs.of.get("fail")!.length, 1)
    })))

  it.effect("has a stream go on at another peer where it is told how", () =>
    quietly(Effect.gen(function*() {
      const { gateway, runs, workers } = yield* world
      const going = yield* gateway.client(group, { resume: { count: (_, { last }) => ({ from: last + 1 }) } })
      const collected = yield* Effect.forkChild(Stream.runCollect(going.count({ from: 1 })))
      yield* TestClock.adjust("1 second")
      const [first] = runs.of.get("wait count")!
      yield* workers[first!]!.process.kill
      yield* TestClock.adjust("15 seconds")
      Deferred.doneUnsafe(runs.gate, Effect.void)
      assert.deepStrictEqual(yield* Fiber.join(collected), [1, 2, 3, 4])

      // One that is not told fails with its peer, and tells so behind what it gave.
      runs.gate = Deferred.makeUnsafe<void>()
      const ending = yield* gateway.client(group)
      const given: Array<number> = []
      const broken = yield* Effect.forkChild(
        Effect.flip(Stream.runForEach(ending.count({ from: 1 }), (one) => Effect.sync(() => given.push(one))))
      )
      yield* TestClock.adjust("1 second")
      const [, second] = runs.of.get("wait count")!
      yield* workers[second!]!.process.kill
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual((yield* Fiber.join(broken))._tag, "PeerLostError")
      assert.deepStrictEqual(given, [1, 2, 3])
    })))

  it.effect("is what a target of one of several peers is, for commands, too", () =>
    quietly(Effect.gen(function*() {
      const { gateway, network, workers } = yield* world
      const once = Command.make("once", { success: Schema.String })
      const often = Command.make("often", { success: Schema.String, idempotent: true })
      const ran: Record<string, Array<string>> = { once: [], often: [] }
      const gate = Deferred.makeUnsafe<void>()
      const w3 = yield* start(network, "w3")
      const all: typeof workers = { ...workers, w3 }
      for (const [name, { node }] of Object.entries(all)) {
        for (const command of [once, often]) {
          yield* node.register(command, () =>
            Effect.suspend(() => {
              ran[command.name]!.push(name)
              return Effect.as(Deferred.await(gate), name)
            }))
        }
      }
      const any = Peers.any({ serves: [once, often] })
      yield* gateway.awaitPeers({ serves: [once, often] }, { atLeast: 3 })
      const target = gateway.target(any, { commands: [once, often], policy: Balance.roundRobin })
      const first = yield* Effect.forkChild(Effect.flip(target.once()))
      yield* TestClock.adjust("1 second")
      yield* all[ran["once"]![0]!]!.process.kill
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual((yield* Fiber.join(first))._tag, "PeerLostError")
      assert.strictEqual(ran["once"]!.length, 1)

      const second = yield* Effect.forkChild(target.often())
      yield* TestClock.adjust("1 second")
      yield* all[ran["often"]![0]!]!.process.kill
      yield* TestClock.adjust("15 seconds")
      Deferred.doneUnsafe(gate, Effect.void)
      assert.strictEqual(yield* Fiber.join(second), ran["often"]![1])
      assert.strictEqual(new Set([...ran["once"]!, ...ran["often"]!]).size, 3)
    })))

  it.effect("says whom the trust policy does not let serve", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { node: gateway } = yield* start(network, "gateway", TofuTrust.layer())
      const { node: liar } = yield* start(network, "liar", TofuTrust.layer())
      yield* serve(liar, new Runs())
      yield* gateway.peers.awaitPeer("liar")
      const client = yield* gateway.client(group)
      const call = yield* Effect.forkChild(Effect.flip(client.who({ of: "x" })))
      yield* TestClock.adjust("6 seconds")
      const error = yield* Fiber.join(call)
      assert(error._tag === "NobodyThereError")
      assert.deepStrictEqual(error.notGranted, ["liar"])
      assert.match(error.message, /trust policy does not grant it/)
    })))
})
