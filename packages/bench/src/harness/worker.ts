/**
 * The program of a worker process: answers the calls of its parent, one side of a benchmark each. It ends when its parent
 * does, because its IPC channel then closes.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type * as AdvancedNode from "@pnet/core/AdvancedNode"
import * as BasicNode from "@pnet/core/BasicNode"
import { Crypto } from "@pnet/core/Crypto"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { writeFile } from "node:fs/promises"
import { Session } from "node:inspector/promises"
import type { Server } from "node:net"
import * as v8 from "node:v8"
import { runInNewContext } from "node:vm"
import * as Bulk from "./bulk.ts"
import type { Call, Calls, Request, Response, Subject } from "./calls.ts"
import * as Commands from "./commands.ts"
import * as Crowd from "./crowd.ts"
import * as Echo from "./echo.ts"
import * as Nodes from "./nodes.ts"
import type { Samples } from "./samples.ts"
import * as Typed from "./typed.ts"

const peerName = "server"

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

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
  const scope = yield* Effect.scope
  const contexts = new Map<Nodes.Cryptography, Context.Context<Layer.Success<ReturnType<typeof Nodes.platform>>>>()
  const platform = (cryptography: Nodes.Cryptography) =>
    Effect.gen(function*() {
      const context = contexts.get(cryptography) ??
        (yield* Layer.buildWithScope(Nodes.platform(cryptography), scope))
      contexts.set(cryptography, context)
      return context
    })

  const keyOf = (secret: string) =>
    Effect.map(platform("native"), (context) => ({
      crypto: Context.get(context, Crypto),
      key: Redacted.make(new Uint8Array(Buffer.from(secret, "hex")))
    }))

  const sealingOf = (subject: Extract<Subject, { _tag: "Echo" }>) =>
    Effect.gen(function*() {
      if (subject.sealing === null) return undefined
      return { kind: subject.sealing.kind, ...yield* keyOf(subject.sealing.secret) }
    })

  const nodeOf = <A, E>(
    subject: { readonly cryptography: Nodes.Cryptography },
    start: Effect.Effect<A, E, Layer.Success<ReturnType<typeof Nodes.platform>> | Scope.Scope>
  ) =>
    Effect.gen(function*() {
      const context = yield* platform(subject.cryptography)
      const node = yield* start.pipe(Effect.provideContext(context), Scope.provide(scope))
      return { node, crypto: Context.get(context, Crypto).name }
    })

  type Measure = (
    options: { readonly message: Uint8Array; readonly atOnce: number; readonly seconds: number }
  ) => Effect.Effect<Samples, unknown>
  let measure: Measure | undefined
  let calls: ((message: Uint8Array) => Effect.Effect<unknown, unknown>) | undefined
  let transfer:
    | ((options: { readonly bytes: number; readonly streams: number }) => Effect.Effect<void, unknown>)
    | undefined
  let watch: { readonly fiber: Fiber.Fiber<never>; max: number } | undefined
  let hub: AdvancedNode.AdvancedNode["Service"] | undefined
  let members = 0
  let crowd: ReadonlyArray<Effect.Effect<void, unknown>> = []
  let profiler: Session | undefined
  let meeting: Scope.Closeable | undefined
  const joined = new Map<string, number>()

  const table: Handlers = {
    Serve: ({ subject }) =>
      Effect.gen(function*() {
        if (subject._tag === "Node") {
          const { crypto } = yield* nodeOf(subject, Nodes.echo(peerName, subject.network))
          return { port: 0, crypto }
        }
        if (subject._tag === "Advanced") {
          const { crypto } = yield* nodeOf(subject, Nodes.advanced(peerName, subject.network, subject.framing))
          return { port: 0, crypto }
        }
        if (subject._tag === "Typed") {
          const { network } = subject
          if (network === null) {
            const port = yield* Typed.serveTcp.pipe(Effect.withTracerEnabled(subject.tracing), Scope.provide(scope))
            return { port, crypto: "none" }
          }
          const { crypto } = yield* nodeOf(
            subject,
            Effect.withTracerEnabled(Typed.servePeer(peerName, network), subject.tracing)
          )
          return { port: 0, crypto }
        }
        if (subject._tag === "Command") {
          const { crypto } = yield* nodeOf(
            subject,
            Effect.withTracerEnabled(Commands.serve(peerName, subject.network), subject.tracing)
          )
          return { port: 0, crypto }
        }
        if (subject._tag === "Bulk") {
          const sealing = subject.secret === null ? undefined : yield* keyOf(subject.secret)
          const server = yield* Effect.promise(() => Bulk.serve(sealing))
          return { port: portOf(server), crypto: sealing?.crypto.name ?? "none" }
        }
        const sealing = yield* sealingOf(subject)
        const server = yield* Effect.promise(() => Echo.serve({ batched: subject.batched, sealing }))
        return { port: portOf(server), crypto: sealing?.crypto.name ?? "none" }
      }),

    Connect: ({ port, subject }) =>
      Effect.gen(function*() {
        if (subject._tag === "Node") {
          const { crypto, node } = yield* nodeOf(
            subject,
            BasicNode.make(Nodes.options("client", subject.network))
          )
          yield* node.peers.awaitPeer(peerName)
          measure = (options) => Nodes.measure((message) => node.send(peerName, message), options)
          return { crypto }
        }
        if (subject._tag === "Advanced") {
          const { crypto, node } = yield* nodeOf(subject, Nodes.advanced("client", subject.network, subject.framing))
          yield* node.peers.awaitPeer(peerName)
          measure = (options) => Nodes.measure((message) => node.request(peerName, subject.command, message), options)
          calls = (message) => node.request(peerName, subject.command, message)
          transfer = (options) => Nodes.transfer(node, peerName, options)
          return { crypto }
        }
        if (subject._tag === "Typed") {
          const { network } = subject
          const { crypto, node: client } = network === null
            ? { crypto: "none", node: yield* Scope.provide(Typed.connectTcp(port), scope) }
            : yield* nodeOf(subject, Typed.connectPeer("client", network, peerName))
          const ask = Typed.ask(client)
          measure = (options) => Effect.withTracerEnabled(Nodes.measure(ask, options), subject.tracing)
          transfer = (options) => Effect.withTracerEnabled(Typed.receive(client, options), subject.tracing)
          return { crypto }
        }
        if (subject._tag === "Command") {
          const { crypto, node: ask } = yield* nodeOf(
            subject,
            Commands.connect("client", subject.network, peerName)
          )
          measure = (options) => Effect.withTracerEnabled(Nodes.measure(ask, options), subject.tracing)
          return { crypto }
        }
        if (subject._tag === "Bulk") {
          const sealing = subject.secret === null ? undefined : yield* keyOf(subject.secret)
          transfer = ({ bytes }) => Effect.promise(() => Bulk.transfer(port, bytes, sealing))
          return { crypto: sealing?.crypto.name ?? "none" }
        }
        const sealing = yield* sealingOf(subject)
        const client = yield* Effect.promise(() => Echo.connect(port, { batched: subject.batched, sealing }))
        measure = (options) => Effect.promise(() => client.measure(options))
        return { crypto: sealing?.crypto.name ?? "none" }
      }),

    Measure: ({ atOnce, bytes, seconds }) =>
      Effect.gen(function*() {
        if (measure === undefined) return yield* Effect.die("Measure came before Connect")
        const samples = yield* measure({ message: new Uint8Array(bytes).fill(7), atOnce, seconds })
        return { messages: samples.size, p50: samples.percentile(0.5), p99: samples.percentile(0.99) }
      }),

    Calls: ({ atOnce, bytes, count }) =>
      Effect.gen(function*() {
        if (calls === undefined) return yield* Effect.die("Calls came before Connect")
        const call = calls(new Uint8Array(bytes).fill(7))
        let left = count
        const asker = Effect.whileLoop({ while: () => left-- > 0, body: () => call, step: () => {} })
        yield* Effect.forEach(Array.from({ length: atOnce }), () => asker, { concurrency: "unbounded", discard: true })
        return null
      }),

    Transfer: (options) =>
      Effect.gen(function*() {
        if (transfer === undefined) return yield* Effect.die("Transfer came before Connect")
        const start = performance.now()
        yield* transfer(options)
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
        const context = yield* platform(cryptography)
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
        const context = yield* platform(cryptography)
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
        const { node } = yield* nodeOf({ cryptography }, Nodes.advanced(peerName, network, "binary"))
        hub = node
        return { publicKey: node.publicKey, port: node.endpoint.port }
      }),

    HubSessions: () =>
      Effect.suspend(() => hub === undefined ? Effect.die("HubSessions came before Hub") : hub.sessions.all).pipe(
        Effect.map((all) => all.length)
      ),

    Crowd: ({ cryptography, hub, network, size }) =>
      Effect.gen(function*() {
        const context = yield* platform(cryptography)
        crowd = yield* Effect.forEach(Array.from({ length: size }, () => `member${++members}`), (name) =>
          Crowd.member(name, network, { name: peerName, ...hub }).pipe(
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
