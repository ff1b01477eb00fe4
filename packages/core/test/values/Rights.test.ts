import { assert, describe, it } from "@effect/vitest"
import { Rights } from "@pnet/core"

describe("Rights.allows", () => {
  it("is by the whole name, or by its beginning where a star stands behind it", () => {
    for (
      const [list, name, allowed] of [
        [["resize"], "resize", true],
        [["resize"], "resize.one", false],
        [["resize"], "resiz", false],
        [["resize.*"], "resize.one", true],
        [["resize.*"], "resize.", true],
        [["resize.*"], "resize", false],
        [["*"], "", true],
        [["*"], "anything", true],
        [[], "anything", false],
        [["a", "b*"], "bc", true],
        // A name that is a pattern itself is granted no more by it.
        [["a"], "*", false],
        [["a*"], "a*", true],
        [["constructor"], "__proto__", false]
      ] as const
    ) assert.strictEqual(Rights.allows(list, name), allowed, `${list} ${name}`)
  })
})
