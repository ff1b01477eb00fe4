/**
 * Nodes of today and nodes of yesterday, which are packed in `packages/lab/src/yesterday/peers`, on one network of real sockets: whatever
 * either may ask of the other, asked by both.
 */
import { assert, layer } from "@effect/vitest"
import { freeAdvertisePort } from "@pnet/lab/harness/ports"
import { withChangedEncoder } from "@pnet/lab/worlds/changedEncoder"
import type { Ask, Outcome, Start } from "@pnet/lab/yesterday/orders"
import { today, versions, yesterday } from "@pnet/lab/yesterday/yesterday"
import { Context, Effect, Fiber, Layer, type Scope } from "effect"
import { randomBytes, randomUUID } from "node:crypto"

/** One asks, the other is asked. */
interface Pair {
  readonly title: string
  readonly caller: Ask
  readonly callee: Ask
  /** The caller's node and whom it asks, and the callee's. */
  readonly from: { readonly node: string; readonly peer: string }
  readonly to: { readonly node: string; readonly peer: string }
}

type Options = Partial<Omit<Start, "node" | "name" | "networkId">>

/** The nodes of today are in this process, those of yesterday in one of their own. */
class Both extends Context.Service<Both, { readonly young: Ask; readonly old: Ask }>()("test/Both") {}

let networks = 0

/** Starts a node, until the scope closes. */
const started = (ask: Ask, start: Start) =>
  Effect.acquireRelease(ask("start", start), () => Effect.orDie(ask("stop", { node: start.node })))

/** A node of today and one of yesterday that know each other, as caller and as callee. */
const meet = (
  { ofToday = {}, ofYesterday = {}, ...both }: Options & {
    readonly ofToday?: Options
    readonly ofYesterday?: Options
  } = {}
) =>
  Effect.gen(function*() {
    const { old, young } = yield* Both
    const network = { networkId: `yesterday-${randomUUID()}`, advertisePort: yield* freeAdvertisePort, ...both }
    const node = String(networks++)
    yield* started(young, { ...network, ...ofToday, node, name: "tina" })
    yield* started(old, { ...network, ...ofYesterday, node, name: "yoko" })
    const tina = { node, peer: "yoko" }
    const yoko = { node, peer: "tina" }
    yield* Effect.all([young("await", tina), old("await", yoko)], { concurrency: 2 })
    const pairs: readonly [Pair, Pair] = [
      { title: "today asks yesterday", caller: young, callee: old, from: tina, to: yoko },
      { title: "yesterday asks today", caller: old, callee: young, from: yoko, to: tina }
    ]
    return pairs
  })

const valueOf = (outcome: Outcome, title: string) =>
  "value" in outcome ? outcome.value : assert.fail(`${title}: ${outcome.tag}: ${outcome.message}`)

const failureOf = (outcome: Outcome, title: string) =>
  "value" in outcome ? assert.fail(`${title}: ${JSON.stringify(outcome.value)}`) : outcome

