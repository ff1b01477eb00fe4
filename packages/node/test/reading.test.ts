/** What a connection gives to a function as it comes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Socket } from "effect/socket"
import * as Net from "node:net"
import type * as Internal from "../src/internal/reading.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const { readerOf }: typeof Internal = await import(new URL("../src/internal/reading.ts", import.meta.url).href)

const ended = new Socket.SocketError({ reason: new Socket.SocketCloseError({ code: 1000 }) })

describe("what was pulled as several pieces", () => {
  // As of Node 26 a stream gives each of its pieces as it is.
  const bytes = (first: number, ...others: ReadonlyArray<number>) =>
    [new Uint8Array([first]), ...others.map((one) => new Uint8Array([one]))] as const
  const reader = () => {
    const pulls = [bytes(1, 2, 3, 4, 5), bytes(6)]
    const connection = new Net.Socket()
    connection.destroy()
    return readerOf(
      connection,
      Effect.suspend(() => {
        const next = pulls.shift()
        return next === undefined ? Effect.fail(ended) : Effect.succeed(next)
      })
    )
  }

  it.effect("is given until whoever takes it wants no more, and the rest to who asks next", () =>
    Effect.gen(function*() {
      const { each, pull } = reader()
      const taken: Array<number> = []
      const until = (last: number) =>
        each(([one]) => {
          taken.push(one!)
          return one !== last
        })
      yield* until(2)
      assert.deepStrictEqual(taken, [1, 2])
      yield* until(3)
      assert.deepStrictEqual(taken, [1, 2, 3])
      assert.deepStrictEqual(yield* pull, bytes(4, 5))
      assert.strictEqual(yield* Effect.flip(until(9)), ended)
      assert.deepStrictEqual(taken, [1, 2, 3, 6])
    }))
})
