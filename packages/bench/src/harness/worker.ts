/**
 * The program of a worker process: answers the calls of its parent, one side of a benchmark each. It ends when its parent
 * does, because its IPC channel then closes.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Allocating from "./allocating.ts"
import { anew, type Handlers, type Request, type Response } from "./calls.ts"
import * as Gathering from "./gathering.ts"
import * as Listening from "./listening.ts"
import * as Meeting from "./meeting.ts"
import * as Meters from "./meters.ts"
import * as Neighbouring from "./neighbouring.ts"
import * as Sides from "./sides.ts"
import * as Speaking from "./speaking.ts"
import * as Tailing from "./tailing.ts"
import * as ToMany from "./toMany.ts"

const message = (bytes: number) => new Uint8Array(bytes).fill(7)

/** One side of a subject, and what is measured from the side that asks. */
const makeSubject = (
  platform: Sides.Platform
): Handlers<"Serve" | "Connect" | "Measure" | "Calls" | "Transfer" | "SendFiles"> => {
  let asking: Sides.Asking = { crypto: "none" }
  return {
    Serve: ({ subject }) => Sides.serve(platform, subject),

    Connect: ({ port, subject }) =>
      Effect.map(Sides.connect(platform, subject, port), (side) => {
        asking = side
        return { crypto: side.crypto }
      }),

    Measure: ({ atOnce, bytes, seconds }) =>
      Effect.gen(function*() {
        if (asking.measure === undefined) return yield* Effect.die("nothing to Measure is connected")
        const samples = yield* asking.measure({ message: message(bytes), atOnce, seconds })
        return { messages: samples.size, p50: samples.percentile(0.5), p99: samples.percentile(0.99) }
      }),

    Calls: ({ atOnce, bytes, count }) =>
      Effect.gen(function*() {
        if (asking.call === undefined) return yield* Effect.die("nothing for Calls is connected")
        const call = asking.call(message(bytes))
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

    SendFiles: ({ how, path }) =>
      Effect.gen(function*() {
        if (asking.send === undefined) return yield* Effect.die("nothing for SendFiles is connected")
        const start = performance.now()
        const files = yield* asking.send[how](path)
        return { millis: performance.now() - start, files }
      })
  }
}

const handlers = Effect.map(Sides.makePlatform, (platform): Handlers => ({
  ...makeSubject(platform),
  ...Meters.usage,
  ...Meters.makeWatch(platform.scope),
  ...Meters.makeProfiler(),
  ...Neighbouring.makeNeighbour(platform.scope),
  ...Allocating.makeSampler(),
  ...Tailing.makeWatcher(platform.scope),
  ...Meeting.makeHost(platform),
  ...Meeting.makeGuest(platform),
  ...Gathering.makeHub(platform),
  ...Gathering.makeCrowd(platform),
  ...Listening.makeListener(platform),
  ...Speaking.makeSpeakers(platform),
  ...ToMany.makePublisher(platform),
  ...ToMany.makeSubscribers(platform)
}))

const send = (response: Response) => Effect.sync(() => void process.send?.(response))

const program = Effect.gen(function*() {
  const begin = Effect.gen(function*() {
    const scope = yield* Scope.make()
    return { scope, table: yield* Scope.provide(handlers, scope) }
  })
  let now = yield* begin
  const beginAnew = Effect.gen(function*() {
    yield* Scope.close(now.scope, Exit.void)
    now = yield* begin
    return null
  })
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  process.on("message", ({ call, id, payload }: Request) => {
    const handler = (call === anew ? () => beginAnew : now.table[call]) as (
      payload: unknown
    ) => Effect.Effect<unknown, unknown>
    runFork(Effect.flatMap(Effect.exit(handler(payload)), (exit) =>
      send(
        Exit.isSuccess(exit)
          ? { id, ok: true, result: exit.value }
          : { id, ok: false, error: Cause.pretty(exit.cause) }
      )))
  })
  return yield* Effect.never
}).pipe(Effect.provideService(References.MinimumLogLevel, "Warn"))

// Nothing is worth waiting for: whatever this process held was its own.
process.once("disconnect", () => process.exit(0))
NodeRuntime.runMain(program)
