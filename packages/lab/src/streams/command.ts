/** `pnpm lab streams`: the random work of `streams.ts` over many seeds. */
import { SimWorld } from "@pnet/testing"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import * as Seeds from "../harness/seeds.ts"
import { workload } from "./streams.ts"

/** Streams under faults. */
export const streams = Command.make(
  "streams",
  Seeds.flags(100),
  (which) =>
    Seeds.run(which, (seed) =>
      workload({ seed }).pipe(
        SimWorld.passing({ step: "20 millis" }),
        Effect.provide([TestClock.layer(), Logger.layer([])], { local: true }),
        Effect.map(({ faults, outcomes, problems }) => ({ counts: { ...outcomes, ...faults }, problems }))
      ))
).pipe(
  Command.withDescription("Random streams between nodes while their network and machines fail"),
  Command.withExamples([{ command: "pnpm lab streams --seeds 10 --from 500", description: "The seeds 500 to 509" }])
)
