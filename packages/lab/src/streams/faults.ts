/** What fails while nodes call each other: one thing at a time, at random, until the run is over. */
import { Effect } from "effect"
import { type Chance, chance } from "../harness/chance.ts"
import type { World } from "./world.ts"

const kinds = ["partition", "one way", "pause", "kill", "crash", "stop", "delay"] as const

/** Something fails for so many milliseconds. */
const fail = (
  { launch, network, nodes }: World,
  random: Chance,
  kind: typeof kinds[number],
  { lasting, name, other: otherName }: { readonly name: string; readonly other: string; readonly lasting: number }
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { host, process } = nodes.get(name)!
    const other = nodes.get(otherName)!
    switch (kind) {
      case "partition":
      case "one way": {
        yield* network.partition(host, other.host, { oneWay: kind === "one way" })
        yield* Effect.sleep(lasting)
        return yield* network.heal(host, other.host)
      }
      case "pause": {
        yield* process.pause
        yield* Effect.sleep(lasting)
        return yield* process.resume
      }
      case "delay": {
        yield* network.setPath(host, other.host, { latency: `${random.below(1_500)} millis` })
        yield* Effect.sleep(lasting)
        return yield* network.setPath(host, other.host, undefined)
      }
      case "kill":
        yield* process.kill
        break
      case "crash":
        yield* Effect.andThen(host.crash, host.restart)
        break
      case "stop":
        yield* process.stop
    }
    yield* Effect.sleep(random.pick([0, lasting]))
    yield* launch(name, host)
  })

/** Lets one thing after another fail. */
export const failing = (world: World): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { names, seed, tally } = world
    const random = chance(seed, "faults")
    while (!world.over) {
      yield* Effect.sleep(500 + random.below(6_000))
      if (world.over) return
      const name = random.pick(names)
      const other = random.pick(names.filter((each) => each !== name))
      const kind = random.pick(kinds)
      tally.fault(kind)
      const lasting = 200 + random.below(random.pick([3_000, 14_000]))
      yield* fail(world, random, kind, { name, other, lasting })
    }
  })
