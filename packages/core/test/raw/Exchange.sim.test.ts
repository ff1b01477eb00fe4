import { assert, describe, it } from "@effect/vitest"
import type { Sessions } from "@pnet/core"
import { echo, failureOf, quietly, start, two } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { Clock, Duration, Effect, Fiber, Layer, Logger, Tracer } from "effect"

const protocol = "command" as const

describe("Sessions.exchange", () => {
  for (const warm of [false, true]) {
    const when = warm ? "on a session that stands" : "on a session that is made for it"

    it.effect(`tells the peer its deadline and its span, ${when}, and ends when its time is up`, () =>
      quietly(Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const seen: Array<unknown> = []
        let interrupted = 0
        const { alice, bob } = yield* two(network, {}, {
          functions: {
            echo,
            forever: ({ deadline }) => {
              seen.push(deadline === undefined)
              return Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
            }
          }
        })
        yield* bob.node.sessions.handle({ protocol: "rpc", name: "trace" }, (stream) =>
          Effect.andThen(
            Effect.sync(() => seen.push(stream.traceparent)),
            stream.end
          ))
        const peer = yield* alice.node.peers.resolveOne("bob")
        const { sessions } = alice.node
        if (warm) yield* sessions.exchange(peer, { protocol, name: "echo" }, new Uint8Array(1))
        const error = yield* failureOf(
          sessions.exchange(peer, { protocol, name: "forever", deadline: "2 seconds" }, new Uint8Array(1))
        )
        assert.strictEqual(error._tag === "StreamResetError" && error.code, "deadline")
        yield* Effect.sleep("1 second")
        assert.strictEqual(interrupted, 1)
        yield* sessions.exchange(peer, { protocol: "rpc", name: "trace", traceparent: "00-1-2-01" }, new Uint8Array(1))
        assert.deepStrictEqual(seen, [false, "00-1-2-01"])
        const late = yield* failureOf(
          sessions.exchange(peer, { protocol, name: "forever", deadline: 0 }, new Uint8Array(1))
        )
        assert.strictEqual(late._tag === "StreamResetError" && late.code, "deadline")
        assert.strictEqual(seen.length, 2)
        // One that is done in time leaves nothing behind.
        yield* sessions.exchange(peer, { protocol, name: "echo", deadline: "1 second" }, new Uint8Array(1))
        assert.deepStrictEqual((yield* sessions.all).map(({ streams }) => streams), [0])
      })))
  }

  it.effect("leaves no timer for a deadline that is far, whether it is answered, given up or refused", () =>
    quietly(Effect.gen(function*() {
      // Sleeps of alice that are as long as the deadlines.
      let long = 0
      const counting = Layer.effect(
        Clock.Clock,
        Effect.map(Clock.Clock, (clock): Clock.Clock => ({
          ...clock,
          sleep: (duration) => {
            const counts = Duration.toHours(duration) > 1.9 ? 1 : 0
            return Effect.suspend(() => {
              long += counts
              return Effect.ensuring(clock.sleep(duration), Effect.sync(() => long -= counts))
            })
          }
        }))
      )
      const network = yield* SimNetwork.make()
      yield* start(network, { name: "bob", functions: { echo, never: () => Effect.never } })
      const alice = yield* start(network, { name: "alice" }, { logger: Layer.merge(counting, Logger.layer([])) })
      const peer = yield* alice.node.peers.awaitPeer("bob")
      const ask = (name: string) =>
        alice.node.sessions.exchange(peer, { protocol, name, deadline: "2 hours" }, new Uint8Array(1))
      // The first one makes the session.
      for (let i = 0; i < 2; i++) {
        yield* ask("echo")
        yield* Effect.sleep("1 second")
        assert.strictEqual(long, 0, "answered")
        yield* failureOf(ask("nothing"))
        yield* Effect.sleep("1 second")
        assert.strictEqual(long, 0, "refused")
      }
      const given = yield* Effect.forkChild(ask("never"))
      yield* Effect.sleep("1 second")
      assert.strictEqual(long, 1)
      yield* Fiber.interrupt(given)
      yield* Effect.sleep("1 second")
      assert.strictEqual(long, 0, "given up")
    })))

  it.effect("holds no more of an answer than it is told to", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice } = yield* two(network)
      const peer = yield* alice.node.peers.resolveOne("bob")
      const { sessions } = alice.node
      for (const [bytes, limit] of [[11, 10], [1_000_000, 500_000]] as const) {
        const error = yield* failureOf(
          sessions.exchange(peer, { protocol, name: "echo", limit }, new Uint8Array(bytes))
        )
        assert.strictEqual(error._tag === "StreamResetError" && error.code, "too_large")
        const whole = yield* sessions.exchange(peer, { protocol, name: "echo", limit: bytes }, new Uint8Array(bytes))
        assert.strictEqual(whole.length, bytes)
      }
      assert.deepStrictEqual((yield* sessions.all).map(({ streams }) => streams), [0])
    })))

  it.effect("opens what it is asked for, whatever was opened before", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice, bob } = yield* two(network)
      const seen: Array<string> = []
      for (const where of ["rpc", "command"] as const) {
        for (const name of ["one", "other"]) {
          yield* bob.node.sessions.handle({ protocol: where, name }, (stream) => {
            const { deadline, headers, traceparent } = stream
            const said = [deadline === undefined ? undefined : "deadline", traceparent, headers]
            return Effect.andThen(
              Effect.sync(() => seen.push([stream.protocol, stream.name, ...said].join(" ").trim())),
              stream.end
            )
          })
        }
      }
      const peer = yield* alice.node.peers.resolveOne("bob")
      const { sessions } = alice.node
      const traceparent = `00-${"1".repeat(32)}-${"2".repeat(16)}-01`
      const ways: ReadonlyArray<readonly [Partial<Sessions.OpenOptions>, said: string]> = [
        [{}, ""],
        [{ traceparent }, ` ${traceparent}`],
        [{ headers: `{"a":1}` }, ` {"a":1}`],
        [{ deadline: "1 second" }, " deadline"]
      ]
      const expected: Array<string> = []
      for (const [way, said] of ways) {
        for (const name of ["one", "other"]) {
          for (const where of ["rpc", "command"] as const) {
            for (const [more, also] of [ways[0]!, [way, said] as const, ways[0]!]) {
              yield* sessions.exchange(peer, { protocol: where, name, ...more }, new Uint8Array(1))
              expected.push(`${where} ${name}${also}`)
            }
          }
        }
      }
      assert.deepStrictEqual(seen.map((line) => line.replace(/ +/g, " ")), expected)
    })))

  it.effect("shows the dial in the trace of the call that waits for it, and only there", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice } = yield* two(network)
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const peer = yield* alice.node.peers.resolveOne("bob")
      const call = alice.node.sessions.exchange(peer, { protocol, name: "echo" }, new Uint8Array(1)).pipe(
        Effect.withSpan("call"),
        Effect.provideService(Tracer.Tracer, tracer)
      )
      yield* call
      assert.deepStrictEqual(spans.map(({ name }) => name), ["call", "pnet.session"])
      assert.strictEqual(spans[1]!.traceId, spans[0]!.traceId)
      assert.strictEqual(spans[1]!.attributes.get("pnet.peer"), "bob")
      yield* call
      assert.deepStrictEqual(spans.map(({ name }) => name), ["call", "pnet.session", "call"])
    })))
})

