/** Ways to reach peers besides the LAN: nodes that only dial, peers without an address, and several ways at once. */
import { assert, describe, it } from "@effect/vitest"
import {
  BasicNode,
  CommandNode,
  DerivedHost,
  Discovery,
  Identity,
  LanReach,
  Network,
  NodeOptions,
  type Packet,
  type Peers,
  PortableCrypto,
  Reach,
  TcpTransport,
  TofuTrust,
  Transport,
  Trust
} from "@pnet/core"
import { SimNetwork, SimWorld, TestNetwork } from "@pnet/testing"
import {
  Clock,
  Context,
  Effect,
  Exit,
  Fiber,
  Latch,
  Layer,
  Logger,
  Option,
  PubSub,
  Queue,
  Result,
  Schedule,
  Schema,
  type Scope,
  Stream
} from "effect"
import * as NetAddress from "effect/net/NetAddress"
import { Rpc, RpcGroup } from "effect/rpc"

// --- a hub in the process, by which nodes find each other and are connected ---------------------------------------------

type Half = Queue.Queue<Uint8Array, Transport.ConnectionClosedError>
type Caller = Effect.Effect<Transport.Connection, never, Scope.Scope>

class Hub {
  readonly adverts = Effect.runSync(PubSub.unbounded<Discovery.Sighting>({ replay: 100 }))
  readonly doors = new Map<string, Queue.Queue<Caller>>()
  /** Connections that were made by it. */
  made = 0
  /** Dials wait while it is closed. */
  readonly gate = Latch.makeUnsafe(true)
}

const closed = new Transport.ConnectionClosedError({ clean: true })

const connection = (inbox: Half, outbox: Half, remote: Network.Endpoint): Caller =>
  Effect.acquireRelease(
    Effect.succeed({
      remote,
      pull: Queue.takeAll(inbox),
      write: (bytes: Uint8Array) =>
        Effect.flatMap(Queue.offer(outbox, bytes.slice()), (open) => open ? Effect.void : Effect.fail(closed)),
      end: Effect.asVoid(Queue.fail(outbox, closed))
    }),
    ({ end }) => Effect.andThen(end, Queue.shutdown(inbox))
  )

const layerTransport = (hub: Hub, listens: boolean) =>
  Layer.effect(
    Transport.Transport,
    Effect.map(NodeOptions.NodeConfig, ({ identity }) => {
      const own = { host: DerivedHost.ofKey("hub", identity.publicKey), port: 1 }
      const listen = Effect.gen(function*() {
        const door = yield* Queue.unbounded<Caller>()
        yield* Effect.acquireRelease(
          Effect.sync(() => hub.doors.set(own.host, door)),
          () => Effect.sync(() => hub.doors.delete(own.host))
        )
        const run: Transport.Listener["run"] = (handler) =>
          Queue.take(door).pipe(
            Effect.flatMap((caller) => Effect.forkScoped(Effect.scoped(Effect.flatMap(caller, handler)))),
            Effect.forever,
            Effect.scoped
          ) as never
        return { endpoint: own, run }
      })
      return {
        listen: listens ? listen : undefined,
        dials: ({ host }) => DerivedHost.is(host),
        dial: (to) =>
          Effect.gen(function*() {
            yield* hub.gate.await
            const door = hub.doors.get(to.host)
            if (door === undefined) return yield* new Transport.DialError({ kind: "Refused", ...to })
            const there = yield* Queue.bounded<Uint8Array, Transport.ConnectionClosedError>(16)
            const back = yield* Queue.bounded<Uint8Array, Transport.ConnectionClosedError>(16)
            hub.made++
            yield* Queue.offer(door, connection(there, back, own))
            return yield* connection(back, there, to)
          })
      }
    })
  )

const layerDiscovery = (hub: Hub) =>
  Layer.effect(
    Discovery.Discovery,
    Effect.map(NodeOptions.NodeConfig, ({ broadcastInterval, identity: { publicKey }, name }) => {
      const say = (endpoint: Network.Endpoint) =>
        PubSub.publish(hub.adverts, { name, publicKey, endpoint, source: endpoint, via: "hub", answer: Effect.void })
      return {
        advertise: (own) =>
          own === undefined ? Effect.void : Effect.andThen(
            Effect.addFinalizer(() => say({ ...own, port: 0 })),
            Effect.forkScoped(Effect.repeat(say(own), Schedule.spaced(broadcastInterval)))
          ),
        sightings: Stream.filter(Stream.fromPubSub(hub.adverts), (seen) => seen.publicKey !== publicKey)
      }
    })
  )

