/** The membership table over a discovery and a transport made by hand. */
import { assert, describe, it } from "@effect/vitest"
import {
  AllowListTrust,
  AnyTrust,
  Crypto,
  Discovery,
  type Network,
  NodeOptions,
  Packet,
  Peers,
  PeerTable,
  PortableCrypto,
  ProtocolError,
  PublicKey,
  Sessions,
  TofuTrust,
  Transport,
  Trust
} from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { advertPacket } from "@pnet/testing/DiscoverySuite"
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
  Metric,
  Queue,
  Redacted,
  Ref,
  Scope,
  Stream,
  SubscriptionRef
} from "effect"
import { TestClock } from "effect/testing"

/** What happens at an address to which the table connects. */
type There =
  | "silent"
  | "refused"
  | "unreachable"
  | "busy"
  | "closed"
  | { readonly publicKey: PublicKey.PublicKey }

const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

const pass = (duration: Duration.Input) => Effect.andThen(settle, Effect.andThen(TestClock.adjust(duration), settle))

const name = (text: string) => Packet.NodeName.make(text)

/** A table, the sightings that it is given, and the addresses that it asks. */
const setUp = (
  options?: Partial<NodeOptions.Input> & {
    readonly trust?: Trust.Trust["Service"]
    readonly discovery?: Pick<Discovery.Discovery["Service"], "attend" | "crowd" | "forEach">
  }
) =>
  Effect.gen(function*() {
    const { discovery = {}, trust = TofuTrust.make(), ...input } = options ?? {}
    const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
    const clock = yield* Clock.Clock
    const identity = crypto.generateKeyPair()
    const sightings = yield* Queue.unbounded<Discovery.Sighting>()
    const answered: Array<string> = []
    const dials: Array<{ readonly at: number; readonly port: number }> = []
    const there = new Map<number, There>()

    const connection = (bytes: Uint8Array | undefined): Transport.Connection => {
      let first = bytes
      return {
        remote: undefined,
        pull: Effect.suspend(() => {
          const now = first
          first = undefined
          return now !== undefined
            ? Effect.succeed([now] as const)
            : bytes === undefined
            ? Effect.fail(new Transport.ConnectionClosedError({ clean: true }))
            : Effect.never
        }),
        write: () => Effect.void,
        end: Effect.void
      }
    }
    const transport: Transport.Transport["Service"] = {
      listen: undefined,
      dials: () => true,
      dial: ({ host, port }) =>
        Effect.suspend((): Effect.Effect<Transport.Connection, Transport.DialError> => {
          dials.push({ at: clock.currentTimeMillisUnsafe(), port })
          const what = there.get(port) ?? "silent"
          switch (what) {
            case "silent":
              return Effect.never
            case "refused":
              return Effect.fail(new Transport.DialError({ kind: "Refused", host, port }))
            case "unreachable":
              return Effect.fail(new Transport.DialError({ kind: "Unreachable", host, port }))
            case "closed":
              return Effect.succeed(connection(undefined))
            case "busy":
              return Effect.succeed(connection(Packet.encode(Packet.err(networkId, "ERR_BUSY", null))))
            default:
              return Effect.succeed(connection(
                advertPacket(crypto, { networkId, name: "whoever", host, port, publicKey: what.publicKey })
              ))
          }
        })
    }
    const context = yield* Layer.build(Layer.fresh(
      PeerTable.layer.pipe(
        Layer.provide(Layer.succeed(Discovery.Discovery, {
          advertise: () => Effect.void,
          sightings: Stream.fromQueue(sightings),
          ...discovery
        })),
        Layer.provide(Layer.succeed(Transport.Transport, transport)),
        Layer.provide(Layer.succeed(Trust.Trust, trust)),
        Layer.provide(NodeOptions.layer({ name: "self", identity, ...input })),
        Layer.provide(PortableCrypto.layer)
      )
    ))
    const peers = Context.get(context, Peers.Peers)
    const events: Array<Peers.PeerEvent> = []
    yield* peers.changes.pipe(
      Stream.runForEach((event) => Effect.sync(() => void events.push(event))),
      Effect.forkScoped({ startImmediately: true })
    )
    /** The key of a number, so that a test reads well. */
    const keys = new Map<string, PublicKey.PublicKey>()
    const same = new Map<string, Discovery.Sighting>()
    const key = (label: string) => {
      const known = keys.get(label) ?? crypto.generateKeyPair().publicKey
      keys.set(label, known)
      return known
    }
    return {
      peers,
      trust,
      answered,
      dials,
      there,
      key,
      own: identity.publicKey,
      events,
      /** The events since the last look, in short. */
      told: () => events.splice(0).map(short),
      /** An advert was heard. */
      sight: (label: string, advert?: {
        readonly name?: string
        readonly key?: PublicKey.PublicKey
        readonly host?: string
        readonly port?: number
        readonly source?: Network.Endpoint
        readonly via?: "broadcast" | "static" | "kept" | "kept too"
        readonly local?: boolean
        readonly thereUntil?: () => number
        readonly answer?: Effect.Effect<void>
      }) => {
        const host = advert?.host ?? "10.0.0.1"
        const made = {
          name: name(advert?.name ?? label),
          publicKey: advert?.key ?? key(label),
          endpoint: { host, port: advert?.port ?? 1_000 },
          source: advert?.source ?? { host, port: 50_000 },
          via: advert?.via ?? "broadcast",
          ...(advert?.local === undefined ? {} : { local: advert.local }),
          ...(advert?.thereUntil === undefined ? {} : { thereUntil: advert.thereUntil })
        }
        const said = JSON.stringify([label, made])
        // What says nothing new is most often the very same sighting.
        const sighting = advert?.answer === undefined ? same.get(said) : undefined
        const next = sighting ?? {
          ...made,
          answer: Effect.andThen(advert?.answer ?? Effect.void, Effect.sync(() => void answered.push(label)))
        }
        same.set(said, next)
        return Effect.andThen(Queue.offer(sightings, next), settle)
      },
      names: Effect.map(peers.all, (all) => all.map((peer) => peer.name as string))
    }
  })

const networkId = "pnet" as Packet.NetworkId

const short = (event: Peers.PeerEvent): string => {
  switch (event._tag) {
    case "Updated":
    case "Lost":
    case "Probed":
    case "Returned":
      return `${event._tag} ${event.peer.name} ${event.reason}`
    case "KeyConflict":
      return `KeyConflict ${event.name}`
    default:
      return `${event._tag} ${event.peer.name}`
  }
}

const ports = (peer: Peers.Peer | undefined) => peer?.endpoints.map(({ port }) => port)

const quietly = Effect.provide(Logger.layer([]))

const test = (title: string, body: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(
    title,
    () => Effect.suspend(body).pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()), quietly)
  )

describe("Peers: adverts", () => {
  test("join a peer, change its name and addresses, and take it off, each with its event, in order", () =>
    Effect.gen(function*() {
      const { peers, sight, told } = yield* setUp()
      yield* sight("bob")
      yield* sight("bob")
      assert.deepStrictEqual(told(), ["Joined bob"])
      const bob = yield* peers.resolveOne("bob")
      assert.deepStrictEqual(
        { ...bob, publicKey: undefined } as unknown,
        {
          name: "bob",
          publicKey: undefined,
          endpoints: [{ host: "10.0.0.1", port: 1_000 }],
          status: "Online",
          proved: false
        }
      )
      yield* sight("bob", { name: "robert" })
      yield* sight("bob", { name: "robert", port: 2_000 })
      yield* sight("bob", { name: "roberto", port: 3_000 })
      assert.deepStrictEqual(told(), [
        "Updated robert name",
        "Updated robert address",
        "Restarted robert",
        "Updated roberto name",
        "Updated roberto address"
      ])
      assert.isUndefined(yield* peers.get("bob"))
      assert.deepStrictEqual(ports(yield* peers.get("roberto")), [3_000, 2_000, 1_000])
      yield* sight("bob", { name: "roberto", port: 0 })
      yield* sight("bob", { name: "roberto", port: 0 })
      assert.deepStrictEqual(told(), ["Left roberto"])
      assert.deepStrictEqual(yield* peers.all, [])
      yield* sight("bob")
      assert.deepStrictEqual(told(), ["Joined bob"])
    }))

  test("are answered where they are new, or their source or address is, and never when leaving", () =>
    Effect.gen(function*() {
      const { answered, sight } = yield* setUp()
      const look = () => answered.splice(0)
      yield* sight("bob")
      assert.deepStrictEqual(look(), ["bob"])
      yield* sight("bob")
      assert.deepStrictEqual(look(), [])
      // A restart: the same key and address from another socket.
      yield* sight("bob", { source: { host: "10.0.0.1", port: 50_001 } })
      assert.deepStrictEqual(look(), ["bob"])
      yield* sight("bob", { source: { host: "10.0.0.1", port: 50_001 } })
      assert.deepStrictEqual(look(), [])
      yield* sight("bob", { port: 2_000, source: { host: "10.0.0.1", port: 50_001 } })
      assert.deepStrictEqual(look(), ["bob"])
      yield* sight("bob", { port: 0, source: { host: "10.0.0.1", port: 50_002 } })
      yield* sight("carol", { port: 0 })
      assert.deepStrictEqual(look(), [])
    }))

  test("that say nothing new ask the policy again, which may have changed its mind", () =>
    Effect.gen(function*() {
      const { key, peers, sight, told, trust } = yield* setUp()
      yield* sight("bob")
      yield* sight("bob")
      assert.deepStrictEqual(told(), ["Joined bob"])
      yield* trust.pin(name("bob"), key("somebody else"))
      yield* sight("bob")
      assert.deepStrictEqual(told(), ["Lost bob Conflict", "KeyConflict bob"])
      yield* trust.forget(name("bob"))
      yield* sight("bob")
      yield* trust.pin(name("bob"), key("bob"))
      yield* sight("bob")
      assert.deepStrictEqual(told(), ["Joined bob"])
      // From now on it has this name alone, whatever adverts say.
      yield* sight("bob", { name: "rob" })
      assert.deepStrictEqual((yield* peers.all).map((peer): string => peer.name), ["bob"])
    }))

  test("that were heard before have something to say again where what they said was taken back", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp()
      yield* sight("bob")
      yield* sight("bob", { host: "10.0.0.2", port: 2_000 })
      for (let i = 0; i < 3; i++) yield* sight("bob")
      yield* sight("bob", { port: 0 })
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [2_000])
      yield* sight("bob")
      assert.sameMembers([...ports(yield* peers.get("bob"))!], [1_000, 2_000])
    }))

  test("that are heard again and again say their name still, when another host says another", () =>
    Effect.gen(function*() {
      const { key, peers, sight } = yield* setUp()
      for (let i = 0; i < 10; i++) {
        yield* sight("bob")
        yield* pass("2500 millis")
      }
      yield* sight("rob", { key: key("bob"), host: "10.0.0.2", port: 2_000 })
      assert.strictEqual((yield* peers.get("bob"))?.publicKey, key("bob"))
      assert.strictEqual((yield* peers.get("rob"))?.publicKey, key("bob"))
    }))

  test("wait in their order behind one whose name a policy is not done with, and for none of which it dies", () =>
    Effect.gen(function*() {
      const decided = yield* Deferred.make<void>()
      const tofu = TofuTrust.make()
      const { names, peers, sight } = yield* setUp({
        trust: {
          ...tofu,
          expected: (name) => {
            if (name === "thrown") throw new Error("thrown")
            // No policy in TypeScript says that.
            if (name === "odd") return Effect.succeed(7 as never)
            return name === "slow"
              ? Effect.andThen(Deferred.await(decided), tofu.expected(name))
              : name === "broken"
              ? Effect.die(new Error("broken"))
              : tofu.expected(name)
          }
        }
      })
      for (const label of ["bob", "broken", "thrown", "odd", "slow"]) yield* sight(label)
      assert.deepStrictEqual(yield* names, ["bob"])
      yield* sight("bob", { port: 0 })
      yield* sight("bob", { port: 2_000 })
      for (const label of ["odd", "carol"]) yield* sight(label)
      assert.deepStrictEqual(yield* names, ["bob"])
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [1_000])
      yield* Deferred.succeed(decided, undefined)
      yield* settle
      assert.deepStrictEqual(yield* names, ["bob", "carol", "slow"])
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [2_000])
    }).pipe(quietly))

  test("are heard while an answer hangs, or breaks, and as many hang as may", () =>
    Effect.gen(function*() {
      const { answered, names, sight } = yield* setUp()
      yield* sight("broken", { answer: Effect.die("no connection to the hub") })
      for (let i = 0; i < 63; i++) yield* sight(`hanging ${i}`, { answer: Effect.never, host: `10.0.1.${i}` })
      yield* sight("bob", { host: "10.0.2.1" })
      assert.deepStrictEqual(answered, ["bob"])
      yield* sight("hanging", { answer: Effect.never, host: "10.0.2.2" })
      yield* sight("carol", { host: "10.0.2.3" })
      assert.deepStrictEqual(answered, ["bob"])
      assert.include(yield* names, "carol")
    }))

  test("are entered whole in order, however many come at once", () =>
    Effect.gen(function*() {
      const { events, names, sight } = yield* setUp({ limits: { unprovedPerAddress: 500 } })
      const labels = Array.from({ length: 200 }, (_, i) => `n${String(i).padStart(3, "0")}`)
      yield* Effect.forEach(labels, (label) => sight(label), { concurrency: "unbounded", discard: true })
      yield* settle
      assert.deepStrictEqual(events.map(short), labels.map((label) => `Joined ${label}`))
      assert.deepStrictEqual(yield* names, labels)
    }))
})

