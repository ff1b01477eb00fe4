/** Nodes at two clusters that a gateway joins to a supercluster, whose link is cut and back. */
import { assert, it } from "@effect/vitest"
import * as Server from "@pnet/lab/nats/server"
import { Effect, Exit, Fiber, Schedule, Scope, Stream } from "effect"
import { connect, createServer, type Socket } from "node:net"
import * as Nodes from "./nodes.ts"
import { bus, until } from "./world.ts"

/** A way to a port that is known later, and that can be cut. */
const wire = Effect.gen(function*() {
  const open = new Set<Socket>()
  const state = { to: 0, isCut: false }
  const server = createServer((from) => {
    if (state.isCut) return from.destroy()
    const to = connect(state.to, "127.0.0.1")
    for (const [one, other] of [[from, to], [to, from]] as const) {
      open.add(one)
      one.on("error", () => {}).on("close", () => {
        open.delete(one)
        other.destroy()
      }).pipe(other)
    }
  })
  const cut = Effect.sync(() => {
    state.isCut = true
    for (const socket of open) socket.destroy()
  })
  yield* Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
  yield* Effect.addFinalizer(() => Effect.andThen(cut, Effect.sync(() => server.close())))
  return {
    state,
    cut,
    mend: Effect.sync(() => {
      state.isCut = false
    }),
    at: `127.0.0.1:${(server.address() as { readonly port: number }).port}`
  }
})

const mebibyte = 1_048_576

it.live.skipIf(Server.skipped)(
  "nodes at two clusters find each other, talk, and are told at once that nobody is there; a link that is cut is an end, and back by itself",
  () =>
    Effect.gen(function*() {
      // Each server tells the others to come by its wire.
      const [east, west] = [yield* wire, yield* wire]
      const start = (name: string, own: typeof east, other: string, to: typeof east) =>
        Server.start({
          name,
          gateway: name,
          gateways: `advertise: "${own.at}", gateways: [{ name: "${other}", url: "nats://${to.at}" }]`
        }).pipe(Effect.tap(({ gateway }) =>
          Effect.sync(() => {
            own.state.to = Number(gateway.split(":").at(-1))
          })
        ))
      const [here, there] = [yield* start("east", east, "west", west), yield* start("west", west, "east", east)]
      const isJoined = ({ log }: Server.Server) => /Inbound gateway connection from [^\n]* registered/.test(log())
      yield* until("the clusters are joined", () => isJoined(here) && isJoined(there))
      const node = ({ url }: Server.Server, name: string) =>
        Nodes.advanced(url, {
          name,
          networkId: "super",
          broadcastInterval: "200 millis",
          functions: {
            hello: ({ from, whole }) =>
              Effect.map(whole, (bytes) => `${name} had ${bytes.length} bytes of ${from.name}`),
            give: () => Stream.fromIterable(Array.from({ length: 16 }, () => new Uint8Array(mebibyte / 16))),
            more: () => Stream.fromEffectRepeat(Effect.as(Effect.sleep("5 millis"), new Uint8Array(1_000)))
          }
        })
      const [alice, bob] = [yield* node(here, "alice"), yield* node(there, "bob")]
      yield* Effect.all([alice.peers.awaitPeer("bob"), bob.peers.awaitPeer("alice")])
      // What a node says may come before its own server has told the other that it is there.
      const soon = Schedule.max([Schedule.spaced("5 millis"), Schedule.recurs(1_000)])
      const hello = Effect.map(alice.request("bob", "hello", "123"), (bytes) => new TextDecoder().decode(bytes)).pipe(
        Effect.retry(soon)
      )
      assert.strictEqual(yield* hello, "bob had 3 bytes of alice")
      for (const [one, other] of [[alice, "bob"], [bob, "alice"]] as const) {
        const length = Stream.runFold(one.send(other, "give", ""), () => 0, (sum, bytes) => sum + bytes.length)
        assert.strictEqual(yield* length, mebibyte)
      }

      // Who never was there, and who was, at the other cluster. What is on its way to one that goes is lost, and the next question is answered.
      const asker = yield* bus(here.url, "asker")
      const ask = (token: string) =>
        Effect.flip(asker.request(token, "dial.1", new Uint8Array(0), 500)).pipe(
          Effect.repeat({ while: (why) => why === "Timeout", times: 20 })
        )
      assert.strictEqual(yield* ask("nobody".padStart(16, "n")), "Gone")
      const scope = yield* Scope.make()
      const gone = yield* Scope.provide(bus(there.url, "gone"), scope)
      gone.on("dial", ({ from, reply }) => gone.publish(gone.subject(from, reply), Uint8Array.of(1)))
      // Until his server has told the other one that he is there.
      const answer = yield* asker.request(gone.own, "dial.1", new Uint8Array(0), 500).pipe(
        Effect.retry(soon)
      )
      assert.deepStrictEqual([...answer.data], [1])
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* ask(gone.own), "Gone")

      let pieces = 0
      const more = yield* Effect.forkScoped(Effect.exit(
        Stream.runForEach(alice.send("bob", "more", ""), () => Effect.sync(() => pieces++))
      ))
      yield* until("the stream flows", () => pieces > 3)
      yield* Effect.all([east.cut, west.cut])
      const isThere = (name: string, peers: typeof alice.peers) =>
        Effect.runSync(peers.all).some((peer) => peer.name === name)
      yield* until("each has lost the other", () => !isThere("bob", alice.peers) && !isThere("alice", bob.peers))
      const exit = yield* Fiber.join(more)
      assert.isTrue(Exit.isFailure(exit) && Exit.hasFails(exit))
      yield* Effect.all([east.mend, west.mend])
      yield* Effect.all([alice.peers.awaitPeer("bob", "20 seconds"), bob.peers.awaitPeer("alice", "20 seconds")])
      assert.strictEqual(yield* hello, "bob had 3 bytes of alice")
    }).pipe(Effect.scoped),
  60_000
)
