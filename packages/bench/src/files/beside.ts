/** What files are sent by elsewhere, over loopback too: `rsync` to its daemon, and `scp` to a server of its own, each with a configuration of its own. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createConnection } from "node:net"
import { userInfo } from "node:os"
import { join } from "node:path"
import { execute } from "../peers/installing.ts"
import { freePort } from "../peers/obtaining.ts"
import * as Programs from "./programs.ts"

/** One of the others, the fastest of its rounds. */
export const Cell = Schema.Struct({
  title: Schema.String,
  note: Schema.String,
  mibPerSecond: Schema.NullOr(Schema.Number),
  filesPerSecond: Schema.NullOr(Schema.Number)
})

/** One that could not be had. */
export const LeftOut = Schema.Struct({ title: Schema.String, reason: Schema.String })

/** One round of one of them. */
export type Round = typeof Cell.Type

/** One that runs. */
export interface Other {
  readonly title: string
  readonly note: string
  readonly send: (path: string) => Effect.Effect<{ readonly out: string } | { readonly reason: string }>
}

interface Sizes {
  readonly mib: number
  readonly files: number
  readonly into?: string | undefined
}

type Found = Other | { readonly reason: string }

const serving = (program: Programs.Program, args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => spawn(program.path, args, { env: program.env, stdio: "ignore" })),
    (child) => Effect.sync(() => void child.kill())
  )

/** Waits until somebody listens there. */
const listening = (port: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = createConnection(port, "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
  })

const awaited = (port: number): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    for (let tries = 0; tries < 100; tries++) {
      if (yield* listening(port)) return true
      yield* Effect.sleep("50 millis")
    }
    return false
  })

const quiet = { reason: "its server does not listen" }

const rsync = (folder: string, into: string | undefined): Effect.Effect<Found, never, Scope.Scope> =>
  Effect.gen(function*() {
    const program = yield* Programs.find("rsync", ["rsync", "libpopt0"], into)
    if ("reason" in program) return program
    const port = yield* freePort
    const config = join(folder, "rsyncd.conf")
    const owner = process.getuid?.() === 0 ? ["uid = 0", "gid = 0"] : []
    const lines = [
      "use chroot = no",
      "address = 127.0.0.1",
      `port = ${port}`,
      ...owner,
      "[in]",
      `path = ${join(folder, "in")}`,
      "read only = no"
    ]
    writeFileSync(config, `${lines.join("\n")}\n`)
    yield* serving(program, ["--daemon", "--no-detach", `--config=${config}`])
    if (!(yield* awaited(port))) return quiet
    return {
      title: "rsync",
      note: "by its daemon, in clear; nothing is synced or read back",
      send: (path) =>
        execute(
          "env",
          [
            `LD_LIBRARY_PATH=${program.env["LD_LIBRARY_PATH"] ?? ""}`,
            program.path,
            "-a",
            "-W",
            path,
            `rsync://127.0.0.1:${port}/in/`
          ],
          folder
        )
    }
  })

/**
 * What root runs the server with: it wants an account and a folder of its own, which a namespace for mounts gives it without anything of the system's
 * being changed.
 */
const asRoot = (own: string): string => {
  const accounts = readFileSync("/etc/passwd", "utf8")
  writeFileSync(join(own, "passwd"), `${accounts}sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n`)
  const mount = `mount --bind '${join(own, "passwd")}' /etc/passwd && mount -t tmpfs none /run && mkdir /run/sshd`
  return `${mount} && exec "$@"`
}

const scp = (folder: string, into: string | undefined): Effect.Effect<Found, never, Scope.Scope> =>
  Effect.gen(function*() {
    const program = yield* Programs.find("sshd", ["openssh-server", "openssh-sftp-server", "libwrap0"], into)
    if ("reason" in program) return program
    const port = yield* freePort
    const own = join(folder, "ssh")
    const isRoot = process.getuid?.() === 0
    mkdirSync(own)
    for (const name of ["host", "client"]) {
      const made = yield* execute("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(own, name)], own)
      if ("reason" in made) return made
    }
    const config = [
      "ListenAddress 127.0.0.1",
      `Port ${port}`,
      `HostKey ${join(own, "host")}`,
      `AuthorizedKeysFile ${join(own, "client.pub")}`,
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "PermitRootLogin prohibit-password",
      "ForceCommand internal-sftp",
      "Subsystem sftp internal-sftp"
    ]
    writeFileSync(join(own, "config"), `${config.join("\n")}\n`)
    const args = ["-D", "-f", join(own, "config")]
    yield* isRoot
      ? serving({ ...program, path: "unshare" }, ["-m", "sh", "-c", asRoot(own), "sh", program.path, ...args])
      : serving(program, args)
    if (!(yield* awaited(port))) return quiet
    const user = userInfo().username
    const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
    return {
      title: "scp",
      note: "over SSH; nothing is synced or read back",
      send: (path) =>
        execute("scp", [
          "-sqr",
          "-F",
          "none",
          "-i",
          join(own, "client"),
          "-P",
          `${port}`,
          ...options.flatMap((option) => ["-o", option]),
          path,
          `${user}@127.0.0.1:${join(folder, "in")}/`
        ], folder)
    }
  })

/** Starts what can be had. */
export const start = (folder: string, { into }: Sizes) =>
  Effect.gen(function*() {
    const found: Array<Other> = []
    const leftOut: Array<typeof LeftOut.Type> = []
    for (const [title, make] of [["rsync", rsync], ["scp", scp]] as const) {
      const one = yield* make(folder, into)
      if ("reason" in one) leftOut.push({ title, reason: one.reason })
      else found.push(one)
    }
    return { found, leftOut }
  })

const timed = (other: Other, path: string) =>
  Effect.gen(function*() {
    const start = performance.now()
    const done = yield* other.send(path)
    if ("reason" in done) return yield* Effect.die(new Error(`${other.title}: ${done.reason}`))
    return (performance.now() - start) / 1_000
  })

/** One round of one of them. */
export const measure = (other: Other, folder: string, { files, mib }: Sizes): Effect.Effect<Round> =>
  Effect.gen(function*() {
    const { note, title } = other
    const mibPerSecond = mib === 0 ? null : mib / (yield* timed(other, join(folder, "large")))
    const filesPerSecond = files === 0 ? null : files / (yield* timed(other, join(folder, "files")))
    return { title, note, mibPerSecond, filesPerSecond }
  })

const larger = (a: number | null, b: number | null): number | null => a === null ? b : b === null ? a : Math.max(a, b)

/** The fastest round of each. */
export const cells = (rounds: ReadonlyArray<Round>): ReadonlyArray<Round> => {
  const best = new Map<string, Round>()
  for (const round of rounds) {
    const before = best.get(round.title)
    best.set(round.title, {
      ...round,
      mibPerSecond: larger(round.mibPerSecond, before?.mibPerSecond ?? null),
      filesPerSecond: larger(round.filesPerSecond, before?.filesPerSecond ?? null)
    })
  }
  return [...best.values()]
}
