/**
 * The compliance suite of the `Network` seam: each sentence of its contract as a test, for any implementation.
 *
 * ```
 * networkSuite("NodeNetwork", Effect.gen(function*() {
 *   const context = yield* Layer.build(NodeNetwork.layer)
 *   const side = { context, address: "127.0.0.1" }
 *   return { server: side, client: side, broadcast: "127.255.255.255", advance: Effect.sleep, openSockets }
 * }), { live: true })
 * ```
 *
 * The tests never depend on speed: they wait for conditions, and the setup says how time passes meanwhile. With real sockets
 * use loopback addresses alone; the suite sends to no other than those it is given.
 *
 * What bites: it registers vitest tests when called, so it belongs at the top level of a test file; and it is not part of
 * the package's index, since importing it imports vitest.
 *
 * @since 0.1.0
 */
import { describe, it } from "@effect/vitest"
import type { Network } from "@pnet/core/Network"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { datagramTests } from "./internal/datagramSuite.ts"
import { nameTests } from "./internal/nameSuite.ts"
import { streamTests } from "./internal/streamSuite.ts"
import { type Harness, makeHarness } from "./internal/suiteHarness.ts"

/**
 * One of the two sides that a test lets talk.
 *
 * @category models
 * @since 0.1.0
 */
export interface Side {
  readonly context: Context.Context<Network>
  /** An address of it that the other side reaches. */
  readonly address: string
}

/**
 * What a test runs on. It is made anew for each test.
 *
 * @category models
 * @since 0.1.0
 */
export interface Setup {
  readonly server: Side
  /** May be the server's side. */
  readonly client: Side
  /** The directed broadcast address with which each side reaches the other. */
  readonly broadcast: string
  /** A host name that the client side knows, with its addresses, and one that nobody knows. */
  readonly names: { readonly known: string; readonly addresses: ReadonlyArray<string>; readonly unknown: string }
  /** Lets time pass: `TestClock.adjust` for a simulated network, `Effect.sleep` for a real one. */
  readonly advance: (duration: Duration.Input) => Effect.Effect<void>
  /** How many sockets are open that the tests may have opened, to see that nothing is left. */
  readonly openSockets: Effect.Effect<number>
}

/**
 * Registers the suite. `live` runs it with the real clock instead of a `TestClock`. Default `false`.
 *
 * @category suites
 * @since 0.1.0
 */
export const networkSuite = (
  name: string,
  makeSetup: Effect.Effect<Setup, never, Scope.Scope>,
  options?: { readonly live?: boolean | undefined }
): void => {
  const runner = options?.live === true ? it.live : it.effect
  const test = (title: string, body: (harness: Harness) => Effect.Effect<void, unknown, Scope.Scope>) =>
    runner(
      title,
      () =>
        Effect.gen(function*() {
          const setup = yield* makeSetup
          const harness = makeHarness(setup)
          const before = yield* setup.openSockets
          yield* Effect.scoped(body(harness))
          // Everything that a test opens, it opens in its scope. Real sockets take a moment to close.
          let open = yield* setup.openSockets
          yield* harness.settle(
            "nothing is left open",
            Effect.whileLoop({
              while: () => open > before,
              body: () => Effect.andThen(Effect.yieldNow, setup.openSockets),
              step: (now) => void (open = now)
            })
          )
        }),
      60_000
    )
  describe(`Network: ${name}`, () => {
    datagramTests(test)
    streamTests(test)
    nameTests(test)
  })
}
