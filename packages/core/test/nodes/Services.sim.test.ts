/**
 * A service in trouble, by seeds, over real nodes: servers are killed, started again, drained, frozen and slow. Whatever happens, no call
 * runs twice that must not, none is lost without a typed error that is true, and who joins gets work within a second.
 */
import { assert, describe, it } from "@effect/vitest"
import { Balance, CommandNode, TofuTrust, Trust } from "@pnet/core"
import { type Net, quietly } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Context, Effect, Exit, Fiber, Layer, Logger, Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"

const group = RpcGroup.make(
  Rpc.make("once", { payload: { id: Schema.Int }, success: Schema.String }),
  Rpc.make("often", { payload: { id: Schema.Int }, success: Schema.String }).annotate(Balance.Idempotent, true)
)

const seconds = 30
const servers = 6
const callers = 6
/** Milliseconds between two calls of a caller. */
const every = 250
/** Milliseconds that a call takes: long enough that whatever happens to a server happens to calls. */
const quick = 250

/** Small numbers, drawn by a seed. */
const drawing = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor(state / 2 ** 32 * below)
  }
}

interface Server {
  readonly name: string
  readonly host: SimNetwork.Host
  process: SimNetwork.Process<CommandNode.CommandNode> | undefined
  /** Milliseconds that a call takes. */
  millis: number
  /** When it was started last, and when it ran its first call after that. */
  startedAt: number
  firstAt: number | undefined
}

interface Ended {
  readonly id: number
  readonly kind: "once" | "often"
  readonly exit: Exit.Exit<string, { readonly _tag: string; readonly mayHaveRun?: boolean }>
}

/** What may be told of a call, and of which of that it is known that it did not run. */
const typed = new Set([
  "PeerLostError",
  "StreamResetError",
  "NobodyThereError",
  "OverloadedError",
  "DeadlineError",
  "DialError"
])
const unrun = new Set(["NobodyThereError", "OverloadedError", "DialError"])

