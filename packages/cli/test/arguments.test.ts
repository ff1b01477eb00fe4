/** The words of a command line, before they are parsed. */
import { assert, describe, it } from "@effect/vitest"
import { prepare } from "../src/arguments.ts"
import { ownFlags } from "../src/program.ts"
import { specs } from "../src/tree.ts"

const prepared = (line: string) => prepare(line.split(" "), specs, ownFlags).words.join(" ")

describe("the words of a call", () => {
  it("are flags first, whatever the command knows, and then arguments as they are", () => {
    assert.strictEqual(prepared("call bob add 1 -2 -.5"), "call -- bob add 1 -2 -.5")
    assert.strictEqual(
      prepared("call --json bob add true - --timeout 5s x"),
      "call --json --timeout 5s -- bob add true - x"
    )
    assert.strictEqual(
      prepared("call bob f --loud=true --quiet --no-check"),
      "call --arg=loud=true --arg=quiet=true --no-check -- bob f"
    )
    assert.strictEqual(prepared("call bob f --a=b=c -- --x -y"), "call --arg=a=b=c -- bob f --x -y")
    assert.strictEqual(prepared("call bob f --help"), "call --help -- bob f")
  })

  it("are the function's behind its name, but where they are the command's own, or of how it is shown", () => {
    assert.strictEqual(
      prepared("--name me call --network=home bob f --name=ann --port=1 --json=true --timeout=5s --wait 1s -n x"),
      "call --name me --network=home --arg=name=ann --arg=port=1 --json=true --timeout=5s --wait 1s -n x -- bob f"
    )
    assert.strictEqual(
      prepared("call bob f --open=true --no-open --network-key-stdin --json --no-json"),
      "call --arg=open=true --arg=no-open=true --arg=network-key-stdin=true --json --no-json -- bob f"
    )
    const { flags, settings, words } = prepare("call --port 1 bob --open f --name ann".split(" "), specs, ownFlags)
    assert.strictEqual(words.join(" "), "call --port 1 --open -- bob f ann")
    assert.deepStrictEqual({ flags, settings }, { flags: [{ name: "name", at: 0 }], settings: ["--name"] })
  })

  it("leave open whether an argument behind a flag is its value, and say where that is", () => {
    const { flags, known, words } = prepare(
      "call --quiet bob f --a 1 --b -2 --c --d --e=3 x --f".split(" "),
      specs,
      ownFlags
    )
    assert.strictEqual(words.join(" "), "call --arg=c=true --arg=d=true --arg=e=3 --arg=f=true -- bob f 1 -2 x")
    assert.deepStrictEqual(flags, [{ name: "quiet", at: -2 }, { name: "a", at: 0 }, { name: "b", at: 1 }])
    assert.includeMembers([...known], ["--timeout", "--no-check", "--name", "--json"])
    assert.notInclude(known, "--arg")
  })

  it("that are public keys are no flags, though one of 64 begins with a hyphen", () => {
    const key = `-S${"d".repeat(41)}=`
    assert.strictEqual(prepared(`trust allow bob ${key} --roles x`), `trust allow bob --roles x -- ${key}`)
    assert.strictEqual(prepared(`trust revoke -- ${key}`), `trust revoke -- ${key}`)
    assert.strictEqual(prepared(`mail post bob hi --key ${key} --json`), `mail post bob hi --key=${key} --json`)
    assert.strictEqual(prepared(`call bob f ${key} 2 --json`), `call --json -- bob f ${key} 2`)
    assert.strictEqual(prepared("trust allow -x"), "trust allow -x")
  })

  it("of other commands stay as they are", () => {
    for (
      const line of [
        "peers --wacth",
        "--json peers",
        "functions bob --name=x -- call",
        "-- call bob f --x=1",
        "--wait call peers"
      ]
    ) {
      assert.strictEqual(prepared(line), line)
    }
  })
})
