/** What whole nodes do when a peer leaves, crashes, restarts, or is somebody else: over a simulated network, in virtual time. */
import { assert, describe, it } from "@effect/vitest"
import { type AdvancedNode, Advert, Identity, NetworkKey, Packet, type Peers, PortableCrypto } from "@pnet/core"
import { echo, type Net, quietly, start, type Started } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { Cause, Clock, Effect, Exit, Fiber, Result, type Scope, Stream } from "effect"

const link = { latency: { min: "1 millis", max: "5 millis" } } as const

/** What happened to a peer, with the moment, from now on. */
const watch = ({ node }: Started) =>
  Effect.gen(function*() {
    const events: Array<{ readonly at: number; readonly event: Peers.PeerEvent }> = []
    yield* node.peers.changes.pipe(
      Stream.runForEach((event) => Effect.map(Clock.currentTimeMillis, (at) => void events.push({ at, event }))),
      Effect.forkScoped({ startImmediately: true })
    )
    yield* Effect.yieldNow
    events.length = 0
    return {
      events,
      told: () =>
        events.splice(0).map(({ event }) =>
          `${event._tag}${"reason" in event ? ` ${event.reason}` : ""} ${
            event._tag === "KeyConflict" ? event.name : event.peer.name
          }`
        ),
      at: (tag: Peers.PeerEvent["_tag"]) => events.find(({ event }) => event._tag === tag)?.at
    }
  })

/** How an effect ended, and when. */
const ending = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.forkScoped(
    Effect.gen(function*() {
      const exit = yield* Effect.exit(effect)
      const error = Exit.isFailure(exit) ? Cause.findError(exit.cause) : undefined
      const failure = error !== undefined && Result.isSuccess(error) ? error.success as unknown : exit
      return { at: yield* Clock.currentTimeMillis, failure: failure as Peers.PeerLostError }
    }),
    { startImmediately: true }
  )

/** Everything that can be bound to bob. */
const boundTo = ({ node }: Started) =>
  Effect.all({
    effect: ending(node.peers.whileOnline("bob", () => Effect.never)),
    scoped: ending(Effect.scoped(Effect.flatMap(node.peers.scoped("bob"), (bob) => bob.run(Effect.never)))),
    stream: ending(Stream.runDrain(node.send("bob", "endless", ""))),
    request: ending(node.request("bob", "endless", "")),
    waitingForCredit: ending(
      Stream.runDrain(node.send("bob", "deaf", Stream.forever(Stream.make(new Uint8Array(60_000)))))
    ),
    message: ending(node.raw.send("bob", "no answer", { timeout: "1 hour" })),
    behindIt: ending(node.raw.send("bob", "nor to this", { timeout: "1 hour" })),
    each: ending(node.sendAll("*", "endless", ""))
  })

const bobOptions = {
  name: "bob",
  functions: {
    echo,
    endless: () => Stream.fromEffectRepeat(Effect.as(Effect.sleep("100 millis"), "x")),
    deaf: () => Effect.never
  },
  onMessage: () => Effect.never
} satisfies AdvancedNode.Options

const pair = (
  network: Net,
  options: { readonly alice?: Partial<AdvancedNode.Options>; readonly bob?: Partial<AdvancedNode.Options> } = {}
) =>
  Effect.gen(function*() {
    const bob = yield* start(network, { ...bobOptions, ...options.bob })
    const alice = yield* start(network, { name: "alice", ...options.alice })
    yield* Effect.all([alice.node.peers.awaitPeer("bob"), bob.node.peers.awaitPeer("alice")], { concurrency: 2 })
    yield* alice.node.request("bob", "echo", "hello")
    return { alice, bob }
  })

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () => quietly(body, { step: "5 millis" }))

const join = (bound: Effect.Success<ReturnType<typeof boundTo>>) =>
  Effect.all(
    Object.fromEntries(
      Object.entries(bound).filter(([label]) => label !== "each").map(([label, fiber]) => [label, Fiber.join(fiber)])
    ),
    { concurrency: "unbounded" }
  )

