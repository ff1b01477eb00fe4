/** The program of a process that runs seeds of swarms, as its parent asks it to: one argument, after how many it looks at what it holds. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import * as Layer from "effect/Layer"
import * as RpcServer from "effect/rpc/RpcServer"
import { group } from "./jobs.ts"
import { makeRun } from "./seed.ts"

// As in `command.ts`: most of what an error costs is its stack.
Error.stackTraceLimit = 0

// Whoever asked may be killed, and then nobody says that it is over.
process.once("disconnect", () => process.exit())

const run = makeRun(Number(process.argv[2]))

RpcServer.layer(group).pipe(
  Layer.provide(group.toLayer({ run: (which) => run(which) })),
  Layer.provide(RpcServer.layerProtocolWorkerRunner),
  Layer.provide(NodeWorkerRunner.layer),
  Layer.launch,
  NodeRuntime.runMain
)
