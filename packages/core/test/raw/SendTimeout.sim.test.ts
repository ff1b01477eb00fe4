/** When `send` gives up: after the caller's own time, whatever the message waits for, and with nothing left behind. */
import { assert, describe, it } from "@effect/vitest"
import { type BasicNode, Deadline, TofuTrust, Trust } from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { failureOf } from "@pnet/testing/NodeSuite"
import { Clock, Duration, Effect, Exit, Fiber, Layer, Logger, type Scope } from "effect"

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () => body.pipe(Effect.scoped, SimWorld.passing(), Effect.provide(Logger.layer([]))))

const start = (network: SimNetwork.SimNetwork["Service"], name: string, options?: Partial<BasicNode.Options>) =>
  SimWorld.startNode(network, { name, ...options })

/** Answers "echo" and no other message. */
const picky: BasicNode.MessageHandler = ({ data, text }) => text === "echo" ? Effect.succeed(data) : Effect.never

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    const value = yield* effect
    return [(yield* Clock.currentTimeMillis) - start, value] as const
  })

/** That it fails with a DeadlineError, and when, in milliseconds of virtual time. */
const late = (node: BasicNode.BasicNode["Service"], to: string, millis: number, text = "x") =>
  Effect.gen(function*() {
    const [took, error] = yield* timed(failureOf(node.send(to, text, { timeout: Duration.millis(millis) })))
    assert(error._tag === "DeadlineError", `${error._tag}: ${error.message}`)
    assert.strictEqual(error.peer, to)
    assert.isUndefined(error.function)
    assert.closeTo(Duration.toMillis(error.waited ?? -1), took, 1)
    assert.match(error.message, /did not answer in its time, given up after \d+m?s/)
    // The clock moves in steps of 5 ms, and has fractions of a millisecond.
    assert.isAtLeast(took, millis - 0.01)
    assert.isAtMost(took, millis + 5.01)
  })

