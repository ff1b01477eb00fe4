/** What each source said last, by the short way to it and by the long one. */
import { assert, describe, it } from "@effect/vitest"
import type { NodeName } from "@pnet/core/Packet"
import type { PublicKey } from "@pnet/core/PublicKey"
import type * as InternalHash from "../../src/internal/base/hash.ts"
import type * as InternalHeard from "../../src/internal/discovery/heard.ts"
import type * as InternalLastHeard from "../../src/internal/discovery/lastHeard.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const internal = (name: string) => import(new URL(`../../src/internal/${name}.ts`, import.meta.url).href)
const { hashOf }: typeof InternalHash = await internal("base/hash")
const { Heard }: typeof InternalHeard = await internal("discovery/heard")
const { LastHeard }: typeof InternalLastHeard = await internal("discovery/lastHeard")

const publicKey = `${"A".repeat(43)}=` as PublicKey

const heardAt = (host: string, port: number) =>
  new Heard(
    { name: "bob" as NodeName, publicKey, endpoint: { host, port: 4_000 } },
    { source: { host, port }, local: false, localAt: 0, ear: {} as InternalHeard.Ear, place: undefined }
  )

/** Another host that has the place of one among those that are kept for a process. */
const hostLike = (host: string, port: number) => {
  const place = hashOf(host, port) & 8_191
  for (let i = 0; i < 2 ** 20; i++) {
    const other = `10.9.${i >> 8}.${i & 255}`
    if ((hashOf(other, port) & 8_191) === place) return other
  }
  throw new Error("there is none")
}

describe("what each source said last", () => {
  it("is found by its source, and is another thing for another port of its host", () => {
    const last = new LastHeard(10, 10)
    const one = heardAt("10.0.0.1", 5_000)
    last.set(one)
    assert.strictEqual(last.get("10.0.0.1", 5_000), one)
    assert.isUndefined(last.get("10.0.0.1", 5_001))
    assert.isUndefined(last.get("10.0.0.2", 5_000))
    const again = heardAt("10.0.0.1", 5_000)
    last.set(again)
    assert.strictEqual(last.get("10.0.0.1", 5_000), again)
    const other = heardAt("10.0.0.1", 5_001)
    last.set(other)
    assert.strictEqual(last.get("10.0.0.1", 5_000), again)
    assert.strictEqual(last.get("10.0.0.1", 5_001), other)
    last.delete({ host: "10.0.0.1", port: 5_000 })
    assert.isUndefined(last.get("10.0.0.1", 5_000))
    assert.strictEqual(last.get("10.0.0.1", 5_001), other)
  })

  it("is found of two sources whose numbers are one", () => {
    const last = new LastHeard(10, 10)
    const host = hostLike("10.0.1.1", 5_000)
    const one = heardAt("10.0.1.1", 5_000)
    const other = heardAt(host, 5_000)
    last.set(one)
    assert.isUndefined(last.get(host, 5_000))
    last.set(other)
    for (let i = 0; i < 2; i++) {
      assert.strictEqual(last.get("10.0.1.1", 5_000), one)
      assert.strictEqual(last.get(host, 5_000), other)
    }
    last.delete(one.source)
    assert.isUndefined(last.get("10.0.1.1", 5_000))
    assert.strictEqual(last.get(host, 5_000), other)
  })

  it("is forgotten of the oldest where there are too many", () => {
    const last = new LastHeard(3, 2)
    for (let i = 1; i <= 4; i++) last.set(heardAt(`10.0.2.${i}`, 5_000))
    assert.isUndefined(last.get("10.0.2.1", 5_000))
    assert.isDefined(last.get("10.0.2.2", 5_000))
    // And where one host has too many.
    for (let port = 1; port <= 3; port++) last.set(heardAt("10.0.2.4", port))
    const known = [1, 2, 3, 5_000].filter((port) => last.get("10.0.2.4", port) !== undefined)
    assert.deepStrictEqual(known, [2, 3])
  })

  it("is each node's own where several of a process hear the same", () => {
    const [a, b] = [new LastHeard(10, 10), new LastHeard(10, 10)]
    const one = heardAt("10.0.3.1", 5_000)
    a.set(one)
    assert.isUndefined(b.get("10.0.3.1", 5_000))
    const other = heardAt("10.0.3.1", 5_000)
    b.set(other)
    assert.strictEqual(a.get("10.0.3.1", 5_000), one)
    assert.strictEqual(b.get("10.0.3.1", 5_000), other)
  })
})
