/** Nodes by the layer that users take, over a real server: who sees whom, what is refused at the start, and that browsers get no Node. */
import { assert, describe, it } from "@effect/vitest"
import { Kvm } from "@nats-io/kv"
import { connect } from "@nats-io/transport-node"
import { BasicNode, Crypto, type NodeOptions, type Reach } from "@pnet/core"
import * as Server from "@pnet/lab/nats/server"
import { type NatsOptions, NatsPnet, Subjects } from "@pnet/nats"
import { NodeCrypto, NodePnet } from "@pnet/node"
import { ConfigProvider, Context, Effect, Exit, Layer, Logger, Result, Schedule } from "effect"
import { build } from "esbuild"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll } from "vitest"
import * as Shared from "./shared.ts"

const start = (
  name: string,
  reach: Layer.Layer<Reach.Reach, NodeOptions.OptionsError>,
  options: Partial<NodeOptions.Input> = {}
) =>
  Layer.build(Layer.fresh(
    BasicNode.layer({ name, networkId: "home", broadcastInterval: "100 millis", ...options }).pipe(
      Layer.provide(reach),
      Layer.provide([NodePnet.layer, Logger.layer([])])
    )
  )).pipe(Effect.map((built) => Context.get(built, BasicNode.BasicNode)))

const failureIn = (exit: Exit.Exit<unknown, unknown>): unknown => {
  const error = Exit.findError(exit)
  return Result.isSuccess(error) ? error.success : assert.fail("did not fail with an error")
}

