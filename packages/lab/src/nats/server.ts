/**
 * NATS servers for tests: the program, found or fetched into the workspace's cache, and servers of it on free ports of 127.0.0.1. They end
 * with their scope.
 *
 * What bites: where there is no server `program` is undefined and `missing` says how to have one; the suites that need one are skipped, unless
 * `CI` is set.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import { once } from "../harness/once.ts"

const cache = fileURLToPath(new URL("../../../../node_modules/.cache/", import.meta.url))
const cached = join(cache, "nats-server")

const onPath = (): string | undefined =>
  (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "nats-server")).find((file) =>
    existsSync(file)
  )

/** Debian's package, unpacked into the cache, whole or not at all. */
const fetched = (): string | undefined => {
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, "nats-server-"))
  const run = (command: string, args: ReadonlyArray<string>) =>
    spawnSync(command, args, { cwd: folder, stdio: "ignore", timeout: 60_000 }).status === 0
  try {
    // Its own caches are left as they are.
    const nothing = ["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
    if (!run("apt-get", [...nothing, "download", "nats-server"])) return undefined
    const file = readdirSync(folder).find((name) => name.endsWith(".deb"))
    if (file === undefined || !run("dpkg", ["-x", file, "out"])) return undefined
    const found = join(folder, "out/usr/sbin/nats-server")
    if (!existsSync(found)) return undefined
    renameSync(found, cached)
    return cached
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const find = (): string | undefined => {
  const given = process.env.PNET_NATS_SERVER
  if (given !== undefined && given !== "") return existsSync(given) ? given : undefined
  return onPath() ?? once(`${cached}.lock`, () => existsSync(cached) ? cached : undefined, fetched)
}

/** The server's program; `undefined` where there is none. */
export const program: string | undefined = find()

/** What to say where there is none. */
export const missing =
  "skipped: there is no nats-server; set PNET_NATS_SERVER to one, or have it on the PATH (Debian: apt install nats-server)"

/** Whether suites over a server are skipped. Under `CI` they are not: they fail. */
export const skipped = program === undefined && (process.env.CI ?? "") === ""

if (skipped) process.stderr.write(`NATS: ${missing}\n`)

/** Which server to start, beside `listen`, which is a free port of 127.0.0.1. */
export interface Options {
  readonly name?: string
  /** With JetStream, in a folder of its own. */
  readonly jetstream?: boolean
  readonly websocket?: boolean
  readonly leafnodes?: boolean
  /** The name of its gateway. It needs a `system_account` in `config` where it has leaf nodes too. */
  readonly gateway?: string
  /** What more there is in its gateway, such as the `gateways` that it connects to. */
  readonly gateways?: string
  /** With the certificate `certificate`, which is for localhost and 127.0.0.1. */
  readonly tls?: boolean
  /** More of the configuration, as it is written in the file. */
  readonly config?: string
}

/** A server that runs. */
export interface Server {
  /** Where clients connect: `127.0.0.1:port`. */
  readonly url: string
  /** Where WebSockets connect: `ws://127.0.0.1:port`. */
  readonly webSocket: string
  /** Where leaf nodes connect: `nats-leaf://127.0.0.1:port`. */
  readonly leaf: string
  /** Where gateways connect: `nats://127.0.0.1:port`. */
  readonly gateway: string
  /** What it has logged. */
  readonly log: () => string
  /** Ends it at once, as a machine that crashes. */
  readonly kill: Effect.Effect<void>
  /** Ends it in order. */
  readonly stop: Effect.Effect<void>
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  /** Starts it again where it was, on the same ports, with what JetStream has kept. */
  readonly restart: Effect.Effect<void>
  /** Has it read other text in place of `config`, as it runs. */
  readonly reload: (config: string) => Effect.Effect<void>
}

interface Ports {
  readonly client: number
  readonly webSocket: number
  readonly leaf: number
  readonly gateway: number
}

const free: Ports = { client: -1, webSocket: -1, leaf: -1, gateway: -1 }

const written = (options: Options, ports: Ports, folder: string): string =>
  [
    `listen: "127.0.0.1:${ports.client}"`,
    `server_name: "${options.name ?? `pnet-${process.pid}-${folder.slice(-6)}`}"`,
    options.jetstream === true ? `jetstream { store_dir: "${folder}/store", max_mem: 64MB, max_file: 256MB }` : "",
    options.websocket === true ? `websocket { listen: "127.0.0.1:${ports.webSocket}", no_tls: true }` : "",
    options.leafnodes === true ? `leafnodes { listen: "127.0.0.1:${ports.leaf}" }` : "",
    options.gateway === undefined
      ? ""
      : `gateway { name: "${options.gateway}", listen: "127.0.0.1:${ports.gateway}", ${options.gateways ?? ""} }`,
    options.tls === true ? `tls { cert_file: "${folder}/certificate.pem", key_file: "${folder}/key.pem" }` : "",
    options.config ?? ""
  ].filter((line) => line !== "").join("\n")

const portsIn = (log: string): Ports => {
  const port = (pattern: RegExp) => Number(pattern.exec(log)?.[1] ?? -1)
  return {
    client: port(/Listening for client connections on [^\n]*:(\d+)/),
    webSocket: port(/Listening for websocket clients on [^\n]*:(\d+)/),
    leaf: port(/Listening for leafnode connections on [^\n]*:(\d+)/),
    gateway: port(/Listening for gateways connections on [^\n]*:(\d+)/)
  }
}

interface Running {
  readonly handle: ChildProcess
  readonly exited: Deferred.Deferred<void>
  readonly ready: Deferred.Deferred<boolean>
  log: string
}

const run = (config: string, folder: string): Running => {
  if (program === undefined) throw new Error(missing)
  writeFileSync(join(folder, "server.conf"), config)
  const handle = spawn(program, ["-c", join(folder, "server.conf")], { stdio: ["ignore", "ignore", "pipe"] })
  const running: Running = { handle, exited: Deferred.makeUnsafe(), ready: Deferred.makeUnsafe(), log: "" }
  handle.stderr!.setEncoding("utf8").on("data", (text: string) => {
    running.log += text
    if (running.log.includes("Server is ready")) Deferred.doneUnsafe(running.ready, Effect.succeed(true))
  })
  const gone = () => {
    Deferred.doneUnsafe(running.ready, Effect.succeed(false))
    Deferred.doneUnsafe(running.exited, Effect.void)
  }
  handle.once("exit", gone)
  handle.once("error", gone)
  return running
}

/** Starts a server, which ends with the scope. */
export const start = (options: Options = {}): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "pnet-nats-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    if (options.tls === true) {
      writeFileSync(join(folder, "certificate.pem"), certificate)
      writeFileSync(join(folder, "key.pem"), key)
    }
    let ports = free
    let config = options.config
    let running: Running | undefined
    const end = (signal: NodeJS.Signals) =>
      Effect.suspend(() => {
        if (running === undefined) return Effect.void
        const { exited, handle } = running
        running = undefined
        handle.kill("SIGCONT")
        handle.kill(signal)
        return Deferred.await(exited)
      })
    const begin = Effect.gen(function*() {
      const begun = run(written({ ...options, ...(config === undefined ? {} : { config }) }, ports, folder), folder)
      running = begun
      if (!(yield* Deferred.await(begun.ready))) {
        return yield* Effect.die(new Error(`nats-server did not start:\n${begun.log}`))
      }
      ports = portsIn(begun.log)
    })
    yield* Effect.acquireRelease(begin, () => end("SIGKILL"), { interruptible: true })
    const signal = (signal: NodeJS.Signals) => Effect.sync(() => void running?.handle.kill(signal))
    return {
      url: `127.0.0.1:${ports.client}`,
      webSocket: `ws://127.0.0.1:${ports.webSocket}`,
      leaf: `nats-leaf://127.0.0.1:${ports.leaf}`,
      gateway: `nats://127.0.0.1:${ports.gateway}`,
      log: () => running?.log ?? "",
      kill: end("SIGKILL"),
      stop: end("SIGTERM"),
      freeze: signal("SIGSTOP"),
      thaw: signal("SIGCONT"),
      restart: begin,
      reload: (text) =>
        Effect.gen(function*() {
          config = text
          const now = running
          if (now === undefined) return
          const before = now.log.length
          writeFileSync(join(folder, "server.conf"), written({ ...options, config: text }, ports, folder))
          now.handle.kill("SIGHUP")
          while (!/Reloaded server configuration|Failed to reload/.test(now.log.slice(before))) {
            yield* Effect.sleep("5 millis")
          }
          if (now.log.slice(before).includes("Failed to reload")) {
            return yield* Effect.die(new Error(now.log.slice(before)))
          }
        })
    }
  })

