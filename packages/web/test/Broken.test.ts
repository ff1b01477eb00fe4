/** What becomes of calls and streams when the server is gone in the middle of them, and is there again later at the same port. */
import { assert, describe, it } from "@effect/vitest"
import { AdvancedNode } from "@pnet/core"
import { heap as heapNow } from "@pnet/lab/harness/memory"
import { Cause, Deferred, Effect, Exit, Fiber, Result, type Scope, Stream } from "effect"
import * as Net from "node:net"
import * as World from "./world.ts"

const networkId = "broken"
const utf8 = new TextEncoder()
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Stands before a server at a port of its own: to who dials it is the server, which may be cut off and be back. */
const front = (to: number) =>
  Effect.gen(function*() {
    const open = new Set<Net.Socket>()
    const server = Net.createServer((connection) => {
      const onward = Net.connect(to, "127.0.0.1")
      for (const [socket, other] of [[connection, onward], [onward, connection]] as const) {
        open.add(socket)
        socket.on("error", () => {})
        socket.on("close", () => {
          open.delete(socket)
          other.destroy()
        })
        socket.pipe(other)
      }
    })
    const listen = (port: number) =>
      Effect.callback<number>((resume) =>
        void server.listen(port, "127.0.0.1", () => resume(Effect.succeed((server.address() as Net.AddressInfo).port)))
      )
    const cut = Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      for (const socket of open) socket.resetAndDestroy()
    })
    const port = yield* listen(0)
    yield* Effect.addFinalizer(() => server.listening ? cut : Effect.void)
    return { port, cut, back: Effect.suspend(() => listen(port)) }
  })

/** Calls that have run, each by its number, and streams. */
const functions = (ran: Set<number>): Record<string, AdvancedNode.Handler> => ({
  note: ({ whole }) =>
    Effect.flatMap(whole, (bytes) => {
      ran.add(Number(text(bytes)))
      return Effect.as(Effect.sleep(Number(text(bytes)) % 50), bytes)
    }),
  give: () => Stream.fromEffectRepeat(Effect.as(Effect.yieldNow, new Uint8Array(16_384))),
  take: ({ bytes }) => Effect.as(Stream.runDrain(bytes), "all")
})

const errorIn = <A, E>(exit: Exit.Exit<A, E>): E => {
  if (Exit.isSuccess(exit)) throw new Error("it succeeded")
  const found = Cause.findError(exit.cause)
  if (Result.isFailure(found)) throw new Error(`no typed error: ${Cause.pretty(exit.cause)}`)
  return found.success
}

/** A node that dials, and a server, with what is between them. */
const both = Effect.gen(function*() {
  const ran = { page: new Set<number>(), server: new Set<number>() }
  let between: Effect.Success<ReturnType<typeof front>> | undefined
  const nodes = yield* World.pair(
    (name) => AdvancedNode.make({ name, networkId, functions: functions(ran[name]) }),
    (port) => Effect.map(front(port), (made) => (between = made).port)
  )
  return { ...nodes, between: between!, ran }
})

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(title, () => Effect.scoped(body), 60_000)

describe("a server that is gone", () => {
  test(
    "in the middle of 16 streams and 1,000 calls, of either side: each ends, in order or with a typed error that says whether it may have run, and all works again",
    Effect.gen(function*() {
      const { between, page, ran, server } = yield* both
      const sides = [
        { from: page, to: "server", ran: ran.server },
        { from: server, to: "page", ran: ran.page }
      ] as const
      const call = ({ from, to }: (typeof sides)[number], n: number) => from.request(to, "note", utf8.encode(`${n}`))
      const outcomes = { done: 0, not: 0, maybe: 0 }
      const heap: Array<number> = []
      let number = 0
      for (let round = 0; round < 3; round++) {
        const side = sides[round % 2]!
        const { from, ran, to } = side
        // Those first: so many calls take all the room that there is for streams.
        const moved = yield* Deferred.make<void>()
        let count = 0
        const streams = yield* Effect.forEach(Array.from({ length: 16 }), (_, i) => {
          const given = Stream.runForEach(
            from.send(to, "give", ""),
            ({ length }) => (count += length) > 500_000 ? Deferred.succeed(moved, undefined) : Effect.void
          )
          const taken = from.request(
            to,
            "take",
            Stream.fromEffectRepeat(Effect.as(Effect.yieldNow, new Uint8Array(16_384)))
          )
          return Effect.forkChild(Effect.exit(i % 2 === 0 ? given : taken), { startImmediately: true })
        })
        const calls = yield* Effect.forEach(
          Array.from({ length: 1_000 }, () => ++number),
          (n) =>
            Effect.map(
              Effect.forkChild(Effect.exit(call(side, n)), { startImmediately: true }),
              (fiber) => ({ n, fiber })
            )
        )
        // From before the first is answered to after some are.
        if (round === 0) yield* Effect.yieldNow
        else if (round === 1) yield* Fiber.join(calls[0]!.fiber)
        else yield* Deferred.await(moved)
        yield* between.cut
        for (const fiber of streams) assert.match(errorIn(yield* Fiber.join(fiber))._tag, /PeerLost|Peer|Dial|Closed/)
        for (const { fiber, n } of calls) {
          const exit = yield* Fiber.join(fiber)
          if (Exit.isSuccess(exit)) {
            assert.isTrue(ran.has(n))
            outcomes.done++
            continue
          }
          const error = errorIn(exit)
          if ("mayHaveRun" in error && error.mayHaveRun === true) outcomes.maybe++
          else {
            outcomes.not++
            assert.isFalse(ran.has(n), `call ${n} of round ${round} has run, and ${error.message}`)
          }
        }
        yield* between.back
        const back = performance.now()
        yield* page.peers.awaitPeer("server")
        yield* server.peers.awaitPeer("page")
        for (const side of sides) yield* call(side, ++number)
        assert.isBelow(performance.now() - back, 5_000)
        heap.push(heapNow())
      }
      assert.isAbove(outcomes.maybe, 0)
      assert.isAbove(outcomes.done, 0)
      assert.isBelow(heap[2]! - heap[1]!, 4_000_000, heap.join(" "))
    })
  )
})
