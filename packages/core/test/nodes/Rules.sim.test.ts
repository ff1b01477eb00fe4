/** Rules of `docs/protocol.md` that nothing else shows, by a peer made by hand. Which test shows which rule is in the lab's `rules/registry.ts`. */
import { assert, describe, it } from "@effect/vitest"
import { AdvancedNode, CommandNode, Frame, Handshake, Packet, PeerRpc, Raw, RpcRegistry, TofuTrust } from "@pnet/core"
import { startAll } from "@pnet/lab/worlds/commandWorld"
import {
  bytes,
  concat,
  echo,
  failureOf,
  frame,
  networkId,
  openFrame,
  quietly,
  seeded,
  start,
  type Started,
  text,
  two
} from "@pnet/lab/worlds/sessionWorld"
import { stranger } from "@pnet/lab/worlds/stranger"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Clock, Context, Effect, Fiber, Layer, Logger, Redacted, Result, Schema, type Scope, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import * as Curve from "../../src/internal/session/curve.ts"
import * as Metadata from "../../src/internal/session/metadata.ts"

const { Kind } = Frame

const test = (title: string, body: Parameters<typeof quietly>[0]) =>
  it.effect(title, () => quietly(body, { step: "100 millis" }))

type Peer = Effect.Success<ReturnType<typeof stranger>>

const world = (options: Partial<Parameters<typeof start>[1]> = {}) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make({ seed: 7, traceCapacity: 0 })
    const crypto = yield* seeded()
    const bob = yield* start(network, { functions: { echo }, ...options, name: "bob" })
    const mallory = yield* stranger(network, crypto, { host: yield* network.host("mallory") })
    return { bob, crypto, mallory, network, other: yield* stranger(network, crypto, { host: mallory.host }) }
  })

/** A RAW request of the stranger's. */
const rawRequest = (mallory: Peer, bob: Started, payload: Uint8Array, stamp: number) => {
  const { crypto, identity } = mallory.handshakeOptions
  const to = bob.node.publicKey
  return mallory.command(
    "msg",
    Raw.seal(crypto, crypto.sharedKey(to, identity.secretKey), {
      kind: "request",
      to,
      networkId,
      name: mallory.name,
      stamp,
      payload
    })
  )
}

type World = Effect.Success<ReturnType<typeof world>>

/** A node that knows the stranger, which answers each connection by hand. */
const dialled = (
  answer: (
    world: World & { readonly server: Effect.Success<Peer["listen"]> },
    connection: Parameters<Peer["reader"]>[0],
    nth: number
  ) => Effect.Effect<void, unknown, Scope.Scope>,
  options: Partial<Parameters<typeof start>[1]> = {}
) =>
  Effect.gen(function*() {
    const made = yield* world(options)
    const server = yield* made.mallory.listen
    let nth = 0
    yield* server.run((connection) => answer({ ...made, server }, connection, nth++))
    yield* server.advertise
    yield* made.bob.node.peers.awaitPeer("mallory")
    return made
  })

describe("an err", () => {
  test(
    "has the network of its sender, and no key where the handshake says who the other is or where it is",
    Effect.gen(function*() {
      const { bob, mallory, other } = yield* world()
      const refusal = (change: { readonly longTerm?: Peer; readonly node?: string; readonly network?: string }) =>
        Effect.gen(function*() {
          const connection = yield* mallory.dial(bob)
          const packets = mallory.reader(connection)
          const client = Curve.client({
            crypto: mallory.handshakeOptions.crypto,
            identity: (change.longTerm ?? mallory).identity,
            metadata: Metadata.encode(
              new Map([
                ["Pnet", bytes("1")],
                ["Node", bytes(change.node ?? "mallory")],
                ["Network", bytes(change.network ?? networkId)]
              ])
            ),
            readMetadata: () => Result.succeed(undefined)
          }, bob.node.publicKey)
          yield* connection.write(mallory.command("msg", client.hello()))
          const welcome = (yield* packets.next)!
          yield* connection.write(
            mallory.command("msg", Result.getOrThrow(client.welcome(Raw.fromText(welcome.content)!)))
          )
          const err = (yield* packets.next)!
          return [err.networkId as string, text(err.content), err.publicKey !== null] as const
        }).pipe(Effect.scoped)
      assert.deepStrictEqual(yield* refusal({ longTerm: other }), [networkId, "ERR_PUBLIC_KEY", false])
      assert.deepStrictEqual(yield* refusal({ network: "x" }), [networkId, "ERR_NETWORK_INCORRECT", false])
      assert.deepStrictEqual(yield* refusal({ node: "*" }), [networkId, "ERR_HANDSHAKE", true])
      // Of a packet of another network it is the receiver's own, too.
      const connection = yield* mallory.dial(bob)
      yield* connection.write(
        Packet.encode({
          networkId: "elsewhere" as Packet.NetworkId,
          type: "msg",
          content: bytes("A1JBVw=="),
          publicKey: mallory.identity.publicKey
        })
      )
      const err = (yield* mallory.reader(connection).next)!
      assert.deepStrictEqual([err.networkId as string, err.publicKey], [networkId, null])
    })
  )
})

