import { assert, describe, it } from "@effect/vitest"
import { Entropy } from "@pnet/core/Crypto"
import { Network } from "@pnet/core/Network"
import { SimNetwork } from "@pnet/testing"
import { Clock, Context, Duration, Effect, Exit, Fiber, Layer, Random, Ref, Scope } from "effect"
import { TestClock } from "effect/testing"
import { caller, during, echoServer, inet, station, text } from "./sim.ts"

/** A busy network with every fault on, for comparing runs. */
const busy = (seed: number | string, extraHost = false) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make({
      seed,
      link: {
        latency: { mean: "20 millis", deviation: "8 millis", floor: "1 millis" },
        bandwidth: 1_000_000,
        loss: 0.1,
        duplicate: 0.05,
        reorder: 0.1
      }
    })
    if (extraHost) yield* network.host("extra", { interfaces: [{ address: "10.0.0.200" }] })
    const stations = yield* Effect.forEach(["a", "b", "c"], (name) => Effect.flatMap(network.host(name), station))
    yield* echoServer(stations[0]!.host)
    const call = yield* caller(stations[1]!.host, stations[0]!.host.address)
    for (let i = 0; i < 20; i++) {
      for (const each of stations) yield* each.say(`${each.host.name} ${i}`)
      yield* call.process.isAlive() ? Effect.forkScoped(call.write(`line ${i};`)) : Effect.void
      if (i === 5) yield* network.partition("a", "b")
      if (i === 10) yield* network.heal()
      yield* TestClock.adjust("130 millis")
    }
    yield* TestClock.adjust("1 minute")
    return { network, text: network.formatTrace(), stream: call.state.text, heard: stations.map((s) => s.texts()) }
  })

/** `busy` in a world of its own, starting at time zero. */
const isolated = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.scoped(effect).pipe(Effect.provide(TestClock.layer(), { local: true }))

describe("reproducibility", () => {
  it.effect("the same seed gives the same trace, byte for byte; another one does not", () =>
    Effect.gen(function*() {
      const first = yield* isolated(busy(1))
      const second = yield* isolated(busy(1))
      const third = yield* isolated(busy(2))
      assert.isAbove(first.text.length, 10_000)
      assert.strictEqual(first.text, second.text)
      assert.notStrictEqual(first.text, third.text)
      assert.deepStrictEqual(first.heard, second.heard)
    }))

  it.effect("every fault occurred, and the stream survived them", () =>
    Effect.gen(function*() {
      const { network, stream } = yield* isolated(busy("faults"))
      const stats = network.stats()
      assert.isAbove(stats.lost, 0)
      assert.isAbove(stats.duplicated, 0)
      assert.isAbove(stats.reordered, 0)
      assert.isAbove(stats.retransmitted, 0)
      assert.isAbove(stats.dropped["partitioned"]!, 0)
      assert.strictEqual(stream, Array.from({ length: 20 }, (_, i) => `line ${i};`).join(""))
    }))

  it.effect("an added host does not change what happens between the others", () =>
    Effect.gen(function*() {
      const without = yield* isolated(busy(1))
      const with_ = yield* isolated(busy(1, true))
      assert.deepStrictEqual(with_.heard, without.heard)
    }))

  it.effect("gives each process its own Random and Entropy, from the seed", () =>
    Effect.gen(function*() {
      const draw = Effect.gen(function*() {
        const bytes = new Uint8Array(8)
        ;(yield* Entropy)(bytes)
        return [yield* Random.next, yield* Random.nextInt, ...bytes]
      })
      const world = (seed: number) =>
        Effect.gen(function*() {
          const network = yield* SimNetwork.make({ seed })
          const [a, b] = [yield* network.host("a"), yield* network.host("b")]
          return [yield* a.run(draw), yield* a.run(draw), yield* b.run(draw)]
        })
      const first = yield* world(1)
      assert.deepStrictEqual(first, yield* world(1))
      assert.notDeepEqual(first, yield* world(2))
      assert.strictEqual(new Set(first.map(String)).size, 3)
    }))
})

