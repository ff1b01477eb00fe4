// Sessions between processes of the operating system: one is killed, stopped for a while, or told to leave, while it streams.
import { NodeDatagramSocket } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AdvancedNode } from "@pnet/core"
import * as Programs from "@pnet/lab/processes/programs"
import { NodePnet } from "@pnet/node"
import { Clock, Context, Deferred, Effect, Fiber, Layer, Logger, type Scope, Stream, SubscriptionRef } from "effect"
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"

const program = Programs.file(new URL("sessionProcess.ts", import.meta.url))

type Node = AdvancedNode.AdvancedNode["Service"]

/** A UDP port that nobody on this machine uses now. */
const freePort = Effect.gen(function*() {
  const socket = yield* NodeDatagramSocket.make({ bind: { address: "127.0.0.1", port: 0 } })
  return (yield* socket.reader).address.port
}).pipe(Effect.scoped, Effect.orDie)

/** A process that is a node. It is killed with the scope, whatever state it is in. */
const child = (environment: Record<string, string>) =>
  Effect.gen(function*() {
    const exited = yield* Deferred.make<void>()
    const handle = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const handle = spawn(process.execPath, [program], {
          env: { ...process.env, ...environment },
          stdio: ["pipe", "ignore", "inherit"]
        })
        handle.once("exit", () => Deferred.doneUnsafe(exited, Effect.void))
        return handle
      }),
      (handle) =>
        handle.pid === undefined
          ? Effect.void
          : Effect.andThen(Effect.sync(() => handle.kill("SIGKILL")), Deferred.await(exited))
    )
    return {
      signal: (signal: NodeJS.Signals) => Effect.sync(() => assert.isTrue(handle.kill(signal), `${signal} was sent`)),
      exited: Effect.map(Deferred.await(exited), () => ({ code: handle.exitCode, signal: handle.signalCode }))
    }
  })

/** A node here, called alice, that knows one in another process, called bob. */
const world = Effect.gen(function*() {
  const networkId = `processes-${randomUUID()}`
  const advertisePort = yield* freePort
  const process = yield* child({
    PNET_NAME: "bob",
    PNET_NETWORK_ID: networkId,
    PNET_ADVERTISE_PORT: String(advertisePort),
    PNET_BIND_IP: "127.0.0.1"
  })
  const built = yield* Layer.build(Layer.fresh(
    AdvancedNode.layer({ name: "alice", networkId, advertisePort, bindIp: "127.0.0.1" }).pipe(
      Layer.provide([NodePnet.layer, Logger.layer([])])
    )
  ))
  const alice = Context.get(built, AdvancedNode.AdvancedNode)
  const bob = yield* alice.peers.awaitPeer("bob", "20 seconds")
  return { alice, bob, process }
})

/** Reads an endless stream of bob's, and looks at every byte of it. */
const read = (alice: Node, command: "slow" | "fast") =>
  Effect.gen(function*() {
    const length = yield* SubscriptionRef.make(0)
    let at = 0
    const fiber = yield* alice.send("bob", command, "").pipe(
      Stream.runForEach((bytes) => {
        for (const byte of bytes) {
          // A kibibyte of each number, as 32 bit numbers with the lowest byte first.
          const expected = ((at >>> 10) >>> (8 * (at & 3))) & 0xff
          if (byte !== expected) return Effect.die(new Error(`${command}: ${byte} at ${at}, not ${expected}`))
          at++
        }
        return SubscriptionRef.set(length, at)
      }),
      Effect.andThen(Effect.die(new Error(`${command} ended`))),
      Effect.forkScoped
    )
    return {
      /** How much there was until now. */
      length: Effect.sync(() => at),
      /** Waits for so much to have come, all in all. */
      reached: (bytes: number) =>
        SubscriptionRef.changes(length).pipe(
          Stream.filter((length) => length >= bytes),
          Stream.runHead,
          Effect.raceFirst(Fiber.join(fiber))
        ),
      /** Why it ended. */
      failure: Effect.flip(Fiber.join(fiber))
    }
  })

