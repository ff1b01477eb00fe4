import { assert, describe, it } from "@effect/vitest"
import { blocks } from "../src/blocks.ts"
import { asked } from "../src/check.ts"
import { objections, type State } from "../src/release.ts"
import type { Manifest } from "../src/workspace.ts"

const manifest = (name: string, more: Partial<Manifest> = {}): Manifest => ({
  name,
  version: "1.0.0",
  exports: {},
  files: [],
  repository: { type: "git" },
  publishConfig: { provenance: true },
  ...more
})

const good: State = { manifests: [manifest("a"), manifest("b")], changesets: [], changed: [], ci: true }

describe("a release", () => {
  it("has no objection where all is as it should be", () => {
    assert.deepStrictEqual(objections(good), [])
  })

  it("is refused outside of CI, without a repository or provenance, and with versions or changes of which nobody has heard", () => {
    const refused = (more: Partial<State>, because: RegExp) => {
      const found = objections({ ...good, ...more })
      assert.strictEqual(found.length, 1)
      assert.match(found[0]!, because)
    }
    refused({ ci: false }, /not CI/)
    refused({ manifests: [manifest("a", { repository: undefined })] }, /a names no repository/)
    refused({ manifests: [manifest("a", { publishConfig: {} })] }, /without provenance/)
    refused({ manifests: [manifest("a"), manifest("b", { version: "1.0.1" })] }, /several versions/)
    refused({ changesets: ["x.md"] }, /x\.md has no version/)
    refused({ changed: ["README.md"] }, /README\.md is not as it was committed/)
  })
})

describe("a check", () => {
  it("says what it takes where it is asked, or is given what it does not take or what no step has in its name", () => {
    const said = (...args: ReadonlyArray<string>) => {
      const found = asked(args)
      return "said" in found ? [found.code, found.said.split("\n")[0]] : assert.fail("it was taken")
    }
    assert.deepStrictEqual(said("--help"), [0, "pnpm release:check [--only TEXT] [--keep] [--help]"])
    assert.deepStrictEqual(said("--only", "xyzzy"), [1, `no step has "xyzzy" in its name`])
    for (const args of [["--kep"], ["--only"], ["bun"]]) assert.strictEqual(said(...args)[0], 1)
    assert.deepStrictEqual(asked([]), { keep: false, only: "" })
    assert.deepStrictEqual(asked(["--only", "bun", "--keep"]), { keep: true, only: "bun" })
  })
})

describe("blocks", () => {
  it("are the programs of a document, on a network of their own, and what they print", () => {
    const code = "make({ networkId: \"home\" })\n// prints: [ 'bob' ]\n"
    assert.deepStrictEqual(blocks(`text\n\n\`\`\`ts\n${code}\`\`\`\n\n\`\`\`sh\nls\n\`\`\`\n`, "other"), [
      { code: code.replace("home", "other"), test: false, prints: ["[ 'bob' ]"] }
    ])
  })
})
