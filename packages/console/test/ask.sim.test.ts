/** What a page asks for: functions, calls, traces, topics, decisions. */
import { assert, describe, it } from "@effect/vitest"
import { ConsoleAgent, ConsoleSpans, ConsoleTrust } from "@pnet/console"
import type { CallEvent } from "@pnet/console/ConsoleApi"
import {
  AllowListTrust,
  Authority,
  AuthorityTrust,
  Command,
  CommandNode,
  PublicKey,
  TofuTrust,
  Trust
} from "@pnet/core"
import { NodeName } from "@pnet/core/Packet"
import { NodeCrypto } from "@pnet/node"
import { TestNetwork } from "@pnet/testing"
import { Context, Effect, Fiber, Layer, Logger, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { consoleOf, watching } from "./harness/desk.ts"

const Add = Command.make("add", {
  description: "Adds",
  args: [Schema.Finite, Schema.Finite],
  success: Schema.Finite
})

const Ticks = RpcGroup.make(
  Rpc.make("ticks", { payload: { upTo: Schema.Int }, success: Schema.Int, stream: true })
)

let isTicking = false
const TicksLive = CommandNode.serve(Ticks).pipe(Layer.provide(Ticks.toLayer({
  ticks: ({ upTo }) =>
    Stream.range(1, upTo).pipe(
      Stream.tap(() => Effect.sleep("1 second")),
      Stream.onStart(Effect.sync(() => {
        isTicking = true
      })),
      Stream.ensuring(Effect.sync(() => {
        isTicking = false
      }))
    )
})))

const served = {
  commands: [Command.implement(Add, (_call, a, b) => Effect.succeed(a + b))],
  functions: {
    fails: () => Effect.fail({ _tag: "Broken" }),
    waits: () => Effect.never,
    long: () => Effect.succeed("x".repeat(1_000_000)),
    asks: (call: any) => Effect.orDie(call.node.target("carol")("add", 1, 2) as Effect.Effect<number, unknown>)
  }
}

/** Nodes that record spans, of which bob and carol show them to whoever asks. */
const network = TestNetwork.make({
  crypto: NodeCrypto.layer,
  seed: 3,
  trust: Trust.open(TofuTrust.layer()),
  nodes: {
    alice: TestNetwork.node({ services: ConsoleSpans.layer }),
    bob: TestNetwork.node({
      ...served,
      services: ConsoleSpans.layer,
      beside: Layer.merge(ConsoleAgent.layer({ allow: () => true }), TicksLive)
    }),
    carol: TestNetwork.node({
      ...served,
      services: ConsoleSpans.layer,
      beside: ConsoleAgent.layer({ allow: { names: ["alice"] } })
    })
  }
})

const spansIn = (of: TestNetwork.TestNode<any, any>) =>
  Context.get(of.context as Context.Context<ConsoleSpans.ConsoleSpans>, ConsoleSpans.ConsoleSpans)

const call = { args: [], stream: false, target: ["bob"] }

const tags = (events: ReadonlyArray<CallEvent>) => events.map(({ _tag, peer }) => `${_tag} ${peer}`)

describe("functions of a peer", () => {
  it.effect("are described with what they take, and called with what comes of it", () =>
    Effect.gen(function*() {
      const { nodes } = yield* network
      const client = yield* consoleOf(nodes.alice.node)
      const functions = yield* client.describe({ key: nodes.bob.node.publicKey })
      const add = functions.find(({ name }) => name === "add")!
      assert.deepInclude(add, { kind: "command", description: "Adds", stream: false })
      assert.match(add.signature, /^add\(.*number.*\) → number$/)
      assert.strictEqual((add.args as { readonly minItems: number }).minItems, 2)
      assert.isTrue(functions.find(({ name }) => name === "ticks")!.stream)
      assert.strictEqual((yield* Effect.flip(client.describe({ key: "nobody" }))).error, "PeerUnknownError")

      const run = (input: Partial<Parameters<typeof client.call>[0]> & { readonly function: string }) =>
        Stream.runCollect(client.call({ ...call, ...input }))
      const [started, value] = yield* run({ function: "add", args: [20, 22] })
      assert.strictEqual(started!._tag, "Started")
      assert.deepInclude(value, { _tag: "Value", peer: "bob", value: 42, bytes: 2 })
      // A row of each peer, whatever becomes of the others.
      const all = yield* run({ function: "add", args: [1, 2], target: "*" })
      assert.deepStrictEqual(tags(all).sort(), ["Started bob", "Started carol", "Value bob", "Value carol"])
      const mixed = yield* run({ function: "add", args: [1, 2], target: ["bob", "nobody"] })
      assert.deepStrictEqual(tags(mixed).sort(), ["Failed nobody", "Started bob", "Started nobody", "Value bob"])

      const failed = (yield* run({ function: "fails" })).at(-1)!
      assert.deepInclude(failed, { _tag: "Failed", tag: "RemoteError", error: { _tag: "Broken", message: "" } })
      const late = (yield* run({ function: "waits", timeoutMs: 2_000 })).at(-1)!
      assert.deepInclude(late, { _tag: "Failed", tag: "DeadlineError", ms: 2_000 })
      const wrong = (yield* run({ function: "add", args: ["a"] })).at(-1)!
      assert.deepInclude(wrong, { _tag: "Failed", tag: "InvalidArgumentsError" })
      const long = (yield* run({ function: "long" })).at(-1)! as Extract<CallEvent, { readonly _tag: "Value" }>
      assert.strictEqual(long.bytes, 1_000_002)
      assert.isUndefined(long.value)
      assert.isBelow(long.text!.length, 300_000)
    }))

  it.effect("give streams as they come, and end with the page's interest", () =>
    Effect.gen(function*() {
      const { nodes } = yield* network
      const client = yield* consoleOf(nodes.alice.node)
      const ticks = (upTo: number) => client.call({ ...call, function: "ticks", stream: true, args: [{ upTo }] })
      const all = yield* Stream.runCollect(ticks(3))
      assert.deepStrictEqual(tags(all), ["Started bob", "Element bob", "Element bob", "Element bob", "Done bob"])
      assert.deepInclude(all[3], { index: 2, value: 3 })

      const running = yield* Effect.forkScoped(Stream.runDrain(ticks(1_000)))
      yield* Effect.sleep("3 seconds")
      assert.isTrue(isTicking)
      yield* Fiber.interrupt(running)
      yield* Effect.sleep("1 second")
      assert.isFalse(isTicking)
    }))
})

describe("texts of peers", () => {
  it.effect("are cut where a peer says too much, and shown as they are otherwise", () =>
    Effect.gen(function*() {
      const acting = "\u001b[31m<img src=x onerror=alert(1)>\u202e"
      const huge = Schema.Struct(Object.fromEntries(
        Array.from({ length: 3_000 }, (_, i) => [`field_of_a_long_name_${i}`, Schema.String])
      ))
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 5,
        trust: Trust.open(TofuTrust.layer()),
        nodes: {
          alice: TestNetwork.node(),
          "<img src=x onerror=alert(1)>": TestNetwork.node({
            meta: { note: acting },
            commands: [
              Command.implement(
                Command.make("long", { args: [], success: huge, description: `${acting}${"x".repeat(1_000_000)}` }),
                () => Effect.die("no")
              )
            ],
            functions: {
              [`y${"é".repeat(100)}`]: () => Effect.succeed(1),
              fails: () => Effect.fail({ _tag: "Long", message: `${acting}${"z".repeat(1_000_000)}` })
            }
          })
        }
      })
      const client = yield* consoleOf(nodes.alice.node)
      const shown = yield* watching(client)
      yield* Effect.sleep("5 seconds")
      const { key, name } = [...shown.peers.values()].find(({ id }) => id !== 0)!
      const functions = yield* client.describe({ key })
      const long = functions.find(({ name }) => name === "long")!
      assert.isTrue(long.description!.startsWith(acting))
      assert.match(long.description!, /… \(of 1000\d\d\d characters\)$/)
      assert.isBelow(long.description!.length, 4_100)
      assert.isUndefined(long.success)
      assert.isBelow(long.signature.length, 1_100)
      assert.isBelow(JSON.stringify(functions).length, 20_000)
      const page = yield* client.peer({ key })
      assert.strictEqual(page.meta["note"], acting)
      const failed = yield* Stream.runLast(client.call({ ...call, function: "fails", target: [name] }))
      assert.isBelow(JSON.stringify(failed).length, 20_000)
    }))

  it.effect("are so many at once, of all pages together", () =>
    Effect.gen(function*() {
      const { nodes } = yield* network
      const client = yield* consoleOf(nodes.alice.node)
      const waits = client.call({ ...call, function: "waits" })
      const going = yield* Effect.forEach(Array.from({ length: 32 }), () => Effect.forkScoped(Stream.runDrain(waits)))
      yield* Effect.sleep("1 second")
      const error = yield* Effect.flip(Stream.runDrain(waits))
      assert.deepInclude(error, { _tag: "BusyError", what: "calls", most: 32 })
      yield* Fiber.interrupt(going[0]!)
      yield* Effect.sleep("1 second")
      const again = yield* Stream.runCollect(client.call({ ...call, function: "add", args: [1, 2] }))
      assert.strictEqual(again.at(-1)!._tag, "Value")
    }))
})

