/**
 * The program of a worker process: answers the calls of its parent, one side of a benchmark each. It ends when its parent
 * does, because its IPC channel then closes.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type * as AdvancedNode from "@pnet/core/AdvancedNode"
import * as BasicNode from "@pnet/core/BasicNode"
import * as Crowd from "@pnet/lab/crowd/crowd"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { writeFile } from "node:fs/promises"
import { Session } from "node:inspector/promises"
import * as v8 from "node:v8"
import { runInNewContext } from "node:vm"
import type { Call, Calls, Request, Response } from "./calls.ts"
import * as Nodes from "./nodes.ts"
import * as Sides from "./sides.ts"

// So that workers need no flag to be started with.
v8.setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc") as () => void

/** Twice, with time between for what waits for the first to be let go. */
const collectGarbage = Effect.gen(function*() {
  gc()
  yield* Effect.sleep(50)
  gc()
})

/** One clock for all processes: the system's monotonic one, in milliseconds. */
const instant = () => Number(process.hrtime.bigint()) / 1e6

type Handlers = {
  readonly [K in Call]: (payload: Calls[K]["payload"]) => Effect.Effect<Calls[K]["result"], unknown>
}

const handlers = Effect.gen(function*() {
  const platform = yield* Sides.makePlatform
  const { contextOf, scope } = platform
  let asking: Sides.Asking = { crypto: "none" }
  let watch: { readonly fiber: Fiber.Fiber<never>; max: number } | undefined
  let hub: AdvancedNode.AdvancedNode["Service"] | undefined
  let members = 0
  let crowd: ReadonlyArray<Effect.Effect<void, unknown>> = []
  let profiler: Session | undefined
  let meeting: Scope.Closeable | undefined
  const joined = new Map<string, number>()

  const table: Handlers = {
    Serve: ({ subject }) => Sides.serve(platform, subject),

    Connect: ({ port, subject }) =>
      Effect.map(Sides.connect(platform, subject, port), (side) => {
        asking = side
        return { crypto: side.crypto }
      }),

    Measure: ({ atOnce, bytes, seconds }) =>
      Effect.gen(function*() {
        if (asking.measure === undefined) return yield* Effect.die("nothing to Measure is connected")
        const samples = yield* asking.measure({ message: new Uint8Array(bytes).fill(7), atOnce, seconds })
        return { messages: samples.size, p50: samples.percentile(0.5), p99: samples.percentile(0.99) }
      }),

    Calls: ({ atOnce, bytes, count }) =>
      Effect.gen(function*() {
        if (asking.call === undefined) return yield* Effect.die("nothing for Calls is connected")
        const call = asking.call(new Uint8Array(bytes).fill(7))
        let left = count
        const asker = Effect.whileLoop({ while: () => left-- > 0, body: () => call, step: () => {} })
        yield* Effect.forEach(Array.from({ length: atOnce }), () => asker, { concurrency: "unbounded", discard: true })
        return null
      }),

    Transfer: (options) =>
      Effect.gen(function*() {
        if (asking.transfer === undefined) return yield* Effect.die("nothing to Transfer to is connected")
        const start = performance.now()
        yield* asking.transfer(options)
        return { millis: performance.now() - start }
      }),

    Memory: () =>
      Effect.map(collectGarbage, () => {
        const { arrayBuffers, heapUsed, rss } = process.memoryUsage()
        return { rssBytes: rss, heapBytes: heapUsed + arrayBuffers }
      }),

    WatchStart: () =>
      Effect.gen(function*() {
        yield* collectGarbage
        const rssBytes = process.memoryUsage.rss()
        const look = Effect.andThen(
          Effect.sleep(10),
          Effect.sync(() => {
            if (watch !== undefined) watch.max = Math.max(watch.max, process.memoryUsage.rss())
          })
        )
        watch = { fiber: yield* Effect.forkIn(Effect.forever(look), scope), max: rssBytes }
        return { rssBytes }
      }),

    WatchStop: () =>
      Effect.gen(function*() {
        if (watch === undefined) return yield* Effect.die("WatchStop came before WatchStart")
        const { fiber, max } = watch
        watch = undefined
        yield* Fiber.interrupt(fiber)
        const maxBytes = Math.max(max, process.memoryUsage.rss())
        yield* collectGarbage
        return { maxBytes, rssBytes: process.memoryUsage.rss() }
      }),

    Usage: () =>
      Effect.sync(() => {
        const { system, user } = process.cpuUsage()
        return { rssBytes: process.memoryUsage.rss(), cpuMillis: (system + user) / 1_000 }
      }),

    ProfileStart: () =>
      Effect.gen(function*() {
        const session = new Session()
        session.connect()
        profiler = session
        yield* Effect.promise(() => session.post("Profiler.enable"))
        yield* Effect.promise(() => session.post("Profiler.setSamplingInterval", { interval: 200 }))
        yield* Effect.promise(() => session.post("Profiler.start"))
        return null
      }),

    ProfileStop: ({ file }) =>
      Effect.gen(function*() {
        const session = profiler
        if (session === undefined) return yield* Effect.die("ProfileStop came before ProfileStart")
        const { profile } = yield* Effect.promise(() => session.post("Profiler.stop"))
        session.disconnect()
        yield* Effect.promise(() => writeFile(file, JSON.stringify(profile)))
        return null
      }),

    Host: ({ cryptography, name, network }) =>
      Effect.gen(function*() {
        const context = yield* contextOf(cryptography)
        const node = yield* BasicNode.make(Nodes.options(name, network)).pipe(
          Effect.provideContext(context),
          Scope.provide(scope)
        )
        yield* node.peers.changes.pipe(
          Stream.runForEach((event) =>
            Effect.sync(() => {
              if (event._tag === "Joined") joined.set(event.peer.name, instant())
            })
          ),
          Effect.forkIn(scope, { startImmediately: true })
        )
        return null
      }),

    JoinedAt: ({ name }) =>
      Effect.gen(function*() {
        while (true) {
          const at = joined.get(name)
          if (at !== undefined) return at
          yield* Effect.sleep(5)
        }
      }).pipe(Effect.timeout("10 seconds")),

    Meet: ({ cryptography, host, name, network }) =>
      Effect.gen(function*() {
        const context = yield* contextOf(cryptography)
        const nodeScope = yield* Scope.make()
        meeting = nodeScope
        const started = instant()
        const node = yield* BasicNode.make(Nodes.options(name, network)).pipe(
          Effect.provideContext(context),
          Scope.provide(nodeScope)
        )
        const built = instant()
        yield* node.peers.awaitPeer(host)
        return { started, built, knows: instant() }
      }),

    Part: () =>
      Effect.suspend(() => meeting === undefined ? Effect.void : Scope.close(meeting, Exit.void)).pipe(Effect.as(null)),

    Hub: ({ cryptography, network }) =>
      Effect.gen(function*() {
        const { node } = yield* platform.start(cryptography, Nodes.advanced(Sides.peerName, network, "binary"))
        hub = node
        return { publicKey: node.publicKey, port: node.endpoint.port }
      }),

    HubSessions: () =>
      Effect.suspend(() => hub === undefined ? Effect.die("HubSessions came before Hub") : hub.sessions.all).pipe(
        Effect.map((all) => all.length)
      ),

    Crowd: ({ cryptography, hub, network, size }) =>
      Effect.gen(function*() {
        const context = yield* contextOf(cryptography)
        crowd = yield* Effect.forEach(Array.from({ length: size }, () => `member${++members}`), (name) =>
          Crowd.member(Nodes.options(name, network), { name: Sides.peerName, ...hub }).pipe(
            Effect.provideContext(context),
            Scope.provide(scope)
          ))
        return null
      }),

    Gather: () => Effect.as(Effect.forEach(crowd, (call) => call, { concurrency: 8, discard: true }), null)
  }
  return table
})

const send = (response: Response) => Effect.sync(() => void process.send?.(response))

const program = Effect.gen(function*() {
  const table = yield* handlers
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  process.on("message", ({ call, id, payload }: Request) => {
    const handler = table[call] as (payload: unknown) => Effect.Effect<unknown, unknown>
    runFork(Effect.flatMap(Effect.exit(handler(payload)), (exit) =>
      send(
        Exit.isSuccess(exit)
          ? { id, ok: true, result: exit.value }
          : { id, ok: false, error: Cause.pretty(exit.cause) }
      )))
  })
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "Warn"))

// Nothing is worth waiting for: whatever this process held was its own.
process.once("disconnect", () => process.exit(0))
NodeRuntime.runMain(program)