describe("who reads an answer", () => {
  test(
    "takes a WELCOME from no other key, and closes without a word",
    Effect.gen(function*() {
      const said: Array<string | undefined> = []
      const { bob } = yield* dialled((made, connection) =>
        Effect.gen(function*() {
          const { mallory, other } = made
          const packets = mallory.reader(connection)
          const hello = (yield* packets.next)!
          const server = Handshake.server(mallory.handshakeOptions)
          const welcome = Result.getOrThrow(server.hello(Raw.fromText(hello.content)!))
          yield* connection.write(mallory.packet("rsp", Raw.toText(welcome), other.identity.publicKey))
          said.push((yield* packets.next)?.type)
        })
      )
      const error = yield* failureOf(bob.node.request("mallory", "echo", "x"))
      assert.include(JSON.stringify(error), "ERR_PUBLIC_KEY")
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(said, [undefined])
    })
  )

  test(
    "of RAW closes without a word where it is wrong",
    Effect.gen(function*() {
      const said: Array<string | undefined> = []
      const { bob } = yield* dialled((made, connection) =>
        Effect.gen(function*() {
          const { mallory } = made
          const packets = mallory.reader(connection)
          const first = yield* packets.next
          yield* connection.write(mallory.packet("rsp", first!.content))
          said.push((yield* packets.next)?.type)
        })
      )
      const error = yield* failureOf(bob.node.raw.send("mallory", bytes("x")))
      assert.include(JSON.stringify(error), "ERR_NODE_DECRYPTION_FAILED")
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(said, [undefined])
    })
  )
})

describe("RAW", () => {
  test(
    "frees the place of a connection that has proved nothing when its first request is admitted, not when it is answered",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world({
        limits: { pendingPerAddress: 1 },
        onMessage: ({ data }) => data.length === 0 ? Effect.never : Effect.succeed("answered")
      })
      const first = yield* mallory.dial(bob)
      yield* first.write(rawRequest(mallory, bob, new Uint8Array(0), 1_000_000))
      yield* Effect.sleep("500 millis")
      const second = yield* mallory.dial(bob)
      yield* second.write(rawRequest(mallory, bob, bytes("x"), 1_000_001))
      assert.strictEqual((yield* mallory.reader(second).next)?.type, "rsp")
      // And one that says nothing has it.
      yield* mallory.dial(bob)
      yield* Effect.sleep("500 millis")
      assert.strictEqual(text((yield* mallory.reader(yield* mallory.dial(bob)).next)!.content), "ERR_BUSY")
    })
  )

  test(
    "takes a payload of more than is sent, where its packet is one",
    Effect.gen(function*() {
      let length = 0
      const { bob, mallory } = yield* world({
        onMessage: ({ data }) =>
          Effect.sync(() => {
            length = data.length
          })
      })
      const connection = yield* mallory.dial(bob)
      yield* connection.write(rawRequest(mallory, bob, new Uint8Array(98_040), 1_000_000))
      assert.strictEqual((yield* mallory.reader(connection).next)?.type, "rsp")
      assert.strictEqual(length, 98_040)
    })
  )

  test(
    "has stamps that increase, also where the clock stands or is set back by less than a minute",
    Effect.gen(function*() {
      const stamps: Array<number> = []
      const { bob } = yield* dialled((made, connection) =>
        Effect.gen(function*() {
          const { bob, mallory } = made
          const { crypto, identity } = mallory.handshakeOptions
          const key = crypto.sharedKey(bob.node.publicKey, identity.secretKey)
          const packets = mallory.reader(connection)
          for (let one = yield* packets.next; one !== undefined; one = yield* packets.next) {
            if (one.type !== "msg") continue
            const { payload, stamp } = Result.getOrThrow(
              Raw.open(crypto, key, Raw.fromText(one.content)!, { kind: "request", to: identity.publicKey, networkId })
            )
            stamps.push(stamp)
            const answer = Raw.seal(crypto, key, {
              kind: "answer",
              to: bob.node.publicKey,
              networkId,
              name: mallory.name,
              stamp,
              payload
            })
            yield* connection.write(mallory.command("rsp", answer))
          }
        })
      )
      const send = bob.node.raw.send("mallory", bytes("x"))
      yield* bob.host.setSkew("1 hour")
      yield* Effect.all([send, send, send], { concurrency: "unbounded" })
      yield* bob.host.setSkew("3550 seconds")
      yield* send
      assert.lengthOf(stamps, 4)
      for (const [i, stamp] of stamps.entries()) if (i > 0) assert.isAbove(stamp, stamps[i - 1]!)
      yield* bob.host.setSkew("55 minutes")
      yield* send
      assert.isBelow(stamps[4]!, stamps[0]! - 200_000_000)
    })
  )
})

