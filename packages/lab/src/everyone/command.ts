/** `pnpm lab everyone`: calls of everyone over many seeds. */
import { SimWorld } from "@pnet/testing"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Seeds from "../harness/seeds.ts"
import { everyone as run } from "./everyone.ts"

/** Calls of everyone. */
export const everyone = Command.make("everyone", Seeds.flags(100), (which) => {
  let longest = -Infinity
  return Seeds.run(
    which,
    (seed) =>
      run({ seed }).pipe(
        SimWorld.passing({ step: "20 millis" }),
        Effect.provide(TestClock.layer(), { local: true }),
        Effect.map(({ exits, faults, over, problems }) => {
          longest = Math.max(longest, over)
          return { counts: { ...exits, ...faults }, problems }
        })
      ),
    () => `; no call took more than its timeout and ${Math.ceil(longest)} ms`
  )
}).pipe(Command.withDescription("Calls of everyone, 50 nodes, while some crash, leave, join and stall"))
