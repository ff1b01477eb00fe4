/** Packets read from a connection, and writes to it, each in its time. */
import { assert, describe, it } from "@effect/vitest"
import { Packet, type Transport } from "@pnet/core"
import { Clock, Duration, Effect, Exit, Fiber, Option, Queue } from "effect"
import { TestClock } from "effect/testing"
import type * as InternalPacketStream from "../../src/internal/wire/packetStream.ts"
import type * as InternalWriteBuffer from "../../src/internal/wire/writeBuffer.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const internal = (name: string) => import(new URL(`../../src/internal/${name}.ts`, import.meta.url).href)
const PacketStream: typeof InternalPacketStream = await internal("wire/packetStream")
const WriteBuffer: typeof InternalWriteBuffer = await internal("wire/writeBuffer")

const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))

const connected = (write: Transport.Connection["write"] = () => Effect.void) =>
  Effect.gen(function*() {
    const incoming = yield* Queue.make<Uint8Array, Transport.ConnectionClosedError>()
    const connection: Transport.Connection = {
      remote: undefined,
      pull: Effect.map(Queue.take(incoming), (chunk) => [chunk]),
      write,
      end: Effect.void
    }
    return {
      connection,
      clock: yield* Clock.Clock,
      come: (text: string) => Queue.offer(incoming, utf8(text)),
      incoming
    }
  })

const reading = Effect.gen(function*() {
  const { clock, connection, ...rest } = yield* connected()
  const stream = PacketStream.make(connection, { clock, packetTimeout: Duration.seconds(5) })
  const lengths: Array<number> = []
  const all = Effect.forever(Effect.map(stream.next, (packet) => void lengths.push(packet.length)))
  const watched = yield* Effect.forkChild(Effect.flip(Effect.raceFirst(all, stream.watch(Duration.seconds(60)))), {
    startImmediately: true
  })
  /** Lets time pass, which is not to end it. */
  const goesOn = (duration: Duration.Input) =>
    Effect.gen(function*() {
      yield* TestClock.adjust(duration)
      assert.isUndefined(watched.pollUnsafe())
    })
  return { ...rest, goesOn, lengths, stream, watched }
})

describe("a refusal", () => {
  it.effect("reads and drops what still comes, and no more of it than a mebibyte", () =>
    Effect.gen(function*() {
      const { connection, incoming } = yield* connected()
      const chunk = new Uint8Array(65_536)
      for (let i = 0; i < 100; i++) yield* Queue.offer(incoming, chunk)
      const refusing = yield* Effect.forkChild(
        PacketStream.refuse(connection, "lab" as Packet.NetworkId, "ERR_BUSY", null)
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(refusing)
      assert.strictEqual(yield* Queue.size(incoming), 84)
    }))
})

describe("reading under a watch", () => {
  it.effect("ends with Idle after the idle time without a packet, and not before", () =>
    Effect.gen(function*() {
      const { come, goesOn, lengths, watched } = yield* reading
      yield* goesOn("59999 millis")
      yield* come("ab\n")
      yield* goesOn("59999 millis")
      assert.deepStrictEqual(lengths, [3])
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(watched))._tag, "Idle")
    }))

  it.effect("ends with a packet that is longer than any may be, as soon as that shows", () =>
    Effect.gen(function*() {
      const { come, goesOn, watched } = yield* reading
      yield* come("a".repeat(Packet.maxStreamLength - 2))
      yield* goesOn("1 millis")
      yield* come("aaa")
      yield* TestClock.adjust("1 millis")
      const ended = watched.pollUnsafe()
      const error = ended !== undefined && Exit.isSuccess(ended) ? ended.value : undefined
      assert.strictEqual(error?._tag === "ProtocolError" && error.code, "ERR_PACKET_TOO_LARGE")
    }))

  it.effect("gives a packet that has begun its own time, for the whole of it, whenever it began", () =>
    Effect.gen(function*() {
      for (const begins of [0, 1, 4_999, 5_000, 5_001, 7_300, 58_000]) {
        const { come, goesOn, watched } = yield* reading
        yield* goesOn(begins)
        yield* come("a")
        yield* goesOn("3 seconds")
        // Bytes of the same packet give it no more time.
        yield* come("b")
        yield* goesOn("1999 millis")
        yield* TestClock.adjust("1 millis")
        const error = yield* Fiber.join(watched)
        assert(error._tag === "ProtocolError")
        assert.strictEqual(error.code, "ERR_PACKET_INCOMPLETE")
      }
    }))

  it.effect("counts each packet's time from its own first byte", () =>
    Effect.gen(function*() {
      const { come, goesOn, lengths, watched } = yield* reading
      yield* come("a")
      yield* goesOn("4 seconds")
      yield* come("b\nc")
      yield* goesOn("4999 millis")
      yield* come("d\n")
      yield* goesOn("59 seconds")
      assert.deepStrictEqual(lengths, [3, 3])
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual((yield* Fiber.join(watched))._tag, "Idle")
    }))

  it.effect("has no time limit for what is done with a packet", () =>
    Effect.gen(function*() {
      const { clock, come, connection } = yield* connected()
      const stream = PacketStream.make(connection, { clock, packetTimeout: Duration.seconds(5) })
      const slowly = Effect.forever(Effect.andThen(stream.next, Effect.sleep("10 minutes")))
      const watched = yield* Effect.forkChild(
        Effect.exit(Effect.raceFirst(slowly, stream.watch(Duration.seconds(60)))),
        { startImmediately: true }
      )
      yield* come("ab\nc")
      yield* TestClock.adjust("10 minutes")
      // The rest has been waiting all the while, and begins when it is looked for.
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(watched.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(watched)))
    }))

  it.effect("lets others run between packets that are here already", () =>
    Effect.gen(function*() {
      const { come, lengths } = yield* reading
      yield* come("x\n".repeat(100))
      let seen = 0
      while (lengths.length < 100) {
        seen++
        yield* Effect.yieldNow
      }
      assert.isAtLeast(seen, 6)
    }))
})

