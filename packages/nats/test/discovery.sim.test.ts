/** Discovery over a server of a test, in virtual time: how soon who comes and goes is known, and what somebody who lies can do. */
import { assert, describe, it } from "@effect/vitest"
import * as Adverts from "@pnet/core/Adverts"
import { Crypto, type KeyPair } from "@pnet/core/Crypto"
import * as DerivedHost from "@pnet/core/DerivedHost"
import type { Sighting } from "@pnet/core/Discovery"
import * as NetworkKey from "@pnet/core/NetworkKey"
import * as NodeOptions from "@pnet/core/NodeOptions"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Nats, type NatsBus } from "../src/internal/bus.ts"
import * as NatsDiscovery from "../src/internal/discovery.ts"
import * as Tokens from "../src/internal/tokens.ts"
import * as Subjects from "../src/Subjects.ts"
import { Hub } from "./hub.ts"

interface Node {
  readonly name: string
  readonly token: string
  readonly keys: KeyPair
  readonly bus: NatsBus
  readonly discovery: NatsDiscovery.NatsDiscovery
  readonly adverts: Adverts.Adverts
  readonly endpoint: { readonly host: string; readonly port: number }
  /** Everything that it was told. */
  readonly sighted: Array<Sighting>
  /** Those it was told of in the last two intervals, by their names. */
  readonly now: Effect.Effect<ReadonlyArray<string>>
  /** Ends it without a word. */
  readonly crash: Effect.Effect<void>
  /** Ends it in order. */
  readonly leave: Effect.Effect<void>
}

const interval = 2_500

/** A node on a hub, that advertises itself. */
const node = (hub: Hub, name: string, options: Partial<NodeOptions.Input> = {}): Effect.Effect<
  Node,
  never,
  Crypto | Scope.Scope
> =>
  Effect.gen(function*() {
    const config = Context.get(
      yield* Effect.orDie(Layer.build(Layer.fresh(NodeOptions.layer({ name, networkId: "sim", ...options })))),
      NodeOptions.NodeConfig
    )
    const token = Subjects.ofKey(config.identity.publicKey)
    const bus = hub.connect(token)
    const scope = yield* Scope.fork(yield* Effect.scope)
    const provide = Effect.provide(Context.make(NodeOptions.NodeConfig, config).pipe(Context.add(Nats, bus)))
    const { discovery, service } = yield* Scope.provide(NatsDiscovery.make({ directory: "ask" }), scope).pipe(provide)
    const adverts = yield* provide(Adverts.make)
    const sighted: Array<Sighting> = []
    const met = new Set<string>()
    const take = (one: Sighting) => {
      sighted.push(one)
      // Who is new is answered, as by the peers of a node.
      if (one.endpoint.port !== 0 && !met.has(one.publicKey)) Effect.runSync(one.answer)
      met.add(one.publicKey)
    }
    yield* Scope.provide(service.forEach!(take), scope)
    const endpoint = { host: DerivedHost.ofKey("nats", config.identity.publicKey), port: 1_024 }
    yield* Effect.orDie(Scope.provide(service.advertise(endpoint), scope))
    const close = Scope.close(scope, Exit.void)
    return {
      name,
      token,
      keys: config.identity,
      bus,
      discovery,
      adverts,
      endpoint,
      sighted,
      now: Effect.gen(function*() {
        sighted.length = 0
        yield* TestClock.adjust(2 * interval)
        return [...new Set(sighted.map((one) => one.name as string))].toSorted()
      }),
      crash: Effect.andThen(Effect.sync(() => hub.gone(token)), close),
      leave: Effect.andThen(close, Effect.sync(() => hub.gone(token)))
    }
  })

const test = (title: string, body: (hub: Hub) => Effect.Effect<void, unknown, Crypto | Scope.Scope>) =>
  it.effect(title, () => Effect.scoped(body(new Hub())).pipe(Effect.provide(NodeCrypto.layer)))

