/** Links over a server of a test: how they end, and what those say that have none. */
import { assert, describe, it } from "@effect/vitest"
import * as DerivedHost from "@pnet/core/DerivedHost"
import * as Subjects from "@pnet/nats/Subjects"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type { Message } from "../src/internal/bus.ts"
import * as NatsTransport from "../src/internal/transport.ts"
import { Hub } from "./hub.ts"

const hostOf = (name: string) => DerivedHost.ofUrl("nats", name)
const tokenOf = (name: string) => Subjects.ofHost(hostOf(name))
const utf8 = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** A node with nothing to it but the transport. */
const node = (hub: Hub, name: string, trustSenders = true) =>
  Effect.gen(function*() {
    const bus = hub.connect(tokenOf(name))
    const doors = yield* NatsTransport.doors(bus)
    const own = { host: hostOf(name), port: 1, dialTimeout: "5 seconds", trustSenders } as const
    return { bus, doors, transport: NatsTransport.make(doors, own), at: { host: hostOf(name), port: 1 } }
  })

/** Two nodes of which one dials the other, which repeats what comes. */
const pair = (hub: Hub) =>
  Effect.gen(function*() {
    const [a, b] = [yield* node(hub, "a"), yield* node(hub, "b")]
    const listener = yield* b.transport.listen!
    yield* Effect.forkScoped(
      listener.run(({ pull, write }) => Effect.ignore(Effect.forever(Effect.flatMap(pull, ([first]) => write(first))))),
      { startImmediately: true }
    )
    const connection = yield* a.transport.dial(b.at)
    yield* connection.write(utf8("x"))
    assert.strictEqual(textOf((yield* connection.pull)[0]), "x")
    return { a, b, connection }
  })

