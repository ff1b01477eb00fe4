/**
 * Calls of everyone, 50 nodes, while some of them crash, are killed, leave, join or stall, all from one seed: shared by a test (a
 * few seeds) and the command that runs as many as it is told.
 */
import { Effect, Fiber, Logger, Metric } from "effect"
import { callAll } from "./calls.ts"
import { fault } from "./faults.ts"
import { makeWorld, type World } from "./world.ts"

export interface Scenario {
  readonly seed: number
  /** Nodes at the beginning, the caller included. Default 50. */
  readonly nodes?: number
}

export interface Result {
  /** Exits by what they were: `success`, or the tag of the error. */
  readonly exits: Readonly<Record<string, number>>
  /** What happened to nodes while calls were under way, by kind. */
  readonly faults: Readonly<Record<string, number>>
  /** The longest that a call of everyone took beyond its timeout, in virtual milliseconds; negative where none came near. */
  readonly over: number
  /** Whatever must not happen, in words. */
  readonly problems: ReadonlyArray<string>
}

/** Calls overlap, and faults come at any moment of them. Ends with all calls, and gives the faults that go on. */
const callAndFail = (world: World) =>
  Effect.gen(function*() {
    const begin = <A>(times: number, within: number, what: Effect.Effect<A>) =>
      Effect.forEach(
        Array.from({ length: times }),
        () => Effect.andThen(Effect.sleep(`${world.random.below(within)} millis`), Effect.forkScoped(what))
      )
    let calls = 0
    // The node that calls is not closed.
    const call = Effect.orDie(Effect.suspend(() => callAll(world, ++calls)))
    const [calling, failing] = yield* Effect.all(
      [begin(12, 1_000, call), begin(40, 300, fault(world))],
      { concurrency: 2 }
    )
    yield* Effect.forEach(calling, Fiber.join)
    return failing
  })

/** What a call left behind shows once the frozen go on, and what was interrupted has had time to end. */
const checkLeft = ({ members, node, runs, tally }: World, failing: ReadonlyArray<Fiber.Fiber<unknown>>) =>
  Effect.gen(function*() {
    yield* Effect.forEach(members, ({ host, process }) => Effect.andThen(process.resume, host.resume))
    yield* Effect.forEach(failing, Fiber.join)
    yield* Effect.sleep("12 seconds")
    if (runs.running !== 0) tally.problem(`${runs.running} handlers still run`)
    for (const session of yield* node.sessions.all) {
      if (session.streams > 0) tally.problem(`${session.streams} streams are open with ${session.peer.name}`)
    }
  })

const scenario = ({ nodes = 50, seed }: Scenario) =>
  Effect.gen(function*() {
    const world = yield* makeWorld(seed, nodes)
    yield* checkLeft(world, yield* callAndFail(world))
    return world
  }).pipe(Effect.scoped)

/** Runs one seed. The clock is the caller's, who lets time pass. */
export const everyone = (options: Scenario): Effect.Effect<Result> =>
  Effect.gen(function*() {
    let fibers = 0
    const counting: Metric.FiberRuntimeMetricsService = {
      recordFiberStart: () => void fibers++,
      recordFiberEnd: () => void fibers--
    }
    const { network, tally } = yield* Effect.provideService(scenario(options), Metric.FiberRuntimeMetrics, counting)
    yield* Effect.sleep("1 second")
    if (fibers !== 0) tally.problem(`${fibers} fibers are left`)
    const { length } = network.openSockets()
    if (length > 0) tally.problem(`${length} sockets are left open`)
    const { exits, faults, over, problems } = tally
    return { exits, faults, problems, over }
  }).pipe(Effect.provide(Logger.layer([])))
