// A server of the service in a process of its own, for rolling.ts: its options come as JSON in the environment (SERVICE), a line of JSON goes
// out when it is ready. Told to end by SIGTERM it drains, as its grace says, and then leaves.
import { NodeRuntime } from "@effect/platform-node"
import { CommandNode, Crypto, TofuTrust, Trust } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Effect, Layer, Logger, Redacted, References } from "effect"
import { Work } from "./contract.ts"

/** What a server is started with. */
export interface Start {
  readonly name: string
  readonly networkId: string
  readonly advertisePort: number
  /** Its secret key, hex. */
  readonly secret: string
  /** Milliseconds that a call takes. */
  readonly millis: number
}

const start = JSON.parse(process.env["SERVICE"]!) as Start

const Node = Layer.unwrap(Effect.map(Crypto.Crypto, (crypto) =>
  CommandNode.layer({
    name: start.name,
    networkId: start.networkId,
    advertisePort: start.advertisePort,
    bindIp: "127.0.0.1",
    grace: "10 seconds",
    identity: crypto.keyPair(Redacted.make(new Uint8Array(Buffer.from(start.secret, "hex"))))
  })))

const work = () => Effect.as(Effect.sleep(start.millis), start.name)

const Served = CommandNode.serve(Work).pipe(
  Layer.provide(Work.toLayer({ work, look: work })),
  Layer.provideMerge(Node),
  Layer.provide(Trust.open(TofuTrust.layer())),
  Layer.provide(NodePnet.layer)
)

const inputEnds = Effect.callback<void>((resume) => {
  process.stdin.once("close", () => resume(Effect.void)).resume()
})

const ready = Effect.sync(() => process.stdout.write(`${JSON.stringify({ id: 0 })}\n`))

Effect.scoped(Effect.andThen(Layer.build(Served), Effect.andThen(ready, inputEnds))).pipe(
  Effect.provide([
    Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]),
    Layer.succeed(References.MinimumLogLevel, "Error")
  ]),
  NodeRuntime.runMain
)
