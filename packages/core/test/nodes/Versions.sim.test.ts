/**
 * A peer of tomorrow: in each place where something may stand that a node does not know, it says what no node of today would. What is done
 * with it is the table of `docs/versions.md`.
 */
import { assert, describe, it } from "@effect/vitest"
import { CommandNode, Frame, Packet, Raw, TofuTrust } from "@pnet/core"
import { changed, withChangedEncoder } from "@pnet/lab/worlds/changedEncoder"
import {
  bytes,
  concat,
  echo,
  failureOf,
  frame,
  type Net,
  networkId,
  quietly,
  seeded,
  type Started,
  text
} from "@pnet/lab/worlds/sessionWorld"
import { type Stranger, stranger } from "@pnet/lab/worlds/stranger"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Clock, Context, Effect, Layer, Logger, Result, Schema, type Scope } from "effect"
import { Rpc, RpcGroup, RpcSerialization } from "effect/rpc"
import { wireOf } from "../../src/internal/call/rpcWire.ts"
import * as Curve from "../../src/internal/session/curve.ts"
import * as Metadata from "../../src/internal/session/metadata.ts"
import * as PublicKey from "../../src/PublicKey.ts"

const { Kind } = Frame

const test = (title: string, body: Parameters<typeof quietly>[0]) =>
  it.effect(title, () => quietly(body, { step: "100 millis" }))

// --- the world -------------------------------------------------------------------------------------------------------------

const group = RpcGroup.make(
  Rpc.make("double", { payload: { n: Schema.Int }, success: Schema.Int }),
  Rpc.make("numbers", { payload: { to: Schema.Int }, success: Schema.Int, stream: true })
)

/** A node with functions of each kind, which counts how often they were run. */
const start = (network: Net, name: string, runs: Array<string> = []) =>
  Effect.gen(function*() {
    const host = yield* network.host(name)
    const layer = CommandNode.serve(group).pipe(
      Layer.provide(group.toLayer({
        double: ({ n }) =>
          Effect.sync(() => {
            runs.push("double")
            return 2 * n
          }),
        numbers: () => Effect.die("nobody asks for them")
      })),
      Layer.provideMerge(CommandNode.layer({
        name,
        networkId,
        bindIp: "0.0.0.0",
        onMessage: ({ text }) => Effect.succeed(text),
        functions: { add: (_call, a: number, b: number) => Effect.succeed(a + b) },
        streams: { echo }
      })),
      Layer.provide([NodeCrypto.layer, TofuTrust.layer(), Logger.layer([])])
    )
    const process = yield* Effect.orDie(host.launch(layer))
    const node = Context.get(process.context, CommandNode.CommandNode)
    return { node, host, process, started: { node, host, process } as unknown as Started }
  })

/** A node, and a peer that is none. */
const world = Effect.gen(function*() {
  const network = yield* SimNetwork.make({ seed: 1, streams: { chunking: "joined" }, traceCapacity: 0 })
  const runs: Array<string> = []
  const bob = yield* start(network, "bob", runs)
  const mallory = yield* stranger(network, yield* seeded(1), { host: yield* network.host("mallory") })
  return { network, bob, mallory, runs }
})

type Conversation = Effect.Success<ReturnType<Stranger["connect"]>>
type Properties = Readonly<Record<string, string>>

const metadata = (properties: Properties = {}) =>
  Metadata.encode(
    new Map(
      Object.entries({ Pnet: "1", Node: "mallory", Network: networkId, Framing: "binary", ...properties })
        .map(([name, value]) => [name, bytes(value)])
    )
  )

/** `Stranger.connect` with other properties; the code of the refusal, where it is one. */
const connect = (mallory: Stranger, { node, started }: Effect.Success<ReturnType<typeof start>>, say: Properties) =>
  Effect.gen(function*() {
    const connection = yield* mallory.dial(started)
    const { crypto, identity } = mallory.handshakeOptions
    const client = Curve.client({
      crypto,
      identity,
      metadata: metadata(say),
      readMetadata: (bytes) => Result.succeed(Metadata.decode(bytes)!)
    }, node.publicKey)
    const packets = mallory.reader(connection)
    yield* connection.write(mallory.command("msg", client.hello()))
    const welcome = (yield* packets.next)!
    yield* connection.write(
      mallory.command("msg", Result.getOrThrow(client.welcome(Raw.fromText(welcome.content)!)))
    )
    const last = (yield* packets.next)!
    if (last.type === "err") return text(last.content)
    const secured = Result.getOrThrow(client.ready(Raw.fromText(last.content)!))
    // Binary is what both have offered.
    const binary = text(secured.peer.metadata.get("framing")!) === "binary" && (say["Framing"] ?? "binary") === "binary"
    const peer = { name: "bob" as Packet.NodeName, publicKey: node.publicKey }
    return mallory.session(connection, { ...secured, peer, binary, features: new Set() }, packets.rest())
  })

