/** Peers and how quickly they answer: snapshots, and the screen that they are drawn on. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { DateTime, Effect } from "effect"
import { displayWidth } from "effect/cli/CliOutput"
import { full, local } from "../src/output/moments.ts"
import { frame } from "../src/output/screen.ts"
import type { Shape } from "../src/output/shapes.ts"
import { coloured, uncoloured } from "../src/output/style.ts"
import { views } from "../src/output/views.ts"
import { desk, values } from "./harness/desk.ts"

class Home extends TestNetwork.Service<Home>()("test/cli/top/Home", {
  crypto: NodeCrypto.layer,
  seed: 1,
  nodes: {
    bob: TestNetwork.node({ functions: { add: (_call, a: number, b: number) => a + b } }),
    carol: TestNetwork.node()
  }
}) {}

describe("top", () => {
  it.effect("prints a snapshot at a time where there is no terminal, and ends after so many", () =>
    Effect.gen(function*() {
      const { network, nodes } = yield* Home
      const alice = yield* desk(network, "alice")
      const never = yield* alice.run("top", "--every", "0")
      assert.strictEqual(never.code, 2)
      assert.include(never.stderr, "expected a span of time")
      const { code, stdout } = yield* alice.run("top", "--json", "--count", "3", "--every", "1s")
      assert.strictEqual(code, 0)
      const [first, , third] = values(stdout)
      assert.strictEqual(values(stdout).length, 3)
      assert.deepStrictEqual(first!["peers"].map(({ name }: any) => name), ["bob", "carol"])
      assert.deepInclude(first!, { node: "alice", network: "test", sealed: false })
      const [bob] = third!["peers"]
      assert.deepInclude(bob, { status: "online", asked: 3, lost: 0, functions: 1 })
      assert.isAbove(bob.meanMs, 0)
      assert.isAbove(third!["calls"].out, 0)

      const people = yield* alice.run("top", "--count", "1")
      assert.match(people.stdout, /^alice on test, in clear: 2 peers .*\ncalls .*\nNAME +STATUS +MS +HERE/)
      // Who does not answer is counted, and goes when it is gone.
      const watching = yield* alice.start("top", "--json", "--every", "1s")
      yield* watching.says("carol")
      yield* nodes.carol.kill
      yield* watching.says(/"lost":[1-9]/)
      yield* watching.says(/"peers":\[\{"name":"bob"[^\]]*\]\]?/)
      assert.strictEqual((yield* watching.interrupt).code, 130)
    }).pipe(Effect.scoped, Effect.provide(Home.layer)))

  it.effect("draws on a terminal what it has heard and asked, and leaves the last of so many snapshots there", () =>
    Effect.gen(function*() {
      const { network } = yield* Home
      const alice = yield* desk(network, "alice")
      const { code, stderr, stdout } = yield* alice.runWith({ columns: 100 }, "top", "--count", "1")
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
      const [screen, left] = stdout.split("\u001b[?1049l")
      assert.include(screen!, "no peers are there yet")
      const facts = /: 2 peers [^]*\nNAME +STATUS [^]*bob +online +[\d.]+ [^]*carol +online +[\d.]+ /
      assert.match(screen!, facts)
      assert.match(left!, facts)
      assert.notInclude(left!, "q: quit")
    }).pipe(Effect.scoped, Effect.provide(Home.layer)))
})

describe("the screen", () => {
  const peer = (name: string, more: Partial<Shape<"snapshot">["peers"][number]> = {}) => ({
    name,
    fingerprint: "aaaa-bbbb-cccc-dddd",
    address: "192.168.178.123:51234",
    status: "online" as const,
    hereMs: 3_725_000,
    ms: 12.345,
    meanMs: 8.1,
    asked: 10,
    lost: 0,
    functions: 4,
    roles: [],
    topics: [],
    ...more
  })
  const snapshot = (peers: Shape<"snapshot">["peers"]): Shape<"snapshot"> => ({
    time: "2030-01-02T03:04:05.678Z",
    node: "alice",
    network: "home",
    sealed: true,
    peers,
    calls: { out: 1.5, in: 0, failed: 0, bytesSent: 12_345, bytesReceived: 99 }
  })
  const screen = views.snapshot.screen!
  const there = local(() => DateTime.zoneMakeOffset(-3_600_000), () => 0)

  it("fits every size, says what it has no room for, and draws over what was there", () => {
    const many = snapshot(Array.from({ length: 50 }, (_, i) => peer(`\u65e5\u672c-${i}`, { lost: 3 })))
    for (const [columns, rows] of [[200, 60], [80, 24], [60, 10], [40, 6]] as const) {
      const lines = screen(many, coloured, { columns, rows }, full)
      assert.isAtMost(lines.length, rows)
      assert.isBelow(Math.max(...lines.slice(0, 2).map(displayWidth)), columns)
      if (columns >= 60) assert.isBelow(Math.max(...lines.map(displayWidth)), columns)
      assert.strictEqual(lines.some((line) => line.includes("more")), rows < 50)
    }
    const text = frame(screen(snapshot([peer("bob")]), uncoloured, { columns: 80, rows: 24 }, there), {
      columns: 80,
      rows: 24
    })
    assert.isTrue(text.startsWith("\u001b[Halice on home: 1 peer  02:04:05\u001b[K\r\n"))
    assert.isTrue(text.endsWith("q: quit\u001b[K\u001b[J"))
    assert.strictEqual(text.split("\r\n").length, 24)
    assert.match(text, /bob {3}online {2}12\.3 {2}8\.10 {2}1h02 +4 {2}192/)
  })

  it("says that nobody is there yet, and who does not answer", () => {
    const size = { columns: 80, rows: 24 }
    assert.include(screen(snapshot([]), uncoloured, size, full), "no peers are there yet")
    const { ms: _, ...silent } = peer("bob", { lost: 2 })
    assert.match(screen(snapshot([silent]), uncoloured, size, full).join("\n"), /bob {3}online +- +8\.10 {2}2\/10/)
  })
})
