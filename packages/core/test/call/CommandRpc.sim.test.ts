/** RPC groups served and called through a CommandNode: what the node adds to PeerRpc. */
import { assert, describe, it } from "@effect/vitest"
import { CommandNode, PortableCrypto, TofuTrust } from "@pnet/core"
import { type Net } from "@pnet/lab/worlds/sessionWorld"
import { failureOf, quietly } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { Context, Effect, Exit, Layer, Logger, Metric, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import * as Contract from "../../src/internal/call/contract.ts"

class Missing extends Schema.TaggedError<Missing>()("Missing", { path: Schema.String }) {}

class Files extends RpcGroup.make(
  Rpc.make("size", { payload: { path: Schema.String }, success: Schema.Int, error: Missing }),
  Rpc.make("lines", { payload: { count: Schema.Int }, success: Schema.String, stream: true }),
  Rpc.make("store", { payload: { data: Schema.Uint8Array }, success: Schema.Int })
) {}

const FilesLive = Files.toLayer({
  size: ({ path }) => path === "" ? Effect.fail(new Missing({ path })) : Effect.succeed(path.length),
  lines: ({ count }) => Stream.map(Stream.range(1, count), (n) => `line ${n}`),
  store: ({ data }) => Effect.succeed(data.length)
})

const start = (network: Net, name: string, limits: CommandNode.Options["limits"] = {}) =>
  Effect.gen(function*() {
    const host = yield* network.host(name)
    const layer = CommandNode.serve(Files).pipe(
      Layer.provide(FilesLive),
      Layer.provideMerge(
        CommandNode.layer({
          name,
          networkId: "typed",
          bindIp: "0.0.0.0",
          limits,
          functions: { plain: () => Effect.succeed(1) }
        })
      ),
      Layer.provide([PortableCrypto.layer, TofuTrust.layer(), Logger.layer([])])
    )
    const process = yield* Effect.orDie(host.launch(layer))
    return { node: Context.get(process.context, CommandNode.CommandNode), process, host }
  })

const two = (limits?: CommandNode.Options["limits"]) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make()
    const bob = yield* start(network, "bob", limits)
    const alice = yield* start(network, "alice")
    yield* Effect.orDie(Effect.all([alice.node.peers.awaitPeer("bob"), bob.node.peers.awaitPeer("alice")]))
    return { alice, bob, network }
  })

