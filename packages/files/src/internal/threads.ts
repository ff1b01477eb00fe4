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

/** One of them, which is asked for one thing at a time. */
export interface Thread {
  /** Asks for something; `undefined` where it has ended. */
  readonly ask: (question: Question) => Effect.Effect<Answer | undefined>
}

const module = builtIn("node:worker_threads") as
  | { readonly Worker?: new(text: string, options: { readonly eval: boolean }) => Worker }
  | undefined

// A tool that keeps names of functions wraps each in a call of a function of its own.
const text = `const __name = (it) => it
const { parentPort } = require("node:worker_threads")
const crypto = require("node:crypto")
const tools = (${toolsOf.toString()})({
  fs: require("node:fs"),
  sha256: (bytes) => crypto.createHash("sha256").update(bytes).digest()
})
const by = { look: (${lookBy.toString()})(tools), read: (${readBy.toString()})(tools), land: (${landBy.toString()})(tools) }
parentPort.on("message", (question) => {
  const said = by[question.kind](question)
  parentPort.postMessage(said, [said.bytes.buffer, said.digests.buffer])
})`

/** Starts one. */
export const start: Effect.Effect<Thread, never, Scope.Scope> | undefined = module?.Worker === undefined
  ? undefined
  : Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        let isOver = false
        let waits: ((answer: Answer | undefined) => void) | undefined
        const worker = new module.Worker!(text, { eval: true })
        const say = (answer: Answer | undefined) => {
          const say = waits
          waits = undefined
          say?.(answer)
        }
        const end = () => {
          isOver = true
          say(undefined)
        }
        worker.on("message", say as (value: never) => void)
        worker.on("error", end)
        worker.on("exit", end)
        // It holds up nobody's end.
        worker.unref()
        const ask = (question: Question) =>
          Effect.callback<Answer | undefined>((resume) => {
            if (isOver) return resume(Effect.succeed(undefined))
            waits = (answer) => resume(Effect.succeed(answer))
            worker.postMessage(question, "bytes" in question ? [question.bytes.buffer] : [])
          })
        return { worker, thread: { ask } satisfies Thread }
      }),
      ({ worker }) => Effect.promise(() => worker.terminate())
    ),
    ({ thread }) => thread
  )
