import { assert, describe, it } from "@effect/vitest"
import { Network, TcpTransport } from "@pnet/core"
import { NodeNetwork } from "@pnet/node"
import { transportSuite, type TransportWorld, withoutFibers } from "@pnet/testing/TransportSuite"
import { Cause, Context, Deferred, Effect, Exit, identity, Layer, Scope } from "effect"
import * as Net from "node:net"
import * as V8 from "node:v8"
import { runInNewContext } from "node:vm"
import type * as Internal from "../src/internal/young.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const Young: typeof Internal = await import(new URL("../src/internal/young.ts", import.meta.url).href)

const world: Effect.Effect<TransportWorld, never, Scope.Scope> = Effect.gen(function*() {
  const network = Context.get(yield* Layer.build(NodeNetwork.layer), Network.Network)
  const at = (bindIp: string) => (serverPort: number) =>
    TcpTransport.make(network, { bindIp, serverPort, dialTimeout: "5 seconds" })
  const client = at("127.0.0.1")(0)
  return {
    server: at("127.0.0.1"),
    // Who dials does without fibers what it can, as sessions do; who listens pulls and writes.
    client: { ...client, dial: (endpoint) => Effect.map(client.dial(endpoint), withoutFibers) },
    address: "127.0.0.1",
    clientAddress: "127.0.0.1",
    breaking: Effect.map(
      Effect.acquireRelease(
        Effect.callback<Net.Server>((resume) => {
          const server = Net.createServer((connection) => {
            connection.on("error", () => {})
            connection.once("data", () => connection.resetAndDestroy())
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      ),
      (server) => ({ host: "127.0.0.1", port: (server.address() as Net.AddressInfo).port })
    ),
    // What keeps Node's event loop alive and is a socket of ours.
    openSockets: Effect.sync(() => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length)
  }
})

transportSuite("TCP on loopback", { world, run: identity, live: true })

describe("TCP on loopback", () => {
  const connected = Effect.gen(function*() {
    const { client, server } = yield* world
    const listener = yield* server(0).listen
    yield* Effect.forkScoped(
      listener.run((connection) =>
        Effect.ignore(
          Effect.forever(Effect.flatMap(connection.pull, (pieces) => Effect.forEach(pieces, connection.write)))
        )
      ),
      { startImmediately: true }
    )
    return yield* client.dial(listener.endpoint)
  })

  it.live("gives a function each piece in the turn in which it comes, until it wants no more", () =>
    Effect.gen(function*() {
      const connection = yield* connected
      const heard: Array<number> = []
      yield* connection.write(Uint8Array.of(1))
      yield* connection.each!((bytes) => {
        for (const byte of bytes) heard.push(byte)
        // What is written here comes back while it listens still.
        return heard.length < 3 && connection.tryWrite!(Uint8Array.of(heard.length + 1))
      })
      assert.deepStrictEqual(heard, [1, 2, 3])
      yield* connection.write(Uint8Array.of(4))
      assert.deepStrictEqual((yield* connection.pull).map((bytes) => [...bytes]), [[4]])
    }).pipe(Effect.scoped))

  it.live("makes more in the heap than it reads of what is long, so that its memory is collected while it is young", () =>
    Effect.gen(function*() {
      const { client, server } = yield* world
      const listener = yield* server(0).listen
      yield* Effect.forkScoped(
        listener.run((connection) =>
          Effect.ignore(Effect.andThen(connection.write(new Uint8Array(1_048_576)), Effect.never))
        ),
        { startImmediately: true }
      )
      const connection = yield* client.dial(listener.endpoint)
      const made = new Set<unknown>()
      let [left, long] = [1_048_576, 0]
      yield* connection.each!((chunk) => {
        left -= chunk.length
        if (chunk.length >= 32_768) {
          long++
          made.add(Young.young)
        }
        return left > 0
      })
      assert.isAbove(long, 0)
      assert.strictEqual(made.size, long)
      // A collection may come in between.
      const grown = Array.from({ length: 10 }, () => {
        const before = process.memoryUsage().heapUsed
        Young.read(65_536)
        return process.memoryUsage().heapUsed - before
      })
      assert.isAtLeast(Math.max(...grown), 131_072)
    }).pipe(Effect.scoped))

  it("makes nothing in a heap that has no room for it, which it looks at for each 8 MiB", () => {
    const mebibytes = (most: number, used: number, young: number, youngAtMost: number) => {
      const [a, b, c, d] = [most, used, young, youngAtMost].map((count) => count * 1_048_576) as [
        number,
        number,
        number,
        number
      ]
      return Young.roomOf({ most: a, used: b, young: c, youngAtMost: d }) >= 0
    }
    // 64 MiB of old, as V8 says it.
    assert.deepStrictEqual([mebibytes(256, 32, 4, 8), mebibytes(256, 48, 4, 8)], [true, false])
    assert.deepStrictEqual([mebibytes(256, 12, 1, 16), mebibytes(256, 30, 1, 16)], [true, false])
    assert.isTrue(mebibytes(4_288, 2_000, 60, 64))
    // Larger young, by V8's flags, are not full before it marks for what is read.
    assert.deepStrictEqual([mebibytes(4_384, 40, 60, 96), mebibytes(4_480, 40, 60, 97)], [true, false])
    // What is young takes nothing from the old.
    assert.isTrue(mebibytes(256, 40, 16, 16))
    const looks = [true, false, true]
    const heap = { used: 1, young: 1, youngAtMost: 1 }
    const read = Young.make(() => ({ ...heap, most: looks.shift()! ? 4_000_000_000 : 1 }), () => {}, () => {})
    const before = Young.young
    read(1_000)
    assert.deepStrictEqual([looks.length, Young.young === before], [3, true])
    const makes = () => {
      const last = Young.young
      read(4_194_304)
      return Young.young !== last
    }
    assert.deepStrictEqual([makes(), makes(), makes(), makes(), makes()], [true, true, false, false, true])
    assert.strictEqual(looks.length, 0)
  })

  it("holds more where V8 has marked while something was read, until it has done so twice again, so that it lets the heap grow", () => {
    const mebibyte = 1_048_576
    // 30 MiB of old, and room for four times of what is held.
    const tight = { most: 334 * mebibyte, used: 31 * mebibyte, young: mebibyte, youngAtMost: 4 * mebibyte }
    let held: ReadonlyArray<unknown> | undefined
    // For each 8 MiB that are read, and for each time in which next to nothing (s) or nothing (i) is: whether V8 marks.
    const holds = (looks: string, heap: Internal.Heap | null = tight): string => {
      let mark = () => {}
      held = undefined
      const read = Young.make(() => heap ?? undefined, (onMarked) => {
        mark = onMarked
      }, (pieces) => {
        held = pieces
      })
      return Array.from(looks, (look) => {
        if (look !== ".") mark()
        if (look !== "i") read(look === "s" ? 32_768 : 8_388_608)
        return held === undefined ? "." : held.length / 1_536
      }).join("")
    }
    // 24 MiB, or so many times as much.
    assert.strictEqual(holds("..m..m.m.m.."), "..11111.....")
    // What V8 marked before anything was read, or after little was, it did not for that.
    assert.strictEqual(holds("sssss.m"), "......1")
    const wide = { ...tight, most: 4_096 * mebibyte }
    assert.match(holds(`.${"s".repeat(600)}`, wide), /^\.{256}11\.{343}$/)
    // Who read on without being marked for does not need it any more, and who reads no more does not keep it.
    assert.strictEqual(holds(".m..........m"), ".11111111...1")
    assert.strictEqual(holds(".miii"), ".11..")
    // Where it does not help twice as much is, and twice as much again, then nothing for as long; and the same again where there is no room for more.
    assert.strictEqual(holds(`.${"m".repeat(40)}`, wide), `.112244${".".repeat(30)}1122`)
    assert.strictEqual(holds(".mmmmmmmmmmmmm"), ".11......11...")
    assert.strictEqual(holds(".mm", { ...tight, most: tight.most - 1 }), "...")
    const large = 161 * mebibyte
    assert.strictEqual(holds(".mm", { ...wide, used: large }), ".11")
    assert.strictEqual(holds(".mm", { ...wide, used: large + 1 }), "...")
    assert.strictEqual(holds(".mm", null), "...")
    // Where what is held takes the room of the young those are not made.
    let hasRoom = true
    let mark = () => {}
    const read = Young.make(() => ({ ...wide, most: hasRoom ? wide.most : 1 }), (onMarked) => {
      mark = onMarked
    }, () => {
      hasRoom = false
    })
    read(8_388_608)
    mark()
    const before = Young.young
    read(8_388_608)
    assert.deepStrictEqual([hasRoom, Young.young === before], [false, true])
    assert.strictEqual(holds(".m"), ".1")
    const elements = (held as unknown as ReadonlyArray<ReadonlyArray<unknown>>).reduce(
      (sum, { length }) => sum + length,
      0
    )
    assert.strictEqual(elements * 8, 24 * mebibyte)
  })

  it.live("knows when V8 has marked all that lives, which it has not where it collected the young alone", () =>
    Effect.gen(function*() {
      V8.setFlagsFromString("--expose-gc")
      const gc = runInNewContext("gc") as (options: { readonly type: "major" | "minor" }) => void
      let markings = 0
      Young.watchMarking(() => {
        markings++
      })
      // What is gone is told in a turn of its own.
      const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
      const collect = (types: ReadonlyArray<"major" | "minor">) =>
        Effect.gen(function*() {
          const before = markings
          const seen: Array<number> = []
          for (const type of types) {
            gc({ type })
            for (let i = 0; i < 5; i++) yield* turn
            seen.push(markings - before)
          }
          return seen.join()
        })
      const expected = "0,1,1,1,2"
      // It ends what V8 had begun by itself. It may begin again, in a process of many tests.
      yield* collect(["major"])
      let seen = ""
      for (let times = 0; times < 5 && seen !== expected; times++) {
        seen = yield* collect(["minor", "major", "minor", "minor", "major"])
      }
      assert.strictEqual(seen, expected)
    }))

  it.live("gives no more than half a mebibyte in one turn, so that others have theirs beside a flood", () =>
    Effect.gen(function*() {
      const { client, server } = yield* world
      const listener = yield* server(0).listen
      const all = Deferred.makeUnsafe<void>()
      let inTurn = 0
      let most = 0
      let sum = 0
      // One a turn: `forever` yields.
      const turns = Effect.sync(() => {
        most = Math.max(most, inTurn)
        inTurn = 0
      })
      yield* Effect.forkScoped(Effect.forever(turns))
      const take = ({ length }: Uint8Array) => {
        inTurn += length
        sum += length
        if (sum === 16_777_216) Deferred.doneUnsafe(all, Effect.void)
        return true
      }
      yield* Effect.forkScoped(listener.run(({ each }) => Effect.ignore(each!(take))), { startImmediately: true })
      const connection = yield* client.dial(listener.endpoint)
      yield* connection.write(new Uint8Array(16_777_216))
      yield* Deferred.await(all)
      // What had come when it was over is given, too.
      assert.isAtMost(most, 524_288 + 4 * 65_536)
    }).pipe(Effect.scoped))

  it.live("lets go of a connection that is closed in the turn in which something came of it", () =>
    Effect.gen(function*() {
      const { client, server } = yield* world
      const listener = yield* server(0).listen
      yield* Effect.forkScoped(
        listener.run(({ write }) => Effect.andThen(Effect.ignore(write(Uint8Array.of(1))), Effect.never)),
        { startImmediately: true }
      )
      for (const wants of [true, false]) {
        const scope = yield* Scope.make()
        const connection = yield* Scope.provide(client.dial(listener.endpoint), scope)
        const exit = yield* Effect.exit(connection.each!(() => {
          Effect.runSync(Scope.close(scope, Exit.void))
          return wants
        }))
        assert.isTrue(Exit.isFailure(exit))
        assert.isFalse(connection.tryWrite!(Uint8Array.of(1)))
      }
    }).pipe(Effect.scoped))

  it.live("takes at once no more than there is room for, of a peer that does not read", () =>
    Effect.gen(function*() {
      const { client, server } = yield* world
      const listener = yield* server(0).listen
      yield* Effect.forkScoped(listener.run(() => Effect.never), { startImmediately: true })
      const connection = yield* client.dial(listener.endpoint)
      const piece = new Uint8Array(16_000)
      let taken = 0
      while (taken < 4_096 && connection.tryWrite!(piece)) taken++
      assert.isBelow(taken, 4_096)
      assert.isFalse(connection.tryWrite!(Uint8Array.of(1)))
    }).pipe(Effect.scoped))

  it.live("keeps what the system has not taken of what was written at once, whatever others write meanwhile", () =>
    Effect.gen(function*() {
      const { client, server } = yield* world
      const full = yield* Deferred.make<void>()
      const size = 16_000
      /** What comes, as the byte that each piece is made of, or -1 where it is made of several. */
      const listening = (pieces: () => number) =>
        Effect.gen(function*() {
          const listener = yield* server(0).listen
          const heard = yield* Deferred.make<ReadonlyArray<number>>()
          yield* Effect.forkScoped(
            listener.run(({ pull }) =>
              Effect.gen(function*() {
                yield* Deferred.await(full)
                const bytes = new Uint8Array(pieces() * size)
                for (let at = 0; at < bytes.length;) {
                  for (const chunk of yield* pull) {
                    bytes.set(chunk, at)
                    at += chunk.length
                  }
                }
                const first = Array.from({ length: pieces() }, (_, i) => {
                  const piece = bytes.subarray(i * size, (i + 1) * size)
                  return piece.every((byte) => byte === piece[0]) ? piece[0]! : -1
                })
                yield* Deferred.succeed(heard, first)
              }).pipe(Effect.ignore)
            ),
            { startImmediately: true }
          )
          return { connection: yield* client.dial(listener.endpoint), heard }
        })
      const byteOf = (to: number, piece: number) => (piece + 40 * to) % 251
      // In turns, so that one is full where the write before it was the first that another had no room for.
      const sent = [0, 0, 0, 0, 0, 0]
      const all = yield* Effect.forEach(sent, (_, to) => listening(() => sent[to]!))
      const piece = new Uint8Array(size)
      const open = new Set(sent.keys())
      while (open.size > 0) {
        for (const to of open) {
          if (all[to]!.connection.tryWrite!(piece.fill(byteOf(to, sent[to]!)))) sent[to]!++
          else open.delete(to)
        }
      }
      piece.fill(255)
      assert.isAbove(Math.min(...sent), 1)
      yield* Deferred.succeed(full, undefined)
      for (const [to, { heard }] of all.entries()) {
        assert.deepStrictEqual(yield* Deferred.await(heard), Array.from({ length: sent[to]! }, (_, i) => byteOf(to, i)))
      }
    }).pipe(Effect.scoped))

  it.live("a function that throws what it was given is a defect of whoever listens, and of nobody else", () =>
    Effect.gen(function*() {
      const connection = yield* connected
      yield* connection.write(Uint8Array.of(1))
      const exit = yield* Effect.exit(connection.each!(() => {
        throw new TypeError("no such byte")
      }))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      yield* connection.write(Uint8Array.of(2))
      assert.deepStrictEqual((yield* connection.pull).map((bytes) => [...bytes]), [[2]])
    }).pipe(Effect.scoped))
})
