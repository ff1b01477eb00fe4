/** What a node finds out of what its peers offer, and from whom it takes what. */
import { assert, describe, it } from "@effect/vitest"
import {
  type AdvancedNode,
  AllowListTrust,
  AnyTrust,
  BasicNode,
  Peers,
  type Sessions,
  TofuTrust,
  Trust
} from "@pnet/core"
import { failureOf, type Net, quietly, start as startNode } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { Clock, Context, Effect, Exit, Layer, Logger, Scope, Stream } from "effect"

type Options = Partial<AdvancedNode.Options>
type Started = Effect.Success<ReturnType<typeof startNode>>

const open = Trust.open(TofuTrust.layer()).pipe(Layer.provide(Logger.layer([])))

const start = (network: Net, name: string, options: Options = {}, overrides: Parameters<typeof startNode>[2] = {}) =>
  startNode(network, { broadcastInterval: "1 second", ...options, name }, { trust: open, ...overrides })

const offerOf = ({ node }: Started, name: string) => Effect.map(node.peers.get(name), (peer) => peer?.offer)

/** The events of what peers offer that a node has from now on. */
const events = ({ node }: Started) =>
  Effect.gen(function*() {
    const seen: Array<Peers.Peer> = []
    yield* Effect.forkScoped(Stream.runForEach(node.peers.changes, (event) =>
      Effect.sync(() => {
        if (event._tag === "Offered") seen.push(event.peer)
      })))
    return seen
  })

/** Has a node answer who asks what it offers by what a test says. */
const answering = (
  { node }: Started,
  say: (stream: Sessions.SessionStream) => Effect.Effect<void, Sessions.StreamError>
) =>
  Effect.gen(function*() {
    const asked: Array<Sessions.SessionStream> = []
    yield* node.sessions.handle({ protocol: "offer", name: "" }, (stream) => {
      asked.push(stream)
      return Effect.ignore(say(stream))
    })
    return asked
  })

const utf8 = (line: string) => new TextEncoder().encode(line)

