/** Who may call a function: by the rights that the trust policy gives, and by whom the function allows. */
import { assert, describe, it } from "@effect/vitest"
import {
  Allow,
  AllowListTrust,
  Command,
  CommandNode,
  Peers,
  PeerSocket,
  type Rights,
  Sessions,
  TofuTrust,
  Trust
} from "@pnet/core"
import { failureOf, quietly, text } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Cause, Clock, Context, Deferred, Effect, Layer, Logger, Pull, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import * as CommandWire from "../../src/internal/call/commandWire.ts"
import * as Frames from "../../src/internal/session/frames.ts"

class Files extends RpcGroup.make(
  Rpc.make("size", { payload: { path: Schema.String }, success: Schema.Int }),
  Rpc.make("lines", { payload: { count: Schema.Int }, success: Schema.String, stream: true })
) {}

const Greet = Command.make("greet", { args: [Schema.String], success: Schema.String })

interface World {
  /** Who may call each of bob's functions, besides the rights of its caller. */
  readonly allow?: Allow.Allow
  /** Bob's policy; default an allow list that has alice with these rights. */
  readonly rights?: Rights.Input
  readonly policy?: Layer.Layer<Trust.Trust>
}

/** Bob serves a function of each kind to alice. */
const world = (options: World) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make({ seed: 3 })
    const list = yield* Effect.orDie(AllowListTrust.make([]))
    const logs: Array<string> = []
    const ran: Array<string> = []
    const run = <A>(name: string, value: A) => Effect.sync(() => (ran.push(name), value))
    const start = (
      name: string,
      trust: Layer.Layer<Trust.Trust>,
      node: Partial<CommandNode.Options<any, never, any, never>>
    ) =>
      Effect.gen(function*() {
        const host = yield* network.host(name)
        const layer = CommandNode.serve(Files, { allow: options.allow }).pipe(
          Layer.provide(Files.toLayer({
            size: ({ path }) => run("size", path.length),
            lines: ({ count }) => Stream.unwrap(Effect.as(run("lines", 0), Stream.map(Stream.range(1, count), String)))
          })),
          Layer.provideMerge(CommandNode.layer({ networkId: "allow", bindIp: "0.0.0.0", ...node, name })),
          Layer.provide([
            NodeCrypto.layer,
            trust,
            Logger.layer([Logger.make(({ message }) => void logs.push(String(message)))])
          ])
        ) as Layer.Layer<CommandNode.CommandNode, never, any>
        const { context } = yield* Effect.orDie(host.launch(layer))
        return Context.get(context as Context.Context<CommandNode.CommandNode>, CommandNode.CommandNode)
      })
    const bob = yield* start("bob", options.policy ?? Layer.succeed(Trust.Trust, list), {
      functions: { plain: () => run("plain", 1), open: () => run("open", 2) },
      commands: [Command.implement(Greet, (_call, name) => run("greet", `hello ${name}`), { allow: options.allow })],
      streams: { upper: ({ text }) => Effect.flatMap(text, (given) => run("upper", given.toUpperCase())) },
      allow: { plain: options.allow, upper: options.allow }
    })
    const alice = yield* start("alice", TofuTrust.layer(), {})
    yield* Effect.orDie(list.set([["alice", alice.publicKey, options.rights]]))
    yield* Effect.orDie(Effect.all([alice.peers.awaitPeer("bob"), bob.peers.awaitPeer("alice")]))
    const atBob = yield* alice.client(Files, "bob")
    const calls = {
      plain: alice.target("bob")("plain"),
      greet: alice.target("bob", { commands: [Greet] }).greet("Ann"),
      upper: Effect.map(alice.request("bob", "upper", "abc"), text),
      size: atBob.size({ path: "/etc" }),
      lines: Stream.runCollect(atBob.lines({ count: 2 })),
      // The same handler, by another way.
      "size by name": alice.target("bob")("size", { path: "/etc" }),
      // Arguments of another type: whoever may not call is told so, and not what they should be.
      "greet wrongly": alice.target("bob")("greet", 7)
    } as const
    return { alice, bob, list, logs, ran, calls }
  })

