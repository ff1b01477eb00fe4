/** `pnpm lab membership`: how soon nodes know, miss and lose each other, and that nobody is lost who is there. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { busy } from "../harness/busy.ts"
import * as Flags from "../harness/flags.ts"
import * as Seeds from "../harness/seeds.ts"
import { measure } from "./crowd.ts"
import * as CrowdHours from "./crowdHours.ts"
import { heal } from "./healing.ts"
import { convergence, crashes, falseAlarms } from "./membership.ts"

const spread = (numbers: ReadonlyArray<number>) =>
  `${Math.round(Math.min(...numbers))} to ${Math.round(Math.max(...numbers))}`

const lightFlag = Flag.Int("light").pipe(
  Flag.withDefault(0),
  Flag.withDescription("How many more that are light: they say and answer what nodes do (default 0)")
)

const hours = Command.make("hours", {
  nodes: Flags.count("nodes", 50, "How many nodes"),
  light: lightFlag,
  hours: Flags.positive("hours", 4.1, "Virtual hours"),
  seed: Flags.count("seed", 1, "The seed")
}, ({ hours, light, nodes, seed }) =>
  Effect.gen(function*() {
    const minutes = Math.ceil(hours * 60)
    const peerHours = (passed: number) => Math.floor(nodes * (nodes + light - 1) * passed / 60)
    const { log } = yield* Console.Console
    const onMinute = (minute: number, { lost, suspicions }: { readonly suspicions: number; readonly lost: number }) => {
      if (minute % 10 === 0 || minute === minutes) {
        log(`${minute} min, ${peerHours(minute)} peer-hours: ${suspicions} suspicions, ${lost} false losses`)
      }
    }
    // Those of a LAN for many have a smaller prefix.
    const found = yield* light === 0 && nodes < 250
      ? falseAlarms({ seed, nodes, loss: 0.1, minutes, pauses: "2 seconds", onMinute })
      : CrowdHours.falseAlarms({ seed, nodes, light, loss: 0.1, minutes, pause: 2_000, startWithin: 20, onMinute })
    yield* Console.log(
      `\nseed ${seed}: ${nodes} nodes that watch ${
        light === 0 ? "each other" : `${nodes + light}`
      } for ${minutes} minutes, ${peerHours(minutes)} peer-hours, at 10 % loss, `
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
  light: lightFlag,
  dropped: Flag.Int("dropped").pipe(
    Flag.withDefault(0),
    Flag.withDescription("How many of a hundred broadcasts the switch drops (default 0)")
  ),
  within: Flags.count("within", 20, "In how many virtual seconds they start, one after another"),
  settle: Flags.count("settle", 23, "How many virtual seconds pass from then on before it is measured"),
  quiet: Flags.count("quiet", 20, "How many virtual seconds they are left alone"),
  seed: Flags.count("seed", 1, "The seed")
}, ({ dropped, light, loss, nodes, quiet, seed, settle, within }) =>
  Effect.gen(function*() {
    const { log } = yield* Console.Console
    const found = yield* measure({
      seed,
      nodes,
      light,
      loss: loss / 100,
      dropped: dropped / 100,
      startWithin: within,
      settle,
      quiet,
      cpu: busy,
      log
    })
    yield* Console.log(
      `\n| nodes | loss | broadcasts a second | CPU of a node | known | knows | leaver | crash, median | worst | false losses | CPU |\n`
        + `| ${nodes + light} | ${loss} % | ${found.broadcasts.toFixed(1)} | ${(found.cpu / 10).toFixed(2)} % | ${
          found.known.at(-1)
        } (${found.known.length}) | ${found.knows.at(-1)} (${found.knows.length}) | ${
          found.left.at(-1)
        } (${found.left.length}) | ${middle(found.lost)} | ${
          found.lost.at(-1)
        } (${found.lost.length}) | ${found.falseLosses.length} | ${Math.round(busy() / 1_000)} s |`
    )
    for (const lost of found.falseLosses) yield* Console.log(lost)
    yield* Seeds.foundIf(found.falseLosses.length > 0)
  })).pipe(
    Command.withDescription(
      "A LAN of many: what is broadcast on it in a second, and in milliseconds when a newcomer was known and knew, a leaver and a crashed node were gone"
    )
  )

const heals = Command.make("heal", {
  nodes: Flags.count("nodes", 300, "How many nodes, half of them on each side"),
  within: Flags.count("within", 20, "In how many virtual seconds they start, one after another"),
  seconds: Flags.count("seconds", 60, "For how many virtual seconds it is looked at"),
  seed: Flags.count("seed", 1, "The seed")
}, ({ nodes, seconds, seed, within }) =>
  Effect.gen(function*() {
    const { log } = yield* Console.Console
    const found = yield* heal({ seed, nodes, loss: 0, startWithin: within, seconds, log })
    const most = (of: (second: typeof found.seconds[number]) => number) => Math.max(...found.seconds.map(of))
    const whole = found.seconds.findIndex(({ unknown }) => unknown === 0)
    yield* Console.log(
      `\n${nodes} nodes: all know all after ${whole < 0 ? "more" : whole + 1} s; in its worst second ${
        most(({ broadcasts }) => broadcasts)
      } broadcasts, ${most(({ unicasts }) => unicasts)} unicasts, ${
        most(({ unicastsToOne }) => unicastsToOne)
      } to one, ${most(({ connections }) => connections)} connections, ${
        most(({ connectionsToOne }) => connectionsToOne)
      } to one; ${found.falseLosses.length} false losses`
    )
    for (const lost of found.falseLosses) yield* Console.log(lost)
    yield* Seeds.foundIf(found.falseLosses.length > 0 || whole < 0)
  })).pipe(
    Command.withDescription(
      "A LAN that was in two halves and is one again: what is sent in each second, and when all know all"
    )
  )

/** Every membership scenario over many seeds. */
export const membership = Command.make("membership", Seeds.flags(100), (which) =>
  Effect.gen(function*() {
    const { first, last } = yield* Seeds.range(which)
    const seeds = Seeds.counted(last - first + 1)
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

      const alarms = yield* (falseAlarms({ seed, nodes: 20, loss: 0.2, minutes: 10 }))
      suspicions += alarms.suspicions
      failures.push(...alarms.lost.map((text) => `seed ${seed}: ${text}`))
      yield* Console.log(`seed ${seed}, up to ${last}: ${failures.length} failures so far`)
    }
    yield* Console.log(
      `\n100 nodes at 5 % loss, ${seeds}: a crash was noticed ${spread(delays)} ms after it, ${
        spread(silences)
      } ms after the last advert`
    )
    yield* Console.log(
      `20 nodes for 10 minutes at 20 % loss, ${seeds}: ${suspicions} suspicions, ${
        failures.filter((text) => text.includes(" lost ")).length
      } false losses`
    )
    for (const failure of failures) yield* Console.log(failure)
    yield* Seeds.foundIf(failures.length > 0)
  })).pipe(
    Command.withDescription("How soon nodes know each other and notice a crash, and that nobody is lost who is there"),
    Command.withSubcommands([hours, crowd, heals])
  )