describe("links", () => {
  it.effect("have loopback among them, over which nothing goes while it is down", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("a")
      const send = host.run(Effect.gen(function*() {
        const socket = yield* Effect.flatMap(Network, (own) => own.datagram({ address: "127.0.0.1", port: 0 }))
        yield* socket.reader
        const writer = yield* socket.writer
        return yield* writer.write({ payload: "x", address: inet("127.0.0.1", 9) })
      }))
      const names = Effect.map(host.interfaces, (all) => all.map(({ name }) => name))
      yield* host.setLinkUp("lo", false)
      assert.deepStrictEqual(yield* names, ["eth0"])
      assert.strictEqual((yield* Effect.flip(send)).reason._tag, "DatagramSocketWriteError")
      yield* host.setLinkUp("lo", true)
      assert.deepStrictEqual(yield* names, ["lo", "eth0"])
      yield* send
    }))

  it.effect("latency: constant, uniform and normal, rounded up to milliseconds", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ link: { latency: "7 millis" } })
      const [a, b] = [yield* station(yield* network.host("a")), yield* station(yield* network.host("b"))]
      yield* a.say("x")
      yield* TestClock.adjust("6 millis")
      assert.deepStrictEqual(b.texts(), [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(b.texts(), ["x"])
      const delays = (latency: SimNetwork.Latency) =>
        Effect.gen(function*() {
          yield* network.setLink("lan", { latency })
          b.heard.length = 0
          const { now } = { now: yield* Clock.currentTimeMillis }
          for (let i = 0; i < 400; i++) yield* a.say("x")
          yield* TestClock.adjust("1 second")
          return b.heard.map((one) => one.at - now)
        })
      const uniform = yield* delays({ min: "10 millis", max: "20 millis" })
      assert.strictEqual(uniform.length, 400)
      assert.isTrue(uniform.every((delay) => delay >= 10 && delay <= 20))
      assert.isTrue(uniform.includes(11) && uniform.includes(20))
      const normal = yield* delays({ mean: "50 millis", deviation: "10 millis", floor: "40 millis" })
      assert.isTrue(normal.every((delay) => delay >= 40))
      assert.approximately(normal.reduce((sum, delay) => sum + delay, 0) / 400, 54, 3)
    }))

  it.effect("loss, duplication and reordering happen as often as they should", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ traceCapacity: 0 })
      const [a, b] = [yield* station(yield* network.host("a")), yield* station(yield* network.host("b"))]
      const heard = (link: SimNetwork.LinkModel) =>
        Effect.gen(function*() {
          yield* network.setLink("lan", { loss: 0, duplicate: 0, reorder: 0, ...link })
          b.heard.length = 0
          for (let i = 0; i < 4_000; i++) {
            yield* a.say(`${i}`)
            if (i % 100 === 99) yield* TestClock.adjust("1 millis")
          }
          yield* TestClock.adjust("1 second")
          return b.texts().map(Number)
        })
      assert.approximately((yield* heard({ loss: 0.25 })).length, 3_000, 120)
      assert.strictEqual((yield* heard({ loss: 1 })).length, 0)
      assert.approximately((yield* heard({ duplicate: 0.1 })).length, 4_400, 90)
      const reordered = yield* heard({ reorder: 0.1, reorderDelay: "5 millis" })
      assert.strictEqual(reordered.length, 4_000)
      let late = 0
      let last = -1
      for (const each of reordered) {
        if (each < last) late++
        else last = each
      }
      assert.approximately(late, 400, 120)
      assert.deepStrictEqual(yield* heard({}), Array.from({ length: 4_000 }, (_, i) => i))
    }))

  it.effect("bandwidth spaces datagrams and limits streams; a full queue drops", () =>
    Effect.gen(function*() {
      // 100 kB/s: a kilobyte takes ten milliseconds.
      const network = yield* SimNetwork.make({ link: { latency: "5 millis", bandwidth: 100_000, queue: 5_000 } })
      const [a, b] = [yield* station(yield* network.host("a")), yield* station(yield* network.host("b"))]
      for (let i = 0; i < 8; i++) yield* a.say("k".repeat(1_000))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(b.heard.map((one) => one.at), [15, 25, 35, 45, 55])
      assert.strictEqual(network.stats().dropped["queue-full"], 3)

      yield* echoServer(b.host)
      const call = yield* caller(a.host, b.host.address)
      yield* TestClock.adjust("100 millis")
      yield* Effect.forkScoped(call.write("z".repeat(200_000)))
      yield* TestClock.adjust("1900 millis")
      assert.isBelow(call.state.text.length, 200_000)
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(call.state.text.length, 200_000)
    }))

  it.effect("can be overridden between two hosts, one way or both", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* station(yield* network.host("a")), yield* station(yield* network.host("b"))]
      yield* network.setPath(a.host, b.host, { latency: "50 millis" }, { oneWay: true })
      yield* a.say("slow", b.host.address)
      yield* b.say("fast", a.host.address)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(b.heard[0]!.at, 50)
      assert.strictEqual(a.heard[0]!.at, 1)
      yield* network.setPath("a", "b", undefined)
      yield* a.say("fast", b.host.address)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(b.texts(), ["slow", "fast"])
    }))

  it.effect("hosts without a common LAN do not reach each other", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({
        lans: { home: { subnet: "192.168.1.0/24" }, office: { subnet: "172.16.0.0/16", link: { latency: "9 millis" } } }
      })
      const home = yield* station(yield* network.host("home"))
      const office = yield* station(
        yield* network.host("office", { interfaces: [{ lan: "office", address: "172.16.9.9" }] })
      )
      const both = yield* station(yield* network.host("both", { interfaces: [{ lan: "home" }, { lan: "office" }] }))
      assert.strictEqual(home.host.address, "192.168.1.1")
      assert.deepStrictEqual(
        (yield* both.host.interfaces).map((i) => [i.name, i.address, i.broadcast, i.prefixLength]),
        [
          ["lo", "127.0.0.1", "127.255.255.255", 8],
          ["eth0", "192.168.1.2", "192.168.1.255", 24],
          ["eth1", "172.16.0.1", "172.16.255.255", 16]
        ]
      )
      const error = yield* Effect.flip(home.say("x", "172.16.9.9"))
      assert.deepInclude(error.reason, { _tag: "DatagramSocketWriteError", kind: "Unreachable" })
      yield* home.say("to home", "192.168.1.255")
      yield* both.say("to office", "172.16.255.255")
      yield* TestClock.adjust("20 millis")
      assert.deepStrictEqual([home.texts(), office.texts(), both.texts()], [
        ["to home"],
        ["to office"],
        // Each sender hears itself.
        ["to office", "to home"]
      ])
    }))

  it.effect("255.255.255.255 leaves by one interface", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ lans: { one: {}, two: {} } })
      const both = yield* station(yield* network.host("both", { interfaces: [{ lan: "one" }, { lan: "two" }] }))
      const one = yield* station(yield* network.host("one"))
      const two = yield* station(yield* network.host("two", { interfaces: [{ lan: "two" }] }))
      yield* both.say("all", "255.255.255.255")
      yield* TestClock.adjust("5 millis")
      assert.deepStrictEqual([one.texts(), two.texts()], [["all"], []])
    }))
})