describe("Presence: everything that is bound to a peer ends at once, with one error", () => {
  // A session asks for itself after 10 seconds of silence; here the membership is the first to know.
  const patient = { limits: { sessionSilence: "30 seconds" } } as const

  for (const how of ["crash", "partition", "conflict"] as const) {
    test(
      `when it is lost (${how})`,
      Effect.gen(function*() {
        const other = yield* Identity.generate.pipe(Effect.provide(PortableCrypto.layer))
        const network = yield* SimNetwork.make({ seed: 3, link })
        const { alice, bob } = yield* pair(network, { alice: patient, bob: patient })
        const seen = yield* watch(alice)
        const bound = yield* boundTo(alice)
        yield* Effect.sleep("3 seconds")
        for (const fiber of Object.values(bound)) assert.isUndefined(fiber.pollUnsafe())
        const since = yield* Clock.currentTimeMillis
        if (how === "crash") yield* bob.host.crash
        else if (how === "partition") yield* network.partition(alice.host, bob.host)
        else yield* alice.node.peers.resolveConflict(bob.node.name, other.publicKey)
        const ended = yield* join(bound)
        const lostAt = seen.at("Lost")!
        assert.isAtMost(lostAt - since, how === "conflict" ? 0 : 12_000)
        const reason = how === "conflict" ? "Conflict" : "NoAnswer"
        for (const [label, { at, failure }] of Object.entries(ended)) {
          assert.strictEqual(failure._tag, "PeerLostError", label)
          assert.deepInclude(failure, { peer: bob.node.name, publicKey: bob.node.publicKey, reason }, label)
          // Not the next tick of anything.
          assert.strictEqual(at, lostAt, label)
        }
        const each = yield* Fiber.join(bound.each)
        assert.strictEqual(each.at, lostAt)
        assert.deepStrictEqual(
          seen.told().filter((event) => !event.startsWith("Updated")),
          how === "conflict"
            ? ["Lost Conflict bob"]
            : ["Suspected bob", "Probed NoAnswer bob", "Lost NoAnswer bob"]
        )
      })
    )
  }

  test(
    "when it is lost while it is dialled, and then nothing was done",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 4, link })
      const bob = yield* start(network, bobOptions)
      const alice = yield* start(network, { name: "alice", limits: { dialTimeout: "1 minute" } })
      yield* alice.node.peers.awaitPeer("bob")
      yield* network.partition(alice.host, bob.host)
      const seen = yield* watch(alice)
      const bound = yield* Effect.all([
        ending(alice.node.request("bob", "echo", "x")),
        ending(Stream.runDrain(alice.node.send("bob", "echo", "x"))),
        ending(alice.node.raw.send("bob", "x", { timeout: "1 hour" }))
      ])
      for (const fiber of bound) {
        const { at, failure } = yield* Fiber.join(fiber)
        assert.deepInclude(failure, { _tag: "PeerLostError", reason: "NoAnswer", mayHaveRun: false })
        assert.strictEqual(at, seen.at("Lost"))
      }
    })
  )

  test(
    "when it leaves, as soon as it has gone",
    Effect.gen(function*() {
      for (let seed = 1; seed <= 6; seed++) {
        const network = yield* SimNetwork.make({ seed, link })
        const { alice, bob } = yield* pair(network)
        const seen = yield* watch(alice)
        const bound = yield* boundTo(alice)
        yield* Effect.sleep("500 millis")
        const since = yield* Clock.currentTimeMillis
        yield* Effect.forkScoped(bob.process.stop)
        const ended = yield* join(bound)
        for (const [label, { at, failure }] of Object.entries(ended)) {
          assert.isAtMost(at - since, 100, `${label}, seed ${seed}`)
          // On a stream it has said so itself.
          if (failure._tag !== "PeerLostError") {
            assert.deepInclude(failure as object, { _tag: "StreamResetError", code: "going_away" }, label)
          } else assert.include(["Left", "Disconnected"], failure.reason, label)
        }
        for (const label of ["effect", "scoped"]) {
          assert.deepInclude(ended[label]!.failure, { _tag: "PeerLostError", reason: "Left" })
        }
        // Its adverts may be faster than the end of its connections, and slower.
        const told = seen.told()
        assert.strictEqual(told.length, 1)
        assert.match(told[0]!, /^Left (ConnectionsEnded|SaidSo) bob$/)
        yield* alice.process.stop
      }
    })
  )

  test(
    "and not because somebody says that it leaves",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 6, link })
      const bob = yield* start(network, {
        ...bobOptions,
        onMessage: () => Effect.as(Effect.sleep("5 seconds"), "there")
      })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const seen = yield* watch(alice)
      const answer = yield* Effect.forkScoped(alice.node.raw.sendText("bob", "are you?"), { startImmediately: true })
      yield* Effect.sleep("1 second")
      const forged = Packet.encode({
        networkId: bob.node.networkId,
        type: "adv",
        content: Advert.encode({ name: bob.node.name, host: bob.host.address, port: 0 }),
        publicKey: bob.node.publicKey
      })
      yield* network.inject(bob.host, { from: `${bob.host.address}:9999`, to: "10.0.0.255:3334", payload: forged })
      assert.strictEqual(yield* Fiber.join(answer), "there")
      assert.deepStrictEqual(seen.told().filter((event) => event.startsWith("Left")), [])
    })
  )
})

