/** `measure` and `doctor`, on a simulated network. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { Duration, Effect, Stream } from "effect"
import { desk, values } from "./harness/desk.ts"

class Home extends TestNetwork.Service<Home>()("test/cli/measure", {
  crypto: NodeCrypto.layer,
  seed: 1,
  link: { latency: "5 millis" },
  nodes: { carol: TestNetwork.node() }
}) {}

type Desk = Effect.Success<ReturnType<typeof desk>>

const inHome = <A, E, R>(use: (alice: Desk, bob: Desk) => Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const { network } = yield* Home
    return yield* use(yield* desk(network, "alice"), yield* desk(network, "bob"))
  }).pipe(Effect.scoped, Effect.provide(Home.layer))

describe("measure", () => {
  it.effect("says how long bytes take, and how many go either way, over the session that there is", () =>
    inHome(Effect.fnUntraced(function*(alice, bob) {
      const up = yield* bob.start("up")
      yield* up.says("bob is up")
      const ran = yield* alice.run("measure", "bob", "--time", "50ms", "--count", "5", "--json")
      const [measured] = values(ran.stdout)
      assert.deepInclude(measured, { type: "measured", peer: "bob", dialled: true, framing: "binary", roundTrips: 5 })
      for (const ms of ["minMs", "p50Ms", "p99Ms", "maxMs"]) assert.approximately(measured![ms], 10, 0.5)
      for (const way of ["there", "back"]) {
        const { bytes, bytesPerSecond, ms } = measured![way]
        assert.isAbove(bytes, 300_000)
        assert.isAtMost(ms, 110)
        assert.approximately(bytesPerSecond, bytes / ms * 1_000, 1)
      }
      assert.match(
        (yield* alice.run("measure", "bob", "--time", "20ms")).stdout,
        /^bob \(10\S+, dialled from here\)\n {2}round trip {2}p50 10 ms, p99 10 ms, 10 to 10 ms \(\d+ of them\)\n {2}there {7}[\d.]+ MB\/s/
      )
    })))

  it.effect("is served for two at a time and no longer than it may take, and by no node that does not want to", () =>
    inHome(Effect.fnUntraced(function*(alice, bob) {
      const up = yield* bob.start("up")
      yield* up.says("bob is up")
      const { carol } = (yield* Home).nodes
      yield* carol.node.peers.awaitPeer("bob")
      const ask = (ms: number) =>
        carol.node.streams.request("bob", "pnet.measure", "", { headers: { what: "take", ms } })
      assert.strictEqual((yield* Effect.flip(ask(10_001)))._tag, "InvalidArgumentsError")
      // One that never ends and one who does not read keep others waiting until their time is up.
      const headers = (what: string) => ({ headers: { what, ms: 1_000 } })
      const endless = carol.node.streams.request("bob", "pnet.measure", Stream.never, headers("take"))
      const unread = carol.node.streams.send("bob", "pnet.measure", "", headers("give"))
      const open = [
        yield* Effect.forkScoped(Effect.ignore(endless)),
        yield* Effect.forkScoped(Effect.ignore(Stream.runForEach(unread, () => Effect.never)))
      ]
      yield* Effect.sleep("100 millis")
      const [took] = yield* Effect.timed(ask(10))
      assert.approximately(Duration.toMillis(took), 1_900, 100)
      for (const one of open) one.interruptUnsafe()

      for (
        const [code, ...words] of [
          [3, "measure", "carol"],
          [2, "measure", "*"],
          [2, "measure", "bob", "--time", "11s"],
          [2, "measure", "bob", "--count", "0"]
        ] as const
      ) assert.deepInclude(yield* alice.run(...words), { code, stdout: "" })
      yield* up.interrupt
      const shy = yield* bob.start("up", "--no-measure")
      yield* shy.says("bob is up")
      const refused = yield* alice.run("measure", "bob")
      assert.deepInclude(refused, { code: 3, stdout: "" })
      assert.include(refused.stderr, "serves no measurements")
    })))
})

describe("doctor", () => {
  it.effect("says what is well and what is not, what to do in words of the command line, and whether a peer answers", () =>
    inHome(Effect.fnUntraced(function*(alice, bob) {
      const well = values((yield* alice.run("doctor", "carol", "--json")).stdout)
      assert.isTrue(well.every(({ severity }) => severity === "ok" || severity === "info"))
      const kinds = well.map(({ finding }) => finding)
      assert.includeMembers(kinds, ["InClear", "InterfaceFound", "PeerFound", "PeerAnswers"])

      const lost = yield* alice.run("doctor", "dave", "--wait", "1s", "--network", "elsewhere")
      assert.strictEqual(lost.code, 3)
      assert.match(
        lost.stdout,
        /info {5}no node of network "elsewhere" was heard .*\n {9}> if one is running: compare --network and --advertise-port/
      )
      assert.match(lost.stdout, /error {4}no peer called "dave" is known/)

      // What runs on this machine has its name and its port, and that is as it should be.
      const up = yield* bob.start("up")
      yield* up.says("bob is up")
      const beside = yield* bob.run("doctor", "--json")
      assert.strictEqual(beside.code, 0)
      assert.include(values(beside.stdout).map(({ finding }) => finding), "Running")
    })))
})
