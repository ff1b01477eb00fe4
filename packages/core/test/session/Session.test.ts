/** One session by itself: what it writes, when it is dead, and when it has drained. Its connection is made by hand. */
import { assert, describe, it } from "@effect/vitest"
import { Frame, type Handshake, type Packet, type Transport } from "@pnet/core"
import { bytes, concat, frame, seeded } from "@pnet/lab/worlds/sessionWorld"
import { Clock, Deferred, Effect, Fiber, Queue, Redacted, References } from "effect"
import { TestClock } from "effect/testing"
import { perPiece } from "../../src/internal/base/pieces.ts"
import { Budget } from "../../src/internal/session/budget.ts"
import { type Flags, MessageBox } from "../../src/internal/session/messageBox.ts"
import type { MuxStream } from "../../src/internal/session/muxStream.ts"
import { Session, type SessionOptions } from "../../src/internal/session/session.ts"
import { SessionStream } from "../../src/internal/session/sessionStream.ts"

const { Kind } = Frame

/** A session that was dialled, its peer's box, and what it has given its connection. */
const make = (
  options: {
    readonly key?: number
    /** Whether, or when, the system takes what it is given. */
    readonly writes?: boolean | ((count: number) => Effect.Effect<void>)
    readonly atOnce?: (message: Uint8Array) => boolean
    readonly overrides?: Partial<SessionOptions>
  } = {}
) =>
  Effect.gen(function*() {
    const crypto = yield* seeded()
    const clock = yield* Clock.Clock
    const identity = crypto.generateKeyPair()
    const incoming = yield* Queue.unbounded<Uint8Array>()
    const lent: Array<Uint8Array> = []
    const connection: Transport.Connection = {
      remote: undefined,
      pull: Effect.map(Queue.take(incoming), (chunk) => [chunk] as const),
      end: Effect.void,
      tryWrite: options.atOnce,
      // What is lent is kept until the write has succeeded, as by a socket whose system takes no more.
      write: (chunk) =>
        Effect.suspend(() => {
          lent.push(chunk)
          const { writes = true } = options
          return typeof writes === "function" ? writes(lent.length) : writes ? Effect.void : Effect.never
        })
    }
    const established = (role: "client" | "server"): Handshake.Established => ({
      role,
      peer: { name: "bob" as Packet.NodeName, publicKey: identity.publicKey },
      binary: true,
      features: new Set(),
      sharedKey: Redacted.make(new Uint8Array(32).fill(options.key ?? 7)),
      sendNonce: role === "client" ? 3 : 2,
      recvNonce: role === "client" ? 2 : 3
    })
    const mine = established("client")
    const goAways: Array<string> = []
    const session = new Session({
      connection,
      crypto,
      clock,
      self: { networkId: "n", name: "alice", identity } as unknown as SessionOptions["self"],
      established: mine,
      chunkSize: 16_384,
      callSize: 8_388_608,
      maxStreams: 10,
      policy: undefined,
      budget: new Budget(1e9),
      silence: 5_000,
      writeTimeout: 600_000,
      onOpen: () => {},
      onHeard: () => {},
      onGoAway: (_, { code }) => goAways.push(code),
      onRoom: () => {},
      ...options.overrides
    })
    const box = new MessageBox(crypto, established("server"))
    const turns = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })
    const running = yield* Effect.forkScoped(session.run([]))
    yield* turns
    return {
      session,
      lent,
      running,
      turns,
      goAways,
      sharedKey: Redacted.value(mine.sharedKey),
      /** The peer says something. */
      hear: (type: Flags, ...frames: ReadonlyArray<Uint8Array>) =>
        Effect.suspend(() => {
          const record = box.seal(type, [concat(...frames)], 4)
          new DataView(record.buffer).setUint32(0, record.length - 4)
          return Effect.andThen(Queue.offer(incoming, record), turns)
        })
    }
  })

const ping = (first: number) => Uint8Array.of(first, 0, 0, 0, 0, 0, 0, 0)

