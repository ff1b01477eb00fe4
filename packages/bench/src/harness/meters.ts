/** What a worker measures of itself: its memory, its processor time, where that goes. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { writeFile } from "node:fs/promises"
import { Session } from "node:inspector/promises"
import { PerformanceObserver } from "node:perf_hooks"
import * as v8 from "node:v8"
import { runInNewContext } from "node:vm"
import type { Handlers } from "./calls.ts"

// So that workers need no flag to be started with.
v8.setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc") as () => void

/** Twice, with time between for what waits for the first to be let go. */
const collectGarbage = Effect.gen(function*() {
  gc()
  yield* Effect.sleep(50)
  gc()
})

let gcMillis = 0
const count = (list: { readonly getEntries: () => ReadonlyArray<{ readonly duration: number }> }) => {
  for (const { duration } of list.getEntries()) gcMillis += duration
}
const collections = new PerformanceObserver(count)
collections.observe({ entryTypes: ["gc"] })

/**
 * The space for what lives shortly grows as enough survives there, to three times 16 MiB by default. A megabyte that is held for a moment,
 * again and again, does that, and is gone before it is moved to where things stay.
 */
const growYoung = Effect.forEach(
  Array.from({ length: 1_000 }),
  () =>
    Effect.sync(() => Array.from({ length: 20_000 }, (_, value) => ({ value })).length).pipe(
      // Whoever asks for a sign of life in between has it.
      Effect.tap(Effect.sleep(0))
    ),
  { discard: true }
)

/** What is held, and what is used. */
export const usage: Handlers<"Grow" | "Memory" | "Usage"> = {
  Grow: () => Effect.as(growYoung, null),

  Memory: () =>
    Effect.map(collectGarbage, () => {
      const { arrayBuffers, heapUsed, rss } = process.memoryUsage()
      return { rssBytes: rss, heapBytes: heapUsed + arrayBuffers }
    }),

  Usage: () =>
    Effect.sync(() => {
      // What the observer was not told of yet.
      for (const { duration } of collections.takeRecords()) gcMillis += duration
      const { active, idle } = performance.eventLoopUtilization()
      const used = process.resourceUsage()
      return {
        rssBytes: process.memoryUsage.rss(),
        cpuMillis: (used.systemCPUTime + used.userCPUTime) / 1_000,
        gcMillis,
        idleMillis: idle,
        activeMillis: active,
        pageFaults: used.minorPageFault + used.majorPageFault,
        switches: used.voluntaryContextSwitches + used.involuntaryContextSwitches
      }
    })
}

/** The most that is held between two moments, looked for every ten milliseconds. */
export const makeWatch = (scope: Scope.Scope): Handlers<"WatchStart" | "WatchStop"> => {
  let watch: { readonly fiber: Fiber.Fiber<never>; max: number } | undefined
  const look = Effect.andThen(
    Effect.sleep(10),
    Effect.sync(() => {
      if (watch !== undefined) watch.max = Math.max(watch.max, process.memoryUsage.rss())
    })
  )
  return {
    WatchStart: () =>
      Effect.gen(function*() {
        yield* collectGarbage
        const rssBytes = process.memoryUsage.rss()
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
      })
  }
}

/** V8's profile of the processor time between two moments. */
export const makeProfiler = (): Handlers<"ProfileStart" | "ProfileStop"> => {
  let profiler: Session | undefined
  return {
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
      })
  }
}
