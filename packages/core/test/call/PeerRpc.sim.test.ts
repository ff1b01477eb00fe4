import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import {
  AdvancedNode,
  Caller,
  Crypto,
  Deadline,
  type FunctionError,
  Identity,
  type Outcomes,
  PeerRpc,
  Peers,
  RpcRegistry,
  Sessions,
  TofuTrust
} from "@pnet/core"
import { type Net, networkId, quietly, seeded } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import {
  Cause,
  Clock,
  Context,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Option,
  Queue,
  Random,
  Schema,
  SchemaGetter,
  SchemaIssue,
  Scope,
  Stream,
  Tracer
} from "effect"
import { Rpc, RpcClient, RpcGroup, RpcMiddleware, RpcSchema } from "effect/rpc"
import { hashBytesOf } from "../../src/internal/call/contract.ts"
import { compatible } from "../../src/internal/call/contractCompatible.ts"
import {
  contractOf,
  decodeRequest,
  encodeRequest,
  Kind,
  mismatchOf,
  sameHash,
  wireOf
} from "../../src/internal/call/rpcWire.ts"

// --- the world -------------------------------------------------------------------------------------------------------------

type Services = AdvancedNode.AdvancedNode | Sessions.Sessions | Peers.Peers | RpcRegistry.RpcRegistry

interface Started {
  readonly context: Context.Context<Services>
  readonly node: AdvancedNode.AdvancedNode["Service"]
  readonly process: SimNetwork.Process<Services>
  readonly host: SimNetwork.Host
}

/** What the peers of a test speak: `rpc-json` alone is how one in another language is. */
const Spoken = Context.Reference<"bytes" | "JSON">("test/Spoken", { defaultValue: () => "bytes" })
const forms = ["bytes", "JSON"] as const

/** `quietly`, with peers that speak one form. */
const speaking = (form: "bytes" | "JSON") => <E>(effect: Effect.Effect<void, E, Scope.Scope>) =>
  quietly(Effect.provideService(effect, Spoken, form))

