/**
 * Swarms in several processes: a swarm is one thread's work, and of one seed comes the same in whichever process it runs. Each runs one seed at a time, and takes
 * the next when it has told of it.
 *
 * What bites: Effect starts a process that ended anew, every second, and asks that again what the one before was never asked, so what ended is thrown away with
 * its client, and another is made for the next seed.
 */
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Scope from "effect/Scope"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { type Run, Told, Which } from "./seed.ts"

/** What a process is asked. */
export const group = RpcGroup.make(Rpc.make("run", { payload: Which, success: Told }))

// Tests have made one file of it, which starts sooner.
const program = () => process.env["PNET_LAB_JOB"] ?? fileURLToPath(new URL("job.ts", import.meta.url))

/** Starts a process that looks at what it holds after each so many seeds, with the flags of this one, as the lab has its own. */
export const start = (each: number) => (): ChildProcess => fork(program(), [`${each}`], { serialization: "advanced" })

const ended = (why: string): Told => ({
  nodes: 0,
  steps: 0,
  passed: 0,
  took: 0,
  counts: {},
  problems: [{ invariant: "nothing breaks but what is told to", at: 0, text: `its process ended: ${why}` }],
  digest: "",
  ended: true
})

const connect = (spawn: () => ChildProcess, parent: Scope.Scope) =>
  Effect.gen(function*() {
    const scope = yield* Scope.fork(parent)
    const worker = Layer.provide(RpcClient.layerProtocolWorker({ size: 1 }), NodeWorker.layer(spawn))
    const client = yield* RpcClient.make(group).pipe(
      Effect.provide(yield* Layer.buildWithScope(Layer.orDie(worker), scope)),
      Scope.provide(scope)
    )
    return { client, close: Scope.close(scope, Exit.void) }
  })

/** A process that runs seeds, started for the first, and anew where it has ended. It is stopped with the scope. */
export const makeJob = (spawn: () => ChildProcess): Effect.Effect<Run, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope): Run => {
    let process: Effect.Success<ReturnType<typeof connect>> | undefined
    return (which) =>
      Effect.gen(function*() {
        const { client, close } = process ??= yield* connect(spawn, scope)
        return yield* Effect.catch(client.run(which), ({ message }) => {
          process = undefined
          return Effect.as(close, ended(message))
        })
      })
  })