/** Answers those who dial with other properties, and does something with each session. */
const serve = (
  mallory: Stranger,
  say: Properties,
  handler: (peer: Conversation) => Effect.Effect<void, unknown, Scope.Scope>
) =>
  Effect.gen(function*() {
    const listening = yield* mallory.listen
    const { crypto, identity } = mallory.handshakeOptions
    yield* listening.run((connection) =>
      Effect.gen(function*() {
        const server = Curve.server({
          crypto,
          identity,
          metadata: metadata(say),
          readMetadata: (bytes) => Result.succeed(Metadata.decode(bytes)!)
        })
        const packets = mallory.reader(connection)
        const hello = (yield* packets.next)!
        yield* connection.write(
          mallory.command("rsp", Result.getOrThrow(server.hello(Raw.fromText(hello.content)!)))
        )
        const initiate = (yield* packets.next)!
        Result.getOrThrow(server.initiate(Raw.fromText(initiate.content)!, initiate.publicKey!))
        const { command, secured } = server.ready()
        yield* connection.write(mallory.command("rsp", command))
        const binary = (say["Framing"] ?? "binary") === "binary"
        const peer = { name: "bob" as Packet.NodeName, publicKey: initiate.publicKey! }
        yield* handler(mallory.session(connection, { ...secured, peer, binary, features: new Set() }, packets.rest()))
      })
    )
    yield* listening.advertise
  })

type Answer = { readonly data: Uint8Array } | { readonly reset: Readonly<Record<string, unknown>> }

/** One question on a stream of its own, and what comes back. */
const ask = (
  peer: Conversation,
  id: number,
  open: Readonly<Record<string, unknown>>,
  data: string | Uint8Array
): Effect.Effect<Answer> =>
  Effect.gen(function*() {
    yield* Effect.orDie(peer.send(
      0,
      frame(Kind.open, id, JSON.stringify(open)),
      frame(Kind.data, id, data),
      frame(Kind.end, id)
    ))
    const parts: Array<Uint8Array> = []
    while (true) {
      const one = yield* peer.next
      if (one === undefined) return yield* Effect.die(new Error("the session has ended"))
      if (one.id !== id) continue
      if (one.kind === Kind.data) parts.push(one.payload)
      if (one.kind === Kind.end) return { data: concat(...parts) }
      if (one.kind === Kind.reset) return { reset: JSON.parse(text(one.payload)) }
    }
  })

const echoed = (peer: Conversation, id: number) =>
  Effect.map(
    ask(peer, id, { protocol: "command", name: "echo" }, "still there"),
    (answer) => assert.strictEqual("data" in answer ? text(answer.data) : JSON.stringify(answer), "still there")
  )

/** Answers each question, by its OPEN and its bytes: frames of the acceptor's, and their type. */
const answering = (
  reply: (
    id: number,
    open: { readonly protocol: string; readonly name: string },
    data: Uint8Array
  ) => readonly [0 | 1 | 2, ReadonlyArray<Uint8Array>]
) =>
(peer: Conversation): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    const asked = new Map<number, { readonly open: any; readonly parts: Array<Uint8Array> }>()
    for (let one = yield* peer.next; one !== undefined; one = yield* peer.next) {
      if (one.kind === Kind.open) asked.set(one.id, { open: JSON.parse(text(one.payload)), parts: [] })
      if (one.kind === Kind.data) asked.get(one.id)!.parts.push(one.payload)
      if (one.kind !== Kind.end) continue
      const { open, parts } = asked.get(one.id)!
      const [type, frames] = reply(one.id, open, concat(...parts))
      yield* peer.send(type, ...frames)
    }
  })

