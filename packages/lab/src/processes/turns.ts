/** Programs that run one after another in one process (`inTurn.ts`), each as it would in one of its own, and what came of each. */
import { NodeServices } from "@effect/platform-node"
import { Deferred, Effect, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import { type Program, split } from "./turn.ts"

export interface Ended {
  readonly output: string
  readonly code: number
}

export interface Options {
  readonly cwd: string
  readonly env: Record<string, string | undefined>
  /** How long each may take; it is stopped before twice as long. */
  readonly seconds: number
}

const inTurn = fileURLToPath(new URL("inTurn.ts", import.meta.url))

/** What comes of each program, as it ends; and what runs them, which ends with the last. A program that ends the process has the rest run in another. */
export const make = (programs: ReadonlyArray<Program>, { cwd, env, seconds }: Options) => {
  const ended = programs.map(() => Deferred.makeUnsafe<Ended>())
  let at = 0
  const end = (output: string, code: number) => Deferred.doneUnsafe(ended[at++]!, Effect.succeed({ output, code }))

  /** Ends when a program takes too long. */
  const late = Effect.gen(function*() {
    for (let seen = -1; seen !== at;) {
      seen = at
      yield* Effect.sleep(`${seconds} seconds`)
    }
    return `it did not end within ${seconds} seconds`
  })

  const some = Effect.gen(function*() {
    const first = at
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const handle = yield* spawner.spawn(
      ChildProcess.make(process.execPath, [inTurn, JSON.stringify(programs.slice(at))], { cwd, env })
    )
    let text = ""
    const read = (more: string) => {
      text += more
      for (let next = split(text); next !== undefined; next = split(text)) {
        end(next.output, next.code)
        text = next.rest
      }
    }
    const run = handle.all.pipe(
      Stream.decodeText(),
      Stream.runForEach((more) => Effect.sync(() => read(more))),
      Effect.andThen(Effect.match(handle.exitCode, { onFailure: () => "it was killed", onSuccess: () => "" }))
    )
    const why = yield* Effect.raceFirst(run, late)
    // It says nothing more, or has said nothing of how it ended.
    if (at < programs.length && (at === first || why !== "")) end(text + why, -1)
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

  return {
    ended: ended.map((each) => Deferred.await(each)),
    run: Effect.whileLoop({ while: () => at < programs.length, body: () => some, step: () => {} })
  }
}
