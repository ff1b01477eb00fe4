import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import {
  AdvancedNode,
  Caller,
  Crypto,
  Deadline,
  type FunctionError,
  PeerRpc,
  Peers,
  RpcRegistry,
  Sessions,
  Trust
} from "@pnet/core"
import { SimNetwork } from "@pnet/testing"
import {
  Cause,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Queue,
  Ref,
  Schema,
  Scope,
  Stream,
  Tracer
} from "effect"
import { Rpc, RpcClient, RpcGroup, RpcMiddleware, RpcSchema } from "effect/rpc"
import { type Net, networkId, quietly } from "./sessionWorld.ts"

// --- the world -------------------------------------------------------------------------------------------------------------

type Services = AdvancedNode.AdvancedNode | Sessions.Sessions | Peers.Peers | RpcRegistry.RpcRegistry

interface Started {
  readonly context: Context.Context<Services>
  readonly node: AdvancedNode.AdvancedNode["Service"]
  readonly process: SimNetwork.Process<Services>
  readonly host: SimNetwork.Host
}

/** Starts a node that serves groups. */
const start = (
  network: Net,
  name: string,
  serve: Layer.Layer<never, unknown, Sessions.Sessions | RpcRegistry.RpcRegistry | Peers.Peers> = Layer.empty,
  overrides?: {
    readonly host?: SimNetwork.Host
    readonly logger?: Layer.Layer<never>
    readonly options?: Partial<AdvancedNode.Options>
  }
): Effect.Effect<Started> =>
  Effect.gen(function*() {
    const host = overrides?.host ?? (yield* network.host(name))
    const layer = serve.pipe(
      Layer.provideMerge(RpcRegistry.layer),
      Layer.provideMerge(AdvancedNode.layer({ networkId, bindIp: "0.0.0.0", ...overrides?.options, name })),
      Layer.provide([Crypto.layerPortable, Trust.layerTofu(), overrides?.logger ?? Logger.layer([])])
    ) as Layer.Layer<Services, never, any>
    const process = yield* Effect.orDie(host.launch(layer as never)) as Effect.Effect<SimNetwork.Process<Services>>
    return { context: process.context, node: Context.get(process.context, AdvancedNode.AdvancedNode), process, host }
  })

const serving = <Rpcs extends Rpc.Any, R>(
  group: RpcGroup.RpcGroup<Rpcs>,
  handlers: Layer.Layer<Rpc.ToHandler<Rpcs>, never, R>,
  options?: PeerRpc.ServeOptions
) => Layer.effectDiscard(PeerRpc.serve(group, options)).pipe(Layer.provide(handlers)) as Layer.Layer<never, never, any>

/** Two nodes that know each other; bob serves. */
const two = (network: Net, serve: Layer.Layer<never, unknown, any>, options?: Partial<AdvancedNode.Options>) =>
  Effect.gen(function*() {
    const bob = yield* start(network, "bob", serve, { ...(options === undefined ? {} : { options }) })
    const alice = yield* start(network, "alice")
    yield* Effect.all([alice.node.peers.awaitPeer("bob"), bob.node.peers.awaitPeer("alice")], { concurrency: 2 }).pipe(
      Effect.orDie
    )
    return { alice, bob }
  })

const clientOf = <Rpcs extends Rpc.Any>(
  from: Started,
  group: RpcGroup.RpcGroup<Rpcs>,
  to = "bob",
  options?: PeerRpc.ClientOptions
) =>
  Effect.provideContext(PeerRpc.client(group, to, options), from.context as Context.Context<any>) as Effect.Effect<
    RpcClient.RpcClient<Rpcs, PeerRpc.RpcError>,
    never,
    Scope.Scope
  >

const errorOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.exit(effect), (exit) => {
    const reason = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason) : undefined
    return reason === undefined
      ? Effect.die(new Error(`expected a typed failure, got ${Exit.isFailure(exit) ? Cause.pretty(exit.cause) : exit}`))
      : Effect.succeed(reason.error)
  })

const streamsOf = (node: Started) =>
  Effect.map(node.node.sessions.all, (all) => all.reduce((sum, { streams }) => sum + streams, 0))

// --- groups ----------------------------------------------------------------------------------------------------------------

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { path: Schema.String }) {}

class Basics extends RpcGroup.make(
  Rpc.make("hello", { payload: { name: Schema.String }, success: Schema.String }),
  Rpc.make("find", { payload: { path: Schema.String }, success: Schema.BigInt, error: NotFound }),
  Rpc.make("nothing"),
  Rpc.make("forever", { success: Schema.Void }),
  Rpc.make("breaks", { success: Schema.String }),
  Rpc.make("count", { payload: { to: Schema.Int }, success: Schema.Int, error: NotFound, stream: true }),
  Rpc.make("bytes", {
    payload: { sizes: Schema.Array(Schema.Int) },
    success: Schema.Uint8Array,
    stream: true
  })
) {}

