/** What becomes of sessions over time: shared, settled, kept alive, renewed, drained, bounded and lost. */
import { assert, describe, it } from "@effect/vitest"
import {
  type AdvancedNode,
  AllowListTrust,
  Crypto,
  Frame,
  Identity,
  Packet,
  PublicKey,
  TofuTrust,
  Trust
} from "@pnet/core"
import { startCommand } from "@pnet/lab/worlds/commandWorld"
import {
  bytes,
  echo,
  failureOf,
  frame,
  type Net,
  networkId,
  quietly,
  seeded,
  start,
  type Started,
  text,
  two
} from "@pnet/lab/worlds/sessionWorld"
import { stranger } from "@pnet/lab/worlds/stranger"
import { SimNetwork } from "@pnet/testing"
import {
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  PubSub,
  Queue,
  Scheduler,
  Scope,
  Stream
} from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

const test = (
  title: string,
  body: Parameters<typeof quietly>[0],
  options?: Parameters<typeof quietly>[1],
  timeout?: number
) => it.effect(title, () => quietly(body, options), timeout)

const coarse = { step: "20 millis" } as const
const slow = { step: "100 millis", limit: "3 hours" } as const

const sessions = ({ node }: Started) => node.sessions.all
const streamsOf = (network: Net, host: string) =>
  network.openSockets().filter((socket) => socket.host === host && socket.kind === "stream")
const ask = (from: Started, to: string, what = "x") => Effect.map(from.node.request(to, "echo", what), text)

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const began = yield* Clock.currentTimeMillis
    const value = yield* effect
    return [(yield* Clock.currentTimeMillis) - began, value] as const
  })

const keyPair = Effect.flatMap(
  Effect.suspend(() => seeded()),
  (crypto) => Identity.generate.pipe(Effect.provideService(Crypto.Crypto, crypto))
)

/** Two key pairs, the smaller key first. */
const ordered = Effect.map(Effect.all([keyPair, keyPair]), (pairs) => {
  const raw = (key: string) => Buffer.from(key, "base64url")
  return [...pairs].sort((a, b) => Buffer.compare(raw(a.publicKey), raw(b.publicKey)))
})

/** A call whose answer comes when it is let go, and what has become of it. */
const holding = Effect.gen(function*() {
  const begun = yield* Queue.unbounded<void>()
  const go = yield* Deferred.make<void>()
  return {
    begun: Queue.take(begun),
    go: Deferred.succeed(go, undefined),
    handler: (({ whole }) =>
      Effect.andThen(Queue.offer(begun, undefined), Effect.andThen(Deferred.await(go), whole))) as AdvancedNode.Handler
  }
})

/**
 * Runs an effect that others interrupt at its nth step, where its fiber has let them run; whether it came so far. What is
 * begun in one step and noted in the next is lost in between.
 */
const interruptedAt = (step: number, effect: Effect.Effect<unknown, unknown>): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    const base = new Scheduler.MixedScheduler()
    let own: Fiber.Fiber<unknown, unknown> | undefined
    let left = step
    let yielding: Fiber.Fiber<unknown, unknown> | undefined
    const scheduler: Scheduler.Scheduler = {
      executionMode: base.executionMode,
      shouldYield: (fiber) => {
        if (fiber !== own || --left !== 0) return false
        yielding = fiber
        return true
      },
      makeDispatcher: () => {
        const dispatcher = base.makeDispatcher()
        return {
          flush: () => dispatcher.flush(),
          scheduleTask: (task, priority) => {
            const fiber = yielding
            yielding = undefined
            dispatcher.scheduleTask(() => {
              fiber?.interruptUnsafe()
              task()
            }, priority)
          }
        }
      }
    }
    const fiber = yield* Effect.forkChild(
      Effect.withFiber((fiber) => {
        own = fiber
        return effect
      }).pipe(Effect.provideService(Scheduler.Scheduler, scheduler))
    )
    yield* Effect.timeoutOption(Fiber.await(fiber), "1 second")
    yield* Fiber.interrupt(fiber)
    return left <= 0
  })

