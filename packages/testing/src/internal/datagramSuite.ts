/** The datagram half of the network suite, and the interfaces. */
import { assert, describe } from "@effect/vitest"
import { Network } from "@pnet/core/Network"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import { encodeText } from "./platform.ts"
import { type Harness, inet, pattern, reasonOf, sameBytes, textOf } from "./suiteHarness.ts"

export type Test = (title: string, body: (harness: Harness) => Effect.Effect<void, unknown, Scope.Scope>) => void

/** Collects what a reader hears, in the background. */
const hear = (reader: DatagramSocket.Reader) =>
  Effect.gen(function*() {
    const heard: Array<DatagramSocket.Datagram> = []
    yield* reader.pull.pipe(
      Effect.tap((datagrams) => Effect.sync(() => heard.push(...datagrams))),
      Effect.forever,
      Effect.ignore,
      Effect.forkScoped({ startImmediately: true })
    )
    return heard
  })

const texts = (heard: ReadonlyArray<DatagramSocket.Datagram>) =>
  heard.map((datagram) => textOf(datagram.payload)).sort()

const bits = (address: string): number => address.split(".").reduce((value, octet) => value * 256 + Number(octet), 0)

const interfaceTests = (test: Test): void => {
  describe("interfaces", () => {
    test("has the loopback interface", ({ on, setup }) =>
      Effect.gen(function*() {
        const interfaces = yield* on(setup.server, Network.use((network) => network.interfaces))
        const loopback = interfaces.filter((i) => i.address === "127.0.0.1")
        assert.strictEqual(loopback.length, 1)
        assert.deepInclude(loopback[0], {
          family: "IPv4",
          broadcast: "127.255.255.255",
          prefixLength: 8,
          loopback: true
        })
      }))

    test("gives an entry for each address, with the broadcast address of its prefix", ({ on, setup }) =>
      Effect.gen(function*() {
        const interfaces = yield* on(setup.server, Network.use((network) => network.interfaces))
        assert.strictEqual(new Set(interfaces.map((i) => `${i.name} ${i.address}`)).size, interfaces.length)
        for (const i of interfaces) {
          assert.notInclude(i.address, "%")
          if (i.family === "IPv6") {
            assert.strictEqual(i.broadcast, i.address)
            continue
          }
          const host = 2 ** (32 - i.prefixLength)
          const [address, broadcast] = [bits(i.address), bits(i.broadcast)]
          assert.strictEqual(broadcast, Math.floor(address / host) * host + host - 1)
        }
      }))
  })
}