const now = Clock.currentTimeMillis

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live.skipIf(process.platform === "win32")(title, () => Effect.scoped(body), 60_000)

/** Every way for a call to a peer that is no more to fail. */
const unreachable = ["PeerLostError", "PeerUnknownError", "DialError"]

describe("sessions between processes", () => {
  test(
    "the streams of a process that is killed fail, and so does the next call",
    Effect.gen(function*() {
      const { alice, process } = yield* world
      const slow = yield* read(alice, "slow")
      const fast = yield* read(alice, "fast")
      yield* Effect.all([slow.reached(50_000), fast.reached(2_000_000)], { concurrency: 2 })

      const begin = yield* now
      yield* process.signal("SIGKILL")
      const failures = yield* Effect.all([slow.failure, fast.failure], { concurrency: 2 })
      const took = (yield* now) - begin
      for (const error of failures) {
        assert.strictEqual(error._tag, "PeerLostError", error.message)
        if (error._tag === "PeerLostError") assert.isTrue(error.mayHaveRun)
      }
      assert.isBelow(took, 12_000)
      assert.strictEqual((yield* process.exited).signal, "SIGKILL")

      const again = yield* now
      const next = yield* Effect.flip(alice.request("bob", "echo", "still there?"))
      const nextTook = (yield* now) - again
      assert.include(unreachable, next._tag, next.message)
      assert.isBelow(nextTook, 12_000)
    })
  )

  test(
    "a process that is stopped for less than the limit loses nothing",
    Effect.gen(function*() {
      const { alice, process } = yield* world
      const slow = yield* read(alice, "slow")
      const fast = yield* read(alice, "fast")
      yield* Effect.all([slow.reached(50_000), fast.reached(2_000_000)], { concurrency: 2 })

      yield* process.signal("SIGSTOP")
      const request = yield* Effect.forkScoped(alice.request("bob", "echo", "are you asleep?"))
      yield* Effect.sleep("3 seconds")
      const [slowThen, fastThen] = yield* Effect.all([slow.length, fast.length])
      assert.isUndefined(request.pollUnsafe(), "nobody answers while it is stopped")
      yield* process.signal("SIGCONT")
      assert.strictEqual(new TextDecoder().decode(yield* Fiber.join(request)), "are you asleep?")

      // Both go on, with the numbers that come next.
      yield* Effect.all([slow.reached(slowThen + 50_000), fast.reached(fastThen + 2_000_000)], { concurrency: 2 })
      assert.lengthOf(yield* alice.sessions.all, 1)
      assert.strictEqual((yield* alice.peers.get("bob"))?.status, "Online")
    })
  )

  test(
    "a process that is told to end says so, and is off the table at once",
    Effect.gen(function*() {
      const { alice, bob, process } = yield* world
      const slow = yield* read(alice, "slow")
      const fast = yield* read(alice, "fast")
      yield* Effect.all([slow.reached(50_000), fast.reached(2_000_000)], { concurrency: 2 })
      const gone = yield* alice.peers.changes.pipe(
        Stream.filter((event) =>
          (event._tag === "Left" || event._tag === "Lost") && event.peer.publicKey === bob.publicKey
        ),
        Stream.runHead,
        Effect.andThen(now),
        Effect.forkScoped({ startImmediately: true })
      )

      const begin = yield* now
      yield* process.signal("SIGTERM")
      const failures = yield* Effect.all([slow.failure, fast.failure], { concurrency: 2 })
      const failed = (yield* now) - begin
      const left = (yield* Fiber.join(gone)) - begin
      for (const error of failures) {
        if (error._tag === "StreamResetError") assert.strictEqual(error.code, "going_away", error.message)
        else assert.strictEqual(error._tag, "PeerLostError", error.message)
      }
      assert.isBelow(failed, 2_000)
      assert.isBelow(left, 2_000)
      assert.isUndefined(yield* alice.peers.get("bob"))
      const next = yield* Effect.flip(alice.request("bob", "echo", "still there?"))
      assert.strictEqual(next._tag, "PeerUnknownError", next.message)
      assert.isNull((yield* process.exited).signal, "it ended by itself")
    })
  )
})
