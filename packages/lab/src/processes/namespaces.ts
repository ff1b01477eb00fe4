/**
 * Several hosts on one machine: network namespaces, each with an interface `eth0` on a bridge that lives in a namespace of its
 * own. Nothing of it is visible from outside, and no interface of the machine is touched.
 *
 * A namespace lives as long as a process in it. Each is held by a `cat` whose input is a pipe from here, so all of it is gone when
 * this process is, however it ends.
 */
import { Deferred, Effect, type Scope } from "effect"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { tmpdir } from "node:os"
import { createInterface } from "node:readline"
import * as Programs from "./programs.ts"

const trial = "ip link add trial0 type veth peer name trial1 && ip link add trial2 type bridge && unshare -n true"

/** How a namespace is made here: as root, or as a user who is root in a user namespace of its own. */
const ways = [["-n"], ["-U", "-r", "-n"]] as const

const tryWays = (): { readonly way: ReadonlyArray<string> } | { readonly reason: string } => {
  if (process.platform !== "linux") return { reason: "network namespaces are Linux's" }
  let reason = ""
  for (const way of ways) {
    const { error, status, stderr } = spawnSync("unshare", [...way, "sh", "-c", trial], {
      encoding: "utf8",
      timeout: 5_000
    })
    if (status === 0) return { way }
    reason = error === undefined ? stderr.trim().split("\n")[0]! : "the commands unshare and ip are not installed"
  }
  return { reason: `this machine does not permit network namespaces: ${reason}` }
}

const found = tryWays()

/** Why there are no namespaces here; `undefined` where there are. */
export const forbidden: string | undefined = "reason" in found ? found.reason : undefined

const way = "way" in found ? found.way : []
const join = (pid: number) => [
  "nsenter",
  "-t",
  String(pid),
  ...way.includes("-U") ? ["-U", "--preserve-credentials"] : [],
  "-n"
]

const start = (
  [command, ...args]: ReadonlyArray<string>,
  options: { readonly env?: Record<string, string> } = {}
): Effect.Effect<ChildProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(command!, args, { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, ...options.env } })
    ),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )

/** Holds a namespace open; its process is in it. */
const hold = (command: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const child = yield* start([...command, "sh", "-c", "echo ready; exec cat"])
    yield* Effect.callback<void>((resume) => {
      child.stdout!.once("data", () => resume(Effect.void))
      child.once("exit", (code) => resume(Effect.die(new Error(`${command.join(" ")} ended with ${code}`))))
    })
    return child.pid!
  })

/** Runs commands of `ip` in a namespace, a line each. */
const ip = (pid: number, lines: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const child = yield* start([...join(pid), "ip", "-batch", "-"])
    const code = yield* Effect.callback<number | null>((resume) => {
      child.once("exit", (code) => resume(Effect.succeed(code)))
      child.stdin!.end(`${lines.join("\n")}\n`)
    })
    if (code !== 0) return yield* Effect.die(new Error(`ip failed: ${lines.join("; ")}`))
  }).pipe(Effect.scoped)

/** A program in a host: lines of JSON to it and from it, each answer with the id of its order. */
export interface Program {
  /** Gives an order and waits for what came of it. */
  readonly ask: (order: Record<string, unknown>) => Effect.Effect<Record<string, unknown>>
  /** Ends its input, which it takes as the order to end, and waits for that; its exit code. */
  readonly end: Effect.Effect<number | null>
  /** Kills it as the system does, without a word to anybody, and waits until it is gone. */
  readonly kill: Effect.Effect<void>
  /** What it wrote that was no answer: its last words, where it failed. */
  readonly words: () => string
}

export interface Host {
  readonly name: string
  /** Runs commands of `ip` there, such as `link set eth0 down`. */
  readonly ip: (...lines: ReadonlyArray<string>) => Effect.Effect<void>
  /** Gives `eth0` this address, 24 bits of prefix, in place of any other. */
  readonly setAddress: (address: string) => Effect.Effect<void>
  readonly run: (
    program: URL,
    env?: Record<string, string>
  ) => Effect.Effect<Program, never, Scope.Scope>
}

const program = (child: ChildProcess): Program => {
  const waiting = new Map<number, Deferred.Deferred<Record<string, unknown>>>()
  let next = 0
  const ended = Deferred.makeUnsafe<number | null>()
  child.once("exit", (code) => {
    Deferred.doneUnsafe(ended, Effect.succeed(code))
    for (const one of waiting.values()) {
      Deferred.doneUnsafe(one, Effect.die(new Error(`the program ended with ${code}`)))
    }
  })
  // An order to a program that has just ended; its exit is what tells.
  child.stdin!.on("error", () => {})
  const words: Array<string> = []
  createInterface({ input: child.stdout! }).on("line", (line) => {
    if (!line.startsWith("{\"")) return void words.push(line)
    const answer = JSON.parse(line) as Record<string, unknown>
    const one = waiting.get(answer["id"] as number)
    if (one !== undefined) Deferred.doneUnsafe(one, Effect.succeed(answer))
  })
  return {
    ask: (order) =>
      Effect.suspend(() => {
        const id = next++
        const answered = Deferred.makeUnsafe<Record<string, unknown>>()
        waiting.set(id, answered)
        child.stdin!.write(`${JSON.stringify({ ...order, id })}\n`)
        return Effect.ensuring(Deferred.await(answered), Effect.sync(() => waiting.delete(id)))
      }),
    end: Effect.suspend(() => {
      child.stdin!.end()
      return Deferred.await(ended)
    }),
    kill: Effect.suspend(() => {
      child.kill("SIGKILL")
      return Effect.asVoid(Deferred.await(ended))
    }),
    words: () => words.join("\n")
  }
}

/** Hosts on one bridge, the first with the address 10.77.0.1, and so on. They end with the scope, and all that runs in them. */
export const makeHosts = <const Names extends ReadonlyArray<string>>(
  names: Names
): Effect.Effect<{ readonly [Name in Names[number]]: Host }, never, Scope.Scope> =>
  Effect.gen(function*() {
    const bridge = yield* hold(["unshare", ...way])
    yield* ip(bridge, ["link add br0 type bridge", "link set br0 up"])
    const hosts: Record<string, Host> = {}
    for (const [i, name] of names.entries()) {
      const pid = yield* hold([...join(bridge), "unshare", "-n"])
      yield* ip(bridge, [
        `link add port${i} type veth peer name eth0 netns ${pid}`,
        `link set port${i} master br0 up`
      ])
      const setAddress = (address: string) =>
        ip(pid, ["address flush dev eth0", `address add ${address}/24 broadcast + dev eth0`])
      yield* ip(pid, ["link set lo up", "link set eth0 up"])
      yield* setAddress(`10.77.0.${i + 1}`)
      hosts[name] = {
        name,
        ip: (...lines) => ip(pid, lines),
        setAddress,
        run: (file, env = {}) =>
          Effect.map(
            start([...join(pid), process.execPath, Programs.file(file)], {
              // Compiled once for all of them.
              env: { NODE_COMPILE_CACHE: `${tmpdir()}/pnet-compile-cache`, ...env }
            }),
            program
          )
      }
    }
    return hosts as { readonly [Name in Names[number]]: Host }
  })
