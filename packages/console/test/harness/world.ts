/** A console whose node runs here, and nodes in processes of their own, all on loopback. */
import { NodeDatagramSocket } from "@effect/platform-node"
import * as Console from "@pnet/console/Console"
import * as ConsoleSpans from "@pnet/console/ConsoleSpans"
import { CommandNode } from "@pnet/core"
import * as Programs from "@pnet/lab/processes/programs"
import { NodePnet } from "@pnet/node"
import { Context, Deferred, Effect, Layer, Logger } from "effect"
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"

const freePort = Effect.scoped(Effect.gen(function*() {
  const socket = yield* NodeDatagramSocket.make({ bind: { address: "127.0.0.1", port: 0 } })
  return (yield* socket.reader).address.port
}))

/** A world, until the scope closes. */
export const make = (page: string) =>
  Effect.gen(function*() {
    const program = Programs.file(new URL("./node.ts", import.meta.url))
    const networkId = `page-${randomUUID()}`
    const advertisePort = yield* freePort
    const built = yield* Layer.build(
      Console.layer({ act: true, page, diagnose: Effect.succeed([]) }).pipe(
        Layer.provideMerge(
          CommandNode.layer({
            name: "desk",
            networkId,
            advertisePort,
            bindIp: "127.0.0.1",
            broadcastInterval: "500 millis"
          })
        ),
        Layer.provideMerge(ConsoleSpans.layer),
        Layer.provideMerge(NodePnet.layer),
        Layer.provide(Logger.layer([]))
      )
    )
    const start = (name: string) =>
      Effect.gen(function*() {
        const exited = yield* Deferred.make<void>()
        const key = yield* Deferred.make<string>()
        const handle = yield* Effect.acquireRelease(
          Effect.sync(() => {
            const handle = spawn(process.execPath, [program], {
              env: {
                ...process.env,
                PNET_NAME: name,
                PNET_NETWORK_ID: networkId,
                PNET_ADVERTISE_PORT: String(advertisePort),
                PNET_BIND_IP: "127.0.0.1",
                PNET_BROADCAST_INTERVAL: "500 millis"
              },
              stdio: ["pipe", "pipe", "inherit"]
            })
            handle.stdout.once("data", (line) => Deferred.doneUnsafe(key, Effect.succeed(String(line).trim())))
            handle.once("exit", () => Deferred.doneUnsafe(exited, Effect.void))
            return handle
          }),
          (handle) => Effect.andThen(Effect.sync(() => handle.kill("SIGKILL")), Deferred.await(exited))
        )
        return {
          /** Its key, as it says itself. */
          key: Deferred.await(key),
          kill: Effect.sync(() => void handle.kill("SIGKILL")),
          leave: Effect.sync(() => void handle.stdin.end())
        }
      })
    const { link } = Context.get(built, Console.Console)
    return { start, link, node: Context.get(built, CommandNode.CommandNode) }
  })
