/**
 * Trust in everyone: for tests, and for networks whose key is trust enough.
 *
 * What bites: a name is a claim then, which anybody on the network may make. So nobody has a role, serves a service or is sent what is
 * published by this policy alone, either: where that is wanted, `Trust.open(AnyTrust.layer)` grants everything to everybody.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Trust } from "./Trust.ts"

/**
 * Everyone is trusted.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Trust> = Layer.succeed(Trust, {
  check: () => Effect.void,
  proved: () => Effect.void,
  expected: () => Effect.undefined,
  pin: () => Effect.void,
  forget: () => Effect.void,
  changes: Stream.never
})
