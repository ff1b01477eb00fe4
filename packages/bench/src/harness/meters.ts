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
const gc = runInNewContext("gc") as (options: {
  readonly type: "major"
  readonly execution: "sync"
  readonly flavor: "last-resort" | "regular"
}) => void

/**
 * As V8 does where memory is short: else what is left lies on pages that are half free, which is neither held nor given back, but used by what
 * comes next, and is more or less of what came before by chance. Twice, with time between for what waits for the first to be let go.
 */
const collectAll = Effect.gen(function*() {
  gc({ type: "major", execution: "sync", flavor: "last-resort" })
  yield* Effect.sleep(50)
  gc({ type: "major", execution: "sync", flavor: "last-resort" })
})

const collectOnce = Effect.sync(() => gc({ type: "major", execution: "sync", flavor: "regular" }))

// The last resort is up to seven collections each time, and what was compiled is compiled anew behind it: tests, which look at
// what is measured and not at how much it is, do without.
const collectGarbage = process.env["PNET_BENCH_COLLECT"] === "once" ? collectOnce : collectAll

let gcMillis = 0
const count = (list: { readonly getEntries: () => ReadonlyArray<{ readonly duration: number }> }) => {
  for (const { duration } of list.getEntries()) gcMillis += duration
}
const collections = new PerformanceObserver(count)
collections.observe({ entryTypes: ["gc"] })

/**
 * What is resident, less V8's space for what lives shortly: which is the process's, of one size in the end whatever runs, and is given back
 * where all is collected, or is not, as V8 sees fit.
 */
const residentBytes = (): number => {
  const young = v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")
  return process.memoryUsage.rss() - (young?.physical_space_size ?? 0)
}

/** What is held, and what is used. */
export const usage: Handlers<"Memory" | "Usage"> = {
  Memory: () =>
    Effect.map(collectGarbage, () => {
      const { arrayBuffers, heapUsed } = process.memoryUsage()
      return { rssBytes: residentBytes(), heapBytes: heapUsed + arrayBuffers }
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
      if (watch !== undefined) watch.max = Math.max(watch.max, residentBytes())
    })
  )
  return {
    WatchStart: () =>
      Effect.gen(function*() {
        yield* collectGarbage
        const rssBytes = residentBytes()
        watch = { fiber: yield* Effect.forkIn(Effect.forever(look), scope), max: rssBytes }
        return { rssBytes }
      }),

    WatchStop: () =>
      Effect.gen(function*() {
        if (watch === undefined) return yield* Effect.die("WatchStop came before WatchStart")
        const { fiber, max } = watch
        watch = undefined
        yield* Fiber.interrupt(fiber)
        const maxBytes = Math.max(max, residentBytes())
        yield* collectGarbage
        return { maxBytes, rssBytes: residentBytes() }
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
