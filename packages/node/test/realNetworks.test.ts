// Situations of real networks that one machine has by itself: loopback, IPv6, and ports and names that are taken.
import { NodeDatagramSocket } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AdvancedNode, BasicNode, Diagnose, type Network, NetworkKey, type Peers } from "@pnet/core"
import { NodeCrypto, NodePnet } from "@pnet/node"
import { Clock, Effect, Layer, Logger, Redacted, type Scope, Stream } from "effect"
import { randomUUID } from "node:crypto"
import * as Os from "node:os"

/** A UDP port that nobody on this machine uses now. */
const freePort = Effect.gen(function*() {
  const socket = yield* NodeDatagramSocket.make({ bind: { address: "127.0.0.1", port: 0 } })
  return (yield* socket.reader).address.port
}).pipe(Effect.scoped, Effect.orDie)

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>, skip = false) =>
  it.live.skipIf(skip)(title, () => body.pipe(Effect.scoped, Effect.provide(Logger.layer([]))), 20_000)

const quick = { broadcastInterval: "300 millis" } as const

const isolated = Effect.map(freePort, (advertisePort) => ({ ...quick, networkId: randomUUID(), advertisePort }))

const echo: AdvancedNode.Handler = ({ bytes }) => bytes

const onThisMachine = <A, E>(effect: Effect.Effect<A, E, Layer.Success<typeof NodePnet.layer> | Scope.Scope>) =>
  Effect.provide(effect, Layer.fresh(NodePnet.layer))

const words = (node: AdvancedNode.AdvancedNode["Service"], peer: string, data: string) =>
  Effect.map(node.request(peer, "echo", data), (answer) => new TextDecoder().decode(answer))

