/** The connection over a real server: what it says at the start, what comes where, and what happens when the server does not. */
import { assert, describe, it } from "@effect/vitest"
import * as Server from "@pnet/lab/nats/server"
import * as Subjects from "@pnet/nats/Subjects"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll } from "vitest"
import type { Message } from "../src/internal/bus.ts"
import * as Shared from "./shared.ts"
import { bus, until } from "./world.ts"

const token = (name: string) => name.padStart(16, "n")
const bytes = (...all: ReadonlyArray<number>) => Uint8Array.from(all)

describe.skipIf(Server.skipped)("NATS: the connection of a node", () => {
  const shared = Shared.server({
    websocket: true,
    config: `
      accounts {
        one: { users: [
          { user: one, password: pw },
          { user: mute, password: pw, permissions: { publish: ["pnet.test.other.>"], subscribe: ["pnet.>"] } },
          { user: deaf, password: pw, permissions: { publish: ["pnet.>"], subscribe: ["pnet.test.*.all.>"] } },
          { user: least, password: pw, permissions: {
            publish: ["pnet.test.${token("least")}.>"],
            subscribe: ["pnet.test.*.${token("least")}.>", "pnet.test.*.all.>"]
          } }
        ] }
        two: { users: [{ user: two, password: pw }] }
      }`
  })
  beforeAll(shared.begin)
  afterAll(shared.end)
  const as = (user: string) => ({ credentials: { user, password: "pw" } })
  const connect = (user: string, name = user, network = "test") => bus(shared.url(), name, as(user), network)
  const flushed = (one: Effect.Success<ReturnType<typeof bus>>) =>
    Effect.ignore(one.request(one.own, "nothing", bytes(), 200))

  it.live("no server, a wrong password, none at all, and a server without TLS are typed errors", () =>
    Effect.gen(function*() {
      const absent = yield* Effect.flip(bus("127.0.0.1:1", "a"))
      assert.strictEqual(absent._tag, "NoServerError")
      assert.include(absent.message, "127.0.0.1:1")
      const wrong = yield* Effect.flip(bus(shared.url(), "a", { credentials: { user: "one", password: "no" } }))
      assert.strictEqual(wrong._tag, "NotAuthorizedError")
      assert.include(wrong.message, "(user)")
      const nobody = yield* Effect.flip(bus(shared.url(), "a"))
      assert.strictEqual(nobody._tag, "NotAuthorizedError")
      assert.include(nobody.message, "no credentials")
      const unreadable = yield* Effect.flip(bus(shared.url(), "a", { credentials: { creds: "nonsense" } }))
      assert.strictEqual(unreadable._tag, "NotAuthorizedError")
      const plain = yield* Effect.flip(bus(shared.url(), "a", { tls: { ca: Server.certificate }, ...as("one") }))
      assert.strictEqual(plain._tag, "TlsError")
    }).pipe(Effect.scoped))

  it.live("TLS with an authority that is not known is a typed error, and with the right one a connection", () =>
    Effect.gen(function*() {
      const server = yield* Server.start({ tls: true })
      const unknown = yield* Effect.flip(bus(server.url, "a"))
      assert.strictEqual(unknown._tag, "TlsError")
      assert.include(unknown.message, "tls.ca")
      const known = yield* bus(server.url, "a", { tls: { ca: Server.certificate } })
      assert.isTrue(known.isUp())
    }).pipe(Effect.scoped))

  it.live("who may not publish, or not subscribe, is told the subject and what to permit", () =>
    Effect.gen(function*() {
      const mute = yield* Effect.flip(connect("mute"))
      assert.strictEqual(mute._tag, "NotPermittedError")
      assert.include(mute.message, `publish to pnet.test.${token("mute")}.all.say.hi`)
      assert.include(mute.message, `permit its user to publish to pnet.test.${token("mute")}.>`)
      const deaf = yield* Effect.flip(connect("deaf"))
      assert.strictEqual(deaf._tag, "NotPermittedError")
      assert.include(deaf.message, `subscribe to pnet.test.*.${token("deaf")}.>`)
    }).pipe(Effect.scoped))

  it.live("the three permissions are enough, and nobody can call himself another", () =>
    Effect.gen(function*() {
      const least = yield* connect("least")
      const other = yield* connect("one", "other")
      const heard: Array<Message> = []
      for (const one of [other, least]) {
        one.on("greet", (message) => heard.push(message))
        one.on("say.greet", (message) => heard.push(message))
      }
      const denied: Array<string> = []
      least.watch((event) => event._tag === "Denied" && denied.push(event.error.subject))
      least.publish(least.subject(other.own, "greet.one.two"), bytes(1))
      other.publish(other.subject(least.own, "greet"), bytes(2))
      other.publish(other.subject("all", "say.greet"), bytes(3))
      least.publish(Subjects.make("test", other.own, least.own, "greet"), bytes(4))
      yield* until("three", () => heard.length === 3 && denied.length === 1)
      assert.deepStrictEqual(
        heard.map(({ data, from, rest, status }) => [from, rest, [...data], status]).toSorted((a, b) =>
          Number((a[2] as Array<number>)[0]) - Number((b[2] as Array<number>)[0])
        ),
        [[least.own, "one.two", [1], 0], [other.own, "", [2], 0], [other.own, "", [3], 0]]
      )
      assert.deepStrictEqual(denied, [`pnet.test.${other.own}.${least.own}.greet`])
    }).pipe(Effect.scoped))

  it.live("a second node with the key of one is told of, once, and has no word as it", () =>
    Effect.gen(function*() {
      const first = yield* connect("one", "twin")
      const said: Array<string> = []
      const heard: Array<Message> = []
      first.watch(({ _tag }) => said.push(_tag))
      first.on("greet", (message) => heard.push(message))
      const [second, other] = [yield* connect("one", "twin"), yield* connect("one", "other")]
      for (let i = 0; i < 3; i++) second.publish(second.subject(first.own, "greet"), bytes(1))
      yield* flushed(second)
      other.publish(other.subject(first.own, "greet"), bytes(2))
      yield* until("one", () => heard.length > 0)
      assert.deepStrictEqual(heard.map(({ data }) => [...data]), [[2]])
      assert.deepStrictEqual(said, ["Twin"])
    }).pipe(Effect.scoped))

  it.live("two accounts, and two network ids of one account, hear nothing of each other", () =>
    Effect.gen(function*() {
      const all = [yield* connect("one", "a"), yield* connect("two", "a"), yield* connect("one", "a", "other id")]
      const heard: Array<string> = []
      const [first, second, third] = all as [Shared.Bus, Shared.Bus, Shared.Bus]
      const more = yield* connect("one", "b")
      for (const one of all) {
        for (const kind of ["x", "say.x"]) {
          one.on(kind, () => heard.push(one.network))
          more.on(kind, () => heard.push("more"))
        }
      }
      for (const one of [second, third]) {
        one.publish(one.subject("all", "say.x"), bytes())
        one.publish(one.subject(first.own, "x"), bytes())
        assert.strictEqual(yield* Effect.flip(one.request(more.own, "x", bytes(), 2_000)), "Gone")
      }
      yield* flushed(more)
      assert.deepStrictEqual(heard, [])
      assert.strictEqual(third.network, "-b3RoZXIgaWQ")
    }).pipe(Effect.scoped))

  it.live("a request is answered by whom it went to alone, and at once where nobody is there", () =>
    Effect.gen(function*() {
      const [a, b, c] = [yield* connect("one", "a"), yield* connect("one", "b"), yield* connect("one", "c")]
      b.on("ask", ({ data, from, reply }) => {
        // Who makes an answer up is not listened to.
        c.publish(c.subject(from, reply), bytes(99))
        // By another connection, so that the false one is there first.
        c.request(b.own, "now", bytes(), 100).pipe(
          Effect.exit,
          Effect.andThen(Effect.sync(() => b.publish(b.subject(from, reply), bytes(data[0]! + 1)))),
          Effect.runFork
        )
      })
      const answer = yield* a.request(b.own, "ask", bytes(1), 5_000)
      assert.deepStrictEqual([answer.from, [...answer.data]], [b.own, [2]])
      assert.strictEqual(yield* Effect.flip(a.request(token("d"), "ask", bytes(), 5_000)), "Gone")
      assert.strictEqual(yield* Effect.flip(a.request(c.own, "ask", bytes(), 50)), "Timeout")
    }).pipe(Effect.scoped))

  it.live("of those who hear for any, one other than the asker gets it; where there is none it is told so", () =>
    Effect.gen(function*() {
      const a = yield* connect("one", "a")
      a.on("any.pick", () => assert.fail("it asked itself"))
      assert.strictEqual(yield* Effect.flip(a.request("all", "any.pick", bytes(), 5_000)), "Gone")
      let taken = 0
      for (const name of ["b", "c", "d"]) {
        const one = yield* connect("one", name)
        one.on("any.pick", ({ from, reply }) => {
          taken++
          one.publish(one.subject(from, reply), bytes(7))
        })
      }
      for (let i = 0; i < 20; i++) {
        assert.deepStrictEqual([...(yield* a.request("all", "any.pick", bytes(), 5_000)).data], [7])
      }
      assert.strictEqual(taken, 20)
    }).pipe(Effect.scoped))

  it.live("who says something to one that is gone learns it by the status", () =>
    Effect.gen(function*() {
      const a = yield* connect("one", "a")
      const statuses: Array<Message> = []
      a.on("link", (message) => statuses.push(message))
      assert.isTrue(a.publish(a.subject(token("gone"), "link.7"), bytes(1), a.statusTo("link.9")))
      yield* until("a status", () => statuses.length === 1)
      assert.deepStrictEqual([statuses[0]!.from, statuses[0]!.rest, statuses[0]!.status], ["_", "9", 503])
    }).pipe(Effect.scoped))

  it.live("over WebSocket it is the same, but not in a process that has one by TCP", () =>
    Effect.gen(function*() {
      const servers = shared.webSocket()
      const a = yield* bus(servers, "a", as("one"))
      const b = yield* bus(servers, "b", as("one"))
      b.on("ask", ({ from, reply }) => b.publish(b.subject(from, reply), bytes(5)))
      assert.deepStrictEqual([...(yield* a.request(b.own, "ask", bytes(), 5_000)).data], [5])
      assert.strictEqual((yield* Effect.flip(connect("one", "c")))._tag, "MixedServersError")
    }).pipe(Effect.scoped))
})

