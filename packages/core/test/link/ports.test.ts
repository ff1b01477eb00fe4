/** Links over ports of workers and pages, whose other end gives memory that it still has, or that is a corner of much more. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MessageChannel } from "node:worker_threads"
import { headerLength, initialWindow, Kind, make } from "../../src/internal/link/frames.ts"
import { Link } from "../../src/internal/link/link.ts"

const window = 65_536

/** What a link has after something came through a port, and how much memory it keeps for that. */
const after = (messages: ReadonlyArray<Uint8Array>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new MessageChannel()),
    ({ port1, port2 }) =>
      Effect.callback<Link>((resume) => {
        const link = new Link({ maxMessage: 65_536, send: () => true, close: () => {} }, { window, patience: 3 })
        let due = messages.length
        port1.on("message", (data: Uint8Array) => {
          link.receive(data)
          if (--due === 0) resume(Effect.succeed(link))
        })
        for (const message of messages) port2.postMessage(message)
      }),
    ({ port1 }) => Effect.sync(() => port1.close())
  )

/** Memory that its holder may grow, which the library that this is compiled with does not know. */
interface Growable extends SharedArrayBuffer {
  readonly grow: (length: number) => void
}
const growable = (length: number, maxByteLength: number): Growable =>
  Reflect.construct(SharedArrayBuffer, [length, { maxByteLength }]) as Growable

const resizable = (length: number, maxByteLength: number): ArrayBuffer =>
  Reflect.construct(ArrayBuffer, [length, { maxByteLength }]) as ArrayBuffer

const frame = (number: number, bytes: ReadonlyArray<number>, memory: ArrayBufferLike, at = 0) => {
  const message = new Uint8Array(memory, at, headerLength + bytes.length)
  make(Kind.data, number, initialWindow, bytes.length, message)
  message.set(bytes, headerLength)
  return message
}

describe("a link over a port", () => {
  it.live("reads what came, though the other end has the memory of it, and changes it", () =>
    Effect.gen(function*() {
      const message = frame(0, [1, 2, 3], new SharedArrayBuffer(headerLength + 3))
      const link = yield* after([message])
      message.fill(9)
      assert.deepStrictEqual(link.take()?.map((chunk) => [...chunk]), [[1, 2, 3]])
    }))

  it.live("counts what came, though the memory of it grows", () =>
    Effect.gen(function*() {
      const memory = growable(headerLength + 3, 1_048_576)
      frame(0, [1, 2, 3], memory)
      const link = yield* after([new Uint8Array(memory)])
      memory.grow(1_048_576)
      assert.deepStrictEqual(link.take()?.map((chunk) => chunk.length), [3])
    }))

  it.live("keeps none that has room to grow by much, which is taken of what a process may have at all", () =>
    Effect.gen(function*() {
      const memory = resizable(headerLength + 3, 2 ** 30)
      frame(0, [1, 2, 3], memory)
      const link = yield* after([new Uint8Array(memory)])
      const chunks = link.take()!
      assert.deepStrictEqual(chunks.map((chunk) => [...chunk]), [[1, 2, 3]])
      for (const { buffer } of chunks) {
        assert.isAtMost((buffer as { readonly maxByteLength?: number }).maxByteLength!, 64)
      }
    }))

  it.live("keeps no more than three windows of memory, of which a few bytes were sent", () =>
    Effect.gen(function*() {
      const large = 8 * window
      const link = yield* after([0, 1, 2].map((number) => frame(number, [1, 2, 3], new ArrayBuffer(large), 7)))
      assert.isAtMost(link.held, 3 * window)
      const one = yield* after([frame(0, [1, 2, 3], new ArrayBuffer(large), 7)])
      assert.isAtMost(one.held, 3 * window)
      assert.deepStrictEqual(one.take()?.map((chunk) => [...chunk]), [[1, 2, 3]])
    }))

  it.live("ends by what is no bytes, and by bytes that somebody took away again", () =>
    Effect.gen(function*() {
      const bytes = frame(0, [1, 2, 3], new ArrayBuffer(headerLength + 3))
      const none: ReadonlyArray<unknown> = [
        undefined,
        null,
        "a text that is long enough",
        7,
        [...bytes],
        { length: 12, buffer: bytes.buffer },
        bytes.buffer,
        new DataView(bytes.buffer),
        new Int8Array(bytes),
        new Uint8ClampedArray(bytes),
        // As numbers they are a frame whose bytes are no bytes.
        Float64Array.from(bytes, (byte, at) => at < headerLength ? byte : 0.5),
        Uint16Array.from(bytes, (byte, at) => at < headerLength ? byte : 300)
      ]
      for (const value of none) {
        const link = yield* after([value as Uint8Array])
        assert.isTrue(link.over)
        assert.match(String(link.readEnd?.cause), /no bytes/)
        assert.isUndefined(link.take())
      }
      const link = new Link({ maxMessage: 65_536, send: () => true, close: () => {} }, { window, patience: 3 })
      structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
      link.receive(bytes)
      assert.match(String(link.readEnd?.cause), /no frame/)
    }))
})
