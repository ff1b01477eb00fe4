import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as BasicNode from "@pnet/core/BasicNode"
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

    it.effect("refuses a variable of trust or identity that is set and empty", () =>
      Effect.gen(function*() {
        for (
          const [variable, unset] of [
            ["PNET_ALLOW_LIST", "trust on first use"],
            ["PNET_KNOWN_PEERS", "pins that end with the process"],
            ["PNET_IDENTITY_FILE", "an identity that ends with the process"]
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