const whole = (id: number, data: string | Uint8Array) => [frame(Kind.data, id, data), frame(Kind.end, id)]

// --- packets ---------------------------------------------------------------------------------------------------------------

describe("a packet of tomorrow", () => {
  /** What a connection is answered that says one thing. */
  const answerTo = (mallory: Stranger, bob: Started, packet: Uint8Array) =>
    Effect.scoped(Effect.gen(function*() {
      const connection = yield* mallory.dial(bob)
      yield* connection.write(packet)
      const one = yield* mallory.reader(connection).next
      return one === undefined ? "closed" : one.type === "err" ? text(one.content) : one.type
    }))

  test(
    "of a type that is not known is ERR_PACKET_TYPE, and one with a command that is not known ERR_HANDSHAKE",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      const say = (packet: Uint8Array) => answerTo(mallory, bob.started, packet)
      const key = mallory.identity.publicKey
      assert.strictEqual(yield* say(bytes(`${networkId}|new|x|${key}|END\n`)), "ERR_PACKET_TYPE")
      for (const command of ["\u0004JUMP", "\u0003RA2", "\u0005HELLO", "\u0009TOMORROW"]) {
        assert.strictEqual(yield* say(mallory.command("msg", bytes(command))), "ERR_HANDSHAKE", command)
      }
      // CurveZMQ of another version.
      const { crypto, identity } = mallory.handshakeOptions
      const hello = Curve.client({
        crypto,
        identity,
        metadata: metadata(),
        readMetadata: () => Result.succeed(undefined)
      }, bob.node.publicKey).hello()
      for (const [at, byte] of [[6, 2], [7, 1], [8, 1]] as const) {
        const other = hello.slice()
        other[at] = byte
        assert.strictEqual(yield* say(mallory.command("msg", other)), "ERR_HANDSHAKE", `byte ${at}`)
      }
    })
  )

  test(
    "with an advert that goes on behind its port is ERR_ADV_FORMAT",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      const say = (content: string) => answerTo(mallory, bob.started, mallory.packet("adv", bytes(content)))
      assert.strictEqual(yield* say("mallory@10.0.0.2:4000"), "adv")
      for (const more of [";v=2", "@tomorrow", " x", ":5"]) {
        assert.strictEqual(yield* say(`mallory@10.0.0.2:4000${more}`), "ERR_ADV_FORMAT", more)
      }
    })
  )

  test(
    "with a RAW body of another version or kind is ERR_NODE_DECRYPTION_FAILED",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      const { crypto, identity } = mallory.handshakeOptions
      const raw = (version: number, kind: number) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const stamp = new Uint8Array(8)
          new DataView(stamp.buffer).setBigUint64(0, BigInt(now) * 1_000n)
          const label = (label: string) => concat(Uint8Array.of(label.length), bytes(label))
          const body = concat(
            Uint8Array.of(version, kind),
            PublicKey.toBytes(bob.node.publicKey),
            label(networkId),
            label("mallory"),
            stamp,
            bytes("hello")
          )
          const nonce = concat(bytes("PnetRAW-"), crypto.randomBytes(16))
          const box = crypto.seal(crypto.sharedKey(bob.node.publicKey, identity.secretKey), nonce, body)
          return mallory.command("msg", concat(bytes("\u0003RAW"), nonce, box))
        })
      for (
        const [version, kind, answer] of [
          [2, 0, "ERR_NODE_DECRYPTION_FAILED"],
          [1, 2, "ERR_NODE_DECRYPTION_FAILED"],
          [1, 0, "rsp"]
        ] as const
      ) {
        yield* Effect.sleep("100 millis")
        const said = yield* answerTo(mallory, bob.started, yield* raw(version, kind))
        assert.strictEqual(said, answer, `version ${version}, kind ${kind}`)
      }
    })
  )
})

// --- the handshake ---------------------------------------------------------------------------------------------------------