describe("a session", () => {
  test(
    "takes more DATA in one frame than is sent, where its message is within the limit",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world({
        functions: { count: ({ whole }) => Effect.map(whole, (all) => `${all.length}`) }
      })
      const peer = yield* mallory.connect(bob)
      yield* peer.send(0, openFrame(1, "count"), frame(Kind.data, 1, new Uint8Array(120_000)), frame(Kind.end, 1))
      assert.strictEqual(text((yield* peer.expect(Kind.data)).payload), "120000")
    })
  )

  test(
    "is made anew at once by whoever opened it, where the other renews it while streams are open",
    Effect.gen(function*() {
      const dialledAt: Array<number> = []
      const { bob } = yield* dialled(({ server }, connection, nth) =>
        Effect.gen(function*() {
          const peer = yield* server.accept(connection)
          dialledAt.push(nth)
          if (nth > 0) return yield* Effect.never
          yield* peer.expect(Kind.open)
          yield* peer.send(0, frame(Kind.goaway, 0, JSON.stringify({ code: "renew", message: "" })))
          return yield* Effect.never
        })
      )
      const call = yield* Effect.forkChild(Effect.exit(bob.node.request("mallory", "hold", "x")))
      yield* Effect.sleep("2 seconds")
      assert.deepStrictEqual(dialledAt, [0, 1])
      yield* Fiber.interrupt(call)
    })
  )

  test(
    "that its peer drains is closed a minute after the peer should have",
    Effect.gen(function*() {
      let opened = 0
      const { bob } = yield* dialled(({ server }, connection, nth) =>
        Effect.gen(function*() {
          const peer = yield* server.accept(connection)
          if (nth > 0) return yield* Effect.never
          yield* peer.expect(Kind.open)
          yield* peer.send(0, frame(Kind.goaway, 0, JSON.stringify({ code: "shutdown", message: "" })))
          // Another that drains changes nothing, although its own time is longer.
          yield* peer.send(0, frame(Kind.goaway, 0, JSON.stringify({ code: "renew", message: "" })))
          for (let one = yield* peer.next; one !== undefined; one = yield* peer.next) {
            if (one.kind === Kind.open) opened++
            if (one.kind === Kind.ping) yield* peer.send(1, frame(Kind.pong, 0, one.payload))
          }
        })
      )
      const call = yield* Effect.forkChild(Effect.exit(bob.node.request("mallory", "hold", "x")))
      yield* Effect.sleep("2 seconds")
      // Another session is for what comes then.
      const next = yield* Effect.forkChild(Effect.exit(bob.node.request("mallory", "hold", "x")))
      yield* Effect.sleep("85 seconds")
      const draining = Effect.map(bob.node.sessions.all, (all) => all.filter(({ draining }) => draining).length)
      assert.strictEqual(yield* draining, 1)
      yield* Effect.sleep("8 seconds")
      assert.strictEqual(yield* draining, 0)
      assert.strictEqual(opened, 0)
      yield* Fiber.interruptAll([call, next])
    })
  )

  test(
    "has no tokens on a network with a key",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 8, traceCapacity: 0, streams: { chunking: "joined" } })
      const contents: Array<string> = []
      yield* network.intercept(({ payload, protocol }) => {
        if (protocol === "tcp") {
          for (const line of text(payload).split("\n")) contents.push(...line.split("|").slice(2, 3))
        }
        return "pass"
      })
      const networkKey = Redacted.make(Buffer.alloc(32, 5).toString("base64url") + "=")
      const options = { framing: "text", networkKey } as const
      const { alice } = yield* two(network, options, options)
      yield* alice.node.request("bob", "echo", "x")
      const isToken = (content: string) => content.startsWith("gAAAA")
      const packets = contents.filter((content) => content.length > 0)
      // HELLO, WELCOME, INITIATE and READY, whatever adverts there were before.
      assert.isAtLeast(packets.filter(isToken).length, 4)
      const after = packets.slice(packets.findLastIndex(isToken) + 1)
      assert.isAtLeast(after.length, 2)
      for (const content of after) assert.strictEqual(text(Raw.fromText(bytes(content))!.subarray(1, 8)), "MESSAGE")
    })
  )
})