const reach = (hub: Hub, options = { listens: true }) =>
  Reach.layer("hub", { transport: layerTransport(hub, options.listens), discovery: layerDiscovery(hub) })

// --- nodes over it ------------------------------------------------------------------------------------------------------

class Greeter extends RpcGroup.make(
  Rpc.make("greet", { payload: { name: Schema.String }, success: Schema.String })
) {}

const greeter = (from: string) =>
  CommandNode.serve(Greeter).pipe(
    Layer.provide(Greeter.toLayer({
      greet: ({ name }) => Effect.delay(Effect.succeed(`${from} greets ${name}`), name === "slow" ? "1 hour" : 0)
    }))
  )

type Limits = NonNullable<NodeOptions.Input["limits"]>

const two = (limits: Limits = {}, atServer: Limits = limits) =>
  Effect.gen(function*() {
    const hub = new Hub()
    const { awaitAll, nodes: { browser, server } } = yield* TestNetwork.make({
      seed: 2,
      nodes: {
        server: TestNetwork.node({ reach: reach(hub), beside: greeter("the server"), limits: atServer }),
        browser: TestNetwork.node({ reach: reach(hub, { listens: false }), beside: greeter("the browser"), limits })
      }
    })
    return { hub, browser, server: { ...server, node: server.node, awaitAll: awaitAll() } }
  })

/** What happens to peers from now on. */
const following = (peers: Peers.Peers["Service"]) =>
  Effect.gen(function*() {
    const log: Array<string> = []
    yield* Effect.forkScoped(
      Stream.runForEach(peers.changes, (event) =>
        Effect.sync(() => {
          const what = `${event._tag}${"reason" in event ? ` ${event.reason}` : ""}`
          if (what !== "Joined Known") log.push(what)
        })),
      { startImmediately: true }
    )
    return { log }
  })

const failureIn = <E>(exit: Exit.Exit<unknown, E>): E => {
  const error = Exit.findError(exit)
  if (Result.isFailure(error)) throw new Error("did not fail")
  return error.success
}

