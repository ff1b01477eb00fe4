/** What happens to those who are called: one thing to one of them. */
import { Effect } from "effect"
import type { Member, World } from "./world.ts"

const kinds = ["crash", "crash", "kill", "leave", "join", "stall", "freeze", "partition"] as const

/** One that is gone comes back with a new key, as a machine that was set up anew: those who pinned the old one refuse it. */
const restart = ({ start }: World, victim: Member) =>
  Effect.gen(function*() {
    if (!victim.host.isUp()) yield* victim.host.restart
    victim.process = yield* start(victim.name, victim.host)
  })

/** Nothing gets through between the caller and one of them, for a while. */
const partition = ({ caller, network, random }: World, { host }: Member) =>
  Effect.andThen(
    network.partition(caller.host, host),
    Effect.andThen(Effect.sleep(`${random.below(8_000)} millis`), network.heal(caller.host, host))
  )

/** One goes on only after a while. */
const stall = ({ random }: World, { process }: Member) =>
  Effect.andThen(
    process.pause,
    Effect.andThen(Effect.sleep(`${random.below(6_000)} millis`), process.resume)
  )

/** One thing happens to somebody. */
export const fault = (world: World): Effect.Effect<unknown> =>
  Effect.suspend((): Effect.Effect<unknown> => {
    const { join, members, random, tally } = world
    const kind = random.pick(kinds)
    const victim = random.pick(members)
    if (kind !== "join" && !victim.process.isAlive()) {
      tally.fault("restart")
      return restart(world, victim)
    }
    tally.fault(kind)
    switch (kind) {
      case "join":
        return Effect.map(join(`late${members.length}`), (member) => members.push(member))
      case "crash":
        return victim.host.crash
      case "kill":
        return victim.process.kill
      case "leave":
        return victim.process.stop
      case "stall":
        return stall(world, victim)
      case "freeze":
        return victim.process.pause
      case "partition":
        return partition(world, victim)
    }
  })