interface Seen {
  interrupted: number
  aborted: number
  produced: number
}

const basics = (seen: Seen = { interrupted: 0, aborted: 0, produced: 0 }) => {
  const onInterrupt = Effect.onExit((exit: Exit.Exit<unknown, unknown>) =>
    Effect.sync(() => {
      if (!Exit.isFailure(exit) || !Cause.hasInterrupts(exit.cause)) return
      seen.interrupted++
      for (const reason of exit.cause.reasons) {
        if (reason.annotations.get(RpcSchema.ClientAbort.key) === true) seen.aborted++
      }
    })
  )
  return Basics.toLayer({
    hello: ({ name }) => Effect.succeed(`Hello, ${name}`),
    find: ({ path }) => path === "" ? Effect.fail(new NotFound({ path })) : Effect.succeed(BigInt(path.length)),
    nothing: () => Effect.void,
    forever: () => onInterrupt(Effect.never) as Effect.Effect<never>,
    breaks: () => Effect.die(new Error("secret: 42")),
    count: ({ to }) =>
      Stream.range(1, to < 0 ? 3 : to).pipe(
        Stream.rechunk(1),
        Stream.tap(() => Effect.sync(() => seen.produced++)),
        Stream.concat(to < 0 ? Stream.fail(new NotFound({ path: "end" })) : Stream.empty),
        Stream.onExit((exit) => Effect.asVoid(onInterrupt(exit as Exit.Exit<never>).pipe(Effect.ignoreCause)))
      ),
    bytes: ({ sizes }) =>
      Stream.fromIterable(sizes).pipe(
        Stream.map((size, i = sizes.indexOf(size)) => new Uint8Array(size).fill(i + 1)),
        Stream.rechunk(2)
      )
  })
}

const served = (seen?: Seen, options?: PeerRpc.ServeOptions) => serving(Basics, basics(seen), options)

