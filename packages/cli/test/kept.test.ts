/** `mail`, and `publish` and `subscribe` of what is kept, at two machines of a simulated network, with a real NATS server. */
import { assert, describe, it } from "@effect/vitest"
import * as Server from "@pnet/lab/nats/server"
import * as SimNetwork from "@pnet/testing/SimNetwork"
import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll } from "vitest"
import { desk, type How, values } from "./harness/desk.ts"

describe.skipIf(Server.skipped)("what a NATS server keeps", () => {
  const scope = Scope.makeUnsafe()
  let url = ""
  beforeAll(() =>
    Effect.runPromise(Effect.map(Scope.provide(Server.start({ jetstream: true }), scope), (server) => {
      url = server.url
    }))
  )
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  let networks = 0
  const places = Effect.gen(function*() {
    const network = yield* SimNetwork.SimNetwork
    const env = { PNET_NETWORK_ID: `kept-${++networks}`, PNET_NATS_SERVERS: url, PNET_OPEN: "true", PNET_WAIT: "100ms" }
    const at = (name: string) =>
      Effect.map(desk(network, name), (place) => ({
        ...place,
        pnet: (words: string, how: How = {}) =>
          place.runWith({ moment: 0, ...how, env: { ...env, ...how.env } }, ...words.split(" ")),
        begin: (words: string) => place.startWith({ moment: 0, env }, ...words.split(" "))
      }))
    return { alice: yield* at("alice"), bob: yield* at("bob") }
  }).pipe(Effect.provide(SimNetwork.layer({ seed: 1 })))

  it.live("is a letter, for a key that is given or known, which is printed once and is gone", () =>
    Effect.gen(function*() {
      const { alice, bob } = yield* places
      const shown = yield* bob.pnet("mail read --json")
      assert.deepInclude(shown, { code: 0, stdout: "", stderr: "" })
      const key = yield* bob.key("bob")
      const posted = yield* alice.pnet(`mail post bob look here --key=${key} --json --id one`)
      assert.strictEqual(posted.code, 0, posted.stderr)
      assert.deepInclude(values(posted.stdout)[0], { type: "posted", to: "bob", id: "one", duplicate: false })
      assert.include(
        (yield* alice.pnet(`mail post bob look here --key=${key} --id one`)).stdout,
        "was posted before to bob: one"
      )
      yield* alice.pnet(`mail post bob - --key=${key}`, { stdin: Uint8Array.of(255, 0) })
      const read = yield* bob.pnet("mail read --json")
      assert.deepStrictEqual(
        values(read.stdout).map(({ attempt, bytes, from, text, type }) => [type, from, text, bytes, attempt]),
        [["letter", "alice", "look here", undefined, 1], ["letter", "alice", undefined, "/wA=", 1]]
      )
      // The last of them waited until the server had written down that it was handled, and does not any more.
      assert.strictEqual(read.stderr, "")
      assert.strictEqual((yield* bob.pnet("mail read")).stdout, "")
      assert.deepInclude(yield* bob.pnet("mail dead"), { code: 0, stdout: "" })

      // Once, and followed until Ctrl-C; alice has met bob by then.
      const once = yield* bob.begin("mail read --once")
      yield* alice.pnet(`mail post bob first --key=${key}`)
      assert.match((yield* once.end).stdout, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ alice \S+ first\n$/)
      const following = yield* bob.begin("mail read --follow")
      yield* alice.pnet(`mail post bob second --key=${key}`)
      yield* following.says("second")
      assert.strictEqual((yield* following.interrupt).code, 130)
    }).pipe(Effect.scoped))

  it.live("is what was published with --keep, read from a place, and where a position was", () =>
    Effect.gen(function*() {
      const { alice, bob } = yield* places
      const said = yield* alice.pnet("publish n 1 {\"a\":2} three --keep --key k --json")
      assert.strictEqual(said.code, 0, said.stderr)
      assert.deepStrictEqual(values(said.stdout), [{ type: "published", topic: "n", values: 3, peers: [], seq: 3 }])
      assert.include(
        (yield* alice.pnet("publish raw --bytes xyz --keep")).stdout,
        "published 1 value on raw, kept up to number 4"
      )
      const read = (words: string) =>
        Effect.map(bob.pnet(`subscribe ${words} --json`), ({ code, stderr, stdout }) => {
          assert.strictEqual(code, 0, stderr)
          return values(stdout).map(({ bytes, value }) => bytes ?? value)
        })
      assert.deepStrictEqual(yield* read("n --from beginning --no-follow"), [1, { a: 2 }, "three"])
      assert.deepStrictEqual(yield* read("n --from 3 --no-follow"), ["three"])
      assert.deepStrictEqual(yield* read("* --from 1h --no-follow"), [1, { a: 2 }, "three"])
      assert.deepStrictEqual(yield* read("n --from 2999-01-01 --no-follow"), [])
      assert.deepStrictEqual(yield* read("raw --bytes --from beginning --no-follow"), ["eHl6"])
      assert.deepStrictEqual(yield* read("n --position p --count 2"), [1, { a: 2 }])
      assert.deepStrictEqual(yield* read("n --position p --no-follow"), ["three"])
      const following = yield* bob.begin("subscribe n --from new")
      yield* following.says("listening")
      yield* alice.pnet("publish n 4 --keep")
      yield* following.says("alice n 4")
      assert.strictEqual((yield* following.interrupt).code, 130)
    }).pipe(Effect.scoped))

  it.live("says what is wrong before it begins, and where nobody is known or nothing is kept", () =>
    Effect.gen(function*() {
      const { alice } = yield* places
      const key = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo="
      const none = { PNET_NATS_SERVERS: undefined }
      const cases = [
        [2, "none is said", "mail read", none],
        [2, "none is said", "mail post bob hello", none],
        [2, "none is said", "subscribe n --from new", none],
        [2, "none is said", "publish n 1 --keep", none],
        [2, "the NATS server would read", "publish n 1 --keep", { PNET_OPEN: undefined, PNET_ALLOW_LIST: "friends" }],
        [2, "--keep or --retain", "publish n 1 --keep --retain", {}],
        [2, "nothing to post", "mail post bob", {}],
        [2, "words or a file", "mail post bob hello --file x", {}],
        [2, "cannot be read", "mail post bob --file none", {}],
        [2, "no public key", "mail post bob hello --key x", {}],
        [2, "no public key", "mail post bob hello --key=-x", {}],
        [2, "both --follow and --once", "mail read --follow --once", {}],
        [2, "read in full", "subscribe n --from new --latest", {}],
        [2, "--no-follow is for", "subscribe n --no-follow", {}],
        [2, "a time such as 2026-05-01T08:00Z, or so long ago", "subscribe n --from yesterday", {}],
        [2, "without a user at [", "subscribe n --from new", { PNET_NATS_SERVERS: "no:server" }],
        [6, "no firewall is between\n", "subscribe n --from new", { PNET_NATS_SERVERS: "127.0.0.1:1" }],
        [2, "--id \"a/b\" is not 1 to 64 of", `mail post bob hello --id a/b --key=${key}`, {}],
        [3, "no key is known of \"nobody\"", "mail post nobody hello", {}]
      ] as const
      for (const [code, text, words, env] of cases) {
        const ran = yield* alice.pnet(words, { env })
        assert.deepInclude(ran, { code, stdout: "" }, `${words}: ${ran.stderr}`)
        assert.include(ran.stderr, text)
      }
    }).pipe(Effect.scoped))
})
