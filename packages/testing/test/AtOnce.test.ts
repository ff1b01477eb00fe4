/** Simulated connections whose bytes are given to a function and written at once, in any order of doing so. */
import { assert, describe, it } from "@effect/vitest"
import { type EachReader, Network, type TryWriter } from "@pnet/core/Network"
import { SimNetwork } from "@pnet/testing"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { during, echoServer } from "./sim.ts"

const numbers = (seed: number) => {
  let state = seed
  return (below: number) => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0
    return Math.floor(state / 2 ** 32 * below)
  }
}

/** A connection to one that says again what it hears. */
const connected = (options?: SimNetwork.Options) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make(options)
    const [a, b] = [yield* network.host("a"), yield* network.host("b")]
    yield* echoServer(a)
    const process = yield* b.process
    const scope = yield* Scope.make()
    const socket = yield* (yield* process.run(Network)).dial({ host: a.address, port: 9000 })
    const writer = (yield* socket.writer) as TryWriter
    const reader = yield* during(
      socket.reader.pipe(process.run, Scope.provide(scope)) as Effect.Effect<EachReader, unknown>
    )
    return { network, process, reader, scope, writer }
  })

describe("a simulated connection that gives what comes to a function", () => {
  for (const chunking of ["bytes", "joined", "random"] as const) {
    it.effect(`gives all of it once, in order, however it is read, in pieces that are ${chunking}`, () =>
      Effect.gen(function*() {
        for (let seed = 1; seed <= 10; seed++) {
          const below = numbers(seed)
          const { process, reader, writer } = yield* connected({
            seed,
            link: { latency: { mean: "3 millis", deviation: "2 millis" }, loss: below(2) * 0.1 },
            streams: { window: 64 + below(4_000), ...(chunking === "random" ? {} : { chunking }) }
          })
          const sent: Array<number> = []
          const received: Array<number> = []
          const total = chunking === "bytes" ? 600 : 6_000
          const write = Effect.gen(function*() {
            while (sent.length < total) {
              const bytes = Uint8Array.from({ length: 1 + below(total / 10) }, () => below(256))
              sent.push(...bytes)
              if (below(2) === 0 || !writer.tryWrite!(bytes)) yield* writer.write(bytes)
              // It may be written over from now on.
              bytes.fill(0)
              if (below(3) === 0) yield* Effect.sleep(below(5))
            }
          })
          const read = Effect.gen(function*() {
            while (sent.length < total || received.length < sent.length) {
              const take = (bytes: Uint8Array) => void received.push(...bytes)
              const isAll = () => sent.length >= total && received.length === sent.length
              switch (below(3)) {
                case 0:
                  for (const bytes of yield* reader.pull) take(bytes as Uint8Array)
                  break
                case 1: {
                  let left = 1 + below(5)
                  yield* reader.each!((bytes) => {
                    assert.isAbove(left, 0, "something is given to who wants no more")
                    take(bytes)
                    return --left > 0 && !isAll()
                  })
                  break
                }
                default: {
                  // Interrupted in between, or by what it gives.
                  let isOver = false
                  let left = below(4)
                  const fiber: Fiber.Fiber<void, unknown> = yield* Effect.forkChild(reader.each!((bytes) => {
                    assert.isFalse(isOver, "something is given to who was interrupted")
                    take(bytes)
                    if (left-- === 0) fiber.interruptUnsafe()
                    return true
                  }))
                  yield* Effect.sleep(below(10))
                  isOver = true
                  yield* Fiber.interrupt(fiber)
                }
              }
            }
          })
          const pauses = Effect.forever(Effect.gen(function*() {
            yield* Effect.sleep(10 + below(40))
            yield* process.pause
            yield* Effect.sleep(below(20))
            yield* process.resume
          }))
          yield* Effect.forkScoped(pauses)
          yield* during(Effect.all([process.run(write), process.run(read)], { concurrency: 2 }), 1)
          assert.deepStrictEqual(received, sent, `seed ${seed}`)
        }
      }).pipe(Effect.scoped))
  }

  it.effect("gives nothing to who was interrupted by what it gave, and the rest to the next", () =>
    Effect.gen(function*() {
      const { process, reader, writer } = yield* connected({ streams: { chunking: "bytes" } })
      const given: Array<number> = []
      const fiber: Fiber.Fiber<void, unknown> = yield* Effect.forkScoped(
        process.run(reader.each!((bytes) => {
          given.push(...bytes)
          fiber.interruptUnsafe()
          return true
        })),
        { startImmediately: true }
      )
      yield* process.run(writer.write(Uint8Array.of(1, 2, 3)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(given, [1])
      const rest = yield* during(process.run(reader.pull))
      assert.deepStrictEqual(rest.map((bytes) => bytes[0]), [2, 3])
    }).pipe(Effect.scoped))

  it.effect("gives nothing once its scope has closed, also in the middle of what came", () =>
    Effect.gen(function*() {
      const { process, reader, scope, writer } = yield* connected({ streams: { chunking: "bytes" } })
      yield* process.run(writer.write(new Uint8Array(5)))
      yield* TestClock.adjust("1 second")
      let given = 0
      const exit = yield* during(Effect.exit(process.run(reader.each!(() => {
        given++
        Effect.runSync(Scope.close(scope, Exit.void))
        return true
      }))))
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(given, 1)
    }).pipe(Effect.scoped))
})

describe("a simulated connection that takes bytes at once", () => {
  it.effect("takes none while its process is paused, or while others wait", () =>
    Effect.gen(function*() {
      const { process, reader, writer } = yield* connected({ streams: { window: 1_000 } })
      const bytes = (length: number, value: number) => new Uint8Array(length).fill(value)
      yield* process.pause
      assert.isFalse(writer.tryWrite!(bytes(1, 1)))
      yield* process.resume
      assert.isTrue(writer.tryWrite!(bytes(900, 1)))
      assert.isFalse(writer.tryWrite!(bytes(101, 9)))
      const waiting = yield* Effect.forkScoped(process.run(writer.write(bytes(5_000, 2))), { startImmediately: true })
      const received: Array<number> = []
      yield* Effect.forkScoped(
        Effect.ignore(process.run(reader.each!((piece) => received.push(...piece) > 0))),
        { startImmediately: true }
      )
      // What waits comes first, as long as any of it does.
      let isTaken = false
      for (let i = 0; i < 2_000 && !isTaken; i++) {
        isTaken = writer.tryWrite!(bytes(1, 3))
        if (!isTaken) yield* TestClock.adjust("1 millis")
      }
      assert.isTrue(isTaken)
      assert.isDefined(waiting.pollUnsafe())
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(received, [...bytes(900, 1), ...bytes(5_000, 2), 3])
    }).pipe(Effect.scoped))
})
