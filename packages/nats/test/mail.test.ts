/** Letters over a real server: to who is not there, handled at least once, doubles dropped, and those that fail put aside. */
import { assert, describe, it } from "@effect/vitest"
import { Crypto } from "@pnet/core"
import type { KeyPair } from "@pnet/core/Crypto"
import * as Server from "@pnet/lab/nats/server"
import { Mail, Subjects } from "@pnet/nats"
import { NodeCrypto } from "@pnet/node"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Post from "./post.ts"
import * as Shared from "./shared.ts"
import { until } from "./world.ts"

describe.skipIf(Server.skipped)("Mail", () => {
  const shared = Shared.server({ jetstream: true })
  beforeAll(shared.begin)
  afterAll(shared.end)

  const world = Post.world("mail")

  /** A node with mail, until the scope closes. */
  const node = (
    name: string,
    network: string,
    identity: KeyPair,
    options: Mail.Options = {},
    servers = shared.url(),
    networkKey?: string
  ) => Post.mail(name, { identity, network, networkKey }, { servers, ...options })

  it.live("comes to who is not there when it is sent, with its id, and is gone when it was handled", () =>
    Effect.gen(function*() {
      const { alice, bob, network, toBob } = yield* world
      const atAlice = yield* node("alice", network, alice)
      const first = yield* atAlice.post(toBob, "hello")
      const second = yield* atAlice.post(toBob, "again", { id: "mine-2" })
      assert.isFalse(first.duplicate)
      assert.strictEqual(second.id, "mine-2")
      // The same id is the same letter.
      assert.isTrue((yield* atAlice.post(toBob, "again", { id: "mine-2" })).duplicate)
      const got: Array<Mail.Letter> = []
      const scope = yield* Scope.make()
      const atBob = yield* Scope.provide(node("bob", network, bob), scope)
      assert.deepStrictEqual([yield* atBob.waiting, yield* atAlice.waiting], [2, 0])
      yield* Scope.provide(atBob.handle((letter) => Effect.sync(() => void got.push(letter))), scope)
      yield* until("two letters", () => got.length === 2)
      assert.deepStrictEqual(
        got.map(({ attempt, from, id, text }) => [id, text, from.name as string, from.publicKey, attempt]),
        [[first.id, "hello", "alice", alice.publicKey, 1], ["mine-2", "again", "alice", alice.publicKey, 1]]
      )
      yield* atBob.waiting.pipe(Effect.repeat({ until: (count) => count === 0 }))
      yield* Scope.close(scope, Exit.void)
      // Bob begins anew, and has nothing to do.
      const later = yield* node("bob", network, bob)
      yield* later.handle((letter) => Effect.sync(() => void got.push(letter)))
      yield* atAlice.post(toBob, "third")
      yield* until("the third", () => got.length === 3)
      assert.strictEqual(got[2]!.text, "third")
    }).pipe(Effect.scoped))

  it.live("is handled again when that failed, while others go on, and put with the dead after so many times", () =>
    Effect.gen(function*() {
      const { alice, bob, network, toBob } = yield* world
      const atAlice = yield* node("alice", network, alice)
      for (const text of ["bad", "once", "good"]) yield* atAlice.post(toBob, text)
      const atBob = yield* node("bob", network, bob, { attempts: 3 })
      const log: Array<string> = []
      yield* atBob.handle(({ attempt, text }) => {
        log.push(`${text} ${attempt}`)
        return text === "bad" || text === "once" && attempt === 1 ? Effect.fail("no") : Effect.void
      })
      yield* until("all", () => log.includes("bad 3") && log.includes("once 2") && log.includes("good 1"))
      assert.strictEqual(log.filter((line) => line.startsWith("bad")).length, 3)
      let dead = yield* atBob.dead
      while (dead.length === 0) dead = yield* atBob.dead
      assert.deepStrictEqual(dead.map(({ text }) => text), ["bad"])
    }).pipe(Effect.scoped))

  it.live("is not handled twice where its acknowledgement was lost", () =>
    Effect.gen(function*() {
      const { alice, bob, network, toBob } = yield* world
      const atAlice = yield* node("alice", network, alice)
      const { id, sequence } = yield* atAlice.post(toBob, "hello")
      const admin = yield* Shared.jetStream(shared.url())
      const letter = yield* Effect.promise(() =>
        admin.streams.getMessage(Mail.streamOf(Subjects.network(network)), { seq: sequence })
      )
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(node("bob", network, bob), scope)
      let handled = 0
      yield* Scope.provide(first.handle(() => Effect.sync(() => void handled++)), scope)
      yield* until("one", () => handled === 1)
      yield* Effect.sleep("50 millis")
      yield* Scope.close(scope, Exit.void)
      // The server gives it anew, as where it never heard that it was handled.
      const client = yield* Shared.client(shared.url())
      yield* Effect.promise(() => client.request(letter!.subject, letter!.data, { timeout: 5_000 }))
      const second = yield* node("bob", network, bob)
      const texts: Array<string> = []
      yield* second.handle(({ text }) => Effect.sync(() => void texts.push(text)))
      yield* atAlice.post(toBob, "next")
      yield* until("the next", () => texts.length > 0)
      assert.deepStrictEqual(texts, ["next"])
      assert.strictEqual(handled, 1)
      assert.isString(id)
    }).pipe(Effect.scoped))

  it.live("is refused where nobody is known by that name, the box is full, it is too long, or nothing is kept", () =>
    Effect.gen(function*() {
      const { alice, network, toBob } = yield* world
      const atAlice = yield* node("alice", network, alice, { waiting: 2 })
      const kindOf = (effect: ReturnType<Mail.Mail["Service"]["post"]>) =>
        Effect.map(Effect.flip(effect), ({ kind }) => kind)
      assert.strictEqual(yield* kindOf(atAlice.post("nobody", "x")), "ReceiverUnknown")
      assert.strictEqual(yield* kindOf(atAlice.post(toBob, new Uint8Array(1_048_576))), "TooLarge")
      yield* atAlice.post(toBob, "1")
      yield* atAlice.post(toBob, "2")
      assert.strictEqual(yield* kindOf(atAlice.post(toBob, "3")), "MailboxFull")
      const plain = yield* Server.start()
      const error = yield* Effect.flip(node("alice", network, alice, {}, plain.url))
      assert.strictEqual(error._tag, "MailboxError")
    }).pipe(Effect.scoped))

  it.live("of a sender without the network key is dropped, and costs those of others nothing", () =>
    Effect.gen(function*() {
      const { alice, bob, network, toBob } = yield* world
      const { networkKey } = yield* Shared.networkKey
      const stranger = yield* node("stranger", network, alice)
      yield* stranger.post(toBob, "from outside")
      const { generateKeyPair } = Context.get(yield* Layer.build(NodeCrypto.layer), Crypto.Crypto)
      const [first, second] = [generateKeyPair(), generateKeyPair()]
      const atBob = yield* node("bob", network, bob, {}, shared.url(), networkKey)
      const texts: Array<string> = []
      yield* (yield* node("carol", network, first, {}, shared.url(), networkKey)).post(toBob, "of carol")
      yield* atBob.handle(({ text }) => Effect.sync(() => void texts.push(text)))
      yield* until("hers", () => texts.length === 1)
      yield* (yield* node("dave", network, second, {}, shared.url(), networkKey)).post(toBob, "of dave")
      yield* until("his", () => texts.length === 2)
      assert.deepStrictEqual(texts, ["of carol", "of dave"])
    }).pipe(Effect.scoped))

  it.live("needs of a user what mailPermissions says, and outlives the server", () =>
    Effect.gen(function*() {
      const { alice, bob, network, toBob } = yield* world
      const user = (name: string, { publicKey }: KeyPair) => {
        const [base, mail] = [Subjects.permissions(network, publicKey), Subjects.mailPermissions(network, publicKey)]
        const permissions = {
          publish: [...base.publish, ...mail.publish],
          subscribe: [...base.subscribe, ...mail.subscribe]
        }
        return `{ user: ${name}, password: pw, permissions: ${JSON.stringify(permissions)} }`
      }
      const server = yield* Server.start({
        jetstream: true,
        config: `accounts { A: { jetstream: enabled, users: [
          ${user("alice", alice)}, ${user("bob", bob)}, { user: admin, password: pw }
        ] } }`
      })
      const as = (name: string): Mail.Options => ({ credentials: { user: name, password: "pw" } })
      // Whoever may make the stream begins.
      yield* Effect.scoped(node("admin", network, alice, as("admin"), server.url))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* (yield* node("alice", network, alice, as("alice"), server.url)).post(toBob, "hello")
      }))
      yield* server.stop
      yield* server.restart
      const atBob = yield* node("bob", network, bob, as("bob"), server.url)
      const texts: Array<string> = []
      yield* atBob.handle(({ text }) => Effect.sync(() => void texts.push(text)))
      yield* until("it", () => texts.length === 1)
      assert.deepStrictEqual(yield* atBob.dead, [])
    }).pipe(Effect.scoped))
})
