/** Typed calls as lines of JSON, byte for byte, as a peer in another language says and hears them. */
import { assert, describe, it } from "@effect/vitest"
import { AdvancedNode, PeerRpc, Peers, RpcRegistry, Sessions, TofuTrust } from "@pnet/core"
import { changed, withChangedEncoder } from "@pnet/lab/worlds/changedEncoder"
import { frame, type Net, networkId, quietly, seeded } from "@pnet/lab/worlds/sessionWorld"
import { stranger } from "@pnet/lab/worlds/stranger"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Cause, Context, DateTime, Effect, Exit, Layer, Logger, Schema, Scope, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { hashOf } from "../../src/internal/call/contract.ts"
import * as Codec from "../../src/internal/call/rpcCodec.ts"
import { jsonWireOf } from "../../src/internal/call/rpcJson.ts"
import { mismatchOf, wireOf } from "../../src/internal/call/rpcWire.ts"

type Services = AdvancedNode.AdvancedNode | Sessions.Sessions | Peers.Peers | RpcRegistry.RpcRegistry

const start = (
  network: Net,
  name: string,
  serve: Layer.Layer<never, unknown, Sessions.Sessions | RpcRegistry.RpcRegistry | Peers.Peers> = Layer.empty
) =>
  Effect.gen(function*() {
    const host = yield* network.host(name)
    const layer = serve.pipe(
      Layer.provideMerge(RpcRegistry.layer),
      Layer.provideMerge(AdvancedNode.layer({ networkId, bindIp: "0.0.0.0", name })),
      Layer.provide([NodeCrypto.layer, TofuTrust.layer(), Logger.layer([])])
    ) as Layer.Layer<Services, never, any>
    const process = yield* Effect.orDie(host.launch(layer as never)) as Effect.Effect<SimNetwork.Process<Services>>
    return { context: process.context, node: Context.get(process.context, AdvancedNode.AdvancedNode), host, process }
  })
type Started = Effect.Success<ReturnType<typeof start>>

const met = (alice: Started) => Effect.orDie(alice.node.peers.awaitPeer("bob"))

const clientOf = <Rpcs extends Rpc.Any>(
  from: Started,
  group: RpcGroup.RpcGroup<Rpcs>,
  options?: PeerRpc.ClientOptions
) => Effect.provideContext(PeerRpc.client(group, "bob", options), from.context as Context.Context<any>)

const errorOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.exit(effect), (exit) => {
    const reason = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason) : undefined
    return reason === undefined
      ? Effect.die(new Error(`expected a typed failure, got ${Exit.isFailure(exit) ? Cause.pretty(exit.cause) : exit}`))
      : Effect.succeed(reason.error as any)
  })

const utf8 = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

// --- a group ---------------------------------------------------------------------------------------------------------------

class Missing extends Schema.TaggedError<Missing>()("Missing", { path: Schema.String }) {
  override get message() {
    return `there is no ${this.path}`
  }
}

class Files extends RpcGroup.make(
  Rpc.make("size", {
    payload: { path: Schema.String, since: Schema.optionalKey(Schema.DateTimeUtc) },
    success: Schema.BigInt,
    error: Missing
  }),
  Rpc.make("now", { success: Schema.DateTimeUtc }),
  Rpc.make("nothing"),
  Rpc.make("breaks", { success: Schema.String }),
  Rpc.make("several", { error: Missing }),
  Rpc.make("headers", { success: Schema.Record(Schema.String, Schema.String) }),
  Rpc.make("count", { payload: { to: Schema.Int }, success: Schema.Int, error: Missing, stream: true })
) {}

class Seen {
  readonly ran: Array<unknown> = []
  produced = 0
  interrupted = 0
}

const filesOf = (seen: Seen) =>
  Files.toLayer({
    size: (payload) => {
      seen.ran.push(payload)
      return payload.path === "" ? Effect.fail(new Missing(payload)) : Effect.succeed(BigInt(payload.path.length))
    },
    now: () => Effect.succeed(DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")),
    nothing: () => Effect.void,
    breaks: () => Effect.die(new Error("secret")),
    several: () =>
      Effect.failCause(Cause.fromReasons([
        Cause.makeFailReason(new Missing({ path: "a" })),
        Cause.makeFailReason(new Missing({ path: "b" }))
      ])),
    headers: (_, { headers }) => Effect.succeed({ ...headers }),
    count: ({ to }) =>
      Stream.range(1, to < 0 ? 2 : to).pipe(
        Stream.rechunk(1),
        Stream.tap(() => Effect.sync(() => seen.produced++)),
        Stream.concat(to < 0 ? Stream.fail(new Missing({ path: "end" })) : Stream.empty),
        Stream.onExit((exit) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)) seen.interrupted++
          })
        )
      )
  })