describe("one session with a peer", () => {
  test(
    "is dialled on first use and shared, by whoever has one",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1 })
      const { alice, bob } = yield* two(network)
      assert.strictEqual(network.stats().connections, 0)
      yield* Effect.all([ask(alice, "bob"), ask(alice, "bob"), ask(alice, "bob")], { concurrency: "unbounded" })
      yield* ask(bob, "alice")
      assert.strictEqual(network.stats().connections, 1)
      assert.deepStrictEqual((yield* sessions(alice)).map(({ dialled }) => dialled), [true])
      assert.deepStrictEqual((yield* sessions(bob)).map(({ dialled }) => dialled), [false])
    })
  )

  for (const smaller of ["alice", "bob"] as const) {
    test(
      `dialled from both sides at once it settles to the smaller key's, ${smaller}'s, and no stream fails`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 2, link: { latency: "20 millis" } })
        const [first, second] = yield* ordered
        const identities = smaller === "alice" ? [first, second] : [second, first]
        const { alice, bob } = yield* two(network, { identity: identities[0]! }, { identity: identities[1]! })
        const calls = (from: Started, to: string) =>
          Effect.forEach(
            Array.from({ length: 200 }, (_, i) => `${i}`),
            (i) => Effect.andThen(Effect.sleep(`${Number(i) * 3} millis`), ask(from, to, i)),
            { concurrency: "unbounded" }
          )
        yield* Effect.all([calls(alice, "bob"), calls(bob, "alice")], { concurrency: 2 })
        assert.strictEqual(network.stats().connections, 2)
        yield* Effect.sleep("1 second")
        const [a, b] = [yield* sessions(alice), yield* sessions(bob)]
        assert.deepStrictEqual(a.map(({ dialled }) => dialled), [smaller === "alice"])
        assert.deepStrictEqual(b.map(({ dialled }) => dialled), [smaller === "bob"])
        assert.strictEqual(streamsOf(network, "alice").length, 1)
      })
    )
  }

  test(
    "is closed by its opener when it was idle, and nothing of it is left",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 3 })
      const { alice, bob } = yield* two(network)
      yield* ask(alice, "bob")
      yield* Effect.sleep("4 minutes")
      // Used by the other side too.
      yield* ask(bob, "alice")
      yield* Effect.sleep("4 minutes")
      assert.strictEqual((yield* sessions(bob)).length, 1)
      yield* Effect.sleep("65 seconds")
      assert.deepStrictEqual([yield* sessions(alice), yield* sessions(bob)], [[], []])
      assert.deepStrictEqual([streamsOf(network, "alice"), streamsOf(network, "bob")], [[], []])
      assert.strictEqual(network.stats().resets, 0)
      yield* ask(bob, "alice")
      assert.strictEqual(network.stats().connections, 2)
    }),
    slow
  )

  test(
    "is not idle while a stream is open",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 4 })
      const held = yield* holding
      const { alice } = yield* two(network, {}, { functions: { hold: held.handler } })
      const call = yield* Effect.forkChild(alice.node.request("bob", "hold", "x"))
      yield* held.begun
      yield* Effect.sleep("20 minutes")
      yield* held.go
      assert.strictEqual(text(yield* Fiber.join(call)), "x")
      assert.strictEqual(network.stats().connections, 1)
    }),
    slow
  )

  test(
    "is renewed by its opener before it is too old, and open streams go on",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 5, link: { latency: "5 millis" } })
      const held = yield* holding
      const limits = { sessionAge: "10 seconds" as const }
      const { alice, bob } = yield* two(network, { limits }, { limits, functions: { echo, hold: held.handler } })
      const call = yield* Effect.forkChild(alice.node.request("bob", "hold", "from the first"))
      yield* held.begun
      // Both sides call all the time, so that some calls cross the end of each session.
      const calls = (from: Started, to: string) =>
        Effect.forEach(
          Array.from({ length: 3_000 }, (_, i) => i),
          (i) => Effect.andThen(Effect.sleep(`${i * 10} millis`), ask(from, to)),
          { concurrency: "unbounded", discard: true }
        )
      yield* Effect.all([calls(alice, "bob"), calls(bob, "alice")], { concurrency: 2 })
      const connections = network.stats().connections
      assert.isAtLeast(connections, 3)
      assert.isAtMost(connections, 6)
      // The first is there for the one call that it has.
      const draining = (yield* sessions(alice)).filter(({ draining }) => draining)
      assert.deepStrictEqual(draining.map(({ streams }) => streams), [1])
      yield* held.go
      assert.strictEqual(text(yield* Fiber.join(call)), "from the first")
      yield* Effect.sleep("1 second")
      assert.isFalse((yield* sessions(alice)).some(({ draining }) => draining))
      assert.strictEqual(network.stats().resets, 0)
    }),
    { step: "10 millis" }
  )

  test(
    "that drains is given its time, and no more",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 6 })
      const held = yield* holding
      const limits = { sessionAge: "10 seconds" as const, renewDrain: "20 seconds" as const }
      const { alice } = yield* two(network, { limits }, { functions: { echo, hold: held.handler } })
      const call = yield* Effect.forkChild(timed(failureOf(alice.node.request("bob", "hold", "x"))))
      yield* held.begun
      const [took, error] = yield* Fiber.join(call)
      assert.strictEqual(error._tag === "StreamResetError" && error.code, "going_away")
      assert.closeTo(took, 29_000, 1_500)
    }),
    slow
  )

  test(
    "is dialled for others also when whoever wanted it first is interrupted, at whichever step",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 22, traceCapacity: 0 })
      const { alice, bob } = yield* two(network)
      let steps = 1
      for (; yield* interruptedAt(steps, ask(alice, "bob")); steps++) {
        assert.strictEqual(yield* Effect.timeout(ask(alice, "bob", "y"), "10 seconds"), "y", `step ${steps}`)
        yield* Effect.sleep("100 millis")
        assert.strictEqual((yield* sessions(alice)).reduce((sum, { streams }) => sum + streams, 0), 0)
        for (const { node } of [alice, bob]) yield* node.sessions.closeAll
        yield* Effect.sleep("2 seconds")
      }
      assert.isAbove(steps, 20)
    }),
    coarse
  )
})

