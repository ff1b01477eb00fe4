/** `pnpm lab crowd`: as many nodes as you like with a session to one, over real sockets, all of which call it at once. */
import * as AdvancedNode from "@pnet/core/AdvancedNode"
import * as LanReach from "@pnet/core/LanReach"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as Trust from "@pnet/core/Trust"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as NodeNetwork from "@pnet/node/NodeNetwork"
import * as Cause from "effect/Cause"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Flags from "../harness/flags.ts"
import { heap } from "../harness/memory.ts"
import { freeAdvertisePort } from "../harness/ports.ts"
import * as Seeds from "../harness/seeds.ts"
import { count, kibibytes, millis, table } from "../harness/table.ts"
import * as Crowd from "./crowd.ts"
import { hosts } from "./hostsCommand.ts"

// All of them are at one address, and share one table of names.
const platform = Layer.mergeAll(
  Layer.provideMerge(LanReach.layer, NodeNetwork.layer),
  NodeCrypto.layer,
  Layer.succeed(References.MinimumLogLevel, "Warn"),
  Layer.sync(Trust.Trust, () => TofuTrust.make({ capacity: 65_536, perAddress: 32_768 }))
)

/** A crowd. */
export const crowd = Command.make("crowd", {
  size: Flags.count("size", 200, "How many nodes", 8_000),
  rounds: Flags.count("rounds", 3, "How often each of them calls")
}, ({ rounds, size }) =>
  Effect.gen(function*() {
    const advertisePort = yield* freeAdvertisePort
    const options = (name: string) => ({ name, networkId: "crowd", bindIp: "127.0.0.1", advertisePort })
    const hub = yield* AdvancedNode.make({
      ...options("hub"),
      limits: { sessions: size + 16 },
      functions: { echo: ({ whole }) => whole }
    })
    const target = { name: "hub", publicKey: hub.publicKey, port: hub.endpoint.port }
    const members = yield* Effect.forEach(
      Array.from({ length: size }, (_, i) => `member${i}`),
      (name) => Crowd.member(options(name), target)
    )
    const before = heap()
    const rows: Array<ReadonlyArray<string>> = []
    const failures: Array<string> = []
    for (let round = 1; round <= rounds; round++) {
      const began = performance.now()
      const exits = yield* Effect.forEach(members, Effect.exit, { concurrency: "unbounded" })
      const took = performance.now() - began
      for (const exit of exits) if (Exit.isFailure(exit)) failures.push(`round ${round}: ${Cause.pretty(exit.cause)}`)
      const sessions = (yield* hub.sessions.all).length
      if (sessions !== size) failures.push(`round ${round}: the hub has ${sessions} sessions instead of ${size}`)
      rows.push([
        `${round}`,
        count(sessions),
        millis(took),
        millis(took / size),
        kibibytes((heap() - before) / size, 1)
      ])
    }
    yield* Console.log(table(["round", "sessions", "all calls", "each", "KiB of heap for each, both sides"], rows))
    for (const failure of new Set(failures)) yield* Console.log(failure)
    yield* Seeds.foundIf(failures.length > 0)
  }).pipe(Effect.scoped, Effect.provide(platform))).pipe(
    Command.withDescription("Nodes with a session each to one of them, over real sockets, which all call it at once"),
    Command.withSubcommands([hosts])
  )
