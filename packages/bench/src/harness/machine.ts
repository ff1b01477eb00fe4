/**
 * The machine that is measured on: what it is, which cores the processes may be pinned to, and ports that nobody uses.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { createSocket } from "node:dgram"
import { readFileSync } from "node:fs"
import { availableParallelism, cpus, loadavg } from "node:os"

/** What numbers have to be read with. */
export const Machine = Schema.Struct({
  cpu: Schema.String,
  cores: Schema.Number,
  node: Schema.String,
  platform: Schema.String,
  /** The cores that the answering and the asking process are pinned to; `null` where they are not. */
  pinned: Schema.NullOr(Schema.Tuple([Schema.Number, Schema.Number])),
  /** The load average over a minute before the measurement: above 0.5 or so, something else is running too. */
  loadBefore: Schema.Number
})

/** What numbers have to be read with. */
export type Machine = typeof Machine.Type

const allowedCores = (): ReadonlyArray<number> => {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? ""
    return list.split(",").flatMap((range) => {
      const [first, last = first] = range.split("-").map(Number)
      return first === undefined || last === undefined || !Number.isInteger(last)
        ? []
        : Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })
  } catch {
    return []
  }
}

/** Two different cores that processes can be pinned to with `taskset`; `null` where that is not possible. */
const coresToPin = (): readonly [number, number] | null => {
  const [first, second] = allowedCores()
  if (first === undefined || second === undefined) return null
  const works = [first, second].every((core) => spawnSync("taskset", ["-c", `${core}`, "true"]).status === 0)
  return works ? [first, second] : null
}

/** This machine. */
export const machine = (options: { readonly pin: boolean }): Machine => ({
  cpu: cpus()[0]?.model ?? "unknown",
  cores: availableParallelism(),
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
  pinned: options.pin ? coresToPin() : null,
  loadBefore: loadavg()[0]!
})

/** The machine as lines of text. */
export const describe = (machine: Machine): string =>
  [
    `CPU      ${machine.cpu}, ${machine.cores} cores, ${machine.platform}, load ${
      machine.loadBefore.toFixed(2)
    } before`,
    `Node     ${machine.node}`,
    machine.pinned === null
      ? "Pinning  none: the system moves the processes between cores (no taskset, one core, or --no-pin)"
      : `Pinning  the answering process to core ${machine.pinned[0]}, the asking one to core ${
        machine.pinned[1]
      }, by taskset`
  ].join("\n")

const isFree = (address: string, port: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = createSocket("udp4")
    const done = (free: boolean) => socket.close(() => resume(Effect.succeed(free)))
    socket.once("error", () => done(false))
    socket.bind({ address, port, exclusive: true }, () => done(true))
  })

/**
 * A UDP port to advertise on that nobody uses on loopback. Drawn at random from below the range that systems hand out by
 * themselves, so that nobody is given it between now and its use either.
 */
export const freeAdvertisePort: Effect.Effect<number> = Effect.gen(function*() {
  for (let tries = 0; tries < 100; tries++) {
    const port = yield* Random.nextIntBetween(20_000, 30_000)
    if ((yield* isFree("127.0.0.1", port)) && (yield* isFree("127.255.255.255", port))) return port
  }
  return yield* Effect.die("no free UDP port between 20000 and 30000 in 100 tries")
})