describe("liveness", () => {
  test(
    "an idle session asks only when it is silent, and calls are signs of life",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 10, traceCapacity: 100_000 })
      const { alice } = yield* two(network)
      yield* ask(alice, "bob")
      const sent = () => network.trace().filter(({ kind }) => kind === "tcp.data").length
      const before = sent()
      for (let i = 0; i < 30; i++) {
        yield* Effect.sleep("1 second")
        yield* ask(alice, "bob")
      }
      const busy = sent() - before
      // An OPEN with its data and END, the answer, and the END behind it: no PING among them.
      assert.isAtMost(busy, 30 * 4)
      yield* Effect.sleep("60 seconds")
      const idle = sent() - before - busy
      // One side asks each 5 seconds and is answered; that is a sign of life for both.
      assert.isAtLeast(idle, 16)
      assert.isAtMost(idle, 50)
      assert.strictEqual((yield* sessions(alice)).length, 1)
    }),
    slow
  )

  test(
    "a peer that vanishes is dead after twice the silence, and its streams fail at once",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 11 })
      const held = yield* holding
      // Discovery is slower than that.
      const options = { broadcastInterval: "20 seconds" as const }
      const { alice, bob } = yield* two(network, options, { ...options, functions: { echo, hold: held.handler } })
      const call = yield* Effect.forkChild(failureOf(alice.node.request("bob", "hold", "x")))
      const pouring = yield* Effect.forkChild(
        failureOf(alice.node.request("bob", "hold", Stream.forever(Stream.succeed(new Uint8Array(10_000)))))
      )
      yield* held.begun
      yield* held.begun
      yield* Effect.sleep("100 millis")
      yield* bob.host.crash
      const [took, error] = yield* timed(Fiber.join(call))
      assert.strictEqual(error._tag === "PeerLostError" && error.reason, "NoAnswer")
      assert.isAtLeast(took, 9_000)
      assert.isAtMost(took, 11_500)
      const [more, also] = yield* timed(Fiber.join(pouring))
      assert.strictEqual(also._tag, "PeerLostError")
      assert.isAtMost(more, 20)
      yield* Effect.sleep("100 millis")
      assert.deepStrictEqual(yield* sessions(alice), [])
      assert.deepStrictEqual(streamsOf(network, "alice"), [])
    }),
    coarse
  )

  test(
    "a process that is killed resets its connections, and its streams fail at once",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 12 })
      const held = yield* holding
      const { alice, bob } = yield* two(network, {}, { functions: { echo, hold: held.handler } })
      const call = yield* Effect.forkChild(failureOf(alice.node.request("bob", "hold", "x")))
      yield* held.begun
      yield* bob.process.kill
      const [took, error] = yield* timed(Fiber.join(call))
      assert.strictEqual(error._tag === "PeerLostError" && error.reason, "Disconnected")
      assert.isAtMost(took, 100)
    }),
    coarse
  )

  test(
    "what membership declares lost, loses its streams at once",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 13 })
      const held = yield* holding
      const options = {
        broadcastInterval: "500 millis" as const,
        limits: { sessionSilence: "10 minutes" as const, writeTimeout: "10 minutes" as const }
      }
      const { alice, bob } = yield* two(network, options, { ...options, functions: { echo, hold: held.handler } })
      const calls = yield* Effect.forEach(
        [1, 2, 3],
        () => Effect.forkChild(failureOf(alice.node.request("bob", "hold", "x")))
      )
      for (const _ of calls) yield* held.begun
      yield* bob.host.crash
      const [took, errors] = yield* timed(Effect.forEach(calls, Fiber.join))
      assert.deepStrictEqual(errors.map(({ _tag }) => _tag), calls.map(() => "PeerLostError"))
      assert.isAtMost(took, 5_000)
      yield* Effect.sleep("100 millis")
      assert.deepStrictEqual(yield* sessions(alice), [])
    }),
    coarse
  )

  for (const frozen of ["bob", "alice"] as const) {
    test(
      `a freeze of 4 s of ${frozen}'s loses nothing`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 14 })
        const nodes = yield* two(network)
        const { alice, bob } = nodes
        yield* ask(alice, "bob")
        const size = 3_000_000
        const source = Stream.range(0, 299).pipe(
          Stream.mapEffect((i) => Effect.as(Effect.sleep("40 millis"), new Uint8Array(10_000).fill(i))),
          Stream.rechunk(1)
        )
        let at = 0
        const call = yield* Effect.forkChild(
          Stream.runForEach(alice.node.send("bob", "echo", source), (part) =>
            Effect.sync(() => {
              for (const byte of part) if (byte !== (Math.floor(at++ / 10_000) & 255)) throw new Error(`wrong at ${at}`)
            }))
        )
        const hold = yield* Effect.forkChild(ask(bob, "alice", "during"))
        yield* Effect.sleep("3 seconds")
        yield* nodes[frozen].process.pause
        yield* Effect.sleep("4 seconds")
        yield* nodes[frozen].process.resume
        yield* Fiber.join(call)
        yield* Fiber.join(hold)
        assert.strictEqual(at, size)
        assert.strictEqual(network.stats().connections, 1)
      }),
      coarse
    )
  }

  test(
    "whoever was frozen for long blames nobody for it",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 15 })
      // So that nobody else ends what alice could.
      const broadcastInterval = "1 minute" as const
      const limits = { sessionSilence: "10 minutes" as const, writeTimeout: "10 minutes" as const }
      const { alice, bob } = yield* two(network, { broadcastInterval }, { broadcastInterval, limits })
      yield* ask(alice, "bob")
      for (let i = 0; i < 3; i++) {
        yield* alice.process.pause
        yield* Effect.sleep("17 seconds")
        yield* alice.process.resume
        yield* Effect.sleep("7 seconds")
      }
      assert.strictEqual((yield* sessions(alice)).length, 1)
      yield* ask(alice, "bob")
      yield* ask(bob, "alice")
      assert.strictEqual(network.stats().connections, 1)
    }),
    slow
  )

  test(
    "a partition fails what is open, and healing needs nobody's help",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 16 })
      const held = yield* holding
      const { alice, bob } = yield* two(network, {}, { functions: { echo, hold: held.handler } })
      const call = yield* Effect.forkChild(failureOf(alice.node.request("bob", "hold", "x")))
      yield* held.begun
      yield* network.partition(alice.host, bob.host)
      const [took, error] = yield* timed(Fiber.join(call))
      assert.strictEqual(error._tag, "PeerLostError")
      assert.isAtMost(took, 12_000)
      yield* Effect.sleep("1 minute")
      yield* network.heal()
      yield* alice.node.peers.awaitPeer("bob")
      const [again] = yield* timed(Effect.retry(ask(alice, "bob"), { while: (e) => e._tag !== "StreamResetError" }))
      assert.isAtMost(again, 10_000)
      yield* Effect.sleep("12 seconds")
      assert.strictEqual((yield* sessions(bob)).length, 1)
    }),
    coarse
  )

  test(
    "a peer that restarted with its key is served at once, whatever its ghost does",
    Effect.gen(function*() {
      for (const restarted of ["alice", "bob"] as const) {
        const network = yield* SimNetwork.make({ seed: 17 })
        const [first, second] = yield* ordered
        const identities = { alice: first!, bob: second! }
        const one = yield* start(network, { name: "alice", identity: identities.alice, functions: { echo } })
        const two = yield* start(network, { name: "bob", identity: identities.bob, functions: { echo } })
        yield* one.node.peers.awaitPeer("bob")
        const nodes = { alice: one, bob: two }
        const other = restarted === "alice" ? "bob" : "alice"
        yield* nodes[restarted].node.peers.awaitPeer(other)
        yield* ask(nodes[restarted], other)
        yield* Effect.sleep("1 second")
        // Power loss: nothing tells the other that its session is a ghost.
        yield* nodes[restarted].host.crash
        yield* nodes[restarted].host.restart
        const again = yield* start(network, {
          name: restarted,
          identity: identities[restarted],
          functions: { echo }
        }, { host: nodes[restarted].host })
        yield* again.node.peers.awaitPeer(other)
        const [there] = yield* timed(ask(again, other))
        assert.isAtMost(there, 200)
        const [back] = yield* timed(ask(nodes[other], restarted))
        assert.isAtMost(back, 200)
        yield* Effect.sleep("11 seconds")
        assert.strictEqual((yield* sessions(nodes[other])).length, 1)
      }
    }),
    coarse
  )

  test(
    "dials that fail are repeated less and less often, and every caller is told",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 18 })
      const options = { broadcastInterval: "10 minutes" as const }
      const bob = yield* start(network, { ...options, name: "bob", functions: { echo } })
      const alice = yield* start(network, { ...options, name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      yield* bob.process.kill
      const before = network.stats().refused
      const callers = Array.from({ length: 20 }, (_, i) => i)
      const errors = yield* Effect.forEach(callers, () => failureOf(ask(alice, "bob")), { concurrency: "unbounded" })
      assert.deepStrictEqual([...new Set(errors.map(({ _tag }) => _tag))], ["DialError"])
      for (const { message } of errors) assert.include(message, "cannot connect to \"bob\" at ")
      assert.strictEqual(network.stats().refused - before, 1)
      // Somebody who tries again at once, for a minute.
      const [took, tries] = yield* timed(Effect.gen(function*() {
        const end = (yield* Clock.currentTimeMillis) + 60_000
        let tries = 0
        for (; (yield* Clock.currentTimeMillis) < end; tries++) yield* failureOf(ask(alice, "bob"))
        return tries
      }))
      assert.isAtLeast(took, 60_000)
      assert.isAtLeast(tries, 8)
      assert.isAtMost(tries, 20)
    }),
    coarse
  )
})