describe("typed calls", () => {
  it.effect("give values and typed errors, as classes and not as text", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice } = yield* two(network, served())
      const client = yield* clientOf(alice, Basics)
      assert.strictEqual(yield* client.hello({ name: "Ann" }), "Hello, Ann")
      assert.deepStrictEqual(yield* client.find({ path: "abc" }), 3n)
      assert.isUndefined(yield* client.nothing())
      const error = yield* errorOf(client.find({ path: "" }))
      assert.instanceOf(error, NotFound)
      assert.strictEqual(error._tag === "NotFound" && error.path, "")
      assert.strictEqual(yield* streamsOf(alice), 0)
      // Types: the group's errors and this module's, and nothing else.
      const find = client.find({ path: "" })
      expectTypeOf<Effect.Success<typeof find>>().toEqualTypeOf<bigint>()
      expectTypeOf<Effect.Error<typeof find>>().toEqualTypeOf<NotFound | PeerRpc.RpcError>()
      expectTypeOf<Effect.Services<typeof find>>().toEqualTypeOf<never>()
      // @ts-expect-error a payload of another type
      const wrong = () => client.hello({ name: 1 })
      assert.isFunction(wrong)
    })))

  it.effect("stream elements, and end with success or a typed error", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice } = yield* two(network, served())
      const client = yield* clientOf(alice, Basics)
      assert.deepStrictEqual(
        yield* Stream.runCollect(client.count({ to: 100 })),
        Array.from({ length: 100 }, (_, i) => i + 1)
      )
      const got: Array<number> = []
      const error = yield* errorOf(Stream.runForEach(client.count({ to: -1 }), (n) => Effect.sync(() => got.push(n))))
      assert.instanceOf(error, NotFound)
      assert.deepStrictEqual(got, [1, 2, 3])
      const queue = yield* Effect.scoped(Effect.flatMap(client.count({ to: 3 }, { asQueue: true }), (queue) =>
        Effect.all([Queue.take(queue), Queue.take(queue), Queue.take(queue)])))
      assert.deepStrictEqual(queue, [1, 2, 3])
      assert.strictEqual(yield* streamsOf(alice), 0)
    })))

  it.effect("keep the elements of a stream of bytes whole, the empty and the large", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice } = yield* two(network, served())
      const client = yield* clientOf(alice, Basics)
      const sizes = [1, 0, 65_536, 3_000_000, 17, 300_000]
      const got = yield* Stream.runCollect(client.bytes({ sizes }))
      assert.deepStrictEqual(got.map((bytes) => bytes.length), sizes)
      got.forEach((bytes, i) => assert.isTrue(bytes.every((byte) => byte === i + 1)))
    })))

  it.effect("go both ways over one session, and one stalled stream blocks no other call", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(network, "bob", served())
      const alice = yield* start(network, "alice", served())
      yield* Effect.all([alice.node.peers.awaitPeer("bob"), bob.node.peers.awaitPeer("alice")], { concurrency: 2 })
      const toBob = yield* clientOf(alice, Basics, "bob")
      const toAlice = yield* clientOf(bob, Basics, "alice")
      const stalled = yield* Deferred.make<void>()
      const open = yield* Deferred.make<void>()
      const slow = yield* Effect.forkChild(
        Stream.runForEach(
          toBob.bytes({ sizes: Array(100).fill(65_536) }),
          () => Effect.andThen(Deferred.succeed(stalled, undefined), Deferred.await(open))
        )
      )
      yield* Deferred.await(stalled)
      assert.strictEqual(yield* toBob.hello({ name: "a" }), "Hello, a")
      assert.strictEqual(yield* toAlice.hello({ name: "b" }), "Hello, b")
      assert.strictEqual((yield* Stream.runCollect(toBob.count({ to: 1_000 }))).length, 1_000)
      assert.strictEqual((yield* Stream.runCollect(toAlice.count({ to: 50 }))).length, 50)
      assert.strictEqual((yield* alice.node.sessions.all).length, 1)
      yield* Deferred.succeed(open, undefined)
      yield* Fiber.join(slow)
    })))

  it.effect("produce no more than the window and the buffers ahead of their consumer", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const seen: Seen = { interrupted: 0, aborted: 0, produced: 0 }
      const { alice } = yield* two(network, served(seen))
      const client = yield* clientOf(alice, Basics, "bob", { window: 2 })
      const taken = yield* client.count({ to: 1_000_000 }, { streamBufferSize: 4 }).pipe(
        Stream.tap(() => Effect.sleep("100 millis")),
        Stream.take(5),
        Stream.runCollect
      )
      assert.deepStrictEqual(taken, [1, 2, 3, 4, 5])
      assert.isAtMost(seen.produced, 5 + 4 + 2 * 2 + 2)
      yield* Effect.sleep("1 second")
      assert.strictEqual(seen.interrupted, 1)
      assert.strictEqual(yield* streamsOf(alice), 0)
    })))

  it.effect("interrupt their handler, which is told that its client did it", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const seen: Seen = { interrupted: 0, aborted: 0, produced: 0 }
      const { alice } = yield* two(network, served(seen))
      const client = yield* clientOf(alice, Basics)
      const fiber = yield* Effect.forkChild(client.forever())
      yield* Effect.sleep("1 second")
      yield* Fiber.interrupt(fiber)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual([seen.interrupted, seen.aborted], [1, 1])
      // A stream that is left early, and the end of the client.
      const scope = yield* Scope.make()
      const scoped = yield* Effect.provideService(clientOf(alice, Basics), Scope.Scope, scope)
      const running = yield* Effect.forkChild(Effect.exit(scoped.forever()))
      yield* Effect.sleep("1 second")
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.join(running)))
      yield* Effect.sleep("1 second")
      assert.strictEqual(seen.interrupted, 2)
      assert.strictEqual(yield* streamsOf(alice), 0)
    })))

  it.effect("say that a handler broke, and not how; other calls go on", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice } = yield* two(network, served())
      const client = yield* clientOf(alice, Basics)
      const other = yield* Effect.forkChild(client.forever())
      const error = yield* errorOf(client.breaks())
      assert.strictEqual(error._tag, "RemoteDefectError")
      assert.notInclude(JSON.stringify(error) + error.message, "secret")
      assert.isUndefined(other.pollUnsafe())
      assert.strictEqual(yield* client.hello({ name: "x" }), "Hello, x")
    })))

  it.effect("of names that the peer does not serve fail with UnknownFunctionError", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const Other = RpcGroup.make(Rpc.make("missing", { success: Schema.String }))
      const { alice, bob } = yield* two(network, served())
      const error = yield* errorOf((yield* clientOf(alice, Other)).missing())
      assert.strictEqual(error._tag === "UnknownFunctionError" && error.function, "missing")
      // And where nothing is served at all.
      const none = yield* errorOf((yield* clientOf(bob, Other, "alice")).missing())
      assert.strictEqual(none._tag, "UnknownFunctionError")
    })))
})
void Ref
void Tracer
void Caller
void Deadline
void RpcMiddleware
export type Unused = FunctionError.ContractError
