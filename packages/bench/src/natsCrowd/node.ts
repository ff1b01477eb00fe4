// A node over NATS in a process of its own, and what it costs: given orders as lines of JSON, `{ id }`, it says what it knows and has used. With
// `profile` it begins V8's profile, or, where that is the name of a file, ends and writes it.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { BasicNode } from "@pnet/core"
import { NatsPnet } from "@pnet/nats"
import { NodePnet } from "@pnet/node"
import { Context, Effect, Layer, Logger } from "effect"
import { createInterface } from "node:readline"
import * as Meters from "../harness/meters.ts"

const { NODES, NETWORK_KEY, SERVER } = process.env
const room = Number(NODES) + 100
const profiler = Meters.makeProfiler()
const say = (answer: Record<string, unknown>) => void process.stdout.write(`${JSON.stringify(answer)}\n`)

Effect.gen(function*() {
  const context = yield* Layer.build(
    BasicNode.layer({
      name: "measured",
      networkId: "crowd",
      ...(NETWORK_KEY === undefined ? {} : { networkKey: NETWORK_KEY }),
      limits: { unprovedPeers: room, sightings: 2 * room }
    }).pipe(Layer.provide(NatsPnet.layer({ servers: SERVER! })), Layer.provide([NodePnet.layer, Logger.layer([])]))
  )
  const node = Context.get(context, BasicNode.BasicNode)
  say({ id: 0 })
  const run = Effect.runForkWith(yield* Effect.context<never>())
  yield* Effect.callback<void>((resume) => {
    createInterface({ input: process.stdin }).on("line", (line) => {
      const { id, profile } = JSON.parse(line) as { readonly id: number; readonly profile?: true | string }
      const profiling = profile === undefined
        ? Effect.void
        : profile === true
        ? profiler.ProfileStart(null)
        : profiler.ProfileStop({ file: profile })
      run(Effect.map(Effect.andThen(profiling, node.peers.all), (peers) => {
        const { system, user } = process.cpuUsage()
        say({ id, peers: peers.length, micros: system + user, heap: process.memoryUsage().heapUsed })
      }))
    }).on("close", () => resume(Effect.void))
  })
}).pipe(Effect.scoped, NodeRuntime.runMain)
