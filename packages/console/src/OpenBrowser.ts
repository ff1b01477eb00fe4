/**
 * Opens a link of the console in the browser of whoever runs the program.
 *
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"

/** The command of this system that opens a file as its user would. */
const openerOf = (file: string): readonly [string, ...ReadonlyArray<string>] => {
  switch (process.platform) {
    case "win32":
      return ["cmd", "/c", "start", "", file]
    case "darwin":
      return ["open", file]
    default:
      return ["xdg-open", file]
  }
}

const patience = Duration.seconds(10)

/**
 * Opens a link in the browser, and says whether there is one. It goes by a file in the folder, which is made in one that is there, that this user alone can read: other users see the words of commands,
 * and whoever opens the link first is let in. The file is gone when the scope closes.
 *
 * @category combinators
 * @since 0.2.0
 */
export const openBrowser = (
  link: string,
  folder: string
): Effect.Effect<boolean, never, FileSystem.FileSystem | Path.Path | ChildProcessSpawner | Scope.Scope> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const spawner = yield* ChildProcessSpawner
    // Where it is there, which is what is asked of whoever calls this, nothing is made.
    yield* Effect.ignore(fs.makeDirectory(folder, { mode: 0o700 }))
    const file = path.join(folder, `console-${process.pid}.html`)
    yield* Effect.acquireRelease(
      fs.writeFileString(
        file,
        `<!doctype html><meta charset=utf-8><meta http-equiv=refresh content="0;url=${link}"><a href="${link}">pnet</a>\n`,
        { mode: 0o600 }
      ),
      () => Effect.ignore(fs.remove(file))
    )
    const [command, ...args] = openerOf(file)
    const code = yield* spawner.exitCode(
      ChildProcess.make(command, args, { stdin: "ignore", stdout: "ignore", stderr: "ignore" })
    ).pipe(Effect.timeout(patience))
    return Number(code) === 0
  }).pipe(Effect.orElseSucceed(() => false))