/** Takes bytes away from a node that serves typed calls. */
const withoutBytes = (context: Context.Context<Services>) =>
  Effect.gen(function*() {
    const { sessions } = Context.get(context, AdvancedNode.AdvancedNode)
    for (const name of yield* Context.get(context, RpcRegistry.RpcRegistry).functions) {
      yield* sessions.handle({ protocol: "rpc", name }, (stream) =>
        stream.reset("unsupported", "nothing serves rpc here"))
    }
  })

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
): Effect.Effect<Started, never, Scope.Scope> =>
  Effect.gen(function*() {
    const host = overrides?.host ?? (yield* network.host(name))
    const layer = serve.pipe(
      Layer.provideMerge(RpcRegistry.layer),
      Layer.provideMerge(AdvancedNode.layer({ networkId, bindIp: "0.0.0.0", ...overrides?.options, name })),
      Layer.provide([NodeCrypto.layer, TofuTrust.layer(), overrides?.logger ?? Logger.layer([])])
    ) as Layer.Layer<Services, never, any>
    const process = yield* Effect.orDie(host.launch(layer as never)) as Effect.Effect<SimNetwork.Process<Services>>
    if ((yield* Spoken) === "JSON") yield* withoutBytes(process.context)
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
    const bob = yield* start(network, "bob", serve, options === undefined ? {} : { options })
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

/** A text that is never written. */
const Untold = Schema.String.pipe(Schema.decodeTo(Schema.String, {
  decode: SchemaGetter.passthrough(),
  encode: SchemaGetter.fail(() => new SchemaIssue.InvalidValue({ message: "keys are not told" }))
}))

class Checked extends RpcGroup.make(
  Rpc.make("double", { payload: { n: Schema.Int }, success: Schema.Int }),
  Rpc.make("long", { payload: { text: Schema.String.check(Schema.isMinLength(40)) } }),
  Rpc.make("longs", {
    payload: { text: Schema.String.check(Schema.isMinLength(40)) },
    success: Schema.Int,
    stream: true
  }),
  Rpc.make("unwritten", { payload: { key: Untold } }),
  Rpc.make("filled", {
    payload: { n: Schema.Int.pipe(Schema.withConstructorDefault(Effect.succeed(7))) },
    success: Schema.Int
  })
) {}

const checked = Checked.toLayer({
  double: ({ n }) => Effect.succeed(2 * n),
  long: () => Effect.void,
  longs: () => Stream.empty,
  unwritten: () => Effect.void,
  filled: ({ n }) => Effect.succeed(n)
})

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

for (const form of forms) {
  describe(`typed calls, in ${form}`, () => {
    const quietly = speaking(form)
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
        const queue = yield* Effect.scoped(
          Effect.flatMap(client.count({ to: 3 }, { asQueue: true }), (queue) =>
            Effect.all([Queue.take(queue), Queue.take(queue), Queue.take(queue)]))
        )
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

    it.effect("with a payload that is none by its Schema fail with what is wrong with it, whoever is there, and nothing of what it is", () =>
      quietly(Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const { alice } = yield* two(network, serving(Checked, checked))
        const wrong = (rpc: string, peer: string | undefined, issue: string) => <A>(call: Effect.Effect<A, unknown>) =>
          Effect.map(errorOf(call), (error) => {
            const { _tag, function: named, issue: said, message, peer: whom } =
              error as FunctionError.InvalidArgumentsError
            assert.deepStrictEqual([_tag, named, whom, said], ["InvalidArgumentsError", rpc, peer, issue])
            assert.include(message, `${JSON.stringify(rpc)}${peer === undefined ? "" : ` at "${peer}"`} does not take`)
            assert.notInclude(JSON.stringify(error) + message, "secret")
          })
        const short = "payload: Expected a value with a length of at least 40\n  at [\"text\"]"
        const int = "payload: Expected an integer\n  at [\"n\"]"
        for (const [to, options] of [["bob", {}], ["bob", { timeout: "1 second" }], ["nobody", {}]] as const) {
          const client = yield* clientOf(alice, Checked, to, options)
          yield* client.double({ n: 1.5 }).pipe(wrong("double", to, int))
          yield* client.double({ n: "secret" as never }).pipe(
            wrong("double", to, "payload: Expected number\n  at [\"n\"]")
          )
          yield* client.long({ text: "secret" }).pipe(wrong("long", to, short))
          yield* Stream.runDrain(client.longs({ text: "secret" })).pipe(wrong("longs", to, short))
          yield* Effect.scoped(Effect.flatMap(client.longs({ text: "secret" }, { asQueue: true }), Queue.take)).pipe(
            wrong("longs", to, short)
          )
          if (to === "bob") {
            yield* client.unwritten({ key: "secret" }).pipe(
              wrong("unwritten", to, "payload: keys are not told\n  at [\"key\"]")
            )
            assert.strictEqual(yield* client.double({ n: 3 }), 6)
            assert.strictEqual(yield* client.filled({}), 7)
          }
        }
        const service = yield* Effect.provideContext(PeerRpc.service(Checked), alice.context as Context.Context<any>)
        yield* service.double({ n: 1.5 }).pipe(wrong("double", undefined, int))
        yield* Stream.runDrain(service.longs({ text: "secret" })).pipe(wrong("longs", undefined, short))
        const all = yield* Effect.provideContext(
          PeerRpc.clientAll(Checked, ["bob"]),
          alice.context as Context.Context<any>
        )
        const { bob } = yield* all.double({ n: 1.5 })
        yield* bob!.pipe(wrong("double", "bob", int))
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
}

// --- what goes along ---------------------------------------------------------------------------------------------------------

class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", { why: Schema.String }) {}
class Token extends Context.Service<Token, string>()("test/Token") {}
class Auth extends RpcMiddleware.Service<Auth, { provides: Token }>()("test/Auth", {
  error: Unauthorized,
  requiredForClient: true
}) {}

class Guarded extends RpcGroup.make(
  Rpc.make("whoami", { success: Schema.String }),
  Rpc.make("headers", { success: Schema.Record(Schema.String, Schema.String) }),
  Rpc.make("tokens", { success: Schema.String, stream: true }).middleware(Auth),
  Rpc.make("token", { payload: { n: Schema.Int }, success: Schema.String }).middleware(Auth)
).middleware(Caller.Authenticated) {}

const authLayer = Layer.succeed(Auth, (effect, { headers, payload, rpc }) =>
  headers["token"] === undefined
    ? Effect.fail(new Unauthorized({ why: `no token for ${rpc._tag} ${JSON.stringify(payload ?? null)}` }))
    : Effect.provideService(effect, Token, headers["token"]))

const guarded = Guarded.toLayer({
  whoami: () =>
    Effect.gen(function*() {
      const caller = yield* Caller.Caller
      const current = yield* Caller.CurrentCaller
      assert.deepStrictEqual(current, caller)
      return `${caller.name} ${caller.publicKey.slice(0, 8)}`
    }),
  headers: (_, { headers }) => Effect.succeed({ ...headers }),
  tokens: () => Stream.fromEffect(Token),
  token: ({ n }) => Effect.map(Token, (token) => `${token} ${n}`)
})

for (const form of forms) {
  describe(`what goes along with a typed call, in ${form}`, () => {
    const quietly = speaking(form)
    const world = Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      return yield* two(network, serving(Guarded, guarded).pipe(Layer.provide(authLayer)))
    })

    const withToken = RpcMiddleware.layerClient(
      Auth,
      ({ next, request }) => next({ ...request, headers: { ...request.headers, token: "t" } as typeof request.headers })
    )

    it.effect("the caller, as its handshake proved it", () =>
      quietly(Effect.gen(function*() {
        const { alice } = yield* world
        const client = yield* clientOf(alice, Guarded).pipe(Effect.provide(withToken))
        assert.strictEqual(yield* client.whoami(), `alice ${alice.node.publicKey.slice(0, 8)}`)
        // Serving asks for every middleware but the one that it provides itself.
        type Needs = Effect.Services<ReturnType<typeof PeerRpc.serve<RpcGroup.Rpcs<typeof Guarded>>>>
        expectTypeOf<Extract<Needs, Auth | Caller.Authenticated | Caller.Caller>>().toEqualTypeOf<Auth>()
        // And a client for those that say so.
        const made = PeerRpc.client(Guarded, "bob")
        expectTypeOf<Extract<Effect.Services<typeof made>, RpcMiddleware.ForClient<any>>>().toEqualTypeOf<
          RpcMiddleware.ForClient<Auth>
        >()
      })))

    it.effect("headers, of the call and of the work around it", () =>
      quietly(Effect.gen(function*() {
        const { alice } = yield* world
        const client = yield* clientOf(alice, Guarded).pipe(Effect.provide(withToken))
        assert.deepStrictEqual(yield* client.headers(undefined, { headers: { A: "1" } }), { a: "1" })
        assert.deepStrictEqual(
          yield* client.headers(undefined, { headers: { a: "ä" } }).pipe(RpcClient.withHeaders({ a: "0", b: "2" })),
          { a: "ä", b: "2" }
        )
        assert.deepStrictEqual(yield* client.headers(), {})
        const error = yield* errorOf(client.headers(undefined, { headers: { a: "x".repeat(70_000) } }))
        assert.strictEqual(error._tag, "CallTooLargeError")
      })))

    it.effect("middleware, on both sides, for unary calls and streams", () =>
      quietly(Effect.gen(function*() {
        const { alice } = yield* world
        const client = yield* clientOf(alice, Guarded).pipe(Effect.provide(withToken))
        assert.strictEqual(yield* client.token({ n: 1 }), "t 1")
        assert.deepStrictEqual(yield* Stream.runCollect(client.tokens()), ["t"])
        const without = yield* clientOf(alice, Guarded).pipe(
          Effect.provide(RpcMiddleware.layerClient(Auth, ({ next, request }) => next(request)))
        )
        const error = yield* errorOf(without.token({ n: 7 }))
        assert.strictEqual(error._tag === "Unauthorized" && error.why, `no token for token {"n":7}`)
        assert.strictEqual((yield* errorOf(Stream.runCollect(without.tokens())))._tag, "Unauthorized")
      })))

    it.effect("a trace: caller, session and handler are one tree", () =>
      quietly(Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const spans: Array<Tracer.NativeSpan> = []
        const tracer = Tracer.make({
          span: (options) => {
            const span = new Tracer.NativeSpan(options)
            spans.push(span)
            return span
          }
        })
        const traced = <A, E, R>(layer: Layer.Layer<A, E, R>) =>
          Layer.provide(layer, Layer.succeed(Tracer.Tracer, tracer))
        const { alice } = yield* two(
          network,
          traced(served(undefined, { spanPrefix: "srv", spanAttributes: { x: 1 } }))
        )
        const client = yield* clientOf(alice, Basics, "bob", { spanPrefix: "cli", spanAttributes: { y: 2 } })
        yield* client.hello({ name: "x" }).pipe(Effect.withSpan("work"), Effect.provideService(Tracer.Tracer, tracer))
        const named = (name: string) => spans.find((span) => span.name === name)!
        const [work, call, session, handler] = ["work", "cli.hello", "pnet.session", "srv.hello"].map(named) as [
          any,
          any,
          any,
          any
        ]
        assert.deepStrictEqual(spans.map(({ name }) => name), ["work", "cli.hello", "pnet.session", "srv.hello"])
        for (const span of [call, session, handler]) assert.strictEqual(span.traceId, work.traceId)
        assert.strictEqual(call.parent.value.spanId, work.spanId)
        assert.strictEqual(session.parent.value.spanId, call.spanId)
        assert.strictEqual(handler.parent.value.spanId, call.spanId)
        assert.deepStrictEqual([call.kind, handler.kind], ["client", "server"])
        assert.strictEqual(call.attributes.get("pnet.peer"), "bob")
        assert.strictEqual(call.attributes.get("y"), 2)
        assert.strictEqual(handler.attributes.get("pnet.peer"), "alice")
        assert.strictEqual(handler.attributes.get("rpc.method"), "hello")
        assert.strictEqual(handler.attributes.get("x"), 1)
        assert.strictEqual(handler.status._tag, "Ended")
        // A stream's too, a failure is seen in it, and a call without tracing begins a trace of its own at the handler.
        yield* Effect.exit(Stream.runDrain(client.count({ to: -1 }))).pipe(Effect.provideService(Tracer.Tracer, tracer))
        const stream = named("srv.count")
        assert.strictEqual(stream.traceId, named("cli.count").traceId)
        assert.isTrue(stream.status._tag === "Ended" && Exit.isFailure(stream.status.exit))
        spans.length = 0
        yield* client.hello({ name: "x" }).pipe(Effect.withTracerEnabled(false))
        assert.deepStrictEqual(spans.map(({ name, parent }) => [name, parent._tag]), [["srv.hello", "None"]])
      })))
  })
}

// --- how handlers run ----------------------------------------------------------------------------------------------------------

class Runs extends RpcGroup.make(
  Rpc.make("slow", { payload: { id: Schema.Int }, success: Schema.Int }),
  Rpc.make("forked", { success: Schema.String }),
  Rpc.make("stubborn", { success: Schema.String }),
  Rpc.make("later", { success: Schema.String, error: NotFound }),
  Rpc.make("scoped", { success: Schema.String }),
  Rpc.make("throws", { success: Schema.String }),
  Rpc.make("left", { success: Schema.Unknown }),
  Rpc.make("wrong", { success: Schema.String }),
  Rpc.make("queue", { success: Schema.Int, error: NotFound, stream: true }),
  Rpc.make("stops", { success: Schema.Int, stream: true }),
  Rpc.make("large", { payload: { size: Schema.Int }, success: Schema.Uint8Array })
) {}

const runs = (log: Array<string>, gate: Deferred.Deferred<void>, answer: Deferred.Deferred<string, NotFound>) =>
  Runs.toLayer({
    slow: ({ id }) =>
      Effect.onInterrupt(
        Effect.gen(function*() {
          log.push(`begin ${id}`)
          yield* Deferred.await(gate)
          log.push(`end ${id}`)
          return id
        }),
        () => Effect.sync(() => log.push(`interrupted ${id}`))
      ),
    forked: () => Rpc.fork(Effect.succeed("forked")),
    stubborn: () =>
      Rpc.uninterruptible(Effect.andThen(
        Effect.sleep("2 seconds"),
        Effect.sync(() => {
          log.push("done")
          return "done"
        })
      )),
    later: () => Effect.succeed(answer),
    scoped: () =>
      Effect.as(Effect.addFinalizer(() => Effect.sync(() => log.push("closed"))), "open") as Effect.Effect<string>,
    throws: () => {
      throw new Error("thrown")
    },
    left: () => Effect.map(Deadline.remaining, (left) => left === undefined ? "none" : Math.round(Number(left) || 0)),
    wrong: () => Effect.succeed(7 as unknown as string),
    queue: () =>
      Effect.gen(function*() {
        const queue = yield* Queue.bounded<number, NotFound | Cause.Done>(4)
        yield* Effect.forkChild(Effect.andThen(Queue.offerAll(queue, [1, 2, 3]), Queue.end(queue)))
        return queue
      }),
    stops: () => Stream.concat(Stream.make(1), Stream.die(new Error("secret"))),
    large: ({ size }) => Effect.succeed(new Uint8Array(size))
  })

for (const form of forms) {
  describe(`handlers of typed calls, in ${form}`, () => {
    const quietly = speaking(form)
    const world = (serve?: PeerRpc.ServeOptions, logger?: Layer.Layer<never>) =>
      Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const log: Array<string> = []
        const gate = yield* Deferred.make<void>()
        const answer = yield* Deferred.make<string, NotFound>()
        const bob = yield* start(network, "bob", serving(Runs, runs(log, gate, answer), serve), logger && { logger })
        const alice = yield* start(network, "alice")
        yield* alice.node.peers.awaitPeer("bob")
        return { alice, bob, log, gate, answer, client: yield* clientOf(alice, Runs) }
      })

    it.effect("run as many at once as they are told to; one that is forked does not wait", () =>
      quietly(Effect.gen(function*() {
        const { client, gate, log } = yield* world({ concurrency: 2 })
        const fibers = yield* Effect.forEach([1, 2, 3, 4], (id) => Effect.forkChild(client.slow({ id })))
        yield* Effect.sleep("1 second")
        assert.deepStrictEqual(log, ["begin 1", "begin 2"])
        assert.strictEqual(yield* client.forked(), "forked")
        // One that was given up while it waited is never begun.
        yield* Fiber.interrupt(fibers[2]!)
        yield* Effect.sleep("1 second")
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* Fiber.join(fibers[3]!), 4)
        assert.deepStrictEqual(log.sort(), ["begin 1", "begin 2", "begin 4", "end 1", "end 2", "end 4"])
      })))

    it.effect("never begin after the deadline, and are interrupted by it", () =>
      quietly(Effect.gen(function*() {
        const { alice, client, gate, log } = yield* world({ concurrency: 1 })
        const hurried = yield* clientOf(alice, Runs, "bob", { timeout: "2 seconds" })
        const first = yield* Effect.forkChild(errorOf(hurried.slow({ id: 1 })))
        const second = yield* Effect.forkChild(errorOf(client.slow({ id: 2 }).pipe(Deadline.within("1 second"))))
        for (const [call, waited, said] of [[second, 1_000, "1s"], [first, 2_000, "2s"]] as const) {
          const error = yield* Fiber.join(call)
          assert(error._tag === "DeadlineError", error._tag)
          assert.closeTo(Duration.toMillis(error.waited ?? -1), waited, 10)
          assert.include(
            error.message,
            `"slow" at "bob" did not answer in its time, given up after ${said}; give it more time`
          )
        }
        yield* Effect.sleep("1 second")
        assert.deepStrictEqual(log, ["begin 1", "interrupted 1"])
        // One that has no time is not sent.
        const late = yield* errorOf(client.slow({ id: 3 }).pipe(Deadline.within(0)))
        assert.strictEqual(late._tag, "DeadlineError")
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* hurried.slow({ id: 4 }), 4)
        assert.notInclude(log.join(), "begin 3")
      })))

    it.effect("that waited for their turn beyond the deadline are not begun, be they uninterruptible", () =>
      quietly(Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const group = RpcGroup.make(Rpc.make("keep", { payload: { id: Schema.Number } }))
        const gate = yield* Deferred.make<void>()
        const begun: Array<number> = []
        const handlers = group.toLayer({
          keep: ({ id }) =>
            Rpc.uninterruptible(Effect.suspend(() => {
              begun.push(id)
              return Deferred.await(gate)
            }))
        })
        const { alice } = yield* two(network, serving(group, handlers, { concurrency: 1 }))
        const client = yield* clientOf(alice, group)
        const first = yield* Effect.forkChild(client.keep({ id: 1 }))
        yield* Effect.sleep("100 millis")
        const second = yield* errorOf(client.keep({ id: 2 }).pipe(Deadline.within("1 second")))
        assert.strictEqual(second._tag, "DeadlineError")
        yield* Effect.sleep("1 second")
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(first)
        yield* client.keep({ id: 3 })
        assert.deepStrictEqual(begun, [1, 3])
      })))

    it.effect("know how much time is left", () =>
      quietly(Effect.gen(function*() {
        const { client } = yield* world()
        assert.strictEqual(yield* client.left(), "none")
        assert.notStrictEqual(yield* client.left().pipe(Deadline.within("5 seconds")), "none")
      })))

    it.effect("go on uninterruptibly where they say so", () =>
      quietly(Effect.gen(function*() {
        const { alice, client, log } = yield* world()
        const fiber = yield* Effect.forkChild(client.stubborn())
        yield* Effect.sleep("1 second")
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(log, [])
        yield* Effect.sleep("2 seconds")
        assert.deepStrictEqual(log, ["done"])
        assert.strictEqual(yield* streamsOf(alice), 0)
      })))

    it.effect("may answer later, by a Deferred, and others run meanwhile", () =>
      quietly(Effect.gen(function*() {
        const { answer, client } = yield* world({ concurrency: 1 })
        const fiber = yield* Effect.forkChild(client.later())
        yield* Effect.sleep("1 second")
        assert.strictEqual(yield* client.forked(), "forked")
        assert.strictEqual(yield* client.scoped(), "open")
        yield* Deferred.succeed(answer, "at last")
        assert.strictEqual(yield* Fiber.join(fiber), "at last")
      })))

    it.effect("may answer later with a typed error", () =>
      quietly(Effect.gen(function*() {
        const { answer, client } = yield* world()
        const fiber = yield* Effect.forkChild(errorOf(client.later()))
        yield* Effect.sleep("1 second")
        yield* Deferred.fail(answer, new NotFound({ path: "later" }))
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "NotFound")
      })))

    it.effect("have a scope that closes with the call", () =>
      quietly(Effect.gen(function*() {
        const { client, log } = yield* world()
        assert.strictEqual(yield* client.scoped(), "open")
        yield* Effect.sleep("100 millis")
        assert.deepStrictEqual(log, ["closed"])
      })))

    it.effect("go on when their result is not wanted, and are acknowledged when they begin", () =>
      quietly(Effect.gen(function*() {
        const { alice, client, gate, log } = yield* world({ concurrency: 1 })
        assert.isUndefined(yield* client.slow({ id: 1 }, { discard: true }))
        assert.deepStrictEqual(log, ["begin 1"])
        assert.strictEqual(yield* streamsOf(alice), 0)
        const waiting = yield* Effect.forkChild(client.slow({ id: 2 }, { discard: true }))
        yield* Effect.sleep("1 second")
        assert.isUndefined(waiting.pollUnsafe())
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(waiting)
        yield* Effect.sleep("1 second")
        assert.deepStrictEqual(log, ["begin 1", "end 1", "begin 2", "end 2"])
        const broken = yield* errorOf(client.throws(undefined, { discard: true }))
        assert.strictEqual(broken._tag, "RemoteDefectError")
      })))

    it.effect("may give a queue", () =>
      quietly(Effect.gen(function*() {
        const { client } = yield* world()
        assert.deepStrictEqual(yield* Stream.runCollect(client.queue()), [1, 2, 3])
      })))

    it.effect("that throw, break in a stream, or give what their Schema is not, are told apart from typed errors, and logged", () =>
      quietly(Effect.gen(function*() {
        const logged: Array<string> = []
        const logger = Logger.layer([Logger.make(({ cause, message }) => {
          logged.push(`${String(message)} ${Cause.pretty(cause)}`)
        })])
        const { client } = yield* world(undefined, logger)
        assert.strictEqual((yield* errorOf(client.throws()))._tag, "RemoteDefectError")
        assert.strictEqual((yield* errorOf(client.wrong()))._tag, "RemoteDefectError")
        const got: Array<number> = []
        const stopped = yield* errorOf(Stream.runForEach(client.stops(), (n) => Effect.sync(() => got.push(n))))
        assert.strictEqual(stopped._tag, "RemoteDefectError")
        assert.deepStrictEqual(got, [1])
        const all = logged.join("\n")
        for (const word of ["thrown", "secret", `"alice"`, `"throws"`, `"stops"`]) assert.include(all, word)
        assert.strictEqual(yield* client.forked(), "forked")
      })))

    it.effect("are interrupted when their group is served no longer, and found no more", () =>
      quietly(Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const seen: Seen = { interrupted: 0, aborted: 0, produced: 0 }
        const bob = yield* start(network, "bob")
        const alice = yield* start(network, "alice")
        yield* alice.node.peers.awaitPeer("bob")
        const client = yield* clientOf(alice, Basics)
        const scope = yield* Scope.make()
        const context = bob.context as Context.Context<any>
        yield* Layer.buildWithScope(served(seen), scope).pipe(Effect.provideContext(context))
        const open = yield* Effect.forkChild(errorOf(client.forever()))
        assert.strictEqual(yield* client.hello({ name: "x" }), "Hello, x")
        yield* Scope.close(scope, Exit.void)
        const error = yield* Fiber.join(open)
        assert.strictEqual(error._tag === "StreamResetError" && error.code, "going_away")
        assert.deepStrictEqual([seen.interrupted, seen.aborted], [1, 0])
        assert.strictEqual((yield* errorOf(client.hello({ name: "x" })))._tag, "UnknownFunctionError")
        assert.deepStrictEqual(yield* Context.get(bob.context, RpcRegistry.RpcRegistry).functions, [])
        // And again.
        yield* Layer.build(served()).pipe(Effect.provideContext(context))
        assert.strictEqual(yield* client.hello({ name: "x" }), "Hello, x")
      })))

    it.effect("may answer with as much as is allowed, and no more", () =>
      quietly(Effect.gen(function*() {
        const { alice } = yield* world({ limit: 100_000 })
        const client = yield* clientOf(alice, Runs)
        assert.strictEqual((yield* client.large({ size: 70_000 })).length, 70_000)
        assert.strictEqual((yield* errorOf(client.large({ size: 200_000 })))._tag, "CallTooLargeError")
        const careful = yield* clientOf(alice, Runs, "bob", { limit: 1_000 })
        assert.strictEqual((yield* errorOf(careful.large({ size: 90_000 * 5 })))._tag, "CallTooLargeError")
      })))

    it.effect("are not sent where they are over their client's own limit, whatever the peer takes", () =>
      quietly(Effect.gen(function*() {
        const { alice } = yield* two(yield* SimNetwork.make(), served())
        const careful = yield* clientOf(alice, Basics, "bob", { limit: 1_000 })
        assert.strictEqual(yield* careful.find({ path: "x".repeat(900) }), 900n)
        assert.strictEqual((yield* errorOf(careful.find({ path: "x".repeat(1_100) })))._tag, "CallTooLargeError")
      })))
  })
}

