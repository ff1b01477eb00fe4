/** The network of nodes that tests of other programs start from: names, faults, time, and that a run depends on its seed. */
import { assert, describe, it, layer } from "@effect/vitest"
import { AdvancedNode, BasicNode, CommandNode, Deadline } from "@pnet/core"
import { TestNetwork } from "@pnet/testing"
import {
  Cause,
  Clock,
  Context,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Ref,
  Schedule,
  Schema,
  Stream
} from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { TestClock } from "effect/testing"

interface Api {
  add(a: number, b: number): number
}

const add = (_call: unknown, a: number, b: number) => Effect.succeed(a + b)

/** A counter that each host has for itself. */
class Counter extends Context.Service<Counter, Ref.Ref<number>>()("test/Counter") {
  static readonly layer = Layer.effect(Counter, Ref.make(0))
}

/** What the test and all nodes share. */
class Greeting extends Context.Service<Greeting, { readonly text: string }>()("test/Greeting") {}

class Home extends TestNetwork.Service<Home>()("test/Home", {
  seed: 1,
  link: { latency: "2 millis" },
  nodes: {
    alice: TestNetwork.node(),
    bob: TestNetwork.node({
      functions: {
        add,
        count: () => Effect.flatMap(Counter, Ref.updateAndGet((n) => n + 1)),
        greet: () => Effect.map(Greeting, ({ text }) => text)
      },
      services: Counter.layer
    }),
    carol: TestNetwork.node({ functions: { add } })
  }
}) {}

const greeting = Layer.succeed(Greeting, { text: "hello" })
const home = Home.layer.pipe(Layer.provide(greeting))

const millis = Clock.currentTimeMillis

const tagOf = (exit: Exit.Exit<unknown, { readonly _tag: string }> | undefined) =>
  exit === undefined
    ? "nothing"
    : Exit.isSuccess(exit)
    ? "success"
    : exit.cause.reasons.map((reason) => reason._tag === "Fail" ? reason.error._tag : reason._tag).join()

// --- an app, as its author tests it ----------------------------------------------------------------------------------

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { path: Schema.String }) {}

class Files extends RpcGroup.make(
  Rpc.make("read", { payload: { path: Schema.String }, success: Schema.String, error: NotFound }),
  Rpc.make("tail", { payload: { path: Schema.String }, success: Schema.String, stream: true })
) {}

/** Where the files are: a disk in production, a Map here. */
class Disk extends Context.Service<Disk, ReadonlyMap<string, string>>()("test/Disk") {}

const FilesLive = Files.toLayer(Effect.gen(function*() {
  const disk = yield* Disk
  return Files.of({
    read: ({ path }) => {
      const text = disk.get(path)
      return text === undefined ? new NotFound({ path }) : Effect.succeed(text)
    },
    tail: ({ path }) => Stream.tick("1 second").pipe(Stream.map(() => `${path} again`))
  })
}))

/** What of an app is to be tested: it goes on while files are out of reach, and gives up after a minute. */
const patiently = <A, E extends { readonly _tag: string }, R>(read: Effect.Effect<A, E, R>) =>
  Effect.retry(read, {
    while: (error) => error._tag !== "NotFound",
    schedule: Schedule.exponential("1 second").pipe(Schedule.upTo({ duration: "1 minute" }))
  })

class Office extends TestNetwork.Service<Office>()("test/Office", {
  seed: 1,
  nodes: {
    client: TestNetwork.node(),
    server: TestNetwork.node({
      beside: CommandNode.serve(Files).pipe(Layer.provide(FilesLive)),
      services: Layer.succeed(Disk, new Map([["/notes", "buy milk"]]))
    })
  }
}) {}