const serving = (seen = new Seen(), options?: PeerRpc.ServeOptions) =>
  Layer.effectDiscard(PeerRpc.serve(Files, options)).pipe(Layer.provide(filesOf(seen))) as Layer.Layer<
    never,
    never,
    any
  >

/** Bob serves files; alice says what she likes. */
const world = (seen?: Seen, options?: PeerRpc.ServeOptions) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make()
    const bob = yield* start(network, "bob", serving(seen, options))
    const alice = yield* start(network, "alice")
    yield* met(alice)
    const peer = yield* alice.node.peers.resolveOne("bob")
    /** What a line, or lines, are answered with; the code where that is a RESET. */
    const say = (name: string, text: string | Uint8Array) =>
      alice.node.sessions.exchange(
        peer,
        { protocol: "rpc-json", name },
        typeof text === "string" ? utf8(text) : text
      ).pipe(
        Effect.map(textOf),
        Effect.catch((error) => Effect.succeed(error._tag === "StreamResetError" ? error.code : error._tag))
      )
    return { alice, bob, peer, say }
  })

const hash = (name: string) => hashOf(jsonWireOf(Files.requests.get(name) as never).contract())

describe("a server of typed calls as JSON", () => {
  it.effect("answers one who knows no more than the text", () =>
    quietly(Effect.gen(function*() {
      const seen = new Seen()
      const { say } = yield* world(seen)
      const says: ReadonlyArray<readonly [string, string, string]> = [
        ["size", `{"payload":{"path":"abc"}}\n`, `{"type":"success","value":"3"}\n`],
        // END ends the last line, too; null is what is not there; what is not known is for later versions.
        ["size", `{"payload":{"path":"abc"}}`, `{"type":"success","value":"3"}\n`],
        [
          "size",
          ` {"hash": null, "stream": null, "discard": false, "window": null, "headers": null, "x": [1], "payload": {"path": "é", "y": 1}}\r\n`,
          `{"type":"success","value":"1"}\n`
        ],
        [
          "size",
          `{"hash":"${hash("size")}","payload":{"path":"ab","since":"2026-01-02T03:04:05Z"}}\n`,
          `{"type":"success","value":"2"}\n`
        ],
        ["now", `{}\n`, `{"type":"success","value":"2026-01-02T03:04:05.678Z"}\n`],
        ["now", `{"payload":null}\nwhat comes behind`, `{"type":"success","value":"2026-01-02T03:04:05.678Z"}\n`],
        ["nothing", `{}`, `{"type":"success","value":null}\n`],
        ["size", `{"payload":{"path":"abc"},"discard":true}`, `{"type":"success"}\n`],
        ["headers", `{"headers":[["A","1"],["b","ä"]]}`, `{"type":"success","value":{"a":"1","b":"ä"}}\n`],
        [
          "size",
          `{"payload":{"path":""}}`,
          `{"type":"error","code":"failed","error":{"_tag":"Missing","path":""},"description":"there is no "}\n`
        ],
        [
          "several",
          `{}`,
          `{"type":"error","code":"failed","error":{"_tag":"Missing","path":"a"},"others":[{"_tag":"Missing","path":"b"}],"description":"there is no a"}\n`
        ],
        ["breaks", `{}`, `{"type":"error","code":"internal"}\n`]
      ]
      for (const [name, asked, answer] of says) assert.strictEqual(yield* say(name, asked), answer)
      assert.deepStrictEqual(seen.ran.slice(0, 4), [
        { path: "abc" },
        { path: "abc" },
        { path: "é" },
        { path: "ab", since: DateTime.makeUnsafe("2026-01-02T03:04:05Z") }
      ])
    })))

  it.effect("runs nothing of another contract, and says what its own is", () =>
    quietly(Effect.gen(function*() {
      const seen = new Seen()
      const { bob, say } = yield* world(seen)
      const told = (name: string, description?: string) => {
        const contract = jsonWireOf(Files.requests.get(name) as never).contract()
        assert.deepStrictEqual(Object.keys(contract), ["payload", "success", "error", "stream"])
        return `{"type":"mismatch","hash":"${hash(name)}","contract":${JSON.stringify(contract)}${
          description === undefined ? "" : `,"description":${JSON.stringify(description)}`
        }}\n`
      }
      assert.strictEqual(yield* say("size", `{"hash":"0123456789abcdef","payload":{"path":"abc"}}`), told("size"))
      assert.strictEqual(
        yield* say("size", `{"payload":{"path":"abc"},"stream":true}`),
        told("size", "it gives no stream")
      )
      assert.strictEqual(yield* say("count", `{"payload":{"to":3}}`), told("count", "it gives a stream"))
      assert.strictEqual(
        yield* say("size", `{"payload":{"path":1}}`),
        told("size", "the payload is not what it has to be: Expected string\n  at [\"path\"]")
      )
      assert.match(yield* say("size", `{}`), /^{"type":"mismatch"/)
      assert.deepStrictEqual(seen.ran, [])
      const registry = Context.get(bob.context, RpcRegistry.RpcRegistry)
      for (const { contract, name } of yield* registry.describe()) assert.strictEqual(contract, hash(name))
      // A date has a form of its own in bytes alone.
      assert.notInclude(told("now"), "binary")
    })))

  it.effect("streams elements as they are granted, and is given up by whoever grants no more", () =>
    quietly(Effect.gen(function*() {
      const seen = new Seen()
      const { alice, peer, say } = yield* world(seen)
      const chunk = (n: number) => `{"type":"chunk","values":[${n}]}\n`
      assert.strictEqual(
        yield* say("count", `{"payload":{"to":3},"stream":true}\n`),
        `${chunk(1)}${chunk(2)}${chunk(3)}{"type":"success"}\n`
      )
      assert.strictEqual(
        yield* say("count", `{"payload":{"to":-1},"stream":true}\n`),
        `${chunk(1)}${
          chunk(2)
        }{"type":"error","code":"failed","error":{"_tag":"Missing","path":"end"},"description":"there is no end"}\n`
      )
      // Grants that come with the request, in one write or cut anywhere.
      const text = `{"payload":{"to":3},"stream":true,"window":0}\n{"grant":1,"x":1}\n{"grant":0}\n{"grant":2}\n`
      assert.strictEqual(yield* say("count", text), `${chunk(1)}${chunk(2)}${chunk(3)}{"type":"success"}\n`)
      yield* Effect.scoped(Effect.gen(function*() {
        const stream = yield* alice.node.sessions.open(peer, { protocol: "rpc-json", name: "count" })
        for (const byte of utf8(text)) yield* Effect.andThen(stream.write(Uint8Array.of(byte)), Effect.yieldNow)
        yield* stream.end
        assert.include(textOf(yield* stream.whole), `${chunk(3)}{"type":"success"}`)
      }))
      seen.produced = 0
      assert.strictEqual(yield* say("count", `{"payload":{"to":9},"stream":true,"window":2}\n`), "cancelled")
      yield* Effect.sleep("1 second")
      assert.strictEqual(seen.interrupted, 1)
      assert.isAtMost(seen.produced, 4)
      // One grant at a time.
      seen.produced = 0
      yield* Effect.scoped(Effect.gen(function*() {
        const stream = yield* alice.node.sessions.open(peer, { protocol: "rpc-json", name: "count" })
        yield* stream.write(utf8(`{"payload":{"to":1000},"stream":true,"window":0}\n`))
        yield* Effect.sleep("1 second")
        assert.isAtMost(seen.produced, 2)
        for (let n = 1; n <= 5; n++) {
          yield* stream.write(utf8(`{"grant":1}\n`))
          const [bytes] = yield* stream.pull
          assert.strictEqual(textOf(bytes!), chunk(n))
        }
        assert.isAtMost(seen.produced, 7)
      }))
      yield* Effect.sleep("1 second")
      assert.strictEqual(seen.interrupted, 2)
    })))

  it.effect("resets what is no request with internal, and what is too long, too heavy or without room with its code", () =>
    quietly(Effect.gen(function*() {
      const seen = new Seen()
      const { say } = yield* world(seen, { limit: 100_000 })
      const deep = (levels: number) => `{"payload":{"path":"a","x":${"[".repeat(levels)}${"]".repeat(levels)}}}\n`
      const malformed: ReadonlyArray<string | Uint8Array> = [
        "",
        "\n",
        " \n",
        "{",
        "null\n",
        "[]\n",
        "1\n",
        `"x"\n`,
        `{"payload":{"path":"a"}} {}\n`,
        `{"payload":1e400}\n`,
        Uint8Array.of(0x22, 0xff, 0x22, 0x0a),
        deep(513),
        deep(20_000),
        `{"payload":{"path":"a"},"hash":"abc"}`,
        `{"payload":{"path":"a"},"hash":"${hash("size").toUpperCase().replace(/\d/g, "A")}"}`,
        `{"payload":{"path":"a"},"hash":7}`,
        `{"payload":{"path":"a"},"stream":1}`,
        `{"payload":{"path":"a"},"discard":"yes"}`,
        `{"payload":{"path":"a"},"window":-1}`,
        `{"payload":{"path":"a"},"window":1.5}`,
        `{"payload":{"path":"a"},"window":4294967296}`,
        `{"payload":{"path":"a"},"window":"16"}`,
        `{"payload":{"path":"a"},"headers":{"a":"b"}}`,
        `{"payload":{"path":"a"},"headers":[["a",1]]}`,
        `{"payload":{"path":"a"},"headers":[["a"]]}`,
        `{"payload":{"path":"a"},"headers":[["a","${"x".repeat(70_000)}"]]}`
      ]
      for (const text of malformed) assert.strictEqual(yield* say("size", text), "internal", String(text).slice(0, 100))
      assert.deepStrictEqual(seen.ran, [])
      // As deep as it may be, and fields that nobody knows.
      assert.strictEqual(yield* say("size", deep(512)), `{"type":"success","value":"1"}\n`)
      assert.strictEqual(
        yield* say("size", `{"payload":{"path":"a"},"__proto__":{"discard":true}}`),
        `{"type":"success","value":"1"}\n`
      )
      // Too long, whether its end has come or not.
      const long = "x".repeat(200_000)
      assert.strictEqual(yield* say("size", `{"payload":{"path":"${long}"}}\n`), "too_large")
      assert.strictEqual(yield* say("size", long), "too_large")
      // What is no grant.
      for (
        const grant of [
          "\n",
          "{}\n",
          "null\n",
          "1\n",
          `{"grant":-1}\n`,
          `{"grant":1.5}\n`,
          `{"grant":1e400}\n`,
          `{"grant":4294967296}\n`,
          `{"grant":"1"}\n`,
          `{"grant":[[[[1]]]]}\n`,
          " ".repeat(1_000),
          "\n".repeat(100_000),
          `{"grant":1,"x":"${"x".repeat(300)}"}\n`
        ]
      ) {
        const asked = `{"payload":{"to":9},"stream":true,"window":1}\n${grant}`
        assert.strictEqual(yield* say("count", asked), "internal", grant.slice(0, 30))
      }
      yield* Effect.sleep("1 second")
      assert.strictEqual(seen.interrupted, 13)
      // An answer that is too large, and an element.
      const other = yield* world(seen, { limit: 40 })
      assert.strictEqual(
        yield* other.say("headers", `{"headers":[["a","${"x".repeat(100)}"]]}`),
        "too_large"
      )
    })))

  it.effect("weighs a line before it parses it, and counts it while the call runs", () =>
    quietly(Effect.gen(function*() {
      const asked: Array<string> = []
      let most = 1_000_000
      let held = 0
      const memory: PeerRpc.ServeOptions["memory"] = () => {
        let own = 0
        return {
          fits: (bytes) => {
            asked.push(`fits ${bytes > 100_000 ? "much" : "little"}`)
            return bytes <= 2_000_000
          },
          room: (bytes) => {
            own += bytes
            held += bytes
            return held <= most
          },
          free: () => {
            held -= own
            own = 0
          }
        }
      }
      const seen = new Seen()
      const { say } = yield* world(seen, { memory })
      const places = (count: number) => `{"payload":{"path":"a","x":[${"[],".repeat(count)}0]}}\n`
      assert.strictEqual(yield* say("size", places(100_000)), "too_large")
      assert.strictEqual(yield* say("size", places(20_000)), "refused")
      most = 3_000_000
      assert.strictEqual(yield* say("size", places(20_000)), `{"type":"success","value":"1"}\n`)
      assert.strictEqual(seen.ran.length, 1)
      assert.deepStrictEqual(asked, ["fits much", "fits much", "fits much"])
      yield* Effect.sleep("1 second")
      assert.strictEqual(held, 0)
    })))
})

// --- one who serves nothing else -------------------------------------------------------------------------------------------------

/** Bob answers lines, as he likes; `asked` is what he was. */
const answering = (answer: (name: string, request: any, asked: number) => string) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make()
    const bob = yield* start(network, "bob")
    const alice = yield* start(network, "alice")
    yield* met(alice)
    const asked: Array<string> = []
    const counts = { bytes: 0, json: 0 }
    for (const name of Files.requests.keys()) {
      yield* bob.node.sessions.handle({ protocol: "rpc", name }, (stream) => {
        counts.bytes++
        return stream.reset("unsupported", "nothing serves rpc here")
      })
      yield* bob.node.sessions.handle({ protocol: "rpc-json", name }, (stream) => {
        const read = (text: string): Effect.Effect<string, any> =>
          text.includes("\n")
            ? Effect.succeed(text)
            : Effect.flatMap(stream.pull, (parts) => read(text + parts.map(textOf).join("")))
        counts.json++
        return Effect.flatMap(read(""), (line) => {
          asked.push(line)
          return stream.write(utf8(answer(name, JSON.parse(line), counts.json)))
        }).pipe(Effect.ignore)
      })
    }
    return { alice, bob, asked, counts }
  })

