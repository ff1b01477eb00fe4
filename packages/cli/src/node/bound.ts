/**
 * Where a node of the command listens and looks. Where nobody said so and there is no network now, as on a laptop on the way, that is this machine, on which its terminals reach
 * each other all the same.
 */
import { Network } from "@pnet/core/Network"
import * as Effect from "effect/Effect"
import type { Settings } from "../settings/Settings.ts"

/** What is said where there is no network. */
export const noNetwork = {
  what: "there is no network now: this machine alone is reached",
  remedy: "start it again where there is one, or say --bind"
} as const

/** Where, and whether that is this machine for want of a network. */
export const bound = Effect.fnUntraced(function*({ sources, values }: Settings["Service"]) {
  const asSaid = { bindIp: values.bind, alone: false }
  if (sources.bind.from !== "default") return asSaid
  const network = yield* Network
  const all = yield* Effect.orElseSucceed(network.interfaces, () => undefined)
  // Where the system does not say, the node itself finds out what is wrong.
  if (all === undefined || all.some(({ family, loopback }) => family === "IPv4" && !loopback)) return asSaid
  // Where loopback is not up either, the node says so itself, and that nothing can be sent.
  return { bindIp: "127.0.0.1", alone: all.some(({ family, loopback }) => family === "IPv4" && loopback) }
})
