/** What messages point to is there for whoever has the command alone. */
import { assert, describe, it } from "@effect/vitest"
import * as Why from "@pnet/core/Why"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { displayWidth } from "effect/cli/CliOutput"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { explanations, find, spoken } from "../src/explanations.ts"
import { desk, values } from "./harness/desk.ts"

class Home extends TestNetwork.Service<Home>()("test/cli/Why", {
  crypto: NodeCrypto.layer,
  seed: 5,
  nodes: { bob: TestNetwork.node() }
}) {}

describe("why", () => {
  it("has a section for everything that messages point to, with a question and an answer in plain text", () => {
    const all = explanations()
    assert.deepStrictEqual(all.map(({ topic }) => topic).sort(), [...Why.anchors].sort())
    for (const { text, title, topic } of all) {
      assert.match(title, /^Why can't I .*\?$/, topic)
      assert.isAbove(text.length, 100, topic)
      assert.notMatch(text, /\]\(|\*\*|<a id|`|^\|/m, topic)
      // A command of its own is said, and none that it has not.
      assert.notMatch(text, /\bdiagnose\b/, topic)
      // So are its flags and commands, in the place of what programs have.
      assert.notMatch(
        text,
        /bindIp|networkId|serverPort|advertisePort|networkKey|resolveConflict|awaitPeer|get_funcs|Trust\.|NodePnet\.layerKeys\)|\b(?:node|peers?|offer|limits|authority)\.[a-z]+[A-Z(]|\blimits\.|\bpeers\.[a-z]|\b(?:notGranted|waitedFor|pending|obstacles|sharedBy|issue|waited) (?:and|is|are|has|says|of)\b|The obstacle/,
        topic
      )
      // Every topic that it sends to is one.
      for (const [, other] of text.matchAll(/\(pnet why ([a-z-]+)\)/g)) {
        assert.strictEqual(find(all, [other!]).length, 1)
      }
    }
  })

  it("speaks of flags and commands, where the page speaks of options and functions", () => {
    const answers = new Map(explanations().map(({ text, topic }) => [topic, text]))
    const says = (topic: string, ...texts: ReadonlyArray<string>) => {
      for (const text of texts) assert.include(answers.get(topic), text)
    }
    says(
      "peer-unknown",
      "--bind at loopback (by default that of a program, and not that of pnet), another --network or network key",
      "The message has names that are"
    )
    says("name-shared", "say which it is with pnet trust resolve,", "the event conflict of pnet peers --watch")
    says("nobody-offers", "See it: pnet peers --offers, which is what counts;")
    says(
      "unknown-function",
      "- See it: pnet functions bob lists those for values.",
      "in the way that it takes: pnet call for values, pnet pipe for bytes;"
    )
    says("nobody-there", "See it: pnet peers --offers. The message names those")
    says("deadline", "(--timeout)")
    says("topic-limit", "as many as it may.")
    says("cannot-connect", "\n\n- Refused: nothing listens there: ", "\n- Timeout: ")
    says("invalid-publication", "The message has which.")
  })

  it("has something in the place of nothing that the page does not have", () => {
    const page = readFileSync(new URL("../../../docs/why-cant-i.md", import.meta.url), "utf8").replaceAll(
      /\n(?=\S)/g,
      " "
    )
    const unlinked = page.replaceAll(/\[([^\]]+)\]\([^)]*\)/g, "$1")
    const unused = spoken.filter(([inPrograms]) =>
      typeof inPrograms === "string"
        ? !unlinked.includes(inPrograms)
        : !new RegExp(inPrograms.source.replace(/^\^/, ""), inPrograms.flags).test(unlinked)
    )
    assert.deepStrictEqual(unused, [])
  })

  it.effect("explains what an error says that it explains, finds words, and lists what there is", () =>
    Effect.gen(function*() {
      const alice = yield* desk((yield* Home).network, "alice")
      const failed = values((yield* alice.run("call", "dave", "x", "--wait", "1s", "--json")).stderr)[0]!
      assert.strictEqual(failed["see"], "pnet why peer-unknown")
      assert.include(
        (yield* alice.run("call", "dave", "x", "--wait", "1s")).stderr,
        "\n  more: pnet why peer-unknown\n"
      )
      const shown = yield* alice.runWith({ columns: 60 }, "why", "peer-unknown")
      assert.deepInclude(shown, { code: 0, stderr: "" })
      assert.match(shown.stdout, /^Why can't I find a peer by its name\?\n\n.*PeerUnknownError/)
      // A word that is longer than the line has one of its own.
      for (const line of shown.stdout.split("\n")) {
        if (line.trim().includes(" ")) assert.isAtMost(displayWidth(line), 60)
      }
      assert.deepInclude(values((yield* alice.run("why", "peer", "unknown", "--json")).stdout)[0], {
        type: "explanation",
        topic: "peer-unknown"
      })
      assert.include((yield* alice.run("why", "firewall")).stdout, "peer-unknown")
      assert.strictEqual(values((yield* alice.run("why", "--json")).stdout).length, Why.anchors.length)
      const none = yield* alice.run("why", "peer-unknwon")
      assert.strictEqual(none.code, 3)
      assert.include(none.stderr, "did you mean \"peer-unknown\"?")
    }).pipe(Effect.scoped, Effect.provide(Home.layer)))
})