// --- peers that come and go ----------------------------------------------------------------------------------------------------

for (const form of forms) {
  describe(`clients and their peers, in ${form}`, () => {
    const quietly = speaking(form)
    it.effect("fail when the peer leaves or crashes, at once and later, and work again when it is back", () =>
      quietly(
        Effect.gen(function*() {
          const network = yield* SimNetwork.make()
          // The same key after each start, as a node with a key file has.
          const identity = yield* Effect.provideService(Identity.generate, Crypto.Crypto, yield* seeded())
          let { alice, bob } = yield* two(network, served(), { identity })
          const client = yield* clientOf(alice, Basics)
          const unknown = yield* errorOf((yield* clientOf(alice, Basics, "nobody")).nothing())
          assert.strictEqual(unknown._tag, "PeerUnknownError")
          for (const how of ["stop", "kill"] as const) {
            assert.strictEqual(yield* client.hello({ name: "x" }), "Hello, x")
            const open = yield* Effect.forkChild(errorOf(client.forever()))
            const stream = yield* Effect.forkChild(
              errorOf(Stream.runForEach(client.count({ to: 1e9 }), () => Effect.sleep("10 millis")))
            )
            yield* Effect.sleep("1 second")
            yield* bob.process[how]
            const lost = yield* Fiber.join(open)
            assert.isTrue(
              lost._tag === "PeerLostError" && lost.mayHaveRun || lost._tag === "StreamResetError",
              lost._tag
            )
            yield* Fiber.join(stream)
            const at: Array<string> = []
            for (let i = 0; i < 30; i++) {
              const error = yield* errorOf(client.hello({ name: "x" }))
              at.push(error._tag)
              if (error._tag === "PeerLostError") assert.isFalse(error.mayHaveRun)
              yield* Effect.sleep("1 second")
            }
            assert.deepStrictEqual([...new Set(at)], ["PeerLostError"])
            bob = yield* start(network, "bob", served(), {
              host: bob.host,
              options: { identity }
            })
            yield* alice.node.peers.awaitPeer("bob", "30 seconds")
            assert.strictEqual(yield* client.hello({ name: "x" }), "Hello, x")
          }
        }).pipe(Effect.orDie)
      ))

    it.effect("try again when the peer has no room", () =>
      quietly(Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const { alice } = yield* two(network, served(), { limits: { calls: 4 } } as never)
        const client = yield* clientOf(alice, Basics)
        const busy = yield* Effect.forkChild(Effect.timeoutOption(client.forever(), "100 millis"))
        yield* Effect.sleep("50 millis")
        assert.strictEqual(yield* client.hello({ name: "x" }), "Hello, x")
        assert.deepStrictEqual(yield* Stream.runCollect(client.count({ to: 2 })), [1, 2])
        yield* Fiber.join(busy)
        yield* Effect.forkChild(client.forever())
        yield* Effect.sleep("50 millis")
        const error = yield* errorOf(client.hello({ name: "x" }))
        assert.strictEqual(error._tag === "StreamResetError" && error.code, "refused")
        // With the services of their caller, which has nothing to do meanwhile.
        let draws = 0
        const counting = {
          nextIntUnsafe: () => draws++,
          nextDoubleUnsafe: () => {
            draws++
            return 0.5
          }
        }
        yield* Effect.provideService(errorOf(client.hello({ name: "x" })), Random.Random, counting)
        assert.isAbove(draws, 0)
        // And no longer than they have time.
        const hasty = yield* clientOf(alice, Basics, "bob", { timeout: "100 millis" })
        const begun = yield* Clock.currentTimeMillis
        assert.strictEqual((yield* errorOf(hasty.hello({ name: "x" })))._tag, "DeadlineError")
        assert.strictEqual((yield* errorOf(Stream.runDrain(hasty.count({ to: 2 }))))._tag, "DeadlineError")
        assert.isAtMost((yield* Clock.currentTimeMillis) - begun, 220)
      })))
  })
}

