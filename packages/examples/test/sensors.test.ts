/** The example of a live table, on a simulated network: sensors that are stopped, killed and cut off, and readings that are too old. */
import { assert, it } from "@effect/vitest"
import { TofuTrust, Trust } from "@pnet/core"
import { TestNetwork } from "@pnet/testing"
import { Effect, Layer, Logger, Stream } from "effect"
import * as Sensors from "../src/sensors.ts"

class House extends TestNetwork.Service<House>()("test/House", {
  seed: 1,
  trust: Trust.open(TofuTrust.layer()).pipe(Layer.provide(Logger.layer([]))),
  nodes: {
    display: TestNetwork.node(),
    attic: TestNetwork.node(),
    cellar: TestNetwork.node(),
    kitchen: TestNetwork.node()
  }
}) {}

it.effect("sensors: the table has what each read last, and nothing of who has left, is lost, or said nothing for long", () =>
  Effect.gen(function*() {
    const { heal, nodes, partition } = yield* House
    const { attic, cellar, display, kitchen } = nodes
    const shown: Array<string> = []
    yield* display.run(Stream.runForEach(Sensors.lines, (line) => Effect.sync(() => shown.push(line)))).pipe(
      Effect.forkScoped
    )
    const read = (node: typeof attic, ...celsius: ReadonlyArray<number>) =>
      node.run(Stream.runDrain(Sensors.publish("air", Stream.fromIterable(celsius))))
    yield* read(attic, 27)
    yield* read(cellar, 12)
    yield* read(kitchen, 21, 22)
    yield* Effect.sleep("1 second")
    assert.strictEqual(shown.at(-1), "attic/air 27, cellar/air 12, kitchen/air 22")

    yield* cellar.stop
    yield* Effect.sleep("1 second")
    assert.strictEqual(shown.at(-1), "attic/air 27, kitchen/air 22")

    yield* partition("kitchen")
    yield* Effect.sleep("15 seconds")
    assert.strictEqual(shown.at(-1), "attic/air 27")
    yield* read(kitchen, 23)
    yield* heal()
    yield* Effect.sleep("15 seconds")
    assert.strictEqual(shown.at(-1), "attic/air 27, kitchen/air 23")

    // Theirs is a minute, and the attic's is over.
    yield* Effect.sleep("30 seconds")
    assert.strictEqual(shown.at(-1), "kitchen/air 23")
    yield* kitchen.kill
    yield* Effect.sleep("15 seconds")
    assert.strictEqual(shown.at(-1), "nothing")
  }).pipe(Effect.scoped, Effect.provide(House.layer)))