describe("metadata of tomorrow", () => {
  const unknown = { Tomorrow: "\u0000\u00ff", "x.y+z_": "", Version: "9" }

  test(
    "has names that are not known: they are ignored, and the session is as any other",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      const peer = yield* connect(mallory, bob, unknown)
      if (typeof peer === "string") return assert.fail(peer)
      assert.isTrue(peer.established.binary)
      yield* echoed(peer, 1)
      // And where the node is the one that dials.
      yield* serve(mallory, unknown, answering((id, _name, data) => [1, whole(id, data)]))
      yield* peer.connection.end
      yield* Effect.sleep("1 second")
      yield* bob.node.peers.awaitPeer("mallory")
      assert.strictEqual(text(yield* bob.node.request("mallory", "echo", "hi")), "hi")
      assert.isTrue((yield* bob.node.sessions.all)[0]!.binary)
    })
  )

  test(
    "has another framing, which is none: both sides send text",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      const peer = yield* connect(mallory, bob, { Framing: "compressed" })
      if (typeof peer === "string") return assert.fail(peer)
      yield* echoed(peer, 1)
      assert.isFalse((yield* bob.node.sessions.all)[0]!.binary)
      yield* serve(mallory, { Framing: "compressed" }, answering((id, _name, data) => [1, whole(id, data)]))
      yield* peer.connection.end
      yield* Effect.sleep("1 second")
      yield* bob.node.peers.awaitPeer("mallory")
      assert.strictEqual(text(yield* bob.node.request("mallory", "echo", "hi")), "hi")
      assert.isFalse((yield* bob.node.sessions.all)[0]!.binary)
    })
  )

  test(
    "has another Pnet: ERR_HANDSHAKE, from whichever side",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      for (const Pnet of ["2", "1.1", "01", ""]) {
        assert.strictEqual(yield* connect(mallory, bob, { Pnet }), "ERR_HANDSHAKE", Pnet)
      }
      let sessions = 0
      yield* serve(mallory, { Pnet: "2" }, (peer) =>
        Effect.gen(function*() {
          sessions++
          assert.isUndefined(yield* peer.next, "it says nothing more")
        }))
      yield* bob.node.peers.awaitPeer("mallory")
      const error = yield* failureOf(bob.node.request("mallory", "echo", "hi"))
      assert.deepInclude(error, { _tag: "ProtocolError", code: "ERR_HANDSHAKE" })
      assert.isAbove(sessions, 0)
      assert.lengthOf(yield* bob.node.sessions.all, 0)
    })
  )
})

// --- sessions --------------------------------------------------------------------------------------------------------------

