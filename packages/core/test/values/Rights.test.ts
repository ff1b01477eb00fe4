import { assert, describe, it } from "@effect/vitest"
import { Rights } from "@pnet/core"
import { Schema } from "effect"

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

describe("Rights of topics", () => {
  it("are by the name, and of a pattern by the beginning that all of its names have", () => {
    for (
      const [list, topic, allowed] of [
        [["readings"], "readings", true],
        [["readings"], "readings.one", false],
        [["build.*"], "build.42.failed", true],
        [["build.*"], "build", false],
        [["build.*"], "build.>", true],
        [["build.*"], "build.*.failed", true],
        [["build.42.*"], "build.>", false],
        [["build.*"], "*.failed", false],
        [["build.*"], ">", false],
        [["bu*"], "build.>", true],
        [["*"], ">", true],
        [["*"], "*", true],
        [[], ">", false],
        // A name grants none but itself.
        [["build"], "build.>", false],
        [["build."], "build.*", false]
      ] as const
    ) assert.strictEqual(Rights.allows(list, topic), allowed, `${list} ${topic}`)
  })

  it("are lists of names and of beginnings, and none of the patterns of subscriptions", () => {
    const isOne = Schema.is(Rights.TopicPattern)
    for (const right of ["*", "a", "a.b", "a.*", "a*", "é"]) assert.isTrue(isOne(right), right)
    for (const right of ["", ">", "a.>", "a.*.b", "*.b", "a\n", "x".repeat(256)]) assert.isFalse(isOne(right), right)
  })
})
