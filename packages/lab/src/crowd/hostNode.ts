// One node of many on hosts of their own, for hosts.ts; one on each of some networks. What it is comes as JSON in the environment (CROWD),
// orders as lines of JSON on its input, and what came of them goes out the same way. It leaves when its input ends.
import { NodeRuntime } from "@effect/platform-node"
import { BasicNode, type Packet } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Cause, Effect, Exit, Layer, Logger, Queue, References, Scope, Stream } from "effect"
import { createSocket } from "node:dgram"
import { createInterface } from "node:readline"
import type { Order, Seen, Start } from "./hosts.ts"

const start = JSON.parse(process.env["CROWD"]!) as Start

/** One clock for all processes: the system's monotonic one, in milliseconds. */
const instant = () => Number(process.hrtime.bigint()) / 1e6

const program = Effect.gen(function*() {
  const scope = yield* Scope.make()
  const nodes = yield* Effect.forEach(start.networks, (network) =>
    Effect.gen(function*() {
      const node = yield* BasicNode.make({ ...network, name: start.name as Packet.NodeName, bindIp: "0.0.0.0" })
      const started = instant()
      const seen: Array<Seen> = []
      yield* node.peers.changes.pipe(
        Stream.runForEach((event) =>
          Effect.sync(() => {
            const { _tag } = event
            if (_tag !== "Joined" && _tag !== "Left" && _tag !== "Lost") return
            const why = _tag === "Lost" ? event.reason : ""
            seen.push({ event: _tag, name: event.peer.name, why, at: instant() })
          })
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      return { node, started, seen }
    }), { concurrency: "unbounded" }).pipe(Scope.provide(scope))
  // Broadcasts on the first host's subnet, by network.
  const broadcasts = start.networks.map(() => 0)

  const carryOut = (order: Order): Effect.Effect<object, unknown> => {
    switch (order.do) {
      case "known":
        return Effect.map(
          Effect.forEach(nodes, ({ node }) => Effect.map(node.peers.all, (all) => all.length)),
          (known) => ({ started: nodes.map(({ started }) => started), known })
        )
      case "seen":
        return Effect.sync(() => ({ seen: nodes.map(({ seen }) => seen.filter(({ at }) => at >= order.since)) }))
      case "listen":
        return Effect.sync(() => {
          for (const [i, { advertisePort }] of start.networks.entries()) {
            const socket = createSocket({ type: "udp4", reuseAddr: true })
            socket.on("message", () => broadcasts[i]!++)
            socket.bind(advertisePort, order.address)
            // Nobody waits for it at the end.
            socket.unref()
          }
          return {}
        })
      case "broadcasts":
        return Effect.sync(() => ({ broadcasts }))
      case "leave":
        return Effect.as(Scope.close(scope, Exit.void), {})
    }
  }

  const lines = Stream.callback<string>((queue) =>
    Effect.sync(() => {
      createInterface({ input: process.stdin })
        .on("line", (line) => Queue.offerUnsafe(queue, line))
        .on("close", () => Queue.endUnsafe(queue))
    })
  )
  yield* lines.pipe(
    Stream.mapEffect((line) => {
      const order = JSON.parse(line) as Order & { readonly id: number }
      return Effect.map(Effect.exit(carryOut(order)), (exit) => {
        const answer = Exit.isSuccess(exit) ? exit.value : { failed: Cause.pretty(exit.cause) }
        process.stdout.write(`${JSON.stringify({ id: order.id, ...answer })}\n`)
      })
    }, { concurrency: "unbounded" }),
    Stream.runDrain
  )
  yield* Scope.close(scope, Exit.void)
})

program.pipe(
  Effect.provide([
    NodePnet.layer,
    Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]),
    Layer.succeed(References.MinimumLogLevel, "Error")
  ]),
  NodeRuntime.runMain
)
