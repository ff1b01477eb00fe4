import { assert, describe, it } from "@effect/vitest"
import { Network, RemoteAddress } from "@pnet/core/Network"
import { NodeNetwork } from "@pnet/node"
import { networkSuite, type Setup } from "@pnet/testing/NetworkSuite"
import { Deferred, Effect, Fiber, Layer, Schedule, type Scope } from "effect"
import { Socket } from "effect/socket"
import { spawn } from "node:child_process"
import * as Dns from "node:dns"
import * as Net from "node:net"

// What keeps Node's event loop alive and is a socket of ours.
const openSockets = Effect.sync(() => process.getActiveResourcesInfo().filter((name) => /^(TCP|UDP)/.test(name)).length)

const setup = Effect.gen(function*(): Effect.fn.Return<Setup, never, Scope.Scope> {
  const side = { context: yield* Layer.build(NodeNetwork.layer), address: "127.0.0.1" }
  // What this machine's hosts file says of it; a label of 64 letters is asked of nobody.
  const localhost = yield* Effect.callback<ReadonlyArray<string>>((resume) =>
    Dns.lookup("localhost", { all: true }, (_, found) => resume(Effect.succeed(found.map(({ address }) => address))))
  )
  return {
    server: side,
    client: side,
    broadcast: "127.255.255.255",
    names: { known: "localhost", addresses: [...new Set(localhost)], unknown: `${"a".repeat(64)}.invalid` },
    advance: (duration) => Effect.sleep(duration),
    openSockets
  }
})

networkSuite("NodeNetwork", setup, { live: true })

