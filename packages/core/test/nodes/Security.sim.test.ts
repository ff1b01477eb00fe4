/** What `docs/security.md` says of peers that keep to the letter of the protocol and to nothing else, where no other test does. */
import { assert, describe, it } from "@effect/vitest"
import { AllowListTrust, Command, Crypto, Frame, Handshake, NetworkKey, Trust } from "@pnet/core"
import { startCommand } from "@pnet/lab/worlds/commandWorld"
import {
  echo,
  failureOf,
  frame,
  openFrame,
  quietly,
  seeded,
  start,
  type Started,
  text
} from "@pnet/lab/worlds/sessionWorld"
import { stranger } from "@pnet/lab/worlds/stranger"
import { SimNetwork } from "@pnet/testing"
import { Clock, Effect, Layer, Logger, References, Schema, type Scope, Tracer } from "effect"
import { quote } from "../../src/internal/base/quote.ts"
import { meterOf } from "../../src/internal/call/callMetrics.ts"
import { jsonSchemaOf } from "../../src/internal/call/contract.ts"
import { differences } from "../../src/internal/call/contractDifferences.ts"

const { Kind } = Frame
const coarse = { step: "100 millis" } as const
const joined = { streams: { chunking: "joined" }, traceCapacity: 0 } as const

const test = (
  title: string,
  body: Effect.Effect<void, any, Scope.Scope>,
  options: Parameters<typeof quietly>[1] = coarse
) => it.effect(title, () => quietly(body, options))

type Stranger = Effect.Success<ReturnType<typeof stranger>>

/** The first answer to a HELLO. */
const helloTo = (mallory: Stranger, node: Started) =>
  Effect.gen(function*() {
    const connection = yield* mallory.dial(node)
    const client = Handshake.client(mallory.handshakeOptions, node.node.publicKey)
    yield* connection.write(mallory.command("msg", client.hello()))
    const answer = yield* mallory.reader(connection).next
    return answer === undefined ? "closed" : answer.type === "err" ? text(answer.content) : answer.type
  })

/** Names of the peers that a node has sessions with. */
const sessionsOf = ({ node }: Started) =>
  Effect.map(node.sessions.all, (all) => all.map(({ peer }) => peer.name as string).sort())

describe("who is in between", () => {
  test(
    "reads no message, and on a network with a key no name and no address",
    Effect.gen(function*() {
      const crypto = yield* seeded()
      for (const encrypted of [true, false]) {
        const network = yield* SimNetwork.make({ seed: 10, ...joined })
        const networkKey = yield* NetworkKey.generate.pipe(Effect.provideService(Crypto.Crypto, crypto))
        const options = { networkId: `lan${encrypted}`, ...(encrypted ? { networkKey } : {}) }
        const [said, names] = [{ tcp: "", udp: "" }, ["alice.name", "bob.name"]]
        yield* network.intercept(({ payload, protocol }) => {
          said[protocol] += new TextDecoder("latin1").decode(payload)
          return "pass"
        })
        const bob = yield* start(network, {
          ...options,
          name: "bob.name",
          onMessage: ({ text }) => Effect.succeed(`answer to ${text}`),
          functions: { function_name: echo }
        })
        const alice = yield* start(network, { ...options, name: "alice.name" })
        yield* alice.node.peers.awaitPeer("bob.name")
        assert.strictEqual(yield* alice.node.raw.sendText("bob.name", "a message"), "answer to a message")
        assert.strictEqual(text(yield* alice.node.request("bob.name", "function_name", "a call")), "a call")
        // A stranger learns the network id and the public keys, always.
        for (const all of [said.tcp, said.udp]) {
          assert.include(all, options.networkId)
          assert.include(all, bob.node.publicKey)
        }
        for (const secret of ["a message", "a call", "function_name", "answer to"]) {
          assert.notInclude(said.tcp, secret)
        }
        for (const clear of [...names, `${bob.host.address}:${bob.node.endpoint.port}`]) {
          assert.notInclude(said.tcp, clear)
          assert[encrypted ? "notInclude" : "include"](said.udp, clear)
        }
      }
    })
  )

  test(
    "passes no other answer off as the one to a message: not an earlier one, another peer's, or the message itself",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 11, ...joined })
      const nodes = yield* Effect.forEach(
        ["bob", "carol"],
        (name) => start(network, { name, onMessage: ({ text }) => Effect.succeed(`${name} to ${text}`) })
      )
      const alice = yield* start(network, { name: "alice" })
      const [bob, carol] = nodes
      for (const name of ["bob", "carol"]) yield* alice.node.peers.awaitPeer(name)
      const heard: Record<string, Uint8Array> = {}
      let instead: string | undefined
      yield* network.intercept(({ host, payload, protocol }) => {
        if (protocol !== "tcp" || payload.length === 0) return "pass"
        const other = host === "bob" && instead !== undefined ? heard[instead] : undefined
        if (other !== undefined) {
          instead = undefined
          return { replace: other }
        }
        heard[host] = payload.slice()
        return "pass"
      })
      assert.strictEqual(yield* alice.node.raw.sendText("carol", "1"), "carol to 1")
      assert.strictEqual(yield* alice.node.raw.sendText("bob", "2"), "bob to 2")
      // As a packet of bob's, in what is clear.
      heard["posed"] = new TextEncoder().encode(
        text(heard["carol"]!).replace(carol!.node.publicKey, bob!.node.publicKey)
      )
      heard["turned"] = new TextEncoder().encode(
        text(heard["alice"]!).replace("|msg|", "|rsp|").replace(alice.node.publicKey, bob!.node.publicKey)
      )
      for (
        const [from, code] of [
          ["bob", "ERR_REPLAY"],
          ["carol", "ERR_PUBLIC_KEY"],
          ["posed", "ERR_NODE_DECRYPTION_FAILED"],
          ["turned", "ERR_NODE_DECRYPTION_FAILED"],
          ["alice", "ERR_PACKET_TYPE"]
        ] as const
      ) {
        instead = from
        const error = yield* failureOf(alice.node.raw.sendText("bob", "3"))
        assert.isUndefined(instead)
        assert.strictEqual(error._tag === "ProtocolError" && error.code, code, from)
        yield* Effect.sleep("2 seconds")
      }
      assert.strictEqual(yield* alice.node.raw.sendText("bob", "4"), "bob to 4")
    })
  )
})

