/** `pnpm lab membership`: how soon nodes know, miss and lose each other, and that nobody is lost who is there. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Flags from "../harness/flags.ts"
import * as Seeds from "../harness/seeds.ts"
import { measure } from "./crowd.ts"
import { convergence, crashes, falseAlarms } from "./membership.ts"

const spread = (numbers: ReadonlyArray<number>) =>
  `${Math.round(Math.min(...numbers))} to ${Math.round(Math.max(...numbers))}`

const hours = Command.make("hours", {
  nodes: Flags.count("nodes", 50, "How many nodes"),
  hours: Flags.positive("hours", 4.1, "Virtual hours"),
  seed: Flags.count("seed", 1, "The seed")
}, ({ hours, nodes, seed }) =>
  Effect.gen(function*() {
    const minutes = Math.ceil(hours * 60)
    const peerHours = (passed: number) => Math.floor(nodes * (nodes - 1) * passed / 60)
    const { log } = yield* Console.Console
    const found = yield* (falseAlarms({
      seed,
      nodes,
      loss: 0.1,
      minutes,
      pauses: "2 seconds",
      onMinute: (minute, { lost, suspicions }) => {
        if (minute % 10 === 0 || minute === minutes) {
          log(`${minute} min, ${peerHours(minute)} peer-hours: ${suspicions} suspicions, ${lost} false losses`)
        }
      }
    }))
    yield* Console.log(
      `\nseed ${seed}: ${nodes} nodes that watch each other for ${minutes} minutes, ${
        peerHours(minutes)
      } peer-hours, at 10 % loss, `
        + `${found.paused} pauses of 2 s: ${found.suspicions} suspicions, ${found.answered} answered when asked, `
        + `${found.lost.length} false losses`
    )
    for (const lost of found.lost) yield* Console.log(lost)
    yield* Seeds.foundIf(found.lost.length > 0)
  })).pipe(
    Command.withDescription(
      "One long run in which nobody fails: 10 % loss, and each node frozen for 2 s about once a minute"
    )
  )

const middle = (times: ReadonlyArray<number>) => times[times.length >> 1]

const crowd = Command.make("crowd", {
  nodes: Flags.count("nodes", 300, "How many nodes"),
  loss: Flag.Int("loss").pipe(
    Flag.withDefault(0),
    Flag.withDescription("How many of a hundred packets are lost (default 0)")
  ),
  within: Flags.count("within", 20, "In how many virtual seconds they start, one after another"),
  quiet: Flags.count("quiet", 20, "How many virtual seconds they are left alone"),
  seed: Flags.count("seed", 1, "The seed")
}, ({ loss, nodes, quiet, seed, within }) =>
  Effect.gen(function*() {
    const before = process.cpuUsage()
    const { log } = yield* Console.Console
    const found = yield* measure({ seed, nodes, loss: loss / 100, startWithin: within, quiet, log })
    const { system, user } = process.cpuUsage(before)
    yield* Console.log(
      `\n| nodes | loss | broadcasts a second | known | knows | leaver | crash, median | worst | false losses | CPU |\n`
        + `| ${nodes} | ${loss} % | ${found.broadcasts.toFixed(1)} | ${found.known.at(-1)} (${found.known.length}) | ${
          found.knows.at(-1)
        } (${found.knows.length}) | ${found.left.at(-1)} (${found.left.length}) | ${middle(found.lost)} | ${
          found.lost.at(-1)
        } (${found.lost.length}) | ${found.falseLosses.length} | ${Math.round((system + user) / 1e6)} s |`
    )
    for (const lost of found.falseLosses) yield* Console.log(lost)
    yield* Seeds.foundIf(found.falseLosses.length > 0)
  })).pipe(
    Command.withDescription(
      "A LAN of many: what is broadcast on it in a second, and in milliseconds when a newcomer was known and knew, a leaver and a crashed node were gone"
    )
  )

/** Every membership scenario over many seeds. */
export const membership = Command.make("membership", Seeds.flags(100), (which) =>
  Effect.gen(function*() {
    const { first, last } = Seeds.range(which)
    const seeds = last - first + 1
    const failures: Array<string> = []
    let suspicions = 0
    const silences: Array<number> = []
    const delays: Array<number> = []
    for (let seed = first; seed <= last; seed++) {
      const found = yield* (convergence({ seed, nodes: 100, loss: 0.05 }))
      if (found.missingAfterTwoSeconds > 0) {
        failures.push(`seed ${seed}: ${found.missingAfterTwoSeconds} of 9,900 not known after 2 s`)
      }
      if (found.presentAfterLeaving > 0) {
        failures.push(`seed ${seed}: ${found.presentAfterLeaving} of 99 still knew the leaver after 1 s`)
      }
      if (found.socketsAfterClosing > 0) failures.push(`seed ${seed}: ${found.socketsAfterClosing} sockets left open`)

      const lost = yield* (crashes({ seed, nodes: 100, loss: 0.05, talking: seed % 2 === 0 }))
      if (lost.length !== 99) failures.push(`seed ${seed}: ${lost.length} of 99 noticed the crash`)
      for (const { afterCrash, by, silence } of lost) {
        silences.push(silence)
        delays.push(afterCrash)
        if (silence < 7_500 || afterCrash > 12_000) {
          failures.push(
            `seed ${seed}: ${by} called it lost ${afterCrash} ms after the crash, ${silence} ms after its last advert`
          )
        }
      }

      const alarms = yield* (falseAlarms({ seed, nodes: 20, loss: 0.1, minutes: 10 }))
      suspicions += alarms.suspicions
      failures.push(...alarms.lost.map((text) => `seed ${seed}: ${text}`))
      yield* Console.log(`seed ${seed}, up to ${last}: ${failures.length} failures so far`)
    }
    yield* Console.log(
      `\n100 nodes at 5 % loss, ${seeds} seeds: a crash was noticed ${spread(delays)} ms after it, ${
        spread(silences)
      } ms after the last advert`
    )
    yield* Console.log(
      `20 nodes for 10 minutes at 10 % loss, ${seeds} seeds: ${suspicions} suspicions, ${
        failures.filter((text) => text.includes(" lost ")).length
      } false losses`
    )
    for (const failure of failures) yield* Console.log(failure)
    yield* Seeds.foundIf(failures.length > 0)
  })).pipe(
    Command.withDescription("How soon nodes know each other and notice a crash, and that nobody is lost who is there"),
    Command.withSubcommands([hours, crowd])
  )