describe("partitions", () => {
  it.effect("cut both ways, one way, or a host from all others, until healed", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const stations = yield* Effect.forEach(["a", "b", "c"], (name) => Effect.flatMap(network.host(name), station))
      const [a, b, c] = [stations[0]!, stations[1]!, stations[2]!]
      const round = Effect.gen(function*() {
        for (const each of stations) each.heard.length = 0
        for (const each of stations) yield* each.say(each.host.name)
        yield* TestClock.adjust("5 millis")
        return stations.map((each) => each.texts().sort().join(""))
      })
      assert.deepStrictEqual(yield* round, ["abc", "abc", "abc"])
      yield* network.partition(a.host, [b.host, "c"])
      assert.deepStrictEqual(yield* round, ["a", "bc", "bc"])
      yield* network.heal("a", "b")
      assert.deepStrictEqual(yield* round, ["ab", "abc", "bc"])
      yield* network.heal()
      yield* network.partition("a", "b", { oneWay: true })
      assert.deepStrictEqual(yield* round, ["abc", "bc", "abc"])
      yield* network.heal("b")
      yield* network.partition("c")
      assert.deepStrictEqual(yield* round, ["ab", "ab", "c"])
      assert.strictEqual(c.heard.length, 1)
    }))

  it.effect("lose what is on its way", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ link: { latency: "10 millis" } })
      const [a, b] = [yield* station(yield* network.host("a")), yield* station(yield* network.host("b"))]
      yield* a.say("x")
      yield* TestClock.adjust("5 millis")
      yield* network.partition("a", "b")
      yield* TestClock.adjust("20 millis")
      assert.deepStrictEqual(b.texts(), [])
      assert.strictEqual(network.stats().dropped["partitioned"], 1)
    }))

  it.effect("and all else that happens meanwhile, where broadcasts are taken as they come too", () =>
    Effect.gen(function*() {
      type Meanwhile = (hosts: {
        readonly network: SimNetwork.SimNetwork["Service"]
        readonly far: SimNetwork.Host
        readonly process: SimNetwork.Process<never>
        readonly scope: Scope.Closeable
      }) => Effect.Effect<unknown>
      const heardAfter = (meanwhile: Meanwhile) =>
        Effect.gen(function*() {
          const network = yield* SimNetwork.make({ link: { latency: "10 millis" } })
          const near = yield* Effect.flatMap(network.host("near"), station)
          const far = yield* network.host("far")
          const process = yield* far.process
          const scope = yield* Scope.make()
          const heard: Array<string> = []
          const socket = yield* (yield* process.run(Network)).datagram({
            address: "0.0.0.0",
            port: 3334,
            take: (payload) => heard.push(text(payload)) > 0
          })
          yield* socket.reader.pipe(process.run, Scope.provide(scope))
          // Twice, so that who hears the second one is known.
          for (const message of ["one", "two"]) yield* near.say(message)
          yield* TestClock.adjust("20 millis")
          yield* near.say("three")
          yield* TestClock.adjust("5 millis")
          yield* meanwhile({ network, far, process, scope })
          yield* TestClock.adjust("20 millis")
          return heard
        })
      const same: Meanwhile = () => Effect.void
      assert.deepStrictEqual(yield* isolated(heardAfter(same)), ["one", "two", "three"])
      const verbs: Record<string, Meanwhile> = {
        cut: ({ network }) => network.partition("near", "far"),
        crash: ({ far }) => far.crash,
        pauseHost: ({ far }) => far.pause,
        pauseProcess: ({ process }) => process.pause,
        pauseBoth: ({ far, process }) => Effect.all([process.pause, far.pause, far.resume, far.resume]),
        kill: ({ process }) => process.kill,
        linkDown: ({ far }) => far.setLinkUp("eth0", false),
        linkGone: ({ far }) => far.removeInterface("eth0"),
        close: ({ scope }) => Scope.close(scope, Exit.void)
      }
      for (const [name, verb] of Object.entries(verbs)) {
        assert.deepStrictEqual(yield* isolated(heardAfter(verb)), ["one", "two"], name)
      }
    }))

  it.effect("stall streams, which go on after healing", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      yield* echoServer(a)
      const call = yield* caller(b, a.address)
      yield* TestClock.adjust("10 millis")
      yield* network.partition(a, b)
      yield* call.write("1")
      yield* call.write("2")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(call.state.text, "")
      yield* network.heal()
      // The next attempt is at most as far away as the stall has lasted.
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(call.state.text, "12")
      assert.isUndefined(call.state.end)
    }))

  it.effect("end streams that have something to say, after a quarter of an hour", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      const server = yield* echoServer(a)
      const call = yield* caller(b, a.address)
      yield* TestClock.adjust("10 millis")
      yield* network.partition(a, b)
      yield* call.write("x")
      yield* TestClock.adjust("14 minutes")
      assert.isUndefined(call.state.end)
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual(call.state.end, "SocketReadError")
      // The other side never tried, so it does not know.
      assert.deepStrictEqual(server.ends, [])
    }))
})

