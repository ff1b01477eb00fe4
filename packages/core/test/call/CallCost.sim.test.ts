/** What a call costs the two nodes, counted and not timed: fibers that are started for it, and what is left for the next one. */
import { assert, describe, it, vi } from "@effect/vitest"
import { CommandNode } from "@pnet/core"
import { type Node, startCommand, type Started } from "@pnet/lab/worlds/commandWorld"
import { type Net, quietly, text } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { Effect, Layer, Logger, Metric, Option, Schema, Tracer } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import * as v8 from "node:v8"
import { runInNewContext } from "node:vm"
import { kinds, samples } from "../../src/internal/base/shapes.ts"
import { meterOf } from "../../src/internal/call/callMetrics.ts"
import * as Commands from "../../src/internal/call/commandClient.ts"
import { Answering } from "../../src/internal/call/commandServer.ts"
import * as Typed from "../../src/internal/call/rpcClientCall.ts"
import { StreamCall } from "../../src/internal/call/rpcStreamCall.ts"
import { Budget } from "../../src/internal/session/budget.ts"
import { Mux } from "../../src/internal/session/mux.ts"
import { MuxStream } from "../../src/internal/session/muxStream.ts"
import { SessionStream } from "../../src/internal/session/sessionStream.ts"
import { Answering as StreamAnswering } from "../../src/internal/streams/answering.ts"
import { IncomingCall } from "../../src/internal/streams/serving.ts"

class Echo extends RpcGroup.make(
  Rpc.make("echo.now", { payload: { n: Schema.Int }, success: Schema.Int }),
  Rpc.make("echo.later", { payload: { n: Schema.Int }, success: Schema.Int })
) {}

const later = <A>(value: A) => Effect.as(Effect.yieldNow, value)

const handlers = Echo.toLayer({ "echo.now": ({ n }) => Effect.succeed(n), "echo.later": ({ n }) => later(n) })

interface Add {
  now(n: number): number
  plain(n: number): number
  later(n: number): number
}

interface Counted extends Started {
  /** Fibers that were started in it. */
  readonly fibers: () => number
  /** What counts them, for what is added to it. */
  readonly counting: Layer.Layer<never>
}

const counted = (network: Net, name: string, options: Partial<CommandNode.Options<any, never, any, never>>) =>
  Effect.gen(function*() {
    let fibers = 0
    const counting = Layer.succeed(Metric.FiberRuntimeMetrics, {
      recordFiberStart: () => void fibers++,
      recordFiberEnd: () => {}
    })
    const started = yield* startCommand(
      network,
      { ...options, name },
      { logger: Layer.mergeAll(Logger.layer([]), counting) }
    )
    return { ...started, fibers: () => fibers, counting } satisfies Counted
  })

const calls = 50

/** How many fibers `counted` starts for one call, on average. */
const perCall = (of: Counted, call: Effect.Effect<unknown, any>) =>
  Effect.gen(function*() {
    // The first makes the session.
    yield* call
    const before = of.fibers()
    for (let i = 0; i < calls; i++) yield* call
    return (of.fibers() - before) / calls
  })

const world = Effect.gen(function*() {
  const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0, link: { latency: 0 } })
  const spans: Array<Tracer.Span> = []
  const bob = yield* counted(network, "bob", {
    functions: {
      now: (_call, n: number) => Effect.succeed(n),
      plain: (_call, n: number) => n,
      later: (_call, n: number) => later(n),
      span: ({ span }) => {
        spans.push(span)
        return span.name
      }
    },
    streams: {
      now: () => "now",
      whole: ({ whole }) => whole,
      later: () => later("later")
    }
  })
  const alice = yield* counted(network, "alice", {})
  yield* alice.node.peers.awaitPeer("bob")
  return { alice, bob, spans, target: alice.node.target<Add & { span(): string }>("bob") }
})

/** Has bob serve the group, and gives a client of it. */
const typed = (alice: Node, bob: Counted) =>
  Effect.gen(function*() {
    const serving = CommandNode.serve(Echo).pipe(
      Layer.provide(handlers),
      Layer.provide([Layer.succeedContext(bob.process.context), bob.counting])
    )
    yield* bob.process.run(Layer.build(serving))
    return yield* alice.client(Echo, "bob")
  })

describe("the peer that is called starts no fiber", () => {
  it.effect("for a command that answers at once, and one for a command that waits", () =>
    quietly(Effect.gen(function*() {
      const { bob, target } = yield* world
      assert.isBelow(yield* perCall(bob, target.now(1)), 0.2)
      assert.isBelow(yield* perCall(bob, target.plain(1)), 0.2)
      assert.isAtLeast(yield* perCall(bob, target.later(1)), 1)
    })))

  it.effect("for a typed call that answers at once, and one for a typed call that waits", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* world
      const client = yield* typed(alice.node, bob)
      assert.isBelow(yield* perCall(bob, client["echo.now"]({ n: 1 })), 0.2)
      assert.isAtLeast(yield* perCall(bob, client["echo.later"]({ n: 1 })), 1)
    })))
})

describe("a call over bytes", () => {
  it.effect("starts no fiber at its peer where its answer is there at once, and one where it waits", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* world
      const { streams } = alice.node
      assert.strictEqual(text(yield* streams.request("bob", "whole", "as it is")), "as it is")
      assert.strictEqual(text(yield* streams.request("bob", "now", "")), "now")
      assert.isBelow(yield* perCall(bob, streams.request("bob", "now", "")), 0.2)
      assert.isBelow(yield* perCall(bob, streams.request("bob", "whole", "hello")), 0.2)
      assert.isAtLeast(yield* perCall(bob, streams.request("bob", "later", "")), 1)
    })))
})