// --- several peers -------------------------------------------------------------------------------------------------------------

class Places extends RpcGroup.make(
  Rpc.make("where", { payload: { fail: Schema.String }, success: Schema.String, error: NotFound }),
  Rpc.make("steps", { payload: { fail: Schema.String }, success: Schema.Int, error: NotFound, stream: true })
) {}

const places = (name: string) =>
  serving(
    Places,
    Places.toLayer({
      where: ({ fail }) => fail === name ? Effect.fail(new NotFound({ path: name })) : Effect.succeed(name),
      steps: ({ fail }) =>
        Stream.concat(Stream.make(1, 2), fail === name ? Stream.fail(new NotFound({ path: name })) : Stream.empty)
    })
  )

for (const form of forms) {
  describe(`a client of several peers, in ${form}`, () => {
    const quietly = speaking(form)
    const world = Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const nodes = yield* Effect.forEach(["bob", "carol", "dave"], (name) => start(network, name, places(name)))
      const alice = yield* start(network, "alice")
      yield* Effect.forEach(["bob", "carol", "dave"], (name) => alice.node.peers.awaitPeer(name))
      const many = (target: Peers.Target, options?: PeerRpc.AllOptions) =>
        Effect.provideContext(
          PeerRpc.clientAll(Places, target, options),
          alice.context as Context.Context<any>
        ) as Effect.Effect<PeerRpc.ManyClient<RpcGroup.Rpcs<typeof Places>>, never, Scope.Scope>
      return { alice, many, nodes }
    })

    const shown = (exits: Readonly<Record<string, Exit.Exit<unknown, { readonly _tag: string }>>>) =>
      Object.fromEntries(
        Object.entries(exits).map(([name, exit]) => [
          name,
          Exit.isSuccess(exit) ? exit.value : exit.cause.reasons.find(Cause.isFailReason)?.error._tag
        ])
      )

    it.effect("gathers each addressed peer's typed Exit, once", () =>
      quietly(Effect.gen(function*() {
        const { many, nodes } = yield* world
        const all = yield* many("*")
        const exits = yield* all.where({ fail: "carol" })
        assert.deepStrictEqual(shown(exits), { bob: "bob", carol: "NotFound", dave: "dave" })
        expectTypeOf(exits).toEqualTypeOf<Readonly<Record<string, Exit.Exit<string, NotFound | PeerRpc.RpcError>>>>()
        const some = yield* many(["dave", "nobody", "bob", "dave"], { concurrency: 1, timeout: "5 seconds" })
        assert.deepStrictEqual(shown(yield* some.where({ fail: "" })), {
          dave: "dave",
          nobody: "PeerUnknownError",
          bob: "bob"
        })
        // Those that are there when it is called.
        yield* nodes[0]!.process.stop
        yield* Effect.sleep("1 second")
        assert.deepStrictEqual(shown(yield* all.where({ fail: "" })), { carol: "carol", dave: "dave" })
        assert.deepStrictEqual(shown(yield* some.where({ fail: "" })), {
          dave: "dave",
          nobody: "PeerUnknownError",
          bob: "PeerLostError"
        })
      })))

    it.effect("streams each one's elements, and then how it ended", () =>
      quietly(Effect.gen(function*() {
        const { many } = yield* world
        const items = yield* Stream.runCollect((yield* many("*")).steps({ fail: "bob" }))
        for (const peer of ["bob", "carol", "dave"]) {
          const own = items.filter((item) => item.peer === peer)
          assert.deepStrictEqual(own.map((item) => item._tag === "Value" ? item.value : item._tag), [1, 2, "Exit"])
          const exit = own.flatMap((item) => item._tag === "Exit" ? [item.exit] : [])[0]!
          assert.strictEqual(Exit.isSuccess(exit), peer !== "bob")
        }
        const steps = (yield* many("*")).steps({ fail: "" })
        expectTypeOf<Stream.Success<typeof steps>>().toEqualTypeOf<
          Outcomes.Item<number, NotFound | PeerRpc.RpcError>
        >()
        expectTypeOf<Stream.Error<typeof steps>>().toEqualTypeOf<FunctionError.NodeClosedError>()
      })))
  })
}