describe("streams", () => {
  it.effect("connect in a round trip, and are refused in one", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ link: { latency: "30 millis" } })
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      yield* echoServer(a)
      const open = yield* caller(b, a.address)
      const refused = yield* caller(b, a.address, 9_999)
      yield* TestClock.adjust("59 millis")
      assert.isFalse(open.state.opened)
      yield* TestClock.adjust("1 millis")
      assert.isTrue(open.state.opened)
      assert.strictEqual(refused.state.end, "SocketOpenError")
    }))

  it.effect("to nobody hang, and fail after Linux's two minutes", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b, c] = [yield* network.host("a"), yield* network.host("b"), yield* network.host("c")]
      yield* a.crash
      yield* network.partition(b, c)
      const calls = yield* Effect.forEach([a.address, c.address, "10.0.0.77", "192.0.2.1"], (to) => caller(b, to))
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(calls.map((call) => call.state.end), [undefined, undefined, undefined, undefined])
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(new Set(calls.map((call) => call.state.end)).size, 1)
      assert.strictEqual(calls[0]!.state.end, "SocketOpenError")
      // Each was sent again six times.
      assert.deepInclude(network.stats(), { connects: 4 * 7, connections: 0 })
    }))

  it.effect("repeat lost requests after a second", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      yield* echoServer(a)
      yield* network.setLink("lan", { loss: 1 })
      const call = yield* caller(b, a.address)
      yield* TestClock.adjust("500 millis")
      yield* network.setLink("lan", { loss: 0 })
      yield* TestClock.adjust("499 millis")
      assert.isFalse(call.state.opened)
      yield* TestClock.adjust("3 millis")
      assert.isTrue(call.state.opened)
    }))

  it.effect("survive heavy loss, in order", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ link: { loss: 0.3 }, streams: { window: 10_000 } })
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      yield* echoServer(a)
      const call = yield* caller(b, a.address)
      yield* TestClock.adjust("2 minutes")
      const lines = Array.from({ length: 300 }, (_, i) => `${i},`.repeat(30))
      yield* during(Effect.forEach(lines, call.write, { discard: true }), 100)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(call.state.text, lines.join(""))
      assert.isAbove(network.stats().retransmitted, 20)
    }))

  it.effect("hold no more than the window", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ streams: { window: 1_000 } })
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      const server = yield* echoServer(a)
      const call = yield* caller(b, a.address)
      yield* TestClock.adjust("10 millis")
      yield* server.process.pause
      let written = 0
      yield* Effect.forkScoped(
        Effect.forever(Effect.tap(call.write("x".repeat(100)), () => Effect.sync(() => written++)))
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(written, 10)
      assert.strictEqual(network.stats().streamBytes, 1_000)
      yield* server.process.resume
      yield* TestClock.adjust("1 second")
      assert.isAbove(written, 100)
    }))

  it.effect("leave nothing of a dial that is given up while its process is frozen", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      yield* echoServer(a)
      const process = yield* b.process
      const dialling = yield* Effect.forkChild(
        process.run(Effect.scoped(Network.use((n) =>
          Effect.flatMap(n.dial({ host: a.address, port: 9000 }), (socket) =>
            Effect.andThen(socket.reader, Effect.never))
        ))),
        { startImmediately: true }
      )
      yield* process.pause
      yield* TestClock.adjust("1 second")
      assert.strictEqual(network.stats().connections, 1)
      yield* Fiber.interrupt(dialling)
      yield* process.resume
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        network.openSockets().filter(({ kind }) =>
          kind === "stream"
        ),
        []
      )
    }))

  it.effect("cut bytes as the options say", () =>
    Effect.gen(function*() {
      const sizes = (chunking: "random" | "joined" | "bytes") =>
        Effect.gen(function*() {
          const network = yield* SimNetwork.make({ streams: { chunking } })
          const [a, b] = [yield* network.host("a"), yield* network.host("b")]
          const chunks: Array<number> = []
          const process = yield* a.process
          const server = yield* process.run(Network.use((n) => n.listen({ host: "0.0.0.0", port: 9000 })))
          yield* Effect.forkScoped(process.run(server.run((socket) =>
            Effect.scoped(Effect.gen(function*() {
              const { pull } = yield* socket.reader
              while (true) for (const chunk of yield* pull) chunks.push(chunk.length)
            }))
          )))
          const call = yield* caller(b, a.address)
          yield* TestClock.adjust("10 millis")
          for (let i = 0; i < 10; i++) {
            yield* call.write("x".repeat(50))
            yield* call.write("y".repeat(50))
            yield* TestClock.adjust("10 millis")
          }
          assert.strictEqual(chunks.reduce((sum, size) => sum + size, 0), 1_000)
          return chunks
        })
      assert.isTrue((yield* sizes("bytes")).every((size) => size === 1))
      // Two writes at one instant arrive at one instant, the first of them alone or with the second.
      assert.isBelow((yield* sizes("joined")).length, 21)
      const random = yield* sizes("random")
      assert.isAbove(random.length, 10)
      assert.isTrue(random.some((size) => size % 50 !== 0))
    }))

  it.effect("beyond the backlog are not answered until there is room", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ streams: { backlog: 2 } })
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      const process = yield* a.process
      const server = yield* process.run(Network.use((n) => n.listen({ host: "0.0.0.0", port: 9000 })))
      const calls = yield* Effect.forEach([1, 2, 3], () => caller(b, a.address))
      yield* TestClock.adjust("900 millis")
      assert.deepStrictEqual(calls.map((call) => call.state.opened), [true, true, false])
      yield* Effect.forkScoped(process.run(server.run(() => Effect.never)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(calls.map((call) => call.state.opened), [true, true, true])
    }))

  it.effect("are kept out by nobody whose answers were lost and who has given up", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ streams: { backlog: 2 } })
      const [a, b, c] = [yield* network.host("a"), yield* network.host("b"), yield* network.host("c")]
      const process = yield* a.process
      const server = yield* process.run(Network.use((n) => n.listen({ host: "0.0.0.0", port: 9000 })))
      yield* Effect.forkScoped(process.run(server.run(() => Effect.never)))
      yield* network.partition([a], [b], { oneWay: true })
      const asking = yield* Effect.forEach([1, 2], () => caller(b, a.address))
      yield* TestClock.adjust("10 millis")
      const waiting = yield* caller(c, a.address)
      yield* TestClock.adjust("900 millis")
      assert.isFalse(waiting.state.opened)
      for (const { close } of asking) yield* close
      yield* TestClock.adjust("200 millis")
      assert.isTrue(waiting.state.opened)
    }))
})