describe("RPC groups on a CommandNode", () => {
  it.effect("are called typed, in both directions of one session, and by name", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* two()
      const atBob = yield* alice.node.client(Files, "bob")
      const atAlice = yield* bob.node.client(Files, "alice")
      assert.strictEqual(yield* atBob.size({ path: "/etc" }), 4)
      assert.strictEqual(yield* atAlice.size({ path: "/etc/hosts" }), 10)
      assert.deepStrictEqual(yield* Stream.runCollect(atBob.lines({ count: 2 })), ["line 1", "line 2"])
      assert.instanceOf(yield* failureOf(atBob.size({ path: "" })), Missing)
      assert.strictEqual((yield* alice.node.sessions.all).length, 1)

      const proxy = alice.node.target("bob")
      assert.strictEqual(yield* proxy("size", { path: "/etc" }), 4)
      assert.deepStrictEqual(yield* proxy("lines", { count: 3 }), ["line 1", "line 2", "line 3"])
      assert.deepStrictEqual(yield* proxy("get_funcs"), [
        "describe",
        "get_funcs",
        "get_peers",
        "lines",
        "plain",
        "size",
        "store"
      ])
      const described = (yield* proxy("describe", "lines")) as unknown as ReadonlyArray<Record<string, unknown>>
      assert.strictEqual(described[0]!["kind"], "rpc")
      assert.isTrue(described[0]!["stream"])

      const all = yield* (yield* alice.node.client(Files, "*")).size({ path: "abc" })
      assert.deepStrictEqual(all, { bob: Exit.succeed(3) })
    })))

  it.effect("are described so that a stranger can make their contracts", () =>
    quietly(Effect.gen(function*() {
      interface Tree {
        readonly children: ReadonlyArray<Tree>
      }
      const Tree: Schema.Codec<Tree> = Schema.Struct({
        children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
      }).annotate({ identifier: "Tree" })
      const group = RpcGroup.make(
        Rpc.make("depth", { payload: Tree, success: Schema.Int }),
        Rpc.make("length", { payload: Schema.String, success: Schema.Int }),
        Rpc.make("now", { success: Schema.Int })
      )
      const { alice, network } = yield* two()
      const host = yield* network.host("carol")
      yield* Effect.orDie(host.launch(
        CommandNode.serve(group).pipe(
          Layer.provide(group.toLayer({
            depth: () => Effect.succeed(1),
            length: (text) => Effect.succeed(text.length),
            now: () => Effect.succeed(0)
          })),
          Layer.provide(CommandNode.layer({ name: "carol", networkId: "typed", bindIp: "0.0.0.0" })),
          Layer.provide([PortableCrypto.layer, TofuTrust.layer(), Logger.layer([])])
        )
      ))
      yield* alice.node.peers.awaitPeer("carol")
      const [depth, length, now] = (yield* alice.node.target("carol")("describe", "depth", "length", "now")) as any
      // The payload, with what it refers to where its references lead.
      assert.hasAllKeys(depth.args, ["type", "prefixItems", "maxItems", "$defs"])
      const payload = { ...depth.args.prefixItems[0], $defs: depth.args.$defs }
      assert.deepStrictEqual(depth.kwargs, payload)
      const { error, stream, success } = depth
      assert.strictEqual(depth.contract, Contract.hashOf({ payload, success, error, stream }))
      // A text is no keyword arguments.
      assert.deepStrictEqual(length.args.prefixItems, [{ type: "string" }])
      assert.notProperty(length, "kwargs")
      assert.deepStrictEqual([now.args.maxItems, now.kwargs.maxProperties], [0, 0])
    })))

  it.effect("keep to the node's limits", () =>
    quietly(Effect.gen(function*() {
      const { alice } = yield* two({ callSize: 200_000, callMemory: 300_000 })
      const files = yield* alice.node.client(Files, "bob")
      assert.strictEqual(yield* files.store({ data: new Uint8Array(50_000) }), 50_000)
      assert.strictEqual((yield* failureOf(files.store({ data: new Uint8Array(400_000) })))._tag, "CallTooLargeError")
      // A quarter of the memory is all that one peer may have.
      const refused = yield* failureOf(files.store({ data: new Uint8Array(150_000) }))
      assert.strictEqual(refused._tag === "StreamResetError" && refused.code, "refused")
      assert.strictEqual(yield* files.store({ data: new Uint8Array(50_000) }), 50_000)
    })))

  it.effect("are counted, on both sides", () =>
    quietly(Effect.gen(function*() {
      const before = yield* Metric.snapshot
      const { alice, bob } = yield* two()
      const files = yield* alice.node.client(Files, "bob")
      yield* files.size({ path: "/etc" })
      yield* failureOf(files.size({ path: "" }))
      yield* Stream.runDrain(files.lines({ count: 5 }))
      yield* bob.process.kill
      yield* Effect.sleep("30 seconds")
      assert.strictEqual((yield* failureOf(files.size({ path: "x" })))._tag, "PeerLostError")

      const after = yield* Metric.snapshot
      const of = (snapshot: typeof after, id: string, attributes: Record<string, string>) =>
        (snapshot.find((metric) =>
          metric.id === id
          && Object.entries(attributes).every(([key, value]) => metric.attributes?.[key] === value)
        )?.state as { readonly count: number } | undefined)?.count ?? 0
      // Metrics are the process's: other tests have counted, too.
      const count = (id: string, attributes: Record<string, string>) =>
        of(after, id, attributes) - of(before, id, attributes)
      const out = { direction: "out", kind: "rpc", peer: "bob" }
      const size = { ...out, function: "size" }
      assert.strictEqual(count("pnet_calls", size), 3)
      assert.strictEqual(count("pnet_call_milliseconds", size), 3)
      assert.strictEqual(count("pnet_call_failures", { ...size, tag: "failed" }), 1)
      assert.strictEqual(count("pnet_call_failures", { ...size, tag: "PeerLostError" }), 1)
      assert.strictEqual(count("pnet_calls", { ...out, function: "lines" }), 1)
      assert.isAbove(count("pnet_call_bytes_received", { ...out, function: "lines" }), 20)
      const within = { direction: "in", kind: "rpc", peer: "alice" }
      assert.strictEqual(count("pnet_calls", { ...within, function: "size" }), 2)
      assert.strictEqual(count("pnet_call_failures", { ...within, function: "size", tag: "failed" }), 1)
      assert.isAbove(count("pnet_call_bytes_sent", { ...within, function: "lines" }), 20)
    })))
})