// --- contracts -----------------------------------------------------------------------------------------------------------------

describe("two versions of a group", () => {
  const against = <Ours extends Rpc.Any>(ours: Ours, theirs: Rpc.Any, handler: (payload: any) => unknown) =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const seen: Array<unknown> = []
      const group = RpcGroup.make(theirs) as RpcGroup.RpcGroup<any>
      const { alice } = yield* two(
        network,
        serving(
          group,
          group.toLayer({
            call: (payload: unknown) => {
              seen.push(payload)
              return handler(payload)
            }
          } as never) as Layer.Layer<any>
        )
      )
      const client = (yield* clientOf(alice, RpcGroup.make(ours) as RpcGroup.RpcGroup<any>)) as any
      return { call: client.call as (payload?: unknown) => Effect.Effect<unknown, any>, seen }
    })
  const make = (payload: Schema.Struct.Fields, success: Schema.Top = Schema.String) =>
    Rpc.make("call", { payload, success })

  const works: ReadonlyArray<readonly [string, Rpc.Any, Rpc.Any, object, object]> = [
    [
      "an optional field that the peer does not know",
      make({ a: Schema.String, b: Schema.optionalKey(Schema.Int) }),
      make({ a: Schema.String }),
      { a: "x", b: 1 },
      { a: "x" }
    ],
    [
      "an optional field that this side does not know",
      make({ a: Schema.String }),
      make({ a: Schema.String, b: Schema.optionalKey(Schema.Int) }),
      { a: "x" },
      { a: "x" }
    ],
    ["a field that the peer has removed", make({ a: Schema.String, b: Schema.Int }), make({ a: Schema.String }), {
      a: "x",
      b: 2
    }, { a: "x" }],
    ["another order", make({ b: Schema.Int, a: Schema.String }), make({ a: Schema.String, b: Schema.Int }), {
      b: 2,
      a: "x"
    }, { a: "x", b: 2 }]
  ]
  for (const [what, ours, theirs, sent, received] of works) {
    it.effect(`understand each other over ${what}`, () =>
      quietly(Effect.gen(function*() {
        const { call, seen } = yield* against(ours, theirs, () => Effect.succeed("done"))
        assert.strictEqual(yield* call(sent), "done")
        assert.deepStrictEqual(seen, [received])
      })))
  }

  const refused: ReadonlyArray<readonly [string, Rpc.Any, Rpc.Any, object, ReadonlyArray<string>]> = [
    ["a field of another type", make({ size: Schema.Number }), make({ size: Schema.String }), { size: 1 }, [
      "payload.size: number here, string at the peer"
    ]],
    ["a field that it requires", make({ a: Schema.String }), make({ a: Schema.String, name: Schema.String }), {
      a: "x"
    }, [
      "payload.name: missing here, string at the peer"
    ]],
    [
      "a stream where one value was expected",
      make({ a: Schema.String }),
      Rpc.make("call", { payload: { a: Schema.String }, success: Schema.String, stream: true }),
      { a: "x" },
      ["stream: false here, true at the peer"]
    ]
  ]
  for (const [what, ours, theirs, sent, differences] of refused) {
    it.effect(`name the difference where the peer has ${what}, and nothing is run`, () =>
      quietly(Effect.gen(function*() {
        const { call, seen } = yield* against(ours, theirs, () => Effect.succeed("done"))
        const error = (yield* errorOf(call(sent))) as any
        assert.strictEqual(error._tag, "ContractError")
        assert.deepStrictEqual(error.differences, differences)
        assert.isFalse(error.mayHaveRun)
        assert.include(error.message, differences[0])
        assert.deepStrictEqual(seen, [])
      })))
  }

  it.effect("name the difference of an answer that would not be understood, before anything is run", () =>
    quietly(Effect.gen(function*() {
      const { call, seen } = yield* against(
        make({ a: Schema.String }, Schema.Struct({ n: Schema.Int })),
        make({ a: Schema.String }, Schema.Struct({ n: Schema.String })),
        () => Effect.succeed({ n: "x" })
      )
      const error = (yield* errorOf(call({ a: "x" }))) as any
      assert.deepStrictEqual([error._tag, error.mayHaveRun, error.differences], [
        "ContractError",
        false,
        ["success.n: integer here, string at the peer"]
      ])
      assert.strictEqual(seen.length, 0)
      const stream = yield* against(
        Rpc.make("call", { success: Schema.Int, stream: true }),
        Rpc.make("call", { success: Schema.String, stream: true }),
        () => Stream.make("a")
      )
      const streamed = (yield* errorOf(Stream.runDrain(stream.call() as unknown as Stream.Stream<unknown, any>))) as any
      assert.deepStrictEqual(streamed.differences, ["success: integer here, string at the peer"])
      const failing = yield* against(
        Rpc.make("call", { error: NotFound }),
        Rpc.make("call", { error: Unauthorized }),
        () => Effect.fail(new Unauthorized({ why: "no" }))
      )
      const failed = (yield* errorOf(failing.call())) as any
      assert.deepStrictEqual([failed._tag, failed.differences], [
        "ContractError",
        ["error: NotFound here, Unauthorized at the peer"]
      ])
    })))

  it.effect("name the form where the peer has that of an older version, either way, and nothing is run or read", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      interface Tree extends ReadonlyArray<Tree> {}
      const Tree: Schema.Codec<Tree> = Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
      const group = RpcGroup.make(Rpc.make("tree", { payload: { tree: Tree }, success: Tree }))
      let ran = 0
      yield* start(
        network,
        "bob",
        PeerRpc.serve(group).pipe(
          Layer.effectDiscard,
          Layer.provide(group.toLayer({ tree: () => Effect.sync(() => (ran++, [])) }))
        )
      )
      const alice = yield* start(network, "alice")
      yield* alice.node.peers.awaitPeer("bob")
      // As it was before there was a form: binary, and a contract that says nothing of it.
      const wire = wireOf(group.requests.get("tree") as any)
      const { form: _form, ...contract } = wire.contract()
      const hash = hashBytesOf(contract)
      const flags = { window: 0, discard: false, raw: false, stream: false, headers: undefined }
      const asked = encodeRequest({ ...flags, hash, payload: Uint8Array.of(3, 32, 1, 0) })
      const peer = yield* alice.node.peers.resolveOne("bob")
      const answer = yield* alice.node.sessions.exchange(peer, { protocol: "rpc", name: "tree" }, asked)
      assert.strictEqual(answer[0], Kind.mismatch)
      assert.include(new TextDecoder().decode(answer), "\"form\":\"json\"")
      assert.strictEqual(ran, 0)
      const old = yield* start(network, "old")
      let heard = 0
      yield* old.node.sessions.handle(
        { protocol: "rpc", name: "tree" },
        (stream) => Effect.ignore(Effect.suspend(() => (heard++, stream.write(mismatchOf(contract, hash)))))
      )
      yield* alice.node.peers.awaitPeer("old")
      const client = yield* clientOf(alice, group, "old")
      const error = (yield* errorOf(client.tree({ tree: [[]] }))) as any
      assert.deepStrictEqual([error._tag, error.mayHaveRun, heard], ["ContractError", false, 1])
      assert.include(error.differences.join(), "form")
    })))

  it.effect("with a date, of which the older says nothing in its hash, understand each other both ways", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const group = RpcGroup.make(
        Rpc.make("later", { payload: { at: Schema.DateTimeUtc }, success: Schema.DateTimeUtc })
      )
      yield* start(
        network,
        "bob",
        serving(group, group.toLayer({ later: ({ at }) => Effect.succeed(DateTime.add(at, { milliseconds: 1 })) }))
      )
      const alice = yield* start(network, "alice")
      const old = yield* start(network, "old")
      yield* Effect.all([alice.node.peers.awaitPeer("bob"), alice.node.peers.awaitPeer("old")])
      const wire = wireOf(group.requests.get("later") as any)
      // As it was before there was a keyword.
      const contract = wire.contractFor({})
      const hash = hashBytesOf(contract)
      assert.notDeepEqual(hash, wire.hash())
      const payload = yield* wire.encodePayload({ at: DateTime.makeUnsafe(5) })
      const ask = (by: Uint8Array) =>
        Effect.gen(function*() {
          const peer = yield* alice.node.peers.resolveOne("bob")
          const flags = { window: 0, discard: false, raw: false, stream: false, headers: undefined }
          const asked = encodeRequest({ ...flags, hash: by, payload })
          return yield* alice.node.sessions.exchange(peer, { protocol: "rpc", name: "later" }, asked)
        })
      const answer = yield* ask(hash)
      assert.strictEqual(answer[0], Kind.mismatch)
      const said = contractOf(answer.subarray(1))!
      // It looks at the keywords that it knows, and calls again.
      const known = JSON.stringify(said.contract, (key, value) => key === "binary" ? undefined : value)
      assert.isTrue(compatible(contract, JSON.parse(known)))
      const again = yield* ask(said.hash)
      assert.strictEqual(again[0], Kind.success)
      assert.deepStrictEqual(yield* wire.decodeSuccess(again.subarray(1)), DateTime.makeUnsafe(6))
      // And the other way.
      let mismatches = 0
      yield* old.node.sessions.handle({ protocol: "rpc", name: "later" }, (stream) =>
        Effect.gen(function*() {
          const request = decodeRequest((yield* stream.whole).subarray(4))
          if (typeof request === "string") return yield* Effect.die(request)
          if (!sameHash(request.hash, hash)) {
            mismatches++
            const text = new TextEncoder().encode(JSON.stringify(contract))
            return yield* stream.write(Uint8Array.of(Kind.mismatch, ...hash, ...text))
          }
          const { at } = (yield* wire.decodePayload(request.payload)) as { readonly at: DateTime.Utc }
          yield* stream.write(
            Uint8Array.of(Kind.success, ...(yield* wire.encodeSuccess(DateTime.add(at, { milliseconds: 2 }))))
          )
        }).pipe(Effect.ignore))
      const client = yield* clientOf(alice, group, "old")
      assert.deepStrictEqual(yield* client.later({ at: DateTime.makeUnsafe(5) }), DateTime.makeUnsafe(7))
      assert.deepStrictEqual(yield* client.later({ at: DateTime.makeUnsafe(6) }), DateTime.makeUnsafe(8))
      // Asked once, and remembered.
      assert.strictEqual(mismatches, 1)
    })))

  it.effect("never read the bytes of one kind of value as another", () =>
    quietly(Effect.gen(function*() {
      // Each of these can be decoded, as something that nobody wrote.
      const pairs: ReadonlyArray<readonly [Schema.Top, Schema.Top, unknown]> = [
        [Schema.NullOr(Schema.String), Schema.String, "z"],
        [Schema.Array(Schema.String), Schema.String, ["a"]],
        [Schema.BigInt, Schema.Uint8Array, 77n],
        [Schema.Tuple([Schema.String, Schema.Int]), Schema.String, ["q", 9]],
        [Schema.Struct({ a: Schema.String }), Schema.Record(Schema.String, Schema.String), { a: "x" }],
        [Schema.Union([Schema.String, Schema.Number]), Schema.String, 4],
        // These are one in JSON.
        [Schema.DateTimeUtc, Schema.String, DateTime.makeUnsafe(5)],
        [Schema.String, Schema.DateTimeUtc, "a"],
        [Schema.Uint8Array, Schema.Uint8ArrayFromBase64, Uint8Array.of(65, 65, 65, 65)],
        [Schema.Symbol, Schema.String.check(Schema.isPattern(/^Symbol\(([\s\S]*)\)$/)), Symbol.for("Symbol(a)")],
        [Schema.Array(Schema.Int), Schema.Array(Schema.Number), [1, 2]],
        [Schema.Tuple([Schema.Int, Schema.String]), Schema.Tuple([Schema.Number, Schema.String]), [1, "a"]]
      ]
      for (const [ours, theirs, value] of pairs) {
        const { call, seen } = yield* against(make({ v: ours }), make({ v: theirs }), () => Effect.succeed("done"))
        const error = (yield* errorOf(call({ v: value }))) as any
        assert.strictEqual(error._tag, "ContractError")
        assert.match(error.differences[0], /^payload\.v/)
        assert.deepStrictEqual(seen, [])
      }
    })))

  it.effect("understand an answer that has gained a field", () =>
    quietly(Effect.gen(function*() {
      const { call } = yield* against(
        make({ a: Schema.String }, Schema.Struct({ n: Schema.Int })),
        make({ a: Schema.String }, Schema.Struct({ n: Schema.Int, m: Schema.Int })),
        () => Effect.succeed({ n: 1, m: 2 })
      )
      assert.deepStrictEqual(yield* call({ a: "x" }), { n: 1 })
    })))
})

