/**
 * Names that one holder on this machine has at a time, and that the system gives back when the holder's process ends, however it
 * ends. So nothing is ever left behind, and nothing has to be judged by its age.
 *
 * On Linux a name is an abstract socket, of which there is no file; containers see each other's only where they share the network.
 * On Windows it is a pipe. On macOS and the BSDs it is a file in the folder for temporary ones that is locked while it is open; the
 * file stays, the lock does not. Elsewhere there is nothing of the kind.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"

export type Held =
  /** It is this scope's until that closes. */
  | { readonly _tag: "Held" }
  /** Somebody has it: another process, or another scope of this one. */
  | { readonly _tag: "Taken" }
  /** The system gives no name, for this reason. */
  | { readonly _tag: "Unavailable"; readonly reason: string }

const held: Held = { _tag: "Held" }
const taken: Held = { _tag: "Taken" }

const unavailable = (cause: unknown): Held => ({
  _tag: "Unavailable",
  reason: cause instanceof Error ? cause.message : String(cause)
})

const codeOf = (cause: unknown): unknown => cause instanceof Error && "code" in cause ? cause.code : undefined

interface Attempt {
  readonly result: Held
  readonly release: Effect.Effect<void>
}

const without = (result: Held): Attempt => ({ result, release: Effect.void })

const listenOn = (path: string): Effect.Effect<Attempt> =>
  Effect.callback((resume) => {
    // Nobody has anything to say here.
    const server = Net.createServer((connection) => connection.destroy())
    server.once("error", (cause) =>
      resume(Effect.succeed(without(codeOf(cause) === "EADDRINUSE" ? taken : unavailable(cause)))))
    // A worker of Node's cluster would have it of its primary, together with all others.
    server.listen({ path, exclusive: true }, () => {
      // An error that comes later changes nothing, and is not to end the process.
      server.on("error", () => {})
      // Not a reason to stay.
      server.unref()
      resume(Effect.succeed({
        result: held,
        release: Effect.callback<void>((resume) => {
          server.close(() =>
            resume(Effect.void)
          )
        })
      }))
    })
  })

// Of <fcntl.h> of macOS and the BSDs, which Node does not name; libuv hands flags to the system as they are.
const O_NONBLOCK = 0x4
const O_EXLOCK = 0x20

const lockFile = (path: string): Effect.Effect<Attempt> =>
  Effect.callback((resume) => {
    // Anybody can put a link into the folder, which is not to lead to a file made elsewhere in the name of this user.
    const { O_CREAT, O_NOFOLLOW, O_RDWR } = Fs.constants
    Fs.open(path, O_CREAT | O_NOFOLLOW | O_RDWR | O_NONBLOCK | O_EXLOCK, 0o600, (cause, fd) => {
      if (cause !== null) {
        return resume(Effect.succeed(without(codeOf(cause) === "EAGAIN" ? taken : unavailable(cause))))
      }
      resume(Effect.succeed({
        result: held,
        release: Effect.callback<void>((resume) => Fs.close(fd, () => resume(Effect.void)))
      }))
    })
  })

const attempt = (name: string): Effect.Effect<Attempt> =>
  Effect.suspend(() => {
    switch (process.platform) {
      case "linux":
      case "android":
        return listenOn(`\0pnet-${name}`)
      case "win32":
        return listenOn(`\\\\.\\pipe\\pnet-${name}`)
      case "darwin":
      case "freebsd":
      case "netbsd":
      case "openbsd":
        return lockFile(`${Os.tmpdir()}/pnet-${name}.lock`)
      default:
        return Effect.succeed(without(unavailable(`there are no such locks on ${process.platform}`)))
    }
  })

/** Holds a name, of letters and digits and `-` and `_`, until the scope closes. */
export const hold = (name: string): Effect.Effect<Held, never, Scope.Scope> =>
  Effect.map(Effect.acquireRelease(attempt(name), ({ release }) => release), ({ result }) => result)
