/** What the caller of a BasicNode sees: the types that flow through it, and what must not compile. Nothing here is run. */
// What must not compile is expected to be TypeScript's own error; the Effect diagnostics would report it a second time.
// @effect-diagnostics missingEffectError:off missingEffectContext:off floatingEffect:off asyncFunction:off
import {
  AllowListTrust,
  BasicNode,
  type Crypto,
  Discovery,
  type FunctionError,
  type Network,
  type NetworkKey,
  NodeOptions,
  type Outcomes,
  type Packet,
  Peers,
  type ProtocolError,
  PublicKey,
  type Raw,
  Reach,
  TcpTransport,
  Transport,
  Trust,
  UdpDiscovery
} from "@pnet/core"
import { type Config, Context, Effect, Layer, type Scope, type Stream } from "effect"
import { expectTypeOf } from "vitest"

class Database extends Context.Service<Database, { readonly read: Effect.Effect<string, "unreadable"> }>()(
  "typetest/Database"
) {}

type Host = Reach.Reach | Crypto.Crypto | Trust.Trust

declare const node: BasicNode.BasicNode["Service"]
declare const key: PublicKey.PublicKey
declare const name: Packet.NodeName
declare const host: Layer.Layer<Host>

// --- errors ----------------------------------------------------------------------------------------------------------

type SendErrors =
  | Peers.PeerUnknownError
  | Peers.NameConflictError
  | Trust.UntrustedPeerError
  | Raw.MessageTooLargeError
  | Transport.DialError
  | ProtocolError.ProtocolError
  | Peers.PeerLostError
  | FunctionError.DeadlineError
  | FunctionError.NodeClosedError

expectTypeOf<BasicNode.SendError>().toEqualTypeOf<SendErrors>()
expectTypeOf<BasicNode.SendError["_tag"]>().toEqualTypeOf<
  | "PeerUnknownError"
  | "NameConflictError"
  | "UntrustedPeerError"
  | "MessageTooLargeError"
  | "DialError"
  | "ProtocolError"
  | "PeerLostError"
  | "DeadlineError"
  | "NodeClosedError"
>()
expectTypeOf<BasicNode.StartError["_tag"]>().toEqualTypeOf<
  "OptionsError" | "ListenError" | "DiscoveryError" | "ReachError"
>()

expectTypeOf(node.send("bob", "hi")).toEqualTypeOf<Effect.Effect<Uint8Array, SendErrors>>()
expectTypeOf(node.sendText("bob", new Uint8Array(1))).toEqualTypeOf<Effect.Effect<string, SendErrors>>()
expectTypeOf(node.sendAll("*", "hi", { timeout: "1 second", concurrency: 2 })).toEqualTypeOf<
  Outcomes.Outcomes<Uint8Array, SendErrors>
>()
expectTypeOf(node.peers.awaitPeer("bob")).toEqualTypeOf<
  Effect.Effect<Peers.Peer, Peers.PeerUnknownError | FunctionError.NodeClosedError>
>()
expectTypeOf(node.peers.changes).toEqualTypeOf<Stream.Stream<Peers.PeerEvent>>()
expectTypeOf(NodeOptions.config).toEqualTypeOf<Config.Config<NodeOptions.Input>>()

// What is caught is gone from the error channel, and the rest stays.
const retried = node.sendText("bob", "hi").pipe(
  Effect.catchTag("PeerUnknownError", (error) => Effect.succeed(`nobody is called ${error.peer}`)),
  Effect.catchReason("ProtocolError", "Busy", () => Effect.succeed("busy"))
)
expectTypeOf(retried).toExtend<Effect.Effect<string, Exclude<SendErrors, Peers.PeerUnknownError>>>()
expectTypeOf(
  node.sendText("bob", "hi").pipe(Effect.catchTag("PeerUnknownError", () => Effect.succeed("")))
).toEqualTypeOf<Effect.Effect<string, Exclude<SendErrors, Peers.PeerUnknownError>>>()