describe("what peers offer", () => {
  it.effect("is asked while somebody wants to know, and for a minute more; events and presence have it", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(network, "bob", { roles: ["worker"], meta: { zone: "a" } })
      const alice = yield* start(network, "alice")
      yield* alice.node.peers.awaitPeer("bob")
      const seen = yield* events(alice)
      yield* Effect.sleep("10 seconds")
      assert.strictEqual((yield* alice.node.sessions.all).length, 0)
      assert.isUndefined(yield* offerOf(alice, "bob"))

      const scope = yield* Scope.make()
      yield* Scope.provide(alice.node.peers.interested, scope)
      yield* Effect.sleep("500 millis")
      assert.deepStrictEqual(yield* offerOf(alice, "bob"), {
        roles: ["worker"],
        meta: { zone: "a" },
        functions: {},
        draining: false,
        topics: []
      })
      yield* bob.node.offer.update({ roles: ["gpu"], capacity: 2 })
      yield* Effect.sleep("500 millis")
      assert.deepStrictEqual(seen.map(({ offer }) => offer?.roles), [["worker"], ["gpu"]])
      assert.strictEqual(seen[1]!.offer?.capacity, 2)
      assert.deepStrictEqual(alice.node.peers.presence.value.map(({ offer }) => offer?.roles), [["gpu"]])

      yield* Scope.close(scope, Exit.void)
      yield* Effect.sleep("50 seconds")
      assert.deepStrictEqual((yield* offerOf(alice, "bob"))?.roles, ["gpu"])
      yield* Effect.sleep("20 seconds")
      assert.isUndefined(yield* offerOf(alice, "bob"))
      assert.strictEqual((yield* alice.node.sessions.all)[0]!.streams, 0)
      assert.isUndefined(seen.at(-1)!.offer)

      // And again.
      yield* alice.node.peers.interested
      yield* Effect.sleep("500 millis")
      assert.deepStrictEqual((yield* offerOf(alice, "bob"))?.roles, ["gpu"])
    })))

  it.effect("is asked all the time where the options say so, and of a peer that was started anew", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice", { offers: "all" })
      const bob = yield* start(network, "bob", { roles: ["old"] })
      yield* Effect.sleep("3 seconds")
      assert.deepStrictEqual((yield* offerOf(alice, "bob"))?.roles, ["old"])
      yield* bob.process.kill
      yield* start(network, "bob", { roles: ["new"] }, { host: bob.host, trust: Trust.open(TofuTrust.layer()) })
      yield* Effect.sleep("20 seconds")
      // It has another key, so that its name is its old one's by trust on first use.
      assert.deepStrictEqual(yield* alice.node.peers.all, [])
      const carol = yield* start(network, "carol", { roles: ["new"] })
      yield* Effect.sleep("3 seconds")
      assert.deepStrictEqual((yield* offerOf(alice, "carol"))?.roles, ["new"])
      yield* carol.process.stop
      yield* Effect.sleep("3 seconds")
      assert.deepStrictEqual(yield* alice.node.peers.all, [])
    })))

  it.effect("is known as far as the trust policy grants it, which may change", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const functions = { "resize.small": () => "", "secret": () => "" }
      const bob = yield* start(network, "bob", { roles: ["worker", "admin"], meta: { zone: "a" }, functions })
      const eve = yield* start(network, "eve", { roles: ["worker"], functions })
      const list = yield* AllowListTrust.make([
        ["bob", bob.node.publicKey, { roles: ["worker"], serves: ["resize.*"] }],
        ["eve", eve.node.publicKey]
      ])
      const log: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])
      const alice = yield* start(network, "alice", { offers: "all" }, {
        trust: Layer.succeed(Trust.Trust, list),
        logger
      })
      yield* alice.node.peers.awaitPeers({ role: "worker" })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(yield* offerOf(alice, "bob"), {
        roles: ["worker"],
        meta: { zone: "a" },
        functions: { "resize.small": "" },
        draining: false,
        topics: []
      })
      assert.deepStrictEqual(yield* offerOf(alice, "eve"), {
        roles: [],
        meta: {},
        functions: {},
        draining: false,
        topics: []
      })
      const lines = log.filter((line) => line.includes("the role"))
      assert.lengthOf(lines, 2, log.join("\n"))
      for (const line of lines) {
        assert.match(line, /, which the trust policy does not grant to it; see .*#nobody-offers$/)
      }

      yield* list.add("eve", eve.node.publicKey, { roles: ["*"], serves: ["*"] })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual((yield* offerOf(alice, "eve"))?.roles, ["worker"])
      assert.deepStrictEqual(
        (yield* alice.node.peers.resolve({ serves: "secret" })).map(({ name }) => String(name)),
        ["eve"]
      )
    })))

  it.effect("has the subscriptions that the policy grants, and the log says seldom which it does not", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(network, "bob")
      const said = ["build.>", "build.*.failed", "readings", "*.failed", ">"]
      const topics = said.map((topic, i) => ({ id: i + 1, topic }))
      yield* answering(bob, (stream) =>
        Effect.gen(function*() {
          for (let i = 0; i < 20; i++) {
            yield* stream.write(utf8(`${JSON.stringify({ topics, meta: { i } })}\n`))
            yield* Effect.sleep("300 millis")
          }
        }))
      const list = yield* AllowListTrust.make([["bob", bob.node.publicKey, { roles: ["worker"] }]])
      const log: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])
      const alice = yield* start(network, "alice", { offers: "all" }, {
        trust: Layer.succeed(Trust.Trust, list),
        logger
      })
      yield* alice.node.peers.awaitPeer("bob")
      const granted = Effect.map(offerOf(alice, "bob"), (offer) => offer?.topics.map(({ topic }) => topic))
      yield* Effect.sleep("2 seconds")
      assert.deepStrictEqual(yield* granted, [])
      yield* list.add("bob", bob.node.publicKey, { subscribes: ["build.*", "readings"] })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(yield* granted, ["build.>", "build.*.failed", "readings"])
      yield* list.add("bob", bob.node.publicKey, { subscribes: ["*"] })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(yield* granted, said)
      const lines = log.filter((line) => line.includes("subscribes to"))
      assert.strictEqual(lines.length, 1, log.join("\n"))
      assert.match(lines[0]!, /"build\.>".*, which the trust policy does not grant to it; see .*#nothing-heard$/)
    })))

  it.effect("of a policy that fails is nothing but meta, and the node goes on", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const trust = Layer.effect(
        Trust.Trust,
        Effect.map(Trust.Trust, (trust) => ({ ...trust, rights: () => Effect.die("oh") }))
      )
        .pipe(Layer.provide(TofuTrust.layer()))
      const alice = yield* start(network, "alice", { offers: "all" }, { trust })
      yield* start(network, "bob", { roles: ["worker"], meta: { zone: "a" } })
      yield* Effect.sleep("3 seconds")
      assert.deepStrictEqual(yield* offerOf(alice, "bob"), {
        roles: [],
        meta: { zone: "a" },
        functions: {},
        draining: false,
        topics: []
      })
    })))

  it.effect("of peers that do not tell, or have no sessions, is not known: they are asked again seldom", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice", { offers: "all", broadcastInterval: "10 seconds" })
      const bob = yield* start(network, "bob", { roles: ["worker"], broadcastInterval: "10 seconds" })
      const asked = yield* answering(bob, (stream) => stream.reset("unsupported", "nothing serves offer here"))
      const carol = yield* SimWorld.startNode(network, {
        name: "carol",
        networkId: "sessions",
        broadcastInterval: "10 seconds"
      }, {
        crypto: NodeCrypto.layer
      })
      yield* alice.node.peers.awaitPeer("carol")
      yield* Effect.sleep("4 minutes")
      assert.strictEqual(asked.length, 1)
      assert.deepStrictEqual((yield* alice.node.peers.all).map(({ offer }) => offer), [undefined, undefined])
      yield* Effect.sleep("3 minutes")
      assert.strictEqual(asked.length, 2)
      assert.strictEqual(carol.node.name, "carol")
    })))

  it.effect("that is no offer, too long, or too much, is nothing, and its peer is not asked again for minutes", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice", { offers: "all" })
      const says: Record<string, (stream: Sessions.SessionStream) => Effect.Effect<void, Sessions.StreamError>> = {
        garbage: (stream) => stream.write(utf8("{\"roles\":[\"worker\"],\"meta\":[]}\n")),
        bytes: (stream) => stream.write(new Uint8Array(3_000).fill(0xff)),
        endless: (stream) => Effect.forever(stream.write(new Uint8Array(10_000).fill(0x20))),
        flood: (stream) => Effect.forever(stream.write(utf8("{}\n".repeat(5_000)))),
        feeds: (stream) => Effect.forever(stream.write(new Uint8Array(10_000).fill(0x0a)))
      }
      const peers = yield* Effect.forEach(Object.entries(says), ([name, say]) =>
        Effect.gen(function*() {
          const peer = yield* start(network, name)
          const asked = yield* answering(peer, (stream) => Effect.andThen(say(stream), Effect.never))
          return { name, asked }
        }))
      yield* start(network, "honest", { roles: ["worker"] })
      yield* Effect.sleep("30 seconds")
      for (const { asked, name } of peers) {
        assert.isUndefined(yield* offerOf(alice, name), name)
        assert.isAtLeast(asked.length, 1, name)
        assert.isAtMost(asked.length, name === "bytes" ? 5 : 1, name)
      }
      assert.deepStrictEqual((yield* offerOf(alice, "honest"))?.roles, ["worker"])
    })))

  it.effect("that flaps costs four events a second, and one that ends its stream is asked ever more seldom", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(network, "bob")
      yield* answering(bob, (stream) =>
        Effect.gen(function*() {
          for (let i = 0; i < 5_000; i++) {
            yield* stream.write(utf8(`{"meta":{"i":${i}}}\n`))
            yield* Effect.sleep("2 millis")
          }
        }))
      const carol = yield* start(network, "carol")
      const asked = yield* answering(carol, (stream) => stream.write(utf8("{\"roles\":[\"x\"]}\n")))
      const alice = yield* start(network, "alice", { offers: "all" })
      const seen = yield* events(alice)
      yield* Effect.sleep("10 seconds")
      const flapped = seen.filter(({ name }) => name === "bob")
      assert.isAtLeast(flapped.length, 20)
      assert.isAtMost(flapped.length, 41)
      assert.isAtMost(asked.length, 6)
      assert.deepStrictEqual((yield* offerOf(alice, "carol"))?.roles, ["x"])
    })))

  it.effect("of those who answer is known at once, however many do not", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const options = { broadcastInterval: "30 seconds" } as const
      yield* Effect.forEach(Array.from({ length: 40 }, (_, i) => i), (i) =>
        Effect.flatMap(start(network, `silent${i}`, options), (peer) => answering(peer, () => Effect.never)))
      const alice = yield* start(network, "alice", { ...options, offers: "all" })
      yield* alice.node.peers.awaitPeers("*", { atLeast: 40, within: "1 minute" })
      yield* Effect.sleep("30 seconds")
      yield* start(network, "bob", { ...options, roles: ["worker"] })
      yield* alice.node.peers.awaitPeers({ role: "worker" }, { within: "7 seconds" })
      // Who calls is not kept waiting for them.
      const begun = yield* Clock.currentTimeMillis
      yield* answering(yield* start(network, "late", options), () =>
        Effect.never)
      yield* alice.node.peers.awaitPeer("late")
      const waited = (yield* Clock.currentTimeMillis) - begun
      yield* alice.node.peers.resolve({ role: "worker" })
      assert.isAtMost((yield* Clock.currentTimeMillis) - begun - waited, 0)
    })))

  it.effect("is asked of a thousand streams of one peer four times a second, and the rest are refused", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice")
      const eve = yield* start(network, "eve")
      const peer = yield* eve.node.peers.awaitPeer("alice")
      let refused = 0
      yield* Effect.forEach(Array.from({ length: 1_000 }), () =>
        Effect.scoped(
          Effect.gen(function*() {
            const stream = yield* eve.node.sessions.open(peer, { protocol: "offer", name: "" })
            const error = yield* Effect.flip(
              Effect.raceFirst(stream.failed, Effect.as(stream.pull, Effect.never).pipe(Effect.flatten))
            )
            if ("code" in error && error.code === "refused") refused++
          }).pipe(Effect.timeoutOption("100 millis"))
        ), { concurrency: "unbounded" })
      assert.isAtLeast(refused, 990)
      yield* Effect.sleep("1 second")
      assert.strictEqual((yield* alice.node.sessions.all)[0]!.streams, 0)
    })))

  it.effect("of a policy that never answers is not known, whatever its peers say, and one fiber waits for each", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      let waiting = 0
      const trust = Layer.effect(
        Trust.Trust,
        Effect.map(Trust.Trust, (trust) => ({
          ...trust,
          rights: () =>
            Effect.suspend(() => {
              waiting++
              return Effect.ensuring(Effect.never, Effect.sync(() => waiting--))
            })
        }))
      ).pipe(Layer.provide(TofuTrust.layer()))
      const alice = yield* start(network, "alice", { offers: "all" }, { trust })
      const bob = yield* start(network, "bob", { roles: ["worker"] })
      for (let i = 0; i < 20; i++) {
        yield* Effect.sleep("300 millis")
        yield* bob.node.offer.update({ meta: { i } })
      }
      assert.strictEqual(waiting, 1)
      assert.isUndefined(yield* offerOf(alice, "bob"))
      yield* bob.process.stop
      yield* Effect.sleep("1 second")
      assert.strictEqual(waiting, 0)
    })))

  it.effect("offers: of more peers it is not known, until who was asked in vain gives way", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const log: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])
      const bob = yield* start(network, "bob")
      yield* answering(bob, (stream) => stream.reset("unsupported", ""))
      yield* start(network, "carol", { roles: ["worker"] })
      const alice = yield* start(network, "alice", { offers: "all", limits: { offers: 2 } }, { logger })
      yield* Effect.sleep("5 seconds")
      yield* start(network, "dora", { roles: ["worker"] })
      yield* Effect.sleep("5 seconds")
      assert.deepStrictEqual(
        (yield* alice.node.peers.resolve({ role: "worker" })).map(({ name }) => String(name)),
        ["carol", "dora"]
      )
      yield* start(network, "emma", { roles: ["worker"] })
      yield* Effect.sleep("5 seconds")
      assert.isUndefined(yield* offerOf(alice, "emma"))
      assert.isTrue(log.some((line) => line.includes("limits.offers")), log.join("\n"))
    })))

  it.effect("offerMemory: what one more offers is not known, which the log says, until there is room", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const log: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])
      const functions = (count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${String(i).padStart(8, "0")}`, () => ""]))
      const alice = yield* start(network, "alice", { offers: "all", limits: { offerMemory: 20_000 } }, { logger })
      const bob = yield* start(network, "bob", { functions: functions(1_000) })
      yield* Effect.sleep("3 seconds")
      const carol = yield* start(network, "carol", { functions: functions(900) })
      yield* Effect.sleep("3 seconds")
      assert.strictEqual(Object.keys((yield* offerOf(alice, "bob"))?.functions ?? {}).length, 1_000)
      assert.isUndefined(yield* offerOf(alice, "carol"))
      assert.isTrue(log.some((line) => line.includes("limits.offerMemory")), log.join("\n"))
      yield* bob.process.stop
      yield* Effect.sleep("1 second")
      yield* carol.node.offer.update({ meta: { again: true } })
      yield* Effect.sleep("1 second")
      assert.strictEqual(Object.keys((yield* offerOf(alice, "carol"))?.functions ?? {}).length, 900)
    })))

  it.effect("goes on when sessions are renewed, and when they break", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(network, "bob", {
        roles: ["worker"],
        offers: "all",
        limits: { sessionAge: "20 seconds" }
      })
      const alice = yield* start(network, "alice", { offers: "all", limits: { sessionAge: "20 seconds" } })
      yield* Effect.sleep("3 seconds")
      const seen = yield* events(alice)
      let draining = 0
      for (let i = 0; i < 10; i++) {
        yield* Effect.sleep("10 seconds")
        yield* bob.node.offer.update({ meta: { i } })
        yield* Effect.sleep("1 second")
        assert.deepStrictEqual((yield* offerOf(alice, "bob"))?.meta, { i })
        draining += (yield* alice.node.sessions.all).filter((session) => session.draining).length
      }
      assert.strictEqual(seen.length, 10)
      // None is kept for what its peer offers.
      assert.isAtMost(draining, 3)
      yield* alice.node.sessions.closeAll
      yield* Effect.sleep("3 seconds")
      yield* bob.node.offer.update({ meta: { broken: true } })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual((yield* offerOf(alice, "bob"))?.meta, { broken: true })
    })))

  it.effect(
    "of forty nodes: a change is known to all who want to know within two seconds",
    () =>
      quietly(Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const nodes = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, i) => i),
          (i) =>
            start(network, `n${i}`, {
              broadcastInterval: "30 seconds",
              offers: i % 20 === 0 ? "all" : "asked",
              roles: i % 2 === 0 ? ["worker"] : []
            }),
          { concurrency: "unbounded" }
        )
        yield* Effect.sleep("6 seconds")
        const asking = nodes.filter((_, i) => i % 20 === 0)
        const known = (role: string) =>
          Effect.forEach(asking, ({ node }) => Effect.map(node.peers.resolve({ role }), (found) => found.length))
        assert.deepStrictEqual(yield* known("worker"), asking.map(() => 19))
        yield* Effect.forEach(nodes, ({ node }, i) => i % 2 === 0 ? Effect.void : node.offer.update({ roles: ["gpu"] }))
        yield* Effect.sleep("2 seconds")
        assert.deepStrictEqual(yield* known("gpu"), asking.map(() => 20))
      }))
  )
})

describe("targets by what peers offer", () => {
  const names = (found: ReadonlyArray<Peers.Peer>) => found.map(({ name }) => String(name))

  it.effect("are those that are there, have the role, serve the functions, and for which the predicate holds", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const log: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])
      const alice = yield* start(network, "alice")
      const functions = { resize: () => "", crop: () => "" }
      const w1 = yield* start(network, "w1", { roles: ["worker"], meta: { zone: "a" }, functions })
      yield* start(network, "w2", { roles: ["worker"], meta: { zone: "b" }, functions: { resize: () => "" } })
      yield* start(network, "g1", { roles: ["gateway"], functions })
      const { peers } = alice.node
      assert.deepStrictEqual(names(yield* peers.awaitPeers({ role: "worker" }, { atLeast: 2 })), ["w1", "w2"])
      yield* peers.awaitPeers("*", { atLeast: 3 })
      const found = (where: Peers.Where) => Effect.map(peers.resolve(where), names)
      yield* peers.awaitPeers({ role: "gateway" })
      assert.deepStrictEqual(yield* found({ serves: "resize" }), ["g1", "w1", "w2"])
      assert.deepStrictEqual(yield* found({ serves: ["resize", "crop"], role: "worker" }), ["w1"])
      assert.deepStrictEqual(yield* found({ serves: [{ name: "resize", contract: "0123456789abcdef" }] }), [])
      assert.deepStrictEqual(yield* found({ where: ({ offer }) => offer?.meta["zone"] === "b" }), ["w2"])
      assert.deepStrictEqual(yield* found({ serves: "constructor" }), [])
      assert.deepStrictEqual(yield* found({ role: "worker", where: (() => Promise.resolve(true)) as never }), [])
      const picky: Peers.Where = {
        where: ({ name }) => {
          if (name === "w1") throw new Error("oh no")
          return true
        }
      }
      assert.deepStrictEqual(yield* Effect.provide(Effect.andThen(found(picky), found(picky)), logger), ["g1", "w2"])
      assert.strictEqual(log.filter((line) => line.includes("predicate")).length, 1)
      yield* w1.node.offer.update({ draining: true })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(yield* found({ role: "worker" }), ["w2"])
      for (const target of [{}, { role: undefined }, { serves: [] }, { rol: "x" }, null, undefined, { where: "x" }]) {
        assert.isTrue(Exit.hasDies(yield* Effect.exit(peers.resolve(target as never))), JSON.stringify(target))
      }
    })))

  it.effect("by topics are those with a subscription that means each of them, by its name or a pattern, as far as granted", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice")
      const ids = { s1: ["build.1.failed"], s2: ["build.*.failed", "readings"], s3: ["build.>"] }
      for (const [name, topics] of Object.entries(ids)) {
        const { node } = yield* start(network, name)
        for (const topic of topics) yield* Effect.forkScoped(Stream.runDrain(node.subscribe(topic)))
      }
      const { peers } = alice.node
      const found = (where: Peers.Where) => Effect.map(peers.resolve(where), names)
      const failed = yield* peers.awaitPeers({ subscribes: "build.1.failed" }, { atLeast: 3 })
      assert.deepStrictEqual(names(failed), ["s1", "s2", "s3"])
      yield* peers.awaitPeers({ subscribes: "readings" })
      assert.deepStrictEqual(yield* found({ subscribes: "build.2.failed" }), ["s2", "s3"])
      assert.deepStrictEqual(yield* found({ subscribes: ["build.2.failed", "readings"] }), ["s2"])
      assert.deepStrictEqual(yield* found({ subscribes: "build.2.done" }), ["s3"])
      assert.deepStrictEqual(yield* found({ subscribes: "build" }), [])
      // Those of an AdvancedNode take bytes, which is whatever there is.
      const readings = { name: "readings", contract: "0123456789abcdef" }
      assert.deepStrictEqual(yield* found({ subscribes: [readings] }), ["s2"])
      const error = yield* failureOf(peers.resolveOne(Peers.any({ role: "display", subscribes: ["a", "b"] })))
      assert.include(error.message, "no peer with the role \"display\" and subscribing to \"a\", \"b\" is known")
      for (const subscribes of [[], undefined, "build.*", "", 7]) {
        assert.isTrue(Exit.hasDies(yield* Effect.exit(peers.resolve({ subscribes } as never))), String(subscribes))
      }
      const careful = yield* start(network, "careful", {}, { trust: TofuTrust.layer() })
      yield* careful.node.peers.awaitPeers(["s1", "s2", "s3"], { atLeast: 3 })
      const refused = yield* failureOf(careful.node.peers.resolveOne(Peers.any({ subscribes: "readings" })))
      assert.include(refused.message, "\"s2\" said so, and this node's trust policy does not grant it")
    })))

  it.effect("is one of them each time, all of them in the long run, and an error that says why where there is none", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice")
      yield* start(network, "w1", { roles: ["worker"] })
      yield* start(network, "w2", { roles: ["worker"] })
      const { peers } = alice.node
      yield* peers.awaitPeers({ role: "worker" }, { atLeast: 2 })
      const any = Peers.any({ role: "worker" })
      const drawn = yield* Effect.forEach(Array.from({ length: 40 }), () => peers.resolveOne(any))
      assert.deepStrictEqual([...new Set(names(drawn))].sort(), ["w1", "w2"])
      const error = yield* failureOf(peers.resolveOne(Peers.any({ role: "gpu" })))
      assert.strictEqual(error._tag, "PeerUnknownError")
      assert.include(
        error.message,
        "no peer with the role \"gpu\" is known; known are \"w1\", \"w2\", and none of them says so"
      )
      const few = yield* failureOf(peers.awaitPeers({ role: "worker" }, { atLeast: 3, within: "3 seconds" }))
      assert.include(few.message, "2 of 3 peers with the role \"worker\" were there after 3s")
      for (const atLeast of [2.5, Infinity]) {
        const half = yield* failureOf(peers.awaitPeers({ role: "worker" }, { atLeast, within: "1 second" }))
        assert.strictEqual(half._tag, "PeerUnknownError", `${atLeast}`)
      }
      assert.strictEqual((yield* peers.awaitPeers({ role: "worker" }, { atLeast: 1.5 })).length, 2)
      const bob = yield* failureOf(peers.awaitPeers(["w1", "bob"], { atLeast: 2, within: "1 second" }))
      assert.include(bob.message, "no peer called \"bob\" is known after 1s")
    })))

  it.effect("are nobody of a name that two use, and neither is chosen", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const any = Trust.open(AnyTrust.layer).pipe(Layer.provide(Logger.layer([])))
      const alice = yield* start(network, "alice", { offers: "all" }, { trust: any })
      yield* start(network, "w1", { roles: ["worker"] }, { trust: any })
      yield* start(network, "w2", { roles: ["worker"] }, { trust: any })
      yield* alice.node.peers.awaitPeers({ role: "worker" }, { atLeast: 2 })
      yield* start(network, "w1", { roles: ["worker"] }, { trust: any, host: yield* network.host("eve") })
      yield* Effect.sleep("3 seconds")
      assert.deepStrictEqual(names(yield* alice.node.peers.resolve({ role: "worker" })), ["w2"])
    })))

  it.effect("where the policy grants nothing are nobody, and the error says who said so and what to do", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice", {}, { trust: TofuTrust.layer() })
      yield* start(network, "bob", { roles: ["worker"], functions: { resize: () => "" } })
      yield* alice.node.peers.awaitPeer("bob")
      const error = yield* failureOf(alice.node.peers.resolveOne(Peers.any({ role: "worker", serves: "resize" })))
      assert.include(error.message, "\"bob\" said so, and this node's trust policy does not grant it")
      assert.include(error.message, "Trust.open")
      assert.strictEqual((yield* failureOf(alice.node.peers.awaitPeers({ role: "worker" })))._tag, "PeerUnknownError")
    })))

  it.effect("on a node without sessions are nobody, and the error says so at once", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      yield* start(network, "bob", { roles: ["worker"] })
      const host = yield* network.host("alice")
      const process = yield* Effect.orDie(host.launch(
        BasicNode.layer({ name: "alice", networkId: "sessions", bindIp: "0.0.0.0" }).pipe(
          Layer.provide([NodeCrypto.layer, open, Logger.layer([])])
        )
      ))
      const { peers, sendAll } = Context.get(process.context, BasicNode.BasicNode)
      yield* peers.awaitPeer("bob")
      for (
        const asked of [
          peers.resolveOne(Peers.any({ role: "worker" })),
          peers.awaitPeers({ serves: "x" }),
          peers.awaitPeers({ subscribes: "x" })
        ]
      ) {
        assert.include((yield* failureOf(asked as Effect.Effect<unknown, Error>)).message, "no sessions")
      }
      assert.isTrue(Exit.hasDies(yield* Effect.exit(sendAll({ role: "worker" }, "hello"))))
      assert.deepStrictEqual(names(yield* peers.resolve({ where: ({ name }) => name === "bob" })), ["bob"])
    })))
})
