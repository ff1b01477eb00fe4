/** Durable topics over a real server: for who was not there, from any place on, by positions, and what a server or a user that lies gets by it. */
import { assert, describe, it } from "@effect/vitest"
import { Kvm } from "@nats-io/kv"
import { AllowListTrust, type Packet, Topic } from "@pnet/core"
import * as Server from "@pnet/lab/nats/server"
import { DurableTopics, Subjects } from "@pnet/nats"
import { Effect, Fiber, Layer, Option, Schema, Stream } from "effect"
import * as Base64Url from "effect/encoding/Base64Url"
import { afterAll, beforeAll } from "vitest"
import * as Post from "./post.ts"
import * as Shared from "./shared.ts"
import { until } from "./world.ts"

const Orders = Topic.make("orders", {
  payload: Schema.Struct({ of: Schema.String, count: Schema.Int }),
  key: ({ of }) => of
})

describe.skipIf(Server.skipped)("DurableTopics", () => {
  const shared = Shared.server({ jetstream: true })
  beforeAll(shared.begin)
  afterAll(shared.end)

  const world = Post.world("durable")
  const node = (name: string, of: Post.Of, options: DurableTopics.Options = {}, lines?: Array<string>) =>
    Post.topics(name, of, { servers: shared.url(), ...options }, lines)
  /** All that is kept there now. */
  const all = <A, E>(items: Stream.Stream<DurableTopics.Item<A>, E>) => Stream.runCollect(items)

  it.live("has what was published for who was not there, from any place on, with who, when, and which number", () =>
    Effect.gen(function*() {
      const { alice, bob, of } = yield* world
      const atAlice = yield* node("alice", of(alice))
      const first = yield* atAlice.publish(Orders, { of: "ann", count: 1 })
      const second = yield* atAlice.publish(Orders, { of: "ben", count: 2 }, { id: "mine" })
      assert.isTrue((yield* atAlice.publish(Orders, { of: "ben", count: 2 }, { id: "mine" })).duplicate)
      yield* atAlice.publish("orders.other", [1])
      const third = yield* atAlice.publish(Orders, { of: "ann", count: 3 })
      const atBob = yield* node("bob", of(bob))
      const kept = yield* all(atBob.subscribe(Orders, { live: false }))
      assert.deepStrictEqual(
        kept.map((
          { from, id, key, missed, seq, topic, value }
        ) => [from.name, topic, key, value.count, id, seq, missed]),
        [
          ["alice", "orders", "ann", 1, first.id, first.seq, 0],
          ["alice", "orders", "ben", 2, "mine", second.seq, 0],
          ["alice", "orders", "ann", 3, third.id, third.seq, 0]
        ]
      )
      assert.isTrue(
        kept.every(({ at, from, time }) => from.publicKey === alice.publicKey && Math.abs(at - time) < 60_000)
      )
      const counts = (options: DurableTopics.SubscribeOptions) =>
        Effect.map(
          all(atBob.subscribe(Orders, { live: false, ...options })),
          (items) => items.map(({ value }) => value.count)
        )
      assert.deepStrictEqual(yield* counts({ from: { seq: second.seq } }), [2, 3])
      assert.deepStrictEqual(yield* counts({ from: { time: kept[0]!.time } }), [1, 2, 3])
      assert.deepStrictEqual(yield* counts({ from: { time: kept[2]!.time + 60_000 } }), [])
      assert.deepStrictEqual(yield* counts({ from: { time: 8.64e15 } }), [])
      assert.deepStrictEqual(yield* counts({ from: { time: -8.64e15 } }), [1, 2, 3])
      assert.deepStrictEqual(yield* counts({ from: "new" }), [])
      const named = yield* all(atBob.subscribe("orders.>", { live: false }))
      assert.deepStrictEqual(named.map(({ topic, value }) => [topic, value]), [["orders.other", [1]]])

      const news = yield* Effect.forkChild(Stream.runHead(atBob.subscribe(Orders, { from: { seq: third.seq + 1 } })))
      yield* atAlice.publish(Orders, { of: "cem", count: 4 })
      const came = yield* Fiber.join(news)
      assert.strictEqual(came._tag === "Some" ? came.value.value.count : 0, 4)
    }).pipe(Effect.scoped))

  it.live("goes on where its position is, behind what was acknowledged, with what the publisher has missed", () =>
    Effect.gen(function*() {
      const { alice, bob, of } = yield* world
      const atAlice = yield* node("alice", of(alice))
      for (let i = 1; i <= 5; i++) yield* atAlice.publish("n", i)
      const read = (count: number, options: DurableTopics.SubscribeOptions = {}) =>
        Effect.scoped(Effect.gen(function*() {
          const atBob = yield* node("bob", of(bob))
          return yield* atBob.subscribe("n", { position: "ledger", ...options }).pipe(
            Stream.take(count),
            Stream.runCollect
          )
        }))
      const values = (items: ReadonlyArray<DurableTopics.Item<unknown>>) =>
        items.map(({ missed, value }) => [value, missed])
      // The second was handed, and its handler did not ask for another.
      assert.deepStrictEqual(values(yield* read(2)), [[1, 0], [2, 0]])
      assert.deepStrictEqual(values(yield* read(1)), [[2, 0]])
      const manual = yield* read(3, { acknowledge: "manual" })
      assert.deepStrictEqual(values(manual), [[2, 0], [3, 0], [4, 0]])
      // By hand: all up to the third.
      yield* Effect.scoped(Effect.gen(function*() {
        const atBob = yield* node("bob", of(bob))
        yield* atBob.subscribe("n", { position: "ledger", acknowledge: "manual" }).pipe(
          Stream.take(2),
          Stream.runForEach(({ acknowledge, value }) => value === 3 ? acknowledge : Effect.void)
        )
      }))
      // What the server does not have any more is known to be missing, also by who was not there.
      const admin = yield* Shared.jetStream(shared.url())
      yield* Effect.promise(() =>
        admin.streams.deleteMessage(DurableTopics.streamOf(Subjects.network(of(bob).network)), 4)
      )
      assert.deepStrictEqual(values(yield* read(1)), [[5, 1]])
      // Another name, another topic, and no name, begin at the beginning.
      assert.deepStrictEqual(values(yield* read(1, { position: "other" })), [[1, 0]])
    }).pipe(Effect.scoped))

  it.live("gives a position to who began last, and says so to who had it", () =>
    Effect.gen(function*() {
      const { alice, bob, of } = yield* world
      const atAlice = yield* node("alice", of(alice))
      for (let i = 1; i <= 3; i++) yield* atAlice.publish("n", i)
      const atBob = yield* node("bob", of(bob))
      const got: Array<unknown> = []
      const first = yield* atBob.subscribe("n", { position: "one", acknowledge: "manual" }).pipe(
        Stream.runForEach((item) => Effect.sync(() => void got.push(item))),
        Effect.forkChild
      )
      yield* until("three", () => got.length === 3)
      const second = yield* atBob.subscribe("n", { position: "one" }).pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(second.map(({ value }) => value), [1, 2])
      // It finds out when it has something to say.
      yield* (got[2] as DurableTopics.Item<unknown>).acknowledge
      const error = yield* Effect.flip(Fiber.join(first))
      assert.strictEqual(error._tag === "ReplayError" ? error.kind : error._tag, "PositionTaken")
      const third = yield* atBob.subscribe("n", { position: "one" }).pipe(Stream.take(1), Stream.runCollect)
      assert.deepStrictEqual(third.map(({ value }) => value), [2])
    }).pipe(Effect.scoped))

  it.live("takes no position that its node has not written, and none of another name", () =>
    Effect.gen(function*() {
      const { alice, of } = yield* world
      const lines: Array<string> = []
      const atAlice = yield* node("alice", of(alice))
      for (let i = 1; i <= 3; i++) yield* atAlice.publish("n", i)
      const read = (position: string) =>
        atAlice.subscribe("n", { position }).pipe(
          Stream.take(2),
          Stream.runCollect,
          Effect.map((items) => items.map(({ value }) => value)),
          Effect.provide(Post.logged(lines))
        )
      assert.deepStrictEqual(yield* read("a"), [1, 2])
      const client = yield* Shared.client(shared.url())
      const bucket = yield* Effect.promise(() =>
        new Kvm(client).open(`pnet_positions_${Subjects.network(of(alice).network)}`)
      )
      const place = (name: string) => `${Subjects.ofKey(alice.publicKey)}.${name}.${Base64Url.encode("n")}`
      const sealed = yield* Effect.promise(() => bucket.get(place("a")))
      // Another's place, and no position at all.
      yield* Effect.promise(() => bucket.put(place("b"), sealed!.value))
      yield* Effect.promise(() => bucket.put(place("c"), new Uint8Array(99)))
      assert.deepStrictEqual(yield* read("b"), [1, 2])
      assert.deepStrictEqual(yield* read("c"), [1, 2])
      assert.strictEqual(lines.filter((line) => line.includes("was not written by this node")).length, 2)
      assert.deepStrictEqual(yield* read("a"), [2, 3])
    }).pipe(Effect.scoped))

  it.live("is of those alone whom the reader's policy trusts, and lets publish on that topic", () =>
    Effect.gen(function*() {
      const { alice, bob, eve, of } = yield* world
      const [atAlice, atEve] = [yield* node("alice", of(alice)), yield* node("eve", of(eve))]
      for (const topic of ["a.n", "b.n"]) {
        yield* atAlice.publish(topic, "alice")
        yield* atEve.publish(topic, "eve")
      }
      const trust = Layer.orDie(
        AllowListTrust.layer([["alice" as Packet.NodeName, alice.publicKey, { publishes: ["a.*"] }]])
      )
      const lines: Array<string> = []
      const atBob = yield* node("bob", { ...of(bob), trust })
      yield* atBob.publish("b.n", "his own")
      const kept = yield* Effect.provide(all(atBob.subscribe("*.n", { live: false })), Post.logged(lines))
      assert.deepStrictEqual(kept.map(({ topic, value }) => [topic, value]), [["a.n", "alice"], ["b.n", "his own"]])
      assert.isTrue(lines.some((line) => line.includes("its key is not trusted")))
      assert.isTrue(lines.some((line) => line.includes("it may not publish that")))
    }).pipe(Effect.scoped))

  it.live("lives on when the server is gone, its consumers are, and the stream is", () =>
    Effect.gen(function*() {
      const { alice, bob, of } = yield* world
      const server = yield* Server.start({ jetstream: true })
      const at = (name: string, identity: Post.Of) =>
        Post.topics(name, identity, { servers: server.url, reconnectWait: "20 millis" })
      const [atAlice, atBob] = [yield* at("alice", of(alice)), yield* at("bob", of(bob))]
      const got: Array<unknown> = []
      yield* atBob.subscribe("n", { position: "ledger" }).pipe(
        Stream.runForEach(({ missed, value }) => Effect.sync(() => void got.push([value, missed]))),
        Effect.forkScoped
      )
      const publish = (value: number) =>
        atAlice.publish("n", value, { id: `id-${value}` }).pipe(Effect.retry({ times: 50 }))
      yield* publish(1)
      yield* until("the first", () => got.length === 1)
      yield* server.stop
      yield* server.restart
      yield* publish(2)
      yield* until("the second", () => got.length === 2)
      const admin = yield* Shared.jetStream(server.url)
      const stream = DurableTopics.streamOf(Subjects.network(of(bob).network))
      yield* Effect.promise(() => admin.streams.delete(stream))
      // It is made anew by who publishes.
      yield* publish(3)
      yield* until("the third", () => got.length === 3)
      assert.deepStrictEqual((got as Array<[unknown, unknown]>).map(([value]) => value), [1, 2, 3])
    }).pipe(Effect.scoped))

  it.live("is taken of nobody who has not signed it for this topic, in this network, and once", () =>
    Effect.gen(function*() {
      const { alice, bob, eve, network, of } = yield* world
      const { networkKey } = yield* Shared.networkKey
      const lines: Array<string> = []
      const atAlice = yield* node("alice", of(alice, networkKey))
      const atEve = yield* node("eve", of(eve, networkKey))
      yield* atAlice.publish("n", 1)
      yield* atAlice.publish("n", 2)
      const client = yield* Shared.client(shared.url())
      const net = Subjects.network(network)
      const admin = yield* Shared.jetStream(shared.url())
      const stream = DurableTopics.streamOf(net)
      const [first, second] = yield* Effect.promise(() =>
        Promise.all([1, 2].map((seq) => admin.streams.getMessage(stream, { seq })))
      )
      const say = (from: Post.Of["identity"], topic: string, data: Uint8Array) =>
        Effect.promise(() =>
          client.request(Subjects.make(net, Subjects.ofKey(from.publicKey), "topic", topic), data, { timeout: 5_000 })
        )
      const changed = first!.data.slice()
      changed[changed.length - 5]! ^= 1
      // Again, to another topic, as of another, not of this network, nothing, garbage, and in clear.
      yield* say(alice, "n", second!.data)
      yield* say(alice, "n", first!.data)
      yield* say(alice, "m", second!.data)
      yield* say(eve, "n", second!.data)
      yield* say(alice, "n", changed)
      for (const bytes of [new Uint8Array(0), new Uint8Array(500_000), new TextEncoder().encode("PnetKEPT\u0001")]) {
        yield* say(eve, "n", bytes)
      }
      yield* (yield* node("eve", of(eve))).publish("n", "in clear")
      yield* (yield* node("eve", { identity: eve, network: `${network}-2`, networkKey })).publish("n", "elsewhere")
      const elsewhere = yield* Effect.promise(() =>
        admin.streams.getMessage(DurableTopics.streamOf(Subjects.network(`${network}-2`)), { seq: 1 })
      )
      yield* say(eve, "n", elsewhere!.data)
      yield* atEve.publish(Topic.make("n", { payload: Schema.String }), "hers")
      yield* atEve.publish(Topic.bytes("n"), new Uint8Array(3))
      yield* atAlice.publish("n", 3)
      const atBob = yield* node("bob", of(bob, networkKey), {}, lines)
      const Numbers = Topic.make("n", { payload: Schema.Int })
      const kept = yield* Effect.provide(all(atBob.subscribe(Numbers, { live: false })), Post.logged(lines))
      assert.deepStrictEqual(kept.map(({ from, missed, value }) => [from.name as string, value, missed]), [
        ["alice", 1, 0],
        ["alice", 2, 0],
        ["alice", 3, 0]
      ])
      assert.deepStrictEqual(yield* all(atBob.subscribe("m", { live: false })), [])
      for (
        const why of [
          "came before",
          "published elsewhere",
          "WrongNetworkKey",
          "OtherNetwork",
          "is no value of it",
          "is bytes"
        ]
      ) {
        assert.isTrue(lines.some((line) => line.includes(why)), `${why}: ${lines}`)
      }
      // One line of each kind a minute, whatever is sent.
      assert.isAtMost(lines.length, 10)
    }).pipe(Effect.scoped))

  it.live("comes of whom the reader trusts to publish, in clear only where that is said, and needs the permissions that are said", () =>
    Effect.gen(function*() {
      const { alice, bob, network, of } = yield* world
      const refused = yield* Effect.flip(Post.topics("alice", of(alice), { servers: shared.url(), open: false }))
      assert.include(refused.message, "open: true")
      const user = (name: string, { publicKey }: Post.Of["identity"], subscribe?: ReadonlyArray<string>) => {
        const [base, durable] = [
          Subjects.permissions(network, publicKey),
          Subjects.durablePermissions(network, publicKey, { subscribe })
        ]
        const permissions = {
          publish: [...base.publish, ...durable.publish],
          subscribe: [...base.subscribe, ...durable.subscribe]
        }
        return `{ user: ${name}, password: pw, permissions: ${JSON.stringify(permissions)} }`
      }
      const server = yield* Server.start({
        jetstream: true,
        config: `accounts { A: { jetstream: enabled, users: [
          ${user("alice", alice)}, ${user("bob", bob, ["n.*"])}, { user: admin, password: pw }
        ] } }`
      })
      const as = (name: string, of: Post.Of) =>
        Post.topics(name, of, { servers: server.url, credentials: { user: name, password: "pw" } })
      // Whoever may make the stream begins.
      yield* Effect.scoped(as("admin", of(alice)))
      const atAlice = yield* as("alice", of(alice))
      yield* atAlice.publish("n.1", 1)
      yield* atAlice.publish("m", 2)
      const atBob = yield* as("bob", of(bob))
      const got = yield* atBob.subscribe("n.*", { position: "p" }).pipe(Stream.take(1), Stream.runCollect)
      assert.deepStrictEqual(got.map(({ value }) => value), [1])
      // What he may not subscribe to the server does not give him.
      assert.deepStrictEqual(
        yield* atBob.subscribe("m").pipe(Stream.runHead, Effect.timeoutOption("200 millis")),
        Option.none()
      )
      for (const from of [{ seq: 0 }, { seq: 1.5 }, { time: Infinity }] as const) {
        assert.strictEqual((yield* Effect.flip(all(atBob.subscribe("n", { from })))).kind, "InvalidStart")
      }
      for (const [topic, position] of [["n..m", "p"], ["n", "a b"], ["n", ""]] as const) {
        assert.strictEqual((yield* Effect.flip(all(atBob.subscribe(topic, { position })))).kind, "InvalidStart")
      }
      for (const [topic, value, id] of [["n.*", 1], ["n", undefined], ["n", () => 1], ["n", 1, "a b"]] as const) {
        const error = yield* Effect.flip(atAlice.publish(topic, value, { id }))
        assert.strictEqual(error._tag, "InvalidPublicationError")
      }
      const bounds = yield* Effect.flip(
        Post.topics("alice", of(alice), { servers: shared.url(), items: 0, keptFor: -1 })
      )
      assert.match(bounds.message, /items has to be .*keptFor has to be/)
      const large = yield* Effect.flip(atAlice.publish(Topic.bytes("n"), new Uint8Array(1_048_576)))
      assert.strictEqual(large._tag === "KeepError" && large.kind, "TooLarge")
    }).pipe(Effect.scoped))
})
