/** The network that `console.ts` shows, on a simulated one: it does what makes it worth looking at. */
import { assert, it } from "@effect/vitest"
import { ConsoleSpans } from "@pnet/console"
import { CommandNode, TofuTrust, Trust } from "@pnet/core"
import { NodeCrypto } from "@pnet/node"
import { TestNetwork } from "@pnet/testing"
import { Context, Effect, Layer, Stream } from "effect"
import { type Member, member } from "../src/greenhouse.ts"

const spec = (name: Member) =>
  TestNetwork.program(
    Layer.provide(member(name, { networkId: "greenhouse", bindIp: "0.0.0.0" }), ConsoleSpans.layer)
  )

it.effect("greenhouse", () =>
  Effect.gen(function*() {
    const { nodes } = yield* TestNetwork.make({
      crypto: NodeCrypto.layer,
      seed: 1,
      trust: Trust.open(TofuTrust.layer()),
      nodes: { garden: spec("garden"), shop: spec("shop"), packer: spec("packer"), greenhouse: spec("greenhouse") }
    })
    const garden = Context.get(nodes.garden.context, CommandNode.CommandNode)
    const ordered = yield* garden.target("shop")("order", "fern", 2)
    assert.deepStrictEqual(ordered, { plant: "fern", count: 2, days: 2 })
    assert.strictEqual((yield* Effect.flip(garden.target("shop")("order", "fern", 9)))._tag, "RemoteError")
    const readings = yield* garden.subscribe("greenhouse.readings").pipe(Stream.take(4), Stream.runCollect)
    assert.deepStrictEqual([...new Set(readings.map(({ key }) => key))].sort(), ["nursery", "palm house"])
  }))