describe("processes and hosts", () => {
  it.effect("two processes on one host hear each other's broadcasts, and share the network", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("host")
      const [one, two] = [yield* station(host), yield* station(host)]
      yield* one.say("lan")
      yield* two.say("lo", "127.255.255.255")
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(one.texts().sort(), ["lan", "lo"])
      assert.deepStrictEqual(two.texts().sort(), ["lan", "lo"])
      assert.notStrictEqual(one.process.pid, two.process.pid)
    }))

  it.effect("launch builds a layer afresh for each process", () =>
    Effect.gen(function*() {
      class Name extends Context.Service<Name, { readonly address: string }>()("test/Name") {}
      const layer = Layer.effect(
        Name,
        Effect.map(Network.use((n) => n.interfaces), (all) => ({ address: all[1]!.address }))
      )
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      const [pa, pb] = [yield* a.launch(layer), yield* b.launch(layer)]
      assert.strictEqual(Context.get(pa.context, Name).address, a.address)
      assert.strictEqual(Context.get(pb.context, Name).address, b.address)
      assert.strictEqual(yield* pb.run(Name.useSync((name) => name.address)), b.address)
    }))

  it.effect("launch ends the process of a layer that fails", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("a")
      const failing = Layer.effectDiscard(Effect.gen(function*() {
        const socket = yield* Network.use((n) => n.datagram({ address: "0.0.0.0", port: 1 }))
        yield* socket.reader
        return yield* Effect.fail("no")
      }))
      assert.strictEqual(yield* Effect.flip(host.launch(failing)), "no")
      assert.deepStrictEqual(network.openSockets(), [])
    }))

  it.effect("host.layer makes a program live on the host", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("a", { clockSkew: "1 hour" })
      const [time, address] = yield* Effect.gen(function*() {
        const all = yield* Network.use((n) => n.interfaces)
        // A test clock's verbs are still there.
        yield* TestClock.adjust("1 second")
        return [yield* Clock.currentTimeMillis, all[1]!.address] as const
      }).pipe(Effect.provide(host.layer))
      assert.strictEqual(time, 3_601_000)
      assert.strictEqual(address, host.address)
    }))

  it.effect("stop lets finalizers send", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* station(yield* network.host("a")), yield* network.host("b")]
      const farewell = (n: number) =>
        Layer.effectDiscard(Effect.gen(function*() {
          const socket = yield* Network.use((n) => n.datagram({ address: "0.0.0.0", port: 0, broadcast: true }))
          yield* socket.reader
          const writer = yield* socket.writer
          yield* Effect.addFinalizer(() =>
            Effect.orDie(writer.write({ payload: `bye ${n}`, address: inet("10.0.0.255", 3334) }))
          )
        }))
      const stopped = yield* b.launch(farewell(1))
      const killed = yield* b.launch(farewell(2))
      const crashed = yield* b.launch(farewell(3))
      yield* stopped.stop
      yield* killed.kill
      assert.deepStrictEqual([stopped.isAlive(), killed.isAlive(), crashed.isAlive()], [false, false, true])
      yield* b.crash
      assert.isFalse(crashed.isAlive())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(a.texts(), ["bye 1"])
      assert.deepStrictEqual(network.openSockets().map((socket) => socket.host), ["a"])
    }))

  it.effect("kill ends streams as the system does, crash leaves them in the dark", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      const killed = yield* echoServer(a, 1)
      yield* echoServer(a, 2)
      const [first, second] = [yield* caller(b, a.address, 1), yield* caller(b, a.address, 2)]
      yield* TestClock.adjust("10 millis")
      yield* killed.process.kill
      yield* TestClock.adjust("10 millis")
      assert.strictEqual(first.state.end, "1000")
      const again = yield* caller(b, a.address, 1)
      yield* TestClock.adjust("10 millis")
      assert.strictEqual(again.state.end, "SocketOpenError")

      yield* a.crash
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(second.state.end)
      assert.deepStrictEqual(network.openSockets().map((socket) => socket.host), ["b"])
    }))

  it.effect("a reset ends a write that waits for room", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ streams: { window: 1_000 } })
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      const server = yield* echoServer(a)
      const call = yield* caller(b, a.address)
      yield* TestClock.adjust("10 millis")
      yield* server.process.pause
      const write = yield* Effect.forkScoped(Effect.exit(call.write("x".repeat(5_000))))
      yield* TestClock.adjust("10 millis")
      assert.isUndefined(write.pollUnsafe())
      yield* server.process.kill
      yield* TestClock.adjust("10 millis")
      assert.strictEqual((yield* Fiber.join(write))._tag, "Failure")
    }))

  it.effect("a socket that is closed unread makes room for what waits, which is answered with a reset", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ streams: { window: 1_000 } })
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      const server = yield* a.process
      const scope = yield* Scope.make()
      const { run } = yield* server.run(
        Effect.flatMap(Network, (network) => network.listen({ host: "0.0.0.0", port: 9_000 }))
      )
      // Reads nothing, and closes with its scope.
      yield* Effect.forkScoped(
        server.run(run((socket) => Effect.andThen(Scope.provide(socket.reader, scope), Effect.never)))
      )
      const call = yield* caller(b, a.address)
      yield* TestClock.adjust("10 millis")
      const write = yield* Effect.forkScoped(Effect.exit(call.write("x".repeat(5_000))))
      yield* TestClock.adjust("10 millis")
      assert.isUndefined(write.pollUnsafe())
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(write))._tag, "Failure")
    }))

  it.effect("kill resets a stream whose bytes nobody read", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      const server = yield* echoServer(a)
      const call = yield* caller(b, a.address)
      yield* TestClock.adjust("10 millis")
      yield* server.process.pause
      yield* call.write("unread")
      yield* TestClock.adjust("10 millis")
      yield* server.process.kill
      yield* TestClock.adjust("10 millis")
      assert.strictEqual(call.state.end, "SocketReadError")
    }))

  it.effect("after a restart, streams from before are reset when used, and new ones work", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      const address = a.address
      yield* echoServer(a)
      const old = yield* caller(b, a.address)
      yield* TestClock.adjust("10 millis")
      yield* a.crash
      assert.isTrue(Exit.isFailure(yield* Effect.exit(a.process)))
      yield* a.restart
      assert.strictEqual(a.address, address)
      yield* echoServer(a)
      yield* old.write("x")
      const fresh = yield* caller(b, a.address)
      yield* TestClock.adjust("10 millis")
      assert.strictEqual(old.state.end, "SocketReadError")
      yield* fresh.write("y")
      yield* TestClock.adjust("10 millis")
      assert.strictEqual(fresh.state.text, "y")
    }))

  it.effect("a paused process is handed datagrams when it goes on, and a socket that closed meanwhile none", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* network.host("a"), yield* station(yield* network.host("b"))]
      const process = yield* a.process
      const scopes = [yield* Scope.make(), yield* Scope.make()]
      const given: Array<string> = []
      // Two sockets hear each broadcast, and the first one that hears "close" closes both.
      for (const [i, scope] of scopes.entries()) {
        const socket = yield* process.run(Network.use((network) =>
          network.datagram({
            address: "0.0.0.0",
            port: 3334,
            reuseAddress: true,
            take: (payload) => {
              given.push(`${i} ${text(payload)}`)
              if (text(payload) === "close") { for (const each of scopes) Effect.runSync(Scope.close(each, Exit.void)) }
              return true
            }
          })
        ))
        yield* process.run(Scope.provide(socket.reader, scope))
      }
      yield* process.pause
      yield* b.say("hello")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(given, [])
      yield* process.resume
      yield* TestClock.adjust("10 millis")
      assert.deepStrictEqual(given, ["0 hello", "1 hello"])
      yield* b.say("close")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(given, ["0 hello", "1 hello", "0 close"])
    }))

  it.effect("a paused host sleeps on, buffers and completes handshakes", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ kernelBuffer: 3 * (768 + 1) })
      const [a, b] = [yield* station(yield* network.host("a")), yield* station(yield* network.host("b"))]
      yield* echoServer(a.host)
      const ticks = yield* Ref.make(0)
      yield* Effect.forkScoped(a.process.run(
        Effect.forever(Effect.andThen(Effect.sleep("1 second"), Ref.update(ticks, (n) => n + 1)))
      ))
      yield* TestClock.adjust("2500 millis")
      assert.strictEqual(yield* Ref.get(ticks), 2)
      yield* a.host.pause
      for (const each of ["1", "2", "3", "4", "5"]) yield* b.say(each)
      const call = yield* caller(b.host, a.host.address)
      const saying = yield* Effect.forkScoped(a.say("frozen"), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      yield* call.write("hello")
      yield* TestClock.adjust("1 second")
      assert.isTrue(call.state.opened)
      assert.strictEqual(call.state.text, "")
      assert.strictEqual(yield* Ref.get(ticks), 2)
      assert.deepStrictEqual(a.texts(), [])
      assert.isUndefined(saying.pollUnsafe())
      assert.strictEqual(network.stats().dropped["buffer-full"], 2)

      yield* a.host.resume
      yield* TestClock.adjust("5 millis")
      assert.deepStrictEqual(a.texts(), ["1", "2", "3", "frozen"])
      assert.strictEqual(call.state.text, "hello")
      assert.isTrue(b.texts().includes("frozen"))
      // One late tick, and then one each second again.
      assert.strictEqual(yield* Ref.get(ticks), 3)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Ref.get(ticks), 5)
    }))

  it.effect("pausing one process leaves the others of its host running", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("host")
      const [one, two] = [yield* station(host), yield* station(host)]
      yield* one.process.pause
      yield* two.say("x")
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual([one.texts(), two.texts()], [[], ["x"]])
      yield* one.process.resume
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(one.texts(), ["x"])
    }))

  it.effect("clocks: whole milliseconds, whatever latencies there are", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { run } = yield* (yield* network.host("a")).process
      for (const nanos of [1_000_000_000n, 250_000n, 333_333n, 416_666n, 1n, 12_345_678n]) {
        yield* TestClock.adjust(Duration.nanos(nanos))
        const time = yield* run(Clock.currentTimeMillis)
        assert.isTrue(Number.isInteger(time), `${time}`)
        assert.isAtMost(Math.abs(time - (yield* Clock.currentTimeMillis)), 1)
      }
      // Seven tenths and three are one, whatever their sum is as a float.
      yield* TestClock.setTime(30_002.999999999996)
      assert.strictEqual(yield* run(Clock.currentTimeMillis), 30_003)
    }))

  it.effect("clocks: skew, a jump, drift", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const late = yield* (yield* network.host("late", { clockSkew: -5_000 })).process
      const fast = yield* (yield* network.host("fast", { clockDrift: 0.01 })).process
      yield* TestClock.setTime(1_000_000)
      assert.strictEqual(yield* late.run(Clock.currentTimeMillis), 995_000)
      assert.strictEqual(yield* fast.run(Clock.currentTimeMillis), 1_010_000)
      const before = yield* late.run(Clock.monotonicTimeNanos)
      const sleeping = yield* Effect.forkScoped(late.run(Effect.sleep("10 seconds")), { startImmediately: true })
      yield* late.host.setSkew("1 hour")
      assert.strictEqual(yield* late.run(Clock.currentTimeMillis), 4_600_000)
      assert.strictEqual(yield* late.run(Clock.currentTimeNanos), 4_600_000_000_000n)
      assert.strictEqual(yield* late.run(Clock.monotonicTimeNanos), before)
      yield* TestClock.adjust("9999 millis")
      assert.isUndefined(sleeping.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.isDefined(sleeping.pollUnsafe())
      // A fast clock's ten seconds are over sooner.
      const quick = yield* Effect.forkScoped(fast.run(Effect.sleep("10100 millis")), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.isDefined(quick.pollUnsafe())
    }))

  it.effect("a dead process's fibers end, even those that would sleep or wait", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("a")
      const process = yield* host.process
      const stubborn = yield* Effect.forkScoped(
        process.run(Effect.sleep("1 hour").pipe(Effect.uninterruptible)),
        { startImmediately: true }
      )
      yield* process.kill
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(stubborn)))
    }))

  it.effect("a dead process's time passes with its sleeps, so that what looks at it again and again ends", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("a")
      const process = yield* host.process
      let slept = 0
      const waits = (timeOf: (clock: Clock.Clock) => number) =>
        Effect.clockWith((clock) => {
          const until = timeOf(clock) + 10_000
          // Or it goes round for ever.
          const looking: Effect.Effect<void> = Effect.suspend(() =>
            timeOf(clock) >= until || ++slept > 1_100 ? Effect.void : Effect.andThen(Effect.sleep("20 millis"), looking)
          )
          return looking
        })
      const fiber = yield* Effect.forkScoped(
        process.run(Effect.uninterruptible(Effect.all([
          waits((clock) => clock.currentTimeMillisUnsafe()),
          waits((clock) => Number(clock.monotonicTimeNanosUnsafe()) / 1e6),
          // The end of time, and more than a clock can say.
          Effect.sleep(Duration.infinity),
          Effect.sleep(1e300)
        ]))),
        { startImmediately: true }
      )
      yield* process.kill
      yield* Fiber.await(fiber)
      assert.isAtMost(slept, 1_000)
      assert.isAtLeast(slept, 990)
    }))

  it.effect("a process may end itself", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("a")
      const [one, two] = [yield* station(host), yield* station(host)]
      yield* Effect.exit(one.process.run(one.process.kill))
      yield* Effect.exit(two.process.run(two.process.stop))
      assert.deepStrictEqual([one.process.isAlive(), two.process.isAlive()], [false, false])
      assert.deepStrictEqual(network.openSockets(), [])
    }))

  it.effect("a pull that is interrupted while its process is frozen takes no bytes with it", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ streams: { chunking: "joined" } })
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      yield* echoServer(a)
      const process = yield* b.process
      const socket = yield* process.run(Network.use((n) => n.dial({ host: a.address, port: 9000 })))
      const { pull } = yield* during(process.run(socket.reader))
      const writer = yield* socket.writer
      yield* process.run(writer.write("kept"))
      const waiting = yield* Effect.forkChild(pull, { startImmediately: true })
      yield* process.pause
      yield* TestClock.adjust("10 millis")
      yield* Fiber.interrupt(waiting)
      yield* process.resume
      yield* TestClock.adjust("10 millis")
      assert.strictEqual((yield* during(pull))[0].length, 4)
    }))

  it.effect("a dead process finds its network dead as well", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("a")
      const process = yield* host.process
      const net = yield* process.run(Network)
      yield* process.kill
      assert.strictEqual((yield* Effect.flip(net.listen({ host: "0.0.0.0", port: 0 })))._tag, "ListenError")
      const socket = yield* net.datagram({ address: "0.0.0.0", port: 0 })
      assert.strictEqual((yield* Effect.flip(socket.reader)).reason._tag, "DatagramSocketOpenError")
      const stream = yield* net.dial({ host: "127.0.0.1", port: 1 })
      assert.strictEqual((yield* Effect.flip(stream.reader)).reason._tag, "SocketOpenError")
    }))

  it.effect("the end of the network ends its programs, and time passes for their finalizers", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      yield* Effect.scoped(Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const [a, b] = [yield* station(yield* network.host("a")), yield* network.host("b")]
        yield* b.launch(Layer.effectDiscard(
          Effect.addFinalizer(() => Effect.andThen(Effect.sleep("10 seconds"), Effect.sync(() => log.push("slept"))))
        ))
        yield* a.say("x")
      }))
      assert.deepStrictEqual(log, ["slept"])
    }))
})