/** So many nodes, all of which know each other. */
const nodes = (hub: Hub, count: number, options: Partial<NodeOptions.Input> = {}) =>
  Effect.gen(function*() {
    const all = yield* Effect.forEach(Array.from({ length: count }, (_, i) => `n${i}`), (name) =>
      node(hub, name, options))
    yield* TestClock.adjust(options.broadcastInterval === undefined ? "5 seconds" : "20 seconds")
    for (const one of all) {
      assert.strictEqual(one.discovery.size, count - 1, one.name)
    }
    return all
  })

describe("NATS: questions in virtual time", () => {
  test("are so many at once, and there is room when the time of one is up, or who asks gives up", (hub) =>
    Effect.gen(function*() {
      const [asker, silent] = ["a", "b"].map((name) => hub.connect(name.padStart(16, "n"))) as [NatsBus, NatsBus]
      const ask = (millis: number) =>
        Effect.forkChild(Effect.flip(asker.request(silent.own, "ask", new Uint8Array(0), millis)), {
          startImmediately: true
        })
      const isFull = Effect.map(ask(Infinity), (fiber) => {
        const exit = fiber.pollUnsafe()
        return exit !== undefined && Exit.isSuccess(exit) && exit.value === "Down"
      })
      const [hasty, patient] = [yield* ask(1_000), yield* ask(Infinity)]
      for (let i = 2; i < 16_384; i++) yield* ask(Infinity)
      assert.isTrue(yield* isFull)
      yield* Fiber.interrupt(patient)
      assert.isFalse(yield* isFull)
      assert.isTrue(yield* isFull)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(hasty), "Timeout")
      assert.isFalse(yield* isFull)
      assert.isTrue(yield* isFull)
    }))
})

