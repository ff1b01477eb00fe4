/** Calls of peers by what they offer, in each type of node: one of them, and all. */
import { assert, describe, it } from "@effect/vitest"
import {
  AllowListTrust,
  Command,
  CommandNode,
  Deadline,
  PeerRpc,
  Peers,
  Sessions,
  TofuTrust,
  Topic,
  Trust
} from "@pnet/core"
import { failureOf, type Net, quietly, text } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import {
  Cause,
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Option,
  Schema,
  Stream
} from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"

const open = Trust.open(TofuTrust.layer()).pipe(Layer.provide(Logger.layer([])))

const group = RpcGroup.make(
  Rpc.make("who", { payload: { of: Schema.String }, success: Schema.String }),
  Rpc.make("count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true })
)
/** The same names, and other contracts. */
const older = RpcGroup.make(
  Rpc.make("who", { payload: { of: Schema.String }, success: Schema.Int }),
  Rpc.make("count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true })
)
class DialFailed extends Schema.TaggedError<DialFailed>("test/DialFailed")("DialError", {}) {}
const greet = Command.make("greet", { args: [Schema.String], success: Schema.String })

type Options = Partial<CommandNode.Options<any, never, any, never>>

const start = (network: Net, name: string, options: Options = {}, trust: Layer.Layer<Trust.Trust> = open) =>
  Effect.gen(function*() {
    const host = yield* network.host(name)
    const layer = CommandNode.layer({ networkId: "targets", bindIp: "0.0.0.0", ...options, name }).pipe(
      Layer.provide([NodeCrypto.layer, trust, Logger.layer([])])
    ) as Layer.Layer<CommandNode.CommandNode, never, any>
    const process = yield* Effect.orDie(host.launch(layer as never)) as Effect.Effect<
      SimNetwork.Process<CommandNode.CommandNode>
    >
    return Context.get(process.context, CommandNode.CommandNode)
  })

type Node = Effect.Success<ReturnType<typeof start>>

/** Serves a group that says whose it is. */
const serve = (node: Node, who: RpcGroup.RpcGroup<any> = group) =>
  Layer.build(
    CommandNode.serve(who as typeof group).pipe(
      Layer.provide((who as typeof group).toLayer({
        who: () => Effect.succeed(node.name as string),
        count: ({ to }) => Stream.range(1, to)
      })),
      Layer.provide(Layer.succeed(CommandNode.CommandNode, node))
    )
  )

const worker = (name: string): Options => ({
  roles: ["worker"],
  commands: [Command.implement(greet, (_, whom) => Effect.succeed(`${name} greets ${whom}`))],
  streams: { upper: ({ text }) => Effect.map(text, (text) => `${name} ${text.toUpperCase()}`) },
  onMessage: () => Effect.succeed(name)
})

/** A gateway, two workers that serve the group, and a node that serves nothing. */
const world = Effect.gen(function*() {
  const network = yield* SimNetwork.make()
  const gateway = yield* start(network, "gateway", { functions: { who: () => Effect.succeed("nobody") } })
  const w1 = yield* start(network, "w1", worker("w1"))
  const w2 = yield* start(network, "w2", worker("w2"))
  yield* start(network, "idle")
  yield* serve(w1)
  yield* serve(w2)
  yield* gateway.awaitPeers("*", { atLeast: 3 })
  return { network, gateway, w1, w2 }
})

describe("calls of peers by what they offer", () => {
  it.effect("go to one of them, drawn each time: messages, streams, commands, typed calls", () =>
    quietly(Effect.gen(function*() {
      const { gateway } = yield* world
      const any = Peers.any({ role: "worker" })
      const both = (all: ReadonlyArray<string>) =>
        assert.deepStrictEqual([...new Set(all.map((one) => one.slice(0, 2)))].sort(), ["w1", "w2"])
      const often = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.forEach(Array.from({ length: 24 }), () => effect)
      both(yield* often(gateway.streams.raw.sendText(any, "hello")))
      both(yield* often(Effect.map(gateway.request(any, "upper", "x"), text)))
      both(
        yield* often(
          Effect.map(
            Stream.runHead(gateway.send(any, "upper", "x")),
            (head) => head._tag === "Some" ? text(head.value) : ""
          )
        )
      )
      both(yield* often(gateway.target(Peers.any({ serves: greet }), { commands: [greet] }).greet("you")))
      both(yield* often(gateway.target<{ greet(whom: string): string }>(Peers.any({ role: "worker" })).greet("you")))
      const client = yield* gateway.client(group, Peers.any({ serves: group }))
      both(yield* often(client.who({ of: "x" })))
      assert.deepStrictEqual(yield* Stream.runCollect(client.count({ to: 3 })), [1, 2, 3])
    })))

  it.effect("go to all of them, with an outcome of each", () =>
    quietly(Effect.gen(function*() {
      const { gateway } = yield* world
      const sent = yield* gateway.streams.raw.sendAll({ role: "worker" }, "hello")
      assert.deepStrictEqual(Object.keys(sent), ["w1", "w2"])
      const outcomes = yield* gateway.sendAll({ role: "worker" }, "upper", "x")
      assert.deepStrictEqual(Object.keys(outcomes), ["w1", "w2"])
      const streamed = yield* gateway.sendAll(
        { serves: "upper" },
        "upper",
        Stream.make(new TextEncoder().encode("x"))
      )
      assert.deepStrictEqual(Object.keys(streamed), ["w1", "w2"])
      assert.deepStrictEqual(yield* gateway.target({ serves: greet }, { commands: [greet] }).greet("you"), {
        w1: Exit.succeed("w1 greets you"),
        w2: Exit.succeed("w2 greets you")
      })
      const clients = yield* gateway.client(group, { serves: group, where: ({ name }) => name !== "w2" })
      assert.deepStrictEqual(yield* clients.who({ of: "x" }), { w1: Exit.succeed("w1") })
      assert.deepStrictEqual(
        (yield* gateway.awaitPeers({ serves: [group, greet] }, { atLeast: 2 })).map(({ name }) => String(name)),
        ["w1", "w2"]
      )
    })))

  it.effect("go to those that subscribe to a topic, by its very contract", () =>
    quietly(Effect.gen(function*() {
      const { gateway, w1, w2 } = yield* world
      const readings = Topic.make("readings", { payload: Schema.Finite })
      const older = Topic.make("readings", { payload: Schema.String })
      yield* Effect.forkScoped(Stream.runDrain(w1.subscribe(readings)))
      yield* Effect.forkScoped(Stream.runDrain(w2.subscribe(older)))
      yield* gateway.awaitPeers({ subscribes: "readings" }, { atLeast: 2 })
      const found = (where: CommandNode.Where) =>
        Effect.map(gateway.resolve(where), (peers) => peers.map(({ name }) => String(name)))
      assert.deepStrictEqual(yield* found({ subscribes: readings }), ["w1"])
      assert.deepStrictEqual(yield* found({ subscribes: [older, "readings"], serves: greet }), ["w2"])
      assert.deepStrictEqual(
        yield* gateway.target({ subscribes: readings }, { commands: [greet] }).greet("you"),
        { w1: Exit.succeed("w1 greets you") }
      )
      const clients = yield* gateway.client(group, { subscribes: older })
      assert.deepStrictEqual(yield* clients.who({ of: "x" }), { w2: Exit.succeed("w2") })
      // Calls of one kind are balanced together, and these are not of one kind.
      const one = (topic: Topic.Any) =>
        gateway.target(Peers.any({ subscribes: topic }), { commands: [greet] }).greet("you")
      assert.deepStrictEqual([yield* one(readings), yield* one(older)], ["w1 greets you", "w2 greets you"])
    })))

  it.effect("find nobody where there is nobody, within the time that they have", () =>
    quietly(Effect.gen(function*() {
      const { gateway, network } = yield* world
      const any = Peers.any({ role: "nobody" })
      const client = yield* gateway.client(group, Peers.any({ serves: older }), { settings: { whenNobody: 0 } })
      for (
        const call of [
          gateway.streams.raw.send(any, "x"),
          gateway.request(any, "upper", "x"),
          Stream.runCollect(gateway.send(any, "upper", "x")),
          gateway.target(any)("greet")
        ] as ReadonlyArray<Effect.Effect<unknown, Error & { readonly _tag: string }>>
      ) assert.strictEqual((yield* failureOf(call))._tag, "PeerUnknownError")
      // A client of a service waits for somebody, as it is told.
      for (const call of [client.who({ of: "x" }), Stream.runCollect(client.count({ to: 1 }))]) {
        assert.strictEqual(
          (yield* failureOf<unknown, Error & { readonly _tag: string }, never>(call))._tag,
          "NobodyThereError"
        )
      }
      assert.deepStrictEqual(yield* gateway.target({ role: "nobody" })("greet"), {})
      assert.deepStrictEqual(yield* gateway.sendAll({ role: "nobody" }, "upper", "x"), {})

      // Of one that has just come and cannot be reached it is not waited longer than there is time.
      const late = yield* start(network, "late")
      yield* late.peers.awaitPeer("w1")
      const error = yield* failureOf(
        late.request(Peers.any({ role: "nobody" }), "upper", "x", { timeout: "10 millis" })
      )
      assert.strictEqual(error._tag, "DeadlineError")
      const all: ReadonlyArray<(late: Node) => Effect.Effect<unknown, Error & { readonly _tag: string }>> = [
        (late) => late.streams.raw.sendText(any, "x", { timeout: "1 millis" }),
        (late) => Stream.runCollect(late.send(any, "upper", "x", { timeout: "1 millis" })),
        (late) => late.target(any, { timeout: "1 millis" })("greet"),
        (late) => Deadline.within("1 millis")(late.request(any, "upper", "x"))
      ]
      for (const [i, call] of all.entries()) {
        const node = yield* start(network, `late${i}`)
        yield* node.peers.awaitPeer("w1")
        const [time, error] = yield* Effect.timed(failureOf(call(node)))
        assert.strictEqual(error._tag, "DeadlineError", `${i}`)
        assert.strictEqual(Duration.toMillis(time), 1)
      }
    })))

  it.effect("go past those that are busy, as no input of theirs was read", () =>
    quietly(Effect.gen(function*() {
      const { gateway, w1, w2 } = yield* world
      const gate = yield* Deferred.make<void>()
      const concurrency = { running: 1, waiting: 0 }
      yield* w1.streams.register("hold", () => Effect.as(Deferred.await(gate), "w1"), { concurrency })
      yield* w2.streams.register("hold", ({ text }) => Effect.map(text, (text) => `w2 ${text}`))
      yield* gateway.awaitPeers({ serves: "hold" }, { atLeast: 2 })
      const held = yield* Effect.forkChild(gateway.request("w1", "hold", ""))
      yield* Effect.sleep("10 millis")
      const any = Peers.any({ serves: "hold" })
      const often = <A, E>(call: () => Effect.Effect<A, E>) =>
        Effect.forEach(Array.from({ length: 16 }), () => Effect.andThen(Effect.sleep("2 seconds"), Effect.exit(call())))
      const all = [
        ...yield* often(() => gateway.request(any, "hold", "x")),
        ...yield* often(() => Effect.map(Stream.runHead(gateway.send(any, "hold", "x")), Option.getOrThrow))
      ]
      assert.deepStrictEqual([...new Set(all.map((exit) => Exit.isSuccess(exit) ? text(exit.value) : exit))], ["w2 x"])

      // What was read of a stream is gone.
      let read = 0
      const input = Stream.suspend(() => {
        read++
        return Stream.make(new TextEncoder().encode("x"))
      })
      const streamed = [
        ...yield* often(() => Effect.asVoid(gateway.request(any, "hold", input))),
        ...yield* often(() => Stream.runDrain(gateway.send(any, "hold", input)))
      ]
      assert.strictEqual(read, 32)
      const failed = streamed.filter(Exit.isFailure)
      assert.isAbove(failed.length, 0)
      assert.isBelow(failed.length, 32)
      for (const { cause } of failed) {
        const error = Cause.squash(cause) as Sessions.StreamResetError
        assert.deepStrictEqual([error._tag, error.code, error.remote], ["StreamResetError", "refused", true])
      }

      // What fails the input is the call's failure, whatever it looks like.
      const broken = Stream.fail(new DialFailed())
      assert.instanceOf(yield* failureOf(gateway.request(any, "hold", broken)), DialFailed)
      assert.instanceOf(yield* failureOf(Stream.runDrain(gateway.send(any, "hold", broken))), DialFailed)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(text(yield* Fiber.join(held)), "w1")
    })))

  it.effect("by the very contract go to nobody who has another one", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice")
      const bob = yield* start(network, "bob")
      yield* serve(bob, older as never)
      yield* alice.awaitPeers({ serves: "who" })
      assert.deepStrictEqual(yield* alice.peers.resolve({ serves: ["who", "count"] }), yield* alice.peers.all)
      const client = yield* alice.client(group, Peers.any({ serves: group }))
      const error = yield* failureOf(client.who({ of: "x" }))
      assert.include(error.message, "no peer serves \"who, count\"")
    })))
})

