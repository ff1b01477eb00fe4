/** What a node tells of what it offers, as any peer that asks has it. */
import { assert, describe, it } from "@effect/vitest"
import { type AdvancedNode, Command, CommandNode, type CommandNode as Nodes, Offer, type Sessions } from "@pnet/core"
import { startCommand } from "@pnet/lab/worlds/commandWorld"
import { failureOf, quietly, start, text, two } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { Effect, Exit, Layer, Logger, Schema, Scope } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { owns } from "../../src/internal/offers/own.ts"

type Asking = Pick<AdvancedNode.AdvancedNode["Service"], "peers" | "sessions">

/** Asks a peer what it offers, and gives the lines that have come so far; until the scope closes. */
const ask = (node: Asking, name: string) =>
  Effect.gen(function*() {
    const stream = yield* node.sessions.open(yield* node.peers.resolveOne(name), { protocol: "offer", name: "" })
    yield* stream.end
    return { stream, lines: yield* linesOf(stream) }
  })

const linesOf = (stream: Sessions.SessionStream) =>
  Effect.gen(function*() {
    const lines: Array<unknown> = []
    let rest = ""
    yield* Effect.forkScoped(Effect.ignore(Effect.forever(Effect.map(stream.pull, (parts) => {
      for (const part of parts) rest += text(part)
      const whole = rest.split("\n")
      rest = whole.pop()!
      lines.push(...whole.map((line) => JSON.parse(line)))
    }))))
    return lines
  })