describe("a session", () => {
  it.effect("does not write over what another session's connection has not taken yet", () =>
    Effect.gen(function*() {
      const one = yield* make({ key: 1, writes: false })
      const other = yield* make({ key: 2, writes: false })
      one.session.ping()
      yield* one.turns
      assert.strictEqual(one.lent.length, 1)
      const was = one.lent[0]!.slice()
      other.session.ping()
      yield* other.turns
      assert.strictEqual(other.lent.length, 1)
      assert.deepStrictEqual(one.lent[0]!.slice(), was)
      assert.notDeepEqual(other.lent[0]!.slice(), was)
      // Nor when it was interrupted: its bytes may still be on their way.
      yield* Fiber.interrupt(one.running)
      const third = yield* make({ key: 3, writes: false })
      third.session.ping()
      yield* third.turns
      assert.deepStrictEqual(one.lent[0]!.slice(), was)
    }).pipe(Effect.scoped))

  it.effect("sends a call that is alone as it is made, and what more is said in the turn when it ends", () =>
    Effect.gen(function*() {
      const { lent, session, turns } = yield* make()
      const call = () => {
        const stream = session.mux.openStream({ protocol: "command", name: "x" }) as MuxStream
        stream.write(bytes("question"))
        stream.end()
      }
      call()
      assert.strictEqual(lent.length, 1)
      // With half of all that there are, which leave together.
      for (let i = 0; i < 6; i++) call()
      assert.strictEqual(lent.length, 1 + 3)
      call()
      assert.strictEqual(lent.length, 1 + 3)
      yield* turns
      assert.strictEqual(lent.length, 1 + 3 + 1)
    }).pipe(Effect.scoped))

  it.effect("sends what was answered in a reader's turn in that turn, half of it before the rest is answered", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const fork = Effect.runForkWith(yield* Effect.context<never>())
      const opened: Array<MuxStream> = []
      const world = yield* make({
        overrides: {
          onOpen: (stream) => {
            if (opened.push(stream) === 1) {
              fork(Effect.andThen(Effect.yieldNow, Effect.sync(() => order.push(`a turn after ${world.lent.length}`))))
            }
            stream.write(bytes("answer"))
            stream.end()
            order.push(`${opened.length} answered, ${world.lent.length} sent`)
          }
        }
      })
      const open = JSON.stringify({ protocol: "command", name: "x" })
      const calls = Array.from({ length: 6 }, (_, i) => [frame(Kind.open, i + 1, open), frame(Kind.end, i + 1)])
      yield* world.hear(0, ...calls.flat())
      assert.deepStrictEqual(order, [
        "1 answered, 0 sent",
        "2 answered, 0 sent",
        "3 answered, 1 sent",
        "4 answered, 1 sent",
        "5 answered, 1 sent",
        "6 answered, 2 sent",
        "a turn after 2"
      ])
    }).pipe(Effect.scoped))

  it.effect("half-closes behind its last word and drops what still comes, so that the word is not lost", () =>
    Effect.gen(function*() {
      const chunk = new Uint8Array(65_536)
      const endings: Record<string, (session: Session) => void> = {
        leave: (session) => session.leave({ reason: "untrusted", detail: "" }, "untrusted", ""),
        end: (session) => session.end({ reason: "dead", detail: "" })
      }
      const seen: Record<string, readonly [boolean, boolean]> = {}
      for (const [name, end] of Object.entries(endings)) {
        let halfClosed = false
        let dropped = 0
        const { running, session, turns } = yield* make({
          overrides: {
            connection: {
              remote: undefined,
              write: () => Effect.void,
              end: Effect.sync(() => {
                halfClosed = true
              }),
              pull: Effect.suspend(() => {
                if (!halfClosed) return Effect.never
                dropped++
                return Effect.succeed([chunk] as const)
              })
            }
          }
        })
        end(session)
        yield* turns
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(running)
        seen[name] = [halfClosed, dropped > 0]
      }
      assert.deepStrictEqual(seen, { leave: [true, true], end: [false, false] })
    }).pipe(Effect.scoped))

  const lastWords = [
    { title: "a connection that takes it at once", atOnce: true },
    { title: "one that is waited for", atOnce: false }
  ]
  for (const { atOnce, title } of lastWords) {
    it.effect(`that is ended by whoever a message makes room for writes that message too, without which its last word does not open: to ${title}`, () =>
      Effect.gen(function*() {
        // Wherever the writer's turn is over, and whenever somebody ends it.
        for (const operations of [2_048, ...Array.from({ length: 8 }, (_, i) => 3 + i)]) {
          for (let wait = -1; wait < 12; wait++) {
            const counts: Array<number> = []
            const taken = (message: Uint8Array) => {
              counts.push(new DataView(message.buffer, message.byteOffset).getUint32(16))
            }
            yield* Effect.gen(function*() {
              const leave = () => world.session.leave({ reason: "untrusted", detail: "" }, "untrusted", "")
              const world: Effect.Success<ReturnType<typeof make>> = yield* make({
                writes: (written) => Effect.sync(() => taken(world.lent[written - 1]!)),
                ...atOnce ? { atOnce: (message) => (taken(message), true) } : {},
                overrides: { onOpen: (stream) => stream.end(), onRoom: wait < 0 ? leave : () => {} }
              })
              const open = JSON.stringify({ protocol: "command", name: "x" })
              yield* Effect.forkScoped(world.hear(0, frame(Kind.open, 1, open), frame(Kind.end, 1)))
              for (let turn = 0; turn < wait; turn++) yield* Effect.yieldNow
              if (wait >= 0) leave()
              for (let second = 0; second < 3; second++) yield* TestClock.adjust("1 second")
              assert.strictEqual((yield* Fiber.join(world.running)).reason, "untrusted")
            }).pipe(Effect.scoped, Effect.provideService(References.MaxOpsBeforeYield, operations))
            for (const [i, count] of counts.entries()) {
              assert.strictEqual(
                count,
                3 + i,
                `a turn of ${operations} operations, ended after ${wait} turns: ${counts}`
              )
            }
          }
        }
      }))
  }

  it.effect("wipes its key when it has ended, however that was", () =>
    Effect.gen(function*() {
      const ends: Record<string, (made: Effect.Success<ReturnType<typeof make>>) => Effect.Effect<unknown>> = {
        "by this side": ({ session }) => Effect.sync(() => session.end({ reason: "shutdown", detail: "" })),
        "interrupted": ({ running }) => Fiber.interrupt(running),
        "by a violation": ({ hear }) => hear(0, bytes("no frame"))
      }
      for (const [title, end] of Object.entries(ends)) {
        const made = yield* make()
        assert.isTrue(made.sharedKey.every((byte) => byte === 7))
        yield* end(made)
        yield* made.turns
        yield* TestClock.adjust("5 seconds")
        assert.isTrue(made.sharedKey.every((byte) => byte === 0), title)
        assert.isDefined(made.session.ending)
      }
    }).pipe(Effect.scoped))

  it.effect("gives nothing of a question that there was no room for, also when it was answered before it was whole", () =>
    Effect.gen(function*() {
      const opened: Array<MuxStream> = []
      const { hear, session, turns } = yield* make({ overrides: { onOpen: (stream) => opened.push(stream) } })
      const open = JSON.stringify({ protocol: "command", name: "x" })
      yield* hear(0, frame(Kind.open, 1, open), frame(Kind.data, 1, "abc"))
      const given = new SessionStream(opened[0]!, session)
      let room = true
      const whole = yield* Effect.forkScoped(Effect.flip(given.wholeUpTo(100, () => room)))
      yield* turns
      opened[0]!.end()
      yield* turns
      room = false
      yield* hear(0, frame(Kind.data, 1, "def"), frame(Kind.end, 1))
      const error = yield* Fiber.join(whole)
      assert.strictEqual(error._tag === "StreamResetError" ? error.code : error._tag, "refused")
    }).pipe(Effect.scoped))

  it.effect("counts the pieces of a question with its bytes, also where all of it comes at once", () =>
    Effect.gen(function*() {
      const opened: Array<MuxStream> = []
      const { hear, session } = yield* make({ overrides: { onOpen: (stream) => opened.push(stream) } })
      const open = JSON.stringify({ protocol: "command", name: "x" })
      const pieces = ["a".repeat(20), "b".repeat(20), "c".repeat(20)]
      yield* hear(
        0,
        frame(Kind.open, 1, open),
        ...pieces.map((piece) => frame(Kind.data, 1, piece)),
        frame(Kind.end, 1)
      )
      let taken = 0
      const whole = yield* new SessionStream(opened[0]!, session).wholeUpTo(100, (bytes) => {
        taken += bytes
        return true
      })
      assert.lengthOf(whole, 60)
      assert.isAtLeast(taken, whole.length + perPiece)
    }).pipe(Effect.scoped))

  it.effect("takes at once what is whole, within its limit, and nothing of what was dropped or has failed", () =>
    Effect.gen(function*() {
      const opened: Array<MuxStream> = []
      const { hear, session } = yield* make({ overrides: { onOpen: (stream) => opened.push(stream) } })
      const open = JSON.stringify({ protocol: "command", name: "x" })
      yield* hear(0, ...[1, 3, 5].flatMap((id) => [frame(Kind.open, id, open), frame(Kind.data, id, "abc")]))
      const [whole, dropped, failed] = opened.map((stream) => new SessionStream(stream, session))
      assert.isUndefined(whole!.takeWholeUnsafe(100))
      yield* hear(0, ...[1, 3, 5].map((id) => frame(Kind.end, id)))
      assert.isUndefined(whole!.takeWholeUnsafe(2))
      assert.strictEqual(new TextDecoder().decode(whole!.takeWholeUnsafe(3)), "abc")
      opened[1]!.abandon()
      assert.isUndefined(dropped!.takeWholeUnsafe(100))
      opened[2]!.reset("failed", "no")
      assert.isUndefined(failed!.takeWholeUnsafe(100))
    }).pipe(Effect.scoped))

  it.effect("tells whoever waits that nothing more is read, at whatever step of it that was", () =>
    Effect.gen(function*() {
      const opened: Array<MuxStream> = []
      const { hear, session, turns } = yield* make({ overrides: { onOpen: (stream) => opened.push(stream) } })
      const open = JSON.stringify({ protocol: "command", name: "x" })
      // With fewer steps between two yields a fiber goes on for ever.
      for (let steps = 3; steps <= 12; steps++) {
        yield* hear(0, frame(Kind.open, 2 * steps - 1, open))
        const stream = opened.at(-1)!
        const reading = yield* Effect.forkScoped(
          Effect.provideService(
            Effect.flip(new SessionStream(stream, session).pull),
            References.MaxOpsBeforeYield,
            steps
          ),
          { startImmediately: true }
        )
        stream.abandon()
        yield* turns
        assert.isDefined(reading.pollUnsafe(), `${steps}`)
        const error = yield* Fiber.join(reading)
        assert.strictEqual((error as { readonly code?: string }).code, "cancelled", `${steps}`)
        stream.reset("cancelled", "")
      }
    }).pipe(Effect.scoped))

  it.effect("says that it is too much to who sends more than is wanted, or than a call may be where that is no number", () =>
    Effect.gen(function*() {
      for (const limit of [5, Number.NaN]) {
        const opened: Array<MuxStream> = []
        const overrides = { callSize: 5, onOpen: (stream: MuxStream) => opened.push(stream) }
        const { hear, lent, session, turns } = yield* make({ overrides })
        const open = JSON.stringify({ protocol: "command", name: "x" })
        yield* hear(0, frame(Kind.open, 1, open), frame(Kind.data, 1, "abc"))
        const whole = yield* Effect.forkScoped(Effect.flip(new SessionStream(opened[0]!, session).wholeUpTo(limit)))
        yield* turns
        assert.isUndefined(whole.pollUnsafe())
        yield* hear(0, frame(Kind.data, 1, "def"))
        assert.isDefined(whole.pollUnsafe(), `${limit}`)
        const error = yield* Fiber.join(whole)
        assert.strictEqual(error._tag === "StreamResetError" ? error.code : error._tag, "too_large")
        yield* turns
        assert.lengthOf(lent, 1)
      }
    }).pipe(Effect.scoped))

  it.effect("that was frozen gives its peer the whole time to answer the PING that was on its way", () =>
    Effect.gen(function*() {
      const { session } = yield* make()
      yield* TestClock.adjust("5 seconds")
      session.tick(0)
      yield* TestClock.adjust("1 minute")
      session.tick(59_500)
      assert.isUndefined(session.ending)
      yield* TestClock.adjust("4400 millis")
      session.tick(0)
      assert.isUndefined(session.ending)
      yield* TestClock.adjust("100 millis")
      session.tick(0)
      assert.strictEqual(session.ending!.reason, "dead")
    }).pipe(Effect.scoped))

  it.effect("that was frozen takes that time neither for its peer's silence nor for a write that its peer does not take", () =>
    Effect.gen(function*() {
      const quiet = yield* make()
      yield* TestClock.adjust("3 seconds")
      quiet.session.tick(0)
      yield* TestClock.adjust("1 minute")
      quiet.session.tick(60_000)
      yield* quiet.turns
      assert.lengthOf(quiet.lent, 0, "asked for a sign of life")
      yield* TestClock.adjust("2 seconds")
      quiet.session.tick(0)
      yield* quiet.turns
      assert.lengthOf(quiet.lent, 1)

      const { session, turns } = yield* make({ writes: false, overrides: { silence: 600_000, writeTimeout: 10_000 } })
      session.ping()
      yield* turns
      yield* TestClock.adjust("1 minute")
      session.tick(59_500)
      assert.isUndefined(session.ending)
      yield* TestClock.adjust("9400 millis")
      session.tick(0)
      assert.isUndefined(session.ending)
      yield* TestClock.adjust("100 millis")
      session.tick(0)
      assert.strictEqual(session.ending!.reason, "dead")
    }).pipe(Effect.scoped))

  it.effect("that does not read, for what waits to be written, calls nobody dead whose answer it has not looked for", () =>
    Effect.gen(function*() {
      const { session } = yield* make({ writes: false })
      yield* TestClock.adjust("5 seconds")
      session.tick(0)
      for (let id = 1; session.mux.outgoing.controlBytes <= 1_048_576; id++) {
        session.mux.outgoing.sendReset(id, false, { code: "refused", message: "x".repeat(1_000) })
      }
      for (let i = 0; i < 20; i++) {
        yield* TestClock.adjust("500 millis")
        session.tick(0)
      }
      assert.isUndefined(session.ending)
    }).pipe(Effect.scoped))

  it.effect("has drained when the PING behind its GOAWAY is answered, and not by the answer to one before it", () =>
    Effect.gen(function*() {
      const { hear, session, turns } = yield* make()
      session.ping()
      yield* turns
      session.drain("renew", "")
      yield* turns
      yield* hear(1, frame(Kind.pong, 0, ping(0)))
      assert.isUndefined(session.ending)
      // What crossed the GOAWAY is served.
      assert.isFalse(session.mux.refusing)
      yield* hear(1, frame(Kind.pong, 0, ping(1)))
      assert.strictEqual(session.ending!.reason, "closed")
    }).pipe(Effect.scoped))

  it.effect("has ended when it has drained, though there is more to write and nobody takes it", () =>
    Effect.gen(function*() {
      const taken = yield* Deferred.make<void>()
      const { hear, running, session, turns } = yield* make({
        writes: (count) => count === 1 ? Deferred.await(taken) : Effect.never
      })
      session.drain("renew", "")
      yield* turns
      yield* hear(1, frame(Kind.pong, 0, ping(1)))
      yield* hear(0, frame(Kind.ping, 0, ping(7)))
      assert.isUndefined(session.ending)
      yield* Deferred.succeed(taken, undefined)
      yield* turns
      assert.deepStrictEqual(running.pollUnsafe()?._tag, "Success")
    }).pipe(Effect.scoped))

  it.effect("that was told to go is told once, however often it is said", () =>
    Effect.gen(function*() {
      const { goAways, hear, session } = yield* make()
      const renew = frame(Kind.goaway, 0, JSON.stringify({ code: "renew", message: "" }))
      for (let i = 0; i < 3; i++) yield* hear(0, renew, renew)
      assert.deepStrictEqual(goAways, ["renew"])
      // Whoever said it closes: to this side no PONG says that all has arrived.
      yield* hear(1, frame(Kind.pong, 0, ping(1)))
      assert.isUndefined(session.ending)
      yield* hear(0, frame(Kind.goaway, 0, JSON.stringify({ code: "untrusted", message: "" })))
      assert.strictEqual(session.ending!.reason, "untrusted")
    }).pipe(Effect.scoped))
})
