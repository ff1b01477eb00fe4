/** Where the user's files are, whatever the environment says or leaves out. */
import { assert, describe, it } from "@effect/vitest"
import { homeOf, placesOf } from "../src/places.ts"

const throws = () => {
  throw new Error("ENOENT")
}

describe("the user's files", () => {
  it("are in the folders of the environment that are absolute, and else in the home", () => {
    const of = (env: Record<string, string>, windows = false) => placesOf({ env, home: "/home/ann", windows }).data
    assert.strictEqual(of({ XDG_DATA_HOME: "/data" }), "/data/pnet")
    for (const said of ["", ".", "data"]) {
      assert.strictEqual(of({ XDG_DATA_HOME: said }), "/home/ann/.local/share/pnet")
      assert.strictEqual(of({ LOCALAPPDATA: said }, true), "/home/ann/.local/share/pnet")
    }
    assert.strictEqual(of({ LOCALAPPDATA: "C:\\Users\\ann" }, true), "C:\\Users\\ann/pnet")
  })

  it("are in the first home that is said and absolute, and nowhere where there is none", () => {
    const of = (...ways: Parameters<typeof homeOf>[0]) => homeOf(ways, "/dev/null")
    assert.strictEqual(of(() => "/home/ann", () => "/root"), "/home/ann")
    for (const said of ["", ".", "ann"]) assert.strictEqual(of(() => said, () => "/home/ann"), "/home/ann")
    assert.strictEqual(of(throws, () => "/home/ann"), "/home/ann")
    assert.strictEqual(of(throws, throws), "/dev/null")
    assert.strictEqual(of(() => "", throws), "/dev/null")
  })
})
