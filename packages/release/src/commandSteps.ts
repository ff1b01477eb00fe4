/**
 * What is done with the command once it is packed: it is run by npx, outside of the workspace, and two of them talk.
 */
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { commandProblems } from "./inspect.ts"
import { packCommands, type Tarball } from "./pack.ts"
import { done, environment, fail, type Failed, none, run } from "./run.ts"

/** The commands, packed and looked at. */
export const packed = (folder: string): Effect.Effect<readonly [string, ReadonlyArray<Tarball>], Failed> =>
  Effect.gen(function*() {
    const tarballs = yield* packCommands(join(folder, "commands"))
    yield* none(tarballs.flatMap(commandProblems))
    const sizes = tarballs.map(({ file, id }) => `${id} ${Math.round(readFileSync(file).length / 1024)} KiB`)
    return [`${sizes.join(", ")}; one bundle each`, tarballs]
  })

/** A user's folder, a network of this machine alone, and everything that the command keeps in there. */
const surroundings = (folder: string) => ({
  HOME: folder,
  npm_config_update_notifier: "false",
  XDG_CONFIG_HOME: join(folder, "config"),
  XDG_DATA_HOME: join(folder, "data"),
  XDG_STATE_HOME: join(folder, "state"),
  PNET_NETWORK_ID: `release-${process.pid}`,
  PNET_BIND_IP: "127.0.0.1",
  PNET_ADVERTISE_PORT: "45871"
})

/** Runs a program until the effect is done, and ends it as Ctrl-C does. It gives what the program printed. */
const beside = <A>(
  command: string,
  args: ReadonlyArray<string>,
  cwd: string,
  env: Record<string, string>,
  effect: Effect.Effect<A, Failed>
) =>
  Effect.acquireUseRelease(
    Effect.callback<ReturnType<typeof spawn>, Failed>((resume) => {
      const child = spawn(command, args, { cwd, env: { ...environment, ...env }, stdio: ["ignore", "pipe", "inherit"] })
      let said = ""
      child.once("error", (error) => resume(fail(`${command} did not start: ${error.message}`)))
      child.once("close", (code) => resume(fail(`pnet up ended with exit code ${code}:\n${said}`)))
      child.stdout.on("data", (part) => {
        said += String(part)
        if (/ is up /.test(said)) resume(Effect.succeed(child))
      })
    }),
    () => effect,
    (child) =>
      Effect.callback<void>((resume) => {
        child.removeAllListeners("close")
        child.once("close", () => resume(Effect.void))
        child.kill("SIGINT")
      })
  )

const functions = `
import { Command } from "@pnet/core"
import { Effect, Schema } from "effect"

const Greet = Command.make("greet", { args: [Schema.String], success: Schema.String })
export const greet = Command.implement(Greet, (_call, name: string) => Effect.succeed("hello " + name))
`

/** Runs a tarball by npx in an empty folder, and has two of them talk. */
export const byNpx = ({ file, folder, manifest }: Tarball): Effect.Effect<string, Failed> =>
  Effect.gen(function*() {
    const place = join(folder, "..", "npx")
    mkdirSync(place, { recursive: true })
    const env = surroundings(place)
    const npx = ["exec", "--yes", "--loglevel=error", `--package=${file}`, "--"]
    const said = yield* done("npm", [...npx, "pnet", "--version"], { cwd: place, env, limit: 600_000 })
    if (said !== `pnet ${manifest.version}`) return yield* fail(`npx pnet --version said ${said}`)
    // A module whose imports are nowhere but in the command itself.
    writeFileSync(join(place, "functions.ts"), functions)
    const sums = ["up", "--name", "bob", "--fn", "add(a: int, b: int)=echo $(($1 + $2))", "--open"]
    // npm does not pass signals on, so that the command itself is started for what has to end.
    const installed = yield* done("npm", [...npx, "sh", "-c", "command -v pnet"], { cwd: place, env })
    const { code, output } = yield* beside(
      installed,
      [...sums, "--module", "./functions.ts"],
      place,
      env,
      Effect.flatMap(
        run("npm", [...npx, "pnet", "call", "bob", "add", "1", "2"], { cwd: place, env }),
        (sum) =>
          sum.code === 0 && sum.output === "3"
            ? run("npm", [...npx, "pnet", "call", "bob", "greet", "ann"], { cwd: place, env })
            : Effect.succeed(sum)
      )
    )
    return code === 0 && output === "hello ann"
      ? "says its version; two of them talk, and one serves a module"
      : yield* fail(`npx pnet call bob ended with ${code}:\n${output}`)
  })