describe("Peers: bounds", () => {
  test("of the unproved the oldest is evicted, and those that proved themselves never", () =>
    Effect.gen(function*() {
      const { key, names, peers, sight, told } = yield* setUp({ limits: { unprovedPeers: 3 } })
      for (const label of ["a", "b", "c"]) yield* sight(label)
      yield* peers.proved({ name: name("a"), publicKey: key("a"), endpoint: undefined })
      // Being heard again does not make it younger.
      yield* sight("b")
      yield* sight("d")
      told()
      yield* sight("e")
      assert.deepStrictEqual(told(), ["Lost b Evicted", "Joined e"])
      yield* sight("f")
      assert.deepStrictEqual(told(), ["Lost c Evicted", "Joined f"])
      assert.deepStrictEqual(yield* names, ["a", "d", "e", "f"])
      assert.isUndefined(yield* peers.get("b"))
    }))

  test("of one address only so many unproved are entered, and the others are counted", () =>
    Effect.gen(function*() {
      const { answered, key, names, peers, sight } = yield* setUp({ limits: { unprovedPerAddress: 2 } })
      for (const label of ["a", "b", "c"]) yield* sight(label)
      yield* sight("d", { host: "10.0.0.2" })
      assert.deepStrictEqual(yield* names, ["a", "b", "d"])
      assert.deepStrictEqual(answered, ["a", "b", "d"])
      const dropped = (yield* Metric.snapshot).find((metric) =>
        metric.attributes?.["outcome"] === "too_many_from_address"
      )
      assert.strictEqual(dropped?.type === "Counter" && dropped.state.count, 1)
      // A place is free when one leaves, or proves itself.
      yield* sight("a", { port: 0 })
      yield* sight("c")
      assert.deepStrictEqual(yield* names, ["b", "c", "d"])
      yield* sight("e")
      assert.deepStrictEqual(yield* names, ["b", "c", "d"])
      yield* peers.proved({ name: name("b"), publicKey: key("b"), endpoint: undefined })
      yield* sight("e")
      assert.deepStrictEqual(yield* names, ["b", "c", "d", "e"])
      yield* sight("f")
      assert.deepStrictEqual(yield* names, ["b", "c", "d", "e"])
    }))

  test("of this machine, and of addresses that are listed, more are entered, and who is left out is named", () => {
    const said: Array<string> = []
    return Effect.gen(function*() {
      const { names, peers, sight } = yield* setUp({ limits: { unprovedPerAddress: 1, unprovedPerOwnAddress: 2 } })
      const places = {
        far: { host: "10.0.0.2" },
        loopback: { host: "127.0.0.1" },
        own: { host: "10.0.0.3", local: true },
        listed: { host: "10.0.0.4", via: "static" as const }
      }
      for (const [label, place] of Object.entries(places)) {
        for (let i = 1; i <= 3; i++) yield* sight(`${label}${i}`, place)
      }
      assert.deepStrictEqual(yield* names, ["far1", "listed1", "listed2", "loopback1", "loopback2", "own1", "own2"])
      assert.deepStrictEqual(said.map((line) => line.split(";")[0]), [
        `a node, "far2", is left out: 1 nodes at 10.0.0.2 are known that have proved nothing yet`,
        `a node, "loopback3", is left out: 2 nodes at 127.0.0.1 are known that have proved nothing yet`,
        `a node, "own3", is left out: 2 nodes at 10.0.0.3 are known that have proved nothing yet`,
        `a node, "listed3", is left out: 2 nodes at 10.0.0.4 are known that have proved nothing yet`
      ])
      const waiting = yield* Effect.forkChild(Effect.flip(peers.awaitPeer("loopback3", "1 second")))
      yield* pass("1 second")
      const error = (yield* Fiber.join(waiting)) as Peers.PeerUnknownError
      assert.deepStrictEqual(error.obstacles?.map(({ kind, where }) => [kind, where]), [["Limit", "127.0.0.1"]])
      assert.include(error.message, `"loopback3" is left out`)
      assert.include(error.message, "raise limits.unprovedPerOwnAddress")
      assert.lengthOf(yield* peers.obstacles, 4)
      // Who has a place is left out no longer, and what is over is forgotten.
      yield* sight("loopback1", { host: "127.0.0.1", port: 0 })
      yield* sight("loopback3", places.loopback)
      assert.include(yield* names, "loopback3")
      assert.lengthOf(said, 4)
      yield* pass("61 seconds")
      assert.deepStrictEqual(yield* peers.obstacles, [])
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])))
  })

  test("of a full table the oldest is named that makes room", () => {
    const said: Array<string> = []
    return Effect.gen(function*() {
      const { peers, sight } = yield* setUp({ limits: { unprovedPeers: 2 } })
      for (const label of ["a", "b", "c"]) yield* sight(label)
      assert.lengthOf(said, 1)
      assert.include(said[0], `"a", at 10.0.0.1 is left out: 2 nodes are known that have proved nothing yet`)
      const error = yield* Effect.flip(peers.resolveOne("a"))
      assert.include(error.message, "raise limits.unprovedPeers")
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])))
  })

  test("of a peer only so many addresses are kept, the newest first while it is unproved", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp({ limits: { addressesPerPeer: 3 } })
      for (let port = 1; port <= 5; port++) yield* sight("bob", { port })
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [5, 4, 3])
    }))

  test("and the proved address first, wherever adverts point", () =>
    Effect.gen(function*() {
      const { key, peers, sight, told } = yield* setUp({ limits: { addressesPerPeer: 3 } })
      yield* sight("bob", { port: 1 })
      yield* sight("bob", { port: 2 })
      const endpoint = { host: "10.0.0.1", port: 1 }
      yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint })
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [1, 2])
      for (let port = 3; port <= 9; port++) yield* sight("bob", { port })
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [1, 9, 8])
      told()
      yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint: { host: "10.0.0.1", port: 8 } })
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [8, 1, 9])
      yield* settle
      assert.deepStrictEqual(told(), ["Updated bob proved"])
      // Nothing that was not known already.
      yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint: { host: "10.0.0.1", port: 8 } })
      yield* settle
      assert.deepStrictEqual(told(), [])
      yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint: { host: "10.0.0.9", port: 7 } })
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [7, 8, 1])
      // One place is left for where it says that it has moved.
      yield* sight("bob", { port: 5 })
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [7, 8, 5])
    }))

  test("made-up adverts of one host push out what it said itself, and not what the peer says", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp({ limits: { addressesPerPeer: 3 } })
      yield* sight("bob", { host: "10.0.0.1", port: 1_000 })
      for (const port of [1, 2, 3, 4, 5]) yield* sight("bob", { host: "10.0.0.9", port })
      const hosts = (yield* peers.get("bob"))!.endpoints.map(({ host }) => host)
      assert.deepStrictEqual(hosts.toSorted(), ["10.0.0.1", "10.0.0.9", "10.0.0.9"])
    }))

  test("nor where the peer proved itself, also where there is no other place", () =>
    Effect.gen(function*() {
      const { key, peers, sight } = yield* setUp({ limits: { addressesPerPeer: 1 } })
      yield* sight("bob", { host: "10.0.0.1", port: 1_000 })
      yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint: { host: "10.0.0.1", port: 1_000 } })
      yield* sight("bob", { host: "10.0.0.9", port: 1 })
      assert.deepStrictEqual((yield* peers.get("bob"))!.endpoints, [{ host: "10.0.0.1", port: 1_000 }])
    }))

  test("when the proved table is full, one more stays among the unproved", () =>
    Effect.gen(function*() {
      const { key, names, peers, sight } = yield* setUp({ limits: { provedPeers: 1, unprovedPeers: 2 } })
      for (const label of ["a", "b"]) {
        yield* sight(label)
        yield* peers.proved({ name: name(label), publicKey: key(label), endpoint: undefined })
      }
      assert.isTrue((yield* peers.get("a"))?.proved)
      assert.isFalse((yield* peers.get("b"))?.proved)
      yield* sight("c")
      yield* sight("d")
      assert.deepStrictEqual(yield* names, ["a", "c", "d"])
    }))

  test("a slow reader of changes misses the oldest, and holds no more than it may", () =>
    Effect.gen(function*() {
      const { events, peers, sight } = yield* setUp({ limits: { peerEvents: 4, unprovedPerAddress: 100 } })
      yield* sight("first")
      const pull = yield* Stream.toPull(Stream.rechunk(peers.changes, 1))
      const take = Effect.map(pull, ([event]) => short(event))
      assert.strictEqual(yield* take, "Joined first")
      const taking = yield* Effect.forkChild(take, { startImmediately: true })
      yield* settle
      yield* sight("n0")
      assert.strictEqual(yield* Fiber.join(taking), "Joined n0")
      for (let i = 1; i <= 20; i++) yield* sight(`n${i}`)
      const rest: Array<string> = []
      for (let i = 0; i < 4; i++) rest.push(yield* take)
      assert.strictEqual(rest.at(-1), "Joined n20")
      assert.isAbove(Number(rest[0]!.slice("Joined n".length)), 10)
      const more = yield* Effect.forkChild(take, { startImmediately: true })
      yield* settle
      assert.isUndefined(more.pollUnsafe())
      // And who keeps up misses nothing because of it.
      assert.deepStrictEqual(
        events.map(short),
        ["first", ...Array.from({ length: 21 }, (_, i) => `n${i}`)].map((each) => `Joined ${each}`)
      )
    }))
})

describe("Peers: looking them up", () => {
  test("changes begins with who is there, once each", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp()
      yield* sight("b")
      yield* sight("a")
      const seen: Array<string> = []
      yield* peers.changes.pipe(
        Stream.runForEach((event) => Effect.sync(() => void seen.push(short(event)))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* settle
      yield* sight("c")
      assert.deepStrictEqual(seen, ["Joined a", "Joined b", "Joined c"])
    }))

  test("awaitPeer and awaitPeers refuse what is no time, and say what was given", () =>
    Effect.gen(function*() {
      const { peers } = yield* setUp()
      const refused = (wait: Effect.Effect<unknown, unknown>, said: string) =>
        Effect.map(Effect.exit(wait), (exit) => {
          const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
          assert.instanceOf(defect, TypeError)
          assert.include((defect as Error).message, `${said} was given`)
        })
      yield* refused(peers.awaitPeer("bob", { timeout: "2 seconds" } as never), "an object of timeout")
      yield* refused(peers.awaitPeer("bob", {}), "an object of nothing")
      yield* refused(peers.awaitPeer("bob", "2 secs" as never), "\"2 secs\"")
      yield* refused(peers.awaitPeers("*", "3 seconds" as never), "\"3 seconds\"")
      yield* refused(peers.awaitPeers("*", { timeout: "3 seconds" } as never), "an object of timeout")
      yield* refused(peers.awaitPeers("*", { within: { second: 3 } as never }), "an object of second")
      for (const time of [0, "0 seconds", { seconds: 0 }, Duration.zero] as const) {
        assert.strictEqual((yield* Effect.flip(peers.awaitPeer("bob", time)))._tag, "PeerUnknownError")
      }
    }))

  test("awaitPeer gives who is there at once, who comes later, and says how long it waited in vain", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp()
      yield* sight("bob")
      assert.strictEqual((yield* peers.awaitPeer("bob")).name as string, "bob")
      const waiting = yield* Effect.forkChild(peers.awaitPeer("carol"), { startImmediately: true })
      yield* pass("9 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* sight("carol")
      assert.strictEqual((yield* Fiber.join(waiting)).name as string, "carol")
      // By another name before.
      const renamed = yield* Effect.forkChild(peers.awaitPeer("caroline"), { startImmediately: true })
      yield* settle
      yield* sight("carol", { name: "caroline" })
      assert.strictEqual((yield* Fiber.join(renamed)).name as string, "caroline")

      for (const [timeout, waited] of [[undefined, 10_000], ["3 seconds", 3_000]] as const) {
        const dave = yield* Effect.forkChild(Effect.flip(peers.awaitPeer("dave", timeout)), { startImmediately: true })
        yield* pass(waited - 1)
        assert.isUndefined(dave.pollUnsafe())
        yield* pass(2)
        const error = (yield* Fiber.join(dave)) as Peers.PeerUnknownError
        assert.strictEqual(error._tag, "PeerUnknownError")
        assert.strictEqual(Duration.toMillis(error.waited!), waited)
        assert.include(error.message, `after ${waited / 1_000}s`)
      }
    }))

  test("resolve takes a name, several, and everybody", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp()
      const resolved = (target: Peers.Target) =>
        Effect.map(peers.resolve(target), (all) => all.map((peer) => peer.name as string))
      assert.deepStrictEqual(yield* resolved("*"), [])
      assert.include((yield* Effect.flip(peers.resolve("bob"))).message, "no peer is known at all")
      for (const label of ["carol", "bob", "alice"]) yield* sight(label)
      assert.deepStrictEqual(yield* resolved("bob"), ["bob"])
      assert.deepStrictEqual(yield* resolved(["carol", "bob", "carol"]), ["carol", "bob"])
      assert.deepStrictEqual(yield* resolved([]), [])
      assert.deepStrictEqual(yield* resolved("*"), ["alice", "bob", "carol"])
      const error = yield* Effect.flip(peers.resolve(["bob", "dave"]))
      assert.strictEqual(error._tag, "PeerUnknownError")
      if (error._tag === "PeerUnknownError") {
        assert.deepStrictEqual(error.known, ["alice", "bob", "carol"])
        assert.isUndefined(error.waited)
      }
      assert.include(error.message, `no peer called "dave" is known; known are "alice", "bob", "carol"`)
      assert.isUndefined(yield* peers.get("dave"))
      assert.isUndefined(yield* peers.get("*"))
    }))

  test("names are compared as they are, and those of every object are no peers", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp()
      yield* sight("Bob")
      for (const other of ["bob", "BOB", "constructor", "__proto__", "toString", ""]) {
        assert.strictEqual((yield* Effect.flip(peers.resolveOne(other)))._tag, "PeerUnknownError")
      }
    }))
})

