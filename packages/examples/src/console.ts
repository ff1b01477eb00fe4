/**
 * A network worth looking at, and the console of one of its nodes: five more in processes of their own, on loopback, that call each other, publish, and come and go. It opens
 * the page in the browser, and ends with Ctrl-C.
 */
import { NodeDatagramSocket, NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, ConsoleSpans, ConsoleTrust, OpenBrowser } from "@pnet/console"
import { type Crypto, Diagnose, type Network, NetworkKey, type NodeOptions, TofuTrust, Trust } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Console as Output, Context, Effect, FileSystem, Layer, Logger, Option, Redacted, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import { type Member, member, members } from "./greenhouse.ts"

const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** A UDP port that nobody on this machine uses now. */
const freePort = Effect.gen(function*() {
  const socket = yield* NodeDatagramSocket.make({ bind: { address: "127.0.0.1", port: 0 } })
  return (yield* socket.reader).address.port
}).pipe(Effect.scoped)

/** The newest of the files in a folder, in milliseconds; 0 where there is none. */
const newest = Effect.fnUntraced(function*(folder: string) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(fs.readDirectory(folder, { recursive: true }), () => [])
  const times = yield* Effect.forEach(
    names,
    (name) =>
      Effect.map(fs.stat(`${folder}/${name}`), ({ mtime }) => Option.match(mtime, { onNone: () => 0, onSome: Number }))
  )
  return Math.max(0, ...times)
})

/** Builds the page where its sources are newer than it. */
const page = Effect.gen(function*() {
  const home = fileOf("../../console")
  const [built, ...sources] = yield* Effect.forEach(["dist/page", "page", "src"], (name) => newest(`${home}/${name}`))
  if (built! > Math.max(...sources)) return
  yield* Output.log("building the page …")
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  yield* spawner.exitCode(
    ChildProcess.make(process.execPath, [`${home}/buildPage.ts`], { stdout: "inherit", stderr: "inherit" })
  )
})

const start = (name: Member, env: Record<string, string>) =>
  Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    yield* spawner.spawn(
      ChildProcess.make(process.execPath, [fileOf("console-node.ts")], {
        env: { ...env, PNET_NAME: name },
        extendEnv: true,
        // It is open for as long as this process lives: they end with it, however it ends.
        stdin: Stream.never,
        stdout: "ignore",
        stderr: "ignore"
      })
    )
  })

/** The console of the node of this process. */
const served = (options: Omit<NodeOptions.Input, "name">) =>
  Layer.unwrap(Effect.gen(function*() {
    const context = yield* Effect.context<Network.Network | Crypto.Crypto>()
    return Console.layer({
      act: true,
      sealed: true,
      trust: ConsoleTrust.ofPolicy(yield* Trust.Trust),
      diagnose: Effect.provideContext(Diagnose.run(options), context)
    })
  }))

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  yield* page
  const networkKey = yield* NetworkKey.generate
  const options = { networkId: "greenhouse", networkKey, advertisePort: yield* freePort, bindIp: "127.0.0.1" }
  const env = {
    PNET_NETWORK_ID: options.networkId,
    PNET_NETWORK_KEY: Redacted.value(networkKey),
    PNET_ADVERTISE_PORT: String(options.advertisePort),
    PNET_BIND_IP: options.bindIp
  }
  for (const name of members) if (name !== "garden") yield* start(name, env)
  const { link } = yield* Effect.map(
    Layer.build(served(options).pipe(Layer.provide(member("garden", options)))),
    (context) => Context.get(context, Console.Console)
  )
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "pnet-console-" })
  yield* Output.log(`garden shows the network greenhouse at\n  ${yield* link}\nCtrl-C ends it.`)
  if (process.stdout.isTTY) yield* OpenBrowser.openBrowser(yield* link, folder)
  return yield* Effect.never
})

program.pipe(
  Effect.scoped,
  Effect.provide(
    Layer.mergeAll(ConsoleSpans.layer, NodeServices.layer, NodePnet.layerWithTrust(Trust.open(TofuTrust.layer()))).pipe(
      Layer.provideMerge(Logger.layer([]))
    )
  ),
  NodeRuntime.runMain
)