type Calls = Effect.Success<ReturnType<typeof world>>["calls"]
const rightly = ["plain", "greet", "upper", "size", "lines", "size by name"] as const

const allRun = (calls: Calls) =>
  Effect.map(
    Effect.forEach(rightly, (name) =>
      Effect.mapError(calls[name] as Effect.Effect<unknown, Error>, (e) => `${name}: ${e.message}`)),
    (answers) =>
      assert.deepStrictEqual(answers as Array<unknown>, [1, "hello Ann", "ABC", 4, ["1", "2"], 4])
  )

/** Each is told that it may not, in the one error that says so, and nothing has run. */
const noneRuns = (calls: Calls, ran: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const before = ran.length
    for (const [name, call] of Object.entries(calls)) {
      const error = yield* failureOf(
        call as Effect.Effect<unknown, { readonly _tag: string; readonly message: string }>
      )
      assert.strictEqual(error._tag, "NotAllowedError", `${name}: ${error.message}`)
      assert.deepInclude(error as object, { peer: "bob", function: name.split(" ")[0] })
      assert.include(error.message, "did not run")
      // What a predicate of the peer failed with is its own.
      assert.notInclude(error.message, "secret")
    }
    assert.strictEqual(ran.length, before)
  })

describe("functions of each kind", () => {
  it.effect("run for whom the rights let call them, until those are taken back, which holds at once", () =>
    quietly(Effect.gen(function*() {
      const { alice, calls, list, logs, ran } = yield* world({ rights: { calls: [] } })
      yield* noneRuns(calls, ran)
      // The built-in functions are functions.
      for (const name of ["get_funcs", "get_peers", "describe"]) {
        assert.strictEqual((yield* failureOf(alice.target("bob")(name)))._tag, "NotAllowedError", name)
      }
      assert.strictEqual((yield* failureOf(alice.target("bob")("nothing")))._tag, "UnknownFunctionError")
      assert.isTrue(logs.some((line) => line.includes("\"alice\" called \"plain\", which it may not")))
      // A caller who goes on is no flood of lines.
      yield* Effect.repeat(Effect.exit(calls.plain), { times: 50 })
      assert.isAtMost(logs.filter((line) => line.includes("may not")).length, 12)

      yield* Effect.orDie(
        list.add("alice", alice.publicKey, { calls: ["plain", "gre*", "upper", "size", "lines"] })
      )
      yield* allRun(calls)
      assert.strictEqual((yield* failureOf(alice.target("bob")("open")))._tag, "NotAllowedError")
      yield* Effect.orDie(list.add("alice", alice.publicKey, { calls: ["nothing"] }))
      yield* noneRuns(calls, ran)
    })))

  it.effect("run for those of a role or a name that they allow, and for nobody else", () =>
    quietly(Effect.gen(function*() {
      for (
        const [allow, rights, may] of [
          [{ roles: ["operator"] }, { roles: ["operator"] }, true],
          [{ roles: ["operator"] }, { roles: ["op*"] }, true],
          [{ roles: ["operator"] }, { roles: ["worker"] }, false],
          [{ roles: ["operator"] }, {}, false],
          [Allow.names("alice"), {}, true],
          [{ names: ["al*"] }, {}, false],
          [{ names: ["carol"] }, { roles: ["operator"] }, false],
          [{ names: ["carol"], roles: ["operator"] }, { roles: ["operator"] }, true],
          [{}, { roles: ["*"] }, false],
          // What is allowed by the function is not by the policy.
          [{ names: ["alice"] }, { calls: ["get_funcs"] }, false]
        ] as ReadonlyArray<readonly [Allow.Allow, Rights.Input, boolean]>
      ) {
        const { alice, calls, ran } = yield* world({ allow, rights })
        yield* may ? allRun(calls) : noneRuns(calls, ran)
        // What allows everybody is open as before.
        if (rights.calls === undefined) assert.strictEqual(yield* alice.target("bob")("open"), 2)
      }
    })))

  it.effect("ask nothing of anybody where the policy and they say nothing, and a policy without rights grants no role", () =>
    quietly(Effect.gen(function*() {
      const free = yield* world({ policy: TofuTrust.layer() })
      yield* allRun(free.calls)
      const strict = yield* world({ policy: TofuTrust.layer(), allow: { roles: ["operator"] } })
      yield* noneRuns(strict.calls, strict.ran)
      const open = yield* world({ policy: Trust.open(TofuTrust.layer()), allow: Allow.roles("operator") })
      yield* allRun(open.calls)
    })))

  it.effect("run for whom a predicate takes, which is told who calls and with what rights", () =>
    quietly(Effect.gen(function*() {
      const asked: Array<Allow.Asking> = []
      let answer: boolean | Effect.Effect<boolean, unknown> = true
      const { alice, calls, ran } = yield* world({
        allow: (caller) => (asked.push(caller), answer),
        rights: { roles: ["worker"] }
      })
      yield* allRun(calls)
      assert.deepStrictEqual(asked[0], {
        name: alice.name,
        publicKey: alice.publicKey,
        rights: { roles: ["worker"], serves: [], calls: ["*"], publishes: ["*"], subscribes: [] }
      })
      answer = Effect.delay(Effect.succeed(true), "2 seconds")
      yield* allRun(calls)
      answer = false
      yield* noneRuns(calls, ran)
      answer = Effect.delay(Effect.succeed(false), "2 seconds")
      yield* noneRuns(calls, ran)
    })))

  it.effect("run for nobody where a predicate throws, fails, dies, gives anything but true, or never decides", () =>
    quietly(
      Effect.gen(function*() {
        let broken: unknown
        const { calls, logs, ran } = yield* world({ allow: () => (broken as () => boolean)() })
        for (
          const given of [
            () => {
              throw new Error("secret 7")
            },
            () => Effect.fail({ message: "secret 7" }),
            () => Effect.die("secret 7"),
            () => Effect.failCause(Cause.empty),
            () => Effect.never,
            () => Promise.reject(new Error("secret 7")),
            () => new Promise(() => {}),
            () => "yes",
            () => 1,
            () => Effect.succeed("true"),
            () => undefined
          ]
        ) {
          broken = given
          const begun = yield* Clock.currentTimeMillis
          yield* noneRuns(calls, ran)
          // Each is told within the ten seconds that a predicate has.
          assert.isBelow((yield* Clock.currentTimeMillis) - begun, 80_000)
        }
        assert.isTrue(logs.some((line) => line.includes("may call \"plain\" could not be decided")))
        for (const wrong of [{ names: "alice" }, { roles: null, names: [7, null] }]) {
          const other = yield* world({ allow: wrong as unknown as Allow.Allow })
          yield* noneRuns(other.calls, other.ran)
        }
      }),
      { step: "100 millis" }
    ))

  it.effect("are decided about within the time of a call, and no longer than the caller waits", () =>
    quietly(Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      let asked = 0
      const { alice, ran } = yield* world({
        allow: () => (asked++, Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)))
      })
      const begun = yield* Clock.currentTimeMillis
      const late = yield* failureOf(alice.target("bob", { timeout: "1 second" })("plain"))
      assert.strictEqual(late._tag, "DeadlineError")
      assert.isAtMost((yield* Clock.currentTimeMillis) - begun, 1_500)
      yield* Deferred.await(interrupted)
      assert.deepStrictEqual([asked, ran.length], [1, 0])
    })))

  it.effect("a policy that breaks, gives no Effect, or never answers grants nothing, and holds no call for long", () =>
    quietly(
      Effect.gen(function*() {
        for (
          const rights of [
            Effect.never,
            Promise.resolve({ roles: [], serves: [], calls: ["*"] }),
            undefined,
            Effect.die("broken"),
            Effect.sync(() => {
              throw new Error("broken")
            }),
            Effect.succeed(null),
            Effect.succeed({}),
            Effect.succeed({ calls: 7 })
          ] as ReadonlyArray<any>
        ) {
          const policy = Layer.succeed(Trust.Trust, { ...TofuTrust.make(), rights: () => rights })
          const { calls, ran } = yield* world({ policy })
          yield* noneRuns(calls, ran)
        }
      }),
      { step: "100 millis" }
    ))

  it.effect("whom the options allow by name have to be there, so that no slip leaves one open", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("bob")
      const exit = yield* Effect.exit(host.launch(
        CommandNode.layer({
          name: "bob",
          networkId: "allow",
          functions: { wipe: () => Effect.void },
          allow: { whipe: { roles: ["operator"] } }
        }).pipe(Layer.provide([NodeCrypto.layer, TofuTrust.layer(), Logger.layer([])]))
      ))
      assert.include(exit._tag === "Failure" ? Cause.pretty(exit.cause) : "", "\"whipe\"")
    })))
})

