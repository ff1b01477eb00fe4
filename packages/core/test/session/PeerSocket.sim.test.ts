import { assert, describe, it } from "@effect/vitest"
import { AdvancedNode, PeerSocket, PortableCrypto, TofuTrust } from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Schema, type Scope, Stream } from "effect"
import { Rpc, RpcClient, RpcGroup, RpcSerialization, RpcServer } from "effect/rpc"
import { Socket } from "effect/socket"

const pair: Effect.Effect<
  { readonly alice: SimNetwork.Process<Services>; readonly bob: SimNetwork.Process<Services> },
  unknown,
  Scope.Scope
> = Effect.gen(function*() {
  const network = yield* SimNetwork.make({ link: { latency: "2 millis" } })
  const start = (name: string) =>
    Effect.gen(function*() {
      const host = yield* network.host(name)
      return yield* host.launch(
        AdvancedNode.layer({ name, bindIp: "0.0.0.0" }).pipe(
          Layer.provide([PortableCrypto.layer, TofuTrust.layer(), Logger.layer([])])
        )
      )
    })
  const alice = yield* start("alice")
  const bob = yield* start("bob")
  yield* Context.get(alice.context, AdvancedNode.AdvancedNode).peers.awaitPeer("bob")
  return { alice, bob }
})

type Services = Layer.Success<ReturnType<typeof AdvancedNode.layer>>

const codeOf = (error: Socket.SocketError) =>
  error.reason._tag === "SocketCloseError" ? error.reason.code : error.reason._tag

