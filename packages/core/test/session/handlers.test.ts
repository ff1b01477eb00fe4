/** Who serves the streams that peers open, by protocol and by name. */
import { assert, describe, it } from "@effect/vitest"
import { Handlers } from "../../src/internal/session/handlers.ts"
import type { MuxStream } from "../../src/internal/session/muxStream.ts"
import type { Session } from "../../src/internal/session/session.ts"

/** Opens a stream, and says who served it, or what its opener is told. */
const opening = (handlers: Handlers, served: Array<string>) => (protocol: string, name: string): string => {
  const told: Array<string> = []
  const before = served.length
  const stream = {
    open: { protocol, name },
    reset: (code: string, message: string) => told.push(`${code}: ${message}`)
  }
  handlers.open(stream as unknown as MuxStream, {} as Session)
  return told[0] ?? served[before]!
}

describe("the handlers of streams", () => {
  it("serve one name before all names, the last that was set first, and are taken away one by one", () => {
    const handlers = new Handlers()
    const served: Array<string> = []
    const open = opening(handlers, served)
    const by = (who: string) => () => void served.push(who)
    const offAll = handlers.add("command", by("all"))
    const offFirst = handlers.add({ protocol: "command", name: "f" }, by("first"))
    const offSecond = handlers.add({ protocol: "command", name: "f" }, by("second"))
    assert.deepStrictEqual([open("command", "f"), open("command", "g")], ["second", "all"])
    offFirst()
    assert.strictEqual(open("command", "f"), "second")
    offSecond()
    assert.strictEqual(open("command", "f"), "all")
    offAll()
    assert.strictEqual(open("command", "f"), "unsupported: nothing serves command here")
  })

  it("say of what nobody serves no more than its beginning", () => {
    const handlers = new Handlers()
    const open = opening(handlers, [])
    handlers.add({ protocol: "command", name: "f" }, () => {})
    const long = "x".repeat(60_000)
    assert.strictEqual(open("command", "g"), "not_found: nothing is called g here")
    assert.isBelow(open("command", long).length, 150)
    assert.isBelow(open(long, "f").length, 150)
  })
})