describe("one machine", () => {
  test(
    "has two nodes of one name: a third is told of the conflict, and sends to neither until one has gone",
    Effect.gen(function*() {
      const options = yield* isolated
      const onMessage = () => Effect.succeed("here")
      const first = yield* Effect.forkScoped(Effect.scoped(Effect.andThen(
        onThisMachine(BasicNode.make({ ...options, name: "bob", onMessage })),
        Effect.never
      )))
      yield* onThisMachine(BasicNode.make({ ...options, name: "bob", onMessage }))
      const alice = yield* onThisMachine(BasicNode.make({ ...options, name: "alice" }))
      yield* alice.peers.awaitPeer("bob", "5 seconds").pipe(Effect.ignore, Effect.forkScoped)
      const both = alice.peers.changes.pipe(
        Stream.mapEffect(() => alice.peers.all),
        Stream.filter((all) => all.length === 2),
        Stream.runHead
      )
      yield* both
      const error = yield* Effect.flip(alice.send("bob", "which?"))
      assert.strictEqual(error._tag, "NameConflictError", error.message)
      first.interruptUnsafe()
      yield* alice.peers.awaitPeer("bob", "5 seconds")
      assert.strictEqual(yield* alice.sendText("bob", "you?"), "here")
    })
  )

  const hasIPv6 = Object.values(Os.networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"))

  test(
    `has nodes on IPv6, that know each other by their addresses and have sessions${
      hasIPv6 ? "" : " (skipped: there is no ::1 here)"
    }`,
    Effect.gen(function*() {
      const options = yield* isolated
      const networkKey = yield* NetworkKey.generate.pipe(Effect.provide(NodeCrypto.layer))
      const common = { ...options, networkKey, bindIp: "::1", functions: { echo } }
      const bob = yield* onThisMachine(AdvancedNode.make({ ...common, name: "bob" }))
      assert.strictEqual(bob.endpoint.host, "::1")
      const alice = yield* onThisMachine(
        AdvancedNode.make({ ...common, name: "alice", peers: [`[::1]:${bob.endpoint.port}`] })
      )
      const peer = yield* alice.peers.awaitPeer("bob", "5 seconds")
      assert.deepStrictEqual<ReadonlyArray<Network.Endpoint>>(peer.endpoints, [bob.endpoint])
      assert.strictEqual(yield* words(alice, "bob", "over IPv6"), "over IPv6")
      assert.lengthOf(yield* alice.sessions.all, 1)
      // Single messages too, and what is longer than a datagram.
      const long = "x".repeat(200_000)
      assert.strictEqual(yield* words(alice, "bob", long), long)
      const findings = yield* NodePnet.diagnose({
        networkId: options.networkId,
        networkKey,
        bindIp: "::1",
        name: "alice",
        peers: [`[::1]:${bob.endpoint.port}`]
      })
      assert.deepStrictEqual(findings.map(({ _tag }) => _tag as string), [
        "BindSucceeded",
        "BroadcastNotUsed",
        "PeerFound",
        "ClockAgrees"
      ])
    }),
    !hasIPv6
  )

  test(
    "has a node on IPv6 that lists nobody, which it says, and so does the error of who waits",
    Effect.gen(function*() {
      const options = yield* isolated
      const said: Array<string> = []
      const logger = Logger.layer([
        Logger.make(({ logLevel, message }) => void (logLevel === "Warn" && said.push(String(message))))
      ])
      const alice = yield* onThisMachine(BasicNode.make({ ...options, name: "alice", bindIp: "::1" })).pipe(
        Effect.provide(logger)
      )
      const error = yield* Effect.flip(alice.peers.awaitPeer("bob", "1 second"))
      assert.deepStrictEqual((error as Peers.PeerUnknownError).obstacles?.map(({ kind }) => kind), ["NothingListed"])
      assert.include(error.message, "list the addresses of other nodes in peers")
      assert.lengthOf(said, 1)
      assert.include(said[0], "This node is bound to ::1, where nothing is broadcast, and peers is empty".slice(1))
    }),
    !hasIPv6
  )

  test(
    "has nodes that list each other by a host name",
    Effect.gen(function*() {
      const options = yield* isolated
      const common = { ...options, functions: { echo } }
      const bob = yield* onThisMachine(AdvancedNode.make({ ...common, name: "bob", advertisePort: yield* freePort }))
      const alice = yield* onThisMachine(
        AdvancedNode.make({ ...common, name: "alice", peers: [`localhost:${bob.endpoint.port}`] })
      )
      const peer = yield* alice.peers.awaitPeer("bob", "5 seconds")
      assert.deepStrictEqual<ReadonlyArray<Network.Endpoint>>(peer.endpoints, [bob.endpoint])
      assert.strictEqual(yield* words(alice, "bob", "by name"), "by name")
    })
  )

  test(
    "has a node of IPv4 that is told an IPv6 peer, and calls it",
    Effect.gen(function*() {
      const options = yield* isolated
      const bob = yield* onThisMachine(
        AdvancedNode.make({ ...options, name: "bob", bindIp: "::1", functions: { echo } })
      )
      const alice = yield* onThisMachine(
        AdvancedNode.make({ ...options, name: "alice", peers: [`[::1]:${bob.endpoint.port}`] })
      )
      yield* alice.peers.awaitPeer("bob", "5 seconds")
      assert.strictEqual(yield* words(alice, "bob", "across"), "across")
    }),
    !hasIPv6
  )
})

describe("NodePnet.diagnose", () => {
  test(
    "finds this machine in order, a node, and that its name is taken",
    Effect.gen(function*() {
      const options = yield* isolated
      const networkKey = yield* NetworkKey.generate.pipe(Effect.provide(NodeCrypto.layer))
      const bob = yield* onThisMachine(BasicNode.make({ ...options, networkKey, name: "bob" }))
      const began = yield* Clock.currentTimeMillis
      const findings = yield* NodePnet.diagnose({ ...options, networkKey, name: "bob" })
      assert.isBelow((yield* Clock.currentTimeMillis) - began, 5_000)
      assert.deepStrictEqual(findings.map(({ _tag }) => _tag as string), [
        "BindSucceeded",
        "InterfaceFound",
        "BindSucceeded",
        "BroadcastHeard",
        "PeerFound",
        "NameTaken",
        "ClockAgrees"
      ], Diagnose.format(findings))
      assert.strictEqual(Diagnose.worst(findings), "error")
      assert.include(Diagnose.format(findings), `answers at 127.0.0.1:${bob.endpoint.port}`)
      assert.notInclude(JSON.stringify(findings), Redacted.value(networkKey))
      assert.deepStrictEqual(yield* bob.peers.all, [], "it leaves no trace in the node's table")
    })
  )

  test(
    "finds ports that are in use",
    Effect.gen(function*() {
      const options = yield* isolated
      // Bound to loopback's broadcast address, which is where adverts are heard.
      const socket = yield* NodeDatagramSocket.make({
        bind: { address: "127.255.255.255", port: options.advertisePort }
      })
      yield* socket.reader
      const bob = yield* onThisMachine(BasicNode.make({ ...options, advertisePort: yield* freePort, name: "bob" }))
      const findings = yield* NodePnet.diagnose({ ...options, serverPort: bob.endpoint.port })
      assert.deepStrictEqual(
        findings.flatMap((one) => one._tag === "PortInUse" ? [`${one.protocol} ${one.port}`] : []),
        [`TCP ${bob.endpoint.port}`, `UDP ${options.advertisePort}`]
      )
    }),
    // Only Linux binds to broadcast addresses.
    process.platform !== "linux"
  )
})