describe("a caller of one who serves typed calls as JSON alone", () => {
  it.effect("says what the text says, and remembers how it has to", () =>
    quietly(Effect.gen(function*() {
      const failure = `{"type":"error","code":"failed","error":{"_tag":"Missing","path":"a"}`
      const { alice, asked, counts } = yield* answering((name, { payload }) => {
        switch (name) {
          case "size":
            return payload.path === "" ? `${failure}}` : `{"type":"success","value":"${payload.path.length}"}\n`
          case "several":
            return `${failure},"others":[{"_tag":"Missing","path":"b"}],"description":"no"}\n`
          case "nothing":
            return `{"type":"success"}`
          case "now":
            return `{"type":"success","value":"2026-01-02T03:04:05.678Z","more":1}\n`
          case "breaks":
            return `{"type":"error","code":"internal"}\n`
          case "headers":
            return `{"type":"another"}\n`
          default:
            return `{"type":"chunk","values":[1,2]}\n{"type":"chunk","values":[3]}\n{"type":"success"}\n`
        }
      })
      const client = yield* clientOf(alice, Files)
      assert.strictEqual(yield* client.size({ path: "abc" }), 3n)
      assert.deepStrictEqual(asked, [`{"payload":{"path":"abc"},"hash":"${hash("size")}"}\n`])
      assert.deepStrictEqual(counts, { bytes: 1, json: 1 })
      const error = yield* errorOf(client.size({ path: "" }))
      assert.instanceOf(error, Missing)
      assert.strictEqual(error.path, "a")
      assert.strictEqual(yield* client.size({ path: "ab" }), 2n)
      assert.deepStrictEqual(counts, { bytes: 1, json: 3 })
      const several = yield* Effect.exit(client.several())
      assert.deepStrictEqual(
        Exit.isFailure(several) &&
          several.cause.reasons.map((reason) => Cause.isFailReason(reason) && (reason.error as Missing).path),
        ["a", "b"]
      )
      assert.isUndefined(yield* client.nothing())
      assert.deepStrictEqual(yield* client.now(), DateTime.makeUnsafe("2026-01-02T03:04:05.678Z"))
      assert.strictEqual((yield* errorOf(client.breaks()))._tag, "RemoteDefectError")
      // Of a type, or a code, that it does not know, it takes that it broke.
      assert.strictEqual((yield* errorOf(client.headers(undefined, { headers: { a: "ä" } })))._tag, "RemoteDefectError")
      assert.strictEqual(asked.at(-1), `{"payload":null,"hash":"${hash("headers")}","headers":[["a","ä"]]}\n`)
      assert.deepStrictEqual(yield* Stream.runCollect(client.count({ to: 3 })), [1, 2, 3])
      assert.strictEqual(
        asked.at(-1),
        `{"payload":{"to":3},"hash":"${hash("count")}","stream":true,"window":16}\n`
      )
      yield* client.nothing(undefined, { discard: true })
      assert.strictEqual(asked.at(-1), `{"payload":null,"hash":"${hash("nothing")}","discard":true}\n`)
    })))

  it.effect("grants chunks as they are taken", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* answering(() => "")
      const said: Array<string> = []
      yield* bob.node.sessions.handle({ protocol: "rpc-json", name: "count" }, (stream) =>
        Effect.gen(function*() {
          let left = 2
          let sent = 0
          while (sent < 10) {
            while (left > 0 && sent < 10) {
              left--
              yield* stream.write(utf8(`{"type":"chunk","values":[${++sent}]}\n`))
            }
            if (sent === 10) break
            for (const line of (yield* stream.pull).map(textOf).join("").split("\n")) {
              if (line.includes("grant")) {
                said.push(line)
                left += JSON.parse(line).grant
              }
            }
          }
          yield* stream.write(utf8(`{"type":"success"}`))
        }).pipe(Effect.ignore))
      const client = yield* clientOf(alice, Files, { window: 2 })
      assert.strictEqual((yield* Stream.runCollect(client.count({ to: 10 }))).length, 10)
      assert.isAbove(said.length, 3)
      assert.isTrue(said.every((line) => line === `{"grant":1}`))
    })))

  it.effect("takes over the contract that it is told, or says where the two differ", () =>
    quietly(Effect.gen(function*() {
      const contract = jsonWireOf(Files.requests.get("size") as never).contract() as any
      let told = ""
      const { alice, asked } = yield* answering((_, request) =>
        request.hash === "00000000000000ff" ? `{"type":"success","value":"7"}` : told
      )
      const client = yield* clientOf(alice, Files)
      const mismatch = (contract: unknown, hash: unknown = "00000000000000ff", more = {}) =>
        JSON.stringify({ type: "mismatch", hash, contract, ...more })
      told = mismatch(contract)
      assert.strictEqual(yield* client.size({ path: "a" }), 7n)
      assert.strictEqual(asked.length, 2)
      assert.strictEqual(yield* client.size({ path: "a" }), 7n)
      assert.strictEqual(asked.length, 3)
      // Others, each of a client of its own.
      const error = (text: string) =>
        Effect.gen(function*() {
          told = text
          const before = asked.length
          const fresh = yield* clientOf(alice, Files)
          const found = yield* errorOf(fresh.size({ path: "a" }))
          return [found._tag, found.mayHaveRun, found.differences, asked.length - before]
        })
      assert.deepStrictEqual(yield* error(mismatch({ ...contract, success: { type: "boolean" } })), [
        "ContractError",
        false,
        ["success: string here, boolean at the peer"],
        1
      ])
      assert.deepStrictEqual(yield* error(mismatch(contract, hash("size"), { description: "no\u001b[1m" })), [
        "ContractError",
        false,
        ["no\\u001b[1m"],
        1
      ])
      for (const none of [null, 7, "abc", "00000000000000FF"]) {
        assert.strictEqual((yield* error(mismatch(contract, none)))[0], "ContractError")
      }
      assert.deepStrictEqual((yield* error(mismatch([])))[2], ["the peer's answer is malformed"])
      // Another with every call.
      assert.deepStrictEqual(yield* error(mismatch(contract, "0000000000000001")), [
        "ContractError",
        false,
        [],
        2
      ])
    })))

  it.effect("asks for neither form for ever, and forgets what the peer no longer speaks", () =>
    quietly(Effect.gen(function*() {
      let unspoken = false
      const { alice, bob, counts } = yield* answering(() => `{"type":"success","value":"1"}`)
      const client = yield* clientOf(alice, Files)
      yield* bob.node.sessions.handle({ protocol: "rpc-json", name: "now" }, (stream) => {
        counts.json++
        return stream.reset("unsupported", "nor this")
      })
      for (let i = 1; i <= 2; i++) {
        assert.strictEqual((yield* errorOf(client.now()))._tag, "UnknownFunctionError")
        assert.deepStrictEqual(counts, { bytes: i, json: i })
      }
      const scope = yield* Scope.make()
      assert.strictEqual(yield* client.size({ path: "a" }), 1n)
      // A node that speaks both is where the other was.
      yield* Effect.provideService(
        bob.node.sessions.handle({ protocol: "rpc-json", name: "size" }, (stream) => {
          unspoken = true
          return stream.reset("unsupported", "no more")
        }),
        Scope.Scope,
        scope
      )
      assert.strictEqual((yield* errorOf(client.size({ path: "a" })))._tag, "UnknownFunctionError")
      assert.isTrue(unspoken)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* client.size({ path: "a" }), 1n)
      // It was called by JSON, speaks that no more, and has bytes of another encoder: each is tried once.
      const seen: Array<string> = []
      yield* bob.node.sessions.handle({ protocol: "rpc-json", name: "size" }, (stream) => {
        seen.push("json")
        return stream.reset("unsupported", "no more")
      })
      const wire = wireOf(Files.requests.get("size") as never)
      yield* bob.node.sessions.handle({ protocol: "rpc", name: "size" }, (stream) => {
        seen.push("bytes")
        return Effect.ignore(
          stream.write(mismatchOf({ ...wire.contract(), form: "0123456789abcdef" }, new Uint8Array(8)))
        )
      })
      const error = yield* errorOf(client.size({ path: "a" }))
      assert.deepStrictEqual(error.differences, [`form: none here, "0123456789abcdef" at the peer`])
      assert.deepStrictEqual(seen, ["json", "bytes"])
    })))

  it.effect("asks in bytes again now and then, of whoever speaks them by then", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, counts } = yield* answering((_, { hash }) =>
        hash === "00000000000000ff"
          ? `{"type":"success","value":"7"}`
          : JSON.stringify({
            type: "mismatch",
            hash: "00000000000000ff",
            contract: jsonWireOf(Files.requests.get("size") as never).contract()
          })
      )
      const client = yield* clientOf(alice, Files)
      assert.strictEqual(yield* client.size({ path: "a" }), 7n)
      assert.deepStrictEqual(counts, { bytes: 1, json: 2 })
      yield* Effect.sleep("100 seconds")
      assert.strictEqual(yield* client.size({ path: "a" }), 7n)
      assert.deepStrictEqual(counts, { bytes: 1, json: 3 })
      yield* Effect.sleep("30 seconds")
      assert.strictEqual(yield* client.size({ path: "a" }), 7n)
      assert.deepStrictEqual(counts, { bytes: 2, json: 5 })
      // It is updated, and is called in bytes from then on.
      const wire = wireOf(Files.requests.get("size") as never)
      yield* bob.node.sessions.handle({ protocol: "rpc", name: "size" }, (stream) => {
        counts.bytes++
        return Effect.ignore(
          Effect.flatMap(wire.encodeSuccess(9n), (bytes) => stream.write(Uint8Array.of(0, ...bytes)))
        )
      })
      yield* Effect.sleep("130 seconds")
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* client.size({ path: "a" }), 9n)
      assert.deepStrictEqual(counts, { bytes: 5, json: 5 })
    })))

  it.effect("gets a typed error of whatever is no answer, at a bounded cost", () =>
    quietly(Effect.gen(function*() {
      let told = ""
      const { alice } = yield* answering(() => told)
      const client = yield* clientOf(alice, Files, { limit: 10_000 })
      const calls = [client.size({ path: "a" }), client.nothing(), Stream.runDrain(client.count({ to: 1 }))] as const
      const tag = (call: Effect.Effect<unknown, { readonly _tag: string }>) =>
        Effect.map(Effect.exit(call), (exit) =>
          Exit.isSuccess(exit) ? "success" : (exit.cause.reasons.find(Cause.isFailReason)?.error._tag ?? "none"))
      const success = `{"type":"success","value":"1"}`
      const wrong: ReadonlyArray<string> = [
        "",
        "\n",
        "{",
        "null\n",
        "[1]\n",
        "{}\n",
        `{"type":7}\n`,
        `${success}\n${success}`,
        `${success}\n\n`,
        `${success} x`,
        `{"type":"success","value":1e400}`,
        `{"type":"chunk"}\n`,
        `{"type":"chunk","values":{}}\n`,
        `{"type":"chunk","values":[]}\n`,
        `{"type":"chunk","values":["x"]}\n`,
        `{"type":"chunk","values":[1]}\n`,
        `{"type":"success"}\n{"type":"chunk","values":[1]}\n`,
        `{"type":"error","code":"failed"}`,
        `{"type":"error","code":"failed","error":{"_tag":"Other"}}`,
        `{"type":"error","code":"failed","error":{"_tag":"Missing","path":"a"},"others":[1]}`,
        `{"type":"mismatch"}`,
        `{"type":"success","value":${"[".repeat(600)}${"]".repeat(600)}}`
      ]
      for (const text of wrong) {
        told = text
        for (const call of calls) {
          assert.strictEqual(yield* tag(call), "ContractError", text)
        }
      }
      const large = [
        `{"type":"success","value":"${"1".repeat(50_000)}"}`,
        `{"type":"chunk","values":[${"1,".repeat(20_000)}1]}\n`,
        "x".repeat(400_000),
        // It is longer than a line may be, or holds more than it says.
        `{"type":"mismatch","hash":"00000000000000ff","contract":{"payload":[${"[],".repeat(30_000)}1]}}`
      ]
      for (const text of large) {
        told = text
        for (const call of calls) {
          assert.strictEqual(yield* tag(call), "CallTooLargeError", text.slice(0, 40))
        }
      }
      told = `{"type":"success","value":"1"}`
      assert.strictEqual(yield* client.size({ path: "a" }), 1n)
      assert.strictEqual(
        (yield* alice.node.sessions.all).reduce((sum, { streams }) =>
          sum + streams, 0),
        0
      )
    })))
})

