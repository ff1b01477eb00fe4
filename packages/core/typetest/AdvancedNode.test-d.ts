/** What the caller of an AdvancedNode sees: the types that flow through it, and what must not compile. Nothing here is run. */
// What must not compile is expected to be TypeScript's own error; the Effect diagnostics would report it a second time.
// @effect-diagnostics missingEffectError:off missingEffectContext:off floatingEffect:off asyncFunction:off
import {
  AdvancedNode,
  type Balance,
  type BasicNode,
  type Crypto,
  type FunctionError,
  type NodeOptions,
  type Outcomes,
  type Packet,
  Peers,
  type ProtocolError,
  type PublicKey,
  type Reach,
  SessionPool,
  Sessions,
  type Transport,
  type Trust
} from "@pnet/core"
import { Context, type Duration, Effect, Layer, Schema, type Scope, Stream } from "effect"
import { expectTypeOf } from "vitest"

class Database extends Context.Service<Database, { readonly read: Effect.Effect<string, "unreadable"> }>()(
  "typetest/Database"
) {}
class Disk extends Context.Service<Disk, { readonly bytes: Stream.Stream<Uint8Array, "worn out"> }>()(
  "typetest/Disk"
) {}

class Overdrawn extends Schema.TaggedError<Overdrawn>()("Overdrawn", { by: Schema.Number }) {}

type Host = Reach.Reach | Crypto.Crypto | Trust.Trust

declare const node: AdvancedNode.AdvancedNode["Service"]

// --- errors ----------------------------------------------------------------------------------------------------------

type CallErrors =
  | Peers.PeerUnknownError
  | Peers.NameConflictError
  | FunctionError.NodeClosedError
  | Transport.DialError
  | ProtocolError.ProtocolError
  | Trust.UntrustedPeerError
  | Peers.PeerLostError
  | Sessions.StreamResetError
  | FunctionError.CallTooLargeError
  | FunctionError.DeadlineError
  | FunctionError.NotAllowedError
  | FunctionError.InvalidArgumentsError
  | FunctionError.HeadersUnsupportedError
  | FunctionError.NotJsonError
  | FunctionError.RemoteError
  | Balance.OverloadedError

expectTypeOf<AdvancedNode.CallError>().toEqualTypeOf<CallErrors>()
expectTypeOf<AdvancedNode.CallError["_tag"]>().toEqualTypeOf<
  | "PeerUnknownError"
  | "NameConflictError"
  | "NodeClosedError"
  | "DialError"
  | "ProtocolError"
  | "UntrustedPeerError"
  | "PeerLostError"
  | "StreamResetError"
  | "CallTooLargeError"
  | "DeadlineError"
  | "NotAllowedError"
  | "InvalidArgumentsError"
  | "HeadersUnsupportedError"
  | "NotJsonError"
  | "RemoteError"
  | "OverloadedError"
>()
expectTypeOf<Sessions.StreamError["_tag"]>().toEqualTypeOf<"StreamResetError" | "PeerLostError">()
expectTypeOf<Sessions.OpenError["_tag"]>().toEqualTypeOf<
  "DialError" | "ProtocolError" | "UntrustedPeerError" | "PeerLostError" | "StreamResetError"
>()

// A peer's error is nothing that is known before it has been decoded.
expectTypeOf<FunctionError.RemoteError["error"]>().toEqualTypeOf<unknown>()
expectTypeOf<FunctionError.RemoteError["tag"]>().toEqualTypeOf<string | undefined>()
declare const remote: FunctionError.RemoteError
expectTypeOf(Schema.decodeUnknownEffect(Schema.toCodecJson(Overdrawn))(remote.error)).toEqualTypeOf<
  Effect.Effect<Overdrawn, Schema.SchemaError>
>()
// @ts-expect-error: so it has no fields
export const by: number = remote.error.by

// --- layers ----------------------------------------------------------------------------------------------------------

type Given = AdvancedNode.AdvancedNode | BasicNode.BasicNode | Sessions.Sessions | Peers.Peers