describe("a session of tomorrow", () => {
  const ping = frame(Kind.ping, 0, new Uint8Array(8))
  const json = (kind: number, id: number, payload: unknown) => (peer: Conversation) =>
    peer.seal(0, frame(kind, id, JSON.stringify(payload)))

  // What no node of today sends, of the side that dials. A packet of text has a type, and no flags of its own.
  const flags: Record<string, (peer: Conversation) => Uint8Array> = {
    "the next": (peer) => peer.seal(3 as 0, ping),
    "all": (peer) => peer.seal(255 as 0, ping),
    "one that is known and one that is not": (peer) => peer.seal(0x81 as 0, ping)
  }
  const kinds: Record<string, (peer: Conversation) => Uint8Array> = {}
  for (const kind of [8, 9, 100, 255]) {
    kinds[`${kind}, of the session`] = (peer) => peer.seal(0, frame(kind, 0, "what?"))
    kinds[`${kind}, of a stream`] = (peer) => peer.seal(0, frame(kind, 1, "what?"))
    kinds[`${kind}, behind one that is known`] = (peer) => peer.seal(0, concat(ping, frame(kind, 1)))
  }
  const payloads: Record<string, (peer: Conversation) => Uint8Array> = {
    "a PING with more": (peer) => peer.seal(0, frame(Kind.ping, 0, new Uint8Array(9))),
    "a CREDIT with more": (peer) => peer.seal(0, frame(Kind.credit, 1, Uint8Array.of(0, 0, 0, 1, 0))),
    "an END with a payload": (peer) => peer.seal(0, frame(Kind.end, 1, "x")),
    "an OPEN that is a list": json(Kind.open, 3, ["command", "echo"]),
    "an OPEN with a protocol that is no text": json(Kind.open, 3, { protocol: 1, name: "echo" }),
    "an OPEN with a deadline that is a text": json(Kind.open, 3, { protocol: "command", name: "echo", deadline: "5s" }),
    "a RESET with a code that is a number": json(Kind.reset, 1, { code: 1, message: "" }),
    "a GOAWAY with a message that is none": json(Kind.goaway, 0, { code: "renew", message: null })
  }

  /** Each ends its own session, and no other. */
  const ends = (messages: Record<string, (peer: Conversation) => Uint8Array>, framing: "binary" | "text") =>
    Effect.gen(function*() {
      const { bob, mallory, network } = yield* world
      const other = yield* stranger(network, yield* seeded(2), { host: yield* network.host("other"), name: "other" })
      const bystander = yield* other.connect(bob.started)
      let id = 1
      for (const [title, message] of Object.entries(messages)) {
        const peer = yield* connect(mallory, bob, { Framing: framing })
        if (typeof peer === "string") return assert.fail(peer)
        yield* peer.send(0, frame(Kind.open, 1, JSON.stringify({ protocol: "command", name: "echo" })))
        yield* peer.connection.write(message(peer))
        const goodbye = yield* peer.expect(Kind.goaway)
        assert.strictEqual(JSON.parse(text(goodbye.payload)).code, "protocol", title)
        assert.isUndefined(yield* peer.next, `${title}: closed behind it`)
        yield* echoed(bystander, id)
        id += 2
        // It reads on for a second, so that the last word is not lost.
        yield* Effect.sleep("1500 millis")
      }
      assert.deepStrictEqual((yield* bob.node.sessions.all).map(({ peer }) => peer.name as string), ["other"])
    })

  test("has flags that are not known: GOAWAY protocol, and no other session is touched", ends(flags, "binary"))

  for (const framing of ["binary", "text"] as const) {
    test(
      `has frames of a kind that is not known: GOAWAY protocol, and no other session is touched, ${framing}`,
      ends(kinds, framing)
    )
  }

  test(
    "has more or something else in frames that are known: GOAWAY protocol, and no other session is touched",
    ends(payloads, "binary")
  )

  test(
    "answers with a frame that is not known: the call fails, perhaps it ran, and the next has a session of its own",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      let sessions = 0
      yield* serve(
        mallory,
        {},
        (peer) => {
          const first = sessions++ === 0
          return answering((id, _name, data) => first ? [1, [frame(9, id)]] : [1, whole(id, data)])(peer)
        }
      )
      yield* bob.node.peers.awaitPeer("mallory")
      const error = yield* failureOf(bob.node.request("mallory", "echo", "one"))
      assert.deepInclude(error, { _tag: "PeerLostError", mayHaveRun: true })
      assert.strictEqual(text(yield* bob.node.request("mallory", "echo", "two")), "two")
      assert.strictEqual(sessions, 2)
    })
  )

  test(
    "has protocols and names that are not known: unsupported and not_found, and it goes on",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      const peer = yield* mallory.connect(bob.started)
      const codes: Record<string, readonly [string, string]> = {
        unsupported: ["rpc2", "double"],
        not_found: ["command", "of tomorrow"]
      }
      let id = 1
      for (const [code, [protocol, name]] of Object.entries(codes)) {
        const answer = yield* ask(peer, id, { protocol, name }, "{}")
        assert.strictEqual("reset" in answer && answer.reset["code"], code)
        id += 2
      }
      const typed = yield* ask(peer, id, { protocol: "rpc", name: "of tomorrow" }, new Uint8Array(20))
      assert.strictEqual("reset" in typed && typed.reset["code"], "not_found")
      yield* echoed(peer, id + 2)
    })
  )

  test(
    "has fields of JSON that are not known, in OPEN, RESET and GOAWAY: they are ignored",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      const peer = yield* mallory.connect(bob.started)
      const more = { priority: 1, of: { tomorrow: [null] }, "": "" }
      const open = { protocol: "command", name: "echo", ...more }
      const answer = yield* ask(peer, 1, open, "hi")
      assert.strictEqual("data" in answer && text(answer.data), "hi")
      // Given up, and the number may be used no more.
      yield* peer.send(0, frame(Kind.open, 3, JSON.stringify(open)))
      yield* peer.send(0, frame(Kind.reset, 3, JSON.stringify({ code: "cancelled", message: "", ...more })))
      yield* echoed(peer, 5)
      // A trace of another version is none, and the call is run.
      const traced = yield* ask(peer, 7, { ...open, traceparent: `01-${"a".repeat(32)}-${"b".repeat(16)}-01-x` }, "hi")
      assert.isTrue("data" in traced)
      yield* peer.send(0, frame(Kind.goaway, 0, JSON.stringify({ code: "renew", message: "", after: 1, ...more })))
      yield* peer.send(0, frame(Kind.ping, 0, bytes("12345678")))
      assert.strictEqual(text((yield* peer.expect(Kind.pong)).payload), "12345678")
    })
  )

  test(
    "has codes that are not known: a RESET's is internal, a GOAWAY's is a last word",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      let say = "rate_limited"
      yield* serve(
        mallory,
        {},
        answering((id) =>
          say === "goodbye"
            ? [0, [frame(Kind.goaway, 0, JSON.stringify({ code: "moved", message: "", to: "elsewhere" }))]]
            : [2, [frame(Kind.reset, id, JSON.stringify({ code: say, message: "later", after: 5 }))]]
        )
      )
      yield* bob.node.peers.awaitPeer("mallory")
      const reset = yield* failureOf(bob.node.request("mallory", "echo", "x"))
      assert.deepInclude(reset, { _tag: "StreamResetError", code: "internal", remote: true })
      assert.lengthOf(yield* bob.node.sessions.all, 1)
      say = "goodbye"
      const gone = yield* failureOf(bob.node.request("mallory", "echo", "x"))
      assert.deepInclude(gone, { _tag: "PeerLostError", mayHaveRun: true })
      yield* Effect.sleep("1 second")
      assert.lengthOf(yield* bob.node.sessions.all, 0)
    })
  )
})

