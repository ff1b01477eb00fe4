/** What is remembered of peers of a crowd, so that they can be asked. */
import { assert, describe, it } from "@effect/vitest"
import type { PublicKey } from "@pnet/core"
import { Doubts } from "../../src/internal/peers/doubts.ts"
import { Places } from "../../src/internal/peers/places.ts"

describe("peers of a crowd", () => {
  it("that wait to be asked take room of the oldest host where many name some, and 32 of one", () => {
    const doubts = new Doubts()
    const key = (i: number) => String(i) as PublicKey.PublicKey
    for (let i = 0; i < 100; i++) doubts.add({ publicKey: key(i), host: "one" })
    for (let i = 0; i < 100; i++) doubts.add({ publicKey: key(i), host: `host${i}` })
    const hosts: Array<string> = []
    while (doubts.takeIf(({ host }) => hosts.push(host) > 0 ? "taken" : "full"));
    assert.deepStrictEqual(hosts, Array.from({ length: 64 }, (_, i) => `host${36 + i}`))
    for (let i = 0; i < 100; i++) doubts.add({ publicKey: key(i), host: "one" })
    let count = 0
    while (doubts.takeIf(() => ++count > 0 ? "taken" : "full"));
    assert.strictEqual(count, 32)
    assert.isTrue(doubts.isEmpty)
  })

  it("have four places at most: whoever makes some up pushes out what he made up, and what was not heard for long goes", () => {
    const of = (port: number, host = "10.0.0.1") => ({ host, port })
    const places = new Places(of(1))
    places.hear(of(1, "10.0.1.1"), 1_000, 10_000)
    for (let port = 2; port < 50; port++) places.hear(of(port), 1_000 + port, 10_000)
    const all = () => Array.from({ length: places.count }, (_, i) => places.at(i))
    assert.deepStrictEqual(all(), [of(49), of(1), of(1, "10.0.1.1"), of(2)])
    assert.deepStrictEqual(places.at(4), of(49))
    places.hear(of(1), 15_000, 10_000)
    assert.deepStrictEqual(all(), [of(1), of(49)])
  })
})
