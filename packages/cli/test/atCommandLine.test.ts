/** What the library says is said with the words of the command. Its texts are read where they are written, so that none is left out. */
import { assert, describe, it } from "@effect/vitest"
import * as Finding from "@pnet/core/Finding"
import * as NodeOptions from "@pnet/core/NodeOptions"
import { TopicLimitError } from "@pnet/core/Topic"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { atCommandLine } from "../src/atCommandLine.ts"

/** Texts of a source of some words, a line each: without comments, and without what is computed in them. */
const textsOf = (source: string): ReadonlyArray<string> =>
  source.replaceAll(/\/\*[^]*?\*\//g, "").split("\n").flatMap((line) =>
    /^\s*(?:\/\/|import|export \*)/.test(line)
      ? []
      : line.replaceAll(/\$\{[^{}]*\}/g, "…").match(/"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`?/g) ?? []
  ).map((text) => text.slice(1, -1)).filter((text) => /[a-z,;:] [a-z]/.test(text))

const packages = fileURLToPath(new URL("../..", import.meta.url))
const texts = ["core", "node", "nats", "files"].flatMap((name) => {
  const folder = join(packages, name, "src")
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"))
    .flatMap((path) => textsOf(readFileSync(join(folder, path), "utf8")))
})

describe("what the library says", () => {
  it("names no option at a command line, and no function that pnet has a flag or a command for", () => {
    // `peers` and `name` are words, too.
    const options = Object.keys(NodeOptions.NodeOptions.fields).filter((name) =>
      /[A-Z]/.test(name) && name !== "broadcastInterval"
    )
    assert.includeMembers(options, ["networkId", "bindIp", "serverPort", "advertisePort"])
    const named = new RegExp(
      `\\b(?:${
        options.join("|")
      })\\b|\\b(?:in|which) peers\\b(?! (?:of|that))|(?<!-)\\bpeers is\\b|\\blimits\\.[a-z]|\\bpeers\\.[a-z]|\\b(?:Trust|TofuTrust|AllowListTrust|NodeIdentity)\\.[a-z]|@pnet/core/docs`
    )
    assert.isAbove(texts.filter((text) => named.test(text)).length, 30)
    assert.deepStrictEqual(texts.map(atCommandLine).filter((text) => named.test(text)), [])
  })

  it("says what there is to do about a bound that has no flag", () => {
    const said = [
      ...(["unprovedPerAddress", "unprovedPerOwnAddress", "unprovedPeers"] as const).map((limit) =>
        new Finding.PeersHidden({ address: "10.0.0.2", heard: 9, limit, bound: 8 }).remedy
      ),
      ...(["topics", "subscriptions"] as const).map((limit) => new TopicLimitError({ topic: "news", limit }).message)
    ].map(atCommandLine)
    assert.deepStrictEqual(said, [
      "list the nodes that are meant in --peers",
      "end nodes there that are not needed",
      "take a --network of fewer nodes",
      "nothing was published on \"news\": this node retains values on as many topics as it may; retract some",
      "\"news\" is not subscribed to: this node has as many subscriptions as it may; share one of a pattern"
    ])
  })

  it("keeps names and what was given, which stand in quotes, as they are", () => {
    assert.strictEqual(
      atCommandLine(
        "no peer called \"bindIp\" is known; correct the port in peers: \"a \\\" serverPort\", and the serverPort"
      ),
      "no peer called \"bindIp\" is known; correct the port in --peers: \"a \\\" serverPort\", and the --port"
    )
  })
})
