/** Completions: which names are kept, and what is offered where. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import * as Completions from "effect/cli/Completions"
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { candidates, places, switches } from "../src/complete/candidates.ts"
import { script } from "../src/complete/script.ts"
import { isPlain, merge, read } from "../src/complete/seen.ts"
import { tree } from "../src/tree.ts"
import { desk } from "./harness/desk.ts"

const met = (names: Record<string, ReadonlyArray<string>>) => new Map(Object.entries(names))
const nobody = read(undefined)
const seen = merge(
  merge(nobody, "office", met({ printer: ["print"] }), 1),
  "home",
  met({ bob: ["add", "upper"], bert: [], carol: ["add", "sub"] }),
  2
)
const offered = (line: string, network?: string) => candidates(line.split(" "), seen, network)

describe("what may stand where somebody types", () => {
  it("is a peer behind a command that takes one, and a function of that peer behind it", () => {
    assert.deepStrictEqual(offered("call b"), ["bert", "bob"])
    assert.deepStrictEqual(offered("call bob "), ["add", "upper"])
    assert.deepStrictEqual(offered("call bob,carol a"), ["add"])
    assert.deepStrictEqual(offered("call * "), ["add", "sub", "upper"])
    assert.deepStrictEqual(offered("call bob add "), [])
    assert.deepStrictEqual(offered("call bob,b"), ["bob,bert"])
    assert.deepStrictEqual(offered("functions bob add u"), ["upper"])
    assert.deepStrictEqual(offered("trust revoke c"), ["carol"])
    for (const line of ["", "c", "call -", "peers ", "key show b", "trust b", "config b"]) {
      assert.deepStrictEqual(offered(line), [], line)
    }
  })

  it("takes no flag, and no value of one, for a name, and goes by the network that is asked for", () => {
    assert.deepStrictEqual(offered("--json call --wait 5s --timeout=3s bob u"), ["upper"])
    assert.deepStrictEqual(offered("call --wait = 5s bob u"), ["upper"])
    assert.deepStrictEqual(offered("call --wait b"), [])
    assert.deepStrictEqual(offered("call --network office p"), ["printer"])
    assert.deepStrictEqual(offered("call --network=office p"), ["printer"])
    assert.deepStrictEqual(offered("call p", "office"), ["printer"])
    assert.deepStrictEqual(offered("call p", "__proto__"), [])
  })

  it("knows the flags without values and the commands that there are", () => {
    const known = new Set<string>()
    const paths = new Set<string>()
    const look = (command: Completions.CommandDescriptor, path: ReadonlyArray<string>): void => {
      paths.add(path.join(" "))
      // Whether a flag has a value matters where names stand behind it.
      const matters = path.length === 0 || Object.hasOwn(places, path.join(" "))
      for (const { name, type } of command.flags) {
        const isSwitch = type._tag === "Boolean"
        if (matters) assert.strictEqual(switches.has(name), isSwitch, `--${name}, in complete/candidates.ts`)
        if (isSwitch) known.add(name)
      }
      for (const one of command.subcommands) look(one, [...path, one.name])
    }
    look(Completions.fromCommand(tree), [])
    // What effect/cli has besides, and those of commands of other packages.
    for (const name of ["help", "version", "wizard"]) known.add(name)
    assert.deepStrictEqual([...switches].filter((name) => !known.has(name)), [])
    const aliases = new Set(["fns", "send"])
    assert.deepStrictEqual(Object.keys(places).filter((path) => !paths.has(path) && !aliases.has(path)), [])
  })
})

describe("what is kept of peers", () => {
  it("are names that no shell reads anything into, and not too many", () => {
    const names = [
      "$(reboot)",
      "`id`",
      "a;b",
      "a b",
      "-rf",
      "../x",
      "*",
      "\u001b[31m",
      "a\u202eb",
      "x".repeat(65),
      "",
      "a'b",
      "a=b"
    ]
    assert.deepStrictEqual(names.filter(isPlain), [])
    assert.isTrue(["bob", "Ann-2", "größe", "日本", "a.b@c", "_x"].every(isPlain))
    const hostile = Object.fromEntries([...names, "ok"].map((name) => [name, [...names, "fine"]]))
    assert.deepStrictEqual(merge(nobody, "n", met(hostile), 1).networks, { n: { ok: { at: 1, functions: ["fine"] } } })
    assert.deepStrictEqual(read(JSON.stringify({ last: "n", networks: { n: hostile, m: 5 } })).networks, {
      n: {},
      m: {}
    })
    for (const text of ["", "{", "[]", "null", "{\"networks\":[1]}"]) assert.deepStrictEqual(read(text).networks, {})

    let many = nobody
    for (let i = 0; i < 20; i++) {
      const peers = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`p${at}`, i === 0 ? [`f${at}`] : []]))
      many = merge(many, `n${i}`, met(peers), i + 1)
    }
    assert.strictEqual(Object.keys(many.networks).length, 16)
    assert.isUndefined(many.networks["n0"])
    assert.strictEqual(Object.keys(many.networks["n19"]!).length, 256)
  })
})

class Home extends TestNetwork.Service<Home>()("test/cli/complete", {
  crypto: NodeCrypto.layer,
  seed: 1,
  nodes: { bob: TestNetwork.node({ functions: { add: (_call, a: number, b: number) => a + b } }) }
}) {}

describe("commands", () => {
  it.effect("keep whom they met, and what they called", () =>
    Effect.gen(function*() {
      const alice = yield* desk((yield* Home).network, "alice")
      yield* alice.run("call", "bob", "add", "1", "2")
      const kept = read(alice.files.get("/home/user/.local/state/pnet/seen.json"))
      assert.strictEqual(kept.last, "test")
      assert.deepStrictEqual(candidates(["call", ""], kept, undefined), ["bob"])
      assert.deepStrictEqual(candidates(["call", "bob", ""], kept, undefined), ["add"])
      assert.deepStrictEqual([...alice.files.keys()].filter((file) => file.endsWith(".tmp")), [])
      const { code, stdout } = yield* alice.run("--completions", "fish")
      assert.strictEqual(code, 0)
      assert.include(stdout, "pnet __complete")
    }).pipe(Effect.scoped, Effect.provide(Home.layer)))
})

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const hasBash = process.platform !== "win32" && spawnSync("bash", ["-c", "exit 0"]).status === 0

describe("the completions of bash", () => {
  it.runIf(hasBash)("offer names, and commands and flags where there are none", () => {
    const folder = mkdtempSync(join(tmpdir(), "pnet-cli-"))
    try {
      mkdirSync(join(folder, "pnet"))
      mkdirSync(join(folder, "bin"))
      writeFileSync(join(folder, "pnet", "seen.json"), JSON.stringify(seen))
      writeFileSync(join(folder, "bin", "pnet"), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, {
        mode: 0o755
      })
      writeFileSync(join(folder, "pnet.bash"), script("bash", () => Completions.fromCommand(tree))!)
      const ask = (line: string) =>
        `COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); COMP_LINE="$_line"; _pnet_names; echo "\${COMPREPLY[@]}"`
      const lines = ["bin/pnet call b", "bin/pnet call bob --tim", "bin/pnet pub"]
      const text = execFileSync("bash", [
        "--norc",
        "-c",
        `cd ${folder}; source pnet.bash\n${lines.map((line) => `_line="${line}"; ${ask(line)}`).join("\n")}`
      ], {
        encoding: "utf8",
        env: { PATH: process.env.PATH ?? "", XDG_STATE_HOME: folder, HOME: folder }
      })
      assert.deepStrictEqual(text.split("\n"), ["bert bob", "--timeout", "publish pub", ""])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