describe("an app on a TestNetwork", () => {
  it.effect("a typed client meets a partition: the stream ends with a typed error, and calls work again after it", () =>
    Effect.gen(function*() {
      const { heal, nodes, partition } = yield* Office
      const files = yield* nodes.client.node.client(Files, "server")
      assert.strictEqual(yield* files.read({ path: "/notes" }), "buy milk")
      assert.instanceOf(yield* Effect.flip(files.read({ path: "/gone" })), NotFound)

      let heard = 0
      const tail = yield* files.tail({ path: "/notes" }).pipe(
        Stream.runForEach(() => Effect.sync(() => heard++)),
        Effect.flip,
        Effect.forkChild
      )
      yield* Effect.sleep("3500 millis")
      assert.strictEqual(heard, 4)
      yield* partition("client", "server")
      const [time, error] = yield* Effect.timed(Fiber.join(tail))
      assert.strictEqual(error._tag, "PeerLostError")
      assert.isAtMost(Duration.toMillis(time), 12_000)
      assert.strictEqual(heard, 4)

      yield* heal()
      yield* nodes.client.node.peers.awaitPeer("server")
      assert.strictEqual(yield* files.read({ path: "/notes" }), "buy milk")
    }).pipe(Effect.provide(Office.layer)))

  it.effect("awaitAll waits for those who were cut off until nobody suspects them any more", () =>
    Effect.gen(function*() {
      const { awaitAll, heal, nodes, partition } = yield* Office
      const statusOf = Effect.map(nodes.client.node.peers.get("server"), (peer) => peer?.status)
      yield* partition("client", "server")
      yield* Effect.sleep("8500 millis")
      yield* heal()
      assert.strictEqual(yield* statusOf, "Suspect")
      yield* awaitAll()
      assert.strictEqual(yield* statusOf, "Online")
      const files = yield* nodes.client.node.client(Files, "server")
      assert.strictEqual(yield* files.read({ path: "/notes" }), "buy milk")
    }).pipe(Effect.provide(Office.layer)))

  it.effect("a retry policy in virtual time: it outlasts a server that is restarted", () =>
    Effect.gen(function*() {
      const { client, server } = (yield* Office).nodes
      const files = yield* client.node.client(Files, "server", { timeout: "5 seconds" })
      yield* server.crash
      const reading = yield* Effect.forkChild(Effect.timed(patiently(files.read({ path: "/notes" }))))
      yield* Effect.sleep("20 seconds")
      yield* server.restart
      const [time, text] = yield* Fiber.join(reading)
      assert.strictEqual(text, "buy milk")
      assert.isAbove(Duration.toSeconds(time), 20)
      assert.isBelow(Duration.toSeconds(time), 60)
    }).pipe(Effect.provide(Office.layer)))

  it.effect("a retry policy in virtual time: it gives up when it should, and does not retry what cannot change", () =>
    Effect.gen(function*() {
      const { client, server } = (yield* Office).nodes
      const files = yield* client.node.client(Files, "server", { timeout: "5 seconds" })
      const [fast, missing] = yield* Effect.timed(Effect.flip(patiently(files.read({ path: "/gone" }))))
      assert.strictEqual(missing._tag, "NotFound")
      assert.isBelow(Duration.toMillis(fast), 100)
      yield* server.kill
      const [time, error] = yield* Effect.timed(Effect.flip(patiently(files.read({ path: "/notes" }))))
      assert.include(["PeerUnknownError", "PeerLostError", "DialError"], error._tag)
      assert.isAbove(Duration.toSeconds(time), 30)
      assert.isBelow(Duration.toSeconds(time), 65)
    }).pipe(Effect.provide(Office.layer)))
})