describe("a span that nobody sees", () => {
  it.effect("is there for a function that asks for it, and ends with its call", () =>
    quietly(Effect.gen(function*() {
      const { spans, target } = yield* world
      assert.strictEqual(yield* target.span(), "span")
      assert.deepStrictEqual(spans.map(({ kind, status }) => [kind, status._tag]), [["server", "Ended"]])
    })))

  it.effect("is not made for a call: what its handler does belongs to the span around the call", () =>
    quietly(Effect.gen(function*() {
      const { spans, target } = yield* world
      const work = yield* Effect.withSpan(Effect.andThen(target.span(), Effect.currentSpan), "work")
      const parent = Option.getOrThrow(spans[0]!.parent)
      assert.deepStrictEqual([parent.traceId, parent.spanId], [work.traceId, work.spanId])
      assert.strictEqual(spans[0]!.traceId, work.traceId)
      yield* Effect.withSpan(Effect.withTracerEnabled(target.span(), false), "work")
      assert.isTrue(Option.isNone(spans[1]!.parent))
    })))

  it.effect("is not made where the tracer says that it is asleep, and is as soon as it says so no more", () => {
    const made: Array<string> = []
    const tracer = {
      asleep: true,
      span: (options: ConstructorParameters<typeof Tracer.NativeSpan>[0]) => {
        made.push(options.name)
        return new Tracer.NativeSpan(options)
      }
    }
    return quietly(Effect.gen(function*() {
      const { alice, bob, target } = yield* world
      const client = yield* typed(alice.node, bob)
      assert.isBelow(yield* perCall(bob, target.now(1)), 0.2)
      assert.isBelow(yield* perCall(bob, client["echo.now"]({ n: 1 })), 0.2)
      assert.deepStrictEqual(made.splice(0), ["pnet.session"])
      tracer.asleep = false
      yield* target.now(1)
      yield* client["echo.now"]({ n: 1 })
      // One at each side.
      assert.deepStrictEqual(made.map((name) => name.replace("call ", "")), ["now", "now", "echo.now", "echo.now"])
    })).pipe(Effect.provideService(Tracer.Tracer, tracer))
  })
})

describe("what calls are made of", () => {
  const ignored = () => {}

  it("is there while there are none, in one sample each, as a class that nobody has is forgotten with the code for it", () => {
    v8.setFlagsFromString("--allow-natives-syntax")
    const haveOneShape = new Function("a", "b", "return %HaveSameMap(a, b)") as (a: object, b: object) => boolean
    const mux = new Mux({
      chunkSize: 16_384,
      maxStreams: 8,
      budget: new Budget(1_048_576),
      onWork: ignored,
      onOpen: ignored,
      onPong: ignored,
      onGoAway: ignored,
      onClosed: ignored
    })
    const stream = mux.openStream({ protocol: "command", name: "add" }) as MuxStream
    stream.write(new Uint8Array(1))
    stream.end()
    const sampleOf = (kind: abstract new(...args: any) => object) => samples.find((one) => one instanceof kind)
    assert.isTrue(haveOneShape(sampleOf(MuxStream)!, stream))
    assert.isDefined(sampleOf(SessionStream))
    assert.isDefined(sampleOf(IncomingCall))
    assert.isDefined(sampleOf(StreamAnswering))
  })

  it.effect("and is kept by each client and server", () =>
    quietly(Effect.gen(function*() {
      const { alice, bob } = yield* world
      yield* typed(alice.node, bob)
      for (const kind of [Commands.Call, Answering, Typed.Call, StreamCall]) {
        assert.isTrue(kinds.has(kind), kind.name)
      }
    })))

  it.effect("keeps nothing of a node that has ended: not its functions, its clients, nor what it was sent", () =>
    Effect.gen(function*() {
      v8.setFlagsFromString("--expose-gc")
      const collect = runInNewContext("gc") as () => void
      const refs = new Map<string, WeakRef<object>>()
      const noted = <A extends object>(name: string, value: A): A => {
        refs.set(name, new WeakRef(value))
        return value
      }
      yield* quietly(Effect.gen(function*() {
        const network = noted("network", yield* SimNetwork.make({ seed: 1, traceCapacity: 0, link: { latency: 0 } }))
        const own = noted("state", new Uint8Array(1))
        const keep = (_: unknown, sent: object) => {
          noted("sent", sent)
          return own.length
        }
        const bob = yield* counted(network, "bob", { functions: { keep: noted("function", keep) } })
        const alice = yield* counted(network, "alice", {})
        yield* alice.node.peers.awaitPeer("bob")
        noted("node", bob.node)
        yield* alice.node.target<{ keep(sent: object): number }>("bob").keep(noted("argument", {}))
        const client = noted("client", yield* typed(alice.node, bob))
        yield* client["echo.now"]({ n: 1 })
        yield* client["echo.later"]({ n: 2 })
      }))
      const held = () => [...refs].flatMap(([name, ref]) => ref.deref() === undefined ? [] : [name])
      // What ran last holds what it was given until the next turn, or the one after it.
      for (let turns = 0; turns < 10 && held().length > 0; turns++) {
        yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
        collect()
      }
      assert.strictEqual(refs.size, 7)
      assert.deepStrictEqual(held(), [])
    }))
})

describe("what counts calls", () => {
  it("knows its series, whoever calls in turns", () => {
    const ended = (peer: string) => meterOf("in", "command", peer, "counted in turns").ended(1, 2, 3, "DeadlineError")
    const peers = ["alice", "bob"]
    peers.forEach(ended)
    // The name of a series is a JSON text of all its labels.
    const named = vi.spyOn(JSON, "stringify")
    for (let turn = 0; turn < 3; turn++) peers.forEach(ended)
    const times = named.mock.calls.length
    named.mockRestore()
    assert.strictEqual(times, 0)
  })
})