describe("reading one packet", () => {
  it.effect("waits the idle time, then the packet's own, and leaves no timer", () =>
    Effect.gen(function*() {
      const { clock, come, connection } = yield* connected()
      const stream = PacketStream.make(connection, { clock, packetTimeout: Duration.seconds(5) })
      const read = (idle: Duration.Input) =>
        Effect.forkChild(Effect.flip(stream.read(Duration.fromInputUnsafe(idle))), { startImmediately: true })
      const idle = yield* read("1 second")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(idle))._tag, "Idle")
      const stalled = yield* read("1 second")
      yield* come("a")
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(stalled.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(stalled))._tag, "ProtocolError")
    }))
})

describe("writing", () => {
  it.effect("ends when one write blocks for the timeout, however many went well before", () =>
    Effect.gen(function*() {
      let blocks = false
      const written: Array<number> = []
      const { clock, connection } = yield* connected((bytes) =>
        blocks ? Effect.never : Effect.sync(() => void written.push(bytes.length))
      )
      const out = WriteBuffer.make(connection, { clock, writeTimeout: Duration.seconds(10) })
      const run = yield* Effect.forkChild(Effect.flip(out.run), { startImmediately: true })
      for (let i = 0; i < 30; i++) {
        out.offer(new Uint8Array(7))
        yield* TestClock.adjust("900 millis")
      }
      assert.strictEqual(written.length, 30)
      yield* TestClock.adjust("10 minutes")
      blocks = true
      out.offer(new Uint8Array(7))
      yield* TestClock.adjust("9999 millis")
      assert.isUndefined(run.pollUnsafe())
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(out.flushed, 0)))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(run))._tag, "ConnectionClosedError")
      assert.isTrue(out.ended())
      yield* out.flushed
    }))

  it.effect("gives each write the whole of the timeout", () =>
    Effect.gen(function*() {
      const { clock, connection } = yield* connected(() => Effect.sleep("9 seconds"))
      const out = WriteBuffer.make(connection, { clock, writeTimeout: Duration.seconds(10) })
      const run = yield* Effect.forkChild(out.run, { startImmediately: true })
      for (let i = 0; i < 5; i++) {
        out.offer(new Uint8Array(7))
        yield* TestClock.adjust("9 seconds")
      }
      yield* out.flushed
      assert.isUndefined(run.pollUnsafe())
    }))

  it.effect("is full of short parts before their bytes alone would fill it, and takes more when they have left", () =>
    Effect.gen(function*() {
      let go = false
      const { clock, connection } = yield* connected(() => go ? Effect.void : Effect.never)
      const out = WriteBuffer.make(connection, { clock, writeTimeout: Duration.seconds(10) })
      let offered = 0
      while (!out.full() && offered < 262_144) {
        out.offer(new Uint8Array(1))
        offered++
      }
      // Each costs about a hundred bytes.
      assert.closeTo(offered, 262_144 / 101, 10)
      go = true
      yield* Effect.forkChild(out.run, { startImmediately: true })
      yield* out.flushed
      assert.isFalse(out.full())
      yield* out.room
    }))
})