const datagramsTests = (test: Test): void => {
  describe("datagrams", () => {
    test("arrive intact, whatever their size", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const rx = yield* h.bound(server, { address: server.address, port: 0 })
        const tx = yield* h.bound(client, { address: client.address, port: 0 })
        const heard = yield* hear(rx.reader)
        const sizes = [0, 1, 508, 1_400, 9_000, 65_507]
        for (const [i, size] of sizes.entries()) {
          const bytes = pattern(size)
          yield* h.settle("a write", tx.writer.write({ payload: bytes, address: rx.reader.address }))
          // The buffer is the caller's again.
          bytes.fill(0)
          yield* h.until(`a datagram of ${size} bytes arrives`, () => heard.length > i)
          assert.isTrue(sameBytes(heard[i]!.payload, pattern(size)))
        }
      }))

    test("beyond 65,507 bytes fail with MessageTooLarge", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const rx = yield* h.bound(server, { address: server.address, port: 0 })
        const tx = yield* h.bound(client, { address: client.address, port: 0 })
        const reason = yield* reasonOf(
          h.settle("a write", tx.writer.write({ payload: new Uint8Array(65_508), address: rx.reader.address }))
        )
        assert.deepInclude(reason, { _tag: "DatagramSocketWriteError", kind: "MessageTooLarge" })
      }))

    test("carry their sender's address, which can be answered", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const rx = yield* h.bound(server, { address: "0.0.0.0", port: 0 })
        const tx = yield* h.bound(client, { address: client.address, port: 0 })
        const heard = yield* hear(rx.reader)
        const answers = yield* hear(tx.reader)
        yield* tx.writer.write({ payload: "ping", address: inet(server.address, rx.reader.address.port) })
        yield* h.until("the request arrives", () => heard.length === 1)
        assert.strictEqual(String(heard[0]!.address), String(tx.reader.address))
        yield* rx.writer.write({ payload: "by datagram", address: heard[0]! })
        yield* rx.writer.write({ payload: "by address", address: heard[0]!.address })
        yield* h.until("the answers arrive", () => answers.length === 2)
        assert.deepStrictEqual(texts(answers), ["by address", "by datagram"])
        for (const answer of answers) {
          assert.strictEqual(String(answer.address), String(inet(server.address, rx.reader.address.port)))
        }
      }))

    test("writeAll sends each", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const rx = yield* h.bound(server, { address: server.address, port: 0 })
        const tx = yield* h.bound(client, { address: client.address, port: 0 })
        const heard = yield* hear(rx.reader)
        const address = rx.reader.address
        yield* h.settle(
          "a write",
          tx.writer.writeAll([{ payload: "a", address }, { payload: "b", address }, { payload: "c", address }])
        )
        yield* h.until("all arrive", () => heard.length === 3)
        assert.deepStrictEqual(texts(heard), ["a", "b", "c"])
      }))

    test("that nobody is bound to hear are gone without an error", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const port = yield* Effect.scoped(
          Effect.map(h.bound(server, { address: server.address, port: 0 }), ({ reader }) => reader.address.port)
        )
        const tx = yield* h.bound(client, { address: client.address, port: 0 })
        for (let i = 0; i < 3; i++) {
          yield* h.settle("a write", tx.writer.write({ payload: "x", address: inet(server.address, port) }))
        }
      }))

    test("beyond the capacity are dropped and counted", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const rx = yield* h.bound(server, { address: server.address, port: 0, capacity: 4 })
        const tx = yield* h.bound(client, { address: client.address, port: 0 })
        for (let i = 0; i < 10; i++) {
          yield* h.settle("a write", tx.writer.write({ payload: `${i}`, address: rx.reader.address }))
        }
        yield* h.until("six are dropped", () => rx.reader.dropped() === 6)
        assert.strictEqual((yield* rx.reader.pull).length, 4)
      }))
  })
}

const takeTests = (test: Test): void => {
  describe("datagrams that are taken when they come", () => {
    test("are given away, and the reader gets what is not taken, in order", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const given: Array<string> = []
        const rx = yield* h.bound(server, {
          address: server.address,
          port: 0,
          capacity: 3,
          take: (payload, host, port) => {
            const text = textOf(payload)
            given.push(`${text} ${host} ${port}`)
            if (text === "throw") throw new Error("thrown on purpose")
            return text === "take"
          }
        })
        const tx = yield* h.bound(client, { address: client.address, port: 0 })
        const texts = ["take", "read", "take", "throw", "take", "last"]
        // What is taken has no place among those that wait.
        const all = [...texts, "take", "beyond"]
        for (const [i, payload] of all.entries()) {
          yield* h.settle("a write", tx.writer.write({ payload, address: rx.reader.address }))
          yield* h.until(`${payload} arrives`, () => given.length > i)
        }
        assert.strictEqual(rx.reader.dropped(), 1)
        const { port } = tx.reader.address
        assert.deepStrictEqual(given, all.map((text) => `${text} ${client.address} ${port}`))
        assert.deepStrictEqual((yield* rx.reader.pull).map(({ payload }) => textOf(payload)), ["read", "throw", "last"])
      }))

    test("are nobody's any more when the scope of their reader has closed", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const given: Array<string> = []
        const socket = yield* h.datagram(server, {
          address: server.address,
          port: 0,
          take: (payload) => given.push(textOf(payload)) > 0
        })
        const scope = yield* Scope.make()
        const reader = yield* h.settle("an open", Scope.provide(socket.reader, scope))
        const { address } = reader
        const tx = yield* h.bound(client, { address: client.address, port: 0 })
        yield* h.settle("a write", tx.writer.write({ payload: "before", address }))
        yield* h.until("it is taken", () => given.length === 1)
        yield* Scope.close(scope, Exit.void)
        yield* h.settle("a write", tx.writer.write({ payload: "after", address }))
        yield* h.stable(() => given.length, 5)
        assert.deepStrictEqual(given, ["before"])
      }))
  })
}

