/** A process that is given orders as lines of JSON and answers them the same way, each by its number. It ends with the scope. */
import { Deferred, Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { tmpdir } from "node:os"
import { basename } from "node:path"
import { createInterface } from "node:readline"

export type Answer = Readonly<Record<string, unknown>>

export interface Child {
  readonly ask: (order: Record<string, unknown>) => Effect.Effect<Answer>
  /** The line that it says when it is ready. */
  readonly ready: Effect.Effect<Answer>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly exited: Effect.Effect<void>
}

/** A file in a process of Node. The first answer has the number 0. */
export const child = (
  file: string,
  environment: Record<string, string> = {}
): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.gen(function*() {
    const exited = Deferred.makeUnsafe<void>()
    const waiting = new Map<number, Deferred.Deferred<Answer>>()
    const wait = (id: number) => {
      const answer = Deferred.makeUnsafe<Answer>()
      waiting.set(id, answer)
      return answer
    }
    const first = wait(0)
    let next = 1
    const handle: ChildProcess = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const handle = spawn(process.execPath, [file], {
          // Compiled once for all programs that tests start: what is compiled under another flag is kept apart.
          env: { NODE_COMPILE_CACHE: `${tmpdir()}/pnet-compile-cache`, ...process.env, ...environment },
          stdio: ["pipe", "pipe", "inherit"]
        })
        const gone = () => {
          Deferred.doneUnsafe(exited, Effect.void)
          for (const answer of waiting.values()) {
            Deferred.doneUnsafe(answer, Effect.die(new Error(`${basename(file)} ended before it answered`)))
          }
        }
        handle.once("exit", gone)
        handle.once("error", gone)
        // To one that has just been killed; its exit is what tells.
        handle.stdin.on("error", () => {})
        createInterface({ input: handle.stdout }).on("line", (line) => {
          const { id, ...answer } = JSON.parse(line) as { readonly id: number; readonly failed?: string }
          const waiter = waiting.get(id)
          waiting.delete(id)
          if (waiter === undefined) return
          Deferred.doneUnsafe(
            waiter,
            answer.failed === undefined ? Effect.succeed(answer as Answer) : Effect.die(new Error(answer.failed))
          )
        })
        return handle
      }),
      (handle) => Effect.andThen(Effect.sync(() => handle.kill("SIGKILL")), Deferred.await(exited))
    )
    return {
      ask: (order) =>
        Effect.suspend(() => {
          const id = next++
          const answer = wait(id)
          handle.stdin!.write(`${JSON.stringify({ ...order, id })}\n`)
          return Deferred.await(answer)
        }),
      ready: Deferred.await(first),
      signal: (signal) => Effect.sync(() => void handle.kill(signal)),
      exited: Deferred.await(exited)
    }
  })