describe("who asks a node what it offers", () => {
  it.effect("is told at once, and again whenever that is another: roles, meta, functions, draining", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice, bob } = yield* two(network, {}, { roles: ["worker"], meta: { zone: "a" } })
      const { lines } = yield* ask(alice.node, "bob")
      yield* Effect.sleep("100 millis")
      assert.deepStrictEqual(lines, [{ roles: ["worker"], meta: { zone: "a" }, functions: { echo: "" } }])

      yield* bob.node.offer.update({ roles: [], draining: true })
      const scope = yield* Scope.make()
      yield* Scope.provide(bob.node.register<never, never>("upper", () => ""), scope)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(lines.slice(1), [
        { meta: { zone: "a" }, functions: { echo: "", upper: "" }, draining: true }
      ])
      yield* Scope.close(scope, Exit.void)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(lines.slice(2), [{ meta: { zone: "a" }, functions: { echo: "" }, draining: true }])
      assert.deepStrictEqual(yield* bob.node.offer.current, {
        roles: [],
        meta: { zone: "a" },
        functions: { echo: "" },
        draining: true,
        topics: []
      })
    })))

  it.effect("is told four lines a second of a node that changes a thousand times, the last with all of it", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice, bob } = yield* two(network)
      const { lines } = yield* ask(alice.node, "bob")
      for (let i = 1; i <= 1_000; i++) {
        yield* bob.node.offer.update({ meta: { i } })
        yield* Effect.sleep("2 millis")
      }
      assert.isAtLeast(lines.length, 8)
      assert.isAtMost(lines.length, 11)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(lines.at(-1), { meta: { i: 1_000 }, functions: { echo: "" } })
      assert.isAtMost(lines.length, 12)
    })))

  it.effect("is told nothing where nothing is another in the end", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice, bob } = yield* two(network)
      const { lines } = yield* ask(alice.node, "bob")
      yield* Effect.sleep("1 second")
      yield* bob.node.offer.update({ roles: ["a"] })
      yield* bob.node.offer.update({ roles: [] })
      yield* Effect.sleep("2 seconds")
      assert.strictEqual(lines.length, 1)
    })))

  it.effect("has one stream: another ends the one before, and more than four a second are refused", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice } = yield* two(network)
      const streams = yield* Effect.forEach(Array.from({ length: 5 }), () => ask(alice.node, "bob"))
      yield* Effect.sleep("100 millis")
      const codes = yield* Effect.forEach(
        [0, 1, 2, 4],
        (i) => Effect.map(failureOf(streams[i]!.stream.failed), (error) => "code" in error && error.code)
      )
      assert.deepStrictEqual(codes, ["cancelled", "cancelled", "cancelled", "refused"])
      assert.deepStrictEqual(streams[3]!.lines, [{ functions: { echo: "" } }])
      yield* Effect.sleep("1 second")
      assert.strictEqual((yield* ask(alice.node, "bob")).stream.name, "")
    })))

  it.effect("and does not read is told the newest when it does, and what it says is dropped", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const functions = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`${"f".repeat(50)}${i}`, () => ""]))
      const { alice, bob } = yield* two(network, {}, { functions })
      const peer = yield* alice.node.peers.resolveOne("bob")
      const stream = yield* alice.node.sessions.open(peer, { protocol: "offer", name: "" })
      yield* stream.write(new Uint8Array(200_000))
      for (let i = 1; i <= 40; i++) {
        yield* bob.node.offer.update({ meta: { i } })
        yield* Effect.sleep("250 millis")
      }
      const lines = yield* linesOf(stream)
      yield* Effect.sleep("1 second")
      const said = lines.map((line) => (line as { meta?: { i: number } }).meta?.i)
      assert.strictEqual(said.at(-1), 40)
      assert.isBelow(said.length, 12, String(said))
    })))

  it.effect("of commands and typed calls learns their contracts, and not what every node answers", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const group = RpcGroup.make(Rpc.make("double", { payload: Schema.Int, success: Schema.Int }))
      const halve = Command.make("halve", { args: [Schema.Int], success: Schema.Int })
      const bob = yield* startCommand(network, {
        name: "bob",
        functions: { plain: () => Effect.succeed(1) },
        commands: [Command.implement(halve, (_, n) => Effect.succeed(n / 2))],
        streams: { bytes: () => "" }
      })
      const serving = CommandNode.serve(group).pipe(
        Layer.provide(group.toLayer({ double: (n) => Effect.succeed(2 * n) })),
        Layer.provide(Layer.succeed(CommandNode.CommandNode, bob.node as Nodes.CommandNode["Service"]))
      )
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(serving, scope)
      const alice = yield* startCommand(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const { lines } = yield* ask(alice.node, "bob")
      const described = Object.fromEntries((yield* bob.node.describe()).map(({ contract, name }) => [name, contract]))
      yield* Effect.sleep("100 millis")
      assert.match(String(described["double"]), /^[0-9a-f]{16}$/)
      assert.deepStrictEqual(lines, [{
        functions: { bytes: "", double: described["double"], halve: described["halve"], plain: "" }
      }])
      yield* Scope.close(scope, Exit.void)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(lines.at(-1), { functions: { bytes: "", halve: described["halve"], plain: "" } })
    })))

  it.effect("is not told of what is too much, which the log says when that is another", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const log: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])
      const bob = yield* start(network, { name: "bob" }, { logger })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      const { lines } = yield* ask(alice.node, "bob")
      const own = owns.get(bob.node)!
      let count = 300
      own.subscribes(() => Array.from({ length: count }, (_, i) => Offer.interest({ id: i + 1, topic: "a" })))
      own.serves(() => Array.from({ length: 1_030 }, (_, i) => [`f${i}`, ""] as const))
      yield* Effect.sleep("1 second")
      assert.strictEqual((lines.at(-1) as { topics: ReadonlyArray<unknown> }).topics.length, 256)
      const said = () => log.filter((line) => line.includes("are not told of"))
      assert.deepStrictEqual(said().map((line) => line.split(": ")[0]), [
        "peers are not told of 6 functions of this node",
        "peers are not told of 44 subscriptions of this node, which get nothing from them"
      ])
      yield* bob.node.offer.update({ roles: ["a"] })
      yield* Effect.sleep("1 second")
      assert.strictEqual(said().length, 2)
      count = 310
      own.changed()
      yield* Effect.sleep("1 second")
      assert.strictEqual(said().length, 3)
      assert.include(said()[2]!, "54 subscriptions")
    })))

  it.effect("loses its stream when the node closes, and costs the node nothing of its credit", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      // Room for the credit of one stream alone.
      const { alice, bob } = yield* two(network, {}, { limits: { credit: 4 * 262_144 } })
      const { stream } = yield* ask(alice.node, "bob")
      assert.strictEqual(text(yield* alice.node.request("bob", "echo", "hello")), "hello")
      yield* bob.process.stop
      assert.include(["StreamResetError", "PeerLostError"], (yield* failureOf(stream.failed))._tag)
    })))

  it.effect("a change that is none of a node's is an OptionsError that says what is wrong", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { node } = yield* start(network, { name: "alice" })
      for (
        const [change, what] of [
          [{ roles: ["*"] }, "roles"],
          [{ meta: { a: [] } }, "meta"],
          [{ meta: { a: "x".repeat(600) } }, "512"],
          [{ capacity: 0 }, "capacity"],
          [{ draining: "yes" }, "draining"],
          [{ functions: {} }, "functions"]
        ] as const
      ) {
        const error = yield* failureOf(node.offer.update(change as never))
        assert.strictEqual(error._tag, "OptionsError")
        assert.include(error.message, what)
      }
      assert.deepStrictEqual(yield* node.offer.current, {
        roles: [],
        meta: {},
        functions: {},
        draining: false,
        topics: []
      })
    })))
})
