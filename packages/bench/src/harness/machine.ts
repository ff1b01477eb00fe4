/**
 * The machine that is measured on: what it is, which cores the processes may be pinned to, and networks of their own.
 */
import { freeAdvertisePort } from "@pnet/lab/harness/ports"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { availableParallelism, cpus, loadavg } from "node:os"
import * as Conditions from "./conditions.ts"
import type { NodeNetworkOptions } from "./nodes.ts"

/** What numbers have to be read with. */
export const Machine = Schema.Struct({
  cpu: Schema.String,
  cores: Schema.Number,
  node: Schema.String,
  platform: Schema.String,
  /** How the system's TCP decides how much it sends: some do so by what they have measured, over loopback, too. Absent where the system says nothing of it. */
  congestion: Schema.optional(Schema.String),
  /** The cores that the answering and the asking process are pinned to; `null` where they are not. */
  pinned: Schema.NullOr(Schema.Tuple([Schema.Number, Schema.Number])),
  /** The load average over a minute before the measurement: above 0.5 or so, something else is running too. */
  loadBefore: Schema.Number,
  /** What differs from a quiet machine on purpose. */
  conditions: Schema.Array(Schema.String)
})

/** What numbers have to be read with. */
export type Machine = typeof Machine.Type

/** What a file of the system says; nothing where there is none. */
const said = (file: string): string => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

const allowedCores = (): ReadonlyArray<number> => {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(said("/proc/self/status"))?.[1] ?? ""
  return list.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number)
    return first === undefined || last === undefined || !Number.isInteger(last)
      ? []
      : Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

/** Two different cores that processes can be pinned to with `taskset`; `null` where that is not possible. */
const coresToPin = (): readonly [number, number] | null => {
  const [first, second] = allowedCores()
  if (first === undefined || second === undefined) return null
  const works = [first, second].every((core) => spawnSync("taskset", ["-c", `${core}`, "true"]).status === 0)
  return works ? [first, second] : null
}

/** This machine, as it is under the conditions of this run. */
export const machine = (options: { readonly pin: boolean }): Effect.Effect<Machine> =>
  Effect.map(Conditions.Current, (conditions) => {
    const pinned = options.pin ? coresToPin() : null
    const congestion = said("/proc/sys/net/ipv4/tcp_congestion_control").trim()
    return {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: availableParallelism(),
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      ...congestion === "" ? {} : { congestion },
      pinned: pinned !== null && conditions.cores === 1 ? [pinned[0], pinned[0]] : pinned,
      loadBefore: loadavg()[0]!,
      conditions: [
        ...conditions.cores !== 1
          ? []
          : [pinned === null ? "as many cores as there are: no taskset" : "one core for both"],
        ...Conditions.describe(conditions)
      ]
    }
  })

/** The machine as lines of text; who is on the first core and who on the second has a name. */
export const describe = (
  machine: Machine,
  [first, second]: readonly [string, string] = ["the answering process", "the asking one"]
): string =>
  [
    `CPU      ${machine.cpu}, ${machine.cores} cores, ${machine.platform}${
      machine.congestion === undefined ? "" : `, TCP with ${machine.congestion}`
    }, load ${machine.loadBefore.toFixed(2)} before`,
    `Node     ${machine.node}`,
    machine.pinned === null
      ? "Pinning  none: the system moves the processes between cores (no taskset, one core, or --no-pin)"
      : `Pinning  ${first} to core ${machine.pinned[0]}, ${second} to core ${machine.pinned[1]}, by taskset`,
    ...machine.conditions.length === 0 ? [] : [`Under    ${machine.conditions.join(", ")}`]
  ].join("\n")

/** A network of its own, with a key or without one. */
export const network = (key: boolean): Effect.Effect<NodeNetworkOptions> =>
  Effect.map(freeAdvertisePort, (advertisePort) => ({
    networkId: `bench-${randomBytes(6).toString("hex")}`,
    networkKey: key ? `${randomBytes(32).toString("base64url")}=` : null,
    advertisePort
  }))
