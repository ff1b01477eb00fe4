/**
 * Processes that a command of the shell has started and that left its group, as `setsid` does and what becomes a daemon: where the system says what is in the
 * environment of a process, as Linux does in /proc, they are known by a mark that is in that of the command.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Random from "effect/Random"

/** The variable with the mark. */
export const variable = "PNET_CALL"

/** A mark that no other call has. */
export const mark: Effect.Effect<string> = Effect.map(
  Effect.all([Random.nextIntBetween(0, 2 ** 32), Random.nextIntBetween(0, 2 ** 32)]),
  (parts) => `${process.pid}-${parts.map((part) => part.toString(36)).join("")}`
)

/** The processes of this user that have a mark. */
const marked = Effect.fnUntraced(function*(of: string) {
  const fs = yield* FileSystem.FileSystem
  const pids = (yield* Effect.orElseSucceed(fs.readDirectory("/proc"), () => [])).filter((name) => /^\d+$/.test(name))
  const line = `${variable}=${of}`
  return yield* Effect.filter(pids, (pid) =>
    fs.readFileString(`/proc/${pid}/environ`).pipe(
      Effect.map((text) => text.split("\0").includes(line)),
      // It is another user's, or has ended meanwhile.
      Effect.orElseSucceed(() => false)
    ), { concurrency: 16 })
})

const signal = (pids: ReadonlyArray<string>, name: "SIGTERM" | "SIGKILL") =>
  Effect.forEach(pids, (pid) => Effect.ignore(Effect.try(() => process.kill(Number(pid), name))), { discard: true })

const beat = "50 millis"
const beats = 40

/** Ends whatever has a mark: as it is asked to, and two seconds later in any case. */
export const end = Effect.fnUntraced(function*(of: string) {
  yield* signal(yield* marked(of), "SIGTERM")
  for (let i = 0; i < beats; i++) {
    if ((yield* marked(of)).length === 0) return
    yield* Effect.sleep(beat)
  }
  yield* signal(yield* marked(of), "SIGKILL")
})
