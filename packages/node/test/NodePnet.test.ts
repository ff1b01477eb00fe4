import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as BasicNode from "@pnet/core/BasicNode"
import * as Identity from "@pnet/core/Identity"
import type * as NodeOptions from "@pnet/core/NodeOptions"
import { NodeName } from "@pnet/core/Packet"
import * as Rights from "@pnet/core/Rights"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as Trust from "@pnet/core/Trust"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as NodeIdentity from "@pnet/node/NodeIdentity"
import * as NodePnet from "@pnet/node/NodePnet"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped({ prefix: "pnet-" }))

const fromEnv = <A, E, R>(env: Record<string, string>, effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))

layer(Layer.mergeAll(NodeCrypto.layer, NodeServices.layer), { excludeTestServices: true })(
  "NodePnet.layerConfig",
  (it) => {
    it.effect("takes the identity and the known peers from files", () =>
      Effect.gen(function*() {
        const parent = yield* folder
        const fs = yield* FileSystem.FileSystem
        const env = { PNET_IDENTITY_FILE: `${parent}/identity`, PNET_KNOWN_PEERS: `${parent}/known_peers` }
        const logs: Array<string> = []
        const logger = Logger.layer([Logger.make(({ message }) => void logs.push(String(message)))])
        const start = (env: Record<string, string>) =>
          fromEnv(
            env,
            Layer.build(Layer.fresh(
              BasicNode.layer({ name: "alice" }).pipe(Layer.provideMerge(NodePnet.layerConfig), Layer.provide(logger))
            ))
          )
        const first = yield* start(env)
        const { publicKey } = yield* NodeIdentity.fromFile(env.PNET_IDENTITY_FILE, { create: false })
        assert.strictEqual(Context.get(first, BasicNode.BasicNode).publicKey, publicKey)
        assert.isTrue(yield* fs.exists(env.PNET_KNOWN_PEERS))
        assert.isFalse(logs.some((line) => line.includes("throwaway")))
        const without = yield* start({})
        assert.notStrictEqual(Context.get(without, BasicNode.BasicNode).publicKey, publicKey)
        assert.strictEqual(logs.filter((line) => line.includes("throwaway identity")).length, 1)
      }).pipe(Effect.scoped))

    it.effect("takes identities by name from a folder, and not a file as well", () =>
      Effect.gen(function*() {
        const parent = yield* folder
        const start = (name: string, env: Record<string, string>) =>
          Effect.map(
            fromEnv(
              env,
              Layer.build(Layer.fresh(BasicNode.layer({ name }).pipe(Layer.provide(NodePnet.layerConfig))))
            ),
            (built) => Context.get(built, BasicNode.BasicNode).publicKey
          )
        const env = { PNET_IDENTITY_FOLDER: parent }
        const alice = yield* Effect.scoped(start("alice", env))
        assert.strictEqual(yield* start("alice", env), alice)
        assert.notStrictEqual(yield* start("bob", env), alice)
        const both = yield* Effect.flip(start("carol", { ...env, PNET_IDENTITY_FILE: `${parent}/key` }))
        assert.strictEqual(both._tag, "OptionsError")
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))))

    it.effect("refuses a variable of trust or identity that is set and empty", () =>
      Effect.gen(function*() {
        for (
          const [variable, unset] of [
            ["PNET_ALLOW_LIST", "trust on first use"],
            ["PNET_KNOWN_PEERS", "pins that end with the process"],
            ["PNET_IDENTITY_FILE", "an identity that ends with the process"],
            ["PNET_IDENTITY_FOLDER", "an identity that ends with the process"]
          ] as const
        ) {
          const error = yield* Effect.flip(
            fromEnv({ [variable]: "" }, Layer.build(Layer.fresh(NodePnet.layerConfig)))
          )
          assert.strictEqual(error._tag, "ConfigError")
          assert.include(error.message, `${variable} is set, and empty`)
          assert.include(error.message, `unset it for ${unset}`)
        }
      }).pipe(Effect.scoped))

    it.effect("takes an allow list, and not both", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = `${yield* folder}/allowed`
        const { publicKey } = yield* NodeIdentity.fromFile(`${path}.identity`)
        yield* fs.writeFileString(path, `bob ${publicKey}\n`)
        const built = yield* fromEnv({ PNET_ALLOW_LIST: path }, Layer.build(Layer.fresh(NodePnet.layerConfig)))
        assert.strictEqual(yield* Context.get(built, Trust.Trust).expected("bob" as never), publicKey)
        const both = yield* Effect.flip(
          fromEnv({ PNET_ALLOW_LIST: path, PNET_KNOWN_PEERS: path }, Layer.build(Layer.fresh(NodePnet.layerConfig)))
        )
        assert.strictEqual(both._tag, "OptionsError")
        const missing = yield* Effect.flip(
          fromEnv({ PNET_ALLOW_LIST: `${path}.not` }, Layer.build(Layer.fresh(NodePnet.layerConfig)))
        )
        assert.strictEqual(missing._tag, "TrustFileError")
      }).pipe(Effect.scoped))
  }
)