expectTypeOf(AdvancedNode.layer({ name: "alice" })).toEqualTypeOf<Layer.Layer<Given, BasicNode.StartError, Host>>()
expectTypeOf(AdvancedNode.make({ name: "alice" })).toEqualTypeOf<
  Effect.Effect<AdvancedNode.AdvancedNode["Service"], BasicNode.StartError, Host | Scope.Scope>
>()
expectTypeOf(SessionPool.layer).toEqualTypeOf<
  Layer.Layer<
    Sessions.Sessions,
    never,
    Transport.Transport | Peers.Peers | Trust.Trust | Crypto.Crypto | NodeOptions.NodeConfig
  >
>()

// --- functions -------------------------------------------------------------------------------------------------------

// What a function needs, the layer needs: as an effect, as a stream, and as an effect of a stream.
expectTypeOf(
  AdvancedNode.layer({ name: "alice", functions: { read: () => Effect.flatMap(Database, ({ read }) => read) } })
).toEqualTypeOf<Layer.Layer<Given, BasicNode.StartError, Host | Database>>()
expectTypeOf(
  AdvancedNode.layer({
    name: "alice",
    functions: { dump: () => Stream.unwrap(Effect.map(Disk, ({ bytes }) => bytes)) }
  })
).toEqualTypeOf<Layer.Layer<Given, BasicNode.StartError, Host | Disk>>()
expectTypeOf(
  AdvancedNode.layer({ name: "alice", functions: { dump: () => Effect.map(Disk, ({ bytes }) => bytes) } })
).toEqualTypeOf<Layer.Layer<Given, BasicNode.StartError, Host | Disk>>()
expectTypeOf(
  AdvancedNode.make({ name: "alice", functions: { read: () => Effect.flatMap(Database, ({ read }) => read) } })
).toEqualTypeOf<
  Effect.Effect<AdvancedNode.AdvancedNode["Service"], BasicNode.StartError, Host | Database | Scope.Scope>
>()

// Of several functions, and of onMessage beside them, all that they need.
expectTypeOf(
  AdvancedNode.layer({
    name: "alice",
    onMessage: () => Effect.flatMap(Database, ({ read }) => read),
    functions: {
      read: () => Effect.flatMap(Database, ({ read }) => read),
      dump: () => Effect.map(Disk, ({ bytes }) => bytes),
      echo: ({ bytes }) => bytes
    }
  })
).toEqualTypeOf<Layer.Layer<Given, BasicNode.StartError, Host | Database | Disk>>()

// One that is registered later brings its needs along, and lives as long as a scope.
expectTypeOf(node.register("read", () => Effect.flatMap(Database, ({ read }) => read))).toEqualTypeOf<
  Effect.Effect<void, FunctionError.DuplicateFunctionError, Database | Scope.Scope>
>()

// What it is given.
AdvancedNode.layer({
  name: "alice",
  functions: {
    look: (call) => {
      expectTypeOf(call).toEqualTypeOf<AdvancedNode.Call>()
      expectTypeOf(call.from).toEqualTypeOf<
        { readonly name: Packet.NodeName; readonly publicKey: PublicKey.PublicKey }
      >()
      expectTypeOf(call.bytes).toEqualTypeOf<Stream.Stream<Uint8Array, Sessions.StreamError>>()
      expectTypeOf(call.text).toEqualTypeOf<Effect.Effect<string, Sessions.StreamError>>()
      expectTypeOf(call.deadline).toEqualTypeOf<Duration.Duration | undefined>()
      return Effect.void
    }
  }
})

// What it may answer with.
node.register("nothing", () => Effect.void)
node.register("text", () => Effect.succeed("text"))
node.register("bytes", () => Effect.succeed(new Uint8Array(1)))
node.register("texts", () => Stream.make("some", "text"))
node.register("both", ({ bytes }) => Stream.concat(bytes, Stream.make("end")))
node.register("later", ({ text }) => Effect.map(text, (all) => Stream.make(all)))
node.register("fails", () => Effect.fail(new Overdrawn({ by: 1 })))

// @ts-expect-error: and no objects
node.register("object", () => Effect.succeed({ answer: 42 }))

// @ts-expect-error: nor a stream of them
node.register("objects", () => Stream.make(1, 2, 3))

