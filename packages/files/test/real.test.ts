/** Real sockets and a real disk: what a system does with names, modes, times, links and what is in the way. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AnyTrust, CommandNode } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { execFileSync } from "node:child_process"
import { createSocket } from "node:dgram"
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import * as FileBatches from "../src/FileBatches.ts"
import * as FileTransfer from "../src/FileTransfer.ts"
import * as Wire from "../src/internal/wire.ts"
import * as LargeFiles from "../src/LargeFiles.ts"
import { scripts } from "./corpus.ts"
import { bytesOf, offer, sourceOf } from "./engine.ts"

const freePort = Effect.callback<number>((resume) => {
  const socket = createSocket("udp4")
  socket.bind(0, "127.0.0.1", () => {
    const { port } = socket.address()
    socket.close(() => resume(Effect.succeed(port)))
  })
})

const files = (advertisePort: number, name: string, folder: string | undefined, peers: ReadonlyArray<string>) =>
  FileTransfer.layer(folder === undefined ? {} : { receive: { folder, accept: "all" } }).pipe(
    Layer.provideMerge(CommandNode.layer({ name, networkId: "files", bindIp: "127.0.0.1", advertisePort, peers })),
    Layer.provide(NodePnet.layerWithTrust(AnyTrust.layer)),
    Layer.provide([FileBatches.layer(), LargeFiles.layer({ from: 1_000_000 })]),
    Layer.provide(Logger.layer([]))
  )

describe("real files", () => {
  it.live("arrive with names, modes, times and links, and are found to be there", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const home = yield* fs.makeTempDirectoryScoped({ prefix: "pnet-files-" })
      const [from, to] = [join(home, "out"), join(home, "in")]
      mkdirSync(join(from, "empty"), { recursive: true })
      mkdirSync(join(from, "names"))
      const large = bytesOf(3_000_000, 1)
      writeFileSync(join(from, "large"), large)
      writeFileSync(join(from, "run"), "#!")
      chmodSync(join(from, "run"), 0o751)
      for (const name of scripts) writeFileSync(join(from, "names", name), name)
      symlinkSync("../run", join(from, "names", "link"))
      const times = [1_700_000_000_123, 1_234_567_890_001, 5_999]
      times.forEach((time, index) => {
        writeFileSync(join(from, `time${index}`), "")
        utimesSync(join(from, `time${index}`), (time + 0.5) / 1_000, (time + 0.5) / 1_000)
      })
      utimesSync(from, 1_000, 1_000)

      const port = yield* freePort
      const bob = yield* Layer.build(files(port, "bob", to, []))
      const { endpoints } = Context.get(bob, CommandNode.CommandNode)
      const { host, port: tcp } = endpoints[0]!
      const alice = yield* Layer.build(files(port, "alice", undefined, [`${host}:${tcp}`]))
      yield* Context.get(alice, CommandNode.CommandNode).peers.awaitPeer("bob")
      const { send } = Context.get(alice, FileTransfer.FileTransfer)
      const summary = yield* send("bob", [from])
      assert.deepStrictEqual([summary.failed, summary.hadFiles, summary.problems], [0, 0, []])

      const arrived = join(to, "out")
      assert.isTrue(Buffer.compare(readFileSync(join(arrived, "large")), large) === 0)
      assert.deepStrictEqual(readdirSync(arrived), readdirSync(from))
      assert.deepStrictEqual(readdirSync(join(arrived, "names")), readdirSync(join(from, "names")))
      assert.strictEqual(readlinkSync(join(arrived, "names", "link")), "../run")
      assert.strictEqual(lstatSync(join(arrived, "run")).mode & 0o777, 0o751)
      times.forEach((_, index) => {
        const [one, other] = [from, arrived].map((folder) =>
          Math.floor(lstatSync(join(folder, `time${index}`)).mtimeMs)
        )
        assert.strictEqual(other, one)
      })
      assert.strictEqual(Math.floor(lstatSync(arrived).mtimeMs), 1_000_000)
      assert.deepStrictEqual(readdirSync(to), ["out"])

      writeFileSync(join(from, "run"), "#! changed")
      const again = yield* send("bob", [from])
      assert.deepStrictEqual([again.failed, again.files - again.hadFiles], [0, 1])
      assert.strictEqual(readFileSync(join(arrived, "run (1)"), "utf8"), "#! changed")
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("that have become pipes or devices are not opened, and hold up nothing", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const home = yield* fs.makeTempDirectoryScoped({ prefix: "pnet-files-" })
      mkdirSync(join(home, "out"))
      // More than there are threads that a system's calls wait on.
      const names = Array.from({ length: 8 }, (_, index) => `${index}`)
      for (const name of names) writeFileSync(join(home, "out", name), new Uint8Array(name === "7" ? 300_000 : 10))
      const sender = yield* offer({ fileSystem: fs }, [join(home, "out")])
      for (const name of names) rmSync(join(home, "out", name))
      execFileSync("mkfifo", names.map((name) => join(home, "out", name)))
      const wants = names.map((_, file) => Wire.writeWant(new Wire.Writer(), { file, offset: 0 }).take())
      const asked = Stream.fromIterable([Wire.writeOf(sender.head.id, sender.head.digest), ...wants])
      const answers = yield* Stream.runCollect(sourceOf(sender).read(asked))
      assert.deepStrictEqual(answers.flatMap((bytes) => [...bytes]), names.map(() => 3))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.live.skipIf(process.platform !== "linux")(
    "are refused a folder that cannot be made, where a system's own way has no end",
    () =>
      Effect.gen(function*() {
        for (const folder of ["/proc/none/none", "/proc/version"]) {
          const error = yield* Effect.flip(Layer.build(files(yield* freePort, "carol", folder, [])))
          assert.strictEqual(error._tag, "FolderError")
          assert.include(error.message, folder)
        }
      }).pipe(Effect.scoped)
  )
})