describe("handshakes", () => {
  test(
    "end nobody's session before they are complete",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 2, ...joined })
      const bob = yield* start(network, { name: "bob", functions: { echo }, limits: { sessions: 2, handshakes: 6 } })
      for (const name of ["alice", "carol"]) {
        const { node } = yield* start(network, { name })
        yield* node.peers.awaitPeer("bob")
        yield* node.request("bob", "echo", "x")
      }
      assert.deepStrictEqual(yield* sessionsOf(bob), ["alice", "carol"])
      yield* Effect.sleep("1 second")
      const mallory = yield* stranger(network, yield* seeded(), { host: yield* network.host("mallory") })
      // Begun and left, and more of them than there may be.
      const answers = new Set<string>()
      for (let i = 0; i < 12; i++) answers.add(yield* helloTo(mallory, bob))
      assert.deepStrictEqual([...answers].sort(), ["ERR_BUSY", "rsp"])
      yield* Effect.sleep("6 seconds")
      assert.deepStrictEqual(yield* sessionsOf(bob), ["alice", "carol"])
      // Who proves itself is a peer like others, and the session that was idle the longest makes room.
      yield* mallory.connect(bob)
      yield* Effect.sleep("2 seconds")
      assert.deepStrictEqual(yield* sessionsOf(bob), ["carol", "mallory"])
    })
  )
})