describe("limits", () => {
  test(
    "openers beyond the streams there may be wait, and go on one after another",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 20 })
      let running = 0
      let most = 0
      const work: AdvancedNode.Handler = ({ whole }) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            most = Math.max(most, ++running)
          }),
          () => Effect.andThen(Effect.sleep("50 millis"), whole),
          () => Effect.sync(() => void running--)
        )
      const limits = { streams: 10 }
      const { alice } = yield* two(network, { limits }, { limits, functions: { work } })
      const texts = Array.from({ length: 100 }, (_, i) => `${i}`)
      const [took, answers] = yield* timed(
        Effect.forEach(texts, (i) => Effect.map(alice.node.request("bob", "work", i), text), {
          concurrency: "unbounded"
        })
      )
      assert.deepStrictEqual(answers, texts)
      assert.isAtMost(most, 10)
      assert.isAtMost(took, 1_000)
      // One that gives up while it waits does not keep the others.
      const calls = yield* Effect.forEach(texts, (i) => Effect.forkChild(alice.node.request("bob", "work", i)))
      yield* Effect.sleep("60 millis")
      for (const [i, call] of calls.entries()) if (i % 2 === 1) yield* Fiber.interrupt(call)
      for (const [i, call] of calls.entries()) if (i % 2 === 0) yield* Fiber.join(call)
      assert.strictEqual((yield* sessions(alice))[0]!.streams, 0)
    }),
    { step: "10 millis" }
  )

  test(
    "openers that are interrupted, at whichever step, take nobody's turn",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 21, traceCapacity: 0 })
      const { alice } = yield* two(network, { limits: { streams: 1 } })
      const peer = yield* alice.node.peers.awaitPeer("bob")
      const open = alice.node.sessions.open(peer, { protocol: "command", name: "echo" })
      const first = yield* Scope.make()
      yield* Scope.provide(open, first)
      let steps = 0
      for (let i = 0; i < 3; i++) {
        for (steps = 1; yield* interruptedAt(steps, Effect.scoped(open));) steps++
      }
      assert.isAbove(steps, 10)
      const other = yield* Effect.forkScoped(Effect.scoped(Effect.asVoid(open)))
      yield* Effect.sleep("1 second")
      yield* Scope.close(first, Exit.void)
      yield* Effect.sleep("1 second")
      assert.isDefined(other.pollUnsafe())
    }),
    coarse
  )

  test(
    "openers beyond the credit of a session or of the node wait, for another peer's streams too",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 21 })
      // 8 streams in all, 2 a session.
      const limits = { credit: 8 * 262_144 }
      const work: AdvancedNode.Handler = ({ whole }) => Effect.andThen(Effect.sleep("50 millis"), whole)
      const alice = yield* start(network, { name: "alice", limits })
      const names = ["b", "c", "d", "e", "f"]
      for (const name of names) yield* start(network, { name, functions: { work } })
      for (const name of names) yield* alice.node.peers.awaitPeer(name)
      const jobs = names.flatMap((name) => Array.from({ length: 20 }, (_, i) => [name, `${i}`] as const))
      const [took, answers] = yield* timed(
        Effect.forEach(jobs, ([name, i]) => Effect.map(alice.node.request(name, "work", i), text), {
          concurrency: "unbounded"
        })
      )
      assert.deepStrictEqual(answers, jobs.map(([, i]) => i))
      assert.isAtMost(took, 5_000)
    }),
    { step: "10 millis" }
  )

  test(
    "functions that ignore what they are sent, and callers that ignore the answer, cost nothing that lasts",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 22, traceCapacity: 0 })
      const limits = { credit: 4 * 4 * 262_144 }
      const { alice } = yield* two(network, { limits }, {
        limits,
        functions: {
          echo,
          ignore: () => Effect.succeed("done"),
          pour: () => Stream.forever(Stream.succeed(new Uint8Array(10_000))),
          fail: () => Effect.fail("no")
        }
      })
      for (let i = 0; i < 60; i++) {
        assert.strictEqual(text(yield* alice.node.request("bob", "ignore", new Uint8Array(1_000))), "done")
        yield* Stream.runDrain(Stream.take(alice.node.send("bob", "echo", new Uint8Array(100_000)), 1))
        yield* Stream.runDrain(Stream.take(alice.node.send("bob", "pour", ""), 1))
        yield* failureOf(alice.node.request("bob", "fail", new Uint8Array(100_000)))
        yield* failureOf(alice.node.request("bob", "nothing", new Uint8Array(100_000)))
      }
      yield* Effect.sleep("1 second")
      assert.strictEqual((yield* sessions(alice))[0]!.streams, 0)
    }),
    coarse
  )

  test(
    "a deadline counts from the call on, with dialling and waiting",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 23 })
      let runs = 0
      const { alice, bob } = yield* two(network, { limits: { streams: 1 } }, {
        functions: { count: () => Effect.sync(() => `${++runs}`), hang: () => Effect.never }
      })
      const late = (error: { readonly _tag: string; readonly mayHaveRun?: unknown }) =>
        assert.deepInclude(error, { _tag: "DeadlineError", mayHaveRun: false })
      // The way to it.
      yield* network.partition(alice.host, bob.host)
      const [took, error] = yield* timed(failureOf(alice.node.request("bob", "count", "", { timeout: "1 second" })))
      late(error)
      assert.closeTo(took, 1_000, 100)
      yield* network.heal()
      yield* Effect.sleep("8 seconds")
      // A place.
      const hanging = yield* Effect.forkChild(alice.node.request("bob", "hang", ""))
      yield* Effect.sleep("1 second")
      const [waited, error2] = yield* timed(
        failureOf(alice.node.request("bob", "count", "", { timeout: "2 seconds" }))
      )
      late(error2)
      assert.include((error2 as unknown as Error).message, "as many as limits.streams and limits.credit allow")
      assert.closeTo(waited, 2_000, 100)
      yield* Fiber.interrupt(hanging)
      assert.strictEqual(runs, 0)
      // None at all is no violation.
      const answer = yield* alice.node.request("bob", "count", "", { timeout: Duration.infinity })
      assert.strictEqual(text(answer), "1")
    }),
    coarse
  )
})

