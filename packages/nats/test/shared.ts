/** One server for the tests of a file: starting one costs. */
import * as Server from "@pnet/lab/nats/server"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

export type { Bus } from "../src/internal/bus.ts"

/** A server that is begun and ended by the hooks of a file. */
export const server = (options: Server.Options = {}) => {
  const scope = Scope.makeUnsafe()
  let running: Server.Server | undefined
  return {
    begin: () =>
      Effect.runPromise(Effect.map(Scope.provide(Server.start(options), scope), (started) => {
        running = started
      })),
    end: () => Effect.runPromise(Scope.close(scope, Exit.void)),
    url: () => running!.url,
    webSocket: () => running!.webSocket,
    server: () => running!
  }
}