describe("a session", () => {
  test(
    "with a peer that trickles bytes, and says nothing whole, is asked and then dead",
    Effect.gen(function*() {
      for (const binary of [true, false]) {
        const network = yield* SimNetwork.make({ seed: 3, ...joined })
        const bob = yield* start(network, { name: "bob", functions: { hang: () => Effect.never } })
        const mallory = yield* stranger(network, yield* seeded(), { host: yield* network.host("mallory"), binary })
        const peer = yield* mallory.connect(bob)
        yield* peer.send(0, openFrame(1, "hang"))
        const began = yield* Clock.currentTimeMillis
        const message = peer.seal(0, frame(Kind.data, 1, new Uint8Array(1_000)))
        yield* Effect.forkScoped(
          Effect.forEach(
            message,
            (byte) =>
              Effect.andThen(Effect.ignore(peer.connection.write(Uint8Array.of(byte))), Effect.sleep("300 millis"))
          )
        )
        assert.strictEqual((yield* peer.expect(Kind.ping)).id, 0)
        assert.closeTo((yield* Clock.currentTimeMillis) - began, 5_000, 700)
        while ((yield* peer.next) !== undefined);
        assert.closeTo((yield* Clock.currentTimeMillis) - began, 10_000, 1_300)
        assert.deepStrictEqual(yield* sessionsOf(bob), [])
      }
    })
  )

  test(
    "runs no more handlers than it may for a peer that opens streams and resets them at once",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 4, ...joined })
      let running = 0
      let most = 0
      // What a handler has to do when it is interrupted may take its time.
      const slow = () =>
        Effect.uninterruptible(
          Effect.acquireUseRelease(
            Effect.sync(() => {
              most = Math.max(most, ++running)
            }),
            () => Effect.sleep("3 seconds"),
            () => Effect.sync(() => running--)
          )
        )
      const bob = yield* start(network, { name: "bob", limits: { calls: 40 }, functions: { slow, echo } })
      const mallory = yield* stranger(network, yield* seeded(), { host: yield* network.host("mallory") })
      const peer = yield* mallory.connect(bob)
      const codes: Array<string> = []
      yield* Effect.forkScoped(Effect.gen(function*() {
        for (let next = yield* peer.next; next !== undefined; next = yield* peer.next) {
          if (next.kind === Kind.reset) codes.push((JSON.parse(text(next.payload)) as { code: string }).code)
        }
      }))
      const reset = JSON.stringify({ code: "cancelled", message: "" })
      for (let id = 1; id <= 200; id++) {
        yield* peer.send(0, openFrame(id, "slow"))
        yield* Effect.sleep("1 millis")
        yield* peer.send(0, frame(Kind.reset, id, reset))
      }
      assert.strictEqual(most, 10)
      yield* Effect.sleep("4 seconds")
      assert.strictEqual(running, 0)
      assert.strictEqual(codes.filter((code) => code === "refused").length, 190)
      yield* peer.send(0, openFrame(201), frame(Kind.data, 201, "still here"), frame(Kind.end, 201))
      assert.strictEqual((yield* bob.node.sessions.all).length, 1)
    }),
    { step: "1 millis" }
  )

  test(
    "runs no more handlers than it may for all its peers together, and gives their places back",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 6, ...joined })
      let running = 0
      const hang = () =>
        Effect.acquireUseRelease(
          Effect.sync(() => ++running),
          () => Effect.never,
          () => Effect.sync(() => running--)
        )
      const bob = yield* start(network, { name: "bob", limits: { calls: 4 }, functions: { hang } })
      const crypto = yield* seeded()
      const host = yield* network.host("mallory")
      const peers = yield* Effect.forEach(
        Array.from({ length: 6 }, (_, i) => i),
        (i) =>
          Effect.flatMap(stranger(network, crypto, { host, name: `mallory-${i}` }), (mallory) => mallory.connect(bob))
      )
      // One each is a quarter of the places.
      for (const peer of peers) yield* peer.send(0, openFrame(1, "hang"))
      yield* Effect.sleep("100 millis")
      assert.strictEqual(running, 4)
      for (const peer of peers.slice(4)) {
        const reset = yield* peer.expect(Kind.reset)
        assert.strictEqual(JSON.parse(text(reset.payload)).code, "refused")
      }
      yield* peers[0]!.send(0, frame(Kind.reset, 1, JSON.stringify({ code: "cancelled", message: "" })))
      yield* Effect.sleep("100 millis")
      assert.strictEqual(running, 3)
      yield* peers[5]!.send(0, openFrame(2, "hang"))
      yield* Effect.sleep("100 millis")
      assert.strictEqual(running, 4)
    }),
    { step: "1 millis" }
  )
})

// Control characters of both sets, line ends that are none, and a change of direction.
const evil = "\u001b[2J\u009b31m\r\n\u2028\u202e2026-01-01 level=error all is lost"
const acted = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u

