/** Threads that read and write large files, where the platform has them, and what is said between them and this one. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Answer, LargeFile, pieceLength, pieces, type Question } from "./largeThread.ts"
import * as Threads from "./threads.ts"

/** The code of what it cannot do any more, since it has ended or could not begin. */
export const ended = "ENDED"

const over = (bytes: Uint8Array | undefined): Answer => ({
  code: ended,
  length: 0,
  direct: false,
  bytes,
  room: undefined,
  digest: undefined
})

/** One of them. */
export interface Thread {
  /** Asks for something, in the order in which it is asked, whoever waits for the answers. */
  readonly ask: (question: Question) => Effect.Effect<Answer>
}

const text = `const __name = (it) => it
const { parentPort } = process.getBuiltinModule("node:worker_threads")
const crypto = process.getBuiltinModule("node:crypto")
const hasPages = typeof WebAssembly === "object"
const memory = (length, shared) => {
  if (!hasPages) return new Uint8Array(shared ? new SharedArrayBuffer(length) : length)
  const pages = length / 65536
  return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages, shared }).buffer)
}
const file = new (${LargeFile.toString()})({
  fs: process.getBuiltinModule("node:fs"),
  hash: () => crypto.createHash("sha256"),
  memory,
  canDirect: process.platform === "linux" && hasPages,
  pieceLength: ${pieceLength},
  pieces: ${pieces}
})
parentPort.on("message", (question) => {
  const said = file.answer(question)
  parentPort.postMessage(said, said.bytes === undefined ? [] : [said.bytes.buffer])
})`

/** Starts one. */
export const start: Effect.Effect<Thread, never, Scope.Scope> | undefined = Threads.hasThreads
  ? Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const waiting: Array<(answer: Answer) => void> = []
        let isOver = false
        const end = () => {
          isOver = true
          for (const say of waiting.splice(0)) say(over(undefined))
        }
        const worker = Threads.begun(text, end)
        worker?.on("message", ((answer: Answer) => waiting.shift()?.(answer)) as (value: never) => void)
        const ask = (question: Question) =>
          Effect.callback<Answer>((resume) => {
            if (isOver || worker === undefined) return resume(Effect.succeed(over(undefined)))
            waiting.push((answer) => resume(Effect.succeed(answer)))
            worker.postMessage(question, "bytes" in question ? [question.bytes.buffer] : [])
          })
        return { worker, thread: { ask } satisfies Thread }
      }),
      ({ worker }) => worker === undefined ? Effect.void : Effect.promise(() => worker.terminate())
    ),
    ({ thread }) => thread
  )
  : undefined