describe("traces", () => {
  it.effect("are recorded while a page is open, and have the spans of peers that show theirs", () =>
    Effect.gen(function*() {
      const { nodes } = yield* network
      const spans = spansIn(nodes.alice)
      const ask = nodes.alice.run(nodes.alice.node.target("bob")("asks"))
      const client = yield* consoleOf(nodes.alice.node, { spans })
      yield* ask
      assert.strictEqual(spans.count(), 0)
      assert.strictEqual(spansIn(nodes.bob).count(), 0)

      yield* Effect.scoped(Effect.gen(function*() {
        yield* watching(client)
        yield* Effect.sleep("5 seconds")
        const run = client.call({ ...call, function: "asks" })
        // A page's own call is one like any other.
        yield* Effect.provideContext(Stream.runDrain(run), nodes.alice.context as Context.Context<never>)
        yield* ask
        const [first] = yield* client.traces().pipe(Stream.take(1), Stream.runCollect)
        const root = first!.findLast(({ name }) => name === "call asks")!
        assert.deepInclude(root, { at: "alice", kind: "client", peer: "bob", function: "asks", status: "ok" })
        const { spans: found, without } = yield* client.trace({ trace: root.trace })
        assert.deepStrictEqual(without, [])
        assert.deepStrictEqual(found.map(({ at, name }) => `${at} ${name}`), [
          "alice call asks",
          "bob asks",
          "bob call add",
          "carol add"
        ])
        found.slice(1).forEach(({ parent }, i) => assert.strictEqual(parent, found[i]!.span))

        // So have streams, and those that somebody cancels.
        const ticks = client.call({ ...call, function: "ticks", args: [{ upTo: 1_000 }], stream: true })
        const going = yield* Effect.forkScoped(
          Effect.provideContext(Stream.runDrain(ticks), nodes.alice.context as Context.Context<never>)
        )
        yield* Effect.sleep("3 seconds")
        yield* Fiber.interrupt(going)
        yield* Effect.sleep("1 second")
        const [last] = yield* client.traces().pipe(Stream.take(1), Stream.runCollect)
        const cancelled = last!.findLast(({ name }) => name === "call ticks")!
        assert.deepInclude(cancelled, { peer: "bob", function: "ticks", status: "interrupted" })
        const ended = yield* client.trace({ trace: cancelled.trace })
        // Beside that of the request, which is made in this process here.
        const ofTicks = ended.spans.filter(({ name }) => name.endsWith("ticks"))
        assert.deepStrictEqual(ofTicks.map(({ at, name }) => `${at} ${name}`), ["alice call ticks", "bob ticks"])
        assert.strictEqual(ofTicks[1]!.parent, ofTicks[0]!.span)

        // Of one trace a peer gives so many.
        const many = Effect.forEach(Array.from({ length: 210 }), () => nodes.alice.node.target("bob")("add", 1, 2))
        yield* nodes.alice.run(Effect.withSpan(many, "many"))
        const [spansOfMany] = yield* client.traces().pipe(Stream.take(1), Stream.runCollect)
        const whole = yield* client.trace({ trace: spansOfMany!.at(-1)!.trace })
        assert.strictEqual(whole.spans.filter(({ at }) => at === "bob").length, 200)
        assert.strictEqual(whole.spans.filter(({ at }) => at === "alice").length, 211)

        // Carol shows hers to alice alone.
        const bobs = yield* consoleOf(nodes.bob.node, { spans: spansIn(nodes.bob) })
        yield* watching(bobs)
        yield* Effect.sleep("5 seconds")
        yield* nodes.bob.run(nodes.bob.node.target("carol")("add", 1, 2))
        const [seen] = yield* bobs.traces().pipe(Stream.take(1), Stream.runCollect)
        const added = seen!.findLast(({ name }) => name === "call add")!
        const shown = yield* bobs.trace({ trace: added.trace })
        assert.deepStrictEqual(shown.spans.map(({ at }) => at), ["bob"])
        assert.deepStrictEqual(shown.without.map(({ peer }) => peer), ["carol"])
      }))
      yield* Effect.sleep("5 seconds")
      const counts = [nodes.alice, nodes.bob].map((node) => spansIn(node).count())
      yield* ask
      assert.deepStrictEqual([nodes.alice, nodes.bob].map((node) => spansIn(node).count()), counts)
    }))
})