describe("Peers: conflicts", () => {
  test("two keys under one name are no choice, until one leaves or is pinned", () =>
    Effect.gen(function*() {
      const { events, key, peers, sight, told, trust } = yield* setUp()
      yield* sight("first", { name: "bob" })
      yield* sight("second", { name: "bob" })
      // Nobody has a right to the name yet.
      assert.deepInclude(events[2] as object, {
        _tag: "KeyConflict",
        reason: "SharedName",
        expected: key("first"),
        publicKey: key("second")
      })
      assert.deepStrictEqual(told(), ["Joined bob", "Joined bob", "KeyConflict bob"])
      const error = yield* Effect.flip(peers.resolveOne("bob"))
      assert.strictEqual(error._tag, "NameConflictError")
      if (error._tag === "NameConflictError") {
        assert.deepStrictEqual(new Set(error.publicKeys), new Set([key("first"), key("second")]))
        for (const each of error.publicKeys) assert.include(error.message, PublicKey.fingerprint(each))
      }
      assert.isUndefined(yield* peers.get("bob"))
      assert.strictEqual((yield* peers.resolve("*")).length, 2)

      yield* trust.proved(name("bob"), key("second"))
      assert.strictEqual((yield* peers.resolveOne("bob")).publicKey, key("second"))
      // The other is taken off as soon as it says that name again.
      yield* sight("first", { name: "bob" })
      assert.deepStrictEqual(told(), ["Lost bob Conflict"])
      assert.strictEqual((yield* peers.all).length, 1)
    }))

  test("are what the error of who waited for the name says, with the first of any number of keys", () =>
    Effect.gen(function*() {
      const { key, peers, sight } = yield* setUp()
      for (let i = 0; i < 100; i++) yield* sight(`k${i}`, { name: "bob", host: `10.0.0.${i % 2}` })
      const waiting = yield* Effect.forkScoped(Effect.flip(peers.awaitPeer("bob", "1 second")))
      yield* pass("1 second")
      const error = (yield* Fiber.join(waiting)) as Peers.PeerUnknownError
      assert.lengthOf(error.sharedBy ?? [], 100)
      const conflict = yield* Effect.flip(peers.resolveOne("bob"))
      assert.strictEqual(conflict._tag, "NameConflictError")
      assert.include(conflict.message, `100 nodes are called "bob"`)
      assert.include(conflict.message, PublicKey.fingerprint(key("k7")))
      assert.notInclude(conflict.message, PublicKey.fingerprint(key("k8")))
      assert.include(conflict.message, "and 92 more")
      assert.strictEqual(error.message, `no peer is the one called "bob" after 1s: ${conflict.message}`)
    }))

  test("one that leaves settles it too", () =>
    Effect.gen(function*() {
      const { key, peers, sight } = yield* setUp()
      yield* sight("first", { name: "bob" })
      yield* sight("second", { name: "bob" })
      yield* sight("first", { name: "bob", port: 0 })
      assert.strictEqual((yield* peers.resolveOne("bob")).publicKey, key("second"))
    }))

  test("a pinned name with another key is an event at most once a minute a name, and replaces nothing", () =>
    Effect.gen(function*() {
      const { answered, events, key, peers, sight, trust } = yield* setUp()
      yield* trust.proved(name("bob"), key("bob"))
      yield* trust.proved(name("carol"), key("carol"))
      yield* sight("bob")
      const before = yield* peers.get("bob")
      answered.length = 0
      events.length = 0
      const pretend = (as: string) => sight("imposter", { name: as, host: "10.0.0.66", port: 666 })
      yield* pretend("bob")
      assert.deepStrictEqual(events as unknown, [{
        _tag: "KeyConflict",
        name: "bob",
        expected: key("bob"),
        publicKey: key("imposter"),
        source: { host: "10.0.0.66", port: 50_000 },
        reason: "KeyChanged"
      }])
      yield* pretend("bob")
      yield* pass("1 second")
      yield* sight("another imposter", { name: "bob" })
      assert.strictEqual(events.length, 1)
      yield* pretend("carol")
      assert.deepStrictEqual(events.map(short), ["KeyConflict bob", "KeyConflict carol"])
      for (let i = 0; i < 58; i++) {
        // Bob is there all the while.
        yield* sight("bob")
        yield* pass("1 second")
      }
      yield* pretend("bob")
      assert.strictEqual(events.length, 2)
      yield* pass("1 second")
      yield* pretend("bob")
      assert.deepStrictEqual(events.map(short).slice(2), ["KeyConflict bob"])
      assert.deepStrictEqual(yield* peers.get("bob"), before)
      assert.strictEqual((yield* peers.all).length, 1)
      assert.deepStrictEqual(answered, [])
    }))

  test("two keys with fresh names make few warnings, and hide none about a name that belongs to somebody", () => {
    const said: Array<string> = []
    return Effect.gen(function*() {
      const { events, key, sight, trust } = yield* setUp()
      yield* trust.proved(name("bob"), key("bob"))
      const rename = (i: number) =>
        Effect.andThen(sight("one", { name: `n${i}` }), sight("two", { name: `n${i}`, host: "10.0.0.2" }))
      for (let i = 0; i < 200; i++) yield* rename(i)
      assert.lengthOf(said, 10)
      assert.lengthOf(events.filter(({ _tag }) => _tag === "KeyConflict"), 10)
      yield* sight("imposter", { name: "bob" })
      assert.lengthOf(said, 11)
      assert.include(said[10], "that name belongs to")
      yield* pass("1 minute")
      yield* rename(200)
      // How many were kept back is said with the next.
      assert.include(said[11], "(190 more of this kind were not written)")
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])))
  })

  test("the key that a name is pinned to has a place of its own, and is still to prove itself", () =>
    Effect.gen(function*() {
      const { key, peers, sight, trust } = yield* setUp({ limits: { unprovedPerAddress: 1 } })
      yield* trust.proved(name("bob"), key("bob"))
      yield* sight("stranger")
      yield* sight("bob")
      assert.isFalse((yield* peers.get("bob"))?.proved)
      assert.isFalse((yield* peers.get("stranger"))?.proved)
      yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint: undefined })
      assert.isTrue((yield* peers.get("bob"))?.proved)
    }))

  test("a known peer that takes a pinned name keeps the one it had", () =>
    Effect.gen(function*() {
      const { key, names, sight, told, trust } = yield* setUp()
      yield* trust.proved(name("bob"), key("bob"))
      yield* sight("carol")
      yield* sight("carol", { name: "bob" })
      assert.deepStrictEqual(told(), ["Joined carol", "KeyConflict bob"])
      assert.deepStrictEqual(yield* names, ["carol"])
    }))

  test("this node's own name and its own key belong to it", () =>
    Effect.gen(function*() {
      const { answered, events, key, own, peers, sight } = yield* setUp()
      yield* sight("other", { name: "self" })
      assert.deepStrictEqual(events.map(short), ["KeyConflict self"])
      assert.deepInclude(events[0] as object, { expected: own, publicKey: key("other"), reason: "OwnName" })
      // Whoever takes the one does not hide who has the other.
      yield* sight("clone", { name: "anything", key: own })
      assert.deepStrictEqual(events.map(short), ["KeyConflict self", "KeyConflict self"])
      assert.deepInclude(events[1] as object, { expected: own, publicKey: own, reason: "OwnKey" })
      assert.deepStrictEqual(yield* peers.all, [])
      assert.deepStrictEqual(answered, [])
    }))
})

describe("Peers: proved", () => {
  test("moves a peer among the proved, puts its address first, and takes the name that it proved", () =>
    Effect.gen(function*() {
      const { key, peers, sight, told } = yield* setUp()
      yield* sight("bob")
      told()
      yield* peers.proved({ name: name("robert"), publicKey: key("bob"), endpoint: { host: "10.0.0.1", port: 5 } })
      yield* settle
      assert.deepStrictEqual(told(), ["Updated robert proved"])
      assert.isUndefined(yield* peers.get("bob"))
      const robert = yield* peers.resolveOne("robert")
      assert.isTrue(robert.proved)
      assert.deepStrictEqual(ports(robert), [5, 1_000])
      // Of somebody who is not known nothing is made up.
      yield* peers.proved({ name: name("x"), publicKey: key("x"), endpoint: { host: "10.0.0.1", port: 5 } })
      assert.strictEqual((yield* peers.all).length, 1)
    }))

  test("keeps a silent peer alive", () =>
    Effect.gen(function*() {
      const { key, peers, sight, told } = yield* setUp()
      yield* sight("bob")
      told()
      for (let i = 0; i < 20; i++) {
        yield* pass("5 seconds")
        yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint: undefined })
      }
      assert.deepStrictEqual(told(), ["Updated bob proved"])
      yield* pass("9 seconds")
      assert.strictEqual((yield* peers.get("bob"))?.status, "Suspect")
      yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint: undefined })
      yield* pass("5 seconds")
      assert.deepStrictEqual(told(), ["Suspected bob", "Returned bob Traffic"])
    }))

  test("tells discovery when a peer was heard, where it is known to be, unless it is in doubt", () =>
    Effect.gen(function*() {
      let heardAt: Discovery.HeardAt = () => assert.fail("nobody told")
      const attend = (told: Discovery.HeardAt) => {
        heardAt = told
      }
      const { key, peers, sight } = yield* setUp({ discovery: { attend } })
      const heard = (label: string, port: number) => heardAt(key(label), { host: "10.0.0.1", port })
      yield* sight("bob")
      const first = heard("bob", 1_000)
      assert.isDefined(first)
      assert.deepStrictEqual([heard("bob", 1_001), heard("carol", 1_000)], [undefined, undefined])
      yield* pass("1 second")
      yield* sight("bob")
      assert.strictEqual(heard("bob", 1_000), first! + 1_000)
      yield* pass("9 seconds")
      assert.strictEqual((yield* peers.get("bob"))?.status, "Suspect")
      assert.isUndefined(heard("bob", 1_000))
    }))
})

