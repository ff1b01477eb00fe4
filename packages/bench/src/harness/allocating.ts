/**
 * What a worker allocates on its heap, by V8's sampling heap profiler, which estimates it from one byte in some ten thousand. What was collected
 * meanwhile counts, so it is what calls allocate and not what they leave behind. Memory outside the heap, as that of buffers, does not count.
 */
import * as Effect from "effect/Effect"
import { type HeapProfiler, Session } from "node:inspector/promises"
import type { Allocated, Handlers } from "./calls.ts"

// Small enough for some thousand samples of ten thousand calls, and large enough for what samples cost not to matter.
const interval = 32_768

const where = ({ functionName, lineNumber, url }: HeapProfiler.SamplingHeapProfileNode["callFrame"]) =>
  `${functionName === "" ? "(anonymous)" : functionName} ${url.slice(url.lastIndexOf("/") + 1)}:${lineNumber + 1}`

/** All that was allocated, and by which functions the most. */
const summed = (head: HeapProfiler.SamplingHeapProfileNode, top: number): Allocated => {
  const by = new Map<string, number>()
  let bytes = 0
  const left = [head]
  for (let node = left.pop(); node !== undefined; node = left.pop()) {
    bytes += node.selfSize
    const name = where(node.callFrame)
    by.set(name, (by.get(name) ?? 0) + node.selfSize)
    left.push(...node.children)
  }
  return {
    bytes,
    top: [...by].sort(([, a], [, b]) => b - a).slice(0, top).map(([name, bytes]) => ({ name, bytes }))
  }
}

/** V8's sampling heap profiler between two moments. */
export const makeSampler = (): Handlers<"AllocationsStart" | "AllocationsStop"> => {
  let sampling: Session | undefined
  return {
    AllocationsStart: () =>
      Effect.gen(function*() {
        const session = new Session()
        session.connect()
        sampling = session
        yield* Effect.promise(() =>
          session.post("HeapProfiler.startSampling", {
            samplingInterval: interval,
            includeObjectsCollectedByMajorGC: true,
            includeObjectsCollectedByMinorGC: true
          })
        )
        return null
      }),

    AllocationsStop: ({ top }) =>
      Effect.gen(function*() {
        const session = sampling
        if (session === undefined) return yield* Effect.die("AllocationsStop came before AllocationsStart")
        const { profile } = yield* Effect.promise(() => session.post("HeapProfiler.stopSampling"))
        session.disconnect()
        return summed(profile.head, top)
      })
  }
}