describe("PeerSocket", () => {
  it.effect("carries bytes both ways, half-closes, and ends with code 1000", () =>
    SimWorld.passing()(
      Effect.gen(function*() {
        const { alice, bob } = yield* pair
        const caller = yield* Deferred.make<string | undefined>()
        yield* bob.run(Effect.gen(function*() {
          const server = yield* PeerSocket.makeServer("shout")
          return yield* server.run((socket) =>
            Effect.gen(function*() {
              yield* Deferred.succeed(caller, (yield* PeerSocket.Caller)?.name)
              const pull = yield* Socket.readerString(socket)
              const writer = yield* socket.writer
              let all = ""
              const end = yield* Effect.flip(Effect.forever(Effect.map(pull, (parts) => {
                all += parts.join("")
              })))
              // The other side has half-closed, and still reads.
              yield* writer.write(`${all.toUpperCase()} ${codeOf(end)}`)
            }).pipe(Effect.scoped)
          )
        })).pipe(Effect.forkScoped({ startImmediately: true }))

        const answer = yield* alice.run(
          Effect.gen(function*() {
            const socket = yield* PeerSocket.make("bob", "shout")
            const pull = yield* Socket.readerString(socket)
            yield* Effect.scoped(Effect.gen(function*() {
              const writer = yield* socket.writer
              yield* writer.writeAll(["hello ", "world"])
            }))
            let all = ""
            const end = yield* Effect.flip(Effect.forever(Effect.map(pull, (parts) => {
              all += parts.join("")
            })))
            return { all, code: codeOf(end) }
          }).pipe(Effect.scoped)
        )
        assert.deepStrictEqual(answer, { all: "HELLO WORLD 1000", code: 1000 })
        assert.strictEqual(yield* Deferred.await(caller), "alice")
      }).pipe(Effect.scoped)
    ))

  it.effect("a peer that is not there, and a name that nobody serves, are errors of opening and reading", () =>
    SimWorld.passing()(
      Effect.gen(function*() {
        const { alice, bob } = yield* pair
        yield* bob.run(Effect.flatMap(PeerSocket.makeServer("one"), (server) => server.run(() => Effect.never))).pipe(
          Effect.forkScoped({ startImmediately: true })
        )
        const read = (peer: string, name: string) =>
          alice.run(
            Effect.scoped(Effect.flatMap(PeerSocket.make(peer, name), (socket) =>
              Effect.flip(Effect.flatMap(Socket.readerBytes(socket), (pull) =>
                pull))))
          )
        assert.strictEqual(codeOf(yield* read("carol", "one")), "SocketOpenError")
        const missing = yield* read("bob", "two")
        assert.strictEqual(codeOf(missing), 1006)
        assert.include(missing.reason.message, "two")
      }).pipe(Effect.scoped)
    ))

  it.effect("a pull that waits elsewhere fails when the reader's scope closes", () =>
    SimWorld.passing()(
      Effect.gen(function*() {
        const { alice, bob } = yield* pair
        yield* bob.run(Effect.flatMap(PeerSocket.makeServer("mute"), (server) =>
          server.run((socket) =>
            Effect.scoped(Effect.andThen(socket.reader, Effect.never))
          ))).pipe(
            Effect.forkScoped({ startImmediately: true })
          )
        yield* alice.run(Effect.gen(function*() {
          const socket = yield* PeerSocket.make("bob", "mute")
          const waiting = yield* Deferred.make<Fiber.Fiber<unknown, Socket.SocketError>>()
          yield* Effect.scoped(Effect.gen(function*() {
            const pull = yield* Socket.readerBytes(socket)
            yield* Deferred.succeed(waiting, yield* Effect.forkDetach(pull))
            yield* Effect.sleep("50 millis")
          }))
          const exit = yield* Fiber.await(yield* Deferred.await(waiting))
          assert.isTrue(Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause))
        }))
      }).pipe(Effect.scoped)
    ))

  it.effect("Effect's own RPC runs over it: unary, streams, typed errors, interruption", () =>
    SimWorld.passing()(
      Effect.gen(function*() {
        class Missing extends Schema.TaggedError<Missing>()("Missing", { key: Schema.String }) {}
        class Store extends RpcGroup.make(
          Rpc.make("Get", { payload: { key: Schema.String }, success: Schema.String, error: Missing }),
          Rpc.make("Count", { payload: { upTo: Schema.Int }, success: Schema.Int, stream: true }),
          Rpc.make("Hang")
        ) {}
        const { alice, bob } = yield* pair
        const hung = yield* Deferred.make<void>()
        const interrupted = yield* Deferred.make<void>()
        const Handlers = Store.toLayer({
          Get: ({ key }) => key === "none" ? Effect.fail(new Missing({ key })) : Effect.succeed(`value of ${key}`),
          Count: ({ upTo }) => Stream.range(1, upTo),
          Hang: () =>
            Effect.andThen(Deferred.succeed(hung, undefined), Effect.never).pipe(
              Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
            )
        })
        const Server = RpcServer.layer(Store).pipe(
          Layer.provide(Handlers),
          Layer.provide(RpcServer.layerProtocolSocketServer),
          Layer.provide([PeerSocket.layerServer("store"), RpcSerialization.layerNdjson])
        )
        yield* bob.run(Layer.build(Server))

        yield* alice.run(
          Effect.gen(function*() {
            const client = yield* RpcClient.make(Store)
            assert.strictEqual(yield* client.Get({ key: "a" }), "value of a")
            const missing = yield* Effect.flip(client.Get({ key: "none" }))
            assert.strictEqual(missing._tag, "Missing")
            assert.deepStrictEqual(yield* Stream.runCollect(client.Count({ upTo: 5 })), [1, 2, 3, 4, 5])
            const call = yield* Effect.forkChild(client.Hang())
            yield* Deferred.await(hung)
            yield* Fiber.interrupt(call)
            yield* Deferred.await(interrupted)
          }).pipe(
            Effect.provide(
              RpcClient.layerProtocolSocket().pipe(
                Layer.provide([PeerSocket.layer("bob", "store"), RpcSerialization.layerNdjson])
              )
            ),
            Effect.scoped
          )
        )
      }).pipe(Effect.scoped)
    ))
})
