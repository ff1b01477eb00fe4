/**
 * Runs every membership scenario over many seeds and says what came of it: `pnpm membership`, or with a number of seeds
 * `pnpm membership 20`. The tests run a few of the same.
 *
 * `pnpm membership hours`, or `pnpm membership hours 50 4.1` for 50 nodes and 4.1 hours, is one long run in which nobody fails:
 * 10 % loss, and each node frozen for 2 seconds about once a minute. It takes some minutes.
 */
import { Console, Effect } from "effect"
import { TestClock } from "effect/testing"
import { convergence, crashes, falseAlarms } from "./membership.ts"

const seeds = Number(process.argv[2] ?? 100)

const hours = Effect.gen(function*() {
  const nodes = Number(process.argv[3] ?? 50)
  const minutes = Math.ceil(Number(process.argv[4] ?? 4.1) * 60)
  const seed = Number(process.argv[5] ?? 1)
  const peerHours = (passed: number) => Math.floor(nodes * (nodes - 1) * passed / 60)
  const found = yield* falseAlarms({
    seed,
    nodes,
    loss: 0.1,
    minutes,
    pauses: "2 seconds",
    onMinute: (minute, { lost, suspicions }) => {
      if (minute % 10 === 0 || minute === minutes) {
        console.log(`${minute} min, ${peerHours(minute)} peer-hours: ${suspicions} suspicions, ${lost} false losses`)
      }
    }
  }).pipe(Effect.provide(TestClock.layer()))
  yield* Console.log(
    `\nseed ${seed}: ${nodes} nodes that watch each other for ${minutes} minutes, ${
      peerHours(minutes)
    } peer-hours, at 10 % loss, `
      + `${found.paused} pauses of 2 s: ${found.suspicions} suspicions, ${found.answered} answered when asked, `
      + `${found.lost.length} false losses`
  )
  for (const lost of found.lost) yield* Console.log(lost)
  if (found.lost.length > 0) process.exitCode = 1
})
const spread = (numbers: ReadonlyArray<number>) =>
  `${Math.round(Math.min(...numbers))} to ${Math.round(Math.max(...numbers))}`

const program = Effect.gen(function*() {
  const failures: Array<string> = []
  let suspicions = 0
  const silences: Array<number> = []
  const delays: Array<number> = []
  for (let seed = 1; seed <= seeds; seed++) {
    const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, TestClock.layer())
    const found = yield* isolated(convergence({ seed, nodes: 100, loss: 0.05 }))
    if (found.missingAfterTwoSeconds > 0) {
      failures.push(`seed ${seed}: ${found.missingAfterTwoSeconds} of 9,900 not known after 2 s`)
    }
    if (found.presentAfterLeaving > 0) {
      failures.push(`seed ${seed}: ${found.presentAfterLeaving} of 99 still knew the leaver after 1 s`)
    }
    if (found.socketsAfterClosing > 0) failures.push(`seed ${seed}: ${found.socketsAfterClosing} sockets left open`)

    const lost = yield* isolated(crashes({ seed, nodes: 100, loss: 0.05, talking: seed % 2 === 0 }))
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

    const alarms = yield* isolated(falseAlarms({ seed, nodes: 20, loss: 0.1, minutes: 10 }))
    suspicions += alarms.suspicions
    failures.push(...alarms.lost.map((text) => `seed ${seed}: ${text}`))
    yield* Console.log(`seed ${seed} of ${seeds}: ${failures.length} failures so far`)
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
  if (failures.length > 0) process.exitCode = 1
})

await Effect.runPromise(process.argv[2] === "hours" ? hours : program)
