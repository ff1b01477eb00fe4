/**
 * `pnpm lab flood`: what calls between two honest nodes take while one process floods both of them, one kind of flood after another,
 * and what the nodes hold. It fails where a call fails, or where one of a hundred takes more than 250 ms.
 */
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Flags from "../harness/flags.ts"
import * as Seeds from "../harness/seeds.ts"
import { calls, counted, growth, kinds, measure, memory, pair } from "./flood.ts"

const limit = 250

const millis = (n: number) => n.toFixed(1).padStart(8)
const mebibytes = (n: number) => (n / 1_048_576).toFixed(1).padStart(7)

/** Floods. */
export const flood = Command.make("flood", {
  seconds: Flags.positive("seconds", 4, "Seconds of each kind")
}, ({ seconds }) =>
  Effect.gen(function*() {
    const both = yield* pair
    yield* calls(both.alice, 2)
    const quiet = yield* calls(both.alice, seconds)
    yield* Console.log(
      "alice calls bob 50 times a second; one process floods both. Times in ms, memory in MiB: by how much heap and"
    )
    yield* Console.log("external memory grew after a collection, and what is resident, of the larger of the two.\n")
    yield* Console.log(
      `${"flood".padEnd(18)}   a second      p50      p99     most   failed  growth  resident  peers sessions`
    )
    const row = (name: string, rate: string, result: typeof quiet, rest: string) =>
      Console.log(
        `${name.padEnd(18)} ${rate.padStart(10)} ${millis(result.p50)} ${millis(result.p99)} ${millis(result.most)} ${
          String(result.failures.length).padStart(8)
        } ${rest}`
      )
    yield* row("none", "", quiet, "")
    let failed = false
    const notes: Array<string> = []
    for (const kind of kinds) {
      const one = yield* measure(both, kind, seconds, yield* memory(both))
      const { after, flooded } = one
      failed ||= one.calls.failures.length > 0 || one.calls.p99 > limit
      yield* row(
        kind,
        Math.round(flooded.sent / flooded.seconds).toLocaleString("en-US"),
        one.calls,
        `${mebibytes(Math.max(...growth(one)))} ${mebibytes(Math.max(...after.map(({ rss }) => rss)))}   ${
          String(Math.max(...after.map(({ peers }) => peers))).padStart(5)
        } ${String(Math.max(...after.map(({ sessions }) => sessions))).padStart(8)}`
      )
      const list = (counts: Readonly<Record<string, number>>) =>
        Object.entries(counts).map(([name, count]) => `${name.replace("pnet_", "")}: ${count.toLocaleString("en-US")}`)
          .join(", ")
      notes.push(
        `${kind}: the nodes counted ${list(counted(one))}${
          Object.keys(flooded.answers).length > 0 ? `; the attacker was answered ${list(flooded.answers)}` : ""
        }`
      )
      for (const failure of new Set(one.calls.failures)) notes.push(`  failed: ${failure.split("\n")[0]}`)
    }
    yield* Console.log("")
    for (const note of notes) yield* Console.log(note)
    yield* Seeds.foundIf(failed)
  }).pipe(Effect.scoped)).pipe(
    Command.withDescription("Calls between two processes while a third does what it can to them")
  )
