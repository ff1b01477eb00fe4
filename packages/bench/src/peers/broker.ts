/** A NATS server for one run, on 127.0.0.1: the one that `PNET_NATS_SERVER` names, that of the PATH, or Debian's, unpacked and not installed. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readdirSync } from "node:fs"
import { delimiter, join } from "node:path"
import { execute } from "./installing.ts"

const name = "nats-server"

const inPath = (): string | undefined =>
  (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name)).find((file) => existsSync(file))

/** Debian's, from its package, which is downloaded and unpacked. */
const unpacked = (into: string): Effect.Effect<{ readonly file: string } | { readonly reason: string }> =>
  Effect.gen(function*() {
    const folder = join(into, name)
    const file = join(folder, "usr", "sbin", name)
    if (existsSync(file)) return { file }
    mkdirSync(folder, { recursive: true })
    const download = yield* execute("apt-get", ["download", name], folder)
    if ("reason" in download) {
      return { reason: `no ${name} in PNET_NATS_SERVER, PATH or Debian's packages (${download.reason})` }
    }
    const archive = readdirSync(folder).find((name) => name.endsWith(".deb"))
    const dpkg = yield* execute("dpkg", ["-x", archive ?? "", "."], folder)
    if ("reason" in dpkg) return dpkg
    return existsSync(file) ? { file } : { reason: `${archive} has no ${name}` }
  })

const find = (into: string): Effect.Effect<{ readonly file: string } | { readonly reason: string }> => {
  const file = process.env["PNET_NATS_SERVER"] ?? inPath()
  return file === undefined ? unpacked(into) : Effect.succeed({ file })
}

/** Starts it on a port that nobody uses, until the scope closes; or says why not. */
export const start = (
  into: string,
  port: number
): Effect.Effect<{ readonly port: number; readonly pid: number } | { readonly reason: string }, never, Scope.Scope> =>
  Effect.gen(function*() {
    const found = yield* find(into)
    if ("reason" in found) return found
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(found.file, ["-a", "127.0.0.1", "-p", `${port}`], { stdio: "ignore" })
        process.once("exit", () => child.kill("SIGKILL"))
        child.on("error", () => {})
        return child
      }),
      (child) => Effect.sync(() => void child.kill("SIGKILL"))
    )
    return child.pid === undefined ? { reason: `${found.file} could not be started` } : { port, pid: child.pid }
  })