describe("a socket", () => {
  it.effect("is opened by those who may, and by nobody else", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob, list } = yield* world({ rights: { calls: ["pipe"] } })
      const server = yield* PeerSocket.makeServer("pipe", { allow: { roles: ["plumber"] } }).pipe(
        Effect.provideService(Sessions.Sessions, bob.sessions)
      )
      yield* Effect.forkScoped(
        server.run((socket) =>
          Effect.scoped(Effect.gen(function*() {
            const writer = yield* socket.writer
            yield* socket.reader
            yield* writer.write("in")
          }))
        ),
        { startImmediately: true }
      )
      const read = Effect.scoped(Effect.gen(function*() {
        const socket = yield* PeerSocket.make("bob", "pipe")
        return yield* (yield* socket.reader).pull
      })).pipe(
        Effect.provideService(Sessions.Sessions, alice.sessions),
        Effect.provideService(Peers.Peers, alice.peers),
        Pull.catchDone(() => Effect.die("done"))
      )
      assert.include((yield* failureOf(read)).message, "does not let this node call")
      yield* Effect.orDie(list.add("alice", alice.publicKey, { calls: ["pipe"], roles: ["plumber"] }))
      assert.strictEqual((yield* read).length, 1)
      yield* Effect.orDie(list.add("alice", alice.publicKey, { calls: [], roles: ["plumber"] }))
      assert.include((yield* failureOf(read)).message, "does not let this node call")
    })))
})

