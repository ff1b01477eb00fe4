/**
 * Worker processes, from their parent's side. A worker ends with the scope it was started in; and should the parent end
 * without closing that scope, the worker notices the closed channel, and the parent's exit kills it.
 *
 * What bites: where they are kept (`keep`), a worker is another's afterwards, warm, and with what that one left of its heap. That is for
 * tests, which look at what is measured and not at how much it is.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { anew, type Call, type Calls, type Request, type Response } from "./calls.ts"
import * as Conditions from "./conditions.ts"

/**
 * A call that a worker could not answer.
 */
export class WorkerError extends Schema.TaggedError<WorkerError>("@pnet/bench/WorkerError")("WorkerError", {
  worker: Schema.String,
  call: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.call} in the ${this.worker} process failed: ${this.detail}`
  }
}

/** A worker process. */
export interface Worker {
  readonly name: string
  /** Asks it for something, for at most 30 seconds and what `within` adds. */
  readonly call: <K extends Call>(
    call: K,
    payload: Calls[K]["payload"],
    within?: Duration.Input
  ) => Effect.Effect<Calls[K]["result"], WorkerError>
  /** Stops it where it is, until the scope closes. */
  readonly freeze: Effect.Effect<void, never, Scope.Scope>
}

// Tests have made one file of it, which starts sooner.
const file = () => process.env["PNET_BENCH_WORKER"] ?? fileURLToPath(new URL("./worker.ts", import.meta.url))

const alive = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL")
})

/** Those that wait for another scope, by what they were started as; undefined where none is kept. */
let kept: Map<string, Array<ChildProcess>> | undefined

/** Keeps workers whose scope has closed for others that would be started alike, until the scope closes. */
export const keep: Effect.Effect<void, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => void (kept = new Map())),
  () =>
    Effect.suspend(() => {
      const all = [...kept!.values()].flat()
      kept = undefined
      return Effect.forEach(all, stop, { concurrency: "unbounded", discard: true })
    })
)

/**
 * V8 has threads that help it to collect, and waits for those that have begun. On a core of its own a process would wait for them to have their turn on it, which makes
 * a millisecond of each collection.
 */
const alone = ["--no-parallel-scavenge"]

/** What starts a worker on a core of its own, or on any. */
export const commandOf = (
  core: number | undefined,
  program: string,
  flags: ReadonlyArray<string>
): ReadonlyArray<string> =>
  core === undefined
    ? [process.execPath, ...flags, program]
    : ["taskset", "-c", `${core}`, process.execPath, ...alone, ...flags, program]

const fork = ([first, ...args]: ReadonlyArray<string>): ChildProcess => {
  // What a worker prints is about the benchmark, not its result.
  const child = spawn(first!, args, { stdio: ["ignore", 2, 2, "ipc"] })
  alive.add(child)
  child.once("exit", () => alive.delete(child))
  return child
}

const stop = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    if (child.connected) child.disconnect()
  }).pipe(
    Effect.timeoutOption("2 seconds"),
    Effect.andThen(Effect.sync(() => void child.kill("SIGKILL")))
  )

const isThere = ({ connected, exitCode, signalCode }: ChildProcess) =>
  connected && exitCode === null && signalCode === null

/** One that is kept, or another. */
const take = (command: ReadonlyArray<string>): ChildProcess => {
  for (let child = kept?.get(command.join())?.pop(); child !== undefined; child = kept?.get(command.join())?.pop()) {
    if (isThere(child)) return child
  }
  return fork(command)
}

/** Keeps one when it has begun anew, or stops it. */
const leave = (command: ReadonlyArray<string>) => (child: ChildProcess): Effect.Effect<void> => {
  if (kept === undefined || !isThere(child)) return stop(child)
  const beganAnew = Effect.callback<boolean>((resume) => {
    for (const event of ["message", "error", "exit"]) child.removeAllListeners(event)
    child.on("error", () => {})
    child.once("exit", () => {
      alive.delete(child)
      resume(Effect.succeed(false))
    })
    child.on("message", ({ id, ok }: Response) => id === 0 && resume(Effect.succeed(ok)))
    child.send({ id: 0, call: anew, payload: null } satisfies Request)
  })
  return Effect.flatMap(Effect.timeoutOption(beganAnew, "5 seconds"), (began) => {
    child.removeAllListeners("message")
    if (kept === undefined || began._tag === "None" || !began.value) return stop(child)
    const name = command.join()
    kept.set(name, [...kept.get(name) ?? [], child])
    return Effect.void
  })
}

/** Starts a worker, on the core given or on any; of another file where one is named, which answers the same calls. */
export const start = (
  name: string,
  core?: number | undefined,
  program: string = file()
): Effect.Effect<Worker, never, Scope.Scope> =>
  Effect.gen(function*() {
    const flags = Conditions.flagsOf(yield* Conditions.Current)
    const command = commandOf(core, program, flags)
    const isOurs = program === file()
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => isOurs ? take(command) : fork(command)),
      isOurs ? leave(command) : stop
    )
    const open = new Map<number, (response: Response) => void>()
    let lastId = 0
    let ended: string | undefined
    const end = (how: string) => {
      ended ??= how
      for (const [id, respond] of open) respond({ id, ok: false, error: how })
    }
    child.on("message", (response: Response) => open.get(response.id)?.(response))
    child.once("error", (error) => end(`it could not be started: ${error.message}`))
    child.once("exit", (code, signal) => end(`it ended (${signal ?? `exit code ${code}`})`))
    const signal = (name: NodeJS.Signals) => Effect.sync(() => void child.kill(name))
    return {
      name,
      freeze: Effect.acquireRelease(signal("SIGSTOP"), () => signal("SIGCONT")),
      call: (call, payload, within = 0) =>
        Effect.callback<never, WorkerError>((resume) => {
          const id = ++lastId
          const fail = (detail: string) => resume(Effect.fail(new WorkerError({ worker: name, call, detail })))
          if (ended !== undefined) return fail(ended)
          open.set(id, (response) => {
            open.delete(id)
            if (response.ok) resume(Effect.succeed(response.result as never))
            else fail(response.error)
          })
          child.send({ id, call, payload } satisfies Request)
          return Effect.sync(() => open.delete(id))
        }).pipe(
          Effect.timeoutOrElse({
            duration: Duration.sum(Duration.seconds(30), Duration.fromInputUnsafe(within)),
            orElse: () => Effect.fail(new WorkerError({ worker: name, call, detail: "no answer in time" }))
          })
        )
    }
  })
