/** What a peer's JSON may cost before it is parsed, and how what JSON cannot carry is named. */
import { assert, describe, it } from "@effect/vitest"
import { NotJsonError } from "@pnet/core/FunctionError"
import { Effect, Option, Result } from "effect"
import { isDeep, lengthUpTo, notJson, parse, weigh } from "../../src/internal/wire/json.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe("a peer's JSON", () => {
  it("is weighed by what it nests and lists, whatever stands in its texts", () => {
    assert.strictEqual(weigh(bytes("1")), 0)
    assert.strictEqual(weigh(bytes("\"[{:,\\\"[{:,\\\\\"")), 0)
    assert.strictEqual(weigh(bytes("\"\\\\\",1")), weigh(bytes("1,1")))
    const one = weigh(bytes("{\"a\":[]}"))
    assert.isAbove(one, 100)
    assert.strictEqual(weigh(bytes(`[${"{\"a\":[]},".repeat(99)}{"a":[]}]`)), one * 100 + weigh(bytes("[]")) + 99 * 12)
    // Malformed is what JSON.parse finds out.
    for (const text of ["\"", "\"\\", "]]]]", "}{", ""]) assert.isFinite(weigh(bytes(text)))
  })

  it("is refused without being parsed where it nests too deep", () => {
    for (const open of ["[", "{\"a\":"]) {
      assert.strictEqual(weigh(bytes(open.repeat(100_000))), Infinity)
      assert.strictEqual(parse(bytes(open.repeat(100_000))), "nested deeper than 512")
    }
    assert.isFalse(isDeep(bytes(`${"[".repeat(514)}${"]".repeat(514)}`)))
    assert.isTrue(isDeep(bytes(`${"[".repeat(515)}${"]".repeat(515)}`)))
    assert.isFalse(isDeep(bytes(`[${"[],".repeat(2_000)}1]`)))
  })

  it("is measured no further than a limit", () => {
    const value = { list: [1, null, "text", { a: true, b: undefined }], "a key": "x".repeat(50) }
    assert.isAtMost(lengthUpTo(value, Infinity), JSON.stringify(value).length)
    assert.isAbove(lengthUpTo(value, Infinity), JSON.stringify(value).length / 2)
    let read = 0
    const endless = new Proxy([] as Array<unknown>, {
      get: (_, name) => name === "length" ? 1e9 : ++read
    })
    assert.isAbove(lengthUpTo([endless], 1_000), 1_000)
    assert.isBelow(read, 1_000)
  })
})

describe("what is in itself", () => {
  const found = (value: unknown): readonly [string, string] => {
    const error = notJson(value, "$", Infinity) as NotJsonError
    assert.instanceOf(error, NotJsonError)
    return [error.path, error.found]
  }

  it("is named by where it is met again, in a short path", () => {
    const parent: Record<string, any> = { name: "p", "all children": [] }
    parent["all children"].push({ name: "c", parent })
    assert.deepStrictEqual(found({ parent }), [
      "$.parent[\"all children\"][0].parent",
      "the same as $.parent, so that it is in itself"
    ])
  })

  it("and what is only deep by the beginning and the end of its path", () => {
    let deep: unknown = []
    for (let i = 0; i < 600; i++) deep = { next: deep }
    const [path, what] = found(deep)
    assert.strictEqual(what, "nested deeper than 512")
    assert.isBelow(path.length, 100)
    assert.match(path, /^\$\.next.*…\.next/)
    assert.isBelow(found({ ["x".repeat(100_000)]: 1n })[0].length, 600)
  })
})

describe("what JSON has no form for", () => {
  const found = (value: unknown) => {
    const fault = notJson({ a: [value] }, "$", Infinity)
    return fault === "too large" ? fault : fault?.found
  }

  it("is named by what it is, whether it has a class or not", () => {
    class Own {}
    assert.strictEqual(found(new Own()), "an instance of Own")
    assert.strictEqual(found(new Map()), "an instance of Map")
    assert.strictEqual(found(Option.some(1)), "an Option")
    assert.strictEqual(found(Result.succeed(1)), "a Result")
    assert.strictEqual(found(Object.create(Object.create(null))), undefined)
    assert.strictEqual(found(Object.create({ "~effect/Option": 1 })), "an Option")
    assert.strictEqual(found(Object.create({})), "an object")
    assert.strictEqual(found(Promise.resolve()), "a promise")
    assert.strictEqual(found(Effect.void), "an Effect")
  })

  it("is what stands in so many places that it would have no end, of which no more is looked at", () => {
    let shared: object = {}
    for (let i = 0; i < 100; i++) shared = { a: shared, b: [shared] }
    for (
      const value of [
        shared,
        Object.assign([], { length: 4_000_000_000 }),
        Array.from({ length: 300 }).fill("x".repeat(1_000_000))
      ]
    ) {
      assert.strictEqual(notJson([value], "$", 1_000_000), "too large")
    }
    let looks = 0
    const watched = {
      get a() {
        looks++
        return 1
      }
    }
    assert.strictEqual(notJson(Array.from({ length: 100_000 }).fill(watched), "$", 1_000), "too large")
    assert.isBelow(looks, 1_000)
    const value = { list: [1, null, "text", { a: true, b: undefined }], "a key": "x".repeat(50) }
    assert.isUndefined(notJson(value, "$", JSON.stringify(value).length))
    assert.strictEqual(notJson(value, "$", 80), "too large")
    assert.strictEqual(notJson("xxx", "$", 4), "too large")
  })
})