/** What is asked of each by the other. */
const asked = {
  raw: ({ caller, from, title }: Pair) =>
    Effect.gen(function*() {
      const answers = yield* Effect.forEach(
        ["one", "two", ""],
        (text) => caller("raw", { ...from, text }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        answers.map((answer) => valueOf(answer, title)),
        ["one", "two", ""].map((text) => `${from.peer} has ${text}`)
      )
    }),

  streams: ({ callee, caller, from, title, to }: Pair) =>
    Effect.gen(function*() {
      assert.strictEqual(valueOf(yield* caller("request", { ...from, function: "echo", text: "hé" }), title), "hé")
      // More than the credit that a stream begins with, in each direction.
      const much = { ...from, kibibytes: 1_500 }
      const total = yield* Effect.all([caller("numbers", much), caller("numbers", { ...much, send: true })], {
        concurrency: 2
      })
      const sum = Array.from({ length: 1_500 }, (_, i) => i % 251 * 1_024).reduce((a, b) => a + b, 0)
      assert.deepStrictEqual(total.map((each) => valueOf(each, title)), [1_500 * 1_024, sum])
      const refused = failureOf(yield* caller("request", { ...from, function: "refuse", text: "" }), title)
      assert.strictEqual(refused.tag, "RemoteError", refused.message)
      for (const [name, code] of [["fall", "internal"], ["missing", "not_found"]] as const) {
        const failure = failureOf(yield* caller("request", { ...from, function: name, text: "" }), title)
        assert.deepInclude(failure, { tag: "StreamResetError", code }, `${title}: ${failure.message}`)
      }
      assert.deepInclude(
        failureOf(yield* caller("stream", { ...from, protocol: "of tomorrow", name: "x" }), title),
        { tag: "StreamResetError", code: "unsupported" },
        title
      )
      // Who does not know of headers would run the function without them.
      if (from.peer === "yoko") {
        const before = (yield* callee("runs", to)).runs
        const told = yield* caller("request", { ...from, function: "refuse", text: "", headers: { a: "b" } })
        assert.strictEqual(failureOf(told, title).tag, "HeadersUnsupportedError", title)
        assert.deepStrictEqual((yield* callee("runs", to)).runs, before, title)
      }
      assert.deepStrictEqual((yield* callee("sessions", to)).sessions.length, 1, title)
    }),

  commands: ({ caller, from, title, to }: Pair) =>
    Effect.gen(function*() {
      const call = (name: string, args: ReadonlyArray<unknown> = [], more: object = {}) =>
        caller("call", { ...from, function: name, args, ...more })
      const value = (outcome: Outcome) => valueOf(outcome, title)
      assert.strictEqual(value(yield* call("add", [1, 2])), 3)
      const values = [null, true, -0.5, 1e300, "\u0000é", [[]], { "": { a: [null] } }]
      assert.deepStrictEqual(value(yield* call("echo", values)), values)
      assert.deepStrictEqual(value(yield* call("named", [1], { kwargs: { loud: true } })), { loud: true })
      // Who does not know of absent places takes them for null.
      const kinds = value(yield* call("kinds", [1, null, null], { absent: [1] })) as ReadonlyArray<string>
      assert.deepStrictEqual(kinds, ["number", "null", "null"])
      assert.include(value(yield* call("get_funcs")) as ReadonlyArray<string>, "later")
      assert.deepStrictEqual(value(yield* call("get_peers")), [to.peer])
      const [described] = value(yield* call("describe", ["hello"])) as ReadonlyArray<object>
      assert.deepInclude(described, { name: "hello", kind: "rpc" })
      const tagOf = (outcome: Outcome) => failureOf(outcome, title).tag
      assert.strictEqual(tagOf(yield* call("refuse", ["no"])), "RemoteError")
      assert.strictEqual(tagOf(yield* call("fall")), "RemoteDefectError")
      assert.strictEqual(tagOf(yield* call("missing")), "UnknownFunctionError")
      // A typed call by its name.
      assert.strictEqual(value(yield* call("hello", [{ name: "Ann" }])), "Hello, Ann")
    }),

  typed: ({ caller, from, title }: Pair) =>
    Effect.gen(function*() {
      const rpc = (name: string, payload?: unknown, more: object = {}) =>
        caller("rpc", { ...from, rpc: name, payload, ...more })
      const value = (outcome: Outcome) => valueOf(outcome, `${title}: typed`)
      assert.strictEqual(value(yield* rpc("hello", { name: "Ann" })), "Hello, Ann")
      assert.isNull(value(yield* rpc("nothing")))
      assert.strictEqual(value(yield* rpc("find", { path: "abc" })), 3)
      const numbers = Array.from({ length: 100 }, (_, i) => i + 1)
      assert.deepStrictEqual(value(yield* rpc("count", { to: 100 })), numbers)
      assert.deepStrictEqual(value(yield* rpc("count", { to: 1_000_000 }, { take: 40 })), numbers.slice(0, 40))
      const blocks = value(yield* rpc("blocks", { sizes: [3, 0, 70_000] })) as ReadonlyArray<string>
      assert.deepStrictEqual(blocks.map((block) => Buffer.from(block, "base64").length), [3, 0, 70_000])
      for (const [name, payload] of [["find", { path: "" }], ["count", { to: -1 }]] as const) {
        assert.strictEqual(failureOf(yield* rpc(name, payload), title).tag, "NotFound")
      }
      assert.strictEqual(failureOf(yield* rpc("breaks"), title).tag, "RemoteDefectError")
    }),

  // What JSON has as text, and is bytes of a form of their own in the binary one.
  natives: ({ caller, from, title }: Pair) =>
    Effect.gen(function*() {
      const rpc = (name: string, payload: unknown) =>
        Effect.map(caller("rpc", { ...from, rpc: name, payload }), (outcome) => valueOf(outcome, title))
      // The second knows what the first has found out.
      for (const second of ["00", "01"]) {
        assert.strictEqual(
          yield* rpc("later", { at: `2026-01-01T00:00:${second}.000Z` }),
          `2026-01-01T00:00:${second === "00" ? "01" : "02"}.000Z`
        )
        const all = {
          wait: { _tag: "Nanos", value: "1500000000" },
          big: "36893488147419103232",
          maybe: { _tag: "Some", value: 7 }
        }
        assert.deepStrictEqual(yield* rpc("natives", all), all)
      }
    }),

  fields: ({ caller, from, title }: Pair) =>
    Effect.gen(function*() {
      for (const payload of [{ name: "Ann" }, { name: "Ann", nick: "A" }]) {
        const outcome = yield* caller("rpc", { ...from, rpc: "profile", payload })
        assert.deepStrictEqual(valueOf(outcome, title), { name: "Ann" })
      }
    }),

  // Typed calls as lines of JSON: nodes of today have them, and those of yesterday say that they have not.
  json: ({ caller, from, title }: Pair) =>
    Effect.gen(function*() {
      const outcome = yield* caller("stream", { ...from, protocol: "rpc-json", name: "nothing" })
      const code = from.peer === "yoko" ? "unsupported" : "internal"
      assert.deepInclude(failureOf(outcome, title), { tag: "StreamResetError", code }, title)
    }),

  // A date on one side, a text on the other.
  kinds: ({ callee, caller, from, title, to }: Pair) =>
    Effect.gen(function*() {
      const before = (yield* callee("runs", to)).runs
      const payload = { at: "2026-01-01T00:00:00.000Z" }
      const failure = failureOf(yield* caller("rpc", { ...from, rpc: "when", payload }), title)
      assert.strictEqual(failure.tag, "ContractError", failure.message)
      assert.deepStrictEqual((yield* callee("runs", to)).runs, before)
    }),

  // Whose values are JSON since.
  swelling: ({ callee, caller, from, title, to }: Pair) =>
    Effect.gen(function*() {
      const tree = { name: "a", children: [{ name: "b", children: [] }] }
      const calls = [["tree", { tree }, { ...tree, name: "a!" }], ["nothings", { list: [null, null] }, 2]] as const
      for (const [name, payload, result] of calls) {
        const before = (yield* callee("runs", to)).runs
        const failure = failureOf(yield* caller("rpc", { ...from, rpc: name, payload }), title)
        assert.strictEqual(failure.tag, "ContractError", failure.message)
        assert.deepStrictEqual((yield* callee("runs", to)).runs, before)
        // By its name, which is JSON on both sides, it can be called.
        const outcome = yield* caller("call", { ...from, function: name, args: [payload] })
        assert.deepStrictEqual(valueOf(outcome, title), result)
      }
    })
}

for (const version of versions) {
  const both = Layer.effect(Both, Effect.all({ young: today, old: yesterday(version) }))
  layer(both, { excludeTestServices: true })(`a node of today and one of ${version}`, (it) => {
    const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope | Both>) => it.effect(title, () => body)

    for (const key of [undefined, randomBytes(32).toString("base64url") + "="]) {
      const where = key === undefined ? "on a network in clear" : "on a network with a key"
      test(
        `find each other, and each answers what the other asks, ${where}`,
        Effect.gen(function*() {
          const pairs = yield* meet(key === undefined ? {} : { networkKey: key })
          for (const pair of pairs) {
            for (const ask of Object.values(asked)) yield* ask(pair)
          }
        })
      )
    }

    for (const framings of [["text", "binary"], ["binary", "text"]] as const) {
      test(
        `talk in text where one of them has no binary records: ${framings.join(" and ")}`,
        Effect.gen(function*() {
          const pairs = yield* meet({
            ofToday: { framing: framings[0] },
            ofYesterday: { framing: framings[1] }
          })
          for (const pair of pairs) {
            yield* asked.commands(pair)
            const { sessions } = yield* pair.caller("sessions", pair.from)
            assert.deepStrictEqual(sessions.map(({ binary }) => binary), [false])
          }
        })
      )
    }

    test(
      "read no bytes of each other as what nobody wrote where the node of today has another encoder",
      Effect.gen(function*() {
        const pairs = yield* withChangedEncoder(meet())
        const calls = [["hello", { name: "Ann" }], ["find", { path: "abcd" }], ["count", { to: 4 }]] as const
        for (const [rpc, payload] of calls) {
          for (const { callee, caller, from, title, to } of pairs) {
            const before = (yield* callee("runs", to)).runs
            // Twice: it has been told the hash of the other.
            for (let i = 0; i < 2; i++) {
              const failure = failureOf(yield* withChangedEncoder(caller("rpc", { ...from, rpc, payload })), title)
              assert.include(["ContractError", "UnknownFunctionError"], failure.tag, `${title}: ${failure.message}`)
            }
            assert.deepStrictEqual((yield* callee("runs", to)).runs, before, title)
          }
        }
      })
    )

    test(
      "find each other by an address, without adverts on the LAN",
      Effect.gen(function*() {
        const { old, young } = yield* Both
        const networkId = `yesterday-${randomUUID()}`
        const find = (first: Ask, second: Ask) =>
          Effect.gen(function*() {
            // Each tells a port of its own.
            const listed = { node: "listed", name: "listed", networkId, advertisePort: yield* freeAdvertisePort }
            const { port } = yield* started(first, listed)
            const advertisePort = yield* freeAdvertisePort
            const peers = [`127.0.0.1:${port}`]
            yield* started(second, { node: "asking", name: "asking", networkId, advertisePort, peers })
            const from = { node: "asking", peer: "listed" }
            yield* second("await", from)
            assert.strictEqual(valueOf(yield* second("raw", { ...from, text: "hi" }), "raw"), "listed has hi")
            assert.strictEqual(valueOf(yield* second("call", { ...from, function: "add", args: [1, 2] }), "add"), 3)
          })
        yield* Effect.scoped(find(young, old))
        yield* Effect.scoped(find(old, young))
      })
    )

    test(
      "stay with each other where the node of today is in a crowd, and says its advert too seldom for the other",
      Effect.gen(function*() {
        // A budget of one a second: with two nodes one every two seconds, five times as seldom as the other does.
        const pairs = yield* meet({ broadcastInterval: "400 millis", ofToday: { broadcastBudget: 1 } })
        const held = yield* Effect.forEach(
          pairs,
          ({ caller, from }) => Effect.forkChild(caller("request", { ...from, function: "hold", text: "" }))
        )
        for (const { callee, to } of pairs) yield* callee("held", to)
        // In which the other would have lost it, if it did not ask.
        yield* Effect.sleep("5 seconds")
        for (const [i, { caller, from, title, to }] of pairs.entries()) {
          assert.isUndefined(held[i]!.pollUnsafe(), title)
          assert.deepStrictEqual(
            valueOf(yield* caller("call", { ...from, function: "get_peers", args: [] }), title),
            [to.peer]
          )
          yield* asked.raw(pairs[i]!)
        }
      })
    )

    test(
      "interrupt what the other does for them when its time is up, or nobody wants it any more",
      Effect.gen(function*() {
        const pairs = yield* meet()
        const giveUp = ({ callee, caller, from, title, to }: Pair) =>
          Effect.gen(function*() {
            const [command, typed] = yield* Effect.all([
              caller("call", { ...from, function: "hold", timeout: "1 second" }),
              caller("rpc", { ...from, rpc: "forever", timeout: "1 second" })
            ], { concurrency: 2 })
            assert.strictEqual(failureOf(command, title).tag, "DeadlineError")
            assert.strictEqual(failureOf(typed, title).tag, "Timeout")
            yield* callee("interrupted", { ...to, times: 2 })
          })
        yield* Effect.all(pairs.map(giveUp), { concurrency: 2, discard: true })
      })
    )

    test(
      "renew their session, and what is open goes on in the old one",
      Effect.gen(function*() {
        const renew = (whose: 0 | 1) =>
          Effect.gen(function*() {
            const pairs = yield* meet({ limits: { sessionAge: "1500 millis" } })
            const { callee, caller, from, title, to } = pairs[whose]
            const held = yield* Effect.forkChild(caller("request", { ...from, function: "hold", text: "" }))
            yield* callee("held", to)
            const reading = yield* Effect.forkChild(caller("numbers", { ...from, kibibytes: 80, pause: 25 }))
            // The old one stays as long as something in it is open.
            const renewed = Effect.map(caller("sessions", from), ({ sessions }) => {
              assert.isTrue(sessions.every(({ dialled }) => dialled), title)
              return sessions.some(({ draining }) => draining) && sessions.some(({ draining }) => !draining)
            })
            yield* Effect.repeat(Effect.delay(renewed, "50 millis"), { until: (is) => is })
            const echoed = yield* caller("request", { ...from, function: "echo", text: "new" })
            assert.strictEqual(valueOf(echoed, title), "new")
            assert.strictEqual(valueOf(yield* Fiber.join(reading), title), 80 * 1_024)
            assert.isUndefined(held.pollUnsafe(), title)
          })
        yield* Effect.all([renew(0), renew(1)], { concurrency: 2, discard: true })
      })
    )

    for (const whose of ["today", "yesterday"] as const) {
      test(
        `a node of ${whose} that closes says so, and nobody waits for it`,
        Effect.gen(function*() {
          const pairs = yield* meet()
          const { callee, caller, from, title, to } = pairs[whose === "yesterday" ? 0 : 1]
          const work = yield* Effect.forkChild(caller("request", { ...from, function: "hold", text: "" }))
          yield* callee("held", to)
          yield* callee("stop", to)
          const failure = failureOf(yield* Fiber.join(work), title)
          assert.include(["StreamResetError", "PeerLostError"], failure.tag, failure.message)
          if (failure.tag === "StreamResetError") assert.strictEqual(failure.code, "going_away")
          yield* caller("gone", from)
          assert.strictEqual(
            failureOf(yield* caller("request", { ...from, function: "echo", text: "" }), title).tag,
            "PeerUnknownError"
          )
        })
      )
    }
  })
}
