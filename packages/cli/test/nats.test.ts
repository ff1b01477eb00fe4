/** The command between two LANs that do not hear each other, over a NATS server. */
import { assert, it } from "@effect/vitest"
import * as Server from "@pnet/lab/nats/server"
import * as Effect from "effect/Effect"
import { home } from "./harness/binary.ts"

it.live.skipIf(Server.skipped)(
  "--nats reaches who is on another LAN, and says what is wrong where there is no server",
  () =>
    Effect.gen(function*() {
      const server = yield* Server.start()
      const place = (port: number) =>
        Effect.acquireRelease(Effect.sync(() => home(port)), (place) => Effect.sync(() => place.close()))
      const [here, there] = [yield* place(40_871), yield* place(40_872)]
      // One network, as both say by the key of the first.
      const how = {
        env: { PNET_NETWORK_ID: `nats-${process.pid}`, PNET_NETWORK_KEY: undefined, PNET_NATS_SERVERS: server.url }
      }
      const up = there.start(["up", "--name", "bob", "--fn", "add(a: int, b: int)=echo $(($1 + $2))", "--open"], how)
      yield* Effect.promise(() => up.says("bob is up"))
      const called = yield* Effect.promise(() =>
        here.run(["call", "--open", "bob", "add", "1", "2", "--wait", "20s"], how)
      )
      assert.strictEqual(called.stdout, "3\n", called.stderr)
      const absent = yield* Effect.promise(() =>
        here.run(["call", "--nats", "127.0.0.1:1", "bob", "add", "1", "2"], how)
      )
      assert.notStrictEqual(absent.code, 0)
      assert.include(absent.stderr, "no NATS server answers at 127.0.0.1:1")
      up.type("\u0003")
      up.child.kill("SIGTERM")
      yield* Effect.promise(() => up.ended)
    }).pipe(Effect.scoped),
  60_000
)
