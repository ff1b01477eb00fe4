/**
 * Random work between nodes while their network and machines fail, all from one seed: shared by a test (a few seeds) and the
 * command that runs as many as it is told. The clock is the caller's, who lets time pass.
 */
import { Cause, Effect, Exit, Fiber } from "effect"
import { bytes } from "../worlds/sessionWorld.ts"
import { caller } from "./calls.ts"
import { failing } from "./faults.ts"
import { makeWorld, type World } from "./world.ts"

export interface Scenario {
  readonly seed: number
  /** Virtual seconds during which calls begin and things fail. Default 40. */
  readonly seconds?: number
}

export interface WorkloadResult {
  /** Calls by what came of them. */
  readonly outcomes: Readonly<Record<string, number>>
  /** Whatever must not happen, in words. */
  readonly problems: ReadonlyArray<string>
  /** Faults that were made, by kind. */
  readonly faults: Readonly<Record<string, number>>
}

/** Three callers to a node, and faults, for so long; then all calls have to end. */
const workAndFail = (world: World, seconds: number) =>
  Effect.gen(function*() {
    const callers = yield* Effect.forEach(
      world.names.flatMap((name) => [1, 2, 3].map((n) => [name, n] as const)),
      ([name, n]) => Effect.forkChild(caller(world, name, n))
    )
    const faults = yield* Effect.forkChild(failing(world))
    yield* Effect.sleep(seconds * 1_000)
    world.over = true
    yield* Fiber.join(faults)
    yield* world.network.heal()
    for (const fiber of callers) yield* Fiber.join(fiber)
  })

/** Once all is well again, each reaches each. */
const checkReach = ({ names, nodes, tally }: World) =>
  Effect.gen(function*() {
    yield* Effect.sleep("30 seconds")
    for (const from of names) {
      for (const to of names) {
        if (from === to) continue
        const { node, process } = nodes.get(from)!
        const exit = yield* Effect.exit(process.run(node.request(to, "echo", "end")))
        if (!Exit.isSuccess(exit) || Buffer.compare(exit.value, bytes("end")) !== 0) {
          tally.problem(
            `${from} cannot reach ${to} at the end: ${Exit.isSuccess(exit) ? "" : Cause.pretty(exit.cause)}`
          )
        }
      }
    }
  })

/** No stream is left where no call is, and no socket where no node is. */
const checkLeft = ({ network, nodes, tally }: World) =>
  Effect.gen(function*() {
    yield* Effect.sleep("1 second")
    for (const [name, { node }] of nodes) {
      for (const { dialled, peer, streams } of yield* node.sessions.all) {
        if (streams > 0) {
          tally.problem(`${name} has ${streams} streams on the session ${dialled ? "to" : "from"} ${peer.name}`)
        }
      }
    }
    yield* Effect.forEach(nodes.values(), ({ process }) => process.stop, { concurrency: "unbounded", discard: true })
    yield* Effect.sleep("1 second")
    for (const socket of network.openSockets()) {
      tally.problem(`left open: ${socket.kind} of ${socket.host} to ${socket.remote}`)
    }
  })

/** Runs one seed. */
export const workload = ({ seed, seconds = 40 }: Scenario): Effect.Effect<WorkloadResult> =>
  Effect.gen(function*() {
    const world = yield* makeWorld(seed)
    yield* workAndFail(world, seconds)
    yield* checkReach(world)
    yield* checkLeft(world)
    const { faults, outcomes, problems } = world.tally
    return { outcomes, faults, problems }
  }).pipe(Effect.scoped)
