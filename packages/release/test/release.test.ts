import { assert, describe, it } from "@effect/vitest"
import { blocks } from "../src/blocks.ts"
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

describe("blocks", () => {
  it("are the programs of a document, on a network of their own, and what they print", () => {
    const code = "make({ networkId: \"home\" })\n// prints: [ 'bob' ]\n"
    assert.deepStrictEqual(blocks(`text\n\n\`\`\`ts\n${code}\`\`\`\n\n\`\`\`sh\nls\n\`\`\`\n`, "other"), [
      { code: code.replace("home", "other"), test: false, prints: ["[ 'bob' ]"] }
    ])
  })
})
