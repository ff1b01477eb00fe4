/** What closed connections hold of which the peers take nothing. */
import { assert, describe, it } from "@effect/vitest"
import { Network } from "@pnet/core"
import { NodeNetwork } from "@pnet/node"
import { Context, Deferred, Effect, Layer } from "effect"
import { EventEmitter, once } from "node:events"
import * as Net from "node:net"
import type * as Internal from "../src/internal/lingering.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const { Lingering }: typeof Internal = await import(new URL("../src/internal/lingering.ts", import.meta.url).href)

/** A connection of which so many bytes wait. */
class Closing extends EventEmitter implements Internal.Closing {
  readonly writableLength: number
  isCut = false

  constructor(bytes: number) {
    super()
    this.writableLength = bytes
  }

  destroy() {
    this.isCut = true
    this.emit("close")
  }
}

describe("closed connections", () => {
  const most = { connections: 3, bytes: 100, millis: 60_000 }
  const added = (lingering: Internal.Lingering, ...bytes: ReadonlyArray<number>) =>
    bytes.map((count) => {
      const connection = new Closing(count)
      lingering.add(connection)
      return connection
    })
  const cut = (connections: ReadonlyArray<Closing>) => connections.map(({ isCut }) => isCut)

  it("are so many at once, and hold so many bytes: the oldest is cut for a new one", () => {
    const lingering = new Lingering(most)
    const first = added(lingering, 10, 10, 10, 10)
    assert.deepStrictEqual(cut(first), [true, false, false, false])
    const second = added(lingering, 80)
    assert.deepStrictEqual(cut([...first, ...second]), [true, true, false, false, false])
    // One that has more than all may is cut itself.
    assert.deepStrictEqual(cut(added(lingering, 101)), [true])
    assert.strictEqual(lingering.size, 0)
  })

  it("count no longer than they are there, and not where the system has all of it", () => {
    const lingering = new Lingering(most)
    for (let i = 0; i < 4; i++) {
      const [gone] = added(lingering, 90)
      gone!.emit("close")
      assert.deepStrictEqual([gone!.isCut, lingering.size], [false, 0])
    }
    const [done, ...others] = added(lingering, 0, 50, 50)
    lingering.add(others[0]!)
    assert.strictEqual(lingering.size, 2)
    assert.deepStrictEqual(cut([done!, ...others]), [false, false, false])
  })

  it("have an end, whatever Node takes for progress", () =>
    new Promise<void>((resume) => {
      const connection = new Closing(1)
      connection.once("close", resume)
      new Lingering({ ...most, millis: 1 }).add(connection)
    }), 20_000)

  it.live("are cut, the oldest first, where those whose peers take nothing hold more than 64 MiB", () =>
    Effect.gen(function*() {
      const network = Context.get(yield* Layer.build(NodeNetwork.layer), Network.Network)
      const server = yield* network.listen({ host: "127.0.0.1", port: 0 })
      // What is written is lent, so that all of them wait for the same.
      const bytes = new Uint8Array(16_777_216)
      let left = 5
      const over = yield* Deferred.make<void>()
      yield* Effect.forkScoped(
        server.run((socket) =>
          Effect.gen(function*() {
            yield* socket.reader
            const writer = yield* socket.writer
            yield* Effect.forkScoped(writer.write(bytes), { startImmediately: true })
          }).pipe(
            Effect.scoped,
            Effect.ensuring(Effect.sync(() => --left === 0 && Deferred.doneUnsafe(over, Effect.void)))
          )
        ),
        { startImmediately: true }
      )
      const dialled: Array<Net.Socket> = []
      yield* Effect.addFinalizer(() => Effect.sync(() => dialled.forEach((peer) => peer.destroy())))
      const { port } = server.address as { readonly port: number }
      for (let i = 0; i < 5; i++) {
        const peer = Net.createConnection({ host: "127.0.0.1", port })
        dialled.push(peer)
        peer.on("error", () => {})
        yield* Effect.promise(() => once(peer, "connect"))
      }
      yield* Deferred.await(over)
      const takenBy = (peer: Net.Socket) =>
        Effect.promise(() =>
          new Promise<number>((resume) => {
            let taken = 0
            peer.on("data", ({ length }) => taken += length).once("close", () => resume(taken))
          })
        )
      assert.isBelow(yield* takenBy(dialled[0]!), bytes.length)
      assert.strictEqual(yield* takenBy(dialled[4]!), bytes.length)
    }).pipe(Effect.scoped))
})