describe("two nodes over a hub, one of which only dials", () => {
  it.effect("are peers of each other, and call each other by typed functions", () =>
    Effect.gen(function*() {
      const hub = new Hub()
      const { nodes: { browser, server } } = yield* TestNetwork.make({
        seed: 1,
        nodes: {
          server: TestNetwork.node({ reach: reach(hub), beside: greeter("the server") }),
          browser: TestNetwork.node({ reach: reach(hub, { listens: false }), beside: greeter("the browser") })
        }
      })
      assert.deepStrictEqual([server.node.endpoints.length, browser.node.endpoints], [1, []])
      const [peer] = yield* server.node.peers.all
      assert.deepEqual(peer as unknown, {
        name: "browser",
        publicKey: browser.node.publicKey,
        endpoints: [],
        proved: true,
        status: "Online"
      })
      const atServer = yield* browser.node.client(Greeter, "server")
      assert.strictEqual(yield* atServer.greet({ name: "browser" }), "the server greets browser")
      const atBrowser = yield* server.node.client(Greeter, "browser")
      assert.strictEqual(yield* atBrowser.greet({ name: "server" }), "the browser greets server")
      const all = yield* server.node.client(Greeter, "*")
      const answers = yield* all.greet({ name: "all" })
      assert.deepStrictEqual(Object.keys(answers), ["browser"])
    }).pipe(Effect.scoped))

  it.effect("keep the session, so that the one that listens can call at any time", () =>
    Effect.gen(function*() {
      const { browser, server } = yield* two({ sessionIdle: "1 minute", sessionAge: "20 minutes" })
      const { log } = yield* following(server.node.peers)
      const atBrowser = yield* server.node.client(Greeter, "browser")
      for (let i = 0; i < 10; i++) {
        yield* Effect.sleep("5 minutes")
        assert.strictEqual(yield* atBrowser.greet({ name: "server" }), "the browser greets server")
      }
      assert.deepStrictEqual(log, [])
      assert.isBelow((yield* browser.node.sessions.all).length, 3)
    }).pipe(Effect.scoped))

  it.effect("make a call wait for the next session where the one before is given up by who listens", () =>
    Effect.gen(function*() {
      const { hub, browser, server } = yield* two({}, { sessionAge: "10 minutes" })
      const { log } = yield* following(server.node.peers)
      const atBrowser = yield* server.node.client(Greeter, "browser")
      // A call that goes on, so that the session does while there is no other.
      const long = yield* Effect.forkScoped(atBrowser.greet({ name: "slow" }))
      yield* Effect.sleep("590 seconds")
      yield* hub.gate.close
      yield* Effect.sleep("15 seconds")
      const call = yield* Effect.forkScoped(atBrowser.greet({ name: "server" }))
      yield* Effect.sleep("5 seconds")
      assert.isUndefined(call.pollUnsafe())
      yield* hub.gate.open
      assert.strictEqual(yield* Fiber.join(call), "the browser greets server")
      assert.isUndefined(long.pollUnsafe())
      assert.deepStrictEqual(log, [])
      assert.strictEqual((yield* browser.node.sessions.all).length, 2)
    }).pipe(Effect.scoped))

  it.effect("run what is bound to the presence of the one that only dials, each time it is there", () =>
    Effect.gen(function*() {
      const { browser, server } = yield* two()
      const log: Array<string> = []
      yield* Effect.forkScoped(server.node.peers.wheneverOnline("browser", () =>
        Effect.andThen(
          Effect.sync(() => log.push("there")),
          Effect.onInterrupt(Effect.never, () => Effect.sync(() => log.push("gone")))
        )))
      yield* Effect.sleep("1 second")
      yield* browser.stop
      yield* Effect.sleep("1 second")
      yield* browser.restart
      yield* server.awaitAll
      assert.deepStrictEqual(log, ["there", "gone", "there"])
    }).pipe(Effect.scoped))

  it.effect("lose each other with the session, and whoever calls then is told why", () =>
    Effect.gen(function*() {
      const { browser, server } = yield* two()
      const { log } = yield* following(server.node.peers)
      const bound = yield* Effect.forkChild(Effect.exit(server.node.peers.whileOnline("browser", () => Effect.never)), {
        startImmediately: true
      })
      const [peer] = yield* server.node.peers.all
      yield* browser.kill
      yield* Effect.sleep("30 seconds")
      assert.deepStrictEqual(log, ["Lost SessionEnded"])
      const lost = failureIn(yield* Fiber.join(bound))
      assert.deepInclude(lost, { _tag: "PeerLostError", reason: "SessionEnded" })
      assert.include(lost.message, "its session ended, and it listens nowhere that is known")
      // By the peer as it was: it is dialled nowhere.
      const open = server.node.sessions.exchange(peer!, { protocol: "command", name: "x" }, new Uint8Array(1))
      const error = failureIn(yield* Effect.exit(open))
      assert.deepInclude(error, { _tag: "DialError", kind: "NoEndpoint", peer: "browser" })
      assert.include(error.message, "it listens nowhere that is known")
      yield* browser.restart
      yield* server.awaitAll
      assert.deepStrictEqual(log, ["Lost SessionEnded", "Joined Returned"])
    }).pipe(Effect.scoped))

  it.effect("say that RAW messages cannot reach the one that only dials", () =>
    Effect.gen(function*() {
      const { browser, server } = yield* two()
      yield* server.node.onMessage(() => "here")
      assert.strictEqual(yield* browser.node.raw.sendText("server", "there?"), "here")
      const error = yield* Effect.flip(server.node.raw.send("browser", "there?"))
      assert.deepInclude(error, { _tag: "DialError", kind: "NoEndpoint", peer: "browser" })
      assert.include(error.message, "RAW messages do not")
    }).pipe(Effect.scoped))
})

/** Nodes that a hub tells of, whoever made them up. */
const madeUp = (hub: Hub, names: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    for (const name of names) {
      const { publicKey } = yield* Identity.generate
      const endpoint = { host: DerivedHost.ofKey("hub", publicKey), port: 1 }
      // Connections are made to it, and nobody answers.
      hub.doors.set(endpoint.host, yield* Queue.unbounded<Caller>())
      yield* PubSub.publish(hub.adverts, {
        name: name as Packet.NodeName,
        publicKey,
        endpoint,
        source: endpoint,
        via: "hub",
        answer: Effect.void
      })
    }
  }).pipe(Effect.provide(PortableCrypto.layer))