describe("interfaces", () => {
  it.effect("an address change strands what was bound to it", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const a = yield* network.host("a")
      const b = yield* station(yield* network.host("b"))
      const [wild, fixed] = [yield* station(a), yield* station(a, { address: a.address, port: 5 })]
      yield* echoServer(b.host)
      const call = yield* caller(a, b.host.address)
      yield* TestClock.adjust("10 millis")
      const { address } = yield* a.changeAddress("eth0", "10.0.0.99")
      assert.strictEqual(address, "10.0.0.99")
      assert.strictEqual(a.address, "10.0.0.99")
      yield* wild.say("from wild", b.host.address)
      const error = yield* Effect.flip(fixed.say("from fixed", b.host.address, 3334))
      assert.deepInclude(error.reason, { kind: "Unreachable" })
      yield* b.say("to the new", "10.0.0.99")
      yield* b.say("to the old", "10.0.0.1")
      yield* Effect.forkScoped(call.write("x"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(b.heard.map((one) => one.from), ["10.0.0.99:3334"])
      assert.deepStrictEqual(wild.texts(), ["to the new"])
      assert.strictEqual(call.state.text, "")
      assert.isUndefined(call.state.end)
      yield* TestClock.adjust("20 minutes")
      assert.strictEqual(call.state.end, "SocketReadError")
    }))

  it.effect("come and go, and go down and up", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* station(yield* network.host("a")), yield* station(yield* network.host("b"))]
      const names = Effect.map(a.host.interfaces, (all) => all.map((i) => `${i.name} ${i.address}`))
      yield* a.host.setLinkUp("eth0", false)
      assert.deepStrictEqual(yield* names, ["lo 127.0.0.1"])
      assert.deepInclude((yield* Effect.flip(a.say("x"))).reason, { kind: "Unreachable" })
      yield* b.say("lost")
      yield* TestClock.adjust("5 millis")
      yield* a.host.setLinkUp("eth0", true)
      yield* b.say("heard")
      yield* TestClock.adjust("5 millis")
      assert.deepStrictEqual(a.texts(), ["heard"])

      yield* network.lan("second", { subnet: "10.9.0.0/24" })
      yield* a.host.addInterface({ lan: "second", name: "wlan0" })
      assert.deepStrictEqual(yield* names, ["lo 127.0.0.1", "eth0 10.0.0.1", "wlan0 10.9.0.1"])
      yield* a.host.removeInterface("eth0")
      assert.deepStrictEqual(yield* names, ["lo 127.0.0.1", "wlan0 10.9.0.1"])
      assert.strictEqual(a.host.address, "10.9.0.1")
      // The address is free for another.
      const c = yield* network.host("c", { interfaces: [{ address: "10.0.0.1" }] })
      assert.strictEqual(c.address, "10.0.0.1")
    }))
})