/** Runs a program in a process of its own; gives its exit code and output. */
const runProgram = (source: string) =>
  Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", source], {
      cwd: new URL("..", import.meta.url),
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    child.stdout.on("data", (data) => output += data)
    child.stderr.on("data", (data) => output += data)
    child.on("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const prelude = `
  import { Effect, Exit, Scope } from "effect"
  import { Socket } from "effect/socket"
  import { Network, RemoteAddress } from "@pnet/core/Network"
  import { NodeNetwork } from "@pnet/node"
  const run = (effect) => Effect.runPromise(Effect.provide(Effect.scoped(effect), NodeNetwork.layer))
`

describe("NodeNetwork", () => {
  it.live(
    "keeps no process alive once scopes are closed, even where a peer takes no more bytes",
    () =>
      Effect.gen(function*() {
        // Accepts and never reads.
        const stuck = yield* Effect.acquireRelease(
          Effect.callback<Net.Server>((resume) => {
            const server = Net.createServer({ pauseOnConnect: true }, (connection) => connection.on("error", () => {}))
            server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        const { code, output } = yield* runProgram(`${prelude}
        await run(Effect.gen(function*() {
          const network = yield* Network
          const udp = yield* network.datagram({ address: "127.0.0.1", port: 0 })
          yield* udp.reader
          const server = yield* network.listen({ host: "127.0.0.1", port: 0 })
          yield* Effect.forkScoped(server.run((socket) => Effect.scoped(Effect.andThen(socket.reader, Effect.never))))
          for (const port of [server.address.port, ${(stuck.address() as Net.AddressInfo).port}]) {
            const socket = yield* network.dial({ host: "127.0.0.1", port })
            yield* socket.reader
            const writer = yield* socket.writer
            yield* Effect.forkScoped(Effect.forever(writer.write(new Uint8Array(1 << 20))))
          }
          yield* Effect.sleep(300)
        }))
        console.log("closed")
      `)
        assert.strictEqual(output.trim(), "closed")
        assert.strictEqual(code, 0)
      })
  )

  it.live("survives a peer that resets, at any moment", () =>
    Effect.gen(function*() {
      const network = yield* Network
      const ends: Array<string> = []
      const server = yield* network.listen({ host: "127.0.0.1", port: 0 })
      const port = server.address._tag === "UnixPathAddress" ? 0 : server.address.port
      const connect = (then: (connection: Net.Socket) => void) =>
        Effect.callback<void>((resume) => {
          const connection = Net.connect(port, "127.0.0.1", () => {
            then(connection)
            resume(Effect.void)
          })
          connection.on("error", () => {})
        })
      // Before anybody accepts.
      yield* connect((connection) => connection.resetAndDestroy())
      yield* server.run((socket) =>
        Effect.scoped(Effect.gen(function*() {
          const pull = yield* Socket.readerBytes(socket)
          return yield* Effect.forever(pull)
        })).pipe(
          Effect.catch((error) => Effect.sync(() => ends.push(error.reason._tag)))
        )
      ).pipe(Effect.forkScoped)
      yield* Effect.suspend(() => ends.length === 1 ? Effect.void : Effect.fail("not yet")).pipe(
        Effect.retry(Schedule.spaced(5))
      )
      // While it is being read.
      yield* connect((connection) => connection.write("x", () => connection.resetAndDestroy()))
      yield* Effect.suspend(() => ends.length === 2 ? Effect.void : Effect.fail("not yet")).pipe(
        Effect.retry(Schedule.spaced(5))
      )
      assert.strictEqual(ends[1], "SocketReadError")
    }).pipe(Effect.provide(NodeNetwork.layer)), 30_000)

  it.live("sees a killed process end its streams, and refuse new ones", () =>
    Effect.gen(function*() {
      const network = yield* Network
      const child = spawn(process.execPath, [
        "--input-type=module",
        "--eval",
        `${prelude}
        await run(Effect.gen(function*() {
          const network = yield* Network
          const server = yield* network.listen({ host: "127.0.0.1", port: 0 })
          console.log(server.address.port)
          yield* server.run((socket) => Effect.scoped(Effect.andThen(socket.reader, Effect.never)))
        }))`
      ], { cwd: new URL("..", import.meta.url), stdio: ["ignore", "pipe", "inherit"] })
      yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
      const port = yield* Effect.callback<number>((resume) => {
        child.stdout.once("data", (data) => resume(Effect.succeed(Number(data))))
      })
      const socket = yield* network.dial({ host: "127.0.0.1", port })
      const pull = yield* Socket.readerBytes(socket)
      const ended = yield* Effect.forkChild(Effect.flip(pull), { startImmediately: true })
      const exited = yield* Effect.callback<void>((resume) => {
        child.once("exit", () => resume(Effect.void))
      }).pipe(Effect.forkChild({ startImmediately: true }))
      child.kill("SIGKILL")
      const { reason } = yield* Fiber.join(ended)
      assert.include(["SocketCloseError", "SocketReadError"], reason._tag)
      yield* Fiber.join(exited)
      const again = yield* Effect.flip(Effect.scoped(socket.reader))
      assert.strictEqual(again.reason._tag, "SocketOpenError")
    }).pipe(Effect.provide(NodeNetwork.layer)), 30_000)

  it.live("gives the address of an IPv4 peer as IPv4, also on an IPv6 socket", () =>
    Effect.gen(function*() {
      const network = yield* Network
      const server = yield* network.listen({ host: "::ffff:127.0.0.1", port: 0 })
      const seen = yield* Deferred.make<string>()
      yield* Effect.forkScoped(
        server.run(() => Effect.flatMap(RemoteAddress, (remote) => Deferred.succeed(seen, String(remote))))
      )
      const port = server.address._tag === "UnixPathAddress" ? 0 : server.address.port
      yield* (yield* network.dial({ host: "127.0.0.1", port })).reader
      assert.match(yield* Deferred.await(seen), /^127\.0\.0\.1:\d+$/)
    }).pipe(Effect.provide(NodeNetwork.layer)), 30_000)

  it("reads netmasks", () => {
    const interfaces = NodeNetwork.interfacesOf({
      wlan0: [
        { address: "192.168.7.9", netmask: "255.255.252.0", family: "IPv4", mac: "", internal: false, cidr: null },
        {
          address: "fe80::1%wlan0",
          netmask: "ffff::",
          family: "IPv6",
          mac: "",
          internal: false,
          cidr: "fe80::1/64",
          scopeid: 2
        }
      ],
      gone: undefined
    })
    assert.deepStrictEqual(interfaces, [
      {
        name: "wlan0",
        family: "IPv4",
        address: "192.168.7.9",
        broadcast: "192.168.7.255",
        prefixLength: 22,
        loopback: false
      },
      {
        name: "wlan0",
        family: "IPv6",
        address: "fe80::1",
        broadcast: "fe80::1",
        prefixLength: 64,
        loopback: false
      }
    ])
  })
})
