/**
 * Other programs: run to their end, for what they print.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"

/** Something is not as it has to be. `problem` says what, in as many lines as it takes. */
export class Failed extends Schema.TaggedError<Failed>("@pnet/release/Failed")("Failed", { problem: Schema.String }) {
  override get message() {
    return this.problem
  }
}

export const fail = (problem: string): Effect.Effect<never, Failed> => Effect.fail(new Failed({ problem }))

/** Fails with a list of problems, unless it is empty. */
export const none = (problems: ReadonlyArray<string>): Effect.Effect<void, Failed> =>
  problems.length === 0 ? Effect.void : fail(problems.join("\n"))

export interface Options {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Milliseconds after which it is killed; by default five minutes. */
  readonly limit?: number | undefined
}

// npm and pnpm tell their children where they themselves stand, which an npm in another folder would believe.
const kept = /^npm_config_(?:registry|cache|cafile|userconfig|.*proxy)$/i

/** The environment of who typed the command, without what npm, pnpm and vitest add. */
export const environment: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || /^(?:npm_|pnpm_|VITEST|NODE_|FORCE_COLOR$|PNET_)/i.test(name) && !kept.test(name) &&
        name !== "NODE_EXTRA_CA_CERTS"
      ? []
      : [[name, value]]
  ).concat([["NO_COLOR", "1"]])
)

/** Runs a program to its end; all that it printed, and its exit code. */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: Options
): Effect.Effect<{ readonly output: string; readonly code: number }, Failed> =>
  Effect.callback((resume) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...environment, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: options.limit ?? 300_000,
      killSignal: "SIGKILL",
      // npm is a script there.
      shell: process.platform === "win32"
    })
    const parts: Array<Buffer> = []
    child.stdout.on("data", (part) => parts.push(part))
    child.stderr.on("data", (part) => parts.push(part))
    child.once("error", (error) => resume(fail(`${command} did not start: ${error.message}`)))
    child.once(
      "close",
      (code) => resume(Effect.succeed({ output: Buffer.concat(parts).toString().trim(), code: code ?? -1 }))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** Runs a program that has to end with exit code 0; what it printed. */
export const done = (
  command: string,
  args: ReadonlyArray<string>,
  options: Options
): Effect.Effect<string, Failed> =>
  Effect.flatMap(
    run(command, args, options),
    ({ code, output }) =>
      code === 0 ? Effect.succeed(output) : fail(
        `${command.split("/").at(-1)} ${args.join(" ").slice(0, 200)} ended with exit code ${code}${
          code === -1 ? " (killed: it took too long)" : ""
        }:\n${output.slice(-4_000)}`
      )
  )
