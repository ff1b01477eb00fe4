/** One server for the tests of a file: starting one costs. */
import { jetstreamManager } from "@nats-io/jetstream"
import type { ConnectionOptions } from "@nats-io/nats-core"
import { connect } from "@nats-io/transport-node"
import * as NetworkKey from "@pnet/core/NetworkKey"
import * as Server from "@pnet/lab/nats/server"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
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

/** A user of a server who is no node, and may do whatever he likes. */
export const client = (url: string, options: ConnectionOptions = {}) =>
  Effect.acquireRelease(
    Effect.promise(() => connect({ ...options, servers: url })),
    (client) => Effect.promise(() => client.close())
  )

/** The streams of a server, as its operator manages them. */
export const jetStream = (url: string) =>
  Effect.flatMap(client(url), (connected) => Effect.promise(() => jetstreamManager(connected)))

/** A network key, as text. */
export const networkKey = Effect.map(
  NetworkKey.generate,
  (key) => ({ networkKey: Redacted.value(key) as string })
).pipe(Effect.provide(NodeCrypto.layer))