describe.skipIf(Server.skipped)("NATS: a server that goes", () => {
  const fast = { pingInterval: "100 millis" } as const

  it.live("is told at once, fails what waits, and is back by itself; nothing is kept for later meanwhile", () =>
    Effect.gen(function*() {
      const server = yield* Server.start()
      const [a, b] = [yield* bus(server.url, "a"), yield* bus(server.url, "b")]
      const events: Array<string> = []
      a.watch(({ _tag }) => events.push(_tag))
      const waiting = yield* Effect.forkScoped(Effect.exit(a.request(b.own, "ask", bytes(), 60_000)), {
        startImmediately: true
      })
      yield* server.kill
      yield* until("it is down", () => !a.isUp() && !b.isUp())
      assert.deepStrictEqual(events, ["Down"])
      assert.isTrue((yield* Effect.forkScoped(Effect.void)) !== undefined && waiting.pollUnsafe() !== undefined)
      assert.isFalse(a.publish(a.subject(b.own, "x"), bytes(1)))
      assert.strictEqual(yield* Effect.flip(a.request(b.own, "ask", bytes(), 60_000)), "Down")
      let heard = 0
      b.on("x", () => heard++)
      yield* server.restart
      yield* until("it is up", () => a.isUp() && b.isUp())
      assert.deepStrictEqual(events, ["Down", "Up"])
      // The server reads what comes by the one connection after, or before, what comes by the other.
      assert.strictEqual(yield* Effect.flip(b.request(token("nobody"), "nothing", bytes(), 5_000)), "Gone")
      assert.isTrue(a.publish(a.subject(b.own, "x"), bytes(2)))
      yield* until("it is heard", () => heard > 0)
      assert.strictEqual(heard, 1)
    }).pipe(Effect.scoped))

  it.live("one that is frozen is gone when it gives no sign of life, and what is sent to it meanwhile is bounded", () =>
    Effect.gen(function*() {
      const server = yield* Server.start()
      const [a, b] = [yield* bus(server.url, "a", fast), yield* bus(server.url, "b", { pingInterval: "1 minute" })]
      yield* server.freeze
      const chunk = new Uint8Array(65_536)
      let sent = 0
      while (sent < 100_000_000 && b.publish(b.subject(a.own, "x"), chunk)) sent += chunk.length
      assert.isTrue(b.isFull())
      assert.isAtMost(sent, 34_000_000)
      yield* until("it is down", () => !a.isUp())
      yield* server.thaw
      yield* until("it is up", () => a.isUp() && !b.isFull())
      yield* b.room
    }).pipe(Effect.scoped))

  it.live("a node that may wait starts without one, and connects when it is there", () =>
    Effect.gen(function*() {
      const server = yield* Server.start()
      yield* server.stop
      const a = yield* bus(server.url, "a", { wait: true })
      assert.isFalse(a.isUp())
      yield* server.restart
      yield* until("it is up", () => a.isUp())
    }).pipe(Effect.scoped))
})