describe("trust", () => {
  test(
    "a pin is made by a completed handshake, and by nothing before",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 30 })
      const built = yield* Layer.build(TofuTrust.layer())
      const trust = Context.get(built, Trust.Trust)
      const bob = yield* start(network, { name: "bob", functions: { echo } }, {
        trust: Layer.succeed(Trust.Trust, trust)
      })
      const alice = yield* start(network, { name: "alice", functions: { echo } })
      yield* alice.node.peers.awaitPeer("bob")
      yield* bob.node.peers.awaitPeer("alice")
      assert.isUndefined(yield* trust.expected("alice" as Packet.NodeName))
      yield* ask(alice, "bob")
      assert.strictEqual(yield* trust.expected("alice" as Packet.NodeName), alice.node.publicKey)
      // Somebody else of that name.
      yield* alice.process.stop
      yield* Effect.sleep("1 second")
      const another = yield* start(network, { name: "alice" }, { host: yield* network.host("another") })
      yield* another.node.peers.awaitPeer("bob")
      const error = yield* failureOf(ask(another, "bob"))
      assert.strictEqual(error._tag === "ProtocolError" && error.code, "ERR_UNTRUSTED")
    }),
    coarse
  )

  for (const side of ["dials", "is dialled"] as const) {
    test(
      `a peer that the policy refuses since it was asked, while the handshake of a node that ${side} went on, has no session`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 31 })
        const tofu = Context.get(yield* Layer.build(TofuTrust.layer()), Trust.Trust)
        const changed = yield* PubSub.unbounded<void>()
        let revoked = false
        const judge = (peer: Packet.NodeName, publicKey: PublicKey.PublicKey) =>
          revoked ? Effect.fail(new Trust.UntrustedPeerError({ kind: "Revoked", peer, publicKey })) : Effect.void
        const trust = Layer.succeed(Trust.Trust, {
          ...tofu,
          check: judge,
          // It says yes, and the operator says no before there is a session that could be ended.
          proved: (name, publicKey) =>
            Effect.andThen(
              judge(name, publicKey),
              Effect.suspend(() => {
                revoked = true
                return Effect.andThen(PubSub.publish(changed, undefined), Effect.sleep("100 millis"))
              })
            ),
          changes: Stream.fromPubSub(changed)
        })
        const bob = yield* start(network, { name: "bob", functions: { echo } }, side === "is dialled" ? { trust } : {})
        const alice = yield* start(network, { name: "alice", functions: { echo } }, side === "dials" ? { trust } : {})
        yield* alice.node.peers.awaitPeer("bob")
        yield* bob.node.peers.awaitPeer("alice")
        yield* Effect.exit(ask(alice, "bob"))
        assert.isTrue(revoked)
        yield* Effect.sleep("1 second")
        assert.deepStrictEqual([...yield* sessions(alice), ...yield* sessions(bob)], [])
        const error = yield* failureOf(ask(alice, "bob"))
        if (side === "dials") assert.strictEqual(error._tag, "UntrustedPeerError")
        else assert.strictEqual(error._tag === "ProtocolError" && error.code, "ERR_UNTRUSTED")
      })
    )
  }

  test(
    "a peer that the policy refuses is not dialled",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 32 })
      const bob = yield* start(network, { name: "bob", functions: { echo } })
      const alice = yield* start(network, { name: "alice" }, { trust: AllowListTrust.layer([]) })
      const peer = yield* alice.node.peers.awaitPeer("bob")
      let told = 0
      yield* network.intercept(({ payload, protocol }) => {
        // An advert may be asked for on a connection of its own.
        if (protocol === "tcp" && text(payload).includes("|msg|")) told++
        return "pass"
      })
      const error = yield* failureOf(
        alice.node.sessions.exchange(peer, { protocol: "command", name: "echo" }, bytes("x"))
      )
      assert.strictEqual(error._tag === "UntrustedPeerError" && error.kind, "NotListed")
      yield* Effect.sleep("1 second")
      assert.strictEqual(told, 0)
      // It does say something to whom it trusts.
      yield* failureOf(bob.node.request("alice", "echo", "x"))
      assert.isAbove(told, 0)
    })
  )
})