describe("a peer's texts", () => {
  test(
    "are escaped wherever they are logged or shown",
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Layer.merge(
        Logger.layer([
          Logger.make(({ cause, message }) => {
            lines.push(...(Array.isArray(message) ? message : [message]).map(String))
            assert.strictEqual(cause.reasons.length, 0)
          })
        ]),
        Layer.succeed(References.MinimumLogLevel, "Trace")
      )
      const network = yield* SimNetwork.make({ seed: 5, ...joined })
      const list = yield* Effect.orDie(AllowListTrust.make([]))
      const bob = yield* start(network, { name: "bob", functions: { echo } }, {
        logger,
        trust: Layer.succeed(Trust.Trust, list)
      })
      // A name has no control characters, and may have those that turn a line around.
      const name = "mal\u202elory\u2028"
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, yield* seeded(), { host, name })
      const shown: Array<string> = []
      const see = <A, E extends Error, R>(effect: Effect.Effect<A, E, R>) =>
        // What a call begins is logged where the call is made.
        Effect.map(Effect.provide(failureOf(effect), logger), (error) => {
          shown.push(error.message)
          return error
        })

      // Refused by the policy.
      yield* Effect.exit(Effect.scoped(mallory.connect(bob)))
      yield* Effect.sleep("1 second")
      assert.lengthOf(lines.filter((line) => line.includes("refused a session")), 1)

      // What it asks for, and how it answers.
      yield* Effect.orDie(list.add(name, mallory.identity.publicKey))
      const server = yield* mallory.listen
      const goodbyes = [["shutdown", evil], [evil, evil], ["untrusted", evil]] as const
      let sessions = 0
      yield* server.run((connection) =>
        Effect.gen(function*() {
          const peer = yield* server.accept(connection)
          const [code, message] = goodbyes[sessions++ % goodbyes.length]!
          yield* peer.send(0, openFrame(1, evil))
          for (const reply of ["failed", "refused", evil]) {
            const { id } = yield* peer.expect(Kind.open)
            const error = { _tag: evil, message: evil, stack: evil }
            yield* peer.send(2, frame(Kind.reset, id, JSON.stringify({ code: reply, message: evil, error })))
          }
          yield* peer.expect(Kind.open)
          yield* peer.send(0, frame(Kind.goaway, 0, JSON.stringify({ code, message })))
          yield* Effect.sleep("5 seconds")
        })
      )
      yield* server.advertise
      yield* bob.node.peers.awaitPeer(name)
      const tags: Array<string> = []
      for (let round = 0; round < goodbyes.length; round++) {
        for (let call = 0; call < 3; call++) {
          // A stream, since a call whose data is at hand would be made again where it is refused.
          const stream = bob.node.sessions.open(yield* bob.node.peers.resolveOne(name), {
            protocol: "command",
            name: evil
          })
          tags.push((yield* see(Effect.scoped(Effect.flatMap(stream, ({ whole }) => whole))))._tag)
        }
        tags.push((yield* see(bob.node.request(name, evil, "x")))._tag)
        yield* Effect.sleep("8 seconds")
      }
      assert.include(tags, "StreamResetError")
      assert.include(tags, "PeerLostError")
      assert.isTrue(lines.some((line) => line.includes("it ended the session")))
      assert.isTrue(lines.some((line) => line.includes("does not trust this node")))

      // Somebody else under its name, a code that is none, and an unknown peer among those that are known.
      const other = yield* stranger(network, yield* seeded(), { host: yield* network.host("other"), name })
      yield* (yield* other.listen).advertise
      yield* Effect.sleep("3 seconds")
      assert.isTrue(lines.some((line) => line.includes("but that name belongs to")))
      yield* see(bob.node.request("nobody", "echo", "x"))

      assert.isAbove(shown.length, 12)
      for (const line of [...lines, ...shown]) assert.notMatch(line, acted)
      assert.isTrue(shown.some((line) => line.includes("all is lost")), "they are shown, though")
    })
  )

  it("are JSON still when they are quoted, and the same text", () => {
    for (const one of [evil, "", "plain", "\"\\", "\ud800", "\u{1f469}\u200d\u{1f680}", "\u007f\u0080\u2066\ufeff"]) {
      assert.strictEqual(JSON.parse(quote(one)), one)
      assert.notMatch(quote(one), acted)
    }
    assert.strictEqual(quote({ "\u009b": [1] }), "{\"\\u009b\":[1]}")
  })
})

