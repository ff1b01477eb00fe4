/**
 * `pnpm lab services`: servers of one service in processes of their own, under load: restarted one after the other by draining, and then one killed. It fails
 * where a restart loses a call, or the kill another one than may have run.
 */
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Flags from "../harness/flags.ts"
import * as Seeds from "../harness/seeds.ts"
import { type Failure, rolling, type Told } from "./rolling.ts"

const isSound = ({ kind, mayHaveRun, tag }: Failure): boolean =>
  kind === "work" && tag === "PeerLostError" && mayHaveRun === true

const line = (what: string, { by, calls, failures }: Told): string => {
  const counts = Object.values(by)
  return `${what}: ${calls.toLocaleString("en-US")} calls, ${failures.length} failed; a server answered ${
    Math.min(...counts)
  } to ${Math.max(...counts)} of them`
}

/** A service of processes. */
export const services = Command.make("services", {
  servers: Flags.positive("servers", 8, "Processes"),
  rate: Flags.positive("rate", 500, "Calls a second"),
  millis: Flags.positive("millis", 10, "Milliseconds that a call takes")
}, (options) =>
  Effect.gen(function*() {
    const { killed, restarted } = yield* rolling(options)
    yield* Console.log(line("each restarted by draining", restarted))
    yield* Console.log(line("one killed without a word", killed))
    const unsound = [...restarted.failures, ...killed.failures.filter((failure) => !isSound(failure))]
    for (const { kind, message } of unsound.slice(0, 10)) yield* Console.log(`${kind}: ${message}`)
    yield* Seeds.foundIf(unsound.length > 0)
  }).pipe(Effect.scoped)).pipe(Command.withDescription("A service of processes: restarted one by one, and one killed"))