describe("a message that is not answered in time", () => {
  test(
    "while the peer handles it",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1 })
      yield* start(network, "bob", { onMessage: picky })
      const alice = yield* start(network, "alice")
      yield* alice.node.peers.awaitPeer("bob")
      yield* late(alice.node, "bob", 1_000)
      // On the connection that is there.
      yield* late(alice.node, "bob", 2_500)
      yield* late(alice.node, "bob", 500)
      assert.strictEqual(network.stats().connections, 1)
    })
  )

  test(
    "of which there is no more than a deadline around it leaves",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 8 })
      yield* start(network, "bob", { onMessage: picky })
      const alice = yield* start(network, "alice")
      yield* alice.node.peers.awaitPeer("bob")
      const [took, error] = yield* timed(
        failureOf(Deadline.within("700 millis")(alice.node.send("bob", "x", { timeout: "5 seconds" })))
      )
      assert(error._tag === "DeadlineError", `${error._tag}: ${error.message}`)
      assert.closeTo(took, 700, 5.01)
      assert.closeTo(Duration.toMillis(error.waited ?? -1), took, 1)
    })
  )

  test(
    "while the connection is being made",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 2 })
      const bob = yield* start(network, "bob", { onMessage: picky })
      const alice = yield* start(network, "alice")
      yield* alice.node.peers.awaitPeer("bob")
      yield* network.partition(bob.host)
      yield* late(alice.node, "bob", 1_500)
    })
  )

  test(
    "while it waits for room in the queue, and for a connection",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 3 })
      yield* start(network, "bob", { onMessage: picky })
      yield* start(network, "carol", { onMessage: picky })
      const alice = yield* start(network, "alice", { limits: { pendingSends: 2, dialledConnections: 1 } })
      yield* alice.node.peers.awaitPeer("bob")
      yield* alice.node.peers.awaitPeer("carol")
      // Two take the room, the others wait for it; the time counts from the call.
      yield* Effect.all(
        [5_000, 4_000, 1_000, 2_000, 3_000].map((millis) => late(alice.node, "bob", millis)),
        { concurrency: "unbounded" }
      )
      yield* late(alice.node, "carol", 1_000)
    })
  )

  test(
    "while the policy decides",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 4 })
      yield* start(network, "bob", { onMessage: picky })
      let asked = 0
      let interrupted = 0
      let wait: Effect.Effect<void> = Effect.never
      const trust = Layer.succeed(Trust.Trust, {
        ...TofuTrust.make(),
        check: () => {
          asked++
          return Effect.onInterrupt(wait, () =>
            Effect.sync(() => {
              interrupted++
            }))
        }
      })
      const alice = yield* SimWorld.startNode(network, { name: "alice" }, { trust })
      yield* alice.node.peers.awaitPeer("bob")
      yield* late(alice.node, "bob", 1_000, "echo")
      assert.deepStrictEqual([asked, interrupted], [1, 1])
      wait = Effect.sleep("300 millis")
      // What the policy takes is part of the time.
      assert.strictEqual(yield* alice.node.sendText("bob", "echo", { timeout: "400 millis" }), "echo")
      yield* late(alice.node, "bob", 400)
      assert.deepStrictEqual([asked, interrupted], [3, 1])
    })
  )

  test(
    "each by its own time, however many there are and in whatever order they were sent",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 5 })
      yield* start(network, "bob", { onMessage: picky })
      const alice = yield* start(network, "alice")
      yield* alice.node.peers.awaitPeer("bob")
      const times = Array.from({ length: 200 }, (_, i) => 1_000 + (i * 7_919) % 200 * 35)
      const [took] = yield* timed(Effect.all(
        [
          ...times.map((millis) => late(alice.node, "bob", millis)),
          // Sent later, and due before most others.
          ...times.slice(0, 20).map((millis, i) =>
            Effect.delay(late(alice.node, "bob", 200 + millis / 10), `${100 + 30 * i} millis`)
          )
        ],
        { concurrency: "unbounded" }
      ))
      assert.isAtMost(took, Math.max(...times) + 5.01)
      assert.strictEqual(network.stats().connections, 1)
    })
  )

  test(
    "does not take those that are answered with it",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 6 })
      const answer = Effect.delay(Effect.succeed("done"), "1500 millis")
      yield* start(network, "bob", { onMessage: () => answer })
      const alice = yield* start(network, "alice")
      yield* alice.node.peers.awaitPeer("bob")
      // Handled one after another: the first has its answer at 1.5 s, the second would at 3 s, the third at 4.5 s.
      const sends = yield* Effect.all(
        [2_000, 2_000, 6_000].map((millis) =>
          Effect.exit(alice.node.sendText("bob", "x", { timeout: Duration.millis(millis) }))
        ),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(sends.map(Exit.isSuccess), [true, false, true])
    })
  )

  test(
    "is given up by its caller at any time, and then nobody is told",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 7 })
      yield* start(network, "bob", { onMessage: picky })
      const alice = yield* start(network, "alice", { limits: { pendingSends: 2 } })
      yield* alice.node.peers.awaitPeer("bob")
      const sends = yield* Effect.all(
        [1, 2, 3].map(() =>
          Effect.forkChild(alice.node.send("bob", "x", { timeout: "1 second" }), { startImmediately: true })
        )
      )
      yield* Effect.sleep("500 millis")
      const [took] = yield* timed(Fiber.interruptAll(sends))
      assert.strictEqual(took, 0)
      for (const send of sends) assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(send)))
      yield* Effect.sleep("1 second")
      yield* late(alice.node, "bob", 1_000)
    })
  )
})

describe("a node that closes", () => {
  it.effect("leaves nobody waiting and no timer", () =>
    SimWorld.passing()(Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const sleeping = new Set<object>()
      const counting: Clock.Clock = Object.assign(Object.create(clock), {
        sleep: (duration: Duration.Duration) =>
          Effect.suspend(() => {
            const sleep = { duration }
            sleeping.add(sleep)
            return Effect.ensuring(clock.sleep(duration), Effect.sync(() => sleeping.delete(sleep)))
          })
      })
      yield* Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 8 })
        yield* start(network, "bob", { onMessage: picky })
        yield* start(network, "carol", { onMessage: picky })
        yield* Effect.sleep("10 seconds")
        const before = sleeping.size
        assert.isAbove(before, 0)
        const alice = yield* start(network, "alice", { limits: { pendingSends: 2, dialledConnections: 1 } })
        yield* alice.node.peers.awaitPeer("bob")
        yield* alice.node.peers.awaitPeer("carol")
        yield* alice.node.sendText("bob", "echo")
        const sends = yield* Effect.all(["bob", "bob", "bob", "carol"].map((name) =>
          Effect.forkChild(failureOf(alice.node.send(name, "x", { timeout: "1 hour" })), { startImmediately: true })
        ))
        yield* Effect.sleep("1 second")
        const [took] = yield* timed(alice.process.stop)
        assert.strictEqual(took, 0)
        for (const send of sends) {
          assert.strictEqual((yield* Fiber.join(send))._tag, "NodeClosedError")
        }
        // The connections that it had are gone from the others too.
        yield* Effect.sleep("1 second")
        assert.isAtMost(sleeping.size, before)
      }).pipe(Effect.scoped, Effect.provideService(Clock.Clock, counting))
      assert.strictEqual(sleeping.size, 0)
    })).pipe(Effect.provide(Logger.layer([]))))
})