describe("observing and tampering", () => {
  it.effect("an interceptor drops, replaces and injects, until its scope closes", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* station(yield* network.host("a")), yield* station(yield* network.host("b"))]
      yield* echoServer(b.host)
      const call = yield* caller(a.host, b.host.address)
      yield* TestClock.adjust("10 millis")
      const seen: Array<string> = []
      yield* Effect.scoped(Effect.gen(function*() {
        yield* network.intercept((packet) => {
          seen.push(`${packet.protocol} ${packet.host} ${packet.from} > ${packet.to}`)
          const message = new TextDecoder().decode(packet.payload)
          if (message === "drop") return "drop"
          if (message === "change") return { replace: new TextEncoder().encode("changed") }
          if (message === "repeat") return { inject: [packet.payload, new TextEncoder().encode("more")] }
          return "pass"
        })
        for (const each of ["drop", "change", "repeat", "pass"]) yield* a.say(each, b.host.address)
        yield* call.write("change")
        yield* TestClock.adjust("5 millis")
      }))
      assert.deepStrictEqual(b.texts(), ["changed", "repeat", "repeat", "more", "pass"])
      assert.strictEqual(call.state.text, "changed")
      assert.strictEqual(seen[0], "udp a 10.0.0.1:3334 > 10.0.0.2:3334")
      assert.match(seen[4]!, /^tcp a 10\.0\.0\.1:\d+ > 10\.0\.0\.2:9000$/)
      yield* a.say("drop", b.host.address)
      yield* TestClock.adjust("5 millis")
      assert.strictEqual(b.texts().at(-1), "drop")
    }))

  it.effect("inject sends from any address", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [b, mallory] = [yield* station(yield* network.host("b")), yield* network.host("mallory")]
      yield* network.inject(mallory, {
        from: "10.0.0.200:7",
        to: "10.0.0.1:3334",
        payload: new TextEncoder().encode("forged")
      })
      yield* TestClock.adjust("5 millis")
      assert.deepInclude(b.heard[0], { text: "forged", from: "10.0.0.200:7" })
    }))

  it.effect("the trace is a bounded ring of events that prints as lines", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ traceCapacity: 4 })
      const [a] = [yield* station(yield* network.host("a")), yield* station(yield* network.host("b"))]
      yield* a.say("hi")
      yield* TestClock.adjust("5 millis")
      assert.deepStrictEqual(network.formatTrace((event) => event.kind === "udp.deliver").split("\n"), [
        "#4            0.000ms udp.deliver   a 10.0.0.1:3334 > a 10.0.0.255:3334 2B 05cbd08f",
        "#5            1.000ms udp.deliver   a 10.0.0.1:3334 > b 10.0.0.255:3334 2B 05cbd08f"
      ])
      assert.deepStrictEqual(network.trace().map((event) => event.sequence), [2, 3, 4, 5])
      assert.deepInclude(network.trace()[3], { at: 1, kind: "udp.deliver", bytes: 2 })
    }))

  it.effect("the trace can be off", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ traceCapacity: 0 })
      const a = yield* station(yield* network.host("a"))
      yield* a.say("hi")
      yield* TestClock.adjust("5 millis")
      assert.deepStrictEqual(network.trace(), [])
      assert.strictEqual(network.formatTrace(), "")
      assert.strictEqual(network.stats().delivered, 1)
    }))

  it.effect("stats count", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [yield* station(yield* network.host("a")), yield* network.host("b")]
      yield* echoServer(b)
      const call = yield* caller(a.host, b.address)
      yield* caller(a.host, b.address, 1)
      yield* a.say("four")
      yield* a.say("five!", b.address)
      yield* TestClock.adjust("10 millis")
      yield* call.write("123")
      yield* TestClock.adjust("10 millis")
      assert.deepInclude(network.stats(), {
        sent: 2,
        sentBytes: 9,
        delivered: 1,
        deliveredBytes: 4,
        connections: 1,
        refused: 1,
        connects: 2,
        streamBytes: 6
      })
      assert.deepStrictEqual(network.stats().dropped, { "no-socket": 2 })
    }))

  it.effect("misuse is a defect that says what is wrong", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      yield* network.host("a")
      const message = (effect: Effect.Effect<unknown>) =>
        Effect.map(Effect.exit(effect), (exit) => Exit.isFailure(exit) ? String(exit.cause) : "")
      assert.include(yield* message(network.host("a")), "a host a already")
      assert.include(yield* message(network.host("b", { interfaces: [{ lan: "nowhere" }] })), "no LAN nowhere")
      assert.include(
        yield* message(network.host("c", { interfaces: [{ address: "10.0.0.1" }] })),
        "10.0.0.1 is taken on LAN lan by a"
      )
      assert.include(yield* message(network.partition("a", "z")), "no host z")
    }))
})