node.register("promise", () => Promise.resolve("text"))
node.register("bare", () => "text")
node.register("none", () => {})

// @ts-expect-error: nor bare
node.register("number", () => 42)

// @ts-expect-error: nor as a promise
node.register("number", async () => 42)

// @ts-expect-error: the same in the options
AdvancedNode.layer({ name: "alice", functions: { object: () => Effect.succeed({ answer: 42 }) } })

// @ts-expect-error: a name and a function, not a list
AdvancedNode.layer({ name: "alice", functions: [() => Effect.void] })

// @ts-expect-error: a node has a name
AdvancedNode.layer({})

// @ts-expect-error: the option is called functions
AdvancedNode.layer({ name: "alice", function: {} })

// --- calls -----------------------------------------------------------------------------------------------------------

expectTypeOf(node.send("bob", "echo", "hi")).toEqualTypeOf<Stream.Stream<Uint8Array, CallErrors>>()
expectTypeOf(node.send("bob", "echo", new Uint8Array(1))).toEqualTypeOf<Stream.Stream<Uint8Array, CallErrors>>()
expectTypeOf(node.request("bob", "echo", "hi", { timeout: "1 second" })).toEqualTypeOf<
  Effect.Effect<Uint8Array, CallErrors>
>()
expectTypeOf(node.sendAll("*", "echo", "hi", { concurrency: 2 })).toEqualTypeOf<
  Outcomes.Outcomes<Uint8Array, CallErrors>
>()
expectTypeOf(node.functions).toEqualTypeOf<Effect.Effect<ReadonlyArray<string>>>()
expectTypeOf(node.raw).toEqualTypeOf<BasicNode.BasicNode["Service"]>()

// What a stream that is sent can fail with and needs, the call can fail with and needs.
declare const input: Stream.Stream<Uint8Array, "worn out", Disk>
expectTypeOf(node.send("bob", "keep", input)).toEqualTypeOf<Stream.Stream<Uint8Array, CallErrors | "worn out", Disk>>()
expectTypeOf(node.request("bob", "keep", input)).toEqualTypeOf<
  Effect.Effect<Uint8Array, CallErrors | "worn out", Disk>
>()
// Of a call to several each outcome has its own, and the whole fails of a closed node alone.
expectTypeOf(node.sendAll(["bob", "carol"], "keep", input)).toEqualTypeOf<
  Outcomes.Outcomes<Uint8Array, CallErrors | "worn out", Disk>
>()
expectTypeOf(node.sendAll("*", "keep", input).stream).toEqualTypeOf<
  Stream.Stream<Outcomes.Outcome<Uint8Array, CallErrors | "worn out">, FunctionError.NodeClosedError, Disk>
>()

// What is caught is gone from the error channel, and the rest stays.
expectTypeOf(
  node.request("bob", "echo", "hi").pipe(
    Effect.catchTag("RemoteError", (error) => Effect.succeed(error.tag))
  )
).toEqualTypeOf<Effect.Effect<Uint8Array | string | undefined, Exclude<CallErrors, FunctionError.RemoteError>>>()

// @ts-expect-error: a call that can fail is not one that cannot
export const cannotFail: Effect.Effect<Uint8Array> = node.request("bob", "echo", "hi")

// @ts-expect-error: the input's needs do not vanish
export const needsNothing: Effect.Effect<Uint8Array, CallErrors | "worn out"> = node.request("bob", "keep", input)

// @ts-expect-error: a stream of text has to be encoded
node.send("bob", "echo", Stream.make("hi"))

// @ts-expect-error: an object is not data
node.send("bob", "echo", { hello: 1 })

// @ts-expect-error: the function has a name
node.request("bob", "hi")

// @ts-expect-error: send is for one; sendAll is for several
node.send(["bob", "carol"], "echo", "hi")

// @ts-expect-error: the option is called timeout, as everywhere
node.request("bob", "echo", "hi", { deadline: "1 second" })

// @ts-expect-error: text is what BasicNode sends; here it is request
node.sendText("bob", "hi")

