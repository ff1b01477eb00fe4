/** The end of a run: all is well again, so those that may talk can talk, and nothing is left of what was. */
import { Cause, Effect, Exit } from "effect"
import { chance } from "../harness/chance.ts"
import { launch, stop } from "./nodes.ts"
import type { Order } from "./plan.ts"
import type { Slot } from "./slot.ts"
import type { World } from "./world.ts"

/** No fault is left, every node is there, and all had time to find each other. */
export const heal = (world: World): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { journal, network, planted, slots } = world
    journal.note("all is well again")
    yield* network.heal()
    for (const slot of slots) {
      yield* slot.host.setSkew(0)
      if (slot.running === undefined) yield* launch(world, slot)
    }
    yield* Effect.sleep("30 seconds")
    if (planted.sow("deaf node")) yield* network.partition(slots[0]!.host)
  })

// --- who can talk ------------------------------------------------------------------------------------------------------------

/** Whether a node hears of another: it broadcasts, or is listed. */
const hears = (from: Slot, to: Slot) =>
  from.spec.lans.some((lan) => to.spec.lans.includes(lan)) &&
  (to.spec.broadcasts || from.spec.listed.includes(to.index))

const mayTalk = (from: Slot, to: Slot) =>
  hears(from, to) && from.permits(to.name, to.identity.publicKey) && to.permits(from.name, from.identity.publicKey)

/** Those that may talk; of many nodes, each with a few of the others. */
const pairs = ({ plan, slots }: World) =>
  slots.flatMap((from) => {
    const others = slots.filter((to) => to !== from && mayTalk(from, to))
    const random = chance(plan.seed, `pairs of ${from.name}`)
    while (slots.length > 6 && others.length > 3) others.splice(random.below(others.length), 1)
    return others.map((to) => [from, to] as const)
  })

/**
 * How often one may have to try. A session that is needed now may have to make room for another where there may be few, and of a
 * thousand dials over a link that loses one packet of twenty one loses all of its requests.
 */
const triesOf = ({ plan }: World, from: Slot, to: Slot) => {
  const certain = plan.lans.every(({ loss }) => loss === 0) && from.spec.limits.sessions === undefined &&
    to.spec.limits.sessions === undefined
  return certain ? 1 : 8
}

const order: Order = { delay: 0, way: "ok", ballast: 0 }

/** A node asks another, and has its answer. */
const talk = (world: World, from: Slot, to: Slot): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { journal, ledger } = world
    const { running } = from
    const cannot = (text: string) => journal.problem("those that may talk can talk", `${from.name} ${text}`)
    if (running === undefined) return cannot("is not there")
    let tries = triesOf(world, from, to)
    while (true) {
      const token = ledger.ask("end", undefined)
      const exit = yield* Effect.exit(
        running.process.run(running.node.target(to.name, { timeout: "10 seconds" })("work", token, order, ""))
      )
      const answer = Exit.isSuccess(exit) ? (exit.value as any).answer : Cause.pretty(exit.cause)
      journal.note(`${from.name} asks ${to.name} at the end: ${String(answer).slice(0, 100)}`)
      if (answer === `${token}@${to.name}`) return journal.count("pairs at the end")
      if (--tries === 0) return cannot(`cannot talk to ${to.name}: ${answer}`)
      yield* Effect.sleep("700 millis")
    }
  })

/** Those that may talk do. */
export const talkAll = (world: World): Effect.Effect<void> =>
  Effect.forEach(pairs(world), ([from, to]) => talk(world, from, to), { concurrency: 8, discard: true })

// --- what is left ------------------------------------------------------------------------------------------------------------

const streamsLeft = ({ slots }: World): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(
    Effect.forEach(slots, ({ name, running }) =>
      running === undefined ?
        Effect.succeed([]) :
        Effect.map(running.sessions.all, (sessions) =>
          sessions.flatMap(({ peer, streams }) =>
            streams > 0 ? [`${name} has ${streams} streams left with ${peer.name}`] : []
          ))),
    (left) => left.flat()
  )

/** No call goes on, so no session has a stream, but those that say what a peer offers, which are kept for a minute. */
export const checkStreams = (world: World): Effect.Effect<void> =>
  Effect.gen(function*() {
    yield* Effect.sleep("1 second")
    if ((yield* streamsLeft(world)).length === 0) return
    yield* Effect.sleep("65 seconds")
    for (const text of yield* streamsLeft(world)) world.journal.problem("a stopped node leaves nothing behind", text)
  })

/** Ends every node, and looks for sockets that nobody closed. */
export const stopAll = (world: World): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { journal, network, slots } = world
    yield* Effect.forEach(slots, (slot) => stop(world, slot), { concurrency: "unbounded", discard: true })
    for (const socket of network.openSockets()) {
      journal.problem("a stopped node leaves nothing behind", `${socket.host} has a ${socket.kind} socket at the end`)
    }
  })
