/** `pnpm lab trouble`: a service of simulated nodes in trouble, over many seeds. */
import { SimWorld } from "@pnet/testing"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Flags from "../harness/flags.ts"
import * as Seeds from "../harness/seeds.ts"
import { trouble as run } from "./trouble.ts"

/** A service in trouble. */
export const trouble = Command.make("trouble", {
  ...Seeds.flags(10),
  servers: Flags.positive("servers", 20, "Nodes that serve"),
  callers: Flags.positive("callers", 50, "Nodes that call"),
  seconds: Flags.positive("seconds", 30, "Virtual seconds in which calls are made")
}, ({ callers, seconds, servers, ...which }) =>
  Seeds.run(
    which,
    (seed) =>
      run({ seed, servers, callers, seconds }).pipe(
        SimWorld.passing({ step: "20 millis" }),
        Effect.provide(TestClock.layer(), { local: true })
      )
  )).pipe(
    Command.withDescription(
      "A service in trouble: servers crash, stall, drain and are cut off, and each call is accounted for"
    )
  )