describe("on the wire", () => {
  const json = (bytes: Uint8Array) => JSON.parse(text(bytes)) as Record<string, unknown>
  const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

  it("a RESET that a peer may not call is what older nodes read as not_found, which nothing ran for", () => {
    const written = Frames.resetPayload({ code: "not_allowed", message: "no" })
    assert.deepStrictEqual(json(written), { code: "not_found", message: "no", reason: "not_allowed" })
    assert.deepStrictEqual(Frames.resetOf(written as Uint8Array), { code: "not_allowed", message: "no" })
    assert.deepStrictEqual(
      json(Frames.resetPayload({ code: "not_allowed", message: "x".repeat(200_000) }))["reason"],
      "not_allowed"
    )
    for (
      const [said, code] of [
        [{ code: "not_found", message: "" }, "not_found"],
        [{ code: "not_found", message: "", reason: "other" }, "not_found"],
        [{ code: "not_found", message: "", reason: 7 }, "not_found"],
        [{ code: "internal", message: "", reason: "not_allowed" }, "internal"],
        // It is not written so, and who sends it so is of no version.
        [{ code: "not_allowed", message: "" }, "internal"]
      ] as const
    ) assert.strictEqual(Frames.resetOf(bytes(said))?.code, code, JSON.stringify(said))
  })

  it.effect("an answer that a peer may not call is what older nodes read as unknown_function", () =>
    Effect.gen(function*() {
      const written = CommandWire.encodeError({ code: "not_allowed", description: "no" })
      assert.deepStrictEqual(json(written), {
        type: "error",
        code: "unknown_function",
        description: "no",
        reason: "not_allowed"
      })
      const read = (value: unknown) => Effect.flip(CommandWire.decodeReply(bytes(value), "bob" as never, "f", 1_000))
      assert.strictEqual((yield* read(json(written)))._tag, "NotAllowedError")
      assert.strictEqual(
        (yield* read({ type: "error", code: "unknown_function", reason: "another" }))._tag,
        "UnknownFunctionError"
      )
    }))
})