describe("the end", () => {
  test(
    "a call of a node that is closed ends, whoever it is for",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 41 })
      const { alice, bob } = yield* two(network)
      yield* ask(alice, "bob")
      yield* bob.process.stop
      yield* alice.process.stop
      // As one does that went on meanwhile: the sessions are gone, and the peers are still in the table.
      const peer = {
        name: bob.node.name,
        publicKey: bob.node.publicKey,
        endpoints: [{ host: bob.host.address, port: bob.node.endpoint.port }] as const,
        status: "Online" as const,
        proved: true
      }
      const exit = yield* alice.node.sessions.exchange(peer, { protocol: "command", name: "echo" }, bytes("x")).pipe(
        failureOf,
        Effect.timeoutOption("5 seconds")
      )
      const error = exit._tag === "Some" ? exit.value : undefined
      assert.strictEqual(error?._tag, "PeerLostError")
      assert.isFalse(error?._tag === "PeerLostError" && error.mayHaveRun)
    }),
    coarse
  )

  test(
    "a call that crosses the last word of a node that closes is known not to have run",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 41, link: { latency: "50 millis" } })
      let ran = 0
      const { alice, bob } = yield* two(network, {}, {
        functions: { echo, count: () => Effect.sync(() => `${++ran}`) }
      })
      assert.strictEqual(text(yield* alice.node.request("bob", "count", "x")), "1")
      const late = yield* Effect.forkChild(failureOf(alice.node.request("bob", "count", "x")))
      yield* Effect.sleep("20 millis")
      yield* bob.process.stop
      const error = yield* Fiber.join(late)
      assert.strictEqual(ran, 1)
      assert.isFalse("mayHaveRun" in error && error.mayHaveRun, `${error}`)
    }),
    { step: "1 millis" }
  )

  test(
    "a node that closes says so on every session, and leaves nothing behind",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 40 })
      const held = yield* holding
      const { alice, bob } = yield* two(network, {}, { functions: { echo, hold: held.handler } })
      const carol = yield* start(network, { name: "carol", functions: { echo } })
      yield* bob.node.peers.awaitPeer("carol")
      yield* ask(bob, "carol")
      const calls = yield* Effect.forEach(
        [1, 2],
        () => Effect.forkChild(failureOf(alice.node.request("bob", "hold", "x")))
      )
      for (const _ of calls) yield* held.begun
      const [took] = yield* timed(bob.process.stop)
      assert.isAtMost(took, 100)
      for (const call of calls) {
        const error = yield* Fiber.join(call)
        assert.strictEqual(error._tag === "StreamResetError" && error.code, "going_away")
      }
      yield* Effect.sleep("2 seconds")
      assert.deepStrictEqual([yield* sessions(alice), yield* sessions(carol)], [[], []])
      assert.deepStrictEqual(network.openSockets().filter(({ host }) => host === "bob"), [])
      yield* alice.process.stop
      yield* carol.process.stop
      assert.deepStrictEqual(network.openSockets(), [])
    }),
    coarse
  )

  test(
    "2,000 streams leave nothing behind",
    Effect.gen(function*() {
      setFlagsFromString("--expose-gc")
      const collect = runInNewContext("gc") as () => void
      const heap = () => {
        collect()
        return process.memoryUsage().heapUsed
      }
      const network = yield* SimNetwork.make({ seed: 41, traceCapacity: 0, streams: { chunking: "joined" } })
      const { alice, bob } = yield* two(network, {}, {
        functions: { echo, fail: () => Effect.fail("no"), hang: () => Effect.never }
      })
      const round = Effect.gen(function*() {
        yield* Effect.forEach(Array.from({ length: 400 }), (_, i) =>
          i % 4 === 0
            ? failureOf(alice.node.request("bob", "fail", "x"))
            : i % 4 === 1
            ? failureOf(alice.node.request("bob", "hang", "x", { timeout: "100 millis" }))
            : i % 4 === 2
            ? Stream.runDrain(Stream.take(alice.node.send("bob", "echo", Stream.make(bytes("a"), bytes("b"))), 1))
            : ask(alice, "bob"), { concurrency: 200, discard: true })
        yield* Effect.sleep("500 millis")
      })
      yield* Effect.andThen(round, round)
      const before = heap()
      for (let i = 0; i < 3; i++) yield* round
      const grown = heap() - before
      assert.strictEqual((yield* sessions(alice))[0]!.streams, 0)
      assert.strictEqual((yield* sessions(bob))[0]!.streams, 0)
      // Less than 200 bytes a stream, with the noise of the engine.
      assert.isBelow(grown, 400_000)
    }),
    coarse
  )
})

