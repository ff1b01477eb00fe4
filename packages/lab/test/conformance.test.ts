/** The conformance kit: our own nodes pass it, and what a peer does otherwise is found. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Core from "@pnet/core"
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { all } from "../src/conformance/checks.ts"
import { conformance } from "../src/conformance/command.ts"
import { look, lookHere, standHere } from "../src/conformance/own.ts"
import { deviations, withoutRpc } from "../src/conformance/planted.ts"
import { isFound, lookAtPlanted, planted } from "../src/conformance/planting.ts"
import { lines } from "../src/conformance/report.ts"
import type { Done } from "../src/conformance/run.ts"
import { lookAtStub } from "../src/conformance/stubs.ts"
import { rules } from "../src/conformance/text.ts"
import * as VirtualTime from "../src/worlds/virtualTime.ts"

const networkKey = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1-f4A="

/** What the peer itself gave no occasion to look at, and why. */
const leftOut = (done: ReadonlyArray<Done>) =>
  done.flatMap(({ check, outcome }) =>
    outcome._tag === "LeftOut" && outcome.why.startsWith("the peer ") ? [`${check.rule}: ${outcome.why}`] : []
  )

/** That all passed, and none that it could do was left out. */
const assertPassed = (done: ReadonlyArray<Done>) => {
  assert.deepStrictEqual(lines(done).slice(0, -1), [])
  assert.deepStrictEqual(leftOut(done), [])
  assert.isAbove(done.filter(({ outcome }) => outcome._tag === "Passed").length, 100)
}

describe("our own nodes keep to the text", () => {
  // Each kind has what those before it have, and an AdvancedNode is what a CommandNode is made on.
  for (const [kind, key] of [["BasicNode", undefined], ["CommandNode", networkKey]] as const) {
    it.live(`a ${kind} ${key === undefined ? "on a network in clear" : "with a network key"}`, () =>
      Effect.map(
        // What takes an hour is the same for all of them.
        VirtualTime.within(
          look({
            nodes: Core,
            kind,
            networkKey: key,
            patience: kind === "CommandNode" ? 3_700 : 400
          })
        ),
        assertPassed
      ))
  }

  it.live("a CommandNode on a network in clear, in binary records: it is looked at as text below", () =>
    Effect.map(
      VirtualTime.within(look({
        nodes: Core,
        kind: "CommandNode",
        patience: 400,
        only: ["hello", "handshake", "session", "record", "stream", "credit", "metadata"]
      })),
      (done) => {
        assert.deepStrictEqual(lines(done).slice(0, -1), [])
        assert.deepStrictEqual(leftOut(done), [])
        assert.isAbove(done.filter(({ outcome }) => outcome._tag === "Passed").length, 30)
      }
    ))

  it.live(
    "a CommandNode on real sockets",
    // Datagrams wait for each other, topics are looked at alone, and both above.
    () =>
      Effect.map(
        lookHere({
          checks: all.filter(({ rule }) =>
            ["udp-answer", "topic-seq"].includes(rule) || !/^(udp|crowd|token|topic)-/.test(rule)
          ),
          nodes: Core,
          kind: "CommandNode",
          networkKey
        }),
        assertPassed
      ),
    120_000
  )
})

describe("what a peer need not have", () => {
  // As somebody else's: by its function of orders, and with one port that the kit listens on.
  const asStranger = { asked: true, listen: 4_999 }

  it.live("is left out where it offers no binary records, and the rest is looked at as text", () =>
    Effect.map(
      VirtualTime.within(look({ nodes: Core, kind: "CommandNode", framing: "text", patience: 20, ...asStranger })),
      (done) => {
        assert.deepStrictEqual(lines(done).slice(0, -1), [])
        assert.deepStrictEqual(
          [...new Set(leftOut(done))],
          ["session-nonce", "session-message", "session-flags", "record-length", "record-framing"].map((rule) =>
            `${rule}: the peer offers no binary records`
          )
        )
      }
    ))

  it.live("is left out where it serves no rpc, and the same by rpc-json is looked at", () =>
    Effect.map(lookAtPlanted(withoutRpc, { ...asStranger, only: ["typed", "contract", "json-call"] }), (done) => {
      assert.deepStrictEqual(lines(done).slice(0, -1), [])
      assert.sameMembers(
        leftOut(done),
        ["contract-hash", "typed-not-found", "typed-version", "contract-mismatch", "contract-mismatch-stream"].map(
          (rule) => `${rule}: the peer serves no rpc`
        )
      )
    }))
})

describe("what one check says by UDP", () => {
  it.live("leaves an answer for another, however many there are at a time", () =>
    Effect.map(
      VirtualTime.within(
        look({
          nodes: Core,
          kind: "AdvancedNode",
          concurrency: 8,
          only: ["raw-answer", "handshake-client", "udp-answer"]
        })
      ),
      (done) => assert.deepStrictEqual(lines(done).slice(0, -1), [])
    ))

  it.live("is no reason for a silence that another takes for right", () => {
    const deviation = deviations.find(({ rule }) => rule === "udp-source")!
    return Effect.map(
      // The first takes all answers that there are in a second.
      lookAtPlanted(deviation, { only: ["udp-answer-rate", deviation.rule] }),
      (done) => assert.isTrue(isFound(deviation, done))
    )
  })
})

