/**
 * Runs a command while no other of its name runs: `node alone.ts NAME COMMAND …`. `pnpm test` checks the types while the tests run, and
 * two of them have the compiler see to the same declarations, which two at a time would write over each other.
 */
import { spawnSync } from "node:child_process"
import { constants, setPriority } from "node:os"
import { fileURLToPath } from "node:url"
import { once } from "./once.ts"

const [name, command, ...args] = process.argv.slice(2)
const lock = fileURLToPath(new URL(`../../../../node_modules/.cache/${name}.lock`, import.meta.url))
// The tests beside it talk over real sockets, and give up after seconds: they go first.
setPriority(5)
// It may take minutes where there is other work.
const run = () => spawnSync(command!, args, { stdio: "inherit" })
const { error, signal, status } = once(lock, () => undefined, run, 1_200_000)
if (error !== undefined) throw error
process.exitCode = status ?? 128 + constants.signals[signal!]