// --- one who is no node at all -----------------------------------------------------------------------------------------------------

/** Frames of a session, as the protocol has them. */
const Kind = { open: 0, data: 1, end: 2, reset: 3 } as const

describe("a peer in another language, made by hand from the handshake on", () => {
  const opened = JSON.stringify({ protocol: "rpc-json", name: "size" })
  const asked = `{"payload":{"path":"abc"}}\n`

  it.effect("calls a node, and gives a call up", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const seen = new Seen()
      const bob = yield* start(network, "bob", serving(seen))
      const mallory = yield* stranger(network, yield* seeded(1), { host: yield* network.host("mallory") })
      const session = yield* mallory.connect(bob as never)
      yield* session.send(0, frame(Kind.open, 1, opened), frame(Kind.data, 1, asked), frame(Kind.end, 1))
      const heard = yield* session.expect(Kind.data)
      assert.deepStrictEqual([heard.id, textOf(heard.payload)], [1, `{"type":"success","value":"3"}\n`])
      assert.strictEqual((yield* session.expect(Kind.end)).id, 1)
      // A stream, a chunk at a time, which is given up.
      const counting = JSON.stringify({ protocol: "rpc-json", name: "count" })
      yield* session.send(
        0,
        frame(Kind.open, 3, counting),
        frame(Kind.data, 3, `{"payload":{"to":1000},"stream":true,"window":0}\n{"grant":1}\n`)
      )
      assert.strictEqual(textOf((yield* session.expect(Kind.data)).payload), `{"type":"chunk","values":[1]}\n`)
      yield* session.send(0, frame(Kind.data, 3, `{"grant":1}\n`))
      assert.strictEqual(textOf((yield* session.expect(Kind.data)).payload), `{"type":"chunk","values":[2]}\n`)
      yield* session.send(0, frame(Kind.reset, 3, JSON.stringify({ code: "cancelled", message: "" })))
      yield* Effect.sleep("1 second")
      assert.strictEqual(seen.interrupted, 1)
      assert.isAtMost(seen.produced, 4)
    })))

  it.effect("is called by a node", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const alice = yield* start(network, "alice")
      const mallory = yield* stranger(network, yield* seeded(1), { host: yield* network.host("bob"), name: "bob" })
      const opens: Array<string> = []
      const listening = yield* mallory.listen
      yield* listening.run((connection) =>
        Effect.gen(function*() {
          const session = yield* listening.accept(connection)
          while (true) {
            const one = yield* session.next
            if (one === undefined) return
            if (one.kind === Kind.open) {
              const { protocol } = JSON.parse(textOf(one.payload))
              opens.push(protocol)
              if (protocol !== "rpc-json") {
                const reset = JSON.stringify({ code: "unsupported", message: "only JSON here" })
                yield* session.send(2, frame(Kind.reset, one.id, reset))
              }
            }
            if (one.kind === Kind.data && opens.at(-1) === "rpc-json") {
              assert.strictEqual(textOf(one.payload), `{"payload":{"path":"abc"},"hash":"${hash("size")}"}\n`)
              yield* session.send(
                1,
                frame(Kind.data, one.id, `{"type":"success","value":"3"}`),
                frame(Kind.end, one.id)
              )
            }
          }
        })
      )
      yield* listening.advertise
      yield* met(alice)
      const client = yield* clientOf(alice, Files)
      assert.strictEqual(yield* client.size({ path: "abc" }), 3n)
      assert.strictEqual(yield* client.size({ path: "abc" }), 3n)
      assert.deepStrictEqual(opens, ["rpc", "rpc-json", "rpc-json"])
    })))
})