describe.skipIf(Server.skipped)("NatsPnet", () => {
  const shared = Shared.server({
    jetstream: true,
    config: `
      accounts {
        one: { jetstream: enabled, users: [
          { user: one, password: pw },
          { user: mute, password: pw, permissions: { publish: ["nothing"], subscribe: ["pnet.>"] } }
        ] }
        two: { users: [{ user: two, password: pw }] }
      }`
  })
  beforeAll(shared.begin)
  afterAll(shared.end)
  const as = (user: string, more: NatsOptions.Input = {}) =>
    NatsPnet.layer({ servers: shared.url(), credentials: { user, password: "pw" }, ...more })

  it.live("nodes of one account and one network find each other and talk; other accounts and networks see nobody", () =>
    Effect.gen(function*() {
      const alice = yield* start("alice", as("one"))
      const bob = yield* start("bob", as("one"))
      const tenant = yield* start("tenant", as("two"))
      const other = yield* start("other", as("one"), { networkId: "office" })
      const another = yield* start("another", as("two"))
      yield* bob.onMessage(({ from, text }) => Effect.succeed(`bob heard "${text}" of ${from.name}`))
      yield* alice.peers.awaitPeer("bob")
      yield* tenant.peers.awaitPeer("another")
      assert.strictEqual(yield* alice.sendText("bob", "hello"), `bob heard "hello" of alice`)
      // Their own have been found, so that the others would have been.
      const names = (node: BasicNode.BasicNode["Service"]) =>
        Effect.map(node.peers.all, (peers) => peers.map(({ name }) => name as string))
      assert.deepStrictEqual(yield* names(alice), ["bob"])
      assert.deepStrictEqual(yield* names(bob), ["alice"])
      assert.deepStrictEqual(yield* names(tenant), ["another"])
      assert.deepStrictEqual(yield* names(another), ["tenant"])
      assert.deepStrictEqual(yield* names(other), [])
    }).pipe(Effect.scoped))

  it.live("a node whose user may not publish does not start, and its error names the subject", () =>
    Effect.gen(function*() {
      const error = failureIn(yield* Effect.exit(start("alice", as("mute")))) as Reach.ReachError
      assert.strictEqual(error._tag, "ReachError")
      assert.strictEqual(error.way, "nats")
      const cause = error.cause as { readonly _tag: string; readonly operation: string; readonly subject: string }
      assert.deepInclude(cause, { _tag: "NotPermittedError", operation: "publish" })
      assert.match(cause.subject, /^pnet\.home\.[\w-]{16}\./)
      assert.include(error.message, cause.subject)
    }).pipe(Effect.scoped))

  it.live("a user with the permissions that are said to be enough can do everything, and the directory with its own", () =>
    Effect.gen(function*() {
      const { generateKeyPair } = Context.get(
        yield* Layer.build(NodeCrypto.layer),
        Crypto.Crypto
      )
      const [alice, bob] = [generateKeyPair(), generateKeyPair()]
      const user = (name: string, { publicKey }: typeof alice, directory: boolean) => {
        const { publish, subscribe } = Subjects.permissions("home", publicKey, { directory })
        return `{ user: ${name}, password: pw, permissions: ${JSON.stringify({ publish, subscribe })} }`
      }
      const server = yield* Server.start({
        jetstream: true,
        config: `accounts { A: { jetstream: enabled, users: [
          ${user("alice", alice, true)}, ${user("bob", bob, false)}, { user: admin, password: pw }
        ] } }`
      })
      const way = (name: string) => NatsPnet.layer({ servers: server.url, credentials: { user: name, password: "pw" } })
      const admin = yield* Effect.acquireRelease(
        Effect.promise(() => connect({ servers: server.url, user: "admin", pass: "pw" })),
        (client) => Effect.promise(() => client.close())
      )
      // Of nodes with these permissions none makes the bucket.
      const directory = yield* Effect.promise(() => new Kvm(admin).create(Subjects.bucket("home")))
      const a = yield* start("alice", way("alice"), { identity: alice })
      const b = yield* start("bob", way("bob"), { identity: bob })
      yield* b.onMessage(({ text }) => Effect.succeed(text.toUpperCase()))
      yield* a.peers.awaitPeer("bob")
      yield* b.peers.awaitPeer("alice")
      assert.strictEqual(yield* a.sendText("bob", "hello"), "HELLO")
      const entered = Effect.promise(() => directory.get(Subjects.ofKey(alice.publicKey)))
      const entry = yield* entered.pipe(
        Effect.repeat({ until: (entry) => entry !== null }),
        Effect.timeout("10 seconds")
      )
      assert.strictEqual(entry?.operation, "PUT")
      assert.isNull(yield* Effect.promise(() => directory.get(Subjects.ofKey(bob.publicKey))))
      assert.notMatch(server.log(), /Publish Violation.*"alice"/)
    }).pipe(Effect.scoped))

  it.live("options come from the environment, and wrong ones are said before anything starts", () =>
    Effect.gen(function*() {
      const environment = ConfigProvider.fromUnknown({
        PNET_NATS_SERVERS: `${shared.url()}, 127.0.0.1:1`,
        PNET_NATS_USER: "one",
        PNET_NATS_PASSWORD: "pw"
      })
      const reach = NatsPnet.layerConfig.pipe(Layer.provide(ConfigProvider.layer(environment)), Layer.orDie)
      const alice = yield* start("alice", reach)
      assert.lengthOf(alice.endpoints, 1)
      const wrong = failureIn(yield* Effect.exit(start("bob", NatsPnet.layer({ servers: "http://x" })))) as Error
      assert.include(wrong.message, "the options of NATS are wrong")
      assert.include(wrong.message, "servers")
      const unread = NatsPnet.layerConfig.pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ PNET_NATS_WAIT: "maybe" })))
      )
      const error = yield* Effect.flip(Effect.scoped(Layer.build(unread)))
      assert.include(error.message, "PNET_NATS_WAIT \"maybe\" was refused: expected true or false")
    }).pipe(Effect.scoped))

  it.live("the server is gone and is back: nobody is lost that is there again within moments", () =>
    Effect.gen(function*() {
      const server = yield* Server.start()
      const way = NatsPnet.layer({ servers: server.url, reconnectWait: "50 millis" })
      const slow = { broadcastInterval: "1 second" as const }
      const [a, b] = [yield* start("alice", way, slow), yield* start("bob", way, slow)]
      yield* b.onMessage(({ text }) => Effect.succeed(text))
      yield* a.peers.awaitPeer("bob")
      yield* b.peers.awaitPeer("alice")
      yield* server.kill
      yield* server.restart
      const answer = yield* a.sendText("bob", "again").pipe(
        Effect.retry(Schedule.spaced("20 millis")),
        Effect.timeout("10 seconds")
      )
      assert.strictEqual(answer, "again")
    }).pipe(Effect.scoped))
})

describe("NatsWebPnet", () => {
  it.live("loads nothing of Node", () =>
    Effect.gen(function*() {
      const { metafile } = yield* Effect.promise(() =>
        build({
          entryPoints: [fileURLToPath(new URL("../src/NatsWebPnet.ts", import.meta.url))],
          bundle: true,
          write: false,
          metafile: true,
          format: "esm",
          platform: "node",
          logLevel: "silent"
        })
      )
      const builtIn = Object.values(metafile.inputs).flatMap(({ imports }) =>
        imports.filter(({ external, path }) => external === true && path.startsWith("node:")).map(({ path }) => path)
      )
      assert.deepStrictEqual(builtIn, [])
      assert.isFalse(Object.keys(metafile.inputs).some((path) => path.includes("transport-node")))
    }))
})