// @ts-expect-error: a message that can fail is not one that cannot
export const cannotFail: Effect.Effect<string> = node.sendText("bob", "hi")

// @ts-expect-error: one error handled is not all of them handled
export const oneHandled: Effect.Effect<string> = node.sendText("bob", "hi").pipe(
  Effect.catchTag("PeerUnknownError", () => Effect.succeed(""))
)

// @ts-expect-error: no such error
node.sendText("bob", "hi").pipe(Effect.catchTag("NoSuchError", () => Effect.succeed("")))

// --- handlers --------------------------------------------------------------------------------------------------------

// What a handler needs, the layer needs.
const reading = BasicNode.layer({
  name: "alice",
  onMessage: ({ from, text }) =>
    Effect.gen(function*() {
      expectTypeOf(from).toEqualTypeOf<BasicNode.Sender>()
      expectTypeOf(text).toEqualTypeOf<string>()
      return yield* (yield* Database).read
    })
})
expectTypeOf(reading).toEqualTypeOf<
  Layer.Layer<BasicNode.BasicNode | Peers.Peers, BasicNode.StartError, Host | Database>
>()

const madeReading = BasicNode.make({ name: "alice", onMessage: () => Effect.flatMap(Database, ({ read }) => read) })
expectTypeOf(madeReading).toEqualTypeOf<
  Effect.Effect<BasicNode.BasicNode["Service"], BasicNode.StartError, Host | Database | Scope.Scope>
>()

// A handler set later brings its needs along, and lives as long as a scope.
expectTypeOf(node.onMessage(() => Effect.flatMap(Database, ({ read }) => read))).toEqualTypeOf<
  Effect.Effect<void, never, Database | Scope.Scope>
>()

// A handler may give bytes, text or nothing.
BasicNode.layer({ name: "alice", onMessage: () => Effect.void })
BasicNode.layer({ name: "alice", onMessage: () => Effect.succeed("text") })
BasicNode.layer({ name: "alice", onMessage: ({ data }) => Effect.succeed(data) })

// @ts-expect-error: and no objects
BasicNode.layer({ name: "alice", onMessage: () => Effect.succeed({ answer: 42 }) })

// Or a promise of them, or them as they are.
BasicNode.layer({ name: "alice", onMessage: () => Promise.resolve("text") })
BasicNode.layer({ name: "alice", onMessage: ({ data }) => data })
BasicNode.layer({ name: "alice", onMessage: () => {} })

// Each message has a scope of its own.
expectTypeOf(
  BasicNode.layer({
    name: "alice",
    onMessage: () => Effect.acquireRelease(Effect.succeed("text"), () => Effect.void)
  })
).toEqualTypeOf<Layer.Layer<BasicNode.BasicNode | Peers.Peers, BasicNode.StartError, Host>>()

// @ts-expect-error: and no objects
BasicNode.layer({ name: "alice", onMessage: () => ({ answer: 42 }) })

// @ts-expect-error: nor as a promise
BasicNode.layer({ name: "alice", onMessage: () => Promise.resolve(42) })

// --- options ---------------------------------------------------------------------------------------------------------

// @ts-expect-error: a node has a name
BasicNode.layer({})

// @ts-expect-error: the option is called networkId
BasicNode.layer({ name: "alice", networkID: "home" })

// @ts-expect-error: limits have names too
BasicNode.layer({ name: "alice", limits: { pendingConnection: 1 } })

// @ts-expect-error: a port is a number
BasicNode.layer({ name: "alice", serverPort: "4000" })

// A network key may be written as a text, which is redacted at once.
BasicNode.layer({ name: "alice", networkKey: "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=" })
expectTypeOf<NodeOptions.NodeOptions["networkKey"]>().toEqualTypeOf<
  NetworkKey.NetworkKey | ReadonlyArray<NetworkKey.NetworkKey> | undefined
>()

declare const networkKey: NetworkKey.NetworkKey
BasicNode.layer({ name: "alice", networkKey })
BasicNode.layer({ name: "alice", networkKey: [networkKey, networkKey] })

