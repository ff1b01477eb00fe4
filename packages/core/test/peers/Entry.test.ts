/** What an entry of the table and a sighting know of each other. */
import { assert, describe, it } from "@effect/vitest"
import type { NodeName } from "@pnet/core/Packet"
import type { PublicKey } from "@pnet/core/PublicKey"
import type * as InternalKept from "../../src/internal/base/kept.ts"
import type * as InternalAddresses from "../../src/internal/peers/addresses.ts"
import type * as InternalEntry from "../../src/internal/peers/entry.ts"
import type * as InternalTable from "../../src/internal/peers/table.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const internal = (name: string) => import(new URL(`../../src/internal/${name}.ts`, import.meta.url).href)
const { kept }: typeof InternalKept = await internal("base/kept")
const { Addresses }: typeof InternalAddresses = await internal("peers/addresses")
const { Entry }: typeof InternalEntry = await internal("peers/entry")
const { Table }: typeof InternalTable = await internal("peers/table")

const name = "bob" as NodeName
const publicKey = `${"A".repeat(43)}=` as PublicKey

const entered = () => {
  const table = new Table({ provedPeers: 10, unprovedPeers: 10 })
  const entry = new Entry({ name, publicKey }, "10.0.0.2", new Addresses(4, undefined), undefined, 0)
  table.enter(entry, false)
  return { table, entry }
}

describe("a sighting that says nothing new", () => {
  it("leads to the entry that knows it, in the table that has that, as long as nothing else was done to it", () => {
    const { entry, table } = entered()
    const other = entered()
    const sighting = { [kept]: undefined as object | undefined }
    assert.isUndefined(Entry.whichKnows(sighting, table))
    entry.knows(sighting, 1)
    assert.strictEqual(Entry.whichKnows(sighting, table), entry)
    assert.isUndefined(Entry.whichKnows(sighting, other.table), "another table may hear the very same sighting")
    other.entry.knows(sighting, 1)
    assert.isUndefined(Entry.whichKnows(sighting, table))
    entry.knows(sighting, 2)
    entry.touch()
    assert.isUndefined(Entry.whichKnows(sighting, table))
    entry.knows(sighting, 3)
    table.remove(entry)
    assert.isUndefined(Entry.whichKnows(sighting, table))
  })

  it("is given nothing to keep that has no room for it", () => {
    const { entry, table } = entered()
    const sighting = Object.freeze({ name })
    entry.knows(sighting, 1)
    assert.isUndefined(Entry.whichKnows(sighting, table))
    assert.isTrue(entry.isSaidAgain(sighting, 2))
  })
})

describe("a peer that two nodes of a process hear of", () => {
  it("is one where they heard the same, and each its own where they did not", () => {
    const endpoint = { host: "10.0.0.2", port: 4_000 }
    const source = { host: "10.0.0.2", port: 5_000 }
    const of = (heard: string, at = endpoint) => {
      const addresses = new Addresses(4, undefined)
      addresses.hear({ endpoint: at, source } as Parameters<typeof addresses.hear>[0])
      return new Entry({ name: heard as NodeName, publicKey }, source.host, addresses, undefined, 0).peer
    }
    const bob = of("bob")
    assert.strictEqual(of("bob"), bob)
    assert.strictEqual(of("bobby").name as string, "bobby")
    assert.deepStrictEqual(of("bob", { host: "10.0.0.2", port: 4_001 }).endpoints.map(({ port }) => port), [4_001])
    assert.deepStrictEqual(of("bob"), bob)
  })
})
