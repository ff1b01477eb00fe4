/**
 * Starts the command in this process.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { devNull, homedir, hostname, userInfo } from "node:os"
import { exits } from "./exit.ts"
import { Machine } from "./machine.ts"
import { NodeParts } from "./node/NodeParts.ts"
import { jsonLine } from "./output/harmless.ts"
import { homeOf } from "./places.ts"
import { isForPrograms, program } from "./program.ts"

/** A container may have a user without a name. */
const userName = (): string | undefined => {
  try {
    return userInfo().username
  } catch {
    return process.env["USER"]
  }
}

const machine = Layer.sync(Machine, () => ({
  env: process.env,
  hostname: hostname(),
  user: userName(),
  home: homeOf([homedir, () => userInfo().homedir], devNull),
  pid: process.pid,
  windows: process.platform === "win32",
  zone: DateTime.zoneMakeLocal,
  uid: process.geteuid?.()
}))

/** What opens sockets and files is loaded when a node is made: most of the command's weight. */
const parts = Layer.effect(
  NodeParts,
  Effect.gen(function*() {
    const context = yield* Effect.context<NodeServices.NodeServices | Machine>()
    const scope = yield* Effect.scope
    const loaded = yield* Effect.cached(
      Effect.flatMap(
        Effect.promise(() => import("./node/live.ts")),
        ({ layer }) =>
          Layer.buildWithScope(layer, scope).pipe(
            Effect.map((built) => built.mapUnsafe.get(NodeParts.key) as NodeParts["Service"]),
            Effect.provideContext(context)
          )
      )
    )
    return NodeParts.of({
      machine: Layer.unwrap(Effect.map(loaded, (live) => live.machine)),
      hold: (...given) => Effect.flatMap(loaded, (live) => live.hold(...given)),
      networkKeys: (settings) => Effect.flatMap(loaded, (live) => live.networkKeys(settings)),
      trust: (settings) => Layer.unwrap(Effect.map(loaded, (live) => live.trust(settings))),
      files: Layer.unwrap(Effect.map(loaded, (live) => live.files))
    })
  })
)

const words = process.argv.slice(2)

/** Ends the command as SIGTERM does: it says that it leaves. */
const end = () => process.kill(process.pid, "SIGTERM")

// Whoever reads the output has gone, as `head` does, or the terminal has: there is nobody left to tell anything.
const gone: ReadonlySet<string | undefined> = new Set(["EPIPE", "EIO", "ECONNRESET"])

// What was printed is not where it was to be, as on a disk that is full. However it ends, that was no success.
let unwritten: NodeJS.ErrnoException | undefined
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (!gone.has(error.code) && unwritten === undefined) {
    unwritten = error
    const message = `what it printed could not be written: ${error.message}`
    process.stderr.write(
      isForPrograms(words, process.env)
        ? `${jsonLine({ type: "error", error: "Problem", message, exit: "failed", code: exits.failed.code })}\n`
        : `pnet: ${message}\n`
    )
  }
  end()
})
process.stderr.on("error", end)
process.on("SIGHUP", end)

// Who presses Ctrl-C a second time does not want to wait for what ends in order.
let asked = false
process.on("SIGINT", () => {
  if (asked) process.exit(exits.interrupted.code)
  asked = true
})

program(words).pipe(
  Effect.provide(Layer.provideMerge(
    parts,
    Layer.mergeAll(machine, Layer.provideMerge(TerminalCapabilities.layer, NodeServices.layer))
  )),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit) => {
      const code = Exit.isSuccess(exit) ? exit.value as number : exits.interrupted.code
      // What was written is on its way; the process waits for nothing else.
      process.stdout.write("", () => process.exit(unwritten === undefined ? code : exits.failed.code))
    }
  })
)
