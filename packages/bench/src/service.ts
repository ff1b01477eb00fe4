/**
 * What it costs that a call goes to whoever serves the group, and not to a name: the same calls of 128 bytes by a client of the service and by a client
 * of one peer, in turns, in one process that is both the caller and the two servers. What is compared is the processor time of all of it.
 *
 * What bites: a ratio of a run is worth more than its two numbers. The median over rounds is the number to look at.
 */
import * as CommandNode from "@pnet/core/CommandNode"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as Trust from "@pnet/core/Trust"
import { freeAdvertisePort } from "@pnet/lab/harness/ports"
import { percent, table } from "@pnet/lab/harness/table"
import * as NodePnet from "@pnet/node/NodePnet"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { type Goal, goal, GoalSchema } from "./harness/goal.ts"
import * as Machine from "./harness/machine.ts"
import * as Reports from "./harness/report.ts"

const group = RpcGroup.make(
  Rpc.make("echo", { payload: { bytes: Schema.Uint8Array }, success: Schema.Uint8Array })
)

/** One round: microseconds of the processor for a call. */
export const Round = Schema.Struct({ named: Schema.Number, service: Schema.Number })

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("service"),
  machine: Machine.Machine,
  atOnce: Schema.Number,
  rounds: Schema.Array(Round),
  /** The median of the ratios. */
  ofNamed: Schema.Number,
  goals: Schema.Array(GoalSchema)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options {
  /** Calls in a turn. */
  readonly calls: number
  readonly atOnce: number
  readonly rounds: number
  readonly pin: boolean
}

const start = (name: string, networkId: string, advertisePort: number) =>
  Effect.map(
    Layer.build(Layer.fresh(
      CommandNode.serve(group).pipe(
        Layer.provide(group.toLayer({ echo: ({ bytes }) => Effect.succeed(bytes) })),
        Layer.provideMerge(CommandNode.layer({ name, networkId, advertisePort, bindIp: "127.0.0.1" })),
        Layer.provide(Trust.open(TofuTrust.layer())),
        Layer.provide([NodePnet.layer, Logger.layer([])])
      )
    )),
    (context) => Context.get(context, CommandNode.CommandNode)
  )

const bytes = new Uint8Array(128).fill(7)

/** Microseconds of the processor that one call takes. */
const cost = (call: Effect.Effect<unknown, unknown>, { atOnce, calls }: Options): Effect.Effect<number, unknown> =>
  Effect.gen(function*() {
    const before = process.cpuUsage()
    const each = Math.ceil(calls / atOnce)
    yield* Effect.forEach(
      Array.from({ length: atOnce }, () => Effect.forEach(Array.from({ length: each }), () => call, { discard: true })),
      (turn) => turn,
      { concurrency: "unbounded", discard: true }
    )
    const { system, user } = process.cpuUsage(before)
    return (system + user) / (each * atOnce)
  })

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[(values.length - 1) >> 1]!

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, unknown> =>
  Effect.gen(function*(): Effect.fn.Return<Report, unknown, Scope.Scope> {
    const machine = yield* Machine.machine(options)
    const networkId = `bench-${randomUUID()}`
    const advertisePort = yield* freeAdvertisePort
    yield* start("one", networkId, advertisePort)
    yield* start("two", networkId, advertisePort)
    const caller = yield* start("caller", networkId, advertisePort)
    yield* caller.awaitPeers({ serves: group }, { atLeast: 2 })
    const service = yield* caller.client(group)
    const one = yield* caller.client(group, "one")
    const two = yield* caller.client(group, "two")
    let turn = 0
    // Both servers, as the client of the service calls both.
    const named = Effect.suspend(() => (turn++ % 2 === 0 ? one : two).echo({ bytes }))
    const ofService = Effect.suspend(() => service.echo({ bytes }))
    const rounds: Array<typeof Round.Type> = []
    for (let round = -1; round < options.rounds; round++) {
      // In turns, each of which comes first as often.
      const first = round % 2 === 0
      const a = yield* cost(first ? named : ofService, options)
      const b = yield* cost(first ? ofService : named, options)
      if (round >= 0) rounds.push(first ? { named: a, service: b } : { named: b, service: a })
    }
    const ofNamed = median(rounds.map(({ named, service }) => service / named))
    const goals: ReadonlyArray<Goal> = [
      goal("a call of a service: processor time of a named call's", ofNamed, "at most", 1.05)
    ]
    return { benchmark: "service" as const, machine, atOnce: options.atOnce, rounds, ofNamed, goals }
  }).pipe(Effect.provideService(References.TracerEnabled, false), Effect.scoped)

/** A report for people. */
export const format = (report: Report): string =>
  [
    `Typed calls of 128 bytes, ${report.atOnce} at once, of two servers in this process: of a name, and of the service`,
    Machine.describe(report.machine),
    "",
    table(
      ["", "named, us", "service, us", "of named"],
      [[
        `the median of ${report.rounds.length} rounds`,
        median(report.rounds.map(({ named }) => named)).toFixed(1),
        median(report.rounds.map(({ service }) => service)).toFixed(1),
        percent(report.ofNamed)
      ]]
    ),
    "",
    ...report.goals.map(({ text }) => text)
  ].join("\n")

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
