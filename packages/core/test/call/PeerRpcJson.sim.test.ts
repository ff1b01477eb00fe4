/** Typed calls as lines of JSON, byte for byte, as a peer in another language says and hears them. */
import { assert, describe, it } from "@effect/vitest"
import { AdvancedNode, PeerRpc, Peers, RpcRegistry, Sessions, TofuTrust } from "@pnet/core"
import { type Net, networkId, quietly } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Cause, Context, DateTime, Effect, Exit, Layer, Logger, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { hashOf } from "../../src/internal/call/contract.ts"
import { jsonWireOf } from "../../src/internal/call/rpcJson.ts"

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
    return { context: process.context, node: Context.get(process.context, AdvancedNode.AdvancedNode) }
  })
type Started = Effect.Success<ReturnType<typeof start>>

const met = (alice: Started) => Effect.orDie(alice.node.peers.awaitPeer("bob"))

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
      const { say } = yield* world(seen)
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
      // A date has a form of its own in bytes alone.
      assert.notInclude(told("now"), "binary")
    })))
})