const socketTests = (test: Test): void => {
  describe("datagram sockets", () => {
    test("open when their reader is acquired, not before", (h) =>
      Effect.gen(function*() {
        const { server } = h.setup
        const first = yield* h.bound(server, { address: server.address, port: 0 })
        const { port } = first.reader.address
        assert.isAbove(port, 0)
        // Making a second one on the same port is no error; opening it is.
        const second = yield* h.datagram(server, { address: server.address, port })
        const reason = yield* reasonOf(h.settle("an open", second.reader))
        assert.deepInclude(reason, { _tag: "DatagramSocketOpenError", kind: "AddressInUse" })
      }))

    test("close with the scope of their reader, and the port is free again", (h) =>
      Effect.gen(function*() {
        const { server } = h.setup
        const socket = yield* h.datagram(server, { address: server.address, port: 0 })
        const scope = yield* Scope.make()
        const reader = yield* h.settle("an open", Scope.provide(socket.reader, scope))
        const { port } = reader.address
        yield* Scope.close(scope, Exit.void)
        const again = yield* h.bound(server, { address: server.address, port })
        assert.strictEqual(again.reader.address.port, port)
      }))

    test("share a port only if both set reuseAddress", (h) =>
      Effect.gen(function*() {
        const { server } = h.setup
        const willing = yield* h.bound(server, { address: "0.0.0.0", port: 0, reuseAddress: true })
        const { port } = willing.reader.address
        yield* h.bound(server, { address: "0.0.0.0", port, reuseAddress: true })
        const reason = yield* reasonOf(h.bound(server, { address: "0.0.0.0", port }))
        assert.deepInclude(reason, { _tag: "DatagramSocketOpenError", kind: "AddressInUse" })
        const other = yield* h.bound(server, { address: "0.0.0.0", port: 0 })
        const alone = yield* reasonOf(
          h.bound(server, { address: "0.0.0.0", port: other.reader.address.port, reuseAddress: true })
        )
        assert.deepInclude(alone, { _tag: "DatagramSocketOpenError", kind: "AddressInUse" })
      }))

    test("cannot be bound to an address of another machine", (h) =>
      Effect.gen(function*() {
        const reason = yield* reasonOf(h.bound(h.setup.server, { address: "203.0.113.77", port: 0 }))
        assert.deepInclude(reason, { _tag: "DatagramSocketOpenError", kind: "AddressNotAvailable" })
      }))

    test("fail a suspended pull when their scope closes", (h) =>
      Effect.gen(function*() {
        const { server } = h.setup
        const socket = yield* h.datagram(server, { address: server.address, port: 0 })
        const scope = yield* Scope.make()
        const reader = yield* h.settle("an open", Scope.provide(socket.reader, scope))
        const pull = yield* Effect.forkChild(reasonOf(reader.pull), { startImmediately: true })
        yield* Scope.close(scope, Exit.void)
        const reason = yield* h.settle("the pull ends", Fiber.join(pull))
        assert.strictEqual(reason._tag, "DatagramSocketClosedError")
      }))

    test("let writes wait until a reader is open", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const rx = yield* h.bound(server, { address: server.address, port: 0 })
        const heard = yield* hear(rx.reader)
        const socket = yield* h.datagram(client, { address: client.address, port: 0 })
        const writer = yield* socket.writer
        const write = yield* Effect.forkChild(writer.write({ payload: "early", address: rx.reader.address }), {
          startImmediately: true
        })
        yield* h.stable(() => heard.length, 5)
        assert.isUndefined(write.pollUnsafe())
        yield* h.settle("an open", socket.reader)
        yield* h.until("it arrives", () => heard.length === 1)
      }))
  })
}