describe("time", () => {
  it.live("runs under the live clock as well", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ link: { latency: "3 millis" } })
      const [a, b] = [yield* station(yield* network.host("a")), yield* station(yield* network.host("b"))]
      yield* echoServer(b.host)
      const call = yield* caller(a.host, b.host.address)
      const until = (condition: () => boolean) =>
        Effect.whileLoop({ while: () => !condition(), body: () => Effect.sleep(1), step: () => {} })
      yield* a.say("real time")
      yield* until(() => b.heard.length === 1)
      yield* until(() => call.state.opened)
      yield* call.write("echo")
      yield* until(() => call.state.text === "echo")
    }))

  it.effect("an endless exchange without latency does not lock up", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ link: { latency: 0 } })
      const [a, b] = [yield* station(yield* network.host("a")), yield* station(yield* network.host("b"))]
      let bounces = 0
      yield* network.intercept(() => (bounces++, "pass"))
      for (const each of [a, b]) {
        const other = each === a ? b : a
        yield* Effect.forkScoped(each.process.run(Effect.forever(Effect.gen(function*() {
          if (each.heard.length === 0) return yield* Effect.yieldNow
          each.heard.length = 0
          yield* each.say("again", other.host.address)
        }))))
      }
      yield* a.say("start", b.host.address)
      for (let i = 0; i < 100; i++) yield* Effect.yieldNow
      assert.isAbove(bounces, 10)
    }))

  it.effect("a day of broadcasts takes moments", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({
        link: { latency: { min: "1 millis", max: "9 millis" } },
        traceCapacity: 0
      })
      const stations = yield* Effect.forEach(Array.from({ length: 5 }, (_, i) => `h${i}`), (name) =>
        Effect.flatMap(network.host(name), station))
      for (const each of stations) {
        yield* Effect.forkScoped(each.process.run(
          Effect.forever(Effect.andThen(each.say("here"), Effect.sleep("1 minute")))
        ))
      }
      yield* TestClock.adjust(Duration.days(1))
      assert.isAtLeast(network.stats().delivered, 5 * 5 * 1_440)
    }))
})
