/** What the tests over a server have in common. */
import * as NatsOptions from "@pnet/nats/NatsOptions"
import * as Subjects from "@pnet/nats/Subjects"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import type { Bus } from "../src/internal/bus.ts"
import * as InternalBus from "../src/internal/bus.ts"
import * as Dialler from "../src/internal/dialler.ts"

/** The connection of a node, by its token. */
export const busOf = (servers: string, token: string, options: NatsOptions.Input = {}, network = "test") =>
  Effect.gen(function*() {
    const decoded = yield* NatsOptions.make({ servers, reconnectWait: "50 millis", ...options })
    return yield* InternalBus.make(decoded, Subjects.network(network), token)
  }).pipe(Effect.provide([Dialler.layer, Logger.layer([])]))

/** The same for one with a token that ends with a name. */
export const bus = (servers: string, name: string, options: NatsOptions.Input = {}, network = "test") =>
  busOf(servers, name.padStart(16, "n"), options, network)

/** Waits until something is so, or fails after half a minute: how long it takes is the machine's business. */
export const until = (what: string, is: () => boolean) =>
  Effect.suspend(() => is() ? Effect.void : Effect.fail("not yet")).pipe(
    Effect.retry(Schedule.spaced("2 millis")),
    Effect.timeoutOrElse({ duration: "30 seconds", orElse: () => Effect.die(new Error(`in vain: ${what}`)) })
  )

export type { Bus }