// --- calls by JSON, and peers that break the rules ---------------------------------------------------------------------------------

const span = new Tracer.NativeSpan({
  name: "call",
  parent: Option.none(),
  annotations: Context.empty(),
  links: [],
  startTime: 0n,
  kind: "server",
  sampled: true
})

describe("the calls of a served group", () => {
  it.effect("are functions of the node, described and callable by JSON", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(
        network,
        "bob",
        Layer.mergeAll(served(), serving(Guarded, guarded).pipe(Layer.provide(authLayer)))
      )
      const registry = Context.get(bob.context, RpcRegistry.RpcRegistry)
      assert.deepStrictEqual(yield* registry.functions, [...Basics.requests.keys(), ...Guarded.requests.keys()].sort())
      const [count] = yield* registry.describe(["count"])
      assert.deepInclude(count, { name: "count", kind: "rpc", stream: true })
      assert.match(count!.contract!, /^[0-9a-f]{16}$/)
      const run = (name: string, args: ReadonlyArray<unknown>, kwargs: Record<string, any> = {}) =>
        registry.getUnsafe(name)!.run(
          {
            from: { name: "zoe", publicKey: "key" },
            function: name,
            kwargs,
            deadline: undefined,
            span,
            node: {}
          } as never,
          args
        )
      assert.strictEqual(yield* run("hello", [{ name: "Ann" }]), "Hello, Ann")
      assert.strictEqual(yield* run("hello", [], { name: "Ann" }), "Hello, Ann")
      assert.isNull(yield* run("nothing", []))
      assert.deepStrictEqual(yield* run("count", [{ to: 3 }]), [1, 2, 3])
      assert.deepStrictEqual(yield* run("bytes", [{ sizes: [1, 2] }]), ["AQ==", "AgI="])
      assert.strictEqual(yield* run("find", [{ path: "abc" }]), "3")
      assert.strictEqual(yield* run("whoami", []), "zoe key")
      const failures = yield* Effect.forEach([
        run("hello", [{ name: 1 }]),
        run("hello", [{ name: "a" }, 2]),
        run("hello", []),
        run("find", [{ path: "" }]),
        run("count", [{ to: -1 }]),
        run("token", [{ n: 1 }])
      ], errorOf)
      assert.deepStrictEqual(failures.map(({ code, error }) => [code, error]), [
        ["invalid_arguments", undefined],
        ["invalid_arguments", undefined],
        ["invalid_arguments", undefined],
        ["failed", { _tag: "NotFound", path: "" }],
        ["failed", { _tag: "NotFound", path: "end" }],
        ["failed", { _tag: "Unauthorized", why: `no token for token {"n":1}` }]
      ])
      // A name means one thing.
      const twice = yield* errorOf(
        Effect.scoped(PeerRpc.serve(Basics)).pipe(Effect.provide(basics()), Effect.provideContext(bob.context))
      )
      assert.strictEqual(twice._tag, "DuplicateFunctionError")
    })))

  it.effect("answer in an array no longer than is allowed", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(network, "bob", served(undefined, { limit: 1_000 }))
      const registry = Context.get(bob.context, RpcRegistry.RpcRegistry)
      const error = yield* errorOf(registry.getUnsafe("count")!.run(
        { kwargs: {}, from: { name: "zoe", publicKey: "key" }, span } as never,
        [{ to: 1e9 }]
      ))
      assert.strictEqual(error.code, "too_large")
    })))
})

