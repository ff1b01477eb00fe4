/**
 * One seed, one run: a whole network of nodes under random work and faults, and whatever must not happen, in words.
 *
 * The plan comes first (`plan.ts`), and is data. Here it is carried out in virtual time, over a simulated network, while what the
 * nodes do is compared with what they are told to. What is held, and where:
 *
 * - an answer belongs to its call, and a function ran at most once for it: exactly once where the caller got a value (`ledger.ts`,
 *   `asking.ts`)
 * - no function begins after its deadline (`ledger.ts`), and no call goes on after it (`perform.ts`)
 * - every failure is a typed error of those that the call's type lists (`asking.ts`), and nothing breaks but what is told to
 *   (`nodes.ts`)
 * - of each peer that was known, a call to all has one outcome (`asking.ts`)
 * - bytes of streams come whole, in order, once (`bytes.ts`)
 * - no session, and no call, of a key that the policy refuses (`watch.ts`, `ledger.ts`, `policy.ts`)
 * - tables stay within their limits (`watch.ts`); a node that was stopped leaves no fiber, no socket and no session behind
 *   (`nodes.ts`)
 * - once all is well again, those that may talk can talk (`recovery.ts`)
 *
 * What bites: the same seed gives the same run, to the order of fibers, so nothing here may ask the real clock or draw a number that
 * is not of the seed.
 */
import type { Crypto } from "@pnet/core"
import { Cause, Effect, Exit, Fiber, Logger, type Scope } from "effect"
import * as VirtualTime from "../worlds/virtualTime.ts"
import type { WorkStep } from "./asking.ts"
import { makeCrypto } from "./cryptography.ts"
import { Faults } from "./faults.ts"
import type { Problem } from "./journal.ts"
import { launch, makeSlot } from "./nodes.ts"
import { perform } from "./perform.ts"
import { faultOf, format, makePlan, type Plan, type Step } from "./plan.ts"
import { checkStreams, heal, stopAll, talkAll } from "./recovery.ts"
import { Watch } from "./watch.ts"
import { makeWorld, type Options, type World } from "./world.ts"

export interface Outcome {
  readonly plan: Plan
  readonly problems: ReadonlyArray<Problem>
  /** Calls by kind and by what came of them, and faults by kind. */
  readonly counts: Readonly<Record<string, number>>
  /** Virtual milliseconds that the run took. */
  readonly passed: number
  /** A hash of all that happened, the same for the same plan. */
  readonly digest: string
}

/** The nodes of the plan, started. */
const populate = (world: World): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { identities, plan, slots } = world
    for (const [index, spec] of plan.nodes.entries()) {
      const identity = identities.first(spec.name)
      slots.push(yield* makeSlot(world, { spec, index, identity, stranger: false, hostName: spec.name }))
    }
    yield* Effect.forEach(slots, (slot) => launch(world, slot), { concurrency: "unbounded", discard: true })
  })

/** Begins every step in its time, and waits until all have ended. */
const carryOut = (
  world: World,
  steps: ReadonlyArray<Step>,
  faults: Faults
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { journal, plan, slots } = world
    const until = (time: number) =>
      Effect.suspend(() => {
        const wait = time - journal.now()
        return wait > 0 ? Effect.sleep(wait) : Effect.void
      })
    const open = new Set<Fiber.Fiber<void>>()
    for (const step of steps) {
      yield* until(step.at)
      const fault = faultOf(step)
      if (fault !== undefined) {
        journal.note(format(step))
        journal.count(`fault: ${step.kind}`)
      }
      const fiber = yield* Effect.forkChild(
        fault !== undefined
          ? faults.inflict(fault)
          : perform(world, step as WorkStep, slots[(step as WorkStep).from]!),
        { startImmediately: true }
      )
      if (fiber.pollUnsafe() !== undefined) continue
      open.add(fiber)
      fiber.addObserver(() => void open.delete(fiber))
    }
    yield* until(plan.duration)
    for (const fiber of Array.from(open)) {
      const exit = yield* Fiber.await(fiber)
      if (Exit.isFailure(exit)) {
        journal.problem("nothing breaks but what is told to", `a step failed: ${Cause.pretty(exit.cause)}`)
      }
    }
  })

/** From an empty network to an empty network. */
const live = (options: Options, crypto: Crypto.Crypto["Service"]) =>
  Effect.gen(function*() {
    const world = yield* makeWorld(options, crypto)
    const { journal, plan } = world
    const watch = new Watch(world)
    const steps = world.planted.steps(plan).filter(({ id }) => options.without?.has(id) !== true)
    yield* populate(world)
    const watching = yield* Effect.forkChild(Effect.forever(Effect.andThen(Effect.sleep("500 millis"), watch.look)))
    yield* carryOut(world, steps, new Faults(world, watch))
    yield* heal(world)
    yield* talkAll(world)
    yield* checkStreams(world)
    yield* watch.look
    yield* Fiber.interrupt(watching)
    yield* stopAll(world)
    return { plan, problems: journal.problems, counts: journal.counts, digest: journal.digest }
  }).pipe(Effect.scoped)

/** Runs a seed. A run that dies is a problem like any other. */
export const run = (options: Options): Effect.Effect<Outcome> =>
  Effect.flatMap(makeCrypto(options.seed), (crypto) =>
    Effect.map(
      VirtualTime.run(Effect.provide(live(options, crypto), Logger.layer([]))),
      ({ exit, passed }): Outcome =>
        Exit.isSuccess(exit) ? { ...exit.value, passed } : {
          plan: makePlan(options),
          problems: [{ invariant: "nothing breaks but what is told to", at: passed, text: Cause.pretty(exit.cause) }],
          counts: {},
          passed,
          digest: ""
        }
    ))
