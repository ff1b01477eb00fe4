import { SimNetwork } from "@pnet/testing"
import { networkSuite, type Setup } from "@pnet/testing/NetworkSuite"
import { Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"

const oneHost = Effect.gen(function*(): Effect.fn.Return<Setup, never, Scope.Scope> {
  const network = yield* SimNetwork.make()
  const host = yield* network.host("host")
  const { context } = yield* host.process
  const side = { context, address: "127.0.0.1" }
  return {
    server: side,
    client: side,
    broadcast: "127.255.255.255",
    names: { known: "localhost", addresses: ["127.0.0.1"], unknown: "nobody.lan" },
    advance: TestClock.adjust,
    openSockets: Effect.sync(() => network.openSockets().length)
  }
})

const twoHosts = (options?: SimNetwork.Options) =>
  Effect.gen(function*(): Effect.fn.Return<Setup, never, Scope.Scope> {
    const network = yield* SimNetwork.make(options)
    const [a, b] = [yield* network.host("a"), yield* network.host("b")]
    yield* network.setName("tasks.web", [a.address, b.address, "fd00::7", a.address])
    return {
      server: { context: (yield* a.process).context, address: a.address },
      client: { context: (yield* b.process).context, address: b.address },
      broadcast: "10.0.0.255",
      names: { known: "tasks.web", addresses: [a.address, b.address, "fd00::7"], unknown: "nobody.lan" },
      advance: TestClock.adjust,
      openSockets: Effect.sync(() => network.openSockets().length)
    }
  })

networkSuite("SimNetwork, one host", oneHost)
networkSuite("SimNetwork, two hosts", twoHosts({ link: { latency: "20 millis" } }))
networkSuite("SimNetwork, without latency", twoHosts({ link: { latency: 0 } }))
networkSuite(
  "SimNetwork, jitter and small windows",
  twoHosts({
    link: { latency: { min: "1 millis", max: "10 millis" } },
    streams: { window: 100_000, chunking: "random" }
  })
)