describe("calls each second", () => {
  it.effect("are counted by peer and function, with errors and latencies", () =>
    Effect.gen(function*() {
      const { nodes } = yield* network
      const client = yield* consoleOf(nodes.alice.node)
      const { buckets } = yield* client.hello()
      const counting = yield* Effect.forkScoped(client.rates().pipe(Stream.take(3), Stream.runCollect))
      yield* Effect.sleep("1500 millis")
      for (let i = 0; i < 3; i++) yield* nodes.alice.node.target("bob")("add", 1, i)
      yield* Effect.exit(nodes.alice.node.target("bob")("fails"))
      // What the console asks for itself is none of them.
      yield* client.describe({ key: nodes.bob.node.publicKey })
      const seconds = yield* Fiber.join(counting)
      const second = seconds.find(({ out }) => out.calls > 0)!
      assert.strictEqual(second.out.calls, 4)
      assert.deepStrictEqual(second.out.failures, [{ tag: "RemoteError", count: 1 }])
      assert.strictEqual(second.out.latency.reduce((sum, count) => sum + count, 0), 4)
      assert.isAtMost(second.out.latency.length, buckets.length + 1)
      const add = second.series.find((one) => one.direction === "out" && one.function === "add")
      assert.deepInclude(add, { kind: "command", peer: "bob", calls: 3 })
      assert.isAbove(add!.sent, 0)
      assert.strictEqual(seconds.filter(({ out }) => out.calls > 0).length, 1)
    }))
})

