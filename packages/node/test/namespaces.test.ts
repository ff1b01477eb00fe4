// Real sockets between several hosts, as network namespaces on a bridge: links that go down, addresses that change, a system that
// forbids broadcasts, and a host that floods. Skipped where the machine permits no namespaces.
import { assert, layer } from "@effect/vitest"
import { forbidden, makeHosts } from "@pnet/lab/processes/namespaces"
import { Context, Effect, Layer } from "effect"

const advertisePort = 3334
const networkId = "namespaces"

const networkNode = new URL("fixtures/networkNode.ts", import.meta.url)
const flooding = new URL("fixtures/flood.ts", import.meta.url)

const node = (name: string, env: Record<string, string> = {}) => ({
  PNET_NAME: name,
  PNET_NETWORK_ID: networkId,
  PNET_BIND_IP: "0.0.0.0",
  PNET_BROADCAST_INTERVAL: "300 millis",
  ...env
})

const build = Effect.gen(function*() {
  const hosts = yield* makeHosts(["one", "two", "three"])
  const [alice, bob, carol] = yield* Effect.all([
    hosts.one.run(networkNode, node("alice")),
    hosts.two.run(networkNode, node("bob")),
    hosts.three.run(networkNode, node("carol"))
  ])
  return { hosts, alice, bob, carol }
})

class World extends Context.Service<World, Effect.Success<typeof build>>()("test/World") {}

const title = forbidden === undefined
  ? "hosts that are network namespaces"
  : `hosts that are network namespaces (skipped: ${forbidden})`

// Not even built where there can be none.
const world = forbidden === undefined ? Layer.effect(World, build) : Layer.effect(World, Effect.never)

const options = { timeout: 90_000, skip: forbidden !== undefined }

layer(world, { excludeTestServices: true, timeout: "90 seconds" })(title, (it) => {
  it.effect("find each other, and calls work", () =>
    Effect.gen(function*() {
      const { alice, bob, carol } = yield* World
      yield* Effect.forEach(
        [[alice, "bob"], [alice, "carol"], [bob, "alice"], [bob, "carol"], [carol, "alice"], [carol, "bob"]] as const,
        ([from, peer]) =>
          Effect.gen(function*() {
            assert.isUndefined((yield* from.ask({ do: "await", peer }))["failed"])
            const { failures } = yield* from.ask({ do: "calls", peer, count: 20 })
            assert.deepStrictEqual(failures, [])
          }),
        { concurrency: "unbounded" }
      )
    }), options)

  it.effect("are lost when their link goes down, and found again when it is up", () =>
    Effect.gen(function*() {
      const { alice, bob, hosts } = yield* World
      yield* hosts.two.ip("link set eth0 down")
      yield* Effect.all([alice.ask({ do: "awaitLost", peer: "bob" }), bob.ask({ do: "awaitLost", peer: "alice" })], {
        concurrency: 2
      })
      const { failures } = yield* alice.ask({ do: "calls", peer: "bob" })
      assert.match(String(failures), /PeerUnknownError/)
      yield* hosts.two.ip("link set eth0 up")
      yield* Effect.all([alice.ask({ do: "untilCalls", peer: "bob" }), bob.ask({ do: "untilCalls", peer: "alice" })], {
        concurrency: 2
      })
      const after = yield* alice.ask({ do: "calls", peer: "bob", count: 20 })
      assert.deepStrictEqual(after["failures"], [])
    }), options)

  it.effect("are found at a new address, and calls go on", () =>
    Effect.gen(function*() {
      const { alice, bob, hosts } = yield* World
      yield* hosts.two.setAddress("10.77.0.99")
      const outcomes = yield* Effect.all([
        alice.ask({ do: "untilCalls", peer: "bob" }),
        bob.ask({ do: "untilCalls", peer: "alice" })
      ], { concurrency: 2 })
      // Two seconds until the session is given up, and one more call.
      for (const { took } of outcomes) assert.isBelow(took as number, 8_000)
      const { found } = yield* alice.ask({ do: "peer", peer: "bob" })
      assert.strictEqual((found as { endpoints: Array<{ host: string }> }).endpoints[0]!.host, "10.77.0.99")
      const { failures } = yield* alice.ask({ do: "calls", peer: "bob", count: 20 })
      assert.deepStrictEqual(failures, [])
    }), options)

  it.effect(
    "are diagnosed: a name that is taken, and a system that forbids broadcasts, which a node with peers survives",
    () =>
      Effect.gen(function*() {
        const { carol, hosts } = yield* World
        const tags = (answer: Record<string, unknown>) =>
          (answer["findings"] as Array<{ _tag: string }>).map(({ _tag }) => _tag)
        const well = tags(yield* carol.ask({ do: "diagnose", peer: "bob" }))
        for (const tag of ["InterfaceFound", "BroadcastHeard", "PeerFound", "NameTaken"]) assert.include(well, tag)
        assert.notInclude(well, "BroadcastForbidden")

        // What a rule of a firewall does, in the words of the routing table.
        yield* hosts.three.ip(
          "route del broadcast 10.77.0.255 dev eth0 table local",
          "route add prohibit 10.77.0.255 table local"
        )
        assert.include(tags(yield* carol.ask({ do: "diagnose", peer: "dora" })), "BroadcastForbidden")
        const alone = yield* hosts.three.run(networkNode, node("dora"))
        assert.strictEqual(yield* alone.end, 1, "it does not start")
        assert.include(alone.words(), "the system forbids broadcasts")
        const { found } = yield* (yield* World).alice.ask({ do: "peer", peer: "carol" })
        assert.isNotNull(found, "probes are answered")
        yield* hosts.three.ip(
          "route del prohibit 10.77.0.255 table local",
          "route add broadcast 10.77.0.255 dev eth0 proto kernel scope link src 10.77.0.3 table local"
        )
      }),
    options
  )

  it.effect("are called while another host floods them, mostly within 250 ms", () =>
    Effect.gen(function*() {
      const { alice, bob, carol, hosts } = yield* World
      assert.strictEqual(yield* carol.end, 0)
      yield* alice.ask({ do: "awaitLost", peer: "carol" })
      const flood = yield* hosts.three.run(flooding, {
        FLOOD_HOST: "10.77.0.3",
        FLOOD_TO: "10.77.0.255",
        FLOOD_PORT: String(advertisePort),
        FLOOD_NETWORK: networkId
      })
      const times: Array<number> = []
      let sent = 0
      do {
        const outcomes = yield* Effect.all([
          alice.ask({ do: "calls", peer: "bob", count: 50 }),
          bob.ask({ do: "calls", peer: "alice", count: 50 })
        ], { concurrency: 2 })
        for (const outcome of outcomes) {
          assert.deepStrictEqual(outcome["failures"], [])
          times.push(...outcome["times"] as Array<number>)
        }
        sent = Number((yield* flood.ask({}))["sent"])
      } while (sent < 20_000)
      yield* flood.end
      times.sort((one, other) => one - other)
      // The rest is what else the machine does: `pnpm lab flood` measures it.
      assert.isBelow(times[times.length >> 1]!, 250, `of ${times.length} calls, over ${sent} datagrams`)
      // They still know each other, and of the flood no more than there is room for.
      for (const [one, peer] of [[alice, "bob"], [bob, "alice"]] as const) {
        const { found } = yield* one.ask({ do: "peer", peer })
        assert.isNotNull(found)
      }
    }), options)
})