// @ts-expect-error: several secrets are not an identity
BasicNode.layer({ name: "alice", identity: networkKey })

// --- keys ------------------------------------------------------------------------------------------------------------

AllowListTrust.layer([[name, key]])

expectTypeOf(AllowListTrust.layer([[name, key]])).toEqualTypeOf<Layer.Layer<Trust.Trust>>()

// Texts have to be checked first, and the layer does so.
expectTypeOf(AllowListTrust.layer([["bob", "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo="]])).toEqualTypeOf<
  Layer.Layer<Trust.Trust, AllowListTrust.AllowListError>
>()
expectTypeOf(AllowListTrust.layer(Object.entries({ bob: key }))).toEqualTypeOf<
  Layer.Layer<Trust.Trust, AllowListTrust.AllowListError>
>()

// @ts-expect-error: a key may not be undefined
AllowListTrust.layer([[name, PublicKey.fromText("hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo=")]])

// @ts-expect-error: a fingerprint is made of a key, not of a text
PublicKey.fingerprint("hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo=")

expectTypeOf<typeof node.publicKey>().toEqualTypeOf<PublicKey.PublicKey>()
// A key is text all the same, so that it can be shown and compared.
expectTypeOf<PublicKey.PublicKey>().toExtend<string>()

// --- what is missing at run ------------------------------------------------------------------------------------------

declare const reach: Layer.Layer<Reach.Reach>
declare const crypto: Layer.Layer<Crypto.Crypto>
declare const trust: Layer.Layer<Trust.Trust>

const Alice = BasicNode.layer({ name: "alice" })
const program = Effect.flatMap(BasicNode.BasicNode, (alice) => alice.sendText("bob", "hi"))

export const complete: Effect.Effect<string, SendErrors | BasicNode.StartError> = program.pipe(
  Effect.provide(Alice.pipe(Layer.provide([reach, crypto, trust])))
)

const withoutCrypto = program.pipe(Effect.provide(Alice.pipe(Layer.provide([reach, trust]))))
expectTypeOf<Effect.Services<typeof withoutCrypto>>().toEqualTypeOf<Crypto.Crypto>()
// @ts-expect-error: Crypto is missing
Effect.runFork(withoutCrypto)

const withoutReach = program.pipe(Effect.provide(Alice.pipe(Layer.provide([crypto, trust]))))
expectTypeOf<Effect.Services<typeof withoutReach>>().toEqualTypeOf<Reach.Reach>()
// @ts-expect-error: Reach is missing
Effect.runFork(withoutReach)

const withoutTrust = program.pipe(Effect.provide(Alice.pipe(Layer.provide([reach, crypto]))))
expectTypeOf<Effect.Services<typeof withoutTrust>>().toEqualTypeOf<Trust.Trust>()
// @ts-expect-error: Trust is missing
Effect.runFork(withoutTrust)

// @ts-expect-error: make needs a scope, which is what ends the node
Effect.runFork(Effect.provide(BasicNode.make({ name: "alice" }), host))

Effect.runFork(Effect.provide(Effect.scoped(BasicNode.make({ name: "alice" })), host))

// --- composing by hand -----------------------------------------------------------------------------------------------

declare const discovery: Layer.Layer<Discovery.Discovery, "registry down", "a registry">

// Another Discovery brings what it needs, and how it fails is what the way fails with.
const custom = Alice.pipe(
  Layer.provide(Reach.layer("registry", { transport: TcpTransport.layer, discovery }))
)
expectTypeOf(custom).toEqualTypeOf<
  Layer.Layer<
    BasicNode.BasicNode | Peers.Peers,
    BasicNode.StartError,
    Network.Network | "a registry" | Crypto.Crypto | Trust.Trust
  >
>()

// @ts-expect-error: what is no Discovery cannot be merged into one
Discovery.layerMerged(UdpDiscovery.layer, trust)
