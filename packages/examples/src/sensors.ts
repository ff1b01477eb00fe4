/**
 * A live table of sensors: `node packages/examples/src/sensors.ts` starts three sensors and a display, and prints the table as it changes. A sensor
 * that is closed disappears from it at once, and so does what it read: readings go with their publisher.
 */
import { NodeRuntime } from "@effect/platform-node"
import { CommandNode, TofuTrust, Topic, Trust } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Console, Effect, Exit, Layer, References, Schema, Scope, Stream, SubscriptionRef } from "effect"

const networkId = process.env.PNET_NETWORK_ID ?? `sensors-${process.pid}`

const Reading = Schema.Struct({ sensor: Schema.String, celsius: Schema.Finite })

/** Who comes later is told the last reading of each sensor, for as long as it is worth something. */
export const Readings = Topic.make("readings", {
  payload: Reading,
  key: ({ sensor }) => sensor,
  retain: { timeToLive: "1 minute" }
})

/** Publishes what a sensor reads, until there is no more of it. */
export const publish = (sensor: string, celsius: Stream.Stream<number>) =>
  Stream.unwrap(Effect.map(
    CommandNode.CommandNode,
    (node) => Stream.mapEffect(celsius, (celsius) => node.publish(Readings, { sensor, celsius }))
  ))

const lineOf = (table: Topic.Table<typeof Reading.Type>): string =>
  table.rows.map(({ from, value }) => `${from.name}/${value.sensor} ${value.celsius}`).sort().join(", ") || "nothing"

/** The table as a line of text, whenever it is another. */
export const lines = Stream.unwrap(Effect.gen(function*() {
  const node = yield* CommandNode.CommandNode
  const table = yield* node.table(Readings)
  return SubscriptionRef.changes(table).pipe(Stream.map(lineOf), Stream.changes)
}))

const sensor = (name: string, celsius: number) =>
  Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const node = yield* Scope.provide(CommandNode.make({ name, networkId }), scope)
    // It warms up by a degree each time.
    const warming = Stream.take(Stream.map(Stream.tick("200 millis"), (_, i) => celsius + i), 3)
    yield* publish("air", warming).pipe(
      Stream.runDrain,
      Effect.provideService(CommandNode.CommandNode, node),
      Effect.forkIn(scope)
    )
    return { close: Scope.close(scope, Exit.void) }
  })

const program = Effect.gen(function*() {
  yield* sensor("attic", 27)
  yield* sensor("kitchen", 21)
  const cellar = yield* sensor("cellar", 12)
  yield* Console.log("three sensors, of which the cellar's is closed when all are warm")
  yield* lines.pipe(
    Stream.tap(Console.log),
    Stream.tap((line) => line === "attic/air 29, cellar/air 14, kitchen/air 23" ? cellar.close : Effect.void),
    Stream.takeUntil((line) => line === "attic/air 29, kitchen/air 23"),
    Stream.runDrain
  )
})

if (import.meta.main) {
  program.pipe(
    Effect.scoped,
    Effect.provide(
      CommandNode.layer({ name: "display", networkId }).pipe(
        // Everybody on this network is ours, and may subscribe.
        Layer.provideMerge(NodePnet.layerWithTrust(Trust.open(TofuTrust.layer())))
      )
    ),
    Effect.provideService(References.MinimumLogLevel, "Error"),
    NodeRuntime.runMain
  )
}