describe("topics", () => {
  it.effect("are listed by who subscribes, and shown by their last values", () =>
    Effect.gen(function*() {
      const { nodes } = yield* network
      const client = yield* consoleOf(nodes.alice.node)
      yield* watching(client)
      yield* Effect.forkScoped(Stream.runDrain(nodes.carol.node.subscribe("rooms.*")))
      const rows = new Map<string, unknown>()
      yield* Effect.forkScoped(Stream.runForEach(client.table({ topic: "rooms.>" }), (batch) =>
        Effect.sync(() => {
          for (const { from, key } of batch.gone) rows.delete(`${from} ${key}`)
          for (const { from, key, value } of batch.rows) rows.set(`${from.key} ${key}`, value)
        })))
      yield* Effect.sleep("5 seconds")
      const topics = yield* client.topics()
      assert.deepStrictEqual(topics.map(({ pattern, topic }) => [topic, pattern]), [["rooms.*", true], [
        "rooms.>",
        true
      ]])
      assert.deepInclude(topics[0]!.subscribers[0], { peer: "carol", mode: "buffer" })

      const bob = nodes.bob.node.publicKey
      const publish = (key: string, celsius: number) =>
        nodes.bob.node.publish("rooms.heat", { celsius }, { key, retain: true })
      yield* publish("kitchen", 20)
      yield* publish("hall", 18)
      yield* publish("kitchen", 21)
      yield* Effect.sleep("2 seconds")
      assert.deepStrictEqual(Object.fromEntries(rows), {
        [`${bob} kitchen`]: { celsius: 21 },
        [`${bob} hall`]: { celsius: 18 }
      })
      yield* nodes.bob.node.retract("rooms.heat", "hall")
      yield* Effect.sleep("2 seconds")
      assert.deepStrictEqual([...rows.keys()], [`${bob} kitchen`])
      yield* nodes.bob.stop
      yield* Effect.sleep("20 seconds")
      assert.strictEqual(rows.size, 0)
    }))
})

