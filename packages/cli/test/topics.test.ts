/** `publish` and `subscribe`, at two machines of a simulated network. */
import { assert, describe, it } from "@effect/vitest"
import { TofuTrust, Trust } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { Effect, Stream } from "effect"
import { desk, values } from "./harness/desk.ts"

class Home extends TestNetwork.Service<Home>()("test/cli/topics", {
  crypto: NodeCrypto.layer,
  seed: 1,
  trust: Trust.open(TofuTrust.layer()),
  nodes: { bob: TestNetwork.node() }
}) {}

type Desk = Effect.Success<ReturnType<typeof desk>>

const inHome = <A, E, R>(use: (alice: Desk, carol: Desk) => Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const { network } = yield* Home
    return yield* use(yield* desk(network, "alice"), yield* desk(network, "carol"))
  }).pipe(Effect.scoped, Effect.provide(Home.layer))

describe("publish and subscribe", () => {
  it.effect("says values to whoever subscribes, as JSON or text, with what it was told of them", () =>
    inHome(Effect.fnUntraced(function*(alice, carol) {
      const listening = yield* carol.start("subscribe", "build.*")
      const counted = yield* carol.start("subscribe", "build.one", "--json", "--count", "3")
      const said = yield* alice.run(
        "publish",
        "build.one",
        "{\"ok\":true}",
        "it's \u001b[31mred",
        "3",
        "--key",
        "k",
        "--open"
      )
      assert.deepInclude(said, { code: 0, stdout: "published 3 values on build.one, to carol, carol-2\n", stderr: "" })
      const heard = yield* counted.end
      assert.strictEqual(heard.code, 0)
      assert.deepStrictEqual(
        values(heard.stdout).map((
          { from, key, missed, seq, topic, type, value }
        ) => [type, topic, from, key, value, seq, missed]),
        [
          ["publication", "build.one", "alice", "k", { ok: true }, 1, 0],
          ["publication", "build.one", "alice", "k", "it's \u001b[31mred", 2, 0],
          ["publication", "build.one", "alice", "k", 3, 3, 0]
        ]
      )
      const { code, stdout } = yield* listening.interrupt
      assert.strictEqual(code, 130)
      assert.match(stdout, /^1970-01-01T\d\d:\d\d:\d\dZ alice build\.one \[k\] \{"ok":true\}\n/)
      assert.include(stdout, "it's \\u001b[31mred\n")
    })))

  it.effect("publishes each line of its input as it comes, and ends when all of it has come to those who listen", () =>
    inHome(Effect.fnUntraced(function*(alice, carol) {
      const count = 200
      const listening = yield* carol.start(
        "subscribe",
        "lines",
        "--json",
        "--lossless",
        "--size",
        "8",
        "--count",
        `${count}`
      )
      const stdin = Array.from({ length: count }, (_, i) => `{"n":${i},"s":"${i % 2}"}`).join("\n")
      const said = yield* alice.runWith({ stdin }, "publish", "lines", "--key-of", "s", "--open", "--json")
      assert.deepStrictEqual(values(said.stdout), [{
        type: "published",
        topic: "lines",
        values: count,
        peers: ["carol"]
      }])
      const all = values((yield* listening.end).stdout)
      assert.deepStrictEqual(all.map(({ value }) => value.n), Array.from({ length: count }, (_, i) => i))
      assert.isTrue(all.every(({ key, missed, value }) => missed === 0 && key === value.s))
    })))

  it.effect("retains last values for those who subscribe later, until it is interrupted", () =>
    inHome(Effect.fnUntraced(function*(alice, carol) {
      const lines = Stream.make("{\"s\":\"a\",\"c\":1}\n{\"s\":\"b\",\"c\":2}\n", "{\"s\":\"a\",\"c\":3}\n")
      const retaining = yield* alice.startWith(
        { stdin: Stream.encodeText(lines), env: { PNET_OPEN: "true" } },
        "publish",
        "readings",
        "--key-of",
        "s",
        "--retain"
      )
      yield* retaining.says("published 3 values on readings, to nobody")
      const { stdout } = yield* carol.run("subscribe", "readings", "--latest", "--count", "2", "--json")
      assert.deepStrictEqual(
        values(stdout).map(({ key, retained, value }) => [key, value.c, retained]).sort(),
        [["a", 3, true], ["b", 2, true]]
      )
      const none = yield* carol.run("subscribe", "readings", "--no-retained", "--count", "1", "--timeout", "2s")
      assert.deepInclude(none, { code: 7, stdout: "" })
      assert.include(none.stderr, "pnet: 0 of 1 came on \"readings\" until the time was up\n")
      assert.strictEqual((yield* retaining.interrupt).code, 130)
    })))

  it.effect("gives each value to one of a group, and none twice where a member has had its count", () =>
    inHome(Effect.fnUntraced(function*(alice, carol) {
      const member = ["subscribe", "jobs", "--group", "workers", "--json"]
      const one = yield* carol.start(...member, "--count", "2")
      const said = yield* alice.run("publish", "jobs", "1", "2", "--open")
      assert.deepInclude(said, { code: 0, stderr: "" })
      assert.deepStrictEqual(values((yield* one.end).stdout).map(({ value }) => value), [1, 2])

      const two = yield* Effect.forEach(["1", "2"], () => carol.start(...member))
      yield* alice.run("publish", "jobs", "1", "2", "3", "4", "5", "6", "--subscribers", "2", "--open")
      const heard = yield* Effect.forEach(two, ({ interrupt }) => Effect.map(interrupt, ({ stdout }) => values(stdout)))
      assert.deepStrictEqual(heard.flat().map(({ value }) => value).sort(), [1, 2, 3, 4, 5, 6])
      assert.isTrue(heard.every(({ length }) => length > 0))
      assert.isTrue(heard.flat().every(({ redelivered }) => !redelivered))
    })))

  it.effect("writes bytes as they are, and says how many were missed", () =>
    inHome(Effect.fnUntraced(function*(alice, carol) {
      const listening = yield* carol.start("subscribe", "raw", "--bytes", "--count", "1")
      const encoded = yield* carol.start("subscribe", "raw", "--bytes", "--json", "--count", "1")
      yield* alice.runWith({ stdin: "two\nlines\n" }, "publish", "raw", "-", "--bytes", "--open", "--subscribers", "2")
      assert.strictEqual((yield* listening.end).stdout, "two\nlines\n")
      assert.strictEqual(values((yield* encoded.end).stdout)[0]?.["bytes"], "dHdvCmxpbmVzCg==")

      const { bob } = (yield* Home).nodes
      const slow = yield* alice.start("subscribe", "fast", "--size", "2", "--count", "2")
      yield* slow.says("listening")
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 10; i++) yield* bob.node.publish("fast", i)
      assert.match((yield* slow.end).stdout, /^1970-01-01T\d\d:\d\d:\d\dZ bob fast: 8 missed\n.* 8\n.* 9\n$/)
    })))

  it.effect("says what is wrong before it begins, and that nobody listens", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const cases = [
        [2, "would go to everybody", "publish", "news", "1"],
        [2, "no name of a topic", "publish", "news.*", "1", "--open"],
        [
          2,
          "no name of a topic: there is nothing behind its last dot\n  did you mean \"a\"?",
          "publish",
          "a.",
          "1",
          "--open"
        ],
        [
          2,
          "no topic to subscribe to: there is nothing between two of its dots\n  did you mean \"a.b\"? or \"a.*.b\", where * is any one segment\n",
          "subscribe",
          "a..b"
        ],
        [2, "nothing before its first dot\n  > is all topics", "subscribe", "."],
        [2, "expected > as the last segment alone", "subscribe", "a.>.b"],
        [2, "expected * as a whole segment", "subscribe", "a*"],
        [2, "nothing to publish", "publish", "news", "--open"],
        [2, "several values", "publish", "news", "-", "-", "--open"],
        [2, "no field \"id\"", "publish", "news", "7", "--key-of", "id", "--open", "--subscribers", "0"],
        [2, "--lossless", "subscribe", "news", "--latest", "--lossless"],
        [2, "1 to 65536", "subscribe", "news", "--size", "0"],
        [3, "nobody subscribes to \"news\"", "publish", "news", "1", "--open", "--wait", "1s"]
      ] as const
      for (const [code, text, ...words] of cases) {
        const ran = yield* alice.run(...words)
        assert.deepInclude(ran, { code, stdout: "" }, words.join(" "))
        assert.include(ran.stderr, text)
      }
      const large = yield* alice.runWith(
        { stdin: "x".repeat(1_048_577), env: { PNET_OPEN: "true" } },
        "publish",
        "large",
        "-",
        "--bytes",
        "--subscribers",
        "0"
      )
      assert.deepInclude(large, { code: 2, stdout: "" })
    })))

  it.effect("says at the publisher whom it does not grant the topic, and at the subscriber where that is explained", () =>
    inHome(Effect.fnUntraced(function*(alice, carol) {
      const listening = yield* carol.start("subscribe", "news", "--count", "1", "--timeout", "20s", "--json")
      yield* listening.says("listening")
      // A list that grants carol nothing.
      const said = yield* alice.run("publish", "news", "1", "--allow-list", "list", "--wait", "4s")
      assert.deepInclude(said, { code: 3, stdout: "" })
      assert.include(
        said.stderr,
        "pnet: nobody subscribes to \"news\" who may; nothing was published\n" +
          "  grant it to carol: in the allow list with pnet trust allow carol FINGERPRINT --subscribes news, or in its certificate; or say --open, if everybody may\n"
      )
      const { code, stderr, stdout } = yield* listening.end
      assert.deepStrictEqual({ code, stdout }, { code: 7, stdout: "" })
      const [error] = values(stderr.split("\n").slice(1).join("\n"))
      assert.deepInclude(error, {
        message: "0 of 1 came on \"news\" until the time was up",
        see: "pnet why nothing-heard"
      })
    })))
})
