/** Which of several sessions with a peer new streams go to. */
import { assert, describe, it } from "@effect/vitest"
import { type Packet, PublicKey } from "@pnet/core"
import { Budget } from "../../src/internal/session/budget.ts"
import { PeerSessions } from "../../src/internal/session/peerSessions.ts"
import type { Session } from "../../src/internal/session/session.ts"

const keyOf = (byte: number) => PublicKey.fromBytes(new Uint8Array(32).fill(byte))!

interface Sketch {
  readonly id: number
  readonly dialled: boolean
  readonly startedAt: number
  readonly heardAt: number
  readonly usable?: boolean
  readonly doubtful?: boolean
}

/** The id of the session that streams go to, of a peer whose key is smaller than this node's, or larger. */
const current = (peer: "smaller" | "larger", ...sketches: ReadonlyArray<Sketch>) => {
  const [own, key] = peer === "smaller" ? [keyOf(0x22), keyOf(0x21)] : [keyOf(0x21), keyOf(0x22)]
  const sessions = new PeerSessions(key, own, new Budget(1))
  for (const sketch of sketches) {
    sessions.sessions.add({ usable: true, doubtful: false, peer: { name: "bob" }, ...sketch } as unknown as Session)
  }
  return sessions.current("bob" as Packet.NodeName)?.id
}

describe("new streams", () => {
  it("go to the only session, unless it drains or may be a ghost", () => {
    const one = { id: 1, dialled: true, startedAt: 0, heardAt: 0 }
    assert.strictEqual(current("smaller", one), 1)
    assert.isUndefined(current("smaller", { ...one, usable: false }))
    assert.isUndefined(current("smaller", { ...one, doubtful: true }))
  })

  it("go to the session that stays, which the smaller key opened, once it was heard since the newer one began", () => {
    const theirs = { id: 1, dialled: false, startedAt: 0, heardAt: 90 }
    const mine = { id: 2, dialled: true, startedAt: 100, heardAt: 100 }
    assert.strictEqual(current("smaller", theirs, mine), 2)
    assert.strictEqual(current("smaller", { ...theirs, heardAt: 101 }, mine), 1)
    // Where this node's key is the smaller one, its own stays.
    assert.strictEqual(current("larger", { ...theirs, heardAt: 101 }, mine), 2)
    assert.strictEqual(
      current("larger", { ...mine, id: 1, startedAt: 0, heardAt: 101 }, { ...theirs, id: 2, startedAt: 50 }),
      1
    )
  })

  it("go to the newest of several with one opener", () => {
    const first = { id: 1, dialled: true, startedAt: 0, heardAt: 500 }
    assert.strictEqual(current("larger", first, { ...first, id: 2, startedAt: 100 }), 2)
    assert.strictEqual(current("larger", first, { ...first, id: 2, startedAt: 100, usable: false }), 1)
  })
})