describe("pnpm lab conformance", () => {
  const command = (line = "") =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const log = (...parts: ReadonlyArray<unknown>) => void lines.push(parts.join(" "))
      const exit = yield* Effect.exit(
        Effect.provideService(
          Effect.provide(
            Command.runWith(conformance, { version: "0.1.0" })(line === "" ? [] : line.split(" ")),
            NodeServices.layer
          ),
          Console.Console,
          { ...console, log, error: log }
        )
      )
      return { lines, well: exit._tag === "Success" }
    })

  it.live("looks at a peer by its address and key, and has it dial the kit by orders", () =>
    Effect.gen(function*() {
      const { lan, subject } = yield* standHere({ nodes: Core, kind: "AdvancedNode", networkKey })
      const { lines, well } = yield* command(
        `--peer 127.0.0.1:${subject.endpoint.port} --key=${subject.key} --network-id ${subject.networkId} ` +
          `--network-key=${networkKey} --lan ${lan.host}:${lan.port} --orders --pins --fresh --level sessions --patience 1 ` +
          "--only raw-answer --only raw-stamp-start --only handshake-client --only handshake-initiate-trust " +
          "--only stream-answered --only stream-after-end"
      )
      assert.deepStrictEqual(lines.slice(0, -1), [])
      assert.match(lines.at(-1)!, /^\d+ checks of \d+ rules: (\d+) passed, 0 failed, 0 left out$/)
      assert.isTrue(well)
    }).pipe(Effect.scoped))

  it.live("says of each failure the section, the rule, what was sent, expected and came, and ends with 1", () =>
    Effect.gen(function*() {
      // Another key than it has: nothing opens.
      const { subject } = yield* standHere({ nodes: Core, kind: "BasicNode", networkKey: undefined })
      const key = `${Buffer.alloc(32, 9).toString("base64url")}=`
      const { lines, well } = yield* command(
        `--peer 127.0.0.1:${subject.endpoint.port} --key=${key} --network-id ${subject.networkId} --level raw --only raw-nonce`
      )
      assert.match(
        lines[0]!,
        /^FAILED section 3, r-raw-nonce: the random part .*: sent a RAW request .*; expected a packet rsp; came .*ERR_NODE_DECRYPTION_FAILED/
      )
      assert.include(lines.at(-1), "0 passed, 1 failed, 0 left out")
      assert.isFalse(well)
    }).pipe(Effect.scoped))

  it.live("says how there is what was missing", () =>
    Effect.gen(function*() {
      const { subject } = yield* standHere({ nodes: Core, kind: "BasicNode", networkKey: undefined })
      const { lines } = yield* command(
        `--peer 127.0.0.1:${subject.endpoint.port} --key=${subject.key} --network-id ${subject.networkId} --level raw ` +
          "--patience 1 --only raw-stamp-start --only raw-answer --only udp-answer --only err-busy"
      )
      for (const reason of ["a fresh start (--fresh)", "orders (--orders)", "a LAN (--lan)", "2 s (--patience 2)"]) {
        assert.include(lines.at(-1), reason)
      }
    }).pipe(Effect.scoped))

  it.live("has to be told whom to look at", () =>
    Effect.map(command(), ({ lines, well }) => {
      assert.include(lines[0], "--peer HOST:PORT and --key=KEY")
      assert.isFalse(well)
    }))
})

describe("a deviation is found, and reported with its section and its rule", () => {
  // Two of five, of all areas alike; all of them are `pnpm lab conformance --planted`'s.
  const some = deviations.filter((_, at) => at % 5 < 2)

  for (const deviation of some) {
    it.live(`${deviation.rule}: a node that ${deviation.does}`, () =>
      Effect.gen(function*() {
        // By the checks of the rule alone, which take the least time; `--planted` is by all of them.
        const done = yield* lookAtPlanted(deviation, { only: [deviation.rule] })
        assert.isTrue(isFound(deviation, done))
        const section = rules().get(deviation.rule)
        assert.isTrue(lines(done).some((line) => line.startsWith(`FAILED section ${section}, r-${deviation.rule}: `)))
      }))
  }

  it("of twenty rules and more, one each", () => {
    assert.isAtLeast(new Set(some.map(({ rule }) => rule)).size, 20)
  })

  it("and the others, which `--planted` looks for, can be planted", () => {
    for (const deviation of deviations) assert.include(planted(deviation), deviation.replace, deviation.rule)
  })
})

describe("the checks", () => {
  for (const name of ["silent", "closing", "busy", "mirroring"] as const) {
    it.live(`all fail at a peer that is ${name}`, () =>
      Effect.map(VirtualTime.within(lookAtStub(name, all)), (done) => {
        const passed = done.filter(({ outcome }) => outcome._tag === "Passed")
        assert.deepStrictEqual(passed.map(({ check }) => `${check.rule}: ${check.title}`), [])
        assert.isAbove(done.filter(({ outcome }) => outcome._tag === "Failed").length, 300)
      }))
  }

  it("have titles of their own", () => {
    const titles = all.map(({ rule, title }) => `${rule}: ${title}`)
    assert.strictEqual(new Set(titles).size, titles.length)
  })
})