describe("Peers: what adverts say of a key", () => {
  const mallory = "10.0.0.66"

  for (const how of ["has proved its name", "is pinned to it"]) {
    test(`is nothing to one that ${how}, where it says another name`, () =>
      Effect.gen(function*() {
        const { answered, key, names, peers, sight, told, trust } = yield* setUp()
        if (how === "is pinned to it") yield* trust.proved(name("bob"), key("bob"))
        yield* sight("bob")
        if (how === "has proved its name") {
          yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint: { host: "10.0.0.1", port: 1_000 } })
        }
        const before = yield* peers.get("bob")
        yield* settle
        told()
        answered.length = 0
        yield* pass("7 seconds")
        yield* sight("bob", { name: "nobody", host: mallory, port: 6 })
        assert.deepStrictEqual(yield* names, ["bob"])
        assert.deepStrictEqual(yield* peers.get("bob"), before)
        assert.deepStrictEqual([told(), answered], [[], []])
        // It is no sign of life either.
        yield* pass("1 second")
        assert.deepStrictEqual(told(), ["Suspected bob"])
      }))
  }

  test("gives one that has proved none the names that several hosts say, until it proves one", () =>
    Effect.gen(function*() {
      const { key, names, peers, sight } = yield* setUp()
      yield* sight("k", { name: "nobody", host: mallory })
      yield* sight("k", { name: "carol" })
      assert.deepStrictEqual(yield* names, ["nobody"])
      for (const each of ["nobody", "carol"]) {
        const peer = yield* peers.resolveOne(each)
        assert.strictEqual(peer.name, name(each))
        assert.strictEqual(peer.publicKey, key("k"))
      }
      // One host has one name to say.
      yield* sight("k", { name: "another", host: mallory })
      assert.isUndefined(yield* peers.get("nobody"))
      assert.strictEqual((yield* peers.get("carol"))?.name, name("carol"))
      const fork = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.forkScoped(Effect.exit(effect), { startImmediately: true })
      const [wrong, right] = [
        yield* fork(peers.whileOnline("another", () => Effect.never)),
        yield* fork(peers.whileOnline("carol", () => Effect.never))
      ]
      yield* peers.proved({ name: name("carol"), publicKey: key("k"), endpoint: undefined })
      yield* settle
      const error = lostError(yield* Fiber.join(wrong))
      assert.deepStrictEqual([error.peer as string, error.reason], ["another", "Renamed"])
      assert.isUndefined(right.pollUnsafe())
      assert.deepStrictEqual(yield* names, ["carol"])
      assert.isUndefined(yield* peers.get("another"))
    }))

  test("pushes out the addresses of the host that says it, and none that was proved", () =>
    Effect.gen(function*() {
      const { key, peers, sight } = yield* setUp()
      yield* sight("bob", { port: 1_000 })
      for (let port = 1; port <= 9; port++) yield* sight("bob", { host: mallory, port })
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [9, 8, 7, 1_000])
      const bob = { name: name("bob"), publicKey: key("bob") }
      yield* peers.proved({ ...bob, endpoint: { host: "10.0.0.1", port: 1_000 } })
      for (let host = 70; host < 80; host++) yield* sight("bob", { host: `10.0.0.${host}`, port: host })
      assert.strictEqual(ports(yield* peers.get("bob"))?.[0], 1_000)
      // However many were proved, there is a place for where it is next.
      for (const port of [2_000, 3_000, 4_000, 5_000]) {
        yield* peers.proved({ ...bob, endpoint: { host: "10.0.0.1", port } })
      }
      yield* sight("bob", { port: 6_000 })
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [5_000, 4_000, 3_000, 6_000])
    }))

  test("does not bring forward an address where the key was not proved", () =>
    Effect.gen(function*() {
      const { key, peers, sight } = yield* setUp()
      for (const port of [1, 2, 3]) yield* sight("bob", { host: `10.0.0.${port}`, port })
      assert.isUndefined(peers.provedAtUnsafe(key("bob")))
      peers.failedUnsafe(key("bob"), { host: "10.0.0.3", port: 3 })
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [2, 1, 3])
      yield* sight("bob", { host: "10.0.0.3", port: 3 })
      yield* sight("bob", { host: "10.0.0.4", port: 4 })
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [4, 2, 1, 3])
      const endpoint = { host: "10.0.0.3", port: 3 }
      yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint })
      assert.deepStrictEqual(ports(yield* peers.get("bob")), [3, 4, 2, 1])
      assert.deepStrictEqual(peers.provedAtUnsafe(key("bob")), endpoint)
      peers.failedUnsafe(key("bob"), endpoint)
      assert.isUndefined(peers.provedAtUnsafe(key("bob")))
    }))

  test("by a host that says it leaves takes back what that host says, and the peer with the last, or with what was proved", () =>
    Effect.gen(function*() {
      const { key, names, peers, sight, told } = yield* setUp()
      const here = { host: "10.0.0.1", port: 1_000 }
      for (const isProved of [false, true]) {
        yield* sight("bob", here)
        if (isProved) yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint: here })
        for (let i = 0; i < 10; i++) {
          yield* sight("bob", { host: mallory, port: 0 })
          yield* sight("bob", { host: mallory, port: 6 })
        }
        yield* sight("bob", { host: mallory, port: 0 })
        assert.deepStrictEqual(ports(yield* peers.get("bob")), [1_000])
        assert.notInclude(told(), "Left bob")
        // It has one more interface, and says so on each.
        yield* sight("bob", { host: "10.0.1.1", port: 1_000 })
        yield* sight("bob", { host: "10.0.1.1", port: 0 })
        assert.deepStrictEqual(yield* names, ["bob"])
        yield* sight("bob", { ...here, port: 0 })
        assert.deepStrictEqual(yield* names, [])
        assert.deepStrictEqual(told().slice(-1), ["Left bob"])
      }
      // Where it proved itself, one of them is enough.
      yield* sight("bob", here)
      yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint: here })
      yield* sight("bob", { host: "10.0.1.1", port: 1_000 })
      yield* sight("bob", { ...here, port: 0 })
      assert.deepStrictEqual(yield* names, [])
    }))

  test("of one that proved its name ends with it: whoever answers under another is another", () =>
    Effect.gen(function*() {
      const { key, peers, sight, there, told } = yield* setUp()
      yield* sight("bob")
      yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint: undefined })
      // It says "whoever".
      there.set(1_000, { publicKey: key("bob") })
      yield* settle
      told()
      yield* pass("8 seconds")
      assert.deepStrictEqual(told(), ["Suspected bob", "Probed bob Refused", "Lost bob Refused"])
    }))
})

describe("Peers: silence", () => {
  /** Lets time pass until the peer is suspect, and tells how long that took. */
  const untilSuspect = (world: Effect.Success<ReturnType<typeof setUp>>, label = "bob") =>
    Effect.gen(function*() {
      const start = yield* Clock.currentTimeMillis
      while ((yield* world.peers.get(label))?.status !== "Suspect") {
        yield* pass("10 millis")
        if ((yield* Clock.currentTimeMillis) - start > 60_000) return yield* Effect.die("never suspect")
      }
      return (yield* Clock.currentTimeMillis) - start
    })

  test("of three intervals makes a peer suspect, and it is then asked six times, a fifth of an interval apart", () =>
    Effect.gen(function*() {
      const world = yield* setUp()
      yield* world.sight("bob")
      const took = yield* untilSuspect(world)
      assert.isAtLeast(took, 7_500)
      assert.isAtMost(took, 8_010)
      const suspect = world.events.find((event) => event._tag === "Suspected")
      assert.isTrue(suspect?._tag === "Suspected" && Duration.toMillis(suspect.silentFor) >= 7_500)
      yield* pass("3400 millis")
      const [first] = world.dials
      assert.deepStrictEqual(world.dials.map(({ at }) => at - first!.at), [0, 500, 1_000, 1_500, 2_000, 2_500])
      assert.strictEqual((yield* world.peers.get("bob"))?.status, "Suspect")
      // No answer for seven fifths of an interval.
      yield* pass("120 millis")
      assert.deepStrictEqual(world.told(), ["Joined bob", "Suspected bob", "Probed bob NoAnswer", "Lost bob NoAnswer"])
      assert.deepStrictEqual(yield* world.peers.all, [])
    }))

  test("follows the interval of the options", () =>
    Effect.gen(function*() {
      const world = yield* setUp({ broadcastInterval: "1 second" })
      yield* world.sight("bob")
      const took = yield* untilSuspect(world)
      assert.isTrue(took >= 3_000 && took <= 3_210, `after ${took}`)
      yield* pass("1410 millis")
      assert.deepStrictEqual(world.told(), ["Joined bob", "Suspected bob", "Probed bob NoAnswer", "Lost bob NoAnswer"])
    }))

  test("ends with an advert, whatever the questions come to", () =>
    Effect.gen(function*() {
      const world = yield* setUp()
      yield* world.sight("bob")
      yield* untilSuspect(world)
      yield* pass("1 second")
      yield* world.sight("bob")
      assert.deepStrictEqual(world.told(), ["Joined bob", "Suspected bob", "Returned bob Advert"])
      yield* pass("5 seconds")
      assert.deepStrictEqual(world.told(), [])
      assert.strictEqual((yield* world.peers.get("bob"))?.status, "Online")
    }))

  test("of one who answers with its key is none: it stays, and is asked again each time", () =>
    Effect.gen(function*() {
      const world = yield* setUp()
      world.there.set(1_000, { publicKey: world.key("bob") })
      yield* world.sight("bob")
      yield* pass("60 seconds")
      const told = world.told()
      assert.deepStrictEqual(told.slice(0, 4), [
        "Joined bob",
        "Suspected bob",
        "Probed bob Answered",
        "Returned bob Probe"
      ])
      assert.isAtLeast(told.length, 19)
      assert.isAtMost(told.length, 25)
      assert.isFalse(told.some((event) => event.startsWith("Lost")))
      // Once each time, since the first answer is enough.
      assert.strictEqual(world.dials.length, told.filter((event) => event === "Suspected bob").length)
    }))

  test("of one that a discovery keeps is none, which is looked at every three intervals, until it is not there", () =>
    Effect.gen(function*() {
      const { dials, sight, there, told } = yield* setUp()
      there.set(1_000, "refused")
      let now = 0
      let until = Infinity
      const looks: Array<number> = []
      const thereUntil = () => {
        looks.push(now)
        return Math.min(now, until)
      }
      const wait = (seconds: number) =>
        Effect.repeat(
          Effect.andThen(
            pass("500 millis"),
            Effect.sync(() => {
              now += 500
            })
          ),
          { times: 2 * seconds - 1 }
        )
      yield* sight("bob", { via: "kept", thereUntil })
      yield* wait(60)
      assert.deepStrictEqual([told(), dials], [["Joined bob"], []])
      for (const [i, at] of looks.entries()) assert.isAtMost(at - (looks[i - 1] ?? 0), 8_000)
      assert.isAtMost(looks.length, 10)
      until = 60_000
      yield* wait(7)
      assert.deepStrictEqual(told(), [])
      yield* wait(2)
      assert.deepStrictEqual(told(), ["Suspected bob", "Probed bob Refused", "Lost bob Refused"])
    }))

  test("of one that two discoveries keep is none as long as one of them knows it to be there, and ends when either does again", () =>
    Effect.gen(function*() {
      const { sight, there, told } = yield* setUp()
      there.set(1_000, "busy")
      const clock = yield* Clock.Clock
      const until = { kept: Infinity, "kept too": Infinity }
      const of = (via: keyof typeof until) => ({
        via,
        thereUntil: () => Math.min(Number(clock.monotonicTimeNanosUnsafe()) / 1e6, until[via])
      })
      const [one, other] = [of("kept"), of("kept too")]
      yield* sight("bob", one)
      yield* sight("bob", other)
      // What adverts say beside it, or the other one, takes nothing from it.
      yield* sight("bob", { source: { host: "10.0.0.9", port: 1 } })
      told()
      until["kept too"] = 0
      yield* pass("30 seconds")
      assert.deepStrictEqual(told(), [])
      // One has left: what it knew is not that it was there.
      until.kept = -Infinity
      yield* pass("8 seconds")
      assert.deepStrictEqual(told().slice(0, 2), ["Suspected bob", "Probed bob Busy"])
      until["kept too"] = Infinity
      yield* pass("8 seconds")
      told()
      yield* pass("30 seconds")
      assert.deepStrictEqual(told(), [])
    }))

  test("of one who is too busy to answer is none", () =>
    Effect.gen(function*() {
      const world = yield* setUp()
      world.there.set(1_000, "busy")
      yield* world.sight("bob")
      yield* pass("60 seconds")
      assert.isDefined(yield* world.peers.get("bob"))
      assert.deepStrictEqual(world.events.slice(2, 4).map(short), ["Probed bob Busy", "Returned bob Probe"])
      assert.isFalse(world.told().some((event) => event.startsWith("Lost")))
    }))

  test("of one who says that it is too busy is none on a network with a key, since anybody can say so: its silence goes on", () =>
    Effect.gen(function*() {
      const networkKey = Redacted.make("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=")
      const world = yield* setUp({ networkKey })
      world.there.set(1_000, "busy")
      yield* world.sight("bob")
      yield* pass("14 seconds")
      assert.isDefined(yield* world.peers.get("bob"))
      yield* pass("2 seconds")
      assert.deepStrictEqual(world.told(), ["Joined bob", "Suspected bob", "Probed bob Busy", "Lost bob Silent"])
    }))

  test("where nobody listens any more, or somebody else, is a loss at once", () =>
    Effect.gen(function*() {
      for (const what of ["refused", "other"] as const) {
        const world = yield* setUp()
        world.there.set(1_000, what === "refused" ? "refused" : { publicKey: world.key("other") })
        yield* world.sight("bob")
        yield* pass("8010 millis")
        assert.deepStrictEqual(world.told(), ["Joined bob", "Suspected bob", "Probed bob Refused", "Lost bob Refused"])
        assert.strictEqual(world.dials.length, 1)
      }
    }))

  test("where its key has another name than the one that it proved is a loss, too", () =>
    Effect.gen(function*() {
      const { key, peers, sight, there, told } = yield* setUp()
      yield* sight("bob")
      yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint: undefined })
      there.set(1_000, { publicKey: key("bob") })
      told()
      yield* pass("8 seconds")
      assert.deepStrictEqual(told().slice(-1), ["Lost bob Refused"])
    }))

  test("of every address is needed for a loss: one that refuses is not enough", () =>
    Effect.gen(function*() {
      const world = yield* setUp()
      world.there.set(2_000, "refused")
      world.there.set(1_000, { publicKey: world.key("bob") })
      yield* world.sight("bob")
      yield* world.sight("bob", { port: 2_000 })
      world.told()
      yield* pass("10 seconds")
      assert.deepStrictEqual(world.told(), ["Suspected bob", "Probed bob Answered", "Returned bob Probe"])
      assert.deepStrictEqual(world.dials.slice(0, 2).map(({ port }) => port), [2_000, 1_000])
      world.there.set(1_000, "refused")
      yield* pass("10 seconds")
      assert.deepStrictEqual(world.told(), ["Suspected bob", "Probed bob Refused", "Lost bob Refused"])
    }))

  test("with no way to the peer, or a connection that says nothing, is one without an answer", () =>
    Effect.gen(function*() {
      for (const what of ["unreachable", "closed"] as const) {
        const world = yield* setUp()
        world.there.set(1_000, what)
        yield* world.sight("bob")
        yield* pass("10900 millis")
        assert.deepStrictEqual(world.told(), ["Joined bob", "Suspected bob"])
        yield* pass("800 millis")
        assert.deepStrictEqual(world.told(), ["Probed bob NoAnswer", "Lost bob NoAnswer"])
      }
    }))

  test("of six intervals is a loss, asked or not", () =>
    Effect.gen(function*() {
      // One question at a time, and there are six to be asked.
      const world = yield* setUp({ limits: { probes: 1 } })
      for (const label of ["a", "b", "c", "d", "e", "f"]) yield* world.sight(label)
      world.told()
      yield* pass("15510 millis")
      const told = world.told()
      assert.deepStrictEqual(told.filter((event) => event.startsWith("Suspected")).length, 6)
      const lost = told.filter((event) => event.startsWith("Lost"))
      assert.strictEqual(lost.length, 6)
      assert.strictEqual(lost[0], "Lost a NoAnswer")
      assert.isAtLeast(lost.filter((event) => event.endsWith("Silent")).length, 3)
      assert.deepStrictEqual(yield* world.peers.all, [])
    }))

  test("asks no more peers at once than the limit says", () =>
    Effect.gen(function*() {
      const world = yield* setUp({ limits: { probes: 3 } })
      for (let i = 0; i < 10; i++) yield* world.sight(`n${i}`, { port: 1_000 + i })
      yield* pass("8400 millis")
      assert.deepStrictEqual([...new Set(world.dials.map(({ port }) => port))], [1_000, 1_001, 1_002])
    }))

  test("nothing is asked after the scope has closed", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const world = yield* Scope.provide(setUp(), scope)
      yield* world.sight("bob")
      yield* Scope.close(scope, Exit.void)
      yield* pass("30 seconds")
      assert.deepStrictEqual(world.dials, [])
    }))
})