describe("a node that only dials, and is told of many", () => {
  const trusting = (tofu: TofuTrust.Tofu) => Layer.succeed(Trust.Trust, tofu)
  const start = (network: SimNetwork.SimNetwork["Service"], hub: Hub, name: string, options: {
    readonly listens: boolean
    readonly limits?: Limits
    readonly trust?: Layer.Layer<Trust.Trust>
  }) =>
    Effect.gen(function*() {
      const host = yield* network.host(name)
      const layer = greeter(name).pipe(
        Layer.provideMerge(CommandNode.layer({ name, ...(options.limits && { limits: options.limits }) })),
        Layer.provide(reach(hub, options)),
        Layer.provide([PortableCrypto.layer, options.trust ?? TofuTrust.layer(), Logger.layer([])])
      )
      return Context.get((yield* host.launch(layer)).context, CommandNode.CommandNode)
    })

  it.effect("pins those that nobody asked for as those that connect, so that there is room for those that are called", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 6 })
      const hub = new Hub()
      const names = ["one", "two", "three", "four", "five", "six"]
      for (const name of names) yield* start(network, hub, name, { listens: true })
      const tofu = TofuTrust.make({ capacity: 4 })
      const browser = yield* start(network, hub, "browser", { listens: false, trust: trusting(tofu) })
      yield* Effect.sleep("30 seconds")
      const { pins } = yield* tofu.known
      assert.deepStrictEqual(pins.map(({ from }) => from !== undefined), [true, true])
      const free = names.find((name) => !pins.some((pin) => pin.name === name))!
      const atPeer = yield* browser.client(Greeter, free)
      assert.strictEqual(yield* atPeer.greet({ name: "browser" }), `${free} greets browser`)
      const called = (yield* tofu.known).pins.filter(({ from }) => from === undefined)
      assert.deepStrictEqual(called.map(({ name }) => name as string), [free])
    }).pipe(Effect.scoped, SimWorld.passing()))

  it.effect("leaves room for calls while those that are made up do not answer", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 7 })
      const hub = new Hub()
      const browser = yield* start(network, hub, "browser", { listens: false, limits: { sessions: 4 } })
      yield* madeUp(hub, ["a", "b", "c", "d", "e", "f", "g", "h"])
      yield* Effect.sleep("1 second")
      yield* start(network, hub, "server", { listens: true })
      yield* browser.peers.awaitPeer("server")
      const atServer = yield* browser.client(Greeter, "server")
      const began = yield* Clock.currentTimeMillis
      assert.strictEqual(yield* atServer.greet({ name: "browser" }), "server greets browser")
      assert.isBelow((yield* Clock.currentTimeMillis) - began, 1_000)
    }).pipe(Effect.scoped, SimWorld.passing()))
})