describe("whoever breaks the rules of typed calls", () => {
  it.effect("by calling is told so, and harms nobody", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice, bob } = yield* two(network, served(undefined, { limit: 100_000 }))
      const client = yield* clientOf(alice, Basics)
      const peer = yield* alice.node.peers.resolveOne("bob")
      const say = (name: string, data: Uint8Array) =>
        alice.node.sessions.exchange(peer, { protocol: "rpc", name }, data).pipe(
          Effect.map((answer) => `answer ${answer[0]}`),
          Effect.catch((error) => Effect.succeed(error._tag === "StreamResetError" ? error.code : error._tag))
        )
      const request = (length: number, ...rest: ReadonlyArray<number>) =>
        Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length, ...rest)
      const hashOf = (name: string) => wireOf(Basics.requests.get(name) as never).hash()
      const payloads = {
        hello: yield* wireOf(Basics.requests.get("hello") as never).encodePayload({ name: "x" }),
        count: yield* wireOf(Basics.requests.get("count") as never).encodePayload({ to: 3 })
      }
      const asked = (name: "hello" | "count", stream: boolean) =>
        encodeRequest({
          hash: hashOf(name),
          window: 9,
          discard: false,
          raw: false,
          stream,
          headers: undefined,
          payload: payloads[name]
        })
      const hash = hashOf("hello")
      const zeros = (count: number) => Array<number>(count).fill(0)
      const tries: ReadonlyArray<readonly [string, Uint8Array, string]> = [
        ["hello", new Uint8Array(0), "internal"],
        ["hello", Uint8Array.of(0, 0), "internal"],
        ["hello", request(3, 1, 0, 0), "internal"],
        ["hello", request(11, 9, ...zeros(10)), "internal"],
        ["hello", request(0xffff_ffff), "too_large"],
        ["hello", request(40, 1, 0), "internal"],
        // Headers beyond the request, and such as are none.
        ["hello", request(15, 1, 1, ...zeros(9), 0, 0, 1, 0), "internal"],
        ["hello", request(17, 1, 1, ...zeros(9), 0, 0, 0, 2, 0x7b, 0x7d), "internal"],
        // A payload that is none, and a stream where there is one value.
        ["hello", request(14, 1, 0, ...zeros(9), 255, 255, 255), "answer 3"],
        ["hello", request(14, 1, 0, ...hash, 0, 255, 255, 255), "answer 3"],
        ["hello", request(11, 1, 8, ...hash, 0), "answer 3"],
        ["count", request(11, 1, 0, ...zeros(9)), "answer 3"],
        // The right contract and what goes with it, but for the flag: whoever wants a value gets no stream, and the other way round.
        ["hello", asked("hello", false), "answer 0"],
        ["hello", asked("hello", true), "answer 3"],
        ["count", asked("count", true), "answer 2"],
        ["count", asked("count", false), "answer 3"],
        ["hello", new Uint8Array(300_000).fill(7), "too_large"]
      ]
      for (const [name, data, expected] of tries) assert.strictEqual(yield* say(name, data), expected)
      let seed = 1
      for (let i = 0; i < 200; i++) {
        const junk = Uint8Array.from({ length: i % 60 }, () => (seed = Math.imul(seed, 48_271) % 0x7fff_ffff) & 255)
        yield* say(
          ["hello", "count", "bytes", "find"][i % 4]!,
          request(junk.length, 1, 8 * (i % 2), ...junk.subarray(2))
        )
      }
      assert.strictEqual(yield* client.hello({ name: "x" }), "Hello, x")
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual([yield* streamsOf(alice), yield* streamsOf(bob)], [0, 0])
    })))

  it.effect("refuses a stream of which something has come already: that is not called again", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(network, "bob")
      const alice = yield* start(network, "alice")
      yield* alice.node.peers.awaitPeer("bob")
      const chunk = yield* wireOf(Basics.requests.get("count") as any).encodeChunk([1, 2])
      let calls = 0
      let told = false
      yield* bob.node.sessions.handle({ protocol: "rpc", name: "count" }, (stream) => {
        calls++
        const says = told ? stream.write(Uint8Array.of(2, 0, 0, 0, chunk.length, ...chunk)) : Effect.void
        return Effect.ignore(Effect.andThen(
          Effect.andThen(says, Effect.sleep("100 millis")),
          stream.reset("refused", "no room after all")
        ))
      })
      const client = yield* clientOf(alice, Basics)
      const got: Array<number> = []
      const run = errorOf(Stream.runForEach(client.count({ to: 9 }), (n) => Effect.sync(() => got.push(n))))
      assert.strictEqual((yield* run)._tag, "StreamResetError")
      // Of a call that was refused before anything came, nothing ran.
      assert.isAbove(calls, 1)
      calls = 0
      told = true
      const error = yield* run
      assert.strictEqual(error._tag === "StreamResetError" && error.code, "refused")
      assert.strictEqual(calls, 1)
      assert.deepStrictEqual(got, [1, 2])
    })))

  it.effect("fails a stream with what looks like a stream's end: it is a failure", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const group = RpcGroup.make(Rpc.make("all", { success: Schema.Json, error: Schema.Json, stream: true }))
      const bob = yield* start(network, "bob")
      const alice = yield* start(network, "alice")
      yield* alice.node.peers.awaitPeer("bob")
      const wire = wireOf(group.requests.get("all") as any)
      let error: unknown = { "~effect/Cause/Done": "~effect/Cause/Done", value: 1 }
      yield* bob.node.sessions.handle(
        { protocol: "rpc", name: "all" },
        (stream) =>
          Effect.flatMap(wire.encodeExit(Exit.fail(error)), (exit) => stream.write(Uint8Array.of(1, ...exit))).pipe(
            Effect.ignore
          )
      )
      const client = yield* clientOf(alice, group)
      const failed = yield* errorOf(Stream.runCollect(client.all()))
      assert.strictEqual((failed as any)._tag, "RemoteDefectError")
      error = { plain: 1 }
      assert.deepStrictEqual(yield* errorOf(Stream.runCollect(client.all())), { plain: 1 })
    })))

  it.effect("has another contract with every call is called once more, and that is all", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(network, "bob")
      const alice = yield* start(network, "alice")
      yield* alice.node.peers.awaitPeer("bob")
      let calls = 0
      for (const name of ["hello", "count"]) {
        const { contract } = wireOf(Basics.requests.get(name) as never)
        yield* bob.node.sessions.handle({ protocol: "rpc", name }, (stream) => {
          // In the end it breaks, so that whoever calls on comes to an end.
          const says = ++calls > 9
            ? Uint8Array.of(Kind.broken)
            : mismatchOf(contract(), new Uint8Array(8).fill(calls))
          return Effect.ignore(Effect.andThen(stream.write(says), stream.end))
        })
      }
      const client = yield* clientOf(alice, Basics)
      for (const call of [client.hello({ name: "x" }), Stream.runDrain(client.count({ to: 1 }))]) {
        calls = 0
        const error = yield* errorOf<unknown, { readonly _tag: string; readonly message: string }, never>(call)
        assert.strictEqual(error._tag, "ContractError")
        assert.include(error.message, "changes with every call")
        assert.strictEqual(calls, 2)
      }
    })))

  it.effect("by answering with more than its caller may have gives it the error for that", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(network, "bob")
      const alice = yield* start(network, "alice")
      yield* alice.node.peers.awaitPeer("bob")
      let answer = new Uint8Array(0)
      yield* bob.node.sessions.handle(
        { protocol: "rpc", name: "count" },
        (stream) => Effect.ignore(stream.write(answer))
      )
      const client = yield* clientOf(alice, Basics, "bob", { limit: 1_000 })
      const { encodeChunk } = wireOf(Basics.requests.get("count") as never)
      const chunkOf = (length: number) =>
        Effect.map(
          encodeChunk(Array.from({ length }, (_, i) => i)),
          (chunk) => Uint8Array.of(Kind.chunk, 0, 0, chunk.length >> 8, chunk.length & 255, ...chunk, Kind.success)
        )
      const got: Array<number> = []
      const count = Stream.runForEach(client.count({ to: 1 }), (n) => Effect.sync(() => got.push(n)))
      answer = yield* chunkOf(100)
      yield* count
      assert.strictEqual(got.splice(0).length, 100)
      // A chunk that is whole, and an end of a stream.
      const answers = [
        yield* chunkOf(1_000),
        ...[Kind.failure, Kind.mismatch].map((kind) =>
          Uint8Array.from({ length: 300_000 }, (_, i) => i === 0 ? kind : 0x20)
        )
      ]
      for (const given of answers) {
        answer = given
        assert.strictEqual((yield* errorOf(count))._tag, "CallTooLargeError")
      }
      assert.deepStrictEqual(got, [])
    })))

  it.effect("by answering with very many byte arrays of nothing has no more made of them than its caller may have", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(network, "bob")
      const alice = yield* start(network, "alice")
      yield* alice.node.peers.awaitPeer("bob")
      let elements = 0
      yield* bob.node.sessions.handle({ protocol: "rpc", name: "bytes" }, (stream) => {
        const answer = new Uint8Array(5 + 4 * elements + 1)
        answer[0] = Kind.raw
        new DataView(answer.buffer).setUint32(1, 4 * elements)
        answer[answer.length - 1] = Kind.success
        return Effect.ignore(stream.write(answer))
      })
      const client = yield* clientOf(alice, Basics, "bob", { limit: 1_048_576 })
      let got = 0
      const bytes = Stream.runForEachArray(client.bytes({ sizes: [] }), (some) => Effect.sync(() => got += some.length))
      // As many as fill a chunk.
      elements = 65_536
      yield* bytes
      assert.strictEqual(got, elements)
      // Of which each takes a hundred bytes, and a caller's limit is its value's eightfold.
      elements = 100_000
      assert.strictEqual((yield* errorOf(bytes))._tag, "CallTooLargeError")
      assert.strictEqual(got, 65_536)
    })))

  it.effect("by answering that a call is too large gives the error for that, whatever its caller's limit is", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice } = yield* two(network, served(undefined, { limit: 1_000 }))
      for (const limit of [Infinity, 1e300, 5_000.5, NaN]) {
        const client = yield* clientOf(alice, Basics, "bob", { limit })
        assert.strictEqual(yield* client.hello({ name: "x" }), "Hello, x", `${limit}`)
        const error = yield* errorOf(client.hello({ name: "x".repeat(2_000) }))
        assert.strictEqual(error._tag, "CallTooLargeError", `${limit}`)
      }
    })))

  it.effect("by answering gives its caller a typed error", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(network, "bob")
      const alice = yield* start(network, "alice")
      yield* alice.node.peers.awaitPeer("bob")
      let answer = new Uint8Array(0)
      for (const name of ["hello", "find", "count", "bytes"]) {
        yield* bob.node.sessions.handle({ protocol: "rpc", name }, (stream) => Effect.ignore(stream.write(answer)))
      }
      const client = yield* clientOf(alice, Basics, "bob", { limit: 1_000 })
      const calls: Array<Effect.Effect<unknown, { readonly _tag: string }>> = [
        client.hello({ name: "x" }),
        client.find({ path: "" }),
        Stream.runDrain(client.count({ to: 1 })),
        Stream.runDrain(client.bytes({ sizes: [] }))
      ]
      const deep = `{"payload":${"[".repeat(50)}${"]".repeat(50)}}`
      const bytes = (text: string) => [...new TextEncoder().encode(text)]
      const answers: ReadonlyArray<ReadonlyArray<number>> = [
        [],
        [9],
        [0, 255, 255],
        [1],
        [1, 0, 0, 0],
        [1, ...Array<number>(40).fill(255)],
        [2],
        [2, 0, 0, 0, 1, 7],
        [2, 0, 0, 0, 9, 7],
        [2, 255, 255, 255, 255],
        [3],
        [3, ...bytes("null")],
        [3, ...bytes(deep)],
        [4, 0, 0, 0, 2, 0x7b, 0x7d],
        [4, 255, 255, 255, 255],
        [4, 0, 0, 0, 1, 0x78, 4, 0, 0, 0, 1, 0x78],
        [5, 0, 0, 0, 4, 0, 0, 0, 9],
        [5, 0, 0, 0, 0],
        [5, 255, 255, 255, 255],
        [6]
      ]
      const known = new Set(["ContractError", "RemoteDefectError", "CallTooLargeError"])
      for (const given of answers) {
        answer = Uint8Array.from(given)
        for (const call of calls) {
          const exit = yield* Effect.exit(call)
          // A stream that ends with a success, of which nothing is read, is one.
          if (Exit.isSuccess(exit)) assert.strictEqual(given[0], 0)
          else assert.isTrue(known.has((yield* errorOf(exit))._tag), `${given}`)
        }
      }
      // The END of the last one is on its way.
      yield* Effect.sleep("1 second")
      assert.strictEqual(yield* streamsOf(alice), 0)
    })))
})
