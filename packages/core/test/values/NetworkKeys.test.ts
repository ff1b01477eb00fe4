import { assert, describe, it } from "@effect/vitest"
import * as NetworkKey from "@pnet/core/NetworkKey"
import * as NetworkKeys from "@pnet/core/NetworkKeys"
import * as NodeOptions from "@pnet/core/NodeOptions"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"

const keyOf = (byte: number): NetworkKey.NetworkKey =>
  Result.getOrThrow(NetworkKey.parse(Buffer.alloc(32, byte).toString("base64url") + "="))
const textOf = (byte: number) => Redacted.value(keyOf(byte))

const held = (keys: NetworkKeys.NetworkKeys["Service"]) =>
  Effect.map(keys.keys, (all) => {
    const first = all.map((key) => Redacted.value(NetworkKey.toBytes(key))[0])
    assert.deepStrictEqual(keys.bytesUnsafe().map((bytes) => Redacted.value(bytes)[0]), first)
    return first
  })
const kind = <A>(effect: Effect.Effect<A, NetworkKeys.NetworkKeysError>) =>
  Effect.map(Effect.flip(effect), (error) => error.kind)

describe("NetworkKeys", () => {
  it.effect("a key comes last, goes first, and the old one goes", () =>
    Effect.gen(function*() {
      const keys = yield* NetworkKeys.make([keyOf(1)])
      assert.deepStrictEqual(yield* held(keys), [1])
      yield* keys.add(keyOf(2))
      yield* keys.add(keyOf(2))
      assert.deepStrictEqual(yield* held(keys), [1, 2])
      yield* keys.promote(keyOf(2))
      yield* keys.promote(keyOf(2))
      assert.deepStrictEqual(yield* held(keys), [2, 1])
      // What is held stays where it is.
      yield* keys.add(keyOf(2))
      assert.deepStrictEqual(yield* held(keys), [2, 1])
      yield* keys.remove(keyOf(1))
      yield* keys.remove(keyOf(1))
      assert.deepStrictEqual(yield* held(keys), [2])
      yield* keys.set([keyOf(3), keyOf(2), keyOf(3)])
      assert.deepStrictEqual(yield* held(keys), [3, 2])
    }))

  it.effect("a key's bytes are the same value as long as it is held", () =>
    Effect.gen(function*() {
      const keys = yield* NetworkKeys.make([keyOf(1)])
      const [one] = keys.bytesUnsafe()
      yield* keys.add(keyOf(2))
      yield* keys.promote(keyOf(2))
      yield* keys.set([keyOf(1), keyOf(3)])
      assert.strictEqual(keys.bytesUnsafe()[0], one)
      yield* keys.remove(keyOf(1))
      yield* keys.add(keyOf(1))
      assert.notStrictEqual(keys.bytesUnsafe()[1], one)
    }))

  it.effect("what cannot be changed is a typed error, and changes nothing", () =>
    Effect.gen(function*() {
      const keys = yield* NetworkKeys.make([keyOf(1)])
      assert.strictEqual(yield* kind(keys.promote(keyOf(2))), "Unknown")
      assert.strictEqual(yield* kind(keys.remove(keyOf(1))), "Last")
      assert.strictEqual(yield* kind(keys.set([])), "Last")
      const many = Array.from({ length: 17 }, (_, i) => keyOf(i + 1))
      assert.strictEqual(yield* kind(keys.set(many)), "Full")
      assert.strictEqual(yield* kind(NetworkKeys.make(many)), "Full")
      assert.deepStrictEqual(yield* held(keys), [1])
      yield* keys.set(many.slice(1))
      assert.strictEqual(yield* kind(keys.add(keyOf(1))), "Full")
      const clear = yield* NetworkKeys.make([])
      for (const change of [clear.add(keyOf(1)), clear.set([keyOf(1)]), clear.remove(keyOf(1))]) {
        const error = yield* Effect.flip(change)
        assert.strictEqual(error.kind, "Clear")
        assert.notInclude(error.message, textOf(1))
      }
      assert.deepStrictEqual(yield* held(clear), [])
    }))

  it.effect("tells of each change", () =>
    Effect.gen(function*() {
      const keys = yield* NetworkKeys.make([keyOf(1)])
      const told = yield* Effect.forkChild(
        Stream.runCollect(Stream.take(Stream.map(keys.changes, (all) => all.length), 3)),
        { startImmediately: true }
      )
      yield* keys.add(keyOf(2))
      yield* Effect.yieldNow
      yield* keys.remove(keyOf(1))
      assert.deepStrictEqual(yield* Fiber.join(told), [1, 2, 1])
    }))
})

describe("NodeOptions", () => {
  const configOf = (input: NodeOptions.Input, shared?: Layer.Layer<NetworkKeys.NetworkKeys>) =>
    Effect.map(
      Layer.build(
        NodeOptions.layer(input).pipe(
          Layer.provide(PortableCrypto.layer),
          shared === undefined ? (layer) => layer : Layer.provide(shared)
        )
      ),
      (context) => Context.get(context, NodeOptions.NodeConfig)
    )

  it.effect("takes one key, or a list, and not both", () =>
    Effect.gen(function*() {
      const ring = (input: Partial<NodeOptions.Input>) =>
        Effect.flatMap(configOf({ name: "alice", ...input }), ({ keyRing }) => held(keyRing))
      assert.deepStrictEqual(yield* ring({}), [])
      assert.deepStrictEqual(yield* ring({ networkKey: keyOf(1) }), [1])
      assert.deepStrictEqual(yield* ring({ networkKey: [keyOf(2), keyOf(1)] }), [2, 1])
      assert.deepStrictEqual(yield* ring({ networkKeys: [keyOf(2), keyOf(1)] }), [2, 1])
      for (
        const wrong of [
          { networkKey: keyOf(1), networkKeys: [keyOf(2)] },
          { networkKeys: [] },
          { networkKeys: Array.from({ length: 17 }, (_, i) => keyOf(i + 1)) },
          { networkKeys: [Redacted.make("hunter2")] }
        ]
      ) {
        const error = yield* Effect.flip(NodeOptions.make({ name: "alice", ...wrong }))
        assert.include(error.issue, `["networkKeys"]`)
        assert.notInclude(error.issue, "hunter2")
      }
    }))

  it.effect("where the options have none, those of the service are held", () =>
    Effect.gen(function*() {
      const keys = yield* NetworkKeys.make([keyOf(7)])
      const shared = Layer.succeed(NetworkKeys.NetworkKeys, keys)
      assert.strictEqual((yield* configOf({ name: "alice" }, shared)).keyRing, keys)
      assert.deepStrictEqual(
        yield* held((yield* configOf({ name: "alice", networkKey: keyOf(1) }, shared)).keyRing),
        [1]
      )
    }))

  it.effect("reads PNET_NETWORK_KEYS", () =>
    Effect.gen(function*() {
      const env = { PNET_NAME: "alice", PNET_NETWORK_KEYS: `${textOf(2)}, ${textOf(1)}` }
      const input = yield* NodeOptions.config.parse(ConfigProvider.fromEnv({ env }))
      assert.deepStrictEqual(yield* held((yield* configOf(input)).keyRing), [2, 1])
    }))
})