describe("Peers: lost", () => {
  test("fails all who wait, and only those of that key", () =>
    Effect.gen(function*() {
      const { key, peers, sight, there } = yield* setUp()
      there.set(2_000, { publicKey: key("carol") })
      yield* sight("bob")
      yield* sight("carol", { port: 2_000 })
      const [one, two, other] = yield* Effect.forEach(
        ["bob", "bob", "carol"],
        (label) => Effect.forkScoped(Effect.exit(peers.lost(key(label))), { startImmediately: true })
      )
      yield* pass("7 seconds")
      for (const fiber of [one!, two!, other!]) assert.isUndefined(fiber.pollUnsafe())
      yield* pass("5 seconds")
      for (const fiber of [one!, two!]) {
        const exit = yield* Fiber.join(fiber)
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.instanceOf(error, Peers.PeerLostError)
        assert.deepInclude(error as object, {
          peer: "bob",
          publicKey: key("bob"),
          reason: "NoAnswer",
          mayHaveRun: true,
          endpoint: { host: "10.0.0.1", port: 1_000 }
        })
        assert.include((error as Error).message, "whether it did what it was asked is not known")
      }
      assert.isUndefined(other!.pollUnsafe())
      // It is about the next time, too.
      yield* sight("bob")
      const again = yield* Effect.forkScoped(Effect.exit(peers.lost(key("bob"))), { startImmediately: true })
      yield* settle
      assert.isUndefined(again.pollUnsafe())
      yield* pass("12 seconds")
      assert.isDefined(again.pollUnsafe())
    }))

  test("who stops waiting is forgotten", () =>
    Effect.gen(function*() {
      const { key, peers, sight } = yield* setUp()
      yield* sight("bob")
      const first = yield* Effect.forkScoped(Effect.exit(peers.lost(key("bob"))), { startImmediately: true })
      const second = yield* Effect.forkScoped(Effect.exit(peers.lost(key("bob"))), { startImmediately: true })
      yield* Fiber.interrupt(first)
      yield* pass("12 seconds")
      assert.isDefined(second.pollUnsafe())
    }))
})

const lostError = (exit: Exit.Exit<unknown, unknown> | undefined) => {
  const error = exit !== undefined && Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  assert.instanceOf(error, Peers.PeerLostError)
  return error as Peers.PeerLostError
}