describe("how far a peer is trusted", () => {
  const [one, other] = [1, 2].map((byte) => PublicKey.fromBytes(new Uint8Array(32).fill(byte + 8))!) as [
    PublicKey.PublicKey,
    PublicKey.PublicKey
  ]
  const bob = NodeName.make("bob")

  it.effect("is said by trust on first use: whoever connected by himself is not who was reached", () =>
    Effect.gen(function*() {
      const trust = TofuTrust.make()
      // As a node has it that lets whoever is trusted do anything.
      const opened = yield* Layer.build(Trust.open(Layer.succeed(Trust.Trust, trust)))
      const { judge } = ConsoleTrust.ofPolicy(Context.get(opened, Trust.Trust))
      assert.strictEqual(yield* judge(bob, one), "unknown")
      yield* trust.proved(bob, one, "10.0.0.1")
      assert.strictEqual(yield* judge(bob, one), "connected")
      assert.strictEqual(yield* judge(bob, other), "other")
      yield* trust.proved(bob, one)
      assert.strictEqual(yield* judge(bob, one), "pinned")
      yield* trust.revoke(one)
      assert.strictEqual(yield* judge(bob, one), "revoked")
    }).pipe(Effect.scoped))

  it.effect("has what peers say that they serve count where the policy grants it, and by trust on first use alone not", () =>
    Effect.gen(function*() {
      const trust = TofuTrust.make()
      const opened = yield* Layer.build(Trust.open(Layer.succeed(Trust.Trust, trust)))
      const listed = yield* AllowListTrust.make([["bob", one, { serves: ["add"] }]])
      const heeded = (policy: Trust.Trust["Service"]) => ConsoleTrust.ofPolicy(policy).heeds!(bob, one)
      assert.deepStrictEqual(yield* Effect.all([trust, Context.get(opened, Trust.Trust), listed].map(heeded)), [
        false,
        true,
        true
      ])
    }).pipe(Effect.scoped))

  it.effect("is said by a list, an authority, and a policy of one's own", () =>
    Effect.gen(function*() {
      const listed = ConsoleTrust.ofPolicy(yield* AllowListTrust.make([["bob", one]]))
      assert.strictEqual(yield* listed.judge(bob, one), "listed")
      assert.strictEqual(yield* listed.judge(bob, other), "other")
      assert.strictEqual(yield* listed.judge(NodeName.make("carol"), other), "unknown")

      const { issue, publicKey } = yield* Authority.generate
      const networkId = "home"
      const certificate = yield* issue({ networkId, name: "bob", publicKey: one, lifetime: "1 day" })
      const bobs = yield* AuthorityTrust.make(publicKey, { networkId, certificate })
      const trust = yield* AuthorityTrust.make(publicKey, { networkId })
      const signed = ConsoleTrust.ofPolicy(trust)
      assert.strictEqual(yield* signed.judge(bob, one), "unknown")
      yield* trust.proved(bob, one, "10.0.0.1", yield* bobs.credentials!.shown)
      assert.strictEqual(yield* signed.judge(bob, one), "listed")

      const { standing: _standing, ...own } = TofuTrust.make({ pins: [[bob, one]] })
      assert.strictEqual(yield* ConsoleTrust.ofPolicy(own).judge(bob, one), "pinned")
    }).pipe(Effect.scoped, Effect.provide(NodeCrypto.layer)))
})