const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`

interface Tree {
  readonly next?: Tree
}
const Tree: Schema.Codec<Tree> = Schema.Struct({ next: Schema.optionalKey(Schema.suspend(() => Tree)) })

describe("JSON of peers", () => {
  const world = (seed: number) =>
    Effect.gen(function*() {
      const broken: Array<unknown> = []
      const logger = Logger.layer([Logger.make(({ logLevel, message }) => {
        if (logLevel === "Error" || logLevel === "Fatal") broken.push(message)
      })])
      const network = yield* SimNetwork.make({ seed, ...joined })
      const bob = yield* startCommand(network, { name: "bob" }, { logger })
      const alice = yield* startCommand(network, { name: "alice" })
      yield* Effect.orDie(alice.node.peers.awaitPeer("bob"))
      const ask = (json: string) =>
        Effect.map(
          alice.node.request("bob", "handle", json),
          (answer) =>
            JSON.parse(text(answer)) as {
              readonly type: string
              readonly code?: string
              readonly description?: string
              readonly value?: any
            }
        )
      return { alice, bob, ask, broken }
    })

  test(
    "nested without end is refused before anything walks through it",
    Effect.gen(function*() {
      const { alice, ask, bob, broken } = yield* world(6)
      let ran = 0
      const count = <A>(value: A) =>
        Effect.sync(() => {
          ran++
          return value
        })
      yield* bob.node.register("plain", (_, value) => count(value as unknown))
      yield* bob.node.register(
        Command.make("json", { args: [Schema.Json], success: Schema.Json }),
        (_, value) => count(value)
      )
      yield* bob.node.register(Command.make("tree", { args: [Tree], success: Tree }), (_, value) => count(value))
      const tree = (depth: number) => `${"{\"next\":".repeat(depth - 1)}{}${"}".repeat(depth - 1)}`
      for (const [name, of] of [["plain", nested], ["json", nested], ["tree", tree]] as const) {
        const deep = JSON.parse(of(500)) as unknown
        assert.deepStrictEqual((yield* ask(`{"function":"${name}","args":[${of(500)}]}`)).value, deep)
        ran = 0
        for (const depth of [600, 5_000, 200_000]) {
          for (const where of [`"args":[${of(depth)}]`, `"args":[],"kwargs":{"a":${of(depth)}}`, `"x":${of(depth)}`]) {
            const { code, description } = yield* ask(`{"function":"${name}",${where}}`)
            assert.deepStrictEqual(
              [code, description],
              ["invalid_arguments", "the call is malformed: nested deeper than 512"]
            )
          }
        }
        assert.strictEqual(ran, 0)
      }
      // Brackets in texts are none.
      const brackets = `${"[{\\\"".repeat(2_000)}\\\\`
      assert.strictEqual((yield* ask(`{"function":"plain","args":["${brackets}"]}`)).value, JSON.parse(`"${brackets}"`))
      // Nor are there more arguments than a call of JavaScript takes.
      const wide = yield* ask(`{"function":"plain","args":[${"1,".repeat(500_000)}1]}`)
      assert.strictEqual(wide.description, "the call is malformed: \"args\" has more than 10000 elements")
      assert.deepStrictEqual(broken, [], "none of it was taken for a defect")

      // In answers: the caller's fault it is not, nor a defect of its.
      const answers = [
        `{"type":"success","value":${nested(60_000)}}`,
        `{"type":"error","code":"failed","description":"","error":${nested(60_000)}}`
      ]
      yield* bob.node.sessions.handle(
        { protocol: "command", name: "handle" },
        (stream) => Effect.ignore(stream.write(new TextEncoder().encode(answers.shift() ?? "")))
      ).pipe(Effect.forkScoped)
      while (answers.length > 0) {
        const error = yield* failureOf(alice.node.target("bob")("plain"))
        assert.strictEqual(error._tag, "ContractError")
        assert.include(error.message, "nested deeper than 512")
      }
    })
  )

  test(
    "in a RESET that is nested without end still resets",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 7, ...joined })
      const bob = yield* start(network, { name: "bob" })
      const mallory = yield* stranger(network, yield* seeded(), { host: yield* network.host("mallory") })
      const server = yield* mallory.listen
      yield* server.run((connection) =>
        Effect.gen(function*() {
          const peer = yield* server.accept(connection)
          const { id } = yield* peer.expect(Kind.open)
          yield* peer.send(2, frame(Kind.reset, id, `{"code":"failed","message":"m","error":${nested(40_000)}}`))
          yield* Effect.sleep("5 seconds")
        })
      )
      yield* server.advertise
      yield* bob.node.peers.awaitPeer("mallory")
      const error = yield* failureOf(bob.node.request("mallory", "x", "x"))
      assert.strictEqual(error._tag, "RemoteError")
      assert.deepStrictEqual(error._tag === "RemoteError" && error.error, { message: "m" })
    })
  )

  it("in a contract that is nested without end is compared without running out of stack", () => {
    let deep: unknown = 1
    for (let i = 0; i < 500; i++) deep = [deep]
    const mine = { payload: jsonSchemaOf(Schema.Struct({ a: Schema.String })), stream: false } as const
    for (
      const theirs of [
        { payload: { enum: [deep] }, stream: deep },
        { payload: { type: "object", pattern: deep, required: deep, properties: { a: deep } } }
      ]
    ) {
      assert.isNotEmpty(differences(mine, theirs))
    }
  })

  test(
    "names nothing that every object has",
    Effect.gen(function*() {
      const { ask, bob, broken } = yield* world(8)
      yield* bob.node.register("kwargs", ({ kwargs }) => Effect.succeed([kwargs["a"] ?? null, Object.keys(kwargs)]))
      yield* bob.node.register(
        Command.make("checked", { kwargs: { a: Schema.optionalKey(Schema.Number) }, success: Schema.Json }),
        ({ kwargs }) => Effect.succeed([kwargs.a ?? null, Object.keys(kwargs)])
      )
      for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", "prototype"]) {
        assert.strictEqual((yield* ask(`{"function":"${name}"}`)).code, "unknown_function", name)
        assert.deepStrictEqual((yield* ask(`{"function":"describe","args":["${name}"]}`)).value, [], name)
        const of = (fn: string) => ask(`{"function":"${fn}","kwargs":{"${name}":{"a":1}},"${name}":{"args":[1]}}`)
        assert.deepStrictEqual((yield* of("kwargs")).value, [null, [name]], name)
        assert.deepStrictEqual((yield* of("checked")).value, [null, []], name)
        const opened = yield* failureOf(bob.node.request("alice", name, "x"))
        assert.strictEqual(opened._tag === "StreamResetError" && opened.code, "not_found", name)
      }
      assert.isUndefined(({} as { readonly a?: unknown }).a)
      assert.deepStrictEqual(broken, [])
    })
  )
})

class Inside extends Schema.TaggedError<Inside>()("Inside", { what: Schema.String, cause: Schema.Defect() }) {}

describe("what a caller learns of a failure", () => {
  test(
    "is never a stack, nor anything of a defect",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 9, ...joined })
      const secret = () => new Error("secret of this machine")
      const bob = yield* start(network, {
        name: "bob",
        functions: {
          typed: () => Effect.fail(new Inside({ what: "told", cause: new Error("told, too") })),
          plain: () => Effect.fail({ _tag: "Plain", message: "told", stack: "secret", cause: secret() }),
          dies: () => Effect.die(secret()),
          throws: () => {
            throw secret()
          },
          lasts: () => Effect.andThen(Effect.sleep("10 millis"), Effect.die(secret()))
        }
      })
      const mallory = yield* stranger(network, yield* seeded(), { host: yield* network.host("mallory") })
      const peer = yield* mallory.connect(bob)
      const names = ["typed", "plain", "dies", "throws", "lasts"]
      const told: Array<string> = []
      for (const [i, name] of names.entries()) {
        yield* peer.send(0, openFrame(i + 1, name))
        told.push(text((yield* peer.expect(Kind.reset)).payload))
      }
      for (const [i, one] of told.entries()) {
        assert.notInclude(one, "secret", names[i])
        assert.notInclude(one, "Security.sim.test", names[i])
        assert.notMatch(one, /stack|\bat .*:\d+/, names[i])
      }
      assert.include(told[0], "\"what\":\"told\"")
      assert.include(told[1], "told")
      for (const one of told.slice(2)) assert.strictEqual((JSON.parse(one) as { code: string }).code, "internal")
    })
  )
})

describe("metrics and traces", () => {
  test(
    "have no names that are not there, however a caller asks for them",
    Effect.gen(function*() {
      const spans: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          spans.push(options.name)
          return new Tracer.NativeSpan(options)
        }
      })
      const network = yield* SimNetwork.make({ seed: 12, ...joined })
      const bob = yield* startCommand(network, { name: "bob" }, { logger: Layer.succeed(Tracer.Tracer, tracer) })
      const alice = yield* startCommand(network, { name: "alice" })
      yield* Effect.orDie(alice.node.peers.awaitPeer("bob"))
      yield* bob.node.register("there", () => Effect.succeed(1))
      const long = "x".repeat(1_000_000)
      for (const name of ["there", `${evil}1`, `${evil}2`, long]) {
        const answer = yield* alice.node.request("bob", "handle", JSON.stringify({ function: name }))
        assert.isBelow(answer.length, 1_000)
      }
      assert.deepStrictEqual(new Set(spans), new Set(["there", "unknown or built in"]))
    })
  )

  it("have as many series as they may, whatever peers call themselves", () => {
    const made = new Set(Array.from({ length: 10_000 }, (_, i) => meterOf("in", "command", `peer ${i}`, "f")))
    assert.isAtMost(made.size, 2_048 + 1)
    assert.isTrue(made.has(meterOf("in", "command", "another", "f")), "the others share one")
  })
})