describe("links over NATS", () => {
  it.effect("are over at once where the server is gone, and nothing is left of them", () =>
    Effect.gen(function*() {
      const hub = new Hub()
      const { a, b, connection } = yield* pair(hub)
      const reading = yield* Effect.forkChild(Effect.flip(connection.pull), { startImmediately: true })
      hub.cut(a.bus)
      assert.include((yield* Fiber.join(reading)).message, "the NATS server is gone")
      assert.strictEqual((yield* Effect.flip(connection.write(utf8("y")))).clean, false)
      assert.strictEqual(a.doors.links.size, 0)
      assert.strictEqual((yield* Effect.flip(Effect.scoped(a.transport.dial(b.at)))).kind, "Unreachable")
      hub.mend(a.bus)
      yield* Effect.scoped(a.transport.dial(b.at))
    }).pipe(Effect.scoped))

  it.effect("end where the other node is gone, or has begun anew and knows nothing of them", () =>
    Effect.gen(function*() {
      for (const how of ["is gone from the NATS server", "does not know this connection"]) {
        const hub = new Hub()
        const { b, connection } = yield* pair(hub)
        hub.gone(b.bus.own)
        if (how.startsWith("does")) yield* node(hub, "b")
        yield* connection.write(utf8("y"))
        const error = yield* Effect.flip(connection.pull)
        assert.isFalse(error.clean)
        assert.include(error.message, how)
      }
    }).pipe(Effect.scoped))

  it.effect("are not touched by what others say, who are told once that they have none", () =>
    Effect.gen(function*() {
      const hub = new Hub()
      const a = yield* node(hub, "a")
      const [b, c] = [hub.connect(tokenOf("b")), hub.connect(tokenOf("c"))]
      let id = ""
      b.on("dial", ({ data, from, reply }) => {
        id = textOf(data.subarray(1))
        b.publish(b.subject(from, reply), Uint8Array.of(1, ...utf8("b".repeat(12))))
      })
      const connection = yield* a.transport.dial({ host: hostOf("b"), port: 1 })
      const told: Array<Message> = []
      c.on("over", (message) => told.push(message))
      c.on("link", (message) => told.push(message))
      // A reset, and that there is no such link: of the wrong node.
      const reset = Uint8Array.of(5, 0, 0, 0, 0, 0, 1, 0, 0)
      c.publish(c.subject(a.bus.own, `link.${id}`), reset, c.statusTo("link.mine"))
      c.publish(c.subject(a.bus.own, `over.${id}`), new Uint8Array(0), c.statusTo("link.mine"))
      assert.deepStrictEqual(told.map(({ from, rest }) => [from, rest]), [[a.bus.own, "mine"]])
      yield* connection.write(utf8("y"))
      assert.strictEqual(a.doors.links.size, 1)
    }).pipe(Effect.scoped))

  it.effect("come from the node's address where the server sees to that, and else from none", () =>
    Effect.gen(function*() {
      for (const trusted of [true, false]) {
        const hub = new Hub()
        const [a, b] = [yield* node(hub, "a"), yield* node(hub, "b", trusted)]
        const listener = yield* b.transport.listen!
        const seen: Array<unknown> = []
        yield* Effect.forkScoped(
          listener.run(({ relayed, remote }) => Effect.sync(() => void seen.push(remote, relayed))),
          { startImmediately: true }
        )
        const relayed = yield* Effect.scoped(
          Effect.flatMap(a.transport.dial(b.at), ({ pull, relayed }) => Effect.as(Effect.flip(pull), relayed))
        )
        // Sessions are told that it goes by the server.
        assert.deepStrictEqual([...seen, relayed], [trusted ? { host: hostOf("a"), port: 1 } : undefined, true, true])
      }
    }).pipe(Effect.scoped))

  it.effect("are asked for in its own words alone, and so many wait to be accepted", () =>
    Effect.gen(function*() {
      const hub = new Hub()
      const a = yield* node(hub, "a")
      yield* a.transport.listen!
      const c = hub.connect(tokenOf("c"))
      const answers: Array<number> = []
      const ask = (port: string, data: Uint8Array) =>
        Effect.map(Effect.result(c.request(a.bus.own, `dial.${port}`, data, 1)), (answer) =>
          Result.isSuccess(answer) ? answers.push(answer.success.data[0]!) : answers.push(-1))
      const id = "i".repeat(12)
      for (const data of [[], [1], [2, ...utf8(id)], [1, ...utf8("i")], [1, ...utf8("i.iiiiiiiiii")]]) {
        yield* ask("1", Uint8Array.from(data))
      }
      yield* ask("2", Uint8Array.of(1, ...utf8(id)))
      yield* ask("1", new Uint8Array(100_000))
      assert.deepStrictEqual(answers, [0, 0, 0, 0, 0, 0, 0])
      assert.strictEqual(a.doors.links.size, 0)
      for (let i = 0; i < 1_100; i++) {
        c.publish(c.subject(a.bus.own, "dial.1"), Uint8Array.of(1, ...utf8(id)), c.statusTo("r.none"))
      }
      assert.strictEqual(a.doors.links.size, 1_024)
    }).pipe(Effect.scoped))

  it.effect("that nobody has accepted hold little, and end where more comes", () =>
    Effect.gen(function*() {
      const hub = new Hub()
      const a = yield* node(hub, "a")
      yield* a.transport.listen!
      const c = hub.connect(tokenOf("c"))
      const { data } = yield* c.request(a.bus.own, "dial.1", Uint8Array.of(1, ...utf8("i".repeat(12))), 1_000)
      assert.strictEqual(a.doors.links.size, 1)
      const link = c.subject(a.bus.own, `link.${textOf(data.subarray(1))}`)
      for (let i = 0; i < 100; i++) c.publish(link, new Uint8Array(1_000))
      assert.strictEqual(a.doors.links.size, 1)
      for (let i = 0; i < 100; i++) c.publish(link, new Uint8Array(1_000))
      assert.strictEqual(a.doors.links.size, 0)
    }).pipe(Effect.scoped))

  it.effect("have smaller windows where they are many", () =>
    Effect.gen(function*() {
      const { doors: { links } } = yield* node(new Hub(), "a")
      assert.strictEqual(links.window, 524_288)
      let last = links.window
      let sum = 0
      for (let i = 0; i < 256; i++) {
        assert.isAtMost(links.window, last)
        last = links.window
        sum += last
        links.add(tokenOf("b"))
      }
      // Below the 64 MiB at which the server gives a node up.
      assert.isBelow(sum, 67_108_864)
      assert.strictEqual(links.window, 65_536)
    }).pipe(Effect.scoped))
})