/** The certificate of a server with TLS, which is its own authority, for a hundred years. The key is no secret. */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBqjCCAU+gAwIBAgIUQohca7NdlvMC1gUK1G8lCujqKQEwCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQcG5ldCB0ZXN0IHNlcnZlcjAgFw0yNjExMjgxNzI4NDZaGA8y
MTI2MTEwNDE3Mjg0NlowGzEZMBcGA1UEAwwQcG5ldCB0ZXN0IHNlcnZlcjBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABH+5ue9/MJwcx0TEZzv7b7T6BHTvpOnCMqza
1FadlDFCsJCyugapS/l27KgmRIdesMEGan/SETmTCdZviN8ZUbejbzBtMB0GA1Ud
DgQWBBQ4N+yaFQU5sDPhFpZ6QITX6vaCRDAfBgNVHSMEGDAWgBQ4N+yaFQU5sDPh
FpZ6QITX6vaCRDAPBgNVHRMBAf8EBTADAQH/MBoGA1UdEQQTMBGCCWxvY2FsaG9z
dIcEfwAAATAKBggqhkjOPQQDAgNJADBGAiEA1DvY64AIEk1PqoRUYFIv1XR/hqXJ
0nxHJj+xJUb9TfcCIQCTRwHnRZmG7xNdPuLjPkuhKbvpmbQ69vpnvehCbHFBAw==
-----END CERTIFICATE-----
`
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgqdCCZu0Ea6O3vRtw
sBCPLM8K/miZke5MIZAuAqS4n2ahRANCAAR/ubnvfzCcHMdExGc7+2+0+gR076Tp
wjKs2tRWnZQxQrCQsroGqUv5duyoJkSHXrDBBmp/0hE5kwnWb4jfGVG3
-----END PRIVATE KEY-----
`