describe("the limit of an answer", () => {
  it.effect("may be any number, and what is too large for the peer is so by each of them", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice } = yield* two(network, {}, {
        limits: { callSize: 1_000 },
        functions: { echo, whole: ({ whole }) => whole }
      })
      const asked = (name: string, length: number, limit: number) =>
        alice.node.request("bob", name, new Uint8Array(length), { limit })
      for (const limit of [Infinity, 1e300, 1_500.5, NaN]) {
        assert.strictEqual((yield* failureOf(asked("whole", 1_001, limit)))._tag, "CallTooLargeError", `${limit}`)
        assert.strictEqual((yield* asked("whole", 1_000, limit)).length, 1_000, `${limit}`)
      }
      assert.strictEqual((yield* asked("echo", 9_000_000, Infinity)).length, 9_000_000)
      // What is no number is none, and no limit has a part of a byte.
      for (const [limit, most] of [[NaN, 8_388_608], [10.9, 10], [0.5, 0], [-1, 0]] as const) {
        assert.strictEqual((yield* failureOf(asked("echo", most + 1, limit)))._tag, "CallTooLargeError", `${limit}`)
        assert.strictEqual((yield* asked("echo", most, limit)).length, most, `${limit}`)
      }
      // Nor below that, where sessions are asked.
      const bob = yield* alice.node.peers.awaitPeer("bob")
      const options = { protocol: "command", name: "echo", limit: NaN } as const
      const exchanged = (length: number) => alice.node.sessions.exchange(bob, options, new Uint8Array(length))
      assert.strictEqual((yield* failureOf(exchanged(8_388_609)))._tag, "StreamResetError")
      assert.strictEqual((yield* exchanged(8_388_608)).length, 8_388_608)
    })))
})