// --- commands --------------------------------------------------------------------------------------------------------------

describe("a command of tomorrow", () => {
  test(
    "has fields that are not known: they are ignored",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      const peer = yield* mallory.connect(bob.started)
      const open = { protocol: "command", name: "handle" }
      for (
        const [i, more] of [
          {},
          { version: 2, types: ["int", "int"] },
          { absent: "of another kind" },
          { absent: [9, -1, "x"] }
        ].entries()
      ) {
        const answer = yield* ask(peer, 2 * i + 1, open, JSON.stringify({ function: "add", args: [1, 2], ...more }))
        assert.deepStrictEqual("data" in answer && JSON.parse(text(answer.data)), { type: "success", value: 3 })
      }
    })
  )

  test(
    "has an answer with fields that are not known, which are ignored, a code that is internal, or a type that is no answer",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      let reply: object = {}
      yield* serve(mallory, {}, answering((id) => [1, whole(id, JSON.stringify(reply))]))
      yield* bob.node.peers.awaitPeer("mallory")
      const call = bob.node.target("mallory")("anything")
      const more = { took: 5, warnings: ["x"] }
      reply = { type: "success", value: 7, ...more }
      assert.strictEqual(yield* call, 7)
      const failures: ReadonlyArray<readonly [object, string]> = [
        [{ type: "error", code: "failed", description: "d", error: { _tag: "Mine" }, ...more }, "RemoteError"],
        [{ type: "error", description: "an implementation without codes", ...more }, "RemoteError"],
        [{ type: "error", code: null, description: "the same" }, "RemoteError"],
        [{ type: "error", code: "rate_limited", description: "d", error: { _tag: "Mine" } }, "RemoteDefectError"],
        [{ type: "error", code: 5, description: "d" }, "RemoteDefectError"],
        [{ type: "later", ticket: 5 }, "ContractError"],
        [{ value: 7 }, "ContractError"]
      ]
      for (const [said, tag] of failures) {
        reply = said
        assert.strictEqual((yield* failureOf(call))._tag, tag, JSON.stringify(said))
      }
    })
  )
})

// --- typed calls -----------------------------------------------------------------------------------------------------------

