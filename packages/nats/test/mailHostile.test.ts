/** Mail with senders and servers that mean it badly, and users who are careless. Whoever is hostile has the permissions of a node, and no more. */
import { assert, describe, it } from "@effect/vitest"
import { headers } from "@nats-io/nats-core"
import { AllowListTrust, type Packet } from "@pnet/core"
import * as Server from "@pnet/lab/nats/server"
import { Mail, Subjects } from "@pnet/nats"
import { Clock, Deferred, Effect, Exit, Layer, Schedule, Scope } from "effect"
import { TestClock } from "effect/testing"
import { afterAll, beforeAll } from "vitest"
import { messageIdOf } from "../src/internal/messageId.ts"
import * as Post from "./post.ts"
import * as Shared from "./shared.ts"
import { until } from "./world.ts"

describe.skipIf(Server.skipped)("Mail, hostile", () => {
  const shared = Shared.server({ jetstream: true })
  beforeAll(shared.begin)
  afterAll(shared.end)

  const world = Post.world("hostile")
  const node = (name: string, of: Post.Of, options: Mail.Options = {}, lines?: Array<string>) =>
    Post.mail(name, of, { servers: shared.url(), ...options }, lines)

  /** What comes to a node, as it comes. */
  const handling = (
    mail: Mail.Mail["Service"],
    texts: Array<string>,
    handler = (_letter: Mail.Letter) => Effect.void as Effect.Effect<void, string>
  ) => mail.handle((letter) => Effect.andThen(Effect.sync(() => void texts.push(letter.text)), handler(letter)))

  it.live("drops what is moved, given again, malformed, empty or huge, and says so once of each kind", () =>
    Effect.gen(function*() {
      const { alice, bob, eve, network, of, toBob } = yield* world
      const [atAlice, atEve] = [yield* node("alice", of(alice)), yield* node("eve", of(eve))]
      const lines: Array<string> = []
      const { sequence } = yield* atAlice.post(toBob, "of alice")
      yield* atAlice.post({ name: "eve", publicKey: eve.publicKey }, "for eve")
      const [client, admin] = [yield* Shared.client(shared.url()), yield* Shared.jetStream(shared.url())]
      const net = Subjects.network(network)
      const kept = (seq: number) =>
        Effect.promise(() => admin.streams.getMessage(Mail.streamOf(net), { seq }).then((message) => message!.data))
      const say = (from: Post.Of["identity"], data: Uint8Array, id?: string) =>
        Effect.promise(() => {
          const h = headers()
          if (id !== undefined) h.set("Nats-Msg-Id", id)
          const subject = Subjects.make(net, Subjects.ofKey(from.publicKey), "mail", Subjects.ofKey(bob.publicKey))
          return client.request(subject, data, { timeout: 5_000, headers: h })
        })
      const [letter, forEve] = [yield* kept(sequence), yield* kept(sequence + 1)]
      yield* say(eve, letter)
      yield* say(eve, forEve)
      yield* say(alice, letter, "another")
      for (
        const bytes of [
          new Uint8Array(0),
          new Uint8Array(57),
          new Uint8Array(900_000),
          new TextEncoder().encode("PnetMAIL\u0001")
        ]
      ) {
        for (let i = 0; i < 20; i++) yield* say(eve, bytes)
      }
      yield* atEve.post(toBob, "")
      yield* atEve.post(toBob, "hers")
      const texts: Array<string> = []
      const atBob = yield* node("bob", of(bob), {}, lines)
      yield* Effect.provide(handling(atBob, texts), Post.logged(lines))
      yield* until("hers", () => texts.includes("hers"))
      assert.deepStrictEqual(texts, ["of alice", "", "hers"])
      const said = lines.filter((line) => line.includes("dropped"))
      assert.deepStrictEqual(said.map((line) => line.replace(/.*: /, "")).sort(), [
        "Forged",
        "Malformed",
        "NotForThisNode"
      ])
    }).pipe(Effect.scoped))

  it.live("has nobody take a letter's place by its id, nor read, take or end what is another's", () =>
    Effect.gen(function*() {
      const { alice, bob, eve, network, of, toBob } = yield* world
      const net = Subjects.network(network)
      const permissionsOf = ({ publicKey }: Post.Of["identity"]) => {
        const [base, mail] = [Subjects.permissions(network, publicKey), Subjects.mailPermissions(network, publicKey)]
        return {
          publish: [...base.publish, ...mail.publish],
          subscribe: [...base.subscribe, ...mail.subscribe]
        }
      }
      const server = yield* Server.start({
        jetstream: true,
        config: `accounts { A: { jetstream: enabled, users: [
          { user: eve, password: pw, permissions: ${JSON.stringify(permissionsOf(eve))} }, { user: admin, password: pw }
        ] } }`
      })
      const as = (name: string) => ({ credentials: { user: name, password: "pw" }, servers: server.url })
      const atAlice = yield* Post.mail("alice", of(alice), as("admin"))
      const [to, from] = [Subjects.ofKey(bob.publicKey), Subjects.ofKey(alice.publicKey)]
      const { url } = server
      const evil = yield* Shared.client(url, {
        user: "eve",
        pass: "pw",
        inboxPrefix: Subjects.inboxOf(net, Subjects.ofKey(eve.publicKey))
      })
      const own = Subjects.make(net, Subjects.ofKey(eve.publicKey), "mail", to)
      const h = headers()
      // What she would have for a letter of that id to that receiver.
      h.set("Nats-Msg-Id", messageIdOf(eve, "mail", to, "order-1"))
      yield* Effect.promise(() => evil.request(own, new Uint8Array(3), { timeout: 5_000, headers: h }))
      assert.isFalse((yield* atAlice.post(toBob, "the order", { id: "order-1" })).duplicate)
      const texts: Array<string> = []
      const held = yield* Deferred.make<void>()
      const atBob = yield* Post.mail("bob", of(bob), as("admin"))
      yield* handling(atBob, texts, () => Deferred.await(held))
      yield* until("the order", () => texts.length === 1)
      const stream = Mail.streamOf(net)
      const ask = (subject: string, data: string) =>
        Effect.promise(() =>
          evil.request(subject, data, { timeout: 1_000 }).then(() => "answered", (error: Error) => error.name)
        )
      for (
        const [subject, data] of [
          [`$JS.API.CONSUMER.MSG.NEXT.${stream}.${to}`, "{\"batch\":1}"],
          [`$JS.API.CONSUMER.DELETE.${stream}.${to}`, ""],
          [`$JS.API.CONSUMER.DURABLE.CREATE.${stream}.${to}`, "{}"],
          [`$JS.API.CONSUMER.CREATE.${stream}.${Subjects.ofKey(eve.publicKey)}.pnet.${net}.>`, "{}"],
          [`$JS.API.STREAM.MSG.GET.${stream}`, "{\"seq\":1}"],
          [`$JS.API.STREAM.PURGE.${stream}`, ""],
          [`$JS.ACK.${stream}.${to}.1.1.1.1.0`, "+ACK"],
          [`$JS.API.DIRECT.GET.KV_pnet_handled_${net}.$KV.pnet_handled_${net}.${to}.${from}.order-1`, ""],
          [`$KV.pnet_handled_${net}.${to}.${from}.order-2`, ""]
        ] as const
      ) assert.notStrictEqual(yield* ask(subject, data), "answered", subject)
      // A filter in a request that is another than that of its subject.
      const config = {
        stream_name: stream,
        config: {
          name: Subjects.ofKey(eve.publicKey),
          durable_name: Subjects.ofKey(eve.publicKey),
          ack_policy: "explicit",
          filter_subject: `pnet.${net}.*.mail.${to}`
        }
      }
      const answer = yield* Effect.promise(() =>
        evil.request(
          `$JS.API.CONSUMER.CREATE.${stream}.${Subjects.ofKey(eve.publicKey)}.pnet.${net}.*.mail.${
            Subjects.ofKey(eve.publicKey)
          }`,
          JSON.stringify(config),
          { timeout: 5_000 }
        )
      )
      assert.isObject(answer.json<{ error?: object }>().error)
      yield* Deferred.succeed(held, undefined)
      yield* atAlice.post(toBob, "and another")
      yield* until("another", () => texts.length === 2)
    }).pipe(Effect.scoped))

  it.live("goes on for others while a sender's letters fail, and keeps those that the dead ones have no room for", () =>
    Effect.gen(function*() {
      const { alice, bob, eve, of, toBob } = yield* world
      const atEve = yield* node("eve", of(eve), { waiting: 3 })
      const texts: Array<string> = []
      const atBob = yield* node("bob", of(bob), { attempts: 1 })
      yield* handling(
        atBob,
        texts,
        ({ text }) => text.startsWith("poison") ? Effect.die(new Error("ouch")) : Effect.void
      )
      for (let i = 0; i < 5; i++) {
        yield* atEve.post(toBob, `poison ${i}`).pipe(
          Effect.retry({ while: ({ kind }) => kind === "MailboxFull", schedule: Schedule.spaced("5 millis") })
        )
      }
      const atAlice = yield* node("alice", of(alice))
      yield* atAlice.post(toBob, "good")
      yield* until("the good one", () => texts.includes("good"))
      assert.deepStrictEqual((yield* atBob.dead).map(({ text }) => text), ["poison 0", "poison 1", "poison 2"])
      // Each was handled once: one that has no room among the dead is not handled again in the meantime.
      yield* atAlice.post(toBob, "good, too")
      yield* until("the other", () => texts.includes("good, too"))
      assert.strictEqual(texts.filter((text) => text.startsWith("poison")).length, 5)
    }).pipe(Effect.scoped))

  it.live("has nobody take a dead letter's place, by what the server tells by that it was put there before", () =>
    Effect.gen(function*() {
      const { alice, bob, eve, network, of, toBob } = yield* world
      const { sequence } = yield* (yield* node("alice", of(alice))).post(toBob, "poison")
      const [client, net] = [yield* Shared.client(shared.url()), Subjects.network(network)]
      for (const id of [`dead.${sequence}`, messageIdOf(eve, "dead", Mail.streamOf(net), `${sequence}`)]) {
        const h = headers()
        h.set("Nats-Msg-Id", id)
        const own = Subjects.ofKey(eve.publicKey)
        yield* Effect.promise(() =>
          client.request(Subjects.make(net, own, "mail", own), new Uint8Array(1), { timeout: 5_000, headers: h })
        )
      }
      const texts: Array<string> = []
      const atBob = yield* node("bob", of(bob), { attempts: 1 })
      yield* handling(atBob, texts, () => Effect.fail("no"))
      yield* until("it was handled", () => texts.length > 0)
      yield* Effect.repeat(atBob.waiting, { until: (waiting) => waiting === 0 })
      assert.deepStrictEqual((yield* atBob.dead).map(({ text }) => text), ["poison"])
    }).pipe(Effect.scoped))

  it.live("is handled as often as it is to be where it had to wait for its time first", () =>
    Effect.gen(function*() {
      const { alice, bob, of, toBob } = yield* world
      const clock = yield* TestClock.make()
      yield* clock.setTime((yield* Clock.currentTimeMillis) + 60_000 + 2_000)
      const atAlice = yield* Effect.provideService(node("alice", of(alice)), Clock.Clock, clock)
      const lines: Array<string> = []
      const texts: Array<string> = []
      const atBob = yield* node("bob", of(bob), { attempts: 1 }, lines)
      yield* Effect.provide(handling(atBob, texts), Post.logged(lines))
      yield* atAlice.post(toBob, "early")
      yield* until("it is put off", () => lines.some((line) => line.includes("of the future")))
      yield* Effect.repeat(atBob.waiting, { until: (waiting) => waiting === 0 })
      assert.deepStrictEqual([texts, (yield* atBob.dead).length], [["early"], 0])
    }).pipe(Effect.scoped))

  it.live("is handled by a handler that interrupts itself, posts, or ends with its scope", () =>
    Effect.gen(function*() {
      const { alice, bob, eve, of, toBob } = yield* world
      const atAlice = yield* node("alice", of(alice))
      yield* atAlice.post(toBob, "interrupts")
      yield* atAlice.post(toBob, "posts")
      const [atAliceTexts, texts]: [Array<string>, Array<string>] = [[], []]
      yield* handling(atAlice, atAliceTexts)
      const atBob = yield* node("bob", of(bob), { attempts: 2 })
      yield* atBob.handle(({ from, text }) => {
        texts.push(text)
        if (text === "interrupts") return Effect.interrupt
        return Effect.asVoid(atBob.post(from, "an answer"))
      })
      yield* until("an answer", () => atAliceTexts.includes("an answer") && texts.length === 3)
      assert.deepStrictEqual(texts.sort(), ["interrupts", "interrupts", "posts"])

      // A scope that closes in the midst gives it back at once, to another process of the same node.
      const [scope, began] = [yield* Scope.make(), yield* Deferred.make<void>()]
      const first = yield* Scope.provide(node("carol", of(eve)), scope)
      yield* Scope.provide(first.handle(() => Effect.andThen(Deferred.succeed(began, undefined), Effect.never)), scope)
      yield* atBob.post({ name: "carol", publicKey: eve.publicKey }, "for carol")
      yield* Deferred.await(began)
      yield* Scope.close(scope, Exit.void)
      const again: Array<string> = []
      yield* (yield* node("carol", of(eve))).handle(({ attempt, text }) =>
        Effect.sync(() => void again.push(`${text} ${attempt}`))
      )
      yield* until("for carol", () => again.length > 0)
      assert.deepStrictEqual(again, ["for carol 2"])
    }).pipe(Effect.scoped))

  it.live("is handled by one of two processes of a node, and dropped where its sender is not trusted", () =>
    Effect.gen(function*() {
      const { alice, bob, eve, of, toBob } = yield* world
      const trust = Layer.orDie(AllowListTrust.layer([["alice" as Packet.NodeName, alice.publicKey]]))
      const lines: Array<string> = []
      const [first, second]: [Array<string>, Array<string>] = [[], []]
      const held = yield* Deferred.make<void>()
      for (const texts of [first, second]) {
        const atBob = yield* node("bob", { ...of(bob), trust })
        // Each has one, until both have.
        yield* Effect.provide(
          handling(
            atBob,
            texts,
            () => first.length + second.length === 1 ? Deferred.await(held) : Deferred.succeed(held, undefined)
          ),
          Post.logged(lines)
        )
      }
      yield* (yield* node("eve", of(eve))).post(toBob, "of eve")
      yield* (yield* node("alice", of(eve))).post(toBob, "of eve, as alice")
      const atAlice = yield* node("alice", of(alice))
      for (const text of ["1", "2", "3", "4"]) yield* atAlice.post(toBob, text)
      yield* until("all", () => first.length + second.length === 4)
      assert.deepStrictEqual([...first, ...second].sort(), ["1", "2", "3", "4"])
      assert.isTrue(first.length > 0 && second.length > 0)
      assert.isTrue(lines.some((line) => line.includes("its key is not trusted")))
    }).pipe(Effect.scoped))

  it.live("waits for its time where it is of the future, and is seen among the dead where it is too old", () =>
    Effect.gen(function*() {
      const { alice, bob, of, toBob } = yield* world
      const at = (name: string, of: Post.Of, hours: number, options: Mail.Options = {}) =>
        Effect.gen(function*() {
          const clock = yield* TestClock.make()
          yield* clock.setTime((yield* Clock.currentTimeMillis) + hours * 3_600_000)
          return yield* Effect.provideService(node(name, of, options), Clock.Clock, clock)
        })
      yield* (yield* at("alice", of(alice), 2)).post(toBob, "of the future")
      yield* (yield* at("alice", of(alice), 200)).post(toBob, "of next week")
      yield* (yield* at("alice", of(alice), -200)).post(toBob, "of last week")
      yield* (yield* at("alice", of(alice), 0)).post(toBob, "of now")
      const texts: Array<string> = []
      const atBob = yield* node("bob", of(bob))
      yield* handling(atBob, texts)
      yield* until("that of now", () => texts.includes("of now"))
      assert.deepStrictEqual(texts, ["of now"])
      assert.deepStrictEqual((yield* atBob.dead).map(({ text }) => text), ["of last week"])
    }).pipe(Effect.scoped))

  it.live("goes on when its consumer, its stream, and its server are gone for a while", () =>
    Effect.gen(function*() {
      const { alice, bob, network, of, toBob } = yield* world
      const server = yield* Server.start({ jetstream: true })
      const at = (name: string, of: Post.Of) => Post.mail(name, of, { servers: server.url, reconnectWait: "20 millis" })
      const [atAlice, atBob] = [yield* at("alice", of(alice)), yield* at("bob", of(bob))]
      const texts: Array<string> = []
      yield* handling(atBob, texts)
      const admin = yield* Shared.jetStream(server.url)
      const stream = Mail.streamOf(Subjects.network(network))
      yield* Effect.promise(() => admin.consumers.delete(stream, Subjects.ofKey(bob.publicKey)))
      yield* atAlice.post(toBob, "1")
      yield* until("the first", () => texts.includes("1"))
      // When he asks for the next: what is asked for at the very moment is answered by nobody, which takes some seconds to see.
      yield* Effect.promise(() => admin.consumers.info(stream, Subjects.ofKey(bob.publicKey))).pipe(
        Effect.repeat({ until: ({ num_waiting }) => num_waiting > 0, schedule: Schedule.spaced("5 millis") })
      )
      yield* Effect.promise(() => admin.streams.delete(stream))
      // It is made anew by whoever wants it first.
      yield* atAlice.post(toBob, "2")
      yield* until("the second", () => texts.includes("2"))
      yield* server.stop
      yield* server.restart
      yield* atAlice.post(toBob, "3", { id: "three" }).pipe(Effect.retry({ times: 50 }))
      yield* until("the third", () => texts.includes("3"))
      assert.deepStrictEqual(texts, ["1", "2", "3"])
    }).pipe(Effect.scoped))

  it.live("tells a sender what is not taken: an id that is none, no room in the account, and a smaller max_payload", () =>
    Effect.gen(function*() {
      const { alice, of, toBob } = yield* world
      const config = (most: number) =>
        `max_payload: ${most}\naccounts { A: { jetstream: { max_file: 200000, max_mem: 0 }, users: [{ user: a, password: pw }] } }`
      const server = yield* Server.start({ jetstream: true, config: config(100_000) })
      const atAlice = yield* Post.mail("alice", of(alice), {
        servers: server.url,
        credentials: { user: "a", password: "pw" }
      })
      const kindOf = (effect: ReturnType<Mail.Mail["Service"]["post"]>) =>
        Effect.map(Effect.flip(effect), ({ kind }) => kind)
      for (
        const options of [{ attempts: 0 }, { waiting: 1.5 }, { keptFor: 0 }, { bytes: -1 }, { retryAfter: Infinity }]
      ) {
        const error = yield* Effect.flip(node("alice", of(alice), options))
        assert.include(error.message, Object.keys(options)[0]!)
        assert.strictEqual(error._tag, "OptionsError")
      }
      for (const id of ["", "a b", "x".repeat(65), "ü"]) {
        assert.strictEqual(yield* kindOf(atAlice.post(toBob, "x", { id })), "InvalidId")
      }
      assert.strictEqual(yield* kindOf(atAlice.post(toBob, new Uint8Array(99_000))), "TooLarge")
      yield* atAlice.post(toBob, new Uint8Array(90_000))
      yield* atAlice.post(toBob, new Uint8Array(90_000))
      assert.strictEqual(yield* kindOf(atAlice.post(toBob, new Uint8Array(90_000))), "MailboxFull")
      yield* server.reload(config(50_000))
      yield* kindOf(atAlice.post(toBob, new Uint8Array(90_000))).pipe(
        Effect.repeat({ until: (kind) => kind === "TooLarge", schedule: Schedule.spaced("10 millis") })
      )
    }).pipe(Effect.scoped))
})