describe("those that offer something, to a client of a typed group,", () => {
  it.effect("are those of them that serve it: by their word where the policy says nothing of services, or by its grant", () =>
    quietly(Effect.gen(function*() {
      const { gateway, network } = yield* world
      // It has the role, and does not serve the group.
      yield* start(network, "w3", worker("w3"))
      yield* gateway.awaitPeers({ role: "worker" }, { atLeast: 3 })
      const names = (all: ReadonlyArray<Peers.Peer>) => all.map(({ name }) => name as string)
      assert.deepStrictEqual(names(yield* gateway.resolve({ role: "worker" })), ["w1", "w2", "w3"])
      assert.deepStrictEqual(names(yield* gateway.resolve({ role: "worker", serves: group })), ["w1", "w2"])
      const workers = yield* gateway.client(group, { role: "worker" })
      assert.deepStrictEqual(Object.keys(yield* workers.who({ of: "x" })), ["w1", "w2"])
      const items = yield* Stream.runCollect(workers.count({ to: 1 }))
      assert.sameMembers(items.flatMap((item) => item._tag === "Exit" ? [item.peer] : []), ["w1", "w2"])
      const picked = yield* gateway.client(group, { where: ({ name }) => name !== "w1" })
      assert.deepStrictEqual(Object.keys(yield* picked.who({ of: "x" })), ["w2"])
      // For names and commands it is whoever has the role.
      assert.deepStrictEqual(Object.keys(yield* gateway.target({ role: "worker" })("who")), ["w1", "w2", "w3"])
      // A slip is one to a client, too.
      const sessions = [
        Effect.provideService(Sessions.Sessions, gateway.sessions),
        Effect.provideService(Peers.Peers, gateway.peers)
      ] as const
      for (const slip of [{}, { role: undefined }, { role: "worker", rolle: "x" }, 7] as ReadonlyArray<any>) {
        const client = yield* PeerRpc.clientAll(group, slip).pipe(...sessions)
        assert.isTrue(Exit.hasDies(yield* Effect.exit(client.who({ of: "x" }))), JSON.stringify(slip))
      }
    })))

  it.effect("are not those whom the policy does not let serve it, where it says anything about that", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const w1 = yield* start(network, "w1", worker("w1"))
      const w2 = yield* start(network, "w2", worker("w2"))
      yield* serve(w1)
      yield* serve(w2)
      const list = yield* AllowListTrust.make([
        ["w1", w1.publicKey, { roles: ["worker"] }],
        ["w2", w2.publicKey, { roles: ["worker"], serves: ["other"] }]
      ])
      const alice = yield* start(network, "alice", {}, Layer.succeed(Trust.Trust, list))
      yield* alice.awaitPeers({ role: "worker" }, { atLeast: 2 })
      const workers = yield* alice.client(group, { role: "worker" })
      assert.deepStrictEqual(yield* workers.who({ of: "x" }), { w1: Exit.succeed("w1") })
    })))
})

