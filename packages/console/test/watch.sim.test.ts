/** What a page sees of who is there, over simulated networks in virtual time. */
import { assert, describe, it } from "@effect/vitest"
import { ConsoleSpans } from "@pnet/console"
import { PublicKey } from "@pnet/core"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import { NodeCrypto } from "@pnet/node"
import { TestNetwork } from "@pnet/testing"
import { Context, Effect, Exit, Layer, Scope, Stream, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { type About, Page, People } from "../src/internal/server/people.ts"
import { paced } from "../src/internal/server/waiting.ts"
import { consoleOf, Shown, watching } from "./harness/desk.ts"

const add = (_call: unknown, a: number, b: number) => Effect.succeed(a + b)

const network = TestNetwork.make({
  crypto: NodeCrypto.layer,
  seed: 1,
  nodes: {
    alice: TestNetwork.node(),
    bob: TestNetwork.node({ functions: { add }, roles: ["worker"] }),
    carol: TestNetwork.node()
  }
})

const about = (name: string, more: Partial<About> = {}): About => ({
  name,
  publicKey: PublicKey.fromBytes(new Uint8Array(32).fill(name.charCodeAt(0)))!,
  endpoints: [],
  status: "Online",
  proved: true,
  ...more
})

/** A node that counts what of it is in use. */
const counting = (node: CommandNodeService) => {
  const uses = { changes: 0, interested: 0, looks: 0 }
  const counted = {
    ...node,
    peers: {
      ...node.peers,
      changes: Stream.unwrap(Effect.as(
        Effect.acquireRelease(Effect.sync(() => uses.changes++), () => Effect.sync(() => uses.changes--)),
        node.peers.changes
      )),
      interested: Effect.andThen(
        Effect.acquireRelease(Effect.sync(() => uses.interested++), () => Effect.sync(() => uses.interested--)),
        node.peers.interested
      ),
      all: Effect.tap(node.peers.all, () => Effect.sync(() => uses.looks++))
    },
    sessions: { ...node.sessions, all: Effect.tap(node.sessions.all, () => Effect.sync(() => uses.looks++)) }
  } as CommandNodeService
  return { uses, node: counted }
}

describe("a page of the console", () => {
  it.effect("is shown who is there, who sees whom, and what of that changes, and no more than that", () =>
    Effect.gen(function*() {
      const { nodes, partition } = yield* network
      const client = yield* consoleOf(nodes.alice.node)
      const shown = yield* watching(client)
      yield* Effect.sleep("15 seconds")
      assert.deepStrictEqual([...shown.peers.values()].map(({ name }) => name).sort(), ["alice", "bob", "carol"])
      assert.strictEqual(shown.peers.get(0)?.name, "alice")
      assert.strictEqual(shown.count, 2)
      assert.deepStrictEqual(shown.sees, {
        alice: ["bob", "carol"],
        bob: ["alice", "carol"],
        carol: ["alice", "bob"]
      })
      assert.isTrue(shown.named("bob")!.proved)
      assert.isTrue(shown.named("bob")!.offered)
      assert.deepStrictEqual(shown.named("bob")!.ways, ["lan"])
      const patches = shown.patches
      yield* Effect.sleep("1 minute")
      assert.isAtMost(shown.patches - patches, 2)

      // Carol is frozen: suspected first, and then lost, and all links with her.
      yield* partition("carol")
      yield* Effect.sleep("9 seconds")
      assert.strictEqual(shown.named("carol")?.status, "suspect")
      yield* Effect.sleep("30 seconds")
      assert.isUndefined(shown.named("carol"))
      assert.deepStrictEqual(shown.sees, { alice: ["bob"], bob: ["alice"] })
      const events = yield* client.events().pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(events.map(({ kind, peer }) => [kind, peer?.name]), [["suspected", "carol"], [
        "lost",
        "carol"
      ]])
    }))

  it.effect("is told of whom it is not known what they serve, as that does not count, and when it does", () =>
    Effect.gen(function*() {
      const { nodes } = yield* network
      let heeds = false
      const client = yield* consoleOf(nodes.alice.node, {
        trust: { judge: () => Effect.succeed("connected"), heeds: () => Effect.sync(() => heeds) }
      })
      const shown = yield* watching(client)
      yield* Effect.sleep("6 seconds")
      assert.isFalse(shown.named("bob")!.heeded)
      assert.isTrue(shown.peers.get(0)!.heeded)
      assert.isFalse((yield* client.peer({ key: shown.named("bob")!.key })).peer.heeded)
      heeds = true
      yield* Effect.sleep("6 seconds")
      assert.isTrue(shown.named("bob")!.heeded)
    }))

  it.effect("that has waited for long is shown each change by itself, since it looks as soon as it is woken", () =>
    Effect.gen(function*() {
      const people = new People(about("self"), 0)
      const changed = yield* people.waiting.join
      const page = new Page(people)
      const shown = new Shown()
      const patches = Stream.fromEffectRepeat(paced(changed, 200, (at) => Effect.sync(() => page.next(at))))
      yield* Effect.forkScoped(Stream.runForEach(patches, (patch) => Effect.sync(() => shown.take(patch))))
      const after = (change: () => void) => Effect.andThen(Effect.sync(change), TestClock.adjust("1 minute"))
      const bob = about("bob")
      yield* after(() => {})
      yield* after(() => people.put(bob, "unknown", 1))
      assert.strictEqual(shown.named("bob")?.trust, "unknown")
      yield* after(() => people.put(bob, "pinned", 1))
      assert.strictEqual(shown.named("bob")?.trust, "pinned")
      yield* after(() => people.sessions(new Map([[bob.publicKey, { by: "dialled", streams: 1, draining: false }]])))
      assert.strictEqual(shown.named("bob")?.session?.streams, 1)
      yield* after(() => people.saw(people.byId.get(1)!, ["self"], 1))
      assert.deepStrictEqual(shown.sees, { self: ["bob"], bob: ["self"] })
      yield* after(() => people.setConflicts([{ name: "bob", claims: [] }]))
      assert.strictEqual(shown.last?.conflicts?.length, 1)
      yield* after(() => people.setFindings(3))
      assert.strictEqual(shown.last?.findings, 3)
      yield* after(() => people.remove(bob.publicKey))
      assert.isUndefined(shown.named("bob"))
    }))

  it.effect("costs nothing when it is closed: no subscription, no look at the node, no span", () =>
    Effect.gen(function*() {
      const { nodes } = yield* network
      const { node, uses } = counting(nodes.alice.node)
      const tracing = yield* Layer.build(ConsoleSpans.layer)
      const spans = Context.get(tracing, ConsoleSpans.ConsoleSpans)
      const isAsleep = () => (Context.get(tracing, Tracer.Tracer) as { readonly asleep?: boolean }).asleep
      const client = yield* consoleOf(node, { spans })
      yield* Effect.sleep("1 minute")
      assert.deepStrictEqual(uses, { changes: 0, interested: 0, looks: 0 })
      assert.isTrue(isAsleep())

      const pages = yield* Scope.make()
      for (let i = 0; i < 2; i++) {
        yield* Scope.provide(watching(client), pages)
        for (const stream of [client.events(), client.rates(), client.traces(), client.table({ topic: "a" })]) {
          yield* Scope.provide(Effect.forkScoped(Stream.runDrain(stream as Stream.Stream<unknown, unknown>)), pages)
        }
      }
      yield* Effect.sleep("10 seconds")
      // However many pages there are, it is watched once.
      assert.strictEqual(uses.changes, 1)
      assert.strictEqual(uses.interested, 1)
      assert.isAbove(uses.looks, 10)
      assert.isFalse(isAsleep())
      yield* Scope.close(pages, Exit.void)
      uses.looks = 0
      yield* Effect.sleep("10 minutes")
      assert.deepStrictEqual(uses, { changes: 0, interested: 0, looks: 0 })
      assert.isTrue(isAsleep())
      assert.deepStrictEqual((yield* node.offer.current).topics, [])
    }))
})