describe("who handles what is opened", () => {
  test(
    "is the last that was set, and again the one before it, whichever scope closes first; a line feed makes no name",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 90 })
      const { alice, bob } = yield* two(network)
      const peer = (yield* alice.node.peers.get("bob"))!
      const where = { protocol: "socket", name: "files" } as const
      const ask = (protocol: "socket" | "rpc", name: string) =>
        alice.node.sessions.exchange(peer, { protocol, name }, new Uint8Array(0)).pipe(
          Effect.match({
            onFailure: (error) => error._tag === "StreamResetError" ? error.code : error._tag,
            onSuccess: text
          })
        )
      const set = (place: Parameters<typeof bob.node.sessions.handle>[0], said: string) =>
        Effect.gen(function*() {
          const scope = yield* Scope.make()
          yield* Scope.provide(
            bob.node.sessions.handle(place, (stream) => Effect.ignore(stream.write(bytes(said)))),
            scope
          )
          return Scope.close(scope, Exit.void)
        })
      assert.strictEqual(yield* ask("socket", "files"), "unsupported")
      const closeFirst = yield* set(where, "first")
      const closeSecond = yield* set(where, "second")
      const closeThird = yield* set(where, "third")
      assert.strictEqual(yield* ask("socket", "files"), "third")
      yield* closeFirst
      assert.strictEqual(yield* ask("socket", "files"), "third")
      yield* closeThird
      assert.strictEqual(yield* ask("socket", "files"), "second")
      assert.strictEqual(yield* ask("socket", "other"), "not_found")
      assert.strictEqual(yield* ask("socket\nfiles" as "socket", "files"), "unsupported")
      assert.strictEqual(yield* ask("socket\nfiles" as "socket", ""), "unsupported")
      const closeAll = yield* set("socket", "whatever")
      assert.strictEqual(yield* ask("socket", "files"), "second")
      assert.strictEqual(yield* ask("socket", "other"), "whatever")
      yield* closeSecond
      assert.strictEqual(yield* ask("socket", "files"), "whatever")
      yield* closeAll
      assert.strictEqual(yield* ask("socket", "files"), "unsupported")
    })
  )
})

describe("a peer that cannot be reached", () => {
  test(
    "is named with the last reason by whatever error follows, however long the next dial is put off",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 91 })
      const crypto = yield* seeded()
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, crypto, { host })
      const listening = yield* mallory.listen
      // It holds its key, and proves another name than its advert has: refused by this side's policy.
      yield* listening.run((connection) => listening.accept(connection, { name: "eve" as Packet.NodeName }))
      const alice = yield* startCommand(network, { name: "alice", networkId })
      yield* listening.advertise
      yield* alice.node.peers.awaitPeer("mallory")
      const peer = (yield* alice.node.peers.get("mallory"))!
      const told: Array<string> = []
      for (let i = 0; i < 8; i++) {
        const error = yield* failureOf(
          alice.node.sessions.exchange(
            peer,
            { protocol: "socket", name: "x", deadline: "400 millis" },
            new Uint8Array(0)
          )
        )
        told.push(`${error._tag}: ${error.message}`)
      }
      assert.isTrue(told.some((text) => text.startsWith("StreamResetError")), told.join("\n"))
      for (const text of told) assert.include(text, "eve")
    }),
    coarse
  )

  const putOff = (forged: boolean) =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 92 })
      const crypto = yield* seeded()
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, crypto, { host })
      const listening = yield* mallory.listen
      let dials = 0
      yield* listening.run((connection) => {
        dials++
        return forged
          ? connection.write(Packet.encode(Packet.err(networkId, "ERR_HANDSHAKE", mallory.identity.publicKey)))
          : Effect.void
      })
      const alice = yield* startCommand(network, { name: "alice", networkId })
      yield* listening.advertise
      yield* alice.node.peers.awaitPeer("mallory")
      const peer = (yield* alice.node.peers.get("mallory"))!
      dials = 0
      const ask = alice.node.sessions.exchange(peer, { protocol: "socket", name: "x" }, new Uint8Array(0))
      yield* Effect.timeoutOption(Effect.forever(Effect.ignore(ask)), "4500 millis")
      if (forged) assert.isAbove(dials, 10)
      else {
        assert.isBelow(dials, 8)
        const call = alice.node.target("mallory", { timeout: "60 millis" }) as (
          name: string
        ) => Effect.Effect<unknown, Error>
        const late = yield* failureOf(call("f"))
        assert.match(
          late.message,
          /did not answer in its time, given up after \d+ms \(the last attempt to reach its peer failed: /
        )
      }
    })

  test(
    "by an err in clear, which may be anybody's, puts the next dial off by one wait and no longer",
    putOff(true),
    coarse
  )
  test("for real puts each dial off for longer, and says so where time runs out", putOff(false), coarse)
})