describe("a typed call of tomorrow", () => {
  const codecFor = Effect.runSync(Effect.scoped(Effect.map(
    Layer.build(RpcSerialization.layerSchemaBinary()),
    (context) => Context.get(context, RpcSerialization.RpcSerialization).codecFor
  )))
  const payload = Schema.encodeUnknownSync(
    codecFor(Schema.Struct({ n: Schema.Int })) as unknown as Schema.Codec<unknown, Uint8Array>
  )({ n: 21 })

  /** A request by its fields. */
  const request = (hash: string, version: number, flags: number, headers?: string) => {
    const head = headers === undefined ? [] : [Uint8Array.of(0, 0, 0, headers.length), bytes(headers)]
    const body = concat(
      Uint8Array.of(version, flags),
      Uint8Array.from(hash.match(/../g)!, (digits) => parseInt(digits, 16)),
      Uint8Array.of(0),
      ...head,
      payload
    )
    return concat(Uint8Array.of(0, 0, 0, body.length), body)
  }

  test(
    "has flags and headers that are not known, which are ignored, or another version, which is internal and not run",
    Effect.gen(function*() {
      const { bob, mallory, runs } = yield* world
      const peer = yield* mallory.connect(bob.started)
      const [described] = yield* bob.node.describe(["double"])
      const hash = described!.contract!
      const open = { protocol: "rpc", name: "double" }
      const headers = JSON.stringify([["of-tomorrow", "x"]])
      const known = yield* ask(peer, 1, open, request(hash, 1, 0))
      if (!("data" in known)) return assert.fail(JSON.stringify(known))
      assert.strictEqual(known.data[0], 0)
      for (const [i, flags] of [0x10, 0x20, 0x40, 0x80, 0xf0, 0xf4].entries()) {
        assert.deepStrictEqual(yield* ask(peer, 3 + 2 * i, open, request(hash, 1, flags)), known, `flags ${flags}`)
      }
      assert.deepStrictEqual(yield* ask(peer, 21, open, request(hash, 1, 0xf1, headers)), known)
      assert.lengthOf(runs, 8)
      for (const [i, version] of [0, 2, 255].entries()) {
        const answer = yield* ask(peer, 31 + 2 * i, open, request(hash, version, 0))
        assert.strictEqual("reset" in answer && answer.reset["code"], "internal", `version ${version}`)
      }
      assert.lengthOf(runs, 8)
      yield* echoed(peer, 41)
    })
  )

  test(
    "has values of another encoder, which are read where both sides have said so alone",
    Effect.gen(function*() {
      const { bob, mallory, runs, network } = yield* withChangedEncoder(world)
      const carol = yield* withChangedEncoder(start(network, "carol"))
      yield* carol.node.peers.awaitPeer("bob")
      const client = yield* withChangedEncoder(carol.node.client(group, "bob"))
      assert.strictEqual(yield* client.double({ n: 21 }), 42)
      assert.lengthOf(runs, 1)
      // Who takes no notice of a contract's form calls by the hash that it was told, with what its own encoder writes.
      const { hash } = wireOf(group.requests.get("double")! as never, changed)
      const digits = Array.from(hash(), (byte) => byte.toString(16).padStart(2, "0")).join("")
      const peer = yield* mallory.connect(bob.started)
      const open = { protocol: "rpc", name: "double" }
      const answer = yield* ask(peer, 1, open, request(digits, 1, 0))
      if (!("data" in answer)) return assert.fail(JSON.stringify(answer))
      assert.strictEqual(answer.data[0], 3)
      assert.lengthOf(runs, 1)
      const said = yield* ask(peer, 3, open, request(digits, 1, 0x10))
      assert.strictEqual("data" in said && said.data[0], 0)
      assert.lengthOf(runs, 2)
    })
  )

  test(
    "has an answer of a kind that is not known: the call has failed, and perhaps it ran",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      let kind = 7
      yield* serve(mallory, {}, answering((id) => [1, whole(id, Uint8Array.of(kind, 0, 0, 0, 0))]))
      yield* bob.node.peers.awaitPeer("mallory")
      const client = yield* bob.node.client(group, "mallory")
      for (kind of [4, 7, 100, 255]) {
        const error = yield* failureOf(client.double({ n: 1 }))
        assert.deepInclude(error, { _tag: "ContractError", mayHaveRun: true }, `kind ${kind}`)
      }
      assert.lengthOf(yield* bob.node.sessions.all, 1)
    })
  )

  test(
    "has a contract with keys and keywords that are not known, which say nothing against it",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      const theirs = {
        payload: {
          type: "object",
          properties: { n: { type: "integer", "x-unit": "m" }, more: { type: "string" } },
          required: ["n"],
          "x-of": { tomorrow: 1 }
        },
        success: { type: "integer", unknown: [] },
        error: { anyOf: [{ not: {} }] },
        stream: false,
        tomorrow: { anything: true }
      }
      const hash = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
      const success = Schema.encodeUnknownSync(codecFor(Schema.Int) as unknown as Schema.Codec<unknown, Uint8Array>)(42)
      const asked: Array<string> = []
      yield* serve(
        mallory,
        {},
        answering((id, _name, data) => {
          const given = data.subarray(6, 14)
          asked.push(given.join())
          return [
            1,
            whole(
              id,
              given.join() === hash.join()
                ? concat(Uint8Array.of(0), success)
                : concat(Uint8Array.of(3), hash, bytes(JSON.stringify(theirs)))
            )
          ]
        })
      )
      yield* bob.node.peers.awaitPeer("mallory")
      const client = yield* bob.node.client(group, "mallory")
      assert.strictEqual(yield* client.double({ n: 21 }), 42)
      assert.strictEqual(yield* client.double({ n: 21 }), 42)
      assert.strictEqual(asked.length, 3, "once more the first time, and never again")
    })
  )
})