describe("Peers: what is bound to one", () => {
  const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.forkScoped(Effect.exit(effect), { startImmediately: true })

  test("whileOnline runs to its end while the peer is there, and not at all where it is not", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp()
      let runs = 0
      const use = (peer: Peers.Peer) => Effect.sync(() => `${++runs} ${peer.name}`)
      assert.strictEqual((yield* Effect.flip(peers.whileOnline("bob", use)))._tag, "PeerUnknownError")
      yield* sight("bob")
      assert.strictEqual(yield* peers.whileOnline("bob", use), "1 bob")
      assert.strictEqual(yield* Effect.flip(peers.whileOnline("bob", () => Effect.fail("its own"))), "its own")
      yield* sight("other", { name: "bob" })
      assert.strictEqual((yield* Effect.flip(peers.whileOnline("bob", use)))._tag, "NameConflictError")
      assert.strictEqual(runs, 1)
    }))

  for (const how of ["lost", "left"] as const) {
    test(`whileOnline ends when the peer is ${how}: the effect first, and with the one error`, () =>
      Effect.gen(function*() {
        const { peers, sight } = yield* setUp()
        yield* sight("bob")
        yield* sight("carol", { port: 2_000 })
        const order: Array<string> = []
        const bound = yield* fork(
          Effect.ensuring(
            peers.whileOnline(
              "bob",
              () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void order.push("interrupted")))
            ),
            Effect.sync(() => void order.push("ended"))
          )
        )
        // What fails because of the loss does not hide it.
        const reacting = yield* fork(peers.whileOnline("bob", () =>
          peers.changes.pipe(
            Stream.filter((event) => event._tag === "Lost" || event._tag === "Left"),
            Stream.runHead,
            Effect.andThen(Effect.fail("something else"))
          )))
        const other = yield* fork(peers.whileOnline("carol", () => Effect.never))
        yield* settle
        for (const fiber of [bound, reacting, other]) assert.isUndefined(fiber.pollUnsafe())
        if (how === "left") yield* sight("bob", { port: 0 })
        else yield* pass("9 seconds")
        if (how === "lost") {
          assert.deepStrictEqual(order, [])
          // carol is silent as well, and heard just in time.
          yield* sight("carol", { port: 2_000 })
          yield* pass("2 seconds")
        }
        assert.deepStrictEqual(order, ["interrupted", "ended"])
        for (const fiber of [bound, reacting]) {
          const error = lostError(yield* Fiber.join(fiber))
          assert.strictEqual(error.peer as string, "bob")
          assert.strictEqual(error.reason, how === "left" ? "Left" : "NoAnswer")
          assert.include(error.message, how === "left" ? "it said that it leaves" : "it went silent")
        }
        assert.isUndefined(other.pollUnsafe())
      }))
  }

  test("whileOnline is bound to the peer, and a defect stays a defect", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp()
      yield* sight("bob")
      const bound = yield* fork(peers.whileOnline("bob", () => Effect.never))
      yield* sight("bob", { name: "robert" })
      yield* sight("another", { name: "bob", port: 2_000 })
      yield* settle
      assert.isUndefined(bound.pollUnsafe())
      yield* sight("another", { name: "bob", port: 0 })
      assert.isUndefined(bound.pollUnsafe())
      const dying = yield* fork(peers.whileOnline("robert", () =>
        peers.changes.pipe(
          Stream.filter((event) => event._tag === "Left"),
          Stream.runHead,
          Effect.andThen(Effect.die("a bug"))
        )))
      yield* settle
      yield* sight("bob", { name: "robert", port: 0 })
      assert.strictEqual(lostError(yield* Fiber.join(bound)).reason, "Left")
      const exit = yield* Fiber.join(dying)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    }))

  test("scoped gives a scope that closes with the peer, and runs what ends with it", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp()
      assert.strictEqual((yield* Effect.flip(peers.scoped("bob")))._tag, "PeerUnknownError")
      yield* sight("bob")
      const bob = yield* peers.scoped("bob")
      assert.strictEqual(bob.peer.name as string, "bob")
      let closed: Exit.Exit<unknown, unknown> | undefined
      yield* Scope.addFinalizerExit(bob.scope, (exit) => Effect.sync(() => void (closed = exit)))
      const beating = yield* Effect.forkIn(Effect.never, bob.scope, { startImmediately: true })
      const running = yield* fork(bob.run(Effect.never))
      const waiting = yield* fork(bob.lost)
      assert.strictEqual(yield* bob.run(Effect.succeed(7)), 7)
      assert.strictEqual(yield* Effect.flip(bob.run(Effect.fail("its own"))), "its own")
      yield* settle
      assert.isUndefined(beating.pollUnsafe())
      yield* sight("bob", { port: 0 })
      for (const exit of [closed, yield* Fiber.join(running), yield* Fiber.join(waiting)]) {
        assert.strictEqual(lostError(exit).reason, "Left")
      }
      const beaten = beating.pollUnsafe()
      assert.isTrue(beaten !== undefined && Exit.isFailure(beaten) && Cause.hasInterruptsOnly(beaten.cause))
      // It stays lost, also when the peer is back.
      yield* sight("bob")
      let ran = false
      assert.strictEqual(
        (yield* Effect.flip(bob.run(Effect.andThen(Effect.yieldNow, Effect.sync(() => void (ran = true)))))).reason,
        "Left"
      )
      assert.isFalse(ran)
    }))

  test("scoped ends with the scope it was made in", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp()
      yield* sight("bob")
      const outer = yield* Scope.make()
      const bob = yield* Scope.provide(peers.scoped("bob"), outer)
      let closed: Exit.Exit<unknown, unknown> | undefined
      yield* Scope.addFinalizerExit(bob.scope, (exit) => Effect.sync(() => void (closed = exit)))
      yield* Scope.close(outer, Exit.succeed("done"))
      assert.isTrue(closed !== undefined && Exit.isSuccess(closed))
      yield* sight("bob", { port: 0 })
      assert.isTrue(closed !== undefined && Exit.isSuccess(closed))
    }))

  test("wheneverOnline begins anew at each return, and only then", () =>
    Effect.gen(function*() {
      const { key, peers, sight } = yield* setUp()
      const log: Array<string> = []
      let after: Effect.Effect<void, string> = Effect.never
      const bound = yield* fork(peers.wheneverOnline("bob", (peer) =>
        Effect.suspend(() => {
          log.push(`on ${peer.publicKey === key("bob") ? "old" : "new"}`)
          return after
        }).pipe(Effect.onInterrupt(() => Effect.sync(() => void log.push("off"))))))
      const look = () => log.splice(0)
      yield* settle
      assert.deepStrictEqual(look(), [])
      yield* sight("bob")
      yield* sight("bob", { port: 1_001 })
      assert.deepStrictEqual(look(), ["on old"])
      yield* sight("bob", { port: 0 })
      assert.deepStrictEqual(look(), ["off"])
      after = Effect.void
      yield* sight("bob")
      yield* sight("bob")
      // It is done until the next time.
      assert.deepStrictEqual(look(), ["on old"])
      yield* pass("12 seconds")
      after = Effect.fail("its own")
      // Whoever has the name.
      yield* sight("bob again", { name: "bob" })
      assert.deepStrictEqual(look(), ["on new"])
      const exit = yield* Fiber.join(bound)
      assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) === "its own")
    }))

  test("wheneverOnline takes a lost connection for no more than that, and another peer's loss for a failure", () =>
    Effect.gen(function*() {
      const { key, peers, sight, there } = yield* setUp()
      there.set(1_000, { publicKey: key("bob") })
      yield* sight("bob")
      const disconnected = (label: string) =>
        new Peers.PeerLostError({
          peer: name(label),
          publicKey: key(label),
          reason: "Disconnected",
          mayHaveRun: true
        })
      const runs = yield* Ref.make(0)
      const bound = yield* fork(peers.wheneverOnline("bob", () =>
        Effect.andThen(
          Ref.update(runs, (count) => count + 1),
          Effect.flatMap(Ref.get(runs), (count) => Effect.fail(disconnected(count < 3 ? "bob" : "carol")))
        )))
      yield* settle
      assert.strictEqual(yield* Ref.get(runs), 1)
      yield* pass("2400 millis")
      assert.strictEqual(yield* Ref.get(runs), 1)
      yield* pass("200 millis")
      assert.strictEqual(yield* Ref.get(runs), 2)
      yield* pass("2600 millis")
      assert.strictEqual(lostError(yield* Fiber.join(bound)).peer as string, "carol")
    }))

  test("wheneverOnline of everybody follows each, and what fails for one ends nothing for the others", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp()
      yield* sight("alice")
      const log: Array<string> = []
      const failures: Array<string> = []
      const bound = yield* fork(peers.wheneverOnline("*", (peer) =>
        Effect.suspend(() => {
          log.push(`+${peer.name}`)
          if (peer.name === "eve") throw new Error("eve")
          return peer.name === "mallory" ? Effect.fail("mallory") : Effect.never
        }).pipe(
          // Slow to end, so that it may be back before.
          Effect.onInterrupt(() =>
            Effect.andThen(Effect.sleep("1 second"), Effect.sync(() => void log.push(`-${peer.name}`)))
          )
        ), {
        onFailure: ({ name }, cause) =>
          Effect.suspend(() => {
            const squashed = Cause.squash(cause)
            failures.push(`${name}: ${squashed instanceof Error ? squashed.message : String(squashed)}`)
            // Neither does what the handler fails with.
            return Effect.die("the handler")
          })
      }))
      const look = () => log.splice(0).sort()
      yield* settle
      yield* sight("bob", { port: 2_000 })
      assert.deepStrictEqual(look(), ["+alice", "+bob"])
      yield* sight("bob", { port: 0 })
      yield* sight("bob", { port: 2_000 })
      assert.deepStrictEqual(look(), [])
      yield* pass("1 second")
      assert.deepStrictEqual(look(), ["+bob", "-bob"])
      yield* sight("mallory", { port: 3_000 })
      yield* sight("eve", { port: 4_000 })
      yield* pass("2 seconds")
      assert.deepStrictEqual(look(), ["+eve", "+mallory"])
      assert.deepStrictEqual(failures.splice(0).sort(), ["eve: eve", "mallory: mallory"])
      yield* sight("mallory", { port: 3_000 })
      yield* pass("2 seconds")
      assert.deepStrictEqual(look(), [])
      // It is back, or was started anew: then it has another try.
      yield* sight("mallory", { port: 0 })
      yield* sight("mallory", { port: 3_000 })
      assert.deepStrictEqual(look(), ["+mallory"])
      yield* sight("mallory", { port: 3_001 })
      assert.deepStrictEqual(look(), ["+mallory"])
      assert.deepStrictEqual(failures.length, 2)
      assert.isUndefined(bound.pollUnsafe())
      yield* Effect.forkScoped(Fiber.interrupt(bound), { startImmediately: true })
      yield* pass("3 seconds")
    }))

  test("what wheneverOnline ran to its end is run again for a peer that was started anew, and no more often than it would be heard", () =>
    Effect.gen(function*() {
      const { key, peers, sight, told } = yield* setUp()
      yield* sight("bob")
      let runs = 0
      const running = yield* Deferred.make<void>()
      yield* fork(
        peers.wheneverOnline("bob", () => Effect.suspend(() => ++runs === 2 ? Deferred.await(running) : Effect.void))
      )
      yield* settle
      const since = () => {
        const now = runs
        runs = 10
        return now - 10
      }
      assert.strictEqual(runs, 1)
      // Another interface of it, at the same port.
      yield* sight("bob", { host: "10.0.0.77" })
      assert.strictEqual(runs, 1)
      // From another socket, and then at another port: of two within an interval one counts.
      yield* pass("2500 millis")
      yield* sight("bob", { source: { host: "10.0.0.1", port: 9 } })
      yield* sight("bob", { port: 1_001 })
      assert.strictEqual(runs, 2)
      assert.deepStrictEqual(told().filter((event) => event.startsWith("Restarted")), ["Restarted bob"])
      // What runs goes on, and is run again when it ends.
      yield* pass("2500 millis")
      yield* sight("bob", { port: 1_002 })
      assert.strictEqual(runs, 2)
      yield* Deferred.succeed(running, undefined)
      yield* settle
      assert.strictEqual(runs, 3)
      since()
      // Where something is held with it, that has to break, too: before,
      let port = 10
      const elsewhere = Effect.suspend(() => sight("bob", { port: 1_002, source: { host: "10.0.0.1", port: ++port } }))
      yield* pass("2500 millis")
      peers.holdUnsafe(key("bob"), () => {})(true)
      assert.strictEqual(since(), 0)
      yield* elsewhere
      assert.strictEqual(since(), 1)
      // or after, while it has been made anew already.
      yield* pass("2500 millis")
      const first = peers.holdUnsafe(key("bob"), () => {})
      yield* elsewhere
      const second = peers.holdUnsafe(key("bob"), () => {})
      assert.strictEqual(since(), 0)
      first(true)
      yield* settle
      assert.strictEqual(since(), 1)
      second()
      // What ends in order shows nothing.
      yield* pass("2500 millis")
      const third = peers.holdUnsafe(key("bob"), () => {})
      yield* elsewhere
      third()
      yield* settle
      assert.strictEqual(since(), 0)
    }))

  test("wheneverOnline of a role runs for who holds it, and as long as he does", () =>
    Effect.gen(function*() {
      const { key, peers, sight } = yield* setUp()
      let asked = false
      yield* Effect.acquireRelease(
        Effect.sync(() => peers.followUnsafe({ wanted: (wanted) => void (asked = wanted), settled: () => undefined })),
        (end) => Effect.sync(end)
      )
      const offers = (label: string, ...roles: ReadonlyArray<string>) => {
        const offer = { roles, meta: {}, functions: {}, draining: false, topics: [] }
        return Effect.andThen(Effect.sync(() => peers.offeredUnsafe(key(label), { claimed: offer, offer })), settle)
      }
      yield* sight("bob")
      yield* sight("carol", { port: 2_000 })
      yield* offers("bob", "worker")
      const log: Array<string> = []
      const bound = yield* fork(peers.wheneverOnline({ role: "worker" }, (peer) =>
        Effect.suspend(() => {
          log.push(`+${peer.name}`)
          return peer.name === "mallory" ? Effect.fail("mallory") : Effect.never
        }).pipe(Effect.onInterrupt(() => Effect.sync(() => void log.push(`-${peer.name}`))))))
      yield* settle
      const look = () => log.splice(0)
      assert.deepStrictEqual([asked, look()], [true, ["+bob"]])
      yield* offers("carol", "gateway", "worker")
      assert.deepStrictEqual(look(), ["+carol"])
      yield* offers("bob", "gateway")
      assert.deepStrictEqual(look(), ["-bob"])
      yield* sight("mallory", { port: 3_000 })
      yield* offers("mallory", "worker")
      yield* offers("bob", "worker")
      assert.deepStrictEqual(look(), ["+mallory", "+bob"])
      yield* sight("carol", { port: 0 })
      assert.deepStrictEqual(look(), ["-carol"])
      yield* Fiber.interrupt(bound)
      yield* settle
      assert.deepStrictEqual([asked, look()], [false, ["-bob"]])
    }))

  test("whileOnline takes a peer that cannot be reached, before it is known that it is gone, for lost", () =>
    Effect.gen(function*() {
      const { key, peers, sight } = yield* setUp()
      yield* sight("bob")
      const bob = (yield* peers.get("bob"))!
      const [endpoint] = bob.endpoints
      const reset = (code: "going_away" | "internal", remote: boolean) =>
        new Sessions.StreamResetError({ peer: bob.name, stream: "f", code, detail: "", remote })
      const gone: ReadonlyArray<readonly [Error, reason: Peers.PeerLostError["reason"], mayHaveRun: boolean]> = [
        [new Transport.DialError({ kind: "Refused", ...endpoint! }), "Refused", false],
        [new Transport.DialError({ kind: "Timeout", ...endpoint! }), "NoAnswer", false],
        [new Transport.DialError({ kind: "NoEndpoint", host: "", port: 0, peer: "bob" }), "SessionEnded", false],
        [reset("going_away", true), "Disconnected", true]
      ]
      for (const [error, reason, mayHaveRun] of gone) {
        const scoped = yield* peers.scoped("bob")
        for (const run of [peers.whileOnline("bob", () => Effect.fail(error)), scoped.run(Effect.fail(error))]) {
          const lost = yield* Effect.flip(run)
          assert.instanceOf(lost, Peers.PeerLostError)
          assert.deepInclude(lost, { reason, mayHaveRun, publicKey: key("bob") })
        }
      }
      for (
        const error of [
          new Transport.DialError({ kind: "Refused", host: endpoint!.host, port: 9 }),
          reset("going_away", false),
          reset("internal", true)
        ]
      ) assert.strictEqual(yield* Effect.flip(peers.whileOnline("bob", () => Effect.fail(error))), error)
    }))

  test("wheneverOnline begins anew for a peer that cannot be reached or refuses, and ends for nobody else", () =>
    Effect.gen(function*() {
      const { key, peers, sight, there } = yield* setUp()
      there.set(1_000, { publicKey: key("bob") })
      there.set(2_000, { publicKey: key("carol") })
      yield* sight("bob")
      yield* sight("carol", { port: 2_000 })
      const bob = (yield* peers.get("bob"))!.endpoints[0]!
      const faults: ReadonlyArray<Error> = [
        new Transport.DialError({ kind: "Refused", ...bob }),
        ProtocolError.of("bob")(ProtocolError.remote("ERR_HANDSHAKE")),
        new Trust.UntrustedPeerError({ kind: "NotListed", peer: name("bob"), publicKey: key("bob") }),
        new Sessions.StreamResetError({ peer: name("bob"), stream: "f", code: "going_away", detail: "", remote: true })
      ]
      for (const target of ["*", "bob"]) {
        const log: Array<string> = []
        let next: ReadonlyArray<Error> = faults
        const bound = yield* fork(peers.wheneverOnline(target, (peer) =>
          Effect.suspend(() => {
            log.push(`+${peer.name}`)
            const [error] = next
            if (peer.name !== "bob" || error === undefined) return Effect.never
            next = next.slice(1)
            return Effect.fail(error)
          }).pipe(Effect.onInterrupt(() => Effect.sync(() => void log.push(`-${peer.name}`))))))
        yield* settle
        for (const _ of faults) yield* pass("2600 millis")
        assert.deepStrictEqual(log.filter((each) => each === "+bob").length, faults.length + 1, target)
        assert.deepStrictEqual(log.filter((each) => each.startsWith("-")), [])
        assert.strictEqual(log.filter((each) => each === "+carol").length, target === "*" ? 1 : 0)
        assert.isUndefined(bound.pollUnsafe())
        yield* Fiber.interrupt(bound)
      }
      // Of another peer, or of none, they are the effect's own.
      const others: ReadonlyArray<Error> = [
        new Transport.DialError({ kind: "Refused", host: bob.host, port: 9 }),
        ProtocolError.of("carol")(ProtocolError.remote("ERR_HANDSHAKE")),
        ProtocolError.remote("ERR_HANDSHAKE"),
        new Trust.UntrustedPeerError({ kind: "NotListed", peer: name("bob"), publicKey: key("carol") }),
        new Sessions.StreamResetError({ peer: name("bob"), stream: "f", code: "internal", detail: "", remote: true })
      ]
      for (const error of others) {
        const bound = yield* fork(peers.wheneverOnline("bob", () => Effect.fail(error)))
        yield* settle
        assert.isDefined(bound.pollUnsafe())
        const exit = yield* Fiber.join(bound)
        assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) === error)
      }
    }))

  test("what is held with a peer outlives its leaving, and is told when there is doubt", () =>
    Effect.gen(function*() {
      const { events, key, peers, sight, told } = yield* setUp()
      yield* sight("bob")
      let doubts = 0
      const release = peers.holdUnsafe(key("bob"), () => doubts++)
      const bound = yield* fork(peers.whileOnline("bob", () => Effect.never))
      yield* sight("bob", { port: 0 })
      assert.strictEqual(doubts, 1)
      // As after a restart.
      yield* sight("bob", { source: { host: "10.0.0.1", port: 50_001 } })
      assert.strictEqual(doubts, 2)
      yield* sight("bob", { source: { host: "10.0.0.1", port: 50_001 } })
      assert.strictEqual(doubts, 2)
      assert.isUndefined(bound.pollUnsafe())
      yield* sight("bob", { port: 0 })
      assert.deepStrictEqual(told(), ["Joined bob"])
      release()
      release()
      yield* settle
      assert.deepInclude(events[0] as object, { _tag: "Left", reason: "ConnectionsEnded" })
      assert.strictEqual(lostError(yield* Fiber.join(bound)).reason, "Left")
    }))

  test("traffic that comes behind a leaving does not take it back", () =>
    Effect.gen(function*() {
      const { events, key, peers, sight } = yield* setUp()
      yield* sight("bob")
      const release = peers.holdUnsafe(key("bob"), () => {})
      yield* sight("bob", { port: 0 })
      peers.heardUnsafe(key("bob"))
      yield* peers.proved({ name: name("bob"), publicKey: key("bob"), endpoint: undefined })
      release()
      yield* settle
      assert.deepInclude(events.at(-1) as object, { _tag: "Left", reason: "ConnectionsEnded" })
    }))
})

describe("Peers: presence", () => {
  test("costs who waits for somebody a look at each change, and no error that nobody reads", () =>
    Effect.gen(function*() {
      let asked = 0
      const tofu = TofuTrust.make()
      const trust = {
        ...tofu,
        expected: (name: Packet.NodeName) =>
          Effect.andThen(Effect.sync(() => void (asked += name === "bob" ? 1 : 0)), tofu.expected(name))
      }
      const { peers, sight } = yield* setUp({ trust })
      const waiting = yield* Effect.forkScoped(Effect.exit(peers.awaitPeer("bob", "1 second")), {
        startImmediately: true
      })
      for (let i = 0; i < 50; i++) yield* sight(`n${i}`)
      assert.strictEqual(asked, 0)
      yield* pass("1 second")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(waiting)))
      assert.strictEqual(asked, 1)
    }))

  const namesOf = (peers: ReadonlyArray<Peers.Peer>) =>
    peers.map((peer) => `${peer.name}${peer.status === "Suspect" ? "?" : ""}`)

  test("is who is there, as a value and as a stream of it", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp()
      yield* sight("b")
      const seen: Array<string> = []
      yield* SubscriptionRef.changes(peers.presence).pipe(
        Stream.runForEach((all) => Effect.sync(() => void seen.push(namesOf(all).join()))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* settle
      yield* sight("c", { port: 2_000 })
      yield* sight("a", { port: 3_000 })
      yield* sight("c", { name: "A", port: 2_000 })
      yield* sight("a", { port: 0 })
      assert.deepStrictEqual(seen.splice(0), ["b", "b,c", "a,b,c", "A,a,b", "A,b"])
      assert.deepStrictEqual(namesOf(yield* SubscriptionRef.get(peers.presence)), ["A", "b"])
      assert.strictEqual(yield* peers.all, yield* SubscriptionRef.get(peers.presence))
      yield* pass("8100 millis")
      assert.deepStrictEqual(namesOf(yield* peers.all), ["A?", "b?"])
      yield* pass("4 seconds")
      assert.strictEqual(seen.at(-1), "")
    }))

  test("holds one state for a slow reader, and that the newest", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp()
      const pull = yield* Stream.toPull(Stream.rechunk(SubscriptionRef.changes(peers.presence), 1))
      const take = Effect.map(pull, ([all]) => all.length)
      assert.strictEqual(yield* take, 0)
      for (let i = 0; i < 30; i++) yield* sight(`n${i}`)
      const rest = [yield* take]
      while (rest.at(-1)! < 30) rest.push(yield* take)
      assert.isAtMost(rest.length, 3)
    }))

  test("of one name is its peer, or nobody", () =>
    Effect.gen(function*() {
      const { peers, sight } = yield* setUp()
      const seen: Array<string> = []
      yield* peers.presenceOf("bob").pipe(
        Stream.runForEach((peer) => Effect.sync(() => void seen.push(peer === undefined ? "-" : peer.status))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* settle
      yield* sight("carol", { port: 2_000 })
      yield* sight("bob")
      yield* sight("other", { name: "bob", port: 3_000 })
      yield* sight("other", { name: "bob", port: 0 })
      yield* pass("12 seconds")
      assert.deepStrictEqual(seen, ["-", "Online", "-", "Online", "Suspect", "-"])
    }))
})

