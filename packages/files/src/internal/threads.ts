/** Threads that read and write small files, where the platform has them, and what is said between them and this one. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Answer, landBy, lookBy, type Question, readBy, toolsOf } from "./batchThread.ts"
import { builtIn } from "./platform.ts"

interface Worker {
  readonly on: (event: string, listener: (value: never) => void) => unknown
  readonly postMessage: (value: unknown, transfer?: ReadonlyArray<unknown>) => void
  readonly terminate: () => Promise<unknown>
  readonly unref: () => void
}

/** The answer of one that never began: nothing of it was done. */
export const nothing: Answer = {
  done: new Uint8Array(0),
  numbers: new Float64Array(0),
  bytes: new Uint8Array(0),
  digests: new Uint8Array(0)
}

/** One of them, which is asked for one thing at a time. */
export interface Thread {
  /** Asks for something; `undefined` where it has ended, and `nothing` where it could not begin. */
  readonly ask: (question: Question) => Effect.Effect<Answer | undefined>
}

const module = builtIn("node:worker_threads") as
  | {
    readonly Worker?: new(
      text: string,
      options: { readonly eval: boolean; readonly execArgv: ReadonlyArray<string> }
    ) => Worker
  }
  | undefined

// A tool that keeps names of functions wraps each in a call of a function of its own. And one for browsers is not to find that this asks
// for modules of Node, which it does in threads of Node alone.
const text = `const __name = (it) => it
const { parentPort } = process.getBuiltinModule("node:worker_threads")
const crypto = process.getBuiltinModule("node:crypto")
const tools = (${toolsOf.toString()})({
  fs: process.getBuiltinModule("node:fs"),
  sha256: crypto.hash === undefined
    ? (bytes) => crypto.createHash("sha256").update(bytes).digest()
    : (bytes) => crypto.hash("sha256", bytes, "buffer"),
  now: () => performance.now(),
  flush: process.platform === "linux"
    ? (path) => process.getBuiltinModule("node:child_process").spawnSync("sync", ["-f", path], { stdio: "ignore", env: { PATH: "/usr/bin:/bin" } })
    : undefined
})
const by = { look: (${lookBy.toString()})(tools), read: (${readBy.toString()})(tools), land: (${landBy.toString()})(tools) }
parentPort.on("message", (question) => {
  const said = by[question.kind](question)
  parentPort.postMessage(said, [said.bytes.buffer, said.digests.buffer])
})`

/** Whether the platform has threads. */
export const hasThreads = module?.Worker !== undefined

/** One that has begun with a text, unless the process may have none, as by `--permission`. */
export const begun = (text: string, onEnd: () => void): Worker | undefined => {
  try {
    // With none of the options of the process: `--input-type` would have it read the text as another language.
    const worker = new module!.Worker!(text, { eval: true, execArgv: [] })
    worker.on("error", onEnd)
    worker.on("exit", onEnd)
    // It holds up nobody's end.
    worker.unref()
    return worker
  } catch {
    onEnd()
    return undefined
  }
}

/** Starts one. */
export const start: Effect.Effect<Thread, never, Scope.Scope> | undefined = !hasThreads
  ? undefined
  : Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        let over: Answer | undefined | false = false
        let hasBegun = false
        let waits: ((answer: Answer | undefined) => void) | undefined
        const say = (answer: Answer | undefined) => {
          const say = waits
          waits = undefined
          say?.(answer)
        }
        const end = () => {
          if (over === false) over = hasBegun ? undefined : nothing
          say(over)
        }
        const worker = begun(text, end)
        worker?.on("online", () => hasBegun = true)
        worker?.on("message", say as (value: never) => void)
        const ask = (question: Question) =>
          Effect.callback<Answer | undefined>((resume) => {
            if (over !== false || worker === undefined) return resume(Effect.succeed(over || undefined))
            waits = (answer) => resume(Effect.succeed(answer))
            worker.postMessage(question, "bytes" in question ? [question.bytes.buffer] : [])
          })
        return { worker, thread: { ask } satisfies Thread }
      }),
      ({ worker }) => worker === undefined ? Effect.void : Effect.promise(() => worker.terminate())
    ),
    ({ thread }) => thread
  )