describe("NATS: discovery in virtual time", () => {
  test("a newcomer knows all within a second, and all know it at once", (hub) =>
    Effect.gen(function*() {
      const all = yield* nodes(hub, 40)
      hub.delivered.clear()
      const late = yield* node(hub, "late")
      for (const one of all) assert.strictEqual(one.sighted.at(-1)?.name as string, "late")
      // Sixteen or so answer by themselves, and the others are asked.
      assert.isBelow(hub.delivered.get("adv")! - 40, 35)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(late.discovery.size, 40)
    }))

  test("one that crashes is not told of any more within seconds, though adverts are minutes apart", (hub) =>
    Effect.gen(function*() {
      const all = yield* nodes(hub, 30, { broadcastBudget: 1 })
      const [first, second] = all as [Node, Node]
      assert.strictEqual(first.discovery.every, 116_000)
      hub.delivered.clear()
      yield* second.crash
      yield* TestClock.adjust("15 seconds")
      // Those whom somebody told do not tell it again.
      assert.isAtMost(hub.delivered.get("gone")!, 5 * 28)
      for (const one of all.filter((one) => one !== second)) {
        assert.notInclude(yield* one.now, second.name)
      }
      assert.strictEqual((yield* first.now).length, 28)
    }))

  test("those of a site that is cut off are found again in seconds, though nothing tells that it is back", (hub) =>
    Effect.gen(function*() {
      // Adverts, and what else would tell sooner or later, are far apart.
      const all = yield* nodes(hub, 20, { broadcastInterval: "10 seconds" })
      const [here, site] = [all.slice(0, 10), all.slice(10)]
      for (const { token } of site) hub.gone(token)
      yield* TestClock.adjust("265 seconds")
      for (const one of here) assert.strictEqual(one.discovery.size, 9)
      for (const { bus } of site) hub.back(bus)
      hub.delivered.clear()
      yield* TestClock.adjust("35 seconds")
      // One for all that are back, and those that are asked for with adverts.
      assert.isAtMost(hub.delivered.get("list") ?? 0, 3 * 20)
      for (const one of all) assert.strictEqual(one.discovery.size, 19)
    }))

  /** Lets time pass, and looks meanwhile at what was told, as the peers of a node do. */
  const looking = (one: Node, seconds: number) =>
    Effect.gen(function*() {
      for (let passed = 0; passed < seconds; passed += 2.5) {
        yield* TestClock.adjust(interval)
        for (const { thereUntil } of new Map(one.sighted.map((each) => [each.publicKey, each])).values()) thereUntil?.()
      }
    })

  test("what is looked at is told again once a minute, and as often as before when nobody looks", (hub) =>
    Effect.gen(function*() {
      const [first, second, third] = (yield* nodes(hub, 3)) as [Node, Node, Node]
      yield* looking(first, 10)
      const known = first.sighted.slice()
      first.sighted.length = 0
      const told = () => first.sighted.splice(0).length
      first.sighted.push(...known)
      yield* looking(first, 180)
      // Of each two or three, while both say their adverts every half a minute.
      const times = told() - known.length
      assert.isTrue(times >= 4 && times <= 6, `${times}`)
      // A word that says something new is told at once.
      second.bus.publish(second.bus.subject("all", "say.adv"), second.adverts.packet({ ...second.endpoint, port: 9 }))
      assert.deepStrictEqual(first.sighted.map(({ endpoint }) => endpoint.port), [9])
      // It is there, and where it was it is not any more.
      assert.isAbove(first.sighted[0]!.thereUntil!(), 0)
      const before = known.filter(({ publicKey }) => publicKey === second.keys.publicKey).at(-1)!
      assert.strictEqual(before.thereUntil!(), -Infinity)
      yield* TestClock.adjust(8 * interval)
      told()
      assert.deepStrictEqual(yield* first.now, ["n1", "n2"])
      assert.isAtLeast(told(), 2)
      yield* third.leave
      const left = known.filter(({ publicKey }) => publicKey === third.keys.publicKey).at(-1)!
      assert.strictEqual(left.thereUntil!(), -Infinity)
    }))

  test("who is looked at is there until it was asked and did not answer, and while there is a server", (hub) =>
    Effect.gen(function*() {
      const [first, second, third] = (yield* nodes(hub, 3)) as [Node, Node, Node]
      const of = (node: Node) => {
        const { thereUntil } = first.sighted.findLast(({ publicKey }) => publicKey === node.keys.publicKey)!
        return Effect.map(
          Effect.clockWith(({ monotonicTimeNanos }) => monotonicTimeNanos),
          (now) => Math.floor(Number(now) / 1e6) - thereUntil!()
        )
      }
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([yield* of(second), yield* of(third)], [0, 0])
      const untilNot = (node: Node) =>
        Effect.gen(function*() {
          let since = 0
          for (let i = 0; i < 40 && since === 0; i++) {
            yield* TestClock.adjust(interval)
            since = yield* of(node)
          }
          assert.isAbove(since, 0)
          return since
        })
      // Who is gone is told of as who has not been there for two intervals, since that is certain.
      yield* second.crash
      const gone = yield* untilNot(second)
      assert.isAtLeast(gone, 2 * interval)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* of(second), gone + 10_000)
      // Who does not answer was there when it was asked, as it may be still, and not when it is asked again.
      hub.stuck.add(third.token)
      const silent = yield* untilNot(third)
      assert.isTrue(silent >= 2 * interval && silent < 4 * interval, `${silent}`)
      // When it says something it is told of at once.
      hub.stuck.clear()
      first.sighted.length = 0
      third.bus.publish(third.bus.subject("all", "say.adv"), third.adverts.packet(third.endpoint))
      assert.deepStrictEqual(first.sighted.map(({ name }) => name as string), ["n2"])
      assert.strictEqual(yield* of(third), 0)
      hub.stuck.add(third.token)
      const again = yield* untilNot(third)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* of(third), again + 20_000)
      hub.stuck.clear()
      third.bus.publish(third.bus.subject("all", "say.adv"), third.adverts.packet(third.endpoint))
      // A server that is gone was there when that was noticed, and whoever looked meanwhile is told when it is back.
      hub.cut(first.bus)
      yield* looking(first, 20)
      assert.strictEqual(yield* of(third), 20_000)
      hub.mend(first.bus)
      assert.strictEqual(yield* of(third), 0)
      hub.cut(first.bus)
      yield* looking(first, 10)
      hub.mend(first.bus)
      first.sighted.length = 0
      yield* TestClock.adjust(2 * interval)
      assert.deepStrictEqual([...new Set(first.sighted.map(({ name }) => name as string))], ["n2"])
    }))

  test("one that leaves says so to all", (hub) =>
    Effect.gen(function*() {
      const all = yield* nodes(hub, 5)
      yield* all[1]!.leave
      for (const one of [all[0]!, ...all.slice(2)]) {
        const last = one.sighted.at(-1)!
        assert.deepStrictEqual([last.name as string, last.endpoint.port], ["n1", 0])
        assert.strictEqual(one.discovery.size, 3)
      }
    }))

  test("one that does not answer, and is there, is told of again when it does", (hub) =>
    Effect.gen(function*() {
      const [first, second] = (yield* nodes(hub, 2)) as [Node, Node]
      const end = second.bus.on("ask", () => undefined)
      // Its adverts go on, half a minute apart, and are taken for a while.
      let told = yield* first.now
      for (let i = 0; i < 5 && told.length > 0; i++) told = yield* first.now
      assert.deepStrictEqual(told, [])
      end()
      second.bus.publish(second.bus.subject("all", "say.adv"), second.adverts.packet(second.endpoint))
      assert.deepStrictEqual(yield* first.now, ["n1"])
    }))

  test("who begins while it is asked, and says so, is there when nobody has answered", (hub) =>
    Effect.gen(function*() {
      const identity = (yield* Crypto).generateKeyPair()
      const first = yield* node(hub, "first", { broadcastInterval: "10 seconds" })
      const early = hub.connect(Subjects.ofKey(identity.publicKey))
      // Who asks for a list is asked who it is: it hears that, and is no node yet.
      yield* Effect.forkChild(Effect.exit(early.request("all", "any.list", new Uint8Array(0), 1_000)), {
        startImmediately: true
      })
      yield* TestClock.adjust(0)
      assert.strictEqual(hub.delivered.get("ask"), 1)
      yield* node(hub, "second", { identity, broadcastInterval: "10 seconds" })
      const { thereUntil } = first.sighted.at(-1)!
      const now = Effect.clockWith(({ monotonicTimeNanos }) => monotonicTimeNanos)
      for (let second = 1; second < 25; second++) {
        yield* TestClock.adjust("1 second")
        assert.strictEqual(thereUntil!(), Math.floor(Number(yield* now) / 1e6), `${second} s`)
      }
    }))

  test("nobody is told of while there is no server, and all are at once when it is back", (hub) =>
    Effect.gen(function*() {
      const [first, second, third] = (yield* nodes(hub, 3)) as [Node, Node, Node]
      hub.cut(first.bus)
      assert.deepStrictEqual(yield* first.now, [])
      yield* third.crash
      const late = yield* node(hub, "late")
      yield* TestClock.adjust("20 seconds")
      hub.mend(first.bus)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* first.now, ["late", "n1"])
      assert.deepStrictEqual(yield* second.now, ["late", "n0"])
      assert.deepStrictEqual(yield* late.now, ["n0", "n1"])
    }))

  test("an advert counts for the node alone that says it, and by its own key", (hub) =>
    Effect.gen(function*() {
      const [first, second, third] = (yield* nodes(hub, 3)) as [Node, Node, Node]
      first.sighted.length = 0
      // Third says that second leaves, and that it is second, from where it is itself and from where second is.
      const say = (from: Node, packet: Uint8Array) => from.bus.publish(from.bus.subject("all", "say.adv"), packet)
      say(third, second.adverts.packet({ ...second.endpoint, port: 0 }))
      say(third, third.adverts.packet({ ...second.endpoint, port: 7 }))
      say(third, second.adverts.packet({ ...third.endpoint, port: 7 }))
      say(third, new Uint8Array(2_000))
      say(third, new Uint8Array(0))
      assert.deepStrictEqual(first.sighted, [])
      assert.strictEqual(first.discovery.size, 2)
      assert.deepStrictEqual(yield* first.now, ["n1", "n2"])
    }))

  test("an old advert that somebody kept changes nothing", (hub) =>
    Effect.gen(function*() {
      const networkKey = yield* NetworkKey.generate
      const [first, second] = (yield* nodes(hub, 2, { networkKey })) as [Node, Node]
      const kept = second.adverts.packet({ ...second.endpoint, port: 0 })
      yield* TestClock.adjust("40 seconds")
      const said = second.adverts.packet(second.endpoint)
      second.bus.publish(second.bus.subject("all", "say.adv"), said)
      second.bus.publish(second.bus.subject("all", "say.adv"), kept)
      assert.strictEqual(first.discovery.size, 1)
    }))

  test("who says that all are gone makes nobody lose anybody, and has each asked a few times at most", (hub) =>
    Effect.gen(function*() {
      const all = yield* nodes(hub, 30)
      const liar = all[0]!
      hub.delivered.clear()
      for (let i = 0; i < 100; i++) {
        liar.bus.publish(
          liar.bus.subject("all", "say.gone"),
          Tokens.encode(all.slice(1).map(({ token }) => token))
        )
      }
      yield* TestClock.adjust("5 seconds")
      // Of 29 that were named to 29 nodes again and again: the 16 of a message, and those that each asks anyway.
      assert.isAtMost(hub.delivered.get("ask")!, 29 * 16 + 30 * 5)
      hub.delivered.clear()
      for (const { token } of all.slice(1, 21)) {
        liar.bus.publish(liar.bus.subject("all", "say.gone"), Tokens.encode([token]))
      }
      yield* TestClock.adjust("1 second")
      // Of 20 messages the 4 that count in a second.
      assert.isAtMost(hub.delivered.get("ask")!, 29 * 4 + 30)
      for (const one of all) assert.strictEqual(one.discovery.size, 29)
      const other = all[7]!
      assert.lengthOf(yield* other.now, 29)
    }))

  test("lists of nodes that do not exist cost a bounded number of questions, and enter nobody", (hub) =>
    Effect.gen(function*() {
      const first = yield* node(hub, "first", { limits: { provedPeers: 100, unprovedPeers: 100 } })
      const liar = hub.connect("liarliarliarliar")
      liar.on("any.list", ({ from, reply }) => {
        const tokens = Array.from({ length: 2_000 }, (_, i) => String(i).padStart(16, "x"))
        liar.publish(liar.subject(from, reply), Tokens.encode(tokens))
      })
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(first.discovery.size, 0)
      // Of each list so many are asked as a node has room for.
      const lists = hub.delivered.get("list")!
      assert.isAtMost(lists, 8)
      assert.isAtMost(hub.delivered.get("r")!, lists * 202)
    }))

  test("no more nodes are known than a node has room for", (hub) =>
    Effect.gen(function*() {
      yield* nodes(hub, 12)
      const small = yield* node(hub, "small", { limits: { provedPeers: 3, unprovedPeers: 4 } })
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(small.discovery.size, 7)
    }))

  test("a node asks another once at a time, whoever says that it is gone", (hub) =>
    Effect.gen(function*() {
      const all = yield* nodes(hub, 10)
      const silent = all[1]!
      silent.bus.on("ask", () => undefined)
      hub.delivered.clear()
      hub.counts = silent.token
      const liar = hub.connect("liarliarliarliar")
      for (let i = 0; i < 500; i++) {
        const from = String(i).padStart(16, "x")
        liar.publish(Subjects.make("sim", from, "all", "say.gone"), Tokens.encode([silent.token]))
        if (i % 100 === 99) yield* TestClock.adjust("100 millis")
      }
      yield* TestClock.adjust("3500 millis")
      assert.isAtMost(hub.delivered.get("ask")!, 2 * 9)
    }))

  test("what one node is asked for is not done by all, nor for who is no node", (hub) =>
    Effect.gen(function*() {
      const all = yield* nodes(hub, 10)
      const liar = hub.connect("liarliarliarliar")
      hub.delivered.clear()
      // Where its answer is to go is for the server alone to name, and for each his own.
      liar.publish(liar.subject(all[1]!.token, "ask"), new Uint8Array(0), all[2]!.bus.statusTo("r.1"))
      for (const what of ["ask", "list", "any.list", "adv"]) {
        liar.publish(liar.subject("all", `say.${what}`), new Uint8Array(0), liar.statusTo("r.1"))
        liar.publish(
          Subjects.make("sim", "all", all[1]!.token, what),
          new Uint8Array(0),
          "pnet.sim._.all.say.gone"
        )
      }
      assert.isUndefined(hub.delivered.get("r"))
      assert.isUndefined(hub.delivered.get("gone"))
    }))

  test("a sender whose name is no token spoils no list", (hub) =>
    Effect.gen(function*() {
      const [first, second] = (yield* nodes(hub, 2)) as [Node, Node]
      const liar = hub.connect("liarliarliarliar")
      for (const from of ["x".repeat(4_000), "_", "all", "*"]) {
        liar.publish(Subjects.make("sim", from, first.token, "adv"), Uint8Array.of(1))
        liar.publish(Subjects.make("sim", from, "all", "say.adv"), Uint8Array.of(1))
      }
      hub.gone(liar.own)
      const { data } = yield* Effect.orDie(second.bus.request("all", "any.list", new Uint8Array(0), 1_000))
      assert.deepStrictEqual(Tokens.decode(data, 10), [first.token])
    }))

  test("a node that has no room to remember others is told of them when they say something", (hub) =>
    Effect.gen(function*() {
      const all = yield* nodes(hub, 12)
      const small = yield* node(hub, "small", { limits: { provedPeers: 3, unprovedPeers: 4 } })
      yield* TestClock.adjust("5 seconds")
      small.sighted.length = 0
      for (const { adverts, bus, endpoint } of all) bus.publish(bus.subject("all", "say.adv"), adverts.packet(endpoint))
      assert.strictEqual(new Set(small.sighted.map(({ name }) => name)).size, 12)
      assert.strictEqual(small.discovery.size, 7)
    }))

  test("a node answers one who asks ten times a second, all of them 500 times, and says to all that it is there", (hub) =>
    Effect.gen(function*() {
      const first = yield* node(hub, "first")
      yield* TestClock.adjust("30 seconds")
      const liars = Array.from({ length: 60 }, (_, i) => hub.connect(String(i).padStart(16, "x")))
      const ask = (from: NatsBus, times: number) => {
        for (let i = 0; i < times; i++) {
          from.publish(from.subject(first.token, "ask"), new Uint8Array(0), from.statusTo("r.1"))
        }
      }
      hub.delivered.clear()
      ask(liars[0]!, 30)
      assert.strictEqual(hub.delivered.get("r"), 10)
      for (const liar of liars.slice(1)) ask(liar, 10)
      assert.strictEqual(hub.delivered.get("r"), 500)
      assert.strictEqual(hub.delivered.get("adv"), 60)
    }))

  test("a node gives twenty lists a second", (hub) =>
    Effect.gen(function*() {
      yield* node(hub, "first")
      yield* TestClock.adjust("1 minute")
      const liar = hub.connect("liarliarliarliar")
      hub.delivered.clear()
      for (let i = 0; i < 30; i++) {
        liar.publish(liar.subject("all", "any.list"), new Uint8Array(0), liar.statusTo("r.1"))
      }
      assert.strictEqual(hub.delivered.get("r"), 20)
    }))

  test("of one sender ten adverts a second are read", (hub) =>
    Effect.gen(function*() {
      const [first, second] = (yield* nodes(hub, 2)) as [Node, Node]
      yield* TestClock.adjust("1 second")
      first.sighted.length = 0
      for (let port = 2; port < 22; port++) {
        second.bus.publish(second.bus.subject("all", "say.adv"), second.adverts.packet({ ...second.endpoint, port }))
      }
      assert.isAtMost(first.sighted.length, 10)
      assert.isAbove(first.sighted.length, 0)
    }))

  test("adverts of senders without number cost a bounded time, and others are heard a second later", (hub) =>
    Effect.gen(function*() {
      const [first, second] = (yield* nodes(hub, 2)) as [Node, Node]
      yield* TestClock.adjust("1 second")
      const liar = hub.connect("liarliarliarliar")
      for (let i = 0; i < 2_000; i++) {
        liar.publish(Subjects.make("sim", String(i).padStart(16, "x"), first.token, "adv"), Uint8Array.of(1))
      }
      const say = () =>
        second.bus.publish(second.bus.subject("all", "say.adv"), second.adverts.packet({ ...second.endpoint, port: 9 }))
      const isHeard = () => first.sighted.at(-1)?.endpoint.port === 9
      say()
      assert.isFalse(isHeard())
      yield* TestClock.adjust("1 second")
      say()
      assert.isTrue(isHeard())
    }))
})