describe("Peers: reasons", () => {
  test("of joining: new, returned, or known before somebody looked", () =>
    Effect.gen(function*() {
      const { events, peers, sight } = yield* setUp()
      yield* sight("bob")
      yield* sight("bob", { port: 0 })
      yield* sight("bob")
      yield* pass("12 seconds")
      yield* sight("bob")
      assert.deepStrictEqual(
        events.flatMap((event) =>
          event._tag === "Joined" || event._tag === "Left" ? [`${event._tag} ${event.reason}`] : []
        ),
        ["Joined New", "Left SaidSo", "Joined Returned", "Joined Returned"]
      )
      const [first] = yield* Stream.runCollect(Stream.take(peers.changes, 1))
      assert.isTrue(first?._tag === "Joined" && first.reason === "Known")
    }))

  test("of joining are remembered of so many keys and no more", () =>
    Effect.gen(function*() {
      const { events, sight } = yield* setUp({ limits: { unprovedPeers: 2 } })
      for (const label of ["a", "b", "c"]) {
        yield* sight(label)
        yield* sight(label, { port: 0 })
      }
      for (const label of ["c", "a"]) yield* sight(label)
      assert.deepStrictEqual(
        events.flatMap((event) => event._tag === "Joined" ? [`${event.peer.name} ${event.reason}`] : []),
        ["a New", "b New", "c New", "c Returned", "a New"]
      )
    }))

  test("of return: by an advert, an answer, or traffic, and after how long a silence", () =>
    Effect.gen(function*() {
      const { events, key, peers, sight, there } = yield* setUp()
      yield* sight("bob")
      yield* pass("8200 millis")
      peers.heardUnsafe(key("bob"))
      yield* pass("8200 millis")
      yield* sight("bob")
      there.set(1_000, { publicKey: key("bob") })
      yield* pass("8200 millis")
      const returned = events.flatMap((event) => event._tag === "Returned" ? [event] : [])
      assert.deepStrictEqual(returned.map(({ reason }) => reason), ["Traffic", "Advert", "Probe"])
      for (const { peer, silentFor } of returned) {
        assert.strictEqual(peer.status, "Online")
        assert.isAtLeast(Duration.toMillis(silentFor), 7_500)
        assert.isAtMost(Duration.toMillis(silentFor), 8_200)
      }
    }))

  test("of a probe: what it came to, and how often it asked; none where it became moot", () =>
    Effect.gen(function*() {
      const { events, sight, there } = yield* setUp()
      yield* sight("bob")
      yield* pass("9200 millis")
      yield* sight("bob")
      // What was asked before is forgotten.
      yield* pass("3 seconds")
      assert.isFalse(events.some(({ _tag }) => _tag === "Probed"))
      yield* pass("6400 millis")
      there.set(1_000, "refused")
      yield* pass("2 seconds")
      const probed = events.find((event) => event._tag === "Probed")
      assert.isTrue(probed?._tag === "Probed" && probed.reason === "Refused" && probed.tries > 1)
      assert.deepInclude(events.at(-1) as object, { _tag: "Lost", reason: "Refused" })
    }))
})

describe("Peers: an operator's decision", () => {
  test("ends what is bound to a peer under the name that it loses, and nothing under its other", () =>
    Effect.gen(function*() {
      const { key, names, peers, sight } = yield* setUp()
      yield* sight("k", { name: "bob" })
      yield* sight("k", { name: "carol", host: "10.0.0.66" })
      const fork = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.forkScoped(Effect.exit(effect), { startImmediately: true })
      const begun: Array<string> = []
      const run = (peer: Peers.Peer) => Effect.andThen(Effect.sync(() => void begun.push(peer.publicKey)), Effect.never)
      const [bob, carol] = [yield* fork(peers.whileOnline("bob", run)), yield* fork(peers.whileOnline("carol", run))]
      yield* Effect.forkScoped(peers.wheneverOnline("bob", run), { startImmediately: true })
      yield* settle
      yield* peers.resolveConflict(name("bob"), key("rightful"))
      yield* settle
      const error = lostError(yield* Fiber.join(bob))
      assert.deepStrictEqual([error.peer as string, error.reason], ["bob", "Conflict"])
      assert.isUndefined(carol.pollUnsafe())
      assert.deepStrictEqual(yield* names, ["carol"])
      begun.length = 0
      yield* sight("rightful", { name: "bob" })
      assert.deepStrictEqual(begun, [key("rightful")])
    }))

  const pinned = Effect.gen(function*() {
    const world = yield* setUp()
    yield* world.trust.proved(name("bob"), world.key("old"))
    yield* world.sight("old", { name: "bob" })
    yield* world.sight("new", { name: "bob", host: "10.0.0.9" })
    return world
  })

  test("gives a pinned name to another key: at once, and for everything that was bound to the old one", () =>
    Effect.gen(function*() {
      const { events, key, peers, sight, told, trust } = yield* pinned
      assert.deepStrictEqual(yield* peers.conflicts, [{
        name: name("bob"),
        expected: key("old"),
        claims: [{ publicKey: key("new"), source: { host: "10.0.0.9", port: 50_000 } }]
      }])
      assert.strictEqual((yield* peers.resolveOne("bob")).publicKey, key("old"))
      const bound = yield* Effect.forkScoped(Effect.exit(peers.whileOnline("bob", () => Effect.never)), {
        startImmediately: true
      })
      told()
      yield* peers.resolveConflict(name("bob"), key("new"))
      yield* settle
      assert.strictEqual(lostError(yield* Fiber.join(bound)).reason, "Conflict")
      assert.deepStrictEqual(events.map(short), ["Lost bob Conflict", "Joined bob"])
      const bob = yield* peers.resolveOne("bob")
      assert.strictEqual(bob.publicKey, key("new"))
      assert.isFalse(bob.proved)
      assert.deepStrictEqual(yield* peers.conflicts, [])
      assert.strictEqual(yield* trust.expected(name("bob")), key("new"))
      // The old one is the stranger now.
      yield* sight("old", { name: "bob" })
      assert.strictEqual((yield* peers.resolveOne("bob")).publicKey, key("new"))
      assert.deepInclude(events.at(-1) as object, { _tag: "KeyConflict", expected: key("new"), publicKey: key("old") })
    }))

  test("may be for the key that has the name", () =>
    Effect.gen(function*() {
      const { key, peers, told } = yield* pinned
      told()
      yield* peers.resolveConflict(name("bob"), key("old"))
      assert.deepStrictEqual(told(), [])
      assert.deepStrictEqual(yield* peers.conflicts, [])
      assert.strictEqual((yield* peers.resolveOne("bob")).publicKey, key("old"))
    }))

  test("settles a name that two share, whether the policy pins or not", () =>
    Effect.gen(function*() {
      for (const trust of [undefined, Context.get(yield* Layer.build(AnyTrust.layer), Trust.Trust)]) {
        const { key, peers, sight } = yield* setUp(trust === undefined ? {} : { trust })
        yield* sight("one", { name: "bob" })
        yield* sight("two", { name: "bob", host: "10.0.0.9" })
        const [conflict, ...others] = yield* peers.conflicts
        assert.deepStrictEqual(others, [])
        assert.isUndefined(conflict?.expected)
        assert.deepStrictEqual(
          new Set(conflict?.claims.map(({ publicKey }) => publicKey)),
          new Set([key("one"), key("two")])
        )
        yield* peers.resolveConflict(name("bob"), key("two"))
        assert.strictEqual((yield* peers.resolveOne("bob")).publicKey, key("two"))
        yield* sight("one", { name: "bob" })
        assert.strictEqual((yield* peers.resolveOne("bob")).publicKey, key("two"))
        assert.strictEqual((yield* peers.all).length, 1)
      }
    }))

  test("holds against who proves its key under the name, and so does this node's own name", () =>
    Effect.gen(function*() {
      const trust = Context.get(yield* Layer.build(AnyTrust.layer), Trust.Trust)
      const { key, names, peers, sight } = yield* setUp({ trust })
      yield* peers.resolveConflict(name("bob"), key("bob"))
      yield* sight("other", { name: "carol" })
      for (const taken of ["bob", "self"]) {
        yield* peers.proved({ name: name(taken), publicKey: key("other"), endpoint: undefined })
        assert.isUndefined(yield* peers.get(taken))
        assert.deepStrictEqual(yield* names, ["carol"])
      }
      yield* peers.proved({ name: name("dave"), publicKey: key("other"), endpoint: undefined })
      assert.deepStrictEqual(yield* names, ["dave"])
    }))

  test("cannot go against a list, nor give this node's own name away", () =>
    Effect.gen(function*() {
      const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
      const right = crypto.generateKeyPair().publicKey
      const list = Context.get(yield* Layer.build(AllowListTrust.layer([[name("bob"), right]])), Trust.Trust)
      const { key, own, peers, sight } = yield* setUp({ trust: list })
      yield* sight("bob", { key: right })
      const error = yield* Effect.flip(peers.resolveConflict(name("bob"), key("wrong")))
      assert.deepInclude(error, { _tag: "UntrustedPeerError", kind: "KeyChanged", expected: right })
      assert.strictEqual((yield* peers.resolveOne("bob")).publicKey, right)
      yield* peers.resolveConflict(name("self"), key("wrong"))
      assert.notStrictEqual(own, key("wrong"))
      yield* sight("wrong", { name: "self" })
      assert.isUndefined(yield* peers.get("self"))
    }))

  test("is asked for with no more claims than memory allows, and forgets those that are over", () =>
    Effect.gen(function*() {
      const { key, peers, sight, trust } = yield* setUp()
      yield* trust.proved(name("bob"), key("bob"))
      for (let i = 0; i < 20; i++) yield* sight(`imposter ${i}`, { name: "bob" })
      const [conflict] = yield* peers.conflicts
      assert.deepStrictEqual(
        conflict?.claims.map(({ publicKey }) => publicKey),
        [16, 17, 18, 19].map((i) => key(`imposter ${i}`))
      )
      yield* pass("61 seconds")
      assert.deepStrictEqual(yield* peers.conflicts, [])
    }))
})

describe("Peers: a process that is frozen", () => {
  const watch = ({ node }: SimWorld.SimNode) =>
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* node.peers.changes.pipe(
        Stream.runForEach((event) => Effect.sync(() => void events.push(short(event)))),
        Effect.forkScoped({ startImmediately: true })
      )
      return events
    })

  for (const seconds of [5, 10, 20, 120]) {
    test(`for ${seconds} s blames nobody for that time`, () =>
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({
          seed: seconds,
          link: { latency: { min: "1 millis", max: "5 millis" } }
        })
        const [alice, bob, carol] = yield* Effect.forEach(
          ["alice", "bob", "carol"],
          (name) => SimWorld.startNode(network, { name })
        )
        yield* pass("7 seconds")
        const [byAlice, byBob] = [yield* watch(alice!), yield* watch(bob!)]
        yield* settle
        byAlice.length = 0
        byBob.length = 0
        yield* alice!.process.pause
        yield* pass(Duration.seconds(seconds))
        yield* alice!.process.resume
        yield* pass("30 seconds")
        assert.deepStrictEqual(byAlice.filter((event) => /^(?:Suspected|Lost)/.test(event)), [])
        assert.deepStrictEqual((yield* alice!.node.peers.all).map((peer) => peer.name as string), ["bob", "carol"])
        // The others noticed, where it was long enough, and noticed its return.
        assert.deepStrictEqual(
          byBob.filter((event) => event.startsWith("Lost")),
          seconds >= 10 ? ["Lost alice NoAnswer"] : []
        )
        for (const { node } of [bob!, carol!]) assert.isDefined(yield* node.peers.get("alice"))
      }))
  }

  test("and does not hold a real loss back for long", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 9 })
      const [alice, bob] = yield* Effect.forEach(["alice", "bob"], (name) => SimWorld.startNode(network, { name }))
      yield* pass("5 seconds")
      const byAlice = yield* watch(alice!)
      yield* alice!.process.pause
      yield* bob!.host.crash
      yield* pass("20 seconds")
      yield* alice!.process.resume
      yield* pass("15 seconds")
      assert.deepStrictEqual(byAlice, ["Joined bob", "Suspected bob", "Probed bob NoAnswer", "Lost bob NoAnswer"])
    }))
})