describe("two nodes over the LAN and a hub at once", () => {
  const both = (order: (hub: Layer.Layer<Reach.Reach>) => Layer.Layer<Reach.Reach, never, Network.Network>) =>
    Effect.gen(function*() {
      const hub = new Hub()
      const ways = order(reach(hub))
      const network = yield* TestNetwork.make({
        seed: 3,
        reach: ways,
        nodes: {
          alice: TestNetwork.node({ beside: greeter("alice") }),
          bob: TestNetwork.node({ beside: greeter("bob") })
        }
      })
      // Until the adverts of both ways have come.
      yield* Effect.sleep("10 seconds")
      return { ...network, hub }
    })

  const direct = both((hub) => Reach.merge(LanReach.layer, hub))

  it.effect("listen by both, tell by each way its own address, and dial what is direct first", () =>
    Effect.gen(function*() {
      const { hub, nodes: { alice, bob } } = yield* direct
      const [lan, other] = bob.node.endpoints
      assert.deepStrictEqual(lan, { host: "0.0.0.0", port: bob.node.endpoint.port })
      assert.deepStrictEqual(other, { host: DerivedHost.ofKey("hub", bob.node.publicKey), port: 1 })
      const expected = [{ host: bob.host.address, port: lan!.port }, other!]
      assert.deepStrictEqual((yield* alice.node.peers.resolveOne("bob")).endpoints, expected)
      const atBob = yield* alice.node.client(Greeter, "bob")
      assert.strictEqual(yield* atBob.greet({ name: "alice" }), "bob greets alice")
      assert.strictEqual(
        yield* alice.node.raw.sendText("bob", "x").pipe(Effect.flip, Effect.map(({ _tag }) => _tag)),
        "ProtocolError"
      )
      assert.strictEqual(hub.made, 0)
    }).pipe(Effect.scoped))

  it.effect("dial the hub where the LAN fails, a head start later, and the LAN again when it is back", () =>
    Effect.gen(function*() {
      const { heal, hub, nodes: { alice, bob }, partition } = yield* direct
      const { log } = yield* following(alice.node.peers)
      yield* partition("alice", "bob")
      const atBob = yield* alice.node.client(Greeter, "bob")
      const began = yield* Clock.currentTimeMillis
      assert.strictEqual(yield* atBob.greet({ name: "alice" }), "bob greets alice")
      assert.isBelow((yield* Clock.currentTimeMillis) - began, 500)
      assert.strictEqual(hub.made, 1)
      // Heard by the hub, so nobody was lost.
      yield* Effect.sleep("1 minute")
      assert.deepStrictEqual(log.filter((what) => what.startsWith("Lost")), [])
      const { endpoints } = yield* alice.node.peers.resolveOne("bob")
      assert.deepStrictEqual(endpoints.map(({ host }) => DerivedHost.is(host)), [false, true])
      yield* heal()
      yield* alice.node.sessions.closeAll
      yield* Effect.sleep("1 second")
      assert.strictEqual(yield* atBob.greet({ name: "alice" }), "bob greets alice")
      assert.strictEqual(hub.made, 1)
      assert.strictEqual((yield* bob.node.sessions.all).length, 1)
    }).pipe(Effect.scoped))

  it.effect("dial the hub first where that is the order", () =>
    Effect.gen(function*() {
      const { hub, nodes: { alice } } = yield* both((hub) => Reach.merge(hub, LanReach.layer))
      const { endpoints } = yield* alice.node.peers.resolveOne("bob")
      assert.deepStrictEqual(endpoints.map(({ host }) => DerivedHost.is(host)), [true, false])
      const atBob = yield* alice.node.client(Greeter, "bob")
      assert.strictEqual(yield* atBob.greet({ name: "alice" }), "bob greets alice")
      assert.strictEqual(hub.made, 1)
    }).pipe(Effect.scoped))

  for (
    const [how, sightings] of [
      ["fails", Stream.fail(new Discovery.DiscoveryError({ kind: "Unknown", address: "hub", port: 1 }))],
      ["breaks", Stream.die(new Error("the hub sent what is no JSON"))],
      ["ends", Stream.empty]
    ] as const
  ) {
    it.effect(`hear each other by the LAN where the discovery of the hub ${how}`, () =>
      Effect.gen(function*() {
        const hub = new Hub()
        const { awaitAll, nodes: { alice } } = yield* TestNetwork.make({
          seed: 8,
          reach: Reach.merge(
            LanReach.layer,
            Reach.layer("hub", {
              transport: layerTransport(hub, true),
              discovery: Layer.succeed(Discovery.Discovery, { advertise: () => Effect.void, sightings })
            })
          ),
          nodes: { alice: TestNetwork.node({}), bob: TestNetwork.node({ beside: greeter("bob") }) }
        })
        yield* awaitAll()
        yield* Effect.sleep("1 minute")
        const atBob = yield* alice.node.client(Greeter, "bob")
        assert.strictEqual(yield* atBob.greet({ name: "alice" }), "bob greets alice")
      }).pipe(Effect.scoped))
  }

  it.effect("say that they listen over a way by its name, and not by an address that is derived from a key", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.SimNetwork
      const host = yield* network.host("alice")
      const said: Array<string> = []
      yield* host.launch(
        CommandNode.layer({ name: "alice", networkId: "ways", serverPort: 4_000 }).pipe(
          Layer.provide(Reach.merge(LanReach.layer, reach(new Hub()))),
          Layer.provide([
            PortableCrypto.layer,
            TofuTrust.layer(),
            Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])
          ])
        )
      )
      assert.include(said, "alice listens on 127.0.0.1:4000 and over hub in network ways")
    }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer({ seed: 4 }))))

  it.effect("do not start where one of the ways does not open, and are told which", () =>
    Effect.gen(function*() {
      const broken = Reach.layer("broker", {
        transport: Layer.effect(Transport.Transport, Effect.fail("no server answers at nats://b:4222")),
        discovery: layerDiscovery(new Hub())
      })
      const network = TestNetwork.make({ nodes: { alice: TestNetwork.node({ reach: broken }) } })
      const error = failureIn(yield* Effect.exit(network))
      assert.deepInclude(error, { _tag: "ReachError", way: "broker" })
      assert.include(error.message, "no server answers at nats://b:4222")
    }).pipe(Effect.scoped))
})