describe("\"*\" of a typed group", () => {
  it.effect("is the peers that serve it, and nobody who serves something else", () =>
    quietly(Effect.gen(function*() {
      const { gateway } = yield* world
      const all = yield* (yield* gateway.client(group, "*")).who({ of: "x" })
      assert.deepStrictEqual(all, { w1: Exit.succeed("w1"), w2: Exit.succeed("w2") })
    })))

  it.effect("where the policy says nothing of services is who says that he serves it, or does not say what he offers", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice", {}, TofuTrust.layer())
      const bob = yield* start(network, "bob")
      yield* serve(bob)
      yield* start(network, "carol")
      const old = yield* start(network, "old")
      yield* serve(old)
      yield* old.sessions.handle({ protocol: "offer", name: "" }, (stream) => stream.reset("unsupported", ""))
      yield* alice.awaitPeers("*", { atLeast: 3 })
      const all = yield* (yield* alice.client(group, "*")).who({ of: "x" })
      assert.deepStrictEqual(all, { bob: Exit.succeed("bob"), old: Exit.succeed("old") })
      // For names it is every peer there is.
      assert.deepStrictEqual(Object.keys(yield* alice.target("*")("get_funcs")).sort(), ["bob", "carol", "old"])
    })))

  it.effect("where the policy says who may serve it, is those who do, whatever others say", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(network, "bob")
      const eve = yield* start(network, "eve")
      yield* serve(bob)
      yield* serve(eve)
      const list = yield* AllowListTrust.make([
        ["bob", bob.publicKey, { serves: ["who", "count"] }],
        ["eve", eve.publicKey, { serves: ["other"] }]
      ])
      const alice = yield* start(network, "alice", {}, Layer.succeed(Trust.Trust, list))
      yield* alice.awaitPeers("*", { atLeast: 2 })
      const all = yield* (yield* alice.client(group, "*")).who({ of: "x" })
      assert.deepStrictEqual(all, { bob: Exit.succeed("bob") })
    })))

  it.effect("is everybody who says so where an allow list says nothing of services, and in the time of the call", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make({ link: { latency: "100 millis" } })
      const bob = yield* start(network, "bob")
      yield* serve(bob)
      const list = yield* AllowListTrust.make([["bob", bob.publicKey]])
      const alice = yield* start(network, "alice", {}, Layer.succeed(Trust.Trust, list))
      yield* alice.peers.awaitPeer("bob")
      // Nobody has asked what peers offer yet: it takes several round trips.
      const begun = yield* Clock.currentTimeMillis
      const hurried = yield* (yield* alice.client(group, "*", { timeout: "250 millis" })).who({ of: "x" })
      assert.strictEqual((yield* Effect.flip(hurried["bob"]!))._tag, "DeadlineError")
      assert.isAtMost((yield* Clock.currentTimeMillis) - begun, 250)
      const all = yield* (yield* alice.client(group, "*")).who({ of: "x" })
      assert.deepStrictEqual(all, { bob: Exit.succeed("bob") })
    })))
})
