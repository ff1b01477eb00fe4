/** Connections over a NATS server: the suite of transports, and what only a server can do. */
import { afterAll, beforeAll, describe } from "@effect/vitest"
import { DerivedHost } from "@pnet/core"
import * as Server from "@pnet/lab/nats/server"
import * as Subjects from "@pnet/nats/Subjects"
import { transportSuite, type TransportWorld } from "@pnet/testing/TransportSuite"
import { Duration, Effect, Exit, identity, Scope } from "effect"
import * as NatsTransport from "../src/internal/transport.ts"
import * as Shared from "./shared.ts"
import { busOf } from "./world.ts"

// Long enough for those who answer to do so where others have the machine.
const dialTimeout = Duration.seconds(2)

const hostOf = (name: string) => DerivedHost.ofUrl("nats", name)

describe.skipIf(Server.skipped)("NATS", () => {
  const shared = Shared.server()
  beforeAll(shared.begin)
  afterAll(shared.end)

  let networks = 0

  const world = Effect.gen(function*() {
    const network = `n${++networks}`
    const node = (name: string) =>
      Effect.gen(function*() {
        const bus = yield* busOf(shared.url(), Subjects.ofHost(hostOf(name)), {}, network)
        const doors = yield* NatsTransport.doors(bus)
        const at = (port: number) =>
          NatsTransport.make(doors, {
            host: hostOf(name),
            port,
            dialTimeout,
            trustSenders: true,
            pingInterval: "50 millis"
          })
        return { bus, doors, at }
      })
    const [server, client] = [yield* node("server"), yield* node("client")]
    // It hears what it is asked, and has no answer.
    const silent = yield* busOf(shared.url(), Subjects.ofHost(hostOf("silent")), {}, network)
    silent.on("dial", () => {})
    const breaking = Effect.gen(function*() {
      const scope = yield* Scope.make()
      const broken = yield* Effect.orDie(Scope.provide(node("broken"), scope))
      const listener = yield* Effect.orDie(broken.at(0).listen)
      // A program that is killed: its connection to the server goes without a word.
      yield* Effect.forkScoped(
        listener.run(({ pull }) =>
          Effect.andThen(
            Effect.exit(pull),
            Scope.close(scope, Exit.void)
          )
        )
      )
      return listener.endpoint
    })
    return {
      server: server.at,
      client: client.at(0),
      address: hostOf("server"),
      clientAddress: hostOf("client"),
      breaking,
      silent: { endpoint: { host: hostOf("silent"), port: 1 }, dialTimeout },
      openSockets: Effect.sync(() =>
        [server, client].reduce((sum, { doors }) => sum + doors.size + doors.links.size, 0)
      )
    } satisfies TransportWorld
  }).pipe(Effect.orDie)

  transportSuite("NATS", { world, run: identity, live: true, held: 4_194_304 })
})