describe("a document of a command", () => {
  test(
    "leaves undefined out of objects, and has null for it in arrays and as a result",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice, bob } = yield* startAll(network, ["alice", "bob"])
      yield* bob.node.register("same", (_call, value) => Effect.succeed(value as Schema.Json))
      yield* bob.node.register("nothing", () => Effect.void)
      const peer = alice.node.target<{ same(value: unknown): Schema.Json; nothing(): Schema.Json }>("bob")
      assert.deepStrictEqual(yield* peer.same({ a: undefined, b: [undefined, 1] }), { b: [null, 1] })
      assert.isNull(yield* peer.nothing())
    })
  )

  test(
    "that is an error without a code is one that failed, and one of a code that is not known is one that broke",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      let answer = {}
      const bob = yield* start(network, {
        name: "bob",
        networkId: "commands",
        functions: { handle: () => Effect.sync(() => JSON.stringify(answer)) }
      })
      const { alice } = yield* startAll(network, ["alice"])
      yield* alice.node.peers.awaitPeer("bob")
      const fails = Effect.map(
        failureOf(alice.node.target<{ f(): Schema.Json }>("bob").f()),
        (error) => (error as { readonly _tag: string })._tag
      )
      answer = { type: "error", description: "no" }
      assert.strictEqual(yield* fails, "RemoteError")
      answer = { type: "error", code: "from_the_future", description: "no" }
      assert.strictEqual(yield* fails, "RemoteDefectError")
      assert.isDefined(bob)
    })
  )
})

describe("a question that is to be whole", () => {
  test(
    "and is not when its time is up is RESET deadline then, of commands and of both forms of typed calls",
    Effect.gen(function*() {
      const group = RpcGroup.make(Rpc.make("hello", { payload: { name: Schema.String }, success: Schema.String }))
      const network = yield* SimNetwork.make({ seed: 9, traceCapacity: 0 })
      const host = yield* network.host("bob")
      const layer = CommandNode.serve(group).pipe(
        Layer.provide(group.toLayer({ hello: () => Effect.succeed("") })),
        Layer.provideMerge(CommandNode.layer({ networkId, bindIp: "0.0.0.0", name: "bob" })),
        Layer.provide([NodeCrypto.layer, TofuTrust.layer(), Logger.layer([])])
      )
      const process = yield* Effect.orDie(host.launch(layer))
      const bob = { node: Context.get(process.context, CommandNode.CommandNode), process, host }
      const mallory = yield* stranger(network, yield* seeded(), { host: yield* network.host("mallory") })
      const peer = yield* mallory.connect(bob as never)
      const late = (id: number, protocol: string, name: string, begun: string) =>
        Effect.gen(function*() {
          const at = yield* Clock.currentTimeMillis
          yield* peer.send(
            0,
            frame(Kind.open, id, JSON.stringify({ protocol, name, deadline: 400 })),
            frame(Kind.data, id, begun)
          )
          const { payload } = yield* peer.expect(Kind.reset)
          assert.include(text(payload), "\"deadline\"")
          assert.approximately((yield* Clock.currentTimeMillis) - at, 450, 150)
        })
      yield* late(1, "command", "handle", "{\"function\":")
      yield* late(2, "rpc", "hello", "\0\0\0")
      yield* late(3, "rpc-json", "hello", "{\"payload\":")
    })
  )
})

