/** Keeps true what the documents say of the events of peers: each event and each of its reasons has its place in their tables, and nothing else has. */
import { assert, describe, it } from "@effect/vitest"
import { LostReason, type PeerEvent, PeerLostError } from "@pnet/core/Peers"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

type Reasons<Event> = Event extends { readonly reason: infer Reason extends string } ? Reason : never

/** Every event with every reason that it may have: the compiler says where one is missing. */
const reasons: {
  readonly [Tag in PeerEvent["_tag"]]: { readonly [_ in Reasons<Extract<PeerEvent, { _tag: Tag }>>]: true }
} = {
  Joined: { New: true, Returned: true, Known: true },
  Updated: { name: true, address: true, proved: true },
  Offered: {},
  Restarted: {},
  Suspected: {},
  Probed: { Answered: true, Busy: true, Refused: true, NoAnswer: true },
  Returned: { Advert: true, Probe: true, Traffic: true },
  Left: { SaidSo: true, ConnectionsEnded: true },
  Lost: { NoAnswer: true, Refused: true, Silent: true, Evicted: true, Conflict: true, SessionEnded: true },
  KeyConflict: { KeyChanged: true, SharedName: true, OwnName: true, OwnKey: true }
}

/** The rows of the table with that head: the names in the first cell, and the rest. */
const tableOf = (
  document: string,
  head: RegExp
): ReadonlyArray<readonly [names: ReadonlyArray<string>, rest: string]> => {
  const text = readFileSync(fileURLToPath(new URL(`../../../docs/${document}`, import.meta.url)), "utf8")
  const lines = text.slice(head.exec(text)!.index).split("\n")
  return lines.slice(2, lines.findIndex((line) => !line.startsWith("|"))).map((line) => {
    const [first = "", ...rest] = line.split("|").slice(1, -1)
    return [[...first.matchAll(/`(\w+)`/g)].map(([, name]) => name!), rest.join("|")]
  })
}

const events = {
  "getting-started.md": /^\| event +\| meaning +\|$/m,
  "presence.md": /^\| event +\|/m
}

describe("the events of peers", () => {
  for (const [document, head] of Object.entries(events)) {
    it(`and their reasons are in the table of ${document}`, () => {
      const rows = tableOf(document, head)
      assert.sameMembers(rows.flatMap(([names]) => names), Object.keys(reasons))
      for (const [[event], rest] of rows) {
        const said = [...rest.matchAll(/`(\w+)`/g)].map(([, name]) => name)
        assert.includeMembers(said, Object.keys(reasons[event as PeerEvent["_tag"]]), event)
      }
    })
  }

  it("that are lost have the reasons of LostReason, and those of the error are explained", () => {
    assert.sameMembers(Object.keys(reasons.Lost), [...LostReason.literals])
    const explained = tableOf("why-cant-i.md", /^\| `reason` +\| what happened +\|$/m).flatMap(([names]) => names)
    assert.sameMembers(explained, [...PeerLostError.fields.reason.literals])
  })
})