// @ts-expect-error: no such error
node.request("bob", "echo", "hi").pipe(Effect.catchTag("UnknownFunctionError", () => Effect.void))

// --- what is missing at run ------------------------------------------------------------------------------------------

declare const host: Layer.Layer<Host>
const Alice = AdvancedNode.layer({
  name: "alice",
  functions: { read: () => Effect.flatMap(Database, ({ read }) => read) }
})
const program = Effect.flatMap(AdvancedNode.AdvancedNode, (alice) => alice.request("bob", "echo", "hi"))

const withoutDatabase = program.pipe(Effect.provide(Alice.pipe(Layer.provide(host))))
expectTypeOf<Effect.Services<typeof withoutDatabase>>().toEqualTypeOf<Database>()
// @ts-expect-error: Database is missing
Effect.runFork(withoutDatabase)

export const complete: Effect.Effect<Uint8Array, CallErrors | BasicNode.StartError> = program.pipe(
  Effect.provide(Alice.pipe(Layer.provide([host, Layer.succeed(Database, { read: Effect.succeed("x") })])))
)

// @ts-expect-error: make needs a scope, which is what ends the node
Effect.runFork(Effect.provide(AdvancedNode.make({ name: "alice" }), host))

// --- sessions --------------------------------------------------------------------------------------------------------

expectTypeOf(node.sessions).toEqualTypeOf<Sessions.Sessions["Service"]>()
declare const bob: Peers.Peer
expectTypeOf(node.sessions.open(bob, { protocol: "socket", name: "" })).toEqualTypeOf<
  Effect.Effect<Sessions.SessionStream, Sessions.OpenError, Scope.Scope>
>()
expectTypeOf(node.sessions.handle("socket", () => Effect.flatMap(Effect.orDie(Database), () => Effect.void)))
  .toEqualTypeOf<Effect.Effect<void, never, Database | Scope.Scope>>()
expectTypeOf(node.sessions.all).toEqualTypeOf<Effect.Effect<ReadonlyArray<Sessions.SessionInfo>>>()

// @ts-expect-error: no such protocol
node.sessions.open(bob, { protocol: "ftp", name: "" })

// @ts-expect-error: a stream is opened to a peer of the table, not to a name
node.sessions.open("bob", { protocol: "socket", name: "" })

// @ts-expect-error: a stream lives in a scope
Effect.runFork(node.sessions.open(bob, { protocol: "socket", name: "" }))

// @ts-expect-error: a handler has nobody to fail to
node.sessions.handle("socket", () => Effect.fail("broken"))

// --- headers ---------------------------------------------------------------------------------------------------------

const Upload = Schema.Struct({ path: Schema.String, size: Schema.optionalKey(Schema.BigInt) })

// They are of the type of the function's Schema, and brought by a caller as JSON.
node.register("upload", ({ headers }) => {
  expectTypeOf(headers).toEqualTypeOf<typeof Upload.Type>()
  return headers.path
}, { headers: Upload, allow: { roles: ["writer"] } })
node.register("any", ({ headers }) => {
  expectTypeOf(headers).toEqualTypeOf<AdvancedNode.Headers>()
})
expectTypeOf(node.register("bare", () => "text")).toEqualTypeOf<
  Effect.Effect<void, FunctionError.DuplicateFunctionError, Scope.Scope>
>()
AdvancedNode.make({
  name: "bob",
  functions: {
    upload: AdvancedNode.withHeaders(Upload, ({ headers }) => {
      expectTypeOf(headers).toEqualTypeOf<typeof Upload.Type>()
      return Effect.map(Database, () => headers.path)
    })
  }
})
expectTypeOf(AdvancedNode.withHeaders(Upload, () => Effect.map(Database, () => "x"))).toEqualTypeOf<
  AdvancedNode.Handler<never, Database>
>()
node.request("bob", "upload", "", { headers: { path: "a", more: [1, { deep: null }] } })

// @ts-expect-error: headers are JSON
node.request("bob", "upload", "", { headers: { size: 1n } })

// @ts-expect-error: without a Schema, nobody knows that they are of that type
node.register("sure", (call: AdvancedNode.Call<{ readonly path: string }>) => call.headers.path)