describe("a session whose peer goes, and says which streams came", () => {
  test(
    "has the time of that reason, also where a call that it refused is made again at once",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 96, traceCapacity: 0, streams: { chunking: "joined" } })
      const crypto = yield* seeded()
      const mallory = yield* stranger(network, crypto, { host: yield* network.host("mallory") })
      const bob = yield* start(network, { name: "bob", limits: { shutdownDrain: "10 seconds" } })
      const session = yield* mallory.connect(bob)
      yield* bob.node.peers.awaitPeer("mallory")
      const call = (name: string) => Effect.forkScoped(Effect.exit(bob.node.request("mallory", name, "")))
      const first = yield* call("first")
      const second = yield* call("second")
      yield* session.expect(Frame.Kind.open)
      yield* session.send(0, frame(Frame.Kind.goaway, 0, `{"code":"shutdown","message":"","last":1}`))
      // It lives on, and never closes.
      yield* Effect.forkScoped(Effect.forever(Effect.flatMap(
        session.expect(Frame.Kind.ping),
        ({ payload }) => session.send(1, frame(Frame.Kind.pong, 0, payload))
      )))
      yield* Effect.sleep("65 seconds")
      assert.isUndefined(first.pollUnsafe())
      yield* Effect.sleep("10 seconds")
      assert.isDefined(first.pollUnsafe())
      assert.isDefined(second.pollUnsafe())
      assert.deepStrictEqual(yield* bob.node.sessions.all, [])
    }),
    slow
  )
})

describe("a ghost", () => {
  test(
    "of a peer's former life is asked for a sign of life, and has no new streams until it gives one",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 93, traceCapacity: 0, streams: { chunking: "joined" } })
      const crypto = yield* seeded()
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, crypto, { host })
      // The session that stays is the one that the smaller key opened: bob's.
      let identity = yield* keyPair
      while (PublicKey.Order(identity.publicKey, mallory.identity.publicKey) > 0) identity = yield* keyPair
      const listening = yield* mallory.listen
      const dialled = yield* Deferred.make<Effect.Success<ReturnType<typeof listening.accept>>>()
      yield* listening.run((connection) =>
        Effect.gen(function*() {
          yield* Deferred.succeed(dialled, yield* listening.accept(connection))
          return yield* Effect.never
        })
      )
      const bob = yield* start(network, { name: "bob", identity })
      yield* listening.advertise
      yield* bob.node.peers.awaitPeer("mallory")
      const call = (name: string) => Effect.forkScoped(Effect.exit(bob.node.request("mallory", name, "")))
      const name = (payload: Uint8Array) => JSON.parse(text(payload)).name as string
      yield* call("first")
      const older = yield* Deferred.await(dialled)
      assert.strictEqual(name((yield* older.expect(Frame.Kind.open)).payload), "first")
      yield* Effect.sleep("1 second")

      const newer = yield* mallory.connect(bob)
      // At once, and not when it has been silent for as long as others may be.
      const asked = yield* Effect.timeout(older.expect(Frame.Kind.ping), "1 second")
      yield* call("second")
      assert.strictEqual(name((yield* newer.expect(Frame.Kind.open)).payload), "second")

      yield* older.send(1, frame(Frame.Kind.pong, 0, asked.payload))
      yield* Effect.sleep("200 millis")
      yield* call("third")
      assert.strictEqual(name((yield* older.expect(Frame.Kind.open)).payload), "third")
    }),
    coarse
  )

  test(
    "is not gone back to when the newer session ends: its peer is dialled",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 94, traceCapacity: 0, streams: { chunking: "joined" } })
      const crypto = yield* seeded()
      const mallory = yield* stranger(network, crypto, { host: yield* network.host("mallory") })
      const listening = yield* mallory.listen
      const accepted = yield* Queue.unbounded<Effect.Success<ReturnType<typeof listening.accept>>>()
      yield* listening.run((connection) =>
        Effect.gen(function*() {
          yield* Queue.offer(accepted, yield* listening.accept(connection))
          return yield* Effect.never
        })
      )
      const bob = yield* start(network, { name: "bob" })
      yield* listening.advertise
      yield* bob.node.peers.awaitPeer("mallory")
      const call = (name: string) => Effect.forkScoped(Effect.exit(bob.node.request("mallory", name, "")))
      const name = (payload: Uint8Array) => JSON.parse(text(payload)).name as string
      yield* call("first")
      const ghost = yield* Queue.take(accepted)
      yield* ghost.expect(Frame.Kind.open)
      const newer = yield* mallory.connect(bob)
      const asked = yield* ghost.expect(Frame.Kind.ping)
      yield* newer.send(0, frame(Frame.Kind.goaway, 0, `{"code":"shutdown","message":""}`))
      yield* Effect.sleep("100 millis")
      yield* call("second")
      const again = yield* Effect.timeout(Queue.take(accepted), "1 second")
      assert.strictEqual(name((yield* again.expect(Frame.Kind.open)).payload), "second")
      // Where it was alive after all it is one of the sessions again, and no worse for it.
      yield* ghost.send(1, frame(Frame.Kind.pong, 0, asked.payload))
      yield* Effect.sleep("200 millis")
      assert.isAtLeast((yield* bob.node.sessions.all).length, 2)
    }),
    coarse
  )

  test(
    "is waited for where its peer cannot be dialled, and called when it says that it is none",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 95, traceCapacity: 0, streams: { chunking: "joined" } })
      const crypto = yield* seeded()
      const mallory = yield* stranger(network, crypto, { host: yield* network.host("mallory") })
      const bob = yield* start(network, { name: "bob" })
      const older = yield* mallory.connect(bob)
      yield* bob.node.peers.awaitPeer("mallory")
      const newer = yield* mallory.connect(bob)
      const asked = yield* older.expect(Frame.Kind.ping)
      yield* newer.send(0, frame(Frame.Kind.goaway, 0, `{"code":"shutdown","message":""}`))
      yield* Effect.sleep("100 millis")
      yield* Effect.forkScoped(Effect.exit(bob.node.request("mallory", "first", "")))
      yield* Effect.sleep("100 millis")
      yield* older.send(1, frame(Frame.Kind.pong, 0, asked.payload))
      const opened = yield* Effect.timeout(older.expect(Frame.Kind.open), "1 second")
      assert.strictEqual(JSON.parse(text(opened.payload)).name, "first")
    }),
    coarse
  )
})
