// Workers of Node's cluster module, which have the sockets of their primary unless they ask for their own.
import * as NodeDatagramSocket from "@effect/platform-node/NodeDatagramSocket"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Programs from "@pnet/lab/processes/programs"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { execFile } from "node:child_process"
import type { Report } from "./fixtures/cluster.ts"

const freePort = Effect.gen(function*() {
  const socket = yield* NodeDatagramSocket.make({ bind: { address: "127.0.0.1", port: 0 } })
  return (yield* socket.reader).address.port
}).pipe(Effect.scoped, Effect.orDie)

describe("three workers of a cluster", () => {
  it.live(
    "are three nodes, each with a port and a key of its own, and a fourth does not run with the key of one",
    () =>
      Effect.gen(function*() {
        const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped({ prefix: "pnet-cluster-" })
        const port = yield* freePort
        const output = yield* Effect.callback<string>((resume) => {
          const fixture = Programs.file(new URL("fixtures/cluster.ts", import.meta.url))
          const child = execFile(process.execPath, [fixture, String(port), folder], (error, stdout, stderr) => {
            resume(error === null ? Effect.succeed(stdout) : Effect.die(new Error(`${error.message}\n${stderr}`)))
          })
          return Effect.sync(() => child.kill("SIGKILL"))
        })
        const { answers, datagrams, known, ports, second } = JSON.parse(output) as Report
        assert.strictEqual(new Set(ports).size, 3, `ports: ${ports}`)
        assert.strictEqual(new Set(datagrams).size, 3, `ports of datagrams: ${datagrams}`)
        assert.deepStrictEqual(answers, ["one", "two", "three"].map((name) => [name, name, name, name, name]))
        assert.deepStrictEqual(known, ["boss,two,three", "boss,one,three", "boss,one,two"])
        assert.include(second, "one.key is in use")
        assert.deepStrictEqual(
          (yield* (yield* FileSystem.FileSystem).readDirectory(folder)).sort(),
          ["boss.key", "one.key", "three.key", "two.key"]
        )
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    90_000
  )
})
