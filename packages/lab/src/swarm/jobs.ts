/**
 * Swarms in several processes: a swarm is one thread's work, and of one seed comes the same in whichever process it runs. Each runs one seed at a time, and takes
 * the next when it has told of it.
 *
 * What bites: a process that ends fails all calls of its client, so each has a client of its own. It is started anew for the next seed.
 */
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import type * as Scope from "effect/Scope"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { type Run, Told, Which } from "./seed.ts"

/** What a process is asked. */
export const group = RpcGroup.make(Rpc.make("run", { payload: Which, success: Told }))

const program = fileURLToPath(new URL("job.ts", import.meta.url))

/** Starts a process that looks at what it holds after each so many seeds, with the flags of this one, as the lab has its own. */
export const start = (each: number) => (): ChildProcess => fork(program, [`${each}`], { serialization: "advanced" })

const ended = (why: string): Told => ({
  nodes: 0,
  steps: 0,
  passed: 0,
  took: 0,
  counts: {},
  problems: [{ invariant: "nothing breaks but what is told to", at: 0, text: `its process ended: ${why}` }],
  digest: ""
})

/** A process that runs seeds. It is stopped with the scope. */
export const makeJob = (spawn: () => ChildProcess): Effect.Effect<Run, never, Scope.Scope> =>
  Effect.gen(function*() {
    const worker = Layer.provide(RpcClient.layerProtocolWorker({ size: 1 }), NodeWorker.layer(spawn))
    const client = yield* Effect.provide(RpcClient.make(group), yield* Layer.build(Layer.orDie(worker)))
    return (which) => Effect.catch(client.run(which), ({ message }) => Effect.succeed(ended(message)))
  })
