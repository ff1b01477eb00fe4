/** Peers that are none: what passes at them shows nothing. */
import { Crypto, Network, TcpTransport, type Transport } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Context, Effect, Layer } from "effect"
import type { Check, Need } from "./check.ts"
import { placeOn } from "./place.ts"
import { type Done, run } from "./run.ts"
import { utf8 } from "./speech/bytes.ts"

const drained = (connection: Transport.Connection) => Effect.ignore(Effect.forever(connection.pull))

/** What they do with a connection. */
export const stubs = {
  /** Says nothing, and reads on. */
  silent: drained,
  /** Reads what comes first, and closes. */
  closing: (connection: Transport.Connection) => Effect.ignore(connection.pull),
  /** Says that it is busy, whatever comes. */
  busy: (connection: Transport.Connection) =>
    Effect.ignore(Effect.gen(function*() {
      yield* connection.pull
      yield* connection.write(utf8("conformance|err|ERR_BUSY||END\n"))
      yield* connection.end
      yield* drained(connection)
    })),
  /** Sends back what comes. */
  mirroring: (connection: Transport.Connection) =>
    Effect.ignore(
      Effect.forever(
        Effect.flatMap(connection.pull, (parts) => Effect.forEach(parts, connection.write, { discard: true }))
      )
    )
} as const

/** Runs checks against one of them. To be run in virtual time. */
export const lookAtStub = (
  name: keyof typeof stubs,
  checks: ReadonlyArray<Check>
): Effect.Effect<ReadonlyArray<Done>> =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make({ seed: name, traceCapacity: 0, streams: { chunking: "joined" } })
    const at = yield* network.host("subject")
    const stub = yield* at.process
    const transport = TcpTransport.make(Context.get(stub.context, Network.Network), {
      bindIp: "0.0.0.0",
      serverPort: 0,
      dialTimeout: "5 seconds"
    })
    const listener = yield* Effect.orDie(stub.run(transport.listen))
    yield* Effect.forkScoped(stub.run(listener.run(stubs[name])))
    const host = yield* network.host("kit")
    const process = yield* host.process
    const { publicKey } = Context.get(yield* Layer.build(NodeCrypto.layer), Crypto.Crypto).generateKeyPair()
    const place = yield* placeOn(Context.get(process.context, Network.Network), {
      host: host.address,
      bindIp: "0.0.0.0",
      lan: { host: "10.0.0.255", port: 3334 },
      // It never comes.
      order: () => Effect.succeed({ _tag: "Failed", error: "nobody" })
    })
    const subject = {
      key: publicKey,
      endpoint: { host: at.address, port: listener.endpoint.port },
      networkId: "conformance",
      networkKeys: []
    }
    const has = new Set<Need>(["no network key", "a LAN", "orders", "topics", "pins", "a fresh start"])
    return yield* process.run(run(checks, subject, place, { level: "typed", has, patience: 20 }))
  }).pipe(Effect.scoped)