describe("a typed call as JSON of tomorrow", () => {
  test(
    "has fields that are not known, which are ignored, or known ones of another kind, which are internal and not run",
    Effect.gen(function*() {
      const { bob, mallory, runs } = yield* world
      const peer = yield* mallory.connect(bob.started)
      let id = -1
      const say = (line: object) => ask(peer, id += 2, { protocol: "rpc-json", name: "double" }, JSON.stringify(line))
      const payload = { n: 21 }
      const more = { version: 2, form: "cbor", of: { tomorrow: [null] }, "": "" }
      for (const request of [{ payload }, { payload, ...more }, { payload: { ...payload, unit: "m" } }]) {
        const answer = yield* say(request)
        const said = "data" in answer ? JSON.parse(text(answer.data)) : answer
        assert.deepStrictEqual(said, { type: "success", value: 42 }, JSON.stringify(request))
      }
      assert.lengthOf(runs, 3)
      for (const other of [{ window: "16" }, { headers: {} }, { stream: "yes" }, { discard: 1 }, { hash: 7 }]) {
        const answer = yield* say({ payload, ...other })
        assert.strictEqual("reset" in answer && answer.reset["code"], "internal", JSON.stringify(other))
      }
      assert.lengthOf(runs, 3)
      yield* echoed(peer, id + 2)
    })
  )

  test(
    "has an answer with fields that are not known, which are ignored, or a type or code, which is internal",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world
      let said: ReadonlyArray<object> = []
      const asked: Array<string> = []
      yield* serve(
        mallory,
        {},
        answering((id, { protocol }, data) => {
          asked.push(protocol)
          return protocol === "rpc"
            ? [2, [frame(Kind.reset, id, JSON.stringify({ code: "unsupported", message: "" }))]]
            : [1, whole(id, JSON.stringify(said[JSON.parse(text(data)).hash === "00000000000000ff" ? 1 : 0]))]
        })
      )
      yield* bob.node.peers.awaitPeer("mallory")
      const client = yield* bob.node.client(group, "mallory")
      const more = { took: 5, of: { tomorrow: [null] } }
      said = [{ type: "success", value: 42, ...more }]
      assert.strictEqual(yield* client.double({ n: 21 }), 42)
      assert.strictEqual(yield* client.double({ n: 21 }), 42)
      assert.deepStrictEqual(asked, ["rpc", "rpc-json", "rpc-json"])
      for (const other of [{ type: "later", ticket: 5 }, { type: "error", code: "rate_limited", error: 1 }]) {
        said = [{ ...other, ...more }]
        assert.strictEqual((yield* failureOf(client.double({ n: 21 })))._tag, "RemoteDefectError")
      }
      const contract = {
        payload: { type: "object", properties: { n: { type: "integer", "x-unit": "m" } }, required: ["n"] },
        success: { type: "integer", unknown: [] },
        error: { anyOf: [{ not: {} }] },
        stream: false,
        tomorrow: {}
      }
      said = [{ type: "mismatch", hash: "00000000000000ff", contract, ...more }, { type: "success", value: 42 }]
      assert.strictEqual(yield* client.double({ n: 21 }), 42)
    })
  )
})
