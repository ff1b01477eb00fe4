/**
 * Starts the lab with the flags that simulations want of Node, which are given where a process starts: the process becomes another one, where the
 * system has that. Whoever gives one of them himself has it as he says.
 */
import { execArgv, execPath } from "node:process"

interface Heap {
  /** Of the young, in MiB. */
  readonly young: number
  /** By how many hundredths more may live than when it was last marked. By itself V8 lets a large heap double before it looks. */
  readonly growing: number
}

// With room for more, a swarm has less to collect, and takes a sixth longer: all of that room is out of the caches before it comes to its turn again.
const usual: Heap = { young: 64, growing: 15 }

const heaps: Readonly<Record<string, Heap>> = {
  // A crowd grows to a gigabyte of which nothing dies, and to mark it again and again takes longer than what is found so is worth.
  membership: { young: 128, growing: 40 }
}

const { growing, young } = heaps[process.argv[2] ?? ""] ?? usual

const flags = [
  // Nearly all that a simulation makes is gone at once, if it is given room; what collects it is to take no other core.
  "--single-threaded-gc",
  `--max-semi-space-size=${young}`,
  `--heap-growing-percent=${growing}`,
  // Nobody waits for a simulation while all of it is marked. To mark bit by bit has each write look whether that goes on, and keeps what has died meanwhile.
  "--no-incremental-marking",
  // What a place of the code makes that has survived is made among the old from then on, where it is kept until all is marked, with all that it leads to: a connection and
  // its fibers, of which the next ones survive by that. Half of what outlived a look at the young did so.
  "--no-allocation-site-pretenuring"
]

const nameOf = (flag: string) => flag.split("=")[0]!.replaceAll("_", "-")
const given = new Set(execArgv.map(nameOf))
const missing = flags.filter((flag) => !given.has(nameOf(flag)))

if (missing.length > 0 && process.platform !== "win32" && typeof process.execve === "function") {
  process.execve(execPath, [
    execPath,
    ...missing,
    ...execArgv,
    ...process.argv.slice(1)
  ], process.env)
}
await import("./run.ts")
