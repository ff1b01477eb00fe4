/** Who hears a broadcast, where that is known from the one before; and bytes that a simulated connection takes at once. */
import { assert, describe, it } from "@effect/vitest"
import { Network, type TryWriter } from "@pnet/core/Network"
import { SimNetwork } from "@pnet/testing"
import { Effect, Exit, Scope } from "effect"
import { Socket } from "effect/socket"
import { TestClock } from "effect/testing"
import { echoServer, station, text } from "./sim.ts"

/** A socket of a process that takes what comes as it comes. */
const listening = (process: SimNetwork.Process<never>) =>
  Effect.gen(function*() {
    const heard: Array<string> = []
    const scope = yield* Scope.make()
    const socket = yield* (yield* process.run(Network)).datagram({
      address: "0.0.0.0",
      port: 3334,
      reuseAddress: true,
      take: (payload) => heard.push(text(payload)) > 0
    })
    yield* socket.reader.pipe(process.run, Scope.provide(scope))
    return { heard, close: Scope.close(scope, Exit.void) }
  })

/** One that broadcasts, twice before anything else, so that it is known who hears it, and a host that listens. */
const lan = Effect.gen(function*() {
  const network = yield* SimNetwork.make()
  const near = yield* Effect.flatMap(network.host("near"), station)
  const far = yield* network.host("far")
  const process = yield* far.process
  const { close, heard } = yield* listening(process)
  const say = (message: string) => Effect.andThen(near.say(message), TestClock.adjust("10 millis"))
  yield* say("1")
  yield* say("2")
  heard.length = 0
  return { network, far, process, heard, close, say }
})

describe("a broadcast whose hearers are known", () => {
  it.effect("is heard by sockets that came since, and by none that went", () =>
    Effect.gen(function*() {
      const { close, far, heard, network, process, say } = yield* lan
      // It hears what is said at each of its interfaces.
      const other = yield* network.host("other", { interfaces: [{}, {}] })
      yield* say("3")
      const late = yield* Effect.flatMap(other.process, listening)
      yield* say("4")
      yield* close
      const before = network.stats().dropped["no-socket"] ?? 0
      yield* say("5")
      assert.strictEqual(network.stats().dropped["no-socket"], before + 1)
      const again = yield* listening(process)
      yield* say("6")
      // Two on one host hear it both.
      const twin = yield* Effect.flatMap(far.process, listening)
      yield* say("7")
      assert.deepStrictEqual(
        [heard, late.heard, again.heard, twin.heard],
        [["3", "4"], ["4", "4", "5", "5", "6", "6", "7", "7"], ["6", "7"], ["7"]]
      )
    }))

  it.effect("is heard by a socket that came after more than are looked through one by one", () =>
    Effect.gen(function*() {
      const { network, say } = yield* lan
      const process = yield* (yield* network.host("churning")).process
      const other = yield* (yield* network.host("other")).process
      yield* say("3")
      // Each comes and goes, which is 4,096 changes in all, and two there were before.
      for (let i = 0; i < 2_048; i++) yield* Effect.flatMap(listening(process), ({ close }) => close)
      const { heard } = yield* listening(other)
      yield* say("4")
      assert.deepStrictEqual(heard, ["4"])
    }))

  it.effect("is heard by nobody who is frozen, however often it was said that it is, or is not", () =>
    Effect.gen(function*() {
      const { far, heard, process, say } = yield* lan
      const dying = yield* far.process
      const [aHost, aProcess] = [far, process]
      for (const each of [aHost, aProcess]) {
        heard.length = 0
        // Of what goes on already.
        yield* each.resume
        yield* each.pause
        yield* say("while it is paused")
        assert.deepStrictEqual(heard, [])
        yield* each.pause
        yield* each.resume
        yield* TestClock.adjust("10 millis")
        yield* say("after")
        assert.deepStrictEqual(heard, ["while it is paused", "after"])
      }
      // One that ends paused, and is told to go on.
      yield* dying.pause
      yield* dying.kill
      yield* dying.resume
      yield* process.pause
      heard.length = 0
      yield* say("while it is paused")
      assert.deepStrictEqual(heard, [])
    }))
})

describe("a simulated connection that takes bytes at once", () => {
  it.effect("says so of all that goes out, where a part of it waits for what was put between", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ link: { bandwidth: 100_000 }, streams: { window: 4_096 } })
      const [a, b] = [yield* network.host("a"), yield* network.host("b")]
      yield* echoServer(a)
      const process = yield* b.process
      const socket = yield* (yield* process.run(Network)).dial({ host: a.address, port: 9000 })
      let received = ""
      yield* Effect.gen(function*() {
        const pull = yield* Socket.readerBytes(socket)
        return yield* Effect.forever(Effect.map(pull, (chunks) => {
          for (const chunk of chunks) received += text(chunk)
        }))
      }).pipe(Effect.scoped, process.run, Effect.ignore, Effect.forkScoped({ startImmediately: true }))
      yield* TestClock.adjust("1 second")
      const writer = (yield* socket.writer) as TryWriter
      // Behind each packet of the caller's come more bytes than the window has left.
      yield* network.intercept(({ host, protocol }) =>
        protocol === "tcp" && host === "b" ? { inject: [new Uint8Array(3_000)] } : "pass"
      )
      const bytes = new TextEncoder().encode("a".repeat(3_000))
      // As a session writes.
      const isTaken = writer.tryWrite!(bytes)
      yield* Effect.forkScoped(isTaken ? Effect.void : process.run(writer.write(bytes)))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(received.replaceAll("\0", "").length, 3_000)
    }))
})