describe("what is wrong", () => {
  it.effect("is said once, whoever notices it", () =>
    Effect.gen(function*() {
      const { nodes } = yield* network
      const { node } = nodes.alice
      const found = (_tag: string, message: string, more = {}) => ({
        _tag,
        message,
        remedy: "mend it",
        severity: "error" as const,
        ...more
      })
      const where = "10.0.0.9:4000"
      const client = yield* consoleOf({
        ...node,
        peers: {
          ...node.peers,
          obstacles: Effect.succeed([{
            kind: "NetworkKey",
            where,
            what: `${where} has another key`,
            remedy: "mend it"
          }]),
          conflicts: Effect.succeed([{ name: NodeName.make("bob"), expected: undefined, claims: [] }])
        }
      }, {
        diagnose: Effect.succeed([
          found("KeyMismatch", "a node at 10.0.0.9:4001 has another key"),
          found("KeyMismatch", "a node at 10.0.0.8 has another key"),
          found("NameShared", "2 nodes are called bob", { name: "bob" }),
          found("NameShared", "2 nodes are called carol", { name: "carol" })
        ])
      })
      assert.deepStrictEqual((yield* client.diagnose()).map(({ message }) => message), [
        `${where} has another key`,
        "a node at 10.0.0.8 has another key",
        "2 nodes are called carol"
      ])
    }))
})

describe("decisions", () => {
  it.effect("are refused where the console only shows", () => {
    const logged: Array<string> = []
    return Effect.gen(function*() {
      const { nodes } = yield* network
      const done: Array<string> = []
      const trust: ConsoleTrust.ConsoleTrust = {
        judge: () => Effect.succeed("pinned"),
        allow: (name) => Effect.sync(() => done.push(`allow ${name}`)),
        forget: (name) => Effect.sync(() => done.push(`forget ${name}`)),
        revoke: () => Effect.sync(() => done.push("revoke"))
      }
      const key = nodes.bob.node.publicKey
      const decide = (client: Effect.Success<ReturnType<typeof consoleOf>>) =>
        Effect.forEach([
          client.allow({ name: "bob", key }),
          client.forget({ name: "bob" }),
          client.revoke({ key }),
          client.resolveConflict({ name: "bob", key })
        ], Effect.exit)
      const shows = yield* consoleOf(nodes.alice.node, { trust })
      for (const exit of yield* decide(shows)) {
        assert.strictEqual(exit._tag, "Failure")
        assert.include(JSON.stringify(exit), "NotActingError")
      }
      assert.deepStrictEqual(done, [])
      assert.deepStrictEqual(logged, [])
      assert.deepStrictEqual((yield* shows.peer({ key })).can, [])

      const acts = yield* consoleOf(nodes.alice.node, { trust, act: true })
      yield* watching(acts)
      yield* Effect.sleep("1 second")
      for (const exit of yield* decide(acts)) assert.strictEqual(exit._tag, "Success")
      assert.deepStrictEqual(done, ["allow bob", "forget bob", "revoke"])
      assert.includeMembers([...(yield* acts.peer({ key })).can], ["allow", "revoke", "forget", "resolveConflict"])
      const said = yield* acts.events().pipe(Stream.take(4), Stream.runCollect)
      assert.deepStrictEqual(said.map(({ kind }) => kind), ["acted", "acted", "acted", "acted"])
      const wrong = yield* Effect.flip(acts.allow({ name: "bob", key: "no key" }))
      assert.strictEqual(wrong._tag, "FailedError")
      assert.lengthOf(logged, 4)
      for (const line of logged) assert.match(line, /^the console did: .*(bob|key)/)
    }).pipe(Effect.provide(Logger.layer([Logger.make<unknown, void>(({ message }) => {
      const text = String(Array.isArray(message) ? message[0] : message)
      if (text.startsWith("the console did")) logged.push(text)
    })])))
  })
})
