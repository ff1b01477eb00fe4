// @effect-diagnostics globalTimers:off (no Effect is loaded for this)
/**
 * Runs a command while no other of its name runs: `node alone.ts NAME COMMAND …`. `pnpm test` checks the types while the tests run, and
 * two of them have the compiler see to the same declarations, which two at a time would write over each other.
 *
 * What bites: it ends with whoever started it, and the command with it. The compiler is a program that a script runs, and a script that is told to end
 * leaves it: so what is told is the group that all of them are in.
 */
import { spawn } from "node:child_process"
import { constants, setPriority } from "node:os"
import { setInterval } from "node:timers"
import { fileURLToPath } from "node:url"
import { hold } from "./once.ts"

const [name, command, ...args] = process.argv.slice(2)
const lock = fileURLToPath(new URL(`../../../../node_modules/.cache/${name}.lock`, import.meta.url))
// The tests beside it talk over real sockets, and give up after seconds: they go first.
setPriority(5)

const parent = process.ppid
const isLeft = () => process.ppid !== parent

// It may take minutes where there is other work.
const leave = hold(lock, 1_200_000, () => {
  if (isLeft()) process.exit(1)
})
process.once("exit", leave)

const isWindows = process.platform === "win32"
const child = spawn(command!, args, { stdio: "inherit", detached: !isWindows })
// The compiler heeds nothing milder before it is done.
const end = () => {
  if (isWindows || child.pid === undefined) return void child.kill("SIGKILL")
  try {
    process.kill(-child.pid, "SIGKILL")
  } catch {
    // It has ended.
  }
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end)
// Whoever is killed tells nobody.
const watch = setInterval(() => isLeft() && end(), 250)
child.once("exit", (status, signal) => {
  clearInterval(watch)
  process.exitCode = status ?? 128 + constants.signals[signal!]
})
