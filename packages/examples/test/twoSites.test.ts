/** The example of two sites, between a server and its leaf node, which is ended and started again. */
import { assert, it } from "@effect/vitest"
import * as Server from "@pnet/lab/nats/server"
import * as Programs from "@pnet/lab/processes/programs"
import { Deferred, Effect } from "effect"
import { spawn } from "node:child_process"

const file = () => Programs.file(new URL("../src/two-sites.ts", import.meta.url))

it.live.skipIf(Server.skipped)("two sites", () =>
  Effect.gen(function*() {
    const hub = yield* Server.start({ leafnodes: true })
    const site = yield* Server.start({ config: `leafnodes { reconnect: 1, remotes: [{ url: "${hub.leaf}" }] }` })
    let output = ""
    const said: Array<readonly [string, Deferred.Deferred<void>]> = []
    const ended = Deferred.makeUnsafe<number | null>()
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const handle = spawn(process.execPath, [file(), hub.url, site.url], {
          env: { ...process.env, PNET_NETWORK_ID: `two-sites-${process.pid}` },
          stdio: ["ignore", "pipe", "pipe"]
        })
        for (const stream of [handle.stdout, handle.stderr]) {
          stream.setEncoding("utf8").on("data", (text: string) => {
            output += text
            for (const [line, there] of said) if (output.includes(line)) Deferred.doneUnsafe(there, Effect.void)
          })
        }
        handle.once("exit", (code) => Deferred.doneUnsafe(ended, Effect.succeed(code)))
        return handle
      }),
      (handle) => Effect.andThen(Effect.sync(() => handle.kill("SIGKILL")), Deferred.await(ended))
    )
    const says = (line: string) =>
      Effect.suspend(() => {
        const there = Deferred.makeUnsafe<void>()
        said.push([line, there])
        return output.includes(line) ? Effect.void : Deferred.await(there)
      })
    yield* says("all is well at bob's site, at first")
    yield* says("now stop")
    yield* site.kill
    yield* says("alice: bob is lost")
    yield* site.restart
    assert.strictEqual(yield* Deferred.await(ended), 0, output)
    assert.include(output, "all is well at bob's site, again")
  }).pipe(Effect.scoped), 30_000)