describe("a typed call by hand", () => {
  const group = RpcGroup.make(
    Rpc.make("hello", { success: Schema.String }),
    Rpc.make("count", { success: Schema.Int, stream: true })
  )
  const handlers = group.toLayer({
    hello: () => Effect.succeed("Hello"),
    count: () => Stream.map(Stream.forever(Stream.succeed(1)), () => 7).pipe(Stream.rechunk(1))
  })

  const served = Effect.gen(function*() {
    const network = yield* SimNetwork.make({ seed: 9, traceCapacity: 0 })
    const host = yield* network.host("bob")
    const layer = Layer.effectDiscard(PeerRpc.serve(group)).pipe(
      Layer.provide(handlers),
      Layer.provideMerge(RpcRegistry.layer),
      Layer.provideMerge(AdvancedNode.layer({ networkId, bindIp: "0.0.0.0", name: "bob" })),
      Layer.provide([NodeCrypto.layer, TofuTrust.layer(), Logger.layer([])])
    ) as Layer.Layer<AdvancedNode.AdvancedNode, never, any>
    const process = yield* Effect.orDie(host.launch(layer as never)) as Effect.Effect<Started["process"]>
    const bob: Started = { node: Context.get(process.context, AdvancedNode.AdvancedNode), process, host }
    const mallory = yield* stranger(network, yield* seeded(), { host: yield* network.host("mallory") })
    const peer = yield* mallory.connect(bob)
    let id = 0
    const open = (name: string) => frame(Kind.open, ++id, JSON.stringify({ protocol: "rpc", name }))
    /** A request for nothing, which is null: no payload is given. */
    const request = (hash: Uint8Array, flags: number, window: number) =>
      frame(
        Kind.data,
        id,
        concat(Uint8Array.of(0, 0, 0, 13, 1, flags), hash, Uint8Array.of(window), Uint8Array.of(1, 0x20))
      )
    // Who has another contract is told the one there is.
    const hashOf = (name: string) =>
      Effect.gen(function*() {
        yield* peer.send(0, open(name), request(new Uint8Array(8), 0, 0), frame(Kind.end, id))
        const { payload } = yield* peer.expect(Kind.data)
        assert.strictEqual(payload[0], 3)
        return payload.slice(1, 9)
      })
    return { peer, open, request, hashOf, id: () => id }
  })

  test(
    "of one value ignores what comes behind its length",
    Effect.gen(function*() {
      const { hashOf, id, open, peer, request } = yield* served
      const hash = yield* hashOf("hello")
      yield* peer.send(0, open("hello"), request(hash, 0, 0), frame(Kind.data, id(), "more"), frame(Kind.end, id()))
      const { payload } = yield* peer.expect(Kind.data)
      assert.strictEqual(payload[0], 0)
      assert.include(text(payload), "Hello")
    })
  )

  test(
    "of a stream gets a chunk for each grant, none for a grant of 0, and is given up by END while one is waited for",
    Effect.gen(function*() {
      const { hashOf, id, open, peer, request } = yield* served
      const hash = yield* hashOf("count")
      const grant = (chunks: number) => peer.send(0, frame(Kind.data, id(), Uint8Array.of(chunks)))
      /** How many chunks come until nothing does; where DATA ends says nothing of them. */
      const chunks = Effect.gen(function*() {
        const parts: Array<Uint8Array> = []
        while (true) {
          const one = yield* Effect.timeoutOption(peer.expect(Kind.data), "300 millis")
          if (one._tag === "None") break
          parts.push(one.value.payload)
        }
        const all = concat(...parts)
        const view = new DataView(all.buffer)
        let count = 0
        for (let at = 0; at < all.length; at += 5 + view.getUint32(at + 1)) {
          assert.strictEqual(all[at], 2)
          count++
        }
        return count
      })
      yield* peer.send(0, open("count"), request(hash, 8, 0))
      assert.strictEqual(yield* chunks, 0)
      yield* grant(0)
      assert.strictEqual(yield* chunks, 0)
      yield* grant(2)
      assert.strictEqual(yield* chunks, 2)
      yield* peer.send(0, frame(Kind.end, id()))
      const reset = yield* peer.expect(Kind.reset)
      assert.strictEqual(JSON.parse(text(reset.payload)).code, "cancelled")
    })
  )
})
