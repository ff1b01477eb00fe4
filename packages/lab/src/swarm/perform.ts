/** Makes the call of a step, and sees to it that it ends, in time and as it may. */
import { Effect, Exit, Fiber } from "effect"
import { Asking, type WorkStep } from "./asking.ts"
import { callOf } from "./calls.ts"
import { format } from "./plan.ts"
import type { Planting } from "./planted.ts"
import type { Running, Slot } from "./slot.ts"
import type { World } from "./world.ts"

/** Milliseconds after which a call that its caller waits for has to have ended by itself. */
const longest = 180_000
/** Milliseconds that a call may take over its deadline. */
const leeway = 150

/** Where only so many peers are asked at once, the time of the others begins later. */
const waits = (step: WorkStep) => "concurrency" in step && step.concurrency !== undefined

/** The time that whoever runs it has. A message has no deadline: its sender stops waiting, and that is all. */
const deadlineOf = (step: WorkStep) => step.kind.startsWith("raw") || waits(step) ? undefined : step.timeout

/** A call that does not end as it should, where that is planted. */
const spoiled = <A, E>(planted: Planting, step: WorkStep, call: Effect.Effect<A, E>): Effect.Effect<unknown, E> => {
  if (planted.sow("lost answer")) return Effect.andThen(Effect.exit(call), Effect.never)
  if (step.timeout !== undefined && planted.sow("late answer")) {
    return Effect.andThen(Effect.exit(call), Effect.sleep("20 seconds"))
  }
  return call
}

/** Its caller has lost interest, or waited long enough. */
const giveUp = (asking: Asking, fiber: Fiber.Fiber<unknown, unknown>) =>
  Effect.gen(function*() {
    const { slot, step, token, world: { journal } } = asking
    if (step.patience === undefined) journal.problem("every call ends", asking.describe())
    const stopping = yield* Effect.timeoutOption(Fiber.interrupt(fiber), "1 minute")
    if (stopping._tag === "None" && !slot.frozen) {
      journal.problem("every call ends", `${token} of ${slot.name} cannot be interrupted: ${format(step)}`)
    }
    journal.count(`${step.kind}: given up`)
    journal.note(`${token} is given up`)
  })

/** It has ended just now, having begun then. */
const checkTime = ({ running, slot, step, token, world: { journal } }: Asking, begun: number) => {
  const late = step.timeout === undefined || waits(step) ? 0 : journal.now() - begun - step.timeout
  // A node that is frozen cannot end anything, and what has come in time may be read later.
  const slow = step.kind === "stream" && step.slowReader > 0
  if (late > leeway && !slow && !slot.frozen && slot.thawedAt < begun && running.process.isAlive()) {
    journal.problem(
      "no call goes on after its deadline",
      `${token} of ${slot.name} took ${late} ms longer: ${format(step)}`
    )
  }
}

const start = (asking: Asking, running: Running) =>
  Effect.forkChild(
    Effect.ensuring(
      running.process.run(spoiled(asking.world.planted, asking.step, callOf(asking))),
      Effect.sync(() => running.calls--)
    ),
    { startImmediately: true }
  )

/** Makes the call of a step from a place, where a node is there. */
export const perform = (world: World, step: WorkStep, slot: Slot): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { journal } = world
    const { running } = slot
    if (running === undefined || !running.process.isAlive()) return journal.count(`${step.kind}: caller is down`)
    const begun = journal.now()
    const token = world.ledger.ask(step.id, deadlineOf(step))
    const asking = new Asking(world, step, slot, running, token)
    journal.note(`${slot.name} asks ${token}: ${step.kind} of #${step.id}`)
    running.calls++
    const fiber = yield* start(asking, running)
    const ended = yield* Effect.timeoutOption(Fiber.await(fiber), step.patience ?? longest)
    if (ended._tag === "None") return yield* giveUp(asking, fiber)
    checkTime(asking, begun)
    if (Exit.isSuccess(ended.value)) {
      // Of several, each outcome was counted.
      if (!step.kind.endsWith("all")) journal.count(`${step.kind}: success`)
      return journal.note(`${token} succeeded`)
    }
    const what = asking.judge(asking.describe(), ended.value.cause)
    if (what === "interrupted") {
      yield* Effect.sleep("2 seconds")
      if (running.process.isAlive()) {
        journal.problem("every failure is a typed error", `${token} was interrupted by nobody`)
      }
    }
    journal.count(`${step.kind}: ${what}`)
    journal.note(`${token} failed: ${what}`)
  })