describe("Presence: a peer that starts again", () => {
  const identity = Identity.generate.pipe(Effect.provide(PortableCrypto.layer))
  const fast = { ...bobOptions, onMessage: () => Effect.succeed("there") }

  for (const how of ["killed", "without power"] as const) {
    test(
      `with its key (${how}) takes its place at once, and was never gone`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 7, link })
        const key = yield* identity
        const { alice, bob } = yield* pair(network, { bob: { ...fast, identity: key } })
        yield* alice.node.raw.send("bob", "x")
        const seen = yield* watch(alice)
        const bound = yield* ending(alice.node.peers.whileOnline("bob", () => Effect.never))
        const call = yield* ending(alice.node.request("bob", "endless", ""))
        yield* Effect.sleep("1 second")
        yield* how === "killed" ? bob.process.kill : bob.host.crash
        yield* Effect.sleep("2 seconds")
        if (how === "without power") yield* bob.host.restart
        yield* start(network, { ...fast, identity: key }, { host: bob.host })
        const since = yield* Clock.currentTimeMillis
        // The advert is enough to find out about what is left of the connection.
        yield* Effect.sleep("100 millis")
        assert.deepInclude((yield* Fiber.join(call)).failure, { _tag: "PeerLostError", reason: "Disconnected" })
        assert.isAtMost((yield* Clock.currentTimeMillis) - since, 100)
        yield* alice.node.request("bob", "echo", "again")
        assert.strictEqual(yield* alice.node.raw.sendText("bob", "again"), "there")
        assert.isAtMost((yield* Clock.currentTimeMillis) - since, 1_000)
        yield* Effect.sleep("20 seconds")
        assert.isUndefined(bound.pollUnsafe())
        assert.deepStrictEqual([...new Set(seen.told())], [
          "Updated address bob",
          "Restarted bob",
          "Updated proved bob"
        ])
      })
    )
  }

  test(
    "with another key is a conflict until the operator decides",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 8, link })
      const { alice, bob } = yield* pair(network, { bob: fast })
      const seen = yield* watch(alice)
      yield* bob.process.kill
      const anew = yield* start(network, fast, { host: bob.host })
      yield* Effect.sleep("30 seconds")
      assert.deepStrictEqual(seen.told(), [
        "KeyConflict KeyChanged bob",
        "Suspected bob",
        "Probed Refused bob",
        "Lost Refused bob"
      ])
      assert.strictEqual((yield* Effect.flip(alice.node.request("bob", "echo", "x")))._tag, "PeerUnknownError")
      const [conflict] = yield* alice.node.peers.conflicts
      assert.deepStrictEqual(conflict?.claims.map(({ publicKey }) => publicKey), [anew.node.publicKey])
      assert.strictEqual(conflict?.expected, bob.node.publicKey)

      yield* alice.node.peers.resolveConflict(anew.node.name, anew.node.publicKey)
      assert.strictEqual((yield* alice.node.peers.resolveOne("bob")).publicKey, anew.node.publicKey)
      yield* alice.node.request("bob", "echo", "x")
      assert.deepStrictEqual(seen.told().slice(0, 1), ["Joined New bob"])
      assert.deepStrictEqual(yield* alice.node.peers.conflicts, [])
    })
  )

  test(
    "within the second in which it left, on a network with a key, is back in the next",
    Effect.gen(function*() {
      const networkKey = yield* NetworkKey.generate.pipe(Effect.provide(PortableCrypto.layer))
      for (const [seed, within] of [[1, 20], [2, 500], [3, 950], [4, 500]] as const) {
        const network = yield* SimNetwork.make({ seed, link })
        const key = yield* identity
        const { alice, bob } = yield* pair(network, {
          alice: { networkKey },
          bob: { ...fast, identity: key, networkKey }
        })
        const seen = yield* watch(alice)
        yield* Effect.sleep(1_000 + within - (yield* Clock.currentTimeMillis) % 1_000)
        yield* bob.process.stop
        yield* start(network, { ...fast, identity: key, networkKey }, { host: bob.host })
        yield* Effect.sleep(1_100)
        const [left, joined] = [seen.at("Left"), seen.at("Joined")]
        assert.isDefined(left, `left at ${within} ms`)
        assert.isDefined(joined, `joined after leaving at ${within} ms`)
        assert.isAtMost(joined! - left!, 1_080)
        const told = seen.told()
        assert.match(told[0]!, /^Left (ConnectionsEnded|SaidSo) bob$/)
        assert.strictEqual(told[1], "Joined Returned bob")
        yield* alice.process.stop
      }
    })
  )
})