layer(NodeServices.layer, { excludeTestServices: true })("NodePnet.layerKeys", (it) => {
  it.effect("keeps keys beside a trust policy of the program's own", () =>
    Effect.gen(function*() {
      const keys = NodePnet.layerKeys(`${yield* folder}/keys`, { trust: Trust.open(TofuTrust.layer()) })
      const start = Effect.scoped(Effect.gen(function*() {
        const built = yield* Layer.build(Layer.fresh(Layer.provideMerge(BasicNode.layer({ name: "alice" }), keys)))
        const { publicKey } = Context.get(built, BasicNode.BasicNode)
        return { publicKey, rights: yield* Context.get(built, Trust.Trust).rights!(NodeName.make("bob"), publicKey) }
      }))
      const first = yield* start
      assert.strictEqual((yield* start).publicKey, first.publicKey)
      assert.deepStrictEqual(first.rights, Rights.all)
    }).pipe(Effect.provide(Logger.layer([]))))

  it.effect("keeps a key for each node by its name, says nothing of a throwaway, and lets one node have each", () =>
    Effect.gen(function*() {
      const parent = yield* folder
      const logs: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void logs.push(String(message)))])
      const keys = NodePnet.layerKeys(`${parent}/keys`, { patience: "0 millis" })
      const start = (name: string, options?: Partial<NodeOptions.Input>) =>
        Effect.map(
          Layer.build(
            Layer.fresh(BasicNode.layer({ name, ...options }).pipe(Layer.provide(keys), Layer.provide(logger)))
          ),
          (built) => Context.get(built, BasicNode.BasicNode)
        )
      const first = yield* Effect.scoped(Effect.map(start("alice"), ({ publicKey }) => publicKey))
      assert.strictEqual(logs.filter((line) => line.startsWith("made a new identity, ")).length, 1)
      const alice = yield* start("alice")
      assert.strictEqual(alice.publicKey, first)
      const bob = yield* start("Bob")
      assert.notStrictEqual(bob.publicKey, first)
      assert.deepStrictEqual((yield* (yield* FileSystem.FileSystem).readDirectory(`${parent}/keys`)).sort(), [
        "%42ob.key",
        "alice.key"
      ])
      assert.isFalse(logs.some((line) => line.includes("throwaway")), logs.join("\n"))
      const again = yield* Effect.flip(start("alice"))
      assert(again._tag === "OptionsError")
      assert.include(again.message, "the node did not start: the identity of \"alice\" could not be had")
      assert.include(again.message, "alice.key is in use")
      // The key is the node's as long as that runs, and not the layer's.
      const store = yield* Layer.build(keys)
      for (let i = 0; i < 2; i++) {
        yield* Effect.scoped(Effect.provide(BasicNode.make({ name: "carol" }), store))
      }
      // An identity of the options' own goes first, and is nobody else's matter.
      const { identity } = yield* Effect.provide(
        Effect.map(Identity.generate, (identity) => ({ identity })),
        NodeCrypto.layer
      )
      assert.strictEqual((yield* start("alice", { identity })).publicKey, identity.publicKey)
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))))
})
