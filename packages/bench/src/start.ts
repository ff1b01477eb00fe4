/**
 * How long the command takes: `pnet --version`, `pnet config`, and a whole `pnet call bob add 1 2` beside a `pnet up`, each from the start of its process to its
 * end, and beside a Node that does nothing, which no command of Node can be faster than.
 *
 * The command is one file with what it loads at once, as it is published. All are started in turns, so that what else the machine does falls on all of them.
 */
import { millis, table } from "@pnet/lab/harness/table"
import * as Programs from "@pnet/lab/processes/programs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { copyFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Machine from "./harness/machine.ts"
import * as Reports from "./harness/report.ts"
import * as Samples from "./harness/samples.ts"

/** What is started. */
export const subjects = ["nothing", "version", "config", "call"] as const

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("start"),
  machine: Machine.Machine,
  /** Milliseconds from start to end, of each start. */
  starts: Schema.Record(Schema.Literals(subjects), Schema.Array(Schema.Number))
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options {
  /** How often each is started. */
  readonly times: number
  readonly pin: boolean
}

// Not counted: the first starts find nothing compiled.
const warmUps = 2

const clock = Effect.sync(() => Number(process.hrtime.bigint()) / 1e6)

/** A process until it ends; it fails where that is with another exit code than 0. */
const ended = (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "inherit"] })
    child.once(
      "close",
      (code) =>
        resume(code === 0 ? Effect.void : Effect.die(new Error(`${args.join(" ")} ended with exit code ${code}`)))
    )
  })

/** A `pnet up` that serves, until the scope closes. */
const up = (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv): Effect.Effect<ChildProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<ChildProcess>((resume) => {
      const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] })
      child.stdout.on("data", (part) => {
        if (/ is up /.test(String(part))) resume(Effect.succeed(child))
      })
    }),
    (child) =>
      Effect.callback<void>((resume) => {
        child.once("close", () => resume(Effect.void))
        child.kill("SIGINT")
      })
  )

/** Measures. */
export const run = (options: Options): Effect.Effect<Report> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const network = yield* Machine.network(false)
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "pnet-start-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const main = Programs.file(new URL("../../cli/src/main.ts", import.meta.url), ["./whole.ts"])
    copyFileSync(
      fileURLToPath(new URL("../../cli/package.json", import.meta.url)),
      join(dirname(dirname(main)), "package.json")
    )
    const env = {
      PATH: process.env["PATH"],
      HOME: folder,
      NODE_COMPILE_CACHE: join(folder, "compiled"),
      PNET_NETWORK_ID: network.networkId,
      PNET_ADVERTISE_PORT: String(network.advertisePort),
      PNET_BIND_IP: "127.0.0.1"
    }
    yield* up([main, "up", "--name", "bob", "--fn", "add(a: int, b: int)=echo $(($1 + $2))", "--open"], env)
    const words: Record<(typeof subjects)[number], ReadonlyArray<string>> = {
      nothing: ["-e", "0"],
      version: [main, "--version"],
      config: [main, "config"],
      call: [main, "call", "bob", "add", "1", "2"]
    }
    const starts: Record<(typeof subjects)[number], Array<number>> = { nothing: [], version: [], config: [], call: [] }
    for (let i = -warmUps; i < options.times; i++) {
      for (const subject of subjects) {
        const began = yield* clock
        yield* ended(words[subject], env)
        if (i >= 0) starts[subject].push((yield* clock) - began)
      }
    }
    return { benchmark: "start" as const, machine, starts }
  }).pipe(Effect.scoped)

const titles: Record<(typeof subjects)[number], string> = {
  nothing: "node -e 0",
  version: "pnet --version",
  config: "pnet config",
  call: "pnet call bob add 1 2"
}

/** A report for people. */
export const format = (report: Report): string => {
  const nothing = Samples.from(report.starts.nothing).percentile(0.5)
  return [
    `The command from its start to its end, ${report.starts.nothing.length} times each, in turns`,
    Machine.describe(report.machine),
    "",
    table(
      ["started", "fastest", "p50", "p90", "p50 by node -e 0"],
      subjects.map((subject) => {
        const samples = Samples.from(report.starts[subject])
        return [
          titles[subject],
          millis(samples.percentile(0)),
          millis(samples.percentile(0.5)),
          millis(samples.percentile(0.9)),
          (samples.percentile(0.5) / nothing).toFixed(2)
        ]
      })
    )
  ].join("\n")
}

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