// --- another encoder -------------------------------------------------------------------------------------------------------------

describe("two nodes of which one has another encoder", () => {
  for (const which of ["caller", "server"] as const) {
    it.effect(`call by JSON where it is the ${which}'s, and nothing is misread`, () =>
      quietly(Effect.gen(function*() {
        const seen = new Seen()
        const network = yield* SimNetwork.make()
        const other = (whose: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
          whose === which ? withChangedEncoder(effect) : effect
        const group = which === "server"
          ? Layer.provide(serving(seen), Layer.succeed(Codec.Current, changed))
          : serving(seen)
        const bob = yield* start(network, "bob", group)
        const alice = yield* start(network, "alice")
        yield* met(alice)
        const client = yield* other("caller")(clientOf(alice, Files))
        const since = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")
        assert.strictEqual(yield* client.size({ path: "abc", since }), 3n)
        assert.deepStrictEqual(yield* client.now(), since)
        assert.deepStrictEqual(yield* Stream.runCollect(client.count({ to: 3 })), [1, 2, 3])
        assert.instanceOf(yield* errorOf(client.size({ path: "" })), Missing)
        assert.deepStrictEqual(seen.ran, [{ path: "abc", since }, { path: "" }])
        // Where the peer has no JSON, nothing is run, and the error says why.
        for (const name of ["size", "count"]) {
          yield* bob.node.sessions.handle({ protocol: "rpc-json", name }, (stream) => stream.reset("unsupported", ""))
        }
        const older = yield* other("caller")(clientOf(alice, Files))
        const ran = seen.ran.length
        for (const call of [older.size({ path: "abc" }), Stream.runDrain(older.count({ to: 3 }))]) {
          const error = yield* errorOf(call as Effect.Effect<unknown, any>)
          assert.deepStrictEqual([error._tag, error.mayHaveRun], ["ContractError", false])
          assert.include(error.differences.join(), "form")
        }
        assert.strictEqual(seen.ran.length, ran)
      })))
  }
})
