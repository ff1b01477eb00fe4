/** The hashes of files. */
import { assert, describe, it } from "@effect/vitest"
import * as FileHash from "../src/FileHash.ts"

describe("hashes", () => {
  it("are SHA-256, by the platform and in JavaScript", () => {
    const makers = { native: FileHash.native!, portable: FileHash.portable }
    for (const [name, make] of Object.entries(makers)) {
      const hash = make()
      hash.update(new TextEncoder().encode("a"))
      hash.update(new TextEncoder().encode("bc"))
      const hex = Buffer.from(hash.digest()).toString("hex")
      assert.strictEqual(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", name)
    }
  })
})