describe("a server that is reached through a proxy", () => {
  it.effect("counts connections by whom the proxy names, so that one client leaves room for the others", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 4 })
      const [server, proxy] = [yield* network.host("server"), yield* network.host("proxy")]
      // As a server of WebSockets reads it from a header of the proxy that it trusts.
      let named = "203.0.113.1"
      const proxied = Layer.effect(
        Transport.Transport,
        Effect.map(Network.Network, (own) => {
          const tcp = TcpTransport.make(own, { bindIp: "0.0.0.0", serverPort: 7_000, dialTimeout: "5 seconds" })
          const listen = Effect.map(own.listen({ host: "0.0.0.0", port: 7_000 }), (sockets) =>
            Transport.fromServer({
              address: sockets.address,
              run: (handler) =>
                sockets.run((socket) =>
                  Effect.provideService(
                    handler(socket),
                    Network.RemoteAddress,
                    NetAddress.inetAddressFromIpStringUnsafe(named, 1)
                  )
                )
            }, { host: "0.0.0.0", port: 7_000 }))
          return { ...tcp, listen }
        })
      )
      const layer = BasicNode.layer({
        name: "server",
        bindIp: "0.0.0.0",
        limits: { pendingPerAddress: 2, firstPacketTimeout: "30 seconds" }
      }).pipe(
        Layer.provide(Reach.layer("proxied", { transport: proxied, discovery: layerDiscovery(new Hub()) })),
        Layer.provide([PortableCrypto.layer, TofuTrust.layer()])
      )
      yield* server.launch(layer)
      const connect = (client: string) =>
        Effect.gen(function*() {
          named = client
          const connection = yield* SimWorld.dial(proxy, { host: server.address, port: 7_000 })
          const said = Effect.map(connection.pull, ([bytes]) => new TextDecoder().decode(bytes))
          return yield* Effect.timeoutOption(said, "1 second")
        })
      // Who says nothing is not answered, and takes a place.
      assert.isTrue(Option.isNone(yield* connect("203.0.113.1")))
      assert.isTrue(Option.isNone(yield* connect("203.0.113.1")))
      const third = yield* connect("203.0.113.1")
      assert.include(Option.getOrThrow(third), "ERR_BUSY")
      // The same in another form.
      assert.include(Option.getOrThrow(yield* connect("::ffff:203.0.113.1")), "ERR_BUSY")
      assert.isTrue(Option.isNone(yield* connect("203.0.113.2")))
    }).pipe(Effect.scoped, SimWorld.passing()))
})

describe("more nodes that only dial than there may be peers", () => {
  it.effect("are no peers, which an error says, and call all the same", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 5 })
      const hub = new Hub()
      const start = (name: string, listens: boolean) =>
        Effect.gen(function*() {
          const host = yield* network.host(name)
          const layer = greeter(name).pipe(
            Layer.provideMerge(CommandNode.layer({ name, limits: { provedPeers: 1 } })),
            Layer.provide(reach(hub, { listens })),
            Layer.provide([PortableCrypto.layer, TofuTrust.layer(), Logger.layer([])])
          )
          return Context.get((yield* host.launch(layer)).context, CommandNode.CommandNode)
        })
      const server = yield* start("server", true)
      const first = yield* start("first", false)
      yield* server.peers.awaitPeer("first")
      const second = yield* start("second", false)
      yield* second.peers.awaitPeer("server")
      const error = yield* Effect.flip(server.peers.awaitPeer("second", "5 seconds"))
      assert.include(error.message, "has made a session and is no peer")
      assert.include(error.message, "raise limits.provedPeers")
      for (const node of [first, second]) {
        const atServer = yield* node.client(Greeter, "server")
        assert.strictEqual(yield* atServer.greet({ name: node.name }), `server greets ${node.name}`)
      }
      assert.deepStrictEqual((yield* server.peers.all).map(({ name }) => name as string), ["first"])
    }).pipe(Effect.scoped, SimWorld.passing()))
})