const trouble = (seed: number) =>
  Effect.gen(function*() {
    const network: Net = yield* SimNetwork.make({ seed, traceCapacity: 0 })
    const draw = drawing(seed)
    const now = Effect.clockWith((clock) => Effect.sync(() => Number(clock.monotonicTimeNanosUnsafe()) / 1e6))
    const runs = new Map<number, number>()
    const ended: Array<Ended> = []
    const joins: Array<number> = []
    const provided = Layer.provide([
      NodeCrypto.layer,
      Trust.open(TofuTrust.layer()).pipe(Layer.provide(Logger.layer([]))),
      Logger.layer([])
    ])
    const options = { networkId: "trouble", bindIp: "0.0.0.0", broadcastInterval: "2 seconds" } as const

    const launch = (server: Server, generation: number) =>
      Effect.gen(function*() {
        const run = ({ id }: { readonly id: number }) =>
          Effect.gen(function*() {
            runs.set(id, (runs.get(id) ?? 0) + 1)
            if (server.firstAt === undefined) {
              server.firstAt = yield* now
              joins.push(server.firstAt - server.startedAt)
            }
            yield* Effect.sleep(server.millis)
            return server.name
          })
        const layer = CommandNode.serve(group, { concurrency: { running: 16, waiting: 16 } }).pipe(
          Layer.provide(group.toLayer({ once: run, often: run })),
          Layer.provideMerge(CommandNode.layer({
            ...options,
            grace: "2 seconds",
            name: `${server.name}-${generation}`
          })),
          provided
        )
        server.startedAt = yield* now
        server.firstAt = undefined
        server.process = yield* Effect.orDie(server.host.launch(layer as never)) as Effect.Effect<
          SimNetwork.Process<CommandNode.CommandNode>
        >
      })

    const all: Array<Server> = []
    for (let i = 0; i < servers; i++) {
      const host = yield* network.host(`s${i}`)
      all.push({ name: `s${i}`, host, process: undefined, millis: quick, startedAt: 0, firstAt: undefined })
      yield* launch(all[i]!, 0)
    }

    let nextId = 0
    const calling = (i: number) =>
      Effect.gen(function*() {
        const host = yield* network.host(`c${i}`)
        const process = yield* Effect.orDie(
          host.launch(CommandNode.layer({ ...options, name: `c${i}` }).pipe(provided) as never)
        ) as Effect.Effect<SimNetwork.Process<CommandNode.CommandNode>>
        const node = Context.get(process.context, CommandNode.CommandNode)
        yield* node.awaitPeers({ serves: group }, { atLeast: servers })
        const client = yield* node.client(group, { timeout: "10 seconds" })
        const made: Array<Fiber.Fiber<unknown>> = []
        const until = (yield* now) + seconds * 1_000
        while ((yield* now) < until) {
          const id = nextId++
          const kind = id % 3 === 0 ? "often" : "once"
          made.push(
            yield* Effect.forkChild(
              Effect.map(Effect.exit(client[kind]({ id })), (exit) => void ended.push({ id, kind, exit }))
            )
          )
          yield* Effect.sleep(every)
        }
        yield* Fiber.joinAll(made)
      })
    const calls = yield* Effect.forkChild(
      Effect.forEach(Array.from({ length: callers }, (_, i) => i), calling, { concurrency: "unbounded", discard: true })
    )

    // At most two servers are in trouble at once.
    const harm = (server: Server, generation: number) => {
      const process = server.process!
      const kinds = [
        Effect.andThen(process.kill, Effect.andThen(Effect.sleep(500 + draw(3_000)), launch(server, generation))),
        Effect.andThen(process.stop, Effect.andThen(Effect.sleep(draw(1_000)), launch(server, generation))),
        Effect.andThen(process.pause, Effect.andThen(Effect.sleep(500 + draw(4_000)), process.resume)),
        Effect.suspend(() => {
          server.millis = 10 * quick
          return Effect.andThen(Effect.sleep("3 seconds"), Effect.sync(() => void (server.millis = quick)))
        })
      ]
      return kinds[draw(kinds.length)]!
    }
    const harming = (from: number) =>
      Effect.gen(function*() {
        for (let generation = 1;; generation++) {
          yield* Effect.sleep(500 + draw(2_000))
          const server = all[from + 2 * draw(servers / 2)]!
          yield* harm(server, 10 * generation + from)
        }
      })
    yield* Effect.forkChild(harming(0))
    yield* Effect.forkChild(harming(1))
    yield* Fiber.join(calls)
    return { runs, ended, joins, made: nextId }
  })

describe("a service of six servers in trouble", () => {
  for (const seed of [1, 2]) {
    it.effect(
      `runs nothing twice that must not, loses nothing, and gives work to who joins: seed ${seed}`,
      () =>
        quietly(Effect.gen(function*() {
          const { ended, joins, made, runs } = yield* trouble(seed)
          assert.strictEqual(ended.length, made)
          let failed = 0
          for (const { exit, id, kind } of ended) {
            const times = runs.get(id) ?? 0
            if (kind === "once") assert.isAtMost(times, 1, `call ${id} ran ${times} times`)
            if (Exit.isSuccess(exit)) {
              assert.isAtLeast(times, 1)
              continue
            }
            failed++
            const [reason] = exit.cause.reasons
            assert(reason?._tag === "Fail", String(exit.cause))
            const { _tag, mayHaveRun } = reason.error
            assert.isTrue(typed.has(_tag), _tag)
            if (unrun.has(_tag) || mayHaveRun === false) {
              assert.strictEqual(times, 0, `${_tag} of call ${id}, which ran`)
            }
            // Whatever may run twice got its answer.
            if (kind === "often") {
              assert.strictEqual(_tag, "DeadlineError")
            }
          }
          assert.isBelow(failed, made / 20)
          assert.isAbove(joins.length, servers)
          for (const join of joins.slice(servers)) assert.isBelow(join, 1_000)
        })),
      60_000
    )
  }
})