describe("Peers: discovery that fails", () => {
  test("leaves the table as it is", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(Layer.fresh(
        PeerTable.layer.pipe(
          Layer.provide(Layer.succeed(Discovery.Discovery, {
            advertise: () => Effect.void,
            sightings: Stream.fail(new Discovery.DiscoveryError({ kind: "Unknown", address: "x", port: 1 }))
          })),
          Layer.provide(
            Layer.succeed(Transport.Transport, { listen: undefined, dials: () => true, dial: () => Effect.never })
          ),
          Layer.provide(AnyTrust.layer),
          Layer.provide(NodeOptions.layer({ name: "self" })),
          Layer.provide(PortableCrypto.layer)
        )
      ))
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* Context.get(context, Peers.Peers).all, [])
    }))
})

describe("peers of a crowd", () => {
  /** A crowd in which each is heard every ten seconds, and a discovery that gives what it hears at once. */
  const crowdOf = (who: Discovery.Crowd["who"], more: Partial<Discovery.Crowd> = {}) => {
    let take: (sighting: Discovery.Sighting) => void = () => {}
    let known: Discovery.Known | undefined
    return {
      discovery: {
        crowd: {
          attend: (told) => {
            known = told
          },
          interval: () => 10_000,
          who,
          doubt: () => Effect.void,
          ...more
        },
        forEach: (given) =>
          Effect.sync(() => {
            take = given
          })
      } satisfies Pick<Discovery.Discovery["Service"], "crowd" | "forEach">,
      doubted: (publicKey: PublicKey.PublicKey, host?: string) => known!.doubted(publicKey, host),
      hear: (label: string, publicKey: PublicKey.PublicKey, port = 1_000, more: Partial<Discovery.Sighting> = {}) =>
        take({
          name: name(label),
          publicKey,
          endpoint: { host: "10.0.0.1", port },
          source: { host: "10.0.0.1", port: 50_000 },
          via: "broadcast",
          answer: Effect.void,
          ...more
        })
    }
  }

  test("are looked at every three intervals where they are many, and meanwhile those alone that are silent", () =>
    Effect.gen(function*() {
      const silent = 3
      const crowd = crowdOf(({ host }) =>
        Effect.sync(() => {
          const i = Number(host.split(".").at(-1))
          if (i >= silent) hear(i)
          return i >= silent
        })
      )
      const { events, key } = yield* setUp({ discovery: crowd.discovery })
      const hear = (i: number) =>
        crowd.hear(`bob ${i}`, key(`bob ${i}`), 1_000, { source: { host: `10.0.1.${i}`, port: 50_000 } })
      let looks = 0
      crowd.hear("kept", key("kept"), 1_000, {
        via: "kept",
        thereUntil: () => {
          looks++
          return Infinity
        }
      })
      for (let seconds = 0; seconds < 60; seconds++) {
        // Those that are silent were heard last one after another.
        for (let i = 0; i < 50; i++) if (seconds % 10 === 0 && i >= silent || seconds === 3 * i) hear(i)
        yield* pass("500 millis")
        yield* pass("500 millis")
      }
      assert.deepStrictEqual(
        events.flatMap((event) => event._tag === "Suspected" ? [event.peer.name as string] : []),
        ["bob 0", "bob 1", "bob 2"]
      )
      assert.isAtMost(looks, 10)
    }).pipe(quietly))

  for (
    const [how, who] of [
      ["dies", () => Effect.die(new Error("no socket"))],
      ["throws", () => {
        throw new Error("no socket")
      }],
      ["is interrupted", () => Effect.interrupt],
      ["never ends", () => Effect.never]
    ] as const
  ) {
    test(`are lost where a question of the discovery's ${how}`, () =>
      Effect.gen(function*() {
        const crowd = crowdOf(who)
        const { events, key } = yield* setUp({ discovery: crowd.discovery })
        for (const label of ["bob", "carol"]) crowd.hear(label, key(label))
        for (let i = 0; i < 140; i++) yield* pass("500 millis")
        assert.deepStrictEqual(
          events.flatMap((event) => event._tag === "Lost" ? [event.peer.name as string] : []).sort(),
          ["bob", "carol"]
        )
      }).pipe(quietly))
  }

  for (
    const [how, fault] of [
      ["throws", () => {
        throw new Error("no socket")
      }],
      ["gives what is no answer", () => undefined as never],
      ["gives a number that is none", () => NaN as never],
      ["gives an end that never comes", () => Infinity as never],
      ["gives a number that is too small", () => 1 as never]
    ] as const
  ) {
    test(`are looked after where all that a discovery has for a crowd ${how}`, () =>
      Effect.gen(function*() {
        const crowd = crowdOf(fault, { attend: fault, interval: fault, doubt: fault })
        const { events, key, told } = yield* setUp({ discovery: crowd.discovery })
        for (const label of ["bob", "carol"]) crowd.hear(label, key(label))
        for (let i = 0; i < 14; i++) yield* pass("500 millis")
        assert.deepStrictEqual(told(), ["Joined bob", "Joined carol"])
        for (let i = 0; i < 26; i++) yield* pass("500 millis")
        assert.deepStrictEqual(
          events.flatMap((event) => event._tag === "Lost" ? [event.peer.name as string] : []).sort(),
          ["bob", "carol"]
        )
      }).pipe(quietly))

    test(`are lost where a crowd's interval is long, and nothing else of it but ${how}`, () =>
      Effect.gen(function*() {
        let known: Discovery.Known | undefined
        const crowd = crowdOf(fault, {
          attend: (told) => {
            known = told
          },
          doubt: fault
        })
        const { events, key } = yield* setUp({ discovery: crowd.discovery })
        crowd.hear("bob", key("bob"))
        yield* pass("3 seconds")
        known!.doubted(key("bob"), "10.0.0.9")
        for (let i = 0; i < 40; i++) yield* pass("500 millis")
        assert.deepStrictEqual(events.flatMap((event) => event._tag === "Lost" ? [event.peer.name as string] : []), [
          "bob"
        ])
      }).pipe(quietly))
  }

  /** Peers at sockets of their own, and which of these are asked: so few that it asks none by itself that was heard in the last 5.6 s. */
  const askedOf = (labels: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const crowd = crowdOf(({ host, port }) =>
        Effect.sync(() => {
          asked.push(`${host}:${port}`)
          return true
        }), { interval: () => 2_500 })
      const { key, peers, told } = yield* setUp({ discovery: crowd.discovery })
      for (const [i, label] of labels.entries()) {
        crowd.hear(label, key(label), 1_000, { source: { host: `10.0.0.${i + 1}`, port: 50_000 + i } })
      }
      yield* pass("2600 millis")
      asked.splice(0)
      return { asked, crowd, key, peers, told }
    })

  test("that a host names are asked in its turn, however many another one names", () =>
    Effect.gen(function*() {
      const labels = Array.from({ length: 60 }, (_, i) => `n${i}`)
      const { asked, crowd, key } = yield* askedOf([...labels, "honest"])
      for (let i = 0; i < 10; i++) {
        for (const label of labels) crowd.doubted(key(label), "10.0.0.66")
        yield* pass("100 millis")
      }
      crowd.doubted(key("honest"), "10.0.0.2")
      for (let i = 0; i < 4; i++) yield* pass("500 millis")
      assert.include(asked, "10.0.0.61:50060")
      assert.isAtMost(asked.length, 8 * 3)
    }).pipe(quietly))

  test("that are all said to be at one host are asked there two a second, and others meanwhile", () =>
    Effect.gen(function*() {
      const { asked, crowd, key } = yield* askedOf(["bob", "carol"])
      const madeUp = Array.from({ length: 40 }, (_, i) => `n${i}`)
      for (const label of madeUp) crowd.hear(label, key(label), 1_000, { source: { host: "10.0.0.77", port: 50_000 } })
      for (const [i, label] of ["bob", "carol"].entries()) {
        crowd.hear(label, key(label), 1_000, { source: { host: `10.0.0.${i + 1}`, port: 50_000 + i } })
      }
      yield* pass("2600 millis")
      for (let i = 0; i < 10; i++) {
        for (const label of madeUp) crowd.doubted(key(label), `10.0.1.${i}`)
        yield* pass("100 millis")
      }
      for (const label of ["bob", "carol"]) crowd.doubted(key(label), "10.0.2.1")
      for (let i = 0; i < 2; i++) yield* pass("500 millis")
      assert.deepStrictEqual(asked.filter((one) => !one.startsWith("10.0.0.77")), ["10.0.0.1:50000", "10.0.0.2:50001"])
      assert.isAtMost(asked.length, 2 + 2 * 2)
      assert.isAtLeast(asked.length, 2 + 2)
    }).pipe(quietly))

  test("that were heard since a host named them are asked when another one names them, and not when it does again", () =>
    Effect.gen(function*() {
      const { asked, crowd, key } = yield* askedOf(["bob"])
      const hear = () => crowd.hear("bob", key("bob"), 1_000, { source: { host: "10.0.0.1", port: 50_000 } })
      const asks = (host: string) =>
        Effect.gen(function*() {
          asked.splice(0)
          crowd.doubted(key("bob"), host)
          for (let i = 0; i < 2; i++) yield* pass("500 millis")
          return asked.length
        })
      hear()
      yield* pass("2600 millis")
      assert.strictEqual(yield* asks("10.0.0.66"), 1)
      hear()
      yield* pass("2600 millis")
      assert.strictEqual(yield* asks("10.0.0.66"), 0)
      assert.strictEqual(yield* asks("10.0.0.2"), 1)
    }).pipe(quietly))

  test("that are named have a slice to say that they are there before they are asked", () =>
    Effect.gen(function*() {
      const { asked, crowd, key } = yield* askedOf(["bob"])
      crowd.doubted(key("bob"), "10.0.0.66")
      yield* pass("500 millis")
      assert.deepStrictEqual(asked, [])
      crowd.hear("bob", key("bob"), 1_000, { source: { host: "10.0.0.1", port: 50_000 } })
      for (let i = 0; i < 3; i++) yield* pass("500 millis")
      assert.deepStrictEqual(asked, [])
    }).pipe(quietly))

  test("that have several places are asked at one after another", () =>
    Effect.gen(function*() {
      const { asked, crowd, key, told } = yield* askedOf(["bob"])
      crowd.hear("bob", key("bob"), 1_000, {
        source: { host: "10.0.1.1", port: 50_000 },
        endpoint: { host: "10.0.1.1", port: 1_000 }
      })
      yield* pass("2600 millis")
      told()
      asked.splice(0)
      crowd.doubted(key("bob"), "10.0.0.2")
      for (let i = 0; i < 3; i++) yield* pass("500 millis")
      assert.deepStrictEqual(asked, ["10.0.1.1:50000", "10.0.0.1:50000"])
      assert.deepStrictEqual(told(), [])
      yield* pass("500 millis")
      assert.deepStrictEqual(told(), ["Suspected bob"])
    }).pipe(quietly))

  test("that ask are asked where their adverts came from, and where they ask from as long as there were none", () =>
    Effect.gen(function*() {
      const { asked, crowd, key } = yield* askedOf(["bob"])
      const asks = (label: string, port: number) =>
        crowd.hear(label, key(label), 1_000, { source: { host: "10.0.0.1", port }, asks: true })
      asks("bob", 60_000)
      asks("carol", 60_001)
      yield* pass("2600 millis")
      asked.splice(0)
      crowd.doubted(key("bob"), "10.0.0.2")
      crowd.doubted(key("carol"), "10.0.0.2")
      for (let i = 0; i < 4; i++) yield* pass("500 millis")
      assert.deepStrictEqual([...new Set(asked)].sort(), ["10.0.0.1:50000", "10.0.0.1:60001"])
    }).pipe(quietly))

  test("that are suspects together are suspected each if it is there and silent still, whatever a reader does who hears of the first", () =>
    Effect.gen(function*() {
      const crowd = crowdOf(() => Effect.succeed(true))
      const { key, peers, told } = yield* setUp({ discovery: crowd.discovery })
      const labels = ["bob", "carol", "dave"]
      for (const label of labels) crowd.hear(label, key(label))
      yield* peers.changes.pipe(
        Stream.runForEach((event) =>
          Effect.sync(() => {
            if (event._tag !== "Suspected" || event.peer.name !== "bob") return
            crowd.hear("carol", key("carol"), 0)
            crowd.hear("dave", key("dave"))
          })
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* pass("3 seconds")
      told()
      for (const label of labels) crowd.doubted(key(label))
      for (let i = 0; i < 4; i++) yield* pass("500 millis")
      assert.deepStrictEqual(told(), ["Suspected bob", "Left carol"])
      assert.deepStrictEqual(
        (yield* peers.all).map(({ name, status }) => `${name} ${status}`),
        ["bob Suspect", "dave Online"]
      )
    }))

  test("that a reader takes off in the middle of their advert stay off", () =>
    Effect.gen(function*() {
      const crowd = crowdOf(() => Effect.succeed(true))
      const { key, names, peers } = yield* setUp({ discovery: crowd.discovery })
      crowd.hear("bob", key("bob"))
      yield* peers.changes.pipe(
        Stream.runForEach((event) =>
          event._tag === "Returned" ? Effect.ignore(peers.resolveConflict(name("bob"), key("another"))) : Effect.void
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* pass("3 seconds")
      crowd.doubted(key("bob"))
      for (let i = 0; i < 4; i++) yield* pass("500 millis")
      assert.deepStrictEqual((yield* peers.all).map(({ status }) => status), ["Suspect"])
      // It says another address, under its name.
      crowd.hear("bob", key("bob"), 2_000)
      yield* settle
      assert.deepStrictEqual(yield* names, [])
    }))
})