describe("TestNetwork", () => {
  it.effect("gives nodes that know each other, with what their functions need", () =>
    Effect.gen(function*() {
      const { nodes } = yield* Home
      const { alice, bob } = nodes
      assert.deepStrictEqual(Object.keys(nodes), ["alice", "bob", "carol"])
      for (const one of Object.values(nodes)) {
        assert.lengthOf(yield* one.node.peers.all, 2)
        assert.isTrue(one.isRunning())
        assert.strictEqual(one.node.networkId, "test")
      }
      const peer = alice.node.target<Api & { count(): number; greet(): string }>("bob")
      assert.strictEqual(yield* peer.add(1, 2), 3)
      assert.strictEqual(yield* peer.greet(), "hello")
      yield* peer.count()
      yield* peer.count()
      // What a node has beside itself is at hand.
      assert.strictEqual(yield* bob.run(Effect.flatMap(Counter, Ref.get)), 2)
      assert.strictEqual(Ref.getUnsafe(Context.get(bob.context, Counter)), 2)
    }).pipe(Effect.provide(home)))

  it.effect("cuts nodes off, and heals", () =>
    Effect.gen(function*() {
      const { heal, nodes, partition } = yield* Home
      const { alice } = nodes
      yield* partition("alice", ["bob", "carol"])
      const all = yield* alice.node.target<Api>("*", { timeout: "5 seconds" }).add(1, 2)
      assert.deepStrictEqual([tagOf(all.bob), tagOf(all.carol)], ["DeadlineError", "DeadlineError"])
      assert.deepStrictEqual(
        tagOf((yield* nodes.bob.node.target<Api>("*", { timeout: "5 seconds" }).add(1, 2)).carol),
        "success"
      )
      yield* heal()
      const again = alice.node.target<Api>("bob").add(1, 2)
      assert.strictEqual(yield* Effect.retry(again, Schedule.spaced("1 second")), 3)
    }).pipe(Effect.provide(home)))

  it.effect("cuts one direction, and delays some paths and not others", () =>
    Effect.gen(function*() {
      const { network, nodes, partition, setLink, setPath } = yield* Home
      const took = (name: string) =>
        Effect.map(Effect.timed(nodes.alice.node.target<Api>(name).add(1, 2)), ([time]) => Duration.toMillis(time))
      // The first call makes the session.
      yield* took("bob")
      yield* took("carol")
      assert.deepStrictEqual([yield* took("bob"), yield* took("carol")], [4, 4])
      yield* setLink({ latency: "10 millis" })
      assert.deepStrictEqual([yield* took("bob"), yield* took("carol")], [20, 20])
      yield* setPath("alice", "carol", { latency: "100 millis" })
      assert.deepStrictEqual([yield* took("bob"), yield* took("carol")], [20, 200])
      yield* setPath("alice", "carol", undefined)
      assert.strictEqual(yield* took("carol"), 20)
      yield* partition("bob", "alice", { oneWay: true })
      const exit = yield* Effect.exit(nodes.alice.node.target<Api>("bob", { timeout: "1 second" }).add(1, 2))
      assert.strictEqual(tagOf(exit), "DeadlineError")
      assert.include(network.formatTrace(), "net.partition")
    }).pipe(Effect.provide(home)))

  it.effect("stops, kills, crashes, freezes and restarts nodes", () =>
    Effect.gen(function*() {
      const { awaitAll, nodes } = yield* Home
      const { alice, bob, carol } = nodes
      const sum = alice.node.target<Api>("bob").add(1, 2)
      const before = bob.node
      yield* sum

      // Leaving is said, and known at once.
      yield* bob.stop
      assert.isFalse(bob.isRunning())
      yield* Effect.sleep("10 millis")
      assert.strictEqual(tagOf(yield* Effect.exit(sum)), "PeerUnknownError")
      yield* bob.restart
      yield* awaitAll()
      assert.strictEqual(yield* sum, 3)
      assert.notStrictEqual(bob.node, before)
      // It is the same peer, and its services are new.
      assert.strictEqual(bob.node.publicKey, before.publicKey)
      assert.strictEqual(Ref.getUnsafe(Context.get(bob.context, Counter)), 0)

      // A process that is killed closes its connections, a machine without power does not.
      const killed = yield* Effect.forkChild(Effect.exit(alice.node.target("bob")("describe")))
      yield* bob.kill
      assert.include(["PeerLostError", "DialError"], tagOf(yield* Fiber.join(killed)))
      yield* bob.restart
      yield* awaitAll()
      assert.strictEqual(yield* sum, 3)
      yield* bob.crash
      const [silence, lost] = yield* Effect.timed(Effect.exit(sum))
      assert.strictEqual(tagOf(lost), "PeerLostError")
      assert.isAbove(Duration.toMillis(silence), 1_000)
      yield* bob.restart
      yield* awaitAll()
      assert.strictEqual(yield* sum, 3)

      yield* bob.pause
      const frozen = yield* Effect.exit(Deadline.within("2 seconds")(sum))
      assert.strictEqual(tagOf(frozen), "DeadlineError")
      yield* bob.resume
      assert.strictEqual(yield* sum, 3)

      // A node that runs is stopped in order before it starts anew.
      yield* carol.restart
      yield* awaitAll()
      assert.strictEqual(yield* alice.node.target<Api>("carol").add(2, 2), 4)
    }).pipe(Effect.provide(home)))

  it.effect("says what is wrong when it is used for what cannot be", () =>
    Effect.gen(function*() {
      const { awaitAll, nodes, partition } = yield* Home
      yield* nodes.bob.kill
      const gone = yield* Effect.exit(nodes.bob.run(Effect.void))
      assert.include(Exit.isFailure(gone) ? Cause.pretty(gone.cause) : "", "bob does not run")
      yield* nodes.bob.restart
      yield* partition("bob", "carol")
      const apart = yield* Effect.exit(awaitAll("5 seconds"))
      const text = Exit.isFailure(apart) ? Cause.pretty(apart.cause) : ""
      assert.include(text, "bob does not know carol")
      assert.notInclude(text, "does not know alice")
    }).pipe(Effect.provide(home)))

  it.effect("fails to build with the error of the node that cannot start", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(TestNetwork.make({
        nodes: { alice: TestNetwork.node({ name: "" }) }
      })))
      assert.strictEqual(error._tag, "OptionsError")
      // Nodes of two networks never meet.
      const strangers = yield* Effect.exit(Effect.scoped(TestNetwork.make({
        nodes: { alice: TestNetwork.node({ networkId: "here" }), bob: TestNetwork.node({ networkId: "there" }) }
      })))
      assert.include(
        Exit.isFailure(strangers) ? Cause.pretty(strangers.cause) : "",
        "alice does not know bob, bob does not know alice"
      )
      // What a node knows to be in the way is said.
      const networkKey = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
      const apart = yield* Effect.exit(Effect.scoped(TestNetwork.make({
        nodes: {
          alice: TestNetwork.node({ networkKey }),
          bob: TestNetwork.node({ networkKey, host: { clockSkew: "5 minutes" } })
        }
      })))
      assert.match(Exit.isFailure(apart) ? Cause.pretty(apart.cause) : "", /\. At alice: .*clock/)
    }))

  it.effect("takes programs as they are, with nodes of any type", () =>
    Effect.gen(function*() {
      const options = { networkId: "test", bindIp: "0.0.0.0" }
      const { nodes } = yield* TestNetwork.make({
        nodes: {
          alice: TestNetwork.node(),
          bob: TestNetwork.program(
            AdvancedNode.layer({
              ...options,
              name: "bob",
              functions: { upper: ({ text }) => Effect.map(text, (t) => t.toUpperCase()) }
            })
          ),
          carol: TestNetwork.program(
            BasicNode.layer({ ...options, name: "carol", onMessage: ({ text }) => Effect.succeed(`heard ${text}`) })
          )
        }
      })
      const answer = yield* nodes.alice.node.request("bob", "upper", "loud")
      assert.strictEqual(new TextDecoder().decode(answer), "LOUD")
      assert.strictEqual(yield* nodes.bob.node.raw.sendText("carol", "bob"), "heard bob")
      assert.strictEqual(
        yield* nodes.carol.node.sendText("carol", "me").pipe(Effect.flip, Effect.map((e) => e._tag)),
        "PeerUnknownError"
      )
    }))

  it.effect("gives the same run for the same seed, and another for another", () =>
    Effect.gen(function*() {
      const run = (seed: number) =>
        Effect.gen(function*() {
          const { network, nodes, partition } = yield* Home
          yield* nodes.alice.node.target<Api>("*").add(1, 2)
          yield* partition("alice", "bob")
          yield* Effect.exit(nodes.alice.node.target<Api>("*", { timeout: "3 seconds" }).add(1, 2))
          assert.strictEqual(network.seed, String(seed))
          return network.formatTrace()
        }).pipe(
          Effect.provide(
            Home.layerWith({ seed, link: { latency: { min: 1, max: 20 }, loss: 0.1 } }).pipe(
              Layer.provide(greeting),
              Layer.provideMerge(TestClock.layer())
            )
          )
        )
      const [first, second, other] = [yield* run(7), yield* run(7), yield* run(8)]
      assert.isAbove(first.length, 1_000)
      assert.strictEqual(first, second)
      assert.notStrictEqual(first, other)
    }))

  it.effect("lets time pass while a test waits, in order, and leaves it to the test where that is asked for", () =>
    Effect.gen(function*() {
      const { nodes } = yield* TestNetwork.make({ nodes: { alice: TestNetwork.node() } })
      const begin = yield* millis
      const order: Array<string> = []
      yield* Effect.all(
        [30, 10, 20].map((ms) => Effect.andThen(Effect.sleep(ms), Effect.sync(() => order.push(String(ms))))),
        { concurrency: "unbounded" }
      )
      yield* Effect.andThen(nodes.alice.run(Effect.sleep("20 minutes")), Effect.sync(() => order.push("late")))
      assert.deepStrictEqual(order, ["10", "20", "30", "late"])
      assert.approximately((yield* millis) - begin, 1_200_030, 0.001)
      const late = yield* Effect.exit(Effect.timeout(Effect.never, "1 minute"))
      assert.strictEqual(tagOf(late), "TimeoutError")

      const manual = Effect.gen(function*() {
        yield* TestNetwork.make({ time: "manual", nodes: { alice: TestNetwork.node(), bob: TestNetwork.node() } })
        const before = yield* millis
        const sleeper = yield* Effect.forkChild(Effect.sleep("1 second"))
        yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.yieldNow)
        assert.isUndefined(sleeper.pollUnsafe())
        assert.strictEqual(yield* millis, before)
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(sleeper)
      })
      yield* manual.pipe(Effect.scoped, Effect.provide(TestClock.layer()))
    }).pipe(Effect.scoped))

  it.effect("leaves nothing open behind, whatever state its nodes are in", () =>
    Effect.gen(function*() {
      const broken = yield* Effect.scoped(Effect.gen(function*() {
        const { network, nodes } = yield* TestNetwork.make({
          nodes: { alice: TestNetwork.node(), bob: TestNetwork.node({ functions: { add } }), carol: TestNetwork.node() }
        })
        yield* nodes.alice.node.target<Api>("bob").add(1, 2)
        yield* nodes.bob.pause
        yield* nodes.carol.crash
        yield* Effect.exit(nodes.alice.node.target<Api>("*", { timeout: "1 second" }).add(1, 2))
        return network
      }))
      assert.deepStrictEqual(broken.openSockets(), [])
      const { network, nodes } = yield* Effect.scoped(Effect.gen(function*() {
        const test = yield* TestNetwork.make({
          nodes: { alice: TestNetwork.node(), bob: TestNetwork.node({ functions: { add } }) }
        })
        yield* test.nodes.alice.node.target<Api>("bob").add(1, 2)
        assert.isAbove(test.network.openSockets().length, 0)
        return test
      }))
      assert.deepStrictEqual(network.openSockets(), [])
      assert.isFalse(nodes.alice.isRunning())
      // Nobody adjusts the clock any more.
      const before = yield* millis
      yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.yieldNow)
      assert.strictEqual(yield* millis, before)
    }))

  it.effect("names the node that does not close, when the network ends and when it is stopped", () =>
    Effect.gen(function*() {
      const stuck = (
        end: (nodes: { readonly bob: { readonly stop: Effect.Effect<void> } }) => Effect.Effect<void>,
        time?: "manual"
      ) =>
        Effect.exit(Effect.scoped(Effect.gen(function*() {
          const { nodes } = yield* TestNetwork.make({
            ...(time === undefined ? {} : { time }),
            nodes: {
              alice: TestNetwork.node(),
              bob: TestNetwork.node({ functions: { hold: () => Effect.uninterruptible(Effect.never) } }),
              carol: TestNetwork.node()
            }
          })
          yield* Effect.forkScoped(nodes.alice.node.target("bob")("hold"), { startImmediately: true })
          yield* time === undefined ? Effect.sleep("1 second") : TestClock.adjust("1 second")
          yield* end(nodes)
        })))
      for (
        const exit of [
          yield* stuck(() => Effect.void),
          yield* stuck(({ bob }) => bob.stop),
          yield* stuck(() => Effect.void, "manual")
        ]
      ) {
        const text = Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
        assert.include(text, "the node bob does not close")
        assert.notInclude(text, "carol")
      }
    }).pipe(Effect.provide(Logger.layer([]))))

  it.live("runs in real time under a live clock", () =>
    Effect.gen(function*() {
      const { nodes } = yield* Home
      assert.strictEqual(yield* nodes.alice.node.target<Api>("bob").add(1, 2), 3)
    }).pipe(Effect.provide(home.pipe(Layer.provide(Logger.layer([]))))))
})

layer(home)("TestNetwork as the layer of several tests", (it) => {
  it.effect("is built once", () =>
    Effect.gen(function*() {
      const { nodes } = yield* Home
      assert.strictEqual(yield* nodes.alice.node.target<{ count(): number }>("bob").count(), 1)
    }))

  it.effect("and goes on in the next test, with its time", () =>
    Effect.gen(function*() {
      const { nodes, partition } = yield* Home
      assert.strictEqual(yield* nodes.carol.node.target<{ count(): number }>("bob").count(), 2)
      yield* partition("carol")
      const cut = yield* Effect.exit(nodes.carol.node.target<Api>("bob", { timeout: "1 minute" }).add(1, 2))
      assert.strictEqual(tagOf(cut), "PeerLostError")
    }))
})