const broadcastTests = (test: Test): void => {
  describe("broadcast", () => {
    test("without permission fails with PermissionDenied", (h) =>
      Effect.gen(function*() {
        const { broadcast, client } = h.setup
        const tx = yield* h.bound(client, { address: client.address, port: 0 })
        const address = inet(broadcast, 9)
        const reason = yield* reasonOf(h.settle("a write", tx.writer.write({ payload: "x", address })))
        assert.deepInclude(reason, { _tag: "DatagramSocketWriteError", kind: "PermissionDenied" })
        assert.strictEqual(
          reason._tag === "DatagramSocketWriteError" ? String(reason.address) : undefined,
          String(address)
        )
      }))

    test("reaches every socket that shares the port", (h) =>
      Effect.gen(function*() {
        const { broadcast, client, server } = h.setup
        const first = yield* h.bound(server, { address: "0.0.0.0", port: 0, reuseAddress: true })
        const { port } = first.reader.address
        const second = yield* h.bound(server, { address: "0.0.0.0", port, reuseAddress: true })
        const tx = yield* h.bound(client, { address: client.address, port: 0, broadcast: true })
        const [a, b] = [yield* hear(first.reader), yield* hear(second.reader)]
        yield* h.settle("a write", tx.writer.write({ payload: encodeText("all"), address: inet(broadcast, port) }))
        yield* h.until("both hear it", () => a.length === 1 && b.length === 1)
        assert.deepStrictEqual([...texts(a), ...texts(b)], ["all", "all"])
        assert.strictEqual(String(a[0]!.address), String(tx.reader.address))
        // The bytes are each receiver's own.
        a[0]!.payload.fill(0)
        assert.deepStrictEqual(texts(b), ["all"])
      }))

    test("reaches the loopback interface's sockets by 127.255.255.255", (h) =>
      Effect.gen(function*() {
        const { server } = h.setup
        const first = yield* h.bound(server, { address: "0.0.0.0", port: 0, reuseAddress: true })
        const { port } = first.reader.address
        const second = yield* h.bound(server, { address: "127.255.255.255", port, reuseAddress: true })
        const tx = yield* h.bound(server, { address: "127.0.0.1", port: 0, broadcast: true })
        const [a, b] = [yield* hear(first.reader), yield* hear(second.reader)]
        yield* h.settle("a write", tx.writer.write({ payload: "lo", address: inet("127.255.255.255", port) }))
        yield* h.until("both hear it", () => a.length === 1 && b.length === 1)
        assert.strictEqual(String(b[0]!.address), String(tx.reader.address))
      }))

    test("is heard by its own sender, if it is bound to the port", (h) =>
      Effect.gen(function*() {
        const { broadcast, client } = h.setup
        const own = yield* h.bound(client, { address: "0.0.0.0", port: 0, broadcast: true, reuseAddress: true })
        const heard = yield* hear(own.reader)
        yield* h.settle(
          "a write",
          own.writer.write({ payload: "me", address: inet(broadcast, own.reader.address.port) })
        )
        yield* h.until("it hears itself", () => heard.length === 1)
        assert.deepStrictEqual(texts(heard), ["me"])
      }))

    test("reaches a socket bound to the broadcast address, and unicast one bound to the interface's", (h) =>
      Effect.gen(function*() {
        const { broadcast, client, server } = h.setup
        const unicast = yield* h.bound(server, { address: server.address, port: 0, reuseAddress: true })
        const { port } = unicast.reader.address
        const shared = yield* h.bound(server, { address: broadcast, port, reuseAddress: true })
        const tx = yield* h.bound(client, { address: client.address, port: 0, broadcast: true })
        const [u, s] = [yield* hear(unicast.reader), yield* hear(shared.reader)]
        yield* h.settle("a write", tx.writer.write({ payload: "all", address: inet(broadcast, port) }))
        yield* h.settle("a write", tx.writer.write({ payload: "one", address: inet(server.address, port) }))
        yield* h.until("both hear their own", () => u.length >= 1 && s.length >= 1)
        yield* h.stable(() => u.length + s.length, 5)
        assert.deepStrictEqual([texts(u), texts(s)], [["one"], ["all"]])
      }))

    test("does not make unicast to a shared port arrive twice", (h) =>
      Effect.gen(function*() {
        const { client, server } = h.setup
        const first = yield* h.bound(server, { address: "0.0.0.0", port: 0, reuseAddress: true })
        const { port } = first.reader.address
        const second = yield* h.bound(server, { address: "0.0.0.0", port, reuseAddress: true })
        const tx = yield* h.bound(client, { address: client.address, port: 0 })
        const [a, b] = [yield* hear(first.reader), yield* hear(second.reader)]
        yield* h.settle("a write", tx.writer.write({ payload: "one", address: inet(server.address, port) }))
        yield* h.until("one hears it", () => a.length + b.length > 0)
        assert.strictEqual(yield* h.stable(() => a.length + b.length, 5), 1)
      }))
  })
}

export const datagramTests = (test: Test): void => {
  interfaceTests(test)
  datagramsTests(test)
  takeTests(test)
  socketTests(test)
  broadcastTests(test)
}
